//! Models trained side by side.

use std::ops::Range;

use assay_kernels::cholesky::LaneInverse;
use assay_kernels::{Mat, Real, batch};

use super::{Next, Retrained, Retrainer, exact};

/// Steps of one training at most; what is not done by then is left to truncated Newton.
const STEPS: usize = 60;

/// Rows worked on at a time, so that what is written is still in the cache when it is read.
const ROWS: usize = 64;

/// The state of all models of a block of chains.
pub(super) struct Lanes<'r, 'a, T> {
    of: &'r Retrainer<'a, T>,
    lanes: usize,
    /// Records x models.
    weights: Mat<T>,
    /// Features x outputs of models.
    theta: Mat<T>,
    direction: Mat<T>,
    gradient: Mat<T>,
    /// Records x outputs of models.
    scores: Mat<T>,
    fitted: Mat<T>,
    residuals: Mat<T>,
    along: Mat<T>,
    /// The models that are not trained yet.
    open: Vec<bool>,
    level: usize,
}

/// Preconditioner of a step.
enum Inverse<'r, T> {
    Own(LaneInverse<T>),
    Shared(&'r Mat<T>),
}

impl<'r, 'a, T: Real> Lanes<'r, 'a, T> {
    pub(super) fn new(of: &'r Retrainer<'a, T>) -> Self {
        let (n, d) = (of.problem.design().rows(), of.problem.design().cols());
        let lanes = of.form.lanes();
        let width = lanes * of.form.columns();
        let [theta, direction] = [(); 2].map(|()| Mat::zeros(d, width));
        let [scores, fitted, residuals, along] = [(); 4].map(|()| Mat::zeros(n, width));
        // The same numbers as those of features x outputs of models, as one row an unknown.
        let gradient = Mat::zeros(d * of.form.columns(), lanes);
        let (weights, open) = (Mat::zeros(n, lanes), vec![false; lanes]);
        Self {
            of,
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
            level: 0,
        }
    }

    pub(super) fn run(
        mut self,
        chains: Range<usize>,
        next: &Next<'_>,
        on_done: &(dyn Fn(usize) + Sync),
    ) -> Vec<Vec<Retrained>> {
        let mut done = vec![Vec::new(); chains.len()];
        loop {
            let weights: Vec<Option<Vec<f64>>> = chains
                .clone()
                .zip(&done)
                .map(|(chain, done)| {
                    let mut weights = self.of.problem.weights().to_vec();
                    next(chain, done, &mut weights).then_some(weights)
                })
                .collect();
            let open = weights.iter().flatten().count();
            if open == 0 {
                return done;
            }
            let is_first = done.iter().all(Vec::is_empty);
            self.weigh(&weights);
            if is_first {
                self.start(&weights);
            }
            self.empty(&weights);
            let norms = self.train();
            for (b, weights) in weights.into_iter().enumerate() {
                if let Some(weights) = weights {
                    done[b].push(self.finish(b, weights, norms[b]));
                }
            }
            on_done(open);
        }
    }

    /// Takes the weights of every model; those without are done.
    fn weigh(&mut self, weights: &[Option<Vec<f64>>]) {
        self.open.fill(false);
        self.weights.data_mut().fill(T::ZERO);
        let mut levels = Vec::with_capacity(weights.len());
        for (b, weights) in weights.iter().enumerate() {
            let Some(weights) = weights else { continue };
            self.open[b] = true;
            levels.push(self.of.level_of(weights));
            let column = self.weights.data_mut()[b..].iter_mut().step_by(self.lanes);
            column.zip(weights).for_each(|(to, &w)| *to = T::of(w));
        }
        levels.sort_unstable();
        self.level = levels.get(levels.len() / 2).copied().unwrap_or(0);
    }

    /// Puts every model at the level nearest to its weights.
    fn start(&mut self, weights: &[Option<Vec<f64>>]) {
        for (b, weights) in weights.iter().enumerate() {
            let level = weights.as_ref().map_or(self.level, |w| self.of.level_of(w));
            let theta = self.of.form.narrow(&self.of.levels[level].point.theta);
            let column = self.theta.data_mut()[b..].iter_mut().step_by(self.lanes);
            column.zip(theta).for_each(|(to, x)| *to = x);
        }
        self.of.problem.design().times(&self.theta, &mut self.scores, |_, _| {});
    }

    /// Without records a model is the base model, to the last bit: between its classes nothing may tip the balance.
    fn empty(&mut self, weights: &[Option<Vec<f64>>]) {
        for (b, weights) in weights.iter().enumerate() {
            if weights.as_ref().is_some_and(|w| w.iter().all(|&w| w == 0.0)) {
                for panel in [&mut self.theta, &mut self.scores] {
                    panel.data_mut()[b..].iter_mut().step_by(self.lanes).for_each(|x| *x = T::ZERO);
                }
            }
        }
    }

    /// Trains all open models; the norm of the gradient left over of each.
    fn train(&mut self) -> Vec<f64> {
        let of = self.of;
        let mut goals = vec![0.0; self.lanes];
        let mut last: Option<(Mat<T>, Mat<T>, Vec<f64>)> = None;
        let mut norms = vec![f64::NAN; self.lanes];
        for step in 0..=STEPS {
            self.differentiate();
            let squares = batch::lane_dots(self.gradient.data(), self.gradient.data(), self.lanes);
            for b in 0..self.lanes {
                if !self.open[b] {
                    continue;
                }
                norms[b] = squares[b].sqrt() * of.form.norm_factor();
                if step == 0 {
                    goals[b] = (of.tolerance.gradient * of.reference).max(of.tolerance.of_start * norms[b]);
                }
                self.open[b] = norms[b] > goals[b];
            }
            if step == STEPS || !self.open.contains(&true) {
                break;
            }
            let Some(inverse) = self.inverse() else { break };
            let downhill = self.precondition(&inverse);
            let descent = batch::lane_dots(self.gradient.data(), downhill.data(), self.lanes);
            let momentum = match (&inverse, &last) {
                (Inverse::Shared(_), Some((gradient, _, before))) => {
                    let kept = batch::lane_dots(gradient.data(), downhill.data(), self.lanes);
                    (0..self.lanes).map(|b| ((descent[b] - kept[b]) / before[b]).max(0.0)).collect()
                }
                _ => vec![0.0; self.lanes],
            };
            self.turn(&downhill, &momentum);
            of.problem.design().times(&self.direction, &mut self.along, |_, _| {});
            let lengths = match inverse {
                Inverse::Own(_) => vec![1.0; self.lanes],
                Inverse::Shared(_) => self.lengths(),
            };
            self.move_on(&lengths);
            last = Some((self.gradient.clone(), downhill, descent));
        }
        norms
    }

    /// Probabilities, residuals and gradients at the scores.
    fn differentiate(&mut self) {
        let (of, width) = (self.of, self.scores.cols());
        self.fitted.data_mut().copy_from_slice(self.scores.data());
        let rows = self
            .fitted
            .data_mut()
            .chunks_mut(ROWS * width)
            .zip(self.residuals.data_mut().chunks_mut(ROWS * width));
        for (k, ((fitted, residuals), weights)) in
            rows.zip(self.weights.data().chunks(ROWS * self.lanes)).enumerate()
        {
            of.form.fit(k * ROWS, fitted, weights, residuals);
        }
        let lambda = T::of(of.form.lambda(of.problem.lambda()));
        let mut gradient = Mat::zeros(self.theta.rows(), width);
        of.problem.design().transpose_times(&self.residuals, &mut gradient, |_, _| {});
        let terms = gradient.data().iter().zip(self.theta.data());
        self.gradient.data_mut().iter_mut().zip(terms).for_each(|(to, (&g, &x))| *to = g + lambda * x);
    }

    fn inverse(&self) -> Option<Inverse<'r, T>> {
        let of = self.of;
        match &of.own {
            Some(own) => {
                let lambda = of.form.lambda(of.problem.lambda());
                own.inverse(&of.form, lambda, &self.fitted, &self.weights).map(Inverse::Own)
            }
            None => of.levels[self.level].inverse.as_ref().map(Inverse::Shared),
        }
    }

    fn precondition(&self, inverse: &Inverse<'_, T>) -> Mat<T> {
        let mut out = Mat::zeros(self.gradient.rows(), self.lanes);
        match inverse {
            Inverse::Own(inverse) => inverse.apply(&self.gradient, &mut out),
            Inverse::Shared(inverse) => {
                batch::product(inverse, self.gradient.data(), self.lanes, out.data_mut());
            }
        }
        out
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
        let (of, width) = (self.of, self.scores.cols());
        let lambda = of.form.lambda(of.problem.lambda());
        let squares = batch::lane_dots(self.direction.data(), self.direction.data(), self.lanes);
        let mut curvature: Vec<f64> = squares.iter().map(|s| lambda * s).collect();
        let mut scratch = vec![T::ZERO; ROWS * self.lanes];
        let rows = self.fitted.data().chunks(ROWS * width).zip(self.along.data().chunks(ROWS * width));
        for ((fitted, along), weights) in rows.zip(self.weights.data().chunks(ROWS * self.lanes)) {
            let scratch = &mut scratch[..weights.len()];
            of.form.along(fitted, weights, along, scratch, &mut curvature);
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

    /// What became of model `b`; one that is still open, or lost, is trained by itself.
    fn finish(&mut self, b: usize, weights: Vec<f64>, norm: f64) -> Retrained {
        let (of, lanes) = (self.of, self.of.problem.lanes());
        if !self.open[b] && norm.is_finite() {
            let gradient = of.form.gradient(&self.gradient, b, lanes);
            let scores = of.scores(&of.form.weights(&self.theta, b, lanes), &gradient, &weights, self.level);
            return Retrained { scores, gradient_norm: norm, converged: true };
        }
        let level = of.level_of(&weights);
        let from = of.levels[level].point.theta.clone();
        let gradient = of.tolerance.gradient.max(exact::<T>().gradient);
        let tolerance = crate::train::Tolerance { gradient, ..of.tolerance };
        let (retrained, theta) = of.minimise(weights, level, from, tolerance);
        let narrow = of.form.narrow(&theta);
        let column = self.theta.data_mut()[b..].iter_mut().step_by(self.lanes);
        column.zip(narrow).for_each(|(to, x)| *to = x);
        of.problem.design().times(&self.theta, &mut self.scores, |_, _| {});
        retrained
    }
}
