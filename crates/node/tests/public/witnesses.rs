//! A node that needs witnesses: nothing is published without the quorum, nothing is lost, and an old copy of the node
//! does not start.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use assay_node::{CHECKPOINT, Home, Kind, Node, Trust, Wanted, verify};
use assay_witness::{Witness, serve};
use tokio::sync::oneshot;

use crate::small;

/// A witness that can be stopped and started again at its address.
struct Station {
    home: PathBuf,
    key: String,
    address: SocketAddr,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Station {
    fn new(dir: &Path, i: usize) -> Self {
        let home = dir.join(format!("w{i}"));
        let key = Witness::create(&home, &format!("w.example/{i}")).unwrap().key().to_string();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self { home, key, address, running: None }
    }

    fn start(&mut self) {
        let (witness, listener) =
            (Witness::open(&self.home).unwrap(), TcpListener::bind(self.address).unwrap());
        let (stop, stopped) = oneshot::channel();
        let serving = thread::spawn(move || {
            let stopped = async {
                let _ = stopped.await;
            };
            serve(witness, listener, stopped).unwrap();
        });
        self.running = Some((stop, serving));
    }

    fn stop(&mut self) {
        if let Some((stop, serving)) = self.running.take() {
            let _ = stop.send(());
            serving.join().unwrap();
        }
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Three witnesses of which two must cosign, and the home of a node that asks them.
fn watched(dir: &Path) -> (Vec<Station>, PathBuf, String) {
    let mut stations: Vec<Station> = (0..3).map(|i| Station::new(dir, i)).collect();
    let home = Home::init(&dir.join("home"), Some(small::ORIGIN)).unwrap();
    let mut policy = String::new();
    for (i, station) in stations.iter().enumerate() {
        policy += &format!("witness w{i} {} http://{}/\n", station.key, station.address);
    }
    policy += "group two 2 w0 w1 w2\nquorum two\n";
    fs::write(home.dir().join("policy"), &policy).unwrap();
    let node = Node::found(home.clone()).unwrap();
    for station in &mut stations {
        Witness::open(&station.home).unwrap().add_log(node.log_key()).unwrap();
        station.start();
    }
    drop(node);
    let config = home.dir().join("assay.toml");
    let text = fs::read_to_string(&config).unwrap() + "\n[witness]\npolicy = \"policy\"\n";
    fs::write(&config, text).unwrap();
    (stations, home.dir().to_owned(), policy)
}

fn act(node: &mut Node, reference: &str) -> assay_node::Result<u64> {
    let operator = node.operator().clone();
    let command = small::deposit(node, reference, 1_000);
    node.act(&operator, command)
}

fn public(home: &Path) -> Vec<u8> {
    fs::read(home.join("public").join(CHECKPOINT)).unwrap()
}

#[test]
fn nothing_is_published_without_the_quorum_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (mut stations, home, policy) = watched(dir.path());
    let mut node = small::open(&home).unwrap();
    let trust = Trust::policy(policy.parse().unwrap(), Some(node.log_key().clone())).unwrap();
    assert_eq!(
        trust.open(&public(&home)).unwrap().witnesses.len(),
        3,
        "what was signed before gets cosigned"
    );
    act(&mut node, "one").unwrap();
    stations[0].stop();
    let two = act(&mut node, "two").unwrap();
    assert_eq!(trust.open(&public(&home)).unwrap().witnesses.len(), 2);

    stations[1].stop();
    let before = public(&home);
    let operator = node.operator().clone();
    let signed = node.sign(&operator, small::deposit(&node, "three", 1_000)).unwrap();
    let error = node.submit(signed.clone()).unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(
        error.what.contains("durable, and not published") && error.what.contains("w.example/1"),
        "{error}"
    );
    assert!(node.is_waiting() && public(&home) == before);
    // Nothing more is taken until that is published, and a receipt is of what is.
    let size = node.state().size();
    assert_eq!(act(&mut node, "four").unwrap_err().kind, Kind::Unavailable);
    assert_eq!(node.state().size(), size);
    node.receipt(two, Vec::new()).unwrap().verify(&trust, &Wanted::default()).unwrap();
    assert!(node.receipt(size - 1, Vec::new()).is_err());
    drop(node);
    let node = small::open(&home).unwrap();
    assert!(node.is_waiting() && node.state().size() == size, "it opens, for reading");
    drop(node);

    stations[0].start();
    let mut node = small::open(&home).unwrap();
    assert!(!node.is_waiting(), "the quorum is back");
    assert_eq!(node.submit(signed).unwrap(), size - 1, "sent again, it gets its first answer");
    act(&mut node, "four").unwrap();
    assert_eq!(trust.open(&public(&home)).unwrap().checkpoint.size, size + 1);
    stations[1].start();
    act(&mut node, "five").unwrap();
    assert_eq!(trust.open(&public(&home)).unwrap().witnesses.len(), 3, "a witness that slept catches up");
    let verified = verify(&home.join("public"), Some(node.log_key()), &|_, _| {}).unwrap();
    assert_eq!(verified.size, node.state().size());
    trust.open_at(home.join("public").to_str().unwrap()).unwrap();
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = {
            let e = entry.unwrap();
            (e.path(), to.join(e.file_name()))
        };
        if path.is_dir() { copy_folder(&path, &to) } else { fs::copy(&path, &to).map(drop).unwrap() }
    }
}

#[test]
fn an_old_copy_of_a_node_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let (stations, home, _) = watched(dir.path());
    let mut node = small::open(&home).unwrap();
    act(&mut node, "one").unwrap();
    drop(node);
    let old = dir.path().join("old");
    copy_folder(&home, &old);
    let mut node = small::open(&home).unwrap();
    act(&mut node, "two").unwrap();
    drop(node);
    let error = small::open(&old).err().unwrap();
    assert!(error.kind == Kind::Refused && error.what.contains("rolled back"), "{error}");
    let mut node = small::open(&home).unwrap();
    act(&mut node, "three").unwrap();
    drop(stations);
}

#[test]
fn a_second_history_of_the_same_size_is_refused_by_the_witnesses() {
    let dir = tempfile::tempdir().unwrap();
    let (_stations, home, _) = watched(dir.path());
    drop(small::open(&home).unwrap());
    let twin = dir.path().join("twin");
    copy_folder(&home, &twin);
    let (mut one, mut two) = (small::open(&home).unwrap(), small::open(&twin).unwrap());
    act(&mut one, "one").unwrap();
    let error = act(&mut two, "another").unwrap_err();
    assert!(error.kind == Kind::Refused && error.what.contains("another history"), "{error}");
    let shown = Trust::key(two.log_key().clone()).open(&public(&twin)).unwrap();
    assert_eq!(shown.checkpoint.size, two.state().size() - 1, "nothing of it was published");
}
