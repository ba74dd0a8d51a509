//! What a gate sees of a record.

use serde::{Deserialize, Serialize};

use crate::joined::unjoined;
use crate::normalise::normalise;
use crate::provenance::Claims;

/// A borrowed record: its content, its label, and a key of its sender.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RecordView<'a> {
    /// The text, where the datanet has one.
    pub text: Option<&'a str>,
    /// The numeric feature row, in the datanet's column order; empty where it has none.
    pub numbers: &'a [f64],
    /// The label as text; a regression target is written as a decimal number.
    pub label: Option<&'a str>,
    /// Any key that is the same for all records of one sender. With it, a record is judged in the light of what its sender sent
    /// before; without it, on its content alone.
    pub sender: Option<&'a str>,
    /// What it says of where it comes from.
    pub claims: Claims<'a>,
    /// The p-value of its label, from [`crate::Plausibility`]; without it, labels are not doubted.
    pub label_p: Option<f64>,
}

impl<'a> RecordView<'a> {
    /// A text record.
    pub fn text(text: &'a str, label: &'a str) -> Self {
        Self { text: Some(text), label: Some(label), ..Self::default() }
    }

    /// A numeric record.
    pub fn row(numbers: &'a [f64], label: &'a str) -> Self {
        Self { numbers, label: Some(label), ..Self::default() }
    }

    /// The text as it is compared, of records and of items of the benchmark; a blank one beside a row is none.
    pub(crate) fn normal_form(&self) -> Option<String> {
        let normal = self.text.map(|text| normalise(&unjoined(text)));
        normal.filter(|text| !text.is_empty() || self.numbers.is_empty())
    }

    /// The same record with the key of its sender.
    pub fn sent_by(self, sender: &'a str) -> Self {
        Self { sender: Some(sender), ..self }
    }

    /// The same record with what it says of where it comes from.
    pub fn claiming(self, claims: Claims<'a>) -> Self {
        Self { claims, ..self }
    }
}

/// The position of a record in the order of arrival, counted from 0 over everything that was ever given to one
/// [`crate::Gates`], seeds included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordRef(pub u64);
