//! Receipts: one small file that proves, offline, that something is in the log.

use std::path::Path;

use assay_ledger::codec;
use assay_ledger::command::Command;
use assay_ledger::commit::{Content, Salt};
use assay_ledger::event::{Cause, Event};
use assay_ledger::ids::{DatanetId, Digest};
use assay_tlog::{InclusionProof, TileSet, VerifierKey};
use serde::{Deserialize, Serialize};

use crate::contribute::canonical;
use crate::error::{NodeError, Result};
use crate::home::write_new;
use crate::node::{CHECKPOINT, Node};
use crate::serve::Answered;
use crate::task::Record;

/// Schema of [`Receipt`].
const SCHEMA: &str = "assay.receipt/1";

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
    /// Salts of the author's records, or of the one answer; empty where nothing is to be opened.
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

    /// A receipt for an answer, which opens it.
    pub fn answer_receipt(&self, net: &DatanetId, answered: &Answered) -> Result<Receipt> {
        let mut opening = Opening { index: 0, commitment: String::new(), salt: answered.answer_salt.clone() };
        let commitment =
            Content::Answer.commit(&opening.salt()?, self.home().origin(), net, answered.answer.as_bytes());
        opening.commitment = commitment.to_string();
        self.receipt(answered.entry, vec![opening])
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

    /// Writes a new file that only its owner can read: salts open commitments.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        write_new(path, &text, 0o600)
    }

    /// Checks, offline, that the entry is in the log of `key`; the event.
    pub fn verify(&self, key: &VerifierKey) -> Result<Event> {
        let proof: assay_tlog::Receipt = self.proof.parse().map_err(refuse)?;
        proof.verify(self.entry.as_bytes(), key, &self.origin).map_err(refuse)?;
        let event = codec::decode(self.entry.as_bytes()).map_err(refuse)?;
        match event.seq == proof.index {
            true => Ok(event),
            false => Err(refuse(format!("entry {} is proven at index {}", event.seq, proof.index))),
        }
    }

    /// Checks that the openings are of `records`, and that the contribution's root is over their commitments.
    pub fn verify_records(&self, event: &Event, records: &[Record]) -> Result<()> {
        let Command::Contribute { datanet, root, .. } = command(event)? else {
            return Err(refuse("its entry is no contribution"));
        };
        if records.len() != self.openings.len() {
            return Err(refuse(format!("{} records for {} openings", records.len(), self.openings.len())));
        }
        let mut commitments = Vec::with_capacity(records.len());
        for (opening, record) in self.openings.iter().zip(records) {
            let (commitment, salt) = opening.read()?;
            if !Content::Record.opens(&commitment, &salt, &self.origin, datanet, &canonical(record)?) {
                return Err(refuse(format!("record {} is not what was committed to", opening.index)));
            }
            commitments.push(commitment);
        }
        match assay_ledger::commit::root(&commitments) == *root {
            true => Ok(()),
            false => Err(refuse("the commitments are not those of the entry")),
        }
    }

    /// Checks that the entry is the answer `text`.
    pub fn verify_answer(&self, event: &Event, text: &str) -> Result<()> {
        let Command::Answer { datanet, answer, .. } = command(event)? else {
            return Err(refuse("its entry is no answer"));
        };
        let [opening] = self.openings.as_slice() else {
            return Err(refuse("it does not open its answer"));
        };
        let (commitment, salt) = opening.read()?;
        match commitment == *answer
            && Content::Answer.opens(answer, &salt, &self.origin, datanet, text.as_bytes())
        {
            true => Ok(()),
            false => Err(refuse("the answer that was committed to is another")),
        }
    }
}

impl Opening {
    fn read(&self) -> Result<(Digest, Salt)> {
        Ok((self.commitment.parse().map_err(refuse)?, self.salt()?))
    }

    fn salt(&self) -> Result<Salt> {
        let mut salt = [0; 32];
        hex::decode_to_slice(&self.salt, &mut salt).map_err(|_| refuse("a salt is malformed"))?;
        Ok(Salt(salt))
    }
}

fn command(event: &Event) -> Result<&Command> {
    match &event.cause {
        Cause::Command(signed) => Ok(&signed.intent.command),
        Cause::Earlier(_) => Err(refuse("its entry is no command")),
    }
}

fn refuse(why: impl std::fmt::Display) -> NodeError {
    NodeError::refused(format!("the receipt does not hold: {why}"))
}
