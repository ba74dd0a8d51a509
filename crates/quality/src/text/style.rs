//! Whether a text is built like writing: heuristics of Gopher and C4 that hold for short records too, blobs, mash.

use super::Sign;
use super::phrases::{Hit, Phrase};
use super::repeat::Repetition;
use super::rule::{RepetitionRule, StyleRule};
use super::shape::{Shape, Word, kind};
use crate::verdict::Reason;

/// Signs of repetition.
pub(crate) fn repetition(shape: &Shape<'_>, rule: &RepetitionRule) -> Option<Sign> {
    let (start, length) = shape.run;
    if length > rule.run_max {
        let c = shape.text[start as usize..].chars().next().map_or(0, char::len_utf8) as u32;
        let span = (start, start + length * c);
        return Some(Sign {
            reason: Reason::RepeatedText,
            span,
            score: length as f32 / shape.visible as f32,
        });
    }
    let words = shape.words.len();
    if words < rule.words_min as usize {
        return None;
    }
    let found = Repetition::of(shape);
    let checks = [
        (found.five, rule.five),
        (found.lines, rule.lines),
        (found.paragraphs, rule.lines),
        (found.top[2], rule.top[2]),
        (found.top[1], rule.top[1]),
        (found.top[0], rule.top[0]),
    ];
    let over = checks.into_iter().filter(|(share, limit)| share.part > limit.at(words, rule.words_short));
    let worst = over.max_by(|(a, _), (b, _)| a.part.total_cmp(&b.part))?.0;
    Some(Sign { reason: Reason::RepeatedText, span: worst.span, score: worst.part })
}

/// Signs in how words are made.
pub(crate) fn style(shape: &Shape<'_>, rule: &StyleRule, found: &mut Vec<Sign>) {
    let whole = (0, shape.text.len() as u32);
    let unusual = |score: f32| Sign { reason: Reason::UnusualText, span: whole, score };
    if let Some(sign) = blob(shape, rule) {
        found.push(sign);
    }
    if let Some(share) = mashed(shape).filter(|&share| share > rule.mashed_max) {
        found.push(Sign { reason: Reason::KeyboardMash, span: whole, score: share });
    }
    let solid = (shape.letters + shape.digits) as f32 / shape.visible.max(1) as f32;
    if shape.visible >= rule.words_min && solid < rule.solid_min {
        found.push(unusual(1.0 - solid));
        return;
    }
    let words = shape.words.len();
    if words < rule.words_min as usize {
        return;
    }
    let mean = shape.bytes(0..words) as f32 / words as f32;
    let lettered = shape.words.iter().filter(|word| word.has(kind::LETTER)).count() as f32 / words as f32;
    let symbols = (shape.text.matches('#').count()
        + shape.text.matches("...").count()
        + shape.text.matches('…').count()) as f32
        / words as f32;
    if mean > rule.word_bytes_max && shape.is_ascii {
        found.push(unusual(1.0 - rule.word_bytes_max / mean));
    } else if lettered < rule.lettered_min {
        found.push(unusual(1.0 - lettered));
    } else if symbols > rule.symbols_max {
        found.push(unusual(symbols.min(1.0)));
    }
}

/// The longest blob, scored by the share of the text that all of them take.
fn blob(shape: &Shape<'_>, rule: &StyleRule) -> Option<Sign> {
    let (mut longest, mut bytes) = ((0, 0), 0);
    for word in shape.words.iter().filter(|word| word.len() >= rule.blob_chars) {
        let (start, end) = blob_of(shape.text.as_bytes(), word);
        if end - start >= rule.blob_chars {
            bytes += end - start;
            if end - start > longest.1 - longest.0 {
                longest = (start, end);
            }
        }
    }
    let score = bytes as f32 / shape.bytes(0..shape.words.len()).max(1) as f32;
    (bytes > 0).then_some(Sign { reason: Reason::EncodedBlob, span: longest, score })
}

/// The longest run of base64 or hexadecimal digits of a word that is neither a word nor a path: it has digits, and
/// it changes between capitals, small letters and digits as chance does.
fn blob_of(text: &[u8], word: &Word) -> (u32, u32) {
    let bytes = &text[word.start as usize..word.end as usize];
    let mut best = (word.start, word.start);
    let mut at = 0;
    for run in bytes.split(|b| !is_base64(*b)) {
        let (start, end) = (word.start + at as u32, word.start + (at + run.len()) as u32);
        if end - start > best.1 - best.0 && is_random(run) {
            best = (start, end);
        }
        at += run.len() + 1;
    }
    best
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_')
}

fn is_random(run: &[u8]) -> bool {
    let class = |b: &u8| match b {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let changes = run.windows(2).filter(|pair| class(&pair[0]) != class(&pair[1])).count();
    let marks = run.iter().filter(|b| class(b) == 3).count();
    let (digits, others) = (run.iter().any(u8::is_ascii_digit), run.iter().any(u8::is_ascii_alphabetic));
    if digits && others && run.iter().all(u8::is_ascii_hexdigit) {
        return true;
    }
    // Random base64 changes class at 3 of 5 steps and has a mark in 32.
    digits && changes * 4 >= run.len() && marks * 12 <= run.len()
}

/// The share of letters in words that were hit and not written; `None` where there are too few to say.
fn mashed(shape: &Shape<'_>) -> Option<f32> {
    const LETTERS_MIN: u32 = 8;
    const SMALL: u8 = kind::LETTER | kind::LOWER | kind::DOT;
    if shape.letters < LETTERS_MIN {
        return None;
    }
    let text = shape.text.as_bytes();
    let small = shape.words.iter().filter(|word| word.len() >= 5 && word.kinds | SMALL == SMALL);
    let mashed = small.filter(|word| is_mashed(&text[word.start as usize..word.end as usize]));
    Some((mashed.map(Word::len).sum::<u32>() as f32 / shape.letters as f32).min(1.0))
}

/// No vowel, or four of five steps between neighbours on one row of a keyboard. Most words fail both within a few letters.
fn is_mashed(word: &[u8]) -> bool {
    /// Place of every letter on a keyboard: neighbours differ by one, rows by more.
    const KEYS: [i16; 26] =
        [32, 68, 66, 34, 2, 35, 36, 37, 7, 38, 39, 40, 70, 69, 8, 9, 0, 3, 33, 4, 6, 67, 1, 65, 5, 64];
    const VOWELS: u32 = 1 << 0 | 1 << 4 | 1 << 8 | 1 << 14 | 1 << 20 | 1 << 24;
    let vowel = |b: &u8| b.is_ascii_lowercase() && VOWELS >> (b - b'a') & 1 == 1;
    let key = |b: u8| KEYS.get(usize::from(b.wrapping_sub(b'a'))).copied().unwrap_or(i16::MAX / 2);
    let steps = word.len() - 1;
    let mut misses = word.windows(2).filter(|pair| (key(pair[0]) - key(pair[1])).abs() != 1);
    let hit = !word.iter().any(vowel) || misses.nth(steps / 5).is_none();
    hit && word.iter().filter(|b| b.is_ascii_lowercase()).count() >= 5
}

/// Signs of text that nobody wrote for the record, and of an encoding that was lost on the way.
pub(crate) fn notices(shape: &Shape<'_>, hits: &[Hit], rule: &StyleRule, found: &mut Vec<Sign>) {
    let of = |phrase: Phrase| hits.iter().filter(move |hit| hit.phrase == phrase);
    let bytes: usize = of(Phrase::Boilerplate).map(|hit| hit.end - hit.start).sum();
    let share = bytes as f32 / shape.text.len().max(1) as f32;
    if let Some(hit) = of(Phrase::Boilerplate).next().filter(|_| share >= rule.boilerplate_share) {
        found.push(Sign { reason: Reason::Boilerplate, span: hit.span(), score: share });
    }
    let per_mille = of(Phrase::Broken).count() as f32 * 1000.0 / shape.visible.max(1) as f32;
    if let Some(hit) = of(Phrase::Broken).next().filter(|_| per_mille >= rule.broken_per_mille) {
        found.push(Sign {
            reason: Reason::BrokenEncoding,
            span: hit.span(),
            score: (per_mille / 1000.0).min(1.0),
        });
    }
}
