//! Published vectors: the reference tree of Certificate Transparency (as in transparency-dev/merkle), the notes of
//! golang.org/x/mod/sumdb/note, and the examples of the C2SP specifications.
#![allow(clippy::unwrap_used)]

use assay_tlog::{
    ConsistencyProof, Frontier, Hash, InclusionProof, Note, NoteError, SignerKey, Tile, VerifierKey,
    empty_root, growth, leaf_hash, open_checkpoint, root,
};

const ENTRIES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const A: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const B: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const C: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const D: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const E: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const F: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const G: &str = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f";

fn leaves() -> Vec<Hash> {
    ENTRIES.iter().map(|entry| leaf_hash(entry)).collect()
}

fn hashes(texts: &[&str]) -> Vec<Hash> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn roots_of_the_reference_tree() {
    assert_eq!(empty_root().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let leaves = leaves();
    let mut frontier = Frontier::new();
    for (size, want) in (1..).zip(ROOTS) {
        frontier.append(leaves[size - 1]);
        assert_eq!(root(&leaves[..size]).to_string(), want);
        assert_eq!(frontier.root().to_string(), want);
    }
}

#[test]
fn inclusion_proofs_of_the_reference_tree() {
    let leaves = leaves();
    let cases: [(u64, u64, &[&str]); 5] = [
        (0, 1, &[]),
        (0, 8, &[A, B, C]),
        (5, 8, &[D, E, ROOTS[3]]),
        (2, 3, &[ROOTS[1]]),
        (1, 5, &[ROOTS[0], B, D]),
    ];
    for (index, size, want) in cases {
        let proof = InclusionProof::prove(index, size, &leaves[..]).unwrap();
        assert_eq!(proof.hashes, hashes(want), "entry {index} of {size}");
        let root = ROOTS[size as usize - 1].parse().unwrap();
        assert_eq!(proof.verify(&leaves[index as usize], &root), Ok(()));
    }
}

#[test]
fn consistency_proofs_of_the_reference_tree() {
    let leaves = leaves();
    let cases: [(u64, u64, &[&str]); 5] = [
        (1, 1, &[]),
        (1, 8, &[A, B, C]),
        (6, 8, &[F, E, ROOTS[3]]),
        (2, 5, &[B, D]),
        (6, 7, &[F, G, ROOTS[3]]),
    ];
    for (old, new, want) in cases {
        let proof = ConsistencyProof::prove(old, new, &leaves[..]).unwrap();
        assert_eq!(proof.hashes, hashes(want), "{old} to {new}");
        let [old, new] = [old, new].map(|size| ROOTS[size as usize - 1].parse().unwrap());
        assert_eq!(proof.verify(&old, &new), Ok(()));
    }
}

#[test]
fn tiles_of_the_specification() {
    assert_eq!("tile/3/x001/x234/067".parse::<Tile>().unwrap().index(), 1_234_067);
    let partial: Vec<String> =
        growth(0, 70_000).map(|tile| tile.path()).filter(|path| path.contains(".p/")).collect();
    assert_eq!(partial, ["tile/entries/273.p/112", "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    assert_eq!(growth(0, 70_000).count(), 2 * 273 + 1 + 4);
    let paths: Vec<String> = growth(0, 256).map(|tile| tile.path()).collect();
    assert_eq!(paths, ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
}

const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const PETER_SECRET: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PETER_LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const ENOCH_LINE: &str = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

#[test]
fn notes_of_the_go_checksum_database() {
    let peter: VerifierKey = PETER.parse().unwrap();
    let enoch: VerifierKey = ENOCH.parse().unwrap();
    let secret: SignerKey = PETER_SECRET.parse().unwrap();
    assert_eq!((secret.verifier(), secret.expose().as_str()), (&peter, PETER_SECRET));
    assert_eq!(Note::sign(TEXT, &[&secret]).unwrap().to_string(), format!("{TEXT}\n{PETER_LINE}"));

    let both = Note::parse(format!("{TEXT}\n{PETER_LINE}{ENOCH_LINE}").as_bytes()).unwrap();
    assert_eq!(both.text(), TEXT);
    assert_eq!(both.verify(&[]), Err(NoteError::Unsigned));
    assert_eq!(both.verify(std::slice::from_ref(&enoch)), Ok(vec![&enoch]));
    assert_eq!(both.verify(&[enoch.clone(), peter.clone()]), Ok(vec![&peter, &enoch]));

    // The same name and id with another signature: known, and wrong, so the whole note falls.
    let forged = PETER_LINE.replace("ZJku", "ABCD");
    let note = Note::parse(format!("{TEXT}\n{forged}{ENOCH_LINE}").as_bytes()).unwrap();
    assert_eq!(note.verify(std::slice::from_ref(&enoch)), Ok(vec![&enoch]));
    assert_eq!(note.verify(&[enoch, peter]), Err(NoteError::BadSignature("PeterNeumann".into())));
}

#[test]
fn a_checkpoint_of_the_go_checksum_database() {
    let key: VerifierKey =
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8".parse().unwrap();
    let origin = "go.sum database tree";
    let note = "go.sum database tree\n63096908\n8lHrQPRYe4KT4WQ9/Qk8/taKnD6IRHbFgfN7vQE2Y54=\n\n\
                — sum.golang.org Az3gri/oVBN1jAhNZ/iS+W31psFAWRT20/GyrhpU6taFwulQGetBkH5S7wpGXdS935jiIGiUUAXBVHzT/P6fYhqAmAk=\n";
    let checkpoint = open_checkpoint(note.as_bytes(), &key, origin).unwrap();
    assert_eq!((checkpoint.origin.as_str(), checkpoint.size), (origin, 63_096_908));
    assert_eq!(checkpoint.root.to_base64(), "8lHrQPRYe4KT4WQ9/Qk8/taKnD6IRHbFgfN7vQE2Y54=");
    let grown = note.replace("63096908", "63096909");
    assert!(open_checkpoint(grown.as_bytes(), &key, origin).is_err());
    assert!(open_checkpoint(note.as_bytes(), &key, "another log").is_err());
}
