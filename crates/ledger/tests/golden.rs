//! Events are for ever: a log of every kind of command, written once, must replay for ever.
//!
//! `ASSAY_BLESS=1` writes the log anew; only a format that nobody has used yet may need that.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use std::collections::BTreeSet;

use assay_ledger::codec::{canonical, decode, decode_entry, encode};
use assay_ledger::command::{Command, Role};
use assay_ledger::event::{Cause, Event};
use assay_ledger::ids::Digest;
use assay_ledger::meter::credits;
use assay_ledger::replay::{Reason, Replay, Signatures};
use assay_ledger::state::State;
use common::*;

const GOLDEN: &str = include_str!("golden/log-v1.jsonl");
/// After so many entries: SHA-256 of the balances, for which Python gave the same from the postings alone, and of the
/// state. One more for whatever is added to the story; none is ever changed.
const MILESTONES: [(usize, &str, &str); 4] = [
    (
        139,
        "4b60d18d68b755cef8a8bee15e852a113d0c170a230e67d119757ef1ee0cf639",
        "f8572d5c0692593edca4d2d6f8322b9bacaef60294e8d422bba875533e235712",
    ),
    (
        144,
        "1165449f65bccf71cd4fb663b5912fe94b23994d9617447f26271eb5f0818829",
        "7e8ae4d345e5b24cb4b3ceae101a977129173fda679fd8078f932ad3d5efdda2",
    ),
    (
        150,
        "84f19660ff9c1898f381c521e7397c027601d9dbe627f68bfe57c83d163a389c",
        "8402284afe5f698686068d3ff9c908a854430ab22f528370f6a5bfe77fb9831a",
    ),
    (
        349,
        "7e3eb8d6be339d49db1d4af7aa36d22acbd37a064c2677e33d131183ee276d7a",
        "d1aa7791b705217cd8175f9230312805b6a5e9be5359149df01b95107dd36a13",
    ),
];

/// Two epochs of a datanet with twenty contributors: every kind of command, an outcome of several entries. The first
/// epoch waits for an audit; the second divides a budget that is too small.
fn story() -> World {
    let mut world = World::founded(22, 5_000);
    world.act(1, create_with("digits", charter("digits", 997, 3, true) + &rewarding(100_000, 600_000)));
    world.act(22, fund(&net(), 4_001));
    for (actor, role) in [(21, Role::Reviewer), (22, Role::Trainer)] {
        world.act(1, Command::Appoint { datanet: net(), account: account(actor), role });
    }
    let mut passed = 0;
    for actor in 1..=20 {
        let records = 3 + u32::from(actor % 4);
        let contribution = world.act(actor, contribute(&net(), records));
        world.act(OPERATOR, gate(&net(), contribution, records - 2, &[1], 1));
        world.act(21, review(&net(), contribution, 1, actor % 3 > 0));
        passed += u64::from(records - 2) + u64::from(actor % 3 > 0);
    }
    let frozen = world.act(1, snapshot(&net(), passed));
    let model = world.act(22, train(&net(), frozen));
    let counts = world.state.datanet(&net()).unwrap().snapshots[&frozen].counts.clone();
    let mut rows: Vec<_> = (1..=20_u8)
        .map(|actor| {
            let middle = 1_000 * (i64::from(actor) - 5);
            row(actor, counts[&account(actor)], middle - 2_500, middle, middle + 2_500)
        })
        .collect();
    rows.sort_by(|a, b| a.account.cmp(&b.account));
    let sum = rows.iter().map(|row| row.value_microbits).sum();
    let rest = rows.split_off(12);
    world.act(OPERATOR, value_rows(&net(), model, 0, rows));
    world.act(OPERATOR, value_rows(&net(), model, 1, rest));
    let valuation = world.act(OPERATOR, value(&net(), model, 2, sum, passed));
    for epoch in 1..=2 {
        for consumer in 1..=3 {
            let query = world.act(consumer, ask(&net()));
            world.act(OPERATOR, answer(&net(), query, model, &[(2, 250_001), (7, 333_333), (20, 100_003)]));
        }
        let query = world.act(4, ask(&net()));
        world.act(OPERATOR, Command::Release { datanet: net(), query, reason: code("overloaded") });
        world.act(OPERATOR, settle(&net(), epoch));
        world.act(OPERATOR, Command::Publish { datanet: net(), name: code("report"), table: table(1) });
        if epoch == 1 {
            world.act(OPERATOR, audit(&net(), valuation, 912_345, 20));
        }
    }
    world.act(20, Command::Withdraw { amount: amount(100), reference: code("out-1") });
    let mut offered = world.state.datanet(&net()).unwrap().contributions.iter();
    let contribution = *offered.find(|(_, offered)| offered.author == account(7)).unwrap().0;
    world.act(7, Command::Retract { datanet: net(), contribution, reason: code("withdrawn") });
    keys(&mut world);
    holds(&mut world);
    meters(&mut world);
    world
}

/// Answers that are metered: more postings than an entry takes, credits in two parts.
fn meters(world: &mut World) {
    world.act(1, create_with("votes", charter("votes", 9_001, 0, false)));
    let votes = "votes".parse().unwrap();
    for actor in 0..60 {
        if actor > 22 {
            world.act(actor, Command::OpenAccount { key: public(actor) });
        }
        let contribution = world.act(actor, contribute(&votes, 1));
        world.act(OPERATOR, gate(&votes, contribution, 1, &[], 0));
    }
    let frozen = world.act(OPERATOR, snapshot(&votes, 60));
    let model = world.act(OPERATOR, train(&votes, frozen));
    let mut rows: Vec<_> = (0..60).map(|actor| row(actor, 1, 90, 100, 110)).collect();
    rows.sort_by(|a, b| a.account.cmp(&b.account));
    for (part, rows) in (0..).zip(rows.chunks(40)) {
        world.act(OPERATOR, value_rows(&votes, model, part, rows.to_vec()));
    }
    world.act(OPERATOR, value(&votes, model, 2, 6_000, 60));
    world.deposit(5, 300_000);
    let queries: Vec<u64> = (0..30).map(|_| world.act(5, ask(&votes))).collect();
    let of = |query: u64| {
        (0..20).map(|i| (((query * 7 + i * 3) % 60) as u8, 30_011 + 97 * i as u32)).collect::<Vec<_>>()
    };
    let answers: Vec<_> = queries[..29].iter().map(|&query| metered(query, &of(query))).collect();
    let credits = credits(world.state.datanet(&votes).unwrap(), model, &answers).unwrap();
    world.act(OPERATOR, meter_rows(&votes, 0, credits[..1].to_vec()));
    world.act(OPERATOR, meter_rows(&votes, 0, credits[..50].to_vec()));
    world.act(OPERATOR, meter_rows(&votes, 1, credits[50..].to_vec()));
    let mut command = meter(&votes, model, queries[28], 29, 2);
    if let Command::Meter { root, .. } = &mut command {
        *root = assay_ledger::meter::root(&answers).unwrap();
    }
    world.act(OPERATOR, command);
}

/// Two holds that expire, in a datanet that asks for an hour: one is taken back, one given back.
fn holds(world: &mut World) {
    let net = "words".parse().unwrap();
    let charter = charter("words", 50, 0, false).replace("\"50\"", "\"50\"\nhold_hours = 1");
    world.act(1, create_with("words", charter));
    let queries = [1, 30].map(|hours| world.act(2, ask_for(&net, Some(hours))));
    world.t += HOUR_MS;
    world.act(2, release(&net, queries[0]));
    world.act(OPERATOR, release(&net, queries[1]));
    world.act(4, ask_for(&net, Some(1)));
}

/// Keys that are replaced, one of them against the will of whoever holds it.
fn keys(world: &mut World) {
    let [second, recovery, third, next] = [(); 4].map(|()| world.draw());
    world.act(3, rotate(3, &second));
    world.act(3, set_recovery(3, &recovery));
    world.act(3, recover(3, &third));
    world.act(3, set_recovery(3, &next));
    world.act(3, Command::Withdraw { amount: amount(5), reference: code("out-3") });
}

fn golden() -> Vec<Event> {
    GOLDEN.lines().map(|line| decode(line.as_bytes()).unwrap()).collect()
}

#[test]
fn the_story_is_still_written_with_the_same_bytes() {
    let lines: Vec<String> =
        story().log.iter().map(|event| String::from_utf8(encode(event).unwrap()).unwrap() + "\n").collect();
    let text = lines.concat();
    if std::env::var_os("ASSAY_BLESS").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/log-v1.jsonl");
        std::fs::write(path, &text).unwrap();
    }
    assert!(text == GOLDEN, "the bytes of the log have changed");
}

#[test]
fn the_golden_log_replays_to_the_same_money_and_state() {
    let mut replay = Replay::new(State::new(ORIGIN), Signatures::Check);
    let events = golden();
    for (size, money, state) in MILESTONES {
        let from = replay.state().size() as usize;
        events[from..size].iter().for_each(|event| replay.push(event).unwrap());
        let at = replay.state();
        assert_eq!(Digest::of(&canonical(at.balances()).unwrap()).to_string(), money, "money at {size}");
        assert_eq!(at.digest().unwrap().to_string(), state, "state at {size}");
        check_invariants(at);
    }
    let mut again = Replay::new(State::new(ORIGIN), Signatures::Check);
    let entries = GOLDEN.lines().map(|line| decode_entry(line.as_bytes()).unwrap());
    entries.for_each(|entry| again.push_entry(&entry).unwrap());
    let end = replay.finish().unwrap();
    assert_eq!(end.size(), events.len() as u64);
    assert_eq!(again.finish().unwrap(), end);
}

#[test]
fn the_golden_log_has_every_kind_of_command() {
    let events = golden();
    let kinds: BTreeSet<&str> = events
        .iter()
        .filter_map(|event| match &event.cause {
            Cause::Command(signed) => Some(signed.intent.command.kind()),
            Cause::Earlier(_) => None,
        })
        .collect();
    assert_eq!(kinds.len(), 26, "{kinds:?}");
    assert!(events.iter().any(|event| matches!(event.cause, Cause::Earlier(_))));
    for (line, event) in GOLDEN.lines().zip(&events) {
        if let Cause::Command(signed) = &event.cause {
            assert!(line.contains(&format!(r#""kind":"{}""#, signed.intent.command.kind())));
        }
    }
}

/// The reason that a replay of these events gives, and the entry that it names.
fn refused(events: &[Event]) -> (u64, Reason) {
    let mut replay = Replay::new(State::new(ORIGIN), Signatures::Elsewhere);
    let pushed = events.iter().try_for_each(|event| replay.push(event));
    let mismatch = pushed.and_then(|()| replay.finish().map(|_| ())).unwrap_err();
    (mismatch.seq, mismatch.reason)
}

#[test]
fn a_replay_names_the_first_entry_that_does_not_follow() {
    let events = golden();
    let found = |kind: &str| {
        let of =
            |event: &&Event| matches!(&event.cause, Cause::Command(s) if s.intent.command.kind() == kind);
        events.iter().find(of).unwrap().seq as usize
    };
    let (answer, settle) = (found("answer"), found("settle"));
    let change = |at: usize, change: &dyn Fn(&mut Event)| {
        let mut events = events.clone();
        change(&mut events[at]);
        let (seq, reason) = refused(&events);
        assert_eq!(seq, at as u64, "{reason}");
        reason.to_string()
    };
    let units = |event: &mut Event, n: u128| event.outcome.postings[0].amount = amount(n);
    assert!(change(answer, &|e| units(e, 1)).starts_with("a posting is Some(Posting"));
    assert!(
        change(answer, &|e| drop(e.outcome.postings.pop())).contains("is None, and recomputing gives Some(")
    );
    assert!(change(settle, &|e| e.outcome.settled[0].value_microbits += 1).starts_with("a settled row is"));
    assert!(change(settle + 1, &|e| e.t += 1).starts_with("t is"));
    assert!(change(settle + 1, &|e| e.cause = Cause::Earlier(3)).starts_with("cause is Earlier(3), and"));
    assert!(change(answer, &|e| e.seq += 1).starts_with("seq is"));
    assert!(change(answer, &|e| e.v = 2).starts_with("v is 2, and recomputing gives 1"));
    assert!(change(answer, &|e| e.t = 0).contains("time never falls"));
    assert!(change(answer, &|e| e.cause = Cause::Earlier(3)).contains("whose outcome is complete"));

    let mut hole = events.clone();
    hole.remove(settle + 1);
    assert_eq!(refused(&hole).0, settle as u64 + 1);
    let (seq, reason) = refused(&events[..=settle]);
    assert_eq!((seq, reason), (settle as u64 + 1, Reason::Missing { missing: 1 }));

    // A changed command fails its signature, unless signatures are looked at elsewhere.
    let mut forged = events[answer].clone();
    if let Cause::Command(signed) = &mut forged.cause {
        signed.signature.0[0] ^= 1;
    }
    let mut replay = Replay::new(State::new(ORIGIN), Signatures::Check);
    events[..answer].iter().for_each(|event| replay.push(event).unwrap());
    assert!(replay.push(&forged).unwrap_err().to_string().contains("signature is not that of"));
    assert!(replay.push(&events[answer]).is_ok(), "the replay stays where it was");
}
