//! What only a file can suffer.

use std::fs;

use assay_store::{EventReader, EventStore, NewEntry, StoreError, Vault};

use crate::events::bare;

#[test]
fn a_second_writer_is_refused_and_readers_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = EventStore::open(folder.path()).unwrap();
    let Err(error) = EventStore::open(folder.path()) else { panic!("two writers") };
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    let reader = EventReader::open(folder.path()).unwrap();
    store.append(0, &bare(1)).unwrap();
    assert_eq!(reader.size().unwrap(), 1);
    drop(store);
    assert!(EventStore::open(folder.path()).is_ok());
}

#[test]
fn foreign_and_missing_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = EventReader::open(folder.path()).err().unwrap();
    assert!(matches!(missing, StoreError::NotFound(_)), "{missing}");
    drop(Vault::open(folder.path()).unwrap());
    fs::rename(folder.path().join("vault.db"), folder.path().join("events.db")).unwrap();
    let foreign = EventStore::open(folder.path()).err().unwrap();
    assert!(matches!(foreign, StoreError::Format { .. }), "{foreign}");
    fs::write(folder.path().join("events.db"), b"this is not a database, only a text of some length")
        .unwrap();
    let text = EventStore::open(folder.path()).err().unwrap();
    assert!(matches!(text, StoreError::Sqlite { .. } | StoreError::Corrupt { .. }), "{text}");
}

#[test]
fn single_bit_flips_never_pass_for_entries() {
    let folder = tempfile::tempdir().unwrap();
    let mut dice = crate::Dice(6);
    let entries: Vec<NewEntry> = (0..400).map(|_| NewEntry { bytes: dice.bytes(40), keys: vec![] }).collect();
    let mut store = EventStore::open(folder.path()).unwrap();
    store.append(0, &entries).unwrap();
    drop(store);
    let file = folder.path().join("events.db");
    let healthy = fs::read(&file).unwrap();
    let read_flipped = |places: &[usize], bit: usize| {
        let mut flipped = healthy.clone();
        places.iter().for_each(|&at| flipped[at] ^= 1 << bit);
        fs::write(&file, &flipped).unwrap();
        let reader = EventReader::open(folder.path())?;
        reader.scan(0).map(|entry| entry.map(|entry| entry.1)).collect::<Result<Vec<_>, _>>()
    };
    for _ in 0..200 {
        // Where pages were split a stale copy stays behind; only the living one is ever read.
        let (entry, at) = (&entries[dice.below(400)].bytes, dice.below(40));
        let copies = healthy.windows(40).enumerate().filter(|(_, window)| window == entry);
        let places: Vec<usize> = copies.map(|(start, _)| start + at).collect();
        assert!(!places.is_empty());
        assert!(matches!(read_flipped(&places, dice.below(8)), Err(StoreError::Corrupt { .. })));
    }
    for _ in 0..200 {
        // A flip elsewhere may make the log look shorter (the signed checkpoint tells), but never different.
        if let Ok(found) = read_flipped(&[dice.below(healthy.len())], dice.below(8)) {
            assert!(found.iter().zip(&entries).all(|(found, entry)| *found == entry.bytes));
        }
    }
}

#[test]
fn the_bundled_sqlite_is_not_one_that_corrupts() {
    // Two connections could corrupt the write-ahead log before 3.51.3.
    assert!(rusqlite::version_number() >= 3_051_003);
}
