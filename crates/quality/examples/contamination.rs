//! What it costs to hold a text against a sealed benchmark of 10,000 items, by stage.
//!
//! `cargo run --release -p assay-quality --example contamination`
//!
//! Benchmarks and texts are of different sets, and of the same one: training folds are sealed, test folds offered. CPU time of one
//! thread, least of five runs, microseconds a text. `form` is normal form, digest and sketch, which the search for
//! copies needs as well; `benchmark` is the comparison: the same content, edited copies, and items embedded in the text.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros
)]

#[path = "../tests/support/mod.rs"]
mod support;

use assay_quality::{GateConfig, Gates, RecordView, Stage};
use rustix::time::{ClockId, clock_gettime};
use support::{Row, rows};

const ITEMS: usize = 10_000;
const RUNS: usize = 5;

fn now() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    println!("| benchmark | items | texts | bytes, mean | form | benchmark |\n|---|---|---|---|---|---|");
    for (sealed, offered) in [
        ("banking77", "banking77"),
        ("banking77", "hwu64"),
        ("medquad", "medquad"),
        ("medquad", "scicite"),
        ("medquad", "canada_acts"),
    ] {
        let fold = |set: &str, fold: &str| rows(&format!("{set}/{fold}.jsonl.gz"));
        let (Some(items), Some(texts)) = (fold(sealed, "train"), fold(offered, "test")) else { return };
        let items: Vec<RecordView<'_>> = items.iter().take(ITEMS).map(Row::view).collect();
        let views: Vec<RecordView<'_>> = texts.iter().map(Row::view).collect();
        let run = |_| {
            let mut gates = Gates::new(GateConfig::default(), &items).unwrap();
            gates.measure(now);
            gates.check_batch(&views);
            gates.costs().nanoseconds
        };
        let runs: Vec<_> = (0..RUNS).map(run).collect();
        let us = |stage: Stage| {
            let least = runs.iter().map(|run| run[stage as usize]).min().unwrap_or_default();
            least as f64 / 1e3 / views.len() as f64
        };
        let bytes = texts.iter().map(|row| row.text.len()).sum::<usize>() / texts.len();
        println!(
            "| {sealed} | {} | {offered}, {} | {bytes} | {:.1} | {:.1} |",
            items.len(),
            views.len(),
            us(Stage::Form),
            us(Stage::Benchmark)
        );
    }
}
