//! Settle: an epoch is closed, what is proven is released, and the values that decided become public.

use assay_ledger::charter::Publish;
use assay_ledger::codec;
use assay_ledger::command::Command;
use assay_ledger::ids::{AccountId, DatanetId};
use assay_ledger::statement::Statement;

use crate::error::{NodeError, Result};
use crate::node::Node;
use crate::worth::Found;

/// What one record was found to be worth.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RecordValue {
    /// Its contribution.
    pub contribution: u64,
    /// Its place in it.
    pub index: u32,
    /// Its value.
    pub value_microbits: i64,
    /// The standard error of that.
    pub se_microbits: i64,
}

impl Node {
    /// Settles the open epoch of a datanet; the place of the settlement in the log.
    pub fn settle(&mut self, net: &DatanetId) -> Result<u64> {
        let epoch = self.datanet(net)?.epoch;
        let operator = self.operator().clone();
        self.act(&operator, Command::Settle { datanet: net.clone(), epoch })
    }

    /// Values of the records of `account` as the settlement of `epoch` made them public; none before that, and none
    /// where the charter publishes only sums.
    pub fn settled_values(
        &self,
        net: &DatanetId,
        epoch: u32,
        account: &AccountId,
    ) -> Result<Vec<RecordValue>> {
        let datanet = self.datanet(net)?;
        if datanet.charter.value.publish != Publish::Records {
            return Ok(Vec::new());
        }
        let used = datanet.epochs.get(&epoch).and_then(|e| e.valuation);
        let Some(valuation) = used.and_then(|seq| datanet.valuations.get(&seq)) else {
            return Ok(Vec::new());
        };
        let own = self.record_values(&valuation.table)?.into_iter().filter(|found| found.account == *account);
        let value = |found: Found| RecordValue {
            contribution: found.contribution,
            index: found.index,
            value_microbits: found.value_microbits,
            se_microbits: found.se_microbits,
        };
        Ok(own.map(value).collect())
    }

    /// What `account` was paid, and why: over everything, or in one epoch of a datanet.
    pub fn statement(&self, account: &AccountId, period: Option<(DatanetId, u32)>) -> Result<Statement> {
        if !self.state().accounts().contains_key(account) {
            return Err(NodeError::not_found(format!("no account {account}")));
        }
        let mut fold = match period {
            Some((net, epoch)) => Statement::of_epoch(account.clone(), net, epoch),
            None => Statement::new(account.clone()),
        };
        for entry in self.entries().scan(0) {
            fold.push(&codec::decode(&entry?.1)?);
        }
        Ok(fold.finish())
    }
}

/// The file of a table that the log names.
pub(crate) fn stored(table: &assay_ledger::ids::TableRef) -> assay_store::TableRef {
    assay_store::TableRef { sha256: table.sha256.0, bytes: table.bytes, extension: "parquet".to_owned() }
}
