//! Loops over the rows of panels: softmax, its curvature, and the vector steps of conjugate gradients. All safe code:
//! plain loops over slices, made vector code by the features that they are compiled with.

use super::lanes::{Unit, Vectors};
use super::{Level, by_level, level};
use crate::real::Real;

/// Sums run in this many lanes, which the compiler keeps in one or two vector registers.
const LANES: usize = 16;

by_level! {
    /// Turns each row of scores (`lanes` numbers, of which `classes` count) into probabilities in place, and
    /// writes -ln p(label) of each row into `loss_nats`. The lanes beyond `classes` become zero.
    softmax_rows = softmax_body(scores: &mut [T], lanes: usize, classes: usize, labels: &[u32], loss_nats: &mut [f64])
}

#[inline(always)]
fn softmax_body<T: Real, U: Unit<Elem = T>>(
    scores: &mut [T],
    lanes: usize,
    classes: usize,
    labels: &[u32],
    loss_nats: &mut [f64],
) {
    for ((row, &label), loss) in scores.chunks_exact_mut(lanes).zip(labels).zip(loss_nats) {
        let (row, padding) = row.split_at_mut(classes);
        let mut top = row[0];
        for &z in row.iter() {
            top = if z > top { z } else { top };
        }
        let z_label = row[label as usize];
        for z in row.iter_mut() {
            *z = (*z - top).exp_nonpositive();
        }
        let sum = total(row);
        *loss = sum.f64().ln() + (top - z_label).f64();
        let scale = T::ONE / sum;
        for z in row.iter_mut() {
            *z = *z * scale;
        }
        padding.fill(T::ZERO);
    }
}

/// Sum of a slice in `LANES` interleaved partial sums.
#[inline(always)]
fn total<T: Real>(row: &[T]) -> T {
    let mut acc = [T::ZERO; LANES];
    let mut chunks = row.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (a, &x) in acc.iter_mut().zip(chunk) {
            *a += x;
        }
    }
    for (a, &x) in acc.iter_mut().zip(chunks.remainder()) {
        *a += x;
    }
    folded(acc)
}

/// Sum of the partial sums, by halves.
#[inline(always)]
fn folded<T: Real>(mut acc: [T; LANES]) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        let (low, high) = acc.split_at_mut(half);
        low.iter_mut().zip(high).for_each(|(a, &mut b)| *a += b);
        half /= 2;
    }
    acc[0]
}

/// Dot product of two slices in `LANES` interleaved partial sums.
#[inline(always)]
fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    let mut acc = [T::ZERO; LANES];
    let (mut xs, mut ys) = (x.chunks_exact(LANES), y.chunks_exact(LANES));
    for (x, y) in (&mut xs).zip(&mut ys) {
        for ((a, &x), &y) in acc.iter_mut().zip(x).zip(y) {
            *a += x * y;
        }
    }
    for ((a, &x), &y) in acc.iter_mut().zip(xs.remainder()).zip(ys.remainder()) {
        *a += x * y;
    }
    folded(acc)
}

by_level! {
    /// Curvature of the softmax loss in score space: each group `a` of `lanes` numbers in a row of `panel` becomes
    /// `scale * p * (a - <p, a>)`, `p` being the row's probabilities.
    curvature_rows = curvature_body(panel: &mut [T], width: usize, probabilities: &[T], lanes: usize, scale: &[T])
}

#[inline(always)]
fn curvature_body<T: Real, U: Unit<Elem = T>>(
    panel: &mut [T],
    width: usize,
    probabilities: &[T],
    lanes: usize,
    scale: &[T],
) {
    let rows = panel.chunks_exact_mut(width).zip(probabilities.chunks_exact(lanes)).zip(scale);
    for ((row, p), &scale) in rows {
        for group in row.chunks_exact_mut(lanes) {
            let mean = dot(group, p);
            for (a, &p) in group.iter_mut().zip(p) {
                *a = scale * p * (*a - mean);
            }
        }
    }
}

by_level! {
    /// Adds the dot product of each column of two panels to `sums`; `period` is the number of columns.
    column_dots = column_dots_body(x: &[T], y: &[T], period: usize, sums: &mut [f64])
}

/// Rows summed in the number type itself before they are added to the f64 totals.
const SHORT: usize = 32;

#[inline(always)]
fn column_dots_body<T: Real, U: Unit<Elem = T>>(x: &[T], y: &[T], period: usize, sums: &mut [f64]) {
    // A narrow panel is read as if several of its rows were one.
    let fold = if period < LANES { LANES / period } else { 1 };
    let width = period * fold;
    let mut acc = [T::ZERO; 128];
    let acc = &mut acc[..width];
    for (x, y) in x.chunks(width * SHORT).zip(y.chunks(width * SHORT)) {
        acc.fill(T::ZERO);
        for (x, y) in x.chunks(width).zip(y.chunks(width)) {
            for ((a, &x), &y) in acc.iter_mut().zip(x).zip(y) {
                *a += x * y;
            }
        }
        for (k, a) in acc.iter().enumerate() {
            sums[k % period] += a.f64();
        }
    }
}

by_level! {
    /// One step of conjugate gradients: `x += step * p`, `r -= step * q`, with a step for each column (`step` may
    /// repeat the columns so as to be long).
    descend = descend_body(step: &[T], p: &[T], q: &[T], x: &mut [T], r: &mut [T])
}

#[inline(always)]
fn descend_body<T: Real, U: Unit<Elem = T>>(step: &[T], p: &[T], q: &[T], x: &mut [T], r: &mut [T]) {
    let w = step.len();
    let rows = x.chunks_mut(w).zip(r.chunks_mut(w)).zip(p.chunks(w).zip(q.chunks(w)));
    for ((x, r), (p, q)) in rows {
        for ((((x, r), &p), &q), &s) in x.iter_mut().zip(r).zip(p).zip(q).zip(step) {
            *x += s * p;
            *r -= s * q;
        }
    }
}

by_level! {
    /// `p = z + momentum * p`, with a momentum for each column (repeated as in [`descend`]).
    xpby = xpby_body(momentum: &[T], z: &[T], p: &mut [T])
}

#[inline(always)]
fn xpby_body<T: Real, U: Unit<Elem = T>>(momentum: &[T], z: &[T], p: &mut [T]) {
    let w = momentum.len();
    for (p, z) in p.chunks_mut(w).zip(z.chunks(w)) {
        for ((p, &z), &m) in p.iter_mut().zip(z).zip(momentum) {
            *p = z + m * *p;
        }
    }
}

by_level! {
    /// Adds `weight * x` to `y`.
    axpy = axpy_body(weight: T, x: &[T], y: &mut [T])
}

#[inline(always)]
fn axpy_body<T: Real, U: Unit<Elem = T>>(weight: T, x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += weight * x;
    }
}

by_level! {
    /// Writes the dot product of two slices into `out`.
    dot_into = dot_into_body(x: &[T], y: &[T], out: &mut T)
}

#[inline(always)]
fn dot_into_body<T: Real, U: Unit<Elem = T>>(x: &[T], y: &[T], out: &mut T) {
    *out = dot(x, y);
}
