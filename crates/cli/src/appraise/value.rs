//! Stage value: bits of every record and contributor, shares and standings, and the check by real retraining.

use assay_api::v1::appraisal::{Agreement, LeaveOneOut, Method, Split, Standing, Unit, Without};

use assay_attribution::evidence::Evidence;
use assay_attribution::quantize::shares_ppm;
use assay_attribution::rank::{pearson, spearman};
use assay_attribution::{
    Folds, GroupValue, LeaveOutOptions, PathOptions, ReportFold, Score, Scores, Valuation, ValueFold,
    leave_out, value,
};
use assay_learn::crossval::shuffled;
use assay_learn::data::Features;
use assay_learn::model::Model;

use super::Settings;
use super::contribute::Community;
use super::estimate::{self, Estimate};
use super::gate::Gated;
use super::train::Ready;
use crate::output::Failure;
use crate::progress::Stage;

/// Folds of the benchmark behind standard errors.
const FOLDS: usize = 8;
/// Multiplications that retraining may take, in stored features times classes times contributors; about a minute
/// of one core. Beyond, a sample of contributors is left out.
const RETRAIN_BUDGET: f64 = 1e10;
/// Contributors left out at least, if there are so many and the check is made at all.
const RETRAIN_LEAST: usize = 5;

/// What everything is worth.
pub(crate) struct Values {
    pub(crate) method: Method,
    /// The walk along the path; the values of records and folds are those of the method.
    pub(crate) valuation: Valuation,
    /// The path and the methods beside it; empty when only the path was asked for.
    pub(crate) estimates: Vec<Estimate>,
    pub(crate) folds: usize,
    pub(crate) tolerance: f64,
    /// Who is suspected of what, if that was asked.
    pub(crate) evidence: Option<Evidence>,
    /// Precision of the prior of the model that is valued.
    pub(crate) lambda: f64,
    /// The model of all records that passed.
    pub(crate) passed: Model,
    /// Charged for records that were kept out of training, at most 0; not part of the closure.
    pub(crate) charged_bits: f64,
    /// By contributor.
    pub(crate) groups: Vec<GroupValue>,
    pub(crate) standings: Vec<Standing>,
    pub(crate) shares_ppm: Vec<u32>,
}

/// Values the records that passed, and their contributors.
pub(crate) fn values(
    community: &Community,
    gated: &Gated,
    ready: &Ready,
    settings: &Settings,
    stage: &Stage,
) -> Result<Values, Failure> {
    let seed = settings.seed;
    let options = PathOptions {
        lambda: ready.prior.lambda,
        noise_variance: ready.prior.noise_variance,
        weights: Some(&ready.weights),
        nodes: settings.nodes,
        folds: FOLDS.min(ready.valid.len()),
        seed,
        ..PathOptions::default()
    };
    let progress = |p: assay_attribution::Progress| stage.at(p.done, p.total);
    let started = estimate::cpu_ms();
    let mut valuation =
        value(ready.gated.examples(), ValueFold::new(ready.valid.examples()), &options, &progress)
            .map_err(Failure::failed)?;
    let mut estimates = vec![estimate::path(&valuation, estimate::cpu_ms() - started)];
    let mut method = Method::default();
    if settings.method != method.name {
        let (found, folds, sizes) = estimate::estimate(settings.method, ready, seed, options.folds, stage)?;
        valuation =
            Valuation { value_bits: found.values.clone(), fold_bits: folds, fold_sizes: sizes, ..valuation };
        method = found.method.clone();
        estimates.push(found);
    }
    for name in &settings.compare {
        if estimates.iter().all(|e| e.method.name != *name) {
            estimates.push(estimate::estimate(name, ready, seed, 1, stage)?.0);
        }
    }
    if estimates.len() == 1 {
        estimates.clear();
    }
    let mut values = Values {
        method,
        folds: valuation.fold_sizes.len(),
        passed: valuation.model.clone(),
        valuation,
        estimates,
        tolerance: options.closure,
        evidence: None,
        lambda: options.lambda,
        charged_bits: 0.0,
        groups: Vec::new(),
        standings: Vec::new(),
        shares_ppm: Vec::new(),
    };
    values.stand(community, gated)?;
    Ok(values)
}

impl Values {
    /// True when the path gave the values, and not another method.
    pub(crate) fn follows_path(&self) -> bool {
        self.method == Method::default()
    }

    /// Values what the evidence leaves in training, and charges for what it does not.
    pub(crate) fn revalue(
        &mut self,
        community: &Community,
        gated: &Gated,
        ready: &Ready,
        settings: &Settings,
        evidence: &Evidence,
        stage: &Stage,
    ) -> Result<(), Failure> {
        let both = ready.weights.iter().zip(&evidence.curation.weights);
        let weights: Vec<f64> = both.map(|(new, right)| new * right).collect();
        let options = PathOptions {
            lambda: evidence.curation.lambda,
            noise_variance: ready.prior.noise_variance,
            weights: Some(&weights),
            nodes: settings.nodes,
            folds: self.folds,
            seed: settings.seed,
            ..PathOptions::default()
        };
        let progress = |p: assay_attribution::Progress| stage.at(p.done, p.total);
        let fold = ValueFold::new(ready.valid.examples());
        let kept = value(ready.gated.examples(), fold, &options, &progress).map_err(Failure::failed)?;
        let all = std::mem::replace(&mut self.valuation, kept);
        self.lambda = options.lambda;
        let senders = senders(community, gated);
        self.charged_bits = self.valuation.charge_withheld(&all, &senders, community.contributors.len());
        self.stand(community, gated)
    }

    /// Sums by contributor, and what follows from them.
    fn stand(&mut self, community: &Community, gated: &Gated) -> Result<(), Failure> {
        self.groups = self.valuation.group(&senders(community, gated), community.contributors.len());
        let standing = |g: &GroupValue| match self.method.unit {
            Unit::Bits => Standing::of_interval(g.low_bits, g.high_bits),
            // Neither pay nor harm follows from numbers that are not bits.
            Unit::Accuracy | Unit::Score => Standing::Unproven,
        };
        self.standings = self.groups.iter().map(standing).collect();
        let earned = |(g, s): (&GroupValue, &Standing)| if *s == Standing::Paid { g.value_bits } else { 0.0 };
        let earned: Vec<f64> = self.groups.iter().zip(&self.standings).map(earned).collect();
        self.shares_ppm = if self.standings.contains(&Standing::Paid) {
            shares_ppm(&earned).map_err(Failure::failed)?
        } else {
            vec![0; earned.len()]
        };
        Ok(())
    }
}

/// Contributor of every record that passed.
pub(crate) fn senders(community: &Community, gated: &Gated) -> Vec<u32> {
    gated.kept.iter().map(|&row| community.sent_by[row]).collect()
}

/// Values held against models that were really trained again.
pub(crate) struct Audit {
    /// By contributor; `None` for those that no record is left of, or that the sample left out.
    pub(crate) without: Vec<Option<Without>>,
    pub(crate) agreement: Agreement,
}

impl Audit {
    /// No check made.
    pub(crate) fn none(contributors: usize) -> Self {
        Self { without: vec![None; contributors], agreement: Agreement::default() }
    }
}

/// Trains again without each contributor, or without each of a sample where all would take too long.
pub(crate) fn audit(
    community: &Community,
    gated: &Gated,
    ready: &Ready,
    values: &Values,
    seed: u64,
    stage: &Stage,
) -> Result<Audit, Failure> {
    let senders = senders(community, gated);
    let chosen = chosen(values, ready, &senders, seed);
    let mut audit = Audit::none(community.contributors.len());
    if chosen.is_empty() {
        return Ok(audit);
    }
    // Contributors that are not left out one by one make up the last group.
    let mut place = vec![chosen.len() as u32; community.contributors.len()];
    chosen.iter().zip(0..).for_each(|(&c, at)| place[c] = at);
    let groups: Vec<u32> = senders.iter().map(|&c| place[c as usize]).collect();
    let count = groups.iter().max().map_or(0, |&g| g as usize + 1);
    let options = LeaveOutOptions {
        lambda: values.lambda,
        weights: Some(&values.valuation.weights),
        noise_variance: ready.prior.noise_variance,
        ..LeaveOutOptions::default()
    };
    let progress = |p: assay_attribution::Progress| stage.at(p.done, p.total);
    let folds = Folds {
        value: Some(ValueFold::new(ready.valid.examples())),
        report: ready.test.as_ref().map(|test| ReportFold::new(test.examples())),
    };
    let result = leave_out(
        ready.gated.examples(),
        (&groups, count),
        &values.valuation.model,
        folds,
        &options,
        &progress,
    );
    let result = result.map_err(Failure::failed)?;
    let bits = |score: Option<Score>| score.map_or(f64::NAN, |s| s.gain_bits);
    let lost =
        |of: fn(&Scores) -> Option<Score>, without: &Scores| bits(of(&result.full)) - bits(of(without));
    // The reporting fold where there is one.
    let effect = |without: &Scores| lost(|s| s.report.or(s.value), without);
    // One fold cannot predict itself: without a reporting fold the prediction is the influence, to first order.
    let prediction = |without: &Scores, group: &GroupValue| match without.report {
        Some(_) => lost(|s| s.value, without),
        None => group.marginal_bits,
    };
    let (mut worth, mut predicted, mut effects) = (Vec::new(), Vec::new(), Vec::new());
    for (&contributor, without) in chosen.iter().zip(&result.without) {
        let group = &values.groups[contributor];
        worth.push(group.value_bits - group.charged_bits);
        predicted.push(prediction(without, group));
        effects.push(effect(without));
        let accuracy = |s: Score| s.accuracy.is_finite().then_some(s.accuracy);
        audit.without[contributor] = Some(Without {
            valid_bits: without.value.map(|s| s.gain_bits),
            test_bits: without.report.map(|s| s.gain_bits),
            test_accuracy: without.report.and_then(accuracy),
            effect_bits: effect(without),
            predicted_bits: prediction(without, group),
        });
    }
    let finite = |x: f64| x.is_finite().then_some(x);
    audit.agreement.leave_one_out = Some(LeaveOneOut {
        pearson: finite(pearson(&worth, &effects)),
        spearman: finite(spearman(&worth, &effects)),
        predicted_pearson: finite(pearson(&predicted, &effects)),
        predicted_spearman: finite(spearman(&predicted, &effects)),
        n: chosen.len() as u64,
        on: if ready.test.is_some() { Split::Test } else { Split::Valid },
    });
    Ok(audit)
}

/// Contributors to train again without, ascending: all that have a record in training, or a random sample of them; none
/// when there is only one, whose worth is the whole.
fn chosen(values: &Values, ready: &Ready, senders: &[u32], seed: u64) -> Vec<usize> {
    let trained = values.valuation.in_training(senders, values.groups.len());
    let present: Vec<usize> = (0..trained.len()).filter(|&c| trained[c]).collect();
    if present.len() < 2 {
        return Vec::new();
    }
    let stored = match &ready.gated.features {
        Features::Dense(m) => m.data().len(),
        Features::Sparse(m) => m.nnz(),
    };
    let cost = stored as f64 * values.valuation.model.theta().cols() as f64;
    let most = ((RETRAIN_BUDGET / cost) as usize).max(RETRAIN_LEAST);
    let mut chosen: Vec<usize> =
        shuffled(present.len(), seed, most).into_iter().map(|at| present[at]).collect();
    chosen.sort_unstable();
    chosen
}
