//! What models that saw neither a record nor anything else of its contributor say of its label.

use assay_kernels::Mat;
use assay_learn::data::{Features, Target};
use assay_learn::model::Model;
use assay_learn::train::{FitOptions, TrainError, fit};
use rayon::prelude::*;

use super::{Community, EvidenceOptions};
use crate::Examples;

/// Gradient norm to reach: scores of single records need no more.
const TOLERANCE: f64 = 1e-3;
/// The same on the way there, and the stronger priors on that way: how many, how far apart, and the strongest.
const ROUGH: f64 = 1e-2;
const STRONGER: i32 = 5;
const STEP: f64 = 10.0;
const STRONGEST: f64 = 100.0;

/// Deals records to folds: all of a contributor into one, the largest first, each to the fold with the fewest records.
/// Who holds more than half of all records is spread over all folds. Neither names nor order of records matter. Folds
/// without records are left out.
pub(super) fn deal(train: Examples<'_>, community: &Community<'_>, folds: usize) -> Vec<u32> {
    let keys = keys(train);
    let mut people: Vec<(usize, u64)> = vec![(0, 0); community.count];
    for (&c, key) in community.contributors.iter().zip(&keys) {
        let (size, sum) = &mut people[c as usize];
        *size += 1;
        *sum = sum.wrapping_add(mix(*key));
    }
    let mut order: Vec<usize> = (0..people.len()).filter(|&c| people[c].0 > 0).collect();
    order.sort_by_key(|&c| (std::cmp::Reverse(people[c].0), people[c].1));
    let mut loads = vec![0; folds];
    let mut of_person = vec![None; people.len()];
    for c in order {
        if 2 * people[c].0 <= keys.len() {
            let least = (0..folds).min_by_key(|&f| loads[f]).unwrap_or(0);
            loads[least] += people[c].0;
            of_person[c] = Some(least as u32);
        }
    }
    // Equal records, and those of one cluster, go together.
    let spread = |i: usize| {
        let together = community.clusters.map_or(keys[i], |g| u64::from(g[i]));
        (mix(together) % folds as u64) as u32
    };
    let fold = |(i, &c): (usize, &u32)| of_person[c as usize].unwrap_or_else(|| spread(i));
    let mut fold_of: Vec<u32> = community.contributors.iter().enumerate().map(fold).collect();
    let mut used = fold_of.clone();
    used.sort_unstable();
    used.dedup();
    fold_of.iter_mut().for_each(|f| *f = used.binary_search(f).map_or(0, |at| at as u32));
    fold_of
}

/// A number for each record that depends on its features and label alone.
fn keys(train: Examples<'_>) -> Vec<u64> {
    let label = |i: usize| match train.target {
        Target::Classes { labels, .. } => u64::from(labels[i]),
        Target::Numbers(y) => y[i].to_bits(),
    };
    let add = |key: u64, (column, value): (usize, f32)| {
        mix(key ^ (column as u64) << 32 ^ u64::from(value.to_bits()))
    };
    let row = |i: usize| match train.features {
        Features::Dense(x) => x.row(i).iter().copied().enumerate().fold(mix(label(i)), add),
        Features::Sparse(x) => {
            let (columns, values) = x.row(i);
            columns.iter().map(|&c| c as usize).zip(values.iter().copied()).fold(mix(label(i)), add)
        }
    };
    (0..train.features.rows()).map(row).collect()
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Raw outputs of held-out models.
pub(super) struct HeldOut {
    /// Of each record, by the model of its fold: records x outputs.
    pub(super) records: Mat<f64>,
    /// Of the rows of the value fold, by the model of each fold.
    pub(super) value: Vec<Mat<f64>>,
}

/// The models that hold out each fold.
pub(super) struct CrossFit<'a> {
    train: Examples<'a>,
    value: Examples<'a>,
    parts: Vec<Part>,
    models: Vec<Option<Model>>,
    options: &'a EvidenceOptions,
}

/// Records to learn from, and records held out.
struct Part {
    learn: Vec<usize>,
    features: Features,
    target: Target,
    score: Vec<usize>,
    score_features: Features,
}

impl<'a> CrossFit<'a> {
    /// Copies of what is held out are not learned from either: whole clusters stay away.
    pub(super) fn new(
        train: Examples<'a>,
        value: Examples<'a>,
        community: &Community<'_>,
        fold_of: &[u32],
        options: &'a EvidenceOptions,
    ) -> Self {
        let clusters = community.clusters.map(|c| (c, c.iter().max().map_or(0, |&m| m as usize + 1)));
        let part = |fold: u32| {
            let score: Vec<usize> = (0..fold_of.len()).filter(|&i| fold_of[i] == fold).collect();
            let mut away = vec![false; clusters.map_or(0, |c| c.1)];
            if let Some((of, _)) = clusters {
                score.iter().for_each(|&i| away[of[i] as usize] = true);
            }
            let apart = |i: usize| clusters.is_none_or(|(of, _)| !away[of[i] as usize]);
            let learn: Vec<usize> = (0..fold_of.len()).filter(|&i| fold_of[i] != fold && apart(i)).collect();
            let (features, target) = (train.features.select(&learn), train.target.select(&learn));
            Part { features, target, score_features: train.features.select(&score), learn, score }
        };
        let folds = fold_of.iter().max().map_or(0, |&f| f + 1);
        let parts: Vec<Part> = (0..folds).map(part).collect();
        let models = vec![None; parts.len()];
        Self { train, value, parts, models, options }
    }

    /// Fits every fold's model to the records weighted so; each starts from where it was.
    pub(super) fn predict(&mut self, weights: &[f64], lambda: f64) -> Result<HeldOut, TrainError> {
        let parts = self.parts.par_iter().zip(&self.models);
        let fitted = parts.map(|(part, warm)| self.fit(part, warm.clone(), weights, lambda));
        let models: Vec<Model> = fitted.collect::<Result<_, _>>()?;
        let scored = models.par_iter().zip(&self.parts);
        let scored = scored.map(|(m, part)| (m.scores(&part.score_features), m.scores(self.value.features)));
        let scored: Vec<(Mat<f64>, Mat<f64>)> = scored.collect();
        let outputs = models.first().map_or(0, |m| m.theta().cols());
        let mut records = Mat::zeros(self.train.features.rows(), outputs);
        for (part, (scores, _)) in self.parts.iter().zip(&scored) {
            for (k, &i) in part.score.iter().enumerate() {
                records.row_mut(i).copy_from_slice(scores.row(k));
            }
        }
        self.models = models.into_iter().map(Some).collect();
        Ok(HeldOut { records, value: scored.into_iter().map(|s| s.1).collect() })
    }

    /// A model without a start comes to a weak prior by way of strong ones: at once, it would take many times the
    /// steps. It never starts from a model that saw what it holds out, since a start is not all forgotten.
    fn fit(
        &self,
        part: &Part,
        warm: Option<Model>,
        weights: &[f64],
        lambda: f64,
    ) -> Result<Model, TrainError> {
        let weights: Vec<f64> = part.learn.iter().map(|&i| weights[i]).collect();
        let fit_at = |lambda: f64, tolerance: f64, warm: Option<&Model>| {
            let options = FitOptions {
                lambda,
                noise_variance: self.options.noise_variance,
                weights: Some(&weights),
                tolerance,
                warm,
                precision: self.options.precision,
                ..FitOptions::default()
            };
            fit(&part.features, &part.target, &options).map(|fit| fit.model)
        };
        let mut at = warm;
        let stronger = (1..=STRONGER).rev().map(|k| lambda * STEP.powi(k));
        for strong in stronger.filter(|l| at.is_none() && *l < STRONGEST).collect::<Vec<_>>() {
            at = Some(fit_at(strong, ROUGH, at.as_ref())?);
        }
        fit_at(lambda, TOLERANCE, at.as_ref())
    }

    /// Records of each class, weighted, that each fold's model learned from: folds x classes.
    pub(super) fn support(&self, labels: &[u32], classes: usize, weights: &[f64]) -> Mat<f64> {
        let mut out = Mat::zeros(self.parts.len(), classes);
        for (f, part) in self.parts.iter().enumerate() {
            part.learn.iter().for_each(|&i| out.row_mut(f)[labels[i] as usize] += weights[i]);
        }
        out
    }
}
