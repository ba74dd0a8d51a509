//! The files that a stranger was given, each to be accounted for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::broken;
use crate::error::{NodeError, Result};

/// Files in a public folder at most.
const FILES_MAX: usize = 10_000_000;
/// Depth of folders at most.
const DEPTH_MAX: usize = 12;
/// Bytes of one file at most.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// A public folder: which files are there, and which have been accounted for.
pub(super) struct Folder {
    root: PathBuf,
    sizes: BTreeMap<String, u64>,
    taken: BTreeSet<String>,
}

impl Folder {
    pub(super) fn open(root: &Path) -> Result<Self> {
        let mut folder = Self { root: root.to_path_buf(), sizes: BTreeMap::new(), taken: BTreeSet::new() };
        folder.list(root, "", 0)?;
        Ok(folder)
    }

    fn list(&mut self, dir: &Path, prefix: &str, depth: usize) -> Result<()> {
        for entry in fs::read_dir(dir).map_err(|e| NodeError::file(dir, &e))? {
            let entry = entry.map_err(|e| NodeError::file(dir, &e))?;
            let file_name =
                entry.file_name().into_string().unwrap_or_else(|n| n.to_string_lossy().into_owned());
            let name = format!("{prefix}{file_name}");
            let meta = fs::symlink_metadata(entry.path()).map_err(|e| NodeError::file(&entry.path(), &e))?;
            if meta.is_dir() && depth < DEPTH_MAX {
                self.list(&entry.path(), &format!("{name}/"), depth + 1)?;
            } else if meta.is_file() && self.sizes.len() < FILES_MAX {
                // What a crash left half-written was never part of anything.
                if !file_name.starts_with(".tmp-") {
                    self.sizes.insert(name, meta.len());
                }
            } else {
                return Err(broken(&name, "is neither a file nor a folder that a log publishes"));
            }
        }
        Ok(())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.sizes.keys().map(String::as_str)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.sizes.contains_key(name)
    }

    /// The bytes of a file.
    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>> {
        match self.sizes.get(name) {
            None => Err(broken(name, "is missing")),
            Some(&size) if size > FILE_BYTES_MAX => Err(broken(name, "is larger than any public file")),
            Some(_) => {
                let path = self.root.join(name);
                fs::read(&path).map_err(|e| NodeError::file(&path, &e))
            }
        }
    }

    /// The bytes of a file, which is accounted for by that.
    pub(super) fn take(&mut self, name: &str) -> Result<Vec<u8>> {
        let bytes = self.read(name)?;
        self.taken.insert(name.to_owned());
        Ok(bytes)
    }

    pub(super) fn is_taken(&self, name: &str) -> bool {
        self.taken.contains(name)
    }

    pub(super) fn count(&self) -> u64 {
        self.taken.len() as u64
    }

    /// Fails on a file that nothing accounted for.
    pub(super) fn finish(&self) -> Result<()> {
        match self.names().find(|name| !self.taken.contains(*name)) {
            Some(name) => Err(broken(name, "is named by no entry of the log")),
            None => Ok(()),
        }
    }
}
