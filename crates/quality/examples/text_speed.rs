//! What the gates over one text cost: on documents of a file, and on texts that double in length.
//!
//! `cargo run --release -p assay-quality --example text_speed [DOCUMENTS.jsonl]`
//!
//! With a file (one JSON object with a `text` a line) it prints one JSON object: documents, bytes, CPU microseconds a
//! document on one thread, and how many were passed, held and rejected by reason. Without, a table: microseconds for
//! each kind of record from 1 KiB to 256 KiB.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use assay_quality::{GateConfig, Gates, RecordView, TextGate, TextRule};
use support::cpu_seconds;

fn main() {
    match std::env::args().nth(1) {
        Some(path) => documents(&std::fs::read_to_string(path).unwrap()),
        None => lengths(&TextGate::new(&TextRule::default(), &[])),
    }
}

/// The least of three passes, in a datanet whose sealed benchmark is every tenth document.
fn documents(lines: &str) {
    const PASSES: usize = 3;
    let texts: Vec<String> = lines
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["text"].as_str().unwrap().to_owned()
        })
        .collect();
    let sealed: Vec<&str> = texts.iter().step_by(10).map(String::as_str).collect();
    let gate = TextGate::new(&TextRule::default(), &sealed);
    let mut least = f64::INFINITY;
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..PASSES {
        let start = cpu_seconds();
        let found: Vec<_> = texts.iter().map(|text| gate.check(text)).collect();
        least = least.min(cpu_seconds() - start);
        reasons.clear();
        for (verdict, sign) in found.into_iter().flatten() {
            *reasons.entry(format!("{} {}", verdict.code(), sign.reason.code())).or_default() += 1;
        }
    }
    let stopped: usize = reasons.values().sum();
    let out = serde_json::json!({
        "documents": texts.len(),
        "bytes": texts.iter().map(String::len).sum::<usize>(),
        "micros": least * 1e6 / texts.len() as f64,
        "passed": texts.len() - stopped,
        "reasons": reasons,
    });
    println!("{out}");
}

/// A text of about so many bytes.
type Maker = fn(usize) -> String;

/// Microseconds of each kind at doubling lengths, and of the last two lengths by their ratio: 2 is linear, 4 is quadratic.
fn lengths(gate: &TextGate) {
    let kinds: [(&str, Maker); 7] = [
        ("prose", |n| (0..n / 8).map(|i| format!("word{} ", i * 7919 % 509)).collect()),
        ("one line", |n| "ab".repeat(n / 2)),
        ("short lines", |n| (0..n / 10).map(|i| format!("line {:3}\n", i * 7919 % 509)).collect()),
        ("digits", |n| "4111 1111 ".repeat(n / 10)),
        ("addresses", |n| "a.b@c.de ".repeat(n / 9)),
        ("keys", |n| "-----BEGIN PRIVATE KEY-----".repeat(n / 27)),
        ("look-alikes", |n| "p\u{430}y ".repeat(n / 5)),
    ];
    print!("{:<14}", "kind");
    (10..=18).for_each(|log| print!("{:>9}", format!("{} KiB", (1 << log) >> 10)));
    println!("{:>9}", "ratio");
    for (name, make) in kinds {
        let times: Vec<f64> = (10..=18)
            .map(|log| micros(|| drop(gate.signs(&make(1 << log))), || drop(make(1 << log))))
            .collect();
        print_row(name, &times);
    }
    let rows: Vec<Vec<f64>> = (7..=15).map(|log| (0..1 << log).map(f64::from).collect()).collect();
    let times: Vec<f64> = rows
        .iter()
        .map(|row| {
            let judge = || {
                let mut gates = Gates::new(GateConfig::default(), &[]).unwrap();
                drop(gates.check_batch(&[RecordView::row(row, "1")]));
            };
            micros(judge, || drop(Gates::new(GateConfig::default(), &[])))
        })
        .collect();
    print_row("numeric row", &times);
}

fn print_row(name: &str, times: &[f64]) {
    print!("{name:<14}");
    times.iter().for_each(|time| print!("{time:>9.0}"));
    println!("{:>9.1}", times[times.len() - 1] / times[times.len() - 2]);
}

/// CPU microseconds of `work` less those of what it needs besides, least of five.
fn micros(work: impl Fn(), besides: impl Fn()) -> f64 {
    let least = |run: &dyn Fn()| {
        let time = || {
            let start = cpu_seconds();
            run();
            cpu_seconds() - start
        };
        (0..5).map(|_| time()).fold(f64::INFINITY, f64::min)
    };
    (least(&work) - least(&besides)).max(0.0) * 1e6
}
