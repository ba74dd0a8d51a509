//! Meter: many answers in one entry. A table says who shaped each of them, the log what it adds up to.
//!
//! An answer that is metered is divided exactly as one that has an entry of its own. Whoever has the table adds it up
//! again with [`credits`]; the fold itself needs the log only.

use std::ops::Bound;

use serde::{Deserialize, Serialize};

use crate::amount::{Amount, Place};
use crate::codec::{self, CodecError};
use crate::command::{Command, Credit, Share};
use crate::datanet::{Datanet, Metering, Query};
use crate::decide::{Outcomes, View};
use crate::event::Outcome;
use crate::ids::{AccountId, DatanetId, Digest};
use crate::limits::{CREDITS_PER_EVENT, METERED_ANSWERS_MAX, METERED_PER_EVENT};
use crate::refusal::{Refusal, require_field};
use crate::serve::{RoleParts, RoleSplit, require_contributor, require_shares, share_parts};
use crate::split::Divider;

/// One answer of a metering. Its canonical JSON is a leaf of the table's Merkle tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metered {
    /// The question, by its place in the log.
    pub query: u64,
    /// Commitment of the answer.
    pub answer: Digest,
    /// Bits by which the datanet moved it.
    pub moved_microbits: i64,
    /// As in [`Command::Answer`].
    pub shares: Vec<Share>,
}

impl Metered {
    /// The bytes of its leaf.
    pub fn leaf(&self) -> Result<Vec<u8>, CodecError> {
        codec::written(self, 192 + 48 * self.shares.len())
    }

    /// The answer of a leaf. Total and strict: only bytes that [`Metered::leaf`] gives are accepted.
    pub fn from_leaf(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::read_part(bytes)
    }

    /// The canonical JSON of the shares alone.
    pub fn shares_text(&self) -> Result<String, CodecError> {
        let text = codec::written(&self.shares, 48 * self.shares.len())?;
        String::from_utf8(text).map_err(|e| CodecError::Json(e.to_string()))
    }

    /// Reads what [`Metered::shares_text`] gives, and nothing else.
    pub fn shares_of(text: &str) -> Result<Vec<Share>, CodecError> {
        codec::read_part(text.as_bytes())
    }
}

/// Merkle root (RFC 6962) over answers in order.
pub fn root(answers: &[Metered]) -> Result<Digest, CodecError> {
    let leaves = answers.iter().map(|answer| Ok(assay_tlog::leaf_hash(&answer.leaf()?)));
    Ok(Digest(assay_tlog::root(&leaves.collect::<Result<Vec<_>, CodecError>>()?).0))
}

/// What the contributors of `model` are credited with for answers to questions of a datanet: the contributors' part of
/// each price, divided by the shares. Ascending, none of them zero; what shares leave is not among it.
pub fn credits(net: &Datanet, model: u64, answers: &[Metered]) -> Result<Vec<Credit>, Refusal> {
    let snapshot = net.answering(model)?.snapshot;
    let counts = net.snapshots.get(&snapshot).map(|snapshot| &snapshot.counts);
    let places = Places::new(counts.into_iter().flat_map(|counts| counts.keys().cloned()));
    let roles = RoleSplit::of_answers(net);
    let mut divider = Divider::default();
    let mut sums = vec![Amount::ZERO; places.accounts.len()];
    for Metered { query, shares, .. } in answers {
        require_shares(shares)?;
        let parts = share_parts(&mut divider, roles.of(*query).contributors, shares, *query);
        for (Share { account, .. }, &part) in shares.iter().zip(parts) {
            let place = places.of(account);
            require_contributor(place.is_some(), account)?;
            if let Some(sum) = place.and_then(|place| sums.get_mut(place)) {
                *sum = sum.saturating_add(Amount::of(part).unwrap_or_default());
            }
        }
    }
    let credited = places.accounts.into_iter().zip(sums).filter(|(_, sum)| !sum.is_zero());
    Ok(credited.map(|(account, amount)| Credit { account, amount }).collect())
}

/// What one answer credits to the accounts that its shares name, in their order.
pub fn parts(net: &Datanet, answer: &Metered) -> Vec<Amount> {
    let Metered { query, shares, .. } = answer;
    let total = RoleSplit::of_answers(net).of(*query).contributors;
    let mut divider = Divider::default();
    let parts = share_parts(&mut divider, total, shares, *query);
    parts.iter().take(shares.len()).map(|&part| Amount::of(part).unwrap_or_default()).collect()
}

/// Where accounts stand in an ascending list. They begin with hexadecimal digits of a hash, so that three of these lead
/// close; whoever makes up accounts that begin alike makes it a binary search.
struct Places {
    accounts: Vec<AccountId>,
    /// Where those that begin with each three digits begin, and an end.
    starts: Vec<u32>,
}

impl Places {
    fn new(accounts: impl Iterator<Item = AccountId>) -> Self {
        let accounts: Vec<AccountId> = accounts.collect();
        let starts = (0..=1 << 12).map(|lead| accounts.partition_point(|a| a.lead() < lead) as u32);
        Self { starts: starts.collect(), accounts }
    }

    fn of(&self, account: &AccountId) -> Option<usize> {
        let lead = usize::from(account.lead());
        let (from, to) = (self.starts[lead] as usize, self.starts[lead + 1] as usize);
        self.accounts[from..to].binary_search(account).ok().map(|at| from + at)
    }
}

pub(crate) fn decide_rows(
    view: &View<'_>,
    net: &Datanet,
    part: u32,
    rows: &[Credit],
) -> Result<Outcome, Refusal> {
    view.require_operator()?;
    let staged = net.metering.as_ref().filter(|_| part > 0);
    let parts = staged.map_or(0, |staged| staged.parts);
    require_field(part == parts, "part", || {
        format!("is {part}; the next part is {parts}, and 0 starts again")
    })?;
    require_field((1..=CREDITS_PER_EVENT).contains(&rows.len()), "rows", || {
        format!("has {}; a part has 1 to {CREDITS_PER_EVENT}", rows.len())
    })?;
    let before = staged.and_then(|staged| staged.credits.keys().next_back());
    let ascending =
        rows.is_sorted_by(|a, b| a.account < b.account) && before.is_none_or(|b| *b < rows[0].account);
    let positive = rows.iter().all(|row| !row.amount.is_zero());
    require_field(ascending && positive, "rows", || {
        "must ascend by account over all parts, each above zero".to_owned()
    })?;
    Ok(Outcome::default())
}

pub(crate) fn apply_rows(net: &mut Datanet, part: u32, rows: &[Credit]) {
    let staged = net.metering.get_or_insert_default();
    if part == 0 {
        *staged = Metering::default();
    }
    staged.parts = part + 1;
    staged.credits.extend(rows.iter().map(|row| (row.account.clone(), row.amount)));
}

/// That the credits follow from the table is for those to check who have it; here, that they are for contributors, and
/// no more than these are due.
pub(crate) fn decide(
    view: &View<'_>,
    id: &DatanetId,
    net: &Datanet,
    command: &Command,
) -> Result<Outcomes, Refusal> {
    let Command::Meter { model, through, answers, parts, table, .. } = command else {
        return Ok(Outcomes::default());
    };
    view.require_operator()?;
    let answering = net.answering(*model)?;
    net.query(*through)?;
    let open = net.queries.range(..=through);
    if let Some((query, _)) = open.clone().find(|(_, query)| query.is_expired(view.t)) {
        let why = format!("the hold for question {query} has expired: its price can only go back");
        return Err(Refusal::rule(why));
    }
    let due = Due::of(net, open.map(|(&query, open)| (query, open)));
    require_field(due.answers == *answers && *answers <= METERED_ANSWERS_MAX, "answers", || {
        let found = due.answers;
        format!(
            "is {answers}; {found} are open up to {through}, and a table has at most {METERED_ANSWERS_MAX}"
        )
    })?;
    table.require_rows(*answers)?;

    // What was sent for a metering that never came is no part of one that credits nobody.
    let staged = net.metering.as_ref().filter(|_| *parts > 0);
    let sent = staged.map_or(0, |staged| staged.parts);
    require_field(*parts == sent, "parts", || format!("is {parts}, and {sent} were sent"))?;
    let counts = net.snapshots.get(&answering.snapshot).map(|snapshot| &snapshot.counts);
    let credits = || staged.into_iter().flat_map(|staged| &staged.credits);
    for (account, _) in credits() {
        require_contributor(counts.is_some_and(|counts| counts.contains_key(account)), account)?;
    }
    let credited: u128 = credits().map(|(_, amount)| amount.units()).sum();
    let rest = due.parts.contributors.units().checked_sub(credited).and_then(Amount::new);
    let rest = rest.ok_or_else(|| {
        let most = due.parts.contributors;
        Refusal::field("rows", format!("credit {credited} base units, and {most} are due to contributors"))
    })?;

    let held = Place::Held(id.clone());
    let accrued = credits().map(|(account, &amount)| (Place::Accrued(id.clone(), account.clone()), amount));
    let moves = accrued.chain([
        (Place::Pool(id.clone()), rest),
        (Place::Reviews(id.clone()), due.parts.reviewers),
        (Place::User(answering.trainer.clone()), due.parts.trainer),
        (Place::User(view.actor.clone()), due.parts.platform),
    ]);
    let moved = Outcome::moving(moves.map(|(to, amount)| (held.clone(), to, amount)));
    let mut parts = moved.postings.chunks(METERED_PER_EVENT);
    let mut next = || parts.next().map(|part| Outcome { postings: part.to_vec(), settled: Vec::new() });
    // Where answers cost nothing, nothing moves.
    Ok((next().unwrap_or_default(), std::iter::from_fn(next).collect()))
}

pub(crate) fn apply(net: &mut Datanet, through: u64) {
    let open = net.queries.range(..=through).map(|(&query, open)| (query, open));
    let due = Due::of(net, open);
    let later = (Bound::Excluded(through), Bound::Unbounded);
    net.queries = match net.queries.range(later).next() {
        Some((&next, _)) => net.queries.split_off(&next),
        None => Default::default(),
    };
    net.metering = None;
    net.tally().answer(due.answers, due.fees, &due.parts);
}

/// What some questions come to.
struct Due {
    answers: u64,
    fees: Amount,
    parts: RoleParts,
}

impl Due {
    fn of<'a>(net: &Datanet, open: impl Iterator<Item = (u64, &'a Query)>) -> Self {
        let roles = RoleSplit::of_answers(net);
        let mut due = Self { answers: 0, fees: Amount::ZERO, parts: RoleParts::default() };
        // All that is held is below the largest amount, so that no sum here can pass it.
        for (query, open) in open {
            due.answers += 1;
            due.fees = due.fees.saturating_add(open.price);
            due.parts = due.parts.plus(&roles.of(query));
        }
        due
    }
}
