//! A whole node in one process, for simulated years: random commands, leaps of the clock, and faults at every step of the
//! order of effects. The same seed gives the same world.
//!
//! The log is kept in memory behind [`assay_store::events::Rows`], tables and public files in an object store in memory;
//! both live longer than the node, which is thrown away at a crash and opened again on what they hold. After every step
//! the rules of `seen` are checked. `ASSAY_SEED=n` runs one world, `ASSAY_SIM_SECONDS=n` as many as fit, 0 for ever.

#![allow(clippy::unwrap_used)]

mod disk;
mod machine;
mod objects;
mod seen;
mod wishes;
mod withdrawn;
mod world;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use disk::Careless;
use machine::{Broken, Fault, Met, Step};
use world::{Outcome, World};

/// Worlds of every test run.
const WORLDS: u64 = 12;
const STEPS: u64 = 250;
/// Worlds in which a store answers too early.
const CARELESS_WORLDS: u64 = 5;
/// Crashes within which it must be found out, on the mean of those worlds.
const CRASHES_MAX: u64 = 20;

fn run(seed: u64, careless: Careless, goes_on: impl Fn(u64, &World) -> bool) -> Result<Outcome, Broken> {
    let mut world = World::new(seed, careless)?;
    let mut steps = 0;
    while goes_on(steps, &world) {
        world.step()?;
        steps += 1;
    }
    world.finish()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn whatever_goes_wrong_the_books_stay_whole() {
    let seconds = number("ASSAY_SIM_SECONDS");
    let begun = Instant::now();
    let first = match seconds {
        // A long run sees new worlds every time.
        Some(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() << 20,
        None => 1,
    };
    let more = |worlds: u64| match (number("ASSAY_SEED"), seconds) {
        (Some(_), _) => worlds == 0,
        (None, Some(0)) => true,
        (None, Some(seconds)) => begun.elapsed() < Duration::from_secs(seconds),
        (None, None) => worlds < WORLDS,
    };
    let (mut worlds, mut sums, mut met) = (0, [0_u64; 8], Met::new());
    while more(worlds) {
        let seed = number("ASSAY_SEED").unwrap_or(first + worlds);
        let outcome = run(seed, Careless::Nowhere, |steps, _| steps < STEPS)
            .unwrap_or_else(|broken| panic!("{broken}; run again with ASSAY_SEED={seed}"));
        worlds += 1;
        let Outcome {
            entries, crashes, remade, rekeyed, taken_back, withdrawn, metered, simulated_ms, ..
        } = outcome;
        let counts = [entries, crashes, remade, rekeyed, taken_back, withdrawn, metered, simulated_ms];
        for (sum, more) in sums.iter_mut().zip(counts) {
            *sum += more;
        }
        outcome.met.into_iter().for_each(|(what, count)| *met.entry(what).or_default() += count);
    }
    let [entries, crashes, remade, rekeyed, taken_back, withdrawn, metered, simulated_ms] = sums;
    let years = simulated_ms / (365 * 24 * 3_600_000);
    println!(
        "{worlds} worlds, {years} years, {entries} entries, {crashes} crashes, {remade} public folders made again, {rekeyed} accounts with another key, {taken_back} prices and {withdrawn} contributions taken back, {metered} answers metered"
    );
    // Worlds that are new every time may by chance miss what the fixed ones meet: then it takes more of them.
    let enough = worlds >= if seconds.is_some() { 10 * WORLDS } else { WORLDS };
    assert!(
        !enough || (rekeyed > 0 && taken_back > 0 && withdrawn > 0 && metered > 0),
        "no key was replaced, no price or no contribution taken back, or no answer metered"
    );
    for ((step, fault), count) in &met {
        println!("{step:?} {fault:?} {count}");
    }
    let steps = Step::WRITES.into_iter().chain([Step::Read]);
    for (step, fault) in steps.flat_map(|step| Fault::ALL.map(|fault| (step, fault))) {
        let needed = enough && fault.befalls(step);
        assert!(!needed || met.contains_key(&(step, fault)), "{fault:?} at {step:?} was not met");
    }
}

#[test]
fn one_seed_is_one_world() {
    let world = || run(7, Careless::Nowhere, |steps, _| steps < 60).unwrap();
    assert_eq!(world(), world());
}

#[test]
fn a_store_that_answers_before_it_is_durable_is_found_out() {
    for careless in [Careless::Everywhere, Careless::Checkpoints] {
        let mut left = CARELESS_WORLDS * CRASHES_MAX;
        for seed in 1..=CARELESS_WORLDS {
            let mut world = World::new(seed, careless).unwrap();
            let broken = loop {
                if let Err(broken) = world.step() {
                    break broken;
                }
                assert!(world.machine.inner().crashes < left, "{careless:?}, seed {seed}");
            };
            let crashes = world.machine.inner().crashes;
            left -= crashes;
            println!("{careless:?}, seed {seed}, after {crashes} crashes: {broken}");
        }
    }
}
