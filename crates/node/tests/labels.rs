//! Labels that models of other people's records find implausible are held, and nobody's own records speak for them.

#![allow(clippy::unwrap_used)]

mod small;

use assay_ledger::ids::DatanetId;
use assay_node::task::Record;
use assay_node::{Home, Node};
use serde_json::json;

const HELD: &str = "implausible_label";

/// A datanet with a fold of 200 rows to calibrate by, which holds so many parts per million of right labels.
fn world(dir: &std::path::Path, label_hold_ppm: u32) -> (Node, DatanetId) {
    world_of(dir, label_hold_ppm, small::CHARTER, |records| records)
}

/// The same of texts alone, whose senders the gates know more of.
fn world_of_texts(dir: &std::path::Path, label_hold_ppm: u32) -> (Node, DatanetId) {
    world_of(dir, label_hold_ppm, &small::CHARTER.replace("features = [\"height\", \"wet\"]\n", ""), texts)
}

fn texts(mut records: Vec<Record>) -> Vec<Record> {
    records.iter_mut().for_each(|record| record.retain(|name, _| name == "text" || name == "kind"));
    records
}

fn world_of(
    dir: &std::path::Path,
    label_hold_ppm: u32,
    charter: &str,
    form: impl Fn(Vec<Record>) -> Vec<Record>,
) -> (Node, DatanetId) {
    let mut node = Node::found(Home::init(&dir.join("home"), Some(small::ORIGIN)).unwrap()).unwrap();
    let owner = node.operator().clone();
    let rule = format!("[gate]\nlabel_hold_ppm = {label_hold_ppm}");
    let (value, report) = (form(small::records(3, 1, 24)), form(small::records(3, 2, 200)));
    let net = node.create_datanet(&owner, &charter.replace("[gate]", &rule), value, report).unwrap();
    (node, net)
}

/// The reasons of the verdicts on `records`, offered by `who`.
fn reasons(node: &mut Node, net: &DatanetId, who: &str, records: &[Record]) -> Vec<Option<String>> {
    let key = node.home().key_or_new(who).unwrap();
    let seq = node.contribute(&key, net, records).unwrap()[0].seq;
    node.gate(net).unwrap();
    node.verdicts(net, seq).unwrap().into_iter().map(|verdict| verdict.reason).collect()
}

fn doubted(reasons: &[Option<String>]) -> usize {
    reasons.iter().filter(|reason| reason.as_deref() == Some(HELD)).count()
}

fn lies(place: u64, count: usize) -> Vec<Record> {
    let mut records = small::records(3, place, count);
    for record in &mut records {
        let other = if record["kind"] == "sea" { "land" } else { "sea" };
        record.insert("kind".to_owned(), json!(other));
    }
    records
}

#[test]
fn wrong_labels_are_held_once_others_are_known() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, net) = world(dir.path(), 30_000);
    assert_eq!(doubted(&reasons(&mut node, &net, "early", &lies(10, 20))), 0, "no model yet, so no word");
    for (place, who) in (20..).zip(["ada", "bo", "cy", "di", "ed", "flo"]) {
        reasons(&mut node, &net, who, &small::records(3, place, 80));
    }
    let (wrong, right) = (lies(40, 60), small::records(3, 50, 100));
    // A node that starts again knows what the log says: the dry run tells what will come.
    drop(node);
    let mut node = Node::open(Home::open(&dir.path().join("home")).unwrap()).unwrap();
    let dry = node.rehearse(&net, &wrong, None).unwrap();
    let held = dry.iter().filter(|said| said.finding.verdict.reason().is_some_and(|r| r.code() == HELD));
    let evidence = held.clone().all(|said| said.finding.evidence.is_some_and(|e| e.score >= 0.97));
    let (held, right) = (held.count(), doubted(&reasons(&mut node, &net, "honest", &right)));
    assert!(held >= 48 && evidence, "{held} of 60 wrong labels");
    assert!(right <= 9, "{right} of 100 right labels, where 3 are expected");
    let found = reasons(&mut node, &net, "liar", &wrong);
    assert!(doubted(&found) >= 48, "{found:?}");
    // What is held waits for people, and is not admitted before.
    let contributions = &node.datanet(&net).unwrap().contributions;
    let last = contributions.values().last().unwrap().gate.as_ref().unwrap();
    assert!(last.held.len() >= 48 && last.passed <= 12);
}

#[test]
fn a_charter_may_ask_no_model() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, net) = world(dir.path(), 0);
    for (place, who) in (20..).zip(["ada", "bo", "cy", "di", "ed"]) {
        reasons(&mut node, &net, who, &small::records(3, place, 80));
    }
    assert_eq!(doubted(&reasons(&mut node, &net, "liar", &lies(40, 60))), 0);
}

/// Records with so many words changed.
fn copies(records: &[Record], changed: usize) -> Vec<Record> {
    let edited = |record: &Record| {
        let mut record = record.clone();
        let text = record["text"].as_str().unwrap().to_owned();
        let mut words: Vec<&str> = text.split(' ').collect();
        words.iter_mut().step_by(24 / changed).for_each(|word| *word = "another");
        record.insert("text".to_owned(), json!(words.join(" ")));
        record
    };
    records.iter().map(edited).collect()
}

/// What gates and models know follows from the log: a node that is started anew before every contribution, and so reads all
/// verdicts and reviews back, says the same as one that runs on.
#[test]
fn a_node_that_starts_again_goes_on_alike() {
    let dir = tempfile::tempdir().unwrap();
    let said = ["runs", "restarts"].map(|name| {
        let home = dir.path().join(name);
        std::fs::create_dir(&home).unwrap();
        let (mut node, net) = world_of_texts(&home, 30_000);
        let mut said = Vec::new();
        for (place, who) in (20..)
            .zip(["ada", "bo", "copier", "cy", "di", "liar", "copier", "ed", "liar", "copier", "liar", "flo"])
        {
            if name == "restarts" {
                drop(node);
                node = Node::open(Home::open(&home.join("home")).unwrap()).unwrap();
            }
            let records = match who {
                "liar" => lies(place, 30),
                "copier" => copies(&small::records(3, 20, 80), if place < 25 { 2 } else { 6 }),
                _ => small::records(3, place, 80),
            };
            said.push(reasons(&mut node, &net, who, &texts(records)));
            let (&seq, last) = node.datanet(&net).unwrap().contributions.last_key_value().unwrap();
            let held = last.gate.as_ref().unwrap().held.clone();
            let owner = node.operator().clone();
            for index in held {
                node.review(&owner, &net, (seq, index), true, "checked").unwrap();
            }
        }
        said
    });
    assert!(said[0].iter().flatten().any(|reason| reason.as_deref() == Some(HELD)));
    assert_eq!(said[0], said[1]);
}
