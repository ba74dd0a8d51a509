//! The properties that make a division of money fair, and an independent division to compare with.
#![allow(clippy::unwrap_used)]

mod common;

use assay_ledger::limits::AMOUNT_MAX;
use assay_ledger::split::split;
use common::{amount, naive};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

/// The hash that both divisions break ties by.
fn tie(name: u64) -> [u8; 32] {
    let bytes = [b"assay/split/v1\n", &7_u64.to_be_bytes()[..], name.to_string().as_bytes()].concat();
    Sha256::digest(bytes).into()
}

fn divide(total: u128, named: &[(u64, u64)]) -> Option<Vec<u128>> {
    let weights: Vec<u64> = named.iter().map(|&(_, weight)| weight).collect();
    let parts = split(amount(total), &weights, |i| tie(named[i].0))?;
    Some(parts.into_iter().map(|part| part.units()).collect())
}

fn totals() -> impl Strategy<Value = u128> {
    prop_oneof![Just(0), Just(1), Just(AMOUNT_MAX), 0..100_u128, 0..=AMOUNT_MAX]
}

fn weights() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let primes =
        prop::sample::select(vec![1_u64, 2, 3, 7, 65_537, 2_147_483_647, 18_446_744_073_709_551_557]);
    let weight = prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(1_000), 0..20_u64, any::<u64>(), primes];
    prop::collection::vec(weight, 0..40).prop_map(|weights| (0..).zip(weights).collect())
}

proptest! {
    #[test]
    fn parts_are_exact_and_within_one_unit_of_the_quota(total in totals(), named in weights()) {
        let whole: u128 = named.iter().map(|&(_, weight)| u128::from(weight)).sum();
        let Some(parts) = divide(total, &named) else {
            prop_assert_eq!(whole, 0);
            return Ok(());
        };
        prop_assert_eq!(parts.iter().sum::<u128>(), total);
        for (&part, &(_, weight)) in parts.iter().zip(&named) {
            // |part - total * weight / whole| < 1, without a fraction.
            prop_assert!((part * whole).abs_diff(total * u128::from(weight)) < whole);
            prop_assert!(weight > 0 || part == 0);
        }
        for (i, j) in (0..named.len()).flat_map(|i| (0..named.len()).map(move |j| (i, j))) {
            prop_assert!(named[i].1 <= named[j].1 || parts[i] >= parts[j], "more weight never gets less");
        }
    }

    #[test]
    fn order_and_scale_change_nothing(total in totals(), named in weights(), turn in 0..40_usize, scale in 1..9_u64) {
        let Some(parts) = divide(total, &named) else { return Ok(()) };
        let mut order: Vec<usize> = (0..named.len()).collect();
        order.rotate_left(turn % named.len());
        order.reverse();
        let turned: Vec<(u64, u64)> = order.iter().map(|&i| named[i]).collect();
        let again = divide(total, &turned).unwrap();
        prop_assert!(order.iter().zip(&again).all(|(&i, part)| parts[i] == *part));
        let scaled: Option<Vec<(u64, u64)>> =
            named.iter().map(|&(name, weight)| Some((name, weight.checked_mul(scale)?))).collect();
        if let Some(scaled) = scaled {
            prop_assert_eq!(divide(total, &scaled).unwrap(), parts);
        }
    }

    #[test]
    fn another_division_agrees(total in totals(), named in weights()) {
        let Some(parts) = divide(total, &named) else { return Ok(()) };
        let claims: Vec<(String, u128)> =
            named.iter().map(|&(name, weight)| (name.to_string(), weight.into())).collect();
        prop_assert_eq!(naive::hamilton(total, 7, &claims), parts);
    }

    #[test]
    fn many_names_for_one_gain_less_than_a_unit_each(total in totals(), named in weights(), k in 2..6_u64) {
        let Some((name, weight)) = named.first().copied() else { return Ok(()) };
        let Some(parts) = divide(total, &named) else { return Ok(()) };
        let pieces = (0..k).map(|i| (1_000 + name + i, weight / k + u64::from(i < weight % k)));
        let many: Vec<(u64, u64)> = pieces.chain(named[1..].iter().copied()).collect();
        let together: u128 = divide(total, &many).unwrap()[..k as usize].iter().sum();
        prop_assert!(together.abs_diff(parts[0]) <= u128::from(k));
    }
}

#[test]
fn ties_follow_the_hash_and_not_the_place() {
    let parts = divide(1, &[(0, 5), (1, 5), (2, 5)]).unwrap();
    let first = (0..3).min_by_key(|&i| tie(i)).unwrap();
    assert_eq!(parts, (0..3).map(|i| u128::from(i == first)).collect::<Vec<_>>());
    assert_eq!(divide(5, &[]), None);
    assert_eq!(divide(5, &[(0, 0), (1, 0)]), None);
    assert_eq!(divide(0, &[(0, 1), (1, 2)]), Some(vec![0, 0]));
}
