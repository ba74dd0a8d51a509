//! A file for what can be made again: bytes are added at its end, read anywhere, and erased.
//!
//! Invariant: it has no name and is gone with its process, whatever ends that. Nothing of it is left to be recovered, so it needs
//! no order of writes and no sync, but for erasing.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::StoreError;

/// Bytes end to end, numbered from 0: the newest in memory, all others in a file.
pub struct ScratchFile {
    folder: PathBuf,
    file: File,
    /// Bytes in the file.
    written: u64,
    /// Bytes behind them.
    newest: Vec<u8>,
    newest_max: usize,
}

impl ScratchFile {
    /// An empty file on the disk of `folder`. At most `memory` bytes, and what is added at once, are in memory.
    pub fn new(folder: &Path, memory: usize) -> Result<Self, StoreError> {
        let file =
            tempfile::tempfile_in(folder).map_err(StoreError::io("create a temporary file in", folder))?;
        Ok(Self { folder: folder.to_owned(), file, written: 0, newest: Vec::new(), newest_max: memory })
    }

    /// How many bytes were added.
    pub fn len(&self) -> u64 {
        self.written + self.newest.len() as u64
    }

    /// Whether none were.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds bytes at the end.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.newest.extend_from_slice(bytes);
        if self.newest.len() > self.newest_max {
            write_at(&self.file, &self.newest, self.written).map_err(self.failed("write to a file in"))?;
            self.written = self.len();
            self.newest.clear();
        }
        Ok(())
    }

    /// Fills `into` with the bytes from `at` on.
    pub fn read(&self, at: u64, into: &mut [u8]) -> Result<(), StoreError> {
        let (in_file, newest) = self.part(at, into.len() as u64)?;
        let (from_file, from_memory) = into.split_at_mut(in_file);
        from_memory.copy_from_slice(&self.newest[newest]);
        if from_file.is_empty() {
            return Ok(());
        }
        read_at(&self.file, from_file, at).map_err(self.failed("read a file in"))
    }

    /// Overwrites so many bytes from `at` on with zeros, on the disk before it answers.
    pub fn erase(&mut self, at: u64, bytes: u64) -> Result<(), StoreError> {
        let (in_file, newest) = self.part(at, bytes)?;
        self.newest[newest].fill(0);
        if in_file == 0 {
            return Ok(());
        }
        write_at(&self.file, &vec![0; in_file], at)
            .and_then(|()| self.file.sync_data())
            .map_err(self.failed("erase part of a file in"))
    }

    /// How many of these bytes are in the file, and which of the newest the others are.
    fn part(&self, at: u64, bytes: u64) -> Result<(usize, std::ops::Range<usize>), StoreError> {
        let end = at.checked_add(bytes).filter(|&end| end <= self.len());
        let end = end.ok_or_else(|| {
            StoreError::Invalid(format!("{bytes} bytes at {at} of a file of {} are not there", self.len()))
        })?;
        let newest = |place: u64| place.saturating_sub(self.written) as usize;
        Ok((end.min(self.written).saturating_sub(at) as usize, newest(at)..newest(end)))
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
        StoreError::io(action, &self.folder)
    }
}

#[cfg(unix)]
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, at)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn read_at(file: &File, mut into: &mut [u8], mut at: u64) -> io::Result<()> {
    while !into.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, into, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => (into, at) = (&mut into[read..], at + read as u64),
        }
    }
    Ok(())
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        (bytes, at) = (&bytes[written..], at + written as u64);
    }
    Ok(())
}
