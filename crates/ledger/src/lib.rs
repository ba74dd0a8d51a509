//! Commands, events, and the state they fold into: who contributed what, and who is owed how much.
//!
//! The log is the only memory. [`decide`](decide::decide) looks at the state and a signed command and either
//! refuses (and nothing happened) or returns events; [`State::apply`](state::State::apply) folds an event and
//! cannot fail. Replaying the log gives the same state bit for bit, and re-deciding every logged command must
//! give the logged bytes again: that is what a verifier does. No float, no clock, no IO.

#![forbid(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

pub mod amount;
pub mod balances;
pub mod charter;
pub mod codec;
pub mod command;
pub mod commit;
pub mod datanet;
pub mod decide;
pub mod event;
pub mod few;
pub mod ids;
pub mod key;
pub mod limits;
pub mod meter;
pub mod pay;
pub mod refusal;
pub mod replay;
pub mod signatures;
pub mod split;
pub mod state;
pub mod statement;
pub mod work;

mod account;
mod audit;
#[cfg(test)]
mod bounds;
mod contribute;
mod fund;
mod gate;
mod hashed;
mod nonces;
mod publish;
mod retract;
mod review;
mod serve;
mod settle;
mod snapshot;
mod train;
mod value;
