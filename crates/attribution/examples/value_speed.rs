//! CPU time of the values, stage by stage, on files of one's own.
//!
//! `value_speed TRAIN VALID [key=value ..]`: gzipped CSV (numbers, the label last) or gzipped JSON Lines (`text`,
//! `label`, `contributor` if any). Keys: lambda, nodes, folds, features (words kept), precision (single or double),
//! leave=1 (retrain without each contributor), answers=N, dump=FOLDER (matrices and values, to compare elsewhere).
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

use assay_attribution::*;
use assay_kernels::{Csr, Mat};
use assay_learn::crossval::{CrossOptions, choose_lambda};
use assay_learn::data::{Features, Target};
use assay_learn::train::Precision;
use std::collections::BTreeMap;
use std::io::{Read, Write};

struct Set {
    features: Features,
    labels: Vec<u32>,
    groups: Vec<u32>,
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let keys: BTreeMap<&str, &str> = args[3..].iter().filter_map(|a| a.split_once('=')).collect();
    let number = |k: &str, default: f64| keys.get(k).map_or(default, |v| v.parse().unwrap());
    let (train, valid, count) = if args[1].contains("csv") {
        tables(&args[1], &args[2])
    } else {
        texts(&args[1], &args[2], number("features", 8000.0) as usize)
    };
    let target = |set: &Set| Target::Classes { labels: set.labels.clone(), count };
    let (y, yv) = (target(&train), target(&valid));
    let train_examples = Examples { features: &train.features, target: &y };
    let bench = Examples { features: &valid.features, target: &yv };
    let precision = match keys.get("precision") {
        Some(&"single") => Precision::Single,
        Some(&"double") => Precision::Double,
        _ => Precision::Auto,
    };
    let stored = match &train.features {
        Features::Dense(m) => m.data().len(),
        Features::Sparse(m) => m.nnz(),
    };
    let rows = train.features.rows();
    println!("{rows} x {} ({stored} stored), {count} classes, {} held", train.features.cols(), yv.len());

    let mut clock = Clock::new();
    let mut lambda = number("lambda", 0.0);
    if lambda == 0.0 {
        let chosen = choose_lambda(&train.features, &y, &CrossOptions::default()).unwrap();
        lambda = chosen.lambda;
        clock.lap("cross-validation");
        for row in &chosen.table {
            println!("  lambda {:9.4}: {:.4} bits", row.lambda, row.gain_bits);
        }
    }
    let nodes = number("nodes", 16.0) as usize;
    let tolerances = keys.contains_key("mean").then(|| Tolerances {
        path: number("path", 3e-4),
        mean: number("mean", 2e-3),
        folds: number("deviations", 0.03),
        fold_stride: number("stride", 2.0) as usize,
    });
    let options = PathOptions {
        lambda,
        nodes,
        tolerances,
        max_nodes: number("max", 64.0) as usize,
        folds: number("folds", 8.0) as usize,
        precision,
        ..PathOptions::default()
    };
    let v = value(train_examples, ValueFold::new(bench), &options, &|_| {}).unwrap();
    clock.lap("values");
    println!(
        "  sum {:.5} gain {:.5} closure {:.2e} ({:.4}%), {} nodes, {} products",
        v.sum_bits,
        v.gain_bits,
        v.closure_bits,
        100.0 * v.closure_relative,
        v.nodes,
        v.products
    );
    let groups = *train.groups.iter().max().unwrap() as usize + 1;
    let mut measured = Vec::new();
    if number("leave", 0.0) > 0.0 {
        let o = LeaveOutOptions {
            tolerance: number("leave", 0.03),
            lambda,
            precision,
            ..LeaveOutOptions::default()
        };
        let folds = Folds { value: Some(ValueFold::new(bench)), report: None };
        let left = leave_out(train_examples, (&train.groups, groups), &v.model, folds, &o, &|_| {}).unwrap();
        clock.lap("leave out");
        let full = left.full.value.map_or(f64::NAN, |s| s.gain_bits);
        measured = left.without.iter().map(|w| full - w.value.map_or(f64::NAN, |s| s.gain_bits)).collect();
        let values: Vec<f64> = v.group(&train.groups, groups).iter().map(|g| g.value_bits).collect();
        println!(
            "  {groups} groups, pearson {:.4}, {} not converged",
            rank::pearson(&values, &measured),
            left.unconverged
        );
    }
    let answers = number("answers", 0.0) as usize;
    if answers > 0 {
        let o = AnswerOptions { lambda, precision, nodes, ..AnswerOptions::default() };
        let state = PathState::cache(train_examples, &o, &|_| {}).unwrap();
        clock.lap("answer cache");
        let index: Vec<usize> = (0..answers.min(yv.len())).collect();
        let a = state.attribute(&valid.features.select(&index), &yv.select(&index), &|_| {}).unwrap();
        clock.lap("answers");
        let worst = a.closure_bits.iter().copied().fold(0.0, f64::max);
        println!("  {} answers, worst closure {worst:.2e} bits", index.len());
    }
    if let Some(folder) = keys.get("dump") {
        dump(folder, &train, &valid, &v, &measured);
    }
}

/// CPU seconds of this process, from Linux's own account.
struct Clock(f64);

impl Clock {
    fn now() -> f64 {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    fn new() -> Self {
        Self(Self::now())
    }

    fn lap(&mut self, what: &str) {
        let now = Self::now();
        println!("{what}: {:.2} CPU s", now - self.0);
        self.0 = now;
    }
}

fn unzip(path: &str) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

fn tables(train: &str, valid: &str) -> (Set, Set, usize) {
    let read = |path: &str| {
        let (mut data, mut labels) = (Vec::new(), Vec::new());
        for line in unzip(path).lines().skip(1) {
            let mut row: Vec<f32> = line.split(',').map(|x| x.trim().parse().unwrap()).collect();
            labels.push(row.pop().unwrap() as u32);
            data.extend(row.iter().map(|x| x / 16.0));
            data.push(1.0);
        }
        (data, labels)
    };
    let set = |(data, labels): (Vec<f32>, Vec<u32>), most: usize| {
        let n = labels.len();
        let cols = data.len() / n;
        let all = Features::Dense(Mat::from_vec(n, cols, data).unwrap());
        let index: Vec<usize> = (0..n.min(most)).collect();
        let labels: Vec<u32> = labels[..index.len()].to_vec();
        Set {
            features: all.select(&index),
            groups: (0..labels.len() as u32).map(|i| i % 20).collect(),
            labels,
        }
    };
    let (train, valid) = (set(read(train), 1020), set(read(valid), usize::MAX));
    let count = *train.labels.iter().max().unwrap() as usize + 1;
    (train, valid, count)
}

fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|w| w.len() > 1).collect();
    let pairs = words.windows(2).map(|w| w.join(" "));
    words.iter().map(|w| (*w).to_owned()).chain(pairs).collect()
}

fn texts(train: &str, valid: &str, most: usize) -> (Set, Set, usize) {
    let read = |path: &str| -> Vec<(Vec<String>, String, String)> {
        let field = |v: &serde_json::Value, k: &str| v[k].as_str().unwrap_or("0").to_owned();
        let line = |l: &str| {
            let v: serde_json::Value = serde_json::from_str(l).unwrap();
            (words(&field(&v, "text")), field(&v, "label"), field(&v, "contributor"))
        };
        unzip(path).lines().map(line).collect()
    };
    let (mut train, valid) = (read(train), read(valid));
    // Exact copies and benchmark texts go, as a gate would have it.
    let mut seen: std::collections::BTreeSet<Vec<String>> = valid.iter().map(|r| r.0.clone()).collect();
    train.retain(|r| seen.insert(r.0.clone()));
    let index = |names: &mut dyn Iterator<Item = &String>| -> BTreeMap<String, u32> {
        let set: std::collections::BTreeSet<&String> = names.collect();
        set.into_iter().enumerate().map(|(i, n)| (n.clone(), i as u32)).collect()
    };
    let labels = index(&mut train.iter().map(|r| &r.1));
    let people = index(&mut train.iter().map(|r| &r.2));
    let mut frequency: BTreeMap<&str, u32> = BTreeMap::new();
    for row in &train {
        let distinct: std::collections::BTreeSet<&String> = row.0.iter().collect();
        distinct.iter().for_each(|w| *frequency.entry(w).or_default() += 1);
    }
    let mut kept: Vec<(&str, u32)> = frequency.into_iter().filter(|(_, c)| *c >= 2).collect();
    kept.sort_by_key(|(w, c)| (std::cmp::Reverse(*c), *w));
    kept.truncate(most);
    let n = train.len() as f32;
    let vocabulary: BTreeMap<&str, (u32, f32)> = kept
        .iter()
        .enumerate()
        .map(|(j, (w, c))| (*w, (j as u32, ((1.0 + n) / (1.0 + *c as f32)).ln() + 1.0)))
        .collect();
    let set = |rows: &[(Vec<String>, String, String)]| {
        let features = rows.iter().map(|r| {
            let mut counts: BTreeMap<u32, (f32, f32)> = BTreeMap::new();
            for &(j, idf) in r.0.iter().filter_map(|w| vocabulary.get(w.as_str())) {
                counts.entry(j).or_insert((0.0, idf)).0 += 1.0;
            }
            let mut row: Vec<(u32, f32)> =
                counts.into_iter().map(|(j, (c, idf))| (j, (1.0 + c.ln()) * idf)).collect();
            let norm = row.iter().map(|(_, x)| x * x).sum::<f32>().sqrt().max(1e-9);
            row.iter_mut().for_each(|(_, x)| *x /= norm);
            row.push((kept.len() as u32, 1.0));
            row
        });
        let features: Vec<Vec<(u32, f32)>> = features.collect();
        Set {
            features: Features::Sparse(Csr::from_rows(kept.len() + 1, &features).unwrap()),
            labels: rows.iter().map(|r| labels[&r.1]).collect(),
            groups: rows.iter().map(|r| people.get(&r.2).copied().unwrap_or(0)).collect(),
        }
    };
    (set(&train), set(&valid), labels.len())
}

fn dump(folder: &str, train: &Set, valid: &Set, v: &Valuation, measured: &[f64]) {
    let write = |name: &str, lines: &mut dyn Iterator<Item = String>| {
        let file = std::fs::File::create(format!("{folder}/{name}")).unwrap();
        let mut file = std::io::BufWriter::new(file);
        lines.for_each(|line| writeln!(file, "{line}").unwrap());
    };
    for (name, set) in [("train", train), ("valid", valid)] {
        let entry = |(j, x): (usize, f32)| format!(" {j}:{x}");
        let row = |i: usize| match &set.features {
            Features::Dense(m) => m.row(i).iter().copied().enumerate().map(entry).collect::<String>(),
            Features::Sparse(m) => {
                let (cols, values) = m.row(i);
                cols.iter().zip(values).map(|(&j, &x)| entry((j as usize, x))).collect()
            }
        };
        let mut lines = (0..set.labels.len()).map(|i| format!("{}{}", set.labels[i], row(i)));
        write(&format!("{name}.svm"), &mut lines);
    }
    write("values.txt", &mut v.value_bits.iter().map(f64::to_string));
    write("groups.txt", &mut train.groups.iter().map(u32::to_string));
    write("measured.txt", &mut measured.iter().map(f64::to_string));
    let fold = |i: usize| v.fold_bits.row(i).iter().map(|x| format!("{x} ")).collect::<String>();
    write("folds.txt", &mut (0..v.value_bits.len()).map(fold));
}
