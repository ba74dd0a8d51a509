//! An incremental index of texts for near duplicates: shared keys propose, [`Likeness`] decides.
//!
//! Every text is listed under the keys of its [`Sketch`]. A later text gathers the lists of its own keys; those that
//! share the most with it are aligned word by word. Every step is bounded: a list keeps its first texts (the first
//! comers own content), and at most [`ALIGNED_MAX`] are aligned. The order of insertion is the only order
//! that matters, so one text at a time or a million give the same answers.
//!
//! All of it is in memory, or as much as there is a bound for ([`NearIndex::bounded`]): beyond that texts, which are read for few
//! candidates, and lists are elsewhere ([`TextStore`]). Answers are the same.

pub(crate) mod lists;
mod run;
mod scratch;
mod texts;

use crate::likeness::{Aligner, Likeness};
use crate::sketch::{BANDS, Sketch};
use lists::Lists;
use texts::{Marks, Texts};

pub use scratch::{MakeStore, TextStore, TextStoreError};

/// Texts that one query is aligned with.
const ALIGNED_MAX: usize = 16;
/// Texts under one pair of words: what more of them say is boilerplate.
const PAIR_MAX: usize = 16;
/// Texts under one band.
const BAND_MAX: usize = 32;
/// Least evidence, as [`rarity`] counts it, on which two texts are aligned.
const PAIRS_MIN: u32 = 4;
/// Bands that two short texts must share to be aligned.
const BANDS_MIN: u32 = 1;

/// Texts seen so far, numbered from 0 in order of insertion.
pub struct NearIndex {
    texts: Texts,
    bands: Lists,
    pairs: Lists,
}

/// The best match of a query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NearMatch<S> {
    /// The number of the older text.
    pub id: u32,
    /// How it was judged.
    pub judgement: S,
    /// The evidence.
    pub likeness: Likeness,
}

impl Default for NearIndex {
    fn default() -> Self {
        NearIndex::over(|_| None)
    }
}

impl NearIndex {
    /// An empty index, in memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty index that takes at most so many bytes of memory, beside 16 for each text and 4 for each 64 entries of lists in its stores:
    /// a half for texts and a quarter for each kind of lists, which go to stores of `make` when they are more.
    pub fn bounded(memory: usize, make: MakeStore) -> Self {
        NearIndex::over(|part| Some((memory / part, make.clone())))
    }

    /// `bound` says what one part in so many of the memory is.
    fn over(bound: impl Fn(usize) -> Option<(usize, MakeStore)>) -> Self {
        NearIndex {
            texts: Texts::new(bound(2)),
            bands: Lists::new(BAND_MAX, bound(4)),
            pairs: Lists::new(PAIR_MAX, bound(4)),
        }
    }

    /// How many texts were inserted.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first failure of a store. From then on matches may be missing and erased text may still be there: make
    /// the index again. Never where all is in memory.
    pub fn failure(&self) -> Option<&TextStoreError> {
        self.texts.failure().or(self.bands.failure()).or(self.pairs.failure())
    }

    /// Adds a text and returns its number.
    pub fn insert(&mut self, sketch: &Sketch) -> u32 {
        let id = self.texts.push(&sketch.words, sketch.folded());
        self.bands.insert(id, &sketch.bands, BANDS);
        self.pairs.insert(id, &sketch.pairs, sketch.pairs_kept());
        id
    }

    /// Forgets a text: it is erased and never matches again. Its number is not given to another. `false` where there is none.
    pub fn remove(&mut self, id: u32) -> bool {
        let mut letters = Vec::new();
        let Some(text) = self.texts.read(id, &mut letters) else { return false };
        let sketch = Sketch::new(text);
        self.bands.remove(id, &sketch.bands);
        self.pairs.remove(id, &sketch.pairs);
        self.texts.erase(id);
        true
    }

    /// The best of the texts that `judge` does not turn down: by judgement, then by similarity, then the first comer.
    pub fn nearest<S: Ord>(
        &self,
        sketch: &Sketch,
        mut judge: impl FnMut(u32, &Likeness) -> Option<S>,
    ) -> Option<NearMatch<S>> {
        let mut candidates = self.candidates(sketch);
        if candidates.is_empty() {
            return None;
        }
        self.texts.touch(&candidates);
        let marks = Marks::of(&sketch.words);
        let mut others = Vec::new();
        candidates.retain(|&id| marks.may_share_half(self.texts.marks(id, &mut others)));
        if candidates.is_empty() {
            return None;
        }
        let mut aligner = Aligner::new(&sketch.words, &sketch.spans, sketch.folded());
        let mut letters = Vec::new();
        let mut best: Option<NearMatch<S>> = None;
        for id in candidates {
            let Some(text) = self.texts.read(id, &mut letters) else { continue };
            let Some(likeness) = aligner.align(text) else { continue };
            let Some(judgement) = judge(id, &likeness) else { continue };
            let better = best.as_ref().is_none_or(|best| {
                let by_judgement = judgement.cmp(&best.judgement);
                by_judgement.then(likeness.similarity().total_cmp(&best.likeness.similarity())).is_gt()
            });
            if better {
                best = Some(NearMatch { id, judgement, likeness });
            }
        }
        best
    }

    /// The texts worth aligning, ascending.
    fn candidates(&self, sketch: &Sketch) -> Vec<u32> {
        let mut found = self.pairs.shared(&sketch.pairs, sketch.pairs_kept(), rarity, PAIRS_MIN);
        found.extend(self.bands.shared(&sketch.bands, BANDS, |_| 1, BANDS_MIN));
        if found.len() > ALIGNED_MAX {
            found.select_nth_unstable_by(ALIGNED_MAX, |a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            found.truncate(ALIGNED_MAX);
        }
        let mut ids: Vec<u32> = found.into_iter().map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// The evidence of a pair of words that so many texts have.
fn rarity(texts: usize) -> u32 {
    match texts {
        0..=3 => 3,
        4..=8 => 2,
        _ => 1,
    }
}
