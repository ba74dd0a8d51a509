//! Durable appends per second by batch size: `cargo run --release -p assay-store --example append_speed [FOLDER]`.
//!
//! The folder should lie on the disk in question; a temporary one is made beside the working folder by default.

use std::path::Path;
use std::time::{Duration, Instant};

use assay_store::{EventStore, NewEntry};

const ENTRY_BYTES: usize = 256;
const TIME_PER_SIZE: Duration = Duration::from_secs(3);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    println!("batch  appends/s  commits/s  p50 ms  p99 ms");
    for batch in [1, 100, 1_000] {
        let folder = tempfile::tempdir_in(&parent)?;
        let (appended, mut commits) = measure(folder.path(), batch)?;
        let seconds: f64 = commits.iter().map(Duration::as_secs_f64).sum();
        commits.sort();
        let at = |share: f64| commits[((commits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        let (appends, rate) = (appended as f64 / seconds, commits.len() as f64 / seconds);
        println!("{batch:5}  {appends:9.0}  {rate:9.0}  {:6.2}  {:6.2}", at(0.5), at(0.99));
    }
    Ok(())
}

fn measure(folder: &Path, batch: u64) -> Result<(u64, Vec<Duration>), Box<dyn std::error::Error>> {
    let mut store = EventStore::open(folder)?;
    let (mut size, mut commits) = (0, Vec::new());
    let start = Instant::now();
    while start.elapsed() < TIME_PER_SIZE {
        let entries: Vec<NewEntry> = (size..size + batch).map(entry).collect();
        let before = Instant::now();
        size = store.append(size, &entries)?;
        commits.push(before.elapsed());
    }
    Ok((size, commits))
}

fn entry(seq: u64) -> NewEntry {
    let bytes = seq.to_le_bytes().into_iter().cycle().take(ENTRY_BYTES).collect();
    // Time-ordered keys, as clients are asked to make them.
    NewEntry {
        bytes,
        keys: vec![[seq.to_be_bytes(), seq.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()].concat()],
    }
}
