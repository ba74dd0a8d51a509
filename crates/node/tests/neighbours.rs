//! Texts that say much the same as another account's are held where the charter asks for it, until those are withdrawn.

#![allow(clippy::unwrap_used)]

mod small;

use assay_ledger::ids::DatanetId;
use assay_node::task::Record;
use assay_node::{Home, Node};
use serde_json::json;

/// A datanet of texts, with so much in its charter.
fn world(dir: &std::path::Path, rule: &str) -> (Node, DatanetId) {
    let mut node = Node::found(Home::init(&dir.join("home"), Some(small::ORIGIN)).unwrap()).unwrap();
    let owner = node.operator().clone();
    let charter = small::CHARTER.replace("features = [\"height\", \"wet\"]\n", "");
    let charter = charter.replace("[gate]", &format!("[gate]\n{rule}"));
    let (value, report) = (small::records(3, 1, 24), small::records(3, 2, 24));
    let net = node.create_datanet(&owner, &charter, value, report).unwrap();
    (node, net)
}

fn record(text: &str) -> Record {
    [("text".to_owned(), json!(text)), ("kind".to_owned(), json!("sky"))].into_iter().collect()
}

/// Offers a text; its contribution, and the reason of its verdict.
fn offer(node: &mut Node, net: &DatanetId, who: &str, text: &str) -> (u64, Option<String>) {
    let key = node.home().key_or_new(who).unwrap();
    let seq = node.contribute(&key, net, &[record(text)]).unwrap()[0].seq;
    node.gate(net).unwrap();
    (seq, node.verdicts(net, seq).unwrap().remove(0).reason)
}

const TEXT: &str =
    "heavy cumulus gathers over northern ridges while swallows circle beneath fading amber light";
const SAME: &str = "beneath amber light some swallows circle, then northern ridges and cumulus gathers";
const AGAIN: &str = "swallows circle as cumulus gathers; ridges, northern, stay beneath this amber light";

#[test]
fn a_neighbour_is_held_until_it_is_withdrawn() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, net) = world(dir.path(), "semantic_ppm = 500000");
    let (first, reason) = offer(&mut node, &net, "ada", TEXT);
    assert_eq!(reason, None);
    let dry = node.rehearse(&net, &[record(SAME)], None).unwrap();
    assert_eq!(dry[0].finding.verdict.reason().map(|r| r.code()), Some("semantic_neighbour"));
    let key = node.home().key_or_new("ada").unwrap();
    let (_, own) = offer(&mut node, &net, "ada", SAME);
    assert_ne!(own.as_deref(), Some("semantic_neighbour"), "her own");
    let contributions: Vec<u64> = node.datanet(&net).unwrap().contributions.keys().copied().collect();
    assert!(contributions.contains(&first));
    for contribution in contributions {
        node.retract(&key, &net, contribution, "withdrawn".parse().unwrap()).unwrap();
    }
    assert_eq!(offer(&mut node, &net, "bo", AGAIN).1, None, "nothing left to be near");
    let (_, reason) = offer(&mut node, &net, "cy", SAME);
    assert_eq!(reason.as_deref(), Some("semantic_neighbour"), "near what is there");
}

#[test]
fn a_charter_that_does_not_ask_looks_for_none() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, net) = world(dir.path(), "");
    assert_eq!(offer(&mut node, &net, "ada", TEXT).1, None);
    assert_eq!(offer(&mut node, &net, "bo", SAME).1, None);
}

/// How much memory the index of near duplicates may take changes no verdict: here all of it is in files.
#[test]
fn a_copy_is_found_however_little_memory_there_is() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [roomy, tight] = dirs.each_ref().map(|dir| {
        let (mut node, net) = world(dir.path(), "");
        let home = dir.path().join("home");
        if dir.path() == dirs[1].path() {
            drop(node);
            let settings = home.join("assay.toml");
            let text = std::fs::read_to_string(&settings).unwrap() + "\n[gates]\nmemory_mib = 0\n";
            std::fs::write(&settings, text).unwrap();
            node = Node::open(Home::open(&home).unwrap()).unwrap();
            assert_eq!(node.home().gate_memory(), 0);
        }
        let texts = ["first", "second", "third"].map(|which| format!("{TEXT}, the {which} time this week"));
        let mut reasons = Vec::new();
        for (text, who) in texts.iter().zip(["ada", "bo", "ada"]) {
            reasons.push(offer(&mut node, &net, who, text).1);
        }
        let first = *node.datanet(&net).unwrap().contributions.keys().next().unwrap();
        let key = node.home().key_or_new("ada").unwrap();
        node.retract(&key, &net, first, "withdrawn".parse().unwrap()).unwrap();
        reasons.push(offer(&mut node, &net, "cy", &texts[0]).1);
        reasons.push(offer(&mut node, &net, "dee", &texts[0].replace("cumulus", "cumulsu")).1);
        reasons
    });
    assert_eq!(roomy, tight);
    assert!(roomy.iter().filter(|reason| reason.is_some()).count() >= 2, "{roomy:?}");
}
