//! Parquet: flat columns, and lists of numbers as embeddings.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ::parquet::basic::Compression;
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use ::parquet::record::{Field, List};
use assay_store::columns::Fenced;

use super::error::{Fault, Place, RecordError};
use super::limits;
use super::table::{self, Cell, RecordTable, TableBuilder};

/// Reads a Parquet file. Dates and times become ISO 8601 text.
pub(super) fn read(file: &str, input: impl ChunkReader + 'static) -> Result<RecordTable, RecordError> {
    // The decoder asserts on some damaged files; a damaged file must be an error like any other.
    let outcome = catch_unwind(AssertUnwindSafe(|| read_rows(file, input)));
    outcome.unwrap_or_else(|_| Err(Fault::BadParquet("a page does not decode".to_owned()).in_file(file)))
}

fn read_rows(file: &str, input: impl ChunkReader + 'static) -> Result<RecordTable, RecordError> {
    let bad = |e: ParquetError| Fault::BadParquet(e.to_string());
    let text_max = limits::unpacked_max(input.len());
    // The headers of pages of lists are read twice.
    let input = Fenced::new(input, 2 * limits::MAX_FILE_BYTES).map_err(|e| bad(e).in_file(file))?;
    let reader = SerializedFileReader::new(input).map_err(|e| bad(e).in_file(file))?;
    check_claims(&reader).map_err(|f| f.in_file(file))?;
    if listed_bytes(&reader).map_err(|e| bad(e).in_file(file))? > text_max {
        return Err(Fault::UnpacksTooFar.in_file(file));
    }
    let mut table = TableBuilder::new();
    for field in reader.metadata().file_metadata().schema().get_fields() {
        table.declare(field.name()).map_err(|f| f.in_file(file).field(field.name()))?;
    }
    let claimed = reader.metadata().file_metadata().num_rows();
    let (mut number, mut text) = (0, 0);
    for row in reader.get_row_iter(None).map_err(|e| bad(e).in_file(file))? {
        number += 1;
        let place = Place::Row(number);
        let row = row.map_err(|e| bad(e).at(file, place))?;
        for (name, field) in row.get_column_iter() {
            // A dictionary of one long text unpacks to as much as the rows that name it.
            text += text_bytes(field);
            if text > text_max {
                return Err(Fault::UnpacksTooFar.at(file, place).field(name));
            }
            put(&mut table, name, field).map_err(|f| f.at(file, place).field(name))?;
        }
        table.end_row(place).map_err(|f| f.at(file, place))?;
    }
    if u64::try_from(claimed) != Ok(number) {
        let lie = format!("it says that it has {claimed} rows, and has {number}");
        return Err(Fault::BadParquet(lie).in_file(file));
    }
    table.finish(file).map_err(|f| f.in_file(file))
}

/// Holds what the file says of itself (rows, sizes, codecs) to what is read here, before a page is unpacked.
fn check_claims<R: ChunkReader + 'static>(reader: &SerializedFileReader<R>) -> Result<(), Fault> {
    let metadata = reader.metadata();
    let rows = usize::try_from(metadata.file_metadata().num_rows());
    let rows = rows.map_err(|_| Fault::BadParquet("a negative number of rows".to_owned()))?;
    if rows > limits::MAX_ROWS {
        return Err(Fault::TooManyRows);
    }
    let columns = || metadata.row_groups().iter().flat_map(|g| g.columns());
    if let Some(codec) = columns().map(|c| c.compression()).find(|codec| !readable(codec)) {
        let name = codec.to_string();
        return Err(Fault::Codec(name.split('(').next().unwrap_or_default().to_owned()));
    }
    let bytes = columns().map(|c| u64::try_from(c.uncompressed_size()).unwrap_or(u64::MAX));
    if bytes.fold(0, u64::saturating_add) > limits::MAX_FILE_BYTES {
        return Err(Fault::FileTooLarge);
    }
    Ok(())
}

/// Memory for the elements of all lists, by what the pages claim. A row is decoded as a whole, and a few bytes can say that
/// all elements of a page, of which there may be 2^31, are one list of the same number.
fn listed_bytes<R: ChunkReader + 'static>(reader: &SerializedFileReader<R>) -> Result<u64, ParquetError> {
    let mut elements = 0_u64;
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group)?;
        let columns = group.metadata().columns().iter().enumerate();
        for (column, _) in columns.filter(|(_, column)| column.column_descr().max_rep_level() > 0) {
            let mut pages = group.get_column_page_reader(column)?;
            while let Some(page) = pages.peek_next_page()? {
                elements = elements.saturating_add(page.num_levels.unwrap_or(0) as u64);
                pages.skip_next_page()?;
            }
        }
    }
    Ok(elements.saturating_mul(size_of::<Field>() as u64))
}

fn text_bytes(field: &Field) -> u64 {
    match field {
        Field::Str(text) => text.len() as u64,
        Field::Bytes(bytes) => bytes.len() as u64,
        _ => 0,
    }
}

fn readable(codec: &Compression) -> bool {
    use Compression::{GZIP, SNAPPY, UNCOMPRESSED, ZSTD};
    matches!(codec, UNCOMPRESSED | SNAPPY | GZIP(_) | ZSTD(_))
}

fn put(table: &mut TableBuilder, name: &str, field: &Field) -> Result<(), Fault> {
    match field {
        Field::Null => table.put(name, Cell::Missing),
        Field::Str(text) => table.put(name, Cell::Text(text)),
        Field::Bool(value) => table.put(name, Cell::Text(if *value { "true" } else { "false" })),
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => table.put(name, Cell::Text(text)),
            Err(_) => Err(Fault::Binary),
        },
        Field::Date(_) => table.put(name, Cell::Text(&field.to_string())),
        Field::TimeMillis(_) | Field::TimeMicros(_) => table.put(name, Cell::Text(&field.to_string())),
        Field::TimestampMillis(_) | Field::TimestampMicros(_) => {
            let text = field.to_string().replacen(' ', "T", 1).replace(" +00:00", "Z");
            table.put(name, Cell::Text(&text))
        }
        Field::Group(_) | Field::MapInternal(_) => Err(Fault::Nested),
        Field::ListInternal(list) => table.put(name, Cell::Vector(&vector(list)?)),
        _ => match number(field).ok_or(Fault::Nested)? {
            Ok(x) => table.put(name, Cell::Number(x)),
            Err(n) => table.put(name, Cell::Text(&n.to_string())),
        },
    }
}

fn vector(list: &List) -> Result<Vec<f64>, Fault> {
    let number = |field| match number(field) {
        Some(Ok(x)) => Ok(x),
        Some(Err(n)) => Ok(n as f64),
        None => Err(Fault::NotNumbers),
    };
    list.elements().iter().map(number).collect()
}

/// A numeric field as a double; as its integer when no double holds it; `None` when it is not numeric.
fn number(field: &Field) -> Option<Result<f64, i128>> {
    let integer = match *field {
        Field::Byte(n) => i128::from(n),
        Field::Short(n) => i128::from(n),
        Field::Int(n) => i128::from(n),
        Field::Long(n) => i128::from(n),
        Field::UByte(n) => i128::from(n),
        Field::UShort(n) => i128::from(n),
        Field::UInt(n) => i128::from(n),
        Field::ULong(n) => i128::from(n),
        Field::Float16(x) => return Some(Ok(f64::from(x))),
        // Through the shortest decimal, so that 0.1 of a float column is 0.1 and not 0.10000000149011612.
        Field::Float(x) => return Some(Ok(x.to_string().parse().unwrap_or(f64::from(x)))),
        Field::Double(x) => return Some(Ok(x)),
        Field::Decimal(_) => return field.to_string().parse().ok().map(Ok),
        _ => return None,
    };
    Some(table::exact(integer).ok_or(integer))
}
