//! The one byte form of everything that is hashed: canonical JSON (RFC 8785), integers only.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::event::Event;
use crate::limits::{ENTRY_BYTES_MAX, INTEGER_MAX};

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
    let bytes = canonical(event)?;
    match bytes.len() <= ENTRY_BYTES_MAX {
        true => Ok(bytes),
        false => Err(CodecError::TooLarge { bytes: bytes.len() }),
    }
}

/// Reads an entry. Total and strict: only the bytes that [`encode`] gives are accepted.
pub fn decode(bytes: &[u8]) -> Result<Event, CodecError> {
    match bytes.len() <= ENTRY_BYTES_MAX {
        true => from_canonical(bytes),
        false => Err(CodecError::TooLarge { bytes: bytes.len() }),
    }
}

/// Canonical JSON of anything whose keys are ASCII and whose numbers are integers within ±[`INTEGER_MAX`].
pub fn canonical<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::with_capacity(1024);
    write(&serde_json::to_value(value)?, &mut out)?;
    Ok(out)
}

/// Reads canonical JSON; whatever would not be written the same again is refused, so that unknown and repeated
/// keys, white space, other number forms and other escapes are too.
pub(crate) fn from_canonical<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let value: T = serde_json::from_slice(bytes)?;
    let again = canonical(&value)?;
    if again == bytes {
        return Ok(value);
    }
    let same = again.iter().zip(bytes).take_while(|(a, b)| a == b).count();
    Err(CodecError::NotCanonical { at: same })
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), CodecError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => match number.as_i64() {
            Some(integer) if integer.unsigned_abs() <= INTEGER_MAX => plain(&integer, out)?,
            _ => return Err(CodecError::Number(number.to_string())),
        },
        Value::String(text) => plain(text, out)?,
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                separate(i, out);
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(map) => {
            // Sorted here, and not left to the map: its order is a feature of serde_json that any crate can change.
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push(b'{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if !key.is_ascii() {
                    return Err(CodecError::Key(key.clone()));
                }
                separate(i, out);
                plain(key, out)?;
                out.push(b':');
                write(item, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

/// An integer or a string: serde_json already writes these two as RFC 8785 has them.
fn plain<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    Ok(serde_json::to_writer(out, value)?)
}
