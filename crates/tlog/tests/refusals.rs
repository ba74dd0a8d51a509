//! What keys, notes, checkpoints and receipts refuse, and in which words.
#![allow(clippy::unwrap_used)]

use assay_tlog::{
    Checkpoint, CheckpointError, Hash, InclusionProof, KeyError, MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES, Note,
    NoteError, ProofError, Receipt, ReceiptError, SignerKey, VerifierKey, is_key_name, leaf_hash,
    open_checkpoint, root, sign_checkpoint,
};

const ORIGIN: &str = "example.com/log";

fn signer(name: &str, seed: u8) -> SignerKey {
    SignerKey::from_seed(name, &[seed; 32]).unwrap()
}

#[test]
fn keys_are_read_in_one_form_only() {
    let key = signer(ORIGIN, 1);
    let (public, secret) = (key.verifier().to_string(), key.expose().to_string());
    assert_eq!(public.parse().as_ref(), Ok(key.verifier()));
    assert_eq!(secret.parse::<SignerKey>().unwrap().verifier(), key.verifier());

    let verifier = |text: &str| text.parse::<VerifierKey>().unwrap_err();
    assert_eq!(verifier(""), KeyError::Encoding);
    assert_eq!(verifier(&secret), KeyError::Encoding, "a private key is no verifier key");
    assert_eq!(verifier(&public[1..]), KeyError::Id);
    assert_eq!(verifier(&format!(" {public}")), KeyError::Name);
    assert_eq!(verifier(&format!("{public} ")), KeyError::Encoding);
    assert_eq!(verifier(&public.replacen("+A", "+B", 1)), KeyError::Algorithm { got: 0x05, want: 0x01 });
    assert_eq!(secret.replace("PRIVATE", "private").parse::<SignerKey>().unwrap_err(), KeyError::Encoding);
    assert_eq!(public.parse::<SignerKey>().unwrap_err(), KeyError::Encoding);

    for name in ["", "a b", "a+b", "a\u{a0}b", "a\nb", "a\u{1}"] {
        assert!(!is_key_name(name));
        assert_eq!(SignerKey::from_seed(name, &[1; 32]).unwrap_err(), KeyError::Name);
    }
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(VerifierKey::new("a", &identity), Err(KeyError::Point), "of small order");
}

#[test]
fn secrets_are_not_shown() {
    let key = signer(ORIGIN, 1);
    let shown = format!("{key:?}");
    assert!(shown.contains(ORIGIN) && shown.contains(".."));
    assert!(!shown.contains("1, 1, 1, 1"), "{shown}");
}

#[test]
fn notes_are_bounded() {
    let line = "\u{2014} a AAAAAAA=\n";
    let most = format!("\n\n{}", line.repeat(MAX_NOTE_SIGNATURES));
    assert_eq!(Note::parse(most.as_bytes()).unwrap().signatures().len(), MAX_NOTE_SIGNATURES);
    assert_eq!(Note::parse(format!("{most}{line}").as_bytes()), Err(NoteError::TooManySignatures));
    let long = vec![b'\n'; MAX_NOTE_BYTES + 1];
    assert_eq!(Note::parse(&long), Err(NoteError::TooLong(MAX_NOTE_BYTES + 1)));

    assert_eq!(Note::parse(b"text\n\n\xff"), Err(NoteError::Text));
    assert_eq!(Note::parse(format!("te\txt\n\n{line}").as_bytes()), Err(NoteError::Text));
    assert_eq!(Note::parse(b"text\n"), Err(NoteError::Layout));
    assert_eq!(Note::parse(format!("text\n\n{line}").trim_end().as_bytes()), Err(NoteError::Layout));
    assert_eq!(
        Note::parse(format!("text\n\n{line}{}", &line[3..]).as_bytes()),
        Err(NoteError::SignatureLine(2))
    );
    assert_eq!(Note::sign("no line feed", &[&signer("a", 1)]), Err(NoteError::Layout));
    assert!(Note::sign("text\n", &[]).is_err());
}

#[test]
fn a_second_signature_of_the_same_key_must_hold_too() {
    let key = signer("a", 1);
    let note = Note::sign("text\n", &[&key, &key]).unwrap();
    let known = std::slice::from_ref(key.verifier());
    assert_eq!(note.verify(known), Ok(vec![key.verifier()]));
    let other = Note::sign("other\n", &[&key]).unwrap();
    let line = other.signatures()[0].to_string();
    let mixed = Note::parse(format!("{note}{line}\n").as_bytes()).unwrap();
    assert_eq!(mixed.verify(known), Err(NoteError::BadSignature("a".into())));
}

#[test]
fn checkpoints_are_of_one_log() {
    let key = signer(ORIGIN, 1);
    let checkpoint = Checkpoint::new(ORIGIN, 2, leaf_hash(b""));
    let note = sign_checkpoint(&checkpoint, &key).unwrap().to_string();
    assert_eq!(open_checkpoint(note.as_bytes(), key.verifier(), ORIGIN), Ok(checkpoint.clone()));
    let error = open_checkpoint(note.as_bytes(), key.verifier(), "example.com/other").unwrap_err();
    assert_eq!(error.to_string(), "the checkpoint is of log example.com/log, not of example.com/other");
    let error = open_checkpoint(note.as_bytes(), signer(ORIGIN, 2).verifier(), ORIGIN).unwrap_err();
    assert_eq!(error, CheckpointError::Note(NoteError::Unsigned));

    for (origin, extension) in [("", ""), ("a\n9", ""), ("a", "x"), ("a", "\n"), ("a", "x\n\ny\n")] {
        let wrong = Checkpoint { extension: extension.into(), ..Checkpoint::new(origin, 2, leaf_hash(b"")) };
        assert!(sign_checkpoint(&wrong, &key).is_err(), "{origin:?} {extension:?}");
    }
    for (text, line) in [("a", 1), ("a\n01\nAAAA\n", 2), ("a\n1\n", 3), ("a\n1\nAAAA\n", 3)] {
        assert_eq!(text.parse::<Checkpoint>(), Err(CheckpointError::Line(line)), "{text:?}");
    }
}

#[test]
fn receipts_prove_one_entry_at_one_place() {
    let key = signer(ORIGIN, 1);
    let leaves: Vec<Hash> = (0..9_u8).map(|i| leaf_hash(&[i])).collect();
    let checkpoint = Checkpoint::new(ORIGIN, 9, root(&leaves));
    let note = sign_checkpoint(&checkpoint, &key).unwrap().to_string();
    let hashes = InclusionProof::prove(5, 9, &leaves[..]).unwrap().hashes;
    let receipt = Receipt { extra: None, index: 5, hashes, checkpoint: note };
    assert_eq!(receipt.verify(&[5], key.verifier(), ORIGIN), Ok(checkpoint));

    let mismatch = Err(ReceiptError::Proof(ProofError::Mismatch));
    assert_eq!(receipt.verify(&[6], key.verifier(), ORIGIN), mismatch);
    assert_eq!(Receipt { index: 4, ..receipt.clone() }.verify(&[5], key.verifier(), ORIGIN), mismatch);
    let outside = Receipt { index: 9, ..receipt.clone() }.verify(&[5], key.verifier(), ORIGIN).unwrap_err();
    assert_eq!(outside.to_string(), "entry 9 is outside a tree of 9 entries");
    assert!(receipt.verify(&[5], signer(ORIGIN, 2).verifier(), ORIGIN).is_err());
    assert!(receipt.verify(&[5], key.verifier(), "example.com/other").is_err());

    let text = receipt.to_string();
    let long =
        text.replacen("\n\n", &format!("\n{}\n", format!("{}\n", leaves[0].to_base64()).repeat(65)), 1);
    for (bad, line) in [
        (text.replace("@v1", "@v2"), 1),
        (text.replace("index 5", "index 05"), 2),
        (text.replace("index 5", "extra *\nindex 5"), 2),
        (text.replace("index 5", "index 5\nextra AAAA"), 3),
        (text.replace("index 5", "extra AAAA\nextra AAAA\nindex 5"), 3),
        (text[..text.find("\n\n").unwrap()].to_owned(), 6),
        (long, 67),
    ] {
        let error = Receipt::parse(bad.as_bytes()).unwrap_err();
        assert!(matches!(error, ReceiptError::Line { line: at, .. } if at == line), "{error} in {bad}");
    }
}
