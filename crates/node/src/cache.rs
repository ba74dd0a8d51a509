//! What a running node remembers between commands. All of it can be made again; none of it is state.

use std::collections::BTreeMap;
use std::sync::Arc;

use assay_attribution::PathState;
use assay_attribution::answer::Quick;
use assay_ledger::command::Command;
use assay_ledger::event::{Cause, Event};
use assay_ledger::ids::DatanetId;
use assay_quality::Gates;

use crate::fit::Fitted;
use crate::gate::{Due, Labels};
use crate::snapshot::Member;

/// Memory of a running node.
#[derive(Default)]
pub(crate) struct Cache {
    pub(crate) gates: BTreeMap<DatanetId, GateMemory>,
    pub(crate) serving: BTreeMap<DatanetId, Arc<Serving>>,
    /// The quick way to the records of an answer, with the place of its model in the log.
    pub(crate) quick: BTreeMap<DatanetId, (u64, Arc<Quick>)>,
}

/// The gates of a datanet with everything that they have seen.
pub(crate) struct GateMemory {
    pub(crate) gates: Gates,
    /// Contribution and index of every record given to the gates, by its position.
    pub(crate) places: Vec<(u64, u32)>,
    /// What judges labels, with the place in the log that it knows of.
    pub(crate) labels: Option<(u64, Option<Labels>)>,
    /// When models of labels are due.
    pub(crate) due: Due,
    /// Held records that a reviewer has passed, and the gates do not know of it yet.
    pub(crate) reviewed: Vec<(u64, u32)>,
}

impl Cache {
    /// Remembers what the node's own next entry means for later commands.
    pub(crate) fn note(&mut self, event: &Event) {
        let Cause::Command(signed) = &event.cause else { return };
        if let Command::Review { datanet, contribution, index, pass: true, .. } = &signed.intent.command
            && let Some(memory) = self.gates.get_mut(datanet)
        {
            memory.reviewed.push((*contribution, *index));
        }
    }
}

/// What answers questions of a datanet.
pub(crate) struct Serving {
    /// Place of the model in the log.
    pub(crate) model: u64,
    pub(crate) fitted: Fitted,
    /// The records that it was trained on.
    pub(crate) members: Vec<Member>,
    /// Their values in micro-bits.
    pub(crate) values: Vec<i64>,
    pub(crate) path: PathState,
}
