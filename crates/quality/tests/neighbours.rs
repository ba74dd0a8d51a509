//! Texts that say much the same as another sender's, held where the datanet asks for it.
#![allow(clippy::unwrap_used)]

use assay_quality::{Finding, GateConfig, Gates, Reason, RecordRef, RecordView, Verdict};
use proptest::prelude::*;

/// Cosine from which these tests hold.
const HOLD: f64 = 0.5;
const HELD: Verdict = Verdict::Hold(Reason::SemanticNeighbour);

/// A word that is not one slip from others: the letters of a seeded number.
fn word(seed: u64) -> String {
    let mut z = (seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^= z >> 31;
    (0..7).map(|at| char::from(b'a' + (z >> (at * 8)) as u8 % 26)).collect()
}

/// A text of `length` words, every second of which is common.
fn text(seed: u64, length: u64) -> String {
    let word_at = |at: u64| {
        if at.is_multiple_of(2) { word((seed * 31 + at) % 40) } else { word(1_000 + seed * 64 + at) }
    };
    (0..length).map(word_at).collect::<Vec<_>>().join(" ")
}

/// The same in other words and another order: the rare words stay, every common one is another.
fn paraphrase(text: &str, seed: u64) -> String {
    let other = |(at, old): (usize, &str)| {
        if at % 2 == 0 { word((seed * 7 + at as u64 * 3) % 40) } else { old.to_string() }
    };
    let mut words: Vec<String> = text.split(' ').enumerate().map(other).collect();
    words.reverse();
    words.join(" ")
}

fn gates(hold_cosine: f64) -> Gates {
    let sealed: Vec<String> = (0..40).map(|i| text(500 + i, 14)).collect();
    let sealed: Vec<_> = sealed.iter().map(|text| RecordView::text(text, "a")).collect();
    let mut config = GateConfig::default();
    config.neighbours.hold_cosine = hold_cosine;
    Gates::new(config, &sealed).unwrap()
}

fn sent<'a>(text: &'a str, sender: &'a str) -> RecordView<'a> {
    RecordView::text(text, "a").sent_by(sender)
}

#[test]
fn a_paraphrase_of_another_is_held_and_shows_its_neighbour() {
    let first: Vec<String> = (0..20).map(|i| text(i, 14)).collect();
    let second = paraphrase(&first[3], 9);
    let offer = |hold: f64, sender: &str| -> (Vec<Finding>, Finding) {
        let mut gates = gates(hold);
        let views: Vec<_> = first.iter().map(|text| sent(text, "ann")).collect();
        (gates.check_batch(&views), gates.check_batch(&[sent(&second, sender)])[0])
    };
    let (before, found) = offer(HOLD, "ben");
    assert!(before.iter().all(|finding| finding.verdict == Verdict::Pass), "{before:?}");
    assert_eq!((found.verdict, found.original), (HELD, Some(RecordRef(3))));
    assert!(found.similarity.is_some_and(|cosine| cosine >= HOLD as f32 && cosine < 1.0), "{found:?}");
    assert_eq!(offer(HOLD, "ann").1.verdict, Verdict::Pass, "her own");
    assert_eq!(offer(0.0, "ben").1.verdict, Verdict::Pass, "off");
    assert_eq!(GateConfig::default().neighbours.hold_cosine, 0.0, "off by default");
}

#[test]
fn a_neighbour_that_was_held_counts_and_a_rejected_one_does_not() {
    let first = text(1, 14);
    let (second, third) = (paraphrase(&first, 2), paraphrase(&first, 3));
    let mut gates = gates(HOLD);
    gates.check_batch(&[sent(&first, "ann"), sent(&second, "ben"), sent(&first.to_uppercase(), "eve")]);
    let last = gates.check_batch(&[sent(&third, "dan"), sent(&paraphrase(&first, 5), "ann")]);
    assert!(last[0].verdict == HELD && last[0].original.is_some_and(|at| at.0 < 2), "{last:?}");
    // Not her own, which is as near.
    assert!(last[1].verdict == HELD && last[1].original.is_some_and(|at| [1, 3].contains(&at.0)), "{last:?}");
}

#[test]
fn only_cosines_are_taken() {
    for wrong in [-0.1, 1.1, f64::NAN] {
        let mut config = GateConfig::default();
        config.neighbours.hold_cosine = wrong;
        let refused = Gates::new(config, &[]).err().unwrap();
        assert_eq!(refused.field, "neighbours.hold_cosine");
    }
}

/// Texts and paraphrases of those before them, by four senders.
fn stream(seed: u64, count: u64) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for i in 0..count {
        let turn = (seed / 3 + i * 5) % 7;
        let text = match turn {
            0 | 3 if !all.is_empty() => paraphrase(&all[(i * 11) as usize % all.len()].0, seed % 100 + i),
            _ => text(seed % 1_000 + i, 14),
        };
        all.push((text, ["ann", "ben", "eve", "dan"][(seed / 5 + i) as usize % 4].to_string()));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// The order alone decides, and a node that starts again knows the same.
    #[test]
    fn neither_batches_nor_a_replay_matter(seed in any::<u32>(), cut in 1usize..99) {
        let stream = stream(u64::from(seed), 100);
        let views: Vec<_> = stream.iter().map(|(text, sender)| sent(text, sender)).collect();
        let whole = gates(HOLD).check_batch(&views);
        prop_assert!(whole.iter().any(|finding| finding.verdict == HELD));
        let mut piecewise = gates(HOLD);
        let mut found = piecewise.check_batch(&views[..cut]);
        let verdicts: Vec<Verdict> = found.iter().map(|finding| finding.verdict).collect();
        found.extend(piecewise.check_batch(&views[cut..]));
        prop_assert_eq!(&whole, &found);
        let mut restored = gates(HOLD);
        restored.replay(&views[..cut], &verdicts);
        prop_assert_eq!(&whole[cut..], &restored.check_batch(&views[cut..])[..]);
    }

    /// What is asked for adds holds of records that had passed, by others' records, and changes nothing else.
    #[test]
    fn nothing_but_passes_becomes_a_hold(seed in any::<u32>()) {
        let stream = stream(u64::from(seed), 100);
        let views: Vec<_> = stream.iter().map(|(text, sender)| sent(text, sender)).collect();
        for (at, (on, off)) in gates(HOLD).check_batch(&views).iter().zip(gates(0.0).check_batch(&views)).enumerate() {
            if on.verdict == HELD {
                prop_assert_eq!(off.verdict, Verdict::Pass);
                let original = on.original.map(|at| at.0 as usize);
                prop_assert!(original.is_some_and(|original| original < at && stream[original].1 != stream[at].1));
            } else {
                prop_assert_eq!(*on, off);
            }
        }
    }
}
