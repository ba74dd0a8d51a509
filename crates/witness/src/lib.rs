//! A witness of logs (c2sp.org/tlog-witness): it cosigns a checkpoint when the log only grew since the last one that
//! it cosigned, and remembers that before it answers.
//!
//! ```text
//! POST add-checkpoint -> AddCheckpoint::parse -> [ WitnessStore::advance( judge ) ] -> cosign -> signature line
//! ```
//!
//! What is in brackets is one durable transaction. Its home is a folder with `witness.key`, readable by the owner
//! only, and `witness.db`.

#![forbid(unsafe_code)]

mod home;
mod server;

pub use home::{KEY_FILE, Witness, WitnessError, WitnessedLog};
pub use server::{CONNECTIONS_MAX, run, serve};
