//! Text to n-grams: unicode normalisation, words, characters.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// An n-gram, with its first eight bytes as a number: in order of that number, then of the text, which is the
/// order of the text alone, but most comparisons are of two numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gram<'a> {
    head: u64,
    pub(super) text: &'a str,
}

impl<'a> Gram<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut head = [0; 8];
        let length = text.len().min(8);
        head[..length].copy_from_slice(&text.as_bytes()[..length]);
        Self { head: u64::from_be_bytes(head), text }
    }
}

/// Parts of a text, each between single spaces: the text starts and ends with a space too, so that both an
/// n-gram over parts and a padded part are slices of it.
struct Spaced {
    text: String,
    /// Byte range of each part, its spaces left out.
    spans: Vec<(usize, usize)>,
}

impl Spaced {
    fn new<'a>(parts: impl Iterator<Item = &'a str>) -> Self {
        let mut out = Self { text: String::from(" "), spans: Vec::new() };
        for part in parts {
            let start = out.text.len();
            out.text.push_str(part);
            out.spans.push((start, out.text.len()));
            out.text.push(' ');
        }
        out
    }
}

/// A text made ready for n-grams: NFKC, then lower case, then cut twice.
pub(super) struct Prepared {
    /// Runs of letters, digits, combining marks and underscores; where a script has no spaces, single letters.
    words: Spaced,
    /// Runs of anything but white space: punctuation, emoji and scripts without spaces stay whole.
    pieces: Spaced,
}

impl Prepared {
    /// Reads the first `max_chars` code points of `text` and no more.
    pub(super) fn new(text: &str, max_chars: usize) -> Self {
        let end = text.char_indices().nth(max_chars).map_or(text.len(), |(at, _)| at);
        let text = &text[..end];
        // Most text by far: the same result, several times as fast.
        let normal = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            text.nfkc().collect::<String>().to_lowercase()
        };
        let runs = normal.split(|c| !is_word(c)).filter(|w| !w.is_empty());
        Self { words: Spaced::new(runs.flat_map(letters)), pieces: Spaced::new(normal.split_whitespace()) }
    }

    /// The runs of `shortest..=longest` words, joined by one space.
    pub(super) fn word_grams(&self, shortest: usize, longest: usize) -> Vec<Gram<'_>> {
        let Spaced { text, spans } = &self.words;
        let run = |s: &[(usize, usize)]| Gram::new(&text[s[0].0..s[s.len() - 1].1]);
        (shortest..=longest).flat_map(|n| spans.windows(n).map(run)).collect()
    }

    /// The runs of `shortest..=longest` characters within each piece, the piece padded with one space at each
    /// end. A padded piece no longer than a run is taken whole, once.
    pub(super) fn character_grams(&self, shortest: usize, longest: usize) -> Vec<Gram<'_>> {
        let mut out = Vec::new();
        let mut bounds = Vec::new();
        for &(start, end) in &self.pieces.spans {
            let padded = &self.pieces.text[start - 1..end + 1];
            bounds.clear();
            bounds.extend(padded.char_indices().map(|(at, _)| at));
            bounds.push(padded.len());
            for n in shortest..=longest {
                if bounds.len() - 1 <= n {
                    out.push(Gram::new(padded));
                    break;
                }
                out.extend(bounds.windows(n + 1).map(|w| Gram::new(&padded[w[0]..w[n]])));
            }
        }
        out
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || is_combining_mark(c)
}

/// Cuts a run before and after every letter of a script that writes no spaces; marks stay with their letter.
/// Words of two such letters are then the 2-grams over these words, as is usual for Chinese.
fn letters(run: &str) -> impl Iterator<Item = &str> {
    let mut rest = run;
    std::iter::from_fn(move || {
        let mut chars = rest.char_indices();
        let (_, first) = chars.next()?;
        let ends = |c| is_spaceless(c) || (is_spaceless(first) && !is_combining_mark(c));
        let end = chars.find(|&(_, c)| ends(c)).map_or(rest.len(), |(at, _)| at);
        let (part, after) = rest.split_at(end);
        rest = after;
        Some(part)
    })
}

/// Letters of scripts without spaces between words: Thai, Lao, Myanmar, Khmer, kana and the ideographs.
fn is_spaceless(c: char) -> bool {
    let range = matches!(c, '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}'
        | '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}');
    range && c.is_alphabetic() && !is_combining_mark(c)
}
