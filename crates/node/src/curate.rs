//! Curate: what each record of a snapshot weighs in training. Copies share a unit of weight; what the pooled evidence
//! speaks against is withheld.

use std::collections::{BTreeMap, BTreeSet};

use assay_api::v1::report::Curation;
use assay_attribution::evidence::{Choice, Community, EvidenceOptions, gather};
use assay_attribution::weights::{ClusterRule, canonical};
use assay_attribution::{Examples, PathOptions, ValueFold, novelty, value};
use assay_learn::data::{Features, Target};
use assay_ledger::charter::{Charter, ShareCopies};
use assay_ledger::ids::DatanetId;
use assay_ledger::limits::PPM;

use crate::error::{NodeError, Result};
use crate::fit::Fitted;
use crate::node::Node;
use crate::snapshot::Member;
use crate::task::{Reading, columns, index, labels};

impl Node {
    /// Weighs the records of a snapshot by charter, and fits the model again where they do not all weigh the same.
    pub(crate) fn curate(
        &self,
        net: &DatanetId,
        charter: &Charter,
        mut fitted: Fitted,
        members: &[Member],
    ) -> Result<(Fitted, Option<Curation>)> {
        let readings: Vec<&Reading> = members.iter().map(|m| &m.reading).collect();
        let (features, target) = fitted.examples(&columns(&charter.task, &readings), &labels(&readings))?;
        let train = Examples { features: &features, target: &target };
        let copies = self.copies(net, charter, members)?;
        let mut weights = copies.weights;
        let value = self.value_rows(net, charter, &fitted)?;
        let fold = ValueFold::new(Examples { features: &value.0, target: &value.1 });
        if charter.value.novelty {
            let order: Vec<u64> = (0..members.len() as u64).collect();
            novelty::discount(&mut weights, train, &order, fold);
        }
        if weights.iter().any(|weight| *weight != 1.0) {
            fitted.copy_weights = Some(weights.clone());
        }
        let mut card = None;
        if charter.value.curate {
            let found = evidence(charter, &fitted, train, fold, members, &copies.clusters)?;
            if found.choice != Choice::All {
                fitted.lambda_of_all = Some(std::mem::replace(&mut fitted.prior.lambda, found.lambda));
                fitted.withheld = found.weights.iter().filter(|w| **w == 0.0).count() as u64;
                weights
                    .iter_mut()
                    .zip(&found.weights)
                    .for_each(|(weight, by_evidence)| *weight *= by_evidence);
            }
            card = Some(Curation {
                choice: found.choice.to_string(),
                withheld: fitted.withheld,
                more_bits: found.more_bits,
                low_bits: found.low_bits,
                high_bits: found.high_bits,
            });
        }
        if weights.iter().any(|weight| *weight != 1.0) {
            fitted.model = fitted.weighed(train, &weights)?;
            fitted.record_weights = Some(weights);
        }
        Ok((fitted, card))
    }

    /// The rows that measure value, as the model reads them.
    pub(crate) fn value_rows(
        &self,
        net: &DatanetId,
        charter: &Charter,
        fitted: &Fitted,
    ) -> Result<(Features, Target)> {
        let rows: Vec<Reading> =
            self.sealed(net)?.value.iter().map(|r| Reading::of(&charter.task, &r.record)).collect();
        let rows: Vec<&Reading> = rows.iter().collect();
        fitted.examples(&columns(&charter.task, &rows), &labels(&rows))
    }

    /// Which records copy which, by charter, and what they weigh for it.
    fn copies(&self, net: &DatanetId, charter: &Charter, members: &[Member]) -> Result<Copies> {
        let rule = charter.value.share_copies;
        let originals = match rule {
            ShareCopies::Clusters => self.originals(net, members)?,
            ShareCopies::Exact | ShareCopies::None => BTreeMap::new(),
        };
        let (mut places, mut contents) = (BTreeMap::new(), BTreeMap::new());
        let mut clusters: Vec<u32> = (0..members.len() as u32).collect();
        let mut near = vec![false; members.len()];
        for (i, member) in members.iter().enumerate() {
            let at = (member.contribution, member.index);
            places.insert(at, i);
            let first = *contents.entry(content(&member.reading)).or_insert(i);
            if rule != ShareCopies::None && first < i {
                clusters[i] = clusters[first];
            } else if let Some(&original) = originals.get(&at).and_then(|original| places.get(original)) {
                clusters[i] = clusters[original];
                near[i] = true;
            }
        }
        let order: Vec<u64> = (0..members.len() as u64).collect();
        let mut weights = canonical(&clusters, &order, ClusterRule::FirstComer);
        let keeps = f64::from(charter.value.near_weight_ppm) / f64::from(PPM);
        weights.iter_mut().zip(near).filter(|(_, near)| *near).for_each(|(weight, _)| *weight = keeps);
        Ok(Copies { clusters, weights })
    }

    /// Records that resemble an earlier one, by their places, as the gates saw it.
    fn originals(&self, net: &DatanetId, members: &[Member]) -> Result<BTreeMap<(u64, u32), (u64, u32)>> {
        let contributions: BTreeSet<u64> = members.iter().map(|m| m.contribution).collect();
        let mut out = BTreeMap::new();
        for contribution in contributions {
            let verdicts = self.verdicts(net, contribution)?;
            out.extend(verdicts.into_iter().filter_map(|v| Some(((contribution, v.index), v.original?))));
        }
        Ok(out)
    }
}

/// All evidence on the records, pooled: what to train on.
fn evidence(
    charter: &Charter,
    fitted: &Fitted,
    train: Examples<'_>,
    fold: ValueFold<'_>,
    members: &[Member],
    clusters: &[u32],
) -> Result<assay_attribution::evidence::Curation> {
    let path = PathOptions {
        lambda: fitted.prior.lambda,
        noise_variance: fitted.prior.noise_variance,
        folds: charter.value.folds as usize,
        seed: charter.value.seed,
        ..PathOptions::default()
    };
    let quiet = |_: assay_attribution::Progress| {};
    let valuation = value(train, fold, &path, &quiet).map_err(NodeError::invalid)?;
    let senders = index(members.iter().map(|m| &m.author));
    let owner: Vec<u32> = members.iter().map(|m| senders[&m.author]).collect();
    let arrivals: Vec<u64> = (0..members.len() as u64).collect();
    let who = Community {
        contributors: &owner,
        count: senders.len(),
        clusters: Some(clusters),
        arrivals: Some(&arrivals),
    };
    let options = EvidenceOptions {
        lambda: fitted.prior.lambda,
        noise_variance: fitted.prior.noise_variance,
        ..EvidenceOptions::default()
    };
    let found = gather(train, fold, &valuation, &who, &options, &quiet).map_err(NodeError::invalid)?;
    Ok(found.curation)
}

struct Copies {
    clusters: Vec<u32>,
    weights: Vec<f64>,
}

/// What makes two records the same.
type Content = (Option<String>, Vec<u64>, Option<String>);

fn content(reading: &Reading) -> Content {
    let bits = reading.numbers.iter().map(|n| n.to_bits()).collect();
    (reading.text.clone(), bits, reading.label.clone())
}
