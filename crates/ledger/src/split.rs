//! Division of money: floor, then one unit each to the largest remainders.

use std::cmp::Reverse;

use sha2::{Digest as _, Sha256};

use crate::amount::Amount;
use crate::limits::PPM;

/// Splits `total` in proportion to `weights`: exact in sum, each part less than one unit from its quota, and the same
/// whatever the order. Equal remainders go by the smaller `tie(index)`. `None` when no weight is above zero.
///
/// This is Hamilton's method; `tie` decides only among equal remainders.
pub fn split(total: Amount, weights: &[u64], tie: impl Fn(usize) -> [u8; 32]) -> Option<Vec<Amount>> {
    let mut parts = Division::new(total, weights)?.parts(tie).into_iter();
    parts.try_fold(Vec::with_capacity(weights.len()), |mut all, part| {
        all.push(Amount::of(part)?);
        Some(all)
    })
}

/// A division of which all is known but how its tie is broken.
#[derive(Clone, Debug)]
pub(crate) struct Division {
    parts: Vec<u64>,
    /// Those of equal remainders, of whom some get the last units.
    tied: Vec<usize>,
    /// How many of them.
    left: usize,
}

impl Division {
    /// By `weights`; `None` when none is above zero.
    pub(crate) fn new(total: Amount, weights: &[u64]) -> Option<Self> {
        let whole: u128 = weights.iter().map(|&w| u128::from(w)).sum();
        if whole == 0 {
            return None;
        }
        let quotas = weights.iter().map(|&weight| divide(total.units() * u128::from(weight), whole));
        let (mut parts, remainders): (Vec<u64>, Vec<u128>) =
            quotas.map(|(part, remainder)| (part as u64, remainder)).unzip();
        let left = total.units() - parts.iter().map(|&part| u128::from(part)).sum::<u128>();
        let mut order: Vec<usize> = (0..weights.len()).filter(|&i| remainders[i] > 0).collect();
        // The remainders sum to `left` wholes and each is below one: there are more of them than units left.
        let left = usize::try_from(left).unwrap_or(usize::MAX).min(order.len());
        order.sort_unstable_by_key(|&i| Reverse(remainders[i]));
        let least = left.checked_sub(1).map(|last| remainders[order[last]]);
        let above = order.partition_point(|&i| Some(remainders[i]) > least);
        let to = order.partition_point(|&i| Some(remainders[i]) >= least);
        // Only where the last unit goes does it matter who is first among equals.
        let (sure, tied) = if to > left { (above, order[above..to].to_vec()) } else { (left, Vec::new()) };
        order[..sure].iter().for_each(|&i| parts[i] += 1);
        Some(Self { parts, tied, left: left - sure })
    }

    /// The parts, where the smaller `tie(index)` comes first.
    pub(crate) fn parts(&self, tie: impl Fn(usize) -> [u8; 32]) -> Vec<u64> {
        let (mut parts, mut tied) = (self.parts.clone(), self.tied.clone());
        tied.sort_by_cached_key(|&i| tie(i));
        tied.iter().take(self.left).for_each(|&i| parts[i] += 1);
        parts
    }
}

/// Divides by parts per million, again and again, at the speed of small numbers and in the same memory.
#[derive(Debug, Default)]
pub(crate) struct Divider {
    parts: Vec<u64>,
    /// What each remainder lacks to one unit, and whose it is.
    lacks: Vec<(u32, u32)>,
}

impl Divider {
    /// [`split`] by parts that sum to a million.
    pub(crate) fn split(
        &mut self,
        total: Amount,
        ppm: impl ExactSizeIterator<Item = u32>,
        tie: impl Fn(usize) -> [u8; 32],
    ) -> &[u64] {
        const WHOLE: u64 = PPM as u64;
        let units = total.small();
        if units > u64::MAX / WHOLE {
            let weights: Vec<u64> = ppm.map(u64::from).collect();
            self.parts = Division::new(total, &weights).map(|parts| parts.parts(tie)).unwrap_or_default();
            return &self.parts;
        }
        self.parts.clear();
        self.lacks.clear();
        let mut left = units;
        for (i, weight) in (0..).zip(ppm) {
            let quota = units * u64::from(weight);
            left -= quota / WHOLE;
            self.parts.push(quota / WHOLE);
            self.lacks.push(((WHOLE - quota % WHOLE) as u32, i));
        }
        self.give(left as usize, tie);
        &self.parts
    }

    /// Gives a unit each to the `left` largest remainders, which sum to so many units.
    fn give(&mut self, left: usize, tie: impl Fn(usize) -> [u8; 32]) {
        let Some(last) = left.checked_sub(1).filter(|last| *last < self.lacks.len()) else { return };
        let (_, &mut (least, _), others) = self.lacks.select_nth_unstable(last);
        // Only where the last unit goes does it matter who is first among equals.
        if others.iter().any(|(lacks, _)| *lacks == least) {
            let tied = self.lacks.iter().filter(|(lacks, _)| *lacks == least);
            let mut tied: Vec<(u32, u32)> = tied.copied().collect();
            tied.sort_by_cached_key(|&(_, i)| tie(i as usize));
            self.lacks.retain(|(lacks, _)| *lacks < least);
            self.lacks.extend(tied);
        }
        self.lacks[..left].iter().for_each(|&(_, i)| self.parts[i as usize] += 1);
    }
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Used again and again, it divides as `split` does.
        #[test]
        fn a_divider_is_the_same_division(
            of in prop::collection::vec((
                prop_oneof![0..50_u64, 0..10_000_000_u64, any::<u64>().prop_map(|n| n >> 1)],
                prop::collection::vec(prop_oneof![0..5_u32, 0..40_000_u32, Just(250_000)], 0..24),
            ), 1..5),
        ) {
            let mut divider = Divider::default();
            for (total, mut ppm) in of {
                while ppm.iter().sum::<u32>() > PPM {
                    ppm.pop();
                }
                ppm.push(PPM - ppm.iter().sum::<u32>());
                let (total, weights) = (Amount::of(total).unwrap(), ppm.iter().map(|&w| w.into()).collect::<Vec<u64>>());
                let tie = |i: usize| tie(7, &i.to_string());
                let parts = split(total, &weights, tie).unwrap();
                let parts: Vec<u64> = parts.into_iter().map(|part| part.units() as u64).collect();
                prop_assert_eq!(divider.split(total, ppm.iter().copied(), tie), &parts);
            }
        }
    }
}
