//! Copies grow, are checked before they are written, and two views of one log are told apart.

use std::fs;
use std::path::{Path, PathBuf};

use assay_ledger::command::{Command, ValueRow};
use assay_ledger::ids::{DatanetId, Digest, TableRef};
use assay_node::{CHECKPOINT, Compared, Copied, Kind, LOG_KEY, Node, Result, verify};
use assay_tlog::{Checkpoint, SignerKey, TileWriter, VerifierKey, sign_checkpoint};

use crate::small;

fn copy(from: &Path, to: &Path, key: &VerifierKey) -> Result<Copied> {
    assay_node::copy(from.to_str().unwrap(), to.to_str().unwrap(), key)
}

fn compare(a: &Path, b: &Path, key: Option<&VerifierKey>) -> Result<Compared> {
    assay_node::compare(a.to_str().unwrap(), b.to_str().unwrap(), key)
}

pub(crate) fn grow(node: &mut Node, from: u64, count: u64) {
    let operator = node.operator().clone();
    let deposit = |i| node.sign(&operator, small::deposit(node, &format!("in-{i}"), 1_000)).unwrap();
    let batch = (from..from + count).map(deposit).collect();
    assert!(node.submit_all(batch).unwrap().iter().all(Result::is_ok));
}

#[test]
fn a_copy_grows_with_its_log_and_a_stranger_verifies_it() {
    let dir = tempfile::tempdir().unwrap();
    let (home, _) = small::world(dir.path(), 7);
    let (public, to) = (home.join("public"), dir.path().join("copy"));
    let mut node = small::open(&home).unwrap();
    let key = node.log_key().clone();
    let first = copy(&public, &to, &key).unwrap();
    assert_eq!((first.from, first.size), (0, node.state().size()));
    for (from, count) in [(0, 3), (3, 250), (253, 20)] {
        grow(&mut node, from, count);
        // As after a run that was broken off: what is there already is kept, what is half written is nothing.
        fs::write(to.join(".tmp-broken"), "half").unwrap();
        let had = verify(&to, Some(&key), &|_, _| {}).unwrap().size;
        let copied = copy(&public, &to, &key).unwrap();
        assert_eq!((copied.from, copied.size), (had, node.state().size()));
        assert_eq!(verify(&to, Some(&key), &|_, _| {}).unwrap().size, node.state().size());
    }
    let again = copy(&public, &to, &key).unwrap();
    assert_eq!((again.tiles, again.tables, again.from), (0, 0, again.size));
    assert!(compare(&to, &public, None).unwrap().consistent);

    // A damaged source reaches no copy.
    let bundle = public.join("tile/entries/000");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[100] ^= 1;
    fs::write(&bundle, &bytes).unwrap();
    let fresh = dir.path().join("fresh");
    let error = copy(&public, &fresh, &key).unwrap_err();
    assert_eq!(error.kind, Kind::Refused, "{error}");
    assert!(!fresh.join(CHECKPOINT).exists() && !fresh.join("tile").exists());
    bytes[100] ^= 1;
    fs::write(&bundle, &bytes).unwrap();
    copy(&public, &fresh, &key).unwrap();
}

const ORIGIN: &str = "example.org/forked";

fn entries(fork: u8, size: u64) -> Vec<String> {
    (0..size).map(|i| format!("entry {i} of {}", if i < 300 { 0 } else { fork })).collect()
}

/// The public folder of a log whose operator signs whatever is asked.
fn forked(dir: &Path, name: &str, fork: u8, size: u64) -> PathBuf {
    let key = SignerKey::from_seed(ORIGIN, &[3; 32]).unwrap();
    let mut writer = TileWriter::new();
    let folder = dir.join(name);
    for (tile, bytes) in writer.grow(&entries(fork, size)).unwrap() {
        let path = folder.join(tile.path());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let note = sign_checkpoint(&Checkpoint::new(ORIGIN, size, writer.root()), &key).unwrap();
    fs::write(folder.join(CHECKPOINT), note.to_string()).unwrap();
    fs::write(folder.join(LOG_KEY), format!("{}\n", key.verifier())).unwrap();
    folder
}

#[test]
fn two_views_are_one_history_or_a_proven_split() {
    let dir = tempfile::tempdir().unwrap();
    let view = |name: &str, fork, size| forked(dir.path(), name, fork, size);
    let (short, long) = (view("short", 1, 310), view("long", 1, 700));
    let (other, same_size) = (view("other", 2, 600), view("same", 2, 310));
    let at_fork = view("fork", 1, 300);
    let agree = |a: &Path, b: &Path| compare(a, b, None).unwrap().consistent;
    for (a, b, one) in [
        (&short, &long, true),
        (&long, &short, true),
        (&short, &short, true),
        (&at_fork, &other, true),
        (&at_fork, &long, true),
        (&short, &other, false),
        (&long, &other, false),
        (&short, &same_size, false),
    ] {
        assert_eq!(agree(a, b), one, "{a:?} {b:?}");
    }
    let split = compare(&long, &other, None).unwrap();
    assert_eq!((split.old.size, split.new.size), (600, 700));
    assert!(split.old.checkpoint.starts_with(ORIGIN) && split.new.checkpoint.starts_with(ORIGIN));
    // The evidence stands alone: the larger head commits, by the proof, to another root at the smaller size.
    let hashes: Vec<_> =
        split.proof.iter().map(|hash| assay_tlog::Hash::from_base64(hash).unwrap()).collect();
    let [at, new] = [&split.root_at_old, &split.new.root].map(|root| root.parse().unwrap());
    assert_eq!(assay_tlog::verify_consistency(600, 700, &at, &new, &hashes), Ok(()));
    assert_ne!(split.root_at_old, split.old.root);

    // A checkpoint alone is enough for the smaller view, not for the larger; damage is no evidence.
    assert!(!compare(&other.join(CHECKPOINT), &long, None).unwrap().consistent);
    assert_eq!(compare(&short, &other.join(CHECKPOINT), None).unwrap_err().kind, Kind::Refused);
    let tile = long.join("tile/0/001");
    let mut bytes = fs::read(&tile).unwrap();
    bytes[40 * 32] ^= 1;
    fs::write(&tile, bytes).unwrap();
    assert_eq!(compare(&short, &long, None).unwrap_err().kind, Kind::Unavailable);
    let stranger = SignerKey::from_seed(ORIGIN, &[4; 32]).unwrap();
    assert!(compare(&short, &other, Some(stranger.verifier())).is_err());
    // And a copy is never grown by another history.
    let key = SignerKey::from_seed(ORIGIN, &[3; 32]).unwrap();
    assert!(copy(&other, &short, key.verifier()).unwrap_err().to_string().contains("another history"));
    assert!(copy(&at_fork, &short, key.verifier()).unwrap_err().to_string().contains("ahead"));
}

/// What could never be published is refused: tables that entries name, and values of records that a settlement shows.
#[test]
fn a_command_about_tables_that_are_not_there_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (home, net) = small::world_with(dir.path(), 7, "publish = \"records\"\n");
    let mut node = small::open(&home).unwrap();
    let operator = node.operator().clone();
    let (root, account) = (Digest([7; 32]), node.state().operator().unwrap().clone());
    let absent = |rows| TableRef { sha256: root, rows, bytes: 10 };
    let offer = Command::Contribute { datanet: net.clone(), records: 2, root, table: absent(2) };
    assert!(node.act(&operator, offer).unwrap_err().to_string().contains("does not hold"));

    node.contribute(&operator, &net, &small::records(7, 1, 5)).unwrap();
    node.gate(&net).unwrap();
    node.snapshot(&net).unwrap();
    let model = node.train(&net).unwrap();
    let of = node.datanet(&net).unwrap();
    let snapshot = &of.snapshots[&of.models[&model].snapshot];
    let (records, recipe) = (snapshot.records, of.models[&model].recipe);
    let row = ValueRow {
        account: account.clone(),
        records: snapshot.counts[&account],
        value_microbits: 5,
        se_microbits: 1,
        low_microbits: 3,
        high_microbits: 7,
    };
    node.act(&operator, Command::ValueRows { datanet: net.clone(), model, part: 0, rows: vec![row] })
        .unwrap();
    let value = |table| Command::Value {
        datanet: net.clone(),
        model,
        parts: 1,
        base_microbits: 0,
        full_microbits: 5,
        sum_microbits: 5,
        withheld_microbits: 0,
        nodes: 4,
        recipe,
        table,
    };
    let error = node.act(&operator, value(absent(records))).unwrap_err();
    assert!(error.to_string().contains("does not hold"), "{error}");
    let there = TableRef { rows: records, ..snapshot_table(&node, &net, model) };
    node.act(&operator, value(there)).unwrap();
}

/// Any table that the node holds.
fn snapshot_table(node: &Node, net: &DatanetId, model: u64) -> TableRef {
    let of = node.datanet(net).unwrap();
    of.snapshots[&of.models[&model].snapshot].table.clone()
}
