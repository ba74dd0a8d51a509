//! Numbers of people: telephones, payment cards, identity numbers. Each is told by its grouping, and by its checksum
//! where it has one; bare digits count only beside a word that says what they are.

use super::personal::PersonalSpan;
use crate::verdict::Reason;

/// Digits of the shortest number that is looked for.
pub(crate) const DIGITS_MIN: u32 = 7;

/// Groups and digits of the longest number.
const GROUPS_MAX: usize = 8;
const DIGITS_MAX: usize = 19;

/// What stands between two groups of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    Space,
    Dash,
    Dot,
    /// A bracket, alone or with a space or dash.
    Bracket,
    Slash,
    /// Anything else: another number begins.
    Break,
}

/// A run of digits and the gap before it.
#[derive(Clone, Copy, Debug)]
struct Group {
    start: usize,
    end: usize,
    gap: Gap,
}

impl Group {
    fn len(&self) -> usize {
        self.end - self.start
    }
}

/// Looks at every run of digits once as the start of a number.
pub(crate) fn find(text: &str, found: &mut Vec<PersonalSpan>) {
    let groups = groups(text.as_bytes());
    let mut at = 0;
    while at < groups.len() {
        let chain =
            1 + groups[at + 1..].iter().take(GROUPS_MAX - 1).take_while(|g| g.gap != Gap::Break).count();
        let number = Number {
            text,
            groups: &groups[at..at + chain],
            continues: at > 0 && groups[at].gap != Gap::Break,
        };
        match number.judge() {
            Some((taken, reason)) => {
                found.push(PersonalSpan { span: number.span(taken), reason });
                at += taken;
            }
            None => at += 1,
        }
    }
}

fn groups(bytes: &[u8]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut at = 0;
    while let Some(skip) = bytes[at..].iter().position(u8::is_ascii_digit) {
        let start = at + skip;
        let length = bytes[start..].iter().position(|b| !b.is_ascii_digit()).unwrap_or(bytes.len() - start);
        let gap = groups.last().map_or(Gap::Break, |last| gap(&bytes[last.end..start]));
        groups.push(Group { start, end: start + length, gap });
        at = start + length;
    }
    groups
}

fn gap(between: &[u8]) -> Gap {
    match between {
        b" " => Gap::Space,
        b"-" | b" - " => Gap::Dash,
        b"." => Gap::Dot,
        b"/" => Gap::Slash,
        b") " | b")" | b" (" | b"(" | b")-" | b" (0) " => Gap::Bracket,
        // A no-break space or hyphen, as typeset.
        [0xC2, 0xA0] => Gap::Space,
        [0xE2, 0x80, 0x90..=0x93] => Gap::Dash,
        _ => Gap::Break,
    }
}

/// Groups that may be one number, from its first on.
struct Number<'t> {
    text: &'t str,
    groups: &'t [Group],
    /// Whether more digits of the same chain stand before.
    continues: bool,
}

impl Number<'_> {
    /// How many groups are a number, and of what.
    fn judge(&self) -> Option<(usize, Reason)> {
        let first = self.groups.first()?;
        if first.len() > DIGITS_MAX || self.is_glued_before(first.start) {
            return None;
        }
        let kinds = [
            (self.card(), Reason::PaymentCard),
            (self.national(), Reason::NationalId),
            (self.telephone(), Reason::TelephoneNumber),
        ];
        kinds.into_iter().find_map(|(taken, reason)| Some((taken?, reason)))
    }

    /// From the first group to the last, with the plus sign or bracket before it.
    fn span(&self, taken: usize) -> (u32, u32) {
        let before = &self.text.as_bytes()[..self.groups[0].start];
        let opening = before.iter().rev().take(2).take_while(|b| matches!(b, b'+' | b'(')).count();
        ((self.groups[0].start - opening) as u32, self.groups[taken - 1].end as u32)
    }

    /// Part of a longer name or number: `A4111`, `3.14`, `x-1234`.
    fn is_glued_before(&self, start: usize) -> bool {
        let mut before = self.text[..start].chars().rev();
        let glues = |c: char| c.is_alphanumeric() || matches!(c, '_' | '#' | '$' | '£' | '€' | '%' | '^');
        match before.next() {
            Some('.' | ',' | '-' | '/') => before.next().is_some_and(|c| c.is_alphanumeric()),
            Some(c) => glues(c),
            None => false,
        }
    }

    fn is_glued_after(&self, end: usize) -> bool {
        let mut after = self.text[end..].chars();
        match after.next() {
            Some('-' | '.' | ',' | '/') => after.next().is_some_and(|c| c.is_alphanumeric()),
            Some(c) => c.is_alphanumeric() || matches!(c, '_' | '%'),
            None => false,
        }
    }

    /// Lengths of the first groups, when there are that many and nothing is glued to the last.
    fn shaped(&self, lengths: &[usize], gaps: &[Gap]) -> bool {
        let n = lengths.len();
        self.groups.len() >= n
            && !self.is_glued_after(self.groups[n - 1].end)
            && self.groups.iter().zip(lengths).all(|(group, &length)| group.len() == length)
            && self.groups[1..n].iter().all(|group| gaps.contains(&group.gap))
            && self.groups[1..n]
                .windows(2)
                .all(|pair| pair[0].gap == pair[1].gap || pair[0].gap == Gap::Bracket)
    }

    /// Digits of the first groups.
    fn digits(&self, taken: usize) -> Vec<u8> {
        let bytes = self.text.as_bytes();
        let groups = self.groups[..taken].iter();
        groups.flat_map(|group| &bytes[group.start..group.end]).map(|b| b - b'0').collect()
    }

    fn card(&self) -> Option<usize> {
        const SHAPES: [&[usize]; 9] =
            [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3], &[16], &[15], &[14], &[13], &[19]];
        let shape = SHAPES.iter().find(|shape| self.shaped(shape, &[Gap::Space, Gap::Dash]))?;
        let digits = self.digits(shape.len());
        (is_brand(&digits) && is_luhn(&digits)).then_some(shape.len())
    }

    fn national(&self) -> Option<usize> {
        let (dash, dot, space) = (&[Gap::Dash][..], &[Gap::Dot, Gap::Dash][..], &[Gap::Space, Gap::Dash][..]);
        if self.continues {
            return None;
        }
        let (chain, one) = (self.groups.len(), self.groups[0].len());
        let fits = |lengths: &[usize], gaps: &[Gap]| chain == lengths.len() && self.shaped(lengths, gaps);
        let digits = || self.digits(chain);
        let found = (fits(&[3, 2, 4], dash) && is_social_security(&digits()))
            || (fits(&[3, 3, 3], dash) && is_social_insurance(&digits()))
            || (fits(&[3, 3, 3], space) && self.cue(&["sin", "nas", "insurance"]) && is_luhn(&digits()))
            || (self.is_cpf_shaped() && is_cpf(&digits()))
            || (fits(&[4, 4, 4], space) && is_aadhaar(&digits()))
            || ((fits(&[6, 4], dash) || fits(&[8, 4], dash)) && is_personnummer(&digits()))
            || ((fits(&[15], dot) || fits(&[1, 2, 2, 2, 3, 3, 2], space)) && is_nir(&digits()));
        if found {
            return Some(chain);
        }
        let cued = one == 9 && chain == 1 && !self.is_glued_after(self.groups[0].end);
        (cued && self.cue(&["ssn", "social", "security"]) && is_social_security(&self.digits(1))).then_some(1)
    }

    /// `123.456.789-09`: three dots' groups and a dash's, or eleven digits beside the word.
    fn is_cpf_shaped(&self) -> bool {
        let grouped = self.groups.len() == 4
            && self.groups.iter().map(Group::len).eq([3, 3, 3, 2])
            && self.groups[1..].iter().map(|group| group.gap).eq([Gap::Dot, Gap::Dot, Gap::Dash]);
        let bare = self.groups.len() == 1 && self.groups[0].len() == 11 && self.cue(&["cpf"]);
        (grouped || bare) && !self.is_glued_after(self.groups[self.groups.len() - 1].end)
    }

    fn telephone(&self) -> Option<usize> {
        if self.continues {
            return None;
        }
        self.international()
            .or_else(|| self.north_american())
            .or_else(|| self.national_trunk())
            .or_else(|| self.cued())
    }

    /// E.164: a plus sign and 9 to 15 digits, of which the first is no zero.
    fn international(&self) -> Option<usize> {
        let before = self.text[..self.groups[0].start].trim_end_matches('(');
        let plus = before.strip_suffix('+')?;
        let digits_start = self.text.as_bytes()[self.groups[0].start];
        if digits_start == b'0' || plus.ends_with(|c: char| c.is_alphanumeric() || c == ')') {
            return None;
        }
        let code = self.groups[0].len();
        let taken = self.longest(15)?;
        let total: usize = self.groups[..taken].iter().map(Group::len).sum();
        // After the code of the country, groups have two digits at least.
        let grouped = taken == 1
            || (code <= 4 && self.groups[1..taken].iter().all(|group| group.len() >= 2))
            || self.groups[1].len() == 1;
        (total >= 9 && grouped).then_some(taken)
    }

    /// The most groups that hold at most so many digits and end freely.
    fn longest(&self, digits_max: usize) -> Option<usize> {
        let mut total = 0;
        let within = self.groups.iter().take_while(|group| {
            total += group.len();
            total <= digits_max
        });
        let taken = within.count();
        (taken > 0 && !self.is_glued_after(self.groups[taken - 1].end)).then_some(taken)
    }

    /// `(212) 555-0100` and its like: area and exchange begin with 2 to 9. Lines that anybody may call free of charge,
    /// and those kept for fiction, are nobody's.
    fn north_american(&self) -> Option<usize> {
        const GAPS: [Gap; 4] = [Gap::Space, Gap::Dash, Gap::Dot, Gap::Bracket];
        const FREE: [&str; 8] = ["800", "822", "833", "844", "855", "866", "877", "888"];
        let ending = |lengths: &[usize]| {
            let n = lengths.len();
            self.groups.len() >= n
                && self.groups.iter().zip(lengths).all(|(group, &length)| group.len() == length)
                && self.groups[1..n].iter().all(|group| GAPS.contains(&group.gap))
                && !self.is_glued_after(self.groups[n - 1].end)
        };
        let long = ending(&[1, 3, 3, 4]) && self.text(0) == "1";
        let skip = usize::from(long);
        if !long && !ending(&[3, 3, 4]) {
            return None;
        }
        let (area, exchange, line) = (self.text(skip), self.text(skip + 1), self.text(skip + 2));
        let valid = |part: &str| part.as_bytes()[0] >= b'2';
        let fiction = exchange == "555" && line.starts_with("01");
        let free = FREE.contains(&area) || area == "900";
        (valid(area) && valid(exchange) && !fiction && !free).then_some(skip + 3)
    }

    /// A zero before the area, in the groupings of Britain, Germany, France and Australia.
    fn national_trunk(&self) -> Option<usize> {
        const SHAPES: [&[usize]; 9] =
            [&[3, 4, 4], &[4, 3, 4], &[5, 6], &[5, 3, 3], &[4, 3, 3], &[2, 4, 4], &[4, 7], &[3, 8], &[4, 6]];
        if !self.text(0).starts_with('0') {
            return None;
        }
        let french = self.shaped(&[2, 2, 2, 2, 2], &[Gap::Space, Gap::Dot, Gap::Dash]);
        if french && self.groups.len() == 5 && !self.text(0).starts_with("00") {
            return Some(5);
        }
        let gaps = [Gap::Space, Gap::Dash, Gap::Slash, Gap::Bracket];
        let shape =
            SHAPES.iter().find(|shape| shape.len() == self.groups.len() && self.shaped(shape, &gaps))?;
        (!self.text(0).starts_with("00")).then_some(shape.len())
    }

    /// Seven to eleven digits, at most in two groups, beside a word of telephony.
    fn cued(&self) -> Option<usize> {
        const WORDS: [&str; 12] = [
            "tel",
            "telephone",
            "phone",
            "call",
            "mobile",
            "cell",
            "fax",
            "whatsapp",
            "dial",
            "sms",
            "ring",
            "ph",
        ];
        let bare = self.groups.len() == 1 && (7..=12).contains(&self.groups[0].len());
        let split = self.groups.len() == 2 && self.shaped(&[3, 4], &[Gap::Dash, Gap::Dot, Gap::Space]);
        let free = self.text(0).starts_with("0800") || self.text(0).starts_with("1800");
        let taken = self.groups.len();
        let ends = !self.is_glued_after(self.groups[taken - 1].end);
        ((bare || split) && ends && !free && self.cue(&WORDS)).then_some(taken)
    }

    fn text(&self, group: usize) -> &str {
        let Group { start, end, .. } = self.groups[group];
        &self.text[start..end]
    }

    /// Whether one of the words stands within the three before the number.
    fn cue(&self, words: &[&str]) -> bool {
        const BEFORE: usize = 28;
        let end = self.groups[0].start;
        let from =
            (end.saturating_sub(BEFORE)..=end).find(|&at| self.text.is_char_boundary(at)).unwrap_or(end);
        let before =
            self.text[from..end].rsplit(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        before.take(3).any(|word| words.iter().any(|cue| word.eq_ignore_ascii_case(cue)))
    }
}

/// First digits of the large networks (ISO/IEC 7812): Visa, Mastercard, American Express, Discover, JCB, Diners, UnionPay.
fn is_brand(digits: &[u8]) -> bool {
    let prefix = |n: usize| digits[..n].iter().fold(0u32, |all, &d| all * 10 + u32::from(d));
    let (two, three, four) = (prefix(2), prefix(3), prefix(4));
    match digits.len() {
        13 => digits[0] == 4,
        14 => (300..=305).contains(&three) || matches!(two, 36 | 38),
        15 => matches!(two, 34 | 37),
        16 => {
            digits[0] == 4
                || (51..=55).contains(&two)
                || (2221..=2720).contains(&four)
                || matches!(two, 62 | 65)
                || four == 6011
                || (644..=649).contains(&three)
                || (3528..=3589).contains(&four)
        }
        19 => digits[0] == 4 || two == 62,
        _ => false,
    }
}

/// ISO/IEC 7812-1, annex B; a number of one digit only is none.
pub(crate) fn is_luhn(digits: &[u8]) -> bool {
    let doubled = |d: u8| u32::from(if d > 4 { 2 * d - 9 } else { 2 * d });
    let sum = |(at, &d): (usize, &u8)| if at % 2 == 1 { doubled(d) } else { u32::from(d) };
    let varied = digits.iter().any(|d| *d != digits[0]);
    varied && digits.iter().rev().enumerate().map(sum).sum::<u32>() % 10 == 0
}

/// United States: parts that were never given out (SSA, 2011), and numbers that became famous, are nobody's.
fn is_social_security(digits: &[u8]) -> bool {
    let number = |part: &[u8]| part.iter().fold(0u32, |all, &d| all * 10 + u32::from(d));
    let (area, group, serial) = (number(&digits[..3]), number(&digits[3..5]), number(&digits[5..]));
    let famous = [(78, 5, 1120), (219, 9, 9999), (123, 45, 6789)];
    area != 0
        && area != 666
        && area < 900
        && group != 0
        && serial != 0
        && !famous.contains(&(area, group, serial))
}

/// Canada: a Luhn number that does not begin with 0 or 8.
fn is_social_insurance(digits: &[u8]) -> bool {
    !matches!(digits[0], 0 | 8) && is_luhn(digits)
}

/// Brazil: two check digits modulo 11.
fn is_cpf(digits: &[u8]) -> bool {
    let check = |n: usize| {
        let sum: u32 = digits[..n].iter().zip((2..=n as u32 + 1).rev()).map(|(&d, w)| u32::from(d) * w).sum();
        let rest = sum * 10 % 11;
        if rest == 10 { 0 } else { rest as u8 }
    };
    digits.iter().any(|d| *d != digits[0]) && check(9) == digits[9] && check(10) == digits[10]
}

/// India: Verhoeff's checksum, over the dihedral group of order ten. Three years in a row are no identity.
fn is_aadhaar(digits: &[u8]) -> bool {
    const PERMUTATION: [[u8; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    let product = |a: u8, b: u8| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + b) % 5 + 5,
        (false, true) => (a + 10 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let years = digits.chunks(4).all(|year| matches!(year[..2], [1, 9] | [2, 0]));
    let check = digits
        .iter()
        .rev()
        .enumerate()
        .fold(0, |c, (at, &d)| product(c, PERMUTATION[at % 8][usize::from(d)]));
    digits[0] >= 2 && !years && check == 0
}

/// Sweden: a date of birth and a Luhn number over the last ten digits.
fn is_personnummer(digits: &[u8]) -> bool {
    let ten = &digits[digits.len() - 10..];
    let (month, day) = (ten[2] * 10 + ten[3], ten[4] * 10 + ten[5]);
    let century = digits.len() == 10 || matches!(digits[..2], [1, 8..=9] | [2, 0]);
    // Sixty is added to the day where the holder has no residence.
    century && (1..=12).contains(&month) && matches!(day, 1..=31 | 61..=91) && is_luhn(ten)
}

/// France: sex, year, month, place, order, and 97 less the rest modulo 97.
fn is_nir(digits: &[u8]) -> bool {
    let number = |part: &[u8]| part.iter().fold(0u64, |all, &d| all * 10 + u64::from(d));
    let (body, key) = (number(&digits[..13]), number(&digits[13..]));
    let month = number(&digits[3..5]);
    matches!(digits[0], 1 | 2) && matches!(month, 1..=12 | 20..=42 | 50..=99) && key == 97 - body % 97
}
