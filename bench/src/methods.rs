//! One method of value on one core: two .npy matrices in, values and CPU time out.

use std::path::PathBuf;

use assay_attribution::method::{Influence, Setting, Shapley, Values, by_name, group_shapley};
use assay_attribution::{Examples, ValueFold};
use assay_kernels::Mat;
use assay_learn::data::{Features, Target};
use assay_learn::train::{FitOptions, Precision, fit};

use crate::data::cpu_seconds;
use crate::{Result, npy};

#[derive(clap::Args)]
pub struct Args {
    /// Folder with x.npy, y.npy (records), valid_x.npy and valid_y.npy; values.npy (or theta.npy and matrix.npy) and
    /// result.json are written there.
    folder: PathBuf,
    /// The method; or `group-shapley` of the groups of records in groups.npy; or `influence-matrix`: influence of every
    /// record on every example at a model fitted before.
    #[arg(long)]
    method: String,
    /// Precision of the prior.
    #[arg(long, default_value_t = 1.0)]
    lambda: f64,
    /// File in the folder with one weight a record.
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Number type of the influence matrix: `auto` is f64 but for the last product, or `single`, or `double`.
    #[arg(long, default_value = "auto")]
    precision: String,
    /// Decides what a method draws.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Times to measure; the least counts.
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

pub fn run(args: &Args) -> Result<()> {
    let (train, valid) = (part(args, "")?, part(args, "valid_")?);
    let count = train.1.iter().chain(&valid.1).max().map_or(0, |&y| y as usize + 1);
    let target = |labels: &[u32]| Target::Classes { labels: labels.to_vec(), count };
    let (own, theirs) = (target(&train.1), target(&valid.1));
    let records = Examples { features: &train.0, target: &own };
    let fold = ValueFold::new(Examples { features: &valid.0, target: &theirs });
    let weights = args.weights.as_ref().map(|file| npy::read(&args.folder.join(file))).transpose()?;
    let weights = weights.as_ref().map(|(_, weights)| weights.as_slice());
    let setting = Setting { lambda: args.lambda, noise_variance: 1.0, weights, seed: args.seed };
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    match args.method.as_str() {
        "influence-matrix" => matrix(args, records, fold, &setting),
        "group-shapley" => groups(args, records, fold, &setting),
        name => {
            let method = by_name(name).ok_or("no such method")?;
            values(args, || Ok(method.cache(records, &setting, &|_| {})?.attribute(fold, &|_| {})?))
        }
    }
}

fn part(args: &Args, prefix: &str) -> Result<(Features, Vec<u32>)> {
    let read = |name: &str| npy::read(&args.folder.join(format!("{prefix}{name}.npy")));
    let ((shape, x), (_, y)) = (read("x")?, read("y")?);
    let x = x.iter().map(|&x| x as f32).collect();
    let x = Mat::from_vec(shape[0], shape[1], x).ok_or("a matrix of another size than its shape")?;
    Ok((Features::Dense(x), y.iter().map(|&y| y as u32).collect()))
}

fn values(args: &Args, attribute: impl FnMut() -> Result<Values>) -> Result<()> {
    let (values, seconds) = least(args.runs, attribute)?;
    npy::write(&args.folder.join("values.npy"), &[values.mean.len()], values.mean.iter().copied())?;
    report(args, &serde_json::json!({ "method": args.method, "cpu_s": seconds }))
}

/// Values of groups that act as one player each.
fn groups(args: &Args, records: Examples<'_>, fold: ValueFold<'_>, setting: &Setting<'_>) -> Result<()> {
    let (_, groups) = npy::read(&args.folder.join("groups.npy"))?;
    let groups: Vec<u32> = groups.iter().map(|&g| g as u32).collect();
    let count = groups.iter().max().map_or(0, |&g| g as usize + 1);
    let of = (setting, &Shapley::default());
    values(args, || Ok(group_shapley(records, (&groups, count), fold, of, &|_| {})?))
}

/// The curvature, its factor, all solves and all products; the fit is timed apart, as peers are given a model.
fn matrix(args: &Args, records: Examples<'_>, fold: ValueFold<'_>, setting: &Setting<'_>) -> Result<()> {
    let options = FitOptions { lambda: args.lambda, tolerance: 1e-9, ..FitOptions::default() };
    let (model, fit_seconds) =
        least(args.runs, || Ok(fit(records.features, records.target, &options)?.model))?;
    let mut influence = Influence::OPTIMUM;
    influence.precision = match args.precision.as_str() {
        "single" => Precision::Single,
        "double" => Precision::Double,
        _ => Precision::Auto,
    };
    let (matrix, seconds) = least(args.runs, || {
        let matrix = influence.at(&model, records, setting)?.matrix(fold, &|_| {})?;
        Ok(matrix.ok_or("influence has a matrix")?)
    })?;
    let theta = model.theta();
    npy::write(&args.folder.join("theta.npy"), &[theta.rows(), theta.cols()], theta.data().iter().copied())?;
    let shape = [matrix.rows(), matrix.cols()];
    npy::write(&args.folder.join("matrix.npy"), &shape, matrix.data().iter().copied())?;
    report(args, &serde_json::json!({ "method": args.method, "cpu_s": seconds, "fit_cpu_s": fit_seconds }))
}

/// The result of several runs and the CPU time of the quickest.
fn least<R>(runs: usize, mut work: impl FnMut() -> Result<R>) -> Result<(R, f64)> {
    let mut timed = || -> Result<(R, f64)> {
        let before = cpu_seconds();
        Ok((work()?, cpu_seconds() - before))
    };
    let (mut result, mut seconds) = timed()?;
    for _ in 1..runs {
        let (next, time) = timed()?;
        (result, seconds) = (next, seconds.min(time));
    }
    Ok((result, seconds))
}

fn report(args: &Args, report: &serde_json::Value) -> Result<()> {
    std::fs::write(args.folder.join("result.json"), report.to_string())?;
    println!("{report}");
    Ok(())
}
