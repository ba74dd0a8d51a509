//! What must hold of what a node reads from strangers and from its owner: receipts, files of records, tables of answers,
//! `assay.toml`, keys, bookmarks.
#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

pub mod files;

use std::fs;
use std::path::Path;

use assay_ledger::codec;
use assay_ledger::command::{Command, Share, Signed};
use assay_ledger::event::{Cause, Event};
use assay_ledger::ids::{AccountId, Digest, PublicKey};
use assay_ledger::meter::Metered;
use assay_ledger::replay::{Replay, Signatures};
use assay_ledger::state::State;
use assay_node::records::{ColumnRoles, read_bytes};
use assay_node::{
    About, CHECKPOINT, Home, LOG_KEY, Opening, Passphrase, Proven, ProvenAnswer, Receipt, ReceiptKind, Trust,
    Wanted, answers_of, answers_table, verify_at,
};
use assay_store::columns::{ColumnTable, Values};
use assay_tlog::{Checkpoint, Hash, InclusionProof, SignerKey, TileWriter, leaf_hash, root, sign_checkpoint};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

use crate::mutate::Target;

const GOLDEN: &str = include_str!("../../../ledger/tests/golden/log-v1.jsonl");
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

/// Receipts: refused, or true.
pub fn receipts() -> Target {
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
    Target::new("receipt", seeds, move |bytes| {
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
    })
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

/// `assay.toml`: refused, or places that are plain.
pub fn settings() -> Target {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(SETTINGS.map(|text| open(dir.path(), text.as_bytes()).is_some()), [true, true, true, false]);
    let mut seeds: Vec<Vec<u8>> = SETTINGS.iter().map(|text| text.as_bytes().to_vec()).collect();
    seeds.push(format!("origin = {}", "[".repeat(2_000)).into_bytes());
    Target::new("settings", seeds, move |bytes| {
        let Some(home) = open(dir.path(), bytes) else {
            return;
        };
        assert!((1..=128).contains(&home.origin().len()));
        assert!(home.origin().bytes().all(|b| b.is_ascii_graphic() && b != b'+'));
        let places = [home.log_address(), home.vault_address(), home.tables_address(), home.public_address()];
        assert!(places.iter().all(|place| place.contains("://") || Path::new(place).is_absolute()));
    })
}

/// Sealed under "correct horse" by another program, at next to no cost.
const SEALED: &str = "assay-key/1 argon2id 64 2 4 03030303030303030303030303030303 \
    03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8 \
    040404040404040404040404040404040404040404040404 \
    9095e47b30fbe726b363b29c6a5b78da54d647102c798b97c9926dcc5d474191b6f4d47c8aa1b2548bfb0e25f9a1bbf8\n";

/// Whether a file asks for so much work that trying it often takes too long: at most 64 KiB, four times over.
fn is_dear(text: &str) -> bool {
    let asked: Vec<u32> = text.split(' ').skip(2).take(3).filter_map(|word| word.parse().ok()).collect();
    asked.iter().zip([64, 4, 4]).any(|(asked, most)| *asked > most)
}

/// Files of keys, with and without a passphrase: a key opens to the half that it shows, and one that was sealed only to
/// what was sealed.
pub fn keys() -> Target {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("keys")).unwrap();
    let home = open(dir.path(), SETTINGS[0].as_bytes()).unwrap();
    let locked = home.clone().under(Some(Passphrase::new("correct horse".to_owned()).unwrap()));
    let path = dir.path().join("keys/k.key");
    let seeds =
        vec![SEALED.into(), "07".repeat(32).into_bytes(), format!("{}\n", "07".repeat(32)).into_bytes()];
    Target::new("key", seeds, move |bytes| {
        fs::write(&path, bytes).unwrap();
        let shown = home.public_key("k");
        let plain = home.key("k");
        assert!(plain.is_err() || !Home::is_sealed(dir.path()));
        if let Ok(key) = &plain {
            assert_eq!(PublicKey::from(key), *shown.as_ref().unwrap());
        }
        if is_dear(&String::from_utf8_lossy(bytes)) {
            return;
        }
        if let (true, Ok(key)) = (Home::is_sealed(dir.path()), locked.key("k")) {
            assert_eq!(key.to_bytes(), std::array::from_fn(|i| i as u8), "a key that nobody sealed");
            assert_eq!(PublicKey::from(&key), shown.unwrap());
        }
    })
}

/// Tables of answers, as lines of four cells each (`-`: none): what is read of one is what writes the same cells.
pub fn answers() -> Target {
    let digest = Digest::of(b"answer");
    let share = |i: u8| Share { account: AccountId::of(&PublicKey([i; 32])), ppm: u32::from(i) + 1 };
    let line = |query: u64| {
        let shares = (0..query as u8).map(share).collect();
        let answer = Metered { query, answer: digest, moved_microbits: 1 - query as i64, shares };
        format!("{query} {digest} {} {}\n", answer.moved_microbits, answer.shares_text().unwrap())
    };
    let lines: Vec<String> = (0..4).map(line).collect();
    let seeds = [lines.concat(), lines[2].clone(), format!("- - - -\n-1 {digest} 0 []\n")];
    Target::new("answers", seeds.map(String::into_bytes).into(), |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let cell =
            |line: &str, at| line.splitn(4, ' ').nth(at).filter(|cell| *cell != "-").map(str::to_owned);
        let column = |at| text.lines().map(|line| cell(line, at)).collect::<Vec<_>>();
        let numbers =
            |at| column(at).into_iter().map(|cell| cell?.parse().ok()).collect::<Vec<Option<i64>>>();
        let (queries, moved): (Values, Values) = (numbers(0).into(), numbers(2).into());
        let table = ColumnTable::new("answers", 1).with_column("query", queries).unwrap();
        let table = table.with_column("answer", column(1)).unwrap();
        let table = table.with_column("moved_microbits", moved).unwrap();
        let table = table.with_column("shares", column(3)).unwrap();
        if let Ok(answers) = answers_of(&table) {
            assert_eq!(answers_table(&answers).unwrap(), table);
        }
    })
}

/// Files of records: a table whose every row is JSON, or an error that names the file and says what to do.
pub fn records() -> Vec<Target> {
    let of = |name: &'static str, file: &'static str, seed: Vec<u8>| {
        Target::new(name, vec![seed], move |bytes| {
            let _ = read_records(file, bytes);
        })
    };
    vec![
        of("records_jsonl", "x.jsonl", files::LINES.to_vec()),
        of("records_csv", "x.csv", files::CSV.to_vec()),
        of("records_gzip", "x.jsonl.gz", files::gzip(files::LINES)),
        of("records_zstd", "x.csv.zst", files::zstandard(files::CSV)),
        of("records_parquet", "x.parquet", files::parquet()),
    ]
}

/// Whether the file was read.
pub fn read_records(file: &str, bytes: &[u8]) -> bool {
    match read_bytes(file, bytes) {
        Ok(table) => {
            assert!(table.rows() > 0);
            let parsed = |i| serde_json::from_str::<Value>(&table.row_json(i)).is_ok();
            assert!((0..table.rows()).all(parsed));
            if let Ok(roles) = ColumnRoles::default().resolve(&table) {
                drop(roles.select(&table));
            }
            true
        }
        Err(error) => {
            assert!(error.to_string().starts_with(file) && !error.hint().is_empty());
            false
        }
    }
}

/// Bookmarks under a digest that is right, of a log that goes on after them: whatever they claim, an answer comes.
pub fn bookmarks() -> Target {
    let dir = tempfile::tempdir().unwrap();
    let signer = SignerKey::from_seed(ORIGIN, &[99; 32]).unwrap();
    let (public, entries) =
        (dir.path().join("public"), GOLDEN.lines().map(str::as_bytes).collect::<Vec<_>>());
    for (tile, bytes) in TileWriter::new().grow(&entries).unwrap() {
        let path = public.join(tile.path());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let head = Checkpoint::new(ORIGIN, leaves.len() as u64, root(&leaves));
    fs::write(public.join(CHECKPOINT), sign_checkpoint(&head, &signer).unwrap().to_string()).unwrap();
    fs::write(public.join(LOG_KEY), format!("{}\n", signer.verifier())).unwrap();

    let seeds = honest(&entries, &leaves);
    let (bookmark, address) = (dir.path().join("bookmark"), format!("file://{}", public.display()));
    Target::new("bookmark", seeds, move |bytes| {
        let _keep = &dir;
        let body = rooted(bytes, &leaves).unwrap_or_else(|| bytes.to_vec());
        let digest = Digest::of(&body).to_string();
        fs::write(&bookmark, [digest.as_bytes(), b"\n", &body].concat()).unwrap();
        let _ = verify_at(&address, Some(signer.verifier()), Some(&bookmark), &|_, _| {});
    })
}

/// What a walk keeps after so many entries of the golden log, tables aside.
fn honest(entries: &[&[u8]], leaves: &[Hash]) -> Vec<Vec<u8>> {
    let mut replay = Replay::new(State::new(ORIGIN), Signatures::Elsewhere);
    let mut kept = Vec::new();
    for (entry, size) in entries.iter().zip(1..) {
        replay.push(&codec::decode(entry).unwrap()).unwrap();
        if !matches!(size, 1 | 8 | 24) && size < entries.len() || replay.require_whole().is_err() {
            continue;
        }
        let counts =
            json!({"entries": size, "commands": size, "postings": 0, "settled": 0, "tiles": 0, "files": 0});
        let tables = json!({"commitments": {"3": []}, "passed": {"3": [0, 2]}, "runs": {}, "due": {}, "read": 0,
            "records": 0, "values": 0, "answers": 0, "unpublished": 0});
        let root = root(&leaves[..size]).to_string();
        let body = json!({"schema": "assay.bookmark/1", "root": root, "state": replay.state(), "tables": tables,
            "counts": counts});
        kept.push(serde_json::to_vec(&body).unwrap());
    }
    kept
}

/// The same bookmark with the root that the log had at the size it claims: without it, nothing else would be looked at.
fn rooted(bytes: &[u8], leaves: &[Hash]) -> Option<Vec<u8>> {
    let mut body: Value = serde_json::from_slice(bytes).ok()?;
    let size = usize::try_from(body["counts"]["entries"].as_u64()?).ok()?;
    *body.get_mut("root")? = root(leaves.get(..size)?).to_string().into();
    serde_json::to_vec(&body).ok()
}
