//! The whole path of a record on the bundled digits, and a stranger's verification of it.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use assay_ledger::amount::{Amount, Place};
use assay_ledger::command::Command;
use assay_ledger::event::Standing;
use assay_ledger::ids::{AccountId, DatanetId, PublicKey};
use assay_node::task::Record;
use assay_node::{Home, Kind, Node, Receipt, Trust, Wanted, verify};
use assay_sim::{Behaviour, Community, Digit};

fn records(digits: &[Digit]) -> Vec<Record> {
    digits.iter().map(Digit::record).collect()
}

struct World {
    dir: tempfile::TempDir,
    node: Node,
    net: DatanetId,
    community: Community,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(&dir.path().join("home"), Some("example.org/test")).unwrap();
        let mut node = Node::found(home).unwrap();
        let community = Community::of_digits(1).unwrap();
        let owner = node.operator().clone();
        let net = node
            .create_datanet(
                &owner,
                &Community::charter(),
                records(&community.value_fold),
                records(&community.report_fold),
            )
            .unwrap();
        Self { dir, node, net, community }
    }

    fn public(&self) -> std::path::PathBuf {
        self.dir.path().join("home/public")
    }

    fn account(&self, name: &str) -> AccountId {
        AccountId::of(&PublicKey::from(&self.node.home().key(name).unwrap()))
    }

    fn contribute_all(&mut self) {
        for member in self.community.members.clone() {
            let key = self.node.home().key_or_new(&member.name).unwrap();
            let sent = self.node.contribute(&key, &self.net, &records(&member.records)).unwrap();
            let receipt = self.node.receipt(sent[0].seq, sent[0].openings.clone()).unwrap();
            let trust = Trust::key(self.node.log_key().clone());
            let event = receipt.verify(&trust, &Wanted::default()).unwrap().event;
            receipt.verify_records(&event, &records(&member.records)).unwrap();
        }
        self.node.gate(&self.net).unwrap();
    }

    fn model(&mut self) {
        self.node.snapshot(&self.net).unwrap();
        self.node.train(&self.net).unwrap();
        self.node.value(&self.net, &|_| {}).unwrap();
    }

    fn ask(&mut self, count: usize) -> Vec<u64> {
        let consumer = self.node.home().key_or_new("consumer").unwrap();
        let account = self.node.account(&consumer).unwrap();
        let operator = self.node.operator().clone();
        let amount = Amount::new(100_000_000).unwrap();
        let reference = format!("wire-{}", self.node.state().size()).parse().unwrap();
        self.node.act(&operator, Command::Deposit { account, amount, reference }).unwrap();
        let questions: Vec<Record> =
            self.community.questions.iter().take(count).map(Digit::question).collect();
        let asked = self.node.ask(&consumer, &self.net, &questions).unwrap();
        asked.into_iter().collect::<Result<_, _>>().unwrap()
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at % bytes.len();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn files(dir: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
}

/// What is held waits in order of arrival until a model says what looks at it are worth.
#[test]
fn reviewers_see_first_what_moves_most() {
    let mut world = World::new();
    world.contribute_all();
    let mut near: Vec<Digit> = world.community.members[0].records[..12].to_vec();
    for digit in &mut near {
        digit.pixels[27] = digit.pixels[27].saturating_sub(1).max(1);
        digit.label = (digit.label + 1) % 10;
    }
    let key = world.node.home().key_or_new("relabeller").unwrap();
    world.node.contribute(&key, &world.net, &records(&near)).unwrap();
    world.node.gate(&world.net).unwrap();
    let place = |held: &assay_node::Held| (held.contribution, held.index);
    let mut arrived = world.node.held(&world.net, usize::MAX).unwrap();
    assert!(arrived.len() > 5 && arrived.is_sorted_by_key(place));
    assert!(arrived.iter().all(|h| h.bits.is_none()));

    world.model();
    let mut ordered = world.node.held(&world.net, usize::MAX).unwrap();
    assert!(ordered.iter().all(|h| h.bits.unwrap() > 0.0));
    assert!(ordered.is_sorted_by(|a, b| a.bits >= b.bits) && !ordered.is_sorted_by_key(place));
    let first = world.node.held(&world.net, 3).unwrap();
    assert!(first.iter().zip(&ordered).all(|(a, b)| place(a) == place(b)));
    arrived.sort_by_key(place);
    ordered.sort_by_key(place);
    assert!(arrived.iter().map(place).eq(ordered.iter().map(place)));
}

#[test]
fn a_record_walks_the_whole_path() {
    let mut world = World::new();
    world.contribute_all();
    world.model();
    let asked = world.ask(60);
    let prompt: Vec<_> = asked[..5].iter().map(|q| world.node.prompt(&world.net, *q).unwrap()).collect();
    let answers = world.node.answer(&world.net).unwrap();
    // What was said at once is what is settled, nearly.
    for (near, exact) in prompt.iter().zip(&answers) {
        assert_eq!((near.query, near.model, &near.answer), (exact.query, exact.model, &exact.answer));
        assert!((near.bits - exact.bits).abs() < 1e-3, "{} {}", near.bits, exact.bits);
        assert!(near.closure_bits < 0.2 * (1.0 + exact.bits.abs()), "{} {}", near.closure_bits, exact.bits);
        assert!(near.covered_ppm.abs_diff(exact.covered_ppm) < 20_000);
        let place = |s: &assay_node::Shaper| (s.contribution, s.index);
        let exact: Vec<_> = exact.records.iter().map(place).collect();
        assert!(near.records.iter().filter(|s| exact.contains(&place(s))).count() >= 8);
    }
    assert!(world.node.prompt(&world.net, asked[0]).is_err(), "it is answered");
    assert_eq!(answers.iter().map(|a| a.query).collect::<Vec<_>>(), asked);
    let right =
        answers.iter().zip(&world.community.questions).filter(|(a, q)| a.answer == q.label.to_string());
    assert!(right.count() > 45, "the model answers most digits");
    for answer in &answers {
        assert!(answer.records.len() <= 10 && answer.covered_ppm <= 1_000_000);
        assert!(answer.records.windows(2).all(|w| w[0].bits >= w[1].bits));
        let missed = answer.missed.as_ref().unwrap();
        assert!(missed.records.len() == 10 && missed.lost_bits > 0.0, "{}", missed.lost_bits);
    }
    world.node.settle(&world.net).unwrap();

    // Who earned what, and by which evidence.
    let net = world.node.datanet(&world.net).unwrap();
    let (mut honest, mut own, mut noisy, mut garbage) = (0, 0, 0, 0);
    for member in &world.community.members {
        let account = world.account(&member.name);
        let paid = world.node.state().balance(&Place::User(account.clone()));
        let row = net.values.get(&account);
        // Six labels in ten of the noisy one are right: that is worth something, and less than honest work.
        match member.behaviour {
            Behaviour::Honest | Behaviour::Sybil => {
                honest += paid;
                own += member.records.len() as i128;
            }
            Behaviour::Noisy => noisy += paid / member.records.len() as i128,
            _ => garbage += paid,
        }
        match member.behaviour {
            Behaviour::Copier | Behaviour::Leaker | Behaviour::NearCopier => {
                assert!(
                    row.is_none_or(|r| r.records * 20 <= member.records.len() as u64),
                    "{}",
                    member.behaviour
                );
            }
            Behaviour::Flipper => assert!(row.unwrap().high_microbits < 0, "flipped labels harm"),
            _ => {}
        }
    }
    assert!(honest > 0 && garbage == 0, "honest {honest}, garbage {garbage}");
    assert!(noisy * 4 < 3 * honest / own, "a record: noisy {noisy}, honest {}", honest / own);
    let settled = assay_ledger::codec::decode;
    let harmful = world.node.entries().scan(0).filter_map(|e| settled(&e.unwrap().1).ok());
    let harmful = harmful.flat_map(|e| e.outcome.settled).filter(|r| r.standing == Standing::Harmful).count();
    assert!(harmful >= 1);

    let verified = verify(&world.public(), None, &|_, _| {}).unwrap();
    assert_eq!(verified.size, world.node.state().size());
    assert_eq!(verified.state, world.node.state().digest().unwrap().to_string());
    let sum: i128 = verified.balances.values().map(|b| b.parse::<i128>().unwrap()).sum();
    assert_eq!(sum, 0);
}

#[test]
fn any_flipped_byte_is_found_and_named() {
    let mut world = World::new();
    world.contribute_all();
    world.model();
    world.ask(5);
    world.node.answer(&world.net).unwrap();
    world.node.settle(&world.net).unwrap();
    verify(&world.public(), None, &|_, _| {}).unwrap();
    let key = world.node.log_key().clone();
    let mut all = Vec::new();
    files(&world.public(), &mut all);
    assert!(all.len() > 40);
    for (i, path) in all.iter().enumerate() {
        let name = path.strip_prefix(world.public()).unwrap().to_str().unwrap().to_owned();
        let at = i * 7919 + 13;
        flip(path, at);
        let error = verify(&world.public(), Some(&key), &|_, _| {}).unwrap_err();
        flip(path, at);
        assert_eq!(error.kind, Kind::Refused, "{name}: {error}");
        assert!(
            error.what.contains(&name),
            "{name} was flipped at {at}, and the error names another: {error}"
        );
    }
    let stray = world.public().join("tables/stray.txt");
    std::fs::write(&stray, "x").unwrap();
    assert!(verify(&world.public(), None, &|_, _| {}).unwrap_err().what.contains("stray.txt"));
    std::fs::remove_file(&stray).unwrap();
    std::fs::remove_file(all.iter().find(|p| p.extension().is_some_and(|e| e == "parquet")).unwrap())
        .unwrap();
    assert!(verify(&world.public(), None, &|_, _| {}).unwrap_err().what.contains("is missing"));
}

#[test]
fn a_restart_changes_nothing_and_asks_the_same_question_again() {
    let mut world = World::new();
    let members = world.community.members.clone();
    for member in &members[..3] {
        let key = world.node.home().key_or_new(&member.name).unwrap();
        world.node.contribute(&key, &world.net, &records(&member.records)).unwrap();
    }
    let due = assay_ledger::work::work(world.node.state());
    let digest = world.node.state().digest().unwrap();
    let head = world.node.checkpoint();
    let dir = world.dir.path().join("home");
    drop(world.node);
    let mut node = Node::open(Home::open(&dir).unwrap()).unwrap();
    assert_eq!(node.state().digest().unwrap(), digest);
    assert_eq!(node.checkpoint().root, head.root);
    assert_eq!(assay_ledger::work::work(node.state()), due);
    assert_eq!(node.gate(&world.net).unwrap(), 3);

    // Gates that were rebuilt from the log judge as those that saw it all.
    drop(node);
    let mut node = Node::open(Home::open(&dir).unwrap()).unwrap();
    let copier = node.home().key_or_new("copier").unwrap();
    let seq = node.contribute(&copier, &world.net, &records(&members[1].records)).unwrap()[0].seq;
    node.gate(&world.net).unwrap();
    let gated = node.datanet(&world.net).unwrap().contributions[&seq].gate.clone().unwrap();
    assert_eq!(gated.passed, 0);
}

#[test]
fn a_receipt_of_other_records_or_another_log_does_not_hold() {
    let mut world = World::new();
    let member = world.community.members[0].clone();
    let key = world.node.home().key_or_new(&member.name).unwrap();
    let sent = world.node.contribute(&key, &world.net, &records(&member.records)).unwrap();
    let receipt = world.node.receipt(sent[0].seq, sent[0].openings.clone()).unwrap();
    let receipt = Receipt::parse(&serde_json::to_vec(&receipt).unwrap()).unwrap();
    let event = receipt.verify(&Trust::key(world.node.log_key().clone()), &Wanted::default()).unwrap().event;
    let mut others = records(&member.records);
    receipt.verify_records(&event, &others).unwrap();
    others.swap(0, 1);
    assert!(receipt.verify_records(&event, &others).is_err());

    let other = World::new();
    assert!(receipt.verify(&Trust::key(other.node.log_key().clone()), &Wanted::default()).is_err());
    let mut moved = receipt.clone();
    moved.origin = "example.org/elsewhere".to_owned();
    assert!(moved.verify(&Trust::key(world.node.log_key().clone()), &Wanted::default()).is_err());
    let mut changed = receipt.clone();
    changed.entry = changed.entry.replacen("\"records\":", "\"records\": ", 1);
    assert!(changed.verify(&Trust::key(world.node.log_key().clone()), &Wanted::default()).is_err());
}
