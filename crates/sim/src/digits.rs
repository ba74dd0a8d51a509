//! The bundled handwritten digits (source and licence: `data/README.md`).

use std::io::Read as _;

use serde_json::{Map, Value};

use crate::SimError;

/// Pixels of an image: 8 rows of 8.
pub const PIXELS: usize = 64;
/// Classes, `0` to `9`.
pub const CLASSES: usize = 10;

const BUNDLED: &[u8] = include_bytes!("../data/digits.csv.gz");

/// One image and what it is said to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digit {
    /// Grey values 0 to 16, row after row.
    pub pixels: [u8; PIXELS],
    /// 0 to 9; in a contribution not always the truth.
    pub label: u8,
}

impl Digit {
    /// Names of the numeric columns, `pixel_0_0` to `pixel_7_7`.
    pub fn columns() -> Vec<String> {
        (0..PIXELS).map(|i| format!("pixel_{}_{}", i / 8, i % 8)).collect()
    }

    /// The record that a contributor sends: its pixels and its label.
    pub fn record(&self) -> Map<String, Value> {
        let mut record = self.question();
        record.insert("label".to_owned(), Value::from(self.label.to_string()));
        record
    }

    /// The record that a consumer asks about: pixels only.
    pub fn question(&self) -> Map<String, Value> {
        Self::columns().into_iter().zip(self.pixels.iter().map(|&p| Value::from(p))).collect()
    }
}

/// The 1,797 bundled images, in the order of the source.
pub fn load() -> Result<Vec<Digit>, SimError> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(BUNDLED).read_to_string(&mut text).map_err(|e| SimError(e.to_string()))?;
    text.lines().skip(1).map(parse).collect()
}

fn parse(line: &str) -> Result<Digit, SimError> {
    let values: Result<Vec<u8>, _> = line.split(',').map(str::parse).collect();
    let values = values.map_err(|e| SimError(format!("bundled digits: {e}")))?;
    match values.split_last() {
        Some((&label, pixels)) if usize::from(label) < CLASSES => {
            let pixels =
                pixels.try_into().map_err(|_| SimError("bundled digits: not 64 pixels".to_owned()))?;
            Ok(Digit { pixels, label })
        }
        _ => Err(SimError("bundled digits: no label".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn all_images_are_there_and_every_class_is_common() {
        let digits = super::load().unwrap();
        assert_eq!(digits.len(), 1_797);
        for class in 0..10 {
            let count = digits.iter().filter(|d| d.label == class).count();
            assert!((170..190).contains(&count), "class {class} has {count} images");
        }
        assert!(digits.iter().all(|d| d.pixels.iter().all(|&p| p <= 16)));
    }
}
