//! The fold of the log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::amount::Place;
use crate::balances::Balances;
use crate::codec::{CodecError, Entry, canonical};
use crate::command::{Command, Form, Intent};
use crate::datanet::{Datanet, Model, Valuation};
use crate::event::{Cause, Event};
use crate::hashed::Hashed;
use crate::ids::{AccountId, Code, DatanetId, Digest, Nonce, PublicKey};
use crate::key::Purpose;
use crate::nonces::Nonces;
use crate::serve::expiry;
use crate::{
    audit, contribute, datanet, fund, gate, key, meter, publish, retract, review, serve, settle, snapshot,
    train, value,
};

/// All that the log says, folded. The same log gives the same state, bit for bit, on any machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub(crate) origin: String,
    pub(crate) operator: Option<AccountId>,
    pub(crate) log_key: String,
    pub(crate) size: u64,
    pub(crate) t: u64,
    pub(crate) accounts: BTreeMap<AccountId, PublicKey>,
    /// Every key that an account named after the one that opened it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) keys: BTreeMap<PublicKey, AccountId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) recovery: BTreeMap<AccountId, PublicKey>,
    pub(crate) nonces: Nonces,
    pub(crate) references: Hashed<Code>,
    pub(crate) balances: Balances,
    pub(crate) datanets: BTreeMap<DatanetId, Datanet>,
    pub(crate) settling: Option<Settling>,
}

/// A command that the log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// Its place.
    pub seq: u64,
    /// Digest of its intent.
    pub intent: Digest,
}

/// The last settlement, whose outcome may go on in the next entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settling {
    pub(crate) seq: u64,
    pub(crate) datanet: DatanetId,
    pub(crate) epoch: u32,
}

impl State {
    /// The state of an empty log.
    pub fn new(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            operator: None,
            log_key: String::new(),
            size: 0,
            t: 0,
            accounts: BTreeMap::new(),
            keys: BTreeMap::new(),
            recovery: BTreeMap::new(),
            nonces: Nonces::default(),
            references: Hashed::default(),
            balances: Balances::default(),
            datanets: BTreeMap::new(),
            settling: None,
        }
    }

    /// Name of the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Who founded the log; `None` while it is empty.
    pub fn operator(&self) -> Option<&AccountId> {
        self.operator.as_ref()
    }

    /// Verifier key of the log's checkpoints; empty while the log is.
    pub fn log_key(&self) -> &str {
        &self.log_key
    }

    /// Entries folded so far: the place of the next one.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Time of the last entry, milliseconds.
    pub fn t(&self) -> u64 {
        self.t
    }

    /// Every account and its present key.
    pub fn accounts(&self) -> &BTreeMap<AccountId, PublicKey> {
        &self.accounts
    }

    /// What was accepted from `actor` under `nonce`.
    pub fn accepted(&self, actor: &AccountId, nonce: &Nonce) -> Option<Accepted> {
        self.nonces.get(actor, *nonce)
    }

    /// All money.
    pub fn balances(&self) -> &Balances {
        &self.balances
    }

    /// The balance of a place, base units; below zero for `External` only.
    pub fn balance(&self, place: &Place) -> i128 {
        self.balances.of(place)
    }

    /// One datanet.
    pub fn datanet(&self, id: &DatanetId) -> Option<&Datanet> {
        self.datanets.get(id)
    }

    /// All datanets, by name.
    pub fn datanets(&self) -> &BTreeMap<DatanetId, Datanet> {
        &self.datanets
    }

    /// The state as MessagePack, which is half as long as its canonical JSON and read in half the time: a restart reads
    /// this and the entries after it.
    pub fn image(&self) -> Result<Vec<u8>, CodecError> {
        rmp_serde::to_vec_named(self).map_err(|e| CodecError::Image(e.to_string()))
    }

    /// Reads a state image. What it says is as good as where it comes from: compare [`State::digest`].
    pub fn from_image(image: &[u8]) -> Result<Self, CodecError> {
        rmp_serde::from_slice(image).map_err(|e| CodecError::Image(e.to_string()))
    }

    /// SHA-256 of the state as canonical JSON.
    pub fn digest(&self) -> Result<Digest, CodecError> {
        Ok(Digest::of(&canonical(self)?))
    }

    /// Folds the next event. It must come from `decide` on this very state, or from a log that did: then nothing
    /// here can fail. Apply all events of one decision before the next decision.
    pub fn apply(&mut self, event: &Event) {
        let form = match &event.cause {
            Cause::Command(signed) => signed.intent.form().ok(),
            Cause::Earlier(_) => None,
        };
        self.apply_known(event, form);
    }

    /// [`State::apply`] of an entry that was read.
    pub fn apply_entry(&mut self, entry: &Entry) {
        self.apply_known(entry.event(), entry.form());
    }

    /// [`State::apply`] where the form of the event's intent is known, if it has one.
    pub(crate) fn apply_known(&mut self, event: &Event, form: Option<Form>) {
        debug_assert_eq!(event.seq, self.size, "events are applied in the order of the log");
        for posting in &event.outcome.postings {
            let moved = self.balances.transfer(posting);
            debug_assert!(moved, "entry {} moves money that is not there: {posting:?}", event.seq);
        }
        if let Cause::Command(signed) = &event.cause {
            self.accept(event.seq, &signed.intent, form.map(|form| form.digest));
            self.apply_command(event.seq, event.t, &signed.intent);
        }
        if let Some((net, epoch)) = self.settlement(event) {
            settle::apply_outcome(net, epoch, &event.outcome);
        }
        self.size = event.seq + 1;
        self.t = event.t;
    }

    fn accept(&mut self, seq: u64, intent: &Intent, digest: Option<Digest>) {
        debug_assert!(digest.is_some(), "an intent that was decided has a canonical form");
        if let Some(digest) = digest {
            self.nonces.insert(&intent.actor, intent.nonce, Accepted { seq, intent: digest });
        }
    }

    /// The datanet and the epoch that an event settles, if it does.
    fn settlement(&mut self, event: &Event) -> Option<(&mut Datanet, u32)> {
        let command = match event.cause {
            Cause::Command(_) => event.seq,
            Cause::Earlier(seq) => seq,
        };
        let settling = self.settling.as_ref().filter(|settling| settling.seq == command)?;
        let net = self.datanets.get_mut(&settling.datanet)?;
        Some((net, settling.epoch))
    }

    fn apply_command(&mut self, seq: u64, t: u64, intent: &Intent) {
        let actor = &intent.actor;
        match &intent.command {
            Command::Found { key, log_key } => {
                self.operator = Some(actor.clone());
                self.log_key.clone_from(log_key);
                self.accounts.insert(actor.clone(), *key);
            }
            Command::OpenAccount { key } => {
                self.accounts.insert(actor.clone(), *key);
            }
            Command::RotateKey { key, .. } | Command::RecoverKey { key, .. } => {
                key::apply(self, actor, key, Purpose::Sign);
            }
            Command::SetRecovery { key, .. } => key::apply(self, actor, key, Purpose::Recover),
            Command::Deposit { reference, .. } | Command::Withdraw { reference, .. } => {
                self.references.insert(reference.clone());
            }
            Command::CreateDatanet { datanet, charter, benchmark } => {
                let operator = self.operator.as_ref().unwrap_or(actor);
                let net = datanet::create(seq, actor, operator, charter, benchmark);
                debug_assert!(net.is_some(), "a charter that was decided parses");
                self.datanets.extend(net.map(|net| (datanet.clone(), net)));
            }
            in_datanet => {
                let net = in_datanet.datanet().and_then(|datanet| self.datanets.get_mut(datanet));
                debug_assert!(net.is_some(), "entry {seq} names a datanet that is not there");
                if let Some(net) = net {
                    apply_in(net, seq, t, actor, in_datanet);
                }
            }
        }
        if let Command::Settle { datanet, epoch } = &intent.command {
            self.settling = Some(Settling { seq, datanet: datanet.clone(), epoch: *epoch });
        }
    }
}

/// What a command changes in its datanet.
fn apply_in(net: &mut Datanet, seq: u64, t: u64, actor: &AccountId, command: &Command) {
    match command {
        Command::Appoint { account, role, .. } => datanet::apply_appoint(net, account, *role),
        Command::Contribute { records, root, table, .. } => {
            contribute::apply(net, seq, actor, *records, root, table);
        }
        Command::Gate { contribution, passed, held, rejected, reasons, table, .. } => {
            let found = gate::gated(seq, *passed, held, *rejected, reasons, table);
            gate::apply(net, *contribution, found);
        }
        Command::Review { contribution, index, pass, reason, .. } => {
            review::apply(net, seq, actor, *contribution, *index, *pass, reason);
        }
        Command::Retract { contribution, .. } => retract::apply(net, seq, *contribution),
        Command::Snapshot { records, root, table, .. } => snapshot::apply(net, seq, *records, root, table),
        Command::Train { snapshot, weights, recipe, scores, .. } => {
            let model = Model {
                snapshot: *snapshot,
                trainer: actor.clone(),
                weights: *weights,
                recipe: *recipe,
                scores: scores.clone(),
                valuation: None,
            };
            train::apply(net, seq, model);
        }
        Command::ValueRows { model, part, rows, .. } => value::apply_rows(net, *model, *part, rows),
        Command::Value {
            model,
            base_microbits,
            full_microbits,
            sum_microbits,
            withheld_microbits,
            nodes,
            recipe,
            table,
            ..
        } => {
            let valuation = Valuation {
                model: *model,
                base_microbits: *base_microbits,
                full_microbits: *full_microbits,
                sum_microbits: *sum_microbits,
                withheld_microbits: *withheld_microbits,
                nodes: *nodes,
                recipe: *recipe,
                table: table.clone(),
                audit: None,
            };
            value::apply(net, seq, valuation);
        }
        Command::Audit { valuation, rank_ppm, coverage_ppm, contributors, table, .. } => {
            let found = audit::found(seq, *rank_ppm, *coverage_ppm, *contributors, table);
            audit::apply(net, *valuation, found);
        }
        Command::Fund { amount, .. } => fund::apply(net, *amount),
        Command::Ask { query, hold_hours, .. } => {
            serve::apply_ask(net, seq, actor, query, expiry(t, *hold_hours));
        }
        Command::Answer { query, .. } => serve::apply_answer(net, *query),
        Command::MeterRows { part, rows, .. } => meter::apply_rows(net, *part, rows),
        Command::Meter { through, .. } => meter::apply(net, *through),
        Command::Release { query, .. } => serve::apply_release(net, *query),
        Command::Settle { epoch, .. } => settle::apply(net, seq, *epoch),
        Command::Publish { name, table, .. } => publish::apply(net, seq, name, table),
        Command::Found { .. }
        | Command::OpenAccount { .. }
        | Command::RotateKey { .. }
        | Command::SetRecovery { .. }
        | Command::RecoverKey { .. }
        | Command::Deposit { .. }
        | Command::Withdraw { .. }
        | Command::CreateDatanet { .. } => {}
    }
}
