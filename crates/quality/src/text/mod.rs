//! The gates over one text: what it shows by itself, without the records before it.
//!
//! One walk collects words, lines and counts ([`shape`]), one dictionary finds phrases and prefixes ([`phrases`]), and
//! every gate judges what these found; nothing is read a third time unless it looks suspicious. All of it is linear in
//! the length of the text.

mod characters;
mod codes;
mod language;
mod numbers;
mod personal;
mod phrases;
mod repeat;
mod rule;
mod secrets;
mod shape;
mod style;

use rayon::prelude::*;

use crate::verdict::{Reason, Verdict};
use language::Languages;
use phrases::{Hit, Phrase, Phrases};
use shape::Shape;

pub use personal::{PersonalData, PersonalSpan};
pub use rule::{Action, LanguageRule, Limit, RepetitionRule, StyleRule, TextRule};

/// Something that a text shows, with the evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sign {
    /// What it shows.
    pub reason: Reason,
    /// Where: bytes of the text, start and end, on borders of characters.
    pub span: (u32, u32),
    /// How clearly, between 0 and 1: the share of the text that shows it, or a confidence.
    pub score: f32,
}

/// The gates over one text, fitted to a datanet.
pub struct TextGate {
    rule: TextRule,
    phrases: Phrases,
    languages: Languages,
    /// Signs that good texts of this datanet show, and that therefore say nothing here; sorted.
    usual: Vec<Reason>,
}

/// Share of the sealed texts that may show a sign of style before it is usual, and least number of such texts.
const USUAL_SHARE: f64 = 0.01;
const USUAL_MIN: usize = 3;

impl TextGate {
    /// The gates by a rule, for a datanet with these sealed texts: they tell its languages, and what is usual in it. A sign
    /// of style that more than 1% of them show (and three at least) is not asked for; what harms people (personal
    /// data, hidden characters, orders to a model) never becomes usual.
    pub fn new(rule: &TextRule, sealed: &[&str]) -> Self {
        let phrases = Phrases::new();
        let shapes: Vec<Shape<'_>> = sealed.par_iter().map(|text| Shape::of(text)).collect();
        let languages = Languages::new(&rule.language, shapes.iter());
        let mut gate = TextGate { rule: rule.clone(), phrases, languages, usual: Vec::new() };
        let signs: Vec<Vec<Sign>> = shapes.par_iter().map(|shape| gate.all(shape)).collect();
        let most = (USUAL_SHARE * sealed.len() as f64).max(USUAL_MIN as f64 - 1.0);
        let shown =
            |reason: Reason| signs.iter().filter(|s| s.iter().any(|sign| sign.reason == reason)).count();
        gate.usual =
            Reason::ALL.iter().copied().filter(|r| r.is_of_style() && shown(*r) as f64 > most).collect();
        gate
    }

    /// The gravest sign that the charter asks for and what follows from it, if any: the first rejected, else the first held,
    /// in the order of [`Reason::ALL`].
    pub fn check(&self, text: &str) -> Option<(Verdict, Sign)> {
        let judged = self.signs(text).into_iter().map(|sign| (self.action(&sign), sign));
        let (action, sign) = judged.min_by_key(|(action, sign)| (std::cmp::Reverse(*action), sign.reason))?;
        (action != Action::Pass).then(|| (action.verdict(sign.reason), sign))
    }

    /// Every sign that is not usual in this datanet, or is beyond what is usual anywhere.
    pub fn signs(&self, text: &str) -> Vec<Sign> {
        let mut signs = self.all(&Shape::of(text));
        signs.retain(|sign| !self.usual.contains(&sign.reason) || self.is_certain(sign));
        signs
    }

    /// Signs that the sealed texts showed to be usual.
    pub fn usual(&self) -> &[Reason] {
        &self.usual
    }

    fn action(&self, sign: &Sign) -> Action {
        let action = self.rule.action(sign.reason);
        if self.is_certain(sign) && action == Action::Hold { Action::Reject } else { action }
    }

    /// A text that is nothing but one phrase over and over needs no reader.
    fn is_certain(&self, sign: &Sign) -> bool {
        sign.reason == Reason::RepeatedText && sign.score >= self.rule.repetition.reject_share
    }

    fn all(&self, shape: &Shape<'_>) -> Vec<Sign> {
        let mut found = Vec::new();
        if shape.visible == 0 {
            return found;
        }
        if !shape.is_ascii {
            characters::signs(shape, &mut found);
        }
        let hits: Vec<Hit> = self.phrases.find(shape.text).collect();
        style::notices(shape, &hits, &self.rule.style, &mut found);
        found.extend(injection(shape.text, &hits));
        let pieces = personal::find(shape, &hits);
        found.extend(pieces.iter().map(|piece| Sign { reason: piece.reason, span: piece.span, score: 1.0 }));
        style::style(shape, &self.rule.style, &mut found);
        found.extend(style::repetition(shape, &self.rule.repetition));
        if let Some(confidence) = self.languages.foreign(&self.rule.language, shape) {
            let span = (0, shape.text.len() as u32);
            found.push(Sign { reason: Reason::OtherLanguage, span, score: confidence });
        }
        found
    }
}

/// Words that speak to a model.
fn injection(text: &str, hits: &[Hit]) -> Option<Sign> {
    let span = hits.iter().find_map(|&hit| match hit.phrase {
        Phrase::Injection => Some(hit.span()),
        Phrase::Override => phrases::is_override(text, hit),
        _ => None,
    })?;
    Some(Sign { reason: Reason::InstructionsToModel, span, score: 1.0 })
}

impl Hit {
    pub(crate) fn span(&self) -> (u32, u32) {
        (self.start as u32, self.end as u32)
    }
}
