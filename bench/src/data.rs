//! Files made into matrices, and matrices written out; the clock.

use std::path::Path;

use assay_learn::crossval::shuffled;
use assay_learn::data::{Columns, Features, Target};
use assay_learn::features::{FeatureConfig, Featurizer, GramConfig, LabelEncoder};
use assay_node::records::{ColumnRoles, Roles, read_file};
use assay_quality::{GateConfig, Gates, RecordView};
use rustix::time::{ClockId, clock_gettime};

use crate::{Result, npy};

/// Records as matrices: those to value and those that measure it.
pub struct Matrices {
    pub train: (Features, Target),
    pub valid: (Features, Target),
    pub classes: usize,
}

/// Reads TRAIN and VALID, samples `rows` of TRAIN by the seed, drops what the gates reject, and makes the features of
/// `assay appraise`, or one block of `terms` words and pairs of words.
pub fn matrices(
    train: &Path,
    valid: &Path,
    rows: Option<usize>,
    terms: Option<usize>,
    seed: u64,
) -> Result<Matrices> {
    let (train, valid) = tables(train, valid, rows, seed)?;
    let featurizer = Featurizer::fit(&train.0, &features(terms))?;
    let encoder = LabelEncoder::fit(&train.1)?;
    let matrix =
        |part: &Part| -> Result<_> { Ok((featurizer.transform(&part.0)?, encoder.encode(&part.1)?)) };
    Ok(Matrices { train: matrix(&train)?, valid: matrix(&valid)?, classes: encoder.count() })
}

/// CPU time of this process, all threads.
pub fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

type Part = (Columns, Vec<String>);

/// The sample of TRAIN that passes the gates, and VALID.
fn tables(train: &Path, valid: &Path, rows: Option<usize>, seed: u64) -> Result<(Part, Part)> {
    let table = read_file(train)?;
    let roles = ColumnRoles::default().resolve(&table)?;
    let train = roles.select(&table)?;
    let valid = read(&roles, valid)?;
    let train = (train.columns, train.labels.names());
    let sample = shuffled(train.1.len(), seed, rows.unwrap_or(usize::MAX));
    let mut gates = Gates::new(GateConfig::default(), &views(&valid))?;
    let train = select(&train, &sample);
    let findings = gates.check_batch(&views(&train));
    let kept: Vec<usize> = (0..findings.len()).filter(|&i| !findings[i].verdict.is_reject()).collect();
    Ok((select(&train, &kept), valid))
}

fn read(roles: &Roles, path: &Path) -> Result<Part> {
    let selected = roles.select(&read_file(path)?)?;
    Ok((selected.columns, selected.labels.names()))
}

fn views((columns, labels): &Part) -> Vec<RecordView<'_>> {
    let view = |row: usize| RecordView {
        text: columns.text.as_ref().map(|texts| texts[row].as_str()),
        numbers: columns.numbers.as_ref().map_or(&[], |m| m.row(row)),
        label: Some(&labels[row]),
        ..RecordView::default()
    };
    (0..labels.len()).map(view).collect()
}

fn select((columns, labels): &Part, rows: &[usize]) -> Part {
    let columns = Columns {
        rows: rows.len(),
        text: columns.text.as_ref().map(|texts| rows.iter().map(|&row| texts[row].clone()).collect()),
        number_names: columns.number_names.clone(),
        numbers: columns.numbers.as_ref().map(|m| m.select(rows)),
    };
    (columns, rows.iter().map(|&row| labels[row].clone()).collect())
}

fn features(terms: Option<usize>) -> FeatureConfig {
    let mut config = FeatureConfig::default();
    if let Some(max_terms) = terms {
        let words = config.text[0].clone();
        config.text = vec![GramConfig { longest: 2, max_terms, ..words }];
    }
    config
}

/// Numbers stored.
pub fn stored(features: &Features) -> usize {
    match features {
        Features::Dense(m) => m.data().len(),
        Features::Sparse(m) => m.nnz(),
    }
}

/// Matrix and answers as `NAME_*.npy`: `x` if dense; `data`, `indices`, `indptr` if sparse; and `y`.
pub fn export(folder: &Path, name: &str, features: &Features, target: &Target) -> Result<()> {
    let file = |part: &str| folder.join(format!("{name}_{part}.npy"));
    if let Target::Classes { labels, .. } = target {
        npy::write(&file("y"), &[labels.len()], labels.iter().copied())?;
    }
    match features {
        Features::Dense(m) => npy::write(&file("x"), &[m.rows(), m.cols()], m.data().iter().copied())?,
        Features::Sparse(m) => {
            let rows = || (0..m.rows()).map(|i| m.row(i));
            npy::write(&file("data"), &[m.nnz()], rows().flat_map(|r| r.1).copied())?;
            npy::write(&file("indices"), &[m.nnz()], rows().flat_map(|r| r.0).copied())?;
            let ends = rows().scan(0, |end, r| {
                *end += r.0.len() as i64;
                Some(*end)
            });
            npy::write(&file("indptr"), &[m.rows() + 1], std::iter::once(0).chain(ends))?;
        }
    }
    Ok(())
}
