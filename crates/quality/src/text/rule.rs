//! What the gates over one text may be told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::verdict::{Reason, Verdict};

/// What follows from a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    Pass,
    /// A person looks.
    Hold,
    /// The record is not admitted.
    Reject,
}

/// The gates over one text. Every threshold is for texts of at least the stated size: what is too short to show
/// something is not asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextRule {
    /// What follows from each sign; [`TextRule::action`] says what holds for those not named.
    pub actions: BTreeMap<Reason, Action>,
    /// Texts in other languages.
    pub language: LanguageRule,
    /// Texts that repeat themselves.
    pub repetition: RepetitionRule,
    /// Texts that are not built like writing.
    pub style: StyleRule,
}

/// Texts in other languages than the datanet's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LanguageRule {
    /// Codes of ISO 639-3 (`eng`). Without them, the languages of the sealed benchmark; an empty list turns the gate off.
    pub codes: Option<Vec<String>>,
    /// Letters that a text must have for its language to be asked.
    pub letters_min: u32,
    /// Least confidence of the detector (`whatlang`), 0 to 1.
    pub confidence_min: f32,
    /// The same where the fast guess (`whichlang`) names the same language.
    pub confidence_agreed: f32,
}

/// Texts that repeat themselves. The greatest allowed share falls with length `w` in words from `short` to `long`:
/// `long + (short - long) * min(1, words_short / w)`. A short text repeats a phrase by chance or by need; a long one does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RepetitionRule {
    /// Shorter texts are not asked.
    pub words_min: u32,
    /// Up to so many words a text is short.
    pub words_short: u32,
    /// Characters in repeated lines or paragraphs.
    pub lines: Limit,
    /// Characters in all occurrences of the most frequent 2-gram, 3-gram and 4-gram.
    pub top: [Limit; 3],
    /// Characters in repeated 5-grams.
    pub five: Limit,
    /// Share of repeated lines or 5-grams from which a text is rejected where repetition is rejected at all.
    pub reject_share: f32,
    /// Visible characters in one run of the same.
    pub run_max: u32,
}

/// A greatest share, by length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// For short texts.
    pub short: f32,
    /// For texts without end.
    pub long: f32,
}

/// Texts that are not built like writing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StyleRule {
    /// Shorter texts are not asked for means and shares of words.
    pub words_min: u32,
    /// Greatest mean length of a word, in bytes.
    pub word_bytes_max: f32,
    /// Least share of words with a letter.
    pub lettered_min: f32,
    /// Least share of letters and digits among visible characters.
    pub solid_min: f32,
    /// Greatest number of `#` and ellipses for each word.
    pub symbols_max: f32,
    /// Least length of an unbroken run of base64 or hexadecimal digits that is a blob, in characters.
    pub blob_chars: u32,
    /// Greatest share of letters in words that hands make without writing.
    pub mashed_max: f32,
    /// Least share of the text in notices and filler phrases, by bytes.
    pub boilerplate_share: f32,
    /// Signs of a broken encoding for each thousand characters.
    pub broken_per_mille: f32,
}

impl Default for TextRule {
    fn default() -> Self {
        TextRule {
            actions: BTreeMap::new(),
            language: LanguageRule {
                codes: None,
                letters_min: 60,
                confidence_min: 0.95,
                confidence_agreed: 0.5,
            },
            repetition: RepetitionRule::default(),
            style: StyleRule::default(),
        }
    }
}

impl Default for LanguageRule {
    fn default() -> Self {
        TextRule::default().language
    }
}

impl Default for RepetitionRule {
    fn default() -> Self {
        RepetitionRule {
            words_min: 12,
            words_short: 40,
            lines: Limit { short: 0.60, long: 0.50 },
            top: [Limit { short: 0.60, long: 0.25 }; 3],
            five: Limit { short: 0.65, long: 0.65 },
            reject_share: 0.90,
            run_max: 80,
        }
    }
}

impl Default for StyleRule {
    fn default() -> Self {
        StyleRule {
            words_min: 20,
            word_bytes_max: 14.0,
            lettered_min: 0.50,
            solid_min: 0.40,
            symbols_max: 0.20,
            blob_chars: 80,
            mashed_max: 0.50,
            boilerplate_share: 0.20,
            broken_per_mille: 2.0,
        }
    }
}

impl TextRule {
    /// What follows from a sign: as set, or else a look by a person.
    pub fn action(&self, reason: Reason) -> Action {
        self.actions.get(&reason).copied().unwrap_or(Action::Hold)
    }

    pub(crate) const VALID: &'static str = "shares must be between 0 and 1, limits must not rise with length, a blob has 32 \
        characters at least, and only what a text shows by itself has an action";

    /// Whether every threshold is in range.
    pub(crate) fn is_valid(&self) -> bool {
        let RepetitionRule { lines, top, five, reject_share, .. } = &self.repetition;
        let limits = [lines, &top[0], &top[1], &top[2], five];
        let style = &self.style;
        let shares = [
            self.language.confidence_min,
            self.language.confidence_agreed,
            *reject_share,
            style.lettered_min,
            style.solid_min,
            style.mashed_max,
            style.boilerplate_share,
        ];
        let positive = [style.word_bytes_max, style.symbols_max, style.broken_per_mille];
        limits
            .iter()
            .all(|limit| (0.0..=1.0).contains(&limit.long) && (limit.long..=1.0).contains(&limit.short))
            && shares.iter().all(|share| (0.0..=1.0).contains(share))
            && positive.iter().all(|&x| x > 0.0)
            && style.blob_chars >= 32
            && self.actions.keys().all(|reason| reason.is_of_text())
    }
}

impl Limit {
    /// The limit of a text of so many words.
    pub(crate) fn at(&self, words: usize, words_short: u32) -> f32 {
        let shortness = (words_short as f32 / words.max(1) as f32).min(1.0);
        self.long + (self.short - self.long) * shortness
    }
}

impl Action {
    /// The verdict over a record with that sign.
    pub(crate) fn verdict(self, reason: Reason) -> Verdict {
        match self {
            Action::Pass => Verdict::Pass,
            Action::Hold => Verdict::Hold(reason),
            Action::Reject => Verdict::Reject(reason),
        }
    }
}

impl Reason {
    /// Signs of style: a datanet may be full of them, so that they say nothing there.
    pub(crate) fn is_of_style(self) -> bool {
        use Reason::{Boilerplate, EncodedBlob, KeyboardMash, OtherLanguage, RepeatedText, UnusualText};
        matches!(self, RepeatedText | EncodedBlob | KeyboardMash | UnusualText | Boilerplate | OtherLanguage)
    }

    /// Personal data and secrets: what a mask takes out.
    pub fn is_personal(self) -> bool {
        use Reason::{
            BankAccount, EmailAddress, NationalId, NetworkAddress, PaymentCard, SecretKey, TelephoneNumber,
        };
        let numbers = matches!(self, PaymentCard | BankAccount | NationalId | TelephoneNumber);
        numbers || matches!(self, SecretKey | EmailAddress | NetworkAddress)
    }

    /// Whether a text can show it by itself.
    pub fn is_of_text(self) -> bool {
        use Reason::{
            BidirectionalOverride, BrokenEncoding, InstructionsToModel, InvisibleCharacters,
            LookAlikeLetters, UnassignedCharacters,
        };
        let characters = matches!(
            self,
            BidirectionalOverride | InvisibleCharacters | LookAlikeLetters | UnassignedCharacters
        );
        let others = matches!(self, BrokenEncoding | InstructionsToModel);
        characters || others || self.is_of_style() || self.is_personal()
    }
}
