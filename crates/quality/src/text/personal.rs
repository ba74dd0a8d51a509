//! Personal data and secrets in a text: where they are, and the text without them.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::codes;
use super::numbers;
use super::phrases::{Hit, Phrases};
use super::secrets;
use super::shape::{Shape, kind};
use crate::verdict::Reason;

/// One piece of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonalSpan {
    /// Bytes of the text, start and end; both are borders of characters.
    pub span: (u32, u32),
    /// What it is; [`Reason::code`] names it in a masked text.
    pub reason: Reason,
}

/// Finds personal data and secrets by their form and checksums. Names of people have neither: they are not found.
pub struct PersonalData {
    phrases: Phrases,
}

impl Default for PersonalData {
    fn default() -> Self {
        Self::new()
    }
}

impl PersonalData {
    /// The finder; building it takes about a millisecond, so keep it.
    pub fn new() -> Self {
        PersonalData { phrases: Phrases::new() }
    }

    /// All pieces, first to last, without overlap.
    pub fn find(&self, text: &str) -> Vec<PersonalSpan> {
        let hits: Vec<Hit> = self.phrases.find(text).collect();
        find(&Shape::of(text), &hits)
    }

    /// The text with every piece replaced by its kind in square brackets, as in `write to [email_address]`.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let pieces = self.find(text);
        if pieces.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for PersonalSpan { span: (start, end), reason } in pieces {
            out.push_str(&text[at..start as usize]);
            out.push('[');
            out.push_str(reason.code());
            out.push(']');
            at = end as usize;
        }
        out.push_str(&text[at..]);
        Cow::Owned(out)
    }
}

/// All pieces, first to last; those that overlap are one.
pub(crate) fn find(shape: &Shape<'_>, hits: &[Hit]) -> Vec<PersonalSpan> {
    let mut found = Vec::new();
    secrets::find(shape.text, hits, &mut found);
    for index in 0..shape.words.len() {
        let word = shape.words[index];
        if word.has(kind::AT) {
            emails(shape.text, (word.start, word.end), &mut found);
        }
        if word.has(kind::DIGIT | kind::DOT) {
            ipv4(shape.text, (word.start, word.end), &mut found);
        }
        if word.has(kind::COLON) {
            ipv6(shape.text, (word.start, word.end), &mut found);
        }
        if word.has(kind::DIGIT | kind::LETTER) {
            codes::find(shape, index, &mut found);
        }
    }
    if shape.digits >= numbers::DIGITS_MIN {
        numbers::find(shape.text, &mut found);
    }
    without_overlap(found)
}

fn without_overlap(mut found: Vec<PersonalSpan>) -> Vec<PersonalSpan> {
    if found.len() < 2 {
        return found;
    }
    found.sort_by_key(|piece| (piece.span.0, std::cmp::Reverse(piece.span.1), piece.reason));
    let mut kept: Vec<PersonalSpan> = Vec::with_capacity(found.len());
    for piece in found {
        let length = |p: &PersonalSpan| p.span.1 - p.span.0;
        match kept.last_mut() {
            Some(last) if piece.span.0 < last.span.1 => {
                // What both cover stays covered, under the name of a secret or else of the longer.
                let secret = [piece.reason, last.reason].contains(&Reason::SecretKey);
                let longer = if length(&piece) > length(last) { piece.reason } else { last.reason };
                let reason = if secret { Reason::SecretKey } else { longer };
                *last = PersonalSpan { span: (last.span.0, last.span.1.max(piece.span.1)), reason };
            }
            _ => kept.push(piece),
        }
    }
    kept
}

/// Local parts that belong to an office or to a manual, not to a person.
const ROLES: [&str; 28] = [
    "info",
    "support",
    "contact",
    "admin",
    "administrator",
    "webmaster",
    "postmaster",
    "noreply",
    "no-reply",
    "donotreply",
    "help",
    "helpdesk",
    "office",
    "sales",
    "press",
    "media",
    "mail",
    "email",
    "user",
    "username",
    "name",
    "you",
    "git",
    "root",
    "me",
    "someone",
    "example",
    "test",
];

fn emails(text: &str, (start, end): (u32, u32), found: &mut Vec<PersonalSpan>) {
    let bytes = text.as_bytes();
    let (start, end) = (start as usize, end as usize);
    let mut from = start;
    for at in (start..end).filter(|&at| bytes[at] == b'@') {
        let local = bytes[from..at].iter().rev().take_while(|b| is_local(**b)).count();
        let domain = bytes[at + 1..end].iter().take_while(|b| is_domain(**b)).count();
        from = at + 1;
        let name = text.get(at - local..at).unwrap_or_default().trim_start_matches(['.', '-', '\'']);
        let host = text.get(at + 1..at + 1 + domain).unwrap_or_default().trim_end_matches(['.', '-']);
        let repeated = bytes.get(at + 1 + host.len()) == Some(&b'@');
        if name.is_empty() || repeated || !is_host(host) || is_role(name) {
            continue;
        }
        let span = ((at - name.len()) as u32, (at + 1 + host.len()) as u32);
        found.push(PersonalSpan { span, reason: Reason::EmailAddress });
    }
}

fn is_local(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || b >= 0x80
        || b".!#$%&'*+-/=?^_`{|}~".contains(&b) && !b"/=`{|}?'".contains(&b)
}

fn is_domain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b >= 0x80 || matches!(b, b'.' | b'-')
}

/// Two labels at least, the last of letters, and not a name that is kept for examples (RFC 2606).
fn is_host(host: &str) -> bool {
    let mut labels = host.rsplit('.');
    let top = labels.next().unwrap_or_default();
    let second = labels.next().unwrap_or_default();
    let top_level = top.chars().count() >= 2 && top.chars().all(char::is_alphabetic);
    let kept = ["example", "test", "invalid", "localhost", "local"];
    let example =
        kept.iter().any(|name| top.eq_ignore_ascii_case(name)) || second.eq_ignore_ascii_case("example");
    top_level && !second.is_empty() && !example && labels.all(|label| !label.is_empty())
}

fn is_role(name: &str) -> bool {
    ROLES.iter().any(|role| name.eq_ignore_ascii_case(role))
}

fn ipv4(text: &str, (start, end): (u32, u32), found: &mut Vec<PersonalSpan>) {
    const DIGITS_MIN: usize = 8;
    let word = &text[start as usize..end as usize];
    let mut at = start as usize;
    let mut before = None;
    for run in word.split_inclusive(|c: char| !c.is_ascii_digit() && c != '.') {
        let address = run.trim_end_matches(|c: char| !c.is_ascii_digit());
        let after = run[address.len()..].chars().next();
        let glued = before.is_some_and(|c: char| c.is_alphanumeric() || c == '-' || c == '_')
            || after.is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '_');
        let digits = address.bytes().filter(u8::is_ascii_digit).count();
        // Versions and numbers of sections look the same but are short.
        if !glued && digits >= DIGITS_MIN && address.parse().is_ok_and(is_public_v4) {
            found.push(PersonalSpan {
                span: (at as u32, (at + address.len()) as u32),
                reason: Reason::NetworkAddress,
            });
        }
        at += run.len();
        before = run.chars().next_back();
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        || a >= 224
        || shared)
}

fn ipv6(text: &str, (start, end): (u32, u32), found: &mut Vec<PersonalSpan>) {
    let word = &text[start as usize..end as usize];
    let mut at = start as usize;
    for run in word.split_inclusive(|c: char| !c.is_ascii_hexdigit() && c != ':') {
        let address =
            run.trim_end_matches(|c: char| !c.is_ascii_hexdigit() && c != ':').trim_end_matches(':');
        let groups = address.split(':').filter(|group| group.len() >= 3).count();
        if groups >= 2 && address.parse().is_ok_and(is_public_v6) {
            found.push(PersonalSpan {
                span: (at as u32, (at + address.len()) as u32),
                reason: Reason::NetworkAddress,
            });
        }
        at += run.len();
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let head = address.segments();
    let documentation = head[0] == 0x2001 && head[1] == 0x0db8 || head[0] == 0x3fff;
    (head[0] & 0xe000) == 0x2000 && !documentation
}
