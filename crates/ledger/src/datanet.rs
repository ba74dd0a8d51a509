//! What the state knows of one datanet, and how one begins.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::amount::{Amount, Sum};
use crate::charter::Charter;
use crate::command::{Benchmark, Role, Score, ValueRow};
use crate::decide::View;
use crate::event::Outcome;
use crate::few::Few;
use crate::ids::{AccountId, Code, DatanetId, Digest, TableRef};
use crate::pay::AccruedValue;
use crate::refusal::{Refusal, require, require_field};

/// One datanet. Things in it are named by their place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Datanet {
    /// Place of its creation in the log.
    pub created: u64,
    /// Who created it.
    pub owner: AccountId,
    /// Its rules.
    pub charter: Charter,
    /// SHA-256 of the charter's text.
    pub charter_digest: Digest,
    /// The sealed benchmark.
    pub benchmark: Benchmark,
    /// Who may decide held records besides the owner.
    pub reviewers: BTreeSet<AccountId>,
    /// Who may train besides the operator, and is paid for it; at first the operator.
    pub trainer: AccountId,
    /// The epoch that is open; the first is 1.
    pub epoch: u32,
    /// What happened in each epoch, the open one included.
    pub epochs: BTreeMap<u32, Epoch>,
    /// Everybody who ever contributed.
    pub contributors: BTreeMap<AccountId, Contributor>,
    /// Contributions by place.
    pub contributions: BTreeMap<u64, Contribution>,
    /// Contributions that still wait for the gates.
    pub ungated: BTreeSet<u64>,
    /// Contributions that were taken back, and the entry in which each was.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub withdrawn: BTreeMap<u64, u64>,
    /// Snapshots by place.
    pub snapshots: BTreeMap<u64, Snapshot>,
    /// Models by place.
    pub models: BTreeMap<u64, Model>,
    /// Rows of valuations that are not closed, by model.
    pub staged: BTreeMap<u64, Staged>,
    /// Closed valuations by place.
    pub valuations: BTreeMap<u64, Valuation>,
    /// Rows of the last closed valuation: what its run added.
    pub values: BTreeMap<AccountId, ValueRow>,
    /// Questions that are paid and not answered, by place.
    pub queries: BTreeMap<u64, Query>,
    /// What a metering that is not closed credits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metering: Option<Metering>,
    /// Last document published under each name.
    pub documents: BTreeMap<Code, Document>,
}

/// A contributor's sums over all contributions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contributor {
    /// Records offered.
    pub records: u64,
    /// Records that passed gates or review so far and were not taken back.
    pub passed: u64,
    /// Records that were taken back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub withdrawn: u64,
    /// Records that a run has valued.
    pub valued: u64,
    /// What they were found to be worth, all runs together.
    pub value: AccruedValue,
    /// What is at stake for records that have not proven themselves.
    pub liability: Amount,
    /// Rewards credited so far.
    pub rewarded: Amount,
    /// The part of them that is not released yet.
    pub rewards_waiting: Amount,
}

/// A batch of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contribution {
    /// Who offered it.
    pub author: AccountId,
    /// How many records.
    pub records: u32,
    /// Merkle root over their commitments.
    pub root: Digest,
    /// Table of the commitments.
    pub table: TableRef,
    /// What the gates found, once they have.
    pub gate: Option<Gated>,
}

impl Contribution {
    /// Records that passed gates or review so far.
    pub fn passed(&self) -> u32 {
        self.gate.as_ref().map_or(0, |gate| {
            let reviewed = gate.reviewed.values().filter(|review| review.pass).count();
            gate.passed + reviewed as u32
        })
    }
}

/// What the gates found in a contribution, and what people decided since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gated {
    /// Place of the verdicts in the log.
    pub seq: u64,
    /// Records that the gates passed.
    pub passed: u32,
    /// Records that the gates rejected.
    pub rejected: u32,
    /// Records per reason code, held and rejected.
    pub reasons: Few<Code, u32>,
    /// Table of verdicts.
    pub table: TableRef,
    /// Records that wait for a reviewer, ascending.
    pub held: Vec<u32>,
    /// Records that a reviewer decided.
    pub reviewed: Few<u32, Reviewed>,
}

/// A reviewer's decision on a held record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reviewed {
    /// Place of the decision in the log.
    pub seq: u64,
    /// By whom.
    pub reviewer: AccountId,
    /// True when the record passes.
    pub pass: bool,
    /// Why.
    pub reason: Code,
}

/// A frozen list of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// How many.
    pub records: u64,
    /// Merkle root over their commitments.
    pub root: Digest,
    /// Table of them.
    pub table: TableRef,
    /// Records of each contributor; none is zero.
    pub counts: BTreeMap<AccountId, u64>,
}

/// A trained model and its card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What it was trained on.
    pub snapshot: u64,
    /// Who trained it.
    pub trainer: AccountId,
    /// Hash of the weights.
    pub weights: Digest,
    /// Hash of the recipe.
    pub recipe: Digest,
    /// Scores on the reporting fold.
    pub scores: BTreeMap<Code, Score>,
    /// Its valuation, once it is closed.
    pub valuation: Option<u64>,
}

/// A valuation that is being sent in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Staged {
    /// Parts so far.
    pub parts: u32,
    /// Rows so far, ascending by account.
    pub rows: BTreeMap<AccountId, ValueRow>,
}

/// A metering that is being sent in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metering {
    /// Parts so far.
    pub parts: u32,
    /// Credits so far.
    pub credits: BTreeMap<AccountId, Amount>,
}

/// A closed valuation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Valuation {
    /// Of which model.
    pub model: u64,
    /// U of the model of the records that earlier runs valued, in micro-bits; of the base in the first run.
    pub base_microbits: i64,
    /// U of the model of all records as measured, in micro-bits.
    pub full_microbits: i64,
    /// Sum of all values.
    pub sum_microbits: i64,
    /// The part of that sum that records which were kept out of training are charged with; never above zero.
    pub withheld_microbits: i64,
    /// Quadrature nodes used.
    pub nodes: u32,
    /// Hash of the recipe.
    pub recipe: Digest,
    /// Table of record values.
    pub table: TableRef,
    /// How well it agrees with retraining, once that was measured.
    pub audit: Option<Audit>,
}

impl Valuation {
    /// Closure error: the sum of the values of all records trained on, less what the model was measured to gain, in
    /// micro-bits.
    pub fn closure_microbits(&self) -> i64 {
        self.sum_microbits - self.withheld_microbits - (self.full_microbits - self.base_microbits)
    }
}

/// Values against real retraining.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Place of the audit in the log.
    pub seq: u64,
    /// Rank correlation of values and measured effects, parts per million.
    pub rank_ppm: i64,
    /// Share of the measured effects within the intervals of the values, parts per million.
    pub coverage_ppm: u32,
    /// Contributors that were left out, one at a time.
    pub contributors: u64,
    /// Table of them.
    pub table: TableRef,
}

/// A question that is paid and not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Who asked.
    pub consumer: AccountId,
    /// Commitment of the question.
    pub query: Digest,
    /// What is held for it.
    pub price: Amount,
    /// When the hold expires, milliseconds since 1970, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}

impl Query {
    /// Whether the hold has expired at time `t`: then the price can go back and nowhere else.
    pub fn is_expired(&self, t: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= t)
    }
}

/// Something published under its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Place of the publication in the log.
    pub seq: u64,
    /// What.
    pub table: TableRef,
}

/// What happened in one epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Epoch {
    /// Questions asked.
    pub asked: u64,
    /// Questions answered.
    pub answered: u64,
    /// Questions released without an answer.
    pub released: u64,
    /// Prices of the questions answered. The charter promises parts per million of this.
    pub fees: Sum,
    /// What each role was credited with by answers; sums to the fees.
    pub credited: Roles,
    /// What each role could really spend from this epoch's answers and settlement.
    pub paid: Roles,
    /// Taken from harmful contributors into the pool.
    pub lost: Sum,
    /// Put up by sponsors.
    pub funded: Sum,
    /// Credited for value out of the budget.
    pub rewarded: Sum,
    /// The part of what contributors could spend that was rewards and not fees.
    pub rewards_paid: Sum,
    /// Decisions of each reviewer.
    pub decisions: BTreeMap<AccountId, u64>,
    /// Place of the settlement in the log, once there is one.
    pub settled: Option<u64>,
    /// The valuation that the settlement used.
    pub valuation: Option<u64>,
    /// True when its audit was missing or poor, so that nothing that goes by value moved.
    pub held_back: bool,
}

/// Money by role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roles {
    /// Of the contributors together.
    pub contributors: Sum,
    /// Of the reviewers together.
    pub reviewers: Sum,
    /// Of the trainer.
    pub trainer: Sum,
    /// Of the operator.
    pub platform: Sum,
}

impl Datanet {
    /// The model that answers: that of the last closed valuation none of whose records was taken back since.
    pub fn serving(&self) -> Option<u64> {
        let whole = |model: &u64| self.models.get(model).is_some_and(|m| self.broken(m.snapshot).is_none());
        self.valuations.values().rev().map(|valuation| valuation.model).find(whole)
    }

    /// The snapshot that the last run of the largest one valued.
    pub(crate) fn covered(&self) -> Option<u64> {
        let valuation = self.covering(u64::MAX)?;
        self.models.get(&valuation.model).map(|model| model.snapshot)
    }

    /// Of the valuations before the place `before` in the log, the last one of the largest snapshot. Snapshots only
    /// grow: a record that is not in this one was never valued.
    pub fn covering(&self, before: u64) -> Option<&Valuation> {
        let earlier = self.valuations.range(..before).map(|(_, valuation)| valuation);
        earlier.max_by_key(|valuation| self.models.get(&valuation.model).map(|model| model.snapshot))
    }

    /// Records that were offered since the snapshot that the last run valued, by author.
    pub(crate) fn fresh(&self) -> BTreeMap<&AccountId, u64> {
        let valued = self.covered().unwrap_or(0);
        let mut fresh: BTreeMap<&AccountId, u64> = BTreeMap::new();
        let since = self.contributions.range(valued..).filter(|(seq, _)| !self.withdrawn.contains_key(seq));
        for offered in since.map(|(_, offered)| offered) {
            *fresh.entry(&offered.author).or_default() += u64::from(offered.records);
        }
        fresh
    }

    /// Records that have passed so far.
    pub fn passed(&self) -> u64 {
        self.contributors.values().map(|contributor| contributor.passed).sum()
    }

    /// Records that wait for a reviewer, as `(contribution, index)`.
    pub fn held(&self) -> impl Iterator<Item = (u64, u32)> {
        self.contributions.iter().flat_map(|(&seq, contribution)| {
            let held = contribution.gate.iter().flat_map(|gate| &gate.held);
            held.map(move |&index| (seq, index))
        })
    }

    /// The tally of the open epoch.
    pub(crate) fn tally(&mut self) -> &mut Epoch {
        self.epochs.entry(self.epoch).or_default()
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

pub(crate) fn decide_create(
    view: &View<'_>,
    datanet: &DatanetId,
    charter: &str,
    benchmark: &Benchmark,
) -> Result<Outcome, Refusal> {
    require(view.state.datanet(datanet).is_none(), || {
        Refusal::rule(format!("there is a datanet {datanet} already; choose another name"))
    })?;
    let charter = Charter::parse(charter).map_err(|e| Refusal::field("charter", e.to_string()))?;
    require_field(charter.datanet == *datanet, "datanet", || {
        format!("is {datanet}, and the charter says {}", charter.datanet)
    })?;
    require_field(benchmark.value_rows > 0 && benchmark.report_rows > 0, "benchmark", || {
        "needs at least one row that measures value and one that reports scores".to_owned()
    })?;
    Ok(Outcome::default())
}

/// A new datanet; `None` when the charter does not parse, which `decide` has excluded.
pub(crate) fn create(
    seq: u64,
    owner: &AccountId,
    operator: &AccountId,
    charter: &str,
    benchmark: &Benchmark,
) -> Option<Datanet> {
    Some(Datanet {
        created: seq,
        owner: owner.clone(),
        charter: Charter::parse(charter).ok()?,
        charter_digest: Digest::of(charter.as_bytes()),
        benchmark: benchmark.clone(),
        reviewers: BTreeSet::new(),
        trainer: operator.clone(),
        epoch: 1,
        epochs: BTreeMap::from([(1, Epoch::default())]),
        contributors: BTreeMap::new(),
        contributions: BTreeMap::new(),
        ungated: BTreeSet::new(),
        withdrawn: BTreeMap::new(),
        snapshots: BTreeMap::new(),
        models: BTreeMap::new(),
        staged: BTreeMap::new(),
        valuations: BTreeMap::new(),
        values: BTreeMap::new(),
        queries: BTreeMap::new(),
        metering: None,
        documents: BTreeMap::new(),
    })
}

pub(crate) fn decide_appoint(
    view: &View<'_>,
    net: &Datanet,
    account: &AccountId,
) -> Result<Outcome, Refusal> {
    view.require_owner(net)?;
    view.require_account(account)?;
    Ok(Outcome::default())
}

pub(crate) fn apply_appoint(net: &mut Datanet, account: &AccountId, role: Role) {
    match role {
        Role::Reviewer => {
            net.reviewers.insert(account.clone());
        }
        Role::Trainer => net.trainer = account.clone(),
    }
}
