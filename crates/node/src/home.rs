//! The home of a node: one folder, with what is private and what is public kept apart.
//!
//! ```text
//! assay.toml         origin of the log; where log, tables and public files are, if not here; [witness] policy = "FILE"
//!                    where witnesses must cosign; [gates] memory_mib = N, most memory of a datanet's index of near duplicates
//! keys/NAME.key      one Ed25519 seed each, readable by the owner only, plain or under a passphrase; NAME.new until the log holds that it replaces NAME.key
//! private/           event store, vault of records, every table
//! public/            what a stranger gets: checkpoint, tiles, tables
//! reports/           pages to look at
//! receipts/          what opens the commitments of those who contribute or ask from here; for their owner only
//! ```

mod keys;
mod places;
mod sealed;

use std::fs;
use std::path::{Path, PathBuf};

use assay_ledger::limits::ORIGIN_BYTES_MAX;
use assay_tlog::Policy;
use serde::{Deserialize, Serialize};

use crate::error::{NodeError, Result};
use crate::trust::read_policy;
pub use places::Places;
pub use sealed::Passphrase;

/// The folder of a node and its settings.
#[derive(Clone, Debug)]
pub struct Home {
    dir: PathBuf,
    config: Config,
    /// What opens its keys, and what new ones are sealed under.
    passphrase: Option<Passphrase>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    origin: String,
    /// The log and the vault: a folder, or `postgres://USER@HOST/DATABASE`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    /// All tables: a folder, or `s3://BUCKET/PREFIX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tables: Option<String>,
    /// What a stranger gets: a folder, or `s3://BUCKET/PREFIX`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public: Option<String>,
    /// The home that goes on in place of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moved: Option<String>,
    /// A restored copy to look at, which accepts no command.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    frozen: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    witness: Option<WitnessConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gates: Option<GatesConfig>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WitnessConfig {
    /// File of a policy (c2sp.org/tlog-policy), relative to the home: what must be met before anything is published.
    policy: PathBuf,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GatesConfig {
    /// Most memory of the index of near duplicates of a datanet, in MiB; what is more goes to files in `private`.
    memory_mib: u32,
}

impl Config {
    /// Everything in the home itself.
    fn of(origin: String) -> Self {
        Self {
            origin,
            store: None,
            tables: None,
            public: None,
            moved: None,
            frozen: false,
            witness: None,
            gates: None,
        }
    }
}

const CONFIG: &str = "assay.toml";
/// Memory of the index of near duplicates where the settings name none, in MiB: enough for 700,000 texts of 370 bytes.
const GATE_MEMORY_MIB: u32 = 256;
/// Name of the key that founds the log and acts for the node.
pub const OPERATOR: &str = "operator";
/// Name of the key that signs checkpoints, and nothing else.
pub const LOG: &str = "log";

impl Home {
    /// Makes a new home in `dir`, which must be absent or empty, with its operator and log keys.
    /// The origin is `origin`, or one drawn at random that no other log has.
    pub fn init(dir: &Path, origin: Option<&str>) -> Result<Self> {
        Self::init_under(dir, origin, None)
    }

    /// The same with keys that are sealed under a passphrase.
    pub fn init_under(dir: &Path, origin: Option<&str>, passphrase: Option<Passphrase>) -> Result<Self> {
        if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(NodeError::refused(format!("{} is not empty", dir.display()))
                .hint("name a new folder, or remove what is in this one"));
        }
        let origin = match origin {
            Some(origin) => check_origin(origin)?.to_owned(),
            None => format!("assay.localhost/{}", hex::encode(random::<6>()?)),
        };
        let home = Self { dir: dir.to_path_buf(), config: Config::of(origin), passphrase };
        for folder in [home.keys(), home.private(), home.public(), home.reports(), home.receipts()] {
            fs::create_dir_all(&folder).map_err(|e| NodeError::file(&folder, &e))?;
        }
        for folder in [home.keys(), home.private(), home.receipts()] {
            owner_only(&folder, 0o700)?;
        }
        home.create_key(OPERATOR)?;
        home.create_key(LOG)?;
        let text = toml::to_string(&home.config).map_err(NodeError::bug)?;
        // Written last: a home without it is not a home.
        write_new(&dir.join(CONFIG), text.as_bytes(), 0o644)?;
        Ok(home)
    }

    /// Opens an existing home.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::read(dir, CONFIG)?.stays()
    }

    /// The same home with what opens its keys; new ones are sealed under it.
    #[must_use]
    pub fn under(self, passphrase: Option<Passphrase>) -> Self {
        Self { passphrase, ..self }
    }

    /// Reads the settings in a folder.
    fn read(dir: &Path, name: &str) -> Result<Self> {
        let path = dir.join(name);
        let text = fs::read_to_string(&path).map_err(|e| {
            NodeError::file(&path, &e)
                .hint("make a home with `assay init DIR`, and name it by --home or ASSAY_HOME")
        })?;
        let config: Config =
            toml::from_str(&text).map_err(|e| NodeError::invalid(format!("{}: {e}", path.display())))?;
        check_origin(&config.origin)?;
        Ok(Self { dir: dir.to_path_buf(), config, passphrase: None })
    }

    /// Refuses a home that another one has replaced: two would write two histories.
    fn stays(self) -> Result<Self> {
        match &self.config.moved {
            None => Ok(self),
            Some(other) => Err(NodeError::refused(format!("the node of {} has moved", self.dir.display()))
                .hint(format!("its home is {other} now"))),
        }
    }

    /// Origin of the log.
    pub fn origin(&self) -> &str {
        &self.config.origin
    }

    /// The policy that checkpoints must satisfy before they are published, if there is one.
    pub fn witness_policy(&self) -> Result<Option<Policy>> {
        self.config.witness.as_ref().map(|witness| read_policy(&self.dir.join(&witness.policy))).transpose()
    }

    /// Most bytes of memory that the index of near duplicates of a datanet takes.
    pub fn gate_memory(&self) -> usize {
        let mib = self.config.gates.as_ref().map_or(GATE_MEMORY_MIB, |gates| gates.memory_mib);
        usize::try_from(u64::from(mib) << 20).unwrap_or(usize::MAX)
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Event store, vault, every table.
    pub fn private(&self) -> PathBuf {
        self.dir.join("private")
    }

    /// What a stranger gets, where it is kept here.
    pub fn public(&self) -> PathBuf {
        self.dir.join("public")
    }

    /// Where the log is: a folder, or the address of a database.
    pub fn log_address(&self) -> String {
        match &self.config.store {
            Some(store) if store.contains("://") => store.clone(),
            Some(store) => in_words(&self.dir.join(store).join("log")),
            None => in_words(&self.private().join("log")),
        }
    }

    /// Where the vault is: a folder, or the address of a database.
    pub fn vault_address(&self) -> String {
        self.address(self.config.store.as_deref(), "private")
    }

    /// Where all tables are: a folder, or the address of an object store.
    pub fn tables_address(&self) -> String {
        self.address(self.config.tables.as_deref(), "private")
    }

    /// Where the public files are: a folder, or the address of an object store.
    pub fn public_address(&self) -> String {
        self.address(self.config.public.as_deref(), "public")
    }

    /// A configured place, or a folder of this home.
    fn address(&self, configured: Option<&str>, folder: &str) -> String {
        match configured {
            Some(address) if address.contains("://") => address.to_owned(),
            other => in_words(&self.dir.join(other.unwrap_or(folder))),
        }
    }

    /// Pages to look at.
    pub fn reports(&self) -> PathBuf {
        self.dir.join("reports")
    }

    /// Receipts of those who act from here.
    pub fn receipts(&self) -> PathBuf {
        self.dir.join("receipts")
    }

    fn keys(&self) -> PathBuf {
        self.dir.join(keys::KEYS)
    }
}

/// An origin is a line of its own in every checkpoint: short, printable, without spaces or `+`.
fn check_origin(origin: &str) -> Result<&str> {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'+' | b'"' | b'\\');
    let good = (1..=ORIGIN_BYTES_MAX).contains(&origin.len()) && origin.bytes().all(plain);
    match good {
        true => Ok(origin),
        false => Err(NodeError::invalid(format!("{origin:?} is no origin")).hint(
            "use a name of your own such as example.org/my-log, without spaces, +, quotes and backslashes",
        )),
    }
}

fn in_words(path: &Path) -> String {
    path.display().to_string()
}

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| NodeError::unavailable(format!("no randomness: {e}")))?;
    Ok(bytes)
}

/// Writes a file that must not be there yet.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let write = |mut file: fs::File| {
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()
    };
    options.open(path).and_then(write).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => NodeError::refused(format!("{} exists already", path.display())),
        _ => NodeError::file(path, &e),
    })
}

fn owner_only(path: &Path, mode: u32) -> Result<()> {
    #[cfg(unix)]
    {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(path, permissions).map_err(|e| NodeError::file(path, &e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_home_opens_as_it_was_made_and_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("home");
        let made = Home::init(&path, Some("example.org/net")).unwrap();
        let opened = Home::open(&path).unwrap();
        assert_eq!(opened.origin(), "example.org/net");
        assert_eq!(made.key(LOG).unwrap().to_bytes(), opened.key(LOG).unwrap().to_bytes());
        assert_eq!(Home::init(&path, None).unwrap_err().kind, crate::error::Kind::Refused);
        assert!(opened.create_key(OPERATOR).is_err());
        assert_eq!(opened.key_names().unwrap(), ["log", "operator"]);
    }
}
