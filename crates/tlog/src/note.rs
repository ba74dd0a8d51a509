//! Signed notes: text with signature lines below it (c2sp.org/signed-note).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::key::{KeyId, PublicKey, SignerKey, VerifierKey, is_key_name};

/// The longest note that is read, in bytes.
pub const MAX_NOTE_BYTES: usize = 1_000_000;
/// The most signatures that are read; the specification asks for at least 16.
pub const MAX_NOTE_SIGNATURES: usize = 100;

/// A note: text, and who signed it. The text is worth nothing before [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// A signature line. The name and the id say which key may have made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    name: String,
    key_id: KeyId,
    bytes: Vec<u8>,
}

/// Why a note is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than [`MAX_NOTE_BYTES`].
    #[error("the note has {0} bytes; at most {MAX_NOTE_BYTES} are read")]
    TooLong(usize),
    /// More than [`MAX_NOTE_SIGNATURES`].
    #[error("the note has more than {MAX_NOTE_SIGNATURES} signatures")]
    TooManySignatures,
    /// Not UTF-8, or a control character other than the line feed.
    #[error("a note is UTF-8 text without control characters other than the line feed")]
    Text,
    /// No signature block below the last empty line.
    #[error("a note is text ending in a line feed, an empty line, and signature lines")]
    Layout,
    /// A line of the signature block has another form.
    #[error("signature line {0} of the note is not an em dash, a key name and Base 64")]
    SignatureLine(usize),
    /// A known key did not sign this text.
    #[error("the signature of {0} does not belong to this text: the note was changed")]
    BadSignature(String),
    /// No known key signed it.
    #[error("no known key signed the note; compare the key that you hold with the names in it")]
    Unsigned,
}

impl Note {
    /// Signs `text`, which must end in a line feed, with each key in turn.
    pub fn sign(text: &str, keys: &[&SignerKey]) -> Result<Self, NoteError> {
        let signatures = keys.iter().map(|key| {
            Signature::new(key.verifier().name(), key.verifier().id(), key.sign(text.as_bytes()).to_vec())
        });
        let note = Self { text: text.to_owned(), signatures: signatures.collect() };
        // What this crate writes, it reads: one set of rules.
        Self::parse(note.to_string().as_bytes())
    }

    /// Reads a note; checks its form only.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLong(bytes.len()));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::Text)?;
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Text);
        }
        let end = note.rfind("\n\n").ok_or(NoteError::Layout)? + 1;
        let block = note[end + 1..].strip_suffix('\n').ok_or(NoteError::Layout)?;
        let lines: Vec<&str> = block.split('\n').take(MAX_NOTE_SIGNATURES + 1).collect();
        if lines.len() > MAX_NOTE_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        let signatures = lines
            .iter()
            .enumerate()
            .map(|(i, line)| Signature::parse(line).ok_or(NoteError::SignatureLine(i + 1)));
        Ok(Self { text: note[..end].to_owned(), signatures: signatures.collect::<Result<_, _>>()? })
    }

    /// The signed text, its last line feed included. Not to be used before [`Note::verify`].
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, of known and unknown keys.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds a signature line, unless the note has it already.
    pub fn push(&mut self, signature: Signature) -> Result<(), NoteError> {
        if self.signatures.contains(&signature) {
            return Ok(());
        }
        if self.signatures.len() == MAX_NOTE_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Checks the note against known keys and returns those that signed it, at least one.
    ///
    /// Lines of unknown keys are ignored; one wrong signature under the name and id of a known key rejects the note.
    pub fn verify<'k>(&self, known: &'k [VerifierKey]) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut signed_by: Vec<&VerifierKey> = Vec::new();
        for signature in &self.signatures {
            let Some(key) = known.iter().find(|key| signature.claims(key)) else {
                continue;
            };
            if !key.verifies(self.text.as_bytes(), &signature.bytes) {
                return Err(NoteError::BadSignature(key.name().to_owned()));
            }
            if !signed_by.contains(&key) {
                signed_by.push(key);
            }
        }
        if signed_by.is_empty() { Err(NoteError::Unsigned) } else { Ok(signed_by) }
    }
}

/// The bytes of the note, as published.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let decoded = STANDARD.decode(encoded).ok()?;
        let (key_id, bytes) = decoded.split_first_chunk()?;
        let well_formed = is_key_name(name) && !bytes.is_empty();
        well_formed.then(|| Self { name: name.to_owned(), key_id: *key_id, bytes: bytes.to_vec() })
    }

    /// A line of the key of that name and id.
    pub(crate) fn new(name: &str, key_id: KeyId, bytes: Vec<u8>) -> Self {
        Self { name: name.to_owned(), key_id, bytes }
    }

    /// Whether the line says that it is this key's.
    pub(crate) fn claims<const TYPE: u8>(&self, key: &PublicKey<TYPE>) -> bool {
        self.name == key.name() && self.key_id == key.id()
    }

    /// The name of the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the key.
    #[must_use]
    pub fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The signature proper, whose form depends on the type of the key.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\u{2014} {} {}", self.name, STANDARD.encode([&self.key_id[..], &self.bytes].concat()))
    }
}
