//! Whom a reader of checkpoints trusts: the key of a log, or a policy that asks for witnesses too.

use std::io::Read as _;
use std::path::Path;

use assay_store::PublicFiles;
use assay_tlog::{MAX_POLICY_BYTES, Policy, TrustError, Trusted, VerifierKey};

use crate::error::{NodeError, Result};
use crate::node::CHECKPOINT;
use crate::publish::NOTE_BYTES_MAX;

/// Whose checkpoints are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    logs: Vec<VerifierKey>,
    policy: Policy,
}

impl Trust {
    /// The log of `key`, whoever cosigns.
    #[must_use]
    pub fn key(key: VerifierKey) -> Self {
        Self { logs: vec![key], policy: Policy::none() }
    }

    /// The quorum of `policy`; its logs, or the one log of `key`, which must be among them if it names any.
    pub fn policy(policy: Policy, key: Option<VerifierKey>) -> Result<Self> {
        let named: Vec<VerifierKey> = policy.logs().iter().map(|log| log.key.clone()).collect();
        let logs = match key {
            None if named.is_empty() => {
                return Err(NodeError::refused("the policy names no log").hint("give the key of the log too"));
            }
            None => named,
            Some(key) if named.is_empty() || named.contains(&key) => vec![key],
            Some(key) => {
                return Err(NodeError::refused(format!("the policy does not name the log {}", key.name())));
            }
        };
        Ok(Self { logs, policy })
    }

    /// Reads a checkpoint that a trusted log signed and, where a policy asks for it, its quorum cosigned.
    pub fn open(&self, note: &[u8]) -> std::result::Result<Trusted, TrustError> {
        self.policy.open_with(note, &self.logs)
    }

    /// The checkpoint among public files, by their address.
    pub fn open_at(&self, address: &str) -> Result<Trusted> {
        let note = PublicFiles::open(address)?.read(CHECKPOINT, NOTE_BYTES_MAX)?;
        let note =
            note.ok_or_else(|| NodeError::refused(format!("there is no {CHECKPOINT} in {address}")))?;
        self.open(&note).map_err(|e| NodeError::refused(format!("{CHECKPOINT} in {address}: {e}")))
    }
}

/// Reads a policy file (c2sp.org/tlog-policy).
pub fn read_policy(path: &Path) -> Result<Policy> {
    // What is read is bounded, whatever the file says of its length.
    let mut bytes = Vec::new();
    let most = MAX_POLICY_BYTES as u64;
    let read = std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
    read.map_err(|e| NodeError::file(path, &e))?;
    if bytes.len() as u64 > most {
        return Err(NodeError::invalid(format!("{}: more than {most} bytes are no policy", path.display())));
    }
    Policy::parse(&bytes).map_err(|e| NodeError::invalid(format!("{}: {e}", path.display())))
}
