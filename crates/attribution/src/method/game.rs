//! The game that coalitions of records play: what a model retrained on them is worth.

use std::sync::atomic::{AtomicUsize, Ordering};

use assay_kernels::{Mat, Real};
use assay_learn::data::Target;
use assay_learn::retrain::{Ask, Next, RetrainOptions, Retrained, Retrainer};
use assay_learn::train::{Precision, Tolerance, design};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::linear::same_kind;
use super::{Cached, Method, Setting, Unit, Values};
use crate::path::ValueError;
use crate::{Examples, OnProgress, Progress, ValueFold};

/// What a retrained model is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Utility {
    /// Mean of log2 p_model - log2 p_base over the benchmark. Smooth, so that little retraining tells much.
    #[default]
    Bits,
    /// Share of the benchmark answered rightly; classes only. Values of it are mostly noise, and no control variate
    /// is used.
    Accuracy,
}

impl Utility {
    pub(super) fn unit(self) -> Unit {
        match self {
            Self::Bits => Unit::Bits,
            Self::Accuracy => Unit::Accuracy,
        }
    }
}

/// How coalitions are retrained and judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GameOptions {
    /// What a model is worth.
    pub utility: Utility,
    /// Gradient norm to reach, relative to that of the base model; what is left of the loss is corrected for.
    pub tolerance: f64,
    /// Number type of the solvers.
    pub precision: Precision,
}

impl Default for GameOptions {
    fn default() -> Self {
        Self { utility: Utility::Bits, tolerance: 1e-6, precision: Precision::Auto }
    }
}

/// Models whose influence on every record is kept at a time.
const LEANING_TOGETHER: usize = 256;

/// Records dealt to so many groups.
pub type Dealt<'a> = (&'a [u32], usize);

/// A way to play.
pub(super) trait Play: Copy + Sync + 'static {
    /// The method's name.
    const NAME: &'static str;

    fn options(&self) -> GameOptions;

    /// Shares of the records' weight at which models are kept.
    fn levels(&self) -> Vec<f64>;

    fn play<T: Real>(&self, game: &mut Game<'_, T>, tally: &mut Tally<'_>);
}

impl<P: Play> Method for P {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn cache<'a>(
        &self,
        train: Examples<'a>,
        setting: &Setting<'a>,
        _: OnProgress<'_>,
    ) -> Result<Box<dyn Cached + 'a>, ValueError> {
        Ok(Box::new(Players { train, setting: *setting, play: *self, teams: None, sums: None }))
    }
}

/// Records and a way to play with them.
pub(super) struct Players<'a, P> {
    pub(super) train: Examples<'a>,
    pub(super) setting: Setting<'a>,
    pub(super) play: P,
    /// Who acts together; each record by itself when there is nobody.
    pub(super) teams: Option<Dealt<'a>>,
    /// Whose values are summed.
    pub(super) sums: Option<Dealt<'a>>,
}

impl<P: Play> Cached for Players<'_, P> {
    fn attribute(&self, benchmark: ValueFold<'_>, on_progress: OnProgress<'_>) -> Result<Values, ValueError> {
        let outputs = assay_learn::model::Family::of(self.train.target, 1.0).outputs();
        if self.play.options().precision.is_double(self.train.features, outputs) {
            self.run::<f64>(benchmark, on_progress)
        } else {
            self.run::<f32>(benchmark, on_progress)
        }
    }
}

impl<P: Play> Players<'_, P> {
    fn run<T: Real>(
        &self,
        benchmark: ValueFold<'_>,
        on_progress: OnProgress<'_>,
    ) -> Result<Values, ValueError> {
        let examples = benchmark.examples();
        same_kind(self.train, examples)?;
        let options = self.play.options();
        if options.utility == Utility::Accuracy && matches!(examples.target, Target::Numbers(_)) {
            return Err(ValueError::Mismatch);
        }
        let (x, bench_x) = (design::<T>(self.train.features), design::<T>(examples.features));
        let s = &self.setting;
        let retrain = RetrainOptions {
            lambda: s.lambda,
            noise_variance: s.noise_variance,
            weights: s.weights,
            levels: &self.play.levels(),
            tolerance: Tolerance::relative(options.tolerance),
        };
        let mut retrainer =
            Retrainer::new(&x, self.train.target, &retrain, None).map_err(ValueError::Train)?;
        let ask = Ask { right: options.utility == Utility::Accuracy, ..Ask::default() };
        retrainer.score_on(&bench_x, examples.target, ask).map_err(ValueError::Benchmark)?;
        let records = self.train.target.len();
        let mut game = Game {
            retrainer,
            teams: self.teams,
            records,
            examples: examples.target.len() as f64,
            utility: options.utility,
            draws: Draws(s.seed),
            on_progress,
        };
        let size = self.sums.map_or(game.players(), |(_, count)| count);
        let values = Values::empty(options.utility.unit(), size);
        let mut tally = Tally { values, sums: self.sums.map(|(of, _)| of) };
        self.play.play(&mut game, &mut tally);
        Ok(tally.values)
    }
}

/// Collects samples, each one number a player.
pub(super) struct Tally<'a> {
    pub(super) values: Values,
    sums: Option<&'a [u32]>,
}

impl Tally<'_> {
    /// One sample of every player.
    pub(super) fn push(&mut self, sample: &[f64]) {
        for (i, x) in self.summed(sample).into_iter().enumerate() {
            self.values.push(i, x);
        }
    }

    /// The values themselves, without error.
    pub(super) fn exact(&mut self, values: &[f64], count: u64) {
        self.values.mean = self.summed(values);
        self.values.count.fill(count);
    }

    /// Draws what the samples say beyond `known` back to it, as far as it looks like noise: the empirical-Bayes mean and
    /// variance where the truth lies about `known` with an unknown, common spread (James and Stein 1961; Efron and
    /// Morris, JASA 68, 1973).
    pub(super) fn shrink(&mut self, known: &[f64]) {
        let known = self.summed(known);
        let values = &mut self.values;
        let players = known.len() as f64;
        let noise: f64 = (0..known.len()).map(|i| values.variance(i)).sum();
        let seen: f64 = values.mean.iter().zip(&known).map(|(m, k)| (m - k) * (m - k)).sum();
        let share = (1.0 - noise / seen).max(0.0);
        // The share is itself known to about this much.
        let doubt = (2.0 / players).sqrt().min(1.0);
        if seen > 0.0 && noise.is_finite() {
            values.mean.iter_mut().zip(&known).for_each(|(m, k)| *m = k + share * (*m - k));
            values.squares.iter_mut().for_each(|s| *s *= share.max(doubt));
        }
    }

    /// What counts of a sample of every player: itself, or its sums.
    pub(super) fn summed(&self, sample: &[f64]) -> Vec<f64> {
        let Some(sums) = self.sums else { return sample.to_vec() };
        let mut out = vec![0.0; self.values.mean.len()];
        sample.iter().zip(sums).for_each(|(x, &g)| out[g as usize] += x);
        out
    }
}

/// How a player takes part in a model that is trained to learn influences from.
#[derive(Clone, Copy)]
pub(super) enum Probe {
    In,
    Out,
    /// With this share of its weight; its influence there counts.
    At(f64),
}

impl Probe {
    fn share(self) -> f64 {
        match self {
            Self::In => 1.0,
            Self::Out => 0.0,
            Self::At(share) => share,
        }
    }
}

/// Where random numbers come from.
#[derive(Clone, Copy)]
pub(super) struct Draws(u64);

impl Draws {
    /// The random numbers of one draw.
    pub(super) fn draw(self, number: u64) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.0);
        random.set_stream(number);
        random
    }
}

/// Players, coalitions of whom are worth what their records teach.
pub(super) struct Game<'g, T> {
    retrainer: Retrainer<'g, T>,
    teams: Option<Dealt<'g>>,
    records: usize,
    examples: f64,
    utility: Utility,
    draws: Draws,
    on_progress: OnProgress<'g>,
}

impl<T: Real> Game<'_, T> {
    pub(super) fn players(&self) -> usize {
        self.teams.map_or(self.records, |(_, count)| count)
    }

    pub(super) fn utility(&self) -> Utility {
        self.utility
    }

    pub(super) fn draws(&self) -> Draws {
        self.draws
    }

    /// What a retrained model is worth.
    pub(super) fn worth(&self, r: &Retrained) -> f64 {
        let score = &r.scores[0];
        match self.utility {
            Utility::Bits => self.bits(score.loss_nats - self.retrainer.base_nats(0)),
            Utility::Accuracy => score.right as f64 / self.examples,
        }
    }

    /// Takes the weights of those who are not in the coalition.
    fn dismiss(&self, is_in: impl Fn(usize) -> bool, weights: &mut [f64]) {
        for (i, w) in weights.iter_mut().enumerate() {
            if !is_in(self.player(i)) {
                *w = 0.0;
            }
        }
    }

    /// The worth of `count` coalitions; `member(k)` says who is in coalition k.
    pub(super) fn coalitions<F: Fn(usize) -> bool>(
        &self,
        count: usize,
        member: &(dyn Fn(usize) -> F + Sync),
    ) -> Vec<f64> {
        let weigh = |k: usize, weights: &mut [f64]| self.dismiss(member(k), weights);
        let retrained = self.retrainer.each(count, &weigh, &self.counter(count));
        retrained.iter().map(|r| self.worth(r)).collect()
    }

    /// The worth of the beginnings of each order, from nobody to everybody; `enough` ends an order early.
    pub(super) fn orders(
        &self,
        orders: &[Vec<usize>],
        enough: &(dyn Fn(f64) -> bool + Sync),
    ) -> Vec<Vec<f64>> {
        let players = self.players();
        let place = |order: &Vec<usize>| {
            let mut places = vec![0; players];
            order.iter().enumerate().for_each(|(at, &p)| places[p] = at);
            places
        };
        let places: Vec<Vec<usize>> = orders.iter().map(place).collect();
        let next = |k: usize, done: &[Retrained], weights: &mut [f64]| {
            if done.len() > players || done.last().is_some_and(|last| enough(self.worth(last))) {
                return false;
            }
            self.dismiss(|p| places[k][p] < done.len(), weights);
            true
        };
        let next: &Next<'_> = &next;
        let chains = self.retrainer.chains(orders.len(), next, &self.counter(orders.len() * (players + 1)));
        chains.iter().map(|chain| chain.iter().map(|r| self.worth(r)).collect()).collect()
    }

    fn counter(&self, total: usize) -> impl Fn(usize) + Sync {
        let done = AtomicUsize::new(0);
        move |more| {
            let done = done.fetch_add(more, Ordering::Relaxed) + more;
            (self.on_progress)(Progress { stage: "retraining", done, total });
        }
    }

    /// To first order, what each player's joining adds at each level, in bits: players x levels.
    pub(super) fn leanings(&self) -> Mat<f64> {
        let nats = self.retrainer.influence_nats(0);
        let mut out = Mat::zeros(self.players(), nats.cols());
        for i in 0..nats.rows() {
            let to = out.row_mut(self.player(i));
            to.iter_mut().zip(nats.row(i)).for_each(|(o, x)| *o += self.bits(*x));
        }
        out
    }

    /// To first order, what weight more of each player adds, in bits: the mean over those of `count` models in which
    /// the player was at a probe.
    pub(super) fn leaning(
        &mut self,
        count: usize,
        probes: &(dyn Fn(usize) -> Vec<Probe> + Sync),
    ) -> Vec<f64> {
        let (mut out, mut samples) = (vec![0.0; self.players()], vec![0_u32; self.players()]);
        if count == 0 {
            return out;
        }
        self.retrainer.ask(0, Ask { influence: true, ..Ask::default() });
        let on_done = self.counter(count);
        for first in (0..count).step_by(LEANING_TOGETHER) {
            let weigh = |k: usize, weights: &mut [f64]| {
                let probes = probes(first + k);
                weights.iter_mut().enumerate().for_each(|(i, w)| *w *= probes[self.player(i)].share());
            };
            let retrained = self.retrainer.each(LEANING_TOGETHER.min(count - first), &weigh, &on_done);
            for (k, retrained) in retrained.iter().enumerate() {
                let probes = probes(first + k);
                let is_at = |p: usize| matches!(probes[p], Probe::At(_));
                for (i, x) in retrained.scores[0].influence_nats.iter().enumerate() {
                    let player = self.player(i);
                    out[player] += if is_at(player) { self.bits(*x) } else { 0.0 };
                }
                (0..samples.len()).filter(|&p| is_at(p)).for_each(|p| samples[p] += 1);
            }
        }
        drop(on_done);
        self.retrainer.ask(0, Ask::default());
        out.iter_mut().zip(samples).for_each(|(o, n)| *o /= f64::from(n.max(1)));
        out
    }

    fn player(&self, record: usize) -> usize {
        self.teams.map_or(record, |(of, _)| of[record] as usize)
    }

    /// Bits per example that a summed loss is worth.
    fn bits(&self, nats: f64) -> f64 {
        -nats / self.examples / std::f64::consts::LN_2
    }

    /// The worth of every coalition, the bits of its number saying who is in it; `None` when there are more than
    /// `most`.
    pub(super) fn every_coalition(&self, most: usize) -> Option<Vec<f64>> {
        let players = self.players();
        let count =
            1_usize.checked_shl(u32::try_from(players).ok()?).filter(|c| *c <= most && players < 25)?;
        Some(self.coalitions(count, &|k| move |p| k >> p & 1 == 1))
    }
}

/// The sum over the coalitions without each player of what joining adds times `weight(size of the coalition)`.
pub(super) fn semivalue(worth: &[f64], players: usize, weight: impl Fn(usize) -> f64) -> Vec<f64> {
    let joining = |p: usize| {
        let without = (0..worth.len()).filter(move |k| k >> p & 1 == 0);
        without.map(|k| weight(k.count_ones() as usize) * (worth[k | 1 << p] - worth[k])).sum()
    };
    (0..players).map(joining).collect()
}
