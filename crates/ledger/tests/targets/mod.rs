//! What must hold of what the ledger reads: entries, charters, answers of a metering, and every kind of command, decided on
//! the states of a log.
#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use assay_ledger::charter::Charter;
use assay_ledger::codec::{canonical, decode, encode};
use assay_ledger::command::{Command, Share, Signed};
use assay_ledger::decide::{decide, decide_verified};
use assay_ledger::event::{Cause, Event};
use assay_ledger::limits::{AMOUNT_MAX, CHARTER_BYTES_MAX, INTEGER_MAX};
use assay_ledger::meter::Metered;
use assay_ledger::state::State;
use serde_json::Value;

use crate::common::*;
use crate::mutate::{Dice, Target};

pub const GOLDEN: &str = include_str!("../golden/log-v1.jsonl");
const PAGE: &str = include_str!("../../../../docs/CHARTER.md");

/// The entry that the bytes are, if they are one by the plain rule too: then they are its only form.
fn read(bytes: &[u8]) -> Option<Event> {
    let event = decode(bytes).ok();
    assert_eq!(event, plain(bytes));
    assert!(event.iter().all(|event| encode(event).unwrap() == bytes));
    event
}

/// Decides a command that is taken for signed; what follows has a byte form and keeps the books.
fn decided(state: &State, signed: &Signed) -> bool {
    let Ok(events) = decide_verified(state, state.t() + 1, signed) else {
        return false;
    };
    let mut after = state.clone();
    for event in &events {
        assert_eq!(decode(&encode(event).unwrap()).as_ref(), Ok(event));
        after.apply(event);
    }
    check_invariants(&after);
    true
}

/// Entries: the form of each is the only one.
pub fn entries() -> Target {
    let mut seeds: Vec<Vec<u8>> = GOLDEN.lines().map(|line| line.as_bytes().to_vec()).collect();
    seeds.push(b"[".repeat(10_000));
    seeds.push(br#"{"cause":"#.repeat(1_000));
    Target::new("entry", seeds, |bytes| drop(read(bytes)))
}

/// Leaves of a metering, and the shares that its table has: read as by the plain rule.
pub fn metered() -> Target {
    let share = |actor: u8| Share { account: account(actor), ppm: 30_011 + u32::from(actor) };
    let answer = |query: u64| {
        let shares = (0..query as u8 * 3).map(share).collect();
        Metered { query, answer: digest("answer"), moved_microbits: 1 - query as i64, shares }
    };
    let answers: Vec<Metered> = (0..7).map(answer).collect();
    let leaves = answers.iter().map(|answer| answer.leaf().unwrap());
    let shares = answers.iter().map(|answer| answer.shares_text().unwrap().into_bytes());
    Target::new("metered", leaves.chain(shares).collect(), |bytes| {
        let plain = serde_json::from_slice::<Metered>(bytes).ok();
        let plain = plain.filter(|answer| canonical(answer).is_ok_and(|again| again == bytes));
        assert_eq!(Metered::from_leaf(bytes).ok(), plain);
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        let plain = serde_json::from_str::<Vec<Share>>(text).ok();
        let plain = plain.filter(|shares| canonical(shares).is_ok_and(|again| again == bytes));
        assert_eq!(Metered::shares_of(text).ok(), plain);
    })
}

/// Values that stand under each name anywhere in the log.
type Names = BTreeMap<String, Vec<Value>>;

fn collect(value: &Value, name: &str, names: &mut Names) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, inner)| collect(inner, name, names)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, names)),
        _ => {}
    }
    let known = names.entry(name.to_owned()).or_default();
    if known.len() < 200 && !known.contains(value) {
        known.push(value.clone());
    }
}

/// One change inside a value: a part left out, doubled, taken from elsewhere, or at the edge of what it may be.
fn reshape(value: &mut Value, name: &str, names: &Names, dice: &mut Dice) {
    let choice = dice.below(10);
    match value {
        Value::Object(fields) if choice > 0 && !fields.is_empty() => {
            let field = fields.keys().nth(dice.below(fields.len())).unwrap().clone();
            match choice {
                1 => drop(fields.remove(&field)),
                _ => reshape(fields.get_mut(&field).unwrap(), &field, names, dice),
            }
        }
        Value::Array(items) if choice > 0 && !items.is_empty() => {
            let at = dice.below(items.len());
            match choice {
                1 => drop(items.remove(at)),
                2 => items.push(items[at].clone()),
                _ => reshape(&mut items[at], name, names, dice),
            }
        }
        Value::Number(number) if choice > 4 => {
            let (n, max) = (number.as_i64().unwrap(), INTEGER_MAX as i64);
            let edges = [0, 1, n - 1, n + 1, -n, max, -max, max + 1, i64::from(u32::MAX), 1_000_000];
            *value = edges[dice.below(edges.len())].into();
        }
        Value::String(text) if choice > 6 => {
            let edges = ["0", "1", "00", "-1", "", &AMOUNT_MAX.to_string(), &(AMOUNT_MAX + 1).to_string()]
                .map(str::to_owned);
            let long = [
                text.repeat(2),
                text.repeat(300),
                text.chars().skip(1).collect(),
                format!("{text}\u{1f6a2}"),
            ];
            let edges = [&edges[..], &long[..]].concat();
            *value = edges[dice.below(edges.len())].clone().into();
        }
        _ => *value = names[name][dice.below(names[name].len())].clone(),
    }
}

/// The states of the golden log, and its commands by kind.
pub struct Commands {
    states: Vec<State>,
    names: Names,
    by_kind: BTreeMap<String, Vec<Value>>,
}

impl Commands {
    pub fn new() -> Self {
        let lines: Vec<Value> = GOLDEN.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut names = Names::new();
        lines.iter().for_each(|line| collect(line, "", &mut names));
        let mut states = vec![State::new(ORIGIN)];
        for line in GOLDEN.lines() {
            let mut next = states.last().unwrap().clone();
            next.apply(&decode(line.as_bytes()).unwrap());
            states.push(next);
        }
        let mut by_kind: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for line in lines {
            let command = &line["cause"]["command"]["intent"]["command"];
            if let Some(kind) = command["kind"].as_str() {
                by_kind.entry(kind.to_owned()).or_default().push(line);
            }
        }
        Self { states, names, by_kind }
    }

    pub fn kinds(&self) -> BTreeSet<&str> {
        self.by_kind.keys().map(String::as_str).collect()
    }

    /// A few commands of each kind.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        self.by_kind
            .values()
            .flat_map(|lines| lines.iter().take(3))
            .map(|line| canonical(line).unwrap())
            .collect()
    }

    /// A command after up to three changes; every kind as often as any other.
    pub fn draw(&self, dice: &mut Dice) -> Vec<u8> {
        let of_kind = self.by_kind.values().nth(dice.below(self.by_kind.len())).unwrap();
        let mut line = of_kind[dice.below(of_kind.len())].clone();
        for _ in 0..dice.below(4) {
            reshape(&mut line["cause"]["command"]["intent"], "intent", &self.names, dice);
        }
        canonical(&line).unwrap_or_default()
    }

    /// These bytes after one change of the command in them, if there is one.
    pub fn reshaped(&self, bytes: &[u8], dice: &mut Dice) -> Option<Vec<u8>> {
        read(bytes)?;
        let mut line: Value = serde_json::from_slice(bytes).ok()?;
        let intent = line["cause"]["command"].get_mut("intent")?;
        reshape(intent, "intent", &self.names, dice);
        canonical(&line).ok()
    }

    /// Decides the command in these bytes, if there is one: its kind, and whether it was ever accepted.
    pub fn decide(&self, bytes: &[u8]) -> Option<(&'static str, bool)> {
        let Event { seq, cause: Cause::Command(mut signed), .. } = read(bytes)? else {
            return None;
        };
        // Where it was, signature and all; there, taken for signed; and at the end of the log under a nonce of its own.
        let end = self.states.last().unwrap();
        let here = usize::try_from(seq).ok().and_then(|seq| self.states.get(seq)).unwrap_or(end);
        let _ = decide(here, here.t() + 1, &signed);
        let mut good = decided(here, &signed);
        signed.intent.nonce.0[0] ^= 0x80;
        good |= decided(end, &signed);
        Some((signed.intent.command.kind(), good))
    }
}

/// Charters: what is read is written and read again, and makes a datanet.
pub fn charters() -> Target {
    let page = PAGE.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let mut seeds: Vec<Vec<u8>> =
        [page, &charter("digits", 5, 3, true)].map(|text| text.as_bytes().to_vec()).into();
    assert!(seeds.iter().all(|text| Charter::parse(std::str::from_utf8(text).unwrap()).is_ok()));
    seeds.push(format!("schema = {}", "[".repeat(7_000)).into_bytes());
    seeds.push(format!("{} = 1", "a.".repeat(3_000) + "a").into_bytes());
    let world = RefCell::new(World::founded(1, 5_000));
    let state = world.borrow().state.clone();
    Target::new("charter", seeds, move |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        let Ok(charter) = Charter::parse(text) else {
            return;
        };
        let written = toml::to_string(&charter).unwrap();
        assert!(written.len() > CHARTER_BYTES_MAX || Charter::parse(&written) == Ok(charter.clone()));
        let datanet = charter.datanet;
        let create = Command::CreateDatanet { datanet, charter: text.to_owned(), benchmark: benchmark() };
        let signed = world.borrow_mut().sign(1, create);
        assert!(decided(&state, &signed), "a charter that reads well makes a datanet");
    })
}
