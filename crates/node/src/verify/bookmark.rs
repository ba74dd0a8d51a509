//! Where a verifier got to: its own file, from which it goes on when the log has grown or the line was cut.
//!
//! It holds what the entries so far add up to (state, what tables said, root), under a digest of its own. Whoever can
//! write it can make its owner trust a lie, so it belongs where the owner's other files are.

use std::path::{Path, PathBuf};

use assay_ledger::ids::Digest;
use assay_ledger::replay::{Replay, Signatures};
use assay_ledger::state::State;
use assay_store::{PublicFiles, files};
use assay_tlog::{Checkpoint, VerifierKey};
use serde::{Deserialize, Serialize};

use super::tables::Tables;
use super::{Counts, Walk};
use crate::copy::restored;
use crate::error::{NodeError, Result};

const SCHEMA: &str = "assay.bookmark/1";
/// Entries after which it moves on, and by which share of the log if that is more: what is written stays in proportion
/// to what is read.
const ENTRIES_BETWEEN: u64 = 1 << 13;
const SHARE_BETWEEN: u64 = 8;

pub(super) struct Bookmark {
    path: PathBuf,
    files: PublicFiles,
    /// Entries at the last mark.
    at: u64,
}

#[derive(Deserialize)]
struct Kept {
    schema: String,
    root: String,
    state: State,
    tables: Tables,
    counts: Counts,
}

#[derive(Serialize)]
struct Keeping<'a> {
    schema: &'a str,
    root: String,
    state: &'a State,
    tables: &'a Tables,
    counts: Counts,
}

impl Bookmark {
    /// The bookmark at `path`, which need not be there yet, for the log whose files these are.
    pub(super) fn new(path: &Path, files: &PublicFiles) -> Self {
        Self { path: path.to_path_buf(), files: files.clone(), at: 0 }
    }

    /// The walk that was broken off here, if the log of `head` still begins as it did.
    pub(super) fn take(&mut self, key: &VerifierKey, head: &Checkpoint) -> Result<Option<Walk>> {
        let Some(Kept { root, state, tables, counts, .. }) = self.read()? else { return Ok(None) };
        if state.log_key() != key.to_string() {
            return Err(self.refused("is of another log", "give each log a bookmark of its own"));
        }
        let size = counts.entries;
        if size > head.size {
            let what = format!("has {size} entries verified, and the log now shows {}", head.size);
            return Err(self.refused(&what, KEEP));
        }
        let writer = restored(&self.files, size, head.size)?;
        if writer.root().to_string() != root {
            let what = format!("has other {size} entries verified than this log begins with");
            return Err(self.refused(&what, KEEP));
        }
        self.at = size;
        let replay = Replay::new(state, Signatures::Elsewhere);
        Ok(Some(Walk { writer, replay, tables, counts, ..Walk::new(&head.origin) }))
    }

    fn read(&self) -> Result<Option<Kept>> {
        let bytes = match std::fs::read(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(|e| NodeError::file(&self.path, &e))?,
        };
        let whole = bytes
            .split_at_checked(65)
            .filter(|(digest, rest)| *digest == format!("{}\n", Digest::of(rest)).as_bytes());
        let kept: Option<Kept> = whole.and_then(|(_, rest)| serde_json::from_slice(rest).ok());
        match kept.filter(|kept| kept.schema == SCHEMA) {
            Some(kept) => Ok(Some(kept)),
            None => Err(self.refused("is no bookmark of this version", "delete it to begin again")),
        }
    }

    /// Whether so many entries ask for a mark.
    pub(super) fn is_due(&self, entries: u64) -> bool {
        entries - self.at >= ENTRIES_BETWEEN.max(self.at / SHARE_BETWEEN)
    }

    /// Marks where the walk is, unless that lies within the outcome of a command. `fetched` files are not counted yet.
    pub(super) fn save(&mut self, walk: &Walk, fetched: u64) -> Result<()> {
        if walk.replay.require_whole().is_err() || walk.counts.entries == 0 {
            return Ok(());
        }
        let kept = Keeping {
            schema: SCHEMA,
            root: walk.writer.root().to_string(),
            state: walk.replay.state(),
            tables: &walk.tables,
            counts: Counts { files: walk.counts.files + fetched, ..walk.counts.clone() },
        };
        let body = serde_json::to_vec(&kept).map_err(NodeError::bug)?;
        let digest = Digest::of(&body).to_string();
        files::write_atomic(&self.path, &[digest.as_bytes(), b"\n", &body].concat())?;
        self.at = walk.counts.entries;
        Ok(())
    }

    fn refused(&self, what: &str, hint: &str) -> NodeError {
        NodeError::refused(format!("the bookmark {} {what}", self.path.display())).hint(hint)
    }
}

const KEEP: &str = "keep it, and the checkpoint that this server shows: a log only grows, and `assay log compare` tells whether two histories were signed";
