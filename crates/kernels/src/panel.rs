//! Panels: row-major matrices whose columns are groups of lanes, one group for each right-hand side.
//!
//! A unknown of a C-class model is a d x C matrix. It is stored with `lanes_for(C)` columns, so that rows fill vector
//! registers; the padding is zero and stays zero. Several narrow unknowns lie side by side in one panel.

use rayon::prelude::*;

use crate::Mat;
use crate::real::Real;
use crate::simd;

/// Columns that `classes` numbers a row are stored in: 1, 2, 4, 8 or a multiple of 16.
pub fn lanes_for(classes: usize) -> usize {
    if classes <= 8 { classes.max(1).next_power_of_two() } else { classes.next_multiple_of(16) }
}

/// Unknowns of `lanes` columns that share a panel: more than one only while they are narrow.
pub fn groups_for(lanes: usize) -> usize {
    (64 / lanes).max(1)
}

/// Numbers handled at a time by one thread; sums are combined in the order of these pieces.
const PIECE: usize = 1 << 14;

/// Numbers in a panel below which one thread does all the work.
const WORTH_THREADS: usize = 1 << 17;

/// Length of the pieces of a panel of `width` columns: whole rows.
fn piece(width: usize) -> usize {
    (PIECE / width).max(1).next_multiple_of(16) * width
}

/// The dot product of each group of two panels, in a fixed order with f64 totals.
pub fn group_dots<T: Real>(x: &Mat<T>, y: &Mat<T>, lanes: usize) -> Vec<f64> {
    let width = x.cols();
    let groups = width / lanes;
    let period = if groups == 1 { width.min(16) } else { width };
    let sum = |(x, y): (&[T], &[T])| {
        let mut sums = vec![0.0; period];
        simd::column_dots(x, y, period, &mut sums);
        sums
    };
    let (length, xs, ys) = (piece(width), x.data(), y.data());
    let parts: Vec<Vec<f64>> = if xs.len() < WORTH_THREADS {
        xs.chunks(length).zip(ys.chunks(length)).map(sum).collect()
    } else {
        xs.par_chunks(length).zip(ys.par_chunks(length)).map(sum).collect()
    };
    let mut out = vec![0.0; groups];
    for part in &parts {
        for (k, v) in part.iter().enumerate() {
            out[if groups == 1 { 0 } else { k / lanes }] += v;
        }
    }
    out
}

/// One number for each group, written out for each column, and repeated so that loops over it are long.
fn spread<T: Real>(per_group: &[f64], lanes: usize) -> Vec<T> {
    let width = per_group.len() * lanes;
    let length = if per_group.len() == 1 { lanes.clamp(1, 16) } else { width };
    let repeat = 64_usize.div_ceil(length);
    (0..length * repeat).map(|k| T::of(per_group[(k % width / lanes).min(per_group.len() - 1)])).collect()
}

/// `x += step * p` and `r -= step * q`, with a step for each group.
pub fn descend<T: Real>(step: &[f64], lanes: usize, p: &Mat<T>, q: &Mat<T>, x: &mut Mat<T>, r: &mut Mat<T>) {
    let steps = spread::<T>(step, lanes);
    let length = piece(x.cols()).next_multiple_of(steps.len());
    if x.data().len() < WORTH_THREADS {
        simd::descend(&steps, p.data(), q.data(), x.data_mut(), r.data_mut());
    } else {
        let (x, r) = (x.data_mut().par_chunks_mut(length), r.data_mut().par_chunks_mut(length));
        let (p, q) = (p.data().par_chunks(length), q.data().par_chunks(length));
        x.zip(r).zip(p.zip(q)).for_each(|((x, r), (p, q))| simd::descend(&steps, p, q, x, r));
    }
}

/// `p = z + momentum * p`, with a momentum for each group.
pub fn xpby<T: Real>(momentum: &[f64], lanes: usize, z: &Mat<T>, p: &mut Mat<T>) {
    let momenta = spread::<T>(momentum, lanes);
    let length = piece(p.cols()).next_multiple_of(momenta.len());
    if p.data().len() < WORTH_THREADS {
        simd::xpby(&momenta, z.data(), p.data_mut());
    } else {
        let (p, z) = (p.data_mut().par_chunks_mut(length), z.data().par_chunks(length));
        p.zip(z).for_each(|(p, z)| simd::xpby(&momenta, z, p));
    }
}

/// Softmax of each row in place; -ln p(label) of each row into `loss_nats`.
///
/// # Panics
/// When a label is not below `classes`.
pub fn softmax_rows<T: Real>(
    scores: &mut [T],
    lanes: usize,
    classes: usize,
    labels: &[u32],
    loss_nats: &mut [f64],
) {
    simd::softmax_rows(scores, lanes, classes, labels, loss_nats);
}

/// Each group `a` of each row becomes `scale * p * (a - <p, a>)`, `p` being the row's probabilities.
pub fn curvature_rows<T: Real>(
    panel: &mut [T],
    width: usize,
    probabilities: &[T],
    lanes: usize,
    scale: &[T],
) {
    simd::curvature_rows(panel, width, probabilities, lanes, scale);
}

/// `out = factor * x`, number by number, `factor` being one group wide and applied to each group of `x`.
pub fn scale_groups<T: Real>(factor: &Mat<T>, x: &Mat<T>, out: &mut Mat<T>) {
    let (lanes, width) = (factor.cols(), x.cols());
    let length = PIECE.next_multiple_of(width);
    let scale = |first: usize, x: &[T], out: &mut [T]| {
        for (k, (x, out)) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)).enumerate() {
            let factor = factor.row(first + k);
            for (x, out) in x.chunks_exact(lanes).zip(out.chunks_exact_mut(lanes)) {
                for ((o, &x), &f) in out.iter_mut().zip(x).zip(factor) {
                    *o = x * f;
                }
            }
        }
    };
    if x.data().len() < WORTH_THREADS {
        scale(0, x.data(), out.data_mut());
    } else {
        let pieces = x.data().par_chunks(length).zip(out.data_mut().par_chunks_mut(length));
        pieces.enumerate().for_each(|(k, (x, out))| scale(k * length / width, x, out));
    }
}
