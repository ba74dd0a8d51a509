//! Records that are there until their author takes them back, and then nowhere: no byte of their content or of a salt is left in
//! any store, while every proof stands. From then on they are in no snapshot, and no model of theirs answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use aho_corasick::AhoCorasick;
use assay_ledger::command::{Command, Signed};
use assay_ledger::commit::{self, Content, Salt};
use assay_ledger::ids::{AccountId, DatanetId, Digest};
use assay_ledger::state::State;
use assay_node::task::Record;
use assay_node::{Node, Opening, Receipt, Trust, Wanted, record_group};
use assay_store::PrivateRecord;

use crate::machine::{Broken, require};
use crate::wishes::ORIGIN;

/// Bytes that all salts of one contribution begin with, and no other salt.
const SALT_HEAD: usize = 16;

/// The records of one contribution.
#[derive(Clone)]
pub(crate) struct Batch {
    pub(crate) root: Digest,
    pub(crate) records: Vec<PrivateRecord>,
    /// What every record says, and no other.
    word: String,
    salt_head: [u8; SALT_HEAD],
}

impl Batch {
    /// What the command of this number offers.
    pub(crate) fn new(net: &DatanetId, serial: u64, count: u32) -> Self {
        let drawn = |what: &str, at: u32| Digest::of(format!("{what} {serial} {at}").as_bytes());
        let word = drawn("word", 0).to_string();
        let mut salt_head = [0; SALT_HEAD];
        salt_head.copy_from_slice(&drawn("salt", 0).0[..SALT_HEAD]);
        let record = |index: u32| {
            let content = format!(r#"{{"index":{index},"text":"it says {word}"}}"#).into_bytes();
            let mut salt = drawn("salt of", index).0;
            salt[..SALT_HEAD].copy_from_slice(&salt_head);
            let commitment = Content::Record.commit(&Salt(salt), ORIGIN, net, &content).0;
            PrivateRecord { commitment, salt, group: 0, index, content }
        };
        let mut records: Vec<PrivateRecord> = (0..count).map(record).collect();
        let root = commit::root(&records.iter().map(|r| Digest(r.commitment)).collect::<Vec<_>>());
        records.iter_mut().for_each(|record| record.group = record_group(&root));
        Self { root, records, word, salt_head }
    }

    fn openings(&self) -> Vec<Opening> {
        let opening = |record: &PrivateRecord| Opening {
            index: record.index,
            commitment: Digest(record.commitment).to_string(),
            salt: hex::encode(record.salt),
        };
        self.records.iter().map(opening).collect()
    }

    fn contents(&self) -> Vec<Record> {
        self.records.iter().map(|record| serde_json::from_slice(&record.content).unwrap()).collect()
    }

    /// What shows one of the records, or a salt of theirs in either form.
    fn needles(&self) -> [Vec<u8>; 3] {
        [self.word.clone().into(), self.salt_head.to_vec(), hex::encode(self.salt_head).into()]
    }
}

/// Everything that is stored anywhere: names and bytes.
pub(crate) type Stored = Vec<(String, Vec<u8>)>;

/// Where something of a contribution is, in one pass over all that is stored.
fn traces<'a>(
    batches: impl Iterator<Item = (u64, &'a Batch)>,
    stored: &Stored,
) -> BTreeMap<u64, BTreeSet<String>> {
    let needles = batches.flat_map(|(seq, batch)| batch.needles().map(|needle| (seq, needle)));
    let (seqs, needles): (Vec<u64>, Vec<Vec<u8>>) = needles.unzip();
    // Without the crate that it looks for rare bytes with, which is slow where it is not optimised.
    let searcher = AhoCorasick::builder().prefilter(false).build(needles).unwrap();
    let mut found = BTreeMap::<u64, BTreeSet<String>>::new();
    for (place, bytes) in stored {
        for needle in searcher.find_iter(bytes) {
            found.entry(seqs[needle.pattern().as_usize()]).or_default().insert(place.clone());
        }
    }
    found
}

/// A contribution that is in the log, as its author knows it.
struct Offered {
    net: DatanetId,
    batch: Batch,
    receipt: Receipt,
}

/// All authors, who keep what they sent and their receipts.
#[derive(Default)]
pub(crate) struct Authors {
    /// By place in the log: those that were answered for.
    offered: BTreeMap<u64, Offered>,
    /// Contributions whose records were taken back, as far as anybody has looked.
    gone: BTreeSet<u64>,
}

impl Authors {
    /// Records that were taken back and looked for.
    pub(crate) fn gone(&self) -> u64 {
        self.gone.len() as u64
    }

    /// A contribution is answered for: its author takes a receipt, and this home keeps one too.
    pub(crate) fn answered(
        &mut self,
        node: &Node,
        net: &DatanetId,
        seq: u64,
        batch: &Batch,
    ) -> Result<(), Broken> {
        let withdrawn = node.state().datanets()[net].withdrawn.contains_key(&seq);
        if withdrawn {
            return Ok(());
        }
        let receipt = node.receipt(seq, batch.openings()).map_err(broken)?;
        receipt.save(&node.home().receipts().join(format!("{seq}.json"))).map_err(broken)?;
        for (index, content) in (0..).zip(batch.contents()) {
            let kept = node.record(net, seq, index).map_err(broken)?;
            require(kept == content, || format!("record {index} of contribution {seq} is another"))?;
        }
        self.offered.insert(seq, Offered { net: net.clone(), batch: batch.clone(), receipt });
        Ok(())
    }

    /// Contributions that were taken back since the last look.
    pub(crate) fn newly_gone(&self, node: &Node) -> Vec<u64> {
        let is_gone = |seq: &u64, net: &DatanetId| node.state().datanets()[net].withdrawn.contains_key(seq);
        let fresh = self.offered.iter().filter(|(seq, o)| !self.gone.contains(seq) && is_gone(seq, &o.net));
        fresh.map(|(seq, _)| *seq).collect()
    }

    /// What was taken back is nowhere, and everything that was proven of it still is.
    pub(crate) fn look(&mut self, node: &Node, gone: &[u64], stored: &Stored) -> Result<(), Broken> {
        let left = traces(gone.iter().map(|seq| (*seq, &self.offered[seq].batch)), stored);
        gone.iter().try_for_each(|seq| self.is_nowhere(node, *seq, left.get(seq)))?;
        self.gone.extend(gone);
        Ok(())
    }

    fn is_nowhere(&self, node: &Node, seq: u64, left: Option<&BTreeSet<String>>) -> Result<(), Broken> {
        let Offered { net, batch, receipt } = &self.offered[&seq];
        require(left.is_none(), || format!("contribution {seq} was taken back and is in {left:?}"))?;
        require(node.record(net, seq, 0).is_err(), || {
            format!("contribution {seq} is shown after it was taken back")
        })?;
        // The author's receipt, with the records that only the author has now; and the one that this home has, which opens nothing.
        let trust = Trust::key(node.log_key().clone());
        let holds = receipt.verify(&trust, &Wanted::default()).map_err(broken)?;
        receipt.verify_records(&holds.event, &batch.contents()).map_err(broken)?;
        let path = node.home().receipts().join(format!("{seq}.json"));
        let kept = fs::read(&path).map_err(|e| Broken(format!("{}: {e}", path.display())))?;
        let kept = Receipt::parse(&kept).map_err(broken)?;
        kept.verify(&trust, &Wanted::default()).map_err(broken)?;
        require(kept.openings.is_empty(), || format!("a receipt of contribution {seq} still opens it"))
    }

    /// The end: every receipt that was ever given holds, what was taken back is still nowhere, and what was not is there.
    pub(crate) fn finish(&self, node: &Node, stored: &Stored) -> Result<(), Broken> {
        let trust = Trust::key(node.log_key().clone());
        let left = traces(self.offered.iter().map(|(seq, offered)| (*seq, &offered.batch)), stored);
        for (seq, Offered { receipt, .. }) in &self.offered {
            receipt.verify(&trust, &Wanted::default()).map_err(broken)?;
            match (self.gone.contains(seq), left.get(seq)) {
                (true, left) => self.is_nowhere(node, *seq, left)?,
                (false, left) => require(left.is_some_and(|places| places.len() >= 2), || {
                    format!("contribution {seq} is in {left:?}: vault and receipt should be")
                })?,
            }
        }
        Ok(())
    }
}

/// The names and bytes of all files below a folder.
pub(crate) fn files_below(folder: &Path, found: &mut Stored) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files_below(&path, found),
            false => found.push((path.display().to_string(), fs::read(&path).unwrap())),
        }
    }
}

fn broken(error: impl std::fmt::Display) -> Broken {
    Broken(error.to_string())
}

/// Which records passed where, counted apart from the ledger.
#[derive(Default)]
pub(crate) struct Passed {
    /// Contributions that are not withdrawn: where, whose, and records that passed.
    there: BTreeMap<u64, (DatanetId, AccountId, u64)>,
    /// Contributions that a snapshot has records of.
    snapshots: BTreeMap<u64, BTreeSet<u64>>,
    /// Snapshots of models.
    models: BTreeMap<u64, u64>,
}

impl Passed {
    /// Takes note of a command that was accepted as entry `seq`; `state` is the one after it.
    pub(crate) fn note(&mut self, seq: u64, signed: &Signed, state: &State) -> Result<(), Broken> {
        match &signed.intent.command {
            Command::Contribute { datanet, .. } => {
                self.there.insert(seq, (datanet.clone(), signed.intent.actor.clone(), 0));
            }
            Command::Gate { contribution, passed, .. } => self.pass(*contribution, u64::from(*passed))?,
            Command::Review { contribution, pass: true, .. } => self.pass(*contribution, 1)?,
            Command::Retract { contribution, .. } => {
                let was = self.there.remove(contribution);
                require(was.is_some(), || format!("contribution {contribution} was taken back twice"))?;
            }
            Command::Snapshot { datanet, records, .. } => {
                let (mut counts, mut held) = (BTreeMap::new(), BTreeSet::new());
                for (at, (net, author, passed)) in &self.there {
                    if net == datanet && *passed > 0 {
                        *counts.entry(author.clone()).or_insert(0) += passed;
                        held.insert(*at);
                    }
                }
                let frozen = &state.datanets()[datanet].snapshots[&seq];
                let same = frozen.counts == counts && *records == counts.values().sum::<u64>();
                require(same, || {
                    format!("snapshot {seq} has {:?}, and {counts:?} are there", frozen.counts)
                })?;
                self.snapshots.insert(seq, held);
            }
            Command::Train { snapshot, .. } => {
                self.models.insert(seq, *snapshot);
            }
            Command::Answer { model, .. } | Command::Meter { model, .. } => {
                let of = &self.snapshots[&self.models[model]];
                let gone = of.iter().find(|contribution| !self.there.contains_key(contribution));
                require(gone.is_none(), || {
                    format!("model {model} answers with contribution {gone:?}, which is gone")
                })?;
            }
            _ => {}
        }
        Ok(())
    }

    fn pass(&mut self, contribution: u64, records: u64) -> Result<(), Broken> {
        let found = self.there.get_mut(&contribution);
        let (_, _, passed) = found
            .ok_or_else(|| Broken(format!("contribution {contribution} passed after it was taken back")))?;
        *passed += records;
        Ok(())
    }
}
