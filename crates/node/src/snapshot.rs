//! Snapshot: the records that passed, frozen in order of arrival.

use assay_ledger::command::Command;
use assay_ledger::commit;
use assay_ledger::ids::{AccountId, DatanetId, Digest};
use assay_store::columns::ColumnTable;

use crate::error::{NodeError, Result};
use crate::gate::PASS;
use crate::node::Node;
use crate::task::{Reading, Record};

/// A record of a snapshot.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Its contribution.
    pub(crate) contribution: u64,
    /// Its place in it.
    pub(crate) index: u32,
    /// Its commitment.
    pub(crate) commitment: Digest,
    /// Who offered it.
    pub(crate) author: AccountId,
    /// What it says, as the task reads it.
    pub(crate) reading: Reading,
}

impl Node {
    /// Freezes all records that have passed; the place of the snapshot in the log.
    pub fn snapshot(&mut self, net: &DatanetId) -> Result<u64> {
        let members = self.members(net, u64::MAX)?;
        if members.is_empty() {
            return Err(NodeError::refused(format!("no record of {net} has passed yet"))
                .hint("contribute records, or decide those that are held with `assay review`"));
        }
        let commitments: Vec<Digest> = members.iter().map(|m| m.commitment).collect();
        let table = ColumnTable::new("snapshot", 1)
            .with_column("contribution", members.iter().map(|m| m.contribution as i64).collect::<Vec<_>>())?
            .with_column("index", members.iter().map(|m| i64::from(m.index)).collect::<Vec<_>>())?
            .with_column("commitment", commitments.iter().map(Digest::to_string).collect::<Vec<_>>())?;
        let command = Command::Snapshot {
            datanet: net.clone(),
            records: members.len() as u64,
            root: commit::root(&commitments),
            table: self.put_table(&table)?,
        };
        let operator = self.operator().clone();
        self.act(&operator, command)
    }

    /// The records that had passed when the log had `before` entries, in order of arrival.
    pub(crate) fn members(&self, net: &DatanetId, before: u64) -> Result<Vec<Member>> {
        self.members_but(net, before, before)
    }

    /// Of these, those that nobody has taken back since.
    pub(crate) fn members_left(&self, net: &DatanetId, before: u64) -> Result<Vec<Member>> {
        self.members_but(net, before, u64::MAX)
    }

    /// The records that had passed before one entry, but for those that were taken back before another.
    fn members_but(&self, net: &DatanetId, before: u64, withdrawn: u64) -> Result<Vec<Member>> {
        let datanet = self.datanet(net)?;
        let mut members = Vec::new();
        for (&contribution, offered) in datanet.contributions.range(..before) {
            if datanet.withdrawn.get(&contribution).is_some_and(|&at| at < withdrawn) {
                continue;
            }
            let Some(gate) = offered.gate.as_ref().filter(|gate| gate.seq < before) else { continue };
            let verdicts = self.verdicts(net, contribution)?;
            let reviewed = |index: u32| gate.reviewed.get(&index).is_some_and(|r| r.pass && r.seq < before);
            for (private, verdict) in self.records_of(net, contribution)?.into_iter().zip(verdicts) {
                if verdict.verdict == PASS || reviewed(verdict.index) {
                    let record: Record = serde_json::from_slice(&private.content)?;
                    members.push(Member {
                        contribution,
                        index: private.index,
                        commitment: Digest(private.commitment),
                        author: offered.author.clone(),
                        reading: Reading::of(&datanet.charter.task, &record),
                    });
                }
            }
        }
        Ok(members)
    }
}
