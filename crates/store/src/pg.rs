//! One connection to Postgres, used the careful way: a durable commit, serialisable writes, and no second chance after a
//! write whose outcome is unknown.
//!
//! The address of a store is `postgres://USER@HOST:PORT/DATABASE` and never holds a secret: the password comes from
//! `PGPASSWORD` or from the file that `PGPASSFILE` names. Connections are plain, for one machine, a private network or
//! a tunnel, unless the address says `sslmode=require`: then they are encrypted, and the server's certificate is checked.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use postgres::config::{Host, SslMode};
use postgres::error::SqlState;
use postgres::{Client, Config, Error, NoTls};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{StoreError, https, pgpass};

/// How long a connection may take.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// How long the other side may be silent before the connection counts as lost.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How often a write that Postgres aborted because of another one is run again.
const TRIES: u32 = 10;

/// What every connection asks of the server: how long it waits for another writer, and how long a writer that says
/// nothing more keeps others waiting.
const SETTINGS: &str = "SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '30s';
    SET client_min_messages = warning";

/// The tables of one kind of store.
pub(crate) struct Schema {
    /// For messages and for recognition: "event store".
    pub(crate) noun: &'static str,
    /// Version of the tables.
    pub(crate) version: i32,
    /// The tables, created where they are missing.
    pub(crate) tables: &'static str,
}

/// An open connection.
pub(crate) struct Pg {
    client: RefCell<Client>,
    place: String,
    poison: OnceCell<String>,
}

impl Pg {
    /// Connects for writing, creating the tables if missing.
    pub(crate) fn open_writer(url: &str, schema: &Schema) -> Result<Self, StoreError> {
        let mut pg = Self::connect(url)?;
        pg.require_durability()?;
        if pg.version(schema)?.is_none() {
            pg.create(schema)?;
        }
        pg.recognise(schema)?;
        Ok(pg)
    }

    /// Connects for reading what a writer has made.
    pub(crate) fn open_reader(url: &str, schema: &Schema) -> Result<Self, StoreError> {
        let pg = Self::connect(url)?;
        pg.recognise(schema)?;
        Ok(pg)
    }

    fn connect(url: &str) -> Result<Self, StoreError> {
        let config = configure(url)?;
        let place = place_of(&config);
        let connected = match config.get_ssl_mode() {
            SslMode::Require => config.connect(encrypted()?),
            _ => config.connect(NoTls),
        };
        let connected = connected.and_then(|mut client| {
            client.batch_execute(SETTINGS)?;
            Ok(client)
        });
        match connected {
            Ok(client) => Ok(Self { client: RefCell::new(client), place, poison: OnceCell::new() }),
            Err(error) => Err(failed("connect to", &place, &error)),
        }
    }

    /// A server that does not sync acknowledges what a power cut takes back.
    fn require_durability(&self) -> Result<(), StoreError> {
        let lax: Vec<String> = self.read("read the settings of", |client| {
            let rows = client.query_typed(
                "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting = 'off'",
                &[],
            )?;
            // Any other value waits for the disk of this server at least.
            client.batch_execute(
                "SELECT set_config('synchronous_commit', 'on', false)
                 WHERE current_setting('synchronous_commit') = 'off'",
            )?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        })?;
        match lax.as_slice() {
            [] => Ok(()),
            names => Err(StoreError::Invalid(format!(
                "{} runs with {} off and may lose what it acknowledged; set it on",
                self.place,
                names.join(" and ")
            ))),
        }
    }

    /// The version of the tables; `None` if there are none.
    fn version(&self, schema: &Schema) -> Result<Option<i32>, StoreError> {
        self.read("look for tables in", |client| {
            let known: bool =
                client.query_typed_one("SELECT to_regclass('assay_store') IS NOT NULL", &[])?.get(0);
            if !known {
                return Ok(None);
            }
            let query = "SELECT version FROM assay_store WHERE noun = $1";
            let row = client.query_typed_opt(query, &[(&schema.noun, postgres::types::Type::TEXT)])?;
            Ok(row.map(|row| row.get(0)))
        })
    }

    fn create(&mut self, schema: &Schema) -> Result<(), StoreError> {
        // Of several nodes that start at once, one creates and the others find.
        let lock = "SELECT pg_advisory_xact_lock(hashtext('assay_store'));
            CREATE TABLE IF NOT EXISTS assay_store (noun TEXT PRIMARY KEY, version INT4 NOT NULL)";
        let mark = format!("INSERT INTO assay_store VALUES ('{}', {})", schema.noun, schema.version);
        let known = format!("SELECT 1 FROM assay_store WHERE noun = '{}'", schema.noun);
        self.transact("create the tables", "READ COMMITTED", lock, |client| {
            if client.query_typed_opt(&known, &[])?.is_none() {
                client.batch_execute(schema.tables)?;
                client.batch_execute(&mark)?;
            }
            Ok(Ok(()))
        })
    }

    fn recognise(&self, schema: &Schema) -> Result<(), StoreError> {
        let (noun, place) = (schema.noun, &self.place);
        match self.version(schema)? {
            Some(version) if version == schema.version => Ok(()),
            None => Err(StoreError::NotFound(format!("the {noun} in {place}"))),
            Some(version) => Err(StoreError::Invalid(format!(
                "the {noun} in {place} has format version {version}, where this program knows {}; use the version of Assay that wrote it",
                schema.version
            ))),
        }
    }

    /// Server and database, for messages.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    fn sound(&self) -> Result<(), StoreError> {
        match self.poison.get() {
            None => Ok(()),
            Some(cause) => Err(StoreError::Poisoned { place: self.place.clone(), cause: cause.clone() }),
        }
    }

    /// Runs a query. `action` completes "cannot ... PLACE".
    pub(crate) fn read<T>(
        &self,
        action: &'static str,
        query: impl FnOnce(&mut Client) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        self.sound()?;
        query(&mut self.client.borrow_mut()).map_err(|error| failed(action, &self.place, &error))
    }

    /// Runs one durable serialisable transaction, which begins with `lock`. The body answers `Ok(Ok(value))` to commit
    /// and `Ok(Err(refusal))` to leave everything as it was. What Postgres aborted because of another transaction is
    /// run again; any other error poisons the store, since the commit may have happened.
    pub(crate) fn write<T, R: From<StoreError>>(
        &mut self,
        action: &'static str,
        lock: &str,
        body: impl FnMut(&mut Client) -> Result<Result<T, R>, Error>,
    ) -> Result<T, R> {
        self.transact(action, "SERIALIZABLE", lock, body)
    }

    fn transact<T, R: From<StoreError>>(
        &mut self,
        action: &'static str,
        isolation: &str,
        lock: &str,
        mut body: impl FnMut(&mut Client) -> Result<Result<T, R>, Error>,
    ) -> Result<T, R> {
        self.sound()?;
        let client = self.client.get_mut();
        let begin = format!("BEGIN ISOLATION LEVEL {isolation}; {lock}");
        let mut tries = 0;
        loop {
            tries += 1;
            let outcome = client.batch_execute(&begin).and_then(|()| body(client)).and_then(|outcome| {
                client.batch_execute(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
                Ok(outcome)
            });
            let error = match outcome {
                Ok(outcome) => return outcome,
                Err(error) => error,
            };
            // Answers that say for certain that nothing was committed.
            let aborted = error.code().is_some_and(is_aborted);
            if aborted && client.batch_execute("ROLLBACK").is_ok() {
                if tries < TRIES {
                    continue;
                }
                return Err(failed(action, &self.place, &error).into());
            }
            let cause = format!("cannot {action}: {}", told(&error));
            let _ = self.poison.set(cause.clone());
            return Err(StoreError::Poisoned { place: self.place.clone(), cause }.into());
        }
    }

    /// Runs statements that cannot stand inside a transaction (`VACUUM`); `false` if another connection is in the way.
    pub(crate) fn maintain(&mut self, action: &'static str, statements: &[&str]) -> Result<bool, StoreError> {
        self.sound()?;
        let client = self.client.get_mut();
        for statement in statements {
            match client.batch_execute(statement) {
                Ok(()) => {}
                Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => return Ok(false),
                Err(error) => return Err(failed(action, &self.place, &error)),
            }
        }
        Ok(true)
    }
}

fn is_aborted(code: &SqlState) -> bool {
    [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::LOCK_NOT_AVAILABLE]
        .contains(code)
}

fn configure(url: &str) -> Result<Config, StoreError> {
    // Nothing of the address is repeated: somebody may have put a password into it.
    let mut config: Config = url.parse().map_err(|_| {
        StoreError::Invalid(
            "the store's address does not read as postgres://USER@HOST:PORT/DATABASE, with ?sslmode=require for a \
             connection that is encrypted to a server whose certificate is checked"
                .to_owned(),
        )
    })?;
    if config.get_password().is_some() {
        return Err(StoreError::Invalid(
            "the store's address holds a password; take it out and set PGPASSWORD or PGPASSFILE".to_owned(),
        ));
    }
    // What may be encrypted may be plain: one way or the other is said.
    if config.get_ssl_mode() != SslMode::Require {
        config.ssl_mode(SslMode::Disable);
    }
    config.application_name("assay");
    config.connect_timeout(CONNECT_WAIT).keepalives_idle(SILENCE_MAX).tcp_user_timeout(SILENCE_MAX);
    if let Some(password) = pgpass::password(&config)? {
        config.password(password);
    }
    Ok(config)
}

/// TLS to a server whose certificate, for the host of its address, is of an authority that is believed: as for https.
fn encrypted() -> Result<MakeRustlsConnect, StoreError> {
    let mut roots = RootCertStore::empty();
    match https::named_authorities()? {
        Some(authorities) => {
            if let (0, _) = roots.add_parsable_certificates(authorities) {
                let what = "SSL_CERT_FILE names a file of which no certificate can be used";
                return Err(StoreError::Invalid(what.to_owned()));
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| StoreError::Invalid(format!("TLS cannot be set up: {error}")))?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// `postgres://user@host:port/database`.
fn place_of(config: &Config) -> String {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(name)) => name.clone(),
        #[cfg(unix)]
        Some(Host::Unix(path)) => path.display().to_string(),
        None => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let user = config.get_user().unwrap_or_default();
    format!("postgres://{user}@{host}:{port}/{}", config.get_dbname().unwrap_or(user))
}

fn failed(action: &'static str, place: &str, error: &Error) -> StoreError {
    StoreError::Postgres { action, place: place.to_owned(), detail: told(error) }
}

/// The message of the server, without its details: those may quote rows.
fn told(error: &Error) -> String {
    match error.as_db_error() {
        Some(answer) => format!("{} ({})", answer.message(), answer.code().code()),
        None => {
            let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
            causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
        }
    }
}
