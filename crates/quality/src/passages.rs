//! Passages: an earlier record inside a later one, between sentences that say nothing.
//!
//! Alignment of whole texts misses a copy that is padded to several times its length. So every original leaves its
//! 5-word shingles here, at most [`KEPT`] of them, those with the smallest hashes (a bottom-k sketch; Broder 1997).
//! Shingles that several originals brought are boilerplate and count for nothing, in the later record too: what is
//! compared is content. A record most of whose content is a passage of one earlier record is held.

use rustc_hash::FxHashMap;

/// Shingles that an original leaves.
const KEPT: usize = 64;
/// Originals that may share a shingle; what more of them share is boilerplate.
const SHARED_MAX: u8 = 3;
/// Shingles that make a passage, at least: nine words in a row.
const PASSAGE_MIN: f32 = 5.0;
/// Least part of a record's content that is a passage of one earlier record.
const PART_MIN: f32 = 0.5;

/// Shingles of all originals.
#[derive(Default)]
pub(crate) struct Passages {
    shingles: FxHashMap<u64, Owners>,
    /// Shingles that each original stands for with one that it left: by text number.
    scale: Vec<f32>,
}

/// Who brought a shingle: the first [`SHARED_MAX`] texts, and how many of them there are; one more than that for more.
#[derive(Clone, Copy, Default)]
struct Owners {
    texts: [u32; SHARED_MAX as usize],
    count: u8,
}

impl Owners {
    fn list(&self) -> &[u32] {
        if self.count > SHARED_MAX { &[] } else { &self.texts[..self.count as usize] }
    }
}

impl Passages {
    /// Adds a text, the next by number; its distinct shingles are ascending.
    pub(crate) fn insert(&mut self, shingles: &[u64]) {
        let kept = &shingles[..shingles.len().min(KEPT)];
        let text = self.scale.len() as u32;
        self.scale.push(shingles.len() as f32 / kept.len().max(1) as f32);
        for &shingle in kept {
            let owners = self.shingles.entry(shingle).or_default();
            if let Some(place) = owners.texts.get_mut(owners.count as usize) {
                *place = text;
            }
            owners.count = (owners.count + 1).min(SHARED_MAX + 1);
        }
    }

    /// The text that most of the content of this one is a passage of, with that part; the first comer among equals.
    pub(crate) fn holds(&self, shingles: &[u64]) -> Option<(u32, f32)> {
        let (mut content, mut shared) = (0.0_f32, Vec::new());
        for shingle in shingles {
            match self.shingles.get(shingle) {
                Some(owners) if owners.count > SHARED_MAX => {}
                Some(owners) => {
                    content += 1.0;
                    shared.extend_from_slice(owners.list());
                }
                None => content += 1.0,
            }
        }
        shared.sort_unstable();
        let passage = |run: &[u32]| (run[0], run.len() as f32 * self.scale[run[0] as usize]);
        let longest = shared
            .chunk_by(|a, b| a == b)
            .map(passage)
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        let (text, length) = longest.filter(|(_, length)| *length >= PASSAGE_MIN)?;
        let part = (length / content).min(1.0);
        (part >= PART_MIN).then_some((text, part))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sketch::Sketch;

    fn insert(passages: &mut Passages, text: &str) {
        passages.insert(Sketch::new(text).shingles());
    }

    fn holds(passages: &Passages, text: &str) -> Option<(u32, f32)> {
        passages.holds(Sketch::new(text).shingles())
    }

    fn words(stem: &str, count: usize) -> String {
        (0..count).map(|i| format!("{stem}{i}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_padded_copy_is_found() {
        let mut passages = Passages::default();
        let padding = |k: usize| words(["red", "green", "blue", "grey"][k % 4], 20);
        // Boilerplate that everybody writes.
        for k in 0..40 {
            insert(
                &mut passages,
                &format!("{} {} {}", padding(k), words(&format!("own{k}x"), 9), padding(k + 1)),
            );
        }
        let content = words("content", 16);
        let padded = |k: usize| format!("{} {content} {}", padding(k), padding(k + 2));
        assert_eq!(holds(&passages, &padded(0)), None);
        insert(&mut passages, &padded(0));
        for k in 1..3 {
            let (text, part) = holds(&passages, &padded(k)).unwrap();
            assert!(text == 40 && part >= 0.5, "{k}: {text} {part}");
            insert(&mut passages, &padded(k));
        }
        let other = format!("{} {} {}", padding(0), words("other", 12), padding(1));
        assert_eq!(holds(&passages, &other), None, "boilerplate alone is no passage");
    }

    #[test]
    fn a_turn_of_phrase_is_no_passage() {
        let mut passages = Passages::default();
        insert(&mut passages, "i would like to know how to change my card");
        assert_eq!(holds(&passages, "i would like to know how to send money abroad"), None);
        assert_eq!(holds(&passages, ""), None);
        assert_eq!(holds(&Passages::default(), "anything at all that is long enough for a shingle"), None);
    }
}
