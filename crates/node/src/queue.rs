//! Group commit: many callers, one sequencer, one sync of the disk for all who wait.
//!
//! While one batch is made durable, the next one gathers and its signatures are checked on another thread; nobody waits for a
//! timer. A caller who gets no answer (a crash, a lost connection) asks again with the same nonce and gets the first answer.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use assay_ledger::command::Signed;
use assay_ledger::ids::{AccountId, PublicKey};

use crate::error::{NodeError, Result};
use crate::node::{BATCH_MAX, Node};
use crate::signatures::{CHECKED_AT_ONCE, Checked, Found, look};

/// Commands that wait at most to be looked at; whoever comes then is asked to come again.
const WAITING_MAX: usize = 2 * BATCH_MAX;
/// Keys that are remembered at most between the threads.
const KEYS_MAX: usize = 65_536;

/// Takes commands from any number of threads. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    jobs: SyncSender<Job>,
}

/// The threads that have the node.
pub struct Sequencer {
    sequencer: JoinHandle<Node>,
    checker: JoinHandle<()>,
}

/// The answer that a command will get.
pub struct Pending(Receiver<Result<u64>>);

struct Job {
    command: Checked,
    answer: SyncSender<Result<u64>>,
}

/// Keys that the sequencer found accounts to have. It asks the state again before anything is decided, so one that was
/// replaced since costs a second look and nothing else.
type Keys = Mutex<BTreeMap<AccountId, PublicKey>>;

/// Gives the node to a thread of its own, which works until every [`Queue`] is dropped.
pub fn start(node: Node) -> Result<(Queue, Sequencer)> {
    let (jobs, waiting) = sync_channel(WAITING_MAX);
    let (ahead, checked) = sync_channel(BATCH_MAX);
    let keys = Arc::new(Keys::default());
    let known = Arc::clone(&keys);
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let checker = thread("signatures").spawn(move || check(&waiting, &ahead, &keys));
    let sequencer = thread("sequencer").spawn(move || run(node, &checked, &known));
    let (checker, sequencer) =
        (checker.map_err(NodeError::unavailable)?, sequencer.map_err(NodeError::unavailable)?);
    Ok((Queue { jobs }, Sequencer { sequencer, checker }))
}

/// Checks the signatures of what waits, as far as keys are known, and hands it on.
fn check(waiting: &Receiver<Job>, ahead: &SyncSender<Job>, keys: &Keys) {
    while let Ok(first) = waiting.recv() {
        let mut jobs: Vec<Job> =
            std::iter::once(first).chain(waiting.try_iter().take(CHECKED_AT_ONCE - 1)).collect();
        sign_off(&mut jobs, keys);
        for job in jobs {
            if ahead.send(job).is_err() {
                return;
            }
        }
    }
}

fn sign_off(jobs: &mut [Job], keys: &Keys) {
    let known: Vec<Option<PublicKey>> = {
        let keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.iter().map(|job| keys.get(&job.command.signed.intent.actor).copied()).collect()
    };
    let asked: Vec<(&Signed, PublicKey)> =
        jobs.iter().zip(&known).filter_map(|(job, key)| Some((&job.command.signed, (*key)?))).collect();
    let mut hold = look(&asked).into_iter();
    for (job, key) in jobs.iter_mut().zip(known) {
        job.command.found = key.and_then(|with| Some(Found { with, holds: hold.next()? }));
    }
}

fn run(mut node: Node, waiting: &Receiver<Job>, keys: &Keys) -> Node {
    while let Ok(first) = waiting.recv() {
        let jobs = std::iter::once(first).chain(waiting.try_iter().take(BATCH_MAX - 1));
        let (batch, callers): (Vec<_>, Vec<_>) = jobs.map(|job| (job.command, job.answer)).unzip();
        let answers = node.submit_checked(&batch).unwrap_or_else(|error| vec![Err(error); callers.len()]);
        for (caller, answer) in callers.into_iter().zip(answers) {
            // A caller who has gone can ask again.
            let _ = caller.send(answer);
        }
        remember(keys, &node, &batch);
    }
    node
}

/// Tells the other thread the keys that it did not know.
fn remember(keys: &Keys, node: &Node, batch: &[Checked]) {
    let unsigned = |command: &&Checked| command.found.is_none_or(|found| !found.holds);
    let actors = batch.iter().filter(unsigned).map(|command| &command.signed.intent.actor);
    let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
    for actor in actors {
        if let Some(key) = node.key_of(actor) {
            if keys.len() >= KEYS_MAX {
                keys.clear();
            }
            keys.insert(actor.clone(), key);
        }
    }
}

impl Queue {
    /// Submits one signed command and waits until it is durable and published; the index of its entry.
    pub fn submit(&self, signed: Signed) -> Result<u64> {
        self.send(signed)?.wait()
    }

    /// Submits one signed command; its answer comes later.
    pub fn send(&self, signed: Signed) -> Result<Pending> {
        let (answer, answered) = sync_channel(1);
        match self.jobs.try_send(Job { command: Checked { signed, found: None }, answer }) {
            Ok(()) => Ok(Pending(answered)),
            Err(TrySendError::Full(_)) => {
                Err(NodeError::unavailable(format!("{WAITING_MAX} commands are waiting"))
                    .hint("send it again in a moment"))
            }
            Err(TrySendError::Disconnected(_)) => Err(stopped()),
        }
    }
}

impl Pending {
    /// Waits until the command is durable and published; the index of its entry.
    pub fn wait(self) -> Result<u64> {
        self.0.recv().unwrap_or_else(|_| Err(stopped()))
    }
}

impl Sequencer {
    /// Waits until every [`Queue`] is dropped and all that waited is answered; the node.
    pub fn finish(self) -> Result<Node> {
        let (checked, node) = (self.checker.join(), self.sequencer.join());
        checked.map_err(|_| NodeError::bug("the thread of signatures panicked"))?;
        node.map_err(|_| NodeError::bug("the sequencer panicked"))
    }
}

fn stopped() -> NodeError {
    NodeError::unavailable("the node has stopped").hint("send it again when it is back: it happens once")
}
