//! The log in one SQLite file, `events.db`.

use std::path::Path;

use assay_tlog::leaf_hash;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::rows::{EntryRow, Rows, check_image, refusal, row_id, seq_of, size_of};
use super::{AppendError, IMAGES_KEPT, NewEntry, PAGE_BYTES_MAX, StateImage, StoredCheckpoint};
use crate::StoreError;
use crate::db::{Database, Kind};

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

pub(super) struct SqliteRows {
    db: Database,
}

impl SqliteRows {
    pub(super) fn open_writer(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self { db: Database::open_writer(folder, FILE, &KIND)? })
    }

    pub(super) fn open_reader(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self { db: Database::open_reader(folder, FILE, &KIND)? })
    }
}

impl Rows for SqliteRows {
    fn place(&self) -> String {
        self.db.place()
    }

    fn size(&self) -> Result<u64, StoreError> {
        self.db.read("measure the log", log_size)
    }

    fn entries(&self, start: u64, end: u64) -> Result<Vec<EntryRow>, StoreError> {
        self.db.read("read the log", |conn| {
            let mut query = conn.prepare_cached(
                "SELECT seq, leaf, bytes FROM entry WHERE seq >= ?1 AND seq < ?2 ORDER BY seq",
            )?;
            let mut found = query.query(params![row_id(start), row_id(end)])?;
            let (mut rows, mut bytes_read) = (Vec::new(), 0_usize);
            while bytes_read < PAGE_BYTES_MAX
                && let Some(row) = found.next()?
            {
                let (seq, leaf, bytes): (i64, Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
                bytes_read = bytes_read.saturating_add(bytes.len());
                rows.push((seq, leaf, bytes));
            }
            Ok(rows)
        })
    }

    fn leaves(&self, start: u64, end: u64) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        self.db.read("read leaf hashes", |conn| {
            conn.prepare_cached("SELECT seq, leaf FROM entry WHERE seq >= ?1 AND seq < ?2 ORDER BY seq")?
                .query_map(params![row_id(start), row_id(end)], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    fn key_owner(&self, key: &[u8]) -> Result<Option<u64>, StoreError> {
        self.db.read("look up a key", |conn| key_owner(conn, key))
    }

    fn stray_key(&self, size: u64) -> Result<Option<u64>, StoreError> {
        self.db.read("check the keys", |conn| {
            conn.query_row("SELECT seq FROM key WHERE seq < 0 OR seq >= ?1 LIMIT 1", [row_id(size)], |row| {
                row.get(0).map(seq_of)
            })
            .optional()
        })
    }

    fn checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        self.db.read("read the checkpoint", stored_checkpoint)
    }

    fn latest_image(&self) -> Result<Option<(Vec<u8>, StateImage)>, StoreError> {
        self.db.read("read the state image", |conn| {
            conn.query_row(
                "SELECT size, version, sha256, bytes FROM image ORDER BY size DESC, version DESC LIMIT 1",
                [],
                |row| {
                    let image =
                        StateImage { size: seq_of(row.get(0)?), version: row.get(1)?, bytes: row.get(3)? };
                    Ok((row.get(2)?, image))
                },
            )
            .optional()
        })
    }

    fn check_pages(&self) -> Result<(), StoreError> {
        self.db.check_pages()
    }

    fn append(&mut self, expected_size: u64, entries: &[NewEntry]) -> Result<u64, AppendError> {
        self.db.write("append to the log", |tx| {
            let actual = log_size(tx)?;
            if actual != expected_size {
                return Ok(Err(AppendError::Conflict { expected: expected_size, actual }));
            }
            insert(tx, actual, entries)
        })
    }

    fn set_checkpoint(
        &mut self,
        expected_old: Option<u64>,
        size: u64,
        note: &[u8],
    ) -> Result<(), StoreError> {
        let place = format!("the checkpoint of {}", self.db.place());
        self.db.write("store a checkpoint", |tx| {
            let old = stored_checkpoint(tx)?.map(|checkpoint| checkpoint.size);
            if let Some(detail) = refusal(old, expected_old, size, log_size(tx)?) {
                return Ok(Err(StoreError::Conflict { place, detail }));
            }
            let put = "REPLACE INTO checkpoint (one, size, note) VALUES (1, ?1, ?2)";
            tx.execute(put, params![row_id(size), note]).map(|_| Ok(()))
        })
    }

    fn put_image(&mut self, image: &StateImage, sha256: [u8; 32]) -> Result<(), StoreError> {
        self.db.write("save a state image", |tx| {
            if let Err(refused) = check_image(image.size, log_size(tx)?) {
                return Ok(Err(refused));
            }
            tx.execute(
                "REPLACE INTO image (size, version, sha256, bytes) VALUES (?1, ?2, ?3, ?4)",
                params![row_id(image.size), image.version, sha256, image.bytes],
            )?;
            tx.execute(
                "DELETE FROM image WHERE rowid NOT IN (SELECT rowid FROM image ORDER BY size DESC, version DESC LIMIT ?1)",
                [IMAGES_KEPT],
            )?;
            Ok(Ok(()))
        })
    }

    fn drop_images(&mut self) -> Result<(), StoreError> {
        self.db.write("drop the state images", |tx| tx.execute("DELETE FROM image", []).map(|_| Ok(())))
    }
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

fn log_size(conn: &Connection) -> rusqlite::Result<u64> {
    conn.prepare_cached("SELECT max(seq) FROM entry")?.query_row([], |row| row.get(0)).map(size_of)
}

fn key_owner(conn: &Connection, key: &[u8]) -> rusqlite::Result<Option<u64>> {
    conn.prepare_cached("SELECT seq FROM key WHERE key = ?1")?
        .query_row([key], |row| row.get(0).map(seq_of))
        .optional()
}

fn stored_checkpoint(conn: &Connection) -> rusqlite::Result<Option<StoredCheckpoint>> {
    conn.query_row("SELECT size, note FROM checkpoint", [], |row| {
        Ok(StoredCheckpoint { size: seq_of(row.get(0)?), note: row.get(1)? })
    })
    .optional()
}
