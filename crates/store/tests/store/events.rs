use assay_store::events::{ENTRY_BYTES_MAX, PAGE_ENTRIES_MAX};
use assay_store::{AppendError, EventReader, EventStore, NewEntry, StoreError};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::ground::{Ground, on_every_store};

on_every_store!(
    what_is_appended_is_there_after_reopening,
    an_append_to_another_size_changes_nothing,
    a_key_is_used_once_and_its_owner_is_named,
    bounds_are_held,
    pages_are_bounded_and_scans_are_whole,
    leaf_hashes_are_those_of_rfc_6962,
    a_checkpoint_moves_only_from_the_one_seen,
    the_newest_images_are_kept,
    changed_and_missing_entries_are_found,
    a_failed_write_poisons_the_store,
    readers_see_whole_batches_while_the_writer_writes,
    the_store_is_a_list,
);

fn entry(text: &str, key: u8) -> NewEntry {
    NewEntry { bytes: text.as_bytes().to_vec(), keys: vec![vec![key; 16]] }
}

pub(crate) fn bare(count: u64) -> Vec<NewEntry> {
    (0..count).map(|n| NewEntry { bytes: format!("entry {n}").into_bytes(), keys: vec![] }).collect()
}

fn texts(reader: &EventReader) -> Vec<String> {
    reader.scan(0).map(|entry| String::from_utf8(entry.unwrap().1).unwrap()).collect()
}

fn what_is_appended_is_there_after_reopening(ground: &Ground) {
    let mut store = ground.events();
    assert_eq!(store.reader().size().unwrap(), 0);
    assert_eq!(store.append(0, &[entry("a", 1), entry("b", 2)]).unwrap(), 2);
    assert_eq!(store.append(2, &[]).unwrap(), 2);
    assert_eq!(store.append(2, &[entry("", 3)]).unwrap(), 3);
    drop(store);
    let store = ground.events();
    assert_eq!(texts(store.reader()), ["a", "b", ""]);
    assert_eq!(store.reader().find_key(&[2; 16]).unwrap(), Some(1));
    assert_eq!(store.reader().find_key(&[9; 16]).unwrap(), None);
    assert_eq!(store.reader().check().unwrap(), 3);
}

fn an_append_to_another_size_changes_nothing(ground: &Ground) {
    let mut store = ground.events();
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

fn a_key_is_used_once_and_its_owner_is_named(ground: &Ground) {
    let mut store = ground.events();
    store.append(0, &[entry("a", 1), entry("b", 2)]).unwrap();
    let again = store.append(2, &[entry("c", 3), entry("d", 2)]).unwrap_err();
    assert!(matches!(&again, AppendError::Duplicate { key, seq: 1 } if *key == vec![2; 16]), "{again}");
    let twice = store.append(2, &[entry("c", 3), entry("d", 3)]).unwrap_err();
    assert!(matches!(twice, AppendError::Duplicate { seq: 2, .. }), "{twice}");
    assert_eq!(store.reader().find_key(&[3; 16]).unwrap(), None, "a refused batch leaves no key");
    assert_eq!(store.append(2, &[entry("c", 3)]).unwrap(), 3);
}

fn bounds_are_held(ground: &Ground) {
    let mut store = ground.events();
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

fn pages_are_bounded_and_scans_are_whole(ground: &Ground) {
    let mut store = ground.events();
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

fn leaf_hashes_are_those_of_rfc_6962(ground: &Ground) {
    let mut store = ground.events();
    store.append(0, &[entry("", 1), entry("L123456", 2)]).unwrap();
    let leaves: Vec<String> = store.reader().leaves(0..2).unwrap().iter().map(ToString::to_string).collect();
    // The example hashes of RFC 6962 implementations: the empty leaf and "L123456" (Certificate Transparency, Go).
    assert_eq!(leaves[0], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    assert_eq!(leaves[1], "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56");
}

fn a_checkpoint_moves_only_from_the_one_seen(ground: &Ground) {
    let mut store = ground.events();
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
    let checkpoint = ground.reader().checkpoint().unwrap().unwrap();
    assert_eq!((checkpoint.size, checkpoint.note.as_slice()), (10, b"ten".as_slice()));
}

fn the_newest_images_are_kept(ground: &Ground) {
    let mut store = ground.events();
    store.append(0, &bare(10)).unwrap();
    assert!(store.put_image(11, 1, b"ahead").is_err());
    for size in [2, 9, 5] {
        store.put_image(size, 1, format!("image {size}").as_bytes()).unwrap();
    }
    let image = store.reader().latest_image().unwrap().unwrap();
    assert_eq!((image.size, image.version, image.bytes.as_slice()), (9, 1, b"image 9".as_slice()));
    ground.sql(
        "events.db",
        "UPDATE image SET bytes = x'00' WHERE size = 9",
        "UPDATE assay_image SET bytes = '\\x00' WHERE size = 9",
    );
    assert!(matches!(store.reader().latest_image(), Err(StoreError::Corrupt { .. })));
    store.drop_images().unwrap();
    assert_eq!(store.reader().latest_image().unwrap(), None);
}

fn changed_and_missing_entries_are_found(ground: &Ground) {
    for (sqlite, postgres) in [
        (
            "UPDATE entry SET bytes = x'656e747279203340' WHERE seq = 3",
            "UPDATE assay_entry SET bytes = '\\x656e747279203340' WHERE seq = 3",
        ),
        (
            "UPDATE entry SET leaf = zeroblob(32) WHERE seq = 3",
            "UPDATE assay_entry SET leaf = sha256('') WHERE seq = 3",
        ),
        (
            "UPDATE entry SET leaf = x'00' WHERE seq = 3",
            "UPDATE assay_entry SET leaf = '\\x00' WHERE seq = 3",
        ),
        ("DELETE FROM entry WHERE seq = 3", "DELETE FROM assay_entry WHERE seq = 3"),
        (
            "INSERT INTO key VALUES (zeroblob(16), 10)",
            "INSERT INTO assay_key VALUES ('\\x00112233445566778899aabbccddeeff', 10)",
        ),
    ] {
        let ground = ground.another();
        let mut store = ground.events();
        store.append(0, &bare(10)).unwrap();
        assert_eq!(store.reader().check().unwrap(), 10);
        ground.sql("events.db", sqlite, postgres);
        let error = store.reader().check().unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{sqlite}: {error}");
    }
}

fn a_failed_write_poisons_the_store(ground: &Ground) {
    let mut store = ground.events();
    store.append(0, &bare(3)).unwrap();
    // A trigger stands for a disk that fails in the middle of a transaction.
    ground.sql(
        "events.db",
        "CREATE TRIGGER full BEFORE INSERT ON entry WHEN new.seq = 5 BEGIN SELECT raise(ROLLBACK, 'disk full'); END",
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN RAISE EXCEPTION ''disk full'' USING ERRCODE = ''disk_full''; END';
         CREATE TRIGGER full_disk BEFORE INSERT ON assay_entry FOR EACH ROW WHEN (new.seq = 5) EXECUTE FUNCTION full_disk()",
    );
    let error = store.append(3, &bare(4)).unwrap_err();
    assert!(matches!(error, AppendError::Store(StoreError::Poisoned { .. })), "{error}");
    assert!(error.to_string().contains("disk full"), "{error}");
    assert!(matches!(store.append(3, &bare(1)), Err(AppendError::Store(StoreError::Poisoned { .. }))));
    assert!(matches!(store.reader().size(), Err(StoreError::Poisoned { .. })));
    assert!(matches!(store.set_checkpoint(None, 1, b"n"), Err(StoreError::Poisoned { .. })));
    drop(store);
    ground.sql("events.db", "DROP TRIGGER full", "DROP TRIGGER full_disk ON assay_entry");
    let mut store = ground.events();
    assert_eq!(store.append(3, &bare(4)).unwrap(), 7);
}

fn readers_see_whole_batches_while_the_writer_writes(ground: &Ground) {
    let mut store = ground.events();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let reader = ground.reader();
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

/// The store against a vector, a list of keys and one number.
fn the_store_is_a_list(ground: &Ground) {
    let config = Config { failure_persistence: None, ..Config::with_cases(24) };
    TestRunner::new(config).run(&steps(), |steps| is_a_list(&ground.another(), steps)).unwrap();
}

fn is_a_list(ground: &Ground, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut store = ground.events();
    let mut model: Vec<(Vec<u8>, u8)> = Vec::new();
    let mut signed: Option<u64> = None;
    for (number, step) in steps.into_iter().enumerate() {
        let size = model.len() as u64;
        match step {
            Step::Append { expected_off, keys } => {
                let expected = size.saturating_add_signed(expected_off.into());
                let batch: Vec<NewEntry> =
                    keys.iter().map(|&key| entry(&format!("{number} {key}"), key)).collect();
                let fresh = keys
                    .iter()
                    .enumerate()
                    .all(|(at, key)| !keys[..at].contains(key) && model.iter().all(|(_, used)| used != key));
                match store.append(expected, &batch) {
                    Ok(new) => {
                        prop_assert!(expected == size && fresh);
                        model.extend(batch.into_iter().zip(keys).map(|(entry, key)| (entry.bytes, key)));
                        prop_assert_eq!(new, model.len() as u64);
                    }
                    Err(AppendError::Conflict { actual, .. }) => {
                        prop_assert!(actual == size && expected != size)
                    }
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
                store = ground.events();
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
    Ok(())
}
