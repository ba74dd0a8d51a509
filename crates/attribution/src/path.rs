//! Values of records by the Aumann-Shapley path.

use assay_kernels::cg::Stop;
use assay_kernels::{Design, Mat, Real, panel};
use assay_learn::model::Family;
use assay_learn::train::{Inverse, Minimum, Point, Precision, Problem, TrainError, design, to_model};
use rayon::prelude::*;

use crate::absent::Parted;
use crate::benchmark::Benchmark;
use crate::trail::{Follower, Node, PathMap, Trail, lagrange};
use crate::valuation::Valuation;
use crate::{Examples, OnProgress, Progress, ValueFold};

/// How to value.
#[derive(Clone, Debug)]
pub struct PathOptions<'a> {
    /// Precision of the prior, as chosen by cross-validation.
    pub lambda: f64,
    /// Variance of the noise; read for numbers only.
    pub noise_variance: f64,
    /// Weight of each record; `None` is 1 for all. Records of equal content that share one unit of weight earn
    /// together what one of them would.
    pub weights: Option<&'a [f64]>,
    /// Records that stand: at their full weight along the whole path, so that what the others add to their model is
    /// shared out among the others alone. `None` is no record.
    pub held_at_one: Option<&'a [bool]>,
    /// Quadrature nodes to begin with.
    pub nodes: usize,
    /// Nodes to stop at.
    pub max_nodes: usize,
    /// Relative closure error that is good enough.
    pub closure: f64,
    /// Folds of the benchmark for intervals; 0 for none.
    pub folds: usize,
    /// Decides which benchmark example is in which fold.
    pub seed: u64,
    /// Number type of the solvers.
    pub precision: Precision,
    /// How exactly systems are solved; `None` suits the number type.
    pub tolerances: Option<Tolerances>,
}

impl Default for PathOptions<'_> {
    fn default() -> Self {
        Self {
            lambda: 1.0,
            noise_variance: 1.0,
            weights: None,
            held_at_one: None,
            nodes: 16,
            max_nodes: 64,
            closure: 1e-3,
            folds: 8,
            seed: 0,
            precision: Precision::Auto,
            tolerances: None,
        }
    }
}

/// Relative residuals to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerances {
    /// Gradient norm of theta(t).
    pub path: f64,
    /// The system of the mean gradient, on which the values rest.
    pub mean: f64,
    /// The systems of the folds' deviations from it, on which only standard errors rest.
    pub folds: f64,
    /// Solve the folds at every how many nodes; in between they are interpolated.
    pub fold_stride: usize,
}

impl Tolerances {
    /// What suits a number type of this many bytes.
    pub(crate) fn of<T>() -> Self {
        if size_of::<T>() == 4 {
            Self { path: 3e-4, mean: 2e-3, folds: 0.05, fold_stride: 2 }
        } else {
            Self { path: 1e-6, mean: 1e-5, folds: 0.02, fold_stride: 2 }
        }
    }
}

/// Why nothing can be valued.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ValueError {
    /// The records.
    #[error("the training records cannot be used: {0}")]
    Train(TrainError),
    /// The benchmark.
    #[error("the benchmark cannot be used: {0}")]
    Benchmark(TrainError),
    /// Features or tasks of records and benchmark differ.
    #[error("the benchmark has other features, classes or task than the training records")]
    Mismatch,
    /// No nodes.
    #[error("a path needs at least one node, and no more at the end than 256")]
    Nodes,
}

/// Values every record against a benchmark.
///
/// Gauss-Legendre nodes in u, t being an exponential of u that spreads the changes of the model evenly (see
/// `PathMap`). Each node's model starts from the polynomial through the last ones. While the values miss the gain by more than `options.closure`, the path
/// is walked again with more nodes, up to `max_nodes`.
///
/// Records of weight 0 take no part, cost nothing and have value 0; only their marginal is computed.
///
/// # Errors
/// When records, benchmark and options do not go together.
pub fn value(
    train: Examples<'_>,
    benchmark: ValueFold<'_>,
    options: &PathOptions<'_>,
    on_progress: OnProgress<'_>,
) -> Result<Valuation, ValueError> {
    let benchmark = benchmark.examples();
    check(train, benchmark, options)?;
    let outputs = Family::of(train.target, 1.0).outputs();
    let double = options.precision.is_double(train.features, outputs);
    let value_in = if double { value_in::<f64> } else { value_in::<f32> };
    match Parted::new(train, options) {
        Some(parted) => {
            let (present, absent) = (parted.present(), Some(parted.absent()));
            let valuation = value_in(present, absent, benchmark, &parted.options(options), on_progress)?;
            Ok(parted.whole(valuation))
        }
        None => value_in(train, None, benchmark, options, on_progress),
    }
}

fn check(train: Examples<'_>, benchmark: Examples<'_>, options: &PathOptions<'_>) -> Result<(), ValueError> {
    let same_task = Family::of(train.target, 1.0) == Family::of(benchmark.target, 1.0);
    if !same_task || train.features.cols() != benchmark.features.cols() {
        return Err(ValueError::Mismatch);
    }
    if options.nodes == 0 || options.max_nodes > 256 {
        return Err(ValueError::Nodes);
    }
    Ok(())
}

/// Marginals of `absent` records follow those of the others.
fn value_in<T: Real>(
    train: Examples<'_>,
    absent: Option<Examples<'_>>,
    benchmark: Examples<'_>,
    o: &PathOptions<'_>,
    on_progress: OnProgress<'_>,
) -> Result<Valuation, ValueError> {
    let train_design = design::<T>(train.features);
    let mut problem = Problem::new(&train_design, train.target, o.weights, o.lambda, o.noise_variance)
        .map_err(ValueError::Train)?;
    if let Some(held) = o.held_at_one {
        problem = problem.holding(held).map_err(ValueError::Train)?;
    }
    let absent_design = absent.map(|a| design::<T>(a.features));
    let absent = absent.zip(absent_design.as_ref()).map(|(a, design)| {
        Problem::new(design, a.target, None, o.lambda, o.noise_variance).map_err(ValueError::Train)
    });
    let absent = absent.transpose()?;
    let bench_design = design::<T>(benchmark.features);
    let bench = Benchmark::new(&bench_design, benchmark, &problem, o)?;
    let mut nodes = o.nodes;
    loop {
        let walk =
            Walk::new(&problem, absent.as_ref(), &bench, o.tolerances.unwrap_or(Tolerances::of::<T>()));
        let valuation = walk.run(nodes, o.closure, on_progress);
        let more = (nodes + 8).max(nodes * 4 / 3).min(o.max_nodes);
        if valuation.closed || more <= nodes {
            return Ok(valuation);
        }
        nodes = more;
    }
}

/// One walk along the path.
struct Walk<'a, T> {
    problem: &'a Problem<'a, T>,
    /// Records of weight 0.
    absent: Option<&'a Problem<'a, T>>,
    bench: &'a Benchmark<'a, T>,
    tolerances: Tolerances,
    map: PathMap,
    models: Follower<'a, T>,
    means: Trail<T>,
    /// One for each panel of folds.
    deviations: Vec<(std::ops::Range<usize>, Trail<T>)>,
    value_bits: Vec<f64>,
    fold_bits: Mat<f64>,
    base_bits: f64,
    products: usize,
}

/// Positions that guesses go through: fewer where the positions themselves are rough.
const MEAN_POINTS: usize = 4;
const FOLD_POINTS: usize = 3;

/// Products in one system at most.
const PRODUCTS_A_SOLVE: usize = 2_000;

impl<'a, T: Real> Walk<'a, T> {
    fn new(
        problem: &'a Problem<'a, T>,
        absent: Option<&'a Problem<'a, T>>,
        bench: &'a Benchmark<'a, T>,
        tolerances: Tolerances,
    ) -> Self {
        let folds = bench.fold_sizes.len();
        let together = panel::groups_for(problem.lanes());
        let panels = (0..folds).step_by(together).map(|f| f..(f + together).min(folds));
        let rows = problem.design().rows();
        let (models, start) = Follower::start(problem, tolerances.path);
        let mut out = Self {
            problem,
            absent,
            bench,
            tolerances,
            map: PathMap::new(problem),
            models,
            means: Trail::new(MEAN_POINTS),
            deviations: panels.map(|p| (p, Trail::new(FOLD_POINTS))).collect(),
            value_bits: vec![0.0; rows],
            fold_bits: Mat::zeros(rows, folds),
            base_bits: bench.empty_bits,
            products: start.products,
        };
        if problem.stands() {
            let on_bench = bench.problem.at(start.point.theta.clone());
            let dual = out.dual((0.0, 0.0), &start, &on_bench);
            out.base_bits = out.bits(&start, &on_bench, &dual);
            out.means.push(0.0, dual);
        }
        out
    }

    fn run(mut self, count: usize, goal: f64, on_progress: OnProgress<'_>) -> Valuation {
        let nodes = self.map.nodes(count);
        let fold_weights = thinned(&nodes, self.tolerances.fold_stride);
        on_progress(Progress { stage: "values", done: 0, total: count + 1 });
        for (k, &node) in nodes.iter().enumerate() {
            self.visit(node, fold_weights[k]);
            on_progress(Progress { stage: "values", done: k + 1, total: count + 1 });
        }
        let end = self.model_at(1.0);
        let on_bench = self.bench.problem.at(end.point.theta.clone());
        let dual = self.dual((1.0, 1.0), &end, &on_bench);
        let marginal_bits = self.marginals(&end.point, &dual);
        on_progress(Progress { stage: "values", done: count + 1, total: count + 1 });
        self.centre_folds();
        let moves = self.problem.weights().iter().any(|w| *w > 0.0);
        let full_bits = if moves { self.bits(&end, &on_bench, &dual) } else { self.base_bits };
        let gain_bits = full_bits - self.base_bits;
        let sum_bits: f64 = self.value_bits.iter().sum();
        let closure_bits = (sum_bits - gain_bits).abs();
        let closure_relative = if closure_bits == 0.0 { 0.0 } else { closure_bits / gain_bits.abs() };
        Valuation {
            empty_bits: self.bench.empty_bits,
            base_bits: self.base_bits,
            full_bits,
            gain_bits,
            sum_bits,
            closure_bits,
            closure_relative,
            closed: closure_relative <= goal,
            nodes: count,
            products: self.products,
            value_bits: self.value_bits,
            weights: self.problem.weights_at(1.0),
            marginal_bits,
            fold_bits: self.fold_bits,
            charged_bits: Vec::new(),
            fold_sizes: self.bench.fold_sizes.clone(),
            model: to_model(self.problem.family(), &end.point.theta),
        }
    }

    /// H(t)^-1 times the gradient of the benchmark: what the gradient of a loss is worth, place by place.
    fn dual(&mut self, (u, t): (f64, f64), at: &Minimum<T>, on_bench: &Point<T>) -> Mat<T> {
        let mean = self.bench.mean_gradient(on_bench);
        self.means_solve(&mut self.problem.inverse(t, &at.point, at.nearby.clone()), u, &mean)
    }

    /// Mean log2 p at a minimum, what is left of its gradient taken off to first order: that would otherwise count
    /// against what a few records gain.
    fn bits(&self, minimum: &Minimum<T>, on_bench: &Point<T>, dual: &Mat<T>) -> f64 {
        let left = panel::group_dots(dual, &minimum.gradient, self.problem.lanes())[0];
        self.bench.bits(on_bench) - left
    }

    /// What one unit of weight of each record adds to the finished model; absent records last.
    fn marginals(&self, end: &Point<T>, dual: &Mat<T>) -> Vec<f64> {
        let of = |problem: &Problem<'_, T>, point: &Point<T>| {
            let residuals = problem.weighted_residuals(|_| -1.0, point);
            record_products(problem.design(), dual, &residuals).data().to_vec()
        };
        let mut out = of(self.problem, end);
        if let Some(absent) = self.absent {
            out.extend(of(absent, &absent.at(end.theta.clone())));
        }
        out
    }

    fn model_at(&mut self, u: f64) -> Minimum<T> {
        let minimum = self.models.next(u);
        self.products += minimum.products;
        minimum
    }

    fn visit(&mut self, node: Node, fold_weight: f64) {
        let (problem, bench, lanes) = (self.problem, self.bench, self.problem.lanes());
        let Minimum { point, nearby, .. } = self.model_at(node.u);
        let on_bench = bench.problem.at(point.theta.clone());
        let residuals = problem.residuals(-1.0, &point);
        let mut inverse = problem.inverse(node.t, &point, nearby);

        let mean = bench.mean_gradient(&on_bench);
        let solution = self.means_solve(&mut inverse, node.u, &mean);
        let values = record_products(problem.design(), &solution, &residuals);
        self.value_bits.iter_mut().zip(values.data()).for_each(|(v, x)| *v += node.weight() * x);

        if fold_weight != 0.0 {
            let rough_residuals = residuals.convert();
            for (folds, trail) in &mut self.deviations {
                let right = bench.fold_deviations(&on_bench, folds.clone(), &mean);
                let guess = trail.guess(node.u);
                let cold = guess.is_none();
                let mut x = guess.unwrap_or_else(|| Mat::zeros(right.rows(), right.cols()));
                let stop = Stop { tolerance: self.tolerances.folds, iterations: PRODUCTS_A_SOLVE };
                let products = inverse.solve_groups(&right, &mut x, lanes, cold, stop);
                self.products += products * folds.len();

                let values = record_products(problem.single(), &x.convert(), &rough_residuals);
                for i in 0..values.rows() {
                    let row = &mut self.fold_bits.row_mut(i)[folds.clone()];
                    row.iter_mut().zip(values.row(i)).for_each(|(v, x)| *v += fold_weight * x);
                }
                trail.push(node.u, x);
            }
        }
        self.models.nearby = inverse.nearby();
        self.means.push(node.u, solution);
    }

    fn means_solve(&mut self, inverse: &mut Inverse<'_, T>, u: f64, right: &Mat<T>) -> Mat<T> {
        let guess = self.means.guess(u);
        let cold = guess.is_none();
        let mut x = guess.unwrap_or_else(|| Mat::zeros(right.rows(), right.cols()));
        let stop = Stop { tolerance: self.tolerances.mean, iterations: PRODUCTS_A_SOLVE };
        self.products += inverse.solve(right, &mut x, cold, stop);
        x
    }

    /// Deviations become values of the folds. Their weighted mean is zero but for the tolerance of the solves; what
    /// is left of it is taken off, so that each record's value is exactly the mean over its folds.
    fn centre_folds(&mut self) {
        let total: f64 = self.bench.size();
        let shares: Vec<f64> = self.bench.fold_sizes.iter().map(|&m| m as f64 / total).collect();
        for (i, &value) in self.value_bits.iter().enumerate() {
            let row = self.fold_bits.row_mut(i);
            let mean: f64 = row.iter().zip(&shares).map(|(x, s)| x * s).sum();
            row.iter_mut().for_each(|x| *x += value - mean);
        }
    }
}

/// <solution, residual-weighted features> of each record and group: records x groups.
pub(crate) fn record_products<T: Real>(
    design: &Design<T>,
    solution: &Mat<T>,
    residuals: &Mat<T>,
) -> Mat<f64> {
    let (width, lanes) = (solution.cols(), residuals.cols());
    let groups = width / lanes;
    let mut scores = Mat::zeros(design.rows(), width);
    design.times(solution, &mut scores, |_, _| {});
    let mut out = Mat::zeros(design.rows(), groups);
    let rows = out.data_mut().par_chunks_mut(512 * groups).zip(scores.data().par_chunks(512 * width));
    rows.zip(residuals.data().par_chunks(512 * lanes)).for_each(|((out, scores), residuals)| {
        let rows = out.chunks_exact_mut(groups).zip(scores.chunks_exact(width));
        for ((out, scores), residuals) in rows.zip(residuals.chunks_exact(lanes)) {
            for (out, scores) in out.iter_mut().zip(scores.chunks_exact(lanes)) {
                *out = scores.iter().zip(residuals).map(|(a, r)| a.f64() * r.f64()).sum();
            }
        }
    });
    out
}

/// Weights over t for integrating at every `stride`-th node only (the last always among them): the polynomial
/// through the nodes kept stands for the integrand over u at the others.
fn thinned(nodes: &[Node], stride: usize) -> Vec<f64> {
    let last = nodes.len() - 1;
    let kept: Vec<usize> = (0..nodes.len()).filter(|k| (last - k).is_multiple_of(stride.max(1))).collect();
    let places: Vec<f64> = kept.iter().map(|&k| nodes[k].u).collect();
    let mut out = vec![0.0; nodes.len()];
    for node in nodes {
        for (&k, share) in kept.iter().zip(lagrange(&places, node.u)) {
            out[k] += share * node.du * nodes[k].slope;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinned_weights_integrate_polynomials() {
        for count in [1, 2, 5, 16, 24, 64] {
            let nodes = PathMap::with_scale(1e-3).nodes(count);
            for stride in 1..4 {
                let weights = thinned(&nodes, stride);
                let kept = weights.iter().filter(|w| **w != 0.0).count();
                assert_eq!(kept, count.div_ceil(stride));
                for power in 0..kept as i32 {
                    let sum: f64 =
                        weights.iter().zip(&nodes).map(|(w, n)| w / n.slope * n.u.powi(power)).sum();
                    let want = 1.0 / f64::from(power + 1);
                    assert!((sum - want).abs() < 1e-9, "{count} {stride} {power}: {sum} {want}");
                }
            }
        }
    }

    #[test]
    fn the_path_goes_from_nothing_to_all() {
        for scale in [0.0, 1e-6, 1e-3, 1.0, 1e9, f64::INFINITY] {
            let map = PathMap::with_scale(scale);
            assert_eq!((map.t(0.0), map.t(1.0)), (0.0, 1.0));
            let nodes = map.nodes(24);
            assert!(nodes.windows(2).all(|n| n[0].t < n[1].t) && nodes[23].t < 1.0);
            let length: f64 = nodes.iter().map(Node::weight).sum();
            assert!((length - 1.0).abs() < 1e-6, "{scale}: {length}");
        }
    }
}
