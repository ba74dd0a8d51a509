//! Keys that are replaced and recovered: who may sign what, at every moment.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use assay_ledger::command::{Command, Intent, Signed};
use assay_ledger::decide::{decide, signer};
use assay_ledger::ids::{Nonce, PublicKey, Signature};
use assay_ledger::key::{Claim, Purpose};
use assay_ledger::refusal::Refusal;
use assay_ledger::replay::{Replay, Signatures};
use assay_ledger::state::State;
use common::*;
use ed25519_dalek::SigningKey;
use proptest::prelude::*;

const OWNER: u8 = 1;
const OTHER: u8 = 2;

fn out(n: u64) -> Command {
    Command::Withdraw { amount: amount(1), reference: code(&format!("out-{n}")) }
}

/// `actor` asks for `command`, signed by `by`.
fn signed(actor: u8, nonce: u64, command: Command, by: &SigningKey) -> Signed {
    let nonce = Nonce((1_000_000 + u128::from(nonce)).to_be_bytes());
    Intent { origin: ORIGIN.to_owned(), actor: account(actor), nonce, command }.sign(by).unwrap()
}

fn is_forged(refusal: Result<u64, Refusal>) -> bool {
    matches!(refusal, Err(Refusal::Signature { .. }))
}

#[test]
fn a_replaced_key_signs_nothing_more_and_what_it_signed_stays() {
    let mut world = World::founded(2, 100);
    let before = world.sign(OWNER, out(1));
    let seq = world.submit(&before).unwrap();
    let new = world.draw();
    world.act(OWNER, rotate(OWNER, &new));
    assert!(is_forged(world.submit(&signed(OWNER, 0, out(2), &key(OWNER)))));
    assert!(is_forged(world.submit(&signed(OWNER, 0, rotate(OWNER, &world_key(9)), &key(OWNER)))));
    world.submit(&signed(OWNER, 0, out(2), &new)).unwrap();
    // The account is the same; the first answer is still given, to the very same command only.
    assert_eq!(world.state.account_of(&PublicKey::from(&new)), account(OWNER));
    assert_eq!(world.state.account_of(&public(OWNER)), account(OWNER));
    assert_eq!(world.balance(&user(OWNER)), 98);
    assert_eq!(world.submit(&before), Err(Refusal::Already { seq }));
    let mut other = before.clone();
    other.intent.command = out(3);
    assert!(is_forged(world.submit(&other)));

    let mut replay = Replay::new(State::new(ORIGIN), Signatures::Check);
    world.log.iter().for_each(|event| replay.push(event).unwrap());
    let image = State::from_image(&world.state.image().unwrap()).unwrap();
    assert_eq!((replay.finish().as_ref(), &image), (Ok(&world.state), &world.state));
}

fn world_key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[0xc0 + n; 32])
}

#[test]
fn a_recovery_key_takes_an_account_back_from_a_thief() {
    let mut world = World::founded(2, 100);
    let [recovery, thief, mine, next] = [(); 4].map(|()| world.draw());
    assert!(matches!(world.try_act(OWNER, recover(OWNER, &mine)), Err(Refusal::NotFound { .. })));
    world.act(OWNER, set_recovery(OWNER, &recovery));
    // The thief has the account's key, and replaces it; the recovery key cannot be replaced with it.
    world.submit(&signed(OWNER, 0, rotate(OWNER, &thief), &key(OWNER))).unwrap();
    world.submit(&signed(OWNER, 1, out(1), &thief)).unwrap();
    assert!(is_forged(world.submit(&signed(OWNER, 2, set_recovery(OWNER, &next), &thief))));
    assert!(is_forged(world.submit(&signed(OWNER, 3, recover(OWNER, &mine), &thief))));
    // Nor does the recovery key act.
    assert!(is_forged(world.submit(&signed(OWNER, 4, out(2), &recovery))));
    assert!(is_forged(world.submit(&signed(OWNER, 5, rotate(OWNER, &mine), &recovery))));
    world.submit(&signed(OWNER, 6, recover(OWNER, &mine), &recovery)).unwrap();
    assert!(is_forged(world.submit(&signed(OWNER, 7, out(3), &thief))));
    world.submit(&signed(OWNER, 8, out(3), &mine)).unwrap();
    assert_eq!(world.balance(&user(OWNER)), 98, "what the thief took is gone");
    // It stays the recovery key until it names another.
    world.submit(&signed(OWNER, 9, set_recovery(OWNER, &next), &recovery)).unwrap();
    let again = world.draw();
    assert!(is_forged(world.submit(&signed(OWNER, 10, recover(OWNER, &again), &recovery))));
    world.submit(&signed(OWNER, 11, recover(OWNER, &again), &next)).unwrap();
}

#[test]
fn nobody_replaces_the_key_of_another_account() {
    let mut world = World::founded(2, 100);
    let [recovery, mine] = [(); 2].map(|()| world.draw());
    world.act(OTHER, set_recovery(OTHER, &recovery));
    for command in [rotate(OWNER, &mine), set_recovery(OWNER, &mine), recover(OWNER, &mine)] {
        for by in [key(OPERATOR), key(OTHER), recovery.clone()] {
            let refusal = world.submit(&signed(OWNER, 0, command.clone(), &by)).unwrap_err();
            assert!(matches!(refusal, Refusal::Signature { .. } | Refusal::NotFound { .. }), "{refusal}");
        }
    }
}

#[test]
fn a_key_is_used_once_and_named_by_its_holder_only() {
    let mut world = World::founded(2, 100);
    let [second, recovery, third] = [(); 3].map(|()| world.draw());
    world.act(OWNER, rotate(OWNER, &second));
    world.act(OWNER, set_recovery(OWNER, &recovery));
    for (actor, used) in [(OWNER, key(OWNER)), (OWNER, second.clone()), (OTHER, second.clone())] {
        let refusal = world.try_act(actor, rotate(actor, &used)).unwrap_err().to_string();
        assert!(refusal.contains("is or was a key of account"), "{refusal}");
    }
    for used in [&recovery, &key(OTHER)] {
        let refusal = world.try_act(OWNER, set_recovery(OWNER, used)).unwrap_err().to_string();
        assert!(refusal.contains("a key is used once"), "{refusal}");
    }
    // Nor does it open an account.
    for used in [&second, &recovery] {
        let key = PublicKey::from(used);
        let intent = Intent {
            origin: ORIGIN.to_owned(),
            actor: assay_ledger::ids::AccountId::of(&key),
            nonce: Nonce([7; 16]),
            command: Command::OpenAccount { key },
        };
        let refusal = world.submit(&intent.sign(used).unwrap()).unwrap_err().to_string();
        assert!(refusal.contains("a key is used once"), "{refusal}");
    }
    // A proof is for one log, account and purpose, by the key itself.
    let proof = |origin: &str, actor, purpose, by: &SigningKey| {
        Claim { origin, account: &account(actor), purpose }.sign(by).unwrap()
    };
    let key = PublicKey::from(&third);
    for proof in [
        proof("example.org/other", OTHER, Purpose::Sign, &third),
        proof(ORIGIN, OWNER, Purpose::Sign, &third),
        proof(ORIGIN, OTHER, Purpose::Recover, &third),
        proof(ORIGIN, OTHER, Purpose::Sign, &recovery),
        Signature([0; 64]),
    ] {
        let refusal = world.try_act(OTHER, Command::RotateKey { key, proof }).unwrap_err().to_string();
        assert!(refusal.starts_with("proof: must be a signature of"), "{refusal}");
    }
    let weak = PublicKey([0; 32]);
    let refusal = world.try_act(OTHER, Command::RotateKey { key: weak, proof: Signature([0; 64]) });
    assert!(refusal.unwrap_err().to_string().starts_with("proof"));
    world.act(OTHER, rotate(OTHER, &third));
}

/// Keys of the accounts, by numbers: what the documents say, and nothing of the ledger.
#[derive(Default)]
struct Model {
    keys: BTreeMap<u8, u8>,
    recovery: BTreeMap<u8, u8>,
    used: BTreeSet<u8>,
}

impl Model {
    /// Whether a command of this kind, for this account, signed by `by` and naming `new`, is taken.
    fn takes(&mut self, kind: u8, actor: u8, by: u8, new: u8) -> bool {
        let (key, recovery) = (self.keys[&actor], self.recovery.get(&actor).copied());
        let signer = match kind {
            0 | 3 => Some(key),
            1 => recovery.or(Some(key)),
            _ => recovery,
        };
        let good = signer == Some(by) && (kind == 3 || self.used.insert(new));
        match kind {
            0 | 2 if good => drop(self.keys.insert(actor, new)),
            1 if good => drop(self.recovery.insert(actor, new)),
            _ => {}
        }
        good
    }
}

proptest! {
    #[test]
    fn any_sequence_of_keys_follows_the_rules(
        steps in prop::collection::vec((0..4_u8, 0..3_u8, 0..12_u8, 0..12_u8, any::<bool>()), 1..60),
    ) {
        let mut world = World::founded(2, 1_000);
        let secret = |n: u8| if n < 3 { key(n) } else { world_key(n) };
        let mut model = Model { keys: (0..3).map(|n| (n, n)).collect(), used: (0..3).collect(), ..Model::default() };
        for (i, (kind, actor, by, new, wise)) in steps.into_iter().enumerate() {
            // Half of the time it is the right key that signs.
            let by = match (wise, kind) {
                (true, 1 | 2) => model.recovery.get(&actor).copied().unwrap_or(model.keys[&actor]),
                (true, _) => model.keys[&actor],
                (false, _) => by,
            };
            let command = match kind {
                0 => rotate(actor, &secret(new)),
                1 => set_recovery(actor, &secret(new)),
                2 => recover(actor, &secret(new)),
                _ => Command::OpenAccount { key: public(actor) },
            };
            let asked = signed(actor, i as u64, command, &secret(by));
            let known = signer(&world.state, &asked);
            let taken = match kind {
                // An act of no effect: what counts is whose signature is asked for.
                3 => known.is_ok_and(|_| signs(&world.state, actor, &secret(by))),
                _ => world.submit(&asked).is_ok(),
            };
            prop_assert_eq!(taken, model.takes(kind, actor, by, new), "step {}", i);
        }
        let mut replay = Replay::new(State::new(ORIGIN), Signatures::Check);
        for event in &world.log {
            prop_assert!(replay.push(event).is_ok());
        }
        prop_assert_eq!(replay.finish().unwrap(), world.state);
    }
}

/// Whether a key signs for an account, by what happens to a withdrawal.
fn signs(state: &State, actor: u8, by: &SigningKey) -> bool {
    let asked = signed(actor, 999_999, out(state.size()), by);
    !matches!(decide(state, state.t(), &asked), Err(Refusal::Signature { .. }))
}
