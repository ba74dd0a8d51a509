//! A model in as few columns as it needs: two classes are one column, the difference of their scores.

use assay_kernels::{Mat, Real, batch};

use crate::data::Target;
use crate::model::Family;

/// What the outputs mean, and the answers in the form that the loops read.
#[derive(Debug)]
pub(super) enum Form<T> {
    /// Two classes: one column, the score of class 1 less that of class 0.
    Logit(Vec<T>),
    /// A column a class.
    Softmax(usize, Vec<u32>),
    /// One mean, and the precision of the noise.
    Normal(Vec<T>, f64),
}

/// Models side by side where each has one column.
const NARROW_LANES: usize = 32;

impl<T: Real> Form<T> {
    pub(super) fn new(target: &Target, family: Family) -> Self {
        match (target, family) {
            (Target::Numbers(y), Family::Gaussian { noise_variance }) => {
                Self::Normal(y.iter().map(|&y| T::of(y)).collect(), 1.0 / noise_variance)
            }
            (Target::Numbers(y), Family::Softmax { .. }) => {
                Self::Normal(y.iter().map(|&y| T::of(y)).collect(), 1.0)
            }
            (Target::Classes { labels, count: 2 }, _) => {
                Self::Logit(labels.iter().map(|&y| T::of(f64::from(y))).collect())
            }
            (Target::Classes { labels, count }, _) => Self::Softmax(*count, labels.clone()),
        }
    }

    /// Columns of one model.
    pub(super) fn columns(&self) -> usize {
        match self {
            Self::Softmax(classes, _) => *classes,
            Self::Logit(_) | Self::Normal(..) => 1,
        }
    }

    /// Models side by side.
    pub(super) fn lanes(&self) -> usize {
        match self {
            Self::Softmax(..) => batch::SOFTMAX_LANES,
            Self::Logit(_) | Self::Normal(..) => NARROW_LANES,
        }
    }

    /// The prior of these columns: two opposite scores share the square of their difference.
    pub(super) fn lambda(&self, lambda: f64) -> f64 {
        if let Self::Logit(_) = self { 0.5 * lambda } else { lambda }
    }

    /// Norm of a gradient of the whole model over that of these columns.
    pub(super) fn norm_factor(&self) -> f64 {
        if let Self::Logit(_) = self { std::f64::consts::SQRT_2 } else { 1.0 }
    }

    /// Of weights features x lanes, the columns of a feature together.
    pub(super) fn narrow(&self, theta: &Mat<T>) -> Vec<T> {
        let row = |j: usize| theta.row(j);
        match self {
            Self::Logit(_) => (0..theta.rows()).map(|j| row(j)[1] - row(j)[0]).collect(),
            _ => (0..theta.rows()).flat_map(|j| &row(j)[..self.columns()]).copied().collect(),
        }
    }

    /// Model `b` of a panel of weights, features x lanes.
    pub(super) fn weights(&self, panel: &Mat<T>, b: usize, lanes: usize) -> Mat<T> {
        self.widen(panel, b, lanes, 0.5)
    }

    /// Model `b` of a panel of gradients, features x lanes.
    pub(super) fn gradient(&self, panel: &Mat<T>, b: usize, lanes: usize) -> Mat<T> {
        self.widen(panel, b, lanes, 1.0)
    }

    fn widen(&self, panel: &Mat<T>, b: usize, lanes: usize, half: f64) -> Mat<T> {
        let columns = self.columns();
        let mut out = Mat::zeros(panel.data().len() / (columns * self.lanes()), lanes);
        for (j, from) in panel.data().chunks_exact(columns * self.lanes()).enumerate() {
            let to = out.row_mut(j);
            if let Self::Logit(_) = self {
                (to[1], to[0]) = (T::of(half) * from[b], -(T::of(half) * from[b]));
            } else {
                (0..columns).for_each(|k| to[k] = from[k * self.lanes() + b]);
            }
        }
        out
    }

    /// Turns scores of rows from `first` on into probabilities or means in place, and writes their weighted
    /// gradients.
    pub(super) fn fit(&self, first: usize, scores: &mut [T], weights: &[T], residuals: &mut [T]) {
        let lanes = self.lanes();
        match self {
            Self::Logit(y) => {
                batch::sigmoid(scores);
                batch::misses(scores, &y[first..], weights, lanes, residuals);
            }
            Self::Normal(y, precision) => {
                batch::misses(scores, &y[first..], weights, lanes, residuals);
                let precision = T::of(*precision);
                residuals.iter_mut().for_each(|r| *r = *r * precision);
            }
            Self::Softmax(classes, labels) => {
                batch::softmax(scores, *classes);
                let rows =
                    scores.chunks_exact(classes * lanes).zip(residuals.chunks_exact_mut(classes * lanes));
                for (((p, r), w), &y) in rows.zip(weights.chunks_exact(lanes)).zip(&labels[first..]) {
                    for (p, r) in p.chunks_exact(lanes).zip(r.chunks_exact_mut(lanes)) {
                        r.iter_mut().zip(p.iter().zip(w)).for_each(|(r, (&p, &w))| *r = p * w);
                    }
                    let own = &mut r[y as usize * lanes..][..lanes];
                    own.iter_mut().zip(w).for_each(|(r, &w)| *r -= w);
                }
            }
        }
    }

    /// Weighted curvature of every row's loss in a pair of columns.
    pub(super) fn spreads(&self, pair: (usize, usize), fitted: &[T], weights: &[T], out: &mut [T]) {
        if let Self::Normal(_, precision) = self {
            let precision = T::of(*precision);
            out.iter_mut().zip(weights).for_each(|(o, &w)| *o = w * precision);
        } else {
            batch::spreads(fitted, self.columns(), pair, weights, self.lanes(), out);
        }
    }

    /// Adds the weighted curvature of the rows' losses along a step of their scores to the sum of each model;
    /// `scratch` is as long as the weights.
    pub(super) fn along(&self, fitted: &[T], weights: &[T], step: &[T], scratch: &mut [T], sums: &mut [f64]) {
        if let Self::Softmax(classes, _) = self {
            batch::softmax_along(fitted, *classes, weights, step, sums);
        } else {
            self.spreads((0, 0), fitted, weights, scratch);
            batch::along(scratch, step, sums);
        }
    }
}
