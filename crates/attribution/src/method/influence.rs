//! Influence functions.

mod contrasts;

use assay_kernels::cg::{self, Stop};
use assay_kernels::cholesky::{Cholesky, weighted_grams};
use assay_kernels::{Design, Mat, Real, panel};
use assay_learn::model::{Family, Model};
use assay_learn::train::{Curvature, Point, Precision, Problem, to_panel};

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
/// n m p) for m examples; conjugate gradients beyond, to a relative residual of 1e-6. Values against each example by itself
/// ([`Cached::matrix`]) end in a product in f32 unless the precision is `Double`: off by about 1e-7 of the largest.
#[derive(Clone, Copy, Debug)]
pub struct Influence {
    name: &'static str,
    t: f64,
    /// Number type of the curvature and of what is solved with it.
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
            Box::new(Curved::<f64>::new(self, model, train, setting)?)
        } else {
            Box::new(Curved::<f32>::new(self, model, train, setting)?)
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
    /// Nothing is rounded to f32.
    exact: bool,
}

impl<'a, T: Real> Curved<'a, T> {
    fn new(
        influence: &Influence,
        model: Option<&Model>,
        train: Examples<'a>,
        setting: &Setting<'a>,
    ) -> Result<Self, ValueError> {
        let linear = Linear::new(train, setting);
        let (problem, t) = (linear.problem()?, influence.t);
        let point = model.map_or_else(|| minimum(&problem, t), |model| problem.at(to_panel(model)));
        let factor = exact_curvature(&problem, t, &point).and_then(Cholesky::new);
        let exact = matches!(influence.precision, Precision::Double);
        Ok(Self { t, point, factor, exact, linear })
    }

    /// Influence on the mean over each group: records x groups. `design` is that of the records, in the number type of
    /// the last product.
    fn on_groups<U: Real>(
        &self,
        design: &Design<U>,
        benchmark: ValueFold<'_>,
        groups: &Groups,
        on_progress: OnProgress<'_>,
    ) -> Result<Mat<f64>, ValueError> {
        let examples = benchmark.examples();
        let bench_design = assay_learn::train::design::<T>(examples.features);
        let bench = self.linear.benchmark(&bench_design, examples)?;
        let mut there = bench.residuals(-1.0 / LN_2, &bench.at(self.point.theta.clone()));
        let problem = self.linear.problem()?;
        let mut here = problem.residuals(-1.0, &self.point);
        let family = problem.family();
        let (mut solver, outputs) = match &self.factor {
            Some(factor) => {
                (there, here) = (contrasts::residuals(family, &there), contrasts::residuals(family, &here));
                (Solver::Factor(factor), contrasts::coordinates(family))
            }
            None => {
                let solver = Solver::Gradients(problem.curvature(self.t, &self.point), problem.lanes());
                (solver, family.outputs())
            }
        };
        let here = here.convert::<U>();
        let count = groups.sizes.len();
        let mut out = Mat::zeros(design.rows(), count);
        let mut scores = Mat::zeros(0, 0);
        for first in (0..count).step_by(solver.together()) {
            let range = first..(first + solver.together()).min(count);
            let gradients = |layout, out: &mut Mat<T>| {
                group_gradients(examples.features, &there, outputs, groups, range.clone(), layout, out);
            };
            let solved = solver.solve(design.cols() * outputs, outputs, range.len(), gradients);
            for from in (0..solved.cols()).step_by(PRODUCTS) {
                let to = (from + PRODUCTS).min(solved.cols());
                let panel = columns::<T, U>(&solved, outputs, from..to);
                record_products(design, &here, &panel, to - from, &mut scores, |i, row| {
                    let out = out.row_mut(i)[first + from..range.end].iter_mut();
                    out.zip(row).for_each(|(o, x)| *o = x.f64());
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
        let parts = self.on_groups(&self.linear.design, benchmark, &folds, on_progress)?;
        Ok(folds.values(Unit::Bits, &parts))
    }

    fn matrix(
        &self,
        benchmark: ValueFold<'_>,
        on_progress: OnProgress<'_>,
    ) -> Result<Option<Mat<f64>>, ValueError> {
        let (design, singles) = (&self.linear.design, Groups::singles(benchmark));
        if self.exact {
            return self.on_groups(design, benchmark, &singles, on_progress).map(Some);
        }
        self.on_groups(&*T::single(design), benchmark, &singles, on_progress).map(Some)
    }
}

/// Some columns of `panel`, whose rows are the outputs of the features: features x (outputs * columns).
fn columns<T: Real, U: Real>(panel: &Mat<T>, outputs: usize, range: std::ops::Range<usize>) -> Mat<U> {
    let mut out = Mat::zeros(panel.rows() / outputs, outputs * range.len());
    for (k, to) in out.data_mut().chunks_exact_mut(range.len()).enumerate() {
        to.iter_mut().zip(&panel.row(k)[range.clone()]).for_each(|(to, from)| *to = U::of(from.f64()));
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

    /// The curvature's inverse times the `count` gradients that `put` lays out: `unknowns` (outputs of a feature
    /// together) x count, or a few columns more, which are to be left alone.
    fn solve(
        &mut self,
        unknowns: usize,
        outputs: usize,
        count: usize,
        put: impl Fn(Layout, &mut Mat<T>),
    ) -> Mat<T> {
        match self {
            Self::Factor(factor) => {
                // Whole vectors, all rows aligned alike.
                let width = if count < PRODUCTS { count } else { count.next_multiple_of(PRODUCTS) };
                let mut out = Mat::zeros(unknowns, width);
                put(Layout { feature: outputs * width, output: width, group: 1 }, &mut out);
                factor.solve(&mut out);
                out
            }
            Self::Gradients(curvature, lanes) => {
                let mut right = Mat::zeros(unknowns / outputs, *lanes * count);
                put(Layout { feature: *lanes * count, output: 1, group: *lanes }, &mut right);
                let mut wide = Mat::zeros(right.rows(), right.cols());
                let stop = Stop { tolerance: 1e-6, iterations: 2_000 };
                cg::solve(curvature, &right, &mut wide, *lanes, true, stop);
                let mut out = Mat::zeros(unknowns, count);
                for k in 0..unknowns {
                    let from = wide.row(k / outputs)[k % outputs..].iter().step_by(*lanes);
                    out.row_mut(k).iter_mut().zip(from).for_each(|(o, &x)| *o = x);
                }
                out
            }
        }
    }
}

/// The curvature written out (lower triangle; row and column of a parameter are feature * coordinates + coordinate,
/// see [`contrasts`]), where that is small.
fn exact_curvature<T: Real>(problem: &Problem<'_, T>, t: f64, point: &Point<T>) -> Option<Mat<T>> {
    let (design, outputs) = (problem.design(), contrasts::coordinates(problem.family()));
    let (n, d) = (design.rows(), design.cols());
    if d * outputs > EXACT {
        return None;
    }
    let mut columns = Mat::zeros(d, n);
    for j in 0..d {
        columns.row_mut(j).copy_from_slice(design.dense_column(j)?);
    }
    let weights = contrasts::curvatures(problem, t, point);
    let grams = weighted_grams(&columns, &weights);
    let mut out = Mat::zeros(d * outputs, d * outputs);
    for j in 0..d {
        for a in 0..outputs {
            let row = out.row_mut(j * outputs + a);
            row[j * outputs + a] = T::of(problem.lambda());
            for l in 0..=j {
                let grams = &grams[(j * d + l) * weights.cols()..][..weights.cols()];
                for (b, x) in row[l * outputs..][..outputs].iter_mut().enumerate() {
                    let (high, low) = (a.max(b), a.min(b));
                    *x += grams[high * (high + 1) / 2 + low];
                }
            }
        }
    }
    Some(out)
}
