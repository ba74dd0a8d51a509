//! CSV as in RFC 4180: a header, commas, quotes doubled inside quotes, line breaks inside quotes.

use std::io::BufRead;

use super::error::{Fault, Place, RecordError};
use super::source::read_line;
use super::table::{self, Cell, Cells, RecordTable, Strings, TableBuilder};

/// Reads records under a header. An empty field is missing, an empty quoted field is an empty text. A column
/// is numeric when all its fields are (see [`numbers`]); blank lines are passed over.
pub(super) fn read(file: &str, input: impl BufRead) -> Result<RecordTable, RecordError> {
    let mut table = TableBuilder::new();
    let mut records = Records { input, line: 1, record: Record::default() };
    let Some(place) = records.next().map_err(|(f, p)| f.at(file, p))? else {
        return Err(Fault::Empty.in_file(file));
    };
    let header: Vec<String> = records.record.fields().map(|(name, _)| name.trim().to_owned()).collect();
    for name in &header {
        table.declare(name).map_err(|f| f.at(file, place).field(name))?;
    }
    while let Some(place) = records.next().map_err(|(f, p)| f.at(file, p))? {
        let found = records.record.ends.len();
        if found != header.len() {
            return Err(Fault::FieldCount { expected: header.len(), found }.at(file, place));
        }
        for (name, (text, quoted)) in header.iter().zip(records.record.fields()) {
            let cell = if text.is_empty() && !quoted { Cell::Missing } else { Cell::Text(text) };
            table.put(name, cell).map_err(|f| f.at(file, place).field(name))?;
        }
        table.end_row(place).map_err(|f| f.at(file, place))?;
    }
    let mut table = table.finish(file).map_err(|f| f.in_file(file))?;
    for column in &mut table.columns {
        if let Cells::Text(strings) = &column.cells
            && let Some(numbers) = numbers(strings)
        {
            column.cells = Cells::Number(numbers);
        }
    }
    Ok(table)
}

/// A column of fields as numbers, when each is one, or a word for a number that is not there (NaN, NA, inf).
/// Fields that would lose something as numbers (leading zeros, a plus sign, integers beyond 2^53) are names,
/// and so is their column.
fn numbers(strings: &Strings) -> Option<Vec<f64>> {
    let mut some = false;
    let mut out = Vec::with_capacity(strings.len());
    for text in strings.iter() {
        let x = text.map_or(Some(f64::NAN), number)?;
        some |= x.is_finite();
        out.push(x);
    }
    some.then_some(out)
}

fn number(text: &str) -> Option<f64> {
    let text = text.trim_ascii();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        let words = ["nan", "na", "n/a", "null", "none", "inf", "infinity"];
        return words.iter().any(|w| digits.eq_ignore_ascii_case(w)).then_some(f64::NAN);
    }
    let leading_zero = digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
    let integer = digits.bytes().all(|b| b.is_ascii_digit());
    if leading_zero || (integer && digits.parse::<i128>().ok().and_then(table::exact).is_none()) {
        return None;
    }
    text.parse().ok()
}

/// One record: its fields one after the other, and where each ends.
#[derive(Default)]
struct Record {
    text: String,
    ends: Vec<(usize, bool)>,
}

impl Record {
    /// Each field, and whether it was quoted.
    fn fields(&self) -> impl Iterator<Item = (&str, bool)> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|&(end, _)| end));
        starts.zip(&self.ends).map(|(start, &(end, quoted))| (&self.text[start..end], quoted))
    }
}

struct Records<R> {
    input: R,
    /// Number of the next line.
    line: u64,
    record: Record,
}

/// Where the reader stands inside a record.
#[derive(Clone, Copy, PartialEq)]
enum State {
    /// At the start of a field.
    Start,
    /// In a field without quotes.
    Bare,
    /// In a quoted field.
    Quoted,
    /// After a quote in a quoted field: the closing one, or the first of a doubled one.
    Quote,
}

impl<R: BufRead> Records<R> {
    /// Reads the next record that is not a blank line; its place, or `None` at the end.
    fn next(&mut self) -> Result<Option<Place>, (Fault, Place)> {
        loop {
            let place = Place::Line(self.line);
            let mut bytes = Vec::new();
            let mut parser = Parser { state: State::Start, quoted: false, out: Vec::new(), ends: Vec::new() };
            let mut read = 0;
            loop {
                let here = Place::Line(self.line);
                let n = read_line(&mut self.input, &mut bytes).map_err(|f| (f, here))?;
                if n == 0 && parser.state == State::Quoted {
                    return Err((Fault::OpenQuote, place));
                }
                self.line += 1;
                if parser.feed(&bytes[read..]).map_err(|f| (f, here))? || n == 0 {
                    break;
                }
                read = bytes.len();
            }
            if bytes.is_empty() {
                return Ok(None);
            }
            if bytes.trim_ascii().is_empty() {
                continue;
            }
            let text = String::from_utf8(parser.out).map_err(|_| (Fault::NotUtf8, place))?;
            // A comma may cut a character in two, whose halves meet again in `text`.
            if !parser.ends.iter().all(|&(end, _)| text.is_char_boundary(end)) {
                return Err((Fault::NotUtf8, place));
            }
            self.record = Record { text, ends: parser.ends };
            return Ok(Some(place));
        }
    }
}

struct Parser {
    state: State,
    quoted: bool,
    out: Vec<u8>,
    ends: Vec<(usize, bool)>,
}

impl Parser {
    /// Takes one line, its end included; true when the record is complete.
    fn feed(&mut self, line: &[u8]) -> Result<bool, Fault> {
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        let body = body.strip_suffix(b"\r").unwrap_or(body);
        for &byte in body {
            match (self.state, byte) {
                (State::Start, b'"') => (self.state, self.quoted) = (State::Quoted, true),
                (State::Start | State::Bare | State::Quote, b',') => self.close(),
                (State::Start | State::Bare, _) => {
                    self.out.push(byte);
                    self.state = State::Bare;
                }
                (State::Quoted, b'"') => self.state = State::Quote,
                (State::Quoted, _) => self.out.push(byte),
                (State::Quote, b'"') => {
                    self.out.push(byte);
                    self.state = State::Quoted;
                }
                (State::Quote, _) => return Err(Fault::AfterQuote),
            }
        }
        if self.state == State::Quoted {
            self.out.extend_from_slice(&line[body.len()..]);
            return Ok(false);
        }
        self.close();
        Ok(true)
    }

    fn close(&mut self) {
        self.ends.push((self.out.len(), self.quoted));
        (self.state, self.quoted) = (State::Start, false);
    }
}
