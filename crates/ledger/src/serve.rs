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
use crate::split::{Divider, Division, tie};

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
    let parts = RoleSplit::of_answers(net).of(query);
    let mut divider = Divider::default();
    let shared = share_parts(&mut divider, parts.contributors, shares, query);
    let shared = shared.iter().map(|&part| Amount::of(part).unwrap_or_default());
    let accrued = shares.iter().map(|share| Place::Accrued(id.clone(), share.account.clone()));
    let moves = accrued.chain([Place::Pool(id.clone())]).zip(shared).chain([
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

fn weights(rules: &Split) -> [u64; 4] {
    [rules.contributors, rules.reviewers, rules.trainer, rules.platform].map(u64::from)
}

impl RoleParts {
    /// In the order of the weights.
    fn new(parts: Vec<u64>) -> Option<Self> {
        let [contributors, reviewers, trainer, platform] = parts.try_into().ok()?;
        let [contributors, reviewers, trainer, platform] =
            [contributors, reviewers, trainer, platform].map(|part| Amount::of(part).unwrap_or_default());
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

/// The parts of one price, by role, for many questions.
pub(crate) struct RoleSplit(Option<Division>);

impl RoleSplit {
    /// Of what an answer costs in a datanet; it costs the same for ever, since charters do not change.
    pub(crate) fn of_answers(net: &Datanet) -> Self {
        Self(Division::new(net.charter.query.price, &weights(&net.charter.split)))
    }

    /// Of one question. Equal remainders go by the hash of the question's place and the role's name.
    pub(crate) fn of(&self, query: u64) -> RoleParts {
        const NAMES: [&str; 4] = ["contributors", "reviewers", "trainer", "platform"];
        // A charter's parts sum to a million, so that there is always a weight.
        let parts = self.0.as_ref().map(|division| division.parts(|i| tie(query, NAMES[i])));
        parts.and_then(RoleParts::new).unwrap_or_default()
    }
}

/// Divides the contributors' part by the shares; the last part is what they leave of a million.
pub(crate) fn share_parts<'a>(
    divider: &'a mut Divider,
    total: Amount,
    shares: &[Share],
    query: u64,
) -> &'a [u64] {
    let named: u32 = shares.iter().map(|share| share.ppm).sum();
    let rest = PPM.saturating_sub(named);
    let ppm = |i: usize| shares.get(i).map_or(rest, |share| share.ppm);
    let name = |i: usize| shares.get(i).map_or("pool", |share| share.account.as_str());
    divider.split(total, (0..shares.len() + 1).map(ppm), |i| tie(query, name(i)))
}

pub(crate) fn apply_answer(net: &mut Datanet, query: u64) {
    let Some(answered) = net.queries.remove(&query) else {
        return;
    };
    let parts = RoleSplit::of_answers(net).of(query);
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
