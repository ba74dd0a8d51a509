//! Every kind of unusable input: exit code 2, a message that says where and what to do, and nothing written.

use std::io::Write;

use super::Bench;
use super::community::{Line, flipped, jsonl, train, valid};

const FILES: &str = "train.jsonl --valid valid.jsonl";

/// TRAIN and VALID with the change that `spoil` makes.
fn bench(spoil: impl Fn(&mut Vec<Line>, &mut Vec<Line>)) -> Bench {
    let (mut a, mut b) = (train(), valid());
    spoil(&mut a, &mut b);
    let bench = Bench::new();
    bench.write("train.jsonl", jsonl(&a)).write("valid.jsonl", jsonl(&b));
    bench
}

#[track_caller]
fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[test]
fn a_missing_file() {
    says(
        &bench(|_, _| ()).refused("train.jsonl --valid no.jsonl"),
        &["no.jsonl: cannot be read", "hint: check the path"],
    );
}

#[test]
fn a_missing_column() {
    let message = bench(|_, _| ()).refused(&format!("{FILES} --label class"));
    says(
        &message,
        &[
            "train.jsonl, field \"class\": does not exist",
            "\"id\", \"contributor\", \"text\", \"label\"",
            "hint: ",
        ],
    );
    let message = bench(|_, _| ()).refused(&format!("{FILES} --features age,age"));
    says(&message, &["names a column twice"]);
}

#[test]
fn an_unknown_label_in_valid() {
    let message = bench(|_, valid| valid[6].label = "attic".to_owned()).refused(FILES);
    says(&message, &["valid.jsonl, line 7", "no record of TRAIN has the label \"attic\"", "hint: "]);
    let message =
        bench(|_, valid| valid[6..9].iter_mut().for_each(|l| l.label = "attic".to_owned())).refused(FILES);
    says(&message, &["nor those of 2 other records"]);
}

#[test]
fn a_class_that_valid_does_not_have() {
    let bench = bench(|_, valid| valid.retain(|line| line.label != "harbour"));
    let (appraisal, stdout) = bench.appraise(FILES);
    let warning = appraisal.warnings.iter().find(|w| w.code == "class_not_in_valid").unwrap();
    assert_eq!((warning.count, warning.examples.as_slice()), (1, ["harbour".to_owned()].as_slice()));
    says(&stdout, &["Classes of TRAIN without a record in VALID"]);
}

#[test]
fn numbers_that_are_not_there() {
    let table = |x: &str| format!("x,label\n1.0,a\n{x},b\n{}", "0.5,a\n0.25,b\n".repeat(20));
    for x in ["", "NaN", "inf"] {
        let bench = Bench::new();
        bench.write("t.csv", table(x)).write("v.csv", table("2"));
        says(
            &bench.refused("t.csv --valid v.csv"),
            &["t.csv, line 3, field \"x\": is missing or not finite", "hint: "],
        );
    }
    let bench = Bench::new();
    bench
        .write("t.jsonl", "{\"x\":1,\"label\":\"a\"}\n{\"x\":NaN,\"label\":\"b\"}\n")
        .write("v.csv", table("2"));
    says(
        &bench.refused("t.jsonl --valid v.csv"),
        &["t.jsonl, line 2, field \"x\": NaN or Infinity is not JSON"],
    );
}

#[test]
fn a_broken_line() {
    let bench = bench(|_, _| ());
    let mut lines = jsonl(&train());
    lines.insert_str(lines.match_indices('\n').nth(3).unwrap().0 + 1, "{\"id\":\"x\",\n");
    bench.write("train.jsonl", lines);
    says(
        &bench.refused(FILES),
        &["train.jsonl, line 5: is not valid JSON", "hint: write one complete JSON object"],
    );
}

#[test]
fn a_truncated_archive() {
    let bench = bench(|_, _| ());
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    out.write_all(jsonl(&train()).as_bytes()).unwrap();
    let whole = out.finish().unwrap();
    bench.write("train.jsonl.gz", &whole[..whole.len() / 2]);
    says(
        &bench.refused("train.jsonl.gz --valid valid.jsonl"),
        &["train.jsonl.gz", "is cut short", "hint: copy or download"],
    );
}

#[test]
fn no_records() {
    let bench = bench(|_, _| ());
    bench.write("empty.jsonl", "\n");
    says(&bench.refused("empty.jsonl --valid valid.jsonl"), &["empty.jsonl: holds no records"]);
    says(&bench.refused("train.jsonl --valid empty.jsonl"), &["empty.jsonl: holds no records"]);
    says(&bench.refused(&format!("{FILES} --test empty.jsonl")), &["empty.jsonl: holds no records"]);
}

#[test]
fn one_class() {
    let message =
        bench(|train, _| train.iter_mut().for_each(|l| l.label = "garden".to_owned())).refused(FILES);
    says(&message, &["train.jsonl: every record has the label \"garden\"", "hint: "]);
}

#[test]
fn all_duplicates() {
    let message = bench(|train, _| {
        let text = train[0].text.clone();
        train.iter_mut().for_each(|line| line.text.clone_from(&text));
    })
    .refused(FILES);
    says(
        &message,
        &["the gates passed 1 of 200 records", "duplicate", "too few to learn from", "--no-gates"],
    );
}

#[test]
fn valid_rows_in_train() {
    let bench = bench(|train, valid| {
        for (k, line) in valid.iter().take(4).enumerate() {
            train.push(Line {
                id: format!("leak{k}"),
                contributor: "lea".to_owned(),
                text: line.text.clone(),
                label: line.label.clone(),
            });
        }
    });
    let (appraisal, stdout) = bench.appraise(FILES);
    let warning = appraisal.warnings.iter().find(|w| w.code == "benchmark_in_train").unwrap();
    assert_eq!((warning.count, warning.examples[0].as_str()), (4, "train.jsonl:201"));
    let leaker = appraisal.contributors.iter().find(|c| c.id == "lea").unwrap();
    assert_eq!((leaker.value_bits, leaker.rejected, leaker.duplicates), (0.0, 4, 0));
    assert!(appraisal.gates.by_reason.iter().any(|g| g.code == "benchmark_overlap" && g.count == 4));
    let scores = &appraisal.scores.valid;
    assert_eq!((scores.submitted.rows, scores.gated.rows, scores.submitted.records), (116, 116, 204));
    says(&stdout, &["set aside and worth nothing"]);
    let (appraisal, _) = bench.appraise(&format!("{FILES} --no-gates"));
    let warning = appraisal.warnings.iter().find(|w| w.code == "benchmark_in_train").unwrap();
    assert_eq!(warning.count, 4);
    assert!(appraisal.contributors.iter().find(|c| c.id == "lea").unwrap().value_bits > 0.0);
}

#[test]
fn labels_that_are_no_numbers_in_a_regression() {
    let bench = bench(|train, _| train[4].label = flipped(&train[4].label));
    says(
        &bench.refused(&format!("{FILES} --task regression")),
        &["train.jsonl, line 1: the label", "is not a finite number"],
    );
}

#[test]
fn a_folder_with_other_files() {
    let bench = bench(|_, _| ());
    std::fs::create_dir(bench.path("out")).unwrap();
    bench.write("out/thesis.tex", "mine");
    let output = bench.command(&format!("appraise {FILES} --out out")).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    says(&super::text(&output.stderr), &["out: holds thesis.tex already", "--force"]);
    assert_eq!(std::fs::read_dir(bench.path("out")).unwrap().count(), 1);
    bench.appraise(&format!("{FILES} --force --no-retrain"));
    assert_eq!(std::fs::read_to_string(bench.path("out/thesis.tex")).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(bench.path("out")).unwrap().count(), 4);
}
