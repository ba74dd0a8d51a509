//! The event store: an append-only list of byte strings, each durable before it is acknowledged.
//!
//! Two compare-and-swaps carry the whole node. [`EventStore::append`] is commit point A: entries, leaf hashes and
//! idempotency keys in one transaction, refused unless the log has the size the caller decided upon.
//! [`EventStore::set_checkpoint`] is commit point B: a signed tree head is stored before anybody sees it, and only
//! over the head that the signer saw, so that no two heads can be signed side by side.

#[cfg(feature = "postgres")]
mod postgres;
mod read;
mod rows;
mod sqlite;

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{Place, StoreError};
pub use read::{EventReader, Scan};
pub use rows::{EntryRow, Rows};

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

/// A writer of a log: the only one of a folder, one of several of a Postgres database.
pub struct EventStore {
    reader: EventReader,
}

impl EventStore {
    /// Opens the log in `folder` for writing, creating both if missing. [`StoreError::Locked`] if another writer,
    /// in this process or another, has it open.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self { reader: EventReader { rows: Box::new(sqlite::SqliteRows::open_writer(folder)?) } })
    }

    /// Opens the log at an address for writing, creating it if missing: a folder, or `postgres://...`.
    pub fn open_at(address: &str) -> Result<Self, StoreError> {
        match Place::parse(address)? {
            Place::Folder(folder) => Self::open(folder),
            #[cfg(feature = "postgres")]
            Place::Postgres(url) => {
                Ok(Self { reader: EventReader { rows: Box::new(postgres::PostgresRows::open_writer(url)?) } })
            }
        }
    }

    /// The log in any database.
    pub fn new(rows: Box<dyn Rows>) -> Self {
        Self { reader: EventReader { rows } }
    }

    /// All that can be read. Reading fails too once a write has failed ([`StoreError::Poisoned`]).
    pub fn reader(&self) -> &EventReader {
        &self.reader
    }

    /// Appends all of `entries` or none, durably, and answers with the new size of the log.
    pub fn append(&mut self, expected_size: u64, entries: &[NewEntry]) -> Result<u64, AppendError> {
        check_batch(entries)?;
        self.reader.rows.append(expected_size, entries)
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
        self.reader.rows.set_checkpoint(expected_old, size, note)
    }

    /// Saves a state image of the first `size` entries and drops all but the newest few.
    pub fn put_image(&mut self, size: u64, version: u32, bytes: &[u8]) -> Result<(), StoreError> {
        StoreError::within("the size of a state image in bytes", bytes.len() as u64, IMAGE_BYTES_MAX)?;
        let image = StateImage { size, version, bytes: bytes.to_vec() };
        self.reader.rows.put_image(&image, Sha256::digest(bytes).into())
    }

    /// Forgets every state image; the next start folds the whole log.
    pub fn drop_images(&mut self) -> Result<(), StoreError> {
        self.reader.rows.drop_images()
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
