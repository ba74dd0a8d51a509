//! What the methods that rest on a fitted linear model share.

use assay_kernels::{Design, Mat, Real};
use assay_learn::crossval::shuffled;
use assay_learn::data::Features;
use assay_learn::model::Family;
use assay_learn::train::{Point, Problem, Tolerance, design};

use super::{Setting, Unit, Values};
use crate::path::ValueError;
use crate::{Examples, ValueFold};

/// Parts of the benchmark whose values are the samples of methods that are linear in it.
const FOLDS: usize = 8;

/// Records and what their model is. A [`Problem`] of it borrows the design, and is made anew where it is needed.
pub(super) struct Linear<'a, T> {
    pub(super) train: Examples<'a>,
    pub(super) setting: Setting<'a>,
    pub(super) design: Design<T>,
}

impl<'a, T: Real> Linear<'a, T> {
    pub(super) fn new(train: Examples<'a>, setting: &Setting<'a>) -> Self {
        Self { train, setting: *setting, design: design(train.features) }
    }

    /// The objective that the records define.
    pub(super) fn problem(&self) -> Result<Problem<'_, T>, ValueError> {
        let s = &self.setting;
        Problem::new(&self.design, self.train.target, s.weights, s.lambda, s.noise_variance)
            .map_err(ValueError::Train)
    }

    /// The benchmark as an objective, on `bench`, its own design.
    pub(super) fn benchmark<'b>(
        &self,
        bench: &'b Design<T>,
        examples: Examples<'_>,
    ) -> Result<Problem<'b, T>, ValueError> {
        same_kind(self.train, examples)?;
        let s = &self.setting;
        Problem::new(bench, examples.target, None, s.lambda, s.noise_variance).map_err(ValueError::Benchmark)
    }
}

/// The minimum at `t`, as exact as the number type allows at little cost.
pub(super) fn minimum<T: Real>(problem: &Problem<'_, T>, t: f64) -> Point<T> {
    let start = Mat::zeros(problem.design().cols(), problem.lanes());
    let exact = if size_of::<T>() == 4 { 1e-5 } else { 1e-10 };
    problem.minimise(t, start, Tolerance::relative(exact)).point
}

/// Refuses a benchmark of another task, with other classes or with other features.
pub(super) fn same_kind(train: Examples<'_>, benchmark: Examples<'_>) -> Result<(), ValueError> {
    let same_task = Family::of(train.target, 1.0) == Family::of(benchmark.target, 1.0);
    let same = same_task && train.features.cols() == benchmark.features.cols();
    if same { Ok(()) } else { Err(ValueError::Mismatch) }
}

/// Examples dealt into groups.
pub(super) struct Groups {
    /// Group of each example.
    pub(super) of: Vec<usize>,
    /// Examples in each group.
    pub(super) sizes: Vec<usize>,
}

impl Groups {
    /// A few folds of about equal size.
    pub(super) fn folds(benchmark: ValueFold<'_>, seed: u64) -> Self {
        let size = benchmark.examples().target.len();
        let count = FOLDS.min(size);
        let mut groups = Self { of: vec![0; size], sizes: vec![0; count] };
        for (k, i) in shuffled(size, seed, size).into_iter().enumerate() {
            groups.of[i] = k % count;
            groups.sizes[k % count] += 1;
        }
        groups
    }

    /// Every example by itself.
    pub(super) fn singles(benchmark: ValueFold<'_>) -> Self {
        let size = benchmark.examples().target.len();
        Self { of: (0..size).collect(), sizes: vec![1; size] }
    }

    /// Values from the values against each group alone (records x groups): their mean weighted by size, with the
    /// groups as samples.
    pub(super) fn values(&self, unit: Unit, parts: &Mat<f64>) -> Values {
        let total: f64 = self.sizes.iter().map(|&m| m as f64).sum();
        let shares: Vec<f64> = self.sizes.iter().map(|&m| m as f64 / total).collect();
        let count = shares.len();
        let mut out = Values::empty(unit, parts.rows());
        for i in 0..parts.rows() {
            let row = || parts.row(i).iter().zip(&shares);
            let mean: f64 = row().map(|(x, s)| s * x).sum();
            let spread: f64 = row().map(|(x, s)| s * (x - mean) * (x - mean)).sum();
            (out.mean[i], out.squares[i], out.count[i]) = (mean, count as f64 * spread, count as u64);
        }
        out
    }
}

/// How far the next feature, output and group are from one another in a panel.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) feature: usize,
    pub(super) output: usize,
    pub(super) group: usize,
}

/// Adds to `out`, laid out as `layout` says, the means over the groups `range` of the outer products of features and
/// `residuals` of their examples.
pub(super) fn group_gradients<T: Real>(
    features: &Features,
    residuals: &Mat<T>,
    outputs: usize,
    groups: &Groups,
    range: std::ops::Range<usize>,
    layout: Layout,
    out: &mut Mat<T>,
) {
    for (i, g) in groups.of.iter().enumerate().filter(|(_, g)| range.contains(g)) {
        let share = T::of(1.0 / groups.sizes[*g] as f64);
        let at = (g - range.start) * layout.group;
        let scaled: Vec<T> = residuals.row(i)[..outputs].iter().map(|&r| r * share).collect();
        let mut add = |j: usize, x: f32| {
            let x = T::of(f64::from(x));
            let to = out.data_mut()[j * layout.feature + at..].iter_mut().step_by(layout.output);
            to.zip(&scaled).for_each(|(o, &r)| *o += x * r);
        };
        match features {
            Features::Dense(m) => m.row(i).iter().enumerate().for_each(|(j, &x)| add(j, x)),
            Features::Sparse(m) => {
                let (columns, values) = m.row(i);
                columns.iter().zip(values).for_each(|(&j, &x)| add(j as usize, x));
            }
        }
    }
}

/// The inner products of each record's gradient, features times `residuals`, with `count` matrices of the model's
/// shape, one record after the other. `panel` holds them side by side, all of output 0 first; `scores` is scratch.
pub(super) fn record_products<T: Real>(
    design: &Design<T>,
    residuals: &Mat<T>,
    panel: &Mat<T>,
    count: usize,
    scores: &mut Mat<T>,
    mut put: impl FnMut(usize, &[T]),
) {
    let width = panel.cols();
    if scores.cols() != width {
        *scores = Mat::zeros(design.rows(), width);
    }
    design.times(panel, scores, |first, rows| {
        for (k, row) in rows.chunks_exact_mut(width).enumerate() {
            let residuals = residuals.row(first + k);
            let (sum, rest) = row.split_at_mut(count);
            sum.iter_mut().for_each(|x| *x = *x * residuals[0]);
            for (scores, &r) in rest.chunks_exact(count).zip(&residuals[1..]) {
                sum.iter_mut().zip(scores).for_each(|(sum, &x)| *sum += r * x);
            }
        }
    });
    for i in 0..scores.rows() {
        put(i, &scores.row(i)[..count]);
    }
}
