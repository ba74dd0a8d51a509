//! Data Banzhaf values by retraining.

use assay_kernels::Real;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use super::game::{Game, GameOptions, Play, Probe, Tally, Utility, semivalue};

/// Data Banzhaf (Wang and Jia, AISTATS 2023, arXiv 2205.15466): what a record's joining adds to a random coalition,
/// each other record being in it by the toss of a coin. Every retraining says something of every record (maximum
/// sample reuse). Bits per benchmark example; samples are pairs of retrainings. The values do not sum to the gain.
///
/// Coalitions come in pairs, one and all the others: what interactions of an even number of records do cancels in
/// their difference. With `control` the mean influence of each record on the models of random coalitions, linear in
/// the coalition, is counted exactly, and only what it misses is sampled, and taken as far as it stands out of its
/// noise (empirical Bayes: variances are posterior, and the mean tends to the truth as retrainings grow). Where all
/// coalitions cost no more, the values are exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Banzhaf {
    /// Models to train.
    pub retrainings: usize,
    /// Count the mean influence exactly; half of the retrainings go into it.
    pub control: bool,
    /// How to train and judge them.
    pub game: GameOptions,
}

impl Default for Banzhaf {
    fn default() -> Self {
        Self { retrainings: 2_000, control: true, game: GameOptions::default() }
    }
}

/// In or out by the toss of a coin; one player in four at a node of Gauss's rule of two points, so that the mean of
/// its influence there is what the whole of its weight does, to fifth order in it.
fn probe(random: u32) -> Probe {
    let heads = random & 1 == 1;
    if (random >> 1).is_multiple_of(4) {
        Probe::At(0.5 + if heads { 0.5 } else { -0.5 } / 3_f64.sqrt())
    } else if heads {
        Probe::In
    } else {
        Probe::Out
    }
}

/// One retraining in this many goes into the influence.
const LEARNING: usize = 2;

/// The draws of those come after all others.
const LATER: u64 = 1 << 32;

impl Play for Banzhaf {
    const NAME: &'static str = "banzhaf";

    fn options(&self) -> GameOptions {
        self.game
    }

    fn levels(&self) -> Vec<f64> {
        vec![0.5]
    }

    fn play<T: Real>(&self, game: &mut Game<'_, T>, tally: &mut Tally<'_>) {
        let players = game.players();
        if let Some(worth) = game.every_coalition(self.retrainings) {
            let share = 2.0 / worth.len() as f64;
            return tally.exact(&semivalue(&worth, players, |_| share), worth.len() as u64);
        }
        let coins = |random: &mut ChaCha8Rng| {
            let words: Vec<u64> = (0..players.div_ceil(64)).map(|_| random.next_u64()).collect();
            move |p: usize| words[p / 64] >> (p % 64) & 1 == 1
        };
        let control = self.control && game.utility() == Utility::Bits;
        let learning = if control { self.retrainings / LEARNING } else { 0 };
        let draws = game.draws();
        let known = game.leaning(learning, &|k| {
            let mut random = draws.draw(LATER + k as u64);
            (0..players).map(|_| probe(random.next_u32())).collect()
        });
        let pairs = (self.retrainings - learning).div_ceil(2);
        let coins = |pair: usize| coins(&mut draws.draw(pair as u64));
        let member = |k: usize| {
            let heads = coins(k / 2);
            move |p: usize| heads(p) == k.is_multiple_of(2)
        };
        let worth = game.coalitions(2 * pairs, &member);
        for (pair, worth) in worth.chunks_exact(2).enumerate() {
            let heads = coins(pair);
            let side = |p: usize| if heads(p) { 1.0 } else { -1.0 };
            let known_part: f64 = known.iter().enumerate().map(|(p, x)| x * side(p)).sum();
            let missed = worth[0] - worth[1] - known_part;
            let sample: Vec<f64> = known.iter().enumerate().map(|(p, x)| x + side(p) * missed).collect();
            tally.push(&sample);
        }
        if control {
            tally.shrink(&known);
        }
    }
}
