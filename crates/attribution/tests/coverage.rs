//! Intervals of contributors' values cover what a fresh, large benchmark says, as often as they claim.
#![allow(clippy::unwrap_used)]

mod common;

use assay_attribution::{PathOptions, value};
use common::{Set, classes, numbers};

const REDRAWS: u64 = 200;
const CONTRIBUTORS: usize = 8;

/// Share of 95% intervals, over redraws of a benchmark of `size` and over contributors, that hold the value against
/// 20,000 rows of the same source.
fn coverage(train: &Set, draw: impl Fn(usize, u64) -> Set, size: usize) -> f64 {
    let rows = train.features.rows();
    let sent_by: Vec<u32> = (0..rows).map(|i| ((7 * i + i * i / 11) % CONTRIBUTORS) as u32).collect();
    let options = PathOptions { nodes: 8, max_nodes: 8, ..PathOptions::default() };
    let large = draw(20_000, 1_000_000);
    let exact = PathOptions { folds: 0, ..options.clone() };
    let truth = value(train.examples(), large.value_fold(), &exact, &|_| {}).unwrap();
    let truth = truth.group(&sent_by, CONTRIBUTORS);
    let mut inside = 0;
    let mut counted = 0;
    for seed in 0..REDRAWS {
        let benchmark = draw(size, 2_000_000 + seed);
        let options = PathOptions { seed, ..options.clone() };
        let valuation = value(train.examples(), benchmark.value_fold(), &options, &|_| {}).unwrap();
        for (found, truth) in valuation.group(&sent_by, CONTRIBUTORS).iter().zip(&truth) {
            if truth.records > 0 {
                counted += 1;
                inside += usize::from((found.low_bits..=found.high_bits).contains(&truth.value_bits));
            }
        }
    }
    f64::from(inside as u32) / f64::from(counted)
}

#[test]
fn intervals_of_classes_cover() {
    let train = classes(120, 4, 3, 1);
    let share = coverage(&train, |n, seed| classes(n, 4, 3, seed), 240);
    assert!((0.93..=0.97).contains(&share), "{share}");
}

#[test]
fn intervals_of_numbers_cover() {
    let train = numbers(120, 4, 1);
    let share = coverage(&train, |n, seed| numbers(n, 4, seed), 240);
    assert!((0.93..=0.97).contains(&share), "{share}");
}
