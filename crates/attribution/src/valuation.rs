//! The result of a valuation: a value for every record, and intervals for any grouping of them.

use assay_kernels::Mat;
use assay_learn::model::Model;

/// Values of all records against one benchmark. Unit: bits per benchmark example.
#[derive(Clone, Debug)]
pub struct Valuation {
    /// Mean of log2 p over the benchmark before any record: minus the loss of the model whose weights are all zero.
    pub empty_bits: f64,
    /// The same before the records that are valued: of the model of the records that stand; `empty_bits` without any.
    pub base_bits: f64,
    /// Mean of log2 p over the benchmark with all records, at the minimum: what the solver left of the gradient is
    /// accounted for to first order.
    pub full_bits: f64,
    /// `full_bits - base_bits`: the utility that is shared out.
    pub gain_bits: f64,
    /// Sum of the values.
    pub sum_bits: f64,
    /// `|sum_bits - gain_bits|`: the error of the quadrature and the solvers.
    pub closure_bits: f64,
    /// `closure_bits / |gain_bits|` (0 when both are 0).
    pub closure_relative: f64,
    /// True when `closure_relative` is within the goal of the options.
    pub closed: bool,
    /// Quadrature nodes used.
    pub nodes: usize,
    /// Products with the curvature: the cost.
    pub products: usize,
    /// Value of each record.
    pub value_bits: Vec<f64>,
    /// Weight of each record.
    pub weights: Vec<f64>,
    /// What one unit of weight of each record adds to the finished model, dU/dw at t = 1 (the influence function; Hampel
    /// 1974, Koh and Liang 2017), standing records included. A record of weight w takes about w times this with it
    /// when it goes; a record of weight 0 would bring this if it came. Does not sum to the gain, and is not pay.
    pub marginal_bits: Vec<f64>,
    /// Value of each record against each fold of the benchmark alone, records x folds. Its mean weighted by
    /// `fold_sizes` is `value_bits`. No columns when intervals were not asked for.
    pub fold_bits: Mat<f64>,
    /// What of each value was charged for what was kept out of training; empty when nothing was.
    pub charged_bits: Vec<f64>,
    /// Benchmark examples in each fold.
    pub fold_sizes: Vec<usize>,
    /// The model with all records (t = 1).
    pub model: Model,
}

/// Value of a group of records, with a 95% interval.
///
/// The interval covers the sampling of the benchmark: how much the value would move with another benchmark of the
/// same size from the same source (Student's t over the folds). It does not cover other choices of records, of
/// prior or of model family, nor a benchmark that is not like the use that the model is put to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupValue {
    /// Records in the group.
    pub records: usize,
    /// Sum of their values.
    pub value_bits: f64,
    /// Sum of weight times marginal: the first-order prediction of what the model would lose without the group.
    pub marginal_bits: f64,
    /// What of the value was charged for records kept out of training; at most 0.
    pub charged_bits: f64,
    /// Standard error over the folds of the benchmark; NaN with fewer than two folds, as are the bounds.
    pub se_bits: f64,
    /// Lower bound of the 95% interval.
    pub low_bits: f64,
    /// Upper bound of the 95% interval.
    pub high_bits: f64,
}

impl Valuation {
    /// Which groups below `count` have a record that weighs something in the model: record i belongs to group
    /// `groups[i]`.
    ///
    /// # Panics
    /// When there is not one group a record.
    pub fn in_training(&self, groups: &[u32], count: usize) -> Vec<bool> {
        assert_eq!(groups.len(), self.weights.len(), "one group a record");
        let mut out = vec![false; count];
        for (&group, _) in groups.iter().zip(&self.weights).filter(|(_, weight)| **weight > 0.0) {
            if let Some(trained) = out.get_mut(group as usize) {
                *trained = true;
            }
        }
        out
    }

    /// Charges those whose records were kept out of training, wholly or in part, with what was kept out: `all` is the
    /// valuation of the same records where nothing was, and record i belongs to group `groups[i]`. The part of a record
    /// is what its weight lost, and is worth that part of its value in `all`. To a group whose parts were together worth
    /// less than nothing they are added, by fold too; to another they are worth nothing. The sum of what was charged, at
    /// most 0: `sum_bits` stays that of the path.
    ///
    /// Whole groups are charged and not records: of a hundred harmless records fifty look harmful by noise. Cutting a
    /// group in two can only charge more. Records of no group below `count` are charged to nobody.
    ///
    /// # Panics
    /// When there is not one group a record, or the valuations are not of the same records.
    pub fn charge_withheld(&mut self, all: &Self, groups: &[u32], count: usize) -> f64 {
        assert_eq!(groups.len(), self.value_bits.len(), "one group a record");
        assert_eq!(all.value_bits.len(), self.value_bits.len(), "valuations of the same records");
        let part =
            |(kept, whole): (&f64, &f64)| if *whole > 0.0 { (1.0 - kept / whole).max(0.0) } else { 0.0 };
        let parts: Vec<f64> = self.weights.iter().zip(&all.weights).map(part).collect();
        let mut worth = vec![0.0; count];
        for (i, &group) in groups.iter().enumerate() {
            if let Some(worth) = worth.get_mut(group as usize) {
                *worth += parts[i] * all.value_bits[i];
            }
        }
        self.charged_bits = vec![0.0; groups.len()];
        for (i, &group) in groups.iter().enumerate() {
            if !worth.get(group as usize).is_some_and(|worth| *worth < 0.0) {
                continue;
            }
            self.charged_bits[i] = parts[i] * all.value_bits[i];
            self.value_bits[i] += self.charged_bits[i];
            let folds = self.fold_bits.row_mut(i).iter_mut().zip(all.fold_bits.row(i));
            folds.for_each(|(bits, all)| *bits += parts[i] * all);
        }
        worth.iter().filter(|worth| **worth < 0.0).sum()
    }

    /// Standard error of the value of record `i`; NaN with fewer than two folds.
    ///
    /// # Panics
    /// When there is no such record.
    pub fn record_se_bits(&self, i: usize) -> f64 {
        self.standard_error(self.fold_bits.row(i))
    }

    /// Values of groups: record i belongs to group `groups[i]`. Grouping is plain addition, so cutting a group in
    /// two or joining two changes no sum.
    ///
    /// # Panics
    /// When there is not one group a record, each below `count`.
    pub fn group(&self, groups: &[u32], count: usize) -> Vec<GroupValue> {
        assert_eq!(groups.len(), self.value_bits.len(), "one group a record");
        let mut records = vec![0_usize; count];
        let mut values = vec![0.0; count];
        let mut marginals = vec![0.0; count];
        let mut charged = vec![0.0; count];
        let mut folds = Mat::zeros(count, self.fold_sizes.len());
        for (i, &g) in groups.iter().enumerate() {
            let g = g as usize;
            records[g] += 1;
            values[g] += self.value_bits[i];
            charged[g] += self.charged_bits.get(i).unwrap_or(&0.0);
            marginals[g] += self.weights[i] * self.marginal_bits[i];
            folds.row_mut(g).iter_mut().zip(self.fold_bits.row(i)).for_each(|(f, x)| *f += x);
        }
        let half_width = student_t_975(self.fold_sizes.len().saturating_sub(1));
        (0..count)
            .map(|g| {
                let (value_bits, se_bits) = (values[g], self.standard_error(folds.row(g)));
                let reach = half_width * se_bits;
                GroupValue {
                    records: records[g],
                    value_bits,
                    marginal_bits: marginals[g],
                    charged_bits: charged[g],
                    se_bits,
                    low_bits: value_bits - reach,
                    high_bits: value_bits + reach,
                }
            })
            .collect()
    }

    /// Of the mean over the benchmark, from the means of its folds: sum of m_f (x_f - x)^2 / m / (F - 1), which is
    /// unbiased for folds of any sizes m_f.
    fn standard_error(&self, folds: &[f64]) -> f64 {
        let total: f64 = self.fold_sizes.iter().map(|&m| m as f64).sum();
        let weighted = || folds.iter().zip(&self.fold_sizes).map(|(x, &m)| (x, m as f64 / total));
        let mean: f64 = weighted().map(|(x, w)| x * w).sum();
        let spread: f64 = weighted().map(|(x, w)| w * (x - mean) * (x - mean)).sum();
        if folds.len() < 2 { f64::NAN } else { (spread / (folds.len() - 1) as f64).sqrt() }
    }
}

/// The 97.5% quantile of Student's t: the half width of a 95% interval in standard errors; NaN for no degrees.
///
/// Bisection on the closed form of the distribution for whole degrees of freedom (Abramowitz and Stegun 26.7.3-4).
pub fn student_t_975(degrees: usize) -> f64 {
    if degrees == 0 {
        return f64::NAN;
    }
    let (mut low, mut high) = (1.9, 13.0);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if two_sided(middle, degrees) < 0.95 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Probability that |t| is at most `x`.
fn two_sided(x: f64, degrees: usize) -> f64 {
    let angle = (x / (degrees as f64).sqrt()).atan();
    let (sin, cos) = angle.sin_cos();
    let odd = degrees % 2 == 1;
    let (mut term, mut sum) = if odd { (cos, cos) } else { (1.0, 1.0) };
    // Factors 2/3, 4/5, .. for odd degrees and 1/2, 3/4, .. for even ones.
    let mut k = if odd { 3 } else { 2 };
    while k < degrees {
        term *= (k - 1) as f64 / k as f64 * cos * cos;
        sum += term;
        k += 2;
    }
    match (degrees, odd) {
        (1, _) => angle / std::f64::consts::FRAC_PI_2,
        (_, true) => (angle + sin * sum) / std::f64::consts::FRAC_PI_2,
        (_, false) => sin * sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_agree_with_tables() {
        let known = [
            (1, 12.706_204_736_432_1),
            (2, 4.302_652_729_911_28),
            (3, 3.182_446_305_284_26),
            (4, 2.776_445_105_197_79),
            (5, 2.570_581_835_636_31),
            (7, 2.364_624_251_592_78),
            (8, 2.306_004_135_204_17),
            (15, 2.131_449_545_559_32),
            (30, 2.042_272_456_301_24),
            (100, 1.983_971_518_449_63),
        ];
        for (degrees, want) in known {
            assert!((student_t_975(degrees) - want).abs() < 1e-9, "{degrees}: {}", student_t_975(degrees));
        }
        assert!(student_t_975(0).is_nan());
    }
}
