//! Communities that are in no file: the bundled one, and that of a datanet. They are written to a temporary folder and
//! read back, so that they go the way of files.

use std::fs;
use std::path::PathBuf;

use assay_ledger::charter::Charter;
use assay_node::Node;
use assay_node::records::{ColumnRoles, FeatureChoice};
use assay_node::task::Record;
use assay_sim::{Community as Digits, Digit};
use serde_json::Value;

use super::{Settings, Source};
use crate::appraise;
use crate::appraise::contribute::{Community, read as read_files};
use crate::commands::session::Session;
use crate::output::Failure;

/// Column of names in what is written; no column of a charter is likely to be called so.
const BY: &str = "assay:contributor";

/// The community that is attacked, and the charter whose price, split and bond hold there.
pub(super) fn read(settings: &Settings) -> Result<(Community, Charter), Failure> {
    let bundled = || Charter::parse(&Digits::charter()).map_err(Failure::failed);
    match &settings.source {
        Source::Files => Ok((read_files(&settings.appraise)?, bundled()?)),
        Source::Demo => Ok((demo(&settings.appraise)?, bundled()?)),
        Source::Net { home, net } => datanet(&settings.appraise, home.as_ref(), net.as_deref()),
    }
}

/// The honest members of the demonstration.
fn demo(settings: &appraise::Settings) -> Result<Community, Failure> {
    let world = Digits::of_digits(settings.seed).map_err(Failure::failed)?;
    let honest = world.members.iter().filter(|member| member.behaviour.is_honest());
    let train = honest.flat_map(|m| m.records.iter().map(|digit| named(digit.record(), &m.name)));
    let bench = |digits: &[Digit]| digits.iter().map(Digit::record).collect::<Vec<Record>>();
    let folds = (bench(&world.value_fold), bench(&world.report_fold));
    let settings = appraise::Settings {
        roles: ColumnRoles { by: Some(BY.to_owned()), ..settings.roles.clone() },
        ..settings.clone()
    };
    through_files("digits", &train.collect::<Vec<_>>(), folds, &settings)
}

/// The records of a datanet that have passed, against its sealed benchmark.
fn datanet(
    settings: &appraise::Settings,
    home: Option<&PathBuf>,
    net: Option<&str>,
) -> Result<(Community, Charter), Failure> {
    let session = Session::open(home)?;
    let net = session.net(net)?;
    let node: &Node = &session.node;
    let (charter, contents) = (node.datanet(&net)?.charter.clone(), node.contents(&net)?);
    let train = contents.records.into_iter().map(|(author, record)| named(record, session.name(&author)));
    let task = &charter.task;
    let settings = appraise::Settings {
        roles: ColumnRoles {
            text: task.text.clone(),
            features: (!task.features.is_empty()).then(|| FeatureChoice::Columns(task.features.clone())),
            label: Some(task.label.clone()),
            by: Some(BY.to_owned()),
            ..ColumnRoles::default()
        },
        task: Some(match task.kind.as_str() {
            "regression" => assay_api::v1::appraisal::Task::Regression,
            _ => assay_api::v1::appraisal::Task::Classification,
        }),
        ..settings.clone()
    };
    let folds = (contents.value, contents.report);
    let community = through_files(net.as_str(), &train.collect::<Vec<_>>(), folds, &settings)?;
    Ok((community, charter))
}

fn named(mut record: Record, name: &str) -> Record {
    record.insert(BY.to_owned(), Value::from(name));
    record
}

fn through_files(
    name: &str,
    train: &[Record],
    (valid, test): (Vec<Record>, Vec<Record>),
    settings: &appraise::Settings,
) -> Result<Community, Failure> {
    let folder = tempfile::tempdir().map_err(Failure::failed)?;
    let write = |name: String, records: &[Record]| {
        let lines: Vec<String> = records.iter().map(|r| Value::Object(r.clone()).to_string()).collect();
        let path = folder.path().join(name);
        fs::write(&path, lines.join("\n")).map_err(Failure::failed).map(|()| path)
    };
    read_files(&appraise::Settings {
        train: write(format!("{name}.jsonl"), train)?,
        valid: write("benchmark.jsonl".to_owned(), &valid)?,
        test: Some(write("report.jsonl".to_owned(), &test)?),
        ..settings.clone()
    })
}
