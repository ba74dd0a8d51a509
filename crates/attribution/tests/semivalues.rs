//! Values by retraining against brute force: every coalition fitted by itself, definitions as plain loops.
#![allow(clippy::unwrap_used)]

mod common;

use assay_attribution::method::{
    Banzhaf, GameOptions, LeaveOneOut, Method, Setting, Shapley, Unit, Utility, Values, faithful_shapley,
    group_banzhaf, group_shapley, group_values,
};
use assay_attribution::rank::spearman;
use assay_learn::data::Target;
use assay_learn::train::{FitOptions, Precision, fit};
use common::{Set, classes, numbers};

fn setting(seed: u64) -> Setting<'static> {
    Setting { lambda: 0.6, noise_variance: 0.5, weights: None, seed }
}

const EXACT: GameOptions =
    GameOptions { utility: Utility::Bits, tolerance: 1e-11, precision: Precision::Double };

fn attribute(method: &dyn Method, train: &Set, bench: &Set, setting: &Setting<'_>) -> Values {
    let cached = method.cache(train.examples(), setting, &|_| {}).unwrap();
    cached.attribute(bench.value_fold(), &|_| {}).unwrap()
}

/// The gain in bits, or the accuracy, of a model of those whose `player` is in the coalition.
fn worth(train: &Set, bench: &Set, player: &[u32], coalition: usize, utility: Utility) -> f64 {
    let weights: Vec<f64> = player.iter().map(|&p| f64::from(coalition >> p & 1 == 1)).collect();
    let s = setting(0);
    let options = FitOptions {
        lambda: s.lambda,
        noise_variance: s.noise_variance,
        weights: Some(&weights),
        tolerance: 1e-12,
        precision: Precision::Double,
        ..FitOptions::default()
    };
    let model = fit(&train.features, &train.target, &options).unwrap().model;
    let size = bench.target.len() as f64;
    match (utility, &bench.target) {
        (Utility::Bits, _) => model.gain_bits(&bench.features, &bench.target).iter().sum::<f64>() / size,
        (_, Target::Classes { labels, .. }) => {
            let right = model.classes(&bench.features).iter().zip(labels).filter(|(a, b)| a == b).count();
            right as f64 / size
        }
        _ => panic!("accuracy of numbers"),
    }
}

/// Worth of every coalition, Shapley and Banzhaf values by their definitions.
fn brute(train: &Set, bench: &Set, player: &[u32], players: usize, utility: Utility) -> [Vec<f64>; 3] {
    let worth: Vec<f64> = (0..1 << players).map(|k| worth(train, bench, player, k, utility)).collect();
    let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
    let (mut shapley, mut banzhaf) = (vec![0.0; players], vec![0.0; players]);
    for k in 0..1_usize << players {
        for p in (0..players).filter(|p| k >> p & 1 == 0) {
            let (size, joins) = (k.count_ones() as usize, worth[k | 1 << p] - worth[k]);
            shapley[p] += joins * factorial(size) * factorial(players - size - 1) / factorial(players);
            banzhaf[p] += joins / (1 << (players - 1)) as f64;
        }
    }
    [worth, shapley, banzhaf]
}

fn own(n: usize) -> Vec<u32> {
    (0..n as u32).collect()
}

fn close(got: &[f64], want: &[f64], by: f64) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() < by, "{got:?}\n{want:?}");
    }
}

fn sets(kind: usize) -> (Set, Set) {
    match kind {
        0 => (classes(9, 3, 2, 1), classes(40, 3, 2, 2)),
        1 => (classes(8, 2, 3, 3), classes(30, 2, 3, 4)),
        2 => (numbers(8, 3, 5), numbers(30, 3, 6)),
        // More unknowns than a model of its own curvature has.
        _ => (classes(8, 16, 5, 7), classes(30, 16, 5, 8)),
    }
}

#[test]
fn exact_values_are_the_definitions() {
    for kind in 0..4 {
        let (train, bench) = sets(kind);
        let n = train.target.len();
        let [worth, shapley, banzhaf] = brute(&train, &bench, &own(n), n, Utility::Bits);
        let values = attribute(&Shapley { game: EXACT, ..Shapley::default() }, &train, &bench, &setting(0));
        close(&values.mean, &shapley, 1e-9);
        let all = (1 << n) - 1;
        assert!((values.mean.iter().sum::<f64>() - (worth[all] - worth[0])).abs() < 1e-9);
        assert!((0..n).all(|i| values.variance(i) == 0.0));
        let values = attribute(&Banzhaf { game: EXACT, ..Banzhaf::default() }, &train, &bench, &setting(0));
        close(&values.mean, &banzhaf, 1e-9);
        let groups = (&own(n)[..], n);
        let options = Shapley { game: EXACT, ..Shapley::default() };
        let s = setting(0);
        let alone =
            group_shapley(train.examples(), groups, bench.value_fold(), (&s, &options), &|_| {}).unwrap();
        close(&alone.mean, &shapley, 1e-9);

        let left = LeaveOneOut { tolerance: 1e-9, ..LeaveOneOut::default() };
        let values = attribute(&left, &train, &bench, &setting(0));
        let want: Vec<f64> = (0..n).map(|i| worth[all] - worth[all ^ 1 << i]).collect();
        close(&values.mean, &want, 1e-9);
        assert!((0..n).all(|i| values.count[i] == 8 && values.variance(i) > 0.0));
    }
}

#[test]
fn accuracy_is_a_utility_on_request() {
    // Two classes: with more, classes that a coalition lacks tie, and rounding decides.
    let (train, bench) = (classes(8, 3, 2, 3), classes(30, 3, 2, 4));
    let [worth, shapley, banzhaf] = brute(&train, &bench, &own(8), 8, Utility::Accuracy);
    let game = GameOptions { utility: Utility::Accuracy, ..EXACT };
    let values = attribute(&Shapley { game, ..Shapley::default() }, &train, &bench, &setting(0));
    close(&values.mean, &shapley, 1e-9);
    assert_eq!(values.unit, Unit::Accuracy);
    close(
        &attribute(&Banzhaf { game, ..Banzhaf::default() }, &train, &bench, &setting(0)).mean,
        &banzhaf,
        1e-9,
    );
    let left = LeaveOneOut { utility: Utility::Accuracy, tolerance: 1e-9 };
    let want: Vec<f64> = (0..8).map(|i| worth[255] - worth[255 ^ 1 << i]).collect();
    close(&attribute(&left, &train, &bench, &setting(0)).mean, &want, 1e-9);
    let (train, bench) = sets(2);
    for method in [&left as &dyn Method, &Banzhaf { game, ..Banzhaf::default() }] {
        let cached = method.cache(train.examples(), &setting(0), &|_| {}).unwrap();
        assert!(cached.attribute(bench.value_fold(), &|_| {}).is_err());
    }
}

/// Within five standard errors of the truth, with and without control.
#[test]
fn sampled_values_are_near_the_truth() {
    for kind in 0..3 {
        let (train, bench) = if kind == 0 {
            (classes(12, 3, 2, 11), classes(40, 3, 2, 12))
        } else if kind == 1 {
            (classes(11, 2, 3, 13), classes(30, 2, 3, 14))
        } else {
            (numbers(11, 3, 15), numbers(30, 3, 16))
        };
        let n = train.target.len();
        let [_, _, banzhaf] = brute(&train, &bench, &own(n), n, Utility::Bits);
        for control in [true, false] {
            let method = Banzhaf { retrainings: 1_000, control, game: EXACT };
            let values = attribute(&method, &train, &bench, &setting(3));
            for (i, banzhaf) in banzhaf.iter().enumerate() {
                let se = values.variance(i).sqrt();
                assert!((values.mean[i] - banzhaf).abs() < 5.0 * se, "{} {} {se}", values.mean[i], banzhaf);
                assert_eq!(values.count[i], if control { 250 } else { 500 });
            }
        }
    }
}

/// Among many records the influence knows most of what a record does.
#[test]
fn control_makes_errors_smaller() {
    let (train, bench) = (classes(120, 5, 2, 61), classes(100, 5, 2, 62));
    let error = |method: &dyn Method| {
        let values = attribute(method, &train, &bench, &setting(5));
        (0..120).map(|i| values.variance(i)).sum::<f64>()
    };
    let banzhaf = |control| error(&Banzhaf { retrainings: 400, control, ..Banzhaf::default() });
    assert!(banzhaf(true) < 0.2 * banzhaf(false), "{} {}", banzhaf(true), banzhaf(false));
    let shapley = |control| error(&Shapley { orders: 24, control, ..Shapley::default() });
    assert!(shapley(true) < shapley(false), "{} {}", shapley(true), shapley(false));
}

#[test]
fn sampled_orders_sum_to_the_gain() {
    // Thirteen players: one more than are enumerated whatever the orders.
    let (train, bench) = (classes(13, 3, 2, 21), classes(40, 3, 2, 22));
    let [worth, shapley, _] = brute(&train, &bench, &own(13), 13, Utility::Bits);
    let gain = worth[(1 << 13) - 1] - worth[0];
    let mut errors = Vec::new();
    for (control, truncation) in [(true, 0.0), (false, 0.0), (true, 0.02)] {
        let method = Shapley { orders: 400, truncation, control, game: EXACT };
        let values = attribute(&method, &train, &bench, &setting(4));
        assert!((values.mean.iter().sum::<f64>() - gain).abs() < 1e-9);
        for (i, shapley) in shapley.iter().enumerate() {
            let se = values.variance(i).sqrt();
            let slack = 5.0 * se + if truncation > 0.0 { truncation * gain } else { 0.0 };
            assert!((values.mean[i] - shapley).abs() < slack, "{} {} {se}", values.mean[i], shapley);
            assert_eq!(values.count[i], 200);
        }
        errors.push((0..13).map(|i| values.variance(i)).sum::<f64>());
    }
    // Where slopes say little, the coefficient is small and does no harm.
    assert!(errors[0] < 1.02 * errors[1], "{errors:?}");
}

#[test]
fn groups_act_as_one_or_as_the_sum_of_their_records() {
    let (train, bench) = (classes(10, 3, 3, 31), classes(40, 3, 3, 32));
    let group: Vec<u32> = vec![0, 1, 2, 3, 0, 1, 2, 3, 0, 0];
    let (s, options) = (setting(0), Shapley { game: EXACT, ..Shapley::default() });
    let [_, shapley, banzhaf] = brute(&train, &bench, &group, 4, Utility::Bits);
    let at = |groups: &[u32], count| {
        faithful_shapley(train.examples(), (groups, count), bench.value_fold(), (&s, &options), &|_| {})
            .unwrap()
    };
    let values =
        group_shapley(train.examples(), (&group, 4), bench.value_fold(), (&s, &options), &|_| {}).unwrap();
    close(&values.mean, &shapley, 1e-9);
    let play = Banzhaf { game: EXACT, ..Banzhaf::default() };
    let values =
        group_banzhaf(train.examples(), (&group, 4), bench.value_fold(), (&s, &play), &|_| {}).unwrap();
    close(&values.mean, &banzhaf, 1e-9);

    let faithful = at(&group, 4);
    let records = attribute(&options, &train, &bench, &s);
    close(&faithful.mean, &group_values(&records, (&group, 4)).mean, 1e-12);
    // Group 0 splits in two: nobody's sum changes.
    let split: Vec<u32> = vec![0, 1, 2, 3, 4, 1, 2, 3, 0, 4];
    let split = at(&split, 5);
    close(&[split.mean[0] + split.mean[4]], &faithful.mean[..1], 1e-12);
    close(&split.mean[1..4], &faithful.mean[1..], 1e-12);
}

#[test]
fn summed_samples_have_the_variance_of_sums() {
    let (train, bench) = (classes(30, 3, 2, 41), classes(40, 3, 2, 42));
    let group: Vec<u32> = (0..30).map(|i| i % 3).collect();
    let (s, options) = (setting(2), Shapley { orders: 60, game: EXACT, ..Shapley::default() });
    let sums =
        faithful_shapley(train.examples(), (&group, 3), bench.value_fold(), (&s, &options), &|_| {}).unwrap();
    let records = attribute(&options, &train, &bench, &s);
    let plain = group_values(&records, (&group, 3));
    close(&sums.mean, &plain.mean, 1e-10);
    for g in 0..3 {
        assert!(sums.count[g] == 30 && plain.count[g] == 30);
        let want: f64 = (0..30).filter(|&i| group[i] == g as u32).map(|i| records.variance(i)).sum();
        assert!((plain.variance(g) / want - 1.0).abs() < 1e-9);
        assert!(sums.variance(g) > 0.0);
    }
}

/// Threads change nothing; seeds do, but not the ranks much.
#[test]
fn draws_depend_on_the_seed_alone() {
    let (train, bench) = (classes(60, 5, 2, 51), classes(80, 5, 2, 52));
    let shapley = Shapley { orders: 20, ..Shapley::default() };
    let banzhaf = Banzhaf { retrainings: 400, ..Banzhaf::default() };
    for method in [&shapley as &dyn Method, &banzhaf] {
        let with = |threads: usize, seed: u64| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| attribute(method, &train, &bench, &setting(seed)))
        };
        let one = with(1, 1);
        assert_eq!(one, with(3, 1));
        let other = with(1, 2);
        assert_ne!(one, other);
        let agreement = spearman(&one.mean, &other.mean);
        assert!(agreement > 0.25, "{} {agreement}", method.name());
    }
}
