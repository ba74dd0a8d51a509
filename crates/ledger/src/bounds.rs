//! Holds the byte counts of `limits` to the longest real events.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde::Serialize;

use crate::amount::{Amount, Place, Posting};
use crate::codec::{canonical, decode, encode};
use crate::command::{Command, Credit, Intent, Score, Share, Signed, ValueRow};
use crate::event::{Cause, Event, Outcome, SettledRow, Standing};
use crate::ids::{AccountId, Code, DatanetId, Digest, Nonce, PublicKey, Signature, TableRef};
use crate::limits::*;

fn bytes<T: Serialize>(value: &T) -> usize {
    canonical(value).unwrap().len() + 1
}

fn account(i: usize) -> AccountId {
    AccountId::of(&PublicKey([i as u8; 32]))
}

fn net() -> DatanetId {
    "n".repeat(NAME_BYTES_MAX).parse().unwrap()
}

fn name(i: usize) -> Code {
    format!("{i:0>64}").parse().unwrap()
}

fn most() -> Amount {
    Amount::new(AMOUNT_MAX).unwrap()
}

fn accrued() -> Place {
    Place::Accrued(net(), account(0))
}

fn bond() -> Place {
    Place::Bond(net(), account(0))
}

fn posting(from: Place, to: Place) -> Posting {
    Posting { from, to, amount: most() }
}

fn table() -> TableRef {
    TableRef { sha256: Digest([255; 32]), rows: INTEGER_MAX, bytes: INTEGER_MAX }
}

fn share() -> Share {
    Share { account: account(0), ppm: PPM }
}

fn credit() -> Credit {
    Credit { account: account(0), amount: most() }
}

fn value_row() -> ValueRow {
    ValueRow {
        account: account(0),
        records: INTEGER_MAX,
        value_microbits: -MICROBITS_MAX,
        se_microbits: -MICROBITS_MAX,
        low_microbits: -MICROBITS_MAX,
        high_microbits: -MICROBITS_MAX,
    }
}

/// The most that moves for one account.
fn settled_postings() -> [Posting; 4] {
    [
        posting(Place::Pool(net()), accrued()),
        posting(Place::Reward(net()), accrued()),
        posting(accrued(), Place::User(account(0))),
        posting(bond(), Place::User(account(0))),
    ]
}

fn settled_row() -> SettledRow {
    SettledRow {
        account: account(0),
        standing: Standing::Unproven,
        value_microbits: -MICROBITS_MAX,
        low_microbits: -MICROBITS_MAX,
        high_microbits: -MICROBITS_MAX,
        accrued: most(),
        lost: most(),
        pool: most(),
        reward: most(),
        released: most(),
        waiting: most(),
        at_stake: most(),
    }
}

fn score() -> Score {
    Score {
        accuracy_ppm: -MICROBITS_MAX,
        gain_microbits: -MICROBITS_MAX,
        low_microbits: -MICROBITS_MAX,
        high_microbits: -MICROBITS_MAX,
    }
}

fn event(command: Command, outcome: Outcome) -> Event {
    let intent =
        Intent { origin: "o".repeat(ORIGIN_BYTES_MAX), actor: account(0), nonce: Nonce([255; 16]), command };
    let signature = Signature([255; 64]);
    Event {
        v: Event::VERSION,
        seq: INTEGER_MAX,
        t: INTEGER_MAX,
        cause: Cause::Command(Box::new(Signed { intent, signature })),
        outcome,
    }
}

#[test]
fn parts_are_no_longer_than_their_bounds() {
    let settled = settled_postings();
    let settled = settled.iter().map(bytes).sum::<usize>() + bytes(&settled_row());
    let empty = event(Command::Settle { datanet: net(), epoch: u32::MAX }, Outcome::default());
    let Cause::Command(signed) = &empty.cause else { unreachable!() };
    // An outcome with postings has their name and two brackets more.
    let frame = bytes(&empty) - bytes(&signed.intent) + br#""postings":[]"#.len();
    let shared = bytes(&posting(Place::Held(net()), accrued())) + bytes(&share());
    for (what, measured, bound) in [
        ("posting", bytes(&posting(accrued(), accrued())), POSTING_BYTES_MAX),
        ("frame", frame, FRAME_BYTES_MAX),
        ("settled", settled, SETTLED_BYTES_MAX),
        ("share", shared, SHARE_BYTES_MAX),
        ("credit", bytes(&credit()), CREDIT_BYTES_MAX),
        ("value row", bytes(&value_row()), VALUE_ROW_BYTES_MAX),
        ("score", bytes(&score()) + NAME_BYTES_MAX + 3, SCORE_BYTES_MAX),
        ("reason", bytes(&BTreeMap::from([(name(0), CONTRIBUTION_RECORDS_MAX)])) - 2, REASON_BYTES_MAX),
    ] {
        assert!(measured <= bound, "{what}: {measured} above {bound}");
        assert!(measured * 5 >= bound * 4, "{what}: {measured} far below {bound}");
    }
}

#[test]
fn the_longest_events_fit_an_entry() {
    let datanet = net();
    let digest = Digest([255; 32]);
    let seq = INTEGER_MAX;
    let answer_postings = (0..ANSWER_SHARES_MAX).map(|_| posting(Place::Held(net()), accrued()));
    let roles = [Place::Pool(net()), Place::Reviews(net()), Place::User(account(0)), Place::User(account(0))];
    let answer_postings = answer_postings.chain(roles.map(|to| posting(Place::Held(net()), to)));
    let settled_postings = (0..SETTLED_PER_EVENT).flat_map(|_| settled_postings());
    let events = [
        event(
            Command::Answer {
                datanet: net(),
                query: seq,
                model: seq,
                answer: digest,
                moved_microbits: -MICROBITS_MAX,
                shares: vec![share(); ANSWER_SHARES_MAX],
            },
            Outcome { postings: answer_postings.collect(), settled: vec![] },
        ),
        event(
            Command::MeterRows { datanet: net(), part: u32::MAX, rows: vec![credit(); CREDITS_PER_EVENT] },
            Outcome::default(),
        ),
        event(
            Command::Meter {
                datanet: net(),
                model: seq,
                through: seq,
                answers: seq,
                parts: u32::MAX,
                root: digest,
                table: table(),
            },
            Outcome {
                postings: vec![posting(Place::Held(net()), accrued()); METERED_PER_EVENT],
                settled: vec![],
            },
        ),
        event(
            Command::Settle { datanet: net(), epoch: u32::MAX },
            Outcome { postings: settled_postings.collect(), settled: vec![settled_row(); SETTLED_PER_EVENT] },
        ),
        event(
            Command::Gate {
                datanet: net(),
                contribution: seq,
                passed: 0,
                held: (0..CONTRIBUTION_RECORDS_MAX).collect(),
                rejected: u32::MAX,
                reasons: (0..REASONS_MAX).map(|i| (name(i), CONTRIBUTION_RECORDS_MAX)).collect(),
                table: table(),
            },
            Outcome::default(),
        ),
        event(
            Command::Train {
                datanet: net(),
                snapshot: seq,
                weights: digest,
                recipe: digest,
                scores: (0..SCORES_MAX).map(|i| (name(i), score())).collect(),
            },
            Outcome::default(),
        ),
        event(
            Command::ValueRows {
                datanet: net(),
                model: seq,
                part: u32::MAX,
                rows: vec![value_row(); ROWS_PER_EVENT],
            },
            Outcome::default(),
        ),
        event(
            Command::Audit {
                datanet: net(),
                valuation: seq,
                rank_ppm: -i64::from(PPM),
                coverage_ppm: PPM,
                contributors: INTEGER_MAX,
                table: table(),
            },
            Outcome::default(),
        ),
        event(
            Command::CreateDatanet {
                datanet,
                charter: "\n".repeat(CHARTER_BYTES_MAX),
                benchmark: crate::command::Benchmark {
                    value_root: digest,
                    value_rows: u32::MAX,
                    report_root: digest,
                    report_rows: u32::MAX,
                },
            },
            Outcome::default(),
        ),
        event(
            Command::Value {
                datanet: net(),
                model: seq,
                parts: u32::MAX,
                base_microbits: -MICROBITS_MAX,
                full_microbits: -MICROBITS_MAX,
                sum_microbits: -MICROBITS_MAX,
                withheld_microbits: -MICROBITS_MAX,
                nodes: u32::MAX,
                recipe: digest,
                table: table(),
            },
            Outcome::default(),
        ),
    ];
    for event in &events {
        let bytes = encode(event).unwrap();
        assert_eq!(decode(&bytes).as_ref(), Ok(event));
    }
    let [.., envelope] = &events;
    assert!(bytes(envelope) <= ENVELOPE_BYTES_MAX, "{}", bytes(envelope));
}
