//! A made-up community: short sentences on three topics, an honest owner, a contributor with faults, a liar.

use std::fs;
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde_json::json;

pub(crate) const CHARTER: &str = r#"
schema = "assay.charter/1"
datanet = "topics"
title = "Short sentences and their topic"

[task]
kind = "classification"
text = "text"
label = "label"
classes = ["food", "sports", "weather"]

[split]
contributors = 700000
reviewers = 50000
trainer = 100000
platform = 150000

[query]
price = "50000"

[bond]
per_record = "100"

[gate]
near_hold = true

[value]
publish = "records"
"#;

const TOPICS: [(&str, [&str; 10]); 3] = [
    ("food", ["soup", "bread", "oven", "salt", "recipe", "butter", "taste", "kitchen", "onion", "bake"]),
    ("sports", ["match", "goal", "team", "coach", "league", "score", "player", "season", "stadium", "win"]),
    ("weather", ["rain", "cloud", "storm", "sunny", "wind", "forecast", "snow", "humid", "thunder", "cold"]),
];
const FILLERS: [&str; 16] = [
    "the", "a", "today", "very", "we", "saw", "they", "had", "some", "with", "after", "before", "again",
    "new", "old", "near",
];
const LONG: [&str; 2] = [
    "boil the soup slowly with onion and butter until the kitchen smells of bread and salt then leave it in the oven \
     for an hour and taste it before you serve it to your guests",
    "the match was won by the home team after the coach changed the whole side in the second half of the season and \
     the player who scored the goal was carried off the field",
];

type Row = (String, &'static str);

struct Draw(ChaCha8Rng);

impl Draw {
    fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.0.next_u64() % from.len() as u64) as usize]
    }

    fn row(&mut self, topic: usize) -> Row {
        let (label, words) = TOPICS[topic];
        let word =
            |draw: &mut Self, i: usize| if i.is_multiple_of(2) { draw.of(&words) } else { draw.of(&FILLERS) };
        let text: Vec<&str> = (0..12).map(|i| word(self, i)).collect();
        (text.join(" "), label)
    }

    fn rows(&mut self, count: usize) -> Vec<Row> {
        (0..count).map(|i| self.row(i % TOPICS.len())).collect()
    }
}

/// Writes everything that the tests read.
///
/// alice: 22 good records. bob: 18 good ones, 3 copies of alice's, 2 light edits of hers (one with a character that
/// reorders text), 1 label that nobody knows. mallory: 18 records whose labels are wrong.
pub(crate) fn write(folder: &Path) {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(11));
    let mut alice = draw.rows(20);
    alice.push((LONG[0].to_owned(), "food"));
    alice.push((LONG[1].to_owned(), "sports"));
    let mut bob = draw.rows(18);
    bob.extend_from_slice(&alice[..3]);
    bob.push((LONG[0].replace("slowly", "gently"), "food"));
    bob.push((LONG[1].replace("carried", "\u{202e}taken"), "sports"));
    bob.push((draw.row(0).0, "golf"));
    let wrong =
        |(text, label): Row| (text, TOPICS[(TOPICS.iter().position(|t| t.0 == label).unwrap() + 1) % 3].0);
    let mallory: Vec<Row> = draw.rows(18).into_iter().map(wrong).collect();
    for (name, rows) in [("alice", alice), ("bob", bob), ("mallory", mallory)] {
        records(&folder.join(format!("{name}.jsonl")), &rows);
    }
    records(&folder.join("valid.jsonl"), &draw.rows(30));
    records(&folder.join("test.jsonl"), &draw.rows(30));
    let questions: String =
        draw.rows(4).iter().map(|(text, _)| format!("{}\n", json!({ "text": text }))).collect();
    fs::write(folder.join("questions.jsonl"), questions).unwrap();
    fs::write(folder.join("charter.toml"), CHARTER).unwrap();
}

fn records(path: &Path, rows: &[Row]) {
    let lines: String =
        rows.iter().map(|(text, label)| format!("{}\n", json!({ "text": text, "label": label }))).collect();
    fs::write(path, lines).unwrap();
}
