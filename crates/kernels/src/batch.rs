//! Several small models of one design side by side: rows whose column `k * lanes + b` is output k of model b.
//!
//! A vector register then holds the same output of different models, and every loop over them is vector code whatever
//! the number of outputs. No model's numbers depend on which others lie beside it.

use crate::Mat;
use crate::real::Real;
use crate::simd::{self, Dense};

/// Models side by side where the outputs are a softmax.
pub const SOFTMAX_LANES: usize = 8;

/// 1 / (1 + e^-z) of every number, in place.
pub fn sigmoid<T: Real>(z: &mut [T]) {
    simd::sigmoid(z);
}

/// Softmax over the classes of each of [`SOFTMAX_LANES`] models, in place.
pub fn softmax<T: Real>(z: &mut [T], classes: usize) {
    simd::softmax(z, classes);
}

/// `out = weight * (fitted - answer)`, one answer a row of `lanes` numbers.
pub fn misses<T: Real>(fitted: &[T], answers: &[T], weights: &[T], lanes: usize, out: &mut [T]) {
    simd::misses(fitted, answers, weights, lanes, out);
}

/// Curvature of each row's loss in a pair of outputs, times its weight: `p_a (1 - p_a)`, or `-p_a p_b`.
///
/// # Panics
/// When the pair is not below `classes`.
pub fn spreads<T: Real>(
    p: &[T],
    classes: usize,
    pair: (usize, usize),
    weights: &[T],
    lanes: usize,
    out: &mut [T],
) {
    simd::spreads(p, classes, pair, weights, lanes, out);
}

/// Adds `spread * step^2` of every row to the sum of each model; one output a model, one sum a model.
pub fn along<T: Real>(spread: &[T], step: &[T], sums: &mut [f64]) {
    simd::along(spread, step, sums);
}

/// Adds the curvature of every row's softmax loss along a step, times its weight, to the sums of the models.
pub fn softmax_along<T: Real>(p: &[T], classes: usize, weights: &[T], step: &[T], sums: &mut [f64]) {
    simd::softmax_along(p, classes, weights, step, sums);
}

/// The dot product of each of `lanes` models' numbers.
pub fn lane_dots<T: Real>(x: &[T], y: &[T], lanes: usize) -> Vec<f64> {
    let mut sums = vec![0.0; lanes];
    simd::lane_dots(x, y, &mut sums);
    sums
}

/// `out = a * panel`, by one thread.
///
/// # Panics
/// When the sizes do not agree.
pub fn product<T: Real>(a: &Mat<T>, panel: &[T], width: usize, out: &mut [T]) {
    simd::dense_product(Dense { data: a.data(), cols: a.cols() }, panel, width, out);
}

/// The products of every two features of every record, pairs x records: with them the matrices X' D X of many
/// diagonals D are one product.
#[derive(Clone, Debug)]
pub struct Pairs<T> {
    products: Mat<T>,
    features: usize,
}

impl<T: Real> Pairs<T> {
    /// Numbers that the pairs of so many features and records take.
    pub fn numbers(features: usize, records: usize) -> usize {
        (features * (features + 1) / 2).saturating_mul(records)
    }

    /// From features x records.
    pub fn new(columns: &Mat<T>) -> Self {
        let features = columns.rows();
        let mut products = Mat::zeros(features * (features + 1) / 2, columns.cols());
        let pairs = (0..features).flat_map(|j| (0..=j).map(move |l| (j, l)));
        for (k, (j, l)) in pairs.enumerate() {
            let (a, b) = (columns.row(j), columns.row(l));
            products.row_mut(k).iter_mut().zip(a.iter().zip(b)).for_each(|(p, (&a, &b))| *p = a * b);
        }
        Self { products, features }
    }

    /// The sums over records of weight times product, pairs x lanes; pair (j, l), l <= j, is row `j (j + 1) / 2 + l`.
    ///
    /// # Panics
    /// When there is not one row of weights a record.
    pub fn grams(&self, weights: &Mat<T>) -> Mat<T> {
        let mut out = Mat::zeros(self.products.rows(), weights.cols());
        product(&self.products, weights.data(), weights.cols(), out.data_mut());
        out
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.features
    }
}
