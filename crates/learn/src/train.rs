//! Fitting a model: the minimum of `lambda / 2 |theta|^2 + t * sum_i w_i loss_i(theta)`, losses in nats.
//!
//! The constant feature is a weight like any other, so that with no records (t = 0) the model is the base.
//! Truncated Newton: directions by preconditioned conjugate gradients, steps by backtracking; the objective is
//! strictly convex, so that the minimum is unique and found from anywhere, separable classes included.

mod curvature;
mod newton;
mod precondition;
mod problem;
mod scale;

pub use curvature::{Curvature, Inverse, Nearby};
pub use newton::{Minimum, Tolerance};
pub use problem::{Point, Problem};

use assay_kernels::{Design, Mat, Real, panel};

use crate::data::{Features, Target};
use crate::model::{Family, Model};

/// The number type that a problem is solved in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f64 while the problem is small enough for it to cost little, f32 beyond.
    #[default]
    Auto,
    /// f32 storage, f64 sums.
    Single,
    /// f64 throughout.
    Double,
}

impl Precision {
    /// True when f64 is to be used for these features and this many outputs.
    pub fn is_double(self, features: &Features, outputs: usize) -> bool {
        let stored = match features {
            Features::Dense(x) => x.data().len(),
            Features::Sparse(x) => x.nnz(),
        };
        match self {
            Self::Auto => stored.saturating_mul(outputs) <= 4_000_000,
            Self::Single => false,
            Self::Double => true,
        }
    }
}

/// What to fit.
#[derive(Clone, Debug)]
pub struct FitOptions<'a> {
    /// Precision of the normal prior on every weight, above zero.
    pub lambda: f64,
    /// Weight of every record at once.
    pub t: f64,
    /// Weight of each record; `None` is 1 for all.
    pub weights: Option<&'a [f64]>,
    /// Variance of the noise; read for numbers only.
    pub noise_variance: f64,
    /// Gradient norm to reach, relative to the gradient of the base model.
    pub tolerance: f64,
    /// Where to start; `None` is the base model.
    pub warm: Option<&'a Model>,
    /// Number type of the solver.
    pub precision: Precision,
}

impl Default for FitOptions<'_> {
    fn default() -> Self {
        Self {
            lambda: 1.0,
            t: 1.0,
            weights: None,
            noise_variance: 1.0,
            tolerance: 1e-5,
            warm: None,
            precision: Precision::Auto,
        }
    }
}

/// A fitted model and how it was found.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The model.
    pub model: Model,
    /// Newton steps.
    pub iterations: usize,
    /// Products with the curvature, the unit of cost.
    pub products: usize,
    /// Norm of the gradient relative to that of the base model.
    pub gradient_norm: f64,
    /// True when the tolerance was reached; when not, no step that the precision can see improves the model.
    pub converged: bool,
}

/// Why nothing can be fitted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TrainError {
    /// Rows and answers or weights differ in number.
    #[error("{rows} records have {others} {what}: there must be one each")]
    Length {
        /// Records.
        rows: usize,
        /// The others.
        others: usize,
        /// What they are.
        what: &'static str,
    },
    /// There is nothing to learn from.
    #[error("there are no records to learn from")]
    Empty,
    /// A class index is not below the number of classes, or there are fewer than two classes.
    #[error("record {row} has class {label}, but there are {classes} classes (at least 2 are needed)")]
    Class {
        /// Record.
        row: usize,
        /// Its class.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// A number is not finite or not in range.
    #[error("{what} must be {must}")]
    Number {
        /// Which.
        what: &'static str,
        /// Its range.
        must: &'static str,
    },
}

/// Fits a model.
///
/// # Errors
/// When the options, the features and the target do not go together.
pub fn fit(features: &Features, target: &Target, options: &FitOptions<'_>) -> Result<Fit, TrainError> {
    let outputs = Family::of(target, 1.0).outputs();
    if options.precision.is_double(features, outputs) {
        fit_in::<f64>(features, target, options)
    } else {
        fit_in::<f32>(features, target, options)
    }
}

fn fit_in<T: Real>(features: &Features, target: &Target, o: &FitOptions<'_>) -> Result<Fit, TrainError> {
    let design = design::<T>(features);
    let problem = Problem::new(&design, target, o.weights, o.lambda, o.noise_variance)?;
    if !(o.t >= 0.0 && o.t.is_finite()) {
        return Err(TrainError::Number { what: "t", must: "finite and not negative" });
    }
    let theta = match o.warm {
        Some(model) => to_panel(model),
        None => Mat::zeros(design.cols(), problem.lanes()),
    };
    let minimum = problem.minimise(o.t, theta, Tolerance::relative(o.tolerance));
    Ok(Fit {
        model: to_model(problem.family(), &minimum.point.theta),
        iterations: minimum.iterations,
        products: minimum.products,
        gradient_norm: minimum.gradient_norm,
        converged: minimum.converged,
    })
}

/// The features ready for products.
pub fn design<T: Real>(features: &Features) -> Design<T> {
    match features {
        Features::Dense(x) => Design::dense(x),
        Features::Sparse(x) => Design::sparse(x),
    }
}

/// The weights of a panel as a model: padding dropped.
pub fn to_model<T: Real>(family: Family, theta: &Mat<T>) -> Model {
    let mut out = Mat::zeros(theta.rows(), family.outputs());
    for j in 0..theta.rows() {
        for (o, &x) in out.row_mut(j).iter_mut().zip(theta.row(j)) {
            *o = x.f64();
        }
    }
    let base = Model::base(family, theta.rows());
    Model::new(family, out).unwrap_or(base)
}

/// The weights of a model as a panel: padding added.
pub fn to_panel<T: Real>(model: &Model) -> Mat<T> {
    let theta = model.theta();
    let mut out = Mat::zeros(theta.rows(), panel::lanes_for(theta.cols()));
    for j in 0..theta.rows() {
        for (o, &x) in out.row_mut(j).iter_mut().zip(theta.row(j)) {
            *o = T::of(x);
        }
    }
    out
}
