//! `assay audit` of files: an appraisal again, and contributors really left out.

use assay_api::Document;
use assay_api::v1::audit::Audit;
use sha2::{Digest, Sha256};

use super::Bench;
use super::community::{jsonl, test, train, valid};

const FILES: &str = "train.jsonl --valid valid.jsonl --test test.jsonl";
const HOSTILE: &str = "<script>alert(1)</script>";

/// Flo goes by a name that would like to be markup.
fn bench() -> Bench {
    let bench = Bench::new();
    bench
        .write("train.jsonl", jsonl(&train()).replace("\"flo\"", &format!("\"{HOSTILE}\"")))
        .write("valid.jsonl", jsonl(&valid()))
        .write("test.jsonl", jsonl(&test()));
    bench
}

#[test]
fn an_appraisal_is_repeated_and_held_against_what_really_happens() {
    let bench = bench();
    // Curated, nothing of the hostile contributor is left in training to leave out.
    bench.appraise(&format!("{FILES} --no-curate --no-retrain --seed 5"));
    let more = "--clusters --orders 2 --against influence";
    let output = bench.command(&format!("audit {FILES} --of out --out audit {more}")).output().unwrap();
    let (words, said) = (super::text(&output.stdout), super::text(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(words.contains("agree: 200 of 200 records"), "{words}");
    let json = std::fs::read_to_string(bench.path("audit/audit.json")).unwrap();
    let audit = Audit::from_json(&json).unwrap();
    let recomputed = audit.recomputed.clone().unwrap();
    assert!(recomputed.agrees && recomputed.equal == 200 && recomputed.largest_bits == 0.0);
    // Whoever has the table has the seed.
    let table = std::fs::read(bench.path("out/records.parquet")).unwrap();
    assert_eq!(audit.drawn.seed, hex::encode(Sha256::digest(table)));
    assert_eq!((audit.drawn.contributors, audit.drawn.left_out), (3, 3), "nothing is left of the copier");
    let effects: Vec<(&str, f64)> =
        audit.contributors.iter().map(|c| (c.id.as_str(), c.effect_bits)).collect();
    assert_eq!(effects.iter().map(|e| e.0).collect::<Vec<_>>(), ["ann", "ben", HOSTILE]);
    assert!(effects[0].1 > 0.0 && effects[2].1 < 0.0, "{effects:?}");
    assert!(
        audit.contributors.iter().all(|c| c.low_bits < c.predicted_bits && c.predicted_bits < c.high_bits)
    );
    assert_eq!(audit.clusters.unwrap().groups.len(), 3);
    // Three players: every coalition is trained.
    let shapley = audit.shapley.unwrap();
    assert_eq!((shapley.contributors, shapley.orders, shapley.reliability), (3, 0, Some(1.0)));
    assert_eq!(audit.estimators[0].method, "influence");
    let page = std::fs::read_to_string(bench.path("audit/audit.html")).unwrap();
    assert!(!page.contains(HOSTILE) && page.contains("What an audit cannot show"));
    // The same again is the same to the byte, and an earlier audit is replaced.
    let again = bench.command(&format!("audit {FILES} --of out --out audit {more} --json")).output().unwrap();
    assert!(again.status.success());
    assert_eq!(std::fs::read_to_string(bench.path("audit/audit.json")).unwrap(), json);
}

#[test]
fn other_files_than_those_appraised_are_refused() {
    let bench = bench();
    bench.appraise(&format!("{FILES} --no-retrain"));
    bench.write("valid.jsonl", jsonl(&valid()[1..]));
    let refused = |arguments: &str, code: i32| {
        let output = bench.command(&format!("audit {arguments}")).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", super::text(&output.stderr));
        assert!(!bench.path("audit").exists());
        super::text(&output.stderr)
    };
    let error = refused(&format!("{FILES} --of out --out audit"), 2);
    assert!(
        error.contains("valid.jsonl") && error.contains("SHA-256") && error.contains("hint: "),
        "{error}"
    );
    assert!(refused(&format!("{FILES} --of nowhere --out audit"), 2).contains("assay appraise --out"));
    assert!(refused("train.jsonl --valid valid.jsonl", 2).contains("--test"));
    assert!(refused("--of out", 2).contains("TRAIN"));
}
