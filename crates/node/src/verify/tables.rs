//! The tables that the log names: present, unchanged, and saying what the entries say of them.

use std::collections::{BTreeMap, BTreeSet};

use assay_ledger::amount::Amount;
use assay_ledger::charter::Publish;
use assay_ledger::command::{Command, Credit, ValueRow};
use assay_ledger::commit;
use assay_ledger::datanet::Datanet;
use assay_ledger::event::{Cause, Event};
use assay_ledger::ids::{AccountId, DatanetId, Digest, TableRef};
use assay_ledger::meter::credits;
use assay_ledger::state::State;
use assay_store::columns::{self, ColumnTable, Values};
use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::{Check, broken};
use crate::error::{NodeError, Result};
use crate::gate::{PASS, read_verdicts};
use crate::meter;
use crate::settle::stored;
use crate::worth::Found;

/// Bytes of a document at most: recipes, cards, reports.
const DOCUMENT_BYTES_MAX: u64 = 256 << 20;

/// What earlier tables said, so that later ones can be held against it.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Tables {
    commitments: BTreeMap<u64, Vec<Digest>>,
    /// Indexes that passed, by contribution.
    passed: BTreeMap<u64, BTreeSet<u32>>,
    /// What each run credited, by its model.
    runs: BTreeMap<u64, BTreeMap<AccountId, i64>>,
    /// What contributors had been credited with at each valuation whose values of records are not public yet, and shall
    /// be when an epoch is settled by it.
    due: BTreeMap<u64, Vec<ValueRow>>,
    read: u64,
    records: u64,
    values: u64,
    #[serde(default)]
    answers: u64,
    unpublished: u64,
}

/// What a metering closes, as the state has it before: the questions, and what was sent to be credited.
pub(super) struct Closing {
    queries: Vec<u64>,
    credits: Vec<Credit>,
}

impl Closing {
    pub(super) fn of(event: &Event, before: &State) -> Option<Self> {
        let Cause::Command(signed) = &event.cause else { return None };
        let Command::Meter { datanet, through, parts, .. } = &signed.intent.command else { return None };
        let net = before.datanet(datanet)?;
        let queries = net.queries.range(..=through).map(|(&query, _)| query).collect();
        let credits = net.metering.iter().filter(|_| *parts > 0).flat_map(|staged| &staged.credits);
        let credit = |(account, &amount): (&AccountId, &Amount)| Credit { account: account.clone(), amount };
        Some(Self { queries, credits: credits.map(credit).collect() })
    }
}

impl Tables {
    /// Checks the tables of one event. `state` is the state after it, `closing` what it closes if it is a metering.
    pub(super) fn check(
        &mut self,
        event: &Event,
        closing: Option<&Closing>,
        state: &State,
        folder: &mut Folder,
    ) -> Result<()> {
        let Cause::Command(signed) = &event.cause else { return Ok(()) };
        match &signed.intent.command {
            Command::Contribute { root, table, .. } => self.commitments(event.seq, root, table, folder),
            Command::Gate { contribution, passed, held, rejected, reasons, table, .. } => {
                let name = stored(table).path();
                let rows = read_verdicts(&self.bytes(table, folder)?).map_err(|e| broken(&name, e))?;
                let with = |verdict: &'static str| {
                    rows.iter().filter(move |r| r.verdict == verdict).map(|r| r.index)
                };
                let mut counted: BTreeMap<&str, u32> = BTreeMap::new();
                rows.iter()
                    .filter_map(|r| r.reason.as_deref())
                    .for_each(|r| *counted.entry(r).or_default() += 1);
                let logged: BTreeMap<&str, u32> =
                    reasons.iter().map(|(code, n)| (code.as_str(), *n)).collect();
                let agrees = with(PASS).count() == *passed as usize
                    && with("hold").eq(held.iter().copied())
                    && with("reject").count() == *rejected as usize
                    && counted == logged;
                self.passed.insert(*contribution, with(PASS).collect());
                agrees.then_some(()).ok_or_else(|| broken(&name, "holds other verdicts than the log counts"))
            }
            Command::Review { contribution, index, pass: true, .. } => {
                self.passed.entry(*contribution).or_default().insert(*index);
                Ok(())
            }
            Command::Snapshot { datanet, root, table, .. } => {
                self.snapshot(datanet, root, table, state, folder)
            }
            Command::Train { recipe, .. } => self.document(recipe, folder),
            Command::Value { datanet, model, recipe, table, .. } => {
                self.document(recipe, folder)?;
                let Some(net) = state.datanet(datanet) else { return Ok(()) };
                let rows: Vec<&ValueRow> = net.values.values().collect();
                let credited = rows.iter().map(|row| (row.account.clone(), row.value_microbits));
                self.runs.insert(*model, credited.collect());
                if !self.record_values(&rows, table, folder)? {
                    self.unpublished += 1;
                    if net.charter.value.publish == Publish::Records {
                        self.due.insert(event.seq, rows.into_iter().cloned().collect());
                    }
                }
                Ok(())
            }
            Command::Meter { datanet, model, root, table, .. } => {
                let (Some(net), Some(closing)) = (state.datanet(datanet), closing) else { return Ok(()) };
                self.metering(net, *model, root, table, closing, folder)
            }
            Command::Audit { table, .. } => self.table(table, folder).map(drop),
            Command::Publish { table, .. } => self.document(&table.sha256, folder),
            _ => Ok(()),
        }
    }

    /// Values that a settlement used must be public by now, where the charter publishes those of records.
    pub(super) fn finish(&mut self, state: &State, folder: &mut Folder) -> Result<()> {
        let open = state.datanets().values().filter(|net| net.charter.value.publish == Publish::Records);
        for net in open {
            for seq in net.epochs.values().filter_map(|epoch| epoch.valuation) {
                let (Some(rows), Some(valuation)) = (self.due.remove(&seq), net.valuations.get(&seq)) else {
                    continue;
                };
                if !self.record_values(&rows.iter().collect::<Vec<_>>(), &valuation.table, folder)? {
                    let name = stored(&valuation.table).path();
                    return Err(broken(&name, "is missing, though an epoch was settled by it"));
                }
                self.unpublished -= 1;
            }
        }
        Ok(())
    }

    /// The answers are to the questions that the entry closes, are what its root is over, and add up to what was
    /// credited.
    fn metering(
        &mut self,
        net: &Datanet,
        model: u64,
        root: &Digest,
        table: &TableRef,
        closing: &Closing,
        folder: &mut Folder,
    ) -> Result<()> {
        let name = stored(table).path();
        let answers = meter::answers_of(&self.table(table, folder)?).map_err(|e| broken(&name, e))?;
        if !answers.iter().map(|answer| answer.query).eq(closing.queries.iter().copied()) {
            return Err(broken(&name, "answers other questions than were open"));
        }
        if assay_ledger::meter::root(&answers).map_err(|e| broken(&name, e))? != *root {
            return Err(broken(&name, "holds other answers than the entry has the root of"));
        }
        if credits(net, model, &answers).map_err(|e| broken(&name, e))? != closing.credits {
            return Err(broken(&name, "does not add up to what the log credits to contributors"));
        }
        self.answers += answers.len() as u64;
        Ok(())
    }

    pub(super) fn into_checks(self) -> Vec<Check> {
        let check = |what, count| Check { what, count };
        let mut checks = vec![
            check("tables and documents named by the log, by hash", self.read),
            check("records of snapshots followed to their commitment and verdict", self.records),
            check("metered answers added up to what contributors are credited with", self.answers),
            check("record values added up to what contributors are credited with", self.values),
        ];
        if self.unpublished > 0 {
            checks.push(check(
                "tables of values of records that are not public (not checked)",
                self.unpublished,
            ));
        }
        checks
    }

    /// The bytes of a table that the log names, checked against its name, size and row count.
    fn bytes(&mut self, table: &TableRef, folder: &mut Folder) -> Result<Vec<u8>> {
        let name = stored(table).path();
        let bytes = folder.take(&name, table.bytes)?;
        self.named(&name, bytes, table)
    }

    fn named(&mut self, name: &str, bytes: Vec<u8>, table: &TableRef) -> Result<Vec<u8>> {
        if Digest::of(&bytes) != table.sha256 || bytes.len() as u64 != table.bytes {
            return Err(broken(name, "does not have the hash and size that the log names"));
        }
        self.read += 1;
        Ok(bytes)
    }

    fn table(&mut self, table: &TableRef, folder: &mut Folder) -> Result<ColumnTable> {
        let bytes = self.bytes(table, folder)?;
        rows(&bytes, table)
    }

    fn document(&mut self, digest: &Digest, folder: &mut Folder) -> Result<()> {
        let name = format!("tables/{digest}.json");
        // Two entries may name one document.
        let bytes = folder.take(&name, DOCUMENT_BYTES_MAX)?;
        self.read += 1;
        (Digest::of(&bytes) == *digest)
            .then_some(())
            .ok_or_else(|| broken(&name, "does not have the hash that the log names"))
    }

    fn commitments(&mut self, seq: u64, root: &Digest, table: &TableRef, folder: &mut Folder) -> Result<()> {
        let name = stored(table).path();
        let commitments = digests(&self.table(table, folder)?, "commitment").map_err(|e| broken(&name, e))?;
        if commit::root(&commitments) != *root {
            return Err(broken(&name, "holds other commitments than the contribution was signed over"));
        }
        self.commitments.insert(seq, commitments);
        Ok(())
    }

    fn snapshot(
        &mut self,
        net: &DatanetId,
        root: &Digest,
        table: &TableRef,
        state: &State,
        folder: &mut Folder,
    ) -> Result<()> {
        let name = stored(table).path();
        let read = self.table(table, folder)?;
        let places = places(&read).map_err(|e| broken(&name, e))?;
        let commitments = digests(&read, "commitment").map_err(|e| broken(&name, e))?;
        let expected = self.expected(net, state);
        let same = places.iter().zip(&commitments).map(|(&(c, i), d)| (c, i, *d)).eq(expected);
        if !same || commit::root(&commitments) != *root {
            return Err(broken(&name, "is not the list of records that had passed"));
        }
        self.records += commitments.len() as u64;
        Ok(())
    }

    /// Every record of a datanet that has passed so far, in order of arrival.
    fn expected<'a>(
        &'a self,
        net: &DatanetId,
        state: &'a State,
    ) -> impl Iterator<Item = (u64, u32, Digest)> + 'a {
        let contributions = state
            .datanet(net)
            .into_iter()
            .flat_map(|net| net.contributions.keys().filter(|seq| !net.withdrawn.contains_key(seq)));
        contributions.flat_map(|seq| {
            let commitments = self.commitments.get(seq).map(Vec::as_slice).unwrap_or_default();
            let passed = self.passed.get(seq).into_iter().flatten();
            passed.filter_map(|&i| Some((*seq, i, *commitments.get(i as usize)?)))
        })
    }

    /// What each run credited to contributors is the sum of the values of the records that it found new, to the
    /// micro-bit; values of earlier runs stand. `false` if the values of records are not public.
    fn record_values(
        &mut self,
        credits: &[&ValueRow],
        table: &TableRef,
        folder: &mut Folder,
    ) -> Result<bool> {
        let name = stored(table).path();
        let Some(bytes) = folder.take_any(&name, table.bytes)? else { return Ok(false) };
        let read = rows(&self.named(&name, bytes, table)?, table)?;
        let found = Found::read_all(&read).map_err(|e| broken(&name, e))?;
        let mut records: BTreeMap<&AccountId, u64> = BTreeMap::new();
        // Whom a run credited with nothing may have no record in it.
        let mut sums: BTreeMap<u64, BTreeMap<&AccountId, i64>> = BTreeMap::new();
        for found in &found {
            *records.entry(&found.account).or_default() += 1;
            let run = self.runs.get(&found.model);
            let run =
                run.ok_or_else(|| broken(&name, format!("names the run {}, which is none", found.model)))?;
            let sums = sums.entry(found.model).or_insert_with(|| run.keys().map(|a| (a, 0)).collect());
            let sum = sums.entry(&found.account).or_default();
            *sum = sum.saturating_add(found.value_microbits);
        }
        self.values += found.len() as u64;
        let counted = records.into_iter().eq(credits.iter().map(|row| (&row.account, row.records)));
        let credited = sums.iter().all(|(model, sums)| {
            self.runs.get(model).is_some_and(|run| sums.iter().map(|(a, v)| (*a, v)).eq(run))
        });
        (counted && credited)
            .then_some(true)
            .ok_or_else(|| broken(&name, "does not add up to what the log credits to contributors"))
    }
}

/// A table that has the rows that the log says.
fn rows(bytes: &[u8], table: &TableRef) -> Result<ColumnTable> {
    let name = stored(table).path();
    let read = columns::read(bytes).map_err(|e| broken(&name, e))?;
    match read.rows() as u64 == table.rows {
        true => Ok(read),
        false => Err(broken(&name, format!("has {} rows, and the log says {}", read.rows(), table.rows))),
    }
}

fn digests(table: &ColumnTable, column: &str) -> Result<Vec<Digest>> {
    let Some(Values::Utf8(cells)) = table.column(column) else {
        return Err(NodeError::invalid(format!("there is no column {column}")));
    };
    let parse = |cell: &Option<String>| cell.as_deref().and_then(|c| c.parse().ok());
    let parsed: Option<Vec<Digest>> = cells.iter().map(parse).collect();
    parsed.ok_or_else(|| NodeError::invalid(format!("column {column} has a malformed cell")))
}

fn places(table: &ColumnTable) -> Result<Vec<(u64, u32)>> {
    let (Some(Values::Int64(contributions)), Some(Values::Int64(indexes))) =
        (table.column("contribution"), table.column("index"))
    else {
        return Err(NodeError::invalid("there are no columns contribution and index"));
    };
    let place = |(c, i): (&Option<i64>, &Option<i64>)| Some(((*c)?.try_into().ok()?, (*i)?.try_into().ok()?));
    let places: Option<Vec<(u64, u32)>> = contributions.iter().zip(indexes).map(place).collect();
    places.ok_or_else(|| NodeError::invalid("a cell of contribution or index is malformed"))
}
