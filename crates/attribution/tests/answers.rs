//! Attribution of single answers, and retraining.
#![allow(clippy::unwrap_used)]

mod common;

use assay_attribution::answer::{half_subsets, lost_without, most_missed, retrained_bits, top};
use assay_attribution::{
    AnswerOptions, Examples, Folds, LeaveOutOptions, PathOptions, PathState, ReportFold, Tolerances,
    ValueFold, leave_out, value,
};
use assay_learn::data::{Features, Target};
use assay_learn::train::{FitOptions, Precision, fit};
use common::{Set, classes, digits, numbers, sparse};
use proptest::prelude::*;

const EXACT: Tolerances = Tolerances { path: 1e-9, mean: 1e-9, folds: 1e-9, fold_stride: 1 };

/// An answer is a benchmark of one example.
#[test]
fn an_answer_is_attributed_as_a_benchmark_of_one() {
    let dense = (classes(90, 5, 4, 1), classes(6, 5, 4, 2));
    let with_sparse = |s: &Set| Set { features: sparse(&s.features), target: s.target.clone() };
    let sparse = (with_sparse(&dense.0), with_sparse(&dense.1));
    let numbers = (numbers(90, 5, 1), numbers(6, 5, 2));
    for (train, queries) in [dense, sparse, numbers] {
        let o = AnswerOptions { lambda: 0.4, noise_variance: 0.3, ..AnswerOptions::default() };
        let state = PathState::cache(train.examples(), &o, &|_| {}).unwrap();
        let answers = state.attribute(&queries.features, &queries.target, &|_| {}).unwrap();
        for q in 0..6 {
            let (features, target) = (queries.features.select(&[q]), queries.target.select(&[q]));
            let one = Examples { features: &features, target: &target };
            let options = PathOptions {
                lambda: 0.4,
                noise_variance: 0.3,
                tolerances: Some(EXACT),
                max_nodes: 16,
                ..PathOptions::default()
            };
            let v = value(train.examples(), ValueFold::new(one), &options, &|_| {}).unwrap();
            for (a, b) in answers.bits.row(q).iter().zip(&v.value_bits) {
                assert!((a - b).abs() < 1e-5, "{a} {b}");
            }
            assert!((answers.gain_bits[q] - v.gain_bits).abs() < 1e-6);
            assert!(answers.closure_bits[q] < 1e-3 * (1.0 + v.gain_bits.abs()), "{:?}", answers.closure_bits);
        }
        let own = state.model().gain_bits(&queries.features, &queries.target);
        assert!(own.iter().zip(&answers.gain_bits).all(|(a, b)| (a - b).abs() < 1e-9));
    }
}

/// The quick way against the exact one: most of the largest twenty, the mass that they cover, and every record.
#[test]
fn quick_answers_are_nearly_the_exact_ones() {
    let dense = (classes(400, 8, 4, 1), classes(12, 8, 4, 2));
    let with_sparse = |s: &Set| Set { features: sparse(&s.features), target: s.target.clone() };
    let sparse = (with_sparse(&dense.0), with_sparse(&dense.1));
    let numbers = (numbers(300, 6, 1), numbers(12, 6, 2));
    let sets = [Some(dense), Some(sparse), Some(numbers), digits()];
    for (train, queries) in sets.into_iter().flatten() {
        let o = AnswerOptions { lambda: 0.7, noise_variance: 0.4, ..AnswerOptions::default() };
        let state = PathState::cache(train.examples(), &o, &|_| {}).unwrap();
        let quick = state.quick(train.examples(), &|_| {}).unwrap();
        let few: Vec<usize> = (0..12).collect();
        let (features, target) = (queries.features.select(&few), queries.target.select(&few));
        let exact = state.attribute(&features, &target, &|_| {}).unwrap();
        let near = quick.attribute(&features, &target).unwrap();
        let mut shared = 0;
        for q in 0..12 {
            let (a, b) = (exact.bits.row(q), near.bits.row(q));
            let (named, close) = (top(a, |_| true, 20), top(b, |_| true, 20));
            shared += named.records.iter().filter(|i| close.records.contains(i)).count();
            assert!((named.covered - close.covered).abs() < 0.02, "{named:?} {close:?}");
            let size = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
            let apart: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
            assert!(size(&apart) < 0.03 * size(a), "{q}: {} {}", size(&apart), size(a));
            assert!((exact.gain_bits[q] - near.gain_bits[q]).abs() < 1e-3);
            // Of all that moved it, for and against.
            let moved: f64 = a.iter().map(|x| x.abs()).sum();
            assert!(near.closure_bits[q] < 0.02 * moved, "{:?} {moved}", near.closure_bits);
        }
        assert!(shared >= 228, "{shared} of 240");
        let other = classes(30, 3, 3, 1);
        assert!(quick.attribute(&other.features, &other.target).is_err());
        assert!(state.quick(other.examples(), &|_| {}).is_err());
    }
}

/// As a class is a cluster in few directions of many, most features lie in what is taken to be simple.
#[test]
fn what_quick_answers_leave_out_is_little_and_they_say_so() {
    let falling = |mut s: Set| {
        let Features::Dense(x) = &mut s.features else { panic!() };
        let last = x.cols() - 1;
        for i in 0..x.rows() {
            x.row_mut(i)[..last].iter_mut().enumerate().for_each(|(j, x)| *x *= 0.4 / (1.0 + j as f32 / 8.0));
        }
        s
    };
    let set = |classes_count: usize, n: usize| {
        (falling(classes(n, 160, classes_count, 1)), falling(classes(10, 160, classes_count, 2)))
    };
    let few = set(12, 900);
    let (mut with_sparse, many) = (set(12, 900), set(34, 800));
    with_sparse.0.features = sparse(&with_sparse.0.features);
    with_sparse.1.features = sparse(&with_sparse.1.features);
    for ((train, queries), most) in [(few, 0.1), (with_sparse, 0.1), (many, 0.2)] {
        let o = AnswerOptions { lambda: 2.0, ..AnswerOptions::default() };
        let state = PathState::cache(train.examples(), &o, &|_| {}).unwrap();
        let quick = state.quick(train.examples(), &|_| {}).unwrap();
        let exact = state.attribute(&queries.features, &queries.target, &|_| {}).unwrap();
        let near = quick.attribute(&queries.features, &queries.target).unwrap();
        assert!(quick.missed() < 0.04, "{}", quick.missed());
        for q in 0..10 {
            let (a, b) = (exact.bits.row(q), near.bits.row(q));
            let size = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
            let apart: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
            assert!(size(&apart) < most * size(a), "{q}: {} {}", size(&apart), size(a));
            let (named, close) = (top(a, |_| true, 20), top(b, |_| true, 20));
            assert!((named.covered - close.covered).abs() < 0.02, "{named:?} {close:?}");
            let moved: f64 = b.iter().map(|x| x.abs()).sum();
            let is_near = quick.missed() <= 0.02 && near.closure_bits[q] <= 0.02 * moved;
            assert_eq!(quick.is_near(&near, q), is_near);
        }
    }
}

/// Against fits from scratch without the records.
#[test]
fn what_an_answer_loses_is_measured_by_training_again() {
    let (train, queries) = (classes(120, 5, 4, 1), classes(5, 5, 4, 2));
    let o = AnswerOptions { lambda: 0.4, precision: Precision::Double, ..AnswerOptions::default() };
    let named: Vec<Vec<usize>> = (0..5).map(|q| (q..120).step_by(9).collect()).collect();
    let asked = (&queries.features, &queries.target);
    let lost = lost_without(train.examples(), asked, &named, &o).unwrap();
    let fit_options = FitOptions { lambda: 0.4, tolerance: 1e-10, ..FitOptions::default() };
    let gain = |kept: &[usize]| {
        let (x, y) = (train.features.select(kept), train.target.select(kept));
        fit(&x, &y, &fit_options).unwrap().model.gain_bits(&queries.features, &queries.target)
    };
    let full = gain(&(0..120).collect::<Vec<_>>());
    for q in 0..5 {
        let kept: Vec<usize> = (0..120).filter(|i| !named[q].contains(i)).collect();
        let truth = full[q] - gain(&kept)[q];
        assert!((lost[q] - truth).abs() < 2e-3 * (1.0 + truth.abs()), "{} {truth}", lost[q]);
    }
    let halves = half_subsets(120, 3, 1);
    assert!(halves.iter().all(|h| h.iter().filter(|x| **x).count() == 60) && halves[0] != halves[1]);
    let weigh = |k: usize, w: &mut [f64]| {
        w.iter_mut().zip(&halves[k]).for_each(|(w, &x)| *w = f64::from(u8::from(x)))
    };
    let bits = retrained_bits(train.examples(), asked, (3, 0.5), &weigh, &o).unwrap();
    for (k, half) in halves.iter().enumerate() {
        let kept: Vec<usize> = (0..120).filter(|&i| half[i]).collect();
        for (a, b) in bits.row(k).iter().zip(gain(&kept)) {
            assert!((a + 2.0 - b).abs() < 3e-3 * (1.0 + b.abs()), "{a} {b}");
        }
    }
}

/// Against every pair there is: what is named is missed as was said, more than what was named first, and nearly as much
/// as any pair.
#[test]
fn the_most_missed_are_missed_nearly_as_much_as_any() {
    for (train, queries) in
        [(classes(18, 3, 3, 1), classes(5, 3, 3, 2)), (numbers(18, 3, 1), numbers(5, 3, 2))]
    {
        let o = AnswerOptions {
            lambda: 0.3,
            noise_variance: 0.3,
            precision: Precision::Double,
            ..AnswerOptions::default()
        };
        let asked = (&queries.features, &queries.target);
        let first: Vec<Vec<usize>> = (0..5).map(|q| vec![q, q + 7]).collect();
        let missed = most_missed(train.examples(), asked, &first, &o).unwrap();
        let named: Vec<Vec<usize>> = missed.iter().map(|m| m.records.clone()).collect();
        let really = lost_without(train.examples(), asked, &named, &o).unwrap();
        let before = lost_without(train.examples(), asked, &first, &o).unwrap();
        let mut largest = [f64::MIN; 5];
        for (a, b) in (0..18).flat_map(|a| (0..a).map(move |b| (a, b))) {
            let pair = lost_without(train.examples(), asked, &vec![vec![a, b]; 5], &o).unwrap();
            largest.iter_mut().zip(pair).for_each(|(most, lost)| *most = most.max(lost));
        }
        for q in 0..5 {
            assert_eq!(named[q].len(), 2);
            let (said, really) = (missed[q].lost_bits, really[q]);
            assert!((said - really).abs() < 3e-3 * (1.0 + really.abs()), "{said} {really}");
            assert!(really >= before[q] - 3e-3 * (1.0 + before[q].abs()), "{really} {}", before[q]);
            assert!(really > 0.9 * largest[q], "{really} {}", largest[q]);
        }
    }
}

#[test]
fn queries_of_another_kind_are_refused() {
    let train = classes(30, 3, 3, 1);
    let state = PathState::cache(train.examples(), &AnswerOptions::default(), &|_| {}).unwrap();
    let refused = |s: &Set| state.attribute(&s.features, &s.target, &|_| {}).unwrap_err().to_string();
    assert!(refused(&classes(5, 4, 3, 1)).contains("other features"));
    assert!(refused(&numbers(5, 3, 1)).contains("task"));
    let none = AnswerOptions { nodes: 0, ..AnswerOptions::default() };
    assert!(PathState::cache(train.examples(), &none, &|_| {}).is_err());
}

/// Against fits from scratch on the records that stay.
#[test]
fn leaving_out_is_training_without() {
    for (train, bench, test) in [
        (classes(200, 6, 4, 1), classes(80, 6, 4, 2), classes(50, 6, 4, 3)),
        (numbers(200, 6, 1), numbers(80, 6, 2), numbers(50, 6, 3)),
    ] {
        for precision in [Precision::Single, Precision::Double] {
            let fit_options = FitOptions {
                lambda: 0.5,
                noise_variance: 0.3,
                tolerance: 1e-9,
                precision: Precision::Double,
                ..FitOptions::default()
            };
            let full = fit(&train.features, &train.target, &fit_options).unwrap().model;
            let groups: Vec<u32> = (0..200).map(|i| i * i % 7).collect();
            let o =
                LeaveOutOptions { lambda: 0.5, noise_variance: 0.3, precision, ..LeaveOutOptions::default() };
            let folds =
                Folds { value: Some(bench.value_fold()), report: Some(ReportFold::new(test.examples())) };
            let got = leave_out(train.examples(), (&groups, 7), &full, folds, &o, &|_| {}).unwrap();
            assert_eq!((got.without.len(), got.unconverged), (7, 0));
            for (g, scores) in got.without.iter().enumerate() {
                let kept: Vec<usize> = (0..200).filter(|&i| groups[i] as usize != g).collect();
                let (x, y) = (train.features.select(&kept), train.target.select(&kept));
                let alone = fit(&x, &y, &fit_options).unwrap().model;
                for (set, score) in [(&bench, scores.value.unwrap()), (&test, scores.report.unwrap())] {
                    let bits = alone.gain_bits(&set.features, &set.target);
                    let mean = bits.iter().sum::<f64>() / bits.len() as f64;
                    assert!((mean - score.gain_bits).abs() < 2e-3, "{g}: {mean} {}", score.gain_bits);
                    if let Target::Classes { labels, .. } = &set.target {
                        let right =
                            alone.classes(&set.features).iter().zip(labels).filter(|(a, b)| a == b).count();
                        assert!((right as f64 / labels.len() as f64 - score.accuracy).abs() < 0.03);
                    } else {
                        assert!(score.accuracy.is_nan());
                    }
                }
            }
        }
    }
}

#[test]
fn digits_balance_and_name_the_spoilers() {
    let Some((train, bench)) = digits() else { return };
    // Twelve contributors take turns; the last two move every label to the next class.
    let n = train.target.len();
    let groups: Vec<u32> = (0..n as u32).map(|i| i % 12).collect();
    let Target::Classes { mut labels, count } = train.target.clone() else { panic!() };
    labels.iter_mut().zip(&groups).filter(|(_, g)| **g >= 10).for_each(|(y, _)| *y = (*y + 1) % 10);
    let spoiled = Set { features: train.features, target: Target::Classes { labels, count } };
    let options = PathOptions { lambda: 1.0, ..PathOptions::default() };
    let v = value(spoiled.examples(), bench.value_fold(), &options, &|_| {}).unwrap();
    assert!(v.closed && v.nodes == 16, "{} {}", v.nodes, v.closure_relative);
    let groups = v.group(&groups, 12);
    assert!(groups[..10].iter().all(|g| g.low_bits > 0.0), "{groups:?}");
    assert!(groups[10..].iter().all(|g| g.high_bits < 0.0), "{groups:?}");
    // Quick solves of the folds leave standard errors as they are.
    let exact = PathOptions { tolerances: Some(EXACT), ..options };
    let exact = value(spoiled.examples(), bench.value_fold(), &exact, &|_| {}).unwrap();
    let by =
        |v: &assay_attribution::Valuation| v.group(&(0..n as u32).map(|i| i % 12).collect::<Vec<_>>(), 12);
    for (a, b) in by(&v).iter().zip(by(&exact)) {
        assert!((a.se_bits / b.se_bits - 1.0).abs() < 0.03, "{} {}", a.se_bits, b.se_bits);
        assert!((a.value_bits - b.value_bits).abs() < 1e-3 * b.value_bits.abs());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Five names of one actor earn together what one name would have earned.
    #[test]
    fn fake_identities_gain_nothing(names in proptest::collection::vec(0..5_u32, 60), seed in 0..4_u64) {
        let (train, bench) = (classes(60, 3, 3, seed), classes(40, 3, 3, seed + 10));
        let options = PathOptions { nodes: 8, max_nodes: 8, ..PathOptions::default() };
        let v = value(train.examples(), bench.value_fold(), &options, &|_| {}).unwrap();
        // Records 20.. belong to the actor, under the names 1 to 5 or under 1 alone.
        let split: Vec<u32> = names.iter().enumerate().map(|(i, n)| if i < 20 { 0 } else { 1 + n }).collect();
        let joined: Vec<u32> = (0..60).map(|i| u32::from(i >= 20)).collect();
        let (split, joined) = (v.group(&split, 6), v.group(&joined, 2));
        let together: f64 = split[1..].iter().map(|g| g.value_bits).sum();
        prop_assert!((together - joined[1].value_bits).abs() <= 1e-12 * (1.0 + joined[1].value_bits.abs()));
        prop_assert_eq!(split[0], joined[0]);
        let records: usize = split.iter().map(|g| g.records).sum();
        prop_assert_eq!(records, 60);
    }
}
