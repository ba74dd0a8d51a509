//! One arm: a community through the stages of an appraisal, and its model on the reporting rows.

use assay_learn::data::Target;
use assay_learn::evaluate::class_hits;
use assay_learn::model::Family;
use assay_sim::attack::{Record, Trigger};

use super::cast::{Cast, records};
use crate::appraise::Settings;
use crate::appraise::contribute::Community;
use crate::appraise::curate;
use crate::appraise::gate::{self, Gated};
use crate::appraise::train::{self, Ready};
use crate::appraise::value::{self, Values};
use crate::output::Failure;
use crate::progress::Stage;

/// What the stages found.
pub(super) struct ArmResult {
    pub(super) gated: Gated,
    pub(super) ready: Ready,
    pub(super) values: Values,
}

/// The stages of `assay appraise`, up to the values.
pub(super) fn run_arm(
    community: &Community,
    settings: &Settings,
    stage: &Stage,
) -> Result<ArmResult, Failure> {
    let gated = gate::gate(community, true)?;
    let ready = train::prepare(community, &gated, settings.seed)?;
    let mut values = value::values(community, &gated, &ready, settings, stage)?;
    curate::curate(&mut values, community, &gated, &ready, settings, stage)?;
    Ok(ArmResult { gated, ready, values })
}

/// A model on rows that no value was measured on.
#[derive(Clone, Copy)]
pub(super) struct Quality {
    pub(super) bits: f64,
    pub(super) accuracy: Option<f64>,
    pub(super) rows: usize,
}

impl ArmResult {
    /// On all rows of TEST, the same in every arm; on VALID without it.
    pub(super) fn quality(&self, community: &Community) -> Result<Quality, Failure> {
        let part = community.test.as_ref().unwrap_or(&community.valid);
        let features = self.ready.featurizer.transform(&part.columns).map_err(Failure::failed)?;
        let target = self.ready.answers.encode(&part.labels)?;
        let model = &self.values.valuation.model;
        let mean = |x: Vec<f64>| x.iter().sum::<f64>() / x.len().max(1) as f64;
        let accuracy = match (&target, model.family()) {
            (Target::Classes { labels, .. }, Family::Softmax { .. }) => {
                let hits = class_hits(&model.log_probabilities_nats(&features), labels);
                Some(mean(hits.map_err(Failure::failed)?))
            }
            _ => None,
        };
        Ok(Quality { bits: mean(model.gain_bits(&features, &target)), accuracy, rows: part.labels.len() })
    }

    /// Part of the rows of TEST of other classes that the model answers as the attacker wants once they are marked.
    pub(super) fn triggered(&self, cast: &Cast, trigger: &Trigger) -> Result<f64, Failure> {
        let part = cast.community.test.as_ref().unwrap_or(&cast.community.valid);
        let mut rows: Vec<Record> = records(part).into_iter().filter(|r| r.label != trigger.target).collect();
        rows.iter_mut().for_each(|row| trigger.stamp(row));
        let columns = cast.columns(&rows.iter().collect::<Vec<_>>());
        let features = self.ready.featurizer.transform(&columns).map_err(Failure::failed)?;
        let wanted = cast.community.classes.as_ref().and_then(|c| c.class(&trigger.target));
        let said = self.values.valuation.model.classes(&features);
        let hits = said.iter().filter(|&&class| Some(class) == wanted).count();
        Ok(hits as f64 / said.len().max(1) as f64)
    }

    /// What sums by contributor tell of every record of TRAIN: its contributor's mean.
    pub(super) fn mean_values(&self, community: &Community) -> Vec<f64> {
        let mean = |&c: &u32| {
            let group = &self.values.groups[c as usize];
            group.value_bits / group.records.max(1) as f64
        };
        community.sent_by.iter().map(mean).collect()
    }

    /// Value of every record of TRAIN; 0 for those that the gates stopped.
    pub(super) fn record_values(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.gated.findings.len()];
        self.gated.kept.iter().zip(&self.values.valuation.value_bits).for_each(|(&row, &v)| out[row] = v);
        out
    }
}
