//! One SQLite file opened the careful way: write-ahead log, a sync at every commit, one writer, and no second
//! chance after a failed write.

use std::cell::OnceCell;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::{StoreError, files};

/// How long a statement waits for another connection before it gives up.
const BUSY_WAIT: Duration = Duration::from_secs(5);

/// What makes one kind of database file recognisable.
pub(crate) struct Kind {
    /// For messages: "event store".
    pub(crate) noun: &'static str,
    /// `PRAGMA application_id`.
    pub(crate) application_id: i32,
    /// `PRAGMA user_version`.
    pub(crate) version: i32,
    /// The tables, created in a new file.
    pub(crate) schema: &'static str,
    /// Whether deleted bytes are overwritten.
    pub(crate) secure_delete: bool,
}

/// An open database file.
pub(crate) struct Database {
    conn: Connection,
    path: PathBuf,
    poison: OnceCell<String>,
    // After the connection, so that it is released after it.
    _lock: Option<Lock>,
}

impl Database {
    /// Opens or creates `folder/name` as its only writer.
    pub(crate) fn open_writer(folder: &Path, name: &str, kind: &Kind) -> Result<Self, StoreError> {
        files::create_folder(folder)?;
        let path = folder.join(name);
        let lock = Lock::take(&path.with_extension("lock"))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut database = Self::open(path, flags, Some(lock))?;
        database.configure(kind).map_err(|source| database.sqlite("set up", source))?;
        let mode = database.pragma_text("journal_mode")?;
        if mode != "wal" {
            let found =
                format!("journal mode {mode}, where a write-ahead log is needed (is this a network disk?)");
            return Err(database.format(kind, found));
        }
        if database.is_blank()? {
            database.create(kind)?;
        }
        // Always: whoever created the files may have crashed before their names were durable.
        files::sync_folder(folder)?;
        database.recognise(kind)?;
        Ok(database)
    }

    /// Opens `folder/name` for reading, beside a writer or without one.
    pub(crate) fn open_reader(folder: &Path, name: &str, kind: &Kind) -> Result<Self, StoreError> {
        let path = folder.join(name);
        if !path.is_file() {
            return Err(StoreError::NotFound(format!("the {} {}", kind.noun, path.display())));
        }
        let database =
            Self::open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX, None)?;
        database.recognise(kind)?;
        Ok(database)
    }

    fn open(path: PathBuf, flags: OpenFlags, lock: Option<Lock>) -> Result<Self, StoreError> {
        let opened = Connection::open_with_flags(&path, flags).and_then(|conn| {
            conn.busy_timeout(BUSY_WAIT)?;
            // A mapped file turns an input-output error into a signal, and hides damage from checks.
            conn.pragma_update(None, "mmap_size", 0)?;
            conn.pragma_update(None, "trusted_schema", false)?;
            conn.pragma_update(None, "cell_size_check", true)?;
            Ok(conn)
        });
        match opened {
            Ok(conn) => Ok(Self { conn, path, poison: OnceCell::new(), _lock: lock }),
            Err(source) => Err(StoreError::Sqlite { action: "open the database", path, source }),
        }
    }

    fn configure(&self, kind: &Kind) -> rusqlite::Result<()> {
        self.conn.pragma_update(None, "journal_mode", "WAL")?;
        self.conn.pragma_update(None, "synchronous", "FULL")?;
        self.conn.pragma_update(None, "secure_delete", kind.secure_delete)
    }

    fn is_blank(&self) -> Result<bool, StoreError> {
        let objects: i64 = self.read("look for tables", |conn| {
            conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        })?;
        Ok(objects == 0 && self.pragma_number("application_id")? == 0)
    }

    fn create(&mut self, kind: &Kind) -> Result<(), StoreError> {
        self.write("create the tables", |tx| {
            tx.execute_batch(kind.schema)?;
            tx.pragma_update(None, "application_id", kind.application_id)?;
            tx.pragma_update(None, "user_version", kind.version)?;
            Ok(Ok(()))
        })
    }

    fn recognise(&self, kind: &Kind) -> Result<(), StoreError> {
        let (id, version) = (self.pragma_number("application_id")?, self.pragma_number("user_version")?);
        if id != kind.application_id {
            return Err(self.format(kind, format!("application id {id:#x}")));
        }
        if version != kind.version {
            return Err(self.format(
                kind,
                format!("format version {version}, where this program knows {}", kind.version),
            ));
        }
        Ok(())
    }

    fn format(&self, kind: &Kind, found: String) -> StoreError {
        StoreError::Format { path: self.path.clone(), expected: kind.noun, found }
    }

    fn pragma_number(&self, name: &str) -> Result<i32, StoreError> {
        self.read("read the settings", |conn| conn.pragma_query_value(None, name, |row| row.get(0)))
    }

    fn pragma_text(&self, name: &str) -> Result<String, StoreError> {
        self.read("read the settings", |conn| conn.pragma_query_value(None, name, |row| row.get(0)))
    }

    fn sqlite(&self, action: &'static str, source: rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        if matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase)) {
            return StoreError::Corrupt { place: self.place(), detail: source.to_string() };
        }
        StoreError::Sqlite { action, path: self.path.clone(), source }
    }

    /// The file, for messages.
    pub(crate) fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// Refuses everything after a failed write.
    pub(crate) fn sound(&self) -> Result<(), StoreError> {
        match self.poison.get() {
            None => Ok(()),
            Some(cause) => Err(StoreError::Poisoned { place: self.place(), cause: cause.clone() }),
        }
    }

    /// Runs a query. `action` completes "cannot ...".
    pub(crate) fn read<T>(
        &self,
        action: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.sound()?;
        query(&self.conn).map_err(|source| self.sqlite(action, source))
    }

    /// Runs one durable transaction. The body answers `Ok(Ok(value))` to commit and `Ok(Err(refusal))` to leave
    /// everything as it was. An error of SQLite poisons the store: after a failed sync nobody knows what the disk
    /// holds, and asking again could be answered from memory.
    pub(crate) fn write<T, R: From<StoreError>>(
        &mut self,
        action: &'static str,
        body: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<Result<T, R>>,
    ) -> Result<T, R> {
        self.sound()?;
        let path = &self.path;
        let begun = self.conn.transaction_with_behavior(TransactionBehavior::Immediate);
        // Nothing was touched yet: another connection is busy, or the disk cannot be read.
        let tx = begun.map_err(|source| StoreError::Sqlite { action, path: path.clone(), source })?;
        let outcome = body(&tx).and_then(|outcome| {
            if outcome.is_ok() {
                tx.commit()?
            } else {
                tx.rollback()?
            }
            Ok(outcome)
        });
        outcome.unwrap_or_else(|source| Err(self.condemn(action, source).into()))
    }

    /// Runs statements that cannot stand inside a transaction (`VACUUM`), with the same rule for errors.
    pub(crate) fn maintain<T>(
        &mut self,
        action: &'static str,
        body: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.sound()?;
        body(&self.conn).map_err(|source| self.condemn(action, source))
    }

    fn condemn(&self, action: &'static str, source: rusqlite::Error) -> StoreError {
        let cause = format!("cannot {action}: {source}");
        let _ = self.poison.set(cause.clone());
        StoreError::Poisoned { place: self.place(), cause }
    }

    /// The checks that SQLite has for its own pages and indexes.
    pub(crate) fn check_pages(&self) -> Result<(), StoreError> {
        let verdict: String = self.read("check the pages", |conn| {
            conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        })?;
        if verdict == "ok" {
            Ok(())
        } else {
            Err(StoreError::Corrupt { place: self.place(), detail: verdict })
        }
    }
}

/// The lock file of a writer. The operating system releases it even after `kill -9`.
struct Lock(File);

impl Lock {
    /// Takes the lock or says who has it.
    fn take(path: &Path) -> Result<Self, StoreError> {
        let io = |error| StoreError::io("lock", path)(error);
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Only for the message: where the system forbids reading a locked file, the name stays unknown.
                let _ = Read::by_ref(&mut file).take(64).read_to_string(&mut holder);
                let holder = if holder.is_empty() { "another process".to_owned() } else { holder };
                return Err(StoreError::Locked { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        write!(file, "process {}", std::process::id()).map_err(io)?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    /// Closing is not enough: a child process that is just being started may hold a copy of the handle.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}
