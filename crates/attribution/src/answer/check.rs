//! How far the attribution of answers is to be trusted: some answers, and the models that random halves of the records
//! and the records less the named ones really give.

use assay_kernels::Mat;
use assay_learn::crossval::shuffled;
use assay_learn::data::Features;
use assay_learn::model::Family;

use super::quick::said;
use super::retrained::{half_subsets, retrained_bits};
use super::second::{TRAININGS, most_missed};
use super::{AnswerError, AnswerOptions, PathState, top};
use crate::lds::{Lds, lds, predictions};
use crate::method::{Influence, Method as _, Setting};
use crate::path::ValueError;
use crate::{Examples, ValueFold};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Check {
    /// Answers that were looked at.
    pub questions: usize,
    /// Halves of the records on which the model was trained again.
    pub halves: usize,
    /// How well the centred influence of the records predicts the answers of those models; `None` when nothing varies.
    pub lds: Option<Lds>,
    /// Records named for each answer, at most: those that it misses most.
    pub named: usize,
    /// Bits of log2 p(answer | question) lost without them: mean over the answers.
    pub lost_bits: f64,
    /// Standard error of that; NaN with fewer than two answers.
    pub lost_se_bits: f64,
}

/// Limits of a check.
#[derive(Clone, Copy, Debug)]
pub struct CheckLimits {
    /// Answers to look at.
    pub questions: usize,
    /// Halves to train on.
    pub halves: usize,
    /// Records to name for each answer.
    pub named: usize,
    /// Numbers of all models trained together, stored features times outputs each: beyond, nothing is checked.
    pub numbers: usize,
}

impl Default for CheckLimits {
    fn default() -> Self {
        Self { questions: 25, halves: 50, named: 20, numbers: 400_000_000 }
    }
}

/// Looks at what the model says to some of `queries`, drawn by `seed`: what their labels are is not asked. `None` when
/// that would take more than the limits allow, or when there is nothing to look at.
///
/// # Errors
/// When records, queries and options do not go together.
pub fn check(
    train: Examples<'_>,
    queries: &Features,
    options: &AnswerOptions<'_>,
    limits: CheckLimits,
    seed: u64,
) -> Result<Option<Check>, AnswerError> {
    let rows = train.features.rows();
    let stored = match train.features {
        Features::Dense(x) => x.data().len(),
        Features::Sparse(x) => x.nnz(),
    };
    let outputs = Family::of(train.target, options.noise_variance).outputs();
    let models = limits.halves + limits.questions * TRAININGS;
    let numbers = stored.saturating_mul(outputs).saturating_mul(models);
    if numbers > limits.numbers || rows < 2 * limits.named || queries.rows() == 0 || limits.questions == 0 {
        return Ok(None);
    }
    let queries = queries.select(&shuffled(queries.rows(), seed, limits.questions));
    let path = PathState::cache(train, options, &|_| {})?;
    let answers = said(&path.model(), &queries);
    let asked = (&queries, &answers);

    let moved = path.attribute(&queries, &answers, &|_| {})?.bits;
    let named = |q: usize| top(moved.row(q), |_| true, limits.named).records;
    let named: Vec<Vec<usize>> = (0..queries.rows()).map(named).collect();
    let missed = most_missed(train, asked, &named, options)?;
    let lost: Vec<f64> = missed.into_iter().map(|missed| missed.lost_bits).collect();
    let (count, mean) = (lost.len() as f64, lost.iter().sum::<f64>() / lost.len() as f64);
    let spread: f64 = lost.iter().map(|x| (x - mean).powi(2)).sum();

    Ok(Some(Check {
        questions: queries.rows(),
        halves: limits.halves,
        lds: predicted(train, asked, options, (limits.halves, seed))?,
        named: limits.named,
        lost_bits: mean,
        lost_se_bits: if lost.len() < 2 { f64::NAN } else { (spread / (count - 1.0) / count).sqrt() },
    }))
}

fn predicted(
    train: Examples<'_>,
    asked: (&Features, &assay_learn::data::Target),
    options: &AnswerOptions<'_>,
    (halves, seed): (usize, u64),
) -> Result<Option<Lds>, AnswerError> {
    let setting = Setting {
        lambda: options.lambda,
        noise_variance: options.noise_variance,
        weights: options.weights,
        seed,
    };
    // Not what anything is worth: what is predicted are the model's own answers.
    let answers = ValueFold::new(Examples { features: asked.0, target: asked.1 });
    let refused = |error: ValueError| match error {
        ValueError::Train(error) => AnswerError::Train(error),
        ValueError::Benchmark(error) => AnswerError::Queries(error),
        ValueError::Mismatch | ValueError::Nodes => AnswerError::Mismatch,
    };
    let centred = Influence::CENTRED.cache(train, &setting, &|_| {}).map_err(refused)?;
    let Some(values) = centred.matrix(answers, &|_| {}).map_err(refused)? else { return Ok(None) };
    let halves = half_subsets(train.features.rows(), halves, seed);
    let weigh = |k: usize, weights: &mut [f64]| {
        weights.iter_mut().zip(&halves[k]).filter(|(_, is_in)| !**is_in).for_each(|(w, _)| *w = 0.0);
    };
    let measured: Mat<f64> = retrained_bits(train, asked, (halves.len(), 0.5), &weigh, options)?;
    Ok(lds(&predictions(&values, &halves), &measured))
}
