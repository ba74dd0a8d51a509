//! Canonical weights: what a copy weighs, so that copying gains nothing.
//!
//! The path value treats equals alike: two copies of a record earn twice what one does, less what the second adds less
//! (four copies of oneself: 3 times on digits). Weights undo that before anything is valued. Records of one cluster
//! (equal, or near copies by the gate's measure) have one unit of weight between them, so that the weighted objective,
//! and with it the model and every other record's value, is what it would be without the copies. Splitting records over
//! identities changes no weight: no rule here reads who sent a record.

use std::collections::BTreeMap;

/// Who of a cluster has its unit of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterRule {
    /// All in equal parts: where it is not known who came first. A copier takes from the one copied.
    Share,
    /// The first comer by log order; the others have none. A copier gains nothing and takes nothing.
    FirstComer,
}

/// Weight of each record: one unit a cluster. `clusters` names the cluster of each record (one that stands alone is a
/// cluster of one), `order` its place in the log; records of equal place come in the order given.
///
/// # Panics
/// When there is not one place a record.
pub fn canonical(clusters: &[u32], order: &[u64], rule: ClusterRule) -> Vec<f64> {
    assert_eq!(clusters.len(), order.len(), "one place in the log a record");
    let mut members: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, &cluster) in clusters.iter().enumerate() {
        members.entry(cluster).or_default().push(i);
    }
    let mut out = vec![0.0; clusters.len()];
    for of in members.values() {
        match rule {
            ClusterRule::Share => of.iter().for_each(|&i| out[i] = 1.0 / of.len() as f64),
            ClusterRule::FirstComer => {
                if let Some(&first) = of.iter().min_by_key(|i| (order[**i], **i)) {
                    out[first] = 1.0;
                }
            }
        }
    }
    out
}

/// Takes weight from records that say again what an earlier record said. `likeness` of each record, 0 to 1, is to the
/// most similar EARLIER record; up to `free` costs nothing, from there the weight falls in a straight line to nothing
/// at 1.
///
/// The earlier record counts whoever sent it, the sender included. A rule that spared one's own would pay for saying
/// the same twice, and would pay more under one name than under two: it would read identities, which cost nothing.
/// Only the later record is discounted, so that nobody can take weight from records that are already there.
///
/// # Panics
/// When there is not one likeness a record.
pub fn discount(weights: &mut [f64], likeness: &[f64], free: f64) {
    assert_eq!(weights.len(), likeness.len(), "one likeness a record");
    for (weight, &likeness) in weights.iter_mut().zip(likeness) {
        let beyond = likeness.clamp(0.0, 1.0) - free.clamp(0.0, 1.0);
        // Not a number says nothing, and takes nothing.
        if beyond > 0.0 {
            *weight *= 1.0 - beyond / (1.0 - free.max(0.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_unit_a_cluster() {
        let (clusters, order) = ([7, 3, 7, 9, 7], [5, 1, 2, 0, 2]);
        assert_eq!(canonical(&clusters, &order, ClusterRule::FirstComer), [0.0, 1.0, 1.0, 1.0, 0.0]);
        let third = 1.0 / 3.0;
        assert_eq!(canonical(&clusters, &order, ClusterRule::Share), [third, 1.0, third, 1.0, third]);
        assert!(canonical(&[], &[], ClusterRule::Share).is_empty());
    }

    #[test]
    fn likeness_takes_weight_in_a_straight_line() {
        let mut weights = [1.0, 1.0, 0.5, 1.0, 1.0, 1.0];
        discount(&mut weights, &[0.2, 0.9, 0.9, 1.0, 2.0, f64::NAN], 0.8);
        let want = [1.0, 0.5, 0.25, 0.0, 0.0, 1.0];
        assert!(weights.iter().zip(want).all(|(w, want)| (w - want).abs() < 1e-12), "{weights:?}");
        let mut all = [1.0, 1.0];
        discount(&mut all, &[1.0, 0.5], 1.0);
        assert_eq!(all, [1.0, 1.0]);
    }

    proptest! {
        #[test]
        fn units_are_as_many_as_clusters(records in proptest::collection::vec((0..9_u32, 0..5_u64), 0..40)) {
            let (clusters, order): (Vec<u32>, Vec<u64>) = records.iter().copied().unzip();
            let mut distinct = clusters.clone();
            distinct.sort_unstable();
            distinct.dedup();
            for rule in [ClusterRule::Share, ClusterRule::FirstComer] {
                let total: f64 = canonical(&clusters, &order, rule).iter().sum();
                prop_assert!((total - distinct.len() as f64).abs() < 1e-9);
            }
        }
    }
}
