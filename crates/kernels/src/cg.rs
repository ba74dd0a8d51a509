//! Preconditioned conjugate gradients for several right-hand sides at once.

use crate::Mat;
use crate::panel;
use crate::real::Real;

/// A symmetric positive definite operator on panels, with a preconditioner of the same kind.
pub trait Operator<T> {
    /// `out = A * x`.
    fn apply(&mut self, x: &Mat<T>, out: &mut Mat<T>);
    /// `out = M^-1 * r`, M being near A and positive definite.
    fn precondition(&mut self, r: &Mat<T>, out: &mut Mat<T>);
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// Of each right-hand side: residual over right-hand side, both in the norm of M^-1.
    pub tolerance: f64,
    /// Products with A at most.
    pub iterations: usize,
}

/// How a solve ended.
#[derive(Clone, Debug)]
pub struct Solved {
    /// Products with A.
    pub iterations: usize,
    /// Residual over right-hand side for each group, in the norm of M^-1.
    pub residual: Vec<f64>,
}

/// Solves A x = b for each group of `lanes` columns. `x` holds the first guess; `cold` says that it is zero. Each
/// group stops by itself when it is near enough; a group whose right-hand side is zero gets zero.
pub fn solve<T: Real>(
    operator: &mut impl Operator<T>,
    b: &Mat<T>,
    x: &mut Mat<T>,
    lanes: usize,
    cold: bool,
    stop: Stop,
) -> Solved {
    let (d, width) = (b.rows(), b.cols());
    let (mut z, mut q) = (Mat::zeros(d, width), Mat::zeros(d, width));
    operator.precondition(b, &mut z);
    let norm = panel::group_dots(b, &z, lanes);
    let mut r = b.clone();
    let mut iterations = 0;
    let mut rz = norm.clone();
    if !cold {
        operator.apply(x, &mut q);
        iterations += 1;
        for (r, &q) in r.data_mut().iter_mut().zip(q.data()) {
            *r -= q;
        }
        operator.precondition(&r, &mut z);
        rz = panel::group_dots(&r, &z, lanes);
    }
    let mut p = z.clone();
    let enough = stop.tolerance * stop.tolerance;
    let mut active: Vec<bool> = rz.iter().zip(&norm).map(|(rz, norm)| *rz > enough * norm).collect();
    while active.contains(&true) && iterations < stop.iterations {
        operator.apply(&p, &mut q);
        iterations += 1;
        let pq = panel::group_dots(&p, &q, lanes);
        let mut step = vec![0.0; rz.len()];
        for g in 0..rz.len() {
            // A direction without curvature is rounding error: the group is as good as it gets.
            active[g] &= pq[g] > 0.0 && pq[g].is_finite();
            step[g] = if active[g] { rz[g] / pq[g] } else { 0.0 };
        }
        panel::descend(&step, lanes, &p, &q, x, &mut r);
        operator.precondition(&r, &mut z);
        let next = panel::group_dots(&r, &z, lanes);
        let momentum: Vec<f64> =
            (0..rz.len()).map(|g| if active[g] { next[g] / rz[g] } else { 0.0 }).collect();
        panel::xpby(&momentum, lanes, &z, &mut p);
        for g in 0..rz.len() {
            if active[g] {
                rz[g] = next[g];
                active[g] = next[g] > enough * norm[g];
            }
        }
    }
    let relative = |(rz, norm): (&f64, &f64)| {
        if *norm > 0.0 { (rz / norm).max(0.0).sqrt() } else { 0.0 }
    };
    Solved { iterations, residual: rz.iter().zip(&norm).map(relative).collect() }
}
