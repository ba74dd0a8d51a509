//! Words, and the hashes that stand for them.

/// A word of a text: where it lies, in bytes, and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) start: u32,
    pub(crate) len: u32,
    pub(crate) hash: u64,
}

/// What a byte of ASCII can do in a word.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// Begins and continues a word.
    Letter,
    /// The same, and joins marks to a number.
    Digit,
    /// Is a word by itself.
    Symbol,
    /// Begins a number after white space.
    Minus,
    /// Joins letters.
    Apostrophe,
    /// Joins digits.
    Mark,
    /// Ends a word, and is none.
    Other,
    /// Part of a character outside ASCII.
    Wide,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Other; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' => Kind::Letter,
            b'0'..=b'9' => Kind::Digit,
            b'$' | b'%' | b'&' | b'+' | b'<' | b'=' | b'>' => Kind::Symbol,
            b'-' => Kind::Minus,
            b'\'' => Kind::Apostrophe,
            b'.' | b',' | b':' | b'/' => Kind::Mark,
            0x80.. => Kind::Wide,
            _ => Kind::Other,
        };
        byte += 1;
    }
    kinds
};

/// The words of a text in normal form, with their places and hashes. Agrees with [`words`].
pub(crate) fn spans(normal: &str) -> Vec<Word> {
    let mut found = Vec::with_capacity(normal.len() / 5 + 1);
    each_word(normal, |word| found.push(word));
    found
}

/// The same, one after the other: 8 bytes at a time where the text is ASCII.
pub(crate) fn each_word(normal: &str, mut see: impl FnMut(Word)) {
    let bytes = normal.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = match KINDS[bytes[at] as usize] {
            Kind::Letter | Kind::Digit => {
                let chunk = chunk_at(bytes, at);
                let len = plain_bytes(chunk);
                if len < 8 && ends(chunk, len) {
                    // Nearly every word: what ends it is none.
                    see(Word { start: at as u32, len: len as u32, hash: hash_short(chunk, len) });
                    at += len + 1;
                    continue;
                }
                ascii_end(normal, at, at + len)
            }
            Kind::Symbol => Some(at + 1),
            Kind::Apostrophe | Kind::Mark | Kind::Other => {
                at += 1;
                continue;
            }
            Kind::Minus | Kind::Wide => wide_end(normal, at),
        };
        match end {
            Some(end) => {
                see(Word { start: at as u32, len: (end - at) as u32, hash: hash_at(bytes, at, end) });
                at = end;
            }
            None => at += normal[at..].chars().next().map_or(1, char::len_utf8),
        }
    }
}

/// The 8 bytes from `at` on, the first one lowest; zeros behind the end.
#[inline]
fn chunk_at(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(&chunk) => u64::from_le_bytes(chunk),
        None => bytes[at..].iter().rev().fold(0, |chunk, &byte| chunk << 8 | u64::from(byte)),
    }
}

/// How many of 8 bytes, from the lowest on, are letters and digits of ASCII.
#[inline]
fn plain_bytes(chunk: u64) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * EACH;
    // The high bit of every byte that is within: no sum carries into the next byte.
    let within = |bytes: u64, from: u8, to: u8| {
        (bytes + u64::from(0x80 - from) * EACH) & !(bytes + u64::from(0x7F - to) * EACH)
    };
    let low = chunk & !HIGH;
    let plain = (within(low | (0x20 * EACH), b'a', b'z') | within(low, b'0', b'9')) & !chunk;
    ((!plain & HIGH).trailing_zeros() / 8) as usize
}

/// Whether letters and digits, the lowest `len` bytes of a chunk, are a word for the byte behind them, whatever comes then.
#[inline]
fn ends(chunk: u64, len: usize) -> bool {
    let last = (chunk >> (8 * len - 8)) as u8;
    match KINDS[usize::from((chunk >> (8 * len)) as u8)] {
        Kind::Other | Kind::Minus => true,
        Kind::Mark => last > b'9',
        _ => false,
    }
}

/// Where the word ends that begins at `at` with a letter or digit of ASCII, all of them up to `end`.
fn ascii_end(normal: &str, at: usize, mut end: usize) -> Option<usize> {
    let bytes = normal.as_bytes();
    let kind = |at: usize| bytes.get(at).map_or(Kind::Other, |&byte| KINDS[byte as usize]);
    loop {
        while end < bytes.len() {
            let more = plain_bytes(chunk_at(bytes, end));
            end += more;
            if more < 8 {
                break;
            }
        }
        let (last, next) = (kind(end - 1), kind(end + 1));
        let joins = match kind(end) {
            Kind::Wide => return wide_end(normal, at),
            Kind::Apostrophe if next == Kind::Wide => return wide_end(normal, at),
            Kind::Apostrophe => last != Kind::Digit && matches!(next, Kind::Letter | Kind::Digit),
            Kind::Mark => last == Kind::Digit && next == Kind::Digit,
            _ => false,
        };
        if !joins {
            return Some(end);
        }
        end += 2;
    }
}

/// Where the word ends that begins here, if one does, by characters.
fn wide_end(normal: &str, at: usize) -> Option<usize> {
    let first = normal[at..].chars().next()?;
    let before = normal[..at].chars().next_back().unwrap_or(' ');
    Some(word_end(&normal[at..], first, before)).filter(|&len| len > 0).map(|len| at + len)
}

/// The words of a text in normal form. A word is a run of letters and digits with inner apostrophes; a number keeps its sign
/// and its inner marks (`-5`, `1.5`, `10:30`), for digits are content; a symbol (`=`, `€`, an emoji) is a word of its
/// own, and so is every character of a script written without spaces. Punctuation is none.
pub(crate) fn words(normal: &str) -> impl Iterator<Item = &str> {
    let mut rest = normal;
    let mut before = ' ';
    std::iter::from_fn(move || {
        loop {
            let first = rest.chars().next()?;
            let end = word_end(rest, first, before);
            let (word, tail) = rest.split_at(end.max(first.len_utf8()));
            (rest, before) = (tail, first);
            if end > 0 {
                return Some(word);
            }
        }
    })
}

/// Where the word ends that begins `rest` with the character `first`; 0 where none begins.
fn word_end(rest: &str, first: char, before: char) -> usize {
    let signed =
        first == '-' && before.is_whitespace() && rest[1..].starts_with(|c: char| c.is_ascii_digit());
    if is_unspaced(first) || (!first.is_alphanumeric() && !signed) {
        return if is_unspaced(first) || is_symbol(first) { first.len_utf8() } else { 0 };
    }
    let mut end = first.len_utf8();
    let mut last = first;
    let mut chars = rest[end..].chars().peekable();
    while let Some(c) = chars.next() {
        let joins = |next: &char| {
            if last.is_ascii_digit() {
                matches!(c, '.' | ',' | ':' | '/') && next.is_ascii_digit()
            } else {
                is_apostrophe(c) && next.is_alphanumeric()
            }
        };
        let inside = (c.is_alphanumeric() && !is_unspaced(c)) || chars.peek().is_some_and(joins);
        if !inside {
            break;
        }
        end += c.len_utf8();
        last = c;
    }
    end
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}')
}

/// Marks that carry content by themselves. Of ASCII only arithmetic and money; outside it, all but punctuation.
pub(crate) fn is_symbol(c: char) -> bool {
    if c.is_ascii() {
        return matches!(c, '$' | '%' | '&' | '+' | '<' | '=' | '>');
    }
    let punctuation = matches!(c, '\u{2010}'..='\u{205E}' | '\u{3000}'..='\u{303F}' | '\u{FF01}'..='\u{FF0F}' | '¿' | '¡' | '«' | '»' | '·' | '´' | '¨');
    !punctuation && !c.is_alphanumeric() && !c.is_whitespace()
}

/// Thai, Lao, Myanmar, Khmer, kana and Han: scripts whose words have no space between them.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{0E00}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3040}'..='\u{30FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

/// The hash of `bytes[start..end]`, 64 bits that are fixed for ever: stored sketches depend on them. Not for defence against
/// collisions by design: whoever makes a word collide makes a text look *more* like a copy, and it is their own text. Reads whole
/// words of 8 bytes where there are as many behind.
#[inline]
fn hash_at(bytes: &[u8], start: usize, end: usize) -> u64 {
    let mut hash = SEED ^ (end - start) as u64;
    let mut at = start;
    while at < end {
        let left = (end - at).min(8);
        hash = mix(hash ^ chunk_at(bytes, at) & (u64::MAX >> (64 - 8 * left)));
        at += left;
    }
    hash
}

/// The same of the lowest `len` bytes of a chunk, 7 at most.
#[inline]
fn hash_short(chunk: u64, len: usize) -> u64 {
    mix(SEED ^ len as u64 ^ chunk & !(u64::MAX << (8 * len)))
}

/// A 64-bit mixer, fixed for ever: xorshift and multiply, twice.
pub(crate) fn mix(mut x: u64) -> u64 {
    x ^= x >> 32;
    x = x.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x ^= x >> 32;
    x = x.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x ^ (x >> 32)
}

impl Word {
    /// The word itself, out of its text.
    pub(crate) fn of<'a>(&self, text: &'a str) -> &'a str {
        &text[self.start as usize..][..self.len as usize]
    }

    /// The word where texts are aligned.
    pub(crate) fn token(&self, text: &str) -> Token {
        let first = match text.as_bytes()[self.start as usize] {
            letter @ b'a'..=b'z' => u32::from(letter - b'a'),
            b'0'..=b'9' | b'-' => Token::NUMBER,
            other => Token::NUMBER + 1 + u32::from(other & 3),
        };
        Token((self.hash >> 32) as u32 & !255 | first << 3 | (self.len.min(8) - 1))
    }
}

/// A word where texts are aligned: 24 bits of its hash, 5 of its first letter and 3 of its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) u32);

impl Token {
    /// The first letter of numbers.
    const NUMBER: u32 = 26;

    /// Whether the word begins with a digit or the sign of a number.
    pub(crate) fn is_number(self) -> bool {
        self.0 >> 3 & 31 == Self::NUMBER
    }

    /// Its first letter, as a set of one.
    pub(crate) fn first(self) -> u32 {
        1 << (self.0 >> 3 & 31)
    }

    /// Its letters, in bytes, up to 8: what it weighs. Longer words say more.
    pub(crate) fn weight(self) -> u32 {
        (self.0 & 7) + 1
    }

    /// Eight bits of its hash: equal words have equal marks.
    pub(crate) fn mark(self) -> u8 {
        (self.0 >> 24) as u8
    }

    /// Whether two words may be one slip apart, as far as this can be seen without their letters.
    pub(crate) fn may_slip(self, other: Token) -> bool {
        let lengths = self.weight().abs_diff(other.weight());
        (self.0 ^ other.0) & 0xF8 == 0 && lengths <= 4 && self.weight().max(other.weight()) >= 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> Vec<&str> {
        words(text).collect()
    }

    #[test]
    fn words_of_many_scripts() {
        assert_eq!(
            list("it's 'quoted', isn't it? 1.5 don’t"),
            ["it's", "quoted", "isn't", "it", "1.5", "don’t"]
        );
        assert_eq!(list("日本 abc語x"), ["日", "本", "abc", "語", "x"]);
        assert_eq!(
            list("from -5 to 10:30, a-b x<3 €2, 7. 1,000/2"),
            ["from", "-5", "to", "10:30", "a", "b", "x", "<", "3", "€", "2", "7", "1,000/2"]
        );
        assert_eq!(list("é ✓ 😀"), ["é", "✓", "😀"]);
        assert_eq!(list("... '' — "), Vec::<&str>::new());
        assert_eq!(list(""), Vec::<&str>::new());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn spans_are_the_words(
            marked in "[ab1'.,:/’é<-]{0,12}",
            ascii in "[ -~]{0,60}",
            any in "\\PC{0,30}",
        ) {
            for text in [marked, ascii, any] {
                let found: Vec<(&str, u64)> = spans(&text).iter().map(|word| (word.of(&text), word.hash)).collect();
                let wanted: Vec<(&str, u64)> = words(&text).map(|word| (word, hash_at(word.as_bytes(), 0, word.len()))).collect();
                prop_assert_eq!(found, wanted);
            }
        }

        /// The same with chunks put together by hand.
        #[test]
        fn hashes_read_whole_words(before in "[a-z]{0,9}", word in "[a-z]{0,30}", after in "[a-z]{0,9}") {
            let text = [before.as_str(), &word, &after].concat();
            let mut wanted = 0x9E37_79B9_7F4A_7C15 ^ word.len() as u64;
            for chunk in word.as_bytes().chunks(8) {
                let mut padded = [0; 8];
                padded[..chunk.len()].copy_from_slice(chunk);
                wanted = mix(wanted ^ u64::from_le_bytes(padded));
            }
            prop_assert_eq!(hash_at(text.as_bytes(), before.len(), before.len() + word.len()), wanted);
        }
    }
}
