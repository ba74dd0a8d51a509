//! Prices that are held for questions which nobody answered in time.

#![allow(clippy::unwrap_used)]

mod small;

use std::path::Path;

use assay_ledger::amount::{Amount, Place};
use assay_ledger::command::Command;
use assay_ledger::ids::DatanetId;
use assay_ledger::work::work;
use assay_node::{Ground, Home, Node, verify};
use small::{PRICE, records, world};

const WEEK_MS: u64 = 7 * 24 * 3_600_000;

/// The node at time `t`.
fn at(path: &Path, t: u64) -> Node {
    let home = Home::open(path).unwrap();
    let ground = Ground::of(&home).unwrap();
    Node::open_on(home, Ground { clock: Box::new(move || t), ..ground }).unwrap()
}

fn free(node: &Node) -> u128 {
    let carol = node.account_of(&node.home().key("carol").unwrap());
    node.state().balances().at(&Place::User(carol)).units()
}

fn ask(node: &mut Node, net: &DatanetId, place: u64) -> u64 {
    let carol = node.home().key("carol").unwrap();
    node.ask(&carol, net, &records(1, place, 1)).unwrap().pop().unwrap().unwrap()
}

#[test]
fn a_price_goes_back_when_nobody_answered_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let (path, net) = world(dir.path(), 1);
    let begin = small::open(&path).unwrap().state().t();
    let mut node = at(&path, begin);
    let carol = node.home().create_key("carol").unwrap();
    let account = node.account(&carol).unwrap();
    let (operator, money) = (node.operator().clone(), 10 * PRICE);
    let reference = "in-1".parse().unwrap();
    let amount = Amount::new(money).unwrap();
    node.act(&operator, Command::Deposit { account, amount, reference }).unwrap();
    let (first, second) = (ask(&mut node, &net, 1), ask(&mut node, &net, 2));
    assert_eq!((free(&node), work(node.state()).len()), (money - 2 * PRICE, 2));
    let release = |query| Command::Release { datanet: net.clone(), query, reason: "late".parse().unwrap() };

    // Nobody takes it back in time; a moment later whoever asked does, and the node gives back the other.
    drop(node);
    let mut node = at(&path, begin + WEEK_MS - 1);
    assert!(node.act(&carol, release(first)).is_err());
    drop(node);
    let mut node = at(&path, begin + WEEK_MS);
    node.act(&carol, release(first)).unwrap();
    assert_eq!(free(&node), money - PRICE);
    assert!(node.answer(&net).unwrap().is_empty());
    assert_eq!((free(&node), node.answered(second).unwrap().is_none()), (money, true));

    // A question in time is answered as ever.
    let third = ask(&mut node, &net, 3);
    drop(node);
    let mut node = at(&path, begin + 2 * WEEK_MS - 1);
    assert_eq!(node.answer(&net).unwrap()[0].query, third);
    assert_eq!(free(&node), money - PRICE);
    verify(&path.join("public"), None, &|_, _| {}).unwrap();
}
