//! How much a text repeats itself: the measures of Gopher (Rae et al. 2021, arXiv 2112.11446, table A1).

use rustc_hash::{FxHashMap, FxHashSet};

use super::shape::{Line, Shape, mix};

/// Words of the n-grams whose second and later occurrences are counted.
const LONG: usize = 5;

/// Shares of the text, each between 0 and 1, with the span that shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Repetition {
    /// Characters in lines that stand earlier in the text.
    pub(crate) lines: Share,
    /// The same of paragraphs.
    pub(crate) paragraphs: Share,
    /// Characters in all occurrences of the 2-, 3- or 4-gram that fills most of the text.
    pub(crate) top: [Share; 3],
    /// Characters in 5-grams that stand earlier in the text.
    pub(crate) five: Share,
}

/// A share of the text and where it shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Share {
    pub(crate) part: f32,
    pub(crate) span: (u32, u32),
}

impl Repetition {
    pub(crate) fn of(shape: &Shape<'_>) -> Self {
        let total = shape.bytes(0..shape.words.len()).max(1) as f32;
        let mut found = Repetition::default();
        if shape.lines.len() > 1 {
            found.lines = repeated_lines(shape, total);
            found.paragraphs = repeated_paragraphs(shape, total);
        }
        // A longer n-gram that stands twice is made of shorter ones that do.
        for n in 2..=4 {
            match top(shape, n, total) {
                Some(share) => found.top[n - 2] = share,
                None => return found,
            }
        }
        found.five = repeated(shape, total);
        found
    }
}

fn repeated_lines(shape: &Shape<'_>, total: f32) -> Share {
    let parts = shape.lines.iter().map(|line| (line.hash, line.words));
    repeated_parts(shape, total, parts)
}

fn repeated_paragraphs(shape: &Shape<'_>, total: f32) -> Share {
    let paragraphs = shape.lines.chunk_by(|_, next| !next.opens_paragraph).map(|lines: &[Line]| {
        let hash = lines.iter().fold(0, |hash, line| mix(hash, line.hash));
        (hash, (lines[0].words.0, lines[lines.len() - 1].words.1))
    });
    repeated_parts(shape, total, paragraphs)
}

/// The share of parts that stand earlier in the text, shown by the first of them.
fn repeated_parts(shape: &Shape<'_>, total: f32, parts: impl Iterator<Item = (u64, (u32, u32))>) -> Share {
    let mut seen = FxHashSet::default();
    let (mut bytes, mut span) = (0, None);
    for (hash, (start, end)) in parts {
        let words = start as usize..end as usize;
        if !seen.insert(hash) {
            bytes += shape.bytes(words.clone());
            span.get_or_insert(shape.span(words));
        }
    }
    Share { part: bytes as f32 / total, span: span.unwrap_or_default() }
}

/// The n-gram that fills most of the text; `None` where none stands twice.
fn top(shape: &Shape<'_>, n: usize, total: f32) -> Option<Share> {
    let mut counts: FxHashMap<u64, (u32, u32)> = FxHashMap::default();
    counts.reserve(shape.words.len());
    // The most frequent by bytes covered; among equals the one whose count was reached first.
    let (mut best, mut bytes_max) = (None, 0);
    for (at, words) in shape.words.windows(n).enumerate() {
        let hash = words.iter().fold(0, |hash, word| mix(hash, word.hash));
        let (count, first) = counts.entry(hash).or_insert((0, at as u32));
        *count += 1;
        let bytes = *count * words.iter().map(|word| word.len()).sum::<u32>();
        if *count > 1 && bytes > bytes_max {
            (best, bytes_max) = (Some(*first as usize), bytes);
        }
    }
    // Occurrences may overlap ("ha ha ha"), so the share is capped.
    best.map(|at| Share { part: (bytes_max as f32 / total).min(1.0), span: shape.span(at..at + n) })
}

/// Repeated 5-grams, taken without overlap from left to right.
fn repeated(shape: &Shape<'_>, total: f32) -> Share {
    let mut seen = FxHashSet::default();
    seen.reserve(shape.words.len());
    let (mut at, mut bytes, mut span) = (0, 0, None);
    while at + LONG <= shape.words.len() {
        let hash = shape.words[at..at + LONG].iter().fold(0, |hash, word| mix(hash, word.hash));
        if seen.insert(hash) {
            at += 1;
        } else {
            bytes += shape.bytes(at..at + LONG);
            span.get_or_insert(shape.span(at..at + LONG));
            at += LONG;
        }
    }
    Share { part: bytes as f32 / total, span: span.unwrap_or_default() }
}
