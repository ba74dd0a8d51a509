//! May this happen? Pure, and writes nothing.

use crate::amount::{Amount, Place, Posting};
use crate::codec::encode;
use crate::command::{Command, Form, Intent, Signed};
use crate::datanet::Datanet;
use crate::event::{Cause, Event, Outcome};
use crate::ids::{AccountId, DatanetId, Digest, PublicKey};
use crate::key::Purpose;
use crate::limits::{ENTRY_BYTES_MAX, FRAME_BYTES_MAX, INTEGER_MAX, POSTING_BYTES_MAX};
use crate::refusal::{Refusal, require, require_field};
use crate::state::State;
use crate::{
    account, audit, contribute, datanet, fund, gate, key, meter, publish, retract, review, serve, settle,
    snapshot, train, value,
};

/// What follows from a command at time `t` (milliseconds, not before the last entry's): the events to append, all or
/// none and in order, or why not.
pub fn decide(state: &State, t: u64, signed: &Signed) -> Result<Vec<Event>, Refusal> {
    Ok(events(state.size, t, signed, follow(state, t, signed, None)?))
}

/// [`decide`] for a command whose signature [`Signed::verify`] has accepted, or will.
pub fn decide_verified(state: &State, t: u64, signed: &Signed) -> Result<Vec<Event>, Refusal> {
    Ok(events(state.size, t, signed, follow_verified(state, t, signed, None)?))
}

/// [`decide`] for a command of which [`crate::signatures::verified`] has found whether it is signed with the key of [`signer`].
pub fn decide_checked(state: &State, t: u64, signed: &Signed, holds: bool) -> Result<Vec<Event>, Refusal> {
    let checked = |_: &Digest, _: &PublicKey| holds;
    Ok(events(state.size, t, signed, follow_if(state, t, signed, None, checked)?))
}

/// What follows from a command: in its own event, and in each of those after it.
pub(crate) type Outcomes = (Outcome, Vec<Outcome>);

/// [`decide`] without the events, and with what is known of the intent's form, if anything is.
pub(crate) fn follow(
    state: &State,
    t: u64,
    signed: &Signed,
    form: Option<Form>,
) -> Result<Outcomes, Refusal> {
    follow_if(state, t, signed, form, |digest, key| signed.verify_digest(digest, key))
}

/// What follows if the signature `holds`, of an intent of this digest with this key.
fn follow_if(
    state: &State,
    t: u64,
    signed: &Signed,
    form: Option<Form>,
    holds: impl FnOnce(&Digest, &PublicKey) -> bool,
) -> Result<Outcomes, Refusal> {
    let key = signer(state, signed)?;
    let form = form.map_or_else(|| signed.intent.form(), Ok)?;
    let (Intent { actor, nonce, .. }, digest) = (&signed.intent, form.digest);
    // What was accepted once gets its first answer, also when the key that signed it was replaced since.
    let known = || state.accepted(actor, nonce).is_some_and(|accepted| accepted.intent == digest);
    require(holds(&digest, &key) || known(), || Refusal::Signature { actor: actor.clone() })?;
    follow_signed(state, t, signed, form)
}

/// [`decide_verified`] without the events.
pub(crate) fn follow_verified(
    state: &State,
    t: u64,
    signed: &Signed,
    form: Option<Form>,
) -> Result<Outcomes, Refusal> {
    signer(state, signed)?;
    let form = form.map_or_else(|| signed.intent.form(), Ok)?;
    follow_signed(state, t, signed, form)
}

/// The key that must have signed a command, as the state is before it: that of the actor's account, its recovery key, or
/// the one that opens it. A verifier can collect `(key, signed)` and check the signatures later.
pub fn signer(state: &State, signed: &Signed) -> Result<PublicKey, Refusal> {
    let intent = &signed.intent;
    require(intent.origin == state.origin, || Refusal::Origin {
        expected: state.origin.clone(),
        found: intent.origin.chars().take(200).collect(),
    })?;
    match &intent.command {
        Command::Found { key, .. } | Command::OpenAccount { key } => {
            let account = AccountId::of(key);
            require_field(account == intent.actor, "actor", || {
                format!("is {}, and the key opens {account}", intent.actor)
            })?;
            Ok(*key)
        }
        Command::RecoverKey { .. } => {
            let key = state.recovery(&intent.actor).copied();
            key.ok_or_else(|| Refusal::not_found("recovery key of account", &intent.actor))
        }
        command => {
            let recovery = match command {
                Command::SetRecovery { .. } => state.recovery(&intent.actor),
                _ => None,
            };
            let key = recovery.or_else(|| state.accounts.get(&intent.actor)).copied();
            key.ok_or_else(|| Refusal::not_found("account", &intent.actor))
        }
    }
}

/// Follows a command that its signer signed.
fn follow_signed(state: &State, t: u64, signed: &Signed, form: Form) -> Result<Outcomes, Refusal> {
    let intent = &signed.intent;
    if let Some(accepted) = state.accepted(&intent.actor, &intent.nonce) {
        let seq = accepted.seq;
        return Err(match accepted.intent == form.digest {
            true => Refusal::Already { seq },
            false => Refusal::NonceReused { seq },
        });
    }
    require_field((state.t..=INTEGER_MAX).contains(&t), "t", || {
        format!("is {t}, and the last entry's time is {}; time never falls", state.t)
    })?;
    let view = View { state, actor: &intent.actor, seq: state.size, t };
    let outcomes = outcomes(&view, &intent.command)?;
    // The command alone fits its entry if its canonical form does, so that most events need not be written to know.
    let (outcome, later) = &outcomes;
    let small = outcome.settled.is_empty() && form.bytes + outcome.bytes_max() <= ENTRY_BYTES_MAX;
    if !small || !later.is_empty() {
        let events = events(state.size, t, signed, outcomes.clone());
        events.iter().try_for_each(|event| encode(event).map(drop))?;
    }
    Ok(outcomes)
}

/// One event for each outcome: the first, at `first`, is the command's, the others refer to it.
fn events(first: u64, t: u64, signed: &Signed, (outcome, later): Outcomes) -> Vec<Event> {
    let mut cause = Cause::Command(Box::new(signed.clone()));
    let numbered = (first..).zip(std::iter::once(outcome).chain(later));
    numbered
        .map(|(seq, outcome)| Event {
            v: Event::VERSION,
            seq,
            t,
            cause: std::mem::replace(&mut cause, Cause::Earlier(first)),
            outcome,
        })
        .collect()
}

fn outcomes(view: &View<'_>, command: &Command) -> Result<Outcomes, Refusal> {
    let outcome = match command {
        Command::Found { log_key, .. } => account::decide_found(view, log_key),
        Command::OpenAccount { key } => account::decide_open(view, key),
        Command::RotateKey { key, proof } | Command::RecoverKey { key, proof } => {
            key::decide(view, key, proof, Purpose::Sign)
        }
        Command::SetRecovery { key, proof } => key::decide(view, key, proof, Purpose::Recover),
        Command::Deposit { account, amount, reference } => {
            account::decide_deposit(view, account, *amount, reference)
        }
        Command::Withdraw { amount, reference } => account::decide_withdraw(view, *amount, reference),
        Command::CreateDatanet { datanet, charter, benchmark } => {
            datanet::decide_create(view, datanet, charter, benchmark)
        }
        in_datanet => match in_datanet.datanet() {
            Some(datanet) => return outcomes_in(view, datanet, in_datanet),
            None => Ok(Outcome::default()),
        },
    }?;
    Ok((outcome, Vec::new()))
}

fn outcomes_in(view: &View<'_>, id: &DatanetId, command: &Command) -> Result<Outcomes, Refusal> {
    // Named as the state names it, so that places compare by where the name lies.
    let (id, net) = view.named(id)?;
    let outcome = match command {
        Command::Appoint { account, .. } => datanet::decide_appoint(view, net, account),
        Command::Contribute { records, table, .. } => contribute::decide(view, id, net, *records, table),
        Command::Gate { contribution, passed, held, rejected, reasons, table, .. } => {
            let found = gate::gated(view.seq, *passed, held, *rejected, reasons, table);
            gate::decide(view, net, *contribution, held, &found)
        }
        Command::Review { contribution, index, .. } => review::decide(view, net, *contribution, *index),
        Command::Retract { contribution, .. } => retract::decide(view, id, net, *contribution),
        Command::Snapshot { records, table, .. } => snapshot::decide(view, net, *records, table),
        Command::Train { snapshot, scores, .. } => train::decide(view, net, *snapshot, scores),
        Command::ValueRows { model, part, rows, .. } => value::decide_rows(view, net, *model, *part, rows),
        Command::Value { .. } => value::decide(view, net, command),
        Command::Audit { valuation, rank_ppm, coverage_ppm, contributors, table, .. } => {
            let found = audit::found(view.seq, *rank_ppm, *coverage_ppm, *contributors, table);
            audit::decide(view, net, *valuation, &found)
        }
        Command::Fund { amount, .. } => fund::decide(view, id, net, *amount),
        Command::Ask { price_max, hold_hours, .. } => {
            serve::decide_ask(view, id, net, *price_max, *hold_hours)
        }
        Command::Answer { query, model, shares, .. } => {
            serve::decide_answer(view, id, net, *query, *model, shares)
        }
        Command::MeterRows { part, rows, .. } => meter::decide_rows(view, net, *part, rows),
        Command::Meter { .. } => return meter::decide(view, id, net, command),
        Command::Release { query, .. } => serve::decide_release(view, id, net, *query),
        Command::Settle { epoch, .. } => return settle::decide(view, id, net, *epoch),
        Command::Publish { .. } => publish::decide(view),
        Command::Found { .. }
        | Command::OpenAccount { .. }
        | Command::RotateKey { .. }
        | Command::SetRecovery { .. }
        | Command::RecoverKey { .. }
        | Command::Deposit { .. }
        | Command::Withdraw { .. }
        | Command::CreateDatanet { .. } => Ok(Outcome::default()),
    }?;
    Ok((outcome, Vec::new()))
}

/// What a stage sees when it decides: the state, who asks, and the place and the time that the event will have.
pub(crate) struct View<'a> {
    pub(crate) state: &'a State,
    pub(crate) actor: &'a AccountId,
    pub(crate) seq: u64,
    pub(crate) t: u64,
}

impl<'a> View<'a> {
    pub(crate) fn named(&self, id: &DatanetId) -> Result<(&'a DatanetId, &'a Datanet), Refusal> {
        let found = self.state.datanets.get_key_value(id);
        found.ok_or_else(|| Refusal::not_found("datanet", id))
    }

    pub(crate) fn is_operator(&self) -> bool {
        self.state.operator.as_ref() == Some(self.actor)
    }

    pub(crate) fn require_operator(&self) -> Result<(), Refusal> {
        self.require_role(self.is_operator(), "the operator")
    }

    pub(crate) fn require_owner(&self, net: &Datanet) -> Result<(), Refusal> {
        self.require_role(net.owner == *self.actor, "the owner of the datanet")
    }

    pub(crate) fn require_role(&self, holds: bool, needs: &'static str) -> Result<(), Refusal> {
        require(holds, || Refusal::Role { actor: self.actor.clone(), needs })
    }

    pub(crate) fn require_account(&self, account: &AccountId) -> Result<(), Refusal> {
        require(self.state.accounts.contains_key(account), || Refusal::not_found("account", account))
    }

    /// Moves `amount` from the actor's own money, if there is enough.
    pub(crate) fn spend(&self, to: Place, amount: Amount) -> Result<Outcome, Refusal> {
        let from = Place::User(self.actor.clone());
        let has = self.state.balances.at(&from);
        require(has >= amount, || Refusal::Money {
            place: from.clone(),
            has: has.units(),
            needs: amount.units(),
        })?;
        Ok(Outcome::moving([(from, to, amount)]))
    }
}

impl Outcome {
    /// Bytes of the entry of a command that moves this money, less its intent, at most.
    fn bytes_max(&self) -> usize {
        FRAME_BYTES_MAX + self.postings.len() * POSTING_BYTES_MAX
    }

    /// Money that moves, in order; moves of nothing are left out.
    pub(crate) fn moving(moves: impl IntoIterator<Item = (Place, Place, Amount)>) -> Self {
        let moves = moves.into_iter();
        let mut postings = Vec::with_capacity(moves.size_hint().0);
        let moves = moves.filter(|(_, _, amount)| !amount.is_zero());
        postings.extend(moves.map(|(from, to, amount)| Posting { from, to, amount }));
        Self { postings, settled: Vec::new() }
    }
}
