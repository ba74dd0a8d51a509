//! The charter: the rules of one datanet, in TOML, integers only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::ids::{Code, DatanetId};
use crate::limits::{AMOUNT_MAX, CHARTER_BYTES_MAX, HOLD_HOURS_MAX, INTEGER_MAX, PPM};

/// The rules of a datanet. `[task]`, `[gate]` and `[value]` are read by the stages that they steer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charter {
    /// `assay.charter/1`.
    pub schema: String,
    /// Name of the datanet.
    pub datanet: DatanetId,
    /// For people.
    pub title: String,
    /// What records look like and what is predicted.
    pub task: TaskRules,
    /// Who gets what part of a fee.
    pub split: Split,
    /// What an answer costs.
    pub query: QueryRules,
    /// What stands behind a record.
    #[serde(default)]
    pub bond: BondRules,
    /// Thresholds of the gates.
    #[serde(default)]
    pub gate: GateRules,
    /// What a record must say of where it comes from.
    #[serde(default, skip_serializing_if = "ProvenanceRules::asks_nothing")]
    pub provenance: ProvenanceRules,
    /// How value is measured.
    #[serde(default)]
    pub value: ValueRules,
    /// What value is rewarded with, beside fees; without it only fees pay.
    #[serde(default)]
    pub reward: Option<RewardRules>,
    /// When values are good enough to pay by.
    #[serde(default)]
    pub audit: AuditRules,
}

/// What records look like and what is predicted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskRules {
    /// `classification` or `regression`.
    pub kind: String,
    /// Column of text, if any.
    #[serde(default)]
    pub text: Option<String>,
    /// Numeric columns, if any.
    #[serde(default)]
    pub features: Vec<String>,
    /// Column of the label.
    pub label: String,
    /// Classes; empty for regression.
    #[serde(default)]
    pub classes: Vec<String>,
}

/// Parts per million of every fee; they sum to a million.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// To the contributors, by the attribution of the answer.
    pub contributors: u32,
    /// To the reviewers, by decisions in the epoch.
    pub reviewers: u32,
    /// To the trainer of the model that answered.
    pub trainer: u32,
    /// To the operator.
    pub platform: u32,
}

/// What an answer costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryRules {
    /// Price of one answer.
    pub price: Amount,
    /// Hours for which a price is held at least; whoever asks can take it back after the hours that they named.
    #[serde(default = "usual_hold", skip_serializing_if = "is_usual_hold")]
    pub hold_hours: u32,
}

/// A week: more than a node is down over a holiday, and what cards usually hold an authorisation for.
const HOLD_HOURS: u32 = 168;

fn usual_hold() -> u32 {
    HOLD_HOURS
}

fn is_usual_hold(hours: &u32) -> bool {
    *hours == HOLD_HOURS
}

/// What stands behind a record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BondRules {
    /// At stake for every record offered.
    pub per_record: Amount,
    /// True when it must be put up with the contribution; else it is taken from accruals only.
    #[serde(default)]
    pub upfront: bool,
}

/// Thresholds of the gates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateRules {
    /// Longest text, bytes.
    pub text_bytes_max: u32,
    /// Similarity from which a record is a near duplicate; 0 leaves it to the gate.
    pub near_ppm: u32,
    /// Hold near duplicates for review instead of rejecting them.
    pub near_hold: bool,
    /// Languages of texts, ISO 639-3, or `any`; where there are none, those of the sealed benchmark.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// What becomes of personal data and secrets in a text.
    #[serde(skip_serializing_if = "Personal::is_hold")]
    pub personal: Personal,
    /// What follows where a single text shows what a reason code names; a look by a person where it says nothing. Goes
    /// before `personal`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub text: BTreeMap<Code, TextAction>,
    /// Share of right labels that may be held as implausible, parts per million; 0 asks no model.
    #[serde(skip_serializing_if = "is_usual_label_hold")]
    pub label_hold_ppm: u32,
    /// Cosine from which a text is held as a neighbour of another sender's, parts per million; 0 looks for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub semantic_ppm: u32,
    /// Greatest size of the fields of a record that the charter does not read, bytes.
    #[serde(skip_serializing_if = "is_usual_unread")]
    pub unread_bytes_max: u32,
}

/// Names, values and marks of a few hundred short fields.
const UNREAD_BYTES_MAX: u32 = 16 * 1024;

/// Most wrong labels for few right ones: docs/GATES.md.
const LABEL_HOLD_PPM: u32 = 5_000;

fn is_usual_label_hold(ppm: &u32) -> bool {
    *ppm == LABEL_HOLD_PPM
}

fn is_zero(ppm: &u32) -> bool {
    *ppm == 0
}

fn is_usual_unread(bytes: &u32) -> bool {
    *bytes == UNREAD_BYTES_MAX
}

/// What a record must say of where it comes from. A column without a name is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProvenanceRules {
    /// Column of the licence.
    pub licence: String,
    /// Licences that are accepted, as SPDX writes them.
    pub licences: Vec<String>,
    /// Column that says that consent is given.
    pub consent: String,
    /// Column of the id, which a contributor uses once.
    pub id: String,
    /// Column of the time, which is not in the future.
    pub time: String,
    /// Earliest day, `YYYY-MM-DD`.
    pub earliest: String,
}

impl ProvenanceRules {
    fn asks_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The columns that are read.
    pub fn columns(&self) -> impl Iterator<Item = &String> {
        [&self.licence, &self.consent, &self.id, &self.time].into_iter().filter(|name| !name.is_empty())
    }
}

/// What becomes of personal data and secrets in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Personal {
    /// A reviewer decides.
    #[default]
    Hold,
    /// The contributor takes them out before signing; a record that still has some is not admitted.
    Mask,
    /// They may stay.
    Off,
}

impl Personal {
    fn is_hold(&self) -> bool {
        *self == Personal::Hold
    }
}

/// What follows from what a single text shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextAction {
    /// Nothing.
    Pass,
    /// A reviewer decides.
    Hold,
    /// The record is not admitted.
    Reject,
}

impl Default for GateRules {
    fn default() -> Self {
        Self {
            text_bytes_max: 20_000,
            near_ppm: 0,
            near_hold: false,
            languages: Vec::new(),
            personal: Personal::default(),
            text: BTreeMap::new(),
            label_hold_ppm: LABEL_HOLD_PPM,
            semantic_ppm: 0,
            unread_bytes_max: UNREAD_BYTES_MAX,
        }
    }
}

/// How value is measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValueRules {
    /// Quadrature nodes to begin with.
    pub nodes: u32,
    /// Folds of the benchmark, for the intervals.
    pub folds: u32,
    /// Seed of everything drawn.
    pub seed: u64,
    /// Whether pooled evidence may keep records out of training.
    pub curate: bool,
    /// Which copies share one unit of weight.
    pub share_copies: ShareCopies,
    /// Part of a unit of weight that a near copy of somebody's earlier record keeps; the rest is the first comer's.
    pub near_weight_ppm: u32,
    /// Whether records weigh less for what earlier records say already.
    pub novelty: bool,
    /// How far values become public.
    pub publish: Publish,
}

impl Default for ValueRules {
    fn default() -> Self {
        Self {
            nodes: 16,
            folds: 8,
            seed: 0,
            curate: true,
            share_copies: ShareCopies::default(),
            near_weight_ppm: 0,
            novelty: true,
            publish: Publish::default(),
        }
    }
}

/// Which copies share one unit of weight, so that copying gains nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShareCopies {
    /// Records of the same content.
    Exact,
    /// Those, and records of one cluster of near duplicates.
    #[default]
    Clusters,
    /// None: each record weighs one.
    None,
}

/// How far values become public. The log always commits to the value of every record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Publish {
    /// Sums by contributor. Values of records would say which content the sealed benchmark rewards.
    #[default]
    Contributors,
    /// Those, and with each settlement the value of every record that it went by.
    Records,
}

/// What value is rewarded with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardRules {
    /// Base units for one accrued bit.
    pub per_bit: Amount,
}

/// When values are good enough to pay by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditRules {
    /// Least rank agreement of values and retraining, parts per million; 0 asks for no audit.
    pub min_rank_ppm: u32,
}

/// Why a charter does not stand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CharterError {
    /// More text than an entry can carry.
    #[error("the charter is {bytes} bytes long; at most {CHARTER_BYTES_MAX} fit the log")]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// Not TOML of this shape; says where.
    #[error("the charter does not parse: {0}")]
    Syntax(String),
    /// Well-formed, but against a rule.
    #[error("the charter does not stand: {0}")]
    Rule(String),
}

impl BondRules {
    /// What is at stake for so many records.
    pub(crate) fn of(&self, records: u64) -> Amount {
        Amount::new(self.per_record.units().saturating_mul(records.into()).min(AMOUNT_MAX))
            .unwrap_or_default()
    }
}

impl TaskRules {
    /// Whether the task reads a column.
    pub fn reads(&self, column: &str) -> bool {
        self.text.iter().chain(&self.features).chain([&self.label]).any(|name| name == column)
    }
}

fn is_name(licence: &str) -> bool {
    !licence.is_empty() && licence.bytes().all(|b| b.is_ascii_graphic())
}

/// A day of the Gregorian calendar, as far as its form and the greatest day of any month.
fn is_day(text: &str) -> bool {
    let number = |from: usize, to: usize| -> Option<u32> {
        text.get(from..to).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
    };
    let marks = text.len() == 10 && text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
    let month = number(5, 7).is_some_and(|month| (1..=12).contains(&month));
    let day = number(8, 10).is_some_and(|day| (1..=31).contains(&day));
    marks && number(0, 4).is_some() && month && day
}

fn is_language(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|b| b.is_ascii_lowercase())
}

impl Charter {
    /// Reads and checks a charter.
    pub fn parse(text: &str) -> Result<Self, CharterError> {
        if text.len() > CHARTER_BYTES_MAX {
            return Err(CharterError::TooLong { bytes: text.len() });
        }
        let charter: Self = toml::from_str(text).map_err(|e| CharterError::Syntax(e.to_string()))?;
        charter.check().map_err(CharterError::Rule)?;
        Ok(charter)
    }

    fn check(&self) -> Result<(), String> {
        let Split { contributors, reviewers, trainer, platform } = self.split;
        let sum = [contributors, reviewers, trainer, platform].iter().map(|&p| u64::from(p)).sum::<u64>();
        let (task, from) = (&self.task, &self.provenance);
        let rules = [
            (self.schema == "assay.charter/1", "schema must be \"assay.charter/1\"".to_owned()),
            (self.title.chars().count() <= 200, "title is longer than 200 characters".to_owned()),
            (sum == u64::from(PPM), format!("[split] sums to {sum}, not to {PPM} parts per million")),
            (!self.query.price.is_zero(), "[query] price must be above zero".to_owned()),
            (
                (1..=HOLD_HOURS_MAX).contains(&self.query.hold_hours),
                format!("[query] hold_hours must be 1 to {HOLD_HOURS_MAX}"),
            ),
            (
                matches!(task.kind.as_str(), "classification" | "regression"),
                "[task] kind must be \"classification\" or \"regression\"".to_owned(),
            ),
            (task.text.is_some() || !task.features.is_empty(), "[task] needs text or features".to_owned()),
            (
                task.kind == "regression" || task.classes.len() >= 2,
                "[task] classes must name at least two classes".to_owned(),
            ),
            ((4..=64).contains(&self.value.nodes), "[value] nodes must be 4 to 64".to_owned()),
            ((2..=64).contains(&self.value.folds), "[value] folds must be 2 to 64".to_owned()),
            (self.value.seed <= INTEGER_MAX, format!("[value] seed must be at most {INTEGER_MAX}")),
            (self.value.near_weight_ppm <= PPM, "[value] near_weight_ppm is above one million".to_owned()),
            (
                self.reward.as_ref().is_none_or(|reward| !reward.per_bit.is_zero()),
                "[reward] per_bit must be above zero; leave the section out to reward nothing".to_owned(),
            ),
            (self.audit.min_rank_ppm <= PPM, "[audit] min_rank_ppm is above one million".to_owned()),
            (self.gate.near_ppm <= PPM, "[gate] near_ppm is above one million".to_owned()),
            (self.gate.label_hold_ppm < PPM, "[gate] label_hold_ppm must be below one million".to_owned()),
            (self.gate.semantic_ppm <= PPM, "[gate] semantic_ppm is above one million".to_owned()),
            (self.gate.text_bytes_max > 0, "[gate] text_bytes_max must be above zero".to_owned()),
            (
                self.gate.languages.iter().all(|code| is_language(code)),
                "[gate] languages must be codes of ISO 639-3, such as \"eng\", or \"any\"".to_owned(),
            ),
            (
                from.licence.is_empty() == from.licences.is_empty() && from.licences.iter().all(|name| is_name(name)),
                "[provenance] licence and licences belong together: a column, and names without spaces such as \"CC-BY-4.0\"".to_owned(),
            ),
            (
                from.earliest.is_empty() || (!from.time.is_empty() && is_day(&from.earliest)),
                "[provenance] earliest must be a day such as \"2026-01-31\", and needs time".to_owned(),
            ),
            (
                from.columns().all(|name| !task.reads(name)),
                "[provenance] names a column that [task] reads".to_owned(),
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, why)) => Err(why),
            None => Ok(()),
        }
    }
}
