//! What people and programs see: help, the summary, JSON, the page.

use assay_api::Document;
use assay_api::v1::appraisal::{Appraisal, Timings};

use super::community::{jsonl, test, train, valid};
use super::{Bench, text};

const FILES: &str = "train.jsonl --valid valid.jsonl --test test.jsonl";

fn bench() -> Bench {
    let bench = Bench::new();
    bench
        .write("train.jsonl", jsonl(&train()))
        .write("valid.jsonl", jsonl(&valid()))
        .write("test.jsonl", jsonl(&test()));
    bench
}

#[test]
fn help_shows_two_examples() {
    let output = Bench::new().command("appraise --help").output().unwrap();
    assert!(output.status.success());
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn the_summary_reads_well() {
    let (_, stdout) = bench().appraise(FILES);
    insta::assert_snapshot!(coarse(&stdout));
}

/// One decimal of every number: the snapshot is of the wording, not of a solver's last digits.
fn coarse(text: &str) -> String {
    let mut decimals = None;
    let mut mask = |c: char| {
        decimals = match (c, decimals) {
            ('.', _) => Some(0),
            ('0'..='9', Some(n)) => Some(n + 1),
            _ => None,
        };
        if decimals.is_some_and(|n| n > 1) { '_' } else { c }
    };
    text.chars().map(&mut mask).collect()
}

#[test]
fn json_is_all_of_stdout_and_the_file() {
    let bench = bench();
    let output = bench.command(&format!("appraise {FILES} --json --out deep/er/out")).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    assert_eq!(stdout, std::fs::read_to_string(bench.path("deep/er/out/appraisal.json")).unwrap());
    Appraisal::from_json(&stdout).unwrap();
    let page = std::fs::read_to_string(bench.path("deep/er/out/report.html")).unwrap();
    assert!(page.contains("flo") && !page.contains("http://") && !page.contains("https://"));
}

/// One seed, one result: on any number of threads, run after run, over an earlier appraisal.
#[test]
fn the_same_on_any_number_of_threads() {
    let bench = bench();
    let run = |threads: u32| {
        let (mut appraisal, _) = bench.appraise(&format!("{FILES} --threads {threads} --seed 7"));
        assert_eq!(appraisal.recipe.threads, u64::from(threads));
        appraisal.timings = Timings::default();
        appraisal.recipe.threads = 0;
        (appraisal, std::fs::read(bench.path("out/records.parquet")).unwrap())
    };
    let first = run(1);
    assert_eq!(first, run(2));
    assert_eq!(first, run(5));
}

#[test]
fn without_contributors_all_records_are_one() {
    let bench = bench();
    let (appraisal, stdout) = bench.appraise(&format!("{FILES} --by contributor"));
    assert_eq!(appraisal.contributors.len(), 4);
    drop(stdout);
    let anonymous = jsonl(&train()).replace("\"contributor\"", "\"colour\"");
    bench.write("train.jsonl", anonymous);
    let (appraisal, stdout) = bench.appraise(FILES);
    assert_eq!((appraisal.contributors.len(), appraisal.contributors[0].id.as_str()), (1, "all"));
    assert!(stdout.contains("No column says who sent a record"));
    assert!(appraisal.agreement.leave_one_out.is_none());
}
