//! Parquet bytes from an enemy: every answer is a table or an error, within bounds.

use assay_store::StoreError;
use assay_store::columns::{ColumnTable, ReadOptions, read, read_with, write};

use crate::mutate::{attempt, kept};
use crate::targets::{bounded, columns, is_read, victim};

#[test]
fn mutated_files_are_tables_or_errors() {
    let healthy = victim(200);
    let mut dice = crate::Dice(11);
    // Panics of the library are caught and become errors; their messages would drown the test's.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut errors = 0;
    for _ in 0..4_000 {
        let mut bytes = healthy.clone();
        for _ in 0..1 + dice.below(4) {
            let at = dice.below(bytes.len());
            match dice.below(4) {
                0 => bytes[at] ^= 1 << dice.below(8),
                1 => bytes[at] = dice.roll() as u8,
                2 => bytes[at] = 0xff,
                _ => drop(bytes.drain(at..bytes.len().min(at + 1 + dice.below(8)))),
            }
        }
        errors += u32::from(!is_read(&bytes));
    }
    std::panic::set_hook(hook);
    assert!(errors > 2_000, "{errors} of 4000 were refused");
}

/// What libFuzzer found to reach other code than the table itself does.
#[test]
fn kept_files_are_tables_or_errors() {
    let target = columns();
    kept(target.name).iter().for_each(|input| attempt(target.name, &target.holds, input));
}

#[test]
fn truncated_and_foreign_bytes_are_errors() {
    let healthy = victim(50);
    for length in 0..healthy.len() {
        assert!(matches!(read(&healthy[..length]), Err(StoreError::Table { .. })), "{length} bytes");
    }
    let mut dice = crate::Dice(12);
    for _ in 0..500 {
        let length = dice.below(400);
        let mut bytes = dice.bytes(length);
        bytes.extend_from_slice(b"PAR1");
        assert!(read(&bytes).is_err());
    }
}

#[test]
fn a_small_file_that_unpacks_to_much_is_refused() {
    // One text of a megabyte, named a thousand times by a dictionary: a few kilobytes on disk.
    let text = "a".repeat(900_000);
    let table = ColumnTable::new("bomb", 1).with_column("text", vec![text; 300]).unwrap();
    let bytes = write(&table).unwrap();
    assert!(bytes.len() < 1_000_000, "{}", bytes.len());
    let error = read_with(&bytes, &ReadOptions { bytes_max: 100 << 20, ..bounded() }).unwrap_err();
    assert!(matches!(error, StoreError::Limit { .. } | StoreError::Table { .. }), "{error}");
}

#[test]
fn impossible_claims_of_a_page_are_refused_before_they_cost_memory() {
    // The first page begins after the magic: type (field 1), then the uncompressed size (field 2, zigzag varint).
    let healthy = victim(200);
    assert_eq!(healthy[4..7], [0x15, healthy[5], 0x15]);
    let size_end = 7 + healthy[7..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let claim = |size: &[u8]| [&healthy[..7], size, &healthy[size_end..]].concat();
    // Keep the file's length, so that the footer still points to the right place: the claim takes the same bytes.
    let width = size_end - 7;
    let mut huge = vec![0xff; width];
    huge[width - 1] = 0x7f;
    assert!(read(&claim(&huge)).is_err());
    // Field 2 of type "binary" with a length of 2^62 instead.
    let mut binary = healthy.clone();
    binary[6] = 0x18;
    assert!(read(&binary).is_err());
}

/// The library goes on through a list behind the end of the file: one of 2^31 doubles took it twelve seconds.
#[test]
fn a_page_header_that_is_not_what_it_must_be_is_refused() {
    let healthy = victim(200);
    // Field 1 is a list of doubles, as many as a number can say; then a list where the number of field 1 is expected.
    let endless = [0x19, 0xf7, 0xff, 0xff, 0xff, 0xff, 0x07];
    let unknown = [0xf9, 0xf1, 0xff, 0xff, 0xff, 0xff, 0x07];
    for header in [endless, unknown] {
        let bytes = [&healthy[..4], &header, &healthy[4 + header.len()..]].concat();
        let error = read(&bytes).unwrap_err().to_string();
        assert!(
            error.contains("of another type than it must be") || error.contains("passes the end"),
            "{error}"
        );
    }
}
