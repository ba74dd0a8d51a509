//! Stage train: features, the strength of the prior, models.

use assay_attribution::weights::{ClusterRule, canonical};
use assay_attribution::{Examples, ValueFold, novelty};
use assay_kernels::Mat;
use assay_learn::crossval::{CrossOptions, CrossValidation, choose_lambda};
use assay_learn::data::{Columns, Features, Target};
use assay_learn::features::{FeatureConfig, Featurizer, NumberLabel};
use assay_learn::model::Model;
use assay_learn::train::{FitOptions, fit};

use super::contribute::{Community, Part};
use super::gate::Gated;
use crate::output::Failure;
use assay_node::Answers;

/// Rows with their answers.
pub(crate) struct Rows {
    pub(crate) features: Features,
    pub(crate) target: Target,
}

/// Everything that models are trained on and scored by. Features and units are those of the records that passed the
/// gates, whatever a model is trained on, so that models differ by their records only.
pub(crate) struct Ready {
    pub(crate) featurizer: Featurizer,
    /// All records of TRAIN.
    pub(crate) submitted: Rows,
    /// Those that passed the gates.
    pub(crate) gated: Rows,
    /// All rows of VALID: they measure value.
    pub(crate) valid: Rows,
    /// Rows of TEST that no record of TRAIN repeats.
    pub(crate) test: Option<Rows>,
    pub(crate) prior: CrossValidation,
    pub(crate) answers: Answers,
    /// What each record that passed weighs before any evidence: less for what earlier ones said already.
    pub(crate) weights: Vec<f64>,
}

/// Learns features from the records that passed, and chooses the prior by cross-validation on them.
pub(crate) fn prepare(community: &Community, passed: &Gated, seed: u64) -> Result<Ready, Failure> {
    let kept_labels: Vec<String> =
        passed.kept.iter().map(|&row| community.train.labels[row].clone()).collect();
    let answers = answers(community, passed, &kept_labels)?;
    let columns = select(&community.train.columns, &passed.kept);
    let featurizer = Featurizer::fit(&columns, &FeatureConfig::default()).map_err(|e| {
        Failure::refused(format!("{}: {e}", community.train.file))
            .hint("choose other columns with --text or --features")
    })?;
    let rows = |part: &Part| -> Result<Rows, Failure> {
        let features = featurizer
            .transform(&part.columns)
            .map_err(|e| Failure::refused(format!("{}: {e}", part.file)))?;
        Ok(Rows { features, target: answers.encode(&part.labels)? })
    };
    let (submitted, valid) = (rows(&community.train)?, rows(&community.valid)?);
    let test = community.test.as_ref().map(rows).transpose()?;
    let test = test.map(|all| all.select(&passed.fresh_test));
    let gated = submitted.select(&passed.kept);
    let options = CrossOptions { seed, ..CrossOptions::default() };
    let prior = choose_lambda(&gated.features, &gated.target, &options).map_err(Failure::failed)?;
    let weights = if passed.on { new(community, passed, &gated, &valid) } else { vec![1.0; gated.len()] };
    Ok(Ready { featurizer, submitted, gated, valid, test, prior, answers, weights })
}

/// Place of each record that passed in the order of arrival.
pub(crate) fn arrivals(community: &Community, gated: &Gated) -> Vec<u64> {
    let mut arrival = vec![0; community.order.len()];
    community.order.iter().zip(0_u64..).for_each(|(&row, place)| arrival[row] = place);
    gated.kept.iter().map(|&row| arrival[row]).collect()
}

/// What is new in each record that passed, in order of arrival.
fn new(community: &Community, gated: &Gated, rows: &Rows, valid: &Rows) -> Vec<f64> {
    let order = arrivals(community, gated);
    let mut weights = canonical(&gated.clusters(), &order, ClusterRule::FirstComer);
    novelty::discount(&mut weights, rows.examples(), &order, ValueFold::new(valid.examples()));
    weights
}

/// How labels become targets: numbers in units of the records that passed. Refuses what the gates left if nothing
/// can be learned from it.
fn answers(community: &Community, gated: &Gated, labels: &[String]) -> Result<Answers, Failure> {
    let left = |what: &str| {
        let (kept, all) = (labels.len(), community.train.labels.len());
        let reasons = gated.summary().by_reason;
        let reasons: Vec<String> = reasons.iter().map(|r| format!("{} {}", r.count, r.code)).collect();
        Failure::refused(format!(
            "{}: the gates passed {kept} of {all} records ({}), {what}",
            community.train.file,
            reasons.join(", ")
        ))
        .hint("give more records of your own making, or look at these with --no-gates")
    };
    if labels.len() < 2 {
        return Err(left("too few to learn from"));
    }
    match &community.classes {
        Some(_) if labels.windows(2).all(|w| w[0] == w[1]) => Err(left("all of one class")),
        Some(classes) => Ok(Answers::Classes(classes.clone())),
        None => NumberLabel::fit(labels).map(Answers::Numbers).map_err(|e| community.train.label_error(&e)),
    }
}

impl Rows {
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        Self { features: self.features.select(rows), target: self.target.select(rows) }
    }

    pub(crate) fn examples(&self) -> Examples<'_> {
        Examples { features: &self.features, target: &self.target }
    }

    pub(crate) fn len(&self) -> usize {
        self.target.len()
    }
}

impl Ready {
    /// A model of these rows with the prior chosen, starting from `warm`.
    pub(crate) fn fit(&self, rows: &Rows, warm: &Model) -> Result<Model, Failure> {
        let options = FitOptions {
            lambda: self.prior.lambda,
            noise_variance: self.prior.noise_variance,
            warm: Some(warm),
            ..FitOptions::default()
        };
        fit(&rows.features, &rows.target, &options).map(|fit| fit.model).map_err(Failure::failed)
    }
}

fn select(columns: &Columns, rows: &[usize]) -> Columns {
    Columns {
        rows: rows.len(),
        text: columns.text.as_ref().map(|texts| rows.iter().map(|&row| texts[row].clone()).collect()),
        number_names: columns.number_names.clone(),
        numbers: columns.numbers.as_ref().map(|m: &Mat<f64>| m.select(rows)),
    }
}
