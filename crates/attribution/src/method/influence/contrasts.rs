//! Softmax outputs in one coordinate less.
//!
//! The residuals of a record sum to zero over the classes, and so does every row of its curvature: influence lives
//! among weights that sum to zero. Householder's reflection of the direction (1, .., 1) onto the last axis gives that
//! space orthonormal coordinates, in which the prior is what it was: numbers r that sum to zero become
//! `r_a + r_last / (sqrt(classes) - 1)` for every class a but the last.

use assay_kernels::{Mat, Real};
use assay_learn::model::Family;
use assay_learn::train::{Point, Problem};

/// Sums over records are fastest with a multiple of this many at a time.
const ROUND: usize = 16;

/// Coordinates of a model's outputs.
pub(super) fn coordinates(family: Family) -> usize {
    match family {
        Family::Softmax { classes } => classes - 1,
        Family::Gaussian { .. } => 1,
    }
}

/// Share of the last class in each coordinate.
fn share<T: Real>(classes: usize) -> T {
    T::of(1.0 / ((classes as f64).sqrt() - 1.0))
}

/// Residuals in these coordinates: records x coordinates.
pub(super) fn residuals<T: Real>(family: Family, residuals: &Mat<T>) -> Mat<T> {
    let width = coordinates(family);
    let mut out = Mat::zeros(residuals.rows(), width);
    for i in 0..out.rows() {
        let (to, from) = (out.row_mut(i), residuals.row(i));
        to.copy_from_slice(&from[..width]);
        if let Family::Softmax { classes } = family {
            let last = share::<T>(classes) * from[width];
            to.iter_mut().for_each(|r| *r += last);
        }
    }
    out
}

/// Curvature of each record's loss in each pair of coordinates, times t and its weight: pair (a, b), b <= a, is column
/// `a (a + 1) / 2 + b`; zeros may follow.
pub(super) fn curvatures<T: Real>(problem: &Problem<'_, T>, t: f64, point: &Point<T>) -> Mat<T> {
    let pairs = |count: usize| (0..count).flat_map(|a| (0..=a).map(move |b| (a, b)));
    let outputs = problem.family().outputs();
    let full = problem.pair_curvatures(t, point, &pairs(outputs).collect::<Vec<_>>());
    let Family::Softmax { classes } = problem.family() else { return full };
    let (width, share) = (classes - 1, share::<T>(classes));
    let count = width * classes / 2;
    let mut out =
        Mat::zeros(full.rows(), if count < ROUND / 2 { count } else { count.next_multiple_of(ROUND) });
    for i in 0..full.rows() {
        let (own, last) = full.row(i).split_at(count);
        let both = share * share * last[width];
        for ((o, &own), (a, b)) in out.row_mut(i).iter_mut().zip(own).zip(pairs(width)) {
            *o = own + share * (last[a] + last[b]) + both;
        }
    }
    out
}
