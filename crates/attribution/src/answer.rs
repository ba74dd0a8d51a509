//! Attribution of one answer: the bits by which the records moved it, split over them.
//!
//! The integral of the path value with U replaced by log2 p(answer | query). It is exact (no nearest neighbours, no
//! projections), and the shares of an answer sum to log2 p_model - log2 p_base of it, to the error of the quadrature.
//!
//! [`PathState`] is exact and answers in batches; [`Quick`] answers one question in milliseconds, nearly as well;
//! [`retrained_bits`] says what really becomes of answers when records go, and [`most_missed`] which records are missed.

mod check;
mod quick;
mod retrained;
mod second;
mod top;
mod written;

pub use check::{Check, CheckLimits, check};
pub use quick::Quick;
pub use retrained::{half_subsets, lost_without, retrained_bits};
pub use second::{Missed, TRAININGS, most_missed};
pub use top::{Top, top};

use std::ops::Range;
use std::sync::Arc;

use assay_kernels::cg::{self, Stop};
use assay_kernels::cholesky::Cholesky;
use assay_kernels::{Design, Mat, Real, panel};
use assay_learn::data::{Features, Target};
use assay_learn::model::{Family, Model};
use assay_learn::train::{Precision, Problem, TrainError, design, to_model};

use self::written::Basis;
use crate::path::{Tolerances, record_products};
use crate::trail::{Follower, Node, PathMap};
use crate::{Examples, OnProgress, Progress};

/// How to follow the path.
#[derive(Clone, Debug)]
pub struct AnswerOptions<'a> {
    /// Precision of the prior.
    pub lambda: f64,
    /// Variance of the noise; read for numbers only.
    pub noise_variance: f64,
    /// Weight of each record; `None` is 1 for all.
    pub weights: Option<&'a [f64]>,
    /// Quadrature nodes.
    pub nodes: usize,
    /// Number type of the solvers.
    pub precision: Precision,
}

impl Default for AnswerOptions<'_> {
    fn default() -> Self {
        Self { lambda: 1.0, noise_variance: 1.0, weights: None, nodes: 16, precision: Precision::Auto }
    }
}

/// Why no answer can be attributed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AnswerError {
    /// The records.
    #[error("the training records cannot be used: {0}")]
    Train(TrainError),
    /// The queries and answers.
    #[error("the queries cannot be used: {0}")]
    Queries(TrainError),
    /// Features or tasks differ.
    #[error("the queries have other features, classes or task than the training records")]
    Mismatch,
    /// No nodes.
    #[error("a path needs between 1 and 256 nodes")]
    Nodes,
}

/// Answers split over the records.
#[derive(Clone, Debug)]
pub struct Attribution {
    /// Bits of each record to each answer: queries x records.
    pub bits: Mat<f64>,
    /// log2 p_model - log2 p_base of each answer: what its row sums to.
    pub gain_bits: Vec<f64>,
    /// How far each row's sum is from that.
    pub closure_bits: Vec<f64>,
}

/// The path through a training set, solved once; answers are attributed against it in batches.
#[derive(Clone, Debug)]
pub struct PathState {
    states: States,
}

#[derive(Clone, Debug)]
enum States {
    Single(Path<f32>),
    Double(Path<f64>),
}

#[derive(Clone, Debug)]
struct Path<T> {
    design: Arc<Design<T>>,
    target: Target,
    weights: Option<Vec<f64>>,
    lambda: f64,
    family: Family,
    basis: Basis,
    nodes: Vec<Station<T>>,
    end: Mat<T>,
}

/// What is kept of a node.
#[derive(Clone, Debug)]
struct Station<T> {
    node: Node,
    theta: Mat<T>,
    /// The factored curvature, when it is small enough to be written out.
    factor: Option<Cholesky<T>>,
}

/// Unknowns of a curvature that is written out and factored.
const FACTOR_UNKNOWNS: usize = 1_600;

/// Columns of the panels that queries are solved in.
const QUERY_COLUMNS: usize = 1_024;

impl PathState {
    /// Follows the path through the records.
    ///
    /// # Errors
    /// When records and options do not go together.
    pub fn cache(
        train: Examples<'_>,
        options: &AnswerOptions<'_>,
        on_progress: OnProgress<'_>,
    ) -> Result<Self, AnswerError> {
        if options.nodes == 0 || options.nodes > 256 {
            return Err(AnswerError::Nodes);
        }
        let outputs = Family::of(train.target, 1.0).outputs();
        let states = if options.precision.is_double(train.features, outputs) {
            States::Double(Path::cache(train, options, on_progress)?)
        } else {
            States::Single(Path::cache(train, options, on_progress)?)
        };
        Ok(Self { states })
    }

    /// The model at the end of the path.
    pub fn model(&self) -> Model {
        match &self.states {
            States::Single(p) => to_model(p.family, &p.end),
            States::Double(p) => to_model(p.family, &p.end),
        }
    }

    /// Splits log2 p(answer | query) - log2 p_base of each query over the records. Whatever was answered can be
    /// attributed, not only what is likeliest.
    ///
    /// # Errors
    /// When the queries are not of this path's features and task.
    pub fn attribute(
        &self,
        queries: &Features,
        answers: &Target,
        on_progress: OnProgress<'_>,
    ) -> Result<Attribution, AnswerError> {
        match &self.states {
            States::Single(p) => p.attribute(queries, answers, on_progress),
            States::Double(p) => p.attribute(queries, answers, on_progress),
        }
    }

    /// What answers one question quickly; see [`Quick`]. `train` is what the path was made of. Costs a few factors of the
    /// curvature, once.
    ///
    /// # Errors
    /// When the examples are not those of the path.
    pub fn quick(&self, train: Examples<'_>, on_progress: OnProgress<'_>) -> Result<Quick, AnswerError> {
        match &self.states {
            States::Single(p) => p.quick(train, Arc::clone(&p.design), on_progress),
            States::Double(p) => p.quick(train, Arc::new(p.design.convert()), on_progress),
        }
    }
}

impl<T: Real> Path<T> {
    fn cache(
        train: Examples<'_>,
        o: &AnswerOptions<'_>,
        on_progress: OnProgress<'_>,
    ) -> Result<Self, AnswerError> {
        let design = design::<T>(train.features);
        let problem = Problem::new(&design, train.target, o.weights, o.lambda, o.noise_variance)
            .map_err(AnswerError::Train)?;
        let (mut models, _) = Follower::start(&problem, Tolerances::of::<T>().path);
        let basis = Basis::of(problem.family());
        let mut nodes = Vec::with_capacity(o.nodes);
        for (done, node) in PathMap::new(&problem).nodes(o.nodes).into_iter().enumerate() {
            on_progress(Progress { stage: "path", done, total: o.nodes + 1 });
            let point = models.next(node.u).point;
            let written = basis.curvature(&problem, node.t, &point, FACTOR_UNKNOWNS);
            let factor = written.and_then(Cholesky::new);
            nodes.push(Station { node, theta: point.theta, factor });
        }
        on_progress(Progress { stage: "path", done: o.nodes, total: o.nodes + 1 });
        let end = models.next(1.0).point.theta;
        on_progress(Progress { stage: "path", done: o.nodes + 1, total: o.nodes + 1 });
        let family = problem.family();
        let weights = o.weights.map(<[f64]>::to_vec);
        let (target, design) = (train.target.clone(), Arc::new(design));
        Ok(Self { design, target, weights, lambda: o.lambda, family, basis, nodes, end })
    }

    fn noise_variance(&self) -> f64 {
        match self.family {
            Family::Gaussian { noise_variance } => noise_variance,
            Family::Softmax { .. } => 1.0,
        }
    }

    fn problem(&self) -> Result<Problem<'_, T>, AnswerError> {
        let weights = self.weights.as_deref();
        Problem::new(&self.design, &self.target, weights, self.lambda, self.noise_variance())
            .map_err(AnswerError::Train)
    }

    fn attribute(
        &self,
        queries: &Features,
        answers: &Target,
        on_progress: OnProgress<'_>,
    ) -> Result<Attribution, AnswerError> {
        let noise = self.noise_variance();
        if Family::of(answers, noise) != self.family || queries.cols() != self.design.cols() {
            return Err(AnswerError::Mismatch);
        }
        let problem = self.problem()?;
        let query_design = design::<T>(queries);
        let asked =
            Problem::new(&query_design, answers, None, self.lambda, noise).map_err(AnswerError::Queries)?;
        let mut bits = Mat::zeros(answers.len(), self.design.rows());
        for (done, station) in self.nodes.iter().enumerate() {
            on_progress(Progress { stage: "answers", done, total: self.nodes.len() });
            let residuals = problem.residuals(-1.0, &problem.at(station.theta.clone()));
            let tolerance = Tolerances::of::<T>().mean;
            station.solve(&self.basis, &problem, (&asked, queries), tolerance, |batch, solution| {
                let values = record_products(problem.design(), solution, &residuals);
                for (k, q) in batch.enumerate() {
                    let row =
                        bits.row_mut(q).iter_mut().zip(values.data()[k..].iter().step_by(values.cols()));
                    row.for_each(|(b, v)| *b += station.node.weight() * v);
                }
            });
        }
        on_progress(Progress { stage: "answers", done: self.nodes.len(), total: self.nodes.len() });
        let zero = Mat::zeros(self.end.rows(), self.end.cols());
        let (base, end) = (asked.at(zero).loss_nats, asked.at(self.end.clone()).loss_nats);
        let gain_bits: Vec<f64> =
            base.iter().zip(&end).map(|(b, e)| (b - e) / std::f64::consts::LN_2).collect();
        let closure = |(q, gain): (usize, &f64)| (bits.row(q).iter().sum::<f64>() - gain).abs();
        let closure_bits = gain_bits.iter().enumerate().map(closure).collect();
        Ok(Attribution { bits, gain_bits, closure_bits })
    }
}

impl<T: Real> Station<T> {
    /// The curvature's inverse times the gradient of log2 p(answer | query) of each query, batch by batch, side by side.
    fn solve(
        &self,
        basis: &Basis,
        problem: &Problem<'_, T>,
        (asked, queries): (&Problem<'_, T>, &Features),
        tolerance: f64,
        mut each: impl FnMut(Range<usize>, &Mat<T>),
    ) {
        let lanes = problem.lanes();
        let point = problem.at(self.theta.clone());
        let answer = asked.residuals(-1.0 / std::f64::consts::LN_2, &asked.at(self.theta.clone()));
        let batch = if self.factor.is_some() { QUERY_COLUMNS / lanes } else { panel::groups_for(lanes) };
        let batch = batch.max(1);
        let mut curvature = self.factor.is_none().then(|| problem.curvature(self.node.t, &point));
        for first in (0..queries.rows()).step_by(batch) {
            let batch = first..(first + batch).min(queries.rows());
            let right = query_gradients(queries, &answer, batch.clone());
            let mut solution = Mat::zeros(right.rows(), right.cols());
            match (&self.factor, &mut curvature) {
                (Some(factor), _) => solution = solve_factored(factor, &right, lanes, basis),
                (None, Some(curvature)) => {
                    let stop = Stop { tolerance, iterations: 2_000 };
                    cg::solve(curvature, &right, &mut solution, lanes, true, stop);
                }
                (None, None) => {}
            }
            each(batch, &solution);
        }
    }
}

/// The gradient of log2 p(answer | query) of each query of a batch, side by side.
fn query_gradients<T: Real>(queries: &Features, answer: &Mat<T>, batch: Range<usize>) -> Mat<T> {
    let lanes = answer.cols();
    let mut out = Mat::zeros(queries.cols(), batch.len() * lanes);
    for (k, q) in batch.enumerate() {
        each_entry(queries, q, |j, x| {
            let x = T::of(f64::from(x));
            let group = &mut out.row_mut(j)[k * lanes..(k + 1) * lanes];
            group.iter_mut().zip(answer.row(q)).for_each(|(o, &r)| *o = x * r);
        });
    }
    out
}

/// Every stored feature of a row.
fn each_entry(features: &Features, row: usize, mut put: impl FnMut(usize, f32)) {
    match features {
        Features::Dense(m) => m.row(row).iter().enumerate().for_each(|(j, &x)| put(j, x)),
        Features::Sparse(m) => {
            let (cols, values) = m.row(row);
            cols.iter().zip(values).for_each(|(&j, &x)| put(j as usize, x));
        }
    }
}

/// Unknown (feature j, direction a) of the written-out curvature is row `a * d + j`.
fn solve_factored<T: Real>(factor: &Cholesky<T>, right: &Mat<T>, lanes: usize, basis: &Basis) -> Mat<T> {
    let (d, queries) = (right.rows(), right.cols() / lanes);
    let mut unknowns = Mat::zeros(d * basis.len(), queries);
    for j in 0..d {
        for (q, outputs) in right.row(j).chunks_exact(lanes).enumerate() {
            let narrow = basis.narrow(outputs);
            narrow.into_iter().enumerate().for_each(|(a, x)| unknowns.row_mut(a * d + j)[q] = x);
        }
    }
    factor.solve(&mut unknowns);
    let mut out = Mat::zeros(d, right.cols());
    for j in 0..d {
        for (q, outputs) in out.row_mut(j).chunks_exact_mut(lanes).enumerate() {
            let narrow: Vec<T> = (0..basis.len()).map(|a| unknowns.row(a * d + j)[q]).collect();
            basis.widen(&narrow, outputs);
        }
    }
    out
}
