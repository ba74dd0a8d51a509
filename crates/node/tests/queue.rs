//! Many callers at once: every command happens once, whoever repeats it gets the first answer, and syncs are shared.

#![allow(clippy::unwrap_used)]

mod small;

use std::collections::BTreeSet;
use std::path::Path;

use assay_ledger::amount::Amount;
use assay_ledger::command::{Command, Intent};
use assay_ledger::ids::{Nonce, PublicKey};
use assay_ledger::key::{Claim, Purpose};
use assay_node::{Home, Kind, Node, queue, verify};
use ed25519_dalek::SigningKey;

const CALLERS: u64 = 64;

/// Commands of each caller; `ASSAY_SUBMISSIONS` sets how many all of them send together.
fn each() -> u64 {
    let all = std::env::var("ASSAY_SUBMISSIONS").ok().map(|n| n.parse::<u64>().unwrap());
    all.unwrap_or(3_200) / CALLERS
}

#[test]
fn sixty_four_callers_share_syncs_and_nothing_happens_twice() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let node = Node::found(Home::init(&home, Some(small::ORIGIN)).unwrap()).unwrap();
    let operator = node.operator().clone();
    let signed = |caller: u64, i: u64, units: u128| {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&i.to_be_bytes());
        nonce[8..].copy_from_slice(&caller.to_be_bytes());
        let command = small::deposit(&node, &format!("wire-{caller}-{i}"), units);
        node.sign_with(&operator, Nonce(nonce), command).unwrap()
    };
    // Of every twenty submissions six repeat an earlier command, and one more is another command under its nonce.
    let plan: Vec<Vec<_>> = (0..CALLERS)
        .map(|caller| {
            let one = |i: u64| match i % 20 {
                3 | 6 | 9 | 12 | 15 | 18 => (i - 1, signed(caller, i - 1, 1)),
                19 => (i - 2, signed(caller, i - 2, 2)),
                _ => (i, signed(caller, i, 1)),
            };
            (0..each()).map(one).collect()
        })
        .collect();
    let first = node.state().size();
    let (queue, sequencer) = queue::start(node).unwrap();
    let seqs: Vec<BTreeSet<u64>> = std::thread::scope(|scope| {
        let work = |mine: Vec<(u64, _)>| {
            let queue = queue.clone();
            scope.spawn(move || {
                let mut places: Vec<Option<u64>> = vec![None; mine.len()];
                for (i, (of, signed)) in mine.into_iter().enumerate() {
                    match queue.submit(signed) {
                        Ok(seq) => {
                            let place = &mut places[of as usize];
                            assert_eq!(
                                *place.get_or_insert(seq),
                                seq,
                                "a repeated command gets its first answer"
                            );
                        }
                        Err(error) => {
                            assert_eq!((i % 20, error.kind), (19, Kind::Refused), "{error}");
                        }
                    }
                }
                places.into_iter().flatten().collect()
            })
        };
        let threads: Vec<_> = plan.into_iter().map(work).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    drop(queue);
    let node = sequencer.finish().unwrap();
    let all: BTreeSet<u64> = seqs.iter().flatten().copied().collect();
    let happened = node.state().size() - first;
    assert_eq!(all.len() as u64, happened, "every entry was acknowledged to one caller, and to one only");
    assert_eq!(all.len(), seqs.iter().map(BTreeSet::len).sum::<usize>());
    assert_eq!(node.state().balances().total().units(), u128::from(happened));
    let verified = verify(&home.join("public"), Some(node.log_key()), &|_, _| {}).unwrap();
    assert_eq!(verified.size, node.state().size());
    // Every published size leaves a file of entries behind.
    let published = files(&home.join("public/tile/entries"));
    assert!(published * 4 < happened, "{published} checkpoints for {happened} commands");
    println!("{happened} commands by {CALLERS} callers in {published} checkpoints");
}

fn files(folder: &Path) -> u64 {
    let count = |entry: std::fs::DirEntry| match entry.path() {
        folder if folder.is_dir() => files(&folder),
        _ => 1,
    };
    std::fs::read_dir(folder).unwrap().map(|entry| count(entry.unwrap())).sum()
}

#[test]
fn a_queue_without_a_node_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::found(Home::init(&dir.path().join("home"), Some(small::ORIGIN)).unwrap()).unwrap();
    let command = Command::OpenAccount { key: (&ed25519_dalek::SigningKey::from_bytes(&[3; 32])).into() };
    let signed = node.sign(&ed25519_dalek::SigningKey::from_bytes(&[3; 32]), command).unwrap();
    let (queue, sequencer) = queue::start(node).unwrap();
    let seq = queue.submit(signed.clone()).unwrap();
    assert_eq!(queue.submit(signed).unwrap(), seq);
    drop(queue);
    assert_eq!(sequencer.finish().unwrap().state().size(), seq + 1);
}

/// Signatures are checked ahead of the sequencer, by keys that may be replaced before it comes to them.
#[test]
fn a_key_that_is_replaced_while_commands_wait_signs_nothing_after() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::found(Home::init(&dir.path().join("home"), Some(small::ORIGIN)).unwrap()).unwrap();
    let (old, new) = (SigningKey::from_bytes(&[5; 32]), SigningKey::from_bytes(&[6; 32]));
    let account = node.account(&old).unwrap();
    let deposit = Command::Deposit {
        account: account.clone(),
        amount: Amount::new(1_000).unwrap(),
        reference: "in".parse().unwrap(),
    };
    let operator = node.operator().clone();
    node.act(&operator, deposit).unwrap();
    let signed = |by: &SigningKey, place: u8, command: Command| {
        Intent { origin: small::ORIGIN.into(), actor: account.clone(), nonce: Nonce([place; 16]), command }
            .sign(by)
            .unwrap()
    };
    let out = |place: u8| Command::Withdraw {
        amount: Amount::new(1).unwrap(),
        reference: format!("out-{place}").parse().unwrap(),
    };
    let proof =
        Claim { origin: small::ORIGIN, account: &account, purpose: Purpose::Sign }.sign(&new).unwrap();
    let rotate = Command::RotateKey { key: PublicKey::from(&new), proof };
    let (queue, sequencer) = queue::start(node).unwrap();
    // From here on the key of the account is known ahead.
    queue.submit(signed(&old, 0, out(0))).unwrap();
    let mut forged = signed(&old, 1, out(1));
    forged.signature.0[40] ^= 1;
    let mut sent = vec![(false, forged)];
    sent.extend((2..60).map(|place| (true, signed(&old, place, out(place)))));
    sent.push((true, signed(&old, 60, rotate)));
    sent.extend(
        (61..120).map(|place| {
            (place % 2 == 0, signed(if place % 2 == 0 { &new } else { &old }, place, out(place)))
        }),
    );
    let waiting: Vec<_> =
        sent.into_iter().map(|(good, signed)| (good, queue.send(signed).unwrap())).collect();
    for (place, (good, pending)) in (1..).zip(waiting) {
        let answer = pending.wait();
        assert_eq!(answer.is_ok(), good, "command {place}: {answer:?}");
    }
    drop(queue);
    sequencer.finish().unwrap();
}
