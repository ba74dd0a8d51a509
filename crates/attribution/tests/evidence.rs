//! Evidence over whole small communities whose truth is known.
#![allow(clippy::unwrap_used)]

mod common;

use assay_attribution::evidence::{
    Choice, Community, Decision, Evidence, EvidenceError, EvidenceOptions, gather,
};
use assay_attribution::{PathOptions, value};
use assay_learn::data::Target;
use common::{Set, classes, numbers};

const CONTRIBUTORS: u32 = 8;

fn found(train: &Set, fold: &Set, sent_by: &[u32]) -> Evidence {
    found_in_order(train, fold, sent_by, None)
}

fn found_in_order(train: &Set, fold: &Set, sent_by: &[u32], arrivals: Option<&[u64]>) -> Evidence {
    let options = PathOptions { nodes: 8, max_nodes: 8, ..PathOptions::default() };
    let valuation = value(train.examples(), fold.value_fold(), &options, &|_| {}).unwrap();
    let community =
        Community { contributors: sent_by, count: CONTRIBUTORS as usize, clusters: None, arrivals };
    let options = EvidenceOptions::default();
    gather(train.examples(), fold.value_fold(), &valuation, &community, &options, &|_| {}).unwrap()
}

fn senders(rows: u32) -> Vec<u32> {
    (0..rows).map(|i| i % CONTRIBUTORS).collect()
}

/// The records of contributor 0 have the label of another class.
fn flipped(mut set: Set) -> Set {
    if let Target::Classes { labels, count } = &mut set.target {
        labels.iter_mut().step_by(CONTRIBUTORS as usize).for_each(|y| *y = (*y + 1) % *count as u32);
    }
    set
}

#[test]
fn a_flipper_is_held_and_nobody_else() {
    let (train, fold) = (flipped(classes(480, 6, 3, 1)), classes(300, 6, 3, 2));
    let evidence = found(&train, &fold, &senders(480));
    for (c, person) in evidence.contributors.iter().enumerate() {
        let want = if c == 0 { Decision::Hold } else { Decision::Keep };
        assert_eq!(person.decision, want, "{c}: {person:?}");
        assert_eq!(person.records, 60);
    }
    assert!(evidence.contributors[0].wrong_share > 0.8 && evidence.contributors[0].label_bits < 0.0);
    assert_ne!(evidence.curation.choice, Choice::All);
    assert!(evidence.curation.more_bits > 0.0);
    assert!(evidence.review.windows(2).all(|r| r[0].bits >= r[1].bits));
}

/// Labels of contributor 0 are random from its `first`-th record on.
fn turned(mut set: Set, first: usize) -> Set {
    if let Target::Classes { labels, count } = &mut set.target {
        let later = labels.iter_mut().step_by(CONTRIBUTORS as usize).enumerate().skip(first);
        later.for_each(|(k, y)| *y = (*y + 1 + (k * 7 % 5) as u32 % (*count as u32 - 1)) % *count as u32);
    }
    set
}

#[test]
fn who_turns_bad_is_seen_where_the_order_is_known() {
    let (train, fold) = (turned(classes(960, 6, 4, 5), 60), classes(300, 6, 4, 6));
    let sent_by = senders(960);
    let order: Vec<u64> = (0..960).collect();
    let told = |evidence: &Evidence, from: usize, to: usize| {
        (from..to).map(|k| evidence.wrong[k * CONTRIBUTORS as usize]).sum::<f64>() / (to - from) as f64
    };
    let known = found_in_order(&train, &fold, &sent_by, Some(&order));
    let unknown = found(&train, &fold, &sent_by);
    // Of 120 records the first 60 are right.
    let apart = |e: &Evidence| told(e, 60, 120) - told(e, 0, 60);
    assert!(apart(&known) > apart(&unknown), "{} {}", apart(&known), apart(&unknown));
    assert!(told(&known, 0, 60) < 0.02 && told(&known, 60, 120) > 0.98, "{}", apart(&known));
    let share = known.contributors[0].wrong_share;
    assert!((share - 0.5).abs() < 0.05, "{share}");
    // The order in which the rows are given says nothing; that of arrival does.
    let reversed: Vec<u64> = order.iter().rev().copied().collect();
    let mirrored = found_in_order(&train, &fold, &sent_by, Some(&reversed));
    assert!((apart(&mirrored) - apart(&known)).abs() < 0.02);
}

#[test]
fn names_change_nothing() {
    let (train, fold) = (flipped(classes(240, 5, 3, 3)), classes(200, 5, 3, 4));
    let sent_by = senders(240);
    let renamed: Vec<u32> = sent_by.iter().map(|c| (3 * c + 5) % CONTRIBUTORS).collect();
    let (a, b) = (found(&train, &fold, &sent_by), found(&train, &fold, &renamed));
    assert!(a.wrong.iter().zip(&b.wrong).all(|(a, b)| (a - b).abs() < 1e-9));
    assert_eq!(a.curation.choice, b.curation.choice);
    for c in 0..CONTRIBUTORS {
        let (a, b) = (&a.contributors[c as usize], &b.contributors[((3 * c + 5) % CONTRIBUTORS) as usize]);
        assert!((a.wrong_share - b.wrong_share).abs() < 1e-9 && (a.value.mean - b.value.mean).abs() < 1e-9);
    }
}

#[test]
fn a_clean_community_is_left_alone() {
    let (train, fold) = (classes(480, 6, 3, 5), classes(300, 6, 3, 6));
    let evidence = found(&train, &fold, &senders(480));
    assert!(evidence.contributors.iter().all(|c| c.decision == Decision::Keep && c.wrong_low < 0.05));
    assert!(evidence.curation.weights.iter().sum::<f64>() > 0.95 * 480.0);
}

#[test]
fn wrong_numbers_are_seen() {
    let (mut train, fold) = (numbers(400, 5, 1), numbers(300, 5, 2));
    if let Target::Numbers(y) = &mut train.target {
        y.iter_mut().step_by(CONTRIBUTORS as usize).for_each(|y| *y = -4.0 * *y + 3.0);
    }
    let evidence = found(&train, &fold, &senders(400));
    assert_eq!(evidence.contributors[0].decision, Decision::Hold, "{:?}", evidence.contributors[0]);
    assert!(evidence.contributors[1..].iter().all(|c| c.decision == Decision::Keep && c.wrong_share < 0.1));
}

#[test]
fn what_does_not_go_together_is_refused() {
    let (train, fold) = (classes(40, 3, 3, 1), classes(30, 3, 3, 2));
    let path = PathOptions { nodes: 2, max_nodes: 2, ..PathOptions::default() };
    let valuation = value(train.examples(), fold.value_fold(), &path, &|_| {}).unwrap();
    let refused = |sent_by: &[u32], folds: usize, fold: &Set| {
        let community = Community { contributors: sent_by, count: 8, clusters: None, arrivals: None };
        let options = EvidenceOptions { folds, ..EvidenceOptions::default() };
        gather(train.examples(), fold.value_fold(), &valuation, &community, &options, &|_| {}).unwrap_err()
    };
    assert!(matches!(refused(&senders(39), 5, &fold), EvidenceError::Length { .. }));
    assert!(matches!(refused(&[8; 40], 5, &fold), EvidenceError::Length { .. }));
    assert_eq!(refused(&senders(40), 1, &fold), EvidenceError::Options);
    assert_eq!(refused(&senders(40), 5, &classes(30, 4, 3, 2)), EvidenceError::Mismatch);
    assert_eq!(refused(&senders(40), 5, &numbers(30, 3, 2)), EvidenceError::Mismatch);
}
