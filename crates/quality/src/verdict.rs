//! Verdicts, and the one table of reasons that feeds code, help, documentation and pages.

use serde::{Deserialize, Serialize};

use crate::record::RecordRef;
use crate::text::Sign;

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
    PaddedRecord, "padded_record", "More of the record than the datanet accepts is in fields that it does not read.",
        "Send the fields that the charter names, and leave the others out.";
    MissingLicence, "missing_licence", "The record does not say under which licence it is given.",
        "Fill in the licence, one that the datanet accepts, for every record: `assay contribute --licence` does it for a file of your own.";
    UnknownLicence, "unknown_licence", "The licence of the record is not one that the datanet accepts.",
        "Send records under a licence that the charter lists, spelled as there. A licence that you do not hold the rights to give is none.";
    MissingConsent, "missing_consent", "The record does not say that those whom it concerns consent.",
        "Ask them, then set the field to true for each record: `assay contribute --consent` does it for a file of your own.";
    BadId, "bad_id", "The record has no id, or one that is not 1 to 128 visible ASCII characters.",
        "Give every record an id of its own, without spaces, and send it again.";
    RepeatedId, "repeated_id", "Another record of the same sender that was let in has this id already, with other content.",
        "Give every record an id of its own. To correct a record, withdraw the contribution that it is in.";
    BadTime, "bad_time", "The record has no time, or one that does not read as such.",
        "Write the time as in 2026-01-31 or 2026-01-31T12:00:00Z, and send the record again.";
    FutureTime, "future_time", "The record says it was made more than a day after it was offered.",
        "Send the time at which the record was made; check the clock that wrote it.";
    EarlyTime, "early_time", "The record says it was made before the earliest time that the datanet accepts.",
        "Send newer records; the charter says from when.";
    BidirectionalOverride, "bidirectional_override", "The text turns the order of its characters around, so that people read something else than machines do; a reviewer decides.",
        "Remove the override characters (U+202D, U+202E); right-to-left writing needs none.";
    InvisibleCharacters, "invisible_characters", "The text has characters that print nothing inside its words; a reviewer decides.",
        "Remove zero-width characters, tags and stacked marks, and send the record again.";
    LookAlikeLetters, "look_alike_letters", "Words mix letters of two scripts that look the same; a reviewer decides.",
        "Write every word in one script.";
    UnassignedCharacters, "unassigned_characters", "The text has characters that Unicode assigns to nobody, or to private use; a reviewer decides.",
        "Replace them by what they stand for: without its font nobody can read them.";
    BrokenEncoding, "broken_encoding", "The text was read in the wrong encoding somewhere on its way; a reviewer decides.",
        "Export it again as UTF-8; signs such as \u{c3}\u{a9} for \u{e9} tell where it broke.";
    SecretKey, "secret_key", "The text holds a password, a key or a token; a reviewer decides.",
        "Revoke it, since it must count as known, and send the record without it: `assay contribute --mask` takes it out.";
    PaymentCard, "payment_card", "The text holds the number of a payment card; a reviewer decides.",
        "Send the record without the number: `assay contribute --mask` takes it out.";
    BankAccount, "bank_account", "The text holds the number of a bank account; a reviewer decides.",
        "Send the record without the number: `assay contribute --mask` takes it out.";
    NationalId, "national_id", "The text holds a national identity number; a reviewer decides.",
        "Send the record without the number: `assay contribute --mask` takes it out.";
    EmailAddress, "email_address", "The text holds an e-mail address of a person; a reviewer decides.",
        "Send the record without the address (`assay contribute --mask` takes it out), unless it is public and the record needs it: then say so in a note.";
    TelephoneNumber, "telephone_number", "The text holds a telephone number; a reviewer decides.",
        "Send the record without the number (`assay contribute --mask` takes it out), unless it is public and the record needs it: then say so in a note.";
    NetworkAddress, "network_address", "The text holds a public network address; a reviewer decides.",
        "Use an address kept for examples (192.0.2.0/24, 2001:db8::/32).";
    InstructionsToModel, "instructions_to_model", "The text gives orders to a model or to whoever judges it; a reviewer decides.",
        "Remove the orders. If the record is about such orders, say so in a note.";
    RepeatedText, "repeated_text", "The text repeats itself more than writing of its length does.",
        "Say it once.";
    EncodedBlob, "encoded_blob", "The text holds a long run of base64 or hexadecimal digits; a reviewer decides.",
        "Send the content that is encoded, or leave it out.";
    KeyboardMash, "keyboard_mash", "The text is made of keys that were hit, not of words; a reviewer decides.",
        "Write the content out and send the record again.";
    UnusualText, "unusual_text", "The text is not built like writing: its words, letters or symbols are out of proportion; a reviewer decides.",
        "Nothing for now. Lists and tables are better sent as columns.";
    Boilerplate, "boilerplate", "Much of the text is filler or a notice of a web page or a machine; a reviewer decides.",
        "Send only what was written for the record.";
    OtherLanguage, "other_language", "The text is in another language than the datanet; a reviewer decides.",
        "Send records in the languages of the datanet.";
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
    NumberedCopies, "numbered_copies", "The sender sent the same words before, each time with another number; a reviewer decides.",
        "Send what differs. Rows with several numbers are better sent as columns.";
    LowEffort, "low_effort", "The text says next to nothing, and much that its sender sent says as little; a reviewer decides.",
        "Send texts that say something about the datanet's subject in words of your own.";
    OffTopic, "off_topic", "The words are foreign to the datanet, and much that the sender sent is as foreign; a reviewer decides.",
        "Send records about the datanet's subject. A note on how this one belongs there helps the reviewer.";
    SemanticNeighbour, "semantic_neighbour", "Another sender's earlier record says much the same in nearly the same words; a reviewer decides.",
        "Nothing for now. If it is your own work, say in a note what it adds.";
    ImplausibleLabel, "implausible_label", "A model of other people's records is sure of another label; a reviewer decides.",
        "Look at the label again. If it is right, the record is valuable: say why in a note.";
    SenderReview, "sender_review", "Nearly all that the sender sent was copied, empty or off topic, so a reviewer looks at the rest as well.",
        "Send work of your own: each record that passes, and each verdict that a reviewer overturns, counts for you.";
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
    /// text, the cosine of [`crate::NeighbourIndex`] for neighbours, 1 minus [`crate::RowScale::distance`] for rows. Always `None` for the benchmark: a figure would let a
    /// contributor search for its items.
    pub similarity: Option<f32>,
    /// Where the text shows it; `None` where the verdict is over the record as a whole.
    pub evidence: Option<Evidence>,
}

/// What in a text a verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// First byte of the span, on a border of characters.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
    /// How clearly, between 0 and 1: the share of the text that shows it, or a confidence.
    pub score: f32,
}

impl Finding {
    /// Nothing was found.
    pub const PASS: Finding =
        Finding { verdict: Verdict::Pass, original: None, similarity: None, evidence: None };

    /// A verdict without an original to show.
    pub(crate) fn bare(verdict: Verdict) -> Self {
        Finding { verdict, ..Finding::PASS }
    }

    /// A verdict over a copy.
    pub(crate) fn copy(verdict: Verdict, original: RecordRef, similarity: f32) -> Self {
        Finding { verdict, original: Some(original), similarity: Some(similarity), evidence: None }
    }
}

impl From<(Verdict, Sign)> for Finding {
    fn from((verdict, Sign { span: (start, end), score, .. }): (Verdict, Sign)) -> Self {
        Finding { verdict, evidence: Some(Evidence { start, end, score }), ..Finding::PASS }
    }
}
