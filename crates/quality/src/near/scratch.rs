//! Where an index keeps what would take too much memory.

use std::ops::Range;
use std::sync::Arc;

/// A place for bytes of an index, end to end from byte 0: its texts, or its lists.
///
/// An index is made from its texts and can be made again from them: what it keeps need not outlive it.
pub trait TextStore: Send + Sync {
    /// Adds bytes at the end.
    fn append(&mut self, bytes: &[u8]) -> Result<(), TextStoreError>;

    /// Fills `into` with the bytes from `at` on.
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), TextStoreError>;

    /// Overwrites so many bytes from `at` on with zeros, for good: nothing of them may be found afterwards.
    fn erase(&mut self, at: u64, bytes: u64) -> Result<(), TextStoreError>;
}

/// Makes empty stores; a store is gone when it is dropped.
pub type MakeStore = Arc<dyn Fn() -> Result<Box<dyn TextStore>, TextStoreError> + Send + Sync>;

/// Part of an index could not be kept, read or erased.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the near-duplicate index: {0}; make it again from its records")]
pub struct TextStoreError(pub String);

/// Bytes end to end.
pub(crate) enum Place {
    Memory(Vec<u8>),
    Store(Box<dyn TextStore>),
}

impl Default for Place {
    fn default() -> Self {
        Place::Memory(Vec::new())
    }
}

impl Place {
    /// How many bytes are in memory.
    pub(crate) fn in_memory(&self) -> usize {
        match self {
            Place::Memory(bytes) => bytes.len(),
            Place::Store(_) => 0,
        }
    }

    /// Puts what is in memory into a new store.
    pub(crate) fn move_to(&mut self, make: &MakeStore) -> Result<(), TextStoreError> {
        let Place::Memory(bytes) = self else { return Ok(()) };
        let mut store = make()?;
        store.append(bytes)?;
        *self = Place::Store(store);
        Ok(())
    }
}

impl TextStore for Place {
    fn append(&mut self, more: &[u8]) -> Result<(), TextStoreError> {
        match self {
            Place::Memory(bytes) => {
                bytes.extend_from_slice(more);
                Ok(())
            }
            Place::Store(store) => store.append(more),
        }
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), TextStoreError> {
        match self {
            Place::Memory(bytes) => {
                into.copy_from_slice(&bytes[part(bytes, at, into.len())?]);
                Ok(())
            }
            Place::Store(store) => store.read(at, into),
        }
    }

    fn erase(&mut self, at: u64, many: u64) -> Result<(), TextStoreError> {
        match self {
            Place::Memory(bytes) => {
                let part = part(bytes, at, many as usize)?;
                bytes[part].fill(0);
                Ok(())
            }
            Place::Store(store) => store.erase(at, many),
        }
    }
}

fn part(bytes: &[u8], at: u64, many: usize) -> Result<Range<usize>, TextStoreError> {
    let at = at as usize;
    let end = at.checked_add(many).filter(|&end| end <= bytes.len());
    end.map(|end| at..end).ok_or_else(|| TextStoreError(format!("{many} bytes at {at} are not there")))
}
