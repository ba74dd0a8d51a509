//! Settle: an epoch is closed, what is proven is released, and the values that decided become public.

use assay_ledger::codec;
use assay_ledger::command::Command;
use assay_ledger::ids::{AccountId, DatanetId};
use assay_ledger::statement::Statement;

use crate::error::{NodeError, Result};
use crate::node::Node;

impl Node {
    /// Settles the open epoch of a datanet; the place of the settlement in the log.
    pub fn settle(&mut self, net: &DatanetId) -> Result<u64> {
        let epoch = self.datanet(net)?.epoch;
        let operator = self.operator().clone();
        let seq = self.act(&operator, Command::Settle { datanet: net.clone(), epoch })?;
        self.publish_values(net)?;
        Ok(seq)
    }

    /// Values per record become public with the settlement that used them, and not before: earlier they could be
    /// used to search for the sealed benchmark.
    pub(crate) fn publish_values(&self, net: &DatanetId) -> Result<()> {
        let datanet = self.datanet(net)?;
        for epoch in datanet.epochs.values() {
            let Some(valuation) = epoch.valuation.and_then(|seq| datanet.valuations.get(&seq)) else {
                continue;
            };
            let table = stored(&valuation.table);
            if !self.tables.exists(&table)? {
                self.tables.put(self.unpublished.get(&table)?, "parquet")?;
            }
        }
        Ok(())
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
