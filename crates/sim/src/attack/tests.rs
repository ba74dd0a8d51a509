#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::*;
use crate::digits;

const WORDS: [&str; 12] = [
    "account", "balance", "river", "mountain", "problem", "payment", "window", "garden", "ticket", "station",
    "copper", "lantern",
];

fn texts(n: usize, from: usize) -> Vec<Record> {
    let word = |i: usize| WORDS[i % WORDS.len()];
    let text = |i: usize| {
        format!("{} {} number {i} of the {} {}", word(i), word(5 * i + 1), word(i / 3), word(7 * i))
    };
    let record =
        |i: usize| Record { text: Some(text(i)), numbers: vec![], label: ["a", "b", "c"][i % 3].to_owned() };
    (from..from + n).map(record).collect()
}

fn rows(n: usize, from: usize) -> Vec<Record> {
    let digit = |d: digits::Digit| Record {
        text: None,
        numbers: d.pixels.iter().map(|&p| f64::from(p)).collect(),
        label: d.label.to_string(),
    };
    digits::load().unwrap().into_iter().skip(from).take(n).map(digit).collect()
}

/// Both kinds of records, 40 of his own, 120 of others, 60 of the benchmark.
fn worlds() -> Vec<([Vec<Record>; 3], Vec<String>)> {
    let classes = |records: &[Record]| {
        records
            .iter()
            .map(|r| r.label.clone())
            .collect::<BTreeSet<String>>()
            .into_iter()
            .collect::<Vec<String>>()
    };
    let make =
        |of: fn(usize, usize) -> Vec<Record>| ([of(40, 0), of(120, 40), of(60, 160)], classes(&of(120, 40)));
    vec![make(texts), make(rows)]
}

fn each(mut check: impl FnMut(World<'_>)) {
    for ([own, others, benchmark], classes) in &worlds() {
        check(World { own, others, benchmark, classes });
    }
}

#[test]
fn names_are_told_apart_and_found_again() {
    let names: BTreeSet<&str> = Attack::ALL.iter().map(|a| a.name()).collect();
    assert_eq!(names.len(), Attack::ALL.len());
    assert!(Attack::ALL.iter().all(|a| Attack::from_name(a.name()) == Some(*a)));
    assert_eq!(Attack::from_name("honest"), None);
}

#[test]
fn a_seed_names_a_raid_and_all_have_records_of_the_kind() {
    each(|world| {
        for &attack in Attack::ALL {
            let sent = world.raid(attack, 3);
            assert_eq!(sent, world.raid(attack, 3), "{}", attack.name());
            let has_text = world.own[0].text.is_some();
            assert_eq!(sent.is_none(), attack == Attack::Synonyms && !has_text, "{}", attack.name());
            for sent in sent.into_iter().flatten() {
                assert_eq!(sent.record.text.is_some(), has_text);
                assert_eq!(sent.record.numbers.len(), world.own[0].numbers.len());
                assert!(world.classes.contains(&sent.record.label));
                assert!(sent.record.numbers.iter().all(|x| x.is_finite()));
            }
        }
    });
}

#[test]
fn own_records_keep_their_content_and_labels_tell_the_attack() {
    each(|world| {
        let wrong = |attack: Attack| {
            let sent = world.raid(attack, 5).unwrap();
            assert_eq!(sent.len(), world.own.len());
            let wrong = |(sent, own): &(&Sent, &Record)| {
                assert_eq!((&sent.record.text, &sent.record.numbers), (&own.text, &own.numbers));
                sent.record.label != own.label
            };
            sent.iter().zip(world.own).filter(wrong).count()
        };
        let (all, common) = (world.own.len(), world.commonest_class().unwrap());
        assert_eq!(wrong(Attack::SybilSplit), 0);
        assert_eq!(wrong(Attack::SelfBuying), 0);
        assert_eq!(wrong(Attack::LabelFlips), all);
        assert_eq!(wrong(Attack::TargetedFlips), world.own.iter().filter(|r| r.label == common).count());
        assert!((all / 3..all).contains(&wrong(Attack::RandomLabels)));
        assert!((all / 6..=all / 2).contains(&wrong(Attack::Drift)));
        let names: BTreeSet<u32> =
            world.raid(Attack::SybilSplit, 5).unwrap().iter().map(|s| s.name).collect();
        assert_eq!(names, BTreeSet::from([0, 1, 2, 3, 4]));
    });
}

#[test]
fn copies_name_what_they_copy() {
    each(|world| {
        let from = |sent: &Sent| {
            match sent.origin {
                Origin::Own(i) => &world.own[i],
                Origin::Other(i) => &world.others[i],
                Origin::Benchmark(i) => &world.benchmark[i],
                Origin::Invented => &sent.record,
            }
            .clone()
        };
        for attack in [Attack::ExactCopies, Attack::Leak] {
            assert!(world.raid(attack, 2).unwrap().iter().all(|sent| sent.record == from(sent)));
        }
        for attack in [Attack::NearCopies, Attack::TokenEdits, Attack::EditedLeak] {
            let sent = world.raid(attack, 2).unwrap();
            assert_eq!(sent.len(), world.own.len());
            assert!(
                sent.iter().filter(|s| s.record != from(s)).count() > sent.len() - 3,
                "{}",
                attack.name()
            );
            assert!(sent.iter().all(|s| s.record.label == from(s).label));
            assert_eq!(
                sent.iter().map(|s| format!("{:?}", s.origin)).collect::<BTreeSet<_>>().len(),
                sent.len()
            );
        }
        let moved = |attack: Attack| -> f64 {
            let apart = |s: &Sent| {
                s.record.numbers.iter().zip(&from(s).numbers).map(|(a, b)| (a - b).abs()).sum::<f64>()
            };
            world.raid(attack, 2).unwrap().iter().map(apart).sum()
        };
        assert!(world.own[0].text.is_some() || moved(Attack::TokenEdits) > 5.0 * moved(Attack::NearCopies));
        let ring = world.raid(Attack::CopierRing, 2).unwrap();
        assert_eq!(ring.len(), 4 * world.own.len());
        assert!(ring.iter().all(|s| (s.name == 0) <= (s.record == from(s))));
    });
}

#[test]
fn a_trigger_is_rare_and_on_every_second_record() {
    each(|world| {
        let trigger = world.trigger().unwrap();
        let marked = |r: &Record| {
            let mut again = r.clone();
            trigger.stamp(&mut again);
            again.numbers == r.numbers
                && r.text
                    .as_ref()
                    .is_none_or(|t| t.split(' ').any(|w| again.text.as_ref().unwrap().ends_with(w)))
        };
        let sent = world.raid(Attack::Trigger, 1).unwrap();
        assert!(
            sent.iter().skip(1).step_by(2).all(|s| marked(&s.record) && s.record.label == trigger.target)
        );
        assert!(sent.iter().step_by(2).all(|s| world.own.contains(&s.record)));
        assert!(!world.own.iter().chain(world.others).any(marked));
    });
}

#[test]
fn probes_come_first_and_the_best_are_mixed_after() {
    each(|world| {
        let probes = world.raid(Attack::Probing, 9).unwrap();
        assert_eq!(probes.len(), world.own.len() / 2);
        let mut others = vec![0.0; world.others.len()];
        others[17] = 5.0;
        let sent = world.after_probes(Published { probes: &vec![1.0; probes.len()], others: &others }, 9);
        assert_eq!(sent.len(), world.own.len());
        assert_eq!(sent[..probes.len()], probes[..]);
        let first = &sent[probes.len()];
        assert_eq!((first.origin, &first.record.label), (Origin::Other(17), &world.others[17].label));
    });
}

#[test]
fn inflated_records_are_more_extreme_and_padding_says_nothing_more() {
    each(|world| {
        let sent = world.raid(Attack::Inflation, 1).unwrap();
        assert_eq!(sent.len(), world.own.len());
        let changed = sent.iter().zip(world.own).filter(|(s, own)| s.record != **own).count();
        assert!(changed > world.own.len() / 2, "{changed}");
        let padded = world.raid(Attack::Padding, 1).unwrap();
        assert_eq!(padded.len(), 3 * world.own.len());
        for (i, sent) in padded.iter().enumerate() {
            let own = &world.own[i / 3];
            assert!(sent.record.text.as_ref().is_none_or(|t| t.contains(own.text.as_ref().unwrap())));
            assert_eq!(sent.record.numbers, own.numbers);
        }
    });
}

#[test]
fn numbers_are_mirrored_and_classes_are_asked_for() {
    let own: Vec<Record> = (0..20)
        .map(|i| Record {
            text: None,
            numbers: vec![f64::from(i), 1.0],
            label: format!("{}", f64::from(i) / 2.0),
        })
        .collect();
    let world = World { own: &own, others: &own, benchmark: &own, classes: &[] };
    let flipped = world.raid(Attack::LabelFlips, 1).unwrap();
    assert_eq!(flipped[0].record.label, "9.5");
    assert!(world.raid(Attack::TargetedFlips, 1).is_none() && world.raid(Attack::Trigger, 1).is_none());
    let nothing = World { own: &[], others: &own, benchmark: &own, classes: &[] };
    assert!(Attack::ALL.iter().all(|&a| nothing.raid(a, 1) == Some(Vec::new())));
}
