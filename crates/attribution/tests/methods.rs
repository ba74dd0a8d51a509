//! Every method against an independent computation: all subsets, dense algebra, finite differences, plain loops.
#![allow(clippy::unwrap_used)]

mod common;

use assay_attribution::method::{
    Entries, Influence, KnnShapley, Method, NAMES, OutOfBag, Path, Projection, Setting, TrainingLoss, Unit,
    Values, bootstrap, by_name,
};
use assay_attribution::rank::pearson;
use assay_attribution::{PathOptions, ValueFold, value};
use assay_kernels::Mat;
use assay_learn::data::{Features, Target};
use assay_learn::model::Model;
use assay_learn::train::{FitOptions, Precision, fit};
use common::{Set, classes, numbers, sparse};
use proptest::prelude::*;

const LN_2: f64 = std::f64::consts::LN_2;

fn setting(lambda: f64) -> Setting<'static> {
    Setting { lambda, noise_variance: 0.7, weights: None, seed: 5 }
}

fn attribute(method: &dyn Method, train: &Set, bench: &Set, setting: &Setting<'_>) -> Values {
    let cached = method.cache(train.examples(), setting, &|_| {}).unwrap();
    cached.attribute(bench.value_fold(), &|_| {}).unwrap()
}

fn matrix(method: &dyn Method, train: &Set, bench: &Set, setting: &Setting<'_>) -> Mat<f64> {
    let cached = method.cache(train.examples(), setting, &|_| {}).unwrap();
    cached.matrix(bench.value_fold(), &|_| {}).unwrap().unwrap()
}

fn fitted(train: &Set, setting: &Setting<'_>, t: f64, weights: Option<&[f64]>) -> Model {
    let options = FitOptions {
        lambda: setting.lambda,
        noise_variance: setting.noise_variance,
        t,
        weights,
        tolerance: 1e-12,
        precision: Precision::Double,
        ..FitOptions::default()
    };
    fit(&train.features, &train.target, &options).unwrap().model
}

fn row(features: &Features, i: usize) -> Vec<f64> {
    let Features::Dense(m) = features else { panic!("dense expected") };
    m.row(i).iter().map(|&x| f64::from(x)).collect()
}

/// Gradient of each record's loss (or of its output function, the margin) in all weights, feature-major, and the
/// probabilities or means.
fn gradients(set: &Set, model: &Model, margin: bool) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let logs = model.log_probabilities_nats(&set.features);
    let mut fitted = Vec::new();
    let gradient = |i: usize| {
        let residual: Vec<f64> = match &set.target {
            Target::Classes { labels, count } => {
                let p: Vec<f64> = logs.row(i).iter().map(|l| l.exp()).collect();
                let y = labels[i] as usize;
                let own = |c: usize| f64::from(u8::from(c == y));
                let of = |c: usize| match margin {
                    true if c == y => 1.0,
                    true => -p[c] / (1.0 - p[y]),
                    false => p[c] - own(c),
                };
                let residual = (0..*count).map(of).collect();
                fitted.push(p);
                residual
            }
            Target::Numbers(y) => {
                fitted.push(vec![logs.row(i)[0]]);
                vec![(logs.row(i)[0] - y[i]) / 0.7]
            }
        };
        row(&set.features, i).iter().flat_map(|x| residual.iter().map(move |r| x * r)).collect()
    };
    let all = (0..set.target.len()).map(gradient).collect();
    (all, fitted)
}

/// Solves A x = b by Gauss's elimination with pivots.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs())).unwrap();
        a.swap(k, pivot);
        b.swap(k, pivot);
        for i in k + 1..n {
            let factor = a[i][k] / a[k][k];
            let top = a[k].clone();
            a[i].iter_mut().zip(&top).skip(k).for_each(|(x, t)| *x -= factor * t);
            b[i] -= factor * b[k];
        }
    }
    for k in (0..n).rev() {
        let known: f64 = (k + 1..n).map(|j| a[k][j] * b[j]).sum();
        b[k] = (b[k] - known) / a[k][k];
    }
    b
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// lambda I + t * sum of w Hessians, row by row.
fn curvature(set: &Set, fitted: &[Vec<f64>], weights: &[f64], lambda: f64, t: f64) -> Vec<Vec<f64>> {
    let outputs = fitted[0].len();
    let size = set.features.cols() * outputs;
    let mut out = vec![vec![0.0; size]; size];
    for (k, row) in out.iter_mut().enumerate() {
        row[k] = lambda;
    }
    for (i, p) in fitted.iter().enumerate() {
        let x = row(&set.features, i);
        for a in 0..size {
            for b in 0..size {
                let (ca, cb) = (a % outputs, b % outputs);
                let scores = match &set.target {
                    Target::Numbers(_) => 1.0 / 0.7,
                    Target::Classes { .. } if ca == cb => p[ca] * (1.0 - p[ca]),
                    Target::Classes { .. } => -p[ca] * p[cb],
                };
                out[a][b] += t * weights[i] * x[a / outputs] * x[b / outputs] * scores;
            }
        }
    }
    out
}

fn largest(m: &Mat<f64>) -> f64 {
    m.data().iter().fold(0.0, |top, x| x.abs().max(top))
}

#[test]
fn influence_is_dense_algebra() {
    for (train, bench) in
        [(classes(40, 3, 3, 1), classes(11, 3, 3, 2)), (numbers(40, 3, 1), numbers(11, 3, 2))]
    {
        let weights: Vec<f64> = (0..40).map(|i| 0.5 + (i % 3) as f64).collect();
        let setting = Setting { weights: Some(&weights), ..setting(0.8) };
        for (method, t) in [(Influence::OPTIMUM, 1.0), (Influence::CENTRED, 0.5)] {
            let model = fitted(&train, &setting, t, Some(&weights));
            let (own, outputs) = gradients(&train, &model, false);
            let (theirs, _) = gradients(&bench, &model, false);
            let hessian = curvature(&train, &outputs, &weights, setting.lambda, t);
            let mut double = method;
            double.precision = Precision::Double;
            let got = matrix(&double, &train, &bench, &setting);
            let rounded = matrix(&method, &train, &bench, &setting);
            let values = attribute(&method, &train, &bench, &setting);
            let sparse_train = Set { features: sparse(&train.features), target: train.target.clone() };
            let sparse_bench = Set { features: sparse(&bench.features), target: bench.target.clone() };
            let by_products = matrix(&method, &sparse_train, &sparse_bench, &setting);
            let given = double.at(&model, train.examples(), &setting).unwrap();
            let given = given.matrix(bench.value_fold(), &|_| {}).unwrap().unwrap();
            let scale = largest(&got);
            for (j, gradient) in theirs.iter().enumerate() {
                let solved = solve(hessian.clone(), gradient.clone());
                for i in 0..40 {
                    let want = weights[i] * dot(&own[i], &solved) / LN_2;
                    let error = (got.row(i)[j] - want).abs();
                    assert!(error < 1e-9 * scale, "{i} {j}: {} {want}", got.row(i)[j]);
                    assert!((given.row(i)[j] - want).abs() < 1e-9 * scale);
                    assert!((by_products.row(i)[j] - want).abs() < 1e-5 * scale);
                    assert!((rounded.row(i)[j] - want).abs() < 1e-6 * scale);
                }
            }
            for i in 0..40 {
                let mean = got.row(i).iter().sum::<f64>() / 11.0;
                assert!((values.mean[i] - mean).abs() < 1e-12 * (1.0 + scale), "{i}");
                assert!(values.variance(i) > 0.0 && values.unit == Unit::Bits);
            }
        }
    }
}

#[test]
fn influence_is_the_slope_of_real_retraining() {
    let (train, bench) = (classes(60, 4, 3, 3), classes(50, 4, 3, 4));
    let setting = setting(1.0);
    let utility = |weights: &[f64]| {
        let model = fitted(&train, &setting, 1.0, Some(weights));
        -model.loss_bits(&bench.features, &bench.target).iter().sum::<f64>() / 50.0
    };
    for (method, centre) in [(Influence::OPTIMUM, 1.0), (Influence::CENTRED, 0.5)] {
        let values = attribute(&method, &train, &bench, &setting);
        for i in [0, 7, 31, 59] {
            let step = 1e-3;
            let moved = |by: f64| {
                let mut weights = vec![centre; 60];
                weights[i] += by;
                utility(&weights)
            };
            let slope = (moved(step) - moved(-step)) / (2.0 * step);
            assert!((values.mean[i] - slope).abs() < 1e-6, "{i}: {} {slope}", values.mean[i]);
        }
    }
}

/// What the k nearest of `chosen` say about an example, by the definition.
fn knn_utility(train: &Set, bench: &Set, j: usize, chosen: &[usize], k: usize) -> f64 {
    let example = row(&bench.features, j);
    let mut order: Vec<(f64, usize)> = chosen
        .iter()
        .map(|&i| (row(&train.features, i).iter().zip(&example).map(|(a, b)| (a - b) * (a - b)).sum(), i))
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    order.truncate(k);
    match (&train.target, &bench.target) {
        (Target::Classes { labels, .. }, Target::Classes { labels: answers, .. }) => {
            order.iter().filter(|(_, i)| labels[*i] == answers[j]).count() as f64 / k as f64
        }
        (Target::Numbers(y), Target::Numbers(answers)) => {
            let mean = order.iter().map(|(_, i)| y[*i]).sum::<f64>() / k as f64;
            -(mean - answers[j]).powi(2)
        }
        _ => panic!("two tasks"),
    }
}

/// Shapley values by all subsets.
fn knn_shapley(train: &Set, bench: &Set, j: usize, k: usize) -> Vec<f64> {
    let n = train.target.len();
    let members = |set: usize| (0..n).filter(|i| set >> i & 1 == 1).collect::<Vec<_>>();
    let utility: Vec<f64> = (0..1 << n).map(|set| knn_utility(train, bench, j, &members(set), k)).collect();
    let choose = |m: usize| (0..m).map(|l| (n - 1 - l) as f64 / (l + 1) as f64).product::<f64>();
    let marginal = |i: usize| {
        let without = (0..1_usize << n).filter(move |set| set >> i & 1 == 0);
        without
            .map(|set| {
                let weight = 1.0 / (n as f64 * choose(set.count_ones() as usize));
                weight * (utility[set | 1 << i] - utility[set])
            })
            .sum()
    };
    (0..n).map(marginal).collect()
}

/// Records on a small grid, so that many are equally near.
fn grid(points: &[(u8, u8, u8)], numeric: bool) -> Set {
    let data = points.iter().flat_map(|p| [f32::from(p.0), f32::from(p.1), 1.0]).collect();
    let target = if numeric {
        Target::Numbers(points.iter().map(|p| f64::from(p.2) - 0.7).collect())
    } else {
        Target::Classes { labels: points.iter().map(|p| u32::from(p.2)).collect(), count: 3 }
    };
    Set { features: Features::Dense(Mat::from_vec(points.len(), 3, data).unwrap()), target }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn knn_shapley_is_the_sum_over_all_subsets(
        points in prop::collection::vec((0..4_u8, 0..4_u8, 0..3_u8), 1..10),
        examples in prop::collection::vec((0..4_u8, 0..4_u8, 0..3_u8), 2),
        k in 1..6_usize,
        numeric: bool,
    ) {
        let (train, bench) = (grid(&points, numeric), grid(&examples, numeric));
        for precision in [Precision::Double, Precision::Single] {
            let got = matrix(&KnnShapley { neighbours: k, precision }, &train, &bench, &setting(1.0));
            for j in 0..2 {
                for (i, want) in knn_shapley(&train, &bench, j, k).into_iter().enumerate() {
                    prop_assert!((got.row(i)[j] - want).abs() < 1e-9, "{} {} {}", i, got.row(i)[j], want);
                }
            }
        }
    }
}

#[test]
fn knn_shapley_of_twelve_records_and_its_mean() {
    for numeric in [false, true] {
        let at = |k: u8| ((k * 7 + 3) % 5, (k * 11 + 1) % 4, (k * 5 + k / 3) % 3);
        let train = grid(&(0..12).map(at).collect::<Vec<_>>(), numeric);
        let bench = grid(&(20..23).map(at).collect::<Vec<_>>(), numeric);
        for k in 1..=5 {
            let method = KnnShapley { neighbours: k, ..KnnShapley::default() };
            let values = attribute(&method, &train, &bench, &setting(1.0));
            let want: Vec<Vec<f64>> = (0..3).map(|j| knn_shapley(&train, &bench, j, k)).collect();
            for i in 0..12 {
                let samples: Vec<f64> = want.iter().map(|example| example[i]).collect();
                let mean = samples.iter().sum::<f64>() / 3.0;
                let spread: f64 = samples.iter().map(|x| (x - mean) * (x - mean)).sum();
                assert!(
                    (values.mean[i] - mean).abs() < 1e-9 && (values.variance(i) - spread / 6.0).abs() < 1e-9
                );
            }
        }
    }
}

#[test]
fn knn_shapley_sums_to_the_utility_of_all() {
    let (train, bench) = (classes(500, 6, 4, 1), classes(130, 6, 4, 2));
    let all: Vec<usize> = (0..500).collect();
    for features in [train.features.clone(), sparse(&train.features)] {
        let dense = matches!(features, Features::Dense(_));
        let examples = if dense { bench.features.clone() } else { sparse(&bench.features) };
        let (a, b) = (
            Set { features, target: train.target.clone() },
            Set { features: examples, target: bench.target.clone() },
        );
        let values = attribute(&KnnShapley::default(), &a, &b, &setting(1.0));
        let want: f64 = (0..130).map(|j| knn_utility(&train, &bench, j, &all, 5)).sum::<f64>() / 130.0;
        assert!((values.mean.iter().sum::<f64>() - want).abs() < 1e-9);
    }
}

#[test]
fn out_of_bag_is_what_separate_models_say() {
    for (train, unit) in [(classes(50, 4, 3, 5), Unit::Accuracy), (numbers(50, 4, 5), Unit::Score)] {
        let weights: Vec<f64> = (0..50).map(|i| 1.0 + (i % 2) as f64).collect();
        let setting = Setting { weights: Some(&weights), ..setting(0.5) };
        let method = OutOfBag { bootstraps: 20, tolerance: 1e-10, precision: Precision::Double };
        let got = attribute(&method, &train, &train, &setting);
        let mut want = Values::empty(unit, 50);
        for number in 0..20 {
            let counts = bootstrap(50, setting.seed, number);
            assert_eq!(counts.iter().sum::<u32>(), 50);
            let bag: Vec<f64> = counts.iter().zip(&weights).map(|(&c, w)| w * f64::from(c)).collect();
            let model = fitted(&train, &setting, 1.0, Some(&bag));
            let (predicted, means) = (model.classes(&train.features), model.scores(&train.features));
            for i in (0..50).filter(|&i| counts[i] == 0) {
                let score = match &train.target {
                    Target::Classes { labels, .. } => f64::from(u8::from(predicted[i] == labels[i])),
                    Target::Numbers(y) => -(y[i] - means.row(i)[0]).powi(2),
                };
                want.push(i, score);
            }
        }
        assert_eq!((got.unit, &got.count), (unit, &want.count));
        for i in 0..50 {
            assert!(
                (got.mean[i] - want.mean[i]).abs() < 1e-7 && (got.squares[i] - want.squares[i]).abs() < 1e-6
            );
        }
    }
}

#[test]
fn projection_without_projection_is_the_closed_form() {
    let (train, bench) = (classes(40, 3, 3, 1), classes(9, 3, 3, 2));
    let setting = setting(0.6);
    let model = fitted(&train, &setting, 1.0, None);
    let (own, outputs) = gradients(&train, &model, true);
    let (theirs, _) = gradients(&bench, &model, true);
    let size = own[0].len();
    let mut kernel = vec![vec![0.0; size]; size];
    for a in 0..size {
        kernel[a][a] = setting.lambda;
        for b in 0..size {
            kernel[a][b] += own.iter().map(|g| g[a] * g[b]).sum::<f64>();
        }
    }
    let Target::Classes { labels, .. } = &train.target else { panic!("classes") };
    let got = matrix(&Projection::default(), &train, &bench, &setting);
    let scale = largest(&got);
    for (j, gradient) in theirs.iter().enumerate() {
        let solved = solve(kernel.clone(), gradient.clone());
        for i in 0..40 {
            let want = dot(&own[i], &solved) * (1.0 - outputs[i][labels[i] as usize]);
            assert!((got.row(i)[j] - want).abs() < 1e-8 * scale, "{} {want}", got.row(i)[j]);
        }
    }
    let values = attribute(&Projection::default(), &train, &bench, &setting);
    assert!(
        (0..40)
            .all(|i| (values.mean[i] - got.row(i).iter().sum::<f64>() / 9.0).abs() < 1e-12 * (1.0 + scale))
    );
}

/// For numbers with noise of variance 1 the output function is the model, and the kernel its curvature.
#[test]
fn projection_of_numbers_is_influence() {
    let (train, bench) = (numbers(50, 4, 1), numbers(12, 4, 2));
    let setting = Setting { noise_variance: 1.0, ..setting(0.6) };
    let by_kernel = matrix(&Projection::default(), &train, &bench, &setting);
    let mut exact = Influence::OPTIMUM;
    exact.precision = Precision::Double;
    let by_curvature = matrix(&exact, &train, &bench, &setting);
    for (a, b) in by_kernel.data().iter().zip(by_curvature.data()) {
        assert!((a / LN_2 - b).abs() < 1e-9);
    }
}

#[test]
fn projections_keep_what_they_project() {
    let (train, bench) = (classes(150, 20, 4, 1), classes(60, 20, 4, 2));
    let setting = setting(1.0);
    let exact = matrix(&Projection::default(), &train, &bench, &setting);
    for entries in [Entries::Rademacher, Entries::Gaussian] {
        let projected = Projection { dimension: 64, entries, ..Projection::default() };
        let one = pearson(exact.data(), matrix(&projected, &train, &bench, &setting).data());
        let eight = Projection { checkpoints: 8, ..projected };
        let eight = pearson(exact.data(), matrix(&eight, &train, &bench, &setting).data());
        assert!(one > 0.85 && eight > 0.8, "{entries:?} {one} {eight}");
    }
}

#[test]
fn the_path_and_the_training_loss_are_what_they_wrap() {
    let (train, bench) = (classes(80, 4, 3, 1), classes(60, 4, 3, 2));
    let setting = setting(1.0);
    let values = attribute(&Path::default(), &train, &bench, &setting);
    let options = PathOptions { lambda: 1.0, noise_variance: 0.7, seed: 5, ..PathOptions::default() };
    let valuation = value(train.examples(), bench.value_fold(), &options, &|_| {}).unwrap();
    assert_eq!(values.mean, valuation.value_bits);
    assert!((values.variance(3).sqrt() - valuation.record_se_bits(3)).abs() < 1e-15);

    let values = attribute(&TrainingLoss::default(), &train, &bench, &setting);
    let losses = fitted(&train, &setting, 1.0, None).loss_bits(&train.features, &train.target);
    assert!(values.mean.iter().zip(&losses).all(|(v, loss)| (v + loss).abs() < 1e-7));
}

#[test]
fn every_name_is_a_method_that_keeps_its_word() {
    let sets = [
        (classes(90, 5, 3, 1), classes(40, 5, 3, 2), numbers(40, 5, 1)),
        (numbers(90, 5, 1), numbers(40, 5, 2), classes(40, 5, 3, 2)),
    ];
    assert!(by_name("no such method").is_none());
    for name in NAMES {
        let method = by_name(name).unwrap();
        assert_eq!(method.name(), name);
        for (train, bench, other) in &sets {
            let run = |threads: usize, bench: &Set| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| attribute(&*method, train, bench, &setting(1.0)))
            };
            let values = run(1, bench);
            assert_eq!(values, run(3, bench), "{name}");
            assert!(values.mean.iter().all(|x| x.is_finite()) && values.mean.len() == 90);
            if !method.reads_benchmark() {
                assert_eq!(values, run(1, train), "{name}");
            }
            let cached = method.cache(train.examples(), &setting(1.0), &|_| {}).unwrap();
            assert!(cached.attribute(other.value_fold(), &|_| {}).is_err(), "{name}");
            let wide = ValueFold::new(train.examples());
            if let Some(all) = cached.matrix(wide, &|_| {}).unwrap() {
                assert_eq!((all.rows(), all.cols()), (90, 90));
            }
        }
    }
}
