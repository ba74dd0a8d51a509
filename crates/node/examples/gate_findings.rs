//! The findings of a community's records, for `bench/gates/run.py`.
//!
//! `cargo run --release -p assay-node --example gate_findings VALID.jsonl[.gz] TEST.jsonl[.gz] -- RECORDS.jsonl[.gz] [CONFIG]`
//!
//! Records are judged in the order of the file, in batches of 200, by the default thresholds but for what CONFIG, a `GateConfig` as
//! JSON, says. Labels are judged by models of the records that passed so far, fitted again when there are half as many more,
//! as in a node. Prints one JSON object: for each record its verdict and reason as it came (`first`) and once all were
//! known (`last`), the p-value of its label (`label_p`), and the CPU time that this took: `setup_s`, `batches` (records,
//! seconds each), `label_s` (the part of it that labels took), `reconsider_s`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros
)]

#[path = "../../quality/tests/support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use assay_ledger::charter::Charter;
use assay_node::Labels;
use assay_node::task::Reading;
use assay_quality::{Finding, GateConfig, Gates, RecordRef, RecordView, Verdict};
use support::{Row, process_seconds, rows};

/// Records of a batch: a contribution of a few people, so to say.
const BATCH: usize = 200;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let cut = arguments.iter().position(|argument| argument == "--").unwrap();
    let folds: Vec<Vec<Row>> = arguments[..cut].iter().map(|path| rows(path).unwrap()).collect();
    let offered = rows(&arguments[cut + 1]).unwrap();
    let config: GateConfig =
        arguments.get(cut + 2).map_or_else(GateConfig::default, |text| serde_json::from_str(text).unwrap());
    let charter = charter(folds.iter().flatten());
    let known: Vec<Reading> = folds.last().unwrap().iter().map(reading).collect();
    let readings: Vec<Reading> = offered.iter().map(reading).collect();
    let sealed: Vec<RecordView<'_>> = folds.iter().flatten().map(Row::view).collect();
    let start = process_seconds();
    let mut gates = Gates::new(config.clone(), &sealed).unwrap();
    let setup = process_seconds() - start;
    let (mut first, mut batches, mut label_p) = (Vec::new(), Vec::new(), Vec::new());
    let (mut admitted, mut next, mut labels, mut label_s) = (Vec::new(), 200, None, 0.0);
    for from in (0..offered.len()).step_by(BATCH) {
        let batch: Vec<usize> = (from..offered.len().min(from + BATCH)).collect();
        let start = process_seconds();
        let p_values = p_values(labels.as_ref(), &batch, &offered, &readings);
        label_s += process_seconds() - start;
        let views: Vec<RecordView<'_>> =
            batch.iter().map(|&at| RecordView { label_p: p_values[&at], ..offered[at].view() }).collect();
        let findings = gates.check_batch(&views);
        let passed = batch.iter().zip(&findings).filter(|(_, finding)| finding.verdict == Verdict::Pass);
        admitted.extend(passed.map(|(&at, _)| (offered[at].contributor.as_str(), &readings[at])));
        if admitted.len() >= next && config.plausibility.hold_p > 0.0 {
            let start = process_seconds();
            labels = Labels::learn(&charter, &admitted, &known, 0).unwrap();
            next = admitted.len() * 3 / 2;
            label_s += process_seconds() - start;
        }
        first.extend(findings);
        label_p.extend(batch.iter().map(|at| p_values[at]));
        batches.push((batch.len(), process_seconds() - start));
    }
    let start = process_seconds();
    let mut last = first.clone();
    gates.reconsider(RecordRef(0)).into_iter().for_each(|(at, finding)| last[at.0 as usize] = finding);
    let reconsider = process_seconds() - start;
    let code = |finding: &Finding| match finding.verdict.reason() {
        None => "pass".to_string(),
        Some(reason) => format!("{}:{}", finding.verdict.code(), reason.code()),
    };
    let document = serde_json::json!({
        "setup_s": setup, "batches": batches, "label_s": label_s, "reconsider_s": reconsider, "label_p": label_p,
        "first": first.iter().map(code).collect::<Vec<_>>(),
        "last": last.iter().map(code).collect::<Vec<_>>(),
    });
    println!("{document}");
}

fn reading(row: &Row) -> Reading {
    Reading { text: Some(row.text.clone()), numbers: Vec::new(), label: Some(row.label.clone()) }
}

/// P-values of the labels of some records, by record.
fn p_values(
    labels: Option<&Labels>,
    batch: &[usize],
    offered: &[Row],
    readings: &[Reading],
) -> BTreeMap<usize, Option<f64>> {
    let mut by_sender: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    batch.iter().for_each(|&at| by_sender.entry(&offered[at].contributor).or_default().push(at));
    let of = |(sender, own): (&str, Vec<usize>)| {
        let records: Vec<&Reading> = own.iter().map(|&at| &readings[at]).collect();
        let found = labels.map_or(vec![None; own.len()], |labels| labels.p_values(sender, &records).unwrap());
        own.into_iter().zip(found)
    };
    by_sender.into_iter().flat_map(of).collect()
}

/// A charter whose classes are the labels of the benchmark.
fn charter<'r>(rows: impl Iterator<Item = &'r Row>) -> Charter {
    let classes: BTreeSet<&str> = rows.map(|row| row.label.as_str()).collect();
    let text = format!(
        "schema = \"assay.charter/1\"\ndatanet = \"bench\"\ntitle = \"\"\n[task]\nkind = \"classification\"\ntext = \"text\"\nlabel = \"label\"\n\
         classes = {classes:?}\n[split]\ncontributors = 1000000\nreviewers = 0\ntrainer = 0\nplatform = 0\n[query]\nprice = \"1\"\n"
    );
    let text = text.replace("{\"", "[\"").replace("\"}", "\"]");
    Charter::parse(&text).unwrap()
}
