//! Signatures of many commands, by the rules of [`Signed::verify`] for each.
//!
//! This is no batch verification, which accepts signatures that are refused one by one (Chalkias, Garillot and Nikolaenko
//! 2020, "Taming the many EdDSAs"). For every signature `R' = sB - kA` is computed and its encoding compared with `R`, as
//! RFC 8032 (section 5.1.7) has it without the cofactor. What is shared is the decoding of a key that has signed several, and the one
//! inversion behind all encodings (Montgomery 1987). `R` is not decoded: it is the encoding of `R'`, or the signature is wrong.

use std::collections::BTreeMap;

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha512};

use crate::command::{Signed, message};
use crate::ids::PublicKey;

/// Signatures that share an inversion, so that memory has a bound.
const SHARED: usize = 256;

/// Whether each command is signed by the key beside it.
pub fn verified(batch: &[(&Signed, PublicKey)]) -> Vec<bool> {
    let mut keys = BTreeMap::new();
    batch.chunks(SHARED).flat_map(|chunk| verified_at_once(chunk, &mut keys)).collect()
}

/// Minus the point of each key; `None` where the strict rules take no signature of it.
type Keys = BTreeMap<[u8; 32], Option<EdwardsPoint>>;

fn verified_at_once(chunk: &[(&Signed, PublicKey)], keys: &mut Keys) -> Vec<bool> {
    let signed_with = |(signed, key): &(&Signed, PublicKey)| {
        let minus = (*keys.entry(key.0).or_insert_with(|| minus_of(key)))?;
        expected_r(signed, key, &minus).filter(|point| !point.is_small_order())
    };
    let expected: Vec<Option<EdwardsPoint>> = chunk.iter().map(signed_with).collect();
    let points: Vec<EdwardsPoint> =
        expected.iter().map(|point| point.unwrap_or_else(EdwardsPoint::identity)).collect();
    let encoded = EdwardsPoint::compress_batch_alloc(&points);
    let is_r = |(((signed, _), point), encoded): ((&(&Signed, PublicKey), _), &CompressedEdwardsY)| {
        Option::is_some(point) && encoded.0 == signed.signature.0[..32]
    };
    chunk.iter().zip(&expected).zip(&encoded).map(is_r).collect()
}

fn minus_of(key: &PublicKey) -> Option<EdwardsPoint> {
    let point = VerifyingKey::from_bytes(&key.0).ok()?.to_edwards();
    (!point.is_small_order()).then(|| -point)
}

/// `sB - kA` of a signature `(R, s)` by `A`, where `k` is SHA-512 of `R`, `A` and the message; `None` where `s` is not reduced.
fn expected_r(signed: &Signed, key: &PublicKey, minus: &EdwardsPoint) -> Option<EdwardsPoint> {
    let (r, s) = signed.signature.0.split_first_chunk::<32>()?;
    let s = Option::<Scalar>::from(Scalar::from_canonical_bytes(s.try_into().ok()?))?;
    let digest = signed.intent.digest().ok()?;
    let hash = Sha512::new().chain_update(r).chain_update(key.0).chain_update(message(&digest));
    let k = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
    Some(EdwardsPoint::vartime_double_scalar_mul_basepoint(&k, minus, &s))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;

    use super::*;
    use crate::amount::Amount;
    use crate::command::{Command, Intent};
    use crate::ids::{AccountId, Nonce, Signature};

    fn key(at: u8) -> SigningKey {
        SigningKey::from_bytes(&[at; 32])
    }

    fn signed(at: u8, nonce: u8) -> Signed {
        let (amount, reference) = (Amount::new(5).unwrap(), "wire".parse().unwrap());
        let actor = AccountId::of(&PublicKey::from(&key(at)));
        let command = Command::Withdraw { amount, reference };
        Intent { origin: "example.org/log".into(), actor, nonce: Nonce([nonce; 16]), command }
            .sign(&key(at))
            .unwrap()
    }

    /// What a forger may try: all of it is judged as one by one.
    fn forged(signed: &mut Signed, key: &mut PublicKey, trick: u8, at: usize) {
        let torsion = EIGHT_TORSION[at % 8];
        match trick {
            0 => {}
            1 => signed.signature.0[at % 64] ^= 1 << (at % 8),
            2 => key.0[at % 32] ^= 1 << (at % 8),
            3 => signed.signature.0[..32].copy_from_slice(torsion.compress().as_bytes()),
            4 => key.0 = torsion.compress().0,
            // The same scalar, not reduced: the order of the group added.
            5 => {
                let order = (-Scalar::ONE).to_bytes();
                let mut carry = 1;
                for (byte, add) in signed.signature.0[32..].iter_mut().zip(order) {
                    let sum = u16::from(*byte) + u16::from(add) + carry;
                    (*byte, carry) = (sum as u8, sum >> 8);
                }
            }
            // A key and an R with a part of small order, which rules with and without the cofactor tell apart.
            6 => key.0 = (VerifyingKey::from_bytes(&key.0).unwrap().to_edwards() + torsion).compress().0,
            7 => {
                let r = CompressedEdwardsY(signed.signature.0[..32].try_into().unwrap());
                let r = r.decompress().unwrap() + torsion;
                signed.signature.0[..32].copy_from_slice(&r.compress().0);
            }
            8 => signed.signature = Signature([0; 64]),
            _ => signed.intent.nonce.0[at % 16] ^= 1,
        }
    }

    proptest! {
        #[test]
        fn many_are_judged_as_one_by_one(tricks in prop::collection::vec((0u8..4, 0u8..10, any::<usize>()), 0..12)) {
            let batch: Vec<(Signed, PublicKey)> = tricks.iter().map(|&(by, trick, at)| {
                let (mut signed, mut key) = (signed(by, at as u8), PublicKey::from(&key(by)));
                forged(&mut signed, &mut key, trick, at);
                (signed, key)
            }).collect();
            let asked: Vec<(&Signed, PublicKey)> = batch.iter().map(|(signed, key)| (signed, *key)).collect();
            let one_by_one: Vec<bool> = asked.iter().map(|(signed, key)| signed.verify(key)).collect();
            prop_assert_eq!(verified(&asked), one_by_one);
        }
    }

    /// A signature whose key and `R` are both of small order holds for every message under lax rules.
    #[test]
    fn nothing_of_small_order_signs() {
        let mut lax = signed(1, 1);
        for torsion in EIGHT_TORSION {
            lax.signature.0[..32].copy_from_slice(torsion.compress().as_bytes());
            lax.signature.0[32..].fill(0);
            for torsion in EIGHT_TORSION {
                assert_eq!(verified(&[(&lax, PublicKey(torsion.compress().0))]), [false]);
            }
        }
    }

    #[test]
    fn more_than_share_an_inversion() {
        let batch: Vec<Signed> = (0..=255).chain(0..=255).map(|nonce| signed(nonce % 5, nonce)).collect();
        let with = |by: usize| -> Vec<bool> {
            let key = |at: usize| PublicKey::from(&key(((at % 256 + by) % 5) as u8));
            verified(&batch.iter().enumerate().map(|(at, signed)| (signed, key(at))).collect::<Vec<_>>())
        };
        assert_eq!(with(0), [true; 512]);
        assert!(with(1).iter().enumerate().all(|(at, &is)| is == ((at % 256) % 5 == (at % 256 + 1) % 5)));
    }
}
