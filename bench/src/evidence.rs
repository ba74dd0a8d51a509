//! Curation of one community whose truth is known: everything, what the evidence chose, and the truth, scored on test
//! rows that no value has seen. `right.txt` names the records that are right, one a line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assay_attribution::evidence::{Community, Evidence, EvidenceOptions, fit_to_fold, gather};
use assay_attribution::{Examples, PathOptions, ValueFold, value};
use assay_learn::crossval::{CrossOptions, choose_lambda, shuffled};
use assay_learn::data::{Columns, Features, Target};
use assay_learn::features::{FeatureConfig, Featurizer, LabelEncoder};
use assay_learn::model::Model;
use assay_learn::train::{FitOptions, fit};
use assay_node::records::{ColumnRoles, RecordTable, read_file};
use serde_json::{Value, json};

use crate::Result;
use crate::data::cpu_seconds;

#[derive(clap::Args)]
pub struct Args {
    /// Folder with contributions, valid and test rows, and right.txt.
    folder: PathBuf,
    /// Also what looks at records gain, in several orders.
    #[arg(long)]
    review: bool,
}

struct Rows {
    features: Features,
    target: Target,
}

impl Rows {
    fn examples(&self) -> Examples<'_> {
        Examples { features: &self.features, target: &self.target }
    }
}

struct Case {
    train: Rows,
    valid: Rows,
    test: Rows,
    sent_by: Vec<u32>,
    names: Vec<String>,
    right: Vec<bool>,
}

pub fn run(args: &Args) -> Result<()> {
    let case = read(&args.folder)?;
    let before = cpu_seconds();
    let lambda = choose_lambda(&case.train.features, &case.train.target, &CrossOptions::default())?.lambda;
    let (train, fold) = (case.train.examples(), ValueFold::new(case.valid.examples()));
    let path = PathOptions { lambda, nodes: 8, max_nodes: 8, ..PathOptions::default() };
    let valuation = value(train, fold, &path, &|_| {})?;
    let valued = cpu_seconds();
    // The rows are in order of time.
    let arrivals: Vec<u64> = (0..case.right.len() as u64).collect();
    let community = Community {
        contributors: &case.sent_by,
        count: case.names.len(),
        clusters: None,
        arrivals: Some(&arrivals),
    };
    let options = EvidenceOptions { lambda, ..EvidenceOptions::default() };
    let evidence = gather(train, fold, &valuation, &community, &options, &|_| {})?;
    let gathered = cpu_seconds();
    let weights: Vec<f64> = case.right.iter().map(|&t| f64::from(u8::from(t))).collect();
    let truth = fit_to_fold(train, fold, &weights, &options)?;
    let all = vec![1.0; weights.len()];
    let everything_tuned = fit_to_fold(train, fold, &all, &options)?;
    let people = evidence.contributors.iter().enumerate().map(|(c, e)| {
        let mine = || case.right.iter().zip(&case.sent_by).filter(|(_, s)| **s as usize == c);
        json!({ "name": case.names[c], "records": e.records, "wrong": mine().filter(|(right, _)| !**right).count(),
            "wrong_share": e.wrong_share, "low": e.wrong_low, "high": e.wrong_high, "label_bits": e.label_bits,
            "harmful": e.harmful, "decision": format!("{:?}", e.decision),
            "reasons": e.reasons.iter().map(|r| r.code()).collect::<Vec<_>>() })
    });
    let curation = &evidence.curation;
    let trials = curation.trials.iter().map(|t| format!("{t:?}"));
    let looked = evidence.review.iter().take(100).filter(|r| !case.right[r.record as usize]).count();
    let report = json!({
        "records": weights.len(), "wrong": case.right.iter().filter(|r| !**r).count(), "test": case.test.target.len(),
        "lambda": lambda, "everything": score(&valuation.model, &case.test),
        "everything_tuned": score(&everything_tuned, &case.test),
        "curated": score(&curation.model, &case.test), "truth": score(&truth, &case.test),
        "choice": format!("{:?}", curation.choice), "curated_lambda": curation.lambda,
        "more_bits": [curation.more_bits, curation.low_bits, curation.high_bits],
        "separation": separation(&evidence.wrong, &case.right), "wrong_of_first_100_reviewed": looked,
        "value_cpu_s": valued - before, "evidence_cpu_s": gathered - valued,
        "people": people.collect::<Vec<_>>(), "trials": trials.collect::<Vec<_>>(),
        "review": if args.review { review(&case, &evidence)? } else { Value::Null },
    });
    println!("{report}");
    Ok(())
}

/// Looks at records in each order.
const LOOKS: [usize; 3] = [25, 100, 300];

/// What looks gain over the curated model, on the test rows: the first records of each order get their true weight.
fn review(case: &Case, evidence: &Evidence) -> Result<Value> {
    let curated = &evidence.curation;
    let records = case.right.len();
    let by = |key: &dyn Fn(usize) -> f64| {
        let mut order: Vec<usize> = (0..records).collect();
        order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
        order
    };
    let orders = [
        ("expected_bits", evidence.review.iter().map(|r| r.record as usize).collect()),
        ("p_wrong", by(&|i| evidence.wrong[i])),
        ("unsure", by(&|i| -(evidence.wrong[i] - 0.5).abs())),
        ("random", shuffled(records, 1, records)),
    ];
    let before = score(&curated.model, &case.test);
    let mut out = serde_json::Map::new();
    for (name, order) in orders {
        let mut gains = Vec::new();
        for looks in LOOKS {
            let mut weights = curated.weights.clone();
            order.iter().take(looks).for_each(|&i| weights[i] = f64::from(u8::from(case.right[i])));
            let options = FitOptions {
                lambda: curated.lambda,
                weights: Some(&weights),
                warm: Some(&curated.model),
                tolerance: 1e-4,
                ..FitOptions::default()
            };
            let after = score(&fit(&case.train.features, &case.train.target, &options)?.model, &case.test);
            let more = |what: &str| after[what].as_f64().zip(before[what].as_f64()).map(|(a, b)| a - b);
            gains.push(json!({ "looks": looks, "accuracy": more("accuracy"), "bits": more("bits") }));
        }
        out.insert(name.to_owned(), gains.into());
    }
    Ok(Value::Object(out))
}

fn read(folder: &Path) -> Result<Case> {
    let table = read_file(&file(folder, "contributions")?)?;
    let roles = ColumnRoles::default().resolve(&table)?;
    let part = |table: &RecordTable| -> Result<(Columns, Vec<String>)> {
        let selected = roles.select(table)?;
        Ok((selected.columns, selected.labels.names()))
    };
    let sent = roles.select(&table)?;
    let senders = sent.contributors.ok_or("no contributors")?;
    let names: Vec<String> = senders.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let place = |name: &String| names.binary_search(name).map_or(0, |at| at as u32);
    let (columns, labels) = (sent.columns, sent.labels.names());
    let (featurizer, encoder) =
        (Featurizer::fit(&columns, &FeatureConfig::default())?, LabelEncoder::fit(&labels)?);
    // Rows of a class that nobody sent cannot be encoded; there is next to none.
    let sent_classes: BTreeSet<&String> = labels.iter().collect();
    let rows = |(columns, labels): (&Columns, &[String])| -> Result<Rows> {
        let kept: Vec<usize> = (0..labels.len()).filter(|&i| sent_classes.contains(&labels[i])).collect();
        let labels: Vec<String> = kept.iter().map(|&i| labels[i].clone()).collect();
        Ok(Rows { features: featurizer.transform(columns)?.select(&kept), target: encoder.encode(&labels)? })
    };
    let valid = part(&read_file(&file(folder, "valid")?)?)?;
    let test = part(&read_file(&file(folder, "test")?)?)?;
    let right = std::fs::read_to_string(folder.join("right.txt"))?;
    let right: BTreeSet<&str> = right.lines().collect();
    Ok(Case {
        train: rows((&columns, &labels))?,
        valid: rows((&valid.0, &valid.1))?,
        test: rows((&test.0, &test.1))?,
        sent_by: senders.iter().map(place).collect(),
        right: sent.ids.iter().map(|id| right.contains(id.as_str())).collect(),
        names,
    })
}

fn file(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = ["jsonl.gz", "csv.gz"].iter().map(|e| folder.join(format!("{name}.{e}"))).find(|p| p.exists());
    path.ok_or_else(|| format!("no {name} in {}", folder.display()).into())
}

fn score(model: &Model, test: &Rows) -> Value {
    let Target::Classes { labels, .. } = &test.target else { return Value::Null };
    let hits = model.classes(&test.features).iter().zip(labels).filter(|(guess, y)| guess == y).count();
    let bits: f64 = model.gain_bits(&test.features, &test.target).iter().sum();
    let rows = labels.len() as f64;
    json!({ "accuracy": hits as f64 / rows, "bits": bits / rows })
}

/// Probability that a wrong record is suspected more than a right one; `None` when all are right or all wrong.
fn separation(wrong: &[f64], right: &[bool]) -> Option<f64> {
    let mut order: Vec<usize> = (0..wrong.len()).collect();
    order.sort_by(|&a, &b| wrong[a].total_cmp(&wrong[b]));
    let (mut before, mut sum) = (0.0, 0.0);
    for &i in &order {
        if right[i] {
            before += 1.0;
        } else {
            sum += before;
        }
    }
    let pairs = before * (order.len() as f64 - before);
    (pairs > 0.0).then(|| sum / pairs)
}
