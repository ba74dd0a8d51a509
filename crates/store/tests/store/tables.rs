use std::fs;
use std::sync::Arc;

use assay_store::{StoreError, TableRef, TableStore};
use object_store::memory::InMemory;

#[test]
fn a_table_is_found_by_its_hash() {
    let folder = tempfile::tempdir().unwrap();
    let store = TableStore::folder(folder.path()).unwrap();
    assert_eq!(store.list().unwrap(), []);
    let table = store.put(b"abc".to_vec(), "parquet").unwrap();
    // FIPS 180-2, appendix B.1.
    let name = "tables/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad.parquet";
    assert_eq!((table.path().as_str(), table.bytes), (name, 3));
    assert_eq!(fs::read(folder.path().join(name)).unwrap(), b"abc");
    assert_eq!(store.put(b"abc".to_vec(), "parquet").unwrap(), table);
    let other = store.put(vec![], "json").unwrap();
    let mut both = vec![table.clone(), other];
    both.sort();
    let reopened = TableStore::open(&format!("file://{}", folder.path().display())).unwrap();
    assert_eq!(reopened.list().unwrap(), both);
    assert_eq!(reopened.get(&table).unwrap(), "abc");
    assert!(reopened.exists(&table).unwrap());
    reopened.remove(&table.sha256, "parquet").unwrap();
    reopened.remove(&table.sha256, "parquet").unwrap();
    assert!(!store.exists(&table).unwrap() && !folder.path().join(name).exists());
}

#[test]
fn damage_is_never_served_and_can_be_mended() {
    let folder = tempfile::tempdir().unwrap();
    let store = TableStore::folder(folder.path()).unwrap();
    let bytes: Vec<u8> = (0..1_000_u32).map(|n| n as u8).collect();
    let table = store.put(bytes.clone(), "parquet").unwrap();
    let path = folder.path().join(table.path());
    let mut dice = crate::Dice(1);
    for _ in 0..100 {
        let mut flipped = bytes.clone();
        flipped[dice.below(1_000)] ^= 1 << dice.below(8);
        fs::write(&path, &flipped).unwrap();
        assert!(matches!(store.get(&table), Err(StoreError::Corrupt { .. })));
    }
    for length in [0, 1, 999] {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = store.get(&table).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
        assert!(!store.exists(&table).unwrap());
    }
    assert_eq!(store.put(bytes.clone(), "parquet").unwrap(), table);
    assert_eq!(store.get(&table).unwrap(), bytes);
}

#[test]
fn absent_and_half_written_files_are_no_tables() {
    let folder = tempfile::tempdir().unwrap();
    let store = TableStore::folder(folder.path()).unwrap();
    let table = TableRef::of(b"never stored", "parquet");
    assert!(!store.exists(&table).unwrap());
    assert!(matches!(store.get(&table), Err(StoreError::NotFound(_))));
    let name = hex::encode(table.sha256);
    for stray in [
        format!("{name}.parquet#1"),
        name.clone(),
        format!("{name}.PARQUET"),
        format!("{}.parquet", name.to_uppercase()),
        "notes.txt".to_owned(),
    ] {
        fs::write(folder.path().join("tables").join(stray), b"never sto").unwrap();
    }
    assert_eq!(store.list().unwrap(), []);
    assert_eq!(store.put(b"never stored".to_vec(), "parquet").unwrap(), table);
    assert_eq!(store.list().unwrap(), [table]);
}

#[test]
fn extensions_and_addresses_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let store = TableStore::folder(folder.path()).unwrap();
    for extension in ["", "a/b", "..", "Parquet", "abcdefghijklmnopq"] {
        assert!(matches!(store.put(vec![1], extension), Err(StoreError::Invalid(_))), "{extension:?}");
    }
    let error = TableStore::open("gs://bucket/prefix").err().unwrap();
    assert!(error.to_string().contains("no gs store"), "{error}");
}

#[test]
fn any_object_store_will_do() {
    let objects = Arc::new(InMemory::new());
    let store = TableStore::new(objects.clone(), "a/node", "memory");
    let table = store.put(b"abc".to_vec(), "parquet").unwrap();
    assert_eq!(store.list().unwrap(), std::slice::from_ref(&table));
    assert_eq!(store.get(&table).unwrap(), "abc");
    assert_eq!(TableStore::new(objects, "another", "memory").list().unwrap(), []);
}
