//! Scores by hand and against scikit-learn, intervals against theory.
#![allow(clippy::unwrap_used)]

use assay_kernels::Mat;
use assay_learn::evaluate::{
    Bootstrap, Confusion, Detail, EvaluateError, Gaussian, Scores, bootstrap_difference, bootstrap_mean,
    class_bits, class_hits, number_bits, score_classes, score_numbers,
};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Probabilities of six rows over three classes.
fn log_probs() -> Mat<f64> {
    let p =
        [0.7, 0.2, 0.1, 0.1, 0.8, 0.1, 0.25, 0.5, 0.25, 0.5, 0.25, 0.25, 0.4, 0.4, 0.2, 0.125, 0.125, 0.75];
    Mat::from_vec(6, 3, p.iter().map(|v: &f64| v.ln()).collect()).unwrap()
}

const TRUTH: [u32; 6] = [0, 1, 0, 0, 1, 1];

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-12
}

/// Predictions are 0 1 1 0 0 2. scikit-learn 1.9.1: accuracy_score 1/2, f1_score(average=None) 2/3, 2/5 and 0, so
/// "macro" 16/45, log_loss(labels=[0, 1, 2]) 0.942499 nats.
#[test]
fn classes_by_hand() {
    let scores = score_classes(&log_probs(), &TRUTH, 2).unwrap();
    let bits = -(0.7_f64.log2() + 0.8_f64.log2() - 2.0 - 1.0 + 0.4_f64.log2() - 3.0) / 6.0;
    assert_eq!(scores.rows, 6);
    assert!(close(scores.base_bits, 3.0_f64.log2()) && close(scores.loss_bits, bits));
    assert!(close(scores.gain_bits, 3.0_f64.log2() - bits));
    assert!((scores.loss_bits * std::f64::consts::LN_2 - 0.942_498_7).abs() < 1e-6);
    let Detail::Classification { accuracy, macro_f1, calibration_error, classes, confusions } = scores.detail
    else {
        panic!("classes were scored")
    };
    assert!(close(accuracy, 0.5) && close(macro_f1, 16.0 / 45.0));
    assert_eq!(classes.iter().map(|c| c.rows).collect::<Vec<_>>(), [3, 3, 0]);
    assert_eq!((classes[0].recall, classes[0].precision), (Some(2.0 / 3.0), Some(2.0 / 3.0)));
    assert_eq!((classes[1].recall, classes[1].precision), (Some(1.0 / 3.0), Some(0.5)));
    assert_eq!((classes[2].recall, classes[2].precision), (None, Some(0.0)));
    let pair = |truth, predicted| Confusion { truth, predicted, rows: 1 };
    assert_eq!(confusions, [pair(0, 1), pair(1, 0)], "ties in class order, the third cut off");
    // Bins of 1/15: 0.4 alone and wrong; 0.5 twice, once right; 0.7 right; 0.75 wrong; 0.8 right.
    assert!(close(calibration_error, (0.4 + 0.0 + 0.3 + 0.75 + 0.2) / 6.0), "{calibration_error}");
}

#[test]
fn bits_and_hits_of_each_row() {
    let bits = class_bits(&log_probs(), &TRUTH).unwrap();
    assert!(close(bits[2], -2.0) && close(bits[3], -1.0) && close(bits[5], -3.0));
    assert_eq!(class_hits(&log_probs(), &TRUTH).unwrap(), [1.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    let single = Mat::from_vec(1, 2, vec![0.5_f32.ln(), 0.5_f32.ln()]).unwrap();
    assert!((class_bits(&single, &[1]).unwrap()[0] + 1.0).abs() < 1e-6);
}

#[test]
fn numbers_by_hand() {
    let truth = [1.0, 2.0, 3.0, 6.0];
    let model = Gaussian { mean: &[1.5, 2.0, 2.0, 5.0], variance: 2.0 };
    let base = Gaussian { mean: &[3.0; 4], variance: 2.0 };
    let scores = score_numbers(model, base, &truth).unwrap();
    // Of equal variances the gain is the difference of squares, in nats over twice the variance.
    assert!(close(scores.gain_bits, (14.0 - 2.25) / 4.0 / 4.0 / std::f64::consts::LN_2));
    assert!(close(
        scores.loss_bits,
        0.5 * (4.0 * std::f64::consts::PI).log2() + 2.25 / 16.0 / std::f64::consts::LN_2
    ));
    assert!(close(scores.base_bits - scores.loss_bits, scores.gain_bits));
    let Detail::Regression { rmse, r2 } = scores.detail else { panic!("numbers were scored") };
    assert!(close(rmse, 0.75) && close(r2.unwrap(), 1.0 - 2.25 / 14.0));
    let flat = score_numbers(
        Gaussian { mean: &[0.0], variance: 1.0 },
        Gaussian { mean: &[0.0], variance: 1.0 },
        &[4.0],
    );
    assert!(matches!(flat.unwrap().detail, Detail::Regression { r2: None, .. }));
}

#[test]
fn bad_tables_are_refused() {
    let p = log_probs();
    assert_eq!(score_classes(&p, &[], 1).unwrap_err(), EvaluateError::NoRows);
    assert_eq!(
        score_classes(&p, &TRUTH[..5], 1).unwrap_err(),
        EvaluateError::Length { what: "class predictions", found: 6, rows: 5 }
    );
    assert_eq!(score_classes(&Mat::<f64>::zeros(0, 3), &[], 1).unwrap_err(), EvaluateError::NoRows);
    assert_eq!(
        class_bits(&p, &[0, 1, 3, 0, 0, 0]).unwrap_err(),
        EvaluateError::Class { row: 2, class: 3, count: 3 }
    );
    for bad in [f64::NAN, f64::NEG_INFINITY, 0.1] {
        let mut p = log_probs();
        p.row_mut(4)[2] = bad;
        assert_eq!(class_hits(&p, &TRUTH).unwrap_err(), EvaluateError::LogProbability { row: 4 });
    }
    let mean = [f64::NAN];
    assert_eq!(
        number_bits(Gaussian { mean: &mean, variance: 1.0 }, &[0.0]).unwrap_err(),
        EvaluateError::NotFinite { row: 0 }
    );
    assert_eq!(
        number_bits(Gaussian { mean: &[0.0], variance: 0.0 }, &[0.0]).unwrap_err(),
        EvaluateError::Variance
    );
    let settings = |resamples, level| bootstrap_mean(&[1.0], Bootstrap { resamples, level, seed: 1 });
    assert!(matches!(settings(99, 0.9).unwrap_err(), EvaluateError::Bootstrap { .. }));
    assert!(matches!(settings(100, 1.0).unwrap_err(), EvaluateError::Bootstrap { .. }));
    assert!(matches!(
        bootstrap_mean(&[0.0; 1 << 20], Bootstrap::default()).unwrap_err(),
        EvaluateError::Bootstrap { .. }
    ));
    assert_eq!(
        bootstrap_mean(&[f64::INFINITY], Bootstrap::default()).unwrap_err(),
        EvaluateError::NotFinite { row: 0 }
    );
    assert_eq!(bootstrap_mean(&[], Bootstrap::default()).unwrap_err(), EvaluateError::NoRows);
    assert!(matches!(
        bootstrap_difference(&[1.0], &[1.0, 2.0], Bootstrap::default()),
        Err(EvaluateError::Length { .. })
    ));
}

#[test]
fn scores_survive_json() {
    let base = Gaussian { mean: &[0.0, 0.0], variance: 1.0 };
    let numbers = score_numbers(Gaussian { mean: &[0.1, 0.2], variance: 0.3 }, base, &[0.7, 0.8]).unwrap();
    for scores in [score_classes(&log_probs(), &TRUTH, 9).unwrap(), numbers] {
        let json = serde_json::to_string(&scores).unwrap();
        assert_eq!(serde_json::from_str::<Scores>(&json).unwrap(), scores, "{json}");
    }
}

const FEW: Bootstrap = Bootstrap { resamples: 4000, level: 0.95, seed: 0 };

/// Uniform in [0, 1).
fn uniform(rng: &mut ChaCha8Rng) -> f64 {
    rng.next_u32() as f64 / 2.0_f64.powi(32)
}

/// The mean of 50 uniform draws is 1/2: a 90% interval must cover it in about 90% of samples. 300 samples tell
/// the coverage to 0.017; the percentile method is known to fall a little short on few rows.
#[test]
fn the_interval_covers_as_often_as_it_says() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let trials = 300;
    let covered = (0..trials).filter(|&seed| {
        let rows: Vec<f64> = (0..50).map(|_| uniform(&mut rng)).collect();
        let interval = bootstrap_mean(&rows, Bootstrap { resamples: 1000, level: 0.9, seed }).unwrap();
        interval.low <= 0.5 && 0.5 <= interval.high
    });
    let share = covered.count() as f64 / trials as f64;
    assert!((0.85..=0.94).contains(&share), "{share}");
}

#[test]
fn the_standard_error_is_that_of_theory() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let rows: Vec<f64> = (0..300).map(|_| 1e9 + uniform(&mut rng)).collect();
    let interval = bootstrap_mean(&rows, FEW).unwrap();
    let mean = rows.iter().sum::<f64>() / 300.0;
    let se = (rows.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 300.0 / 300.0).sqrt();
    assert!((interval.se / se - 1.0).abs() < 0.03, "{} {se}", interval.se);
    assert!(((interval.high - interval.low) / (2.0 * 1.96 * se) - 1.0).abs() < 0.05);
}

#[test]
fn pairing_cancels_what_two_models_share() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let hard: Vec<f64> = (0..300).map(|_| 10.0 * uniform(&mut rng)).collect();
    let better: Vec<f64> = hard.iter().map(|h| h + 0.1 + 0.1 * uniform(&mut rng)).collect();
    let interval = bootstrap_difference(&better, &hard, FEW).unwrap();
    assert!(interval.low > 0.1 && interval.high < 0.2 && interval.se < 0.01);
    let alone = bootstrap_mean(&better, FEW).unwrap();
    assert!(alone.se > 0.1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn intervals_hold_their_mean_on_any_number_of_threads(
        rows in prop::collection::vec(-1e6..1e6_f64, 1..50), seed in any::<u64>()
    ) {
        let settings = Bootstrap { resamples: 200, level: 0.99, seed };
        let run = || bootstrap_mean(&rows, settings).unwrap();
        let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
        let interval = on(1);
        prop_assert_eq!(interval, on(3));
        let (least, most) = rows.iter().fold((f64::MAX, f64::MIN), |(a, b), &v| (a.min(v), b.max(v)));
        prop_assert!(least - 1e-6 <= interval.low && interval.low <= interval.high && interval.high <= most + 1e-6);
    }

    #[test]
    fn a_permutation_of_rows_changes_no_score(order in Just((0..6).collect::<Vec<usize>>()).prop_shuffle()) {
        let truth: Vec<u32> = order.iter().map(|&i| TRUTH[i]).collect();
        let (a, b) = (score_classes(&log_probs(), &TRUTH, 9).unwrap(), score_classes(&log_probs().select(&order), &truth, 9).unwrap());
        prop_assert!(close(a.gain_bits, b.gain_bits));
        let (Detail::Classification { classes: ca, confusions: fa, .. }, Detail::Classification { classes: cb, confusions: fb, .. })
            = (a.detail, b.detail) else { panic!("classes were scored") };
        prop_assert_eq!((ca, fa), (cb, fb));
    }
}
