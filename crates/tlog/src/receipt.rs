//! Receipts: a proof of inclusion and the checkpoint it leads to, in one text (`c2sp.org/tlog-proof@v1`).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, CheckpointError, open_checkpoint};
use crate::decimal;
use crate::hash::{Hash, leaf_hash};
use crate::key::VerifierKey;
use crate::note::MAX_NOTE_BYTES;
use crate::proof::{ProofError, verify_inclusion};

/// The longest receipt that is read, in bytes.
pub const MAX_RECEIPT_BYTES: usize = 2 * MAX_NOTE_BYTES;
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// The longest path in a tree of 64-bit size.
const MAX_HASHES: usize = 64;

/// A receipt for one entry; displayed, the text of a `.tlog-proof` file. Nothing in it is known before
/// [`Receipt::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Data that nobody signed, for the reader's convenience only.
    pub extra: Option<Vec<u8>>,
    /// The position of the entry in the log, from 0.
    pub index: u64,
    /// The inclusion proof, from the sibling of the leaf up.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, verbatim.
    pub checkpoint: String,
}

/// Why a receipt is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Longer than [`MAX_RECEIPT_BYTES`].
    #[error("the receipt has {0} bytes; at most {MAX_RECEIPT_BYTES} are read")]
    TooLong(usize),
    /// The text has another form.
    #[error("line {line} of the receipt is malformed: expected {expected}")]
    Line {
        /// From 1.
        line: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// The checkpoint is malformed, of another log, or not signed by the key.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The entry is not at this place of the log.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl Receipt {
    /// Reads the bytes of a receipt; checks its form only.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > MAX_RECEIPT_BYTES {
            return Err(ReceiptError::TooLong(bytes.len()));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|&&b| b == b'\n').count();
            ReceiptError::Line { line, expected: "UTF-8 text" }
        })?;
        text.parse()
    }

    /// Checks, offline, that `entry` is in the log `origin` whose key is `key`; returns the checkpoint that proves it.
    pub fn verify(&self, entry: &[u8], key: &VerifierKey, origin: &str) -> Result<Checkpoint, ReceiptError> {
        let checkpoint = open_checkpoint(self.checkpoint.as_bytes(), key, origin)?;
        verify_inclusion(self.index, checkpoint.size, &leaf_hash(entry), &self.hashes, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for Receipt {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        let mut lines = Lines { rest: text, number: 0 };
        if lines.next()? != HEADER {
            return Err(lines.malformed("c2sp.org/tlog-proof@v1"));
        }
        let mut line = lines.next()?;
        let mut extra = None;
        if let Some(encoded) = line.strip_prefix("extra ") {
            extra = Some(STANDARD.decode(encoded).map_err(|_| lines.malformed("extra data in Base 64"))?);
            line = lines.next()?;
        }
        let index = line.strip_prefix("index ").and_then(decimal::parse);
        let index = index.ok_or_else(|| lines.malformed("index and a decimal number"))?;
        let mut hashes = Vec::new();
        loop {
            match lines.next()? {
                "" => break,
                _ if hashes.len() == MAX_HASHES => {
                    return Err(lines.malformed("an empty line after 64 hashes"));
                }
                hash => hashes.push(
                    Hash::from_base64(hash)
                        .map_err(|_| lines.malformed("a hash in Base 64, or an empty line"))?,
                ),
            }
        }
        Ok(Self { extra, index, hashes, checkpoint: lines.rest.to_owned() })
    }
}

/// Lines that each end in a line feed, counted for the messages.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a str, ReceiptError> {
        self.number += 1;
        let (line, rest) =
            self.rest.split_once('\n').ok_or_else(|| self.malformed("a line feed at its end"))?;
        self.rest = rest;
        Ok(line)
    }

    fn malformed(&self, expected: &'static str) -> ReceiptError {
        ReceiptError::Line { line: self.number, expected }
    }
}
