//! Why a command is not accepted.

use crate::amount::Place;
use crate::codec::CodecError;
use crate::ids::AccountId;

/// Why a command is not accepted. Nothing was written; the text says what, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The same command again: the caller gets the first answer.
    #[error("this command was accepted before, as entry {seq}")]
    Already {
        /// Its place in the log.
        seq: u64,
    },
    /// Another command under a nonce that the actor has used.
    #[error("the nonce was used by another command, entry {seq}; draw a new nonce")]
    NonceReused {
        /// Place of the other command in the log.
        seq: u64,
    },
    /// Meant for another log.
    #[error("the command was signed for the log {found:?}, and this is {expected:?}")]
    Origin {
        /// Origin of this log.
        expected: String,
        /// Origin in the command.
        found: String,
    },
    /// Not signed by the key that the actor has now.
    #[error(
        "the signature is not that of {actor} over this command; sign again with the key that the account has now"
    )]
    Signature {
        /// Who the command says that it is from.
        actor: AccountId,
    },
    /// Something named is not there.
    #[error("there is no {what} {name}")]
    NotFound {
        /// Kind of thing.
        what: &'static str,
        /// The name given.
        name: String,
    },
    /// The actor does not have the role.
    #[error("{actor} may not do this, only {needs} may")]
    Role {
        /// Who asked.
        actor: AccountId,
        /// Who may.
        needs: &'static str,
    },
    /// A field has a value that it cannot have.
    #[error("{field}: {why}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong, and what it must be.
        why: String,
    },
    /// Not enough money.
    #[error("{place} holds {has}, and {needs} base units are needed; deposit the difference first")]
    Money {
        /// Where.
        place: Place,
        /// What is there.
        has: u128,
        /// What is needed.
        needs: u128,
    },
    /// Well-formed, but against a rule in the present state.
    #[error("{0}")]
    Rule(String),
    /// No valid entry can be made of it.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// What kind of refusal it is: decides the exit code and the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Against a rule; may hold later or for someone else.
    Refused,
    /// Never acceptable as it stands.
    Invalid,
    /// Names something that does not exist.
    NotFound,
}

impl Refusal {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::NotFound { .. } => Kind::NotFound,
            Self::Origin { .. } | Self::Signature { .. } | Self::Field { .. } | Self::Codec(_) => {
                Kind::Invalid
            }
            Self::Already { .. }
            | Self::NonceReused { .. }
            | Self::Role { .. }
            | Self::Money { .. }
            | Self::Rule(_) => Kind::Refused,
        }
    }

    pub(crate) fn field(field: &'static str, why: impl Into<String>) -> Self {
        Self::Field { field, why: why.into() }
    }

    pub(crate) fn rule(why: impl Into<String>) -> Self {
        Self::Rule(why.into())
    }

    pub(crate) fn not_found(what: &'static str, name: impl ToString) -> Self {
        Self::NotFound { what, name: name.to_string() }
    }
}

/// Refuses with `refusal()` unless `holds`.
pub(crate) fn require(holds: bool, refusal: impl FnOnce() -> Refusal) -> Result<(), Refusal> {
    match holds {
        true => Ok(()),
        false => Err(refusal()),
    }
}

/// Refuses a field unless `holds`.
pub(crate) fn require_field(
    holds: bool,
    field: &'static str,
    why: impl FnOnce() -> String,
) -> Result<(), Refusal> {
    require(holds, || Refusal::field(field, why()))
}
