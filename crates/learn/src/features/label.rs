//! Labels to targets, and back.

use super::numeric::Standard;
use crate::data::{Target, Task};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use thiserror::Error;

/// Most classes that one task may have.
pub const MAX_CLASSES: usize = 4096;
/// Labels with more distinct non-integer values than this are taken for measurements.
pub const MAX_FRACTIONS: usize = 20;

/// Why labels cannot be a target. Rows count from 0 in the order given.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum LabelError {
    /// No training label.
    #[error("there is no labelled record to learn from")]
    NoRecords,
    /// A label of white space only.
    #[error("record {row} has an empty label: fill it in or leave the record out")]
    Empty {
        /// The record.
        row: usize,
    },
    /// Nothing to tell apart.
    #[error("every training label is {label:?}: at least two classes are needed")]
    OneClass {
        /// The only class.
        label: String,
    },
    /// More classes than [`MAX_CLASSES`].
    #[error(
        "{count} classes, the limit is {MAX_CLASSES}: is the label column the right one, or is this a regression?"
    )]
    TooManyClasses {
        /// Distinct labels found.
        count: usize,
    },
    /// A label that no training record has.
    #[error(
        "record {row} has the label {label:?}, which no training record has: drop it, or add training records for it"
    )]
    Unknown {
        /// The record.
        row: usize,
        /// Its label.
        label: String,
    },
    /// A label of a regression that is no finite number.
    #[error("record {row} has the label {label:?}, which is not a finite number")]
    NotANumber {
        /// The record.
        row: usize,
        /// Its label.
        label: String,
    },
    /// All numbers the same.
    #[error("all training labels are equal: there is nothing to predict")]
    Constant,
}

/// Which task the labels ask for: regression when all are finite numbers with more than [`MAX_FRACTIONS`]
/// distinct values that are not integers, classification otherwise (integers are class names far more often
/// than counts). A caller that knows better overrides it.
pub fn infer_task<S: AsRef<str>>(labels: &[S]) -> Task {
    let mut fractions = BTreeSet::new();
    for label in labels {
        match number(label.as_ref()) {
            None => return Task::Classification,
            Some(v) if v.fract() != 0.0 => {
                fractions.insert(v.to_bits());
            }
            Some(_) => {}
        }
    }
    if fractions.len() > MAX_FRACTIONS { Task::Regression } else { Task::Classification }
}

/// Class names, ascending; a class is its place in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct LabelEncoder {
    classes: Vec<String>,
}

impl LabelEncoder {
    /// Learns the classes. Labels are compared as they are: `Yes` and `yes ` are two classes.
    ///
    /// # Errors
    /// No label, an empty one, one class only, or more than [`MAX_CLASSES`].
    pub fn fit<S: AsRef<str>>(labels: &[S]) -> Result<Self, LabelError> {
        if let Some(row) = labels.iter().position(|l| l.as_ref().trim().is_empty()) {
            return Err(LabelError::Empty { row });
        }
        let distinct: BTreeSet<&str> = labels.iter().map(AsRef::as_ref).collect();
        Self::new(distinct.into_iter().map(str::to_owned).collect())
    }

    /// Takes distinct names in ascending order.
    fn new(classes: Vec<String>) -> Result<Self, LabelError> {
        match classes.len() {
            0 => Err(LabelError::NoRecords),
            1 => Err(LabelError::OneClass { label: classes[0].clone() }),
            count if count > MAX_CLASSES => Err(LabelError::TooManyClasses { count }),
            _ => Ok(Self { classes }),
        }
    }

    /// Class names; a class index is a place in this list.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Number of classes.
    pub fn count(&self) -> usize {
        self.classes.len()
    }

    /// The class of a label, `None` when training had none such.
    pub fn class(&self, label: &str) -> Option<u32> {
        self.classes.binary_search_by(|c| c.as_str().cmp(label)).ok().map(|i| i as u32)
    }

    /// The target of some labels.
    ///
    /// # Errors
    /// The first label that training did not have.
    pub fn encode<S: AsRef<str>>(&self, labels: &[S]) -> Result<Target, LabelError> {
        let class = |(row, label): (usize, &S)| {
            let label = label.as_ref();
            self.class(label).ok_or_else(|| LabelError::Unknown { row, label: label.to_owned() })
        };
        let labels = labels.iter().enumerate().map(class).collect::<Result<_, _>>()?;
        Ok(Target::Classes { labels, count: self.count() })
    }
}

impl TryFrom<Vec<String>> for LabelEncoder {
    type Error = String;

    fn try_from(classes: Vec<String>) -> Result<Self, String> {
        if !classes.windows(2).all(|w| w[0] < w[1]) {
            return Err("class names must be distinct and ascending".to_owned());
        }
        Self::new(classes).map_err(|e| e.to_string())
    }
}

impl From<LabelEncoder> for Vec<String> {
    fn from(encoder: LabelEncoder) -> Self {
        encoder.classes
    }
}

/// Numeric labels in standard units of the training labels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Standard", into = "Standard")]
pub struct NumberLabel(Standard);

impl NumberLabel {
    /// Learns mean and deviation.
    ///
    /// # Errors
    /// No label, one that is no finite number, or all equal.
    pub fn fit<S: AsRef<str>>(labels: &[S]) -> Result<Self, LabelError> {
        if labels.is_empty() {
            return Err(LabelError::NoRecords);
        }
        let values = numbers(labels)?;
        Standard::fit(values.iter().copied()).map(Self).ok_or(LabelError::Constant)
    }

    /// The target of some labels.
    ///
    /// # Errors
    /// The first label that is no finite number.
    pub fn encode<S: AsRef<str>>(&self, labels: &[S]) -> Result<Target, LabelError> {
        Ok(Target::Numbers(numbers(labels)?.into_iter().map(|v| self.0.apply(v)).collect()))
    }

    /// A prediction in the labels' own unit.
    pub fn decode(&self, standard: f64) -> f64 {
        self.0.mean + self.0.deviation * standard
    }

    /// Mean of the training labels.
    pub fn mean(&self) -> f64 {
        self.0.mean
    }

    /// Deviation (population) of the training labels, above zero.
    pub fn deviation(&self) -> f64 {
        self.0.deviation
    }
}

impl TryFrom<Standard> for NumberLabel {
    type Error = &'static str;

    fn try_from(standard: Standard) -> Result<Self, Self::Error> {
        standard.is_sound().then_some(Self(standard)).ok_or("a label deviation must be finite and above zero")
    }
}

impl From<NumberLabel> for Standard {
    fn from(label: NumberLabel) -> Self {
        label.0
    }
}

fn number(label: &str) -> Option<f64> {
    label.trim().parse().ok().filter(|v: &f64| v.is_finite())
}

fn numbers<S: AsRef<str>>(labels: &[S]) -> Result<Vec<f64>, LabelError> {
    let parse = |(row, label): (usize, &S)| {
        let label = label.as_ref();
        number(label).ok_or_else(|| LabelError::NotANumber { row, label: label.to_owned() })
    };
    labels.iter().enumerate().map(parse).collect()
}
