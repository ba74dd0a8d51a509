//! Every bound of the ledger, in one place, related to one another at compile time.

/// Largest log entry, bytes. Well under the 65,535 that an entry bundle can carry.
pub const ENTRY_BYTES_MAX: usize = 16 * 1024;
/// Records in one contribution. A larger file goes in several; an index list of all of them fits an entry.
pub const CONTRIBUTION_RECORDS_MAX: u32 = 2_000;
/// Largest amount in one command or posting, in base units. Sums of 2^64 such amounts fit an `i128`.
pub const AMOUNT_MAX: u128 = (1 << 63) - 1;
/// Largest value or weight, in micro-bits; also the largest integer that JSON numbers carry exactly.
pub const MICROBITS_MAX: i64 = (1 << 53) - 1;
/// One whole, in parts per million.
pub const PPM: u32 = 1_000_000;
/// Rows of contributor values in one `value_rows` command, and rows in one settlement event.
pub const ROWS_PER_EVENT: usize = 40;
/// Accounts named in the shares of one answer; what they leave goes by value.
pub const ANSWER_SHARES_MAX: usize = 100;
/// Distinct reason codes in one gate report.
pub const REASONS_MAX: usize = 40;
/// Bytes of a charter's text.
pub const CHARTER_BYTES_MAX: usize = 8 * 1024;
/// Bytes of an external reference, a reason code or a name.
pub const NAME_BYTES_MAX: usize = 64;
/// Scores on one model card.
pub const SCORES_MAX: usize = 16;

const _: () = assert!(
    CHARTER_BYTES_MAX * 3 / 2 < ENTRY_BYTES_MAX,
    "a charter, escaped, fits an entry"
);
const _: () = assert!(
    CONTRIBUTION_RECORDS_MAX as usize * 5 + 4096 < ENTRY_BYTES_MAX,
    "all held indexes fit an entry"
);
const _: () = assert!(
    ROWS_PER_EVENT * 360 < ENTRY_BYTES_MAX,
    "a settlement row with its postings fits"
);
// A split multiplies an amount by a weight: both must fit a u128 together.
const _: () = assert!(AMOUNT_MAX.ilog2() + (MICROBITS_MAX as u128).ilog2() + 2 < 128);
