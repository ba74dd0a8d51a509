//! Pay: what a settlement owes to each identity, from its accrued value. No log and no state: a settlement calls it
//! with what its books hold, and a tool with whatever it wants to know about.

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::command::ValueRow;
use crate::event::{SettledRow, Standing};
use crate::ids::AccountId;
use crate::limits::{AMOUNT_MAX, MICROBITS_MAX};
use crate::split::{split, tie};

/// What an identity's records were found to be worth in all runs together, in micro-bits: plain sums of rows, signed
/// and never clipped. All runs share one benchmark, so that their errors may all point one way; then bounds add.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccruedValue {
    /// Sum of the values.
    pub value_microbits: i64,
    /// Sum of the standard errors.
    pub se_microbits: i64,
    /// Sum of the lower ends of the 95% intervals; never above the value.
    pub low_microbits: i64,
    /// Sum of the upper ends; never below the value.
    pub high_microbits: i64,
}

impl AccruedValue {
    /// With the row of another run; `None` when a sum would pass [`MICROBITS_MAX`].
    pub fn plus(self, row: &ValueRow) -> Option<Self> {
        let add = |a: i64, b: i64| a.checked_add(b).filter(|sum| sum.abs() <= MICROBITS_MAX);
        Some(Self {
            value_microbits: add(self.value_microbits, row.value_microbits)?,
            se_microbits: add(self.se_microbits, row.se_microbits)?,
            low_microbits: add(self.low_microbits, row.low_microbits)?,
            high_microbits: add(self.high_microbits, row.high_microbits)?,
        })
    }

    /// Where the evidence stands.
    pub fn standing(self) -> Standing {
        match () {
            () if self.low_microbits > 0 => Standing::Paid,
            () if self.high_microbits < 0 => Standing::Harmful,
            () => Standing::Unproven,
        }
    }

    /// What weighs in the division of the pool and is rewarded: the value, or nothing when it is below zero.
    pub fn positive(self) -> u64 {
        u64::try_from(self.value_microbits).unwrap_or(0)
    }
}

/// The books of one identity before a settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who.
    pub account: AccountId,
    /// What its records are worth.
    pub value: AccruedValue,
    /// Earned and not released yet, shares of answers included.
    pub accrued: Amount,
    /// Put up behind its records.
    pub bond: Amount,
    /// At stake for records that have not proven themselves; lost if they harm, as far as the two above go.
    pub liability: Amount,
    /// The part of that for records that no run has valued yet: no proof clears it.
    pub fresh: Amount,
    /// Rewards that earlier settlements credited.
    pub rewarded: Amount,
}

/// What is divided, and by which rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The epoch, which breaks ties of a division together with the names.
    pub epoch: u32,
    /// Parts of fees that no record was named for.
    pub pool: Amount,
    /// What sponsors have put up for value.
    pub budget: Amount,
    /// What one accrued bit is rewarded with out of the budget.
    pub per_bit: Amount,
    /// True while the values are not trusted: then nothing that goes by value moves.
    pub held_back: bool,
}

/// Settles: one row for each claim, in order.
///
/// - The harmful lose what is at stake, from what they have earned first. It goes into the pool.
/// - The pool goes by accrued value above zero, to the unit; with no such value it stays.
/// - What an identity is owed in rewards is `per_bit` times its accrued value above zero, less what it was credited
///   with before. A budget that is too small is divided in proportion, to the unit.
/// - Who is proven to help gets all that was earned, and the bond of the records that were valued. For all others it
///   waits.
pub fn pay(claims: &[Claim], terms: &Terms) -> Vec<SettledRow> {
    let mut rows: Vec<SettledRow> = claims.iter().map(Claim::untouched).collect();
    if terms.held_back {
        return rows;
    }
    for (row, claim) in rows.iter_mut().zip(claims) {
        row.lost = claim.loss();
        row.at_stake = claim.liability.saturating_sub(row.lost);
    }
    let lost = rows.iter().fold(Amount::ZERO, |sum, row| sum.saturating_add(row.lost));
    let pool = divide_pool(claims, terms, lost);
    let rewards = divide_budget(claims, terms);
    for ((row, claim), (pool, reward)) in rows.iter_mut().zip(claims).zip(pool.into_iter().zip(rewards)) {
        (row.pool, row.reward) = (pool, reward);
        row.waiting = row.accrued.saturating_sub(row.lost).saturating_add(pool).saturating_add(reward);
        if row.standing == Standing::Paid {
            row.at_stake = claim.fresh.min(claim.liability);
            row.released =
                std::mem::take(&mut row.waiting).saturating_add(claim.bond.saturating_sub(row.at_stake));
        }
    }
    rows
}

impl Claim {
    /// The row of an identity for which nothing moves.
    fn untouched(&self) -> SettledRow {
        SettledRow {
            account: self.account.clone(),
            standing: self.value.standing(),
            value_microbits: self.value.value_microbits,
            low_microbits: self.value.low_microbits,
            high_microbits: self.value.high_microbits,
            accrued: self.accrued,
            lost: Amount::ZERO,
            pool: Amount::ZERO,
            reward: Amount::ZERO,
            released: Amount::ZERO,
            waiting: self.accrued,
            at_stake: self.liability,
        }
    }

    fn loss(&self) -> Amount {
        match self.value.standing() {
            Standing::Harmful => self.liability.min(self.accrued.saturating_add(self.bond)),
            Standing::Paid | Standing::Unproven => Amount::ZERO,
        }
    }

    /// What the identity is owed and was not credited with yet, rounded down.
    fn owed(&self, per_bit: Amount) -> Amount {
        let micro = per_bit.units() * u128::from(self.value.positive());
        let whole = Amount::new((micro / 1_000_000).min(AMOUNT_MAX)).unwrap_or_default();
        whole.saturating_sub(self.rewarded)
    }
}

/// The unproven have their part too: it waits with the rest of what they earn.
fn divide_pool(claims: &[Claim], terms: &Terms, lost: Amount) -> Vec<Amount> {
    let weights: Vec<u64> = claims.iter().map(|claim| claim.value.positive()).collect();
    let tie = |i: usize| tie(terms.epoch.into(), claims[i].account.as_str());
    let parts = split(terms.pool.saturating_add(lost), &weights, tie);
    parts.unwrap_or_else(|| vec![Amount::ZERO; claims.len()])
}

fn divide_budget(claims: &[Claim], terms: &Terms) -> Vec<Amount> {
    let owed: Vec<Amount> = claims.iter().map(|claim| claim.owed(terms.per_bit)).collect();
    let whole: u128 = owed.iter().map(|amount| amount.units()).sum();
    if whole <= terms.budget.units() {
        return owed;
    }
    let weights: Vec<u64> = owed.iter().map(|amount| amount.units() as u64).collect();
    let tie = |i: usize| tie(terms.epoch.into(), claims[i].account.as_str());
    split(terms.budget, &weights, tie).unwrap_or(owed)
}
