//! The vault: contents and salts of private records, and the node's own secrets. The log holds commitments only,
//! so a row can be erased and every proof still stands.
//!
//! Write here first, then append the event: what is acknowledged then never lacks its content. A crash between the
//! two leaves rows that no event names; [`Vault::sweep`] removes them at the next start.

#[cfg(feature = "postgres")]
mod postgres;
mod rows;
mod sqlite;

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{Place, StoreError};
use rows::{Rows, Stored, Taken};

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
        Ok(Self { reader: VaultReader { rows: Box::new(sqlite::SqliteRows::open_writer(folder)?) } })
    }

    /// Opens the vault at an address for writing, creating it if missing: a folder, or `postgres://...`.
    pub fn open_at(address: &str) -> Result<Self, StoreError> {
        match Place::parse(address)? {
            Place::Folder(folder) => Self::open(folder),
            #[cfg(feature = "postgres")]
            Place::Postgres(url) => {
                Ok(Self { reader: VaultReader { rows: Box::new(postgres::PostgresRows::open_writer(url)?) } })
            }
        }
    }

    /// All that can be read.
    pub fn reader(&self) -> &VaultReader {
        &self.reader
    }

    /// Stores all of `records` or none, durably. The very same record again is nothing new; another one with the
    /// commitment, or with the group and index, of a stored one is a [`StoreError::Conflict`].
    pub fn put_batch(&mut self, records: &[PrivateRecord]) -> Result<(), StoreError> {
        check_batch(records)?;
        self.reader.rows.put_batch(records).map_err(|taken| match taken {
            Taken::Store(error) => error,
            Taken::At(at) => {
                let (group, index) = (records[at].group, records[at].index);
                let detail = "it or its commitment is taken by another record; sweep rows left by a crash, or use a new group";
                let place = format!("record {index} of group {group} in {}", self.reader.rows.place());
                StoreError::Conflict { place, detail: detail.to_owned() }
            }
        })
    }

    /// Erases the records of these commitments and answers with how many there were. Afterwards no file of the
    /// vault holds their salt or content: the database is rebuilt, since pages that were once rebalanced keep stale
    /// copies that an ordinary deletion does not reach. The cost grows with the vault, so erase many at once.
    pub fn erase(&mut self, commitments: &[[u8; 32]]) -> Result<u64, StoreError> {
        let erased = self.reader.rows.erase(commitments)?;
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
        if self.reader.rows.scrub()? {
            return Ok(());
        }
        let place = format!("what was erased from {}", self.reader.rows.place());
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
        let rows: Vec<(&str, [u8; 32], &[u8])> = secrets
            .iter()
            .map(|(name, bytes)| (name.as_ref(), Sha256::digest(bytes).into(), bytes.as_ref()))
            .collect();
        self.reader.rows.put_private(&rows)
    }

    /// Deletes a secret without trace; `false` if there was none.
    pub fn erase_private(&mut self, name: &str) -> Result<bool, StoreError> {
        let deleted = self.reader.rows.erase_private(name)?;
        self.scrub().map(|()| deleted)
    }
}

/// A vault opened for reading; any number of them may stand beside the writer.
pub struct VaultReader {
    rows: Box<dyn Rows>,
}

impl VaultReader {
    /// Opens the vault in `folder` for reading only.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Ok(Self { rows: Box::new(sqlite::SqliteRows::open_reader(folder)?) })
    }

    /// Opens the vault at an address for reading only: a folder, or `postgres://...`.
    pub fn open_at(address: &str) -> Result<Self, StoreError> {
        match Place::parse(address)? {
            Place::Folder(folder) => Self::open(folder),
            #[cfg(feature = "postgres")]
            Place::Postgres(url) => Ok(Self { rows: Box::new(postgres::PostgresRows::open_reader(url)?) }),
        }
    }

    /// The record of a commitment; `None` if it never came or was erased.
    pub fn get(&self, commitment: &[u8; 32]) -> Result<Option<PrivateRecord>, StoreError> {
        self.rows.get(commitment)?.map(|row| self.record(row)).transpose()
    }

    /// The record at `index` of `group`; `None` if it never came or was erased.
    pub fn at(&self, group: u64, index: u32) -> Result<Option<PrivateRecord>, StoreError> {
        self.rows.at(group as i64, index)?.map(|row| self.record(row)).transpose()
    }

    /// The records of `group` from `from_index` on, in order: one page of at most [`PAGE_RECORDS_MAX`] records and
    /// about [`PAGE_BYTES_MAX`] bytes. Empty when there are no more.
    pub fn group(&self, group: u64, from_index: u32) -> Result<Vec<PrivateRecord>, StoreError> {
        let rows = self.rows.group(group as i64, from_index..)?;
        rows.into_iter().map(|row| self.record(row)).collect()
    }

    /// Every commitment that has a record, in the order in which they came.
    pub fn commitments(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        self.rows.commitments()?.into_iter().map(|bytes| self.exact(bytes)).collect()
    }

    /// The secret of a name; [`StoreError::Corrupt`] if its bytes changed.
    pub fn get_private(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self.rows.get_private(name)? {
            Some((sha256, bytes)) if Sha256::digest(&bytes)[..] != sha256[..] => Err(StoreError::Corrupt {
                place: format!("the private {name:?} in {}", self.rows.place()),
                detail: "its bytes do not hash to what was stored".to_owned(),
            }),
            other => Ok(other.map(|(_, bytes)| bytes)),
        }
    }

    /// The names of all secrets, sorted.
    pub fn private_names(&self) -> Result<Vec<String>, StoreError> {
        self.rows.private_names()
    }

    /// The names of all secrets below `FOLDER/`, sorted.
    pub fn private_names_below(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        // All that begins with it comes before the character after the slash.
        self.rows.private_names_between(&format!("{folder}/"), &format!("{folder}0"))
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
            place: self.rows.place(),
            detail: format!("a commitment or salt has {} bytes instead of 32", bytes.len()),
        };
        bytes.try_into().map_err(damaged)
    }
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
