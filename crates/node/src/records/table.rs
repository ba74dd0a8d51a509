//! Records column by column, and the builder that types the columns as records arrive.

use rustc_hash::FxHashMap;

use super::error::{Fault, Place};
use super::limits;

/// Records of one file, column by column.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordTable {
    pub(super) file: String,
    pub(super) columns: Vec<Column>,
    pub(super) places: Vec<Place>,
}

/// One named field over all records.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The field's name.
    pub name: String,
    /// Its values, one a record.
    pub cells: Cells,
}

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cells {
    /// Text; a column that mixes text and numbers is text, each number as it prints.
    Text(Strings),
    /// Numbers; NaN where a record has none.
    Number(Vec<f64>),
    /// Arrays of `width` numbers, record after record; NaN where a record has none.
    Vector {
        /// Numbers in each array.
        width: usize,
        /// `width` values a record.
        values: Vec<f64>,
    },
}

impl RecordTable {
    /// The file as the user named it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Number of records.
    pub fn rows(&self) -> usize {
        self.places.len()
    }

    /// All columns, in order of first appearance.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// Where record `row` stands in the file.
    pub fn place(&self, row: usize) -> Place {
        self.places[row]
    }

    /// Names of all columns.
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().map(|c| c.name.clone()).collect()
    }
}

/// Many strings in one buffer, some of them missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strings {
    bytes: String,
    ends: Vec<u32>,
    missing: Vec<bool>,
}

impl Strings {
    /// `rows` missing strings.
    fn missing(rows: usize) -> Self {
        Self { bytes: String::new(), ends: vec![0; rows], missing: vec![true; rows] }
    }

    /// Number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// String `i`; `None` where a record has none.
    pub fn get(&self, i: usize) -> Option<&str> {
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        (!self.missing[i]).then(|| &self.bytes[start..self.ends[i] as usize])
    }

    /// All strings in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|i| self.get(i))
    }

    fn push(&mut self, text: Option<&str>) -> Result<(), Fault> {
        self.bytes.push_str(text.unwrap_or_default());
        // Numbers turned into text may be longer than in the file, so the bound is checked where it matters.
        self.ends.push(u32::try_from(self.bytes.len()).map_err(|_| Fault::FileTooLarge)?);
        self.missing.push(text.is_none());
        Ok(())
    }
}

/// One value on its way into a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Missing,
    Text(&'a str),
    Number(f64),
    Vector(&'a [f64]),
}

/// Collects records into a table; columns take their type from what arrives.
pub(super) struct TableBuilder {
    columns: Vec<Building>,
    index: FxHashMap<String, usize>,
    places: Vec<Place>,
    cells: usize,
    /// Fields put into the record at hand: where the next one most likely goes.
    next: usize,
}

struct Building {
    name: String,
    /// `None` until the first value arrives.
    cells: Option<Cells>,
    len: usize,
}

impl TableBuilder {
    pub(super) fn new() -> Self {
        Self { columns: Vec::new(), index: FxHashMap::default(), places: Vec::new(), cells: 0, next: 0 }
    }

    /// Names a column before any record has it (a header).
    pub(super) fn declare(&mut self, name: &str) -> Result<(), Fault> {
        if self.index.contains_key(name) {
            return Err(Fault::RepeatedField);
        }
        self.add(name).map(|_| ())
    }

    /// Puts a field into the record at hand.
    pub(super) fn put(&mut self, name: &str, cell: Cell<'_>) -> Result<(), Fault> {
        let at = match self.columns.get(self.next) {
            Some(column) if column.name == name => self.next,
            _ => match self.index.get(name) {
                Some(&at) => at,
                None => self.add(name)?,
            },
        };
        self.next = at + 1;
        if let Cell::Vector(v) = cell
            && !(1..=limits::MAX_VECTOR).contains(&v.len())
        {
            return Err(Fault::BadVector(v.len()));
        }
        let rows = self.places.len();
        let column = &mut self.columns[at];
        if column.len > rows {
            return Err(Fault::RepeatedField);
        }
        // Counted before anything is stored: one wide array after many records without it costs all of them.
        self.cells = self.cells.saturating_add((rows + 1 - column.len).saturating_mul(column.width(cell)));
        if self.cells > limits::MAX_CELLS {
            return Err(Fault::TooManyCells);
        }
        column.fill(rows)?;
        column.push(cell)
    }

    /// Closes the record at hand.
    pub(super) fn end_row(&mut self, place: Place) -> Result<(), Fault> {
        if self.places.len() == limits::MAX_ROWS {
            return Err(Fault::TooManyRows);
        }
        self.places.push(place);
        self.next = 0;
        Ok(())
    }

    /// The finished table; [`Fault::Empty`] without records.
    pub(super) fn finish(self, file: &str) -> Result<RecordTable, Fault> {
        let rows = self.places.len();
        if rows == 0 {
            return Err(Fault::Empty);
        }
        let unfilled = |c: &Building| (rows - c.len).saturating_mul(c.width(Cell::Missing));
        if self.columns.iter().map(unfilled).fold(self.cells, usize::saturating_add) > limits::MAX_CELLS {
            return Err(Fault::TooManyCells);
        }
        let mut columns = Vec::with_capacity(self.columns.len());
        for mut column in self.columns {
            column.fill(rows)?;
            let cells = column.cells.unwrap_or_else(|| Cells::Text(Strings::missing(rows)));
            columns.push(Column { name: column.name, cells });
        }
        Ok(RecordTable { file: file.to_owned(), columns, places: self.places })
    }

    fn add(&mut self, name: &str) -> Result<usize, Fault> {
        if name.is_empty() || name.len() > limits::MAX_NAME_BYTES {
            return Err(Fault::BadName);
        }
        if self.columns.len() == limits::MAX_COLUMNS {
            return Err(Fault::TooManyColumns);
        }
        let at = self.columns.len();
        self.columns.push(Building { name: name.to_owned(), cells: None, len: 0 });
        self.index.insert(name.to_owned(), at);
        Ok(at)
    }
}

impl Building {
    /// Values that a record takes here, once `cell` is in.
    fn width(&self, cell: Cell<'_>) -> usize {
        match (&self.cells, cell) {
            (Some(Cells::Vector { width, .. }), _) => *width,
            (None, Cell::Vector(v)) => v.len(),
            _ => 1,
        }
    }

    /// Adds missing values up to `rows`: records that did not have the field.
    fn fill(&mut self, rows: usize) -> Result<(), Fault> {
        while self.len < rows {
            self.push(Cell::Missing)?;
        }
        Ok(())
    }

    fn push(&mut self, cell: Cell<'_>) -> Result<(), Fault> {
        let before = self.len;
        self.len += 1;
        let cells = match (&mut self.cells, cell) {
            (None, Cell::Missing) => return Ok(()),
            (None, cell) => self.cells.insert(Cells::like(cell, before)),
            (Some(Cells::Number(numbers)), Cell::Text(_)) => {
                let text = to_strings(numbers)?;
                self.cells.insert(Cells::Text(text))
            }
            (Some(cells), _) => cells,
        };
        cells.push(cell)
    }
}

impl Cells {
    /// An empty column for values like `cell`, after `rows` records without one.
    fn like(cell: Cell<'_>, rows: usize) -> Self {
        match cell {
            Cell::Number(_) => Self::Number(vec![f64::NAN; rows]),
            Cell::Vector(v) => Self::Vector { width: v.len(), values: vec![f64::NAN; rows * v.len()] },
            Cell::Text(_) | Cell::Missing => Self::Text(Strings::missing(rows)),
        }
    }

    fn push(&mut self, cell: Cell<'_>) -> Result<(), Fault> {
        match (self, cell) {
            (Self::Text(s), Cell::Text(text)) => s.push(Some(text))?,
            (Self::Text(s), Cell::Number(x)) => s.push(Some(&number_text(x)))?,
            (Self::Text(s), Cell::Missing) => s.push(None)?,
            (Self::Number(n), Cell::Number(x)) => n.push(x),
            (Self::Number(n), Cell::Missing) => n.push(f64::NAN),
            (Self::Vector { width, values }, Cell::Missing) => values.extend((0..*width).map(|_| f64::NAN)),
            (Self::Vector { width, values }, Cell::Vector(v)) if v.len() == *width => values.extend(v),
            (Self::Vector { width, .. }, Cell::Vector(v)) => {
                return Err(Fault::VectorLength { expected: *width, found: v.len() });
            }
            (Self::Vector { width, .. }, Cell::Text(_) | Cell::Number(_)) => {
                return Err(Fault::VectorLength { expected: *width, found: 0 });
            }
            (Self::Text(_) | Self::Number(_), Cell::Vector(v)) => {
                return Err(Fault::VectorLength { expected: 0, found: v.len() });
            }
            // Turned into text by the caller, which owns the column.
            (Self::Number(_), Cell::Text(text)) => return Err(Fault::NotANumber(text.to_owned())),
        }
        Ok(())
    }
}

fn to_strings(numbers: &[f64]) -> Result<Strings, Fault> {
    let mut out = Strings::default();
    for &x in numbers {
        out.push((!x.is_nan()).then(|| number_text(x)).as_deref())?;
    }
    Ok(out)
}

/// The double that equals `n`, when there is one whose neighbours are integers too (up to 2^53).
pub(super) fn exact(n: i128) -> Option<f64> {
    (n.unsigned_abs() <= 1 << 53).then_some(n as f64)
}

/// A number as ECMAScript and RFC 8785 print it: the shortest digits that read back to the same double, the
/// nearest such, the even one of two (ECMA-262, Number::toString; the digits are serde_json's).
pub fn number_text(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned(); // also for -0
    }
    let Some(printed) = serde_json::Number::from_f64(x.abs()) else {
        return x.to_string(); // NaN and infinities
    };
    let printed = printed.to_string();
    let (mantissa, exponent) = printed.split_once('e').unwrap_or((&printed, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let padded = format!("{whole}{fraction}");
    let digits = padded.trim_start_matches('0');
    let zeros = padded.len() - digits.len();
    let digits = digits.trim_end_matches('0');
    // x = 0.digits times ten to the power of `point`.
    let point = whole.len() as i32 - zeros as i32 + exponent.parse::<i32>().unwrap_or(0);
    let count = digits.len() as i32;
    let sign = if x < 0.0 { "-" } else { "" };
    match point {
        ..=-6 | 22.. => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            format!("{sign}{first}{dot}{rest}e{:+}", point - 1)
        }
        ..=0 => format!("{sign}0.{}{digits}", "0".repeat(-point as usize)),
        _ if point >= count => format!("{sign}{digits}{}", "0".repeat((point - count) as usize)),
        _ => format!("{sign}{}.{}", &digits[..point as usize], &digits[point as usize..]),
    }
}
