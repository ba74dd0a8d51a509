//! Values by other methods than the path.

use assay_api::v1::appraisal::{Standing, Unit};
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
fn methods_of_bits_pay_and_methods_of_scores_do_not() {
    for (method, unit) in
        [("influence", Unit::Bits), ("knn-shapley", Unit::Accuracy), ("training-loss", Unit::Score)]
    {
        let bench = bench();
        let (appraisal, printed) = bench.appraise(&format!("{FILES} --no-retrain --method {method}"));
        assert_eq!((appraisal.method.name.as_str(), appraisal.method.unit), (method, unit));
        assert_eq!(appraisal.closure, None);
        assert!(printed.contains("do not claim to add up"), "{printed}");
        let of = |id: &str| appraisal.contributors.iter().find(|c| c.id == id).unwrap();
        assert!(of("ann").bits_per_record > of("flo").bits_per_record, "{method}");
        let paid = appraisal.contributors.iter().filter(|c| c.standing == Standing::Paid).count();
        let shares: u64 = appraisal.contributors.iter().map(|c| c.share_ppm).sum();
        let expected = if unit == Unit::Bits { (2, 1_000_000) } else { (0, 0) };
        assert_eq!((paid, shares), expected, "{method}");
        let intervals = appraisal.contributors.iter().any(|c| c.se_bits > 0.0);
        assert_eq!(intervals, unit != Unit::Score, "{method}");

        let table = columns::read(&std::fs::read(bench.path("out/records.parquet")).unwrap()).unwrap();
        let name = match unit {
            Unit::Bits => "value_bits",
            Unit::Accuracy => "value_accuracy",
            Unit::Score => "value_score",
        };
        let Some(Values::Float64(worth)) = table.column(name) else { panic!("no {name}") };
        let sum: f64 = worth.iter().flatten().sum();
        let sums: f64 = appraisal.contributors.iter().map(|c| c.value_bits).sum();
        assert!((sum - sums).abs() < 1e-9);
        let page = std::fs::read_to_string(bench.path("out/report.html")).unwrap();
        assert!(
            page.contains("they are not the rule of pay") && page.contains("Other methods beside the path")
        );
    }
}

#[test]
fn methods_are_held_against_the_path_and_the_truth() {
    let bench = bench();
    let compare = "--compare influence --compare out-of-bag --compare path --compare influence";
    let (appraisal, printed) = bench.appraise(&format!("{FILES} {compare} --no-curate"));
    let names: Vec<&str> = appraisal.estimators.iter().map(|e| e.method.name.as_str()).collect();
    assert_eq!(names, ["path", "influence", "out-of-bag"]);
    assert_eq!(appraisal.timings.estimators.len(), 3);
    let [path, influence, _] = &appraisal.estimators[..] else { panic!("three") };
    assert!((path.records_pearson.unwrap() - 1.0).abs() < 1e-12);
    assert!(
        (path.effect_pearson.unwrap() - appraisal.agreement.leave_one_out.unwrap().pearson.unwrap()).abs()
            < 1e-12
    );
    assert!(influence.records_spearman.unwrap() > 0.5 && influence.effect_pearson.unwrap() > 0.9);
    assert!(appraisal.closure.is_some() && printed.contains("rank agreement of"), "{printed}");
    let plain =
        bench.command("appraise train.jsonl --valid valid.jsonl --out x --compare magic").output().unwrap();
    assert_eq!(plain.status.code(), Some(2));
}
