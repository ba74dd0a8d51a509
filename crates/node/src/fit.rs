//! A model with all that is needed to use it again: features, labels, prior, weights.

use assay_attribution::Examples;
use assay_attribution::answer::AnswerOptions;
use assay_learn::crossval::{CrossOptions, CrossValidation, choose_lambda};
use assay_learn::data::{Columns, Features, Target};
use assay_learn::evaluate::{Gaussian, Scores, score_classes, score_numbers};
use assay_learn::features::{FeatureConfig, Featurizer, LabelEncoder, NumberLabel};
use assay_learn::model::{Family, Model};
use assay_learn::train::{FitOptions, fit};
use serde::{Deserialize, Serialize};

use crate::error::{NodeError, Result};

/// Gradient norm, relative to that of the base model, at which a model counts as solved.
const TOLERANCE: f64 = 1e-5;
/// Pairs of classes taken for each other that a score lists.
const CONFUSIONS: usize = 10;

/// How labels become targets, and targets labels.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// Names of classes.
    Classes(LabelEncoder),
    /// Numbers in standard units.
    Numbers(NumberLabel),
}

impl Answers {
    /// The target of some labels.
    pub fn encode(&self, labels: &[String]) -> Result<Target> {
        let target = match self {
            Self::Classes(classes) => classes.encode(labels),
            Self::Numbers(numbers) => numbers.encode(labels),
        };
        target.map_err(NodeError::invalid)
    }
}

/// A fitted model, stored whole as the weights of a model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fitted {
    /// From columns to features.
    pub featurizer: Featurizer,
    /// From labels to targets.
    pub answers: Answers,
    /// The prior, and how it was chosen.
    pub prior: CrossValidation,
    /// The weights.
    pub model: Model,
    /// What each record of the snapshot weighed in training; nothing when each weighed one.
    #[serde(default)]
    pub record_weights: Option<Vec<f64>>,
    /// What each would weigh if only copies weighed less; nothing when there are none.
    #[serde(default)]
    pub copy_weights: Option<Vec<f64>>,
    /// Strength of the prior that suits all records, where evidence chose another with what to train on.
    #[serde(default)]
    pub lambda_of_all: Option<f64>,
    /// Records that the evidence gave no weight in training.
    #[serde(default)]
    pub withheld: u64,
}

impl Fitted {
    /// How the path through its records is followed for answers.
    pub(crate) fn answer_options(&self, nodes: usize) -> AnswerOptions<'_> {
        AnswerOptions {
            lambda: self.prior.lambda,
            noise_variance: self.prior.noise_variance,
            weights: self.record_weights.as_deref(),
            nodes,
            ..AnswerOptions::default()
        }
    }

    /// Learns features from `columns`, chooses the prior by cross-validation on them, and fits the model.
    pub fn fit(columns: &Columns, labels: &[String], answers: Answers, seed: u64) -> Result<Self> {
        let featurizer = Featurizer::fit(columns, &FeatureConfig::default()).map_err(NodeError::invalid)?;
        let features = featurizer.transform(columns).map_err(NodeError::invalid)?;
        let target = answers.encode(labels)?;
        let options = CrossOptions { seed, ..CrossOptions::default() };
        let prior = choose_lambda(&features, &target, &options).map_err(NodeError::invalid)?;
        let model = solve(&features, &target, &prior, None)?;
        Ok(Self {
            featurizer,
            answers,
            prior,
            model,
            record_weights: None,
            copy_weights: None,
            lambda_of_all: None,
            withheld: 0,
        })
    }

    /// The same features, fitted to other records with the prior that suits these: what a comparison needs.
    pub fn refit(&self, columns: &Columns, labels: &[String], seed: u64) -> Result<Model> {
        let (features, target) = self.examples(columns, labels)?;
        let options = CrossOptions { seed, ..CrossOptions::default() };
        let prior = choose_lambda(&features, &target, &options).map_err(NodeError::invalid)?;
        solve(&features, &target, &prior, None)
    }

    /// The same features and prior, fitted to records of these weights.
    pub(crate) fn weighed(&self, train: Examples<'_>, weights: &[f64]) -> Result<Model> {
        solve(train.features, train.target, &self.prior, Some(weights))
    }

    /// Features and targets of other records.
    pub fn examples(&self, columns: &Columns, labels: &[String]) -> Result<(Features, Target)> {
        Ok((self.features(columns)?, self.answers.encode(labels)?))
    }

    /// Probability of each label that it is right and not one at random, both being as likely; one half for numbers.
    pub(crate) fn right(&self, features: &Features, target: &Target) -> Vec<f64> {
        let Target::Classes { labels, count } = target else { return vec![0.5; target.len()] };
        let said = self.model.log_probabilities_nats(features);
        let of = |(row, &label): (usize, &u32)| {
            let p = said.row(row)[label as usize].exp();
            p / (p + 1.0 / *count as f64)
        };
        labels.iter().enumerate().map(of).collect()
    }

    /// Features of records without labels.
    pub fn features(&self, columns: &Columns) -> Result<Features> {
        self.featurizer.transform(columns).map_err(NodeError::invalid)
    }
}

fn solve(
    features: &Features,
    target: &Target,
    prior: &CrossValidation,
    weights: Option<&[f64]>,
) -> Result<Model> {
    let options = FitOptions {
        weights,
        lambda: prior.lambda,
        noise_variance: prior.noise_variance,
        tolerance: TOLERANCE,
        ..FitOptions::default()
    };
    Ok(fit(features, target, &options).map_err(NodeError::invalid)?.model)
}

/// Scores of a model on rows that it never saw.
pub(crate) fn scores(model: &Model, features: &Features, target: &Target) -> Result<Scores> {
    let scored = match (target, model.family()) {
        (Target::Classes { labels, .. }, _) => {
            score_classes(&model.log_probabilities_nats(features), labels, CONFUSIONS)
        }
        (Target::Numbers(truth), family) => {
            let means = model.scores(features);
            let variance = match family {
                Family::Gaussian { noise_variance } => noise_variance,
                Family::Softmax { .. } => 1.0,
            };
            let base = vec![0.0; truth.len()];
            score_numbers(
                Gaussian { mean: means.data(), variance },
                Gaussian { mean: &base, variance },
                truth,
            )
        }
    };
    scored.map_err(NodeError::invalid)
}
