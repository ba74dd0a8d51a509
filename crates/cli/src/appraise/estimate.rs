//! Stage value, by other methods than the path, and how all of them agree.

use assay_api::v1::appraisal::{Estimator, Method, MethodTime, Unit};
use assay_attribution::method::{self, Setting, Unit as MethodUnit};
use assay_attribution::rank::{pearson, spearman};
use assay_attribution::{Examples, Valuation, ValueFold};
use assay_kernels::Mat;
use assay_learn::crossval::shuffled;
use rustix::time::{ClockId, clock_gettime};

use super::train::{Ready, Rows};
use super::value::Audit;
use crate::output::Failure;
use crate::progress::Stage;

/// What one method says the records are worth.
pub(crate) struct Estimate {
    pub(crate) method: Method,
    /// By record that passed the gates.
    pub(crate) values: Vec<f64>,
    pub(crate) cpu_ms: u64,
}

/// The path, whose values are bits.
pub(crate) fn path(valuation: &Valuation, cpu_ms: u64) -> Estimate {
    Estimate { method: Method::default(), values: valuation.value_bits.clone(), cpu_ms }
}

/// Values by the method of that name, against each of `folds` folds of VALID: records x folds, with the sizes of the
/// folds. One fold is all of VALID; a method that does not read it has no more to say about more of them.
pub(crate) fn estimate(
    name: &str,
    ready: &Ready,
    seed: u64,
    folds: usize,
    stage: &Stage,
) -> Result<(Estimate, Mat<f64>, Vec<usize>), Failure> {
    let unknown = || Failure::refused(format!("there is no method {name:?}"));
    let method = method::by_name(name).ok_or_else(unknown)?;
    let started = cpu_ms();
    let setting = Setting {
        lambda: ready.prior.lambda,
        noise_variance: ready.prior.noise_variance,
        weights: Some(&ready.weights),
        seed,
    };
    let progress = |p: assay_attribution::Progress| stage.at(p.done, p.total);
    let cached = method.cache(ready.gated.examples(), &setting, &progress).map_err(Failure::failed)?;
    let folds = if method.reads_benchmark() { deal(&ready.valid, seed, folds) } else { vec![] };
    let whole = [ready.valid.examples()];
    let parts: Vec<Examples<'_>> = folds.iter().map(Rows::examples).collect();
    let parts = if parts.is_empty() { &whole[..] } else { &parts };
    let mut unit = Unit::Bits;
    let mut values = Mat::zeros(ready.gated.len(), parts.len());
    for (at, part) in parts.iter().enumerate() {
        let found = cached.attribute(ValueFold::new(*part), &progress).map_err(Failure::failed)?;
        unit = match found.unit {
            MethodUnit::Bits => Unit::Bits,
            MethodUnit::Accuracy => Unit::Accuracy,
            MethodUnit::Score => Unit::Score,
        };
        found.mean.iter().enumerate().for_each(|(i, value)| values.row_mut(i)[at] = *value);
    }
    let sizes: Vec<usize> = parts.iter().map(|part| part.target.len()).collect();
    let total: usize = sizes.iter().sum();
    let mean = |row: &[f64]| row.iter().zip(&sizes).map(|(x, &m)| x * m as f64).sum::<f64>() / total as f64;
    let estimate = Estimate {
        method: Method { name: name.to_owned(), unit },
        values: (0..values.rows()).map(|i| mean(values.row(i))).collect(),
        cpu_ms: cpu_ms() - started,
    };
    Ok((estimate, values, sizes))
}

/// Folds of VALID of about equal size; none where one would do.
fn deal(valid: &Rows, seed: u64, folds: usize) -> Vec<Rows> {
    if folds < 2 {
        return vec![];
    }
    let order = shuffled(valid.len(), seed, valid.len());
    let fold = |f: usize| order.iter().copied().skip(f).step_by(folds).collect::<Vec<_>>();
    (0..folds).map(|f| valid.select(&fold(f))).collect()
}

/// CPU time of this process so far, all threads.
pub(crate) fn cpu_ms() -> u64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as u64 * 1_000 + now.tv_nsec as u64 / 1_000_000
}

/// How the methods agree with the first of them, and with what leaving contributors out did. `senders` has the
/// contributor of each record.
pub(crate) fn estimators(estimates: &[Estimate], senders: &[u32], audit: &Audit) -> Vec<Estimator> {
    let Some(first) = estimates.first() else { return vec![] };
    let sums = |values: &[f64]| {
        let mut sums = vec![0.0; audit.without.len()];
        senders.iter().zip(values).for_each(|(&c, v)| sums[c as usize] += v);
        sums
    };
    let present: Vec<usize> = (0..audit.without.len()).filter(|&c| senders.contains(&(c as u32))).collect();
    let left_out: Vec<(usize, f64)> =
        audit.without.iter().enumerate().filter_map(|(c, w)| Some((c, w.as_ref()?.effect_bits))).collect();
    let effects: Vec<f64> = left_out.iter().map(|e| e.1).collect();
    let of_path = sums(&first.values);
    let finite = |r: f64| r.is_finite().then_some(r);
    let estimator = |estimate: &Estimate| {
        let own = sums(&estimate.values);
        let pick = |from: &[f64]| present.iter().map(|&c| from[c]).collect::<Vec<_>>();
        let (own_sums, path_sums) = (pick(&own), pick(&of_path));
        let against: Vec<f64> = left_out.iter().map(|e| own[e.0]).collect();
        Estimator {
            method: estimate.method.clone(),
            records_pearson: finite(pearson(&estimate.values, &first.values)),
            records_spearman: finite(spearman(&estimate.values, &first.values)),
            contributors_pearson: finite(pearson(&own_sums, &path_sums)),
            contributors_spearman: finite(spearman(&own_sums, &path_sums)),
            effect_pearson: finite(pearson(&against, &effects)),
            effect_spearman: finite(spearman(&against, &effects)),
        }
    };
    estimates.iter().map(estimator).collect()
}

/// What the methods cost.
pub(crate) fn times(estimates: &[Estimate]) -> Vec<MethodTime> {
    estimates.iter().map(|e| MethodTime { method: e.method.name.clone(), cpu_ms: e.cpu_ms }).collect()
}
