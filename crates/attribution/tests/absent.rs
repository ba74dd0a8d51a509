//! What records that were kept out of training are charged with.
#![allow(clippy::unwrap_used)]

mod common;

use assay_attribution::{PathOptions, Tolerances, Valuation, value};
use assay_learn::data::Target;
use assay_learn::train::{FitOptions, Precision, fit};
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

/// Against finite differences of models that were trained with a little of the record.
#[test]
fn what_if_is_what_a_little_weight_does() {
    let (train, bench, weights) = world();
    let v = valued(&train, &bench, &weights);
    assert_eq!((v.absent_fold_bits.rows(), v.absent_fold_bits.cols()), (20, 5));
    let gain = |weights: &[f64]| {
        let options = FitOptions {
            weights: Some(weights),
            tolerance: 1e-12,
            precision: Precision::Double,
            ..FitOptions::default()
        };
        let model = fit(&train.features, &train.target, &options).unwrap().model;
        let bits = model.gain_bits(&bench.features, &bench.target);
        bits.iter().sum::<f64>() / bits.len() as f64
    };
    for i in [40, 41, 50, 59] {
        let with = |w: f64| {
            let mut weights = weights.clone();
            weights[i] = w;
            gain(&weights)
        };
        // One-sided, second order: no weight may be below zero.
        let h = 1e-3;
        let slope = (4.0 * with(h) - with(2.0 * h) - 3.0 * with(0.0)) / (2.0 * h);
        assert!((slope - v.marginal_bits[i]).abs() < 1e-6, "{i}: {slope} {}", v.marginal_bits[i]);
        let total: usize = v.fold_sizes.iter().sum();
        let row = v.absent_fold_bits.row(i - 40);
        let mean: f64 = row.iter().zip(&v.fold_sizes).map(|(x, &m)| x * m as f64 / total as f64).sum();
        assert!((mean - slope).abs() < 1e-6);
    }
}

#[test]
fn groups_are_charged_for_harm_and_never_paid() {
    let (train, bench, weights) = world();
    let plain = valued(&train, &bench, &weights);
    // Group 1: what is right among the absent; group 2: what is wrong; group 0: all that has weight.
    let groups: Vec<u32> = (0..60).map(|i| if i < 40 { 0 } else { 1 + u32::from(i % 2 == 0) }).collect();
    let mut charged = plain.clone();
    let sum = charged.charge_absent(&groups, 3);
    let of = |v: &Valuation, g: usize| v.group(&groups, 3)[g];
    let harm: f64 = (0..60).filter(|i| groups[*i] == 2).map(|i| plain.marginal_bits[i]).sum();
    assert!(harm < 0.0);
    assert!((of(&charged, 2).value_bits - harm).abs() < 1e-12 && of(&charged, 2).se_bits > 0.0);
    assert_eq!(of(&charged, 0), of(&plain, 0));
    assert!(of(&charged, 1).value_bits <= 0.0);
    assert!((sum - of(&charged, 1).value_bits - of(&charged, 2).value_bits).abs() < 1e-12);
    assert_eq!(charged.sum_bits, plain.sum_bits);
    // One name for both is never charged more than two names.
    let joined: Vec<u32> = groups.iter().map(|&g| g.min(1)).collect();
    assert!(plain.clone().charge_absent(&joined, 2) >= sum - 1e-12);
}
