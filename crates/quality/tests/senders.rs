//! Gates that know who sent a record.
#![allow(clippy::unwrap_used)]

use assay_quality::{Finding, GateConfig, Gates, Reason, RecordRef, RecordView, Verdict};
use proptest::prelude::*;

const WORDS: [&str; 24] = [
    "river", "bridge", "winter", "garden", "letter", "window", "market", "summer", "doctor", "engine",
    "forest", "island", "kitchen", "lantern", "mountain", "needle", "orchard", "pepper", "quarry", "ribbon",
    "saddle", "timber", "valley", "wagon",
];

/// A seeded text of `length` words (splitmix64), nearly all of them its own.
fn text(seed: u64, length: usize) -> String {
    let draw = |at: u64| {
        let mut z = (seed * 64 + at + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let word = |at: usize| {
        let (z, common) = (draw(at as u64), at.is_multiple_of(3));
        let word = WORDS[(z % 24) as usize];
        if common {
            word.to_string()
        } else {
            format!("{word}{}", ["ly", "er", "ish", "ton"][(z >> 32) as usize % 4])
        }
    };
    (0..length).map(word).collect::<Vec<_>>().join(" ")
}

/// A slip of the keyboard in one word, and two neighbours swapped.
fn edited(text: &str) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_string).collect();
    if words.len() < 6 {
        return text.to_uppercase();
    }
    words.swap(2, 3);
    words[5].remove(2);
    words.join(" ")
}

struct Sent {
    text: String,
    sender: String,
}

fn views(stream: &[Sent]) -> Vec<RecordView<'_>> {
    stream.iter().map(|sent| RecordView::text(&sent.text, "a").sent_by(&sent.sender)).collect()
}

fn sealed() -> Vec<String> {
    (0..400).map(|i| text(1_000 + i, 12)).collect()
}

fn gates(sealed: &[String]) -> Gates {
    let sealed: Vec<_> = sealed.iter().map(|text| RecordView::text(text, "a")).collect();
    Gates::new(GateConfig::default(), &sealed).unwrap()
}

/// Honest senders, one who leaks edited items and one who copies, in an order that `seed` decides.
fn stream(seed: u64, count: u64) -> Vec<Sent> {
    let sealed = sealed();
    let mut sent: Vec<Sent> = Vec::new();
    for i in 0..count {
        let turn = (seed / 7 + i * 5) % 8;
        let (text, sender) = match turn {
            0 => (edited(&sealed[(i as usize * 3) % sealed.len()]), "leaker"),
            1 if !sent.is_empty() => (edited(&sent[(i as usize * 7) % sent.len()].text), "copier"),
            2 => ("ok then".to_string(), "idle"),
            _ => (text(seed % 1_000 + 5_000 + i, 12), ["ann", "ben", "eve"][turn as usize % 3]),
        };
        sent.push(Sent { text, sender: sender.to_string() });
    }
    sent
}

#[test]
fn the_same_weak_match_is_held_of_a_leaker_and_passes_of_an_honest_sender() {
    let sealed = sealed();
    let mut words: Vec<&str> = sealed[7].split(' ').collect();
    (words[1], words[4], words[9]) = ("granite", "copper", "velvet");
    let weak = words.join(" ");
    let before = |sender: &str, honest: bool| -> Verdict {
        let mut gates = gates(&sealed);
        let sent: Vec<Sent> = (0..30)
            .map(|i| Sent {
                text: if honest { text(9_000 + i, 12) } else { edited(&sealed[100 + i as usize]) },
                sender: sender.to_string(),
            })
            .collect();
        gates.check_batch(&views(&sent));
        gates.check_batch(&[RecordView::text(&weak, "a").sent_by(sender)])[0].verdict
    };
    assert_eq!(before("ann", true), Verdict::Pass);
    assert!(
        before("leaker", false).reason() == Some(Reason::PossibleBenchmarkOverlap)
            || before("leaker", false) == Verdict::Reject(Reason::BenchmarkNearOverlap)
    );
}

#[test]
fn what_comes_later_tells_on_what_came_before_and_a_cleared_record_speaks_for_its_sender() {
    let sealed = sealed();
    let mut gates = gates(&sealed);
    let sent: Vec<Sent> =
        (0..30).map(|i| Sent { text: edited(&sealed[i]), sender: "leaker".to_string() }).collect();
    let first = gates.check_batch(&views(&sent));
    let last = gates.reconsider(RecordRef(0));
    assert!(first[29].verdict.is_reject());
    let stricter =
        |finding: &Finding, at: u64| last.iter().any(|(r, f)| r.0 == at && f.verdict != finding.verdict);
    assert!(first[0].verdict.is_reject() || stricter(&first[0], 0), "{:?}", first[0]);
    gates.clear(&(0..30).map(RecordRef).collect::<Vec<_>>());
    gates.clear(&[RecordRef(99)]);
    assert_eq!(gates.reconsider(RecordRef(0)), []);
    let next = gates.check_batch(&[RecordView::text(&edited(&sealed[50]), "a").sent_by("leaker")])[0];
    assert!(!next.verdict.is_reject(), "{next:?}");
}

/// Items of the benchmark that belong together do not make copies among a hundred times as many records chance.
#[test]
fn a_copier_is_caught_among_many_more_texts_than_the_benchmark_has() {
    let mut sealed: Vec<String> = (0..40).map(|i| text(1_000 + i, 12)).collect();
    sealed.extend((0..4).map(|i| edited(&sealed[i])).collect::<Vec<_>>());
    let mut gates = gates(&sealed);
    let honest = |from: u64| -> Vec<Sent> {
        let sent = |i| Sent { text: text(i, 12), sender: format!("honest-{}", i % 10) };
        (from..from + 4_000).map(sent).collect()
    };
    let first = honest(10_000);
    gates.check_batch(&views(&first));
    let copies: Vec<Sent> =
        (0..30).map(|i| Sent { text: edited(&first[i * 100].text), sender: "copier".to_string() }).collect();
    let found = gates.check_batch(&views(&copies));
    assert!(found[10..].iter().all(|finding| finding.verdict != Verdict::Pass), "{found:?}");
    let later = gates.check_batch(&views(&honest(20_000)));
    assert!(later.iter().filter(|finding| finding.verdict != Verdict::Pass).count() < 40);
}

#[test]
fn rejected_content_is_rejected_again_under_another_name() {
    let sealed = sealed();
    let mut gates = gates(&sealed);
    let sent: Vec<Sent> =
        (0..30).map(|i| Sent { text: edited(&sealed[i]), sender: "leaker".to_string() }).collect();
    let found = gates.check_batch(&views(&sent));
    let again = gates.check_batch(&[RecordView::text(&sent[29].text, "a").sent_by("fresh")])[0];
    assert_eq!(again, found[29]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn batches_do_not_matter(seed in any::<u32>(), cut in 1usize..119) {
        let (sealed, stream) = (sealed(), stream(u64::from(seed), 120));
        let views = views(&stream);
        let mut whole = gates(&sealed);
        let expected = whole.check_batch(&views);
        let mut piecewise = gates(&sealed);
        let mut found = piecewise.check_batch(&views[..cut]);
        found.extend(piecewise.check_batch(&views[cut..]));
        prop_assert_eq!(&expected, &found);
        prop_assert_eq!(whole.reconsider(RecordRef(0)), piecewise.reconsider(RecordRef(0)));
    }

    #[test]
    fn a_replay_restores_the_gates(seed in any::<u32>(), cut in 1usize..119, cleared in 0u64..119) {
        let (sealed, stream) = (sealed(), stream(u64::from(seed), 120));
        let views = views(&stream);
        let mut whole = gates(&sealed);
        let mut expected = whole.check_batch(&views[..cut]);
        let verdicts: Vec<Verdict> = expected.iter().map(|finding| finding.verdict).collect();
        let mut restored = gates(&sealed);
        restored.replay(&views[..cut], &verdicts);
        if cleared < cut as u64 {
            whole.clear(&[RecordRef(cleared)]);
            restored.clear(&[RecordRef(cleared)]);
        }
        expected = whole.check_batch(&views[cut..]);
        prop_assert_eq!(&expected, &restored.check_batch(&views[cut..]));
        prop_assert_eq!(whole.reconsider(RecordRef(0)), restored.reconsider(RecordRef(0)));
    }
}
