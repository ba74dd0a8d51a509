//! What true effects may be, given measured ones: empirical Bayes by a mixture of normals of one centre and many
//! widths (adaptive shrinkage; Stephens, Biostatistics 18, 2017), so that a few large contributors beside many small
//! ones are not taken for one wide normal.

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

/// Widths of the mixture, from a tenth of the smallest error to twice the largest effect, and zero.
const WIDTHS_MAX: usize = 40;
/// Each width is this times the one before.
const WIDTH_STEP: f64 = 2.0;
/// Steps of expectation and maximisation; the likelihood is concave in the weights and hardly moves after.
const STEPS: usize = 300;

/// The mixture, and which of its widths each effect is likely to come from.
pub(super) struct Prior<'a> {
    effects: &'a [f64],
    errors: &'a [f64],
    centre: f64,
    variances: Vec<f64>,
    /// Effects x widths, cumulative.
    belongs: Vec<Vec<f64>>,
}

impl<'a> Prior<'a> {
    /// Fits the mixture to effects and their standard errors, which are above zero.
    pub(super) fn fit(effects: &'a [f64], errors: &'a [f64]) -> Self {
        let mut sorted = effects.to_vec();
        sorted.sort_by(f64::total_cmp);
        let mut centre = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
        let variances = variances(effects, errors, centre);
        let mut weights = vec![1.0 / variances.len() as f64; variances.len()];
        let mut belongs = Vec::new();
        for _ in 0..STEPS {
            belongs = effects
                .iter()
                .zip(errors)
                .map(|(y, s)| responsibilities(y - centre, s * s, &variances, &weights))
                .collect::<Vec<_>>();
            for (k, weight) in weights.iter_mut().enumerate() {
                *weight = belongs.iter().map(|b| b[k]).sum::<f64>() / effects.len() as f64;
            }
            let (mut sum, mut mass) = (0.0, 0.0);
            for ((b, y), s) in belongs.iter().zip(effects).zip(errors) {
                let precision: f64 = b.iter().zip(&variances).map(|(b, v)| b / (v + s * s)).sum();
                sum += precision * y;
                mass += precision;
            }
            centre = sum / mass;
        }
        for row in &mut belongs {
            let mut sum = 0.0;
            row.iter_mut().for_each(|b| {
                sum += *b;
                *b = sum;
            });
        }
        Self { effects, errors, centre, variances, belongs }
    }

    /// True effects, drawn given the measured ones.
    pub(super) fn draw(&self, random: &mut ChaCha8Rng) -> Vec<f64> {
        let of = |i: usize, random: &mut ChaCha8Rng| {
            let at = uniform(random);
            let width = self.belongs[i].iter().position(|&sum| at < sum).unwrap_or(self.variances.len() - 1);
            let (v, s) = (self.variances[width], self.errors[i]);
            let kept = v / (v + s * s);
            self.centre + kept * (self.effects[i] - self.centre) + kept.sqrt() * s * normal(random)
        };
        (0..self.effects.len()).map(|i| of(i, random)).collect()
    }
}

fn variances(effects: &[f64], errors: &[f64], centre: f64) -> Vec<f64> {
    let excess = |(y, s): (&f64, &f64)| (y - centre) * (y - centre) - s * s;
    let largest = 2.0 * effects.iter().zip(errors).map(excess).fold(0.0, f64::max).sqrt();
    let mut width = errors.iter().copied().fold(f64::INFINITY, f64::min) / 10.0;
    let mut out = vec![0.0];
    while width < largest && out.len() < WIDTHS_MAX {
        out.push(width * width);
        width *= WIDTH_STEP;
    }
    if largest > 0.0 {
        out.push(largest * largest);
    }
    out
}

/// How likely each width is for one effect; they sum to 1.
fn responsibilities(away: f64, error_variance: f64, variances: &[f64], weights: &[f64]) -> Vec<f64> {
    let log = |(v, w): (&f64, &f64)| {
        let variance = v + error_variance;
        w.ln() - 0.5 * (variance.ln() + away * away / variance)
    };
    let logs: Vec<f64> = variances.iter().zip(weights).map(log).collect();
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut out: Vec<f64> = logs.iter().map(|l| (l - most).exp()).collect();
    let sum: f64 = out.iter().sum();
    out.iter_mut().for_each(|p| *p /= sum);
    out
}

/// In [0, 1).
fn uniform(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Standard normal (Box and Muller, Annals of Mathematical Statistics 29, 1958).
pub(super) fn normal(random: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(random)).ln()).sqrt();
    radius * (2.0 * std::f64::consts::PI * uniform(random)).cos()
}
