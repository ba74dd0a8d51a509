//! Three nodes on one log in Postgres: commands to any of them, one killed in the middle, and the history held
//! against the log.
//!
//! The history must be linearizable: every acknowledged command is in the log exactly once; of two commands of which
//! one was answered before the other was sent, the first has the lower place; a read shows every command that was
//! answered before it began, and none that was sent after it ended. One log orders all datanets, so this holds for each.
//! `ASSAY_NODES_STEPS` sets the steps of each node (30 here, 1,000 for a full run).

#![cfg(all(unix, feature = "postgres"))]
#![allow(clippy::unwrap_used)]

#[path = "../../store/tests/support/cluster.rs"]
mod cluster;
mod small;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command as Process, Stdio};
use std::sync::mpsc;
use std::time::{SystemTime, UNIX_EPOCH};

use assay_ledger::amount::{Amount, Place};
use assay_ledger::codec;
use assay_ledger::command::{Command, Signed};
use assay_ledger::event::Cause;
use assay_ledger::ids::{AccountId, Nonce, PublicKey};
use assay_ledger::state::State;
use assay_node::{Kind, Node, verify};
use serde::{Deserialize, Serialize};

const NODES: u64 = 3;
/// Above every number of a step before the kill.
const STEPS_MAX: u64 = 1_000_000;
const CHILD: &str = "ASSAY_NODES_HOME";

/// One step of a node, with the moments between which it happened.
#[derive(Debug, Serialize, Deserialize)]
struct Step {
    node: u64,
    number: u64,
    begun_ns: u128,
    /// `None` while nobody has answered.
    ended_ns: Option<u128>,
    /// Place in the log, of a command that was accepted.
    seq: Option<u64>,
    /// Size of the log and units outside, of a read.
    read: Option<(u64, i128)>,
}

#[test]
fn three_nodes_on_one_log_are_as_good_as_one() {
    if let Some(home) = std::env::var_os(CHILD) {
        return work(Path::new(&home), number("ASSAY_NODES_NODE"), number("ASSAY_NODES_FIRST"));
    }
    let Some(cluster) = cluster::cluster() else { return };
    let steps = std::env::var("ASSAY_NODES_STEPS").map_or(30, |steps| steps.parse().unwrap());
    println!("ASSAY_NODES_STEPS={steps}");
    let dir = tempfile::tempdir().unwrap();
    let homes = homes(dir.path(), &cluster.fresh());
    let net = small::another(&mut small::open(&homes[0]).unwrap(), 3, "small");

    let history = run(&homes, steps);
    let mut nodes: Vec<Node> = homes.iter().map(|home| small::open(home).unwrap()).collect();
    let places = check_once(&nodes[0], &history);
    check_order(&history);
    check_reads(&nodes[0], &history);
    // Whoever is asked, everybody has the same log; a command that was answered is answered alike everywhere.
    let sent = history.iter().find(|step| step.seq.is_some()).unwrap();
    let again = command(&nodes[0], sent.node, sent.number).unwrap();
    for node in &mut nodes {
        node.refresh().unwrap();
        assert_eq!(node.submit(again.clone()).unwrap(), places[&(sent.node, sent.number)]);
        assert_eq!(node.datanet(&net).unwrap().charter.datanet, net);
        node.receipt(0, Vec::new())
            .unwrap()
            .verify(&assay_node::Trust::key(node.log_key().clone()), &assay_node::Wanted::default())
            .unwrap();
    }
    let verified = verify(&homes[0].join("public"), Some(nodes[0].log_key()), &|_, _| {}).unwrap();
    for node in &nodes {
        assert_eq!(node.checkpoint().root.to_string(), verified.root);
        assert_eq!(node.state().digest().unwrap().to_string(), verified.state);
    }
}

/// Homes of nodes with the same keys, on one log, with one folder of tables and one public folder.
fn homes(dir: &Path, store: &str) -> Vec<PathBuf> {
    let first = dir.join("0");
    drop(assay_node::Home::init(&first, Some(small::ORIGIN)).unwrap());
    let shared = |name: &str| first.join(name).display().to_string();
    let config = format!(
        "origin = {:?}\nstore = {store:?}\ntables = {:?}\npublic = {:?}\n",
        small::ORIGIN,
        shared("private"),
        shared("public")
    );
    fs::write(first.join("assay.toml"), &config).unwrap();
    drop(Node::found(assay_node::Home::open(&first).unwrap()).unwrap());
    let copies = (1..NODES).map(|node| {
        let home = dir.join(node.to_string());
        fs::create_dir_all(home.join("keys")).unwrap();
        for key in ["log.key", "operator.key"] {
            fs::copy(first.join("keys").join(key), home.join("keys").join(key)).unwrap();
        }
        fs::write(home.join("assay.toml"), &config).unwrap();
        home
    });
    std::iter::once(first.clone()).chain(copies.collect::<Vec<_>>()).collect()
}

fn number(name: &str) -> u64 {
    std::env::var(name).unwrap().parse().unwrap()
}

// A node.

/// Does step after step until the parent has enough.
fn work(home: &Path, node_number: u64, first: u64) {
    let mut node = small::open(home).unwrap();
    for number in first.. {
        let mut step =
            Step { node: node_number, number, begun_ns: now(), ended_ns: None, seq: None, read: None };
        say(&step);
        match command(&node, node_number, number) {
            Some(signed) => match node.submit(signed) {
                Ok(seq) => step.seq = Some(seq),
                Err(error) => assert_eq!(error.kind, Kind::Refused, "{error}"),
            },
            None => {
                node.refresh().unwrap();
                step.read = Some((node.state().size(), node.state().balance(&Place::External)));
            }
        }
        step.ended_ns = Some(now());
        say(&step);
    }
}

/// The command of a step: a deposit, or a withdrawal that may find the account empty. Every third step reads.
fn command(node: &Node, node_number: u64, step: u64) -> Option<Signed> {
    let key = node.operator().clone();
    let account = AccountId::of(&PublicKey::from(&key));
    let reference = format!("wire-{node_number}-{step}").parse().unwrap();
    let amount = Amount::new(u128::from(1 + step % 7)).unwrap();
    let command = match step % 3 {
        0 => return None,
        1 => Command::Deposit { account, amount, reference },
        _ => Command::Withdraw { amount, reference },
    };
    let nonce = Nonce((u128::from(node_number) << 64 | u128::from(step)).to_be_bytes());
    Some(node.sign_with(&key, nonce, command).unwrap())
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()
}

fn say(step: &Step) {
    let line = format!("step {}\n", serde_json::to_string(step).unwrap());
    let mut out = std::io::stdout().lock();
    // The parent may have heard enough.
    if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

// The parent.

/// Runs the nodes side by side and kills one half way, which then starts again; everything that they said.
fn run(homes: &[PathBuf], steps: u64) -> Vec<Step> {
    let (said, heard) = mpsc::channel();
    let mut children: Vec<Child> =
        homes.iter().zip(0..).map(|(home, node)| start(home, node, 1, said.clone())).collect();
    let mut history: BTreeMap<(u64, u64), Step> = BTreeMap::new();
    let mut answered = vec![0_u64; homes.len()];
    let mut killed = false;
    while answered.iter().any(|answered| *answered < steps) {
        let step: Step = heard.recv().unwrap();
        answered[step.node as usize] += u64::from(step.ended_ns.is_some());
        history.insert((step.node, step.number), step);
        if !killed && answered[1] > steps / 2 {
            killed = true;
            children[1].kill().unwrap();
            children[1].wait().unwrap();
            // What was under way may have happened or not; nobody sends it again.
            children[1] = start(&homes[1], 1, STEPS_MAX, said.clone());
        }
    }
    for child in &mut children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    drop(said);
    history.extend(heard.iter().map(|step| ((step.node, step.number), step)));
    history.into_values().collect()
}

fn start(home: &Path, node: u64, first: u64, said: mpsc::Sender<Step>) -> Child {
    let mut child = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "three_nodes_on_one_log_are_as_good_as_one", "--nocapture"])
        .env(CHILD, home)
        .env("ASSAY_NODES_NODE", node.to_string())
        .env("ASSAY_NODES_FIRST", first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: BufReader<ChildStdout> = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in lines.lines().map_while(Result::ok) {
            // The last line of a killed process may be half a line.
            let step = line.strip_prefix("step ").and_then(|json| serde_json::from_str(json).ok());
            assert!(!line.contains("panicked"), "{line}");
            if step.is_some_and(|step| said.send(step).is_err()) {
                return;
            }
        }
    });
    child
}

/// Every acknowledged command is at its place, and every command is in the log once at most; the place of each.
fn check_once(node: &Node, history: &[Step]) -> BTreeMap<(u64, u64), u64> {
    let mut found: BTreeMap<[u8; 16], u64> = BTreeMap::new();
    for entry in node.entries().scan(0) {
        let (seq, bytes) = entry.unwrap();
        if let Cause::Command(signed) = codec::decode(&bytes).unwrap().cause {
            assert_eq!(found.insert(signed.intent.nonce.0, seq), None, "entry {seq} repeats a command");
        }
    }
    let mut places = BTreeMap::new();
    let mut unanswered = 0;
    for step in history {
        let Some(signed) = command(node, step.node, step.number) else { continue };
        let place = found.get(&signed.intent.nonce.0).copied();
        match step.ended_ns {
            Some(_) => assert_eq!(place, step.seq, "{step:?}"),
            None => unanswered += 1,
        }
        places.extend(place.map(|place| ((step.node, step.number), place)));
    }
    println!("{} commands in the log, {unanswered} without an answer", places.len());
    places
}

/// What was answered before something else began comes before it.
fn check_order(history: &[Step]) {
    let mut ended: Vec<(u128, u64)> =
        history.iter().filter_map(|step| Some((step.ended_ns?, step.seq?))).collect();
    ended.sort_unstable();
    let mut begun: Vec<(u128, u64)> =
        history.iter().filter_map(|step| Some((step.begun_ns, step.seq?))).collect();
    begun.sort_unstable();
    let (mut highest, mut next) = (None, 0);
    for (begun_ns, seq) in begun {
        while next < ended.len() && ended[next].0 < begun_ns {
            highest = highest.max(Some(ended[next].1));
            next += 1;
        }
        assert!(highest.is_none_or(|highest| highest < seq), "{seq} was sent after {highest:?} was answered");
    }
}

/// A read sees the log at one moment between its beginning and its end.
fn check_reads(node: &Node, history: &[Step]) {
    let mut state = State::new(small::ORIGIN);
    let mut outside = vec![state.balance(&Place::External)];
    for entry in node.entries().scan(0) {
        state.apply(&codec::decode(&entry.unwrap().1).unwrap());
        outside.push(state.balance(&Place::External));
    }
    let mut reads = 0;
    for read in history {
        let (Some((size, units)), Some(ended_ns)) = (read.read, read.ended_ns) else { continue };
        reads += 1;
        assert_eq!(units, outside[size as usize], "{read:?}");
        for step in history {
            let Some(seq) = step.seq else { continue };
            if step.ended_ns.is_some_and(|ended| ended < read.begun_ns) {
                assert!(seq < size, "{read:?} does not see {step:?}");
            }
            if step.begun_ns > ended_ns {
                assert!(seq >= size, "{read:?} sees {step:?}");
            }
        }
    }
    println!("{reads} reads");
}

/// Two nodes answer what is open: each question is paid once, and both know the answer that was.
#[test]
fn two_nodes_answer_the_same_questions() {
    let Some(cluster) = cluster::cluster() else { return };
    let dir = tempfile::tempdir().unwrap();
    let homes = homes(dir.path(), &cluster.fresh());
    let mut first = small::open(&homes[0]).unwrap();
    let net = small::another(&mut first, 3, "small");
    let mut second = small::open(&homes[1]).unwrap();
    let operator = first.operator().clone();
    let deposit = small::deposit(&first, "in", 60 * small::PRICE);
    first.act(&operator, deposit).unwrap();
    for (round, count) in [(1, 20), (2, 3), (3, 20)] {
        let asked = first.ask(&operator, &net, &small::records(3, round, count)).unwrap();
        let queries: Vec<u64> = asked.into_iter().map(Result::unwrap).collect();
        // Both have seen them, and neither has seen what the other does.
        second.refresh().unwrap();
        let given = [first.answer(&net).unwrap(), second.answer(&net).unwrap()].concat();
        assert!(given.iter().map(|answered| answered.query).eq(queries.iter().copied()));
        for node in [&mut first, &mut second] {
            node.refresh().unwrap();
            for answered in &given {
                let kept = node.answered(answered.query).unwrap().unwrap();
                assert_eq!((kept.entry, &kept.answer_salt), (answered.entry, &answered.answer_salt));
                let receipt = node.answer_receipt(&net, &kept).unwrap();
                let trust = assay_node::Trust::key(node.log_key().clone());
                receipt.verify(&trust, &assay_node::Wanted::default()).unwrap();
            }
        }
    }
}
