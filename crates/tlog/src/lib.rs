//! The append-only Merkle log as pure functions over bytes: no file, no network, no clock.
//!
//! Formats are those of RFC 6962 and of the C2SP family, unchanged, so that software that is not ours can check
//! everything: [tlog-tiles], [signed-note], [tlog-checkpoint], [tlog-cosignature], [tlog-witness], [tlog-policy],
//! [tlog-proof].
//!
//! ```text
//! entry -> leaf hash -> Frontier (root) -> Checkpoint -> signed Note -> AddCheckpoint -> cosigned Note -> Receipt
//!      \-> TileWriter (static files) -> TileSet -> Plan -> proofs                            \-> Policy
//! ```
//!
//! Functions that need stored hashes say which ones first ([`Plan::tiles`], [`TileWriter::needs`], [`growth`]); the
//! caller fetches them and comes back.
//!
//! [tlog-tiles]: https://c2sp.org/tlog-tiles
//! [signed-note]: https://c2sp.org/signed-note
//! [tlog-checkpoint]: https://c2sp.org/tlog-checkpoint
//! [tlog-cosignature]: https://c2sp.org/tlog-cosignature
//! [tlog-witness]: https://c2sp.org/tlog-witness
//! [tlog-policy]: https://c2sp.org/tlog-policy
//! [tlog-proof]: https://c2sp.org/tlog-proof

#![forbid(unsafe_code, clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

pub mod bundle;
mod checkpoint;
mod cosignature;
mod decimal;
mod hash;
mod key;
mod note;
mod policy;
mod proof;
mod receipt;
mod tile;
mod tree;
mod witness;
mod writer;

pub use checkpoint::{Checkpoint, CheckpointError, open_checkpoint, sign_checkpoint};
pub use cosignature::Cosigned;
pub use hash::{Hash, ParseHashError, empty_root, leaf_hash, node_hash};
pub use key::{
    CosignerKey, CosignerSecret, KeyError, KeyId, PrivateKey, PublicKey, SignerKey, VerifierKey, is_key_name,
};
pub use note::{MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES, Note, NoteError, Signature};
pub use policy::{Log, MAX_POLICY_BYTES, Policy, PolicyError, PolicyFault, TrustError, Trusted, Witness};
pub use proof::{ConsistencyProof, InclusionProof, Plan, ProofError, verify_consistency, verify_inclusion};
pub use receipt::{MAX_RECEIPT_BYTES, Receipt, ReceiptError};
pub use tile::{TILE_WIDTH, Tile, TileError, TileKind, TileSet, growth};
pub use tree::{Frontier, Node, Nodes, root};
pub use witness::{
    AddCheckpoint, MAX_REQUEST_BYTES, Refusal, SIZE_CONTENT_TYPE, Witnessed, read_cosignatures, read_size,
};
pub use writer::{TileFile, TileWriter};
