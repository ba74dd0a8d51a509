//! Near duplicates of a file of JSON lines, in order of arrival: the engine from end to end, for measuring.
//!
//! `cargo run --release -p assay-quality --example dedup FILE`
//!
//! Reads `{"id": "...", "text": "..."}` lines and prints one line for every record that says what an earlier one
//! said: the two ids and how alike they are. The record that came first is kept. One thread, one record at a time.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros
)]

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};

use assay_quality::{NearIndex, Sketch, normalise};
use serde::Deserialize;

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

fn main() {
    let path = std::env::args().nth(1).expect("a file of JSON lines");
    let mut lines = BufReader::with_capacity(1 << 20, File::open(path).unwrap());
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut index = NearIndex::new();
    let mut ids: Vec<Box<str>> = Vec::new();
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).unwrap() > 0 {
        let row: Row<'_> = serde_json::from_slice(&line).unwrap();
        let sketch = Sketch::new(normalise(&row.text));
        match index.nearest(&sketch, |_, likeness| likeness.is_same_text().then_some(())) {
            Some(found) => {
                let (original, similarity) = (&ids[found.id as usize], found.likeness.similarity());
                writeln!(
                    out,
                    "{{\"id\":\"{}\",\"original\":\"{original}\",\"similarity\":{similarity:.3}}}",
                    row.id
                )
                .unwrap();
            }
            None => {
                index.insert(&sketch);
                ids.push(row.id.into());
            }
        }
        line.clear();
    }
}
