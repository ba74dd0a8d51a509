//! What things are worth: the books balance, copies earn nothing, names change nothing.

use assay_api::v1::appraisal::{Standing, Task};
use assay_store::columns::{self, Values};

use super::Bench;
use super::community::{jsonl, test, train, valid};

fn bench() -> Bench {
    let bench = Bench::new();
    bench
        .write("train.jsonl", jsonl(&train()))
        .write("valid.jsonl", jsonl(&valid()))
        .write("test.jsonl", jsonl(&test()));
    bench
}

const FILES: &str = "train.jsonl --valid valid.jsonl --test test.jsonl";

#[test]
fn the_community_is_told_apart() {
    let bench = bench();
    let (appraisal, _) = bench.appraise(FILES);
    let of = |id: &str| appraisal.contributors.iter().find(|c| c.id == id).unwrap();
    assert_eq!((of("ann").standing, of("ben").standing), (Standing::Paid, Standing::Paid));
    assert_eq!(of("flo").standing, Standing::Harmful);
    let copier = of("cop");
    assert_eq!(
        (copier.records, copier.duplicates, copier.value_bits, copier.standing),
        (20, 20, 0.0, Standing::Unproven)
    );
    assert_eq!(appraisal.contributors.iter().map(|c| c.share_ppm).sum::<u64>(), 1_000_000);
    let sum: f64 = appraisal.contributors.iter().map(|c| c.value_bits).sum();
    // What is charged for records that were kept out is no part of the gain.
    let sum = sum - appraisal.curation.as_ref().unwrap().charged_bits;
    assert!((sum - appraisal.utility.gain_bits).abs() < 1e-3 * appraisal.utility.gain_bits);
    assert!(appraisal.closure.as_ref().unwrap().relative.unwrap() < 1e-3);
    // With everything in training there is somebody to be glad to miss.
    let (all, _) = bench.appraise(&format!("{FILES} --no-curate"));
    let check = all.agreement.leave_one_out.as_ref().unwrap();
    assert_eq!(check.n, 3);
    assert!(check.pearson.unwrap() > 0.9);
    assert!(check.predicted_pearson.unwrap() > 0.9);
    assert!(all.curation.is_none() && all.scores.test.as_ref().unwrap().curated.is_none());
    let scores = appraisal.scores.test.as_ref().unwrap();
    let curated = scores.curated.as_ref().unwrap();
    assert!(curated.bits > scores.gated.bits && (150..=180).contains(&curated.records));
    assert_eq!((scores.submitted.records, scores.gated.records), (200, 180));
    assert_eq!(appraisal.duplicates.len(), 20);
    assert_eq!(appraisal.duplicates[0].copies[0].contributor, "cop");
    assert!(all.records_worst.iter().take(5).all(|r| r.contributor == "flo"), "{:?}", all.records_worst);
}

#[test]
fn the_table_has_every_record() {
    let bench = bench();
    let (appraisal, _) = bench.appraise(&format!("{FILES} --no-retrain --no-curate"));
    let table = columns::read(&std::fs::read(bench.path("out/records.parquet")).unwrap()).unwrap();
    let names: Vec<&str> = table.columns().iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names,
        ["id", "contributor", "value_bits", "se_bits", "weight", "p_wrong", "verdict", "reason", "original"]
    );
    assert_eq!(table.rows(), 200);
    let Some(Values::Float64(worth)) = table.column("value_bits") else { panic!("no values") };
    let sum: f64 = worth.iter().flatten().sum();
    assert!((sum - appraisal.closure.as_ref().unwrap().sum_bits).abs() < 1e-9);
    let text = |name: &str, row: usize| match table.column(name) {
        Some(Values::Utf8(cells)) => cells[row].clone(),
        _ => panic!("no text in {name}"),
    };
    assert_eq!((text("id", 180).unwrap().as_str(), worth[180]), ("c0", Some(0.0)));
    assert_eq!(text("verdict", 180).unwrap(), "reject");
    assert_eq!(text("reason", 180).unwrap(), "exact_duplicate");
    assert_eq!(text("original", 180), text("id", 0));
    assert_eq!(
        (text("verdict", 0).unwrap().as_str(), text("reason", 0), text("original", 0)),
        ("pass", None, None)
    );
}

#[test]
fn the_first_comer_by_time_is_the_original() {
    let bench = bench();
    // Line 1 comes last, its copy first.
    let mut lines = train();
    lines.truncate(181);
    let timed: String = lines
        .iter()
        .enumerate()
        .map(|(k, line)| format!("{},\"time\":{}}}\n", line.json().trim_end_matches('}'), 500 - k))
        .collect();
    bench.write("timed.jsonl", timed);
    let (appraisal, _) = bench.appraise("timed.jsonl --valid valid.jsonl --no-retrain");
    assert_eq!(
        (appraisal.duplicates[0].original.id.as_str(), appraisal.duplicates[0].copies[0].id.as_str()),
        ("c0", "a1")
    );
}

/// Five names of one actor earn together what one name earns, to rounding, of one and the same training set. The
/// evidence on what to train on is pooled by name.
#[test]
fn names_change_nothing() {
    let bench = bench();
    let (one, _) = bench.appraise(&format!("{FILES} --no-retrain --no-curate"));
    let mut lines = train();
    lines
        .iter_mut()
        .filter(|l| l.contributor == "ann")
        .enumerate()
        .for_each(|(k, l)| l.contributor = format!("shell{}", k % 5));
    bench.write("train.jsonl", jsonl(&lines));
    let (five, _) = bench.appraise(&format!("{FILES} --no-retrain --no-curate"));
    let ann = one.contributors.iter().find(|c| c.id == "ann").unwrap().value_bits;
    let shells: Vec<f64> =
        five.contributors.iter().filter(|c| c.id.starts_with("shell")).map(|c| c.value_bits).collect();
    assert_eq!(shells.len(), 5);
    assert!((shells.iter().sum::<f64>() - ann).abs() < 1e-9 * ann);
}

#[test]
fn numbers_are_predicted_too() {
    let row = |k: u32, noise: f64| {
        let (x, z) = (f64::from(k * 37 % 101) / 50.0 - 1.0, f64::from(k * 53 % 89) / 44.0 - 1.0);
        format!(
            "{x},{z},{},{}\n",
            3.0 * x - z + noise * f64::from(k * 71 % 97) / 97.0,
            if k.is_multiple_of(3) { "lab1" } else { "lab2" }
        )
    };
    let table = |from: u32, to: u32| {
        "x,z,yield,lab\n".to_owned() + &(from..to).map(|k| row(k, 0.3)).collect::<String>()
    };
    let bench = Bench::new();
    bench.write("t.csv", table(0, 150)).write("v.csv", table(150, 250));
    let (appraisal, stdout) = bench.appraise("t.csv --valid v.csv --label yield --by lab --features x,z");
    assert_eq!(appraisal.model.task, Task::Regression);
    assert!(appraisal.utility.gain_bits > 1.0);
    assert!(
        appraisal.scores.valid.gated.r2.unwrap() > 0.95 && appraisal.scores.valid.gated.rmse.unwrap() < 0.3
    );
    assert!(appraisal.contributors.iter().all(|c| c.standing == Standing::Paid));
    assert!(stdout.contains("R2"));
}
