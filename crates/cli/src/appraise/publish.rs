//! Stage publish: the documents, and a folder that has all of them or is not touched.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use assay_api::Document;
use assay_api::v1::appraisal::{
    Appraisal, Closure, Contributor, Features, Inputs, Model, Recipe, Scores, Task, Timings, Unit, Utility,
    Warning,
};
use assay_store::columns::{self, ColumnTable};

use super::Settings;
use super::contribute::Community;
use super::curate;
use super::estimate;
use super::explain::{duplicates, extremes, finite};
use super::gate::Gated;
use super::train::Ready;
use super::value::{Audit, Values, senders};
use crate::output::Failure;

pub(super) const JSON: &str = "appraisal.json";
pub(super) const TABLE: &str = "records.parquet";
const PAGE: &str = "report.html";
/// What an appraisal writes.
pub(super) const FILES: [&str; 3] = [JSON, TABLE, PAGE];

/// What the stages found, to be written down.
pub(crate) struct Results<'a> {
    pub(crate) community: &'a Community,
    pub(crate) gated: &'a Gated,
    pub(crate) ready: &'a Ready,
    pub(crate) values: &'a Values,
}

impl Results<'_> {
    /// The document.
    pub(crate) fn appraisal(
        &self,
        scores: Scores,
        audit: Audit,
        settings: &Settings,
        timings: Timings,
    ) -> Appraisal {
        let Self { community, gated, ready, values } = self;
        let v = &values.valuation;
        let (records_best, records_worst) = extremes(community, gated, ready, values);
        Appraisal {
            schema: Appraisal::SCHEMA.to_owned(),
            inputs: Inputs {
                train: community.train.input.clone(),
                valid: community.valid.input.clone(),
                test: community.test.as_ref().map(|part| part.input.clone()),
            },
            utility: Utility { base_bits: v.base_bits, full_bits: v.full_bits, gain_bits: v.gain_bits },
            closure: self.is_path().then(|| Closure {
                sum_bits: v.sum_bits,
                gap_bits: v.sum_bits - v.gain_bits,
                relative: Some(v.closure_relative).filter(|x| x.is_finite()),
                nodes: v.nodes as u64,
                tolerance: values.tolerance,
            }),
            method: values.method.clone(),
            estimators: estimate::estimators(&values.estimates, &senders(community, gated), &audit),
            model: self.model(settings.seed),
            curation: values
                .evidence
                .as_ref()
                .map(|evidence| curate::document(evidence, values.charged_bits, community, gated)),
            scores,
            contributors: self.contributors(&audit),
            gates: gated.summary(),
            duplicates: duplicates(community, gated),
            records_best,
            records_worst,
            warnings: self.warnings(),
            agreement: audit.agreement,
            recipe: recipe(settings, community),
            timings: Timings { estimators: estimate::times(&values.estimates), ..timings },
        }
    }

    fn is_path(&self) -> bool {
        self.values.method == assay_api::v1::appraisal::Method::default()
    }

    fn model(&self, seed: u64) -> Model {
        let Self { community, ready, values, .. } = self;
        let roles = &community.roles;
        let columns = &community.train.columns;
        let (task, family) = match community.classes {
            Some(_) => (Task::Classification, "multinomial logistic regression"),
            None => (Task::Regression, "linear regression with normal noise"),
        };
        let mut parts = Vec::new();
        if roles.text.is_some() {
            parts.push("word and character n-grams, TF-IDF".to_owned());
        }
        if !columns.number_names.is_empty() {
            parts.push(format!("{} numbers, standardised", columns.number_names.len()));
        }
        Model {
            task,
            family: family.to_owned(),
            classes: community.classes.as_ref().map(|c| c.classes().to_vec()).unwrap_or_default(),
            features: Features {
                count: ready.featurizer.cols() as u64,
                description: parts.join(", and "),
                text_column: roles.text.clone(),
                numeric_columns: columns.number_names.clone(),
            },
            lambda: values.lambda,
            lambda_by: "cross-validation".to_owned(),
            folds: values.folds as u64,
            seed,
            records_used: ready.gated.len() as u64,
        }
    }

    fn contributors(&self, audit: &Audit) -> Vec<Contributor> {
        let Self { community, gated, values, .. } = self;
        let count = community.contributors.len();
        let (mut records, mut copies, mut rejected) =
            (vec![0_u64; count], vec![0_u64; count], vec![0_u64; count]);
        for (row, &sender) in community.sent_by.iter().enumerate() {
            let sender = sender as usize;
            records[sender] += 1;
            copies[sender] += u64::from(gated.is_duplicate(row));
            rejected[sender] += u64::from(gated.findings[row].verdict.is_reject());
        }
        let senders = senders(community, gated);
        let contributor = |c: usize| {
            let group = &values.groups[c];
            Contributor {
                id: community.contributors[c].clone(),
                records: records[c],
                value_bits: group.value_bits,
                se_bits: finite(group.se_bits),
                low_bits: finite(group.low_bits),
                high_bits: finite(group.high_bits),
                bits_per_record: group.value_bits / records[c] as f64,
                share_ppm: u64::from(values.shares_ppm[c]),
                standing: values.standings[c],
                suspicion: values
                    .evidence
                    .as_ref()
                    .and_then(|evidence| curate::suspicion(evidence, c, &senders)),
                duplicates: copies[c],
                rejected: rejected[c],
                without: audit.without[c].clone(),
            }
        };
        let mut all: Vec<Contributor> = (0..count).map(contributor).collect();
        all.sort_by(|a, b| b.value_bits.total_cmp(&a.value_bits).then_with(|| a.id.cmp(&b.id)));
        all
    }

    fn warnings(&self) -> Vec<Warning> {
        let v = &self.values.valuation;
        let not_closed = (self.is_path() && !v.closed).then(|| Warning {
            code: "not_closed".to_owned(),
            count: 1,
            message: format!("The values miss the measured gain by {:.2}%.", 100.0 * v.closure_relative),
            examples: Vec::new(),
            advice: "Use more --nodes. Where the gain itself is near zero, there is little to share out."
                .to_owned(),
        });
        let no_gain = (v.gain_bits <= 0.0).then(|| Warning {
            code: "no_gain".to_owned(),
            count: 1,
            message: "The model predicts VALID no better than knowing nothing.".to_owned(),
            examples: Vec::new(),
            advice: "Check that TRAIN and VALID are of one kind and that the columns are the right ones."
                .to_owned(),
        });
        let found = self.community.warnings.iter().chain(&self.gated.warnings).cloned();
        found.chain(not_closed).chain(no_gain).collect()
    }

    /// records.parquet.
    pub(crate) fn table(&self) -> Result<Vec<u8>, Failure> {
        columns::write(&self.columns()?).map_err(Failure::failed)
    }

    /// One row a record of TRAIN, in the order of the file.
    pub(crate) fn columns(&self) -> Result<ColumnTable, Failure> {
        let Self { community, gated, values, .. } = self;
        let rows = community.train.labels.len();
        let (mut worth, mut errors) = (vec![0.0; rows], vec![0.0; rows]);
        let (mut wrong, mut weight) = (vec![None; rows], vec![0.0; rows]);
        for (at, &row) in gated.kept.iter().enumerate() {
            worth[row] = values.valuation.value_bits[at];
            errors[row] = finite(values.valuation.record_se_bits(at));
            weight[row] = values.valuation.weights[at];
            wrong[row] = values.evidence.as_ref().map(|evidence| evidence.wrong[at]);
        }
        let unit = match values.method.unit {
            Unit::Bits => "bits",
            Unit::Accuracy => "accuracy",
            Unit::Score => "score",
        };
        let senders = community.sent_by.iter().map(|&c| community.contributors[c as usize].clone());
        let verdicts = gated.findings.iter().map(|f| f.verdict);
        let reasons = verdicts.clone().map(|v| v.reason().map(|r| r.code().to_owned()));
        let originals = gated.original.iter().map(|o| o.map(|row| community.train.ids[row].clone()));
        ColumnTable::new("assay.appraisal.records", 1)
            .with_column("id", community.train.ids.clone())
            .and_then(|t| t.with_column("contributor", senders.collect::<Vec<String>>()))
            .and_then(|t| t.with_column(&format!("value_{unit}"), worth))
            .and_then(|t| t.with_column(&format!("se_{unit}"), errors))
            .and_then(|t| t.with_column("weight", weight))
            .and_then(|t| t.with_column("p_wrong", wrong))
            .and_then(|t| {
                t.with_column("verdict", verdicts.map(|v| v.code().to_owned()).collect::<Vec<String>>())
            })
            .and_then(|t| t.with_column("reason", reasons.collect::<Vec<Option<String>>>()))
            .and_then(|t| t.with_column("original", originals.collect::<Vec<Option<String>>>()))
            .map_err(Failure::failed)
    }
}

fn recipe(settings: &Settings, community: &Community) -> Recipe {
    let roles = &community.roles;
    let named = [("text", &roles.text), ("by", &roles.by), ("id", &roles.id), ("time", &roles.time)];
    let mut options: BTreeMap<String, String> =
        named.into_iter().filter_map(|(name, column)| Some((name.to_owned(), column.clone()?))).collect();
    options.insert("label".to_owned(), roles.label.clone());
    options.insert("features".to_owned(), roles.numbers.join(","));
    options.insert("gates".to_owned(), settings.gates.to_string());
    options.insert("curate".to_owned(), settings.curate.to_string());
    options.insert("retrain".to_owned(), settings.retrain.to_string());
    options.insert("nodes".to_owned(), settings.nodes.to_string());
    options.insert("method".to_owned(), settings.method.to_owned());
    if !settings.compare.is_empty() {
        options.insert("compare".to_owned(), settings.compare.join(","));
    }
    Recipe {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: settings.seed,
        threads: rayon::current_num_threads() as u64,
        options,
    }
}

/// The folder to write to.
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Refuses a folder that holds somebody else's files, before any work is done.
    pub(crate) fn claim(path: &Path, force: bool, ours: &[&str]) -> Result<Self, Failure> {
        let refuse = |what: String| Failure::refused(format!("{}: {what}", path.display()));
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self { path: path.to_owned() }),
            Err(e) => return Err(refuse(e.to_string()).hint("name a folder with --out")),
        };
        for entry in entries {
            let name = entry.map_err(|e| refuse(e.to_string()))?.file_name();
            if !force && !ours.iter().any(|ours| name == *ours) {
                return Err(refuse(format!("holds {} already", name.display()))
                    .hint("name another folder with --out, or use --force to write into this one"));
            }
        }
        Ok(Self { path: path.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes an appraisal; the JSON as written.
    pub(crate) fn write(&self, appraisal: &Appraisal, table: &[u8]) -> Result<String, Failure> {
        let json = appraisal.to_json().map_err(Failure::failed)?;
        let page = assay_web::render_appraisal(appraisal).map_err(Failure::failed)?;
        self.put(&[(PAGE, page.as_bytes()), (TABLE, table), (JSON, json.as_bytes())])?;
        Ok(json)
    }

    /// Writes these files, which are all that this program writes here.
    pub(crate) fn put(&self, files: &[(&str, &[u8])]) -> Result<(), Failure> {
        self.replace(files).map_err(|e| Failure::failed(format!("{}: {e}", self.path.display())))
    }

    /// Into a new folder beside the old one, which is then put in place.
    fn replace(&self, files: &[(&str, &[u8])]) -> io::Result<()> {
        let parent = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent)?;
        let fresh = tempfile::Builder::new().prefix(".assay-").tempdir_in(parent)?;
        let content = fresh.path().join("new");
        fs::create_dir(&content)?; // with the rights that the user's umask gives, which a temporary folder has not
        for (name, bytes) in files {
            fs::write(content.join(name), bytes)?;
            fs::File::open(content.join(name))?.sync_all()?;
        }
        if !self.path.exists() {
            return fs::rename(&content, &self.path);
        }
        // Files of others stay where they are; with --force there may be some.
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if !files.iter().any(|(name, _)| entry.file_name() == *name) {
                for (name, _) in files {
                    fs::rename(content.join(name), self.path.join(name))?;
                }
                return Ok(());
            }
        }
        fs::rename(&self.path, fresh.path().join("old"))?;
        fs::rename(&content, &self.path)
    }
}
