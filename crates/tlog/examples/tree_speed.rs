//! How long a log of a million entries takes on one core:
//! `cargo run --release -p assay-tlog --example tree_speed [ENTRIES]`.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

use std::time::Instant;

use assay_tlog::{
    Checkpoint, Frontier, Hash, InclusionProof, Receipt, SignerKey, TileKind, TileSet, TileWriter, leaf_hash,
    root, sign_checkpoint,
};

const ENTRY_BYTES: usize = 256;

/// Prints the best of some runs: the least disturbed by what else the machine does.
fn timed<T>(what: &str, count: usize, mut work: impl FnMut() -> T) -> T {
    const RUNS: u32 = 7;
    let mut best = f64::INFINITY;
    let mut run = || {
        let start = Instant::now();
        let result = work();
        best = best.min(start.elapsed().as_secs_f64());
        result
    };
    (1..RUNS).for_each(|_| drop(run()));
    let result = run();
    println!("{what:44} {best:8.3} s  {:9.0} per s", count as f64 / best);
    result
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: usize = std::env::args().nth(1).map_or(Ok(1_000_000), |text| text.parse())?;
    let entries: Vec<[u8; ENTRY_BYTES]> = (0..count as u64)
        .map(|i| {
            let mut entry = [b'.'; ENTRY_BYTES];
            entry[..8].copy_from_slice(&i.to_be_bytes());
            entry
        })
        .collect();

    let leaves: Vec<Hash> =
        timed("leaf hashes of 256 bytes", count, || entries.iter().map(|e| leaf_hash(e)).collect());
    let tree_root = timed("root from leaf hashes", count, || root(&leaves));
    let whole = timed("root from entries (both)", count, || {
        root(&entries.iter().map(|entry| leaf_hash(entry)).collect::<Vec<_>>())
    });
    let frontier = timed("frontier, one leaf at a time", count, || {
        let mut frontier = Frontier::new();
        leaves.iter().for_each(|leaf| frontier.append(*leaf));
        frontier
    });
    let written = timed("every static file from entries", count, || {
        let mut writer = TileWriter::new();
        writer.grow(&entries).map(|files| (writer.root(), files))
    });
    let (written_root, files) = written?;
    assert!([whole, frontier.root(), written_root].iter().all(|other| *other == tree_root));

    let mut tiles = TileSet::new();
    for (tile, bytes) in files.iter().filter(|(tile, _)| tile.kind() != TileKind::Entries) {
        tiles.insert(*tile, bytes)?;
    }
    let size = count as u64;
    let key = SignerKey::from_seed("example.com/log", &[1; 32])?;
    let checkpoint = sign_checkpoint(&Checkpoint::new("example.com/log", size, tree_root), &key)?.to_string();
    let picks: Vec<u64> = (0..1_000).map(|i| i * 7_919_u64 % size).collect();
    let receipts: Vec<Receipt> = timed("receipts from tiles", picks.len(), || {
        let prove = |&index: &u64| InclusionProof::prove(index, size, &tiles).map(|proof| proof.hashes);
        let receipt = |index: &u64| {
            Ok(Receipt { extra: None, index: *index, hashes: prove(index)?, checkpoint: checkpoint.clone() })
        };
        picks.iter().map(receipt).collect::<Result<_, assay_tlog::ProofError>>()
    })?;
    let texts: Vec<String> = receipts.iter().map(Receipt::to_string).collect();
    timed("receipts parsed and verified, signature too", picks.len(), || {
        picks.iter().zip(&texts).try_for_each(|(&index, text)| {
            let receipt = Receipt::parse(text.as_bytes())?;
            receipt.verify(&entries[index as usize], key.verifier(), "example.com/log").map(drop)
        })
    })?;
    println!("a receipt has {} bytes", texts.first().map_or(0, String::len));
    Ok(())
}
