//! The thresholds of all gates. A charter may set any of them; the defaults come from the measurements that
//! `examples/gate_quality.rs` prints.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::likeness::Likeness;

/// Everything that can be set about the gates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateConfig {
    /// What a record must look like.
    pub schema: SchemaRule,
    /// Near duplicates among texts.
    pub near: NearRule,
    /// Near duplicates among numeric rows.
    pub rows: RowRule,
    /// Overlap with the sealed benchmark.
    pub benchmark: BenchmarkRule,
}

/// What a record must look like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SchemaRule {
    /// Whether a text is required. Without it, a record needs a text or a row.
    pub text_required: bool,
    /// How many numbers a row must have; without it, any count, none included.
    pub columns: Option<usize>,
    /// Which labels are accepted.
    pub label: LabelRule,
    /// Least length of a text, in characters of its normal form.
    pub text_chars_min: usize,
    /// Greatest size of a text, in bytes.
    pub text_bytes_max: usize,
    /// Greatest size of a label, in bytes.
    pub label_bytes_max: usize,
    /// Greatest length of a row.
    pub numbers_max: usize,
}

/// Which labels are accepted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelRule {
    /// No label is needed; one that is there may be anything.
    Optional,
    /// Any label that is not blank.
    #[default]
    Required,
    /// One of these, compared after trimming white space.
    OneOf(BTreeSet<String>),
    /// A finite decimal number (regression). Numbers that differ do not make two labels conflict: a copier could
    /// always add a little.
    Number,
}

/// When a text is a near duplicate of an earlier one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NearRule {
    /// Off switch.
    pub enabled: bool,
    /// Shorter texts, in words, are judged by exact duplicates only.
    pub words_min: u32,
    /// Least [`Likeness::similarity`] to be held.
    pub hold_similarity: f32,
    /// Greatest share of words of its own with which a text is still held as a copy (one word is always allowed).
    pub hold_novel_share: f32,
    /// Least [`Likeness::similarity`] to be rejected.
    pub reject_similarity: f32,
    /// Greatest share of words of its own with which a text is still rejected as a copy.
    pub reject_novel_share: f32,
}

/// When a numeric row is a near duplicate of an earlier one, by [`crate::RowScale::distance`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RowRule {
    /// Off switch.
    pub enabled: bool,
    /// Rows with fewer columns are judged by exact duplicates only: honest rows meet by chance there.
    pub columns_min: usize,
    /// Greatest distance to be held.
    pub hold_distance: f64,
    /// Greatest distance to be rejected.
    pub reject_distance: f64,
}

/// When a record overlaps with the sealed benchmark. Its texts are also compared by [`NearRule`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BenchmarkRule {
    /// Least share of an item's 5-word shingles, found anywhere in the record, to be held.
    pub hold_containment: f32,
    /// The same, to be rejected.
    pub reject_containment: f32,
}

impl Default for SchemaRule {
    fn default() -> Self {
        SchemaRule {
            text_required: false,
            columns: None,
            label: LabelRule::default(),
            text_chars_min: 1,
            text_bytes_max: 256 * 1024,
            label_bytes_max: 1024,
            numbers_max: 65_536,
        }
    }
}

impl Default for NearRule {
    fn default() -> Self {
        NearRule {
            enabled: true,
            words_min: 4,
            hold_similarity: 0.80,
            hold_novel_share: 0.10,
            reject_similarity: 0.85,
            reject_novel_share: 0.05,
        }
    }
}

impl Default for RowRule {
    fn default() -> Self {
        RowRule { enabled: true, columns_min: 8, hold_distance: 0.12, reject_distance: 0.08 }
    }
}

impl Default for BenchmarkRule {
    fn default() -> Self {
        BenchmarkRule { hold_containment: 0.5, reject_containment: 0.8 }
    }
}

/// How much one content is a copy of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Degree {
    /// A person must look.
    Possible,
    /// Beyond doubt enough to reject.
    Certain,
}

impl NearRule {
    /// The verdict over an alignment; `None` where the newer text stands on its own.
    pub(crate) fn judge(&self, likeness: &Likeness) -> Option<Degree> {
        let own = |share: f32| likeness.novel() as f32 <= share * likeness.newer as f32;
        if likeness.newer.min(likeness.older) < self.words_min || likeness.similarity() < self.hold_similarity {
            return None;
        }
        let copied = likeness.disguise() > 0 && own(self.reject_novel_share);
        if copied && likeness.similarity() >= self.reject_similarity {
            return Some(Degree::Certain);
        }
        (likeness.novel() <= 1 || own(self.hold_novel_share)).then_some(Degree::Possible)
    }
}

impl RowRule {
    /// The verdict over a distance.
    pub(crate) fn judge(&self, distance: f64) -> Option<Degree> {
        if distance <= self.reject_distance {
            return Some(Degree::Certain);
        }
        (distance <= self.hold_distance).then_some(Degree::Possible)
    }
}

/// A setting that makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("gate setting {field}: {problem}")]
pub struct ConfigError {
    /// The setting, as a path.
    pub field: &'static str,
    /// What is wrong, and what is allowed.
    pub problem: &'static str,
}

impl GateConfig {
    /// Checks that every threshold is in range and that nothing is rejected that would not be held.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let share = |x: f64| (0.0..=1.0).contains(&x);
        let (near, rows, benchmark) = (&self.near, &self.rows, &self.benchmark);
        let checks = [
            ("schema.text_bytes_max", self.schema.text_bytes_max > 0, "must be at least 1"),
            ("near.hold_similarity", near.hold_similarity >= 0.5 && near.hold_similarity <= 1.0, "must be between 0.5 and 1"),
            (
                "near.reject_similarity",
                near.reject_similarity >= near.hold_similarity && near.reject_similarity <= 1.0,
                "must be between near.hold_similarity and 1",
            ),
            ("near.hold_novel_share", share(near.hold_novel_share.into()), "must be between 0 and 1"),
            ("near.reject_novel_share", share(near.reject_novel_share.into()), "must be between 0 and 1"),
            ("rows.hold_distance", share(rows.hold_distance) && rows.hold_distance > 0.0, "must be above 0 and at most 1"),
            (
                "rows.reject_distance",
                share(rows.reject_distance) && rows.reject_distance <= rows.hold_distance,
                "must be between 0 and rows.hold_distance",
            ),
            ("benchmark.hold_containment", share(benchmark.hold_containment.into()), "must be between 0 and 1"),
            (
                "benchmark.reject_containment",
                benchmark.reject_containment >= benchmark.hold_containment && benchmark.reject_containment <= 1.0,
                "must be between benchmark.hold_containment and 1",
            ),
        ];
        match checks.into_iter().find(|&(_, holds, _)| !holds) {
            Some((field, _, problem)) => Err(ConfigError { field, problem }),
            None => Ok(()),
        }
    }
}
