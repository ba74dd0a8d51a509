//! Gates over records: schema, size, exact and near duplicates, overlap with a sealed benchmark.
//!
//! Everything here is pure: records in, findings out, the same bits on any machine, for any number of
//! threads and for any cut of the stream into batches. Records come in order of arrival, because the first
//! comer owns the content; a caller that knows the time of arrival sorts by it.
//!
//! ```
//! use assay_quality::{GateConfig, Gates, RecordView, Reason, Verdict};
//!
//! let sealed = [RecordView::text("Which planet is nearest to the sun?", "astronomy")];
//! let mut gates = Gates::new(GateConfig::default(), &sealed)?;
//! let findings = gates.check_batch(&[
//!     RecordView::text("How do I change the tyre of a bicycle?", "repair"),
//!     RecordView::text("how do I  change the tyre of a bicycle?", "repair"),
//!     RecordView::text("Which planet is nearest to the sun?", "astronomy"),
//! ]);
//! assert_eq!(findings[0].verdict, Verdict::Pass);
//! assert_eq!(findings[1].verdict, Verdict::Reject(Reason::ExactDuplicate));
//! assert_eq!(findings[1].original.map(|r| r.0), Some(0));
//! assert_eq!(findings[2].verdict, Verdict::Reject(Reason::BenchmarkOverlap));
//! # Ok::<(), assay_quality::ConfigError>(())
//! ```
//!
//! The gates, in the order in which a record meets them:
//!
//! | gate | file | what it finds |
//! |---|---|---|
//! | schema | `schema.rs` | missing or oversized parts, labels outside the charter, numbers that are none |
//! | provenance | `provenance.rs` | no licence or another one, no consent, ids and times that lie, padding |
//! | text | `text/` | what one text shows by itself: hidden characters, personal data, repetition, another language |
//! | benchmark | `overlap.rs` | content of the sealed benchmark: the same, lightly edited, or embedded |
//! | exact | `normalise.rs` | content offered before, up to case, white space and Unicode form |
//! | near | `near.rs`, `likeness.rs`, `rows.rs` | lightly edited text, or numbers moved by a little |
//! | passage | `passages.rs` | an earlier text between others that say nothing |
//! | numbered | `numbered.rs` | one text sent many times with a number of its own; with a sender only |
//! | neighbour | `neighbours.rs` | much the same words as another sender's record, in any order; off by default, with a sender only |
//! | label | `label.rs` | labels that a model of other people's records finds implausible; where the caller has one |
//! | manner | `topic.rs` | texts that say next to nothing, and texts about something else; with a sender only |
//!
//! Duplicates are judged on features, never on labels: content is owned once, whatever it is called. The same content
//! under another label is rejected too (`conflicting_duplicate`): it says that one of the two labels is wrong, which is a matter for a
//! dispute of the first record, not for a second payment. A *near* copy under another label may be an honest contrast,
//! the most useful record there is, so it is held for a person.
//!
//! Only a record that passed or is held becomes an *original* that later records are compared with. A copy of a
//! copy is therefore always traced to the first original, a broken record never owns content, and a chain of
//! rejected copies cannot drift away from what it copied and block somebody else's own work.
//!
//! With the key of its sender ([`RecordView::sender`]) a record is judged in the light of what the sender sent: its resemblances count by how
//! rare they are among the items of the benchmark, which are honest (`chance.rs`), its words by how they compare with theirs (`topic.rs`), and
//! both together with all that the same sender sent before (`sender.rs`, `weigh.rs`). Someone whose every record resembles a sealed one
//! is held and rejected for matches that pass as chance from others. Records that passed before that was seen are named by
//! [`Gates::reconsider`]; whom a reviewer clears, [`Gates::clear`] clears of everything that followed from it.
//!
//! Translation is beyond these gates, and so is paraphrase but for what `neighbours.rs` holds where it is asked for. Measured rates are in
//! docs/GATES.md; `bench/gates/run.py` measures them.

#![forbid(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

mod chance;
mod config;
mod cost;
mod joined;
mod label;
mod letters;
mod likeness;
mod near;
mod neighbours;
mod normalise;
mod numbered;
mod overlap;
mod passages;
mod pipeline;
mod provenance;
mod record;
mod rows;
mod schema;
mod sender;
mod shingles;
mod sketch;
mod text;
mod topic;
mod verdict;
mod weigh;
mod words;

pub use config::{
    BenchmarkRule, ConfigError, GateConfig, LabelRule, NearRule, NeighbourRule, PlausibilityRule, RowRule,
    SchemaRule, SenderRule,
};
pub use cost::{Clock, Costs, Stage};
pub use label::Plausibility;
pub use likeness::Likeness;
pub use near::{MakeStore, NearIndex, NearMatch, TextStore, TextStoreError};
pub use neighbours::NeighbourIndex;
pub use normalise::{ContentKey, normalise};
pub use overlap::BenchmarkIndex;
pub use pipeline::Gates;
pub use provenance::{Claims, ProvenanceRule};
pub use record::{RecordRef, RecordView};
pub use rows::{RowIndex, RowScale};
pub use sketch::Sketch;
pub use text::{
    Action, LanguageRule, Limit, PersonalData, PersonalSpan, RepetitionRule, Sign, StyleRule, TextGate,
    TextRule,
};
pub use verdict::{Evidence, Finding, Reason, Verdict};
