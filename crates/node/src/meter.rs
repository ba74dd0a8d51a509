//! Meter: the table of many answers, the tree over it, and what proves one of them.

use assay_ledger::amount::Amount;
use assay_ledger::codec;
use assay_ledger::command::{Command, Credit};
use assay_ledger::event::{Cause, Event};
use assay_ledger::ids::{AccountId, DatanetId, Digest};
use assay_ledger::limits::CREDITS_PER_EVENT;
use assay_ledger::meter::{Metered, credits, parts};
use assay_store::columns::{self, ColumnTable, Values};
use assay_tlog::{Hash, InclusionProof, Nodes, leaf_hash, node_hash, verify_inclusion};
use serde::{Deserialize, Serialize};

use crate::error::{NodeError, Result};
use crate::node::Node;
use crate::settle::stored;

/// One answer of a metering, with its place under the root that the entry has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenAnswer {
    /// The canonical JSON of a [`Metered`], byte for byte.
    pub answer: String,
    /// Its place among the answers of the entry.
    pub index: u64,
    /// From the sibling of its leaf up (RFC 6962).
    pub path: Vec<Digest>,
}

impl ProvenAnswer {
    /// The answer, if it is one of `answers` under `root`.
    pub(crate) fn verify(&self, answers: u64, root: &Digest) -> Result<Metered> {
        let path: Vec<Hash> = self.path.iter().map(|hash| Hash(hash.0)).collect();
        let leaf = leaf_hash(self.answer.as_bytes());
        verify_inclusion(self.index, answers, &leaf, &path, &Hash(root.0)).map_err(NodeError::refused)?;
        Metered::from_leaf(self.answer.as_bytes()).map_err(NodeError::refused)
    }
}

/// What one of many metered answers credited to an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MeteredShare {
    /// The question, by its place in the log.
    pub query: u64,
    /// Parts per million of what contributors got for the answer.
    pub ppm: u32,
    /// Base units.
    pub amount: Amount,
}

/// A metering that is ready to be logged.
pub(crate) struct Metering {
    /// In parts, and the one that closes it.
    pub(crate) commands: Vec<Command>,
    /// What proves each of the answers.
    pub(crate) proven: Vec<ProvenAnswer>,
}

impl Node {
    /// Stores the table of answers, which are to all questions that are open up to the last of them.
    pub(crate) fn metering(&self, net: &DatanetId, model: u64, answers: &[Metered]) -> Result<Metering> {
        let credits = credits(self.datanet(net)?, model, answers)?;
        let table = self.put_table(&answers_table(answers)?)?;
        let leaves = answers.iter().map(|answer| Ok(answer.leaf()?)).collect::<Result<Vec<Vec<u8>>>>()?;
        let tree = Tree::new(leaves.iter().map(|leaf| leaf_hash(leaf)).collect());
        let last = answers.last().ok_or_else(|| NodeError::bug("there is no answer to meter"))?;
        let rows: Vec<&[Credit]> = credits.chunks(CREDITS_PER_EVENT).collect();
        let close = Command::Meter {
            datanet: net.clone(),
            model,
            through: last.query,
            answers: answers.len() as u64,
            parts: rows.len() as u32,
            root: tree.root(),
            table,
        };
        let part = |(part, rows): (u32, &[Credit])| Command::MeterRows {
            datanet: net.clone(),
            part,
            rows: rows.to_vec(),
        };
        let commands = (0..).zip(rows).map(part).chain([close]).collect();
        let proven = (0..).zip(leaves).map(|(index, leaf)| tree.prove(index, leaf));
        Ok(Metering { commands, proven: proven.collect::<Result<_>>()? })
    }
}

impl Node {
    /// What each of the answers that the entry at `seq` meters, itself or as what follows, credited to `account`. None
    /// where it meters nothing.
    pub fn metered(&self, seq: u64, account: &AccountId) -> Result<Vec<MeteredShare>> {
        let command = match self.event(seq)?.cause {
            Cause::Earlier(earlier) => self.event(earlier)?.cause,
            command => command,
        };
        let Cause::Command(signed) = command else { return Ok(Vec::new()) };
        let Command::Meter { datanet, table, .. } = &signed.intent.command else { return Ok(Vec::new()) };
        let (net, stored) = (self.datanet(datanet)?, stored(table));
        let answers = answers_of(&columns::read(&self.tables.get(&stored)?)?).map_err(NodeError::bug)?;
        let share = |answer: &Metered| {
            let at = answer.shares.iter().position(|share| share.account == *account)?;
            let amount = parts(net, answer)[at];
            Some(MeteredShare { query: answer.query, ppm: answer.shares[at].ppm, amount })
        };
        Ok(answers.iter().filter_map(share).collect())
    }

    fn event(&self, seq: u64) -> Result<Event> {
        let entry = self.entries().read(seq..seq + 1)?.pop();
        let entry = entry.ok_or_else(|| NodeError::not_found(format!("no entry {seq}")))?;
        Ok(codec::decode(&entry)?)
    }
}

const SCHEMA: &str = "answers";

/// The table of a metering, a row for each answer.
pub fn answers_table(answers: &[Metered]) -> Result<ColumnTable> {
    let shares = answers.iter().map(|answer| Ok(answer.shares_text()?)).collect::<Result<Vec<_>>>()?;
    let table = ColumnTable::new(SCHEMA, 1)
        .with_column("query", answers.iter().map(|a| a.query as i64).collect::<Vec<_>>())?
        .with_column("answer", answers.iter().map(|a| a.answer.to_string()).collect::<Vec<_>>())?
        .with_column("moved_microbits", answers.iter().map(|a| a.moved_microbits).collect::<Vec<_>>())?
        .with_column("shares", shares)?;
    Ok(table)
}

/// The answers in the table of a metering: only cells that [`answers_table`] makes are accepted.
pub fn answers_of(table: &ColumnTable) -> Result<Vec<Metered>> {
    let (
        Some(Values::Int64(queries)),
        Some(Values::Utf8(answers)),
        Some(Values::Int64(moved)),
        Some(Values::Utf8(shares)),
    ) = (
        table.column("query"),
        table.column("answer"),
        table.column("moved_microbits"),
        table.column("shares"),
    )
    else {
        return Err(NodeError::invalid("there are no columns query, answer, moved_microbits and shares"));
    };
    let row = |i: usize| {
        Some(Metered {
            query: queries[i]?.try_into().ok()?,
            answer: answers[i].as_deref()?.parse().ok()?,
            moved_microbits: moved[i]?,
            shares: Metered::shares_of(shares[i].as_deref()?).ok()?,
        })
    };
    let read = |i: usize| row(i).ok_or_else(|| NodeError::invalid(format!("row {i} is malformed")));
    (0..table.rows()).map(read).collect()
}

/// The complete subtrees over some leaves, level by level.
struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    fn new(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|below| below.len() > 1) {
            let pairs = below.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1]));
            levels.push(pairs.collect());
        }
        Self { levels }
    }

    fn root(&self) -> Digest {
        Digest(assay_tlog::root(&self.levels[0]).0)
    }

    fn prove(&self, index: u64, leaf: Vec<u8>) -> Result<ProvenAnswer> {
        let size = self.levels[0].len() as u64;
        let proof = InclusionProof::prove(index, size, self).map_err(NodeError::bug)?;
        let answer = String::from_utf8(leaf).map_err(NodeError::bug)?;
        let path = proof.hashes.into_iter().map(|hash| Digest(hash.0)).collect();
        Ok(ProvenAnswer { answer, index, path })
    }
}

impl Nodes for Tree {
    fn node(&self, node: assay_tlog::Node) -> Option<Hash> {
        let level = self.levels.get(usize::from(node.level))?;
        level.get(usize::try_from(node.index).ok()?).copied()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use assay_ledger::command::Share;
    use assay_ledger::ids::{AccountId, PublicKey};
    use assay_ledger::meter::root;
    use assay_store::columns;

    use super::*;

    fn answers(count: u64) -> Vec<Metered> {
        let share = |i: u8| Share { account: AccountId::of(&PublicKey([i; 32])), ppm: u32::from(i) + 1 };
        let answer = |i: u64| Metered {
            query: 3 * i,
            answer: Digest::of(&i.to_be_bytes()),
            moved_microbits: 7 - i as i64,
            shares: (0..(i % 4) as u8).map(share).collect(),
        };
        (0..count).map(answer).collect()
    }

    #[test]
    fn each_answer_is_proven_and_no_other() {
        for count in 1..40 {
            let answers = answers(count);
            let leaves: Vec<Vec<u8>> = answers.iter().map(|answer| answer.leaf().unwrap()).collect();
            let tree = Tree::new(leaves.iter().map(|leaf| leaf_hash(leaf)).collect());
            assert_eq!(tree.root(), root(&answers).unwrap());
            for ((index, leaf), answer) in (0..).zip(&leaves).zip(&answers) {
                let proven = tree.prove(index, leaf.clone()).unwrap();
                assert_eq!(proven.verify(count, &tree.root()).unwrap(), *answer);
                let other =
                    ProvenAnswer { answer: proven.answer.replace("query\":", "query\":1"), ..proven.clone() };
                assert!(other.verify(count, &tree.root()).is_err());
                let moved = ProvenAnswer { index: index + 1, ..proven.clone() };
                assert!(moved.verify(count, &tree.root()).is_err());
                let longer =
                    ProvenAnswer { path: [proven.path.clone(), vec![Digest([0; 32])]].concat(), ..proven };
                assert!(longer.verify(count, &tree.root()).is_err());
            }
        }
    }

    #[test]
    fn the_table_is_read_as_it_was_written() {
        let answers = answers(30);
        let bytes = columns::write(&answers_table(&answers).unwrap()).unwrap();
        assert_eq!(answers_of(&columns::read(&bytes).unwrap()).unwrap(), answers);
        let spaced = answers_table(&answers).unwrap();
        let changed = ColumnTable::new(SCHEMA, 1);
        let changed = spaced.columns().iter().fold(changed, |table, column| {
            let values = match (&column.values, column.name.as_str()) {
                (Values::Utf8(cells), "shares") => Values::Utf8(
                    cells.iter().map(|cell| cell.as_ref().map(|text| text.replace(',', ", "))).collect(),
                ),
                (values, _) => values.clone(),
            };
            table.with_column(&column.name, values).unwrap()
        });
        assert!(answers_of(&changed).unwrap_err().to_string().contains("row 1 is malformed"));
    }
}
