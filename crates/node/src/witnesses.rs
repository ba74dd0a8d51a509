//! The quorum of witnesses that a node asks before it publishes (c2sp.org/tlog-witness, the log's side).
//!
//! A witness that knows a larger tree than the node has is the proof that an old copy of the node was started: it
//! would show a second history, so it stops there.

use std::thread;
use std::time::Duration;

use assay_store::https;
use assay_tlog::{
    AddCheckpoint, Hash, Note, Policy, Signature, VerifierKey, Witness, read_cosignatures, read_size,
};

use crate::error::{NodeError, Result};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Requests to one witness for one checkpoint at most: it may know another size than we think, or be busy.
const TRIES: usize = 4;
/// Wait before a witness that did not answer is asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of an answer at most.
const ANSWER_BYTES_MAX: u64 = 1 << 16;

/// Makes the consistency proof from a size to the size that is to be cosigned.
pub(crate) type Proofs<'a> = dyn Fn(u64) -> Result<Vec<Hash>> + Sync + 'a;

/// Who must cosign, and how they are asked.
pub(crate) struct Quorum {
    policy: Policy,
    agent: ureq::Agent,
}

/// What became of asking one witness.
enum Outcome {
    Cosigned(Vec<Signature>),
    /// It has cosigned a tree of this size, larger than ours.
    Ahead(u64),
    /// It has cosigned another tree of our size, or one that ours does not extend.
    Differs,
    Failed(String),
}

impl Quorum {
    pub(crate) fn new(policy: Policy) -> Result<Self> {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0);
        let agent = https::agent(config, policy.witnesses().filter_map(|witness| witness.url.as_deref()))?;
        Ok(Self { policy, agent })
    }

    /// Whether the note has the quorum already.
    pub(crate) fn is_met(&self, note: &Note, key: &VerifierKey) -> bool {
        self.policy.open_with(note.to_string().as_bytes(), std::slice::from_ref(key)).is_ok()
    }

    /// Asks every witness of the policy, all at once, and adds their cosignatures to the note of a tree of `size`;
    /// whether they make the quorum, and what went wrong where they do not. Fails when a witness has seen another
    /// history than this.
    pub(crate) fn collect(
        &self,
        note: &mut Note,
        size: u64,
        known: u64,
        proofs: &Proofs<'_>,
    ) -> Result<Vec<String>> {
        let signed = &note.clone();
        let asked: Vec<&Witness> = self.policy.witnesses().filter(|witness| witness.url.is_some()).collect();
        let outcomes: Vec<Outcome> = thread::scope(|scope| {
            let ask = |witness| scope.spawn(move || self.ask(witness, signed, size, known, proofs));
            let asked: Vec<_> = asked.iter().copied().map(ask).collect();
            let failed = |_| Outcome::Failed("asking it failed".to_owned());
            asked.into_iter().map(|thread| thread.join().unwrap_or_else(failed)).collect()
        });
        let mut failures = Vec::new();
        for (witness, outcome) in asked.iter().zip(outcomes) {
            let name = witness.key.name();
            match outcome {
                Outcome::Cosigned(lines) => {
                    lines.into_iter().try_for_each(|line| note.push(line)).map_err(NodeError::bug)?;
                }
                Outcome::Failed(why) => failures.push(format!("{name}: {why}")),
                Outcome::Ahead(theirs) => {
                    return Err(NodeError::refused(format!(
                        "the witness {name} has cosigned {theirs} entries of this log, and this node has {size}: it was rolled back"
                    ))
                    .hint("restore the newest copy of the private folder; going on from an old one would show a second history"));
                }
                Outcome::Differs => {
                    return Err(NodeError::refused(format!(
                        "the witness {name} has cosigned another history of this log than this node has"
                    ))
                    .hint("compare the public folders with `assay log compare`; find out which one was shown to whom"));
                }
            }
        }
        Ok(failures)
    }

    fn ask(&self, witness: &Witness, note: &Note, size: u64, known: u64, proofs: &Proofs<'_>) -> Outcome {
        let (mut old, mut why) = (known, String::new());
        for attempt in 0..TRIES {
            let request = match proofs(old) {
                Ok(proof) => AddCheckpoint { old, proof, note: note.clone() },
                Err(error) => return Outcome::Failed(error.to_string()),
            };
            match self.post(witness, &request) {
                Ok((200, body)) => {
                    return match read_cosignatures(note, &body, &witness.key) {
                        Ok(lines) => Outcome::Cosigned(lines),
                        Err(error) => {
                            Outcome::Failed(format!("its answer is no cosignature of its: {error}"))
                        }
                    };
                }
                Ok((409, body)) => match read_size(&body) {
                    Some(theirs) if theirs > size => return Outcome::Ahead(theirs),
                    Some(theirs) if theirs == old && old == size => return Outcome::Differs,
                    Some(theirs) => old = theirs,
                    None => return Outcome::Failed("its answer names no size".to_owned()),
                },
                Ok((422, _)) => return Outcome::Differs,
                Ok((status, _)) => return Outcome::Failed(format!("it answers with status {status}")),
                Err(error) => {
                    why = error;
                    if attempt + 1 < TRIES {
                        thread::sleep(PAUSE);
                    }
                }
            }
        }
        Outcome::Failed(if why.is_empty() { "its size keeps changing".to_owned() } else { why })
    }

    fn post(
        &self,
        witness: &Witness,
        request: &AddCheckpoint,
    ) -> std::result::Result<(u16, Vec<u8>), String> {
        let prefix = witness.url.as_deref().unwrap_or_default().trim_end_matches('/');
        let sent = self.agent.post(format!("{prefix}/add-checkpoint")).send(request.to_string());
        let mut response = sent.map_err(|e| e.to_string())?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        Ok((response.status().as_u16(), body.map_err(|e| e.to_string())?))
    }
}
