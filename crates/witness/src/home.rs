//! The witness itself: its key, the logs that it knows, and the one decision that it makes.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use assay_store::{StoreError, WitnessStore, WitnessedHead};
use assay_tlog::{
    AddCheckpoint, CosignerKey, CosignerSecret, Hash, KeyError, Refusal, Signature, VerifierKey, Witnessed,
};

/// Name of the key file in the home.
pub const KEY_FILE: &str = "witness.key";

/// A witness with its memory open.
pub struct Witness {
    key: CosignerSecret,
    store: WitnessStore,
}

/// A log that the witness knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessedLog {
    /// Its origin.
    pub origin: String,
    /// Keys that may sign for it.
    pub keys: Vec<String>,
    /// The newest head that was cosigned.
    pub head: Option<WitnessedHead>,
}

/// Why a witness cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The protocol says no, and with which status.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The memory cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Not a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key file cannot be read or written.
    #[error("{path}: {what}")]
    File {
        /// Where.
        path: String,
        /// What happened.
        what: String,
    },
}

impl WitnessError {
    fn file(path: &Path, what: impl std::fmt::Display) -> Self {
        Self::File { path: path.display().to_string(), what: what.to_string() }
    }
}

impl Witness {
    /// Makes a new witness in `folder` with a key of that name, such as `witness.example/w1`; the name stands in every
    /// cosignature. Refuses to replace a key.
    pub fn create(folder: &Path, name: &str) -> Result<Self, WitnessError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| WitnessError::file(folder, format!("no randomness: {e}")))?;
        let key = CosignerSecret::from_seed(name, &seed)?;
        // The memory first: its lock keeps two from making one witness.
        let store = WitnessStore::open(folder)?;
        let path = folder.join(KEY_FILE);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&path).and_then(|mut file| {
            file.write_all(format!("{}\n", *key.expose()).as_bytes())?;
            file.sync_all()
        });
        written.map_err(|e| WitnessError::file(&path, e))?;
        Ok(Self { key, store })
    }

    /// Opens the witness in `folder`.
    pub fn open(folder: &Path) -> Result<Self, WitnessError> {
        let path = folder.join(KEY_FILE);
        let text = fs::read_to_string(&path).map_err(|e| WitnessError::file(&path, e))?;
        // The message names the file and never its content.
        let key = text.trim_end().parse().map_err(|e: KeyError| WitnessError::file(&path, e))?;
        Ok(Self { key, store: WitnessStore::open(folder)? })
    }

    /// The key of its cosignatures.
    #[must_use]
    pub fn key(&self) -> &CosignerKey {
        self.key.verifier()
    }

    /// Lets a key sign checkpoints of the log whose origin is its name. `false` if it could already.
    pub fn add_log(&mut self, key: &VerifierKey) -> Result<bool, WitnessError> {
        Ok(self.store.add_key(key.name(), &key.to_string())?)
    }

    /// Every log that it knows.
    pub fn logs(&self) -> Result<Vec<WitnessedLog>, WitnessError> {
        let log = |origin: String| {
            let (keys, head) = (self.store.keys(&origin)?, self.store.head(&origin)?);
            Ok(WitnessedLog { origin, keys, head })
        };
        self.store.origins()?.into_iter().map(log).collect()
    }

    /// Answers the body of an `add-checkpoint`: the cosignature, made after the new head was stored.
    pub fn add_checkpoint(&mut self, body: &[u8]) -> Result<Signature, WitnessError> {
        let request = AddCheckpoint::parse(body)?;
        let origin = request.checkpoint()?.origin;
        let keys = self.store.keys(&origin)?;
        let keys: Vec<VerifierKey> = keys.iter().map(|key| key.parse()).collect::<Result<_, _>>()?;
        let note = request.note.to_string().into_bytes();
        self.store.advance(&origin, |known| {
            let known = known.map(|head| Witnessed { size: head.size, root: Hash(head.root) });
            let next = request.judge(&keys, known.unwrap_or_default())?;
            Ok::<_, WitnessError>(WitnessedHead { size: next.size, root: next.root.0, note })
        })?;
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Ok(self.key.cosign(request.note.text(), time))
    }
}
