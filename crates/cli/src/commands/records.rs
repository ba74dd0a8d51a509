//! Record files to records.

use std::path::Path;

use assay_node::records::{Place, RecordTable, read_file};
use assay_node::task::Record;

use crate::output::Failure;

/// Records and where each stands in its file.
pub(super) struct Rows {
    pub(super) records: Vec<Record>,
    pub(super) places: Vec<Place>,
    pub(super) columns: Vec<String>,
}

/// Reads a file of records in any format; every column becomes a field of its record.
pub(super) fn read(path: &Path) -> Result<Rows, Failure> {
    let table = read_file(path)?;
    let rows = 0..table.rows();
    Ok(Rows {
        records: rows.clone().map(|row| record(&table, row)).collect::<Result<_, _>>()?,
        places: rows.map(|row| table.place(row)).collect(),
        columns: table.names(),
    })
}

fn record(table: &RecordTable, row: usize) -> Result<Record, Failure> {
    serde_json::from_str(&table.row_json(row)).map_err(Failure::failed)
}
