//! Verdicts, and the one table of reasons that feeds code, help, documentation and pages.

use serde::{Deserialize, Serialize};

use crate::record::RecordRef;

macro_rules! reasons {
    ($($variant:ident, $code:literal, $sentence:literal, $advice:literal;)+) => {
        /// Why a record was held or rejected. The documentation of each variant is the sentence that people read.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $(#[doc = $sentence] #[serde(rename = $code)] $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the gates.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)+];

            /// The stable snake_case code: it is in the log, in tables and in the API, and never changes.
            pub fn code(self) -> &'static str {
                match self { $(Reason::$variant => $code,)+ }
            }

            /// What was found, for the contributor.
            pub fn sentence(self) -> &'static str {
                match self { $(Reason::$variant => $sentence,)+ }
            }

            /// What the contributor can do.
            pub fn advice(self) -> &'static str {
                match self { $(Reason::$variant => $advice,)+ }
            }

            /// The reason of a code; `None` for a code that is not ours.
            pub fn from_code(code: &str) -> Option<Reason> {
                Reason::ALL.iter().copied().find(|reason| reason.code() == code)
            }
        }
    };
}

reasons! {
    MissingText, "missing_text", "The record has no text.",
        "Fill in the text field and send the record again.";
    EmptyText, "empty_text", "The text has no letter, digit or symbol of its own once white space and punctuation are set aside.",
        "Write the content out and send the record again.";
    MissingNumbers, "missing_numbers", "The record has no numeric row.",
        "Fill in the numeric columns and send the record again.";
    WrongColumns, "wrong_columns", "The row does not have as many numbers as the datanet has columns.",
        "Send every column of the datanet, in its order.";
    BadNumber, "bad_number", "A number of the row is not finite (NaN or infinite).",
        "Replace the missing or infinite numbers by measured ones, or leave the record out.";
    MissingLabel, "missing_label", "The record has no label.",
        "Label the record and send it again.";
    UnknownLabel, "unknown_label", "The label is not one that the datanet accepts.",
        "Use one of the labels listed in the datanet's charter, spelled as there.";
    TooLong, "too_long", "The text, the label or the row is larger than the datanet accepts.",
        "Cut the record into smaller ones that each stand alone.";
    TooShort, "too_short", "The text is shorter than the datanet accepts.",
        "Say more: a record must be understood without its neighbours.";
    ControlCharacters, "control_characters", "The text holds control characters, which no keyboard writes.",
        "Remove them (often the trace of a broken export) and send the record again.";
    BenchmarkOverlap, "benchmark_overlap", "The content is part of the sealed benchmark.",
        "Send your own material: what the model is measured on cannot be sold to it. If it is your own, appeal.";
    BenchmarkNearOverlap, "benchmark_near_overlap", "The content is an edited or embedded copy of material in the sealed benchmark.",
        "Send your own material: what the model is measured on cannot be sold to it. If it is your own, appeal.";
    PossibleBenchmarkOverlap, "possible_benchmark_overlap", "The content resembles material of the sealed benchmark; a reviewer decides.",
        "Nothing for now. A note on where the record comes from helps the reviewer.";
    ExactDuplicate, "exact_duplicate", "The same content with the same label was contributed before; the first comer keeps it.",
        "Send content that is not in the datanet yet.";
    ConflictingDuplicate, "conflicting_duplicate", "The same content was contributed before under another label; the first comer keeps it.",
        "If the label of the original is wrong, dispute that record instead of sending it again.";
    NearDuplicate, "near_duplicate", "The content is a lightly edited copy of an earlier record; the first comer keeps it.",
        "Send content of your own. If you wrote both, or neither copies the other, appeal.";
    PossibleNearDuplicate, "possible_near_duplicate", "The content resembles an earlier record closely; a reviewer decides.",
        "Nothing for now. Records that say something new pass more easily than rewordings.";
    ConflictingNearDuplicate, "conflicting_near_duplicate", "The content resembles an earlier record closely but has another label; a reviewer decides.",
        "Nothing for now. If the small difference changes the meaning, the record is valuable: say why in a note.";
}

/// What the gates decided about one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "reason")]
pub enum Verdict {
    /// Nothing was found.
    Pass,
    /// A person must look.
    Hold(Reason),
    /// Not admitted; it can be appealed.
    Reject(Reason),
}

impl Verdict {
    /// `pass`, `hold` or `reject`.
    pub fn code(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Hold(_) => "hold",
            Verdict::Reject(_) => "reject",
        }
    }

    /// The reason, unless the record passed.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Verdict::Pass => None,
            Verdict::Hold(reason) | Verdict::Reject(reason) => Some(reason),
        }
    }

    /// Whether the record is refused.
    pub fn is_reject(self) -> bool {
        matches!(self, Verdict::Reject(_))
    }
}

/// A verdict with its evidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The decision.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The earlier record that owns the content. Always `None` for the benchmark, which stays sealed.
    pub original: Option<RecordRef>,
    /// How alike the two are, in [0, 1]: 1 for the same content, [`crate::Likeness::similarity`] for near copies of
    /// text, 1 minus [`crate::RowScale::distance`] for rows. Always `None` for the benchmark: a figure would let a
    /// contributor search for its items.
    pub similarity: Option<f32>,
}

impl Finding {
    /// Nothing was found.
    pub const PASS: Finding = Finding { verdict: Verdict::Pass, original: None, similarity: None };

    /// A verdict without an original to show.
    pub(crate) fn bare(verdict: Verdict) -> Self {
        Finding { verdict, original: None, similarity: None }
    }
}
