//! A node that moves, is backed up and restored: nothing is lost, no second history begins, and who was killed goes on.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

#[cfg(feature = "postgres")]
#[path = "../../store/tests/support/cluster.rs"]
mod cluster;
#[cfg(feature = "s3")]
#[path = "../../store/tests/support/moto.rs"]
mod moto;
mod small;

use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use assay_ledger::ids::DatanetId;
use assay_node::{Home, NodeError};
use assay_node::{Kind, Node, Places, Transferred, backup, migrate, restore, verify};

const CHILD: &str = "ASSAY_MOVES_CHILD";

/// A home with a datanet and its model, and some entries more than fit one tile.
fn world(dir: &Path) -> (PathBuf, DatanetId) {
    let (path, net) = small::world(dir, 11);
    let mut node = small::open(&path).unwrap();
    let operator = node.operator().clone();
    let deposits =
        (0..300).map(|i| node.sign(&operator, small::deposit(&node, &format!("wire-{i}"), 100)).unwrap());
    let deposits = deposits.collect();
    assert!(node.submit_all(deposits).unwrap().into_iter().all(|answer| answer.is_ok()));
    (path, net)
}

/// What must be the same wherever a node lives.
#[derive(Debug, PartialEq)]
struct Told {
    size: u64,
    root: String,
    state: String,
    checkpoint: Vec<u8>,
    record: assay_node::task::Record,
    contribution: u64,
}

fn told(home: &Path, net: &DatanetId) -> Told {
    let node = small::open(home).unwrap();
    let contribution = *node.datanet(net).unwrap().contributions.keys().next().unwrap();
    Told {
        size: node.checkpoint().size,
        root: node.checkpoint().root.to_string(),
        state: node.state().digest().unwrap().to_string(),
        checkpoint: node.signed_checkpoint().unwrap().to_vec(),
        record: node.record(net, contribution, 3).unwrap(),
        contribution,
    }
}

fn deposit(home: &Path, reference: &str) -> Result<u64, NodeError> {
    let mut node = small::open(home)?;
    let (operator, command) = (node.operator().clone(), small::deposit(&node, reference, 1));
    node.act(&operator, command)
}

/// The error of a home that cannot be opened.
fn refusal(home: &Path) -> String {
    Home::open(home).err().unwrap().to_string()
}

#[test]
fn a_node_moves_and_its_old_home_stays_closed() {
    let dir = tempfile::tempdir().unwrap();
    let (old, net) = world(dir.path());
    let before = told(&old, &net);
    let new = dir.path().join("new");
    let moved = migrate(&old, &new, Places::default(), None).unwrap();
    assert_eq!((moved.transferred.entries, &moved.transferred.root), (before.size, &before.root));
    assert_eq!(moved.transferred.signed, before.size);
    assert!(moved.transferred.records > 0 && moved.transferred.tables > 0 && moved.transferred.secrets > 0);
    assert_eq!(told(&new, &net), before);
    assert_eq!(verify(&new.join("public"), None, &|_, _| {}).unwrap().state, before.state);
    let error = refusal(&old);
    assert!(error.contains("has moved") && error.contains(new.to_str().unwrap()), "{error}");
    deposit(&new, "after").unwrap();
    // The model is whole: it answers.
    let mut node = small::open(&new).unwrap();
    let operator = node.operator().clone();
    node.ask(&operator, &net, &small::records(1, 1, 1)).unwrap();
    assert_eq!(node.answer(&net).unwrap().len(), 1);
    drop(node);
    let error = migrate(&new, &old, Places::default(), None).err().unwrap();
    assert!(error.to_string().contains("is not empty"), "{error}");
}

#[test]
fn places_that_hold_something_else_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (old, net) = world(dir.path());
    let before = told(&old, &net);
    let other = dir.path().join("other");
    drop(Node::found(Home::init(&other.join("home"), Some(small::ORIGIN)).unwrap()).unwrap());
    let store = Some(other.join("home/private").display().to_string());
    let error =
        migrate(&old, &dir.path().join("new"), Places { store, ..Places::default() }, None).err().unwrap();
    assert!(error.to_string().contains("another log is there"), "{error}");
    assert_eq!(told(&old, &net), before, "the old home is as it was");
}

/// Kills a migration again and again until it is done; it goes on each time.
#[test]
fn a_migration_that_is_killed_goes_on() {
    if let Ok(task) = std::env::var(CHILD) {
        let (from, to) = task.split_once('|').unwrap();
        match migrate(Path::new(from), Path::new(to), Places::default(), None) {
            // Killed after its last step: there is nothing left to do.
            Err(error) if error.to_string().contains("has moved") => return,
            done => return drop(done.unwrap()),
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let (old, net) = world(dir.path());
    let before = told(&old, &net);
    let new = dir.path().join("new");
    let (mut killed, mut between) = (0, 0);
    for run in 0_u64.. {
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_migration_that_is_killed_goes_on", "--nocapture"])
            .env(CHILD, format!("{}|{}", old.display(), new.display()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Later and later, so that the last one comes to its end.
        std::thread::sleep(Duration::from_millis(20 + 25 * run));
        let ended = child.try_wait().unwrap();
        if let Some(status) = ended {
            assert!(status.success(), "run {run}");
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
        // Of the two homes one opens at most.
        let opens = [&old, &new].map(|home| Home::open(home).is_ok());
        assert!(opens != [true, true], "two homes of one log");
        between += u64::from(new.join("private/log").exists());
    }
    println!("{killed} kills, {between} of them after the copy had begun");
    assert!(killed > 1 && between > 0);
    assert_eq!(told(&new, &net), before);
    assert!(refusal(&old).contains("has moved"));
}

#[test]
fn a_backup_is_made_beside_a_working_node_and_restored() {
    let dir = tempfile::tempdir().unwrap();
    let (home, net) = world(dir.path());
    let (copy, again) = (dir.path().join("backup"), dir.path().join("again"));
    let mut node = small::open(&home).unwrap();
    let operator = node.operator().clone();
    let made = backup(node.home(), &copy, None).unwrap();
    assert_eq!(made.entries, node.state().size());
    assert!(Home::open(&copy).is_err(), "a backup is no home");
    // The node works on, and the next backup adds what is new.
    node.contribute(&operator, &net, &small::records(5, 5, 4)).unwrap();
    let made = backup(node.home(), &copy, None).unwrap();
    assert_eq!((made.entries, made.root), (node.state().size(), node.checkpoint().root.to_string()));
    drop(node);
    let before = told(&home, &net);
    let restored = restore(&copy, &again, None, None).unwrap();
    assert_eq!((restored.published, restored.frozen), (Some(before.size), false));
    assert_eq!(told(&again, &net), before);
    deposit(&again, "after").unwrap();
}

/// Where more was published than a backup holds, or nobody knows, nothing can be added to what is restored.
#[test]
fn a_restored_home_begins_no_second_history() {
    let dir = tempfile::tempdir().unwrap();
    let (home, net) = world(dir.path());
    let copy = dir.path().join("backup");
    let whole: Transferred = backup(&Home::open(&home).unwrap(), &copy, None).unwrap();
    let published = home.join("public");
    deposit(&home, "later").unwrap();

    let late = dir.path().join("late");
    let restored = restore(&copy, &late, None, None).unwrap();
    assert_eq!((restored.published, restored.frozen), (Some(whole.entries + 1), true));
    let error = deposit(&late, "fork").unwrap_err();
    assert_eq!(error.kind, Kind::Refused, "{error}");
    assert!(error.to_string().contains("copy to look at"), "{error}");
    assert_eq!(told(&late, &net).size, whole.entries);
    // With the home gone too, nobody knows, until somebody says where the public files are.
    let mirror = dir.path().join("mirror");
    std::fs::rename(&published, &mirror).unwrap();
    let unknown = restore(&copy, &dir.path().join("unknown"), None, None).unwrap();
    assert_eq!((unknown.published, unknown.frozen), (None, true));
    let ahead = restore(&copy, &dir.path().join("ahead"), mirror.to_str(), None).unwrap();
    assert!(ahead.frozen);

    // A point in time: the first entries, to look at.
    std::fs::rename(&mirror, &published).unwrap();
    let early = dir.path().join("early");
    let at = backup(&Home::open(&home).unwrap(), &early, Some(100)).unwrap();
    assert_eq!((at.entries, at.signed), (100, 0));
    let looked = dir.path().join("looked");
    assert!(restore(&early, &looked, None, None).unwrap().frozen);
    assert_eq!(small::open(&looked).unwrap().state().size(), 100);
    let error = backup(&Home::open(&home).unwrap(), &dir.path().join("none"), Some(1 << 40)).unwrap_err();
    assert_eq!(error.kind, Kind::Refused, "{error}");
}

#[test]
fn a_backup_that_is_not_whole_is_not_restored() {
    let dir = tempfile::tempdir().unwrap();
    let (home, _) = world(dir.path());
    let copy = dir.path().join("backup");
    backup(&Home::open(&home).unwrap(), &copy, None).unwrap();
    std::fs::rename(copy.join("backup.toml"), copy.join("backup.toml.part")).unwrap();
    let error = restore(&copy, &dir.path().join("again"), None, None).err().unwrap();
    assert!(error.to_string().contains("not whole"), "{error}");
    backup(&Home::open(&home).unwrap(), &copy, None).unwrap();
    assert!(!restore(&copy, &dir.path().join("again"), None, None).unwrap().frozen);
}

/// From the embedded default to Postgres and S3, and back.
#[cfg(all(feature = "postgres", feature = "s3"))]
#[test]
fn to_servers_and_back() {
    if let Ok(store) = std::env::var(CHILD) {
        return there_and_back(&store);
    }
    let (Some(cluster), Some(moto)) = (cluster::cluster(), moto::moto()) else { return };
    moto.bucket("assay-moves");
    let output = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "to_servers_and_back", "--nocapture"])
        .env(CHILD, cluster.fresh())
        .envs(moto.environment(moto.port()))
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(!said.contains(moto::SECRET));
}

#[cfg(all(feature = "postgres", feature = "s3"))]
fn there_and_back(store: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (home, net) = world(dir.path());
    let before = told(&home, &net);
    let places = Places {
        store: Some(store.to_owned()),
        tables: Some("s3://assay-moves/private".to_owned()),
        public: Some("s3://assay-moves/public".to_owned()),
    };
    migrate(&home, &home, places, None).unwrap();
    assert_eq!(told(&home, &net), before);
    // It works there: all that the path of a record needs.
    let mut node = small::open(&home).unwrap();
    let operator = node.operator().clone();
    node.contribute(&operator, &net, &small::records(5, 5, 6)).unwrap();
    node.gate(&net).unwrap();
    small::model(&mut node, &net).unwrap();
    node.ask(&operator, &net, &small::records(1, 1, 1)).unwrap();
    assert_eq!(node.answer(&net).unwrap().len(), 1);
    node.receipt(before.size, Vec::new())
        .unwrap()
        .verify(&assay_node::Trust::key(node.log_key().clone()), &assay_node::Wanted::default())
        .unwrap();
    drop(node);
    let there = told(&home, &net);
    assert!(there.size > before.size);
    // A copy of the bucket in another one, whose bytes verify where they are.
    let (public, copied) = ("s3://assay-moves/public", "s3://assay-moves/copy");
    let key = assay_node::key_at(public).unwrap();
    assert_eq!(assay_node::copy(public, copied, &key).unwrap().size, there.size);
    assert_eq!(assay_node::copy(public, copied, &key).unwrap().tiles, 0);
    assert_eq!(assay_node::verify_at(copied, Some(&key), None, &|_, _| {}).unwrap().state, there.state);
    assert!(assay_node::compare(copied, public, None).unwrap().consistent);
    let back = dir.path().join("back");
    migrate(&home, &back, Places::default(), None).unwrap();
    assert_eq!(told(&back, &net), there);
    assert_eq!(verify(&back.join("public"), None, &|_, _| {}).unwrap().state, there.state);
    deposit(&back, "home-again").unwrap();
}
