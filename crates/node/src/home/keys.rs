//! Keys of a home, one file each.
//!
//! A key that is to replace another lies beside it as `NAME.new` until the log holds the entry that says so, and then takes
//! its place by one rename. So the key that the log knows is on disk at every moment, and whoever was killed goes on.
//! Where a home has a passphrase, what is written is sealed under it ([`super::sealed`]).

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use assay_ledger::ids::PublicKey;
use assay_ledger::state::State;
use assay_store::files::{create_secret, replace, write_secret};
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

use super::sealed::{Passphrase, Sealed, Stored};
use super::{Home, OPERATOR, random};
use crate::error::{NodeError, Result};

/// Folder of the keys in a home.
pub(super) const KEYS: &str = "keys";
/// Ending of the file of a key that an account has.
const KEY: &str = "key";
/// Ending of the file of a key that is to replace it.
const NEW: &str = "new";
/// File that is locked while keys are replaced.
const LOCK: &str = ".lock";
/// How the name of a file begins that was not finished.
const UNFINISHED: &str = ".tmp-";
/// The most that is read of a file of a key, bytes.
const KEY_BYTES_MAX: u64 = 1024;

impl Home {
    /// Waits until no other command replaces keys; none does as long as the file is open. Of two that did so at once, one could write
    /// over the key that the log took from the other.
    pub(crate) fn lock_keys(&self) -> Result<File> {
        let path = self.keys().join(LOCK);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        file.and_then(|file| file.lock().map(|()| file)).map_err(|e| NodeError::file(&path, &e))
    }

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
        match create_secret(path, written(&key, self.seals_under()?)?.as_bytes())? {
            true => Ok(key),
            false => Err(NodeError::refused(format!("{} exists already", path.display()))),
        }
    }

    /// The key of this name.
    pub fn key(&self, name: &str) -> Result<SigningKey> {
        let path = self.key_path(name, KEY)?;
        self.key_at(&path).map_err(|e| match path.exists() {
            true => e,
            false => e.hint(format!("make it with `assay key new {name}`")),
        })
    }

    /// The key in a file.
    pub fn key_at(&self, path: &Path) -> Result<SigningKey> {
        match (stored(path)?, &self.passphrase) {
            (Stored::Plain(key), _) => Ok(key),
            (Stored::Sealed(sealed), Some(passphrase)) => sealed.open(passphrase)?.ok_or_else(|| {
                NodeError::refused(format!("{} is sealed under another passphrase", path.display()))
                    .hint("to seal it under this one, `assay key decrypt` first")
            }),
            (Stored::Sealed(_), None) => {
                Err(NodeError::refused(format!("{} is sealed under a passphrase", path.display())))
            }
        }
    }

    /// The public half of the key of this name, which takes no passphrase.
    pub fn public_key(&self, name: &str) -> Result<PublicKey> {
        Ok(stored(&self.key_path(name, KEY)?)?.public())
    }

    /// Whether a key of this home is sealed under a passphrase. Also of a folder that is no home yet, or a backup.
    pub fn is_sealed(dir: &Path) -> bool {
        let files = fs::read_dir(dir.join(KEYS)).into_iter().flatten().flatten().map(|entry| entry.path());
        let keys = files.filter(|path| path.extension().is_some_and(|ending| ending == KEY || ending == NEW));
        keys.into_iter().any(|path| matches!(stored(&path), Ok(Stored::Sealed(_))))
    }

    /// Writes every key anew, sealed under this passphrase or plain; how many. Whoever was killed does it again.
    pub fn rewrite_keys(&mut self, passphrase: Option<Passphrase>) -> Result<usize> {
        let _lock = self.lock_keys()?;
        self.remove_unfinished()?;
        let files = self.key_files()?;
        // All are read before one is written.
        let keys = files.iter().map(|path| self.key_at(path)).collect::<Result<Vec<_>>>()?;
        self.passphrase = passphrase;
        for (path, key) in files.iter().zip(&keys) {
            write_secret(path, written(key, self.passphrase.as_ref())?.as_bytes())?;
        }
        Ok(keys.len())
    }

    /// What a command that was killed left of a key.
    fn remove_unfinished(&self) -> Result<()> {
        let folder = self.keys();
        let entries = fs::read_dir(&folder).map_err(|e| NodeError::file(&folder, &e))?;
        let unfinished =
            entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(UNFINISHED));
        for path in unfinished.map(|entry| entry.path()) {
            fs::remove_file(&path).map_err(|e| NodeError::file(&path, &e))?;
        }
        Ok(())
    }

    /// What a new key is sealed under: as the operator's is, and under no other passphrase than that, or one that was typed wrong
    /// would lock the home.
    fn seals_under(&self) -> Result<Option<&Passphrase>> {
        let operator = self.key_path(OPERATOR, KEY)?;
        if !operator.exists() {
            return Ok(self.passphrase.as_ref());
        }
        let sealed = matches!(stored(&operator)?, Stored::Sealed(_));
        self.key_at(&operator)?;
        Ok(self.passphrase.as_ref().filter(|_| sealed))
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
    /// came to nothing. Under [`Home::lock_keys`].
    pub(crate) fn next_key(&self, name: &str, state: &State) -> Result<SigningKey> {
        let path = self.key_path(name, NEW)?;
        if path.exists() && !state.has_used(&stored(&path)?.public()) {
            return self.key_at(&path);
        }
        let key = draw()?;
        write_secret(&path, written(&key, self.seals_under()?)?.as_bytes())?;
        Ok(key)
    }

    /// [`Home::take_up_keys`] of what a command that was killed has left.
    pub(crate) fn take_up_left_keys(&self, state: &State) -> Result<()> {
        if self.names(NEW)?.is_empty() {
            return Ok(());
        }
        let _lock = self.lock_keys()?;
        self.take_up_keys(state)
    }

    /// Keys that the log holds as the ones of their accounts take the place of those that they replaced. Under [`Home::lock_keys`].
    pub(crate) fn take_up_keys(&self, state: &State) -> Result<()> {
        for name in self.names(NEW)? {
            let path = self.key_path(&name, NEW)?;
            let key = stored(&path)?.public();
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

/// A key as it is written.
fn written(key: &SigningKey, under: Option<&Passphrase>) -> Result<Zeroizing<String>> {
    match under {
        Some(passphrase) => Sealed::seal(key, passphrase).map(Zeroizing::new),
        None => Ok(Zeroizing::new(hex::encode(Zeroizing::new(key.to_bytes())) + "\n")),
    }
}

fn draw() -> Result<SigningKey> {
    Ok(SigningKey::from_bytes(&Zeroizing::new(random()?)))
}

/// What a file of a key holds. Messages name the file and never its content.
fn stored(path: &Path) -> Result<Stored> {
    let mut text = Zeroizing::new(String::new());
    let file = fs::File::open(path).map(|file| file.take(KEY_BYTES_MAX));
    file.and_then(|mut file| file.read_to_string(&mut text)).map_err(|e| NodeError::file(path, &e))?;
    Stored::parse(&text).ok_or_else(|| NodeError::invalid(format!("{} holds no key", path.display())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::LOG;
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

    #[test]
    fn keys_are_sealed_and_plain_again_and_new_ones_follow() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("home");
        let mut home = Home::init(&path, None).unwrap();
        let [plain, pending] =
            [home.key(OPERATOR), home.next_key(OPERATOR, &State::new(home.origin()))].map(Result::unwrap);
        assert!(!Home::is_sealed(&path));
        let passphrase = |text: &str| Some(Passphrase::new(text.to_owned()).unwrap());
        assert_eq!(home.rewrite_keys(passphrase("one")).unwrap(), 3);
        let made = home.create_key("alice").unwrap();
        assert!(Home::is_sealed(&path));
        for file in home.key_files().unwrap() {
            let text = fs::read_to_string(&file).unwrap();
            assert!([&plain, &pending, &made].iter().all(|key| !text.contains(&hex::encode(key.to_bytes()))));
        }
        for (under, expected) in [(None, "under a passphrase"), (passphrase("two"), "another passphrase")] {
            let mut locked = Home::open(&path).unwrap().under(under);
            assert!(locked.key("alice").unwrap_err().what.contains(expected));
            assert_eq!(locked.public_key("alice").unwrap(), PublicKey::from(&made));
            // Nothing is written that would lock somebody out.
            assert!(locked.rewrite_keys(passphrase("three")).is_err());
        }
        let mut home = Home::open(&path).unwrap().under(passphrase("one"));
        assert_eq!(home.key(OPERATOR).unwrap().to_bytes(), plain.to_bytes());
        assert_eq!(home.rewrite_keys(None).unwrap(), 4);
        assert!(!Home::is_sealed(&path));
        assert_eq!(Home::open(&path).unwrap().key("alice").unwrap().to_bytes(), made.to_bytes());
    }

    #[test]
    fn a_new_key_is_sealed_as_the_others_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("home");
        let passphrase = |text: &str| Some(Passphrase::new(text.to_owned()).unwrap());
        // A passphrase that is meant for another home seals nothing here.
        let home = Home::init(&path, None).unwrap().under(passphrase("of another home"));
        home.create_key("alice").unwrap();
        assert!(!Home::is_sealed(&path));
        let mut home = home.under(None);
        home.rewrite_keys(passphrase("right\r\n")).unwrap();
        // One that was typed wrong makes no key that the home then cannot open.
        for wrong in [None, passphrase("rihgt")] {
            let home = Home::open(&path).unwrap().under(wrong);
            assert!(home.create_key("bob").is_err() && !home.has_key("bob").unwrap());
        }
        Home::open(&path).unwrap().under(passphrase("right")).create_key("bob").unwrap();
    }

    #[test]
    fn keys_are_replaced_by_one_command_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("home");
        let mut home = Home::init(&path, None).unwrap();
        fs::write(path.join("keys/.tmp-left"), "half a key").unwrap();
        let lock = home.lock_keys().unwrap();
        let other = File::options().write(true).open(path.join("keys/.lock")).unwrap();
        assert!(other.try_lock().is_err());
        drop(lock);
        home.rewrite_keys(Some(Passphrase::new("one".to_owned()).unwrap())).unwrap();
        assert!(other.try_lock().is_ok(), "and it is free again");
        assert!(!path.join("keys/.tmp-left").exists());
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
