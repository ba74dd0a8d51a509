//! What must hold of Parquet bytes, whoever wrote them.
#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

use assay_store::columns::{ColumnTable, ReadOptions, column_names, read_with, write};

use crate::mutate::Target;

pub fn victim(rows: i64) -> Vec<u8> {
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

pub fn bounded() -> ReadOptions {
    ReadOptions { columns: None, rows_max: 10_000, bytes_max: 4 << 20 }
}

/// Whether the bytes are a table: then it is within the bounds, and what is written of it is the same table.
pub fn is_read(bytes: &[u8]) -> bool {
    let _ = column_names(bytes);
    let Ok(table) = read_with(bytes, &bounded()) else {
        return false;
    };
    assert!(table.rows() <= 10_000);
    if !table.columns().is_empty() {
        let again =
            read_with(&write(&table).unwrap(), &ReadOptions { bytes_max: 64 << 20, ..bounded() }).unwrap();
        // By their text: a number that is none is not equal to itself.
        assert_eq!(format!("{:?}", again.columns()), format!("{:?}", table.columns()));
    }
    true
}

/// Tables as Parquet.
pub fn columns() -> Target {
    Target::new("columns", vec![victim(1), victim(40)], |bytes| {
        let _ = is_read(bytes);
    })
}
