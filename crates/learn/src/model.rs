//! Model families: their weights and what they predict.

use assay_kernels::{Csr, Mat};
use serde::{Deserialize, Serialize};

use crate::data::{Features, Target};

/// The form of a model and of its loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// p(y | x) proportional to exp(x . theta_y). Before it saw a record, every class is equally likely.
    Softmax {
        /// Number of classes, at least 2.
        classes: usize,
    },
    /// y normal with mean x . theta and a fixed variance. Before it saw a record, the mean is 0.
    Gaussian {
        /// Variance of y given x, in the units of the standardised target.
        noise_variance: f64,
    },
}

impl Family {
    /// Numbers that the model computes for a record: one score a class, or one mean.
    pub fn outputs(self) -> usize {
        match self {
            Self::Softmax { classes } => classes,
            Self::Gaussian { .. } => 1,
        }
    }

    /// The family that fits a target; `noise_variance` is read for numbers only.
    pub fn of(target: &Target, noise_variance: f64) -> Self {
        match target {
            Target::Classes { count, .. } => Self::Softmax { classes: *count },
            Target::Numbers(_) => Self::Gaussian { noise_variance },
        }
    }
}

/// A fitted model: its family and one weight a feature and output. All weights zero is the base model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Model {
    family: Family,
    theta: Mat<f64>,
}

/// How a model is written down.
#[derive(Serialize, Deserialize)]
struct Stored {
    family: Family,
    features: usize,
    theta: Vec<f64>,
}

/// Weights that cannot be a model.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ModelError {
    /// The weights are not features x outputs numbers.
    #[error("a model of {features} features and {outputs} outputs cannot have {weights} weights")]
    Shape {
        /// Features named.
        features: usize,
        /// Outputs of the family.
        outputs: usize,
        /// Weights given.
        weights: usize,
    },
    /// A weight or the noise variance is not a usable number.
    #[error("a model needs finite weights and a noise variance above zero")]
    NotFinite,
}

impl TryFrom<Stored> for Model {
    type Error = ModelError;

    fn try_from(s: Stored) -> Result<Self, ModelError> {
        let (features, outputs, weights) = (s.features, s.family.outputs(), s.theta.len());
        let shape = ModelError::Shape { features, outputs, weights };
        if features.checked_mul(outputs) != Some(weights) {
            return Err(shape);
        }
        Self::new(s.family, Mat::from_vec(features, outputs, s.theta).ok_or(shape)?)
    }
}

impl From<Model> for Stored {
    fn from(m: Model) -> Self {
        Self { family: m.family, features: m.theta.rows(), theta: m.theta.data().to_vec() }
    }
}

impl Model {
    /// A model from its weights, features x outputs.
    ///
    /// # Errors
    /// When the shape is wrong or a number is not finite.
    pub fn new(family: Family, theta: Mat<f64>) -> Result<Self, ModelError> {
        if theta.cols() != family.outputs() {
            return Err(ModelError::Shape {
                features: theta.rows(),
                outputs: family.outputs(),
                weights: theta.data().len(),
            });
        }
        let noise_ok = match family {
            Family::Softmax { .. } => true,
            Family::Gaussian { noise_variance } => noise_variance > 0.0 && noise_variance.is_finite(),
        };
        if !noise_ok || theta.data().iter().any(|x| !x.is_finite()) {
            return Err(ModelError::NotFinite);
        }
        Ok(Self { family, theta })
    }

    /// The model before it saw any record.
    pub fn base(family: Family, features: usize) -> Self {
        Self { family, theta: Mat::zeros(features, family.outputs()) }
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Weights, features x outputs. The last feature is the constant.
    pub fn theta(&self) -> &Mat<f64> {
        &self.theta
    }

    /// Raw outputs, records x outputs: class scores, or means.
    ///
    /// # Panics
    /// When the features are not those of the model.
    pub fn scores(&self, features: &Features) -> Mat<f64> {
        assert_eq!(features.cols(), self.theta.rows(), "features of another model");
        match features {
            Features::Dense(x) => self.dense_scores(x),
            Features::Sparse(x) => self.sparse_scores(x),
        }
    }

    fn dense_scores(&self, x: &Mat<f32>) -> Mat<f64> {
        let mut out = Mat::zeros(x.rows(), self.theta.cols());
        for i in 0..x.rows() {
            for (j, &v) in x.row(i).iter().enumerate() {
                add(f64::from(v), self.theta.row(j), out.row_mut(i));
            }
        }
        out
    }

    fn sparse_scores(&self, x: &Csr) -> Mat<f64> {
        let mut out = Mat::zeros(x.rows(), self.theta.cols());
        for i in 0..x.rows() {
            let (cols, values) = x.row(i);
            for (&c, &v) in cols.iter().zip(values) {
                add(f64::from(v), self.theta.row(c as usize), out.row_mut(i));
            }
        }
        out
    }

    /// Natural logarithms of the class probabilities, records x classes. For numbers: the means, records x 1.
    pub fn log_probabilities_nats(&self, features: &Features) -> Mat<f64> {
        let mut out = self.scores(features);
        if let Family::Softmax { .. } = self.family {
            for i in 0..out.rows() {
                let row = out.row_mut(i);
                let norm = log_sum_exp(row);
                row.iter_mut().for_each(|z| *z -= norm);
            }
        }
        out
    }

    /// -log2 p(answer | record) of each record: probability for classes, density of the standardised number else.
    ///
    /// # Panics
    /// When the target is of another task or length, or names a class that the model does not have.
    pub fn loss_bits(&self, features: &Features, target: &Target) -> Vec<f64> {
        assert_eq!(features.rows(), target.len(), "one answer a record");
        let out = self.log_probabilities_nats(features);
        match (self.family, target) {
            (Family::Softmax { .. }, Target::Classes { labels, .. }) => {
                labels.iter().enumerate().map(|(i, &y)| -out.row(i)[y as usize] / LN_2).collect()
            }
            (Family::Gaussian { noise_variance }, Target::Numbers(numbers)) => {
                numbers.iter().zip(out.data()).map(|(y, m)| normal_bits(y - m, noise_variance)).collect()
            }
            _ => panic!("a model of one task cannot score answers of another"),
        }
    }

    /// The bits that this model adds to the base on each record: log2 p_model - log2 p_base.
    ///
    /// # Panics
    /// As [`Model::loss_bits`].
    pub fn gain_bits(&self, features: &Features, target: &Target) -> Vec<f64> {
        let base = |i: usize| match (self.family, target) {
            (Family::Gaussian { noise_variance }, Target::Numbers(y)) => normal_bits(y[i], noise_variance),
            _ => (self.family.outputs() as f64).log2(),
        };
        self.loss_bits(features, target).iter().enumerate().map(|(i, loss)| base(i) - loss).collect()
    }

    /// The most likely class of each record (the first of equals); empty for numbers.
    pub fn classes(&self, features: &Features) -> Vec<u32> {
        match self.family {
            Family::Gaussian { .. } => Vec::new(),
            Family::Softmax { .. } => {
                let scores = self.scores(features);
                (0..scores.rows()).map(|i| arg_max(scores.row(i))).collect()
            }
        }
    }
}

const LN_2: f64 = std::f64::consts::LN_2;

/// -log2 of the normal density of a deviation.
fn normal_bits(deviation: f64, variance: f64) -> f64 {
    0.5 * (deviation * deviation / variance / LN_2 + (2.0 * std::f64::consts::PI * variance).log2())
}

fn add(weight: f64, from: &[f64], to: &mut [f64]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += weight * f);
}

fn log_sum_exp(row: &[f64]) -> f64 {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + row.iter().map(|z| (z - top).exp()).sum::<f64>().ln()
}

fn arg_max(row: &[f64]) -> u32 {
    let mut best = 0;
    for (k, z) in row.iter().enumerate() {
        if *z > row[best] {
            best = k;
        }
    }
    best as u32
}
