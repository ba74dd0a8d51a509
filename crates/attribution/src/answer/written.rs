//! The curvature written out, in as few outputs as it needs.

use assay_kernels::cholesky::weighted_grams;
use assay_kernels::{Mat, Real};
use assay_learn::model::Family;
use assay_learn::train::{Point, Problem};

/// Outputs turned so that one is left out: gradients of a softmax sum to zero over the classes, and so do solutions, so
/// that C classes are C - 1 directions (Helmert's).
#[derive(Clone, Debug)]
pub(super) struct Basis {
    /// Outputs x directions, orthonormal columns.
    directions: Mat<f64>,
}

impl Basis {
    pub(super) fn of(family: Family) -> Self {
        let outputs = family.outputs();
        if matches!(family, Family::Gaussian { .. }) {
            return Self { directions: ones() };
        }
        let mut directions = Mat::zeros(outputs, outputs - 1);
        for k in 0..outputs - 1 {
            let norm = (((k + 1) * (k + 2)) as f64).sqrt();
            (0..=k).for_each(|c| directions.row_mut(c)[k] = 1.0 / norm);
            directions.row_mut(k + 1)[k] = -((k + 1) as f64) / norm;
        }
        Self { directions }
    }

    /// The outputs themselves.
    pub(super) fn plain(outputs: usize) -> Self {
        let mut directions = Mat::zeros(outputs, outputs);
        (0..outputs).for_each(|c| directions.row_mut(c)[c] = 1.0);
        Self { directions }
    }

    pub(super) fn outputs(&self) -> usize {
        self.directions.rows()
    }

    /// Directions.
    pub(super) fn len(&self) -> usize {
        self.directions.cols()
    }

    /// One number a direction from one an output.
    pub(super) fn narrow<T: Real>(&self, outputs: &[T]) -> Vec<T> {
        let dot = |k: usize| (0..self.outputs()).map(|c| T::of(self.directions.row(c)[k]) * outputs[c]).sum();
        (0..self.len()).map(dot).collect()
    }

    /// One number an output from one a direction.
    pub(super) fn widen<T: Real>(&self, narrow: &[T], outputs: &mut [T]) {
        for (c, o) in outputs[..self.outputs()].iter_mut().enumerate() {
            *o = self.directions.row(c).iter().zip(narrow).map(|(&q, &x)| T::of(q) * x).sum();
        }
    }

    /// `lambda I + t * sum w Hessian loss` at a point: row `a * d + j` is feature j of direction a, lower triangle.
    /// `None` when the features are sparse or there are more than `most` rows.
    pub(super) fn curvature<T: Real>(
        &self,
        problem: &Problem<'_, T>,
        t: f64,
        point: &Point<T>,
        most: usize,
    ) -> Option<Mat<T>> {
        let (design, directions) = (problem.design(), self.len());
        let d = design.cols();
        if design.is_sparse() || d * directions > most {
            return None;
        }
        let pairs: Vec<(usize, usize)> = (0..directions).flat_map(|a| (0..=a).map(move |b| (a, b))).collect();
        let blocks = weighted_grams(&columns(problem)?, &self.pair_curvatures(problem, t, point, &pairs));
        let mut full = Mat::zeros(d * directions, d * directions);
        for (k, &(a, b)) in pairs.iter().enumerate() {
            for j in 0..d {
                let row = &mut full.row_mut(a * d + j)[b * d..][..d];
                for (l, x) in row.iter_mut().enumerate() {
                    *x = blocks[(j.max(l) * d + j.min(l)) * pairs.len() + k];
                }
            }
        }
        for x in 0..d * directions {
            full.row_mut(x)[x] += T::of(problem.lambda());
        }
        Some(full)
    }

    /// The blocks of `lambda I + t * sum w Hessian loss` at a point, one an output, their lower triangles. `None` when the
    /// features are sparse.
    pub(super) fn own_curvatures<T: Real>(
        &self,
        problem: &Problem<'_, T>,
        t: f64,
        point: &Point<T>,
    ) -> Option<Vec<Mat<T>>> {
        let (d, outputs) = (problem.design().cols(), self.outputs());
        let own: Vec<(usize, usize)> = (0..outputs).map(|c| (c, c)).collect();
        let grams = weighted_grams(&columns(problem)?, &problem.pair_curvatures(t, point, &own));
        let block = |c: usize| {
            let mut out = Mat::zeros(d, d);
            for j in 0..d {
                (0..=j).for_each(|l| out.row_mut(j)[l] = grams[(j * d + l) * outputs + c]);
                out.row_mut(j)[j] += T::of(problem.lambda());
            }
            out
        };
        Some((0..outputs).map(block).collect())
    }

    /// `t * sum w Hessian loss` in the directions alone, the mean over the records by `shares`: lower triangle and upper.
    pub(super) fn mean_curvature<T: Real>(
        &self,
        problem: &Problem<'_, T>,
        t: f64,
        point: &Point<T>,
        shares: &[f64],
    ) -> Mat<f64> {
        let outputs = self.outputs();
        let all: f64 = shares.iter().sum();
        let mut wide = Mat::zeros(outputs, outputs);
        let records = problem.weights_at(t).into_iter().zip(shares).enumerate();
        for (i, (weight, share)) in records.filter(|(_, (w, s))| *w > 0.0 && **s > 0.0) {
            let scale = weight * share / all;
            if let Family::Gaussian { noise_variance } = problem.family() {
                wide.row_mut(0)[0] += scale / noise_variance;
                continue;
            }
            let p: Vec<f64> = point.fitted.row(i)[..outputs].iter().map(|p| p.f64()).collect();
            for (a, &own) in p.iter().enumerate() {
                let row = wide.row_mut(a);
                row.iter_mut().zip(&p).for_each(|(x, p)| *x -= scale * own * p);
                row[a] += scale * own;
            }
        }
        let mut half = Mat::zeros(outputs, self.len());
        for a in 0..outputs {
            half.row_mut(a).copy_from_slice(&self.narrow(wide.row(a)));
        }
        let mut out = Mat::zeros(self.len(), self.len());
        for a in 0..self.len() {
            let column: Vec<f64> = (0..outputs).map(|c| half.row(c)[a]).collect();
            out.row_mut(a).copy_from_slice(&self.narrow(&column));
        }
        out
    }

    /// Curvature of each record's loss in each pair of directions, times its weight: records x pairs.
    fn pair_curvatures<T: Real>(
        &self,
        problem: &Problem<'_, T>,
        t: f64,
        point: &Point<T>,
        pairs: &[(usize, usize)],
    ) -> Mat<T> {
        let Family::Softmax { .. } = problem.family() else {
            return problem.pair_curvatures(t, point, pairs);
        };
        let products: Vec<Vec<T>> = pairs
            .iter()
            .map(|&(a, b)| {
                let row = |c: usize| self.directions.row(c);
                (0..self.outputs()).map(|c| T::of(row(c)[a] * row(c)[b])).collect()
            })
            .collect();
        let weights = problem.weights_at(t);
        let mut out = Mat::zeros(weights.len(), pairs.len());
        for (i, &weight) in weights.iter().enumerate() {
            let (p, weight) = (&point.fitted.row(i)[..self.outputs()], T::of(weight));
            let along = self.narrow(p);
            for ((o, &(a, b)), product) in out.row_mut(i).iter_mut().zip(pairs).zip(&products) {
                let mean: T = product.iter().zip(p).map(|(&q, &p)| q * p).sum();
                *o = weight * (mean - along[a] * along[b]);
            }
        }
        out
    }
}

/// Features x records; `None` when they are sparse.
fn columns<T: Real>(problem: &Problem<'_, T>) -> Option<Mat<T>> {
    let design = problem.design();
    let mut out = Mat::zeros(design.cols(), design.rows());
    for j in 0..out.rows() {
        out.row_mut(j).copy_from_slice(design.dense_column(j)?);
    }
    Some(out)
}

fn ones() -> Mat<f64> {
    let mut one = Mat::zeros(1, 1);
    one.row_mut(0)[0] = 1.0;
    one
}
