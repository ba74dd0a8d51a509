//! What goes into learning: raw columns of records, a design matrix, a target.

use assay_kernels::{Csr, Mat};
use serde::{Deserialize, Serialize};

/// The columns of a set of records that features are made from. Every present column has one entry a record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// Number of records.
    pub rows: usize,
    /// The text of each record, when the task reads text.
    pub text: Option<Vec<String>>,
    /// Names of the numeric columns, in the order of `numbers`.
    pub number_names: Vec<String>,
    /// Numeric values, `rows` x `number_names.len()`, all finite.
    pub numbers: Option<Mat<f64>>,
}

/// What a task predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// One class out of a fixed list; log-loss of a softmax model.
    Classification,
    /// One number; squared loss, bits of a Gaussian.
    Regression,
}

/// The answers, one a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Class indices, each below `count`.
    Classes {
        /// Class of each record.
        labels: Vec<u32>,
        /// Number of classes.
        count: usize,
    },
    /// Numbers, standardised by the label mean and deviation of the training records.
    Numbers(Vec<f64>),
}

impl Target {
    /// Number of records.
    pub fn len(&self) -> usize {
        match self {
            Self::Classes { labels, .. } => labels.len(),
            Self::Numbers(v) => v.len(),
        }
    }

    /// True when there is no record.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries named by `index`, in that order.
    pub fn select(&self, index: &[usize]) -> Self {
        match self {
            Self::Classes { labels, count } => {
                Self::Classes { labels: index.iter().map(|&i| labels[i]).collect(), count: *count }
            }
            Self::Numbers(v) => Self::Numbers(index.iter().map(|&i| v[i]).collect()),
        }
    }
}

/// A design matrix: one row a record, one column a feature. The last column is the constant 1 (intercept).
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// Numeric features.
    Dense(Mat<f32>),
    /// Text features, or text and numbers together.
    Sparse(Csr),
}

impl Features {
    /// Number of records.
    pub fn rows(&self) -> usize {
        match self {
            Self::Dense(m) => m.rows(),
            Self::Sparse(m) => m.rows(),
        }
    }

    /// Number of features, the constant included.
    pub fn cols(&self) -> usize {
        match self {
            Self::Dense(m) => m.cols(),
            Self::Sparse(m) => m.cols(),
        }
    }

    /// The rows named by `index`, in that order.
    pub fn select(&self, index: &[usize]) -> Self {
        match self {
            Self::Dense(m) => Self::Dense(m.select(index)),
            Self::Sparse(m) => Self::Sparse(m.select(index)),
        }
    }
}
