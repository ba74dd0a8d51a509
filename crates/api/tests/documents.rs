//! The documents as readers of other languages see them: full examples that must not change under one version, and
//! the description of every field.
#![allow(clippy::unwrap_used)]

use assay_api::v1::{appraisal::Appraisal, audit::Audit, redteam::RedTeam, report::NetReport};
use assay_api::{Document, DocumentError};
use serde_json::Value;
use std::collections::BTreeSet;

const APPRAISAL: &str = include_str!("appraisal.json");
const REPORT: &str = include_str!("report.json");
const AUDIT: &str = include_str!("audit.json");
const REDTEAM: &str = include_str!("redteam.json");
const SCHEMAS: &str = include_str!("../../../docs/SCHEMAS.md");

/// Reading an example and writing it gives the example again, so no field was dropped, added or renamed.
fn round_trip<D: Document + PartialEq + std::fmt::Debug>(text: &str) {
    let document = D::from_json(text).unwrap();
    let written = document.to_json().unwrap();
    assert!(written.ends_with("}\n"));
    assert_eq!(
        serde_json::from_str::<Value>(&written).unwrap(),
        serde_json::from_str::<Value>(text).unwrap()
    );
    assert_eq!(D::from_json(&written).unwrap(), document);
}

#[test]
fn examples_read_and_write_back() {
    round_trip::<Appraisal>(APPRAISAL);
    round_trip::<NetReport>(REPORT);
    round_trip::<Audit>(AUDIT);
    round_trip::<RedTeam>(REDTEAM);
}

/// Paths of all fields, such as `contributors[].without.effect_bits`.
fn paths(value: &Value, prefix: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                // Names of options are data, not fields; a document inside another has a section of its own.
                if path != "recipe.options" && inner.get("schema").is_none() {
                    paths(inner, &path, out);
                }
                out.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| paths(item, &format!("{prefix}[]"), out)),
        _ => {}
    }
}

/// Fields described in a section of the page: the first cell of each row, under the last `### ` heading's paths.
fn described(section: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let mut prefixes = vec![];
    for line in section.lines() {
        if let Some(heading) = line.strip_prefix("### ") {
            prefixes = heading.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        } else if let Some(name) = line.strip_prefix("| `").and_then(|rest| rest.split('`').next()) {
            let place = |p: &String| {
                if p == "(document)" { name.to_owned() } else { format!("{p}.{name}") }
            };
            out.extend(prefixes.iter().map(place));
        }
    }
    out
}

#[test]
fn schemas_page_describes_every_field_and_no_other() {
    for (schema, example) in [
        (Appraisal::SCHEMA, APPRAISAL),
        (NetReport::SCHEMA, REPORT),
        (Audit::SCHEMA, AUDIT),
        (RedTeam::SCHEMA, REDTEAM),
    ] {
        let section =
            SCHEMAS.split(&format!("\n## `{schema}`")).nth(1).unwrap().split("\n## ").next().unwrap();
        let mut expected = BTreeSet::new();
        paths(&serde_json::from_str(example).unwrap(), "", &mut expected);
        let differing: Vec<_> = described(section).symmetric_difference(&expected).cloned().collect();
        assert!(differing.is_empty(), "docs/SCHEMAS.md, section {schema}, on one side only: {differing:?}");
    }
}

#[test]
fn a_required_number_that_is_not_finite_is_refused_and_named() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut document = Appraisal::from_json(APPRAISAL).unwrap();
        document.contributors[0].se_bits = bad;
        let Err(DocumentError::NotFinite { line }) = document.to_json() else { panic!("{bad} was written") };
        assert!(line.contains("se_bits"), "{line}");
    }
    let mut document = Appraisal::from_json(APPRAISAL).unwrap();
    document.closure.as_mut().unwrap().relative = Some(f64::NAN);
    assert!(document.to_json().unwrap().contains("\"relative\": null"));
}

#[test]
fn other_versions_are_named() {
    let later = APPRAISAL.replace("assay.appraisal/1", "assay.appraisal/2");
    let error = Appraisal::from_json(&later).unwrap_err().to_string();
    assert!(error.contains("assay.appraisal/1") && error.contains("assay.appraisal/2"), "{error}");
    assert!(matches!(NetReport::from_json(APPRAISAL), Err(DocumentError::Schema { .. })));
    assert!(matches!(NetReport::from_json("{"), Err(DocumentError::Read(_))));
}

#[test]
fn unknown_fields_are_ignored_and_absent_options_are_none() {
    let mut value: Value = serde_json::from_str(APPRAISAL).unwrap();
    value["added_later"] = Value::Bool(true);
    value["scores"].as_object_mut().unwrap().remove("test");
    value.as_object_mut().unwrap().remove("method");
    let document = Appraisal::from_json(&value.to_string()).unwrap();
    assert_eq!(document.scores.test, None);
    assert_eq!(document.method.name, "path");
}
