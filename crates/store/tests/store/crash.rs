//! Kill -9 at random moments: nothing acknowledged is lost, nothing is there twice.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use assay_store::{EventStore, NewEntry, PrivateRecord, PublicFolder, TableRef, TableStore, Vault};
use sha2::{Digest, Sha256};

use crate::ground::{Ground, on_every_store};

on_every_store!(killed_at_random_moments);

const CHILD: &str = "ASSAY_STORE_CRASH_CHILD";
/// Any test that reads its task first will do.
const CHILD_TEST: &str = "crash::sqlite::killed_at_random_moments";
const KILLS: u64 = 20;

/// What entry `seq` holds, whoever writes it and after whatever crash.
fn entry(seq: u64) -> NewEntry {
    let digest = Sha256::digest(seq.to_be_bytes());
    let bytes = digest.iter().copied().cycle().take(40 + digest[0] as usize).collect();
    NewEntry { bytes, keys: vec![[&seq.to_be_bytes()[..], &digest[..8]].concat()] }
}

fn record(seq: u64, run: u64) -> PrivateRecord {
    let commitment = Sha256::digest(entry(seq).bytes).into();
    // The salt differs from run to run, as a random one would.
    PrivateRecord {
        commitment,
        salt: [run as u8; 32],
        group: seq,
        index: 0,
        content: format!("text {seq}").into_bytes(),
    }
}

/// Contribute, append, publish and sign until killed, telling each acknowledged step.
fn work(address: &str, folder: &Path, run: u64) {
    let mut store = EventStore::open_at(address).unwrap();
    let mut vault = Vault::open_at(address).unwrap();
    let tables = TableStore::folder(folder).unwrap();
    let public = PublicFolder::open(folder.join("public")).unwrap();
    let mut size = store.reader().size().unwrap();
    // As the node does at its start: what the log does not name goes.
    vault.sweep(|commitment| (0..size).any(|seq| record(seq, 0).commitment == *commitment)).unwrap();
    let mut dice = crate::Dice(run);
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
    };
    loop {
        let end = size + 1 + dice.below(12) as u64;
        let records: Vec<_> = (size..end).map(|seq| record(seq, run)).collect();
        vault.put_batch(&records).unwrap();
        let entries: Vec<_> = (size..end).map(entry).collect();
        let before = size;
        size = store.append(size, &entries).unwrap();
        say(format!("appended {size}"));
        tables.put(entry(before).bytes, "bin").unwrap();
        public.write_once(&format!("tile/{before}"), &entry(before).bytes).unwrap();
        say(format!("published {before}"));
        let old = store.reader().checkpoint().unwrap().map(|checkpoint| checkpoint.size);
        store.set_checkpoint(old, size, size.to_string().as_bytes()).unwrap();
        public.write_atomic("checkpoint", size.to_string().as_bytes()).unwrap();
        say(format!("signed {size}"));
    }
}

#[derive(Default)]
struct Acknowledged {
    appended: u64,
    signed: u64,
    published: Vec<u64>,
}

/// Runs a worker for a while and kills it.
fn run_and_kill(ground: &Ground, run: u64, told: &mut Acknowledged) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([CHILD_TEST, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, format!("{run}|{}|{}", ground.address(), ground.folder().display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let listener = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>());
    std::thread::sleep(Duration::from_millis(30 + crate::Dice(run ^ 0xdead).roll() % 150));
    child.kill().unwrap();
    child.wait().unwrap();
    for line in listener.join().unwrap() {
        match line.split_once(' ') {
            Some(("appended", size)) => told.appended = size.parse().unwrap(),
            Some(("signed", size)) => told.signed = size.parse().unwrap(),
            Some(("published", seq)) => told.published.push(seq.parse().unwrap()),
            _ => assert!(!line.contains("panicked"), "{line}"), // the test harness of the child
        }
    }
}

fn check(ground: &Ground, told: &Acknowledged) -> u64 {
    let (folder, store, vault) = (ground.folder(), ground.events(), ground.vault());
    let tables = TableStore::folder(folder).unwrap();
    let public = PublicFolder::open(folder.join("public")).unwrap();
    let size = store.reader().check().unwrap();
    assert!(size >= told.appended, "{size} entries, {} acknowledged", told.appended);
    for found in store.reader().scan(0) {
        let (seq, bytes) = found.unwrap();
        let expected = entry(seq);
        assert!(bytes == expected.bytes, "entry {seq} is another one");
        assert_eq!(store.reader().find_key(&expected.keys[0]).unwrap(), Some(seq));
        let kept = vault.reader().get(&record(seq, 0).commitment).unwrap().unwrap();
        assert_eq!(kept.content, format!("text {seq}").into_bytes());
    }
    let signed = store.reader().checkpoint().unwrap().map_or(0, |checkpoint| checkpoint.size);
    assert!(
        signed >= told.signed && signed <= size,
        "{signed} signed of {size}, {} acknowledged",
        told.signed
    );
    let seen = public
        .read("checkpoint", 100)
        .unwrap()
        .map_or(0, |text| String::from_utf8(text).unwrap().parse().unwrap());
    assert!(seen >= told.signed && seen <= signed, "checkpoint {seen} was published, {signed} is signed");
    for &seq in &told.published {
        let bytes = entry(seq).bytes;
        assert_eq!(tables.get(&TableRef::of(&bytes, "bin")).unwrap(), bytes);
        assert_eq!(public.read(&format!("tile/{seq}"), 1_000).unwrap().unwrap(), bytes);
    }
    for table in tables.list().unwrap() {
        tables.get(&table).unwrap();
    }
    size
}

fn killed_at_random_moments(ground: &Ground) {
    if let Ok(task) = std::env::var(CHILD) {
        let [run, address, folder] = task.split('|').collect::<Vec<_>>().try_into().unwrap();
        return work(address, Path::new(folder), run.parse().unwrap());
    }
    let mut told = Acknowledged::default();
    let mut grown = 0;
    for run in 1..=KILLS {
        run_and_kill(ground, run, &mut told);
        let size = check(ground, &told);
        grown += u64::from(size > 0);
    }
    println!("{KILLS} kills: {} entries acknowledged, {} published", told.appended, told.published.len());
    assert!(grown > KILLS / 2 && told.appended > 50, "the workers did too little to prove anything");
}
