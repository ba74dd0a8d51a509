//! Review: people look at what the gates held.

use assay_ledger::command::{Command, Role};
use assay_ledger::ids::{AccountId, Code, DatanetId};
use ed25519_dalek::SigningKey;

use crate::error::{NodeError, Result};
use crate::node::Node;
use crate::task::Record;

/// A record that waits for a reviewer.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Held {
    /// Its contribution.
    pub contribution: u64,
    /// Its place in it.
    pub index: u32,
    /// Who offered it.
    pub author: AccountId,
    /// Why it is held.
    pub reason: String,
    /// The record that it resembles, if that is why: contribution and index.
    pub original: Option<(u64, u32)>,
    /// What it says.
    pub record: Record,
}

impl Node {
    /// The first `count` records that wait for a reviewer, in order of arrival.
    pub fn held(&self, net: &DatanetId, count: usize) -> Result<Vec<Held>> {
        let waiting: Vec<(u64, u32)> = self.datanet(net)?.held().take(count).collect();
        let mut held = Vec::with_capacity(waiting.len());
        for of_one in waiting.chunk_by(|a, b| a.0 == b.0) {
            let contribution = of_one[0].0;
            let author = &self.contribution(net, contribution)?.author;
            let verdicts = self.verdicts(net, contribution)?;
            for &(_, index) in of_one {
                let row = verdicts.get(index as usize).ok_or_else(|| {
                    NodeError::bug(format!("no verdict on record {index} of {contribution}"))
                })?;
                held.push(Held {
                    contribution,
                    index,
                    author: author.clone(),
                    reason: row.reason.clone().unwrap_or_default(),
                    original: row.original,
                    record: self.record(net, contribution, index)?,
                });
            }
        }
        Ok(held)
    }

    /// Lets `account` decide held records. Only the owner may.
    pub fn appoint(
        &mut self,
        owner: &SigningKey,
        net: &DatanetId,
        account: AccountId,
        role: Role,
    ) -> Result<u64> {
        self.act(owner, Command::Appoint { datanet: net.clone(), account, role })
    }

    /// Decides a held record as the holder of `key`.
    pub fn review(
        &mut self,
        key: &SigningKey,
        net: &DatanetId,
        (contribution, index): (u64, u32),
        pass: bool,
        reason: &str,
    ) -> Result<u64> {
        let reason: Code = reason.parse().map_err(NodeError::invalid)?;
        self.act(key, Command::Review { datanet: net.clone(), contribution, index, pass, reason })
    }
}
