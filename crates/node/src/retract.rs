//! Retract: the records of a contribution are taken back, and erased wherever this home keeps them.
//!
//! The entry comes first and the erasure after it: whatever a crash leaves is erased when the node is opened again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use assay_ledger::codec;
use assay_ledger::command::{Command, Signed};
use assay_ledger::ids::{AccountId, Code, DatanetId};
use ed25519_dalek::SigningKey;
use serde::Serialize;

use crate::contribute::record_group;
use crate::error::{NodeError, Result};
use crate::node::Node;
use crate::receipt::Receipt;
use crate::signatures::Checked;

/// What taking a contribution back meant.
#[derive(Clone, Debug, Serialize)]
pub struct Retracted {
    /// The entry that says so.
    pub entry: u64,
    /// The contribution, by its place in the log.
    pub contribution: u64,
    /// Who had offered it.
    pub author: AccountId,
    /// Its records.
    pub records: u64,
    /// Those of them that would have been in the next snapshot.
    pub passed: u64,
    /// The model that answered with them until now, if one did.
    pub stopped: Option<u64>,
    /// The model that answers instead.
    pub serving: Option<u64>,
}

impl Node {
    /// Takes back the contribution at `contribution`, as its author or as the operator, and erases its records: their
    /// content and salts, receipts in this home that open them, weights that were trained on them, pages that may show them.
    pub fn retract(
        &mut self,
        key: &SigningKey,
        net: &DatanetId,
        contribution: u64,
        reason: Code,
    ) -> Result<Retracted> {
        let offered = self.contribution(net, contribution)?;
        let (author, records) = (offered.author.clone(), u64::from(offered.records));
        let (passed, before) = (u64::from(offered.passed()), self.datanet(net)?.serving());
        let entry = self.act(key, Command::Retract { datanet: net.clone(), contribution, reason })?;
        let serving = self.datanet(net)?.serving();
        let stopped = before.filter(|model| serving != Some(*model));
        Ok(Retracted { entry, contribution, author, records, passed, stopped, serving })
    }

    /// Whoever takes records back is answered when they are erased, whichever way the command came. Where that fails the
    /// command stands, and the same one again erases them.
    pub(crate) fn erase_before_answering(&mut self, batch: &[Checked], answers: &mut [Result<u64>]) {
        let takes_back = |signed: &Signed| matches!(signed.intent.command, Command::Retract { .. });
        let answered = batch.iter().zip(answers).map(|(checked, answer)| (&checked.signed, answer));
        let taken: Vec<_> =
            answered.filter(|(signed, answer)| takes_back(signed) && answer.is_ok()).collect();
        let of = |signed: &Signed| match &signed.intent.command {
            Command::Retract { datanet, contribution, .. } => Some((datanet.clone(), *contribution)),
            _ => None,
        };
        let mut these: BTreeMap<DatanetId, BTreeSet<u64>> = BTreeMap::new();
        for (net, contribution) in taken.iter().filter_map(|(signed, _)| of(signed)) {
            these.entry(net).or_default().insert(contribution);
        }
        if let Err(error) = self.erase(&these) {
            taken.into_iter().for_each(|(_, answer)| *answer = Err(error.clone()));
        }
    }

    /// Erases all that was taken back and is still here.
    pub(crate) fn erase_withdrawn(&mut self) -> Result<()> {
        let nets = self.state().datanets().iter();
        let all = nets.map(|(net, datanet)| (net.clone(), datanet.withdrawn.keys().copied().collect()));
        self.erase(&all.collect())
    }

    /// Erases of these contributions, which were taken back, what is still here.
    fn erase(&mut self, withdrawn: &BTreeMap<DatanetId, BTreeSet<u64>>) -> Result<()> {
        let mut commitments = Vec::new();
        let mut weights = Vec::new();
        let mut opened = Vec::new();
        for (net, withdrawn) in withdrawn {
            let Some(datanet) = self.state().datanet(net) else { continue };
            let found = commitments.len();
            for contribution in withdrawn {
                let Some(offered) = datanet.contributions.get(contribution) else { continue };
                let kept = self.kept(record_group(&offered.root))?;
                if !kept.is_empty() {
                    opened.push(*contribution);
                    commitments.extend(kept);
                }
            }
            let broken = datanet.models.values().filter(|model| datanet.broken(model.snapshot).is_some());
            if commitments.len() > found {
                weights.extend(broken.map(|model| (net.clone(), model.weights)));
            }
        }
        if commitments.is_empty() {
            return Ok(());
        }
        self.forget_pages(&opened)?;
        for (net, weights) in weights {
            self.erase_weights(&weights)?;
            self.cache.serving.remove(&net);
            self.cache.quick.remove(&net);
        }
        // The gates knew them; without them a later copy is nobody's.
        self.cache.gates.clear();
        // Last, so that a crash before it finds everything that is left to do.
        self.vault.erase(&commitments)?;
        Ok(())
    }

    /// Commitments of the records that the vault has of a contribution.
    fn kept(&self, group: u64) -> Result<Vec<[u8; 32]>> {
        let mut kept: Vec<[u8; 32]> = Vec::new();
        let mut from = 0;
        loop {
            let page = self.vault.reader().group(group, from)?;
            let Some(last) = page.last() else { return Ok(kept) };
            from = last.index.saturating_add(1);
            kept.extend(page.iter().map(|record| record.commitment));
        }
    }

    /// Receipts of these contributions lose what opens them, and pages that were made of the vault go: they can be made
    /// again.
    fn forget_pages(&self, contributions: &[u64]) -> Result<()> {
        let (reports, receipts) = (self.home().reports(), self.home().receipts());
        for path in files(&reports)? {
            fs::remove_file(&path).map_err(|e| NodeError::file(&path, &e))?;
        }
        for path in files(&receipts)? {
            let bytes = fs::read(&path).map_err(|e| NodeError::file(&path, &e))?;
            let Ok(mut receipt) = Receipt::parse(&bytes) else { continue };
            let ours = receipt.origin == self.home().origin() && !receipt.openings.is_empty();
            let Ok(seq) = codec::decode(receipt.entry.as_bytes()).map(|event| event.seq) else { continue };
            if ours && contributions.contains(&seq) {
                receipt.openings.clear();
                receipt.replace(&path)?;
            }
        }
        Ok(())
    }
}

fn files(folder: &std::path::Path) -> Result<Vec<std::path::PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(|e| NodeError::file(folder, &e))?;
    let mut paths: Vec<_> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    paths.sort();
    Ok(paths)
}
