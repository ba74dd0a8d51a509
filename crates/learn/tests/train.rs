//! Fits against definitions and closed forms.
#![allow(clippy::unwrap_used)]

use assay_kernels::Mat;
use assay_learn::crossval::{CrossOptions, choose_lambda};
use assay_learn::data::{Features, Target};
use assay_learn::model::{Family, Model};
use assay_learn::train::{FitOptions, Precision, TrainError, fit};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

fn uniform(random: &mut ChaCha8Rng) -> f64 {
    f64::from(random.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0
}

/// Random features with the constant last.
fn features(n: usize, d: usize, seed: u64) -> Mat<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut m = Mat::zeros(n, d + 1);
    for i in 0..n {
        m.row_mut(i).iter_mut().for_each(|x| *x = uniform(&mut random) as f32);
        m.row_mut(i)[d] = 1.0;
    }
    m
}

fn classes(n: usize, count: usize, seed: u64) -> Target {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    Target::Classes { labels: (0..n).map(|_| random.next_u32() % count as u32).collect(), count }
}

/// lambda / 2 |theta|^2 + t * sum of w * loss, from the model's own account of its losses.
fn objective(model: &Model, x: &Features, y: &Target, w: &[f64], lambda: f64, t: f64) -> f64 {
    let norm: f64 = model.theta().data().iter().map(|x| x * x).sum();
    let loss: f64 = model.loss_bits(x, y).iter().zip(w).map(|(l, w)| l * w).sum();
    0.5 * lambda * norm + t * loss * std::f64::consts::LN_2
}

/// Central differences of the objective in every weight.
fn slope(model: &Model, x: &Features, y: &Target, w: &[f64], lambda: f64, t: f64) -> f64 {
    let h = 1e-5;
    let moved = |k: usize, by: f64| {
        let mut theta = model.theta().clone();
        theta.data_mut()[k] += by;
        objective(&Model::new(model.family(), theta).unwrap(), x, y, w, lambda, t)
    };
    let one = |k: usize| ((moved(k, h) - moved(k, -h)) / (2.0 * h)).abs();
    (0..model.theta().data().len()).map(one).fold(0.0, f64::max)
}

#[test]
fn the_gradient_vanishes_at_the_fit() {
    let x = Features::Dense(features(80, 5, 1));
    let weights: Vec<f64> = (0..80).map(|i| f64::from(i % 4) / 2.0).collect();
    for y in [
        classes(80, 2, 2),
        classes(80, 7, 2),
        Target::Numbers((0..80).map(|i| f64::from(i % 5) - 2.0).collect()),
    ] {
        for (lambda, t) in [(0.01, 1.0), (1.0, 0.3), (100.0, 1.0)] {
            let o = FitOptions {
                lambda,
                t,
                weights: Some(&weights),
                noise_variance: 0.5,
                tolerance: 1e-10,
                precision: Precision::Double,
                ..FitOptions::default()
            };
            let fitted = fit(&x, &y, &o).unwrap();
            assert!(fitted.converged, "{fitted:?}");
            let slope = slope(&fitted.model, &x, &y, &weights, lambda, t);
            assert!(slope < 1e-5, "{lambda} {t}: {slope}");
        }
    }
}

#[test]
fn numbers_are_ridge_regression() {
    let m = features(50, 1, 3);
    let y: Vec<f64> =
        (0..50).map(|i| f64::from(m.row(i)[0]) * 0.7 + 0.2 + 0.1 * f64::from(i as u32 % 3)).collect();
    let (lambda, variance) = (2.0, 0.4);
    let o = FitOptions { lambda, noise_variance: variance, tolerance: 1e-12, ..FitOptions::default() };
    let got = fit(&Features::Dense(m.clone()), &Target::Numbers(y.clone()), &o).unwrap().model;
    // (X'X + lambda s2 I) theta = X'y for two unknowns, by Cramer's rule.
    let sum = |f: &dyn Fn(usize) -> f64| (0..50).map(f).sum::<f64>();
    let x = |i: usize| f64::from(m.row(i)[0]);
    let ridge = lambda * variance;
    let (a, b, d) = (sum(&|i| x(i) * x(i)) + ridge, sum(&x), 50.0 + ridge);
    let (p, q) = (sum(&|i| x(i) * y[i]), sum(&|i| y[i]));
    let det = a * d - b * b;
    let want = [(p * d - b * q) / det, (a * q - b * p) / det];
    for (g, w) in got.theta().data().iter().zip(want) {
        assert!((g - w).abs() < 1e-9, "{g} {w}");
    }
}

#[test]
fn separable_and_imbalanced_classes_converge_for_every_prior() {
    // Class 0 has nine records in ten, rows repeat, one class has no record at all, and a line separates them.
    let base = features(60, 3, 4);
    let rows: Vec<usize> = (0..240).map(|i| i % 60).collect();
    let x = Features::Dense(base.select(&rows));
    let label = |i: &usize| if base.row(*i)[0] > 0.8 { 1 + u32::from(base.row(*i)[1] > 0.0) } else { 0 };
    let y = Target::Classes { labels: rows.iter().map(label).collect(), count: 4 };
    for precision in [Precision::Single, Precision::Double] {
        for lambda in [1e-4, 1e-2, 1.0, 1e2] {
            let o = FitOptions { lambda, precision, tolerance: 1e-4, ..FitOptions::default() };
            let fitted = fit(&x, &y, &o).unwrap();
            assert!(
                fitted.converged,
                "{precision:?} {lambda}: {} {}",
                fitted.gradient_norm, fitted.iterations
            );
            assert!(fitted.iterations <= 40, "{lambda}: {}", fitted.iterations);
        }
    }
}

#[test]
fn many_classes_converge() {
    let x = Features::Dense(features(400, 20, 5));
    let y = classes(400, 150, 6);
    for precision in [Precision::Single, Precision::Double] {
        let o = FitOptions { lambda: 0.01, precision, ..FitOptions::default() };
        let fitted = fit(&x, &y, &o).unwrap();
        assert!(fitted.converged, "{fitted:?}");
    }
}

#[test]
fn warm_starts_arrive_at_the_same_place_sooner() {
    let x = Features::Dense(features(300, 8, 7));
    let y = classes(300, 5, 8);
    let o = FitOptions { lambda: 0.1, tolerance: 1e-9, ..FitOptions::default() };
    let cold = fit(&x, &y, &o).unwrap();
    let warm = fit(&x, &y, &FitOptions { warm: Some(&cold.model), ..o.clone() }).unwrap();
    assert_eq!(warm.iterations, 0);
    let near = fit(&x, &y, &FitOptions { lambda: 0.11, ..o.clone() }).unwrap();
    let back = fit(&x, &y, &FitOptions { warm: Some(&near.model), ..o }).unwrap();
    assert!(back.products < cold.products);
    for (a, b) in back.model.theta().data().iter().zip(cold.model.theta().data()) {
        assert!((a - b).abs() < 1e-6);
    }
}

#[test]
fn no_weight_and_no_time_leave_the_base() {
    let x = Features::Dense(features(30, 3, 9));
    let y = classes(30, 3, 10);
    let still = fit(&x, &y, &FitOptions { t: 0.0, ..FitOptions::default() }).unwrap();
    assert_eq!(still.model, Model::base(Family::Softmax { classes: 3 }, 4));
    let zero = vec![0.0; 30];
    let still = fit(&x, &y, &FitOptions { weights: Some(&zero), ..FitOptions::default() }).unwrap();
    assert_eq!(still.model.theta(), &Mat::zeros(4, 3));
    assert!(still.model.gain_bits(&x, &y).iter().all(|b| b.abs() < 1e-12));
}

#[test]
fn cross_validation_finds_the_useful_prior_and_repeats() {
    let m = features(600, 6, 11);
    let labels = (0..600).map(|i| u32::from(m.row(i)[0] + 0.5 * m.row(i)[1] > 0.0)).collect();
    let (x, y) = (Features::Dense(m), Target::Classes { labels, count: 2 });
    let clear = choose_lambda(&x, &y, &CrossOptions::default()).unwrap();
    assert!(clear.lambda < 0.1, "{clear:?}");
    assert_eq!(clear, choose_lambda(&x, &y, &CrossOptions::default()).unwrap());
    // Labels that have nothing to do with the features want the strongest prior.
    let noise = choose_lambda(&x, &classes(600, 2, 12), &CrossOptions::default()).unwrap();
    assert!(noise.lambda > 10.0, "{noise:?}");
    assert!(noise.table.len() < CrossOptions::default().grid.len());
    // The strongest of those that the folds cannot tell from the best.
    for chosen in [&clear, &noise] {
        let best = chosen.table.iter().map(|r| r.gain_bits).fold(f64::MIN, f64::max);
        let near = chosen.table.iter().find(|r| best - r.gain_bits <= r.se_bits).unwrap();
        assert_eq!(near.lambda, chosen.lambda);
        assert!(chosen.table.iter().any(|r| r.gain_bits == best && r.se_bits == 0.0));
    }
    assert!(matches!(
        choose_lambda(&x, &y.select(&[1]), &CrossOptions::default()),
        Err(TrainError::Length { .. })
    ));
    let one = x.select(&[0]);
    assert_eq!(choose_lambda(&one, &y.select(&[0]), &CrossOptions::default()), Err(TrainError::Empty));
}

#[test]
fn cross_validation_measures_the_noise_of_numbers() {
    let m = features(900, 4, 13);
    let mut random = ChaCha8Rng::seed_from_u64(14);
    // Noise uniform in [-0.6, 0.6]: variance 0.12.
    let y = (0..900)
        .map(|i| f64::from(m.row(i)[0]) - f64::from(m.row(i)[2]) + 0.6 * uniform(&mut random))
        .collect();
    let chosen = choose_lambda(&Features::Dense(m), &Target::Numbers(y), &CrossOptions::default()).unwrap();
    assert!((chosen.noise_variance - 0.12).abs() < 0.015, "{chosen:?}");
    let best = chosen.table.iter().map(|r| r.gain_bits).fold(f64::MIN, f64::max);
    assert!(best > 3.0 && best < 6.0, "{best}");
}

#[test]
fn bad_input_is_refused_with_a_reason() {
    let x = Features::Dense(features(5, 2, 1));
    let refused = |y: &Target, o: &FitOptions<'_>| fit(&x, y, o).unwrap_err().to_string();
    let ok = FitOptions::default();
    assert!(refused(&classes(4, 2, 1), &ok).contains("4 answers"));
    assert!(
        refused(&Target::Classes { labels: vec![0, 1, 2, 0, 1], count: 2 }, &ok)
            .contains("record 2 has class 2")
    );
    assert!(refused(&Target::Classes { labels: vec![0; 5], count: 1 }, &ok).contains("at least 2"));
    assert!(refused(&Target::Numbers(vec![f64::NAN; 5]), &ok).contains("label"));
    assert!(refused(&classes(5, 2, 1), &FitOptions { lambda: f64::NAN, ..ok.clone() }).contains("lambda"));
    assert!(refused(&classes(5, 2, 1), &FitOptions { t: -1.0, ..ok.clone() }).contains("t must"));
    let (x, y) = (Features::Dense(Mat::zeros(0, 2)), classes(0, 2, 1));
    assert_eq!(fit(&x, &y, &ok).unwrap_err(), TrainError::Empty);
}

#[test]
fn models_survive_being_written_down() {
    let x = Features::Dense(features(40, 3, 2));
    let fitted = fit(&x, &classes(40, 3, 3), &FitOptions::default()).unwrap().model;
    let text = serde_json::to_string(&fitted).unwrap();
    assert_eq!(serde_json::from_str::<Model>(&text).unwrap(), fitted);
    for broken in [
        r#"{"family":{"softmax":{"classes":3}},"features":2,"theta":[1,2,3]}"#,
        r#"{"family":{"softmax":{"classes":3}},"features":9223372036854775807,"theta":[]}"#,
        r#"{"family":{"gaussian":{"noise_variance":-1.0}},"features":1,"theta":[1]}"#,
    ] {
        assert!(serde_json::from_str::<Model>(broken).is_err(), "{broken}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// A record of weight k is k records.
    #[test]
    fn weights_are_counts(counts in proptest::collection::vec(0..4_usize, 12), lambda in 0.05..10.0_f64) {
        prop_assume!(counts.iter().sum::<usize>() > 0);
        let (x, y) = (Features::Dense(features(12, 2, 15)), classes(12, 3, 16));
        let index: Vec<usize> = counts.iter().enumerate().flat_map(|(i, &c)| vec![i; c]).collect();
        let weights: Vec<f64> = counts.iter().map(|&c| c as f64).collect();
        let o = FitOptions { lambda, tolerance: 1e-10, ..FitOptions::default() };
        let weighted = fit(&x, &y, &FitOptions { weights: Some(&weights), ..o.clone() }).unwrap();
        let repeated = fit(&x.select(&index), &y.select(&index), &o).unwrap();
        for (a, b) in weighted.model.theta().data().iter().zip(repeated.model.theta().data()) {
            prop_assert!((a - b).abs() < 1e-6);
        }
    }
}
