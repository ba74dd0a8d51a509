//! Many retrainings of one design, each with other weights of its records, from models that are near.
//!
//! Small dense models are trained several at a time, side by side in one panel, so that every step of all of them is
//! one matrix product ([`assay_kernels::batch`]): by Newton's method, each with its own curvature, where that is cheap
//! to build, and else by conjugate gradients (Polak and Ribiere, 1969) with the factored curvature of a nearby model
//! as preconditioner. Large and sparse ones, and those that this leaves short of the tolerance, are trained one by one
//! by truncated Newton. Each result depends on its own weights and its place in the list, never on threads.
//!
//! A retraining may stop early without harm to its score: what the rest of the way would still add to a loss is, to
//! second order, the gradient left over times a vector that is the same for all retrainings near one model, and is
//! added (the dual-weighted residual of Becker and Rannacher, Acta Numerica 10, 2001).

mod curvature;
mod form;
mod lanes;

use assay_kernels::cg::{self, Stop};
use assay_kernels::design::Single;
use assay_kernels::{Design, Mat, Real, panel};
use rayon::prelude::*;

use crate::data::Target;
use crate::model::{Family, Model};
use crate::train::{Point, Problem, Tolerance, TrainError, to_panel};
use curvature::Own;
use form::Form;
use lanes::Lanes;

/// How to retrain.
#[derive(Clone, Debug)]
pub struct RetrainOptions<'a> {
    /// Precision of the prior.
    pub lambda: f64,
    /// Variance of the noise; read for numbers only.
    pub noise_variance: f64,
    /// Weight of each record; `None` is 1 for all.
    pub weights: Option<&'a [f64]>,
    /// Shares of the weight of all records at which a model is kept: a retraining starts from the nearest.
    pub levels: &'a [f64],
    /// When a retraining is near enough. Scores are corrected for what is left, see the module.
    pub tolerance: Tolerance,
}

/// What to say of each retrained model beside its loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// How many examples it answers rightly.
    pub right: bool,
    /// The loss of every example.
    pub each: bool,
    /// What the weight of every record adds to the loss, to first order: one more system solved a model.
    pub influence: bool,
}

/// How one retrained model does on one set of examples.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Sum of the losses in nats, corrected to the minimum.
    pub loss_nats: f64,
    /// Examples whose likeliest class is the right one, the first of equals being the answer; 0 unless asked for.
    pub right: usize,
    /// Loss of each example, not corrected; empty unless asked for.
    pub losses_nats: Vec<f64>,
    /// What the whole weight of each record, in the coalition or not, adds to the loss, to first order; empty unless
    /// asked for.
    pub influence_nats: Vec<f64>,
}

/// One retraining.
#[derive(Clone, Debug, PartialEq)]
pub struct Retrained {
    /// On each set of examples, in the order in which they were added.
    pub scores: Vec<Score>,
    /// Norm of the gradient left over.
    pub gradient_norm: f64,
    /// True when the tolerance was reached.
    pub converged: bool,
}

/// A model of all records at one weight, and what is known near it.
#[derive(Debug)]
struct Level<T> {
    t: f64,
    point: Point<T>,
    /// Inverse curvature, outputs of a feature together; when models share it as their preconditioner.
    inverse: Option<Mat<f32>>,
    /// For each set of examples, the curvature's inverse times the gradient of their loss.
    duals: Vec<Mat<T>>,
}

/// A set of examples to score on.
#[derive(Debug)]
struct Fold<'a, T> {
    problem: Problem<'a, T>,
    labels: Vec<u32>,
    base_nats: f64,
    ask: Ask,
}

/// Retrains one design.
#[derive(Debug)]
pub struct Retrainer<'a, T> {
    problem: Problem<'a, T>,
    form: Form<T>,
    /// The pairs of features from which each model builds its own curvature, where that is cheap.
    own: Option<Own<T>>,
    /// Design and form in f32, where models go most of their way in it.
    rough: Option<(Single<'a>, Form<f32>)>,
    levels: Vec<Level<T>>,
    folds: Vec<Fold<'a, T>>,
    tolerance: Tolerance,
    /// Norm of the gradient of the summed loss at the base model.
    reference: f64,
}

/// Writes the weights of the next model of a chain, given what came before; false ends the chain. The weights hold
/// those of all records when it is called.
pub type Next<'f> = dyn Fn(usize, &[Retrained], &mut [f64]) -> bool + Sync + 'f;

/// Unknowns of a model whose inverse curvature is written out, at most.
const SHARED_UNKNOWNS: usize = 1_500;

/// Levels are trained to this, relative to the base model's gradient.
fn exact<T>() -> Tolerance {
    Tolerance::relative(if size_of::<T>() == 4 { 1e-5 } else { 1e-9 })
}

impl<'a, T: Real> Retrainer<'a, T> {
    /// Trains the levels, starting from `warm`.
    ///
    /// # Errors
    /// When the parts do not go together, and when there is no level or one is not finite and at least zero.
    pub fn new(
        design: &'a Design<T>,
        target: &Target,
        options: &RetrainOptions<'_>,
        warm: Option<&Model>,
    ) -> Result<Self, TrainError> {
        let o = options;
        let problem = Problem::new(design, target, o.weights, o.lambda, o.noise_variance)?;
        if o.levels.is_empty() || o.levels.iter().any(|t| !(t.is_finite() && *t >= 0.0)) {
            return Err(TrainError::Number { what: "every level", must: "finite and not negative" });
        }
        let base = problem.at(Mat::zeros(design.cols(), problem.lanes()));
        let gradient = summed_gradient(&problem, &base);
        let reference = panel::group_dots(&gradient, &gradient, problem.lanes())[0].sqrt();
        let form = Form::new(target, problem.family());
        let own = Own::new(design, &form);
        let share = !design.is_sparse() && design.cols() * form.columns() <= SHARED_UNKNOWNS;
        let mut theta = warm.map_or(base.theta, to_panel);
        let mut levels = Vec::new();
        for &t in o.levels {
            let point = problem.minimise(t, theta, exact::<T>()).point;
            theta = point.theta.clone();
            let inverse =
                if own.is_none() && share { curvature::inverse(&problem, &form, t, &point) } else { None };
            levels.push(Level { t, point, inverse, duals: Vec::new() });
        }
        let rough = share && own.is_none() && size_of::<T>() > size_of::<f32>();
        let rough = rough.then(|| (T::single(design), Form::new(target, problem.family())));
        Ok(Self { problem, form, own, rough, levels, folds: Vec::new(), tolerance: o.tolerance, reference })
    }

    /// Adds a set of examples to score every model on.
    ///
    /// # Errors
    /// When the examples do not go together.
    ///
    /// # Panics
    /// When they have other features or another task than the records.
    pub fn score_on(&mut self, design: &'a Design<T>, target: &Target, ask: Ask) -> Result<(), TrainError> {
        let noise = match self.problem.family() {
            Family::Gaussian { noise_variance } => noise_variance,
            Family::Softmax { .. } => 1.0,
        };
        assert_eq!(Family::of(target, noise), self.problem.family(), "examples of another task");
        assert_eq!(design.cols(), self.problem.design().cols(), "examples of other features");
        let problem = Problem::new(design, target, None, self.problem.lambda(), noise)?;
        let labels = match target {
            Target::Classes { labels, .. } => labels.clone(),
            Target::Numbers(_) => Vec::new(),
        };
        for level in &mut self.levels {
            let gradient = summed_gradient(&problem, &problem.at(level.point.theta.clone()));
            let mut dual = Mat::zeros(gradient.rows(), gradient.cols());
            let mut curvature = self.problem.curvature(level.t, &level.point);
            let stop = Stop { tolerance: if size_of::<T>() == 4 { 1e-4 } else { 1e-8 }, iterations: 1_000 };
            cg::solve(&mut curvature, &gradient, &mut dual, self.problem.lanes(), true, stop);
            level.duals.push(dual);
        }
        let base = problem.at(Mat::zeros(design.cols(), problem.lanes()));
        let base_nats = base.loss_nats.iter().sum();
        self.folds.push(Fold { problem, labels, base_nats, ask });
        Ok(())
    }

    /// From here on asks this of a set of examples.
    ///
    /// # Panics
    /// When there is no such set.
    pub fn ask(&mut self, fold: usize, ask: Ask) {
        self.folds[fold].ask = ask;
    }

    /// Summed loss in nats of a set of examples under the base model.
    ///
    /// # Panics
    /// When there is no such set.
    pub fn base_nats(&self, fold: usize) -> f64 {
        self.folds[fold].base_nats
    }

    /// What the weight of each record adds to a set's summed loss, to first order, at each level: records x levels.
    ///
    /// # Panics
    /// When there is no such set.
    pub fn influence_nats(&self, fold: usize) -> Mat<f64> {
        let mut out = Mat::zeros(self.problem.design().rows(), self.levels.len());
        for (k, level) in self.levels.iter().enumerate() {
            let influence = self.products(&level.duals[fold], &level.point);
            influence.iter().enumerate().for_each(|(i, &x)| out.row_mut(i)[k] = x);
        }
        out
    }

    /// The same at a model of other weights.
    fn influence_at(&self, fold: &Fold<'_, T>, theta: &Mat<T>, weights: &[f64]) -> Vec<f64> {
        let there = self.problem.with_weights(weights.to_vec());
        let (point, answers) = (there.at(theta.clone()), fold.problem.at(theta.clone()));
        let mut dual = Mat::zeros(theta.rows(), theta.cols());
        let stop = Stop { tolerance: 1e-4, iterations: 1_000 };
        let gradient = summed_gradient(&fold.problem, &answers);
        cg::solve(&mut there.curvature(1.0, &point), &gradient, &mut dual, there.lanes(), true, stop);
        self.products(&dual, &point)
    }

    /// Less the products of each record's gradient at a point with `dual`.
    fn products(&self, dual: &Mat<T>, point: &Point<T>) -> Vec<f64> {
        let residuals = self.problem.residuals(-1.0, point);
        let mut moved = Mat::zeros(residuals.rows(), residuals.cols());
        self.problem.design().times(dual, &mut moved, |_, _| {});
        let product = |(a, b): (&T, &T)| a.f64() * b.f64();
        (0..moved.rows()).map(|i| moved.row(i).iter().zip(residuals.row(i)).map(product).sum()).collect()
    }

    /// Trains `count` models; `weigh` gets the number of the model and the weights of all records, to change.
    /// `on_done` is told how many more models are done.
    pub fn each(
        &self,
        count: usize,
        weigh: &(dyn Fn(usize, &mut [f64]) + Sync),
        on_done: &(dyn Fn(usize) + Sync),
    ) -> Vec<Retrained> {
        let once = |k: usize, done: &[Retrained], weights: &mut [f64]| {
            weigh(k, weights);
            done.is_empty()
        };
        self.chains(count, &once, on_done).into_iter().flatten().collect()
    }

    /// Trains chains of models, each starting from the one before it in its chain.
    pub fn chains(
        &self,
        count: usize,
        next: &Next<'_>,
        on_done: &(dyn Fn(usize) + Sync),
    ) -> Vec<Vec<Retrained>> {
        let together = if self.is_batched() { self.form.lanes() } else { 1 };
        let blocks: Vec<usize> = (0..count).step_by(together).collect();
        let run = |&first: &usize| {
            let chains = first..(first + together).min(count);
            if self.is_batched() {
                Lanes::new(self).run(chains, next, on_done)
            } else {
                chains.map(|chain| self.one_by_one(chain, next, on_done)).collect()
            }
        };
        blocks.par_iter().map(run).collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn is_batched(&self) -> bool {
        self.own.is_some() || self.levels.iter().all(|l| l.inverse.is_some())
    }

    fn one_by_one(&self, chain: usize, next: &Next<'_>, on_done: &(dyn Fn(usize) + Sync)) -> Vec<Retrained> {
        let (mut done, mut theta) = (Vec::new(), None);
        loop {
            let mut weights = self.problem.weights().to_vec();
            if !next(chain, &done, &mut weights) {
                return done;
            }
            let level = self.level_of(&weights);
            let mut from = theta.unwrap_or_else(|| self.levels[level].point.theta.clone());
            if weights.iter().all(|&w| w == 0.0) {
                from = Mat::zeros(from.rows(), from.cols());
            }
            let (retrained, at) = self.minimise(weights, level, from, self.tolerance);
            theta = Some(at);
            done.push(retrained);
            on_done(1);
        }
    }

    fn minimise(
        &self,
        weights: Vec<f64>,
        level: usize,
        from: Mat<T>,
        tolerance: Tolerance,
    ) -> (Retrained, Mat<T>) {
        let minimum = self.problem.with_weights(weights.clone()).minimise(1.0, from, tolerance);
        let scores = self.scores(&minimum.point.theta, &minimum.gradient, &weights, level);
        let norm = panel::group_dots(&minimum.gradient, &minimum.gradient, self.problem.lanes())[0].sqrt();
        (Retrained { scores, gradient_norm: norm, converged: minimum.converged }, minimum.point.theta)
    }

    /// The level whose share of the weight is nearest.
    fn level_of(&self, weights: &[f64]) -> usize {
        let all: f64 = self.problem.weights().iter().sum();
        let share = weights.iter().sum::<f64>() / all.max(f64::MIN_POSITIVE);
        let away = |k: &usize| (self.levels[*k].t - share).abs();
        (0..self.levels.len()).min_by(|a, b| away(a).total_cmp(&away(b))).unwrap_or(0)
    }

    /// What a model does on every set of examples, with `gradient` left over.
    fn scores(&self, theta: &Mat<T>, gradient: &Mat<T>, weights: &[f64], level: usize) -> Vec<Score> {
        let score = |(fold, dual): (&Fold<'_, T>, &Mat<T>)| {
            let point = fold.problem.at(theta.clone());
            let left = panel::group_dots(dual, gradient, self.problem.lanes())[0];
            let right = if fold.ask.right { right(&fold.labels, &point.fitted) } else { 0 };
            let loss_nats = point.loss_nats.iter().sum::<f64>() - left;
            let losses_nats = if fold.ask.each { point.loss_nats } else { Vec::new() };
            let ask = fold.ask.influence;
            let influence_nats = if ask { self.influence_at(fold, theta, weights) } else { Vec::new() };
            Score { loss_nats, right, losses_nats, influence_nats }
        };
        self.folds.iter().zip(&self.levels[level].duals).map(score).collect()
    }
}

/// Gradient of the sum of a problem's losses, its prior left out.
fn summed_gradient<T: Real>(problem: &Problem<'_, T>, point: &Point<T>) -> Mat<T> {
    let mut out = Mat::zeros(problem.design().cols(), problem.lanes());
    problem.design().transpose_times(&problem.residuals(1.0, point), &mut out, |_, _| {});
    out
}

/// Examples whose likeliest class is their own; the first of equals is the answer.
fn right<T: Real>(labels: &[u32], fitted: &Mat<T>) -> usize {
    let is_right = |(i, label): &(usize, &u32)| {
        let (row, y) = (fitted.row(*i), **label as usize);
        row[..y].iter().all(|p| *p < row[y]) && row[y + 1..].iter().all(|p| *p <= row[y])
    };
    labels.iter().enumerate().filter(is_right).count()
}
