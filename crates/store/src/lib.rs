//! Bytes that last: the event store and the vault of private records on SQLite or Postgres, the tables and the public
//! files in a folder or in an object store.
//!
//! Invariant: the store knows bytes, not records. It never parses an event, never learns what a contributor is
//! and never decides; it promises that what it acknowledged is still there, in the same order, after a crash.
//!
//! | module | what lasts | where |
//! |---|---|---|
//! | [`events`] | the entries of the log, the latest checkpoint, images of the state | `events.db`, or Postgres |
//! | [`vault`] | texts and salts that no proof depends on, so that they can be erased | `vault.db`, or Postgres |
//! | [`witness`] | the newest head of each log that was cosigned | `witness.db` |
//! | [`tables`] | immutable files named by their SHA-256 | a folder, or any object store |
//! | [`columns`] | the bytes of such a file: plain typed columns as Parquet | nowhere: bytes in, bytes out |
//! | [`files`] | whole or absent: how a file of a folder is written | a folder |
//! | [`ScratchFile`] | nothing: what can be made again, while a process needs it | a file without a name |
//! | [`public`] | static public files: tiles, tables, the published checkpoint | a folder, any object store; read only, a web server |
//! | [`https`] | nothing: which servers are believed | nowhere |

pub mod columns;
mod db;
mod error;
pub mod events;
pub mod files;
pub mod https;
mod objects;
#[cfg(feature = "postgres")]
mod pg;
#[cfg(feature = "postgres")]
mod pgpass;
mod place;
pub mod public;
mod scratch;
pub mod tables;
pub mod vault;
mod web;
pub mod witness;

pub use error::StoreError;
pub use events::{AppendError, EventReader, EventStore, NewEntry, StateImage, StoredCheckpoint};
pub use files::PublicFolder;
use place::Place;
pub use public::PublicFiles;
pub use scratch::ScratchFile;
pub use tables::{TableRef, TableStore};
pub use vault::{PrivateRecord, Vault, VaultReader};
pub use witness::{WitnessStore, WitnessedHead};
