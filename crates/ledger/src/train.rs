//! Train: a model of a snapshot, and its card.

use std::collections::BTreeMap;

use crate::command::Score;
use crate::datanet::{Datanet, Model};
use crate::decide::View;
use crate::event::Outcome;
use crate::ids::Code;
use crate::limits::{PPM, SCORES_MAX};
use crate::refusal::{Refusal, require, require_field};

pub(crate) fn decide(
    view: &View<'_>,
    net: &Datanet,
    snapshot: u64,
    scores: &BTreeMap<Code, Score>,
) -> Result<Outcome, Refusal> {
    let may = view.is_operator() || net.trainer == *view.actor;
    view.require_role(may, "the operator or the appointed trainer")?;
    require(net.snapshots.contains_key(&snapshot), || Refusal::not_found("snapshot", snapshot))?;
    net.require_whole(snapshot)?;
    require_field(scores.len() <= SCORES_MAX, "scores", || {
        format!("has {} names; at most {SCORES_MAX} fit", scores.len())
    })?;
    for (name, score) in scores {
        require_field(score.stands(), "scores", || {
            format!("{name}: bounds must be around the gain, and accuracy at most {PPM}")
        })?;
    }
    Ok(Outcome::default())
}

pub(crate) fn apply(net: &mut Datanet, seq: u64, model: Model) {
    net.models.insert(seq, model);
}

impl Score {
    fn stands(&self) -> bool {
        self.accuracy_ppm <= i64::from(PPM)
            && self.low_microbits <= self.gain_microbits
            && self.gain_microbits <= self.high_microbits
    }
}
