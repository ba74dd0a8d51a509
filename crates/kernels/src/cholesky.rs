//! Cholesky factors: of one matrix, and of many of the same size side by side.

use rayon::prelude::*;

use crate::Mat;
use crate::real::Real;
use crate::simd::{self, Dense};

/// The factor L of a symmetric positive definite matrix A = L L'.
#[derive(Clone, Debug)]
pub struct Cholesky<T> {
    lower: Mat<T>,
}

/// Rows factored at a time.
const BLOCK: usize = 64;

impl<T: Real> Cholesky<T> {
    /// Factors `a`, of which only the lower triangle is read. `None` when it is not positive definite.
    pub fn new(mut a: Mat<T>) -> Option<Self> {
        let n = a.rows();
        for k in (0..n).step_by(BLOCK) {
            let end = (k + BLOCK).min(n);
            if !factor_diagonal(&mut a, k, end) {
                return None;
            }
            let top: Vec<T> = (k..end).flat_map(|i| a.row(i)[k..end].to_vec()).collect();
            let width = end - k;
            let below = &mut a.data_mut()[end * n..];
            below.par_chunks_mut(n).for_each(|row| solve_lower_row(&top, width, &mut row[k..end]));
            subtract_outer_product(&mut a, k, end);
        }
        Some(Self { lower: a })
    }

    /// Replaces `b` (as many rows as A, any number of columns) by A^-1 b.
    ///
    /// # Panics
    /// When `b` has another number of rows.
    pub fn solve(&self, b: &mut Mat<T>) {
        let (n, w) = (self.lower.rows(), b.cols());
        assert_eq!(b.rows(), n, "right-hand sides of another size");
        let mut loss = vec![T::ZERO; BLOCK.min(n) * w];
        let starts: Vec<usize> = (0..n).step_by(BLOCK).collect();
        for &k in &starts {
            let end = (k + BLOCK).min(n);
            let left: Vec<T> = (k..end).flat_map(|i| self.lower.row(i)[..k].to_vec()).collect();
            let (done, rest) = b.data_mut().split_at_mut(k * w);
            subtract_product(&left, k, done, w, &mut rest[..(end - k) * w], &mut loss);
            for i in k..end {
                let (done, row) = rest[..(i - k + 1) * w].split_at_mut((i - k) * w);
                for (j, done) in done.chunks_exact(w).enumerate() {
                    simd::axpy(-self.lower.row(i)[k + j], done, row);
                }
                divide(row, self.lower.row(i)[i]);
            }
        }
        for &k in starts.iter().rev() {
            let end = (k + BLOCK).min(n);
            let left: Vec<T> = (k..end)
                .flat_map(|j| (end..n).map(move |i| (i, j)))
                .map(|(i, j)| self.lower.row(i)[j])
                .collect();
            let (head, done) = b.data_mut().split_at_mut(end * w);
            subtract_product(&left, n - end, done, w, &mut head[k * w..], &mut loss);
            for i in (k..end).rev() {
                let (rows, row) = head[k * w..(i + 1) * w].split_at_mut((i - k) * w);
                divide(row, self.lower.row(i)[i]);
                for (j, above) in rows.chunks_exact_mut(w).enumerate() {
                    simd::axpy(-self.lower.row(i)[k + j], row, above);
                }
            }
        }
    }
}

fn divide<T: Real>(row: &mut [T], by: T) {
    row.iter_mut().for_each(|x| *x = *x / by);
}

/// `out -= left * right`, `left` having `inner` columns and `right` `w`.
fn subtract_product<T: Real>(
    left: &[T],
    inner: usize,
    right: &[T],
    w: usize,
    out: &mut [T],
    scratch: &mut [T],
) {
    if inner > 0 {
        let scratch = &mut scratch[..out.len()];
        simd::dense_product(Dense { data: left, cols: inner }, right, w, scratch);
        out.iter_mut().zip(scratch).for_each(|(o, &mut s)| *o -= s);
    }
}

/// The square that starts at row and column `end` loses the outer product of the columns `k..end` below it.
fn subtract_outer_product<T: Real>(a: &mut Mat<T>, k: usize, end: usize) {
    let (n, width) = (a.rows(), end - k);
    let rest = n - end;
    let panel: Vec<T> = (end..n).flat_map(|i| a.row(i)[k..end].to_vec()).collect();
    let across: Vec<T> =
        (0..width).flat_map(|c| (0..rest).map(move |i| (i, c))).map(|(i, c)| panel[i * width + c]).collect();
    let below = &mut a.data_mut()[end * n..];
    below.par_chunks_mut(BLOCK * n).enumerate().for_each(|(block, rows)| {
        let height = rows.len() / n;
        let left = &panel[block * BLOCK * width..][..height * width];
        let mut product = vec![T::ZERO; height * rest];
        simd::dense_product(Dense { data: left, cols: width }, &across, rest, &mut product);
        for (row, product) in rows.chunks_exact_mut(n).zip(product.chunks_exact(rest)) {
            simd::axpy(-T::ONE, product, &mut row[end..]);
        }
    });
}

/// Factors the square block of rows and columns `k..end` in place; false when a pivot is not positive.
fn factor_diagonal<T: Real>(a: &mut Mat<T>, k: usize, end: usize) -> bool {
    for i in k..end {
        for j in k..=i {
            let sum = a.row(i)[j] - simd::dot(&a.row(i)[k..j], &a.row(j)[k..j]);
            if i == j {
                if !(sum.f64() > 0.0 && sum.f64().is_finite()) {
                    return false;
                }
                a.row_mut(i)[i] = T::of(sum.f64().sqrt());
            } else {
                a.row_mut(i)[j] = sum / a.row(j)[j];
            }
        }
    }
    true
}

/// Solves x L' = row for one row, L being `width` x `width`.
fn solve_lower_row<T: Real>(lower: &[T], width: usize, row: &mut [T]) {
    for j in 0..width {
        let l = &lower[j * width..j * width + j + 1];
        row[j] = (row[j] - simd::dot(&row[..j], &l[..j])) / l[j];
    }
}

/// Inverses of `lanes` symmetric positive definite matrices of size d, stored number by number: entry (j, l) of all
/// of them lies in `lanes` consecutive places, so that every step is one vector operation.
#[derive(Clone, Debug)]
pub struct LaneInverse<T> {
    size: usize,
    lanes: usize,
    inverse: Vec<T>,
}

/// Rows of matrices side by side that meet one other row while that is in the cache.
const TOGETHER: usize = 8;

impl<T: Real> LaneInverse<T> {
    /// Inverts matrices given by their lower triangles in the layout above. `None` when one is not positive definite.
    pub fn new(size: usize, lanes: usize, mut a: Vec<T>) -> Option<Self> {
        let row = size * lanes;
        let at = |i: usize, j: usize| i * row + j * lanes;
        let blocks = || (0..size).step_by(TOGETHER).map(|first| first..(first + TOGETHER).min(size));
        let mut acc = vec![T::ZERO; lanes];
        // L in place, with the reciprocals of its pivots on the diagonal.
        for block in blocks() {
            for j in 0..block.end {
                for i in block.start.max(j)..block.end {
                    simd::lane_dot(&a[at(i, 0)..], lanes, &a[at(j, 0)..], lanes, j, &mut acc);
                    for (c, &acc) in acc.iter().enumerate() {
                        let sum = a[at(i, j) + c] - acc;
                        if i != j {
                            a[at(i, j) + c] = sum * a[at(j, j) + c];
                        } else if sum.f64() > 0.0 && sum.f64().is_finite() {
                            a[at(i, i) + c] = T::of(1.0 / sum.f64().sqrt());
                        } else {
                            return None;
                        }
                    }
                }
            }
        }
        // L^-1 transposed, in the other triangle: each row from the diagonal on.
        for block in blocks() {
            for i in block.start + 1..size {
                for j in block.start..block.end.min(i) {
                    simd::lane_dot(&a[at(i, j)..], lanes, &a[at(j, j)..], lanes, i - j, &mut acc);
                    for (c, &acc) in acc.iter().enumerate() {
                        a[at(j, i) + c] = -(acc * a[at(i, i) + c]);
                    }
                }
            }
        }
        // A^-1 = L'^-1 L^-1, symmetric.
        let mut inverse = vec![T::ZERO; a.len()];
        for block in blocks() {
            for l in 0..block.end {
                for j in block.start.max(l)..block.end {
                    simd::lane_dot(&a[at(j, j)..], lanes, &a[at(l, j)..], lanes, size - j, &mut acc);
                    inverse[at(j, l)..][..lanes].copy_from_slice(&acc);
                    inverse[at(l, j)..][..lanes].copy_from_slice(&acc);
                }
            }
        }
        Some(Self { size, lanes, inverse })
    }

    /// `out = A^-1 * x` for each group of `lanes` columns: lane c of a group meets matrix c.
    pub fn apply(&self, x: &Mat<T>, out: &mut Mat<T>) {
        let (width, lanes, row_len) = (x.cols(), self.lanes, self.size * self.lanes);
        let compute = |(j, out): (usize, &mut [T])| {
            let row = &self.inverse[j * row_len..(j + 1) * row_len];
            for (g, out) in out.chunks_exact_mut(lanes).enumerate() {
                simd::lane_dot(row, lanes, &x.data()[g * lanes..], width, self.size, out);
            }
        };
        if self.inverse.len() * (width / lanes) < 1 << 19 {
            out.data_mut().chunks_exact_mut(width).enumerate().for_each(compute);
        } else {
            out.data_mut().par_chunks_exact_mut(width).enumerate().for_each(compute);
        }
    }
}

/// The matrices sum_i w_ic x_i x_i' for every lane c, in the layout of [`LaneInverse::new`] (lower triangles).
/// `columns` is features x records, `weights` records x lanes.
pub fn weighted_grams<T: Real>(columns: &Mat<T>, weights: &Mat<T>) -> Vec<T> {
    let (d, m, lanes) = (columns.rows(), columns.cols(), weights.cols());
    let mut out = vec![T::ZERO; d * d * lanes];
    out.par_chunks_exact_mut(d * lanes).enumerate().for_each(|(j, row)| {
        let mut weighted = weights.data().to_vec();
        for (weighted, &x) in weighted.chunks_exact_mut(lanes).zip(columns.row(j)) {
            weighted.iter_mut().for_each(|w| *w = *w * x);
        }
        let before = Dense { data: &columns.data()[..(j + 1) * m], cols: m };
        simd::dense_product(before, &weighted, lanes, &mut row[..(j + 1) * lanes]);
    });
    out
}
