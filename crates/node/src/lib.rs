//! Where pure meets world: record files, sequencer, one file a stage, publishing, verification.
//!
//! [`Node`] is the sequencer: one writer that decides, makes durable, signs, publishes and answers, in that order.
//! The stages are methods of it, each in the file of its name.

pub mod audit;
mod backup;
mod cache;
mod compare;
mod contents;
mod contribute;
mod copy;
mod curate;
mod datanet;
mod error;
mod fit;
mod fold;
mod gate;
mod home;
mod key;
mod meter;
mod migrate;
mod node;
mod publish;
pub mod queue;
mod receipt;
pub mod records;
mod report;
mod retract;
mod review;
mod serve;
mod settle;
mod signatures;
mod snapshot;
pub mod task;
mod train;
mod transfer;
mod trust;
mod value;
mod verify;
mod witnesses;
mod worth;

pub use audit::AUDIT;
pub use backup::{Restored, backup, restore};
pub use compare::{Compared, View, compare, key_at};
pub use contents::Contents;
pub use contribute::{Contributed, record_group};
pub use copy::{Copied, copy};
pub use error::{Kind, NodeError, Result};
pub use fit::{Answers, Fitted};
pub use gate::{Labels, Original, Rehearsed, VerdictRow, claimed, declare, mask, rehearse, unmasked};
pub use home::{Home, LOG, OPERATOR, Passphrase, Places};
pub use key::Rekeyed;
pub use meter::{MeteredShare, ProvenAnswer, answers_of, answers_table};
pub use migrate::{Migrated, migrate};
pub use node::{CHECKPOINT, Clock, Ground, LOG_KEY, Node, state_of};
pub use receipt::{About, Opening, Proven, Receipt, ReceiptHolds, ReceiptKind, Wanted};
pub use report::{REPORT, ReportOptions};
pub use retract::Retracted;
pub use review::Held;
pub use serve::{Answered, Missed, Prompt, Shaper};
pub use settle::RecordValue;
pub use train::CARD;
pub use transfer::Transferred;
pub use trust::{Trust, read_policy};
pub use verify::{CANNOT_KNOW, Check, Verified, verify, verify_at};
