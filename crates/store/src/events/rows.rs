//! What a database does for a log: it keeps rows and finds them. What the rows must be is checked above it, once for
//! every database.

use super::{AppendError, NewEntry, StateImage, StoredCheckpoint};
use crate::StoreError;

/// A row of the log: its number, its leaf hash, its bytes.
pub type EntryRow = (i64, Vec<u8>, Vec<u8>);

/// One log in one database. Writes are durable before they are answered.
pub trait Rows: Send {
    /// Where it is, for messages; never a secret.
    fn place(&self) -> String;

    /// Number of entries.
    fn size(&self) -> Result<u64, StoreError>;

    /// Rows from `start` to before `end`, in order; no more once they hold [`PAGE_BYTES_MAX`](super::PAGE_BYTES_MAX).
    fn entries(&self, start: u64, end: u64) -> Result<Vec<EntryRow>, StoreError>;

    /// Numbers and leaf hashes from `start` to before `end`, in order.
    fn leaves(&self, start: u64, end: u64) -> Result<Vec<(i64, Vec<u8>)>, StoreError>;

    /// The entry that has this key.
    fn key_owner(&self, key: &[u8]) -> Result<Option<u64>, StoreError>;

    /// An entry that some key names and that a log of this size does not have.
    fn stray_key(&self, size: u64) -> Result<Option<u64>, StoreError>;

    /// The latest checkpoint.
    fn checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError>;

    /// The newest image, and the SHA-256 that it should have.
    fn latest_image(&self) -> Result<Option<(Vec<u8>, StateImage)>, StoreError>;

    /// The checks that the database has for its own pages.
    fn check_pages(&self) -> Result<(), StoreError>;

    /// Commit point A; see [`EventStore::append`](super::EventStore::append).
    fn append(&mut self, expected_size: u64, entries: &[NewEntry]) -> Result<u64, AppendError>;

    /// Commit point B; see [`EventStore::set_checkpoint`](super::EventStore::set_checkpoint).
    fn set_checkpoint(&mut self, expected_old: Option<u64>, size: u64, note: &[u8])
    -> Result<(), StoreError>;

    /// Saves an image and drops all but the newest few.
    fn put_image(&mut self, image: &StateImage, sha256: [u8; 32]) -> Result<(), StoreError>;

    /// Forgets every image.
    fn drop_images(&mut self) -> Result<(), StoreError>;
}

/// Why a checkpoint of `size` cannot take the place of `old` in a log of `log` entries.
pub(super) fn refusal(old: Option<u64>, expected_old: Option<u64>, size: u64, log: u64) -> Option<String> {
    let told = |size: Option<u64>| size.map_or_else(|| "none".to_owned(), |size| size.to_string());
    if old != expected_old {
        let (old, expected) = (told(old), told(expected_old));
        Some(format!("its size is {old}, the caller expected {expected}; read it and sign again"))
    } else if old.is_some_and(|old| size < old) {
        Some(format!("it covers {} entries and the new one only {size}; a log never shrinks", told(old)))
    } else if size > log {
        Some(format!("the new one covers {size} entries and the log has {log}; append first, then sign"))
    } else {
        None
    }
}

/// Refuses an image of more entries than the log has.
pub(super) fn check_image(size: u64, log: u64) -> Result<(), StoreError> {
    match size <= log {
        true => Ok(()),
        false => Err(StoreError::Invalid(format!(
            "the image covers {size} entries and the log has {log}; append first, then save the state"
        ))),
    }
}

/// Databases count in 63 bits; a number above them matches no row.
pub(super) fn row_id(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Only a damaged row holds a negative number; it then matches none.
pub(super) fn seq_of(row_id: i64) -> u64 {
    u64::try_from(row_id).unwrap_or(i64::MAX as u64)
}

/// Entries are numbered from 0 without gaps, so the last number tells the size.
pub(super) fn size_of(last: Option<i64>) -> u64 {
    last.map_or(0, |last| seq_of(last) + 1)
}
