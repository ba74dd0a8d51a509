//! A dry run: what the gates would say of records that nobody offers.

use assay_ledger::charter::Charter;
use assay_ledger::ids::{AccountId, DatanetId};
use assay_quality::{Finding, Gates, RecordView};

use super::claims::Offered;
use super::{clear_reviewed, config, judge, sound, views};
use crate::error::{NodeError, Result};
use crate::node::Node;
use crate::task::{Reading, Record};

/// What the gates would say of one record.
#[derive(Clone, Copy, Debug)]
pub struct Rehearsed {
    /// The verdict with its evidence.
    pub finding: Finding,
    /// The record that owns the content.
    pub original: Option<Original>,
}

/// Where an original is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Original {
    /// Contribution and index in the datanet.
    Offered(u64, u32),
    /// Place among the records rehearsed.
    Here(usize),
}

/// A sender of whom nothing is known; no account is called that.
const NEWCOMER: &str = "newcomer";

/// Verdicts on `records` by a charter alone, with these rows of its benchmark; nothing came before.
///
/// # Errors
/// When the charter asks for gates that cannot be.
pub fn rehearse(charter: &Charter, sealed: &[Record], records: &[Record]) -> Result<Vec<Rehearsed>> {
    let sealed: Vec<Reading> = sealed.iter().map(|row| Reading::of(&charter.task, row)).collect();
    let sealed: Vec<RecordView<'_>> = sealed.iter().map(Reading::view).collect();
    let mut gates = Gates::new(config(charter)?, &sealed).map_err(NodeError::invalid)?;
    let offered = read(charter, records);
    Ok(run(&mut gates, &views(&offered, NEWCOMER, crate::node::now(), &[]), &[]))
}

impl Node {
    /// Verdicts on `records` as if `sender`, or else a newcomer, offered them to the datanet now; nothing is kept of it. Contributions that
    /// still wait for the gates are not among what came before.
    ///
    /// # Errors
    /// When there is no such datanet, or what it holds cannot be read.
    pub fn rehearse(
        &self,
        net: &DatanetId,
        records: &[Record],
        sender: Option<&AccountId>,
    ) -> Result<Vec<Rehearsed>> {
        let mut memory = self.gate_memory(net)?;
        clear_reviewed(&mut memory);
        let charter = &self.datanet(net)?.charter;
        let sender = sender.map_or(NEWCOMER, AccountId::as_str);
        let offered = read(charter, records);
        let plausible = self.plausible(net, &mut memory, sender, &offered)?;
        let found = run(&mut memory.gates, &views(&offered, sender, self.now(), &plausible), &memory.places);
        sound(&memory.gates)?;
        Ok(found)
    }
}

fn read(charter: &Charter, records: &[Record]) -> Vec<Offered> {
    records.iter().map(|record| Offered::of(charter, record)).collect()
}

fn run(gates: &mut Gates, records: &[RecordView<'_>], places: &[(u64, u32)]) -> Vec<Rehearsed> {
    let original = |at: usize| match places.get(at) {
        Some(&(contribution, index)) => Original::Offered(contribution, index),
        None => Original::Here(at - places.len()),
    };
    judge(gates, records)
        .into_iter()
        .map(|finding| Rehearsed { finding, original: finding.original.map(|at| original(at.0 as usize)) })
        .collect()
}
