//! Sketches: the few keys under which a text is found again when most of it is said a second time.
//!
//! One kind of key does not serve all lengths.
//!
//! **Long** texts (from [`LONG_MIN_WORDS`] words) are found by pairs of neighbouring words. Of all pairs the [`pairs_kept`]
//! with the least ranks are kept, a pair's rank being its hash over its weight: a coordinated weighted sample
//! (priority sampling; Duffield, Lund, Thorup 2007), so that two texts keep the same of what they share. The weight
//! of a pair grows with the length of its words, which is what is known of rarity without counting: `of the` is in every text. The more texts
//! there are, the more pairs are in many of them; so the next in rank are drawn as well ([`pairs_drawn`]), to stand in for those whose
//! lists are full.
//!
//! **Short** texts (up to [`SHORT_MAX_WORDS`] words) are found by character trigrams inside words: one slip, one moved or one
//! dropped word out of ten leaves most trigrams, whereas it breaks half of the pairs. Trigrams are common, so a key stands for
//! [`ROWS`] of them at once: a band of a MinHash signature (Broder 1997; Indyk and Motwani 1998), made by one-permutation
//! hashing (Li, Owen, Zhang 2012) with optimal densification (Shrivastava 2017). Two texts share one of [`BANDS`] bands with
//! probability 1 - (1 - J^3)^42 at resemblance J.
//!
//! Texts in between have both. Two texts without a common kind differ in length by
//! more than 24 to 14, so that their word overlap (Dice) cannot exceed 2 * 13 / (13 + 25) = 0.68.

use std::sync::OnceLock;

use crate::letters::fold;
use crate::shingles::shingles;
use crate::words::{Token, Word, spans};
pub(crate) use crate::words::{mix, words};

/// Slots of a signature.
const SLOTS: usize = BANDS * ROWS;
/// Bands of a signature.
pub(crate) const BANDS: usize = 42;
/// Slots of a band.
const ROWS: usize = 3;
/// Longest text, in words, with trigrams.
const SHORT_MAX_WORDS: usize = 24;
/// Shortest text, in words, with pairs.
const LONG_MIN_WORDS: usize = 14;

/// A text in normal form with its words and keys, ready to be compared or indexed.
#[derive(Clone, Debug)]
pub struct Sketch {
    normal: Box<str>,
    /// The text as it is compared, where that is not its normal form.
    folded: Option<Box<str>>,
    /// The words of the text as it is compared.
    pub(crate) words: Box<[Token]>,
    /// Where they are.
    pub(crate) spans: Vec<Word>,
    pub(crate) bands: Box<[u32]>,
    /// By rank.
    pub(crate) pairs: Box<[u32]>,
    shingles: OnceLock<Box<[u64]>>,
}

impl Sketch {
    /// Sketches a text in normal form (see [`crate::normalise`]).
    pub fn new(normal: impl Into<Box<str>>) -> Self {
        let normal = normal.into();
        let folded = fold(&normal);
        let spans = spans(&folded);
        let words = spans.iter().map(|word| word.token(&folded)).collect();
        let bands = if spans.len() <= SHORT_MAX_WORDS { bands(&folded, &spans) } else { Box::default() };
        let pairs = if spans.len() >= LONG_MIN_WORDS { pairs(&spans) } else { Box::default() };
        let folded = match folded {
            std::borrow::Cow::Borrowed(_) => None,
            std::borrow::Cow::Owned(folded) => Some(folded.into()),
        };
        Sketch { normal, folded, words, spans, bands, pairs, shingles: OnceLock::new() }
    }

    /// The text in normal form.
    pub fn normal(&self) -> &str {
        &self.normal
    }

    /// The text as it is compared.
    pub(crate) fn folded(&self) -> &str {
        self.folded.as_deref().unwrap_or(&self.normal)
    }

    /// The distinct shingles of its normal form, ascending.
    pub(crate) fn shingles(&self) -> &[u64] {
        self.shingles.get_or_init(|| {
            let hashes = |spans: &[Word]| shingles(&spans.iter().map(|word| word.hash).collect::<Vec<_>>());
            if self.folded.is_some() { hashes(&spans(&self.normal)) } else { hashes(&self.spans) }
        })
    }

    /// Under how many of the pairs it is listed.
    pub(crate) fn pairs_kept(&self) -> usize {
        pairs_kept(self.words.len())
    }
}

/// Pairs that are kept of a text of so many words.
const fn pairs_kept(words: usize) -> usize {
    if words < 84 { 14 } else { words / 6 }
}

/// The same with those that stand in for others; more find little more and cost time.
const fn pairs_drawn(words: usize) -> usize {
    pairs_kept(words) * 3 / 2
}

/// The pairs of neighbouring words with the least ranks, by rank.
fn pairs(list: &[Word]) -> Box<[u32]> {
    let mut ranked: Vec<u64> = list.windows(2).map(|two| ranked(two[0], two[1])).collect();
    let kept = pairs_drawn(list.len());
    if kept < ranked.len() {
        ranked.select_nth_unstable(kept);
        ranked.truncate(kept);
    }
    ranked.sort_unstable();
    ranked.dedup();
    ranked.into_iter().map(|ranked| ranked as u32).collect()
}

/// A pair's rank in the high half, its key in the low half.
fn ranked(first: Word, second: Word) -> u64 {
    let hash = mix(first.hash.rotate_left(23) ^ second.hash);
    let letters = first.len.min(8) + second.len.min(8);
    let rank = (u128::from(hash >> 32) * u128::from(SHARE[letters as usize])) >> 64;
    (rank as u64) << 32 | hash & u64::from(u32::MAX)
}

/// 2^64 over the fourth power, rounded up: a number of 32 bits times this, over 2^64, is that number over the fourth power.
const SHARE: [u64; 17] = {
    let mut shares = [0; 17];
    let mut letters = 2;
    while letters < 17 {
        shares[letters] = u64::MAX / (letters as u64).pow(4) + 1;
        letters += 1;
    }
    shares
};

/// A key per band of the signature over the trigrams.
fn bands(text: &str, list: &[Word]) -> Box<[u32]> {
    if list.is_empty() {
        return Box::default();
    }
    let shingles = list.iter().flat_map(|word| trigrams(word.of(text)));
    let signature = signature(shingles);
    let key = |(band, rows): (usize, &[u32])| {
        rows.iter().fold(band as u64, |key, &slot| mix(key ^ u64::from(slot))) as u32
    };
    signature.chunks(ROWS).enumerate().map(key).collect()
}

/// One-permutation MinHash of a set of 64-bit shingle hashes; repeats change nothing.
fn signature(shingles: impl Iterator<Item = u64>) -> [u32; SLOTS] {
    const EMPTY: u64 = u64::MAX;
    let mut least = [EMPTY; SLOTS];
    for shingle in shingles {
        // Low bits choose the slot, high bits compete in it: the two must not depend on each other.
        let slot = (((shingle & u64::from(u32::MAX)) * SLOTS as u64) >> 32) as usize;
        least[slot] = least[slot].min(shingle >> 32);
    }
    let mut slots = [0; SLOTS];
    if least.iter().all(|&value| value == EMPTY) {
        return slots;
    }
    for (slot, out) in slots.iter_mut().enumerate() {
        let mut source = slot;
        let mut attempt = 0;
        while least[source] == EMPTY {
            attempt += 1;
            source = (mix((slot as u64) << 32 | attempt) % SLOTS as u64) as usize;
        }
        *out = least[source] as u32;
    }
    slots
}

/// The character trigrams of one word, its two ends marked.
fn trigrams(word: &str) -> impl Iterator<Item = u64> {
    const END: char = '\u{1}';
    let mut before = END;
    let mut shown = word.chars();
    let mut middle = shown.next().unwrap_or(END);
    shown.chain(std::iter::once(END)).map(move |after| {
        let gram = u64::from(before) << 42 | u64::from(middle) << 21 | u64::from(after);
        (before, middle) = (middle, after);
        mix(gram)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn trigrams_mark_the_ends() {
        assert_eq!(trigrams("a").count(), 1);
        assert_eq!(trigrams("card").count(), 4);
        assert!(trigrams("card").all(|gram| trigrams("cars").filter(|g| *g == gram).count() <= 1));
    }

    #[test]
    fn a_rank_is_a_hash_over_a_weight() {
        for letters in 2..=16_u64 {
            for hash in (0..2000).map(|k| mix(k) >> 32).chain([0, letters.pow(4), u64::from(u32::MAX)]) {
                let rank = (u128::from(hash) * u128::from(SHARE[letters as usize])) >> 64;
                assert_eq!(rank, u128::from(hash / letters.pow(4)), "{hash} {letters}");
            }
        }
    }

    #[test]
    fn every_length_has_keys() {
        for count in [0, 1, 5, 13, 14, 24, 25, 500] {
            let text: Vec<String> = (0..count).map(|i| format!("word{i}")).collect();
            let sketch = Sketch::new(text.join(" "));
            assert_eq!(sketch.bands.len(), if (1..=24).contains(&count) { BANDS } else { 0 }, "{count}");
            let pairs = if count < 14 { 0 } else { pairs_drawn(count).min(count - 1) };
            assert_eq!(sketch.pairs.len(), pairs, "{count}");
        }
    }

    #[test]
    fn what_looks_the_same_has_the_same_keys() {
        let plain = "the copy of a page is kept in a box on the shelf beside the door of the old house";
        let disguised = plain.replace('o', "о").replace('a', "а").replace('e', "ё");
        assert_eq!(Sketch::new(plain).pairs, Sketch::new(disguised).pairs);
    }

    /// A half of the words of one text in another of the same length: the samples share their part of what is shared.
    #[test]
    fn samples_are_coordinated() {
        let text = |from: usize| {
            (from..from + 200).map(|i| format!("w{}", mix(i as u64) % 100_000)).collect::<Vec<_>>()
        };
        let keys =
            |text: Vec<String>| Sketch::new(text.join(" ")).pairs.iter().copied().collect::<BTreeSet<u32>>();
        let shared: usize =
            (0..50).map(|k| keys(text(k * 1000)).intersection(&keys(text(k * 1000 + 100))).count()).sum();
        // 99 of 199 pairs are shared, so about half of the kept ones.
        let mean = shared as f64 / 50.0 / pairs_drawn(200) as f64;
        assert!((0.4..0.6).contains(&mean), "{mean}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// 126 slots: the estimate's standard deviation is at most 0.045, and we look at the mean of 24 signatures of
        /// differently hashed sets, so 0.045 is about five deviations.
        #[test]
        fn agreement_estimates_the_jaccard_index(shared in 0u64..200, only_a in 0u64..100, only_b in 0u64..100) {
            let a: BTreeSet<u64> = (0..shared + only_a).collect();
            let b: BTreeSet<u64> = (0..shared).chain(1_000..1_000 + only_b).collect();
            prop_assume!(!a.is_empty() && !b.is_empty());
            let truth = a.intersection(&b).count() as f64 / a.union(&b).count() as f64;
            let mean = (0..24u64).map(|salt| {
                let sign = |set: &BTreeSet<u64>| signature(set.iter().map(|x| mix(x ^ mix(salt + 77))));
                let equal = sign(&a).iter().zip(sign(&b)).filter(|(a, b)| **a == *b).count();
                equal as f64 / SLOTS as f64
            }).sum::<f64>() / 24.0;
            // With fewer shingles than slots the slots share their few sources, so the spread is that of the set.
            let spread = (truth * (1.0 - truth) / (a.union(&b).count().min(SLOTS) as f64 * 24.0)).sqrt();
            prop_assert!((mean - truth).abs() < 0.01 + 5.0 * spread, "estimate {mean}, truth {truth}");
        }
    }
}
