//! Fund: sponsors put up the money that rewards value.

use crate::amount::{Amount, Place};
use crate::datanet::Datanet;
use crate::decide::View;
use crate::event::Outcome;
use crate::ids::DatanetId;
use crate::refusal::{Refusal, require, require_field};

pub(crate) fn decide(
    view: &View<'_>,
    id: &DatanetId,
    net: &Datanet,
    amount: Amount,
) -> Result<Outcome, Refusal> {
    require(net.charter.reward.is_some(), || {
        Refusal::rule(format!("the charter of {id} has no [reward]: the money would never be paid out"))
    })?;
    require_field(!amount.is_zero(), "amount", || "must be above zero".to_owned())?;
    view.spend(Place::Reward(id.clone()), amount)
}

pub(crate) fn apply(net: &mut Datanet, amount: Amount) {
    net.tally().funded.add(amount);
}
