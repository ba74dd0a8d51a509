//! The bundled community: the honest members of the demonstration, read as files are.

use std::fs;

use assay_node::task::Record;
use assay_sim::{Community as Digits, Digit};
use serde_json::Value;

use crate::appraise::Settings;
use crate::appraise::contribute::{Community, read as read_files};
use crate::output::Failure;

/// Writes the honest members' images to a temporary folder and reads them back, so that they go the way of files.
pub(super) fn read(settings: &Settings) -> Result<Community, Failure> {
    let world = Digits::of_digits(settings.seed).map_err(Failure::failed)?;
    let folder = tempfile::tempdir().map_err(Failure::failed)?;
    let named = |name: &str, digit: &Digit| {
        let mut record = digit.record();
        record.insert("contributor".to_owned(), Value::from(name));
        record
    };
    let honest = world.members.iter().filter(|member| member.behaviour.is_honest());
    let train: Vec<Record> =
        honest.flat_map(|member| member.records.iter().map(|digit| named(&member.name, digit))).collect();
    let bench = |digits: &[Digit]| digits.iter().map(Digit::record).collect::<Vec<Record>>();
    let (valid, test) = (bench(&world.value_fold), bench(&world.report_fold));
    let write = |name: &str, records: &[Record]| {
        let lines: Vec<String> = records.iter().map(|r| Value::Object(r.clone()).to_string()).collect();
        let path = folder.path().join(name);
        fs::write(&path, lines.join("\n")).map_err(Failure::failed).map(|()| path)
    };
    read_files(&Settings {
        train: write("digits.jsonl", &train)?,
        valid: write("benchmark.jsonl", &valid)?,
        test: Some(write("report.jsonl", &test)?),
        ..settings.clone()
    })
}
