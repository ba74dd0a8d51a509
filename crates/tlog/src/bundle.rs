//! Entry bundles: up to 256 entries, each behind its length as a big-endian 16-bit number (c2sp.org/tlog-tiles).

/// The longest entry that the format can hold, in bytes.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;

/// Why bytes are not a bundle, or entries do not fit one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// An entry is longer than [`MAX_ENTRY_BYTES`].
    #[error(
        "entry of {bytes} bytes: the format allows {MAX_ENTRY_BYTES}; put bulk data in a table and log its hash"
    )]
    EntryTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The bytes end inside an entry.
    #[error("the bundle ends inside entry {entry} of {want}: it is truncated")]
    Truncated {
        /// The position inside the bundle, from 0.
        entry: u16,
        /// The entries that were expected.
        want: u16,
    },
    /// Bytes follow the last entry.
    #[error("{bytes} bytes follow the last entry of the bundle")]
    Trailing {
        /// How many.
        bytes: usize,
    },
}

/// Appends one entry to the bytes of a bundle.
pub fn push(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
    let length = u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong { bytes: entry.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Reads a bundle of exactly `width` entries, as its tile path announces them.
pub fn parse(mut bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::with_capacity(width.into());
    for entry in 0..width {
        let (head, rest) = split(bytes).ok_or(BundleError::Truncated { entry, want: width })?;
        entries.push(head);
        bytes = rest;
    }
    if bytes.is_empty() { Ok(entries) } else { Err(BundleError::Trailing { bytes: bytes.len() }) }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}
