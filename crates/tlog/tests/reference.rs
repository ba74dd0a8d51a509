//! Against independent implementations: the crates `tlog_tiles` and `signed_note`, ports of golang.org/x/mod/sumdb.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use assay_tlog::{
    Checkpoint, ConsistencyProof, Hash, InclusionProof, Note, SignerKey, Tile, TileFile, TileKind, TileSet,
    TileWriter, VerifierKey, leaf_hash, root, sign_checkpoint,
};
use proptest::prelude::*;
use signed_note::{StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::tlog;

const HEIGHT: u8 = 8;

/// Our published files, read by the other implementation.
struct Published(BTreeMap<String, Vec<u8>>);

impl tlog_tiles::TileReader for Published {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        Ok(tiles.iter().map(|tile| self.0[&c2sp_path(tile)].clone()).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

/// C2SP leaves out the height, and calls data `entries`.
fn c2sp_path(tile: &tlog_tiles::Tile) -> String {
    tile.path().replacen("tile/8/", "tile/", 1).replacen("tile/data/", "tile/entries/", 1)
}

/// Their parser panics on a width of 0 and on levels above 63, which the specification excludes.
fn they_read_path(path: &str) -> bool {
    let with_height = path.replacen("tile/", "tile/8/", 1);
    let level = path.split('/').nth(1).and_then(|level| level.parse::<u8>().ok());
    !path.ends_with(".p/0")
        && level.is_none_or(|level| level < 64)
        && tlog_tiles::Tile::from_path(&with_height).is_ok()
}

fn theirs(hash: &Hash) -> tlog::Hash {
    tlog::Hash(hash.0)
}

fn ours(hashes: Vec<tlog::Hash>) -> Vec<Hash> {
    hashes.into_iter().map(|hash| Hash(hash.0)).collect()
}

fn log(size: u64) -> (Vec<Hash>, Vec<TileFile>) {
    let entries: Vec<_> = (0..size).map(|i| format!("{{\"seq\":{i}}}")).collect();
    let files = TileWriter::new().grow(&entries).unwrap();
    (entries.iter().map(|entry| leaf_hash(entry.as_bytes())).collect(), files)
}

fn check_log(size: u64, picks: &[u64]) {
    let (leaves, files) = log(size);
    let tree_root = root(&leaves);
    let published = Published(files.iter().map(|(tile, bytes)| (tile.path(), bytes.clone())).collect());
    let reader = tlog_tiles::TileHashReader::new(size, theirs(&tree_root), &published);
    assert_eq!(tlog::tree_hash(size, &reader).unwrap(), theirs(&tree_root));

    let mut tiles = TileSet::new();
    for (tile, bytes) in files.iter().filter(|(tile, _)| tile.kind() != TileKind::Entries) {
        tiles.insert(*tile, bytes).unwrap();
    }
    for pick in picks {
        let index = pick % size;
        let leaf = leaves[index as usize];
        let their_proof = tlog::prove_record(size, index, &reader).unwrap();
        let proof = InclusionProof::prove(index, size, &tiles).unwrap();
        let their_copy = proof.hashes.iter().map(theirs).collect();
        tlog::check_record(&their_copy, size, theirs(&tree_root), index, theirs(&leaf)).unwrap();
        assert_eq!(proof.hashes, ours(their_proof), "entry {index} of {size}");

        let old = index + 1;
        let old_root = root(&leaves[..old as usize]);
        assert_eq!(tlog::tree_hash(old, &reader).unwrap(), theirs(&old_root));
        let their_proof = tlog::prove_tree(size, old, &reader).unwrap();
        let proof = ConsistencyProof::prove(old, size, &tiles).unwrap();
        let their_copy = proof.hashes.iter().map(theirs).collect();
        tlog::check_tree(&their_copy, size, theirs(&tree_root), old, theirs(&old_root)).unwrap();
        assert_eq!(proof.hashes, ours(their_proof), "{old} to {size}");
    }
}

#[test]
fn proofs_and_tiles_of_sizes_near_the_edges_of_tiles() {
    for size in [1, 2, 3, 255, 256, 257, 511, 512, 513, 767, 768, 769, 1_000] {
        check_log(size, &[0, 1, 254, 255, 256, 257, 511, 512, size - 1, size / 2, size / 3]);
    }
    check_log(65_536, &[0, 255, 65_535, 32_767]);
    check_log(65_537, &[0, 65_536, 65_535, 40_000]);
}

#[test]
fn their_tiles_are_our_growth() {
    for old in (0..1_200).step_by(37) {
        for new in (old..1_200).step_by(41).chain([65_535, 65_536, 65_537, 131_072]) {
            let mut ours: Vec<String> = assay_tlog::growth(old, new)
                .filter(|tile| tile.kind() != TileKind::Entries)
                .map(|tile| tile.path())
                .collect();
            let mut theirs: Vec<String> =
                tlog_tiles::Tile::new_tiles(HEIGHT, old, new).iter().map(c2sp_path).collect();
            ours.sort();
            theirs.sort();
            assert_eq!(ours, theirs, "{old} to {new}");
        }
    }
}

fn keys(name: &str, seed: u8) -> (SignerKey, StandardSigner, StandardVerifier) {
    let signer = SignerKey::from_seed(name, &[seed; 32]).unwrap();
    let their_signer = StandardSigner::new(&signer.expose()).unwrap();
    let their_verifier = StandardVerifier::new(&signer.verifier().to_string()).unwrap();
    (signer, their_signer, their_verifier)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_logs_agree(size in 1..3_000_u64, picks in prop::collection::vec(any::<u64>(), 4)) {
        check_log(size, &picks);
    }

    #[test]
    fn notes_agree(text in "[ -~\u{a0}-\u{2030}\n]{0,80}", name in "[a-z0-9./é-]{1,20}", seed: u8, other: u8) {
        let text = format!("{text}\n");
        let (signer, their_signer, their_verifier) = keys(&name, seed);
        let note = Note::sign(&text, &[&signer]).unwrap();
        let mut their_note = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
        their_note.add_sigs(&[&their_signer]).unwrap();
        prop_assert_eq!(note.to_string().into_bytes(), their_note.to_bytes());

        let their_copy = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
        their_copy.verify(&VerifierList::new(vec![Box::new(their_verifier)])).unwrap();
        let our_copy = Note::parse(&their_note.to_bytes()).unwrap();
        prop_assert_eq!(our_copy.verify(std::slice::from_ref(signer.verifier())), Ok(vec![signer.verifier()]));

        let (stranger, _, their_stranger) = keys(&name, other);
        let theirs_refuse = their_copy.verify(&VerifierList::new(vec![Box::new(their_stranger)])).is_err();
        prop_assert_eq!(our_copy.verify(std::slice::from_ref(stranger.verifier())).is_err(), theirs_refuse);
        prop_assert_eq!(theirs_refuse, other != seed);
    }

    #[test]
    fn checkpoints_agree(origin in "[a-z0-9./-]{1,30}", size: u64, seed: [u8; 32]) {
        let (signer, ..) = keys("key", 1);
        let checkpoint = Checkpoint::new(&origin, size, Hash(seed));
        let note = sign_checkpoint(&checkpoint, &signer).unwrap();
        let theirs = tlog_tiles::Checkpoint::from_bytes(note.text().as_bytes()).unwrap();
        prop_assert_eq!((theirs.origin(), theirs.size(), theirs.hash().0), (origin.as_str(), size, seed));
    }

    /// Both accept or both refuse: a valid form with one piece replaced (no capitals: they read key ids in both cases).
    #[test]
    fn changed_texts_are_refused_alike(
        which in 0..4_usize,
        at in any::<prop::sample::Index>(),
        piece in prop_oneof![
            Just(String::new()), "[ -@\\[-~]", Just("\n".into()), Just("\n\n".into()), Just("\u{2014} ".into()),
            Just("0".into()), Just("+".into()), Just("=".into()), Just("\t".into()),
        ],
        removed in 0..3_usize,
    ) {
        let (signer, ..) = keys("example.com/log", 1);
        let checkpoint = Checkpoint::new("example.com/log", 1_234, leaf_hash(b""));
        let note = sign_checkpoint(&checkpoint, &signer).unwrap().to_string();
        let key = signer.verifier().to_string();
        let text = [&note, &checkpoint.to_string(), &key, "tile/0/x001/234.p/5"][which].to_owned();
        let chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len());
        let end = chars.len().min(at + removed);
        let changed: String = chars[..at].iter().copied().chain(piece.chars()).chain(chars[end..].iter().copied()).collect();

        let (ours, theirs) = match which {
            0 => (Note::parse(changed.as_bytes()).is_ok(), signed_note::Note::from_bytes(changed.as_bytes()).is_ok()),
            1 => (changed.parse::<Checkpoint>().is_ok(), tlog_tiles::Checkpoint::from_bytes(changed.as_bytes()).is_ok()),
            2 => (changed.parse::<VerifierKey>().is_ok(), StandardVerifier::new(&changed).is_ok()),
            _ => (changed.parse::<Tile>().is_ok(), they_read_path(&changed)),
        };
        prop_assert_eq!(ours, theirs, "{:?}", changed);
    }
}
