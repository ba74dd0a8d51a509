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
