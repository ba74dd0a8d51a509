//! What the fuzz tests of several crates share: seeded mutations of valid inputs, and the loop that tries them.
//!
//! `ASSAY_FUZZ_SECONDS=60` tries each target that long instead of a few thousand times. An input that fails is printed:
//! keep it among the seeds of its target, which are tried first and unchanged.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    dead_code,
    unreachable_pub
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

const ROUNDS: u32 = 4_000;

/// Pieces that parsers care about.
const PIECES: [&[u8]; 24] = [
    b"\n",
    b"\n\n",
    b"\r",
    b"\t",
    b" ",
    b"0",
    b"18446744073709551616",
    b"-1",
    b"+",
    b"=",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"#",
    b"e9",
    b"\xff",
    b"\x00",
    "\u{2014} ".as_bytes(),
    b"extra ",
];

/// SplitMix64: a stream of numbers that is the same everywhere.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, or 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.roll() % n.max(1) as u64) as usize
    }
}

/// One of the seeds after one to five small changes.
pub fn mutated(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(4) {
        mutate(&mut bytes, seeds, dice);
    }
    bytes
}

/// One small change: a bit, a cut, a splice from another seed, a repetition, or a piece that parsers care about.
fn mutate(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    let end = at + dice.below((bytes.len() - at + 1).min(64));
    match dice.below(7) {
        0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        1 => bytes.truncate(at),
        2 => {
            let seed = &seeds[dice.below(seeds.len())];
            let tail = &seed[dice.below(seed.len() + 1)..];
            bytes.splice(at.., tail.iter().copied());
        }
        3 => drop(bytes.drain(at..end)),
        4 => bytes.extend_from_within(at..end),
        5 => {
            let copy = bytes[at..end].to_vec();
            bytes.splice(at..at, copy);
        }
        _ => drop(bytes.splice(at..at, PIECES[dice.below(PIECES.len())].iter().copied())),
    }
}

/// Tries `target` on inputs that `input` draws.
pub fn drive(name: &str, mut input: impl FnMut(&mut Dice) -> Vec<u8>, target: impl Fn(&[u8])) {
    let seconds = std::env::var("ASSAY_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut dice = Dice(6962);
    let mut rounds = 0;
    while rounds < ROUNDS || until.is_some_and(|until| Instant::now() < until) {
        attempt(name, &target, &input(&mut dice));
        rounds += 1;
    }
    println!("{name}: {rounds} inputs");
}

/// Tries `target` on the seeds, then on mutations of them.
pub fn drive_bytes(name: &str, seeds: &[Vec<u8>], target: impl Fn(&[u8])) {
    seeds.iter().for_each(|seed| attempt(name, &target, seed));
    drive(name, |dice| mutated(seeds, dice), target);
}

fn attempt(name: &str, target: &impl Fn(&[u8]), bytes: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| target(bytes)));
    assert!(outcome.is_ok(), "{name} failed on {:?}", String::from_utf8_lossy(bytes));
}
