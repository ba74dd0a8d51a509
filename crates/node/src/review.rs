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
        waiting.into_iter().map(|(contribution, index)| self.held_record(net, contribution, index)).collect()
    }

    fn held_record(&self, net: &DatanetId, contribution: u64, index: u32) -> Result<Held> {
        let row = self.verdicts(net, contribution)?.into_iter().find(|row| row.index == index);
        let row =
            row.ok_or_else(|| NodeError::bug(format!("no verdict on record {index} of {contribution}")))?;
        let author = self.datanet(net)?.contributions.get(&contribution).map(|c| c.author.clone());
        Ok(Held {
            contribution,
            index,
            author: author.ok_or_else(|| NodeError::not_found(format!("no contribution {contribution}")))?,
            reason: row.reason.unwrap_or_default(),
            original: row.original,
            record: self.record(net, contribution, index)?,
        })
    }

    /// One record as it was sent.
    pub fn record(&self, net: &DatanetId, contribution: u64, index: u32) -> Result<Record> {
        let records = self.records_of(net, contribution)?;
        let found = records.get(index as usize);
        let found =
            found.ok_or_else(|| NodeError::not_found(format!("no record {index} in {contribution}")))?;
        Ok(serde_json::from_slice(&found.content)?)
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
