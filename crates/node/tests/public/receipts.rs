//! A receipt of one place is refused in every other, by us and by `docs/verify.py`, and any changed byte is noticed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use assay_ledger::codec;
use assay_ledger::event::Cause;
use assay_node::task::Record;
use assay_node::{About, Home, Node, Proven, Receipt, ReceiptKind, Trust, Wanted};
use assay_tlog::{
    Checkpoint, CosignerSecret, Hash, InclusionProof, Note, SignerKey, VerifierKey, leaf_hash, root,
    sign_checkpoint,
};
use serde_json::Value;

use crate::small;

const VERIFIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verify.py");
const GOLDEN: &str = include_str!("../../../ledger/tests/golden/log-v1.jsonl");

/// A receipt, and what only its owner knows.
struct Held {
    receipt: Receipt,
    key: VerifierKey,
    records: Option<Vec<Record>>,
    answer: Option<String>,
}

fn wanted(about: &About) -> Wanted {
    Wanted {
        kind: Some(about.kind),
        datanet: about.datanet.clone(),
        epoch: about.epoch,
        account: about.account.clone(),
        query: about.query,
        nonce: Some(about.nonce),
    }
}

/// Receipts of each in turn.
const KINDS: [ReceiptKind; 6] = {
    use ReceiptKind::{Contribution, Inference, Payout, Verdict};
    [Contribution, Verdict, Inference, Payout, Inference, Inference]
};

/// Receipts of all kinds in each of two datanets of a log; the last two are of answers that one entry meters.
fn of_log(dir: &Path, origin: &str, seed: u64) -> Vec<Held> {
    let mut node = Node::found(Home::init(&dir.join("home"), Some(origin)).unwrap()).unwrap();
    let operator = node.operator().clone();
    let deposit = small::deposit(&node, "in", 100_000);
    node.act(&operator, deposit).unwrap();
    let mut held = Vec::new();
    for (seed, name) in [(seed, "north"), (seed + 1, "south")] {
        let net = small::another(&mut node, seed, name);
        let mut hold = |receipt, records, answer| {
            held.push((receipt, records, answer));
        };
        let records = small::records(seed, 3, 4);
        let sent = node.contribute(&operator, &net, &records).unwrap().remove(0);
        node.gate(&net).unwrap();
        node.ask(&operator, &net, &small::records(seed, 4, 1)).unwrap();
        let answered = node.answer(&net).unwrap().remove(0);
        let settled = node.settle(&net).unwrap();
        node.ask(&operator, &net, &small::records(seed, 5, 17)).unwrap();
        let metered = node.answer(&net).unwrap();
        assert_eq!((metered.len(), metered[3].entry), (17, metered[16].entry));
        let account = node.state().operator().unwrap().clone();
        hold(node.receipt(sent.seq, sent.openings).unwrap(), Some(records), None);
        hold(node.receipt(sent.seq + 1, Vec::new()).unwrap(), None, None);
        hold(node.answer_receipt(&net, &answered).unwrap(), None, Some(answered.answer));
        hold(node.payout_receipt(settled, &account).unwrap(), None, None);
        for answered in [&metered[3], &metered[16]] {
            let receipt = node.answer_receipt(&net, answered).unwrap();
            hold(receipt, None, Some(answered.answer.clone()));
        }
    }
    let key = node.log_key().clone();
    let whole = |(receipt, records, answer)| Held { receipt, key: key.clone(), records, answer };
    held.into_iter().map(whole).collect()
}

#[test]
fn a_receipt_of_one_place_is_refused_in_every_other() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut held = of_log(dirs[0].path(), "example.org/one", 5);
    held.extend(of_log(dirs[1].path(), "example.org/two", 9));
    let kinds: Vec<ReceiptKind> = held[..6].iter().map(|h| h.receipt.about.kind).collect();
    assert_eq!(kinds, KINDS);
    for (i, a) in held.iter().enumerate() {
        for (j, b) in held.iter().enumerate() {
            let here = a.receipt.verify(&Trust::key(b.key.clone()), &wanted(&b.receipt.about));
            assert_eq!(here.is_ok(), i == j, "{:?} for {:?}", a.receipt.about, b.receipt.about);
            if i != j {
                spliced(a, b);
            }
        }
        let event = a.receipt.verify(&Trust::key(a.key.clone()), &Wanted::default()).unwrap().event;
        for query in [question(&a.receipt), Some(1)] {
            let asked = Wanted { query, ..Wanted::default() };
            let holds = a.receipt.verify(&Trust::key(a.key.clone()), &asked).is_ok();
            assert_eq!(holds, query.is_none() || query == question(&a.receipt), "{query:?}");
        }
        for b in &held {
            if let Some(records) = &b.records {
                let opens = a.receipt.verify_records(&event, records).is_ok();
                assert_eq!(opens, std::ptr::eq(a, b), "records of another place");
            }
        }
        if let Some(answer) = &a.answer {
            a.receipt.verify_answer(&event, answer).unwrap();
            assert!(a.receipt.verify_answer(&event, "another").is_err());
        }
    }
    by_python(dirs[0].path(), &held[..6], &held[18..]);
}

/// The question that a receipt is of an answer to, if it is of one; ours accepts it by that.
fn question(receipt: &Receipt) -> Option<u64> {
    let entry: Value = serde_json::from_str(&receipt.entry).unwrap();
    let of_answer = entry["cause"]["command"]["intent"]["command"]["query"].as_u64();
    receipt.about.query.or(of_answer.filter(|_| receipt.about.kind == ReceiptKind::Inference))
}

/// No part of one receipt passes as the part of another.
fn spliced(a: &Held, b: &Held) {
    let (x, y) = (&a.receipt, &b.receipt);
    for mixed in [
        Receipt { about: y.about.clone(), ..x.clone() },
        Receipt { entry: y.entry.clone(), ..x.clone() },
        Receipt { entry: y.entry.clone(), about: y.about.clone(), ..x.clone() },
        Receipt { because: Some(Proven { entry: y.entry.clone(), proof: y.proof.clone() }), ..x.clone() },
    ] {
        // Two answers may have one entry.
        assert!(mixed == *x || mixed.verify(&Trust::key(a.key.clone()), &Wanted::default()).is_err());
    }
    if x.metered != y.metered {
        let mixed = Receipt { metered: y.metered.clone(), ..x.clone() };
        assert!(mixed.verify(&Trust::key(a.key.clone()), &Wanted::default()).is_err());
        // Of one entry, both together are the other receipt.
        let mixed = Receipt { about: y.about.clone(), ..mixed };
        assert_eq!(mixed.verify(&Trust::key(a.key.clone()), &Wanted::default()).is_ok(), x.entry == y.entry);
    }
    if x.about.kind == ReceiptKind::Contribution && !y.openings.is_empty() {
        let mixed = Receipt { openings: y.openings.clone(), ..x.clone() };
        assert!(mixed.verify(&Trust::key(a.key.clone()), &Wanted::default()).is_err());
    }
}

fn python(arguments: &[&str]) -> Option<Output> {
    match Command::new("python3").arg(VERIFIER).args(arguments).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        output => Some(output.unwrap()),
    }
}

fn save(dir: &Path, name: &str, receipt: &impl serde::Serialize) -> String {
    let path = dir.join(name);
    fs::write(&path, serde_json::to_vec_pretty(receipt).unwrap()).unwrap();
    path.display().to_string()
}

fn by_python(dir: &Path, held: &[Held], elsewhere: &[Held]) {
    for (one, other) in held.iter().zip(elsewhere) {
        let (file, key) = (save(dir, "r.json", &one.receipt), one.key.to_string());
        let about = serde_json::to_value(&one.receipt.about).unwrap();
        let (kind, net) = (about["kind"].as_str().unwrap(), about["datanet"].as_str().unwrap());
        let nonce = about["nonce"].as_str().unwrap();
        let asked = [file.as_str(), &key, "--kind", kind, "--datanet", net, "--nonce", nonce];
        let Some(output) = python(&asked) else { return println!("skipped: no python3 here") };
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success() && said.starts_with(&format!("OK {kind}")), "{said}");
        let refused = |arguments: &[&str]| !python(arguments).unwrap().status.success();
        let other_net = other.receipt.about.datanet.as_ref().unwrap().to_string();
        assert!(refused(&[&file, &other.key.to_string()]), "another log");
        assert!(refused(&[&file, &key, "--kind", "entry"]));
        assert!(refused(&[&file, &key, "--epoch", "7"]));
        let question = question(&one.receipt);
        let query = question.unwrap_or(7).to_string();
        assert_eq!(refused(&[&file, &key, "--query", &query]), question.is_none());
        assert!(refused(&[&file, &key, "--query", "1"]));
        assert!(refused(&[&file, &key, "--nonce", &other.receipt.about.nonce.to_string()]));
        assert_eq!(refused(&[&file, &key, "--datanet", &other_net]), other_net != net);
        if let Some(records) = &one.records {
            let lines = |records: &[Record]| -> String {
                records.iter().map(|r| format!("{}\n", serde_json::to_string(r).unwrap())).collect()
            };
            let path = dir.join("records.jsonl");
            fs::write(&path, lines(records)).unwrap();
            let path = path.display().to_string();
            let output = python(&[&file, &key, "--records", &path]).unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            fs::write(&path, lines(&records[1..])).unwrap();
            assert!(refused(&[&file, &key, "--records", &path]));
        }
        if let Some(answer) = &one.answer {
            assert!(python(&[&file, &key, "--answer", answer]).unwrap().status.success());
            assert!(refused(&[&file, &key, "--answer", "another"]));
        }
        changed_bytes(dir, one);
    }
}

/// Changes in every part of the receipt: what we refuse, Python refuses.
fn changed_bytes(dir: &Path, one: &Held) {
    let whole = serde_json::to_vec(&one.receipt).unwrap();
    let (mut tried, trust) = (0, Trust::key(one.key.clone()));
    // Python opens commitments only where content is given: what is in the openings then plays no part.
    let end = whole.windows(10).position(|w| w == b"\"openings\"").unwrap_or(whole.len());
    for at in (5..end).step_by(end / 9) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        let ours = Receipt::parse(&changed).and_then(|r| r.verify(&trust, &Wanted::default()));
        if ours.is_ok() {
            continue;
        }
        tried += 1;
        let path = dir.join("changed.json");
        fs::write(&path, &changed).unwrap();
        let output = python(&[&path.display().to_string(), &one.key.to_string()]).unwrap();
        assert!(!output.status.success(), "byte {at}: {}", String::from_utf8_lossy(&changed));
    }
    assert!(tried > 5, "{tried} changes");
}

/// A settlement that takes several entries, cosigned, from the golden log of the ledger.
#[test]
fn a_payout_far_down_a_settlement_shows_its_command() {
    let entries: Vec<&str> = GOLDEN.lines().collect();
    let (at, earlier) = entries
        .iter()
        .enumerate()
        .find_map(|(i, line)| match codec::decode(line.as_bytes()).unwrap().cause {
            Cause::Earlier(seq) => Some((i, seq as usize)),
            Cause::Command(_) => None,
        })
        .unwrap();
    let key = SignerKey::from_seed("example.org/assay", &[5; 32]).unwrap();
    let witness = CosignerSecret::from_seed("w.example/1", &[6; 32]).unwrap();
    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry.as_bytes())).collect();
    let size = leaves.len() as u64;
    let mut note =
        sign_checkpoint(&Checkpoint::new(key.verifier().name(), size, root(&leaves)), &key).unwrap();
    let line = witness.cosign(note.text(), 1_700_000_000);
    note.push(line).unwrap();
    let proven = |index: usize, note: &Note| Proven {
        entry: entries[index].to_owned(),
        proof: assay_tlog::Receipt {
            extra: None,
            index: index as u64,
            hashes: InclusionProof::prove(index as u64, size, &leaves[..]).unwrap().hashes,
            checkpoint: note.to_string(),
        }
        .to_string(),
    };
    let row = codec::decode(entries[at].as_bytes()).unwrap().outcome.settled[0].account.clone();
    let Cause::Command(command) = codec::decode(entries[earlier].as_bytes()).unwrap().cause else { panic!() };
    let about = About {
        kind: ReceiptKind::Payout,
        datanet: command.intent.command.datanet().cloned(),
        epoch: Some(1),
        account: Some(row),
        query: None,
        nonce: command.intent.nonce,
    };
    let Proven { entry, proof } = proven(at, &note);
    let receipt = Receipt {
        schema: "assay.receipt/1".to_owned(),
        origin: "example.org/assay".to_owned(),
        about: about.clone(),
        entry,
        proof,
        because: Some(proven(earlier, &note)),
        metered: None,
        openings: Vec::new(),
    };
    let policy = format!("log {}\nwitness w {}\nquorum w\n", key.verifier(), witness.verifier());
    let trust = Trust::policy(policy.parse().unwrap(), None).unwrap();
    let holds = receipt.verify(&trust, &wanted(&about)).unwrap();
    assert_eq!(holds.head.witnesses, [("w.example/1".to_owned(), 1_700_000_000)]);

    let refused = |receipt: &Receipt| receipt.verify(&trust, &Wanted::default()).is_err();
    let alone = Receipt { because: None, ..receipt.clone() };
    let another = Receipt { because: Some(proven(earlier + 1, &note)), ..receipt.clone() };
    let stranger = About { account: Some(format!("a{}", "0".repeat(20)).parse().unwrap()), ..about.clone() };
    let stranger = Receipt { about: stranger, ..receipt.clone() };
    let mut bare = note.to_string();
    bare.truncate(bare.trim_end().rfind('\n').unwrap() + 1);
    let bare = Note::parse(bare.as_bytes()).unwrap();
    let bare = Receipt { proof: proven(at, &bare).proof, ..receipt.clone() };
    for wrong in [&alone, &another, &stranger, &bare] {
        assert!(refused(wrong));
    }

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy");
    fs::write(&path, &policy).unwrap();
    let policy = path.display().to_string();
    let file = |receipt: &Receipt| save(dir.path(), "r.json", receipt);
    let Some(output) = python(&[&file(&receipt), &policy, "--kind", "payout", "--epoch", "1"]) else {
        return println!("skipped: no python3 here");
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for wrong in [&alone, &another, &stranger, &bare] {
        assert!(!python(&[&file(wrong), &policy]).unwrap().status.success());
    }
    fs::write(dir.path().join("checkpoint"), note.to_string()).unwrap();
    let checkpoint = dir.path().join("checkpoint").display().to_string();
    assert!(python(&[&checkpoint, &policy]).unwrap().status.success());
    let mut lines: Value = serde_json::to_value(&receipt).unwrap();
    lines["schema"] = "assay.receipt/2".into();
    assert!(Receipt::parse(lines.to_string().as_bytes()).is_err());
}

/// "A dependency-light verifier of under 200 lines."
#[test]
fn the_python_verifier_stays_small() {
    let text = fs::read_to_string(VERIFIER).unwrap();
    assert!(text.lines().count() < 200, "{}", text.lines().count());
    let imports = text.lines().find(|line| line.starts_with("import ")).unwrap();
    assert_eq!(imports, "import argparse, base64, hashlib, hmac, json, os, sys");
}
