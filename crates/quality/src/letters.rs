//! What single characters become: in normal form, and for matching.
//!
//! Both are functions of one character at a time, looked up in pages of 256 that are worked out when first met.

use std::sync::OnceLock;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};
use unicode_security::confusable_detection::skeleton;

/// What a character becomes in normal form, where that does not depend on its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Normal {
    /// One character, by itself or in lower case.
    One(char),
    /// Nothing: it leaves no mark on paper.
    Nothing,
    /// Several characters, none of which combines with others: `ﬁ`, `…`, `ｗ`, a no-break space.
    Several,
    /// Something that depends on its neighbours: a combining mark.
    Depends,
}

struct Page {
    normal: [Normal; 256],
    folded: [char; 256],
}

/// Pages of the Basic Multilingual Plane.
static PAGES: [OnceLock<Box<Page>>; 256] = [const { OnceLock::new() }; 256];

fn page(c: char) -> Option<&'static Page> {
    let number = c as u32 >> 8;
    PAGES.get(number as usize).map(|page| {
        &**page.get_or_init(|| {
            let of =
                |low: usize| char::from_u32(number << 8 | low as u32).unwrap_or(char::REPLACEMENT_CHARACTER);
            Box::new(Page {
                normal: std::array::from_fn(|low| find_normal(of(low))),
                folded: std::array::from_fn(|low| find_folded(of(low))),
            })
        })
    })
}

/// What a character becomes in normal form.
pub(crate) fn normal(c: char) -> Normal {
    page(c).map_or_else(|| find_normal(c), |page| page.normal[c as usize & 255])
}

/// What a character in normal form is for matching: the letter of ASCII that it looks like, with or without
/// accents and in either case (UTS 39, confusable detection), and itself where there is none. Letters of ASCII,
/// digits above all, are themselves.
pub(crate) fn folded(c: char) -> char {
    page(c).map_or_else(|| find_folded(c), |page| page.folded[c as usize & 255])
}

/// Characters that leave no mark on paper: they tell a copy from its original only to a machine.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' | '\u{FFA0}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Lower case, character by character, with the full folding of `ß` to `ss` and of final sigma.
pub(crate) fn lower(c: char) -> impl Iterator<Item = char> {
    c.to_lowercase().flat_map(|c| {
        let (first, second) = match c {
            'ß' => ('s', Some('s')),
            'ς' => ('σ', None),
            other => (other, None),
        };
        std::iter::once(first).chain(second)
    })
}

/// Whether NFKC leaves a character alone whatever stands beside it: quick check "yes", and it starts a sequence.
fn is_stable(c: char) -> bool {
    is_nfkc_quick(std::iter::once(c)) == IsNormalized::Yes
        && unicode_normalization::char::canonical_combining_class(c) == 0
}

fn find_normal(c: char) -> Normal {
    if is_invisible(c) {
        // Those that compatibility turns into jamo would combine.
        return if c.nfkc().eq(std::iter::once(c)) { Normal::Nothing } else { Normal::Depends };
    }
    let all: Vec<char> = c.nfkc().filter(|&c| !is_invisible(c)).flat_map(lower).collect();
    let settled = |&c: &char| is_stable(c) && !is_invisible(c) && lower(c).eq(std::iter::once(c));
    match all.as_slice() {
        _ if !c.nfkc().all(is_stable) => Normal::Depends,
        [one] if settled(one) => Normal::One(*one),
        several if several.iter().all(settled) => Normal::Several,
        _ => Normal::Depends,
    }
}

fn is_accent(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}' | '\u{FE20}'..='\u{FE2F}')
}

fn find_folded(c: char) -> char {
    let once = match c {
        _ if c.is_ascii() => c,
        '\u{2018}' | '\u{2019}' | '\u{02BC}' => '\'',
        '\u{2212}' => '-',
        _ if !c.is_alphabetic() => c,
        _ => letter(c).or_else(|| upper(c).and_then(letter)).unwrap_or_else(|| without_accents(c)),
    };
    // What looks like a letter that looks like another looks like that; no chain in Unicode is longer than three.
    if once == c { c } else { find_folded(once) }
}

/// The one letter of ASCII, in lower case, that a character looks like.
fn letter(c: char) -> Option<char> {
    let mut encoded = [0; 4];
    let mut seen = skeleton(c.encode_utf8(&mut encoded)).filter(|&c| !is_accent(c));
    let first = seen.next().filter(char::is_ascii_alphabetic)?;
    seen.next().is_none().then(|| first.to_ascii_lowercase())
}

fn upper(c: char) -> Option<char> {
    let mut all = c.to_uppercase();
    all.next().filter(|_| all.next().is_none())
}

fn without_accents(c: char) -> char {
    let mut bare = std::iter::once(c).nfkd().filter(|&c| !is_accent(c));
    match (bare.next(), bare.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// A text in normal form as it is compared: look-alike letters folded, accents left out.
pub(crate) fn fold(normal: &str) -> std::borrow::Cow<'_, str> {
    if normal.is_ascii() {
        return normal.into();
    }
    let one = |c: char| if c.is_ascii() { Some(c) } else { Some(folded(c)).filter(|&c| !is_accent(c)) };
    let mut out = String::with_capacity(normal.len());
    out.extend(normal.chars().filter_map(one));
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alikes_and_accents_fold() {
        for (disguised, plain) in [
            ("сору оf а раре", "copy of a pape"),
            ("ехаmрlе", "example"),
            ("ηоtеѕ", "notes"),
            ("résumé naïve łódź ångström øre", "resume naive lodz angstrom ore"),
            ("don’t don‘t", "don't don't"),
        ] {
            assert_eq!(fold(disguised), plain, "{disguised}");
        }
    }

    #[test]
    fn digits_signs_and_other_scripts_stay() {
        for text in
            ["0123456789 1l 0o", "日本語", "कि का", "١٢٣", "+ − × ÷".replace('−', "-").as_str(), "한국어"]
        {
            assert_eq!(fold(text), text);
        }
        assert_eq!(fold("−5"), "-5");
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for c in (0..0x2_0000).filter_map(char::from_u32) {
            assert_eq!(folded(folded(c)), folded(c), "{c:?}");
        }
    }

    #[test]
    fn nothing_becomes_a_digit() {
        for c in (0x80..0x2_0000).filter_map(char::from_u32) {
            assert!(!folded(c).is_ascii_digit(), "{c:?}");
        }
    }
}
