//! Money of an arm: the ledger's own rule of pay over what the values say.

use assay_api::Micro;
use assay_api::v1::redteam::{Rules, Standings};
use assay_attribution::GroupValue;
use assay_attribution::quantize::micro_bits;
use assay_ledger::amount::Amount;
use assay_ledger::charter::Charter;
use assay_ledger::event::{SettledRow, Standing};
use assay_ledger::ids::AccountId;
use assay_ledger::pay::{AccruedValue, Claim, Terms, pay};

use super::Settings;
use super::arm::ArmResult;
use super::bought::Bought;
use super::cast::Cast;
use crate::appraise::contribute::Community;
use crate::output::Failure;

/// Base units in the pool for every record of others: what a record earns in the mean.
const POOL_PER_RECORD: u64 = 5_000;

/// The split, price and bond of a charter.
pub(super) fn rules(charter: &Charter, cast: &Cast, settings: &Settings) -> Rules {
    let bond = settings.bond.map_or(micro(charter.bond.per_record), Micro::from);
    Rules {
        pool_micro: Micro::from(POOL_PER_RECORD.saturating_mul(cast.others() as u64)),
        bond_per_record_micro: bond,
        price_micro: micro(charter.query.price),
        contributors_ppm: u64::from(charter.split.contributors),
    }
}

/// Pays everybody: one row a contributor of `community`, in their order.
pub(super) fn settle(
    community: &Community,
    result: &ArmResult,
    rules: &Rules,
    bought: &Bought,
) -> Result<Vec<SettledRow>, Failure> {
    let mut records = vec![0_u128; community.contributors.len()];
    community.sent_by.iter().for_each(|&c| records[c as usize] += 1);
    let claim = |(c, group): (usize, &GroupValue)| {
        let bond = amount(records[c] * units(rules.bond_per_record_micro))?;
        Ok(Claim {
            account: format!("a{c:020x}").parse::<AccountId>().map_err(Failure::failed)?,
            value: accrued(group)?,
            accrued: amount(bought.accrued[c])?,
            bond,
            liability: bond,
            fresh: Amount::ZERO,
            rewarded: Amount::ZERO,
        })
    };
    let claims: Vec<Claim> =
        result.values.groups.iter().enumerate().map(claim).collect::<Result<_, Failure>>()?;
    let terms = Terms {
        epoch: 0,
        pool: amount(units(rules.pool_micro) + bought.pool)?,
        budget: Amount::ZERO,
        per_bit: Amount::ZERO,
        held_back: false,
    };
    Ok(pay(&claims, &terms))
}

fn accrued(group: &GroupValue) -> Result<AccruedValue, Failure> {
    let micro = |bits: f64| micro_bits(bits).map_err(Failure::failed);
    Ok(AccruedValue {
        value_microbits: micro(group.value_bits)?,
        se_microbits: micro(group.se_bits)?,
        low_microbits: micro(group.low_bits)?,
        high_microbits: micro(group.high_bits)?,
    })
}

/// What some names earn and lose together.
#[derive(Default)]
pub(super) struct Earned {
    pub(super) names: u64,
    pub(super) standings: Standings,
    pub(super) released: i128,
    pub(super) waiting: i128,
    pub(super) lost: i128,
}

impl Earned {
    /// `bond` is what the name put up; what of it comes back is no pay.
    pub(super) fn add(&mut self, row: &SettledRow, bond: Micro) {
        self.names += 1;
        match row.standing {
            Standing::Paid => {
                self.standings.paid += 1;
                self.released += micro(row.released).0 - (bond.0 - micro(row.at_stake).0);
            }
            Standing::Unproven => self.standings.unproven += 1,
            Standing::Harmful => self.standings.harmful += 1,
        }
        self.waiting += micro(row.waiting).0;
        self.lost += micro(row.lost).0;
    }
}

pub(super) fn amount(units: u128) -> Result<Amount, Failure> {
    Amount::new(units).ok_or_else(|| {
        Failure::refused("the amounts are larger than the ledger can write").hint("give a smaller --bond")
    })
}

/// Base units of an amount that is not negative.
pub(super) fn units(micro: Micro) -> u128 {
    u128::try_from(micro.0).unwrap_or_default()
}

/// The ledger's amounts have less than 127 bits.
pub(super) fn micro(amount: Amount) -> Micro {
    Micro(i128::try_from(amount.units()).unwrap_or(i128::MAX))
}
