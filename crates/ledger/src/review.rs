//! Review: people decide the records that the gates hold.

use crate::datanet::{Datanet, Reviewed};
use crate::decide::View;
use crate::event::Outcome;
use crate::ids::{AccountId, Code};
use crate::refusal::{Refusal, require};

pub(crate) fn decide(
    view: &View<'_>,
    net: &Datanet,
    contribution: u64,
    index: u32,
) -> Result<Outcome, Refusal> {
    let reviewer = net.owner == *view.actor || net.reviewers.contains(view.actor);
    view.require_role(reviewer, "the owner of the datanet or an appointed reviewer")?;
    let offered = net.contribution(contribution)?;
    require(offered.author != *view.actor, || {
        Refusal::rule("nobody reviews their own records; leave this one to another reviewer")
    })?;
    net.require_there(contribution)?;
    let gate = offered.gate.as_ref();
    require(gate.is_some_and(|gate| gate.held.binary_search(&index).is_ok()), || {
        match gate.and_then(|gate| gate.reviewed.get(&index)) {
            Some(done) => Refusal::rule(format!("record {index} was decided in entry {}", done.seq)),
            None => {
                Refusal::rule(format!("record {index} of contribution {contribution} is not held for review"))
            }
        }
    })?;
    Ok(Outcome::default())
}

pub(crate) fn apply(
    net: &mut Datanet,
    seq: u64,
    reviewer: &AccountId,
    contribution: u64,
    index: u32,
    pass: bool,
    reason: &Code,
) {
    *net.tally().decisions.entry(reviewer.clone()).or_default() += 1;
    let Some(offered) = net.contributions.get_mut(&contribution) else {
        return;
    };
    if let Some(gate) = &mut offered.gate {
        gate.held.retain(|held| *held != index);
        gate.held.shrink_to_fit();
        let decision = Reviewed { seq, reviewer: reviewer.clone(), pass, reason: reason.clone() };
        gate.reviewed.insert(index, decision);
    }
    let contributor = net.contributors.entry(offered.author.clone()).or_default();
    contributor.passed += u64::from(pass);
}
