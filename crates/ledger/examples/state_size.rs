//! What the state of many contributors takes: memory, and time to write and read its image, on one thread:
//! `cargo run --release -p assay-ledger --example state_size [CONTRIBUTORS] [RECORDS]`.
//!
//! Everybody opens an account, deposits are recorded, and each offers records of which one is held and reviewed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_macros, clippy::print_stdout)]

#[path = "../tests/common/mod.rs"]
mod common;
mod support;

use assay_ledger::amount::Amount;
use assay_ledger::command::{Benchmark, Command, Intent, Signed};
use assay_ledger::decide::decide_verified;
use assay_ledger::ids::{AccountId, DatanetId, Digest, Nonce, PublicKey, Signature, TableRef};
use assay_ledger::state::State;
use support::{cpu, key_bytes};

const ORIGIN: &str = "example.org/assay";

struct World {
    state: State,
    nonces: u128,
}

fn main() {
    let argument = |i, or| std::env::args().nth(i).map_or(or, |n| n.parse().unwrap());
    let (contributors, records): (u64, u64) = (argument(1, 1_000_000), argument(2, 10_000_000));
    let each = u32::try_from(records / contributors).unwrap();
    let before = resident();
    let mut world = World { state: State::new(ORIGIN), nonces: 0 };
    let took = cpu(|| world.grow(contributors, each));
    let held = resident() - before;
    let entries = world.state.size();
    println!(
        "{contributors} contributors, {} records, {entries} entries: {:.1} CPU s",
        contributors * u64::from(each),
        took.as_secs_f64()
    );
    println!("state: {held} MB, {:.0} bytes a contributor", held as f64 * 1e6 / contributors as f64);
    let mut image = Vec::new();
    let took = cpu(|| image = world.state.image().unwrap());
    println!("image: {} MB, written in {:.2} CPU s", image.len() / 1_000_000, took.as_secs_f64());
    // As a node keeps it.
    let mut packed = Vec::new();
    let took = cpu(|| packed = zstd::encode_all(image.as_slice(), 1).unwrap());
    println!("compressed: {} MB in {:.2} CPU s", packed.len() / 1_000_000, took.as_secs_f64());
    drop(image);
    let (mut unpacked, mut read) = (Vec::new(), None);
    let unpacking = cpu(|| unpacked = zstd::decode_all(packed.as_slice()).unwrap());
    let reading = cpu(|| read = Some(State::from_image(&unpacked).unwrap()));
    println!("unpacked: {:.2} CPU s, read: {:.2}", unpacking.as_secs_f64(), reading.as_secs_f64());
    assert_eq!(read.unwrap(), world.state);
    println!("most at any time: {} MB", peak());
}

impl World {
    fn act(&mut self, actor: &AccountId, command: Command) -> u64 {
        self.nonces += 1;
        let (actor, nonce) = (actor.clone(), Nonce(self.nonces.to_be_bytes()));
        let intent = Intent { origin: ORIGIN.to_owned(), actor, nonce, command };
        let signed = Signed { intent, signature: Signature([0; 64]) };
        let events = decide_verified(&self.state, 1, &signed).unwrap();
        events.iter().for_each(|event| self.state.apply(event));
        events[0].seq
    }

    fn grow(&mut self, contributors: u64, each: u32) {
        let key = |seed| PublicKey(key_bytes(seed));
        let operator = AccountId::of(&key(u64::MAX));
        let log_key = assay_tlog::SignerKey::from_seed(ORIGIN, &[99; 32]).unwrap().verifier().to_string();
        self.act(&operator, Command::Found { key: key(u64::MAX), log_key });
        let (net, root): (DatanetId, _) = ("many".parse().unwrap(), Digest([2; 32]));
        let benchmark = Benchmark { value_root: root, value_rows: 9, report_root: root, report_rows: 9 };
        let charter = common::charter("many", 1, 0, false);
        self.act(&operator, Command::CreateDatanet { datanet: net.clone(), charter, benchmark });
        let table = TableRef { sha256: root, rows: u64::from(each), bytes: 9 };
        for i in 0..contributors {
            let account = AccountId::of(&key(i));
            self.act(&account, Command::OpenAccount { key: key(i) });
            let reference = format!("wire-{i}").parse().unwrap();
            let amount = Amount::new(1_000).unwrap();
            self.act(&operator, Command::Deposit { account: account.clone(), amount, reference });
            let (datanet, table) = (net.clone(), table.clone());
            let contribution =
                self.act(&account, Command::Contribute { datanet, records: each, root, table });
            let gate = Command::Gate {
                datanet: net.clone(),
                contribution,
                passed: each - 1,
                held: vec![each - 1],
                rejected: 0,
                reasons: [("low_effort".parse().unwrap(), 1)].into(),
                table: TableRef { sha256: root, rows: u64::from(each), bytes: 9 },
            };
            self.act(&operator, gate);
            let (datanet, reason) = (net.clone(), "looked".parse().unwrap());
            self.act(
                &operator,
                Command::Review { datanet, contribution, index: each - 1, pass: true, reason },
            );
        }
    }
}

/// Megabytes of memory of this process.
fn resident() -> u64 {
    status("VmRSS:")
}

/// The most it ever had.
fn peak() -> u64 {
    status("VmHWM:")
}

fn status(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found =
        status.lines().find_map(|l| l.strip_prefix(line)?.trim().split(' ').next()?.parse::<u64>().ok());
    found.unwrap_or_default() * 1_024 / 1_000_000
}
