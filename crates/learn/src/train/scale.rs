//! Where along the path the first direction is learned.

use assay_kernels::cg::{self, Operator, Stop};
use assay_kernels::{Mat, Real};

use super::problem::Problem;
use crate::model::Family;

/// Steps of power iteration.
const POWER_STEPS: usize = 20;

/// How well each step's system is solved.
const ROUGHLY: Stop = Stop { tolerance: 1e-2, iterations: 200 };

impl<T: Real> Problem<'_, T> {
    /// The t at which the first direction is learned: the least ratio, over all directions, of the curvature that is
    /// there at t = 0 (lambda and the standing records) to the curvature that t adds, both at the base model.
    ///
    /// By power iteration; without standing records that is lambda over the largest curvature of the summed loss,
    /// within a few percent and never below.
    pub fn first_learned(&self) -> f64 {
        let spread = match self.family() {
            Family::Softmax { classes } => 1.0 / classes as f64,
            Family::Gaussian { noise_variance } => 1.0 / noise_variance,
        };
        let design = self.design();
        let mut there = There::new(self, spread / self.lambda());
        // Any fixed start that is orthogonal to nothing in particular: fractions of multiples of the golden ratio.
        let mut direction = Mat::zeros(design.cols(), 1);
        let fraction = |j: usize| (j as f64 * 0.618_033_988_749_895).fract() - 0.5;
        direction.data_mut().iter_mut().enumerate().for_each(|(j, x)| *x = T::of(fraction(j)));
        let mut scores = Mat::zeros(design.rows(), 1);
        let norm = |m: &Mat<T>| m.data().iter().map(|x| x.f64() * x.f64()).sum::<f64>().sqrt();
        let mut largest = norm(&direction);
        for _ in 0..POWER_STEPS {
            if largest == 0.0 {
                break;
            }
            direction.data_mut().iter_mut().for_each(|x| *x = T::of(x.f64() / largest));
            design.times(&direction, &mut scores, |first, rows| weigh(rows, &self.weights()[first..]));
            design.transpose_times(&scores, &mut direction, |_, _| {});
            if let Some(there) = &mut there {
                let added = std::mem::replace(&mut direction, Mat::zeros(design.cols(), 1));
                cg::solve(there, &added, &mut direction, 1, true, ROUGHLY);
            }
            largest = norm(&direction);
        }
        self.lambda() / (spread * largest).max(f64::MIN_POSITIVE)
    }
}

/// Each row times the weight of its record.
fn weigh<T: Real>(rows: &mut [T], weights: &[f64]) {
    rows.iter_mut().zip(weights).for_each(|(row, &w)| *row = *row * T::of(w));
}

/// The curvature at t = 0 in units of lambda: I + spread / lambda X' S X, S being the standing weights.
struct There<'p, 'a, T> {
    problem: &'p Problem<'a, T>,
    factor: T,
    diagonal: Mat<T>,
    scores: Mat<T>,
}

impl<'p, 'a, T: Real> There<'p, 'a, T> {
    /// `None` without standing records: the curvature is the identity.
    fn new(problem: &'p Problem<'a, T>, factor: f64) -> Option<Self> {
        let (design, standing) = (problem.design(), problem.standing());
        if !problem.stands() {
            return None;
        }
        let weights: Vec<T> = standing.iter().map(|&w| T::of(w * factor)).collect();
        let mut diagonal = Mat::zeros(design.cols(), 1);
        design.squared_transpose_times(&Mat::from_vec(weights.len(), 1, weights)?, &mut diagonal);
        diagonal.data_mut().iter_mut().for_each(|x| *x += T::ONE);
        Some(Self { problem, factor: T::of(factor), diagonal, scores: Mat::zeros(design.rows(), 1) })
    }
}

impl<T: Real> Operator<T> for There<'_, '_, T> {
    fn apply(&mut self, x: &Mat<T>, out: &mut Mat<T>) {
        let (design, standing) = (self.problem.design(), self.problem.standing());
        design.times(x, &mut self.scores, |first, rows| weigh(rows, &standing[first..]));
        design.transpose_times(&self.scores, out, |first, rows| {
            rows.iter_mut().zip(&x.data()[first..]).for_each(|(o, &x)| *o = *o * self.factor + x);
        });
    }

    fn precondition(&mut self, r: &Mat<T>, out: &mut Mat<T>) {
        let pairs = r.data().iter().zip(self.diagonal.data());
        out.data_mut().iter_mut().zip(pairs).for_each(|(o, (&r, &d))| *o = r / d);
    }
}
