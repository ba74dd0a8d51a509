//! Personal data by form and checksum, on a seeded set of made-up numbers: what is found, what is not mistaken for it,
//! and what a mask leaves.
#![allow(clippy::unwrap_used)]

#[path = "support/personal.rs"]
mod personal;

use assay_quality::{PersonalData, Reason};
use personal::{Draw, Kind};
use proptest::prelude::*;

fn found(text: &str) -> Vec<(Reason, String)> {
    let pieces = PersonalData::new().find(text);
    pieces.iter().map(|p| (p.reason, text[p.span.0 as usize..p.span.1 as usize].to_owned())).collect()
}

/// Published examples of the formats: the standards' own, or those that their issuers print.
#[test]
fn known_examples() {
    use Reason::{
        BankAccount, EmailAddress, NationalId, NetworkAddress, PaymentCard, SecretKey, TelephoneNumber,
    };
    for (text, reason, span) in [
        ("mail jane.doe+news@mail.example.co.uk.", EmailAddress, "jane.doe+news@mail.example.co.uk"),
        ("<müller@straße.de>", EmailAddress, "müller@straße.de"),
        ("IBAN GB82 WEST 1234 5698 7654 32, thanks", BankAccount, "GB82 WEST 1234 5698 7654 32"),
        ("IBAN:DE89370400440532013000", BankAccount, "DE89370400440532013000"),
        ("card 4111 1111 1111 1111 exp", PaymentCard, "4111 1111 1111 1111"),
        ("3782-822463-10005", PaymentCard, "3782-822463-10005"),
        ("5555555555554444", PaymentCard, "5555555555554444"),
        ("ssn 536-90-4399", NationalId, "536-90-4399"),
        ("CPF 529.982.247-25", NationalId, "529.982.247-25"),
        ("DNI 12345678Z", NationalId, "12345678Z"),
        ("cf RSSMRA85T10A562S", NationalId, "RSSMRA85T10A562S"),
        ("811218-9876 in Sweden", NationalId, "811218-9876"),
        ("SIN 046-454-286", NationalId, "046-454-286"),
        ("NIR 2 55 08 14 168 025 38", NationalId, "2 55 08 14 168 025 38"),
        ("call +44 20 7946 0958 now", TelephoneNumber, "+44 20 7946 0958"),
        ("(212) 736-5000", TelephoneNumber, "(212) 736-5000"),
        ("ring 020 7946 0958", TelephoneNumber, "020 7946 0958"),
        ("tél. 01 42 68 53 00", TelephoneNumber, "01 42 68 53 00"),
        ("phone: 7365000", TelephoneNumber, "7365000"),
        ("from 93.184.216.34:443", NetworkAddress, "93.184.216.34"),
        ("2606:2800:220:1:248:1893:25c8:1946", NetworkAddress, "2606:2800:220:1:248:1893:25c8:1946"),
        ("key AKIAIOSFODNN7EXAMPLE", SecretKey, "AKIAIOSFODNN7EXAMPLE"),
        ("password: hx7Tq92LmWp4ZsVd", SecretKey, "hx7Tq92LmWp4ZsVd"),
        ("postgres://app:s3cr3tPw9@db/x", SecretKey, "s3cr3tPw9"),
        ("ftp://app:s3cr3tPw9@files.firm.com/x", SecretKey, "s3cr3tPw9@files.firm.com"),
    ] {
        assert_eq!(found(text), [(reason, span.to_owned())], "{text}");
    }
}

#[test]
fn what_only_looks_like_it() {
    for text in [
        "info@company.com and noreply@shop.org, user@example.com",
        "call toll free 1-800-555-1234 or (888) 234-5678",
        "the reserved number (212) 555-0123",
        "version 1.2.3.4, section 10.2.3.1, host 192.168.100.200, 127.0.0.1",
        "2001:db8:85a3::8a2e:370:7334 is for examples; 12:30:45 is a time; fe80::1ff:fe23:4567:890a",
        "in 2010 2011 2012 and on 2021-03-04, 10-12-2020",
        "pages 123-45-67, ISBN 978-3-16-148410-0, DOI 10.1000/182.1234567",
        "order 4111 1111 1111 1112, card number 1234 5678 9012 3456",
        "GB82 WEST 1234 5698 7654 33 has a wrong check",
        "1,234,567,890 people and 3.14159265358979",
        "api_key=<your key here>, password: ********, token = {{token}}",
        "the secret: nobody knows it, token economy: internationalization",
        "+1000 points, 5+4000000000",
        "eyJust a word, sk-learn, hf_transfer, AKIAshort",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

/// Whether a piece covers a made-up value; of a named secret, the value without its name.
fn covers(piece: (u32, u32), value: (u32, u32), kind: Kind) -> bool {
    let start = if kind == Kind::NamedSecret { value.1 - 20 } else { value.0 };
    piece.0 <= start && piece.1 >= value.1
}

/// The set of `examples/text_personal.rs`, small: bars below what it prints.
#[test]
fn recall_and_false_positives_on_made_up_numbers() {
    let finder = PersonalData::new();
    let mut draw = Draw::new(11);
    for kind in Kind::ALL {
        let (mut hits, mut wrong) = (0, 0);
        for _ in 0..300 {
            let (text, span) = draw.sentence(&draw.clone().value(kind), true);
            let pieces = finder.find(&text);
            hits +=
                usize::from(pieces.iter().any(|p| p.reason == kind.reason() && covers(p.span, span, kind)));
            if let Some(broken) = draw.clone().broken(kind) {
                let (text, _) = draw.sentence(&broken, false);
                wrong += usize::from(finder.find(&text).iter().any(|p| p.reason == kind.reason()));
            }
            draw.skip();
        }
        assert!(hits >= 285, "{kind:?}: {hits} of 300 found");
        assert!(wrong <= 6, "{kind:?}: {wrong} of 300 with a wrong check taken for right");
    }
}

#[test]
fn a_mask_names_what_it_takes_out() {
    let finder = PersonalData::new();
    let mask = |text: &str| finder.mask(text).into_owned();
    assert_eq!(
        mask("Jane (jane@mail.org, +44 20 7946 0958) paid."),
        "Jane ([email_address], [telephone_number]) paid."
    );
    assert_eq!(mask("nothing to hide"), "nothing to hide");
    assert_eq!(mask("é4111 1111 1111 1111"), "é4111 1111 1111 1111", "glued to a letter");
    let overlap = "https://jane:hx7Tq92LmWp4@mail.org/x";
    let masked = mask(overlap);
    assert!(!masked.contains("hx7T") && masked.starts_with("https://") && masked.ends_with("/x"), "{masked}");
    let block = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1\n-----END RSA PRIVATE KEY-----";
    assert_eq!(mask(&format!("{block} tail")), "[secret_key] tail");
}

proptest! {
    /// Pieces are in order, apart, on borders; a masked text holds nothing more to mask.
    #[test]
    fn pieces_and_masks_are_sound(text in "([a-zé@.+()/ :=_-]{0,6}[0-9]{0,9}){0,16}|\\PC{0,60}") {
        let finder = PersonalData::new();
        let pieces = finder.find(&text);
        for pair in pieces.windows(2) {
            prop_assert!(pair[0].span.1 <= pair[1].span.0);
        }
        for piece in &pieces {
            prop_assert!(text.get(piece.span.0 as usize..piece.span.1 as usize).is_some_and(|s| !s.is_empty()));
            prop_assert!(piece.reason.is_personal());
        }
        prop_assert_eq!(finder.mask(&text) == text, pieces.is_empty());
    }
}
