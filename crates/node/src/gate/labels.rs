//! How plausible labels are, to models of admitted records that never saw those of whoever is judged.
//!
//! Rows of the reporting fold, whose labels are right, calibrate them; no model is fitted to a row of the benchmark, and the
//! rows that measure value are not looked at.

use std::collections::BTreeMap;

use assay_learn::crossfit::cross_fit;
use assay_learn::crossval::shuffled;
use assay_learn::data::{Features, Target};
use assay_learn::features::{FeatureConfig, Featurizer, LabelEncoder};
use assay_learn::model::Model;
use assay_learn::train::FitOptions;
use assay_ledger::charter::Charter;
use assay_ledger::datanet::Datanet;
use assay_quality::Plausibility;

use crate::error::{NodeError, Result};
use crate::task::{Reading, columns, labels};
use crate::train::readable;

/// Senders are dealt to so many folds: each model sees three quarters of the records.
const FOLDS: u32 = 4;
/// Fewest records of others that are a model.
const RECORDS_MIN: usize = 200;
/// Most records that models are fitted to, drawn at random: more make labels hardly plainer, and the cost would grow.
const RECORDS_MAX: usize = 20_000;
/// Models are fitted again when there are so many times as many records, so that fitting costs a record the same at any volume.
const GROWTH: (u64, u64) = (3, 2);
/// Strength of the prior, and the gradient at which a model counts as fitted. Margins are held to those of the same model, so
/// that neither is critical: a prior chosen by cross-validation and a tolerance of 0.001 found 57% of the wrong labels of
/// Banking77 where these find 61%, at seven times the cost.
const LAMBDA: f64 = 0.1;
/// See [`LAMBDA`].
const TOLERANCE: f64 = 0.03;

/// Models that judge labels.
pub struct Labels {
    charter: Charter,
    featurizer: Featurizer,
    classes: LabelEncoder,
    folds: Folds,
    /// By fold: a model of all other folds, and how it takes right labels.
    judges: Vec<Option<(Model, Plausibility)>>,
}

impl Labels {
    /// Fits models to admitted records, each with the key of its sender, and calibrates them by `known` rows. `None` where
    /// nothing can be said: labels that are numbers, too few records, or features of which none is usable.
    ///
    /// # Errors
    /// When the solver cannot work with what it is given.
    pub fn learn(
        charter: &Charter,
        admitted: &[(&str, &Reading)],
        known: &[Reading],
        seed: u64,
    ) -> Result<Option<Self>> {
        let task = &charter.task;
        if task.kind == "regression" || admitted.len() < RECORDS_MIN {
            return Ok(None);
        }
        let mut drawn = shuffled(admitted.len(), seed, RECORDS_MAX);
        drawn.sort_unstable();
        let admitted = drawn.into_iter().map(|at| admitted[at]);
        let (senders, records): (Vec<&str>, Vec<&Reading>) =
            admitted.filter(|(_, reading)| readable(charter, reading)).unzip();
        let cells = columns(task, &records);
        let Ok(featurizer) = Featurizer::fit(&cells, &FeatureConfig::default()) else { return Ok(None) };
        let features = featurizer.transform(&cells).map_err(NodeError::invalid)?;
        let classes = LabelEncoder::fit(&task.classes).map_err(NodeError::invalid)?;
        let target = classes.encode(&labels(&records)).map_err(NodeError::invalid)?;
        let options = FitOptions { lambda: LAMBDA, tolerance: TOLERANCE, ..FitOptions::default() };
        let folds = Folds::deal(&senders);
        let fold_of: Vec<u32> = senders.iter().map(|sender| folds.of(sender)).collect();
        let models = cross_fit(&features, &target, &fold_of, FOLDS, RECORDS_MIN, &options);
        let mut found = Self { charter: charter.clone(), featurizer, classes, folds, judges: Vec::new() };
        let known: Vec<&Reading> = known.iter().filter(|reading| readable(charter, reading)).collect();
        let (features, target) = found.examples(&known)?;
        let judge = |model: Model| {
            let said = model.log_probabilities_nats(&features);
            let rows =
                classes_of(&target).iter().enumerate().map(|(row, &label)| (said.row(row), label as usize));
            let plausibility = Plausibility::new(rows);
            (model, plausibility)
        };
        found.judges =
            models.map_err(NodeError::invalid)?.into_iter().map(|model| model.map(judge)).collect();
        Ok(Some(found))
    }

    /// The p-value of the label of each record of a sender; `None` where nothing can be said.
    ///
    /// # Errors
    /// When the features cannot be made, which no record that the charter reads brings about.
    pub fn p_values(&self, sender: &str, records: &[&Reading]) -> Result<Vec<Option<f64>>> {
        let mut found = vec![None; records.len()];
        let Some(Some((model, plausibility))) = self.judges.get(self.folds.of(sender) as usize) else {
            return Ok(found);
        };
        let read: Vec<usize> =
            (0..records.len()).filter(|&at| readable(&self.charter, records[at])).collect();
        let (features, target) = self.examples(&read.iter().map(|&at| records[at]).collect::<Vec<_>>())?;
        let said = model.log_probabilities_nats(&features);
        for (row, (&at, &label)) in read.iter().zip(classes_of(&target)).enumerate() {
            found[at] = Some(plausibility.p_value(said.row(row), label as usize));
        }
        Ok(found)
    }

    fn examples(&self, records: &[&Reading]) -> Result<(Features, Target)> {
        let features =
            self.featurizer.transform(&columns(&self.charter.task, records)).map_err(NodeError::invalid)?;
        Ok((features, self.classes.encode(&labels(records)).map_err(NodeError::invalid)?))
    }
}

fn classes_of(target: &Target) -> &[u32] {
    match target {
        Target::Classes { labels, .. } => labels,
        Target::Numbers(_) => &[],
    }
}

/// Who is in which fold.
struct Folds {
    of: BTreeMap<String, u32>,
    /// The one that is smallest, and whose model has most to go by: for who has sent nothing yet.
    smallest: u32,
}

impl Folds {
    /// Deals the senders of records, in the order of the log, each to the fold that has fewest: by chance alone most of a
    /// few senders would share one, and its model would have too little to go by.
    fn deal(senders: &[&str]) -> Self {
        let (mut records, mut first) = (BTreeMap::<&str, usize>::new(), Vec::new());
        for sender in senders {
            let count = records.entry(sender).or_insert_with(|| {
                first.push(*sender);
                0
            });
            *count += 1;
        }
        let mut sizes = [0; FOLDS as usize];
        let smallest = |sizes: &[usize]| (0..sizes.len()).min_by_key(|&fold| sizes[fold]).unwrap_or_default();
        let mut of = BTreeMap::new();
        for sender in first {
            let fold = smallest(&sizes);
            sizes[fold] += records[sender];
            of.insert(sender.to_owned(), fold as u32);
        }
        Self { of, smallest: smallest(&sizes) as u32 }
    }

    fn of(&self, sender: &str) -> u32 {
        self.of.get(sender).copied().unwrap_or(self.smallest)
    }
}

/// The place in the log of the verdicts with which the records that gates passed became enough for other models: what models
/// know follows from the log, and not from when a node was started.
pub(crate) struct Due {
    passed: u64,
    /// Records that are enough for the next models.
    next: u64,
    at: Option<u64>,
}

impl Due {
    /// As of all verdicts so far.
    pub(super) fn of(datanet: &Datanet) -> Self {
        let mut due = Self { passed: 0, next: RECORDS_MIN as u64, at: None };
        for gate in datanet.contributions.values().filter_map(|contribution| contribution.gate.as_ref()) {
            due.gated(gate.seq, u64::from(gate.passed));
        }
        due
    }

    /// Counts the verdicts at `seq`, which passed so many records.
    pub(super) fn gated(&mut self, seq: u64, passed: u64) {
        self.passed += passed;
        if self.passed >= self.next {
            self.at = Some(seq);
            self.next = self.passed * GROWTH.0 / GROWTH.1;
        }
    }

    /// `None` before there are enough records for any model.
    pub(super) fn at(&self) -> Option<u64> {
        self.at
    }
}
