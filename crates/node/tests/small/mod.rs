//! A datanet that is small enough to be trained and valued in milliseconds.

#![allow(clippy::unwrap_used, dead_code)]

use std::path::{Path, PathBuf};

use assay_ledger::amount::Amount;
use assay_ledger::command::Command;
use assay_ledger::ids::DatanetId;
use assay_node::task::Record;
use assay_node::{Home, Node};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

pub(crate) const ORIGIN: &str = "example.org/small";
pub(crate) const PRICE: u128 = 1_000;
const CLASSES: [&str; 3] = ["sky", "sea", "land"];
pub(crate) const CHARTER: &str = r#"
schema = "assay.charter/1"
datanet = "small"
title = "Words of three kinds"

[task]
kind = "classification"
text = "text"
features = ["height", "wet"]
label = "kind"
classes = ["sky", "sea", "land"]

[split]
contributors = 700000
reviewers = 50000
trainer = 100000
platform = 150000

[query]
price = "1000"

[bond]
per_record = "10"

[gate]
near_hold = true

[value]
nodes = 4
folds = 4
"#;

/// A stream of random numbers of its own for every (seed, place).
pub(crate) fn draw(seed: u64, place: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&place.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// A number below `bound`.
pub(crate) fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    rng.next_u64() % bound
}

/// `count` records of random words, of which a quarter tell the class.
pub(crate) fn records(seed: u64, place: u64, count: usize) -> Vec<Record> {
    let mut rng = draw(seed, place);
    (0..count).map(|_| record(&mut rng)).collect()
}

fn record(rng: &mut ChaCha8Rng) -> Record {
    let class = below(rng, 3) as usize;
    let word = |rng: &mut ChaCha8Rng| match below(rng, 4) {
        0 => format!("{}{}", CLASSES[class], below(rng, 4)),
        _ => format!("word{}", below(rng, 500)),
    };
    let text: Vec<String> = (0..24).map(|_| word(rng)).collect();
    let noise = |rng: &mut ChaCha8Rng| below(rng, 1_000) as f64 / 1_000.0;
    let fields = json!({
        "text": text.join(" "),
        "height": class as f64 + noise(rng),
        "wet": if class == 1 { noise(rng) } else { 1.0 + noise(rng) },
        "kind": CLASSES[class],
    });
    let Value::Object(record) = fields else { unreachable!() };
    record
}

/// A near copy: two words are spelled otherwise.
pub(crate) fn near_copy(record: &Record) -> Record {
    let mut copy = record.clone();
    let text = record["text"].as_str().unwrap();
    copy["text"] = json!(text.replacen("word1", "wotd1", 1).replacen("word2", "wrod2", 1));
    copy
}

/// A new home below `dir`, whose log knows the datanet and a model of it.
pub(crate) fn world(dir: &Path, seed: u64) -> (PathBuf, DatanetId) {
    world_with(dir, seed, "")
}

/// The same with more sections of the charter.
pub(crate) fn world_with(dir: &Path, seed: u64, rules: &str) -> (PathBuf, DatanetId) {
    let path = dir.join("home");
    let mut node = Node::found(Home::init(&path, Some(ORIGIN)).unwrap()).unwrap();
    let net = datanet(&mut node, seed, &format!("{CHARTER}{rules}"));
    (path, net)
}

/// One more datanet of that name in the log of `node`, with a model.
pub(crate) fn another(node: &mut Node, seed: u64, name: &str) -> DatanetId {
    datanet(node, seed, &CHARTER.replace("\"small\"", &format!("{name:?}")))
}

fn datanet(node: &mut Node, seed: u64, charter: &str) -> DatanetId {
    let owner = node.operator().clone();
    let (value, report) = (records(seed, u64::MAX, 24), records(seed, u64::MAX - 1, 24));
    let net = node.create_datanet(&owner, charter, value, report).unwrap();
    node.contribute(&owner, &net, &records(seed, u64::MAX - 2, 30)).unwrap();
    node.gate(&net).unwrap();
    model(node, &net).unwrap();
    net
}

/// Freezes, trains and values.
pub(crate) fn model(node: &mut Node, net: &DatanetId) -> assay_node::Result<u64> {
    node.snapshot(net)?;
    node.train(net)?;
    node.value(net, &|_| {})
}

/// Opens the node of the home at `path`.
pub(crate) fn open(path: &Path) -> assay_node::Result<Node> {
    Node::open(Home::open(path)?)
}

/// A payment to the operator, whose reference is `reference`.
pub(crate) fn deposit(node: &Node, reference: &str, units: u128) -> Command {
    let account = node.state().operator().unwrap().clone();
    Command::Deposit { account, amount: Amount::new(units).unwrap(), reference: reference.parse().unwrap() }
}
