//! Keys of a home, one file each.
//!
//! A key that is to replace another lies beside it as `NAME.new` until the log holds the entry that says so, and then takes
//! its place by one rename. So the key that the log knows is on disk at every moment, and whoever was killed goes on.

use std::fs;
use std::path::{Path, PathBuf};

use assay_ledger::ids::PublicKey;
use assay_ledger::state::State;
use assay_store::files::{create_secret, replace, write_secret};
use ed25519_dalek::SigningKey;

use super::{Home, random};
use crate::error::{NodeError, Result};

/// Ending of the file of a key that an account has.
const KEY: &str = "key";
/// Ending of the file of a key that is to replace it.
const NEW: &str = "new";

impl Home {
    fn key_path(&self, name: &str, ending: &str) -> Result<PathBuf> {
        let plain = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        match plain {
            true => Ok(self.keys().join(format!("{name}.{ending}"))),
            false => Err(NodeError::invalid(format!("{name:?} is no name for a key"))
                .hint("use 1 to 64 letters, digits, - and _")),
        }
    }

    /// Makes a key of this name; refuses to overwrite one.
    pub fn create_key(&self, name: &str) -> Result<SigningKey> {
        self.create_key_at(&self.key_path(name, KEY)?)
    }

    /// Makes a key in a file of its own; refuses to overwrite one.
    pub fn create_key_at(&self, path: &Path) -> Result<SigningKey> {
        let key = draw()?;
        match create_secret(path, text(&key).as_bytes())? {
            true => Ok(key),
            false => Err(NodeError::refused(format!("{} exists already", path.display()))),
        }
    }

    /// The key of this name.
    pub fn key(&self, name: &str) -> Result<SigningKey> {
        let key = self.key_at(&self.key_path(name, KEY)?);
        key.map_err(|e| e.hint(format!("make it with `assay key new {name}`")))
    }

    /// The key in a file.
    pub fn key_at(&self, path: &Path) -> Result<SigningKey> {
        let text = fs::read_to_string(path).map_err(|e| NodeError::file(path, &e))?;
        let mut seed = [0; 32];
        // The message names the file and never its content.
        hex::decode_to_slice(text.trim(), &mut seed)
            .map_err(|_| NodeError::invalid(format!("{} holds no key", path.display())))?;
        Ok(SigningKey::from_bytes(&seed))
    }

    /// Whether there is a key of this name.
    pub fn has_key(&self, name: &str) -> Result<bool> {
        Ok(self.key_path(name, KEY)?.exists())
    }

    /// The key of this name, made now if it is not there.
    pub fn key_or_new(&self, name: &str) -> Result<SigningKey> {
        match self.has_key(name)? {
            true => self.key(name),
            false => self.create_key(name),
        }
    }

    /// The key that is to replace the one of this name: durable before anybody hears of it, and the same again if that
    /// came to nothing.
    pub(crate) fn next_key(&self, name: &str, state: &State) -> Result<SigningKey> {
        let path = self.key_path(name, NEW)?;
        if path.exists() {
            let key = self.key_at(&path)?;
            if !state.has_used(&PublicKey::from(&key)) {
                return Ok(key);
            }
        }
        let key = draw()?;
        write_secret(&path, text(&key).as_bytes())?;
        Ok(key)
    }

    /// Keys that the log holds as the ones of their accounts take the place of those that they replaced.
    pub(crate) fn take_up_keys(&self, state: &State) -> Result<()> {
        for name in self.names(NEW)? {
            let path = self.key_path(&name, NEW)?;
            let key = PublicKey::from(&self.key_at(&path)?);
            if state.accounts().get(&state.account_of(&key)) == Some(&key) {
                replace(&path, &self.key_path(&name, KEY)?)?;
            }
        }
        Ok(())
    }

    /// Files of all keys: only their owner should read them.
    pub fn key_files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for ending in [KEY, NEW] {
            files.extend(self.names(ending)?.iter().map(|name| self.keys().join(format!("{name}.{ending}"))));
        }
        Ok(files)
    }

    /// Names of all keys, sorted.
    pub fn key_names(&self) -> Result<Vec<String>> {
        self.names(KEY)
    }

    fn names(&self, ending: &str) -> Result<Vec<String>> {
        let folder = self.keys();
        let entries = fs::read_dir(&folder).map_err(|e| NodeError::file(&folder, &e))?;
        let name = |e: fs::DirEntry| {
            let name = e.file_name();
            let (name, found) = name.to_str()?.rsplit_once('.')?;
            (found == ending && !name.is_empty()).then(|| name.to_owned())
        };
        let mut names: Vec<String> = entries.flatten().filter_map(name).collect();
        names.sort();
        Ok(names)
    }
}

fn draw() -> Result<SigningKey> {
    Ok(SigningKey::from_bytes(&random()?))
}

fn text(key: &SigningKey) -> String {
    hex::encode(key.to_bytes()) + "\n"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{LOG, OPERATOR};
    use super::*;

    fn home(dir: &tempfile::TempDir) -> Home {
        Home::init(&dir.path().join("home"), None).unwrap()
    }

    #[test]
    fn names_of_keys_cannot_leave_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(&dir);
        for name in ["../x", "", "a/b", ".", "x y"] {
            assert!(home.key_or_new(name).is_err(), "{name:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let home = home(&dir);
        home.next_key(OPERATOR, &State::new(home.origin())).unwrap();
        let files = home.key_files().unwrap();
        let expected = [(LOG, KEY), (OPERATOR, KEY), (OPERATOR, NEW)];
        assert_eq!(files, expected.map(|(name, ending)| home.key_path(name, ending).unwrap()));
        for path in &files {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
