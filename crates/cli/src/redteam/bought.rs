//! Questions that the attacker pays for himself, and what of their price comes back to whom.

use assay_api::v1::redteam::Rules;
use assay_attribution::PathState;
use assay_attribution::answer::AnswerOptions;
use assay_learn::data::{Features, Target};
use assay_ledger::limits::{ANSWER_SHARES_MAX, PPM};
use assay_node::Answers;
use assay_sim::attack::Record;

use super::arm::ArmResult;
use super::cast::Cast;
use super::pay::units;
use crate::appraise::contribute::Community;
use crate::output::Failure;

/// Fees beside those of everybody else.
pub(super) struct Bought {
    /// Paid.
    pub(super) spent: u128,
    /// Accrued to each contributor, by the attribution of the answers.
    pub(super) accrued: Vec<u128>,
    /// The contributors' part that no record was named for.
    pub(super) pool: u128,
}

impl Bought {
    /// No question.
    pub(super) fn nothing(contributors: usize) -> Self {
        Self { spent: 0, accrued: vec![0; contributors], pool: 0 }
    }

    /// Asks `questions`. The contributors' part of each fee goes as a node sends it: by the bits by which records moved
    /// the answer, to those alone that helped it and are worth something, the first of them by name.
    pub(super) fn ask(
        cast: &Cast,
        community: &Community,
        result: &ArmResult,
        rules: &Rules,
        questions: &[Record],
    ) -> Result<Self, Failure> {
        let mut out = Self::nothing(community.contributors.len());
        let columns = cast.columns(&questions.iter().collect::<Vec<_>>());
        let features = result.ready.featurizer.transform(&columns).map_err(Failure::failed)?;
        let ready = &result.ready;
        let options = AnswerOptions {
            lambda: result.values.lambda,
            weights: Some(&result.values.valuation.weights),
            noise_variance: ready.prior.noise_variance,
            ..AnswerOptions::default()
        };
        let path = PathState::cache(ready.gated.examples(), &options, &|_| {}).map_err(Failure::failed)?;
        let moved = path.attribute(&features, &said(result, &features), &|_| {}).map_err(Failure::failed)?;
        let part = units(rules.price_micro) * u128::from(rules.contributors_ppm) / u128::from(PPM);
        for question in 0..questions.len() {
            let bits = moved.bits.row(question);
            let earns = |i: &usize| bits[*i] > 0.0 && result.values.valuation.value_bits[*i] > 0.0;
            let mut order: Vec<usize> = (0..bits.len()).filter(earns).collect();
            let mass: f64 = order.iter().map(|&i| bits[i]).sum();
            order.sort_by(|&a, &b| bits[b].total_cmp(&bits[a]).then(a.cmp(&b)));
            order.truncate(ANSWER_SHARES_MAX);
            let mut left = part;
            for i in order {
                let share = ((bits[i] / mass * part as f64) as u128).min(left);
                out.accrued[community.sent_by[result.gated.kept[i]] as usize] += share;
                left -= share;
            }
            out.spent += units(rules.price_micro);
            out.pool += left;
        }
        Ok(out)
    }
}

/// What the model answers.
fn said(result: &ArmResult, features: &Features) -> Target {
    let model = &result.values.valuation.model;
    match &result.ready.answers {
        Answers::Classes(classes) => {
            Target::Classes { labels: model.classes(features), count: classes.count() }
        }
        Answers::Numbers(_) => Target::Numbers(model.scores(features).data().to_vec()),
    }
}
