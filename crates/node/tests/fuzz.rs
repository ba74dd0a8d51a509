//! Fuzz targets of what a node reads from strangers and from its owner: receipts and `assay.toml`.
//!
//! `ASSAY_FUZZ_SECONDS=60 cargo test -p assay-node --test fuzz` tries each for a minute.
#![allow(clippy::unwrap_used)]

#[path = "../../tlog/tests/mutate/mod.rs"]
mod mutate;

use std::fs;
use std::path::Path;

use assay_ledger::codec;
use assay_ledger::command::{Command, Share, Signed};
use assay_ledger::event::{Cause, Event};
use assay_ledger::ids::{AccountId, Digest, PublicKey};
use assay_ledger::meter::Metered;
use assay_node::{About, Home, Opening, Proven, ProvenAnswer, Receipt, ReceiptKind, Trust, Wanted};
use assay_tlog::{Checkpoint, Hash, InclusionProof, SignerKey, leaf_hash, root, sign_checkpoint};
use ed25519_dalek::SigningKey;
use mutate::drive_bytes;

const GOLDEN: &str = include_str!("../../ledger/tests/golden/log-v1.jsonl");
const ORIGIN: &str = "example.org/assay";

/// The golden log under a signed head.
struct Log {
    entries: Vec<&'static str>,
    events: Vec<Event>,
    leaves: Vec<Hash>,
    signer: SignerKey,
}

impl Log {
    fn new() -> Self {
        let entries: Vec<&str> = GOLDEN.lines().collect();
        let events = entries.iter().map(|entry| codec::decode(entry.as_bytes()).unwrap()).collect();
        let leaves = entries.iter().map(|entry| leaf_hash(entry.as_bytes())).collect();
        Self { entries, events, leaves, signer: SignerKey::from_seed(ORIGIN, &[1; 32]).unwrap() }
    }

    fn prove(&self, at: usize) -> Proven {
        let size = self.leaves.len() as u64;
        let head = Checkpoint::new(ORIGIN, size, root(&self.leaves));
        let hashes = InclusionProof::prove(at as u64, size, &self.leaves[..]).unwrap().hashes;
        let checkpoint = sign_checkpoint(&head, &self.signer).unwrap().to_string();
        let proof = assay_tlog::Receipt { extra: None, index: at as u64, hashes, checkpoint };
        Proven { entry: self.entries[at].to_owned(), proof: proof.to_string() }
    }

    fn command(&self, at: usize) -> Option<&Signed> {
        match &self.events[at].cause {
            Cause::Command(signed) => Some(signed),
            Cause::Earlier(_) => None,
        }
    }

    /// What a receipt of the entry at `at` is of: of a row of it where it settles something.
    fn about(&self, at: usize) -> About {
        let signed = match self.events[at].cause {
            Cause::Command(_) => self.command(at),
            Cause::Earlier(earlier) => self.command(earlier as usize),
        };
        let intent = &signed.unwrap().intent;
        let (kind, epoch) = match &intent.command {
            Command::Contribute { .. } => (ReceiptKind::Contribution, None),
            Command::Gate { .. } => (ReceiptKind::Verdict, None),
            Command::Answer { .. } => (ReceiptKind::Inference, None),
            Command::Settle { epoch, .. } => (ReceiptKind::Payout, Some(*epoch)),
            _ => (ReceiptKind::Entry, None),
        };
        let account = self.events[at].outcome.settled.first().map(|row| row.account.clone());
        let datanet = intent.command.datanet().cloned();
        About { kind, datanet, epoch, account, query: None, nonce: intent.nonce }
    }

    fn receipt(&self, at: usize) -> Receipt {
        let Proven { entry, proof } = self.prove(at);
        let because = match self.events[at].cause {
            Cause::Command(_) => None,
            Cause::Earlier(earlier) => Some(self.prove(earlier as usize)),
        };
        let (schema, origin, about) = ("assay.receipt/1".to_owned(), ORIGIN.to_owned(), self.about(at));
        Receipt { schema, origin, about, entry, proof, because, metered: None, openings: Vec::new() }
    }

    /// A receipt of one of the answers that the log meters, which the story of the golden log tells.
    fn metered(&self) -> Receipt {
        let commands =
            || (0..self.events.len()).filter_map(|at| Some((at, &self.command(at)?.intent.command)));
        let close = commands().find(|(_, command)| matches!(command, Command::Meter { .. })).unwrap().0;
        let asked = |(at, command): (usize, &Command)| match command {
            Command::Ask { datanet, .. } if datanet.as_str() == "votes" => Some(at as u64),
            _ => None,
        };
        let share = |query: u64, i: u64| {
            let key = SigningKey::from_bytes(&[((query * 7 + i * 3) % 60) as u8 + 1; 32]);
            Share { account: AccountId::of(&PublicKey::from(&key)), ppm: 30_011 + 97 * i as u32 }
        };
        let leaf = |query: u64| {
            let mut shares: Vec<Share> = (0..20).map(|i| share(query, i)).collect();
            shares.sort_by(|a, b| a.account.cmp(&b.account));
            let answer = Digest::of(b"answer");
            Metered { query, answer, moved_microbits: 1_500_000, shares }.leaf().unwrap()
        };
        let leaves: Vec<Vec<u8>> = commands().filter_map(asked).take(29).map(leaf).collect();
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let (index, answer) = (3, String::from_utf8(leaves[3].clone()).unwrap());
        let path = InclusionProof::prove(index, 29, &hashes[..]).unwrap().hashes;
        let path = path.into_iter().map(|hash| Digest(hash.0)).collect();
        let query = Some(Metered::from_leaf(&leaves[3]).unwrap().query);
        let receipt = self.receipt(close);
        let about = About { kind: ReceiptKind::Inference, query, ..receipt.about };
        Receipt { about, metered: Some(ProvenAnswer { answer, index, path }), ..receipt }
    }

    /// A receipt of each kind, and one of an entry that follows from an earlier one.
    fn receipts(&self) -> Vec<Receipt> {
        let of = |wanted: &str| {
            let is = |at: &usize| self.command(*at).is_some_and(|s| s.intent.command.kind() == wanted);
            (0..self.events.len()).find(is).unwrap()
        };
        let continued = self.events.iter().position(|event| matches!(event.cause, Cause::Earlier(_)));
        let kinds = ["contribute", "gate", "answer", "settle", "found"].map(of);
        kinds.into_iter().chain(continued).map(|at| self.receipt(at)).collect()
    }
}

#[test]
fn receipts_are_refused_or_true() {
    let log = Log::new();
    let trust = Trust::key(log.signer.verifier().clone());
    let good = log.receipts();
    for receipt in &good {
        receipt.verify(&trust, &Wanted::default()).unwrap();
    }
    let opening = |text: &str| Opening { index: 0, commitment: text.repeat(64), salt: text.repeat(64) };
    let opened = Receipt { openings: vec![opening("0"), opening("f")], ..good[0].clone() };
    let metered = log.metered();
    metered.verify(&trust, &Wanted::default()).unwrap();
    let seeds: Vec<Vec<u8>> =
        good.iter().chain([&opened, &metered]).map(|receipt| serde_json::to_vec(receipt).unwrap()).collect();
    drive_bytes("receipt", &seeds, |bytes| {
        let Ok(receipt) = Receipt::parse(bytes) else {
            return;
        };
        let written = serde_json::to_vec(&receipt).unwrap();
        assert_eq!(Receipt::parse(&written).unwrap(), receipt);
        let Ok(holds) = receipt.verify(&trust, &Wanted::default()) else {
            return;
        };
        // Whatever the JSON looks like: what holds is an entry of the log, and of the place that it says.
        let seq = holds.event.seq as usize;
        assert_eq!((receipt.entry.as_str(), &holds.event), (log.entries[seq], &log.events[seq]));
        let mut truth = About { account: receipt.about.account.clone(), ..log.about(seq) };
        if receipt.metered.is_some() {
            (truth.kind, truth.query) = (metered.about.kind, metered.about.query);
            assert_eq!(receipt.metered, metered.metered);
        }
        assert_eq!(receipt.about, truth);
        assert!(receipt.verify_answer(&holds.event, "never given").is_err());
        assert!(receipt.verify_records(&holds.event, &[]).is_err());
    });
}

const SETTINGS: [&str; 4] = [
    "origin = \"example.org/assay\"\n",
    "origin = \"example.org/assay\"\nstore = \"books\"\ntables = \"/srv/tables\"\npublic = \"../public\"\nfrozen = true\n[gates]\nmemory_mib = 64\n",
    "origin = \"a\"\nstore = \"postgres://assay@db/assay\"\ntables = \"s3://private/main\"\npublic = \"s3://public/main\"\n",
    "origin = \"a\"\nmoved = \"/srv/other\"\n[witness]\npolicy = \"policy\"\n",
];

fn open(dir: &Path, settings: &[u8]) -> Option<Home> {
    fs::write(dir.join("assay.toml"), settings).unwrap();
    Home::open(dir).ok()
}

#[test]
fn settings_are_refused_or_plain() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(SETTINGS.map(|text| open(dir.path(), text.as_bytes()).is_some()), [true, true, true, false]);
    let mut seeds: Vec<Vec<u8>> = SETTINGS.iter().map(|text| text.as_bytes().to_vec()).collect();
    seeds.push(format!("origin = {}", "[".repeat(2_000)).into_bytes());
    drive_bytes("assay.toml", &seeds, |bytes| {
        let Some(home) = open(dir.path(), bytes) else {
            return;
        };
        assert!((1..=128).contains(&home.origin().len()));
        assert!(home.origin().bytes().all(|b| b.is_ascii_graphic() && b != b'+'));
        let places = [home.log_address(), home.vault_address(), home.tables_address(), home.public_address()];
        assert!(places.iter().all(|place| place.contains("://") || Path::new(place).is_absolute()));
    });
}
