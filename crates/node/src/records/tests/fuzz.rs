//! Seeded mutations of whole files: every reader answers with a table or an error, and never panics.
//! `ASSAY_FUZZ_SECONDS` sets how long each reader is tried (a fraction of a second by default).

use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use super::files::{CSV, LINES};
use super::*;

fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    (rng.next_u64() % n.max(1) as u64) as usize
}

/// One to eight edits: a bit flipped, a byte set, a piece cut, doubled or taken from elsewhere in the file.
fn mutate(rng: &mut ChaCha8Rng, seed: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 + below(rng, 8) {
        let at = below(rng, bytes.len());
        let end = (at + 1 + below(rng, 12)).min(bytes.len());
        let piece = bytes.get(at..end).unwrap_or_default().to_vec();
        let to = below(rng, bytes.len());
        match below(rng, 6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << below(rng, 8),
            1 if at < bytes.len() => bytes[at] = b"\"\\,{}[]:\n\r\0\xff0-e."[below(rng, 16)],
            2 => drop(bytes.drain(at..end)),
            3 => drop(bytes.splice(at..at, piece)),
            4 => drop(bytes.splice(to..to, piece)),
            _ => bytes.truncate(if below(rng, 4) == 0 { at } else { bytes.len() }),
        }
    }
    bytes
}

fn fuzz(name: &str, seed: &[u8]) {
    let seconds = std::env::var("ASSAY_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok());
    let end = Instant::now() + Duration::from_secs_f64(seconds.unwrap_or(0.4));
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (mut good, mut bad) = (0, 0);
    while Instant::now() < end || good + bad < 50 {
        let bytes = mutate(&mut rng, seed);
        match read_bytes(name, &bytes) {
            Ok(table) => {
                assert!(table.rows() > 0);
                assert!(
                    (0..table.rows())
                        .all(|i| serde_json::from_str::<serde_json::Value>(&table.row_json(i)).is_ok())
                );
                if let Ok(roles) = ColumnRoles::default().resolve(&table) {
                    drop(roles.select(&table));
                }
                good += 1;
            }
            Err(error) => {
                assert!(error.to_string().starts_with(name) && !error.hint().is_empty());
                bad += 1;
            }
        }
    }
    println!("{name}: {good} read, {bad} refused");
    assert!(bad > 0, "no mutation was noticed");
}

#[test]
fn json_lines() {
    fuzz("x.jsonl", LINES);
}

#[test]
fn csv() {
    fuzz("x.csv", CSV);
}

#[test]
fn gzipped() {
    fuzz("x.jsonl.gz", &gzip(LINES));
}

#[test]
fn zstandard_compressed() {
    fuzz("x.csv.zst", &zstandard(CSV));
}

#[test]
fn parquet_files() {
    fuzz("x.parquet", &parquet());
}
