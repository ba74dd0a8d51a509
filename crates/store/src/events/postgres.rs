//! The log in a Postgres database, with any number of nodes beside each other.
//!
//! Entries are numbered by the transaction that writes them, never by a sequence: a sequence hands out numbers before
//! the commit, so that readers would skip entries and a roll-back would leave holes. A writer takes a lock on the log
//! before its snapshot, so of two that append at once the second sees what the first wrote and answers with a conflict.

use std::collections::BTreeMap;

use assay_tlog::leaf_hash;
use postgres::types::Type;
use postgres::{Client, Error};

use super::rows::{EntryRow, Rows, check_image, refusal, row_id, seq_of, size_of};
use super::{AppendError, IMAGES_KEPT, NewEntry, PAGE_BYTES_MAX, StateImage, StoredCheckpoint};
use crate::StoreError;
use crate::pg::{Pg, Schema};

const SCHEMA: Schema = Schema {
    noun: "event store",
    version: 1,
    tables: "
        CREATE TABLE assay_entry (seq INT8 PRIMARY KEY, leaf BYTEA NOT NULL, bytes BYTEA NOT NULL);
        CREATE TABLE assay_key (key BYTEA PRIMARY KEY, seq INT8 NOT NULL);
        CREATE TABLE assay_checkpoint (one INT4 PRIMARY KEY CHECK (one = 1), size INT8 NOT NULL, note BYTEA NOT NULL);
        CREATE TABLE assay_image (size INT8, version INT8, sha256 BYTEA NOT NULL, bytes BYTEA NOT NULL,
            PRIMARY KEY (size, version));
    ",
};

/// Held by every transaction that writes: writers follow each other, readers wait for nobody.
const LOCK: &str = "LOCK TABLE assay_entry IN EXCLUSIVE MODE";

pub(super) struct PostgresRows {
    pg: Pg,
}

impl PostgresRows {
    pub(super) fn open_writer(url: &str) -> Result<Self, StoreError> {
        Ok(Self { pg: Pg::open_writer(url, &SCHEMA)? })
    }

    pub(super) fn open_reader(url: &str) -> Result<Self, StoreError> {
        Ok(Self { pg: Pg::open_reader(url, &SCHEMA)? })
    }
}

impl Rows for PostgresRows {
    fn place(&self) -> String {
        self.pg.place().to_owned()
    }

    fn size(&self) -> Result<u64, StoreError> {
        self.pg.read("measure the log", log_size)
    }

    fn entries(&self, start: u64, end: u64) -> Result<Vec<EntryRow>, StoreError> {
        let (start, end, bytes) = (row_id(start), row_id(end), PAGE_BYTES_MAX as i64);
        let rows = self.pg.read("read the log", |client| {
            client.query_typed(
                "SELECT seq, leaf, bytes FROM (
                    SELECT *, sum(length(bytes)) OVER (ORDER BY seq) - length(bytes) AS before
                    FROM assay_entry WHERE seq >= $1 AND seq < $2
                ) AS page WHERE before < $3 ORDER BY seq",
                &[(&start, Type::INT8), (&end, Type::INT8), (&bytes, Type::INT8)],
            )
        })?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
    }

    fn leaves(&self, start: u64, end: u64) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        let (start, end) = (row_id(start), row_id(end));
        let rows = self.pg.read("read leaf hashes", |client| {
            client.query_typed(
                "SELECT seq, leaf FROM assay_entry WHERE seq >= $1 AND seq < $2 ORDER BY seq",
                &[(&start, Type::INT8), (&end, Type::INT8)],
            )
        })?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    fn key_owner(&self, key: &[u8]) -> Result<Option<u64>, StoreError> {
        let row = self.pg.read("look up a key", |client| {
            client.query_typed_opt("SELECT seq FROM assay_key WHERE key = $1", &[(&key, Type::BYTEA)])
        })?;
        Ok(row.map(|row| seq_of(row.get(0))))
    }

    fn stray_key(&self, size: u64) -> Result<Option<u64>, StoreError> {
        let size = row_id(size);
        let row = self.pg.read("check the keys", |client| {
            let stray = "SELECT seq FROM assay_key WHERE seq < 0 OR seq >= $1 LIMIT 1";
            client.query_typed_opt(stray, &[(&size, Type::INT8)])
        })?;
        Ok(row.map(|row| seq_of(row.get(0))))
    }

    fn checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        self.pg.read("read the checkpoint", stored_checkpoint)
    }

    fn latest_image(&self) -> Result<Option<(Vec<u8>, StateImage)>, StoreError> {
        let row = self.pg.read("read the state image", |client| {
            client.query_typed_opt(
                "SELECT sha256, size, version, bytes FROM assay_image ORDER BY size DESC, version DESC LIMIT 1",
                &[],
            )
        })?;
        Ok(row.map(|row| {
            let version = u32::try_from(row.get::<_, i64>(2)).unwrap_or(u32::MAX);
            (row.get(0), StateImage { size: seq_of(row.get(1)), version, bytes: row.get(3) })
        }))
    }

    /// Postgres checks its pages as it reads them, where the cluster has checksums.
    fn check_pages(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn append(&mut self, expected_size: u64, entries: &[NewEntry]) -> Result<u64, AppendError> {
        self.pg.write("append to the log", LOCK, |client| {
            let actual = log_size(client)?;
            if actual != expected_size {
                return Ok(Err(AppendError::Conflict { expected: expected_size, actual }));
            }
            insert(client, actual, entries)
        })
    }

    fn set_checkpoint(
        &mut self,
        expected_old: Option<u64>,
        size: u64,
        note: &[u8],
    ) -> Result<(), StoreError> {
        let place = format!("the checkpoint of {}", self.pg.place());
        let id = row_id(size);
        self.pg.write("store a checkpoint", LOCK, |client| {
            let old = stored_checkpoint(client)?.map(|checkpoint| checkpoint.size);
            if let Some(detail) = refusal(old, expected_old, size, log_size(client)?) {
                return Ok(Err(StoreError::Conflict { place: place.clone(), detail }));
            }
            let put = "INSERT INTO assay_checkpoint VALUES (1, $1, $2)
                ON CONFLICT (one) DO UPDATE SET size = excluded.size, note = excluded.note";
            client.execute_typed(put, &[(&id, Type::INT8), (&note, Type::BYTEA)]).map(|_| Ok(()))
        })
    }

    fn put_image(&mut self, image: &StateImage, sha256: [u8; 32]) -> Result<(), StoreError> {
        let (size, version) = (row_id(image.size), i64::from(image.version));
        self.pg.write("save a state image", LOCK, |client| {
            if let Err(refused) = check_image(image.size, log_size(client)?) {
                return Ok(Err(refused));
            }
            client.execute_typed(
                "INSERT INTO assay_image VALUES ($1, $2, $3, $4)
                 ON CONFLICT (size, version) DO UPDATE SET sha256 = excluded.sha256, bytes = excluded.bytes",
                &[
                    (&size, Type::INT8),
                    (&version, Type::INT8),
                    (&&sha256[..], Type::BYTEA),
                    (&image.bytes, Type::BYTEA),
                ],
            )?;
            client.execute_typed(
                "DELETE FROM assay_image WHERE (size, version) NOT IN
                 (SELECT size, version FROM assay_image ORDER BY size DESC, version DESC LIMIT $1)",
                &[(&IMAGES_KEPT, Type::INT8)],
            )?;
            Ok(Ok(()))
        })
    }

    fn drop_images(&mut self) -> Result<(), StoreError> {
        self.pg.write("drop the state images", LOCK, |client| {
            client.batch_execute("DELETE FROM assay_image").map(|()| Ok(()))
        })
    }
}

/// The whole batch in two statements, so that its cost is not that of a journey for each row.
fn insert(client: &mut Client, size: u64, entries: &[NewEntry]) -> Result<Result<u64, AppendError>, Error> {
    let first = row_id(size);
    let leaves: Vec<[u8; 32]> = entries.iter().map(|entry| leaf_hash(&entry.bytes).0).collect();
    let leaves: Vec<&[u8]> = leaves.iter().map(|leaf| &leaf[..]).collect();
    let bytes: Vec<&[u8]> = entries.iter().map(|entry| &entry.bytes[..]).collect();
    client.execute_typed(
        "INSERT INTO assay_entry SELECT $1 + place - 1, leaf, bytes
         FROM unnest($2, $3) WITH ORDINALITY AS new (leaf, bytes, place)",
        &[(&first, Type::INT8), (&leaves, Type::BYTEA_ARRAY), (&bytes, Type::BYTEA_ARRAY)],
    )?;
    let used =
        (first..).zip(entries).flat_map(|(seq, entry)| entry.keys.iter().map(move |key| (&key[..], seq)));
    let (keys, seqs): (Vec<&[u8]>, Vec<i64>) = used.unzip();
    let added = client.execute_typed(
        "INSERT INTO assay_key SELECT * FROM unnest($1, $2) ON CONFLICT DO NOTHING",
        &[(&keys, Type::BYTEA_ARRAY), (&seqs, Type::INT8_ARRAY)],
    )?;
    if added == keys.len() as u64 {
        return Ok(Ok(size + entries.len() as u64));
    }
    Ok(Err(duplicate(client, first, &keys, &seqs)?))
}

/// The first key of the batch that an earlier entry has, in the log or in the batch.
fn duplicate(client: &mut Client, first: i64, keys: &[&[u8]], seqs: &[i64]) -> Result<AppendError, Error> {
    let taken = client.query_typed(
        "SELECT key, seq FROM assay_key WHERE key = ANY($1) AND seq < $2",
        &[(&keys, Type::BYTEA_ARRAY), (&first, Type::INT8)],
    )?;
    let mut owners: BTreeMap<Vec<u8>, i64> = taken.iter().map(|row| (row.get(0), row.get(1))).collect();
    for (key, seq) in keys.iter().zip(seqs) {
        if let Some(owner) = owners.insert(key.to_vec(), *seq) {
            return Ok(AppendError::Duplicate { key: key.to_vec(), seq: seq_of(owner) });
        }
    }
    // The database refused a key that nobody has.
    let detail = "a key was refused and no entry has it".to_owned();
    Ok(AppendError::Store(StoreError::Corrupt { place: "the keys of the log".to_owned(), detail }))
}

fn log_size(client: &mut Client) -> Result<u64, Error> {
    client.query_typed_one("SELECT max(seq) FROM assay_entry", &[]).map(|row| size_of(row.get(0)))
}

fn stored_checkpoint(client: &mut Client) -> Result<Option<StoredCheckpoint>, Error> {
    let row = client.query_typed_opt("SELECT size, note FROM assay_checkpoint", &[])?;
    Ok(row.map(|row| StoredCheckpoint { size: seq_of(row.get(0)), note: row.get(1) }))
}
