//! What records that were kept out of training are charged with.
#![allow(clippy::unwrap_used)]

mod common;

use assay_attribution::{PathOptions, Tolerances, Valuation, value};
use assay_learn::data::Target;
use assay_learn::train::Precision;
use common::{Set, classes};

const EXACT: Tolerances = Tolerances { path: 1e-10, mean: 1e-10, folds: 1e-10, fold_stride: 1 };

/// Sixty records; the last twenty have no weight, and every second of these a wrong label.
fn world() -> (Set, Set, Vec<f64>) {
    let (mut train, bench) = (classes(60, 4, 3, 1), classes(50, 4, 3, 2));
    let Target::Classes { labels, count } = &mut train.target else { panic!() };
    labels.iter_mut().skip(40).step_by(2).for_each(|y| *y = (*y + 1) % *count as u32);
    (train, bench, (0..60).map(|i| f64::from(u8::from(i < 40))).collect())
}

fn valued(train: &Set, bench: &Set, weights: &[f64]) -> Valuation {
    let options = PathOptions {
        weights: Some(weights),
        tolerances: Some(EXACT),
        precision: Precision::Double,
        folds: 5,
        ..PathOptions::default()
    };
    value(train.examples(), bench.value_fold(), &options, &|_| {}).unwrap()
}

#[test]
fn groups_are_charged_for_harm_and_never_paid() {
    let (train, bench, weights) = world();
    let (all, plain) = (valued(&train, &bench, &[1.0; 60]), valued(&train, &bench, &weights));
    // Group 1: what is right among the absent; group 2: what is wrong; group 0: all that has weight.
    let groups: Vec<u32> = (0..60).map(|i| if i < 40 { 0 } else { 1 + u32::from(i % 2 == 0) }).collect();
    let mut charged = plain.clone();
    let sum = charged.charge_withheld(&all, &groups, 3);
    let of = |v: &Valuation, g: usize| v.group(&groups, 3)[g];
    assert!(of(&all, 2).value_bits < 0.0 && of(&all, 1).value_bits > 0.0);
    assert_eq!(
        (of(&charged, 2).value_bits, of(&charged, 2).se_bits),
        (of(&all, 2).value_bits, of(&all, 2).se_bits)
    );
    assert_eq!(of(&charged, 0), of(&plain, 0));
    assert_eq!(of(&charged, 1).value_bits, 0.0);
    assert!((sum - of(&charged, 2).value_bits).abs() < 1e-12);
    assert_eq!(charged.sum_bits, plain.sum_bits);
    // One name for both is never charged more than two names; nobody is charged for records of no group.
    let joined: Vec<u32> = groups.iter().map(|&g| g.min(1)).collect();
    assert!(plain.clone().charge_withheld(&all, &joined, 2) >= sum);
    let mut spared = plain.clone();
    assert_eq!(spared.charge_withheld(&all, &groups, 1), 0.0);
    assert_eq!(spared.value_bits, plain.value_bits);
    // Half a weight kept out is half the charge.
    let half: Vec<f64> = (0..60).map(|i| if groups[i] == 2 { 0.5 } else { 1.0 }).collect();
    let mut halved = valued(&train, &bench, &half);
    let kept = of(&halved, 2).value_bits;
    let sum = halved.charge_withheld(&all, &groups, 3);
    assert!((sum - 0.5 * of(&all, 2).value_bits).abs() < 1e-12);
    assert!((of(&halved, 2).value_bits - kept - sum).abs() < 1e-12);
}
