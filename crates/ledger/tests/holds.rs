//! Holds: a price that is set aside for a question is paid in time, or goes back.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use assay_ledger::amount::Place;
use assay_ledger::command::Command;
use assay_ledger::limits::{HOLD_HOURS_MAX, INTEGER_MAX};
use assay_ledger::replay::{Replay, Signatures};
use assay_ledger::state::State;
use assay_ledger::statement::Statement;
use assay_ledger::work::{Work, work};
use common::*;
use proptest::prelude::*;

const OWNER: u8 = 1;
const CONSUMER: u8 = 2;
const OTHER: u8 = 3;
const PRICE: u128 = 1_000;

/// A datanet with a model that answers, whose charter asks for a week; its model.
fn world() -> (World, u64) {
    let mut world = World::with_net(3, 100_000, PRICE, 0, false);
    world.contribution(OWNER, 5);
    let model = world.valued(&[(OWNER, 50, 100, 150)]);
    (world, model)
}

fn statement(world: &World) -> Statement {
    let mut fold = Statement::new(account(CONSUMER));
    world.log.iter().for_each(|event| fold.push(event));
    fold.finish()
}

#[test]
fn what_is_held_is_paid_in_time_or_goes_back() {
    let (mut world, model) = world();
    let query = world.act(CONSUMER, ask_for(&net(), Some(168)));
    let asked = world.state.t();
    let expires = asked + 168 * HOUR_MS;
    assert_eq!(statement(&world).holds[&query].expires, Some(expires));
    assert_eq!(statement(&world).holds[&query].amount, amount(PRICE));
    let at = |world: &World, t: u64, actor: u8, command: Command| {
        let mut world = world.fork(t - 7);
        world.try_act(actor, command).map(|_| world.state).map_err(|refusal| refusal.to_string())
    };
    let give = || answer(&net(), query, model, &[]);
    // To the millisecond: until then it is paid for, and nobody but the operator gives it back.
    assert!(at(&world, expires - 1, OPERATOR, give()).is_ok());
    assert!(at(&world, expires - 1, CONSUMER, release(&net(), query)).unwrap_err().contains("once the hold"));
    assert!(at(&world, expires, OPERATOR, give()).unwrap_err().contains("its price can only go back"));
    for actor in [OTHER, OWNER] {
        assert!(
            at(&world, expires, actor, release(&net(), query))
                .unwrap_err()
                .contains("only the operator, and")
        );
    }
    for (actor, t) in [(OPERATOR, asked), (OPERATOR, expires), (CONSUMER, expires), (CONSUMER, INTEGER_MAX)] {
        let after = at(&world, t, actor, release(&net(), query)).unwrap();
        assert_eq!(after.balance(&user(CONSUMER)), 100_000);
        assert_eq!(after.balance(&Place::Held(net())), 0);
        check_invariants(&after);
    }
    // It is due as long as it can be paid for.
    assert_eq!(work(&world.state), [Work::Answer { datanet: net(), query, model }]);
    world.t = expires;
    world.deposit(OTHER, 1);
    assert_eq!(work(&world.state), []);
    world.act(CONSUMER, release(&net(), query));
    assert!(statement(&world).holds.is_empty());
}

#[test]
fn a_hold_without_hours_stays_and_the_longest_ends_within_time() {
    let (mut world, model) = world();
    let [stays, long] = [None, Some(HOLD_HOURS_MAX)].map(|hours| world.act(CONSUMER, ask_for(&net(), hours)));
    world.t = INTEGER_MAX - 1_000;
    assert!(world.try_act(CONSUMER, release(&net(), stays)).is_err());
    world.act(CONSUMER, release(&net(), long));
    world.act(OPERATOR, answer(&net(), stays, model, &[]));
    let last = world.act(CONSUMER, ask_for(&net(), Some(168)));
    assert_eq!(world.state.datanet(&net()).unwrap().queries[&last].expires, Some(INTEGER_MAX));
    assert!(world.state.digest().is_ok());
}

proptest! {
    #[test]
    fn any_sequence_of_holds_follows_the_rules(
        steps in prop::collection::vec((0..4_u8, 0..8_usize, any::<bool>(), 0..120_u64), 1..60),
    ) {
        let (mut world, model) = world();
        let begin = world.balance(&user(CONSUMER));
        // Open questions with their expiry, by hand.
        let mut open: BTreeMap<u64, Option<u64>> = BTreeMap::new();
        let mut paid = 0;
        for (what, which, own, hours) in steps {
            world.t += hours * HOUR_MS;
            let t = world.t + 7;
            let chosen = open.iter().nth(which % open.len().max(1)).map(|(&query, &expires)| (query, expires));
            match (what, chosen) {
                (0 | 1, _) => {
                    let hours = [None, Some(168), Some(200), Some(500)][which % 4];
                    let query = world.act(CONSUMER, ask_for(&net(), hours));
                    open.insert(query, hours.map(|hours| t + u64::from(hours) * HOUR_MS));
                }
                (_, None) => continue,
                (2, Some((query, expires))) => {
                    let good = expires.is_none_or(|expires| t < expires);
                    prop_assert_eq!(world.try_act(OPERATOR, answer(&net(), query, model, &[])).is_ok(), good);
                    paid += u128::from(good) * PRICE;
                    if good { open.remove(&query); }
                }
                (_, Some((query, expires))) => {
                    let good = !own || expires.is_some_and(|expires| t >= expires);
                    let actor = if own { CONSUMER } else { OPERATOR };
                    prop_assert_eq!(world.try_act(actor, release(&net(), query)).is_ok(), good);
                    if good { open.remove(&query); }
                }
            }
            let held = PRICE as i128 * open.len() as i128;
            prop_assert_eq!(world.balance(&Place::Held(net())), held);
            prop_assert_eq!(world.balance(&user(CONSUMER)), begin - held - paid as i128);
            check_invariants(&world.state);
        }
        let stated = statement(&world).holds;
        prop_assert!(stated.iter().map(|(&query, hold)| (query, hold.expires)).eq(open));
        let mut replay = Replay::new(State::new(ORIGIN), Signatures::Check);
        for event in &world.log {
            prop_assert!(replay.push(event).is_ok());
        }
        prop_assert_eq!(replay.finish().unwrap(), world.state);
    }
}
