//! `audit.json`: values held against what really happens when contributors are left out and the model is trained again.
//!
//! Effects are measured on the reporting fold, which no value has seen, and predicted from the value fold.

use super::appraisal::Standing;
use crate::Document;
use serde::{Deserialize, Serialize};

/// The audit of one valuation (`schema` is `assay.audit/1`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Name and version of this document's schema.
    pub schema: String,
    /// What was audited.
    pub subject: Subject,
    /// The values computed again by their recipe; `null` if that was not done.
    pub recomputed: Option<Recomputed>,
    /// Who was left out, and who chose.
    pub drawn: Drawn,
    /// Rows behind predictions and measurements.
    pub folds: Folds,
    /// How the numbers that were known before rank those left out, against the measured effects.
    pub agreement: Vec<Ranking>,
    /// What rank agreement could be reached at all; `null` for fewer than three contributors.
    pub ceiling: Option<Ceiling>,
    /// Share of the spread of measured effects that is no error of measurement (0 to 1); `null` if they do not vary.
    pub reliability: Option<f64>,
    /// How many measured effects lie where they were predicted to; `null` if nobody was left out.
    pub coverage: Option<Coverage>,
    /// Those left out, by value, highest first.
    pub contributors: Vec<Audited>,
    /// Groups across contributors left out, such as labels; `null` if that was not done.
    pub clusters: Option<Clusters>,
    /// Shapley values of contributors by really retraining coalitions; `null` if that was not done.
    pub shapley: Option<ShapleyCheck>,
    /// Other methods of value beside the path.
    pub estimators: Vec<EstimatorCheck>,
    /// Least rank agreement of values and measured effects at which pay is released, by the charter; `null` without one.
    pub least_rank: Option<f64>,
    /// What no audit of this kind can show, a sentence each.
    pub cannot_show: Vec<String>,
}

impl Document for Audit {
    const SCHEMA: &'static str = "assay.audit/1";

    fn schema(&self) -> &str {
        &self.schema
    }
}

/// What was audited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// The datanet, or the name of the file of records.
    pub name: String,
    /// Index of the valuation in the log; `null` for a file.
    pub entry: Option<u64>,
    /// SHA-256 of the table of record values, in hexadecimal.
    pub values_sha256: String,
    /// Records valued.
    pub records: u64,
    /// What the model gains from them on the value fold.
    pub gain_bits: f64,
}

/// Values computed again against the published ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recomputed {
    /// Records compared.
    pub records: u64,
    /// Those whose value came out the same to the last bit.
    pub equal: u64,
    /// Largest difference.
    pub largest_bits: f64,
    /// Difference that counts as agreement: other machines sum in another order.
    pub tolerance_bits: f64,
    /// Whether all differences are within it, and the records the same.
    pub agrees: bool,
}

/// Who was left out, and who chose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// Contributors with a record that was valued.
    pub contributors: u64,
    /// Those of them who were left out, one at a time: all, or a sample.
    pub left_out: u64,
    /// The seed of the sample, in hexadecimal: names are drawn by ascending SHA-256 of
    /// `assay.audit.sample/1`, a line feed, the seed's 32 bytes, and the name.
    pub seed: String,
    /// What the seed is the hash of, in words.
    pub seed_of: String,
}

/// Rows behind predictions and measurements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Folds {
    /// Rows of the value fold.
    pub value_rows: u64,
    /// Rows of the reporting fold.
    pub report_rows: u64,
}

/// How one kind of number ranks those left out, against the measured effects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// `value`, `pay`, `first_order` (the influence on the finished model) or `retrained` (left out and retrained, but
    /// scored on the value fold).
    pub by: String,
    /// Spearman's rank correlation; `null` if one side does not vary.
    pub spearman: Option<f64>,
    /// Pearson's correlation; `null` if one side does not vary.
    pub pearson: Option<f64>,
}

/// What rank correlations could be reached, given how exactly the rows measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// What perfect knowledge of the true effects would reach, on average over simulated measurements.
    pub spearman: f64,
    /// 2.5% quantile over the simulations.
    pub low: f64,
    /// 97.5% quantile.
    pub high: f64,
    /// What a second measurement on as many rows as the value fold has would reach.
    pub repeated: f64,
}

/// How many measured effects lie where they were predicted to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Within their 95% interval.
    pub covered: u64,
    /// Of so many.
    pub of: u64,
    /// Their share (0 to 1).
    pub share: f64,
    /// Lower end of the interval of the share.
    pub low: f64,
    /// Upper end of the interval of the share.
    pub high: f64,
}

/// A contributor that was left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audited {
    /// Name as in the input, or account.
    pub id: String,
    /// Its records that were left out.
    pub records: u64,
    /// Their value.
    pub value_bits: f64,
    /// Share of the positive values of contributors that are paid, in parts per million.
    pub pay_ppm: u64,
    /// What the evidence said.
    pub standing: Standing,
    /// What the finished model would lose, to first order, from the value fold.
    pub first_order_bits: f64,
    /// Effect on the value fold, retrained: what is predicted.
    pub predicted_bits: f64,
    /// Standard error of `predicted_bits`.
    pub predicted_se_bits: f64,
    /// Lower end of the 95% interval in which the effect is predicted to be measured; errors of both folds.
    pub low_bits: f64,
    /// Upper end of that interval.
    pub high_bits: f64,
    /// Effect on the reporting fold, retrained: bits that are lost without the contributor.
    pub effect_bits: f64,
    /// Standard error of `effect_bits`.
    pub effect_se_bits: f64,
    /// Whether the effect lies in the interval.
    pub covered: bool,
}

/// Groups across contributors, left out one at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Clusters {
    /// What groups them, such as `label`.
    pub by: String,
    /// Spearman's rank correlation of their values with the measured effects; `null` if one side does not vary.
    pub spearman: Option<f64>,
    /// The same for their effects on the value fold.
    pub retrained_spearman: Option<f64>,
    /// How many measured effects lie where they were predicted to.
    pub coverage: Coverage,
    /// The groups, by value, highest first.
    pub groups: Vec<Cluster>,
}

/// A group that was left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its name.
    pub id: String,
    /// Its records.
    pub records: u64,
    /// Their value.
    pub value_bits: f64,
    /// Effect on the value fold.
    pub predicted_bits: f64,
    /// Standard error of `predicted_bits`.
    pub predicted_se_bits: f64,
    /// Effect on the reporting fold.
    pub effect_bits: f64,
    /// Standard error of `effect_bits`.
    pub effect_se_bits: f64,
}

/// Shapley values of contributors on a subsample, by really retraining coalitions, against the path on the same records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShapleyCheck {
    /// Contributors with a record in the subsample.
    pub contributors: u64,
    /// Records in the subsample.
    pub records: u64,
    /// Orders of joining that were sampled; 0 where all coalitions were retrained and the values are exact.
    pub orders: u64,
    /// Spearman's rank correlation with the values of the path; `null` if one side does not vary.
    pub spearman: Option<f64>,
    /// Pearson's correlation with them; `null` if one side does not vary.
    pub pearson: Option<f64>,
    /// Share of the spread of the Shapley values that is no error of sampling (0 to 1); `null` if they do not vary.
    pub reliability: Option<f64>,
}

/// Another method of value beside the path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EstimatorCheck {
    /// Its name, as `--method` takes it.
    pub method: String,
    /// Spearman's rank correlation of its record values with those of the path; `null` if one side does not vary.
    pub records_spearman: Option<f64>,
    /// The same for sums by contributor.
    pub contributors_spearman: Option<f64>,
    /// The same for its sums by contributor and the measured effects.
    pub effect_spearman: Option<f64>,
}

/// What no audit of this kind can show, whatever it finds.
pub const CANNOT_SHOW: [&str; 7] = [
    "Whether the benchmark asks the right thing, or has the right labels: both folds come from it, and errors that they share do not show.",
    "How the gain divides: an effect of removal is what is missed at the end, not a share. Effects do not add up to the gain, and two contributors who say the same have hardly any effect each, and much together.",
    "That a value is wrong because the effect differs from it: a value is what was added on the way from no record to all. The effect is what checks the prediction of removal, and a value that ranks against it needs an explanation.",
    "What one record is worth: contributors are left out whole. Who alone covers a niche has a large effect of removal, which no rule that goes record by record pays in full.",
    "Copies: of two that say the same, leaving one out changes nothing, and first comers are known by the log alone.",
    "Who is behind a name. One person's many names are left out one by one.",
    "What happens to other models: effects are those of this family, these features and this prior.",
];
