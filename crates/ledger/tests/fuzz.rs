//! What the ledger reads, on mutations of what it wrote: entries, charters, answers of a metering, and every kind of command,
//! decided on the states of a log.
//!
//! `ASSAY_FUZZ_SECONDS=60 cargo test -p assay-ledger --test fuzz` tries each for a minute. `fuzz/` tries the same properties
//! under libFuzzer.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "../../tlog/tests/mutate/mod.rs"]
mod mutate;
mod targets;

use std::cell::RefCell;
use std::collections::BTreeSet;

use mutate::{drive, kept};
use targets::Commands;

#[test]
fn entries() {
    targets::entries().drive();
}

#[test]
fn metered() {
    targets::metered().drive();
}

#[test]
fn commands() {
    let commands = Commands::new();
    kept("command").iter().for_each(|bytes| assert!(commands.decide(bytes).is_some() || !bytes.is_empty()));
    let [read, accepted] = [(); 2].map(|()| RefCell::new(BTreeSet::new()));
    drive(
        "command",
        |dice| commands.draw(dice),
        |bytes| {
            if let Some((kind, good)) = commands.decide(bytes) {
                read.borrow_mut().insert(kind);
                if good {
                    accepted.borrow_mut().insert(kind);
                }
            }
        },
    );
    assert_eq!(read.into_inner(), commands.kinds());
    assert_eq!(accepted.into_inner(), commands.kinds());
}

#[test]
fn charters() {
    targets::charters().drive();
}
