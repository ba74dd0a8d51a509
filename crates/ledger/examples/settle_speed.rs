//! What it costs to divide the price of many answers among many contributors, and to settle the epoch, in CPU time on one
//! thread: `cargo run --release --example settle_speed [ANSWERS]`.
//!
//! Every answer is an event that names twenty of ten thousand contributors. Signatures are left out: a verifier checks
//! them apart.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_macros, clippy::print_stdout)]

#[path = "../tests/common/mod.rs"]
mod common;
mod support;

use assay_ledger::amount::{Amount, Place};
use assay_ledger::command::{Benchmark, Command, Intent, Score, Share, Signed, ValueRow};
use assay_ledger::decide::decide_verified;
use assay_ledger::event::Event;
use assay_ledger::ids::{AccountId, DatanetId, Digest, Nonce, PublicKey, Signature, TableRef};
use assay_ledger::limits::ROWS_PER_EVENT;
use assay_ledger::state::State;
use support::{cpu, key_bytes};

const ORIGIN: &str = "example.org/assay";
const CONTRIBUTORS: usize = 10_000;
const SHARES: usize = 20;
const PRICE: u128 = 1_000_003;
fn main() {
    let answers: usize = std::env::args().nth(1).map_or(100_000, |n| n.parse().unwrap());
    let mut world = World { state: State::new(ORIGIN), nonces: 0 };
    let (model, mut accounts) = world.valued();
    let operator = account(u64::MAX);
    accounts.sort();
    let asked: Vec<u64> = (0..answers).map(|_| world.act(&operator, ask())).collect();
    let mut draw = 1_u64;
    let commands: Vec<Signed> = asked
        .iter()
        .map(|&query| {
            let mut named: Vec<usize> = Vec::with_capacity(SHARES);
            while named.len() < SHARES {
                draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let i = (draw >> 33) as usize % CONTRIBUTORS;
                if !named.contains(&i) {
                    named.push(i);
                }
            }
            named.sort_unstable();
            let share = |(rank, i): (usize, usize)| Share {
                account: accounts[i].clone(),
                ppm: 20_011 + 997 * rank as u32,
            };
            let shares = named.into_iter().enumerate().map(share).collect();
            let (datanet, answer) = (net(), Digest([1; 32]));
            let command = Command::Answer { datanet, query, model, answer, moved_microbits: 5, shares };
            world.signed(&operator, command)
        })
        .collect();
    let mut postings = 0;
    let took = cpu(|| {
        for signed in &commands {
            for event in decide_verified(&world.state, 1, signed).unwrap() {
                postings += event.outcome.postings.len();
                world.state.apply(&event);
            }
        }
    });
    let each = took.as_secs_f64() / answers as f64;
    println!(
        "{answers} answers of {SHARES} shares, {postings} postings: {:.2} CPU s, {:.2} us an answer",
        took.as_secs_f64(),
        each * 1e6
    );
    let accrued: u128 =
        accounts.iter().map(|a| world.state.balances().at(&Place::Accrued(net(), a.clone())).units()).sum();
    let pooled = world.state.balances().at(&Place::Pool(net())).units();
    let mut events: Vec<Event> = Vec::new();
    let signed = world.signed(&operator, Command::Settle { datanet: net(), epoch: 1 });
    let took = cpu(|| {
        events = decide_verified(&world.state, 1, &signed).unwrap();
        events.iter().for_each(|event| world.state.apply(event));
    });
    println!("settled in {} events: {:.3} CPU s", events.len(), took.as_secs_f64());
    let released: u128 =
        accounts.iter().map(|a| world.state.balances().at(&Place::User(a.clone())).units()).sum();
    assert_eq!(released, accrued + pooled, "all that was earned is released, to the unit");
}

struct World {
    state: State,
    nonces: u128,
}

impl World {
    fn signed(&mut self, actor: &AccountId, command: Command) -> Signed {
        self.nonces += 1;
        let (actor, nonce) = (actor.clone(), Nonce(self.nonces.to_be_bytes()));
        let intent = Intent { origin: ORIGIN.to_owned(), actor, nonce, command };
        Signed { intent, signature: Signature([0; 64]) }
    }

    fn act(&mut self, actor: &AccountId, command: Command) -> u64 {
        let signed = self.signed(actor, command);
        let events = decide_verified(&self.state, 1, &signed).unwrap();
        events.iter().for_each(|event| self.state.apply(event));
        events[0].seq
    }

    /// A datanet whose contributors all have a record of value; its model and the contributors.
    fn valued(&mut self) -> (u64, Vec<AccountId>) {
        let operator = account(u64::MAX);
        let log_key = assay_tlog::SignerKey::from_seed(ORIGIN, &[99; 32]).unwrap().verifier().to_string();
        self.act(&operator, Command::Found { key: key(u64::MAX), log_key });
        let root = Digest([2; 32]);
        let benchmark = Benchmark { value_root: root, value_rows: 9, report_root: root, report_rows: 9 };
        let charter = common::charter("many", PRICE, 0, false);
        self.act(&operator, Command::CreateDatanet { datanet: net(), charter, benchmark });
        let amount = Amount::new(1 << 62).unwrap();
        let reference = "wire".parse().unwrap();
        self.act(&operator, Command::Deposit { account: operator.clone(), amount, reference });
        let table = |rows| TableRef { sha256: root, rows, bytes: 9 };
        let accounts: Vec<AccountId> = (0..CONTRIBUTORS as u64).map(account).collect();
        for (i, one) in accounts.iter().enumerate() {
            self.act(one, Command::OpenAccount { key: key(i as u64) });
            let contribution =
                self.act(one, Command::Contribute { datanet: net(), records: 1, root, table: table(1) });
            let (held, reasons) = (Vec::new(), Default::default());
            let gate = Command::Gate {
                datanet: net(),
                contribution,
                passed: 1,
                held,
                rejected: 0,
                reasons,
                table: table(1),
            };
            self.act(&operator, gate);
        }
        let records = CONTRIBUTORS as u64;
        let snapshot =
            self.act(&operator, Command::Snapshot { datanet: net(), records, root, table: table(records) });
        let score = Score { accuracy_ppm: 1, gain_microbits: 1, low_microbits: 0, high_microbits: 2 };
        let scores = [("snapshot".parse().unwrap(), score)].into();
        let model = self
            .act(&operator, Command::Train { datanet: net(), snapshot, weights: root, recipe: root, scores });
        let mut sorted = accounts.clone();
        sorted.sort();
        let row = |account: &AccountId| ValueRow {
            account: account.clone(),
            records: 1,
            value_microbits: 100,
            se_microbits: 10,
            low_microbits: 80,
            high_microbits: 120,
        };
        let parts = sorted.chunks(ROWS_PER_EVENT).len() as u32;
        for (part, rows) in (0..).zip(sorted.chunks(ROWS_PER_EVENT)) {
            let rows = rows.iter().map(row).collect();
            self.act(&operator, Command::ValueRows { datanet: net(), model, part, rows });
        }
        let value = Command::Value {
            datanet: net(),
            model,
            parts,
            base_microbits: 0,
            full_microbits: 100 * CONTRIBUTORS as i64,
            sum_microbits: 100 * CONTRIBUTORS as i64,
            withheld_microbits: 0,
            nodes: 4,
            recipe: root,
            table: table(records),
        };
        self.act(&operator, value);
        (model, accounts)
    }
}

fn ask() -> Command {
    Command::Ask {
        datanet: net(),
        query: Digest([3; 32]),
        price_max: Amount::new(PRICE).unwrap(),
        hold_hours: None,
    }
}

fn net() -> DatanetId {
    "many".parse().unwrap()
}

fn key(seed: u64) -> PublicKey {
    PublicKey(key_bytes(seed))
}

fn account(seed: u64) -> AccountId {
    AccountId::of(&key(seed))
}
