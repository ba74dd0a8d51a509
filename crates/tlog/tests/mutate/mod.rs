//! What the fuzz tests of several crates share: targets, seeded mutations of valid inputs, and the loop that tries them.
//!
//! `ASSAY_FUZZ_SECONDS=60` tries each target that long instead of a few thousand times. An input that fails is printed:
//! keep it among the seeds of its target, which are tried first and unchanged. So are the inputs that libFuzzer found to
//! reach other code than the seeds do (`fuzz/corpus`), and they are mutated like seeds.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    dead_code,
    unreachable_pub
)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const ROUNDS: u32 = 4_000;
/// Most bytes that are kept for a target: all of them together stay small enough for a repository.
const KEPT_BYTES_MAX: usize = 48 << 10;

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

/// A property of any bytes.
type Holds = Box<dyn Fn(&[u8]) + Send>;

/// What must hold of any bytes, and inputs to start from.
pub struct Target {
    pub name: &'static str,
    pub seeds: Vec<Vec<u8>>,
    pub holds: Holds,
}

impl Target {
    pub fn new(name: &'static str, seeds: Vec<Vec<u8>>, holds: impl Fn(&[u8]) + Send + 'static) -> Self {
        Self { name, seeds, holds: Box::new(holds) }
    }

    /// Tries the seeds and what is kept, then mutations of them.
    pub fn drive(&self) {
        let seeds = [self.seeds.clone(), kept(self.name)].concat();
        seeds.iter().for_each(|seed| attempt(self.name, &self.holds, seed));
        drive(self.name, |dice| mutated(&seeds, dice), &self.holds);
    }
}

/// The folder of the inputs that are kept, a file for each target.
pub fn corpus() -> PathBuf {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above
        .map(|folder| folder.join("fuzz/corpus"))
        .find(|folder| folder.is_dir())
        .expect("the folder fuzz/corpus")
}

/// The inputs that are kept for a target. Of each the file has the length in decimal, a line feed, and the bytes.
pub fn kept(name: &str) -> Vec<Vec<u8>> {
    let (file, mut inputs) = (std::fs::read(corpus().join(name)).unwrap_or_default(), Vec::new());
    let mut rest = file.as_slice();
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
        let length: usize = std::str::from_utf8(&rest[..end]).unwrap().parse().unwrap();
        let (input, after) = rest[end + 1..].split_at(length);
        inputs.push(input.to_vec());
        rest = after;
    }
    inputs
}

/// Keeps inputs for a target, the shortest first, as many as there is room for.
pub fn keep(name: &str, mut inputs: Vec<Vec<u8>>) {
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    let mut file = Vec::new();
    for input in inputs {
        let piece = [format!("{}\n", input.len()).as_bytes(), &input].concat();
        if file.len() + piece.len() <= KEPT_BYTES_MAX {
            file.extend(piece);
        }
    }
    std::fs::write(corpus().join(name), file).unwrap();
}

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

pub fn attempt(name: &str, target: &impl Fn(&[u8]), bytes: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| target(bytes)));
    assert!(outcome.is_ok(), "{name} failed on {:?}", String::from_utf8_lossy(bytes));
}
