//! Cosignatures, policies and the rule of a witness, against what the specifications say.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use assay_tlog::{
    AddCheckpoint, Checkpoint, ConsistencyProof, CosignerKey, CosignerSecret, Hash, KeyError, Note,
    NoteError, Policy, PolicyFault, Refusal, SignerKey, VerifierKey, Witnessed, leaf_hash, read_cosignatures,
    read_size, root, sign_checkpoint,
};
use proptest::prelude::*;

const ORIGIN: &str = "example.com/log";

fn log() -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[1; 32]).unwrap()
}

fn witness(i: u8) -> CosignerSecret {
    CosignerSecret::from_seed(&format!("w.example/{i}"), &[i; 32]).unwrap()
}

fn leaves(n: u64) -> Vec<Hash> {
    (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

fn head(size: u64) -> Note {
    sign_checkpoint(&Checkpoint::new(ORIGIN, size, root(&leaves(size))), &log()).unwrap()
}

fn growth(old: u64, new: u64) -> AddCheckpoint {
    let proof = ConsistencyProof::prove(old, new, &leaves(new)[..]).unwrap().hashes;
    AddCheckpoint { old, proof, note: head(new) }
}

fn known(size: u64) -> Witnessed {
    Witnessed { size, root: root(&leaves(size)) }
}

fn cosign(note: &mut Note, by: u8, time: u64) {
    let line = witness(by).cosign(note.text(), time);
    note.push(line).unwrap();
}

/// The message and the structure of the specification, put together here by hand.
#[test]
fn a_cosignature_is_what_the_specification_says() {
    let (key, time) = (witness(7), 1_679_315_147_u64);
    let text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    let message = format!("cosignature/v1\ntime 1679315147\n{text}");
    let line = key.cosign(text, time);
    assert_eq!(line.bytes().len(), 72);
    assert_eq!(line.bytes()[..8], time.to_be_bytes());
    assert_eq!(line.bytes()[8..], key.sign(message.as_bytes()));
    // The example line of the specification has the same form: 4 bytes of key id, 8 of time, 64 of signature.
    let example = format!(
        "{text}\n\u{2014} witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
    );
    let example = Note::parse(example.as_bytes()).unwrap();
    assert_eq!(example.signatures()[0].bytes()[..8], time.to_be_bytes());
    assert_eq!(example.signatures()[0].bytes().len(), 72);
}

#[test]
fn keys_of_logs_and_of_witnesses_are_never_taken_for_each_other() {
    let cosigner = witness(1).verifier().to_string();
    let verifier = log().verifier().to_string();
    assert_eq!(cosigner.parse::<CosignerKey>().unwrap().to_string(), cosigner);
    assert_eq!(cosigner.parse::<VerifierKey>(), Err(KeyError::Algorithm { got: 4, want: 1 }));
    assert_eq!(verifier.parse::<CosignerKey>(), Err(KeyError::Algorithm { got: 1, want: 4 }));
    let secret = witness(1).expose().to_string();
    assert_eq!(secret.parse::<CosignerSecret>().unwrap().verifier(), witness(1).verifier());
    assert!(secret.parse::<SignerKey>().is_err());
    // The same name and bytes have another id by type, so that the lines never meet.
    let same = SignerKey::from_seed(witness(1).verifier().name(), &[1; 32]).unwrap();
    assert_eq!(same.verifier().public_key(), witness(1).verifier().public_key());
    assert_ne!(same.verifier().id(), witness(1).verifier().id());
}

#[test]
fn cosignatures_are_found_on_a_note_and_a_wrong_one_rejects_it() {
    let mut note = head(5);
    let keys: Vec<CosignerKey> = (1..4).map(|i| witness(i).verifier().clone()).collect();
    assert_eq!(note.cosignatures(&keys), Ok(vec![]));
    for (i, time) in [(2, 20), (1, 10), (2, 22), (9, 90)] {
        cosign(&mut note, i, time);
    }
    let found = note.cosignatures(&keys).unwrap();
    let found: Vec<_> = found.iter().map(|c| (c.by.name(), c.time)).collect();
    assert_eq!(found, [("w.example/2", 22), ("w.example/1", 10)]);
    assert_eq!(note.verify(&[log().verifier().clone()]).unwrap(), [log().verifier()]);

    note.push(witness(3).cosign("another\n", 30)).unwrap();
    assert_eq!(note.cosignatures(&keys), Err(NoteError::BadSignature("w.example/3".into())));
    assert_eq!(note.cosignatures(&keys[..2]).unwrap().len(), 2, "an unknown key's line plays no part");
}

#[test]
fn every_bit_of_a_cosignature_counts() {
    let key = witness(1);
    let note = head(3);
    let line = key.cosign(note.text(), 1 << 40).bytes().to_vec();
    let answer = |bytes: &[u8]| {
        use base64::Engine as _;
        let id = key.verifier().id();
        let encoded = base64::engine::general_purpose::STANDARD.encode([&id[..], bytes].concat());
        let body = format!("\u{2014} w.example/1 {encoded}\n");
        read_cosignatures(&note, body.as_bytes(), key.verifier())
    };
    assert_eq!(answer(&line).unwrap().len(), 1);
    for bit in 0..line.len() * 8 {
        let mut changed = line.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(answer(&changed).is_err(), "bit {bit}");
    }
    assert!(answer(&line[..71]).is_err());
}

#[test]
fn answers_of_a_witness_are_read_with_care() {
    let note = head(3);
    let (mine, other) = (witness(1).cosign(note.text(), 1), witness(2).cosign(note.text(), 1));
    let read = |body: &str| read_cosignatures(&note, body.as_bytes(), witness(1).verifier());
    assert_eq!(read(&format!("{other}\n{mine}\n")).unwrap(), std::slice::from_ref(&mine));
    assert_eq!(read(&format!("{other}\n")), Err(NoteError::Unsigned));
    for bad in ["", "\n", "cosigned", &format!("{mine}"), &format!("more\n\n{mine}\n")] {
        assert!(read(bad).is_err(), "{bad:?}");
    }
    assert_eq!(read_size(b"20852163\n"), Some(20_852_163));
    for bad in ["", "7", "07\n", "7\n\n", "-7\n"] {
        assert_eq!(read_size(bad.as_bytes()), None);
    }
}

#[test]
fn a_request_is_written_as_the_specification_shows() {
    let request = growth(6, 7);
    let text = request.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "old 6");
    assert_eq!(lines[1..4].iter().filter(|line| line.len() == 44).count(), 3);
    assert_eq!((lines[4], lines[5], lines[6]), ("", ORIGIN, "7"));
    assert_eq!(AddCheckpoint::parse(text.as_bytes()), Ok(request));

    let hash = leaf_hash(b"").to_base64();
    let long = text.replacen("old 6\n", &format!("old 6\n{}", format!("{hash}\n").repeat(61)), 1);
    for bad in [
        String::new(),
        text.replacen("old ", "", 1),
        text.replacen("old 6", "old 06", 1),
        text.replacen("old 6\n", "old 6\nAAAA\n", 1),
        text.replacen("\n\n", "\n", 1),
        text.trim_end().to_owned(),
        long,
    ] {
        assert_eq!(AddCheckpoint::parse(bad.as_bytes()).unwrap_err().status(), 400, "{bad}");
    }
}

#[test]
fn a_witness_follows_growth_and_nothing_else() {
    let keys = [log().verifier().clone()];
    assert_eq!(growth(0, 7).judge(&keys, Witnessed::default()), Ok(known(7)));
    assert_eq!(growth(7, 9).judge(&keys, known(7)), Ok(known(9)));
    assert_eq!(growth(7, 7).judge(&keys, known(7)), Ok(known(7)), "the same again is cosigned again");
    assert_eq!(growth(0, 0).judge(&keys, Witnessed::default()), Ok(Witnessed::default()));

    let refused = |request: AddCheckpoint, known| request.judge(&keys, known).unwrap_err();
    assert_eq!(growth(0, 7).judge(&[], known(0)), Err(Refusal::UnknownLog(ORIGIN.into())));
    let stranger = [witness(2).verifier().public_key()].map(|key| VerifierKey::new(ORIGIN, key).unwrap());
    assert_eq!(growth(0, 7).judge(&stranger, known(0)), Err(Refusal::Unsigned(ORIGIN.into())));
    assert_eq!(refused(growth(6, 7), known(5)), Refusal::Conflict(5));
    assert_eq!(refused(growth(0, 7), known(5)), Refusal::Conflict(5));
    let shrunk = AddCheckpoint { old: 8, ..growth(7, 7) };
    assert_eq!(refused(shrunk, known(8)), Refusal::Shrunk { old: 8, new: 7 });

    let other = Checkpoint::new(ORIGIN, 7, leaf_hash(b"another history"));
    let fork = AddCheckpoint { note: sign_checkpoint(&other, &log()).unwrap(), ..growth(7, 7) };
    assert_eq!(refused(fork.clone(), known(7)), Refusal::Conflict(7));
    let fork = AddCheckpoint { old: 5, proof: growth(5, 7).proof, ..fork };
    assert_eq!(refused(fork.clone(), known(5)).status(), 422);
    assert_eq!(refused(AddCheckpoint { proof: vec![], ..growth(5, 7) }, known(5)).status(), 422);
    assert_eq!(refused(AddCheckpoint { old: 0, ..fork }, Witnessed::default()).status(), 422);
    let empty = Checkpoint::new(ORIGIN, 0, leaf_hash(b"not the empty root"));
    let empty = AddCheckpoint { old: 0, proof: vec![], note: sign_checkpoint(&empty, &log()).unwrap() };
    assert_eq!(refused(empty, Witnessed::default()).status(), 409);
    let statuses = [growth(6, 7).judge(&[], known(0)), growth(6, 7).judge(&stranger, known(0))];
    assert_eq!(statuses.map(|refusal| refusal.unwrap_err().status()), [404, 403]);
}

fn policy(rules: &str) -> String {
    let mut text = format!("log {} https://log.example\n", log().verifier());
    for i in 1..6 {
        text += &format!("witness w{i} {} http://w.example/{i}\n", witness(i).verifier());
    }
    text + rules
}

#[test]
fn policies_read_as_the_specification_says() {
    let text =
        policy("# two and one\n\n\t group X 2 w1 w2 w3 \ngroup Y any w4 w5\ngroup XY all X Y\nquorum XY\n");
    let policy_xy: Policy = text.parse().unwrap();
    assert_eq!(
        Policy::parse(&policy_xy.to_bytes()),
        Ok(policy_xy.clone()),
        "what is written is read as the same"
    );
    assert_eq!(policy_xy.logs()[0].url.as_deref(), Some("https://log.example"));
    assert_eq!(policy_xy.witnesses().count(), 5);
    for set in 0_u8..32 {
        let keys: Vec<CosignerKey> =
            (1..6).filter(|i| set >> (i - 1) & 1 == 1).map(|i| witness(i).verifier().clone()).collect();
        let want = (set & 7).count_ones() >= 2 && set & 24 != 0;
        assert_eq!(policy_xy.is_met(&keys.iter().collect::<Vec<_>>()), want, "{set:05b}");
    }
    assert!(policy("quorum none\n").parse::<Policy>().unwrap().is_met(&[]));
    assert!(Policy::parse(b"witness caf\xe9 ").is_err());
    let latin =
        [policy("").replace("w1", "WWW").as_bytes(), b"group g\xe9 1 w2\nquorum g\xe9 # x\n"].concat();
    assert_eq!(Policy::parse(&latin).unwrap_err().why, PolicyFault::Line, "a comment has a line of its own");
    let latin = [policy("").as_bytes(), b"group g\xe9 1 w2\nquorum g\xe9\n"].concat();
    assert!(Policy::parse(&latin).is_ok());
}

#[test]
fn policies_with_faults_are_refused_with_their_line() {
    let again = format!("witness again {}\n", witness(1).verifier());
    let mixed = format!("log {}\n", witness(1).verifier());
    for (rules, line, why) in [
        ("", 6, PolicyFault::Quorum),
        ("quorum none\nquorum none\n", 8, PolicyFault::Quorum),
        ("quorum later\ngroup later 1 w1\n", 7, PolicyFault::UnknownName),
        ("group g 1 g\nquorum g\n", 7, PolicyFault::UnknownName),
        ("group g 1 none\nquorum g\n", 7, PolicyFault::UnknownName),
        ("group w1 1 w2\nquorum w1\n", 7, PolicyFault::DuplicateName),
        ("group none 1 w2\nquorum none\n", 7, PolicyFault::DuplicateName),
        ("group g 1 w1 w1\nquorum g\n", 7, PolicyFault::DuplicateMember),
        ("group g 1 w1\ngroup h 1 w1\nquorum g\n", 8, PolicyFault::DuplicateMember),
        ("group g 0 w1\nquorum g\n", 7, PolicyFault::Threshold),
        ("group g 3 w1 w2\nquorum g\n", 7, PolicyFault::Threshold),
        ("group g 01 w1 w2\nquorum g\n", 7, PolicyFault::Line),
        ("group g all\nquorum g\n", 7, PolicyFault::Line),
        ("nonsense\n", 7, PolicyFault::Line),
        ("quorum none", 7, PolicyFault::Text),
        ("quorum\rnone\n", 1, PolicyFault::Text),
        (again.as_str(), 7, PolicyFault::DuplicateKey),
        (mixed.as_str(), 7, PolicyFault::Key(KeyError::Algorithm { got: 4, want: 1 })),
    ] {
        let error = policy(rules).parse::<Policy>().unwrap_err();
        assert_eq!((error.line, error.why), (line, why), "{rules}");
    }
}

#[test]
fn a_policy_opens_what_its_log_signed_and_its_quorum_cosigned() {
    let policy: Policy = policy("group two 2 w1 w2 w3\nquorum two\n").parse().unwrap();
    let mut note = head(5);
    let open = |note: &Note| policy.open(note.to_string().as_bytes());
    assert!(open(&note).unwrap_err().to_string().contains("nobody"));
    cosign(&mut note, 2, 2);
    cosign(&mut note, 4, 4);
    assert!(open(&note).unwrap_err().to_string().contains("w.example/2, w.example/4"));
    cosign(&mut note, 3, 3);
    let trusted = open(&note).unwrap();
    assert_eq!(trusted.checkpoint.size, 5);
    assert_eq!(trusted.witnesses.len(), 3);

    let stranger = SignerKey::from_seed(ORIGIN, &[2; 32]).unwrap();
    assert!(policy.open_with(note.to_string().as_bytes(), &[stranger.verifier().clone()]).is_err());
    let elsewhere = Checkpoint::new("example.com/other", 5, root(&leaves(5)));
    let elsewhere = sign_checkpoint(&elsewhere, &log()).unwrap();
    assert!(open(&elsewhere).unwrap_err().to_string().contains("of log example.com/other"));
}

proptest! {
    /// Whatever requests come in whatever order: what was cosigned is one history.
    #[test]
    fn what_a_witness_cosigns_is_one_history(steps in prop::collection::vec((0_u64..12, 0_u64..12, any::<bool>()), 1..40)) {
        let keys = [log().verifier().clone()];
        let forked: Vec<Hash> = (0..12_u64).map(|i| leaf_hash(&[i as u8; 3])).collect();
        let (mut known, mut sides, mut sizes) = (Witnessed::default(), BTreeSet::new(), vec![0]);
        for (old, new, fork) in steps {
            let request = match fork {
                false => { if old > new { continue } growth(old, new) }
                true => {
                    let size = new as usize;
                    let proof = ConsistencyProof::prove(old.min(new), new, &forked[..size]).unwrap().hashes;
                    let head = Checkpoint::new(ORIGIN, new, root(&forked[..size]));
                    AddCheckpoint { old: old.min(new), proof, note: sign_checkpoint(&head, &log()).unwrap() }
                }
            };
            if let Ok(next) = request.judge(&keys, known) {
                prop_assert!(next.size >= known.size);
                if next.size > 0 { sides.insert(fork); }
                sizes.push(next.size);
                known = next;
            }
        }
        prop_assert!(sides.len() <= 1, "both histories were cosigned");
    }

    #[test]
    fn parsers_of_requests_and_policies_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0_usize..600, flip in 0_usize..600) {
        let _ = AddCheckpoint::parse(&bytes);
        let _ = Policy::parse(&bytes);
        let mut request = growth(3, 7).to_string().into_bytes();
        let at = flip % request.len();
        request[at] ^= 1 << (flip % 8);
        request.truncate(cut.max(1));
        if let Ok(read) = AddCheckpoint::parse(&request) {
            prop_assert_eq!(read.to_string().into_bytes(), request);
        }
        let mut text = policy("group g 2 w1 w2 w3\nquorum g\n").into_bytes();
        let at = flip % text.len();
        text[at] ^= 1 << (flip % 8);
        if let Ok(read) = Policy::parse(&text) {
            prop_assert!(Policy::parse(&read.to_bytes()) == Ok(read));
        }
    }
}
