//! Audit: how well values agree with what really happens when contributors are left out.

use crate::datanet::{Audit, Datanet};
use crate::decide::View;
use crate::event::Outcome;
use crate::ids::TableRef;
use crate::limits::PPM;
use crate::refusal::{Refusal, require, require_field};

/// What an audit says.
pub(crate) fn found(
    seq: u64,
    rank_ppm: i64,
    coverage_ppm: u32,
    contributors: u64,
    table: &TableRef,
) -> Audit {
    Audit { seq, rank_ppm, coverage_ppm, contributors, table: table.clone() }
}

/// A valuation is audited once, so that audits cannot be drawn again until they please.
pub(crate) fn decide(
    view: &View<'_>,
    net: &Datanet,
    valuation: u64,
    found: &Audit,
) -> Result<Outcome, Refusal> {
    view.require_operator()?;
    let audited = net.valuations.get(&valuation).ok_or_else(|| Refusal::not_found("valuation", valuation))?;
    require(audited.audit.is_none(), || {
        let seq = audited.audit.as_ref().map_or(0, |audit| audit.seq);
        Refusal::rule(format!("valuation {valuation} was audited in entry {seq}"))
    })?;
    let Audit { rank_ppm, coverage_ppm, contributors, table, .. } = found;
    require_field(rank_ppm.unsigned_abs() <= PPM.into(), "rank_ppm", || {
        format!("is {rank_ppm}; a correlation is -{PPM} to {PPM} parts per million")
    })?;
    require_field(*coverage_ppm <= PPM, "coverage_ppm", || {
        format!("is {coverage_ppm}, and a whole is {PPM} parts per million")
    })?;
    let snapshot = net.models.get(&audited.model).and_then(|model| net.snapshots.get(&model.snapshot));
    let most = snapshot.map_or(0, |snapshot| snapshot.counts.len() as u64);
    require_field((1..=most).contains(contributors), "contributors", || {
        format!("is {contributors}, and the snapshot has {most}")
    })?;
    table.require_rows(*contributors)?;
    Ok(Outcome::default())
}

pub(crate) fn apply(net: &mut Datanet, valuation: u64, found: Audit) {
    if let Some(audited) = net.valuations.get_mut(&valuation) {
        audited.audit = Some(found);
    }
}
