//! Influence functions.

use assay_kernels::cg::{self, Stop};
use assay_kernels::cholesky::{Cholesky, weighted_grams};
use assay_kernels::{Mat, Real, panel};
use assay_learn::model::{Family, Model};
use assay_learn::train::{Curvature, Point, Precision, Problem, design, to_panel};

use super::linear::{Groups, Layout, Linear, group_gradients, minimum, record_products};
use super::{Cached, Method, Setting, Unit, Values};
use crate::path::ValueError;
use crate::{Examples, OnProgress, Progress, ValueFold};

/// What the weight of each record moves, to first order: the integrand of the path at one `t`. Bits per benchmark
/// example; samples are folds of the benchmark.
///
/// At `t` = 1 it predicts what the finished model loses without a few records (the influence function; Hampel 1974,
/// Koh and Liang, ICML 2017). At `t` = 1/2 it stands where random half subsets do, and predicts those better: the
/// first-order form of Data Banzhaf (Wang and Jia, arXiv 2205.15466). Neither sums to the gain, and copies gain.
///
/// The curvature is exact: one Cholesky factor up to `EXACT` parameters of dense features, O(n p^2 + p^3 + m p^2 +
/// n m p) for m examples; conjugate gradients beyond, to a relative residual of 1e-6.
#[derive(Clone, Copy, Debug)]
pub struct Influence {
    name: &'static str,
    t: f64,
    /// Number type.
    pub precision: Precision,
}

/// Parameters up to which the curvature is written out.
const EXACT: usize = 1_500;

/// Right-hand sides solved together with a factor, and solutions multiplied together: a panel of these and what it
/// gives stay in the cache.
const TOGETHER: usize = 1_024;
const PRODUCTS: usize = 32;

const LN_2: f64 = std::f64::consts::LN_2;

impl Influence {
    /// At the model of all records.
    pub const OPTIMUM: Self = Self { name: "influence", t: 1.0, precision: Precision::Auto };

    /// At the model of all records with half their weight.
    pub const CENTRED: Self = Self { name: "influence-centred", t: 0.5, precision: Precision::Auto };

    /// At this model, which is taken to be the minimum.
    ///
    /// # Errors
    /// When records, setting and model do not go together.
    pub fn at<'a>(
        &self,
        model: &Model,
        train: Examples<'a>,
        setting: &Setting<'a>,
    ) -> Result<Box<dyn Cached + 'a>, ValueError> {
        let family = Family::of(train.target, setting.noise_variance);
        if family != model.family() || model.theta().rows() != train.features.cols() {
            return Err(ValueError::Mismatch);
        }
        self.start(Some(model), train, setting)
    }

    fn start<'a>(
        &self,
        model: Option<&Model>,
        train: Examples<'a>,
        setting: &Setting<'a>,
    ) -> Result<Box<dyn Cached + 'a>, ValueError> {
        let outputs = Family::of(train.target, 1.0).outputs();
        Ok(if self.precision.is_double(train.features, outputs) {
            Box::new(Curved::<f64>::new(self.t, model, train, setting)?)
        } else {
            Box::new(Curved::<f32>::new(self.t, model, train, setting)?)
        })
    }
}

impl Method for Influence {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cache<'a>(
        &self,
        train: Examples<'a>,
        setting: &Setting<'a>,
        _: OnProgress<'_>,
    ) -> Result<Box<dyn Cached + 'a>, ValueError> {
        self.start(None, train, setting)
    }
}

/// The curvature at a point of the path.
struct Curved<'a, T> {
    linear: Linear<'a, T>,
    t: f64,
    point: Point<T>,
    factor: Option<Cholesky<T>>,
}

impl<'a, T: Real> Curved<'a, T> {
    fn new(
        t: f64,
        model: Option<&Model>,
        train: Examples<'a>,
        setting: &Setting<'a>,
    ) -> Result<Self, ValueError> {
        let linear = Linear::new(train, setting);
        let problem = linear.problem()?;
        let point = model.map_or_else(|| minimum(&problem, t), |model| problem.at(to_panel(model)));
        let factor = exact_curvature(&problem, t, &point).and_then(Cholesky::new);
        Ok(Self { t, point, factor, linear })
    }

    /// Influence on the mean over each group: records x groups.
    fn on_groups(
        &self,
        benchmark: ValueFold<'_>,
        groups: &Groups,
        on_progress: OnProgress<'_>,
    ) -> Result<Mat<f64>, ValueError> {
        let examples = benchmark.examples();
        let bench_design = design::<T>(examples.features);
        let bench = self.linear.benchmark(&bench_design, examples)?;
        let there = bench.residuals(-1.0 / LN_2, &bench.at(self.point.theta.clone()));
        let problem = self.linear.problem()?;
        let here = problem.residuals(-1.0, &self.point);
        let outputs = problem.family().outputs();
        let mut solver = match &self.factor {
            Some(factor) => Solver::Factor(factor),
            None => Solver::Gradients(problem.curvature(self.t, &self.point), problem.lanes()),
        };
        let count = groups.sizes.len();
        let mut out = Mat::zeros(problem.design().rows(), count);
        let mut scores = Mat::zeros(0, 0);
        for first in (0..count).step_by(solver.together()) {
            let range = first..(first + solver.together()).min(count);
            let gradients =
                |layout| group_gradients(examples.features, &there, outputs, groups, range.clone(), layout);
            let solved = solver.solve(range.len(), outputs, gradients);
            for part in range.clone().step_by(PRODUCTS) {
                let part = part..(part + PRODUCTS).min(range.end);
                let panel = columns(&solved, range.len(), part.start - first..part.end - first);
                record_products(problem.design(), &here, &panel, part.len(), &mut scores, |i, row| {
                    let out = &mut out.row_mut(i)[part.clone()];
                    out.iter_mut().zip(row).for_each(|(o, x)| *o = x.f64());
                });
            }
            on_progress(Progress { stage: "influence", done: range.end, total: count });
        }
        Ok(out)
    }
}

impl<T: Real> Cached for Curved<'_, T> {
    fn attribute(&self, benchmark: ValueFold<'_>, on_progress: OnProgress<'_>) -> Result<Values, ValueError> {
        let folds = Groups::folds(benchmark, self.linear.setting.seed);
        Ok(folds.values(Unit::Bits, &self.on_groups(benchmark, &folds, on_progress)?))
    }

    fn matrix(
        &self,
        benchmark: ValueFold<'_>,
        on_progress: OnProgress<'_>,
    ) -> Result<Option<Mat<f64>>, ValueError> {
        self.on_groups(benchmark, &Groups::singles(benchmark), on_progress).map(Some)
    }
}

/// Some of the unknowns that lie side by side in `panel`, `count` for each output.
fn columns<T: Real>(panel: &Mat<T>, count: usize, range: std::ops::Range<usize>) -> Mat<T> {
    let outputs = panel.cols() / count;
    let mut out = Mat::zeros(panel.rows(), outputs * range.len());
    for j in 0..panel.rows() {
        let from = panel.row(j).chunks_exact(count).map(|all| &all[range.clone()]);
        out.row_mut(j)
            .chunks_exact_mut(range.len())
            .zip(from)
            .for_each(|(to, from)| to.copy_from_slice(from));
    }
    out
}

/// A way to divide by the curvature.
enum Solver<'p, T> {
    Factor(&'p Cholesky<T>),
    /// Conjugate gradients, and the columns of an unknown there.
    Gradients(Curvature<'p, T>, usize),
}

impl<T: Real> Solver<'_, T> {
    fn together(&self) -> usize {
        match self {
            Self::Factor(_) => TOGETHER,
            Self::Gradients(_, lanes) => panel::groups_for(*lanes),
        }
    }

    /// The curvature's inverse times the `count` gradients that `right` lays out: features x (outputs * count), all
    /// of output 0 first.
    fn solve(&mut self, count: usize, outputs: usize, right: impl Fn((Layout, usize)) -> Mat<T>) -> Mat<T> {
        match self {
            Self::Factor(factor) => {
                let right = right((Layout { group: 1, output: count }, outputs * count));
                let (features, width) = (right.rows(), right.cols());
                // One row a parameter: the same numbers in the same order.
                let Some(mut flat) = Mat::from_vec(features * outputs, count, right.data().to_vec()) else {
                    return right;
                };
                factor.solve(&mut flat);
                Mat::from_vec(features, width, flat.data().to_vec()).unwrap_or(right)
            }
            Self::Gradients(curvature, lanes) => {
                let right = right((Layout { group: *lanes, output: 1 }, *lanes * count));
                let mut wide = Mat::zeros(right.rows(), right.cols());
                let stop = Stop { tolerance: 1e-6, iterations: 2_000 };
                cg::solve(curvature, &right, &mut wide, *lanes, true, stop);
                let mut out = Mat::zeros(right.rows(), outputs * count);
                for j in 0..right.rows() {
                    for (k, o) in out.row_mut(j).iter_mut().enumerate() {
                        *o = wide.row(j)[k % count * *lanes + k / count];
                    }
                }
                out
            }
        }
    }
}

/// The curvature written out (lower triangle; row and column of a parameter are feature * outputs + output), where
/// that is small.
fn exact_curvature<T: Real>(problem: &Problem<'_, T>, t: f64, point: &Point<T>) -> Option<Mat<T>> {
    let (design, outputs) = (problem.design(), problem.family().outputs());
    let (n, d) = (design.rows(), design.cols());
    if d * outputs > EXACT {
        return None;
    }
    let mut columns = Mat::zeros(d, n);
    for j in 0..d {
        columns.row_mut(j).copy_from_slice(design.dense_column(j)?);
    }
    let pairs: Vec<(usize, usize)> = (0..outputs).flat_map(|a| (0..=a).map(move |b| (a, b))).collect();
    let weights = problem.pair_curvatures(t, point, &pairs);
    let grams = weighted_grams(&columns, &weights);
    let mut out = Mat::zeros(d * outputs, d * outputs);
    for j in 0..d {
        for a in 0..outputs {
            let row = out.row_mut(j * outputs + a);
            row[j * outputs + a] = T::of(problem.lambda());
            for l in 0..=j {
                let grams = &grams[(j * d + l) * pairs.len()..][..pairs.len()];
                for (b, x) in row[l * outputs..][..outputs].iter_mut().enumerate() {
                    let (high, low) = (a.max(b), a.min(b));
                    *x += grams[high * (high + 1) / 2 + low];
                }
            }
        }
    }
    Some(out)
}
