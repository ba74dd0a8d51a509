//! A log in memory, of which everything is durable, or only what an operator's careless setting lets be.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use assay_store::events::{EntryRow, PAGE_BYTES_MAX, Rows};
use assay_store::{AppendError, NewEntry, StateImage, StoreError, StoredCheckpoint};
use assay_tlog::leaf_hash;

use crate::machine::{Effect, Machine, Step, Turn};

/// What the log holds.
#[derive(Clone, Default)]
pub(crate) struct Content {
    /// Leaf hash and bytes.
    pub(crate) entries: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) keys: BTreeMap<Vec<u8>, u64>,
    pub(crate) checkpoint: Option<StoredCheckpoint>,
    image: Option<(Vec<u8>, StateImage)>,
}

impl Content {
    /// Everything that is in it, one after the other, but for the image, which is made of it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.entries.iter().for_each(|(_, entry)| bytes.extend_from_slice(entry));
        self.keys.keys().for_each(|key| bytes.extend_from_slice(key));
        self.checkpoint.iter().for_each(|checkpoint| bytes.extend_from_slice(&checkpoint.note));
        bytes
    }
}

/// Which writes are answered before they are durable: the bug that the simulator must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Careless {
    /// None.
    Nowhere,
    /// Entries and checkpoints: a database that does not wait for its disk.
    Everywhere,
    /// Checkpoints only: one that is shown before it is stored.
    Checkpoints,
}

struct Shelf {
    content: Content,
    careless: Careless,
    /// What a crash leaves, where that is not all.
    durable: Option<Content>,
}

/// The disk of a log: it outlives its node.
#[derive(Clone)]
pub(crate) struct Disk {
    machine: Machine,
    shelf: Arc<Mutex<Shelf>>,
}

impl Disk {
    pub(crate) fn new(machine: Machine, careless: Careless) -> Self {
        let shelf = Shelf { content: Content::default(), careless, durable: None };
        Self { machine, shelf: Arc::new(Mutex::new(shelf)) }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at what is there, with no fault in between.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Content) -> T) -> T {
        look(&self.shelf().content)
    }

    /// Time passes: what was written is durable now.
    pub(crate) fn settle(&self) {
        self.shelf().durable = None;
    }

    /// Power goes: what was not durable is gone.
    pub(crate) fn lose_power(&self) {
        let mut shelf = self.shelf();
        if let Some(durable) = shelf.durable.take() {
            shelf.content = durable;
        }
    }

    /// Turns one bit of the bytes of an entry.
    pub(crate) fn flip(&self, seq: u64, bit: u64) {
        let bytes = &mut self.shelf().content.entries[seq as usize].1;
        let at = (bit / 8) as usize % bytes.len();
        bytes[at] ^= 1 << (bit % 8);
    }

    fn refused(&self) -> StoreError {
        StoreError::Objects {
            action: "use",
            place: "the simulated log".to_owned(),
            detail: "the simulator says so".to_owned(),
        }
    }

    fn reading<T>(&self, read: impl FnOnce(&Content) -> T) -> Result<T, StoreError> {
        match self.machine.turn(Step::Read) {
            Turn { answered: true, .. } => Ok(self.look(read)),
            _ => Err(self.refused()),
        }
    }

    fn writing<T, E: From<StoreError>>(
        &self,
        step: Step,
        write: impl FnOnce(&mut Content) -> Result<T, E>,
    ) -> Result<T, E> {
        let Turn { effect, answered } = self.machine.turn(step);
        if effect != Effect::Whole {
            return Err(self.refused().into());
        }
        let mut shelf = self.shelf();
        let volatile = match shelf.careless {
            Careless::Nowhere => false,
            Careless::Everywhere => true,
            Careless::Checkpoints => step == Step::SetCheckpoint,
        };
        match volatile {
            true if shelf.durable.is_none() => shelf.durable = Some(shelf.content.clone()),
            true => {}
            // A careful write takes the careless ones before it along.
            false => shelf.durable = None,
        }
        let written = write(&mut shelf.content)?;
        drop(shelf);
        if answered { Ok(written) } else { Err(self.refused().into()) }
    }
}

impl Rows for Disk {
    fn place(&self) -> String {
        "the simulated log".to_owned()
    }

    fn size(&self) -> Result<u64, StoreError> {
        self.reading(|content| content.entries.len() as u64)
    }

    fn entries(&self, start: u64, end: u64) -> Result<Vec<EntryRow>, StoreError> {
        self.reading(|content| {
            let mut bytes_read = 0;
            let fits = |(_, entry): &(usize, &(Vec<u8>, Vec<u8>))| {
                let fits = bytes_read < PAGE_BYTES_MAX;
                bytes_read += entry.1.len();
                fits
            };
            let rows = content.entries.iter().enumerate().take(end as usize).skip(start as usize);
            rows.take_while(fits)
                .map(|(seq, (leaf, bytes))| (seq as i64, leaf.clone(), bytes.clone()))
                .collect()
        })
    }

    fn leaves(&self, start: u64, end: u64) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
        self.reading(|content| {
            let rows = content.entries.iter().enumerate().take(end as usize).skip(start as usize);
            rows.map(|(seq, (leaf, _))| (seq as i64, leaf.clone())).collect()
        })
    }

    fn key_owner(&self, key: &[u8]) -> Result<Option<u64>, StoreError> {
        self.reading(|content| content.keys.get(key).copied())
    }

    fn stray_key(&self, size: u64) -> Result<Option<u64>, StoreError> {
        self.reading(|content| content.keys.values().copied().find(|seq| *seq >= size))
    }

    fn checkpoint(&self) -> Result<Option<StoredCheckpoint>, StoreError> {
        self.reading(|content| content.checkpoint.clone())
    }

    fn latest_image(&self) -> Result<Option<(Vec<u8>, StateImage)>, StoreError> {
        self.reading(|content| content.image.clone())
    }

    fn check_pages(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn append(&mut self, expected: u64, entries: &[NewEntry]) -> Result<u64, AppendError> {
        self.writing(Step::Append, |content| {
            let actual = content.entries.len() as u64;
            if actual != expected {
                return Err(AppendError::Conflict { expected, actual });
            }
            for (seq, entry) in (actual..).zip(entries) {
                for key in &entry.keys {
                    if let Some(seq) = content.keys.insert(key.clone(), seq) {
                        return Err(AppendError::Duplicate { key: key.clone(), seq });
                    }
                }
                content.entries.push((leaf_hash(&entry.bytes).0.to_vec(), entry.bytes.clone()));
            }
            Ok(content.entries.len() as u64)
        })
    }

    fn set_checkpoint(&mut self, old: Option<u64>, size: u64, note: &[u8]) -> Result<(), StoreError> {
        self.writing(Step::SetCheckpoint, |content| {
            let found = content.checkpoint.as_ref().map(|checkpoint| checkpoint.size);
            if found != old || found.is_some_and(|found| size < found) || size > content.entries.len() as u64
            {
                let (place, detail) = ("the simulated log".to_owned(), format!("{found:?}, not {old:?}"));
                return Err(StoreError::Conflict { place, detail });
            }
            content.checkpoint = Some(StoredCheckpoint { size, note: note.to_vec() });
            Ok(())
        })
    }

    fn put_image(&mut self, image: &StateImage, sha256: [u8; 32]) -> Result<(), StoreError> {
        self.shelf().content.image = Some((sha256.to_vec(), image.clone()));
        Ok(())
    }

    fn drop_images(&mut self) -> Result<(), StoreError> {
        self.shelf().content.image = None;
        Ok(())
    }
}
