//! Values of groups: as sums over their records, or with each group acting as one.

use assay_kernels::Mat;

use super::banzhaf::Banzhaf;
use super::game::{Dealt, Play, Players};
use super::shapley::Shapley;
use super::{Cached, Setting, Values};
use crate::path::ValueError;
use crate::{Examples, OnProgress, ValueFold};

/// Sums the values of records by group: record i belongs to group `groups.0[i]`, below `groups.1`. Variances are
/// summed as if the errors of records did not hang together; [`faithful_shapley`] does without that.
///
/// # Panics
/// When there is not one group a record, each below the count.
pub fn group_values(values: &Values, groups: Dealt<'_>) -> Values {
    check(groups, values.mean.len());
    let mut out = Values::empty(values.unit, groups.1);
    let mut variance = Mat::zeros(1, groups.1);
    for (i, &g) in groups.0.iter().enumerate() {
        let g = g as usize;
        out.mean[g] += values.mean[i];
        variance.row_mut(0)[g] += values.variance(i);
        out.count[g] = if out.count[g] == 0 { values.count[i] } else { out.count[g].min(values.count[i]) };
    }
    for (g, variance) in variance.data().iter().enumerate() {
        let n = out.count[g] as f64;
        out.squares[g] = if out.count[g] < 2 { 0.0 } else { variance * n * (n - 1.0) };
    }
    out
}

/// Faithful Group Shapley (arXiv 2505.19013): the value of a group is the sum of the Shapley values of its records, so
/// that a group which splits, or groups that merge, gain nothing. Samples are pairs of orders of records.
///
/// # Errors
/// When records, groups, setting and benchmark do not go together.
///
/// # Panics
/// When there is not one group a record, each below the count.
pub fn faithful_shapley(
    train: Examples<'_>,
    groups: Dealt<'_>,
    benchmark: ValueFold<'_>,
    (setting, options): (&Setting<'_>, &Shapley),
    on_progress: OnProgress<'_>,
) -> Result<Values, ValueError> {
    check(groups, train.target.len());
    let players = Players { train, setting: *setting, play: *options, teams: None, sums: Some(groups) };
    players.attribute(benchmark, on_progress)
}

/// Shapley values of groups that act as one each: exact for up to 12 groups, by sampled orders beyond. Groups gain by
/// splitting here; for audits of communities, where the groups are known.
///
/// # Errors
/// When records, groups, setting and benchmark do not go together.
///
/// # Panics
/// When there is not one group a record, each below the count.
pub fn group_shapley(
    train: Examples<'_>,
    groups: Dealt<'_>,
    benchmark: ValueFold<'_>,
    (setting, options): (&Setting<'_>, &Shapley),
    on_progress: OnProgress<'_>,
) -> Result<Values, ValueError> {
    teams(train, groups, benchmark, (setting, *options), on_progress)
}

/// Banzhaf values of groups that act as one each; exact where that takes no more than the retrainings allowed.
///
/// # Errors
/// When records, groups, setting and benchmark do not go together.
///
/// # Panics
/// When there is not one group a record, each below the count.
pub fn group_banzhaf(
    train: Examples<'_>,
    groups: Dealt<'_>,
    benchmark: ValueFold<'_>,
    (setting, options): (&Setting<'_>, &Banzhaf),
    on_progress: OnProgress<'_>,
) -> Result<Values, ValueError> {
    teams(train, groups, benchmark, (setting, *options), on_progress)
}

fn teams<P: Play>(
    train: Examples<'_>,
    groups: Dealt<'_>,
    benchmark: ValueFold<'_>,
    (setting, play): (&Setting<'_>, P),
    on_progress: OnProgress<'_>,
) -> Result<Values, ValueError> {
    check(groups, train.target.len());
    let players = Players { train, setting: *setting, play, teams: Some(groups), sums: None };
    players.attribute(benchmark, on_progress)
}

fn check((groups, count): Dealt<'_>, records: usize) {
    assert_eq!(groups.len(), records, "one group a record");
    assert!(groups.iter().all(|&g| (g as usize) < count), "a group beyond the count");
}
