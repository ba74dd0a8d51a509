//! Who sends wrong labels: a mixture model over the records of each contributor, its prior learned from all of them.
//!
//! Record i of contributor c is bad with probability pi_c (which may change from batch to batch: `batches`). A good record has its label from the class probabilities
//! of models that never saw c. A bad one either has another label than its true one, by the habits of c (a table of
//! confusions, drawn towards c's own label frequencies), or has no content and a guessed label. The prior of pi_c
//! is a distribution on a grid, by maximum likelihood over contributors (nonparametric empirical Bayes; Robbins 1956,
//! Laird 1978) with a little weight held at zero; label noise by contributor goes back to Dawid and Skene (1979).

use assay_kernels::Mat;
use rayon::prelude::*;

use super::batches::{self, Judged};
use super::content::KINDS;

/// Steps of the grid of wrong shares; the first is 0, the last 1.
pub(super) const GRID: usize = 51;
/// Rounds over the population, and over the habits of one contributor within each.
const ROUNDS: usize = 8;
const HABIT_ROUNDS: usize = 6;
/// Contributors' worth of belief in "nobody is wrong", and in every share alike.
const CLEAN_BELIEF: f64 = 1.0;
const EVEN_BELIEF: f64 = 0.5;
/// Records' worth of belief that a habit is no habit.
const NO_HABIT: f64 = 2.0;
/// Correlation in one contributor's records of the errors of models that know nothing, and how far the prior is
/// doubted: chosen on communities of other seeds than those that coverage is reported on.
const ALIKE: f64 = 0.15;
const PRIOR_DOUBT: f64 = 0.1;
/// A single record's likelihood ratio is believed up to this.
const LARGEST_RATIO: f64 = 1e6;

/// What is known of the records, in the form that the model reads.
pub(super) enum Answers<'a> {
    /// Classes.
    Classes {
        /// Probability of each class: records x classes.
        probabilities: &'a Mat<f64>,
        /// Class sent.
        labels: &'a [u32],
        /// Probability that the contributor's other records give to the class sent.
        guess: &'a [f64],
        /// Kind of content, the least like real rows first.
        kinds: &'a [u8],
        /// How well the models know the class sent, 0 to 1: what is told of classes unknown says nothing.
        known: &'a [f64],
    },
    /// Numbers: deviations from the prediction, and the variance of good ones.
    Numbers {
        /// Number sent less its prediction.
        deviations: &'a [f64],
        /// Mean square of the deviations on the value fold.
        variance: f64,
    },
}

/// What came out.
pub(super) struct Noise {
    /// Probability that each record is bad, given everything.
    pub(super) wrong: Vec<f64>,
    /// What the label of each record tells: log2 of its probability over that of a guess. Zero for numbers.
    pub(super) label_bits: Vec<f64>,
    /// Posterior of each contributor's wrong share, on the grid.
    pub(super) people: Vec<Vec<f64>>,
    /// The same with the models' own errors allowed for: what intervals are taken from.
    pub(super) wide: Vec<Vec<f64>>,
    /// How well the models know what was sent, 0 to 1, by record; 0 for numbers, where that is not known.
    pub(super) known: Vec<f64>,
}

/// The share that a place on the grid stands for.
pub(super) fn share(place: usize) -> f64 {
    place as f64 / (GRID - 1) as f64
}

/// What is learned from all contributors together.
struct Population {
    /// Prior of the wrong share on the grid.
    prior: Vec<f64>,
    /// Density of the kinds of content among records without content over that among others.
    emptiness: Vec<f64>,
    /// Variance of wrong numbers beyond that of right ones.
    wide: f64,
}

/// What the order of a contributor's records says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Nothing.
    Unknown,
    /// They came in this order: habits may have changed on the way.
    Arrival,
}

/// Fits the model. `members[c]` are the records of contributor c, `skill` the share of what there is to know of the
/// answers that the models know.
pub(super) fn fit(
    answers: &Answers<'_>,
    (members, order): (&[Vec<usize>], Order),
    usual: &[f64],
    skill: f64,
) -> Noise {
    let records: usize = members.iter().map(Vec::len).sum();
    let mut population = Population::new(answers, usual);
    let label_bits = match answers {
        Answers::Numbers { .. } => vec![0.0; records],
        Answers::Classes { probabilities, labels, guess, .. } => {
            let bits = |i: usize| (probabilities.row(i)[labels[i] as usize] / guess[i]).log2();
            (0..records).map(bits).collect()
        }
    };
    let mut noise = Noise {
        wrong: vec![0.0; records],
        label_bits,
        people: Vec::new(),
        wide: Vec::new(),
        known: Vec::new(),
    };
    for _ in 0..ROUNDS {
        let found: Vec<Found> =
            members.par_iter().map(|rows| person(answers, (rows, order), &population, skill)).collect();
        for (rows, found) in members.iter().zip(&found) {
            rows.iter().zip(&found.wrong).for_each(|(&i, &w)| noise.wrong[i] = w);
        }
        population.update(answers, &found, members, usual);
        (noise.people, noise.wide) = found.into_iter().map(|f| (f.posterior, f.wide)).unzip();
    }
    noise
}

/// What came out for one contributor in one round.
struct Found {
    wrong: Vec<f64>,
    empty: Vec<f64>,
    posterior: Vec<f64>,
    wide: Vec<f64>,
}

impl Population {
    fn new(answers: &Answers<'_>, usual: &[f64]) -> Self {
        let mut prior = vec![0.5 / (GRID - 1) as f64; GRID];
        prior[0] = 0.5;
        // At first, records without content are thought to be of the kinds least like real rows.
        let weights: Vec<f64> = (0..KINDS).map(|k| ((KINDS - k) * (KINDS - k)) as f64).collect();
        let total: f64 = weights.iter().sum();
        let emptiness = weights.iter().zip(usual).map(|(w, u)| w / total / u).collect();
        let wide = match answers {
            Answers::Classes { .. } => 1.0,
            Answers::Numbers { deviations, variance } => {
                let square: f64 = deviations.iter().map(|d| d * d).sum();
                (2.0 * square / deviations.len().max(1) as f64).max(4.0 * variance)
            }
        };
        Self { prior, emptiness, wide }
    }

    fn mean(&self) -> f64 {
        self.prior.iter().enumerate().map(|(g, p)| share(g) * p).sum()
    }

    fn update(&mut self, answers: &Answers<'_>, found: &[Found], members: &[Vec<usize>], usual: &[f64]) {
        let mut prior = vec![EVEN_BELIEF / GRID as f64; GRID];
        prior[0] += CLEAN_BELIEF;
        for (found, _) in found.iter().zip(members).filter(|(_, rows)| !rows.is_empty()) {
            prior.iter_mut().zip(&found.posterior).for_each(|(p, q)| *p += q);
        }
        let total: f64 = prior.iter().sum();
        self.prior = prior.into_iter().map(|p| p / total).collect();
        match answers {
            Answers::Classes { kinds, .. } => {
                let mut counts: Vec<f64> =
                    usual.iter().zip(&self.emptiness).map(|(u, e)| 8.0 * u * e).collect();
                for (found, rows) in found.iter().zip(members) {
                    rows.iter().zip(&found.empty).for_each(|(&i, e)| counts[kinds[i] as usize] += e);
                }
                let total: f64 = counts.iter().sum();
                self.emptiness = counts.iter().zip(usual).map(|(c, u)| c / total / u).collect();
            }
            Answers::Numbers { deviations, variance } => {
                let (mut square, mut weight) = (self.wide + variance, 1.0);
                for (found, rows) in found.iter().zip(members) {
                    for (&i, w) in rows.iter().zip(&found.wrong) {
                        square += w * deviations[i] * deviations[i];
                        weight += w;
                    }
                }
                self.wide = (square / weight - variance).max(4.0 * variance);
            }
        }
    }
}

fn person(
    answers: &Answers<'_>,
    (rows, order): (&[usize], Order),
    population: &Population,
    skill: f64,
) -> Found {
    let (ratios, empty_part) = match answers {
        Answers::Classes { .. } => habits(answers, rows, population),
        Answers::Numbers { deviations, variance } => {
            let spread = variance + population.wide;
            let ratio = |&i: &usize| {
                let square = deviations[i] * deviations[i];
                let log = 0.5 * ((variance / spread).ln() + square * (1.0 / variance - 1.0 / spread));
                log.min(LARGEST_RATIO.ln()).exp()
            };
            (rows.iter().map(ratio).collect(), vec![0.0; rows.len()])
        }
    };
    let wide = interval(&ratios, &population.prior, skill);
    let believed = match order {
        Order::Arrival => batches::judge(&ratios, &population.prior),
        Order::Unknown => Judged::unchanged(posterior(&ratios, &population.prior, 1.0)),
    };
    let wrong: Vec<f64> = ratios.iter().enumerate().map(|(k, &r)| wrong_given(believed.of(k), r)).collect();
    let empty = wrong.iter().zip(&empty_part).map(|(w, e)| w * e).collect();
    Found { wrong, empty, posterior: believed.whole, wide }
}

/// Posterior of the wrong share with the models' errors allowed for.
///
/// The errors of a model in records of one contributor are alike, so that n of them say less than n independent
/// ones: by the design effect 1 + (n - 1) rho of a cluster sample (Kish 1965), rho the larger, the less the models
/// know. The prior was fitted with the same errors: it is drawn towards every share alike, and as much towards nothing
/// but wrong records, which senders of filler have and a prior of few contributors puts just beside.
fn interval(ratios: &[f64], prior: &[f64], skill: f64) -> Vec<f64> {
    let even = 0.5 * PRIOR_DOUBT / GRID as f64;
    let mut prior: Vec<f64> = prior.iter().map(|p| (1.0 - PRIOR_DOUBT) * p + even).collect();
    prior[GRID - 1] += 0.5 * PRIOR_DOUBT;
    let effect = 1.0 + ratios.len().saturating_sub(1) as f64 * ALIKE * (1.0 - skill);
    posterior(ratios, &prior, 1.0 / effect)
}

/// Posterior of the wrong share on the grid, given bad over good likelihoods of records, each of which counts as
/// `trust` independent ones.
pub(super) fn posterior(ratios: &[f64], prior: &[f64], trust: f64) -> Vec<f64> {
    let log: Vec<f64> = prior
        .iter()
        .enumerate()
        .map(|(g, p)| p.ln() + trust * ratios.iter().map(|r| (1.0 + share(g) * (r - 1.0)).ln()).sum::<f64>())
        .collect();
    let top = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = log.iter().map(|l| (l - top).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / total).collect()
}

/// Probability that a record of this ratio is bad, given the posterior of its contributor's wrong share.
fn wrong_given(posterior: &[f64], ratio: f64) -> f64 {
    let of = |(g, p): (usize, &f64)| p * share(g) * ratio / (1.0 + share(g) * (ratio - 1.0));
    posterior.iter().enumerate().map(of).sum()
}

/// Bad over good likelihoods of one contributor's records, and how much of the bad is "without content".
///
/// A record's own part is taken out of the habits that it is judged by, else every record would be its own excuse.
fn habits(answers: &Answers<'_>, rows: &[usize], population: &Population) -> (Vec<f64>, Vec<f64>) {
    let Answers::Classes { probabilities, labels, guess, kinds, known } = answers else {
        return (vec![1.0; rows.len()], vec![0.0; rows.len()]);
    };
    let classes = probabilities.cols();
    let mut sent: Vec<u32> = rows.iter().map(|&i| labels[i]).collect();
    sent.sort_unstable();
    sent.dedup();
    let place: Vec<usize> =
        rows.iter().map(|&i| sent.binary_search(&labels[i]).unwrap_or_default()).collect();
    // Wrong labels, by true class, and by true class and class sent; and what each record puts into them.
    let mut of_true = vec![0.0; classes];
    let mut of_pair = Mat::<f64>::zeros(sent.len(), classes);
    let mut own = Mat::<f64>::zeros(rows.len(), classes);
    let (mut wrong_share, mut labelled) = (population.mean(), 0.5);
    let (mut ratios, mut empty) = (vec![1.0; rows.len()], vec![0.0; rows.len()]);
    for _ in 0..HABIT_ROUNDS {
        let (mut bad_sum, mut labelled_sum) = (0.0, 0.0);
        let mut next_true = vec![0.0; classes];
        let mut next_pair = Mat::<f64>::zeros(sent.len(), classes);
        for (k, &i) in rows.iter().enumerate() {
            let (p, y, pairs) = (probabilities.row(i), labels[i] as usize, of_pair.row(place[k]));
            let part = own.row_mut(k);
            let mut mislabelled = 0.0;
            for z in 0..classes {
                let base = if z == y { 0.0 } else { NO_HABIT * guess[i] };
                let pair = (pairs[z] - part[z]).max(0.0);
                let all = (of_true[z] - part[z]).max(0.0);
                part[z] = if z == y { 0.0 } else { p[z] * (pair + base) / (all + NO_HABIT) };
                mislabelled += part[z];
            }
            let hollow = guess[i] * population.emptiness[kinds[i] as usize].powf(known[i]);
            let bad = labelled * mislabelled + (1.0 - labelled) * hollow;
            ratios[k] = (bad / p[y]).min(LARGEST_RATIO);
            empty[k] = (1.0 - labelled) * hollow / bad;
            let wrong = wrong_share * ratios[k] / (1.0 + wrong_share * (ratios[k] - 1.0));
            let scale = wrong * (1.0 - empty[k]) / mislabelled.max(f64::MIN_POSITIVE);
            bad_sum += wrong;
            labelled_sum += wrong * (1.0 - empty[k]);
            let pairs = next_pair.row_mut(place[k]);
            for z in 0..classes {
                part[z] *= scale;
                next_true[z] += part[z];
                pairs[z] += part[z];
            }
        }
        (of_true, of_pair) = (next_true, next_pair);
        wrong_share = (bad_sum + 2.0 * population.mean()) / (rows.len() as f64 + 2.0);
        labelled = (labelled_sum + 1.0) / (bad_sum + 2.0);
    }
    (ratios, empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sums over every way in which records can be good or bad, at every place of the grid.
    fn enumerated(ratios: &[f64], prior: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (mut shares, mut wrong, mut total) = (vec![0.0; GRID], vec![0.0; ratios.len()], 0.0);
        for (g, p) in prior.iter().enumerate() {
            for bad in 0..1_u32 << ratios.len() {
                let is_bad = |i: usize| bad >> i & 1 == 1;
                let each = |i: usize| if is_bad(i) { share(g) * ratios[i] } else { 1.0 - share(g) };
                let weight: f64 = p * (0..ratios.len()).map(each).product::<f64>();
                total += weight;
                shares[g] += weight;
                (0..ratios.len()).filter(|&i| is_bad(i)).for_each(|i| wrong[i] += weight);
            }
        }
        (shares.iter().map(|s| s / total).collect(), wrong.iter().map(|w| w / total).collect())
    }

    proptest! {
        #[test]
        fn posteriors_are_those_of_enumeration(
            logs in prop::collection::vec(-4.0..4.0_f64, 1..7),
            prior in prop::collection::vec(0.01..1.0_f64, GRID..=GRID),
        ) {
            let ratios: Vec<f64> = logs.iter().map(|l| l.exp()).collect();
            let total: f64 = prior.iter().sum();
            let prior: Vec<f64> = prior.iter().map(|p| p / total).collect();
            let (shares, wrong) = enumerated(&ratios, &prior);
            let found = posterior(&ratios, &prior, 1.0);
            for (a, b) in found.iter().zip(&shares) {
                prop_assert!((a - b).abs() < 1e-12);
            }
            for (r, w) in ratios.iter().zip(&wrong) {
                prop_assert!((wrong_given(&found, *r) - w).abs() < 1e-12);
            }
        }

        #[test]
        fn names_and_order_change_nothing(
            sizes in prop::collection::vec(1..12_usize, 2..6),
            deviations in prop::collection::vec(-3.0..3.0_f64, 60),
        ) {
            let rows: usize = sizes.iter().sum();
            let answers = Answers::Numbers { deviations: &deviations[..rows], variance: 0.5 };
            let mut members = Vec::new();
            for size in &sizes {
                let first = members.iter().map(Vec::len).sum();
                members.push((first..first + size).collect::<Vec<usize>>());
            }
            let found = fit(&answers, (&members, Order::Unknown), &[], 0.8);
            let turned: Vec<Vec<usize>> =
                members.iter().rev().map(|rows| rows.iter().rev().copied().collect()).collect();
            let other = fit(&answers, (&turned, Order::Unknown), &[], 0.8);
            for (a, b) in found.wrong.iter().zip(&other.wrong) {
                prop_assert!((a - b).abs() < 1e-9);
            }
            for (a, b) in found.people.iter().zip(other.people.iter().rev()) {
                prop_assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9));
            }
        }
    }

    #[test]
    fn intervals_are_wider_than_independent_records_would_have_them() {
        let (records, prior) = (100, vec![1.0 / GRID as f64; GRID]);
        let ratios: Vec<f64> = (0..records).map(|i| if i % 5 == 0 { 50.0 } else { 0.02 }).collect();
        let spread = |p: &[f64]| -> f64 {
            let mean: f64 = p.iter().enumerate().map(|(g, p)| share(g) * p).sum();
            p.iter().enumerate().map(|(g, p)| p * (share(g) - mean) * (share(g) - mean)).sum::<f64>().sqrt()
        };
        let (alone, wide) = (posterior(&ratios, &prior, 1.0), interval(&ratios, &prior, 0.5));
        let effect = 1.0 + (records - 1) as f64 * ALIKE * 0.5;
        let widened = spread(&wide) / spread(&alone);
        assert!((0.8..1.2).contains(&(widened / effect.sqrt())), "{widened}");
    }

    /// Deviations of one contributor: a share of them far out.
    fn deviations(rows: usize, every: usize) -> Vec<f64> {
        (0..rows).map(|i| if i % every == 1 { 8.0 } else { ((i * 37 % 19) as f64 - 9.0) / 9.0 }).collect()
    }

    fn mean(posterior: &[f64]) -> f64 {
        posterior.iter().enumerate().map(|(g, p)| share(g) * p).sum()
    }

    #[test]
    fn a_contributor_cut_in_two_is_judged_as_whole() {
        let mut all = deviations(120, 3);
        all.extend(deviations(120, 1_000));
        let answers = Answers::Numbers { deviations: &all, variance: 0.4 };
        let clean: Vec<usize> = (120..240).collect();
        let whole = fit(&answers, (&[(0..120).collect(), clean.clone()], Order::Unknown), &[], 0.8);
        let cut = fit(&answers, (&[(0..60).collect(), (60..120).collect(), clean], Order::Unknown), &[], 0.8);
        let share = mean(&whole.people[0]);
        assert!((share - 1.0 / 3.0).abs() < 0.08, "{share}");
        for half in &cut.people[..2] {
            assert!((mean(half) - share).abs() < 0.05);
        }
        assert!(mean(&whole.people[1]) < 0.03 && mean(&cut.people[2]) < 0.03);
    }

    #[test]
    fn habits_give_away_a_fixed_permutation() {
        // Models are fairly sure of each true class; contributor 0 sends the next class always, 1 to 5 the true one.
        let (classes, rows) = (4, 240);
        let mut probabilities = Mat::zeros(rows, classes);
        let mut labels = vec![0; rows];
        for (i, label) in labels.iter_mut().enumerate() {
            let truth = i / 6 % classes;
            for z in 0..classes {
                probabilities.row_mut(i)[z] = if z == truth { 0.85 } else { 0.05 };
            }
            *label = (if i % 6 == 0 { (truth + 1) % classes } else { truth }) as u32;
        }
        let members: Vec<Vec<usize>> = (0..6).map(|c| (c..rows).step_by(6).collect()).collect();
        let (guess, known) = (vec![0.25; rows], vec![1.0; rows]);
        let kinds: Vec<u8> = (0..rows).map(|i| (i / 6 % KINDS) as u8).collect();
        let answers = Answers::Classes {
            probabilities: &probabilities,
            labels: &labels,
            guess: &guess,
            kinds: &kinds,
            known: &known,
        };
        let noise = fit(&answers, (&members, Order::Arrival), &[1.0 / KINDS as f64; KINDS], 0.8);
        assert!(mean(&noise.people[0]) > 0.95, "{}", mean(&noise.people[0]));
        assert!(noise.people[1..].iter().all(|p| mean(p) < 0.1));
        assert!(noise.wrong.iter().enumerate().all(|(i, w)| if i % 6 == 0 { *w > 0.9 } else { *w < 0.1 }));
    }
}
