//! The one error of this crate: what happened, where, and what to do next.

use std::io;
use std::path::{Path, PathBuf};

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {source}; check that the disk has room and that the folder is yours", path.display())]
    Io {
        /// What was tried, as a verb: "write", "create".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The refusal of the operating system.
        source: io::Error,
    },
    /// SQLite failed while reading, or before anything was written.
    #[error("cannot {action} in {}: {source}; check that the disk has room and is healthy, and that no other program holds the file", path.display())]
    Sqlite {
        /// What was tried, as a verb.
        action: &'static str,
        /// The database file.
        path: PathBuf,
        /// The message of SQLite.
        source: rusqlite::Error,
    },
    /// Postgres failed while reading, or before anything was written.
    #[error(
        "cannot {action} {place}: {detail}; check that the server runs and that this user may use the database"
    )]
    Postgres {
        /// What was tried, as a verb.
        action: &'static str,
        /// Server, user and database; never a password.
        place: String,
        /// The message of the server or of the connection.
        detail: String,
    },
    /// Another process has the store open for writing.
    #[error("{} is already open for writing by {holder}; stop that one first, or open the store for reading only", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, as it introduced itself.
        holder: String,
    },
    /// The file is another program's, or was written by another version of this one.
    #[error("{} is not a {expected}: found {found}; point to the right folder, or use the version of Assay that wrote it", path.display())]
    Format {
        /// The database file.
        path: PathBuf,
        /// The kind of file that was looked for.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// An earlier write failed in a way that leaves its outcome unknown. Nothing may be retried in this process.
    #[error(
        "{place} refuses further work because a write failed ({cause}); stop this process, mend the cause, and start again"
    )]
    Poisoned {
        /// The database.
        place: String,
        /// The error of the failed write.
        cause: String,
    },
    /// Stored bytes are not the bytes that were stored.
    #[error("{place} is damaged: {detail}; restore it from a backup or from a mirror of the public folder")]
    Corrupt {
        /// The file, entry or row.
        place: String,
        /// How it was noticed.
        detail: String,
    },
    /// A bound of this crate would be passed.
    #[error("{what} is {found}, but at most {max} is allowed; send it in smaller parts")]
    Limit {
        /// What is bounded, with its unit.
        what: String,
        /// The size asked for.
        found: u64,
        /// The bound.
        max: u64,
    },
    /// An argument that no store could accept.
    #[error("{0}")]
    Invalid(String),
    /// Something else is already stored there.
    #[error("{place} already holds something else: {detail}")]
    Conflict {
        /// The file or row.
        place: String,
        /// How the two differ and what to do.
        detail: String,
    },
    /// There is nothing of that name.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The object store refused.
    #[error(
        "cannot {action} {place}: {detail}; check that it can be reached from here, has room and is yours"
    )]
    Objects {
        /// What was tried, as a verb.
        action: &'static str,
        /// The object and its store.
        place: String,
        /// The refusal.
        detail: String,
    },
    /// A Parquet table could not be written or read.
    #[error("Parquet table, {place}: {detail}")]
    Table {
        /// The row group, column or row.
        place: String,
        /// What is wrong and what to do.
        detail: String,
    },
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn table(place: impl Into<String>, detail: impl ToString) -> Self {
        Self::Table { place: place.into(), detail: detail.to_string() }
    }

    /// Refuses a `found` above `max`.
    pub(crate) fn within(what: &str, found: u64, max: u64) -> Result<(), Self> {
        if found <= max { Ok(()) } else { Err(Self::Limit { what: what.to_owned(), found, max }) }
    }
}
