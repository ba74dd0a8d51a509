//! Overlap with the sealed benchmark: a record that is part of it teaches the model its own examination.
//!
//! Three comparisons, from the strict to the loose: the same content; a lightly edited copy (the near-duplicate rule of
//! the datanet); an item of the benchmark embedded in a longer record (the share of the item's 5-word shingles found in the record,
//! as in the contamination checks of GPT-3 and after, which use 8 to 13 words: items here are shorter). Shingles common to
//! several items are boilerplate and count for nothing. Nothing about the item is revealed.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::config::{Degree, GateConfig, LabelRule};
use crate::near::NearIndex;
use crate::normalise::{ContentKey, normalise};
use crate::record::RecordView;
use crate::rows::{RowIndex, RowScale};
use crate::sketch::{Sketch, hash_bytes, mix, words};
use crate::verdict::{Reason, Verdict};

/// Words of a shingle.
const GRAM: usize = 5;
/// Items with fewer shingles of their own are too short to be told from a turn of phrase.
const GRAMS_MIN: u32 = 8;
/// Items that may share a shingle; what more of them share is boilerplate, which honest people write as well.
const SHARED_MAX: usize = 1;

/// The sealed items, all folds together.
pub struct BenchmarkIndex {
    keys: FxHashSet<ContentKey>,
    texts: NearIndex,
    text_labels: Vec<Option<Box<str>>>,
    rows: RowIndex,
    row_labels: Vec<Option<Box<str>>>,
    /// Shingle to the items that hold it.
    grams: FxHashMap<u64, Vec<u32>>,
    /// How many shingles of its own each item has.
    gram_counts: Vec<u32>,
    scale: RowScale,
}

impl BenchmarkIndex {
    /// Indexes the items of every fold. Items that break the schema are indexed as far as they go.
    pub fn new<'a>(items: impl IntoIterator<Item = RecordView<'a>>, config: &GateConfig) -> Self {
        let items: Vec<RecordView<'a>> = items.into_iter().collect();
        let scale = RowScale::learn(items.iter().map(|item| item.numbers).filter(|row| !row.is_empty()));
        let rows = RowIndex::new(Some(scale.clone()), config.rows.hold_distance, config.rows.columns_min);
        let mut index = BenchmarkIndex {
            keys: FxHashSet::default(),
            texts: NearIndex::new(),
            text_labels: Vec::new(),
            rows,
            row_labels: Vec::new(),
            grams: FxHashMap::default(),
            gram_counts: Vec::new(),
            scale,
        };
        items.iter().for_each(|item| index.insert(item));
        index.drop_boilerplate();
        index
    }

    /// The scale of the numeric columns, where the benchmark has them.
    pub fn scale(&self) -> Option<&RowScale> {
        (self.scale.columns() > 0).then_some(&self.scale)
    }

    fn insert(&mut self, item: &RecordView<'_>) {
        let normal = item.text.map(normalise);
        self.keys.insert(ContentKey::new(normal.as_deref(), item.numbers));
        let label = item.label.map(Box::from);
        match normal {
            Some(normal) => {
                let id = self.text_labels.len() as u32;
                for gram in grams(&normal) {
                    self.grams.entry(gram).or_default().push(id);
                }
                self.texts.insert(&Sketch::new(normal));
                self.text_labels.push(label);
            }
            None => {
                self.rows.insert(item.numbers);
                self.row_labels.push(label);
            }
        }
    }

    fn drop_boilerplate(&mut self) {
        self.grams.retain(|_, items| items.len() <= SHARED_MAX);
        self.gram_counts = vec![0; self.text_labels.len()];
        for items in self.grams.values() {
            items.iter().for_each(|&item| self.gram_counts[item as usize] += 1);
        }
    }

    /// The verdict over a record whose content is given in normal form; `Pass` where it stands on its own.
    pub(crate) fn check(
        &self,
        key: ContentKey,
        sketch: Option<&Sketch>,
        record: &RecordView<'_>,
        config: &GateConfig,
    ) -> Verdict {
        if self.keys.contains(&key) {
            return Verdict::Reject(Reason::BenchmarkOverlap);
        }
        let near = match sketch {
            Some(sketch) => self.near_text(sketch, record, config).max(self.contained(sketch, config)),
            None => self.near_row(record, config),
        };
        match near {
            Some(Degree::Certain) => Verdict::Reject(Reason::BenchmarkNearOverlap),
            Some(Degree::Possible | Degree::Alike) => Verdict::Hold(Reason::PossibleBenchmarkOverlap),
            None => Verdict::Pass,
        }
    }

    fn near_text(&self, sketch: &Sketch, record: &RecordView<'_>, config: &GateConfig) -> Option<Degree> {
        let found = self.texts.nearest(sketch, |id, likeness| {
            let degree = config.benchmark.near.judge(likeness).filter(|degree| *degree > Degree::Alike)?;
            Some(soften(degree, &config.schema.label, record.label, self.text_labels[id as usize].as_deref()))
        });
        found.map(|found| found.judgement)
    }

    fn near_row(&self, record: &RecordView<'_>, config: &GateConfig) -> Option<Degree> {
        if !config.rows.enabled {
            return None;
        }
        let found = self.rows.nearest(record.numbers, |id, distance| {
            let degree = config.rows.judge(distance)?;
            Some(soften(degree, &config.schema.label, record.label, self.row_labels[id as usize].as_deref()))
        });
        found.map(|(_, _, degree)| degree)
    }

    /// Whether an item is embedded in the text.
    fn contained(&self, sketch: &Sketch, config: &GateConfig) -> Option<Degree> {
        if self.grams.is_empty() {
            return None;
        }
        let mut items: Vec<u32> = grams(sketch.normal())
            .iter()
            .filter_map(|gram| self.grams.get(gram))
            .flatten()
            .copied()
            .collect();
        items.sort_unstable();
        let share = |run: &[u32]| {
            let own = self.gram_counts[run[0] as usize];
            if own < GRAMS_MIN { 0.0 } else { run.len() as f32 / own as f32 }
        };
        let most = items.chunk_by(|a, b| a == b).map(share).fold(0.0, f32::max);
        if most >= config.benchmark.reject_containment {
            return Some(Degree::Certain);
        }
        (most >= config.benchmark.hold_containment).then_some(Degree::Possible)
    }
}

/// A near copy under another label may be an honest contrast: a person looks.
pub(crate) fn soften(degree: Degree, rule: &LabelRule, newer: Option<&str>, older: Option<&str>) -> Degree {
    if rule.conflict(newer, older) { degree.min(Degree::Possible) } else { degree }
}

/// The distinct shingles of a text in normal form, ascending.
pub(crate) fn grams(normal: &str) -> Vec<u64> {
    let hashes: Vec<u64> = words(normal).map(|word| hash_bytes(word.as_bytes())).collect();
    let gram = |window: &[u64]| window.iter().fold(GRAM as u64, |hash, &word| mix(hash ^ word));
    let mut grams: Vec<u64> = hashes.windows(GRAM).map(gram).collect();
    grams.sort_unstable();
    grams.dedup();
    grams
}
