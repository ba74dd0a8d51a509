//! The static files of a log: which, with which bytes, and how a changed one is noticed.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use assay_tlog::bundle::{self, BundleError, MAX_ENTRY_BYTES};
use assay_tlog::{
    Frontier, Hash, Node, Tile, TileError, TileFile, TileKind, TileSet, TileWriter, growth, leaf_hash, root,
};
use proptest::prelude::*;

fn entries(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range.map(|i| vec![b'0' + (i % 10) as u8; (i % 67) as usize]).collect()
}

/// The tile at these coordinates by the words of the specification: `MTH(D[(n * 256 + i) * 256**l : ...])`.
fn by_definition(tile: &Tile, entries: &[Vec<u8>]) -> Vec<u8> {
    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let items = (tile.index() as usize * 256..).take(tile.width().into());
    match tile.kind() {
        TileKind::Entries => {
            items.flat_map(|i| [&(entries[i].len() as u16).to_be_bytes()[..], &entries[i]].concat()).collect()
        }
        TileKind::Hashes(level) => {
            let span = 256_usize.pow(level.into());
            items.flat_map(|i| root(&leaves[i * span..(i + 1) * span]).0).collect()
        }
    }
}

#[test]
fn every_file_has_the_bytes_of_its_definition() {
    for size in [1, 2, 255, 256, 257, 511, 512, 513, 1_000, 66_000] {
        let entries = entries(0..size);
        let files = TileWriter::new().grow(&entries).unwrap();
        assert_eq!(files.len(), growth(0, size).count());
        let sampled = if size > 1_000 { 97 } else { 1 };
        for (tile, bytes) in files.iter().step_by(sampled).chain(files.last()) {
            assert_eq!(*bytes, by_definition(tile, &entries), "{tile} of {size}");
        }
    }
}

#[test]
fn paths_round_trip_and_only_the_canonical_one_is_read() {
    for index in [0, 1, 999, 1_000, 1_001_000, 1_234_067, 999_999_999, u64::MAX] {
        for kind in [TileKind::Entries, TileKind::Hashes(0), TileKind::Hashes(7), TileKind::Hashes(63)] {
            for width in [1, 9, 255, 256] {
                let tile = Tile::new(kind, index, width).unwrap();
                assert_eq!(tile.path().parse(), Ok(tile));
            }
        }
    }
    for bad in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/1",
        "tile/0/0001",
        "tile/00/001",
        "tile/64/001",
        "tile/-1/001",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/x001/x002",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/001.p/5/",
        "tile/0/001.p/",
        "tile/0/001.p/5.p/5",
        "tile/data/001",
        "tile/entries/x018/x446/x744/x073/x709/x551/616",
        "/tile/0/001",
        "tile/0/001\n",
        "tile/0/00١",
        "tile/../001",
    ] {
        assert_eq!(bad.parse::<Tile>(), Err(TileError::Path), "{bad:?}");
    }
    assert_eq!(Tile::new(TileKind::Hashes(64), 0, 1), None);
    assert_eq!(Tile::new(TileKind::Entries, 0, 0), None);
    assert_eq!(Tile::new(TileKind::Entries, 0, 257), None);
}

#[test]
fn growth_is_lazy_so_that_a_lying_size_costs_nothing() {
    let tiles: Vec<Tile> = growth(u64::MAX - 1, u64::MAX).collect();
    assert_eq!(tiles.len(), 2);
    assert!(growth(0, u64::MAX).nth(1_000).is_some());
    assert_eq!(growth(7, 7).count(), 0);
    assert_eq!(TileWriter::needs(u64::MAX).len(), 9);
    assert_eq!(Tile::holding(Node { level: 255, index: 0 }, u64::MAX), None);
    assert_eq!(Tile::holding(Node { level: 1, index: 1 }, 3), None);
}

#[test]
fn bundles_refuse_what_the_format_cannot_hold() {
    let mut writer = TileWriter::new();
    writer.grow(&[vec![7; MAX_ENTRY_BYTES]]).unwrap();
    let before = writer.clone();
    let too_long = Err(BundleError::EntryTooLong { bytes: MAX_ENTRY_BYTES + 1 });
    assert_eq!(writer.append(&vec![7; MAX_ENTRY_BYTES + 1]), too_long);
    assert_eq!(writer.grow(&[vec![1], vec![7; MAX_ENTRY_BYTES + 1]]), too_long);
    assert_eq!(writer, before, "a refused entry leaves no trace");

    let bytes = [0, 1, b'a', 0, 0, 0, 2, b'b', b'c'];
    assert_eq!(bundle::parse(&bytes, 3), Ok(vec![&b"a"[..], b"", b"bc"]));
    assert_eq!(bundle::parse(&bytes, 2), Err(BundleError::Trailing { bytes: 4 }));
    assert_eq!(bundle::parse(&bytes, 4), Err(BundleError::Truncated { entry: 3, want: 4 }));
    assert_eq!(bundle::parse(&bytes[..8], 3), Err(BundleError::Truncated { entry: 2, want: 3 }));
}

#[test]
fn a_restored_writer_notices_changed_files() {
    let size = 2 * 256 + 3;
    let mut writer = TileWriter::new();
    writer.grow(&entries(0..size)).unwrap();
    let files = writer.partials();
    assert_eq!(TileWriter::restore(size, &files), Ok(writer.clone()));

    let missing = TileWriter::restore(size, &files[1..]);
    assert_eq!(missing, Err(TileError::Missing(files[0].0)));
    for at in 0..files.len() {
        let mut short = files.clone();
        short[at].1.pop();
        assert!(TileWriter::restore(size, &short).is_err(), "{}", files[at].0);
        for byte in 0..files[at].1.len() {
            let mut flipped = files.clone();
            flipped[at].1[byte] ^= 1;
            let noticed =
                TileWriter::restore(size, &flipped).map_or(true, |other| other.root() != writer.root());
            assert!(noticed, "{} byte {byte}", files[at].0);
        }
    }
}

#[test]
fn a_tile_set_prefers_the_wider_tile_and_refuses_other_files() {
    let mut set = TileSet::new();
    let [narrow, wide] = [1, 2].map(|width| Tile::new(TileKind::Hashes(0), 0, width).unwrap());
    let leaves = [leaf_hash(b"a"), leaf_hash(b"b")];
    set.insert(wide, &[leaves[0].0, leaves[1].0].concat()).unwrap();
    set.insert(narrow, &leaves[0].0).unwrap();
    assert_eq!(Frontier::read(2, &set).unwrap().root(), root(&leaves));
    assert_eq!(Frontier::read(3, &set), Err(Node { level: 0, index: 2 }));
    assert_eq!(set.insert(wide, &[0; 63]), Err(TileError::Length { tile: wide, got: 63, want: 64 }));
    let bundle = Tile::new(TileKind::Entries, 0, 1).unwrap();
    assert_eq!(set.insert(bundle, &[0, 0]), Err(TileError::NotHashes(bundle)));
}

/// Checks a published folder as a verifier does: each entry appended to a new writer, each file compared.
fn first_difference(published: &BTreeMap<Tile, Vec<u8>>, entries: &[Vec<u8>]) -> Option<Tile> {
    let mut writer = TileWriter::new();
    let mut files: Vec<TileFile> = entries.iter().flat_map(|entry| writer.append(entry).unwrap()).collect();
    files.extend(writer.partials());
    files.into_iter().find(|(tile, bytes)| published.get(tile) != Some(bytes)).map(|(tile, _)| tile)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn steps_publish_what_one_go_publishes(steps in prop::collection::vec(0..700_u64, 1..6)) {
        let mut published = BTreeMap::new();
        let mut writer = TileWriter::new();
        let mut size = 0;
        for step in steps {
            let files = writer.grow(&entries(size..size + step)).unwrap();
            let mut named: Vec<Tile> = files.iter().map(|(tile, _)| *tile).collect();
            let mut announced: Vec<Tile> = growth(size, size + step).collect();
            named.sort();
            announced.sort();
            prop_assert_eq!(named, announced);
            size += step;
            published.extend(files);
            let at_hand: Vec<TileFile> =
                TileWriter::needs(size).into_iter().map(|tile| (tile, published[&tile].clone())).collect();
            prop_assert_eq!(&writer.partials(), &at_hand);
            writer = TileWriter::restore(size, &at_hand).unwrap();
        }
        let entries = entries(0..size);
        prop_assert_eq!(first_difference(&published, &entries), None);
        prop_assert_eq!(writer.root(), root(&entries.iter().map(|entry| leaf_hash(entry)).collect::<Vec<_>>()));
    }

    #[test]
    fn a_flipped_byte_in_any_file_is_named(size in 1..900_u64, at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let entries = entries(0..size);
        let mut published: BTreeMap<Tile, Vec<u8>> =
            TileWriter::new().grow(&entries).unwrap().into_iter().collect();
        let tile = *published.keys().nth(at.index(published.len())).unwrap();
        let bytes = published.get_mut(&tile).unwrap();
        let byte = at.index(bytes.len());
        bytes[byte] ^= 1 << bit;
        prop_assert_eq!(first_difference(&published, &entries), Some(tile));
    }
}
