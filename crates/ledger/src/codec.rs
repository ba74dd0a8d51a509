//! The one byte form of everything that is hashed: canonical JSON (RFC 8785), integers only.

mod canonical;
mod parts;
mod wire;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::command::Form;
use crate::event::{Cause, Event, Outcome};
use crate::ids::Digest;
use crate::limits::{ENTRY_BYTES_MAX, INTEGER_MAX};
use canonical::Writer;
use wire::Wire;

/// Why bytes are not an entry, or why an entry has no bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Over the bound of an entry.
    #[error("an entry of {bytes} bytes is too large for the log; at most {ENTRY_BYTES_MAX} fit")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not JSON of the expected shape; says where.
    #[error("not the JSON of a log entry: {0}")]
    Json(String),
    /// JSON, but not its canonical form.
    #[error("byte {at} differs from the canonical form of the same JSON (RFC 8785)")]
    NotCanonical {
        /// First byte that differs.
        at: usize,
    },
    /// A number that JSON cannot carry exactly.
    #[error("{0} is not an integer between -{INTEGER_MAX} and {INTEGER_MAX}")]
    Number(String),
    /// An image of the state that cannot be written or read.
    #[error("the image of the state: {0}")]
    Image(String),
    /// A key outside ASCII, whose order RFC 8785 defines in UTF-16.
    #[error("{0:?} is not an ASCII key")]
    Key(String),
}

impl From<serde_json::Error> for CodecError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

/// The bytes of an entry.
pub fn encode(event: &Event) -> Result<Vec<u8>, CodecError> {
    let Outcome { postings, settled } = &event.outcome;
    let bytes = written(event, 768 + 128 * postings.len() + 256 * settled.len())?;
    match bytes.len() <= ENTRY_BYTES_MAX {
        true => Ok(bytes),
        false => Err(CodecError::TooLarge { bytes: bytes.len() }),
    }
}

/// An entry that was read, and what its bytes tell besides: they hold the canonical form of the intent, so that who needs
/// its digest need not write it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    event: Event,
    /// Of the intent, if there is one.
    form: Option<Form>,
}

impl Entry {
    /// What happened.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// What happened, without the rest.
    pub fn into_event(self) -> Event {
        self.event
    }

    /// [`Intent::digest`](crate::command::Intent::digest) of its command, if it is a command's.
    pub fn intent(&self) -> Option<Digest> {
        self.form.map(|form| form.digest)
    }

    pub(crate) fn form(&self) -> Option<Form> {
        self.form
    }
}

/// Reads an entry. Total and strict: only the bytes that [`encode`] gives are accepted.
pub fn decode(bytes: &[u8]) -> Result<Event, CodecError> {
    Ok(read(bytes)?.0)
}

/// [`decode`] for what is to be folded or replayed.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry, CodecError> {
    let (event, intent) = read(bytes)?;
    let form = match (&event.cause, intent) {
        (Cause::Command(_), Some(intent)) => Some(Form::of(intent)),
        (Cause::Command(signed), None) => Some(signed.intent.form()?),
        (Cause::Earlier(_), _) => None,
    };
    Ok(Entry { event, form })
}

/// An event, and the part of its bytes that is the intent's, where they were read at once.
fn read(bytes: &[u8]) -> Result<(Event, Option<&[u8]>), CodecError> {
    match bytes.len() <= ENTRY_BYTES_MAX {
        true => wire::read(bytes).map_or_else(|| Ok((plainly(bytes)?, None)), Ok),
        false => Err(CodecError::TooLarge { bytes: bytes.len() }),
    }
}

/// [`canonical`] of a part of an entry that takes about `room`.
pub(crate) fn written<T: Wire + Serialize>(part: &T, room: usize) -> Result<Vec<u8>, CodecError> {
    wire::write(part, room).map_or_else(|| canonical(part), Ok)
}

/// Canonical JSON of anything whose keys are ASCII and whose numbers are integers within ±[`INTEGER_MAX`].
pub fn canonical<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut writer = Writer::with_capacity(1024);
    value.serialize(&mut writer)?;
    Ok(writer.out)
}

/// Reads what [`written`] gives, and nothing else.
pub(crate) fn read_part<T: Wire + Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    wire::read(bytes).map_or_else(|| plainly(bytes), |(part, _)| Ok(part))
}

/// Reads a value and writes it again; whatever would not be written the same is refused, so that unknown and repeated
/// keys, white space, other number forms and other escapes are too.
fn plainly<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let value: T = serde_json::from_slice(bytes)?;
    let again = canonical(&value)?;
    if again == bytes {
        return Ok(value);
    }
    let same = again.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    Err(CodecError::NotCanonical { at: same })
}
