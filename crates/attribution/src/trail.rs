//! Where a quantity was along the path, and where it will be next.

use std::collections::VecDeque;

use assay_kernels::quadrature::gauss_legendre;
use assay_kernels::{Mat, Real};
use assay_learn::train::{Minimum, Nearby, Problem, Tolerance};

/// The last few positions of a panel that changes smoothly with u.
pub(crate) struct Trail<T> {
    points: VecDeque<(f64, Mat<T>)>,
    keep: usize,
}

impl<T: Real> Trail<T> {
    /// Extrapolates through the last `keep` positions.
    pub(crate) fn new(keep: usize) -> Self {
        Self { points: VecDeque::new(), keep }
    }

    /// Adds the position at `u`, which is beyond the last.
    pub(crate) fn push(&mut self, u: f64, at: Mat<T>) {
        if self.points.len() == self.keep {
            self.points.pop_front();
        }
        self.points.push_back((u, at));
    }

    /// The polynomial through the positions kept, at `u`; `None` before the first.
    pub(crate) fn guess(&self, u: f64) -> Option<Mat<T>> {
        let (_, first) = self.points.front()?;
        let mut out = Mat::zeros(first.rows(), first.cols());
        let places: Vec<f64> = self.points.iter().map(|p| p.0).collect();
        for (weight, (_, panel)) in lagrange(&places, u).into_iter().zip(&self.points) {
            let weight = T::of(weight);
            out.data_mut().iter_mut().zip(panel.data()).for_each(|(o, &x)| *o += weight * x);
        }
        Some(out)
    }
}

/// How much each of the values at `places` counts in the polynomial through them all, at `u`.
pub(crate) fn lagrange(places: &[f64], u: f64) -> Vec<f64> {
    let others = |k: usize| places.iter().enumerate().filter(move |(j, _)| *j != k).map(|(_, p)| p);
    let weight = |(k, at): (usize, &f64)| others(k).map(|other| (u - other) / (at - other)).product();
    places.iter().enumerate().map(weight).collect()
}

/// A quadrature node of the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) u: f64,
    pub(crate) t: f64,
    /// dt / du.
    pub(crate) slope: f64,
    /// Weight of the integrand over u.
    pub(crate) du: f64,
}

impl Node {
    /// Weight of the integrand over t.
    pub(crate) fn weight(&self) -> f64 {
        self.du * self.slope
    }
}

/// The change of variable `t = s (e^(a u) - 1)`, with a such that u = 1 is t = 1.
///
/// A direction of curvature h is learned where t is about lambda / h, and the h of one problem spread over many powers
/// of ten: what changes evenly is the logarithm of t, from the scale s of the direction that is learned first.
/// Gauss-Legendre nodes in u then see a smooth hump. (t = u^3 needed 37 nodes where this needs 16.)
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathMap {
    scale: f64,
    rate: f64,
}

impl PathMap {
    /// The scale is where the direction that is learned first is learned, for the base model's curvature.
    pub(crate) fn new<T: Real>(problem: &Problem<'_, T>) -> Self {
        Self::with_scale(problem.first_learned())
    }

    pub(crate) fn with_scale(scale: f64) -> Self {
        // Beyond these the map is a straight line, or nodes are spent on what has no weight.
        let scale = scale.clamp(1e-9, 1e3);
        Self { scale, rate: (1.0 / scale).ln_1p() }
    }

    pub(crate) fn t(self, u: f64) -> f64 {
        if u == 1.0 { 1.0 } else { self.scale * (self.rate * u).exp_m1() }
    }

    /// `count` nodes, ascending.
    pub(crate) fn nodes(self, count: usize) -> Vec<Node> {
        let slope = |u: f64| self.scale * self.rate * (self.rate * u).exp();
        let node = |(u, du): (f64, f64)| Node { u, t: self.t(u), slope: slope(u), du };
        gauss_legendre(count).into_iter().map(node).collect()
    }
}

/// Positions of the model that its next guess goes through: a cubic.
const POINTS: usize = 4;

/// The model theta(t), followed from t = 0.
pub(crate) struct Follower<'a, T> {
    problem: &'a Problem<'a, T>,
    trail: Trail<T>,
    tolerance: f64,
    map: PathMap,
    /// The preconditioner of the last position.
    pub(crate) nearby: Option<Nearby>,
}

impl<'a, T: Real> Follower<'a, T> {
    /// At the minimum at t = 0, which is the base model but for records that stand. `tolerance` is of the gradient,
    /// relative to the base model's.
    pub(crate) fn start(problem: &'a Problem<'a, T>, tolerance: f64) -> (Self, Minimum<T>) {
        let mut out =
            Self { problem, trail: Trail::new(POINTS), tolerance, map: PathMap::new(problem), nearby: None };
        let start = out.next(0.0);
        (out, start)
    }

    /// The minimum at `u`, beyond the last.
    pub(crate) fn next(&mut self, u: f64) -> Minimum<T> {
        let (d, lanes) = (self.problem.design().cols(), self.problem.lanes());
        let start = self.trail.guess(u).unwrap_or_else(|| Mat::zeros(d, lanes));
        // The ends of the path say what the whole is worth: they are found more exactly than the points on the way.
        let inside = 0.0 < u && u < 1.0;
        let tolerance = if inside { self.tolerance } else { 0.1 * self.tolerance };
        let tolerance = Tolerance::relative(tolerance);
        let minimum = self.problem.minimise_near(self.map.t(u), start, self.nearby.take(), tolerance);
        self.nearby.clone_from(&minimum.nearby);
        self.trail.push(u, minimum.point.theta.clone());
        minimum
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_parabola_is_followed_exactly() {
        let f = |u: f64| Mat::from_vec(1, 1, vec![3.0 * u * u - u + 2.0]).unwrap();
        let mut trail = Trail::<f64>::new(3);
        assert!(trail.guess(0.5).is_none());
        for u in [0.0, 0.1, 0.3, 0.4] {
            trail.push(u, f(u));
        }
        assert!((trail.guess(0.9).unwrap().row(0)[0] - f(0.9).row(0)[0]).abs() < 1e-12);
    }
}
