use std::fs;
use std::path::Path;

use assay_store::events::{ENTRY_BYTES_MAX, PAGE_ENTRIES_MAX};
use assay_store::{AppendError, EventReader, EventStore, NewEntry, StoreError, Vault};
use proptest::prelude::*;

fn entry(text: &str, key: u8) -> NewEntry {
    NewEntry { bytes: text.as_bytes().to_vec(), keys: vec![vec![key; 16]] }
}

fn bare(count: u64) -> Vec<NewEntry> {
    (0..count).map(|n| NewEntry { bytes: format!("entry {n}").into_bytes(), keys: vec![] }).collect()
}

fn texts(reader: &EventReader) -> Vec<String> {
    reader.scan(0).map(|entry| String::from_utf8(entry.unwrap().1).unwrap()).collect()
}

#[test]
fn what_is_appended_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = EventStore::open(folder.path()).unwrap();
    assert_eq!(store.reader().size().unwrap(), 0);
    assert_eq!(store.append(0, &[entry("a", 1), entry("b", 2)]).unwrap(), 2);
    assert_eq!(store.append(2, &[]).unwrap(), 2);
    assert_eq!(store.append(2, &[entry("", 3)]).unwrap(), 3);
    drop(store);
    let store = EventStore::open(folder.path()).unwrap();
    assert_eq!(texts(store.reader()), ["a", "b", ""]);
    assert_eq!(store.reader().find_key(&[2; 16]).unwrap(), Some(1));
    assert_eq!(store.reader().find_key(&[9; 16]).unwrap(), None);
    assert_eq!(store.reader().check().unwrap(), 3);
}

#[test]
fn an_append_to_another_size_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = EventStore::open(folder.path()).unwrap();
    store.append(0, &[entry("a", 1)]).unwrap();
    for wrong in [0, 2, u64::MAX] {
        let error = store.append(wrong, &[entry("b", 2)]).unwrap_err();
        assert!(
            matches!(error, AppendError::Conflict { expected, actual: 1 } if expected == wrong),
            "{error}"
        );
    }
    assert_eq!(texts(store.reader()), ["a"]);
    assert_eq!(store.append(1, &[entry("b", 2)]).unwrap(), 2);
}

#[test]
fn a_key_is_used_once_and_its_owner_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = EventStore::open(folder.path()).unwrap();
    store.append(0, &[entry("a", 1), entry("b", 2)]).unwrap();
    let again = store.append(2, &[entry("c", 3), entry("d", 2)]).unwrap_err();
    assert!(matches!(&again, AppendError::Duplicate { key, seq: 1 } if *key == vec![2; 16]), "{again}");
    let twice = store.append(2, &[entry("c", 3), entry("d", 3)]).unwrap_err();
    assert!(matches!(twice, AppendError::Duplicate { seq: 2, .. }), "{twice}");
    assert_eq!(store.reader().find_key(&[3; 16]).unwrap(), None, "a refused batch leaves no key");
    assert_eq!(store.append(2, &[entry("c", 3)]).unwrap(), 3);
}

#[test]
fn bounds_are_held() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = EventStore::open(folder.path()).unwrap();
    let with_key = |length| NewEntry { bytes: vec![], keys: vec![vec![1; length]] };
    for length in [0, 15, 65] {
        let error = store.append(0, &[with_key(length)]).unwrap_err();
        assert!(matches!(error, AppendError::Store(StoreError::Invalid(_))), "{error}");
    }
    let large = |length| NewEntry { bytes: vec![7; length], keys: vec![] };
    let error = store.append(0, &[large(ENTRY_BYTES_MAX + 1)]).unwrap_err();
    assert!(
        matches!(error, AppendError::Store(StoreError::Limit { found: 65_536, max: 65_535, .. })),
        "{error}"
    );
    let many_keys = NewEntry { bytes: vec![], keys: (0..17).map(|key| vec![key; 16]).collect() };
    assert!(store.append(0, &[many_keys]).is_err());
    assert_eq!(store.append(0, &[large(ENTRY_BYTES_MAX), with_key(16), with_key(64)]).unwrap(), 3);
}

#[test]
fn pages_are_bounded_and_scans_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = EventStore::open(folder.path()).unwrap();
    let count = 2 * PAGE_ENTRIES_MAX + 10;
    store.append(0, &bare(count)).unwrap();
    let reader = store.reader();
    assert_eq!(reader.read(0..count).unwrap().len() as u64, PAGE_ENTRIES_MAX);
    assert_eq!(reader.read(count - 3..count).unwrap().len(), 3);
    assert_eq!(reader.read(5..5).unwrap(), Vec::<Vec<u8>>::new());
    for range in [0..count + 1, count + 1..count + 1, u64::MAX..u64::MAX] {
        assert!(matches!(reader.read(range), Err(StoreError::Invalid(_))));
    }
    let seqs: Vec<u64> = reader.scan(3).map(|entry| entry.unwrap().0).collect();
    assert!(seqs.iter().copied().eq(3..count));
    assert_eq!(reader.scan(count).count(), 0);
    let large: Vec<NewEntry> =
        (0..300).map(|n| NewEntry { bytes: vec![n as u8; ENTRY_BYTES_MAX], keys: vec![] }).collect();
    store.append(count, &large).unwrap();
    let page = store.reader().read(count..count + 300).unwrap();
    assert!((1..300).contains(&page.len()), "a page of large entries ends early: {}", page.len());
    assert_eq!(store.reader().scan(count).count(), 300);
}

#[test]
fn leaf_hashes_are_those_of_rfc_6962() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = EventStore::open(folder.path()).unwrap();
    store.append(0, &[entry("", 1), entry("L123456", 2)]).unwrap();
    let leaves: Vec<String> = store.reader().leaves(0..2).unwrap().iter().map(ToString::to_string).collect();
    // The example hashes of RFC 6962 implementations: the empty leaf and "L123456" (Certificate Transparency, Go).
    assert_eq!(leaves[0], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    assert_eq!(leaves[1], "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56");
}

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
fn a_checkpoint_moves_only_from_the_one_seen() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = EventStore::open(folder.path()).unwrap();
    store.append(0, &bare(10)).unwrap();
    assert_eq!(store.reader().checkpoint().unwrap(), None);
    store.set_checkpoint(None, 4, b"four").unwrap();
    let refused = |store: &mut EventStore, old, size| {
        let error = store.set_checkpoint(old, size, b"wrong").unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    };
    refused(&mut store, None, 5);
    refused(&mut store, Some(3), 5);
    refused(&mut store, Some(4), 3);
    refused(&mut store, Some(4), 11);
    store.set_checkpoint(Some(4), 4, b"four, with a witness").unwrap();
    store.set_checkpoint(Some(4), 10, b"ten").unwrap();
    drop(store);
    let checkpoint = EventReader::open(folder.path()).unwrap().checkpoint().unwrap().unwrap();
    assert_eq!((checkpoint.size, checkpoint.note.as_slice()), (10, b"ten".as_slice()));
}

#[test]
fn the_newest_images_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = EventStore::open(folder.path()).unwrap();
    store.append(0, &bare(10)).unwrap();
    assert!(store.put_image(11, 1, b"ahead").is_err());
    for size in [2, 9, 5] {
        store.put_image(size, 1, format!("image {size}").as_bytes()).unwrap();
    }
    let image = store.reader().latest_image().unwrap().unwrap();
    assert_eq!((image.size, image.version, image.bytes.as_slice()), (9, 1, b"image 9".as_slice()));
    sql(folder.path(), "UPDATE image SET bytes = x'00' WHERE size = 9");
    assert!(matches!(store.reader().latest_image(), Err(StoreError::Corrupt { .. })));
    store.drop_images().unwrap();
    assert_eq!(store.reader().latest_image().unwrap(), None);
}

/// Changes the file behind the store's back.
fn sql(folder: &Path, statement: &str) {
    rusqlite::Connection::open(folder.join("events.db")).unwrap().execute_batch(statement).unwrap();
}

#[test]
fn changed_and_missing_entries_are_found() {
    for damage in [
        "UPDATE entry SET bytes = x'656e747279203340' WHERE seq = 3",
        "UPDATE entry SET leaf = zeroblob(32) WHERE seq = 3",
        "UPDATE entry SET leaf = x'00' WHERE seq = 3",
        "DELETE FROM entry WHERE seq = 3",
        "INSERT INTO key VALUES (zeroblob(16), 10)",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut store = EventStore::open(folder.path()).unwrap();
        store.append(0, &bare(10)).unwrap();
        assert_eq!(store.reader().check().unwrap(), 10);
        sql(folder.path(), damage);
        let error = store.reader().check().unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{damage}: {error}");
    }
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
fn a_failed_write_poisons_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = EventStore::open(folder.path()).unwrap();
    store.append(0, &bare(3)).unwrap();
    // A trigger stands for a disk that fails in the middle of a transaction.
    sql(
        folder.path(),
        "CREATE TRIGGER full BEFORE INSERT ON entry WHEN new.seq = 5 BEGIN SELECT raise(ROLLBACK, 'disk full'); END",
    );
    let error = store.append(3, &bare(4)).unwrap_err();
    assert!(matches!(error, AppendError::Store(StoreError::Poisoned { .. })), "{error}");
    assert!(error.to_string().contains("disk full"), "{error}");
    assert!(matches!(store.append(3, &bare(1)), Err(AppendError::Store(StoreError::Poisoned { .. }))));
    assert!(matches!(store.reader().size(), Err(StoreError::Poisoned { .. })));
    assert!(matches!(store.set_checkpoint(None, 1, b"n"), Err(StoreError::Poisoned { .. })));
    drop(store);
    sql(folder.path(), "DROP TRIGGER full");
    let mut store = EventStore::open(folder.path()).unwrap();
    assert_eq!(store.append(3, &bare(4)).unwrap(), 7);
}

#[test]
fn readers_see_whole_batches_while_the_writer_writes() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = EventStore::open(folder.path()).unwrap();
    let path = folder.path().to_owned();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let reader = EventReader::open(&path).unwrap();
            std::thread::spawn(move || {
                let mut last = 0;
                while last < 700 {
                    let size = reader.size().unwrap();
                    assert!(size >= last && size.is_multiple_of(7), "{size} after {last}");
                    for entry in reader.scan(last).take((size - last) as usize) {
                        let (seq, bytes) = entry.unwrap();
                        assert_eq!(bytes, format!("entry {seq}").into_bytes());
                    }
                    last = size;
                }
            })
        })
        .collect();
    for batch in bare(700).chunks(7) {
        let size = store.reader().size().unwrap();
        store.append(size, batch).unwrap();
    }
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn the_bundled_sqlite_is_not_one_that_corrupts() {
    // Two connections could corrupt the write-ahead log before 3.51.3.
    assert!(rusqlite::version_number() >= 3_051_003);
}

#[derive(Debug, Clone)]
enum Step {
    Append { expected_off: i8, keys: Vec<u8> },
    Sign { old_off: i8, size_off: i8 },
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (prop_oneof![4 => Just(0_i8), 1 => -2..3_i8], prop::collection::vec(0..60_u8, 0..4))
            .prop_map(|(expected_off, keys)| Step::Append { expected_off, keys }),
        2 => (-1..2_i8, -2..2_i8).prop_map(|(old_off, size_off)| Step::Sign { old_off, size_off }),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The store against a vector, a list of keys and one number.
    #[test]
    fn the_store_is_a_list(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = EventStore::open(folder.path()).unwrap();
        let mut model: Vec<(Vec<u8>, u8)> = Vec::new();
        let mut signed: Option<u64> = None;
        for (number, step) in steps.into_iter().enumerate() {
            let size = model.len() as u64;
            match step {
                Step::Append { expected_off, keys } => {
                    let expected = size.saturating_add_signed(expected_off.into());
                    let batch: Vec<NewEntry> = keys.iter().map(|&key| entry(&format!("{number} {key}"), key)).collect();
                    let fresh = keys.iter().enumerate().all(|(at, key)| {
                        !keys[..at].contains(key) && model.iter().all(|(_, used)| used != key)
                    });
                    match store.append(expected, &batch) {
                        Ok(new) => {
                            prop_assert!(expected == size && fresh);
                            model.extend(batch.into_iter().zip(keys).map(|(entry, key)| (entry.bytes, key)));
                            prop_assert_eq!(new, model.len() as u64);
                        }
                        Err(AppendError::Conflict { actual, .. }) => prop_assert!(actual == size && expected != size),
                        Err(AppendError::Duplicate { .. }) => prop_assert!(!fresh),
                        Err(other) => prop_assert!(false, "{}", other),
                    }
                }
                Step::Sign { old_off, size_off } => {
                    let old = signed.map(|signed| signed.saturating_add_signed(old_off.into()));
                    let new = size.saturating_add_signed(size_off.into());
                    let allowed = old == signed && new <= size && signed.is_none_or(|signed| new >= signed);
                    prop_assert_eq!(store.set_checkpoint(old, new, b"note").is_ok(), allowed);
                    signed = if allowed { Some(new) } else { signed };
                }
                Step::Reopen => {
                    drop(store);
                    store = EventStore::open(folder.path()).unwrap();
                }
            }
            prop_assert_eq!(store.reader().checkpoint().unwrap().map(|found| found.size), signed);
        }
        let found: Vec<Vec<u8>> = store.reader().scan(0).map(|entry| entry.unwrap().1).collect();
        prop_assert!(found.iter().eq(model.iter().map(|(bytes, _)| bytes)));
        for (seq, (_, key)) in model.iter().enumerate() {
            prop_assert_eq!(store.reader().find_key(&[*key; 16]).unwrap(), Some(seq as u64));
        }
        prop_assert_eq!(store.reader().check().unwrap(), model.len() as u64);
    }
}
