//! The first gate: is this a record of the datanet at all, and of a size that the others can afford?

use crate::config::{LabelRule, SchemaRule};
use crate::record::RecordView;
use crate::sketch::words;
use crate::verdict::Reason;

impl SchemaRule {
    /// What is wrong with the record before its text is normalised; bounds come before anything that reads it all.
    pub(crate) fn check(&self, record: &RecordView<'_>) -> Result<(), Reason> {
        let text = record.text.unwrap_or_default();
        let label = record.label.unwrap_or_default();
        let sizes = text.len() <= self.text_bytes_max
            && label.len() <= self.label_bytes_max
            && record.numbers.len() <= self.numbers_max;
        if !sizes {
            return Err(Reason::TooLong);
        }
        self.check_numbers(record)?;
        self.check_text(record)?;
        self.label.check(record.label)
    }

    fn check_numbers(&self, record: &RecordView<'_>) -> Result<(), Reason> {
        match self.columns {
            Some(columns) if columns > 0 && record.numbers.is_empty() => return Err(Reason::MissingNumbers),
            Some(columns) if columns != record.numbers.len() => return Err(Reason::WrongColumns),
            _ => {}
        }
        if record.numbers.iter().all(|number| number.is_finite()) { Ok(()) } else { Err(Reason::BadNumber) }
    }

    fn check_text(&self, record: &RecordView<'_>) -> Result<(), Reason> {
        match record.text {
            None if self.text_required || record.numbers.is_empty() => Err(Reason::MissingText),
            Some(text) if text.chars().any(is_control) => Err(Reason::ControlCharacters),
            _ => Ok(()),
        }
    }

    /// What is wrong with a text in normal form.
    pub(crate) fn check_normal(&self, normal: &str, has_numbers: bool) -> Result<(), Reason> {
        let optional = has_numbers && !self.text_required;
        if !optional && words(normal).next().is_none() {
            return Err(Reason::EmptyText);
        }
        if !optional && normal.chars().count() < self.text_chars_min {
            return Err(Reason::TooShort);
        }
        Ok(())
    }
}

impl LabelRule {
    fn check(&self, label: Option<&str>) -> Result<(), Reason> {
        let label = label.unwrap_or_default().trim();
        match self {
            LabelRule::Optional => Ok(()),
            _ if label.is_empty() => Err(Reason::MissingLabel),
            LabelRule::Required => Ok(()),
            LabelRule::OneOf(known) if known.contains(label) => Ok(()),
            LabelRule::Number if label.parse().is_ok_and(f64::is_finite) => Ok(()),
            LabelRule::OneOf(_) | LabelRule::Number => Err(Reason::UnknownLabel),
        }
    }

    /// Whether two labels contradict each other.
    pub(crate) fn conflict(&self, a: Option<&str>, b: Option<&str>) -> bool {
        let (a, b) = (a.unwrap_or_default().trim(), b.unwrap_or_default().trim());
        *self != LabelRule::Number && a != b
    }
}

fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{0B}' | '\u{0C}' | '\u{85}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn record<'a>(text: Option<&'a str>, numbers: &'a [f64], label: Option<&'a str>) -> RecordView<'a> {
        RecordView { text, numbers, label, ..RecordView::default() }
    }

    #[test]
    fn each_fault_has_its_reason() {
        let known = LabelRule::OneOf(BTreeSet::from(["cat".to_string()]));
        let rule = SchemaRule {
            text_required: true,
            columns: Some(2),
            label: known,
            text_bytes_max: 20,
            ..Default::default()
        };
        let good = record(Some("a cat"), &[1.0, 2.0], Some(" cat "));
        assert_eq!(rule.check(&good), Ok(()));
        for (bad, reason) in [
            (RecordView { text: None, ..good }, Reason::MissingText),
            (RecordView { text: Some("a text that is too long"), ..good }, Reason::TooLong),
            (RecordView { text: Some("bell\u{7}"), ..good }, Reason::ControlCharacters),
            (RecordView { numbers: &[], ..good }, Reason::MissingNumbers),
            (RecordView { numbers: &[1.0], ..good }, Reason::WrongColumns),
            (RecordView { numbers: &[1.0, f64::NAN], ..good }, Reason::BadNumber),
            (RecordView { numbers: &[f64::NEG_INFINITY, 1.0], ..good }, Reason::BadNumber),
            (RecordView { label: None, ..good }, Reason::MissingLabel),
            (RecordView { label: Some(" "), ..good }, Reason::MissingLabel),
            (RecordView { label: Some("dog"), ..good }, Reason::UnknownLabel),
        ] {
            assert_eq!(rule.check(&bad), Err(reason));
        }
    }

    #[test]
    fn normal_text_must_say_something() {
        let rule = SchemaRule { text_chars_min: 3, ..Default::default() };
        assert_eq!(rule.check_normal("...?!", false), Err(Reason::EmptyText));
        assert_eq!(rule.check_normal("", false), Err(Reason::EmptyText));
        assert_eq!(rule.check_normal("", true), Ok(()));
        assert_eq!(rule.check_normal("ok", false), Err(Reason::TooShort));
        assert_eq!(rule.check_normal("😀😀😀", false), Ok(()));
    }

    #[test]
    fn numbers_as_labels() {
        let rule = LabelRule::Number;
        assert_eq!(rule.check(Some("1e3")), Ok(()));
        assert_eq!(rule.check(Some("inf")), Err(Reason::UnknownLabel));
        assert!(!rule.conflict(Some("1.0"), Some("1.1")));
        assert!(LabelRule::Required.conflict(Some("a"), Some("b")));
        assert!(!LabelRule::Required.conflict(Some("a "), Some("a")));
    }
}
