//! What really happens without a group of records: the model is trained again, without them
//! ([`assay_learn::retrain`]).

use std::sync::atomic::{AtomicUsize, Ordering};

use assay_kernels::Real;
use assay_learn::data::Target;
use assay_learn::model::{Family, Model};
use assay_learn::retrain::{Ask, RetrainOptions, Retrained, Retrainer};
use assay_learn::train::{Precision, Tolerance, design};

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

impl<'a> LeaveOutOptions<'a> {
    /// The same for the engine that retrains, in this number type.
    pub(crate) fn retraining<T>(&self) -> RetrainOptions<'a> {
        let exact = Tolerance::relative(if size_of::<T>() == 4 { 1e-5 } else { 1e-9 });
        RetrainOptions {
            lambda: self.lambda,
            noise_variance: self.noise_variance,
            weights: self.weights,
            levels: &[1.0],
            tolerance: Tolerance { of_start: self.tolerance, ..exact },
        }
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
    let designs = benchmarks.map(|b| b.map(|b| design::<T>(b.features)));
    let options = o.retraining::<T>();
    let mut retrainer =
        Retrainer::new(&train_design, train.target, &options, Some(full)).map_err(ValueError::Train)?;
    for (design, examples) in designs.iter().zip(benchmarks) {
        if let Some((design, examples)) = design.as_ref().zip(examples) {
            let ask = Ask { right: true, ..Ask::default() };
            retrainer.score_on(design, examples.target, ask).map_err(ValueError::Benchmark)?;
        }
    }
    let done = AtomicUsize::new(0);
    let on_done = |more: usize| {
        let done = done.fetch_add(more, Ordering::Relaxed) + more;
        on_progress(Progress { stage: "leave out", done, total: count + 1 });
    };
    on_done(0);
    // The last leaves nobody out.
    let leave = |g: usize, weights: &mut [f64]| {
        let left = weights.iter_mut().zip(groups).filter(|(_, of)| **of as usize == g);
        left.for_each(|(w, _)| *w = 0.0);
    };
    let retrained = retrainer.each(count + 1, &leave, &on_done);
    let scores = |r: &Retrained| {
        let mut next = 0..r.scores.len();
        let mut score = |examples: Option<Examples<'_>>| {
            let (examples, k) = examples.and_then(|e| Some((e, next.next()?)))?;
            let size = examples.target.len() as f64;
            let gain_bits = (retrainer.base_nats(k) - r.scores[k].loss_nats) / size / std::f64::consts::LN_2;
            let is_numbers = matches!(examples.target, Target::Numbers(_));
            let accuracy = if is_numbers { f64::NAN } else { r.scores[k].right as f64 / size };
            Some(Score { gain_bits, accuracy })
        };
        Scores { value: score(benchmarks[0]), report: score(benchmarks[1]) }
    };
    Ok(LeaveOut {
        full: scores(&retrained[count]),
        without: retrained[..count].iter().map(scores).collect(),
        unconverged: retrained.iter().filter(|r| !r.converged).count(),
    })
}
