//! Reading the log, beside its writer or without one.

use std::ops::Range;
use std::path::Path;

use assay_tlog::{Hash, leaf_hash};
use sha2::{Digest, Sha256};

use super::rows::{EntryRow, Rows, row_id};
use super::{PAGE_ENTRIES_MAX, PAGE_LEAVES_MAX, StateImage, StoredCheckpoint, sqlite};
use crate::{Place, StoreError};

/// A log opened for reading; any number of them may stand beside the writer.
pub struct EventReader {
    pub(super) rows: Box<dyn Rows>,
}

impl EventReader {
    /// Opens the log in `folder` for reading only.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self { rows: Box::new(sqlite::SqliteRows::open_reader(folder)?) })
    }

    /// Opens the log at an address for reading only: a folder, or `postgres://...`.
    pub fn open_at(address: &str) -> Result<Self, StoreError> {
        match Place::parse(address)? {
            Place::Folder(folder) => Self::open(folder),
            #[cfg(feature = "postgres")]
            Place::Postgres(url) => {
                Ok(Self { rows: Box::new(super::postgres::PostgresRows::open_reader(url)?) })
            }
        }
    }

    /// Number of entries.
    pub fn size(&self) -> Result<u64, StoreError> {
        self.rows.size()
    }

    /// The entries of `range`, or its first part when that is long ([`PAGE_ENTRIES_MAX`], [`PAGE_BYTES_MAX`]); never
    /// empty unless the range is. Each is checked against its leaf hash.
    pub fn read(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        self.check_range(&range)?;
        let end = range.end.min(range.start.saturating_add(PAGE_ENTRIES_MAX));
        let rows = self.rows.entries(range.start, end)?;
        if rows.is_empty() && !range.is_empty() {
            return Err(self.damaged(range.start, "it is missing"));
        }
        (range.start..).zip(rows).map(|(seq, row)| self.checked(seq, row)).collect()
    }

    /// Every entry from `from` to the end of the log, page by page; entries appended meanwhile are included.
    pub fn scan(&self, from: u64) -> Scan<'_> {
        Scan { reader: self, next: from, page: Vec::new().into_iter(), failed: false }
    }

    /// The leaf hashes (RFC 6962) of `range`, or of its first [`PAGE_LEAVES_MAX`].
    pub fn leaves(&self, range: Range<u64>) -> Result<Vec<Hash>, StoreError> {
        self.check_range(&range)?;
        let end = range.end.min(range.start.saturating_add(PAGE_LEAVES_MAX));
        let rows = self.rows.leaves(range.start, end)?;
        if rows.len() as u64 != end - range.start {
            return Err(self.damaged(range.start, "entries after it are missing"));
        }
        let checked = |(seq, row): (u64, (i64, Vec<u8>))| match row.1.try_into() {
            Ok(leaf) if row.0 == row_id(seq) => Ok(Hash(leaf)),
            _ => Err(self.damaged(seq, "its leaf hash is not one")),
        };
        (range.start..).zip(rows).map(checked).collect()
    }

    /// The entry that was appended with this idempotency key.
    pub fn find_key(&self, key: &[u8]) -> Result<Option<u64>, StoreError> {
        self.rows.key_owner(key)
    }

    /// The latest checkpoint.
    pub fn checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        self.rows.checkpoint()
    }

    /// The newest state image. [`StoreError::Corrupt`] if its bytes changed: the log is unharmed then, so
    /// [`EventStore::drop_images`](super::EventStore::drop_images) and fold it again.
    pub fn latest_image(&self) -> Result<Option<StateImage>, StoreError> {
        match self.rows.latest_image()? {
            Some((sha256, image)) if Sha256::digest(&image.bytes)[..] != sha256[..] => {
                let place = format!("the state image at size {} in {}", image.size, self.rows.place());
                let detail =
                    "its bytes do not hash to its name; the log itself is not affected: drop the images"
                        .to_owned();
                Err(StoreError::Corrupt { place, detail })
            }
            other => Ok(other.map(|(_, image)| image)),
        }
    }

    /// Reads everything once: the pages of the database, every entry against its leaf hash, every key against the
    /// size of the log. Answers with the number of entries.
    pub fn check(&self) -> Result<u64, StoreError> {
        self.rows.check_pages()?;
        let mut size = 0;
        for entry in self.scan(0) {
            size = entry?.0 + 1;
        }
        match self.rows.stray_key(size)? {
            None => Ok(size),
            Some(seq) => Err(self.damaged(seq, "an idempotency key names it, but the log has no such entry")),
        }
    }

    fn check_range(&self, range: &Range<u64>) -> Result<(), StoreError> {
        let size = self.size()?;
        if range.start <= range.end && range.end <= size {
            return Ok(());
        }
        let asked = format!("entries {} to {} were asked for", range.start, range.end);
        Err(StoreError::Invalid(format!("{asked}, but the log has {size}; ask for a part of 0 to {size}")))
    }

    fn checked(&self, seq: u64, (stored, leaf, bytes): EntryRow) -> Result<Vec<u8>, StoreError> {
        if stored != row_id(seq) {
            return Err(self.damaged(seq, "it is missing"));
        }
        if leaf_hash(&bytes).0[..] != leaf[..] {
            return Err(self.damaged(seq, "its bytes do not hash to its leaf"));
        }
        Ok(bytes)
    }

    fn damaged(&self, seq: u64, detail: &str) -> StoreError {
        StoreError::Corrupt {
            place: format!("entry {seq} of {}", self.rows.place()),
            detail: detail.to_owned(),
        }
    }
}

/// Iterator over `(seq, bytes)`; see [`EventReader::scan`]. It ends after the first error.
pub struct Scan<'a> {
    reader: &'a EventReader,
    next: u64,
    page: std::vec::IntoIter<Vec<u8>>,
    failed: bool,
}

impl Scan<'_> {
    fn turn_page(&mut self) -> Result<(), StoreError> {
        let size = self.reader.size()?.max(self.next);
        self.page =
            if self.next == size { Vec::new() } else { self.reader.read(self.next..size)? }.into_iter();
        Ok(())
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(u64, Vec<u8>), StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        if self.page.as_slice().is_empty()
            && let Err(error) = self.turn_page()
        {
            self.failed = true;
            return Some(Err(error));
        }
        let bytes = self.page.next()?;
        self.next += 1;
        Some(Ok((self.next - 1, bytes)))
    }
}
