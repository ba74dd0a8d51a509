//! Where a database lives, as a configuration names it.

use std::path::Path;

use crate::StoreError;

/// The place of the log and the vault.
pub(crate) enum Place<'a> {
    /// SQLite files in a folder.
    Folder(&'a Path),
    /// A Postgres database.
    #[cfg(feature = "postgres")]
    Postgres(&'a str),
}

impl<'a> Place<'a> {
    /// Reads an address: a folder, plain or as `file://`, or `postgres://...` in builds that have it. An address
    /// that is refused is not repeated: it may hold a password.
    pub(crate) fn parse(address: &'a str) -> Result<Self, StoreError> {
        match address.split_once("://") {
            None => Ok(Self::Folder(Path::new(address))),
            Some(("file", folder)) => Ok(Self::Folder(Path::new(folder))),
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(address)),
            Some((scheme, _)) => Err(StoreError::Invalid(format!(
                "the log cannot be kept there: this build has no {scheme} store; give a folder, or build with `--features postgres`"
            ))),
        }
    }
}
