//! Decides a whole log again and compares: what a verifier does.

use std::collections::VecDeque;
use std::fmt::Debug;

use crate::codec::Entry;
use crate::command::Form;
use crate::decide::{follow, follow_verified};
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
    /// What is left of the outcome of the last command, and its place.
    due: VecDeque<Outcome>,
    command: u64,
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
        Self { state, due: VecDeque::new(), command: 0, signatures }
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
        self.push_known(event, None)
    }

    /// [`Replay::push`] of an entry that was read.
    pub fn push_entry(&mut self, entry: &Entry) -> Result<(), Mismatch> {
        self.push_known(entry.event(), entry.form())
    }

    fn push_known(&mut self, event: &Event, form: Option<Form>) -> Result<(), Mismatch> {
        let seq = self.state.size();
        self.follow(event, form).map_err(|reason| Mismatch { seq, reason })
    }

    fn follow(&mut self, event: &Event, form: Option<Form>) -> Result<(), Reason> {
        let Some(outcome) = self.due.front() else {
            return self.follow_command(event, form);
        };
        let computed = Computed {
            seq: self.state.size(),
            t: self.state.t(),
            cause: &Cause::Earlier(self.command),
            outcome,
        };
        computed.require(event)?;
        self.due.pop_front();
        self.state.apply(event);
        Ok(())
    }

    fn follow_command(&mut self, event: &Event, form: Option<Form>) -> Result<(), Reason> {
        let Cause::Command(signed) = &event.cause else {
            return Err(Reason::Orphan);
        };
        let form = form.or_else(|| signed.intent.form().ok());
        let decided = match self.signatures {
            Signatures::Check => follow(&self.state, event.t, signed, form),
            Signatures::Elsewhere => follow_verified(&self.state, event.t, signed, form),
        };
        let (outcome, later) = decided.map_err(Reason::Refused)?;
        let seq = self.state.size();
        Computed { seq, t: event.t, cause: &event.cause, outcome: &outcome }.require(event)?;
        (self.due, self.command) = (later.into(), seq);
        self.state.apply_known(event, form);
        Ok(())
    }

    /// The state at the end of the log, which must not lie within the outcome of a command.
    pub fn finish(self) -> Result<State, Mismatch> {
        self.require_whole().map(|()| self.state)
    }
}

/// The event that follows from the entries before it.
struct Computed<'a> {
    seq: u64,
    t: u64,
    cause: &'a Cause,
    outcome: &'a Outcome,
}

impl Computed<'_> {
    /// That the log has the same; else the first part in which it differs.
    fn require(&self, logged: &Event) -> Result<(), Reason> {
        let Self { seq, t, cause, outcome } = *self;
        equal("v", &logged.v, &Event::VERSION)?;
        equal("seq", &logged.seq, &seq)?;
        equal("t", &logged.t, &t)?;
        if !std::ptr::eq(&logged.cause, cause) {
            equal("cause", &logged.cause, cause)?;
        }
        equal_lists("a posting", &logged.outcome.postings, &outcome.postings)?;
        equal_lists("a settled row", &logged.outcome.settled, &outcome.settled)
    }
}

fn equal<T: PartialEq + Debug>(field: &'static str, logged: &T, computed: &T) -> Result<(), Reason> {
    let cut = |value: &T| format!("{value:?}").chars().take(400).collect();
    match logged == computed {
        true => Ok(()),
        false => Err(Reason::Differs { field, logged: cut(logged), computed: cut(computed) }),
    }
}

fn equal_lists<T: PartialEq + Debug>(
    field: &'static str,
    logged: &[T],
    computed: &[T],
) -> Result<(), Reason> {
    if logged == computed {
        return Ok(());
    }
    let mut places = 0..logged.len().max(computed.len());
    places.try_for_each(|i| equal(field, &logged.get(i), &computed.get(i)))
}
