//! Tables and public files in an S3-compatible store, whole and failing.
//!
//! Who may use the store comes from the environment, so each test runs in a child process that has it. The parent looks
//! for the secret in everything that the child says.

#![cfg(all(unix, feature = "s3"))]
#![allow(clippy::unwrap_used)]

#[path = "../support/moto.rs"]
mod moto;
mod proxy;

use std::process::Command;
use std::sync::Arc;

use assay_store::{PublicFiles, StoreError, TableRef, TableStore};
use moto::{SECRET, moto};
use object_store::memory::InMemory;

const CHILD: &str = "ASSAY_S3_CHILD";

/// Runs `test` with a bucket of its own, whose name it gets, through a proxy where `faulty`.
fn on_s3(name: &str, faulty: bool, test: impl Fn(&str)) {
    if let Ok(bucket) = std::env::var(CHILD) {
        return test(&bucket);
    }
    let Some(moto) = moto() else { return };
    let bucket = name.replace('_', "-");
    moto.bucket(&bucket);
    let proxy = faulty.then(|| proxy::start(moto.port()));
    let port = proxy.as_ref().map_or(moto.port(), |proxy| proxy.port);
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, &bucket)
        .envs(moto.environment(port))
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(!said.contains(SECRET), "a secret is told");
    if let Some(proxy) = proxy {
        let faults = proxy.faults();
        println!("faults: {faults:?}");
        assert!(faults.iter().all(|faults| *faults > 0), "{faults:?}");
    }
}

fn tables(bucket: &str) -> TableStore {
    TableStore::open(&format!("s3://{bucket}/a/node")).unwrap()
}

fn public(bucket: &str) -> PublicFiles {
    PublicFiles::open(&format!("s3://{bucket}/public")).unwrap()
}

#[test]
fn tables_come_back_by_their_hash() {
    on_s3("tables_come_back_by_their_hash", false, |bucket| {
        let store = tables(bucket);
        assert_eq!(store.list().unwrap(), []);
        let table = store.put(b"abc".to_vec(), "parquet").unwrap();
        let large = store.put(vec![7; 9 << 20], "weights").unwrap();
        assert_eq!(store.put(b"abc".to_vec(), "parquet").unwrap(), table);
        let mut both = vec![table.clone(), large.clone()];
        both.sort();
        assert_eq!(tables(bucket).list().unwrap(), both);
        assert_eq!(store.get(&table).unwrap(), "abc");
        assert_eq!(store.get(&large).unwrap().len(), 9 << 20);
        assert_eq!(store.find(&table.sha256, "parquet").unwrap(), Some(table.clone()));
        let absent = TableRef::of(b"never stored", "parquet");
        assert!(!store.exists(&absent).unwrap());
        assert!(matches!(store.get(&absent), Err(StoreError::NotFound(_))));
        let wrong = TableRef { bytes: 2, ..table };
        assert!(matches!(store.get(&wrong), Err(StoreError::Corrupt { .. })));
        assert_eq!(public(bucket).list().unwrap(), Vec::<String>::new(), "a prefix keeps to itself");
    });
}

#[test]
fn public_files_are_written_once_and_the_checkpoint_moves_ahead() {
    on_s3("public_files_are_written_once_and_the_checkpoint_moves_ahead", false, |bucket| {
        moves(&public(bucket))
    });
}

/// The same in a folder and in memory.
#[test]
fn folders_and_memory_do_the_same() {
    let folder = tempfile::tempdir().unwrap();
    moves(&PublicFiles::open(folder.path().to_str().unwrap()).unwrap());
    moves(&PublicFiles::new(Arc::new(InMemory::new()), "a/prefix", "memory"));
}

fn moves(public: &PublicFiles) {
    assert_eq!(public.read("tile/0/000", 10).unwrap(), None);
    assert!(public.write_once("tile/0/000", b"tile").unwrap());
    assert!(!public.write_once("tile/0/000", b"tile").unwrap());
    for other in [&b"tilf"[..], b"tile and more", b"t"] {
        let error = public.write_once("tile/0/000", other).unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
    }
    assert_eq!(public.read("tile/0/000", 4).unwrap().unwrap(), b"tile");
    assert!(matches!(public.read("tile/0/000", 3), Err(StoreError::Limit { found: 4, max: 3, .. })));
    assert!(matches!(public.read("../secret", 9), Err(StoreError::Invalid(_))));
    let advance = |number: u32| {
        let yields = |old: &[u8]| old.len() < number as usize;
        public.advance("checkpoint", &vec![b'x'; number as usize], &yields, 100).unwrap()
    };
    assert!(advance(3));
    assert!(!advance(2));
    assert!(advance(5));
    assert_eq!(public.read("checkpoint", 10).unwrap().unwrap().len(), 5);
    assert_eq!(public.list().unwrap().len(), 2);
    let has = |names: &[&str]| public.has_all(names.iter().map(|name| (*name).to_owned())).unwrap();
    assert!(has(&["checkpoint", "tile/0/000"]) && has(&[]));
    assert!(!has(&["checkpoint", "tile/0/001"]));
}

/// Threads that all want to move one file ahead never move it back.
#[test]
fn nobody_is_overwritten_unseen() {
    let folder = tempfile::tempdir().unwrap();
    for public in [
        PublicFiles::open(folder.path().to_str().unwrap()).unwrap(),
        PublicFiles::new(Arc::new(InMemory::new()), "", "memory"),
    ] {
        let step = |writer: usize| {
            let mut last = 0;
            for size in (1 + writer..80).step_by(3) {
                public.advance("checkpoint", &vec![0; size], &|old| old.len() < size, 1_000).unwrap();
                let seen = public.read("checkpoint", 1_000).unwrap().unwrap().len();
                assert!(seen >= last.max(size), "{seen} after {last} and {size}");
                last = seen;
            }
        };
        std::thread::scope(|scope| (0..3).for_each(|writer| drop(scope.spawn(move || step(writer)))));
        assert_eq!(public.read("checkpoint", 1_000).unwrap().unwrap().len(), 79);
    }
}

/// Requests that are cut, answers that are lost or half, a store that is busy or says nothing: the outcome is the same.
#[test]
fn faults_that_pass_change_nothing() {
    on_s3("faults_that_pass_change_nothing", true, |bucket| {
        let (tables, public) = (tables(bucket), public(bucket));
        let mut stored = Vec::new();
        for number in 0..12_u8 {
            stored.push(tables.put(vec![number; 100], "parquet").unwrap());
            assert_eq!(tables.get(&stored[usize::from(number)]).unwrap(), vec![number; 100]);
            let path = format!("tile/0/{number:03}");
            public.write_once(&path, &[number; 50]).unwrap();
            assert_eq!(public.read(&path, 50).unwrap().unwrap(), [number; 50]);
            let size = usize::from(number) + 1;
            assert!(public.advance("checkpoint", &vec![0; size], &|old| old.len() < size, 100).unwrap());
            assert_eq!(public.read("checkpoint", 100).unwrap().unwrap().len(), size);
        }
        stored.sort();
        assert_eq!(tables.list().unwrap(), stored);
        assert_eq!(public.list().unwrap().len(), 13);
    });
}

#[test]
fn errors_name_the_place_and_no_secret() {
    on_s3("errors_name_the_place_and_no_secret", false, |bucket| {
        let error =
            TableStore::open("s3://no-such-bucket/x").unwrap().put(b"x".to_vec(), "json").unwrap_err();
        println!("{error} {error:?}");
        assert!(error.to_string().contains("s3://no-such-bucket/x"), "{error}");
        let error = public(bucket).read("a b", 1).unwrap_err();
        println!("{error} {error:?}");
        for wrong in [format!("s3://key:{SECRET}@bucket/x"), format!("gs://key:{SECRET}@bucket")] {
            let error = TableStore::open(&wrong).err().unwrap();
            println!("{error} {error:?}");
            assert!(matches!(error, StoreError::Invalid(_)), "{error}");
        }
    });
}
