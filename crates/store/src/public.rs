//! Public files: static, for strangers, in a folder, in an object store, or on a web server that gives out either.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use bytes::Bytes;
use object_store::{Error, PutMode, UpdateVersion};

use crate::objects::{Objects, failed};
use crate::web::Web;
use crate::{PublicFolder, StoreError, files};

/// How often a conditional write is tried against others who write the same object.
const TRIES: u32 = 20;
/// How often it is tried again when nobody knows whether it happened.
const UNKNOWN_MAX: u32 = 3;

/// A set of public files, addressed by relative paths such as `tile/0/x001/067.p/8`.
#[derive(Clone)]
pub struct PublicFiles {
    at: At,
}

#[derive(Clone)]
enum At {
    Folder(PublicFolder),
    Objects(Objects),
    Web(Web),
}

impl PublicFiles {
    /// The files at an address: a folder, plain or as `file://`; `http://HOST/PATH`, to read only; `https://` and
    /// `s3://BUCKET/PREFIX` in builds that have them.
    pub fn open(address: &str) -> Result<Self, StoreError> {
        let at = match address.split_once("://") {
            None => At::Folder(PublicFolder::open(address)?),
            Some(("file", folder)) => At::Folder(PublicFolder::open(folder)?),
            Some(("http" | "https", _)) => At::Web(Web::open(address)?),
            Some((scheme, rest)) => At::Objects(Objects::remote(scheme, rest)?),
        };
        Ok(Self { at })
    }

    /// The files in any object store with conditional writes, under `prefix`. `place` is for messages.
    pub fn new(
        store: std::sync::Arc<dyn object_store::ObjectStore>,
        prefix: &str,
        place: impl Into<String>,
    ) -> Self {
        Self { at: At::Objects(Objects::new(store, prefix, place.into())) }
    }

    /// The bytes at `path`, `None` if there is no such file. More than `bytes_max` are not read.
    pub fn read(&self, path: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, StoreError> {
        match &self.at {
            At::Folder(folder) => folder.read(path, bytes_max),
            At::Objects(objects) => Ok(found(objects, path, bytes_max)?.map(|(bytes, _)| bytes.to_vec())),
            At::Web(web) => web.read(path, bytes_max),
        }
    }

    /// Where the files are, for messages.
    pub fn place(&self) -> String {
        match &self.at {
            At::Folder(folder) => folder.root().display().to_string(),
            At::Objects(objects) => objects.place().to_owned(),
            At::Web(web) => web.place().to_owned(),
        }
    }

    /// Whether there is a file at each of these paths.
    pub fn has_all(&self, mut paths: impl Iterator<Item = String>) -> Result<bool, StoreError> {
        match &self.at {
            At::Folder(folder) => Ok(paths.all(|path| folder.path(&path).is_ok_and(|file| file.is_file()))),
            At::Objects(_) => {
                let there: BTreeSet<String> = self.list()?.into_iter().collect();
                Ok(paths.all(|path| there.contains(&path)))
            }
            At::Web(web) => Err(read_only(web)),
        }
    }

    /// The paths of all files.
    pub fn list(&self) -> Result<Vec<String>, StoreError> {
        match &self.at {
            At::Folder(folder) => {
                let mut paths = Vec::new();
                walk(folder.root(), "", &mut paths)?;
                Ok(paths)
            }
            At::Objects(objects) => {
                let listed =
                    objects.list("").map_err(|e| failed("list the files of", objects.place(), &e))?;
                Ok(listed.into_iter().map(|(path, _)| path).collect())
            }
            At::Web(web) => Err(read_only(web)),
        }
    }

    /// Writes a file that never changes. Returns `true` if it was written and `false` if it was there already with
    /// equal bytes; any other content is a [`StoreError::Conflict`] and is left as it was.
    pub fn write_once(&self, path: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        match &self.at {
            At::Folder(folder) => folder.write_once(path, bytes),
            At::Objects(objects) => create(objects, path, bytes),
            At::Web(web) => Err(read_only(web)),
        }
    }

    /// Replaces the file at `path` if it is missing or `yields` to the new bytes; nobody who writes at the same moment
    /// is overwritten unseen. Returns `false` if what is there does not yield.
    pub fn advance(
        &self,
        path: &str,
        bytes: &[u8],
        yields: &dyn Fn(&[u8]) -> bool,
        bytes_max: u64,
    ) -> Result<bool, StoreError> {
        match &self.at {
            At::Folder(folder) => {
                let held = lock(folder.root())?;
                let old = folder.read(path, bytes_max)?;
                let may = old.is_none_or(|old| yields(&old));
                if may {
                    folder.write_atomic(path, bytes)?;
                }
                drop(held);
                Ok(may)
            }
            At::Objects(objects) => replace(objects, path, bytes, yields, bytes_max),
            At::Web(web) => Err(read_only(web)),
        }
    }
}

/// Lets one writer at a time look at a file of a folder and replace it. Only Unix lets a folder be locked; elsewhere one
/// node at a time has it.
fn lock(folder: &Path) -> Result<Option<File>, StoreError> {
    if !cfg!(unix) {
        return Ok(None);
    }
    let held = File::open(folder).and_then(|file| file.lock().map(|()| file));
    held.map(Some).map_err(StoreError::io("lock", folder))
}

fn read_only(web: &Web) -> StoreError {
    StoreError::Invalid(format!(
        "{} is a web server, which gives out files by name and neither lists nor takes any; name a folder or an object store",
        web.place()
    ))
}

impl From<PublicFolder> for PublicFiles {
    fn from(folder: PublicFolder) -> Self {
        Self { at: At::Folder(folder) }
    }
}

/// An object and its version.
type Found = (Bytes, UpdateVersion);

fn found(objects: &Objects, path: &str, bytes_max: u64) -> Result<Option<Found>, StoreError> {
    files::check_path(path)?;
    match objects.get(path, bytes_max) {
        Ok((meta, Some(bytes))) => {
            Ok(Some((bytes, UpdateVersion { e_tag: meta.e_tag, version: meta.version })))
        }
        Ok((meta, None)) => {
            let what = format!("the size of {} in bytes", objects.name(path));
            Err(StoreError::Limit { what, found: meta.size, max: bytes_max })
        }
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(failed("read", &objects.name(path), &error)),
    }
}

/// Looks before it writes: most files that are written twice are there, and an upload costs more than a look.
fn create(objects: &Objects, path: &str, bytes: &[u8]) -> Result<bool, StoreError> {
    for attempt in 0..TRIES {
        // A longer object is another one: its bytes need not be read.
        match found(objects, path, bytes.len() as u64) {
            Ok(Some((there, _))) if there == bytes => return Ok(false),
            Ok(None) => {}
            Ok(Some(_)) | Err(StoreError::Limit { .. }) => {
                let detail = "this file must never change, so find out which one is right before going on";
                return Err(StoreError::Conflict { place: objects.name(path), detail: detail.to_owned() });
            }
            Err(error) => return Err(error),
        }
        if put(objects, path, bytes, PutMode::Create, attempt)? {
            return Ok(true);
        }
    }
    Err(gave_up(objects, path))
}

fn replace(
    objects: &Objects,
    path: &str,
    bytes: &[u8],
    yields: &dyn Fn(&[u8]) -> bool,
    bytes_max: u64,
) -> Result<bool, StoreError> {
    for attempt in 0..TRIES {
        let mode = match found(objects, path, bytes_max)? {
            Some((there, _)) if there == bytes => return Ok(true),
            Some((there, _)) if !yields(&there) => return Ok(false),
            Some((_, version)) => PutMode::Update(version),
            None => PutMode::Create,
        };
        if put(objects, path, bytes, mode, attempt)? {
            return Ok(true);
        }
    }
    Err(gave_up(objects, path))
}

/// One conditional write; `false` if somebody was quicker, or if we were and the answer was lost: the next look tells.
fn put(objects: &Objects, path: &str, bytes: &[u8], mode: PutMode, attempt: u32) -> Result<bool, StoreError> {
    match objects.put(path, Bytes::copy_from_slice(bytes), mode) {
        Ok(_) => Ok(true),
        Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
        Err(_) if attempt < UNKNOWN_MAX => Ok(false),
        Err(error) => Err(failed("write", &objects.name(path), &error)),
    }
}

fn gave_up(objects: &Objects, path: &str) -> StoreError {
    let detail = format!("others wrote it first, {TRIES} times in a row");
    StoreError::Objects { action: "write", place: objects.name(path), detail }
}

/// Paths of the files below a folder; half-written ones are none.
fn walk(dir: &Path, prefix: &str, paths: &mut Vec<String>) -> Result<(), StoreError> {
    for entry in std::fs::read_dir(dir).map_err(StoreError::io("list", dir))? {
        let entry = entry.map_err(StoreError::io("list", dir))?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            walk(&entry.path(), &format!("{path}/"), paths)?;
        } else if !entry.file_name().to_string_lossy().starts_with(".tmp-") {
            paths.push(path);
        }
    }
    Ok(())
}
