//! What a record looks like beside rows that are known to be real: filler and other people's topics are unlike all
//! of them, whatever their labels say. A signal of its own beside what the label tells.

use assay_kernels::{Csr, Mat};
use assay_learn::data::Features;
use rayon::prelude::*;

use super::calibrate::Predictions;

/// Rows of the value fold that records are compared with at most.
const ROWS: usize = 500;
/// Shares of the value fold below the edges of nearness, and of what a prediction tells.
const NEAR: [f64; 3] = [1.0 / 32.0, 1.0 / 8.0, 0.5];
const TOLD: [f64; 3] = [1.0 / 16.0, 0.25, 0.5];
/// Kinds of content: each step of nearness with each step of what is told.
pub(super) const KINDS: usize = (NEAR.len() + 1) * (TOLD.len() + 1);

/// Highest cosine with another row of the value fold, the constant feature left out.
pub(super) struct Nearness {
    records: Vec<f64>,
    value: Vec<f64>,
}

impl Nearness {
    pub(super) fn new(train: &Features, value: &Features) -> Self {
        let rows: Vec<usize> = (0..value.rows().min(ROWS)).collect();
        let known = Known::new(value.select(&rows));
        let record = |i| known.nearest(train, i, None);
        Self {
            records: (0..train.rows()).into_par_iter().map(record).collect(),
            value: (0..value.rows()).into_par_iter().map(|i| known.nearest(value, i, Some(i))).collect(),
        }
    }

    /// Kind of content of each record, the least near and told first; and the share of the value fold of each kind.
    pub(super) fn kinds(&self, predictions: &Predictions) -> (Vec<u8>, Vec<f64>) {
        let near = edges(&self.value, NEAR);
        let told = edges(&predictions.value_told, TOLD);
        let step = |edges: &[f64], x: f64| edges.iter().filter(|edge| x > **edge).count();
        let kind = |n: f64, t: f64| step(&near, n) * (TOLD.len() + 1) + step(&told, t);
        let folds = predictions.shares.rows();
        let rows = predictions.value_told.len() / folds.max(1);
        let mut usual = vec![0.5; KINDS];
        for (k, &t) in predictions.value_told.iter().enumerate() {
            usual[kind(self.value[k % rows], t)] += 1.0 / folds as f64;
        }
        let total: f64 = usual.iter().sum();
        usual.iter_mut().for_each(|u| *u /= total);
        let kinds = self.records.iter().zip(&predictions.told).map(|(&n, &t)| kind(n, t) as u8);
        (kinds.collect(), usual)
    }
}

fn edges(values: &[f64], shares: [f64; 3]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    shares.iter().map(|share| sorted[(share * sorted.len() as f64) as usize]).collect()
}

/// Rows that others are compared with, each of length 1.
enum Known {
    Dense(Mat<f32>),
    /// By feature: the rows that have it, and how much.
    Sparse(Vec<Vec<(u32, f32)>>, usize),
}

impl Known {
    fn new(rows: Features) -> Self {
        match rows {
            Features::Dense(mut x) => {
                for i in 0..x.rows() {
                    let scale = inverse_length(content(x.row(i)));
                    x.row_mut(i).iter_mut().for_each(|v| *v *= scale);
                }
                Self::Dense(x)
            }
            Features::Sparse(x) => {
                let mut of_feature = vec![Vec::new(); x.cols()];
                for i in 0..x.rows() {
                    let scale = inverse_length(words(&x, i).1);
                    let (columns, values) = words(&x, i);
                    for (&j, v) in columns.iter().zip(values) {
                        of_feature[j as usize].push((i as u32, v * scale));
                    }
                }
                Self::Sparse(of_feature, x.rows())
            }
        }
    }

    /// Highest cosine of row i with a known row other than `own`; 0 where there is nothing to compare.
    fn nearest(&self, features: &Features, i: usize, own: Option<usize>) -> f64 {
        let (cosines, scale): (Vec<f32>, f32) = match (self, features) {
            (Self::Dense(known), Features::Dense(x)) => {
                let row = content(x.row(i));
                let dot = |k: usize| content(known.row(k)).iter().zip(row).map(|(a, b)| a * b).sum();
                ((0..known.rows()).map(dot).collect(), inverse_length(row))
            }
            (Self::Sparse(of_feature, rows), Features::Sparse(x)) => {
                let mut dots = vec![0.0; *rows];
                let (columns, values) = words(x, i);
                for (&j, v) in columns.iter().zip(values) {
                    of_feature[j as usize].iter().for_each(|&(k, w)| dots[k as usize] += v * w);
                }
                (dots, inverse_length(values))
            }
            _ => (Vec::new(), 0.0),
        };
        let others = cosines.into_iter().enumerate().filter(|(k, _)| own != Some(*k));
        others.map(|(_, dot)| f64::from(dot * scale)).fold(0.0, f64::max)
    }
}

/// All but the constant, which is last.
fn content(row: &[f32]) -> &[f32] {
    &row[..row.len().saturating_sub(1)]
}

fn words(x: &Csr, i: usize) -> (&[u32], &[f32]) {
    let (columns, values) = x.row(i);
    let end = columns.iter().position(|&c| c as usize + 1 == x.cols()).unwrap_or(columns.len());
    (&columns[..end], &values[..end])
}

fn inverse_length(row: &[f32]) -> f32 {
    let square: f32 = row.iter().map(|v| v * v).sum();
    if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The same rows, dense and sparse, the constant last.
    fn rows() -> (Features, Features) {
        let rows = [[1.0, 0.0, 2.0, 1.0], [2.0, 0.0, 4.0, 1.0], [0.0, 3.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]];
        let mut dense = Mat::zeros(4, 4);
        rows.iter().enumerate().for_each(|(i, row)| dense.row_mut(i).copy_from_slice(row));
        let entries = |row: &[f32; 4]| {
            row.iter().enumerate().filter(|(_, v)| **v != 0.0).map(|(j, v)| (j as u32, *v)).collect()
        };
        let sparse = Csr::from_rows(4, &rows.iter().map(entries).collect::<Vec<_>>()).unwrap();
        (Features::Dense(dense), Features::Sparse(sparse))
    }

    #[test]
    fn nearness_is_the_cosine_with_another_row_and_the_constant_does_not_count() {
        let (dense, sparse) = rows();
        for features in [dense, sparse] {
            let near = Nearness::new(&features, &features);
            let close = |found: &[f64], want: [f64; 4]| {
                assert!(found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
            };
            close(&near.value, [1.0, 1.0, 0.0, 0.0]);
            close(&near.records, [1.0, 1.0, 1.0, 0.0]);
        }
    }
}
