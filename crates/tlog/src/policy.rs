//! Which logs and which witnesses a reader trusts (c2sp.org/tlog-policy): `k` of `n`, in groups of groups.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::decimal;
use crate::key::{CosignerKey, PublicKey, VerifierKey};
use crate::note::{Note, NoteError};

/// The longest policy that is read, in bytes.
pub const MAX_POLICY_BYTES: usize = 1 << 18;
/// The most logs, witnesses and groups, each; the specification asks for at least 32.
const MAX_LINES: usize = 256;

/// A trust policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Log>,
    voters: Vec<Voter>,
    /// Which voter decides; `None` asks for no cosignature.
    quorum: Option<usize>,
}

/// A log of a policy: its key, whose name is its origin, and perhaps where to find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Key of its checkpoints.
    pub key: VerifierKey,
    /// As written.
    pub url: Option<String>,
}

/// A witness of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Its name inside the policy, of any bytes but blanks.
    pub name: Vec<u8>,
    /// Key of its cosignatures.
    pub key: CosignerKey,
    /// Submission prefix of c2sp.org/tlog-witness, where given.
    pub url: Option<String>,
}

/// A name that the quorum, or a group, can ask for. Groups refer to earlier voters only.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Voter {
    Witness(Box<Witness>),
    Group { name: Vec<u8>, threshold: usize, members: Vec<usize> },
}

/// A checkpoint that satisfies a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    /// The head.
    pub checkpoint: Checkpoint,
    /// Who cosigned it, by the names of their keys, and when (seconds since 1970).
    pub witnesses: Vec<(String, u64)>,
}

/// Why a policy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the policy: {why}")]
pub struct PolicyError {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub why: PolicyFault,
}

/// What is wrong with a line of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// Control characters, or too long.
    #[error(
        "a policy is text of at most {MAX_POLICY_BYTES} bytes, lines ending in a line feed, no control characters but the tab"
    )]
    Text,
    /// Not one of the four kinds of lines.
    #[error(
        "expected `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME all|any|K NAME...` or `quorum NAME`"
    )]
    Line,
    /// Not a key, or one of the wrong type.
    #[error(transparent)]
    Key(#[from] crate::key::KeyError),
    /// The same public key twice.
    #[error("this public key has a line already")]
    DuplicateKey,
    /// A name defined twice, or `none`.
    #[error("this name is taken")]
    DuplicateName,
    /// A name that no earlier line defines.
    #[error("a name is defined by no earlier line")]
    UnknownName,
    /// A name in two places, so that one witness would count twice.
    #[error("a name may be a member only once")]
    DuplicateMember,
    /// Zero, or more than there are members.
    #[error("the threshold must be 1 to the number of members")]
    Threshold,
    /// No quorum line, or two.
    #[error("a policy has exactly one quorum line")]
    Quorum,
    /// Too many lines of a kind.
    #[error("more than {MAX_LINES} lines of one kind")]
    TooMany,
}

/// Why a checkpoint does not satisfy a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Malformed, or signed by none of the policy's logs.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Too few witnesses.
    #[error("the cosignatures of {} do not make the quorum of the policy", listed(.0))]
    Quorum(Vec<String>),
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

impl From<NoteError> for TrustError {
    fn from(error: NoteError) -> Self {
        Self::Checkpoint(error.into())
    }
}

impl Policy {
    /// The policy of who asks for no witness and knows the log from elsewhere: `quorum none`.
    #[must_use]
    pub fn none() -> Self {
        Self { logs: Vec::new(), voters: Vec::new(), quorum: None }
    }

    /// Reads a policy.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let mut reader = Reader::default();
        let text = |b: &u8| *b == b'\t' || *b == b'\n' || (*b >= b' ' && *b != 0x7f);
        if bytes.len() > MAX_POLICY_BYTES || !bytes.iter().all(text) {
            return Err(PolicyError { line: 1, why: PolicyFault::Text });
        }
        let lines = bytes.split_inclusive(|b| *b == b'\n');
        let mut count = 0;
        for (i, line) in lines.enumerate() {
            count = i + 1;
            let read = line.strip_suffix(b"\n").ok_or(PolicyFault::Text).and_then(|line| reader.line(line));
            read.map_err(|why| PolicyError { line: i + 1, why })?;
        }
        let quorum = reader.quorum.ok_or(PolicyError { line: count, why: PolicyFault::Quorum })?;
        Ok(Self { logs: reader.logs, voters: reader.voters, quorum })
    }

    /// Writes the policy, one line each, without comments.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let url = |url: &Option<String>| url.clone().unwrap_or_default().into_bytes();
        for log in &self.logs {
            lines.push([&b"log"[..], log.key.to_string().as_bytes(), &url(&log.url)].join(&b' '));
        }
        for voter in &self.voters {
            lines.push(match voter {
                Voter::Witness(witness) => {
                    let (key, url) = (witness.key.to_string(), url(&witness.url));
                    [&b"witness"[..], &witness.name, key.as_bytes(), &url].join(&b' ')
                }
                Voter::Group { name, threshold, members } => {
                    let members: Vec<&[u8]> = members.iter().map(|&m| self.voters[m].name()).collect();
                    let threshold = threshold.to_string();
                    [&b"group"[..], &name[..], threshold.as_bytes(), &members.join(&b' ')].join(&b' ')
                }
            });
        }
        lines.push(
            [&b"quorum"[..], self.quorum.map_or(NONE, |quorum| self.voters[quorum].name())].join(&b' '),
        );
        lines.iter().flat_map(|line| [line.trim_ascii_end(), b"\n"].concat()).collect()
    }

    /// The logs that it accepts; it may name none when they are known from elsewhere.
    #[must_use]
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// Its witnesses, in the order of their lines.
    pub fn witnesses(&self) -> impl Iterator<Item = &Witness> {
        self.voters.iter().filter_map(|voter| match voter {
            Voter::Witness(witness) => Some(witness.as_ref()),
            Voter::Group { .. } => None,
        })
    }

    /// Whether these witnesses, by their keys, make the quorum.
    #[must_use]
    pub fn is_met(&self, by: &[&CosignerKey]) -> bool {
        let mut met: Vec<bool> = Vec::with_capacity(self.voters.len());
        for voter in &self.voters {
            met.push(match voter {
                Voter::Witness(witness) => by.contains(&&witness.key),
                Voter::Group { threshold, members, .. } => {
                    members.iter().filter(|&&member| met[member]).count() >= *threshold
                }
            });
        }
        self.quorum.is_none_or(|quorum| met[quorum])
    }

    /// Reads a checkpoint that one of the policy's logs signed and its quorum cosigned.
    pub fn open(&self, note: &[u8]) -> Result<Trusted, TrustError> {
        let keys: Vec<VerifierKey> = self.logs.iter().map(|log| log.key.clone()).collect();
        self.open_with(note, &keys)
    }

    /// The same for logs that are known from elsewhere; those of the policy play no part.
    pub fn open_with(&self, note: &[u8], logs: &[VerifierKey]) -> Result<Trusted, TrustError> {
        let note = Note::parse(note)?;
        let signers = note.verify(logs)?;
        let checkpoint: Checkpoint = note.text().parse()?;
        // The name of a log's key is its origin.
        if let [signer, ..] = signers[..]
            && signers.iter().all(|key| key.name() != checkpoint.origin)
        {
            let expected = signer.name().to_owned();
            return Err(CheckpointError::Origin { expected, found: checkpoint.origin }.into());
        }
        let known: Vec<CosignerKey> = self.witnesses().map(|witness| witness.key.clone()).collect();
        let cosigned = note.cosignatures(&known)?;
        let witnesses: Vec<(String, u64)> =
            cosigned.iter().map(|c| (c.by.name().to_owned(), c.time)).collect();
        match self.is_met(&cosigned.iter().map(|c| c.by).collect::<Vec<_>>()) {
            true => Ok(Trusted { checkpoint, witnesses }),
            false => Err(TrustError::Quorum(witnesses.into_iter().map(|(name, _)| name).collect())),
        }
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Self::parse(text.as_bytes())
    }
}

impl Voter {
    fn name(&self) -> &[u8] {
        match self {
            Self::Witness(witness) => &witness.name,
            Self::Group { name, .. } => name,
        }
    }
}

/// What the lines so far have defined.
#[derive(Default)]
struct Reader {
    logs: Vec<Log>,
    voters: Vec<Voter>,
    names: BTreeMap<Vec<u8>, usize>,
    members: BTreeSet<usize>,
    keys: BTreeSet<(u8, [u8; 32])>,
    quorum: Option<Option<usize>>,
}

const NONE: &[u8] = b"none";

impl Reader {
    fn line(&mut self, line: &[u8]) -> Result<(), PolicyFault> {
        let blank = |b: &u8| *b == b' ' || *b == b'\t';
        let items: Vec<&[u8]> = line.split(blank).filter(|item| !item.is_empty()).collect();
        match *items {
            [] => Ok(()),
            [first, ..] if first.starts_with(b"#") => Ok(()),
            [b"log", key, ref url @ ..] if url.len() <= 1 => {
                let log = Log { key: self.key(key)?, url: as_url(url)? };
                self.logs.push(log);
                within(self.logs.len())
            }
            [b"witness", name, key, ref url @ ..] if url.len() <= 1 => {
                let witness = Witness { name: name.to_vec(), key: self.key(key)?, url: as_url(url)? };
                self.define(name, Voter::Witness(Box::new(witness)))
            }
            [b"group", name, threshold, ref members @ ..] if !members.is_empty() => {
                self.group(name, threshold, members)
            }
            [b"quorum", name] if self.quorum.is_none() => {
                self.quorum = Some(if name == NONE { None } else { Some(self.find(name)?) });
                Ok(())
            }
            [b"quorum", _] => Err(PolicyFault::Quorum),
            _ => Err(PolicyFault::Line),
        }
    }

    /// A key that has no line yet. A key may serve as a log and as a witness: the types tell their signatures apart.
    fn key<const TYPE: u8>(&mut self, text: &[u8]) -> Result<PublicKey<TYPE>, PolicyFault> {
        let text = std::str::from_utf8(text).map_err(|_| crate::key::KeyError::Encoding)?;
        let key: PublicKey<TYPE> = text.parse()?;
        match self.keys.insert((TYPE, *key.public_key())) {
            true => Ok(key),
            false => Err(PolicyFault::DuplicateKey),
        }
    }

    fn group(&mut self, name: &[u8], threshold: &[u8], members: &[&[u8]]) -> Result<(), PolicyFault> {
        let mut found = Vec::with_capacity(members.len());
        for member in members {
            let member = self.find(member)?;
            if !self.members.insert(member) {
                return Err(PolicyFault::DuplicateMember);
            }
            found.push(member);
        }
        let threshold = match threshold {
            b"all" => found.len(),
            b"any" => 1,
            digits => {
                let number = std::str::from_utf8(digits).ok().and_then(decimal::parse);
                let number = number.ok_or(PolicyFault::Line)?;
                usize::try_from(number).map_err(|_| PolicyFault::Threshold)?
            }
        };
        if !(1..=found.len()).contains(&threshold) {
            return Err(PolicyFault::Threshold);
        }
        self.define(name, Voter::Group { name: name.to_vec(), threshold, members: found })
    }

    fn find(&self, name: &[u8]) -> Result<usize, PolicyFault> {
        self.names.get(name).copied().ok_or(PolicyFault::UnknownName)
    }

    fn define(&mut self, name: &[u8], voter: Voter) -> Result<(), PolicyFault> {
        if name == NONE || self.names.contains_key(name) {
            return Err(PolicyFault::DuplicateName);
        }
        self.names.insert(name.to_vec(), self.voters.len());
        self.voters.push(voter);
        within(self.voters.len())
    }
}

fn as_url(items: &[&[u8]]) -> Result<Option<String>, PolicyFault> {
    let url = items.first().map(|url| String::from_utf8(url.to_vec()));
    url.transpose().map_err(|_| PolicyFault::Line)
}

fn within(lines: usize) -> Result<(), PolicyFault> {
    if lines <= MAX_LINES { Ok(()) } else { Err(PolicyFault::TooMany) }
}
