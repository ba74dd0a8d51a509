//! What a database does for a vault: it keeps rows and finds them. What they must be is checked above it.

use std::ops::RangeFrom;

use super::PrivateRecord;
use crate::StoreError;

/// A row before its lengths are checked.
pub(super) struct Stored {
    pub(super) commitment: Vec<u8>,
    pub(super) salt: Vec<u8>,
    pub(super) group: i64,
    pub(super) index: u32,
    pub(super) content: Vec<u8>,
}

/// The SHA-256 that bytes should have, and the bytes.
pub(super) type Hashed = (Vec<u8>, Vec<u8>);

/// One vault in one database.
pub(super) trait Rows: Send {
    /// Where it is, for messages; never a secret.
    fn place(&self) -> String;

    /// The record of a commitment.
    fn get(&self, commitment: &[u8; 32]) -> Result<Option<Stored>, StoreError>;

    /// The record at a place of a group.
    fn at(&self, group: i64, index: u32) -> Result<Option<Stored>, StoreError>;

    /// A page of the records of a group, in order.
    fn group(&self, group: i64, indices: RangeFrom<u32>) -> Result<Vec<Stored>, StoreError>;

    /// Every commitment, in the order in which they came.
    fn commitments(&self) -> Result<Vec<Vec<u8>>, StoreError>;

    /// A secret.
    fn get_private(&self, name: &str) -> Result<Option<Hashed>, StoreError>;

    /// Names of all secrets, sorted.
    fn private_names(&self) -> Result<Vec<String>, StoreError>;

    /// Those from one name on and before another, in the order of their bytes.
    fn private_names_between(&self, from: &str, to: &str) -> Result<Vec<String>, StoreError>;

    /// Stores all records or none.
    fn put_batch(&mut self, records: &[PrivateRecord]) -> Result<(), Taken>;

    /// Deletes records; how many there were.
    fn erase(&mut self, commitments: &[[u8; 32]]) -> Result<u64, StoreError>;

    /// Removes the last traces of what was deleted; `false` if a reader keeps them alive.
    fn scrub(&mut self) -> Result<bool, StoreError>;

    /// Stores secrets: name, SHA-256, bytes.
    fn put_private(&mut self, secrets: &[(&str, [u8; 32], &[u8])]) -> Result<(), StoreError>;

    /// Deletes a secret; whether there was one.
    fn erase_private(&mut self, name: &str) -> Result<bool, StoreError>;
}

/// Why a batch was not stored.
pub(super) enum Taken {
    /// This record of it is in conflict with a stored one.
    At(usize),
    /// Anything else.
    Store(StoreError),
}

impl From<StoreError> for Taken {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
