//! A small world to write tests in: named actors with fixed keys, a log, and helpers for every command.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, missing_docs)]

pub mod naive;

use std::collections::BTreeMap;

use assay_ledger::amount::{Amount, Place};
use assay_ledger::codec::canonical;
use assay_ledger::command::{Benchmark, Command, Credit, Intent, Score, Share, Signed, ValueRow};
use assay_ledger::datanet::Contribution;
use assay_ledger::decide::{decide, signer};
use assay_ledger::event::Event;
use assay_ledger::ids::{AccountId, Code, DatanetId, Digest, Nonce, PublicKey, Signature, TableRef};
use assay_ledger::key::{Claim, Purpose};
use assay_ledger::limits::ENTRY_BYTES_MAX;
use assay_ledger::meter::Metered;
use assay_ledger::refusal::Refusal;
use assay_ledger::state::State;
use ed25519_dalek::SigningKey;

pub const ORIGIN: &str = "example.org/assay";
/// The operator; 1.. are anyone.
pub const OPERATOR: u8 = 0;

pub struct World {
    pub state: State,
    pub log: Vec<Event>,
    pub t: u64,
    nonces: u64,
    /// Keys that were drawn after the first of each actor.
    drawn: BTreeMap<PublicKey, SigningKey>,
}

pub fn key(actor: u8) -> SigningKey {
    SigningKey::from_bytes(&[actor + 1; 32])
}

pub fn public(actor: u8) -> PublicKey {
    PublicKey::from(&key(actor))
}

pub fn account(actor: u8) -> AccountId {
    AccountId::of(&public(actor))
}

pub fn found() -> Command {
    let log_key = assay_tlog::SignerKey::from_seed(ORIGIN, &[99; 32]).unwrap();
    Command::Found { key: public(OPERATOR), log_key: log_key.verifier().to_string() }
}

/// The entry that the bytes are by the plain rule: what serde reads of them is written the same again, and not too long.
pub fn plain(bytes: &[u8]) -> Option<Event> {
    let event = serde_json::from_slice(bytes).ok()?;
    (bytes.len() <= ENTRY_BYTES_MAX && canonical(&event).ok()? == bytes).then_some(event)
}

/// A new key for the account, and what its holder signs.
fn claimed(actor: u8, new: &SigningKey, purpose: Purpose) -> (PublicKey, Signature) {
    let claim = Claim { origin: ORIGIN, account: &account(actor), purpose };
    (PublicKey::from(new), claim.sign(new).unwrap())
}

pub fn rotate(actor: u8, new: &SigningKey) -> Command {
    let (key, proof) = claimed(actor, new, Purpose::Sign);
    Command::RotateKey { key, proof }
}

pub fn set_recovery(actor: u8, new: &SigningKey) -> Command {
    let (key, proof) = claimed(actor, new, Purpose::Recover);
    Command::SetRecovery { key, proof }
}

pub fn recover(actor: u8, new: &SigningKey) -> Command {
    let (key, proof) = claimed(actor, new, Purpose::Sign);
    Command::RecoverKey { key, proof }
}

pub fn user(actor: u8) -> Place {
    Place::User(account(actor))
}

pub fn amount(units: u128) -> Amount {
    Amount::new(units).unwrap()
}

pub fn code(text: &str) -> Code {
    text.parse().unwrap()
}

pub fn net() -> DatanetId {
    "digits".parse().unwrap()
}

pub fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

pub fn table(rows: u64) -> TableRef {
    TableRef { sha256: digest("table"), rows, bytes: 100 * rows }
}

/// A charter with the split 700,000 / 100,000 / 100,000 / 100,000.
pub fn charter(datanet: &str, price: u128, per_record: u128, upfront: bool) -> String {
    format!(
        r#"schema = "assay.charter/1"
datanet = "{datanet}"
title = "Digits"
[task]
kind = "classification"
features = ["a", "b"]
label = "label"
classes = ["0", "1"]
[split]
contributors = 700000
reviewers = 100000
trainer = 100000
platform = 100000
[query]
price = "{price}"
[bond]
per_record = "{per_record}"
upfront = {upfront}
"#
    )
}

/// The sections that reward a bit with so much, and ask for an audit of so much rank agreement.
pub fn rewarding(per_bit: u128, min_rank_ppm: u32) -> String {
    format!("[reward]\nper_bit = \"{per_bit}\"\n[audit]\nmin_rank_ppm = {min_rank_ppm}\n")
}

pub fn benchmark() -> Benchmark {
    Benchmark { value_root: digest("value"), value_rows: 10, report_root: digest("report"), report_rows: 10 }
}

pub fn score(gain: i64) -> Score {
    Score { accuracy_ppm: 900_000, gain_microbits: gain, low_microbits: gain - 10, high_microbits: gain + 10 }
}

pub fn row(actor: u8, records: u64, low: i64, value: i64, high: i64) -> ValueRow {
    ValueRow {
        account: account(actor),
        records,
        value_microbits: value,
        se_microbits: (high - low) / 4,
        low_microbits: low,
        high_microbits: high,
    }
}

/// Shares, put in the order that the log wants.
pub fn shares(of: &[(u8, u32)]) -> Vec<Share> {
    let mut shares: Vec<Share> =
        of.iter().map(|&(actor, ppm)| Share { account: account(actor), ppm }).collect();
    shares.sort_by(|a, b| a.account.cmp(&b.account));
    shares
}

pub fn contribute(datanet: &DatanetId, records: u32) -> Command {
    Command::Contribute {
        datanet: datanet.clone(),
        records,
        root: digest("records"),
        table: table(records.into()),
    }
}

/// Verdicts: the first records are held as listed, of the others so many pass and the rest is rejected.
pub fn gate(datanet: &DatanetId, contribution: u64, passed: u32, held: &[u32], rejected: u32) -> Command {
    let held_count = held.len() as u32;
    let counts = [("near_duplicate", held_count), ("exact_duplicate", rejected)];
    let reasons = counts.into_iter().filter(|(_, count)| *count > 0);
    Command::Gate {
        datanet: datanet.clone(),
        contribution,
        passed,
        held: held.to_vec(),
        rejected,
        reasons: reasons.map(|(name, count)| (code(name), count)).collect(),
        table: table(u64::from(passed) + u64::from(held_count) + u64::from(rejected)),
    }
}

pub fn review(datanet: &DatanetId, contribution: u64, index: u32, pass: bool) -> Command {
    Command::Review { datanet: datanet.clone(), contribution, index, pass, reason: code("looks_right") }
}

pub fn snapshot(datanet: &DatanetId, records: u64) -> Command {
    Command::Snapshot { datanet: datanet.clone(), records, root: digest("snapshot"), table: table(records) }
}

pub fn train(datanet: &DatanetId, snapshot: u64) -> Command {
    Command::Train {
        datanet: datanet.clone(),
        snapshot,
        weights: digest("weights"),
        recipe: digest("recipe"),
        scores: BTreeMap::from([(code("base"), score(0)), (code("snapshot"), score(2_000_000))]),
    }
}

pub fn value_rows(datanet: &DatanetId, model: u64, part: u32, mut rows: Vec<ValueRow>) -> Command {
    rows.sort_by(|a, b| a.account.cmp(&b.account));
    Command::ValueRows { datanet: datanet.clone(), model, part, rows }
}

pub fn value(datanet: &DatanetId, model: u64, parts: u32, sum: i64, records: u64) -> Command {
    Command::Value {
        datanet: datanet.clone(),
        model,
        parts,
        base_microbits: 0,
        full_microbits: sum + 1,
        sum_microbits: sum,
        withheld_microbits: 0,
        nodes: 16,
        recipe: digest("recipe"),
        table: table(records),
    }
}

pub fn audit(datanet: &DatanetId, valuation: u64, rank_ppm: i64, contributors: u64) -> Command {
    Command::Audit {
        datanet: datanet.clone(),
        valuation,
        rank_ppm,
        coverage_ppm: 950_000,
        contributors,
        table: table(contributors),
    }
}

pub fn fund(datanet: &DatanetId, units: u128) -> Command {
    Command::Fund { datanet: datanet.clone(), amount: amount(units) }
}

pub fn ask(datanet: &DatanetId) -> Command {
    ask_for(datanet, None)
}

/// The same with a hold that expires.
pub fn ask_for(datanet: &DatanetId, hold_hours: Option<u32>) -> Command {
    let price_max = amount(u64::MAX as u128 / 4);
    Command::Ask { datanet: datanet.clone(), query: digest("query"), price_max, hold_hours }
}

pub fn release(datanet: &DatanetId, query: u64) -> Command {
    Command::Release { datanet: datanet.clone(), query, reason: code("late") }
}

pub const HOUR_MS: u64 = 3_600_000;

pub fn answer(datanet: &DatanetId, query: u64, model: u64, of: &[(u8, u32)]) -> Command {
    Command::Answer {
        datanet: datanet.clone(),
        query,
        model,
        answer: digest("answer"),
        moved_microbits: 1_500_000,
        shares: shares(of),
    }
}

pub fn metered(query: u64, of: &[(u8, u32)]) -> Metered {
    Metered { query, answer: digest("answer"), moved_microbits: 1_500_000, shares: shares(of) }
}

pub fn meter_rows(datanet: &DatanetId, part: u32, rows: Vec<Credit>) -> Command {
    Command::MeterRows { datanet: datanet.clone(), part, rows }
}

pub fn credit(actor: u8, units: u128) -> Credit {
    Credit { account: account(actor), amount: amount(units) }
}

pub fn meter(datanet: &DatanetId, model: u64, through: u64, answers: u64, parts: u32) -> Command {
    let (datanet, root, table) = (datanet.clone(), digest("answers"), table(answers));
    Command::Meter { datanet, model, through, answers, parts, root, table }
}

pub fn settle(datanet: &DatanetId, epoch: u32) -> Command {
    Command::Settle { datanet: datanet.clone(), epoch }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    pub fn new() -> Self {
        Self {
            state: State::new(ORIGIN),
            log: Vec::new(),
            t: 1_700_000_000_000,
            nonces: 0,
            drawn: BTreeMap::new(),
        }
    }

    /// Founded, with accounts 1 to `actors` that hold `money` each.
    pub fn founded(actors: u8, money: u128) -> Self {
        let mut world = Self::new();
        world.act(OPERATOR, found());
        for actor in 1..=actors {
            world.act(actor, Command::OpenAccount { key: public(actor) });
            if money > 0 {
                world.deposit(actor, money);
            }
        }
        world
    }

    /// Founded, with a datanet that actor 1 owns.
    pub fn with_net(actors: u8, money: u128, price: u128, per_record: u128, upfront: bool) -> Self {
        let mut world = Self::founded(actors, money);
        world.act(1, create("digits", price, per_record, upfront));
        world
    }

    pub fn deposit(&mut self, actor: u8, money: u128) {
        let reference = code(&format!("in-{}", self.state.size()));
        let command = Command::Deposit { account: account(actor), amount: amount(money), reference };
        self.act(OPERATOR, command);
    }

    pub fn sign(&mut self, actor: u8, command: Command) -> Signed {
        self.nonces += 1;
        let mut nonce = [0; 16];
        nonce[8..].copy_from_slice(&self.nonces.to_be_bytes());
        let intent =
            Intent { origin: ORIGIN.to_owned(), actor: account(actor), nonce: Nonce(nonce), command };
        self.sign_intent(actor, intent)
    }

    /// Signs with the key that must, or with the actor's first one where there is none.
    pub fn sign_intent(&self, actor: u8, intent: Intent) -> Signed {
        let unsigned = Signed { intent, signature: Signature([0; 64]) };
        let public = signer(&self.state, &unsigned).ok();
        let drawn = public.and_then(|public| self.drawn.get(&public));
        unsigned.intent.sign(drawn.unwrap_or(&key(actor))).unwrap()
    }

    /// The same state at another time, where what happens is not remembered.
    pub fn fork(&self, t: u64) -> Self {
        let (state, drawn) = (self.state.clone(), self.drawn.clone());
        Self { state, t, log: Vec::new(), nonces: self.nonces, drawn }
    }

    /// A key that nobody has had.
    pub fn draw(&mut self) -> SigningKey {
        let mut seed = [0xfe; 32];
        seed[..8].copy_from_slice(&(self.drawn.len() as u64).to_be_bytes());
        let drawn = SigningKey::from_bytes(&seed);
        self.drawn.insert(PublicKey::from(&drawn), drawn.clone());
        drawn
    }

    /// Decides and applies; the place of the command.
    pub fn submit(&mut self, signed: &Signed) -> Result<u64, Refusal> {
        self.t += 7;
        let events = decide(&self.state, self.t, signed)?;
        let seq = self.state.size();
        for event in events {
            self.state.apply(&event);
            self.log.push(event);
        }
        Ok(seq)
    }

    pub fn try_act(&mut self, actor: u8, command: Command) -> Result<u64, Refusal> {
        let signed = self.sign(actor, command);
        self.submit(&signed)
    }

    pub fn act(&mut self, actor: u8, command: Command) -> u64 {
        self.try_act(actor, command).unwrap_or_else(|refusal| panic!("actor {actor}: {refusal}"))
    }

    pub fn balance(&self, place: &Place) -> i128 {
        self.state.balance(place)
    }

    /// All of a contribution passes the gates.
    pub fn contribution(&mut self, actor: u8, records: u32) -> u64 {
        let seq = self.act(actor, contribute(&net(), records));
        self.act(OPERATOR, gate(&net(), seq, records, &[], 0));
        seq
    }

    /// Snapshot of everything, model, closed valuation with these rows `(actor, low, value, high)`, and of nothing
    /// for others; the model's place.
    pub fn valued(&mut self, rows: &[(u8, i64, i64, i64)]) -> u64 {
        let passed = self.state.datanet(&net()).unwrap().passed();
        let snapshot_seq = self.act(OPERATOR, snapshot(&net(), passed));
        let model = self.act(OPERATOR, train(&net(), snapshot_seq));
        let counts = self.state.datanet(&net()).unwrap().snapshots[&snapshot_seq].counts.clone();
        let found = |(id, &records): (&AccountId, &u64)| {
            let of = |&&(actor, ..): &&(u8, i64, i64, i64)| account(actor) == *id;
            let (_, low, value, high) = rows.iter().find(of).copied().unwrap_or_default();
            ValueRow { account: id.clone(), ..row(0, records, low, value, high) }
        };
        let rows: Vec<ValueRow> = counts.iter().map(found).collect();
        let sum = rows.iter().map(|row| row.value_microbits).sum();
        self.act(OPERATOR, value_rows(&net(), model, 0, rows));
        self.act(OPERATOR, value(&net(), model, 1, sum, passed));
        model
    }
}

pub fn create(datanet: &str, price: u128, per_record: u128, upfront: bool) -> Command {
    create_with(datanet, charter(datanet, price, per_record, upfront))
}

pub fn create_with(datanet: &str, charter: String) -> Command {
    Command::CreateDatanet { datanet: datanet.parse().unwrap(), charter, benchmark: benchmark() }
}

/// What must hold after every event, whatever was asked.
pub fn check_invariants(state: &State) {
    let mut inside: i128 = 0;
    for (place, amount) in state.balances().iter() {
        assert!(!matches!(place, Place::External) && !amount.is_zero());
        inside += amount.units() as i128;
    }
    assert_eq!(inside + state.balance(&Place::External), 0, "all places sum to zero");
    for (id, net) in state.datanets() {
        let open: u128 = net.queries.values().map(|query| query.price.units()).sum();
        assert_eq!(state.balance(&Place::Held(id.clone())), open as i128, "held is what open questions paid");
        let there = |seq: &u64| !net.withdrawn.contains_key(seq);
        let standing = net.contributions.iter().filter(|(seq, _)| there(seq));
        let passed: u64 = standing.map(|(_, c)| u64::from(c.passed())).sum();
        assert_eq!(passed, net.passed(), "passed by contribution and by contributor agree");
        let waits = |(seq, c): &(&u64, &Contribution)| c.gate.is_none() && there(seq);
        let ungated = net.contributions.iter().filter(waits).map(|(&seq, _)| seq);
        assert!(ungated.eq(net.ungated.iter().copied()));
        for epoch in net.epochs.values() {
            let roles = &epoch.credited;
            let credited = [roles.contributors, roles.reviewers, roles.trainer, roles.platform];
            assert_eq!(credited.iter().map(|sum| sum.units()).sum::<u128>(), epoch.fees.units());
        }
    }
}
