//! Gate: machines pass, hold or reject every record, always with a reason.

use std::collections::BTreeMap;

use crate::datanet::{Contribution, Datanet, Gated};
use crate::decide::View;
use crate::event::Outcome;
use crate::few::Few;
use crate::ids::{Code, TableRef};
use crate::limits::REASONS_MAX;
use crate::refusal::{Refusal, require, require_field};

/// What a gate report says.
pub(crate) fn gated(
    seq: u64,
    passed: u32,
    held: &[u32],
    rejected: u32,
    reasons: &BTreeMap<Code, u32>,
    table: &TableRef,
) -> Gated {
    Gated {
        seq,
        passed,
        rejected,
        reasons: reasons.iter().map(|(code, &count)| (code.clone(), count)).collect(),
        table: table.clone(),
        held: held.to_vec(),
        reviewed: Few::default(),
    }
}

pub(crate) fn decide(
    view: &View<'_>,
    net: &Datanet,
    contribution: u64,
    held: &[u32],
    found: &Gated,
) -> Result<Outcome, Refusal> {
    view.require_operator()?;
    let offered = net.contribution(contribution)?;
    net.require_there(contribution)?;
    if let Some(gate) = &offered.gate {
        let seq = gate.seq;
        return Err(Refusal::rule(format!(
            "contribution {contribution} went through the gates in entry {seq}"
        )));
    }
    let records = u64::from(offered.records);
    let sum = u64::from(found.passed) + held.len() as u64 + u64::from(found.rejected);
    require_field(sum == records, "passed, held, rejected", || {
        format!("add up to {sum}, and the contribution has {records} records")
    })?;
    let ascending = held.is_sorted_by(|a, b| a < b);
    require_field(ascending && held.last().is_none_or(|&last| last < offered.records), "held", || {
        format!("must be ascending indexes below {records}")
    })?;
    require_field(found.reasons.len() <= REASONS_MAX, "reasons", || {
        format!("has {} codes; at most {REASONS_MAX} fit", found.reasons.len())
    })?;
    let explained: u64 = found.reasons.values().map(|&count| u64::from(count)).sum();
    let stopped = records - u64::from(found.passed);
    require_field(explained == stopped && found.reasons.values().all(|&count| count > 0), "reasons", || {
        format!("explain {explained} records, and {stopped} are held or rejected; each has one reason")
    })?;
    found.table.require_rows(records)?;
    Ok(Outcome::default())
}

pub(crate) fn apply(net: &mut Datanet, contribution: u64, found: Gated) {
    net.ungated.remove(&contribution);
    if let Some(offered) = net.contributions.get_mut(&contribution) {
        let contributor = net.contributors.entry(offered.author.clone()).or_default();
        contributor.passed += u64::from(found.passed);
        offered.gate = Some(found);
    }
}

impl Datanet {
    /// A contribution by its place in the log.
    pub(crate) fn contribution(&self, seq: u64) -> Result<&Contribution, Refusal> {
        let contribution = self.contributions.get(&seq);
        contribution.ok_or_else(|| Refusal::not_found("contribution", seq))
    }
}

impl TableRef {
    /// Refuses a table that does not have `rows` rows.
    pub(crate) fn require_rows(&self, rows: u64) -> Result<(), Refusal> {
        require(self.rows == rows, || {
            Refusal::field("table", format!("has {} rows, and must have {rows}", self.rows))
        })
    }
}
