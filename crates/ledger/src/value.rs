//! Value: what a run finds each contributor's new records to be worth, in parts, then closed.

use crate::command::{Command, ValueRow};
use crate::datanet::{Datanet, Model, Snapshot, Staged, Valuation};
use crate::decide::View;
use crate::event::Outcome;
use crate::limits::{MICROBITS_MAX, ROWS_PER_EVENT};
use crate::refusal::{Refusal, require, require_field};

pub(crate) fn decide_rows(
    view: &View<'_>,
    net: &Datanet,
    model: u64,
    part: u32,
    rows: &[ValueRow],
) -> Result<Outcome, Refusal> {
    view.require_operator()?;
    let snapshot = net.unvalued(model)?;
    let staged = net.staged.get(&model).filter(|_| part > 0);
    let parts = staged.map_or(0, |staged| staged.parts);
    require_field(part == parts, "part", || {
        format!("is {part}; the next part is {parts}, and 0 starts again")
    })?;
    require_field((1..=ROWS_PER_EVENT).contains(&rows.len()), "rows", || {
        format!("has {}; a part has 1 to {ROWS_PER_EVENT}", rows.len())
    })?;
    let before = staged.and_then(|staged| staged.rows.keys().next_back());
    let ascending =
        rows.is_sorted_by(|a, b| a.account < b.account) && before.is_none_or(|b| *b < rows[0].account);
    require_field(ascending, "rows", || "must ascend by account over all parts".to_owned())?;
    rows.iter().try_for_each(|row| require_row(row, snapshot))?;
    rows.iter().try_for_each(|row| require_accrual(row, net))?;
    Ok(Outcome::default())
}

fn require_row(row: &ValueRow, snapshot: &Snapshot) -> Result<(), Refusal> {
    let account = &row.account;
    let records = snapshot.counts.get(account).copied().unwrap_or(0);
    require_field(records > 0 && row.records == records, "rows", || {
        format!("{account} has {records} records in the snapshot, not {}", row.records)
    })?;
    let around = row.low_microbits <= row.value_microbits && row.value_microbits <= row.high_microbits;
    let stands = around && row.se_microbits >= 0;
    require_field(stands, "rows", || {
        format!("{account}: the bounds must be around the value and the standard error not below zero")
    })
}

/// A run prices new records only, and no sum over runs grows past what the log can write.
fn require_accrual(row: &ValueRow, net: &Datanet) -> Result<(), Refusal> {
    let account = &row.account;
    let contributor = net.contributors.get(account).cloned().unwrap_or_default();
    let nothing =
        ValueRow { value_microbits: 0, se_microbits: 0, low_microbits: 0, high_microbits: 0, ..row.clone() };
    require_field(row.records > contributor.valued || *row == nothing, "rows", || {
        format!("{account}: an earlier run valued all {} records; a run values new ones only", row.records)
    })?;
    require_field(contributor.value.plus(row).is_some(), "rows", || {
        format!("{account}: the sums over all runs must be within {MICROBITS_MAX} micro-bits")
    })
}

pub(crate) fn apply_rows(net: &mut Datanet, model: u64, part: u32, rows: &[ValueRow]) {
    let staged = net.staged.entry(model).or_default();
    if part == 0 {
        *staged = Staged::default();
    }
    staged.parts = part + 1;
    staged.rows.extend(rows.iter().map(|row| (row.account.clone(), row.clone())));
}

/// That the sum closes on what the model was measured to gain is recorded, not required.
pub(crate) fn decide(view: &View<'_>, net: &Datanet, command: &Command) -> Result<Outcome, Refusal> {
    let Command::Value { model, parts, sum_microbits, withheld_microbits, nodes, table, .. } = command else {
        return Ok(Outcome::default());
    };
    view.require_operator()?;
    let snapshot = net.unvalued(*model)?;
    let staged = net.staged.get(model);
    let sent = staged.map_or(0, |staged| staged.parts);
    require_field(*parts == sent, "parts", || format!("is {parts}, and {sent} were sent"))?;
    let rows = staged.map(|staged| &staged.rows);
    let valued = rows.map_or(0, |rows| rows.len());
    require(valued == snapshot.counts.len(), || {
        let contributors = snapshot.counts.len();
        Refusal::rule(format!("{valued} rows were sent, and the snapshot has {contributors} contributors"))
    })?;
    // Another run may have ended since the rows were sent.
    rows.into_iter().flatten().try_for_each(|(_, row)| require_accrual(row, net))?;
    let sum: i128 = rows.into_iter().flatten().map(|(_, row)| i128::from(row.value_microbits)).sum();
    require_field(sum == i128::from(*sum_microbits), "sum_microbits", || {
        format!("is {sum_microbits}, and the rows sum to {sum}")
    })?;
    require_field(*withheld_microbits <= 0, "withheld_microbits", || {
        format!("is {withheld_microbits}; records that are kept out are charged and never credited")
    })?;
    require_field(*nodes > 0, "nodes", || "must be above zero".to_owned())?;
    table.require_rows(snapshot.records)?;
    Ok(Outcome::default())
}

pub(crate) fn apply(net: &mut Datanet, seq: u64, valuation: Valuation) {
    let staged = net.staged.remove(&valuation.model).unwrap_or_default();
    for (account, row) in &staged.rows {
        let contributor = net.contributors.entry(account.clone()).or_default();
        let accrued = contributor.value.plus(row);
        debug_assert!(accrued.is_some(), "a row that was decided fits");
        contributor.value = accrued.unwrap_or(contributor.value);
        contributor.valued = contributor.valued.max(row.records);
    }
    net.values = staged.rows;
    if let Some(model) = net.models.get_mut(&valuation.model) {
        model.valuation = Some(seq);
    }
    net.valuations.insert(seq, valuation);
}

impl Datanet {
    /// A model by its place in the log.
    pub(crate) fn model(&self, seq: u64) -> Result<&Model, Refusal> {
        self.models.get(&seq).ok_or_else(|| Refusal::not_found("model", seq))
    }

    /// What a model that has no valuation yet was trained on. A model is valued once, so that values cannot be drawn
    /// again until they please.
    fn unvalued(&self, model: u64) -> Result<&Snapshot, Refusal> {
        let found = self.model(model)?;
        if let Some(seq) = found.valuation {
            return Err(Refusal::rule(format!("model {model} was valued in entry {seq}; train another")));
        }
        self.require_whole(found.snapshot)?;
        let snapshot = self.snapshots.get(&found.snapshot);
        snapshot.ok_or_else(|| Refusal::not_found("snapshot", found.snapshot))
    }
}
