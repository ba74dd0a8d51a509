//! The baseline that embarrasses most.

use assay_kernels::Real;
use assay_learn::model::Family;
use assay_learn::train::Precision;

use super::linear::{Linear, minimum, same_kind};
use super::{Cached, Method, Setting, Unit, Values};
use crate::path::ValueError;
use crate::{Examples, OnProgress, ValueFold};

/// Minus the loss of each record in the model fitted to all of them, in bits: what the model finds hard to believe.
/// One fit.
///
/// On flipped labels it beats most valuations. It knows no benchmark and no usefulness: a record that repeats what
/// everybody says scores best and teaches nothing, and one that is rare, hard and right scores like one that is wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrainingLoss {
    /// Number type.
    pub precision: Precision,
}

struct Losses<'a> {
    train: Examples<'a>,
    values: Values,
}

impl Method for TrainingLoss {
    fn name(&self) -> &'static str {
        "training-loss"
    }

    fn reads_benchmark(&self) -> bool {
        false
    }

    fn cache<'a>(
        &self,
        train: Examples<'a>,
        setting: &Setting<'a>,
        _: OnProgress<'_>,
    ) -> Result<Box<dyn Cached + 'a>, ValueError> {
        let outputs = Family::of(train.target, 1.0).outputs();
        let mean = if self.precision.is_double(train.features, outputs) {
            losses::<f64>(train, setting)?
        } else {
            losses::<f32>(train, setting)?
        };
        let values =
            Values { count: vec![1; mean.len()], mean, ..Values::empty(Unit::Score, train.target.len()) };
        Ok(Box::new(Losses { train, values }))
    }
}

fn losses<T: Real>(train: Examples<'_>, setting: &Setting<'_>) -> Result<Vec<f64>, ValueError> {
    let linear = Linear::<T>::new(train, setting);
    let fitted = minimum(&linear.problem()?, 1.0);
    Ok(fitted.loss_nats.iter().map(|nats| -nats / std::f64::consts::LN_2).collect())
}

impl Cached for Losses<'_> {
    fn attribute(&self, benchmark: ValueFold<'_>, _: OnProgress<'_>) -> Result<Values, ValueError> {
        same_kind(self.train, benchmark.examples())?;
        Ok(self.values.clone())
    }
}
