//! The files that a stranger was given: in a folder, each to be accounted for, or on a far server, each as it is needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use assay_store::{PublicFiles, StoreError};
use assay_tlog::{Tile, TileKind, growth};

use super::broken;
use crate::error::{NodeError, Result};
use crate::publish::TILE_BYTES_MAX;

/// Files in a public folder at most.
const FILES_MAX: usize = 10_000_000;
/// Depth of folders at most.
const DEPTH_MAX: usize = 12;
/// Bundles that are asked of a far server at a time, so that its distance is paid once for all of them.
const FETCHED_TOGETHER: usize = 8;

/// Public files: where they are, and which have been accounted for.
pub(super) struct Folder {
    source: Source,
    taken: BTreeSet<String>,
    fetched: u64,
}

enum Source {
    /// A folder, and the sizes of all that is in it.
    Local { root: PathBuf, sizes: BTreeMap<String, u64> },
    /// A server, which is asked for one file at a time.
    Far(PublicFiles),
}

impl Folder {
    pub(super) fn open(root: &Path) -> Result<Self> {
        let mut sizes = BTreeMap::new();
        list(&mut sizes, root, "", 0)?;
        Ok(Self::of(Source::Local { root: root.to_path_buf(), sizes }))
    }

    pub(super) fn far(files: PublicFiles) -> Self {
        Self::of(Source::Far(files))
    }

    fn of(source: Source) -> Self {
        Self { source, taken: BTreeSet::new(), fetched: 0 }
    }

    /// The names of all files, where they can be listed.
    pub(super) fn names(&self) -> Option<impl Iterator<Item = &str>> {
        match &self.source {
            Source::Local { sizes, .. } => Some(sizes.keys().map(String::as_str)),
            Source::Far(_) => None,
        }
    }

    /// The bytes of a file; `None` if there is none.
    fn find(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>> {
        let too_long = || Err(broken(name, format!("is longer than the {bytes_max} bytes that it may have")));
        match &self.source {
            Source::Local { root, sizes } => match sizes.get(name) {
                None => Ok(None),
                Some(&size) if size > bytes_max => too_long(),
                Some(_) => {
                    let path = root.join(name);
                    fs::read(&path).map(Some).map_err(|e| NodeError::file(&path, &e))
                }
            },
            Source::Far(files) => match files.read(name, bytes_max) {
                Err(StoreError::Limit { .. }) => too_long(),
                read => Ok(read?),
            },
        }
    }

    /// The bytes of a file, which is accounted for by that; `None` if there is none.
    pub(super) fn take_any(&mut self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>> {
        let found = self.find(name, bytes_max)?;
        if found.is_some() {
            self.account_for(name);
        }
        Ok(found)
    }

    /// The bytes of a file that must be there, which is accounted for by that.
    pub(super) fn take(&mut self, name: &str, bytes_max: u64) -> Result<Vec<u8>> {
        self.take_any(name, bytes_max)?.ok_or_else(|| broken(name, "is missing"))
    }

    /// A file that was read already has its place.
    pub(super) fn account_for(&mut self, name: &str) {
        match self.source {
            Source::Local { .. } => drop(self.taken.insert(name.to_owned())),
            Source::Far(_) => self.fetched += 1,
        }
    }

    /// The entry bundles that a log of `size` entries has beyond the first `from`, in order.
    pub(super) fn bundles(&self, from: u64, size: u64) -> Bundles {
        let tiles = growth(from, size).filter(|tile| tile.kind() == TileKind::Entries);
        match &self.source {
            Source::Local { .. } => Bundles::Here(Box::new(tiles)),
            Source::Far(files) => Bundles::Coming(ahead(files.clone(), tiles)),
        }
    }

    fn bundle(&self, tile: Tile) -> Result<Bundle> {
        let read = |tile: Tile| {
            let name = tile.path();
            self.find(&name, TILE_BYTES_MAX)?.ok_or_else(|| broken(&name, "is missing"))
        };
        let leaves = Tile::new(TileKind::Hashes(0), tile.index(), tile.width());
        let leaves = leaves.ok_or_else(|| NodeError::bug("a bundle has a tile of hashes"))?;
        Ok(Bundle { tile, entries: read(tile)?, leaves, hashes: read(leaves)? })
    }

    /// Whether a file that must have been read by now was not; on a far server each was, or its absence was an error.
    pub(super) fn lacks(&self, name: &str) -> bool {
        matches!(self.source, Source::Local { .. }) && !self.taken.contains(name)
    }

    /// Files that were accounted for.
    pub(super) fn count(&self) -> u64 {
        self.taken.len() as u64 + self.fetched
    }

    /// Fails on a file that nothing accounted for.
    pub(super) fn finish(&self) -> Result<()> {
        match self.names().and_then(|mut names| names.find(|name| !self.taken.contains(*name))) {
            Some(name) => Err(broken(name, "is named by no entry of the log")),
            None => Ok(()),
        }
    }
}

/// Entry bundles, one after the other.
pub(super) enum Bundles {
    Here(Box<dyn Iterator<Item = Tile>>),
    Coming(Receiver<Result<Bundle>>),
}

/// A bundle of entries and the tile of their hashes, as read.
pub(super) struct Bundle {
    pub(super) tile: Tile,
    pub(super) entries: Vec<u8>,
    leaves: Tile,
    hashes: Vec<u8>,
}

impl Bundle {
    /// The bytes of a tile, if they were read with the bundle.
    pub(super) fn has(&self, tile: Tile) -> Option<&[u8]> {
        match tile {
            _ if tile == self.tile => Some(&self.entries),
            _ if tile == self.leaves => Some(&self.hashes),
            _ => None,
        }
    }
}

impl Bundles {
    /// The next bundle of `folder`, whose bundles these are.
    pub(super) fn next(&mut self, folder: &Folder) -> Option<Result<Bundle>> {
        match self {
            Self::Here(tiles) => tiles.next().map(|tile| folder.bundle(tile)),
            Self::Coming(read) => read.recv().ok(),
        }
    }
}

fn list(sizes: &mut BTreeMap<String, u64>, dir: &Path, prefix: &str, depth: usize) -> Result<()> {
    for entry in fs::read_dir(dir).map_err(|e| NodeError::file(dir, &e))? {
        let entry = entry.map_err(|e| NodeError::file(dir, &e))?;
        let file_name = entry.file_name().into_string().unwrap_or_else(|n| n.to_string_lossy().into_owned());
        let name = format!("{prefix}{file_name}");
        let meta = fs::symlink_metadata(entry.path()).map_err(|e| NodeError::file(&entry.path(), &e))?;
        if meta.is_dir() && depth < DEPTH_MAX {
            list(sizes, &entry.path(), &format!("{name}/"), depth + 1)?;
        } else if meta.is_file() && sizes.len() < FILES_MAX {
            // What a crash left half-written was never part of anything.
            if !file_name.starts_with(".tmp-") {
                sizes.insert(name, meta.len());
            }
        } else {
            return Err(broken(&name, "is neither a file nor a folder that a log publishes"));
        }
    }
    Ok(())
}

/// Bundles of a far server, fetched while the ones before are looked at; a few are in memory at any time.
fn ahead(files: PublicFiles, tiles: impl Iterator<Item = Tile> + Send + 'static) -> Receiver<Result<Bundle>> {
    let (found, fetched) = sync_channel(FETCHED_TOGETHER);
    thread::spawn(move || {
        let folder = Folder::far(files);
        let mut tiles = tiles.peekable();
        while tiles.peek().is_some() {
            let part: Vec<Tile> = tiles.by_ref().take(FETCHED_TOGETHER).collect();
            let read: Vec<_> = thread::scope(|scope| {
                let folder = &folder;
                let read = |&tile| scope.spawn(move || folder.bundle(tile));
                let threads: Vec<_> = part.iter().map(read).collect();
                let failed = |_| Err(NodeError::bug("a reader of bundles stopped"));
                threads.into_iter().map(|thread| thread.join().unwrap_or_else(failed)).collect()
            });
            for bundle in read {
                // Nobody listens any more: an earlier bundle was wrong.
                if found.send(bundle).is_err() {
                    return;
                }
            }
        }
    });
    fetched
}
