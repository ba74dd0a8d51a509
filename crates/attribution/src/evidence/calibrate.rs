//! From raw outputs of held-out models to probabilities that can be believed.

use assay_kernels::Mat;

use super::crossfit::HeldOut;

/// Rows of the value fold that the calibration reads at most.
const ROWS: usize = 2_000;
/// Sharpness tried, and shares of answers that no model foresees.
const TEMPERATURES: [f64; 13] = [0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 4.0, 5.0];
const FLOORS: [f64; 6] = [0.003, 0.01, 0.02, 0.04, 0.08, 0.15];

/// Class probabilities of records by models that never saw their contributor.
pub(super) struct Predictions {
    /// Records x classes.
    pub(super) records: Mat<f64>,
    /// Mean prediction on the value fold by the model of each fold: folds x classes.
    pub(super) shares: Mat<f64>,
    /// What the prediction tells, in nats: its divergence from the mean prediction.
    pub(super) told: Vec<f64>,
    /// Share of the information in the labels of the value fold that the models have, 0 to 1.
    pub(super) skill: f64,
    /// What the prediction tells of the value fold, by all models.
    pub(super) value_told: Vec<f64>,
}

/// p = (1 - floor) softmax(temperature * scores) + floor * share of the class in the value fold; temperature and floor
/// have the highest likelihood on the value fold, which the models never saw (Guo et al. 2017).
pub(super) fn calibrate(held: &HeldOut, labels: &[u32], fold_of: &[u32]) -> Predictions {
    let classes = held.records.cols();
    let rows = labels.len().min(ROWS);
    let mut base = vec![0.5; classes];
    labels.iter().for_each(|&y| base[y as usize] += 1.0);
    let total: f64 = base.iter().sum();
    base.iter_mut().for_each(|b| *b /= total);
    let mut best = (f64::NEG_INFINITY, 1.0, 0.01);
    for temperature in TEMPERATURES {
        let mut sums = [0.0; FLOORS.len()];
        for scores in &held.value {
            for (i, &y) in labels[..rows].iter().enumerate() {
                let p = softmax_of(scores.row(i), temperature, y as usize);
                for (sum, floor) in sums.iter_mut().zip(FLOORS) {
                    *sum += ((1.0 - floor) * p + floor * base[y as usize]).ln();
                }
            }
        }
        for (sum, floor) in sums.into_iter().zip(FLOORS) {
            if sum > best.0 {
                best = (sum, temperature, floor);
            }
        }
    }
    let (likelihood, temperature, floor) = best;
    let blind: f64 = labels[..rows].iter().map(|&y| base[y as usize].ln()).sum();
    let skill = (1.0 - likelihood / (blind * held.value.len() as f64)).clamp(0.0, 1.0);
    let soften = |scores: &[f64], out: &mut [f64]| {
        softmax(scores, temperature, out);
        out.iter_mut().zip(&base).for_each(|(p, b)| *p = (1.0 - floor) * *p + floor * b);
    };
    let mut shares = Mat::zeros(held.value.len(), classes);
    let mut value_told = Vec::with_capacity(rows * held.value.len());
    let mut row = vec![0.0; classes];
    for (f, scores) in held.value.iter().enumerate() {
        for i in 0..rows {
            soften(scores.row(i), &mut row);
            shares.row_mut(f).iter_mut().zip(&row).for_each(|(s, p)| *s += p / rows as f64);
        }
        for i in 0..rows {
            soften(scores.row(i), &mut row);
            value_told.push(divergence(&row, shares.row(f)));
        }
    }
    let mut records = Mat::zeros(held.records.rows(), classes);
    let mut told = Vec::with_capacity(records.rows());
    for (i, &fold) in fold_of.iter().enumerate() {
        soften(held.records.row(i), records.row_mut(i));
        told.push(divergence(records.row(i), shares.row(fold as usize)));
    }
    Predictions { records, shares, told, skill, value_told }
}

fn softmax(scores: &[f64], temperature: f64, out: &mut [f64]) {
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for (o, &z) in out.iter_mut().zip(scores) {
        *o = (temperature * (z - top)).exp();
        sum += *o;
    }
    out.iter_mut().for_each(|o| *o /= sum);
}

fn softmax_of(scores: &[f64], temperature: f64, y: usize) -> f64 {
    let sum: f64 = scores.iter().map(|z| (temperature * (z - scores[y])).exp()).sum();
    1.0 / sum
}

fn divergence(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).map(|(p, q)| p * (p / q).ln()).sum()
}
