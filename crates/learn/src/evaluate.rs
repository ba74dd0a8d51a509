//! Scores of a model on rows that it never saw.
//!
//! Everything is in bits: a row's bits are log2 of the probability (or density) that the model gave to the truth,
//! so that a difference of two models is what one knows and the other does not. Inputs are plain tables of
//! predictions, whatever the model.

mod bootstrap;

pub use bootstrap::{Bootstrap, Interval, MAX_DRAWS, bootstrap_difference, bootstrap_mean};

use assay_kernels::Mat;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::f64::consts::{LN_2, PI};
use thiserror::Error;

/// Bins of the calibration error.
const BINS: usize = 15;

/// Why there is no score. Rows count from 0.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum EvaluateError {
    /// No row.
    #[error("there is no row to score")]
    NoRows,
    /// Tables of different length.
    #[error("{found} rows of {what} for {rows} rows of truth")]
    Length {
        /// The table.
        what: &'static str,
        /// Its rows.
        found: usize,
        /// Rows of truth.
        rows: usize,
    },
    /// A class without a column.
    #[error("row {row} is of class {class}, the predictions have {count} classes")]
    Class {
        /// The row.
        row: usize,
        /// Its class.
        class: u32,
        /// Columns of the predictions.
        count: usize,
    },
    /// NaN, an infinity, or a logarithm above zero.
    #[error("row {row}: a prediction is no finite logarithm of a probability")]
    LogProbability {
        /// The row.
        row: usize,
    },
    /// A predicted or true number that is not finite.
    #[error("row {row}: a number is not finite")]
    NotFinite {
        /// The row.
        row: usize,
    },
    /// A variance that is not above zero.
    #[error("the predictive variance must be finite and above zero")]
    Variance,
    /// Settings of the bootstrap.
    #[error("bootstrap: {what}")]
    Bootstrap {
        /// The rule that is broken.
        what: &'static str,
    },
}

/// How good a model is on some rows. All bits are means over the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Number of rows.
    pub rows: usize,
    /// Loss of the base: minus log2 of what it gave to the truth.
    pub base_bits: f64,
    /// Loss of the model.
    pub loss_bits: f64,
    /// What the model gains over the base: `base_bits - loss_bits`.
    pub gain_bits: f64,
    /// What only this kind of task has.
    #[serde(flatten)]
    pub detail: Detail,
}

/// Scores of one kind of task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Detail {
    /// Of classes.
    Classification {
        /// Share of rows whose likeliest class is the true one.
        accuracy: f64,
        /// Mean F1 of the classes that occur as truth or as prediction.
        macro_f1: f64,
        /// Expected calibration error of the likeliest class, 15 equal bins (Guo et al. 2017).
        calibration_error: f64,
        /// One entry a class.
        classes: Vec<ClassScore>,
        /// The most frequent errors, at most as many as asked for; ties in class order.
        confusions: Vec<Confusion>,
    },
    /// Of numbers.
    Regression {
        /// Root of the mean squared error, in the unit of the predictions.
        rmse: f64,
        /// Share of the variance of the truth that is explained; `None` when the truth does not vary.
        r2: Option<f64>,
    },
}

/// How one class fares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// The class.
    pub class: u32,
    /// Rows of this class.
    pub rows: usize,
    /// Share of them that were recognised; `None` when there is none.
    pub recall: Option<f64>,
    /// Share of the rows predicted to be of this class that are; `None` when there is none.
    pub precision: Option<f64>,
}

/// Rows of one class taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// The true class.
    pub truth: u32,
    /// The predicted class.
    pub predicted: u32,
    /// How often.
    pub rows: usize,
}

/// A prediction of numbers: a normal distribution a row, all of one variance.
#[derive(Clone, Copy, Debug)]
pub struct Gaussian<'a> {
    /// Mean of each row.
    pub mean: &'a [f64],
    /// Variance, above zero.
    pub variance: f64,
}

/// Scores class predictions against the truth and against a base that holds all classes equally likely.
/// `log_probs` is rows x classes in nats, `most` bounds the list of confusions.
///
/// # Errors
/// No row, tables of different length, a class without a column, or a value that is no logarithm of a probability.
pub fn score_classes<T>(log_probs: &Mat<T>, truth: &[u32], most: usize) -> Result<Scores, EvaluateError>
where
    T: Copy + Default + Into<f64>,
{
    let bits = class_bits(log_probs, truth)?;
    let guesses: Vec<(u32, f64)> = (0..truth.len()).map(|r| likeliest(log_probs.row(r))).collect();
    let mut pairs: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for (&t, &(p, _)) in truth.iter().zip(&guesses) {
        *pairs.entry((t, p)).or_default() += 1;
    }
    let (classes, macro_f1) = class_scores(log_probs.cols(), &pairs);
    let right: usize = pairs.iter().filter(|((t, p), _)| t == p).map(|(_, n)| n).sum();
    let detail = Detail::Classification {
        accuracy: right as f64 / truth.len() as f64,
        macro_f1,
        calibration_error: calibration_error(&guesses, truth),
        classes,
        confusions: confusions(&pairs, most),
    };
    Ok(scores((log_probs.cols() as f64).log2(), mean(&bits), truth.len(), detail))
}

/// Log2 of the probability that each row's true class was given; never above zero.
///
/// # Errors
/// As [`score_classes`].
pub fn class_bits<T>(log_probs: &Mat<T>, truth: &[u32]) -> Result<Vec<f64>, EvaluateError>
where
    T: Copy + Default + Into<f64>,
{
    check_length("class predictions", log_probs.rows(), truth.len())?;
    let count = log_probs.cols();
    let bits = |(row, &class): (usize, &u32)| {
        // Rounding may lift a certain class a little above zero.
        if log_probs.row(row).iter().any(|&v| !(v.into().is_finite() && v.into() < 1e-3)) {
            return Err(EvaluateError::LogProbability { row });
        }
        let value = log_probs.row(row).get(class as usize);
        let value = *value.ok_or(EvaluateError::Class { row, class, count })?;
        Ok(value.into().min(0.0) / LN_2)
    };
    truth.iter().enumerate().map(bits).collect()
}

/// 1 for each row whose likeliest class is the true one, else 0: what a bootstrap of the accuracy reads.
///
/// # Errors
/// As [`score_classes`].
pub fn class_hits<T>(log_probs: &Mat<T>, truth: &[u32]) -> Result<Vec<f64>, EvaluateError>
where
    T: Copy + Default + Into<f64>,
{
    class_bits(log_probs, truth)?;
    let hit = |(row, &class): (usize, &u32)| f64::from(likeliest(log_probs.row(row)).0 == class);
    Ok(truth.iter().enumerate().map(hit).collect())
}

/// Scores number predictions against the truth and against a base, usually mean and variance of the training
/// labels. Densities depend on the unit, so `base_bits` and `loss_bits` do too; their difference does not.
///
/// # Errors
/// No row, tables of different length, a variance not above zero, or a number that is not finite.
pub fn score_numbers(
    model: Gaussian<'_>,
    base: Gaussian<'_>,
    truth: &[f64],
) -> Result<Scores, EvaluateError> {
    let (bits, base) = (number_bits(model, truth)?, number_bits(base, truth)?);
    let centre = mean(truth);
    let squares = |of: &mut dyn Iterator<Item = f64>| of.map(|d| d * d).sum::<f64>() / truth.len() as f64;
    let error = squares(&mut truth.iter().zip(model.mean).map(|(t, m)| t - m));
    let spread = squares(&mut truth.iter().map(|t| t - centre));
    let r2 = (spread > 0.0).then(|| 1.0 - error / spread);
    Ok(scores(-mean(&base), mean(&bits), truth.len(), Detail::Regression { rmse: error.sqrt(), r2 }))
}

/// Log2 of the density that each row's truth was given.
///
/// # Errors
/// As [`score_numbers`].
pub fn number_bits(model: Gaussian<'_>, truth: &[f64]) -> Result<Vec<f64>, EvaluateError> {
    check_length("number predictions", model.mean.len(), truth.len())?;
    if !(model.variance.is_finite() && model.variance > 0.0) {
        return Err(EvaluateError::Variance);
    }
    let bits = |(row, (t, m)): (usize, (&f64, &f64))| {
        let nats = -0.5 * ((2.0 * PI * model.variance).ln() + (t - m) * (t - m) / model.variance);
        if nats.is_finite() { Ok(nats / LN_2) } else { Err(EvaluateError::NotFinite { row }) }
    };
    truth.iter().zip(model.mean).enumerate().map(bits).collect()
}

fn scores(base_bits: f64, model_bits: f64, rows: usize, detail: Detail) -> Scores {
    Scores { rows, base_bits, loss_bits: -model_bits, gain_bits: base_bits + model_bits, detail }
}

fn check_length(what: &'static str, found: usize, rows: usize) -> Result<(), EvaluateError> {
    if rows == 0 {
        return Err(EvaluateError::NoRows);
    }
    if found == rows { Ok(()) } else { Err(EvaluateError::Length { what, found, rows }) }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The class of highest probability, the first of equals, and that probability.
fn likeliest<T: Copy + Into<f64>>(log_probs: &[T]) -> (u32, f64) {
    let mut best = (0, f64::NEG_INFINITY);
    for (class, &value) in log_probs.iter().enumerate() {
        if value.into() > best.1 {
            best = (class as u32, value.into());
        }
    }
    (best.0, best.1.exp().min(1.0))
}

fn class_scores(count: usize, pairs: &BTreeMap<(u32, u32), usize>) -> (Vec<ClassScore>, f64) {
    let (mut truths, mut guesses, mut right) = (vec![0; count], vec![0; count], vec![0; count]);
    for (&(t, p), &n) in pairs {
        truths[t as usize] += n;
        guesses[p as usize] += n;
        right[t as usize] += if t == p { n } else { 0 };
    }
    let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    let f1: Vec<f64> = (0..count).filter_map(|c| share(2 * right[c], truths[c] + guesses[c])).collect();
    let score = |c: usize| ClassScore {
        class: c as u32,
        rows: truths[c],
        recall: share(right[c], truths[c]),
        precision: share(right[c], guesses[c]),
    };
    ((0..count).map(score).collect(), mean(&f1))
}

fn confusions(pairs: &BTreeMap<(u32, u32), usize>, most: usize) -> Vec<Confusion> {
    let wrong = pairs.iter().filter(|((t, p), _)| t != p);
    let mut out: Vec<Confusion> =
        wrong.map(|(&(truth, predicted), &rows)| Confusion { truth, predicted, rows }).collect();
    out.sort_by_key(|c| std::cmp::Reverse(c.rows));
    out.truncate(most);
    out
}

/// Mean over rows of the gap between confidence and accuracy within each bin of confidence.
fn calibration_error(guesses: &[(u32, f64)], truth: &[u32]) -> f64 {
    let mut gaps = [0.0; BINS];
    for (&(class, confidence), &t) in guesses.iter().zip(truth) {
        let bin = ((confidence * BINS as f64) as usize).min(BINS - 1);
        gaps[bin] += confidence - f64::from(class == t);
    }
    gaps.iter().map(|g| g.abs()).sum::<f64>() / truth.len() as f64
}
