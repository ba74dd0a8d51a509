//! The numbers of models side by side, in one number type, and the steps that train them.

use assay_kernels::{Design, Mat, Real, batch};

use super::super::curvature::Own;
use super::super::form::Form;

/// Rows worked on at a time, so that what is written is still in the cache when it is read.
const ROWS: usize = 64;

/// What steps divide by.
#[derive(Clone, Copy)]
pub(super) enum Bend<'r, T> {
    /// Each model's own curvature: Newton's steps.
    Own(&'r Own<T>),
    /// An inverse that all share: conjugate gradients. It need not be exact.
    Shared(&'r Mat<f32>),
}

/// How a training ended: norms of each model's gradient.
pub(super) struct Trained {
    pub(super) before: Vec<f64>,
    pub(super) after: Vec<f64>,
}

/// The state of all models of a block of chains.
pub(super) struct Block<'r, T> {
    design: &'r Design<T>,
    form: &'r Form<T>,
    /// Precision of the prior of the form's columns.
    lambda: f64,
    pub(super) lanes: usize,
    /// Records x models.
    pub(super) weights: Mat<T>,
    /// Features x outputs of models.
    pub(super) theta: Mat<T>,
    direction: Mat<T>,
    pub(super) gradient: Mat<T>,
    /// Records x outputs of models.
    pub(super) scores: Mat<T>,
    fitted: Mat<T>,
    residuals: Mat<T>,
    along: Mat<T>,
    /// The models that are not trained yet.
    pub(super) open: Vec<bool>,
}

impl<'r, T: Real> Block<'r, T> {
    pub(super) fn new(design: &'r Design<T>, form: &'r Form<T>, lambda: f64) -> Self {
        let (n, d, lanes) = (design.rows(), design.cols(), form.lanes());
        let width = lanes * form.columns();
        let [theta, direction] = [(); 2].map(|()| Mat::zeros(d, width));
        let [scores, fitted, residuals, along] = [(); 4].map(|()| Mat::zeros(n, width));
        // The same numbers as those of features x outputs of models, as one row an unknown.
        let gradient = Mat::zeros(d * form.columns(), lanes);
        let (weights, open) = (Mat::zeros(n, lanes), vec![false; lanes]);
        let lambda = form.lambda(lambda);
        Self {
            design,
            form,
            lambda,
            lanes,
            weights,
            theta,
            direction,
            gradient,
            scores,
            fitted,
            residuals,
            along,
            open,
        }
    }

    /// Puts model `b` at these numbers of a panel.
    pub(super) fn put(panel: &mut Mat<T>, (b, lanes): (usize, usize), numbers: impl IntoIterator<Item = T>) {
        panel.data_mut()[b..].iter_mut().step_by(lanes).zip(numbers).for_each(|(to, x)| *to = x);
    }

    /// Scores from the weights.
    pub(super) fn score(&mut self) {
        self.design.times(&self.theta, &mut self.scores, |_, _| {});
    }

    /// Trains all open models, at most so many steps, until the norm of the gradient is what `goal` makes of the one
    /// before.
    pub(super) fn train(
        &mut self,
        bend: Bend<'_, T>,
        steps: usize,
        goal: impl Fn(usize, f64) -> f64,
    ) -> Trained {
        let mut goals = vec![0.0; self.lanes];
        let mut last: Option<(Mat<T>, Vec<f64>)> = None;
        let [mut before, mut after] = [(); 2].map(|()| vec![f64::NAN; self.lanes]);
        for step in 0..=steps {
            self.differentiate();
            let squares = batch::lane_dots(self.gradient.data(), self.gradient.data(), self.lanes);
            for b in (0..self.lanes).filter(|&b| self.open[b]) {
                after[b] = squares[b].sqrt() * self.form.norm_factor();
                if step == 0 {
                    (before[b], goals[b]) = (after[b], goal(b, after[b]));
                }
            }
            (0..self.lanes).for_each(|b| self.open[b] &= after[b] > goals[b]);
            if step == steps || !self.open.contains(&true) {
                break;
            }
            let Some(downhill) = self.downhill(bend) else { break };
            let descent = batch::lane_dots(self.gradient.data(), downhill.data(), self.lanes);
            let momentum = match (bend, &last) {
                (Bend::Shared(_), Some((gradient, before))) => {
                    let kept = batch::lane_dots(gradient.data(), downhill.data(), self.lanes);
                    (0..self.lanes).map(|b| ((descent[b] - kept[b]) / before[b]).max(0.0)).collect()
                }
                _ => vec![0.0; self.lanes],
            };
            self.turn(&downhill, &momentum);
            self.design.times(&self.direction, &mut self.along, |_, _| {});
            let lengths = match bend {
                Bend::Own(_) => vec![1.0; self.lanes],
                Bend::Shared(_) => self.lengths(),
            };
            self.move_on(&lengths);
            last = Some((self.gradient.clone(), descent));
        }
        Trained { before, after }
    }

    /// The gradient divided by the curvature. `None` when that is not positive definite.
    fn downhill(&self, bend: Bend<'_, T>) -> Option<Mat<T>> {
        let mut out = Mat::zeros(self.gradient.rows(), self.lanes);
        match bend {
            Bend::Own(own) => {
                let inverse = own.inverse(self.form, self.lambda, &self.fitted, &self.weights)?;
                inverse.apply(&self.gradient, &mut out);
                Some(out)
            }
            Bend::Shared(inverse) => {
                let mut single = Mat::zeros(out.rows(), out.cols());
                let gradient = self.gradient.convert::<f32>();
                batch::product(inverse, gradient.data(), self.lanes, single.data_mut());
                Some(single.convert())
            }
        }
    }

    /// Probabilities, residuals and gradients at the scores.
    fn differentiate(&mut self) {
        let (form, width) = (self.form, self.scores.cols());
        self.fitted.data_mut().copy_from_slice(self.scores.data());
        let rows = self
            .fitted
            .data_mut()
            .chunks_mut(ROWS * width)
            .zip(self.residuals.data_mut().chunks_mut(ROWS * width));
        for (k, ((fitted, residuals), weights)) in
            rows.zip(self.weights.data().chunks(ROWS * self.lanes)).enumerate()
        {
            form.fit(k * ROWS, fitted, weights, residuals);
        }
        let lambda = T::of(self.lambda);
        let mut gradient = Mat::zeros(self.theta.rows(), width);
        self.design.transpose_times(&self.residuals, &mut gradient, |_, _| {});
        let terms = gradient.data().iter().zip(self.theta.data());
        self.gradient.data_mut().iter_mut().zip(terms).for_each(|(to, (&g, &x))| *to = g + lambda * x);
    }

    /// `direction = momentum * direction - downhill`; models that are done stand still.
    fn turn(&mut self, downhill: &Mat<T>, momentum: &[f64]) {
        let momentum: Vec<T> = momentum.iter().map(|&m| T::of(m)).collect();
        let rows = self.direction.data_mut().chunks_exact_mut(self.lanes);
        for (row, downhill) in rows.zip(downhill.data().chunks_exact(self.lanes)) {
            for b in 0..self.lanes {
                row[b] = if self.open[b] { momentum[b] * row[b] - downhill[b] } else { T::ZERO };
            }
        }
    }

    /// How far along its direction each model's quadratic has its minimum.
    fn lengths(&self) -> Vec<f64> {
        let width = self.scores.cols();
        let squares = batch::lane_dots(self.direction.data(), self.direction.data(), self.lanes);
        let mut curvature: Vec<f64> = squares.iter().map(|s| self.lambda * s).collect();
        let mut scratch = vec![T::ZERO; ROWS * self.lanes];
        let rows = self.fitted.data().chunks(ROWS * width).zip(self.along.data().chunks(ROWS * width));
        for ((fitted, along), weights) in rows.zip(self.weights.data().chunks(ROWS * self.lanes)) {
            let scratch = &mut scratch[..weights.len()];
            self.form.along(fitted, weights, along, scratch, &mut curvature);
        }
        let slope = batch::lane_dots(self.gradient.data(), self.direction.data(), self.lanes);
        let length =
            |(slope, curvature): (&f64, &f64)| if *curvature > 0.0 { -slope / curvature } else { 0.0 };
        slope.iter().zip(&curvature).map(length).collect()
    }

    fn move_on(&mut self, lengths: &[f64]) {
        let lengths: Vec<T> = lengths.iter().map(|&a| T::of(a)).collect();
        let step = |to: &mut Mat<T>, along: &Mat<T>| {
            let rows = to.data_mut().chunks_exact_mut(self.lanes).zip(along.data().chunks_exact(self.lanes));
            for (row, along) in rows {
                row.iter_mut().zip(along.iter().zip(&lengths)).for_each(|(x, (&v, &a))| *x += a * v);
            }
        };
        step(&mut self.theta, &self.direction);
        step(&mut self.scores, &self.along);
    }
}
