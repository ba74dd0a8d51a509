//! Reading the log, beside its writer or without one.

use std::ops::Range;
use std::path::Path;

use assay_tlog::{Hash, leaf_hash};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::{FILE, KIND, PAGE_BYTES_MAX, PAGE_ENTRIES_MAX, PAGE_LEAVES_MAX, StateImage, StoredCheckpoint};
use crate::StoreError;
use crate::db::Database;

/// A log opened for reading; any number of them may stand beside the writer.
pub struct EventReader {
    pub(super) db: Database,
}

impl EventReader {
    /// Opens the log in `folder` for reading only.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self { db: Database::open_reader(folder, FILE, &KIND)? })
    }

    /// Number of entries.
    pub fn size(&self) -> Result<u64, StoreError> {
        self.db.read("measure the log", log_size)
    }

    /// The entries of `range`, or its first part when that is long ([`PAGE_ENTRIES_MAX`], [`PAGE_BYTES_MAX`]); never
    /// empty unless the range is. Each is checked against its leaf hash.
    pub fn read(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, StoreError> {
        self.check_range(&range)?;
        let end = range.end.min(range.start.saturating_add(PAGE_ENTRIES_MAX));
        let rows = self.db.read("read the log", |conn| {
            let mut query = conn.prepare_cached(
                "SELECT seq, leaf, bytes FROM entry WHERE seq >= ?1 AND seq < ?2 ORDER BY seq",
            )?;
            let mut found = query.query(params![row_id(range.start), row_id(end)])?;
            let (mut rows, mut bytes_read) = (Vec::new(), 0_usize);
            while bytes_read < PAGE_BYTES_MAX
                && let Some(row) = found.next()?
            {
                let (seq, leaf, bytes): (i64, Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
                bytes_read = bytes_read.saturating_add(bytes.len());
                rows.push((seq, leaf, bytes));
            }
            Ok(rows)
        })?;
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
        let rows: Vec<(i64, Vec<u8>)> = self.db.read("read leaf hashes", |conn| {
            let mut query =
                conn.prepare_cached("SELECT seq, leaf FROM entry WHERE seq >= ?1 AND seq < ?2 ORDER BY seq")?;
            query
                .query_map(params![row_id(range.start), row_id(end)], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
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
        self.db.read("look up a key", |conn| key_owner(conn, key))
    }

    /// The latest checkpoint.
    pub fn checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        self.db.read("read the checkpoint", stored_checkpoint)
    }

    /// The newest state image. [`StoreError::Corrupt`] if its bytes changed: the log is unharmed then, so
    /// [`EventStore::drop_images`](super::EventStore::drop_images) and fold it again.
    pub fn latest_image(&self) -> Result<Option<StateImage>, StoreError> {
        let found = self.db.read("read the state image", |conn| {
            conn.query_row(
                "SELECT size, version, sha256, bytes FROM image ORDER BY size DESC, version DESC LIMIT 1",
                [],
                |row| {
                    let image =
                        StateImage { size: seq_of(row.get(0)?), version: row.get(1)?, bytes: row.get(3)? };
                    Ok((row.get::<_, Vec<u8>>(2)?, image))
                },
            )
            .optional()
        })?;
        match found {
            Some((sha256, image)) if Sha256::digest(&image.bytes)[..] != sha256[..] => {
                let place = format!("the state image at size {} in {}", image.size, self.db.place());
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
        self.db.check_pages()?;
        let mut size = 0;
        for entry in self.scan(0) {
            size = entry?.0 + 1;
        }
        let stray: Option<i64> = self.db.read("check the keys", |conn| {
            conn.query_row("SELECT seq FROM key WHERE seq < 0 OR seq >= ?1 LIMIT 1", [row_id(size)], |row| {
                row.get(0)
            })
            .optional()
        })?;
        match stray {
            None => Ok(size),
            Some(seq) => {
                Err(self.damaged(seq_of(seq), "an idempotency key names it, but the log has no such entry"))
            }
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

    fn checked(
        &self,
        seq: u64,
        (stored, leaf, bytes): (i64, Vec<u8>, Vec<u8>),
    ) -> Result<Vec<u8>, StoreError> {
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
            place: format!("entry {seq} of {}", self.db.place()),
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

/// Entries are numbered from 0 without gaps, so the last number tells the size.
pub(super) fn log_size(conn: &Connection) -> rusqlite::Result<u64> {
    let last: Option<i64> =
        conn.prepare_cached("SELECT max(seq) FROM entry")?.query_row([], |row| row.get(0))?;
    Ok(last.map_or(0, |last| seq_of(last) + 1))
}

pub(super) fn key_owner(conn: &Connection, key: &[u8]) -> rusqlite::Result<Option<u64>> {
    conn.prepare_cached("SELECT seq FROM key WHERE key = ?1")?
        .query_row([key], |row| row.get(0).map(seq_of))
        .optional()
}

pub(super) fn stored_checkpoint(conn: &Connection) -> rusqlite::Result<Option<StoredCheckpoint>> {
    conn.query_row("SELECT size, note FROM checkpoint", [], |row| {
        Ok(StoredCheckpoint { size: seq_of(row.get(0)?), note: row.get(1)? })
    })
    .optional()
}

/// SQLite counts in 63 bits; a number above them matches no row.
pub(super) fn row_id(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Only a damaged file holds a negative number; it then matches no row.
pub(super) fn seq_of(row_id: i64) -> u64 {
    u64::try_from(row_id).unwrap_or(i64::MAX as u64)
}
