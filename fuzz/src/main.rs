//! One program for every target: `ASSAY_FUZZ_TARGET` names the one that libFuzzer tries. `fuzz/run` is how to call it.
//!
//! The properties, and the seeds, are those of the seeded tests in `crates/*/tests/targets`.
#![no_main]

#[path = "../../crates/store/tests/targets/mod.rs"]
mod columns;
#[path = "../../crates/ledger/tests/common/mod.rs"]
mod common;
#[path = "../../crates/ledger/tests/targets/mod.rs"]
mod ledger;
#[path = "../../crates/tlog/tests/mutate/mod.rs"]
mod mutate;
#[path = "../../crates/node/tests/targets/mod.rs"]
mod node;
#[path = "../../crates/tlog/tests/targets/mod.rs"]
mod tlog;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use mutate::{Dice, Target, keep, kept};

/// The last panic. The Parquet library panics on some files, which its caller expects: only one that gets out is a find.
static PANIC: Mutex<String> = Mutex::new(String::new());
static TARGET: OnceLock<Mutex<Target>> = OnceLock::new();
static COMMANDS: OnceLock<Arc<ledger::Commands>> = OnceLock::new();

/// How to make each target; some take a while.
type Make = Box<dyn FnOnce() -> Target>;

fn makers() -> Vec<(&'static str, Make)> {
    let ready = tlog::targets().into_iter().chain(node::records()).chain([columns::columns()]);
    let mut makers: Vec<(&'static str, Make)> =
        ready.map(|target| (target.name, Box::new(move || target) as Make)).collect();
    let others: [(&'static str, fn() -> Target); 9] = [
        ("entry", ledger::entries),
        ("metered", ledger::metered),
        ("charter", ledger::charters),
        ("command", commands),
        ("receipt", node::receipts),
        ("settings", node::settings),
        ("key", node::keys),
        ("answers", node::answers),
        ("bookmark", node::bookmarks),
    ];
    makers.extend(others.map(|(name, make)| (name, Box::new(make) as Make)));
    makers
}

fn commands() -> Target {
    let commands = COMMANDS.get_or_init(|| Arc::new(ledger::Commands::new()));
    Target::new("command", commands.seeds(), |bytes| {
        let _ = commands.decide(bytes);
    })
}

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Picks the target. The folders of inputs are filled and emptied here too, where libFuzzer is not at work yet.
fn begin() {
    std::panic::set_hook(Box::new(|panic| {
        PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone_from(&panic.to_string());
    }));
    let wanted = setting("ASSAY_FUZZ_TARGET").unwrap_or_default();
    let mut makers = makers();
    let Some(at) = makers.iter().position(|(name, _)| *name == wanted) else {
        makers.iter().for_each(|(name, _)| println!("{name}"));
        std::process::exit(0);
    };
    let target = makers.remove(at).1();
    if let Some(folder) = setting("ASSAY_FUZZ_FILL") {
        for (i, input) in [target.seeds.clone(), kept(&wanted)].concat().iter().enumerate() {
            fs::write(Path::new(&folder).join(format!("kept-{i}")), input)
                .expect("the folder can be written");
        }
        std::process::exit(0);
    }
    if let Some(folder) = setting("ASSAY_FUZZ_KEEP") {
        let files = fs::read_dir(folder).expect("the folder can be read").flatten();
        let inputs = files.map(|file| fs::read(file.path()).expect("a file can be read"));
        // The seeds are there anyway.
        keep(&wanted, inputs.filter(|input| !target.seeds.contains(input)).collect());
        std::process::exit(0);
    }
    assert!(TARGET.set(Mutex::new(target)).is_ok(), "libFuzzer begins once");
}

fuzz_target!(init: begin(), |bytes: &[u8]| {
    let target = TARGET.get().expect("libFuzzer begins first").lock().expect("one thread");
    if catch_unwind(AssertUnwindSafe(|| (target.holds)(bytes))).is_err() {
        eprintln!("{}", PANIC.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        std::process::abort();
    }
});

// Commands are changed as the values that they are half of the time: few changes of bytes leave them canonical.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut dice = Dice(seed.into());
    let reshaped = COMMANDS.get().filter(|_| dice.below(2) == 0);
    match reshaped.and_then(|commands| {
        catch_unwind(AssertUnwindSafe(|| commands.reshaped(&data[..size], &mut dice))).ok()?
    }) {
        Some(bytes) if bytes.len() <= max_size => {
            data[..bytes.len()].copy_from_slice(&bytes);
            bytes.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
});
