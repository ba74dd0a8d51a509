//! Seeded worlds: communities with known behaviour, attackers, faults, checkers.

pub mod attack;
pub mod community;
pub mod digits;
mod draw;

pub use community::{Behaviour, Community, Member};
pub use digits::Digit;

/// A world that could not be made; says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SimError(pub(crate) String);
