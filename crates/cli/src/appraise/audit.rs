//! `assay audit` of files: an appraisal repeated by its own recipe, and held against models that were really trained
//! without each contributor.

use std::fs;
use std::path::{Path, PathBuf};

use assay_api::Document;
use assay_api::v1::appraisal::Appraisal;
use assay_api::v1::audit::{Audit, Recomputed, Subject};
use assay_attribution::{ReportFold, ValueFold};
use assay_node::audit::{AuditOptions, Case, RECOMPUTED, Seed};
use assay_node::records::{ColumnRoles, FeatureChoice};
use assay_store::columns::{self, ColumnTable, Values as Cells};
use sha2::{Digest, Sha256};

use super::contribute::{self, Community};
use super::curate;
use super::gate::{self, Gated};
use super::publish::{Folder, JSON, Results, TABLE};
use super::train::{self, Ready};
use super::value::{self, Values, senders};
use super::{Settings, args};
use crate::output::Failure;
use crate::progress::Progress;

/// Files of an audit.
const AUDIT_JSON: &str = "audit.json";
pub(crate) const AUDIT_PAGE: &str = "audit.html";

/// What is to be audited.
pub(crate) struct AuditSettings {
    pub(crate) train: PathBuf,
    pub(crate) valid: PathBuf,
    pub(crate) test: PathBuf,
    /// The folder that `assay appraise` wrote.
    pub(crate) of: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) force: bool,
    pub(crate) options: AuditOptions,
    pub(crate) quiet: bool,
}

/// Runs the audit and writes its files; the document.
pub(crate) fn run(settings: &AuditSettings) -> Result<Audit, Failure> {
    let folder = Folder::claim(&settings.out, settings.force, &[AUDIT_JSON, AUDIT_PAGE])?;
    let mut progress = Progress::new(settings.quiet);
    let published = Published::read(&settings.of)?;
    let repeat = repeated(settings, &published.appraisal)?;
    let community = progress.stage("contribute", "read the files", |_| contribute::read(&repeat))?;
    published.require_files(&community)?;
    let gated = progress.stage("gate", "look for copies", |_| gate::gate(&community, repeat.gates))?;
    let ready = progress
        .stage("train", "choose features and prior", |_| train::prepare(&community, &gated, repeat.seed))?;
    let values = progress.stage("value", "value every record again", |stage| {
        let mut values = value::values(&community, &gated, &ready, &repeat, stage)?;
        curate::curate(&mut values, &community, &gated, &ready, &repeat, stage)?;
        Ok::<Values, Failure>(values)
    })?;
    let results = Results { community: &community, gated: &gated, ready: &ready, values: &values };
    let recomputed = published.compare(&results.columns()?)?;
    let audit = progress.stage("audit", "train again without each contributor", |stage| {
        let on_progress = |p: assay_attribution::Progress| stage.at(p.done, p.total);
        let ids = &community.contributors;
        let owners = senders(&community, &gated);
        let seed = published.seed();
        case(&community, &gated, &ready, &values, (ids, &owners, seed))?
            .audit(&settings.options, &on_progress)
            .map_err(Failure::from)
    })?;
    let audit = Audit { recomputed: Some(recomputed), ..audit };
    let json = audit.to_json().map_err(Failure::failed)?;
    let page = assay_web::render_audit(&audit).map_err(Failure::failed)?;
    progress.stage("publish", "write the audit", |_| {
        folder.put(&[(AUDIT_PAGE, page.as_bytes()), (AUDIT_JSON, json.as_bytes())])
    })?;
    Ok(audit)
}

fn case<'a>(
    community: &'a Community,
    gated: &Gated,
    ready: &'a Ready,
    values: &'a Values,
    (ids, owners, seed): (&'a [String], &'a [u32], Seed),
) -> Result<Case<'a>, Failure> {
    let test = ready.test.as_ref().filter(|rows| rows.len() > 1).ok_or_else(|| {
        Failure::refused("every record of TEST is in TRAIN, so that nothing is left to measure effects on")
            .hint("give records to --test that nobody has sent")
    })?;
    Ok(Case {
        subject: Subject {
            name: community.train.input.name.clone(),
            entry: None,
            values_sha256: hex::encode(seed.bytes),
            records: gated.kept.len() as u64,
            gain_bits: values.valuation.gain_bits,
        },
        train: ready.gated.examples(),
        value: ValueFold::new(ready.valid.examples()),
        report: ReportFold::new(test.examples()),
        lambda: values.lambda,
        noise_variance: ready.prior.noise_variance,
        valuation: &values.valuation,
        ids,
        owners,
        classes: community.classes.as_ref().map_or(&[], |classes| classes.classes()),
        stands: false,
        seed,
        least_rank: None,
    })
}

/// The settings that an appraisal was made with, for these files.
fn repeated(settings: &AuditSettings, appraisal: &Appraisal) -> Result<Settings, Failure> {
    let recipe = &appraisal.recipe;
    let option = |name: &str| recipe.options.get(name).cloned();
    let malformed = |name: &str| {
        Failure::refused(format!("{}: the recipe has no usable {name}", settings.of.join(JSON).display()))
            .hint("appraise the files again")
    };
    let features = option("features").filter(|names| !names.is_empty());
    let features = features.map(|names| names.split(',').map(str::to_owned).collect());
    let method = args::known(&option("method").unwrap_or_default());
    Ok(Settings {
        train: settings.train.clone(),
        valid: settings.valid.clone(),
        test: Some(settings.test.clone()),
        out: settings.out.clone(),
        force: false,
        roles: ColumnRoles {
            text: option("text"),
            features: features.map(FeatureChoice::Columns),
            label: Some(option("label").ok_or_else(|| malformed("label"))?),
            by: option("by"),
            id: option("id"),
            time: option("time"),
        },
        task: Some(appraisal.model.task),
        gates: option("gates").is_none_or(|on| on == "true"),
        curate: option("curate").is_some_and(|on| on == "true"),
        retrain: false,
        seed: recipe.seed,
        nodes: option("nodes").and_then(|n| n.parse().ok()).ok_or_else(|| malformed("nodes"))?,
        method,
        compare: Vec::new(),
        threads: None,
        json: settings.quiet,
    })
}

/// What `assay appraise` left: the document, and the table of values as it lies on disk.
struct Published {
    appraisal: Appraisal,
    table: ColumnTable,
    sha256: [u8; 32],
}

impl Published {
    fn read(folder: &Path) -> Result<Self, Failure> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|e| {
                Failure::refused(format!("{}: {e}", path.display()))
                    .hint("name the folder that `assay appraise --out` wrote")
            })
        };
        let unreadable = |name: &str, e: &dyn std::fmt::Display| {
            Failure::refused(format!("{}: {e}", folder.join(name).display()))
        };
        let text = String::from_utf8(read(JSON)?).map_err(|e| unreadable(JSON, &e))?;
        let appraisal = Appraisal::from_json(&text).map_err(|e| unreadable(JSON, &e))?;
        let bytes = read(TABLE)?;
        let table = columns::read(&bytes).map_err(|e| unreadable(TABLE, &e))?;
        Ok(Self { appraisal, table, sha256: Sha256::digest(&bytes).into() })
    }

    /// That the files are those that were appraised; of TEST only what values never see may differ.
    fn require_files(&self, community: &Community) -> Result<(), Failure> {
        let inputs = &self.appraisal.inputs;
        let pairs = [
            (Some(&inputs.train), Some(&community.train)),
            (Some(&inputs.valid), Some(&community.valid)),
            (inputs.test.as_ref(), community.test.as_ref()),
        ];
        for (was, is) in pairs {
            let Some((was, is)) = was.zip(is) else { continue };
            if was.sha256 != is.input.sha256 {
                return Err(Failure::refused(format!(
                    "{}: its SHA-256 is {}, and {} was appraised, with {}",
                    is.file, is.input.sha256, was.name, was.sha256
                ))
                .hint("give the files of the appraisal, in the same order"));
            }
        }
        Ok(())
    }

    /// The values table follows from the recipe alone, unlike the document, which has times in it that anybody could
    /// draw again until they please.
    fn seed(&self) -> Seed {
        Seed { bytes: self.sha256, of: format!("{TABLE}, as `sha256sum` prints it") }
    }

    /// Values computed again against the published ones.
    fn compare(&self, again: &ColumnTable) -> Result<Recomputed, Failure> {
        let malformed = || Failure::refused(format!("{TABLE} is not a table of values of this version"));
        let (ids, values) = cells(&self.table).ok_or_else(malformed)?;
        let (ids_again, values_again) = cells(again).ok_or_else(malformed)?;
        let differences = || values.iter().zip(&values_again).map(|(a, b)| (a - b).abs());
        let largest = values.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
        let largest_bits = differences().fold(0.0, f64::max);
        let tolerance_bits = RECOMPUTED * largest;
        Ok(Recomputed {
            records: values.len() as u64,
            equal: differences().filter(|d| *d == 0.0).count() as u64,
            largest_bits,
            tolerance_bits,
            agrees: ids == ids_again && largest_bits <= tolerance_bits,
        })
    }
}

/// Ids and values of a table of records.
fn cells(table: &ColumnTable) -> Option<(Vec<Option<String>>, Vec<f64>)> {
    let values = ["value_bits", "value_accuracy", "value_score"].iter().find_map(|name| table.column(name));
    let (Some(Cells::Utf8(ids)), Some(Cells::Float64(values))) = (table.column("id"), values) else {
        return None;
    };
    Some((ids.clone(), values.iter().map(|v| v.unwrap_or_default()).collect()))
}
