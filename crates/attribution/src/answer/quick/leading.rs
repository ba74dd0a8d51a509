//! An answer by the leading directions of the features.
//!
//! The integral is a sum over quadrature nodes k of w_k < x_i, S_k > r_ik, with r_ik the residuals of record i there
//! and S_k = H_k^-1 (gradient of log2 p) for this question. Once for a model:
//!
//! 1. The *leading* directions W of the features are found, along which records differ most. In W the curvature H_k is
//!    written out at every node and inverted; its inverse is kept in 16-bit numbers. (Of many classes only the block of
//!    each class is inverted.) In the *rest* of feature space lambda outweighs what the records add: there H_k is taken to
//!    be the same in every direction, lambda and the mean of what they add, a matrix over the outputs alone. What couples
//!    the two is left out.
//! 2. The residuals of the nodes are so alike that those of a few give all of them: r_ik = sum_m a_km r_im.
//!
//! With z = W'x, x the question's features and g_k its gradient in the scores, record i then gets
//!
//! ```text
//! < T' z_i + < x_i, x > u, r_i >,   T = sum_k w_k a_k (H_k^-1 (z g_k') - z u_k'),   u = sum_k w_k a_k u_k,
//! ```
//!
//! u_k being the rest's inverse times g_k and r_i the residuals at the few nodes: two products with the records.

use assay_kernels::bilinear::bilinear;
use assay_kernels::cholesky::Cholesky;
use assay_kernels::half::HalfSymmetric;
use assay_kernels::leading::leading;
use assay_kernels::{Design, Mat, Real};
use assay_learn::data::Features;
use assay_learn::train::{Point, Problem};

use super::super::written::Basis;
use super::super::{AnswerError, Path, Station, each_entry};
use super::nodes::Few;
use super::{Question, spread};
use crate::{OnProgress, Progress};

/// Rows of the written-out curvature: leading directions times directions of the outputs.
const LEADING_ROWS: usize = 900;

/// Outputs from which on only the block of each is inverted, with this many leading directions.
const MANY_OUTPUTS: usize = 32;
const MANY_LEADING: usize = 48;

/// Leading directions at most. Those that add less than the first part of lambda to the curvature of any node are left, and
/// at a node those that add less than the other part to its own.
const MOST: usize = 256;
const OUTWEIGHED: f64 = 0.5;
const OUTWEIGHED_AT: f64 = 0.05;

/// Nodes whose residuals give those of all at most; and enough once they miss this part of them.
const NODES_MOST: usize = 8;
const NODES_MISSED: f64 = 0.004;

/// Numbers of a record's residuals are padded to a multiple of this.
const LANES: usize = 16;

/// Records on which the curvature of the rest is measured.
const SAMPLED: usize = 64;

/// Right-hand sides with which an inverse is built at a time.
const INVERSE_COLUMNS: usize = 256;

/// What is kept of a model.
#[derive(Clone, Debug)]
pub(super) struct Leading {
    basis: Basis,
    /// W: features x leading directions.
    leading: Mat<f32>,
    /// z_i: records x leading directions.
    places: Mat<f32>,
    nodes: Vec<Node>,
    /// r_i: records x (directions of the outputs at each of the few nodes), padded.
    moved: Mat<f32>,
}

/// A node of the path.
#[derive(Clone, Debug)]
struct Node {
    theta: Mat<f32>,
    /// The inverse of the curvature along W, in one block or a block an output: row `a * directions + j` is leading
    /// direction j of direction a of the outputs.
    leading: Vec<HalfSymmetric>,
    /// Its inverse in the rest: over the directions of the outputs.
    rest: Mat<f64>,
    /// w_k a_km.
    shares: Vec<f64>,
}

impl<T: Real> Path<T> {
    pub(super) fn leading(
        &self,
        features: &Features,
        problem: &Problem<'_, T>,
        single: &Design<f32>,
        on_progress: OnProgress<'_>,
    ) -> Result<Leading, AnswerError> {
        let is_whole = self.basis.len() < MANY_OUTPUTS;
        let basis = if is_whole { self.basis.clone() } else { Basis::plain(self.basis.outputs()) };
        // What a record adds to the curvature of each node, in the output of which it adds most.
        let (mut residuals, mut added) = (Vec::new(), Vec::new());
        let alike = vec![1.0; single.rows()];
        for station in &self.nodes {
            let point = problem.at(station.theta.clone());
            residuals.push(less_gradients(&basis, problem, &point));
            let mean = basis.mean_curvature(problem, station.node.t, &point, &alike);
            added.push((0..mean.rows()).map(|a| mean.row(a)[a]).fold(0.0, f64::max));
        }
        // S falls like 1 / (t + s).
        let learned = problem.first_learned();
        let sizes: Vec<f64> = self.nodes.iter().map(|s| s.node.weight() / (s.node.t + learned)).collect();
        let few = Few::of(&products(&residuals), &sizes, NODES_MOST, NODES_MISSED);
        let moved = side_by_side(&residuals, &few.nodes);
        drop(residuals);

        let most = if is_whole { (LEADING_ROWS / basis.len()).min(MOST) } else { MANY_LEADING };
        let least = OUTWEIGHED * self.lambda / added.iter().copied().fold(0.0, f64::max);
        let (leading, places, spreads) = directions(single, most, least);
        let rest = Rest::of(features, single, &leading, &places);
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for (k, station) in self.nodes.iter().enumerate() {
            on_progress(Progress { stage: "factors", done: k, total: self.nodes.len() });
            // Unless they are the features themselves, they come in order.
            let last = spreads.iter().rposition(|&s| s * added[k] >= OUTWEIGHED_AT * self.lambda);
            let here = first_columns(&places, last.map_or(1, |last| last + 1));
            let shares = few.shares.row(k).iter().map(|a| station.node.weight() * a).collect();
            nodes.push(self.node(problem, station, &basis, (&here, &rest), shares)?);
        }
        on_progress(Progress { stage: "factors", done: self.nodes.len(), total: self.nodes.len() });
        Ok(Leading { basis, leading, places, nodes, moved })
    }

    /// The node's inverses, records being described by their `places` along the directions that matter there.
    fn node(
        &self,
        problem: &Problem<'_, T>,
        station: &Station<T>,
        basis: &Basis,
        (places, rest): (&Mat<f32>, &Rest),
        shares: Vec<f64>,
    ) -> Result<Node, AnswerError> {
        let (t, outputs) = (station.node.t, basis.len());
        let point = problem.at(station.theta.clone());
        let led = Design::<T>::dense(places);
        let weights = self.weights.as_deref();
        let led = Problem::new(&led, &self.target, weights, self.lambda, self.noise_variance())
            .map_err(AnswerError::Train)?;
        let blocks = if outputs < MANY_OUTPUTS {
            basis.curvature(&led, t, &point, usize::MAX).map(|whole| vec![whole])
        } else {
            basis.own_curvatures(&led, t, &point)
        };
        let mut mean = basis.mean_curvature(&led, t, &point, &rest.sizes);
        mean.data_mut().iter_mut().for_each(|x| *x *= rest.curvature);
        (0..outputs).for_each(|a| mean.row_mut(a)[a] += self.lambda);
        let kept = |block: &Mat<T>| HalfSymmetric::new(&inverse(block).convert());
        Ok(Node {
            theta: station.theta.convert(),
            leading: blocks.ok_or(AnswerError::Mismatch)?.iter().map(kept).collect(),
            rest: inverse(&mean),
            shares,
        })
    }
}

/// Leading directions of the features, at most `most` of them and none with a spread below `least`; all records along them;
/// and their spreads, the squares of all records along each.
fn directions(single: &Design<f32>, most: usize, least: f64) -> (Mat<f32>, Mat<f32>, Vec<f64>) {
    let found = leading(single, most);
    let mut places = Mat::zeros(single.rows(), found.cols());
    single.times(&found, &mut places, |_, _| {});
    let spread = |j: usize| (0..places.rows()).map(|i| f64::from(places.row(i)[j]).powi(2)).sum::<f64>();
    let spreads: Vec<f64> = (0..found.cols()).map(spread).collect();
    let wide = spreads.iter().take_while(|&&spread| spread >= least).count().max(1);
    let kept = if found.cols() == single.cols() { found.cols() } else { wide };
    (first_columns(&found, kept), first_columns(&places, kept), spreads[..kept].to_vec())
}

fn first_columns(a: &Mat<f32>, count: usize) -> Mat<f32> {
    let mut out = Mat::zeros(a.rows(), count);
    (0..a.rows()).for_each(|i| out.row_mut(i).copy_from_slice(&a.row(i)[..count]));
    out
}

/// Less the gradients of the weighted losses at a node: records x directions of the outputs.
fn less_gradients<T: Real>(basis: &Basis, problem: &Problem<'_, T>, point: &Point<T>) -> Mat<f32> {
    let wide = problem.residuals(-1.0, point);
    let mut out = Mat::zeros(wide.rows(), basis.len());
    for i in 0..wide.rows() {
        let narrow = basis.narrow(&wide.row(i)[..basis.outputs()]);
        out.row_mut(i).iter_mut().zip(narrow).for_each(|(o, r)| *o = r.f64() as f32);
    }
    out
}

/// The residuals at some nodes: records x (directions at each), padded with zeros.
fn side_by_side(residuals: &[Mat<f32>], nodes: &[usize]) -> Mat<f32> {
    let (records, outputs) = residuals.first().map_or((0, 1), |r| (r.rows(), r.cols()));
    let mut out = Mat::zeros(records, (nodes.len() * outputs).next_multiple_of(LANES));
    for i in 0..records {
        for (&k, to) in nodes.iter().zip(out.row_mut(i).chunks_exact_mut(outputs)) {
            to.copy_from_slice(residuals[k].row(i));
        }
    }
    out
}

/// Products of the residuals at every two nodes.
fn products(residuals: &[Mat<f32>]) -> Mat<f64> {
    let nodes = residuals.len();
    let mut out = Mat::zeros(nodes, nodes);
    for (a, b) in (0..nodes).flat_map(|a| (0..=a).map(move |b| (a, b))) {
        let products = residuals[a].data().iter().zip(residuals[b].data()).map(|(x, y)| f64::from(x * y));
        out.row_mut(a)[b] = products.sum();
        out.row_mut(b)[a] = out.row(a)[b];
    }
    out
}

/// What the leading directions leave of the records.
struct Rest {
    /// Squared length of it, each record.
    sizes: Vec<f64>,
    /// The eigenvalue of X'X that stands for all of it.
    curvature: f64,
}

impl Rest {
    /// With G = X'X in the rest, (c + h G)^-1 between two records is on average (c + h s)^-1 times their product, to the
    /// first order in h, for s = tr G^3 / tr G^2; both traces from sampled records.
    fn of(features: &Features, single: &Design<f32>, leading: &Mat<f32>, places: &Mat<f32>) -> Self {
        let square = |row: &[f32]| row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        let size = |i: usize| {
            let mut whole = 0.0;
            each_entry(features, i, |_, x| whole += f64::from(x).powi(2));
            // What is left of rounding is nothing.
            let rest = whole - square(places.row(i));
            if rest > 1e-5 * whole { rest } else { 0.0 }
        };
        let sizes: Vec<f64> = (0..features.rows()).map(size).collect();
        let of = spread(features.rows(), SAMPLED);
        let mut sample = Mat::zeros(single.cols(), of.len());
        for (q, &i) in of.iter().enumerate() {
            each_entry(features, i, |j, x| sample.row_mut(j)[q] = x);
        }
        without(leading, &mut sample);
        let mut along = Mat::zeros(single.rows(), of.len());
        single.times(&sample, &mut along, |_, _| {});
        let mut applied = Mat::zeros(single.cols(), of.len());
        single.transpose_times(&along, &mut applied, |_, _| {});
        without(leading, &mut applied);
        let (second, third) = (square(along.data()), square(applied.data()));
        let nothing = sizes.iter().all(|x| *x == 0.0);
        Self { sizes, curvature: if nothing || second <= 0.0 { 0.0 } else { third / second } }
    }
}

/// Takes the leading directions out of every column.
fn without(leading: &Mat<f32>, columns: &mut Mat<f32>) {
    let design = Design::<f32>::dense(leading);
    let mut along = Mat::zeros(leading.cols(), columns.cols());
    design.transpose_times(columns, &mut along, |_, _| {});
    let mut inside = Mat::zeros(columns.rows(), columns.cols());
    design.times(&along, &mut inside, |_, _| {});
    columns.data_mut().iter_mut().zip(inside.data()).for_each(|(x, y)| *x -= y);
}

/// The inverse of a curvature. One that rounding has left without a factor gets as much more on its diagonal as it needs.
fn inverse<T: Real>(curvature: &Mat<T>) -> Mat<T> {
    let size = curvature.rows();
    let mean = (0..size).map(|i| curvature.row(i)[i].f64()).sum::<f64>() / size.max(1) as f64;
    let mut more = 0.0;
    let factor = loop {
        let mut raised = curvature.clone();
        (0..size).for_each(|i| raised.row_mut(i)[i] += T::of(more * mean));
        match Cholesky::new(raised) {
            Some(factor) => break factor,
            None if more < 1.0 => more = (more * 10.0).max(1e-7),
            // Not a curvature: the records' numbers are not finite.
            None => return Mat::zeros(size, size),
        }
    };
    let mut out = Mat::zeros(size, size);
    for first in (0..size).step_by(INVERSE_COLUMNS) {
        let width = INVERSE_COLUMNS.min(size - first);
        let mut columns = Mat::zeros(size, width);
        (0..width).for_each(|c| columns.row_mut(first + c)[c] = T::ONE);
        factor.solve(&mut columns);
        (0..size).for_each(|i| out.row_mut(i)[first..first + width].copy_from_slice(columns.row(i)));
    }
    out
}

impl Leading {
    /// The bits of every record.
    pub(super) fn records(&self, design: &Design<f32>, question: &Question<'_>) -> Vec<f32> {
        let (leading, outputs) = (self.leading.cols(), self.basis.len());
        let mut whole = vec![0.0; design.cols()];
        let mut place = vec![0.0; leading];
        question.each(|j, x| {
            whole[j] = x;
            place.iter_mut().zip(self.leading.row(j)).for_each(|(z, w)| *z += x * w);
        });
        let mut rows = vec![vec![0.0; leading]; self.moved.cols()];
        let mut rest = vec![0.0; self.moved.cols()];
        for node in &self.nodes {
            let pull = self.basis.narrow(&question.pull(&node.theta));
            let here = node.leading.iter().map(HalfSymmetric::size).sum::<usize>() / outputs;
            let place = &place[..here];
            let right: Vec<f32> =
                pull.iter().flat_map(|pull| place.iter().map(move |z| z * *pull as f32)).collect();
            let blocks = right.chunks_exact(right.len() / node.leading.len());
            let solved: Vec<f32> =
                node.leading.iter().zip(blocks).flat_map(|(block, right)| block.times(right)).collect();
            for (a, solved) in solved.chunks_exact(here).enumerate() {
                let left: f64 = node.rest.row(a).iter().zip(&pull).map(|(n, g)| n * g).sum();
                let inside: Vec<f32> = solved.iter().zip(place).map(|(s, z)| s - left as f32 * z).collect();
                for (m, &share) in node.shares.iter().enumerate() {
                    let at = m * outputs + a;
                    rest[at] += (share * left) as f32;
                    rows[at].iter_mut().zip(&inside).for_each(|(o, x)| *o += share as f32 * x);
                }
            }
        }
        let mut panel = Mat::zeros(leading, self.moved.cols());
        for (at, row) in rows.iter().enumerate() {
            row.iter().enumerate().for_each(|(j, &x)| panel.row_mut(j)[at] = x);
        }
        bilinear(&self.places, &panel, (&design.along(&whole), &rest), &self.moved)
    }
}
