//! Truncated Newton's method.

use assay_kernels::cg::Stop;
use assay_kernels::{Mat, Real, panel};

use super::curvature::Nearby;
use super::problem::{Point, Problem};

/// When a minimum is near enough.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Norm of the gradient, relative to that of the summed loss (weighed by t) at the base model.
    pub gradient: f64,
    /// Norm of the gradient, relative to that at the start. Either is enough.
    pub of_start: f64,
    /// Newton steps at most.
    pub steps: usize,
}

impl Tolerance {
    /// A relative gradient norm, with room for every step that a convex problem can need.
    pub fn relative(gradient: f64) -> Self {
        Self { gradient, of_start: 0.0, steps: 200 }
    }
}

/// Where the search ended.
#[derive(Clone, Debug)]
pub struct Minimum<T> {
    /// The minimum, or the best point that the precision can see.
    pub point: Point<T>,
    /// Gradient of the objective there.
    pub gradient: Mat<T>,
    /// A preconditioner from near there, where there is one.
    pub nearby: Option<Nearby>,
    /// Newton steps taken.
    pub iterations: usize,
    /// Products with the curvature.
    pub products: usize,
    /// Norm of the gradient in the units of [`Tolerance::gradient`].
    pub gradient_norm: f64,
    /// True when the tolerance was reached.
    pub converged: bool,
}

/// Products in one direction at most: a direction cut short is still downhill.
const PRODUCTS_A_STEP: usize = 300;

/// Steps after which directions are solved for in the number type of the problem alone.
const ROUGH_STEPS: usize = 20;

/// Halvings of a step at most.
const HALVINGS: usize = 40;

impl<T: Real> Problem<'_, T> {
    /// Minimises the objective at `t` from `theta`.
    pub fn minimise(&self, t: f64, theta: Mat<T>, tolerance: Tolerance) -> Minimum<T> {
        self.minimise_near(t, theta, None, tolerance)
    }

    /// The same with a preconditioner from nearby.
    pub fn minimise_near(
        &self,
        t: f64,
        theta: Mat<T>,
        mut nearby: Option<Nearby>,
        tolerance: Tolerance,
    ) -> Minimum<T> {
        let mut scores = Mat::zeros(self.design().rows(), self.lanes());
        self.design().times(&theta, &mut scores, |_, _| {});
        let mut point = self.point_of(theta, &scores);
        let mut objective = self.objective(t, &point);
        let unit = self.reference(t);
        let (mut iterations, mut products) = (0, 0);
        let mut goal = tolerance.gradient;
        let mut last_norm = 0.0;
        let mut exactly = false;
        loop {
            let mut gradient = self.gradient(self.lambda(), t, &point);
            let gradient_norm = panel::group_dots(&gradient, &gradient, self.lanes())[0].sqrt() / unit;
            if iterations == 0 {
                goal = goal.max(tolerance.of_start * gradient_norm);
            }
            let converged = gradient_norm <= goal;
            if converged || iterations == tolerance.steps {
                return Minimum { point, gradient, nearby, iterations, products, gradient_norm, converged };
            }
            gradient.data_mut().iter_mut().for_each(|g| *g = -*g);
            // No more exact than the last step has shown a full Newton step to be (Eisenstat and Walker 1996), nor
            // than the goal asks for.
            let trust = 0.9 * (gradient_norm / last_norm).powi(2);
            let forcing = trust.min(0.1).max(0.3 * goal / gradient_norm).min(0.5);
            last_norm = gradient_norm;
            let mut inverse = self.inverse(t, &point, nearby.take());
            let mut direction = Mat::zeros(gradient.rows(), gradient.cols());
            let stop = Stop { tolerance: forcing, iterations: PRODUCTS_A_STEP };
            exactly |= iterations >= ROUGH_STEPS;
            products += inverse.direction(&gradient, &mut direction, exactly, stop);
            nearby = inverse.nearby();
            let slope = -panel::group_dots(&gradient, &direction, self.lanes())[0];
            match self.search(t, &point, &mut scores, objective, &direction, slope) {
                Some((next, value)) => (point, objective) = (next, value),
                None if !exactly => exactly = true,
                None => {
                    return Minimum {
                        point,
                        gradient,
                        nearby,
                        iterations,
                        products,
                        gradient_norm,
                        converged,
                    };
                }
            }
            iterations += 1;
        }
    }

    /// Backtracks from the full step until the objective falls enough; moves `scores` along.
    fn search(
        &self,
        t: f64,
        point: &Point<T>,
        scores: &mut Mat<T>,
        objective: f64,
        direction: &Mat<T>,
        slope: f64,
    ) -> Option<(Point<T>, f64)> {
        if slope >= 0.0 {
            return None;
        }
        // Below this the objective cannot tell two points apart.
        let noise = T::of(objective.abs()).f64() * if size_of::<T>() == 4 { 1e-7 } else { 1e-14 };
        let mut along = Mat::zeros(scores.rows(), scores.cols());
        self.design().times(direction, &mut along, |_, _| {});
        let mut step = 1.0;
        for _ in 0..HALVINGS {
            let moved = moved(scores, &along, step);
            let next = self.point_of(self::moved(&point.theta, direction, step), &moved);
            let value = self.objective(t, &next);
            if value <= objective + 1e-4 * step * slope + noise {
                *scores = moved;
                return Some((next, value));
            }
            step *= 0.5;
        }
        None
    }

    /// The point of known raw outputs.
    fn point_of(&self, theta: Mat<T>, scores: &Mat<T>) -> Point<T> {
        let mut fitted = scores.clone();
        let loss_nats = self.link(&mut fitted);
        Point { theta, fitted, loss_nats }
    }
}

/// `from + step * along`.
fn moved<T: Real>(from: &Mat<T>, along: &Mat<T>, step: f64) -> Mat<T> {
    let step = T::of(step);
    let mut out = from.clone();
    out.data_mut().iter_mut().zip(along.data()).for_each(|(x, &a)| *x += step * a);
    out
}
