//! How far predicted and measured effects agree, and how far they could.
//!
//! Effects of removal are small and the rows that measure them few, so that even the true effects would not rank
//! contributors as the measured ones do. A rank correlation means little without the one that perfect knowledge would
//! reach ([`ceiling`]) and the share of the spread that is no noise ([`reliability`]).

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::Effect;
use super::prior::{Prior, normal};
use crate::rank::spearman;
use crate::valuation::student_t_975;

/// Degrees of freedom beyond which Student's t is the normal to 0.2%.
const DEGREES_MAX: usize = 1_000;
/// Effects below which nothing is said of ranks.
const LEAST: usize = 3;

/// The 95% interval in which an effect measured on one fold lies, as predicted on another: Student's t with the errors
/// of both folds (Welch, Biometrika 34, 1947).
pub fn interval(predicted: &Effect, measured: &Effect) -> (f64, f64) {
    let (a, b) = (predicted.se_bits.powi(2), measured.se_bits.powi(2));
    let free = |rows: usize| rows.saturating_sub(1).max(1) as f64;
    let degrees = (a + b).powi(2) / (a * a / free(predicted.rows) + b * b / free(measured.rows));
    // Without any spread the degrees are 0 / 0 and the width is zero whatever they are.
    let degrees = if degrees.is_finite() { (degrees as usize).clamp(1, DEGREES_MAX) } else { 1 };
    let reach = student_t_975(degrees) * (a + b).sqrt();
    (predicted.bits - reach, predicted.bits + reach)
}

/// How many measured effects lie where they were predicted to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coverage {
    /// Measured effects within their [`interval`].
    pub covered: usize,
    /// Of so many.
    pub of: usize,
    /// Lower end of the 95% interval of the share (Wilson, JASA 22, 1927), as if errors of contributors did not hang
    /// together; those measured on the same rows do, so that it is somewhat too narrow.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Counts the effects that lie where they were predicted to; pairs are predicted and measured.
pub fn coverage(pairs: &[(Effect, Effect)]) -> Coverage {
    let within = |(predicted, measured): &&(Effect, Effect)| {
        let (low, high) = interval(predicted, measured);
        (low..=high).contains(&measured.bits)
    };
    let (covered, of) = (pairs.iter().filter(within).count(), pairs.len());
    let (n, z2) = (of as f64, 1.96_f64 * 1.96);
    let share = covered as f64 / n;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let reach = (z2 * (share * (1.0 - share) + z2 / (4.0 * n)) / n).sqrt() / (1.0 + z2 / n);
    Coverage { covered, of, low: (middle - reach).max(0.0), high: (middle + reach).min(1.0) }
}

/// Share of the variance of measured effects that is no error of measurement: `1 - mean(se^2) / var`, not below zero.
/// `None` for fewer than three effects and where they do not vary.
pub fn reliability(measured: &[Effect]) -> Option<f64> {
    let n = measured.len() as f64;
    let mean = measured.iter().map(|e| e.bits).sum::<f64>() / n;
    let variance = measured.iter().map(|e| (e.bits - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let error = measured.iter().map(|e| e.se_bits.powi(2)).sum::<f64>() / n;
    let reliability = 1.0 - error / variance;
    (measured.len() >= LEAST && reliability.is_finite()).then(|| reliability.max(0.0))
}

/// What rank correlations could be reached, given the errors of measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ceiling {
    /// Of the true effects with measured ones: the best that any values could reach, on average.
    pub spearman: f64,
    /// In 95 of 100 draws that is above this ..
    pub low: f64,
    /// .. and in as many below this: the 2.5 and 97.5% quantiles are the ends.
    pub high: f64,
    /// Of measured effects with effects predicted by the same measurement on the value fold, its error included.
    pub repeated: f64,
}

/// What perfect knowledge of the true effects would reach: true effects are drawn given the measured ones (empirical
/// Bayes, see `prior`), measured anew with their errors, and ranked, `draws` times from a seed. Errors are drawn as
/// independent normals. `None` for fewer than three effects and where errors are not known.
pub fn ceiling(pairs: &[(Effect, Effect)], draws: usize, seed: u64) -> Option<Ceiling> {
    let column = |of: fn(&(Effect, Effect)) -> f64| pairs.iter().map(of).collect::<Vec<f64>>();
    let (effects, mut errors) = (column(|p| p.1.bits), column(|p| p.1.se_bits));
    let predicted_errors = column(|p| p.0.se_bits);
    let known = |xs: &[f64]| xs.iter().all(|x| x.is_finite());
    let largest = errors.iter().copied().fold(0.0, f64::max);
    if pairs.len() < LEAST || draws == 0 || !known(&effects) || !known(&errors) || !known(&predicted_errors) {
        return None;
    }
    // Who moves no row at all has no error; the mixture needs one.
    errors.iter_mut().for_each(|s| *s = s.max(1e-6 * largest).max(f64::MIN_POSITIVE));
    let prior = Prior::fit(&effects, &errors);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut reached, mut repeated) = (Vec::with_capacity(draws), 0.0);
    for _ in 0..draws {
        let truth = prior.draw(&mut random);
        let mut measure = |errors: &[f64]| -> Vec<f64> {
            truth.iter().zip(errors).map(|(t, s)| t + s * normal(&mut random)).collect()
        };
        let (again, predicted) = (measure(&errors), measure(&predicted_errors));
        // Effects that are all equal rank nobody: no knowledge of them agrees with noise.
        let rank = |x: &[f64]| Some(spearman(x, &again)).filter(|r| r.is_finite()).unwrap_or(0.0);
        reached.push(rank(&truth));
        repeated += rank(&predicted) / draws as f64;
    }
    reached.sort_by(f64::total_cmp);
    let quantile = |q: f64| reached[((q * draws as f64) as usize).min(draws - 1)];
    let mean = reached.iter().sum::<f64>() / draws as f64;
    Some(Ceiling { spearman: mean, low: quantile(0.025), high: quantile(0.975), repeated })
}
