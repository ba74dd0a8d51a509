//! One valuation under audit, of a datanet or of a file: all that is computed, and the document of it.

use assay_api::Document as _;
use assay_api::v1::appraisal::Standing;
use assay_api::v1::audit::{
    Audit, Audited, CANNOT_SHOW, Ceiling, Cluster, Clusters, Coverage, Drawn, EstimatorCheck, Folds, Ranking,
    ShapleyCheck, Subject,
};
use assay_attribution::audit::{
    Effect, Left, affordable, agree, ceiling, coverage, effects, reliability, sample,
};
use assay_attribution::method::{Setting, Shapley, by_name, group_shapley};
use assay_attribution::quantize::shares_ppm;
use assay_attribution::rank::{pearson, spearman};
use assay_attribution::{
    Examples, GroupValue, LeaveOutOptions, PathOptions, Progress, ReportFold, Valuation, ValueFold, value,
};
use assay_learn::crossval::shuffled;
use assay_learn::data::{Features, Target};

use crate::error::{NodeError, Result};

/// Simulated measurements behind a ceiling.
const DRAWS: usize = 1_000;
/// Multiplications that Shapley values by retraining may take, in stored features times outputs times retrainings.
const SHAPLEY_BUDGET: f64 = 1e10;

/// What an audit does beyond leaving contributors out.
#[derive(Clone, Debug, Default)]
pub struct AuditOptions {
    /// Leave out the records of each class, too.
    pub clusters: bool,
    /// Orders of joining to retrain for Shapley values of contributors; 0 for none.
    pub orders: usize,
    /// Names of methods to hold against the path.
    pub against: Vec<String>,
}

/// What draws a sample.
#[derive(Clone, Debug)]
pub struct Seed {
    /// The seed.
    pub bytes: [u8; 32],
    /// What it is the SHA-256 of, in words.
    pub of: String,
}

impl Seed {
    /// For what takes a small seed.
    fn small(&self) -> u64 {
        self.bytes.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

/// A valuation, what it valued, and what to measure on.
#[derive(Debug)]
pub struct Case<'a> {
    /// Its name and size.
    pub subject: Subject,
    /// The records that the model was trained on.
    pub train: Examples<'a>,
    /// The fold that measured the values.
    pub value: ValueFold<'a>,
    /// The fold that no value has seen.
    pub report: ReportFold<'a>,
    /// Precision of the prior.
    pub lambda: f64,
    /// Variance of the noise; read for numbers only.
    pub noise_variance: f64,
    /// The values.
    pub valuation: &'a Valuation,
    /// Names of contributors.
    pub ids: &'a [String],
    /// Contributor of each record, a place in `ids`; records of other numbers are not audited and stay.
    pub owners: &'a [u32],
    /// Names of the classes; empty where a number is predicted.
    pub classes: &'a [String],
    /// True when some records stand from earlier runs, which other estimators know nothing of.
    pub stands: bool,
    /// What draws a sample.
    pub seed: Seed,
    /// Least rank agreement at which pay is released.
    pub least_rank: Option<f64>,
}

impl Case<'_> {
    /// Leaves contributors out, and what else is asked for.
    ///
    /// # Errors
    /// When records, folds and values do not go together.
    pub fn audit(&self, options: &AuditOptions, on_progress: &(dyn Fn(Progress) + Sync)) -> Result<Audit> {
        let groups = self.valuation.group(self.owners, self.ids.len() + 1);
        // Who has nothing in the model cannot be left out of it.
        let trained = self.valuation.in_training(self.owners, self.ids.len());
        let present: Vec<usize> = (0..self.ids.len()).filter(|&c| trained[c]).collect();
        let names: Vec<&str> = present.iter().map(|&c| self.ids[c].as_str()).collect();
        // Who is alone is the whole model.
        let most = if present.len() < 2 { 0 } else { affordable(self.train, &self.valuation.model) };
        let drawn: Vec<usize> =
            sample(&names, &self.seed.bytes, most).into_iter().map(|at| present[at]).collect();
        let left = self.left_out(self.owners, self.ids.len(), &drawn, on_progress)?;
        let pairs: Vec<(Effect, Effect)> = left.iter().map(|l| (l.value, l.report)).collect();
        let measured: Vec<Effect> = left.iter().map(|l| l.report).collect();
        let mut contributors = self.contributors(&groups, &drawn, &left)?;
        let agreement = agreement(&contributors);
        contributors.sort_by(|a, b| b.value_bits.total_cmp(&a.value_bits).then_with(|| a.id.cmp(&b.id)));
        let beside = if self.stands { &AuditOptions::default() } else { options };
        Ok(Audit {
            schema: Audit::SCHEMA.to_owned(),
            subject: self.subject.clone(),
            recomputed: None,
            drawn: Drawn {
                contributors: present.len() as u64,
                left_out: drawn.len() as u64,
                seed: hex::encode(self.seed.bytes),
                seed_of: self.seed.of.clone(),
            },
            folds: Folds {
                value_rows: self.value.examples().target.len() as u64,
                report_rows: self.report.examples().target.len() as u64,
            },
            agreement,
            ceiling: ceiling(&pairs, DRAWS, self.seed.small()).map(|c| Ceiling {
                spearman: c.spearman,
                low: c.low,
                high: c.high,
                repeated: c.repeated,
            }),
            reliability: reliability(&measured),
            coverage: (!pairs.is_empty()).then(|| covered(&pairs)),
            clusters: beside.clusters.then(|| self.clusters(on_progress)).transpose()?.flatten(),
            shapley: match beside.orders {
                0 => None,
                orders => self.shapley(orders, on_progress)?,
            },
            estimators: self.estimators(&beside.against, &contributors, on_progress)?,
            contributors,
            least_rank: self.least_rank,
            cannot_show: CANNOT_SHOW.iter().map(|s| (*s).to_owned()).collect(),
        })
    }

    /// The effects of leaving these groups out, in their order.
    fn left_out(
        &self,
        groups: &[u32],
        count: usize,
        drawn: &[usize],
        on_progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<Left>> {
        if drawn.is_empty() {
            return Ok(Vec::new());
        }
        let mut place = vec![u32::MAX; count];
        drawn.iter().zip(0..).for_each(|(&g, at)| place[g] = at);
        let places: Vec<u32> =
            groups.iter().map(|&g| place.get(g as usize).copied().unwrap_or(u32::MAX)).collect();
        let options = LeaveOutOptions {
            lambda: self.lambda,
            noise_variance: self.noise_variance,
            weights: Some(&self.valuation.weights),
            ..LeaveOutOptions::default()
        };
        let folds = (self.value, self.report);
        let model = &self.valuation.model;
        let leaving = effects(self.train, (&places, drawn.len()), model, folds, &options, on_progress);
        Ok(leaving.map_err(NodeError::invalid)?.left)
    }

    fn contributors(&self, groups: &[GroupValue], drawn: &[usize], left: &[Left]) -> Result<Vec<Audited>> {
        let standings: Vec<Standing> =
            groups.iter().map(|g| Standing::of_interval(g.low_bits, g.high_bits)).collect();
        let earned = |c: usize| if standings[c] == Standing::Paid { groups[c].value_bits } else { 0.0 };
        let earned: Vec<f64> = (0..self.ids.len()).map(earned).collect();
        let shares = match earned.iter().any(|e| *e > 0.0) {
            true => shares_ppm(&earned).map_err(NodeError::bug)?,
            false => vec![0; earned.len()],
        };
        let one = |(&c, left): (&usize, &Left)| {
            let (low, high) = agree::interval(&left.value, &left.report);
            Audited {
                id: self.ids[c].clone(),
                records: groups[c].records as u64,
                value_bits: groups[c].value_bits - groups[c].charged_bits,
                pay_ppm: u64::from(shares[c]),
                standing: standings[c],
                first_order_bits: groups[c].marginal_bits,
                predicted_bits: left.value.bits,
                predicted_se_bits: finite(left.value.se_bits),
                low_bits: finite(low),
                high_bits: finite(high),
                effect_bits: left.report.bits,
                effect_se_bits: finite(left.report.se_bits),
                covered: (low..=high).contains(&left.report.bits),
            }
        };
        Ok(drawn.iter().zip(left).map(one).collect())
    }

    /// Leaves out the records of each class.
    fn clusters(&self, on_progress: &(dyn Fn(Progress) + Sync)) -> Result<Option<Clusters>> {
        let Target::Classes { labels, .. } = self.train.target else { return Ok(None) };
        let most = affordable(self.train, &self.valuation.model);
        let groups = self.valuation.group(labels, self.classes.len());
        let present = (0..self.classes.len()).filter(|&g| groups[g].records > 0).collect::<Vec<_>>();
        let names: Vec<&str> = present.iter().map(|&g| self.classes[g].as_str()).collect();
        let drawn: Vec<usize> =
            sample(&names, &self.seed.bytes, most).into_iter().map(|at| present[at]).collect();
        let left = self.left_out(labels, self.classes.len(), &drawn, on_progress)?;
        let column = |of: &dyn Fn(usize) -> f64| (0..drawn.len()).map(of).collect::<Vec<f64>>();
        let effects = column(&|k| left[k].report.bits);
        let mut found: Vec<Cluster> = drawn
            .iter()
            .zip(&left)
            .map(|(&g, left)| Cluster {
                id: self.classes[g].clone(),
                records: groups[g].records as u64,
                value_bits: groups[g].value_bits,
                predicted_bits: left.value.bits,
                predicted_se_bits: finite(left.value.se_bits),
                effect_bits: left.report.bits,
                effect_se_bits: finite(left.report.se_bits),
            })
            .collect();
        found.sort_by(|a, b| b.value_bits.total_cmp(&a.value_bits).then_with(|| a.id.cmp(&b.id)));
        Ok((!found.is_empty()).then(|| Clusters {
            by: "label".to_owned(),
            spearman: rank(&column(&|k| groups[drawn[k]].value_bits), &effects),
            retrained_spearman: rank(&column(&|k| left[k].value.bits), &effects),
            coverage: covered(&left.iter().map(|l| (l.value, l.report)).collect::<Vec<_>>()),
            groups: found,
        }))
    }

    /// Shapley values of contributors by retraining, on as many drawn records as can be afforded, against the path on
    /// the same records.
    fn shapley(
        &self,
        orders: usize,
        on_progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Option<ShapleyCheck>> {
        let rows = self.train.features.rows();
        let stored = match self.train.features {
            Features::Dense(m) => m.data().len(),
            Features::Sparse(m) => m.nnz(),
        };
        let outputs = self.valuation.model.theta().cols();
        let each = (stored * outputs) as f64 / rows.max(1) as f64;
        let take = (SHAPLEY_BUDGET / (each * (orders * self.ids.len()).max(1) as f64)) as usize;
        let audited = |i: &usize| (self.owners[*i] as usize) < self.ids.len();
        let mut drawn: Vec<usize> =
            shuffled(rows, self.seed.small(), rows).into_iter().filter(audited).take(take).collect();
        drawn.sort_unstable();
        let (features, target) = (self.train.features.select(&drawn), self.train.target.select(&drawn));
        let train = Examples { features: &features, target: &target };
        let names = crate::task::index(drawn.iter().map(|&i| &self.owners[i]));
        let teams: Vec<u32> = drawn.iter().map(|&i| names[&self.owners[i]]).collect();
        if names.len() < 2 {
            return Ok(None);
        }
        let weights: Vec<f64> = drawn.iter().map(|&i| self.valuation.weights[i]).collect();
        let setting = Setting {
            lambda: self.lambda,
            noise_variance: self.noise_variance,
            weights: Some(&weights),
            seed: self.seed.small(),
        };
        let options = PathOptions {
            lambda: self.lambda,
            noise_variance: self.noise_variance,
            weights: Some(&weights),
            folds: 0,
            ..PathOptions::default()
        };
        let path = value(train, self.value, &options, on_progress).map_err(NodeError::invalid)?;
        let path: Vec<f64> = path.group(&teams, names.len()).iter().map(|g| g.value_bits).collect();
        let game = Shapley { orders, ..Shapley::default() };
        let played = group_shapley(train, (&teams, names.len()), self.value, (&setting, &game), on_progress)
            .map_err(NodeError::invalid)?;
        // As many samples as there are coalitions: all of them were trained.
        let exact = played
            .count
            .iter()
            .all(|&n| u32::try_from(names.len()).ok().and_then(|k| 1_u64.checked_shl(k)) == Some(n));
        let error = |k: usize| if exact { 0.0 } else { played.variance(k).sqrt() };
        let effect = |k: usize| Effect { bits: played.mean[k], se_bits: error(k), rows: orders };
        Ok(Some(ShapleyCheck {
            contributors: names.len() as u64,
            records: drawn.len() as u64,
            orders: if exact { 0 } else { orders as u64 },
            spearman: rank(&path, &played.mean),
            pearson: Some(pearson(&path, &played.mean)).filter(|r| r.is_finite()),
            reliability: reliability(&(0..names.len()).map(effect).collect::<Vec<_>>()),
        }))
    }

    /// Other methods beside the path.
    fn estimators(
        &self,
        names: &[String],
        left: &[Audited],
        on_progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Vec<EstimatorCheck>> {
        let sums = |values: &[f64]| {
            let mut sums = vec![0.0; self.ids.len() + 1];
            let last = self.ids.len();
            self.owners.iter().zip(values).for_each(|(&o, v)| sums[(o as usize).min(last)] += v);
            sums.truncate(last);
            sums
        };
        let of_path = sums(&self.valuation.value_bits);
        let effects: Vec<f64> = left.iter().map(|c| c.effect_bits).collect();
        let place = |c: &Audited| self.ids.iter().position(|id| *id == c.id).unwrap_or(0);
        let check = |name: &String| -> Result<EstimatorCheck> {
            let method =
                by_name(name).ok_or_else(|| NodeError::invalid(format!("there is no method {name:?}")))?;
            let setting = Setting {
                lambda: self.lambda,
                noise_variance: self.noise_variance,
                weights: Some(&self.valuation.weights),
                seed: self.seed.small(),
            };
            let cached = method.cache(self.train, &setting, on_progress).map_err(NodeError::invalid)?;
            let found = cached.attribute(self.value, on_progress).map_err(NodeError::invalid)?;
            let own = sums(&found.mean);
            let of_left: Vec<f64> = left.iter().map(|c| own[place(c)]).collect();
            Ok(EstimatorCheck {
                method: name.clone(),
                records_spearman: rank(&found.mean, &self.valuation.value_bits),
                contributors_spearman: rank(&own, &of_path),
                effect_spearman: rank(&of_left, &effects),
            })
        };
        names.iter().map(check).collect()
    }
}

/// How numbers that were known before rank those left out, against the measured effects.
fn agreement(left: &[Audited]) -> Vec<Ranking> {
    let column = |of: fn(&Audited) -> f64| left.iter().map(of).collect::<Vec<f64>>();
    let effects = column(|c| c.effect_bits);
    let by = |by: &str, of: fn(&Audited) -> f64| Ranking {
        by: by.to_owned(),
        spearman: rank(&column(of), &effects),
        pearson: Some(pearson(&column(of), &effects)).filter(|r| r.is_finite()),
    };
    vec![
        by("value", |c| c.value_bits),
        by("pay", |c| c.pay_ppm as f64),
        by("first_order", |c| c.first_order_bits),
        by("retrained", |c| c.predicted_bits),
    ]
}

fn covered(pairs: &[(Effect, Effect)]) -> Coverage {
    let found = coverage(pairs);
    Coverage {
        covered: found.covered as u64,
        of: found.of as u64,
        share: found.covered as f64 / found.of as f64,
        low: found.low,
        high: found.high,
    }
}

fn rank(x: &[f64], y: &[f64]) -> Option<f64> {
    Some(spearman(x, y)).filter(|r| r.is_finite())
}

/// Errors that one row cannot tell are written as none.
fn finite(x: f64) -> f64 {
    if x.is_finite() { x } else { 0.0 }
}
