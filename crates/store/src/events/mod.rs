//! The event store: an append-only list of byte strings, each durable before it is acknowledged.
//!
//! Two compare-and-swaps carry the whole node. [`EventStore::append`] is commit point A: entries, leaf hashes and
//! idempotency keys in one transaction, refused unless the log has the size the caller decided upon.
//! [`EventStore::set_checkpoint`] is commit point B: a signed tree head is stored before anybody sees it, and only
//! over the head that the signer saw, so that no two heads can be signed side by side.

mod read;

use std::path::Path;

use assay_tlog::leaf_hash;
use rusqlite::{Transaction, params};
use sha2::{Digest, Sha256};

use crate::StoreError;
use crate::db::{Database, Kind};
pub use read::{EventReader, Scan};
use read::{key_owner, log_size, row_id, stored_checkpoint};

/// Largest entry, in bytes: the 16-bit length of the entry bundles of C2SP tlog-tiles.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// Most entries in one append.
pub const BATCH_ENTRIES_MAX: usize = 65_536;
/// Most bytes in one append.
pub const BATCH_BYTES_MAX: u64 = 256 << 20;
/// Shortest idempotency key, in bytes.
pub const KEY_BYTES_MIN: usize = 16;
/// Longest idempotency key, in bytes.
pub const KEY_BYTES_MAX: usize = 64;
/// Most idempotency keys of one entry.
pub const ENTRY_KEYS_MAX: usize = 16;
/// Most entries that one read answers with.
pub const PAGE_ENTRIES_MAX: u64 = 4_096;
/// Bytes after which one read stops (it always answers with one entry at least).
pub const PAGE_BYTES_MAX: usize = 8 << 20;
/// Most leaf hashes that one read answers with.
pub const PAGE_LEAVES_MAX: u64 = 65_536;
/// Longest signed note of a checkpoint, in bytes.
pub const NOTE_BYTES_MAX: u64 = 1 << 20;
/// Largest state image, in bytes.
pub const IMAGE_BYTES_MAX: u64 = 512 << 20;
/// State images kept: the newest, and one more should the newest be damaged.
const IMAGES_KEPT: i64 = 2;

const FILE: &str = "events.db";

const KIND: Kind = Kind {
    noun: "event store",
    application_id: 0x4153_4556, // "ASEV"
    version: 1,
    schema: "
        CREATE TABLE entry (seq INTEGER PRIMARY KEY, leaf BLOB NOT NULL, bytes BLOB NOT NULL) STRICT;
        CREATE TABLE key (key BLOB PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, note BLOB NOT NULL) STRICT;
        CREATE TABLE image (size INTEGER NOT NULL, version INTEGER NOT NULL, sha256 BLOB NOT NULL, bytes BLOB NOT NULL,
            PRIMARY KEY (size, version)) STRICT;
    ",
    secure_delete: false,
};

/// One entry to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// The bytes of the leaf, stored and hashed as they are.
    pub bytes: Vec<u8>,
    /// Idempotency keys, each of 16 to 64 bytes and never used before in this log. Keys that grow with time
    /// append faster than random ones.
    pub keys: Vec<Vec<u8>>,
}

/// Why nothing was appended. In every case the log is as it was (or unknown, when the store is poisoned).
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The log has grown since the caller looked.
    #[error(
        "the log has {actual} entries where the caller expected {expected}; read the new ones, decide again, and append again"
    )]
    Conflict {
        /// The size that the caller decided upon.
        expected: u64,
        /// The size of the log.
        actual: u64,
    },
    /// A key has been used, so this was appended before (or twice in this batch).
    #[error(
        "the idempotency key {} belongs to entry {seq} already; answer with that entry instead of appending",
        hex::encode(key)
    )]
    Duplicate {
        /// The key.
        key: Vec<u8>,
        /// The entry that has it.
        seq: u64,
    },
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The latest signed tree head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Entries that it covers.
    pub size: u64,
    /// The signed note, as published.
    pub note: Vec<u8>,
}

/// A saved fold of a prefix of the log: only a shortcut at start, never a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateImage {
    /// Entries that it covers.
    pub size: u64,
    /// Version of its coding, the caller's business.
    pub version: u32,
    /// The image.
    pub bytes: Vec<u8>,
}

/// The one writer of a log.
pub struct EventStore {
    reader: EventReader,
}

impl EventStore {
    /// Opens the log in `folder` for writing, creating both if missing. [`StoreError::Locked`] if another writer,
    /// in this process or another, has it open.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self { reader: EventReader { db: Database::open_writer(folder, FILE, &KIND)? } })
    }

    /// All that can be read. Reading fails too once a write has failed ([`StoreError::Poisoned`]).
    pub fn reader(&self) -> &EventReader {
        &self.reader
    }

    /// Appends all of `entries` or none, durably, and answers with the new size of the log.
    pub fn append(&mut self, expected_size: u64, entries: &[NewEntry]) -> Result<u64, AppendError> {
        check_batch(entries)?;
        self.reader.db.write("append to the log", |tx| {
            let actual = log_size(tx)?;
            if actual != expected_size {
                return Ok(Err(AppendError::Conflict { expected: expected_size, actual }));
            }
            insert(tx, actual, entries)
        })
    }

    /// Replaces the checkpoint whose size is `expected_old` (`None`: there is none yet) by a newer one, durably.
    /// The new one may cover as many entries as the old (more witnesses signed) but no fewer, and none that the
    /// log does not have.
    pub fn set_checkpoint(
        &mut self,
        expected_old: Option<u64>,
        size: u64,
        note: &[u8],
    ) -> Result<(), StoreError> {
        StoreError::within("the length of a checkpoint in bytes", note.len() as u64, NOTE_BYTES_MAX)?;
        let place = format!("the checkpoint of {}", self.reader.db.place());
        self.reader.db.write("store a checkpoint", |tx| {
            let old: Option<u64> = stored_checkpoint(tx)?.map(|checkpoint| checkpoint.size);
            let log = log_size(tx)?;
            let refusal = if old != expected_old {
                format!(
                    "its size is {}, the caller expected {}; read it and sign again",
                    told(old),
                    told(expected_old)
                )
            } else if old.is_some_and(|old| size < old) {
                format!("it covers {} entries and the new one only {size}; a log never shrinks", told(old))
            } else if size > log {
                format!("the new one covers {size} entries and the log has {log}; append first, then sign")
            } else {
                tx.execute(
                    "REPLACE INTO checkpoint (one, size, note) VALUES (1, ?1, ?2)",
                    params![row_id(size), note],
                )?;
                return Ok(Ok(()));
            };
            Ok(Err(StoreError::Conflict { place, detail: refusal }))
        })
    }

    /// Saves a state image of the first `size` entries and drops all but the newest few.
    pub fn put_image(&mut self, size: u64, version: u32, bytes: &[u8]) -> Result<(), StoreError> {
        StoreError::within("the size of a state image in bytes", bytes.len() as u64, IMAGE_BYTES_MAX)?;
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        self.reader.db.write("save a state image", |tx| {
            let log = log_size(tx)?;
            if size > log {
                let detail = format!("the image covers {size} entries and the log has {log}");
                return Ok(Err(StoreError::Invalid(format!("{detail}; append first, then save the state"))));
            }
            tx.execute(
                "REPLACE INTO image (size, version, sha256, bytes) VALUES (?1, ?2, ?3, ?4)",
                params![row_id(size), version, digest, bytes],
            )?;
            tx.execute(
                "DELETE FROM image WHERE rowid NOT IN (SELECT rowid FROM image ORDER BY size DESC, version DESC LIMIT ?1)",
                [IMAGES_KEPT],
            )?;
            Ok(Ok(()))
        })
    }

    /// Forgets every state image; the next start folds the whole log.
    pub fn drop_images(&mut self) -> Result<(), StoreError> {
        self.reader
            .db
            .write("drop the state images", |tx| tx.execute("DELETE FROM image", []).map(|_| Ok(())))
    }
}

fn check_batch(entries: &[NewEntry]) -> Result<(), StoreError> {
    StoreError::within("the number of entries of a batch", entries.len() as u64, BATCH_ENTRIES_MAX as u64)?;
    let mut bytes_total = 0;
    for (index, entry) in entries.iter().enumerate() {
        let length = entry.bytes.len() as u64;
        StoreError::within(
            &format!("the length in bytes of entry {index} of the batch"),
            length,
            ENTRY_BYTES_MAX as u64,
        )?;
        StoreError::within(
            &format!("the number of keys of entry {index} of the batch"),
            entry.keys.len() as u64,
            ENTRY_KEYS_MAX as u64,
        )?;
        if let Some(key) = entry.keys.iter().find(|key| !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len()))
        {
            let found = format!("an idempotency key of entry {index} of the batch has {} bytes", key.len());
            return Err(StoreError::Invalid(format!("{found}; use {KEY_BYTES_MIN} to {KEY_BYTES_MAX}")));
        }
        bytes_total += length;
    }
    StoreError::within("the size of a batch in bytes", bytes_total, BATCH_BYTES_MAX)
}

fn insert(
    tx: &Transaction<'_>,
    size: u64,
    entries: &[NewEntry],
) -> rusqlite::Result<Result<u64, AppendError>> {
    let mut add_entry = tx.prepare_cached("INSERT INTO entry (seq, leaf, bytes) VALUES (?1, ?2, ?3)")?;
    let mut add_key =
        tx.prepare_cached("INSERT INTO key (key, seq) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    let mut next = size;
    for entry in entries {
        add_entry.execute(params![row_id(next), leaf_hash(&entry.bytes).0, entry.bytes])?;
        for key in &entry.keys {
            if add_key.execute(params![key, row_id(next)])? == 0 {
                let seq = key_owner(tx, key)?.unwrap_or(next);
                return Ok(Err(AppendError::Duplicate { key: key.clone(), seq }));
            }
        }
        next += 1;
    }
    Ok(Ok(next))
}

fn told(size: Option<u64>) -> String {
    size.map_or_else(|| "none".to_owned(), |size| size.to_string())
}
