//! Serve: a question is paid for, answered, and its price divided.

use crate::amount::{Amount, Place};
use crate::charter::{QueryRules, Split};
use crate::command::Share;
use crate::datanet::{Datanet, Epoch, Model, Query, Roles};
use crate::decide::View;
use crate::event::Outcome;
use crate::ids::{AccountId, DatanetId, Digest};
use crate::limits::{ANSWER_SHARES_MAX, HOLD_HOURS_MAX, INTEGER_MAX, PPM};
use crate::refusal::{Refusal, require, require_field};
use crate::split::{split, split_plainly, tie};

pub(crate) fn decide_ask(
    view: &View<'_>,
    id: &DatanetId,
    net: &Datanet,
    price_max: Amount,
    hold_hours: Option<u32>,
) -> Result<Outcome, Refusal> {
    let QueryRules { price, hold_hours: least } = net.charter.query;
    let held = hold_hours.is_none_or(|hours| (least..=HOLD_HOURS_MAX).contains(&hours));
    require_field(held, "hold_hours", || {
        format!("must be {least} to {HOLD_HOURS_MAX}, by the charter of {id}")
    })?;
    require(price <= price_max, || {
        Refusal::rule(format!("an answer costs {price} base units, and the most offered is {price_max}"))
    })?;
    view.spend(Place::Held(id.clone()), price)
}

/// When a hold that begins at `t` expires, milliseconds.
pub(crate) fn expiry(t: u64, hold_hours: Option<u32>) -> Option<u64> {
    hold_hours.map(|hours| t.saturating_add(u64::from(hours) * 3_600_000).min(INTEGER_MAX))
}

pub(crate) fn apply_ask(
    net: &mut Datanet,
    seq: u64,
    consumer: &AccountId,
    query: &Digest,
    expires: Option<u64>,
) {
    let price = net.charter.query.price;
    let open = Query { consumer: consumer.clone(), query: *query, price, expires };
    net.queries.insert(seq, open);
    net.tally().asked += 1;
}

pub(crate) fn decide_answer(
    view: &View<'_>,
    id: &DatanetId,
    net: &Datanet,
    query: u64,
    model: u64,
    shares: &[Share],
) -> Result<Outcome, Refusal> {
    view.require_operator()?;
    let open = net.query(query)?;
    let price = open.price;
    require(!open.is_expired(view.t), || {
        Refusal::rule(format!("the hold for question {query} has expired: its price can only go back"))
    })?;
    let answering = net.answering(model)?;
    require_shares(shares)?;
    let counts = net.snapshots.get(&answering.snapshot).map(|snapshot| &snapshot.counts);
    for Share { account, .. } in shares {
        require_contributor(counts.is_some_and(|counts| counts.contains_key(account)), account)?;
    }

    let held = Place::Held(id.clone());
    let parts = role_parts(&net.charter.split, price, query);
    let (shared, rest) = share_parts(parts.contributors, shares, query);
    let accrued = shares.iter().map(|share| Place::Accrued(id.clone(), share.account.clone()));
    let moves = accrued.zip(shared).chain([
        (Place::Pool(id.clone()), rest),
        (Place::Reviews(id.clone()), parts.reviewers),
        (Place::User(answering.trainer.clone()), parts.trainer),
        (Place::User(view.actor.clone()), parts.platform),
    ]);
    Ok(Outcome::moving(moves.map(|(to, amount)| (held.clone(), to, amount))))
}

/// That shares are in order and sum to a million at most; who they name is another matter.
pub(crate) fn require_shares(shares: &[Share]) -> Result<(), Refusal> {
    require_field(shares.len() <= ANSWER_SHARES_MAX, "shares", || {
        format!("has {}; name the largest {ANSWER_SHARES_MAX}, the rest goes by value", shares.len())
    })?;
    let ascending = shares.is_sorted_by(|a, b| a.account < b.account);
    let positive = shares.iter().all(|share| share.ppm > 0);
    require_field(ascending && positive, "shares", || "must ascend by account, each above zero".to_owned())?;
    let sum: u64 = shares.iter().map(|share| u64::from(share.ppm)).sum();
    require_field(sum <= u64::from(PPM), "shares", || format!("sum to {sum} parts per million"))
}

/// That `account` has a record in the snapshot of the model that answers, given whether it does.
pub(crate) fn require_contributor(does: bool, account: &AccountId) -> Result<(), Refusal> {
    require_field(does, "shares", || format!("{account} has no record in the snapshot of the model"))
}

/// Parts of a price, by role.
#[derive(Clone, Copy, Default)]
pub(crate) struct RoleParts {
    pub(crate) contributors: Amount,
    pub(crate) reviewers: Amount,
    pub(crate) trainer: Amount,
    pub(crate) platform: Amount,
}

/// Divides a price as the charter says. Equal remainders go by the hash of the question's place and the role's name.
pub(crate) fn role_parts(rules: &Split, price: Amount, query: u64) -> RoleParts {
    const NAMES: [&str; 4] = ["contributors", "reviewers", "trainer", "platform"];
    let parts = split(price, &weights(rules), |i| tie(query, NAMES[i]));
    // A charter's parts sum to a million, so that there is always a weight.
    parts.and_then(RoleParts::new).unwrap_or_default()
}

fn weights(rules: &Split) -> [u64; 4] {
    [rules.contributors, rules.reviewers, rules.trainer, rules.platform].map(u64::from)
}

impl RoleParts {
    /// In the order of the weights.
    fn new(parts: Vec<Amount>) -> Option<Self> {
        let [contributors, reviewers, trainer, platform] = parts.try_into().ok()?;
        Some(Self { contributors, reviewers, trainer, platform })
    }

    /// Both together.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self {
            contributors: self.contributors.saturating_add(other.contributors),
            reviewers: self.reviewers.saturating_add(other.reviewers),
            trainer: self.trainer.saturating_add(other.trainer),
            platform: self.platform.saturating_add(other.platform),
        }
    }
}

/// [`role_parts`] of one price for many questions.
pub(crate) struct RoleSplit<'a> {
    rules: &'a Split,
    price: Amount,
    /// The parts, where no remainders are equal, so that the question does not matter.
    always: Option<RoleParts>,
}

impl<'a> RoleSplit<'a> {
    /// Of what an answer costs in a datanet; it costs the same for ever, since charters do not change.
    pub(crate) fn of_answers(net: &'a Datanet) -> Self {
        let (rules, price) = (&net.charter.split, net.charter.query.price);
        let always = split_plainly(price, &weights(rules), PPM.into()).and_then(RoleParts::new);
        Self { rules, price, always }
    }

    /// Of one question.
    pub(crate) fn of(&self, query: u64) -> RoleParts {
        self.always.unwrap_or_else(|| role_parts(self.rules, self.price, query))
    }
}

/// Divides the contributors' part by the shares; the second is what they leave of a million.
pub(crate) fn share_parts(total: Amount, shares: &[Share], query: u64) -> (Vec<Amount>, Amount) {
    let named: u64 = shares.iter().map(|share| u64::from(share.ppm)).sum();
    let rest = u64::from(PPM).saturating_sub(named);
    let weights: Vec<u64> = shares.iter().map(|share| share.ppm.into()).chain([rest]).collect();
    let name = |i: usize| shares.get(i).map_or("pool", |share| share.account.as_str());
    let parts = split_plainly(total, &weights, PPM.into());
    let parts = parts.or_else(|| split(total, &weights, |i| tie(query, name(i))));
    let mut parts = parts.unwrap_or_default();
    let rest = parts.pop().unwrap_or_default();
    (parts, rest)
}

pub(crate) fn apply_answer(net: &mut Datanet, query: u64) {
    let Some(answered) = net.queries.remove(&query) else {
        return;
    };
    let parts = role_parts(&net.charter.split, answered.price, query);
    net.tally().answer(1, answered.price, &parts);
}

impl Epoch {
    /// Counts answers for which so much was paid and divided.
    pub(crate) fn answer(&mut self, answers: u64, fees: Amount, parts: &RoleParts) {
        self.answered += answers;
        self.fees.add(fees);
        self.credited.add(parts);
        self.paid.trainer.add(parts.trainer);
        self.paid.platform.add(parts.platform);
    }
}

impl Roles {
    fn add(&mut self, parts: &RoleParts) {
        self.contributors.add(parts.contributors);
        self.reviewers.add(parts.reviewers);
        self.trainer.add(parts.trainer);
        self.platform.add(parts.platform);
    }
}

pub(crate) fn decide_release(
    view: &View<'_>,
    id: &DatanetId,
    net: &Datanet,
    query: u64,
) -> Result<Outcome, Refusal> {
    let open = net.query(query)?;
    let own = open.consumer == *view.actor && open.is_expired(view.t);
    view.require_role(own || view.is_operator(), "the operator, and who asked once the hold has expired,")?;
    let back = Place::User(open.consumer.clone());
    Ok(Outcome::moving([(Place::Held(id.clone()), back, open.price)]))
}

pub(crate) fn apply_release(net: &mut Datanet, query: u64) {
    net.queries.remove(&query);
    net.tally().released += 1;
}

impl Datanet {
    /// A model that can answer: it is valued, and none of its records was taken back.
    pub(crate) fn answering(&self, model: u64) -> Result<&Model, Refusal> {
        let answering = self.model(model)?;
        require(answering.valuation.is_some(), || {
            Refusal::rule(format!("model {model} has no closed valuation: there is nothing to split by"))
        })?;
        self.require_whole(answering.snapshot)?;
        Ok(answering)
    }

    /// An open question by its place in the log.
    pub(crate) fn query(&self, seq: u64) -> Result<&Query, Refusal> {
        let query = self.queries.get(&seq);
        query.ok_or_else(|| Refusal::not_found("open question", seq))
    }
}
