//! Keys of a home that are replaced, through kills at every step, and what strangers see of it.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use assay_ledger::amount::Amount;
use assay_ledger::command::Command;
use assay_ledger::ids::{AccountId, PublicKey};
use assay_node::{Home, Kind, Node, OPERATOR, Trust, Wanted, backup, restore, verify};
use ed25519_dalek::SigningKey;

struct World {
    dir: tempfile::TempDir,
    node: Option<Node>,
    serial: u64,
}

impl World {
    /// A founded log in which `alice` holds 100.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(&dir.path().join("home"), Some("example.org/keys")).unwrap();
        home.create_key("alice").unwrap();
        let mut world = Self { dir, node: Some(Node::found(home).unwrap()), serial: 0 };
        let key = world.key("alice");
        let account = world.node().account(&key).unwrap();
        let (operator, amount) = (world.key(OPERATOR), Amount::new(100).unwrap());
        let reference = "in-1".parse().unwrap();
        world.node().act(&operator, Command::Deposit { account, amount, reference }).unwrap();
        world
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home().join("keys").join(name)
    }

    fn node(&mut self) -> &mut Node {
        let home = self.home();
        self.node.get_or_insert_with(|| Node::open(Home::open(&home).unwrap()).unwrap())
    }

    /// Ends the process; the next use starts it again.
    fn kill(&mut self) {
        self.node = None;
    }

    fn key(&mut self, name: &str) -> SigningKey {
        self.node().home().key(name).unwrap()
    }

    /// Whether a key signs for its account.
    fn signs(&mut self, key: &SigningKey) -> bool {
        self.serial += 1;
        let (amount, reference) = (Amount::new(1).unwrap(), format!("out-{}", self.serial).parse().unwrap());
        self.node().act(key, Command::Withdraw { amount, reference }).is_ok()
    }
}

fn account(key: &SigningKey) -> AccountId {
    AccountId::of(&PublicKey::from(key))
}

#[test]
fn whoever_is_killed_while_a_key_is_replaced_goes_on() {
    let mut world = World::new();
    let old = world.key("alice");
    let held = fs::read(world.file("alice.key")).unwrap();

    // Killed before the new key was whole: it was never there.
    fs::write(world.file(".tmp-x"), "half").unwrap();
    world.kill();
    assert!(world.signs(&old));

    // Killed before the log heard of it: the old key signs, and the same new key is named the next time.
    let done = world.node().rotate_key("alice").unwrap();
    let new = world.key("alice");
    assert_eq!((done.key, done.account), (PublicKey::from(&new), account(&old)));
    assert!(!world.file("alice.new").exists());
    assert!(world.signs(&new) && !world.signs(&old));

    // Killed after: the key of the log is not yet in its place, and takes it at the next start.
    fs::rename(world.file("alice.key"), world.file("alice.new")).unwrap();
    fs::write(world.file("alice.key"), &held).unwrap();
    world.kill();
    assert_eq!(world.key("alice").to_bytes(), new.to_bytes());
    assert!(!world.file("alice.new").exists());
    assert!(world.signs(&new));
}

#[test]
fn a_key_that_the_log_never_heard_of_is_named_the_next_time() {
    let mut world = World::new();
    let old = world.key("alice");
    let pending = SigningKey::from_bytes(&[77; 32]);
    fs::write(world.file("alice.new"), hex::encode(pending.to_bytes())).unwrap();
    world.kill();
    assert!(world.signs(&old));
    world.node().rotate_key("alice").unwrap();
    assert_eq!(world.key("alice").to_bytes(), pending.to_bytes());
    // One that was used and replaced since is not.
    world.node().rotate_key("alice").unwrap();
    fs::write(world.file("alice.new"), hex::encode(pending.to_bytes())).unwrap();
    world.kill();
    let present = world.key("alice");
    assert!(world.signs(&present));
    world.node().rotate_key("alice").unwrap();
    let last = world.key("alice");
    assert!(world.signs(&last) && !world.signs(&present) && !world.signs(&pending));
}

#[test]
fn an_operator_with_a_new_key_is_the_operator() {
    let mut world = World::new();
    let old = world.key(OPERATOR);
    world.node().rotate_key(OPERATOR).unwrap();
    let operator = world.node().operator().clone();
    let deposit = |reference: &str, account| Command::Deposit {
        account,
        amount: Amount::new(5).unwrap(),
        reference: reference.parse().unwrap(),
    };
    let alice = account(&world.key("alice"));
    world.node().act(&operator, deposit("in-2", alice.clone())).unwrap();
    let refused = world.node().act(&old, deposit("in-3", alice)).unwrap_err();
    assert!(refused.what.contains("sign again with the key that the account has now"), "{refused}");
    let log = world.node().rotate_key("log").unwrap_err();
    assert_eq!(log.kind, Kind::Refused);
}

/// Commands of one batch, whose signatures are checked together before the first is decided.
#[test]
fn a_key_that_is_replaced_in_a_batch_signs_nothing_after_it() {
    let mut world = World::new();
    let (old, new) = (world.key("alice"), SigningKey::from_bytes(&[78; 32]));
    let node = world.node();
    let (origin, owner) = (node.home().origin().to_owned(), account(&old));
    let purpose = assay_ledger::key::Purpose::Sign;
    let claim = assay_ledger::key::Claim { origin: &origin, account: &owner, purpose };
    let proof = claim.sign(&new).unwrap();
    let out = |n: u64| Command::Withdraw {
        amount: Amount::new(1).unwrap(),
        reference: format!("batch-{n}").parse().unwrap(),
    };
    let mut batch: Vec<_> = (0..4).map(|n| node.sign(&old, out(n)).unwrap()).collect();
    batch.push(node.sign(&old, Command::RotateKey { key: PublicKey::from(&new), proof }).unwrap());
    batch.extend((4..8).map(|n| node.sign(&old, out(n)).unwrap()));
    let intents = (8..12).map(|n| {
        let intent = node.sign(&old, out(n)).unwrap().intent;
        intent.sign(&new).unwrap()
    });
    batch.extend(intents.collect::<Vec<_>>());
    let taken: Vec<bool> = node.submit_all(batch.clone()).unwrap().iter().map(Result::is_ok).collect();
    let expected: Vec<bool> = (0..13).map(|i| !(5..9).contains(&i)).collect();
    assert_eq!(taken, expected);
    // What was taken gets its first answer, whoever signs now.
    let again: Vec<bool> = node.submit_all(batch).unwrap().iter().map(Result::is_ok).collect();
    assert_eq!(again, expected);
}

#[test]
fn strangers_verify_a_log_whose_keys_were_replaced() {
    let mut world = World::new();
    let stick = world.dir.path().join("stick/alice.recovery");
    fs::create_dir(world.dir.path().join("stick")).unwrap();
    let recovery = world.node().home().create_key_at(&stick).unwrap();
    let alice = world.key("alice");
    let set = world.node().set_recovery(&alice, &recovery).unwrap();
    // A thief has the key, and is faster.
    let thief = Home::init(&world.dir.path().join("thief"), Some("example.org/keys")).unwrap();
    fs::copy(world.file("alice.key"), thief.dir().join("keys/alice.key")).unwrap();
    assert!(world.signs(&alice));
    let rotated = world.node().rotate_key("alice").unwrap();
    let stolen = world.key("alice");
    // The owner's home does not have that key; the recovery key is all it takes.
    fs::remove_file(world.file("alice.key")).unwrap();
    let recovered = world.node().recover_key("alice", &recovery).unwrap();
    let mine = world.key("alice");
    assert!(world.signs(&mine) && !world.signs(&stolen) && !world.signs(&alice));
    assert_eq!([set.account, rotated.account, recovered.account], [0; 3].map(|_| account(&alice)));
    // A recovery key of one account takes no key of another.
    let other = world.node().recover_key(OPERATOR, &recovery).unwrap_err();
    assert!(other.what.contains("is not one of account"), "{other}");

    let key = world.node().log_key().clone();
    verify(&world.home().join("public"), Some(&key), &|_, _| {}).unwrap();
    let size = world.node().state().size();
    for seq in 0..size {
        let receipt = world.node().receipt(seq, Vec::new()).unwrap();
        receipt.verify(&Trust::key(key.clone()), &Wanted::default()).unwrap();
    }
    replays(&mut world);
}

/// The state after a restart is that of the log.
fn replays(world: &mut World) {
    let state = world.node().state().clone();
    world.kill();
    assert_eq!(*world.node().state(), state);
}

#[test]
fn a_backup_has_the_key_that_its_log_holds() {
    let mut world = World::new();
    let copy = world.dir.path().join("copy");
    let save = |world: &World, copy: &Path| backup(&Home::open(&world.home()).unwrap(), copy, None).unwrap();
    save(&world, &copy);
    world.node().rotate_key("alice").unwrap();
    let new = world.key("alice");
    save(&world, &copy);
    let home = world.dir.path().join("restored");
    restore(&copy, &home, None, None).unwrap();
    let restored = Node::open(Home::open(&home).unwrap()).unwrap();
    assert_eq!(restored.home().key("alice").unwrap().to_bytes(), new.to_bytes());
}
