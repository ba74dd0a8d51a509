//! Two views of one log: one extends the other, or the operator signed two histories, and this proves it.

use std::fs;
use std::path::Path;

use assay_store::{PublicFiles, PublicFolder};
use assay_tlog::{Checkpoint, Plan, VerifierKey, open_checkpoint, verify_consistency};
use serde::Serialize;

use crate::error::{NodeError, Result};
use crate::node::{CHECKPOINT, LOG_KEY};
use crate::publish::hash_tiles;

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
    /// Opens a public folder, or a file with a checkpoint.
    fn open(place: &Path, key: &VerifierKey) -> Result<Self> {
        let (file, tiles) = match place.is_dir() {
            true => (place.join(CHECKPOINT), Some(PublicFolder::open(place)?.into())),
            false => (place.to_owned(), None),
        };
        let note = fs::read(&file).map_err(|e| NodeError::file(&file, &e))?;
        let head = open_checkpoint(&note, key, key.name())
            .map_err(|e| NodeError::refused(format!("{}: {e}", file.display())))?;
        let view = View {
            place: place.display().to_string(),
            size: head.size,
            root: head.root.to_string(),
            checkpoint: String::from_utf8_lossy(&note).into_owned(),
        };
        Ok(Self { view, head, tiles })
    }
}

/// The key of a public folder, if that is what `place` is.
fn key_of(place: &Path) -> Option<VerifierKey> {
    fs::read_to_string(place.join(LOG_KEY)).ok()?.trim_end().parse().ok()
}

/// Compares two public folders, or checkpoints in files, that `key` signed; by default the key in either folder.
/// The tiles of the larger view decide, and are checked against its head first.
pub fn compare(a: &Path, b: &Path, key: Option<&VerifierKey>) -> Result<Compared> {
    let key = key.cloned().or_else(|| key_of(a)).or_else(|| key_of(b));
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
