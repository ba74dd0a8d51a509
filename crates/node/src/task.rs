//! What a charter's `[task]` makes of a record: text, numbers, label.

use std::collections::BTreeMap;

use assay_kernels::Mat;
use assay_learn::data::Columns;
use assay_ledger::charter::TaskRules;
use assay_quality::RecordView;
use serde_json::{Map, Value};

/// A record as it was sent: a flat JSON object.
pub type Record = Map<String, Value>;

/// One record as the task reads it. What is missing or malformed shows (`None`, NaN): the gate names it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Text, when the task reads text.
    pub text: Option<String>,
    /// Numbers, one a feature column.
    pub numbers: Vec<f64>,
    /// Label, in words.
    pub label: Option<String>,
}

impl Reading {
    /// Reads `record` by `task`. Total: any record has a reading.
    pub fn of(task: &TaskRules, record: &Record) -> Self {
        let number = |name: &String| record.get(name).and_then(number).unwrap_or(f64::NAN);
        Self {
            text: task.text.as_ref().and_then(|name| record.get(name)).and_then(word),
            numbers: task.features.iter().map(number).collect(),
            label: record.get(&task.label).and_then(word),
        }
    }

    /// A record with just what was read.
    pub(crate) fn record(&self, task: &TaskRules) -> Record {
        let mut record = Record::new();
        let words = [(task.text.as_ref(), &self.text), (Some(&task.label), &self.label)];
        for (name, word) in words.into_iter().filter_map(|(name, word)| Some((name?, word.as_ref()?))) {
            record.insert(name.clone(), Value::from(word.as_str()));
        }
        let numbers = task.features.iter().zip(&self.numbers);
        record.extend(numbers.map(|(name, &number)| (name.clone(), Value::from(number))));
        record
    }

    /// The same for the gates.
    pub fn view(&self) -> RecordView<'_> {
        RecordView {
            text: self.text.as_deref(),
            numbers: &self.numbers,
            label: self.label.as_deref(),
            ..RecordView::default()
        }
    }
}

/// A number, also one that is written as text: one odd cell turns a whole column of a CSV file into text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// Text as it is; a number or a truth value as it is written.
pub(crate) fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// The columns that features are made from. Every reading must have passed the gate.
pub fn columns(task: &TaskRules, readings: &[&Reading]) -> Columns {
    let width = task.features.len();
    let numbers = readings.iter().flat_map(|r| r.numbers.iter().copied()).collect();
    Columns {
        rows: readings.len(),
        text: task
            .text
            .as_ref()
            .map(|_| readings.iter().map(|r| r.text.clone().unwrap_or_default()).collect()),
        number_names: task.features.clone(),
        numbers: (width > 0).then(|| Mat::from_vec(readings.len(), width, numbers)).flatten(),
    }
}

/// Labels of readings that have passed the gate.
pub fn labels(readings: &[&Reading]) -> Vec<String> {
    readings.iter().map(|r| r.label.clone().unwrap_or_default()).collect()
}

/// Index of every name, for groups: accounts, contributors.
pub fn index<'a, K: Ord + ?Sized>(keys: impl IntoIterator<Item = &'a K>) -> BTreeMap<&'a K, u32> {
    let mut sorted: Vec<&K> = keys.into_iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.into_iter().zip(0..).collect()
}
