//! Audits: effects against refits from scratch, and what is said of agreement where the truth is known.

#![allow(clippy::unwrap_used)]

use assay_attribution::audit::{Effect, agree, ceiling, coverage, effects, reliability};
use assay_attribution::rank::spearman;
use assay_attribution::{Examples, LeaveOutOptions, ReportFold, ValueFold};
use assay_kernels::Mat;
use assay_learn::data::{Features, Target};
use assay_learn::train::{FitOptions, fit};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

const COLUMNS: usize = 6;

fn uniform(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// About normal, with deviation 1.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| uniform(random)).sum::<f64>() - 6.0
}

/// Rows of three classes, or of a number.
fn rows(random: &mut ChaCha8Rng, count: usize, classes: bool) -> (Features, Target) {
    let x: Vec<f32> = (0..count * COLUMNS).map(|_| normal(random) as f32).collect();
    let features = Features::Dense(Mat::from_vec(count, COLUMNS, x).unwrap());
    let Features::Dense(m) = &features else { unreachable!() };
    let lean = |i: usize| f64::from(m.row(i)[0]) - 0.7 * f64::from(m.row(i)[1]);
    let noisy: Vec<f64> = (0..count).map(|i| lean(i) + 0.5 * normal(random)).collect();
    let target = match classes {
        true => Target::Classes {
            labels: noisy.iter().map(|&y| if y < -0.6 { 0 } else { u32::from(y > 0.6) + 1 }).collect(),
            count: 3,
        },
        false => Target::Numbers(noisy),
    };
    (features, target)
}

fn bits(model: &assay_learn::model::Model, fold: &(Features, Target)) -> Vec<f64> {
    model.gain_bits(&fold.0, &fold.1)
}

#[test]
fn effects_are_those_of_models_refitted_from_scratch() {
    for classes in [true, false] {
        let random = &mut ChaCha8Rng::seed_from_u64(3);
        let (train, value, report) =
            (rows(random, 90, classes), rows(random, 40, classes), rows(random, 50, classes));
        let options =
            FitOptions { lambda: 0.5, noise_variance: 0.3, tolerance: 1e-10, ..FitOptions::default() };
        let full = fit(&train.0, &train.1, &options).unwrap().model;
        // Four groups to leave out; the fifth stays.
        let groups: Vec<u32> = (0..90).map(|i| i % 5).collect();
        let examples = |(features, target): &'static (Features, Target)| Examples { features, target };
        let [train, value, report] = [train, value, report].map(|part| &*Box::leak(Box::new(part)));
        let leave = LeaveOutOptions {
            lambda: 0.5,
            noise_variance: 0.3,
            tolerance: 1e-6,
            ..LeaveOutOptions::default()
        };
        let folds = (ValueFold::new(examples(value)), ReportFold::new(examples(report)));
        let found = effects(examples(train), (&groups, 4), &full, folds, &leave, &|_| {}).unwrap();
        assert_eq!((found.left.len(), found.unconverged), (4, 0));
        for (g, left) in (0..).zip(&found.left) {
            let kept: Vec<usize> = (0..90).filter(|&i| groups[i] != g).collect();
            let without = fit(&train.0.select(&kept), &train.1.select(&kept), &options).unwrap().model;
            for (fold, effect) in [(value, left.value), (report, left.report)] {
                let differences: Vec<f64> =
                    bits(&full, fold).iter().zip(bits(&without, fold)).map(|(a, b)| a - b).collect();
                let want = Effect::of(&differences);
                assert!((effect.bits - want.bits).abs() < 1e-7, "{classes} {g}: {effect:?} {want:?}");
                assert!((effect.se_bits - want.se_bits).abs() < 1e-5 * want.se_bits, "{effect:?} {want:?}");
                assert_eq!(effect.rows, differences.len());
            }
        }
    }
}

/// Mean and standard error of rows around a true effect.
fn measured(random: &mut ChaCha8Rng, truth: f64, spread: f64, rows: usize) -> Effect {
    Effect::of(&(0..rows).map(|_| truth + spread * normal(random)).collect::<Vec<_>>())
}

/// Over many draws, 95% of measured effects lie where another sample of rows says that they will.
#[test]
fn intervals_cover_as_often_as_they_say() {
    let random = &mut ChaCha8Rng::seed_from_u64(11);
    for (rows, others) in [(12, 30), (60, 400), (200, 50)] {
        let mut pairs = Vec::new();
        for k in 0..4_000 {
            let (truth, spread) = (f64::from(k % 7) - 3.0, 0.5 + f64::from(k % 5));
            pairs.push((measured(random, truth, spread, rows), measured(random, truth, spread, others)));
        }
        let found = coverage(&pairs);
        let share = found.covered as f64 / found.of as f64;
        assert!((0.935..=0.965).contains(&share), "{rows} and {others} rows: {share}");
        assert!(found.low < share && share < found.high && found.high - found.low < 0.02);
    }
    // An error of the value fold that is not counted shows: this is what the check is for.
    let blind = |(p, m): &(Effect, Effect)| (Effect { se_bits: 0.0, ..*p }, *m);
    let pairs: Vec<_> =
        (0..2_000).map(|_| (measured(random, 0.0, 1.0, 40), measured(random, 0.0, 1.0, 40))).collect();
    let share = |pairs: &[(Effect, Effect)]| coverage(pairs).covered as f64 / pairs.len() as f64;
    assert!(share(&pairs.iter().map(blind).collect::<Vec<_>>()) < 0.88 && share(&pairs) > 0.935);
}

#[test]
fn an_interval_is_that_of_welch() {
    let effect = |bits, se_bits, rows| Effect { bits, se_bits, rows };
    // Equal errors over 11 rows each: 20 degrees, t = 2.085963.
    let (low, high) = agree::interval(&effect(1.0, 0.3, 11), &effect(9.0, 0.3, 11));
    let reach = 2.085_963_447_265_837 * 0.18_f64.sqrt();
    assert!((low - 1.0 + reach).abs() < 1e-9 && (high - 1.0 - reach).abs() < 1e-9);
    assert_eq!(agree::interval(&effect(0.0, 0.0, 9), &effect(0.0, 0.0, 9)), (0.0, 0.0));
    let wilson = coverage(&vec![(effect(0.0, 1.0, 99), effect(0.0, 1.0, 99)); 10]);
    assert_eq!((wilson.covered, wilson.of, wilson.high), (10, 10, 1.0));
    assert!((wilson.low - 0.722_46).abs() < 1e-4, "{wilson:?}");
}

/// The ceiling is what the true effects really reach with measured ones, whatever the true effects look like.
#[test]
fn the_ceiling_is_what_the_truth_reaches() {
    let random = &mut ChaCha8Rng::seed_from_u64(5);
    type Truth = fn(&mut ChaCha8Rng, usize) -> f64;
    let kinds: [(&str, Truth); 4] = [
        ("normal", |r, _| normal(r)),
        ("away from zero", |r, _| 3.0 + normal(r)),
        ("few large", |_, k| 3.0 / (k as f64 + 1.0)),
        ("two kinds", |r, k| if k % 4 == 0 { -4.0 } else { 1.0 } + 0.5 * normal(r)),
    ];
    for (name, truth) in kinds {
        for spread in [0.2, 0.6] {
            let (mut reached, mut said, mut again) = (0.0, 0.0, 0.0);
            const WORLDS: u32 = 40;
            for _ in 0..WORLDS {
                let of: Vec<f64> = (0..40).map(|k| truth(random, k)).collect();
                let measure = |r: &mut ChaCha8Rng, t: &f64| Effect {
                    bits: t + spread * normal(r),
                    se_bits: spread,
                    rows: 900,
                };
                let pairs: Vec<_> = of.iter().map(|t| (measure(random, t), measure(random, t))).collect();
                let measured: Vec<f64> = pairs.iter().map(|p| p.1.bits).collect();
                let found = ceiling(&pairs, 60, 1).unwrap();
                assert!(found.low <= found.spearman && found.spearman <= found.high);
                assert!(found.repeated < found.spearman + 0.03);
                said += found.spearman / f64::from(WORLDS);
                reached += spearman(&of, &measured) / f64::from(WORLDS);
                again += (found.repeated
                    - spearman(&pairs.iter().map(|p| p.0.bits).collect::<Vec<_>>(), &measured))
                    / f64::from(WORLDS);
            }
            assert!((said - reached).abs() < 0.08, "{name}, {spread}: says {said:.3}, reached {reached:.3}");
            assert!(again.abs() < 0.09, "{name}, {spread}: measured again off by {again:.3}");
        }
    }
}

#[test]
fn noise_alone_has_neither_reliability_nor_a_ceiling() {
    let random = &mut ChaCha8Rng::seed_from_u64(8);
    let noise: Vec<Effect> = (0..200).map(|_| measured(random, 1.0, 2.0, 100)).collect();
    assert!(reliability(&noise).unwrap() < 0.2);
    let pairs: Vec<_> = noise.iter().map(|e| (*e, *e)).collect();
    assert!(ceiling(&pairs, 100, 0).unwrap().spearman < 0.35);
    let real: Vec<Effect> = (0..200).map(|k| measured(random, f64::from(k), 2.0, 100)).collect();
    assert!(reliability(&real).unwrap() > 0.999);
    let sure: Vec<_> = real.iter().map(|e| (*e, Effect { se_bits: 0.0, ..*e })).collect();
    assert!(ceiling(&sure, 20, 0).unwrap().spearman > 0.999);
    assert_eq!(ceiling(&pairs, 50, 7), ceiling(&pairs, 50, 7));
    assert!(reliability(&real[..2]).is_none() && ceiling(&pairs[..2], 9, 0).is_none());
    assert!(reliability(&[Effect { bits: 1.0, se_bits: 0.0, rows: 5 }; 4]).is_none());
    assert!(ceiling(&[(Effect::of(&[1.0]), Effect::of(&[1.0])); 5], 9, 0).is_none());
}
