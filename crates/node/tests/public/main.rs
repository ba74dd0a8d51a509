//! What leaves a node: receipts, cosigned checkpoints, copies, and two views held against each other.
#![allow(clippy::unwrap_used)]

mod copies;
mod far;
mod metered;
mod receipts;
#[path = "../small/mod.rs"]
mod small;
mod witnesses;
