//! `redteam.json`: what attacks on a datanet cost, earn and harm, beside honest work of the same effort.

use super::appraisal::{Inputs, Recipe, Timings};
use crate::{Document, Micro};
use serde::{Deserialize, Serialize};

/// Attacks on one community (`schema` is `assay.redteam/1`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RedTeam {
    /// Name and version of this document's schema.
    pub schema: String,
    /// The files that were read.
    pub inputs: Inputs,
    /// The rules of pay, the same for every arm.
    pub rules: Rules,
    /// The community that is attacked, without the attacker.
    pub community: Crowd,
    /// The attacker sends his own records under one name.
    pub honest: Arm,
    /// The attacks, in the order in which they were asked for.
    pub attacks: Vec<Arm>,
    /// Attacks that have no meaning for these records.
    pub not_applicable: Vec<Skipped>,
    /// What is needed to repeat this.
    pub recipe: Recipe,
    /// What it cost. The only part that differs between two runs of one recipe.
    pub timings: Timings,
}

impl Document for RedTeam {
    const SCHEMA: &'static str = "assay.redteam/1";

    fn schema(&self) -> &str {
        &self.schema
    }
}

/// What is paid, and for what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    /// Fees that are split over the identities by value, in every arm the same.
    pub pool_micro: Micro,
    /// At stake for every record sent.
    pub bond_per_record_micro: Micro,
    /// Price of one question.
    pub price_micro: Micro,
    /// The contributors' part of it.
    pub contributors_ppm: u64,
}

/// Who is attacked, and by how many records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Crowd {
    /// Records of others.
    pub records: u64,
    /// Contributors who sent them.
    pub contributors: u64,
    /// Honest records that the attacker owns: the effort behind every arm.
    pub owned: u64,
    /// Rows that the models are scored on.
    pub rows: u64,
    /// Bits over the base of the model of others alone, mean over these rows.
    pub bits: f64,
    /// Accuracy of it; `null` for regression.
    pub accuracy: Option<f64>,
}

/// One thing that the attacker does, and what comes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Name of the attack, as `--attacks` takes it; `honest` for honest work.
    pub name: String,
    /// What the attacker does.
    pub sentence: String,
    /// Records sent.
    pub records: u64,
    /// Of these, records that passed the gates.
    pub passed: u64,
    /// Names that they were sent under.
    pub identities: u64,
    /// Names by standing.
    pub standings: Standings,
    /// Measured value of all his records together, in bits.
    pub value_bits: f64,
    /// Bond behind the records.
    pub bond_micro: Micro,
    /// Paid for questions.
    pub spent_micro: Micro,
    /// Pay released.
    pub released_micro: Micro,
    /// Pay that waits for proof.
    pub waiting_micro: Micro,
    /// Bond lost.
    pub lost_micro: Micro,
    /// Released, less lost, less spent.
    pub profit_micro: Micro,
    /// Profit over that of honest work; `null` where honest work earned nothing.
    pub ratio: Option<f64>,
    /// What this comes to beside honest work.
    pub verdict: Verdict,
    /// Change of the pay, released and waiting, of those whose records were copied, against the community without
    /// the attacker, as a ratio; `null` where nothing was copied.
    pub victims_change: Option<f64>,
    /// Bits over the base of the model with his records, on the rows of `community`.
    pub bits: f64,
    /// Accuracy of it; `null` for regression.
    pub accuracy: Option<f64>,
    /// What a mark on a row does; `null` for attacks without one.
    pub trigger: Option<TriggerEffect>,
    /// What stopped his records, most first.
    pub caught: Vec<Caught>,
}

/// Names of the attacker by standing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standings {
    /// Proven to help.
    pub paid: u64,
    /// Neither.
    pub unproven: u64,
    /// Proven to harm.
    pub harmful: u64,
}

/// What an attack comes to beside honest work of the same effort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It costs more than it brings.
    Loses,
    /// It brings less than honest work, or nothing.
    EarnsLess,
    /// Within 5% of honest work.
    EarnsAsHonest,
    /// More than 5% above honest work.
    Gains,
}

/// Rows of other classes that are answered as the attacker wants, as a ratio.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerEffect {
    /// With the mark, by the model with his records.
    pub success: f64,
    /// With the mark, by the model without them.
    pub without: f64,
}

/// Records that one check stopped or made less of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caught {
    /// Code of the reason; `standing` where the standing of the name keeps its pay.
    pub code: String,
    /// What was done: `rejected`, `held`, `discounted`, `unproven` or `harmful`.
    pub by: String,
    /// Records.
    pub count: u64,
}

/// An attack that was not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}
