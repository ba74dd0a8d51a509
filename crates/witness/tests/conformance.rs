//! The protocol over loopback: every status, races, and a process that dies after it stored.
#![allow(clippy::unwrap_used)]

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Barrier;
use std::thread::{self, JoinHandle};

use assay_tlog::{
    AddCheckpoint, Checkpoint, ConsistencyProof, CosignerKey, Hash, Note, SIZE_CONTENT_TYPE, SignerKey,
    leaf_hash, read_cosignatures, read_size, root, sign_checkpoint,
};
use assay_witness::{Witness, serve};
use tokio::sync::oneshot;

const ORIGIN: &str = "example.com/log";

fn log() -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[1; 32]).unwrap()
}

/// Leaves of one history, or of another that shares the first four.
fn leaves(fork: u8, size: u64) -> Vec<Hash> {
    (0..size).map(|i| leaf_hash(&[if i < 4 { 0 } else { fork }, i as u8, (i >> 8) as u8])).collect()
}

fn head(fork: u8, size: u64) -> Note {
    sign_checkpoint(&Checkpoint::new(ORIGIN, size, root(&leaves(fork, size))), &log()).unwrap()
}

fn growth(fork: u8, old: u64, new: u64) -> AddCheckpoint {
    let proof = ConsistencyProof::prove(old, new, &leaves(fork, new)[..]).unwrap().hashes;
    AddCheckpoint { old, proof, note: head(fork, new) }
}

struct Running {
    address: SocketAddr,
    key: CosignerKey,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(home: &Path) -> Self {
        let witness = Witness::open(home).unwrap();
        let key = witness.key().clone();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            serve(witness, listener, async {
                let _ = stopped.await;
            })
            .unwrap();
        });
        Self { address, key, stop: Some(stop), thread: Some(thread) }
    }

    /// Status, content type and body.
    fn post(&self, body: &str) -> (u16, String, String) {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
        let url = format!("http://{}/add-checkpoint", self.address);
        let mut response = agent.post(&url).send(body).unwrap();
        let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
        (response.status().as_u16(), kind.unwrap_or_default(), response.body_mut().read_to_string().unwrap())
    }

    fn status(&self, request: &AddCheckpoint) -> u16 {
        self.post(&request.to_string()).0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
        self.thread.take().unwrap().join().unwrap();
    }
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let mut witness = Witness::create(home.path(), "w.example/1").unwrap();
    assert!(witness.add_log(log().verifier()).unwrap());
    assert!(!witness.add_log(log().verifier()).unwrap());
    home
}

#[test]
fn every_status_of_the_protocol() {
    let home = home();
    let witness = Running::start(home.path());
    let first = growth(0, 0, 5);
    let (status, _, body) = witness.post(&first.to_string());
    assert_eq!(status, 200);
    assert_eq!(read_cosignatures(&first.note, body.as_bytes(), &witness.key).unwrap().len(), 1);
    assert_eq!(witness.status(&growth(0, 5, 9)), 200);
    assert_eq!(witness.status(&growth(0, 9, 9)), 200, "the same again");

    let stale = witness.post(&growth(0, 5, 12).to_string());
    assert_eq!((stale.0, stale.1.as_str(), read_size(stale.2.as_bytes())), (409, SIZE_CONTENT_TYPE, Some(9)));
    let fork = AddCheckpoint { old: 9, proof: vec![], note: head(1, 9) };
    assert_eq!(witness.post(&fork.to_string()).2, "9\n", "another root of the same size");
    assert_eq!(witness.status(&fork), 409);

    let fork = AddCheckpoint { note: head(1, 12), ..growth(0, 9, 12) };
    assert_eq!(witness.status(&fork), 422);
    assert_eq!(witness.status(&AddCheckpoint { proof: vec![], ..growth(0, 9, 12) }), 422);

    let stranger = SignerKey::from_seed(ORIGIN, &[2; 32]).unwrap();
    let text: Checkpoint = head(0, 12).text().parse().unwrap();
    let forged = AddCheckpoint { note: sign_checkpoint(&text, &stranger).unwrap(), ..growth(0, 9, 12) };
    assert_eq!(witness.status(&forged), 403);
    let elsewhere = Checkpoint { origin: "example.com/other".into(), ..text };
    let elsewhere = AddCheckpoint { note: sign_checkpoint(&elsewhere, &log()).unwrap(), ..growth(0, 9, 12) };
    assert_eq!(witness.status(&elsewhere), 404);

    assert_eq!(witness.status(&AddCheckpoint { old: 13, ..growth(0, 9, 12) }), 400);
    for body in ["", "old 9\n", "nonsense", "old 09\n\n"] {
        assert_eq!(witness.post(body).0, 400, "{body:?}");
    }
    // The answer arrives, although most of the body is sent after it is known.
    assert_eq!(witness.post(&"x".repeat(2_000_000)).0, 413);
    assert_eq!(witness.post(&"x".repeat(8_000_000)).0, 413);
    assert_eq!(witness.status(&growth(0, 9, 12)), 200, "nothing of that was remembered");
}

/// Sixty-four at once, from two histories: whatever is cosigned is of one of them, and each size once at most.
#[test]
fn races_never_cosign_two_histories() {
    let home = home();
    let witness = Running::start(home.path());
    assert_eq!(witness.status(&growth(0, 0, 4)), 200);
    for round in 0..4_u64 {
        let known = Witness::open(home.path());
        assert!(known.is_err(), "the memory has one writer");
        let barrier = Barrier::new(64);
        let answers: Vec<(u8, u64, u16)> = thread::scope(|scope| {
            let callers: Vec<_> = (0..64_u64)
                .map(|i| {
                    let (fork, new) = ((i % 2) as u8 + 1, 5 + i / 2);
                    let (witness, barrier) = (&witness, &barrier);
                    scope.spawn(move || {
                        let request = growth(fork, 4, new);
                        barrier.wait();
                        (fork, new, witness.status(&request))
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        let cosigned: Vec<_> = answers.iter().filter(|(_, _, status)| *status == 200).collect();
        assert!(answers.iter().all(|(_, _, status)| matches!(status, 200 | 409)));
        assert_eq!(cosigned.len(), usize::from(round == 0), "one wins the first round, nobody another");
    }
}

#[test]
fn what_was_stored_outlives_the_process() {
    let home = home();
    let witness = Running::start(home.path());
    assert_eq!(witness.status(&growth(1, 0, 9)), 200);
    drop(witness);
    // As after a crash between the store and the answer: the head is stored, the caller never heard of it.
    let mut quiet = Witness::open(home.path()).unwrap();
    quiet.add_checkpoint(growth(1, 9, 20).to_string().as_bytes()).unwrap();
    drop(quiet);
    let witness = Running::start(home.path());
    assert_eq!(witness.post(&growth(2, 9, 20).to_string()).2, "20\n");
    assert_eq!(witness.status(&AddCheckpoint { old: 20, proof: vec![], note: head(2, 20) }), 409);
    assert_eq!(witness.status(&growth(1, 20, 20)), 200, "asked again, the same head is cosigned");
    assert_eq!(witness.status(&growth(1, 20, 30)), 200);
    drop(witness);
    let logs = Witness::open(home.path()).unwrap().logs().unwrap();
    assert_eq!((logs.len(), logs[0].head.as_ref().unwrap().size), (1, 30));
}

#[cfg(unix)]
#[test]
fn the_key_is_for_its_owner_and_never_replaced() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = home();
    let path = home.path().join(assay_witness::KEY_FILE);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
    assert!(Witness::create(home.path(), "w.example/2").is_err());
    std::fs::write(&path, "PRIVATE+KEY+w+00000000+hunter2").unwrap();
    assert!(!Witness::open(home.path()).err().unwrap().to_string().contains("hunter2"));
}
