//! Parquet bytes to a table, whoever wrote them: total on every input, and bounded.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use parquet::column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use parquet::data_type::{BoolType, ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::reader::SerializedPageReader;
use parquet::schema::types::Type;

use super::guard::{Fenced, FencedPages, check_footer};
use super::{ColumnTable, METADATA_BYTES_MAX, Values};
use crate::StoreError;

/// Cells decoded at a time.
const BATCH_ROWS: usize = 8_192;

/// What to read of a file, and how much at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    /// The columns wanted, in the order wanted; `None`: all. Columns of a kind that is not read (lists, structs,
    /// decimals) are an error only if wanted.
    pub columns: Option<Vec<String>>,
    /// Most rows.
    pub rows_max: u64,
    /// Most memory for the cells, and for the pages that they are decoded from, in bytes each.
    pub bytes_max: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { columns: None, rows_max: 100_000_000, bytes_max: 4 << 30 }
    }
}

/// All columns of a file, within the default bounds.
pub fn read(bytes: &[u8]) -> Result<ColumnTable, StoreError> {
    read_with(bytes, &ReadOptions::default())
}

/// Reads a table that Assay or another program wrote: flat columns of text, integers (32 and 64 bits, dates and
/// times as their number of units), floats (32 and 64 bits) and truth values. Any other input is a
/// [`StoreError::Table`] that names the place.
pub fn read_with(bytes: &[u8], options: &ReadOptions) -> Result<ColumnTable, StoreError> {
    contain(|| decode(Bytes::copy_from_slice(bytes), options))
}

/// The names of the top-level columns of a file, in order; columns that cannot be read are among them.
pub fn column_names(bytes: &[u8]) -> Result<Vec<String>, StoreError> {
    contain(|| {
        let metadata = parse_metadata(&Bytes::copy_from_slice(bytes))?;
        let fields = metadata.file_metadata().schema_descr().root_schema().get_fields();
        Ok(fields.iter().map(|field| field.name().to_owned()).collect())
    })
}

/// The library panics on some malformed files (asserts and index errors in its decoders); here that is an error
/// like any other. Nothing of a failed read is used again.
fn contain<T>(read: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let told =
        |panic: Box<dyn Any + Send>| match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(text), _) => text.clone(),
            (None, Some(text)) => (*text).to_owned(),
            (None, None) => "the decoder failed".to_owned(),
        };
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        Err(StoreError::table("contents", format!("the file is damaged: {}", told(panic))))
    })
}

fn parse_metadata(file: &Bytes) -> Result<ParquetMetaData, StoreError> {
    check_footer(file)
        .and_then(|()| ParquetMetaDataReader::new().parse_and_finish(file))
        .map_err(|error| StoreError::table("footer", format!("{error}; is this a complete Parquet file?")))
}

fn decode(file: Bytes, options: &ReadOptions) -> Result<ColumnTable, StoreError> {
    let metadata = parse_metadata(&file)?;
    let mut rows_total = 0_u64;
    for group in metadata.row_groups() {
        let rows = u64::try_from(group.num_rows()).unwrap_or(u64::MAX);
        rows_total = rows_total.saturating_add(rows);
    }
    StoreError::within("the number of rows of the table", rows_total, options.rows_max)?;
    let mut table = ColumnTable { metadata: key_values(&metadata)?, columns: Vec::new() };
    let file = Fenced::new(file, options.bytes_max).map_err(|error| StoreError::table("footer", error))?;
    let file = Arc::new(file);
    let mut budget = Budget { left: options.bytes_max };
    for (name, leaf, kind) in wanted(&metadata, options)? {
        let reader =
            ColumnFile { file: &file, metadata: &metadata, name: &name, leaf, bytes_max: options.bytes_max };
        let values = kind.read(&reader, &mut budget)?;
        table = table.with_column(&name, values)?;
    }
    Ok(table)
}

fn key_values(metadata: &ParquetMetaData) -> Result<BTreeMap<String, String>, StoreError> {
    let entries = metadata.file_metadata().key_value_metadata().map_or(&[][..], Vec::as_slice);
    let bytes: usize =
        entries.iter().map(|entry| entry.key.len() + entry.value.as_ref().map_or(0, String::len)).sum();
    StoreError::within("the metadata of the table in bytes", bytes as u64, METADATA_BYTES_MAX as u64)?;
    Ok(entries.iter().map(|entry| (entry.key.clone(), entry.value.clone().unwrap_or_default())).collect())
}

/// The leaf and kind of every column that is wanted.
fn wanted(
    metadata: &ParquetMetaData,
    options: &ReadOptions,
) -> Result<Vec<(String, usize, Kind)>, StoreError> {
    let schema = metadata.file_metadata().schema_descr();
    let fields = schema.root_schema().get_fields();
    let names: Vec<String> = match &options.columns {
        Some(names) => names.clone(),
        None => fields.iter().map(|field| field.name().to_owned()).collect(),
    };
    let find = |name: String| {
        let place = format!("column {name:?}");
        let Some(field) = fields.iter().find(|field| field.name() == name) else {
            let known = fields.iter().map(|field| field.name()).take(20).collect::<Vec<_>>().join(", ");
            return Err(StoreError::table(
                place,
                format!("there is none of that name; the file has {known}"),
            ));
        };
        let leaf = (0..schema.num_columns()).find(|&leaf| schema.get_column_root(leaf).name() == name);
        match (Kind::of(field), leaf) {
            (Ok(kind), Some(leaf)) => Ok((name, leaf, kind)),
            (Err(found), _) => Err(StoreError::table(
                place,
                format!(
                    "it holds {found}, which is not read; convert it to text, numbers or truth values, or leave it out"
                ),
            )),
            (Ok(_), None) => Err(StoreError::table(place, "it has no data")),
        }
    };
    names.into_iter().map(find).collect()
}

/// How the cells of a column are stored.
enum Kind {
    Text,
    Int32,
    Unsigned32,
    Int64,
    Unsigned64,
    Float,
    Double,
    Bool,
}

impl Kind {
    /// The kind of a flat column, or what it is instead.
    fn of(field: &Type) -> Result<Self, String> {
        if !field.is_primitive() {
            return Err("lists or structs".to_owned());
        }
        if field.get_basic_info().repetition() == parquet::basic::Repetition::REPEATED {
            return Err("repeated values".to_owned());
        }
        let info = field.get_basic_info();
        let (logical, converted) = (info.logical_type_ref(), info.converted_type());
        let plain = logical.is_none() && converted == ConvertedType::NONE;
        match (field.get_physical_type(), logical) {
            (Physical::BOOLEAN, _) if plain => Ok(Self::Bool),
            (Physical::FLOAT, _) if plain => Ok(Self::Float),
            (Physical::DOUBLE, _) if plain => Ok(Self::Double),
            (
                Physical::BYTE_ARRAY,
                None | Some(LogicalType::String | LogicalType::Enum | LogicalType::Json),
            ) if converted != ConvertedType::DECIMAL && converted != ConvertedType::BSON => Ok(Self::Text),
            (Physical::INT32 | Physical::INT64, Some(LogicalType::Decimal { .. })) => {
                Err("decimals".to_owned())
            }
            (Physical::INT32 | Physical::INT64, _) if converted == ConvertedType::DECIMAL => {
                Err("decimals".to_owned())
            }
            (Physical::INT32, _) if converted == ConvertedType::UINT_32 => Ok(Self::Unsigned32),
            (Physical::INT64, _) if converted == ConvertedType::UINT_64 => Ok(Self::Unsigned64),
            (Physical::INT32, _) => Ok(Self::Int32),
            (Physical::INT64, _) => Ok(Self::Int64),
            (physical, Some(logical)) => Err(format!("{physical} values of type {logical:?}")),
            (physical, None) => Err(format!("{physical} values")),
        }
    }

    fn read(&self, column: &ColumnFile<'_>, budget: &mut Budget) -> Result<Values, StoreError> {
        match self {
            Self::Text => column
                .cells::<ByteArrayType, _>(budget, |bytes| match bytes.as_utf8() {
                    Ok(text) => Ok((text.to_owned(), text.len())),
                    Err(_) => Err("it is not UTF-8 text"),
                })
                .map(Values::Utf8),
            Self::Int32 => {
                column.cells::<Int32Type, _>(budget, |value| Ok((i64::from(*value), 0))).map(Values::Int64)
            }
            Self::Unsigned32 => column
                .cells::<Int32Type, _>(budget, |value| Ok((i64::from(value.cast_unsigned()), 0)))
                .map(Values::Int64),
            Self::Unsigned64 => column
                .cells::<Int64Type, _>(budget, |value| match *value {
                    0.. => Ok((*value, 0)),
                    _ => Err("it is above 9223372036854775807, the largest whole number that is read"),
                })
                .map(Values::Int64),
            Self::Int64 => column.cells::<Int64Type, _>(budget, |value| Ok((*value, 0))).map(Values::Int64),
            Self::Float => {
                column.cells::<FloatType, _>(budget, |value| Ok((f64::from(*value), 0))).map(Values::Float64)
            }
            Self::Double => {
                column.cells::<DoubleType, _>(budget, |value| Ok((*value, 0))).map(Values::Float64)
            }
            Self::Bool => column.cells::<BoolType, _>(budget, |value| Ok((*value, 0))).map(Values::Bool),
        }
    }
}

/// Memory that decoded cells may yet take.
struct Budget {
    left: u64,
}

impl Budget {
    fn spend(&mut self, bytes: usize, max: u64) -> Result<(), StoreError> {
        match self.left.checked_sub(bytes as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                StoreError::within("the memory that the table needs in bytes", max.saturating_add(1), max)
            }
        }
    }
}

/// One column of a file.
struct ColumnFile<'a> {
    file: &'a Arc<Fenced<Bytes>>,
    metadata: &'a ParquetMetaData,
    name: &'a str,
    leaf: usize,
    bytes_max: u64,
}

impl ColumnFile<'_> {
    /// All cells, group by group. `convert` gives a value and the memory that it takes beside its slot, or says
    /// what is wrong with it.
    fn cells<T: DataType, C>(
        &self,
        budget: &mut Budget,
        convert: impl Fn(&T::T) -> Result<(C, usize), &'static str>,
    ) -> Result<Vec<Option<C>>, StoreError> {
        let mut cells = Vec::new();
        for (ordinal, group) in self.metadata.row_groups().iter().enumerate() {
            let rows = usize::try_from(group.num_rows()).unwrap_or(0);
            let damaged = |error: ParquetError| {
                StoreError::table(format!("column {:?}, row group {ordinal}", self.name), error)
            };
            let mut reader = self.open::<T>(group, rows).map_err(damaged)?;
            let end = cells.len() + rows;
            while cells.len() < end {
                let batch = BATCH_ROWS.min(end - cells.len());
                budget.spend(batch.saturating_mul(size_of::<Option<C>>()), self.bytes_max)?;
                let (mut levels, mut values) = (Vec::new(), Vec::new());
                let (records, _, _) =
                    reader.read_records(batch, Some(&mut levels), None, &mut values).map_err(damaged)?;
                if records == 0 {
                    let found = rows - (end - cells.len());
                    return Err(damaged(ParquetError::General(format!(
                        "it ends after {found} of {rows} rows"
                    ))));
                }
                self.push(&mut cells, records, &levels, &values, budget, &convert)?;
            }
        }
        Ok(cells)
    }

    fn open<T: DataType>(
        &self,
        group: &RowGroupMetaData,
        rows: usize,
    ) -> Result<ColumnReaderImpl<T>, ParquetError> {
        let chunk = group.column(self.leaf);
        let pages = SerializedPageReader::new(Arc::clone(self.file), chunk, rows, None)?;
        let pages = FencedPages { pages, rows: rows as u64 };
        Ok(get_typed_column_reader(get_column_reader(chunk.column_descr_ptr(), Box::new(pages))))
    }

    fn push<V, C>(
        &self,
        cells: &mut Vec<Option<C>>,
        records: usize,
        levels: &[i16],
        values: &[V],
        budget: &mut Budget,
        convert: impl Fn(&V) -> Result<(C, usize), &'static str>,
    ) -> Result<(), StoreError> {
        let mut values = values.iter();
        for index in 0..records {
            // A column that cannot be null has no levels.
            if levels.get(index).is_some_and(|&level| level == 0) {
                cells.push(None);
                continue;
            }
            let place = || format!("column {:?}, row {}", self.name, cells.len());
            let value = values.next().ok_or_else(|| StoreError::table(place(), "its value is missing"))?;
            let (cell, bytes) = convert(value).map_err(|detail| StoreError::table(place(), detail))?;
            budget.spend(bytes, self.bytes_max)?;
            cells.push(Some(cell));
        }
        Ok(())
    }
}
