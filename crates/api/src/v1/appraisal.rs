//! `appraisal.json`: what each record and each contributor of a file is worth.
//!
//! Utility is measured in bits per held-out example: the mean over the benchmark (the validation rows) of
//! `log2 p_model(y|x)` minus the same for the base, the model before it saw any record.

use crate::Document;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The appraisal of one file of records (`schema` is `assay.appraisal/1`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Appraisal {
    /// Name and version of this document's schema.
    pub schema: String,
    /// The files that were read.
    pub inputs: Inputs,
    /// Utility of the base and of the full model on the benchmark.
    pub utility: Utility,
    /// How well the values add up to the measured gain; `null` for methods whose values do not claim to.
    pub closure: Option<Closure>,
    /// The rule that gave the values.
    #[serde(default)]
    pub method: Method,
    /// Methods of value held against each other, those named by `--method` and `--compare` after the path; empty
    /// where only the path was asked for.
    #[serde(default)]
    pub estimators: Vec<Estimator>,
    /// The model whose gain is shared out.
    pub model: Model,
    /// What was kept out of training by all evidence together; `null` where that was not asked.
    #[serde(default)]
    pub curation: Option<Curation>,
    /// Scores of the models trained on everything, on what the gates passed, and on what was kept.
    pub scores: Scores,
    /// Everyone who sent a record, by value, highest first.
    pub contributors: Vec<Contributor>,
    /// What the gates passed and stopped.
    pub gates: Gates,
    /// The largest groups of duplicates.
    pub duplicates: Vec<DuplicateGroup>,
    /// The records worth most, best first.
    pub records_best: Vec<RecordValue>,
    /// The records that cost most, worst first.
    pub records_worst: Vec<RecordValue>,
    /// What was odd in the input and what to do about it.
    pub warnings: Vec<Warning>,
    /// Values checked against real retraining.
    pub agreement: Agreement,
    /// What is needed to repeat this appraisal.
    pub recipe: Recipe,
    /// What it cost. The only part that differs between two runs of one recipe.
    pub timings: Timings,
}

impl Document for Appraisal {
    const SCHEMA: &'static str = "assay.appraisal/1";

    fn schema(&self) -> &str {
        &self.schema
    }
}

/// The files of an appraisal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// The records under appraisal.
    pub train: Input,
    /// The benchmark: rows that measure value.
    pub valid: Input,
    /// Rows that report scores and are never used for values.
    pub test: Option<Input>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// File name without its folder.
    pub name: String,
    /// Rows read.
    pub rows: u64,
    /// SHA-256 of the file's bytes as they lie on disk, in hexadecimal.
    pub sha256: String,
}

/// Utility on the benchmark, in bits per row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Utility {
    /// Mean log2 likelihood (for regression: density) of the base model.
    pub base_bits: f64,
    /// The same for the model trained on every record that passed the gates.
    pub full_bits: f64,
    /// `full_bits - base_bits`: what all records add together.
    pub gain_bits: f64,
}

/// How well the values add up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Closure {
    /// Sum of all values.
    pub sum_bits: f64,
    /// `sum_bits` minus the measured gain.
    pub gap_bits: f64,
    /// `|gap_bits|` over the absolute gain; `null` if the gain is zero.
    pub relative: Option<f64>,
    /// Quadrature nodes used.
    pub nodes: u64,
    /// The bound on `relative` at which refinement stops.
    pub tolerance: f64,
}

/// A rule that gives values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// Its name, as `--method` takes it.
    pub name: String,
    /// What its values are. Values of other units than bits stand in the fields of values all the same
    /// (`value_bits`, `bits_per_record`, ..); shares and standings are given for bits only.
    pub unit: Unit,
}

impl Default for Method {
    fn default() -> Self {
        Self { name: "path".to_owned(), unit: Unit::Bits }
    }
}

/// What values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Bits per benchmark row.
    Bits,
    /// Share of rows answered correctly.
    Accuracy,
    /// A number that only ranks; higher is better.
    Score,
}

/// One method of value against the path, and against what leaving contributors out did. Correlations are `null`
/// where a side does not vary or was not measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimator {
    /// The method.
    pub method: Method,
    /// Pearson's correlation of its record values with those of the path.
    pub records_pearson: Option<f64>,
    /// Spearman's, by rank.
    pub records_spearman: Option<f64>,
    /// Pearson's correlation of its sums by contributor with those of the path.
    pub contributors_pearson: Option<f64>,
    /// Spearman's, by rank.
    pub contributors_spearman: Option<f64>,
    /// Pearson's correlation of its sums by contributor with the measured effects of leaving them out
    /// (`contributors[].without.effect_bits`).
    pub effect_pearson: Option<f64>,
    /// Spearman's, by rank.
    pub effect_spearman: Option<f64>,
}

/// What kind of label is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One of several classes.
    Classification,
    /// A number.
    Regression,
}

/// The model whose gain is shared out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Kind of label.
    pub task: Task,
    /// Model family in words, such as `multinomial logistic regression`.
    pub family: String,
    /// Names of the classes in the model's order; empty for regression.
    pub classes: Vec<String>,
    /// What the model sees of a record.
    pub features: Features,
    /// Strength of the quadratic prior.
    pub lambda: f64,
    /// How the strength was chosen, such as `5-fold cross-validation` or `given`.
    pub lambda_by: String,
    /// Folds of the benchmark behind the standard errors.
    pub folds: u64,
    /// Seed of folds and samples.
    pub seed: u64,
    /// Records that the model was trained on.
    pub records_used: u64,
}

/// What the model sees of a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Number of features.
    pub count: u64,
    /// In words, such as `word and character n-grams, TF-IDF` or `64 numbers, standardised`.
    pub description: String,
    /// The text column, if one is used.
    pub text_column: Option<String>,
    /// The numeric columns used.
    pub numeric_columns: Vec<String>,
}

/// Scores on the benchmark and on the test rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// On the rows that measured the values.
    pub valid: ScoreSet,
    /// On rows that nothing was chosen by.
    pub test: Option<ScoreSet>,
}

/// Scores of several models on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreSet {
    /// The model that saw no record.
    pub base: Option<Score>,
    /// Trained on everything submitted.
    pub submitted: Score,
    /// Trained on everything that passed the gates.
    pub gated: Score,
    /// Trained on what the evidence leaves of that, as it weighs it; `null` where that is everything.
    pub curated: Option<Score>,
}

/// One model's score on some rows, with 95% intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Records that the model was trained on.
    pub records: u64,
    /// Rows scored.
    pub rows: u64,
    /// Bits per row over the base.
    pub bits: f64,
    /// Lower end of the interval of `bits`.
    pub bits_low: Option<f64>,
    /// Upper end of the interval of `bits`.
    pub bits_high: Option<f64>,
    /// Share of rows answered correctly (0 to 1); classification only.
    pub accuracy: Option<f64>,
    /// Lower end of the interval of `accuracy`.
    pub accuracy_low: Option<f64>,
    /// Upper end of the interval of `accuracy`.
    pub accuracy_high: Option<f64>,
    /// Mean of the classes' F1 scores (0 to 1); classification only.
    pub macro_f1: Option<f64>,
    /// Root of the mean squared error, in the label's unit; regression only.
    pub rmse: Option<f64>,
    /// Explained share of the variance; regression only.
    pub r2: Option<f64>,
}

/// What the evidence says about a contributor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The interval of the value lies above zero.
    Paid,
    /// The interval contains zero: not enough evidence either way.
    Unproven,
    /// The interval lies below zero.
    Harmful,
}

impl Standing {
    /// The standing that a 95% interval gives.
    #[must_use]
    pub fn of_interval(low: f64, high: f64) -> Self {
        if low > 0.0 {
            Self::Paid
        } else if high < 0.0 {
            Self::Harmful
        } else {
            Self::Unproven
        }
    }
}

/// One contributor's worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contributor {
    /// Name as in the input.
    pub id: String,
    /// Records sent.
    pub records: u64,
    /// Sum of the records' values.
    pub value_bits: f64,
    /// Standard error of `value_bits`.
    pub se_bits: f64,
    /// Lower end of the 95% interval.
    pub low_bits: f64,
    /// Upper end of the 95% interval.
    pub high_bits: f64,
    /// `value_bits / records`.
    pub bits_per_record: f64,
    /// Share of the positive values of contributors that are paid, in parts per million.
    pub share_ppm: u64,
    /// What the evidence says.
    pub standing: Standing,
    /// Records stopped as duplicates of an earlier one.
    pub duplicates: u64,
    /// Records stopped by any gate, duplicates included.
    pub rejected: u64,
    /// What the evidence says of the records; `null` where that was not asked, or no record passed the gates.
    #[serde(default)]
    pub suspicion: Option<Suspicion>,
    /// Scores of a model really retrained without this contributor, if that was done.
    pub without: Option<Without>,
}

/// What pooled evidence says of one contributor's records that passed the gates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suspicion {
    /// Share of the records that are wrong: another label than the right one, or no content (0 to 1).
    pub wrong_share: f64,
    /// Lower end of the 95% interval of `wrong_share`.
    pub wrong_low: f64,
    /// Upper end of it.
    pub wrong_high: f64,
    /// Bits that a label tells of its record beyond the contributor's own frequencies, by models that never saw the
    /// contributor: about zero for labels drawn at random.
    pub label_bits: f64,
    /// Records kept out of training.
    pub withheld: u64,
    /// Whether the contributor's records are trained on.
    pub verdict: Verdict,
    /// Stable codes of what speaks for or against: `most_wrong`, `some_wrong`, `labels_tell_nothing`,
    /// `value_below_zero`, `needed`.
    pub reasons: Vec<String>,
}

/// What to do with a contributor's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Train on them, the probably wrong ones aside.
    Keep,
    /// Train on none before people have looked.
    Hold,
}

/// What was kept out of training, and why that is better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curation {
    /// How records were weighed; `keep all` where nothing else was better for sure.
    pub choice: String,
    /// Records of weight zero.
    pub withheld: u64,
    /// Precision of the prior that goes with it.
    pub lambda: f64,
    /// Bits more than with all records, on the benchmark, which chose: see `scores.test` for a fair figure.
    pub more_bits: f64,
    /// Lower end of the 95% interval of `more_bits`.
    pub low_bits: f64,
    /// Upper end of it.
    pub high_bits: f64,
    /// Charged, in bits, to those whose records were kept out and would have harmed; at most 0. Not part of the
    /// closure.
    pub charged_bits: f64,
    /// Every way of weighing that was tried, `keep all` first.
    pub trials: Vec<Trial>,
    /// Records that people should look at first, the most bits a look first.
    pub review: Vec<Wanted>,
}

/// One way of weighing records, on the benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// How records were weighed.
    pub choice: String,
    /// Sum of their weights.
    pub records: f64,
    /// Bits per row over the base.
    pub gain_bits: f64,
    /// Bits more than with all records.
    pub more_bits: f64,
    /// Standard error of `more_bits`.
    pub se_bits: f64,
}

/// A record that people should look at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// Id of the record.
    pub id: String,
    /// Who sent it.
    pub contributor: String,
    /// The label sent.
    pub label: String,
    /// Probability that the record is wrong.
    pub p_wrong: f64,
    /// Bits that a look is expected to move.
    pub bits: f64,
}

/// Scores of the model retrained without one contributor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Without {
    /// Bits per row over the base on the benchmark.
    pub valid_bits: Option<f64>,
    /// Bits per row over the base on the test rows.
    pub test_bits: Option<f64>,
    /// Accuracy on the test rows (0 to 1).
    pub test_accuracy: Option<f64>,
    /// What is lost by leaving the contributor out: bits of the gated model minus bits without, on the test rows if
    /// there are any, else on the benchmark. Positive means that the contributor helps.
    pub effect_bits: f64,
    /// What was predicted to be lost, on the benchmark alone: what the retrained model loses there, or, where there are
    /// no test rows to predict, the influence of the contributor's records on the finished model, to first order.
    pub predicted_bits: f64,
}

/// What the gates did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gates {
    /// Whether the gates were on.
    pub on: bool,
    /// Records that came in.
    pub records_in: u64,
    /// Records that passed.
    pub passed: u64,
    /// Records that did not, by reason, most first.
    pub by_reason: Vec<GateCount>,
}

/// Records stopped for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateCount {
    /// Stable code, such as `duplicate_exact`.
    pub code: String,
    /// Records stopped.
    pub count: u64,
    /// The reason in one plain sentence.
    pub sentence: String,
}

/// How alike the records of a group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateKind {
    /// The same after normalisation.
    Exact,
    /// Nearly the same.
    Near,
}

/// An original and its copies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DuplicateGroup {
    /// How alike they are (`near` if any copy is only nearly the same).
    pub kind: DuplicateKind,
    /// The first comer, which keeps the value.
    pub original: RecordRef,
    /// What the original says.
    pub content: Content,
    /// Number of copies.
    pub count: u64,
    /// Some of the copies, first comers first.
    pub copies: Vec<RecordRef>,
}

/// A record and who sent it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordRef {
    /// The record.
    pub id: String,
    /// Who sent it.
    pub contributor: String,
}

/// What a record says, for people to look at; either part may be empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// The text, cut to a few hundred characters.
    pub text: Option<String>,
    /// The numbers (64 numbers between 0 and 16 are drawn as an 8 by 8 image).
    pub numbers: Vec<f64>,
}

/// One record's worth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordValue {
    /// The record.
    pub id: String,
    /// Who sent it.
    pub contributor: String,
    /// Its label as sent.
    pub label: String,
    /// What it says.
    pub content: Content,
    /// Its value.
    pub value_bits: f64,
    /// Standard error of `value_bits`.
    pub se_bits: f64,
    /// Why it is worth that, in one plain sentence.
    pub reason: String,
}

/// Something odd in the input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// Stable code, such as `valid_in_train`.
    pub code: String,
    /// How often.
    pub count: u64,
    /// What it is.
    pub message: String,
    /// Some places, such as `train.jsonl:17`.
    pub examples: Vec<String>,
    /// What to do.
    pub advice: String,
}

/// Values checked against something else.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Against retraining without each contributor; `null` if that was not done.
    pub leave_one_out: Option<LeaveOneOut>,
}

/// Which rows a check was made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// The benchmark.
    Valid,
    /// The test rows.
    Test,
}

/// Agreement of values with the measured effect of leaving contributors out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeaveOneOut {
    /// Pearson's correlation; `null` if one side does not vary.
    pub pearson: Option<f64>,
    /// Spearman's rank correlation; `null` if one side does not vary.
    pub spearman: Option<f64>,
    /// Pearson's correlation of the measured effects with those predicted (`predicted_bits`), which ask what the
    /// retraining asks: what the finished model loses. A value asks what was added on the way from no record to all.
    pub predicted_pearson: Option<f64>,
    /// Spearman's rank correlation with the predicted effects.
    pub predicted_spearman: Option<f64>,
    /// Contributors left out, one at a time.
    pub n: u64,
    /// Rows that measured the effect.
    pub on: Split,
}

/// What is needed to repeat the appraisal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Version of Assay.
    pub version: String,
    /// Seed of everything random.
    pub seed: u64,
    /// Threads used; the numbers do not depend on it.
    pub threads: u64,
    /// Every option as resolved, by name.
    pub options: BTreeMap<String, String>,
}

/// What the appraisal cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// Wall time from start to the writing of this document.
    pub total_ms: u64,
    /// Wall time by stage, in order.
    pub stages: Vec<StageTime>,
    /// CPU time of each of `estimators`, in their order.
    #[serde(default)]
    pub estimators: Vec<MethodTime>,
}

/// Wall time of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// Name of the stage.
    pub stage: String,
    /// Wall time.
    pub wall_ms: u64,
}

/// CPU time of one method of value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodTime {
    /// Name of the method.
    pub method: String,
    /// CPU time, all threads together.
    pub cpu_ms: u64,
}
