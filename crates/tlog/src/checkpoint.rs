//! Checkpoints: signed tree heads as notes (c2sp.org/tlog-checkpoint).

use std::fmt;
use std::str::FromStr;

use crate::decimal;
use crate::hash::Hash;
use crate::key::{SignerKey, VerifierKey};
use crate::note::{Note, NoteError};

/// The head of a log: displayed, the text that is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The identity of the log, such as `example.com/datanet`; one line, not empty.
    pub origin: String,
    /// The number of entries.
    pub size: u64,
    /// The root of the tree of that size.
    pub root: Hash,
    /// Further lines, not empty and each with its line feed. We write none: monitors cannot check them.
    pub extension: String,
}

/// Why a checkpoint is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note is malformed, or signed by others.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text has another form.
    #[error("line {0} of the checkpoint is malformed; expected origin, size, root and line feeds")]
    Line(usize),
    /// A rightly signed checkpoint of another log.
    #[error("the checkpoint is of log {found}, not of {expected}")]
    Origin {
        /// The log that was asked for.
        expected: String,
        /// The log in the checkpoint.
        found: String,
    },
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    #[must_use]
    pub fn new(origin: &str, size: u64, root: Hash) -> Self {
        Self { origin: origin.to_owned(), size, root, extension: String::new() }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n{}", self.origin, self.size, self.root.to_base64(), self.extension)
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let (origin, rest) = text.split_once('\n').ok_or(CheckpointError::Line(1))?;
        let (size, rest) = rest.split_once('\n').ok_or(CheckpointError::Line(2))?;
        let (root, extension) = rest.split_once('\n').ok_or(CheckpointError::Line(3))?;
        if origin.is_empty() {
            return Err(CheckpointError::Line(1));
        }
        let malformed = |line: &str| line == "\n" || !line.ends_with('\n');
        if let Some(line) = extension.split_inclusive('\n').position(malformed) {
            return Err(CheckpointError::Line(4 + line));
        }
        Ok(Self {
            origin: origin.to_owned(),
            size: decimal::parse(size).ok_or(CheckpointError::Line(2))?,
            root: Hash::from_base64(root).map_err(|_| CheckpointError::Line(3))?,
            extension: extension.to_owned(),
        })
    }
}

/// Signs a checkpoint. The caller must never sign two that are inconsistent.
pub fn sign_checkpoint(checkpoint: &Checkpoint, key: &SignerKey) -> Result<Note, CheckpointError> {
    let text = checkpoint.to_string();
    // A line feed inside the origin would sign another size.
    if text.parse::<Checkpoint>()? != *checkpoint {
        return Err(CheckpointError::Line(1));
    }
    Ok(Note::sign(&text, &[key])?)
}

/// Reads the checkpoint of the log `origin` from the bytes of a note, if `key` signed it.
pub fn open_checkpoint(note: &[u8], key: &VerifierKey, origin: &str) -> Result<Checkpoint, CheckpointError> {
    let note = Note::parse(note)?;
    note.verify(std::slice::from_ref(key))?;
    let checkpoint: Checkpoint = note.text().parse()?;
    if checkpoint.origin == origin {
        Ok(checkpoint)
    } else {
        Err(CheckpointError::Origin { expected: origin.to_owned(), found: checkpoint.origin })
    }
}
