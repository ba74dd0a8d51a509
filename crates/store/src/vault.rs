//! The vault: contents and salts of private records, and the node's own secrets. The log holds commitments only,
//! so a row can be erased and every proof still stands.
//!
//! Write here first, then append the event: what is acknowledged then never lacks its content. A crash between the
//! two leaves rows that no event names; [`Vault::sweep`] removes them at the next start.

use std::path::Path;

use rusqlite::{OptionalExtension, Row, params};
use sha2::{Digest, Sha256};

use crate::StoreError;
use crate::db::{Database, Kind};

/// Largest content of one record, in bytes.
pub const CONTENT_BYTES_MAX: u64 = 16 << 20;
/// Most records in one batch.
pub const BATCH_RECORDS_MAX: u64 = 1 << 20;
/// Most bytes of content in one batch.
pub const BATCH_BYTES_MAX: u64 = 512 << 20;
/// Largest named secret, in bytes.
pub const PRIVATE_BYTES_MAX: u64 = 512 << 20;
/// Longest name of a secret, in bytes.
pub const NAME_BYTES_MAX: u64 = 256;
/// Most records that one read answers with.
pub const PAGE_RECORDS_MAX: usize = 4_096;
/// Bytes of content after which one read stops (it always answers with one record at least).
pub const PAGE_BYTES_MAX: usize = 8 << 20;

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

/// A record that the public never sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateRecord {
    /// Its name in the log.
    pub commitment: [u8; 32],
    /// The key that opens the commitment.
    pub salt: [u8; 32],
    /// What it came with, for example a contribution. Below 2^63.
    pub group: u64,
    /// Its place in the group.
    pub index: u32,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// The one writer of a vault.
pub struct Vault {
    reader: VaultReader,
}

impl Vault {
    /// Opens the vault in `folder` for writing, creating both if missing; the folder is made the owner's alone.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        crate::files::create_folder(folder)?;
        #[cfg(unix)]
        std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .map_err(StoreError::io("set the permissions of", folder))?;
        Ok(Self { reader: VaultReader { db: Database::open_writer(folder, FILE, &KIND)? } })
    }

    /// All that can be read.
    pub fn reader(&self) -> &VaultReader {
        &self.reader
    }

    /// Stores all of `records` or none, durably. The very same record again is nothing new; another one with the
    /// commitment, or with the group and index, of a stored one is a [`StoreError::Conflict`].
    pub fn put_batch(&mut self, records: &[PrivateRecord]) -> Result<(), StoreError> {
        check_batch(records)?;
        let place = self.reader.db.place();
        self.reader.db.write("store private records", |tx| {
            let mut add = tx.prepare_cached(
                "INSERT INTO record (commitment, salt, grp, idx, content) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            )?;
            let mut same = tx.prepare_cached(
                "SELECT 1 FROM record WHERE commitment = ?1 AND salt = ?2 AND grp = ?3 AND idx = ?4 AND content = ?5",
            )?;
            for record in records {
                let group = record.group as i64;
                let row = params![record.commitment, record.salt, group, record.index, record.content];
                if add.execute(row)? == 0 && !same.exists(row)? {
                    let (group, index) = (record.group, record.index);
                    let detail = "it or its commitment is taken by another record; sweep rows left by a crash, or use a new group";
                    let place = format!("record {index} of group {group} in {place}");
                    return Ok(Err(StoreError::Conflict { place, detail: detail.to_owned() }));
                }
            }
            Ok(Ok(()))
        })
    }

    /// Erases the records of these commitments and answers with how many there were. Afterwards no file of the
    /// vault holds their salt or content: the database is rebuilt, since pages that were once rebalanced keep stale
    /// copies that an ordinary deletion does not reach. The cost grows with the vault, so erase many at once.
    pub fn erase(&mut self, commitments: &[[u8; 32]]) -> Result<u64, StoreError> {
        let erased = self.reader.db.write("erase private records", |tx| {
            let mut delete = tx.prepare_cached("DELETE FROM record WHERE commitment = ?1")?;
            let deleted = commitments.iter().map(|commitment| delete.execute([commitment])).sum::<Result<
                usize,
                _,
            >>(
            )?;
            Ok(Ok::<_, StoreError>(deleted as u64))
        })?;
        self.scrub().map(|()| erased)
    }

    /// Removes every record for which `valid` says no, and answers with how many. For the start of a node, before
    /// anything new is stored.
    pub fn sweep(&mut self, valid: impl Fn(&[u8; 32]) -> bool) -> Result<u64, StoreError> {
        let orphans = self
            .reader
            .commitments()?
            .into_iter()
            .filter(|commitment| !valid(commitment))
            .collect::<Vec<_>>();
        if orphans.is_empty() { Ok(0) } else { self.erase(&orphans) }
    }

    /// Removes the last traces of what was deleted: rebuilds the database and empties the write-ahead log.
    /// [`StoreError::Conflict`] if a reader kept the old pages alive; call it again when that reader is done.
    pub fn scrub(&mut self) -> Result<(), StoreError> {
        let busy = self.reader.db.maintain("rebuild the vault", |conn| {
            conn.execute_batch("VACUUM")?;
            conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        })?;
        if busy == 0 {
            return Ok(());
        }
        let place = format!("the write-ahead log of {}", self.reader.db.place());
        let detail =
            "the records are erased, but a reader still looks at older pages; end it and scrub again"
                .to_owned();
        Err(StoreError::Conflict { place, detail })
    }

    /// Stores a secret under a name, durably, in place of what was there.
    pub fn put_private(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.put_all_private(&[(name, bytes)])
    }

    /// Stores secrets under their names, all of them or none, in one durable transaction.
    pub fn put_all_private<N: AsRef<str>, B: AsRef<[u8]>>(
        &mut self,
        secrets: &[(N, B)],
    ) -> Result<(), StoreError> {
        for (name, bytes) in secrets.iter().map(|(n, b)| (n.as_ref(), b.as_ref())) {
            StoreError::within("the length of a private name in bytes", name.len() as u64, NAME_BYTES_MAX)?;
            StoreError::within(
                &format!("the size of the private {name:?} in bytes"),
                bytes.len() as u64,
                PRIVATE_BYTES_MAX,
            )?;
        }
        self.reader.db.write("store secrets", |tx| {
            let mut put =
                tx.prepare_cached("REPLACE INTO private (name, sha256, bytes) VALUES (?1, ?2, ?3)")?;
            for (name, bytes) in secrets.iter().map(|(n, b)| (n.as_ref(), b.as_ref())) {
                let digest: [u8; 32] = Sha256::digest(bytes).into();
                put.execute(params![name, digest, bytes])?;
            }
            Ok(Ok(()))
        })
    }

    /// Deletes a secret without trace; `false` if there was none.
    pub fn erase_private(&mut self, name: &str) -> Result<bool, StoreError> {
        let deleted = self.reader.db.write("erase a secret", |tx| {
            let deleted = tx.execute("DELETE FROM private WHERE name = ?1", [name])?;
            Ok(Ok::<_, StoreError>(deleted))
        })?;
        self.scrub().map(|()| deleted > 0)
    }
}

/// A vault opened for reading; any number of them may stand beside the writer.
pub struct VaultReader {
    db: Database,
}

impl VaultReader {
    /// Opens the vault in `folder` for reading only.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self { db: Database::open_reader(folder, FILE, &KIND)? })
    }

    /// The record of a commitment; `None` if it never came or was erased.
    pub fn get(&self, commitment: &[u8; 32]) -> Result<Option<PrivateRecord>, StoreError> {
        let found = self.db.read("read a private record", |conn| {
            conn.prepare_cached(&format!("{SELECT} WHERE commitment = ?1"))?
                .query_row([commitment], stored)
                .optional()
        })?;
        found.map(|row| self.record(row)).transpose()
    }

    /// The record at `index` of `group`; `None` if it never came or was erased.
    pub fn at(&self, group: u64, index: u32) -> Result<Option<PrivateRecord>, StoreError> {
        let found = self.db.read("read a private record", |conn| {
            conn.prepare_cached(&format!("{SELECT} WHERE grp = ?1 AND idx = ?2"))?
                .query_row(params![group as i64, index], stored)
                .optional()
        })?;
        found.map(|row| self.record(row)).transpose()
    }

    /// The records of `group` from `from_index` on, in order: one page of at most [`PAGE_RECORDS_MAX`] records and
    /// about [`PAGE_BYTES_MAX`] bytes. Empty when there are no more.
    pub fn group(&self, group: u64, from_index: u32) -> Result<Vec<PrivateRecord>, StoreError> {
        let rows = self.db.read("read private records", |conn| {
            let mut query =
                conn.prepare_cached(&format!("{SELECT} WHERE grp = ?1 AND idx >= ?2 ORDER BY idx"))?;
            let mut found = query.query(params![group as i64, from_index])?;
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
        })?;
        rows.into_iter().map(|row| self.record(row)).collect()
    }

    /// Every commitment that has a record, in the order in which they came.
    pub fn commitments(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        let found: Vec<Vec<u8>> = self.db.read("list private records", |conn| {
            conn.prepare_cached("SELECT commitment FROM record ORDER BY id")?
                .query_map([], |row| row.get(0))?
                .collect()
        })?;
        found.into_iter().map(|bytes| self.exact(bytes)).collect()
    }

    /// The secret of a name; [`StoreError::Corrupt`] if its bytes changed.
    pub fn get_private(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found: Option<(Vec<u8>, Vec<u8>)> = self.db.read("read a secret", |conn| {
            conn.query_row("SELECT sha256, bytes FROM private WHERE name = ?1", [name], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
        })?;
        match found {
            Some((sha256, bytes)) if Sha256::digest(&bytes)[..] != sha256[..] => Err(StoreError::Corrupt {
                place: format!("the private {name:?} in {}", self.db.place()),
                detail: "its bytes do not hash to what was stored".to_owned(),
            }),
            other => Ok(other.map(|(_, bytes)| bytes)),
        }
    }

    /// The names of all secrets, sorted.
    pub fn private_names(&self) -> Result<Vec<String>, StoreError> {
        self.db.read("list the secrets", |conn| {
            conn.prepare_cached("SELECT name FROM private ORDER BY name")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    fn record(&self, row: Stored) -> Result<PrivateRecord, StoreError> {
        Ok(PrivateRecord {
            commitment: self.exact(row.commitment)?,
            salt: self.exact(row.salt)?,
            group: row.group as u64,
            index: row.index,
            content: row.content,
        })
    }

    fn exact(&self, bytes: Vec<u8>) -> Result<[u8; 32], StoreError> {
        let damaged = |bytes: Vec<u8>| StoreError::Corrupt {
            place: self.db.place(),
            detail: format!("a commitment or salt has {} bytes instead of 32", bytes.len()),
        };
        bytes.try_into().map_err(damaged)
    }
}

/// A row before its lengths are checked.
struct Stored {
    commitment: Vec<u8>,
    salt: Vec<u8>,
    group: i64,
    index: u32,
    content: Vec<u8>,
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

fn check_batch(records: &[PrivateRecord]) -> Result<(), StoreError> {
    StoreError::within("the number of records of a batch", records.len() as u64, BATCH_RECORDS_MAX)?;
    let mut bytes_total = 0;
    for record in records {
        let length = record.content.len() as u64;
        StoreError::within("the number of a group", record.group, i64::MAX as u64)?;
        StoreError::within(
            &format!("the size in bytes of record {}", record.index),
            length,
            CONTENT_BYTES_MAX,
        )?;
        bytes_total += length;
    }
    StoreError::within("the content of a batch in bytes", bytes_total, BATCH_BYTES_MAX)
}
