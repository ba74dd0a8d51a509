//! The static files of a growing log: entries in, tiles out.

use crate::bundle::{self, BundleError, MAX_ENTRY_BYTES};
use crate::hash::{Hash, empty_root, leaf_hash};
use crate::tile::{TILE_HEIGHT, TILE_WIDTH, Tile, TileError, TileKind, parse_hashes};
use crate::tree::root;

/// A file to write: its tile (whose [`Tile::path`] is its name) and its bytes.
pub type TileFile = (Tile, Vec<u8>);

/// The partial tiles at the right edge of a log: all that is needed to write the next files.
///
/// A log appends and publishes; a verifier appends every entry of a foreign log to a new writer and compares each
/// file, byte for byte, with the published one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TileWriter {
    size: u64,
    bundle: Vec<u8>,
    /// Level by level, the hashes of the last tile while it is partial.
    rows: Vec<Vec<Hash>>,
}

impl TileWriter {
    /// The writer of an empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The files that [`TileWriter::restore`] needs: the partial tiles of a log of `size` entries, at most 9.
    #[must_use]
    pub fn needs(size: u64) -> Vec<Tile> {
        let rows = levels(size).filter_map(|(level, items)| Tile::partial(TileKind::Hashes(level), items));
        Tile::partial(TileKind::Entries, size).into_iter().chain(rows).collect()
    }

    /// The writer of a log of `size` entries, from the files that [`TileWriter::needs`] names. Entries are hashed
    /// again; compare [`TileWriter::root`] with the checkpoint to know that the files are right.
    pub fn restore(size: u64, files: &[TileFile]) -> Result<Self, TileError> {
        let read = |tile: Tile| {
            let file = files.iter().find(|(found, _)| *found == tile);
            file.map(|(_, bytes)| bytes).ok_or(TileError::Missing(tile))
        };
        let rows = levels(size).map(|(level, items)| match Tile::partial(TileKind::Hashes(level), items) {
            Some(tile) => parse_hashes(tile, read(tile)?),
            None => Ok(Vec::new()),
        });
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let bundle = match Tile::partial(TileKind::Entries, size) {
            Some(tile) => check_bundle(tile, read(tile)?, &rows[0])?.to_vec(),
            None => Vec::new(),
        };
        Ok(Self { size, bundle, rows })
    }

    /// Appends one entry. Returns the tiles that it fills: none for 255 of 256 entries.
    pub fn append(&mut self, entry: &[u8]) -> Result<Vec<TileFile>, BundleError> {
        bundle::push(&mut self.bundle, entry)?;
        self.size += 1;
        let mut full = Vec::new();
        if self.size.is_multiple_of(TILE_WIDTH.into()) {
            let index = self.size / u64::from(TILE_WIDTH) - 1;
            full.push((Tile::full(TileKind::Entries, index), std::mem::take(&mut self.bundle)));
        }
        self.carry(leaf_hash(entry), &mut full);
        Ok(full)
    }

    /// Puts a leaf hash into row 0 and the root of each row that it fills into the next.
    fn carry(&mut self, mut hash: Hash, full: &mut Vec<TileFile>) {
        let mut filled = self.size;
        for level in 0_u8.. {
            let row = match self.rows.get_mut(usize::from(level)) {
                Some(row) => row,
                None => self.rows.push_mut(Vec::new()),
            };
            row.push(hash);
            if row.len() < usize::from(TILE_WIDTH) {
                return;
            }
            filled >>= TILE_HEIGHT;
            full.push((Tile::full(TileKind::Hashes(level), filled - 1), concat(row)));
            hash = root(row);
            row.clear();
        }
    }

    /// The partial tiles of the log at its present size, to be published with a checkpoint of this size.
    #[must_use]
    pub fn partials(&self) -> Vec<TileFile> {
        let bundle = Tile::partial(TileKind::Entries, self.size).map(|tile| (tile, self.bundle.clone()));
        let rows = levels(self.size).zip(&self.rows).filter_map(|((level, items), row)| {
            Tile::partial(TileKind::Hashes(level), items).map(|tile| (tile, concat(row)))
        });
        bundle.into_iter().chain(rows).collect()
    }

    /// Appends entries and returns the files to publish, those of [`growth`](crate::growth) from the old to the new
    /// size. Appends nothing if one entry is too long.
    pub fn grow<E: AsRef<[u8]>>(&mut self, entries: &[E]) -> Result<Vec<TileFile>, BundleError> {
        let mut lengths = entries.iter().map(|entry| entry.as_ref().len());
        if let Some(bytes) = lengths.find(|&bytes| bytes > MAX_ENTRY_BYTES) {
            return Err(BundleError::EntryTooLong { bytes });
        }
        let old = self.size;
        let mut files = Vec::new();
        for entry in entries {
            files.extend(self.append(entry.as_ref())?);
        }
        let changed = |(tile, _): &TileFile| match tile.kind() {
            TileKind::Entries => old != self.size,
            TileKind::Hashes(level) => old >> (level * TILE_HEIGHT) != self.size >> (level * TILE_HEIGHT),
        };
        files.extend(self.partials().into_iter().filter(changed));
        Ok(files)
    }

    /// The number of entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree, computed from the partial tiles and thus by another path than
    /// [`Frontier::root`](crate::Frontier::root).
    #[must_use]
    pub fn root(&self) -> Hash {
        let top = self.rows.iter().fold(None, |below: Option<Hash>, row| {
            let hashes: Vec<Hash> = row.iter().copied().chain(below).collect();
            (!hashes.is_empty()).then(|| root(&hashes))
        });
        top.unwrap_or_else(empty_root)
    }
}

/// The tile levels of a log of `size` entries, with the number of hashes in each.
fn levels(size: u64) -> impl Iterator<Item = (u8, u64)> {
    let rows = std::iter::successors(Some(size), |items| Some(items >> TILE_HEIGHT));
    (0_u8..).zip(rows.take_while(|&items| items > 0))
}

fn concat(row: &[Hash]) -> Vec<u8> {
    row.iter().flat_map(|hash| hash.0).collect()
}

fn check_bundle<'a>(tile: Tile, bytes: &'a [u8], leaves: &[Hash]) -> Result<&'a [u8], TileError> {
    let entries = bundle::parse(bytes, tile.width()).map_err(|error| TileError::Bundle { tile, error })?;
    let wrong = entries.iter().zip(leaves).position(|(entry, leaf)| leaf_hash(entry) != *leaf);
    match wrong {
        Some(offset) => Err(TileError::Entry { index: tile.index() * u64::from(TILE_WIDTH) + offset as u64 }),
        None => Ok(bytes),
    }
}
