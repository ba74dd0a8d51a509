//! The whole path of a record through the ledger, with sums done by hand.
#![allow(clippy::unwrap_used)]

mod common;

use assay_ledger::amount::Place;
use assay_ledger::command::{Command, Role};
use assay_ledger::event::Standing;
use assay_ledger::replay::{Replay, Signatures};
use assay_ledger::state::State;
use assay_ledger::work::{Work, work};
use common::*;

#[test]
fn a_record_walks_the_whole_path() {
    let mut world = World::with_net(5, 10_000, 1_000, 10, true);
    let role = Role::Reviewer;
    world.act(1, Command::Appoint { datanet: net(), account: account(5), role });

    // 2 gives good records, 3 harmful ones, 4 unclear ones; each bond is 10 a record.
    let first = world.act(2, contribute(&net(), 10));
    assert_eq!(work(&world.state), [Work::Gate { datanet: net(), contribution: first }]);
    world.act(OPERATOR, gate(&net(), first, 7, &[2, 5], 1));
    world.act(5, review(&net(), first, 2, true));
    world.act(1, review(&net(), first, 5, false));
    world.contribution(3, 5);
    world.contribution(4, 5);
    assert_eq!(world.balance(&Place::Bond(net(), account(2))), 100);
    assert_eq!(world.state.datanet(&net()).unwrap().passed(), 18);

    let model = world.valued(&[(2, 50, 100, 150), (3, -90, -60, -30), (4, -20, 50, 120)]);
    let query = world.act(4, ask(&net()));
    assert_eq!(work(&world.state), [Work::Answer { datanet: net(), query, model }]);
    // 700 to the contributors: 420 to 2, 70 to 3, the remaining 210 to the pool; 100 to each other role.
    world.act(OPERATOR, answer(&net(), query, model, &[(2, 600_000), (3, 100_000)]));
    assert_eq!(world.balance(&Place::Accrued(net(), account(2))), 420);
    assert_eq!(world.balance(&Place::Accrued(net(), account(3))), 70);
    assert_eq!(world.balance(&Place::Pool(net())), 210);
    assert_eq!(world.balance(&Place::Reviews(net())), 100);
    assert_eq!(world.balance(&user(OPERATOR)), 200);

    // 3 loses what is at stake, 50, from accruals first. The pool of 260 goes 100 : 50, 173.3 and 86.7.
    let settled = world.act(OPERATOR, settle(&net(), 1));
    let rows: Vec<_> = world.log[settled as usize..].iter().flat_map(|e| &e.outcome.settled).collect();
    let of = |actor: u8| *rows.iter().find(|row| row.account == account(actor)).unwrap();
    assert_eq!((of(2).standing, of(2).released.units()), (Standing::Paid, 420 + 173 + 100));
    assert_eq!((of(3).standing, of(3).lost.units(), of(3).waiting.units()), (Standing::Harmful, 50, 20));
    assert_eq!((of(4).standing, of(4).pool.units(), of(4).waiting.units()), (Standing::Unproven, 87, 87));
    assert_eq!(world.balance(&user(2)), 10_000 + 420 + 173);
    assert_eq!(world.balance(&user(3)), 10_000 - 50, "the bond stays where it is");
    assert_eq!(world.balance(&Place::Bond(net(), account(3))), 50);
    assert_eq!(world.balance(&Place::Pool(net())), 0);
    assert_eq!(world.balance(&user(5)), 10_050);
    assert_eq!(world.balance(&user(1)), 10_050);
    check_invariants(&world.state);

    let mut replay = Replay::new(State::new(ORIGIN), Signatures::Check);
    for event in &world.log {
        replay.push(event).unwrap();
    }
    assert_eq!(replay.finish().unwrap(), world.state);
    let image = world.state.image().unwrap();
    assert_eq!(State::from_image(&image).unwrap(), world.state);
}

#[test]
fn a_second_run_pays_for_what_is_new() {
    let mut world = World::founded(5, 10_000);
    // A bit is worth 2,000,000: a micro-bit two units. Values count when an audit agrees at 0.6.
    let charter = charter("digits", 1_000, 10, true) + &rewarding(2_000_000, 600_000);
    world.act(1, create_with("digits", charter));
    world.act(5, fund(&net(), 500));
    world.contribution(2, 5);
    world.contribution(3, 5);
    world.valued(&[(2, 50, 100, 150), (3, -20, 40, 90)]);
    let paid = |world: &World, actor: u8| {
        (world.balance(&user(actor)), world.balance(&Place::Accrued(net(), account(actor))))
    };

    // Without an audit nothing moves; with a poor one neither.
    world.act(OPERATOR, settle(&net(), 1));
    let first = *world.state.datanet(&net()).unwrap().valuations.keys().next().unwrap();
    world.act(OPERATOR, audit(&net(), first, 599_999, 2));
    world.act(OPERATOR, settle(&net(), 2));
    assert_eq!([paid(&world, 2), paid(&world, 3)], [(9_950, 0), (9_950, 0)]);
    assert_eq!(world.balance(&Place::Reward(net())), 500);
    assert!(world.state.datanet(&net()).unwrap().epochs[&2].held_back);

    // Latecomers, 4 and again 3, share out what they add; 2 keeps 100 micro-bits.
    world.contribution(3, 3);
    world.contribution(4, 2);
    world.valued(&[(3, 21, 30, 40), (4, -60, -50, -40)]);
    let second = *world.state.datanet(&net()).unwrap().valuations.keys().next_back().unwrap();
    world.act(OPERATOR, audit(&net(), second, 600_000, 3));
    let fresh = world.act(2, contribute(&net(), 1));
    // Owed are 200 to 2 and 140 to 3, whose sums are 100 in [50, 150] and 70 in [1, 130]. 4 loses its bond of 20, which
    // goes 100 : 70, 11.8 and 8.2. The bond of the one record that no run has valued stays.
    let settled = world.act(OPERATOR, settle(&net(), 3));
    assert_eq!(paid(&world, 2), (10_000 - 10 + 200 + 12, 0));
    assert_eq!(paid(&world, 3), (10_000 + 140 + 8, 0));
    assert_eq!(paid(&world, 4), (9_980, 0));
    assert_eq!(world.balance(&Place::Bond(net(), account(2))), 10);
    assert_eq!(world.balance(&Place::Reward(net())), 160);
    let rows = world.log[settled as usize..].iter().flat_map(|e| &e.outcome.settled);
    let of_2 = rows.clone().find(|row| row.account == account(2)).unwrap();
    assert_eq!((of_2.reward.units(), of_2.at_stake.units(), of_2.low_microbits), (200, 10, 50));
    let closed = &world.state.datanet(&net()).unwrap().epochs[&3];
    assert_eq!([closed.rewarded, closed.rewards_paid, closed.lost].map(|sum| sum.units()), [340, 340, 20]);

    // Settled again, nobody is owed anything more.
    world.act(OPERATOR, gate(&net(), fresh, 1, &[], 0));
    world.act(OPERATOR, settle(&net(), 4));
    assert_eq!(world.balance(&Place::Reward(net())), 160);
    assert_eq!(paid(&world, 2), (10_000 - 10 + 200 + 12, 0));
    check_invariants(&world.state);
}
