//! The benchmark as what is differentiated: its mean log2 p, and the gradients of that, whole and by fold.

use assay_kernels::{Design, Mat, Real};
use assay_learn::crossval::shuffled;
use assay_learn::model::Family;
use assay_learn::train::{Point, Problem};

use crate::{Examples, PathOptions, ValueError};

/// The benchmark as a function of the weights.
pub(crate) struct Benchmark<'a, T> {
    pub(crate) problem: Problem<'a, T>,
    /// Mean of log2 p before any record.
    pub(crate) empty_bits: f64,
    /// Fold of each example.
    fold_of: Vec<usize>,
    /// Examples in each fold.
    pub(crate) fold_sizes: Vec<usize>,
}

const LN_2: f64 = std::f64::consts::LN_2;

impl<'a, T: Real> Benchmark<'a, T> {
    pub(crate) fn new(
        design: &'a Design<T>,
        examples: Examples<'_>,
        train: &Problem<'_, T>,
        o: &PathOptions<'_>,
    ) -> Result<Self, ValueError> {
        let problem = Problem::new(design, examples.target, None, train.lambda(), o.noise_variance)
            .map_err(ValueError::Benchmark)?;
        let size = examples.target.len();
        let folds = if size < 2 { 0 } else { o.folds.min(size) };
        let mut fold_of = vec![0; size];
        let mut fold_sizes = vec![0; folds];
        if folds > 0 {
            for (k, i) in shuffled(size, o.seed, size).into_iter().enumerate() {
                fold_of[i] = k % folds;
                fold_sizes[k % folds] += 1;
            }
        }
        let mut out = Self { problem, empty_bits: 0.0, fold_of, fold_sizes };
        out.empty_bits = out.bits(&out.problem.at(Mat::zeros(design.cols(), out.problem.lanes())));
        Ok(out)
    }

    pub(crate) fn size(&self) -> f64 {
        self.fold_of.len() as f64
    }

    /// Mean log2 p of a model. Losses of normals leave out the constant of the density; log2 p has it.
    pub(crate) fn bits(&self, point: &Point<T>) -> f64 {
        let constant = match self.problem.family() {
            Family::Softmax { .. } => 0.0,
            Family::Gaussian { noise_variance } => 0.5 * (2.0 * std::f64::consts::PI * noise_variance).log2(),
        };
        -point.loss_nats.iter().sum::<f64>() / self.size() / LN_2 - constant
    }

    /// Gradient of the mean over the whole benchmark.
    pub(crate) fn mean_gradient(&self, point: &Point<T>) -> Mat<T> {
        let residuals = self.problem.residuals(-1.0 / (self.size() * LN_2), point);
        let design = self.problem.design();
        let mut out = Mat::zeros(design.cols(), self.problem.lanes());
        design.transpose_times(&residuals, &mut out, |_, _| {});
        out
    }

    /// Gradients of the folds' means less `mean`, side by side for the folds named.
    pub(crate) fn fold_deviations(
        &self,
        point: &Point<T>,
        folds: std::ops::Range<usize>,
        mean: &Mat<T>,
    ) -> Mat<T> {
        let (design, lanes) = (self.problem.design(), self.problem.lanes());
        let width = lanes * folds.len();
        let residuals = self.problem.residuals(-1.0 / LN_2, point);
        let mut wide = Mat::zeros(design.rows(), width);
        for (i, &fold) in self.fold_of.iter().enumerate() {
            if folds.contains(&fold) {
                let share = T::of(1.0 / self.fold_sizes[fold] as f64);
                let group = &mut wide.row_mut(i)[(fold - folds.start) * lanes..][..lanes];
                group.iter_mut().zip(residuals.row(i)).for_each(|(g, &r)| *g = r * share);
            }
        }
        let mut out = Mat::zeros(design.cols(), width);
        design.transpose_times(&wide, &mut out, |first, rows| {
            for (k, row) in rows.chunks_exact_mut(width).enumerate() {
                for group in row.chunks_exact_mut(lanes) {
                    group.iter_mut().zip(mean.row(first + k)).for_each(|(g, &m)| *g -= m);
                }
            }
        });
        out
    }
}
