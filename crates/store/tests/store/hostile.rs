//! Parquet bytes from an enemy: every answer is a table or an error, within bounds.

use assay_store::StoreError;
use assay_store::columns::{ColumnTable, ReadOptions, column_names, read, read_with, write};

fn victim(rows: i64) -> Vec<u8> {
    let table = ColumnTable::new("victim", 1)
        .with_column("n", (0..rows).map(|n| (n % 3 != 0).then_some(n * n)).collect::<Vec<_>>())
        .and_then(|table| {
            table.with_column("text", (0..rows).map(|n| format!("t{}", n % 9)).collect::<Vec<_>>())
        })
        .and_then(|table| table.with_column("x", (0..rows).map(|n| n as f64 / 7.0).collect::<Vec<_>>()))
        .and_then(|table| table.with_column("b", (0..rows).map(|n| n % 2 == 0).collect::<Vec<_>>()))
        .unwrap();
    write(&table).unwrap()
}

fn bounded() -> ReadOptions {
    ReadOptions { columns: None, rows_max: 10_000, bytes_max: 4 << 20 }
}

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
        match read_with(&bytes, &bounded()) {
            Ok(table) => assert!(table.rows() <= 10_000),
            Err(_) => errors += 1,
        }
        let _ = column_names(&bytes);
    }
    std::panic::set_hook(hook);
    assert!(errors > 2_000, "{errors} of 4000 were refused");
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
