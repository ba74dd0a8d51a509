//! What copying gains: on digits, 20 contributors of 60 records (`cargo test -p assay-attribution --test weights --
//! --nocapture` prints the figures).
#![allow(clippy::unwrap_used, clippy::disallowed_macros)] // Prints what it measures.

mod common;

use assay_attribution::weights::{ClusterRule, canonical};
use assay_attribution::{PathOptions, Valuation, value};
use assay_kernels::Mat;
use assay_learn::data::Features;
use common::{Set, digits};

const CONTRIBUTORS: usize = 20;
const RECORDS: usize = 60;

/// Records of contributors 0 to 19, and behind them what an attacker adds: rows of `from`, under account `account`.
struct Community {
    set: Set,
    bench: Set,
    accounts: Vec<u32>,
    clusters: Vec<u32>,
}

impl Community {
    fn new() -> Option<Self> {
        let (train, bench) = digits()?;
        let rows: Vec<usize> = (0..CONTRIBUTORS * RECORDS).collect();
        Some(Self {
            set: select(&train, &rows),
            bench,
            accounts: rows.iter().map(|i| (i / RECORDS) as u32).collect(),
            clusters: rows.iter().map(|&i| i as u32).collect(),
        })
    }

    /// `times` more copies of the records of `whose`, sent by `account`, each feature off by at most `noise`.
    fn copied(&self, whose: usize, account: u32, times: usize, noise: f32) -> Self {
        let mine = whose * RECORDS..(whose + 1) * RECORDS;
        let copies: Vec<usize> = (0..times).flat_map(|_| mine.clone()).collect();
        let rows: Vec<usize> = (0..self.accounts.len()).chain(copies.iter().copied()).collect();
        let mut set = select(&self.set, &rows);
        if let Features::Dense(m) = &mut set.features {
            add_noise(m, self.accounts.len(), noise);
        }
        let accounts = self.accounts.iter().copied().chain(copies.iter().map(|_| account)).collect();
        let clusters = rows.iter().map(|&i| i as u32).collect();
        Self { set, bench: select(&self.bench, &(0..450).collect::<Vec<_>>()), accounts, clusters }
    }

    fn value(&self, rule: Option<ClusterRule>) -> Valuation {
        let order: Vec<u64> = (0..self.accounts.len() as u64).collect();
        let weights = rule.map(|rule| canonical(&self.clusters, &order, rule));
        let options = PathOptions { weights: weights.as_deref(), folds: 0, ..PathOptions::default() };
        let v = value(self.set.examples(), self.bench.value_fold(), &options, &|_| {}).unwrap();
        assert!(v.closed);
        v
    }

    /// Part of the whole that an account has.
    fn share(&self, v: &Valuation, account: u32) -> f64 {
        v.group(&self.accounts, CONTRIBUTORS + 9)[account as usize].value_bits / v.sum_bits
    }
}

fn select(set: &Set, rows: &[usize]) -> Set {
    Set { features: set.features.select(rows), target: set.target.select(rows) }
}

fn add_noise(m: &mut Mat<f32>, from: usize, noise: f32) {
    let last = m.cols() - 1;
    for i in from..m.rows() {
        for (j, x) in m.row_mut(i)[..last].iter_mut().enumerate() {
            let fraction = ((i * 97 + j * 31) as f32 * 0.618_034).fract();
            *x += noise * (2.0 * fraction - 1.0);
        }
    }
}

#[test]
fn copying_gains_nothing() {
    let Some(honest) = Community::new() else { return };
    let before = honest.value(None);
    for times in [2, 4] {
        let copied = honest.copied(3, 3, times - 1, 0.0);
        let gain = |rule| copied.share(&copied.value(rule), 3) / honest.share(&before, 3);
        let (none, share, first) =
            (gain(None), gain(Some(ClusterRule::Share)), gain(Some(ClusterRule::FirstComer)));
        println!(
            "{times} copies of oneself: {none:.3} unweighted, {share:.7} shared, {first:.7} first comer"
        );
        assert!(none > 1.5, "the attack works where nothing stops it: {none}");
        assert!((share - 1.0).abs() < 1e-6, "{share}");
        assert_eq!(first, 1.0);
    }
    for noise in [1.0 / 16.0, 3.0 / 16.0] {
        let near = honest.copied(3, 3, 3, noise);
        let gain = |rule| near.share(&near.value(rule), 3) / honest.share(&before, 3);
        let (none, share, first) =
            (gain(None), gain(Some(ClusterRule::Share)), gain(Some(ClusterRule::FirstComer)));
        println!(
            "4 near copies, noise {noise}: {none:.3} unweighted, {share:.4} shared, {first:.7} first comer"
        );
        assert!(none > 1.5 && share <= 1.05 && first == 1.0);
    }
}

#[test]
fn who_is_copied_loses_nothing_and_who_copies_gains_nothing() {
    let Some(honest) = Community::new() else { return };
    let before = honest.value(None);
    let copied = honest.copied(5, CONTRIBUTORS as u32, 2, 0.0);
    let v = copied.value(Some(ClusterRule::FirstComer));
    assert_eq!(v.value_bits[..before.value_bits.len()], before.value_bits);
    assert!(v.value_bits[before.value_bits.len()..].iter().all(|v| *v == 0.0));
    // What the copies would bring if they counted is still known: what the originals' last part brings.
    let marginal = |from: usize| &v.marginal_bits[from..from + RECORDS];
    let pairs = marginal(before.value_bits.len()).iter().zip(marginal(5 * RECORDS));
    pairs.for_each(|(copy, original)| assert!((copy - original).abs() < 1e-9, "{copy} {original}"));
    let shared = copied.value(Some(ClusterRule::Share));
    let taken = copied.share(&shared, CONTRIBUTORS as u32) / honest.share(&before, 5);
    println!("2 copies of another's: {taken:.4} of the other's where all share");
    assert!((taken - 2.0 / 3.0).abs() < 1e-6);
}

#[test]
fn names_gain_nothing() {
    let Some(honest) = Community::new() else { return };
    let v = honest.value(None);
    let accounts = (0..honest.accounts.len()).map(|i| match honest.accounts[i] {
        7 => (CONTRIBUTORS + i % 3) as u32,
        other => other,
    });
    let split = Community { accounts: accounts.collect(), ..Community::new().unwrap() };
    let names: f64 = (0..3).map(|k| split.share(&v, (CONTRIBUTORS + k) as u32)).sum();
    let gain = names / honest.share(&v, 7);
    println!("3 names of one actor: {gain:.9}");
    assert!((gain - 1.0).abs() < 1e-9);
}
