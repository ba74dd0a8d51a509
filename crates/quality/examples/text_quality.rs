//! What the gates over one text make of texts that are known to be good, and what a text costs them.
//!
//! `cargo run --release -p assay-quality --example text_quality [SET ...] [show REASON]`
//!
//! Prints for each set how many texts of its training fold each gate holds or rejects, with the test fold sealed, and the
//! CPU time of one text on one thread; `show REASON` also prints what was found.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use assay_quality::{TextGate, TextRule, Verdict};

/// Sets that people curated: whatever is stopped here is stopped in error, unless a look says otherwise.
const CLEAN: [&str; 9] =
    ["banking77", "scicite", "medquad", "hwu64", "mts_dialog", "canada_acts", "gsm8k", "tldr", "crowdspeech"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let show = arguments.iter().skip_while(|argument| *argument != "show").nth(1).map(String::as_str);
    let sets: Vec<&str> =
        arguments.iter().map(String::as_str).take_while(|argument| *argument != "show").collect();
    let sets = if sets.is_empty() { CLEAN.to_vec() } else { sets };
    println!(
        "{:<14}{:>7}{:>8}{:>9}{:>9}{:>9}  reasons",
        "set", "texts", "bytes", "us/text", "rejected", "held"
    );
    for set in sets {
        let (Some(train), Some(test)) = (support::texts(set, "train"), support::texts(set, "test")) else {
            continue;
        };
        print_set(set, &train, &test, show);
    }
}

fn print_set(set: &str, train: &[String], test: &[String], show: Option<&str>) {
    let sealed: Vec<&str> = test.iter().map(String::as_str).collect();
    let gate = TextGate::new(&TextRule::default(), &sealed);
    let start = support::cpu_seconds();
    let found: Vec<_> = train.iter().map(|text| gate.check(text)).collect();
    let micros = (support::cpu_seconds() - start) * 1e6 / train.len() as f64;
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for (text, (verdict, sign)) in
        train.iter().zip(&found).filter_map(|(text, found)| Some((text, (*found)?)))
    {
        *reasons.entry(sign.reason.code()).or_default() += 1;
        if show == Some(sign.reason.code()) || show == Some("all") {
            let (start, end) = (sign.span.0 as usize, sign.span.1 as usize);
            let line: String = text.chars().take(300).collect();
            println!(
                "{} {} {:.2} {:?}\n  {line:?}",
                verdict.code(),
                sign.reason.code(),
                sign.score,
                &text[start..end]
            );
        }
    }
    let share = |is: fn(&Verdict) -> bool| {
        found.iter().flatten().filter(|(verdict, _)| is(verdict)).count() as f64 / train.len() as f64
    };
    let bytes = train.iter().map(String::len).sum::<usize>() / train.len();
    let reasons: Vec<String> = reasons.iter().map(|(code, count)| format!("{code} {count}")).collect();
    println!(
        "{set:<14}{:>7}{bytes:>8}{micros:>9.2}{:>8.3}%{:>8.3}%  {}{}",
        train.len(),
        100.0 * share(|v| v.is_reject()),
        100.0 * share(|v| matches!(v, Verdict::Hold(_))),
        reasons.join(", "),
        if gate.usual().is_empty() { String::new() } else { format!("; usual here: {:?}", gate.usual()) }
    );
}
