//! The append-only Merkle log as pure functions over bytes: no file, no network, no clock.
//!
//! Formats are those of RFC 6962 and of the C2SP family, unchanged, so that software that is not ours can check
//! everything: [tlog-tiles], [signed-note], [tlog-checkpoint], [tlog-proof].
//!
//! ```text
//! entry -> leaf hash -> Frontier (root) -> Checkpoint -> signed Note -> Receipt
//!      \-> TileWriter (static files) -> TileSet -> Plan -> proofs
//! ```
//!
//! Functions that need stored hashes say which ones first ([`Plan::tiles`], [`TileWriter::needs`], [`growth`]); the
//! caller fetches them and comes back.
//!
//! [tlog-tiles]: https://c2sp.org/tlog-tiles
//! [signed-note]: https://c2sp.org/signed-note
//! [tlog-checkpoint]: https://c2sp.org/tlog-checkpoint
//! [tlog-proof]: https://c2sp.org/tlog-proof

#![forbid(unsafe_code, clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

pub mod bundle;
mod checkpoint;
mod decimal;
mod hash;
mod key;
mod note;
mod proof;
mod receipt;
mod tile;
mod tree;
mod writer;

pub use checkpoint::{Checkpoint, CheckpointError, open_checkpoint, sign_checkpoint};
pub use hash::{Hash, ParseHashError, empty_root, leaf_hash, node_hash};
pub use key::{KeyError, KeyId, SignerKey, VerifierKey, is_key_name};
pub use note::{MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES, Note, NoteError, Signature};
pub use proof::{ConsistencyProof, InclusionProof, Plan, ProofError, verify_consistency, verify_inclusion};
pub use receipt::{MAX_RECEIPT_BYTES, Receipt, ReceiptError};
pub use tile::{TILE_WIDTH, Tile, TileError, TileKind, TileSet, growth};
pub use tree::{Frontier, Node, Nodes, root};
pub use writer::{TileFile, TileWriter};
