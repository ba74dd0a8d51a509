//! Shapley values by retraining.

use assay_kernels::{Mat, Real};
use rand_core::Rng;

use super::control::Controlled;
use super::game::{Game, GameOptions, Play, Tally, Utility, semivalue};

/// Data Shapley (Ghorbani and Zou, ICML 2019, arXiv 1904.02868): what a record's joining adds, averaged over all
/// orders of joining. Bits per benchmark example; samples are pairs of orders. Those of every pair, and so the
/// values, sum to the gain exactly.
///
/// Orders come in pairs, one and its reverse. An order ends when what is left of the gain is below `truncation`; those
/// who have not joined share the rest. With `control` the influence of each record at the weight of those before it,
/// less its mean over all places, which is known, is a control variate. Its coefficient is fitted: the slope where a
/// record joins says too much of what the whole of it does among few others. Where all coalitions cost no more, the
/// values are exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shapley {
    /// Orders of joining.
    pub orders: usize,
    /// Share of the gain that is too little to go on for.
    pub truncation: f64,
    /// Use the influence as a control variate.
    pub control: bool,
    /// How to train and judge models.
    pub game: GameOptions,
}

impl Default for Shapley {
    fn default() -> Self {
        Self { orders: 100, truncation: 0.01, control: true, game: GameOptions::default() }
    }
}

/// Levels along an order, at the squares of even steps: models change most where records are few.
const LEVELS: usize = 12;

/// Orders whose models are kept at a time.
const TOGETHER: usize = 256;

fn level(k: usize) -> f64 {
    ((k as f64 + 0.5) / LEVELS as f64).powi(2)
}

impl Play for Shapley {
    const NAME: &'static str = "shapley";

    fn options(&self) -> GameOptions {
        self.game
    }

    fn levels(&self) -> Vec<f64> {
        (0..LEVELS).map(level).collect()
    }

    fn play<T: Real>(&self, game: &mut Game<'_, T>, tally: &mut Tally<'_>) {
        let players = game.players();
        let cost = self.orders.saturating_mul(players).max(EXACT_COALITIONS);
        if let Some(worth) = game.every_coalition(cost) {
            let values =
                semivalue(&worth, players, |size| 1.0 / (players as f64 * choose(players - 1, size)));
            return tally.exact(&values, worth.len() as u64);
        }
        let control = self.control && game.utility() == Utility::Bits;
        let control = control.then(|| Control::new(&game.leanings(), players));
        let full = game.coalitions(1, &|_| |_| true)[0];
        let base = game.coalitions(1, &|_| |_| false)[0];
        let enough = |worth: f64| (full - worth).abs() < self.truncation * (full - base).abs();
        let pairs = self.orders.div_ceil(2);
        // Coefficients come from the players, so that values do not depend on how they are summed.
        let [mut fitted, mut samples] =
            [players, tally.values.mean.len()].map(|size| Controlled::new(tally.values.unit, size));
        for first in (0..pairs).step_by(TOGETHER / 2) {
            let orders: Vec<Vec<usize>> = (first..(first + TOGETHER / 2).min(pairs))
                .flat_map(|pair| {
                    let order = shuffled(players, game.draws().draw(pair as u64));
                    let reverse = order.iter().rev().copied().collect();
                    [order, reverse]
                })
                .collect();
            let worth = game.orders(&orders, &enough);
            for (orders, worth) in orders.chunks_exact(2).zip(worth.chunks_exact(2)) {
                let both = [0, 1].map(|k| sample(&orders[k], &worth[k], full, control.as_ref()));
                let mean = |of: [&[f64]; 2]| -> Vec<f64> {
                    of[0].iter().zip(of[1]).map(|(a, b)| 0.5 * (a + b)).collect()
                };
                let [(there, by), (back, but)] = &both;
                let (added, control) = (mean([there, back]), mean([by, but]));
                fitted.push(&added, &control);
                samples.push(&tally.summed(&added), &tally.summed(&control));
            }
        }
        tally.values = samples.values(fitted.coefficients());
    }
}

/// Coalitions that are always enumerated rather than sampled: those of 12.
const EXACT_COALITIONS: usize = 1 << 12;

fn choose(n: usize, k: usize) -> f64 {
    (0..k).map(|j| (n - j) as f64 / (j + 1) as f64).product()
}

/// An order drawn evenly (Fisher and Yates).
fn shuffled(players: usize, mut random: impl Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..players).collect();
    for i in (1..players).rev() {
        // A 64-bit draw over at most 2^32 players: the bias is below 2^-32.
        order.swap(i, (random.next_u64() % (i as u64 + 1)) as usize);
    }
    order
}

/// What each player of an order added, and its control; `worth` is that of its beginnings, as far as they were trained.
fn sample(order: &[usize], worth: &[f64], full: f64, control: Option<&Control>) -> (Vec<f64>, Vec<f64>) {
    let players = order.len();
    let expected = |at: usize| control.map_or(0.0, |c| c.at(order[at], at));
    let mut added: Vec<f64> = worth.windows(2).map(|w| w[1] - w[0]).collect();
    // The last beginning may differ from the full model by what solvers leave: the sum must not.
    let joined = added.len();
    let left = full - worth[joined];
    let predicted: f64 = (joined..players).map(expected).sum();
    let share = if joined < players { (left - predicted) / (players - joined) as f64 } else { 0.0 };
    added.extend((joined..players).map(|at| expected(at) + share));
    if joined == players {
        added.iter_mut().for_each(|a| *a += left / players as f64);
    }
    let mut out = (vec![0.0; players], vec![0.0; players]);
    let unexpected = |at: usize| control.map_or(0.0, |c| c.mean[order[at]] - c.at(order[at], at));
    // So that controls, too, sum to nothing.
    let surplus = (0..players).map(unexpected).sum::<f64>() / players as f64;
    for (at, added) in added.into_iter().enumerate() {
        (out.0[order[at]], out.1[order[at]]) = (added, unexpected(at) - surplus);
    }
    out
}

/// The influence of every player at every place of an order.
struct Control {
    leanings: Mat<f64>,
    /// Between which levels each place is, and how far.
    places: Vec<(usize, f64)>,
    /// Mean over all places.
    mean: Vec<f64>,
}

impl Control {
    fn new(leanings: &Mat<f64>, players: usize) -> Self {
        let place = |at: usize| {
            let t = (at as f64 + 0.5) / players as f64;
            let u = (t.sqrt() * LEVELS as f64 - 0.5).clamp(0.0, (LEVELS - 1) as f64);
            let below = (u as usize).min(LEVELS - 2);
            (below, u - below as f64)
        };
        let places = (0..players).map(place).collect();
        let mut control = Self { leanings: leanings.clone(), places, mean: Vec::new() };
        let mean = |p: usize| (0..players).map(|at| control.at(p, at)).sum::<f64>() / players as f64;
        control.mean = (0..players).map(mean).collect();
        control
    }

    fn at(&self, player: usize, at: usize) -> f64 {
        let ((below, share), row) = (self.places[at], self.leanings.row(player));
        (1.0 - share) * row[below] + share * row[below + 1]
    }
}
