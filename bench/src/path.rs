//! The value engine on one core: reads two files, makes the matrices, values the records, and writes inputs, values
//! and CPU time to a folder, so that a reference can do the same from the same matrices.

use std::path::PathBuf;

use assay_attribution::{Examples, PathOptions, ValueFold, value};
use assay_learn::crossval::shuffled;
use assay_learn::train::Precision;

use crate::data::{cpu_seconds, export, matrices, stored};
use crate::{Result, npy};

#[derive(clap::Args)]
pub struct Args {
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

pub fn run(args: &Args) -> Result<()> {
    std::fs::create_dir_all(&args.out)?;
    let made = matrices(&args.train, &args.valid, args.rows, args.terms, args.seed)?;
    let ((x, y), (bench_x, bench_y)) = (&made.train, &made.valid);
    let records = Examples { features: x, target: y };
    let bench = Examples { features: bench_x, target: bench_y };
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
    export(&args.out, "train", x, y)?;
    export(&args.out, "valid", bench_x, bench_y)?;
    npy::write(&file("fold_of"), &[bench_y.len()], fold_of(bench_y.len(), args.seed, args.folds))?;
    npy::write(&file("values"), &[y.len()], valuation.value_bits.iter().copied())?;
    let folds = &valuation.fold_bits;
    npy::write(&file("fold_values"), &[folds.rows(), folds.cols()], folds.data().iter().copied())?;
    let double = Precision::default().is_double(x, made.classes);
    let report = serde_json::json!({
        "rows": x.rows(), "cols": x.cols(), "stored": stored(x), "classes": made.classes, "bench": bench_y.len(),
        "lambda": args.lambda, "nodes": args.nodes, "folds": args.folds, "double": double, "cpu_s": cpu_seconds,
        "sum_bits": valuation.sum_bits, "gain_bits": valuation.gain_bits, "products": valuation.products,
    });
    std::fs::write(args.out.join("result.json"), report.to_string())?;
    println!("{report}");
    Ok(())
}

/// Fold of each benchmark row, as the value engine deals them.
pub fn fold_of(size: usize, seed: u64, folds: usize) -> Vec<u32> {
    let mut out = vec![0; size];
    for (k, i) in shuffled(size, seed, size).into_iter().enumerate() {
        out[i] = (k % folds.max(1)) as u32;
    }
    out
}
