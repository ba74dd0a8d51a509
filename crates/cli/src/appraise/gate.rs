//! Stage gate: which records are new, and which repeat an earlier one or the benchmark.

use std::collections::BTreeMap;

use assay_api::v1::appraisal::{GateCount, Gates, Warning};
use assay_quality::{Finding, GateConfig, Reason, RecordRef, RecordView, Verdict};

use super::contribute::{Community, Part};
use crate::output::Failure;

/// What the gates found, one entry a record of TRAIN.
pub(crate) struct Gated {
    pub(crate) on: bool,
    pub(crate) findings: Vec<Finding>,
    /// The earlier record that owns the content.
    pub(crate) original: Vec<Option<usize>>,
    /// Rows that are learned from, ascending.
    pub(crate) kept: Vec<usize>,
    /// Rows of VALID that no record of TRAIN repeats: those that are fair to score everything submitted on.
    pub(crate) fresh_valid: Vec<usize>,
    /// The same of TEST.
    pub(crate) fresh_test: Vec<usize>,
    pub(crate) warnings: Vec<Warning>,
}

/// Puts all records of TRAIN, first comer first, through the gates, with VALID and TEST as the benchmark. When they
/// are off, all records are kept and records of the benchmark among them are only counted.
pub(crate) fn gate(community: &Community, on: bool) -> Result<Gated, Failure> {
    let train = views(&community.train);
    let mut benchmark = views(&community.valid);
    benchmark.extend(community.test.as_ref().map(views).unwrap_or_default());
    let mut gates = sealed(&benchmark)?;
    // One name for all is nobody's.
    let named = community.contributors.len() > 1;
    let sent = |row: usize| RecordView {
        sender: named.then(|| community.contributors[community.sent_by[row] as usize].as_str()),
        ..train[row]
    };
    let arrivals: Vec<RecordView<'_>> = community.order.iter().map(|&row| sent(row)).collect();
    let mut findings = vec![Finding::PASS; train.len()];
    let mut original = vec![None; train.len()];
    let mut found = gates.check_batch(&arrivals);
    // All records are here: what the last ones say about their senders counts for the first.
    gates.reconsider(RecordRef(0)).into_iter().for_each(|(at, finding)| found[at.0 as usize] = finding);
    for (found, &row) in found.into_iter().zip(&community.order) {
        original[row] = found.original.and_then(|r| community.order.get(r.0 as usize)).copied();
        findings[row] = found;
    }
    let leaked = rows_with(&findings, in_benchmark);
    let mut held = rows_with(&findings, |_| true);
    held.retain(|&row| !findings[row].verdict.is_reject());
    let leaks: Vec<RecordView<'_>> =
        rows_with(&findings, like_benchmark).into_iter().map(|row| train[row]).collect();
    let fresh_valid = fresh(&community.valid, &leaks)?;
    let fresh_test = community.test.as_ref().map(|part| fresh(part, &leaks)).transpose()?;
    let mut warnings = Vec::new();
    if !leaked.is_empty() {
        warnings.push(leaks_found(&community.train, &leaked, on));
    }
    if on && !held.is_empty() {
        warnings.push(unclear(&community.train, &held));
    }
    if !on {
        findings.fill(Finding::PASS);
        original.fill(None);
    }
    let kept = (0..train.len()).filter(|&row| !findings[row].verdict.is_reject()).collect();
    let fresh_test = fresh_test.unwrap_or_default();
    Ok(Gated { on, findings, original, kept, fresh_valid, fresh_test, warnings })
}

fn sealed(benchmark: &[RecordView<'_>]) -> Result<assay_quality::Gates, Failure> {
    assay_quality::Gates::new(GateConfig::default(), benchmark).map_err(Failure::failed)
}

fn in_benchmark(reason: Reason) -> bool {
    matches!(reason, Reason::BenchmarkOverlap | Reason::BenchmarkNearOverlap)
}

/// What is in the benchmark, and what only may be: scores do without either.
fn like_benchmark(reason: Reason) -> bool {
    in_benchmark(reason) || reason == Reason::PossibleBenchmarkOverlap
}

/// Rows of a held-out file that none of `leaks` repeats; all of them if nothing would be left to score on.
fn fresh(part: &Part, leaks: &[RecordView<'_>]) -> Result<Vec<usize>, Failure> {
    let all = (0..part.labels.len()).collect();
    if leaks.is_empty() {
        return Ok(all);
    }
    let findings = sealed(leaks)?.check_batch(&views(part));
    let repeated = |row: &usize| findings[*row].verdict.reason().is_some_and(like_benchmark);
    let fresh: Vec<usize> = (0..part.labels.len()).filter(|row| !repeated(row)).collect();
    Ok(if fresh.len() < 2 { all } else { fresh })
}

impl Gated {
    /// True for a record whose content an earlier one owns.
    pub(crate) fn is_duplicate(&self, row: usize) -> bool {
        self.findings[row].verdict.is_reject() && self.original[row].is_some()
    }

    /// What each record that passed is like: one cluster an original, as far as the gates saw.
    pub(crate) fn clusters(&self) -> Vec<u32> {
        let mut names = BTreeMap::new();
        let cluster = |&row: &usize| {
            let next = names.len() as u32;
            *names.entry(self.original[row].unwrap_or(row)).or_insert(next)
        };
        self.kept.iter().map(cluster).collect()
    }

    /// The counts for the document.
    pub(crate) fn summary(&self) -> Gates {
        let count = |&reason: &Reason| {
            let count = self.findings.iter().filter(|f| f.verdict == Verdict::Reject(reason)).count() as u64;
            GateCount { code: reason.code().to_owned(), count, sentence: reason.sentence().to_owned() }
        };
        let mut by_reason: Vec<GateCount> = Reason::ALL.iter().map(count).filter(|c| c.count > 0).collect();
        by_reason.sort_by_key(|c| std::cmp::Reverse(c.count));
        Gates {
            on: self.on,
            records_in: self.findings.len() as u64,
            passed: self.kept.len() as u64,
            by_reason,
        }
    }
}

/// What the gates see of a file.
fn views(part: &Part) -> Vec<RecordView<'_>> {
    let view = |row: usize| RecordView {
        text: part.columns.text.as_ref().map(|texts| texts[row].as_str()),
        numbers: part.columns.numbers.as_ref().map_or(&[], |m| m.row(row)),
        label: Some(&part.labels[row]),
        ..RecordView::default()
    };
    (0..part.labels.len()).map(view).collect()
}

fn rows_with(findings: &[Finding], test: impl Fn(Reason) -> bool) -> Vec<usize> {
    (0..findings.len()).filter(|&row| findings[row].verdict.reason().is_some_and(&test)).collect()
}

fn leaks_found(train: &Part, rows: &[usize], rejected: bool) -> Warning {
    let (message, advice) = if rejected {
        (
            "Records of TRAIN that are in VALID or TEST: they are set aside and worth nothing, and scores leave \
             out the rows that they repeat.",
            "Ask who sent them.",
        )
    } else {
        (
            "Records of TRAIN that are in VALID or TEST: they are valued with the rest, though scores leave out \
             the rows that they repeat.",
            "Leave out --no-gates, or take them out of TRAIN.",
        )
    };
    Warning {
        code: "benchmark_in_train".to_owned(),
        count: rows.len() as u64,
        message: message.to_owned(),
        examples: train.examples(rows),
        advice: advice.to_owned(),
    }
}

fn unclear(train: &Part, rows: &[usize]) -> Warning {
    Warning {
        code: "possible_copies".to_owned(),
        count: rows.len() as u64,
        message: "Records that resemble an earlier one or the benchmark, but not enough to set them aside."
            .to_owned(),
        examples: train.examples(rows),
        advice: "Look at them: they have the verdict hold in records.parquet.".to_owned(),
    }
}
