//! The report of a datanet, as a document: everything in it follows from the log, the published tables, and, for
//! samples that the caller asks for, from the vault.

use std::collections::BTreeMap;

use assay_api::v1::appraisal::{
    Agreement, Closure, Content, GateCount, Gates, LeaveOneOut, Split, Standing, Utility,
};
use assay_api::v1::audit::{Audit, Ranking};
use assay_api::v1::report::{
    Answer, AnswerRecord, Datanet as Names, EpochSummary, LogHead, ModelCard, MoneyTotals, NetContributor,
    NetReport, PaySpread, Queries, Run, RunAudit, SplitShare, Verification, VerifyAdvice,
};
use assay_api::{Document as _, Micro};
use assay_ledger::amount::{Place, Posting};
use assay_ledger::codec;
use assay_ledger::datanet::{Datanet, Document, Epoch, Valuation};
use assay_ledger::event::SettledRow;
use assay_ledger::ids::{AccountId, Code, DatanetId};
use assay_quality::Reason;
use assay_tlog::leaf_hash;
use serde::de::DeserializeOwned;

use crate::audit::AUDIT;
use crate::error::{NodeError, Result};
use crate::node::Node;
use crate::serve::Answered;
use crate::task::Reading;
use crate::train::CARD;
use crate::verify::CANNOT_KNOW;

/// Name under which the newest report is published.
pub const REPORT: &str = "report";
/// Characters of a text that a report shows.
const TEXT_CHARS: usize = 300;
const MICRO: f64 = 1e6;

/// What a report may say beyond what is public.
#[derive(Default)]
pub struct ReportOptions<'a> {
    /// Labels for accounts, where the truth about them is known; never used to compute anything.
    pub labels: BTreeMap<AccountId, String>,
    /// Records that are known to be garbage, by whoever knows: `(offered, admitted)`.
    pub garbage: Option<(u64, u64)>,
    /// Answers to show with their records. Their consumers and contributors must have agreed to that.
    pub samples: &'a [u64],
}

/// Money that moved for one contributor, or for all.
#[derive(Clone, Copy, Default)]
struct Moved {
    earned: u128,
    released: u128,
    lost: u128,
}

/// What one pass over the log tells about a datanet.
#[derive(Default)]
struct Tally {
    moved: BTreeMap<AccountId, Moved>,
    deposited: u128,
    /// Settled rows by the index of their settlement.
    settled: BTreeMap<u64, Vec<SettledRow>>,
}

impl Node {
    /// The report of a datanet.
    pub fn report(&mut self, net: &DatanetId, options: &ReportOptions<'_>) -> Result<NetReport> {
        let samples = options.samples.iter().map(|q| self.sample(net, *q)).collect::<Result<Vec<_>>>()?;
        let tally = self.tally(net)?;
        let datanet = self.datanet(net)?;
        let mut valued = datanet.valuations.values();
        let first = valued.next();
        let valuation = valued.next_back().or(first);
        let newest = datanet.valuations.keys().next_back().copied();
        let audit: Option<Audit> = self.document(datanet, AUDIT)?;
        let audit = audit.filter(|audit| audit.subject.entry == newest);
        let card: Option<ModelCard> = self.document(datanet, CARD)?;
        let head = self.checkpoint();
        let contributors = self.contributors(net, datanet, &tally, options);
        let queries = datanet.epochs.values().map(|e| e.answered).sum();
        let (machine_us_per_record, machine_us_by_gate) = crate::gate::cost::per_record(self.home(), net)?;
        Ok(NetReport {
            schema: NetReport::SCHEMA.to_owned(),
            datanet: Names {
                name: net.to_string(),
                purpose: datanet.charter.title.clone(),
                origin: self.home().origin().to_owned(),
                asset: "OPEN".to_owned(),
            },
            log: LogHead { size: head.size, root: head.root.to_string() },
            card,
            utility: first.zip(valuation).map(|(first, v)| Utility {
                base_bits: first.base_microbits as f64 / MICRO,
                full_bits: v.full_microbits as f64 / MICRO,
                gain_bits: (v.full_microbits - first.base_microbits) as f64 / MICRO,
            }),
            closure: valuation.map(|v| Closure {
                sum_bits: (v.sum_microbits - v.withheld_microbits) as f64 / MICRO,
                gap_bits: v.closure_microbits() as f64 / MICRO,
                relative: ratio(v.closure_microbits().unsigned_abs() as f64, gain(v).abs()),
                nodes: u64::from(v.nodes),
                tolerance: 1e-3,
            }),
            runs: runs(datanet),
            least_rank: Some(datanet.charter.audit.min_rank_ppm).filter(|p| *p > 0).map(|p| f64::from(p) / MICRO),
            agreement: audit.as_ref().map(agreement).unwrap_or_default(),
            audit,
            pay: spread(&contributors),
            money: self.money(net, datanet, &tally),
            gates: gates(datanet),
            verification: Verification {
                reviewed: contributions(datanet).map(|g| g.reviewed.len() as u64).sum(),
                machine_us_per_record,
                machine_us_by_gate,
                garbage_offered: options.garbage.map(|(offered, _)| offered),
                garbage_admitted: options.garbage.map(|(_, admitted)| admitted),
            },
            split: split(datanet),
            epochs: epochs(datanet, &tally)?,
            contributors,
            queries: Queries { count: queries, samples },
            verify: VerifyAdvice {
                command: "assay verify FOLDER".to_owned(),
                checks: vec![
                    "The checkpoint is signed, and the entries hash to its root.".to_owned(),
                    "Every command carries its actor's signature, and deciding it again gives the same bytes.".to_owned(),
                    "Every posting and every settlement is recomputed to the base unit.".to_owned(),
                    "Every table has the hash that the log names, and adds up to what the log says of it.".to_owned(),
                ],
            },
            cannot_know: CANNOT_KNOW.iter().map(|s| sentence(s)).collect(),
        })
    }

    /// The newest document of a name, if there is one.
    fn document<T: DeserializeOwned>(&self, datanet: &Datanet, name: &str) -> Result<Option<T>> {
        let name: Code = name.parse().map_err(NodeError::bug)?;
        let Some(Document { table, .. }) = datanet.documents.get(&name) else { return Ok(None) };
        let stored = assay_store::TableRef {
            sha256: table.sha256.0,
            bytes: table.bytes,
            extension: "json".to_owned(),
        };
        Ok(Some(serde_json::from_slice(&self.tables.get(&stored)?)?))
    }

    fn tally(&self, net: &DatanetId) -> Result<Tally> {
        let mut tally = Tally::default();
        let mut command = 0;
        for entry in self.entries().scan(0) {
            let (seq, bytes) = entry?;
            let event = codec::decode(&bytes)?;
            if matches!(event.cause, assay_ledger::event::Cause::Command(_)) {
                command = seq;
            }
            event.outcome.postings.iter().for_each(|posting| tally.add(net, posting));
            if !event.outcome.settled.is_empty() {
                tally.settled.entry(command).or_default().extend(event.outcome.settled);
            }
        }
        Ok(tally)
    }

    fn contributors(
        &self,
        net: &DatanetId,
        datanet: &Datanet,
        tally: &Tally,
        options: &ReportOptions<'_>,
    ) -> Vec<NetContributor> {
        let mut held: BTreeMap<&AccountId, u64> = BTreeMap::new();
        for offered in datanet.contributions.values() {
            let waiting = offered.gate.as_ref().map_or(0, |g| g.held.len() as u64);
            *held.entry(&offered.author).or_default() += waiting;
        }
        let one = |(account, sums): (&AccountId, &assay_ledger::datanet::Contributor)| {
            let value = &sums.value;
            let moved = tally.moved.get(account).copied().unwrap_or_default();
            let held = held.get(account).copied().unwrap_or_default();
            let accrued = self.state().balance(&Place::Accrued(net.clone(), account.clone()));
            NetContributor {
                id: account.to_string(),
                label: options.labels.get(account).cloned(),
                records: sums.records,
                passed: sums.passed,
                held,
                rejected: sums.records.saturating_sub(sums.passed + held + sums.withdrawn),
                value_bits: value.value_microbits as f64 / MICRO,
                se_bits: value.se_microbits as f64 / MICRO,
                low_bits: value.low_microbits as f64 / MICRO,
                high_bits: value.high_microbits as f64 / MICRO,
                bits_per_record: ratio(value.value_microbits as f64 / MICRO, sums.valued as f64),
                standing: standing(value.standing()),
                earned_micro: micro(moved.earned),
                rewarded_micro: micro(sums.rewarded.units()),
                released_micro: micro(moved.released),
                withheld_micro: Micro(accrued),
                bond_lost_micro: micro(moved.lost),
            }
        };
        let mut all: Vec<NetContributor> = datanet.contributors.iter().map(one).collect();
        all.sort_by(|a, b| b.value_bits.total_cmp(&a.value_bits).then(a.id.cmp(&b.id)));
        all
    }

    fn money(&self, net: &DatanetId, datanet: &Datanet, tally: &Tally) -> MoneyTotals {
        let sum = |of: fn(&Place) -> bool| {
            let inside = self.state().balances().iter();
            inside.filter(|(place, _)| of(place) && is_of(net, place)).map(|(_, a)| a.units()).sum::<u128>()
        };
        let paid = datanet.epochs.values().map(all_paid).sum::<u128>();
        let epochs = |of: fn(&Epoch) -> u128| micro(datanet.epochs.values().map(of).sum());
        MoneyTotals {
            deposited_micro: micro(tally.deposited),
            fees_micro: epochs(|e| e.fees.units()),
            paid_micro: micro(paid),
            funded_micro: epochs(|e| e.funded.units()),
            rewarded_micro: epochs(|e| e.rewarded.units()),
            unpaid_micro: micro(sum(|p| matches!(p, Place::Accrued(..)))),
            carried_micro: micro(sum(|p| matches!(p, Place::Pool(_) | Place::Reviews(_)))),
            bonds_held_micro: micro(sum(|p| matches!(p, Place::Bond(..)))),
            bonds_lost_micro: epochs(|e| e.lost.units()),
        }
    }

    /// An answer with the records that shaped it, content and all.
    fn sample(&mut self, net: &DatanetId, query: u64) -> Result<Answer> {
        let answered = self.answered(query)?;
        let answered =
            answered.ok_or_else(|| NodeError::not_found(format!("question {query} has no answer")))?;
        let task = self.datanet(net)?.charter.task.clone();
        let mut records = Vec::with_capacity(answered.records.len());
        for shaper in &answered.records {
            let record = self.record(net, shaper.contribution, shaper.index)?;
            let reading = Reading::of(&task, &record);
            records.push(AnswerRecord {
                id: format!("{}/{}", shaper.contribution, shaper.index),
                contributor: shaper.account.to_string(),
                label: reading.label.clone().unwrap_or_default(),
                content: content(&reading),
                bits: shaper.bits,
            });
        }
        let Answered { question, answer, probability, bits, covered_ppm, fee, entry, .. } = answered;
        Ok(Answer {
            query: content(&Reading::of(&task, &question)),
            answer,
            probability,
            bits,
            records,
            covered_ppm: u64::from(covered_ppm),
            fee_micro: fee.parse().map_err(NodeError::bug)?,
            receipt_index: entry,
        })
    }
}

impl Tally {
    fn add(&mut self, net: &DatanetId, posting: &Posting) {
        let units = posting.amount.units();
        match (&posting.from, &posting.to) {
            (Place::External, Place::User(_)) => self.deposited += units,
            (Place::Held(n) | Place::Pool(n) | Place::Reward(n), Place::Accrued(_, a)) if n == net => {
                self.moved.entry(a.clone()).or_default().earned += units;
            }
            (Place::Accrued(n, a), Place::User(_)) if n == net => {
                self.moved.entry(a.clone()).or_default().released += units;
            }
            (Place::Accrued(n, a) | Place::Bond(n, a), Place::Pool(_)) if n == net => {
                self.moved.entry(a.clone()).or_default().lost += units;
            }
            _ => {}
        }
    }
}

fn is_of(net: &DatanetId, place: &Place) -> bool {
    match place {
        Place::Accrued(n, _)
        | Place::Bond(n, _)
        | Place::Held(n)
        | Place::Pool(n)
        | Place::Reviews(n)
        | Place::Reward(n) => n == net,
        Place::External | Place::User(_) => false,
    }
}

/// The ranks of an audit, in few words.
fn agreement(audit: &Audit) -> Agreement {
    let by = |what: &str| audit.agreement.iter().find(|ranking| ranking.by == what);
    let of = |what: &str, r: fn(&Ranking) -> Option<f64>| by(what).and_then(r);
    let leave_one_out = (audit.drawn.left_out > 0).then(|| LeaveOneOut {
        pearson: of("value", |r| r.pearson),
        spearman: of("value", |r| r.spearman),
        predicted_pearson: of("retrained", |r| r.pearson),
        predicted_spearman: of("retrained", |r| r.spearman),
        n: audit.drawn.left_out,
        on: Split::Test,
    });
    Agreement { leave_one_out }
}

fn runs(datanet: &Datanet) -> Vec<Run> {
    let bits = |micro: i64| micro as f64 / MICRO;
    let mut covered = 0;
    let run = |(&entry, v): (&u64, &Valuation)| {
        let snapshot = datanet.models.get(&v.model).and_then(|model| datanet.snapshots.get(&model.snapshot));
        let records = snapshot.map_or(0, |snapshot| snapshot.records);
        let new_records = records.saturating_sub(covered);
        covered = covered.max(records);
        Run {
            entry,
            records,
            new_records,
            base_bits: bits(v.base_microbits),
            full_bits: bits(v.full_microbits),
            sum_bits: bits(v.sum_microbits),
            withheld_bits: bits(v.withheld_microbits),
            audit: v.audit.as_ref().map(|audit| RunAudit {
                entry: audit.seq,
                rank: audit.rank_ppm as f64 / MICRO,
                coverage: f64::from(audit.coverage_ppm) / MICRO,
                contributors: audit.contributors,
            }),
        }
    };
    datanet.valuations.iter().map(run).collect()
}

fn standing(found: assay_ledger::event::Standing) -> Standing {
    match found {
        assay_ledger::event::Standing::Paid => Standing::Paid,
        assay_ledger::event::Standing::Unproven => Standing::Unproven,
        assay_ledger::event::Standing::Harmful => Standing::Harmful,
    }
}

fn contributions(datanet: &Datanet) -> impl Iterator<Item = &assay_ledger::datanet::Gated> {
    datanet.contributions.values().filter_map(|c| c.gate.as_ref())
}

fn gates(datanet: &Datanet) -> Gates {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (code, count) in contributions(datanet).flat_map(|g| g.reasons.iter()) {
        *counts.entry(code.as_str()).or_default() += u64::from(*count);
    }
    let sentence = |code: &str| Reason::from_code(code).map_or_else(String::new, |r| r.sentence().to_owned());
    let count =
        |(code, count): (&str, u64)| GateCount { code: code.to_owned(), count, sentence: sentence(code) };
    let mut by_reason: Vec<GateCount> = counts.into_iter().map(count).collect();
    by_reason.sort_by(|a, b| b.count.cmp(&a.count).then(a.code.cmp(&b.code)));
    Gates {
        on: true,
        records_in: datanet.contributors.values().map(|c| c.records).sum(),
        passed: datanet.passed(),
        by_reason,
    }
}

/// Promised against realised: what each role could really spend, out of the fees of settled epochs.
fn split(datanet: &Datanet) -> Vec<SplitShare> {
    let settled: Vec<&Epoch> = datanet.epochs.values().filter(|e| e.settled.is_some()).collect();
    let fees: u128 = settled.iter().map(|e| e.fees.units()).sum();
    let promised = &datanet.charter.split;
    let role = |name: &str, promised: u32, paid: fn(&Epoch) -> u128| {
        let paid: u128 = settled.iter().map(|e| paid(e)).sum();
        let realised = (paid * 1_000_000).checked_div(fees).unwrap_or_default();
        SplitShare {
            role: name.to_owned(),
            promised_ppm: u64::from(promised),
            realised_ppm: u64::try_from(realised).unwrap_or(u64::MAX),
            paid_micro: micro(paid),
        }
    };
    vec![
        role("contributors", promised.contributors, |e| {
            e.paid.contributors.units().saturating_sub(e.rewards_paid.units())
        }),
        role("reviewers", promised.reviewers, |e| e.paid.reviewers.units()),
        role("trainer", promised.trainer, |e| e.paid.trainer.units()),
        role("platform", promised.platform, |e| e.paid.platform.units()),
    ]
}

fn all_paid(epoch: &Epoch) -> u128 {
    let paid = &epoch.paid;
    [&paid.contributors, &paid.reviewers, &paid.trainer, &paid.platform].iter().map(|s| s.units()).sum()
}

fn epochs(datanet: &Datanet, tally: &Tally) -> Result<Vec<EpochSummary>> {
    let none = Vec::new();
    let settled = datanet.epochs.iter().filter_map(|(n, e)| Some((*n, e, e.settled?)));
    settled
        .map(|(number, epoch, seq)| {
            let rows = tally.settled.get(&seq).unwrap_or(&none);
            let leaves: Vec<_> =
                rows.iter().map(|r| Ok(leaf_hash(&codec::canonical(r)?))).collect::<Result<_>>()?;
            let sum = |f: fn(&SettledRow) -> u128| micro(rows.iter().map(f).sum());
            Ok(EpochSummary {
                epoch: u64::from(number),
                queries: epoch.answered,
                fees_micro: micro(epoch.fees.units()),
                released_micro: sum(|r| r.released.units()),
                withheld_micro: sum(|r| r.waiting.units()),
                held_back: epoch.held_back,
                payout_root: assay_tlog::root(&leaves).to_string(),
            })
        })
        .collect()
}

/// Gini coefficient and median of what contributors could really take.
fn spread(contributors: &[NetContributor]) -> PaySpread {
    let mut pay: Vec<i128> = contributors.iter().map(|c| c.released_micro.0).collect();
    pay.sort_unstable();
    PaySpread {
        gini: gini(&pay),
        median_micro: Micro(median(&pay)),
        paid: pay.iter().filter(|p| **p > 0).count() as u64,
    }
}

fn gini(sorted: &[i128]) -> Option<f64> {
    let (n, total) = (sorted.len() as f64, sorted.iter().sum::<i128>());
    let weighted: f64 = sorted.iter().enumerate().map(|(i, p)| (i + 1) as f64 * *p as f64).sum();
    (total > 0).then(|| 2.0 * weighted / (n * total as f64) - (n + 1.0) / n)
}

fn median(sorted: &[i128]) -> i128 {
    match sorted.len() {
        0 => 0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2,
    }
}

fn content(reading: &Reading) -> Content {
    Content {
        text: reading.text.as_ref().map(|t| t.chars().take(TEXT_CHARS).collect()),
        numbers: reading.numbers.clone(),
    }
}

fn gain(valuation: &Valuation) -> f64 {
    (valuation.full_microbits - valuation.base_microbits) as f64
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole != 0.0).then(|| part / whole)
}

fn micro(units: u128) -> Micro {
    Micro(i128::try_from(units).unwrap_or(i128::MAX))
}

/// The same words as a sentence of their own.
fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), chars.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_of_pay_is_that_of_the_textbook() {
        assert_eq!(median(&[1, 2, 9]), 2);
        assert_eq!(median(&[1, 3, 5, 9]), 4);
        assert_eq!(median(&[]), 0);
        assert_eq!(gini(&[]), None);
        assert_eq!(gini(&[0, 0]), None);
        assert_eq!(gini(&[5, 5, 5, 5]), Some(0.0));
        assert_eq!(gini(&[0, 0, 0, 8]), Some(0.75));
        // Half of the mean absolute difference of all pairs over the mean: (1 + 2 + 1) * 2 / 9 / 2 / 2.
        assert_eq!(gini(&[1, 2, 3]).map(|g| (g * 9.0).round()), Some(2.0));
    }
}
