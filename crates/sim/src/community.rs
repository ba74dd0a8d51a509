//! A community of contributors whose behaviour is known, made of real images.
//!
//! The truth (who behaves how) is for the reader of a demonstration only: the pipeline never sees it.

use std::fmt;

use crate::SimError;
use crate::digits::{self, CLASSES, Digit, PIXELS};
use crate::draw::Draw;

/// What a contributor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Behaviour {
    /// Own images, right labels.
    Honest,
    /// Own images, one actor behind five names.
    Sybil,
    /// Own images, four labels in ten drawn at random.
    Noisy,
    /// Own images, every label wrong by one fixed rule.
    Flipper,
    /// Own images, labels drawn at random.
    Random,
    /// Blank or noisy images, labels drawn at random.
    Filler,
    /// Images that others sent before, as they are.
    Copier,
    /// Images that others sent before, a few pixels changed.
    NearCopier,
    /// Images of the sealed benchmark, with the right labels.
    Leaker,
}

impl Behaviour {
    /// Every behaviour, honest ones first.
    pub const ALL: [Self; 9] = [
        Self::Honest,
        Self::Sybil,
        Self::Noisy,
        Self::Random,
        Self::Flipper,
        Self::Filler,
        Self::Copier,
        Self::NearCopier,
        Self::Leaker,
    ];

    /// True when the records are one's own and mean what they say.
    pub fn is_honest(self) -> bool {
        matches!(self, Self::Honest | Self::Sybil)
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Honest => "honest",
            Self::Sybil => "honest, one of five names",
            Self::Noisy => "40% random labels",
            Self::Flipper => "every label wrong",
            Self::Random => "random labels",
            Self::Filler => "filler",
            Self::Copier => "exact copier",
            Self::NearCopier => "near copier",
            Self::Leaker => "benchmark leaker",
        })
    }
}

/// One identity and what it sends.
#[derive(Clone, Debug)]
pub struct Member {
    /// Name, which tells nothing.
    pub name: String,
    /// The truth.
    pub behaviour: Behaviour,
    /// Its records, in order.
    pub records: Vec<Digit>,
}

/// A community, its sealed benchmark, and the questions of its consumers. No image is in two of these but by
/// the doing of copiers and leakers.
#[derive(Clone, Debug)]
pub struct Community {
    /// Contributors in the order in which they send; those who copy come after those they copy from.
    pub members: Vec<Member>,
    /// Fold of the benchmark that measures value.
    pub value_fold: Vec<Digit>,
    /// Fold of the benchmark that reports scores.
    pub report_fold: Vec<Digit>,
    /// What consumers ask about; the labels are the truth that nobody sees.
    pub questions: Vec<Digit>,
}

/// The rules of a datanet of digits.
const CHARTER: &str = r#"schema = "assay.charter/1"
datanet = "digits"
title = "Handwritten digits, 8 x 8 pixels: which digit is it?"

[task]
kind = "classification"
features = [FEATURES]
label = "label"
classes = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]

[split]
contributors = 700000
reviewers = 50000
trainer = 100000
platform = 150000

[query]
price = "50000"

[bond]
per_record = "1000"
"#;

/// Rows in each fold of the benchmark.
const FOLD: usize = 300;
/// Questions asked.
const QUESTIONS: usize = 200;
/// Who owns images, and how many.
const OWNERS: &[(Behaviour, &[usize])] = &[
    (Behaviour::Honest, &[200, 150, 100, 60, 40, 20]),
    (Behaviour::Sybil, &[25, 25, 25, 25, 25]),
    (Behaviour::Noisy, &[120]),
    (Behaviour::Flipper, &[70]),
    (Behaviour::Random, &[70]),
];
/// Who owns nothing, and how much they send.
const TAKERS: &[(Behaviour, usize)] =
    &[(Behaviour::Filler, 60), (Behaviour::Copier, 80), (Behaviour::NearCopier, 80), (Behaviour::Leaker, 50)];

impl Community {
    /// Deals the bundled digits out by `seed`.
    pub fn of_digits(seed: u64) -> Result<Self, SimError> {
        let mut draw = Draw::new(seed);
        let mut images = digits::load()?;
        draw.shuffle(&mut images);
        let mut images = images.into_iter();
        let mut take = |n: usize| images.by_ref().take(n).collect::<Vec<_>>();
        let (value_fold, report_fold, questions) = (take(FOLD), take(FOLD), take(QUESTIONS));

        let mut owners = Vec::new();
        for &(behaviour, sizes) in OWNERS {
            for &size in sizes {
                owners.push((behaviour, spoil(behaviour, take(size), &mut draw)));
            }
        }
        draw.shuffle(&mut owners);
        let sent: Vec<Digit> = owners.iter().flat_map(|(_, records)| records).cloned().collect();
        let mut takers = Vec::new();
        for &(behaviour, size) in TAKERS {
            let from = if behaviour == Behaviour::Leaker { &value_fold } else { &sent };
            takers.push((behaviour, fetch(behaviour, from, size, &mut draw)));
        }
        draw.shuffle(&mut takers);
        let name = |(i, (behaviour, records))| Member { name: format!("c{:02}", i + 1), behaviour, records };
        let members = owners.into_iter().chain(takers).enumerate().map(name).collect();
        Ok(Self { members, value_fold, report_fold, questions })
    }

    /// The charter of its datanet, TOML.
    pub fn charter() -> String {
        let names: Vec<String> = Digit::columns().iter().map(|c| format!("\"{c}\"")).collect();
        CHARTER.replace("FEATURES", &names.join(", "))
    }
}

/// What an owner makes of its images.
fn spoil(behaviour: Behaviour, mut records: Vec<Digit>, draw: &mut Draw) -> Vec<Digit> {
    for record in &mut records {
        record.label = match behaviour {
            Behaviour::Noisy if draw.chance(400) => draw.below(CLASSES) as u8,
            Behaviour::Random => draw.below(CLASSES) as u8,
            Behaviour::Flipper => (record.label + 3) % CLASSES as u8,
            _ => record.label,
        };
    }
    records
}

/// What a taker sends, out of what is there.
fn fetch(behaviour: Behaviour, from: &[Digit], size: usize, draw: &mut Draw) -> Vec<Digit> {
    let mut order: Vec<usize> = (0..from.len()).collect();
    draw.shuffle(&mut order);
    order.into_iter().take(size).map(|i| alter(behaviour, from[i].clone(), draw)).collect()
}

fn alter(behaviour: Behaviour, mut record: Digit, draw: &mut Draw) -> Digit {
    match behaviour {
        Behaviour::Filler => {
            let level = draw.below(4) as u8;
            record.pixels = std::array::from_fn(|_| level + draw.below(3) as u8);
            record.label = draw.below(CLASSES) as u8;
        }
        Behaviour::NearCopier => {
            for _ in 0..4 {
                let pixel = &mut record.pixels[draw.below(PIXELS)];
                *pixel = if *pixel >= 8 { *pixel - 1 } else { *pixel + 1 };
            }
        }
        _ => {}
    }
    record
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_seed_names_a_world() {
        let (a, b) = (Community::of_digits(7).unwrap(), Community::of_digits(7).unwrap());
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
        assert_ne!(format!("{a:?}"), format!("{:?}", Community::of_digits(8).unwrap()));
    }

    #[test]
    fn everyone_does_what_is_said_of_them() {
        let world = Community::of_digits(1).unwrap();
        let truth = digits::load().unwrap();
        let shown = |r: &Digit| truth.iter().find(|d| d.pixels == r.pixels).map(|d| d.label);
        for member in &world.members {
            let right = member.records.iter().filter(|r| shown(r) == Some(r.label)).count();
            let known = member.records.iter().filter(|r| shown(r).is_some()).count();
            let all = member.records.len();
            let holds = match member.behaviour {
                Behaviour::Honest | Behaviour::Sybil | Behaviour::Leaker => right == all,
                Behaviour::Noisy => (all / 2..all * 3 / 4).contains(&right) && known == all,
                Behaviour::Flipper => right == 0 && known == all,
                Behaviour::Random => right < all / 4 && known == all,
                Behaviour::Copier => known == all,
                Behaviour::Filler | Behaviour::NearCopier => known == 0,
            };
            assert!(
                holds,
                "{} ({}): {right} right and {known} known of {all}",
                member.name, member.behaviour
            );
        }
        let leaked = |r: &Digit| world.value_fold.contains(r);
        assert!(
            world.members.iter().all(|m| m.records.iter().all(leaked) == (m.behaviour == Behaviour::Leaker))
        );
    }
}
