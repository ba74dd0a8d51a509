//! Keys of accounts: replaced by their holders, and taken back with a recovery key when they were stolen.

use assay_ledger::command::Command;
use assay_ledger::ids::{AccountId, PublicKey};
use assay_ledger::key::{Claim, Purpose};
use ed25519_dalek::SigningKey;
use serde::Serialize;

use crate::error::{NodeError, Result};
use crate::home::{LOG, OPERATOR};
use crate::node::Node;

/// A key that the log holds now.
#[derive(Clone, Debug, Serialize)]
pub struct Rekeyed {
    /// Whose.
    pub account: AccountId,
    /// Its public half.
    pub key: PublicKey,
    /// The entry that names it.
    pub entry: u64,
}

impl Node {
    /// Replaces the key `name` of this home by a new one. Given again after a kill, it goes on with the same new key.
    pub fn rotate_key(&mut self, name: &str) -> Result<Rekeyed> {
        let _lock = self.home().lock_keys()?;
        let old = self.home().key(name)?;
        self.require_signer(name, &PublicKey::from(&old))?;
        let new = self.next_key(name)?;
        self.name_key(&old, &new, Purpose::Sign, |key, proof| Command::RotateKey { key, proof })
    }

    /// Takes an account back: the key `name` of this home becomes a new one, by the word of the account's recovery key.
    pub fn recover_key(&mut self, name: &str, recovery: &SigningKey) -> Result<Rekeyed> {
        let _lock = self.home().lock_keys()?;
        let account = self.account_of(recovery);
        if self.home().has_key(name)? && self.account_of(&self.home().key(name)?) != account {
            return Err(NodeError::refused(format!("the key {name} is not one of account {account}"))
                .hint("name the account's key, or a name that no key has"));
        }
        self.follow()?;
        if self.state().recovery(&account) != Some(&PublicKey::from(recovery)) {
            return Err(NodeError::refused("that is not the recovery key that an account of this log has"));
        }
        let new = self.next_key(name)?;
        self.name_key(recovery, &new, Purpose::Sign, |key, proof| Command::RecoverKey { key, proof })
    }

    /// Names the key that can take the account of `by` back. Where there is one already, only that one may.
    pub fn set_recovery(&mut self, by: &SigningKey, recovery: &SigningKey) -> Result<Rekeyed> {
        let _lock = self.home().lock_keys()?;
        self.name_key(by, recovery, Purpose::Recover, |key, proof| Command::SetRecovery { key, proof })
    }

    /// Refuses before a new key is made what the log would refuse after it.
    fn require_signer(&mut self, name: &str, key: &PublicKey) -> Result<()> {
        self.follow()?;
        let account = self.state().account_of(key);
        match self.state().accounts().get(&account) {
            _ if name == LOG => Ok(()),
            None => Err(NodeError::refused(format!(
                "the key {name} has no account in this log yet: there is nothing to replace"
            ))
            .hint("make another key under another name with `assay key new`")),
            Some(now) if now != key => Err(NodeError::refused(format!(
                "the key {name} signs no more: its account {account} has another key now"
            ))
            .hint("where that was not you, take it back with `assay key recover`")),
            Some(_) => Ok(()),
        }
    }

    fn next_key(&self, name: &str) -> Result<SigningKey> {
        match name {
            LOG => Err(NodeError::refused(
                "the key log signs checkpoints, and the first entry names it for good",
            )
            .hint("a new log key is a new log")),
            name => self.home().next_key(name, self.state()),
        }
    }

    fn name_key(
        &mut self,
        by: &SigningKey,
        new: &SigningKey,
        purpose: Purpose,
        command: impl FnOnce(PublicKey, assay_ledger::ids::Signature) -> Command,
    ) -> Result<Rekeyed> {
        let (account, key) = (self.account_of(by), PublicKey::from(new));
        let proof = Claim { origin: self.home().origin(), account: &account, purpose }.sign(new)?;
        let entry = self.act(by, command(key, proof))?;
        // Only now: what an append that failed has left in memory may not be in the log.
        self.home().take_up_keys(self.state())?;
        self.operator = self.home().key(OPERATOR)?;
        Ok(Rekeyed { account, key, entry })
    }
}
