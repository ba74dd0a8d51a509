//! Audit: what contributors are really worth to the finished model, beside what was said of them.
//!
//! Each group of records is left out and the model trained again ([`effects`]); how much worse it then scores on the
//! reporting fold is its measured effect, and on the value fold its predicted one. Whom to leave out where not all can
//! be is drawn from a public seed ([`sample`]). What agreement means is in [`agree`].

pub mod agree;
mod prior;
pub mod sample;

pub use agree::{Ceiling, Coverage, ceiling, coverage, reliability};
pub use sample::sample;

use std::sync::atomic::{AtomicUsize, Ordering};

use assay_kernels::Real;
use assay_learn::data::Features;
use assay_learn::model::{Family, Model};
use assay_learn::retrain::{Ask, Retrained, Retrainer};
use assay_learn::train::design;

use crate::leave_out::LeaveOutOptions;
use crate::path::ValueError;
use crate::{Examples, OnProgress, Progress, ReportFold, ValueFold};

/// What leaving a group out costs the model on one fold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effect {
    /// Mean of log2 p with the group less that without it: positive where the group helps.
    pub bits: f64,
    /// Standard error of that over the rows, each compared with itself; NaN with fewer than two rows.
    pub se_bits: f64,
    /// Rows of the fold.
    pub rows: usize,
}

impl Effect {
    /// The mean of paired differences, one a row.
    pub fn of(differences: &[f64]) -> Self {
        let rows = differences.len() as f64;
        let bits = differences.iter().sum::<f64>() / rows;
        let spread: f64 = differences.iter().map(|d| (d - bits) * (d - bits)).sum();
        let se_bits = if differences.len() < 2 { f64::NAN } else { (spread / (rows - 1.0) / rows).sqrt() };
        Self { bits, se_bits, rows: differences.len() }
    }
}

/// A group left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Left {
    /// On the fold that measures value: what is predicted.
    pub value: Effect,
    /// On the reporting fold: what is measured.
    pub report: Effect,
}

/// Groups left out, one at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaving {
    /// By group.
    pub left: Vec<Left>,
    /// Retrainings whose tolerance was not reached.
    pub unconverged: usize,
}

/// Groups whose losses of single rows are held at a time.
const TOGETHER: usize = 64;

/// Retrains without each group below `groups.1`: record i belongs to group `groups.0[i]`; records of other groups stay.
/// `full` is the model with all records, from which every retraining starts.
///
/// # Errors
/// When the parts do not go together.
///
/// # Panics
/// When there is not one group a record.
pub fn effects(
    train: Examples<'_>,
    groups: (&[u32], usize),
    full: &Model,
    folds: (ValueFold<'_>, ReportFold<'_>),
    options: &LeaveOutOptions<'_>,
    on_progress: OnProgress<'_>,
) -> Result<Leaving, ValueError> {
    assert_eq!(groups.0.len(), train.features.rows(), "one group a record");
    let folds = [folds.0.examples(), folds.1.examples()];
    let fits = |e: &Examples<'_>| {
        e.features.cols() == full.theta().rows()
            && Family::of(e.target, options.noise_variance) == full.family()
    };
    if ![train, folds[0], folds[1]].iter().all(fits) {
        return Err(ValueError::Mismatch);
    }
    if options.precision.is_double(train.features, full.family().outputs()) {
        effects_in::<f64>(train, groups, full, folds, options, on_progress)
    } else {
        effects_in::<f32>(train, groups, full, folds, options, on_progress)
    }
}

fn effects_in<T: Real>(
    train: Examples<'_>,
    (groups, count): (&[u32], usize),
    full: &Model,
    folds: [Examples<'_>; 2],
    o: &LeaveOutOptions<'_>,
    on_progress: OnProgress<'_>,
) -> Result<Leaving, ValueError> {
    let train_design = design::<T>(train.features);
    let designs = folds.map(|fold| design::<T>(fold.features));
    let options = o.retraining::<T>();
    let mut retrainer =
        Retrainer::new(&train_design, train.target, &options, Some(full)).map_err(ValueError::Train)?;
    for (design, fold) in designs.iter().zip(folds) {
        let ask = Ask { each: true, ..Ask::default() };
        retrainer.score_on(design, fold.target, ask).map_err(ValueError::Benchmark)?;
    }
    let done = AtomicUsize::new(0);
    let on_done = |more: usize| {
        let done = done.fetch_add(more, Ordering::Relaxed) + more;
        on_progress(Progress { stage: "leave out", done: done.min(count), total: count });
    };
    let whole = retrainer.each(1, &|_, _| {}, &|_| {});
    let mut leaving = Leaving { left: Vec::with_capacity(count), unconverged: 0 };
    for first in (0..count).step_by(TOGETHER) {
        let leave = |k: usize, weights: &mut [f64]| {
            let left = weights.iter_mut().zip(groups).filter(|(_, of)| **of as usize == first + k);
            left.for_each(|(w, _)| *w = 0.0);
        };
        let retrained = retrainer.each(TOGETHER.min(count - first), &leave, &on_done);
        leaving.unconverged += retrained.iter().filter(|r| !r.converged).count();
        let left = |r: &Retrained| Left { value: effect(&whole[0], r, 0), report: effect(&whole[0], r, 1) };
        leaving.left.extend(retrained.iter().map(left));
    }
    Ok(leaving)
}

/// The mean is of losses corrected to the minimum; the spread is of those of single rows, which are not.
fn effect(full: &Retrained, without: &Retrained, fold: usize) -> Effect {
    let (full, without) = (&full.scores[fold], &without.scores[fold]);
    let bits = |nats: f64| nats / std::f64::consts::LN_2;
    let rows = without.losses_nats.iter().zip(&full.losses_nats);
    let differences: Vec<f64> = rows.map(|(without, full)| bits(without - full)).collect();
    let mean = bits(without.loss_nats - full.loss_nats) / differences.len() as f64;
    Effect { bits: mean, ..Effect::of(&differences) }
}

/// Multiplications that leaving out may take, in stored features times outputs times groups: about a minute of one core.
const BUDGET: f64 = 1e10;
/// Groups left out at least, if there are so many.
const LEAST: usize = 5;

/// How many groups can be left out within a minute or so; a sample of them has to do where there are more.
pub fn affordable(train: Examples<'_>, full: &Model) -> usize {
    let stored = match train.features {
        Features::Dense(m) => m.data().len(),
        Features::Sparse(m) => m.nnz(),
    };
    let cost = (stored * full.theta().cols()).max(1) as f64;
    ((BUDGET / cost) as usize).max(LEAST)
}
