//! Commitments to private content by HMAC with a salt of their own, so that short texts cannot be guessed from the
//! public log, and so that erasing content and salt erases the record while every proof stands.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ids::{DatanetId, Digest};

/// 32 random bytes that belong to one content only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; 32]);

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

/// What is committed to. Each kind has a domain of its own: a commitment of one kind never opens as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A record offered to a datanet.
    Record,
    /// A row of a sealed benchmark.
    Benchmark,
    /// A consumer's question.
    Query,
    /// The answer to it.
    Answer,
}

impl Content {
    fn domain(self) -> &'static [u8] {
        match self {
            Self::Record => b"assay/record/v1\n",
            Self::Benchmark => b"assay/benchmark/v1\n",
            Self::Query => b"assay/query/v1\n",
            Self::Answer => b"assay/answer/v1\n",
        }
    }

    fn mac(self, salt: &Salt, origin: &str, datanet: &DatanetId, content: &[u8]) -> Hmac<Sha256> {
        // A key of exactly one length below the block size is used as it is, padded with zeros (RFC 2104).
        let mut key = [0; 64];
        key[..32].copy_from_slice(&salt.0);
        let mut mac = Hmac::<Sha256>::new(&key.into());
        for part in [self.domain(), origin.as_bytes(), &[0], datanet.as_str().as_bytes(), &[0], content] {
            mac.update(part);
        }
        mac
    }

    /// `HMAC-SHA-256(salt, "assay/KIND/v1\n" || origin || 0 || datanet || 0 || content)`. Neither an origin nor a
    /// datanet's name holds a zero byte.
    pub fn commit(self, salt: &Salt, origin: &str, datanet: &DatanetId, content: &[u8]) -> Digest {
        Digest(self.mac(salt, origin, datanet, content).finalize().into_bytes().into())
    }

    /// Whether `commitment` is to this content, in time that does not depend on where they differ.
    pub fn opens(
        self,
        commitment: &Digest,
        salt: &Salt,
        origin: &str,
        datanet: &DatanetId,
        content: &[u8],
    ) -> bool {
        self.mac(salt, origin, datanet, content).verify_slice(&commitment.0).is_ok()
    }
}

/// Merkle root (RFC 6962) over commitments in order; a leaf is the 32 bytes of a commitment.
pub fn root(commitments: &[Digest]) -> Digest {
    let leaves: Vec<_> = commitments.iter().map(|c| assay_tlog::leaf_hash(&c.0)).collect();
    Digest(assay_tlog::root(&leaves).0)
}
