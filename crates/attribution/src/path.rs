//! Values of records by the Aumann-Shapley path.

use assay_kernels::cg::{self, Stop};
use assay_kernels::{Design, Mat, Real, panel};
use assay_learn::crossval::shuffled;
use assay_learn::model::Family;
use assay_learn::train::{Point, Precision, Problem, TrainError, design, to_model};
use rayon::prelude::*;

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
            Self { path: 1e-6, mean: 1e-5, folds: 0.03, fold_stride: 2 }
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
    if options.precision.is_double(train.features, outputs) {
        value_in::<f64>(train, benchmark, options, on_progress)
    } else {
        value_in::<f32>(train, benchmark, options, on_progress)
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

fn value_in<T: Real>(
    train: Examples<'_>,
    benchmark: Examples<'_>,
    o: &PathOptions<'_>,
    on_progress: OnProgress<'_>,
) -> Result<Valuation, ValueError> {
    let train_design = design::<T>(train.features);
    let problem = Problem::new(&train_design, train.target, o.weights, o.lambda, o.noise_variance)
        .map_err(ValueError::Train)?;
    let bench_design = design::<T>(benchmark.features);
    let bench = Benchmark::new(&bench_design, benchmark, &problem, o)?;
    let mut nodes = o.nodes;
    loop {
        let walk = Walk::new(&problem, &bench, o.tolerances.unwrap_or(Tolerances::of::<T>()));
        let valuation = walk.run(nodes, o.closure, on_progress);
        let more = (nodes + 8).max(nodes * 4 / 3).min(o.max_nodes);
        if valuation.closed || more <= nodes {
            return Ok(valuation);
        }
        nodes = more;
    }
}

/// The benchmark as a function of the weights.
struct Benchmark<'a, T> {
    problem: Problem<'a, T>,
    /// Loss of each example under the base model, nats.
    base_nats: Vec<f64>,
    /// Fold of each example.
    fold_of: Vec<usize>,
    fold_sizes: Vec<usize>,
}

const LN_2: f64 = std::f64::consts::LN_2;

impl<'a, T: Real> Benchmark<'a, T> {
    fn new(
        design: &'a Design<T>,
        examples: Examples<'_>,
        train: &Problem<'_, T>,
        o: &PathOptions<'_>,
    ) -> Result<Self, ValueError> {
        let problem = Problem::new(design, examples.target, None, train.lambda(), o.noise_variance)
            .map_err(ValueError::Benchmark)?;
        let base_nats = problem.at(Mat::zeros(design.cols(), problem.lanes())).loss_nats;
        let size = base_nats.len();
        let folds = if size < 2 { 0 } else { o.folds.min(size) };
        let mut fold_of = vec![0; size];
        let mut fold_sizes = vec![0; folds];
        if folds > 0 {
            for (k, i) in shuffled(size, o.seed, size).into_iter().enumerate() {
                fold_of[i] = k % folds;
                fold_sizes[k % folds] += 1;
            }
        }
        Ok(Self { problem, base_nats, fold_of, fold_sizes })
    }

    fn size(&self) -> f64 {
        self.base_nats.len() as f64
    }

    /// Mean log2 p of a model with these losses.
    fn bits(&self, loss_nats: &[f64]) -> f64 {
        -loss_nats.iter().sum::<f64>() / self.size() / LN_2
    }

    /// Gradient of the mean over the whole benchmark.
    fn mean_gradient(&self, point: &Point<T>) -> Mat<T> {
        let residuals = self.problem.residuals(-1.0 / (self.size() * LN_2), point);
        let design = self.problem.design();
        let mut out = Mat::zeros(design.cols(), self.problem.lanes());
        design.transpose_times(&residuals, &mut out, |_, _| {});
        out
    }

    /// Gradients of the folds' means less `mean`, side by side for the folds named.
    fn fold_deviations(&self, point: &Point<T>, folds: std::ops::Range<usize>, mean: &Mat<T>) -> Mat<T> {
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

/// One walk along the path.
struct Walk<'a, T> {
    problem: &'a Problem<'a, T>,
    bench: &'a Benchmark<'a, T>,
    tolerances: Tolerances,
    map: PathMap,
    models: Follower<'a, T>,
    means: Trail<T>,
    /// One for each panel of folds.
    deviations: Vec<(std::ops::Range<usize>, Trail<T>)>,
    value_bits: Vec<f64>,
    fold_bits: Mat<f64>,
    products: usize,
}

/// Positions that guesses go through: fewer where the positions themselves are rough.
const MEAN_POINTS: usize = 4;
const FOLD_POINTS: usize = 3;

/// Products in one system at most.
const PRODUCTS_A_SOLVE: usize = 2_000;

impl<'a, T: Real> Walk<'a, T> {
    fn new(problem: &'a Problem<'a, T>, bench: &'a Benchmark<'a, T>, tolerances: Tolerances) -> Self {
        let folds = bench.fold_sizes.len();
        let together = panel::groups_for(problem.lanes());
        let panels = (0..folds).step_by(together).map(|f| f..(f + together).min(folds));
        let rows = problem.design().rows();
        Self {
            problem,
            bench,
            tolerances,
            map: PathMap::new(problem),
            models: Follower::new(problem, tolerances.path),
            means: Trail::new(MEAN_POINTS),
            deviations: panels.map(|p| (p, Trail::new(FOLD_POINTS))).collect(),
            value_bits: vec![0.0; rows],
            fold_bits: Mat::zeros(rows, folds),
            products: 0,
        }
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
        let marginal_bits = self.marginals(&end);
        on_progress(Progress { stage: "values", done: count + 1, total: count + 1 });
        self.finish(count, goal, end, marginal_bits)
    }

    /// The integrand at t = 1: what the weight of each record moves at the finished model.
    fn marginals(&mut self, end: &Point<T>) -> Vec<f64> {
        let on_bench = self.bench.problem.at(end.theta.clone());
        let mean = self.bench.mean_gradient(&on_bench);
        let mut curvature = self.problem.curvature(1.0, end);
        let solution = self.means_solve(&mut curvature, 1.0, &mean);
        let residuals = self.problem.residuals(-1.0, end);
        record_products(self.problem.design(), &solution, &residuals).data().to_vec()
    }

    fn finish(mut self, nodes: usize, goal: f64, end: Point<T>, marginal_bits: Vec<f64>) -> Valuation {
        self.centre_folds();
        let model = to_model(self.problem.family(), &end.theta);
        let base_bits = self.bench.bits(&self.bench.base_nats);
        let full_bits = self.bench.bits(&self.bench.problem.at(end.theta).loss_nats);
        let gain_bits = full_bits - base_bits;
        let sum_bits: f64 = self.value_bits.iter().sum();
        let closure_bits = (sum_bits - gain_bits).abs();
        let closure_relative = if closure_bits == 0.0 { 0.0 } else { closure_bits / gain_bits.abs() };
        Valuation {
            base_bits: self.absolute(base_bits),
            full_bits: self.absolute(full_bits),
            gain_bits,
            sum_bits,
            closure_bits,
            closure_relative,
            closed: closure_relative <= goal,
            nodes,
            products: self.products,
            value_bits: self.value_bits,
            marginal_bits,
            fold_bits: self.fold_bits,
            fold_sizes: self.bench.fold_sizes.clone(),
            model,
        }
    }

    /// Losses of normals leave out the constant of the density; log2 p has it.
    fn absolute(&self, bits: f64) -> f64 {
        match self.problem.family() {
            Family::Softmax { .. } => bits,
            Family::Gaussian { noise_variance } => {
                bits - 0.5 * (2.0 * std::f64::consts::PI * noise_variance).log2()
            }
        }
    }

    fn model_at(&mut self, u: f64) -> Point<T> {
        let minimum = self.models.next(u);
        self.products += minimum.products;

        minimum.point
    }

    fn visit(&mut self, node: Node, fold_weight: f64) {
        let (problem, bench, lanes) = (self.problem, self.bench, self.problem.lanes());
        let point = self.model_at(node.u);
        let on_bench = bench.problem.at(point.theta.clone());
        let residuals = problem.residuals(-1.0, &point);
        let mut curvature = problem.curvature(node.t, &point);

        let mean = bench.mean_gradient(&on_bench);
        let solution = self.means_solve(&mut curvature, node.u, &mean);
        let values = record_products(problem.design(), &solution, &residuals);
        self.value_bits.iter_mut().zip(values.data()).for_each(|(v, x)| *v += node.weight() * x);

        if fold_weight != 0.0 {
            for (folds, trail) in &mut self.deviations {
                let right = bench.fold_deviations(&on_bench, folds.clone(), &mean);
                let guess = trail.guess(node.u);
                let cold = guess.is_none();
                let mut x = guess.unwrap_or_else(|| Mat::zeros(right.rows(), right.cols()));
                let stop = Stop { tolerance: self.tolerances.folds, iterations: PRODUCTS_A_SOLVE };
                let solved = cg::solve(&mut curvature, &right, &mut x, lanes, cold, stop);
                self.products += solved.iterations * folds.len();

                let values = record_products(problem.design(), &x, &residuals);
                for i in 0..values.rows() {
                    let row = &mut self.fold_bits.row_mut(i)[folds.clone()];
                    row.iter_mut().zip(values.row(i)).for_each(|(v, x)| *v += fold_weight * x);
                }
                trail.push(node.u, x);
            }
        }
        self.means.push(node.u, solution);
    }

    fn means_solve(&mut self, curvature: &mut impl cg::Operator<T>, u: f64, right: &Mat<T>) -> Mat<T> {
        let guess = self.means.guess(u);
        let cold = guess.is_none();
        let mut x = guess.unwrap_or_else(|| Mat::zeros(right.rows(), right.cols()));
        let stop = Stop { tolerance: self.tolerances.mean, iterations: PRODUCTS_A_SOLVE };
        let solved = cg::solve(curvature, right, &mut x, self.problem.lanes(), cold, stop);
        self.products += solved.iterations;

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
