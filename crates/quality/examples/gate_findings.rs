//! The findings of a community's records, for `bench/gates/run.py`.
//!
//! `cargo run --release -p assay-quality --example gate_findings SEALED.jsonl[.gz] ... -- RECORDS.jsonl[.gz] [CONFIG]`
//!
//! Records are judged in the order of the file, in batches of 10,000, by the default thresholds but for what CONFIG, a `GateConfig` as
//! JSON, says. Prints one JSON object: for each record its
//! verdict and reason as it came (`first`) and once all were known (`last`), and the CPU time that this took: `setup_s`, `batches` (records, seconds
//! each), `reconsider_s`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros
)]

#[path = "../tests/support/mod.rs"]
mod support;

use assay_quality::{Finding, GateConfig, Gates, RecordView};
use support::{Row, process_seconds, rows};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let cut = arguments.iter().position(|argument| argument == "--").unwrap();
    let sealed: Vec<Row> = arguments[..cut].iter().flat_map(|path| rows(path).unwrap()).collect();
    let offered = rows(&arguments[cut + 1]).unwrap();
    let config: GateConfig =
        arguments.get(cut + 2).map_or_else(GateConfig::default, |text| serde_json::from_str(text).unwrap());
    let sealed: Vec<RecordView<'_>> = sealed.iter().map(Row::view).collect();
    let views: Vec<RecordView<'_>> = offered.iter().map(Row::view).collect();
    let start = process_seconds();
    let mut gates = Gates::new(config, &sealed).unwrap();
    let setup = process_seconds() - start;
    let (mut first, mut batches) = (Vec::new(), Vec::new());
    for batch in views.chunks(10_000) {
        let start = process_seconds();
        first.extend(gates.check_batch(batch));
        batches.push((batch.len(), process_seconds() - start));
    }
    let start = process_seconds();
    let mut last = first.clone();
    gates.reconsider().into_iter().for_each(|(at, finding)| last[at.0 as usize] = finding);
    let reconsider = process_seconds() - start;
    let code = |finding: &Finding| match finding.verdict.reason() {
        None => "pass".to_string(),
        Some(reason) => format!("{}:{}", finding.verdict.code(), reason.code()),
    };
    let document = serde_json::json!({
        "setup_s": setup, "batches": batches, "reconsider_s": reconsider,
        "first": first.iter().map(code).collect::<Vec<_>>(),
        "last": last.iter().map(code).collect::<Vec<_>>(),
    });
    println!("{document}");
}
