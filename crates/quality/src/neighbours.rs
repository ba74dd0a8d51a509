//! Texts that say much the same in other words: neighbours by the cosine of their weighted words.
//!
//! A word weighs its inverse document frequency, as counted over the benchmark and all texts so far, times the root of how often the text has
//! it (Salton and Buckley 1988). Order of words counts for nothing, so a text whose sentences were turned around and whose common words
//! were exchanged is as near as its rare words are the same.
//!
//! A text is listed under its [`LISTED`] rarest words, a list keeps its first [`LIST_MAX`] texts, and a query is compared with the
//! [`COMPARED_MAX`] texts that share most of its [`ASKED`] rarest known words: the cosine is exact, the search is not.
//! Answers depend on the order of what was added and removed alone.

use rustc_hash::FxHashMap;

use crate::near::lists::Lists;
use crate::sketch::Sketch;

/// Words under which a text is listed.
const LISTED: usize = 12;
/// Words of a query whose lists are read.
const ASKED: usize = 8;
/// Texts under one word.
const LIST_MAX: usize = 64;
/// Texts that one query is compared with.
const COMPARED_MAX: usize = 24;
/// Fewest distinct words of a text that has neighbours.
const WORDS_MIN: usize = 4;
/// Words of a text that are read; what comes after them is not compared.
const WORDS_MAX: usize = 4_096;

/// Texts so far, numbered from 0 in order of insertion, and how many texts have each word.
pub struct NeighbourIndex {
    counts: FxHashMap<u32, u32>,
    counted: u32,
    lists: Lists,
    texts: Vec<Box<[Term]>>,
}

/// A word of a text and how often the text has it. A text is a list of them, ascending by word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Term {
    word: u32,
    times: u32,
}

impl Default for NeighbourIndex {
    fn default() -> Self {
        NeighbourIndex {
            counts: FxHashMap::default(),
            counted: 0,
            lists: Lists::new(LIST_MAX, None),
            texts: Vec::new(),
        }
    }
}

impl NeighbourIndex {
    /// Counts the words of a text that is nobody's neighbour: an item of the benchmark.
    pub fn count(&mut self, sketch: &Sketch) {
        self.tally(&terms(sketch));
    }

    /// Adds a text and returns its number.
    pub fn insert(&mut self, sketch: &Sketch) -> u32 {
        let (id, terms) = (self.texts.len() as u32, terms(sketch));
        self.tally(&terms);
        self.lists.insert(id, &self.rarest(&terms, LISTED), LISTED);
        self.texts.push(terms);
        id
    }

    /// Forgets a text: it never matches again, and its words are no longer counted. Its number is not given to another. `false`
    /// where there is none.
    pub fn remove(&mut self, id: u32) -> bool {
        let Some(text) = self.texts.get_mut(id as usize) else { return false };
        let terms = std::mem::take(text);
        if terms.is_empty() {
            return false;
        }
        let words: Vec<u32> = terms.iter().map(|term| term.word).collect();
        self.lists.remove(id, &words);
        self.counted -= 1;
        for word in words {
            match self.counts.get_mut(&word) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.counts.remove(&word)),
            }
        }
        true
    }

    /// The nearest of the texts that `may` be a neighbour, with its cosine in [0, 1]; the first comer among equals.
    pub fn nearest(&self, sketch: &Sketch, may: impl Fn(u32) -> bool) -> Option<(u32, f64)> {
        let terms = terms(sketch);
        if terms.len() < WORDS_MIN {
            return None;
        }
        let mut found = self.lists.shared(&self.rarest(&terms, ASKED), ASKED, rarity, 1);
        found.retain(|&(id, _)| may(id) && self.texts[id as usize].len() >= WORDS_MIN);
        if found.len() > COMPARED_MAX {
            found.select_nth_unstable_by(COMPARED_MAX, |a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            found.truncate(COMPARED_MAX);
        }
        let weights: Vec<f64> = terms.iter().map(|&term| self.weight(term)).collect();
        let own: f64 = weights.iter().map(|weight| weight * weight).sum();
        let cosines = found.into_iter().map(|(id, _)| {
            let (dot, norm) = self.product(&terms, &weights, id);
            (id, (dot / (own * norm).sqrt()).min(1.0))
        });
        cosines.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
    }

    fn tally(&mut self, terms: &[Term]) {
        if !terms.is_empty() {
            self.counted += 1;
        }
        terms.iter().for_each(|term| *self.counts.entry(term.word).or_default() += 1);
    }

    /// The rarest of the words that are known, at most so many.
    fn rarest(&self, terms: &[Term], most: usize) -> Vec<u32> {
        let known = terms.iter().filter_map(|term| Some((*self.counts.get(&term.word)?, term.word)));
        let mut words: Vec<(u32, u32)> = known.collect();
        if words.len() > most {
            words.select_nth_unstable(most);
            words.truncate(most);
        }
        words.into_iter().map(|(_, word)| word).collect()
    }

    fn weight(&self, term: Term) -> f64 {
        let texts = self.counts.get(&term.word).copied().unwrap_or(0);
        ((f64::from(self.counted) + 1.0) / (f64::from(texts) + 0.5)).ln() * f64::from(term.times).sqrt()
    }

    /// The inner product with a text, and of that text with itself.
    fn product(&self, terms: &[Term], weights: &[f64], id: u32) -> (f64, f64) {
        let (mut dot, mut norm, mut at) = (0.0, 0.0, 0);
        for &other in &self.texts[id as usize] {
            let weight = self.weight(other);
            norm += weight * weight;
            while at < terms.len() && terms[at].word < other.word {
                at += 1;
            }
            if at < terms.len() && terms[at].word == other.word {
                dot += weights[at] * weight;
            }
        }
        (dot, norm)
    }
}

/// What a word that so many listed texts have is worth when candidates are ranked.
fn rarity(texts: usize) -> u32 {
    (2 * LIST_MAX / texts.max(1)).ilog2()
}

fn terms(sketch: &Sketch) -> Box<[Term]> {
    let mut words: Vec<u32> = sketch.words.iter().take(WORDS_MAX).map(|word| word.0).collect();
    words.sort_unstable();
    let runs = words.chunk_by(|a, b| a == b);
    runs.map(|run| Term { word: run[0], times: run.len() as u32 }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The cosine by its definition.
    fn cosine(all: &[Vec<u32>], a: &[u32], b: &[u32]) -> f64 {
        let vector = |text: &[u32]| -> BTreeMap<u32, f64> {
            let weight = |word: u32| {
                let texts = all.iter().filter(|text| text.contains(&word)).count() as f64;
                let times = text.iter().filter(|&&other| other == word).count() as f64;
                ((all.len() as f64 + 1.0) / (texts + 0.5)).ln() * times.sqrt()
            };
            text.iter().map(|&word| (word, weight(word))).collect()
        };
        let (a, b) = (vector(a), vector(b));
        let length = |v: &BTreeMap<u32, f64>| v.values().map(|x| x * x).sum::<f64>().sqrt();
        let dot: f64 = a.iter().map(|(word, x)| x * b.get(word).copied().unwrap_or(0.0)).sum();
        dot / length(&a) / length(&b)
    }

    fn sketch(words: &[u32]) -> Sketch {
        Sketch::new(words.iter().map(|word| format!("word{word}x")).collect::<Vec<_>>().join(" "))
    }

    fn distinct(text: &[u32]) -> usize {
        text.iter().collect::<std::collections::BTreeSet<_>>().len()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Few short texts: no bound is met, so the nearest of all is found, with the right cosine, and what was removed is as
        /// if it had never been.
        #[test]
        fn the_nearest_is_found(
            texts in prop::collection::vec(prop::collection::vec(0u32..25, 4..9), 2..24),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
            query in prop::collection::vec(0u32..28, 4..9),
        ) {
            let mut index = NeighbourIndex::default();
            index.count(&sketch(&texts[0]));
            for text in &texts[1..] {
                index.insert(&sketch(text));
            }
            let mut left = texts.clone();
            for at in removed {
                let id = at.index(texts.len() - 1);
                prop_assert_eq!(index.remove(id as u32), !left[id + 1].is_empty());
                left[id + 1].clear();
            }
            let known: Vec<Vec<u32>> = left.iter().filter(|text| !text.is_empty()).cloned().collect();
            let found = index.nearest(&sketch(&query), |id| id % 5 != 4);
            let allowed = left[1..].iter().enumerate().filter(|(id, text)| id % 5 != 4 && distinct(text) >= WORDS_MIN);
            let shares = |text: &[u32]| text.iter().any(|word| query.contains(word));
            let best = allowed.filter(|(_, text)| shares(text)).map(|(_, text)| cosine(&known, &query, text)).fold(None, |best: Option<f64>, x| Some(best.map_or(x, |y| y.max(x))));
            match (found, best.filter(|_| distinct(&query) >= WORDS_MIN)) {
                (Some((id, found)), Some(best)) => {
                    prop_assert!((found - best).abs() < 1e-9, "{} is not {}", found, best);
                    prop_assert!((cosine(&known, &query, &left[id as usize + 1]) - best).abs() < 1e-9);
                }
                (found, best) => prop_assert!(found.is_none() && best.is_none(), "{:?} {:?}", found, best),
            }
        }
    }

    #[test]
    fn the_first_comer_is_the_neighbour_and_lists_are_bounded() {
        let mut index = NeighbourIndex::default();
        let text = sketch(&[1, 2, 3, 4, 5]);
        for _ in 0..1_000 {
            index.insert(&text);
        }
        let (id, cosine) = index.nearest(&text, |_| true).map_or((9, 0.0), |found| found);
        assert!(id == 0 && (cosine - 1.0).abs() < 1e-12);
        assert!(index.remove(0) && !index.remove(0) && !index.remove(5_000));
        assert_eq!(index.nearest(&text, |_| true).map(|found| found.0), Some(1));
        assert_eq!(index.nearest(&text, |id| id as usize > LIST_MAX), None, "not in a list any more");
        assert_eq!(index.nearest(&sketch(&[1, 2, 3]), |_| true), None, "too short");
    }
}
