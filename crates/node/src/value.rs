//! Value: what each record of a snapshot is worth, and whether retraining agrees.

use std::collections::BTreeMap;

use assay_api::v1::appraisal::{Agreement, LeaveOneOut, Split};
use assay_attribution::quantize::{all_micro_bits, micro_bits};
use assay_attribution::{
    Examples, Folds, GroupValue, LeaveOutOptions, PathOptions, Progress, ReportFold, Scores, Valuation,
    ValueFold, leave_out, rank, value,
};
use assay_ledger::command::{Command, ValueRow};
use assay_ledger::ids::{AccountId, Code, DatanetId};
use assay_ledger::limits::ROWS_PER_EVENT;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::{NodeError, Result};
use crate::fit::Fitted;
use crate::node::Node;
use crate::snapshot::Member;
use crate::task::{Reading, columns, index, labels};
use crate::worth::Found;

/// Name under which the newest audit is published.
pub const AUDIT: &str = "audit";
/// Contributors that are left out and retrained without, at most; a larger community is audited by a sample.
const AUDIT_GROUPS_MAX: usize = 200;

/// Values against what really happens when a contributor is left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Audit {
    /// How well they agree.
    pub agreement: Agreement,
    /// Bits per row of the reporting fold that are lost without each contributor, by account.
    pub effect_bits: BTreeMap<String, f64>,
}

impl Node {
    /// Values the records of the newest model that no earlier run has valued, against the value fold: the path goes
    /// from the model of the earlier records to the model of all. Audits the values by retraining against the
    /// reporting fold. The place of the valuation in the log.
    pub fn value(&mut self, net: &DatanetId, on_progress: &(dyn Fn(Progress) + Sync)) -> Result<u64> {
        let datanet = self.datanet(net)?;
        let Some((&model, trained)) = datanet.models.iter().next_back() else {
            return Err(NodeError::refused(format!("{net} has no model to value"))
                .hint("train one with `assay train`"));
        };
        let logged = trained.valuation;
        let audit_name: Code = AUDIT.parse().map_err(NodeError::bug)?;
        let audited = datanet.documents.get(&audit_name).map(|document| document.seq);
        // A crash may have come between a valuation and its audit.
        if logged.is_some() && logged < audited {
            return Err(NodeError::refused(format!(
                "the newest model of {net}, entry {model}, is valued already"
            ))
            .hint("take a new snapshot and train on it"));
        }
        let (charter, weights, snapshot) = (datanet.charter.clone(), trained.weights, trained.snapshot);
        let run = self.run(net, snapshot, logged)?;
        let fitted = self.fitted(&weights)?;
        let sealed = self.sealed(net)?;
        let read = |rows: &[crate::datanet::SealedRow]| -> Vec<Reading> {
            rows.iter().map(|r| Reading::of(&charter.task, &r.record)).collect()
        };
        let examples =
            |readings: &[&Reading]| fitted.examples(&columns(&charter.task, readings), &labels(readings));
        let readings: Vec<&Reading> = run.members.iter().map(|m| &m.reading).collect();
        let (features, target) = examples(&readings)?;
        let (value_rows, report_rows) = (read(&sealed.value), read(&sealed.report));
        let (bench_features, bench_target) = examples(&value_rows.iter().collect::<Vec<_>>())?;
        let (report_features, report_target) = examples(&report_rows.iter().collect::<Vec<_>>())?;
        let train = Examples { features: &features, target: &target };
        let bench = ValueFold::new(Examples { features: &bench_features, target: &bench_target });
        let report = ReportFold::new(Examples { features: &report_features, target: &report_target });

        let held: Vec<bool> = run.earlier.iter().map(Option::is_some).collect();
        let options = PathOptions {
            held_at_one: held.contains(&true).then_some(&held),
            lambda: fitted.prior.lambda,
            noise_variance: fitted.prior.noise_variance,
            nodes: charter.value.nodes as usize,
            folds: charter.value.folds as usize,
            seed: charter.value.seed,
            ..PathOptions::default()
        };
        let valuation = value(train, bench, &options, on_progress).map_err(NodeError::invalid)?;
        let seq = match logged {
            Some(seq) => seq,
            None => self.log_valuation(net, model, &run, &valuation)?,
        };
        let audit = audit(&fitted, train, report, &valuation, &run, on_progress)?;
        self.publish_document(net, AUDIT, &audit)?;
        Ok(seq)
    }

    /// The records of a snapshot, and what runs before the one that is `logged`, if it is, found them to be worth.
    fn run(&self, net: &DatanetId, snapshot: u64, logged: Option<u64>) -> Result<Run> {
        let members = self.frozen(net, snapshot)?;
        let before = self.datanet(net)?.covering(logged.unwrap_or(u64::MAX));
        let found =
            before.map(|valuation| self.record_values(&valuation.table)).transpose()?.unwrap_or_default();
        let mut found: BTreeMap<(u64, u32), Found> =
            found.into_iter().map(|found| ((found.contribution, found.index), found)).collect();
        let earlier = members.iter().map(|m| found.remove(&(m.contribution, m.index))).collect();
        Ok(Run { members, earlier })
    }

    fn log_valuation(
        &mut self,
        net: &DatanetId,
        model: u64,
        run: &Run,
        valuation: &Valuation,
    ) -> Result<u64> {
        let found = run.found(model, valuation)?;
        let table = self.put_table(&Found::table(&found)?)?;
        let rows = run.rows(model, valuation, &found)?;
        let recipe = self.put_document(&json!({
            "schema": "assay.recipe.value/1",
            "code": env!("CARGO_PKG_VERSION"),
            "method": "aumann-shapley-path",
            "model": model,
            "nodes": valuation.nodes,
            "folds": valuation.fold_sizes.len(),
            "closure_relative": valuation.closure_relative,
        }))?;
        let parts: Vec<&[ValueRow]> = rows.chunks(ROWS_PER_EVENT).collect();
        let bits = |b: f64| micro_bits(b).map_err(NodeError::bug);
        let command = Command::Value {
            datanet: net.clone(),
            model,
            parts: parts.len() as u32,
            base_microbits: bits(valuation.base_bits)?,
            full_microbits: bits(valuation.full_bits)?,
            sum_microbits: rows.iter().map(|r| r.value_microbits).sum(),
            withheld_microbits: 0,
            nodes: valuation.nodes as u32,
            recipe: recipe.sha256,
            table,
        };
        let operator = self.operator().clone();
        let mut batch = Vec::with_capacity(parts.len() + 1);
        for (part, rows) in (0..).zip(parts) {
            let rows = Command::ValueRows { datanet: net.clone(), model, part, rows: rows.to_vec() };
            batch.push(self.sign(&operator, rows)?);
        }
        batch.push(self.sign(&operator, command)?);
        let answers = self.submit_all(batch)?.into_iter().collect::<Result<Vec<u64>>>()?;
        answers.last().copied().ok_or_else(|| NodeError::bug("a valuation got no answer"))
    }
}

/// What a run looks at.
struct Run {
    members: Vec<Member>,
    /// What earlier runs found each of them to be worth; nothing for those that are new.
    earlier: Vec<Option<Found>>,
}

impl Run {
    /// The new records by author, in order: names, and for each record its author's place, or their count.
    fn newcomers(&self) -> (Vec<AccountId>, Vec<u32>) {
        let of = |(member, earlier): (&'_ Member, &Option<Found>)| {
            earlier.is_none().then_some(member.author.clone())
        };
        let authors: Vec<Option<AccountId>> = self.members.iter().zip(&self.earlier).map(of).collect();
        let places = index(authors.iter().flatten());
        let none = places.len() as u32;
        let owner =
            authors.iter().map(|author| author.as_ref().map_or(none, |author| places[author])).collect();
        (places.keys().map(|account| (*account).clone()).collect(), owner)
    }

    /// What every record was found to be worth, in the run that valued it.
    fn found(&self, model: u64, valuation: &Valuation) -> Result<Vec<Found>> {
        let micro = all_micro_bits(&valuation.value_bits).map_err(NodeError::bug)?;
        let se: Vec<f64> = (0..micro.len()).map(|i| valuation.record_se_bits(i)).collect();
        let se = all_micro_bits(&se).map_err(NodeError::bug)?;
        let new = |i: usize| Found {
            contribution: self.members[i].contribution,
            index: self.members[i].index,
            account: self.members[i].author.clone(),
            model,
            value_microbits: micro[i],
            se_microbits: se[i],
        };
        Ok(self.earlier.iter().enumerate().map(|(i, old)| old.clone().unwrap_or_else(|| new(i))).collect())
    }

    /// A row an account: what its new records add. The value is the sum of the records' micro-bits, so that a stranger
    /// can add them up.
    fn rows(&self, model: u64, valuation: &Valuation, found: &[Found]) -> Result<Vec<ValueRow>> {
        let (newcomers, owner) = self.newcomers();
        let grouped = valuation.group(&owner, newcomers.len() + 1);
        let grouped: BTreeMap<&AccountId, &GroupValue> = newcomers.iter().zip(&grouped).collect();
        let mut sums: BTreeMap<&AccountId, (u64, i64)> = BTreeMap::new();
        for found in found {
            let sum = sums.entry(&found.account).or_default();
            *sum = (sum.0 + 1, sum.1 + if found.model == model { found.value_microbits } else { 0 });
        }
        let bits = |b: f64| micro_bits(b).map_err(NodeError::bug);
        let row = |(account, (records, value_microbits)): (&AccountId, (u64, i64))| -> Result<ValueRow> {
            let of = |bound: fn(&GroupValue) -> f64| {
                grouped.get(account).map_or(Ok(0), |group| bits(bound(group)))
            };
            Ok(ValueRow {
                account: account.clone(),
                records,
                value_microbits,
                se_microbits: of(|group| group.se_bits)?,
                low_microbits: of(|group| group.low_bits)?.min(value_microbits),
                high_microbits: of(|group| group.high_bits)?.max(value_microbits),
            })
        };
        sums.into_iter().map(row).collect()
    }
}

/// Leaves the new records of each contributor out and trains again.
fn audit(
    fitted: &Fitted,
    train: Examples<'_>,
    report: ReportFold<'_>,
    valuation: &Valuation,
    run: &Run,
    on_progress: &(dyn Fn(Progress) + Sync),
) -> Result<Audit> {
    let (accounts, owner) = run.newcomers();
    if accounts.is_empty() {
        return Ok(Audit { agreement: Agreement::default(), effect_bits: BTreeMap::new() });
    }
    let count = accounts.len().min(AUDIT_GROUPS_MAX);
    // What is beyond the bound, and what earlier runs valued, is one group, which is left out as such and not reported.
    let groups: Vec<u32> = owner.iter().map(|&g| g.min(count as u32)).collect();
    let more = groups.contains(&(count as u32));
    let options = LeaveOutOptions {
        lambda: fitted.prior.lambda,
        noise_variance: fitted.prior.noise_variance,
        ..LeaveOutOptions::default()
    };
    let groups = (groups.as_slice(), count + usize::from(more));
    let folds = Folds { value: None, report: Some(report) };
    let left = leave_out(train, groups, &fitted.model, folds, &options, on_progress);
    let left = left.map_err(NodeError::invalid)?;
    let bits = |scores: &Scores| scores.report.map_or(f64::NAN, |s| s.gain_bits);
    let effects: Vec<f64> = left.without.iter().take(count).map(|w| bits(&left.full) - bits(w)).collect();
    let grouped = valuation.group(&owner, accounts.len() + 1);
    let values: Vec<f64> = grouped.iter().take(count).map(|g| g.value_bits).collect();
    let predicted: Vec<f64> = grouped.iter().take(count).map(|g| g.marginal_bits).collect();
    let finite = |x: f64| x.is_finite().then_some(x);
    let leave_one_out = LeaveOneOut {
        pearson: finite(rank::pearson(&values, &effects)),
        spearman: finite(rank::spearman(&values, &effects)),
        predicted_pearson: finite(rank::pearson(&predicted, &effects)),
        predicted_spearman: finite(rank::spearman(&predicted, &effects)),
        n: count as u64,
        on: Split::Test,
    };
    let effect_bits = accounts.iter().map(AccountId::to_string).zip(effects).collect();
    Ok(Audit { agreement: Agreement { leave_one_out: Some(leave_one_out) }, effect_bits })
}
