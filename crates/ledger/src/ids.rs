//! Names of things: accounts, datanets, tables, nonces, hashes. Each parses from one text form only.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::limits::NAME_BYTES_MAX;

/// Text that is not a valid name, and what a valid one looks like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct BadId {
    /// The offending text, cut to 80 characters.
    pub text: String,
    /// What was expected in its place.
    pub expected: &'static str,
}

impl BadId {
    pub(crate) fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(80).collect(), expected }
    }
}

/// Serde by the text form, without a copy of the text: whatever displays, and parses from what it displays.
macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str($crate::ids::Parsed(std::marker::PhantomData))
            }
        }
    )*};
}
pub(crate) use as_text;

/// Serde of fixed-size bytes: by their text form in formats for people, as they are in others.
macro_rules! as_text_or_bytes {
    ($name:ident, $len:literal) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match serializer.is_human_readable() {
                    true => serializer.collect_str(self),
                    false => serializer.serialize_bytes(&self.0),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match deserializer.is_human_readable() {
                    true => deserializer.deserialize_str(Parsed(PhantomData)),
                    false => deserializer.deserialize_bytes(Raw::<$len>).map(Self),
                }
            }
        }
    };
}

/// Reads exactly `N` bytes.
struct Raw<const N: usize>;

impl<const N: usize> serde::de::Visitor<'_> for Raw<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
        bytes.try_into().map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

/// Reads a string, wherever it lies, as a `T`.
pub(crate) struct Parsed<T>(pub(crate) PhantomData<T>);

impl<T: FromStr<Err = BadId>> serde::de::Visitor<'_> for Parsed<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// The value of a lower-case hexadecimal digit; 16 and more for all other bytes. Computed and not looked up, so that many
/// bytes are read together.
fn digit(byte: u8) -> u8 {
    let (number, letter) = (byte.wrapping_sub(b'0'), byte.wrapping_sub(b'a'));
    let letter = if letter < 6 { letter + 10 } else { 0xff };
    if number < 10 { number } else { letter }
}

/// Exactly `N` bytes of lower-case hexadecimal digits.
pub(crate) fn from_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    const { assert!(N.is_multiple_of(4)) };
    let mut bytes = [0; N];
    let seen = text.iter().fold(0, |seen, &byte| seen | digit(byte));
    if text.len() != 2 * N || seen > 15 {
        return None;
    }
    for (four, digits) in bytes.chunks_exact_mut(4).zip(text.as_chunks().0) {
        four.copy_from_slice(&packed(u64::from_be_bytes(*digits)));
    }
    Some(bytes)
}

/// Two digits for each byte, from the start of `text`.
pub(crate) fn to_hex(bytes: &[u8], text: &mut [u8]) {
    let digit = |value: u8| value + if value < 10 { b'0' } else { b'a' - 10 };
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
}

/// Fixed-size bytes written as lower-case hexadecimal.
macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name(pub [u8; $len]);

        /// The order of the bytes, by comparing numbers.
        impl Ord for $name {
            #[inline]
            fn cmp(&self, other: &Self) -> Ordering {
                const { assert!($len % 8 == 0) };
                let (ours, theirs) = (self.0.as_chunks().0, other.0.as_chunks().0);
                for (a, b) in ours.iter().zip(theirs) {
                    let order = u64::from_be_bytes(*a).cmp(&u64::from_be_bytes(*b));
                    if order.is_ne() {
                        return order;
                    }
                }
                Ordering::Equal
            }
        }

        impl PartialOrd for $name {
            #[inline]
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; 2 * $len];
                to_hex(&self.0, &mut text);
                f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                from_hex(text.as_bytes()).map(Self).ok_or_else(|| BadId::new(text, $expected))
            }
        }

        as_text_or_bytes!($name, $len);
    };
}

hex_id!(
    /// A SHA-256 digest or Merkle root.
    Digest, 32, "a SHA-256 digest (64 lower-case hexadecimal digits)"
);
hex_id!(
    /// An Ed25519 public key.
    PublicKey, 32, "an Ed25519 public key (64 lower-case hexadecimal digits)"
);
hex_id!(
    /// An Ed25519 signature.
    Signature, 64, "an Ed25519 signature (128 lower-case hexadecimal digits)"
);
hex_id!(
    /// A client-made number that makes a command unique: the idempotency key, together with the actor.
    Nonce, 16, "a nonce (32 lower-case hexadecimal digits)"
);

impl Digest {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// An account: `a` and the first 20 hexadecimal digits of the hash of the key that opened it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AccountId([u8; 21]);

/// The order of the texts, by comparing numbers: accounts are looked up more often than anything else.
impl Ord for AccountId {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let words = |from| word(&self.0, from).cmp(&word(&other.0, from));
        // All start with an `a`; some digits are in two of the numbers.
        words(1).then_with(|| words(9)).then_with(|| words(13))
    }
}

/// Eight bytes as a number of the same order.
#[inline]
fn word<const N: usize>(bytes: &[u8; N], from: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[from..from + 8]);
    u64::from_be_bytes(word)
}

/// What eight lower-case hexadecimal digits stand for, all at once.
#[inline]
fn packed(digits: u64) -> [u8; 4] {
    // A letter has bit 6, and its lower bits are nine less than what it stands for.
    let letters = digits >> 6 & 0x0101_0101_0101_0101;
    let values = (digits & 0x0f0f_0f0f_0f0f_0f0f) + 9 * letters;
    let pairs = (values | values >> 4) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    ((fours | fours >> 16) as u32).to_be_bytes()
}

impl PartialOrd for AccountId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl AccountId {
    /// The account that `key` opens.
    pub fn of(key: &PublicKey) -> Self {
        let digest = Sha256::new().chain_update(b"assay/account/v1\n").chain_update(key.0).finalize();
        let mut bytes = [0; Self::BYTES];
        bytes.copy_from_slice(&digest[..Self::BYTES]);
        Self::from_bytes(bytes)
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        // Made of ASCII only, here and where it is parsed.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Bytes that its digits stand for.
    pub(crate) const BYTES: usize = 10;

    /// What its digits stand for, in half the room and of the same order.
    #[inline]
    pub(crate) fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        // Eight digits each, some of them twice.
        for (to, from) in [(0, 1), (4, 9), (6, 13)] {
            bytes[to..to + 4].copy_from_slice(&packed(word(&self.0, from)));
        }
        bytes
    }

    /// The account of [`AccountId::to_bytes`].
    pub(crate) fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let mut text = [b'a'; 21];
        to_hex(&bytes, &mut text[1..]);
        Self(text)
    }

    /// The first three digits as a number, in the order of the accounts.
    pub(crate) fn lead(&self) -> u16 {
        self.0[1..4].iter().fold(0, |lead, &byte| lead << 4 | u16::from(digit(byte) & 15))
    }

    fn parse(text: &str) -> Option<Self> {
        Self::from_text(text.as_bytes().try_into().ok()?)
    }

    pub(crate) fn from_text(text: [u8; 21]) -> Option<Self> {
        let seen = text[1..].iter().fold(0, |seen, &byte| seen | digit(byte));
        (text[0] == b'a' && seen < 16).then_some(Self(text))
    }
}

/// A datanet: 1 to 64 of `a-z`, `0-9` and `-`, starting with a letter. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DatanetId(Arc<str>);

/// The order of the texts; one and the same needs no look at them.
impl Ord for DatanetId {
    fn cmp(&self, other: &Self) -> Ordering {
        match Arc::ptr_eq(&self.0, &other.0) {
            true => Ordering::Equal,
            false => self.0.cmp(&other.0),
        }
    }
}

impl PartialOrd for DatanetId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl DatanetId {
    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let plain = |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let valid = is_name(text, plain) && text.as_bytes()[0].is_ascii_lowercase();
        valid.then(|| Self(text.into()))
    }
}

/// A short machine word, such as a reason code or an external reference: 1 to 64 of `a-z`, `0-9`, `_`, `-`, `.`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Code(Word);

/// A word takes no memory of its own unless it is long, so that many of them are compared where they lie.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Word {
    /// Its length, and its bytes with zeros after them.
    Short(u8, [u8; SHORT]),
    Long(Box<str>),
}

const SHORT: usize = 22;

/// The bytes that a code may have.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut b = 0;
    while b < plain.len() {
        plain[b] = matches!(b as u8, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.');
        b += 1;
    }
    plain
};

/// The order of the texts: of short ones by comparing numbers, since no text has a zero.
impl Ord for Code {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let (Word::Short(_, a), Word::Short(_, b)) = (&self.0, &other.0) else {
            return self.as_bytes().cmp(other.as_bytes());
        };
        let words = |from| word(a, from).cmp(&word(b, from));
        words(0).then_with(|| words(8)).then_with(|| words(SHORT - 8))
    }
}

impl PartialOrd for Code {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Code {
    /// The text form.
    pub fn as_str(&self) -> &str {
        // Made of ASCII only, where it is parsed.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Word::Short(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Word::Long(text) => text.as_bytes(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::from_text(text.as_bytes())
    }

    /// The code of the text that these bytes are.
    pub(crate) fn from_text(text: &[u8]) -> Option<Self> {
        let plain = |b: u8| PLAIN[usize::from(b)];
        let valid = (1..=NAME_BYTES_MAX).contains(&text.len()) && text.iter().all(|&b| plain(b));
        valid.then(|| Self(Word::of(text)))
    }
}

impl Word {
    /// Of ASCII.
    fn of(text: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..text.len()) {
            Some(start) => {
                start.copy_from_slice(text);
                Self::Short(text.len() as u8, bytes)
            }
            None => Self::Long(std::str::from_utf8(text).unwrap_or_default().into()),
        }
    }
}

fn is_name(text: &str, plain: impl Fn(u8) -> bool) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(plain)
}

macro_rules! text_id {
    ($name:ident, $expected:expr) => {
        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Self::parse(text).ok_or_else(|| BadId::new(text, $expected))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
        as_text!($name);
    };
}

text_id!(AccountId, "an account (`a` and 20 lower-case hexadecimal digits)");
text_id!(DatanetId, "a datanet name (1 to 64 of a-z, 0-9 and -, starting with a letter)");
text_id!(Code, "a code (1 to 64 of a-z, 0-9, _, - and .)");

/// A bulk table that lives outside the log, named by the SHA-256 of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRef {
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// Rows in it.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}
