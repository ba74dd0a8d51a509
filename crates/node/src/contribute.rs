//! Contribute: records in, commitments in the log, content in the vault, a receipt out.

use assay_ledger::command::Command;
use assay_ledger::commit::{self, Content, Salt};
use assay_ledger::datanet::Contribution;
use assay_ledger::ids::{DatanetId, Digest, TableRef};
use assay_ledger::limits::CONTRIBUTION_RECORDS_MAX;
use assay_store::PrivateRecord;
use assay_store::columns::{self, ColumnTable};
use ed25519_dalek::SigningKey;

use crate::error::{NodeError, Result};
use crate::home::random;
use crate::node::Node;
use crate::receipt::Opening;
use crate::task::Record;

/// Bytes of one record at most, as canonical JSON.
pub(crate) const RECORD_BYTES_MAX: usize = 256 * 1024;

/// A contribution that is in the log, with what only its author needs: the salts.
#[derive(Clone, Debug)]
pub struct Contributed {
    /// Its place in the log.
    pub seq: u64,
    /// What opens its commitments, one a record.
    pub openings: Vec<Opening>,
}

impl Node {
    /// Offers `records` as the holder of `key`; several contributions when there are more than fit one. Content is
    /// durable before the log names it.
    pub fn contribute(
        &mut self,
        key: &SigningKey,
        net: &DatanetId,
        records: &[Record],
    ) -> Result<Vec<Contributed>> {
        if records.is_empty() {
            return Err(NodeError::invalid("there are no records to contribute"));
        }
        // Asked before anything is stored; the ledger asks again.
        self.datanet(net)?;
        self.account(key)?;
        records
            .chunks(CONTRIBUTION_RECORDS_MAX as usize)
            .map(|part| self.contribute_part(key, net, part))
            .collect()
    }

    fn contribute_part(
        &mut self,
        key: &SigningKey,
        net: &DatanetId,
        records: &[Record],
    ) -> Result<Contributed> {
        let mut private = Vec::with_capacity(records.len());
        for (index, record) in (0..).zip(records) {
            let content = canonical(record)?;
            if content.len() > RECORD_BYTES_MAX {
                return Err(NodeError::invalid(format!(
                    "record {} has {} bytes; at most {RECORD_BYTES_MAX}",
                    index + 1,
                    content.len()
                )));
            }
            let salt = random()?;
            let commitment = Content::Record.commit(&Salt(salt), self.home().origin(), net, &content).0;
            private.push(PrivateRecord { commitment, salt, group: 0, index, content });
        }
        let commitments: Vec<Digest> = private.iter().map(|p| Digest(p.commitment)).collect();
        let root = commit::root(&commitments);
        private.iter_mut().for_each(|p| p.group = record_group(&root));
        self.vault.put_batch(&private)?;
        let table = self.put_commitments(&commitments)?;
        let records = private.len() as u32;
        let seq = self.act(key, Command::Contribute { datanet: net.clone(), records, root, table })?;
        let opening = |p: PrivateRecord| Opening {
            index: p.index,
            commitment: Digest(p.commitment).to_string(),
            salt: hex::encode(p.salt),
        };
        Ok(Contributed { seq, openings: private.into_iter().map(opening).collect() })
    }

    /// Stores the records of a contribution that its author signs elsewhere: content comes before the command that commits to it.
    /// Each lies in the group of the commitments' root, see [`record_group`].
    pub fn keep_records(&mut self, records: &[PrivateRecord]) -> Result<()> {
        Ok(self.vault.put_batch(records)?)
    }

    fn put_commitments(&self, commitments: &[Digest]) -> Result<TableRef> {
        let index: Vec<i64> = (0..commitments.len() as i64).collect();
        let table = ColumnTable::new("commitments", 1)
            .with_column("index", index)?
            .with_column("commitment", commitments.iter().map(Digest::to_string).collect::<Vec<_>>())?;
        self.put_table(&table)
    }

    /// Stores a public table; its name for the log.
    pub(crate) fn put_table(&self, table: &ColumnTable) -> Result<TableRef> {
        let stored = self.tables.put(columns::write(table)?, "parquet")?;
        Ok(TableRef { sha256: Digest(stored.sha256), rows: table.rows() as u64, bytes: stored.bytes })
    }

    /// What the state knows of the contribution at `seq`.
    pub(crate) fn contribution(&self, net: &DatanetId, seq: u64) -> Result<&Contribution> {
        let contribution = self.datanet(net)?.contributions.get(&seq);
        contribution.ok_or_else(|| NodeError::not_found(format!("no contribution {seq} in {net}")))
    }

    /// One record as it was sent.
    pub fn record(&self, net: &DatanetId, contribution: u64, index: u32) -> Result<Record> {
        let offered = self.contribution(net, contribution)?;
        if index >= offered.records {
            return Err(NodeError::not_found(format!("no record {index} in {contribution}")));
        }
        self.require_there(net, contribution)?;
        let found = self.vault.reader().at(record_group(&offered.root), index)?;
        let found = found.ok_or_else(|| {
            NodeError::unavailable(format!(
                "record {index} of contribution {contribution} is not in the vault"
            ))
            .hint("restore the private folder of this home")
        })?;
        Ok(serde_json::from_slice(&found.content)?)
    }

    /// Says so if the records of a contribution were taken back.
    fn require_there(&self, net: &DatanetId, contribution: u64) -> Result<()> {
        match self.datanet(net)?.withdrawn.get(&contribution) {
            None => Ok(()),
            Some(at) => Err(NodeError::not_found(format!(
                "the records of contribution {contribution} were withdrawn in entry {at}, and erased"
            ))),
        }
    }

    /// The records of the contribution at `seq`, in order, with their commitments.
    pub(crate) fn records_of(&self, net: &DatanetId, seq: u64) -> Result<Vec<PrivateRecord>> {
        self.require_there(net, seq)?;
        let contribution = self.contribution(net, seq)?;
        let (group, count) = (record_group(&contribution.root), contribution.records as usize);
        let mut records: Vec<PrivateRecord> = Vec::with_capacity(count);
        while records.len() < count {
            let page = self.vault.reader().group(group, records.len() as u32)?;
            if page.is_empty() {
                let what =
                    format!("{} of {count} records of contribution {seq} are in the vault", records.len());
                return Err(NodeError::unavailable(what).hint("restore the private folder of this home"));
            }
            records.extend(page);
        }
        Ok(records)
    }
}

/// Where the vault keeps the records of a contribution: by its root, which is known before its place in the log.
pub fn record_group(root: &Digest) -> u64 {
    let (head, _) = root.0.split_at(8);
    u64::from_be_bytes(head.try_into().unwrap_or_default()) >> 1
}

/// The bytes of a record that its commitment covers: JSON with sorted keys and without spaces.
pub(crate) fn canonical(record: &Record) -> Result<Vec<u8>> {
    let mut fields: Vec<_> = record.iter().collect();
    fields.sort_unstable_by_key(|(key, _)| *key);
    let mut out = vec![b'{'];
    for (i, (key, value)) in fields.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut out, key)?;
        out.push(b':');
        serde_json::to_writer(&mut out, value)?;
    }
    out.push(b'}');
    Ok(out)
}
