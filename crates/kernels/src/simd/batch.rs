//! Loops over rows that hold several models side by side: column `k * lanes + b` is output k of model b, so that
//! whatever is done to a model is done to `lanes` of them by the same instructions. All safe code, as in `rows`.

use super::lanes::{Unit, Vectors};
use super::{Level, by_level, level};
use crate::batch::SOFTMAX_LANES as W;
use crate::real::Real;

by_level! {
    /// 1 / (1 + e^-z) of every number, in place.
    sigmoid = sigmoid_body(z: &mut [T])
}

#[inline(always)]
fn sigmoid_body<T: Real, U: Unit<Elem = T>>(z: &mut [T]) {
    for z in z {
        let negative = *z < T::ZERO;
        let small = (if negative { *z } else { -*z }).exp_nonpositive();
        *z = (if negative { small } else { T::ONE }) / (T::ONE + small);
    }
}

by_level! {
    /// Softmax over the `classes` of each of `W` models, in place.
    softmax = softmax_body(z: &mut [T], classes: usize)
}

#[inline(always)]
fn softmax_body<T: Real, U: Unit<Elem = T>>(z: &mut [T], classes: usize) {
    for row in z.chunks_exact_mut(classes * W) {
        let mut top = [T::ZERO; W];
        top.copy_from_slice(&row[..W]);
        for class in row.chunks_exact(W) {
            for b in 0..W {
                top[b] = if class[b] > top[b] { class[b] } else { top[b] };
            }
        }
        let mut sum = [T::ZERO; W];
        for class in row.chunks_exact_mut(W) {
            for b in 0..W {
                class[b] = (class[b] - top[b]).exp_nonpositive();
                sum[b] += class[b];
            }
        }
        let scale = sum.map(|s| T::ONE / s);
        for class in row.chunks_exact_mut(W) {
            for b in 0..W {
                class[b] = class[b] * scale[b];
            }
        }
    }
}

by_level! {
    /// `out = weight * (fitted - answer)`, one answer a row of `lanes` numbers.
    misses = misses_body(fitted: &[T], answers: &[T], weights: &[T], lanes: usize, out: &mut [T])
}

#[inline(always)]
fn misses_body<T: Real, U: Unit<Elem = T>>(
    fitted: &[T],
    answers: &[T],
    weights: &[T],
    lanes: usize,
    out: &mut [T],
) {
    let rows = fitted.chunks_exact(lanes).zip(weights.chunks_exact(lanes)).zip(out.chunks_exact_mut(lanes));
    for (((fitted, weights), out), &y) in rows.zip(answers) {
        for ((o, &p), &w) in out.iter_mut().zip(fitted).zip(weights) {
            *o = w * (p - y);
        }
    }
}

by_level! {
    /// `out = weight * p_a * (1 - p_a)`, or `-weight * p_a * p_b` for two classes, of `classes` in `lanes` models.
    spreads = spreads_body(p: &[T], classes: usize, pair: (usize, usize), weights: &[T], lanes: usize, out: &mut [T])
}

#[inline(always)]
fn spreads_body<T: Real, U: Unit<Elem = T>>(
    p: &[T],
    classes: usize,
    (a, b): (usize, usize),
    weights: &[T],
    lanes: usize,
    out: &mut [T],
) {
    let one = if a == b { T::ONE } else { T::ZERO };
    let rows =
        p.chunks_exact(classes * lanes).zip(weights.chunks_exact(lanes)).zip(out.chunks_exact_mut(lanes));
    for ((row, weights), out) in rows {
        let (pa, pb) = (&row[a * lanes..][..lanes], &row[b * lanes..][..lanes]);
        for (((o, &pa), &pb), &w) in out.iter_mut().zip(pa).zip(pb).zip(weights) {
            *o = w * pa * (one - pb);
        }
    }
}

by_level! {
    /// Adds `weight * spread * step^2` of each row to its model's sum; models of one output.
    along = along_body(spread: &[T], step: &[T], sums: &mut [f64])
}

#[inline(always)]
fn along_body<T: Real, U: Unit<Elem = T>>(spread: &[T], step: &[T], sums: &mut [f64]) {
    let lanes = sums.len();
    for (spread, step) in spread.chunks_exact(lanes).zip(step.chunks_exact(lanes)) {
        for ((sum, &s), &v) in sums.iter_mut().zip(spread).zip(step) {
            *sum += (s * v * v).f64();
        }
    }
}

by_level! {
    /// Adds the curvature of each row's softmax loss along a step, times its weight, to the sums of `W` models.
    softmax_along = softmax_along_body(p: &[T], classes: usize, weights: &[T], step: &[T], sums: &mut [f64])
}

#[inline(always)]
fn softmax_along_body<T: Real, U: Unit<Elem = T>>(
    p: &[T],
    classes: usize,
    weights: &[T],
    step: &[T],
    sums: &mut [f64],
) {
    let mut total = [0.0; W];
    let rows = p.chunks_exact(classes * W).zip(step.chunks_exact(classes * W));
    for ((p, step), weights) in rows.zip(weights.chunks_exact(W)) {
        let (mut mean, mut square) = ([T::ZERO; W], [T::ZERO; W]);
        for (p, v) in p.chunks_exact(W).zip(step.chunks_exact(W)) {
            for b in 0..W {
                let pv = p[b] * v[b];
                mean[b] += pv;
                square[b] += pv * v[b];
            }
        }
        for b in 0..W {
            total[b] += (weights[b] * (square[b] - mean[b] * mean[b])).f64();
        }
    }
    sums.iter_mut().zip(total).for_each(|(s, t)| *s += t);
}

by_level! {
    /// Adds the dot product of each model's numbers to its sum.
    lane_dots = lane_dots_body(x: &[T], y: &[T], sums: &mut [f64])
}

#[inline(always)]
fn lane_dots_body<T: Real, U: Unit<Elem = T>>(x: &[T], y: &[T], sums: &mut [f64]) {
    let lanes = sums.len();
    for (x, y) in x.chunks_exact(lanes).zip(y.chunks_exact(lanes)) {
        for ((sum, &x), &y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x.f64() * y.f64();
        }
    }
}
