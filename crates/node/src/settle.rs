//! Settle: an epoch is closed, what is proven is released, and the values that decided become public.

use assay_ledger::codec;
use assay_ledger::command::Command;
use assay_ledger::ids::{AccountId, DatanetId};
use assay_ledger::statement::Statement;
use assay_store::columns::{self, Values};

use crate::error::{NodeError, Result};
use crate::node::Node;

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

    /// Values of the records of `account` as the settlement of `epoch` made them public; none before that.
    pub fn settled_values(
        &self,
        net: &DatanetId,
        epoch: u32,
        account: &AccountId,
    ) -> Result<Vec<RecordValue>> {
        let datanet = self.datanet(net)?;
        let used = datanet.epochs.get(&epoch).and_then(|e| e.valuation);
        let Some(valuation) = used.and_then(|seq| datanet.valuations.get(&seq)) else {
            return Ok(Vec::new());
        };
        let table = columns::read(&self.tables.get(&stored(&valuation.table))?)?;
        let malformed = || NodeError::bug("a table of values lacks a column");
        let Some(Values::Utf8(accounts)) = table.column("account") else { return Err(malformed()) };
        let names = ["contribution", "index", "value_microbits", "se_microbits"];
        let integers = names.map(|name| match table.column(name) {
            Some(Values::Int64(cells)) => Some(cells),
            _ => None,
        });
        let [Some(contribution), Some(index), Some(value), Some(se)] = integers else {
            return Err(malformed());
        };
        let own = (0..table.rows()).filter(|&i| accounts[i].as_deref() == Some(account.as_str()));
        let row = |i: usize| -> Option<RecordValue> {
            Some(RecordValue {
                contribution: u64::try_from(contribution[i]?).ok()?,
                index: u32::try_from(index[i]?).ok()?,
                value_microbits: value[i]?,
                se_microbits: se[i]?,
            })
        };
        own.map(|i| row(i).ok_or_else(malformed)).collect()
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
