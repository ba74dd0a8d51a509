//! Static files that are whole or absent, whatever happens while they are written.
//!
//! The order is: temporary file in the same folder, sync of its bytes, rename, sync of the folder. A crash
//! leaves either the old file or the new one, and perhaps a temporary whose name begins with `.tmp-`, which nothing reads.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::StoreError;

/// Longest relative path of a public file, in bytes.
pub const PATH_BYTES_MAX: usize = 512;

/// Mode of files that a web server serves.
const PUBLIC: u32 = 0o644;
/// Mode of files that are for their owner only.
const SECRET: u32 = 0o600;

/// Replaces the file at `path` by `bytes`, durably and in one step. Missing folders are created.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write_staged(path, bytes, PUBLIC)
}

/// [`write_atomic`] of a file for its owner only.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    write_staged(path, bytes, SECRET)
}

fn write_staged(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StoreError> {
    let (staged, folder) = stage(path, bytes, mode)?;
    staged.persist(path).map_err(|error| StoreError::io("rename a file to", path)(error.error))?;
    sync_folder(&folder)
}

/// Writes a file for its owner only, durably; `false`, and nothing is written, where there is one already.
pub fn create_secret(path: &Path, bytes: &[u8]) -> Result<bool, StoreError> {
    let (staged, folder) = stage(path, bytes, SECRET)?;
    match staged.persist_noclobber(path) {
        Ok(_) => sync_folder(&folder).map(|()| true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(StoreError::io("rename a file to", path)(error.error)),
    }
}

/// Renames a file durably; one that has the new name already is gone.
pub fn replace(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(StoreError::io("rename", from))?;
    sync_folder(&parent(to)?)
}

/// Writes a file that never changes. Returns `true` if it was written and `false` if it was there already with
/// equal bytes; any other content is a [`StoreError::Conflict`] and is left as it was.
pub fn write_once(path: &Path, bytes: &[u8]) -> Result<bool, StoreError> {
    if !path.exists() {
        let (staged, folder) = stage(path, bytes, PUBLIC)?;
        match staged.persist_noclobber(path) {
            Ok(_) => return sync_folder(&folder).map(|()| true),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(StoreError::io("rename a file to", path)(error.error)),
        }
    }
    let found = fs::read(path).map_err(StoreError::io("read", path))?;
    if found == bytes {
        // The writer before us may have crashed between its rename and its sync of the folder.
        return sync_folder(&parent(path)?).map(|()| false);
    }
    let at = found.iter().zip(bytes).position(|(a, b)| a != b).unwrap_or(found.len().min(bytes.len()));
    Err(StoreError::Conflict {
        place: path.display().to_string(),
        detail: format!(
            "{} bytes there, {} bytes offered, first difference at byte {at}; this file must never change, so find out which one is right before going on",
            found.len(),
            bytes.len()
        ),
    })
}

/// Creates `path` and its missing parents, each durable before the next.
pub fn create_folder(path: &Path) -> Result<(), StoreError> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let above = parent(path)?;
    create_folder(&above)?;
    match fs::create_dir(path) {
        Ok(()) => sync_folder(&above),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(StoreError::io("create the folder", path)(error)),
    }
}

/// Whether others than its owner may read or write the file: a secret should not let them. Never where there are no modes.
pub fn open_to_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Makes the names in a folder durable. Only Unix lets a folder be synced; elsewhere this does nothing.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    if cfg!(unix) {
        File::open(folder)
            .and_then(|file| file.sync_all())
            .map_err(StoreError::io("sync the folder", folder))?;
    }
    Ok(())
}

/// The folder of `path`, `.` when the path is a bare name.
fn parent(path: &Path) -> Result<PathBuf, StoreError> {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Ok(PathBuf::from(".")),
        Some(folder) => Ok(folder.to_owned()),
        None => {
            Err(StoreError::Invalid(format!("{} names no file; give a path inside a folder", path.display())))
        }
    }
}

/// A durable temporary file beside `path`, and the folder of both.
fn stage(path: &Path, bytes: &[u8], mode: u32) -> Result<(NamedTempFile, PathBuf), StoreError> {
    let folder = parent(path)?;
    create_folder(&folder)?;
    let mut builder = Builder::new();
    builder.prefix(".tmp-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
    let mut staged =
        builder.tempfile_in(&folder).map_err(StoreError::io("create a temporary file in", &folder))?;
    staged
        .write_all(bytes)
        .and_then(|()| staged.as_file().sync_all())
        .map_err(StoreError::io("write", path))?;
    Ok((staged, folder))
}

/// Refuses what is no path of a public file; see [`PublicFolder::path`].
pub(crate) fn check_path(relative: &str) -> Result<(), StoreError> {
    let plain = |segment: &str| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    if relative.len() <= PATH_BYTES_MAX && relative.split('/').all(plain) {
        return Ok(());
    }
    Err(StoreError::Invalid(format!(
        "{relative:?} is not a path of a public file; use at most {PATH_BYTES_MAX} letters, digits, '.', '_' and '-' between single '/', no part beginning with a dot"
    )))
}

/// A folder of public static files, addressed by relative paths that cannot leave it.
#[derive(Debug, Clone)]
pub struct PublicFolder {
    root: PathBuf,
}

impl PublicFolder {
    /// A folder at `root`, created if missing.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        create_folder(&root)?;
        Ok(Self { root })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The place of `relative`, such as `tile/0/x001/067.p/8`: segments of letters, digits, `.`, `_` and `-`
    /// joined by `/`. A segment may not begin with a dot, so neither `..` nor our temporary files can be named.
    pub fn path(&self, relative: &str) -> Result<PathBuf, StoreError> {
        check_path(relative).map(|()| self.root.join(relative))
    }

    /// [`write_atomic`] at `relative`.
    pub fn write_atomic(&self, relative: &str, bytes: &[u8]) -> Result<(), StoreError> {
        write_atomic(&self.path(relative)?, bytes)
    }

    /// [`write_once`] at `relative`.
    pub fn write_once(&self, relative: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        write_once(&self.path(relative)?, bytes)
    }

    /// The bytes at `relative`, `None` if there is no such file. At most `bytes_max` are read.
    pub fn read(&self, relative: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(relative)?;
        let length = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("read", &path)(error)),
        };
        StoreError::within(&format!("the size of {} in bytes", path.display()), length, bytes_max)?;
        fs::read(&path).map(Some).map_err(StoreError::io("read", &path))
    }
}
