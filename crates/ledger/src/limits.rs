//! Every bound of the ledger, in one place, related to one another at compile time.

/// Largest log entry, bytes. Well under the 65,535 that an entry bundle can carry.
pub const ENTRY_BYTES_MAX: usize = 16 * 1024;
/// Largest integer that a JSON number carries exactly everywhere; larger ones are written as digits.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;
/// Records in one contribution. A larger file goes in several; an index list of all of them fits an entry.
pub const CONTRIBUTION_RECORDS_MAX: u32 = 2_000;
/// Largest amount in one command or posting, in base units; also the most money that a ledger holds at a time, so
/// that no balance can be larger.
pub const AMOUNT_MAX: u128 = (1 << 63) - 1;
/// Largest value, or sum of values over runs, in micro-bits: the codec lets no larger integer pass.
pub const MICROBITS_MAX: i64 = INTEGER_MAX as i64;
/// One whole, in parts per million.
pub const PPM: u32 = 1_000_000;
/// Rows of contributor values in one `value_rows` command.
pub const ROWS_PER_EVENT: usize = 40;
/// Contributors or reviewers settled in one event, each with their postings.
pub const SETTLED_PER_EVENT: usize = 12;
/// Accounts named in the shares of one answer; what they leave goes by value.
pub const ANSWER_SHARES_MAX: usize = 50;
/// Answers in one metering table.
pub const METERED_ANSWERS_MAX: u64 = 1 << 16;
/// Credits of contributors in one `meter_rows` command.
pub const CREDITS_PER_EVENT: usize = 128;
/// Postings of a metering in one event.
pub const METERED_PER_EVENT: usize = 56;
/// Distinct reason codes in one gate report.
pub const REASONS_MAX: usize = 64;
/// Bytes of a charter's text.
pub const CHARTER_BYTES_MAX: usize = 7 * 1024;
/// Bytes of an external reference, a reason code or a name.
pub const NAME_BYTES_MAX: usize = 64;
/// Bytes of a log's origin.
pub const ORIGIN_BYTES_MAX: usize = 128;
/// Bytes of the verifier key of a log's checkpoints.
pub const LOG_KEY_BYTES_MAX: usize = 256;
/// Hours for which a price can be held at most: a year.
pub const HOLD_HOURS_MAX: u32 = 8_760;
/// Scores on one model card.
pub const SCORES_MAX: usize = 16;

/// Canonical JSON of one event less its lists: command, signature, table, names at their longest.
pub(crate) const ENVELOPE_BYTES_MAX: usize = 1_400;
/// An entry less its intent and its outcome's lists: signature, index, time, names.
pub(crate) const FRAME_BYTES_MAX: usize = 300;
/// A row of a settlement and its four postings.
pub(crate) const SETTLED_BYTES_MAX: usize = 1_200;
/// A share of an answer and its posting.
pub(crate) const SHARE_BYTES_MAX: usize = 270;
/// A credit.
pub(crate) const CREDIT_BYTES_MAX: usize = 80;
/// A row of values.
pub(crate) const VALUE_ROW_BYTES_MAX: usize = 240;
/// A score under its name.
pub(crate) const SCORE_BYTES_MAX: usize = 240;
/// A reason code and its count.
pub(crate) const REASON_BYTES_MAX: usize = NAME_BYTES_MAX + 8;
/// Any one posting.
pub(crate) const POSTING_BYTES_MAX: usize = 250;

// The tests in bounds.rs hold the byte counts above to the longest real events.
const _: () = {
    let room = ENTRY_BYTES_MAX - ENVELOPE_BYTES_MAX;
    assert!(CHARTER_BYTES_MAX * 2 <= room, "a charter of escapes fits");
    assert!(
        CONTRIBUTION_RECORDS_MAX as usize * 5 + REASONS_MAX * REASON_BYTES_MAX <= room,
        "all held indexes and all reasons fit"
    );
    assert!(SETTLED_PER_EVENT * SETTLED_BYTES_MAX <= room, "a settlement fits");
    assert!(ANSWER_SHARES_MAX * SHARE_BYTES_MAX + 4 * POSTING_BYTES_MAX <= room, "an answer fits");
    assert!(CREDITS_PER_EVENT * CREDIT_BYTES_MAX <= room, "credits fit");
    assert!(METERED_PER_EVENT * POSTING_BYTES_MAX <= room, "a metering fits");
    assert!(ROWS_PER_EVENT * VALUE_ROW_BYTES_MAX <= room, "rows of values fit");
    assert!(SCORES_MAX * SCORE_BYTES_MAX <= room, "a model card fits");
    assert!(CONTRIBUTION_RECORDS_MAX <= 9_999, "an index has at most four digits");
};
// A split multiplies an amount by a weight.
const _: () = assert!(AMOUNT_MAX.ilog2() + u64::MAX.ilog2() + 2 <= 128);
// A reward multiplies an amount by a value.
const _: () = assert!(AMOUNT_MAX.ilog2() + MICROBITS_MAX.ilog2() + 2 <= 128);
// An amount is a weight of a split.
const _: () = assert!(AMOUNT_MAX <= u64::MAX as u128);
// Two sums over runs, and a closure error of four such numbers, fit an i64.
const _: () = assert!(MICROBITS_MAX <= i64::MAX / 4);
// Totals add amounts, for more commands than a log can hold.
const _: () = assert!(AMOUNT_MAX.ilog2() + INTEGER_MAX.ilog2() + 2 <= 128);
