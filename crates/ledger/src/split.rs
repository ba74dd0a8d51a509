//! Division of money: floor, then one unit each to the largest remainders.

use std::cmp::Reverse;

use sha2::{Digest as _, Sha256};

use crate::amount::Amount;

/// Splits `total` in proportion to `weights`: exact in sum, each part less than one unit from its quota, and the same
/// whatever the order. Equal remainders go by the smaller `tie(index)`. `None` when no weight is above zero.
///
/// This is Hamilton's method; `tie` decides only among equal remainders.
pub fn split(total: Amount, weights: &[u64], tie: impl Fn(usize) -> [u8; 32]) -> Option<Vec<Amount>> {
    let whole: u128 = weights.iter().map(|&w| u128::from(w)).sum();
    if whole == 0 {
        return None;
    }
    let quotas: Vec<(u128, u128)> =
        weights.iter().map(|&weight| divide(total.units() * u128::from(weight), whole)).collect();
    let mut parts: Vec<u128> = quotas.iter().map(|&(part, _)| part).collect();
    let left = total.units() - parts.iter().sum::<u128>();
    if left > 0 {
        let remainders = quotas.iter().map(|&(_, remainder)| remainder).enumerate();
        let mut order: Vec<(usize, u128)> = remainders.filter(|&(_, remainder)| remainder > 0).collect();
        order.sort_unstable_by_key(|&(_, remainder)| Reverse(remainder));
        // The remainders sum to `left` wholes and each is below one: there are more of them than units left.
        let last = usize::try_from(left).unwrap_or(usize::MAX).min(order.len()) - 1;
        // Only where the last unit goes does it matter who is first among equals.
        let equals = order.partition_point(|&(_, remainder)| remainder > order[last].1);
        let below = order.partition_point(|&(_, remainder)| remainder >= order[last].1);
        if below > last + 1 {
            order[equals..below].sort_by_cached_key(|&(i, _)| tie(i));
        }
        order.iter().take(last + 1).for_each(|&(i, _)| parts[i] += 1);
    }
    parts.into_iter().map(Amount::new).collect()
}

/// [`split`] by weights that sum to `whole`, at the speed of small numbers; `None` where numbers are large, or a tie decides.
pub(crate) fn split_plainly(total: Amount, weights: &[u64], whole: u64) -> Option<Vec<Amount>> {
    let total = u64::try_from(total.units()).ok()?;
    let sum = weights.iter().try_fold(0_u64, |sum, weight| sum.checked_add(*weight));
    let largest = weights.iter().copied().max().filter(|_| sum == Some(whole))?;
    total.checked_mul(largest)?;
    let mut parts: Vec<u64> = weights.iter().map(|weight| total * weight / whole).collect();
    let left = usize::try_from(total - parts.iter().sum::<u64>()).ok()?;
    if left > 0 {
        let remainder = |i: usize| total * weights[i] - parts[i] * whole;
        let mut order: Vec<(u64, usize)> = (0..weights.len()).map(|i| (remainder(i), i)).collect();
        // The remainders sum to `left` wholes and each is below one: more of them than that are above zero.
        let (first, last, others) = order.select_nth_unstable_by_key(left - 1, |&(rest, _)| Reverse(rest));
        if others.iter().any(|(rest, _)| *rest == last.0) {
            return None;
        }
        first.iter().chain([&*last]).for_each(|&(_, i)| parts[i] += 1);
    }
    parts.into_iter().map(Amount::of).collect()
}

/// Quotient and remainder, by the machine's own division where the numbers are small, as they nearly always are.
fn divide(number: u128, by: u128) -> (u128, u128) {
    match (u64::try_from(number), u64::try_from(by)) {
        (Ok(number), Ok(by)) => ((number / by).into(), (number % by).into()),
        _ => (number / by, number % by),
    }
}

/// The hash that breaks ties: `SHA-256("assay/split/v1\n" || number, big-endian || name)`. The number is an epoch or a
/// place in the log, so that no account is favoured for ever.
pub(crate) fn tie(number: u64, name: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"assay/split/v1\n")
        .chain_update(number.to_be_bytes())
        .chain_update(name)
        .finalize()
        .into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// It divides as `split` does whenever no tie is asked for, and leaves all else to it.
        #[test]
        fn the_plain_way_is_the_same_or_none(
            total in prop_oneof![0..50_u64, 0..10_000_000_u64, any::<u64>().prop_map(|n| n >> 1)],
            of in prop::collection::vec(prop_oneof![0..5_u64, 0..40_000_u64], 1..25),
        ) {
            let rest = 1_000_000 - of.iter().sum::<u64>().min(1_000_000);
            let weights: Vec<u64> = of.into_iter().chain([rest]).collect();
            let (total, whole) = (Amount::of(total).unwrap(), weights.iter().sum());
            let asked = Cell::new(false);
            let parts = split(total, &weights, |i| {
                asked.set(true);
                tie(7, &i.to_string())
            });
            let small = total.units() * u128::from(whole) <= u128::from(u64::MAX);
            let plain = split_plainly(total, &weights, whole);
            prop_assert_eq!(plain.is_some(), !asked.get() && (small || plain.is_some()));
            prop_assert!(plain.is_none() || plain == parts);
            prop_assert_eq!(split_plainly(total, &weights, whole + 1), None);
        }
    }
}
