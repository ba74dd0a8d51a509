//! The thresholds of all gates. A charter may set any of them; the defaults come from the measurements that
//! `examples/gate_quality.rs` prints.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::likeness::Likeness;
use crate::provenance::ProvenanceRule;
use crate::text::TextRule;

/// Everything that can be set about the gates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateConfig {
    /// What a record must look like.
    pub schema: SchemaRule,
    /// What a record must say of where it comes from.
    pub provenance: ProvenanceRule,
    /// What a text shows by itself.
    pub text: TextRule,
    /// Near duplicates among texts.
    pub near: NearRule,
    /// Near duplicates among numeric rows.
    pub rows: RowRule,
    /// Overlap with the sealed benchmark.
    pub benchmark: BenchmarkRule,
    /// Texts that say much the same as another sender's.
    pub neighbours: NeighbourRule,
    /// Labels that a model doubts.
    pub plausibility: PlausibilityRule,
    /// What is made of everything that one sender sent.
    pub sender: SenderRule,
}

/// When a text is held for being near one of another sender by [`crate::NeighbourIndex`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NeighbourRule {
    /// Least cosine to be held. 0 looks for no neighbours.
    pub hold_cosine: f64,
}

/// When a label is held as implausible.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlausibilityRule {
    /// Greatest p-value to be held: about the share of right labels that are held for it. 0 holds none.
    pub hold_p: f64,
}

/// What is made of everything that one sender sent. Probabilities are posterior ones, that a record is not its sender's own work, by
/// how it compares with honest work and by what else the sender sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SenderRule {
    /// Off switch: every record is judged on its content alone.
    pub enabled: bool,
    /// Least probability with which a record is held.
    pub hold_probability: f64,
    /// Least probability with which a record is rejected.
    pub reject_probability: f64,
    /// Least likelihood ratio of a record's own content with which it is rejected, where no rule over content is certain.
    pub reject_ratio: f64,
    /// Expected share of such records, in one of the ways in which records can be not their sender's own, from which all of the sender's records are held.
    pub review_share: f64,
    /// Records of a sender before which none is held for that share.
    pub review_records: u32,
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
///
/// - **Rejected** as a copy: at least `reject_similarity` alike, tampered with ([`Likeness::tampering`]) at least as often as it
///   brings words of its own, of which at most [`NearRule::NOVEL_MAX`]; a text under `short_words` words must show two signs
///   of tampering, or be `short_similarity` alike. Also: the same words in the same order; and a long text
///   with no word of its own, `long_similarity` alike.
/// - **Held**: at least `hold_similarity` alike, tampered with, and few words of its own. Also: a long text that
///   is `long_hold_similarity` alike to one or two earlier ones without any sign of tampering; being like more than two is the
///   mark of a template that honest people fill in, and passes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NearRule {
    /// Off switch.
    pub enabled: bool,
    /// Whether copies are held for a reviewer where they would be rejected.
    pub hold_only: bool,
    /// Shorter texts, in words, are judged by exact duplicates only.
    pub words_min: u32,
    /// Least [`Likeness::similarity`] to be held, where tampered with.
    pub hold_similarity: f32,
    /// Greatest share of words of its own with which a text is held (two words are always allowed).
    pub hold_novel_share: f32,
    /// Least [`Likeness::similarity`] to be rejected.
    pub reject_similarity: f32,
    /// Texts with fewer words are short.
    pub short_words: u32,
    /// Least [`Likeness::similarity`] of a short text to be rejected for one sign of tampering.
    pub short_similarity: f32,
    /// Texts with at least so many words are long.
    pub long_words: u32,
    /// Least [`Likeness::similarity`] of a long text without a word of its own to be rejected.
    pub long_similarity: f32,
    /// Least [`Likeness::similarity`] of a long text to be held without a sign of tampering.
    pub long_hold_similarity: f32,
    /// Greatest share of words of its own with which a long text is held without a sign of tampering.
    pub long_novel_share: f32,
}

/// When a numeric row is a near duplicate of an earlier one, by [`crate::RowScale::distance`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RowRule {
    /// Off switch.
    pub enabled: bool,
    /// Rows with fewer columns are judged by exact duplicates only, unless they come with a like text: honest rows meet by chance there.
    pub columns_min: usize,
    /// Greatest distance to be held.
    pub hold_distance: f64,
    /// Greatest distance to be rejected.
    pub reject_distance: f64,
}

/// When a record overlaps with the sealed benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BenchmarkRule {
    /// Edited copies. Stricter on short texts than among contributions: a benchmark asks what everybody asks.
    pub near: NearRule,
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
            hold_only: false,
            words_min: 4,
            hold_similarity: 0.75,
            hold_novel_share: 0.10,
            reject_similarity: 0.88,
            short_words: 8,
            short_similarity: 0.95,
            long_words: 24,
            long_similarity: 0.95,
            long_hold_similarity: 0.70,
            long_novel_share: 0.35,
        }
    }
}

impl Default for RowRule {
    fn default() -> Self {
        RowRule { enabled: true, columns_min: 8, hold_distance: 0.20, reject_distance: 0.15 }
    }
}

impl Default for PlausibilityRule {
    fn default() -> Self {
        PlausibilityRule { hold_p: 0.005 }
    }
}

impl Default for SenderRule {
    fn default() -> Self {
        SenderRule {
            enabled: true,
            hold_probability: 0.6,
            reject_probability: 0.99,
            reject_ratio: 8.0,
            review_share: 0.92,
            review_records: 10,
        }
    }
}

impl Default for BenchmarkRule {
    fn default() -> Self {
        let near =
            NearRule { hold_similarity: 0.80, short_words: 12, short_similarity: 1.0, ..NearRule::default() };
        BenchmarkRule { near, hold_containment: 0.7, reject_containment: 0.95 }
    }
}

/// How much one content is a copy of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Degree {
    /// Much in common, without a sign of copying: it counts where it is rare.
    Alike,
    /// A person must look.
    Possible,
    /// Beyond doubt enough to reject.
    Certain,
}

impl NearRule {
    /// Words of its own with which a text can still be rejected as a copy.
    pub const NOVEL_MAX: u32 = 2;

    /// Least [`Likeness::resemblance`] of a long text to be held without a sign of tampering: the words must stand together
    /// as well, for two texts on one subject share many.
    pub const ALIKE_RESEMBLANCE_MIN: f32 = 0.28;

    /// The verdict over an alignment; `None` where the newer text stands on its own.
    pub(crate) fn judge(&self, likeness: &Likeness) -> Option<Degree> {
        let similarity = likeness.similarity();
        if !self.enabled || likeness.least() < self.words_min {
            return None;
        }
        if self.is_copy(likeness) {
            return Some(Degree::Certain);
        }
        let within = |share: f32| likeness.novel() as f32 <= share * likeness.newer as f32;
        let tampered = similarity >= self.hold_similarity && likeness.tampering() > 0;
        if tampered && (likeness.novel() <= Self::NOVEL_MAX || within(self.hold_novel_share)) {
            return Some(Degree::Possible);
        }
        let alike = similarity >= self.long_hold_similarity
            && within(self.long_novel_share)
            && likeness.resemblance() >= Self::ALIKE_RESEMBLANCE_MIN;
        (likeness.least() >= self.long_words && alike).then_some(Degree::Alike)
    }

    fn is_copy(&self, likeness: &Likeness) -> bool {
        let (similarity, signs) = (likeness.similarity(), likeness.tampering());
        let clear = likeness.least() >= self.short_words || signs >= 2 || similarity >= self.short_similarity;
        let tampered = signs > 0
            && likeness.novel() <= signs.min(Self::NOVEL_MAX)
            && similarity >= self.reject_similarity;
        let excerpt = likeness.novel() == 0
            && likeness.least() >= self.long_words
            && similarity >= self.long_similarity;
        likeness.same_words() || excerpt || (tampered && clear)
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
        let (rows, benchmark) = (&self.rows, &self.benchmark);
        let contained = f64::from(benchmark.hold_containment)..=1.0;
        let checks = [
            ("schema.text_bytes_max", self.schema.text_bytes_max > 0, "must be at least 1"),
            ("text", self.text.is_valid(), TextRule::VALID),
            ("near", self.near.is_valid(), NearRule::VALID),
            (
                "rows.hold_distance",
                rows.hold_distance > 0.0 && rows.hold_distance <= 1.0,
                "must be above 0 and at most 1",
            ),
            (
                "rows.reject_distance",
                (0.0..=rows.hold_distance).contains(&rows.reject_distance),
                "must be between 0 and rows.hold_distance",
            ),
            ("benchmark.near", benchmark.near.is_valid(), NearRule::VALID),
            ("benchmark.hold_containment", benchmark.hold_containment > 0.0, "must be above 0"),
            (
                "benchmark.reject_containment",
                contained.contains(&f64::from(benchmark.reject_containment)),
                "must be between benchmark.hold_containment and 1",
            ),
            (
                "neighbours.hold_cosine",
                (0.0..=1.0).contains(&self.neighbours.hold_cosine),
                "must be between 0 and 1",
            ),
            (
                "plausibility.hold_p",
                (0.0..1.0).contains(&self.plausibility.hold_p),
                "must be at least 0 and below 1",
            ),
            ("sender", self.sender.is_valid(), SenderRule::VALID),
        ];
        match checks.into_iter().find(|&(_, holds, _)| !holds) {
            Some((field, _, problem)) => Err(ConfigError { field, problem }),
            None => Ok(()),
        }
    }
}

impl SenderRule {
    const VALID: &'static str =
        "probabilities and shares must be above 0 and at most 1, and hold_probability <= reject_probability";

    fn is_valid(&self) -> bool {
        self.hold_probability > 0.0
            && (self.hold_probability..=1.0).contains(&self.reject_probability)
            && self.review_share > 0.0
            && self.review_share <= 1.0
            && self.reject_ratio >= 0.0
    }
}

impl NearRule {
    const VALID: &'static str =
        "similarities and shares must be between 0 and 1, and 0.5 <= hold_similarity <= reject_similarity";

    fn is_valid(&self) -> bool {
        let shares = [
            self.hold_novel_share,
            self.long_hold_similarity,
            self.long_novel_share,
            self.short_similarity,
            self.long_similarity,
            self.reject_similarity,
        ];
        shares.iter().all(|share| (0.0..=1.0).contains(share))
            && (0.5..=self.reject_similarity).contains(&self.hold_similarity)
    }
}
