//! What happened: one event is one entry of the log.

use serde::{Deserialize, Serialize};

use crate::amount::{Amount, Posting};
use crate::command::Signed;
use crate::ids::AccountId;

/// One entry of the log. A command that was accepted makes one [`Cause::Command`] entry, and as many
/// [`Cause::Earlier`] entries right after it as its outcome needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Version of this format: 1.
    pub v: u32,
    /// Index in the log.
    pub seq: u64,
    /// Sequencer's time, milliseconds since 1970, never falling. In the fold only holds depend on it.
    pub t: u64,
    /// Why it happened.
    pub cause: Cause,
    /// What followed from the command and the state, and from nothing else.
    pub outcome: Outcome,
}

impl Event {
    /// Version of the format.
    pub const VERSION: u32 = 1;
}

/// Why an event happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Cause {
    /// A signed command.
    Command(Box<Signed>),
    /// The command at this index, whose outcome takes several entries.
    Earlier(u64),
}

/// What followed. Empty for most commands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Money that moved, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub postings: Vec<Posting>,
    /// Rows of a settlement.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<SettledRow>,
}

/// What an epoch meant for one contributor. Explains the postings beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettledRow {
    /// Who.
    pub account: AccountId,
    /// How the evidence stood.
    pub standing: Standing,
    /// Accrued value over all runs, in micro-bits.
    pub value_microbits: i64,
    /// Lower end of its 95% interval, which decides.
    pub low_microbits: i64,
    /// Upper end, which decides.
    pub high_microbits: i64,
    /// Accrued before this settlement, answers' shares included.
    pub accrued: Amount,
    /// Taken from accruals and bond because the records harm.
    pub lost: Amount,
    /// Share of the pool, by value.
    pub pool: Amount,
    /// Reward for value, out of the budget.
    pub reward: Amount,
    /// Released to the account, bond returned included.
    pub released: Amount,
    /// Still accrued afterwards, waiting for evidence.
    pub waiting: Amount,
    /// Still at stake afterwards, for records that have not proven themselves.
    pub at_stake: Amount,
}

/// Where the evidence about a contributor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The lower bound of the accrued value is above zero.
    Paid,
    /// The interval holds zero, or there is no value yet.
    Unproven,
    /// The upper bound is below zero.
    Harmful,
}
