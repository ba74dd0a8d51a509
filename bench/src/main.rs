//! The value engine on one core: reads two files, makes the matrices, values the records, and writes inputs, values
//! and CPU time to a folder, so that a reference can do the same from the same matrices.

mod npy;

use std::error::Error;
use std::path::{Path, PathBuf};

use assay_attribution::{Examples, PathOptions, ValueFold, value};
use assay_learn::crossval::shuffled;
use assay_learn::data::{Columns, Features, Target};
use assay_learn::features::{FeatureConfig, Featurizer, GramConfig, LabelEncoder};
use assay_learn::train::Precision;
use assay_node::records::{ColumnRoles, Roles, read_file};
use assay_quality::{GateConfig, Gates, RecordView};
use clap::Parser;
use rustix::time::{ClockId, clock_gettime};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Parser)]
struct Args {
    /// Records to value.
    train: PathBuf,
    /// Records that measure value.
    valid: PathBuf,
    /// Folder to write to.
    #[arg(long)]
    out: PathBuf,
    /// Records of TRAIN to use, drawn by the seed.
    #[arg(long)]
    rows: Option<usize>,
    /// One block of this many words and pairs of words, instead of the features of `assay appraise`.
    #[arg(long)]
    terms: Option<usize>,
    /// Precision of the prior.
    #[arg(long)]
    lambda: f64,
    /// Quadrature nodes; no others are tried.
    #[arg(long)]
    nodes: usize,
    /// Folds of the benchmark; 0 for none.
    #[arg(long)]
    folds: usize,
    /// Seed of the folds and of the sample.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    std::fs::create_dir_all(&args.out)?;
    let (train, valid) = tables(&args)?;
    let featurizer = Featurizer::fit(&train.0, &features(args.terms))?;
    let encoder = LabelEncoder::fit(&train.1)?;
    let (x, bench_x) = (featurizer.transform(&train.0)?, featurizer.transform(&valid.0)?);
    let (y, bench_y) = (encoder.encode(&train.1)?, encoder.encode(&valid.1)?);
    let records = Examples { features: &x, target: &y };
    let bench = Examples { features: &bench_x, target: &bench_y };
    let options = PathOptions {
        lambda: args.lambda,
        nodes: args.nodes,
        max_nodes: args.nodes,
        folds: args.folds,
        seed: args.seed,
        ..PathOptions::default()
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let before = cpu_seconds();
    let valuation = pool.install(|| value(records, ValueFold::new(bench), &options, &|_| {}))?;
    let cpu_seconds = cpu_seconds() - before;

    let file = |name: &str| args.out.join(format!("{name}.npy"));
    export(&args.out, "train", &x, &y)?;
    export(&args.out, "valid", &bench_x, &bench_y)?;
    npy::write(&file("fold_of"), &[bench_y.len()], fold_of(bench_y.len(), &args))?;
    npy::write(&file("values"), &[y.len()], valuation.value_bits.iter().copied())?;
    let folds = &valuation.fold_bits;
    npy::write(&file("fold_values"), &[folds.rows(), folds.cols()], folds.data().iter().copied())?;
    let double = Precision::default().is_double(&x, encoder.count());
    let report = serde_json::json!({
        "rows": x.rows(), "cols": x.cols(), "stored": stored(&x), "classes": encoder.count(), "bench": bench_y.len(),
        "lambda": args.lambda, "nodes": args.nodes, "folds": args.folds, "double": double, "cpu_s": cpu_seconds,
        "sum_bits": valuation.sum_bits, "gain_bits": valuation.gain_bits, "products": valuation.products,
    });
    std::fs::write(args.out.join("result.json"), report.to_string())?;
    println!("{report}");
    Ok(())
}

fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

type Part = (Columns, Vec<String>);

/// The sample of TRAIN that passes the gates, and VALID.
fn tables(args: &Args) -> Result<(Part, Part)> {
    let table = read_file(&args.train)?;
    let roles = ColumnRoles::default().resolve(&table)?;
    let train = roles.select(&table)?;
    let valid = read(&roles, &args.valid)?;
    let train = (train.columns, train.labels.names());
    let sample = shuffled(train.1.len(), args.seed, args.rows.unwrap_or(usize::MAX));
    let mut gates = Gates::new(GateConfig::default(), &views(&valid))?;
    let train = select(&train, &sample);
    let findings = gates.check_batch(&views(&train));
    let kept: Vec<usize> = (0..findings.len()).filter(|&i| !findings[i].verdict.is_reject()).collect();
    Ok((select(&train, &kept), valid))
}

fn read(roles: &Roles, path: &Path) -> Result<Part> {
    let selected = roles.select(&read_file(path)?)?;
    Ok((selected.columns, selected.labels.names()))
}

fn views((columns, labels): &Part) -> Vec<RecordView<'_>> {
    let view = |row: usize| RecordView {
        text: columns.text.as_ref().map(|texts| texts[row].as_str()),
        numbers: columns.numbers.as_ref().map_or(&[], |m| m.row(row)),
        label: Some(&labels[row]),
    };
    (0..labels.len()).map(view).collect()
}

fn select((columns, labels): &Part, rows: &[usize]) -> Part {
    let columns = Columns {
        rows: rows.len(),
        text: columns.text.as_ref().map(|texts| rows.iter().map(|&row| texts[row].clone()).collect()),
        number_names: columns.number_names.clone(),
        numbers: columns.numbers.as_ref().map(|m| m.select(rows)),
    };
    (columns, rows.iter().map(|&row| labels[row].clone()).collect())
}

fn features(terms: Option<usize>) -> FeatureConfig {
    let mut config = FeatureConfig::default();
    if let Some(max_terms) = terms {
        let words = config.text[0].clone();
        config.text = vec![GramConfig { longest: 2, max_terms, ..words }];
    }
    config
}

/// Fold of each benchmark row, as the value engine deals them.
fn fold_of(size: usize, args: &Args) -> Vec<u32> {
    let mut out = vec![0; size];
    for (k, i) in shuffled(size, args.seed, size).into_iter().enumerate() {
        out[i] = (k % args.folds.max(1)) as u32;
    }
    out
}

fn stored(features: &Features) -> usize {
    match features {
        Features::Dense(m) => m.data().len(),
        Features::Sparse(m) => m.nnz(),
    }
}

/// Matrix and answers as `NAME_*.npy`: `x` if dense; `data`, `indices`, `indptr` if sparse; and `y`.
fn export(folder: &Path, name: &str, features: &Features, target: &Target) -> Result<()> {
    let file = |part: &str| folder.join(format!("{name}_{part}.npy"));
    if let Target::Classes { labels, .. } = target {
        npy::write(&file("y"), &[labels.len()], labels.iter().copied())?;
    }
    match features {
        Features::Dense(m) => npy::write(&file("x"), &[m.rows(), m.cols()], m.data().iter().copied())?,
        Features::Sparse(m) => {
            let rows = || (0..m.rows()).map(|i| m.row(i));
            npy::write(&file("data"), &[m.nnz()], rows().flat_map(|r| r.1).copied())?;
            npy::write(&file("indices"), &[m.nnz()], rows().flat_map(|r| r.0).copied())?;
            let ends = rows().scan(0, |end, r| {
                *end += r.0.len() as i64;
                Some(*end)
            });
            npy::write(&file("indptr"), &[m.rows() + 1], std::iter::once(0).chain(ends))?;
        }
    }
    Ok(())
}
