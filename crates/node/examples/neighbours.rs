//! What holding semantic neighbours would stop, and whom it would wrong: paraphrases put into communities whose truth is known.
//!
//! `cargo run --release -p assay-node --example neighbours FOLDER [FOLDER ...]`
//!
//! A FOLDER is a community as the data folder has them (`contributions`, `valid`, `test`, `truth.json`). Clean records of it are sent again
//! in other words, after the original, 1.5% of the records for each kind of paraphrase (of `assay_sim`: words replaced by synonyms;
//! the same with the halves of the text exchanged; words dropped, swapped and put in) and for each kind of sender: *own name*, two
//! senders who send nothing else, and *mixed in*, other contributors of clean records. Of all folders together, by kind: how many
//! there are, the share that passes with the gate off, and the share of all that would be held besides from each least cosine on.
//! Kinds of the community itself are counted without the paraphrases. Labels are not asked.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros
)]

#[path = "../../quality/tests/support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use assay_quality::{Finding, GateConfig, Reason, Verdict};
use assay_sim::attack::{Attack, Origin, Record, World};
use support::{Community, Row, process_seconds};

/// Least cosines.
const LEVELS: [f64; 7] = [0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9];
/// Kinds of paraphrase: attack, and whether the halves are exchanged.
const KINDS: [(&str, Attack, bool); 3] = [
    ("synonyms", Attack::Synonyms, false),
    ("synonyms, turned", Attack::Synonyms, true),
    ("words edited", Attack::TokenEdits, false),
];

/// Of one kind: records, those that pass today, and of these those held by level.
#[derive(Default)]
struct Counts(usize, usize, [usize; LEVELS.len()]);

fn main() {
    let mut kinds: BTreeMap<String, Counts> = BTreeMap::new();
    for folder in std::env::args().skip(1) {
        let community = Community::load(&folder).unwrap();
        count(&community, |_| true, &mut kinds);
        count(&paraphrased(community), |kind| kind.starts_with('*'), &mut kinds);
    }
    println!("| kind | records | passes today | {} |", LEVELS.map(|level| level.to_string()).join(" | "));
    for (kind, Counts(all, passes, held)) in kinds {
        let share = |n: usize| format!("{:.2}%", 100.0 * n as f64 / all as f64);
        println!("| {kind} | {all} | {} | {} |", share(passes), held.map(share).join(" | "));
    }
}

/// Counts the records of some kinds, and prints what looking for neighbours costs.
fn count(community: &Community, counted: fn(&str) -> bool, kinds: &mut BTreeMap<String, Counts>) {
    let [(off, usual), (on, asked)] = [0.0, LEVELS[0]].map(|level| timed(community, level));
    let records = community.offered.len();
    println!(
        "{}: {records} records, {usual:.1} us of CPU time each, with neighbours {asked:.1}",
        community.name
    );
    let all = off.iter().zip(&on).zip(&community.truth);
    for ((off, on), (kind, _)) in all.filter(|(_, (kind, _))| counted(kind)) {
        let counts = kinds.entry(kind.clone()).or_default();
        counts.0 += 1;
        let passes = off.verdict == Verdict::Pass;
        counts.1 += usize::from(passes);
        let found = Some(on).filter(|on| on.verdict.reason() == Some(Reason::SemanticNeighbour));
        let cosine = found.and_then(|on| on.similarity).filter(|_| passes).unwrap_or(0.0);
        let levels = counts.2.iter_mut().zip(LEVELS);
        levels.for_each(|(held, level)| *held += usize::from(f64::from(cosine) >= level));
    }
}

/// The findings once all were known, and microseconds a record.
fn timed(community: &Community, hold_cosine: f64) -> (Vec<Finding>, f64) {
    let mut config = GateConfig::default();
    config.neighbours.hold_cosine = hold_cosine;
    let start = process_seconds();
    let (_, last) = community.run(&config);
    (last, (process_seconds() - start) * 1e6 / community.offered.len() as f64)
}

/// The community with paraphrases of its clean records, each somewhere after its original.
fn paraphrased(community: Community) -> Community {
    let mut draw = 1u64;
    let mut unit = move || {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draw >> 11) as f64 / (1u64 << 53) as f64
    };
    let clean: Vec<usize> =
        (0..community.offered.len()).filter(|&at| community.truth[at].0 == "clean").collect();
    let record = |&at: &usize| {
        let row = &community.offered[at];
        Record { text: Some(row.text.clone()), numbers: vec![], label: row.label.clone() }
    };
    let others: Vec<Record> = clean.iter().map(record).collect();
    let count = community.offered.len() * 3 / 200;
    let mut added = Vec::new();
    for (seed, (kind, attack, turned)) in KINDS.into_iter().enumerate() {
        let world = World { own: &others[..2 * count], others: &others, benchmark: &[], classes: &[] };
        for (at, sent) in world.raid(attack, seed as u64).unwrap().into_iter().enumerate() {
            let Origin::Other(source) = sent.origin else { continue };
            let original = &community.offered[clean[source]];
            let mut text = sent.record.text.unwrap();
            if turned {
                let words: Vec<&str> = text.split_whitespace().collect();
                let (first, second) = words.split_at(words.len() / 2);
                text = [second, first].concat().join(" ");
            }
            if text == original.text {
                continue;
            }
            let (contributor, manner) = if at < count {
                (format!("{kind} {}", at % 2), "own name")
            } else {
                let other = (unit() * clean.len() as f64) as usize;
                (community.offered[clean[other]].contributor.clone(), "mixed in")
            };
            if contributor == original.contributor {
                continue;
            }
            let place = clean[source] as f64 + (community.offered.len() - clean[source]) as f64 * unit();
            let row = Row { id: String::new(), text, label: original.label.clone(), contributor };
            added.push((place.max(clean[source] as f64 + 0.1), row, format!("*{kind}, {manner}")));
        }
    }
    let Community { name, offered, sealed, truth, .. } = community;
    let given =
        offered.into_iter().zip(truth).enumerate().map(|(at, (row, (kind, _)))| (at as f64, row, kind));
    let mut all: Vec<(f64, Row, String)> = given.chain(added).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (offered, truth) = all.into_iter().map(|(_, row, kind)| (row, (kind, None))).unzip();
    Community { name, offered, sealed, truth, source: Vec::new() }
}
