//! Keys of an account: replaced, recovered when one was stolen, and never used again by anybody.
//!
//! An account is named after the key that opened it and keeps that name. A key that is replaced signs nothing from that
//! entry on; what it signed before stays. A **recovery key** signs two things only: which key the account has from now
//! on, and which recovery key comes after it. So whoever has stolen the account's key cannot keep the account.

use ed25519_dalek::{Signer as _, SigningKey};
use serde::Serialize;

use crate::codec::{CodecError, canonical};
use crate::command::signed_by;
use crate::decide::View;
use crate::event::Outcome;
use crate::ids::{AccountId, Digest, PublicKey, Signature};
use crate::refusal::{Refusal, require, require_field};
use crate::state::State;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Signs the account's commands.
    Sign,
    /// Replaces the key that does.
    Recover,
}

/// What the holder of a new key states by signing `"assay/key/v1\n" || SHA-256(canonical JSON of this)`: that it is to be a
/// key of this account in this log. So nobody can name a key that is not theirs, or use the statement elsewhere.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Claim<'a> {
    /// Origin of the log.
    pub origin: &'a str,
    /// The account.
    pub account: &'a AccountId,
    /// What the key is to be for.
    pub purpose: Purpose,
}

impl Claim<'_> {
    /// The proof that goes into the command that names `key`.
    pub fn sign(&self, key: &SigningKey) -> Result<Signature, CodecError> {
        Ok(Signature(key.sign(&self.message()?).to_bytes()))
    }

    fn holds(&self, key: &PublicKey, proof: &Signature) -> bool {
        self.message().is_ok_and(|message| signed_by(key, &message, proof))
    }

    fn message(&self) -> Result<Vec<u8>, CodecError> {
        Ok([b"assay/key/v1\n", &Digest::of(&canonical(self)?).0[..]].concat())
    }
}

impl State {
    /// The account that a key acts for or ever did: the one that named it, else the one that it opens.
    pub fn account_of(&self, key: &PublicKey) -> AccountId {
        self.keys.get(key).cloned().unwrap_or_else(|| AccountId::of(key))
    }

    /// Whether an account has, or ever had, this key.
    pub fn has_used(&self, key: &PublicKey) -> bool {
        self.keys.contains_key(key) || self.accounts.contains_key(&AccountId::of(key))
    }

    /// The key that may replace the account's key, if it has named one.
    pub fn recovery(&self, account: &AccountId) -> Option<&PublicKey> {
        self.recovery.get(account)
    }
}

/// That no account has ever had `key`.
pub(crate) fn require_unused(view: &View<'_>, key: &PublicKey) -> Result<(), Refusal> {
    require(!view.state.has_used(key), || {
        let account = view.state.account_of(key);
        Refusal::rule(format!(
            "{key} is or was a key of account {account}, and a key is used once; draw a new one"
        ))
    })
}

pub(crate) fn decide(
    view: &View<'_>,
    key: &PublicKey,
    proof: &Signature,
    purpose: Purpose,
) -> Result<Outcome, Refusal> {
    require_unused(view, key)?;
    let claim = Claim { origin: &view.state.origin, account: view.actor, purpose };
    require_field(claim.holds(key, proof), "proof", || {
        format!("must be a signature of {key} over this log, the account and what the key is for")
    })?;
    Ok(Outcome::default())
}

pub(crate) fn apply(state: &mut State, account: &AccountId, key: &PublicKey, purpose: Purpose) {
    state.keys.insert(*key, account.clone());
    match purpose {
        Purpose::Sign => state.accounts.insert(account.clone(), *key),
        Purpose::Recover => state.recovery.insert(account.clone(), *key),
    };
}
