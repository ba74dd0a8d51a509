//! Keys under a passphrase: Argon2id (RFC 9106) makes a key of it, XChaCha20-Poly1305 seals the seed.
//!
//! ```text
//! assay-key/1 argon2id M T P SALT PUBLIC NONCE SEED
//! ```
//!
//! One line: M in KiB, the others in hexadecimal. Everything before the sealed seed is authenticated with it, so that the
//! public half can be read, and believed by whoever has the passphrase.

use std::fmt;
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use assay_ledger::ids::PublicKey;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use super::random;
use crate::error::{NodeError, Result};

const SCHEMA: &str = "assay-key/1";
/// 64 MiB, 3 passes, 4 lanes: the second recommended option of RFC 9106, section 4.
const COST: [u32; 3] = [64 * 1024, 3, 4];
/// The most that a file may ask for.
const COST_MAX: [u32; 3] = [1024 * 1024, 16, 16];
const SALT: usize = 16;
const NONCE: usize = 24;
/// A seed and its tag.
const SEALED: usize = 32 + 16;

/// What opens the keys of a home. Forgotten when dropped, and shown nowhere.
#[derive(Clone)]
pub struct Passphrase(Arc<Zeroizing<String>>);

impl Passphrase {
    /// A passphrase; the end of a line is none of it, and there must be something.
    pub fn new(text: String) -> Result<Self> {
        let text = Zeroizing::new(text);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        match line.is_empty() {
            true => Err(NodeError::invalid("the passphrase is empty")),
            false => Ok(Self(Arc::new(Zeroizing::new(line.to_owned())))),
        }
    }
}

impl Passphrase {
    /// Whether two are the same.
    pub fn is(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// A key as its file has it.
pub(super) enum Stored {
    Plain(SigningKey),
    Sealed(Sealed),
}

pub(super) struct Sealed {
    cost: [u32; 3],
    salt: [u8; SALT],
    public: PublicKey,
    nonce: [u8; NONCE],
    seed: [u8; SEALED],
}

impl Stored {
    /// Reads a file of a key; `None` if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.starts_with(SCHEMA) {
            return Sealed::parse(text).map(Self::Sealed);
        }
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text, &mut *seed).ok()?;
        Some(Self::Plain(SigningKey::from_bytes(&seed)))
    }

    /// The public half, which takes no passphrase.
    pub(super) fn public(&self) -> PublicKey {
        match self {
            Self::Plain(key) => PublicKey::from(key),
            Self::Sealed(sealed) => sealed.public,
        }
    }
}

impl Sealed {
    /// Seals a key under a salt and a nonce of its own.
    pub(super) fn seal(key: &SigningKey, passphrase: &Passphrase) -> Result<String> {
        Self::seal_at(COST, key, passphrase)
    }

    fn seal_at(cost: [u32; 3], key: &SigningKey, passphrase: &Passphrase) -> Result<String> {
        let (public, seed) = (PublicKey::from(key), [0; SEALED]);
        let mut sealed = Self { cost, salt: random()?, public, nonce: random()?, seed };
        let header = sealed.header();
        let payload = Payload { msg: key.as_bytes(), aad: header.as_bytes() };
        let nonce = XNonce::from(sealed.nonce);
        let seed = sealed.cipher(passphrase)?.encrypt(&nonce, payload).map_err(NodeError::bug)?;
        sealed.seed = seed.try_into().map_err(|_| NodeError::bug("a sealed seed of another length"))?;
        Ok(sealed.text() + "\n")
    }

    /// The key, if this is the passphrase that it was sealed under.
    pub(super) fn open(&self, passphrase: &Passphrase) -> Result<Option<SigningKey>> {
        let header = self.header();
        let payload = Payload { msg: &self.seed, aad: header.as_bytes() };
        let seed = self.cipher(passphrase)?.decrypt(&XNonce::from(self.nonce), payload).map(Zeroizing::new);
        let key = seed.ok().and_then(|seed| SigningKey::try_from(seed.as_slice()).ok());
        Ok(key.filter(|key| PublicKey::from(key) == self.public))
    }

    fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let [SCHEMA, "argon2id", m, t, p, salt, public, nonce, seed] = words.as_slice() else { return None };
        let cost = [m.parse().ok()?, t.parse().ok()?, p.parse().ok()?];
        let mut sealed = Self {
            cost,
            salt: [0; SALT],
            public: public.parse().ok()?,
            nonce: [0; NONCE],
            seed: [0; SEALED],
        };
        hex::decode_to_slice(salt, &mut sealed.salt).ok()?;
        hex::decode_to_slice(nonce, &mut sealed.nonce).ok()?;
        hex::decode_to_slice(seed, &mut sealed.seed).ok()?;
        let bounded = cost.iter().zip(COST_MAX).all(|(asked, most)| *asked <= most);
        (bounded && sealed.text() == text).then_some(sealed)
    }

    fn text(&self) -> String {
        self.header() + &hex::encode(self.seed)
    }

    /// The line up to the sealed seed.
    fn header(&self) -> String {
        let [m, t, p] = self.cost;
        let (salt, nonce) = (hex::encode(self.salt), hex::encode(self.nonce));
        format!("{SCHEMA} argon2id {m} {t} {p} {salt} {} {nonce} ", self.public)
    }

    fn cipher(&self, passphrase: &Passphrase) -> Result<XChaCha20Poly1305> {
        let [m, t, p] = self.cost;
        let params = Params::new(m, t, p, Some(32)).map_err(NodeError::invalid)?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.0.as_bytes(), &self.salt, &mut *key)
            .map_err(NodeError::invalid)?;
        Ok(XChaCha20Poly1305::new(&(*key).into()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned()).unwrap()
    }

    /// Sealed at next to no cost.
    fn cheap(key: &SigningKey, under: &Passphrase) -> String {
        Sealed::seal_at([8, 1, 1], key, under).unwrap().trim_end().to_owned()
    }

    fn open(text: &str, under: &Passphrase) -> Option<SigningKey> {
        match Stored::parse(text)? {
            Stored::Plain(key) => Some(key),
            Stored::Sealed(sealed) => sealed.open(under).ok()?,
        }
    }

    #[test]
    fn a_sealed_key_opens_under_its_passphrase_only_and_shows_its_public_half() {
        let (key, under) = (SigningKey::from_bytes(&[7; 32]), passphrase("correct horse"));
        let text = Sealed::seal(&key, &under).unwrap();
        assert_ne!(text, Sealed::seal(&key, &under).unwrap(), "each time under a salt of its own");
        assert_eq!(open(&text, &under).unwrap().to_bytes(), key.to_bytes());
        assert_eq!(Stored::parse(&text).unwrap().public(), PublicKey::from(&key));
        assert!(open(&text, &passphrase("correct hors")).is_none());
        assert!(!text.contains(&hex::encode(key.to_bytes())));
        assert_eq!(format!("{under:?}"), "Passphrase(..)");
        assert_eq!(*passphrase("x\n").0, *passphrase("x").0);
        assert!(Passphrase::new("\n".to_owned()).is_err());
    }

    /// Sealed by Python (argon2-cffi, PyCryptodome), which also opens what is sealed here.
    #[test]
    fn what_another_program_sealed_is_opened() {
        const SEALED: &str = "assay-key/1 argon2id 64 2 4 03030303030303030303030303030303 \
            03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8 \
            040404040404040404040404040404040404040404040404 \
            9095e47b30fbe726b363b29c6a5b78da54d647102c798b97c9926dcc5d474191\
            b6f4d47c8aa1b2548bfb0e25f9a1bbf8";
        let key = open(SEALED, &passphrase("correct horse")).unwrap();
        assert_eq!(key.to_bytes(), std::array::from_fn(|i| i as u8));
    }

    #[test]
    fn files_that_ask_for_too_much_are_none() {
        let text = cheap(&SigningKey::from_bytes(&[7; 32]), &passphrase("x"));
        assert!(Stored::parse(&text).is_some());
        for cost in ["4294967295 1 1", "8 17 1", "8 1 17", "1048577 1 1", "-8 1 1"] {
            assert!(Stored::parse(&text.replacen("8 1 1", cost, 1)).is_none(), "{cost}");
        }
        assert!(open(&text.replacen("8 1 1", "0 0 0", 1), &passphrase("x")).is_none());
    }

    proptest! {
        #[test]
        fn any_change_of_a_sealed_key_is_noticed(at in 0_usize..400, byte in 0x20_u8..0x7f) {
            let (key, under) = (SigningKey::from_bytes(&[7; 32]), passphrase("x"));
            let mut text = cheap(&key, &under).into_bytes();
            let at = at % text.len();
            prop_assume!(text[at] != byte);
            text[at] = byte;
            let text = String::from_utf8(text).unwrap();
            prop_assert!(open(&text, &under).is_none(), "{}", text);
        }
    }
}
