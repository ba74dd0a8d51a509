//! The table store: immutable files named by their SHA-256, in any object store.
//!
//! A file is durable before [`TableStore::put`] answers, so an event may name it. Reading checks the name against
//! the bytes, so a damaged file is an error and never an answer.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStore, PutMode};
use sha2::{Digest, Sha256};

use crate::objects::{Objects, failed};
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
    objects: Objects,
}

impl TableStore {
    /// A store in a folder, created if missing.
    pub fn folder(root: &Path) -> Result<Self, StoreError> {
        files::create_folder(&root.join(FOLDER))?;
        Ok(Self { objects: Objects::folder(root)? })
    }

    /// The store that an address in a configuration names: a folder, plain or as `file://`, or `s3://BUCKET/PREFIX`
    /// in builds that have it.
    pub fn open(address: &str) -> Result<Self, StoreError> {
        match address.split_once("://") {
            None => Self::folder(Path::new(address)),
            Some(("file", folder)) => Self::folder(Path::new(folder)),
            Some((scheme, rest)) => Ok(Self { objects: Objects::remote(scheme, rest)? }),
        }
    }

    /// Any object store that makes an object durable before it answers, under `prefix`. `place` is for messages.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str, place: impl Into<String>) -> Self {
        Self { objects: Objects::new(store, prefix, place.into()) }
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
        match self.objects.put(&table.path(), bytes, PutMode::Overwrite) {
            Ok(_) => Ok(table),
            Err(error) => Err(failed("store", &self.name(&table), &error)),
        }
    }

    /// The bytes of a file, checked against its hash and size.
    pub fn get(&self, table: &TableRef) -> Result<Bytes, StoreError> {
        StoreError::within("the size of a table in bytes", table.bytes, TABLE_BYTES_MAX)?;
        let name = self.name(table);
        let damaged = |detail: String| StoreError::Corrupt { place: name.clone(), detail };
        let found = self.objects.get(&table.path(), table.bytes).map_err(|e| failed("read", &name, &e))?;
        match found {
            (_, Some(bytes)) if Sha256::digest(&bytes)[..] == table.sha256[..] => Ok(bytes),
            (meta, _) if meta.size != table.bytes => {
                Err(damaged(format!("it has {} bytes instead of {}", meta.size, table.bytes)))
            }
            _ => Err(damaged("its bytes do not hash to its name".to_owned())),
        }
    }

    /// Whether there is a file of that name and size; its bytes are not read.
    pub fn exists(&self, table: &TableRef) -> Result<bool, StoreError> {
        Ok(self.find(&table.sha256, &table.extension)?.is_some_and(|found| found.bytes == table.bytes))
    }

    /// The file of that hash and extension, if there is one; its bytes are not read.
    pub fn find(&self, sha256: &[u8; 32], extension: &str) -> Result<Option<TableRef>, StoreError> {
        let table = TableRef { sha256: *sha256, bytes: 0, extension: extension.to_owned() };
        match self.objects.head(&table.path()) {
            Ok(found) => Ok(found.map(|found| TableRef { bytes: found.size, ..table })),
            Err(error) => Err(failed("look for", &self.name(&table), &error)),
        }
    }

    /// Deletes the file of that hash and extension, if there is one.
    pub fn remove(&self, sha256: &[u8; 32], extension: &str) -> Result<(), StoreError> {
        let table = TableRef { sha256: *sha256, bytes: 0, extension: extension.to_owned() };
        self.objects.delete(&table.path()).map_err(|error| failed("delete", &self.name(&table), &error))
    }

    /// Every file, sorted by name. Files that no `put` finished are not listed.
    pub fn list(&self) -> Result<Vec<TableRef>, StoreError> {
        let found = self
            .objects
            .list(FOLDER)
            .map_err(|error| failed("list the tables of", self.objects.place(), &error))?;
        let named = |(path, bytes): &(String, u64)| TableRef::parse(path.strip_prefix("tables/")?, *bytes);
        let mut tables: Vec<TableRef> = found.iter().filter_map(named).collect();
        tables.sort();
        Ok(tables)
    }

    fn name(&self, table: &TableRef) -> String {
        self.objects.name(&table.path())
    }
}

fn is_extension(extension: &str) -> bool {
    (1..=EXTENSION_BYTES_MAX).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}
