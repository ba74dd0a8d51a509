//! Estimators of value behind one trait: [`Method::cache`] does what needs the records only, [`Cached::attribute`]
//! values them against one value fold.
//!
//! The path (`crate::path`) is the rule of pay; the others stand beside it, so that a charter can choose and a reader
//! compare. What they measure differs, and each says so: most give bits of the benchmark that a record adds in some
//! sense, some only a score that ranks.

mod banzhaf;
mod control;
mod game;
mod group;
mod influence;
mod knn;
mod leave_one_out;
mod linear;
mod out_of_bag;
mod path;
mod projection;
mod shapley;
mod training_loss;

pub use banzhaf::Banzhaf;
pub use game::{Dealt, GameOptions, Utility};
pub use group::{faithful_shapley, group_banzhaf, group_shapley, group_values};
pub use influence::Influence;
pub use knn::KnnShapley;
pub use leave_one_out::LeaveOneOut;
pub use out_of_bag::{OutOfBag, bootstrap};
pub use path::Path;
pub use projection::{Entries, Projection};
pub use shapley::Shapley;
pub use training_loss::TrainingLoss;

use assay_kernels::Mat;

use crate::path::ValueError;
use crate::{Examples, OnProgress, ValueFold};

type Make = fn() -> Box<dyn Method>;

/// All methods by the names that `--method` and charters use.
const METHODS: &[(&str, Make)] = &[
    ("path", || Box::new(Path::default())),
    ("influence", || Box::new(Influence::OPTIMUM)),
    ("influence-centred", || Box::new(Influence::CENTRED)),
    ("knn-shapley", || Box::new(KnnShapley::default())),
    ("out-of-bag", || Box::new(OutOfBag::default())),
    ("training-loss", || Box::new(TrainingLoss::default())),
    ("projection", || Box::new(Projection::default())),
    ("leave-one-out", || Box::new(LeaveOneOut::default())),
    ("shapley", || Box::new(Shapley::default())),
    ("banzhaf", || Box::new(Banzhaf::default())),
];

/// The names of all methods.
pub const NAMES: [&str; METHODS.len()] = {
    let mut names = [""; METHODS.len()];
    let mut k = 0;
    while k < names.len() {
        names[k] = METHODS[k].0;
        k += 1;
    }
    names
};

/// The method of that name, with its usual options.
pub fn by_name(name: &str) -> Option<Box<dyn Method>> {
    METHODS.iter().find(|(known, _)| *known == name).map(|(_, make)| make())
}

/// What a model and its records are, the same for every method.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Precision of the prior.
    pub lambda: f64,
    /// Variance of the noise; read for numbers only.
    pub noise_variance: f64,
    /// Weight of each record; `None` is 1 for all.
    pub weights: Option<&'a [f64]>,
    /// Decides all that is drawn.
    pub seed: u64,
}

/// What the numbers of a method are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bits per benchmark example.
    Bits,
    /// Share of benchmark examples answered rightly.
    Accuracy,
    /// A score that only ranks; higher is better.
    Score,
}

/// Estimates of the values of all records: for each a mean over samples, which are benchmark examples, retrained
/// coalitions or bootstraps, as the method says.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// What the numbers are.
    pub unit: Unit,
    /// Mean over the samples of each record.
    pub mean: Vec<f64>,
    /// Sum of squared deviations of the samples from their mean.
    pub squares: Vec<f64>,
    /// Samples behind each mean.
    pub count: Vec<u64>,
}

impl Values {
    /// No samples yet.
    pub fn empty(unit: Unit, records: usize) -> Self {
        Self { unit, mean: vec![0.0; records], squares: vec![0.0; records], count: vec![0; records] }
    }

    /// One more sample of record `i` (Welford, Technometrics 4, 1962).
    ///
    /// # Panics
    /// When there is no such record.
    pub fn push(&mut self, i: usize, sample: f64) {
        self.count[i] += 1;
        let away = sample - self.mean[i];
        self.mean[i] += away / self.count[i] as f64;
        self.squares[i] += away * (sample - self.mean[i]);
    }

    /// Adds the samples of another estimate of the same records: the result is what all samples together give, but
    /// for rounding (Chan, Golub and LeVeque, The American Statistician 37, 1983).
    ///
    /// # Panics
    /// When the numbers of records or the units differ.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!((self.unit, self.mean.len()), (other.unit, other.mean.len()), "values of one kind");
        for i in 0..self.mean.len() {
            let (a, b) = (self.count[i] as f64, other.count[i] as f64);
            if other.count[i] == 0 {
                continue;
            }
            let away = other.mean[i] - self.mean[i];
            self.count[i] += other.count[i];
            self.mean[i] += away * b / (a + b);
            self.squares[i] += other.squares[i] + away * away * a * b / (a + b);
        }
    }

    /// Variance of the mean of record `i`; NaN with fewer than two samples.
    ///
    /// # Panics
    /// When there is no such record.
    pub fn variance(&self, i: usize) -> f64 {
        let n = self.count[i] as f64;
        if self.count[i] < 2 { f64::NAN } else { self.squares[i] / (n * (n - 1.0)) }
    }
}

/// An estimator of value.
pub trait Method: Sync {
    /// The name that `--method` and charters use: lower case and hyphens.
    fn name(&self) -> &'static str;

    /// False when the values are the same whatever the benchmark.
    fn reads_benchmark(&self) -> bool {
        true
    }

    /// Does what does not depend on the benchmark.
    ///
    /// # Errors
    /// When the records and the setting do not go together.
    fn cache<'a>(
        &self,
        train: Examples<'a>,
        setting: &Setting<'a>,
        on_progress: OnProgress<'_>,
    ) -> Result<Box<dyn Cached + 'a>, ValueError>;
}

/// A method that has seen the records.
pub trait Cached {
    /// Values every record against a value fold.
    ///
    /// # Errors
    /// When the fold has other features, classes or task than the records.
    fn attribute(&self, benchmark: ValueFold<'_>, on_progress: OnProgress<'_>) -> Result<Values, ValueError>;

    /// Values against each benchmark example by itself, records x examples, where the method has them.
    ///
    /// # Errors
    /// As [`Cached::attribute`].
    fn matrix(
        &self,
        benchmark: ValueFold<'_>,
        on_progress: OnProgress<'_>,
    ) -> Result<Option<Mat<f64>>, ValueError> {
        let _ = (benchmark, on_progress);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn merged_parts_are_the_whole(samples in prop::collection::vec(-1e3..1e3_f64, 2..40), cut in 0..40_usize) {
            let of = |part: &[f64]| {
                let mut v = Values::empty(Unit::Bits, 1);
                part.iter().for_each(|&x| v.push(0, x));
                v
            };
            let cut = cut.min(samples.len());
            let mut merged = of(&samples[..cut]);
            merged.merge(&of(&samples[cut..]));
            let n = samples.len() as f64;
            let mean = samples.iter().sum::<f64>() / n;
            let spread: f64 = samples.iter().map(|x| (x - mean) * (x - mean)).sum();
            prop_assert_eq!(merged.count[0], samples.len() as u64);
            prop_assert!((merged.mean[0] - mean).abs() < 1e-9);
            prop_assert!((merged.variance(0) - spread / (n * (n - 1.0))).abs() < 1e-6);
        }
    }
}
