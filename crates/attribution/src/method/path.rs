//! The Aumann-Shapley path as a method.

use super::{Cached, Method, Setting, Unit, Values};
use crate::path::{PathOptions, ValueError, value};
use crate::{Examples, OnProgress, ValueFold};

/// The rule of pay: see [`crate::path`]. Bits per benchmark example, which sum to the measured gain; samples are
/// folds of the benchmark. The cost is about 20 trainings. It averages over the way from no record to all, and so
/// does not say what the finished model would lose without a record.
///
/// Aumann and Shapley, Values of Non-Atomic Games, 1974; Billera and Heath, Math. of OR 7, 1982.
#[derive(Clone, Debug, Default)]
pub struct Path {
    /// Nodes, folds and precision; lambda, noise, weights and seed are those of the setting.
    pub options: PathOptions<'static>,
}

struct CachedPath<'a> {
    train: Examples<'a>,
    options: PathOptions<'a>,
}

impl Method for Path {
    fn name(&self) -> &'static str {
        "path"
    }

    fn cache<'a>(
        &self,
        train: Examples<'a>,
        s: &Setting<'a>,
        _: OnProgress<'_>,
    ) -> Result<Box<dyn Cached + 'a>, ValueError> {
        let options = PathOptions {
            lambda: s.lambda,
            noise_variance: s.noise_variance,
            weights: s.weights,
            seed: s.seed,
            ..self.options.clone()
        };
        Ok(Box::new(CachedPath { train, options }))
    }
}

impl Cached for CachedPath<'_> {
    fn attribute(&self, benchmark: ValueFold<'_>, on_progress: OnProgress<'_>) -> Result<Values, ValueError> {
        let valuation = value(self.train, benchmark, &self.options, on_progress)?;
        let mut values = Values::empty(Unit::Bits, valuation.value_bits.len());
        let folds = valuation.fold_sizes.len().max(1);
        for (i, squares) in values.squares.iter_mut().enumerate() {
            if folds > 1 {
                *squares = valuation.record_se_bits(i).powi(2) * (folds * (folds - 1)) as f64;
            }
        }
        values.count.fill(folds as u64);
        values.mean = valuation.value_bits;
        Ok(values)
    }
}
