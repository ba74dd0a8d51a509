//! Words that are joined by other than white space, as in addresses and in the names of variables.
//!
//! Hyphens, underscores, dots and slashes end a word already. A text without white space is taken apart here at `+`, at `%20`
//! and where a small letter is followed by a capital one, so that it is compared as the text that it was made of. Words that
//! are run together without any sign (`wherecanifind`) are beyond this.

use std::borrow::Cow;

/// Fewest words of which a joined text is one: sums (`a+b`) and single names (`iPhone`) stay as they are.
const WORDS_MIN: usize = 4;
/// Letters of its words on average, at least: formulas and genes change case and have `+` too.
const LETTERS_MEAN_MIN: usize = 3;

/// The text with spaces between its words, if it is words that are joined.
pub(crate) fn unjoined(text: &str) -> Cow<'_, str> {
    let bare = text.trim();
    if bare.contains(char::is_whitespace) {
        return Cow::Borrowed(text);
    }
    let apart = [escaped as fn(&str) -> Option<Vec<&str>>, camel];
    match apart.iter().filter_map(|take_apart| take_apart(bare)).find(|words| are_words(words)) {
        Some(words) => Cow::Owned(words.join(" ")),
        None => Cow::Borrowed(text),
    }
}

/// Parts between `+` or `%20`, as queries and paths of addresses have them.
fn escaped(text: &str) -> Option<Vec<&str>> {
    let separator = ["%20", "+"].into_iter().find(|separator| text.contains(separator))?;
    Some(text.split(separator).collect())
}

/// Parts that begin with a capital letter after a small one.
fn camel(text: &str) -> Option<Vec<&str>> {
    let mut words = Vec::new();
    let (mut start, mut small) = (0, false);
    for (at, c) in text.char_indices() {
        if small && c.is_uppercase() {
            words.push(&text[start..at]);
            start = at;
        }
        small = c.is_lowercase();
    }
    words.push(&text[start..]);
    Some(words)
}

fn are_words(parts: &[&str]) -> bool {
    let letters: usize = parts.iter().map(|part| part.chars().filter(|c| c.is_alphabetic()).count()).sum();
    parts.len() >= WORDS_MIN && letters >= LETTERS_MEAN_MIN * parts.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_words_are_taken_apart() {
        for (joined, apart) in [
            ("where+can+i+find+the+card", "where can i find the card"),
            ("where%20can%20I%20find%20it", "where can I find it"),
            (" WhereCanIFindTheCard ", "Where Can IFind The Card"),
            ("a+b+c+d+e", "a+b+c+d+e"),
            ("C8H10N4O2", "C8H10N4O2"),
            ("iPhone", "iPhone"),
            ("x1+x2+log(y)", "x1+x2+log(y)"),
            ("1+1+1+1+1", "1+1+1+1+1"),
            ("one+two+three four", "one+two+three four"),
            ("", ""),
        ] {
            assert_eq!(unjoined(joined), apart);
        }
    }

    proptest! {
        #[test]
        fn joined_words_come_apart(words in prop::collection::vec("[a-z]{3,9}", 4..20)) {
            let capital = |word: &String| word[..1].to_uppercase() + &word[1..];
            let spoken = words.join(" ");
            for separator in ["+", "%20"] {
                let joined = words.join(separator);
                prop_assert_eq!(unjoined(&joined), spoken.as_str());
            }
            let camel: String = words.iter().map(capital).collect();
            prop_assert_eq!(unjoined(&camel).to_lowercase(), spoken);
        }

        #[test]
        fn nothing_panics(text in ".{0,60}") {
            unjoined(&text);
        }
    }
}
