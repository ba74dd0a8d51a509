//! Codes of letters and digits that carry a checksum: bank accounts and identity numbers.

use super::personal::PersonalSpan;
use super::shape::Shape;
use crate::verdict::Reason;

/// Characters of an account number at most (ISO 13616).
const IBAN_MAX: usize = 34;

/// Looks at the word with that index and, for accounts in groups of four, at those after it.
pub(crate) fn find(shape: &Shape<'_>, index: usize, found: &mut Vec<PersonalSpan>) {
    let start = shape.words[index].start;
    let word = shape.word(index);
    let opening = word.len() - word.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).len();
    // What follows a label (`IBAN:GB82...`) counts too.
    let opening = word.rfind([':', '=']).map_or(opening, |at| (at + 1).max(opening));
    let code = word[opening..].trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let first = start + opening as u32;
    let mut add = |end: u32, reason| found.push(PersonalSpan { span: (first, end), reason });
    if let Some(end) = iban(&shape.text[first as usize..]) {
        return add(first + end as u32, Reason::BankAccount);
    }
    let bytes = code.as_bytes();
    if is_codice_fiscale(bytes) || is_dni(bytes) || is_nino(bytes) {
        add(first + code.len() as u32, Reason::NationalId);
    }
}

/// Length of every country's account number (IBAN registry, release 99).
const COUNTRIES: &str = "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18\
FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19\
MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30";

/// Bytes of an account number at the start of `text`, whole or in groups of four.
fn iban(text: &str) -> Option<usize> {
    let head = text.as_bytes().get(..4)?;
    if !(head[..2].iter().all(u8::is_ascii_uppercase) && head[2..].iter().all(u8::is_ascii_digit)) {
        return None;
    }
    let country = COUNTRIES.as_bytes().chunks(4).find(|entry| entry[..2] == head[..2])?;
    let length = usize::from(country[2] - b'0') * 10 + usize::from(country[3] - b'0');
    let mut code = [0u8; IBAN_MAX];
    let (mut count, mut group) = (0, 0);
    for (at, b) in text.bytes().enumerate() {
        if b == b' ' && group == 4 && count < length {
            group = 0;
            continue;
        }
        if count == length || !b.is_ascii_alphanumeric() {
            let ends = count == length && !b.is_ascii_alphanumeric();
            return (ends && is_mod_97(&code[..length])).then_some(at);
        }
        code[count] = b.to_ascii_uppercase();
        (count, group) = (count + 1, group + 1);
    }
    (count == length && is_mod_97(&code[..length])).then_some(text.len())
}

/// ISO 7064, MOD 97-10: the country and its check digits go last, letters count from ten.
fn is_mod_97(code: &[u8]) -> bool {
    let digits = code[4..].iter().chain(&code[..4]);
    let rest = digits.fold(0u32, |rest, &b| match b {
        b'0'..=b'9' => (rest * 10 + u32::from(b - b'0')) % 97,
        _ => (rest * 100 + u32::from(b - b'A') + 10) % 97,
    });
    rest == 1
}

/// Spain: eight digits, or a letter X, Y or Z and seven digits, and a letter that follows from them modulo 23.
fn is_dni(code: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let (Some(&last), 9) = (code.last(), code.len()) else { return false };
    let first = match code[0] {
        b'X' => b'0',
        b'Y' => b'1',
        b'Z' => b'2',
        digit => digit,
    };
    let digits = std::iter::once(&first).chain(&code[1..8]);
    let mut number = 0usize;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return false;
        }
        number = number * 10 + usize::from(digit - b'0');
    }
    number > 0 && last == LETTERS[number % 23]
}

/// United Kingdom: two letters, six digits, one of A to D; without a checksum, but with letters that are never used.
fn is_nino(code: &[u8]) -> bool {
    if code.len() != 9 || !code[2..8].iter().all(u8::is_ascii_digit) || !(b'A'..=b'D').contains(&code[8]) {
        return false;
    }
    let never = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"];
    let first = code[0].is_ascii_uppercase() && !b"DFIQUV".contains(&code[0]);
    let second = code[1].is_ascii_uppercase() && !b"DFIQUVO".contains(&code[1]);
    first && second && !never.iter().any(|pair| pair[..] == code[..2])
}

/// Italy: sixteen characters, the last of which follows from the others (DM 23 December 1976).
fn is_codice_fiscale(code: &[u8]) -> bool {
    const ODD: [u8; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    const LETTERS: &[u8; 16] = b"LLLLLLDDLDDLDDDL";
    let shaped = code.len() == 16
        && code.iter().zip(LETTERS).all(|(b, kind)| match kind {
            b'L' => b.is_ascii_uppercase(),
            _ => b.is_ascii_digit(),
        });
    let place = |b: u8| if b.is_ascii_digit() { b - b'0' } else { b - b'A' };
    shaped && {
        let weigh = |(at, &b): (usize, &u8)| {
            let place = place(b);
            u32::from(if at % 2 == 0 { ODD[usize::from(place)] } else { place })
        };
        code[..15].iter().enumerate().map(weigh).sum::<u32>() % 26 == u32::from(place(code[15]))
    }
}
