//! Keys and passwords: by the prefix that a service gives them, or by the word before them and how random they look.

use super::personal::PersonalSpan;
use super::phrases::{Hit, Phrase};
use crate::verdict::Reason;

/// Characters of a secret without a known prefix.
const SECRET_MIN: usize = 16;
const SECRET_MAX: usize = 256;

/// Least entropy of such a secret, in bits a character: English words joined have about 3, random hexadecimal digits 3.7.
const ENTROPY_MIN: f32 = 3.3;

pub(crate) fn find(text: &str, hits: &[Hit], found: &mut Vec<PersonalSpan>) {
    // What is inside a secret is not looked at again, so that a thousand first lines of keys are one key.
    let mut covered = 0;
    for &hit in hits.iter().filter(|hit| matches!(hit.phrase, Phrase::KeyPrefix | Phrase::SecretName)) {
        if hit.start < covered {
            continue;
        }
        let span = if hit.phrase == Phrase::KeyPrefix { key(text, hit) } else { named(text, hit) };
        if let Some(span) = span {
            covered = span.1 as usize;
            found.push(PersonalSpan { span, reason: Reason::SecretKey });
        }
    }
}

/// Prefix, the characters that follow, and how many of them at least. From the services' own documentation.
const KEYS: &[(&str, Class, usize)] = &[
    ("AKIA", Class::Capital, 16),
    ("ASIA", Class::Capital, 16),
    ("ABIA", Class::Capital, 16),
    ("ACCA", Class::Capital, 16),
    ("ghp_", Class::Word, 36),
    ("gho_", Class::Word, 36),
    ("ghu_", Class::Word, 36),
    ("ghs_", Class::Word, 36),
    ("ghr_", Class::Word, 36),
    ("github_pat_", Class::Word, 40),
    ("glpat-", Class::Dashed, 20),
    ("xoxb-", Class::Dashed, 20),
    ("xoxp-", Class::Dashed, 20),
    ("xoxa-", Class::Dashed, 20),
    ("xoxr-", Class::Dashed, 20),
    ("xoxs-", Class::Dashed, 20),
    ("AIza", Class::Dashed, 35),
    ("sk_live_", Class::Word, 20),
    ("rk_live_", Class::Word, 20),
    ("sk_test_", Class::Word, 20),
    ("sk-ant-", Class::Dashed, 32),
    ("sk-proj-", Class::Dashed, 32),
    ("sk-", Class::Word, 40),
    ("npm_", Class::Word, 36),
    ("pypi-", Class::Dashed, 60),
    ("hf_", Class::Word, 30),
    ("SG.", Class::Dotted, 60),
    ("dop_v1_", Class::Word, 64),
    ("shpat_", Class::Word, 32),
    ("AGE-SECRET-KEY-1", Class::Capital, 50),
];

#[derive(Clone, Copy)]
enum Class {
    Capital,
    Word,
    Dashed,
    Dotted,
}

impl Class {
    fn has(self, b: u8) -> bool {
        match self {
            Class::Capital => b.is_ascii_uppercase() || b.is_ascii_digit(),
            Class::Word => b.is_ascii_alphanumeric() || b == b'_',
            Class::Dashed => Class::Word.has(b) || b == b'-',
            Class::Dotted => Class::Dashed.has(b) || b == b'.',
        }
    }
}

fn key(text: &str, hit: Hit) -> Option<(u32, u32)> {
    let prefix = &text[hit.start..hit.end];
    let rest = &text.as_bytes()[hit.end..];
    if text[..hit.start].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && prefix != "://" {
        return None;
    }
    let length = match prefix {
        "-----BEGIN " => private_key(&text[hit.end..])?,
        "eyJ" => web_token(rest)?,
        "://" => return url_password(text, hit),
        _ => {
            let &(_, class, least) = KEYS.iter().find(|(known, ..)| *known == prefix)?;
            let length = rest.iter().take(SECRET_MAX).take_while(|b| class.has(**b)).count();
            let capital = matches!(class, Class::Capital) && least == 16;
            let fits = if capital { length == least } else { length >= least };
            (fits && rest[..length].iter().any(u8::is_ascii_digit)).then_some(length)?
        }
    };
    Some((hit.start as u32, (hit.end + length) as u32))
}

/// The block from its first line to its last (RFC 7468), or to the end of the text.
fn private_key(rest: &str) -> Option<usize> {
    const TITLE_MAX: usize = 40;
    let title_end = rest.bytes().take(TITLE_MAX).position(|b| b == b'-')?;
    if !rest[..title_end].ends_with("PRIVATE KEY") {
        return None;
    }
    let end = rest.find("-----END ").map_or(rest.len(), |at| {
        let tail = &rest[at + 9..];
        at + 9 + tail.find("-----").map_or(tail.len(), |dashes| dashes + 5)
    });
    Some(end)
}

/// A JSON Web Token: three parts of base64url, the first two of which are objects (RFC 7519).
fn web_token(rest: &[u8]) -> Option<usize> {
    const PART_MAX: usize = 4096;
    let part =
        |from: usize| rest[from..].iter().take(PART_MAX).take_while(|b| Class::Dashed.has(**b)).count();
    let head = part(0);
    let second = head + 1;
    if head < 8 || rest.get(head) != Some(&b'.') || !rest.get(second..)?.starts_with(b"eyJ") {
        return None;
    }
    let body = second + part(second);
    let signature = rest.get(body).filter(|b| **b == b'.').map_or(0, |_| 1 + part(body + 1));
    (signature > 20).then_some(body + signature)
}

/// `scheme://user:password@host`: the password.
fn url_password(text: &str, hit: Hit) -> Option<(u32, u32)> {
    let rest = text.as_bytes()[hit.end..].iter().take(SECRET_MAX);
    let authority = rest
        .take_while(|b| !b.is_ascii_whitespace() && !matches!(b, b'/' | b'?' | b'#' | b'"' | b'\''))
        .count();
    let authority = &text.as_bytes()[hit.end..hit.end + authority];
    let at = authority.iter().rposition(|b| *b == b'@')?;
    let colon = authority[..at].iter().position(|b| *b == b':')?;
    let password = &authority[colon + 1..at];
    let stands_for_one =
        password.len() < 6 || password.iter().any(|b| matches!(b, b'<' | b'{' | b'$' | b'*' | b'['));
    let known = [&b"password"[..], b"secret", b"passwd", b"changeme", b"token"];
    (!stands_for_one && !known.contains(&password))
        .then_some(((hit.end + colon + 1) as u32, (hit.end + at) as u32))
}

/// The value after a name such as `api_key=`; what only stands for a secret (`<your key>`) is not random.
fn named(text: &str, hit: Hit) -> Option<(u32, u32)> {
    const BETWEEN_MAX: usize = 12;
    let bytes = text.as_bytes();
    let name_end =
        hit.end + bytes[hit.end..].iter().take(BETWEEN_MAX).take_while(|b| Class::Dashed.has(**b)).count();
    let bearer = text[hit.start..hit.end].eq_ignore_ascii_case("bearer");
    let between = |b: &u8| matches!(b, b' ' | b'"' | b'\'' | b'`' | b':' | b'=' | b'>');
    let gap = bytes[name_end..].iter().take(BETWEEN_MAX).take_while(|b| between(b)).count();
    let assigns = bytes[name_end..name_end + gap].iter().any(|b| matches!(b, b':' | b'='));
    if !(assigns || (bearer && gap == 1)) {
        return None;
    }
    let start = name_end + gap;
    let value = |b: &u8| b.is_ascii_alphanumeric() || b"+/_-=.~!@$%^*".contains(b);
    let length = bytes[start..].iter().take(SECRET_MAX).take_while(|b| value(b)).count();
    let secret = &bytes[start..start + length];
    let mixed = secret.iter().any(u8::is_ascii_digit) && secret.iter().any(u8::is_ascii_alphabetic);
    (length >= SECRET_MIN && mixed && entropy(secret) >= ENTROPY_MIN)
        .then_some((start as u32, (start + length) as u32))
}

/// Bits a character, from the counts of the characters themselves.
fn entropy(secret: &[u8]) -> f32 {
    let mut counts = [0u32; 256];
    secret.iter().for_each(|b| counts[usize::from(*b)] += 1);
    let total = secret.len() as f32;
    let part = |&count: &u32| {
        let share = count as f32 / total;
        -share * share.log2()
    };
    counts.iter().filter(|count| **count > 0).map(part).sum()
}
