//! The table store: immutable files named by their SHA-256, in any object store.
//!
//! A file is durable before [`TableStore::put`] answers, so an event may name it. Reading checks the name against
//! the bytes, so a damaged file is an error and never an answer.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_executor::block_on;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use sha2::{Digest, Sha256};

use crate::{StoreError, files};

/// Largest file, in bytes.
pub const TABLE_BYTES_MAX: u64 = 4 << 30;
/// Longest extension.
pub const EXTENSION_BYTES_MAX: usize = 16;

const FOLDER: &str = "tables";

/// The name of an immutable file. An event that speaks of a file carries its hash and size.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableRef {
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// Number of bytes.
    pub bytes: u64,
    /// What kind of file it is, such as `parquet`: 1 to 16 lower-case letters or digits.
    pub extension: String,
}

impl TableRef {
    /// The name that `bytes` have.
    pub fn of(bytes: &[u8], extension: &str) -> Self {
        Self {
            sha256: Sha256::digest(bytes).into(),
            bytes: bytes.len() as u64,
            extension: extension.to_owned(),
        }
    }

    /// Path inside the store and inside a public folder: `tables/<sha256>.<extension>`.
    pub fn path(&self) -> String {
        format!("{FOLDER}/{}.{}", hex::encode(self.sha256), self.extension)
    }

    /// The file of a name in `tables/`; `None` for any other file, such as a half-written one.
    fn parse(name: &str, bytes: u64) -> Option<Self> {
        let (digest, extension) = name.split_once('.')?;
        let sha256 = hex::decode(digest).ok()?.try_into().ok()?;
        let found = Self { sha256, bytes, extension: extension.to_owned() };
        // Hexadecimal digits may be upper case, ours are not.
        (is_extension(extension) && found.path().ends_with(name)).then_some(found)
    }
}

/// A store of immutable files. Calls block; they need no asynchronous runtime, and inside one they belong on a
/// thread that may block.
#[derive(Clone)]
pub struct TableStore {
    objects: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
    place: String,
}

impl TableStore {
    /// A store in a folder, created if missing.
    pub fn folder(root: &Path) -> Result<Self, StoreError> {
        files::create_folder(root)?;
        files::create_folder(&root.join(FOLDER))?;
        let place = root.display().to_string();
        // Without this flag the file system is free to forget a file that was already answered for.
        match LocalFileSystem::new_with_prefix(root) {
            Ok(folder) => Ok(Self::new(Arc::new(folder.with_fsync(true)), "", place)),
            Err(error) => Err(failed("open the table store", &place, &error)),
        }
    }

    /// The store that an address in a configuration names: a folder, plain or as `file://`. Other schemes are for
    /// builds that have them.
    pub fn open(address: &str) -> Result<Self, StoreError> {
        let folder = address.strip_prefix("file://").unwrap_or(address);
        match folder.split_once("://") {
            None => Self::folder(Path::new(folder)),
            Some((scheme, _)) => Err(StoreError::Invalid(format!(
                "tables cannot be kept at {address}: this build has no {scheme} store; give a folder"
            ))),
        }
    }

    /// Any object store that makes an object durable before it answers, under `prefix`. `place` is for messages.
    pub fn new(objects: Arc<dyn ObjectStore>, prefix: &str, place: impl Into<String>) -> Self {
        Self { objects, prefix: ObjectPath::from(prefix), place: place.into() }
    }

    /// Stores `bytes` durably, in one step, and answers with their name. Storing them again mends a damaged file.
    pub fn put(&self, bytes: impl Into<Bytes>, extension: &str) -> Result<TableRef, StoreError> {
        let bytes = bytes.into();
        StoreError::within("the size of a table in bytes", bytes.len() as u64, TABLE_BYTES_MAX)?;
        if !is_extension(extension) {
            return Err(StoreError::Invalid(format!(
                "{extension:?} is not an extension; use 1 to {EXTENSION_BYTES_MAX} lower-case letters or digits"
            )));
        }
        let table = TableRef::of(&bytes, extension);
        match block_on(self.objects.put(&self.location(&table), PutPayload::from_bytes(bytes))) {
            Ok(_) => Ok(table),
            Err(error) => Err(failed("store", &self.name(&table), &error)),
        }
    }

    /// The bytes of a file, checked against its hash and size.
    pub fn get(&self, table: &TableRef) -> Result<Bytes, StoreError> {
        StoreError::within("the size of a table in bytes", table.bytes, TABLE_BYTES_MAX)?;
        let name = self.name(table);
        let damaged = |detail: String| StoreError::Corrupt { place: name.clone(), detail };
        let found = block_on(self.objects.get(&self.location(table)))
            .map_err(|error| failed("read", &name, &error))?;
        // Checked before the bytes are loaded, so that a wrong file cannot exhaust memory.
        if found.meta.size != table.bytes {
            return Err(damaged(format!("it has {} bytes instead of {}", found.meta.size, table.bytes)));
        }
        let bytes = block_on(found.bytes()).map_err(|error| failed("read", &name, &error))?;
        if Sha256::digest(&bytes)[..] != table.sha256[..] {
            return Err(damaged("its bytes do not hash to its name".to_owned()));
        }
        Ok(bytes)
    }

    /// Whether there is a file of that name and size; its bytes are not read.
    pub fn exists(&self, table: &TableRef) -> Result<bool, StoreError> {
        Ok(self.find(&table.sha256, &table.extension)?.is_some_and(|found| found.bytes == table.bytes))
    }

    /// The file of that hash and extension, if there is one; its bytes are not read.
    pub fn find(&self, sha256: &[u8; 32], extension: &str) -> Result<Option<TableRef>, StoreError> {
        let table = TableRef { sha256: *sha256, bytes: 0, extension: extension.to_owned() };
        match block_on(self.objects.head(&self.location(&table))) {
            Ok(found) => Ok(Some(TableRef { bytes: found.size, ..table })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed("look for", &self.name(&table), &error)),
        }
    }

    /// Every file, sorted by name. Files that no `put` finished are not listed.
    pub fn list(&self) -> Result<Vec<TableRef>, StoreError> {
        let folder = self.prefix.clone().join(FOLDER);
        let found = block_on(self.objects.list_with_delimiter(Some(&folder)))
            .map_err(|error| failed("list the tables of", &self.place, &error))?;
        let named =
            |object: &object_store::ObjectMeta| TableRef::parse(object.location.filename()?, object.size);
        let mut tables: Vec<TableRef> = found.objects.iter().filter_map(named).collect();
        tables.sort();
        Ok(tables)
    }

    fn location(&self, table: &TableRef) -> ObjectPath {
        self.prefix.parts().chain(ObjectPath::from(table.path()).parts()).collect()
    }

    fn name(&self, table: &TableRef) -> String {
        format!("{} in {}", table.path(), self.place)
    }
}

fn is_extension(extension: &str) -> bool {
    (1..=EXTENSION_BYTES_MAX).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn failed(action: &'static str, place: &str, error: &object_store::Error) -> StoreError {
    match error {
        object_store::Error::NotFound { .. } => StoreError::NotFound(place.to_owned()),
        other => StoreError::Objects { action, place: place.to_owned(), detail: other.to_string() },
    }
}
