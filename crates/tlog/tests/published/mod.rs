//! A published log in a folder, for software that is not ours to read.
#![allow(dead_code, clippy::disallowed_methods)]

use std::fs;
use std::path::Path;

use assay_tlog::{
    Checkpoint, CosignerSecret, Hash, InclusionProof, Receipt, SignerKey, TileWriter, leaf_hash,
    sign_checkpoint,
};

/// Writes a file and the folders above it.
pub(crate) fn put(folder: &Path, name: &str, bytes: &[u8]) {
    let file = folder.join(name);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, bytes).unwrap();
}

/// A published log of `size` entries with some receipts, its checkpoint cosigned; returns the names of its files.
pub(crate) fn publish(
    folder: &Path,
    size: u64,
    origin: &str,
    key: &SignerKey,
    cosigners: &[CosignerSecret],
) -> Vec<String> {
    let pad = |i: u64| "x".repeat((i % 97) as usize);
    let entries: Vec<_> = (0..size).map(|i| format!("{{\"pad\":\"{}\",\"seq\":{i}}}", pad(i))).collect();
    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry.as_bytes())).collect();
    let mut writer = TileWriter::new();
    let mut files: Vec<(String, Vec<u8>)> =
        writer.grow(&entries).unwrap().into_iter().map(|(tile, bytes)| (tile.path(), bytes)).collect();
    let mut note = sign_checkpoint(&Checkpoint::new(origin, size, writer.root()), key).unwrap();
    for (time, cosigner) in (1_700_000_000..).zip(cosigners) {
        let cosignature = cosigner.cosign(note.text(), time);
        note.push(cosignature).unwrap();
    }
    let checkpoint = note.to_string();
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
