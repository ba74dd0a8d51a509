//! Value: what each record of a snapshot is worth, and whether retraining agrees.

use std::collections::BTreeMap;

use assay_api::v1::appraisal::{Agreement, LeaveOneOut, Split};
use assay_attribution::quantize::{all_micro_bits, micro_bits};
use assay_attribution::{
    Examples, Folds, LeaveOutOptions, PathOptions, Progress, ReportFold, Scores, Valuation, ValueFold,
    leave_out, rank, value,
};
use assay_ledger::command::{Command, ValueRow};
use assay_ledger::ids::{AccountId, Code, DatanetId, TableRef};
use assay_ledger::limits::ROWS_PER_EVENT;
use assay_store::columns::{self, ColumnTable, Values};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::{NodeError, Result};
use crate::fit::Fitted;
use crate::node::Node;
use crate::settle::stored;
use crate::snapshot::Member;
use crate::task::{Reading, columns, index, labels};

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
    /// Values the newest model's records against the value fold, and audits the values by retraining against the
    /// reporting fold; the place of the valuation in the log.
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
        let members = self.frozen(net, snapshot)?;
        let fitted = self.fitted(&weights)?;
        let sealed = self.sealed(net)?;
        let read = |rows: &[crate::datanet::SealedRow]| -> Vec<Reading> {
            rows.iter().map(|r| Reading::of(&charter.task, &r.record)).collect()
        };
        let examples =
            |readings: &[&Reading]| fitted.examples(&columns(&charter.task, readings), &labels(readings));
        let readings: Vec<&Reading> = members.iter().map(|m| &m.reading).collect();
        let (features, target) = examples(&readings)?;
        let (value_rows, report_rows) = (read(&sealed.value), read(&sealed.report));
        let (bench_features, bench_target) = examples(&value_rows.iter().collect::<Vec<_>>())?;
        let (report_features, report_target) = examples(&report_rows.iter().collect::<Vec<_>>())?;
        let train = Examples { features: &features, target: &target };
        let bench = ValueFold::new(Examples { features: &bench_features, target: &bench_target });
        let report = ReportFold::new(Examples { features: &report_features, target: &report_target });

        let options = PathOptions {
            lambda: fitted.prior.lambda,
            noise_variance: fitted.prior.noise_variance,
            nodes: charter.value.nodes as usize,
            folds: charter.value.folds as usize,
            seed: charter.value.seed,
            ..PathOptions::default()
        };
        let valuation = value(train, bench, &options, on_progress).map_err(NodeError::invalid)?;
        let groups = index(members.iter().map(|m| &m.author));
        let accounts: Vec<AccountId> = groups.keys().map(|a| (*a).clone()).collect();
        let owner: Vec<u32> = members.iter().map(|m| groups[&m.author]).collect();
        let seq = match logged {
            Some(seq) => seq,
            None => self.log_valuation(net, model, &members, &valuation, &accounts, &owner)?,
        };
        let audit = audit(&fitted, train, report, &valuation, &accounts, &owner, on_progress)?;
        self.publish_document(net, AUDIT, &audit)?;
        Ok(seq)
    }

    fn log_valuation(
        &mut self,
        net: &DatanetId,
        model: u64,
        members: &[Member],
        valuation: &Valuation,
        accounts: &[AccountId],
        owner: &[u32],
    ) -> Result<u64> {
        let micro = all_micro_bits(&valuation.value_bits).map_err(NodeError::bug)?;
        let se: Vec<f64> = (0..members.len()).map(|i| valuation.record_se_bits(i)).collect();
        let table = self.put_values(members, &micro, &all_micro_bits(&se).map_err(NodeError::bug)?)?;
        let rows = value_rows(valuation, accounts, owner, &micro)?;
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

    fn put_values(&self, members: &[Member], micro: &[i64], se: &[i64]) -> Result<TableRef> {
        let table = ColumnTable::new("values", 1)
            .with_column("contribution", members.iter().map(|m| m.contribution as i64).collect::<Vec<_>>())?
            .with_column("index", members.iter().map(|m| i64::from(m.index)).collect::<Vec<_>>())?
            .with_column("account", members.iter().map(|m| m.author.to_string()).collect::<Vec<_>>())?
            .with_column("value_microbits", micro.to_vec())?
            .with_column("se_microbits", se.to_vec())?;
        let kept = self.tables.put(columns::write(&table)?, "parquet")?;
        let sha256 = assay_ledger::ids::Digest(kept.sha256);
        Ok(TableRef { sha256, rows: table.rows() as u64, bytes: kept.bytes })
    }

    /// Values of records in micro-bits, in the order of the snapshot, by the table that the log names.
    pub(crate) fn record_values(&self, table: &TableRef) -> Result<Vec<i64>> {
        let table = columns::read(&self.tables.get(&stored(table))?)?;
        match table.column("value_microbits") {
            Some(Values::Int64(cells)) => Ok(cells.iter().map(|c| c.unwrap_or_default()).collect()),
            _ => Err(NodeError::bug("a table of values has no value_microbits")),
        }
    }
}

/// A row an account. Its value is the sum of its records' micro-bits, so that a stranger can add them up.
fn value_rows(
    valuation: &Valuation,
    accounts: &[AccountId],
    owner: &[u32],
    micro: &[i64],
) -> Result<Vec<ValueRow>> {
    let mut sums = vec![0_i64; accounts.len()];
    owner.iter().zip(micro).for_each(|(&g, &m)| sums[g as usize] += m);
    let grouped = valuation.group(owner, accounts.len());
    let row = |((account, group), value_microbits): ((&AccountId, _), i64)| -> Result<ValueRow> {
        let group: assay_attribution::GroupValue = group;
        let bits = |b: f64| micro_bits(b).map_err(NodeError::bug);
        Ok(ValueRow {
            account: account.clone(),
            records: group.records as u64,
            value_microbits,
            se_microbits: bits(group.se_bits)?,
            low_microbits: bits(group.low_bits)?.min(value_microbits),
            high_microbits: bits(group.high_bits)?.max(value_microbits),
        })
    };
    accounts.iter().zip(grouped).zip(sums).map(row).collect()
}

fn audit(
    fitted: &Fitted,
    train: Examples<'_>,
    report: ReportFold<'_>,
    valuation: &Valuation,
    accounts: &[AccountId],
    owner: &[u32],
    on_progress: &(dyn Fn(Progress) + Sync),
) -> Result<Audit> {
    let count = accounts.len().min(AUDIT_GROUPS_MAX);
    // Beyond the bound the rest is one group, which is left out as such and not reported.
    let groups: Vec<u32> = owner.iter().map(|&g| g.min(count as u32)).collect();
    let options = LeaveOutOptions {
        lambda: fitted.prior.lambda,
        noise_variance: fitted.prior.noise_variance,
        ..LeaveOutOptions::default()
    };
    let groups = (groups.as_slice(), count + usize::from(accounts.len() > count));
    let folds = Folds { value: None, report: Some(report) };
    let left = leave_out(train, groups, &fitted.model, folds, &options, on_progress);
    let left = left.map_err(NodeError::invalid)?;
    let bits = |scores: &Scores| scores.report.map_or(f64::NAN, |s| s.gain_bits);
    let effects: Vec<f64> = left.without.iter().take(count).map(|w| bits(&left.full) - bits(w)).collect();
    let grouped = valuation.group(owner, accounts.len());
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
