use assay_store::StoreError;
use assay_store::columns::{ColumnTable, ReadOptions, Values, column_names, read, read_with, write};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// Equality that tells NaN from NaN and 0.0 from -0.0.
fn bits(table: &ColumnTable) -> String {
    let column = |column: &assay_store::columns::Column| match &column.values {
        Values::Float64(cells) => {
            format!(
                "{} {:?}",
                column.name,
                cells.iter().map(|cell| cell.map(f64::to_bits)).collect::<Vec<_>>()
            )
        }
        other => format!("{} {other:?}", column.name),
    };
    format!("{:?} {:?}", table.metadata(), table.columns().iter().map(column).collect::<Vec<_>>())
}

fn example() -> ColumnTable {
    ColumnTable::new("records", 1)
        .with_recipe("{\"seed\":1}")
        .with_column("id", vec![Some("a".to_owned()), None, Some("ü 漢字 🜚".to_owned()), Some(String::new())])
        .and_then(|table| table.with_column("value_bits", vec![Some(0.5), Some(f64::NAN), None, Some(-0.0)]))
        .and_then(|table| table.with_column("count", vec![i64::MIN, -1, 0, i64::MAX]))
        .and_then(|table| table.with_column("passed", vec![Some(true), Some(false), None, None]))
        .unwrap()
}

#[test]
fn a_table_comes_back_bit_for_bit() {
    let table = example();
    let bytes = write(&table).unwrap();
    let found = read(&bytes).unwrap();
    assert_eq!(bits(&found), bits(&table));
    assert_eq!(found.schema(), Some("records/1"));
    assert_eq!(found.rows(), 4);
    assert_eq!(column_names(&bytes).unwrap(), ["id", "value_bits", "count", "passed"]);
}

#[test]
fn the_same_table_gives_the_same_bytes_for_ever() {
    let bytes = write(&example()).unwrap();
    assert_eq!(bytes, write(&example()).unwrap());
    // A new release of the Parquet or zstd library may change this; names by hash then change for new files only,
    // which deserves a line in the change log.
    assert_eq!(
        hex::encode(Sha256::digest(&bytes)),
        "7a6861c78adcd3ee89a9723f0a89dbe19c08f7d0ae8271b783a8fda660f45746"
    );
}

#[test]
fn long_tables_have_several_row_groups() {
    let rows = 300_000;
    let table = ColumnTable::new("long", 1)
        .with_column("n", (0..rows).collect::<Vec<i64>>())
        .and_then(|table| {
            table.with_column("who", (0..rows).map(|n| format!("c{}", n % 40)).collect::<Vec<_>>())
        })
        .unwrap();
    let bytes = write(&table).unwrap();
    assert!(bytes.len() < 1_500_000, "{} bytes", bytes.len());
    assert_eq!(read(&bytes).unwrap(), table);
    let few = ReadOptions { rows_max: 299_999, ..ReadOptions::default() };
    assert!(matches!(read_with(&bytes, &few), Err(StoreError::Limit { .. })));
    let small = ReadOptions { bytes_max: 1 << 20, ..ReadOptions::default() };
    assert!(read_with(&bytes, &small).is_err());
}

#[test]
fn chosen_columns_are_read_in_the_order_asked() {
    let bytes = write(&example()).unwrap();
    let choose = |names: &[&str]| ReadOptions {
        columns: Some(names.iter().map(|&name| name.to_owned()).collect()),
        ..ReadOptions::default()
    };
    let found = read_with(&bytes, &choose(&["passed", "id"])).unwrap();
    assert_eq!(
        found.columns().iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
        ["passed", "id"]
    );
    let error = read_with(&bytes, &choose(&["nobody"])).unwrap_err().to_string();
    assert!(error.contains("nobody") && error.contains("value_bits"), "{error}");
}

#[test]
fn tables_that_make_no_sense_are_refused() {
    let table = || ColumnTable::new("t", 1).with_column("a", vec![1_i64, 2]).unwrap();
    for wrong in [
        table().with_column("a", vec![1_i64, 2]),
        table().with_column("", vec![1_i64, 2]),
        table().with_column("b", vec![1_i64]),
        table().with_column(&"n".repeat(1_025), vec![1_i64, 2]),
    ] {
        assert!(matches!(wrong, Err(StoreError::Table { .. })));
    }
    assert!(matches!(write(&ColumnTable::new("t", 1)), Err(StoreError::Table { .. })));
    let empty = ColumnTable::new("t", 1).with_column("a", Vec::<f64>::new()).unwrap();
    assert_eq!(read(&write(&empty).unwrap()).unwrap(), empty);
}

fn cells() -> impl Strategy<Value = ColumnTable> {
    let float = prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        prop::sample::select(vec![0.0, -0.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, 1.5])
    ];
    let row = (
        prop::option::of(prop_oneof![".{0,12}", Just("same".to_owned())]),
        prop::option::of(any::<i64>()),
        prop::option::of(float),
        prop::option::of(any::<bool>()),
    );
    (prop::collection::vec(row, 0..200), "\\PC{1,20}", any::<bool>()).prop_map(|(rows, name, nulls)| {
        let text: Vec<_> = rows.iter().map(|row| row.0.clone()).collect();
        let whole: Vec<_> = rows.iter().map(|row| if nulls { None } else { row.1 }).collect();
        let float: Vec<_> = rows.iter().map(|row| row.2).collect();
        let truth: Vec<_> = rows.iter().map(|row| row.3).collect();
        ColumnTable::new(&name, 7)
            .with_column(&format!("{name} 1"), text)
            .and_then(|table| table.with_column(&format!("{name}.2"), whole))
            .and_then(|table| table.with_column("float", float))
            .and_then(|table| table.with_column("truth", truth))
            .unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_table_comes_back(table in cells()) {
        let bytes = write(&table).unwrap();
        prop_assert_eq!(&bytes, &write(&table).unwrap());
        prop_assert_eq!(bits(&read(&bytes).unwrap()), bits(&table));
    }
}
