//! What a crash, a careless hand or an old backup leaves in a home, and what opening the node makes of it.

#![allow(clippy::unwrap_used)]

mod small;

use std::fs;
use std::path::{Path, PathBuf};

use assay_ledger::codec;
use assay_ledger::command::{Command, Signed};
use assay_ledger::decide::decide;
use assay_ledger::ids::{Digest, TableRef};
use assay_ledger::state::State;
use assay_node::{CHECKPOINT, Kind, LOG_KEY, Node, Trust, Wanted, verify};
use assay_store::{EventReader, EventStore, NewEntry};

/// A home whose node is closed, and what its log came to.
struct Closed {
    dir: tempfile::TempDir,
    home: PathBuf,
    size: u64,
    root: String,
}

impl Closed {
    /// More entries than fit one tile, a contribution that waits for its gate, and a settled epoch.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (home, net) = small::world(dir.path(), 7);
        let mut node = small::open(&home).unwrap();
        let operator = node.operator().clone();
        let deposits = (0..300).map(|i| node.sign(&operator, small::deposit(&node, &format!("wire-{i}"), 1)));
        let deposits: Vec<Signed> = deposits.collect::<Result<_, _>>().unwrap();
        assert!(node.submit_all(deposits).unwrap().into_iter().all(|answer| answer.is_ok()));
        node.settle(&net).unwrap();
        node.contribute(&operator, &net, &small::records(7, 1, 2)).unwrap();
        let head = node.checkpoint();
        Self { dir, home, size: head.size, root: head.root.to_string() }
    }

    fn public(&self, name: &str) -> PathBuf {
        self.home.join("public").join(name)
    }

    fn log(&self) -> PathBuf {
        self.home.join("private/log")
    }

    /// The files in which the edge of the tree lies.
    fn edge(&self) -> Vec<PathBuf> {
        let tiles = assay_tlog::TileWriter::needs(self.size);
        tiles.iter().map(|tile| self.public(&tile.path())).collect()
    }

    /// Opens the node and requires the same log, which a stranger can verify.
    fn opens_whole(&self) -> Node {
        let node = small::open(&self.home).unwrap();
        let head = node.checkpoint();
        assert_eq!((head.size, head.root.to_string()), (self.size, self.root.clone()));
        let verified = verify(&self.public(""), Some(node.log_key()), &|_, _| {}).unwrap();
        assert_eq!((verified.size, &verified.root), (self.size, &self.root));
        assert_eq!(verified.state, node.state().digest().unwrap().to_string());
        node.receipt(3, Vec::new())
            .unwrap()
            .verify(&Trust::key(node.log_key().clone()), &Wanted::default())
            .unwrap();
        node
    }

    fn refuses(&self, what: &str) {
        let error = small::open(&self.home).err().unwrap();
        assert!(error.to_string().contains(what), "{error}");
    }
}

/// Makes the next entry of the log durable and goes no further, as a crash after commit point A does.
fn append_unpublished(closed: &Closed, signed: &Signed) {
    let mut log = EventStore::open(&closed.log()).unwrap();
    let mut state = State::new(small::ORIGIN);
    log.reader().scan(0).for_each(|entry| state.apply(&codec::decode(&entry.unwrap().1).unwrap()));
    let events = decide(&state, state.t() + 1, signed).unwrap();
    let entry = |event| NewEntry { bytes: codec::encode(event).unwrap(), keys: Vec::new() };
    let entries: Vec<NewEntry> = events.iter().map(entry).collect();
    log.append(state.size(), &entries).unwrap();
}

fn payment(closed: &Closed, reference: &str) -> Signed {
    let node = small::open(&closed.home).unwrap();
    node.sign(node.operator(), small::deposit(&node, reference, 5)).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_durable_and_unpublished_is_published() {
    let closed = Closed::new();
    let signed = payment(&closed, "late");
    append_unpublished(&closed, &signed);
    let mut node = small::open(&closed.home).unwrap();
    assert_eq!(node.checkpoint().size, closed.size + 1);
    let verified = verify(&closed.public(""), Some(node.log_key()), &|_, _| {}).unwrap();
    assert_eq!(verified.size, closed.size + 1);
    assert_eq!(node.submit(signed).unwrap(), closed.size, "asking again gets the place that it has");
    assert_eq!(node.state().size(), closed.size + 1);
}

#[test]
fn leftovers_of_half_written_files_harm_nobody() {
    let closed = Closed::new();
    let staged = [".tmp-abc", "tables/.tmp-def", "tile/0/.tmp-ghi"].map(|name| closed.public(name));
    let staged =
        staged.into_iter().chain([closed.home.join(format!("private/tables/{}.parquet#1", "0".repeat(64)))]);
    staged.for_each(|path| fs::write(path, "half").unwrap());
    // A table of a contribution that never reached the log.
    fs::write(closed.home.join(format!("private/tables/{}.parquet", Digest::of(b"x"))), "x").unwrap();
    closed.opens_whole();
}

#[test]
fn a_wiped_public_folder_is_made_again_from_the_private_one() {
    let closed = Closed::new();
    let tables = files(&closed.public("tables"));
    let checkpoint = fs::read(closed.public(CHECKPOINT)).unwrap();
    fs::remove_dir_all(closed.public("")).unwrap();
    closed.opens_whole();
    assert_eq!(files(&closed.public("tables")), tables);
    assert_eq!(fs::read(closed.public(CHECKPOINT)).unwrap(), checkpoint, "nothing was signed anew");
}

#[test]
fn public_files_that_went_missing_come_back() {
    let closed = Closed::new();
    let full = ["tile/0/000", "tile/entries/000"].map(|name| closed.public(name));
    for path in
        [closed.public(CHECKPOINT), closed.public(LOG_KEY)].into_iter().chain(full).chain(closed.edge())
    {
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        closed.opens_whole();
        assert_eq!(fs::read(&path).unwrap(), bytes, "{}", path.display());
    }
}

#[test]
fn an_older_or_unreadable_public_checkpoint_is_replaced() {
    let closed = Closed::new();
    let old = fs::read(closed.public(CHECKPOINT)).unwrap();
    append_unpublished(&closed, &payment(&closed, "late"));
    let newest = small::open(&closed.home).unwrap().checkpoint();
    for bytes in [old.as_slice(), b"nonsense", b""] {
        fs::write(closed.public(CHECKPOINT), bytes).unwrap();
        assert_eq!(small::open(&closed.home).unwrap().checkpoint(), newest);
        assert_eq!(verify(&closed.public(""), None, &|_, _| {}).unwrap().size, newest.size);
    }
}

#[test]
fn a_damaged_tile_is_named_and_never_overwritten() {
    let closed = Closed::new();
    for path in closed.edge() {
        let bytes = fs::read(&path).unwrap();
        let mut damaged = bytes.clone();
        damaged[bytes.len() / 2] ^= 1;
        fs::write(&path, &damaged).unwrap();
        closed.refuses(path.strip_prefix(closed.public("")).unwrap().to_str().unwrap());
        closed.refuses("move the public folder away");
        assert_eq!(fs::read(&path).unwrap(), damaged);
        fs::write(&path, &bytes).unwrap();
    }
    fs::write(&closed.edge()[0], "worse").unwrap();
    fs::rename(closed.public(""), closed.dir.path().join("away")).unwrap();
    closed.opens_whole();
}

#[test]
fn an_image_of_the_state_is_never_a_source() {
    let closed = Closed::new();
    let earlier = {
        let node = small::open(&closed.home).unwrap();
        let mut state = State::new(small::ORIGIN);
        state.apply(&codec::decode(&node.entries().read(0..1).unwrap()[0]).unwrap());
        zstd::encode_all(state.image().unwrap().as_slice(), 1).unwrap()
    };
    let nonsense = zstd::encode_all(&b"nonsense"[..], 1).unwrap();
    let images: [(u32, &[u8]); 5] =
        [(2, b"nonsense"), (2, b""), (2, &nonsense), (2, &earlier), (99, &earlier)];
    for (version, bytes) in images {
        EventStore::open(&closed.log()).unwrap().put_image(closed.size, version, bytes).unwrap();
        closed.opens_whole();
    }
}

#[test]
fn an_old_copy_of_the_event_store_is_refused() {
    let closed = Closed::new();
    let backup = closed.dir.path().join("backup");
    copy(&closed.log(), &backup);
    let (late, other) = (payment(&closed, "late"), payment(&closed, "other"));
    append_unpublished(&closed, &late);
    let head = small::open(&closed.home).unwrap().checkpoint();
    let checkpoint = fs::read(closed.public(CHECKPOINT)).unwrap();

    fs::remove_dir_all(closed.log()).unwrap();
    copy(&backup, &closed.log());
    closed.refuses("rolled back");
    // Another history from the old copy on, as long as the one that was published.
    append_unpublished(&closed, &other);
    assert_eq!(EventReader::open(&closed.log()).unwrap().size().unwrap(), head.size);
    closed.refuses("rolled back");
    fs::remove_dir_all(closed.log()).unwrap();
    closed.refuses("rolled back");
    assert_eq!(fs::read(closed.public(CHECKPOINT)).unwrap(), checkpoint, "the public head stands");
}

#[test]
fn a_table_that_is_lost_everywhere_is_named() {
    let closed = Closed::new();
    let name = files(&closed.public("tables")).remove(0);
    fs::remove_dir_all(closed.public("")).unwrap();
    let kept = closed.home.join("private/tables").join(&name);
    let bytes = fs::read(&kept).unwrap();
    fs::remove_file(&kept).unwrap();
    closed.refuses(&name);
    fs::write(&kept, bytes).unwrap();
    closed.opens_whole();
}

#[test]
fn a_command_about_a_table_that_is_not_here_is_refused() {
    let closed = Closed::new();
    let mut node = closed.opens_whole();
    let nowhere = Digest::of(b"nowhere");
    let command = Command::Contribute {
        datanet: "small".parse().unwrap(),
        records: 1,
        root: nowhere,
        table: TableRef { sha256: nowhere, rows: 1, bytes: 7 },
    };
    let operator = node.operator().clone();
    assert_eq!(node.act(&operator, command).unwrap_err().kind, Kind::Refused);
    node.act(&operator, small::deposit(&node, "after", 1)).unwrap();
}

#[test]
fn a_node_that_failed_half_way_does_nothing_more() {
    let closed = Closed::new();
    let mut node = closed.opens_whole();
    let operator = node.operator().clone();
    // The folder of tiles cannot be written: the command is durable, and nothing can be published.
    fs::rename(closed.public("tile"), closed.dir.path().join("tile")).unwrap();
    fs::write(closed.public("tile"), "in the way").unwrap();
    let first = node.sign(&operator, small::deposit(&node, "first", 1)).unwrap();
    assert!(node.submit(first.clone()).is_err());
    let error = node.act(&operator, small::deposit(&node, "second", 1)).unwrap_err();
    assert!(error.to_string().contains("open the node again"), "{error}");
    drop(node);
    fs::remove_file(closed.public("tile")).unwrap();
    fs::rename(closed.dir.path().join("tile"), closed.public("tile")).unwrap();
    let mut node = small::open(&closed.home).unwrap();
    assert_eq!(node.state().size(), closed.size + 1, "the first is there and the second is not");
    assert_eq!(node.submit(first).unwrap(), closed.size);
}
