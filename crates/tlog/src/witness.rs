//! What logs and witnesses say to each other (c2sp.org/tlog-witness): `add-checkpoint`, its answers, and the rule by
//! which a witness decides.

use std::fmt;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::decimal;
use crate::hash::{Hash, empty_root};
use crate::key::{CosignerKey, VerifierKey};
use crate::note::{MAX_NOTE_BYTES, Note, NoteError, Signature};
use crate::proof::{ProofError, verify_consistency};

/// The longest request that is read, in bytes.
pub const MAX_REQUEST_BYTES: usize = MAX_NOTE_BYTES + 64 * 64;
/// Content type of the answer that tells the size a witness knows.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";
/// The most hashes of a consistency proof that the protocol carries.
const MAX_HASHES: usize = 63;

/// The body of `add-checkpoint`; displayed, its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the log believes the witness knows.
    pub old: u64,
    /// Consistency proof from that size to the checkpoint's.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub note: Note,
}

/// The newest head of a log that a witness cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witnessed {
    /// Entries.
    pub size: u64,
    /// Root of that tree.
    pub root: Hash,
}

/// Before the first cosignature: the empty tree, which every log extends.
impl Default for Witnessed {
    fn default() -> Self {
        Self { size: 0, root: empty_root() }
    }
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The body has another form.
    #[error("line {line} of the request is malformed: expected {expected}")]
    Line {
        /// From 1.
        line: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// Below the empty line is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The old size is above that of the checkpoint.
    #[error("the old size {old} is above the checkpoint's {new}")]
    Shrunk {
        /// As sent.
        old: u64,
        /// As signed.
        new: u64,
    },
    /// No log of that origin is known here.
    #[error("the log {0} is not known here")]
    UnknownLog(String),
    /// No known key of the log signed, or a signature of one is wrong.
    #[error("the checkpoint is not signed by a known key of {0}")]
    Unsigned(String),
    /// The witness knows another tree: of another size, or of this size with another root.
    #[error("the newest checkpoint that was cosigned here has {0} entries")]
    Conflict(u64),
    /// The proof does not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl Refusal {
    /// The HTTP status that the protocol gives it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Line { .. } | Self::Checkpoint(_) | Self::Shrunk { .. } => 400,
            Self::Unsigned(_) => 403,
            Self::UnknownLog(_) => 404,
            Self::Conflict(_) => 409,
            Self::Proof(_) => 422,
        }
    }
}

impl AddCheckpoint {
    /// Reads a request; checks its form only.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let malformed = |line, expected| Refusal::Line { line, expected };
        if bytes.len() > MAX_REQUEST_BYTES {
            return Err(malformed(1, "at most about a million bytes"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed(1, "UTF-8 text"))?;
        let (first, mut rest) = text.split_once('\n').ok_or(malformed(1, "a line feed at its end"))?;
        let old = first.strip_prefix("old ").and_then(decimal::parse);
        let old = old.ok_or(malformed(1, "old and a decimal number"))?;
        let mut proof = Vec::new();
        loop {
            let line = proof.len() + 2;
            let (hash, below) = rest.split_once('\n').ok_or(malformed(line, "a hash or an empty line"))?;
            rest = below;
            if hash.is_empty() {
                break;
            }
            if proof.len() == MAX_HASHES {
                return Err(malformed(line, "an empty line after 63 hashes"));
            }
            proof.push(Hash::from_base64(hash).map_err(|_| malformed(line, "a hash in Base 64"))?);
        }
        let note = Note::parse(rest.as_bytes()).map_err(CheckpointError::from)?;
        Ok(Self { old, proof, note })
    }

    /// The checkpoint, whoever signed it: its origin says which keys to ask for.
    pub fn checkpoint(&self) -> Result<Checkpoint, Refusal> {
        Ok(self.note.text().parse()?)
    }

    /// Decides. `keys` are those that the witness trusts for the checkpoint's origin, `known` what it cosigned last for
    /// it. The answer is the head to store, in one step with reading `known`, before anything is signed.
    pub fn judge(&self, keys: &[VerifierKey], known: Witnessed) -> Result<Witnessed, Refusal> {
        let Checkpoint { origin, size, root, .. } = self.checkpoint()?;
        if keys.is_empty() {
            return Err(Refusal::UnknownLog(origin));
        }
        self.note.verify(keys).map_err(|_| Refusal::Unsigned(origin))?;
        if self.old > size {
            return Err(Refusal::Shrunk { old: self.old, new: size });
        }
        let same_size_other_root = self.old == size && root != known.root;
        if self.old != known.size || same_size_other_root {
            return Err(Refusal::Conflict(known.size));
        }
        verify_consistency(self.old, size, &known.root, &root, &self.proof)?;
        Ok(Witnessed { size, root })
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.note)
    }
}

/// The cosignatures of `key` on `note` in the body of a witness's answer: lines of other keys are left out, a wrong one
/// of this key is an error.
pub fn read_cosignatures(note: &Note, body: &[u8], key: &CosignerKey) -> Result<Vec<Signature>, NoteError> {
    let whole = [format!("{}\n", note.text()).as_bytes(), body].concat();
    let answer = Note::parse(&whole)?;
    // The text above must be ours: an answer with an empty line inside would move its end.
    if answer.text() != note.text() {
        return Err(NoteError::Layout);
    }
    if answer.cosignatures(std::slice::from_ref(key))?.is_empty() {
        return Err(NoteError::Unsigned);
    }
    Ok(answer.signatures().iter().filter(|line| line.claims(key)).cloned().collect())
}

/// The body of an answer 409: the size that the witness knows.
#[must_use]
pub fn read_size(body: &[u8]) -> Option<u64> {
    decimal::parse(std::str::from_utf8(body).ok()?.strip_suffix('\n')?)
}
