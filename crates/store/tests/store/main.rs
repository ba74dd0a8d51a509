//! Tests of the store through its public face.
#![allow(clippy::unwrap_used)]

#[cfg(feature = "postgres")]
#[path = "../support/cluster.rs"]
mod cluster;
mod columns;
mod crash;
mod events;
mod files;
mod ground;
mod hostile;
#[path = "../../../tlog/tests/mutate/mod.rs"]
mod mutate;
#[cfg(feature = "postgres")]
mod postgres;
mod scratch;
mod sqlite;
mod tables;
#[path = "../targets/mod.rs"]
mod targets;
mod vault;

/// A pseudo-random sequence (SplitMix64), so that tests repeat.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.roll() as u8).collect()
    }
}
