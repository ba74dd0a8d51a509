//! Real data for measuring the gates; every loader returns `None` where the data is not on this machine.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros
)]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use assay_quality::{Finding, GateConfig, Gates, RecordRef, RecordView, Verdict};
use rustix::time::ClockId;
use serde_json::Value;

/// The folder of the data sets: `ASSAY_DATA`, or a folder beside the repository.
pub(crate) fn data(path: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root = std::env::var_os("ASSAY_DATA").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let path = root.join(path);
    if !path.exists() {
        println!("skipped: {} is not on this machine", path.display());
        return None;
    }
    Some(path)
}

pub(crate) fn unpack(path: &str) -> Option<String> {
    let file = std::fs::File::open(data(path)?).unwrap();
    let mut text = String::new();
    if path.ends_with(".zst") {
        zstd::stream::read::Decoder::new(file).unwrap().read_to_string(&mut text).unwrap();
    } else if path.ends_with(".gz") {
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    } else {
        { file }.read_to_string(&mut text).unwrap();
    }
    Some(text)
}

pub(crate) fn json_lines(path: &str) -> Option<Vec<Value>> {
    Some(unpack(path)?.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// A labelled text with its id.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) text: String,
    pub(crate) label: String,
    /// Empty for what nobody sent.
    pub(crate) contributor: String,
}

impl Row {
    pub(crate) fn view(&self) -> RecordView<'_> {
        let view = RecordView::text(&self.text, &self.label);
        if self.contributor.is_empty() { view } else { view.sent_by(&self.contributor) }
    }
}

pub(crate) fn rows(path: &str) -> Option<Vec<Row>> {
    let field = |value: &Value, name: &str| value[name].as_str().unwrap().to_string();
    let row = |value: &Value| Row {
        id: field(value, "id"),
        text: field(value, "text"),
        label: field(value, "label"),
        contributor: value["contributor"].as_str().unwrap_or_default().to_string(),
    };
    Some(json_lines(path)?.iter().map(row).collect())
}

/// A simulated community: what came in, what is sealed, and the truth about every record.
pub(crate) struct Community {
    pub(crate) name: String,
    pub(crate) offered: Vec<Row>,
    pub(crate) sealed: Vec<Row>,
    /// Kind, and the id of the record it copies, per offered record.
    pub(crate) truth: Vec<(String, Option<String>)>,
    /// Row of the source set that each offered record came from, empty where none.
    pub(crate) source: Vec<String>,
}

impl Community {
    pub(crate) fn load(name: &str) -> Option<Self> {
        let mut sealed = rows(&format!("{name}/valid.jsonl.gz"))?;
        sealed.extend(rows(&format!("{name}/test.jsonl.gz"))?);
        let truth: Value = serde_json::from_str(&unpack(&format!("{name}/truth.json"))?).unwrap();
        let entry =
            |value: &Value| (value[1].as_str().unwrap().to_string(), value[2].as_str().map(str::to_string));
        let source = |value: &Value| value[3].as_str().unwrap_or_default().to_string();
        Some(Community {
            source: truth["records"].as_array().unwrap().iter().map(source).collect(),
            name: name.to_string(),
            offered: rows(&format!("{name}/contributions.jsonl.gz"))?,
            sealed,
            truth: truth["records"].as_array().unwrap().iter().map(entry).collect(),
        })
    }

    /// The findings as the records came, and once all were known.
    pub(crate) fn run(&self, config: &GateConfig) -> (Vec<Finding>, Vec<Finding>) {
        let sealed: Vec<_> = self.sealed.iter().map(Row::view).collect();
        let offered: Vec<_> = self.offered.iter().map(Row::view).collect();
        let mut gates = Gates::new(config.clone(), &sealed).unwrap();
        let first = gates.check_batch(&offered);
        let mut last = first.clone();
        gates.reconsider(RecordRef(0)).into_iter().for_each(|(at, finding)| last[at.0 as usize] = finding);
        (first, last)
    }

    pub(crate) fn tally(&self, findings: &[Finding]) -> Tally {
        let mut tally = Tally::default();
        for (finding, (kind, _)) in findings.iter().zip(&self.truth) {
            let counts = tally.kinds.entry(kind.clone()).or_default();
            counts.total += 1;
            match finding.verdict {
                Verdict::Pass => {}
                Verdict::Hold(_) => counts.held += 1,
                Verdict::Reject(_) => counts.rejected += 1,
            }
            let code = finding.verdict.reason().map_or("pass", |reason| reason.code());
            *counts.reasons.entry(code).or_default() += 1;
        }
        tally
    }
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) total: usize,
    pub(crate) held: usize,
    pub(crate) rejected: usize,
    pub(crate) reasons: BTreeMap<&'static str, usize>,
}

/// Verdicts by true kind.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) kinds: BTreeMap<String, Counts>,
}

/// Kinds that hold somebody's own content, whatever its label or worth.
pub(crate) const OWN: [&str; 3] = ["clean", "wrong_label", "off_topic"];

impl Tally {
    pub(crate) fn rejected(&self, kind: &str) -> f64 {
        self.kinds.get(kind).map_or(0.0, |counts| counts.rejected as f64 / counts.total as f64)
    }

    pub(crate) fn stopped(&self, kind: &str) -> f64 {
        self.kinds
            .get(kind)
            .map_or(0.0, |counts| (counts.rejected + counts.held) as f64 / counts.total as f64)
    }

    /// The share of rejected records that are not clean: one minus the share of rejections that wrong a person.
    pub(crate) fn precision(&self) -> f64 {
        let all: usize = self.kinds.values().map(|counts| counts.rejected).sum();
        1.0 - self.kinds.get("clean").map_or(0, |counts| counts.rejected) as f64 / all.max(1) as f64
    }
}

/// The rows of a tabular set, training then test part, and their labels (the last column, or the one named so).
pub(crate) fn csv_rows(name: &str) -> Option<(Vec<Vec<f64>>, Vec<String>)> {
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    for part in ["train", "test"] {
        let text = unpack(&format!("{name}/{part}.csv.gz"))?;
        let mut lines = text.lines();
        let head: Vec<&str> = lines.next()?.split(',').collect();
        let label = head
            .iter()
            .position(|column| ["label", "target", "class"].contains(column))
            .unwrap_or(head.len() - 1);
        for line in lines {
            let cells: Vec<&str> = line.split(',').collect();
            let numbers =
                cells.iter().enumerate().filter(|&(column, _)| column != label && head[column] != "id");
            rows.push(numbers.map(|(_, cell)| cell.parse().unwrap()).collect());
            labels.push(cells[label].to_string());
        }
    }
    Some((rows, labels))
}

/// Copies of rows with uniform noise of up to `share` of each column's range.
pub(crate) fn noisy(rows: &[Vec<f64>], share: f64) -> Vec<Vec<f64>> {
    let columns = rows[0].len();
    let range = |column: usize| {
        let values = rows.iter().map(|row| row[column]);
        values.clone().fold(f64::MIN, f64::max) - values.fold(f64::MAX, f64::min)
    };
    let ranges: Vec<f64> = (0..columns).map(range).collect();
    let mut state = 7u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0
    };
    rows.iter()
        .map(|row| row.iter().zip(&ranges).map(|(x, range)| x + uniform() * share * range).collect())
        .collect()
}

/// The texts of one fold of a set, whatever its field of text is called.
pub(crate) fn texts(set: &str, fold: &str) -> Option<Vec<String>> {
    let field =
        |row: &Value| ["text", "instruction"].iter().find_map(|name| row[*name].as_str().map(str::to_string));
    Some(json_lines(&format!("{set}/{fold}.jsonl.gz"))?.iter().filter_map(field).collect())
}

/// CPU time of this thread, so that a busy machine measures the same.
pub(crate) fn cpu_seconds() -> f64 {
    seconds(ClockId::ThreadCPUTime)
}

/// CPU time of all threads.
pub(crate) fn process_seconds() -> f64 {
    seconds(ClockId::ProcessCPUTime)
}

fn seconds(clock: ClockId) -> f64 {
    let time = rustix::time::clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
