//! The community without the attacker, what he owns, and the community with what he sends.

use assay_kernels::Mat;
use assay_learn::crossval::shuffled;
use assay_learn::data::Columns;
use assay_node::records::Place;
use assay_sim::attack::{Origin, Record, Sent, World};

use super::Settings;
use crate::appraise::contribute::{Community, Part, groups};
use crate::output::Failure;

/// Names that records are dealt to when no column says who sent them.
const DEALT_TO: usize = 20;
/// The attacker's records at least: fewer can prove nothing.
const OWNED_LEAST: usize = 4;

/// Who is who.
pub(super) struct Cast {
    /// As read; its TRAIN holds the attacker's own records too.
    pub(super) community: Community,
    /// Name of the sender of each row of TRAIN.
    senders: Vec<String>,
    /// Place of each row of TRAIN in the order of arrival.
    arrival: Vec<usize>,
    /// Rows of TRAIN of others, and the attacker's.
    other_rows: Vec<usize>,
    own_rows: Vec<usize>,
    others: Vec<Record>,
    own: Vec<Record>,
    benchmark: Vec<Record>,
    classes: Vec<String>,
    /// What the attacker's names begin with: nobody else's do.
    alias: String,
}

/// Where a row of an arm's TRAIN is from.
#[derive(Clone, Copy)]
enum From<'a> {
    Other(usize),
    Attacker(&'a Sent),
}

impl Cast {
    /// Draws the attacker's records from all.
    pub(super) fn of(community: Community, settings: &Settings) -> Result<Self, Failure> {
        let seed = settings.appraise.seed;
        let all = community.train.labels.len();
        let mut rows = shuffled(all, seed, settings.rows.unwrap_or(all));
        let owned = (rows.len() as u64 * u64::from(settings.share_ppm)).div_ceil(1_000_000) as usize;
        if owned < OWNED_LEAST || rows.len() < 3 * OWNED_LEAST {
            return Err(Failure::refused(format!(
                "{}: the attacker would own {owned} of {} records, too few to be paid for",
                community.train.file,
                rows.len()
            ))
            .hint("give more records, or a larger --share"));
        }
        let mut other_rows = rows.split_off(owned);
        other_rows.sort_unstable();
        let mut arrival = vec![0; all];
        community.order.iter().enumerate().for_each(|(place, &row)| arrival[row] = place);
        rows.sort_by_key(|&row| arrival[row]);
        let senders = senders(&community, seed);
        let mut alias = "attacker".to_owned();
        while senders.iter().any(|name| name.starts_with(&alias)) {
            alias.push('_');
        }
        let train = records(&community.train);
        let take = |rows: &[usize]| rows.iter().map(|&row| train[row].clone()).collect();
        Ok(Self {
            others: take(&other_rows),
            own: take(&rows),
            benchmark: records(&community.valid),
            classes: community.classes.as_ref().map(|c| c.classes().to_vec()).unwrap_or_default(),
            community,
            senders,
            arrival,
            other_rows,
            own_rows: rows,
            alias,
        })
    }

    /// What the attacker sees.
    pub(super) fn world(&self) -> World<'_> {
        World { own: &self.own, others: &self.others, benchmark: &self.benchmark, classes: &self.classes }
    }

    /// The community with these records of the attacker; rows of others come first, in the order of the file. What he
    /// made of his own records arrives when they did, all else last.
    pub(super) fn with(&self, sent: &[Sent]) -> Community {
        let from: Vec<From<'_>> = self
            .other_rows
            .iter()
            .map(|&row| From::Other(row))
            .chain(sent.iter().map(From::Attacker))
            .collect();
        let arrival = |at: &usize| match from[*at] {
            From::Other(row) => (self.arrival[row], *at),
            From::Attacker(Sent { origin: Origin::Own(i), .. }) => (self.arrival[self.own_rows[*i]], *at),
            From::Attacker(_) => (usize::MAX, *at),
        };
        let mut order: Vec<usize> = (0..from.len()).collect();
        order.sort_by_key(arrival);
        let name = |from: &From<'_>| match from {
            From::Other(row) => self.senders[*row].clone(),
            From::Attacker(sent) => format!("{}-{}", self.alias, sent.name + 1),
        };
        let (contributors, sent_by) = groups(from.iter().map(name).collect());
        Community {
            train: self.part(&from),
            contributors,
            sent_by,
            order,
            warnings: Vec::new(),
            ..self.community.clone()
        }
    }

    fn part(&self, from: &[From<'_>]) -> Part {
        let train = &self.community.train;
        let other = |at: usize| (at < self.other_rows.len()).then(|| self.other_rows[at]);
        let record = |at: usize| match from[at] {
            From::Other(_) => &self.others[at],
            From::Attacker(sent) => &sent.record,
        };
        let id = |at: usize| {
            other(at).map_or_else(|| format!("{}:{at}", self.alias), |row| train.ids[row].clone())
        };
        let place = |at: usize| other(at).map_or(Place::Row(at as u64 + 1), |row| train.places[row]);
        let mut input = train.input.clone();
        input.rows = from.len() as u64;
        Part {
            input,
            file: train.file.clone(),
            columns: columns(&train.columns, &(0..from.len()).map(record).collect::<Vec<_>>()),
            labels: (0..from.len()).map(|at| record(at).label.clone()).collect(),
            ids: (0..from.len()).map(id).collect(),
            places: (0..from.len()).map(place).collect(),
        }
    }

    /// True for a name that is the attacker's.
    pub(super) fn is_attacker(&self, name: &str) -> bool {
        name.starts_with(&self.alias)
    }

    /// Sender of a record of others.
    pub(super) fn sender(&self, other: usize) -> &str {
        &self.senders[self.other_rows[other]]
    }

    /// Records of others.
    pub(super) fn others(&self) -> usize {
        self.other_rows.len()
    }

    /// Rows like those of TRAIN.
    pub(super) fn columns(&self, records: &[&Record]) -> Columns {
        columns(&self.community.train.columns, records)
    }
}

fn senders(community: &Community, seed: u64) -> Vec<String> {
    if community.roles.by.is_some() {
        return community.sent_by.iter().map(|&c| community.contributors[c as usize].clone()).collect();
    }
    let mut out = vec![String::new(); community.sent_by.len()];
    let dealt = shuffled(out.len(), seed.wrapping_add(1), out.len());
    dealt.into_iter().enumerate().for_each(|(i, row)| out[row] = format!("c{:02}", i % DEALT_TO + 1));
    out
}

/// What a file says, record by record.
pub(super) fn records(part: &Part) -> Vec<Record> {
    let record = |row: usize| Record {
        text: part.columns.text.as_ref().map(|texts| texts[row].clone()),
        numbers: part.columns.numbers.as_ref().map_or_else(Vec::new, |m| m.row(row).to_vec()),
        label: part.labels[row].clone(),
    };
    (0..part.labels.len()).map(record).collect()
}

fn columns(like: &Columns, records: &[&Record]) -> Columns {
    let text = |_| records.iter().map(|r| r.text.clone().unwrap_or_default()).collect();
    let numbers = |m: &Mat<f64>| {
        let data = records.iter().flat_map(|r| r.numbers.iter().copied()).collect();
        Mat::from_vec(records.len(), m.cols(), data)
    };
    Columns {
        rows: records.len(),
        text: like.text.as_ref().map(text),
        number_names: like.number_names.clone(),
        numbers: like.numbers.as_ref().and_then(numbers),
    }
}
