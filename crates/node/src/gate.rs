//! Gate: the machine's verdict on every record of a contribution, against all that came before.

use std::collections::BTreeMap;

use assay_ledger::charter::{Charter, Personal, TextAction};
use assay_ledger::codec;
use assay_ledger::command::Command;
use assay_ledger::datanet::{Datanet, Gated};
use assay_ledger::ids::{Code, DatanetId, TableRef};
use assay_ledger::limits::{PPM, REASONS_MAX};
use assay_quality::{
    Action, Evidence, Finding, GateConfig, Gates, LabelRule, Reason, RecordRef, RecordView, Stage, Verdict,
};
use assay_store::columns::{self, ColumnTable, Values};

use crate::cache::GateMemory;
use crate::error::{NodeError, Result};
use crate::node::Node;
use crate::settle::stored;
use crate::task::{Reading, Record};

mod claims;
pub(crate) mod cost;
mod dry;
mod labels;
mod mask;
mod scratch;

use claims::Offered;
pub use claims::{claimed, declare};
pub use dry::{Original, Rehearsed, rehearse};
pub(crate) use labels::Due;
pub use labels::Labels;
pub use mask::{mask, unmasked};

/// Code of a verdict that lets a record into the next snapshot.
pub(crate) const PASS: &str = "pass";
const HOLD: &str = "hold";
const REJECT: &str = "reject";

/// One row of a table of verdicts.
#[derive(Clone, Debug, serde::Serialize)]
pub struct VerdictRow {
    /// The record in its contribution.
    pub index: u32,
    /// `pass`, `hold` or `reject`.
    pub verdict: String,
    /// Code of the reason, unless it passed.
    pub reason: Option<String>,
    /// The record that it copies or resembles, if that is why: contribution and index.
    pub original: Option<(u64, u32)>,
    /// How alike the two are, in [0, 1].
    pub similarity: Option<f64>,
    /// Bytes of the text that show it, first and one past the last.
    pub span: Option<(u32, u32)>,
    /// How clearly they do, in [0, 1].
    pub score: Option<f64>,
}

impl VerdictRow {
    /// The verdict that the codes stand for.
    fn verdict(&self) -> Result<Verdict> {
        let reason = self.reason.as_deref().and_then(Reason::from_code);
        match (self.verdict.as_str(), reason) {
            (PASS, None) => Ok(Verdict::Pass),
            (HOLD, Some(reason)) => Ok(Verdict::Hold(reason)),
            (REJECT, Some(reason)) => Ok(Verdict::Reject(reason)),
            _ => Err(NodeError::invalid(format!(
                "verdict on record {} is not one of this version",
                self.index
            ))),
        }
    }
}

impl Node {
    /// Runs the gates over every contribution that waits for them, in order of arrival; how many there were.
    pub fn gate(&mut self, net: &DatanetId) -> Result<usize> {
        let waiting: Vec<u64> = self.datanet(net)?.ungated.iter().copied().collect();
        if waiting.is_empty() {
            return Ok(0);
        }
        // Taken out while it is used: an error half way must not leave a memory of records that the log lacks.
        let mut memory = match self.cache.gates.remove(net) {
            Some(memory) => memory,
            None => self.gate_memory(net)?,
        };
        let mut before = memory.gates.costs();
        for &contribution in &waiting {
            memory.gates.measure(cost::thread_time);
            let size = self.state().size();
            self.gate_one(net, contribution, &mut memory)?;
            if self.state().size() != size + 1 {
                // Another node of this log appended, and what it did is not in this memory.
                cost::keep(self.home(), net, &before, &memory.gates.costs())?;
                memory = self.gate_memory(net)?;
                before = memory.gates.costs();
            }
        }
        cost::keep(self.home(), net, &before, &memory.gates.costs())?;
        self.cache.gates.insert(net.clone(), memory);
        Ok(waiting.len())
    }

    fn gate_one(&mut self, net: &DatanetId, contribution: u64, memory: &mut GateMemory) -> Result<()> {
        let offered = self.offered(net, contribution)?;
        let author = self.contribution(net, contribution)?.author.to_string();
        let at = self.offered_at(net, contribution)?;
        let plausible = self.plausible(net, memory, &author, &offered)?;
        let views = views(&offered, &author, at, &plausible);
        clear_reviewed(memory);
        memory.places.extend((0..offered.len() as u32).map(|index| (contribution, index)));
        let findings = judge(&mut memory.gates, &views);
        sound(&memory.gates)?;
        let table = self.put_verdicts(&findings, &memory.places)?;
        let command = verdicts_command(net, contribution, &findings, table)?;
        let operator = self.operator().clone();
        let at = self.act(&operator, command)?;
        memory.due.gated(at, findings.iter().filter(|f| f.verdict == Verdict::Pass).count() as u64);
        Ok(())
    }

    /// The gates of a datanet as they were after the last contribution that has verdicts.
    fn gate_memory(&self, net: &DatanetId) -> Result<GateMemory> {
        let datanet = self.datanet(net)?;
        let task = &datanet.charter.task;
        let sealed = self.sealed(net)?;
        let rows: Vec<Reading> =
            sealed.value.iter().chain(&sealed.report).map(|row| Reading::of(task, &row.record)).collect();
        let rows: Vec<RecordView<'_>> = rows.iter().map(Reading::view).collect();
        let gates = Gates::new(config(&datanet.charter)?, &rows).map_err(NodeError::invalid)?;
        let files = scratch::files_in(self.home().private());
        let mut gates = gates.with_index_within(self.home().gate_memory(), files);
        let mut places = Vec::new();
        for (&seq, contribution) in &datanet.contributions {
            if contribution.gate.is_none() || datanet.withdrawn.contains_key(&seq) {
                continue;
            }
            let offered = self.offered(net, seq)?;
            let author = contribution.author.to_string();
            let at = self.offered_at(net, seq)?;
            let views = views(&offered, &author, at, &[]);
            let verdicts = self.verdicts(net, seq)?;
            let verdicts = verdicts.iter().map(VerdictRow::verdict).collect::<Result<Vec<_>>>()?;
            places.extend((0..offered.len() as u32).map(|index| (seq, index)));
            gates.replay(&views, &verdicts);
            sound(&gates)?;
        }
        let (due, reviewed) = (Due::of(datanet), reviewed(datanet));
        Ok(GateMemory { gates, places, labels: None, due, reviewed })
    }

    /// The p-value of the label of each record of `sender`, by models of what others had admitted when the log last had enough
    /// for other models.
    fn plausible(
        &self,
        net: &DatanetId,
        memory: &mut GateMemory,
        sender: &str,
        offered: &[Offered],
    ) -> Result<Vec<Option<f64>>> {
        let datanet = self.datanet(net)?;
        let Some(due) = memory.due.at().filter(|_| datanet.charter.gate.label_hold_ppm > 0) else {
            return Ok(Vec::new());
        };
        let start = cost::process_time();
        if memory.labels.as_ref().is_none_or(|(known, _)| *known != due) {
            let members = self.members_left(net, due + 1)?;
            let admitted: Vec<(&str, &Reading)> =
                members.iter().map(|member| (member.author.as_str(), &member.reading)).collect();
            let charter = &datanet.charter;
            let known: Vec<Reading> =
                self.sealed(net)?.report.iter().map(|row| Reading::of(&charter.task, &row.record)).collect();
            memory.labels = Some((due, Labels::learn(charter, &admitted, &known, charter.value.seed)?));
        }
        let readings: Vec<&Reading> = offered.iter().map(|record| &record.reading).collect();
        let found = match &memory.labels {
            Some((_, Some(labels))) => labels.p_values(sender, &readings)?,
            _ => Vec::new(),
        };
        memory.gates.spent(Stage::Label, cost::process_time().saturating_sub(start));
        Ok(found)
    }

    fn offered(&self, net: &DatanetId, contribution: u64) -> Result<Vec<Offered>> {
        let charter = &self.datanet(net)?.charter;
        let records = self.records_of(net, contribution)?;
        let read = |content: &[u8]| -> Result<Offered> {
            let record: Record = serde_json::from_slice(content)?;
            Ok(Offered::of(charter, &record))
        };
        records.iter().map(|r| read(&r.content)).collect()
    }

    /// When records were offered, by the log: milliseconds since 1970. 0 where the charter asks for no times, so that the
    /// entry need not be read.
    fn offered_at(&self, net: &DatanetId, contribution: u64) -> Result<u64> {
        if self.datanet(net)?.charter.provenance.time.is_empty() {
            return Ok(0);
        }
        let entry = self.entries().read(contribution..contribution + 1)?.pop();
        let entry = entry.ok_or_else(|| NodeError::not_found(format!("no entry {contribution}")))?;
        Ok(codec::decode(&entry)?.t)
    }

    fn put_verdicts(&self, findings: &[Finding], places: &[(u64, u32)]) -> Result<TableRef> {
        let original = |f: &Finding| f.original.and_then(|at| places.get(at.0 as usize)).copied();
        let reason = |f: &Finding| f.verdict.reason().map(|r| r.code().to_owned());
        let shown = |of: fn(&Evidence) -> i64| -> Vec<Option<i64>> {
            findings.iter().map(|f| f.evidence.as_ref().map(of)).collect()
        };
        let table = ColumnTable::new("verdicts", 1)
            .with_column("index", (0..findings.len() as i64).collect::<Vec<_>>())?
            .with_column("verdict", findings.iter().map(|f| f.verdict.code().to_owned()).collect::<Vec<_>>())?
            .with_column("reason", findings.iter().map(reason).collect::<Vec<_>>())?
            .with_column(
                "original",
                findings.iter().map(|f| original(f).map(|o| o.0 as i64)).collect::<Vec<_>>(),
            )?
            .with_column(
                "original_index",
                findings.iter().map(|f| original(f).map(|o| i64::from(o.1))).collect::<Vec<_>>(),
            )?
            .with_column(
                "similarity",
                findings.iter().map(|f| f.similarity.map(f64::from)).collect::<Vec<_>>(),
            )?
            .with_column("span_start", shown(|e| i64::from(e.start)))?
            .with_column("span_end", shown(|e| i64::from(e.end)))?
            .with_column(
                "score",
                findings.iter().map(|f| f.evidence.map(|e| f64::from(e.score))).collect::<Vec<_>>(),
            )?;
        self.put_table(&table)
    }

    /// The verdicts on a contribution, one a record, in order.
    pub fn verdicts(&self, net: &DatanetId, contribution: u64) -> Result<Vec<VerdictRow>> {
        let gate = self.datanet(net)?.contributions.get(&contribution).and_then(|c| c.gate.as_ref());
        let gate =
            gate.ok_or_else(|| NodeError::not_found(format!("no verdicts on {contribution} in {net}")))?;
        read_verdicts(&self.tables.get(&stored(&gate.table))?)
    }
}

/// Reads a table of verdicts.
pub(crate) fn read_verdicts(bytes: &[u8]) -> Result<Vec<VerdictRow>> {
    let table = columns::read(bytes)?;
    let malformed = || NodeError::invalid("a table of verdicts lacks a column or a cell");
    let (Some(Values::Utf8(verdict)), Some(Values::Utf8(reason))) =
        (table.column("verdict"), table.column("reason"))
    else {
        return Err(malformed());
    };
    let (Some(Values::Int64(original)), Some(Values::Int64(at))) =
        (table.column("original"), table.column("original_index"))
    else {
        return Err(malformed());
    };
    // Tables of earlier versions have none of these.
    let whole = |name: &str, i: usize| match table.column(name) {
        Some(Values::Int64(values)) => values[i].and_then(|value| u32::try_from(value).ok()),
        _ => None,
    };
    let real = |name: &str, i: usize| match table.column(name) {
        Some(Values::Float64(values)) => values[i],
        _ => None,
    };
    let row = |i: usize| -> Option<VerdictRow> {
        let place =
            original[i].zip(at[i]).and_then(|(o, a)| Some((u64::try_from(o).ok()?, u32::try_from(a).ok()?)));
        Some(VerdictRow {
            index: i as u32,
            verdict: verdict[i].clone()?,
            reason: reason[i].clone(),
            original: place,
            similarity: real("similarity", i),
            span: whole("span_start", i).zip(whole("span_end", i)),
            score: real("score", i),
        })
    };
    (0..table.rows()).map(|i| row(i).ok_or_else(malformed)).collect()
}

/// Held records that reviewers have passed: contribution and index, ascending.
fn reviewed(datanet: &Datanet) -> Vec<(u64, u32)> {
    let gated = datanet.contributions.iter().filter_map(|(&seq, found)| Some((seq, found.gate.as_ref()?)));
    let passed = |(seq, gate): (u64, &Gated)| -> Vec<(u64, u32)> {
        let passed = gate.reviewed.iter().filter(|(_, review)| review.pass);
        passed.map(|(&index, _)| (seq, index)).collect()
    };
    gated.flat_map(passed).collect()
}

/// Tells the gates which held records reviewers have passed since: they speak for their senders.
fn clear_reviewed(memory: &mut GateMemory) {
    let places = &memory.places;
    let position = |place| places.binary_search(&place).ok().map(|position| RecordRef(position as u64));
    let cleared: Vec<RecordRef> = memory.reviewed.drain(..).filter_map(position).collect();
    memory.gates.clear(&cleared);
}

/// What the gates see of records that `sender` offered at `at`, with the p-values of their labels where there are any.
fn views<'a>(
    offered: &'a [Offered],
    sender: &'a str,
    at: u64,
    plausible: &[Option<f64>],
) -> Vec<RecordView<'a>> {
    let label_p = |row: usize| plausible.get(row).copied().flatten();
    let view =
        |(row, record): (usize, &'a Offered)| RecordView { label_p: label_p(row), ..record.view(sender, at) };
    offered.iter().enumerate().map(view).collect()
}

/// The verdicts on records in order of arrival.
fn judge(gates: &mut Gates, views: &[RecordView<'_>]) -> Vec<Finding> {
    let first = gates.offered();
    let mut findings = gates.check_batch(views);
    // What the last records say about the sender counts for the first.
    for (at, finding) in gates.reconsider(RecordRef(first)) {
        findings[(at.0 - first) as usize] = held(finding);
    }
    findings
}

/// Refuses findings that may lack a match, since a file of the index failed.
fn sound(gates: &Gates) -> Result<()> {
    gates.failure().map_or(Ok(()), |failure| Err(NodeError::unavailable(failure)))
}

/// A record that was let in stays where it is until a person has looked.
fn held(finding: Finding) -> Finding {
    let verdict = match finding.verdict {
        Verdict::Reject(Reason::NearDuplicate) => Verdict::Hold(Reason::PossibleNearDuplicate),
        Verdict::Reject(Reason::BenchmarkNearOverlap) => Verdict::Hold(Reason::PossibleBenchmarkOverlap),
        other => other,
    };
    Finding { verdict, ..finding }
}

fn verdicts_command(
    net: &DatanetId,
    contribution: u64,
    findings: &[Finding],
    table: TableRef,
) -> Result<Command> {
    let mut reasons: BTreeMap<Code, u32> = BTreeMap::new();
    for reason in findings.iter().filter_map(|f| f.verdict.reason()) {
        *reasons.entry(reason.code().parse().map_err(NodeError::bug)?).or_default() += 1;
    }
    let count = |is: fn(&Verdict) -> bool| findings.iter().filter(|f| is(&f.verdict)).count() as u32;
    let is_held = |f: &Finding| matches!(f.verdict, Verdict::Hold(_));
    Ok(Command::Gate {
        datanet: net.clone(),
        contribution,
        passed: count(|v| *v == Verdict::Pass),
        held: (0..).zip(findings).filter(|(_, f)| is_held(f)).map(|(i, _)| i).collect(),
        rejected: count(|v| v.is_reject()),
        reasons,
        table,
    })
}

// Any contribution may show every reason.
const _: () = assert!(Reason::ALL.len() <= REASONS_MAX);

/// The gates that a charter asks for; an error where it names a code that no text shows.
pub(crate) fn config(charter: &Charter) -> Result<GateConfig> {
    let mut config = GateConfig::default();
    let task = &charter.task;
    config.schema.text_required = task.text.is_some();
    config.schema.text_bytes_max = charter.gate.text_bytes_max as usize;
    config.schema.columns = Some(task.features.len());
    config.schema.label = match task.kind.as_str() {
        "regression" => LabelRule::Number,
        _ => LabelRule::OneOf(task.classes.iter().cloned().collect()),
    };
    config.plausibility.hold_p = f64::from(charter.gate.label_hold_ppm) / f64::from(PPM);
    config.neighbours.hold_cosine = f64::from(charter.gate.semantic_ppm) / f64::from(PPM);
    config.provenance = claims::rule(charter)?;
    config.near.hold_only = charter.gate.near_hold;
    if charter.gate.near_ppm > 0 {
        let similarity = charter.gate.near_ppm as f32 / 1e6;
        config.near.reject_similarity = similarity.max(config.near.hold_similarity);
        config.near.hold_similarity = config.near.hold_similarity.min(similarity);
    }
    let languages = &charter.gate.languages;
    config.text.language.codes = match languages.as_slice() {
        [] => None,
        any if any.iter().any(|code| code == "any") => Some(Vec::new()),
        named => Some(named.to_vec()),
    };
    let personal = match charter.gate.personal {
        Personal::Hold => Action::Hold,
        Personal::Mask => Action::Reject,
        Personal::Off => Action::Pass,
    };
    for reason in Reason::ALL.iter().filter(|reason| reason.is_personal()) {
        config.text.actions.insert(*reason, personal);
    }
    for (code, &action) in &charter.gate.text {
        let reason = Reason::from_code(code.as_str()).filter(|reason| reason.is_of_text());
        let reason = reason.ok_or_else(|| no_sign(code))?;
        config.text.actions.insert(reason, action_of(action));
    }
    Ok(config)
}

fn action_of(action: TextAction) -> Action {
    match action {
        TextAction::Pass => Action::Pass,
        TextAction::Hold => Action::Hold,
        TextAction::Reject => Action::Reject,
    }
}

fn no_sign(code: &Code) -> NodeError {
    let known = Reason::ALL.iter().filter(|reason| reason.is_of_text()).map(|reason| reason.code());
    NodeError::invalid(format!("[gate.text] {code} is nothing that a text shows by itself"))
        .hint(format!("use one of {}", known.collect::<Vec<_>>().join(", ")))
}
