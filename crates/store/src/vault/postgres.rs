//! The vault in a Postgres database.
//!
//! Erasing rebuilds the tables, so that no file of theirs holds what was erased. Copies that Postgres itself keeps for
//! recovery (its write-ahead log, archives, standbys, backups) go when the server recycles them.

use std::collections::BTreeMap;
use std::ops::RangeFrom;

use postgres::types::Type;
use postgres::{Client, Error, Row};

use super::rows::{Hashed, Rows, Stored, Taken};
use super::{PAGE_BYTES_MAX, PAGE_RECORDS_MAX, PrivateRecord};
use crate::StoreError;
use crate::pg::{Pg, Schema};

const SCHEMA: Schema = Schema {
    noun: "vault",
    version: 1,
    tables: "
        CREATE TABLE assay_record (id INT8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, commitment BYTEA NOT NULL UNIQUE,
            salt BYTEA NOT NULL, grp INT8 NOT NULL, idx INT8 NOT NULL, content BYTEA NOT NULL, UNIQUE (grp, idx));
        CREATE TABLE assay_private (name TEXT COLLATE \"C\" PRIMARY KEY, sha256 BYTEA NOT NULL, bytes BYTEA NOT NULL);
    ",
};

const SELECT: &str = "SELECT commitment, salt, grp, idx, content FROM assay_record";

/// Records of a batch that travel in one statement, at most.
const PART_RECORDS_MAX: usize = 1_024;

/// Writers of the vault follow each other; readers wait for nobody.
const LOCK: &str = "LOCK TABLE assay_record IN EXCLUSIVE MODE";

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

    fn get(&self, commitment: &[u8; 32]) -> Result<Option<Stored>, StoreError> {
        let row = self.pg.read("read a private record from", |client| {
            let query = format!("{SELECT} WHERE commitment = $1");
            client.query_typed_opt(&query, &[(&&commitment[..], Type::BYTEA)])
        })?;
        Ok(row.as_ref().map(stored))
    }

    fn at(&self, group: i64, index: u32) -> Result<Option<Stored>, StoreError> {
        let index = i64::from(index);
        let row = self.pg.read("read a private record from", |client| {
            let query = format!("{SELECT} WHERE grp = $1 AND idx = $2");
            client.query_typed_opt(&query, &[(&group, Type::INT8), (&index, Type::INT8)])
        })?;
        Ok(row.as_ref().map(stored))
    }

    fn group(&self, group: i64, from: RangeFrom<u32>) -> Result<Vec<Stored>, StoreError> {
        let (from, bytes, records) = (i64::from(from.start), PAGE_BYTES_MAX as i64, PAGE_RECORDS_MAX as i64);
        let rows = self.pg.read("read private records from", |client| {
            client.query_typed(
                "SELECT commitment, salt, grp, idx, content FROM (
                    SELECT *, sum(length(content)) OVER (ORDER BY idx) - length(content) AS before
                    FROM (SELECT * FROM assay_record WHERE grp = $1 AND idx >= $2 ORDER BY idx LIMIT $3) AS part
                ) AS page WHERE before < $4 ORDER BY idx",
                &[(&group, Type::INT8), (&from, Type::INT8), (&records, Type::INT8), (&bytes, Type::INT8)],
            )
        })?;
        Ok(rows.iter().map(stored).collect())
    }

    fn commitments(&self) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = self.pg.read("list private records of", |client| {
            client.query_typed("SELECT commitment FROM assay_record ORDER BY id", &[])
        })?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn get_private(&self, name: &str) -> Result<Option<Hashed>, StoreError> {
        let row = self.pg.read("read a secret from", |client| {
            let query = "SELECT sha256, bytes FROM assay_private WHERE name = $1";
            client.query_typed_opt(query, &[(&name, Type::TEXT)])
        })?;
        Ok(row.map(|row| (row.get(0), row.get(1))))
    }

    fn private_names_between(&self, from: &str, to: &str) -> Result<Vec<String>, StoreError> {
        let rows = self.pg.read("list the secrets of", |client| {
            let query = "SELECT name FROM assay_private
                WHERE name COLLATE \"C\" >= $1 AND name COLLATE \"C\" < $2 ORDER BY name COLLATE \"C\"";
            client.query_typed(query, &[(&from, Type::TEXT), (&to, Type::TEXT)])
        })?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn private_names(&self) -> Result<Vec<String>, StoreError> {
        let rows = self.pg.read("list the secrets of", |client| {
            client.query_typed("SELECT name FROM assay_private ORDER BY name COLLATE \"C\"", &[])
        })?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    fn put_batch(&mut self, records: &[PrivateRecord]) -> Result<(), Taken> {
        self.pg.write("store private records", LOCK, |client| {
            for (part, start) in records.chunks(PART_RECORDS_MAX).zip((0..).step_by(PART_RECORDS_MAX)) {
                if let Some(taken) = put_part(client, part)? {
                    return Ok(Err(Taken::At(start + taken)));
                }
            }
            Ok(Ok(()))
        })
    }

    fn erase(&mut self, commitments: &[[u8; 32]]) -> Result<u64, StoreError> {
        let commitments: Vec<&[u8]> = commitments.iter().map(|commitment| &commitment[..]).collect();
        self.pg.write("erase private records", LOCK, |client| {
            let delete = "DELETE FROM assay_record WHERE commitment = ANY($1)";
            client.execute_typed(delete, &[(&commitments, Type::BYTEA_ARRAY)]).map(Ok)
        })
    }

    fn scrub(&mut self) -> Result<bool, StoreError> {
        self.pg.maintain("rebuild the vault", &["VACUUM FULL assay_record", "VACUUM FULL assay_private"])
    }

    fn put_private(&mut self, secrets: &[(&str, [u8; 32], &[u8])]) -> Result<(), StoreError> {
        self.pg.write("store secrets", LOCK, |client| {
            // One statement may not write a name twice: the later one counts.
            let last: BTreeMap<&str, _> = secrets.iter().map(|secret| (secret.0, secret)).collect();
            let last: Vec<_> = last.into_values().collect();
            for part in last.chunks(PART_RECORDS_MAX) {
                let names: Vec<&str> = part.iter().map(|(name, ..)| *name).collect();
                let hashes: Vec<&[u8]> = part.iter().map(|(_, sha256, _)| &sha256[..]).collect();
                let bytes: Vec<&[u8]> = part.iter().map(|(_, _, bytes)| *bytes).collect();
                client.execute_typed(
                    "INSERT INTO assay_private SELECT * FROM UNNEST($1, $2, $3)
                     ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256, bytes = excluded.bytes",
                    &[(&names, Type::TEXT_ARRAY), (&hashes, Type::BYTEA_ARRAY), (&bytes, Type::BYTEA_ARRAY)],
                )?;
            }
            Ok(Ok(()))
        })
    }

    fn erase_private(&mut self, name: &str) -> Result<bool, StoreError> {
        self.pg.write("erase a secret", LOCK, |client| {
            let delete = "DELETE FROM assay_private WHERE name = $1";
            client.execute_typed(delete, &[(&name, Type::TEXT)]).map(|deleted| Ok(deleted > 0))
        })
    }
}

/// Stores a part of a batch in one statement; the place of a record that is in conflict, if there is one.
fn put_part(client: &mut Client, part: &[PrivateRecord]) -> Result<Option<usize>, Error> {
    let commitments: Vec<&[u8]> = part.iter().map(|record| &record.commitment[..]).collect();
    let salts: Vec<&[u8]> = part.iter().map(|record| &record.salt[..]).collect();
    let groups: Vec<i64> = part.iter().map(|record| record.group as i64).collect();
    let indices: Vec<i64> = part.iter().map(|record| i64::from(record.index)).collect();
    let contents: Vec<&[u8]> = part.iter().map(|record| &record.content[..]).collect();
    let rows: [(&(dyn postgres::types::ToSql + Sync), Type); 5] = [
        (&commitments, Type::BYTEA_ARRAY),
        (&salts, Type::BYTEA_ARRAY),
        (&groups, Type::INT8_ARRAY),
        (&indices, Type::INT8_ARRAY),
        (&contents, Type::BYTEA_ARRAY),
    ];
    let added = client.execute_typed(
        "INSERT INTO assay_record (commitment, salt, grp, idx, content)
         SELECT * FROM unnest($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        &rows,
    )?;
    if added == part.len() as u64 {
        return Ok(None);
    }
    let other = client.query_typed_opt(
        "SELECT place FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY AS new (commitment, salt, grp, idx, content, place)
         WHERE NOT EXISTS (SELECT 1 FROM assay_record AS old WHERE old.commitment = new.commitment
            AND old.salt = new.salt AND old.grp = new.grp AND old.idx = new.idx AND old.content = new.content)
         ORDER BY place LIMIT 1",
        &rows,
    )?;
    Ok(other.map(|row| usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or_default()))
}

fn stored(row: &Row) -> Stored {
    Stored {
        commitment: row.get(0),
        salt: row.get(1),
        group: row.get(2),
        index: u32::try_from(row.get::<_, i64>(3)).unwrap_or(u32::MAX),
        content: row.get(4),
    }
}
