//! The one byte form of everything that is hashed: canonical JSON (RFC 8785), integers only.

mod canonical;
mod parts;
mod wire;

use serde::Serialize;

use crate::event::{Event, Outcome};
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

/// Reads an entry. Total and strict: only the bytes that [`encode`] gives are accepted.
pub fn decode(bytes: &[u8]) -> Result<Event, CodecError> {
    match bytes.len() <= ENTRY_BYTES_MAX {
        true => wire::read(bytes).map_or_else(|| plainly(bytes), Ok),
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

/// Reads an entry and writes it again; whatever would not be written the same is refused, so that unknown and repeated
/// keys, white space, other number forms and other escapes are too.
fn plainly(bytes: &[u8]) -> Result<Event, CodecError> {
    let event: Event = serde_json::from_slice(bytes)?;
    let again = canonical(&event)?;
    if again == bytes {
        return Ok(event);
    }
    let same = again.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    Err(CodecError::NotCanonical { at: same })
}
