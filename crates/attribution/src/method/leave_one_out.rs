//! Leave-one-out values by retraining.

use assay_learn::data::Target;
use assay_learn::retrain::{Ask, RetrainOptions, Retrainer};
use assay_learn::train::{Tolerance, design};

use super::linear::{Groups, same_kind};
use super::{Cached, Method, Setting, Utility, Values};
use crate::path::ValueError;
use crate::{Examples, OnProgress, Progress, ValueFold};
use assay_kernels::Mat;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the finished model loses without each record, really retrained. Bits per benchmark example; samples are folds
/// of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeaveOneOut {
    /// What a model is worth.
    pub utility: Utility,
    /// Gradient norm to reach, relative to what the record left out had contributed to it; the error of a value
    /// relative to it is far less, since what is left is corrected for.
    pub tolerance: f64,
}

impl Default for LeaveOneOut {
    fn default() -> Self {
        Self { utility: Utility::Bits, tolerance: 1e-2 }
    }
}

impl Method for LeaveOneOut {
    fn name(&self) -> &'static str {
        "leave-one-out"
    }

    fn cache<'a>(
        &self,
        train: Examples<'a>,
        setting: &Setting<'a>,
        _: OnProgress<'_>,
    ) -> Result<Box<dyn Cached + 'a>, ValueError> {
        Ok(Box::new(Left { train, setting: *setting, method: *self }))
    }
}

struct Left<'a> {
    train: Examples<'a>,
    setting: Setting<'a>,
    method: LeaveOneOut,
}

impl Cached for Left<'_> {
    /// In f64 whatever the size: the effect of one record is small.
    fn attribute(&self, benchmark: ValueFold<'_>, on_progress: OnProgress<'_>) -> Result<Values, ValueError> {
        let (examples, s) = (benchmark.examples(), &self.setting);
        same_kind(self.train, examples)?;
        let accuracy = self.method.utility == Utility::Accuracy;
        if accuracy && matches!(examples.target, Target::Numbers(_)) {
            return Err(ValueError::Mismatch);
        }
        let options = RetrainOptions {
            lambda: s.lambda,
            noise_variance: s.noise_variance,
            weights: s.weights,
            levels: &[1.0],
            tolerance: Tolerance { of_start: self.method.tolerance, ..Tolerance::relative(1e-13) },
        };
        let folds = Groups::folds(benchmark, s.seed);
        let parts: Vec<_> = (0..folds.sizes.len())
            .map(|f| {
                let rows: Vec<usize> = (0..folds.of.len()).filter(|&i| folds.of[i] == f).collect();
                (design::<f64>(&examples.features.select(&rows)), examples.target.select(&rows))
            })
            .collect();
        let x = design::<f64>(self.train.features);
        let mut retrainer =
            Retrainer::new(&x, self.train.target, &options, None).map_err(ValueError::Train)?;
        for (design, target) in &parts {
            let ask = Ask { right: accuracy, ..Ask::default() };
            retrainer.score_on(design, target, ask).map_err(ValueError::Benchmark)?;
        }
        let records = self.train.target.len();
        let done = AtomicUsize::new(0);
        let on_done = |more: usize| {
            let done = done.fetch_add(more, Ordering::Relaxed) + more;
            on_progress(Progress { stage: "leave one out", done, total: records + 1 });
        };
        // The last leaves nobody out.
        let leave = |i: usize, weights: &mut [f64]| weights.iter_mut().skip(i).take(1).for_each(|w| *w = 0.0);
        let retrained = retrainer.each(records + 1, &leave, &on_done);
        let worth = |k: usize, f: usize| {
            let score = &retrained[k].scores[f];
            let sum = if accuracy { score.right as f64 } else { -score.loss_nats / std::f64::consts::LN_2 };
            sum / folds.sizes[f] as f64
        };
        let mut values = Mat::zeros(records, folds.sizes.len());
        for i in 0..records {
            let row = values.row_mut(i).iter_mut().enumerate();
            row.for_each(|(f, v)| *v = worth(records, f) - worth(i, f));
        }
        Ok(folds.values(self.method.utility.unit(), &values))
    }
}
