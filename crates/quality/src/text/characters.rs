//! Characters that a reader does not see, or takes for others. ASCII text has none of them.

use unicode_script::{Script, UnicodeScript};
use unicode_security::skeleton;

use super::Sign;
use super::shape::{Shape, Word, kind};
use crate::verdict::Reason;

/// Marks above or below one letter; no writing system known to us stacks more.
const STACKED_MAX: u32 = 6;

/// Everything that the characters of a text that is not ASCII show.
pub(crate) fn signs(shape: &Shape<'_>, found: &mut Vec<Sign>) {
    let mut walk = Walk::default();
    let mut chars = shape.text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|&(_, next)| next);
        walk.step(at as u32, c, next);
    }
    walk.finish(shape, found);
    if let Some(sign) = look_alikes(shape) {
        found.push(sign);
    }
}

#[derive(Default)]
struct Walk {
    last: Option<char>,
    /// The last character before those that print nothing, and how many of those there are.
    seen: Option<char>,
    hidden_run: u32,
    override_at: Option<(u32, u32)>,
    embedding_at: Option<(u32, u32)>,
    right_to_left: bool,
    hidden: Spot,
    soft_hyphens: Spot,
    unassigned: Spot,
    stack_run: u32,
    stacked: Spot,
    flag: bool,
}

/// Where something was first seen, and how often.
#[derive(Default)]
struct Spot {
    first: Option<(u32, u32)>,
    count: u32,
}

impl Spot {
    fn add(&mut self, at: u32, c: char) {
        self.first.get_or_insert((at, at + c.len_utf8() as u32));
        self.count += 1;
    }

    fn sign(&self, reason: Reason, visible: u32) -> Option<Sign> {
        let span = self.first?;
        Some(Sign { reason, span, score: (self.count as f32 / visible.max(1) as f32).min(1.0) })
    }
}

impl Walk {
    fn step(&mut self, at: u32, c: char, next: Option<char>) {
        if c.is_ascii() {
            self.pass(c);
            return;
        }
        let span = (at, at + c.len_utf8() as u32);
        match c {
            '\u{202D}' | '\u{202E}' => {
                self.override_at.get_or_insert(span);
            }
            '\u{202A}' | '\u{202B}' | '\u{2066}'..='\u{2068}' => {
                self.embedding_at.get_or_insert(span);
            }
            '\u{AD}' => self.soft_hyphens.add(at, c),
            _ if is_hidden(c) => self.hide(at, c, next),
            _ => self.show(at, c),
        }
        self.last = Some(c);
    }

    fn pass(&mut self, c: char) {
        (self.last, self.seen) = (Some(c), Some(c));
        (self.hidden_run, self.stack_run, self.flag) = (0, 0, false);
    }

    /// A character without a mark of its own: honest between emoji, in scripts that join letters by it, once at the
    /// start of a file, and nowhere else.
    fn hide(&mut self, at: u32, c: char, next: Option<char>) {
        self.hidden_run += 1;
        let of_file = c == '\u{FEFF}' && at == 0;
        let of_flag = is_tag(c) && self.flag;
        let splits_word = self.seen.is_some_and(joins_nothing) && next.is_some_and(joins_nothing);
        let many = self.hidden_run > 2 && !of_flag;
        if !of_file && !of_flag && (splits_word || is_tag(c) || many) {
            self.hidden.add(at, c);
        }
    }

    fn show(&mut self, at: u32, c: char) {
        (self.seen, self.hidden_run) = (Some(c), 0);
        self.flag = c == '\u{1F3F4}';
        if is_common_letter(c) {
            self.stack_run = 0;
            return;
        }
        let script = c.script();
        self.right_to_left |= matches!(
            script,
            Script::Hebrew | Script::Arabic | Script::Syriac | Script::Thaana | Script::Nko | Script::Adlam
        );
        if script == Script::Unknown {
            self.unassigned.add(at, c);
        }
        self.stack_run = if script == Script::Inherited { self.stack_run + 1 } else { 0 };
        if self.stack_run > STACKED_MAX {
            self.stacked.add(at, c);
        }
    }

    fn finish(self, shape: &Shape<'_>, found: &mut Vec<Sign>) {
        let whole = |span: (u32, u32)| Sign { reason: Reason::BidirectionalOverride, span, score: 1.0 };
        found.extend(self.override_at.map(whole));
        let out_of_place = self.embedding_at.filter(|_| !self.right_to_left);
        found.extend(out_of_place.map(|span| Sign { reason: Reason::InvisibleCharacters, span, score: 1.0 }));
        found.extend(self.hidden.sign(Reason::InvisibleCharacters, shape.visible));
        // Places where a word may be broken; more than one in four letters is no hyphenation.
        let hyphens = self.soft_hyphens.sign(Reason::InvisibleCharacters, shape.letters);
        found.extend(hyphens.filter(|sign| sign.score > 0.25));
        found.extend(self.unassigned.sign(Reason::UnassignedCharacters, shape.visible));
        found.extend(self.stacked.sign(Reason::InvisibleCharacters, shape.visible));
    }
}

/// Characters that print nothing by themselves; variation selectors after emoji come singly and are let pass by `many`.
fn is_hidden(c: char) -> bool {
    is_tag(c)
        || matches!(c, '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200D}'
            | '\u{2060}'..='\u{2064}' | '\u{206A}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{E0100}'..='\u{E01EF}')
}

/// Tags spell out flags after a black flag, and hidden text elsewhere.
fn is_tag(c: char) -> bool {
    matches!(c, '\u{E0000}'..='\u{E007F}')
}

/// Letters and digits of scripts in which nothing invisible belongs between two of them.
fn joins_nothing(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || (!c.is_ascii()
            && c.is_alphabetic()
            && matches!(c.script(), Script::Latin | Script::Greek | Script::Cyrillic | Script::Armenian))
}

/// Letters that need no look into the tables: Latin with marks, Han, Hangul.
fn is_common_letter(c: char) -> bool {
    matches!(c, '\u{C0}'..='\u{24F}' | '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}')
}

/// The first word of which some letters are of another script and look like the others (UTS 39, section 5.1).
fn look_alikes(shape: &Shape<'_>) -> Option<Sign> {
    let mut first = None;
    let mut words = 0u32;
    for word in shape.words.iter().filter(|word| word.has(kind::WIDE | kind::LETTER)) {
        if is_disguised(shape, word) {
            first.get_or_insert((word.start, word.end));
            words += 1;
        }
    }
    let span = first?;
    Some(Sign { reason: Reason::LookAlikeLetters, span, score: words as f32 / shape.words.len() as f32 })
}

fn is_disguised(shape: &Shape<'_>, word: &Word) -> bool {
    let text = &shape.text[word.start as usize..word.end as usize];
    text.split(|c: char| !c.is_alphabetic()).any(|letters| {
        let latin = letters.chars().filter(|&c| is_latin(c)).count();
        let others = letters.chars().count() - latin;
        match (latin, others) {
            (0, _) | (_, 0) => false,
            _ if latin >= others => has_foreign(letters),
            _ => letters
                .chars()
                .all(|c| if is_latin(c) { is_borrowed(c) } else { c.script() == Script::Cyrillic }),
        }
    })
}

fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic()
        || matches!(c, '\u{AA}' | '\u{BA}' | '\u{C0}'..='\u{24F}')
        || c.script() == Script::Latin
}

/// Latin letters that a Cyrillic one looks like.
fn is_borrowed(c: char) -> bool {
    "aceopxyijsABCEHKMOPTXSIJ".contains(c)
}

/// Whether a Latin word has letters that only look Latin. Formulas put Greek letters before and after Latin ones
/// (`TNFα`, `μm`, `NFκB`), so a Greek one counts only between small Latin letters, or as a capital before them.
fn has_foreign(letters: &str) -> bool {
    let mut before = None;
    let mut chars = letters.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        if !is_latin(c) && looks_latin(c) {
            let small = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase());
            let inside = small(before) && small(next);
            let capital = before.is_none() && c.is_uppercase() && small(next) && letters.chars().count() > 3;
            if c.script() != Script::Greek || inside || capital {
                return true;
            }
        }
        before = Some(c);
    }
    false
}

fn looks_latin(c: char) -> bool {
    let scripts = matches!(
        c.script(),
        Script::Cyrillic | Script::Greek | Script::Armenian | Script::Cherokee | Script::Coptic
    );
    let mut buffer = [0; 4];
    scripts
        && skeleton(c.encode_utf8(&mut buffer))
            .all(|prototype| is_latin(prototype) || !prototype.is_alphabetic())
}
