//! Receipts: one small file that proves, offline, that something is in the log, and of which place it is.

use std::path::Path;

use assay_ledger::codec;
use assay_ledger::command::{Command, Signed};
use assay_ledger::commit::{Content, Salt};
use assay_ledger::event::{Cause, Event};
use assay_ledger::ids::{AccountId, DatanetId, Digest, Nonce};
use assay_ledger::meter::Metered;
use assay_store::files::write_secret;
use assay_tlog::{Checkpoint, Trusted, leaf_hash, open_checkpoint, verify_inclusion};
use serde::{Deserialize, Serialize};

use crate::contribute::canonical;
use crate::error::{NodeError, Result};
use crate::home::write_new;
use crate::meter::ProvenAnswer;
use crate::node::{CHECKPOINT, Node};
use crate::publish::{NOTE_BYTES_MAX, hash_tiles};
use crate::serve::Answered;
use crate::task::Record;
use crate::trust::Trust;

/// Schema of [`Receipt`].
const SCHEMA: &str = "assay.receipt/1";

/// A receipt: the entry, the proof that the log holds it, and what opens the author's own commitments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// [`SCHEMA`].
    pub schema: String,
    /// Origin of the log.
    pub origin: String,
    /// What it is of. The entry says the same, or the receipt is refused.
    pub about: About,
    /// The entry, byte for byte.
    pub entry: String,
    /// `c2sp.org/tlog-proof@v1`: index, path, signed and cosigned checkpoint.
    pub proof: String,
    /// The command that the entry follows from, where it is an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<Proven>,
    /// The one of the answers that the entry meters which this is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metered: Option<ProvenAnswer>,
    /// Salts of the author's records, or of the one answer; empty where nothing is to be opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub openings: Vec<Opening>,
}

/// Another entry with its own proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    /// The entry, byte for byte.
    pub entry: String,
    /// `c2sp.org/tlog-proof@v1`.
    pub proof: String,
}

/// The place that a receipt is of. With the origin it is nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// What.
    pub kind: ReceiptKind,
    /// In which datanet, if in any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datanet: Option<DatanetId>,
    /// Of which epoch: payouts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// For whom: payouts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// To which question, by its place in the log: answers that are metered with others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<u64>,
    /// Nonce of the command, unique for its actor.
    pub nonce: Nonce,
}

/// What a receipt can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptKind {
    /// Records that were offered.
    Contribution,
    /// What the gates said of them.
    Verdict,
    /// An answer.
    Inference,
    /// One contributor's row of a settlement.
    Payout,
    /// Any other entry.
    Entry,
}

/// What a receipt should be of; what is `None` is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What.
    pub kind: Option<ReceiptKind>,
    /// In which datanet.
    pub datanet: Option<DatanetId>,
    /// Of which epoch.
    pub epoch: Option<u32>,
    /// For whom.
    pub account: Option<AccountId>,
    /// To which question.
    pub query: Option<u64>,
    /// Of which command.
    pub nonce: Option<Nonce>,
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

/// A receipt that holds.
#[derive(Clone, Debug)]
pub struct ReceiptHolds {
    /// What the entry says.
    pub event: Event,
    /// The head that proves it, and who cosigned that.
    pub head: Trusted,
}

impl About {
    /// What a receipt for `event` is of. `cause` is the command that it follows from.
    fn of(
        event: &Event,
        cause: &Signed,
        account: Option<&AccountId>,
        metered: Option<&ProvenAnswer>,
    ) -> Result<Self> {
        let command = &cause.intent.command;
        let query = metered.map(|metered| metered.of(event)).transpose()?.map(|metered| metered.query);
        let (kind, epoch) = match command {
            Command::Contribute { .. } => (ReceiptKind::Contribution, None),
            Command::Gate { .. } => (ReceiptKind::Verdict, None),
            Command::Answer { .. } => (ReceiptKind::Inference, None),
            Command::Meter { .. } if metered.is_some() => (ReceiptKind::Inference, None),
            Command::Settle { epoch, .. } => (ReceiptKind::Payout, Some(*epoch)),
            _ => (ReceiptKind::Entry, None),
        };
        let account = match (kind, account) {
            (ReceiptKind::Payout, Some(account)) => {
                if !event.outcome.settled.iter().any(|row| row.account == *account) {
                    return Err(refuse(format!("its entry has no row of {account}")));
                }
                Some(account.clone())
            }
            (ReceiptKind::Payout, None) => return Err(refuse("it does not say whose payout it is")),
            _ => None,
        };
        let (datanet, nonce) = (command.datanet().cloned(), cause.intent.nonce);
        Ok(Self { kind, datanet, epoch, account, query, nonce })
    }

    /// Refuses what is not of the place that is asked for. An answer that has an entry of its own is to the question that
    /// its command names.
    fn expect(&self, command: &Command, wanted: &Wanted) -> Result<()> {
        let query = match command {
            Command::Answer { query, .. } => Some(query),
            _ => self.query.as_ref(),
        };
        fn differs<T: PartialEq>(wanted: &Option<T>, found: Option<&T>) -> bool {
            wanted.is_some() && wanted.as_ref() != found
        }
        let wrong = [
            (differs(&wanted.kind, Some(&self.kind)), "of something else"),
            (differs(&wanted.datanet, self.datanet.as_ref()), "of another datanet"),
            (differs(&wanted.epoch, self.epoch.as_ref()), "of another epoch"),
            (differs(&wanted.account, self.account.as_ref()), "of another account"),
            (differs(&wanted.query, query), "of another question"),
            (differs(&wanted.nonce, Some(&self.nonce)), "of another command"),
        ];
        match wrong.iter().find(|(differs, _)| *differs) {
            Some((_, what)) => {
                let is = serde_json::to_string(self)?;
                Err(NodeError::refused(format!("the receipt is {what} than the one asked for: {is}")))
            }
            None => Ok(()),
        }
    }
}

impl ProvenAnswer {
    /// The answer, if it is one of those that the entry meters.
    fn of(&self, event: &Event) -> Result<Metered> {
        match &command(event)?.intent.command {
            Command::Meter { answers, root, .. } => self.verify(*answers, root).map_err(refuse),
            _ => Err(refuse("its entry meters no answers")),
        }
    }
}

impl Node {
    /// A receipt for the entry at `seq`, against the newest published checkpoint.
    pub fn receipt(&self, seq: u64, openings: Vec<Opening>) -> Result<Receipt> {
        self.make_receipt(seq, None, None, openings)
    }

    /// A receipt for what the settlement at `seq`, which may take several entries, meant for `account`.
    pub fn payout_receipt(&self, seq: u64, account: &AccountId) -> Result<Receipt> {
        for (at, entry) in (seq..).zip(self.entries().scan(seq)) {
            let event = codec::decode(&entry?.1)?;
            let of_this = at == seq || matches!(event.cause, Cause::Earlier(earlier) if earlier == seq);
            if !of_this {
                break;
            }
            if event.outcome.settled.iter().any(|row| row.account == *account) {
                return self.make_receipt(at, Some(account), None, Vec::new());
            }
        }
        Err(NodeError::not_found(format!("entry {seq} settles nothing for {account}")))
    }

    /// A receipt for an answer, which opens it.
    pub fn answer_receipt(&self, net: &DatanetId, answered: &Answered) -> Result<Receipt> {
        let mut opening = Opening { index: 0, commitment: String::new(), salt: answered.answer_salt.clone() };
        let commitment =
            Content::Answer.commit(&opening.salt()?, self.home().origin(), net, answered.answer.as_bytes());
        opening.commitment = commitment.to_string();
        let proven = self.answer_of(answered.query)?.and_then(|(_, proven)| proven);
        self.make_receipt(answered.entry, None, proven, vec![opening])
    }

    fn make_receipt(
        &self,
        seq: u64,
        account: Option<&AccountId>,
        metered: Option<ProvenAnswer>,
        openings: Vec<Opening>,
    ) -> Result<Receipt> {
        let note = self.public().read(CHECKPOINT, NOTE_BYTES_MAX)?.unwrap_or_default();
        let origin = self.home().origin();
        let head = open_checkpoint(&note, self.log_key(), origin).map_err(NodeError::bug)?;
        let note = String::from_utf8(note).map_err(NodeError::bug)?;
        let Proven { entry, proof } = self.prove(seq, &head, &note)?;
        let event = codec::decode(entry.as_bytes())?;
        let (about, because) = match &event.cause {
            Cause::Command(signed) => (About::of(&event, signed, account, metered.as_ref())?, None),
            Cause::Earlier(earlier) => {
                let because = self.prove(*earlier, &head, &note)?;
                let cause = codec::decode(because.entry.as_bytes())?;
                (About::of(&event, command(&cause)?, account, metered.as_ref())?, Some(because))
            }
        };
        let (schema, origin) = (SCHEMA.to_owned(), origin.to_owned());
        Ok(Receipt { schema, origin, about, entry, proof, because, metered, openings })
    }

    /// The entry at `seq` with its proof under a published head.
    fn prove(&self, seq: u64, head: &Checkpoint, note: &str) -> Result<Proven> {
        let mut page = match seq < head.size {
            true => self.entries().read(seq..seq + 1)?,
            false => Vec::new(),
        };
        let entry = page
            .pop()
            .ok_or_else(|| NodeError::not_found(format!("entry {seq}: {} are published", head.size)))?;
        let plan = assay_tlog::Plan::inclusion(seq, head.size).map_err(NodeError::bug)?;
        let hashes = plan.hashes(&hash_tiles(self.public(), &plan)?).map_err(NodeError::bug)?;
        let checkpoint = note.to_owned();
        let proof = assay_tlog::Receipt { extra: None, index: seq, hashes, checkpoint };
        Ok(Proven { entry: String::from_utf8(entry).map_err(NodeError::bug)?, proof: proof.to_string() })
    }
}

/// Checks an entry against a checkpoint that `trust` accepts, of the log `origin`.
fn check(entry: &str, proof: &str, origin: &str, trust: &Trust) -> Result<(Event, Trusted)> {
    let proof: assay_tlog::Receipt = proof.parse().map_err(refuse)?;
    let head = trust.open(proof.checkpoint.as_bytes()).map_err(refuse)?;
    let Checkpoint { origin: found, size, root, .. } = &head.checkpoint;
    if found != origin {
        return Err(refuse(format!("its checkpoint is of {found}, not of {origin}")));
    }
    let leaf = leaf_hash(entry.as_bytes());
    verify_inclusion(proof.index, *size, &leaf, &proof.hashes, root).map_err(refuse)?;
    let event = codec::decode(entry.as_bytes()).map_err(refuse)?;
    match event.seq == proof.index {
        true => Ok((event, head)),
        false => Err(refuse(format!("entry {} is proven at index {}", event.seq, proof.index))),
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
        write_new(path, &self.text()?, 0o600)
    }

    /// Writes it in place of the one that is there: after a crash there is one or the other.
    pub(crate) fn replace(&self, path: &Path) -> Result<()> {
        Ok(write_secret(path, &self.text()?)?)
    }

    fn text(&self) -> Result<Vec<u8>> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Checks, offline, that the entry is in a log that `trust` accepts, and of the place that is asked for.
    pub fn verify(&self, trust: &Trust, wanted: &Wanted) -> Result<ReceiptHolds> {
        let (event, head) = check(&self.entry, &self.proof, &self.origin, trust)?;
        let cause = match (&event.cause, &self.because) {
            (Cause::Command(signed), None) => signed.as_ref().clone(),
            (Cause::Earlier(earlier), Some(because)) => {
                let (cause, _) = check(&because.entry, &because.proof, &self.origin, trust)?;
                if cause.seq != *earlier {
                    return Err(refuse("it shows another command than the one that its entry follows from"));
                }
                command(&cause)?.clone()
            }
            _ => return Err(refuse("it shows a command too many or too few")),
        };
        let about = About::of(&event, &cause, self.about.account.as_ref(), self.metered.as_ref())?;
        if about != self.about || cause.intent.origin != self.origin {
            return Err(refuse("its entry is of another place than it says"));
        }
        about.expect(&cause.intent.command, wanted)?;
        if about.kind == ReceiptKind::Contribution && !self.openings.is_empty() {
            self.committed(&event)?;
        }
        Ok(ReceiptHolds { event, head })
    }

    /// The openings' commitments, which must be those of the contribution.
    fn committed(&self, event: &Event) -> Result<Vec<(Digest, Salt)>> {
        let Command::Contribute { root, .. } = &command(event)?.intent.command else {
            return Err(refuse("its entry is no contribution"));
        };
        let openings = self.openings.iter().map(Opening::read).collect::<Result<Vec<_>>>()?;
        let commitments: Vec<Digest> = openings.iter().map(|(commitment, _)| *commitment).collect();
        match assay_ledger::commit::root(&commitments) == *root {
            true => Ok(openings),
            false => Err(refuse("the commitments are not those of the entry")),
        }
    }

    /// Checks that the openings are of `records`, and that the contribution's root is over their commitments.
    pub fn verify_records(&self, event: &Event, records: &[Record]) -> Result<()> {
        let Command::Contribute { datanet, .. } = &command(event)?.intent.command else {
            return Err(refuse("its entry is no contribution"));
        };
        if records.len() != self.openings.len() {
            return Err(refuse(format!("{} records for {} openings", records.len(), self.openings.len())));
        }
        let committed = self.committed(event)?;
        for ((opening, record), (commitment, salt)) in self.openings.iter().zip(records).zip(committed) {
            if !Content::Record.opens(&commitment, &salt, &self.origin, datanet, &canonical(record)?) {
                return Err(refuse(format!("record {} is not what was committed to", opening.index)));
            }
        }
        Ok(())
    }

    /// Checks that the entry is the answer `text`.
    pub fn verify_answer(&self, event: &Event, text: &str) -> Result<()> {
        let command = &command(event)?.intent.command;
        let metered = self.metered.as_ref().map(|metered| metered.of(event)).transpose()?;
        let (datanet, answer) = match (command, &metered) {
            (Command::Answer { datanet, answer, .. }, None) => (datanet, answer),
            (Command::Meter { datanet, .. }, Some(metered)) => (datanet, &metered.answer),
            _ => return Err(refuse("its entry is no answer")),
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

fn command(event: &Event) -> Result<&Signed> {
    match &event.cause {
        Cause::Command(signed) => Ok(signed),
        Cause::Earlier(_) => Err(refuse("its entry is no command")),
    }
}

fn refuse(why: impl std::fmt::Display) -> NodeError {
    NodeError::refused(format!("the receipt does not hold: {why}"))
}
