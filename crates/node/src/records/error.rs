//! What can be wrong with a record file: what, where, and what to do about it.

use std::fmt;

use super::limits;

/// A fault with its place: the file as the user named it, the line or row (from 1), the field.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordError {
    /// The file as the user named it.
    pub file: String,
    /// The line or row, where one is to blame.
    pub place: Option<Place>,
    /// The field, where one is to blame.
    pub field: Option<String>,
    /// What is wrong.
    pub fault: Fault,
}

/// Where a record stands in its file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Line of a text file (the first line of a record that spans several).
    Line(u64),
    /// Row of a Parquet file.
    Row(u64),
}

/// What is wrong with a file, a record or a field.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The file does not open or does not read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// No record in it.
    #[error("holds no records")]
    Empty,
    /// The compressed stream ends early.
    #[error("is cut short: the compressed data ends before its end mark")]
    Truncated,
    /// The compressed stream is damaged.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// More than [`limits::MAX_FILE_BYTES`] after decompression.
    #[error("is larger than {} MiB once unpacked", limits::MAX_FILE_BYTES >> 20)]
    FileTooLarge,
    /// More than [`limits::MAX_UNPACK_RATIO`] times its own size after decompression.
    #[error("unpacks to more than {} times its size", limits::MAX_UNPACK_RATIO)]
    UnpacksTooFar,
    /// More than [`limits::MAX_ROWS`] records.
    #[error("has more than {} records", limits::MAX_ROWS)]
    TooManyRows,
    /// More than [`limits::MAX_COLUMNS`] fields.
    #[error("has more than {} fields", limits::MAX_COLUMNS)]
    TooManyColumns,
    /// More than [`limits::MAX_CELLS`] values.
    #[error("holds more than {} values", limits::MAX_CELLS)]
    TooManyCells,
    /// A record over [`limits::MAX_RECORD_BYTES`].
    #[error("the record is longer than {} MiB", limits::MAX_RECORD_BYTES >> 20)]
    RecordTooLong,
    /// A name over [`limits::MAX_NAME_BYTES`] or an empty one.
    #[error("a field's name is empty or longer than {} bytes", limits::MAX_NAME_BYTES)]
    BadName,
    /// Not a format that is read here.
    #[error("is {0}, not JSON Lines, CSV or Parquet")]
    UnknownFormat(&'static str),
    /// Bytes that are not UTF-8.
    #[error("is not UTF-8 text")]
    NotUtf8,
    /// A line that is not JSON.
    #[error("is not valid JSON: {0}")]
    BadJson(String),
    /// `NaN` or `Infinity`, which JSON does not have.
    #[error("NaN or Infinity is not JSON")]
    NotJsonNumber,
    /// JSON, but not an object.
    #[error("is not a JSON object")]
    NotAnObject,
    /// An object inside a record.
    #[error("holds an object; records are flat")]
    Nested,
    /// An array with something else than numbers.
    #[error("holds an array that is not all numbers")]
    NotNumbers,
    /// An array longer than [`limits::MAX_VECTOR`] or empty.
    #[error("holds an array of {0} numbers; 1 to {max} are read", max = limits::MAX_VECTOR)]
    BadVector(usize),
    /// Arrays of two lengths, or an array beside a plain value.
    #[error("holds an array of {found} numbers where earlier records have {expected}")]
    VectorLength {
        /// Length of the earlier arrays; 0 for plain values.
        expected: usize,
        /// Length found; 0 for a plain value.
        found: usize,
    },
    /// The same field twice in one record or header.
    #[error("appears twice")]
    RepeatedField,
    /// A CSV record with more or fewer fields than the header.
    #[error("has {found} fields where the header has {expected}")]
    FieldCount {
        /// Fields in the header.
        expected: usize,
        /// Fields in the record.
        found: usize,
    },
    /// A quoted CSV field that never closes.
    #[error("a quoted field opens here and never closes")]
    OpenQuote,
    /// Text after the closing quote of a CSV field.
    #[error("text follows the closing quote of a field")]
    AfterQuote,
    /// Bytes that are not text in a Parquet column.
    #[error("holds binary data")]
    Binary,
    /// Parquet that does not decode.
    #[error("is not readable as Parquet: {0}")]
    BadParquet(String),
    /// Parquet compressed by a codec that is not built in.
    #[error("is compressed with {0}, which is not read here")]
    Codec(String),
    /// No such column.
    #[error("does not exist; the file has {}", list(.0))]
    NoColumn(Vec<String>),
    /// Nothing to make features from.
    #[error("has no text and no numeric column to learn from; it has {}", list(.0))]
    NoFeatures(Vec<String>),
    /// A record without the value that its role needs.
    #[error("is missing or empty")]
    Missing,
    /// A numeric field with text in it.
    #[error("is not a number: {0:?}")]
    NotANumber(String),
    /// NaN, infinity or nothing in a numeric field.
    #[error("is missing or not finite")]
    NotFinite,
    /// A time that does not parse.
    #[error("is not a time: {0:?}")]
    NotATime(String),
    /// Two records under one id.
    #[error("repeats the id {0:?}")]
    RepeatedId(String),
}

impl Fault {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "check the path and its permissions",
            Self::Empty => "give a file with at least one record",
            Self::Truncated => "copy or download the file again; the end is missing",
            Self::Damaged(_) | Self::BadParquet(_) => "copy, download or write the file again",
            Self::FileTooLarge | Self::TooManyRows | Self::TooManyCells => "split it or take a sample",
            Self::UnpacksTooFar => "unpack it, look at what it holds, and give the plain file",
            Self::TooManyColumns => "put an embedding into one array field, or drop columns",
            Self::RecordTooLong => "check the line breaks, or cut the record into shorter ones",
            Self::BadName => "name every field; an unnamed index column can be dropped",
            Self::UnknownFormat(_) => "convert it: one JSON object a line, or CSV with a header, in UTF-8",
            Self::NotUtf8 => "save the file as UTF-8",
            Self::BadJson(_) => "write one complete JSON object on each line",
            Self::NotJsonNumber => "fill in the number or leave the record out",
            Self::NotAnObject => "write one JSON object a line; `jq -c '.[]'` turns an array into lines",
            Self::Nested => "lift the inner fields to the top level",
            Self::NotNumbers => "join texts into one text; arrays are read as embeddings",
            Self::BadVector(_) | Self::VectorLength { .. } => "give every record an array of the same length",
            Self::RepeatedField => "keep one of the two",
            Self::FieldCount { .. } => "quote fields that hold commas or line breaks",
            Self::OpenQuote | Self::AfterQuote => "double the quotes inside a quoted field (\"\")",
            Self::Binary => "store text as a UTF-8 string column, or drop the column",
            Self::Codec(_) => "write it with zstd, snappy, gzip or no compression",
            Self::NoColumn(_) => "name one of these, or rename the column in the file",
            Self::NoFeatures(_) => "name the columns with --text or --features",
            Self::Missing => "fill it in or leave the record out",
            Self::NotANumber(_) => "fix the value, or leave the column out of --features",
            Self::NotFinite => {
                "fill in the number, leave the record out, or leave the column out of --features"
            }
            Self::NotATime(_) => "use ISO 8601, such as 2026-01-05T05:02:47Z, or numbers throughout",
            Self::RepeatedId(_) => "give every record an id of its own",
        }
    }

    /// Puts the fault in a file, without a place in it.
    pub(super) fn in_file(self, file: &str) -> RecordError {
        RecordError { file: file.to_owned(), place: None, field: None, fault: self }
    }

    /// Puts the fault at a place of a file.
    pub(super) fn at(self, file: &str, place: Place) -> RecordError {
        RecordError { place: Some(place), ..self.in_file(file) }
    }
}

impl RecordError {
    /// Names the field.
    pub(super) fn field(self, name: &str) -> Self {
        Self { field: Some(name.to_owned()), ..self }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        self.fault.hint()
    }
}

impl std::error::Error for RecordError {}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        match self.place {
            Some(Place::Line(n)) => write!(f, ", line {n}")?,
            Some(Place::Row(n)) => write!(f, ", row {n}")?,
            None => {}
        }
        if let Some(field) = &self.field {
            write!(f, ", field {field:?}")?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl Place {
    /// The line or row number.
    pub fn number(self) -> u64 {
        match self {
            Self::Line(n) | Self::Row(n) => n,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(n) => write!(f, "line {n}"),
            Self::Row(n) => write!(f, "row {n}"),
        }
    }
}

/// Names for an error message: the first twenty, then how many more.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let mut text = names.iter().take(SHOWN).map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
