//! What an actor can ask for, and the signature that binds it to one place and one moment.

use std::collections::BTreeMap;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::codec::{CodecError, written};
use crate::ids::{AccountId, Code, DatanetId, Digest, Nonce, PublicKey, Signature, TableRef};

/// A command, with all that its signature covers. `origin` and `nonce` keep it from being replayed elsewhere or twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// Origin of the log that this is meant for.
    pub origin: String,
    /// Who asks.
    pub actor: AccountId,
    /// Unique per actor: repeating it with the same bytes gets the first answer, with others a refusal.
    pub nonce: Nonce,
    /// What is asked.
    pub command: Command,
}

/// An intent and the actor's Ed25519 signature over `"assay/intent/v1\n" || SHA-256(canonical JSON of the intent)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// What is signed.
    pub intent: Intent,
    /// By the key that [`signer`](crate::decide::signer) names.
    pub signature: Signature,
}

impl Intent {
    /// SHA-256 of the canonical JSON: two commands are the same when their digests are.
    pub fn digest(&self) -> Result<Digest, CodecError> {
        Ok(self.form()?.digest)
    }

    /// What is known of its canonical JSON.
    pub(crate) fn form(&self) -> Result<Form, CodecError> {
        let room = match &self.command {
            Command::Answer { shares, .. } => 640 + 64 * shares.len(),
            Command::MeterRows { rows, .. } => 640 + 64 * rows.len(),
            _ => 640,
        };
        Ok(Form::of(&written(self, room)?))
    }

    /// Signs with the actor's key.
    pub fn sign(self, key: &SigningKey) -> Result<Signed, CodecError> {
        let signature = key.sign(&message(&self.digest()?)).to_bytes();
        Ok(Signed { intent: self, signature: Signature(signature) })
    }
}

/// The canonical JSON of an intent, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) bytes: usize,
    pub(crate) digest: Digest,
}

impl Form {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len(), digest: Digest::of(bytes) }
    }
}

impl Signed {
    /// Whether the signature is `key`'s, by the strict rules (no small order, no malleable scalar). Needs no state: a
    /// verifier can check signatures in any order, on any thread.
    pub fn verify(&self, key: &PublicKey) -> bool {
        self.intent.digest().is_ok_and(|digest| self.verify_digest(&digest, key))
    }

    /// [`Signed::verify`] when the intent's digest is known.
    pub(crate) fn verify_digest(&self, digest: &Digest, key: &PublicKey) -> bool {
        signed_by(key, &message(digest), &self.signature)
    }
}

/// Whether a signature is `key`'s over `message`, by the strict rules.
pub(crate) fn signed_by(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
    VerifyingKey::from_bytes(&key.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// The bytes that a signature covers.
pub(crate) fn message(intent: &Digest) -> Vec<u8> {
    [b"assay/intent/v1\n", &intent.0[..]].concat()
}

/// The public half of a signing key.
impl From<&SigningKey> for PublicKey {
    fn from(key: &SigningKey) -> Self {
        Self(key.verifying_key().to_bytes())
    }
}

/// Everything that can be asked for, in the order of the path of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// First entry of every log: the operator founds it. The actor is the operator.
    Found {
        /// Operator's key.
        key: PublicKey,
        /// Verifier key of the log's checkpoints, `name+hash+base64`.
        log_key: String,
    },
    /// A key opens the account that is named after it. Signed by that key.
    OpenAccount {
        /// The account's key.
        key: PublicKey,
    },
    /// The account's key is replaced: from here on only the new one signs. Signed by the one that goes.
    RotateKey {
        /// The new key, which no account has ever had.
        key: PublicKey,
        /// By the new key: see [`Claim`](crate::key::Claim).
        proof: Signature,
    },
    /// Names the key that can replace the account's key when that was stolen. Signed by the account's key, or by the
    /// recovery key that goes: whoever has stolen the first cannot change the second.
    SetRecovery {
        /// The recovery key, which no account has ever had.
        key: PublicKey,
        /// By the recovery key: see [`Claim`](crate::key::Claim).
        proof: Signature,
    },
    /// The account's key is replaced, whoever has it. Signed by the recovery key, which stays.
    RecoverKey {
        /// The new key, which no account has ever had.
        key: PublicKey,
        /// By the new key: see [`Claim`](crate::key::Claim).
        proof: Signature,
    },
    /// Operator: money came in for `account`.
    Deposit {
        /// Whose.
        account: AccountId,
        /// How much.
        amount: Amount,
        /// Name of the payment outside; unique.
        reference: Code,
    },
    /// Money goes out to the actor.
    Withdraw {
        /// How much.
        amount: Amount,
        /// Name of the payment outside; unique.
        reference: Code,
    },
    /// The actor becomes owner of a new datanet.
    CreateDatanet {
        /// Its name, the same as in the charter.
        datanet: DatanetId,
        /// The charter, TOML, in full.
        charter: String,
        /// The sealed benchmark.
        benchmark: Benchmark,
    },
    /// Owner: `account` may act in `role`.
    Appoint {
        /// Where.
        datanet: DatanetId,
        /// Who.
        account: AccountId,
        /// As what.
        role: Role,
    },
    /// Records are offered. Their content stays out of the log.
    Contribute {
        /// Where.
        datanet: DatanetId,
        /// How many.
        records: u32,
        /// Merkle root (RFC 6962) over the records' commitments, in order.
        root: Digest,
        /// Table of the commitments.
        table: TableRef,
    },
    /// Operator: the gates' verdicts on one contribution.
    Gate {
        /// Where.
        datanet: DatanetId,
        /// The contribution, by its place in the log.
        contribution: u64,
        /// Records that passed.
        passed: u32,
        /// Indexes of records held for review, ascending.
        held: Vec<u32>,
        /// Records rejected.
        rejected: u32,
        /// Records per reason code, held and rejected.
        reasons: BTreeMap<Code, u32>,
        /// Table of verdicts, one row a record.
        table: TableRef,
    },
    /// Reviewer or owner: a held record passes or not.
    Review {
        /// Where.
        datanet: DatanetId,
        /// The contribution, by its place in the log.
        contribution: u64,
        /// The record in it.
        index: u32,
        /// True when it passes.
        pass: bool,
        /// Why.
        reason: Code,
    },
    /// Author or operator: the records of a contribution are taken back; content and salts are erased.
    Retract {
        /// Where.
        datanet: DatanetId,
        /// The contribution, by its place in the log.
        contribution: u64,
        /// Why.
        reason: Code,
    },
    /// Operator: the records that passed, frozen.
    Snapshot {
        /// Where.
        datanet: DatanetId,
        /// How many; must be all that have passed.
        records: u64,
        /// Merkle root over their commitments, in order of arrival.
        root: Digest,
        /// Table of `(contribution, index, commitment)`.
        table: TableRef,
    },
    /// Trainer or operator: a model of a snapshot, and its card.
    Train {
        /// Where.
        datanet: DatanetId,
        /// The snapshot, by its place in the log.
        snapshot: u64,
        /// Hash of the weights.
        weights: Digest,
        /// Hash of the recipe (code version, configuration, seed, inputs).
        recipe: Digest,
        /// Scores on the reporting fold of the sealed benchmark, by name of the model (`base`, `pool`, `snapshot`).
        scores: BTreeMap<Code, Score>,
    },
    /// Operator: some rows of a valuation, before the `value` that closes it.
    ValueRows {
        /// Where.
        datanet: DatanetId,
        /// The model, by its place in the log.
        model: u64,
        /// 0, 1, 2, ... without a hole.
        part: u32,
        /// Ascending by account over all parts.
        rows: Vec<ValueRow>,
    },
    /// Operator: closes a valuation; its rows must add up.
    Value {
        /// Where.
        datanet: DatanetId,
        /// The model, by its place in the log.
        model: u64,
        /// Parts sent before.
        parts: u32,
        /// U of the model of the records that earlier runs valued, in micro-bits; of the base in the first run.
        base_microbits: i64,
        /// U of the model of all records as measured, in micro-bits.
        full_microbits: i64,
        /// Sum of all rows' values.
        sum_microbits: i64,
        /// The part of that sum that records which were kept out of training are charged with; never above zero.
        withheld_microbits: i64,
        /// Quadrature nodes used.
        nodes: u32,
        /// Hash of the recipe.
        recipe: Digest,
        /// Table of record values.
        table: TableRef,
    },
    /// Operator: how well the values of a valuation agree with real retraining. One for each valuation.
    Audit {
        /// Where.
        datanet: DatanetId,
        /// The valuation, by its place in the log.
        valuation: u64,
        /// Rank correlation of values and measured effects, parts per million, -1,000,000 to 1,000,000.
        rank_ppm: i64,
        /// Share of the measured effects that lie within the intervals of the values, parts per million.
        coverage_ppm: u32,
        /// Contributors that were left out, one at a time.
        contributors: u64,
        /// Table of them, one row each.
        table: TableRef,
    },
    /// Sponsor: money that pays for value, by the charter's `[reward]`.
    Fund {
        /// Where.
        datanet: DatanetId,
        /// How much.
        amount: Amount,
    },
    /// Consumer: a question is to be answered for the charter's price.
    Ask {
        /// Where.
        datanet: DatanetId,
        /// Commitment of the question.
        query: Digest,
        /// The consumer refuses a higher price.
        price_max: Amount,
        /// Hours for which the price is held, as many as the charter asks for or more; none, as in logs from before there
        /// was this field, holds it until the question is answered or released.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hold_hours: Option<u32>,
    },
    /// Operator: the answer, and who shaped it.
    Answer {
        /// Where.
        datanet: DatanetId,
        /// The ask, by its place in the log.
        query: u64,
        /// The model that answered, by its place in the log.
        model: u64,
        /// Commitment of the answer.
        answer: Digest,
        /// Bits by which the datanet moved this answer.
        moved_microbits: i64,
        /// Parts per million of the contributors' part, ascending by account; what is left of a million goes by value.
        shares: Vec<Share>,
    },
    /// Operator: what answers credit to some contributors, before the `meter` that closes it.
    MeterRows {
        /// Where.
        datanet: DatanetId,
        /// 0, 1, 2, ... without a hole; 0 starts again.
        part: u32,
        /// Ascending by account over all parts.
        rows: Vec<Credit>,
    },
    /// Operator: every question that is open up to a place in the log is answered. A table says who shaped each answer,
    /// the parts sent before what that adds up to.
    Meter {
        /// Where.
        datanet: DatanetId,
        /// The model that answered, by its place in the log.
        model: u64,
        /// The last of the questions, by its place in the log.
        through: u64,
        /// How many there are.
        answers: u64,
        /// Parts sent before.
        parts: u32,
        /// Merkle root (RFC 6962) over the answers, in the order of the questions; a leaf is the canonical JSON of a
        /// [`Metered`](crate::meter::Metered).
        root: Digest,
        /// Table of the answers.
        table: TableRef,
    },
    /// Operator, or the consumer when the hold has expired: the question is not answered, the consumer gets the price back.
    Release {
        /// Where.
        datanet: DatanetId,
        /// The ask, by its place in the log.
        query: u64,
        /// Why.
        reason: Code,
    },
    /// Operator: closes an epoch.
    Settle {
        /// Where.
        datanet: DatanetId,
        /// Which; the first is 1.
        epoch: u32,
    },
    /// Operator: a document about the datanet, such as its report, is published under its hash.
    Publish {
        /// Where.
        datanet: DatanetId,
        /// What it is, such as `report`.
        name: Code,
        /// Table or document.
        table: TableRef,
    },
}

impl Command {
    /// The name that the log has for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Found { .. } => "found",
            Self::OpenAccount { .. } => "open_account",
            Self::RotateKey { .. } => "rotate_key",
            Self::SetRecovery { .. } => "set_recovery",
            Self::RecoverKey { .. } => "recover_key",
            Self::Deposit { .. } => "deposit",
            Self::Withdraw { .. } => "withdraw",
            Self::CreateDatanet { .. } => "create_datanet",
            Self::Appoint { .. } => "appoint",
            Self::Contribute { .. } => "contribute",
            Self::Gate { .. } => "gate",
            Self::Review { .. } => "review",
            Self::Retract { .. } => "retract",
            Self::Snapshot { .. } => "snapshot",
            Self::Train { .. } => "train",
            Self::ValueRows { .. } => "value_rows",
            Self::Value { .. } => "value",
            Self::Audit { .. } => "audit",
            Self::Fund { .. } => "fund",
            Self::Ask { .. } => "ask",
            Self::Answer { .. } => "answer",
            Self::MeterRows { .. } => "meter_rows",
            Self::Meter { .. } => "meter",
            Self::Release { .. } => "release",
            Self::Settle { .. } => "settle",
            Self::Publish { .. } => "publish",
        }
    }

    /// The datanet that it is about, if any.
    pub fn datanet(&self) -> Option<&DatanetId> {
        match self {
            Self::Found { .. }
            | Self::OpenAccount { .. }
            | Self::RotateKey { .. }
            | Self::SetRecovery { .. }
            | Self::RecoverKey { .. }
            | Self::Deposit { .. }
            | Self::Withdraw { .. } => None,
            Self::CreateDatanet { datanet, .. }
            | Self::Appoint { datanet, .. }
            | Self::Contribute { datanet, .. }
            | Self::Gate { datanet, .. }
            | Self::Review { datanet, .. }
            | Self::Retract { datanet, .. }
            | Self::Snapshot { datanet, .. }
            | Self::Train { datanet, .. }
            | Self::ValueRows { datanet, .. }
            | Self::Value { datanet, .. }
            | Self::Audit { datanet, .. }
            | Self::Fund { datanet, .. }
            | Self::Ask { datanet, .. }
            | Self::Answer { datanet, .. }
            | Self::MeterRows { datanet, .. }
            | Self::Meter { datanet, .. }
            | Self::Release { datanet, .. }
            | Self::Settle { datanet, .. }
            | Self::Publish { datanet, .. } => Some(datanet),
        }
    }
}

/// A sealed benchmark: known by salted roots before any record is scored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Benchmark {
    /// Root over the commitments of the rows that measure value.
    pub value_root: Digest,
    /// How many of them.
    pub value_rows: u32,
    /// Root over the commitments of the rows that report scores and are never used for pay.
    pub report_root: Digest,
    /// How many of them.
    pub report_rows: u32,
}

/// What an account may do in a datanet besides contributing and asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Decides held records.
    Reviewer,
    /// Trains models; one at a time, at first the operator.
    Trainer,
}

/// A model's score on the reporting fold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Share of rows answered rightly; for a numeric label, share of variance explained.
    pub accuracy_ppm: i64,
    /// Mean bits over the base.
    pub gain_microbits: i64,
    /// Lower end of the 95% interval of the gain.
    pub low_microbits: i64,
    /// Upper end.
    pub high_microbits: i64,
}

/// What one run found a contributor's records to be worth: those that no earlier run valued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueRow {
    /// Who.
    pub account: AccountId,
    /// Records in the snapshot, earlier ones included.
    pub records: u64,
    /// Value of the new ones; nothing when none is new.
    pub value_microbits: i64,
    /// Its standard error.
    pub se_microbits: i64,
    /// Lower end of the 95% interval.
    pub low_microbits: i64,
    /// Upper end.
    pub high_microbits: i64,
}

/// A contributor's share in an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Who.
    pub account: AccountId,
    /// How much, above zero.
    pub ppm: u32,
}

/// What the answers of a table credit to a contributor together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credit {
    /// Who.
    pub account: AccountId,
    /// How much, above zero.
    pub amount: Amount,
}
