//! Every parser on mutations of valid inputs: it never panics, and what it accepts it writes back byte for byte.
//!
//! `ASSAY_FUZZ_SECONDS=60 cargo test -p assay-tlog --test fuzz` tries each for a minute. `fuzz/` tries the same properties
//! under libFuzzer.
#![allow(clippy::unwrap_used)]

mod mutate;
mod targets;

use assay_tlog::{
    AddCheckpoint, Checkpoint, Hash, Policy, Receipt, Witnessed, open_checkpoint, root, sign_checkpoint,
};
use mutate::Target;
use proptest::prelude::*;
use targets::{ORIGIN, checkpoint, entry, leaves, signer, targets};

/// On both cores: a minute for each target takes half as long.
#[test]
fn mutated_inputs_never_panic_and_round_trip() {
    let targets = targets();
    let (even, odd): (Vec<_>, Vec<_>) = targets.into_iter().enumerate().partition(|(i, _)| i % 2 == 0);
    let tried = |half: Vec<(usize, Target)>| half.iter().for_each(|(_, target)| target.drive());
    std::thread::scope(|scope| {
        scope.spawn(move || tried(even));
        tried(odd);
    });
}

#[test]
fn the_seeds_are_valid() {
    let wanted = ["signed_checkpoint", "proof_of_entry", "add_checkpoint", "policy"];
    let [signed, plain, requests, policies] =
        wanted.map(|wanted| targets().into_iter().find(|target| target.name == wanted).unwrap().seeds);
    for seed in signed {
        assert_eq!(open_checkpoint(&seed, signer().verifier(), ORIGIN), Ok(checkpoint()));
    }
    for seed in plain {
        let receipt = Receipt::parse(&seed).unwrap();
        assert_eq!(receipt.verify(&entry(3), signer().verifier(), ORIGIN), Ok(checkpoint()));
    }
    for (seed, old) in requests.iter().zip([0, 3]) {
        let known = Witnessed { size: old, root: root(&leaves()[..old as usize]) };
        let request = AddCheckpoint::parse(seed).unwrap();
        assert!(request.judge(&[signer().verifier().clone()], known).is_ok());
    }
    assert!(policies.iter().all(|seed| Policy::parse(seed).is_ok()));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        targets().iter().for_each(|target| (target.holds)(&bytes));
    }

    #[test]
    fn receipts_round_trip(
        extra in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        index: u64,
        hashes in prop::collection::vec(any::<[u8; 32]>(), 0..=64),
        checkpoint in "[ -~\n]{0,80}",
    ) {
        let receipt = Receipt { extra, index, hashes: hashes.into_iter().map(Hash).collect(), checkpoint };
        prop_assert_eq!(Receipt::parse(receipt.to_string().as_bytes()), Ok(receipt));
    }

    #[test]
    fn checkpoints_round_trip(origin in "[ -~é]{1,40}", size: u64, hash: [u8; 32], lines in "([!-~]{1,9}\n){0,3}") {
        let checkpoint = Checkpoint { extension: lines, ..Checkpoint::new(&origin, size, Hash(hash)) };
        prop_assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint.clone()));
        let note = sign_checkpoint(&checkpoint, &signer()).unwrap().to_string();
        prop_assert_eq!(open_checkpoint(note.as_bytes(), signer().verifier(), &origin), Ok(checkpoint));
    }
}
