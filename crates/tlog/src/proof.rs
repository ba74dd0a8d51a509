//! Inclusion and consistency proofs (RFC 6962, sections 2.1.1 and 2.1.2).

use std::collections::BTreeSet;
use std::ops::Range;

use crate::hash::{Hash, empty_root, node_hash};
use crate::tile::Tile;
use crate::tree::{Node, Nodes, cover, fold};

/// Why a proof cannot be made, or does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The tree has no such entry.
    #[error("entry {index} is outside a tree of {size} entries")]
    OutsideTree {
        /// The position asked for, from 0.
        index: u64,
        /// The entries of the tree.
        size: u64,
    },
    /// A later tree cannot be smaller.
    #[error("a log of {new} entries cannot follow one of {old}: logs only grow")]
    Shrunk {
        /// The size of the earlier tree.
        old: u64,
        /// The size of the later tree.
        new: u64,
    },
    /// The number of hashes is fixed by the positions, and this is another.
    #[error("the proof has {got} hashes where {want} are needed")]
    Length {
        /// Hashes in the proof.
        got: usize,
        /// Hashes that the positions ask for.
        want: usize,
    },
    /// The hashes do not lead to the root.
    #[error("the proof does not lead to the given root: entry, proof or root was changed")]
    Mismatch,
    /// The source lacks a stored hash.
    #[error("the subtree at {0} is not at hand: fetch the tiles that the plan names")]
    Missing(Node),
}

/// Which stored hashes a proof or a root is made of, so that the caller can fetch them first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    size: u64,
    covers: Vec<Vec<Node>>,
}

impl Plan {
    fn new(size: u64, ranges: impl IntoIterator<Item = Range<u64>>) -> Self {
        Self { size, covers: ranges.into_iter().map(cover).collect() }
    }

    /// The plan of the inclusion proof of entry `index` in a tree of `size` entries.
    pub fn inclusion(index: u64, size: u64) -> Result<Self, ProofError> {
        if index >= size {
            return Err(ProofError::OutsideTree { index, size });
        }
        let mut siblings = Vec::new();
        let (mut lo, mut hi) = (0, size);
        while hi - lo > 1 {
            let split = lo + left_width(hi - lo);
            if index < split {
                siblings.push(split..hi);
                hi = split;
            } else {
                siblings.push(lo..split);
                lo = split;
            }
        }
        Ok(Self::new(size, siblings.into_iter().rev()))
    }

    /// The plan of the proof that a tree of `new` entries extends a tree of `old` entries.
    pub fn consistency(old: u64, new: u64) -> Result<Self, ProofError> {
        if old > new {
            return Err(ProofError::Shrunk { old, new });
        }
        let mut ranges = Vec::new();
        let (mut lo, mut hi) = (0, new);
        while old != 0 && old != hi {
            let split = lo + left_width(hi - lo);
            if old <= split {
                ranges.push(split..hi);
                hi = split;
            } else {
                ranges.push(lo..split);
                lo = split;
            }
        }
        // The subtree where the old tree ends: its root is the old root itself when it starts at entry 0.
        if lo != 0 {
            ranges.push(lo..hi);
        }
        Ok(Self::new(new, ranges.into_iter().rev()))
    }

    /// The plan of the root of the first `old` entries in a tree of `new`: its [`Plan::hashes`] are that one root.
    pub fn prefix(old: u64, new: u64) -> Result<Self, ProofError> {
        match old <= new {
            true => Ok(Self::new(new, std::iter::once(0..old))),
            false => Err(ProofError::Shrunk { old, new }),
        }
    }

    /// The subtrees whose hashes are needed, in the order of the proof.
    pub fn nodes(&self) -> impl Iterator<Item = Node> + '_ {
        self.covers.iter().flatten().copied()
    }

    /// The tiles that hold them, in order and once each, at their widths in this tree.
    #[must_use]
    pub fn tiles(&self) -> Vec<Tile> {
        let tiles: BTreeSet<Tile> = self.nodes().filter_map(|node| Tile::holding(node, self.size)).collect();
        tiles.into_iter().collect()
    }

    /// The hashes of the proof.
    pub fn hashes(&self, source: &(impl Nodes + ?Sized)) -> Result<Vec<Hash>, ProofError> {
        self.covers.iter().map(|cover| read(cover, source)).collect()
    }
}

fn read(cover: &[Node], source: &(impl Nodes + ?Sized)) -> Result<Hash, ProofError> {
    let hashes = cover.iter().map(|&node| source.node(node).ok_or(ProofError::Missing(node)));
    let hashes = hashes.collect::<Result<Vec<_>, _>>()?;
    Ok(fold(hashes.into_iter()).unwrap_or_else(empty_root))
}

/// The largest power of two below `width`, which must be at least 2.
fn left_width(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

/// A proof that an entry is in a tree. It binds neither the size nor the root: take both from one signed checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// The position of the entry, from 0.
    pub index: u64,
    /// The entries of the tree.
    pub size: u64,
    /// From the sibling of the leaf up to the child of the root; at most 64.
    pub hashes: Vec<Hash>,
}

impl InclusionProof {
    /// Makes the proof from stored hashes; [`Plan::inclusion`] says which.
    pub fn prove(index: u64, size: u64, source: &(impl Nodes + ?Sized)) -> Result<Self, ProofError> {
        let hashes = Plan::inclusion(index, size)?.hashes(source)?;
        Ok(Self { index, size, hashes })
    }

    /// Checks the proof for a leaf hash against the root of the tree.
    pub fn verify(&self, leaf: &Hash, root: &Hash) -> Result<(), ProofError> {
        verify_inclusion(self.index, self.size, leaf, &self.hashes, root)
    }
}

/// A proof that one tree is the beginning of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The entries of the earlier tree.
    pub old: u64,
    /// The entries of the later tree.
    pub new: u64,
    /// In the order of RFC 6962, section 2.1.2; at most 65.
    pub hashes: Vec<Hash>,
}

impl ConsistencyProof {
    /// Makes the proof from stored hashes; [`Plan::consistency`] says which.
    pub fn prove(old: u64, new: u64, source: &(impl Nodes + ?Sized)) -> Result<Self, ProofError> {
        let hashes = Plan::consistency(old, new)?.hashes(source)?;
        Ok(Self { old, new, hashes })
    }

    /// Checks the proof against the roots of both trees.
    pub fn verify(&self, old_root: &Hash, new_root: &Hash) -> Result<(), ProofError> {
        verify_consistency(self.old, self.new, old_root, new_root, &self.hashes)
    }
}

/// How a path from entry `index` to the root of `size` entries runs: first `inner` steps with siblings on either
/// side, then `border` steps along the right edge of the tree, with siblings on the left only.
struct PathShape {
    inner: usize,
    border: usize,
}

impl PathShape {
    fn new(index: u64, size: u64) -> Self {
        let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
        let border = index.checked_shr(inner).unwrap_or(0).count_ones();
        Self { inner: inner as usize, border: border as usize }
    }
}

/// Checks that `leaf` is the hash of entry `index` in the tree of `size` entries with this root.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutsideTree { index, size });
    }
    let PathShape { inner, border } = PathShape::new(index, size);
    expect_length(proof, inner + border)?;
    let (inner, border) = proof.split_at(inner);
    expect_root(climb_right(climb(*leaf, inner, index), border), root)
}

/// Checks that the tree of `new` entries starts with the tree of `old` entries.
///
/// Every tree extends the empty one, and equal sizes need equal roots; the proof of both is empty.
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Shrunk { old, new });
    }
    if old == 0 || old == new {
        expect_length(proof, 0)?;
        let want = if old == 0 { empty_root() } else { *new_root };
        return expect_root(*old_root, &want);
    }
    // The path starts at the complete subtree in which the old tree ends, `shift` levels above the leaves.
    let shift = old.trailing_zeros();
    let PathShape { inner, border } = PathShape::new(old - 1, new);
    let inner = inner - shift as usize;
    let seed_is_old_root = old.is_power_of_two();
    expect_length(proof, usize::from(!seed_is_old_root) + inner + border)?;
    let (seed, path) = match proof {
        [seed, path @ ..] if !seed_is_old_root => (*seed, path),
        path => (*old_root, path),
    };
    let (inner, border) = path.split_at(inner);
    let turns = (old - 1) >> shift;
    let inner_left = inner.iter().enumerate().filter(|(step, _)| is_right(turns, *step));
    let old_top = inner_left.fold(seed, |right, (_, left)| node_hash(left, &right));
    expect_root(climb_right(old_top, border), old_root)?;
    expect_root(climb_right(climb(seed, inner, turns), border), new_root)
}

/// Climbs along siblings; bit `i` of `turns` says that the path is the right child at step `i`.
fn climb(start: Hash, siblings: &[Hash], turns: u64) -> Hash {
    siblings.iter().enumerate().fold(start, |hash, (step, sibling)| {
        if is_right(turns, step) { node_hash(sibling, &hash) } else { node_hash(&hash, sibling) }
    })
}

fn is_right(turns: u64, step: usize) -> bool {
    (turns >> step) & 1 == 1
}

/// Climbs along the right edge of the tree.
fn climb_right(start: Hash, siblings: &[Hash]) -> Hash {
    siblings.iter().fold(start, |right, left| node_hash(left, &right))
}

fn expect_length(proof: &[Hash], want: usize) -> Result<(), ProofError> {
    let got = proof.len();
    if got == want { Ok(()) } else { Err(ProofError::Length { got, want }) }
}

fn expect_root(got: Hash, want: &Hash) -> Result<(), ProofError> {
    if got == *want { Ok(()) } else { Err(ProofError::Mismatch) }
}
