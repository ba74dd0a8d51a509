//! A file for what can be made again: bytes are added at its end, read anywhere, and erased.
//!
//! Invariant: it has no name and is gone with its process, whatever ends that. It needs no order of writes and no sync, but for erasing.
//!
//! Invariant: what is on the disk is under a key that is in memory only (ChaCha20, RFC 8439), so that the blocks which the file leaves behind
//! say nothing, also after a kill.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};
use zeroize::Zeroizing;

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
    key: Zeroizing<[u8; 32]>,
    /// Bytes could not be written: nothing is added any more.
    broken: bool,
}

impl ScratchFile {
    /// An empty file on the disk of `folder`. At most about twice `memory` bytes are in memory.
    pub fn new(folder: &Path, memory: usize) -> Result<Self, StoreError> {
        let file =
            tempfile::tempfile_in(folder).map_err(StoreError::io("create a temporary file in", folder))?;
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut()).map_err(|e| StoreError::Invalid(format!("no randomness: {e}")))?;
        Ok(Self {
            folder: folder.to_owned(),
            file,
            written: 0,
            newest: Vec::new(),
            newest_max: memory.max(1),
            key,
            broken: false,
        })
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
        for part in bytes.chunks(self.newest_max) {
            self.newest.extend_from_slice(part);
            if self.newest.len() > self.newest_max {
                self.write_newest()?;
            }
        }
        Ok(())
    }

    fn write_newest(&mut self) -> Result<(), StoreError> {
        if self.broken {
            self.newest.clear();
            return Err(StoreError::Invalid(
                "a scratch file that could not be written takes no more".to_owned(),
            ));
        }
        self.broken = true;
        let mut bytes = std::mem::take(&mut self.newest);
        self.turn(self.written, &mut bytes)?;
        write_at(&self.file, &bytes, self.written).map_err(self.failed("write to a file in"))?;
        self.written += bytes.len() as u64;
        bytes.clear();
        (self.newest, self.broken) = (bytes, false);
        Ok(())
    }

    /// Encrypts bytes from `at` on, or decrypts them.
    fn turn(&self, at: u64, bytes: &mut [u8]) -> Result<(), StoreError> {
        // One key a file, so one nonce serves.
        let mut cipher = ChaCha20::new((&*self.key).into(), &[0; 12].into());
        let turned = cipher.try_seek(at).is_ok() && cipher.try_apply_keystream(bytes).is_ok();
        turned
            .then_some(())
            .ok_or_else(|| StoreError::Invalid(format!("a scratch file of {at} bytes is full")))
    }

    /// Fills `into` with the bytes from `at` on.
    pub fn read(&self, at: u64, into: &mut [u8]) -> Result<(), StoreError> {
        let (in_file, newest) = self.part(at, into.len() as u64)?;
        let (from_file, from_memory) = into.split_at_mut(in_file);
        from_memory.copy_from_slice(&self.newest[newest]);
        if from_file.is_empty() {
            return Ok(());
        }
        read_at(&self.file, from_file, at).map_err(self.failed("read a file in"))?;
        self.turn(at, from_file)
    }

    /// Overwrites so many bytes from `at` on with zeros, on the disk before it answers.
    pub fn erase(&mut self, at: u64, bytes: u64) -> Result<(), StoreError> {
        let (in_file, newest) = self.part(at, bytes)?;
        self.newest[newest].fill(0);
        if in_file == 0 {
            return Ok(());
        }
        let mut zeros = vec![0; in_file];
        self.turn(at, &mut zeros)?;
        write_at(&self.file, &zeros, at)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_on_the_disk_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let text = b"a text that was withdrawn".repeat(9);
        let mut scratch = ScratchFile::new(folder.path(), 16).unwrap();
        scratch.append(&text).unwrap();
        let mut found = vec![0; scratch.written as usize];
        read_at(&scratch.file, &mut found, 0).unwrap();
        assert!(found.len() > 200 && !found.windows(4).any(|window| window == b"text"));
        let mut read = vec![0; text.len()];
        scratch.read(0, &mut read).unwrap();
        assert_eq!(read, text);
    }
}
