//! The linear datamodeling score: how well values of records predict models that were really retrained.

use assay_kernels::Mat;

use crate::rank::spearman;

/// Agreement of predictions with retrained subsets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lds {
    /// Mean over the test examples of Spearman's correlation over the subsets.
    pub mean: f64,
    /// Standard error of the mean over the test examples; NaN with fewer than two.
    pub se: f64,
    /// Test examples that count: those whose predictions and losses both vary.
    pub examples: usize,
}

/// Scores predictions (subsets x test examples, higher is better for the answer) against what was measured in the
/// models of those subsets (Ilyas et al., ICML 2022, arXiv 2202.00622; Park et al., ICML 2023, arXiv 2303.14186).
/// A single column of means scores what is paid. `None` when the shapes differ or nothing varies.
pub fn lds(predicted: &Mat<f64>, measured: &Mat<f64>) -> Option<Lds> {
    if (predicted.rows(), predicted.cols()) != (measured.rows(), measured.cols()) {
        return None;
    }
    let column = |m: &Mat<f64>, j: usize| -> Vec<f64> { (0..m.rows()).map(|i| m.row(i)[j]).collect() };
    let scores: Vec<f64> = (0..predicted.cols())
        .map(|j| spearman(&column(predicted, j), &column(measured, j)))
        .filter(|r| r.is_finite())
        .collect();
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let spread: f64 = scores.iter().map(|r| (r - mean) * (r - mean)).sum();
    let se = if scores.len() < 2 { f64::NAN } else { (spread / (n - 1.0) / n).sqrt() };
    (!scores.is_empty()).then_some(Lds { mean, se, examples: scores.len() })
}

/// What additive values (records x test examples) predict for subsets: the sums over their members.
///
/// # Panics
/// When a subset has not one entry a record.
pub fn predictions(values: &Mat<f64>, subsets: &[Vec<bool>]) -> Mat<f64> {
    let mut out = Mat::zeros(subsets.len(), values.cols());
    for (k, subset) in subsets.iter().enumerate() {
        assert_eq!(subset.len(), values.rows(), "one entry a record");
        for i in (0..subset.len()).filter(|&i| subset[i]) {
            out.row_mut(k).iter_mut().zip(values.row(i)).for_each(|(o, v)| *o += v);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn additive_truth_is_predicted_perfectly() {
        let values = Mat::from_vec(4, 2, vec![1.0, -1.0, 2.0, 0.5, 4.0, 0.25, 8.0, 3.0]).unwrap();
        let subsets: Vec<Vec<bool>> = (0..16).map(|k| (0..4).map(|i| k >> i & 1 == 1).collect()).collect();
        let predicted = predictions(&values, &subsets);
        assert_eq!(predicted.row(0b1010), [10.0, 3.5]);
        let score = lds(&predicted, &predicted).unwrap();
        assert!((score.mean - 1.0).abs() < 1e-12 && score.se < 1e-12 && score.examples == 2);
        let mut turned = predicted.clone();
        (0..16).for_each(|k| turned.row_mut(k)[1] *= -1.0);
        assert!(lds(&predicted, &turned).unwrap().mean.abs() < 1e-12);
        assert!((lds(&predicted, &turned).unwrap().se - 1.0).abs() < 1e-12);
        assert!(lds(&predicted, &Mat::zeros(16, 2)).is_none());
        assert!(lds(&predicted, &Mat::zeros(15, 2)).is_none());
    }
}
