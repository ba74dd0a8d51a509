//! Overlap with the sealed benchmark: a record that is part of it teaches the model its own examination.
//!
//! Three comparisons, from the strict to the loose: the same content; a lightly edited copy (the near-duplicate rule of
//! the datanet); an item of the benchmark embedded in a longer record (the share of the item's 5-word shingles found in the record,
//! as in the contamination checks of GPT-3 and after, which use 8 to 13 words: items here are shorter). Shingles common to
//! several items are boilerplate and count for nothing. Nothing about the item is revealed.

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use crate::chance::{Chance, Passage, Scale, Seen, same_content, score};
use crate::config::{Degree, GateConfig, LabelRule};
use crate::near::NearIndex;
use crate::normalise::ContentKey;
use crate::passages::Passages;
use crate::record::RecordView;
use crate::rows::{RowIndex, RowScale};
use crate::shingles::OwnShingles;
use crate::sketch::Sketch;
use crate::topic::Topic;
use crate::words::words;

/// Items with fewer shingles of their own are too short to be told from a turn of phrase.
const SHINGLES_MIN: u32 = 8;
/// Items that are compared with all others to learn how often honest texts meet by chance.
const SAMPLE: usize = 2_000;
/// Likelihood ratios of a row that the rules call certain, or possible.
const CERTAIN: f64 = 1000.0;
const POSSIBLE: f64 = 50.0;

/// The sealed items, all folds together.
pub struct BenchmarkIndex {
    keys: FxHashSet<ContentKey>,
    texts: NearIndex,
    text_labels: Vec<Option<Box<str>>>,
    rows: RowIndex,
    row_labels: Vec<Option<Box<str>>>,
    own: OwnShingles,
    scale: RowScale,
    chance: Chance,
    ratios: Scale,
    topic: Topic,
}

/// What of a record, or how much, is in the benchmark.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Overlap {
    /// The same content.
    pub(crate) exact: bool,
    /// The verdict of the rules over the content alone.
    pub(crate) degree: Option<Degree>,
    /// Whether what it is like has another label.
    pub(crate) conflict: bool,
    /// How much more probable this is of a copy than of honest work.
    pub(crate) ratio: f64,
}

impl BenchmarkIndex {
    /// Indexes the items of every fold. Items that break the schema are indexed as far as they go.
    pub fn new<'a>(items: impl IntoIterator<Item = RecordView<'a>>, config: &GateConfig) -> Self {
        let items: Vec<RecordView<'a>> = items.into_iter().collect();
        let scale = RowScale::learn(items.iter().map(|item| item.numbers).filter(|row| !row.is_empty()));
        let rows = RowIndex::new(Some(scale.clone()), config.rows.hold_distance, config.rows.columns_min);
        let sketches: Vec<Option<Sketch>> =
            items.par_iter().map(|item| item.normal_form().map(Sketch::new)).collect();
        let topic = Topic::learn(&sketches.iter().flatten().map(Sketch::normal).collect::<Vec<_>>());
        let mut index = BenchmarkIndex {
            keys: FxHashSet::default(),
            texts: NearIndex::new(),
            text_labels: Vec::new(),
            rows,
            row_labels: Vec::new(),
            own: OwnShingles::default(),
            scale,
            chance: Chance::learn(&[], Passage::default(), 0),
            ratios: Chance::learn(&[], Passage::default(), 0).ratios(0, &Seen::default()),
            topic,
        };
        items.iter().zip(&sketches).for_each(|(item, sketch)| index.insert(item, sketch.as_ref()));
        let sketches: Vec<Sketch> = sketches.into_iter().flatten().collect();
        let all =
            (0..).zip(&sketches).flat_map(|(id, sketch)| sketch.shingles().iter().map(move |&one| (one, id)));
        let (own, pairs) = OwnShingles::new(all.collect(), sketches.len());
        index.own = own;
        index.learn_chance(&sketches, &pairs, config);
        index
    }

    /// Compares items with all others, to know how often honest texts are alike.
    fn learn_chance(&mut self, sketches: &[Sketch], pairs: &[(u32, u32)], config: &GateConfig) {
        let sample: Vec<usize> =
            (0..sketches.len()).step_by(sketches.len().div_ceil(SAMPLE).max(1)).collect();
        let best = |&at: &usize| {
            let mut best: Option<(f32, f64)> = None;
            self.texts.nearest(&sketches[at], |id, likeness| {
                let key = (likeness.similarity(), score(likeness));
                if id as usize != at && best.is_none_or(|best| key > best) {
                    best = Some(key);
                }
                None::<()>
            });
            best.map(|(_, score)| score)
        };
        let best: Vec<Option<f64>> = sample.par_iter().map(best).collect();
        let mut earlier = Passages::default();
        let mut passages = Passage::default();
        for sketch in sketches {
            // With the earlier ones alone, half of the pairs are seen.
            passages.most += 2.0 * f64::from(earlier.holds(sketch.shingles()).is_some());
            earlier.insert(sketch.shingles());
        }
        let share = |run: &[(u32, u32)]| {
            let own = self.own.count(run[0].1) + run.len() as u32;
            (run[0].0, if own < SHINGLES_MIN { 0.0 } else { run.len() as f32 / own as f32 })
        };
        let shares: Vec<(u32, f32)> = pairs.chunk_by(|a, b| a == b).map(share).collect();
        for of_item in shares.chunk_by(|a, b| a.0 == b.0) {
            let most = of_item.iter().map(|(_, share)| *share).fold(0.0, f32::max);
            passages.much += f64::from(most >= config.benchmark.hold_containment);
            passages.all += f64::from(most >= config.benchmark.reject_containment);
        }
        self.chance = Chance::learn(&best, passages, sketches.len());
        self.ratios = self.chance.ratios(sketches.len(), &Seen::default());
    }

    /// How often honest texts of the datanet are alike.
    pub(crate) fn chance(&self) -> &Chance {
        &self.chance
    }

    /// What texts of the datanet are like.
    pub(crate) fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The scale of the numeric columns, where the benchmark has them.
    pub fn scale(&self) -> Option<&RowScale> {
        (self.scale.columns() > 0).then_some(&self.scale)
    }

    fn insert(&mut self, item: &RecordView<'_>, sketch: Option<&Sketch>) {
        self.keys.insert(ContentKey::new(sketch.map(Sketch::normal), item.numbers));
        let label = item.label.map(Box::from);
        match sketch {
            Some(sketch) => {
                self.texts.insert(sketch);
                self.text_labels.push(label);
            }
            None => {
                self.rows.insert(item.numbers);
                self.row_labels.push(label);
            }
        }
    }

    /// What of a record is in the benchmark; its content is given in normal form.
    pub(crate) fn check(
        &self,
        key: ContentKey,
        sketch: Option<&Sketch>,
        record: &RecordView<'_>,
        config: &GateConfig,
    ) -> Overlap {
        if self.keys.contains(&key) {
            let ratio = sketch.map_or(CERTAIN, |sketch| same_content(words(sketch.normal()).count()));
            return Overlap { exact: true, degree: Some(Degree::Certain), conflict: false, ratio };
        }
        match sketch {
            Some(sketch) => self.check_text(sketch, record, config),
            None => self.check_row(record, config),
        }
    }

    fn check_text(&self, sketch: &Sketch, record: &RecordView<'_>, config: &GateConfig) -> Overlap {
        let rule = &config.schema.label;
        let mut found: Option<((f32, f64), bool)> = None;
        let near = self.texts.nearest(sketch, |id, likeness| {
            let label = self.text_labels[id as usize].as_deref();
            let key = (likeness.similarity(), score(likeness));
            if found.is_none_or(|(best, _)| key > best) {
                found = Some((key, rule.conflict(record.label, label)));
            }
            let degree = config.benchmark.near.judge(likeness).filter(|degree| *degree > Degree::Alike)?;
            Some(soften(degree, rule, record.label, label))
        });
        let contained = self.contained(sketch, config);
        let embedded = contained.map_or(0.0, |degree| self.chance.holds(degree == Degree::Certain));
        let ratio = self.ratios.ratio(found.map(|((_, score), _)| score)).max(embedded);
        Overlap {
            exact: false,
            degree: near.map(|near| near.judgement).max(contained),
            conflict: contained.is_none() && found.is_some_and(|(_, conflict)| conflict),
            ratio,
        }
    }

    fn check_row(&self, record: &RecordView<'_>, config: &GateConfig) -> Overlap {
        if !config.rows.enabled {
            return Overlap { ratio: 1.0, ..Overlap::default() };
        }
        let found = self.rows.nearest(record.numbers, |id, distance| {
            let degree = config.rows.judge(distance)?;
            Some(soften(degree, &config.schema.label, record.label, self.row_labels[id as usize].as_deref()))
        });
        let degree = found.map(|(_, _, degree)| degree);
        Overlap { exact: false, degree, conflict: false, ratio: row_ratio(degree) }
    }

    /// Whether an item is embedded in the text.
    fn contained(&self, sketch: &Sketch, config: &GateConfig) -> Option<Degree> {
        let items = self.own.items(sketch.shingles());
        let share = |run: &[u32]| {
            let own = self.own.count(run[0]);
            if own < SHINGLES_MIN { 0.0 } else { run.len() as f32 / own as f32 }
        };
        let most = items.chunk_by(|a, b| a == b).map(share).fold(0.0, f32::max);
        if most >= config.benchmark.reject_containment {
            return Some(Degree::Certain);
        }
        (most >= config.benchmark.hold_containment).then_some(Degree::Possible)
    }
}

/// The likelihood ratio of a verdict for which chance was not measured.
pub(crate) fn row_ratio(degree: Option<Degree>) -> f64 {
    match degree {
        Some(Degree::Certain) => CERTAIN,
        Some(Degree::Possible | Degree::Alike) => POSSIBLE,
        None => 0.5,
    }
}

/// A near copy under another label may be an honest contrast: a person looks.
pub(crate) fn soften(degree: Degree, rule: &LabelRule, newer: Option<&str>, older: Option<&str>) -> Degree {
    if rule.conflict(newer, older) { degree.min(Degree::Possible) } else { degree }
}
