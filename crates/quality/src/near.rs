//! An incremental index of texts for near duplicates: MinHash bands propose, [`Likeness`] decides.
//!
//! Signatures are cut into [`BANDS`] bands of [`ROWS`] slots; two texts are candidates when a band agrees in full
//! (Indyk and Motwani 1998), which happens with probability 1 - (1 - J^ROWS)^BANDS at resemblance J. Every step is
//! bounded: a bucket keeps its first [`BUCKET_MAX`] texts (the first comers own content), and of all candidates the
//! [`VERIFIED_MAX`] with the best estimates are aligned word by word. The order of insertion is the only order
//! that matters, so one text at a time or a million give the same answers.

use rustc_hash::FxHashMap;

use crate::likeness::{Likeness, Words};
use crate::sketch::{SLOTS, Signature, Sketch, mix};

/// Bands of a signature.
const BANDS: usize = 42;
/// Slots of a band.
const ROWS: usize = 3;
/// Texts that one bucket keeps.
const BUCKET_MAX: u32 = 64;
/// Candidates of one query that are aligned word by word.
const VERIFIED_MAX: usize = 16;
/// Candidates below this estimated resemblance are dropped unseen.
const ESTIMATE_MIN: f32 = 0.30;
const NONE: u32 = u32::MAX;

const _: () = assert!(BANDS * ROWS <= SLOTS);

/// Texts seen so far, numbered from 0 in order of insertion.
#[derive(Default)]
pub struct NearIndex {
    texts: Vec<Box<str>>,
    short: Bands,
    long: Bands,
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

impl NearIndex {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many texts it holds.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Adds a text and returns its number.
    pub fn insert(&mut self, sketch: &Sketch) -> u32 {
        let id = self.texts.len() as u32;
        self.texts.push(sketch.normal.clone());
        if let Some(signature) = &sketch.short {
            self.short.insert(id, signature);
        }
        if let Some(signature) = &sketch.long {
            self.long.insert(id, signature);
        }
        id
    }

    /// The best of the texts that `judge` does not turn down: by judgement, then by similarity, then the first comer.
    pub fn nearest<S: Ord>(
        &self,
        sketch: &Sketch,
        mut judge: impl FnMut(u32, &Likeness) -> Option<S>,
    ) -> Option<NearMatch<S>> {
        let candidates = self.candidates(sketch);
        if candidates.is_empty() {
            return None;
        }
        let newer = Words::new(&sketch.normal);
        let mut best: Option<NearMatch<S>> = None;
        for id in candidates {
            let likeness = Likeness::of(&newer, &Words::new(&self.texts[id as usize]));
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
        let mut found: Vec<(f32, u32)> = Vec::new();
        for (bands, signature) in [(&self.short, &sketch.short), (&self.long, &sketch.long)] {
            if let Some(signature) = signature {
                bands.candidates(signature, &mut found);
            }
        }
        found.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut ids: Vec<u32> = found.into_iter().take(VERIFIED_MAX).map(|(_, id)| id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// One scheme's bands: per band a map from key to a chain of entries, newest first.
struct Bands {
    heads: Vec<FxHashMap<u32, Bucket>>,
    links: Vec<[u32; BANDS]>,
    /// One byte of every slot (b-bit minwise hashing, Li and König 2010): estimates candidates from 128 bytes each.
    prints: Vec<[u8; SLOTS]>,
    ids: Vec<u32>,
}

struct Bucket {
    head: u32,
    len: u32,
}

impl Default for Bands {
    fn default() -> Self {
        let heads = (0..BANDS).map(|_| FxHashMap::default()).collect();
        Bands { heads, links: Vec::new(), prints: Vec::new(), ids: Vec::new() }
    }
}

impl Bands {
    fn insert(&mut self, id: u32, signature: &Signature) {
        let entry = self.ids.len() as u32;
        let mut links = [NONE; BANDS];
        for ((band, heads), link) in self.heads.iter_mut().enumerate().zip(&mut links) {
            let bucket = heads.entry(band_key(signature, band)).or_insert(Bucket { head: NONE, len: 0 });
            if bucket.len < BUCKET_MAX {
                *link = bucket.head;
                bucket.head = entry;
                bucket.len += 1;
            }
        }
        self.ids.push(id);
        self.links.push(links);
        self.prints.push(print(signature));
    }

    /// Appends (estimate, id) of every entry that shares a band and whose estimate is high enough.
    fn candidates(&self, signature: &Signature, found: &mut Vec<(f32, u32)>) {
        let mut entries: Vec<u32> = Vec::new();
        for (band, heads) in self.heads.iter().enumerate() {
            let mut entry = heads.get(&band_key(signature, band)).map_or(NONE, |bucket| bucket.head);
            while entry != NONE {
                entries.push(entry);
                entry = self.links[entry as usize][band];
            }
        }
        entries.sort_unstable();
        entries.dedup();
        let mine = print(signature);
        for entry in entries {
            let equal = mine.iter().zip(&self.prints[entry as usize]).filter(|(a, b)| a == b).count();
            let estimate = equal as f32 / SLOTS as f32;
            if estimate >= ESTIMATE_MIN {
                found.push((estimate, self.ids[entry as usize]));
            }
        }
    }
}

fn band_key(signature: &Signature, band: usize) -> u32 {
    let rows = &signature.0[band * ROWS..(band + 1) * ROWS];
    rows.iter().fold(band as u64, |key, &slot| mix(key ^ u64::from(slot))) as u32
}

fn print(signature: &Signature) -> [u8; SLOTS] {
    signature.0.map(|slot| slot as u8)
}
