//! Any sequence of commands, wise or not, keeps the books: a seeded world of eight actors and two datanets.
//!
//! `ASSAY_SEEDS=1000` runs more worlds than the few of every test run. A failure names its seed.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_macros)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use assay_ledger::amount::Place;
use assay_ledger::codec::{canonical, decode, decode_entry, encode};
use assay_ledger::command::{Command, Credit, Role, Signed, ValueRow};
use assay_ledger::event::Cause;
use assay_ledger::ids::{AccountId, DatanetId};
use assay_ledger::refusal::Refusal;
use assay_ledger::replay::{Replay, Signatures};
use assay_ledger::state::State;
use assay_ledger::statement::Statement;
use common::naive::Naive;
use common::*;

const ACTORS: u8 = 8;
const STEPS: usize = 400;

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn actor(&mut self) -> u8 {
        1 + self.below(u64::from(ACTORS)) as u8
    }

    fn pick<T>(&mut self, items: impl IntoIterator<Item = T>) -> Option<T> {
        let mut items: Vec<T> = items.into_iter().collect();
        match items.len() {
            0 => None,
            n => Some(items.swap_remove(self.below(n as u64) as usize)),
        }
    }
}

fn nets() -> [DatanetId; 2] {
    [net(), "n".repeat(64).parse().unwrap()]
}

fn actor_of(id: &AccountId) -> u8 {
    (0..=ACTORS + 2).find(|&actor| account(actor) == *id).unwrap()
}

/// Somebody asks for something that is likely to be allowed, or not.
fn wish(dice: &mut Dice, world: &mut World) -> Option<(u8, Command)> {
    if dice.one_in(12) {
        let actor = dice.below(u64::from(ACTORS) + 1) as u8;
        return Some((actor, key_wish(dice, world, actor)));
    }
    let id = dice.pick(nets())?;
    let Some(net) = world.state.datanet(&id) else {
        let (price, stake) = (u128::from(1 + dice.below(500)), u128::from(dice.below(20)));
        let rules = match dice.one_in(4) {
            true => String::new(),
            false => rewarding(u128::from(1 + dice.below(1_000_000)), dice.below(2) as u32 * 500_000),
        };
        let charter = charter(id.as_str(), price, stake, dice.one_in(2)) + &rules;
        return Some((dice.actor(), create_with(id.as_str(), charter)));
    };
    let fresh = code(&format!("p{}", world.state.size()));
    let (actor, command) = match dice.below(28) {
        0 | 1 => {
            let (to, units) = (account(dice.actor()), amount(u128::from(dice.below(3_000))));
            (OPERATOR, Command::Deposit { account: to, amount: units, reference: fresh })
        }
        2 => (dice.actor(), Command::Withdraw { amount: amount(dice.below(300).into()), reference: fresh }),
        3 => {
            let role = dice.pick([Role::Reviewer, Role::Trainer])?;
            (actor_of(&net.owner), Command::Appoint { datanet: id, account: account(dice.actor()), role })
        }
        4..=6 => (dice.actor(), contribute(&id, dice.below(9) as u32)),
        7 | 8 => {
            let contribution = dice.pick(net.ungated.iter().copied())?;
            let records = net.contributions[&contribution].records;
            let held: Vec<u32> = (0..records).filter(|_| dice.one_in(3)).collect();
            let rest = records - held.len() as u32;
            let rejected = dice.below(u64::from(rest) + 1) as u32;
            (OPERATOR, gate(&id, contribution, rest - rejected, &held, rejected))
        }
        9 | 10 => {
            let (contribution, index) = dice.pick(net.held())?;
            let reviewer = dice.pick(net.reviewers.iter().chain([&net.owner]))?;
            (actor_of(reviewer), review(&id, contribution, index, dice.one_in(2)))
        }
        11 => (OPERATOR, snapshot(&id, net.passed())),
        12 => {
            let trainer = dice.pick([OPERATOR, actor_of(&net.trainer)])?;
            (trainer, train(&id, *net.snapshots.keys().next_back()?))
        }
        13 | 14 => (OPERATOR, valuing(dice, &id, world)?),
        15 | 16 => (dice.actor(), ask_for(&id, dice.pick([None, Some(168), Some(200), Some(1)])?)),
        17 | 18 => {
            let query = *dice.pick(net.queries.keys())?;
            let model = dice.pick(net.models.iter().filter(|(_, m)| m.valuation.is_some()))?;
            let mut left = 1_000_000;
            let accounts = net.snapshots[&model.1.snapshot].counts.keys();
            let mut of = Vec::new();
            for id in accounts {
                let ppm = dice.below(left + 1) as u32;
                if ppm > 0 && dice.one_in(2) {
                    of.push((actor_of(id), ppm));
                    left -= u64::from(ppm);
                }
            }
            (OPERATOR, answer(&id, query, *model.0, &of))
        }
        22 => {
            let most = dice.pick([12, 400])?;
            (dice.actor(), fund(&id, dice.below(most).into()))
        }
        23 => {
            let (&valuation, valued) = dice.pick(&net.valuations)?;
            let contributors = net.snapshots[&net.models[&valued.model].snapshot].counts.len();
            let rank = dice.below(2_000_001) as i64 - 1_000_000;
            (OPERATOR, audit(&id, valuation, rank, 1 + dice.below(contributors as u64)))
        }
        24 if dice.one_in(4) => {
            let (&contribution, offered) = dice.pick(&net.contributions)?;
            let actor = dice.pick([OPERATOR, actor_of(&offered.author)])?;
            (actor, Command::Retract { datanet: id, contribution, reason: fresh })
        }
        25 if net.metering.is_none() || dice.one_in(3) => {
            let (_, model) = dice.pick(net.models.iter().filter(|(_, m)| m.valuation.is_some()))?;
            let accounts = net.snapshots[&model.snapshot].counts.keys().filter(|_| dice.one_in(2)).cloned();
            let accounts: Vec<AccountId> = accounts.collect();
            let rows = accounts.into_iter().map(|account| {
                let amount = amount(u128::from(dice.below(25)));
                Credit { account, amount }
            });
            let rows = rows.collect();
            let parts = net.metering.as_ref().map_or(0, |staged| staged.parts);
            (OPERATOR, meter_rows(&id, dice.pick([0, 0, parts])?, rows))
        }
        25..=27 => {
            let through = *dice.pick(net.queries.keys())?;
            let (&model, _) = dice.pick(net.models.iter().filter(|(_, m)| m.valuation.is_some()))?;
            let parts = net.metering.as_ref().filter(|_| !dice.one_in(6)).map_or(0, |staged| staged.parts);
            (OPERATOR, meter(&id, model, through, net.queries.range(..=through).count() as u64, parts))
        }
        19 if dice.one_in(3) => {
            let (&query, open) = dice.pick(&net.queries)?;
            let actor = dice.pick([OPERATOR, actor_of(&open.consumer)])?;
            (actor, release(&id, query))
        }
        19 | 20 => (OPERATOR, settle(&id, net.epoch)),
        _ => (OPERATOR, Command::Publish { datanet: id, name: code("report"), table: table(1) }),
    };
    Some(match dice.below(10) {
        0 => (dice.below(u64::from(ACTORS) + 2) as u8, command),
        _ => (actor, command),
    })
}

/// Another key for an account: a new one, or one that somebody has had.
fn key_wish(dice: &mut Dice, world: &mut World, actor: u8) -> Command {
    let new = if dice.one_in(5) { key(dice.actor()) } else { world.draw() };
    dice.pick([rotate(actor, &new), set_recovery(actor, &new), recover(actor, &new)]).unwrap()
}

/// The next step towards a valuation: rows in two parts, then the sum.
fn valuing(dice: &mut Dice, id: &DatanetId, world: &World) -> Option<Command> {
    let net = world.state.datanet(id)?;
    let (&model, trained) = net.models.iter().rfind(|(_, model)| model.valuation.is_none())?;
    let counts = &net.snapshots[&trained.snapshot].counts;
    let staged = net.staged.get(&model).cloned().unwrap_or_default();
    let todo = counts.iter().filter(|(account, _)| !staged.rows.contains_key(*account));
    let rows: Vec<ValueRow> = todo
        .take(3)
        .map(|(id, &records)| {
            if net.contributors[id].valued == records {
                return row(actor_of(id), records, 0, 0, 0);
            }
            let middle = dice.below(2_001) as i64 - 800;
            let (below, above) = (dice.below(500) as i64, dice.below(500) as i64);
            row(actor_of(id), records, middle - below, middle, middle + above)
        })
        .collect();
    if rows.is_empty() {
        let sum = staged.rows.values().map(|row| row.value_microbits).sum();
        return Some(value(id, model, staged.parts, sum, net.snapshots[&trained.snapshot].records));
    }
    Some(value_rows(id, model, staged.parts, rows))
}

fn run(seed: u64) -> (World, BTreeMap<&'static str, usize>) {
    let mut dice = Dice(seed);
    let mut world = World::founded(ACTORS, 0);
    let mut naive = Naive::default();
    for event in &world.log {
        if let Cause::Command(signed) = &event.cause {
            naive.accept(event.seq, &signed.intent, &world.state);
        }
    }
    let mut accepted: Vec<(u64, Signed)> = Vec::new();
    let mut counts = BTreeMap::new();
    for _ in 0..STEPS {
        // Now and then days pass.
        world.t += if dice.one_in(20) { dice.below(150) * HOUR_MS } else { 0 };
        if let Some((seq, old)) = accepted.get(dice.below(8 * STEPS as u64) as usize).cloned() {
            retry(&mut world, seq, &old);
        }
        let Some((actor, command)) = wish(&mut dice, &mut world) else { continue };
        let kind = command.kind();
        let signed = world.sign(actor, command);
        if let Ok(seq) = world.submit(&signed) {
            *counts.entry(kind).or_default() += 1;
            naive.accept(seq, &signed.intent, &world.state);
            accepted.push((seq, signed));
            check_invariants(&world.state);
            agrees(&world.state, &naive);
        }
    }
    (world, counts)
}

fn agrees(state: &State, naive: &Naive) {
    let ours: BTreeMap<String, i128> =
        state.balances().iter().map(|(place, units)| (place.to_string(), units.units() as i128)).collect();
    let mut theirs = naive.money.clone();
    assert_eq!(theirs.remove("external").unwrap_or(0), state.balance(&Place::External));
    theirs.retain(|_, units| *units != 0);
    assert_eq!(ours, theirs);
}

/// The same again is answered with the first place; another command under its nonce is not.
fn retry(world: &mut World, seq: u64, old: &Signed) {
    assert_eq!(world.submit(old), Err(Refusal::Already { seq }));
    let mut other = old.intent.clone();
    let reference = code("another");
    other.command = Command::Withdraw { amount: amount(1), reference };
    let other = world.sign_intent(actor_of(&old.intent.actor), other);
    assert_eq!(world.submit(&other), Err(Refusal::NonceReused { seq }));
}

fn replay_from(state: State, world: &World, signatures: Signatures) {
    let (mut folded, mut replay) = (state.clone(), Replay::new(state, signatures));
    for event in &world.log[replay.state().size() as usize..] {
        let bytes = encode(event).unwrap();
        assert_eq!(bytes, canonical(event).unwrap());
        let decoded = decode(&bytes).unwrap();
        assert_eq!(&decoded, event);
        replay.push_entry(&decode_entry(&bytes).unwrap()).unwrap();
        folded.apply_entry(&decode_entry(&bytes).unwrap());
    }
    assert_eq!(folded, world.state);
    assert_eq!(replay.finish().unwrap(), world.state);
}

/// An image at the last command before the middle, and the entries after it, give the live state.
fn restart_from_image(world: &World) {
    let commands = world.log.iter().take(world.log.len() / 2);
    let cut = commands.rev().find(|event| matches!(event.cause, Cause::Command(_))).unwrap().seq;
    let mut state = State::new(ORIGIN);
    world.log[..cut as usize].iter().for_each(|event| state.apply(event));
    let image = state.image().unwrap();
    let read = State::from_image(&image).unwrap();
    assert_eq!(read, state);
    assert_eq!(read.digest().unwrap(), state.digest().unwrap());
    replay_from(read, world, Signatures::Elsewhere);
}

fn statements_close(world: &World) {
    for actor in 0..=ACTORS {
        let fold = |mut fold: assay_ledger::statement::StatementFold| {
            world.log.iter().for_each(|event| fold.push(event));
            fold.finish()
        };
        let whole = fold(Statement::new(account(actor)));
        let own = |place: &Place| place.to_string().ends_with(account(actor).as_str());
        for (place, amount) in world.state.balances().iter().filter(|(place, _)| own(place)) {
            assert_eq!(whole.places[&place].closing, amount);
        }
        closes(&whole);
        for id in nets() {
            let Some(net) = world.state.datanet(&id) else { continue };
            let epochs =
                (1..=net.epoch).map(|epoch| fold(Statement::of_epoch(account(actor), id.clone(), epoch)));
            let epochs: Vec<Statement> = epochs.collect();
            for (a, b) in epochs.iter().zip(&epochs[1..]) {
                closes(a);
                for (place, totals) in &a.places {
                    assert_eq!(b.places[place].opening, totals.closing);
                }
            }
            let last = epochs.last().unwrap();
            assert!(whole.places.iter().all(|(place, totals)| last.places[place].closing == totals.closing));
            let rows: usize =
                epochs.iter().map(|epoch| epoch.settled.iter().filter(|row| row.datanet == id).count()).sum();
            assert_eq!(rows, whole.settled.iter().filter(|row| row.datanet == id).count());
        }
    }
}

fn closes(statement: &Statement) {
    let mut moved: BTreeMap<&Place, i128> = BTreeMap::new();
    for line in &statement.lines {
        let units = line.posting.amount.units() as i128;
        *moved.entry(&line.posting.from).or_default() -= units;
        *moved.entry(&line.posting.to).or_default() += units;
    }
    for (place, totals) in &statement.places {
        let net = totals.received.units() as i128 - totals.given.units() as i128;
        assert_eq!(totals.opening.units() as i128 + net, totals.closing.units() as i128, "{place}");
        assert_eq!(moved.get(place).copied().unwrap_or(0), net, "lines of {place}");
    }
}

#[test]
fn any_sequence_of_commands_keeps_the_books() {
    let seeds = std::env::var("ASSAY_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    let mut total: BTreeMap<&str, usize> = BTreeMap::new();
    let mut standings = BTreeSet::new();
    let (mut short, mut ample, mut held_back) = (0, 0, 0);
    for seed in 0..seeds {
        println!("seed {seed}");
        let (world, counts) = run(seed);
        replay_from(State::new(ORIGIN), &world, Signatures::Check);
        restart_from_image(&world);
        statements_close(&world);
        for (kind, count) in counts {
            *total.entry(kind).or_default() += count;
        }
        for (id, net) in world.state.datanets() {
            let left = world.state.balance(&Place::Reward(id.clone()));
            let rewarded = net.epochs.values().any(|epoch| epoch.rewarded.units() > 0);
            short += u64::from(rewarded && left == 0);
            ample += u64::from(rewarded && left > 0);
            held_back += net.epochs.values().filter(|epoch| epoch.held_back).count();
        }
        standings.extend(world.log.iter().flat_map(|event| &event.outcome.settled).map(|row| row.standing));
    }
    assert!(total.len() == 24 && total.values().all(|&n| n >= 10), "{total:?}");
    assert_eq!(standings.len(), 3, "paid, unproven and harmful were all met");
    assert!(short > 0 && ample > 0 && held_back > 0, "{short} {ample} {held_back}");
}
