//! Names of things: accounts, datanets, tables, nonces, hashes. Each parses from one text form only.

use std::fmt;
use std::str::FromStr;

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

/// Fixed-size bytes written as lower-case hexadecimal.
macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
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
                let lower = !text.bytes().any(|b| b.is_ascii_uppercase());
                let mut bytes = [0; $len];
                match lower && hex::decode_to_slice(text, &mut bytes).is_ok() {
                    true => Ok(Self(bytes)),
                    false => Err(BadId::new(text, $expected)),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
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
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(String);

impl AccountId {
    /// The account that `key` opens.
    pub fn of(key: &PublicKey) -> Self {
        let digest = Sha256::new().chain_update(b"assay/account/v1\n").chain_update(key.0).finalize();
        Self(format!("a{}", hex::encode(&digest[..10])))
    }
}

/// A datanet: 1 to 64 of `a-z`, `0-9` and `-`, starting with a letter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DatanetId(String);

/// A short machine word, such as a reason code or an external reference: 1 to 64 of `a-z`, `0-9`, `_`, `-`, `.`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Code(String);

macro_rules! text_id {
    ($name:ident, $expected:literal, $valid:expr) => {
        impl $name {
            /// The text form.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                let valid: fn(&str) -> bool = $valid;
                match valid(text) {
                    true => Ok(Self(text.to_owned())),
                    false => Err(BadId::new(text, $expected)),
                }
            }
        }
        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

text_id!(AccountId, "an account (`a` and 20 lower-case hexadecimal digits)", |s| {
    s.len() == 21 && s.starts_with('a') && s.bytes().skip(1).all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
});
text_id!(DatanetId, "a datanet name (1 to 64 of a-z, 0-9 and -, starting with a letter)", |s| {
    (1..=NAME_BYTES_MAX).contains(&s.len())
        && s.as_bytes()[0].is_ascii_lowercase()
        && s.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
});
text_id!(Code, "a code (1 to 64 of a-z, 0-9, _, - and .)", |s| {
    (1..=NAME_BYTES_MAX).contains(&s.len())
        && s.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.'))
});

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
