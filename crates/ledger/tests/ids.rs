//! Names are what their texts are, in the same order.
#![allow(clippy::unwrap_used)]

use assay_ledger::ids::{AccountId, Code, Digest, Nonce, Signature};
use proptest::prelude::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

proptest! {
    #[test]
    fn accounts_are_in_the_order_of_their_texts(a in "a[0-9a-f]{20}", at in 1..21_usize, digit in "[0-9a-f]") {
        let b = [&a[..at], &digit, &a[at + 1..]].concat();
        let (one, other): (AccountId, AccountId) = (a.parse().unwrap(), b.parse().unwrap());
        prop_assert_eq!(one.cmp(&other), a.cmp(&b));
        prop_assert_eq!(one == other, a == b);
        prop_assert_eq!(one.to_string(), a);
    }

    #[test]
    fn accounts_have_one_form(text in "[a-g]?[0-9a-gA-F\u{e9}]{19,21}") {
        let lower = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let valid = text.len() == 21 && text.starts_with('a') && text.bytes().all(lower);
        prop_assert_eq!(text.parse::<AccountId>().is_ok(), valid);
    }

    #[test]
    fn codes_are_in_the_order_of_their_texts(a in "[a-z0-9_.-]{1,30}", cut in 0..30_usize, b in "[a-z0-9_.-]{1,64}") {
        let near = format!("{}{b}", &a[..cut.min(a.len())]);
        for (a, b) in [(&a, &b), (&a, &near), (&near, &b)] {
            let (Ok(one), Ok(other)) = (a.parse::<Code>(), b.parse::<Code>()) else {
                prop_assert!(a.len().max(b.len()) > 64);
                continue;
            };
            prop_assert_eq!(one.cmp(&other), a.cmp(b));
            prop_assert_eq!(one == other, a == b);
            prop_assert_eq!(one.as_str(), a);
        }
    }

    #[test]
    fn fixed_bytes_are_lower_case_digits_in_their_order(
        a: [u8; 32], b: [u8; 32], at in 0..32_usize, long in prop::collection::vec(any::<u8>(), 64), wrong: u8,
    ) {
        prop_assert_eq!(Digest(a).to_string(), hex(&a));
        prop_assert_eq!(hex(&a).parse::<Digest>().unwrap(), Digest(a));
        let long: [u8; 64] = long.try_into().unwrap();
        prop_assert_eq!(hex(&long).parse::<Signature>().unwrap().to_string(), hex(&long));
        let mut near = a;
        near[at] = b[at];
        prop_assert_eq!(Digest(a).cmp(&Digest(b)), a.cmp(&b));
        prop_assert_eq!(Digest(a).cmp(&Digest(near)), a.cmp(&near));
        let [a, near]: [[u8; 16]; 2] = [a, near].map(|all| all[..16].try_into().unwrap());
        prop_assert_eq!(Nonce(a).cmp(&Nonce(near)), a.cmp(&near));
        let mut text = hex(&a).into_bytes();
        text[at] = wrong;
        let valid = wrong.is_ascii_digit() || (b'a'..=b'f').contains(&wrong);
        prop_assert_eq!(String::from_utf8_lossy(&text).parse::<Nonce>().is_ok(), valid);
    }
}
