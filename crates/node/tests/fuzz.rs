//! What a node reads from strangers and from its owner, on mutations of valid input.
//!
//! `ASSAY_FUZZ_SECONDS=60 cargo test -p assay-node --test fuzz` tries each for a minute. `fuzz/` tries the same properties
//! under libFuzzer.
#![allow(clippy::unwrap_used)]

#[path = "../../tlog/tests/mutate/mod.rs"]
mod mutate;
mod targets;

use mutate::{attempt, kept};

#[test]
fn receipts_are_refused_or_true() {
    targets::receipts().drive();
}

#[test]
fn settings_are_refused_or_plain() {
    targets::settings().drive();
}

#[test]
fn keys_open_to_what_was_sealed() {
    targets::keys().drive();
}

#[test]
fn tables_of_answers_are_read_as_they_are_written() {
    targets::answers().drive();
}

/// Each takes a walk over a log: all that are kept, and their mutations in `fuzz/` only.
#[test]
fn bookmarks_never_break_a_verifier() {
    let target = targets::bookmarks();
    [target.seeds, kept(target.name)]
        .concat()
        .iter()
        .for_each(|seed| attempt(target.name, &target.holds, seed));
}

/// The readers' own test mutates whole files.
#[test]
fn kept_files_of_records_are_tables_or_errors() {
    for target in targets::records() {
        kept(target.name).iter().for_each(|input| attempt(target.name, &target.holds, input));
    }
}
