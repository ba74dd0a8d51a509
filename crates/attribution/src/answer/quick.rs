//! One answer in milliseconds.
//!
//! [`Leading`] writes the curvature out in the directions of feature space along which records differ most, and takes it
//! to be simple in the others. The sum over the records is known exactly, so that every answer says how far off it is; and
//! some records are asked about beforehand, so that a model says how far off its answers are on the whole.

mod leading;
mod nodes;

use std::sync::Arc;

use assay_kernels::{Design, Mat, Real};
use assay_learn::data::{Features, Target};
use assay_learn::model::{Family, Model};
use assay_learn::train::to_model;

use self::leading::Leading;
use super::{AnswerError, Attribution, Path, each_entry};
use crate::{Examples, OnProgress};

/// Records that stand for questions.
const PROBES: usize = 16;

/// Part of the bits for and against, without their signs, by which records may miss their sum.
const MISSED: f64 = 0.02;

const LN_2: f64 = std::f64::consts::LN_2;

/// Answers one question at a time, quickly and nearly as [`PathState::attribute`](super::PathState::attribute) does.
#[derive(Clone, Debug)]
pub struct Quick {
    design: Arc<Design<f32>>,
    family: Family,
    end: Mat<f32>,
    leading: Leading,
    missed: f64,
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
        let leading = self.leading(train.features, &problem, &single, on_progress)?;
        let (family, end) = (self.family, self.end.convert());
        let mut quick = Quick { design: single, family, end, leading, missed: 0.0 };
        let (queries, answers) = self.probes(train.features);
        let found = quick.attribute(&queries, &answers)?;
        quick.missed =
            (0..answers.len()).map(|q| missed(&found, q)).sum::<f64>() / answers.len().max(1) as f64;
        Ok(quick)
    }

    /// Some records as questions, with answers of every kind.
    fn probes(&self, features: &Features) -> (Features, Target) {
        let queries = features.select(&spread(features.rows(), PROBES));
        let answers = mixed(said(&to_model(self.family, &self.end), &queries));
        (queries, answers)
    }
}

impl Quick {
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
        for row in 0..queries.rows() {
            let answer = match answers {
                Target::Classes { labels, count } if labels[row] as usize >= *count => {
                    return Err(AnswerError::Mismatch);
                }
                Target::Classes { labels, .. } => Answer::Class(labels[row] as usize),
                Target::Numbers(numbers) => Answer::Number(numbers[row], noise),
            };
            let question = Question { features: queries, row, outputs: self.family.outputs(), answer };
            let found = self.leading.records(&self.design, &question);
            let bits = out.bits.row_mut(row);
            bits.iter_mut().zip(found).for_each(|(o, x)| *o = f64::from(x));
            let base = answer.bits(&vec![0.0; self.family.outputs()]);
            let gain = answer.bits(&question.scores(&self.end)) - base;
            out.closure_bits.push((out.bits.row(row).iter().sum::<f64>() - gain).abs());
            out.gain_bits.push(gain);
        }
        Ok(out)
    }

    /// By what part of the bits for and against, without their signs, the records of an answer miss their sum: the mean over
    /// some records as questions.
    pub fn missed(&self) -> f64 {
        self.missed
    }

    /// Whether the answers of this model, and this one of them, are near enough to be shown; the exact way is slower.
    pub fn is_near(&self, found: &Attribution, row: usize) -> bool {
        self.missed <= MISSED && missed(found, row) <= MISSED
    }
}

fn missed(found: &Attribution, row: usize) -> f64 {
    let moved: f64 = found.bits.row(row).iter().map(|x| x.abs()).sum();
    if moved > 0.0 { found.closure_bits[row] / moved } else { 0.0 }
}

/// One question with its answer.
struct Question<'a> {
    features: &'a Features,
    row: usize,
    outputs: usize,
    answer: Answer,
}

impl Question<'_> {
    /// Every stored feature.
    fn each(&self, put: impl FnMut(usize, f32)) {
        each_entry(self.features, self.row, put);
    }

    /// Its scores: one an output.
    fn scores(&self, theta: &Mat<f32>) -> Vec<f64> {
        let mut out = vec![0.0; self.outputs];
        self.each(|j, x| {
            out.iter_mut().zip(theta.row(j)).for_each(|(o, &w)| *o += f64::from(x) * f64::from(w));
        });
        out
    }

    /// The gradient of log2 p of the answer in the scores, at some weights.
    fn pull(&self, theta: &Mat<f32>) -> Vec<f64> {
        self.answer.pull(&self.scores(theta))
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
