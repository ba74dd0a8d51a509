//! The sequencer: one writer that decides, makes durable, signs, publishes, and only then answers.
//!
//! Order of effects: decide, one durable transaction (commit point A), tables and tiles, the root by a second path,
//! sign, compare-and-swap of the checkpoint (commit point B), publish. A crash anywhere leaves B behind A, and
//! opening the node runs the same code from A on, see [`publish`](crate::publish).

use std::time::{SystemTime, UNIX_EPOCH};

use assay_ledger::codec;
use assay_ledger::command::{Command, Intent, Signed};
use assay_ledger::datanet::Datanet;
use assay_ledger::decide::{decide_checked, signer};
use assay_ledger::event::{Cause, Event};
use assay_ledger::ids::{AccountId, DatanetId, Nonce, PublicKey};
use assay_ledger::refusal::Refusal;
use assay_ledger::state::State;
use assay_store::events::IMAGE_BYTES_MAX;
use assay_store::{
    AppendError, EventReader, EventStore, NewEntry, PublicFiles, StoredCheckpoint, TableStore, Vault,
};
use assay_tlog::{Checkpoint, SignerKey};
use ed25519_dalek::SigningKey;

use crate::error::{NodeError, Result};
use crate::fold::fold;
use crate::home::{Home, LOG, OPERATOR, random};
use crate::publish::Edge;
use crate::signatures::{Checked, Found, holds, look_together};
use crate::witnesses::Quorum;

/// Name of the signed tree head among the public files.
pub const CHECKPOINT: &str = "checkpoint";
/// Name of the public file that says which key signs the checkpoints.
pub const LOG_KEY: &str = "log.vkey";
/// Commands that share one checkpoint at most, so that a batch has a bound.
pub(crate) const BATCH_MAX: usize = 8_192;
/// How often a batch is decided again because another node of the log appended first.
pub(crate) const CONFLICTS_MAX: usize = 50;
/// Entries after which a new image of the state is saved.
const IMAGE_EVERY: u64 = 2_000;
/// One new image for so much of what the last one holds, so that images cost a constant share of the work.
const IMAGE_SHARE: u64 = 4;
/// How hard an image is compressed: quickly.
const IMAGE_LEVEL: i32 = 1;
/// Version of the state image; another one is not read.
const IMAGE_VERSION: u32 = 2;

/// Milliseconds since 1970.
pub type Clock = Box<dyn Fn() -> u64 + Send>;

/// What a node stands on.
pub struct Ground {
    /// The log.
    pub events: EventStore,
    /// Contents and salts of records.
    pub vault: Vault,
    /// All tables, public or not yet.
    pub tables: TableStore,
    /// What a stranger gets.
    pub public: PublicFiles,
    /// The only clock that the log knows; it may jump.
    pub clock: Clock,
}

impl Ground {
    /// The places that a home names, and the clock of the machine.
    pub fn of(home: &Home) -> Result<Self> {
        Ok(Self {
            events: EventStore::open_at(&home.log_address())?,
            vault: Vault::open_at(&home.vault_address())?,
            tables: TableStore::open(&home.tables_address())?,
            public: PublicFiles::open(&home.public_address())?,
            clock: Box::new(now),
        })
    }
}

/// A running node.
pub struct Node {
    home: Home,
    pub(crate) operator: SigningKey,
    pub(crate) log_key: SignerKey,
    pub(crate) events: EventStore,
    pub(crate) vault: Vault,
    /// All tables, public or not yet.
    pub(crate) tables: TableStore,
    pub(crate) public: PublicFiles,
    clock: Clock,
    pub(crate) edge: Edge,
    /// The checkpoint that this node made public last, which covers what the edge covers.
    pub(crate) shown: Option<StoredCheckpoint>,
    /// The witnesses that must cosign before anything is published, if the home names a policy.
    pub(crate) quorum: Option<Quorum>,
    /// Entries are durable that wait for witnesses.
    pub(crate) waiting: bool,
    state: State,
    /// What the node has just appended and not published yet, so that it need not be decoded again.
    fresh: Vec<Event>,
    imaged: u64,
    /// A command failed half way: what is in memory may not be what is in the log.
    failed: bool,
    pub(crate) cache: crate::cache::Cache,
}

impl Node {
    /// Founds the log of a new home: its first entry names the operator and the log's key.
    pub fn found(home: Home) -> Result<Self> {
        let mut node = Self::open(home)?;
        let command = Command::Found {
            key: PublicKey::from(&node.operator),
            log_key: node.log_key.verifier().to_string(),
        };
        node.act(&node.operator.clone(), command)?;
        Ok(node)
    }

    /// Opens the node of a home: loads the newest state image, folds what came after, and publishes what a crash
    /// may have left unpublished.
    pub fn open(home: Home) -> Result<Self> {
        let ground = Ground::of(&home)?;
        Self::open_on(home, ground)
    }

    /// The same on other ground than the home names.
    pub fn open_on(home: Home, ground: Ground) -> Result<Self> {
        let Ground { events, vault, tables, public, clock } = ground;
        let (state, imaged) = load(events.reader(), home.origin())?;
        home.take_up_left_keys(&state)?;
        let operator = home.key(OPERATOR)?;
        let log_key = SignerKey::from_seed(home.origin(), home.key(LOG)?.as_bytes())?;
        let mut node = Self {
            operator,
            log_key,
            events,
            vault,
            tables,
            public,
            clock,
            edge: Edge::default(),
            shown: None,
            quorum: if home.is_frozen() {
                None
            } else {
                home.witness_policy()?.map(Quorum::new).transpose()?
            },
            waiting: false,
            state,
            fresh: Vec::new(),
            imaged,
            failed: false,
            cache: crate::cache::Cache::default(),
            home,
        };
        node.catch_up()?;
        node.erase_withdrawn()?;
        Ok(node)
    }

    /// What the state knows of a datanet.
    pub fn datanet(&self, net: &DatanetId) -> Result<&Datanet> {
        self.state.datanet(net).ok_or_else(|| {
            let known: Vec<&str> = self.state.datanets().keys().map(DatanetId::as_str).collect();
            NodeError::not_found(format!("there is no datanet {net}")).hint(match known.as_slice() {
                [] => "create one with `assay datanet create CHARTER.toml`".to_owned(),
                known => format!("there are: {}", known.join(", ")),
            })
        })
    }

    /// The folded state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The home.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The operator's key.
    pub fn operator(&self) -> &SigningKey {
        &self.operator
    }

    /// Verifier key of the checkpoints.
    pub fn log_key(&self) -> &assay_tlog::VerifierKey {
        self.log_key.verifier()
    }

    /// Entries of the log by index.
    pub fn entries(&self) -> &assay_store::EventReader {
        self.events.reader()
    }

    /// Whether entries are durable that wait for their witnesses: they are in the state and in no checkpoint yet.
    pub fn is_waiting(&self) -> bool {
        self.waiting
    }

    pub(crate) fn public(&self) -> &PublicFiles {
        &self.public
    }

    /// The newest checkpoint.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint::new(self.home.origin(), self.edge.frontier.size(), self.edge.frontier.root())
    }

    /// The newest checkpoint as it was signed.
    pub fn signed_checkpoint(&self) -> Result<&[u8]> {
        let shown = self.shown.as_ref().ok_or_else(|| NodeError::bug("no checkpoint"))?;
        Ok(&shown.note)
    }

    /// The account that `key` acts for, or the one that it opens.
    pub fn account_of(&self, key: &SigningKey) -> AccountId {
        self.state.account_of(&PublicKey::from(key))
    }

    /// Signs `command` as the holder of `key`, for this log, with a fresh nonce.
    pub fn sign(&self, key: &SigningKey, command: Command) -> Result<Signed> {
        self.sign_with(key, Nonce(random()?), command)
    }

    /// The same with a nonce of the caller's: sent again after a crash, the same command gets its first answer.
    pub fn sign_with(&self, key: &SigningKey, nonce: Nonce, command: Command) -> Result<Signed> {
        let (origin, actor) = (self.home.origin().to_owned(), self.account_of(key));
        Ok(Intent { origin, actor, nonce, command }.sign(key)?)
    }

    /// Signs and submits one command; the index of its entry.
    pub fn act(&mut self, key: &SigningKey, command: Command) -> Result<u64> {
        let signed = self.sign(key, command)?;
        self.submit(signed)
    }

    /// Opens the account of `key` if it is not open; its name.
    pub fn account(&mut self, key: &SigningKey) -> Result<AccountId> {
        let account = self.account_of(key);
        if !self.state.accounts().contains_key(&account) {
            self.act(key, Command::OpenAccount { key: PublicKey::from(key) })?;
        }
        Ok(account)
    }

    /// Submits one signed command; the index of its entry. A repeated command gets the first answer.
    pub fn submit(&mut self, signed: Signed) -> Result<u64> {
        match self.submit_all(vec![signed])?.pop() {
            Some(answer) => answer,
            None => Err(NodeError::bug("a command got no answer")),
        }
    }

    /// Submits commands that share one durable transaction and one checkpoint; an answer for each, in order.
    /// Fails as a whole only when nothing more can be promised: the node must then be opened again.
    pub fn submit_all(&mut self, batch: Vec<Signed>) -> Result<Vec<Result<u64>>> {
        let batch: Vec<Checked> = batch.into_iter().map(|signed| Checked { signed, found: None }).collect();
        self.submit_checked(&batch)
    }

    /// The same for commands whose signatures may have been checked already.
    pub(crate) fn submit_checked(&mut self, batch: &[Checked]) -> Result<Vec<Result<u64>>> {
        if batch.len() > BATCH_MAX {
            return Err(NodeError::refused(format!(
                "{} commands in one batch; at most {BATCH_MAX}",
                batch.len()
            )));
        }
        if self.failed {
            return Err(
                NodeError::unavailable("an earlier command failed half way").hint("open the node again")
            );
        }
        if self.home.is_frozen() {
            return Err(NodeError::refused("this home is a restored copy to look at, and accepts no command")
                .hint("what was published may be ahead of it: restore the newest backup, and say with --published where the log is published"));
        }
        if self.waiting {
            self.publish()?;
        }
        let mut answers = self.commit(batch);
        self.failed = answers.is_err() && !self.waiting;
        if let Ok(answers) = &mut answers {
            self.erase_before_answering(batch, answers);
        }
        answers
    }

    /// Decides on the newest state until nobody else has appended meanwhile.
    fn commit(&mut self, batch: &[Checked]) -> Result<Vec<Result<u64>>> {
        let mut found: Vec<Option<Found>> = batch.iter().map(|checked| checked.found).collect();
        for _ in 0..CONFLICTS_MAX {
            self.follow()?;
            if let Some(answers) = self.attempt(batch, &mut found)? {
                return Ok(answers);
            }
        }
        let busy =
            NodeError::unavailable(format!("other nodes appended first, {CONFLICTS_MAX} times in a row"))
                .hint("send the command again");
        Ok(vec![Err(busy); batch.len()])
    }

    /// Folds what other nodes of this log have appended.
    pub(crate) fn follow(&mut self) -> Result<()> {
        if fold(&mut self.state, self.events.reader())? > 0 {
            self.cache = crate::cache::Cache::default();
        }
        Ok(())
    }

    /// Reads and publishes what other nodes of this log have appended. Commands do it by themselves; who reads from a
    /// node that shares its log asks for it first.
    pub fn refresh(&mut self) -> Result<()> {
        self.follow()?;
        self.publish()
    }

    /// Decides and commits; `None` if another node appended first, and then the state is that of the log again.
    fn attempt(
        &mut self,
        batch: &[Checked],
        found: &mut [Option<Found>],
    ) -> Result<Option<Vec<Result<u64>>>> {
        let expected = self.state.size();
        let (mut answers, mut entries) = (Vec::with_capacity(batch.len()), Vec::new());
        let mut fresh = Vec::with_capacity(batch.len());
        look_together(&self.state, batch, found);
        for (Checked { signed, .. }, found) in batch.iter().zip(found) {
            let (seq, events) = match self.decided(signed, found) {
                Ok(decided) => decided,
                Err(refusal) => {
                    answers.push(Err(refusal));
                    continue;
                }
            };
            for event in &events {
                entries.push(new_entry(event)?);
                self.state.apply(event);
                self.cache.note(event);
            }
            fresh.extend(events);
            answers.push(Ok(seq));
        }
        if !entries.is_empty() {
            match self.events.append(expected, &entries) {
                Err(AppendError::Conflict { .. }) => {
                    (self.state, self.imaged) = load(self.events.reader(), self.home.origin())?;
                    self.cache = crate::cache::Cache::default();
                    return Ok(None);
                }
                appended => drop(appended?),
            }
        }
        self.fresh = fresh;
        // Also where nothing was added: the first answer may be one that another node is still publishing.
        let published = self.publish();
        self.fresh.clear();
        published?;
        self.save_image()?;
        Ok(Some(answers))
    }

    /// What the node has just appended as entry `seq`, if it is that.
    pub(crate) fn fresh(&self, seq: u64) -> Option<&Event> {
        let first = self.fresh.first()?.seq;
        self.fresh.get(usize::try_from(seq.checked_sub(first)?).ok()?)
    }

    /// The key of an account, as far as the log goes.
    pub(crate) fn key_of(&self, account: &AccountId) -> Option<PublicKey> {
        self.state.accounts().get(account).copied()
    }

    /// The time that the next entry will have: the clock's, never falling.
    pub(crate) fn now(&self) -> u64 {
        (self.clock)().max(self.state.t())
    }

    /// The place of a command, and the events to append for it: none if the log has them already.
    fn decided(&self, signed: &Signed, found: &mut Option<Found>) -> Result<(u64, Vec<Event>)> {
        let holds = holds(signed, signer(&self.state, signed)?, found);
        match decide_checked(&self.state, self.now(), signed, holds) {
            Ok(events) => {
                self.require_tables(&signed.intent.command)?;
                Ok((self.state.size(), events))
            }
            Err(Refusal::Already { seq }) => Ok((seq, Vec::new())),
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn save_image(&mut self) -> Result<()> {
        if self.state.size() >= self.imaged + IMAGE_EVERY.max(self.imaged / IMAGE_SHARE) {
            let bytes = self.state.image().map_err(NodeError::bug)?;
            let bytes = zstd::encode_all(bytes.as_slice(), IMAGE_LEVEL).map_err(NodeError::bug)?;
            // A state that is too large for an image is folded from the log.
            if bytes.len() as u64 <= IMAGE_BYTES_MAX {
                self.events.put_image(self.state.size(), IMAGE_VERSION, &bytes)?;
            }
            self.imaged = self.state.size();
        }
        Ok(())
    }
}

/// The state of the log of a home, for whoever needs none of its keys, also while a node runs.
pub fn state_of(home: &Home) -> Result<State> {
    let events = EventReader::open_at(&home.log_address())?;
    let (state, _) = load(&events, home.origin())?;
    home.take_up_left_keys(&state)?;
    Ok(state)
}

/// The state at the end of the log: the newest image, and the fold of what came after it.
fn load(events: &EventReader, origin: &str) -> Result<(State, u64)> {
    let image = events.latest_image().ok().flatten().filter(|i| i.version == IMAGE_VERSION);
    // An image is a shortcut, never a source: one that does not load costs time and nothing else.
    let image = image.and_then(|i| {
        let bytes = zstd::decode_all(i.bytes.as_slice()).ok()?;
        State::from_image(&bytes).ok().filter(|state| state.size() == i.size)
    });
    let mut state = image.unwrap_or_else(|| State::new(origin));
    let imaged = state.size();
    fold(&mut state, events)?;
    Ok((state, imaged))
}

pub(crate) fn new_entry(event: &Event) -> Result<NewEntry> {
    let bytes = codec::encode(event).map_err(NodeError::bug)?;
    let keys = match &event.cause {
        Cause::Command(signed) => {
            let mut key = signed.intent.nonce.0.to_vec();
            key.extend_from_slice(signed.intent.actor.as_str().as_bytes());
            vec![key]
        }
        Cause::Earlier(_) => Vec::new(),
    };
    Ok(NewEntry { bytes, keys })
}

/// The clock of the machine, read here and nowhere else.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
