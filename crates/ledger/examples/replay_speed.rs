//! What an event costs in CPU time, step by step, on one thread: `cargo run --release --example replay_speed [EVENTS]`.
//!
//! The log is of deposits to, and questions of, many accounts, with signatures; every step is run over all of it.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_macros, clippy::print_stdout)]

mod support;

use std::hint::black_box;
use std::time::Duration;

use assay_ledger::amount::Amount;
use assay_ledger::codec::{decode, decode_entry, encode};
use assay_ledger::command::{Command, Intent, Signed};
use assay_ledger::decide::{decide, decide_verified};
use assay_ledger::event::{Cause, Event};
use assay_ledger::ids::{AccountId, Nonce, PublicKey};
use assay_ledger::replay::{Replay, Signatures};
use assay_ledger::state::State;
use ed25519_dalek::SigningKey;
use support::{cpu, key_bytes};

const ORIGIN: &str = "example.org/assay";

fn main() {
    let events: usize = std::env::args().nth(1).map_or(100_000, |n| n.parse().unwrap());
    let mut log = Log::founded();
    let users: Vec<SigningKey> = (0..1_000).map(key).collect();
    for user in &users {
        log.act(user, Command::OpenAccount { key: PublicKey::from(user) });
    }
    let operator = key(u64::MAX);
    let before = log.events.len();
    let signed: Vec<Signed> = (0..events)
        .map(|i| {
            let account = AccountId::of(&PublicKey::from(&users[i % users.len()]));
            let reference = format!("wire-{i}").parse().unwrap();
            log.sign(&operator, Command::Deposit { account, amount: Amount::new(5).unwrap(), reference })
        })
        .collect();
    let state = log.state.clone();
    let mut live = state.clone();
    let per = |what: &str, n: usize, took: Duration| {
        let each = took.as_secs_f64() / n as f64;
        println!("{what:<44} {:>8.3} us {:>10.0} /s", each * 1e6, 1.0 / each);
    };
    let n = events.min(5_000);
    let took = cpu(|| signed[..n].iter().for_each(|s| drop(black_box(decide(&state, 1, s)))));
    per("decide, signature checked", n, took);
    let mut made: Vec<Event> = Vec::new();
    let took = cpu(|| {
        for s in &signed {
            let events = decide_verified(&live, 1, s).unwrap();
            events.iter().for_each(|e| live.apply(e));
            made.extend(events);
        }
    });
    per("decide and apply, no signature", events, took);
    let mut bytes: Vec<Vec<u8>> = Vec::new();
    let took = cpu(|| bytes = made.iter().map(|e| encode(e).unwrap()).collect());
    println!("{} bytes an event", bytes.iter().map(Vec::len).sum::<usize>() / events);
    per("encode", events, took);
    let took = cpu(|| {
        bytes.iter().for_each(|b| {
            black_box(assay_tlog::leaf_hash(b));
        })
    });
    per("leaf hash", events, took);
    let took = cpu(|| {
        for event in &made {
            if let Cause::Command(signed) = &event.cause {
                black_box(signed.intent.digest().unwrap());
            }
        }
    });
    per("digest of the intent", events, took);
    let mut decoded = Vec::new();
    let took = cpu(|| decoded = bytes.iter().map(|b| decode(b).unwrap()).collect::<Vec<_>>());
    per("decode", events, took);
    assert_eq!(decoded, made);
    let mut folded = state.clone();
    let took = cpu(|| decoded.iter().for_each(|e| folded.apply(e)));
    per("apply", events, took);
    let mut folded = state.clone();
    let took = cpu(|| {
        for b in &bytes {
            black_box(assay_tlog::leaf_hash(b));
            folded.apply_entry(&decode_entry(b).unwrap());
        }
    });
    per("cold start: hash, decode, apply", events, took);
    let mut replay = Replay::new(state, Signatures::Elsewhere);
    let took = cpu(|| bytes.iter().for_each(|b| replay.push_entry(&decode_entry(b).unwrap()).unwrap()));
    per("replay: decode, decide again, compare, apply", events, took);
    assert_eq!(replay.finish().unwrap(), live);
    let mut image = Vec::new();
    let took = cpu(|| image = live.image().unwrap());
    per(&format!("image of {} bytes", image.len()), 1, took);
    let took = cpu(|| drop(black_box(State::from_image(&image).unwrap())));
    per("read it", 1, took);
    println!("{before} entries before");
}

struct Log {
    state: State,
    events: Vec<Event>,
    nonces: u128,
}

impl Log {
    fn founded() -> Self {
        let mut log = Self { state: State::new(ORIGIN), events: Vec::new(), nonces: 0 };
        let log_key = assay_tlog::SignerKey::from_seed(ORIGIN, &[99; 32]).unwrap();
        let operator = key(u64::MAX);
        let log_key = log_key.verifier().to_string();
        log.act(&operator, Command::Found { key: PublicKey::from(&operator), log_key });
        log
    }

    fn sign(&mut self, key: &SigningKey, command: Command) -> Signed {
        self.nonces += 1;
        let actor = AccountId::of(&PublicKey::from(key));
        let nonce = Nonce(self.nonces.to_be_bytes());
        Intent { origin: ORIGIN.to_owned(), actor, nonce, command }.sign(key).unwrap()
    }

    fn act(&mut self, key: &SigningKey, command: Command) {
        let signed = self.sign(key, command);
        for event in decide_verified(&self.state, 1, &signed).unwrap() {
            self.state.apply(&event);
            self.events.push(event);
        }
    }
}

fn key(seed: u64) -> SigningKey {
    SigningKey::from_bytes(&key_bytes(seed))
}
