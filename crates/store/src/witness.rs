//! What a witness must never forget: which logs it knows, and the newest head that it cosigned of each.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use crate::StoreError;
use crate::db::{Database, Kind};

const FILE: &str = "witness.db";
const KIND: Kind = Kind {
    noun: "memory of a witness",
    application_id: 0x4153_5957,
    version: 1,
    schema: "CREATE TABLE key (origin TEXT NOT NULL, vkey TEXT NOT NULL, PRIMARY KEY (origin, vkey)) STRICT, WITHOUT ROWID;
             CREATE TABLE head (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL) STRICT;",
    secure_delete: false,
};
/// Longest origin or key, in bytes.
const TEXT_BYTES_MAX: u64 = 1_024;
/// Keys that are kept, over all logs.
const KEYS_MAX: u64 = 100_000;

/// The newest head of a log that was cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessedHead {
    /// Entries.
    pub size: u64,
    /// Root of the tree.
    pub root: [u8; 32],
    /// The checkpoint as the log signed it: with another of the same size, the proof of a split view.
    pub note: Vec<u8>,
}

/// The memory of one witness, in one file with one writer.
pub struct WitnessStore {
    db: Database,
}

impl WitnessStore {
    /// Opens the memory in `folder`, creating both if missing. [`StoreError::Locked`] if a witness runs on it.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self { db: Database::open_writer(folder, FILE, &KIND)? })
    }

    /// Lets the key sign checkpoints of `origin`. `false` if it could already.
    pub fn add_key(&mut self, origin: &str, vkey: &str) -> Result<bool, StoreError> {
        StoreError::within("the length of an origin in bytes", origin.len() as u64, TEXT_BYTES_MAX)?;
        StoreError::within("the length of a key in bytes", vkey.len() as u64, TEXT_BYTES_MAX)?;
        self.db.write("add the key of a log", |tx| {
            let known: i64 = tx.query_row("SELECT count(*) FROM key", [], |row| row.get(0))?;
            if let Err(error) = StoreError::within("the number of keys", known.unsigned_abs() + 1, KEYS_MAX) {
                return Ok(Err(error));
            }
            let added = tx.execute(
                "INSERT INTO key (origin, vkey) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                [origin, vkey],
            )?;
            Ok(Ok(added == 1))
        })
    }

    /// Keys that may sign checkpoints of `origin`.
    pub fn keys(&self, origin: &str) -> Result<Vec<String>, StoreError> {
        self.db.read("read the keys of a log", |conn| {
            let mut query = conn.prepare_cached("SELECT vkey FROM key WHERE origin = ?1 ORDER BY vkey")?;
            query.query_map([origin], |row| row.get(0))?.collect()
        })
    }

    /// Every log that is known, in order of origin.
    pub fn origins(&self) -> Result<Vec<String>, StoreError> {
        self.db.read("list the logs", |conn| {
            let mut query = conn.prepare_cached("SELECT DISTINCT origin FROM key ORDER BY origin")?;
            query.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// The newest head of `origin` that was cosigned.
    pub fn head(&self, origin: &str) -> Result<Option<WitnessedHead>, StoreError> {
        self.db.read("read a head", |conn| head(conn, origin))
    }

    /// Reads the head of `origin`, asks `judge`, and stores what it answers, in one durable transaction: no other
    /// answer can come between. When this returns `Ok`, the new head outlives a crash.
    pub fn advance<R: From<StoreError>>(
        &mut self,
        origin: &str,
        judge: impl FnOnce(Option<WitnessedHead>) -> Result<WitnessedHead, R>,
    ) -> Result<WitnessedHead, R> {
        self.db.write("store a head", |tx| {
            let next = match judge(head(tx, origin)?) {
                Ok(next) => next,
                Err(refusal) => return Ok(Err(refusal)),
            };
            store(tx, origin, &next).map(|()| Ok(next))
        })
    }
}

fn head(conn: &Connection, origin: &str) -> rusqlite::Result<Option<WitnessedHead>> {
    let mut query = conn.prepare_cached("SELECT size, root, note FROM head WHERE origin = ?1")?;
    let read = |row: &rusqlite::Row<'_>| {
        let size: i64 = row.get(0)?;
        Ok(WitnessedHead { size: size.cast_unsigned(), root: row.get(1)?, note: row.get(2)? })
    };
    query.query_row([origin], read).optional()
}

fn store(tx: &Transaction<'_>, origin: &str, head: &WitnessedHead) -> rusqlite::Result<()> {
    tx.execute(
        "REPLACE INTO head (origin, size, root, note) VALUES (?1, ?2, ?3, ?4)",
        params![origin, head.size.cast_signed(), head.root, head.note],
    )?;
    Ok(())
}
