//! One answer in milliseconds.
//!
//! The integral is a sum over quadrature nodes k of w_k < x_i, S_k > r_ik, with r_ik the residuals of record i there
//! and S_k = H_k^-1 (gradient of log2 p) for this question. Residuals do not depend on the question, and S_k changes so
//! smoothly with k that it is a combination of few of them. So once for a model:
//!
//! 1. S is solved at all nodes for a few records as if they were questions; the few *anchor* nodes m are chosen and
//!    combinations a_km fitted by least squares such that w_k S_k r_ik is best given by sum_m a_km S_m r_ik;
//! 2. the residuals are summed over the nodes with these: R_im = sum_k w_k a_km r_ik;
//! 3. the inverses of the curvature at the anchors are kept, in 16-bit numbers.
//!
//! and for each question: S at the anchors; an orthonormal basis of their columns, as short as is near enough; one
//! product of the features with it; and the sum over it for each record. The sum over the records is known exactly,
//! so that every answer says how far off it is.

use std::sync::Arc;

use assay_kernels::cg::{self, Operator, Stop};
use assay_kernels::cholesky::Cholesky;
use assay_kernels::half::HalfSymmetric;
use assay_kernels::{Design, Mat, Real, panel};
use assay_learn::data::{Features, Target};
use assay_learn::model::{Family, Model};
use assay_learn::train::{Problem, design, to_model};

use super::written::Basis;
use super::{AnswerError, Attribution, Path, Station, each_entry};
use crate::{Examples, OnProgress, Progress};

/// Records that stand for questions, and records on which S is compared.
const PROBES: usize = 16;
const COMPARED: usize = 512;

/// Anchors: as many as leave their inverses about this many numbers, from the fewest to the most; but no more once they
/// miss no more than this part of the integrand.
const ANCHOR_NUMBERS: usize = 28_000_000;
const FEWEST: usize = 4;
const MOST: usize = 8;
const MISSED: f64 = 0.005;

/// Rows of a curvature whose inverse is kept; beyond, and for sparse features, conjugate gradients solve roughly.
const INVERSE_ROWS: usize = 4_200;
const ROUGH: Stop = Stop { tolerance: 0.01, iterations: 200 };

/// Right-hand sides with which an inverse is built at a time.
const INVERSE_COLUMNS: usize = 256;

/// Part of the size of S, weighed by the residuals, that its basis may miss: its square.
const BASIS_MISSED: f64 = 1e-5;

const LN_2: f64 = std::f64::consts::LN_2;

/// Answers one question at a time, quickly and nearly as [`PathState::attribute`](super::PathState::attribute) does.
#[derive(Clone, Debug)]
pub struct Quick {
    design: Arc<Design<f32>>,
    family: Family,
    basis: Basis,
    anchors: Vec<Anchor>,
    /// Residuals summed over the nodes: records x (directions of each anchor).
    moved: Design<f32>,
    /// Root mean square of each of its columns.
    sizes: Vec<f64>,
    end: Mat<f32>,
}

#[derive(Clone, Debug)]
struct Anchor {
    theta: Mat<f32>,
    inverse: Inverse,
}

#[derive(Clone, Debug)]
enum Inverse {
    Written(HalfSymmetric),
    Solved(Gradients),
}

impl<T: Real> Path<T> {
    pub(super) fn quick(
        &self,
        train: Examples<'_>,
        single: Arc<Design<f32>>,
        on_progress: OnProgress<'_>,
    ) -> Result<Quick, AnswerError> {
        let shape = (train.features.rows(), train.features.cols());
        if shape != (self.design.rows(), self.design.cols()) || *train.target != self.target {
            return Err(AnswerError::Mismatch);
        }
        let problem = self.problem()?;
        let residuals: Vec<Mat<f32>> = self.nodes.iter().map(|s| self.residuals(&problem, s)).collect();
        let weights: Vec<f64> =
            self.nodes.iter().zip(&residuals).map(|(s, r)| s.node.weight() * size(r.data())).collect();
        let probed = self.probe(train, &problem, on_progress)?;
        let directions = self.basis.len();
        let rows = (self.design.cols() * directions).min(INVERSE_ROWS);
        let most = (2 * ANCHOR_NUMBERS / (rows * rows)).clamp(FEWEST, MOST);
        let (chosen, shares) = anchors(&probed, &weights, most);
        let mut moved = Mat::zeros(self.design.rows(), chosen.len() * directions);
        for (k, residuals) in residuals.iter().enumerate() {
            for m in 0..chosen.len() {
                let share = (self.nodes[k].node.weight() * shares.row(k)[m]) as f32;
                for i in 0..residuals.rows() {
                    let to = &mut moved.row_mut(i)[m * directions..][..directions];
                    to.iter_mut().zip(residuals.row(i)).for_each(|(o, r)| *o += share * r);
                }
            }
        }
        let anchor = |(done, &k): (usize, &usize)| {
            on_progress(Progress { stage: "factors", done, total: chosen.len() });
            self.anchor(&problem, &self.nodes[k])
        };
        let anchors = chosen.iter().enumerate().map(anchor).collect();
        let column = |c: usize| (0..moved.rows()).map(|i| moved.row(i)[c]).collect::<Vec<f32>>();
        Ok(Quick {
            design: single,
            family: self.family,
            basis: self.basis.clone(),
            anchors,
            sizes: (0..moved.cols()).map(|c| size(&column(c))).collect(),
            moved: Design::dense(&moved),
            end: self.end.convert(),
        })
    }

    /// Less the gradients of the weighted losses at a node: records x directions.
    fn residuals(&self, problem: &Problem<'_, T>, station: &Station<T>) -> Mat<f32> {
        let wide = problem.residuals(-1.0, &problem.at(station.theta.clone()));
        let mut out = Mat::zeros(wide.rows(), self.basis.len());
        for i in 0..wide.rows() {
            let narrow = self.basis.narrow(&wide.row(i)[..self.basis.outputs()]);
            out.row_mut(i).iter_mut().zip(narrow).for_each(|(o, r)| *o = r.f64() as f32);
        }
        out
    }

    /// <x_i, S_k> of a few records i for a few others as questions, at every node: nodes x what was looked at. Each
    /// question counts alike.
    fn probe(
        &self,
        train: Examples<'_>,
        problem: &Problem<'_, T>,
        on_progress: OnProgress<'_>,
    ) -> Result<Mat<f64>, AnswerError> {
        let queries = train.features.select(&spread(train.features.rows(), PROBES));
        let answers = mixed(said(&to_model(self.family, &self.end), &queries));
        let (asked_design, compared) = (
            design::<T>(&queries),
            design::<T>(&train.features.select(&spread(train.features.rows(), COMPARED))),
        );
        let asked = Problem::new(&asked_design, &answers, None, self.lambda, self.noise_variance())
            .map_err(AnswerError::Queries)?;
        let lanes = problem.lanes();
        let length = compared.rows() * lanes;
        let mut out = Mat::zeros(self.nodes.len(), queries.rows() * length);
        for (k, station) in self.nodes.iter().enumerate() {
            on_progress(Progress { stage: "probes", done: k, total: self.nodes.len() });
            station.solve(&self.basis, problem, (&asked, &queries), ROUGH.tolerance, |batch, solution| {
                let mut scores = Mat::zeros(compared.rows(), solution.cols());
                compared.times(solution, &mut scores, |_, _| {});
                for (place, q) in batch.enumerate() {
                    for i in 0..scores.rows() {
                        let from = &scores.row(i)[place * lanes..][..lanes];
                        let to = &mut out.row_mut(k)[q * length + i * lanes..][..lanes];
                        to.iter_mut().zip(from).for_each(|(o, s)| *o = s.f64());
                    }
                }
            });
        }
        for q in 0..queries.rows() {
            let range = q * length..(q + 1) * length;
            let total: f64 = (0..out.rows()).map(|k| squares(&out.row(k)[range.clone()])).sum();
            let scale = if total > 0.0 { total.sqrt().recip() } else { 0.0 };
            (0..out.rows()).for_each(|k| out.row_mut(k)[range.clone()].iter_mut().for_each(|x| *x *= scale));
        }
        Ok(out)
    }

    fn anchor(&self, problem: &Problem<'_, T>, station: &Station<T>) -> Anchor {
        let point = problem.at(station.theta.clone());
        let written = self.basis.curvature(problem, station.node.t, &point, INVERSE_ROWS);
        let inverse = written.and_then(|written| inverse(&written));
        let inverse = inverse.unwrap_or_else(|| {
            let weights = problem.weights_at(station.node.t).into_iter();
            let scale = weights.map(|w| (w / self.noise_variance()) as f32).collect();
            Inverse::Solved(Gradients::new(point.fitted.convert(), scale, self))
        });
        Anchor { theta: station.theta.convert(), inverse }
    }
}

/// The inverse of a written-out curvature, rounded.
fn inverse<T: Real>(written: &Mat<T>) -> Option<Inverse> {
    let size = written.rows();
    let factor = Cholesky::new(written.convert::<f32>())?;
    let mut out = Mat::zeros(size, size);
    for first in (0..size).step_by(INVERSE_COLUMNS) {
        let width = INVERSE_COLUMNS.min(size - first);
        let mut columns = Mat::zeros(size, width);
        (0..width).for_each(|c| columns.row_mut(first + c)[c] = 1.0);
        factor.solve(&mut columns);
        (0..size).for_each(|i| out.row_mut(i)[first..first + width].copy_from_slice(columns.row(i)));
    }
    Some(Inverse::Written(HalfSymmetric::new(&out)))
}

/// What a model says to questions.
pub(super) fn said(model: &Model, queries: &Features) -> Target {
    match model.family() {
        Family::Softmax { classes } => Target::Classes { labels: model.classes(queries), count: classes },
        Family::Gaussian { .. } => Target::Numbers(model.scores(queries).data().to_vec()),
    }
}

/// Answers of every kind: what a model says to every other question, and something else to the rest.
fn mixed(said: Target) -> Target {
    match said {
        Target::Classes { labels, count } => {
            let other = |k: usize| if k.is_multiple_of(2) { 0 } else { 1 + (k / 2 % (count - 1)) as u32 };
            let labels = labels.into_iter().enumerate().map(|(k, y)| (y + other(k)) % count as u32).collect();
            Target::Classes { labels, count }
        }
        Target::Numbers(said) => Target::Numbers(
            said.into_iter().enumerate().map(|(k, y)| y + [0.0, 1.0, 0.0, -1.0][k % 4]).collect(),
        ),
    }
}

/// At most `count` of `rows` places, evenly apart.
fn spread(rows: usize, count: usize) -> Vec<usize> {
    let count = count.min(rows);
    (0..count).map(|k| k * rows / count).collect()
}

fn squares(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum()
}

/// Root mean square.
fn size(x: &[f32]) -> f64 {
    let sum: f64 = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
    (sum / x.len().max(1) as f64).sqrt()
}

/// The nodes that give the others best, one after the other, and how much of each node each of them stands for: nodes x
/// anchors.
fn anchors(probed: &Mat<f64>, weights: &[f64], most: usize) -> (Vec<usize>, Mat<f64>) {
    let nodes = probed.rows();
    let mut gram = Mat::zeros(nodes, nodes);
    for (a, b) in (0..nodes).flat_map(|a| (0..nodes).map(move |b| (a, b))) {
        gram.row_mut(a)[b] = probed.row(a).iter().zip(probed.row(b)).map(|(x, y)| x * y).sum();
    }
    let all: f64 = (0..nodes).map(|k| weights[k].powi(2) * gram.row(k)[k]).sum();
    let mut best = (Vec::new(), Mat::zeros(nodes, 0));
    for _ in 0..most.min(nodes) {
        let candidates = (0..nodes).filter(|k| !best.0.contains(k)).filter_map(|k| {
            let chosen = [best.0.as_slice(), &[k]].concat();
            let (missed, shares) = combine(&gram, weights, &chosen)?;
            Some((missed, chosen, shares))
        });
        let Some((missed, chosen, shares)) = candidates.min_by(|a, b| a.0.total_cmp(&b.0)) else { break };
        best = (chosen, shares);
        if missed <= MISSED * MISSED * all {
            break;
        }
    }
    best
}

/// Least squares of every node by the chosen: what is missed, weighed, and the combinations. `None` when the chosen are
/// as good as dependent.
fn combine(gram: &Mat<f64>, weights: &[f64], chosen: &[usize]) -> Option<(f64, Mat<f64>)> {
    let size = chosen.len();
    let mut among = Mat::zeros(size, size);
    for (a, &k) in chosen.iter().enumerate() {
        for (b, &l) in chosen.iter().enumerate() {
            among.row_mut(a)[b] = gram.row(k)[l];
        }
        among.row_mut(a)[a] *= 1.0 + 1e-10;
    }
    let factor = Cholesky::new(among)?;
    let mut solved = Mat::zeros(size, gram.rows());
    for (a, &k) in chosen.iter().enumerate() {
        solved.row_mut(a).copy_from_slice(gram.row(k));
    }
    factor.solve(&mut solved);
    let mut shares = Mat::zeros(gram.rows(), size);
    let mut missed = 0.0;
    for (k, weight) in weights.iter().enumerate() {
        (0..size).for_each(|a| shares.row_mut(k)[a] = solved.row(a)[k]);
        let met: f64 = chosen.iter().zip(shares.row(k)).map(|(&l, s)| s * gram.row(l)[k]).sum();
        missed += weight * weight * (gram.row(k)[k] - met).max(0.0);
    }
    Some((missed, shares))
}

impl Quick {
    /// Nodes of the path at which questions are solved.
    pub fn anchors(&self) -> usize {
        self.anchors.len()
    }

    /// Splits log2 p(answer | query) - log2 p_base of each query over the records, one query after the other;
    /// `closure_bits` says how far the rows are from what they should sum to.
    ///
    /// # Errors
    /// When the queries are not of the path's features and task.
    pub fn attribute(&self, queries: &Features, answers: &Target) -> Result<Attribution, AnswerError> {
        let noise = match self.family {
            Family::Gaussian { noise_variance } => noise_variance,
            Family::Softmax { .. } => 1.0,
        };
        let fits = Family::of(answers, noise) == self.family && queries.cols() == self.design.cols();
        if !fits || queries.rows() != answers.len() {
            return Err(AnswerError::Mismatch);
        }
        let mut out = Attribution {
            bits: Mat::zeros(queries.rows(), self.design.rows()),
            gain_bits: Vec::with_capacity(queries.rows()),
            closure_bits: Vec::with_capacity(queries.rows()),
        };
        for q in 0..queries.rows() {
            let answer = match answers {
                Target::Classes { labels, count } if labels[q] as usize >= *count => {
                    return Err(AnswerError::Mismatch);
                }
                Target::Classes { labels, .. } => Answer::Class(labels[q] as usize),
                Target::Numbers(numbers) => Answer::Number(numbers[q], noise),
            };
            let solutions = self.solutions(queries, q, answer);
            self.add(solutions, out.bits.row_mut(q));
            let gain = answer.bits(&self.scores(&self.end, queries, q))
                - answer.bits(&vec![0.0; self.basis.outputs()]);
            out.closure_bits.push((out.bits.row(q).iter().sum::<f64>() - gain).abs());
            out.gain_bits.push(gain);
        }
        Ok(out)
    }

    /// S at every anchor: a column of features for each direction of each.
    fn solutions(&self, queries: &Features, q: usize, answer: Answer) -> Vec<Vec<f32>> {
        let (d, directions) = (self.design.cols(), self.basis.len());
        let mut out = Vec::with_capacity(self.anchors.len() * directions);
        for anchor in &self.anchors {
            let pull = answer.pull(&self.scores(&anchor.theta, queries, q));
            match &anchor.inverse {
                Inverse::Written(inverse) => {
                    let mut right = vec![0.0; d * directions];
                    for (a, pull) in self.basis.narrow(&pull).into_iter().enumerate() {
                        let right = &mut right[a * d..][..d];
                        each_entry(queries, q, |j, x| right[j] = x * pull as f32);
                    }
                    out.extend(inverse.times(&right).chunks_exact(d).map(<[f32]>::to_vec));
                }
                Inverse::Solved(gradients) => {
                    let lanes = anchor.theta.cols();
                    let mut right = Mat::zeros(d, lanes);
                    each_entry(queries, q, |j, x| {
                        right.row_mut(j).iter_mut().zip(&pull).for_each(|(r, &pull)| *r = x * pull as f32);
                    });
                    let solution = gradients.solve(&self.design, &right);
                    let mut columns = vec![vec![0.0; d]; directions];
                    for j in 0..d {
                        let narrow = self.basis.narrow(&solution.row(j)[..self.basis.outputs()]);
                        columns.iter_mut().zip(narrow).for_each(|(column, x)| column[j] = x);
                    }
                    out.extend(columns);
                }
            }
        }
        out
    }

    /// Adds what the solutions make of every record.
    fn add(&self, solutions: Vec<Vec<f32>>, bits: &mut [f64]) {
        let (basis, parts) = orthonormal(solutions, &self.sizes);
        let width = basis.len();
        if width == 0 {
            return;
        }
        let mut panel = Mat::zeros(self.design.cols(), width);
        for j in 0..panel.rows() {
            panel.row_mut(j).iter_mut().zip(&basis).for_each(|(o, column)| *o = column[j]);
        }
        let mut along = Mat::zeros(self.design.rows(), width);
        self.design.times(&panel, &mut along, |_, _| {});
        let mut weights = Mat::zeros(self.design.rows(), width);
        self.moved.times(&parts, &mut weights, |_, _| {});
        let rows = along.data().chunks_exact(width).zip(weights.data().chunks_exact(width));
        for (bits, (along, weights)) in bits.iter_mut().zip(rows) {
            *bits += f64::from(along.iter().zip(weights).map(|(a, w)| a * w).sum::<f32>());
        }
    }

    /// Scores of a question: one an output.
    fn scores(&self, theta: &Mat<f32>, queries: &Features, q: usize) -> Vec<f64> {
        let mut out = vec![0.0; self.basis.outputs()];
        each_entry(queries, q, |j, x| {
            out.iter_mut().zip(theta.row(j)).for_each(|(o, &w)| *o += f64::from(x) * f64::from(w));
        });
        out
    }
}

/// What was answered.
#[derive(Clone, Copy)]
enum Answer {
    Class(usize),
    /// A number, and the variance of the noise.
    Number(f64, f64),
}

impl Answer {
    /// log2 of its probability, less what does not depend on the scores.
    fn bits(self, scores: &[f64]) -> f64 {
        match self {
            Self::Class(y) => {
                let top = scores.iter().copied().fold(f64::MIN, f64::max);
                let sum: f64 = scores.iter().map(|s| (s - top).exp()).sum();
                (scores[y] - top - sum.ln()) / LN_2
            }
            Self::Number(y, noise) => -(y - scores[0]).powi(2) / (2.0 * noise * LN_2),
        }
    }

    /// The gradient of that in the scores.
    fn pull(self, scores: &[f64]) -> Vec<f64> {
        match self {
            Self::Class(y) => {
                let top = scores.iter().copied().fold(f64::MIN, f64::max);
                let sum: f64 = scores.iter().map(|s| (s - top).exp()).sum();
                let own = |c: usize| f64::from(u8::from(c == y));
                scores.iter().enumerate().map(|(c, s)| (own(c) - (s - top).exp() / sum) / LN_2).collect()
            }
            Self::Number(y, noise) => vec![(y - scores[0]) / (noise * LN_2)],
        }
    }
}

/// Columns of an orthonormal basis of `columns`, and how much of each is in each column: columns x basis. The column that
/// is missed most, times its size, comes next (modified Gram-Schmidt with pivots), until little is missed.
fn orthonormal(mut columns: Vec<Vec<f32>>, sizes: &[f64]) -> (Vec<Vec<f32>>, Mat<f32>) {
    let norm = |column: &[f32]| f64::from(column.iter().map(|x| x * x).sum::<f32>());
    let mut missed: Vec<f64> = columns.iter().zip(sizes).map(|(c, s)| norm(c) * s * s).collect();
    let enough = BASIS_MISSED * missed.iter().sum::<f64>();
    let mut basis: Vec<Vec<f32>> = Vec::new();
    let mut parts: Vec<Vec<f32>> = Vec::new();
    while basis.len() < columns.len() && missed.iter().sum::<f64>() > enough {
        let Some(pivot) = (0..columns.len()).max_by(|&a, &b| missed[a].total_cmp(&missed[b])) else { break };
        let scale = norm(&columns[pivot]).sqrt() as f32;
        if !(scale > 0.0 && scale.is_finite()) {
            break;
        }
        let next: Vec<f32> = columns[pivot].iter().map(|x| x / scale).collect();
        let mut part = vec![0.0; columns.len()];
        for (k, column) in columns.iter_mut().enumerate() {
            part[k] = next.iter().zip(column.iter()).map(|(q, x)| q * x).sum();
            column.iter_mut().zip(&next).for_each(|(x, q)| *x -= part[k] * q);
            missed[k] = norm(column) * sizes[k] * sizes[k];
        }
        basis.push(next);
        parts.push(part);
    }
    let mut out = Mat::zeros(columns.len(), basis.len());
    for (b, part) in parts.iter().enumerate() {
        part.iter().enumerate().for_each(|(k, &x)| out.row_mut(k)[b] = x);
    }
    (basis, out)
}

/// A curvature as an operator that owns its parts.
#[derive(Clone, Debug)]
struct Gradients {
    family: Family,
    fitted: Mat<f32>,
    /// Weight of each record, times t.
    scale: Vec<f32>,
    lambda: f32,
    /// The reciprocal of the diagonal.
    inverse_diagonal: Mat<f32>,
}

impl Gradients {
    fn new<T: Real>(fitted: Mat<f32>, scale: Vec<f32>, path: &Path<T>) -> Self {
        let (lanes, lambda) = (fitted.cols(), path.lambda as f32);
        let mut spreads = fitted.clone();
        for (i, &scale) in scale.iter().enumerate() {
            for p in spreads.row_mut(i) {
                *p = match path.family {
                    Family::Softmax { .. } => scale * *p * (1.0 - *p),
                    Family::Gaussian { .. } => scale,
                };
            }
        }
        let single: Design<f32> = path.design.convert();
        let mut diagonal = Mat::zeros(single.cols(), lanes);
        single.squared_transpose_times(&spreads, &mut diagonal);
        diagonal.data_mut().iter_mut().for_each(|h| *h = 1.0 / (*h + lambda));
        Self { family: path.family, fitted, scale, lambda, inverse_diagonal: diagonal }
    }

    fn solve(&self, design: &Design<f32>, right: &Mat<f32>) -> Mat<f32> {
        let mut out = Mat::zeros(right.rows(), right.cols());
        let mut operator = Applied { of: self, design, scratch: self.fitted.clone() };
        cg::solve(&mut operator, right, &mut out, right.cols(), true, ROUGH);
        out
    }
}

struct Applied<'a> {
    of: &'a Gradients,
    design: &'a Design<f32>,
    scratch: Mat<f32>,
}

impl Operator<f32> for Applied<'_> {
    fn apply(&mut self, x: &Mat<f32>, out: &mut Mat<f32>) {
        let (of, lanes) = (self.of, x.cols());
        self.design.times(x, &mut self.scratch, |first, rows| match of.family {
            Family::Softmax { .. } => {
                let fitted = &of.fitted.data()[first * lanes..];
                panel::curvature_rows(rows, lanes, fitted, lanes, &of.scale[first..]);
            }
            Family::Gaussian { .. } => {
                rows.iter_mut().zip(&of.scale[first..]).for_each(|(a, &scale)| *a *= scale);
            }
        });
        self.design.transpose_times(&self.scratch, out, |first, rows| {
            rows.iter_mut().zip(&x.data()[first * lanes..]).for_each(|(o, &x)| *o += of.lambda * x);
        });
    }

    fn precondition(&mut self, r: &Mat<f32>, out: &mut Mat<f32>) {
        panel::scale_groups(&self.of.inverse_diagonal, r, out);
    }
}
