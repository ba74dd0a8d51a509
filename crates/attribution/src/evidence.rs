//! Pooling evidence: whose records are wrong, what to train on, which records people should look at first.
//!
//! A single value is noisy, and honest hard records look bad alone; so evidence is pooled by contributor.
//!
//! 1. **Held-out predictions.** Models that saw neither a record nor anything else of its contributor (nor of its
//!    cluster) say what its label should be; made credible on the value fold (`calibrate`), adapted to what the contributor
//!    usually sends (`frequency`).
//! 2. **A model of wrong records** (`noise`): each contributor has a share of wrong records, which may change from batch to
//!    batch (`batches`), with a prior learned from all contributors; habits of mislabelling; records without content, known by being unlike every row of the value fold
//!    (`content`) and by how little is foretold of them. The models are then fitted again with every record
//!    weighted by the probability that it is right, and so on until little changes.
//! 3. **Value** (`pool`): contributors' values with the benchmark's noise, shrunk towards each other.
//! 4. **Curation** (`curate`): several ways to leave records out are trained and scored on the value fold; one replaces
//!    "keep all" only if it is better by more than a standard error. Whoever would be left out for the most part is put
//!    back if the models hardly know what they sent and the value fold misses them.
//!
//! What rests on the value fold must be reported on the other: all scores here are of the fold that chose.

mod batches;
mod calibrate;
mod content;
mod crossfit;
mod curate;
mod frequency;
mod noise;
mod pool;

use assay_learn::data::Target;
use assay_learn::model::Family;
use assay_learn::train::{Precision, TrainError};

use crate::{Examples, OnProgress, Progress, Valuation, ValueFold};
use calibrate::Predictions;
use content::Nearness;
use crossfit::{CrossFit, HeldOut};
pub use curate::{Choice, Curation, Trial, fit_to_fold};
use noise::{Answers, Noise, Order};
pub use pool::{ContributorEvidence, Decision, Estimate, Reason, Review};

/// Who sent what.
#[derive(Clone, Copy, Debug)]
pub struct Community<'a> {
    /// Contributor of each record, below `count`.
    pub contributors: &'a [u32],
    /// Number of contributors.
    pub count: usize,
    /// Cluster of like records that each record is in, if known: evidence on a record never comes from its cluster.
    pub clusters: Option<&'a [u32]>,
    /// Place of each record in the order of arrival, if known: who came to send worse or better is judged batch by batch.
    pub arrivals: Option<&'a [u64]>,
}

/// How evidence is gathered.
#[derive(Clone, Debug)]
pub struct EvidenceOptions {
    /// Precision of the prior, as chosen by cross-validation on all records; a starting point only, since wrong
    /// labels ask for a stronger prior than right ones.
    pub lambda: f64,
    /// Variance of the noise; read for numbers only.
    pub noise_variance: f64,
    /// Folds of contributors, at least 2.
    pub folds: usize,
    /// Times that models and wrong shares are found in turn at most, at least 1; fewer where little changes.
    pub rounds: usize,
    /// Number type of the solver.
    pub precision: Precision,
}

impl Default for EvidenceOptions {
    fn default() -> Self {
        Self { lambda: 1.0, noise_variance: 1.0, folds: 5, rounds: 8, precision: Precision::Auto }
    }
}

/// Mean change of the records' weights that ends the rounds.
const SETTLED: f64 = 0.01;

/// Why there is no evidence.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EvidenceError {
    /// Records or options that nothing can be fitted to.
    #[error("the records cannot be used: {0}")]
    Train(#[from] TrainError),
    /// The value fold has other features, classes or task than the records, or no row.
    #[error("the value fold has no rows, or other features, classes or task than the training records")]
    Mismatch,
    /// Something is not there once for each record.
    #[error("{what} must be given once for each record, below its count")]
    Length {
        /// What.
        what: &'static str,
    },
    /// Too few folds or rounds.
    #[error("evidence needs at least two folds and one round")]
    Options,
}

/// What is known of records and contributors.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Probability that each record is wrong: another label than its true one, or no content.
    pub wrong: Vec<f64>,
    /// Value of each record, shrunk towards that of its contributor's records, bits.
    pub values: Vec<Estimate>,
    /// By contributor; those without records say so.
    pub contributors: Vec<ContributorEvidence>,
    /// Records in the order that people should look at them, the most bits a look first; those that a look cannot
    /// change are left out.
    pub review: Vec<Review>,
    /// What to train on, and what it gains.
    pub curation: Curation,
}

/// Gathers all evidence. `valuation` is that of the same records against the same value fold.
///
/// # Errors
/// When records, fold, valuation, community and options do not go together.
pub fn gather(
    train: Examples<'_>,
    fold: ValueFold<'_>,
    valuation: &Valuation,
    community: &Community<'_>,
    options: &EvidenceOptions,
    on_progress: OnProgress<'_>,
) -> Result<Evidence, EvidenceError> {
    let value = fold.examples();
    check(train, value, valuation, community, options)?;
    let steps = options.rounds + 1;
    let at = |done| on_progress(Progress { stage: "evidence", done, total: steps });
    let mut members = vec![Vec::new(); community.count];
    community.contributors.iter().enumerate().for_each(|(i, &c)| members[c as usize].push(i));
    if let Some(arrivals) = community.arrivals {
        members.iter_mut().for_each(|rows| rows.sort_by_key(|&i| arrivals[i]));
    }
    let fold_of = crossfit::deal(train, community, options.folds);
    let mut judge = Judge {
        train,
        value,
        cross: CrossFit::new(train, value, community, &fold_of, options),
        near: Nearness::new(train.features, value.features),
        fold_of: &fold_of,
        members: &members,
        order: if community.arrivals.is_some() { Order::Arrival } else { Order::Unknown },
    };
    let bench = curate::Bench { train, value, options };
    let mut weights = vec![1.0; fold_of.len()];
    let tuned = bench.walk(&weights, options.lambda, &valuation.model)?;
    at(0);
    let mut noise = judge.round(&weights, tuned.lambda)?;
    let mut prior = tuned.clone();
    for round in 1..=options.rounds {
        let next: Vec<f64> = noise.wrong.iter().map(|w| 1.0 - w).collect();
        let moved: f64 = next.iter().zip(&weights).map(|(a, b)| (a - b).abs()).sum();
        weights = next;
        prior = bench.walk(&weights, prior.lambda, &prior.model)?;
        at(round);
        if moved < SETTLED * weights.len() as f64 {
            break;
        }
        if round < options.rounds {
            noise = judge.round(&weights, prior.lambda)?;
        }
    }
    let everything = curate::Everything { model: &valuation.model, tuned };
    let (curation, needed) = curate::choose(bench, &noise, &members, &prior, everything)?;
    let contributors = pool::contributors(valuation, community, &noise, &members, &needed);
    let values = pool::records(valuation, community, &contributors);
    let review = pool::review(&valuation.marginal_bits, &noise.wrong, &curation.weights);
    at(steps);
    Ok(Evidence { wrong: noise.wrong, values, contributors, review, curation })
}

fn check(
    train: Examples<'_>,
    value: Examples<'_>,
    valuation: &Valuation,
    community: &Community<'_>,
    o: &EvidenceOptions,
) -> Result<(), EvidenceError> {
    let rows = train.features.rows();
    let one_each = |what, given: bool| if given { Ok(()) } else { Err(EvidenceError::Length { what }) };
    let within = community.contributors.iter().all(|&c| (c as usize) < community.count);
    one_each("a contributor", within && community.contributors.len() == rows)?;
    one_each("a cluster", community.clusters.is_none_or(|c| c.len() == rows))?;
    one_each("a place of arrival", community.arrivals.is_none_or(|a| a.len() == rows))?;
    one_each("a value", valuation.value_bits.len() == rows && valuation.marginal_bits.len() == rows)?;
    one_each("an answer", train.target.len() == rows && value.target.len() == value.features.rows())?;
    let same_task = Family::of(train.target, 1.0) == Family::of(value.target, 1.0);
    if !same_task || train.features.cols() != value.features.cols() || value.target.is_empty() {
        return Err(EvidenceError::Mismatch);
    }
    for target in [train.target, value.target] {
        if let Target::Classes { labels, count } = target
            && let Some(row) = labels.iter().position(|&y| y as usize >= *count || *count < 2)
        {
            return Err(TrainError::Class { row, label: labels[row], classes: *count }.into());
        }
    }
    if rows == 0 {
        return Err(TrainError::Empty.into());
    }
    if o.folds < 2 || o.rounds == 0 { Err(EvidenceError::Options) } else { Ok(()) }
}

/// What a round of judging needs.
struct Judge<'a> {
    train: Examples<'a>,
    value: Examples<'a>,
    cross: CrossFit<'a>,
    near: Nearness,
    fold_of: &'a [u32],
    members: &'a [Vec<usize>],
    order: Order,
}

impl Judge<'_> {
    /// Fits the models that hold out each fold, and the model of wrong records to what they predict.
    fn round(&mut self, weights: &[f64], lambda: f64) -> Result<Noise, EvidenceError> {
        let held = self.cross.predict(weights, lambda)?;
        Ok(match (self.train.target, self.value.target) {
            (Target::Classes { labels, .. }, Target::Classes { labels: value, .. }) => {
                self.of_classes(&held, weights, labels, value)
            }
            (Target::Numbers(y), Target::Numbers(value)) => self.of_numbers(&held, y, value),
            _ => return Err(EvidenceError::Mismatch),
        })
    }

    fn of_classes(&self, held: &HeldOut, weights: &[f64], labels: &[u32], value: &[u32]) -> Noise {
        let mut predictions = calibrate::calibrate(held, value, self.fold_of);
        let (kinds, usual) = self.near.kinds(&predictions);
        let known = self.known(&predictions, weights, labels);
        let guess = frequency::adapt(&mut predictions, labels, self.fold_of, self.members);
        let probabilities = &predictions.records;
        let answers = Answers::Classes { probabilities, labels, guess: &guess, kinds: &kinds, known: &known };
        let noise = noise::fit(&answers, (self.members, self.order), &usual, predictions.skill);
        Noise { known, ..noise }
    }

    /// How well the model of each record's fold knows the class sent, 0 to 1.
    fn known(&self, predictions: &Predictions, weights: &[f64], labels: &[u32]) -> Vec<f64> {
        let support = self.cross.support(labels, predictions.shares.cols(), weights);
        let seen = |(&fold, &y): (&u32, &u32)| support.row(fold as usize)[y as usize];
        self.fold_of.iter().zip(labels).map(seen).map(|n| n / (n + HALF_KNOWN)).collect()
    }

    fn of_numbers(&self, held: &HeldOut, y: &[f64], value: &[f64]) -> Noise {
        let deviations: Vec<f64> = y.iter().zip(held.records.data()).map(|(y, m)| y - m).collect();
        let errors = held.value.iter().flat_map(|means| value.iter().zip(means.data()));
        let square: f64 = errors.map(|(y, m)| (y - m) * (y - m)).sum();
        let variance = (square / (value.len() * held.value.len()) as f64).max(f64::MIN_POSITIVE);
        let known = vec![0.0; y.len()];
        // Numbers are standardised: without any skill the mean square is 1.
        let skill = (1.0 - variance).clamp(0.0, 1.0);
        let answers = Answers::Numbers { deviations: &deviations, variance };
        Noise { known, ..noise::fit(&answers, (self.members, self.order), &[], skill) }
    }
}

/// Records of a class that make a model half know it.
const HALF_KNOWN: f64 = 10.0;
