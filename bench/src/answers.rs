//! Attribution of answers: how well it predicts retraining, what removal of the named records really costs, and how
//! long an answer takes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use assay_attribution::answer::{
    AnswerOptions, PathState, Top, half_subsets, lost_without, most_missed, retrained_bits, top,
};
use assay_attribution::lds::{lds, predictions};
use assay_attribution::method::{Setting, by_name};
use assay_attribution::{Examples, ValueFold};
use assay_kernels::{Csr, Mat};
use assay_learn::crossval::shuffled;
use assay_learn::data::{Features, Target};
use assay_learn::model::Model;

use crate::data::{cpu_seconds, matrices};
use crate::scaling::Made;
use crate::{Result, npy};

#[derive(clap::Args)]
pub struct Args {
    /// Folder with x.npy, y.npy (records), valid_x.npy and valid_y.npy.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Records and questions from files instead.
    #[arg(long, num_args = 2)]
    files: Option<Vec<PathBuf>>,
    /// Neither: this many records made up, 399 features and the constant, 10 classes; how long answers take.
    #[arg(long, default_value_t = 10_000)]
    rows: usize,
    /// Of the made-up records only every this manyth feature is not zero, and they are kept sparse.
    #[arg(long)]
    sparse: Option<usize>,
    /// One label in so many of the files' records is moved to another class.
    #[arg(long)]
    flip: Option<usize>,
    /// Precision of the prior.
    #[arg(long, default_value_t = 1.0)]
    lambda: f64,
    /// Questions.
    #[arg(long, default_value_t = 100)]
    queries: usize,
    /// Half subsets to retrain for the linear datamodeling score; none, no score.
    #[arg(long, default_value_t = 0)]
    subsets: usize,
    /// How long answers take, and how near they are: of files, too.
    #[arg(long)]
    quick: bool,
    /// Records named for an answer.
    #[arg(long, default_value_t = 20)]
    named: usize,
    /// Where result.json (and the matrices, with --subsets) go.
    #[arg(long)]
    out: PathBuf,
}

struct Case {
    train: (Features, Target),
    valid: (Features, Target),
}

pub fn run(args: &Args) -> Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let case = case(args)?;
    std::fs::create_dir_all(&args.out)?;
    let report = if args.subsets > 0 {
        scores(args, &case)?
    } else if args.quick || (args.folder.is_none() && args.files.is_none()) {
        times(args, &case)?
    } else {
        removals(args, &case)?
    };
    std::fs::write(args.out.join("result.json"), report.to_string())?;
    println!("{report}");
    Ok(())
}

fn case(args: &Args) -> Result<Case> {
    if let Some(files) = &args.files {
        let made = matrices(&files[0], &files[1], None, None, 1)?;
        let (features, target) = made.train;
        let target = args.flip.map_or_else(|| target.clone(), |every| flipped(&target, every));
        return Ok(Case { train: (features, target), valid: made.valid });
    }
    if let Some(folder) = &args.folder {
        let part = |prefix: &str| -> Result<(Features, Vec<u32>)> {
            let read = |name: &str| npy::read(&folder.join(format!("{prefix}{name}.npy")));
            let ((shape, x), (_, y)) = (read("x")?, read("y")?);
            let x = x.iter().map(|&x| x as f32).collect();
            let x = Mat::from_vec(shape[0], shape[1], x).ok_or("a matrix of another size than its shape")?;
            Ok((Features::Dense(x), y.iter().map(|&y| y as u32).collect()))
        };
        let (train, valid) = (part("")?, part("valid_")?);
        let count = train.1.iter().chain(&valid.1).max().map_or(0, |&y| y as usize + 1);
        let target = |labels| Target::Classes { labels, count };
        return Ok(Case { train: (train.0, target(train.1)), valid: (valid.0, target(valid.1)) });
    }
    let mut made = Made::new(399, 10);
    let (mut train, mut valid) = (made.records(args.rows), made.records(args.queries));
    if let Some(every) = args.sparse {
        (train.0, valid.0) = (thinned(&train.0, every)?, thinned(&valid.0, every)?);
    }
    Ok(Case { train, valid })
}

/// One label in `every`, drawn at random, becomes the next class.
fn flipped(target: &Target, every: usize) -> Target {
    let Target::Classes { labels, count } = target else { return target.clone() };
    let mut labels = labels.clone();
    for i in shuffled(labels.len(), 11, labels.len() / every.max(1)) {
        labels[i] = (labels[i] + 1) % *count as u32;
    }
    Target::Classes { labels, count: *count }
}

/// Each row keeps other features than the next, and the constant.
fn thinned(features: &Features, every: usize) -> Result<Features> {
    let Features::Dense(x) = features else { return Err("these are dense".into()) };
    let row = |i: usize| {
        let kept = |&(j, _): &(usize, &f32)| (i + j) % every == 0 || j + 1 == x.cols();
        x.row(i).iter().enumerate().filter(kept).map(|(j, &x)| (j as u32, x)).collect()
    };
    let rows: Vec<Vec<(u32, f32)>> = (0..x.rows()).map(row).collect();
    Ok(Features::Sparse(Csr::from_rows(x.cols(), &rows).ok_or("rows that do not ascend")?))
}

impl Case {
    fn records(&self) -> Examples<'_> {
        Examples { features: &self.train.0, target: &self.train.1 }
    }
}

/// Values of every record (rows) for every question, by each way of finding them.
fn all_values(
    args: &Args,
    case: &Case,
    state: &PathState,
    asked: &(Features, Target),
) -> Result<BTreeMap<&'static str, Mat<f64>>> {
    let setting = Setting { lambda: args.lambda, noise_variance: 1.0, weights: None, seed: 0 };
    let fold = ValueFold::new(Examples { features: &asked.0, target: &asked.1 });
    let mut out = BTreeMap::new();
    for name in ["influence", "influence-centred", "knn-shapley", "projection"] {
        let method = by_name(name).ok_or("no such method")?;
        if let Some(matrix) = method.cache(case.records(), &setting, &|_| {})?.matrix(fold, &|_| {})? {
            out.insert(name, matrix);
        }
    }
    out.insert("path", transposed(&state.attribute(&asked.0, &asked.1, &|_| {})?.bits));
    out.insert("gradient product", gradient_products(&state.model(), case, asked)?);
    let mut random = Mat::zeros(case.train.1.len(), asked.1.len());
    for q in 0..asked.1.len() {
        let order = shuffled(random.rows(), q as u64, random.rows());
        order.into_iter().enumerate().for_each(|(k, i)| random.row_mut(i)[q] = 1.0 + k as f64);
    }
    out.insert("random", random);
    Ok(out)
}

fn transposed(a: &Mat<f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.cols(), a.rows());
    for i in 0..a.rows() {
        a.row(i).iter().enumerate().for_each(|(j, &x)| out.row_mut(j)[i] = x);
    }
    out
}

fn residual_rows(model: &Model, features: &Features, target: &Target) -> Result<Mat<f64>> {
    let Target::Classes { labels, .. } = target else { return Err("classes are needed".into()) };
    let mut out = model.log_probabilities_nats(features);
    out.data_mut().iter_mut().for_each(|x| *x = x.exp());
    labels.iter().enumerate().for_each(|(i, &y)| out.row_mut(i)[y as usize] -= 1.0);
    Ok(out)
}

fn gradient_products(model: &Model, case: &Case, asked: &(Features, Target)) -> Result<Mat<f64>> {
    let (here, there) =
        (residual_rows(model, &case.train.0, &case.train.1)?, residual_rows(model, &asked.0, &asked.1)?);
    let dense = |features: &Features, i: usize| -> Vec<f32> {
        match features {
            Features::Dense(x) => x.row(i).to_vec(),
            Features::Sparse(x) => {
                let mut row = vec![0.0; x.cols()];
                let (columns, values) = x.row(i);
                columns.iter().zip(values).for_each(|(&j, &x)| row[j as usize] = x);
                row
            }
        }
    };
    let questions: Vec<Vec<f32>> = (0..asked.1.len()).map(|q| dense(&asked.0, q)).collect();
    let mut out = Mat::zeros(case.train.1.len(), asked.1.len());
    for i in 0..out.rows() {
        let row = dense(&case.train.0, i);
        let stored: Vec<(usize, f64)> =
            row.iter().enumerate().filter(|(_, x)| **x != 0.0).map(|(j, &x)| (j, f64::from(x))).collect();
        for (q, question) in questions.iter().enumerate() {
            let features: f64 = stored.iter().map(|&(j, x)| x * f64::from(question[j])).sum();
            let residuals: f64 = here.row(i).iter().zip(there.row(q)).map(|(a, b)| a * b).sum();
            out.row_mut(i)[q] = features * residuals;
        }
    }
    Ok(out)
}

/// How well additive values predict the model of random halves of the records: tests V5 and V6.
fn scores(args: &Args, case: &Case) -> Result<serde_json::Value> {
    let options = AnswerOptions { lambda: args.lambda, ..AnswerOptions::default() };
    let state = PathState::cache(case.records(), &options, &|_| {})?;
    let subsets = half_subsets(case.train.1.len(), args.subsets, 1);
    let before = cpu_seconds();
    let weigh = |k: usize, weights: &mut [f64]| {
        weights.iter_mut().zip(&subsets[k]).for_each(|(w, &is_in)| *w = f64::from(u8::from(is_in)));
    };
    let asked = (&case.valid.0, &case.valid.1);
    let measured = retrained_bits(case.records(), asked, (subsets.len(), 0.5), &weigh, &options)?;
    let retrain_s = cpu_seconds() - before;
    let masks = subsets.iter().flatten().map(|&x| i64::from(x));
    npy::write(&args.out.join("masks.npy"), &[subsets.len(), case.train.1.len()], masks)?;
    write(args, "measured", &measured)?;
    let mut report = serde_json::Map::new();
    for (name, values) in all_values(args, case, &state, &case.valid)? {
        let predicted = predictions(&values, &subsets);
        let each = lds(&predicted, &measured).ok_or("nothing varies")?;
        let mean = lds(&means(&predicted), &means(&measured)).ok_or("nothing varies")?;
        if name.starts_with("influence") {
            write(args, name, &values)?;
        }
        report
            .insert(name.into(), serde_json::json!({ "each": each.mean, "se": each.se, "mean": mean.mean }));
    }
    let theta = state.model();
    write(args, "theta", theta.theta())?;
    Ok(serde_json::json!({ "lds": report, "retrain_cpu_s": retrain_s, "subsets": subsets.len() }))
}

fn write(args: &Args, name: &str, matrix: &Mat<f64>) -> Result<()> {
    let shape = [matrix.rows(), matrix.cols()];
    npy::write(&args.out.join(format!("{name}.npy")), &shape, matrix.data().iter().copied())?;
    Ok(())
}

fn means(a: &Mat<f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.rows(), 1);
    (0..a.rows()).for_each(|i| out.row_mut(i)[0] = a.row(i).iter().sum::<f64>() / a.cols() as f64);
    out
}

/// What answers really lose without the records that each way names first.
fn removals(args: &Args, case: &Case) -> Result<serde_json::Value> {
    let options = AnswerOptions { lambda: args.lambda, ..AnswerOptions::default() };
    let state = PathState::cache(case.records(), &options, &|_| {})?;
    let queries = case.valid.0.select(&shuffled(case.valid.1.len(), 5, args.queries));
    let Target::Classes { count, .. } = case.valid.1 else { return Err("classes are needed".into()) };
    let said = Target::Classes { labels: state.model().classes(&queries), count };
    let asked = (queries, said);
    let mut values = all_values(args, case, &state, &asked)?;
    let quick = state.quick(case.records(), &|_| {})?;
    values.retain(|name, _| !["projection", "gradient product"].contains(name));
    values.insert("path, quick", transposed(&quick.attribute(&asked.0, &asked.1)?.bits));
    let asked = (&asked.0, &asked.1);
    let mut named: BTreeMap<&str, Vec<Vec<usize>>> = BTreeMap::new();
    for (name, values) in &values {
        let values = transposed(values);
        named.insert(name, (0..values.rows()).map(|q| largest(values.row(q), args.named)).collect());
    }
    let before = cpu_seconds();
    let missed = most_missed(case.records(), asked, &named["path"], &options)?;
    let missed_ms = 1e3 * (cpu_seconds() - before) / missed.len() as f64;
    named.insert("most missed", missed.into_iter().map(|missed| missed.records).collect());
    let mut lost = BTreeMap::new();
    for (name, named) in &named {
        lost.insert(*name, lost_without(case.records(), asked, named, &options)?);
    }
    let ours = lost["path"].clone();
    let mut report = serde_json::Map::new();
    for (name, lost) in lost {
        let (mean, _) = mean_se(lost.iter().copied());
        let (less, se) = mean_se(ours.iter().zip(&lost).map(|(a, b)| a - b));
        report.insert(name.into(), serde_json::json!({ "bits": mean, "path_more": less, "se": se }));
    }
    Ok(
        serde_json::json!({ "lost": report, "queries": asked.1.len(), "named": args.named, "most_missed_ms": missed_ms }),
    )
}

/// Indexes of the largest, whatever their sign; of equals, the first.
fn largest(values: &[f64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    order.truncate(count);
    order
}

fn mean_se(of: impl Iterator<Item = f64>) -> (f64, f64) {
    let of: Vec<f64> = of.collect();
    let (n, mean) = (of.len() as f64, of.iter().sum::<f64>() / of.len() as f64);
    (mean, (of.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt())
}

/// CPU time of an answer, one at a time by the quick way and in a batch by the exact one, and how they agree.
fn times(args: &Args, case: &Case) -> Result<serde_json::Value> {
    let options = AnswerOptions { lambda: args.lambda, ..AnswerOptions::default() };
    let before = cpu_seconds();
    let state = PathState::cache(case.records(), &options, &|_| {})?;
    let path_s = cpu_seconds() - before;
    let quick = state.quick(case.records(), &|_| {})?;
    let quick_s = cpu_seconds() - before - path_s;
    let Target::Classes { count, .. } = case.valid.1 else { return Err("classes are needed".into()) };
    let queries = case.valid.0.select(&shuffled(case.valid.1.len(), 5, args.queries));
    let said = Target::Classes { labels: state.model().classes(&queries), count };
    let before = cpu_seconds();
    let exact = state.attribute(&queries, &said, &|_| {})?;
    let exact_s = cpu_seconds() - before;
    let (mut ms, mut near) = (Vec::new(), Vec::new());
    for q in 0..said.len() {
        let (question, answer) = (queries.select(&[q]), said.select(&[q]));
        let before = cpu_seconds();
        let found = quick.attribute(&question, &answer)?;
        let named = top(found.bits.row(0), |_| true, args.named);
        ms.push(1e3 * (cpu_seconds() - before));
        near.push(compared(exact.bits.row(q), found.bits.row(0), &named, found.closure_bits[0]));
    }
    let column = |of: fn(&Near) -> f64| near.iter().map(of).collect::<Vec<f64>>();
    let mean = |of: fn(&Near) -> f64| mean_se(column(of).into_iter()).0;
    let most = |of: fn(&Near) -> f64| column(of).into_iter().fold(0.0, f64::max);
    ms.sort_by(f64::total_cmp);
    let part = |p: f64| ms[((ms.len() - 1) as f64 * p) as usize];
    Ok(serde_json::json!({
        "records": case.train.1.len(), "features": case.train.0.cols(), "classes": count, "queries": said.len(),
        "path_cpu_s": path_s, "quick_once_cpu_s": quick_s, "exact_ms": 1e3 * exact_s / said.len() as f64,
        "quick_ms": { "p50": part(0.5), "p99": part(0.99), "least": part(0.0) },
        "off": { "mean": mean(|n| n.off), "most": most(|n| n.off) },
        "correlation": { "mean": mean(|n| n.correlation), "least": 1.0 - most(|n| 1.0 - n.correlation) },
        "named_shared": mean(|n| n.shared), "covered_off": { "mean": mean(|n| n.covered), "most": most(|n| n.covered) },
        "closure_bits": { "mean": mean(|n| n.closure), "most": most(|n| n.closure) },
        "closure_of_moved": { "mean": mean(|n| n.closure / n.moved), "most": most(|n| n.closure / n.moved) },
        "exact_closure_bits_most": exact.closure_bits.iter().copied().fold(0.0, f64::max),
    }))
}

/// How near one answer came.
struct Near {
    /// Norm of the difference over the norm.
    off: f64,
    correlation: f64,
    /// Part of the named that both name.
    shared: f64,
    /// Difference of the covered mass.
    covered: f64,
    closure: f64,
    /// Bits for and against, without their signs.
    moved: f64,
}

fn compared(exact: &[f64], near: &[f64], named: &Top, closure: f64) -> Near {
    let own = top(exact, |_| true, named.records.len());
    let sum = |of: &dyn Fn(f64, f64) -> f64| exact.iter().zip(near).map(|(a, b)| of(*a, *b)).sum::<f64>();
    let n = exact.len() as f64;
    let (a, b) = (sum(&|a, _| a) / n, sum(&|_, b| b) / n);
    let spread = sum(&|x, _| (x - a).powi(2)) * sum(&|_, y| (y - b).powi(2));
    let both = own.records.iter().filter(|i| named.records.contains(i)).count();
    Near {
        off: (sum(&|a, b| (a - b).powi(2)) / sum(&|a, _| a * a)).sqrt(),
        correlation: sum(&|x, y| (x - a) * (y - b)) / spread.sqrt(),
        shared: both as f64 / own.records.len().max(1) as f64,
        covered: (own.covered - named.covered).abs(),
        closure,
        moved: sum(&|a, _| a.abs()),
    }
}
