//! The tree of RFC 6962: its complete subtrees, its root, and the frontier that grows it.

use std::fmt;
use std::ops::Range;

use crate::hash::{Hash, empty_root, node_hash};

/// A complete subtree: `2^level` entries starting at entry `index * 2^level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Height above the leaves, 0 for a leaf; at most 63.
    pub level: u8,
    /// Position among the complete subtrees of its level, from 0.
    pub index: u64,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "level {} index {}", self.level, self.index)
    }
}

/// Where the hashes of complete subtrees come from: leaf hashes in memory (`[Hash]`) or a [`TileSet`](crate::TileSet).
///
/// A source is not trusted: a proof made from wrong hashes does not verify.
pub trait Nodes {
    /// The hash of `node`, or `None` if this source does not hold it.
    fn node(&self, node: Node) -> Option<Hash>;
}

/// The leaf hashes of a tree from entry 0 on; each subtree is hashed anew.
impl Nodes for [Hash] {
    fn node(&self, node: Node) -> Option<Hash> {
        let width = 1_u64.checked_shl(node.level.into())?;
        let start = node.index.checked_mul(width)?;
        let end = start.checked_add(width)?;
        self.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?).map(root)
    }
}

/// The root of a tree with these leaf hashes (RFC 6962, section 2.1), level by level.
///
/// Pairing neighbours and promoting an odd last one gives the recursive definition, since every left subtree of that
/// definition is complete.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    let mut level: Vec<Hash> = leaves.chunks(2).map(join).collect();
    while level.len() > 1 {
        let parents = level.len().div_ceil(2);
        for i in 0..parents {
            let end = level.len().min(2 * i + 2);
            level[i] = join(&level[2 * i..end]);
        }
        level.truncate(parents);
    }
    level.first().copied().unwrap_or_else(empty_root)
}

fn join(pair: &[Hash]) -> Hash {
    match pair {
        [left, right] => node_hash(left, right),
        _ => pair[0],
    }
}

/// The complete subtrees that make up `entries`, largest first.
///
/// `entries.start` must be a multiple of a power of two that is no smaller than the range, as in every range that a
/// root or a proof hashes.
pub(crate) fn cover(entries: Range<u64>) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut start = entries.start;
    while start < entries.end {
        let level = (entries.end - start).ilog2();
        nodes.push(Node { level: level as u8, index: start >> level });
        start += 1 << level;
    }
    nodes
}

/// Joins the hashes of a cover into the hash of its range: the smallest subtrees hang deepest on the right.
pub(crate) fn fold(cover: impl DoubleEndedIterator<Item = Hash>) -> Option<Hash> {
    cover.rev().reduce(|right, left| node_hash(&left, &right))
}

/// The right edge of a growing tree: one hash per set bit of its size, enough to append and to know the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The frontier of the first `size` entries that `source` holds, or the first subtree that it lacks.
    pub fn read(size: u64, source: &(impl Nodes + ?Sized)) -> Result<Self, Node> {
        let nodes = cover(0..size).into_iter();
        let subtrees = nodes.map(|node| source.node(node).ok_or(node)).collect::<Result<_, _>>()?;
        Ok(Self { size, subtrees })
    }

    /// Appends one leaf hash, see [`leaf_hash`](crate::leaf_hash).
    pub fn append(&mut self, leaf: Hash) {
        let merges = self.size.trailing_ones() as usize;
        let merged = self.subtrees.split_off(self.subtrees.len() - merges);
        let subtree = merged.iter().rev().fold(leaf, |right, left| node_hash(left, &right));
        self.subtrees.push(subtree);
        self.size += 1;
    }

    /// The number of entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree, in O(log n) hashes.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold(self.subtrees.iter().copied()).unwrap_or_else(empty_root)
    }
}
