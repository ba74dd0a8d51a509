//! Every rule of every command, one line each: who asks for what, and what they are told.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use assay_ledger::amount::Place;
use assay_ledger::command::{Command, Role};
use assay_ledger::decide::{decide, decide_verified};
use assay_ledger::ids::{Nonce, Signature, TableRef};
use assay_ledger::limits::{
    AMOUNT_MAX, ANSWER_SHARES_MAX, CONTRIBUTION_RECORDS_MAX, CREDITS_PER_EVENT, MICROBITS_MAX, ROWS_PER_EVENT,
};
use assay_ledger::refusal::{Kind, Refusal};
use assay_ledger::state::State;
use common::*;

const OWNER: u8 = 1;
const AUTHOR: u8 = 2;
const OTHER: u8 = 3;
const TRAINER: u8 = 4;
const REVIEWER: u8 = 5;
const POOR: u8 = 6;
const NOBODY: u8 = 9;

/// A datanet in the middle of its first epoch, and the places of what is in it.
struct Scene {
    world: World,
    gated: u64,
    ungated: u64,
    own: u64,
    snapshot: u64,
    valued: u64,
    staged: u64,
    query: u64,
}

fn scene() -> Scene {
    let mut world = World::with_net(5, 10_000, 1_000, 10, true);
    world.act(POOR, Command::OpenAccount { key: public(POOR) });
    for (actor, role) in [(TRAINER, Role::Trainer), (REVIEWER, Role::Reviewer)] {
        world.act(OWNER, Command::Appoint { datanet: net(), account: account(actor), role });
    }
    let gated = world.act(AUTHOR, contribute(&net(), 10));
    world.act(OPERATOR, gate(&net(), gated, 7, &[2, 5], 1));
    world.act(REVIEWER, review(&net(), gated, 2, true));
    let own = world.act(REVIEWER, contribute(&net(), 4));
    world.act(OPERATOR, gate(&net(), own, 3, &[0], 0));
    let valued = world.valued(&[(AUTHOR, 50, 100, 150), (REVIEWER, -10, 20, 50)]);
    let frozen = *world.state.datanet(&net()).unwrap().snapshots.keys().next().unwrap();
    // Two more records, both of the author: a second run.
    world.contribution(AUTHOR, 2);
    let second = world.act(OWNER, snapshot(&net(), 13));
    let staged = world.act(TRAINER, train(&net(), second));
    let first = account(AUTHOR).min(account(REVIEWER));
    let first = if first == account(AUTHOR) { row(AUTHOR, 10, 1, 2, 3) } else { row(REVIEWER, 3, 0, 0, 0) };
    world.act(OPERATOR, value_rows(&net(), staged, 0, vec![first]));
    let ungated = world.act(OTHER, contribute(&net(), 5));
    let query = world.act(OTHER, ask(&net()));
    Scene { world, gated, ungated, own, snapshot: frozen, valued, staged, query }
}

/// Asks for each and compares what the refusal says.
fn check(scene: &mut Scene, cases: Vec<(u8, Command, &str)>) {
    let before = scene.world.state.clone();
    for (i, (actor, command, expected)) in cases.into_iter().enumerate() {
        let kind = command.kind();
        let refusal =
            scene.world.try_act(actor, command).expect_err(&format!("case {i}, {kind}: {expected}"));
        let text = refusal.to_string();
        assert!(text.contains(expected), "case {i}, {kind}: {text:?} does not say {expected:?}");
        assert_eq!(scene.world.state, before);
    }
}

#[test]
fn accounts_and_money_from_outside() {
    let mut scene = scene();
    let deposit = |actor, units, reference| Command::Deposit {
        account: account(actor),
        amount: amount(units),
        reference: code(reference),
    };
    let withdraw = |units, reference| Command::Withdraw { amount: amount(units), reference: code(reference) };
    let Command::Found { log_key, .. } = found() else { unreachable!() };
    let cases = vec![
        (OPERATOR, found(), "founded already"),
        (NOBODY, Command::Found { key: public(NOBODY), log_key }, "founded already"),
        (AUTHOR, Command::OpenAccount { key: public(AUTHOR) }, "is open already"),
        (AUTHOR, Command::OpenAccount { key: public(NOBODY) }, "actor: is"),
        (NOBODY, withdraw(1, "out-1"), "there is no account"),
        (AUTHOR, deposit(AUTHOR, 1, "in-x"), "only the operator may"),
        (OPERATOR, deposit(NOBODY, 1, "in-x"), "there is no account"),
        (OPERATOR, deposit(AUTHOR, 0, "in-x"), "amount: must be above zero"),
        (OPERATOR, deposit(AUTHOR, 1, "in-2"), "payment in-2 is in the log already"),
        (AUTHOR, withdraw(1, "in-2"), "payment in-2 is in the log already"),
        (AUTHOR, withdraw(0, "out-1"), "amount: must be above zero"),
        (OPERATOR, deposit(AUTHOR, AMOUNT_MAX, "in-x"), "all money together may not pass"),
        (AUTHOR, withdraw(10_001, "out-1"), "holds 9880, and 10001 base units are needed"),
    ];
    check(&mut scene, cases);
}

#[test]
fn founding_comes_first_and_names_the_log() {
    let mut empty = World::new();
    let refusal = empty.try_act(1, Command::OpenAccount { key: public(1) }).unwrap_err();
    assert!(refusal.to_string().contains("first entry must be `found`"));
    let log_key = "not a key".to_owned();
    let refusal = empty.try_act(1, Command::Found { key: public(1), log_key }).unwrap_err();
    assert!(refusal.to_string().contains("log_key: must be a verifier key"));
    for origin in ["", "a b", "quote\"", "é", &"x".repeat(129)] {
        empty.state = State::new(origin);
        let mut signed = empty.sign(OPERATOR, found());
        signed.intent.origin = origin.to_owned();
        let refusal = decide_verified(&empty.state, 1, &signed).unwrap_err();
        assert!(refusal.to_string().contains("origin: must be"), "{origin:?}: {refusal}");
    }
}

#[test]
fn datanets_and_roles() {
    let mut scene = scene();
    let create = |name: &str, charter: String| Command::CreateDatanet {
        datanet: name.parse().unwrap(),
        charter,
        benchmark: benchmark(),
    };
    let rows =
        |value_rows, report_rows| assay_ledger::command::Benchmark { value_rows, report_rows, ..benchmark() };
    let good = || charter("other", 5, 0, false);
    let with =
        |benchmark| Command::CreateDatanet { datanet: "other".parse().unwrap(), charter: good(), benchmark };
    let appoint = |datanet: &str, actor| Command::Appoint {
        datanet: datanet.parse().unwrap(),
        account: account(actor),
        role: Role::Reviewer,
    };
    let cases = vec![
        (AUTHOR, create("digits", charter("digits", 5, 0, false)), "there is a datanet digits already"),
        (AUTHOR, create("another", good()), "is another, and the charter says other"),
        (AUTHOR, create("other", good().replace("700000", "700001")), "sums to 1000001, not to 1000000"),
        (AUTHOR, create("other", good().replace("\"5\"", "\"0\"")), "price must be above zero"),
        (AUTHOR, create("other", good().replace("\"5\"", "0.5")), "the charter does not parse"),
        (
            AUTHOR,
            create("other", good().replace("\"5\"", "\"5\"\nhold_hours = 0")),
            "hold_hours must be 1 to 8760",
        ),
        (
            AUTHOR,
            create("other", good().replace("\"5\"", "\"5\"\nhold_hours = 8761")),
            "hold_hours must be 1 to 8760",
        ),
        (
            AUTHOR,
            create("other", good() + "[provenance]\nlicence = \"l\"\n"),
            "licence and licences belong together",
        ),
        (
            AUTHOR,
            create("other", good() + "[provenance]\ntime = \"t\"\nearliest = \"2026-13-01\"\n"),
            "earliest must be a day",
        ),
        (AUTHOR, create("other", good() + "[provenance]\nid = \"label\"\n"), "a column that [task] reads"),
        (AUTHOR, create("other", format!("{}\n# {}", good(), "x".repeat(8_000))), "at most 7168 fit"),
        (AUTHOR, create("other", good() + "[value]\nseed = 9007199254740992\n"), "seed must be at most"),
        (
            AUTHOR,
            create("other", good() + "[value]\nnear_weight_ppm = 1000001\n"),
            "near_weight_ppm is above",
        ),
        (
            AUTHOR,
            create("other", good() + "[value]\nshare_copies = \"all\"\n"),
            "`exact`, `clusters`, `none`",
        ),
        (AUTHOR, create("other", good() + "[reward]\nper_bit = \"0\"\n"), "per_bit must be above zero"),
        (AUTHOR, create("other", good() + "[audit]\nmin_rank_ppm = 1000001\n"), "min_rank_ppm is above"),
        (AUTHOR, with(rows(0, 1)), "benchmark: needs at least one row"),
        (AUTHOR, with(rows(1, 0)), "benchmark: needs at least one row"),
        (AUTHOR, appoint("digits", AUTHOR), "only the owner of the datanet may"),
        (OPERATOR, appoint("digits", AUTHOR), "only the owner of the datanet may"),
        (OWNER, appoint("digits", NOBODY), "there is no account"),
        (OWNER, appoint("none", AUTHOR), "there is no datanet none"),
    ];
    check(&mut scene, cases);
}

#[test]
fn contribute_gate_review() {
    let mut scene = scene();
    let (gated, ungated, own) = (scene.gated, scene.ungated, scene.own);
    let with_table = |rows| Command::Contribute {
        datanet: net(),
        records: 5,
        root: digest("records"),
        table: table(rows),
    };
    let because = |reasons: &[(&str, u32)]| {
        let Command::Gate { datanet, contribution, passed, held, rejected, table, .. } =
            gate(&net(), ungated, 3, &[1], 1)
        else {
            unreachable!()
        };
        let reasons = reasons.iter().map(|&(name, count)| (code(name), count)).collect::<BTreeMap<_, _>>();
        Command::Gate { datanet, contribution, passed, held, rejected, reasons, table }
    };
    let many: Vec<String> = (0..65).map(|i| format!("r{i}")).collect();
    let many: Vec<(&str, u32)> = many.iter().map(|name| (name.as_str(), 1)).collect();
    let cases = vec![
        (AUTHOR, contribute(&net(), 0), "a contribution has 1 to 2000"),
        (AUTHOR, contribute(&net(), CONTRIBUTION_RECORDS_MAX + 1), "a contribution has 1 to 2000"),
        (AUTHOR, contribute(&"none".parse().unwrap(), 5), "there is no datanet none"),
        (AUTHOR, with_table(4), "table: has 4 rows, and must have 5"),
        (POOR, contribute(&net(), 5), "holds 0, and 50 base units are needed"),
        (AUTHOR, gate(&net(), ungated, 5, &[], 0), "only the operator may"),
        (OPERATOR, gate(&net(), 999, 5, &[], 0), "there is no contribution 999"),
        (OPERATOR, gate(&net(), gated, 10, &[], 0), "went through the gates in entry"),
        (OPERATOR, gate(&net(), ungated, 3, &[0], 0), "add up to 4, and the contribution has 5"),
        (OPERATOR, gate(&net(), ungated, u32::MAX, &[0], u32::MAX), "add up to"),
        (OPERATOR, gate(&net(), ungated, 3, &[1, 1], 0), "ascending indexes below 5"),
        (OPERATOR, gate(&net(), ungated, 3, &[2, 1], 0), "ascending indexes below 5"),
        (OPERATOR, gate(&net(), ungated, 3, &[1, 5], 0), "ascending indexes below 5"),
        (OPERATOR, because(&[("a", 1)]), "explain 1 records, and 2 are held or rejected"),
        (OPERATOR, because(&[("a", 2), ("b", 0)]), "each has one reason"),
        (OPERATOR, because(&[("a", u32::MAX), ("b", 3)]), "each has one reason"),
        (OPERATOR, because(&many), "has 65 codes; at most 64 fit"),
        (
            AUTHOR,
            review(&net(), gated, 5, true),
            "only the owner of the datanet or an appointed reviewer may",
        ),
        (
            OPERATOR,
            review(&net(), gated, 5, true),
            "only the owner of the datanet or an appointed reviewer may",
        ),
        (REVIEWER, review(&net(), gated, 2, true), "record 2 was decided in entry"),
        (REVIEWER, review(&net(), gated, 3, true), "is not held for review"),
        (REVIEWER, review(&net(), ungated, 0, true), "is not held for review"),
        (REVIEWER, review(&net(), own, 0, true), "nobody reviews their own records"),
        (REVIEWER, review(&net(), 999, 0, true), "there is no contribution 999"),
    ];
    check(&mut scene, cases);
    scene.world.act(OWNER, review(&net(), own, 0, true));
}

#[test]
fn snapshot_train_value() {
    let mut scene = scene();
    let (snapshot_seq, staged, valued) = (scene.snapshot, scene.staged, scene.valued);
    let scored = |score: assay_ledger::command::Score, count: usize| {
        let Command::Train { datanet, snapshot, weights, recipe, .. } = train(&net(), snapshot_seq) else {
            unreachable!()
        };
        let scores = (0..count).map(|i| (code(&format!("s{i}")), score.clone())).collect();
        Command::Train { datanet, snapshot, weights, recipe, scores }
    };
    let over = || assay_ledger::command::Score { accuracy_ppm: 1_000_001, ..score(0) };
    let upside_down = || assay_ledger::command::Score { low_microbits: 5, ..score(0) };
    let one = |records, low, value, high| vec![row(AUTHOR, records, low, value, high)];
    let rows = |part, rows| value_rows(&net(), staged, part, rows);
    let both = || vec![row(AUTHOR, 10, 1, 2, 3), row(REVIEWER, 3, 0, 0, 0)];
    let mut negative = one(10, 1, 2, 3);
    negative[0].se_microbits = -1;
    let first = account(AUTHOR).min(account(REVIEWER));
    let again = if first == account(AUTHOR) { one(10, 1, 2, 3) } else { vec![row(REVIEWER, 3, 0, 0, 0)] };
    let cases = vec![
        (AUTHOR, snapshot(&net(), 13), "only the operator or the owner of the datanet may"),
        (OWNER, snapshot(&net(), 12), "is 12, and 13 records have passed"),
        (AUTHOR, train(&net(), snapshot_seq), "only the operator or the appointed trainer may"),
        (TRAINER, train(&net(), 999), "there is no snapshot 999"),
        (TRAINER, scored(score(0), 17), "has 17 names; at most 16 fit"),
        (TRAINER, scored(over(), 1), "s0: bounds must be around"),
        (TRAINER, scored(upside_down(), 1), "s0: bounds must be around"),
        (TRAINER, rows(0, both()), "only the operator may"),
        (OPERATOR, value_rows(&net(), 999, 0, both()), "there is no model 999"),
        (OPERATOR, value_rows(&net(), valued, 0, both()), "was valued in entry"),
        (OPERATOR, rows(2, both()), "is 2; the next part is 1, and 0 starts again"),
        (OPERATOR, rows(0, vec![]), "has 0; a part has 1 to 40"),
        (OPERATOR, rows(0, vec![row(AUTHOR, 10, 1, 2, 3); ROWS_PER_EVENT + 1]), "has 41; a part has 1 to 40"),
        (OPERATOR, rows(0, vec![row(AUTHOR, 10, 1, 2, 3); 2]), "must ascend by account"),
        (OPERATOR, rows(1, again), "must ascend by account over all parts"),
        (OPERATOR, rows(0, one(8, 1, 2, 3)), "has 10 records in the snapshot, not 8"),
        (OPERATOR, rows(0, vec![row(OTHER, 0, 1, 2, 3)]), "has 0 records in the snapshot, not 0"),
        (OPERATOR, rows(0, one(10, 3, 2, 3)), "the bounds must be around the value"),
        (OPERATOR, rows(0, one(10, 1, 4, 3)), "the bounds must be around the value"),
        (OPERATOR, rows(0, negative), "the standard error not below zero"),
        (OPERATOR, rows(0, vec![row(REVIEWER, 3, 0, 1, 1)]), "an earlier run valued all 3 records"),
        (OPERATOR, rows(0, one(10, 0, 0, MICROBITS_MAX)), "the sums over all runs must be within"),
        (TRAINER, value(&net(), staged, 1, 2, 13), "only the operator may"),
        (OPERATOR, value(&net(), valued, 1, 120, 11), "was valued in entry"),
        (OPERATOR, value(&net(), staged, 2, 2, 13), "is 2, and 1 were sent"),
        (OPERATOR, value(&net(), staged, 1, 2, 13), "1 rows were sent, and the snapshot has 2 contributors"),
    ];
    check(&mut scene, cases);

    // Part 0 starts again; then the sum, the nodes and the table are looked at.
    scene.world.act(OPERATOR, rows(0, both()));
    let close = |change: &dyn Fn(&mut i64, &mut u32, &mut TableRef)| {
        let mut command = value(&net(), staged, 1, 2, 13);
        if let Command::Value { withheld_microbits, nodes, table, .. } = &mut command {
            change(withheld_microbits, nodes, table);
        }
        command
    };
    let cases = vec![
        (OPERATOR, value(&net(), staged, 1, 5, 13), "is 5, and the rows sum to 2"),
        (OPERATOR, close(&|withheld, _, _| *withheld = 1), "is 1; records that are kept out are charged"),
        (OPERATOR, close(&|_, nodes, _| *nodes = 0), "nodes: must be above zero"),
        (OPERATOR, close(&|_, _, table| table.rows = 11), "table: has 11 rows, and must have 13"),
    ];
    check(&mut scene, cases);
    let before = scene.world.state.clone();
    scene.world.act(OPERATOR, close(&|withheld, _, _| *withheld = -7));
    let net = scene.world.state.datanet(&common::net()).unwrap();
    assert_eq!(net.serving(), Some(staged));
    assert_eq!(net.valuations.values().next_back().unwrap().closure_microbits(), 2 + 7 - 3);
    // The second run adds to the first.
    let (author, reviewer) = (&net.contributors[&account(AUTHOR)], &net.contributors[&account(REVIEWER)]);
    assert_eq!((author.valued, author.value.low_microbits, author.value.value_microbits), (10, 51, 102));
    assert_eq!((reviewer.valued, reviewer.value.value_microbits), (3, 20));

    // A run that was sent before another one ended is looked at again.
    scene.world.state = before;
    let other = scene.world.act(TRAINER, train(&common::net(), snapshot_seq));
    let small = vec![row(AUTHOR, 8, 0, 0, 0), row(REVIEWER, 3, 0, 0, 0)];
    scene.world.act(OPERATOR, value_rows(&common::net(), other, 0, small));
    scene.world.act(OPERATOR, value(&common::net(), other, 1, 0, 11));
    scene.world.act(OPERATOR, value(&common::net(), staged, 1, 2, 13));
}

#[test]
fn audit_and_fund() {
    let mut scene = scene();
    let valuation = *scene.world.state.datanet(&net()).unwrap().valuations.keys().next().unwrap();
    let covered = |coverage| {
        let mut command = audit(&net(), valuation, 0, 2);
        if let Command::Audit { coverage_ppm, .. } = &mut command {
            *coverage_ppm = coverage;
        }
        command
    };
    let mut short = audit(&net(), valuation, 0, 2);
    if let Command::Audit { table, .. } = &mut short {
        table.rows = 1;
    }
    let cases = vec![
        (AUTHOR, audit(&net(), valuation, 0, 2), "only the operator may"),
        (OPERATOR, audit(&net(), 999, 0, 2), "there is no valuation 999"),
        (OPERATOR, audit(&net(), valuation, 1_000_001, 2), "a correlation is -1000000 to 1000000"),
        (OPERATOR, audit(&net(), valuation, -1_000_001, 2), "a correlation is -1000000 to 1000000"),
        (OPERATOR, covered(1_000_001), "coverage_ppm: is 1000001"),
        (OPERATOR, audit(&net(), valuation, 0, 0), "is 0, and the snapshot has 2"),
        (OPERATOR, audit(&net(), valuation, 0, 3), "is 3, and the snapshot has 2"),
        (OPERATOR, short, "table: has 1 rows, and must have 2"),
        (OTHER, fund(&net(), 10), "has no [reward]"),
    ];
    check(&mut scene, cases);
    scene.world.act(OPERATOR, audit(&net(), valuation, -1_000_000, 2));
    check(&mut scene, vec![(OPERATOR, audit(&net(), valuation, 1_000_000, 2), "was audited in entry")]);

    let charter = charter("other", 5, 0, false) + &rewarding(100, 0);
    scene.world.act(OWNER, create_with("other", charter));
    let other = "other".parse().unwrap();
    let cases = vec![
        (OTHER, fund(&other, 0), "amount: must be above zero"),
        (POOR, fund(&other, 1), "holds 0, and 1 base units are needed"),
        (OTHER, fund(&"none".parse().unwrap(), 1), "there is no datanet none"),
    ];
    check(&mut scene, cases);
    scene.world.act(OTHER, fund(&other, 7));
    assert_eq!(scene.world.balance(&Place::Reward(other)), 7);
}

#[test]
fn nothing_to_freeze_and_nothing_to_settle() {
    let mut world = World::with_net(2, 0, 1_000, 0, false);
    let empty = world.try_act(OPERATOR, snapshot(&net(), 0)).unwrap_err();
    assert!(empty.to_string().contains("no record has passed yet"));
    let early = world.try_act(OPERATOR, settle(&net(), 1)).unwrap_err();
    assert!(early.to_string().contains("there is no closed valuation yet"));
}

#[test]
fn serve_settle_publish() {
    let mut scene = scene();
    let (query, valued, staged) = (scene.query, scene.valued, scene.staged);
    let at_most = |units| Command::Ask {
        datanet: net(),
        query: digest("query"),
        price_max: amount(units),
        hold_hours: None,
    };
    let with = |of: &[(u8, u32)]| answer(&net(), query, valued, of);
    let release = |query| release(&net(), query);
    let publish = Command::Publish { datanet: net(), name: code("report"), table: table(1) };
    let mut backwards = with(&[(AUTHOR, 5), (REVIEWER, 5)]);
    if let Command::Answer { shares, .. } = &mut backwards {
        shares.reverse();
    }
    let cases = vec![
        (OTHER, at_most(999), "an answer costs 1000 base units, and the most offered is 999"),
        (POOR, at_most(1_000), "holds 0, and 1000 base units are needed"),
        (OTHER, with(&[]), "only the operator may"),
        (OPERATOR, answer(&net(), 999, valued, &[]), "there is no open question 999"),
        (OPERATOR, answer(&net(), query, 999, &[]), "there is no model 999"),
        (OPERATOR, answer(&net(), query, staged, &[]), "has no closed valuation"),
        (OPERATOR, with(&[(AUTHOR, 1); ANSWER_SHARES_MAX + 1]), "name the largest 50"),
        (OPERATOR, with(&[(AUTHOR, 1), (AUTHOR, 1)]), "must ascend by account"),
        (OPERATOR, backwards, "must ascend by account"),
        (OPERATOR, with(&[(AUTHOR, 0)]), "each above zero"),
        (OPERATOR, with(&[(AUTHOR, 500_001), (REVIEWER, 500_000)]), "sum to 1000001 parts per million"),
        (OPERATOR, with(&[(OTHER, 1)]), "has no record in the snapshot"),
        (OTHER, ask_for(&net(), Some(167)), "hold_hours: must be 168 to 8760"),
        (OTHER, ask_for(&net(), Some(8_761)), "hold_hours: must be 168 to 8760"),
        (OTHER, release(query), "only the operator, and who asked once the hold has expired, may"),
        (OPERATOR, release(999), "there is no open question 999"),
        (OWNER, settle(&net(), 1), "only the operator may"),
        (OPERATOR, settle(&net(), 2), "is 2, and epoch 1 is the open one"),
        (OWNER, publish, "only the operator may"),
    ];
    check(&mut scene, cases);

    metering(&mut scene);
    scene.world.act(OPERATOR, with(&[(AUTHOR, 1_000_000)]));
    let again = scene.world.act(OTHER, ask(&net()));
    scene.world.act(OPERATOR, release(again));
    assert_eq!(scene.world.balance(&user(OTHER)), 10_000 - 50 - 1_000, "the second price is back");
    check(
        &mut scene,
        vec![
            (OPERATOR, with(&[(AUTHOR, 1_000_000)]), "there is no open question"),
            (OPERATOR, release(again), "there is no open question"),
        ],
    );
}

/// One question of 1,000 is open, of which 700 go to contributors.
fn metering(scene: &mut Scene) {
    let (query, valued, staged) = (scene.query, scene.valued, scene.staged);
    let rows = |part, rows| meter_rows(&net(), part, rows);
    let mut backwards = vec![credit(AUTHOR, 5), credit(REVIEWER, 5)];
    backwards.sort_by(|a, b| b.account.cmp(&a.account));
    let close = |parts| meter(&net(), valued, query, 1, parts);
    let mut short = close(0);
    if let Command::Meter { table, .. } = &mut short {
        table.rows = 2;
    }
    check(
        scene,
        vec![
            (OTHER, rows(0, vec![credit(AUTHOR, 1)]), "only the operator may"),
            (OPERATOR, rows(1, vec![credit(AUTHOR, 1)]), "is 1; the next part is 0, and 0 starts again"),
            (OPERATOR, rows(0, vec![]), "has 0; a part has 1 to 128"),
            (
                OPERATOR,
                rows(0, vec![credit(AUTHOR, 1); CREDITS_PER_EVENT + 1]),
                "has 129; a part has 1 to 128",
            ),
            (OPERATOR, rows(0, vec![credit(AUTHOR, 1); 2]), "must ascend by account"),
            (OPERATOR, rows(0, backwards), "must ascend by account"),
            (OPERATOR, rows(0, vec![credit(AUTHOR, 0)]), "each above zero"),
            (OTHER, close(0), "only the operator may"),
            (OPERATOR, meter(&net(), 999, query, 1, 0), "there is no model 999"),
            (OPERATOR, meter(&net(), staged, query, 1, 0), "has no closed valuation"),
            (OPERATOR, meter(&net(), valued, query + 1, 1, 0), "there is no open question"),
            (OPERATOR, meter(&net(), valued, query, 2, 0), "answers: is 2; 1 are open up to"),
            (OPERATOR, close(1), "is 1, and 0 were sent"),
            (OPERATOR, short, "table"),
        ],
    );
    for (credits, told) in [
        (vec![credit(AUTHOR, 701)], "rows: credit 701 base units, and 700 are due to contributors"),
        (vec![credit(AUTHOR, AMOUNT_MAX)], "are due to contributors"),
        (vec![credit(OTHER, 1)], "has no record in the snapshot"),
    ] {
        scene.world.act(OPERATOR, rows(0, credits));
        check(scene, vec![(OPERATOR, close(1), told), (OPERATOR, close(2), "is 2, and 1 were sent")]);
    }
}

#[test]
fn a_command_counts_once_and_only_here() {
    let mut world = World::with_net(3, 10_000, 1_000, 0, false);
    let signed = world.sign(3, ask(&net()));
    let seq = world.submit(&signed).unwrap();
    let after = world.state.clone();
    assert_eq!(world.submit(&signed), Err(Refusal::Already { seq }));

    let mut other = signed.intent.clone();
    other.command = ask(&"digits".parse().unwrap());
    if let Command::Ask { query, .. } = &mut other.command {
        *query = digest("another question");
    }
    let other = other.sign(&key(3)).unwrap();
    assert_eq!(world.submit(&other), Err(Refusal::NonceReused { seq }));

    // The same nonce from another actor is another command.
    let mut theirs = signed.intent.clone();
    theirs.actor = account(2);
    world.submit(&theirs.sign(&key(2)).unwrap()).unwrap();
    world.state = after;

    let mut elsewhere = signed.intent.clone();
    elsewhere.origin = "example.org/other".to_owned();
    let refusal = world.submit(&elsewhere.sign(&key(3)).unwrap()).unwrap_err();
    assert!(matches!(refusal, Refusal::Origin { .. }) && refusal.kind() == Kind::Invalid);
}

#[test]
fn a_signature_covers_every_part_of_a_command() {
    let mut world = World::with_net(3, 10_000, 1_000, 0, false);
    let signed = world.sign(3, ask(&net()));
    let refused = |signed: &assay_ledger::command::Signed| {
        matches!(decide(&world.state, world.t, signed), Err(Refusal::Signature { .. }))
    };
    let mut nonce = signed.clone();
    nonce.intent.nonce = Nonce([9; 16]);
    let mut actor = signed.clone();
    actor.intent.actor = account(2);
    let mut command = signed.clone();
    command.intent.command = settle(&net(), 1);
    assert!(refused(&nonce) && refused(&actor) && refused(&command));
    for bit in 0..512 {
        let mut flipped = signed.clone();
        flipped.signature.0[bit / 8] ^= 1 << (bit % 8);
        assert!(refused(&flipped), "bit {bit}");
    }
    let zero = assay_ledger::command::Signed { signature: Signature([0; 64]), ..signed.clone() };
    assert!(refused(&zero));
    assert!(decide(&world.state, world.t, &signed).is_ok());
}

#[test]
fn time_never_falls_and_stays_an_exact_integer() {
    let mut world = World::with_net(3, 10_000, 1_000, 0, false);
    let signed = world.sign(3, ask(&net()));
    let last = world.state.t();
    for t in [last - 1, 0, 1 << 53, u64::MAX] {
        let refusal = decide(&world.state, t, &signed).unwrap_err();
        assert!(refusal.to_string().contains("time never falls"), "{t}: {refusal}");
    }
    assert!(decide(&world.state, last, &signed).is_ok());
}

#[test]
fn numbers_that_json_cannot_carry_are_refused() {
    let mut world = World::with_net(3, 10_000, 1_000, 0, false);
    let large = TableRef { bytes: 1 << 53, ..table(1) };
    let mut signed =
        world.sign(OPERATOR, Command::Publish { datanet: net(), name: code("report"), table: table(1) });
    if let Command::Publish { table, .. } = &mut signed.intent.command {
        *table = large;
    }
    let refusal = decide_verified(&world.state, world.t, &signed).unwrap_err();
    assert!(refusal.to_string().contains("is not an integer between"), "{refusal}");
    assert!(!signed.verify(&public(OPERATOR)) && signed.intent.clone().sign(&key(OPERATOR)).is_err());
}

#[test]
fn the_ledger_is_full_at_the_largest_amount() {
    let mut world = World::founded(2, 0);
    world.deposit(1, AMOUNT_MAX);
    assert_eq!(world.balance(&user(1)), i128::from(i64::MAX));
    let one = Command::Deposit { account: account(2), amount: amount(1), reference: code("one-more") };
    assert!(world.try_act(OPERATOR, one.clone()).unwrap_err().to_string().contains("all money together"));
    world.act(1, Command::Withdraw { amount: amount(1), reference: code("out") });
    assert_eq!(world.balance(&Place::External), -i128::from(i64::MAX - 1));
    world.act(OPERATOR, one);
}
