//! The append-only Merkle log: tree, proofs, tiles, signed notes, checkpoints, receipts (RFC 6962, C2SP).
