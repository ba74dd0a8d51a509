//! Value: what each record of a snapshot is worth, and whether retraining agrees.

use std::collections::BTreeMap;

use assay_attribution::quantize::{all_micro_bits, micro_bits};
use assay_attribution::{
    Examples, GroupValue, PathOptions, Progress, ReportFold, Valuation, ValueFold, value,
};
use assay_learn::data::{Features, Target};
use assay_ledger::charter::Charter;
use assay_ledger::command::{Command, ValueRow};
use assay_ledger::ids::{AccountId, Code, DatanetId};
use assay_ledger::limits::ROWS_PER_EVENT;
use serde_json::json;

use crate::audit::{AUDIT, AuditOptions};
use crate::datanet::SealedRow;
use crate::error::{NodeError, Result};
use crate::fit::Fitted;
use crate::node::Node;
use crate::snapshot::Member;
use crate::task::{Reading, columns, index, labels};
use crate::worth::Found;

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
        let audit: Code = AUDIT.parse().map_err(NodeError::bug)?;
        let audited = datanet.documents.get(&audit).map(|document| document.seq);
        // A crash may have come between a valuation and its audit.
        if logged.is_some() && logged < audited {
            return Err(NodeError::refused(format!(
                "the newest model of {net}, entry {model}, is valued already"
            ))
            .hint("take a new snapshot and train on it"));
        }
        let prepared = self.prepared(net, model, logged)?;
        let valuation = prepared.value(on_progress)?;
        let seq = match logged {
            Some(seq) => seq,
            None => self.log_valuation(net, model, &prepared.run, &valuation)?,
        };
        let options = AuditOptions::default();
        let audit = self.leave_out(net, seq, &prepared, &valuation, &options, on_progress)?;
        self.publish_audit(net, seq, audit)?;
        Ok(seq)
    }

    /// What a valuation of a model reads, with the records that were valued before the one that is `logged`, if it is.
    pub(crate) fn prepared(&self, net: &DatanetId, model: u64, logged: Option<u64>) -> Result<Prepared> {
        let datanet = self.datanet(net)?;
        let trained = datanet.models.get(&model);
        let trained = trained.ok_or_else(|| NodeError::not_found(format!("no model {model} in {net}")))?;
        let (charter, fitted) = (datanet.charter.clone(), self.fitted(&trained.weights)?);
        let run = self.run(net, trained.snapshot, logged)?;
        let sealed = self.sealed(net)?;
        let examples =
            |readings: &[&Reading]| fitted.examples(&columns(&charter.task, readings), &labels(readings));
        let fold = |rows: &[SealedRow]| {
            let readings: Vec<Reading> = rows.iter().map(|r| Reading::of(&charter.task, &r.record)).collect();
            examples(&readings.iter().collect::<Vec<_>>())
        };
        let train = examples(&run.members.iter().map(|m| &m.reading).collect::<Vec<_>>())?;
        let (value, report) = (fold(&sealed.value)?, fold(&sealed.report)?);
        Ok(Prepared { charter, fitted, run, train, value, report })
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
            withheld_microbits: bits(valuation.charged_bits.iter().sum())?,
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

/// All that a valuation reads.
pub(crate) struct Prepared {
    charter: Charter,
    pub(crate) fitted: Fitted,
    pub(crate) run: Run,
    train: (Features, Target),
    value: (Features, Target),
    report: (Features, Target),
}

fn examples((features, target): &(Features, Target)) -> Examples<'_> {
    Examples { features, target }
}

impl Prepared {
    pub(crate) fn train(&self) -> Examples<'_> {
        examples(&self.train)
    }

    pub(crate) fn value_fold(&self) -> ValueFold<'_> {
        ValueFold::new(examples(&self.value))
    }

    pub(crate) fn report_fold(&self) -> ReportFold<'_> {
        ReportFold::new(examples(&self.report))
    }

    /// Names of the classes; none where a number is predicted.
    pub(crate) fn classes(&self) -> &[String] {
        &self.charter.task.classes
    }

    /// Whether some records stand from earlier runs.
    pub(crate) fn stands(&self) -> bool {
        self.run.earlier.iter().any(Option::is_some)
    }

    /// Values of all records.
    pub(crate) fn value(&self, on_progress: &(dyn Fn(Progress) + Sync)) -> Result<Valuation> {
        let (rules, prior) = (&self.charter.value, &self.fitted.prior);
        let held: Vec<bool> = self.run.earlier.iter().map(Option::is_some).collect();
        let options = PathOptions {
            weights: self.fitted.record_weights.as_deref(),
            held_at_one: self.stands().then_some(&held),
            lambda: prior.lambda,
            noise_variance: prior.noise_variance,
            nodes: rules.nodes as usize,
            folds: rules.folds as usize,
            seed: rules.seed,
            ..PathOptions::default()
        };
        let walk = |options: &PathOptions<'_>| {
            value(self.train(), self.value_fold(), options, on_progress).map_err(NodeError::invalid)
        };
        let mut valuation = walk(&options)?;
        if self.fitted.record_weights != self.fitted.copy_weights {
            // What evidence withheld is charged with what it would have been worth in training.
            let all = walk(&PathOptions {
                weights: self.fitted.copy_weights.as_deref(),
                lambda: self.fitted.lambda_of_all.unwrap_or(prior.lambda),
                ..options
            })?;
            self.run.charge(&all, &mut valuation);
        }
        Ok(valuation)
    }
}

/// What a run looks at.
pub(crate) struct Run {
    members: Vec<Member>,
    /// What earlier runs found each of them to be worth; nothing for those that are new.
    earlier: Vec<Option<Found>>,
}

impl Run {
    /// The new records by author, in order: names, and for each record its author's place, or their count.
    pub(crate) fn newcomers(&self) -> (Vec<AccountId>, Vec<u32>) {
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

    /// Charges the authors of new records for what evidence kept out of training.
    fn charge(&self, all: &Valuation, valuation: &mut Valuation) {
        let (newcomers, owner) = self.newcomers();
        valuation.charge_withheld(all, &owner, newcomers.len());
    }

    /// What every record was found to be worth, in the run that valued it.
    pub(crate) fn found(&self, model: u64, valuation: &Valuation) -> Result<Vec<Found>> {
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
