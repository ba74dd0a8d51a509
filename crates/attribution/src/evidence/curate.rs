//! What to train on: candidates are trained and scored on the value fold, and one replaces "keep all" only when it is
//! better by more than a standard error, so that a community without garbage is left alone.

use assay_learn::model::{Family, Model};
use assay_learn::train::{FitOptions, TrainError, fit};

use super::noise::Noise;
use super::{EvidenceOptions, noise};
use crate::{Examples, ValueFold};

/// A way to weigh records.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    /// Everything.
    All,
    /// Without contributors most of whose records are wrong.
    WithoutHarmful,
    /// Without records that are wrong with more than this probability.
    WithoutWrong(f64),
    /// Each record by the probability that it is right.
    ByProbability,
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("keep all"),
            Self::WithoutHarmful => f.write_str("without contributors most of whose records are wrong"),
            Self::WithoutWrong(p) => write!(f, "without records wrong with a probability above {p}"),
            Self::ByProbability => f.write_str("each record by the probability that it is right"),
        }
    }
}

/// What candidates other than "keep all" are; of equals the first is taken. Each is fitted from the last.
const CHOICES: [Choice; 6] = [
    Choice::WithoutWrong(0.5),
    Choice::WithoutWrong(0.3),
    Choice::WithoutWrong(0.15),
    Choice::ByProbability,
    Choice::WithoutWrong(0.7),
    Choice::WithoutHarmful,
];

/// A candidate on the value fold.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// How records were weighed.
    pub choice: Choice,
    /// Precision of the prior.
    pub lambda: f64,
    /// Sum of the weights: records, where weights are 0 or 1.
    pub weight: f64,
    /// Mean of log2 p_model - log2 p_base.
    pub gain_bits: f64,
    /// More than "keep all" with the prior given, on the same rows.
    pub more_bits: f64,
    /// Standard error of that difference.
    pub se_bits: f64,
}

/// What to train on.
#[derive(Clone, Debug)]
pub struct Curation {
    /// How records are weighed; `All` when nothing was better for sure.
    pub choice: Choice,
    /// Weight of each record.
    pub weights: Vec<f64>,
    /// Precision of the prior that goes with it.
    pub lambda: f64,
    /// The model of these weights.
    pub model: Model,
    /// Bits more than "keep all" on the value fold, which chose: report the gain on the other fold.
    pub more_bits: f64,
    /// Lower bound of the 95% interval of `more_bits`, over rows of the fold.
    pub low_bits: f64,
    /// Upper bound of it.
    pub high_bits: f64,
    /// All candidates, "keep all" first.
    pub trials: Vec<Trial>,
}

/// Step between strengths of the prior, half a decade; how many are walked at most.
const STEP: f64 = 0.316_227_766_016_837_94;
const STEPS: usize = 8;
/// Gradient norm to reach: differences of candidates are far larger.
const ROUGH: f64 = 1e-3;
const EXACT: f64 = 1e-5;
/// Half the width of a 95% interval, in standard errors.
const NORMAL_975: f64 = 1.959_964;
/// Who keeps less than this share of what was sent gets another chance.
const MOSTLY_KEPT: f64 = 0.7;
/// Unless the models know what was sent so well that their verdict stands.
const WELL_KNOWN: f64 = 0.6;
/// Standard errors that a step to another prior must gain for one more to be tried: the score is flat around its
/// best, and weak priors cost the most.
const WORTH_A_STEP: f64 = 0.1;

/// A model and what it scores on each row of the value fold.
#[derive(Clone)]
pub(super) struct Fitted {
    pub(super) lambda: f64,
    pub(super) model: Model,
    bits: Vec<f64>,
}

impl Fitted {
    fn mean(&self) -> f64 {
        self.bits.iter().sum::<f64>() / self.bits.len() as f64
    }
}

/// What candidates are trained and scored on.
#[derive(Clone, Copy)]
pub(super) struct Bench<'a> {
    pub(super) train: Examples<'a>,
    pub(super) value: Examples<'a>,
    pub(super) options: &'a EvidenceOptions,
}

impl Bench<'_> {
    fn fit(
        &self,
        weights: &[f64],
        lambda: f64,
        warm: Option<&Model>,
        tolerance: f64,
    ) -> Result<Fitted, TrainError> {
        let options = FitOptions {
            lambda,
            noise_variance: self.options.noise_variance,
            weights: Some(weights),
            tolerance,
            warm,
            precision: self.options.precision,
            ..FitOptions::default()
        };
        let model = fit(self.train.features, self.train.target, &options)?.model;
        let bits = model.gain_bits(self.value.features, self.value.target);
        Ok(Fitted { lambda, model, bits })
    }

    /// Walks from the strength given to weaker or stronger priors while the value fold gains enough to go on.
    pub(super) fn walk(&self, weights: &[f64], lambda: f64, warm: &Model) -> Result<Fitted, TrainError> {
        let mut best = self.fit(weights, lambda, Some(warm), ROUGH)?;
        for factor in [STEP, 1.0 / STEP] {
            for _ in 0..STEPS {
                let next = self.fit(weights, best.lambda * factor, Some(&best.model), ROUGH)?;
                let (more, se) = difference(&next.bits, &best.bits);
                if more > 0.0 {
                    best = next;
                }
                if more <= WORTH_A_STEP * se {
                    break;
                }
            }
            if best.lambda != lambda {
                break;
            }
        }
        Ok(best)
    }
}

/// The model of these weights with the strength of the prior that the value fold likes best: what a curation is to be
/// compared with when the truth is known.
///
/// # Errors
/// When the parts do not go together.
pub fn fit_to_fold(
    train: Examples<'_>,
    fold: ValueFold<'_>,
    weights: &[f64],
    options: &EvidenceOptions,
) -> Result<Model, TrainError> {
    let bench = Bench { train, value: fold.examples(), options };
    let (family, columns) = (Family::of(train.target, options.noise_variance), train.features.cols());
    let found = bench.walk(weights, options.lambda, &Model::base(family, columns))?;
    bench.fit(weights, found.lambda, Some(&found.model), EXACT).map(|f| f.model)
}

/// A way to weigh records, tried.
struct Candidate {
    choice: Choice,
    weights: Vec<f64>,
    fitted: Fitted,
}

impl Candidate {
    fn trial(&self, base: &Fitted) -> Trial {
        let (more_bits, se_bits) = difference(&self.fitted.bits, &base.bits);
        Trial {
            choice: self.choice,
            lambda: self.fitted.lambda,
            weight: self.weights.iter().sum(),
            gain_bits: self.fitted.mean(),
            more_bits,
            se_bits,
        }
    }
}

/// Models of all records.
pub(super) struct Everything<'a> {
    /// With the strength of the prior given; a start.
    pub(super) model: &'a Model,
    /// With the strength that the value fold likes best.
    pub(super) tuned: Fitted,
}

/// Chooses; also says of each contributor whether the value fold misses what the choice would leave out.
pub(super) fn choose(
    bench: Bench<'_>,
    noise: &Noise,
    members: &[Vec<usize>],
    prior: &Fitted,
    everything: Everything<'_>,
) -> Result<(Curation, Vec<bool>), TrainError> {
    let all = vec![1.0; noise.wrong.len()];
    let base = bench.fit(&all, bench.options.lambda, Some(everything.model), EXACT)?;
    let of_all = |fitted| Candidate { choice: Choice::All, weights: all.clone(), fitted };
    let mut trials = vec![of_all(base), of_all(everything.tuned)];
    let mut warm = prior.model.clone();
    for choice in CHOICES {
        let weights = weights(choice, noise, members);
        let fitted = bench.fit(&weights, prior.lambda, Some(&warm), ROUGH)?;
        warm.clone_from(&fitted.model);
        trials.push(Candidate { choice, weights, fitted });
    }
    let table: Vec<Trial> = trials.iter().map(|c| c.trial(&trials[0].fitted)).collect();
    let sure = |k: &usize| table[*k].more_bits > table[*k].se_bits;
    let better = (1..table.len()).rev().filter(sure);
    let best = better.max_by(|&a, &b| table[a].more_bits.total_cmp(&table[b].more_bits)).unwrap_or(0);
    let base = trials.swap_remove(0);
    let mut needed = vec![false; members.len()];
    let chosen = if best == 0 {
        None
    } else {
        // The last took the place of the first.
        let at = if best == trials.len() { 0 } else { best };
        let chosen = trials.swap_remove(at);
        Some(restore(bench, chosen, noise, members, &mut needed)?)
    };
    let chosen = chosen.as_ref().unwrap_or(&base);
    let last = chosen.trial(&base.fitted);
    let curation = Curation {
        choice: chosen.choice,
        weights: chosen.weights.clone(),
        lambda: chosen.fitted.lambda,
        model: chosen.fitted.model.clone(),
        more_bits: last.more_bits,
        low_bits: last.more_bits - NORMAL_975 * last.se_bits,
        high_bits: last.more_bits + NORMAL_975 * last.se_bits,
        trials: table,
    };
    Ok((curation, needed))
}

fn weights(choice: Choice, noise: &Noise, members: &[Vec<usize>]) -> Vec<f64> {
    let yes = |kept: bool| f64::from(u8::from(kept));
    match choice {
        Choice::All => vec![1.0; noise.wrong.len()],
        Choice::WithoutWrong(most) => noise.wrong.iter().map(|&w| yes(w <= most)).collect(),
        Choice::ByProbability => noise.wrong.iter().map(|w| 1.0 - w).collect(),
        Choice::WithoutHarmful => {
            let mut out = vec![1.0; noise.wrong.len()];
            for (rows, posterior) in members.iter().zip(&noise.people) {
                let mean: f64 = posterior.iter().enumerate().map(|(g, p)| noise::share(g) * p).sum();
                rows.iter().for_each(|&i| out[i] = yes(mean <= 0.5));
            }
            out
        }
    }
}

/// Gives whoever is left out for the most part another chance: a model with all that they sent. Models that never saw
/// a contributor cannot know classes that nobody else sends; the value fold does. Where the models do know the
/// classes, the verdict stands: chance alone would bring one in six back.
fn restore(
    bench: Bench<'_>,
    chosen: Candidate,
    noise: &Noise,
    members: &[Vec<usize>],
    needed: &mut [bool],
) -> Result<Candidate, TrainError> {
    let Candidate { choice, mut weights, fitted } = chosen;
    let before = bench.fit(&weights, fitted.lambda, Some(&fitted.model), ROUGH)?;
    let left = weights.clone();
    for (c, rows) in members.iter().enumerate() {
        let kept: f64 = rows.iter().map(|&i| left[i]).sum();
        let known: f64 = rows.iter().map(|&i| noise.known[i]).sum();
        if kept >= MOSTLY_KEPT * rows.len() as f64 || known >= WELL_KNOWN * rows.len() as f64 {
            continue;
        }
        let mut with = left.clone();
        rows.iter().for_each(|&i| with[i] = 1.0);
        let after = bench.fit(&with, before.lambda, Some(&before.model), ROUGH)?;
        let (more, se) = difference(&after.bits, &before.bits);
        if more > se {
            needed[c] = true;
            rows.iter().for_each(|&i| weights[i] = 1.0);
        }
    }
    let walked = bench.walk(&weights, before.lambda, &before.model)?;
    let fitted = bench.fit(&weights, walked.lambda, Some(&walked.model), EXACT)?;
    Ok(Candidate { choice, weights, fitted })
}

/// Mean of the differences of two models' bits on the same rows, and its standard error.
fn difference(bits: &[f64], base: &[f64]) -> (f64, f64) {
    let n = bits.len() as f64;
    let more = || bits.iter().zip(base).map(|(a, b)| a - b);
    let mean = more().sum::<f64>() / n;
    let spread: f64 = more().map(|m| (m - mean) * (m - mean)).sum();
    (mean, (spread / (n - 1.0).max(1.0) / n).sqrt())
}
