//! Which records an answer would miss most: several namings are tried, the model trained again without each of them.
//!
//! Who shapes an answer by the path is not quite who is missed most: records that stand in for each other are missed little
//! one by one and much together. So the records named first, and those of most influence on the answer at the model and at
//! the model of half of all weights, are each taken out together, and the model is trained again. Without those that are
//! missed most, what each record, in or out, would add to the answer then names others; as long as these are missed more,
//! the look is repeated. What is named last was really taken out, so that it is known what it is worth.

use assay_kernels::cg::{self, Stop};
use assay_kernels::{Mat, Real};
use assay_learn::data::{Features, Target};
use assay_learn::model::Family;
use assay_learn::train::{Problem, Tolerance, design};
use rayon::prelude::*;

use super::{AnswerError, AnswerOptions, query_gradients, top};
use crate::Examples;
use crate::path::record_products;

/// Records that an answer misses, as found by training without them.
#[derive(Clone, Debug, PartialEq)]
pub struct Missed {
    /// Their indexes; those that add most where the others are gone first.
    pub records: Vec<usize>,
    /// Bits of log2 p(answer | query) lost without all of them, to the tolerance of the training.
    pub lost_bits: f64,
}

/// Namings that are tried beside the first ones, as long as they are better than all before.
const LOOKS: usize = 3;

/// Trainings that an answer takes at most.
pub const TRAININGS: usize = 3 + LOOKS;

/// Names records for each query: as many as `first` has for it, and such that the answer loses at least as many bits without
/// them as without those.
///
/// # Errors
/// When records, queries and options do not go together.
///
/// # Panics
/// When there is not one list of records a query, each of them a record.
pub fn most_missed(
    train: Examples<'_>,
    (queries, answers): (&Features, &Target),
    first: &[Vec<usize>],
    options: &AnswerOptions<'_>,
) -> Result<Vec<Missed>, AnswerError> {
    assert_eq!(first.len(), queries.rows(), "one list a query");
    let noise = options.noise_variance;
    let family = Family::of(train.target, noise);
    if family != Family::of(answers, noise) || train.features.cols() != queries.cols() {
        return Err(AnswerError::Mismatch);
    }
    let asked = (queries, answers);
    if options.precision.is_double(train.features, family.outputs()) {
        by_looking::<f64>(train, asked, first, options)
    } else {
        by_looking::<f32>(train, asked, first, options)
    }
}

fn by_looking<T: Real>(
    train: Examples<'_>,
    (queries, answers): (&Features, &Target),
    first: &[Vec<usize>],
    o: &AnswerOptions<'_>,
) -> Result<Vec<Missed>, AnswerError> {
    let records = design::<T>(train.features);
    let problem = Problem::new(&records, train.target, o.weights, o.lambda, o.noise_variance)
        .map_err(AnswerError::Train)?;
    let base = Mat::zeros(records.cols(), problem.lanes());
    let half = problem.minimise(0.5, base, NEAR).point.theta;
    let full = problem.minimise(1.0, half.clone(), NEAR).point.theta;
    let one = |(q, first): (usize, &Vec<usize>)| {
        let (features, answer) = (queries.select(&[q]), answers.select(&[q]));
        let design = design::<T>(&features);
        let asked =
            Problem::new(&design, &answer, None, o.lambda, o.noise_variance).map_err(AnswerError::Queries)?;
        let question = Question { records: &problem, full: &full, asked: &asked, features: &features };
        Ok(question.most_missed(first, &half))
    };
    first.par_iter().enumerate().map(one).collect()
}

/// How well models are trained, and systems solved.
const NEAR: Tolerance = Tolerance { gradient: 1e-5, of_start: 0.0, steps: 200 };
const STOP: Stop = Stop { tolerance: 1e-3, iterations: 1_000 };

struct Question<'a, 'd, T> {
    records: &'a Problem<'d, T>,
    full: &'a Mat<T>,
    asked: &'a Problem<'d, T>,
    features: &'a Features,
}

/// Records taken out, and the weights without them.
struct Without<T> {
    found: Missed,
    theta: Mat<T>,
}

impl<T: Real> Question<'_, '_, T> {
    fn most_missed(&self, first: &[usize], half: &Mat<T>) -> Missed {
        let everyone = self.records.weights().to_vec();
        let halved = everyone.iter().map(|w| 0.5 * w).collect();
        let mut best = self.without(first.to_vec(), self.full);
        for (weights, theta) in [(everyone, self.full), (halved, half)] {
            let named = self.named(weights, theta, first.len());
            best = self.better(best, named);
        }
        for _ in 0..LOOKS {
            let named = self.named(self.weights_without(&best.found.records), &best.theta, first.len());
            let lost_before = best.found.lost_bits;
            best = self.better(best, named);
            if best.found.lost_bits <= lost_before {
                break;
            }
        }
        best.found
    }

    /// The better of two namings.
    fn better(&self, best: Without<T>, named: Vec<usize>) -> Without<T> {
        if named.iter().all(|i| best.found.records.contains(i)) {
            return best;
        }
        let other = self.without(named, &best.theta);
        if other.found.lost_bits > best.found.lost_bits { other } else { best }
    }

    fn weights_without(&self, named: &[usize]) -> Vec<f64> {
        let mut weights = self.records.weights().to_vec();
        named.iter().for_each(|&i| weights[i] = 0.0);
        weights
    }

    /// Trains without the named, starting from some weights.
    fn without(&self, named: Vec<usize>, from: &Mat<T>) -> Without<T> {
        let problem = self.records.with_weights(self.weights_without(&named));
        let theta = problem.minimise(1.0, from.clone(), NEAR).point.theta;
        let nats = |theta: &Mat<T>| self.asked.at(theta.clone()).loss_nats[0];
        let lost_bits = (nats(&theta) - nats(self.full)) / std::f64::consts::LN_2;
        Without { found: Missed { records: named, lost_bits }, theta }
    }

    /// The `count` records the whole weight of which adds most to the answer, to first order, under the model of these
    /// weights.
    fn named(&self, weights: Vec<f64>, theta: &Mat<T>, count: usize) -> Vec<usize> {
        let problem = self.records.with_weights(weights);
        let answer = self.asked.residuals(-1.0 / std::f64::consts::LN_2, &self.asked.at(theta.clone()));
        let right = query_gradients(self.features, &answer, 0..1);
        let point = problem.at(theta.clone());
        let mut solution = Mat::zeros(right.rows(), right.cols());
        cg::solve(&mut problem.curvature(1.0, &point), &right, &mut solution, problem.lanes(), true, STOP);
        let residuals = self.records.residuals(-1.0, &point);
        let bits = record_products(problem.design(), &solution, &residuals);
        top(bits.data(), |_| true, count).records
    }
}
