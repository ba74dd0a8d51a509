//! Retrainings per second on one core: masks of the records of two .npy matrices, one model each.

use std::path::PathBuf;

use assay_kernels::{Design, Mat};
use assay_learn::data::Target;
use assay_learn::retrain::{Ask, RetrainOptions, Retrainer};
use assay_learn::train::{Tolerance, TrainError};

use crate::data::cpu_seconds;
use crate::{Result, npy};

#[derive(clap::Args)]
pub struct Args {
    /// Folder with x.npy, y.npy (records), valid_x.npy, valid_y.npy and masks.npy (models x records); losses.npy,
    /// right.npy and result.json are written there.
    folder: PathBuf,
    /// Precision of the prior.
    #[arg(long)]
    lambda: f64,
    /// Share of the records' weight at which the model is that all start from.
    #[arg(long, default_value_t = 0.5)]
    level: f64,
    /// Gradient norm to reach, relative to the gradient of the base model.
    #[arg(long, default_value_t = 1e-7)]
    tolerance: f64,
    /// Times to measure; the least counts.
    #[arg(long, default_value_t = 5)]
    runs: usize,
}

pub fn run(args: &Args) -> Result<()> {
    let read = |name: &str| npy::read(&args.folder.join(format!("{name}.npy")));
    let part = |prefix: &str| -> Result<(Design<f64>, Vec<u32>)> {
        let ((shape, x), (_, y)) = (read(&format!("{prefix}x"))?, read(&format!("{prefix}y"))?);
        let x = x.iter().map(|&x| x as f32).collect();
        let x = Mat::from_vec(shape[0], shape[1], x).ok_or("a matrix of another size than its shape")?;
        Ok((Design::dense(&x), y.iter().map(|&y| y as u32).collect()))
    };
    let ((design, labels), (valid, valid_labels)) = (part("")?, part("valid_")?);
    let (shape, masks) = read("masks")?;
    let count = labels.iter().max().map_or(0, |&y| y as usize + 1);
    let target = Target::Classes { labels, count };
    let answers = Target::Classes { labels: valid_labels, count };
    let options = RetrainOptions {
        lambda: args.lambda,
        noise_variance: 1.0,
        weights: None,
        levels: &[args.level],
        tolerance: Tolerance::relative(args.tolerance),
    };
    let weigh = |k: usize, weights: &mut [f64]| {
        weights.copy_from_slice(&masks[k * shape[1]..(k + 1) * shape[1]]);
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let mut seconds = Vec::new();
    let mut retrained = Vec::new();
    for _ in 0..args.runs {
        let before = cpu_seconds();
        retrained = pool.install(|| {
            let mut retrainer = Retrainer::new(&design, &target, &options, None)?;
            retrainer.score_on(&valid, &answers, Ask { right: true, ..Ask::default() })?;
            Ok::<_, TrainError>(retrainer.each(shape[0], &weigh, &|_| {}))
        })?;
        seconds.push(cpu_seconds() - before);
    }
    let size = valid.rows() as f64;
    let losses = retrained.iter().map(|r| r.scores[0].loss_nats / size);
    npy::write(&args.folder.join("losses.npy"), &[shape[0]], losses)?;
    let right = retrained.iter().map(|r| r.scores[0].right as f64 / size);
    npy::write(&args.folder.join("right.npy"), &[shape[0]], right)?;
    let least = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let report = serde_json::json!({
        "retrainings": shape[0], "records": shape[1], "features": design.cols(), "classes": count,
        "cpu_s": least, "all_cpu_s": seconds, "per_s": shape[0] as f64 / least,
        "largest_gradient": retrained.iter().map(|r| r.gradient_norm).fold(0.0, f64::max),
        "converged": retrained.iter().filter(|r| r.converged).count(),
    });
    std::fs::write(args.folder.join("result.json"), report.to_string())?;
    println!("{report}");
    Ok(())
}
