//! The byte form: canonical by another implementation's judgement, strict and total (see also fuzz.rs).
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use assay_ledger::codec::{CodecError, canonical, decode, decode_entry, encode};
use assay_ledger::commit::{Content, Salt, root};
use assay_ledger::event::Cause;
use assay_ledger::ids::{AccountId, Digest, PublicKey};
use common::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const GOLDEN: &str = include_str!("golden/log-v1.jsonl");

/// One change to a piece of an entry, wherever the piece is.
const CHANGES: [(&str, &str); 34] = [
    (",", ", "),
    (":", ": "),
    ("{", "{ "),
    ("[", " ["),
    (",", ",,"),
    ("]", ",]"),
    ("}", ",}"),
    ("}", ",\"z\":1}"),
    ("}", "},{}"),
    ("{}", "[]"),
    ("{}", "null"),
    ("{}", "{\"postings\":[]}"),
    ("{}", "{\"settled\":[]}"),
    ("[", "[null,"),
    ("true", "false"),
    ("true", "\"true\""),
    (":1", ":1.0"),
    (":1", ":1e0"),
    (":1", ":-1"),
    (":1", ":01"),
    (":1", ":null"),
    (":1", ":\"1\""),
    (":1", ":-0"),
    (":1", ":9007199254740991"),
    (":1", ":9007199254740992"),
    (":1", ":4294967296"),
    (":1", ":18446744073709551617"),
    (":\"", ":\"0"),
    ("a", "\\u0061"),
    ("a", "A"),
    ("/", "\\/"),
    ("e", "\u{e9}"),
    ("\"kind\":", "\"Kind\":"),
    ("\"", "\\\""),
];

/// The line with one of [`CHANGES`] at one of the places that have the piece.
fn changed(line: &str, change: usize, place: usize) -> String {
    let (from, to) = CHANGES[change % CHANGES.len()];
    let places: Vec<_> = line.match_indices(from).collect();
    let Some(&(at, _)) = places.get(place % places.len().max(1)) else {
        return line.to_owned();
    };
    [&line[..at], to, &line[at + from.len()..]].concat()
}

/// The line with two neighbouring members or items exchanged, doubled, or the first of them gone.
fn moved(line: &str, place: usize, how: usize) -> String {
    let places: Vec<_> = line.match_indices(',').collect();
    let (at, _) = places[place % places.len()];
    let (before, after) = (line[..at].rfind(['{', '[', ',']), line[at + 1..].find(['}', ']', ',']));
    let (start, end) = (before.unwrap() + 1, at + 1 + after.unwrap());
    let (one, other) = (&line[start..at], &line[at + 1..end]);
    let between = match how % 3 {
        0 => format!("{other},{one}"),
        1 => format!("{one},{one},{other}"),
        _ => other.to_owned(),
    };
    [&line[..start], &between, &line[end..]].concat()
}

fn lines() -> impl Strategy<Value = &'static str> {
    prop::sample::select(GOLDEN.lines().collect::<Vec<_>>())
}

fn values() -> impl Strategy<Value = Value> {
    let number = prop_oneof![Just(0), Just(-1), -9_007_199_254_740_991..=9_007_199_254_740_991_i64];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let object = prop::collection::btree_map("[ -~]{0,8}", inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::from),
            object.prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn another_canonicaliser_agrees(value in values()) {
        prop_assert_eq!(canonical(&value).unwrap(), serde_json_canonicalizer::to_vec(&value).unwrap());
    }

    #[test]
    fn what_is_read_is_what_the_plain_rule_reads(
        line in lines(),
        changes in prop::collection::vec((any::<usize>(), any::<usize>(), any::<bool>()), 1..3),
        flip in prop::option::of((any::<usize>(), 0..8)),
    ) {
        let mut text = line.to_owned();
        for (what, place, within) in changes {
            text = if within { changed(&text, what, place) } else { moved(&text, place, what) };
        }
        let mut bytes = text.into_bytes();
        if let Some((at, bit)) = flip {
            let at = at % bytes.len();
            bytes[at] ^= 1_u8 << bit;
        }
        prop_assert_eq!(decode(&bytes).ok(), plain(&bytes));
        if let Ok(entry) = decode_entry(&bytes) {
            let Cause::Command(signed) = &entry.event().cause else { return Ok(()) };
            prop_assert_eq!(entry.intent(), Some(Digest::of(&canonical(&signed.intent).unwrap())));
        }
        prop_assert_eq!(decode(line.as_bytes()).ok(), plain(line.as_bytes()));
    }

    #[test]
    fn what_is_written_is_canonical(line in lines(), seq in any::<u64>(), t in any::<u64>(), origin in any::<String>()) {
        let mut event = decode(line.as_bytes()).unwrap();
        (event.seq, event.t) = (seq, t >> 12);
        prop_assert_eq!(encode(&event), canonical(&event));
        event.seq >>= 11;
        if let Cause::Command(signed) = &mut event.cause {
            signed.intent.origin = origin;
            let intent = canonical(&signed.intent).unwrap();
            prop_assert_eq!(signed.intent.digest().unwrap(), Digest::of(&intent));
        }
        let bytes = canonical(&event).unwrap();
        prop_assert_eq!(&encode(&event).unwrap(), &bytes);
        prop_assert_eq!(&decode(&bytes).unwrap(), &event);
        let entry = decode_entry(&bytes).unwrap();
        prop_assert_eq!(entry.event(), &event);
        let intent = match &event.cause {
            Cause::Command(signed) => Some(Digest::of(&canonical(&signed.intent).unwrap())),
            Cause::Earlier(_) => None,
        };
        prop_assert_eq!(entry.intent(), intent);
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode(&bytes).is_err());
    }
}

#[test]
fn what_json_cannot_carry_exactly_has_no_canonical_form() {
    for value in [json!(0.5), json!(1e300), json!(-0.0), json!(1_u64 << 53), json!(u64::MAX), json!(i64::MIN)]
    {
        assert!(matches!(canonical(&value), Err(CodecError::Number(_))), "{value}");
    }
    assert!(matches!(canonical(&json!({"é": 1})), Err(CodecError::Key(_))));
}

#[test]
fn every_golden_entry_is_canonical_elsewhere_too() {
    for line in GOLDEN.lines() {
        let event = decode(line.as_bytes()).unwrap();
        assert_eq!(encode(&event).unwrap(), line.as_bytes());
        assert_eq!(serde_json_canonicalizer::to_vec(&event).unwrap(), line.as_bytes());
    }
}

/// Replaces the first occurrence.
fn with(line: &str, from: &str, to: &str) -> Vec<u8> {
    assert!(line.contains(from), "{from}");
    line.replacen(from, to, 1).into_bytes()
}

#[test]
fn other_spellings_of_the_same_entry_are_refused() {
    let line = GOLDEN.lines().find(|line| line.contains(r#""kind":"review""#)).unwrap();
    for bytes in [
        with(line, r#""v":1"#, r#""v": 1"#),
        with(line, r#""v":1"#, r#""v":1.0"#),
        with(line, r#""v":1"#, r#""v":1e0"#),
        with(line, r#""v":1"#, r#""v":"1""#),
        with(line, r#""v":1"#, r#""v":1,"v":1"#),
        with(line, r#""v":1"#, r#""v":1,"w":1"#),
        with(line, r#""v":1}"#, r#""v":1} "#),
        with(line, r#""outcome":{"#, r#""outcome":{"note":1,"#),
        with(line, r#""outcome":{}"#, r#""outcome":{"postings":[]}"#),
        with(line, r#""kind":"review""#, r#""kind":"review","kind":"review""#),
        with(line, r#""kind":"review""#, r#""kind":"\u0072eview""#),
        with(line, r#""kind":"review""#, r#""kind":"donate""#),
        with(line, r#""kind":"review""#, r#""extra":1,"kind":"review""#),
        with(line, r#""nonce":"0"#, r#""nonce":"A"#),
        [line.as_bytes(), line.as_bytes()].concat(),
        [b"\xef\xbb\xbf", line.as_bytes()].concat(),
        b"[".repeat(10_000),
        vec![b' '; 20_000],
    ] {
        assert!(decode(&bytes).is_err(), "{}", String::from_utf8_lossy(&bytes));
    }
    assert!(decode(line.as_bytes()).is_ok());
}

#[test]
fn commitments_are_hmacs_with_a_domain_of_their_own() {
    let salt = Salt(std::array::from_fn(|i| i as u8));
    let content = "café".as_bytes();
    // Computed with Python's hmac module.
    let expected = [
        (Content::Record, "2febf7ebb778103177a7ac7cc4f4f78eb9539a2fca8dd20686d4320c420143af"),
        (Content::Benchmark, "ccabebfa348bb8c9f1742c65901190e79b578e09aed006267d1b1efa34b912b2"),
        (Content::Query, "0ac8d855ec8c5b0df05f51ebdd8330be734eaeb7730f8c105ba5753a2114fa9e"),
        (Content::Answer, "00db3e03b11448db93ff0ec5eaf47558fecefc7884ce34b494d5b00294996f8b"),
    ];
    for (kind, hex) in expected {
        let commitment = kind.commit(&salt, ORIGIN, &net(), content);
        assert_eq!(commitment.to_string(), hex);
        for (other, _) in expected {
            assert_eq!(other.opens(&commitment, &salt, ORIGIN, &net(), content), other == kind);
        }
        assert!(!kind.opens(&commitment, &Salt([0; 32]), ORIGIN, &net(), content));
        assert!(!kind.opens(&commitment, &salt, "example.org/other", &net(), content));
        assert!(!kind.opens(&commitment, &salt, ORIGIN, &"digit".parse().unwrap(), content));
        assert!(!kind.opens(&commitment, &salt, ORIGIN, &net(), b"cafe"));
    }
    assert_eq!(format!("{salt:?}"), "Salt(..)");
}

#[test]
fn names_and_roots_by_another_implementation() {
    let leaves: Vec<Digest> = (0..3).map(|i| Digest([i; 32])).collect();
    let by_python = "ba8d94b7fbcecae7b81c4c80574fe24734a6917bf9c1ecd66ff3e0c34ead4620";
    assert_eq!(root(&leaves).to_string(), by_python);
    assert_eq!(root(&[]), Digest::of(b""));
    assert_eq!(AccountId::of(&PublicKey([7; 32])).as_str(), "a499f6d982f6bed0bf5d5");
}
