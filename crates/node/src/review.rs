//! Review: people look at what the gates held.

use assay_attribution::{Examples, PathOptions, ValueFold, value};
use assay_ledger::command::{Command, Role};
use assay_ledger::ids::{AccountId, Code, DatanetId};
use ed25519_dalek::SigningKey;

use crate::error::{NodeError, Result};
use crate::node::Node;
use crate::task::{Reading, Record, columns, labels};

/// Records, the first to arrive, that are put in order; the others follow as they arrived.
const ORDERED: usize = 10_000;

/// A record that waits for a reviewer.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Held {
    /// Its contribution.
    pub contribution: u64,
    /// Its place in it.
    pub index: u32,
    /// Who offered it.
    pub author: AccountId,
    /// Why it is held.
    pub reason: String,
    /// The record that it resembles, if that is why: contribution and index.
    pub original: Option<(u64, u32)>,
    /// What it says.
    pub record: Record,
    /// Bits by which the score on the value fold is expected to move once it is decided; `None` where no valued model says.
    pub bits: Option<f64>,
}

impl Node {
    /// The first `count` records that wait for a reviewer: those first by which the score is expected to move most, of equals
    /// and where no valued model says, those that came first.
    pub fn held(&self, net: &DatanetId, count: usize) -> Result<Vec<Held>> {
        let ordered = self.datanet(net)?.serving().is_some();
        let waiting: Vec<(u64, u32)> =
            self.datanet(net)?.held().take(if ordered { ORDERED.max(count) } else { count }).collect();
        let mut held = Vec::with_capacity(waiting.len());
        for of_one in waiting.chunk_by(|a, b| a.0 == b.0) {
            let contribution = of_one[0].0;
            let author = &self.contribution(net, contribution)?.author;
            let verdicts = self.verdicts(net, contribution)?;
            for &(_, index) in of_one {
                let row = verdicts.get(index as usize).ok_or_else(|| {
                    NodeError::bug(format!("no verdict on record {index} of {contribution}"))
                })?;
                held.push(Held {
                    contribution,
                    index,
                    author: author.clone(),
                    reason: row.reason.clone().unwrap_or_default(),
                    original: row.original,
                    record: self.record(net, contribution, index)?,
                    bits: None,
                });
            }
        }
        let first = held.len().min(ORDERED);
        self.expect(net, &mut held[..first])?;
        held[..first].sort_by(|a, b| b.bits.unwrap_or(0.0).total_cmp(&a.bits.unwrap_or(0.0)));
        held.truncate(count);
        Ok(held)
    }

    /// What a look at each of these is expected to move: right records enter with a weight of one, the others stay out.
    /// How probable it is that one is right says the model, which never saw it, against a label at random; what its
    /// weight would move is that of the value fold, to first order.
    fn expect(&self, net: &DatanetId, held: &mut [Held]) -> Result<()> {
        let datanet = self.datanet(net)?;
        let Some(model) = datanet.serving().and_then(|at| datanet.models.get(&at)) else { return Ok(()) };
        let (charter, fitted) = (&datanet.charter, self.fitted(&model.weights)?);
        let mut readings: Vec<Reading> =
            self.frozen(net, model.snapshot)?.into_iter().map(|m| m.reading).collect();
        let known = readings.len();
        let mut asked = Vec::with_capacity(held.len());
        for one in held {
            let reading = Reading::of(&charter.task, &one.record);
            // Of labels that the model does not know it says nothing.
            if fitted.answers.encode(&labels(&[&reading])).is_ok() {
                readings.push(reading);
                asked.push(one);
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        let readings: Vec<&Reading> = readings.iter().collect();
        let (features, target) = fitted.examples(&columns(&charter.task, &readings), &labels(&readings))?;
        let mut weights = fitted.record_weights.clone().unwrap_or_else(|| vec![1.0; known]);
        weights.resize(readings.len(), 0.0);
        let rows = self.value_rows(net, charter, &fitted)?;
        // One node: no value is asked for, and what weights move is found at the end of the path.
        let options = PathOptions {
            lambda: fitted.prior.lambda,
            noise_variance: fitted.prior.noise_variance,
            weights: Some(&weights),
            nodes: 1,
            max_nodes: 1,
            folds: 0,
            ..PathOptions::default()
        };
        let fold = ValueFold::new(Examples { features: &rows.0, target: &rows.1 });
        let train = Examples { features: &features, target: &target };
        let found = value(train, fold, &options, &|_| {}).map_err(NodeError::invalid)?;
        let places: Vec<usize> = (known..readings.len()).collect();
        let right = fitted.right(&features.select(&places), &target.select(&places));
        for ((one, right), moved) in asked.into_iter().zip(right).zip(&found.marginal_bits[known..]) {
            one.bits = Some(right * moved.abs());
        }
        Ok(())
    }

    /// Lets `account` decide held records. Only the owner may.
    pub fn appoint(
        &mut self,
        owner: &SigningKey,
        net: &DatanetId,
        account: AccountId,
        role: Role,
    ) -> Result<u64> {
        self.act(owner, Command::Appoint { datanet: net.clone(), account, role })
    }

    /// Decides a held record as the holder of `key`.
    pub fn review(
        &mut self,
        key: &SigningKey,
        net: &DatanetId,
        (contribution, index): (u64, u32),
        pass: bool,
        reason: &str,
    ) -> Result<u64> {
        let reason: Code = reason.parse().map_err(NodeError::invalid)?;
        self.act(key, Command::Review { datanet: net.clone(), contribution, index, pass, reason })
    }
}
