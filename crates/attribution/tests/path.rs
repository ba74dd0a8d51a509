//! The path value against its definition, computed by other means.
#![allow(clippy::unwrap_used)]

mod common;

use assay_attribution::{Examples, PathOptions, Tolerances, Valuation, ValueFold, value};
use assay_kernels::Mat;
use assay_learn::data::{Features, Target};
use assay_learn::train::Precision;
use common::{Set, classes, numbers, sparse};

const EXACT: Tolerances = Tolerances { path: 1e-10, mean: 1e-10, folds: 1e-10, fold_stride: 1 };

fn exact(lambda: f64) -> PathOptions<'static> {
    PathOptions { lambda, tolerances: Some(EXACT), precision: Precision::Double, ..PathOptions::default() }
}

fn run(train: &Set, bench: &Set, options: &PathOptions<'_>) -> Valuation {
    value(train.examples(), bench.value_fold(), options, &|_| {}).unwrap()
}

/// An independent solver: softmax regression in plain vectors, dense Newton by Gaussian elimination.
mod plain {
    use super::*;

    pub(crate) struct Data {
        pub(crate) x: Vec<Vec<f64>>,
        pub(crate) y: Vec<usize>,
        pub(crate) classes: usize,
    }

    pub(crate) fn data(set: &Set) -> Data {
        let (Features::Dense(m), Target::Classes { labels, count }) = (&set.features, &set.target) else {
            panic!("dense classes expected")
        };
        let x = (0..m.rows()).map(|i| m.row(i).iter().map(|&v| f64::from(v)).collect()).collect();
        Data { x, y: labels.iter().map(|&y| y as usize).collect(), classes: *count }
    }

    pub(crate) fn probabilities(theta: &[f64], x: &[f64], classes: usize) -> Vec<f64> {
        let d = x.len();
        let z: Vec<f64> =
            (0..classes).map(|c| (0..d).map(|j| theta[c * d + j] * x[j]).sum::<f64>().exp()).collect();
        let sum: f64 = z.iter().sum();
        z.iter().map(|z| z / sum).collect()
    }

    fn eliminate(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
        let n = b.len();
        for k in 0..n {
            let pivot = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs())).unwrap();
            a.swap(k, pivot);
            b.swap(k, pivot);
            let top = a[k].clone();
            for i in k + 1..n {
                let f = a[i][k] / top[k];
                a[i].iter_mut().zip(&top).skip(k).for_each(|(x, t)| *x -= f * t);
                b[i] -= f * b[k];
            }
        }
        for k in (0..n).rev() {
            let sum: f64 = (k + 1..n).map(|j| a[k][j] * b[j]).sum();
            b[k] = (b[k] - sum) / a[k][k];
        }
        b
    }

    /// argmin of lambda / 2 |theta|^2 + sum_i w_i loss_i.
    pub(crate) fn fit(data: &Data, w: &[f64], lambda: f64, mut theta: Vec<f64>) -> Vec<f64> {
        let (d, k) = (data.x[0].len(), data.classes);
        for _ in 0..50 {
            let mut g: Vec<f64> = theta.iter().map(|x| lambda * x).collect();
            let mut h = vec![vec![0.0; d * k]; d * k];
            for (r, row) in h.iter_mut().enumerate() {
                row[r] = lambda;
            }
            for ((x, &y), &w) in data.x.iter().zip(&data.y).zip(w) {
                let p = probabilities(&theta, x, k);
                for a in 0..k {
                    for j in 0..d {
                        g[a * d + j] += w * (p[a] - f64::from(u8::from(a == y))) * x[j];
                        for b in 0..k {
                            let q = w * p[a] * (f64::from(u8::from(a == b)) - p[b]) * x[j];
                            for l in 0..d {
                                h[a * d + j][b * d + l] += q * x[l];
                            }
                        }
                    }
                }
            }
            let size = g.iter().map(|g| g.abs()).fold(0.0, f64::max);
            if size < 1e-13 {
                break;
            }
            let step = eliminate(h, g);
            theta.iter_mut().zip(step).for_each(|(t, s)| *t -= s);
        }
        theta
    }

    pub(crate) fn utility(data: &Data, theta: &[f64]) -> f64 {
        let k = data.classes;
        let bits = |(x, &y): (&Vec<f64>, &usize)| probabilities(theta, x, k)[y].log2() + (k as f64).log2();
        data.x.iter().zip(&data.y).map(bits).sum::<f64>() / data.y.len() as f64
    }
}

/// v_i is the integral of dU/dw_i along the diagonal: here by central differences of an independent solver in each
/// record's weight, and Simpson's rule in u.
#[test]
fn values_are_the_integral_of_finite_differences() {
    let (train, bench) = (classes(14, 2, 3, 1), classes(25, 2, 3, 2));
    let lambda = 0.5;
    let valuation = run(&train, &bench, &PathOptions { nodes: 32, closure: 1e-9, ..exact(lambda) });
    let (data, held) = (plain::data(&train), plain::data(&bench));
    let n = data.y.len();
    let intervals = 60;
    let h = 1e-4;
    let mut values = vec![0.0; n];
    let mut theta = vec![0.0; 3 * 3];
    for k in 0..=intervals {
        let u = k as f64 / intervals as f64;
        let simpson = if k == 0 || k == intervals {
            1.0
        } else if k % 2 == 1 {
            4.0
        } else {
            2.0
        };
        let weight = simpson / (3.0 * intervals as f64) * 3.0 * u * u;
        let t = u * u * u;
        theta = plain::fit(&data, &vec![t; n], lambda, theta);
        for (i, value) in values.iter_mut().enumerate() {
            let at = |delta: f64| {
                let mut w = vec![t; n];
                w[i] += delta;
                plain::utility(&held, &plain::fit(&data, &w, lambda, theta.clone()))
            };
            *value += weight * (at(h) - at(-h)) / (2.0 * h);
        }
    }
    for (i, want) in values.iter().enumerate() {
        let got = valuation.value_bits[i];
        assert!((got - want).abs() < 1e-5 * (1.0 + want.abs()), "record {i}: {got} against {want}");
    }
    let end = plain::fit(&data, &vec![1.0; n], lambda, theta);
    assert!((valuation.gain_bits - plain::utility(&held, &end)).abs() < 1e-9);
    for i in 0..n {
        let at = |delta: f64| {
            let mut w = vec![1.0; n];
            w[i] += delta;
            plain::utility(&held, &plain::fit(&data, &w, lambda, end.clone()))
        };
        let (want, got) = ((at(h) - at(-h)) / (2.0 * h), valuation.marginal_bits[i]);
        assert!((got - want).abs() < 1e-5 * (1.0 + want.abs()), "margin of record {i}: {got} against {want}");
    }
}

/// The same with a third of the records at full weight throughout, weights of all sizes, and some of none.
#[test]
fn what_new_records_add_to_standing_ones() {
    let (train, bench) = (classes(15, 2, 3, 1), classes(25, 2, 3, 2));
    let lambda = 0.5;
    let weights: Vec<f64> = (0..15).map(|i| [1.0, 0.5, 2.0, 0.0, 1.0][i % 5]).collect();
    let held: Vec<bool> = (0..15).map(|i| i % 3 == 0).collect();
    let options = PathOptions { nodes: 32, closure: 1e-9, ..exact(lambda) };
    let v =
        run(&train, &bench, &PathOptions { weights: Some(&weights), held_at_one: Some(&held), ..options });
    let (data, held_out) = (plain::data(&train), plain::data(&bench));
    let at_t = |t: f64| -> Vec<f64> {
        weights.iter().zip(&held).map(|(w, held)| if *held { *w } else { t * w }).collect()
    };
    let slope = |t: f64, i: usize, start: &[f64]| {
        let h = 1e-4;
        let at = |delta: f64| {
            let mut w = at_t(t);
            w[i] += delta;
            plain::utility(&held_out, &plain::fit(&data, &w, lambda, start.to_vec()))
        };
        (at(h) - at(-h)) / (2.0 * h)
    };
    let (mut values, mut theta) = (vec![0.0; 15], vec![0.0; 9]);
    let intervals = 40;
    for k in 0..=intervals {
        let t = k as f64 / intervals as f64;
        theta = plain::fit(&data, &at_t(t), lambda, theta);
        let inside = if k % 2 == 1 { 4.0 } else { 2.0 };
        let simpson = if k == 0 || k == intervals { 1.0 } else { inside } / (3.0 * intervals as f64);
        for (i, value) in values.iter_mut().enumerate().filter(|(i, _)| !held[*i]) {
            *value += simpson * weights[i] * slope(t, i, &theta);
        }
    }
    for i in 0..15 {
        let (got, want) = (v.value_bits[i], values[i]);
        assert!((got - want).abs() < 1e-5 * (1.0 + want.abs()), "record {i}: {got} against {want}");
        assert!((!held[i] && weights[i] > 0.0) || got == 0.0);
        let (got, want) = (v.marginal_bits[i], slope(1.0, i, &theta));
        assert!((got - want).abs() < 1e-5 * (1.0 + want.abs()), "margin of record {i}: {got} against {want}");
    }
    let start = plain::utility(&held_out, &plain::fit(&data, &at_t(0.0), lambda, vec![0.0; 9]));
    assert!((v.base_bits - v.empty_bits - start).abs() < 1e-9);
    assert!((v.empty_bits + 3_f64.log2()).abs() < 1e-12);
    assert!(v.closed && (v.full_bits - v.base_bits - v.sum_bits).abs() < 1e-8);
    assert_eq!(v.weights, weights);
}

/// First the old records from nothing, then the new ones on top: together all that there is to share.
#[test]
fn gains_follow_each_other_without_a_gap() {
    for (old, precision) in [(150, Precision::Double), (290, Precision::Single), (295, Precision::Double)] {
        let (train, bench) = (classes(300, 6, 4, 3), classes(90, 6, 4, 4));
        let options = PathOptions { lambda: 0.5, precision, ..PathOptions::default() };
        let held: Vec<bool> = (0..300).map(|i| i < old).collect();
        let new = run(&train, &bench, &PathOptions { held_at_one: Some(&held), ..options.clone() });
        let rows: Vec<usize> = (0..old).collect();
        let first = Set { features: train.features.select(&rows), target: train.target.select(&rows) };
        let first = run(&first, &bench, &options);
        let all = run(&train, &bench, &options);
        assert!(new.closed && new.nodes == 16, "{} nodes, {}", new.nodes, new.closure_relative);
        assert!((first.full_bits - new.base_bits).abs() < 1e-5);
        assert!((first.gain_bits + new.gain_bits - all.gain_bits).abs() < 1e-5);
        assert!((first.sum_bits + new.sum_bits - all.sum_bits).abs() < 1e-3);
        assert!(new.value_bits[..old].iter().all(|v| *v == 0.0));
        assert!(new.fold_bits.data()[..old * 8].iter().all(|v| v.abs() < 1e-15));
        let groups = new.group(&vec![0; 300], 1);
        assert!((groups[0].value_bits - new.gain_bits).abs() < 1e-3 * new.gain_bits.abs());
    }
}

#[test]
fn none_or_all_may_stand() {
    let (train, bench) = (classes(80, 5, 3, 3), classes(60, 5, 3, 4));
    let options = PathOptions { lambda: 0.5, nodes: 8, max_nodes: 8, ..PathOptions::default() };
    let with =
        |held: &[bool]| run(&train, &bench, &PathOptions { held_at_one: Some(held), ..options.clone() });
    let (plain, none, all) = (run(&train, &bench, &options), with(&[false; 80]), with(&[true; 80]));
    assert_eq!(plain.value_bits, none.value_bits);
    assert_eq!(plain.fold_bits, none.fold_bits);
    assert_eq!((plain.model, plain.full_bits, plain.products), (none.model, none.full_bits, none.products));
    assert!(all.closed && all.value_bits.iter().all(|v| *v == 0.0));
    assert!((all.base_bits - plain.full_bits).abs() < 1e-6);
    let short = PathOptions { held_at_one: Some(&[true; 3]), ..options };
    let refused = value(train.examples(), bench.value_fold(), &short, &|_| {}).unwrap_err();
    assert!(refused.to_string().contains("marks"), "{refused}");
}

/// Records without weight are not there: same bits as without them, and the same with all weights nothing.
#[test]
fn records_without_weight_change_nothing() {
    let (train, bench) = (classes(90, 5, 3, 3), classes(60, 5, 3, 4));
    let weights: Vec<f64> = (0..90).map(|i| f64::from(u8::from(i % 3 > 0))).collect();
    let options = PathOptions { nodes: 8, max_nodes: 8, ..PathOptions::default() };
    let v = run(&train, &bench, &PathOptions { weights: Some(&weights), ..options.clone() });
    let rows: Vec<usize> = (0..90).filter(|i| i % 3 > 0).collect();
    let few = Set { features: train.features.select(&rows), target: train.target.select(&rows) };
    let few = run(&few, &bench, &options);
    assert_eq!(rows.iter().map(|&i| v.value_bits[i]).collect::<Vec<_>>(), few.value_bits);
    assert!((0..90).step_by(3).all(|i| v.value_bits[i] == 0.0 && v.fold_bits.row(i) == [0.0; 8]));
    assert!((0..90).step_by(3).all(|i| v.marginal_bits[i] != 0.0));
    assert_eq!((v.products, v.model), (few.products, few.model));
    let nothing = run(&train, &bench, &PathOptions { weights: Some(&[0.0; 90]), ..options });
    assert_eq!((nothing.gain_bits, nothing.sum_bits), (0.0, 0.0));
}

#[test]
fn the_books_balance() {
    for (lambda, count) in [(0.1, 2), (1.0, 5), (10.0, 12)] {
        let (train, bench) = (classes(150, 6, count, 3), classes(90, 6, count, 4));
        let v = run(&train, &bench, &PathOptions { lambda, ..PathOptions::default() });
        assert!(v.closed && v.closure_relative < 1e-3, "{lambda} {count}: {}", v.closure_relative);
        assert!((v.value_bits.iter().sum::<f64>() - v.gain_bits).abs() <= v.closure_bits + 1e-12);
        assert!((v.full_bits - v.base_bits - v.gain_bits).abs() < 1e-12);
        assert!((v.base_bits + (count as f64).log2()).abs() < 1e-9);
        let model = v.model.gain_bits(&bench.features, &bench.target);
        // The gain is of the minimum, to first order; the model is as near to it as was asked.
        assert!((model.iter().sum::<f64>() / 90.0 - v.gain_bits).abs() < 1e-6);
    }
}

#[test]
fn more_nodes_are_taken_until_the_books_balance() {
    let (train, bench) = (classes(150, 6, 4, 3), classes(90, 6, 4, 4));
    let v = run(&train, &bench, &PathOptions { nodes: 2, closure: 1e-6, ..exact(0.05) });
    assert!(v.closed && v.nodes > 2, "{} nodes, {}", v.nodes, v.closure_relative);
    let stuck = run(&train, &bench, &PathOptions { nodes: 1, max_nodes: 1, closure: 1e-9, ..exact(0.05) });
    assert!(!stuck.closed && stuck.nodes == 1);
}

#[test]
fn sparse_and_dense_storage_agree() {
    let (train, bench) = (classes(120, 7, 4, 5), classes(60, 7, 4, 6));
    let dense = run(&train, &bench, &exact(0.3));
    let train = Set { features: sparse(&train.features), target: train.target.clone() };
    let bench = Set { features: sparse(&bench.features), target: bench.target.clone() };
    let sparse = run(&train, &bench, &exact(0.3));
    for (a, b) in dense.value_bits.iter().zip(&sparse.value_bits) {
        assert!((a - b).abs() < 1e-9, "{a} {b}");
    }
    for (a, b) in dense.fold_bits.data().iter().zip(sparse.fold_bits.data()) {
        assert!((a - b).abs() < 1e-8, "{a} {b}");
    }
}

#[test]
fn single_precision_agrees_with_double() {
    let (train, bench) = (classes(200, 7, 4, 5), classes(100, 7, 4, 6));
    let double = run(&train, &bench, &exact(0.3));
    let single = PathOptions { precision: Precision::Single, tolerances: None, ..exact(0.3) };
    let single = run(&train, &bench, &single);
    let scale = double.value_bits.iter().map(|v| v.abs()).fold(0.0, f64::max);
    for (a, b) in double.value_bits.iter().zip(&single.value_bits) {
        assert!((a - b).abs() < 5e-3 * scale, "{a} {b}");
    }
    let groups: Vec<u32> = (0..200).map(|i| i % 5).collect();
    for (a, b) in double.group(&groups, 5).iter().zip(single.group(&groups, 5)) {
        assert!((a.se_bits / b.se_bits - 1.0).abs() < 0.05, "{} {}", a.se_bits, b.se_bits);
    }
}

/// Every fold's values are what a benchmark of that fold alone would give, and their mean is the value.
#[test]
fn folds_are_benchmarks_of_their_own() {
    let (train, bench) = (classes(60, 4, 3, 7), classes(41, 4, 3, 8));
    let v = run(&train, &bench, &PathOptions { folds: 3, seed: 5, ..exact(1.0) });
    assert_eq!(v.fold_sizes.iter().sum::<usize>(), 41);
    let order = assay_learn::crossval::shuffled(41, 5, 41);
    for f in 0..3 {
        let rows: Vec<usize> = order.iter().copied().skip(f).step_by(3).collect();
        let (features, target) = (bench.features.select(&rows), bench.target.select(&rows));
        let alone = Examples { features: &features, target: &target };
        let options = PathOptions { folds: 0, ..exact(1.0) };
        let alone = value(train.examples(), ValueFold::new(alone), &options, &|_| {}).unwrap();
        for (i, want) in alone.value_bits.iter().enumerate() {
            assert!((v.fold_bits.row(i)[f] - want).abs() < 1e-8);
        }
        assert!(alone.record_se_bits(0).is_nan());
    }
    for (i, &value) in v.value_bits.iter().enumerate() {
        let mean: f64 = v.fold_bits.row(i).iter().zip(&v.fold_sizes).map(|(x, &m)| x * m as f64 / 41.0).sum();
        assert!((mean - value).abs() < 1e-12);
    }
}

/// A record of weight two is two copies of it; copies that share one unit of weight gain nothing.
#[test]
fn weights_are_multiplicities() {
    let (train, bench) = (classes(50, 4, 3, 9), classes(40, 4, 3, 10));
    let plain = run(&train, &bench, &exact(0.7));
    let twice: Vec<usize> = (0..50).chain(0..10).collect();
    let copied = Set { features: train.features.select(&twice), target: train.target.select(&twice) };
    let copies = run(&copied, &bench, &exact(0.7));
    let weights: Vec<f64> = (0..50).map(|i| if i < 10 { 2.0 } else { 1.0 }).collect();
    let weighted = run(&train, &bench, &PathOptions { weights: Some(&weights), ..exact(0.7) });
    let halves: Vec<f64> = (0..60).map(|i| if (10..50).contains(&i) { 1.0 } else { 0.5 }).collect();
    let shared = run(&copied, &bench, &PathOptions { weights: Some(&halves), ..exact(0.7) });
    for i in 0..50 {
        let other = if i < 10 { Some(50 + i) } else { None };
        let pair = |v: &Valuation| v.value_bits[i] + other.map_or(0.0, |j| v.value_bits[j]);
        assert!((pair(&copies) - weighted.value_bits[i]).abs() < 1e-9);
        assert!((pair(&shared) - plain.value_bits[i]).abs() < 1e-9);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (train, bench) = (classes(700, 30, 12, 11), classes(200, 30, 12, 12));
    let train = Set { features: sparse(&train.features), target: train.target };
    let bench = Set { features: sparse(&bench.features), target: bench.target };
    for precision in [Precision::Single, Precision::Double] {
        let options = PathOptions { nodes: 4, max_nodes: 4, precision, ..PathOptions::default() };
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| run(&train, &bench, &options))
        };
        let (one, three) = (with(1), with(3));
        assert_eq!(one.value_bits, three.value_bits);
        assert_eq!(one.fold_bits, three.fold_bits);
        assert_eq!(one.model, three.model);
    }
}

#[test]
fn numbers_are_valued_too() {
    let (train, bench) = (numbers(120, 5, 1), numbers(80, 5, 2));
    let options = PathOptions { noise_variance: 0.3, ..exact(2.0) };
    let v = run(&train, &bench, &options);
    assert!(v.closed && v.gain_bits > 0.3, "{} {}", v.closure_relative, v.gain_bits);
    assert!(v.closure_relative < 1e-4);
    // Records with the wrong sign cost bits.
    let Target::Numbers(mut y) = train.target.clone() else { panic!() };
    y.iter_mut().take(20).for_each(|y| *y *= -3.0);
    let spoiled = Set { features: train.features, target: Target::Numbers(y) };
    let v = run(&spoiled, &bench, &options);
    let groups: Vec<u32> = (0..120).map(|i| u32::from(i >= 20)).collect();
    let groups = v.group(&groups, 2);
    assert!(groups[0].high_bits < 0.0 && groups[1].low_bits > 0.0, "{groups:?}");
}

#[test]
fn bad_input_is_refused_with_a_reason() {
    let (train, bench) = (classes(20, 3, 3, 1), classes(20, 4, 3, 2));
    let try_with = |t: Examples<'_>, b: Examples<'_>, o: &PathOptions<'_>| {
        value(t, ValueFold::new(b), o, &|_| {}).unwrap_err().to_string()
    };
    let ok = PathOptions::default();
    assert!(try_with(train.examples(), bench.examples(), &ok).contains("other features"));
    let numbers = numbers(20, 3, 1);
    assert!(try_with(train.examples(), numbers.examples(), &ok).contains("task"));
    let zero = PathOptions { lambda: 0.0, ..PathOptions::default() };
    assert!(try_with(train.examples(), train.examples(), &zero).contains("lambda"));
    let nan = [f64::NAN; 20];
    let nan = PathOptions { weights: Some(&nan), ..PathOptions::default() };
    assert!(try_with(train.examples(), train.examples(), &nan).contains("weight"));
    let none = PathOptions { nodes: 0, ..PathOptions::default() };
    assert!(try_with(train.examples(), train.examples(), &none).contains("node"));
    let wrong = Target::Classes { labels: vec![5; 20], count: 3 };
    let wrong = Examples { features: &train.features, target: &wrong };
    assert!(try_with(train.examples(), wrong, &ok).contains("benchmark"));
}

/// One number estimated from two records, 1 and 3, for a benchmark of 2: all is in closed form, and the Shapley value
/// of the same game is another (docs/VALUE.md, section 4).
#[test]
fn two_records_by_hand() {
    let set = |y: &[f64]| Set {
        features: Features::Dense(Mat::from_vec(y.len(), 1, vec![1.0; y.len()]).unwrap()),
        target: Target::Numbers(y.to_vec()),
    };
    let v = run(&set(&[1.0, 3.0]), &set(&[2.0]), &PathOptions { nodes: 32, ..exact(1.0) });
    let ln_2 = std::f64::consts::LN_2;
    assert!((v.value_bits[0] - 2.0 / (9.0 * ln_2)).abs() < 1e-9, "{}", v.value_bits[0]);
    assert!((v.value_bits[1] - 14.0 / (9.0 * ln_2)).abs() < 1e-9, "{}", v.value_bits[1]);
    // Gains of the subsets, theta being the sum of those in it over one more than their number.
    let gain = |y: &[f64]| {
        let theta = y.iter().sum::<f64>() / (1.0 + y.len() as f64);
        (4.0 - (2.0 - theta) * (2.0 - theta)) / (2.0 * ln_2)
    };
    let shapley = 0.5 * (gain(&[1.0]) + gain(&[1.0, 3.0]) - gain(&[3.0]));
    assert!((shapley - 0.5611).abs() < 1e-4 && (v.value_bits[0] - shapley).abs() > 0.2);
}
