//! The vault in one SQLite file, `vault.db`.

use std::ops::RangeFrom;
use std::path::Path;

use rusqlite::{OptionalExtension, Row, params};

use super::rows::{Hashed, Rows, Stored, Taken};
use super::{PAGE_BYTES_MAX, PAGE_RECORDS_MAX, PrivateRecord};
use crate::StoreError;
use crate::db::{Database, Kind};

const FILE: &str = "vault.db";

const KIND: Kind = Kind {
    noun: "vault",
    application_id: 0x4153_5654, // "ASVT"
    version: 1,
    schema: "
        CREATE TABLE record (id INTEGER PRIMARY KEY, commitment BLOB NOT NULL UNIQUE, salt BLOB NOT NULL,
            grp INTEGER NOT NULL, idx INTEGER NOT NULL, content BLOB NOT NULL, UNIQUE (grp, idx)) STRICT;
        CREATE TABLE private (name TEXT PRIMARY KEY, sha256 BLOB NOT NULL, bytes BLOB NOT NULL) STRICT;
    ",
    secure_delete: true,
};

const SELECT: &str = "SELECT commitment, salt, grp, idx, content FROM record";

pub(super) struct SqliteRows {
    db: Database,
}

impl SqliteRows {
    pub(super) fn open_writer(folder: &Path) -> Result<Self, StoreError> {
        crate::files::create_folder(folder)?;
        #[cfg(unix)]
        std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .map_err(StoreError::io("set the permissions of", folder))?;
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

    fn get(&self, commitment: &[u8; 32]) -> Result<Option<Stored>, StoreError> {
        self.db.read("read a private record", |conn| {
            conn.prepare_cached(&format!("{SELECT} WHERE commitment = ?1"))?
                .query_row([commitment], stored)
                .optional()
        })
    }

    fn at(&self, group: i64, index: u32) -> Result<Option<Stored>, StoreError> {
        self.db.read("read a private record", |conn| {
            conn.prepare_cached(&format!("{SELECT} WHERE grp = ?1 AND idx = ?2"))?
                .query_row(params![group, index], stored)
                .optional()
        })
    }

    fn group(&self, group: i64, indices: RangeFrom<u32>) -> Result<Vec<Stored>, StoreError> {
        self.db.read("read private records", |conn| {
            let mut query =
                conn.prepare_cached(&format!("{SELECT} WHERE grp = ?1 AND idx >= ?2 ORDER BY idx"))?;
            let mut found = query.query(params![group, indices.start])?;
            let (mut rows, mut bytes_read) = (Vec::new(), 0_usize);
            while rows.len() < PAGE_RECORDS_MAX
                && bytes_read < PAGE_BYTES_MAX
                && let Some(row) = found.next()?
            {
                let row = stored(row)?;
                bytes_read = bytes_read.saturating_add(row.content.len());
                rows.push(row);
            }
            Ok(rows)
        })
    }

    fn commitments(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        self.db.read("list private records", |conn| {
            conn.prepare_cached("SELECT commitment FROM record ORDER BY id")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    fn get_private(&self, name: &str) -> Result<Option<Hashed>, StoreError> {
        self.db.read("read a secret", |conn| {
            conn.query_row("SELECT sha256, bytes FROM private WHERE name = ?1", [name], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
        })
    }

    fn private_names_between(&self, from: &str, to: &str) -> Result<Vec<String>, StoreError> {
        self.db.read("list the secrets", |conn| {
            conn.prepare_cached("SELECT name FROM private WHERE name >= ?1 AND name < ?2 ORDER BY name")?
                .query_map([from, to], |row| row.get(0))?
                .collect()
        })
    }

    fn private_names(&self) -> Result<Vec<String>, StoreError> {
        self.db.read("list the secrets", |conn| {
            conn.prepare_cached("SELECT name FROM private ORDER BY name")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    fn put_batch(&mut self, records: &[PrivateRecord]) -> Result<(), Taken> {
        self.db.write("store private records", |tx| {
            let mut add = tx.prepare_cached(
                "INSERT INTO record (commitment, salt, grp, idx, content) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            )?;
            let mut same = tx.prepare_cached(
                "SELECT 1 FROM record WHERE commitment = ?1 AND salt = ?2 AND grp = ?3 AND idx = ?4 AND content = ?5",
            )?;
            for (at, record) in records.iter().enumerate() {
                let group = record.group as i64;
                let row = params![record.commitment, record.salt, group, record.index, record.content];
                if add.execute(row)? == 0 && !same.exists(row)? {
                    return Ok(Err(Taken::At(at)));
                }
            }
            Ok(Ok(()))
        })
    }

    fn erase(&mut self, commitments: &[[u8; 32]]) -> Result<u64, StoreError> {
        self.db.write("erase private records", |tx| {
            let mut delete = tx.prepare_cached("DELETE FROM record WHERE commitment = ?1")?;
            let mut deleted = 0;
            for commitment in commitments {
                deleted += delete.execute([commitment])? as u64;
            }
            Ok(Ok(deleted))
        })
    }

    fn scrub(&mut self) -> Result<bool, StoreError> {
        let busy = self.db.maintain("rebuild the vault", |conn| {
            conn.execute_batch("VACUUM")?;
            conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        })?;
        Ok(busy == 0)
    }

    fn put_private(&mut self, secrets: &[(&str, [u8; 32], &[u8])]) -> Result<(), StoreError> {
        self.db.write("store secrets", |tx| {
            let mut put =
                tx.prepare_cached("REPLACE INTO private (name, sha256, bytes) VALUES (?1, ?2, ?3)")?;
            for (name, sha256, bytes) in secrets {
                put.execute(params![name, sha256, bytes])?;
            }
            Ok(Ok(()))
        })
    }

    fn erase_private(&mut self, name: &str) -> Result<bool, StoreError> {
        self.db.write("erase a secret", |tx| {
            tx.execute("DELETE FROM private WHERE name = ?1", [name]).map(|deleted| Ok(deleted > 0))
        })
    }
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    Ok(Stored {
        commitment: row.get(0)?,
        salt: row.get(1)?,
        group: row.get(2)?,
        index: row.get(3)?,
        content: row.get(4)?,
    })
}
