//! Tiles: the tree and its entries as static files of at most 256 items (c2sp.org/tlog-tiles).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::decimal;
use crate::hash::Hash;
use crate::tree::{Node, Nodes, root};

/// The items of a full tile.
pub const TILE_WIDTH: u16 = 256;
/// Tree levels that one tile level spans: `2^8 = 256`.
pub(crate) const TILE_HEIGHT: u8 = 8;
/// Tile levels that a tree of 64-bit size can fill.
const LEVELS: u8 = 8;
/// The highest level that a path may name.
const MAX_LEVEL: u8 = 63;
/// `tile/entries/` or `tile/63/`, seven groups of digits for a 64-bit index, and `.p/255`.
const MAX_PATH_BYTES: usize = 64;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// An entry bundle, see [`bundle`](crate::bundle).
    Entries,
    /// Hashes of complete subtrees of `256^level` entries.
    Hashes(u8),
}

/// The coordinates of a tile. [`Tile::path`] and [`FromStr`] are its C2SP path, such as `tile/0/x001/234.p/5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// Why a path or the bytes of a tile are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Not the canonical path of a tile.
    #[error("not a tile path: expected tile/<level>/<index>[.p/<width>] as c2sp.org/tlog-tiles writes it")]
    Path,
    /// A hash tile was expected, and this holds entries.
    #[error("{0} holds entries, not hashes")]
    NotHashes(Tile),
    /// The file has another length than its width asks for.
    #[error("{tile} has {got} bytes where {want} are needed: it is truncated or was changed")]
    Length {
        /// The tile.
        tile: Tile,
        /// Bytes in the file.
        got: usize,
        /// Bytes that its width asks for.
        want: usize,
    },
    /// The bundle does not parse.
    #[error("{tile}: {error}")]
    Bundle {
        /// The tile.
        tile: Tile,
        /// What is wrong.
        error: crate::bundle::BundleError,
    },
    /// An entry does not hash to its leaf.
    #[error("entry {index} does not hash to its leaf in the level 0 tile: one of the two was changed")]
    Entry {
        /// The position of the entry in the log.
        index: u64,
    },
    /// A tile that was asked for did not come.
    #[error("{0} is missing")]
    Missing(Tile),
}

impl Tile {
    /// The tile at these coordinates; `None` unless the level is at most 63 and the width 1 to 256.
    #[must_use]
    pub fn new(kind: TileKind, index: u64, width: u16) -> Option<Self> {
        let level_exists = !matches!(kind, TileKind::Hashes(level) if level > MAX_LEVEL);
        (level_exists && (1..=TILE_WIDTH).contains(&width)).then_some(Self { kind, index, width })
    }

    /// A full tile. The kind must be one that exists.
    pub(crate) fn full(kind: TileKind, index: u64) -> Self {
        Self { kind, index, width: TILE_WIDTH }
    }

    /// The last tile of a row of `items`, if it is partial.
    pub(crate) fn partial(kind: TileKind, items: u64) -> Option<Self> {
        let width = items % u64::from(TILE_WIDTH);
        Self::new(kind, items / u64::from(TILE_WIDTH), width as u16)
    }

    /// The hash tile that holds (or, hashed, gives) `node` in a tree of `size` entries; `None` if the tree lacks it.
    #[must_use]
    pub fn holding(node: Node, size: u64) -> Option<Self> {
        let items = size.checked_shr(node.level.into())?;
        if node.index >= items {
            return None;
        }
        let place = Place::of(node);
        let kind = TileKind::Hashes(place.level);
        let row = size >> (place.level * TILE_HEIGHT);
        let last = Self::partial(kind, row).filter(|last| last.index == place.index);
        Some(last.unwrap_or(Self::full(kind, place.index)))
    }

    /// What the tile holds.
    #[must_use]
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Its position in its row, from 0.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Its items, 1 to 256; fewer than 256 make it partial.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }

    /// The path below the prefix of the log, with `/` between its elements on every system.
    #[must_use]
    pub fn path(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Entries => f.write_str("tile/entries/")?,
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        let groups = self.index.checked_ilog(1000).unwrap_or(0);
        for group in (1..=groups).rev() {
            write!(f, "x{:03}/", self.index / 1000_u64.pow(group) % 1000)?;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.width < TILE_WIDTH {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

impl FromStr for Tile {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        let tile = parse_path(path).ok_or(TileError::Path)?;
        // Leading zero groups and the like have another canonical form.
        if tile.path() == path { Ok(tile) } else { Err(TileError::Path) }
    }
}

fn parse_path(path: &str) -> Option<Tile> {
    if path.len() > MAX_PATH_BYTES {
        return None;
    }
    let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes(decimal::parse(level)?.try_into().ok()?),
    };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, decimal::parse(width)?.try_into().ok()?),
        None => (rest, TILE_WIDTH),
    };
    let index = index.split('/').try_fold(0_u64, |index, group| {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let three = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
        let group: u64 = three.then(|| digits.parse().ok()).flatten()?;
        index.checked_mul(1000)?.checked_add(group)
    })?;
    Tile::new(kind, index, width)
}

/// The tiles to publish when a log grows from `old` to `new` entries: entry bundles, then hashes level by level; those
/// filled up since `old`, and the partial ones of `new`. From 0 on: every tile of the log. Lazy, since sizes may lie.
pub fn growth(old: u64, new: u64) -> impl Iterator<Item = Tile> {
    let levels = (0..LEVELS).map(move |level| {
        let shift = level * TILE_HEIGHT;
        (TileKind::Hashes(level), old >> shift, new >> shift)
    });
    std::iter::once((TileKind::Entries, old, new)).chain(levels).flat_map(|(kind, old, new)| {
        let width = u64::from(TILE_WIDTH);
        let full = (old / width..new / width).map(move |index| Tile::full(kind, index));
        full.chain(Tile::partial(kind, new).filter(|_| old != new))
    })
}

/// Where a node is stored: `count` hashes of a tile from `start` on, whose root it is.
struct Place {
    level: u8,
    index: u64,
    start: usize,
    count: usize,
}

impl Place {
    fn of(node: Node) -> Self {
        let within = node.level % TILE_HEIGHT;
        let nodes_per_tile = u64::from(TILE_WIDTH) >> within;
        Self {
            level: node.level / TILE_HEIGHT,
            index: node.index / nodes_per_tile,
            start: ((node.index % nodes_per_tile) << within) as usize,
            count: 1 << within,
        }
    }
}

/// Hash tiles in memory, as a source of proofs. Not checked against a root: a wrong tile gives a proof that fails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TileSet {
    rows: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl TileSet {
    /// A set without tiles.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the bytes of a hash tile, in place of a narrower one at the same position.
    pub fn insert(&mut self, tile: Tile, bytes: &[u8]) -> Result<(), TileError> {
        let TileKind::Hashes(level) = tile.kind else {
            return Err(TileError::NotHashes(tile));
        };
        let hashes = parse_hashes(tile, bytes)?;
        let row = self.rows.entry((level, tile.index)).or_default();
        if row.len() < hashes.len() {
            *row = hashes;
        }
        Ok(())
    }
}

impl Nodes for TileSet {
    fn node(&self, node: Node) -> Option<Hash> {
        let Place { level, index, start, count } = Place::of(node);
        self.rows.get(&(level, index))?.get(start..start + count).map(root)
    }
}

/// The hashes of a hash tile; their number is its width.
pub(crate) fn parse_hashes(tile: Tile, bytes: &[u8]) -> Result<Vec<Hash>, TileError> {
    let want = usize::from(tile.width) * Hash::BYTES;
    let (hashes, []) = bytes.as_chunks() else {
        return Err(TileError::Length { tile, got: bytes.len(), want });
    };
    if bytes.len() != want {
        return Err(TileError::Length { tile, got: bytes.len(), want });
    }
    Ok(hashes.iter().map(|&hash| Hash(hash)).collect())
}
