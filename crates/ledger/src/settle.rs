//! Settle: an epoch's earnings are released to those whose records are proven to help.

use crate::amount::{Amount, Place, Sum};
use crate::datanet::{Contributor, Datanet, Epoch};
use crate::decide::{Outcomes, View};
use crate::event::{Outcome, SettledRow, Standing};
use crate::ids::{AccountId, DatanetId};
use crate::limits::SETTLED_PER_EVENT;
use crate::pay::{Claim, Terms, pay};
use crate::refusal::{Refusal, require, require_field};
use crate::split::{split, tie};

/// Takings come first, so that the pool holds them when it is divided: reviewers, then the harmful, then all others.
pub(crate) fn decide(
    view: &View<'_>,
    id: &DatanetId,
    net: &Datanet,
    epoch: u32,
) -> Result<Outcomes, Refusal> {
    view.require_operator()?;
    require_field(epoch == net.epoch, "epoch", || {
        format!("is {epoch}, and epoch {} is the open one", net.epoch)
    })?;
    require(!net.valuations.is_empty(), || {
        Refusal::rule("there is no closed valuation yet: value a model first")
    })?;
    let books = Books { view, id, net, epoch };
    let rows = pay(&books.claims(), &books.terms());
    let (harmful, others): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.standing == Standing::Harmful);
    let paid = harmful.into_iter().chain(others).map(|row| books.settled(row));
    let outcomes: Vec<Outcome> = books.pay_reviewers().into_iter().chain(paid).collect();
    let mut outcomes = outcomes.chunks(SETTLED_PER_EVENT).map(join);
    Ok((outcomes.next().unwrap_or_default(), outcomes.collect()))
}

fn join(outcomes: &[Outcome]) -> Outcome {
    Outcome {
        postings: outcomes.iter().flat_map(|outcome| outcome.postings.clone()).collect(),
        settled: outcomes.iter().flat_map(|outcome| outcome.settled.clone()).collect(),
    }
}

/// What the settlement of one epoch looks at.
struct Books<'a> {
    view: &'a View<'a>,
    id: &'a DatanetId,
    net: &'a Datanet,
    epoch: u32,
}

impl Books<'_> {
    fn claims(&self) -> Vec<Claim> {
        let fresh = self.net.fresh();
        let claim = |(account, contributor): (&AccountId, &Contributor)| Claim {
            account: account.clone(),
            value: contributor.value,
            accrued: self.at(Place::Accrued(self.id.clone(), account.clone())),
            bond: self.at(Place::Bond(self.id.clone(), account.clone())),
            liability: contributor.liability,
            fresh: self.net.charter.bond.of(fresh.get(account).copied().unwrap_or(0)),
            rewarded: contributor.rewarded,
        };
        self.net.contributors.iter().map(claim).collect()
    }

    fn terms(&self) -> Terms {
        Terms {
            epoch: self.epoch,
            pool: self.at(Place::Pool(self.id.clone())),
            budget: self.at(Place::Reward(self.id.clone())),
            per_bit: self.net.charter.reward.as_ref().map_or(Amount::ZERO, |reward| reward.per_bit),
            held_back: self.net.holds_back(),
        }
    }

    /// A row and the moves that it means: taken, credited, released.
    fn settled(&self, row: SettledRow) -> Outcome {
        let account = row.account.clone();
        let accrued = Place::Accrued(self.id.clone(), account.clone());
        let bond = Place::Bond(self.id.clone(), account.clone());
        let user = Place::User(account);
        let (pool, reward) = (Place::Pool(self.id.clone()), Place::Reward(self.id.clone()));

        let from_accrued = row.lost.min(row.accrued);
        let credited = row.accrued.saturating_sub(from_accrued).saturating_add(row.pool);
        let earned = credited.saturating_add(row.reward).saturating_sub(row.waiting);
        let moves = [
            (accrued.clone(), pool.clone(), from_accrued),
            (bond.clone(), pool.clone(), row.lost.saturating_sub(from_accrued)),
            (pool, accrued.clone(), row.pool),
            (reward, accrued.clone(), row.reward),
            (accrued, user.clone(), earned),
            (bond, user, row.released.saturating_sub(earned)),
        ];
        Outcome { settled: vec![row], ..Outcome::moving(moves) }
    }

    /// Divides the reviewers' pot by decisions in the epoch; without any it waits.
    fn pay_reviewers(&self) -> Vec<Outcome> {
        let pot = Place::Reviews(self.id.clone());
        let decisions: Vec<_> =
            self.net.epochs.get(&self.epoch).into_iter().flat_map(|e| &e.decisions).collect();
        let weights: Vec<u64> = decisions.iter().map(|&(_, &count)| count).collect();
        let tie = |i: usize| tie(self.epoch.into(), decisions[i].0.as_str());
        let parts = split(self.at(pot.clone()), &weights, tie).unwrap_or_default();
        let paid = decisions.iter().zip(parts).filter(|(_, part)| !part.is_zero());
        paid.map(|((reviewer, _), part)| {
            Outcome::moving([(pot.clone(), Place::User((*reviewer).clone()), part)])
        })
        .collect()
    }

    fn at(&self, place: Place) -> Amount {
        self.view.state.balances().at(&place)
    }
}

pub(crate) fn apply(net: &mut Datanet, seq: u64, epoch: u32) {
    let (valuation, held_back) = (net.valuations.keys().next_back().copied(), net.holds_back());
    let closed = net.epochs.entry(epoch).or_default();
    closed.settled = Some(seq);
    closed.valuation = valuation;
    closed.held_back = held_back;
    net.epoch = epoch.saturating_add(1);
    net.tally();
}

/// Folds what one event of a settlement did: stakes that are cleared or lost, and money by role.
pub(crate) fn apply_outcome(net: &mut Datanet, epoch: u32, outcome: &Outcome) {
    let closed = net.epochs.entry(epoch).or_default();
    for posting in &outcome.postings {
        if let Some(sum) = tallied(closed, &posting.from, &posting.to) {
            sum.add(posting.amount);
        }
    }
    for row in outcome.settled.iter().filter(|_| !closed.held_back) {
        let contributor = net.contributors.entry(row.account.clone()).or_default();
        let released = contributor.settle(row);
        closed.rewards_paid.add(released);
    }
}

impl Contributor {
    /// Takes a row of a settlement that was not held back; the rewards that it released.
    fn settle(&mut self, row: &SettledRow) -> Amount {
        self.rewarded = self.rewarded.saturating_add(row.reward);
        let waiting = self.rewards_waiting.saturating_add(row.reward);
        self.liability = row.at_stake;
        // What is lost is taken from shares of fees first.
        self.rewards_waiting = waiting.min(row.waiting);
        match row.standing {
            Standing::Paid => waiting,
            Standing::Unproven | Standing::Harmful => Amount::ZERO,
        }
    }
}

impl Datanet {
    /// Whether nothing that goes by value moves: the charter asks for an audit, and that of the valuation that a
    /// settlement would use is not there or too poor.
    pub fn holds_back(&self) -> bool {
        let least = i64::from(self.charter.audit.min_rank_ppm);
        let audit = self.valuations.values().next_back().and_then(|valuation| valuation.audit.as_ref());
        least > 0 && audit.is_none_or(|audit| audit.rank_ppm < least)
    }
}

/// Which total of the epoch a posting of its settlement adds to.
fn tallied<'a>(closed: &'a mut Epoch, from: &Place, to: &Place) -> Option<&'a mut Sum> {
    match (from, to) {
        (Place::Accrued(..), Place::User(_)) => Some(&mut closed.paid.contributors),
        (Place::Reviews(_), Place::User(_)) => Some(&mut closed.paid.reviewers),
        (_, Place::Pool(_)) => Some(&mut closed.lost),
        (Place::Reward(_), _) => Some(&mut closed.rewarded),
        _ => None,
    }
}
