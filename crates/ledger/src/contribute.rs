//! Contribute: records are offered, and a bond stands behind each.

use crate::amount::{Amount, Place};
use crate::datanet::{Contribution, Datanet};
use crate::decide::View;
use crate::event::Outcome;
use crate::ids::{AccountId, DatanetId, Digest, TableRef};
use crate::limits::CONTRIBUTION_RECORDS_MAX;
use crate::refusal::{Refusal, require_field};

pub(crate) fn decide(
    view: &View<'_>,
    id: &DatanetId,
    net: &Datanet,
    records: u32,
    table: &TableRef,
) -> Result<Outcome, Refusal> {
    require_field((1..=CONTRIBUTION_RECORDS_MAX).contains(&records), "records", || {
        format!("is {records}; a contribution has 1 to {CONTRIBUTION_RECORDS_MAX}, offer the rest in another")
    })?;
    table.require_rows(records.into())?;
    let bond = &net.charter.bond;
    if !bond.upfront {
        return Ok(Outcome::default());
    }
    let place = Place::Bond(id.clone(), view.actor.clone());
    let needs = bond.per_record.units() * u128::from(records);
    let amount = Amount::new(needs).ok_or_else(|| {
        let user = Place::User(view.actor.clone());
        let has = view.state.balances.at(&user).units();
        Refusal::Money { place: user, has, needs }
    })?;
    view.spend(place, amount)
}

pub(crate) fn apply(
    net: &mut Datanet,
    seq: u64,
    author: &AccountId,
    records: u32,
    root: &Digest,
    table: &TableRef,
) {
    let contributor = net.contributors.entry(author.clone()).or_default();
    contributor.records += u64::from(records);
    contributor.liability = contributor.liability.saturating_add(net.charter.bond.of(records.into()));
    net.ungated.insert(seq);
    let contribution =
        Contribution { author: author.clone(), records, root: *root, table: table.clone(), gate: None };
    net.contributions.insert(seq, contribution);
}
