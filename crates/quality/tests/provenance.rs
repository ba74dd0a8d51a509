//! Licence, consent, ids, times and padding: what a record says of where it comes from, and what that gains who lies.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use assay_quality::{
    Claims, Finding, GateConfig, Gates, ProvenanceRule, Reason, RecordRef, RecordView, Verdict,
};
use proptest::prelude::*;

const OFFERED: i64 = 1_800_000_000;

fn gates() -> Gates {
    let provenance = ProvenanceRule {
        licences: Some(BTreeSet::from(["cc0-1.0".to_owned()])),
        consent: true,
        id: true,
        time: true,
        ..ProvenanceRule::default()
    };
    Gates::new(GateConfig { provenance, ..GateConfig::default() }, &[]).unwrap()
}

fn good(id: &str) -> Claims<'_> {
    Claims {
        licence: Some("CC0-1.0"),
        consent: true,
        id: Some(id),
        made: Some(OFFERED - 60),
        offered: OFFERED,
        unread_bytes: 0,
    }
}

const TEXTS: [&str; 4] = [
    "the ferry to the island leaves twice a day in winter",
    "a bakery on the corner sells rye bread from six in the morning",
    "she repaired the old radio with parts from a broken clock",
    "the committee voted to plant forty lime trees along the canal",
];

#[test]
fn an_id_is_used_once_by_a_sender() {
    let mut gates = gates();
    let mut send = |sender, text: usize, id| {
        let record = RecordView::text(TEXTS[text], "a").sent_by(sender).claiming(good(id));
        gates.check_batch(&[record])[0]
    };
    let repeated = Finding { original: Some(RecordRef(0)), ..rejected(Reason::RepeatedId) };
    assert_eq!(send("alice", 0, "1"), Finding::PASS);
    assert_eq!(send("bob", 1, "1"), Finding::PASS, "each sender counts from one");
    assert_eq!(send("alice", 2, "1"), repeated);
    assert_eq!(send("alice", 2, "2"), Finding::PASS, "the content may come again under an id of its own");
    let copy = send("alice", 0, "1");
    assert_eq!(copy.verdict, Verdict::Reject(Reason::ExactDuplicate), "the same file again is a copy");
    assert_eq!(send("alice", 3, "3 "), rejected(Reason::BadId));
}

fn rejected(reason: Reason) -> Finding {
    Finding { verdict: Verdict::Reject(reason), ..Finding::PASS }
}

/// A record that is refused for a claim owns neither its content nor its id.
#[test]
fn a_claim_can_be_put_right() {
    let mut gates = gates();
    let text = RecordView::text(TEXTS[0], "a").sent_by("alice");
    for (claims, reason) in [
        (Claims { licence: None, ..good("1") }, Reason::MissingLicence),
        (Claims { licence: Some("proprietary"), ..good("1") }, Reason::UnknownLicence),
        (Claims { consent: false, ..good("1") }, Reason::MissingConsent),
        (Claims { made: Some(OFFERED + 90_000), ..good("1") }, Reason::FutureTime),
        (Claims { unread_bytes: 1 << 20, ..good("1") }, Reason::PaddedRecord),
    ] {
        assert_eq!(gates.check_batch(&[text.claiming(claims)]), [rejected(reason)]);
    }
    assert_eq!(gates.check_batch(&[text.claiming(good("1"))]), [Finding::PASS]);
}

/// What makes a file longer and says nothing new is never let in as new.
#[test]
fn padding_adds_no_rows() {
    let mut gates = Gates::new(GateConfig::default(), &[]).unwrap();
    let record = RecordView::text(TEXTS[0], "a").sent_by("alice");
    assert_eq!(gates.check_batch(&[record]), [Finding::PASS]);
    let spaced = TEXTS[0].replace(' ', "   ");
    let dots = format!("{} ...", TEXTS[0]);
    let numbered: Vec<String> = (0..50).map(|i| format!("{} {i}", TEXTS[0])).collect();
    let made: Vec<&str> = [TEXTS[0], &spaced, &dots, "", "   ", "...", "\u{200B}"]
        .into_iter()
        .chain(numbered.iter().map(String::as_str))
        .collect();
    for (at, text) in made.iter().enumerate() {
        // A field that nobody reads makes no record new.
        let claims = Claims { id: Some(text), unread_bytes: at, ..Claims::default() };
        let found = gates.check_batch(&[RecordView::text(text, "a").sent_by("alice").claiming(claims)]);
        let few = at < made.len() - numbered.len() + 3;
        let number = at >= made.len() - numbered.len();
        assert!(found[0].verdict != Verdict::Pass || (number && few), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a record claims ends in a verdict, the same however the stream is cut, and no sender has an id twice.
    #[test]
    fn any_claim_ends_in_a_verdict(
        claims in prop::collection::vec((prop::option::of("[ -~]{0,12}|\\PC{0,6}"), any::<bool>(), prop::option::of("[1-3]|\\PC{0,4}"), any::<Option<i64>>(), any::<i64>()), 1..20),
        cut in 0usize..20,
    ) {
        let texts: Vec<String> = (0..claims.len()).map(|i| format!("{} {i}{i}{i}", TEXTS[i % 4])).collect();
        let records: Vec<_> = claims.iter().zip(&texts).enumerate().map(|(i, ((licence, consent, id, made, offered), text))| {
            let claims = Claims { licence: licence.as_deref().or(Some("CC0-1.0")), consent: *consent, id: id.as_deref(), made: *made, offered: *offered, unread_bytes: 0 };
            RecordView::text(text, "a").sent_by(["alice", "bob"][i % 2]).claiming(claims)
        }).collect();
        let whole = gates().check_batch(&records);
        let (head, tail) = records.split_at(cut.min(records.len()));
        let mut parts = gates();
        let mut found = parts.check_batch(head);
        found.extend(parts.check_batch(tail));
        prop_assert_eq!(&whole, &found);
        let mut seen = BTreeSet::new();
        for (record, finding) in records.iter().zip(&whole).filter(|(_, finding)| !finding.verdict.is_reject()) {
            prop_assert!(seen.insert((record.sender, record.claims.id)), "{:?}", finding);
            prop_assert!(record.claims.consent && record.claims.made.is_some());
        }
    }
}
