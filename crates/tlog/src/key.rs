//! Keys of signed notes (c2sp.org/signed-note): Ed25519, each for one type of signature.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The first four bytes of `SHA-256(name || 0x0a || type || public key)`: an identifier, not a strong hash.
pub type KeyId = [u8; 4];

const ED25519: u8 = 0x01;
const COSIGNATURE: u8 = 0x04;
const KEY_BYTES: usize = 32;
const PRIVATE_PREFIX: &str = "PRIVATE+KEY+";

/// Why a key is refused. Never quotes the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The name is empty or has a space, a plus or a control character.
    #[error(
        "a key name is not empty and has no space, no plus and no control character; use the log's origin"
    )]
    Name,
    /// Not the canonical encoding.
    #[error(
        "not a note key: expected name+id+key (or PRIVATE+KEY+name+id+key) with 8 hex digits and Base 64"
    )]
    Encoding,
    /// Another signature type than the one that belongs here.
    #[error(
        "the key is of signature type {got:#04x} where {want:#04x} is needed: logs sign with 0x01, witnesses with 0x04"
    )]
    Algorithm {
        /// Type of the key.
        got: u8,
        /// Type that was asked for.
        want: u8,
    },
    /// The identifier is not that of the name and the key.
    #[error("the key id does not belong to this name and key: the line was changed or mixed up")]
    Id,
    /// The bytes are no point of the curve, or one of small order.
    #[error("the public key is not a usable Ed25519 key")]
    Point,
}

/// Whether signed notes allow this key name.
#[must_use]
pub fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+' || c < ' ')
}

/// A public key with its name, displayed as `name+id+key`, for signatures of one type only: what a witness said is
/// never taken for what a log said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey<const TYPE: u8> {
    name: String,
    id: KeyId,
    key: VerifyingKey,
}

/// Checks the signatures of a log (type 0x01).
pub type VerifierKey = PublicKey<ED25519>;
/// Checks the cosignatures of a witness (type 0x04).
pub type CosignerKey = PublicKey<COSIGNATURE>;

impl<const TYPE: u8> PublicKey<TYPE> {
    /// Names an Ed25519 public key of 32 bytes. Refuses points of small order, which sign anything.
    pub fn new(name: &str, public_key: &[u8; KEY_BYTES]) -> Result<Self, KeyError> {
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        let key = VerifyingKey::from_bytes(public_key).map_err(|_| KeyError::Point)?;
        if key.is_weak() {
            return Err(KeyError::Point);
        }
        let hash = Sha256::new().chain_update(name).chain_update([b'\n', TYPE]).chain_update(public_key);
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
        Ok(Self { name: name.to_owned(), id: [a, b, c, d], key })
    }

    /// The key name, by recommendation the origin of the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The 32 bytes of the public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8; KEY_BYTES] {
        self.key.as_bytes()
    }

    /// Whether `signature` is this key's over `message`, by the strict rules (no small order, no malleable scalar).
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let signature = ed25519_dalek::Signature::from_slice(signature);
        signature.is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl<const TYPE: u8> fmt::Display for PublicKey<TYPE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, id, key } = self;
        write!(f, "{name}+{:08x}+{}", u32::from_be_bytes(*id), STANDARD.encode(tagged(TYPE, key.as_bytes())))
    }
}

impl<const TYPE: u8> FromStr for PublicKey<TYPE> {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, key) = split(text)?;
        let verifier = Self::new(name, &decode(TYPE, key)?)?;
        expect_id(verifier.id, id)?;
        Ok(verifier)
    }
}

/// A private key with its name. Its memory is overwritten when dropped, and `Debug` shows the public part only.
#[derive(Clone)]
pub struct PrivateKey<const TYPE: u8> {
    secret: SigningKey,
    verifier: PublicKey<TYPE>,
}

/// Signs as a log (type 0x01).
pub type SignerKey = PrivateKey<ED25519>;
/// Cosigns as a witness (type 0x04).
pub type CosignerSecret = PrivateKey<COSIGNATURE>;

impl<const TYPE: u8> PrivateKey<TYPE> {
    /// Names the Ed25519 key of a secret seed: 32 bytes from a cryptographic random generator.
    pub fn from_seed(name: &str, seed: &[u8; KEY_BYTES]) -> Result<Self, KeyError> {
        let secret = SigningKey::from_bytes(seed);
        let verifier = PublicKey::new(name, secret.verifying_key().as_bytes())?;
        Ok(Self { secret, verifier })
    }

    /// The public part.
    #[must_use]
    pub fn verifier(&self) -> &PublicKey<TYPE> {
        &self.verifier
    }

    /// Signs bytes with Ed25519 (RFC 8032). What is signed depends on the type: see [`Note`](crate::Note).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.secret.sign(message).to_bytes()
    }

    /// The secret text `PRIVATE+KEY+name+id+key`, for a key file that only the owner can read.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        let PublicKey { name, id, .. } = &self.verifier;
        let tagged = Zeroizing::new(tagged(TYPE, self.secret.as_bytes()));
        let key = Zeroizing::new(STANDARD.encode(*tagged));
        Zeroizing::new(format!("{PRIVATE_PREFIX}{name}+{:08x}+{}", u32::from_be_bytes(*id), *key))
    }
}

impl<const TYPE: u8> fmt::Debug for PrivateKey<TYPE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl<const TYPE: u8> FromStr for PrivateKey<TYPE> {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, key) = split(text.strip_prefix(PRIVATE_PREFIX).ok_or(KeyError::Encoding)?)?;
        let seed = Zeroizing::new(decode(TYPE, key)?);
        let signer = Self::from_seed(name, &seed)?;
        expect_id(signer.verifier.id, id)?;
        Ok(signer)
    }
}

/// Cuts `name+id+key`; the Base 64 of the key may have pluses of its own.
fn split(text: &str) -> Result<(&str, &str, &str), KeyError> {
    let (name, rest) = text.split_once('+').ok_or(KeyError::Encoding)?;
    let (id, key) = rest.split_once('+').ok_or(KeyError::Encoding)?;
    Ok((name, id, key))
}

fn tagged(kind: u8, key: &[u8; KEY_BYTES]) -> [u8; KEY_BYTES + 1] {
    let mut bytes = [kind; KEY_BYTES + 1];
    bytes[1..].copy_from_slice(key);
    bytes
}

fn decode(want: u8, key: &str) -> Result<[u8; KEY_BYTES], KeyError> {
    let bytes = Zeroizing::new(STANDARD.decode(key).map_err(|_| KeyError::Encoding)?);
    match bytes.split_first() {
        Some((&got, key)) if got == want => key.try_into().map_err(|_| KeyError::Encoding),
        Some((&got, _)) => Err(KeyError::Algorithm { got, want }),
        None => Err(KeyError::Encoding),
    }
}

fn expect_id(want: KeyId, id: &str) -> Result<(), KeyError> {
    let want = u32::from_be_bytes(want);
    if id == format!("{want:08x}") { Ok(()) } else { Err(KeyError::Id) }
}
