//! Record files: JSON Lines, CSV and Parquet in, typed columns or a located error out.
//!
//! [`read_file`] makes a [`RecordTable`]; [`ColumnRoles::resolve`] says which column plays which part, and
//! [`Roles::select`] takes the table apart accordingly. Every reader is total: whatever the bytes, the answer is a
//! table or a [`RecordError`] that names file, line, field and what to do. Bounds are in [`limits`].

mod canonical;
mod csv;
mod error;
mod jsonl;
pub mod limits;
mod parquet;
mod roles;
mod source;
mod table;
mod time;

#[cfg(test)]
mod tests;

pub use error::{Fault, Place, RecordError};
pub use roles::{ColumnRoles, FeatureChoice, Labels, Roles, Selected};
pub use source::{read_bytes, read_file};
pub use table::{Cells, Column, RecordTable, Strings, number_text};
pub use time::{Time, parse_iso8601};
