//! Group commit: many callers, one sequencer, one sync of the disk for all who wait.
//!
//! While one batch is made durable, the next one gathers; nobody waits for a timer. A caller who gets no answer (a
//! crash, a lost connection) asks again with the same nonce and gets the first answer.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use assay_ledger::command::Signed;

use crate::error::{NodeError, Result};
use crate::node::{BATCH_MAX, Node};

/// Commands that wait at most; whoever comes then is asked to come again.
const WAITING_MAX: usize = 2 * BATCH_MAX;

/// Takes commands from any number of threads. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    jobs: SyncSender<Job>,
}

/// The thread that has the node.
pub struct Sequencer {
    thread: JoinHandle<Node>,
}

struct Job {
    signed: Signed,
    answer: SyncSender<Result<u64>>,
}

/// Gives the node to a thread of its own, which works until every [`Queue`] is dropped.
pub fn start(node: Node) -> Result<(Queue, Sequencer)> {
    let (jobs, waiting) = sync_channel(WAITING_MAX);
    let thread = std::thread::Builder::new().name("sequencer".to_owned());
    let thread = thread.spawn(move || run(node, &waiting)).map_err(NodeError::unavailable)?;
    Ok((Queue { jobs }, Sequencer { thread }))
}

fn run(mut node: Node, waiting: &Receiver<Job>) -> Node {
    while let Ok(first) = waiting.recv() {
        let jobs = std::iter::once(first).chain(waiting.try_iter().take(BATCH_MAX - 1));
        let (batch, callers): (Vec<_>, Vec<_>) = jobs.map(|job| (job.signed, job.answer)).unzip();
        let answers = node.submit_all(batch).unwrap_or_else(|error| vec![Err(error); callers.len()]);
        for (caller, answer) in callers.into_iter().zip(answers) {
            // A caller who has gone can ask again.
            let _ = caller.send(answer);
        }
    }
    node
}

impl Queue {
    /// Submits one signed command and waits until it is durable and published; the index of its entry.
    pub fn submit(&self, signed: Signed) -> Result<u64> {
        let (answer, answered) = sync_channel(1);
        match self.jobs.try_send(Job { signed, answer }) {
            Ok(()) => answered.recv().unwrap_or_else(|_| Err(stopped())),
            Err(TrySendError::Full(_)) => {
                Err(NodeError::unavailable(format!("{WAITING_MAX} commands are waiting"))
                    .hint("send it again in a moment"))
            }
            Err(TrySendError::Disconnected(_)) => Err(stopped()),
        }
    }
}

impl Sequencer {
    /// Waits until every [`Queue`] is dropped and all that waited is answered; the node.
    pub fn finish(self) -> Result<Node> {
        self.thread.join().map_err(|_| NodeError::bug("the sequencer panicked"))
    }
}

fn stopped() -> NodeError {
    NodeError::unavailable("the node has stopped").hint("send it again when it is back: it happens once")
}
