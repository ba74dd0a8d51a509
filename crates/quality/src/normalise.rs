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

use crate::letters::{Normal, is_invisible, lower, normal};

/// Normalising converges in two rounds on every text known to us; the bound keeps hostile input finite.
const ROUNDS: usize = 4;

/// The normal form of a text.
pub fn normalise(text: &str) -> String {
    if text.is_ascii() {
        return ascii(text);
    }
    one_by_one(text).unwrap_or_else(|| in_rounds(text))
}

fn ascii(text: &str) -> String {
    // White space in the sense of `char`: unlike that of bytes, it has the vertical tab.
    let one = |&byte: &u8| if byte.wrapping_sub(0x09) < 5 { b' ' } else { byte.to_ascii_lowercase() };
    let mut out: Vec<u8> = text.as_bytes().iter().map(one).collect();
    if !is_squeezed(&out) {
        let mut before = b' ';
        out.retain(|&byte| std::mem::replace(&mut before, byte) != b' ' || byte != b' ');
        out.truncate(out.len() - usize::from(out.ends_with(b" ")));
    }
    String::from_utf8(out).unwrap_or_default()
}

/// Whether all spaces are single ones between other characters; looks at every byte, since that goes by the vector.
fn is_squeezed(ascii: &[u8]) -> bool {
    let two = |(&a, &b): (&u8, &u8)| u8::from(a == b' ') & u8::from(b == b' ');
    let runs = ascii.iter().zip(ascii.iter().skip(1)).fold(0, |runs, bytes| runs | two(bytes));
    runs == 0 && !ascii.starts_with(b" ") && !ascii.ends_with(b" ")
}

/// The normal form where no character depends on its neighbours: text as people write it.
fn one_by_one(text: &str) -> Option<String> {
    let mut out = Squeezed { out: String::with_capacity(text.len()), gap: false };
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c.to_ascii_lowercase());
            continue;
        }
        match normal(c) {
            Normal::One(one) => out.push(one),
            Normal::Nothing => {}
            Normal::Several => {
                c.nfkc().filter(|&c| !is_invisible(c)).flat_map(lower).for_each(|c| out.push(c))
            }
            Normal::Depends => return None,
        }
    }
    Some(out.out)
}

fn in_rounds(text: &str) -> String {
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
    let folded: String = text.nfkc().filter(|&c| !is_invisible(c)).flat_map(lower).collect();
    let mut out = Squeezed { out: String::with_capacity(text.len()), gap: false };
    folded.nfkc().for_each(|c| out.push(c));
    out.out
}

/// White space runs to one space, none at the ends.
struct Squeezed {
    out: String,
    gap: bool,
}

impl Squeezed {
    fn push(&mut self, c: char) {
        if c.is_whitespace() {
            self.gap = true;
            return;
        }
        if self.gap && !self.out.is_empty() {
            self.out.push(' ');
        }
        self.gap = false;
        self.out.push(c);
    }
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

    /// Every character in company that would show a dependence: a letter, an accent, a space, itself.
    #[test]
    fn every_character_alone_and_in_company() {
        for c in (0..0x1_0000).chain(0x1_D400..0x1_D800).filter_map(char::from_u32) {
            for text in [format!("{c}"), format!("a{c} {c}{c}e")] {
                if let Some(short) = one_by_one(&text) {
                    assert_eq!(short, in_rounds(&text), "{text:?}");
                }
            }
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
        fn short_cuts_agree_with_the_long_way(
            ascii in "[\\x00-\\x7F]{0,60}",
            people in "[a-zA-ZÀ-ÿ ’“”…™é\u{A0}\u{200B}Я-яΑ-ω日本ﬁ½ß]{0,40}",
            any in "\\PC{0,40}",
        ) {
            for text in [ascii, people, any] {
                prop_assert_eq!(in_rounds(&text), normalise(&text));
            }
        }
    }
}
