//! Two views of one log: one extends the other, or the operator signed two histories, and this proves it.

use std::fs;
use std::path::Path;

use assay_store::PublicFiles;
use assay_tlog::{Checkpoint, Plan, VerifierKey, open_checkpoint, verify_consistency};
use serde::Serialize;

use crate::error::{NodeError, Result};
use crate::node::{CHECKPOINT, LOG_KEY};
use crate::publish::{NOTE_BYTES_MAX, hash_tiles};

/// What somebody was shown of a log.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Where it was found.
    pub place: String,
    /// Entries.
    pub size: u64,
    /// Root, hexadecimal.
    pub root: String,
    /// The signed head, verbatim.
    pub checkpoint: String,
}

/// Two views against each other.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// Key that signed both.
    pub key: String,
    /// The smaller view.
    pub old: View,
    /// The larger one, or another of the same size.
    pub new: View,
    /// True when the smaller is the beginning of the larger; false when two histories were signed.
    pub consistent: bool,
    /// Root, hexadecimal, that the larger tree has at the size of the smaller: the two differ in a split view.
    pub root_at_old: String,
    /// Consistency proof (RFC 6962), Base 64, from `root_at_old` to the larger head.
    pub proof: Vec<String>,
}

/// A head, and the tiles below it where there are any.
struct Side {
    view: View,
    head: Checkpoint,
    tiles: Option<PublicFiles>,
}

impl Side {
    /// Opens public files by their address, or a file with a checkpoint.
    fn open(place: &str, key: &VerifierKey) -> Result<Self> {
        let tiles = tiles(place)?;
        let note = match &tiles {
            Some(tiles) => tiles.read(CHECKPOINT, NOTE_BYTES_MAX)?.ok_or_else(|| {
                NodeError::refused(format!("there is no {CHECKPOINT} in {place}"))
                    .hint("name the public files of a log, or a file with a checkpoint")
            })?,
            None => fs::read(place).map_err(|e| NodeError::file(Path::new(place), &e))?,
        };
        let head = open_checkpoint(&note, key, key.name())
            .map_err(|e| NodeError::refused(format!("the checkpoint of {place}: {e}")))?;
        let view = View {
            place: place.to_owned(),
            size: head.size,
            root: head.root.to_string(),
            checkpoint: String::from_utf8_lossy(&note).into_owned(),
        };
        Ok(Self { view, head, tiles })
    }
}

/// The public files at an address; `None` if it is that of a file.
fn tiles(place: &str) -> Result<Option<PublicFiles>> {
    let many = place.contains("://") || Path::new(place).is_dir();
    Ok(many.then(|| PublicFiles::open(place)).transpose()?)
}

/// The key beside the public files at an address.
pub fn key_at(address: &str) -> Result<VerifierKey> {
    let key = PublicFiles::open(address)?.read(LOG_KEY, NOTE_BYTES_MAX)?;
    let key = key.as_deref().and_then(|key| std::str::from_utf8(key).ok()?.trim_end().parse().ok());
    key.ok_or_else(|| {
        NodeError::refused(format!("there is no {LOG_KEY} with a key in {address}"))
            .hint("name the public files of a log, or give --key VKEY")
    })
}

/// Compares two views that `key` signed, by default the key beside either: public files by their address (a folder,
/// `http://...`, `s3://...`), or checkpoints in files.
/// The tiles of the larger view decide, and are checked against its head first.
pub fn compare(a: &str, b: &str, key: Option<&VerifierKey>) -> Result<Compared> {
    let beside = |place: &str| tiles(place).ok()?.and_then(|_| key_at(place).ok());
    let key = key.cloned().or_else(|| beside(a)).or_else(|| beside(b));
    let key = key.ok_or_else(|| {
        NodeError::refused("no key of the log is known").hint(
            "give --key VKEY (the log's file log.vkey): only heads of one key can contradict each other",
        )
    })?;
    let (mut old, mut new) = (Side::open(a, &key)?, Side::open(b, &key)?);
    // Of two of one size, the one with tiles can prove something.
    if (old.head.size, old.tiles.is_some()) > (new.head.size, new.tiles.is_some()) {
        (old, new) = (new, old);
    }
    let (root_at_old, proof) = match old.head.size == new.head.size {
        true => (new.head.root, Vec::new()),
        false => at(&new, old.head.size)?,
    };
    Ok(Compared {
        key: key.to_string(),
        consistent: root_at_old == old.head.root,
        root_at_old: root_at_old.to_string(),
        proof: proof.iter().map(assay_tlog::Hash::to_base64).collect(),
        old: old.view,
        new: new.view,
    })
}

/// The root that the tree of `side` had at `size`, and the proof of that.
fn at(side: &Side, size: u64) -> Result<(assay_tlog::Hash, Vec<assay_tlog::Hash>)> {
    let place = &side.view.place;
    let tiles = side.tiles.as_ref().ok_or_else(|| {
        NodeError::refused(format!("{place} is a checkpoint without tiles"))
            .hint("the larger of two views must be a public folder: its tiles decide")
    })?;
    let head = &side.head;
    let plan = |plan: std::result::Result<Plan, assay_tlog::ProofError>| -> Result<Vec<assay_tlog::Hash>> {
        let plan = plan.map_err(NodeError::bug)?;
        plan.hashes(&hash_tiles(tiles, &plan)?).map_err(NodeError::bug)
    };
    let (root, proof) = (plan(Plan::prefix(size, head.size))?, plan(Plan::consistency(size, head.size))?);
    let [root] = root[..] else { return Err(NodeError::bug("a prefix has one root")) };
    match verify_consistency(size, head.size, &root, &head.root, &proof) {
        Ok(()) => Ok((root, proof)),
        Err(_) => Err(NodeError::unavailable(format!("the tiles in {place} do not lead to its checkpoint"))
            .hint("that copy is damaged and proves nothing; fetch it again")),
    }
}
