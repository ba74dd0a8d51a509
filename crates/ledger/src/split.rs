//! Division of money: floor, then one unit each to the largest remainders.

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
    let product = |&w: &u64| total.units() * u128::from(w);
    let mut parts: Vec<u128> = weights.iter().map(|w| product(w) / whole).collect();
    let left = total.units() - parts.iter().sum::<u128>();
    if left > 0 {
        let mut order: Vec<(usize, u128)> = weights.iter().map(|w| product(w) % whole).enumerate().collect();
        order.retain(|&(_, remainder)| remainder > 0);
        order.sort_unstable_by(|&(i, a), &(j, b)| b.cmp(&a).then_with(|| tie(i).cmp(&tie(j))));
        // The remainders sum to `left` wholes and each is below one: there are more of them than units left.
        for (i, _) in order.into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            parts[i] += 1;
        }
    }
    parts.into_iter().map(Amount::new).collect()
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
