//! Receipts: one small file that proves, offline, that something is in the log.

use assay_ledger::codec;
use assay_ledger::command::Command;
use assay_ledger::commit::{Content, Salt};
use assay_ledger::event::{Cause, Event};
use assay_ledger::ids::Digest;
use assay_tlog::{InclusionProof, TileSet, VerifierKey};
use serde::{Deserialize, Serialize};

use crate::contribute::canonical;
use crate::error::{NodeError, Result};
use crate::node::{CHECKPOINT, Node};
use crate::task::Record;

/// Schema of [`Receipt`].
pub const SCHEMA: &str = "assay.receipt/1";

/// A receipt: the entry, the proof that the log holds it, and what opens the author's own commitments.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// [`SCHEMA`].
    pub schema: String,
    /// Origin of the log.
    pub origin: String,
    /// The entry, byte for byte.
    pub entry: String,
    /// `c2sp.org/tlog-proof@v1`: index, path, signed checkpoint.
    pub proof: String,
    /// Salts of the author's records; empty for others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub openings: Vec<Opening>,
}

/// What opens one commitment, together with the record itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// The record in its contribution.
    pub index: u32,
    /// Its commitment, hexadecimal.
    pub commitment: String,
    /// Its salt, hexadecimal.
    pub salt: String,
}

impl Node {
    /// A receipt for the entry at `seq`, against the newest checkpoint.
    pub fn receipt(&self, seq: u64, openings: Vec<Opening>) -> Result<Receipt> {
        let size = self.checkpoint().size;
        let mut page = match seq < size {
            true => self.entries().read(seq..seq + 1)?,
            false => Vec::new(),
        };
        let entry =
            page.pop().ok_or_else(|| NodeError::not_found(format!("entry {seq}: the log has {size}")))?;
        let plan = assay_tlog::Plan::inclusion(seq, size).map_err(NodeError::bug)?;
        let mut tiles = TileSet::new();
        for tile in plan.tiles() {
            let bytes = self.public().read(&tile.path(), 8_192)?;
            let bytes = bytes.ok_or_else(|| NodeError::bug(format!("{} is not published", tile.path())))?;
            tiles.insert(tile, &bytes).map_err(NodeError::bug)?;
        }
        let proof = InclusionProof::prove(seq, size, &tiles).map_err(NodeError::bug)?;
        let note = self.public().read(CHECKPOINT, 1 << 20)?.ok_or_else(|| NodeError::bug("no checkpoint"))?;
        let checkpoint = String::from_utf8(note).map_err(NodeError::bug)?;
        let proof = assay_tlog::Receipt { extra: None, index: seq, hashes: proof.hashes, checkpoint };
        Ok(Receipt {
            schema: SCHEMA.to_owned(),
            origin: self.home().origin().to_owned(),
            entry: String::from_utf8(entry).map_err(NodeError::bug)?,
            proof: proof.to_string(),
            openings,
        })
    }
}

impl Receipt {
    /// Reads a receipt.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let receipt: Self =
            serde_json::from_slice(bytes).map_err(|e| NodeError::invalid(format!("receipt: {e}")))?;
        match receipt.schema == SCHEMA {
            true => Ok(receipt),
            false => {
                Err(NodeError::invalid(format!("receipt: schema is {:?}, not {SCHEMA:?}", receipt.schema)))
            }
        }
    }

    /// Checks, offline, that the entry is in the log of `key`; the event.
    pub fn verify(&self, key: &VerifierKey) -> Result<Event> {
        let refuse = |e: String| NodeError::refused(format!("the receipt does not hold: {e}"));
        let proof: assay_tlog::Receipt = self.proof.parse().map_err(|e| refuse(format!("{e}")))?;
        proof.verify(self.entry.as_bytes(), key, &self.origin).map_err(|e| refuse(e.to_string()))?;
        let event = codec::decode(self.entry.as_bytes()).map_err(|e| refuse(e.to_string()))?;
        match event.seq == proof.index {
            true => Ok(event),
            false => Err(refuse(format!("entry {} is proven at index {}", event.seq, proof.index))),
        }
    }

    /// Checks that the openings are of `records`, and that the contribution's root is over their commitments.
    pub fn verify_records(&self, event: &Event, records: &[Record]) -> Result<()> {
        let refuse = |e: String| NodeError::refused(format!("the receipt does not hold: {e}"));
        let Cause::Command(signed) = &event.cause else {
            return Err(refuse("its entry is no command".to_owned()));
        };
        let Command::Contribute { datanet, root, .. } = &signed.intent.command else {
            return Err(refuse("its entry is no contribution".to_owned()));
        };
        if records.len() != self.openings.len() {
            return Err(refuse(format!("{} records for {} openings", records.len(), self.openings.len())));
        }
        let mut commitments = Vec::with_capacity(records.len());
        for (opening, record) in self.openings.iter().zip(records) {
            let commitment: Digest = opening.commitment.parse().map_err(|e| refuse(format!("{e}")))?;
            let mut salt = [0; 32];
            hex::decode_to_slice(&opening.salt, &mut salt)
                .map_err(|_| refuse("a salt is malformed".to_owned()))?;
            if !Content::Record.opens(&commitment, &Salt(salt), &self.origin, datanet, &canonical(record)?) {
                return Err(refuse(format!("record {} is not what was committed to", opening.index)));
            }
            commitments.push(commitment);
        }
        match assay_ledger::commit::root(&commitments) == *root {
            true => Ok(()),
            false => Err(refuse("the commitments are not those of the entry".to_owned())),
        }
    }
}
