//! What a gate sees of a record.

use serde::{Deserialize, Serialize};

/// A borrowed record: its content and its label. Who sent it is deliberately absent: gates judge content.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RecordView<'a> {
    /// The text, where the datanet has one.
    pub text: Option<&'a str>,
    /// The numeric feature row, in the datanet's column order; empty where it has none.
    pub numbers: &'a [f64],
    /// The label as text; a regression target is written as a decimal number.
    pub label: Option<&'a str>,
}

impl<'a> RecordView<'a> {
    /// A text record.
    pub fn text(text: &'a str, label: &'a str) -> Self {
        Self { text: Some(text), numbers: &[], label: Some(label) }
    }

    /// A numeric record.
    pub fn row(numbers: &'a [f64], label: &'a str) -> Self {
        Self { text: None, numbers, label: Some(label) }
    }
}

/// The position of a record in the order of arrival, counted from 0 over everything that was ever given to one
/// [`crate::Gates`], seeds included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordRef(pub u64);
