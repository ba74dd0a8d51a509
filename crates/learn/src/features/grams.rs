//! TF-IDF over one kind of n-gram: a block of sparse columns.

use super::FeatureError;
use super::text::{Gram, Prepared};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Records whose n-grams are counted together before the counts are merged.
const CHUNK: usize = 256;
/// No n-gram in this many records or fewer is too frequent, whatever the share: small sets have none to spare.
const FREQUENT: u32 = 100;

/// What an n-gram is a run of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Words: runs of letters, digits, combining marks and underscores; in scripts that write no spaces (Chinese,
    /// Japanese, Thai and their like) every letter is a word.
    Word,
    /// Characters within a run of anything but white space, that run padded with one space at each end.
    Character,
}

/// One block of text features: which n-grams, how many, and how loud.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GramConfig {
    /// Words or characters.
    pub unit: Unit,
    /// Least run, at least 1.
    pub shortest: usize,
    /// Longest run, at most 8.
    pub longest: usize,
    /// An n-gram in fewer training records than this is left out.
    pub min_records: u32,
    /// An n-gram in more than this share of the training records (and in more than 100) is left out.
    pub max_share: f64,
    /// At most this many columns: the n-grams in most records, ties in alphabetical order.
    pub max_terms: usize,
    /// At most this many entries in a record: the largest, ties in column order.
    pub max_per_record: usize,
    /// Length (L2 norm) of the block in every record that has any of its n-grams.
    pub weight: f64,
}

impl GramConfig {
    pub(super) fn check(&self) -> Result<(), FeatureError> {
        let what = if self.shortest < 1 || self.longest < self.shortest || self.longest > 8 {
            "runs must satisfy 1 <= shortest <= longest <= 8"
        } else if !(self.max_share > 0.0 && self.max_share <= 1.0) {
            "max_share must be above 0 and at most 1"
        } else if !(self.weight > 0.0 && self.weight <= 1e3) {
            "weight must be above 0 and at most 1000"
        } else if self.max_terms > 1 << 24 || self.max_per_record == 0 {
            "max_terms must be at most 2^24 and max_per_record at least 1"
        } else {
            return Ok(());
        };
        Err(FeatureError::Config { what })
    }

    /// The n-grams of a record, ascending, each with the number of times it occurs.
    fn count<'a>(&self, record: &'a Prepared) -> Vec<(Gram<'a>, u32)> {
        let grams = match self.unit {
            Unit::Word => record.word_grams(self.shortest, self.longest),
            Unit::Character => record.character_grams(self.shortest, self.longest),
        };
        merge(grams.into_iter().map(|gram| (gram, 1)).collect())
    }
}

/// A learned vocabulary with what TF-IDF needs. Column order is alphabetical.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GramBlock {
    config: GramConfig,
    /// Number of training records.
    records: u32,
    /// The n-grams, ascending.
    terms: Vec<String>,
    /// In how many training records each occurs.
    records_with: Vec<u32>,
}

impl GramBlock {
    /// Learns the vocabulary. Counts are merged as sorted lists, so no hash decides an order and no choice of
    /// words makes it slow.
    pub(super) fn fit(config: &GramConfig, records: &[Prepared]) -> Self {
        let mut found = records
            .par_chunks(CHUNK)
            .map(|chunk| {
                merge(chunk.iter().flat_map(|r| config.count(r)).map(|(gram, _)| (gram, 1)).collect())
            })
            .reduce(Vec::new, |a, b| merge([a, b].concat()));
        let total = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let most = ((config.max_share * f64::from(total)) as u32).max(FREQUENT);
        found.retain(|&(_, with)| (config.min_records..=most).contains(&with));
        found.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        found.truncate(config.max_terms);
        found.sort_unstable();
        Self {
            config: config.clone(),
            records: total,
            terms: found.iter().map(|&(gram, _)| gram.text.to_owned()).collect(),
            records_with: found.iter().map(|&(_, with)| with).collect(),
        }
    }

    /// Refuses what `fit` cannot have made.
    pub(super) fn check(&self) -> Result<(), FeatureError> {
        self.config.check()?;
        let sound = self.terms.len() == self.records_with.len()
            && self.terms.windows(2).all(|w| w[0] < w[1])
            && self.records_with.iter().all(|&n| (1..=self.records).contains(&n));
        sound.then_some(()).ok_or(FeatureError::Stored { what: "a vocabulary is out of order" })
    }

    /// The n-grams in column order.
    pub(super) fn terms(&self) -> &[String] {
        &self.terms
    }

    /// What its columns are called before the colon.
    pub(super) fn prefix(&self) -> &'static str {
        match self.config.unit {
            Unit::Word => "word",
            Unit::Character => "char",
        }
    }

    /// Makes ready to encode records, the first column being `offset`.
    pub(super) fn encoder(&self, offset: usize) -> Encoder<'_> {
        let all = 1.0 + f64::from(self.records);
        let rarity = |&with: &u32| (all / (1.0 + f64::from(with))).ln() + 1.0;
        Encoder {
            config: &self.config,
            offset,
            terms: self.terms.iter().map(|t| Gram::new(t)).collect(),
            rarities: self.records_with.iter().map(rarity).collect(),
        }
    }
}

/// A block at work.
pub(super) struct Encoder<'a> {
    config: &'a GramConfig,
    offset: usize,
    terms: Vec<Gram<'a>>,
    /// Inverse document frequency of each term, smoothed as if one more record held every term.
    rarities: Vec<f64>,
}

impl Encoder<'_> {
    /// Appends a record's entries, ascending by column: (1 + ln count) times rarity, the largest
    /// `max_per_record` kept, scaled to norm `weight`.
    pub(super) fn append(&self, record: &Prepared, row: &mut Vec<(u32, f32)>) {
        let entry = |(gram, times): (Gram<'_>, u32)| {
            let column = self.terms.binary_search(&gram).ok()?;
            Some((column, (1.0 + f64::from(times).ln()) * self.rarities[column]))
        };
        let mut entries: Vec<(usize, f64)> =
            self.config.count(record).into_iter().filter_map(entry).collect();
        if entries.len() > self.config.max_per_record {
            entries.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            entries.truncate(self.config.max_per_record);
            entries.sort_unstable_by_key(|e| e.0);
        }
        let scale = self.config.weight / entries.iter().map(|e| e.1 * e.1).sum::<f64>().sqrt();
        row.extend(entries.iter().map(|&(column, v)| ((self.offset + column) as u32, (v * scale) as f32)));
    }
}

/// Sorts and adds up the counts of equal n-grams. Linear in lists that are sorted already, one after another.
fn merge(mut counts: Vec<(Gram<'_>, u32)>) -> Vec<(Gram<'_>, u32)> {
    counts.sort();
    counts.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        kept.1 += if same { next.1 } else { 0 };
        same
    });
    counts
}
