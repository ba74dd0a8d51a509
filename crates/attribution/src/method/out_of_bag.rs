//! Data-OOB.

use assay_kernels::Real;
use assay_learn::data::Target;
use assay_learn::model::Family;
use assay_learn::train::{Point, Precision, Tolerance};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use super::linear::{Linear, minimum, same_kind};
use super::{Cached, Method, Setting, Unit, Values};
use crate::path::ValueError;
use crate::{Examples, OnProgress, Progress, ValueFold};

/// How often models of bootstrap samples answer a record rightly that they have not seen (Kwon and Zou, ICML 2023,
/// arXiv 2304.07718). Classes: the share of right answers, unit Accuracy; numbers: minus the squared error, unit
/// Score. Samples are the bootstraps that leave the record out, about 37%.
///
/// One warm-started fit of a linear model a bootstrap. It asks how well the other records predict this one, and reads
/// no benchmark: a wrong label shows, what a record is useful for does not, and copies vouch for each other.
#[derive(Clone, Copy, Debug)]
pub struct OutOfBag {
    /// Bootstrap samples.
    pub bootstraps: usize,
    /// Gradient norm of each fit, relative to that at its start.
    pub tolerance: f64,
    /// Number type.
    pub precision: Precision,
}

impl Default for OutOfBag {
    fn default() -> Self {
        Self { bootstraps: 200, tolerance: 0.03, precision: Precision::Single }
    }
}

/// How often each of `rows` records is in bootstrap sample `number`: each has a random stream of its own.
pub fn bootstrap(rows: usize, seed: u64, number: u64) -> Vec<u32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number);
    let mut counts = vec![0; rows];
    for _ in 0..rows {
        // The high half of a 128-bit product is uniform up to a bias of rows / 2^64.
        counts[((u128::from(random.next_u64()) * rows as u128) >> 64) as usize] += 1;
    }
    counts
}

struct Bags<'a> {
    train: Examples<'a>,
    values: Values,
}

impl Method for OutOfBag {
    fn name(&self) -> &'static str {
        "out-of-bag"
    }

    fn reads_benchmark(&self) -> bool {
        false
    }

    fn cache<'a>(
        &self,
        train: Examples<'a>,
        setting: &Setting<'a>,
        on_progress: OnProgress<'_>,
    ) -> Result<Box<dyn Cached + 'a>, ValueError> {
        let outputs = Family::of(train.target, 1.0).outputs();
        let values = if self.precision.is_double(train.features, outputs) {
            self.values::<f64>(train, setting, on_progress)?
        } else {
            self.values::<f32>(train, setting, on_progress)?
        };
        Ok(Box::new(Bags { train, values }))
    }
}

/// Bootstraps under way at once: bounds memory, whatever the number of threads.
const WAVE: usize = 32;

impl OutOfBag {
    fn values<T: Real>(
        &self,
        train: Examples<'_>,
        setting: &Setting<'_>,
        on_progress: OnProgress<'_>,
    ) -> Result<Values, ValueError> {
        let linear = Linear::<T>::new(train, setting);
        let problem = linear.problem()?;
        let start = minimum(&problem, 1.0);
        let rows = train.target.len();
        let unit = match train.target {
            Target::Classes { .. } => Unit::Accuracy,
            Target::Numbers(_) => Unit::Score,
        };
        let mut values = Values::empty(unit, rows);
        let tolerance = Tolerance { of_start: self.tolerance, ..Tolerance::relative(0.0) };
        let fit = |number: usize| {
            let counts = bootstrap(rows, setting.seed, number as u64);
            let weights = problem.weights().iter().zip(&counts).map(|(w, &c)| w * f64::from(c)).collect();
            let minimum = problem.with_weights(weights).minimise(1.0, start.theta.clone(), tolerance);
            let unseen = (0..rows).filter(|&i| counts[i] == 0);
            unseen.map(|i| (i, answered(&minimum.point, train.target, i))).collect::<Vec<_>>()
        };
        for from in (0..self.bootstraps).step_by(WAVE) {
            let to = (from + WAVE).min(self.bootstraps);
            let wave: Vec<Vec<(usize, f64)>> = (from..to).into_par_iter().map(fit).collect();
            wave.into_iter().flatten().for_each(|(i, score)| values.push(i, score));
            on_progress(Progress { stage: "bootstraps", done: to, total: self.bootstraps });
        }
        Ok(values)
    }
}

/// How well a model answers record `i`.
fn answered<T: Real>(point: &Point<T>, target: &Target, i: usize) -> f64 {
    let fitted = point.fitted.row(i);
    match target {
        Target::Numbers(numbers) => -(fitted[0].f64() - numbers[i]).powi(2),
        Target::Classes { labels, count } => {
            let y = labels[i] as usize;
            // The first of equals is the prediction.
            let right = fitted[..y].iter().all(|p| *p < fitted[y])
                && fitted[y + 1..*count].iter().all(|p| *p <= fitted[y]);
            f64::from(u8::from(right))
        }
    }
}

impl Cached for Bags<'_> {
    fn attribute(&self, benchmark: ValueFold<'_>, _: OnProgress<'_>) -> Result<Values, ValueError> {
        same_kind(self.train, benchmark.examples())?;
        Ok(self.values.clone())
    }
}
