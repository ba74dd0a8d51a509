//! The flags of `assay appraise`.

use std::path::PathBuf;

use assay_api::v1::appraisal::Task;
use assay_attribution::method::NAMES;
use assay_node::records::{ColumnRoles, FeatureChoice};
use clap::{Args, ValueEnum};

use super::Settings;
use crate::output::Failure;

const EXAMPLES: &str = "\
Examples:
  A file of texts with the columns text, label and contributor:
    assay appraise train.jsonl --valid valid.jsonl --test test.jsonl --out appraisal

  A table of measurements, with its own names for the columns:
    assay appraise train.csv --valid valid.csv --features auto --label class --by lab --out worth

  By exact nearest-neighbour values instead, and how influence would rank everybody:
    assay appraise train.csv --valid valid.csv --out worth --method knn-shapley --compare influence

Exit codes: 0 done, 2 the input cannot be used (nothing is written), 1 anything else.";

/// Says what each record and each contributor of a file is worth.
///
/// Trains a model on TRAIN, measures by VALID how much better it predicts than knowing nothing, and shares that
/// gain out over the records, exactly: the values of all records sum to the measured gain. Copies earn nothing;
/// their first comer does. Files are JSON Lines or CSV (also .gz and .zst) or Parquet.
///
/// DIR gets report.html to look at, appraisal.json, and records.parquet with the value of every record.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AppraiseArgs {
    /// The records to appraise.
    train: PathBuf,
    /// Records that measure value. Nothing is learned from them but by that.
    #[arg(long, value_name = "FILE")]
    valid: PathBuf,
    /// Records that report scores and are never used for values.
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// Where to write; must not exist, be empty, or hold an earlier appraisal.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write into DIR whatever else it holds.
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    columns: ColumnArgs,

    /// What gives the values: the path is the rule of pay, and only its values add up to the gain
    #[arg(long, value_name = "METHOD", default_value = "path", value_parser = NAMES, help_heading = "Method")]
    method: String,
    /// Say how another method would rank records and contributors, and what it costs; may be repeated
    #[arg(long, value_name = "METHOD", value_parser = NAMES, help_heading = "Method")]
    compare: Vec<String>,
    /// Do not look for copies and for records of VALID and TEST in TRAIN
    #[arg(long, help_heading = "Method")]
    no_gates: bool,
    /// Train on and value all records that pass the gates, whatever the evidence says of them
    #[arg(long, help_heading = "Method")]
    no_curate: bool,
    /// Do not check the values by training again without each contributor
    #[arg(long, help_heading = "Method")]
    no_retrain: bool,
    /// Seed of folds and samples; one seed gives one result on any number of threads
    #[arg(long, default_value_t = 0, help_heading = "Method")]
    seed: u64,
    /// Quadrature nodes to begin with; more are used until the values add up
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u8).range(2..=64), help_heading = "Method")]
    nodes: u8,
    /// Threads [default: one a core]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Method")]
    threads: Option<u16>,

    /// Print appraisal.json to stdout instead of a summary; only failures go to stderr
    #[arg(long)]
    json: bool,
}

/// Which columns are what.
#[derive(Args)]
pub(crate) struct ColumnArgs {
    /// Column of text to learn from [default: text, unless --features is given]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    text: Option<String>,
    /// Numeric columns to learn from, by commas, or auto for all that have no other use [default: auto when there
    /// is no text]
    #[arg(long, value_name = "COLUMNS|auto", help_heading = "Columns")]
    features: Option<String>,
    /// Column that is to be predicted [default: label]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    label: Option<String>,
    /// Column that says who sent a record [default: contributor]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    by: Option<String>,
    /// Column of record ids [default: id, else line numbers]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    id: Option<String>,
    /// Column of times, ISO 8601 or numbers; of copies the earliest counts [default: time, else file order]
    #[arg(long, value_name = "COLUMN", help_heading = "Columns")]
    time: Option<String>,
    /// Predict classes, or a number [default: a number if the labels have fractions]
    #[arg(long, value_name = "TASK", help_heading = "Columns")]
    task: Option<TaskArg>,
}

#[derive(Clone, Copy, ValueEnum)]
enum TaskArg {
    Classification,
    Regression,
}

impl ColumnArgs {
    /// Roles of columns, and the task if one is asked for.
    pub(crate) fn resolve(self) -> Result<(ColumnRoles, Option<Task>), Failure> {
        let roles = ColumnRoles {
            text: self.text,
            features: self.features.as_deref().map(feature_choice).transpose()?,
            label: self.label,
            by: self.by,
            id: self.id,
            time: self.time,
        };
        let task = self.task.map(|task| match task {
            TaskArg::Classification => Task::Classification,
            TaskArg::Regression => Task::Regression,
        });
        Ok((roles, task))
    }
}

impl AppraiseArgs {
    /// Flags to settings.
    pub(crate) fn resolve(self) -> Result<Settings, Failure> {
        let (roles, task) = self.columns.resolve()?;
        Ok(Settings {
            train: self.train,
            valid: self.valid,
            test: self.test,
            out: self.out,
            force: self.force,
            roles,
            task,
            gates: !self.no_gates,
            curate: !self.no_curate,
            retrain: !self.no_retrain,
            seed: self.seed,
            nodes: usize::from(self.nodes),
            method: known(&self.method),
            compare: self.compare.iter().map(|name| known(name)).collect(),
            threads: self.threads.map(usize::from),
            json: self.json,
        })
    }
}

/// The name as the table of methods has it; the parser lets no other through.
pub(super) fn known(name: &str) -> &'static str {
    NAMES.into_iter().find(|known| *known == name).unwrap_or(NAMES[0])
}

fn feature_choice(text: &str) -> Result<FeatureChoice, Failure> {
    if text == "auto" {
        return Ok(FeatureChoice::Auto);
    }
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    let mut sorted = names.clone();
    sorted.sort();
    if names.iter().any(String::is_empty) || sorted.windows(2).any(|w| w[0] == w[1]) {
        return Err(Failure::refused(format!("--features {text:?} names a column twice, or an empty one"))
            .hint("give names separated by commas, or auto"));
    }
    Ok(FeatureChoice::Columns(names))
}
