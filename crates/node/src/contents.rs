//! What a datanet holds, in the clear, for the tools of its operator.

use assay_ledger::ids::{AccountId, DatanetId};

use crate::error::Result;
use crate::node::Node;
use crate::task::Record;

/// The records of a datanet and its sealed benchmark. Nothing of it may be published.
#[derive(Clone, Debug)]
pub struct Contents {
    /// Records that have passed, in order of arrival, with their authors; only the fields that the task reads.
    pub records: Vec<(AccountId, Record)>,
    /// Rows that measure value.
    pub value: Vec<Record>,
    /// Rows that report scores.
    pub report: Vec<Record>,
}

impl Node {
    /// What a datanet holds.
    pub fn contents(&self, net: &DatanetId) -> Result<Contents> {
        let task = &self.datanet(net)?.charter.task;
        let members = self.members(net, u64::MAX)?;
        let sealed = self.sealed(net)?;
        Ok(Contents {
            records: members.into_iter().map(|m| (m.author, m.reading.record(task))).collect(),
            value: sealed.value.into_iter().map(|row| row.record).collect(),
            report: sealed.report.into_iter().map(|row| row.record).collect(),
        })
    }
}
