//! The value engine on made-up records of growing number: CPU time, wall time, memory, closure.

use std::path::PathBuf;

use assay_attribution::{Examples, PathOptions, ValueFold, value};
use assay_kernels::Mat;
use assay_learn::data::{Features, Target};
use assay_learn::train::Precision;

use crate::data::{cpu_seconds, export};
use crate::path::fold_of;
use crate::{Result, npy};

#[derive(clap::Args)]
pub struct Args {
    /// Records to value.
    #[arg(long)]
    rows: usize,
    /// Records that measure value.
    #[arg(long, default_value_t = 2_000)]
    bench: usize,
    /// Features, the constant aside.
    #[arg(long, default_value_t = 384)]
    features: usize,
    #[arg(long, default_value_t = 10)]
    classes: usize,
    /// Precision of the prior.
    #[arg(long, default_value_t = 10.0)]
    lambda: f64,
    #[arg(long, default_value_t = 16)]
    nodes: usize,
    #[arg(long, default_value_t = 8)]
    folds: usize,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Folder for the matrices, so that a reference can do the same from them.
    #[arg(long)]
    out: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let mut made = Made::new(args.features, args.classes);
    let ((x, y), (bench_x, bench_y)) = (made.records(args.rows), made.records(args.bench));
    let options = PathOptions {
        lambda: args.lambda,
        nodes: args.nodes,
        max_nodes: args.nodes,
        folds: args.folds,
        ..PathOptions::default()
    };
    let records = Examples { features: &x, target: &y };
    let bench = ValueFold::new(Examples { features: &bench_x, target: &bench_y });
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build()?;
    let (before, clock) = (cpu_seconds(), std::time::Instant::now());
    let valuation = pool.install(|| value(records, bench, &options, &|_| {}))?;
    let report = serde_json::json!({
        "rows": args.rows, "features": args.features, "classes": args.classes, "bench": args.bench,
        "double": Precision::default().is_double(&x, args.classes), "nodes": args.nodes, "folds": args.folds, "lambda": args.lambda, "threads": args.threads,
        "cpu_s": cpu_seconds() - before, "wall_s": clock.elapsed().as_secs_f64(), "peak_mib": peak_mib()?,
        "gain_bits": valuation.gain_bits, "closure": valuation.closure_relative, "products": valuation.products,
    });
    println!("{report}");
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)?;
        export(folder, "train", &x, &y)?;
        export(folder, "valid", &bench_x, &bench_y)?;
        npy::write(&folder.join("fold_of.npy"), &[args.bench], fold_of(args.bench, 0, args.folds))?;
        npy::write(&folder.join("values.npy"), &[args.rows], valuation.value_bits.iter().copied())?;
        std::fs::write(folder.join("result.json"), report.to_string())?;
    }
    Ok(())
}

/// The most memory that this process has held.
fn peak_mib() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in the status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// Records of classes in a space of few factors, which all features mix; a tenth of the labels are random.
pub struct Made {
    random: Random,
    /// Factors x features.
    mixing: Vec<Vec<f32>>,
    /// Classes x factors.
    means: Vec<Vec<f32>>,
}

const FACTORS: usize = 48;

impl Made {
    pub fn new(features: usize, classes: usize) -> Self {
        let mut random = Random(7);
        // Factors of falling weight: features as correlated as those of an encoder.
        let weight = |k: usize| 1.0 / (1.0 + k as f32 / 6.0);
        let mixing =
            (0..FACTORS).map(|k| (0..features).map(|_| weight(k) * random.normal()).collect()).collect();
        let means = (0..classes).map(|_| (0..FACTORS).map(|_| 0.7 * random.normal()).collect()).collect();
        Self { random, mixing, means }
    }

    pub fn records(&mut self, count: usize) -> (Features, Target) {
        let (features, classes) = (self.mixing[0].len(), self.means.len());
        let mut x = Mat::zeros(count, features + 1);
        let mut labels = Vec::with_capacity(count);
        for i in 0..count {
            let class = self.random.below(classes);
            let row = x.row_mut(i);
            row[features] = 1.0;
            let noise = 1.0 / (features as f32).sqrt();
            for k in 0..FACTORS {
                let factor = (self.means[class][k] + self.random.normal()) * noise;
                row.iter_mut().zip(&self.mixing[k]).for_each(|(x, m)| *x += factor * m);
            }
            row[..features].iter_mut().for_each(|x| *x += 0.5 * noise * self.random.normal());
            labels.push(if self.random.below(10) == 0 { self.random.below(classes) } else { class } as u32);
        }
        (Features::Dense(x), Target::Classes { labels, count: classes })
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    /// Close to normal: the sum of four uniforms, of variance 1.
    fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: f32 = (0..4).map(|k| (bits >> (16 * k) & 0xffff) as f32 / 65_536.0).sum();
        (sum - 2.0) * 3.0_f32.sqrt()
    }
}
