//! The language of a text: a fast guess for every text, a second opinion before anybody is stopped.

use std::collections::BTreeMap;

use super::rule::LanguageRule;
use super::shape::Shape;

/// Bytes from the middle of a text that a first guess reads, and those after it: a page says what language a book is in.
const GUESS_BYTES: usize = 96;
const OPINION_BYTES: usize = 512;

/// Sealed texts that are asked at most.
const SEALED_MAX: usize = 200;

/// Least number of sealed texts from which the languages of a datanet are learned.
const SEALED_MIN: usize = 20;

/// Share of the sealed texts in a language, from which it is one of the datanet's.
const SEALED_SHARE: f64 = 0.02;

/// The languages of a datanet, as codes of ISO 639-3, sorted; none where the gate is off.
pub(crate) struct Languages {
    codes: Vec<String>,
    /// Whether the fast guess knows all of them.
    guessed: bool,
}

impl Languages {
    /// Those that the rule names, or those that the sealed texts are in.
    pub(crate) fn new<'t>(rule: &LanguageRule, sealed: impl Iterator<Item = &'t Shape<'t>>) -> Self {
        let mut codes = rule.codes.clone().unwrap_or_else(|| languages_of(rule, sealed));
        codes.sort_unstable();
        let guessed = codes.iter().all(|code| GUESSED.contains(&code.as_str()));
        Languages { codes, guessed }
    }

    /// The confidence with which a text is in none of the languages.
    pub(crate) fn foreign(&self, rule: &LanguageRule, shape: &Shape<'_>) -> Option<f32> {
        if self.codes.is_empty() || shape.letters < rule.letters_min {
            return None;
        }
        let guess = |bytes| whichlang::detect_language(middle(shape.text, bytes)).three_letter_code();
        if self.guessed && self.has(guess(GUESS_BYTES)) {
            return None;
        }
        let guess = guess(OPINION_BYTES);
        if self.guessed && self.has(guess) {
            return None;
        }
        let (code, confidence) = second_opinion(shape.text)?;
        let needed = if code == guess { rule.confidence_agreed } else { rule.confidence_min };
        (!self.has(code) && confidence >= needed).then_some(confidence)
    }

    fn has(&self, code: &str) -> bool {
        self.codes.iter().any(|own| own == code)
    }
}

/// What `whichlang` tells apart.
const GUESSED: [&str; 16] = [
    "ara", "cmn", "deu", "eng", "fra", "hin", "ita", "jpn", "kor", "nld", "por", "rus", "spa", "swe", "tur",
    "vie",
];

fn second_opinion(text: &str) -> Option<(&'static str, f32)> {
    let opinion = whatlang::detect(middle(text, OPINION_BYTES))?;
    Some((opinion.lang().code(), opinion.confidence() as f32))
}

fn languages_of<'t>(rule: &LanguageRule, sealed: impl Iterator<Item = &'t Shape<'t>>) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let long: Vec<_> = sealed.filter(|shape| shape.letters >= rule.letters_min).collect();
    for shape in long.iter().step_by(long.len() / SEALED_MAX + 1) {
        if let Some((code, confidence)) = second_opinion(shape.text)
            && confidence >= rule.confidence_min
        {
            *counts.entry(code).or_default() += 1;
        }
    }
    let total: usize = counts.values().sum();
    if total < SEALED_MIN {
        return Vec::new();
    }
    let least = (SEALED_SHARE * total as f64).max(2.0);
    counts.into_iter().filter(|&(_, count)| count as f64 >= least).map(|(code, _)| code.to_owned()).collect()
}

/// The middle of a text, cut at characters.
fn middle(text: &str, bytes: usize) -> &str {
    let border =
        |from: usize| (from..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
    let start = border(text.len().saturating_sub(bytes) / 2);
    &text[start..border((start + bytes).min(text.len()))]
}
