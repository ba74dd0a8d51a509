//! A contributor need not stay the same: who sends well at first and badly later is judged batch by batch.
//!
//! The records of a contributor, in order of arrival, are cut into batches of [`BATCH`]. Each batch has the contributor's
//! wrong share, or, with probability [`CHANGE`], one of its own from the prior of all contributors: a product partition
//! (Barry and Hartigan 1992) in which batches that differ share nothing. Sums over the grid are exact, so that evidence
//! flows between batches as far as they agree.

use super::noise::{GRID, share};

/// Records of a batch: enough to tell one third of wrong ones from none.
const BATCH: usize = 20;
/// Probability that a batch is not like its contributor's others. Chosen on communities of other seeds than those that
/// are reported; anything from 0.05 to 0.2 does about as well.
const CHANGE: f64 = 0.05;

/// What is known of one contributor's wrong shares, on the grid.
pub(super) struct Judged {
    /// Of all records together.
    pub(super) whole: Vec<f64>,
    /// Of each batch.
    batches: Vec<Vec<f64>>,
}

impl Judged {
    /// Of a contributor of one share for all records.
    pub(super) fn unchanged(whole: Vec<f64>) -> Self {
        Self { whole, batches: Vec::new() }
    }

    /// The posterior of the batch that the k-th record is in.
    pub(super) fn of(&self, k: usize) -> &[f64] {
        self.batches.get(k / BATCH).unwrap_or(&self.whole)
    }
}

/// Posteriors of a contributor's wrong shares, given bad over good likelihoods of its records in order of arrival.
pub(super) fn judge(ratios: &[f64], prior: &[f64]) -> Judged {
    let batches: Vec<Batch> = ratios.chunks(BATCH).map(|ratios| Batch::new(ratios, prior)).collect();
    let change = if batches.len() > 1 { CHANGE } else { 0.0 };
    // What a contributor of each share makes of all batches, logarithms.
    let log: Vec<f64> = (0..GRID)
        .map(|g| prior[g].ln() + batches.iter().map(|b| b.ln_likelihood(g, change)).sum::<f64>())
        .collect();
    let all = ln_sum(&log);
    let usual: Vec<f64> = log.iter().map(|l| (l - all).exp()).collect();
    let (mut mean, mut of_batches) = (vec![0.0; GRID], Vec::with_capacity(batches.len()));
    for batch in &batches {
        let stays: Vec<f64> = (0..GRID).map(|g| batch.stays(g, change)).collect();
        let own: f64 = usual.iter().zip(&stays).map(|(u, s)| u * (1.0 - s)).sum();
        of_batches.push((0..GRID).map(|g| usual[g] * stays[g] + own * batch.alone[g]).collect());
        let alone: f64 = batch.alone.iter().enumerate().map(|(g, p)| p * share(g)).sum();
        let part = batch.records as f64 / ratios.len() as f64;
        for g in 0..GRID {
            mean[g] += part * (stays[g] * share(g) + (1.0 - stays[g]) * alone);
        }
    }
    Judged { whole: moved(&usual, &mean), batches: of_batches }
}

/// One batch, by the place on the grid.
struct Batch {
    records: usize,
    /// Log-likelihood of its records at each share.
    ln_likelihood: Vec<f64>,
    /// Its logarithm under the prior.
    ln_evidence: f64,
    /// Posterior from this batch alone.
    alone: Vec<f64>,
}

impl Batch {
    fn new(ratios: &[f64], prior: &[f64]) -> Self {
        let at = |g: usize| ratios.iter().map(|r| (1.0 + share(g) * (r - 1.0)).ln()).sum::<f64>();
        let ln_likelihood: Vec<f64> = (0..GRID).map(at).collect();
        let joint: Vec<f64> = ln_likelihood.iter().zip(prior).map(|(l, p)| l + p.ln()).collect();
        let ln_evidence = ln_sum(&joint);
        let alone = joint.iter().map(|j| (j - ln_evidence).exp()).collect();
        Self { records: ratios.len(), ln_likelihood, ln_evidence, alone }
    }

    /// Log-likelihood of its records from a contributor of this share, who changes with this probability.
    fn ln_likelihood(&self, g: usize, change: f64) -> f64 {
        ln_sum(&[(1.0 - change).ln() + self.ln_likelihood[g], change.ln() + self.ln_evidence])
    }

    /// Probability that the batch is like the others of a contributor of this share.
    fn stays(&self, g: usize, change: f64) -> f64 {
        ((1.0 - change).ln() + self.ln_likelihood[g] - self.ln_likelihood(g, change)).exp()
    }
}

/// A distribution on the grid whose places are moved to these shares.
fn moved(distribution: &[f64], to: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; GRID];
    for (p, share) in distribution.iter().zip(to) {
        let at = share.clamp(0.0, 1.0) * (GRID - 1) as f64;
        let low = (at as usize).min(GRID - 2);
        let up = at - low as f64;
        out[low] += p * (1.0 - up);
        out[low + 1] += p * up;
    }
    out
}

/// Logarithm of the sum of exponentials; at least one of them is finite.
fn ln_sum(logs: &[f64]) -> f64 {
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + logs.iter().map(|l| (l - top).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::super::noise::posterior;
    use super::*;
    use proptest::prelude::*;

    fn mean(posterior: &[f64]) -> f64 {
        posterior.iter().enumerate().map(|(g, p)| share(g) * p).sum()
    }

    fn even() -> Vec<f64> {
        vec![1.0 / GRID as f64; GRID]
    }

    /// Sums over every way in which the batches can be like the contributor or on their own.
    fn enumerated(ratios: &[f64], prior: &[f64]) -> Vec<Vec<f64>> {
        let batches: Vec<&[f64]> = ratios.chunks(BATCH).collect();
        let likelihood =
            |b: usize, g: usize| -> f64 { batches[b].iter().map(|r| 1.0 + share(g) * (r - 1.0)).product() };
        let alone = |b: usize| -> f64 { (0..GRID).map(|g| prior[g] * likelihood(b, g)).sum() };
        let (mut out, mut total) = (vec![vec![0.0; GRID]; batches.len()], 0.0);
        for ways in 0..1_u32 << batches.len() {
            let own = |b: usize| ways >> b & 1 == 1;
            for g in 0..GRID {
                let part = |b: usize| {
                    if own(b) { CHANGE * alone(b) } else { (1.0 - CHANGE) * likelihood(b, g) }
                };
                let weight: f64 = prior[g] * (0..batches.len()).map(part).product::<f64>();
                total += weight;
                for (b, out) in out.iter_mut().enumerate() {
                    if own(b) {
                        (0..GRID).for_each(|h| out[h] += weight * prior[h] * likelihood(b, h) / alone(b));
                    } else {
                        out[g] += weight;
                    }
                }
            }
        }
        out.iter_mut().flatten().for_each(|p| *p /= total);
        out
    }

    proptest! {
        #[test]
        fn batches_are_those_of_enumeration(
            logs in prop::collection::vec(-1.0..1.0_f64, BATCH + 1..4 * BATCH),
            prior in prop::collection::vec(0.01..1.0_f64, GRID..=GRID),
        ) {
            let ratios: Vec<f64> = logs.iter().map(|l| l.exp()).collect();
            let total: f64 = prior.iter().sum();
            let prior: Vec<f64> = prior.iter().map(|p| p / total).collect();
            let judged = judge(&ratios, &prior);
            for (found, want) in judged.batches.iter().zip(enumerated(&ratios, &prior)) {
                prop_assert!(found.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-9));
            }
            let sizes = ratios.chunks(BATCH).map(|b| b.len() as f64 / ratios.len() as f64);
            let whole: f64 = judged.batches.iter().zip(sizes).map(|(b, size)| size * mean(b)).sum();
            prop_assert!((mean(&judged.whole) - whole).abs() < 1e-9);
        }

        #[test]
        fn a_single_batch_is_a_contributor_who_stays_the_same(
            logs in prop::collection::vec(-4.0..4.0_f64, 1..BATCH),
        ) {
            let ratios: Vec<f64> = logs.iter().map(|l| l.exp()).collect();
            let (judged, want) = (judge(&ratios, &even()), posterior(&ratios, &even(), 1.0));
            prop_assert!(judged.of(0).iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-12));
            prop_assert!(judged.whole.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-12));
        }
    }

    #[test]
    fn who_turns_bad_half_way_is_judged_half_by_half() {
        let ratios: Vec<f64> = (0..8 * BATCH).map(|k| if k < 4 * BATCH { 0.3 } else { 3.0 }).collect();
        let judged = judge(&ratios, &even());
        let unchanged = posterior(&ratios, &even(), 1.0);
        assert!((mean(&unchanged) - 0.5).abs() < 0.1);
        assert!(mean(judged.of(0)) < 0.1, "{}", mean(judged.of(0)));
        assert!(mean(judged.of(8 * BATCH - 1)) > 0.9, "{}", mean(judged.of(8 * BATCH - 1)));
        assert!((mean(&judged.whole) - 0.5).abs() < 0.1);
    }
}
