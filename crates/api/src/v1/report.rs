//! The public report of a datanet: its model against baselines, who earned what, and how to check it.

use super::appraisal::{Agreement, Closure, Content, Gates, Score, Standing, Utility};
use super::audit::Audit;
use crate::{Document, Micro};
use serde::{Deserialize, Serialize};

/// The report of one datanet (`schema` is `assay.report/1`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetReport {
    /// Name and version of this document's schema.
    pub schema: String,
    /// Which datanet.
    pub datanet: Datanet,
    /// The log that this report was computed from.
    pub log: LogHead,
    /// The newest model beside its baselines; `null` before the first training.
    pub card: Option<ModelCard>,
    /// Utility on the benchmark, from the base of the first run to the model of the newest; `null` before the first
    /// valuation.
    pub utility: Option<Utility>,
    /// How well the values of the newest run add up to what it gained; `null` before the first valuation.
    pub closure: Option<Closure>,
    /// Training runs that were valued, in order.
    pub runs: Vec<Run>,
    /// Least rank agreement of values and retraining at which pay is released, by the charter; `null` if it asks for
    /// no audit.
    pub least_rank: Option<f64>,
    /// Values checked against real retraining.
    pub agreement: Agreement,
    /// The newest audit of the newest values, whole; `null` before there is one.
    #[serde(default)]
    pub audit: Option<Audit>,
    /// Everyone who contributed, by value, highest first.
    pub contributors: Vec<NetContributor>,
    /// What the gates passed and stopped, by reason.
    pub gates: Gates,
    /// What checking cost, and what slipped through.
    pub verification: Verification,
    /// Promised against realised split of what consumers paid.
    pub split: Vec<SplitShare>,
    /// Totals of money.
    pub money: MoneyTotals,
    /// How pay is spread over contributors.
    pub pay: PaySpread,
    /// Settled epochs in order.
    pub epochs: Vec<EpochSummary>,
    /// Paid queries.
    pub queries: Queries,
    /// How a stranger checks this report.
    pub verify: VerifyAdvice,
    /// What neither this report nor its verification can know.
    pub cannot_know: Vec<String>,
}

impl Document for NetReport {
    const SCHEMA: &'static str = "assay.report/1";

    fn schema(&self) -> &str {
        &self.schema
    }
}

/// Names of a datanet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Datanet {
    /// Its name.
    pub name: String,
    /// What it collects, in a sentence.
    pub purpose: String,
    /// Origin of its log, as in the checkpoint's first line.
    pub origin: String,
    /// The asset that amounts are in, such as `OPEN`; amounts are in millionths of it.
    pub asset: String,
}

/// A place in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogHead {
    /// Entries.
    pub size: u64,
    /// Root of the Merkle tree of those entries, in hexadecimal.
    pub root: String,
}

/// The newest model and what it is compared with, on test rows that are never used for pay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Root of the snapshot that it was trained on, in hexadecimal.
    pub snapshot_root: String,
    /// Model family in words.
    pub family: String,
    /// What pooled evidence kept out of training; `null` where the charter does not ask for it.
    #[serde(default)]
    pub curation: Option<Curation>,
    /// The model before any record.
    pub base: Score,
    /// Trained on as many records as the snapshot, drawn at random from everything submitted.
    pub random_pool: Option<Score>,
    /// Trained on the snapshot.
    pub snapshot: Score,
    /// Paired differences between the snapshot's model and the others.
    pub differences: Vec<PairedDifference>,
    /// How far the attribution of its answers is to be trusted; `null` where training it again so often costs too much.
    #[serde(default)]
    pub answers: Option<AnswerCheck>,
}

/// Some answers of a model against models that were trained again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerCheck {
    /// Test rows asked, drawn by the charter's seed; their labels are not used.
    pub questions: u64,
    /// Random halves of the records on which the model was trained again.
    pub halves: u64,
    /// Linear datamodeling score of the centred influence: the mean over the questions of the rank correlation between
    /// predicted and measured log-probability of the answer over the halves.
    pub lds: Option<f64>,
    /// Standard error of it.
    pub lds_se: Option<f64>,
    /// Records named for each answer: those that it misses most.
    pub named: u64,
    /// Bits of the answer's log-probability lost when the named are removed and the model is trained again: the mean.
    pub lost_bits: f64,
    /// Standard error of it.
    pub lost_se_bits: Option<f64>,
}

/// What pooled evidence kept out of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curation {
    /// How records were weighed; `keep all` where nothing else was better for sure.
    pub choice: String,
    /// Records of the snapshot that weigh nothing.
    pub withheld: u64,
    /// Bits more than with all records, on the fold that measures value, which chose.
    pub more_bits: f64,
    /// Lower end of the 95% interval of `more_bits`.
    pub low_bits: f64,
    /// Upper end of it.
    pub high_bits: f64,
}

/// Snapshot's model minus another on the same rows, by paired bootstrap, with 95% intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// The other model: `base` or `random_pool`.
    pub against: String,
    /// Mean difference in bits per row.
    pub bits: f64,
    /// Lower end of the interval of `bits`.
    pub bits_low: f64,
    /// Upper end of the interval of `bits`.
    pub bits_high: f64,
    /// Difference in accuracy (0.01 is one point); classification only.
    pub accuracy: Option<f64>,
    /// Lower end of the interval of `accuracy`.
    pub accuracy_low: Option<f64>,
    /// Upper end of the interval of `accuracy`.
    pub accuracy_high: Option<f64>,
    /// Bootstrap resamples.
    pub resamples: u64,
}

/// What the new records of one training run added to the model of the records before them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Index of its valuation in the log.
    pub entry: u64,
    /// Records in its snapshot.
    pub records: u64,
    /// Those of them that no earlier run had valued.
    pub new_records: u64,
    /// Mean log2 likelihood of the model of the earlier records; of the base in the first run.
    pub base_bits: f64,
    /// The same for the model of all records.
    pub full_bits: f64,
    /// Sum of the values that the run credited to contributors.
    pub sum_bits: f64,
    /// The part of that sum that records which were kept out of training are charged with; never above zero.
    pub withheld_bits: f64,
    /// The audit of its values; `null` before there is one.
    pub audit: Option<RunAudit>,
}

/// How well the values of a run agree with really retraining without each contributor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunAudit {
    /// Index of the audit in the log.
    pub entry: u64,
    /// Rank correlation of values and measured effects (-1 to 1).
    pub rank: f64,
    /// Share of the measured effects that lie within the intervals of the values (0 to 1).
    pub coverage: f64,
    /// Contributors left out, one at a time.
    pub contributors: u64,
}

/// One contributor's worth and pay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetContributor {
    /// Public name or key.
    pub id: String,
    /// What it is known to have done, where the truth is known (the demo); never used to compute anything.
    pub label: Option<String>,
    /// Records offered.
    pub records: u64,
    /// Records that passed.
    pub passed: u64,
    /// Records held for review and not yet decided.
    pub held: u64,
    /// Records rejected.
    pub rejected: u64,
    /// Sum of the records' values over all runs.
    pub value_bits: f64,
    /// Standard error of `value_bits`: the sum of those of the runs, whose errors may all point one way.
    pub se_bits: f64,
    /// Lower end of the 95% interval, summed likewise.
    pub low_bits: f64,
    /// Upper end of the 95% interval, summed likewise.
    pub high_bits: f64,
    /// `value_bits` over records that were valued; `null` if none was.
    pub bits_per_record: Option<f64>,
    /// What the evidence says.
    pub standing: Standing,
    /// Credited: shares of answers and of the pool, and rewards.
    pub earned_micro: Micro,
    /// The part of that which is rewards for value, out of what sponsors put up.
    pub rewarded_micro: Micro,
    /// Released, so that it can be withdrawn.
    pub released_micro: Micro,
    /// Accrued but not proven yet.
    pub withheld_micro: Micro,
    /// Bond taken.
    pub bond_lost_micro: Micro,
}

/// Cost and leaks of checking.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verification {
    /// Records that a person looked at.
    pub reviewed: u64,
    /// Machine time per record offered, in microseconds; `null` if not measured.
    pub machine_us_per_record: Option<f64>,
    /// The same by gate, in the order in which a record meets them; empty if not measured.
    #[serde(default)]
    pub machine_us_by_gate: Vec<GateCost>,
    /// Records that passed and are known to be garbage, where the truth is known; `null` elsewhere.
    pub garbage_admitted: Option<u64>,
    /// Records offered that are known to be garbage, where the truth is known; `null` elsewhere.
    pub garbage_offered: Option<u64>,
}

/// What one gate costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateCost {
    /// Name of the gate.
    pub gate: String,
    /// CPU time per record offered, in microseconds.
    pub us: f64,
}

/// One role's share of what consumers paid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitShare {
    /// `contributors`, `reviewers`, `trainer` or `platform`.
    pub role: String,
    /// Share in the charter.
    pub promised_ppm: u64,
    /// Share of settled fees that was really paid out to the role; what is withheld counts to nobody, and rewards are
    /// no part of fees.
    pub realised_ppm: u64,
    /// Paid out of fees.
    pub paid_micro: Micro,
}

/// Totals of money.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MoneyTotals {
    /// Deposited by consumers.
    pub deposited_micro: Micro,
    /// Charged for queries.
    pub fees_micro: Micro,
    /// Paid out to all roles, rewards included.
    pub paid_micro: Micro,
    /// Put up by sponsors to reward value.
    pub funded_micro: Micro,
    /// The part of that which was credited to contributors.
    pub rewarded_micro: Micro,
    /// Accrued and withheld until proven.
    pub unpaid_micro: Micro,
    /// Carried to the next epoch (not yet settled, and rounding).
    pub carried_micro: Micro,
    /// Bonds held.
    pub bonds_held_micro: Micro,
    /// Bonds taken from harmful contributors.
    pub bonds_lost_micro: Micro,
}

/// How pay is spread over contributors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PaySpread {
    /// Gini coefficient of released pay over all contributors (0 equal, 1 all to one); `null` if nothing was paid.
    pub gini: Option<f64>,
    /// Median of released pay over all contributors.
    pub median_micro: Micro,
    /// Contributors with released pay.
    pub paid: u64,
}

/// One settled epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochSummary {
    /// Number, from 0.
    pub epoch: u64,
    /// Paid queries in it.
    pub queries: u64,
    /// Fees settled.
    pub fees_micro: Micro,
    /// Released to contributors.
    pub released_micro: Micro,
    /// Withheld at its end.
    pub withheld_micro: Micro,
    /// True when the audit of the values was missing or poor, so that nothing that goes by value was paid.
    pub held_back: bool,
    /// Merkle root of its payouts, in hexadecimal.
    pub payout_root: String,
}

/// Paid queries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Queries {
    /// How many.
    pub count: u64,
    /// Some of them with their attributions, where the consumer agreed to publication.
    pub samples: Vec<Answer>,
}

/// An answer and the records that shaped it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// What was asked.
    pub query: Content,
    /// What was answered.
    pub answer: String,
    /// The model's probability of that answer (0 to 1); `null` for regression.
    pub probability: Option<f64>,
    /// Bits by which the datanet moved this answer, relative to the base.
    pub bits: f64,
    /// The records that moved it most, by bits.
    pub records: Vec<AnswerRecord>,
    /// Share of the positive mass that those records cover, in parts per million.
    pub covered_ppm: u64,
    /// Price paid.
    pub fee_micro: Micro,
    /// Index of its entry in the log.
    pub receipt_index: u64,
}

/// A record that shaped an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerRecord {
    /// The record.
    pub id: String,
    /// Who sent it.
    pub contributor: String,
    /// Its label.
    pub label: String,
    /// What it says.
    pub content: Content,
    /// Bits by which it moved the answer.
    pub bits: f64,
}

/// How a stranger checks this report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VerifyAdvice {
    /// The command to run.
    pub command: String,
    /// What that command checks, a sentence each.
    pub checks: Vec<String>,
}
