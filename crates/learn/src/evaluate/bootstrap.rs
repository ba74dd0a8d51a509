//! Intervals by resampling rows (Efron and Tibshirani 1993, percentile method).

use super::EvaluateError;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Most row draws of one bootstrap (resamples times rows): about ten CPU seconds.
pub const MAX_DRAWS: u64 = 4_000_000_000;

/// Settings of a bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// How often the rows are drawn anew, at least 100.
    pub resamples: u32,
    /// Probability that the interval is to cover, between 0 and 1.
    pub level: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 10_000, level: 0.95, seed: 0 }
    }
}

/// A mean with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Mean of the rows as they are.
    pub mean: f64,
    /// Standard deviation of the resampled means.
    pub se: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// Interval of the mean of `values`, one a row, rows being independent draws.
///
/// Each resample has a random stream of its own (ChaCha8, stream number = resample), so the result does not
/// depend on the number of threads.
///
/// # Errors
/// No row, a value that is not finite, or settings out of range.
pub fn bootstrap_mean(values: &[f64], settings: Bootstrap) -> Result<Interval, EvaluateError> {
    check(values, settings)?;
    let mean = super::mean(values);
    // Deviations from the mean, so that a large common part costs no digits.
    let centred: Vec<f64> = values.iter().map(|v| v - mean).collect();
    let mut means: Vec<f64> =
        (0..settings.resamples).into_par_iter().map(|r| resampled_mean(&centred, settings.seed, r)).collect();
    means.sort_unstable_by(f64::total_cmp);
    let centre = super::mean(&means);
    let spread = means.iter().map(|m| (m - centre) * (m - centre)).sum::<f64>() / (means.len() - 1) as f64;
    let tail = (1.0 - settings.level) / 2.0;
    let (low, high) = (mean + quantile(&means, tail), mean + quantile(&means, 1.0 - tail));
    Ok(Interval { mean, se: spread.sqrt(), low, high })
}

/// Interval of the mean of `a - b`, row by row: two models on the same rows, whose common luck cancels.
///
/// # Errors
/// As [`bootstrap_mean`], and lists of different length.
pub fn bootstrap_difference(a: &[f64], b: &[f64], settings: Bootstrap) -> Result<Interval, EvaluateError> {
    super::check_length("the second model", b.len(), a.len())?;
    let difference: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    bootstrap_mean(&difference, settings)
}

fn check(values: &[f64], settings: Bootstrap) -> Result<(), EvaluateError> {
    super::check_length("values", values.len(), values.len())?;
    if let Some(row) = values.iter().position(|v| !v.is_finite()) {
        return Err(EvaluateError::NotFinite { row });
    }
    let what = if settings.resamples < 100 {
        "resamples must be at least 100"
    } else if !(settings.level > 0.0 && settings.level < 1.0) {
        "level must be between 0 and 1"
    } else if u64::from(settings.resamples).saturating_mul(values.len() as u64) > MAX_DRAWS {
        "resamples times rows must be at most 4 billion: use fewer resamples"
    } else {
        return Ok(());
    };
    Err(EvaluateError::Bootstrap { what })
}

/// Mean of as many values as there are, drawn with replacement.
fn resampled_mean(values: &[f64], seed: u64, resample: u32) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(resample));
    let count = values.len() as u64;
    // The high half of a 32 x 32 bit product is uniform to within count / 2^32.
    let mut draw = || values[((u64::from(rng.next_u32()) * count) >> 32) as usize];
    let sum: f64 = (0..count).map(|_| draw()).sum();
    sum / count as f64
}

/// Quantile of ascending values, linear between neighbours.
fn quantile(sorted: &[f64], at: f64) -> f64 {
    let place = at * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}
