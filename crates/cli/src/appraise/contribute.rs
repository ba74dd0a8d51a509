//! Stage contribute: record files become typed tables, or a refusal that names file, line and field.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use assay_api::v1::appraisal::{Input, Task, Warning};
use assay_learn::data::{Columns, Task as LearnTask};
use assay_learn::features::{LabelEncoder, LabelError, NumberLabel, infer_task};
use assay_node::records::{Place, RecordTable, Roles, read_file};
use assay_web::text::plural;
use sha2::{Digest, Sha256};

use super::Settings;
use crate::output::Failure;

/// Places named in a warning at most.
const EXAMPLES: usize = 5;
/// Fewer rows than this measure too coarsely to say nothing about it.
const FEW_VALID_ROWS: usize = 100;

/// One file, taken apart by role. All lists have one entry a record.
#[derive(Clone)]
pub(crate) struct Part {
    pub(crate) input: Input,
    /// The file as the user named it.
    pub(crate) file: String,
    pub(crate) columns: Columns,
    /// Labels as names.
    pub(crate) labels: Vec<String>,
    pub(crate) ids: Vec<String>,
    pub(crate) places: Vec<Place>,
}

/// Everything that was read, checked against each other.
#[derive(Clone)]
pub(crate) struct Community {
    pub(crate) roles: Roles,
    /// What the labels of TRAIN are; `None` when a number is predicted.
    pub(crate) classes: Option<LabelEncoder>,
    pub(crate) train: Part,
    pub(crate) valid: Part,
    pub(crate) test: Option<Part>,
    /// Names of contributors, ascending.
    pub(crate) contributors: Vec<String>,
    /// Contributor of each record of TRAIN, a place in `contributors`.
    pub(crate) sent_by: Vec<u32>,
    /// Rows of TRAIN, first comer first.
    pub(crate) order: Vec<usize>,
    pub(crate) warnings: Vec<Warning>,
}

/// Reads and checks the files of `settings`.
pub(crate) fn read(settings: &Settings) -> Result<Community, Failure> {
    let table = read_file(&settings.train)?;
    let roles = settings.roles.resolve(&table)?;
    let selected = roles.select(&table)?;
    let numeric_labels = matches!(selected.labels, assay_node::records::Labels::Number(_));
    let (order, senders) = (selected.order.clone(), selected.contributors.clone());
    let train = part(&settings.train, &table, selected)?;
    let valid = held_out(&settings.valid, &roles)?;
    let test = settings.test.as_deref().map(|path| held_out(path, &roles)).transpose()?;
    let classes = classes(settings.task, &train)?;
    for part in [Some(&train), Some(&valid), test.as_ref()].into_iter().flatten() {
        check_labels(classes.as_ref(), part)?;
    }
    if valid.input.rows < 2 {
        return Err(Failure::refused(format!(
            "{}: has {} record; intervals need two",
            valid.file, valid.input.rows
        ))
        .hint("give VALID at least a few hundred records"));
    }
    let mut warnings = Vec::new();
    if roles.by.is_none() {
        warnings.push(no_contributor(&train));
    }
    if let Some(classes) = &classes {
        warnings.extend(classes_not_measured(classes, &valid));
        if numeric_labels {
            warnings.push(numbered_classes(classes.count(), &roles.label));
        }
    }
    if valid.labels.len() < FEW_VALID_ROWS {
        warnings.push(few_valid_rows(&valid));
    }
    let senders = senders.unwrap_or_else(|| vec!["all".to_owned(); train.labels.len()]);
    let (contributors, sent_by) = groups(senders);
    Ok(Community { roles, classes, train, valid, test, contributors, sent_by, order, warnings })
}

fn held_out(path: &Path, roles: &Roles) -> Result<Part, Failure> {
    let table = read_file(path)?;
    let selected = roles.select(&table)?;
    part(path, &table, selected)
}

fn part(path: &Path, table: &RecordTable, selected: assay_node::records::Selected) -> Result<Part, Failure> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(Part {
        input: Input { name, rows: table.rows() as u64, sha256: sha256(path)? },
        file: table.file().to_owned(),
        columns: selected.columns,
        labels: selected.labels.names(),
        ids: selected.ids,
        places: selected.places,
    })
}

fn sha256(path: &Path) -> Result<String, Failure> {
    let failed = |e| Failure::failed(format!("{}: {e}", path.display()));
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(hex::encode(hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// The classes of TRAIN; `None` for a regression.
fn classes(task: Option<Task>, train: &Part) -> Result<Option<LabelEncoder>, Failure> {
    let task = task.unwrap_or_else(|| match infer_task(&train.labels) {
        LearnTask::Classification => Task::Classification,
        LearnTask::Regression => Task::Regression,
    });
    match task {
        Task::Regression => Ok(None),
        Task::Classification => LabelEncoder::fit(&train.labels).map(Some).map_err(|e| train.label_error(&e)),
    }
}

/// Refuses labels that no model of TRAIN can answer.
fn check_labels(classes: Option<&LabelEncoder>, part: &Part) -> Result<(), Failure> {
    let Some(classes) = classes else {
        return match NumberLabel::fit(&part.labels) {
            // Held-out numbers may all be equal; those of TRAIN are looked at again after the gates.
            Ok(_) | Err(LabelError::Constant) => Ok(()),
            Err(error) => Err(part.label_error(&error)),
        };
    };
    let unknown: Vec<usize> =
        (0..part.labels.len()).filter(|&row| classes.class(&part.labels[row]).is_none()).collect();
    let Some(&first) = unknown.first() else { return Ok(()) };
    let others = match unknown.len() - 1 {
        0 => String::new(),
        n => format!(", nor those of {}", plural(n as u64, "other record")),
    };
    Err(Failure::refused(format!(
        "{}: no record of TRAIN has the label {:?}{others}",
        part.place(first),
        part.labels[first]
    ))
    .hint("drop the record, correct the label, or add records with it to TRAIN"))
}

impl Part {
    /// `file.jsonl, line 17`.
    pub(crate) fn place(&self, row: usize) -> String {
        format!("{}, {}", self.file, self.places[row])
    }

    /// `file.jsonl:17` of the first few of `rows`, without folders.
    pub(crate) fn examples(&self, rows: &[usize]) -> Vec<String> {
        let place = |&row: &usize| format!("{}:{}", self.input.name, self.places[row].number());
        rows.iter().take(EXAMPLES).map(place).collect()
    }

    /// A label error with file and line instead of a row.
    pub(crate) fn label_error(&self, error: &LabelError) -> Failure {
        match error {
            LabelError::NotANumber { row, label } => {
                Failure::refused(format!("{}: the label {label:?} is not a finite number", self.place(*row)))
                    .hint("correct it, drop the record, or use --task classification")
            }
            LabelError::OneClass { label } => {
                Failure::refused(format!("{}: every record has the label {label:?}", self.file))
                    .hint("give records of at least two classes; is --label the right column?")
            }
            LabelError::Constant => {
                Failure::refused(format!("{}: all labels are the same number", self.file))
                    .hint("there is nothing to predict; is --label the right column?")
            }
            error => Failure::refused(format!("{}: {error}", self.file)),
        }
    }
}

/// Distinct names in ascending order, and the place of each entry among them.
pub(crate) fn groups(names: Vec<String>) -> (Vec<String>, Vec<u32>) {
    let mut index: BTreeMap<&str, u32> = names.iter().map(|n| (n.as_str(), 0)).collect();
    index.values_mut().zip(0..).for_each(|(at, n)| *at = n);
    let of = names.iter().map(|n| index[n.as_str()]).collect();
    (index.into_keys().map(str::to_owned).collect(), of)
}

fn no_contributor(train: &Part) -> Warning {
    Warning {
        code: "no_contributor".to_owned(),
        count: train.input.rows,
        message: "No column says who sent a record, so all records count as one contributor, all.".to_owned(),
        examples: Vec::new(),
        advice: "Name the column with --by.".to_owned(),
    }
}

fn numbered_classes(count: usize, label: &str) -> Warning {
    Warning {
        code: "numbered_classes".to_owned(),
        count: count as u64,
        message: format!("The labels in {label:?} are numbers and are taken as {count} classes."),
        examples: Vec::new(),
        advice: "If they are a quantity, use --task regression.".to_owned(),
    }
}

fn few_valid_rows(valid: &Part) -> Warning {
    Warning {
        code: "few_valid_rows".to_owned(),
        count: valid.input.rows,
        message: "VALID has so few records that intervals are wide and rough.".to_owned(),
        examples: Vec::new(),
        advice: "Give VALID a few hundred records or more.".to_owned(),
    }
}

/// Classes of TRAIN that no record of VALID has.
fn classes_not_measured(classes: &LabelEncoder, valid: &Part) -> Option<Warning> {
    let mut seen = vec![false; classes.count()];
    valid.labels.iter().filter_map(|l| classes.class(l)).for_each(|c| seen[c as usize] = true);
    let unseen: Vec<String> =
        classes.classes().iter().zip(&seen).filter(|(_, seen)| !**seen).map(|(c, _)| c.clone()).collect();
    (!unseen.is_empty()).then(|| Warning {
        code: "class_not_in_valid".to_owned(),
        count: unseen.len() as u64,
        message:
            "Classes of TRAIN without a record in VALID: what their records teach of them is not measured."
                .to_owned(),
        examples: unseen.into_iter().take(EXAMPLES).collect(),
        advice: "Add records of these classes to VALID.".to_owned(),
    })
}
