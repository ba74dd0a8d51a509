//! What a record is worth: values by the Aumann-Shapley path, intervals, attribution of one answer, quantisation.
//!
//! The rule: weigh every record by t, follow the minimum theta(t) of the objective from t = 0 (the base model) to
//! t = 1 (the model), and give each record the part of the gain that its weight moved at every t:
//!
//! ```text
//! v_i = integral over t in [0, 1] of < grad U(theta(t)), H(t)^-1 (-w_i grad loss_i(theta(t))) > dt
//! ```
//!
//! U is the mean over a benchmark of log2 p_model - log2 p_base, H(t) the curvature of the objective. The integrand
//! summed over the records is dU/dt, so the values sum to U(theta(1)) - U(theta(0)): the books balance.
//! (Aumann and Shapley, Values of Non-Atomic Games, 1974; Billera and Heath, Math. of OR 7, 1982.)

#![forbid(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

mod absent;
pub mod answer;
pub mod audit;
mod benchmark;
pub mod evidence;
mod folds;
pub mod lds;
pub mod leave_out;
pub mod method;
pub mod novelty;
pub mod path;
pub mod quantize;
pub mod rank;
mod trail;
mod valuation;
pub mod weights;

pub use answer::{AnswerError, AnswerOptions, Attribution, PathState};
pub use folds::{ReportFold, ValueFold};
pub use leave_out::{Folds, LeaveOut, LeaveOutOptions, Score, Scores, leave_out};
pub use path::{PathOptions, Tolerances, ValueError, value};
pub use valuation::{GroupValue, Valuation, student_t_975};

use assay_learn::data::{Features, Target};

/// Records and their answers.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    /// One row a record.
    pub features: &'a Features,
    /// One answer a record.
    pub target: &'a Target,
}

/// How far a long computation is. Stages follow each other; a stage may start again (more nodes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: &'static str,
    /// Steps done.
    pub done: usize,
    /// Steps in this stage.
    pub total: usize,
}

/// Receives progress; may be called from several threads.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Sync);
