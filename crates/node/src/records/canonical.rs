//! Records as canonical JSON (RFC 8785), the bytes that a node commits to.

use super::table::{Cells, RecordTable, number_text};

impl RecordTable {
    /// Record `row` as one canonical JSON object: names in order of their UTF-16 code units, numbers in their
    /// shortest form, missing and not finite values left out.
    pub fn row_json(&self, row: usize) -> String {
        let mut fields: Vec<(&str, String)> =
            self.columns.iter().filter_map(|c| Some((c.name.as_str(), c.cells.json(row)?))).collect();
        fields.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
        format!("{{{}}}", fields.join(","))
    }
}

impl Cells {
    fn json(&self, row: usize) -> Option<String> {
        match self {
            Self::Text(strings) => strings.get(row).map(quoted),
            Self::Number(numbers) => numbers[row].is_finite().then(|| number_text(numbers[row])),
            Self::Vector { width, values } => {
                let vector = &values[row * width..(row + 1) * width];
                let numbers: Vec<String> = vector.iter().map(|&x| number_text(x)).collect();
                vector.iter().all(|x| x.is_finite()).then(|| format!("[{}]", numbers.join(",")))
            }
        }
    }
}

/// A JSON string with the escapes of RFC 8785: the two-letter ones, `\u00xx` for other controls, nothing else.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
