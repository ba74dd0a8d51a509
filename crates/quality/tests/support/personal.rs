//! Made-up personal data: numbers with the right checksums, the same with a wrong digit, and sentences around them.
#![allow(dead_code, clippy::unwrap_used)]

use assay_quality::Reason;

/// What is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Email,
    Iban,
    Card,
    SocialSecurity,
    Cpf,
    Dni,
    Aadhaar,
    International,
    NorthAmerican,
    IpV4,
    IpV6,
    AwsKey,
    GithubToken,
    WebToken,
    NamedSecret,
}

impl Kind {
    pub(crate) const ALL: [Kind; 15] = [
        Kind::Email,
        Kind::Iban,
        Kind::Card,
        Kind::SocialSecurity,
        Kind::Cpf,
        Kind::Dni,
        Kind::Aadhaar,
        Kind::International,
        Kind::NorthAmerican,
        Kind::IpV4,
        Kind::IpV6,
        Kind::AwsKey,
        Kind::GithubToken,
        Kind::WebToken,
        Kind::NamedSecret,
    ];

    pub(crate) fn reason(self) -> Reason {
        match self {
            Kind::Email => Reason::EmailAddress,
            Kind::Iban => Reason::BankAccount,
            Kind::Card => Reason::PaymentCard,
            Kind::SocialSecurity | Kind::Cpf | Kind::Dni | Kind::Aadhaar => Reason::NationalId,
            Kind::International | Kind::NorthAmerican => Reason::TelephoneNumber,
            Kind::IpV4 | Kind::IpV6 => Reason::NetworkAddress,
            Kind::AwsKey | Kind::GithubToken | Kind::WebToken | Kind::NamedSecret => Reason::SecretKey,
        }
    }
}

/// A seeded source (splitmix64).
#[derive(Clone)]
pub(crate) struct Draw(u64);

const NAMES: [&str; 12] =
    ["anna", "bruno", "carla", "dmitri", "elena", "farid", "grete", "hugo", "ines", "jonas", "kim", "lena"];
const HOSTS: [&str; 8] =
    ["mail.org", "post.de", "webmail.fr", "inbox.co.uk", "uni-bonn.de", "lab.edu", "firm.com", "isp.net"];
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const MIXED: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Draw(seed)
    }

    pub(crate) fn skip(&mut self) {
        self.below(2);
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn text(&mut self, letters: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(letters[self.below(letters.len())])).collect()
    }

    fn digits(&mut self, length: usize) -> String {
        self.text(b"0123456789", length)
    }

    /// A sentence with the value in it, and where it stands.
    pub(crate) fn sentence(&self, value: &str, named: bool) -> (String, (u32, u32)) {
        let mut draw = self.clone();
        let before = ["My details are ", "Please note ", "It was sent to ", "(see ", "On file: ", "I wrote "];
        let after = [" as of today.", ", thank you!", " and nothing else", ").", "\nBest regards", ""];
        let before = if named { draw.pick(&before) } else { draw.pick(&before[..3]) };
        let text = format!("{before}{value}{}", draw.pick(&after));
        (text, (before.len() as u32, (before.len() + value.len()) as u32))
    }

    /// A value of that kind, right in every digit, in one of its usual groupings.
    pub(crate) fn value(&mut self, kind: Kind) -> String {
        match kind {
            Kind::Email => {
                let (a, b) = (self.pick(&NAMES), self.pick(&NAMES));
                let join = self.pick(&[".", "_", "", "-"]);
                format!("{a}{join}{b}{}@{}", self.below(90), self.pick(&HOSTS))
            }
            Kind::Iban => {
                let (country, length) =
                    [("DE", 18), ("FR", 23), ("GB", 18), ("ES", 20), ("NL", 14)][self.below(5)];
                let body = match country {
                    "GB" | "NL" => format!("{}{}", self.text(UPPER, 4), self.digits(length - 4)),
                    _ => self.digits(length),
                };
                let code = format!("{country}{:02}{body}", 98 - mod_97(&format!("{body}{country}00")));
                if self.below(2) == 0 { code } else { grouped(&code, 4, " ") }
            }
            Kind::Card => {
                let prefix = self.pick(&["4", "51", "55", "2221", "6011", "65", "3530"]);
                let mut code = format!("{prefix}{}", self.digits(15 - prefix.len()));
                code.push(check(&code, luhn));
                [code.clone(), grouped(&code, 4, " "), grouped(&code, 4, "-")][self.below(3)].clone()
            }
            Kind::SocialSecurity => {
                let area = 1 + self.below(665);
                format!("{area:03}-{:02}-{:04}", 1 + self.below(99), 1 + self.below(9999))
            }
            Kind::Cpf => {
                let mut code = self.digits(9);
                for _ in 0..2 {
                    let n = code.len();
                    let sum: usize =
                        code.bytes().zip((2..=n + 1).rev()).map(|(b, w)| usize::from(b - b'0') * w).sum();
                    code.push(char::from(b'0' + (sum * 10 % 11 % 10) as u8));
                }
                format!("{}.{}.{}-{}", &code[..3], &code[3..6], &code[6..9], &code[9..])
            }
            Kind::Dni => {
                let number = 1 + self.below(99_999_999);
                format!("{number:08}{}", char::from(b"TRWAGMYFPDXBNJZSQVHLCKE"[number % 23]))
            }
            Kind::Aadhaar => {
                let mut code = format!("{}{}", 3 + self.below(6), self.digits(10));
                code.push(check(&code, verhoeff));
                grouped(&code, 4, " ")
            }
            Kind::International => {
                let code = self.pick(&["44", "49", "33", "351", "81", "91", "55"]);
                let (a, b, c) = (1 + self.below(9), self.digits(3), self.digits(5));
                let join = self.pick(&[" ", "-", ""]);
                format!("+{code}{join}{a}{}{join}{b}{join}{c}", self.below(10))
            }
            Kind::NorthAmerican => {
                let area = [212, 415, 617, 312, 305][self.below(5)];
                let (exchange, line) = (200 + self.below(350), self.below(10_000));
                match self.below(4) {
                    0 => format!("({area}) {exchange}-{line:04}"),
                    1 => format!("{area}-{exchange}-{line:04}"),
                    2 => format!("{area}.{exchange}.{line:04}"),
                    _ => format!("1-{area}-{exchange}-{line:04}"),
                }
            }
            Kind::IpV4 => {
                let first = [23, 54, 91, 151, 203][self.below(5)];
                format!("{first}.{}.{}.{}", 10 + self.below(50), 10 + self.below(240), 10 + self.below(240))
            }
            Kind::IpV6 => {
                let groups: Vec<String> = (0..5).map(|_| self.text(b"123456789abcdef", 4)).collect();
                format!("2a02:{}::{}", groups[..3].join(":"), groups[3..].join(":"))
            }
            Kind::AwsKey => format!("AKIA{}7Q", self.text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 14)),
            Kind::GithubToken => format!("ghp_{}7", self.text(MIXED, 35)),
            Kind::WebToken => {
                format!("eyJ{}.eyJ{}.{}", self.text(MIXED, 24), self.text(MIXED, 60), self.text(MIXED, 43))
            }
            Kind::NamedSecret => {
                let name = self.pick(&["api_key=", "API-KEY: ", "secret = ", "\"token\": \"", "password: "]);
                format!("{name}{}7x", self.text(MIXED, 24))
            }
        }
    }

    /// The same with one wrong digit or in a range that is nobody's; `None` for kinds without a check.
    pub(crate) fn broken(&mut self, kind: Kind) -> Option<String> {
        let value = self.value(kind);
        match kind {
            Kind::Iban | Kind::Card | Kind::Cpf | Kind::Aadhaar => {
                let last = value.pop_digit()?;
                Some(format!("{}{}", last.0, (last.1 + 1 + self.below(8) as u8) % 10))
            }
            Kind::Dni => {
                let letters = b"TRWAGMYFPDXBNJZSQVHLCKE";
                let last = value.bytes().last()?;
                let at = letters.iter().position(|b| *b == last)?;
                Some(format!("{}{}", &value[..8], char::from(letters[(at + 1 + self.below(21)) % 23])))
            }
            Kind::SocialSecurity => Some(format!("{}-{}", [666, 0, 912][self.below(3)], &value[4..])),
            Kind::NorthAmerican => {
                Some(format!("{:03}-{:03}-{:04}", self.below(200), self.below(200), self.below(10_000)))
            }
            Kind::IpV4 => Some(format!("192.168.{}.{}", 100 + self.below(100), 100 + self.below(100))),
            _ => None,
        }
    }
}

trait PopDigit {
    fn pop_digit(&self) -> Option<(&str, u8)>;
}

impl PopDigit for String {
    fn pop_digit(&self) -> Option<(&str, u8)> {
        let last = self.bytes().last().filter(u8::is_ascii_digit)?;
        Some((&self[..self.len() - 1], last - b'0'))
    }
}

fn grouped(code: &str, size: usize, join: &str) -> String {
    let parts: Vec<&str> =
        code.as_bytes().chunks(size).map(|part| std::str::from_utf8(part).unwrap()).collect();
    parts.join(join)
}

fn mod_97(code: &str) -> u32 {
    code.bytes().fold(0, |rest, b| match b {
        b'0'..=b'9' => (rest * 10 + u32::from(b - b'0')) % 97,
        _ => (rest * 100 + u32::from(b - b'A') + 10) % 97,
    })
}

/// The digit that makes the code pass, by trying all ten.
fn check(code: &str, passes: fn(&[u8]) -> bool) -> char {
    ('0'..='9').find(|digit| passes(&[code.as_bytes(), &[*digit as u8]].concat())).unwrap()
}

fn luhn(code: &[u8]) -> bool {
    let digit = |(at, b): (usize, &u8)| {
        let d = u32::from(b - b'0') * if at % 2 == 1 { 2 } else { 1 };
        d / 10 + d % 10
    };
    code.iter().rev().enumerate().map(digit).sum::<u32>() % 10 == 0
}

/// Verhoeff's check by composing the permutation itself, not by its table.
fn verhoeff(code: &[u8]) -> bool {
    const STEP: [usize; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let turn = |at: usize, digit: usize| (0..at).fold(digit, |d, _| STEP[d]);
    // The dihedral group as rotations and reflections of a pentagon.
    let times = |a: usize, b: usize| {
        let (flip_a, flip_b) = (a >= 5, b >= 5);
        let (ra, rb) = (a % 5, b % 5);
        let rotation = if flip_a { (ra + 5 - rb) % 5 } else { (ra + rb) % 5 };
        rotation + if flip_a != flip_b { 5 } else { 0 }
    };
    let product = |c: usize, (at, b): (usize, &u8)| times(c, turn(at % 8, usize::from(b - b'0')));
    code.iter().rev().enumerate().fold(0, product) == 0
}
