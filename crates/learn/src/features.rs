//! From raw columns to a design matrix.
//!
//! Text becomes blocks of TF-IDF columns over n-grams ([`GramConfig`]), each block scaled to a length of its own;
//! numbers become deviations from the training mean; the last column is the constant 1. Everything is learned from
//! the training records and kept in the [`Featurizer`], which is stored with the weights and answers queries.
//!
//! # Why these defaults
//! The cost of fitting and valuing is entries a record times classes times folds, so a feature must earn its place
//! in bits. Measured on held-out fifths of the training records of six public sets (5,000 records each, prior
//! strength by held-out loss); the figures are held-out bits lost and entries a record:
//!
//! | features | banking77 | hwu64 | canada_acts |
//! |---|---|---|---|
//! | words and pairs in one block (plain TF-IDF) | 0.936, 22 | 1.040, 11 | 1.300, 169 |
//! | words | 0.860, 12 | 1.005, 7 | 1.298, 67 |
//! | words, pairs at half weight | 0.829, 21 | 0.971, 11 | 1.241, 119 |
//! | ... and all runs of 3 characters at half weight | 0.758, 66 | 0.885, 38 | 1.235, 393 |
//! | ... and those in at most 5% of records | 0.773, 37 | 0.890, 26 | 1.226, 153 |
//! | **... and of those the 32 rarest in a record** | **0.775, 36** | **0.891, 26** | **1.229, 142** |
//! | ... and without the 5% rule | 0.765, 51 | 0.888, 35 | 1.262, 151 |
//!
//! Pairs in the words' own block drown the words; as a block of half the length they help. Runs of 4, of 3 to 4 or
//! of 3 to 5 characters gained nothing over runs of 3 for up to twice the entries. Limits of 64 words or 32 pairs a
//! record cost bits on long texts, 256 and 128 do not bind before some 2,000 characters.
//! One set of six did better by one plain block of four times the columns (scicite, held-out accuracy 0.832 to 0.822);
//! larger vocabularies did not close that gap. Numbers cut at 10 deviations cost nothing on handwritten digits.

mod grams;
mod label;
mod numeric;
mod text;

pub use grams::{GramConfig, Unit};
pub use label::{LabelEncoder, LabelError, MAX_CLASSES, MAX_FRACTIONS, NumberLabel, infer_task};

use crate::data::{Columns, Features};
use assay_kernels::{Csr, Mat};
use grams::{Encoder, GramBlock};
use numeric::Standardizer;
use rayon::prelude::*;
use serde::{Deserialize, Deserializer, Serialize};
use text::Prepared;
use thiserror::Error;

/// Version of the stored form of a [`Featurizer`].
pub const VERSION: u32 = 1;

/// Why there is no design matrix. Rows count from 0.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum FeatureError {
    /// A setting out of range.
    #[error("feature settings: {what}")]
    Config {
        /// The rule that is broken.
        what: &'static str,
    },
    /// No training record.
    #[error("there is no record to learn features from")]
    NoRecords,
    /// Columns of a length other than the number of records.
    #[error("{column} has {found} entries for {rows} records")]
    Length {
        /// The column.
        column: &'static str,
        /// Its entries.
        found: usize,
        /// Number of records.
        rows: usize,
    },
    /// NaN or an infinity.
    #[error(
        "record {row}: the number in {column:?} is not finite; leave the record out or fill the number in"
    )]
    NotFinite {
        /// The record.
        row: usize,
        /// Name of the column.
        column: String,
    },
    /// Nothing to learn from.
    #[error(
        "no usable feature: no n-gram occurs in enough records, and no numeric column varies; \
         is the right column chosen?"
    )]
    NoFeatures,
    /// Text where training had none, or the other way round.
    #[error("training {} a text column and these records {}", if *.fitted { "had" } else { "had no" }, if *.fitted { "have none" } else { "have one" })]
    Text {
        /// Whether training had text.
        fitted: bool,
    },
    /// Numeric columns other than those of training.
    #[error("numeric columns must be {expected:?} as in training, not {found:?}")]
    Numbers {
        /// Names in training.
        expected: Vec<String>,
        /// Names given.
        found: Vec<String>,
    },
    /// A stored featurizer that this code cannot have written.
    #[error("stored features cannot be read: {what}")]
    Stored {
        /// What is wrong.
        what: &'static str,
    },
}

/// How features are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureConfig {
    /// Code points of a text that are read; the rest has no influence. Bounds the work that one record can cause.
    pub max_chars: usize,
    /// The blocks of text columns, in column order; used when the records have text.
    pub text: Vec<GramConfig>,
    /// Numbers further from the training mean than this many deviations are cut to it, in training too.
    pub number_bound: f64,
}

impl Default for FeatureConfig {
    /// Single words, pairs of words and runs of three characters: see the module's text for the reasons.
    fn default() -> Self {
        let words = GramConfig {
            unit: Unit::Word,
            shortest: 1,
            longest: 1,
            min_records: 2,
            max_share: 1.0,
            max_terms: 5000,
            max_per_record: 256,
            weight: 1.0,
        };
        let pairs = GramConfig {
            shortest: 2,
            longest: 2,
            max_terms: 2500,
            max_per_record: 128,
            weight: 0.5,
            ..words.clone()
        };
        let characters = GramConfig {
            unit: Unit::Character,
            shortest: 3,
            longest: 3,
            max_share: 0.05,
            max_terms: 2500,
            max_per_record: 32,
            weight: 0.5,
            ..words.clone()
        };
        Self { max_chars: 20_000, text: vec![words, pairs, characters], number_bound: 10.0 }
    }
}

impl FeatureConfig {
    fn check(&self) -> Result<(), FeatureError> {
        if self.max_chars == 0 {
            return Err(FeatureError::Config { what: "max_chars must be at least 1" });
        }
        if !is_bound(self.number_bound) {
            return Err(FeatureError::Config { what: "number_bound must be above 0 and at most 1e6" });
        }
        self.text.iter().try_for_each(GramConfig::check)
    }
}

fn is_bound(bound: f64) -> bool {
    bound > 0.0 && bound <= 1e6
}

/// What was learned from the training records: turns any records of the same columns into a design matrix.
///
/// Serialises exactly (JSON through a `serde_json` with its `float_roundtrip`); reading checks every bound.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Featurizer(Stored);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    max_chars: usize,
    /// `None` when training had no text.
    text: Option<Vec<GramBlock>>,
    /// No names when training had no numbers.
    numbers: Standardizer,
}

impl<'de> Deserialize<'de> for Featurizer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let featurizer = Self(Stored::deserialize(deserializer)?);
        featurizer.check().map_err(serde::de::Error::custom)?;
        Ok(featurizer)
    }
}

impl Featurizer {
    /// Learns vocabularies, rarities, means and deviations from the training records.
    ///
    /// # Errors
    /// Settings out of range, columns of unequal length, a number that is not finite, no record, or nothing
    /// that could serve as a feature.
    pub fn fit(columns: &Columns, config: &FeatureConfig) -> Result<Self, FeatureError> {
        config.check()?;
        check_columns(columns)?;
        if columns.rows == 0 {
            return Err(FeatureError::NoRecords);
        }
        let text = columns.text.as_ref().map(|texts| {
            let records: Vec<Prepared> =
                texts.par_iter().map(|t| Prepared::new(t, config.max_chars)).collect();
            config.text.iter().map(|block| GramBlock::fit(block, &records)).collect()
        });
        let empty = Mat::zeros(columns.rows, 0);
        let numbers = columns.numbers.as_ref().unwrap_or(&empty);
        let numbers = Standardizer::fit(&columns.number_names, numbers, config.number_bound);
        let featurizer = Self(Stored { version: VERSION, max_chars: config.max_chars, text, numbers });
        if featurizer.cols() == 1 { Err(FeatureError::NoFeatures) } else { Ok(featurizer) }
    }

    /// The design matrix of some records, one row each, the constant 1 last.
    ///
    /// Numbers alone give a dense matrix of deviations. With text it is sparse: the blocks of n-grams, each of
    /// L2 norm `weight` in a record that has any, then the deviations divided by the root of their number, so that
    /// all numbers together weigh about as much as the words (mean square 1).
    ///
    /// # Errors
    /// Other columns than in training, columns of unequal length, or a number that is not finite.
    pub fn transform(&self, columns: &Columns) -> Result<Features, FeatureError> {
        check_columns(columns)?;
        self.check_kind(columns)?;
        let number_row = |r| columns.numbers.as_ref().map_or(&[][..], |m| m.row(r));
        let Some(texts) = &columns.text else {
            let mut out = Mat::zeros(columns.rows, self.cols());
            for r in 0..columns.rows {
                let values = self.0.numbers.apply(number_row(r)).map(|z| z as f32).chain([1.0]);
                out.row_mut(r).iter_mut().zip(values).for_each(|(to, v)| *to = v);
            }
            return Ok(Features::Dense(out));
        };
        let encoders = self.encoders();
        let row = |(r, text): (usize, &String)| self.sparse_row(&encoders, text, number_row(r));
        let rows: Vec<_> = texts.par_iter().enumerate().map(row).collect();
        Csr::from_rows(self.cols(), &rows)
            .map(Features::Sparse)
            .ok_or(FeatureError::Stored { what: "columns are out of order" })
    }

    /// Number of columns, the constant included.
    pub fn cols(&self) -> usize {
        self.terms() + self.0.numbers.kept().count() + 1
    }

    /// What each column is: `word:lost card`, `char:rd `, `number:age`, and `constant` at the end.
    pub fn feature_names(&self) -> Vec<String> {
        let grams =
            |b: &GramBlock| b.terms().iter().map(|t| format!("{}:{t}", b.prefix())).collect::<Vec<_>>();
        let mut names: Vec<String> = self.blocks().iter().flat_map(grams).collect();
        names.extend(self.0.numbers.kept().map(|n| format!("number:{n}")));
        names.push("constant".to_owned());
        names
    }

    fn blocks(&self) -> &[GramBlock] {
        self.0.text.as_deref().unwrap_or_default()
    }

    /// Number of text columns.
    fn terms(&self) -> usize {
        self.blocks().iter().map(|b| b.terms().len()).sum()
    }

    fn encoders(&self) -> Vec<Encoder<'_>> {
        let mut offset = 0;
        let mut encoders = Vec::new();
        for block in self.blocks() {
            encoders.push(block.encoder(offset));
            offset += block.terms().len();
        }
        encoders
    }

    fn sparse_row(&self, encoders: &[Encoder<'_>], text: &str, numbers: &[f64]) -> Vec<(u32, f32)> {
        let record = Prepared::new(text, self.0.max_chars);
        let mut row = Vec::new();
        encoders.iter().for_each(|e| e.append(&record, &mut row));
        let mut offset = self.terms();
        let scale = (self.0.numbers.kept().count() as f64).sqrt();
        for z in self.0.numbers.apply(numbers) {
            let value = (z / scale) as f32;
            if value != 0.0 {
                row.push((offset as u32, value));
            }
            offset += 1;
        }
        row.push((offset as u32, 1.0));
        row
    }

    fn check(&self) -> Result<(), FeatureError> {
        if self.0.version != VERSION {
            return Err(FeatureError::Stored { what: "another version" });
        }
        if self.0.max_chars == 0 {
            return Err(FeatureError::Stored { what: "max_chars is 0" });
        }
        self.blocks().iter().try_for_each(GramBlock::check)?;
        self.0.numbers.check()
    }

    fn check_kind(&self, columns: &Columns) -> Result<(), FeatureError> {
        let fitted = self.0.text.is_some();
        if fitted != columns.text.is_some() {
            return Err(FeatureError::Text { fitted });
        }
        let expected = self.0.numbers.names();
        if expected != columns.number_names {
            return Err(FeatureError::Numbers {
                expected: expected.to_vec(),
                found: columns.number_names.clone(),
            });
        }
        Ok(())
    }
}

/// The `most` largest entries of a row with their column, by size, ties in column order, the constant left out.
pub fn top_features(features: &Features, row: usize, most: usize) -> Vec<(usize, f32)> {
    let mut entries: Vec<(usize, f32)> = match features {
        Features::Dense(m) => m.row(row).iter().copied().enumerate().collect(),
        Features::Sparse(m) => {
            let (columns, values) = m.row(row);
            columns.iter().map(|&c| c as usize).zip(values.iter().copied()).collect()
        }
    };
    entries.retain(|&(c, v)| c + 1 < features.cols() && v != 0.0);
    entries.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
    entries.truncate(most);
    entries
}

fn check_columns(columns: &Columns) -> Result<(), FeatureError> {
    let Columns { rows, text, number_names, numbers } = columns;
    if let Some(found) = text.as_ref().map(Vec::len).filter(|n| n != rows) {
        return Err(FeatureError::Length { column: "the text", found, rows: *rows });
    }
    let (found, width) = numbers.as_ref().map_or((*rows, 0), |m| (m.rows(), m.cols()));
    if found != *rows || width != number_names.len() {
        return Err(FeatureError::Length { column: "the table of numbers", found, rows: *rows });
    }
    let Some(numbers) = numbers else { return Ok(()) };
    match numbers.data().iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => {
            Err(FeatureError::NotFinite { row: at / width, column: number_names[at % width].clone() })
        }
    }
}
