//! Retract: the records of a contribution are taken back. Content and salts are erased; every proof stands.
//!
//! What the records were found to be worth, and what they were paid, stays as it is: it was measured while they were
//! there. From here on they are in no snapshot, so that no later run trains on them, and a model that was trained on
//! them answers no more questions.

use crate::amount::{Amount, Place};
use crate::datanet::{Contribution, Datanet};
use crate::decide::View;
use crate::event::Outcome;
use crate::ids::DatanetId;
use crate::refusal::{Refusal, require};

pub(crate) fn decide(
    view: &View<'_>,
    id: &DatanetId,
    net: &Datanet,
    contribution: u64,
) -> Result<Outcome, Refusal> {
    let offered = net.contribution(contribution)?;
    let author = &offered.author;
    let may = author == view.actor || view.is_operator();
    view.require_role(may, "the author of the records or the operator")?;
    net.require_there(contribution)?;
    // What was put up for records that no run has valued comes back, but for what others of the author's need.
    let bond = Place::Bond(id.clone(), author.clone());
    let at_stake = net.contributors.get(author).map_or(Amount::ZERO, |sums| sums.liability);
    let freed = net.stake(contribution, offered);
    let spare = view.state.balances.at(&bond).saturating_sub(at_stake.saturating_sub(freed));
    Ok(Outcome::moving([(bond, Place::User(author.clone()), spare.min(freed))]))
}

pub(crate) fn apply(net: &mut Datanet, seq: u64, contribution: u64) {
    let Some(offered) = net.contributions.get(&contribution) else {
        return;
    };
    let (stake, passed) = (net.stake(contribution, offered), u64::from(offered.passed()));
    let valued = net.covered().map_or(0, |snapshot| offered.passed_before(snapshot));
    let contributor = net.contributors.entry(offered.author.clone()).or_default();
    contributor.withdrawn += u64::from(offered.records);
    contributor.passed = contributor.passed.saturating_sub(passed);
    contributor.valued = contributor.valued.saturating_sub(valued);
    contributor.liability = contributor.liability.saturating_sub(stake);
    if let Some(gate) = net.contributions.get_mut(&contribution).and_then(|offered| offered.gate.as_mut()) {
        gate.held = Vec::new();
    }
    net.ungated.remove(&contribution);
    net.withdrawn.insert(contribution, seq);
}

impl Contribution {
    /// Records that had passed when the log had `before` entries.
    fn passed_before(&self, before: u64) -> u64 {
        let Some(gate) = self.gate.as_ref().filter(|gate| gate.seq < before) else {
            return 0;
        };
        let reviewed = gate.reviewed.values().filter(|review| review.pass && review.seq < before);
        u64::from(gate.passed) + reviewed.count() as u64
    }
}

impl Datanet {
    /// What a contribution puts at stake and no run has valued.
    fn stake(&self, contribution: u64, offered: &Contribution) -> Amount {
        match self.covered().is_some_and(|snapshot| contribution < snapshot) {
            true => Amount::ZERO,
            false => self.charter.bond.of(offered.records.into()),
        }
    }

    /// Refuses what is about a contribution that was taken back.
    pub(crate) fn require_there(&self, contribution: u64) -> Result<(), Refusal> {
        match self.withdrawn.get(&contribution) {
            None => Ok(()),
            Some(at) => {
                Err(Refusal::rule(format!("contribution {contribution} was withdrawn in entry {at}")))
            }
        }
    }

    /// The entry in which records of a snapshot were taken back, if some were since it was frozen.
    pub fn broken(&self, snapshot: u64) -> Option<u64> {
        let since = self.withdrawn.range(..snapshot).filter(|(_, at)| **at > snapshot);
        let held = |seq: &u64| self.contributions.get(seq).is_some_and(|c| c.passed_before(snapshot) > 0);
        since.filter(|(seq, _)| held(seq)).map(|(_, at)| *at).next()
    }

    /// Refuses what is about a snapshot whose records are not there any more.
    pub(crate) fn require_whole(&self, snapshot: u64) -> Result<(), Refusal> {
        require(self.broken(snapshot).is_none(), || {
            Refusal::rule(format!("records of snapshot {snapshot} were withdrawn since; freeze another"))
        })
    }
}
