//! The objective, its gradient and its curvature.

use assay_kernels::design::Single;
use assay_kernels::{Design, Mat, Real, panel};

use super::TrainError;
use crate::data::Target;
use crate::model::Family;

/// Records to learn from, a prior, a family: everything that defines the objective but t.
#[derive(Clone, Debug)]
pub struct Problem<'a, T> {
    design: &'a Design<T>,
    single: Single<'a>,
    family: Family,
    answers: Answers<T>,
    /// Weights that t multiplies.
    weights: Vec<f64>,
    /// Weights that count whatever t is; empty when there are none.
    standing: Vec<f64>,
    lambda: f64,
    lanes: usize,
    /// Norm of the gradient of the summed loss at the base model: what "small" is measured against.
    reference: f64,
    /// The same of the losses that count whatever t is.
    standing_reference: f64,
}

/// The target in the form that the loops read.
#[derive(Clone, Debug)]
enum Answers<T> {
    Classes(Vec<u32>),
    Numbers(Vec<T>),
}

/// A set of weights, with what the records' losses look like there.
#[derive(Clone, Debug)]
pub struct Point<T> {
    /// Weights, features x lanes.
    pub theta: Mat<T>,
    /// Class probabilities of each record, or its mean: records x lanes.
    pub fitted: Mat<T>,
    /// Loss of each record in nats, weight not applied.
    pub loss_nats: Vec<f64>,
}

impl<'a, T: Real> Problem<'a, T> {
    /// Checks and collects.
    ///
    /// # Errors
    /// When the parts do not go together; see [`TrainError`].
    pub fn new(
        design: &'a Design<T>,
        target: &Target,
        weights: Option<&[f64]>,
        lambda: f64,
        noise_variance: f64,
    ) -> Result<Self, TrainError> {
        let rows = design.rows();
        check_lengths(rows, target, weights)?;
        let positive = |x: f64| x > 0.0 && x.is_finite();
        if !positive(lambda) {
            return Err(TrainError::Number { what: "lambda", must: "finite and above zero" });
        }
        let answers = match target {
            Target::Classes { labels, count } => {
                let wrong = labels.iter().position(|&y| y as usize >= *count || *count < 2);
                if let Some(row) = wrong {
                    return Err(TrainError::Class { row, label: labels[row], classes: *count });
                }
                Answers::Classes(labels.clone())
            }
            Target::Numbers(numbers) => {
                if !positive(noise_variance) {
                    return Err(TrainError::Number {
                        what: "the noise variance",
                        must: "finite and above zero",
                    });
                }
                if numbers.iter().any(|y| !y.is_finite()) {
                    return Err(TrainError::Number { what: "every label", must: "finite" });
                }
                Answers::Numbers(numbers.iter().map(|&y| T::of(y)).collect())
            }
        };
        let family = Family::of(target, noise_variance);
        let weights = weights.map_or_else(|| vec![1.0; rows], <[f64]>::to_vec);
        let lanes = panel::lanes_for(family.outputs());
        let standing = Vec::new();
        let (reference, standing_reference) = (0.0, 0.0);
        let single = T::single(design);
        let mut problem = Self {
            design,
            single,
            family,
            answers,
            weights,
            standing,
            lambda,
            lanes,
            reference,
            standing_reference,
        };
        problem.reference = problem.base_gradient_norm(&problem.weights);
        Ok(problem)
    }

    /// The same problem with the marked records at their full weight whatever t is: the minimum at t = 0 is the model
    /// of those alone.
    ///
    /// # Errors
    /// When there is not one mark a record.
    pub fn holding(mut self, held: &[bool]) -> Result<Self, TrainError> {
        if held.len() != self.weights.len() {
            return Err(TrainError::Length { rows: self.weights.len(), others: held.len(), what: "marks" });
        }
        let part = |of: bool| move |(w, &held): (&f64, &bool)| if held == of { *w } else { 0.0 };
        self.standing = self.weights.iter().zip(held).map(part(true)).collect();
        self.weights = self.weights.iter().zip(held).map(part(false)).collect();
        self.standing_reference = self.base_gradient_norm(&self.standing);
        self.reference = self.base_gradient_norm(&self.weights);
        Ok(self)
    }

    /// Norm of the gradient of the loss, summed with these weights, at the base model.
    fn base_gradient_norm(&self, weights: &[f64]) -> f64 {
        let base = self.at(Mat::zeros(self.design.cols(), self.lanes));
        let mut gradient = Mat::zeros(self.design.cols(), self.lanes);
        self.design.transpose_times(
            &self.weighted_residuals(|i| weights[i], &base),
            &mut gradient,
            |_, _| {},
        );
        panel::group_dots(&gradient, &gradient, self.lanes)[0].sqrt()
    }

    /// The same problem with other weights of the records (not checked again), measured against the same reference.
    pub fn with_weights(&self, weights: Vec<f64>) -> Self {
        assert_eq!(weights.len(), self.weights.len(), "one weight a record");
        Self { weights, ..self.clone() }
    }

    /// The features.
    pub fn design(&self) -> &'a Design<T> {
        self.design
    }

    /// The features in f32.
    pub fn single(&self) -> &Design<f32> {
        &self.single
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Columns that an unknown is stored in.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Precision of the prior.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// Weights of the records, those that count whatever t is aside.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// What the gradient at `t` is small against: the norm of the gradient of the summed loss at the base model. Of
    /// the losses that count whatever t is, no more than those that t moves: what these do is what is asked.
    pub(super) fn reference(&self, t: f64) -> f64 {
        let standing = if self.reference > 0.0 {
            self.standing_reference.min(self.reference)
        } else {
            self.standing_reference
        };
        (standing + t * self.reference).max(f64::MIN_POSITIVE)
    }

    /// Weights of all records at `t`.
    pub fn weights_at(&self, t: f64) -> Vec<f64> {
        (0..self.weights.len()).map(|i| self.weight(i, t)).collect()
    }

    /// Weight of record `i` at `t`.
    fn weight(&self, i: usize, t: f64) -> f64 {
        self.standing.get(i).map_or(0.0, |s| *s) + t * self.weights[i]
    }

    /// True when some records count whatever t is.
    pub fn stands(&self) -> bool {
        self.standing.iter().any(|w| *w > 0.0)
    }

    /// Weights of the records that count whatever t is; empty when there are none.
    pub(super) fn standing(&self) -> &[f64] {
        &self.standing
    }

    /// What the losses look like at `theta`.
    pub fn at(&self, theta: Mat<T>) -> Point<T> {
        let mut fitted = Mat::zeros(self.design.rows(), self.lanes);
        if theta.data().iter().any(|&x| x != T::ZERO) {
            self.design.times(&theta, &mut fitted, |_, _| {});
        }
        let loss_nats = self.link(&mut fitted);
        Point { theta, fitted, loss_nats }
    }

    /// Turns raw outputs into probabilities or means in place; returns the losses.
    pub(super) fn link(&self, outputs: &mut Mat<T>) -> Vec<f64> {
        let mut loss = vec![0.0; outputs.rows()];
        match (&self.answers, self.family) {
            (Answers::Classes(labels), family) => {
                let classes = family.outputs();
                softmax_in_blocks(outputs.data_mut(), self.lanes, classes, labels, &mut loss);
            }
            (Answers::Numbers(numbers), family) => {
                let half = 0.5 / noise(family);
                for ((loss, &y), &mean) in loss.iter_mut().zip(numbers).zip(outputs.data()) {
                    let miss = (mean - y).f64();
                    *loss = half * miss * miss;
                }
            }
        }
        loss
    }

    /// `lambda / 2 |theta|^2 + t * sum w loss`, standing records not multiplied by t.
    pub fn objective(&self, t: f64, point: &Point<T>) -> f64 {
        let norm = panel::group_dots(&point.theta, &point.theta, self.lanes)[0];
        let sum = |weights: &[f64]| -> f64 { point.loss_nats.iter().zip(weights).map(|(l, w)| l * w).sum() };
        0.5 * self.lambda * norm + sum(&self.standing) + t * sum(&self.weights)
    }

    /// Gradients of the losses in score space, each times `scale` times the weight that t multiplies: records x lanes.
    pub fn residuals(&self, scale: f64, point: &Point<T>) -> Mat<T> {
        self.weighted_residuals(|i| scale * self.weights[i], point)
    }

    /// Gradients of the losses in score space, each times a weight of its own: records x lanes.
    pub fn weighted_residuals(&self, weight: impl Fn(usize) -> f64, point: &Point<T>) -> Mat<T> {
        let mut out = point.fitted.clone();
        match &self.answers {
            Answers::Classes(labels) => {
                for (i, &y) in labels.iter().enumerate() {
                    let weight = T::of(weight(i));
                    let row = out.row_mut(i);
                    row[y as usize] -= T::ONE;
                    row.iter_mut().for_each(|r| *r = *r * weight);
                }
            }
            Answers::Numbers(numbers) => {
                let noise = noise(self.family);
                for (i, &y) in numbers.iter().enumerate() {
                    let r = &mut out.row_mut(i)[0];
                    *r = (*r - y) * T::of(weight(i) / noise);
                }
            }
        }
        out
    }

    /// `lambda * theta + t * sum w grad loss`, for any lambda.
    pub(super) fn gradient(&self, lambda: f64, t: f64, point: &Point<T>) -> Mat<T> {
        let residuals = self.weighted_residuals(|i| self.weight(i, t), point);
        let mut out = Mat::zeros(self.design.cols(), self.lanes);
        let (lambda, theta, lanes) = (T::of(lambda), point.theta.data(), self.lanes);
        self.design.transpose_times(&residuals, &mut out, |first, rows| {
            rows.iter_mut().zip(&theta[first * lanes..]).for_each(|(g, &x)| *g += lambda * x);
        });
        out
    }

    /// Curvature of each record's loss in each pair of scores, times t and its weight: records x pairs.
    pub fn pair_curvatures(&self, t: f64, point: &Point<T>, pairs: &[(usize, usize)]) -> Mat<T> {
        let scale: Vec<T> = self.curvature_scale(t);
        let mut out = Mat::zeros(scale.len(), pairs.len());
        for (i, &scale) in scale.iter().enumerate() {
            let p = point.fitted.row(i);
            for (o, &(a, b)) in out.row_mut(i).iter_mut().zip(pairs) {
                *o = match self.family {
                    Family::Softmax { .. } if a == b => scale * p[a] * (T::ONE - p[a]),
                    Family::Softmax { .. } => -(scale * p[a] * p[b]),
                    Family::Gaussian { .. } => scale,
                };
            }
        }
        out
    }

    /// Weight of each record's curvature at `t`.
    pub(super) fn curvature_scale<U: Real>(&self, t: f64) -> Vec<U> {
        let noise = noise(self.family);
        self.weights_at(t).into_iter().map(|w| U::of(w / noise)).collect()
    }
}

fn noise(family: Family) -> f64 {
    match family {
        Family::Softmax { .. } => 1.0,
        Family::Gaussian { noise_variance } => noise_variance,
    }
}

fn check_lengths(rows: usize, target: &Target, weights: Option<&[f64]>) -> Result<(), TrainError> {
    if rows == 0 {
        return Err(TrainError::Empty);
    }
    if target.len() != rows {
        return Err(TrainError::Length { rows, others: target.len(), what: "answers" });
    }
    let Some(weights) = weights else { return Ok(()) };
    if weights.len() != rows {
        return Err(TrainError::Length { rows, others: weights.len(), what: "weights" });
    }
    if weights.iter().any(|w| !(w.is_finite() && *w >= 0.0)) {
        return Err(TrainError::Number { what: "every weight of a record", must: "finite and not negative" });
    }
    Ok(())
}

/// Rows that one thread turns into probabilities at a time.
const SOFTMAX_ROWS: usize = 512;

fn softmax_in_blocks<T: Real>(
    outputs: &mut [T],
    lanes: usize,
    classes: usize,
    labels: &[u32],
    loss: &mut [f64],
) {
    use rayon::prelude::*;
    let outputs = outputs.par_chunks_mut(SOFTMAX_ROWS * lanes);
    let answers = labels.par_chunks(SOFTMAX_ROWS).zip(loss.par_chunks_mut(SOFTMAX_ROWS));
    outputs.zip(answers).for_each(|(rows, (labels, loss))| {
        panel::softmax_rows(rows, lanes, classes, labels, loss);
    });
}
