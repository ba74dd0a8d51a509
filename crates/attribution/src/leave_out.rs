//! What really happens without a group of records: the model is trained again, without them.
//!
//! A retraining may stop early without harm to its score: what the rest of the way would still add to a mean of
//! log-probabilities is, to second order, the gradient left over times a vector that is the same for all
//! retrainings, and is added (the dual-weighted residual of Becker and Rannacher, Acta Numerica 10, 2001).

use assay_kernels::cg::{self, Stop};
use assay_kernels::{Mat, Real, panel};
use assay_learn::model::{Family, Model};
use assay_learn::train::{Curvature, Point, Precision, Problem, Tolerance, design, to_panel};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::path::ValueError;
use crate::{Examples, OnProgress, Progress, ReportFold, ValueFold};

/// How to retrain.
#[derive(Clone, Debug)]
pub struct LeaveOutOptions<'a> {
    /// Precision of the prior.
    pub lambda: f64,
    /// Variance of the noise; read for numbers only.
    pub noise_variance: f64,
    /// Weight of each record; `None` is 1 for all.
    pub weights: Option<&'a [f64]>,
    /// Gradient norm to reach, relative to what the records left out had contributed to it. The error of a score is
    /// this times the share of the records left out, relative to the effect.
    pub tolerance: f64,
    /// Number type of the solver.
    pub precision: Precision,
}

impl Default for LeaveOutOptions<'_> {
    fn default() -> Self {
        Self { lambda: 1.0, noise_variance: 1.0, weights: None, tolerance: 0.05, precision: Precision::Auto }
    }
}

/// How good a model is on one set of examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Mean of log2 p_model - log2 p_base.
    pub gain_bits: f64,
    /// Share of examples whose likeliest class is the right one; NaN for numbers.
    pub accuracy: f64,
}

/// What to score on; a fold that is not given is not scored on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Folds<'a> {
    /// The fold that measures value.
    pub value: Option<ValueFold<'a>>,
    /// The fold that reports scores.
    pub report: Option<ReportFold<'a>>,
}

/// A model's scores on the folds given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// On the value fold.
    pub value: Option<Score>,
    /// On the reporting fold.
    pub report: Option<Score>,
}

/// The model with all records, and without each group.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaveOut {
    /// With all records.
    pub full: Scores,
    /// Without group g, for every g. What a group is worth to the finished model is `full - without[g]`.
    pub without: Vec<Scores>,
    /// Retrainings whose tolerance was not reached.
    pub unconverged: usize,
}

/// Retrains without each group: record i belongs to group `groups[i]`, below `count`. `full` is the model with all
/// records, from which every retraining starts.
///
/// # Errors
/// When the parts do not go together.
///
/// # Panics
/// When there is not one group a record, each below `count`.
pub fn leave_out(
    train: Examples<'_>,
    groups: (&[u32], usize),
    full: &Model,
    folds: Folds<'_>,
    options: &LeaveOutOptions<'_>,
    on_progress: OnProgress<'_>,
) -> Result<LeaveOut, ValueError> {
    assert_eq!(groups.0.len(), train.features.rows(), "one group a record");
    assert!(groups.0.iter().all(|&g| (g as usize) < groups.1), "a group beyond the count");
    let family = Family::of(train.target, options.noise_variance);
    let fits = |e: &Examples<'_>| {
        e.features.cols() == full.theta().rows()
            && Family::of(e.target, options.noise_variance) == full.family()
    };
    let benchmarks = [folds.value.map(ValueFold::examples), folds.report.map(ReportFold::examples)];
    if family != full.family() || !fits(&train) || !benchmarks.iter().flatten().all(fits) {
        return Err(ValueError::Mismatch);
    }
    if options.precision.is_double(train.features, family.outputs()) {
        leave_out_in::<f64>(train, groups, full, benchmarks, options, on_progress)
    } else {
        leave_out_in::<f32>(train, groups, full, benchmarks, options, on_progress)
    }
}

fn leave_out_in<T: Real>(
    train: Examples<'_>,
    (groups, count): (&[u32], usize),
    full: &Model,
    benchmarks: [Option<Examples<'_>>; 2],
    o: &LeaveOutOptions<'_>,
    on_progress: OnProgress<'_>,
) -> Result<LeaveOut, ValueError> {
    let train_design = design::<T>(train.features);
    let problem = Problem::new(&train_design, train.target, o.weights, o.lambda, o.noise_variance)
        .map_err(ValueError::Train)?;
    let designs = benchmarks.map(|b| b.map(|b| design::<T>(b.features)));
    let scorer = |k: usize| match (&designs[k], benchmarks[k]) {
        (Some(design), Some(examples)) => Scorer::new(design, examples, &problem).map(Some),
        _ => Ok(None),
    };
    let scorers = [scorer(0)?, scorer(1)?];
    // The start is polished first: what is left of its gradient would be counted against every group.
    let exact = Tolerance::relative(if size_of::<T>() == 4 { 1e-5 } else { 1e-9 });
    let start = problem.minimise(1.0, to_panel(full), exact).point;
    let mut curvature = problem.curvature(1.0, &start);
    let duals = scorers.each_ref().map(|s| s.as_ref().map(|s| s.dual(&start, &mut curvature)));
    let measure = |point: &Mat<T>, gradient: &Mat<T>| {
        let score = |k: usize| {
            let (scorer, dual) = scorers[k].as_ref().zip(duals[k].as_ref())?;
            let mut score = scorer.score(point);
            score.gain_bits -= panel::group_dots(dual, gradient, problem.lanes())[0];
            Some(score)
        };
        Scores { value: score(0), report: score(1) }
    };
    let done = AtomicUsize::new(0);
    on_progress(Progress { stage: "leave out", done: 0, total: count });
    let results: Vec<(Scores, bool)> = (0..count)
        .into_par_iter()
        .map(|g| {
            let kept = problem.weights().iter().zip(groups);
            let kept = kept.map(|(&w, &of)| if of as usize == g { 0.0 } else { w }).collect();
            let without = problem.with_weights(kept);
            let tolerance = Tolerance { of_start: o.tolerance, ..exact };
            let minimum = without.minimise(1.0, start.theta.clone(), tolerance);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            on_progress(Progress { stage: "leave out", done, total: count });
            (measure(&minimum.point.theta, &minimum.gradient), minimum.converged)
        })
        .collect();
    Ok(LeaveOut {
        full: measure(&start.theta, &Mat::zeros(start.theta.rows(), problem.lanes())),
        without: results.iter().map(|r| r.0).collect(),
        unconverged: results.iter().filter(|r| !r.1).count(),
    })
}

/// Examples to score models on.
struct Scorer<'a, T> {
    problem: Problem<'a, T>,
    base_nats: f64,
    labels: Vec<u32>,
}

impl<'a, T: Real> Scorer<'a, T> {
    fn new(
        design: &'a assay_kernels::Design<T>,
        examples: Examples<'_>,
        like: &Problem<'_, T>,
    ) -> Result<Self, ValueError> {
        let noise = match like.family() {
            Family::Gaussian { noise_variance } => noise_variance,
            Family::Softmax { .. } => 1.0,
        };
        let problem = Problem::new(design, examples.target, None, like.lambda(), noise)
            .map_err(ValueError::Benchmark)?;
        let base_nats = problem.at(Mat::zeros(design.cols(), problem.lanes())).loss_nats.iter().sum();
        let labels = match examples.target {
            assay_learn::data::Target::Classes { labels, .. } => labels.clone(),
            assay_learn::data::Target::Numbers(_) => Vec::new(),
        };
        Ok(Self { problem, base_nats, labels })
    }

    /// How the mean bits move with the gradient left over: H^-1 times their gradient.
    fn dual(&self, at: &Point<T>, curvature: &mut Curvature<'_, T>) -> Mat<T> {
        let point = self.problem.at(at.theta.clone());
        let share = -1.0 / (point.loss_nats.len() as f64 * std::f64::consts::LN_2);
        let design = self.problem.design();
        let mut right = Mat::zeros(design.cols(), self.problem.lanes());
        design.transpose_times(&self.problem.residuals(share, &point), &mut right, |_, _| {});
        let mut out = Mat::zeros(right.rows(), right.cols());
        let stop = Stop { tolerance: 1e-3, iterations: 1_000 };
        cg::solve(curvature, &right, &mut out, self.problem.lanes(), true, stop);
        out
    }

    fn score(&self, theta: &Mat<T>) -> Score {
        let point: Point<T> = self.problem.at(theta.clone());
        let size = point.loss_nats.len() as f64;
        let loss: f64 = point.loss_nats.iter().sum();
        let right = |(i, label): &(usize, &u32)| {
            let row: &[T] = point.fitted.row(*i);
            let y = **label as usize;
            // The first of equals is the prediction.
            row[..y].iter().all(|p| *p < row[y]) && row[y + 1..].iter().all(|p| *p <= row[y])
        };
        let right = self.labels.iter().enumerate().filter(right).count();
        let accuracy = if self.labels.is_empty() { f64::NAN } else { right as f64 / size };
        Score { gain_bits: (self.base_nats - loss) / size / std::f64::consts::LN_2, accuracy }
    }
}
