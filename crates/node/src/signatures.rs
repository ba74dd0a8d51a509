//! Signatures of commands, each looked at once: by the thread before the sequencer with the key that it was told, or with the
//! others of its batch, or when its turn comes. Whoever decides asks the state for the key again; only where that is another
//! than the one that was looked with, a second look is needed.

use assay_ledger::command::Signed;
use assay_ledger::decide::signer;
use assay_ledger::ids::PublicKey;
use assay_ledger::signatures::verified;
use assay_ledger::state::State;
use rayon::prelude::*;

/// Commands from which on a batch is worth a second thread.
const THREADED_BATCH: usize = 8;
/// Signatures that a thread checks together.
pub(crate) const CHECKED_AT_ONCE: usize = 64;

/// A command, and what was found of its signature, if anybody has looked.
pub(crate) struct Checked {
    pub(crate) signed: Signed,
    pub(crate) found: Option<Found>,
}

/// Whether a command is signed with a key.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) with: PublicKey,
    pub(crate) holds: bool,
}

/// Looks at signatures, as nothing else does for a node that takes commands.
pub(crate) fn look(asked: &[(&Signed, PublicKey)]) -> Vec<bool> {
    #[cfg(test)]
    tests::count(asked);
    verified(asked)
}

/// Looks at those of a batch at which nobody has, with the keys that had to sign before it, where there are enough of them to share
/// the work; the others are looked at when their turn comes.
pub(crate) fn look_together(state: &State, batch: &[Checked], found: &mut [Option<Found>]) {
    let unknown = (0..).zip(batch.iter().zip(&*found)).filter(|(_, (_, found))| found.is_none());
    let (places, asked): (Vec<usize>, Vec<(&Signed, PublicKey)>) = unknown
        .filter_map(|(at, (Checked { signed, .. }, _))| Some((at, (signed, signer(state, signed).ok()?))))
        .unzip();
    if asked.len() < THREADED_BATCH {
        return;
    }
    let hold: Vec<bool> = asked.par_chunks(CHECKED_AT_ONCE).flat_map_iter(look).collect();
    for ((at, (_, with)), holds) in places.into_iter().zip(asked).zip(hold) {
        found[at] = Some(Found { with, holds });
    }
}

/// Whether a command is signed with the key that must sign it now.
pub(crate) fn holds(signed: &Signed, key: PublicKey, found: &mut Option<Found>) -> bool {
    match found {
        // A command before it in the batch may have replaced the key.
        Some(found) if found.with == key => found.holds,
        _ => {
            let holds = look(&[(signed, key)]) == [true];
            *found = Some(Found { with: key, holds });
            holds
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use assay_ledger::amount::Amount;
    use assay_ledger::command::Command;
    use assay_ledger::ids::Nonce;
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::{Home, Node, queue};

    /// How often the signature of each command was looked at, by its nonce: no two tests share one.
    static LOOKS: Mutex<BTreeMap<Nonce, u64>> = Mutex::new(BTreeMap::new());

    pub(super) fn count(asked: &[(&Signed, PublicKey)]) {
        let mut looks = LOOKS.lock().unwrap();
        asked.iter().for_each(|(signed, _)| *looks.entry(signed.intent.nonce).or_default() += 1);
    }

    fn looks(signed: &Signed) -> u64 {
        LOOKS.lock().unwrap().get(&signed.intent.nonce).copied().unwrap_or_default()
    }

    fn founded(dir: &tempfile::TempDir) -> Node {
        Node::found(Home::init(&dir.path().join("home"), Some("example.org/looks")).unwrap()).unwrap()
    }

    /// Deposits by the operator, of which those that `forged` names are signed by somebody else.
    fn deposits(node: &Node, place: u8, count: u8, forged: impl Fn(u8) -> bool) -> Vec<Signed> {
        let (operator, thief) = (node.operator().clone(), SigningKey::from_bytes(&[66; 32]));
        let deposit = |at: u8| {
            let (amount, reference) = (Amount::new(1).unwrap(), format!("in-{place}-{at}").parse().unwrap());
            let command = Command::Deposit { account: node.account_of(&operator), amount, reference };
            let mut nonce = [place; 16];
            nonce[0] = at;
            let good = node.sign_with(&operator, Nonce(nonce), command).unwrap();
            if forged(at) { good.intent.sign(&thief).unwrap() } else { good }
        };
        (0..count).map(deposit).collect()
    }

    #[test]
    fn a_forged_command_of_a_known_account_is_looked_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let node = founded(&dir);
        let first = deposits(&node, 1, 1, |_| false);
        let all = deposits(&node, 2, 200, |at| at % 3 != 0);
        let (queue, sequencer) = queue::start(node).unwrap();
        // From here on the thread before the sequencer is told the operator's key.
        queue.submit(first[0].clone()).unwrap();
        // Its answer comes again after the key was told, since that is done before the next batch.
        queue.submit(first[0].clone()).unwrap();
        let waiting: Vec<_> = all.iter().map(|signed| queue.send(signed.clone()).unwrap()).collect();
        for (at, pending) in (0..).zip(waiting) {
            match pending.wait() {
                Ok(_) => assert_eq!(at % 3, 0),
                Err(error) => assert!(at % 3 != 0 && error.what.contains("signature"), "{error}"),
            }
        }
        drop(queue);
        sequencer.finish().unwrap();
        assert_eq!(all.iter().map(looks).collect::<Vec<_>>(), [1; 200]);
    }

    #[test]
    fn batches_without_a_queue_look_once_too() {
        let dir = tempfile::tempdir().unwrap();
        let mut node = founded(&dir);
        for (place, count) in [(3, 5), (4, 100)] {
            let all = deposits(&node, place, count, |at| at % 2 == 0);
            let answers = node.submit_all(all.clone()).unwrap();
            assert!((0..).zip(&answers).all(|(at, answer)| answer.is_ok() == (at % 2 != 0)));
            assert!(all.iter().all(|signed| looks(signed) == 1));
        }
    }

    #[test]
    fn an_answer_that_was_given_is_given_again_whatever_signs() {
        let dir = tempfile::tempdir().unwrap();
        let mut node = founded(&dir);
        let seq = node.submit(deposits(&node, 5, 1, |_| false).remove(0)).unwrap();
        assert_eq!(node.submit(deposits(&node, 5, 1, |_| true).remove(0)).unwrap(), seq);
    }
}
