use std::collections::HashSet;
use std::fs;
use std::path::Path;

use assay_store::vault::{PAGE_RECORDS_MAX, VaultReader};
use assay_store::{PrivateRecord, StoreError, Vault};

use crate::ground::{Ground, on_every_store};

on_every_store!(
    records_come_back_by_commitment_and_by_group,
    a_retry_is_harmless_and_an_overwrite_is_refused,
    what_is_erased_cannot_be_read,
    a_sweep_removes_what_no_event_names,
    secrets_are_kept_by_name_and_checked,
);

fn record(group: u64, index: u32, content: &[u8]) -> PrivateRecord {
    let mut dice = crate::Dice(group.wrapping_mul(1_000_003) + u64::from(index));
    let (commitment, salt) = (dice.bytes(32).try_into().unwrap(), dice.bytes(32).try_into().unwrap());
    PrivateRecord { commitment, salt, group, index, content: content.to_vec() }
}

fn records_come_back_by_commitment_and_by_group(ground: &Ground) {
    let mut vault = ground.vault();
    let records: Vec<_> =
        (0..5_000).map(|index| record(7, index, format!("text {index}").as_bytes())).collect();
    vault.put_batch(&records).unwrap();
    vault.put_batch(&[record(8, 0, b"")]).unwrap();
    drop(vault);
    let vault = ground.vault();
    assert_eq!(vault.reader().get(&records[42].commitment).unwrap().as_ref(), Some(&records[42]));
    assert_eq!(vault.reader().get(&[0; 32]).unwrap(), None);
    assert_eq!(vault.reader().at(7, 42).unwrap().as_ref(), Some(&records[42]));
    assert_eq!(vault.reader().at(7, 5_000).unwrap(), None);
    assert_eq!(vault.reader().at(9, 0).unwrap(), None);
    let mut found = Vec::new();
    loop {
        let page = vault.reader().group(7, found.len() as u32).unwrap();
        assert!(page.len() <= PAGE_RECORDS_MAX);
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, records);
    assert_eq!(vault.reader().commitments().unwrap().len(), 5_001);
    assert_eq!(ground.vault_reader().group(8, 0).unwrap().len(), 1);
}

fn a_retry_is_harmless_and_an_overwrite_is_refused(ground: &Ground) {
    let mut vault = ground.vault();
    let (first, second) = (record(1, 0, b"a"), record(1, 1, b"b"));
    vault.put_batch(std::slice::from_ref(&first)).unwrap();
    vault.put_batch(&[first.clone(), second.clone()]).unwrap();
    let same_place = PrivateRecord { commitment: [9; 32], ..first.clone() };
    let same_commitment = PrivateRecord { index: 9, ..first.clone() };
    let other_content = PrivateRecord { content: b"c".to_vec(), ..first.clone() };
    for wrong in [same_place, same_commitment, other_content] {
        let error = vault.put_batch(&[record(2, 0, b"new"), wrong]).unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    }
    assert_eq!(vault.reader().group(1, 0).unwrap(), [first, second]);
    assert_eq!(vault.reader().group(2, 0).unwrap(), [], "a refused batch leaves nothing");
    let beyond = PrivateRecord { group: 1 << 63, ..record(3, 0, b"") };
    assert!(matches!(vault.put_batch(&[beyond]), Err(StoreError::Limit { .. })));
}

/// Whether any file of the folder holds the first eight bytes of any needle (all of them random or long).
fn holds<'a>(folder: &Path, needles: impl IntoIterator<Item = &'a [u8]>) -> bool {
    let needles: HashSet<&[u8]> = needles.into_iter().map(|needle| &needle[..8]).collect();
    fs::read_dir(folder).unwrap().any(|file| {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        bytes.windows(8).any(|window| needles.contains(window))
    })
}

#[test]
fn an_erased_record_is_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut vault = Vault::open(folder.path()).unwrap();
    let mut dice = crate::Dice(3);
    // Sizes from a few bytes to several pages, erased in a random order between new arrivals, so that pages split
    // and merge: that is when stale copies stay behind.
    let mut living: Vec<PrivateRecord> = Vec::new();
    for round in 0..12_u64 {
        let contents = (0..60).map(|_| {
            let length = [40, 300, 1_500, 9_000][dice.below(4)];
            dice.bytes(length)
        });
        let batch: Vec<_> =
            contents.enumerate().map(|(index, content)| record(round, index as u32, &content)).collect();
        vault.put_batch(&batch).unwrap();
        living.extend(batch);
        let gone: Vec<_> = (0..45).map(|_| living.swap_remove(dice.below(living.len()))).collect();
        let commitments: Vec<_> = gone.iter().map(|record| record.commitment).collect();
        assert!(holds(folder.path(), [&gone[0].salt[..]]), "the search finds what is there");
        assert_eq!(vault.erase(&commitments).unwrap(), 45);
        let secrets = gone.iter().flat_map(|record| [&record.salt[..], &record.content[..]]);
        assert!(!holds(folder.path(), secrets), "a salt or content stayed");
        for record in &gone {
            assert_eq!(vault.reader().get(&record.commitment).unwrap(), None);
        }
    }
    for record in &living {
        assert_eq!(vault.reader().get(&record.commitment).unwrap().as_ref(), Some(record));
    }
    assert_eq!(vault.erase(&[[0; 32]]).unwrap(), 0);
}

#[test]
fn a_reader_that_keeps_old_pages_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let mut vault = Vault::open(folder.path()).unwrap();
    let secret = record(1, 0, b"something that must go away");
    vault.put_batch(std::slice::from_ref(&secret)).unwrap();
    let mut other = rusqlite::Connection::open(folder.path().join("vault.db")).unwrap();
    let snapshot = other.transaction().unwrap();
    let count: i64 = snapshot.query_row("SELECT count(*) FROM record", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
    assert!(matches!(vault.erase(&[secret.commitment]), Err(StoreError::Conflict { .. })));
    assert_eq!(vault.reader().get(&secret.commitment).unwrap(), None);
    drop(snapshot);
    vault.scrub().unwrap();
    assert!(!holds(folder.path(), [&secret.content[..]]));
}

fn what_is_erased_cannot_be_read(ground: &Ground) {
    let mut vault = ground.vault();
    let content: Vec<u8> = b"a text that must go away, ".repeat(400);
    let (gone, kept) = (record(1, 0, &content), record(1, 1, b"kept"));
    vault.put_batch(&[gone.clone(), kept.clone()]).unwrap();
    assert_eq!(vault.erase(&[gone.commitment, [0; 32]]).unwrap(), 1);
    assert_eq!(vault.reader().get(&gone.commitment).unwrap(), None);
    assert_eq!(vault.reader().at(1, 0).unwrap(), None);
    assert_eq!(vault.reader().group(1, 0).unwrap(), [kept]);
    assert!(!ground.holds_in_files(&gone.salt) && !ground.holds_in_files(&content[..26]));
}

fn a_sweep_removes_what_no_event_names(ground: &Ground) {
    let mut vault = ground.vault();
    let records: Vec<_> = (0..10).map(|index| record(1, index, b"x")).collect();
    vault.put_batch(&records).unwrap();
    let named: Vec<_> = records[..7].iter().map(|record| record.commitment).collect();
    assert_eq!(vault.sweep(|commitment| named.contains(commitment)).unwrap(), 3);
    assert_eq!(vault.sweep(|commitment| named.contains(commitment)).unwrap(), 0);
    assert_eq!(vault.reader().commitments().unwrap(), named);
}

fn secrets_are_kept_by_name_and_checked(ground: &Ground) {
    let mut vault = ground.vault();
    let weights = crate::Dice(5).bytes(3 << 20);
    vault.put_private("weights/1", &weights).unwrap();
    vault.put_private("benchmark", b"first").unwrap();
    vault.put_private("benchmark", b"second, rotated").unwrap();
    assert_eq!(vault.reader().private_names().unwrap(), ["benchmark", "weights/1"]);
    let below = |folder: &str| vault.reader().private_names_below(folder).unwrap();
    assert_eq!(
        (below("weights"), below("weight"), below("benchmark")),
        (vec!["weights/1".to_owned()], vec![], vec![])
    );
    assert_eq!(vault.reader().get_private("weights/1").unwrap().unwrap(), weights);
    assert_eq!(vault.reader().get_private("benchmark").unwrap().unwrap(), b"second, rotated");
    assert_eq!(vault.reader().get_private("absent").unwrap(), None);
    assert!(vault.erase_private("benchmark").unwrap());
    assert!(!vault.erase_private("benchmark").unwrap());
    assert!(!ground.holds_in_files(b"second, rotated"));
    ground.sql("vault.db", "UPDATE private SET bytes = x'00'", "UPDATE assay_private SET bytes = '\\x00'");
    assert!(matches!(vault.reader().get_private("weights/1"), Err(StoreError::Corrupt { .. })));
}

#[test]
fn one_writer_at_a_time_and_a_folder_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let private = folder.path().join("private");
    let vault = Vault::open(&private).unwrap();
    assert!(matches!(Vault::open(&private), Err(StoreError::Locked { .. })));
    assert!(VaultReader::open(&private).is_ok());
    drop(vault);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
