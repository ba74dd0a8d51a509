//! The curvature of small models written out: each model's own, or the inverse of one that many share.

use assay_kernels::batch::Pairs;
use assay_kernels::cholesky::{Cholesky, LaneInverse, weighted_grams};
use assay_kernels::{Design, Mat, Real};

use super::form::Form;
use crate::train::{Point, Problem};

/// What each model builds its own curvature from.
#[derive(Debug)]
pub(super) struct Own<T> {
    pairs: Pairs<T>,
    columns: usize,
}

/// Unknowns of a model that builds its own curvature, at most.
const OWN_UNKNOWNS: usize = 64;

/// Numbers in the products of pairs, at most.
const PAIR_NUMBERS: usize = 16_000_000;

impl<T: Real> Own<T> {
    /// `None` where that is not cheap.
    pub(super) fn new(design: &Design<T>, form: &Form<T>) -> Option<Self> {
        let (d, n) = (design.cols(), design.rows());
        if d * form.columns() > OWN_UNKNOWNS || Pairs::<T>::numbers(d, n) > PAIR_NUMBERS {
            return None;
        }
        Some(Self { pairs: Pairs::new(&feature_rows(design)?), columns: form.columns() })
    }

    /// The inverse curvatures of models side by side. `None` when one is not positive definite.
    pub(super) fn inverse(
        &self,
        form: &Form<T>,
        lambda: f64,
        fitted: &Mat<T>,
        weights: &Mat<T>,
    ) -> Option<LaneInverse<T>> {
        let (k, lanes) = (self.columns, weights.cols());
        let size = self.pairs.features() * k;
        let mut lower = vec![T::ZERO; size * size * lanes];
        let mut spreads = Mat::zeros(weights.rows(), lanes);
        for (a, b) in (0..k).flat_map(|a| (0..=a).map(move |b| (a, b))) {
            form.spreads((a, b), fitted.data(), weights.data(), spreads.data_mut());
            let grams = self.pairs.grams(&spreads);
            let pairs = (0..self.pairs.features()).flat_map(|j| (0..=j).map(move |l| (j, l)));
            for ((j, l), gram) in pairs.zip(grams.data().chunks_exact(lanes)) {
                let mut put = |row: usize, column: usize| {
                    lower[(row * size + column) * lanes..][..lanes].copy_from_slice(gram);
                };
                put(j * k + a, l * k + b);
                if a != b && j != l {
                    put(j * k + b, l * k + a);
                }
            }
        }
        for x in 0..size {
            let diagonal = &mut lower[(x * size + x) * lanes..][..lanes];
            diagonal.iter_mut().for_each(|h| *h += T::of(lambda));
        }
        LaneInverse::new(size, lanes, lower)
    }
}

/// The inverse curvature at a point, columns of a feature together, rounded. `None` when it is not positive definite or the
/// design is sparse.
pub(super) fn inverse<T: Real>(
    problem: &Problem<'_, T>,
    form: &Form<T>,
    t: f64,
    point: &Point<T>,
) -> Option<Mat<f32>> {
    let (d, k) = (problem.design().cols(), form.columns());
    let pairs: Vec<(usize, usize)> = (0..k).flat_map(|a| (0..=a).map(move |b| (a, b))).collect();
    let blocks = weighted_grams(&feature_rows(problem.design())?, &problem.pair_curvatures(t, point, &pairs));
    let (mut full, mut inverse) = (Mat::zeros(d * k, d * k), Mat::zeros(d * k, d * k));
    for (n, &(a, b)) in pairs.iter().enumerate() {
        for (j, l) in (0..d).flat_map(|j| (0..d).map(move |l| (j, l))) {
            let block = blocks[(j.max(l) * d + j.min(l)) * pairs.len() + n];
            full.row_mut(j * k + a)[l * k + b] = block;
            full.row_mut(l * k + b)[j * k + a] = block;
        }
    }
    for x in 0..d * k {
        full.row_mut(x)[x] += T::of(form.lambda(problem.lambda()));
        inverse.row_mut(x)[x] = T::ONE;
    }
    Cholesky::new(full)?.solve(&mut inverse);
    Some(inverse.convert())
}

/// The design's transpose, when it is dense.
fn feature_rows<T: Real>(design: &Design<T>) -> Option<Mat<T>> {
    let mut out = Mat::zeros(design.cols(), design.rows());
    for j in 0..design.cols() {
        out.row_mut(j).copy_from_slice(design.dense_column(j)?);
    }
    Some(out)
}
