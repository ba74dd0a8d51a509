//! Cosignatures of witnesses on checkpoints (c2sp.org/tlog-cosignature, Ed25519, `cosignature/v1`).
//!
//! A cosignature says: at this time, the largest consistent tree that the witness had seen of this log has this root.

use crate::key::{CosignerKey, CosignerSecret};
use crate::note::{Note, NoteError, Signature};

/// The latest time that the format allows, in seconds since 1970.
const TIME_MAX: u64 = i64::MAX as u64;

/// A cosignature that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosigned<'k> {
    /// Who made it.
    pub by: &'k CosignerKey,
    /// When it says that it was made, in seconds since 1970. We keep no clock: the caller may refuse the future.
    pub time: u64,
}

/// The bytes that are signed: two lines and the text of the note, with its extension lines and without signatures.
fn message(text: &str, time: u64) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

impl CosignerSecret {
    /// Cosigns the text of a checkpoint at `time`, in seconds since 1970. The caller must have stored, durably and in one
    /// step with the comparison, that this is the newest checkpoint of its log.
    #[must_use]
    pub fn cosign(&self, text: &str, time: u64) -> Signature {
        let time = time.min(TIME_MAX);
        let bytes = [&time.to_be_bytes()[..], &self.sign(&message(text, time))].concat();
        Signature::new(self.verifier().name(), self.verifier().id(), bytes)
    }
}

impl CosignerKey {
    /// The time of a cosignature on `text`, if it holds.
    fn opens(&self, text: &str, signature: &Signature) -> Option<u64> {
        let (time, signature) = signature.bytes().split_first_chunk()?;
        let time = u64::from_be_bytes(*time);
        (time <= TIME_MAX && self.verifies(&message(text, time), signature)).then_some(time)
    }
}

impl Note {
    /// The cosignatures of known witnesses, one each, its latest; none is no error.
    ///
    /// Lines of unknown keys are ignored; one wrong cosignature under the name and id of a known key rejects the note.
    pub fn cosignatures<'k>(&self, known: &'k [CosignerKey]) -> Result<Vec<Cosigned<'k>>, NoteError> {
        let mut found: Vec<Cosigned<'k>> = Vec::new();
        for signature in self.signatures() {
            let Some(by) = known.iter().find(|key| signature.claims(key)) else { continue };
            let time = by.opens(self.text(), signature);
            let time = time.ok_or_else(|| NoteError::BadSignature(by.name().to_owned()))?;
            match found.iter_mut().find(|cosigned| cosigned.by == by) {
                Some(cosigned) => cosigned.time = cosigned.time.max(time),
                None => found.push(Cosigned { by, time }),
            }
        }
        Ok(found)
    }
}
