//! Metering: many answers in one entry come to the same as an entry each.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use assay_ledger::amount::Place;
use assay_ledger::codec::canonical;
use assay_ledger::command::{Command, Credit, Share};
use assay_ledger::limits::{CREDITS_PER_EVENT, METERED_PER_EVENT};
use assay_ledger::meter::{Metered, credits, root};
use assay_ledger::replay::{Replay, Signatures};
use assay_ledger::state::State;
use assay_ledger::statement::{Item, Statement};
use common::naive::hamilton;
use common::*;
use proptest::prelude::*;

const CONTRIBUTORS: u8 = 150;
const CONSUMER: u8 = 1;

/// A datanet whose contributors are actors 1 to 150, with a model that answers for `price`.
fn world(price: u128) -> (World, u64) {
    let mut world = World::with_net(CONTRIBUTORS, 0, price, 0, false);
    world.deposit(CONSUMER, 10_000_000);
    for actor in 1..=CONTRIBUTORS {
        world.contribution(actor, 1);
    }
    let passed = world.state.datanet(&net()).unwrap().passed();
    let frozen = world.act(OPERATOR, snapshot(&net(), passed));
    let model = world.act(OPERATOR, train(&net(), frozen));
    let mut rows: Vec<_> = (1..=CONTRIBUTORS).map(|actor| row(actor, 1, 5, 10, 15)).collect();
    rows.sort_by(|a, b| a.account.cmp(&b.account));
    for (part, rows) in (0..).zip(rows.chunks(40)) {
        world.act(OPERATOR, value_rows(&net(), model, part, rows.to_vec()));
    }
    world.act(OPERATOR, value(&net(), model, 4, 10 * i64::from(CONTRIBUTORS), passed));
    (world, model)
}

/// Sends the credits, and closes the metering of all questions up to `through`.
fn close(world: &mut World, model: u64, through: u64, answers: &[Metered], credits: &[Credit]) -> u64 {
    let parts = credits.chunks(CREDITS_PER_EVENT);
    let sent = parts.len() as u32;
    for (part, rows) in (0..).zip(parts) {
        world.act(OPERATOR, meter_rows(&net(), part, rows.to_vec()));
    }
    let mut command = meter(&net(), model, through, answers.len() as u64, sent);
    if let Command::Meter { root: of, .. } = &mut command {
        *of = root(answers).unwrap();
    }
    world.act(OPERATOR, command)
}

fn replays(world: &World) {
    let mut replay = Replay::new(State::new(ORIGIN), Signatures::Check);
    world.log.iter().for_each(|event| replay.push(event).unwrap());
    assert_eq!(replay.finish().unwrap(), world.state);
    assert_eq!(State::from_image(&world.state.image().unwrap()).unwrap(), world.state);
}

fn shares_of(query: u64, named: u64) -> Vec<(u8, u32)> {
    let actor = |i: u64| 1 + ((query * 31 + i * 7) % u64::from(CONTRIBUTORS)) as u8;
    (0..named).map(|i| (actor(i), 17_003 + (query * i % 5_000) as u32)).collect()
}

#[test]
fn metered_or_each_on_its_own_the_books_are_the_same() {
    let (mut one, model) = world(1_009);
    let queries: Vec<u64> = (0..60).map(|_| one.act(CONSUMER, ask(&net()))).collect();
    let (later, released) = (one.act(CONSUMER, ask(&net())), queries[7]);
    one.act(OPERATOR, release(&net(), released));
    let answers: Vec<Metered> = queries
        .iter()
        .filter(|&&query| query != released)
        .map(|&query| metered(query, &shares_of(query, query % 40)))
        .collect();
    let mut many = one.fork(one.t);

    for &Metered { query, .. } in &answers {
        one.act(OPERATOR, answer(&net(), query, model, &shares_of(query, query % 40)));
    }
    let credits = credits(many.state.datanet(&net()).unwrap(), model, &answers).unwrap();
    assert!(credits.len() > CREDITS_PER_EVENT, "{}", credits.len());
    let seq = close(&mut many, model, *queries.last().unwrap(), &answers, &credits);
    assert_eq!(many.state.size() - seq, 1 + (credits.len() as u64 + 3) / METERED_PER_EVENT as u64);

    assert!(one.state.balances().iter().eq(many.state.balances().iter()));
    let [a, b] = [&one, &many].map(|world| world.state.datanet(&net()).unwrap());
    assert_eq!((&a.epochs, &a.queries, &a.metering), (&b.epochs, &b.queries, &b.metering));
    assert!(b.queries.keys().eq([&later]), "a question that came later stays open");
    for world in [&one, &many] {
        check_invariants(&world.state);
    }
    for world in [&mut one, &mut many] {
        world.act(OPERATOR, settle(&net(), 1));
    }
    assert!(one.state.balances().iter().eq(many.state.balances().iter()));
}

#[test]
fn a_metering_replays_and_shows_in_statements() {
    let (mut world, model) = world(1_009);
    let queries: Vec<u64> = (0..40).map(|_| world.act(CONSUMER, ask(&net()))).collect();
    let answers: Vec<Metered> = queries.iter().map(|&query| metered(query, &shares_of(query, 20))).collect();
    let credits = credits(world.state.datanet(&net()).unwrap(), model, &answers).unwrap();
    let fold = |world: &World, actor: u8| {
        let mut fold = Statement::new(account(actor));
        world.log.iter().for_each(|event| fold.push(event));
        fold.finish()
    };
    assert_eq!(fold(&world, CONSUMER).holds.len(), 40);
    close(&mut world, model, queries[39], &answers, &credits);
    assert!(fold(&world, CONSUMER).holds.is_empty());
    for Credit { account: who, amount } in &credits {
        let actor = (1..=CONTRIBUTORS).find(|&actor| account(actor) == *who).unwrap();
        let statement = fold(&world, actor);
        let items = &statement.epochs.last().unwrap().items;
        assert_eq!(items[&Item::AnswerShare].units(), amount.units());
        assert_eq!(statement.places[&Place::Accrued(net(), who.clone())].closing, *amount);
    }
    replays(&world);
    // A part that begins anew forgets the ones before.
    world.act(OPERATOR, meter_rows(&net(), 0, credits[..9].to_vec()));
    world.act(OPERATOR, meter_rows(&net(), 0, credits[..2].to_vec()));
    assert_eq!(world.state.datanet(&net()).unwrap().metering.as_ref().unwrap().credits.len(), 2);
    replays(&world);
}

/// A metering that was begun and never closed does not stand in the way of one that credits nobody.
#[test]
fn what_was_sent_and_not_closed_is_left_behind() {
    let (mut world, model) = world(1_009);
    let query = world.act(CONSUMER, ask(&net()));
    world.act(OPERATOR, meter_rows(&net(), 0, vec![credit(1, 300)]));
    world.act(OPERATOR, meter(&net(), model, query, 1, 0));
    assert_eq!(world.balance(&Place::Pool(net())), 706);
    assert_eq!(world.balance(&Place::Accrued(net(), account(1))), 0);
    assert!(world.state.datanet(&net()).unwrap().metering.is_none());
    replays(&world);
}

#[test]
fn an_expired_hold_is_not_metered() {
    let (mut world, model) = world(1_009);
    let queries = [200, 168, 300].map(|hours| world.act(CONSUMER, ask_for(&net(), Some(hours))));
    world.t += 170 * HOUR_MS;
    let refused = world.try_act(OPERATOR, meter(&net(), model, queries[2], 3, 0)).unwrap_err();
    assert!(refused.to_string().contains(&format!("the hold for question {} has expired", queries[1])));
    world.act(OPERATOR, release(&net(), queries[1]));
    world.act(OPERATOR, meter(&net(), model, queries[2], 2, 0));
    assert_eq!(world.balance(&Place::Pool(net())), 2 * 706, "no shares: all that is for contributors");
    check_invariants(&world.state);
}

#[test]
fn credits_name_what_is_wrong() {
    let (world, model) = world(1_009);
    let net = world.state.datanet(&net()).unwrap();
    let told = |answers: &[Metered]| credits(net, model, answers).unwrap_err().to_string();
    assert!(told(&[metered(9, &[(OPERATOR, 1)])]).contains("has no record in the snapshot"));
    assert!(told(&[metered(9, &[(1, 600_000), (2, 400_001)])]).contains("sum to 1000001 parts"));
    assert!(told(&[metered(9, &[(1, 0)])]).contains("each above zero"));
    let mut backwards = metered(9, &[(1, 5), (2, 5)]);
    backwards.shares.reverse();
    assert!(told(&[backwards]).contains("must ascend"));
    assert!(credits(net, 1, &[]).unwrap_err().to_string().contains("there is no model 1"));
}

#[test]
fn a_leaf_is_canonical_json() {
    let answer = metered(77, &[(1, 250_000), (2, 1)]);
    let leaf = answer.leaf().unwrap();
    assert_eq!(leaf, canonical(&answer).unwrap());
    assert_eq!(Metered::from_leaf(&leaf).unwrap(), answer);
    let text = String::from_utf8(leaf).unwrap();
    assert!(
        text.ends_with(&format!(",\"query\":77,\"shares\":{}}}", answer.shares_text().unwrap())),
        "{text}"
    );
    for other in
        [text.replace(':', ": "), text.replace("77", "77.0"), text.replace("{\"answer", "{\"x\":1,\"answer")]
    {
        assert!(Metered::from_leaf(other.as_bytes()).is_err(), "{other}");
    }
    assert_eq!(Metered::shares_of(&answer.shares_text().unwrap()).unwrap(), answer.shares);
    assert!(Metered::shares_of("[ ]").is_err() && Metered::shares_of("").is_err());
    assert_eq!(Metered::shares_of("[]").unwrap(), Vec::<Share>::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Against the division that shares no arithmetic with ours, at prices that leave many equal remainders and at large ones.
    #[test]
    fn credits_are_the_sums_of_single_divisions(
        price in prop_oneof![1..40_u128, 1..10_000_000_u128, Just(1_000_000), (1..9_u128).prop_map(|n| n << 54)],
        of in prop::collection::vec(prop::collection::btree_map(1..=CONTRIBUTORS, 1..20_000_u32, 0..50), 1..20),
    ) {
        let world = world(price);
        let answers: Vec<Metered> = (1_000..).zip(&of).map(|(query, of)| {
            metered(query, &of.iter().map(|(&actor, &ppm)| (actor, ppm)).collect::<Vec<_>>())
        }).collect();
        let mut sums: BTreeMap<String, u128> = BTreeMap::new();
        for Metered { query, shares, .. } in &answers {
            let split = &world.0.state.datanet(&net()).unwrap().charter.split;
            let roles = [("contributors", split.contributors), ("reviewers", split.reviewers),
                ("trainer", split.trainer), ("platform", split.platform)];
            let roles = roles.map(|(name, ppm)| (name.to_owned(), u128::from(ppm)));
            let part = hamilton(price, *query, &roles)[0];
            let mut claims: Vec<(String, u128)> =
                shares.iter().map(|share| (share.account.to_string(), share.ppm.into())).collect();
            claims.push(("pool".to_owned(), 1_000_000 - claims.iter().map(|(_, ppm)| ppm).sum::<u128>()));
            for ((name, _), part) in claims.iter().zip(hamilton(part, *query, &claims)) {
                *sums.entry(name.clone()).or_default() += part;
            }
        }
        sums.remove("pool");
        sums.retain(|_, units| *units > 0);
        let found = credits(world.0.state.datanet(&net()).unwrap(), world.1, &answers).unwrap();
        let found: BTreeMap<String, u128> =
            found.into_iter().map(|credit| (credit.account.to_string(), credit.amount.units())).collect();
        prop_assert_eq!(found, sums);
    }
}
