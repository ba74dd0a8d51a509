//! What must hold of each parser of this crate: it never panics, and what it accepts it writes back byte for byte.
#![allow(clippy::unwrap_used, unreachable_pub, dead_code)]

use assay_tlog::{
    AddCheckpoint, Checkpoint, ConsistencyProof, CosignerKey, CosignerSecret, Hash, InclusionProof, Note,
    Policy, Receipt, SignerKey, Tile, TileKind, TileSet, TileWriter, VerifierKey, Witnessed, bundle,
    leaf_hash, open_checkpoint, read_cosignatures, read_size, root, sign_checkpoint, verify_consistency,
    verify_inclusion,
};

use crate::mutate::Target;

pub const ORIGIN: &str = "example.com/log";

fn note(bytes: &[u8]) {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
        let signed = note.verify(std::slice::from_ref(signer().verifier())).is_ok();
        assert!(!signed || note.text() == checkpoint().to_string(), "a signature holds for another text");
    }
}

fn checkpoint_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(checkpoint) = text.parse::<Checkpoint>() {
        assert_eq!(checkpoint.to_string(), text);
    }
}

fn signed_checkpoint(bytes: &[u8]) {
    if let Ok(opened) = open_checkpoint(bytes, signer().verifier(), ORIGIN) {
        assert_eq!(opened, checkpoint(), "a checkpoint that nobody signed");
    }
}

fn receipt(bytes: &[u8]) {
    if let Ok(receipt) = Receipt::parse(bytes) {
        assert_eq!(receipt.to_string().as_bytes(), bytes);
        if receipt.verify(&entry(3), signer().verifier(), ORIGIN).is_ok() {
            assert_eq!(
                (receipt.index, &receipt.hashes),
                (3, &inclusion().hashes),
                "a proof that nobody made"
            );
        }
        assert!(Receipt::parse(bytes).unwrap().verify(b"never logged", signer().verifier(), ORIGIN).is_err());
    }
}

fn tile_path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(tile) = text.parse::<Tile>() {
        assert_eq!(tile.path(), text);
    }
}

fn entry_bundle(bytes: &[u8]) {
    for width in [0, 1, 3, 256] {
        let Ok(entries) = bundle::parse(bytes, width) else {
            continue;
        };
        let mut again = Vec::new();
        entries.iter().for_each(|entry| bundle::push(&mut again, entry).unwrap());
        assert_eq!(again, bytes);
    }
}

fn hash_tile(bytes: &[u8]) {
    for width in [1, 2, 255, 256] {
        let tile = Tile::new(TileKind::Hashes(0), 0, width).unwrap();
        let fits = bytes.len() == usize::from(width) * Hash::BYTES;
        assert_eq!(TileSet::new().insert(tile, bytes).is_ok(), fits);
        let _ = TileWriter::restore(width.into(), &[(tile, bytes.to_vec())]);
    }
}

fn verifier_key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
}

fn cosigner_key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(key) = text.parse::<CosignerKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(key) = text.parse::<CosignerSecret>() {
        assert_eq!(*key.expose(), text);
    }
}

/// The body of a witness's answer.
fn cosignature(bytes: &[u8]) {
    let note = sign_checkpoint(&checkpoint(), &signer()).unwrap();
    if let Ok(lines) = read_cosignatures(&note, bytes, witness().verifier()) {
        assert!(
            lines.iter().all(|line| *line == witness().cosign(note.text(), 9)),
            "a cosignature nobody made"
        );
    }
    if let Some(size) = read_size(bytes) {
        assert_eq!(format!("{size}\n").as_bytes(), bytes);
    }
}

fn add_checkpoint(bytes: &[u8]) {
    let Ok(request) = AddCheckpoint::parse(bytes) else {
        return;
    };
    assert_eq!(request.to_string().as_bytes(), bytes);
    let known = Witnessed { size: 3, root: root(&leaves()[..3]) };
    for known in [Witnessed::default(), known] {
        if let Ok(next) = request.judge(&[signer().verifier().clone()], known) {
            assert_eq!(next, Witnessed { size: 7, root: root(&leaves()) }, "a history that nobody signed");
        }
    }
}

fn policy(bytes: &[u8]) {
    let Ok(policy) = Policy::parse(bytes) else {
        return;
    };
    assert_eq!(Policy::parse(&policy.to_bytes()).as_ref(), Ok(&policy));
    let all: Vec<CosignerKey> = policy.witnesses().map(|witness| witness.key.clone()).collect();
    assert!(policy.is_met(&all.iter().collect::<Vec<_>>()), "a quorum that nobody can make");
    let signed = sign_checkpoint(&checkpoint(), &signer()).unwrap().to_string();
    if let Ok(trusted) = policy.open(signed.as_bytes()) {
        assert_eq!(trusted.checkpoint, checkpoint());
    }
}

fn signer_key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(key) = text.parse::<SignerKey>() {
        assert_eq!(*key.expose(), text);
    }
}

fn hash_text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(hash) = text.parse::<Hash>() {
        assert_eq!(hash.to_string(), text);
    }
    if let Ok(hash) = Hash::from_base64(text) {
        assert_eq!(hash.to_base64(), text);
    }
}

/// Two numbers, then hashes: nothing proves itself against the hash of other data.
fn proofs(bytes: &[u8]) {
    let Some((numbers, hashes)) = bytes.split_first_chunk::<16>() else {
        return;
    };
    let [index, size] =
        [&numbers[..8], &numbers[8..]].map(|eight| u64::from_be_bytes(eight.try_into().unwrap()));
    let hashes: Vec<Hash> = hashes.as_chunks().0.iter().map(|&hash| Hash(hash)).collect();
    let (leaf, root) = (leaf_hash(b"leaf"), leaf_hash(b"root"));
    assert!(verify_inclusion(index, size, &leaf, &hashes, &root).is_err());
    assert!(verify_consistency(index, size, &leaf, &root, &hashes).is_err());
}

pub fn entry(i: u8) -> Vec<u8> {
    vec![b'a' + i; 3]
}

pub fn leaves() -> Vec<Hash> {
    (0..7).map(|i| leaf_hash(&entry(i))).collect()
}

fn inclusion() -> InclusionProof {
    InclusionProof::prove(3, 7, &leaves()[..]).unwrap()
}

pub fn signer() -> SignerKey {
    SignerKey::from_seed(ORIGIN, &[1; 32]).unwrap()
}

fn witness() -> CosignerSecret {
    CosignerSecret::from_seed("w.example/2", &[2; 32]).unwrap()
}

/// What a log asks a witness that knows `old` entries.
fn request(old: u64) -> String {
    let proof = ConsistencyProof::prove(old, 7, &leaves()[..]).unwrap().hashes;
    AddCheckpoint { old, proof, note: sign_checkpoint(&checkpoint(), &signer()).unwrap() }.to_string()
}

fn policies() -> [String; 2] {
    let log = format!("# trusted\nlog {} https://log.example\n", signer().verifier());
    let witnesses: String = (1..4)
        .map(|i| CosignerSecret::from_seed("w", &[i; 32]).unwrap())
        .zip(1..)
        .map(|(key, i)| format!("witness w{i} {} http://w.example/{i}\n", key.verifier()))
        .collect();
    [
        format!("{log}quorum none\n"),
        format!("{log}{witnesses}group any any w1 w2\ngroup all all any w3\nquorum all\n"),
    ]
}

pub fn checkpoint() -> Checkpoint {
    Checkpoint::new(ORIGIN, 7, root(&leaves()))
}

/// The targets of this crate.
pub fn targets() -> Vec<Target> {
    let signed = sign_checkpoint(&checkpoint(), &signer()).unwrap().to_string();
    let other = SignerKey::from_seed("w.example/1", &[2; 32]).unwrap();
    let cosigned = Note::sign(&checkpoint().to_string(), &[&signer(), &other]).unwrap().to_string();
    let answer = format!("{}\n", witness().cosign(&checkpoint().to_string(), 9));
    let extended = format!("{}more\nlines\n", checkpoint());
    let plain = Receipt { extra: None, index: 3, hashes: inclusion().hashes, checkpoint: signed.clone() };
    let extra = Receipt { extra: Some(b"note".to_vec()), checkpoint: cosigned.clone(), ..plain.clone() };
    let files = TileWriter::new().grow(&[entry(0), vec![], entry(2)]).unwrap();
    let texts = |texts: &[String]| texts.iter().map(|text| text.clone().into_bytes()).collect::<Vec<_>>();
    let paths =
        ["tile/0/001", "tile/entries/x001/234.p/5", "tile/63/x018/x446/x744/x073/x709/x551/615.p/255"];
    let cosigners = [witness().verifier().to_string(), witness().expose().to_string()];
    let numbers = [3_u64.to_be_bytes(), 7_u64.to_be_bytes()].concat();
    let proof = [numbers, inclusion().hashes.iter().flat_map(|hash| hash.0).collect()].concat();
    vec![
        Target::new(
            "note",
            texts(&[signed.clone(), cosigned.clone(), "\n\n\u{2014} a AAAAAAA=\n".into()]),
            note,
        ),
        Target::new("checkpoint_text", texts(&[checkpoint().to_string(), extended]), checkpoint_text),
        Target::new("signed_checkpoint", texts(&[signed, cosigned]), signed_checkpoint),
        Target::new("proof_of_entry", texts(&[plain.to_string(), extra.to_string()]), receipt),
        Target::new("tile_path", texts(&paths.map(String::from)), tile_path),
        Target::new("entry_bundle", vec![files[0].1.clone()], entry_bundle),
        Target::new("hash_tile", vec![files[1].1.clone(), vec![0; 32 * 256]], hash_tile),
        Target::new("verifier_key", texts(&[signer().verifier().to_string()]), verifier_key),
        Target::new("cosigner_key", texts(&cosigners), cosigner_key),
        Target::new("cosignature", texts(&[answer, "7\n".into()]), cosignature),
        Target::new("add_checkpoint", texts(&[request(0), request(3)]), add_checkpoint),
        Target::new("policy", texts(&policies()), policy),
        Target::new("signer_key", texts(&[signer().expose().to_string()]), signer_key),
        Target::new("hash_text", texts(&[leaf_hash(b"").to_string(), leaf_hash(b"").to_base64()]), hash_text),
        Target::new("proofs", vec![proof, [[255; 16].as_slice(), &[0; 64 * 32]].concat()], proofs),
    ]
}
