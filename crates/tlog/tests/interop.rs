//! Software that is not ours reads what we publish: `tests/interop/check_log.py`, Python's standard library alone.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_macros)]

use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs, io};

use assay_tlog::{
    Checkpoint, Hash, InclusionProof, Receipt, SignerKey, TileWriter, leaf_hash, sign_checkpoint,
};

const ORIGIN: &str = "example.com/datanet";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/interop/check_log.py");

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, bytes).unwrap();
}

/// A published log of `size` entries with some receipts; returns the names of its files.
fn publish(folder: &Path, size: u64, key: &SignerKey) -> Vec<String> {
    let pad = |i: u64| "x".repeat((i % 97) as usize);
    let entries: Vec<_> = (0..size).map(|i| format!("{{\"pad\":\"{}\",\"seq\":{i}}}", pad(i))).collect();
    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry.as_bytes())).collect();
    let mut writer = TileWriter::new();
    let mut files: Vec<(String, Vec<u8>)> =
        writer.grow(&entries).unwrap().into_iter().map(|(tile, bytes)| (tile.path(), bytes)).collect();
    let checkpoint = sign_checkpoint(&Checkpoint::new(ORIGIN, size, writer.root()), key).unwrap().to_string();
    for index in [0, size / 3, size - 1] {
        let hashes = InclusionProof::prove(index, size, &leaves[..]).unwrap().hashes;
        let extra = (index % 2 == 1).then(|| b"unsigned".to_vec());
        let receipt = Receipt { extra, index, hashes, checkpoint: checkpoint.clone() };
        files.push((format!("receipts/{index}.tlog-proof"), receipt.to_string().into_bytes()));
        files.push((format!("receipts/{index}.entry"), entries[index as usize].clone().into_bytes()));
    }
    files.push(("checkpoint".into(), checkpoint.into_bytes()));
    files.iter().for_each(|(name, bytes)| put(folder, name, bytes));
    files.into_iter().map(|(name, _)| name).collect()
}

fn check(folder: &Path, key: &SignerKey) -> io::Result<Output> {
    let verifier = key.verifier().to_string();
    Command::new("python3").arg(SCRIPT).arg(folder).args([&verifier, ORIGIN]).output()
}

#[test]
fn python_reads_our_logs_and_finds_what_was_changed() {
    let key = SignerKey::from_seed("example.com/key", &[9; 32]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for size in [1, 256, 257, 1_000] {
        let log = folder.path().join(size.to_string());
        publish(&log, size, &key);
        let output = match check(&log, &key) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return println!("skipped: no python3 here");
            }
            output => output.unwrap(),
        };
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.starts_with(&format!("OK {size} entries")), "{said}");
    }

    let log = folder.path().join("changed");
    let names = publish(&log, 300, &key);
    for name in names.iter() {
        let bytes = fs::read(log.join(name)).unwrap();
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        put(&log, name, &changed);
        assert!(!check(&log, &key).unwrap().status.success(), "a change of {name} went unnoticed");
        put(&log, name, &bytes);
    }
    let stranger = SignerKey::from_seed("example.com/key", &[8; 32]).unwrap();
    assert!(!check(&log, &stranger).unwrap().status.success());
    assert!(check(&log, &key).unwrap().status.success());
}
