//! A world: one node on simulated stores, those who use it, and somebody who starts it again.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use assay_ledger::amount::Amount;
use assay_ledger::codec;
use assay_ledger::command::{Command, Intent, Signed};
use assay_ledger::decide::signer;
use assay_ledger::event::{Cause, Event};
use assay_ledger::ids::{Nonce, PublicKey, Signature};
use assay_ledger::state::State;
use assay_node::{Ground, Home, Kind, LOG, Node, NodeError, OPERATOR as OPERATOR_KEY, Trust, Wanted};
use assay_store::{EventStore, PublicFiles, TableStore, Vault};
use assay_tlog::SignerKey;
use ed25519_dalek::SigningKey;
use object_store::path::Path;

use crate::disk::{Careless, Content, Disk};
use crate::machine::{Broken, Dice, Inner, Machine, Met, require};
use crate::objects::{Bucket, Owner};
use crate::seen::Seen;
use crate::wishes::{self, OPERATOR, ORIGIN, Wish, wish};
use crate::withdrawn::{Authors, Batch, Stored, files_below};

/// The first of January 2026.
const BEGIN_MS: u64 = 1_767_225_600_000;
const LOG_SEED: [u8; 32] = [99; 32];
const HOUR_MS: u64 = 3_600_000;
/// Starts that may fail before the operator mends the machine.
const PATIENCE: u32 = 4;
/// Starts of a machine that is well before the log counts as lost.
const STARTS_MAX: u32 = 8;

/// A command on its way.
struct Sent {
    signed: Signed,
    /// Files that are not yet stored.
    files: Vec<(Vec<u8>, &'static str)>,
    /// Records of a contribution, and whether they are kept.
    batch: Option<(Batch, bool)>,
    /// Its place, once somebody was told.
    answer: Option<u64>,
}

pub(crate) struct World {
    dir: tempfile::TempDir,
    dice: Dice,
    pub(crate) machine: Machine,
    pub(crate) disk: Disk,
    tables: Bucket,
    public: Bucket,
    node: Option<Node>,
    pub(crate) seen: Seen,
    sent: Vec<Sent>,
    authors: Authors,
    serial: u64,
    /// Keys that accounts may have after their first.
    keys: BTreeMap<PublicKey, SigningKey>,
    /// Steps until a full disk has room again.
    full_for: u64,
    /// Times that the public folder was moved away because a file in it was damaged.
    remade: u64,
    /// Files torn when that was done last.
    torn: u64,
}

impl World {
    /// A founded log; from then on things go wrong.
    pub(crate) fn new(seed: u64, careless: Careless) -> Result<Self, Broken> {
        let machine = Machine::new(seed, BEGIN_MS);
        let log_key = SignerKey::from_seed(ORIGIN, &LOG_SEED).unwrap();
        let mut world = Self {
            dir: home_with_keys(),
            dice: Dice::new(seed, 0),
            disk: Disk::new(machine.clone(), careless),
            tables: Bucket::new(machine.clone(), Owner::Node),
            public: Bucket::new(machine.clone(), Owner::Public),
            node: None,
            seen: Seen::new(ORIGIN, log_key.verifier().clone()),
            sent: Vec::new(),
            authors: Authors::default(),
            serial: 0,
            keys: BTreeMap::new(),
            full_for: 0,
            remade: 0,
            torn: 0,
            machine,
        };
        let key = PublicKey::from(&wishes::key(OPERATOR));
        let found = Command::Found { key, log_key: log_key.verifier().to_string() };
        world.send(Wish { actor: OPERATOR, command: found, files: Vec::new(), batch: None });
        world.start()?;
        world.submit(&[0])?;
        world.disk.settle();
        world.machine.inner().calm = false;
        Ok(world)
    }

    /// Something happens, perhaps several things at once, and everything is checked.
    pub(crate) fn step(&mut self) -> Result<(), Broken> {
        self.pass_time();
        if let Some(wish) = wish(&mut self.dice, self.seen.replay.state(), self.serial) {
            self.send(wish);
        }
        match self.dice.below(150) {
            0..5 => self.machine.inner().crash(),
            5 => self.rot_a_file()?,
            6 => self.rot_an_entry()?,
            7 => (self.full_for, self.machine.inner().full) = (1 + self.dice.below(6), true),
            _ => {}
        }
        self.start()?;
        self.deliver()?;
        self.seen.look(&self.disk, &self.public)?;
        self.check_node()
    }

    /// The end: nothing goes wrong any more, and everything must come out.
    pub(crate) fn finish(mut self) -> Result<Outcome, Broken> {
        self.machine.inner().calm = true;
        self.node = None;
        self.start()?;
        self.deliver_all()?;
        self.check_node()?;
        let stored = self.stored();
        if let Some(node) = &self.node {
            self.authors.finish(node, &stored)?;
        }
        self.seen.stranger(&self.public)?;
        let state = self.seen.replay.state();
        let inner = self.machine.inner();
        Ok(Outcome {
            state: state.digest().unwrap().to_string(),
            entries: self.seen.size(),
            crashes: inner.crashes,
            remade: self.remade,
            taken_back: self.seen.taken_back,
            metered: self.seen.metered,
            withdrawn: self.authors.gone(),
            rekeyed: (0..=wishes::ACTORS).filter(|actor| is_rekeyed(state, *actor)).count() as u64,
            simulated_ms: state.t() - BEGIN_MS,
            met: inner.met.clone(),
        })
    }

    /// Hours, now and then a leap; a clock may also be set back.
    fn pass_time(&mut self) {
        let mut inner = self.machine.inner();
        inner.now += self.dice.below(12 * HOUR_MS);
        match self.dice.below(100) {
            0 => inner.now += self.dice.below(365 * 24 * HOUR_MS),
            1 => inner.now -= self.dice.below(30 * 24 * HOUR_MS),
            _ => {}
        }
        self.full_for = self.full_for.saturating_sub(1);
        inner.full &= self.full_for > 0;
        drop(inner);
        if self.dice.one_in(2) {
            self.disk.settle();
        }
    }

    // Those who use the node.

    fn send(&mut self, wish: Wish) {
        let nonce = Nonce(u128::from(self.serial).to_be_bytes());
        let fresh = wishes::fresh_key(self.serial);
        self.keys.insert(PublicKey::from(&fresh), fresh);
        self.serial += 1;
        let signed = self.sign(wish.actor, nonce, wish.command);
        let batch = wish.batch.map(|batch| (batch, false));
        self.sent.push(Sent { signed, files: wish.files, batch, answer: None });
    }

    /// Signs with the key that must sign by what was seen so far, or with the actor's first one.
    fn sign(&self, actor: u8, nonce: Nonce, command: Command) -> Signed {
        let unsigned = Signed { intent: intent(actor, nonce, command), signature: Signature([0; 64]) };
        let key = signer(self.seen.replay.state(), &unsigned).ok();
        let key = key.and_then(|key| self.keys.get(&key).cloned());
        unsigned.intent.sign(&key.unwrap_or_else(|| wishes::key(actor))).unwrap()
    }

    /// Sends some of what is on its way in any order, some of it again, and some nonces with other commands.
    fn deliver(&mut self) -> Result<(), Broken> {
        let mut batch: Vec<usize> = Vec::new();
        for _ in 0..=self.dice.below(3) {
            let waiting = (0..self.sent.len()).filter(|at| self.sent[*at].answer.is_none());
            batch.extend(self.dice.pick(waiting));
        }
        if self.dice.one_in(3) {
            batch.extend(self.dice.pick(0..self.sent.len()));
        }
        // Who has waited long enough gives up: it may have happened or not.
        if self.dice.one_in(4) {
            let waiting = (0..self.sent.len()).filter(|at| self.sent[*at].answer.is_none());
            if let Some(at) = self.dice.pick(waiting).filter(|at| !batch.contains(at)) {
                self.sent.swap_remove(at);
                batch.iter_mut().filter(|other| **other == self.sent.len()).for_each(|other| *other = at);
            }
        }
        self.submit(&batch)?;
        match self.dice.below(12) {
            0 | 1 => self.submit_conflicting(),
            2 => self.submit_by_replaced_key(),
            _ => Ok(()),
        }
    }

    /// A command that is signed by a key which its account has no more.
    fn submit_by_replaced_key(&mut self) -> Result<(), Broken> {
        let state = self.seen.replay.state();
        let rekeyed = (0..=wishes::ACTORS).filter(|actor| is_rekeyed(state, *actor));
        let Some(actor) = self.dice.pick(rekeyed) else { return Ok(()) };
        let reference = format!("stolen-{}", self.serial).parse().unwrap();
        let command = Command::Withdraw { amount: Amount::new(1).unwrap(), reference };
        let nonce = Nonce((u128::MAX - u128::from(self.serial)).to_be_bytes());
        let stolen = intent(actor, nonce, command).sign(&wishes::key(actor)).unwrap();
        for answer in self.ask(vec![stolen])? {
            require(answer.is_err(), || format!("a key that actor {actor} has no more was taken"))?;
        }
        Ok(())
    }

    /// Sends everything once more.
    fn deliver_all(&mut self) -> Result<(), Broken> {
        let all: Vec<usize> = (0..self.sent.len()).collect();
        all.chunks(50).try_for_each(|batch| self.submit(batch))
    }

    fn submit(&mut self, batch: &[usize]) -> Result<(), Broken> {
        let mut ready = Vec::new();
        for &at in batch {
            if self.store_files(at) && self.keep_records(at)? {
                ready.push(at);
            }
        }
        let commands = ready.iter().map(|at| self.sent[*at].signed.clone()).collect();
        for (at, answer) in ready.into_iter().zip(self.ask(commands)?) {
            let Sent { signed, batch, answer: before, .. } = &mut self.sent[at];
            let first = before.is_none();
            match (answer, *before) {
                (Ok(seq), None) => *before = Some(seq),
                (Ok(seq), Some(first)) => {
                    require(seq == first, || format!("answered with {first}, and then with {seq}"))?;
                }
                (Err(error), Some(first)) if matches!(error.kind, Kind::Refused | Kind::Invalid) => {
                    return Err(Broken(format!("answered with {first}, and then refused: {error}")));
                }
                (Err(_), _) => continue,
            }
            let seq = before.unwrap_or_default();
            self.seen.acknowledged(signed, seq)?;
            if let (Some(node), Some((batch, _)), Some(net)) =
                (&self.node, batch, signed.intent.command.datanet())
                && first
            {
                let calm = std::mem::replace(&mut self.machine.inner().calm, true);
                self.authors.answered(node, net, seq, batch)?;
                self.machine.inner().calm = calm;
            }
        }
        Ok(())
    }

    /// Another command under the nonce of one that was answered.
    fn submit_conflicting(&mut self) -> Result<(), Broken> {
        let Some(sent) = self.dice.pick(self.sent.iter().filter(|sent| sent.answer.is_some())) else {
            return Ok(());
        };
        let Intent { actor, nonce, .. } = &sent.signed.intent;
        let (nonce, actor) = (*nonce, (0..=wishes::ACTORS).find(|n| wishes::account(*n) == *actor).unwrap());
        let amount = Amount::new(1).unwrap();
        let other =
            Command::Withdraw { amount, reference: format!("other-{}", self.serial).parse().unwrap() };
        let other = self.sign(actor, nonce, other);
        for answer in self.ask(vec![other])? {
            require(answer.is_err(), || "one nonce was taken for two commands".to_owned())?;
        }
        Ok(())
    }

    /// Stores the files that a command names, as the node does before it takes the command.
    fn store_files(&mut self, at: usize) -> bool {
        let store = self.table_store();
        let files = &mut self.sent[at].files;
        files.retain(|(bytes, extension)| store.put(bytes.clone(), extension).is_err());
        files.is_empty()
    }

    /// Hands the node the records that a command commits to, as their author does before it. Nothing goes wrong in the vault.
    fn keep_records(&mut self, at: usize) -> Result<bool, Broken> {
        let Some((batch, kept)) = &mut self.sent[at].batch else { return Ok(true) };
        let Some(node) = &mut self.node else { return Ok(false) };
        if !*kept {
            node.keep_records(&batch.records).map_err(|error| Broken(error.to_string()))?;
            *kept = true;
        }
        Ok(true)
    }

    /// The names and bytes of everything that is stored anywhere.
    fn stored(&self) -> Stored {
        let mut found = Vec::new();
        files_below(self.dir.path(), &mut found);
        for bucket in [&self.tables, &self.public] {
            let whole = |path: Path| Some((path.to_string(), bucket.get(&path)?.to_vec()));
            found.extend(bucket.paths().into_iter().filter_map(whole));
        }
        found.push(("the log".to_owned(), self.disk.look(Content::bytes)));
        found
    }

    /// The node's answers; none if it died or gave up, and then it has to be started again.
    fn ask(&mut self, commands: Vec<Signed>) -> Result<Vec<Result<u64, NodeError>>, Broken> {
        let Some(node) = &mut self.node else { return Ok(Vec::new()) };
        let answers = node.submit_all(commands);
        let Inner { crashed, troubled, .. } = *self.machine.inner();
        if crashed || answers.is_err() {
            self.node = None;
        }
        self.seen.look(&self.disk, &self.public)?;
        match answers {
            _ if crashed => Ok(Vec::new()),
            Err(error) => {
                require(troubled, || format!("the node gave up with nothing wrong: {error}"))?;
                Ok(Vec::new())
            }
            Ok(answers) => Ok(answers),
        }
    }

    // Those who run it.

    /// Starts the node if it does not run. After some starts in vain the operator sees to it that nothing is in the way.
    fn start(&mut self) -> Result<(), Broken> {
        if self.machine.inner().crashed {
            self.node = None;
        }
        let calm = self.machine.inner().calm;
        let mut starts = 0;
        while self.node.is_none() {
            starts += 1;
            require(starts < STARTS_MAX, || "the node does not come back".to_owned())?;
            self.machine.inner().calm |= starts > PATIENCE;
            self.start_once()?;
        }
        if starts > 0 && self.seen.head.is_some() && self.dice.one_in(4) {
            self.seen.stranger(&self.public)?;
        }
        self.machine.inner().calm = calm;
        Ok(())
    }

    fn start_once(&mut self) -> Result<(), Broken> {
        let opened = self.open();
        self.seen.look(&self.disk, &self.public)?;
        let Inner { crashed, troubled, .. } = *self.machine.inner();
        match opened {
            _ if crashed => Ok(()),
            Ok(node) => {
                self.node = Some(node);
                Ok(())
            }
            Err(error) if error.what.contains("already holds something else") => {
                let torn = self.machine.inner().torn();
                require(torn > self.torn, || format!("files were refused that nothing damaged: {error}"))?;
                (self.torn, self.remade) = (torn, self.remade + 1);
                self.public.wipe();
                Ok(())
            }
            Err(error) => {
                require(troubled, || format!("the node does not open with nothing in the way: {error}"))
            }
        }
    }

    /// One start, after what the last crash took.
    fn open(&self) -> assay_node::Result<Node> {
        let mut inner = self.machine.inner();
        if std::mem::take(&mut inner.crashed) {
            self.disk.lose_power();
        }
        inner.troubled = false;
        drop(inner);
        let home = Home::open(self.dir.path())?;
        let machine = self.machine.clone();
        let ground = Ground {
            events: EventStore::new(Box::new(self.disk.clone())),
            vault: Vault::open(&self.dir.path().join("private"))?,
            tables: self.table_store(),
            public: PublicFiles::new(Arc::new(self.public.clone()), "", "the simulated public files"),
            clock: Box::new(move || machine.inner().now),
        };
        Node::open_on(home, ground)
    }

    fn table_store(&self) -> TableStore {
        TableStore::new(Arc::new(self.tables.clone()), "", "the simulated tables")
    }

    /// A bit of a public file turns: a stranger notices, and the folder can be made again.
    fn rot_a_file(&mut self) -> Result<(), Broken> {
        if self.node.take().is_none() {
            return Ok(());
        }
        let path = self.dice.pick(self.public.paths()).unwrap();
        self.public.flip(&path, self.dice.below(1 << 20));
        require(self.seen.stranger(&self.public).is_err(), || format!("nobody saw a bit turn in {path}"))?;
        self.machine.inner().calm = true;
        // It mends what it can and refuses what it cannot; either way it signs nothing that is not so.
        drop(self.open());
        self.seen.look(&self.disk, &self.public)?;
        self.public.wipe();
        self.start()?;
        self.machine.inner().calm = false;
        self.seen.stranger(&self.public)
    }

    /// A bit of a stored entry turns: the node does not open on it.
    fn rot_an_entry(&mut self) -> Result<(), Broken> {
        self.node = None;
        let (seq, bit) = (self.dice.below(self.seen.size()), self.dice.below(1 << 20));
        self.disk.flip(seq, bit);
        self.machine.inner().calm = true;
        let opened = self.open().is_ok();
        self.disk.flip(seq, bit);
        self.machine.inner().calm = false;
        require(!opened, || format!("the node opens on a log in which bit {bit} of entry {seq} has turned"))
    }

    /// The state is that of the log, everything is public, and any receipt holds.
    fn check_node(&mut self) -> Result<(), Broken> {
        let Some(node) = &self.node else { return Ok(()) };
        let calm = std::mem::replace(&mut self.machine.inner().calm, true);
        require(node.state() == self.seen.replay.state(), || "the state is not that of the log".to_owned())?;
        let shown = self.seen.head.as_ref().map_or(0, |head| head.size);
        require(shown == self.seen.size(), || format!("{shown} of {} entries are public", self.seen.size()))?;
        let gone = self.authors.newly_gone(node);
        if !gone.is_empty() {
            self.authors.look(node, &gone, &self.stored())?;
        }
        let seq = self.dice.below(shown);
        let event = self.disk.look(|content| codec::decode(&content.entries[seq as usize].1));
        let event = event.map_err(|error| Broken(error.to_string()))?;
        let receipt = match event.outcome.settled.first() {
            Some(row) => node.payout_receipt(seq, &row.account),
            None => node.receipt(seq, Vec::new()),
        };
        let trust = Trust::key(node.log_key().clone());
        let held = receipt.and_then(|receipt| receipt.verify(&trust, &Wanted::default()));
        // A settlement that pays nobody has a receipt for nobody.
        if !event.outcome.settled.is_empty() || !settles(&event) {
            held.map_err(|error| Broken(format!("the receipt of entry {seq}: {error}")))?;
        }
        self.machine.inner().calm = calm;
        Ok(())
    }
}

fn settles(event: &Event) -> bool {
    match &event.cause {
        Cause::Command(signed) => matches!(signed.intent.command, Command::Settle { .. }),
        Cause::Earlier(_) => true,
    }
}

/// Whether an account has another key than its first.
fn is_rekeyed(state: &State, actor: u8) -> bool {
    let first = PublicKey::from(&wishes::key(actor));
    state.accounts().get(&wishes::account(actor)).is_some_and(|now| *now != first)
}

fn intent(actor: u8, nonce: Nonce, command: Command) -> Intent {
    Intent { origin: ORIGIN.to_owned(), actor: wishes::account(actor), nonce, command }
}

/// A home with fixed keys, whose stores are elsewhere but for the vault: in memory where there is such a place, since nobody
/// takes the power from it.
fn home_with_keys() -> tempfile::TempDir {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    fs::write(dir.path().join("assay.toml"), format!("origin = {ORIGIN:?}\n")).unwrap();
    for folder in ["keys", "receipts"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
    }
    for (name, seed) in [(OPERATOR_KEY, wishes::key(OPERATOR).to_bytes()), (LOG, LOG_SEED)] {
        fs::write(dir.path().join(format!("keys/{name}.key")), hex::encode(seed)).unwrap();
    }
    dir
}

/// What a world came to: the same for the same seed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    state: String,
    pub(crate) entries: u64,
    pub(crate) crashes: u64,
    pub(crate) remade: u64,
    /// Prices that were taken back when their hold had expired.
    pub(crate) taken_back: u64,
    /// Answers that were metered.
    pub(crate) metered: u64,
    /// Contributions that were taken back and found to be nowhere.
    pub(crate) withdrawn: u64,
    /// Accounts whose key was replaced.
    pub(crate) rekeyed: u64,
    pub(crate) simulated_ms: u64,
    pub(crate) met: Met,
}
