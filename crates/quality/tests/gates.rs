//! The gates as a whole, on text and numbers made here.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::sync::{Arc, Mutex};

use assay_quality::{
    Finding, GateConfig, Gates, LabelRule, Likeness, MakeStore, NearIndex, Reason, RecordRef, RecordView,
    Sketch, TextStore, TextStoreError, Verdict, normalise,
};
use proptest::prelude::*;

fn gates() -> Gates {
    Gates::new(GateConfig::default(), &[]).unwrap()
}

fn one(gates: &mut Gates, text: &str, label: &str) -> Finding {
    gates.check_batch(&[RecordView::text(text, label)])[0]
}

/// A text beside two numbers, too few to be judged by themselves.
#[test]
fn a_near_copy_with_few_numbers_is_one_where_these_are_near() {
    let mut gates = gates();
    let (text, copy) = (
        "the pump at the north gate hummed for twelve minutes",
        "the pump at the nroth gate hummed for twelve minutes",
    );
    let record =
        |text, numbers| RecordView { text: Some(text), numbers, label: Some("a"), ..RecordView::default() };
    let found = gates.check_batch(&[
        record(text, &[12.0, 3.5]),
        record(copy, &[12.0, 3.5]),
        record(copy, &[90.0, 1.0]),
    ]);
    let codes: Vec<_> = found.iter().map(|finding| finding.verdict.reason()).collect();
    assert_eq!(codes, [None, Some(Reason::NearDuplicate), None]);
}

/// A seeded generator of words and edits (splitmix64).
struct Maker(u64);

impl Maker {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn word(&mut self) -> String {
        const SYLLABLES: [&str; 20] = [
            "ba", "cor", "del", "fi", "gon", "hu", "jar", "kel", "lim", "mo", "nes", "pra", "qui", "rot",
            "sel", "tu", "vor", "wes", "xi", "zan",
        ];
        (0..2 + self.below(2)).map(|_| SYLLABLES[self.below(20)]).collect()
    }

    fn text(&mut self, words: usize) -> String {
        (0..words).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }

    /// A cheap copy: two neighbours swapped, a word dropped, a letter doubled.
    fn copy(&mut self, text: &str) -> String {
        let mut words: Vec<String> = text.split(' ').map(str::to_string).collect();
        let at = self.below(words.len() - 1);
        words.swap(at, at + 1);
        if words.len() > 12 {
            words.remove(self.below(words.len()));
        }
        let at = self.below(words.len());
        let middle: String = words[at].chars().nth(1).into_iter().collect();
        words[at].insert_str(1, &middle);
        words.join(" ")
    }

    /// Originals of many lengths with copies and copies of copies mixed in, and a few broken records.
    fn stream(&mut self, count: usize) -> Vec<(String, String)> {
        let mut texts: Vec<String> = Vec::new();
        for _ in 0..count {
            let text = match self.below(10) {
                0..5 if !texts.is_empty() => {
                    let older = texts[self.below(texts.len())].clone();
                    match self.below(3) {
                        0 => older.to_uppercase(),
                        _ if older.split(' ').count() < 2 => older,
                        _ => self.copy(&older),
                    }
                }
                5 => String::new(),
                _ => {
                    let length = 1 + self.below(60);
                    self.text(length)
                }
            };
            texts.push(text);
        }
        texts.into_iter().map(|text| (text, ["a", "b"][self.below(8) / 7].to_string())).collect()
    }
}

fn views(stream: &[(String, String)]) -> Vec<RecordView<'_>> {
    stream.iter().map(|(text, label)| RecordView::text(text, label)).collect()
}

#[test]
fn copies_belong_to_the_first_comer() {
    let mut gates = gates();
    let original = "How can I reset the passcode of my card if I have forgotten it?";
    assert_eq!(
        one(&mut gates, "", "pin"),
        Finding { verdict: Verdict::Reject(Reason::EmptyText), ..Finding::PASS }
    );
    assert_eq!(one(&mut gates, original, "pin"), Finding::PASS);
    let cases = [
        (
            "how can i reset the passcode of my card  if i have forgotten it?",
            "pin",
            Verdict::Reject(Reason::ExactDuplicate),
        ),
        (original, "cash", Verdict::Reject(Reason::ConflictingDuplicate)),
        ("What do I do about a passcode that I have forgotten?", "pin", Verdict::Pass),
        (
            "How can I reset the passcode of my card, if I have forgotten it",
            "pin",
            Verdict::Reject(Reason::NearDuplicate),
        ),
        (
            "How can I reset the pascode of my card if have I forgotten it?",
            "pin",
            Verdict::Reject(Reason::NearDuplicate),
        ),
        (
            "Please how can I reset the pascode of my card if I have forgotten it?",
            "pin",
            Verdict::Reject(Reason::NearDuplicate),
        ),
        (
            "How can I reset the pascode of my card if I have forgotten it?",
            "cash",
            Verdict::Hold(Reason::ConflictingNearDuplicate),
        ),
    ];
    for (text, label, verdict) in cases {
        let finding = one(&mut gates, text, label);
        assert_eq!(finding.verdict, verdict, "{text}");
        assert_eq!(finding.original, (verdict != Verdict::Pass).then_some(RecordRef(1)), "{text}");
    }
}

#[test]
fn rejected_records_never_own_content() {
    let config = GateConfig {
        schema: assay_quality::SchemaRule {
            label: LabelRule::OneOf(["a".to_string()].into()),
            ..Default::default()
        },
        ..Default::default()
    };
    let sealed = [RecordView::text("the sealed question about the moons of saturn", "a")];
    let mut gates = Gates::new(config, &sealed).unwrap();
    let text = "a record about the weather of a small town";
    assert_eq!(one(&mut gates, text, "b").verdict, Verdict::Reject(Reason::UnknownLabel));
    assert_eq!(one(&mut gates, text, "a"), Finding::PASS);
    for _ in 0..2 {
        let leak = one(&mut gates, "The sealed question about the moons of Saturn", "a");
        assert_eq!(leak, Finding { verdict: Verdict::Reject(Reason::BenchmarkOverlap), ..Finding::PASS });
    }
    assert_eq!(gates.offered(), 4);
}

#[test]
fn leaks_are_found_exact_edited_and_embedded_and_never_named() {
    let mut maker = Maker(3);
    let items: Vec<String> = (0..200).map(|i| maker.text(14 + i % 50)).collect();
    let sealed: Vec<_> = items.iter().map(|text| RecordView::text(text, "a")).collect();
    let mut gates = Gates::new(GateConfig::default(), &sealed).unwrap();
    for item in &items {
        let edited = maker.copy(item);
        let embedded = format!("{} {item} {}", maker.text(40), maker.text(25));
        for (text, label, verdict) in [
            (item, "b", Verdict::Reject(Reason::BenchmarkOverlap)),
            (&edited, "a", Verdict::Reject(Reason::BenchmarkNearOverlap)),
            (&edited, "b", Verdict::Hold(Reason::PossibleBenchmarkOverlap)),
            (&embedded, "a", Verdict::Reject(Reason::BenchmarkNearOverlap)),
            (&maker.text(30), "a", Verdict::Pass),
        ] {
            let finding = one(&mut gates, text, label);
            let sealed_away = (finding.original, finding.similarity) == (None, None);
            assert!(sealed_away || finding.verdict.reason() == Some(Reason::ConflictingNearDuplicate));
            assert_eq!(finding.verdict, verdict, "{text}\n{item}");
        }
    }
}

/// Items take the same form as records: joined words, and a blank text beside a row.
#[test]
fn items_of_unusual_form_are_leaks_when_they_are_sent() {
    let row: Vec<f64> = (0..20).map(f64::from).collect();
    let blank = RecordView { text: Some(" "), ..RecordView::row(&row, "a") };
    let joined = "WhereCanFindTheSealedQuestion";
    let sealed = [RecordView::text(joined, "a"), blank];
    let mut gates = Gates::new(GateConfig::default(), &sealed).unwrap();
    for record in [
        sealed[0],
        RecordView::text("where can find the sealed question", "a"),
        blank,
        RecordView::row(&row, "a"),
    ] {
        let findings = gates.check_batch(&[record]);
        assert_eq!(findings[0].verdict, Verdict::Reject(Reason::BenchmarkOverlap), "{record:?}");
    }
}

#[test]
fn rows_are_judged_by_exact_and_near_and_mixed_records_by_both() {
    let mut maker = Maker(5);
    let rows: Vec<Vec<f64>> = (0..300).map(|_| (0..20).map(|_| maker.below(1000) as f64).collect()).collect();
    let sealed: Vec<_> = rows[200..].iter().map(|row| RecordView::row(row, "a")).collect();
    let mut gates = Gates::new(GateConfig::default(), &sealed).unwrap();
    let honest: Vec<_> = rows[..200].iter().map(|row| RecordView::row(row, "a")).collect();
    assert!(gates.check_batch(&honest).iter().all(|finding| *finding == Finding::PASS));
    let moved = |row: &[f64]| row.iter().enumerate().map(|(j, x)| x + (j % 3) as f64).collect::<Vec<f64>>();
    for (index, row) in rows.iter().enumerate() {
        let copy = moved(row);
        let found = gates.check_batch(&[
            RecordView::row(row, "a"),
            RecordView::row(&copy, "a"),
            RecordView::row(&copy, "b"),
        ]);
        if index < 200 {
            assert_eq!(found[0].verdict, Verdict::Reject(Reason::ExactDuplicate));
            assert_eq!(found[1].verdict, Verdict::Reject(Reason::NearDuplicate));
            assert_eq!(found[2].verdict, Verdict::Hold(Reason::ConflictingNearDuplicate));
            assert!(found.iter().all(|finding| finding.original == Some(RecordRef(index as u64))));
        } else {
            assert_eq!(found[0].verdict, Verdict::Reject(Reason::BenchmarkOverlap));
            assert_eq!(found[1].verdict, Verdict::Reject(Reason::BenchmarkNearOverlap));
            assert_eq!(found[2].verdict, Verdict::Hold(Reason::PossibleBenchmarkOverlap));
        }
    }
    let text = "the same words about two different measurements of a machine";
    let mixed =
        |row, text| RecordView { text: Some(text), numbers: row, label: Some("a"), ..RecordView::default() };
    let nearly = "the smae words about two different measurements of a machine";
    let found = gates.check_batch(&[
        mixed(&rows[0], text),
        mixed(&rows[1], text),
        mixed(&moved(&rows[1]), nearly),
        mixed(&rows[2], nearly),
    ]);
    assert_eq!(
        (found[0].verdict, found[1].verdict, found[3].verdict),
        (Verdict::Pass, Verdict::Pass, Verdict::Pass)
    );
    assert_eq!(found[2].verdict, Verdict::Reject(Reason::NearDuplicate));
    assert_eq!(found[2].original.map(|at| at.0 + 2), Some(gates.offered() - 1));
}

#[test]
fn digits_are_never_collapsed() {
    let texts: Vec<String> = (0..500)
        .map(|i| format!("{} {} {} {} {}", i, i * 7 % 501, 1000 + i, i * i % 997, 9000 - i))
        .collect();
    let views: Vec<_> = texts.iter().map(|text| RecordView::text(text, "a")).collect();
    let findings = gates().check_batch(&views);
    assert!(findings.iter().all(|finding| !finding.verdict.is_reject() && finding.original.is_none()));
    let mut gates = gates();
    for text in [
        "the valve opens at -5 degrees in winter",
        "the valve opens at 5 degrees in winter",
        "the valve opens at 1.5 degrees in winter",
        "the valve opens at 15 degrees in winter",
    ] {
        assert_eq!(one(&mut gates, text, "a"), Finding::PASS, "{text}");
    }
}

/// The index proposes by hashing; comparing everything with everything must find the same copies.
#[test]
fn index_agrees_with_all_pairs() {
    let stream = Maker(11).stream(700);
    let sketches: Vec<Sketch> = stream.iter().map(|(text, _)| Sketch::new(normalise(text))).collect();
    let wanted = |likeness: &Likeness| likeness.least() >= 4 && likeness.similarity() >= 0.75;
    let mut index = NearIndex::new();
    let (mut all, mut found) = (0, 0);
    for (i, sketch) in sketches.iter().enumerate() {
        let older = sketches[..i]
            .iter()
            .map(|older| Likeness::between(sketch.normal(), older.normal()))
            .filter(wanted);
        let best = older.map(|likeness| likeness.similarity()).max_by(f32::total_cmp);
        let hit = index
            .nearest(sketch, |_, likeness| wanted(likeness).then_some(()))
            .map(|hit| hit.likeness.similarity());
        assert!(hit <= best);
        all += usize::from(best.is_some());
        found += usize::from(best.is_some() && hit == best);
        index.insert(sketch);
    }
    assert!(all > 200, "{all} pairs");
    assert!(found * 1000 >= all * 990, "{found} of {all}");
}

/// A withdrawn text is found no more, and what stays is found as before.
#[test]
fn what_is_removed_never_matches() {
    let stream = Maker(17).stream(300);
    let sketches: Vec<Sketch> = stream.iter().map(|(text, _)| Sketch::new(normalise(text))).collect();
    let mut index = NearIndex::new();
    sketches.iter().for_each(|sketch| {
        index.insert(sketch);
    });
    let gone = |id: u32| id.is_multiple_of(3);
    for id in (0..sketches.len() as u32).filter(|&id| gone(id)) {
        assert_eq!(index.remove(id), !sketches[id as usize].normal().is_empty());
        assert!(!index.remove(id));
    }
    let mut found = 0;
    for (id, sketch) in sketches.iter().enumerate() {
        let same = index.nearest(sketch, |_, likeness| likeness.same_words().then_some(()));
        assert!(same.is_none_or(|same| !gone(same.id)));
        let kept = sketches
            .iter()
            .enumerate()
            .any(|(other, s)| !gone(other as u32) && s.normal() == sketch.normal());
        found += usize::from(same.is_some());
        assert!(same.is_some() || !kept || sketch.normal().is_empty(), "{id}");
    }
    assert!(found > 150, "{found}");
    let id = index.insert(&sketches[0]);
    assert_eq!(id as usize, sketches.len(), "numbers are not given twice");
}

/// Bytes that somebody else keeps.
#[derive(Clone, Default)]
struct Elsewhere(Arc<Mutex<Vec<u8>>>);

impl TextStore for Elsewhere {
    fn append(&mut self, bytes: &[u8]) -> Result<(), TextStoreError> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(())
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), TextStoreError> {
        into.copy_from_slice(&self.0.lock().unwrap()[at as usize..][..into.len()]);
        Ok(())
    }

    fn erase(&mut self, at: u64, bytes: u64) -> Result<(), TextStoreError> {
        self.0.lock().unwrap()[at as usize..][..bytes as usize].fill(0);
        Ok(())
    }
}

/// How much memory an index may take changes no answer, and a withdrawn text is kept nowhere.
#[test]
fn what_memory_has_no_room_for_is_kept_elsewhere_and_erased_there() {
    let secret = "nobody shall find this sentence about a violet umbrella again";
    for (seed, memory) in [(19, 0), (20, 1 << 16), (21, 1 << 18)] {
        let stream = Maker(seed).stream(900);
        let texts = stream.iter().map(|(text, _)| text.as_str()).chain([secret]);
        let sketches: Vec<Sketch> = texts.map(|text| Sketch::new(normalise(text))).collect();
        let stores: Arc<Mutex<Vec<Elsewhere>>> = Arc::default();
        let kept = stores.clone();
        let make: MakeStore = Arc::new(move || {
            let store = Elsewhere::default();
            kept.lock().unwrap().push(store.clone());
            Ok(Box::new(store))
        });
        let mut indexes = [NearIndex::new(), NearIndex::bounded(memory, make)];
        for (number, sketch) in sketches.iter().enumerate() {
            let [near, far] = indexes.each_mut().map(|index| {
                let found = index.nearest(sketch, |_, likeness| likeness.is_same_text().then_some(()));
                index.insert(sketch);
                if number % 7 == 0 {
                    index.remove(number as u32 / 2);
                }
                found
            });
            assert_eq!(near, far, "{seed} {number}");
        }
        let has = |words: &str| {
            let stores = stores.lock().unwrap();
            stores.iter().any(|store| String::from_utf8_lossy(&store.0.lock().unwrap()).contains(words))
        };
        assert!(has("violet umbrella"));
        assert!(indexes[1].remove(sketches.len() as u32 - 1));
        assert!(!has("violet") && !has("umbrella") && has(sketches[899].normal()));
        assert!(indexes[1].failure().is_none());
    }
}

#[test]
fn thread_count_does_not_matter() {
    let stream = Maker(23).stream(400);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| gates().check_batch(&views(&stream)))
    };
    assert_eq!(run(1), run(5));
}

#[test]
fn hostile_text_ends_in_a_verdict() {
    let mut gates = gates();
    let megabyte = "a".repeat(1 << 20);
    assert_eq!(one(&mut gates, &megabyte, "a").verdict, Verdict::Reject(Reason::TooLong));
    let limit = gates.config().schema.text_bytes_max;
    let long_word = "a".repeat(limit);
    let repeated = "no ".repeat(limit / 3);
    let ligatures = "\u{FDFA}".repeat(limit / 3);
    let marks = format!("a{}", "\u{301}".repeat(limit / 2 - 1));
    for text in [&long_word, &repeated, &ligatures, &marks] {
        assert_eq!(one(&mut gates, text, "a").verdict, Verdict::Reject(Reason::RepeatedText));
    }
    let original = "where do i find the opening hours of the library";
    assert_eq!(one(&mut gates, original, "a"), Finding::PASS);
    for (text, reason) in [
        ("WHERE do i find\u{2003}the opening hours of the library", Reason::ExactDuplicate),
        ("wh\u{200B}ere do i find the op\u{AD}ening hours of the library\u{FEFF}", Reason::ExactDuplicate),
        ("\u{202E}where do i find the opening hours of the library\u{202C}", Reason::ExactDuplicate),
        ("ｗｈｅｒｅ do i find the 𝐨𝐩𝐞𝐧𝐢𝐧𝐠 hours of the library", Reason::ExactDuplicate),
        ("where, do i find; the opening hours... of the library?!", Reason::NearDuplicate),
        ("where do i find the opening\0hours of the library", Reason::ControlCharacters),
        ("\u{200B}\u{FEFF}", Reason::EmptyText),
    ] {
        assert_eq!(one(&mut gates, text, "a").verdict, Verdict::Reject(reason), "{text:?}");
    }
}

#[test]
fn a_flood_of_lookalikes_is_not_quadratic() {
    let mut gates = gates();
    let texts: Vec<String> = (0..6_000)
        .map(|i| {
            format!("please accept the record with the name {} in the register of names", Maker(i).word())
        })
        .collect();
    let views: Vec<_> = texts.iter().map(|text| RecordView::text(text, "a")).collect();
    let findings = gates.check_batch(&views);
    assert_eq!(findings.len(), 6_000);
    assert!(findings.iter().any(|finding| finding.verdict == Verdict::Pass));
}

#[test]
fn settings_are_read_with_defaults_and_checked() {
    let config: GateConfig =
        serde_json::from_str(r#"{"near": {"hold_similarity": 0.8}, "schema": {"label": {"one_of": ["a"]}}}"#)
            .unwrap();
    assert_eq!(config.near.reject_similarity, GateConfig::default().near.reject_similarity);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<GateConfig>(&text).unwrap(), config);
    assert!(serde_json::from_str::<GateConfig>(r#"{"nera": {}}"#).is_err());
    for (change, field) in [
        (r#"{"near": {"hold_similarity": 0.95}}"#, "near"),
        (r#"{"rows": {"reject_distance": 0.5}}"#, "rows.reject_distance"),
        (r#"{"benchmark": {"reject_containment": 0.1}}"#, "benchmark.reject_containment"),
    ] {
        let config: GateConfig = serde_json::from_str(change).unwrap();
        assert_eq!(Gates::new(config, &[]).err().map(|error| error.field), Some(field));
    }
    let broken = GateConfig {
        near: assay_quality::NearRule { hold_similarity: f32::NAN, ..Default::default() },
        ..Default::default()
    };
    assert!(broken.validate().is_err());
}

#[test]
fn reasons_have_one_definition() {
    let mut codes: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Reason::ALL.len());
    for &reason in Reason::ALL {
        assert!(reason.code().chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        assert!(reason.sentence().ends_with('.') && reason.advice().ends_with('.'));
        assert_eq!(Reason::from_code(reason.code()), Some(reason));
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
    }
    let finding = Finding {
        verdict: Verdict::Hold(Reason::PossibleNearDuplicate),
        original: Some(RecordRef(7)),
        similarity: Some(0.5),
        evidence: None,
    };
    let json = serde_json::json!({"verdict": "hold", "reason": "possible_near_duplicate", "original": 7, "similarity": 0.5, "evidence": null});
    assert_eq!(serde_json::to_value(finding).unwrap(), json);
}

/// docs/GATES.md says of every reason what was found and what can be done.
#[test]
fn every_reason_is_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/GATES.md");
    let text = std::fs::read_to_string(path).unwrap();
    for reason in Reason::ALL {
        let row = format!("| `{}` | {} | {} |", reason.code(), reason.sentence(), reason.advice());
        assert!(text.contains(&row), "docs/GATES.md lacks the row\n{row}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn batches_do_not_matter(seed in any::<u64>(), cuts in prop::collection::vec(1usize..40, 1..20)) {
        let stream = Maker(seed).stream(150);
        let views = views(&stream);
        let whole = gates().check_batch(&views);
        let mut piecewise = gates();
        let mut found = Vec::new();
        let mut rest = views.as_slice();
        for cut in cuts.into_iter().chain(std::iter::repeat(views.len())) {
            let (batch, tail) = rest.split_at(cut.min(rest.len()));
            found.extend(piecewise.check_batch(batch));
            rest = tail;
            if rest.is_empty() { break; }
        }
        prop_assert_eq!(whole, found);
    }

    /// Replaying the originals restores the gates: what comes next is judged as without the interruption.
    #[test]
    fn seeds_restore_the_gates(seed in any::<u64>(), cut in 1usize..149) {
        let stream = Maker(seed).stream(150);
        let views = views(&stream);
        let whole = gates().check_batch(&views);
        let kept: Vec<usize> = (0..cut).filter(|&i| !whole[i].verdict.is_reject()).collect();
        let originals: Vec<_> = kept.iter().map(|&i| views[i]).collect();
        let mut restored = gates();
        restored.seed(&originals);
        let position = |at: RecordRef| kept.get(at.0 as usize).copied().unwrap_or_else(|| at.0 as usize + cut - kept.len());
        let found: Vec<_> = restored.check_batch(&views[cut..]).into_iter()
            .map(|finding| Finding { original: finding.original.map(|at| RecordRef(position(at) as u64)), ..finding }).collect();
        prop_assert_eq!(&whole[cut..], &found[..]);
    }

    /// Labels matter only by being the same or not.
    #[test]
    fn renaming_labels_changes_nothing(seed in any::<u64>()) {
        let stream = Maker(seed).stream(120);
        let renamed: Vec<_> = stream.iter().map(|(text, label)| (text.clone(), format!("label {label}"))).collect();
        prop_assert_eq!(gates().check_batch(&views(&stream)), gates().check_batch(&views(&renamed)));
    }

    #[test]
    fn every_original_is_earlier_and_not_rejected(seed in any::<u64>()) {
        let stream = Maker(seed).stream(150);
        let findings = gates().check_batch(&views(&stream));
        for (i, finding) in findings.iter().enumerate() {
            if let Some(at) = finding.original {
                prop_assert!((at.0 as usize) < i);
                prop_assert!(!findings[at.0 as usize].verdict.is_reject());
            }
        }
    }

    #[test]
    fn any_record_ends_in_a_verdict(
        texts in prop::collection::vec(prop::option::of("\\PC{0,30}|[a-c ]{0,30}"), 1..20),
        numbers in prop::collection::vec(prop::num::f64::ANY, 0..12),
        label in prop::option::of("\\PC{0,5}"),
    ) {
        let records: Vec<_> = texts.iter().enumerate().map(|(i, text)| RecordView {
            text: text.as_deref(), numbers: &numbers[..i % (numbers.len() + 1)], label: label.as_deref(), ..RecordView::default()
        }).collect();
        let mut gates = Gates::new(GateConfig::default(), &records[..1]).unwrap();
        for (finding, record) in gates.check_batch(&records).iter().zip(&records) {
            let bad_number = finding.verdict == Verdict::Reject(Reason::BadNumber);
            prop_assert_eq!(bad_number, record.numbers.iter().any(|x| !x.is_finite()));
        }
    }
}
