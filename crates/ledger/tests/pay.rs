//! What pay promises, on random communities of rows: to the unit, whatever the names, and nothing for tricks.
#![allow(clippy::unwrap_used)]

mod common;

use assay_ledger::amount::Amount;
use assay_ledger::event::{SettledRow, Standing};
use assay_ledger::ids::{AccountId, PublicKey};
use assay_ledger::limits::{AMOUNT_MAX, MICROBITS_MAX};
use assay_ledger::pay::{AccruedValue, Claim, Terms, pay};
use common::amount;
use proptest::prelude::*;

/// `(low, value, high)`, all in micro-bits.
type Bounds = (i64, i64, i64);

fn name(i: usize) -> AccountId {
    let mut key = [7; 32];
    key[..8].copy_from_slice(&(i as u64).to_be_bytes());
    AccountId::of(&PublicKey(key))
}

fn accrued((low, value, high): Bounds) -> AccruedValue {
    AccruedValue { value_microbits: value, se_microbits: 0, low_microbits: low, high_microbits: high }
}

fn claim(i: usize, bounds: Bounds, bond: u128) -> Claim {
    Claim {
        account: name(i),
        value: accrued(bounds),
        accrued: Amount::ZERO,
        bond: amount(bond),
        liability: amount(bond),
        fresh: Amount::ZERO,
        rewarded: Amount::ZERO,
    }
}

/// A claim whose bond is not free until it is proven, and is never lost: a bond that is lost goes into the pool, and so
/// in part to the other names of its owner. What comes back that way does not cover a loss.
fn locked(i: usize, bounds: Bounds, bond: u128) -> Claim {
    Claim { liability: Amount::ZERO, ..claim(i, bounds, bond) }
}

fn terms(pool: u128, budget: u128, per_bit: u128) -> Terms {
    Terms { epoch: 3, pool: amount(pool), budget: amount(budget), per_bit: amount(per_bit), held_back: false }
}

fn bounds() -> impl Strategy<Value = Bounds> {
    (-50_000..80_000_i64, 0..60_000_i64, 0..60_000_i64).prop_map(|(v, down, up)| (v - down, v, v + up))
}

fn community() -> impl Strategy<Value = Vec<Bounds>> {
    prop::collection::vec(bounds(), 1..30)
}

fn sum(rows: &[SettledRow], of: impl Fn(&SettledRow) -> Amount) -> u128 {
    rows.iter().map(|row| of(row).units()).sum()
}

/// Base units that one bit is worth at a rate, rounded up, for a loss; nothing for a gain.
fn loss(value: i64, per_bit: u128) -> u128 {
    (per_bit * u128::try_from(-value).unwrap_or(0)).div_ceil(1_000_000)
}

/// What identities have gained when all is said: released, less what they put up.
fn gained(rows: &[SettledRow], bonds: u128) -> i128 {
    sum(rows, |row| row.released) as i128 - bonds as i128
}

/// The bounds of parts added up: as pessimistic as errors that all point one way.
fn whole(parts: &[Bounds]) -> Bounds {
    parts.iter().fold((0, 0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1, sum.2 + part.2))
}

proptest! {
    #[test]
    fn no_unit_is_made_or_lost(
        all in prop::collection::vec((bounds(), 0..500_u128, 0..500_u128, 0..900_u128), 1..30),
        pool in 0..100_000_u128, budget in 0..100_000_u128, per_bit in 0..3_000_000_u128,
    ) {
        let claims: Vec<Claim> = (0..).zip(&all).map(|(i, &(bounds, earned, bond, stake))| Claim {
            accrued: amount(earned),
            liability: amount(stake),
            fresh: amount(stake / 3),
            ..claim(i, bounds, bond)
        }).collect();
        let rows = pay(&claims, &terms(pool, budget, per_bit));
        let lost = sum(&rows, |row| row.lost);
        let weighs = claims.iter().any(|claim| claim.value.value_microbits > 0);
        prop_assert_eq!(sum(&rows, |row| row.pool), if weighs { pool + lost } else { 0 }, "the pool, to the unit");
        let owed: u128 = claims.iter().map(|c| per_bit * u128::from(c.value.positive()) / 1_000_000).sum();
        prop_assert_eq!(sum(&rows, |row| row.reward), owed.min(budget), "the budget, to the unit");
        for (row, claim) in rows.iter().zip(&claims) {
            let [earned, bond] = [claim.accrued, claim.bond].map(Amount::units);
            let credited = earned + bond + row.pool.units() + row.reward.units();
            let (low, high) = (row.low_microbits, row.high_microbits);
            match row.standing {
                Standing::Paid => {
                    prop_assert!(low > 0);
                    prop_assert_eq!(row.waiting, Amount::ZERO);
                    prop_assert_eq!(row.at_stake, claim.fresh);
                    let kept = bond.min(claim.fresh.units());
                    prop_assert_eq!(row.released.units(), credited - kept);
                }
                Standing::Unproven => {
                    prop_assert!(low <= 0 && high >= 0);
                    prop_assert_eq!((row.released, row.lost), (Amount::ZERO, Amount::ZERO));
                    prop_assert_eq!(row.waiting.units() + bond, credited);
                }
                Standing::Harmful => {
                    prop_assert!(high < 0);
                    prop_assert_eq!(row.lost.units(), claim.liability.units().min(earned + bond));
                    prop_assert_eq!((row.pool, row.reward, row.released), Default::default());
                    prop_assert_eq!(row.waiting.units(), earned.saturating_sub(row.lost.units()));
                }
            }
        }
    }

    /// With bonds that cover what each part costs, no division of records over names gains even a unit over what all of
    /// them are worth together; and one name gets just that as soon as it is proven.
    #[test]
    fn splitting_never_beats_one_name(
        parts in prop::collection::vec(bounds(), 1..12), per_bit in 1..5_000_000_u128,
    ) {
        let bonds: Vec<u128> = parts.iter().map(|part| loss(part.1, per_bit)).collect();
        let bond: u128 = bonds.iter().sum();
        let ample = terms(0, AMOUNT_MAX, per_bit);
        let many: Vec<Claim> = parts.iter().zip(&bonds).enumerate().map(|(i, (&part, &b))| locked(i, part, b)).collect();
        let split = gained(&pay(&many, &ample), bond);
        let one = whole(&parts);
        let worth = (per_bit as i128 * i128::from(one.1)).div_euclid(1_000_000);
        prop_assert!(split <= worth, "{split} for what is worth {worth}");
        let merged = pay(&[claim(0, one, bond)], &ample);
        if merged[0].standing == Standing::Paid {
            prop_assert_eq!(gained(&merged, bond), worth);
        }
    }

    /// The same where money is short, in pool and budget: up to the one unit of each division and name.
    #[test]
    fn splitting_gains_no_more_than_rounding_where_money_is_short(
        parts in prop::collection::vec(bounds(), 1..8), others in community(),
        pool in 0..100_000_u128, budget in 0..100_000_u128, per_bit in 1..5_000_000_u128,
    ) {
        let mut parts = parts;
        // Together they are proven to help, whatever each of them is.
        let lift = (1 - whole(&parts).0).max(0);
        parts[0] = (parts[0].0 + lift, parts[0].1 + lift, parts[0].2 + lift);
        let one = whole(&parts);
        let money = terms(pool, budget, per_bit);
        let rest = others.iter().enumerate().map(|(i, &other)| claim(100 + i, other, 0));
        let merged: Vec<Claim> = [claim(0, one, 0)].into_iter().chain(rest.clone()).collect();
        let alone = sum(&pay(&merged, &money)[..1], |row| row.released);
        // What a bit earns is never more than when the parts are one name, so that this covers every part's loss.
        let rate = |value: i64| (alone * u128::try_from(-value).unwrap_or(0)).div_ceil(one.1 as u128);
        let bonds: Vec<u128> = parts.iter().map(|part| rate(part.1) + 2).collect();
        let split = parts.iter().zip(&bonds).enumerate().map(|(i, (&part, &b))| locked(i, part, b));
        let split: Vec<Claim> = split.chain(rest).collect();
        let rows = pay(&split, &money);
        let apart = gained(&rows[..parts.len()], bonds.iter().sum());
        prop_assert!(apart <= alone as i128 + 2 * parts.len() as i128, "{apart} above {alone}");
    }

    /// Records of one quality under many names: equal to the unit of rounding, with no bond at all.
    #[test]
    fn equal_parts_under_many_names_earn_what_one_does(
        each in 1..5_000_i64, permille in 0..1_000_i64, names in 1..20_usize, others in community(),
        pool in 0..100_000_u128, budget in 0..100_000_u128, per_bit in 1..5_000_000_u128,
    ) {
        let spread = each * permille / 1_000;
        let part = (each - spread, each, each + spread);
        let money = terms(pool, budget, per_bit);
        let rest = others.iter().enumerate().map(|(i, &other)| claim(100 + i, other, 0));
        let many: Vec<Claim> = (0..names).map(|i| claim(i, part, 0)).chain(rest.clone()).collect();
        let one: Vec<Claim> = [claim(0, whole(&vec![part; names]), 0)].into_iter().chain(rest).collect();
        let apart = sum(&pay(&many, &money)[..names], |row| row.released);
        let together = sum(&pay(&one, &money)[..1], |row| row.released);
        prop_assert!(apart.abs_diff(together) <= 2 * names as u128, "{apart} and {together}");
    }

    /// An identity that lowers its own value gets less; garbage under another name costs its bond and raises nothing.
    #[test]
    fn garbage_never_raises_a_total(
        others in community(), own in bounds(), harm in 0..50_000_i64, bond in 0..500_u128,
        pool in 0..100_000_u128, budget in 0..100_000_u128, per_bit in 1..5_000_000_u128,
    ) {
        let money = terms(pool, budget, per_bit);
        let with = |mine: Vec<Claim>| {
            let rest = others.iter().enumerate().map(|(i, &other)| claim(100 + i, other, 0));
            let count = mine.len();
            let all: Vec<Claim> = mine.into_iter().chain(rest).collect();
            let bonds: u128 = all[..count].iter().map(|claim| claim.bond.units()).sum();
            gained(&pay(&all, &money)[..count], bonds)
        };
        let honest = with(vec![claim(0, own, 0)]);
        let worse = (own.0 - harm, own.1 - harm, own.2 - harm);
        prop_assert!(with(vec![claim(0, worse, bond)]) <= honest.max(0) + 2);
        // Proven or not, what garbage put up is not free. Lost, it is part of the pool, of which the honest name has
        // no more than its share.
        let garbage = with(vec![claim(0, own, 0), claim(1, (-harm - 1, -harm, 0), bond)]);
        prop_assert!(garbage <= honest + 2, "unproven garbage");
        let garbage = with(vec![claim(0, own, 0), claim(1, (-harm - 2, -harm - 2, -1), bond)]);
        prop_assert!(garbage <= honest + 2, "proven garbage");
    }

    /// Another name, another order: the same to the unit that a tie may move.
    #[test]
    fn names_and_order_change_nothing_but_ties(
        all in community(), shift in 1..1_000_usize,
        pool in 0..100_000_u128, budget in 0..100_000_u128, per_bit in 1..5_000_000_u128,
    ) {
        let money = terms(pool, budget, per_bit);
        let named = |shift: usize| -> Vec<Claim> {
            all.iter().enumerate().map(|(i, &bounds)| claim(i + shift, bounds, 7)).collect()
        };
        let (rows, renamed) = (pay(&named(0), &money), pay(&named(shift), &money));
        for (a, b) in rows.iter().zip(&renamed) {
            prop_assert!(a.pool.units().abs_diff(b.pool.units()) <= 1);
            prop_assert!(a.reward.units().abs_diff(b.reward.units()) <= 1);
            prop_assert_eq!((a.standing, a.lost), (b.standing, b.lost));
        }
        let mut turned = named(0);
        turned.reverse();
        let mut again = pay(&turned, &money);
        again.reverse();
        prop_assert_eq!(again, rows);
    }

    /// Rewards follow the value over any number of runs: never more than its highest, never taken back; and what waits
    /// when an identity is first proven is no more than its value then.
    #[test]
    fn rewards_follow_the_value_through_all_runs(
        runs in prop::collection::vec(bounds(), 1..20), per_bit in 1..5_000_000_u128, budget in 0..500_000_u128,
    ) {
        let mut own = claim(0, (0, 0, 0), 0);
        let (mut left, mut highest, mut released, mut proven) = (budget, 0, 0, false);
        for (low, value, high) in runs {
            let before = own.value;
            own.value = accrued((before.low_microbits + low, before.value_microbits + value, before.high_microbits + high));
            highest = highest.max(per_bit * u128::from(own.value.positive()) / 1_000_000);
            let row = pay(std::slice::from_ref(&own), &terms(0, left, per_bit)).remove(0);
            left -= row.reward.units();
            own.rewarded = own.rewarded.checked_add(row.reward).unwrap();
            released += row.released.units();
            own.accrued = row.waiting;
            prop_assert!(own.rewarded.units() <= highest);
            if row.standing == Standing::Paid && !proven {
                proven = true;
                prop_assert!(released <= per_bit * u128::from(own.value.positive()) / 1_000_000);
            }
        }
        prop_assert_eq!(own.rewarded.units(), highest.min(budget));
        prop_assert_eq!(released + own.accrued.units(), own.rewarded.units());
    }

    /// While the values are not trusted nothing moves, whoever would gain or lose.
    #[test]
    fn held_back_is_untouched(all in community(), pool in 0..1_000_u128, budget in 0..1_000_u128) {
        let claims: Vec<Claim> = (0..).zip(&all).map(|(i, &bounds)| claim(i, bounds, 9)).collect();
        let rows = pay(&claims, &Terms { held_back: true, ..terms(pool, budget, 1_000_000) });
        for (row, claim) in rows.iter().zip(&claims) {
            prop_assert_eq!(row.standing, claim.value.standing());
            prop_assert_eq!([row.lost, row.pool, row.reward, row.released], [Amount::ZERO; 4]);
            prop_assert_eq!((row.waiting, row.at_stake), (claim.accrued, claim.liability));
        }
    }
}

#[test]
fn the_largest_numbers_are_paid_without_overflow() {
    let most = (MICROBITS_MAX, MICROBITS_MAX, MICROBITS_MAX);
    let claims = [claim(0, most, AMOUNT_MAX / 2), claim(1, most, 0), claim(2, (0, 0, 0), 0)];
    let rows = pay(&claims, &terms(AMOUNT_MAX / 2, AMOUNT_MAX / 2, AMOUNT_MAX));
    assert_eq!(sum(&rows, |row| row.reward), AMOUNT_MAX / 2);
    assert_eq!(sum(&rows, |row| row.pool), AMOUNT_MAX / 2);
    assert_eq!(accrued(most).plus(&common::row(1, 1, 1, 1, 1)), None);
    assert_eq!(pay(&[], &terms(1, 1, 1)), []);
}
