//! From records to contributors: wrong shares, shrunk values, what is decided, and what people should look at.

use super::Community;
use super::noise::{GRID, Noise, share};
use crate::Valuation;

/// A mean and its standard deviation, both posterior.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
}

/// What to do with what a contributor sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Train on it, records that are probably wrong aside.
    Keep,
    /// Train on none of it before people have looked.
    Hold,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// More than half of the records are wrong with a probability of 97.5%, the models' probabilities taken for exact;
    /// the interval allows for their errors too, and can reach below one half.
    MostWrong,
    /// Some records are wrong, the lower bound of the interval says.
    SomeWrong,
    /// The labels tell no more of the records than chance would.
    LabelsTellNothing,
    /// The pooled value is below zero with a probability of 97.5% or more; no ground for holding by itself.
    ValueBelowZero,
    /// The value fold loses without these records: they are kept whatever else speaks against them.
    Needed,
}

impl Reason {
    /// A stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::MostWrong => "most_wrong",
            Self::SomeWrong => "some_wrong",
            Self::LabelsTellNothing => "labels_tell_nothing",
            Self::ValueBelowZero => "value_below_zero",
            Self::Needed => "needed",
        }
    }
}

/// What is known of one contributor.
#[derive(Clone, Debug, PartialEq)]
pub struct ContributorEvidence {
    /// Records sent.
    pub records: usize,
    /// Share of them that are wrong: posterior mean.
    pub wrong_share: f64,
    /// Lower bound of the 95% interval of the wrong share; errors of the models that are alike in all records of the
    /// contributor are allowed for.
    pub wrong_low: f64,
    /// Upper bound of it.
    pub wrong_high: f64,
    /// Mean over the records of log2 of the probability of the label sent over that of a guess at the contributor's own
    /// frequencies, by models that never saw the contributor: what the labels tell. Zero for numbers.
    pub label_bits: f64,
    /// Sum of the values of the records, bits, shrunk towards what that many records of others are worth.
    pub value: Estimate,
    /// Probability that this sum is below zero.
    pub harmful: f64,
    /// What to do.
    pub decision: Decision,
    /// Why; empty when nothing speaks against keeping.
    pub reasons: Vec<Reason>,
}

/// A record that people should look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Review {
    /// The record.
    pub record: u32,
    /// Bits that a look is expected to move: the change of the record's weight times what its weight moves.
    pub bits: f64,
}

/// Wrong shares below this are not spoken of.
const WORTH_SAYING: f64 = 0.05;
const SURE: f64 = 0.975;

pub(super) fn contributors(
    valuation: &Valuation,
    community: &Community<'_>,
    noise: &Noise,
    members: &[Vec<usize>],
    needed: &[bool],
) -> Vec<ContributorEvidence> {
    let values = shrunk_totals(valuation, community);
    let one = |(c, rows): (usize, &Vec<usize>)| {
        let (posterior, wide) = (&noise.people[c], &noise.wide[c]);
        let (wrong_low, wrong_high) = shortest(wide, 2.0 * SURE - 1.0);
        let label_bits = rows.iter().map(|&i| noise.label_bits[i]).sum::<f64>() / rows.len().max(1) as f64;
        let value = values[c];
        let harmful = if value.sd > 0.0 { normal_below(-value.mean / value.sd) } else { 0.0 };
        // Held by the models' own word: with their errors allowed for, few senders of nothing but wrong records are.
        let most = quantile(posterior, 1.0 - SURE) > 0.5;
        let tells_nothing = wrong_low > WORTH_SAYING && label_bits <= 0.0;
        let found = [
            (most, Reason::MostWrong),
            (!most && wrong_low > WORTH_SAYING, Reason::SomeWrong),
            (tells_nothing, Reason::LabelsTellNothing),
            (harmful >= SURE, Reason::ValueBelowZero),
            (needed[c], Reason::Needed),
        ];
        // Not by value alone: senders of rare classes are below zero on the path and yet needed.
        let hold = most && !needed[c];
        ContributorEvidence {
            records: rows.len(),
            wrong_share: posterior.iter().enumerate().map(|(g, p)| share(g) * p).sum(),
            wrong_low,
            wrong_high,
            label_bits,
            value,
            harmful,
            decision: if hold { Decision::Hold } else { Decision::Keep },
            reasons: found.into_iter().filter(|f| f.0).map(|f| f.1).collect(),
        }
    };
    members.iter().enumerate().map(one).collect()
}

/// Contributors' totals by normal-normal empirical Bayes (Efron and Morris 1975): the mean value of c's records is normal
/// around the common mean with a common variance, its estimate normal around it with the variance of the benchmark's
/// folds. Common mean and variance by moments over contributors, each weighted by its records.
fn shrunk_totals(valuation: &Valuation, community: &Community<'_>) -> Vec<Estimate> {
    let groups = valuation.group(community.contributors, community.count);
    let each = |g: &crate::GroupValue| {
        let n = g.records.max(1) as f64;
        let variance = if g.se_bits.is_finite() { (g.se_bits / n) * (g.se_bits / n) } else { 0.0 };
        (g.records as f64, g.value_bits / n, variance)
    };
    let means: Vec<(f64, f64, f64)> = groups.iter().map(each).collect();
    let records: f64 = means.iter().map(|m| m.0).sum();
    let common = means.iter().map(|m| m.0 * m.1).sum::<f64>() / records.max(1.0);
    let excess = means.iter().map(|(n, x, s)| n * ((x - common) * (x - common) - s)).sum::<f64>();
    let between = (excess / records.max(1.0)).max(0.0);
    let shrink = |&(n, x, s): &(f64, f64, f64)| {
        let trust = if between + s > 0.0 { between / (between + s) } else { 1.0 };
        Estimate { mean: n * (common + trust * (x - common)), sd: n * (trust * s).sqrt() }
    };
    means.iter().map(shrink).collect()
}

/// Records' values drawn towards their contributor's mean value, as far as the records of one contributor differ by no
/// more than the noise of the benchmark.
pub(super) fn records(
    valuation: &Valuation,
    community: &Community<'_>,
    people: &[ContributorEvidence],
) -> Vec<Estimate> {
    let rows = valuation.value_bits.len();
    let centre = |i: usize| {
        let c = &people[community.contributors[i] as usize];
        let n = c.records.max(1) as f64;
        Estimate { mean: c.value.mean / n, sd: c.value.sd / n }
    };
    let noise: Vec<f64> = (0..rows).map(|i| valuation.record_se_bits(i)).collect();
    // Eight folds say little of one record's noise: it is drawn half way to the mean noise.
    let noise: Vec<f64> = noise.iter().map(|s| if s.is_finite() { s * s } else { 0.0 }).collect();
    let mean_noise = noise.iter().sum::<f64>() / rows.max(1) as f64;
    let away = |i: usize| valuation.value_bits[i] - centre(i).mean;
    let spread = (0..rows).map(|i| away(i) * away(i)).sum::<f64>() / rows.max(1) as f64;
    let within = (spread - mean_noise).max(0.0);
    let one = |i: usize| {
        let s = 0.5 * (noise[i] + mean_noise);
        let trust = if within + s > 0.0 { within / (within + s) } else { 1.0 };
        let at = centre(i);
        let rest = (1.0 - trust) * at.sd;
        Estimate { mean: at.mean + trust * away(i), sd: (trust * s + rest * rest).sqrt() }
    };
    (0..rows).map(one).collect()
}

/// A look settles whether a record is wrong: its weight w goes to 0 with probability p, else to 1. Ordered by the
/// expected change, p w + (1 - p)(1 - w), times what a unit of weight moves at the model.
pub(super) fn review(marginal_bits: &[f64], wrong: &[f64], weights: &[f64]) -> Vec<Review> {
    let bits = |i: usize| {
        let (p, w) = (wrong[i], weights[i]);
        (p * w + (1.0 - p) * (1.0 - w)) * marginal_bits[i].abs()
    };
    let looks = (0..wrong.len()).map(|i| Review { record: i as u32, bits: bits(i) });
    let mut out: Vec<Review> = looks.filter(|r| r.bits > 0.0).collect();
    out.sort_by(|a, b| b.bits.total_cmp(&a.bits).then(a.record.cmp(&b.record)));
    out
}

/// The share that the posterior is below with this probability.
fn quantile(posterior: &[f64], q: f64) -> f64 {
    let mut sum = 0.0;
    let at = posterior.iter().position(|p| {
        sum += p;
        sum >= q
    });
    share(at.unwrap_or(GRID - 1))
}

/// The shortest range of shares of this probability: with most of it at one end it reaches that end, which quantiles never
/// do. Of equals, the more probable.
fn shortest(posterior: &[f64], probability: f64) -> (f64, f64) {
    let (mut best, mut most) = ((0, GRID - 1), 0.0);
    let (mut from, mut held) = (0, 0.0);
    for (to, p) in posterior.iter().enumerate() {
        held += p;
        while held - posterior[from] >= probability {
            held -= posterior[from];
            from += 1;
        }
        let shorter = (to - from).cmp(&(best.1 - best.0));
        if held >= probability && (shorter.is_lt() || shorter.is_eq() && held > most) {
            (best, most) = ((from, to), held);
        }
    }
    (share(best.0), share(best.1))
}

/// The standard normal distribution function, to 1e-7 (Abramowitz and Stegun 26.2.17).
fn normal_below(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let series = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let poly = series.iter().rev().fold(0.0, |sum, c| (sum + c) * t);
    let above = poly * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if x < 0.0 { above } else { 1.0 - above }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_agrees_with_tables() {
        for (x, want) in [(0.0, 0.5), (-1.0, 0.158_655_254), (1.959_964, 0.975), (-3.0, 0.001_349_898)] {
            assert!((normal_below(x) - want).abs() < 1e-6, "{x}");
        }
    }

    #[test]
    fn the_shortest_range_is_that_of_all_ranges() {
        for seed in 0..200_u64 {
            let raw = |g: usize| {
                ((seed * 7_919 + g as u64 * 104_729) % 997) as f64 * (seed as f64 / 50.0).powi(g as i32 % 7)
            };
            let total: f64 = (0..GRID).map(raw).sum();
            let posterior: Vec<f64> = (0..GRID).map(|g| raw(g) / total).collect();
            let (low, high) = shortest(&posterior, 0.95);
            let mass = |from: usize, to: usize| posterior[from..=to].iter().sum::<f64>();
            let enough = |&(from, to): &(usize, usize)| mass(from, to) >= 0.95 - 1e-12;
            let ranges = (0..GRID).flat_map(|from| (from..GRID).map(move |to| (from, to))).filter(enough);
            let wide = ((high - low) * (GRID - 1) as f64).round() as usize;
            assert_eq!(ranges.map(|(from, to)| to - from).min(), Some(wide), "{seed}: {low} {high}");
        }
        let mut end = vec![0.0; GRID];
        (end[30], end[GRID - 1]) = (0.04, 0.96);
        assert_eq!(shortest(&end, 0.95), (1.0, 1.0));
    }

    #[test]
    fn a_look_is_worth_most_where_it_is_least_sure() {
        let order = review(&[1.0, -2.0, 1.0, 1.0], &[0.5, 0.5, 0.9, 0.0], &[0.5, 0.5, 0.1, 1.0]);
        let records: Vec<u32> = order.iter().map(|r| r.record).collect();
        assert_eq!(records, [1, 0, 2], "a sure record needs no look");
        assert!((order[2].bits - 0.18).abs() < 1e-12);
    }
}
