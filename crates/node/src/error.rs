//! The five kinds of error at the edge, each with a hint.

use std::fmt;
use std::path::Path;

use assay_ledger::refusal::Refusal;

/// What kind of thing went wrong: decides the exit code and, on the wire, the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Understood, and against a rule.
    Refused,
    /// Not understood: malformed input.
    Invalid,
    /// Names something that does not exist.
    NotFound,
    /// Cannot be done now; later perhaps.
    Unavailable,
    /// Our fault.
    Bug,
}

/// An error that a person can act upon: what happened, and what to do.
#[derive(Clone, Debug)]
pub struct NodeError {
    /// Kind.
    pub kind: Kind,
    /// What happened and where.
    pub what: String,
    /// What to do, if there is something.
    pub hint: Option<String>,
}

/// Short for a result with a [`NodeError`].
pub type Result<T> = std::result::Result<T, NodeError>;

impl NodeError {
    /// An error of this kind.
    pub fn new(kind: Kind, what: impl fmt::Display) -> Self {
        Self { kind, what: what.to_string(), hint: None }
    }

    /// Against a rule.
    pub fn refused(what: impl fmt::Display) -> Self {
        Self::new(Kind::Refused, what)
    }

    /// Malformed.
    pub fn invalid(what: impl fmt::Display) -> Self {
        Self::new(Kind::Invalid, what)
    }

    /// Missing.
    pub fn not_found(what: impl fmt::Display) -> Self {
        Self::new(Kind::NotFound, what)
    }

    /// Not now.
    pub fn unavailable(what: impl fmt::Display) -> Self {
        Self::new(Kind::Unavailable, what)
    }

    /// Our fault.
    pub fn bug(what: impl fmt::Display) -> Self {
        Self::new(Kind::Bug, what)
    }

    /// A file that could not be read or written.
    pub fn file(path: &Path, error: &std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => Kind::NotFound,
            _ => Kind::Unavailable,
        };
        Self::new(kind, format!("{}: {error}", path.display()))
    }

    /// The same, with what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for NodeError {}

impl From<Refusal> for NodeError {
    fn from(refusal: Refusal) -> Self {
        use assay_ledger::refusal::Kind as Why;
        let kind = match refusal.kind() {
            Why::Refused => Kind::Refused,
            Why::Invalid => Kind::Invalid,
            Why::NotFound => Kind::NotFound,
        };
        let error = Self::new(kind, &refusal);
        match refusal {
            Refusal::Money { .. } => error.hint(
                "the operator records a payment with `assay deposit NAME|ACCOUNT AMOUNT --reference REF`",
            ),
            _ => error,
        }
    }
}

impl From<assay_store::StoreError> for NodeError {
    fn from(error: assay_store::StoreError) -> Self {
        Self::new(Kind::Unavailable, error)
    }
}

impl From<assay_store::AppendError> for NodeError {
    fn from(error: assay_store::AppendError) -> Self {
        Self::new(Kind::Unavailable, error)
    }
}

/// Errors of our own pure crates about things that we made ourselves: if they happen, we are wrong.
macro_rules! bugs {
    ($($error:ty),*) => {
        $(impl From<$error> for NodeError {
            fn from(error: $error) -> Self {
                Self::bug(error)
            }
        })*
    };
}
bugs!(assay_ledger::codec::CodecError, assay_tlog::KeyError, assay_tlog::CheckpointError, serde_json::Error);
