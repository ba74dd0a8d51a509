//! A small made-up community: three subjects, honest contributors, one who labels wrongly, one who copies.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

const SUBJECTS: [(&str, [&str; 6]); 3] = [
    ("garden", ["roses", "soil", "seeds", "weeds", "hedge", "compost"]),
    ("kitchen", ["oven", "flour", "butter", "simmer", "whisk", "spice"]),
    ("harbour", ["anchor", "tide", "sails", "rope", "pier", "cargo"]),
];
const COMMON: [&str; 10] =
    ["today", "again", "slowly", "early", "small", "quiet", "the", "with", "about", "before"];

/// A record as a line of JSON.
pub(super) struct Line {
    pub(super) id: String,
    pub(super) contributor: String,
    pub(super) text: String,
    pub(super) label: String,
}

impl Line {
    pub(super) fn json(&self) -> String {
        let Self { id, contributor, text, label } = self;
        format!(
            "{{\"id\":\"{id}\",\"contributor\":\"{contributor}\",\"text\":\"{text}\",\"label\":\"{label}\"}}"
        )
    }
}

/// Draws records of a subject; numbers keep texts apart.
pub(super) struct Author {
    rng: ChaCha8Rng,
    made: usize,
}

impl Author {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), made: 0 }
    }

    fn below(&mut self, n: usize) -> usize {
        (self.rng.next_u64() % n as u64) as usize
    }

    pub(super) fn line(&mut self, id: &str, contributor: &str) -> Line {
        let subject = self.below(SUBJECTS.len());
        self.made += 1;
        let mut words = vec![format!("note{}", self.below(100_000))];
        for _ in 0..7 {
            let own = self.below(10) < 4;
            let word = if own { SUBJECTS[subject].1[self.below(6)] } else { COMMON[self.below(10)] };
            words.push(word.to_owned());
        }
        Line {
            id: format!("{id}{}", self.made),
            contributor: contributor.to_owned(),
            text: words.join(" "),
            label: SUBJECTS[subject].0.to_owned(),
        }
    }

    pub(super) fn lines(&mut self, n: usize, id: &str, contributor: &str) -> Vec<Line> {
        (0..n).map(|_| self.line(id, contributor)).collect()
    }
}

/// The next subject but the right one.
pub(super) fn flipped(label: &str) -> String {
    let at = SUBJECTS.iter().position(|s| s.0 == label).unwrap();
    SUBJECTS[(at + 1) % SUBJECTS.len()].0.to_owned()
}

pub(super) fn jsonl(lines: &[Line]) -> String {
    lines.iter().map(|line| line.json() + "\n").collect()
}

/// TRAIN: ann and ben are honest, flo labels wrongly, cop copies ann with other case and spacing.
pub(super) fn train() -> Vec<Line> {
    let mut author = Author::new(1);
    let mut lines = author.lines(90, "a", "ann");
    lines.extend(author.lines(60, "b", "ben"));
    let mut wrong = author.lines(30, "f", "flo");
    wrong.iter_mut().for_each(|line| line.label = flipped(&line.label));
    lines.extend(wrong);
    let copies: Vec<Line> = lines[..20]
        .iter()
        .enumerate()
        .map(|(k, line)| Line {
            id: format!("c{k}"),
            contributor: "cop".to_owned(),
            text: line.text.to_uppercase().replace(' ', "  "),
            label: line.label.clone(),
        })
        .collect();
    lines.extend(copies);
    lines
}

pub(super) fn valid() -> Vec<Line> {
    Author::new(2).lines(120, "v", "bench")
}

pub(super) fn test() -> Vec<Line> {
    Author::new(3).lines(200, "t", "bench")
}
