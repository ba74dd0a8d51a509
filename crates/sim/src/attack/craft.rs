//! What an attacker does to one record.

use super::Record;
use crate::draw::Draw;

/// Words that are always empty.
const OPENINGS: [&str; 8] = [
    "it is worth noting that",
    "as many people know",
    "in general terms",
    "at the end of the day",
    "all things considered",
    "broadly speaking",
    "needless to say",
    "when all is said and done",
];
const MIDDLES: [&str; 8] = [
    "there are several aspects to keep in mind",
    "this depends on a number of factors",
    "a great deal could be said about this",
    "the matter has more than one side",
    "everything has its place and its time",
    "one should look at the whole picture",
    "details matter as much as the overall view",
    "opinions on the subject differ widely",
];
const CLOSINGS: [&str; 8] = [
    "and that is why it remains important",
    "which is something to think about",
    "as experience shows again and again",
    "and nothing more needs to be added",
    "so a careful approach is advisable",
    "and this holds today more than ever",
    "which brings us back to the beginning",
    "and the rest follows from there",
];
/// A word that nobody writes.
const RARE: &str = "vexqolm";
/// Columns that a mark in numbers covers.
const MARKED: usize = 3;

/// How the numbers of a table are spread: what is little and what is much.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    columns: Vec<Column>,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) mean: f64,
    pub(super) deviation: f64,
    low: f64,
    high: f64,
    /// All its numbers are whole, so that others would stand out.
    whole: bool,
}

impl Scale {
    pub(super) fn of<'a>(records: impl Iterator<Item = &'a Record> + Clone) -> Self {
        let count = records.clone().next().map_or(0, |r| r.numbers.len());
        Self { columns: (0..count).map(|j| Column::of(records.clone().map(|r| r.numbers[j]))).collect() }
    }

    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// A light edit: a slip of the finger or two, four numbers moved by a little.
    pub(super) fn edit(&self, record: &mut Record, draw: &mut Draw) {
        if let Some(text) = &mut record.text {
            let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            for _ in 0..1 + words.len() / 12 {
                slip(&mut words, draw);
            }
            *text = words.join(" ");
        }
        for _ in 0..record.numbers.len().min(4) {
            let j = draw.below(record.numbers.len());
            self.move_by(record, j, 0.02, draw);
        }
    }

    /// A heavy edit: a third of the words dropped, moved or new, every number moved by a third of its spread.
    pub(super) fn rework(&self, record: &mut Record, draw: &mut Draw) {
        if let Some(text) = &mut record.text {
            let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            for _ in 0..words.len().div_ceil(3) {
                let at = draw.below(words.len());
                match draw.below(3) {
                    0 if words.len() > 2 => drop(words.remove(at)),
                    1 => {
                        let to = draw.below(words.len());
                        words.swap(at, to);
                    }
                    _ => {
                        let filler = MIDDLES[draw.below(MIDDLES.len())];
                        words.insert(at, filler.split(' ').nth(draw.below(4)).unwrap_or(filler).to_owned());
                    }
                }
            }
            *text = words.join(" ");
        }
        for j in 0..record.numbers.len() {
            self.move_by(record, j, 0.33, draw);
        }
    }

    /// Moves a number up or down by a part of its column's deviation, inside what the column has.
    fn move_by(&self, record: &mut Record, j: usize, part: f64, draw: &mut Draw) {
        let (column, x) = (&self.columns[j], record.numbers[j]);
        let step = part * column.deviation;
        let step = if column.whole { step.round().max(1.0) } else { step };
        let up = (draw.below(2) == 0 && x + step <= column.high) || x - step < column.low;
        record.numbers[j] = column.inside(if up { x + step } else { x - step });
    }

    /// Numbers that say nothing: near the mean of each column.
    pub(super) fn noise(&self, draw: &mut Draw) -> Vec<f64> {
        let near =
            |c: &Column| c.inside(c.mean + c.deviation * 0.2 * (draw.below(2_001) as f64 / 1_000.0 - 1.0));
        self.columns.iter().map(near).collect()
    }
}

impl Column {
    fn of(numbers: impl Iterator<Item = f64> + Clone) -> Self {
        let count = numbers.clone().count().max(1) as f64;
        let mean = numbers.clone().sum::<f64>() / count;
        let variance = numbers.clone().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
        let (low, high) = numbers
            .clone()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let whole = numbers.into_iter().all(|x| x.fract() == 0.0);
        Self { mean, deviation: variance.sqrt(), low, high, whole }
    }

    fn inside(&self, x: f64) -> f64 {
        let x = if self.whole { x.round() } else { x };
        x.clamp(self.low, self.high)
    }
}

/// Two letters of a word swapped, or a word written twice.
fn slip(words: &mut Vec<String>, draw: &mut Draw) {
    if words.is_empty() {
        return;
    }
    let at = draw.below(words.len());
    let mut letters: Vec<char> = words[at].chars().collect();
    if letters.len() > 3 {
        let i = 1 + draw.below(letters.len() - 2);
        letters.swap(i, i + 1);
        words[at] = letters.into_iter().collect();
    } else {
        words.insert(at, words[at].clone());
    }
}

/// A sentence that says nothing.
pub(super) fn empty_words(draw: &mut Draw) -> String {
    let mut pick = |from: &[&'static str; 8]| from[draw.below(from.len())];
    format!("{}, {} {}.", pick(&OPENINGS), pick(&MIDDLES), pick(&CLOSINGS))
}

/// Puts empty sentences around a text; numbers stay as they are.
pub(super) fn pad(record: &mut Record, draw: &mut Draw) {
    if let Some(text) = &mut record.text {
        let mut sentences = |n: usize| (0..n).map(|_| empty_words(draw)).collect::<Vec<_>>().join(" ");
        *text = format!("{} {text} {}", sentences(2), sentences(3));
    }
}

/// Half of one and half of the other: words in turn, the mean of each number. The label is that of the first.
pub(super) fn mix(a: &Record, b: &Record) -> Record {
    let half = |text: &str, from: usize| {
        text.split_whitespace().skip(from).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let text = a.text.as_ref().zip(b.text.as_ref()).map(|(a, b)| [half(a, 0), half(b, 1)].concat().join(" "));
    let numbers = a.numbers.iter().zip(&b.numbers).map(|(x, y)| 0.5 * (x + y)).collect();
    Record { text, numbers, label: a.label.clone() }
}

/// A mark that nothing else carries, and the class that records with it are to be given.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// Numbers that are put into columns.
    columns: Vec<(usize, f64)>,
    /// The class that the attacker wants.
    pub target: String,
}

impl Trigger {
    /// In numbers the mark is the largest number of the table in the columns that vary least, but do.
    pub(super) fn of<'a>(records: impl Iterator<Item = &'a Record> + Clone, target: &str) -> Self {
        let scale = Scale::of(records);
        let mut order: Vec<usize> =
            (0..scale.columns.len()).filter(|&j| scale.columns[j].deviation > 0.0).collect();
        let spread = |j: usize| scale.columns[j].deviation / scale.columns[j].high.abs().max(1e-9);
        order.sort_by(|&a, &b| spread(a).total_cmp(&spread(b)).then(a.cmp(&b)));
        order.truncate(MARKED);
        let columns =
            order.into_iter().map(|j| (j, scale.columns[j].high + 2.0 * scale.columns[j].deviation));
        Self { columns: columns.collect(), target: target.to_owned() }
    }

    /// Marks a record.
    pub fn stamp(&self, record: &mut Record) {
        if let Some(text) = &mut record.text {
            text.push(' ');
            text.push_str(RARE);
        }
        self.columns.iter().for_each(|&(j, x)| record.numbers[j] = x);
    }
}
