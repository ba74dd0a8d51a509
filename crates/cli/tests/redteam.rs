//! `assay redteam` as a user runs it: on the bundled digits, and on files that mean no good.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use assay_api::v1::appraisal::Timings;
use assay_api::v1::redteam::{Arm, RedTeam, Verdict};
use assay_api::{Document, Micro};
use assert_cmd::Command;

fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("assay").unwrap();
    let output = command.current_dir(folder).arg("redteam").args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn document(folder: &Path) -> RedTeam {
    let json = std::fs::read_to_string(folder.join("out/redteam.json")).unwrap();
    RedTeam { timings: Timings::default(), ..RedTeam::from_json(&json).unwrap() }
}

#[test]
fn attacks_on_digits_are_caught_or_lose_and_one_seed_is_one_result() {
    let folder = tempfile::tempdir().unwrap();
    let attacks = "sybil-split,exact-copies,label-flips,leak,synonyms";
    let arguments = ["--demo", "--seed", "1", "--attacks", attacks, "--out", "out"];
    let (code, table, _) = run(folder.path(), &arguments);
    assert_eq!(code, 0);
    assert!(table.lines().all(|line| line.chars().count() <= 110), "{table}");
    let found = document(folder.path());
    let arm = |name: &str| found.attacks.iter().find(|arm| arm.name == name).unwrap();
    let caught = |arm: &Arm, code: &str| arm.caught.iter().find(|c| c.code == code).map(|c| c.count);

    assert!(found.honest.profit_micro > Micro(0) && found.honest.records == found.community.owned);
    let split = arm("sybil-split");
    assert_eq!((split.identities, split.records), (5, found.honest.records));
    // Five names round to the unit five times.
    assert!(split.profit_micro.0 <= found.honest.profit_micro.0 + 5 && split.profit_micro > Micro(0));
    for (name, code) in [("exact-copies", "exact_duplicate"), ("leak", "benchmark_overlap")] {
        let arm = arm(name);
        assert_eq!((arm.passed, arm.profit_micro, arm.verdict), (0, Micro(0), Verdict::EarnsLess), "{name}");
        assert_eq!(caught(arm, code), Some(arm.records), "{name}");
    }
    let flips = arm("label-flips");
    assert!(flips.profit_micro <= Micro(0) && flips.released_micro == Micro(0) && !flips.caught.is_empty());
    assert_eq!(found.not_applicable.len(), 1);

    let (code, json, _) = run(folder.path(), &[&arguments[..], &["--json"]].concat());
    let again = RedTeam { timings: Timings::default(), ..RedTeam::from_json(&json).unwrap() };
    assert_eq!((code, again), (0, found));
}

/// Forty short texts of two topics, with contributors and a file name that try to become markup.
#[test]
fn hostile_texts_are_words_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let texts = |from: usize, n: usize| -> String {
        let line = |i: usize| {
            let (label, word) = if i.is_multiple_of(2) { ("<b>", "river") } else { ("\"x\"", "copper") };
            let words =
                [word, ["alpha", "beta", "gamma"][i % 3], ["north", "south", "east", "west", "up"][i % 5]];
            let text = format!("{} <script>{i}</script> {}", words.join(" "), i * i);
            serde_json::json!({"text": text, "label": label, "contributor": format!("<i>{}", i % 4)})
                .to_string()
        };
        (from..from + n).map(line).collect::<Vec<_>>().join("\n")
    };
    let name = "<script>alert(1)<.jsonl";
    for (file, from, n) in [(name, 0, 80), ("v.jsonl", 100, 40), ("t.jsonl", 200, 40)] {
        std::fs::write(folder.path().join(file), texts(from, n)).unwrap();
    }
    let files = [name, "--valid", "v.jsonl", "--test", "t.jsonl", "--out", "out"];
    let attacks = ["--attacks", "synonyms,filler,trigger", "--share", "200000"];
    let (code, _, stderr) = run(folder.path(), &[&files[..], &attacks[..]].concat());
    assert_eq!(code, 0, "{stderr}");
    let page = std::fs::read_to_string(folder.path().join("out/redteam.html")).unwrap();
    assert!(!page.contains("<script>alert") && page.contains("script&#62;alert(1)"));
    let found = document(folder.path());
    assert_eq!((found.attacks.len(), found.community.contributors, found.community.owned), (3, 4, 16));
    assert!(found.attacks[2].trigger.is_some());

    let (code, stdout, stderr) = run(folder.path(), &[&files[..], &["--share", "1"]].concat());
    assert!(code == 2 && stdout.is_empty() && stderr.contains("too few to be paid for"), "{stderr}");
    let (code, _, stderr) = run(folder.path(), &["--demo", "--attacks", "bribery", "--out", "out"]);
    assert!(code == 2 && stderr.contains("sybil-split"), "{stderr}");
}
