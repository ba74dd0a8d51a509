//! Files for what the index of near duplicates does not keep in memory.

use std::path::PathBuf;
use std::sync::Arc;

use assay_quality::{MakeStore, TextStore, TextStoreError};
use assay_store::{ScratchFile, StoreError};

/// Bytes that wait in memory until they are written.
const NEWEST_MAX: usize = 1 << 16;

/// Files without a name on the disk of a folder; each is gone when it is no longer used, whatever ends the process.
pub(super) fn files_in(folder: PathBuf) -> MakeStore {
    Arc::new(move || Ok(Box::new(Scratch(ScratchFile::new(&folder, NEWEST_MAX).map_err(failed)?))))
}

struct Scratch(ScratchFile);

impl TextStore for Scratch {
    fn append(&mut self, bytes: &[u8]) -> Result<(), TextStoreError> {
        self.0.append(bytes).map_err(failed)
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), TextStoreError> {
        self.0.read(at, into).map_err(failed)
    }

    fn erase(&mut self, at: u64, bytes: u64) -> Result<(), TextStoreError> {
        self.0.erase(at, bytes).map_err(failed)
    }
}

fn failed(error: StoreError) -> TextStoreError {
    TextStoreError(error.to_string())
}
