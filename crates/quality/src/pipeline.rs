//! All gates in a row, with the memory of everything that came before.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::config::{ConfigError, Degree, GateConfig};
use crate::near::NearIndex;
use crate::normalise::{ContentKey, normalise};
use crate::overlap::{BenchmarkIndex, soften};
use crate::passages::Passages;
use crate::record::{RecordRef, RecordView};
use crate::rows::RowIndex;
use crate::sketch::Sketch;
use crate::text::TextGate;
use crate::verdict::{Finding, Reason, Verdict};

/// A text that is alike to more originals than this, without a sign of copying any, fills in a template.
const ALIKE_MAX: usize = 2;

/// The gates of one datanet: configuration, sealed benchmark, and an index of every original so far.
///
/// Batches are a convenience: the findings depend on the order of the records and on nothing else, not on where the
/// stream is cut and not on the number of threads.
pub struct Gates {
    config: GateConfig,
    text: TextGate,
    benchmark: BenchmarkIndex,
    originals: Vec<Original>,
    keys: FxHashMap<ContentKey, u32>,
    texts: NearIndex,
    passages: Passages,
    /// Text number to original.
    text_owners: Vec<u32>,
    rows: RowIndex,
    /// Row number to original.
    row_owners: Vec<u32>,
    offered: u64,
}

/// A record that later ones are compared with.
struct Original {
    at: RecordRef,
    label: Option<Box<str>>,
    row: Option<u32>,
    has_text: bool,
}

/// What can be known of a record without the records before it; computed in parallel.
enum Prepared {
    Judged(Finding),
    Content { key: ContentKey, sketch: Option<Sketch>, benchmark: Verdict, text: Option<Finding> },
}

impl Gates {
    /// Gates over an empty datanet, with the items of every fold of the sealed benchmark.
    pub fn new(config: GateConfig, sealed: &[RecordView<'_>]) -> Result<Self, ConfigError> {
        config.validate()?;
        let benchmark = BenchmarkIndex::new(sealed.iter().copied(), &config);
        let rows =
            RowIndex::new(benchmark.scale().cloned(), config.rows.hold_distance, config.rows.columns_min);
        let texts: Vec<&str> = sealed.iter().filter_map(|record| record.text).collect();
        let text = TextGate::new(&config.text, &texts);
        Ok(Gates {
            config,
            text,
            benchmark,
            originals: Vec::new(),
            keys: FxHashMap::default(),
            texts: NearIndex::new(),
            passages: Passages::default(),
            text_owners: Vec::new(),
            rows,
            row_owners: Vec::new(),
            offered: 0,
        })
    }

    /// The configuration in force.
    pub fn config(&self) -> &GateConfig {
        &self.config
    }

    /// How many records were offered so far: the position of the next one.
    pub fn offered(&self) -> u64 {
        self.offered
    }

    /// Restores the originals of an earlier run (its records that passed or were held, in order) without judging
    /// them again. What follows is judged as it would have been then; positions count from the first seed.
    pub fn seed(&mut self, originals: &[RecordView<'_>]) {
        let prepared: Vec<_> = originals.par_iter().map(content).collect();
        for (record, (key, sketch)) in originals.iter().zip(prepared) {
            let at = self.next();
            self.remember(at, record, key, sketch.as_ref());
        }
    }

    /// Judges records in order of arrival; one finding each, in the same order.
    pub fn check_batch(&mut self, records: &[RecordView<'_>]) -> Vec<Finding> {
        let prepared: Vec<Prepared> = records.par_iter().map(|record| self.prepare(record)).collect();
        records.iter().zip(prepared).map(|(record, prepared)| self.judge(record, prepared)).collect()
    }

    fn prepare(&self, record: &RecordView<'_>) -> Prepared {
        if let Err(reason) = self.config.schema.check(record) {
            return Prepared::Judged(Finding::bare(Verdict::Reject(reason)));
        }
        let text = record.text.and_then(|text| self.text.check(text)).map(Finding::from);
        if let Some(rejected) = text.filter(|finding| finding.verdict.is_reject()) {
            return Prepared::Judged(rejected);
        }
        let (key, sketch) = content(record);
        if let Some(sketch) = &sketch
            && let Err(reason) = self.config.schema.check_normal(sketch.normal(), !record.numbers.is_empty())
        {
            return Prepared::Judged(Finding::bare(Verdict::Reject(reason)));
        }
        match self.benchmark.check(key, sketch.as_ref(), record, &self.config) {
            rejected @ Verdict::Reject(_) => Prepared::Judged(Finding::bare(rejected)),
            benchmark => Prepared::Content { key, sketch, benchmark, text },
        }
    }

    fn judge(&mut self, record: &RecordView<'_>, prepared: Prepared) -> Finding {
        let at = self.next();
        let (key, sketch, benchmark, text) = match prepared {
            Prepared::Judged(finding) => return finding,
            Prepared::Content { key, sketch, benchmark, text } => (key, sketch, benchmark, text),
        };
        let duplicate = self.exact(key, record).or_else(|| self.near(sketch.as_ref(), record));
        match duplicate {
            Some(finding) if finding.verdict.is_reject() => return finding,
            _ => self.remember(at, record, key, sketch.as_ref()),
        }
        match benchmark {
            Verdict::Pass => duplicate.or(text).unwrap_or(Finding::PASS),
            held => Finding::bare(held),
        }
    }

    fn next(&mut self) -> RecordRef {
        let at = RecordRef(self.offered);
        self.offered += 1;
        at
    }

    fn exact(&self, key: ContentKey, record: &RecordView<'_>) -> Option<Finding> {
        let original = &self.originals[*self.keys.get(&key)? as usize];
        let conflict = self.config.schema.label.conflict(record.label, original.label.as_deref());
        let reason = if conflict { Reason::ConflictingDuplicate } else { Reason::ExactDuplicate };
        Some(Finding::copy(Verdict::Reject(reason), original.at, 1.0))
    }

    fn near(&self, sketch: Option<&Sketch>, record: &RecordView<'_>) -> Option<Finding> {
        let (owner, similarity, degree) = match sketch {
            Some(sketch) => self.near_text(sketch, record).or_else(|| self.passage(sketch, record))?,
            None => self.near_row(record)?,
        };
        let original = &self.originals[owner as usize];
        let conflict = self.config.schema.label.conflict(record.label, original.label.as_deref());
        let verdict = match (degree, conflict) {
            (_, true) => Verdict::Hold(Reason::ConflictingNearDuplicate),
            (Degree::Possible | Degree::Alike, _) => Verdict::Hold(Reason::PossibleNearDuplicate),
            (Degree::Certain, _) => Verdict::Reject(Reason::NearDuplicate),
        };
        Some(Finding::copy(verdict, original.at, similarity))
    }

    /// The nearest original by text; where records also carry rows, these must be near as well.
    fn near_text(&self, sketch: &Sketch, record: &RecordView<'_>) -> Option<(u32, f32, Degree)> {
        let mut alike = 0;
        let found = self.texts.nearest(sketch, |text, likeness| {
            let degree = self.config.near.judge(likeness)?;
            let original = &self.originals[self.text_owners[text as usize] as usize];
            let rows = match original.row {
                Some(row) => self.config.rows.judge(self.rows.distance(row, record.numbers))?,
                None if record.numbers.is_empty() => Degree::Certain,
                None => return None,
            };
            alike += 1;
            Some(soften(degree.min(rows), &self.config.schema.label, record.label, original.label.as_deref()))
        })?;
        let template = found.judgement == Degree::Alike && alike > ALIKE_MAX;
        (!template).then_some((
            self.text_owners[found.id as usize],
            found.likeness.similarity(),
            found.judgement,
        ))
    }

    /// The original that most of a text is a passage of; records with rows differ by more than their text.
    fn passage(&self, sketch: &Sketch, record: &RecordView<'_>) -> Option<(u32, f32, Degree)> {
        if !self.config.near.enabled || !record.numbers.is_empty() {
            return None;
        }
        let (text, part) = self.passages.holds(sketch.normal())?;
        Some((self.text_owners[text as usize], part, Degree::Possible))
    }

    fn near_row(&self, record: &RecordView<'_>) -> Option<(u32, f32, Degree)> {
        if !self.config.rows.enabled {
            return None;
        }
        let (row, distance, degree) = self.rows.nearest(record.numbers, |row, distance| {
            let original = &self.originals[self.row_owners[row as usize] as usize];
            let degree = self.config.rows.judge(distance).filter(|_| !original.has_text)?;
            Some(soften(degree, &self.config.schema.label, record.label, original.label.as_deref()))
        })?;
        Some((self.row_owners[row as usize], (1.0 - distance) as f32, degree))
    }

    /// Makes a record an original. The first owner of a content stays its owner.
    fn remember(&mut self, at: RecordRef, record: &RecordView<'_>, key: ContentKey, sketch: Option<&Sketch>) {
        let owner = self.originals.len() as u32;
        if self.keys.contains_key(&key) {
            return;
        }
        self.keys.insert(key, owner);
        if let Some(sketch) = sketch {
            self.texts.insert(sketch);
            self.passages.insert(sketch.normal());
            self.text_owners.push(owner);
        }
        let row = (!record.numbers.is_empty()).then(|| {
            self.row_owners.push(owner);
            self.rows.insert(record.numbers)
        });
        self.originals.push(Original {
            at,
            label: record.label.map(Box::from),
            row,
            has_text: sketch.is_some(),
        });
    }
}

fn content(record: &RecordView<'_>) -> (ContentKey, Option<Sketch>) {
    // A blank text beside a row is no text.
    let normal = record.text.map(normalise).filter(|text| !text.is_empty() || record.numbers.is_empty());
    let key = ContentKey::new(normal.as_deref(), record.numbers);
    (key, normal.map(Sketch::new))
}
