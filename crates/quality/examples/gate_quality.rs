//! What the gates find and whom they wrong, on communities whose truth is known, and how fast they are.
//!
//! `cargo run --release -p assay-quality --example gate_quality [SET ...] [show KIND]`
//!
//! Prints one table per data set; `show clean` also prints the clean records that were rejected or held.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::time::Instant;

use assay_quality::{GateConfig, Gates, RecordView, Verdict};
use support::{Community, csv_rows, json_lines};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let show = arguments.iter().skip_while(|argument| *argument != "show").nth(1).map(String::as_str);
    let sets: Vec<&String> = arguments.iter().take_while(|argument| *argument != "show").collect();
    let wanted = |name: &str| sets.is_empty() || sets.iter().any(|set| *set == name);
    for name in sets
        .iter()
        .map(|set| set.as_str())
        .filter(|set| set.contains('/'))
        .chain(["community_banking77", "community_medquad"].into_iter().filter(|name| wanted(name)))
    {
        if let Some(community) = Community::load(name) {
            print_community(&community, show);
        }
    }
    for name in ["digits", "breast_cancer"].into_iter().filter(|name| wanted(name)) {
        print_rows(name);
    }
    if wanted("near_duplicates") {
        print_near_duplicates();
    }
}

fn print_community(community: &Community, show: Option<&str>) {
    let start = Instant::now();
    let (first, findings) = community.run(&GateConfig::default());
    let seconds = start.elapsed().as_secs_f64();
    let (early, tally) = (community.tally(&first), community.tally(&findings));
    println!(
        "\n{}: {} records, {} sealed, {seconds:.2} s, precision of rejections {:.4}",
        community.name,
        findings.len(),
        community.sealed.len(),
        tally.precision()
    );
    println!(
        "{:<16}{:>7}{:>10}{:>8}{:>8}{:>8}  reasons",
        "kind", "total", "rejected", "held", "share", "at once"
    );
    for (kind, counts) in &tally.kinds {
        let reasons: Vec<String> = counts.reasons.iter().map(|(code, n)| format!("{code} {n}")).collect();
        println!(
            "{kind:<16}{:>7}{:>10}{:>8}{:>8.4}{:>8.4}  {}",
            counts.total,
            counts.rejected,
            counts.held,
            tally.stopped(kind),
            early.stopped(kind),
            reasons.join(", ")
        );
    }
    for (index, (finding, (kind, _))) in findings.iter().zip(&community.truth).enumerate() {
        let (Some(show), Some(reason)) = (show, finding.verdict.reason()) else { continue };
        if show == kind {
            let original = finding.original.map_or("(sealed)", |at| &community.offered[at.0 as usize].text);
            println!(
                "{} {} {:?}\n  {}\n  {original}",
                finding.verdict.code(),
                reason.code(),
                finding.similarity,
                community.offered[index].text
            );
        }
    }
}

/// Rows of a set against each other, then a copy of each with noise of a share of every column's spread.
fn print_rows(name: &str) {
    let Some((rows, labels)) = csv_rows(name) else { return };
    let views: Vec<_> = rows.iter().zip(&labels).map(|(row, label)| RecordView::row(row, label)).collect();
    for sealed in [true, false] {
        let half = if sealed { views.len() / 4 } else { 0 };
        let mut gates = Gates::new(GateConfig::default(), &views[..half]).unwrap();
        let findings = gates.check_batch(&views[half..]);
        let count =
            |wanted: fn(&Verdict) -> bool| findings.iter().filter(|finding| wanted(&finding.verdict)).count();
        println!(
            "\n{name} ({} rows, scale from {}): originals rejected {}, held {}",
            findings.len(),
            if sealed { "benchmark" } else { "stream" },
            count(|v| matches!(v, Verdict::Reject(_))),
            count(|v| matches!(v, Verdict::Hold(_)))
        );
        for noise in [0.02, 0.05, 0.1, 0.2] {
            let copies = support::noisy(&rows[half..], noise);
            let copies: Vec<_> =
                copies.iter().zip(&labels[half..]).map(|(row, label)| RecordView::row(row, label)).collect();
            let mut gates = Gates::new(GateConfig::default(), &views[..half]).unwrap();
            gates.seed(&views[half..]);
            let found = gates.check_batch(&copies);
            let share = |wanted: fn(&Verdict) -> bool| {
                found.iter().filter(|finding| wanted(&finding.verdict)).count() as f64 / found.len() as f64
            };
            println!(
                "  copies with noise {noise}: rejected {:.3}, held {:.3}",
                share(|v| matches!(v, Verdict::Reject(_))),
                share(|v| matches!(v, Verdict::Hold(_)))
            );
        }
    }
}

fn print_near_duplicates() {
    let Some(corpus) = json_lines("near_duplicates/corpus.jsonl.zst") else { return };
    let Some(truth) = json_lines("near_duplicates/truth.jsonl.gz") else { return };
    let texts: Vec<&str> = corpus.iter().map(|row| row["text"].as_str().unwrap()).collect();
    let views: Vec<_> = texts.iter().map(|text| RecordView::text(text, "a")).collect();
    let mut gates = Gates::new(GateConfig::default(), &[]).unwrap();
    let start = Instant::now();
    let findings: Vec<_> = views.chunks(10_000).flat_map(|batch| gates.check_batch(batch)).collect();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "\nnear_duplicates: {} texts in {seconds:.2} s on {} threads, {:.0} texts/s",
        texts.len(),
        rayon::current_num_threads(),
        texts.len() as f64 / seconds
    );
    let mut true_pairs = vec![false; texts.len()];
    let mut kinds: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for pair in &truth {
        let (source, copy) = (pair["src"].as_u64().unwrap() as usize, pair["dup"].as_u64().unwrap() as usize);
        let kind = pair["kind"].as_str().unwrap();
        let hit = |wanted: fn(&Verdict) -> bool| {
            wanted(&findings[source].verdict) || wanted(&findings[copy].verdict)
        };
        let counts = kinds.entry(kind).or_default();
        counts[0] += 1;
        counts[1] += usize::from(hit(|v| v.is_reject()));
        counts[2] += usize::from(hit(|v| *v != Verdict::Pass));
        if kind != "half" {
            (true_pairs[source], true_pairs[copy]) = (true, true);
        }
    }
    for (kind, [total, rejected, stopped]) in &kinds {
        println!(
            "  {kind:<6} rejected {:.4}, rejected or held {:.4}",
            *rejected as f64 / *total as f64,
            *stopped as f64 / *total as f64
        );
    }
    let precision = |wanted: fn(&Verdict) -> bool| {
        let flagged: Vec<usize> = (0..texts.len()).filter(|&i| wanted(&findings[i].verdict)).collect();
        flagged.iter().filter(|&&i| true_pairs[i]).count() as f64 / flagged.len().max(1) as f64
    };
    println!(
        "  precision: rejected {:.4}, rejected or held {:.4}",
        precision(|v| v.is_reject()),
        precision(|v| *v != Verdict::Pass)
    );
}
