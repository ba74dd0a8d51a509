//! Backup and restore: a copy of a home that is consistent while its node works, and a home from such a copy.
//!
//! A backup is a folder laid out like a home, which is none: its settings are called `backup.toml`. A restored home must
//! not grow a second history beside one that strangers have seen. So it goes on only where what was published is known and
//! not ahead of it; else it is a copy to look at, which accepts no command.

use std::path::Path;

use assay_store::PublicFiles;
use assay_tlog::{SignerKey, open_checkpoint};
use serde::Serialize;

use crate::error::{NodeError, Result};
use crate::home::{Home, LOG, Passphrase, Places};
use crate::node::{CHECKPOINT, Node};
use crate::publish::NOTE_BYTES_MAX;
use crate::transfer::{Transferred, transfer};

/// What a restore came to.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    /// What the home holds.
    #[serde(flatten)]
    pub transferred: Transferred,
    /// Entries that were published, where that is known.
    pub published: Option<u64>,
    /// Whether the home is a copy to look at, which accepts no command.
    pub frozen: bool,
}

/// Copies what the node of `home` keeps into the folder `dir`: all, or the first `size` entries of the log. Run again on the
/// same folder it adds what is new, and erases what was erased.
pub fn backup(home: &Home, dir: &Path, size: Option<u64>) -> Result<Transferred> {
    let copy = home.prepare_backup(dir)?;
    let transferred = transfer(home, &copy, size)?;
    copy.settle_backup(home)?;
    Ok(transferred)
}

/// Makes a home in `dir` from the backup in `from`. What was published is looked for at `published`, else where the home that was
/// backed up published. The passphrase is that of the keys, if they have one.
pub fn restore(
    from: &Path,
    dir: &Path,
    published: Option<&str>,
    passphrase: Option<Passphrase>,
) -> Result<Restored> {
    let copy = Home::open_backup(from)?.under(passphrase);
    let mut home = copy.prepare(dir, Places::default())?;
    let transferred = transfer(&copy, &home, None)?;
    let address = published.map_or_else(|| copy.public_address(), str::to_owned);
    let published = published_size(&copy, &address)?;
    let frozen = published.is_none_or(|size| size > transferred.entries);
    home.freeze(frozen);
    // Opening checks the root, the signature and the fold, and lays out the public files.
    drop(Node::open(home.clone())?);
    home.settle()?;
    Ok(Restored { transferred, published, frozen })
}

/// The size of the checkpoint that is public at this address.
fn published_size(home: &Home, address: &str) -> Result<Option<u64>> {
    if !address.contains("://") && !Path::new(address).is_dir() {
        return Ok(None);
    }
    let note = PublicFiles::open(address)?.read(CHECKPOINT, NOTE_BYTES_MAX)?;
    let key = SignerKey::from_seed(home.origin(), home.key(LOG)?.as_bytes())?;
    note.map(|note| open_checkpoint(&note, key.verifier(), home.origin()).map(|head| head.size))
        .transpose()
        .map_err(|e| {
            NodeError::refused(format!("the checkpoint at {address} is not one of {}: {e}", home.origin()))
        })
}
