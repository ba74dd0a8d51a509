//! Attribution inflation: records made to look influential (arXiv 2409.05657, the outlier attack of a contributor who
//! sees his own records only).
//!
//! The attacker trains the product's own model on half of his records, and asks the product's own measure which of
//! some extreme variants of each record would bring most against the other half.

use assay_attribution::{Examples, PathOptions, ValueFold, value};
use assay_kernels::Mat;
use assay_learn::data::{Columns, Target};
use assay_learn::features::{FeatureConfig, Featurizer, LabelEncoder, NumberLabel};

use super::craft::{Scale, mix};
use super::{Origin, Record, Sent, World};

/// Factors by which numbers are drawn away from the mean.
const STRETCHES: [f64; 3] = [1.0, 2.0, 4.0];

/// The most influential variant of each record; `None` when his records teach no model.
pub(super) fn inflated(world: &World<'_>, scale: &Scale) -> Option<Vec<Sent>> {
    let variants: Vec<Vec<Record>> = world.own.iter().map(|r| variants(r, world.own, scale)).collect();
    let influence = influence(world, &variants.concat())?;
    let mut influence = influence.into_iter();
    let best = |(i, variants): (usize, Vec<Record>)| {
        let by = influence.by_ref().take(variants.len()).collect::<Vec<f64>>();
        let at = (0..by.len()).max_by(|&a, &b| by[a].total_cmp(&by[b]))?;
        Some(Sent { record: variants.into_iter().nth(at)?, name: 0, origin: Origin::Own(i) })
    };
    variants.into_iter().enumerate().map(best).collect()
}

/// The record itself and what it may be turned into without a doubt of its label.
fn variants(record: &Record, own: &[Record], scale: &Scale) -> Vec<Record> {
    let stretched = |by: f64| {
        let far = scale.columns().iter().zip(&record.numbers).map(|(c, x)| c.mean + by * (x - c.mean));
        far.collect::<Vec<f64>>()
    };
    let numbers = STRETCHES.map(stretched);
    let Some(text) = &record.text else {
        return numbers.map(|numbers| Record { numbers, ..record.clone() }).to_vec();
    };
    let rare = rare_words(text, own).join(" ");
    let mate = own.iter().find(|other| other.label == record.label && *other != record);
    let texts = [text.clone(), rare.clone(), format!("{text} {rare} {rare} {rare}")];
    let texts = texts.into_iter().chain(mate.and_then(|mate| mix(record, mate).text));
    let with = |(at, text): (usize, String)| Record {
        text: Some(text),
        numbers: numbers[at.min(numbers.len() - 1)].clone(),
        label: record.label.clone(),
    };
    texts.filter(|text| !text.trim().is_empty()).enumerate().map(with).collect()
}

/// The three words of a text that fewest of his other records have.
fn rare_words(text: &str, own: &[Record]) -> Vec<String> {
    let texts: Vec<&str> = own.iter().filter_map(|r| r.text.as_deref()).collect();
    let mut words: Vec<&str> = text.split_whitespace().filter(|w| w.len() > 3).collect();
    words.sort_by_cached_key(|word| texts.iter().filter(|t| t.contains(word)).count());
    words.dedup();
    words.into_iter().take(3).map(str::to_owned).collect()
}

/// What each of `candidates` would bring to a model of every second of his records, measured on the others.
fn influence(world: &World<'_>, candidates: &[Record]) -> Option<Vec<f64>> {
    let own = world.own;
    let train: Vec<Record> = own.iter().step_by(2).chain(candidates).cloned().collect();
    let bench: Vec<Record> = own.iter().skip(1).step_by(2).cloned().collect();
    let weights: Vec<f64> =
        (0..train.len()).map(|i| f64::from(u8::from(i < train.len() - candidates.len()))).collect();
    let (all, bench_columns) = (columns(&train), columns(&bench));
    let featurizer = Featurizer::fit(&columns(own), &FeatureConfig::default()).ok()?;
    let features = (featurizer.transform(&all).ok()?, featurizer.transform(&bench_columns).ok()?);
    let target = (target(world, &train)?, target(world, &bench)?);
    let options = PathOptions { weights: Some(&weights), folds: 0, ..PathOptions::default() };
    let train = Examples { features: &features.0, target: &target.0 };
    let bench = ValueFold::new(Examples { features: &features.1, target: &target.1 });
    let found = value(train, bench, &options, &|_| {}).ok()?;
    Some(found.marginal_bits[own.len().div_ceil(2)..].to_vec())
}

fn target(world: &World<'_>, of: &[Record]) -> Option<Target> {
    let labels = |records: &[Record]| records.iter().map(|r| r.label.clone()).collect::<Vec<String>>();
    match world.classes {
        [] => NumberLabel::fit(&labels(world.own)).ok()?.encode(&labels(of)).ok(),
        _ => LabelEncoder::fit(&labels(world.own)).ok()?.encode(&labels(of)).ok(),
    }
}

fn columns(records: &[Record]) -> Columns {
    let count = records.first().map_or(0, |r| r.numbers.len());
    let text = records.iter().map(|r| r.text.clone()).collect::<Option<Vec<String>>>();
    let data = records.iter().flat_map(|r| r.numbers.iter().copied()).collect();
    let numbers = if count > 0 { Mat::from_vec(records.len(), count, data) } else { None };
    let number_names = (0..count).map(|j| j.to_string()).collect();
    Columns { rows: records.len(), text, number_names, numbers }
}
