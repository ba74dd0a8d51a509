//! The records worth most and least, each with a reason in plain words, and the largest groups of copies.

use std::collections::BTreeMap;

use assay_api::v1::appraisal::{Content, DuplicateGroup, DuplicateKind, RecordRef, RecordValue, Unit};
use assay_learn::data::Target;
use assay_learn::features::top_features;
use assay_node::Answers;
use assay_quality::{Reason, Verdict};

use super::contribute::{Community, Part};
use super::gate::Gated;
use super::train::Ready;
use super::value::Values;

/// Records at each end, groups of copies, copies named in a group.
const RECORDS: usize = 20;
const GROUPS: usize = 20;
const COPIES: usize = 8;
/// Characters of a text and numbers of a row that go into the document.
const TEXT_CHARS: usize = 300;
const NUMBERS: usize = 64;
/// Features named in a reason.
const NAMED: usize = 3;

/// The best records, best first, and the worst, worst first.
pub(crate) fn extremes(
    community: &Community,
    gated: &Gated,
    ready: &Ready,
    values: &Values,
) -> (Vec<RecordValue>, Vec<RecordValue>) {
    let worth = &values.valuation.value_bits;
    let mut order: Vec<usize> = (0..worth.len()).collect();
    order.sort_by(|&a, &b| worth[b].total_cmp(&worth[a]));
    // A score has no zero that means anything.
    let ranks_only = values.method.unit == Unit::Score;
    let better = |at: &usize| ranks_only || worth[*at] > 0.0;
    let worse = |at: &usize| ranks_only || worth[*at] < 0.0;
    let best: Vec<usize> = order.iter().copied().filter(better).take(RECORDS).collect();
    let worst: Vec<usize> = order.iter().rev().copied().filter(worse).take(RECORDS).collect();
    let names = ready.featurizer.feature_names();
    let record = |at: usize, helps: bool| {
        let row = gated.kept[at];
        let label = community.train.labels[row].clone();
        RecordValue {
            reason: reason(community, ready, values, &names, (at, helps), &label),
            id: community.train.ids[row].clone(),
            contributor: sender(community, row),
            label,
            content: content(&community.train, row),
            value_bits: worth[at],
            se_bits: finite(values.valuation.record_se_bits(at)),
        }
    };
    (best.iter().map(|&at| record(at, true)).collect(), worst.iter().map(|&at| record(at, false)).collect())
}

/// Why the record at place `at` of those kept is worth much, or little.
fn reason(
    community: &Community,
    ready: &Ready,
    values: &Values,
    names: &[String],
    (at, helps): (usize, bool),
    label: &str,
) -> String {
    let rows = ready.gated.select(&[at]);
    let prediction = values.valuation.model.log_probabilities_nats(&rows.features);
    match &rows.target {
        Target::Numbers(_) => {
            let Answers::Numbers(unit) = &ready.answers else { return String::new() };
            let expected = unit.decode(prediction.row(0)[0]);
            let verb = if helps { "Sets the model right" } else { "Leads the model astray" };
            format!("{verb}: it says {label} where all records together expect {expected:.4}.")
        }
        Target::Classes { labels, .. } => {
            let share = |class: usize| 100.0 * prediction.row(0)[class].exp();
            let own = labels[0] as usize;
            let rivals = (0..prediction.cols()).filter(|&c| c != own);
            let rival = rivals.max_by(|&a, &b| share(a).total_cmp(&share(b)).then(b.cmp(&a))).unwrap_or(own);
            let Some(other) = community.classes.as_ref().and_then(|c| c.classes().get(rival)) else {
                return String::new();
            };
            if share(rival) > share(own) {
                let but = if helps { "and still helps" } else { "probably a wrong label" };
                return format!(
                    "Labelled {label:?}, but the model, even with it, says {other:?} ({:.0}% against {:.0}%): {but}.",
                    share(rival),
                    share(own)
                );
            }
            let told: Vec<&str> = top_features(&rows.features, 0, NAMED)
                .iter()
                .filter_map(|(c, _)| plain(names.get(*c)?))
                .collect();
            let told = if told.is_empty() { String::new() } else { format!(" by {}", told.join(", ")) };
            if helps {
                format!("Teaches {label:?}{told}.")
            } else {
                format!(
                    "Pulls records of VALID towards {label:?}{told} that belong elsewhere, such as to {other:?}."
                )
            }
        }
    }
}

/// A feature as a person would name it; `None` for pieces of words.
fn plain(feature: &str) -> Option<&str> {
    match feature.split_once(':') {
        Some(("word" | "number", name)) => Some(name),
        _ => None,
    }
}

/// The largest groups of copies, most copies first.
pub(crate) fn duplicates(community: &Community, gated: &Gated) -> Vec<DuplicateGroup> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &row in &community.order {
        if let Some(original) = gated.original[row].filter(|_| gated.is_duplicate(row)) {
            groups.entry(original).or_default().push(row);
        }
    }
    let mut groups: Vec<(usize, Vec<usize>)> = groups.into_iter().collect();
    groups.sort_by_key(|(_, copies)| std::cmp::Reverse(copies.len()));
    let reference =
        |row: usize| RecordRef { id: community.train.ids[row].clone(), contributor: sender(community, row) };
    let group = |(original, copies): (usize, Vec<usize>)| DuplicateGroup {
        kind: if copies.iter().all(|&row| exact(gated.findings[row].verdict)) {
            DuplicateKind::Exact
        } else {
            DuplicateKind::Near
        },
        original: reference(original),
        content: content(&community.train, original),
        count: copies.len() as u64,
        copies: copies.iter().take(COPIES).map(|&row| reference(row)).collect(),
    };
    groups.into_iter().take(GROUPS).map(group).collect()
}

fn exact(verdict: Verdict) -> bool {
    matches!(verdict.reason(), Some(Reason::ExactDuplicate | Reason::ConflictingDuplicate))
}

fn content(part: &Part, row: usize) -> Content {
    Content {
        text: part.columns.text.as_ref().map(|texts| texts[row].chars().take(TEXT_CHARS).collect()),
        numbers: part
            .columns
            .numbers
            .as_ref()
            .map_or_else(Vec::new, |m| m.row(row).iter().copied().take(NUMBERS).collect()),
    }
}

fn sender(community: &Community, row: usize) -> String {
    community.contributors[community.sent_by[row] as usize].clone()
}

/// A standard error that could not be measured is written as zero width nowhere but here.
pub(crate) fn finite(x: f64) -> f64 {
    if x.is_finite() { x } else { 0.0 }
}
