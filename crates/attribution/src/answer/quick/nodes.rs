//! Few nodes of the path that stand for all.

use assay_kernels::Mat;
use assay_kernels::cholesky::Cholesky;

/// Few nodes, and how much of every node each of them stands for: nodes x few.
pub(super) struct Few {
    pub(super) nodes: Vec<usize>,
    pub(super) shares: Mat<f64>,
}

impl Few {
    /// One after the other, those that give the others best: at most `most`, and no more once they miss no more than the
    /// part `missed` of the weighted whole. `gram` has the products of what is to be given, nodes x nodes.
    pub(super) fn of(gram: &Mat<f64>, weights: &[f64], most: usize, enough: f64) -> Self {
        let nodes = gram.rows();
        let all: f64 = (0..nodes).map(|k| weights[k].powi(2) * gram.row(k)[k]).sum();
        let mut best = Self { nodes: Vec::new(), shares: Mat::zeros(nodes, 0) };
        for _ in 0..most.min(nodes) {
            let candidates = (0..nodes).filter(|k| !best.nodes.contains(k)).filter_map(|k| {
                let chosen = [best.nodes.as_slice(), &[k]].concat();
                let (missed, shares) = combine(gram, weights, &chosen)?;
                Some((missed, Self { nodes: chosen, shares }))
            });
            let Some((missed, next)) = candidates.min_by(|a, b| a.0.total_cmp(&b.0)) else { break };
            best = next;
            if missed <= enough * enough * all {
                break;
            }
        }
        best
    }
}

/// Least squares of every node by the chosen: what is missed, weighed, and the combinations. `None` when the chosen are
/// as good as dependent.
fn combine(gram: &Mat<f64>, weights: &[f64], chosen: &[usize]) -> Option<(f64, Mat<f64>)> {
    let size = chosen.len();
    let mut among = Mat::zeros(size, size);
    for (a, &k) in chosen.iter().enumerate() {
        for (b, &l) in chosen.iter().enumerate() {
            among.row_mut(a)[b] = gram.row(k)[l];
        }
        among.row_mut(a)[a] *= 1.0 + 1e-10;
    }
    let factor = Cholesky::new(among)?;
    let mut solved = Mat::zeros(size, gram.rows());
    for (a, &k) in chosen.iter().enumerate() {
        solved.row_mut(a).copy_from_slice(gram.row(k));
    }
    factor.solve(&mut solved);
    let mut shares = Mat::zeros(gram.rows(), size);
    let mut missed = 0.0;
    for (k, weight) in weights.iter().enumerate() {
        (0..size).for_each(|a| shares.row_mut(k)[a] = solved.row(a)[k]);
        let met: f64 = chosen.iter().zip(shares.row(k)).map(|(&l, s)| s * gram.row(l)[k]).sum();
        missed += weight * weight * (gram.row(k)[k] - met).max(0.0);
    }
    Some((missed, shares))
}
