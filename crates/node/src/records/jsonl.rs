//! JSON Lines: one flat object a line.

use std::fmt;
use std::io::BufRead;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::error::{Fault, Place, RecordError};
use super::source::read_line;
use super::table;
use super::table::{Cell, RecordTable, TableBuilder};

/// Reads objects of texts, numbers, booleans (as text), nulls (as missing) and arrays of numbers.
/// Blank lines are passed over.
pub(super) fn read(file: &str, mut input: impl BufRead) -> Result<RecordTable, RecordError> {
    let mut table = TableBuilder::new();
    let mut line = Vec::new();
    for number in 1.. {
        let place = Place::Line(number);
        line.clear();
        if read_line(&mut input, &mut line).map_err(|f| f.at(file, place))? == 0 {
            break;
        }
        let text = std::str::from_utf8(&line).map_err(|_| Fault::NotUtf8.at(file, place))?.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let mut row = Row { table: &mut table, field: None, fault: None };
        let parsed = row.read(text);
        let Row { field, fault, .. } = row;
        if let Err(error) = parsed {
            let fault = fault.unwrap_or_else(|| syntax(text, &error));
            // Where a line is not JSON, the field that was read last is not to blame.
            let field = field.filter(|_| !matches!(fault, Fault::BadJson(_) | Fault::NotAnObject));
            return Err(RecordError { field, ..fault.at(file, place) });
        }
        table.end_row(place).map_err(|f| f.at(file, place))?;
    }
    table.finish(file).map_err(|f| f.in_file(file))
}

/// Names a syntax error; Python writes NaN and Infinity where JSON has nothing.
fn syntax(text: &str, error: &serde_json::Error) -> Fault {
    if !text.starts_with('{') {
        return Fault::NotAnObject;
    }
    if error.is_data() {
        return Fault::NotNumbers; // the one place where the parser itself expects a type
    }
    let at = error.column().saturating_sub(1);
    let near = |word: &str| {
        (at.saturating_sub(1)..=at).any(|i| text.get(i..).is_some_and(|rest| rest.starts_with(word)))
    };
    if near("NaN") || near("Infinity") {
        return Fault::NotJsonNumber;
    }
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    Fault::BadJson(format!("{message} at character {}", error.column()))
}

/// One object on its way into the table, with the field at hand and our own fault, which the parser's error
/// type cannot carry.
struct Row<'t> {
    table: &'t mut TableBuilder,
    field: Option<String>,
    fault: Option<Fault>,
}

impl Row<'_> {
    fn read(&mut self, text: &str) -> Result<(), serde_json::Error> {
        let mut parser = serde_json::Deserializer::from_str(text);
        Object(self).deserialize(&mut parser)?;
        self.field = None;
        parser.end()
    }

    fn put<E: Error>(&mut self, cell: Cell<'_>) -> Result<(), E> {
        let name = self.field.as_deref().unwrap_or_default();
        self.table.put(name, cell).or_else(|fault| self.stop(fault))
    }

    fn stop<E: Error>(&mut self, fault: Fault) -> Result<(), E> {
        self.fault = Some(fault);
        Err(E::custom("refused"))
    }
}

struct Object<'r, 't>(&'r mut Row<'t>);

impl<'de> DeserializeSeed<'de> for Object<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            self.0.field = Some(name);
            map.next_value_seed(Value(self.0))?;
        }
        Ok(())
    }
}

struct Value<'r, 't>(&'r mut Row<'t>);

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, true, false, null or an array of numbers")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.put(Cell::Text(text))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.0.put(Cell::Text(if value { "true" } else { "false" }))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.put(Cell::Missing)
    }

    fn visit_f64<E: Error>(self, x: f64) -> Result<(), E> {
        self.0.put(Cell::Number(x))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<(), E> {
        put_integer(self.0, i128::from(n))
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<(), E> {
        put_integer(self.0, i128::from(n))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut vector = Vec::new();
        while let Some(x) = seq.next_element::<f64>()? {
            vector.push(x);
        }
        self.0.put(Cell::Vector(&vector))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.0.stop(Fault::Nested)
    }
}

/// Integers that a double cannot hold keep their digits as text: they are names, not measurements.
fn put_integer<E: Error>(row: &mut Row<'_>, n: i128) -> Result<(), E> {
    match table::exact(n) {
        Some(x) => row.put(Cell::Number(x)),
        None => row.put(Cell::Text(&n.to_string())),
    }
}
