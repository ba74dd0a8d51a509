//! Plain tables: named columns of text, integers, floats or truth values, each cell possibly null, as Parquet.
//!
//! The same table gives the same bytes: no time of writing, a fixed writer's name, a fixed compression level, one
//! thread. (Another version of the compressor may choose other bytes for the same table; readers do not care, and a
//! name by hash is the name of the bytes.) pandas, pyarrow, DuckDB and Polars open the files as they are.

mod guard;
mod read;
mod thrift;
mod write;

use std::collections::BTreeMap;

use crate::StoreError;
pub use guard::Fenced;
pub use read::{ReadOptions, column_names, read, read_with};
pub use write::write;

/// Metadata key of the schema's name and version, such as `records/1`.
pub const SCHEMA_KEY: &str = "assay.schema";
/// Metadata key of the recipe by which a machine computed the table.
pub const RECIPE_KEY: &str = "assay.recipe";
/// Most columns of a table.
pub const COLUMNS_MAX: usize = 65_536;
/// Longest column name, in bytes.
pub const NAME_BYTES_MAX: usize = 1_024;
/// Most bytes of metadata, keys and values together.
pub const METADATA_BYTES_MAX: usize = 4 << 20;

/// The cells of one column; `None` is null, which is not the same as NaN or as an empty text.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Text, UTF-8.
    Utf8(Vec<Option<String>>),
    /// Whole numbers.
    Int64(Vec<Option<i64>>),
    /// Floating-point numbers, kept bit for bit.
    Float64(Vec<Option<f64>>),
    /// Truth values.
    Bool(Vec<Option<bool>>),
}

impl Values {
    /// Number of cells, nulls included.
    pub fn len(&self) -> usize {
        match self {
            Self::Utf8(cells) => cells.len(),
            Self::Int64(cells) => cells.len(),
            Self::Float64(cells) => cells.len(),
            Self::Bool(cells) => cells.len(),
        }
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Columns from plain vectors, with or without nulls: `vec![1.0, 2.0].into()`.
macro_rules! values_from {
    ($cell:ty, $variant:ident) => {
        impl From<Vec<$cell>> for Values {
            fn from(cells: Vec<$cell>) -> Self {
                Self::$variant(cells.into_iter().map(Some).collect())
            }
        }
        impl From<Vec<Option<$cell>>> for Values {
            fn from(cells: Vec<Option<$cell>>) -> Self {
                Self::$variant(cells)
            }
        }
    };
}
values_from!(String, Utf8);
values_from!(i64, Int64);
values_from!(f64, Float64);
values_from!(bool, Bool);

/// A named column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name, unique in the table.
    pub name: String,
    /// Its cells.
    pub values: Values,
}

/// A table: columns of equal length, and metadata.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ColumnTable {
    metadata: BTreeMap<String, String>,
    columns: Vec<Column>,
}

impl ColumnTable {
    /// A table without columns, of a schema by name and version.
    pub fn new(schema: &str, version: u32) -> Self {
        Self {
            metadata: BTreeMap::from([(SCHEMA_KEY.to_owned(), format!("{schema}/{version}"))]),
            columns: Vec::new(),
        }
    }

    /// The table with one more metadata entry.
    pub fn with_metadata(mut self, key: &str, value: &str) -> Self {
        self.metadata.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The table with the recipe by which it was computed.
    pub fn with_recipe(self, recipe: &str) -> Self {
        self.with_metadata(RECIPE_KEY, recipe)
    }

    /// The table with one more column. Refused if the name is taken or the length differs from the others'.
    pub fn with_column(mut self, name: &str, values: impl Into<Values>) -> Result<Self, StoreError> {
        let values = values.into();
        let refused = |detail: String| Err(StoreError::table(format!("column {name:?}"), detail));
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            return refused(format!("its name has {} bytes; use 1 to {NAME_BYTES_MAX}", name.len()));
        }
        if self.column(name).is_some() {
            return refused("there is one of that name already; rename it".to_owned());
        }
        if self.columns.len() == COLUMNS_MAX {
            return refused(format!("a table has at most {COLUMNS_MAX} columns; split it"));
        }
        if !self.columns.is_empty() && values.len() != self.rows() {
            return refused(format!(
                "it has {} cells, the columns before it have {}",
                values.len(),
                self.rows()
            ));
        }
        self.columns.push(Column { name: name.to_owned(), values });
        Ok(self)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The cells of a column.
    pub fn column(&self, name: &str) -> Option<&Values> {
        self.columns.iter().find(|column| column.name == name).map(|column| &column.values)
    }

    /// Metadata by key, sorted.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The schema as `name/version`; `None` in a file that Assay did not write.
    pub fn schema(&self) -> Option<&str> {
        self.metadata.get(SCHEMA_KEY).map(String::as_str)
    }
}
