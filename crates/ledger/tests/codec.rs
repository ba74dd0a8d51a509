//! The byte form: canonical by another implementation's judgement, strict and total (see also fuzz.rs).
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::disallowed_types)]

mod common;

use assay_ledger::codec::{CodecError, canonical, decode, encode};
use assay_ledger::commit::{Content, Salt, root};
use assay_ledger::ids::{AccountId, Digest, PublicKey};
use common::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const GOLDEN: &str = include_str!("golden/log-v1.jsonl");

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
