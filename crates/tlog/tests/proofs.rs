//! Roots and proofs of every small tree against the recursive definitions of RFC 6962, and against themselves changed.
#![allow(clippy::unwrap_used)]

mod naive;

use assay_tlog::{
    ConsistencyProof, Frontier, Hash, InclusionProof, Plan, ProofError, TileSet, TileWriter, empty_root,
    leaf_hash, root, verify_consistency, verify_inclusion,
};
use proptest::prelude::*;

const LARGEST: usize = 130;

fn leaves(size: usize) -> Vec<Hash> {
    (0..size).map(|i| leaf_hash(format!("entry {i}").as_bytes())).collect()
}

/// Proofs that differ from `proof` in one place each: a flipped bit, a swap, a dropped or an added hash.
fn changed(proof: &[Hash], other: Hash) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for i in 0..proof.len() {
        let mut flipped = proof.to_vec();
        flipped[i].0[i % 32] ^= 1 << (i % 8);
        all.push(flipped);
        let mut dropped = proof.to_vec();
        dropped.remove(i);
        all.push(dropped);
        if i > 0 {
            let mut swapped = proof.to_vec();
            swapped.swap(i - 1, i);
            all.push(swapped);
        }
    }
    for at in [0, proof.len()] {
        let mut extended = proof.to_vec();
        extended.insert(at, other);
        all.push(extended);
    }
    all
}

#[test]
fn roots_equal_the_recursive_definition() {
    let leaves = leaves(600);
    let mut frontier = Frontier::new();
    let mut writer = TileWriter::new();
    for size in 0..=leaves.len() {
        let want = naive::root(&leaves[..size]);
        assert_eq!(root(&leaves[..size]), want, "root of {size}");
        assert_eq!(frontier.root(), want, "frontier of {size}");
        assert_eq!(writer.root(), want, "tiles of {size}");
        assert_eq!(frontier.size(), size as u64);
        assert_eq!(Frontier::read(size as u64, &leaves[..]), Ok(frontier.clone()));
        if let Some(leaf) = leaves.get(size) {
            frontier.append(*leaf);
            writer.append(format!("entry {size}").as_bytes()).unwrap();
        }
    }
}

#[test]
fn every_inclusion_proof_holds_and_no_changed_one_does() {
    let leaves = leaves(LARGEST + 1);
    let mut refused = 0;
    for size in 1..=LARGEST {
        let root = naive::root(&leaves[..size]);
        for index in 0..size {
            let (i, n, leaf) = (index as u64, size as u64, &leaves[index]);
            let proof = InclusionProof::prove(i, n, &leaves[..]).unwrap();
            assert_eq!(proof.hashes, naive::inclusion(index, &leaves[..size]), "entry {i} of {n}");
            assert_eq!(proof.verify(leaf, &root), Ok(()), "entry {i} of {n}");

            for wrong in changed(&proof.hashes, root) {
                assert!(verify_inclusion(i, n, leaf, &wrong, &root).is_err(), "entry {i} of {n}");
                refused += 1;
            }
            for index in [i.wrapping_sub(1), i + 1, i ^ 2, n] {
                assert!(
                    verify_inclusion(index, n, leaf, &proof.hashes, &root).is_err(),
                    "{index} for {i} of {n}"
                );
            }
            assert_eq!(proof.verify(&leaves[index + 1], &root), Err(ProofError::Mismatch));
            assert_eq!(proof.verify(leaf, &empty_root()), Err(ProofError::Mismatch));
        }
    }
    assert!(refused > 100_000, "{refused}");
}

#[test]
fn every_consistency_proof_holds_and_no_changed_one_does() {
    let leaves = leaves(LARGEST);
    let roots: Vec<Hash> = (0..=LARGEST).map(|size| naive::root(&leaves[..size])).collect();
    let mut refused = 0;
    for new in 0..=LARGEST {
        for old in 0..=new {
            let (m, n) = (old as u64, new as u64);
            let proof = ConsistencyProof::prove(m, n, &leaves[..]).unwrap();
            assert_eq!(proof.hashes, naive::consistency(old, &leaves[..new]), "{m} to {n}");
            assert_eq!(proof.verify(&roots[old], &roots[new]), Ok(()), "{m} to {n}");

            for wrong in changed(&proof.hashes, leaves[0]) {
                assert!(verify_consistency(m, n, &roots[old], &roots[new], &wrong).is_err(), "{m} to {n}");
                refused += 1;
            }
            if old == 0 || old == new {
                continue;
            }
            for m in [m - 1, m + 1, m ^ 2, n, n + 1] {
                assert!(
                    verify_consistency(m, n, &roots[old], &roots[new], &proof.hashes).is_err(),
                    "{m} for {old} to {n}"
                );
            }
            assert_eq!(proof.verify(&roots[old], &roots[old]), Err(ProofError::Mismatch));
            assert_eq!(proof.verify(&roots[new], &roots[new]), Err(ProofError::Mismatch));
            assert_eq!(proof.verify(&roots[new], &roots[old]), Err(ProofError::Mismatch));
        }
    }
    assert!(refused > 100_000, "{refused}");
}

#[test]
fn sizes_at_the_end_of_the_number_range_are_handled() {
    let hash = leaf_hash(b"x");
    for size in [1 << 63, u64::MAX - 1, u64::MAX] {
        for index in [0, 1, size / 2, size - 1] {
            let plan = Plan::inclusion(index, size).unwrap();
            assert!(!plan.tiles().is_empty());
            assert_eq!(
                plan.hashes(&[] as &[Hash]).unwrap_err(),
                ProofError::Missing(plan.nodes().next().unwrap())
            );
            let outcome = verify_inclusion(index, size, &hash, &[hash; 64], &hash);
            assert!(matches!(outcome, Err(ProofError::Mismatch | ProofError::Length { .. })));
            Plan::consistency(index, size).unwrap();
            assert!(verify_consistency(index, size, &hash, &hash, &[hash; 64]).is_err());
        }
        assert_eq!(Plan::inclusion(size, size), Err(ProofError::OutsideTree { index: size, size }));
    }
    assert_eq!(Plan::consistency(2, 1), Err(ProofError::Shrunk { old: 2, new: 1 }));
    assert_eq!(verify_consistency(2, 1, &hash, &hash, &[]), Err(ProofError::Shrunk { old: 2, new: 1 }));
    assert_eq!(verify_consistency(0, 5, &hash, &hash, &[]), Err(ProofError::Mismatch));
}

/// Sizes near the edges of tiles, where partial tiles and levels come and go.
fn edge_size() -> impl Strategy<Value = u64> {
    prop_oneof![
        5 => 1..2_000_u64,
        5 => (1..8_u64, 0..5_u64).prop_map(|(k, d)| k * 256 + d - 2),
        1 => 65_530..65_545_u64,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn proofs_from_the_planned_tiles_equal_proofs_from_leaves(
        size in edge_size(), a in any::<u64>(), b in any::<u64>()
    ) {
        let entries: Vec<_> = (0..size).map(|i| format!("entry {i}")).collect();
        let leaves: Vec<_> = entries.iter().map(|entry| leaf_hash(entry.as_bytes())).collect();
        let files = TileWriter::new().grow(&entries).unwrap();
        let tree_root = root(&leaves);
        let (index, old) = (a % size, b % (size + 1));

        let plans = [Plan::inclusion(index, size).unwrap(), Plan::consistency(old, size).unwrap()];
        let mut tiles = TileSet::new();
        for wanted in plans.iter().flat_map(Plan::tiles) {
            let (tile, bytes) = files.iter().find(|(tile, _)| *tile == wanted).expect("a planned tile is published");
            tiles.insert(*tile, bytes).unwrap();
        }
        let inclusion = InclusionProof::prove(index, size, &tiles).unwrap();
        prop_assert_eq!(&inclusion, &InclusionProof::prove(index, size, &leaves[..]).unwrap());
        prop_assert_eq!(inclusion.verify(&leaves[index as usize], &tree_root), Ok(()));
        let consistency = ConsistencyProof::prove(old, size, &tiles).unwrap();
        prop_assert_eq!(&consistency, &ConsistencyProof::prove(old, size, &leaves[..]).unwrap());
        prop_assert_eq!(consistency.verify(&root(&leaves[..old as usize]), &tree_root), Ok(()));
    }
}
