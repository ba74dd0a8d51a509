//! Settle: an epoch's earnings are released to those whose records are proven to help.

use crate::amount::{Amount, Place, Sum};
use crate::datanet::{Contributor, Datanet, Epoch};
use crate::decide::View;
use crate::event::{Outcome, SettledRow, Standing};
use crate::ids::{AccountId, DatanetId};
use crate::limits::SETTLED_PER_EVENT;
use crate::refusal::{Refusal, require, require_field};
use crate::split::{split, tie};

/// Takings come first, so that the pool holds them when it is divided: reviewers, then the harmful, then all others.
pub(crate) fn decide(
    view: &View<'_>,
    id: &DatanetId,
    net: &Datanet,
    epoch: u32,
) -> Result<Vec<Outcome>, Refusal> {
    view.require_operator()?;
    require_field(epoch == net.epoch, "epoch", || {
        format!("is {epoch}, and epoch {} is the open one", net.epoch)
    })?;
    require(!net.valuations.is_empty(), || {
        Refusal::rule("there is no closed valuation yet: value a model first")
    })?;
    let books = Books { view, id, net, epoch };
    let (harmful, others): (Vec<_>, Vec<_>) = net
        .contributors
        .iter()
        .map(|(account, contributor)| books.open(account, contributor))
        .partition(|account| account.row.standing == Standing::Harmful);
    let taken = harmful.iter().fold(Amount::ZERO, |sum, account| sum.saturating_add(account.row.lost));
    let shares = books.divide_pool(taken, &others);

    let reviewers = books.pay_reviewers();
    let harmful = harmful.into_iter().map(|account| books.take(account));
    let others = others.into_iter().zip(shares).map(|(account, share)| books.pay(account, share));
    let outcomes: Vec<Outcome> = reviewers.into_iter().chain(harmful).chain(others).collect();
    Ok(outcomes.chunks(SETTLED_PER_EVENT).map(join).collect())
}

fn join(outcomes: &[Outcome]) -> Outcome {
    Outcome {
        postings: outcomes.iter().flat_map(|outcome| outcome.postings.clone()).collect(),
        settled: outcomes.iter().flat_map(|outcome| outcome.settled.clone()).collect(),
    }
}

/// One contributor while their books are being closed.
struct Account {
    row: SettledRow,
    bond: Amount,
}

/// What the settlement of one epoch looks at.
struct Books<'a> {
    view: &'a View<'a>,
    id: &'a DatanetId,
    net: &'a Datanet,
    epoch: u32,
}

impl Books<'_> {
    /// How a contributor stands, and what is lost if their records harm: what is at stake, from accruals first.
    fn open(&self, account: &AccountId, contributor: &Contributor) -> Account {
        let accrued = self.at(Place::Accrued(self.id.clone(), account.clone()));
        let bond = self.at(Place::Bond(self.id.clone(), account.clone()));
        let (standing, value_microbits) = match self.net.values.get(account) {
            Some(row) if row.low_microbits > 0 => (Standing::Paid, row.value_microbits),
            Some(row) if row.high_microbits < 0 => (Standing::Harmful, row.value_microbits),
            Some(row) => (Standing::Unproven, row.value_microbits),
            None => (Standing::Unproven, 0),
        };
        let lost = match standing {
            Standing::Harmful => contributor.liability.capped().min(accrued.saturating_add(bond)),
            Standing::Paid | Standing::Unproven => Amount::ZERO,
        };
        let row = SettledRow {
            account: account.clone(),
            standing,
            value_microbits,
            accrued,
            lost,
            pool: Amount::ZERO,
            released: Amount::ZERO,
            waiting: accrued,
        };
        Account { row, bond }
    }

    /// What each account gets of the pool, by value; nothing when no value is above zero: then the pool waits.
    fn divide_pool(&self, taken: Amount, accounts: &[Account]) -> Vec<Amount> {
        let pool = self.at(Place::Pool(self.id.clone())).saturating_add(taken);
        let weight = |account: &Account| u64::try_from(account.row.value_microbits).unwrap_or(0);
        let weights: Vec<u64> = accounts.iter().map(weight).collect();
        let tie = |i: usize| tie(self.epoch.into(), accounts[i].row.account.as_str());
        split(pool, &weights, tie).unwrap_or_else(|| vec![Amount::ZERO; accounts.len()])
    }

    fn take(&self, account: Account) -> Outcome {
        let mut row = account.row;
        let from_accrued = row.lost.min(row.accrued);
        let from_bond = row.lost.saturating_sub(from_accrued);
        row.waiting = row.accrued.saturating_sub(from_accrued);
        let pool = Place::Pool(self.id.clone());
        self.settled(row, |accrued, bond, _| [(accrued, pool.clone(), from_accrued), (bond, pool, from_bond)])
    }

    fn pay(&self, account: Account, share: Amount) -> Outcome {
        let Account { mut row, bond } = account;
        row.pool = share;
        row.waiting = row.accrued.saturating_add(share);
        let (earned, returned) = match row.standing {
            Standing::Paid => (std::mem::take(&mut row.waiting), bond),
            Standing::Unproven | Standing::Harmful => (Amount::ZERO, Amount::ZERO),
        };
        row.released = earned.saturating_add(returned);
        let pool = Place::Pool(self.id.clone());
        self.settled(row, |accrued, bond, user| {
            [(pool, accrued.clone(), share), (accrued, user.clone(), earned), (bond, user, returned)]
        })
    }

    /// A row and its moves between the places of its account: accrued, bond, user.
    fn settled<const N: usize>(
        &self,
        row: SettledRow,
        moves: impl FnOnce(Place, Place, Place) -> [(Place, Place, Amount); N],
    ) -> Outcome {
        let account = row.account.clone();
        let accrued = Place::Accrued(self.id.clone(), account.clone());
        let bond = Place::Bond(self.id.clone(), account.clone());
        Outcome { settled: vec![row], ..Outcome::moving(moves(accrued, bond, Place::User(account))) }
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
    let valuation = net.valuations.keys().next_back().copied();
    let closed = net.epochs.entry(epoch).or_default();
    closed.settled = Some(seq);
    closed.valuation = valuation;
    net.epoch = epoch.saturating_add(1);
    net.tally();
}

/// Folds what one event of a settlement did: stakes that are cleared or lost, and money by role.
pub(crate) fn apply_outcome(net: &mut Datanet, epoch: u32, outcome: &Outcome) {
    for row in &outcome.settled {
        let contributor = net.contributors.entry(row.account.clone()).or_default();
        match row.standing {
            Standing::Paid => contributor.liability = Sum::default(),
            Standing::Harmful => contributor.liability.take(row.lost),
            Standing::Unproven => {}
        }
    }
    let closed = net.epochs.entry(epoch).or_default();
    for posting in &outcome.postings {
        if let Some(sum) = tallied(closed, &posting.from, &posting.to) {
            sum.add(posting.amount);
        }
    }
}

/// Which total of the epoch a posting of its settlement adds to.
fn tallied<'a>(closed: &'a mut Epoch, from: &Place, to: &Place) -> Option<&'a mut Sum> {
    match (from, to) {
        (Place::Accrued(..), Place::User(_)) => Some(&mut closed.paid.contributors),
        (Place::Reviews(_), Place::User(_)) => Some(&mut closed.paid.reviewers),
        (_, Place::Pool(_)) => Some(&mut closed.lost),
        _ => None,
    }
}
