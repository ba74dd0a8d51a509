//! The strength of the prior, by cross-validation.

use assay_kernels::{Mat, Real};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use crate::data::{Features, Target};
use crate::model::Family;
use crate::train::{Precision, Problem, Tolerance, TrainError, design, to_model, to_panel};

/// How to choose.
#[derive(Clone, Debug)]
pub struct CrossOptions {
    /// Decides which records are used and how they are dealt to folds.
    pub seed: u64,
    /// Folds, at least 2.
    pub folds: usize,
    /// Records used at most: a sample says as much about the prior as all of them.
    pub max_records: usize,
    /// Strengths to try, from strong to weak.
    pub grid: Vec<f64>,
    /// Gradient norm to reach in each fit. Each starts from the fit under a stronger prior: one that stops early scores
    /// that stronger prior over again, and makes weak ones look good.
    pub tolerance: f64,
    /// Number type of the solver.
    pub precision: Precision,
}

impl Default for CrossOptions {
    /// Three folds of at most 4,000 records; half decades from 100 to 0.0001.
    fn default() -> Self {
        Self {
            seed: 0,
            folds: 3,
            max_records: 4_000,
            grid: (0..13).map(|k| 10_f64.powf(2.0 - 0.5 * f64::from(k))).collect(),
            tolerance: 1e-4,
            precision: Precision::Auto,
        }
    }
}

/// What one strength scored on the records that its models did not see.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PriorScore {
    /// Precision of the prior.
    pub lambda: f64,
    /// Mean of log2 p_model - log2 p_base; for numbers, with the noise variance that suits this strength.
    pub gain_bits: f64,
    /// Standard error of what it lacks to the best score, record by record; 0 for the best.
    pub se_bits: f64,
}

/// The choice and what it rests on.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CrossValidation {
    /// Precision of the prior that was chosen.
    pub lambda: f64,
    /// Mean square of the errors on unseen records, for numbers; 1 for classes.
    pub noise_variance: f64,
    /// Every strength tried, from strong to weak.
    pub table: Vec<PriorScore>,
    /// Records used.
    pub records: usize,
}

/// Chooses the strength of the prior by the log-loss on held-out folds, from strong to weak, each fit starting from
/// the last, until the score gets worse twice running.
///
/// Among strengths that the folds cannot tell from the best, the strongest is taken: it must be within one standard
/// error of the paired difference (the rule of Breiman, Friedman, Olshen and Stone 1984, section 3.4.3, on pairs). The
/// score is flat around its best, and values are not: with a weaker prior than needed what a contributor adds to the
/// model is small beside the noise of the benchmark.
///
/// For numbers the search is over the ridge `lambda * noise_variance`; the noise variance is then the mean square of
/// the errors on unseen records, and lambda the ridge over it.
///
/// # Errors
/// When features and target do not go together, or there are fewer than two records.
pub fn choose_lambda(
    features: &Features,
    target: &Target,
    options: &CrossOptions,
) -> Result<CrossValidation, TrainError> {
    if features.rows() != target.len() {
        return Err(TrainError::Length { rows: features.rows(), others: target.len(), what: "answers" });
    }
    let sample = shuffled(features.rows(), options.seed, options.max_records.max(2));
    if sample.len() < 2 {
        return Err(TrainError::Empty);
    }
    if options.grid.is_empty() || options.grid.iter().any(|l| !(*l > 0.0 && l.is_finite())) {
        return Err(TrainError::Number { what: "every strength of the grid", must: "finite and above zero" });
    }
    let outputs = Family::of(target, 1.0).outputs();
    if options.precision.is_double(features, outputs) {
        choose_in::<f64>(features, target, options, &sample)
    } else {
        choose_in::<f32>(features, target, options, &sample)
    }
}

/// One division into records to learn from and records to score.
struct Fold {
    learn: (Features, Target),
    score: (Features, Target),
}

fn choose_in<T: Real>(
    features: &Features,
    target: &Target,
    o: &CrossOptions,
    sample: &[usize],
) -> Result<CrossValidation, TrainError> {
    let folds = deal(features, target, o.folds, sample);
    let designs: Vec<_> = folds.iter().map(|f| design::<T>(&f.learn.0)).collect();
    let mut states: Vec<Mat<T>> = vec![Mat::zeros(0, 0); folds.len()];
    let (mut table, mut best, mut worse) = (Vec::new(), 0, 0);
    let (mut variances, mut losses) = (Vec::new(), Vec::new());
    for &lambda in &o.grid {
        let scored: Result<Vec<Held>, TrainError> = folds
            .par_iter()
            .zip(&designs)
            .zip(&mut states)
            .map(|((fold, design), state)| {
                let problem = Problem::new(design, &fold.learn.1, None, lambda, 1.0)?;
                let start = match state.rows() {
                    0 => Mat::zeros(design.cols(), problem.lanes()),
                    _ => std::mem::replace(state, Mat::zeros(0, 0)),
                };
                let minimum = problem.minimise(1.0, start, Tolerance::relative(o.tolerance));
                let model = to_model(problem.family(), &minimum.point.theta);
                *state = to_panel(&model);
                Ok(held_out(&model, fold))
            })
            .collect();
        let held = Held::join(scored?);
        variances.push(held.variance());
        table.push(PriorScore { lambda, gain_bits: held.gain_bits(target), se_bits: 0.0 });
        losses.push(held.losses);
        let last = table.len() - 1;
        if table[last].gain_bits > table[best].gain_bits || last == 0 {
            (best, worse) = (last, 0);
        } else {
            worse += 1;
            if worse == 2 {
                break;
            }
        }
    }
    let unit = match target {
        Target::Classes { .. } => 1.0,
        Target::Numbers(_) => 2.0 * variances[best] * std::f64::consts::LN_2,
    };
    for (row, of_row) in table.iter_mut().zip(&losses) {
        row.se_bits = paired_error(of_row, &losses[best]) / unit;
    }
    let near = |row: &PriorScore| table[best].gain_bits - row.gain_bits <= row.se_bits;
    let chosen = table[..best].iter().position(near).unwrap_or(best);
    let noise_variance = match target {
        Target::Classes { .. } => 1.0,
        Target::Numbers(_) => variances[chosen],
    };
    if let Target::Numbers(_) = target {
        table.iter_mut().zip(&variances).for_each(|(row, variance)| row.lambda /= variance);
    }
    Ok(CrossValidation { lambda: table[chosen].lambda, noise_variance, table, records: sample.len() })
}

/// Standard error of the mean difference of two lists.
fn paired_error(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let mean = a.iter().zip(b).map(|(a, b)| a - b).sum::<f64>() / n;
    let square: f64 = a.iter().zip(b).map(|(a, b)| (a - b - mean) * (a - b - mean)).sum();
    if a.len() < 2 { 0.0 } else { (square / (n - 1.0) / n).sqrt() }
}

/// Variance of the noise that is assumed at least, the label's variance being 1: a perfect fit would else claim
/// infinitely many bits.
const SMALLEST_VARIANCE: f64 = 1e-6;

/// Held-out records under models that did not see them.
struct Held {
    /// Minus the gain in bits of each record; for numbers the square of its error.
    losses: Vec<f64>,
    /// For numbers, the sum of squares under the base.
    base_square: f64,
}

impl Held {
    fn join(parts: Vec<Self>) -> Self {
        let base_square = parts.iter().map(|part| part.base_square).sum();
        Self { losses: parts.into_iter().flat_map(|part| part.losses).collect(), base_square }
    }

    /// Mean square of the errors, for numbers.
    fn variance(&self) -> f64 {
        (self.losses.iter().sum::<f64>() / self.losses.len() as f64).max(SMALLEST_VARIANCE)
    }

    /// Mean gain over the base; for numbers, of two normals of the same variance, the model's mean square error.
    fn gain_bits(&self, target: &Target) -> f64 {
        let (sum, records) = (self.losses.iter().sum::<f64>(), self.losses.len() as f64);
        match target {
            Target::Classes { .. } => -sum / records,
            Target::Numbers(_) => {
                (self.base_square - sum) / records / (2.0 * self.variance() * std::f64::consts::LN_2)
            }
        }
    }
}

fn held_out(model: &crate::model::Model, fold: &Fold) -> Held {
    let (features, target) = &fold.score;
    match target {
        Target::Classes { .. } => {
            let losses = model.gain_bits(features, target).into_iter().map(|bits| -bits).collect();
            Held { losses, base_square: 0.0 }
        }
        Target::Numbers(numbers) => {
            let means = model.scores(features);
            let losses = numbers.iter().zip(means.data()).map(|(y, m)| (y - m) * (y - m)).collect();
            Held { losses, base_square: numbers.iter().map(|y| y * y).sum() }
        }
    }
}

fn deal(features: &Features, target: &Target, folds: usize, sample: &[usize]) -> Vec<Fold> {
    let folds = folds.clamp(2, sample.len());
    (0..folds)
        .map(|f| {
            let part = |inside: bool| {
                let chosen: Vec<usize> = sample
                    .iter()
                    .enumerate()
                    .filter(|(k, _)| (k % folds == f) == inside)
                    .map(|(_, &i)| i)
                    .collect();
                (features.select(&chosen), target.select(&chosen))
            };
            Fold { learn: part(false), score: part(true) }
        })
        .collect()
}

/// `take` of the numbers below `n`, in random order (Fisher and Yates).
pub fn shuffled(n: usize, seed: u64, take: usize) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..n).collect();
    let take = take.min(n);
    for k in 0..take {
        // The high half of a 128-bit product is uniform up to a bias of n / 2^64.
        let offset = (u128::from(random.next_u64()) * (n - k) as u128) >> 64;
        order.swap(k, k + offset as usize);
    }
    order.truncate(take);
    order
}
