//! Records that are taken back are nowhere any more, and everything that was proven of them still is.

#![allow(clippy::unwrap_used)]

mod small;

use std::fs;
use std::path::Path;

use assay_ledger::command::Command;
use assay_ledger::ids::DatanetId;
use assay_node::task::Record;
use assay_node::{Contributed, Home, Kind, Node, Receipt, Trust, Wanted, verify};
use ed25519_dalek::SigningKey;

const SECRET: &str = "zygomorphic quokkas";

struct World {
    _dir: tempfile::TempDir,
    home: std::path::PathBuf,
    net: DatanetId,
    author: SigningKey,
    sent: Contributed,
}

impl World {
    /// A model that was trained on records which nobody else could have written, too.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (home, net) = small::world(dir.path(), 5);
        let mut node = small::open(&home).unwrap();
        let author = node.home().key_or_new("author").unwrap();
        let mut records = small::records(5, 40, 6);
        for record in &mut records {
            let text = format!("{} {SECRET}", record["text"].as_str().unwrap());
            record.insert("text".to_owned(), text.into());
        }
        let sent = node.contribute(&author, &net, &records).unwrap().remove(0);
        let receipt = node.receipt(sent.seq, sent.openings.clone()).unwrap();
        receipt.save(&node.home().receipts().join("mine.json")).unwrap();
        fs::write(node.home().reports().join("page.html"), SECRET).unwrap();
        node.gate(&net).unwrap();
        small::model(&mut node, &net).unwrap();
        assert!(node.datanet(&net).unwrap().contributions[&sent.seq].passed() > 0);
        Self { _dir: dir, home, net, author, sent }
    }

    fn salts(&self) -> Vec<[u8; 32]> {
        let salt = |hex: &str| hex::decode(hex).unwrap().try_into().unwrap();
        self.sent.openings.iter().map(|opening| salt(&opening.salt)).collect()
    }

    /// Files below the home that hold a word of the records, or a salt in either form.
    fn traces(&self) -> Vec<String> {
        let mut needles = vec![b"zygomorphic".to_vec(), b"quokkas".to_vec()];
        for salt in self.salts() {
            needles.extend([salt.to_vec(), hex::encode(salt).into_bytes()]);
        }
        let mut found = Vec::new();
        search(&self.home, &needles, &mut found);
        found
    }
}

fn search(folder: &Path, needles: &[Vec<u8>], found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, needles, found);
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let holds = |needle: &&Vec<u8>| bytes.windows(needle.len()).any(|window| window == needle.as_slice());
        if needles.iter().any(|needle| holds(&needle)) {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn no_byte_of_the_home_holds_what_was_taken_back() {
    let world = World::new();
    assert!(world.traces().len() >= 3, "the vault, the receipt, the page: {:?}", world.traces());
    let mut node = small::open(&world.home).unwrap();
    let old = node.receipt(world.sent.seq, world.sent.openings.clone()).unwrap();
    let serving = node.datanet(&world.net).unwrap().serving().unwrap();
    let taken = node.retract(&world.author, &world.net, world.sent.seq, "asked".parse().unwrap()).unwrap();
    assert_eq!((taken.records, taken.stopped), (6, Some(serving)));
    assert_ne!(taken.serving, Some(serving), "a model of erased records answers no more");
    drop(node);
    assert_eq!(world.traces(), Vec::<String>::new());

    // Every proof stands: that of before, and a new one, which opens nothing.
    let mut node = small::open(&world.home).unwrap();
    let trust = Trust::key(node.log_key().clone());
    old.verify(&trust, &Wanted::default()).unwrap();
    let kept = fs::read(node.home().receipts().join("mine.json")).unwrap();
    let kept = Receipt::parse(&kept).unwrap();
    assert_eq!(kept.verify(&trust, &Wanted::default()).unwrap().event.seq, world.sent.seq);
    assert!(kept.openings.is_empty());
    let again =
        node.retract(&world.author, &world.net, world.sent.seq, "asked".parse().unwrap()).unwrap_err();
    assert_eq!(again.kind, Kind::Refused);
    assert_eq!(node.record(&world.net, world.sent.seq, 0).unwrap_err().kind, Kind::NotFound);

    // The next run does without them, and a stranger follows all of it.
    let before = node.datanet(&world.net).unwrap().passed();
    node.contribute(&world.author, &world.net, &small::records(5, 41, 4)).unwrap();
    node.gate(&world.net).unwrap();
    small::model(&mut node, &world.net).unwrap();
    let net = node.datanet(&world.net).unwrap();
    assert!(net.passed() >= before && net.serving().is_some());
    let verified = verify(&world.home.join("public"), Some(node.log_key()), &|_, _| {}).unwrap();
    assert_eq!(verified.state, node.state().digest().unwrap().to_string());
}

#[test]
fn a_crash_between_the_entry_and_the_erasure_is_made_good_at_the_next_start() {
    let world = World::new();
    let before: Vec<(String, Vec<u8>)> =
        world.traces().into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    let mut node = small::open(&world.home).unwrap();
    let (datanet, contribution) = (world.net.clone(), world.sent.seq);
    let reason = "asked".parse().unwrap();
    node.act(&world.author, Command::Retract { datanet, contribution, reason }).unwrap();
    drop(node);
    assert_eq!(world.traces(), Vec::<String>::new(), "who is answered need not ask for the erasure");
    // As a crash right after the entry leaves things.
    before.iter().for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    assert!(!world.traces().is_empty());
    small::open(&world.home).unwrap();
    assert_eq!(world.traces(), Vec::<String>::new());
}

#[test]
fn only_the_author_and_the_operator_take_records_back() {
    let world = World::new();
    let mut node = small::open(&world.home).unwrap();
    let stranger = node.home().key_or_new("stranger").unwrap();
    node.account(&stranger).unwrap();
    let reason = || "asked".parse().unwrap();
    let refused = node.retract(&stranger, &world.net, world.sent.seq, reason()).unwrap_err();
    assert_eq!(refused.kind, Kind::Refused);
    assert!(!world.traces().is_empty());
    let operator = node.operator().clone();
    node.retract(&operator, &world.net, world.sent.seq, reason()).unwrap();
    let copies: Vec<Record> = small::records(5, 42, 3);
    let waiting = node.contribute(&world.author, &world.net, &copies).unwrap().remove(0);
    node.retract(&world.author, &world.net, waiting.seq, reason()).unwrap();
    assert_eq!(node.gate(&world.net).unwrap(), 0, "what was taken back needs no verdict");
    drop(node);
    assert_eq!(
        Node::open(Home::open(&world.home).unwrap()).unwrap().datanet(&world.net).unwrap().withdrawn.len(),
        2
    );
}
