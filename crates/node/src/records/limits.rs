//! Bounds on what a record file may be. Everything that grows with the input is bounded here and nowhere else.

/// Bytes of one file after decompression; stops archives that unpack without end.
pub const MAX_FILE_BYTES: u64 = 2 << 30;
/// Times its own size that a file may unpack to, past [`UNPACKED_FREE_BYTES`]; tables that people keep reach 100.
pub const MAX_UNPACK_RATIO: u64 = 250;
/// Bytes that any file may unpack to.
pub const UNPACKED_FREE_BYTES: u64 = 64 << 20;
/// Bytes of one record as written (a JSON line, a CSV record with its line breaks).
pub const MAX_RECORD_BYTES: usize = 8 << 20;
/// Records in one file.
pub const MAX_ROWS: usize = 10_000_000;
/// Named fields in one file.
pub const MAX_COLUMNS: usize = 10_000;
/// Numbers in one array, such as an embedding.
pub const MAX_VECTOR: usize = 65_536;
/// Stored values of one table: rows times fields, every number of an array counted.
pub const MAX_CELLS: usize = 400_000_000;
/// Bytes of one field's name.
pub const MAX_NAME_BYTES: usize = 1024;

// Text offsets are 32-bit and a table's text is part of its file.
const _: () = assert!(MAX_FILE_BYTES <= u32::MAX as u64);
const _: () = assert!(MAX_RECORD_BYTES as u64 <= MAX_FILE_BYTES);
const _: () = assert!(MAX_COLUMNS <= MAX_CELLS && MAX_VECTOR <= MAX_CELLS);

/// Bytes of text that a file of so many bytes may hold once unpacked.
pub(super) fn unpacked_max(packed_bytes: u64) -> u64 {
    packed_bytes.saturating_mul(MAX_UNPACK_RATIO).saturating_add(UNPACKED_FREE_BYTES).min(MAX_FILE_BYTES)
}
