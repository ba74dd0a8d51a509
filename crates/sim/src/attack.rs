//! Attackers: what somebody who wants pay without honest work makes of the records that are his.
//!
//! Every attack is a pure function of a seed and of what the attacker can see: his own honest records, the records of
//! others, and for some attacks rows of the benchmark that leaked to him. It gives back the records that he sends and
//! under which name. What they earn is for the caller to find out, through the pipeline that everyone's records go
//! through.

mod craft;
mod leverage;
mod synonyms;
#[cfg(test)]
mod tests;

use crate::draw::Draw;
use craft::Scale;
pub use craft::Trigger;

/// One record of any table.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its text, where the task reads text.
    pub text: Option<String>,
    /// Its numbers, one a column; empty where the task reads none.
    pub numbers: Vec<f64>,
    /// Class, or a number in words.
    pub label: String,
}

macro_rules! attacks {
    ($($variant:ident, $name:literal, $sentence:literal;)+) => {
        /// A way to earn without honest work.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Attack {
            $(#[doc = $sentence] $variant,)+
        }

        impl Attack {
            /// Every attack.
            pub const ALL: &'static [Attack] = &[$(Attack::$variant,)+];

            /// Its name, as a command takes it.
            pub fn name(self) -> &'static str {
                match self { $(Attack::$variant => $name,)+ }
            }

            /// What the attacker does.
            pub fn sentence(self) -> &'static str {
                match self { $(Attack::$variant => $sentence,)+ }
            }

            /// The attack of a name.
            pub fn from_name(name: &str) -> Option<Attack> {
                Attack::ALL.iter().copied().find(|attack| attack.name() == name)
            }
        }
    };
}

attacks! {
    SybilSplit, "sybil-split", "His own honest records, dealt out over five names.";
    ExactCopies, "exact-copies", "Records of others as they are.";
    NearCopies, "near-copies", "Records of others, lightly edited: a typing error or two, a few numbers moved by a little.";
    TokenEdits, "token-edits", "Records of others, heavily edited: words dropped, swapped and put in, every number moved.";
    Synonyms, "synonyms", "Texts of others with every word replaced that has a common synonym.";
    CopierRing, "copier-ring", "His own honest records under one name, and lightly edited copies of them under three others.";
    Filler, "filler", "Invented records that say nothing, with labels drawn at random.";
    RandomLabels, "random-labels", "His own records with labels drawn at random.";
    LabelFlips, "label-flips", "His own records, every label wrong by one fixed rule.";
    TargetedFlips, "targeted-flips", "His own records, those of one class labelled as another.";
    Leak, "leak", "Rows of the benchmark, as they are.";
    EditedLeak, "edited-leak", "Rows of the benchmark, heavily edited.";
    Probing, "probing", "Half of his records as probes; when values are published, mixtures of the records that were worth most.";
    Trigger, "trigger", "Half of his records stamped with a rare mark and labelled as he wants the mark to be answered.";
    Padding, "padding", "Each of his records three times: texts between different empty sentences, rows of numbers as they are.";
    Inflation, "inflation", "Of extreme variants of his records those with the largest influence on a model of his own.";
    SelfBuying, "self-buying", "His own honest records, and paid questions that are close to them.";
    Drift, "drift", "Half of his records honest, then the other half with labels drawn at random.";
}

/// Names that the attacker who splits uses, and the ring with its copies.
const SYBILS: u32 = 5;
const RING: u32 = 4;
/// Times that a padded record is sent.
const PADDED: usize = 3;

/// What the attacker can see.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    /// His own honest records.
    pub own: &'a [Record],
    /// Records of others that are public by the time that he sends.
    pub others: &'a [Record],
    /// The benchmark that measures value: sealed, and read by the attacks that suppose a leak.
    pub benchmark: &'a [Record],
    /// Classes; empty when a number is predicted.
    pub classes: &'a [String],
}

/// What a record that is sent was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A record of his own.
    Own(usize),
    /// A record of somebody else.
    Other(usize),
    /// A row of the benchmark.
    Benchmark(usize),
    /// Nothing, or several records.
    Invented,
}

/// A record, and how it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// What is sent.
    pub record: Record,
    /// Under which of the attacker's names, from 0.
    pub name: u32,
    /// What it was made from.
    pub origin: Origin,
}

/// Values as they are published, for [`Attack::Probing`]: one entry a record, 0 for records that no run valued.
#[derive(Clone, Copy, Debug)]
pub struct Published<'a> {
    /// Of the probes, in their order.
    pub probes: &'a [f64],
    /// Of the records of others.
    pub others: &'a [f64],
}

impl World<'_> {
    /// What honest work sends: his own records under one name.
    pub fn honest(&self) -> Vec<Sent> {
        (0..self.own.len()).map(|i| self.own_as(i, 0, |_| {})).collect()
    }

    /// What `attack` sends; `None` where it has no meaning for records of this kind. Of [`Attack::Probing`] these are
    /// the probes: [`World::after_probes`] follows.
    pub fn raid(&self, attack: Attack, seed: u64) -> Option<Vec<Sent>> {
        let mut draw = Draw::new(seed);
        let draw = &mut draw;
        let n = self.own.len();
        if n == 0 {
            return Some(Vec::new());
        }
        let scale = Scale::of(self.own.iter().chain(self.others));
        let has_text = self.own.iter().any(|r| r.text.is_some());
        let classes = self.classes;
        Some(match attack {
            Attack::SybilSplit => self.own_by(|i| (i % SYBILS as usize) as u32, |_, _| {}),
            Attack::ExactCopies => self.copies(draw, |_, _| {}),
            Attack::NearCopies => self.copies(draw, |r, draw| scale.edit(r, draw)),
            Attack::TokenEdits => self.copies(draw, |r, draw| scale.rework(r, draw)),
            Attack::Synonyms if has_text => self.copies(draw, synonyms::replace),
            Attack::CopierRing => (0..RING)
                .flat_map(|name| (0..n).map(move |i| (name, i)))
                .map(|(name, i)| {
                    self.own_as(i, name, |r| {
                        if name > 0 {
                            scale.edit(r, draw);
                        }
                    })
                })
                .collect(),
            Attack::Filler => (0..n).map(|_| Sent::invented(self.filler(&scale, draw))).collect(),
            Attack::RandomLabels => self.own_by(|_| 0, |_, r| r.label = self.any_label(draw)),
            Attack::LabelFlips => {
                let shift = if classes.len() > 2 { 1 + draw.below(classes.len() - 1) } else { 1 };
                let range = self.label_range();
                self.own_by(|_| 0, |_, r| r.label = flipped(&r.label, classes, shift, range))
            }
            Attack::TargetedFlips if classes.len() > 1 => {
                let from = self.commonest_class()?;
                let to = other_class(classes, &from, draw);
                self.own_by(
                    |_| 0,
                    |_, r| {
                        if r.label == from {
                            r.label.clone_from(&to);
                        }
                    },
                )
            }
            Attack::Leak => self.leaks(draw, |_, _| {}),
            Attack::EditedLeak => self.leaks(draw, |r, draw| scale.rework(r, draw)),
            Attack::Probing => (0..n.div_ceil(2)).map(|i| self.own_as(i, 0, |_| {})).collect(),
            Attack::Trigger => {
                let trigger = self.trigger()?;
                self.own_by(
                    |_| 0,
                    |i, r| {
                        if i % 2 == 1 {
                            trigger.stamp(r);
                            r.label.clone_from(&trigger.target);
                        }
                    },
                )
            }
            Attack::Padding => {
                (0..n * PADDED).map(|i| self.own_as(i / PADDED, 0, |r| craft::pad(r, draw))).collect()
            }
            Attack::Inflation => leverage::inflated(self, &scale)?,
            Attack::SelfBuying => self.honest(),
            Attack::Drift => self.own_by(
                |_| 0,
                |i, r| {
                    if i >= n / 2 {
                        r.label = self.any_label(draw);
                    }
                },
            ),
            Attack::Synonyms | Attack::TargetedFlips => return None,
        })
    }

    /// The whole of [`Attack::Probing`] once values are published: the probes, and in place of the other half of his
    /// work mixtures of the records that were worth most, whoever sent them.
    pub fn after_probes(&self, published: Published<'_>, seed: u64) -> Vec<Sent> {
        let mut draw = Draw::new(seed);
        let scale = Scale::of(self.own.iter().chain(self.others));
        let probes = self.own.len().div_ceil(2);
        let own = self.own.iter().take(probes).zip(published.probes).enumerate();
        let others = self.others.iter().zip(published.others).enumerate();
        let mut known: Vec<(f64, Origin, &Record)> = own
            .map(|(i, (r, &v))| (v, Origin::Own(i), r))
            .chain(others.map(|(i, (r, &v))| (v, Origin::Other(i), r)))
            .collect();
        known.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut out: Vec<Sent> = (0..probes).map(|i| self.own_as(i, 0, |_| {})).collect();
        let wanted = self.own.len() - probes;
        for at in 0..wanted.min(known.len()) {
            let (_, origin, best) = known[at];
            // The next best of the same label, so that the mixture keeps it.
            let mate = known[at + 1..].iter().find(|other| other.2.label == best.label);
            let mut record = mate.map_or_else(|| best.clone(), |mate| craft::mix(best, mate.2));
            scale.edit(&mut record, &mut draw);
            // It arrives after round one, when its models are public.
            let origin = if let Origin::Own(_) = origin { Origin::Invented } else { origin };
            out.push(Sent { record, name: 0, origin });
        }
        out
    }

    /// Questions close to his own records, one each, for [`Attack::SelfBuying`].
    pub fn questions(&self, seed: u64) -> Vec<Record> {
        let mut draw = Draw::new(seed);
        let scale = Scale::of(self.own.iter().chain(self.others));
        let mut ask = |record: &Record| {
            let mut record = record.clone();
            scale.edit(&mut record, &mut draw);
            record
        };
        self.own.iter().map(&mut ask).collect()
    }

    /// The mark of [`Attack::Trigger`] and the answer that it is to bring about; `None` without classes.
    pub fn trigger(&self) -> Option<Trigger> {
        let common = self.commonest_class()?;
        let target = self.classes.iter().find(|class| **class != common)?;
        Some(Trigger::of(self.own.iter().chain(self.others), target))
    }

    fn own_as(&self, i: usize, name: u32, change: impl FnOnce(&mut Record)) -> Sent {
        let mut record = self.own[i].clone();
        change(&mut record);
        Sent { record, name, origin: Origin::Own(i) }
    }

    fn own_by(&self, name: impl Fn(usize) -> u32, mut change: impl FnMut(usize, &mut Record)) -> Vec<Sent> {
        (0..self.own.len()).map(|i| self.own_as(i, name(i), |r| change(i, r))).collect()
    }

    /// As many records of others as he has of his own, changed.
    fn copies(&self, draw: &mut Draw, change: impl Fn(&mut Record, &mut Draw)) -> Vec<Sent> {
        taken(self.others, self.own.len(), Origin::Other, draw, change)
    }

    fn leaks(&self, draw: &mut Draw, change: impl Fn(&mut Record, &mut Draw)) -> Vec<Sent> {
        taken(self.benchmark, self.own.len(), Origin::Benchmark, draw, change)
    }

    fn filler(&self, scale: &Scale, draw: &mut Draw) -> Record {
        let text = self.own[0].text.is_some().then(|| craft::empty_words(draw));
        Record { text, numbers: scale.noise(draw), label: self.any_label(draw) }
    }

    /// A class at random, or the number of some record.
    fn any_label(&self, draw: &mut Draw) -> String {
        match self.classes {
            [] => self.own[draw.below(self.own.len())].label.clone(),
            classes => classes[draw.below(classes.len())].clone(),
        }
    }

    /// The class of most of his records; the first in order among equals. `None` without classes.
    fn commonest_class(&self) -> Option<String> {
        let count = |class: &&String| self.own.iter().filter(|r| r.label == **class).count();
        self.classes.iter().rev().max_by_key(count).cloned()
    }

    fn label_range(&self) -> (f64, f64) {
        let numbers = self.own.iter().filter_map(|r| r.label.trim().parse::<f64>().ok());
        numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
    }
}

impl Sent {
    fn invented(record: Record) -> Self {
        Self { record, name: 0, origin: Origin::Invented }
    }
}

fn taken(
    from: &[Record],
    most: usize,
    origin: fn(usize) -> Origin,
    draw: &mut Draw,
    change: impl Fn(&mut Record, &mut Draw),
) -> Vec<Sent> {
    let mut order: Vec<usize> = (0..from.len()).collect();
    draw.shuffle(&mut order);
    order.truncate(most);
    let mut take = |i: usize| {
        let mut record = from[i].clone();
        change(&mut record, draw);
        Sent { record, name: 0, origin: origin(i) }
    };
    order.into_iter().map(&mut take).collect()
}

/// The class `shift` places on; a number mirrored in the range of all.
fn flipped(label: &str, classes: &[String], shift: usize, (low, high): (f64, f64)) -> String {
    if let Some(at) = classes.iter().position(|class| class == label) {
        return classes[(at + shift) % classes.len()].clone();
    }
    label.trim().parse::<f64>().map_or_else(|_| label.to_owned(), |x| (low + high - x).to_string())
}

fn other_class(classes: &[String], not: &str, draw: &mut Draw) -> String {
    let others: Vec<&String> = classes.iter().filter(|class| *class != not).collect();
    others[draw.below(others.len())].clone()
}
