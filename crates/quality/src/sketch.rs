//! Words, shingles and MinHash signatures of a text in normal form.
//!
//! The resemblance of two texts is the Jaccard index of their shingle sets; a MinHash signature estimates it
//! (Broder 1997). Signatures are made by one-permutation hashing (Li, Owen, Zhang 2012), one hash per shingle
//! however many slots there are, and empty slots are filled by optimal densification (Shrivastava 2017), so that each
//! slot of two sets agrees with a probability equal to their Jaccard index.
//!
//! One kind of shingle does not serve all lengths:
//! - **short** texts (up to [`SHORT_MAX_WORDS`] words) use character trigrams inside words: one slip, one
//!   moved or one dropped word out of ten leaves most trigrams, whereas it breaks half of the word bigrams;
//! - **long** texts (from [`LONG_MIN_WORDS`] words) use pairs of neighbouring words: all long texts of a language share
//!   their trigrams.
//!
//! Texts in between are sketched both ways. Two texts without a common scheme differ in length by
//! more than 24 to 14, so that their word overlap (Dice) cannot exceed 2 * 13 / (13 + 25) = 0.68.

/// Slots of a signature.
pub const SLOTS: usize = 128;
/// Longest text, in words, with character shingles.
pub(crate) const SHORT_MAX_WORDS: usize = 24;
/// Shortest text, in words, with word shingles.
pub(crate) const LONG_MIN_WORDS: usize = 14;

/// A MinHash signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature(pub(crate) [u32; SLOTS]);

/// A text in normal form with its signatures, ready to be compared or indexed.
#[derive(Clone, Debug)]
pub struct Sketch {
    pub(crate) normal: Box<str>,
    pub(crate) short: Option<Box<Signature>>,
    pub(crate) long: Option<Box<Signature>>,
}

impl Sketch {
    /// Sketches a text in normal form (see [`crate::normalise`]).
    pub fn new(normal: impl Into<Box<str>>) -> Self {
        let normal = normal.into();
        let hashes: Vec<u64> = words(&normal).map(|word| hash_bytes(word.as_bytes())).collect();
        let short = (!hashes.is_empty() && hashes.len() <= SHORT_MAX_WORDS)
            .then(|| Box::new(Signature::of(words(&normal).flat_map(trigrams))));
        let long = (hashes.len() >= LONG_MIN_WORDS).then(|| {
            Box::new(Signature::of(hashes.windows(2).map(|pair| mix(pair[0].rotate_left(23) ^ pair[1]))))
        });
        Sketch { normal, short, long }
    }

    /// The text in normal form.
    pub fn normal(&self) -> &str {
        &self.normal
    }

    /// The estimated resemblance of two texts: the share of slots that agree, in the scheme that both have (the higher
    /// of the two where they share both); 0 where they share none.
    pub fn resemblance(&self, other: &Sketch) -> f32 {
        let of = |a: &Option<Box<Signature>>, b: &Option<Box<Signature>>| match (a, b) {
            (Some(a), Some(b)) => a.agreement(b),
            _ => 0.0,
        };
        of(&self.short, &other.short).max(of(&self.long, &other.long))
    }
}

impl Signature {
    /// One-permutation MinHash of a set of 64-bit shingle hashes; repeats change nothing.
    pub(crate) fn of(shingles: impl Iterator<Item = u64>) -> Self {
        const EMPTY: u64 = u64::MAX;
        let mut least = [EMPTY; SLOTS];
        for shingle in shingles {
            // Low bits choose the slot, high bits compete in it: the two must not depend on each other.
            let slot = (shingle % SLOTS as u64) as usize;
            least[slot] = least[slot].min(shingle >> 32);
        }
        let mut slots = [0; SLOTS];
        if least.iter().all(|&value| value == EMPTY) {
            return Signature(slots);
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
        Signature(slots)
    }

    /// The share of slots that agree.
    pub(crate) fn agreement(&self, other: &Signature) -> f32 {
        let equal = self.0.iter().zip(&other.0).filter(|(a, b)| a == b).count();
        equal as f32 / SLOTS as f32
    }
}

/// The words of a text in normal form. A word is a run of letters and digits with inner apostrophes; a number keeps its sign
/// and its inner marks (`-5`, `1.5`, `10:30`), for digits are content; a symbol (`=`, `€`, an emoji) is a word of its
/// own, and so is every character of a script written without spaces. Punctuation is none.
pub(crate) fn words(normal: &str) -> impl Iterator<Item = &str> {
    let mut rest = normal;
    let mut before = ' ';
    std::iter::from_fn(move || {
        loop {
            let first = rest.chars().next()?;
            let end = word_end(rest, first, before);
            let (word, tail) = rest.split_at(end.max(first.len_utf8()));
            (rest, before) = (tail, first);
            if end > 0 {
                return Some(word);
            }
        }
    })
}

/// Where the word ends that begins `rest` with the character `first`; 0 where none begins.
fn word_end(rest: &str, first: char, before: char) -> usize {
    let signed =
        first == '-' && before.is_whitespace() && rest[1..].starts_with(|c: char| c.is_ascii_digit());
    if is_unspaced(first) || (!first.is_alphanumeric() && !signed) {
        return if is_unspaced(first) || is_symbol(first) { first.len_utf8() } else { 0 };
    }
    let mut end = first.len_utf8();
    let mut last = first;
    let mut chars = rest[end..].chars().peekable();
    while let Some(c) = chars.next() {
        let joins = |next: &char| {
            if last.is_ascii_digit() {
                matches!(c, '.' | ',' | ':' | '/') && next.is_ascii_digit()
            } else {
                is_apostrophe(c) && next.is_alphanumeric()
            }
        };
        let inside = (c.is_alphanumeric() && !is_unspaced(c)) || chars.peek().is_some_and(joins);
        if !inside {
            break;
        }
        end += c.len_utf8();
        last = c;
    }
    end
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}')
}

/// Marks that carry content by themselves. Of ASCII only arithmetic and money; outside it, all but punctuation.
pub(crate) fn is_symbol(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, '$' | '%' | '&' | '+' | '<' | '=' | '>');
    }
    let punctuation = matches!(c, '\u{2010}'..='\u{205E}' | '\u{3000}'..='\u{303F}' | '\u{FF01}'..='\u{FF0F}' | '¿' | '¡' | '«' | '»' | '·' | '´' | '¨');
    !punctuation && !c.is_alphanumeric() && !c.is_whitespace()
}

/// Thai, Lao, Myanmar, Khmer, kana and Han: scripts whose words have no space between them.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3040}'..='\u{30FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// The character trigrams of one word, its two ends marked.
pub(crate) fn trigrams(word: &str) -> impl Iterator<Item = u64> {
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

/// A 64-bit hash of bytes, fixed for ever: stored sketches depend on it. Not for defence against collisions by
/// design, which only ever make two texts *candidates*; every verdict compares the texts themselves.
pub(crate) fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = 0x9E37_79B9_7F4A_7C15 ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = mix(hash ^ u64::from_le_bytes(word));
    }
    hash
}

/// A 64-bit mixer, fixed for ever: xorshift and multiply, twice.
pub(crate) fn mix(mut x: u64) -> u64 {
    x ^= x >> 32;
    x = x.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x ^= x >> 32;
    x = x.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x ^ (x >> 32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn list(text: &str) -> Vec<&str> {
        words(text).collect()
    }

    #[test]
    fn words_of_many_scripts() {
        assert_eq!(
            list("it's 'quoted', isn't it? 1.5 don’t"),
            ["it's", "quoted", "isn't", "it", "1.5", "don’t"]
        );
        assert_eq!(list("日本 abc語x"), ["日", "本", "abc", "語", "x"]);
        assert_eq!(
            list("from -5 to 10:30, a-b x<3 €2, 7. 1,000/2"),
            ["from", "-5", "to", "10:30", "a", "b", "x", "<", "3", "€", "2", "7", "1,000/2"]
        );
        assert_eq!(list("é ✓ 😀"), ["é", "✓", "😀"]);
        assert_eq!(list("... '' — "), Vec::<&str>::new());
        assert_eq!(list(""), Vec::<&str>::new());
    }

    #[test]
    fn trigrams_mark_the_ends() {
        assert_eq!(trigrams("a").count(), 1);
        assert_eq!(trigrams("card").count(), 4);
        assert!(trigrams("card").all(|gram| trigrams("cars").filter(|g| *g == gram).count() <= 1));
    }

    #[test]
    fn every_length_has_a_sketch() {
        for count in [0, 1, 5, 13, 14, 24, 25, 500] {
            let text: Vec<String> = (0..count).map(|i| format!("word{i}")).collect();
            let sketch = Sketch::new(text.join(" "));
            assert_eq!(sketch.short.is_some(), (1..=24).contains(&count), "{count}");
            assert_eq!(sketch.long.is_some(), count >= 14, "{count}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        /// 128 slots: the estimate's standard deviation is at most 0.045, and we look at the mean of 24 signatures of
        /// differently hashed sets, so 0.045 is about five deviations.
        #[test]
        fn agreement_estimates_the_jaccard_index(shared in 0u64..200, only_a in 0u64..100, only_b in 0u64..100) {
            let a: BTreeSet<u64> = (0..shared + only_a).collect();
            let b: BTreeSet<u64> = (0..shared).chain(1_000..1_000 + only_b).collect();
            prop_assume!(!a.is_empty() && !b.is_empty());
            let truth = a.intersection(&b).count() as f64 / a.union(&b).count() as f64;
            let mean = (0..24u64).map(|salt| {
                let sign = |set: &BTreeSet<u64>| Signature::of(set.iter().map(|x| mix(x ^ mix(salt + 77))));
                f64::from(sign(&a).agreement(&sign(&b)))
            }).sum::<f64>() / 24.0;
            // With fewer shingles than slots the slots share their few sources, so the spread is that of the set.
            let spread = (truth * (1.0 - truth) / (a.union(&b).count().min(SLOTS) as f64 * 24.0)).sqrt();
            prop_assert!((mean - truth).abs() < 0.01 + 5.0 * spread, "estimate {mean}, truth {truth}");
        }
    }
}
