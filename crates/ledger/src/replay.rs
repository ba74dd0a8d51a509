//! Decides a whole log again and compares: what a verifier does.

use std::collections::VecDeque;

use crate::decide::{decide, decide_verified};
use crate::event::{Cause, Event, Outcome};
use crate::refusal::Refusal;
use crate::state::State;

/// Whether a replay checks signatures as it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signatures {
    /// Each in its turn.
    Check,
    /// Not here: the caller checks [`Signed::verify`](crate::command::Signed::verify) with the key that
    /// [`signer`](crate::decide::signer) names before each entry, in any order and on any thread.
    Elsewhere,
}

/// Takes the events of a log in order, decides each command again, and requires that the same events follow.
#[derive(Clone, Debug)]
pub struct Replay {
    state: State,
    due: VecDeque<Event>,
    signatures: Signatures,
}

/// The first entry that does not follow from the entries before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq}: {reason}")]
pub struct Mismatch {
    /// Its place in the log.
    pub seq: u64,
    /// What does not follow.
    pub reason: Reason,
}

/// Why an entry does not follow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The command would be refused.
    #[error("the command in it is refused: {0}")]
    Refused(Refusal),
    /// It refers to an earlier command that has no more outcome.
    #[error("it continues an earlier entry whose outcome is complete")]
    Orphan,
    /// Something else should be there.
    #[error("{field} is {logged}, and recomputing gives {computed}")]
    Differs {
        /// Which part of the entry.
        field: &'static str,
        /// What the log has, cut to 400 characters.
        logged: String,
        /// What follows from the entries before, cut to 400 characters.
        computed: String,
    },
    /// The log ends within the outcome of a command.
    #[error("it is missing: the log ends {missing} entries before the outcome of its last command does")]
    Missing {
        /// How many entries.
        missing: usize,
    },
}

impl Replay {
    /// Starts from an empty log or from a trusted state.
    pub fn new(state: State, signatures: Signatures) -> Self {
        Self { state, due: VecDeque::new(), signatures }
    }

    /// The state after the entries so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// That the entries so far hold the whole outcome of every command.
    pub fn require_whole(&self) -> Result<(), Mismatch> {
        match self.due.len() {
            0 => Ok(()),
            missing => Err(Mismatch { seq: self.state.size(), reason: Reason::Missing { missing } }),
        }
    }

    /// Takes the next entry. After an error the replay stays where it was.
    pub fn push(&mut self, event: &Event) -> Result<(), Mismatch> {
        let seq = self.state.size();
        self.follow(event).map_err(|reason| Mismatch { seq, reason })
    }

    fn follow(&mut self, event: &Event) -> Result<(), Reason> {
        let fresh = self.due.is_empty();
        if fresh {
            let Cause::Command(signed) = &event.cause else {
                return Err(Reason::Orphan);
            };
            let decided = match self.signatures {
                Signatures::Check => decide(&self.state, event.t, signed),
                Signatures::Elsewhere => decide_verified(&self.state, event.t, signed),
            };
            self.due = decided.map_err(Reason::Refused)?.into();
        }
        if let Some(reason) = self.due.front().and_then(|computed| difference(event, computed)) {
            if fresh {
                self.due.clear();
            }
            return Err(reason);
        }
        self.due.pop_front();
        self.state.apply(event);
        Ok(())
    }

    /// The state at the end of the log, which must not lie within the outcome of a command.
    pub fn finish(self) -> Result<State, Mismatch> {
        self.require_whole().map(|()| self.state)
    }
}

/// The first part in which two events differ.
fn difference(logged: &Event, computed: &Event) -> Option<Reason> {
    let differs = |field, logged: String, computed: String| {
        let cut = |text: String| text.chars().take(400).collect();
        Some(Reason::Differs { field, logged: cut(logged), computed: cut(computed) })
    };
    if logged == computed {
        return None;
    }
    if logged.v != computed.v {
        return differs("v", logged.v.to_string(), computed.v.to_string());
    }
    if logged.seq != computed.seq {
        return differs("seq", logged.seq.to_string(), computed.seq.to_string());
    }
    if logged.t != computed.t {
        return differs("t", logged.t.to_string(), computed.t.to_string());
    }
    if logged.cause != computed.cause {
        return differs("cause", format!("{:?}", logged.cause), format!("{:?}", computed.cause));
    }
    let (ours, theirs) = (&computed.outcome, &logged.outcome);
    let (field, at) = match first_difference(&theirs.postings, &ours.postings) {
        Some(at) => ("a posting", at),
        None => ("a settled row", first_difference(&theirs.settled, &ours.settled).unwrap_or_default()),
    };
    let show = |outcome: &Outcome| match field {
        "a posting" => format!("{:?}", outcome.postings.get(at)),
        _ => format!("{:?}", outcome.settled.get(at)),
    };
    differs(field, show(theirs), show(ours))
}

fn first_difference<T: PartialEq>(a: &[T], b: &[T]) -> Option<usize> {
    (0..a.len().max(b.len())).find(|&i| a.get(i) != b.get(i))
}
