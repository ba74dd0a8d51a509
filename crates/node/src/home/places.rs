//! Homes that come from another one: a node that moves, a backup, what is restored from it.
//!
//! A folder becomes a home by one rename, when all is in it: until then its settings are called `assay.toml.part`, and whoever
//! was killed goes on. A backup is no home: its settings are called `backup.toml`.

use std::fs;
use std::path::Path;

use assay_store::files::{replace, write_atomic};

use super::{CONFIG, Config, Home, in_words, owner_only};
use crate::error::{NodeError, Result};

/// Settings of a home that is not whole yet.
const PART: &str = "assay.toml.part";
/// Settings of a backup.
const BACKUP: &str = "backup.toml";
/// Settings of a backup that is not whole yet.
const BACKUP_PART: &str = "backup.toml.part";

/// Where a home keeps what it does not keep in its own folder.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The log and the vault.
    pub store: Option<String>,
    /// All tables.
    pub tables: Option<String>,
    /// What a stranger gets.
    pub public: Option<String>,
}

impl Home {
    /// Opens a home that may be closed in favour of `dir` already, by a run that was killed before its last step.
    pub(crate) fn open_moved(from: &Path, dir: &Path) -> Result<Self> {
        let mut home = Self::read(from, CONFIG)?;
        if dir.join(PART).exists() && home.config.moved.as_deref() == Some(&in_words(&absolute(dir)?)) {
            home.config.moved = None;
        }
        home.stays()
    }

    /// Prepares a home of this log in `dir`, with copies of the keys, receipts and reports; `dir` is absent or empty, or was
    /// prepared for the same, or is this home.
    pub(crate) fn prepare(&self, dir: &Path, places: Places) -> Result<Self> {
        let Places { store, tables, public } = places;
        let config = Config { store, tables, public, ..self.plain() };
        self.fill(dir, config, PART)
    }

    /// Prepares a backup of this home in `dir`, which is absent, empty, or an older backup of it.
    pub(crate) fn prepare_backup(&self, dir: &Path) -> Result<Self> {
        let whole = dir.join(BACKUP);
        if whole.exists() {
            fs::rename(&whole, dir.join(BACKUP_PART)).map_err(|e| NodeError::file(&whole, &e))?;
        }
        let public = self.public_address();
        let public = if public.contains("://") { public } else { in_words(&absolute(Path::new(&public))?) };
        let config = Config { public: Some(public), ..self.plain() };
        self.fill(dir, config, BACKUP_PART)
    }

    /// The settings of this home, but for where things are.
    fn plain(&self) -> Config {
        let witness = self.config.witness.clone();
        Config { witness, ..Config::of(self.config.origin.clone()) }
    }

    fn fill(&self, dir: &Path, config: Config, part: &str) -> Result<Self> {
        let home = Self { dir: dir.to_path_buf(), config, passphrase: self.passphrase.clone() };
        let (path, text) = (dir.join(part), home.text()?);
        // What a kill left half-written does not count.
        let counts = |entry: fs::DirEntry| !entry.file_name().to_string_lossy().starts_with(".tmp-");
        let is_empty = fs::read_dir(dir).map_or(true, |entries| !entries.flatten().any(counts));
        match fs::read_to_string(&path) {
            Ok(begun) if begun == text => {}
            Ok(_) => {
                return Err(NodeError::refused(format!("{} was begun for something else", dir.display()))
                    .hint("run that to its end, or name a new folder"));
            }
            Err(_) if is_empty || dir == self.dir => {
                fs::create_dir_all(dir).map_err(|e| NodeError::file(dir, &e))?;
                write_atomic(&path, text.as_bytes())?;
            }
            Err(_) => {
                return Err(
                    NodeError::refused(format!("{} is not empty", dir.display())).hint("name a new folder")
                );
            }
        }
        for (from, to) in
            [(self.keys(), home.keys()), (self.receipts(), home.receipts()), (self.reports(), home.reports())]
        {
            copy_files(&from, &to)?;
        }
        // A policy that is named from the home goes with it.
        if let Some(policy) =
            home.config.witness.as_ref().map(|witness| &witness.policy).filter(|p| p.is_relative())
        {
            let from = self.dir.join(policy);
            write_atomic(&home.dir.join(policy), &fs::read(&from).map_err(|e| NodeError::file(&from, &e))?)?;
        }
        fs::create_dir_all(home.private()).map_err(|e| NodeError::file(&home.private(), &e))?;
        for folder in [home.keys(), home.private(), home.receipts()] {
            owner_only(&folder, 0o700)?;
        }
        Ok(home)
    }

    /// Makes a prepared folder a home.
    pub(crate) fn settle(&self) -> Result<()> {
        write_atomic(&self.dir.join(PART), self.text()?.as_bytes())?;
        self.rename(PART, CONFIG)
    }

    /// Makes a prepared folder a backup of `home`, with the keys as they are now: one may have been replaced since, by an entry
    /// that the backup holds.
    pub(crate) fn settle_backup(&self, home: &Self) -> Result<()> {
        copy_files(&home.keys(), &self.keys())?;
        self.rename(BACKUP_PART, BACKUP)
    }

    fn rename(&self, part: &str, whole: &str) -> Result<()> {
        Ok(replace(&self.dir.join(part), &self.dir.join(whole))?)
    }

    /// Closes this home for ever in favour of another one; a home that stays where it is has nothing to close.
    pub(crate) fn close_for(&self, other: &Self) -> Result<()> {
        if self.dir == other.dir {
            return Ok(());
        }
        let mut closed = self.clone();
        closed.config.moved = Some(in_words(&absolute(&other.dir)?));
        Ok(write_atomic(&self.dir.join(CONFIG), closed.text()?.as_bytes())?)
    }

    /// Opens a whole backup.
    pub(crate) fn open_backup(dir: &Path) -> Result<Self> {
        match dir.join(BACKUP_PART).exists() {
            true => Err(NodeError::refused(format!("the backup {} is not whole", dir.display()))
                .hint("run `assay backup` into it again")),
            false => Self::read(dir, BACKUP),
        }
    }

    /// Whether the home only shows what it holds.
    pub(crate) fn is_frozen(&self) -> bool {
        self.config.frozen
    }

    pub(crate) fn freeze(&mut self, frozen: bool) {
        self.config.frozen = frozen;
    }

    fn text(&self) -> Result<String> {
        toml::to_string(&self.config).map_err(NodeError::bug)
    }
}

fn absolute(path: &Path) -> Result<std::path::PathBuf> {
    std::path::absolute(path).map_err(|e| NodeError::file(path, &e))
}

/// Copies the files of a folder that are not there yet with the same bytes, but for locks and what was not finished; a folder that is
/// absent has none.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(|e| NodeError::file(to, &e))?;
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    for entry in entries {
        let entry = entry.map_err(|e| NodeError::file(from, &e))?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_files(&path, &copy)?;
        } else if !is_hidden(&path) && path != copy && fs::read(&copy).ok() != fs::read(&path).ok() {
            fs::copy(&path, &copy).map_err(|e| NodeError::file(&copy, &e))?;
        }
    }
    Ok(())
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}
