//! Labels to targets and back.
#![allow(clippy::unwrap_used)]

use assay_learn::data::{Target, Task};
use assay_learn::features::{LabelEncoder, LabelError, MAX_CLASSES, NumberLabel, infer_task};
use proptest::prelude::*;

#[test]
fn classes_are_sorted_names() {
    let encoder = LabelEncoder::fit(&["fee", "卡", "card", "fee", "Card"]).unwrap();
    assert_eq!(encoder.classes(), ["Card", "card", "fee", "卡"]);
    assert_eq!(encoder.class("fee"), Some(2));
    assert_eq!(encoder.encode(&["卡", "Card"]).unwrap(), Target::Classes { labels: vec![3, 0], count: 4 });
    let unknown = encoder.encode(&["fee", "refund"]).unwrap_err();
    assert_eq!(unknown, LabelError::Unknown { row: 1, label: "refund".into() });
    assert!(unknown.to_string().contains("\"refund\""));
}

#[test]
fn labels_without_two_classes_are_refused() {
    assert_eq!(LabelEncoder::fit::<&str>(&[]).unwrap_err(), LabelError::NoRecords);
    assert_eq!(LabelEncoder::fit(&["a", " "]).unwrap_err(), LabelError::Empty { row: 1 });
    assert_eq!(LabelEncoder::fit(&["a", "a"]).unwrap_err(), LabelError::OneClass { label: "a".into() });
    let names = |n: usize| (0..n).map(|i| format!("c{i}")).collect::<Vec<_>>();
    assert_eq!(LabelEncoder::fit(&names(MAX_CLASSES)).unwrap().count(), MAX_CLASSES);
    let many = LabelEncoder::fit(&names(MAX_CLASSES + 1)).unwrap_err();
    assert_eq!(many, LabelError::TooManyClasses { count: MAX_CLASSES + 1 });
}

#[test]
fn stored_labels_are_checked() {
    let encoder = LabelEncoder::fit(&["b", "a"]).unwrap();
    let json = serde_json::to_string(&encoder).unwrap();
    assert_eq!(json, r#"["a","b"]"#);
    assert_eq!(serde_json::from_str::<LabelEncoder>(&json).unwrap(), encoder);
    for bad in [r#"["b","a"]"#, r#"["a","a"]"#, r#"["a"]"#, "[]"] {
        assert!(serde_json::from_str::<LabelEncoder>(bad).is_err(), "{bad}");
    }
    for bad in [r#"{"mean":0.0,"deviation":0.0}"#, r#"{"mean":0.0,"deviation":-1.0}"#] {
        assert!(serde_json::from_str::<NumberLabel>(bad).is_err(), "{bad}");
    }
}

#[test]
fn numbers_in_standard_units() {
    let label = NumberLabel::fit(&["1", " 2.5", "4e0 "]).unwrap();
    assert!((label.mean() - 2.5).abs() < 1e-15 && (label.deviation() - 1.5_f64.sqrt()).abs() < 1e-15);
    let Target::Numbers(z) = label.encode(&["2.5", "4"]).unwrap() else { panic!("numbers were encoded") };
    assert!(z[0].abs() < 1e-15 && (z[1] - 1.5_f64.sqrt()).abs() < 1e-15);
    assert_eq!(NumberLabel::fit::<&str>(&[]).unwrap_err(), LabelError::NoRecords);
    assert_eq!(NumberLabel::fit(&["3.0", "3"]).unwrap_err(), LabelError::Constant);
    for bad in ["x", "", "NaN", "inf", "1e999"] {
        assert_eq!(
            NumberLabel::fit(&["1", bad]).unwrap_err(),
            LabelError::NotANumber { row: 1, label: bad.into() }
        );
    }
}

#[test]
fn the_task_follows_the_labels() {
    let fractions = |n: usize| (0..n).map(|i| format!("{i}.5")).collect::<Vec<_>>();
    assert_eq!(infer_task(&fractions(21)), Task::Regression);
    assert_eq!(infer_task(&fractions(20)), Task::Classification);
    assert_eq!(infer_task(&(0..1000).map(|i| i.to_string()).collect::<Vec<_>>()), Task::Classification);
    assert_eq!(infer_task(&vec!["0.5"; 100]), Task::Classification);
    assert_eq!(infer_task(&[fractions(30), vec!["n/a".into()]].concat()), Task::Classification);
    assert_eq!(infer_task::<&str>(&[]), Task::Classification);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn labels_come_back(labels in prop::collection::vec("\\PC{1,3}", 0..30)) {
        let Ok(encoder) = LabelEncoder::fit(&labels) else { return Ok(()) };
        let Target::Classes { labels: classes, count } = encoder.encode(&labels).unwrap() else { panic!() };
        prop_assert_eq!(count, encoder.count());
        let names: Vec<_> = classes.iter().map(|&c| encoder.classes()[c as usize].clone()).collect();
        prop_assert_eq!(names, labels);
    }

    #[test]
    fn numbers_come_back(values in prop::collection::vec(prop::num::f64::NORMAL, 2..30)) {
        let labels: Vec<String> = values.iter().map(f64::to_string).collect();
        let Ok(label) = NumberLabel::fit(&labels) else { return Ok(()) };
        let Target::Numbers(z) = label.encode(&labels).unwrap() else { panic!() };
        prop_assert!(z.iter().all(|z| z.is_finite() && z.abs() <= values.len() as f64));
        let largest = values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        for (z, v) in z.iter().zip(&values) {
            prop_assert!((label.decode(*z) / largest - v / largest).abs() < 1e-12);
        }
        let json = serde_json::to_string(&label).unwrap();
        prop_assert_eq!(serde_json::from_str::<NumberLabel>(&json).unwrap(), label);
    }
}
