//! The one pass over a text: its words, its lines, and how many characters of each kind it has.

/// Kinds of characters in a word, as bits.
pub(crate) mod kind {
    pub(crate) const LETTER: u8 = 1;
    pub(crate) const UPPER: u8 = 2;
    pub(crate) const LOWER: u8 = 4;
    pub(crate) const DIGIT: u8 = 8;
    pub(crate) const AT: u8 = 16;
    pub(crate) const DOT: u8 = 32;
    pub(crate) const COLON: u8 = 64;
    pub(crate) const WIDE: u8 = 128;
}

/// A run without white space; a letter of a script that writes without spaces stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Of its bytes, ASCII letters in either case.
    pub(crate) hash: u64,
    /// Which [`kind`]s of characters it has.
    pub(crate) kinds: u8,
}

/// A line that is not blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// First word and the one past the last.
    pub(crate) words: (u32, u32),
    /// Of its words, so white space does not count.
    pub(crate) hash: u64,
    /// Whether a blank line, or nothing, stands before it.
    pub(crate) opens_paragraph: bool,
}

/// What the pass found.
pub(crate) struct Shape<'t> {
    pub(crate) text: &'t str,
    pub(crate) words: Vec<Word>,
    pub(crate) lines: Vec<Line>,
    /// Characters that are no white space.
    pub(crate) visible: u32,
    pub(crate) letters: u32,
    pub(crate) digits: u32,
    /// Number signs and ellipses.
    pub(crate) symbols: u32,
    /// The longest run of one visible character: its start in bytes, its length in characters.
    pub(crate) run: (u32, u32),
    pub(crate) is_ascii: bool,
}

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// Folds a number into a hash.
pub(crate) fn mix(hash: u64, value: u64) -> u64 {
    let product = u128::from(hash ^ value ^ SEED) * u128::from(SEED);
    (product as u64) ^ ((product >> 64) as u64)
}

/// Of a word, ASCII letters in either case.
fn hash(word: &[u8]) -> u64 {
    const SMALL: u64 = 0x2020_2020_2020_2020;
    let (eights, rest) = word.as_chunks::<8>();
    let hash =
        eights.iter().fold(word.len() as u64, |hash, eight| mix(hash, u64::from_le_bytes(*eight) | SMALL));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(hash, u64::from_le_bytes(last) | SMALL)
}

/// What the pass knows of a character before it asks Unicode; two tables would say no more.
fn ascii_kind(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => kind::LETTER | kind::LOWER,
        b'A'..=b'Z' => kind::LETTER | kind::UPPER,
        b'0'..=b'9' => kind::DIGIT,
        b'@' => kind::AT,
        b'.' => kind::DOT,
        b':' => kind::COLON,
        _ => 0,
    }
}

/// Letters of scripts that put no space between words: Han, Kana, Thai, Lao, Burmese, Khmer.
fn stands_alone(c: char) -> bool {
    matches!(c, '\u{0E01}'..='\u{0EDF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17D3}'
        | '\u{3041}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{323AF}')
}

impl<'t> Shape<'t> {
    pub(crate) fn of(text: &'t str) -> Self {
        let mut pass = Pass::new(text);
        for (at, c) in text.char_indices() {
            pass.step(at as u32, c);
        }
        pass.finish()
    }

    pub(crate) fn word(&self, index: usize) -> &'t str {
        let Word { start, end, .. } = self.words[index];
        &self.text[start as usize..end as usize]
    }

    /// Bytes of so many words from the first on, without the white space between them.
    pub(crate) fn bytes(&self, words: std::ops::Range<usize>) -> u32 {
        self.words[words].iter().map(Word::len).sum()
    }

    /// Where a run of words stands in the text.
    pub(crate) fn span(&self, words: std::ops::Range<usize>) -> (u32, u32) {
        (self.words[words.start].start, self.words[words.end - 1].end)
    }
}

impl Word {
    pub(crate) fn len(&self) -> u32 {
        self.end - self.start
    }

    pub(crate) fn has(&self, kinds: u8) -> bool {
        self.kinds & kinds == kinds
    }
}

struct Pass<'t> {
    shape: Shape<'t>,
    word: Option<Word>,
    line_start: u32,
    line_hash: u64,
    blank: bool,
    last: char,
    run_start: u32,
    run_length: u32,
}

impl<'t> Pass<'t> {
    fn new(text: &'t str) -> Self {
        let shape = Shape {
            text,
            words: Vec::with_capacity(text.len() / 6 + 1),
            lines: Vec::new(),
            visible: 0,
            letters: 0,
            digits: 0,
            symbols: 0,
            run: (0, 0),
            is_ascii: text.is_ascii(),
        };
        Pass {
            shape,
            word: None,
            line_start: 0,
            line_hash: 0,
            blank: true,
            last: ' ',
            run_start: 0,
            run_length: 0,
        }
    }

    fn step(&mut self, at: u32, c: char) {
        if c.is_whitespace() {
            self.end_word(at);
            if matches!(c, '\n' | '\u{2028}' | '\u{2029}') {
                self.end_line();
            }
            self.last = ' ';
            return;
        }
        let kinds = if c.is_ascii() { ascii_kind(c as u8) } else { kind::WIDE | wide_kind(c) };
        self.shape.visible += 1;
        self.shape.letters += u32::from(kinds & kind::LETTER != 0);
        self.shape.digits += u32::from(kinds & kind::DIGIT != 0);
        self.count_run(at, c);
        self.shape.symbols += u32::from(matches!(c, '#' | '…') || (c == '.' && self.run_length == 3));
        let alone = kinds & kind::WIDE != 0 && stands_alone(c);
        if alone {
            self.end_word(at);
        }
        let word = self.word.get_or_insert(Word { start: at, end: at, hash: 0, kinds: 0 });
        word.kinds |= kinds;
        if alone {
            self.end_word(at + c.len_utf8() as u32);
        }
    }

    fn count_run(&mut self, at: u32, c: char) {
        if c != self.last {
            (self.last, self.run_start, self.run_length) = (c, at, 0);
        }
        self.run_length += 1;
        if self.run_length > self.shape.run.1 {
            self.shape.run = (self.run_start, self.run_length);
        }
    }

    fn end_word(&mut self, at: u32) {
        if let Some(word) = self.word.take() {
            let hash = hash(&self.shape.text.as_bytes()[word.start as usize..at as usize]);
            self.line_hash = mix(self.line_hash, hash);
            self.shape.words.push(Word { end: at, hash, ..word });
        }
    }

    fn end_line(&mut self) {
        let end = self.shape.words.len() as u32;
        if end == self.line_start {
            self.blank = true;
            return;
        }
        let words = (self.line_start, end);
        self.shape.lines.push(Line { words, hash: self.line_hash, opens_paragraph: self.blank });
        (self.line_start, self.line_hash, self.blank) = (end, 0, false);
    }

    fn finish(mut self) -> Shape<'t> {
        self.end_word(self.shape.text.len() as u32);
        self.end_line();
        self.shape
    }
}

fn wide_kind(c: char) -> u8 {
    if c.is_alphabetic() {
        kind::LETTER
    } else if c.is_numeric() {
        kind::DIGIT
    } else {
        0
    }
}
