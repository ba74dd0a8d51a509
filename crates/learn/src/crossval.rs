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
    /// Gradient norm to reach in each fit; scores need no more.
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
            tolerance: 3e-3,
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
}

/// The choice and what it rests on.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CrossValidation {
    /// Precision of the prior with the best score.
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
    let mut variances = Vec::new();
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
        let held = Held::sum(&scored?);
        variances.push(held.square / held.records);
        table.push(PriorScore { lambda, gain_bits: held.gain_bits(target) });
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
    let noise_variance = match target {
        Target::Classes { .. } => 1.0,
        Target::Numbers(_) => variances[best].max(SMALLEST_VARIANCE),
    };
    if let Target::Numbers(_) = target {
        for (row, variance) in table.iter_mut().zip(&variances) {
            row.lambda /= variance.max(SMALLEST_VARIANCE);
        }
    }
    Ok(CrossValidation { lambda: table[best].lambda, noise_variance, table, records: sample.len() })
}

/// Variance of the noise that is assumed at least, the label's variance being 1: a perfect fit would else claim
/// infinitely many bits.
const SMALLEST_VARIANCE: f64 = 1e-6;

/// Sums over held-out records.
#[derive(Clone, Copy, Default)]
struct Held {
    records: f64,
    bits: f64,
    square: f64,
    base_square: f64,
}

impl Held {
    fn sum(parts: &[Self]) -> Self {
        parts.iter().fold(Self::default(), |a, b| Self {
            records: a.records + b.records,
            bits: a.bits + b.bits,
            square: a.square + b.square,
            base_square: a.base_square + b.base_square,
        })
    }

    /// Mean gain over the base; for numbers, of two normals of the same variance, the model's mean square error.
    fn gain_bits(&self, target: &Target) -> f64 {
        match target {
            Target::Classes { .. } => self.bits / self.records,
            Target::Numbers(_) => {
                let variance = (self.square / self.records).max(SMALLEST_VARIANCE);
                (self.base_square - self.square) / self.records / (2.0 * variance * std::f64::consts::LN_2)
            }
        }
    }
}

fn held_out(model: &crate::model::Model, fold: &Fold) -> Held {
    let (features, target) = &fold.score;
    let bits = model.gain_bits(features, target).iter().sum();
    let (square, base_square) = match target {
        Target::Classes { .. } => (0.0, 0.0),
        Target::Numbers(numbers) => {
            let means = model.scores(features);
            let square = numbers.iter().zip(means.data()).map(|(y, m)| (y - m) * (y - m)).sum();
            (square, numbers.iter().map(|y| y * y).sum())
        }
    };
    Held { records: target.len() as f64, bits, square, base_square }
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
