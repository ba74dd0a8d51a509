//! Retrained models are those that training them one by one finds, and their scores those of the minimum.

#![allow(clippy::unwrap_used)]

use assay_kernels::{Csr, Design, Mat};
use assay_learn::data::{Features, Target};
use assay_learn::retrain::{Ask, RetrainOptions, Retrained, Retrainer};
use assay_learn::train::{FitOptions, Precision, Tolerance, design, fit};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

fn uniform(random: &mut ChaCha8Rng) -> f64 {
    f64::from(random.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0
}

/// Noisy records of `count` classes, or of numbers when that is 0; a constant column last.
fn records(n: usize, d: usize, count: usize, seed: u64) -> (Features, Target) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut x, mut labels, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..n {
        let row: Vec<f64> = (0..d).map(|_| uniform(&mut random)).collect();
        let signal = row.iter().sum::<f64>() + 0.5 * uniform(&mut random);
        numbers.push(signal);
        labels.push(((signal.abs() * 2.5) as u32).min(count.max(1) as u32 - 1));
        x.extend(row.iter().map(|&x| x as f32).chain([1.0]));
    }
    let target = if count == 0 { Target::Numbers(numbers) } else { Target::Classes { labels, count } };
    (Features::Dense(Mat::from_vec(n, d + 1, x).unwrap()), target)
}

fn sparse(features: &Features) -> Features {
    let Features::Dense(m) = features else { panic!("dense expected") };
    let row = |i: usize| m.row(i).iter().enumerate().map(|(j, &x)| (j as u32, x)).collect();
    let rows: Vec<Vec<(u32, f32)>> = (0..m.rows()).map(row).collect();
    Features::Sparse(Csr::from_rows(m.cols(), &rows).unwrap())
}

const LAMBDA: f64 = 0.4;
const NOISE: f64 = 0.7;

fn options(levels: &[f64], tolerance: f64) -> RetrainOptions<'_> {
    RetrainOptions {
        lambda: LAMBDA,
        noise_variance: NOISE,
        weights: None,
        levels,
        tolerance: Tolerance::relative(tolerance),
    }
}

/// Some weights of model `k`: zeros, ones and between.
fn weights(k: usize, n: usize) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(k as u64 + 100);
    (0..n).map(|_| [0.0, 1.0, 1.0, 0.3][random.next_u32() as usize % 4]).collect()
}

fn retrain(
    (features, target): &(Features, Target),
    bench: &(Features, Target),
    count: usize,
    levels: &[f64],
    tolerance: f64,
) -> Vec<Retrained> {
    let (x, bench_x) = (design::<f64>(features), design::<f64>(&bench.0));
    let mut retrainer = Retrainer::new(&x, target, &options(levels, tolerance), None).unwrap();
    retrainer.score_on(&bench_x, &bench.1, Ask { right: true, each: true, influence: false }).unwrap();
    let n = target.len();
    retrainer.each(count, &|k, w| w.copy_from_slice(&weights(k, n)), &|_| {})
}

/// The same by a fit of its own: sum of losses in nats, and examples answered rightly.
fn alone((features, target): &(Features, Target), bench: &(Features, Target), k: usize) -> (f64, usize) {
    let weights = weights(k, target.len());
    let options = FitOptions {
        lambda: LAMBDA,
        noise_variance: NOISE,
        weights: Some(&weights),
        tolerance: 1e-12,
        precision: Precision::Double,
        ..FitOptions::default()
    };
    let model = fit(features, target, &options).unwrap().model;
    let constant = match &bench.1 {
        Target::Numbers(_) => 0.5 * (2.0 * std::f64::consts::PI * NOISE).ln(),
        Target::Classes { .. } => 0.0,
    };
    let nats = |bits: &f64| bits * std::f64::consts::LN_2 - constant;
    let right = match &bench.1 {
        Target::Classes { labels, .. } => {
            model.classes(&bench.0).iter().zip(labels).filter(|(a, b)| a == b).count()
        }
        Target::Numbers(_) => 0,
    };
    (model.loss_bits(&bench.0, &bench.1).iter().map(nats).sum(), right)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Two classes, several, many features (a shared curvature), numbers: all find the minimum.
    #[test]
    fn each_is_the_fit_of_its_weights(seed in 0..1000_u64, kind in 0..4_usize) {
        let (n, d, count) = [(40, 4, 2), (50, 5, 3), (90, 20, 5), (40, 6, 0)][kind];
        let (train, bench) = (records(n, d, count, seed), records(30, d, count, seed + 1));
        for (k, got) in retrain(&train, &bench, 37, &[0.6], 1e-11).iter().enumerate() {
            let (loss, right) = alone(&train, &bench, k);
            prop_assert!(got.converged);
            prop_assert!((got.scores[0].loss_nats - loss).abs() < 1e-8, "{} {loss}", got.scores[0].loss_nats);
            prop_assert!((got.scores[0].losses_nats.iter().sum::<f64>() - loss).abs() < 1e-8);
            prop_assert_eq!(got.scores[0].right, right);
        }
    }
}

#[test]
fn sparse_records_are_retrained_one_by_one_to_the_same_minimum() {
    let (train, bench) = (records(60, 5, 3, 1), records(30, 5, 3, 2));
    let dense = retrain(&train, &bench, 9, &[0.5], 1e-11);
    let of_sparse = retrain(&(sparse(&train.0), train.1), &(sparse(&bench.0), bench.1), 9, &[0.5], 1e-11);
    for (a, b) in dense.iter().zip(&of_sparse) {
        assert!((a.scores[0].loss_nats - b.scores[0].loss_nats).abs() < 1e-8);
    }
}

/// A loose tolerance costs the score its square: what is left of the gradient is accounted for.
#[test]
fn early_stops_are_corrected() {
    for count in [2, 5] {
        let (train, bench) = (records(300, 20, count, 3), records(200, 20, count, 4));
        let (x, bench_x) = (design::<f64>(&train.0), design::<f64>(&bench.0));
        let without_a_few = |tolerance: f64| {
            let mut retrainer = Retrainer::new(&x, &train.1, &options(&[1.0], tolerance), None).unwrap();
            retrainer.score_on(&bench_x, &bench.1, Ask { each: true, ..Ask::default() }).unwrap();
            retrainer.each(16, &|k, w| w.iter_mut().skip(k).step_by(100).for_each(|w| *w = 0.0), &|_| {})
        };
        let (mut left, mut corrected) = (0.0, 0.0);
        for (exact, rough) in without_a_few(1e-11).iter().zip(&without_a_few(3e-3)) {
            let (exact, rough) = (&exact.scores[0], &rough.scores[0]);
            left += (rough.losses_nats.iter().sum::<f64>() - exact.loss_nats).abs();
            corrected += (rough.loss_nats - exact.loss_nats).abs();
        }
        assert!(left > 0.01 && corrected < 0.3 * left, "{corrected} of {left}");
    }
}

/// A chain that adds records one by one gives at every length what those records alone give.
#[test]
fn chains_start_from_their_last_model() {
    for (d, count) in [(3, 2), (20, 5)] {
        let (train, bench) = (records(30, d, count, 5), records(20, d, count, 6));
        let (x, bench_x) = (design::<f64>(&train.0), design::<f64>(&bench.0));
        let mut retrainer = Retrainer::new(&x, &train.1, &options(&[0.1, 0.3, 1.0], 1e-10), None).unwrap();
        retrainer.score_on(&bench_x, &bench.1, Ask::default()).unwrap();
        let next = |chain: usize, done: &[Retrained], weights: &mut [f64]| {
            weights
                .iter_mut()
                .enumerate()
                .for_each(|(i, w)| *w = f64::from((i + 7 * chain) % 30 < done.len()));
            done.len() <= 20 + chain
        };
        let chains = retrainer.chains(10, &next, &|_| {});
        let single = |weights: Vec<f64>| {
            retrainer.each(1, &|_, w| w.copy_from_slice(&weights), &|_| {})[0].scores[0].loss_nats
        };
        for (chain, models) in chains.iter().enumerate() {
            assert_eq!(models.len(), 21 + chain);
            for (length, model) in models.iter().enumerate().step_by(5) {
                let alone = single((0..30).map(|i| f64::from((i + 7 * chain) % 30 < length)).collect());
                assert!((model.scores[0].loss_nats - alone).abs() < 1e-6);
            }
        }
        assert!((chains[0][0].scores[0].loss_nats - retrainer.base_nats(0)).abs() < 1e-6);
    }
}

/// Influence is the derivative of the loss by a record's weight.
#[test]
fn influence_is_what_a_little_weight_does() {
    let (train, bench) = (records(40, 4, 3, 8), records(25, 4, 3, 9));
    let (x, bench_x): (Design<f64>, Design<f64>) = (design(&train.0), design(&bench.0));
    let mut retrainer = Retrainer::new(&x, &train.1, &options(&[0.5, 1.0], 1e-12), None).unwrap();
    retrainer.score_on(&bench_x, &bench.1, Ask::default()).unwrap();
    let influence = retrainer.influence_nats(0);
    let step = 1e-4;
    for (level, t) in [0.5, 1.0].into_iter().enumerate() {
        let nudged = |k: usize, w: &mut [f64]| {
            w.fill(t);
            w[k / 2] += if k.is_multiple_of(2) { step } else { -step };
        };
        let done = retrainer.each(80, &nudged, &|_| {});
        for i in 0..40 {
            let slope =
                (done[2 * i].scores[0].loss_nats - done[2 * i + 1].scores[0].loss_nats) / (2.0 * step);
            assert!((influence.row(i)[level] - slope).abs() < 1e-5, "{} {slope}", influence.row(i)[level]);
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for count in [2, 5, 0] {
        let (train, bench) = (records(150, 20, count, 10), records(40, 20, count, 11));
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| retrain(&train, &bench, 70, &[0.5], 1e-7))
        };
        assert_eq!(with(1), with(3));
    }
}

#[test]
fn bad_levels_are_refused() {
    let train = records(10, 2, 2, 1);
    let x = design::<f64>(&train.0);
    for levels in [&[][..], &[-0.5], &[f64::NAN]] {
        assert!(Retrainer::new(&x, &train.1, &options(levels, 1e-6), None).is_err());
    }
}
