//! Matrix products: rows of an operand, sparse or dense, times a panel (row-major, `width` columns).

use super::lanes::{Lanes, Unit, Vectors, zero};
use super::{Level, by_level, level};
use crate::real::Real;

/// Rows of a sparse operand in compressed form. `starts` has one entry more than there are rows.
#[derive(Clone, Copy)]
pub(crate) struct Sparse<'a, T> {
    pub(crate) starts: &'a [usize],
    pub(crate) indices: &'a [u32],
    pub(crate) values: &'a [T],
}

/// Rows of a dense operand, row-major, `cols` numbers each.
#[derive(Clone, Copy)]
pub(crate) struct Dense<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) cols: usize,
}

/// Terms summed before they are added to the total of a row: bounds the rounding error of long f32 sums.
const RUN: usize = 512;

by_level! {
    /// `out = a * panel`; entries of `a` are squared first when `squared`.
    sparse_product = sparse_body(a: Sparse<'_, T>, panel: &[T], width: usize, squared: bool, out: &mut [T])
}

#[inline(always)]
fn sparse_body<T: Real, U: Unit<Elem = T>>(
    a: Sparse<'_, T>,
    panel: &[T],
    width: usize,
    squared: bool,
    out: &mut [T],
) {
    let full = <U::Full as Lanes>::N;
    assert_eq!(out.len(), (a.starts.len() - 1) * width, "panel of results has the wrong size");
    let mut at = 0;
    while at < width {
        let left = width - at;
        // SAFETY: the assertion above, and `sparse_tile` checks every index; columns at.. stay below width.
        unsafe {
            at += match left / full {
                5.. => sparse_tile::<T, U::Full, 5>(a, panel, width, at, squared, out),
                4 => sparse_tile::<T, U::Full, 4>(a, panel, width, at, squared, out),
                3 => sparse_tile::<T, U::Full, 3>(a, panel, width, at, squared, out),
                2 => sparse_tile::<T, U::Full, 2>(a, panel, width, at, squared, out),
                1 => sparse_tile::<T, U::Full, 1>(a, panel, width, at, squared, out),
                0 => match left {
                    8.. => sparse_tile::<T, U::By8, 1>(a, panel, width, at, squared, out),
                    4.. => sparse_tile::<T, U::By4, 1>(a, panel, width, at, squared, out),
                    2.. => sparse_tile::<T, U::By2, 1>(a, panel, width, at, squared, out),
                    _ => sparse_tile::<T, U::By1, 1>(a, panel, width, at, squared, out),
                },
            };
        }
    }
}

/// Columns `at..at + K * V::N` of the product; returns how many columns that was.
///
/// # Safety
/// `out` holds one row of `width` numbers for each row of `a`, and the columns named are below `width`.
#[inline(always)]
unsafe fn sparse_tile<T: Real, V: Lanes<Elem = T>, const K: usize>(
    a: Sparse<'_, T>,
    panel: &[T],
    width: usize,
    at: usize,
    squared: bool,
    out: &mut [T],
) -> usize {
    let limit = panel.len() / width;
    for (i, range) in a.starts.windows(2).enumerate() {
        let (indices, values) = (&a.indices[range[0]..range[1]], &a.values[range[0]..range[1]]);
        // SAFETY: row `index` of the panel is asserted to exist; row `i` of `out` exists by the caller's promise.
        unsafe {
            let mut total = [zero::<T, V>(); K];
            for (indices, values) in indices.chunks(RUN).zip(values.chunks(RUN)) {
                let mut sum = [zero::<T, V>(); K];
                for (&index, &value) in indices.iter().zip(values) {
                    assert!((index as usize) < limit, "column index beyond the panel");
                    let from = panel.as_ptr().add((index as usize).wrapping_mul(width).wrapping_add(at));
                    let x = V::splat(if squared { value * value } else { value });
                    for k in 0..K {
                        sum[k] = sum[k].add_product(x, V::load(from.add(k * V::N)));
                    }
                }
                for k in 0..K {
                    total[k] = total[k].plus(sum[k]);
                }
            }
            for (k, t) in total.into_iter().enumerate() {
                t.store(out.as_mut_ptr().add(i * width + at + k * V::N));
            }
        }
    }
    K * V::N
}

by_level! {
    /// `out = a * panel`, dense.
    dense_product = dense_body(a: Dense<'_, T>, panel: &[T], width: usize, out: &mut [T])
}

#[inline(always)]
fn dense_body<T: Real, U: Unit<Elem = T>>(a: Dense<'_, T>, panel: &[T], width: usize, out: &mut [T]) {
    let full = <U::Full as Lanes>::N;
    assert_eq!(panel.len(), a.cols * width, "panel has the wrong size");
    assert_eq!(out.len() * a.cols, a.data.len() * width, "panel of results has the wrong size");
    out.fill(T::ZERO);
    for from in (0..a.cols).step_by(RUN) {
        let run = from..(from + RUN).min(a.cols);
        let mut at = 0;
        while at < width {
            let left = width - at;
            // SAFETY: the assertions above; columns at.. stay below width and `run` below cols.
            unsafe {
                at += match left / full {
                    4.. => dense_rows::<T, U::Full, 4, 4>(a, panel, width, at, run.clone(), out),
                    3 => dense_rows::<T, U::Full, 3, 4>(a, panel, width, at, run.clone(), out),
                    2 => dense_rows::<T, U::Full, 2, 8>(a, panel, width, at, run.clone(), out),
                    1 => dense_rows::<T, U::Full, 1, 8>(a, panel, width, at, run.clone(), out),
                    0 => match left {
                        8.. => dense_rows::<T, U::By8, 1, 8>(a, panel, width, at, run.clone(), out),
                        4.. => dense_rows::<T, U::By4, 1, 8>(a, panel, width, at, run.clone(), out),
                        2.. => dense_rows::<T, U::By2, 1, 8>(a, panel, width, at, run.clone(), out),
                        _ => dense_rows::<T, U::By1, 1, 8>(a, panel, width, at, run.clone(), out),
                    },
                };
            }
        }
    }
}

/// Adds the terms `run` of columns `at..at + K * V::N` to all rows, `R` rows at a time; returns how many columns.
///
/// # Safety
/// `panel` has `a.cols` rows and `out` as many rows as `a`, of `width` numbers; `run` and the columns exist.
#[inline(always)]
unsafe fn dense_rows<T: Real, V: Lanes<Elem = T>, const K: usize, const R: usize>(
    a: Dense<'_, T>,
    panel: &[T],
    width: usize,
    at: usize,
    run: std::ops::Range<usize>,
    out: &mut [T],
) -> usize {
    let rows = out.len() / width;
    let blocks = rows / R * R;
    // SAFETY: the caller's promise, and rows i..i + R (or i alone) are below `rows`.
    unsafe {
        for i in (0..blocks).step_by(R) {
            dense_tile::<T, V, K, R>(a, panel, width, at, run.clone(), out, i);
        }
        let mut i = blocks;
        while i + 4 <= rows {
            dense_tile::<T, V, K, 4>(a, panel, width, at, run.clone(), out, i);
            i += 4;
        }
        for i in i..rows {
            dense_tile::<T, V, K, 1>(a, panel, width, at, run.clone(), out, i);
        }
    }
    K * V::N
}

/// The register block of [`dense_rows`]: rows `i..i + R`.
///
/// # Safety
/// As there, and the rows exist.
#[inline(always)]
unsafe fn dense_tile<T: Real, V: Lanes<Elem = T>, const K: usize, const R: usize>(
    a: Dense<'_, T>,
    panel: &[T],
    width: usize,
    at: usize,
    run: std::ops::Range<usize>,
    out: &mut [T],
    i: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sum = [[zero::<T, V>(); K]; R];
        let mut left = [a.data.as_ptr().add(i * a.cols + run.start); R];
        for (r, left) in left.iter_mut().enumerate() {
            *left = left.add(r * a.cols);
        }
        // Pointers that move on, no index arithmetic: its overflow checks would cost more than the sums.
        let mut from = panel.as_ptr().add(run.start * width + at);
        for j in 0..run.len() {
            let mut right = [zero::<T, V>(); K];
            for (k, v) in right.iter_mut().enumerate() {
                *v = V::load(from.add(k * V::N));
            }
            for (r, sum) in sum.iter_mut().enumerate() {
                let x = V::splat(*left[r].add(j));
                for k in 0..K {
                    sum[k] = sum[k].add_product(x, right[k]);
                }
            }
            from = from.wrapping_add(width);
        }
        for (r, sum) in sum.into_iter().enumerate() {
            for (k, s) in sum.into_iter().enumerate() {
                let to = out.as_mut_ptr().add((i + r) * width + at + k * V::N);
                V::load(to).plus(s).store(to);
            }
        }
    }
}

by_level! {
    /// Dot products lane by lane: `out[c] = sum over k < count of x[k * x_stride + c] * y[k * y_stride + c]`.
    lane_dot = lane_dot_body(x: &[T], x_stride: usize, y: &[T], y_stride: usize, count: usize, out: &mut [T])
}

#[inline(always)]
fn lane_dot_body<T: Real, U: Unit<Elem = T>>(
    x: &[T],
    x_stride: usize,
    y: &[T],
    y_stride: usize,
    count: usize,
    out: &mut [T],
) {
    let lanes = out.len();
    if count == 0 {
        return out.fill(T::ZERO);
    }
    assert!((count - 1) * x_stride + lanes <= x.len(), "first operand is too short");
    assert!((count - 1) * y_stride + lanes <= y.len(), "second operand is too short");
    let mut at = 0;
    while at < lanes {
        let left = lanes - at;
        // SAFETY: the assertions above; at + V::N stays within the lanes.
        unsafe {
            at += if left >= <U::Full as Lanes>::N {
                lane_dot_tile::<T, U::Full>(x, x_stride, y, y_stride, count, at, out)
            } else if left >= 8 {
                lane_dot_tile::<T, U::By8>(x, x_stride, y, y_stride, count, at, out)
            } else if left >= 4 {
                lane_dot_tile::<T, U::By4>(x, x_stride, y, y_stride, count, at, out)
            } else if left >= 2 {
                lane_dot_tile::<T, U::By2>(x, x_stride, y, y_stride, count, at, out)
            } else {
                lane_dot_tile::<T, U::By1>(x, x_stride, y, y_stride, count, at, out)
            };
        }
    }
}

/// Lanes `at..at + V::N` of [`lane_dot`], in four interleaved sums; returns how many lanes.
///
/// # Safety
/// Those lanes of all `count` terms lie within the slices.
#[inline(always)]
unsafe fn lane_dot_tile<T: Real, V: Lanes<Elem = T>>(
    x: &[T],
    x_stride: usize,
    y: &[T],
    y_stride: usize,
    count: usize,
    at: usize,
    out: &mut [T],
) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sum = [zero::<T, V>(); 4];
        let (x, y) = (x.as_ptr().add(at), y.as_ptr().add(at));
        let term = |sum: V, k: usize| {
            let (x, y) = (x.add(k.wrapping_mul(x_stride)), y.add(k.wrapping_mul(y_stride)));
            sum.add_product(V::load(x), V::load(y))
        };
        for k in (0..count / 4 * 4).step_by(4) {
            for (s, sum) in sum.iter_mut().enumerate() {
                *sum = term(*sum, k + s);
            }
        }
        for k in count / 4 * 4..count {
            sum[0] = term(sum[0], k);
        }
        sum[0].plus(sum[1]).plus(sum[2].plus(sum[3])).store(out.as_mut_ptr().add(at));
    }
    V::N
}

#[cfg(test)]
mod tests {
    use super::super::lanes::Plain;
    use super::*;

    /// Whatever unit this processor has, its results are those of plain code but for fused rounding.
    #[test]
    fn every_unit_agrees_with_plain_code() {
        let numbers =
            |n: usize| -> Vec<f64> { (0..n).map(|k| ((k * 37 + 11) % 101) as f64 / 50.0 - 1.0).collect() };
        let (rows, cols) = (9, 12);
        let starts: Vec<usize> = (0..=rows).map(|i| i * cols).collect();
        let indices: Vec<u32> = (0..rows * cols).map(|k| (k % cols) as u32).collect();
        let values = numbers(rows * cols);
        let sparse = Sparse { starts: &starts, indices: &indices, values: &values };
        let dense = Dense { data: &values, cols };
        for width in [1, 2, 3, 4, 7, 8, 9, 16, 24, 40, 80, 90] {
            let panel = numbers(cols * width);
            let [mut a, mut b, mut c, mut d] = [(); 4].map(|()| vec![0.0; rows * width]);
            sparse_product(sparse, &panel, width, false, &mut a);
            sparse_body::<f64, Plain<f64>>(sparse, &panel, width, false, &mut b);
            dense_product(dense, &panel, width, &mut c);
            dense_body::<f64, Plain<f64>>(dense, &panel, width, &mut d);
            for k in 0..a.len() {
                assert!(
                    (a[k] - b[k]).abs() < 1e-13 && (c[k] - d[k]).abs() < 1e-13 && (a[k] - c[k]).abs() < 1e-13
                );
            }
            let (mut a, mut b) = (vec![0.0; width], vec![0.0; width]);
            lane_dot(&panel, width, &panel, width, cols, &mut a);
            lane_dot_body::<f64, Plain<f64>>(&panel, width, &panel, width, cols, &mut b);
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-13));
        }
    }
}
