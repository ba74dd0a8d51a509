//! What becomes of answers when records go: the model is trained again.

use assay_kernels::{Mat, Real};
use assay_learn::data::{Features, Target};
use assay_learn::model::Family;
use assay_learn::retrain::{Ask, RetrainOptions, Retrainer};
use assay_learn::train::{Tolerance, design};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::{AnswerError, AnswerOptions};
use crate::Examples;

/// log2 p(answer | query) under `count` models trained anew: models x queries. `weigh` gets the number of the model and
/// the weights of all records, to change; `level` is about the share of the weight that it leaves.
///
/// # Errors
/// When records, queries and options do not go together.
pub fn retrained_bits(
    train: Examples<'_>,
    (queries, answers): (&Features, &Target),
    (count, level): (usize, f64),
    weigh: &(dyn Fn(usize, &mut [f64]) + Sync),
    options: &AnswerOptions<'_>,
) -> Result<Mat<f64>, AnswerError> {
    let noise = options.noise_variance;
    let family = Family::of(train.target, noise);
    if family != Family::of(answers, noise) || train.features.cols() != queries.cols() {
        return Err(AnswerError::Mismatch);
    }
    let models = Models { train, asked: (queries, answers), count, level, options };
    if options.precision.is_double(train.features, family.outputs()) {
        models.bits::<f64>(weigh)
    } else {
        models.bits::<f32>(weigh)
    }
}

/// Bits of log2 p(answer | query) that are lost when the records named for that query go and the model is trained
/// again without them.
///
/// # Errors
/// As [`retrained_bits`].
///
/// # Panics
/// When there is not one list of records a query, each of them a record.
pub fn lost_without(
    train: Examples<'_>,
    (queries, answers): (&Features, &Target),
    named: &[Vec<usize>],
    options: &AnswerOptions<'_>,
) -> Result<Vec<f64>, AnswerError> {
    assert_eq!(named.len(), queries.rows(), "one list a query");
    let without = |k: usize, weights: &mut [f64]| {
        // The last leaves nobody out.
        named.get(k).into_iter().flatten().for_each(|&i| weights[i] = 0.0);
    };
    let bits = retrained_bits(train, (queries, answers), (named.len() + 1, 1.0), &without, options)?;
    Ok((0..named.len()).map(|q| bits.row(named.len())[q] - bits.row(q)[q]).collect())
}

/// Random halves of `records` records; true is in.
pub fn half_subsets(records: usize, count: usize, seed: u64) -> Vec<Vec<bool>> {
    let mut draw = ChaCha8Rng::seed_from_u64(seed);
    let mut subset = |_| {
        let mut order: Vec<usize> = (0..records).collect();
        let mut chosen = vec![false; records];
        for k in 0..records / 2 {
            order.swap(k, k + (draw.next_u64() % (records - k) as u64) as usize);
            chosen[order[k]] = true;
        }
        chosen
    };
    (0..count).map(&mut subset).collect()
}

struct Models<'a> {
    train: Examples<'a>,
    asked: (&'a Features, &'a Target),
    count: usize,
    level: f64,
    options: &'a AnswerOptions<'a>,
}

impl Models<'_> {
    fn bits<T: Real>(&self, weigh: &(dyn Fn(usize, &mut [f64]) + Sync)) -> Result<Mat<f64>, AnswerError> {
        let o = self.options;
        let (records, queries) = (design::<T>(self.train.features), design::<T>(self.asked.0));
        // A thousandth of what leaving the records out does to the gradient.
        let exact = Tolerance::relative(if size_of::<T>() == 4 { 1e-5 } else { 1e-8 });
        let options = RetrainOptions {
            lambda: o.lambda,
            noise_variance: o.noise_variance,
            weights: o.weights,
            levels: &[self.level],
            tolerance: Tolerance { of_start: 1e-3, ..exact },
        };
        let mut retrainer =
            Retrainer::new(&records, self.train.target, &options, None).map_err(AnswerError::Train)?;
        let each = Ask { each: true, ..Ask::default() };
        retrainer.score_on(&queries, self.asked.1, each).map_err(AnswerError::Queries)?;
        let retrained = retrainer.each(self.count, weigh, &|_| {});
        let mut out = Mat::zeros(self.count, queries.rows());
        for (k, model) in retrained.iter().enumerate() {
            let bits = model.scores[0].losses_nats.iter().map(|nats| -nats / std::f64::consts::LN_2);
            out.row_mut(k).iter_mut().zip(bits).for_each(|(o, b)| *o = b);
        }
        Ok(out)
    }
}
