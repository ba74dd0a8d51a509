//! Which column plays which part: text, numbers, label, contributor, id, time.

use assay_kernels::Mat;
use assay_learn::data::Columns;
use rustc_hash::FxHashSet;

use super::error::{Fault, Place, RecordError};
use super::table::{Cells, Column, RecordTable, number_text};
use super::time::{Time, parse_iso8601};

/// The columns that the caller names; what is `None` takes its default when that column exists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnRoles {
    /// Column of text; by default `text`, unless `features` names columns.
    pub text: Option<String>,
    /// Numeric columns; by default all of them when there is no text.
    pub features: Option<FeatureChoice>,
    /// Column of answers; by default `label`.
    pub label: Option<String>,
    /// Column of contributors; by default `contributor`.
    pub by: Option<String>,
    /// Column of record ids; by default `id`.
    pub id: Option<String>,
    /// Column of times; by default `time`.
    pub time: Option<String>,
}

/// Which numeric columns to learn from.
#[derive(Clone, Debug, PartialEq)]
pub enum FeatureChoice {
    /// Every numeric column that has no other role.
    Auto,
    /// These columns.
    Columns(Vec<String>),
}

/// Roles as resolved against a file of training records.
#[derive(Clone, Debug, PartialEq)]
pub struct Roles {
    /// Column of text.
    pub text: Option<String>,
    /// Numeric columns, arrays counted once.
    pub numbers: Vec<String>,
    /// Column of answers.
    pub label: String,
    /// Column of contributors.
    pub by: Option<String>,
    /// Column of record ids.
    pub id: Option<String>,
    /// Column of times.
    pub time: Option<String>,
    /// Columns that nothing is learned from.
    pub unused: Vec<String>,
}

/// What a file's records say in each role, one entry a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Selected {
    /// What features are made from.
    pub columns: Columns,
    /// The answers.
    pub labels: Labels,
    /// Who sent each record; `None` when no column says.
    pub contributors: Option<Vec<String>>,
    /// Ids; `#n` with the line or row number when no column gives them.
    pub ids: Vec<String>,
    /// Where each record stands in its file.
    pub places: Vec<Place>,
    /// Rows in order of time, file order where times tie or are not given.
    pub order: Vec<usize>,
}

/// Answers as the file has them.
#[derive(Clone, Debug, PartialEq)]
pub enum Labels {
    /// Names of classes.
    Text(Vec<String>),
    /// Numbers, all finite: a quantity, or classes that are numbered.
    Number(Vec<f64>),
}

impl Labels {
    /// The answers as names: numbers in their shortest form, so that 3, 3.0 and "3" agree.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Text(names) => names.clone(),
            Self::Number(numbers) => numbers.iter().map(|&x| number_text(x)).collect(),
        }
    }
}

impl ColumnRoles {
    /// Resolves names and defaults against the training records.
    ///
    /// # Errors
    /// [`Fault::NoColumn`] for a named column that does not exist (the error lists those that do), and
    /// [`Fault::NoFeatures`] when there is nothing to learn from.
    pub fn resolve(&self, train: &RecordTable) -> Result<Roles, RecordError> {
        let named = |name: &Option<String>, default: &str| match name {
            Some(name) => column(train, name).map(|c| Some(c.name.clone())),
            None => Ok(train.column(default).map(|c| c.name.clone())),
        };
        let label = named(&self.label, "label")?;
        let label =
            label.ok_or_else(|| Fault::NoColumn(train.names()).in_file(&train.file).field("label"))?;
        let (by, id, time) =
            (named(&self.by, "contributor")?, named(&self.id, "id")?, named(&self.time, "time")?);
        let text =
            if self.text.is_none() && self.features.is_some() { None } else { named(&self.text, "text")? };
        let mut taken: Vec<&str> =
            [&text, &by, &id, &time].into_iter().flatten().map(String::as_str).collect();
        taken.push(&label);
        let numbers = match &self.features {
            Some(FeatureChoice::Columns(names)) => {
                for name in names {
                    column(train, name)?;
                }
                names.clone()
            }
            None if text.is_some() => Vec::new(),
            Some(FeatureChoice::Auto) | None => train
                .columns
                .iter()
                .filter(|c| numeric(c) && !taken.contains(&c.name.as_str()))
                .map(|c| c.name.clone())
                .collect(),
        };
        if text.is_none() && numbers.is_empty() {
            return Err(Fault::NoFeatures(train.names()).in_file(&train.file));
        }
        let unused = train
            .names()
            .into_iter()
            .filter(|n| !taken.contains(&n.as_str()) && !numbers.contains(n))
            .collect();
        Ok(Roles { text, numbers, label, by, id, time, unused })
    }
}

/// Numbers, but not the index column that pandas leaves behind.
fn numeric(column: &Column) -> bool {
    !matches!(column.cells, Cells::Text(_)) && !column.name.starts_with("__index_level_")
}

impl Roles {
    /// Takes the records of a file apart by role. Files of held-out rows need the features and the label; the
    /// other columns are used where they exist.
    ///
    /// # Errors
    /// The first record, by column and then by row, that lacks what its role needs, with its place.
    pub fn select(&self, table: &RecordTable) -> Result<Selected, RecordError> {
        let text = self.text.as_ref().map(|name| texts(table, column(table, name)?)).transpose()?;
        let (number_names, numbers) = self.numbers(table)?;
        let optional = |name: &Option<String>| name.as_ref().and_then(|n| table.column(n));
        let labels = column(table, &self.label)?;
        Ok(Selected {
            columns: Columns { rows: table.rows(), text, number_names, numbers },
            labels: answers(table, labels)?,
            contributors: optional(&self.by).map(|c| texts(table, c)).transpose()?,
            ids: ids(table, optional(&self.id))?,
            places: table.places.clone(),
            order: order(table, optional(&self.time))?,
        })
    }

    /// The numeric columns side by side; arrays become `name[0]`, `name[1]`, ...
    fn numbers(&self, table: &RecordTable) -> Result<(Vec<String>, Option<Mat<f64>>), RecordError> {
        let columns = self.numbers.iter().map(|name| column(table, name)).collect::<Result<Vec<_>, _>>()?;
        let mut names = Vec::new();
        for column in &columns {
            match &column.cells {
                Cells::Vector { width, .. } => {
                    names.extend((0..*width).map(|k| format!("{}[{k}]", column.name)))
                }
                _ => names.push(column.name.clone()),
            }
        }
        let mut out = Mat::zeros(table.rows(), names.len());
        let mut at = 0;
        for column in columns {
            let (width, values) = column.numbers(table)?;
            for row in 0..table.rows() {
                let source = &values[row * width..(row + 1) * width];
                if source.iter().any(|x| !x.is_finite()) {
                    return Err(blame(table, row, column, Fault::NotFinite));
                }
                out.row_mut(row)[at..at + width].copy_from_slice(source);
            }
            at += width;
        }
        let some = !names.is_empty();
        Ok((names, some.then_some(out)))
    }
}

impl Column {
    /// Width and values of a numeric column; the first text in it is an error.
    fn numbers<'c>(&'c self, table: &RecordTable) -> Result<(usize, &'c [f64]), RecordError> {
        match &self.cells {
            Cells::Number(values) => Ok((1, values)),
            Cells::Vector { width, values } => Ok((*width, values)),
            Cells::Text(strings) => {
                let is_text = |text: &str| text.trim_ascii().parse::<f64>().is_err();
                let at = strings.iter().position(|t| t.is_some_and(is_text)).unwrap_or_default();
                let found = strings.get(at).map(|t| t.chars().take(40).collect()).unwrap_or_default();
                Err(blame(table, at, self, Fault::NotANumber(found)))
            }
        }
    }

    /// What record `row` says here, as text; `None` where it says nothing.
    fn text(&self, row: usize) -> Option<std::borrow::Cow<'_, str>> {
        match &self.cells {
            Cells::Text(strings) => strings.get(row).map(Into::into),
            Cells::Number(numbers) => numbers[row].is_finite().then(|| number_text(numbers[row]).into()),
            Cells::Vector { .. } => None,
        }
    }
}

fn column<'t>(table: &'t RecordTable, name: &str) -> Result<&'t Column, RecordError> {
    table.column(name).ok_or_else(|| Fault::NoColumn(table.names()).in_file(&table.file).field(name))
}

fn blame(table: &RecordTable, row: usize, column: &Column, fault: Fault) -> RecordError {
    fault.at(&table.file, table.place(row)).field(&column.name)
}

/// A column in which every record says something.
fn texts(table: &RecordTable, column: &Column) -> Result<Vec<String>, RecordError> {
    let text = |row| match column.text(row) {
        Some(text) if !text.trim().is_empty() => Ok(text.into_owned()),
        _ => Err(blame(table, row, column, Fault::Missing)),
    };
    (0..table.rows()).map(text).collect()
}

fn answers(table: &RecordTable, column: &Column) -> Result<Labels, RecordError> {
    match &column.cells {
        Cells::Number(numbers) => match numbers.iter().position(|x| !x.is_finite()) {
            Some(row) => Err(blame(table, row, column, Fault::NotFinite)),
            None => Ok(Labels::Number(numbers.clone())),
        },
        _ => texts(table, column).map(Labels::Text),
    }
}

fn ids(table: &RecordTable, column: Option<&Column>) -> Result<Vec<String>, RecordError> {
    let Some(column) = column else {
        return Ok(table.places.iter().map(|p| format!("#{}", p.number())).collect());
    };
    let ids = texts(table, column)?;
    let mut seen = FxHashSet::default();
    match ids.iter().position(|id| !seen.insert(id)) {
        Some(row) => Err(blame(table, row, column, Fault::RepeatedId(ids[row].clone()))),
        None => Ok(ids),
    }
}

fn order(table: &RecordTable, column: Option<&Column>) -> Result<Vec<usize>, RecordError> {
    let mut order: Vec<usize> = (0..table.rows()).collect();
    if let Some(column) = column {
        let times = (0..table.rows()).map(|row| time(table, column, row)).collect::<Result<Vec<_>, _>>()?;
        order.sort_by(|&a, &b| times[a].order(&times[b])); // stable: ties keep the order of the file
    }
    Ok(order)
}

/// A column of numbers is read as numbers, any other as ISO 8601 throughout.
fn time(table: &RecordTable, column: &Column, row: usize) -> Result<Time, RecordError> {
    if let Cells::Number(numbers) = &column.cells {
        let x = numbers[row];
        return if x.is_finite() {
            Ok(Time::Number(x))
        } else {
            Err(blame(table, row, column, Fault::NotFinite))
        };
    }
    let text = column.text(row).ok_or_else(|| blame(table, row, column, Fault::Missing))?;
    let not_a_time = || blame(table, row, column, Fault::NotATime(text.chars().take(40).collect()));
    // Integers beyond 2^53 (nanoseconds) come as text.
    let integer = text.trim_ascii().parse::<i128>().ok();
    parse_iso8601(&text).or(integer).map(Time::Calendar).ok_or_else(not_a_time)
}
