//! Preconditioners of the curvature: its diagonal, or one block a class where the features are few and dense.

use assay_kernels::cholesky::{LaneInverse, weighted_grams};
use assay_kernels::{Design, Mat, Real, panel};

use crate::model::Family;

/// An approximate inverse of the curvature.
#[derive(Clone, Debug)]
pub(super) enum Preconditioner<T> {
    /// One over the diagonal, features x lanes.
    Diagonal(Mat<T>),
    /// The inverse of each class's own block, and what it cost in products with the curvature.
    Blocks(LaneInverse<T>, usize),
}

/// Numbers in the blocks at most (2 or 4 bytes x 4 million).
const BLOCK_NUMBERS: usize = 4_000_000;

/// Records that a block is estimated from, for each feature: enough to be near the whole.
const RECORDS_A_FEATURE: usize = 8;

impl<T: Real> Preconditioner<T> {
    /// At the point where the records look as `fitted`; `scale` is the weight of each record's curvature.
    pub(super) fn new(design: &Design<T>, family: Family, lambda: f64, fitted: &Mat<T>, scale: &[T]) -> Self {
        let (d, lanes) = (design.cols(), fitted.cols());
        let few = !design.is_sparse() && d * d * lanes <= BLOCK_NUMBERS;
        if few && let Some(inverse) = class_blocks(design, family, lambda, fitted, scale) {
            // Multiplications of the blocks, and twice those of their inverses, which are slower.
            let cost = (d * sampled(design) / 4 + d * d / 2) / design.rows().max(1);
            return Self::Blocks(inverse, cost);
        }
        let mut diagonal = Mat::zeros(d, lanes);
        let every: Vec<usize> = (0..design.rows()).collect();
        design.squared_transpose_times(&spreads(family, fitted, scale, &every, 1.0), &mut diagonal);
        let lambda = T::of(lambda);
        diagonal.data_mut().iter_mut().for_each(|x| *x = T::ONE / (*x + lambda));
        Self::Diagonal(diagonal)
    }

    /// What it cost, in products with the curvature.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Diagonal(_) => 0,
            Self::Blocks(_, cost) => *cost,
        }
    }

    /// `out = M^-1 r`.
    pub(super) fn apply(&self, r: &Mat<T>, out: &mut Mat<T>) {
        match self {
            Self::Diagonal(inverse) => panel::scale_groups(inverse, r, out),
            Self::Blocks(inverse, _) => inverse.apply(r, out),
        }
    }
}

/// Curvature of each named record's loss in each class score by itself, p (1 - p) times its scale.
fn spreads<T: Real>(family: Family, fitted: &Mat<T>, scale: &[T], rows: &[usize], factor: f64) -> Mat<T> {
    let mut out = Mat::zeros(rows.len(), fitted.cols());
    let factor = T::of(factor);
    for (k, &i) in rows.iter().enumerate() {
        let weight = scale[i] * factor;
        for (q, &p) in out.row_mut(k).iter_mut().zip(fitted.row(i)) {
            *q = match family {
                Family::Softmax { .. } => weight * p * (T::ONE - p),
                Family::Gaussian { .. } => weight,
            };
        }
    }
    out
}

/// Records that the blocks are estimated from.
fn sampled<T: Real>(design: &Design<T>) -> usize {
    design.rows().min(RECORDS_A_FEATURE * design.cols()).max(1)
}

fn class_blocks<T: Real>(
    design: &Design<T>,
    family: Family,
    lambda: f64,
    fitted: &Mat<T>,
    scale: &[T],
) -> Option<LaneInverse<T>> {
    let (n, d, lanes) = (design.rows(), design.cols(), fitted.cols());
    let sample = sampled(design);
    let rows: Vec<usize> = (0..sample).map(|k| k * n / sample).collect();
    let weights = spreads(family, fitted, scale, &rows, n as f64 / sample as f64);
    let mut columns = Mat::zeros(d, sample);
    for j in 0..d {
        let column = design.dense_column(j)?;
        for (c, &i) in columns.row_mut(j).iter_mut().zip(&rows) {
            *c = column[i];
        }
    }
    let mut blocks = weighted_grams(&columns, &weights);
    for j in 0..d {
        for x in &mut blocks[(j * d + j) * lanes..][..lanes] {
            *x += T::of(lambda);
        }
    }
    LaneInverse::new(d, lanes, blocks)
}
