//! Scores of models on rows that they never saw, with intervals.

use assay_api::v1::appraisal::{Score, ScoreSet, Scores};
use assay_learn::data::Target;
use assay_learn::evaluate::{
    Bootstrap, Detail, Gaussian, bootstrap_mean, class_hits, score_classes, score_numbers,
};
use assay_learn::model::{Family, Model};

use super::curate;
use super::gate::Gated;
use super::train::{Ready, Rows};
use super::value::Values;
use crate::output::Failure;
use assay_node::Answers;

/// Resamples of rows behind an interval.
const RESAMPLES: u32 = 2_000;

/// A model and the number of records that it was trained on.
struct Trained {
    model: Model,
    records: usize,
}

/// Trains on everything submitted, and scores it, the gated model, the curated one and the base on the rows of VALID and
/// TEST that no record of TRAIN repeats.
pub(crate) fn scores(gated: &Gated, ready: &Ready, values: &Values, seed: u64) -> Result<Scores, Failure> {
    let full = &values.passed;
    let fit = |rows: &Rows| ready.fit(rows, full).map(|model| Trained { model, records: rows.len() });
    let base = Trained { model: Model::base(full.family(), full.theta().rows()), records: 0 };
    let passed = Trained { model: full.clone(), records: ready.gated.len() };
    let everything = fit(&ready.submitted)?;
    let curated =
        values.evidence.as_ref().filter(|evidence| curate::chose(evidence)).map(|evidence| Trained {
            model: values.valuation.model.clone(),
            records: evidence.curation.weights.iter().filter(|w| **w > 0.0).count(),
        });
    let set = |rows: &Rows| -> Result<ScoreSet, Failure> {
        Ok(ScoreSet {
            base: Some(score(&base, rows, ready, seed)?),
            submitted: score(&everything, rows, ready, seed)?,
            gated: score(&passed, rows, ready, seed)?,
            curated: curated.as_ref().map(|model| score(model, rows, ready, seed)).transpose()?,
        })
    };
    let valid = set(&ready.valid.select(&gated.fresh_valid))?;
    Ok(Scores { valid, test: ready.test.as_ref().map(set).transpose()? })
}

fn score(trained: &Trained, rows: &Rows, ready: &Ready, seed: u64) -> Result<Score, Failure> {
    let settings = Bootstrap { resamples: RESAMPLES, seed, ..Bootstrap::default() };
    let bits = trained.model.gain_bits(&rows.features, &rows.target);
    let bits = bootstrap_mean(&bits, settings).map_err(Failure::failed)?;
    let mut out = Score {
        records: trained.records as u64,
        rows: rows.len() as u64,
        bits: bits.mean,
        bits_low: Some(bits.low),
        bits_high: Some(bits.high),
        accuracy: None,
        accuracy_low: None,
        accuracy_high: None,
        macro_f1: None,
        rmse: None,
        r2: None,
    };
    let predictions = trained.model.log_probabilities_nats(&rows.features);
    match (trained.model.family(), &rows.target) {
        // The base holds all classes equally likely: it has no likeliest one.
        (Family::Softmax { classes }, _) if trained.records == 0 => out.accuracy = Some(1.0 / classes as f64),
        (Family::Softmax { .. }, Target::Classes { labels, .. }) => {
            let hits = class_hits(&predictions, labels).map_err(Failure::failed)?;
            let accuracy = bootstrap_mean(&hits, settings).map_err(Failure::failed)?;
            out.accuracy = Some(accuracy.mean);
            (out.accuracy_low, out.accuracy_high) = (Some(accuracy.low), Some(accuracy.high));
            let scores = score_classes(&predictions, labels, 0).map_err(Failure::failed)?;
            if let Detail::Classification { macro_f1, .. } = scores.detail {
                out.macro_f1 = Some(macro_f1);
            }
        }
        (Family::Gaussian { noise_variance: variance }, Target::Numbers(truth)) => {
            let mean = vec![0.0; truth.len()];
            let model = Gaussian { mean: predictions.data(), variance };
            let scores =
                score_numbers(model, Gaussian { mean: &mean, variance }, truth).map_err(Failure::failed)?;
            if let Detail::Regression { rmse, r2: explained } = scores.detail {
                if let Answers::Numbers(unit) = &ready.answers {
                    out.rmse = Some(rmse * unit.deviation());
                }
                out.r2 = explained;
            }
        }
        (Family::Softmax { .. } | Family::Gaussian { .. }, _) => {
            return Err(Failure::failed("a model of one task cannot score answers of another"));
        }
    }
    Ok(out)
}
