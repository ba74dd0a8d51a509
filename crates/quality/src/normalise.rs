//! The documented normalisation behind exact duplicates.
//!
//! A text is put in Unicode form NFKC (UAX 15), without characters that print nothing (zero-width, soft hyphen,
//! directional marks, variation selectors), in lower case (character by character, with the full folding of `ß` to `ss` and
//! of final sigma), every run of white space made one space, trimmed. Digits and punctuation stay as they are: two
//! records that differ in one digit are two records. The result is a fixed point: normalising it again changes nothing.
//!
//! A row of numbers is its bits, with -0 equal to 0; nothing is rounded, so rows that differ in the last bit are
//! different here and a matter for the near gate.

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

/// Normalising converges in two rounds on every text known to us; the bound keeps hostile input finite.
const ROUNDS: usize = 4;

/// The normal form of a text.
pub fn normalise(text: &str) -> String {
    if text.is_ascii() {
        return squeeze(text.chars().map(|c| c.to_ascii_lowercase()));
    }
    let mut current = round(text);
    for _ in 1..ROUNDS {
        let next = round(&current);
        if next == current {
            break;
        }
        current = next;
    }
    current
}

fn round(text: &str) -> String {
    let folded: String =
        text.nfkc().filter(|&c| !is_invisible(c)).flat_map(char::to_lowercase).flat_map(fold).collect();
    squeeze(folded.nfkc())
}

/// Full case folding where it differs from lower case in text people write.
fn fold(c: char) -> impl Iterator<Item = char> {
    let (first, second) = match c {
        'ß' => ('s', Some('s')),
        'ς' => ('σ', None),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

/// White space runs to one space, none at the ends.
fn squeeze(chars: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    let mut gap = false;
    for c in chars {
        if c.is_whitespace() {
            gap = true;
            continue;
        }
        if gap && !out.is_empty() {
            out.push(' ');
        }
        gap = false;
        out.push(c);
    }
    out
}

/// Characters that leave no mark on paper: they tell a copy from its original only to a machine.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' | '\u{FFA0}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The exact key of a record's content: the first 128 bits of a SHA-256 over its normalised text and its numbers.
/// Labels are no part of it: content is owned once, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentKey(u128);

impl ContentKey {
    /// The key of a text in normal form (see [`normalise`]) and a row.
    pub fn new(normal_text: Option<&str>, numbers: &[f64]) -> Self {
        let mut hash = Sha256::new();
        // The length first, so that no text can imitate a shorter text followed by numbers.
        let text_bytes = normal_text.map_or(u64::MAX, |text| text.len() as u64);
        hash.update(text_bytes.to_le_bytes());
        hash.update(normal_text.unwrap_or_default());
        for &number in numbers {
            let positive_zero = if number == 0.0 { 0.0 } else { number };
            hash.update(f64::to_bits(positive_zero).to_le_bytes());
        }
        let digest = hash.finalize();
        let mut head = [0; 16];
        head.copy_from_slice(&digest[..16]);
        ContentKey(u128::from_le_bytes(head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn forms_that_look_the_same_are_the_same() {
        for (a, b) in [
            ("Straße  in\tKÖLN ", "strasse in ko\u{308}ln"),
            ("ｆｕｌｌ ｗｉｄｔｈ", "full width"),
            ("zero\u{200B}width\u{FEFF}", "zerowidth"),
            ("ΟΔΟΣ", "οδος"),
            ("ﬁne\u{00A0}print", "fine print"),
            ("İ", "i\u{307}"),
        ] {
            assert_eq!(normalise(a), normalise(b), "{a:?} {b:?}");
        }
    }

    #[test]
    fn digits_punctuation_and_accents_are_never_collapsed() {
        for (a, b) in [("item 1", "item 2"), ("a.b", "a b"), ("resume", "résumé"), ("1 000", "1000")] {
            assert_ne!(normalise(a), normalise(b));
        }
    }

    #[test]
    fn rows_are_their_bits() {
        assert_eq!(ContentKey::new(None, &[0.0, 1.0]), ContentKey::new(None, &[-0.0, 1.0]));
        assert_ne!(ContentKey::new(None, &[0.1 + 0.2]), ContentKey::new(None, &[0.3]));
        assert_ne!(ContentKey::new(None, &[]), ContentKey::new(Some(""), &[]));
        let bytes = 1.5f64.to_le_bytes();
        if let Ok(imitation) = std::str::from_utf8(&bytes) {
            assert_ne!(ContentKey::new(Some(imitation), &[]), ContentKey::new(Some(""), &[1.5]));
        }
    }

    proptest! {
        #[test]
        fn idempotent(text in "\\PC{0,40}") {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once);
        }

        #[test]
        fn case_and_white_space_do_not_matter(words in prop::collection::vec("[a-zé0-9]{1,8}", 1..8)) {
            let shouted = format!("  {} ", words.join(" \n\t ").to_uppercase());
            prop_assert_eq!(normalise(&shouted), normalise(&words.join(" ")));
        }

        #[test]
        fn ascii_path_agrees_with_the_unicode_path(text in "[ -~\\t\\n]{0,60}") {
            prop_assert_eq!(round(&text), normalise(&text));
        }
    }
}
