//! What records were found to be worth, as a table: one row for each record of a snapshot, by the run that valued it.

use assay_ledger::ids::{AccountId, TableRef};
use assay_store::columns::{self, ColumnTable, Values};

use crate::error::{NodeError, Result};
use crate::node::Node;
use crate::settle::stored;

/// What a run found one record to be worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The record's contribution.
    pub(crate) contribution: u64,
    /// Its place in it.
    pub(crate) index: u32,
    /// Who offered it.
    pub(crate) account: AccountId,
    /// The model of the run that valued it.
    pub(crate) model: u64,
    /// Its value in that run.
    pub(crate) value_microbits: i64,
    /// The standard error of that.
    pub(crate) se_microbits: i64,
}

impl Found {
    /// The table of these, in their order.
    pub(crate) fn table(all: &[Self]) -> Result<ColumnTable> {
        let integers = |of: fn(&Self) -> i64| all.iter().map(of).collect::<Vec<_>>();
        Ok(ColumnTable::new("values", 1)
            .with_column("contribution", integers(|f| f.contribution as i64))?
            .with_column("index", integers(|f| f.index.into()))?
            .with_column("account", all.iter().map(|f| f.account.to_string()).collect::<Vec<_>>())?
            .with_column("model", integers(|f| f.model as i64))?
            .with_column("value_microbits", integers(|f| f.value_microbits))?
            .with_column("se_microbits", integers(|f| f.se_microbits))?)
    }

    /// Reads a table of values, in its order.
    pub(crate) fn read_all(table: &ColumnTable) -> Result<Vec<Self>> {
        let Some(Values::Utf8(accounts)) = table.column("account") else {
            return Err(NodeError::invalid("there is no column account"));
        };
        let integers = |name: &str| match table.column(name) {
            Some(Values::Int64(cells)) => Ok(cells),
            _ => Err(NodeError::invalid(format!("there is no column {name} of whole numbers"))),
        };
        let (contribution, index, model) =
            (integers("contribution")?, integers("index")?, integers("model")?);
        let (value, se) = (integers("value_microbits")?, integers("se_microbits")?);
        let row = |i: usize| -> Option<Self> {
            Some(Self {
                contribution: contribution[i]?.try_into().ok()?,
                index: index[i]?.try_into().ok()?,
                account: accounts[i].as_deref()?.parse().ok()?,
                model: model[i]?.try_into().ok()?,
                value_microbits: value[i]?,
                se_microbits: se[i]?,
            })
        };
        let malformed = |i: usize| NodeError::invalid(format!("row {i} has an empty or malformed cell"));
        (0..table.rows()).map(|i| row(i).ok_or_else(|| malformed(i))).collect()
    }
}

impl Node {
    /// Values of records by the table that the log names, in the order of the snapshot.
    pub(crate) fn record_values(&self, table: &TableRef) -> Result<Vec<Found>> {
        Found::read_all(&columns::read(&self.tables.get(&stored(table))?)?).map_err(NodeError::bug)
    }
}
