//! Audit: the newest valuation of a datanet computed again, and held against models that were really trained without
//! each contributor.

pub mod case;
mod table;

use assay_api::v1::audit::{Audit, Recomputed, Subject};
use assay_attribution::quantize::micro_bits;
use assay_attribution::{Progress, Valuation};
use assay_ledger::command::Command;
use assay_ledger::ids::{AccountId, DatanetId, Digest};
use assay_tlog::{Checkpoint, Frontier};

use crate::error::{NodeError, Result};
use crate::node::Node;
use crate::value::{Prepared, Run};
use crate::worth::Found;
pub use case::{AuditOptions, Case, Seed};

/// Name under which the newest audit is published.
pub const AUDIT: &str = "audit";
/// Part of the largest value by which one that is computed again may differ: large models are solved in single
/// precision, and other machines sum in another order.
pub const RECOMPUTED: f64 = 1e-3;
/// Micro-bits by which two roundings of one number may differ.
const ROUNDING_MICROBITS: f64 = 2.0;

/// An audit and where the log has it.
#[derive(Clone, Debug)]
pub struct Audited {
    /// Place of the audit in the log: the first of this valuation.
    pub entry: u64,
    /// What it found, this time.
    pub audit: Audit,
}

impl Node {
    /// Audits the newest valuation of a datanet: values every record again, compares that with the published table,
    /// and leaves contributors out. The log takes one audit a valuation; a later one is published as a document beside
    /// it and changes nothing that was paid.
    pub fn audit(
        &mut self,
        net: &DatanetId,
        options: &AuditOptions,
        on_progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Audited> {
        let datanet = self.datanet(net)?;
        let Some((&valuation, logged)) = datanet.valuations.iter().next_back() else {
            return Err(NodeError::refused(format!("{net} has no values to audit"))
                .hint("value the records of a model with `assay value`"));
        };
        let (model, table) = (logged.model, logged.table.clone());
        let prepared = self.prepared(net, model, Some(valuation))?;
        let again = prepared.value(on_progress)?;
        let recomputed = recomputed(&prepared.run, &again, model, &self.record_values(&table)?)?;
        let found = self.leave_out(net, valuation, &prepared, &again, options, on_progress)?;
        self.publish_audit(net, valuation, Audit { recomputed: Some(recomputed), ..found })
    }

    /// Leaves the contributors of a valuation out, all or a sample that its place in the log draws.
    pub(crate) fn leave_out(
        &self,
        net: &DatanetId,
        valuation: u64,
        prepared: &Prepared,
        values: &Valuation,
        options: &AuditOptions,
        on_progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Audit> {
        let (newcomers, owners) = prepared.run.newcomers();
        let logged = self.datanet(net)?.valuations.get(&valuation);
        let logged =
            logged.ok_or_else(|| NodeError::not_found(format!("no valuation {valuation} in {net}")))?;
        let subject = Subject {
            name: net.to_string(),
            entry: Some(valuation),
            values_sha256: logged.table.sha256.to_string(),
            records: owners.iter().filter(|&&o| (o as usize) < newcomers.len()).count() as u64,
            gain_bits: values.gain_bits,
        };
        let ids: Vec<String> = newcomers.iter().map(AccountId::to_string).collect();
        let least = self.datanet(net)?.charter.audit.min_rank_ppm;
        let case = Case {
            subject,
            train: prepared.train(),
            value: prepared.value_fold(),
            report: prepared.report_fold(),
            lambda: prepared.fitted.prior.lambda,
            noise_variance: prepared.fitted.prior.noise_variance,
            valuation: values,
            ids: &ids,
            owners: &owners,
            classes: prepared.classes(),
            stands: prepared.stands(),
            seed: self.seed(valuation)?,
            least_rank: (least > 0).then_some(f64::from(least) / 1e6),
        };
        case.audit(options, on_progress)
    }

    /// The seed that a valuation fixes: of the checkpoint of the smallest tree that holds it, which follows from the
    /// log alone.
    fn seed(&self, valuation: u64) -> Result<Seed> {
        let size = valuation + 1;
        let mut frontier = Frontier::default();
        while frontier.size() < size {
            for leaf in self.entries().leaves(frontier.size()..size)? {
                frontier.append(leaf);
            }
        }
        let checkpoint = Checkpoint::new(self.home().origin(), size, frontier.root());
        Ok(Seed {
            bytes: Digest::of(checkpoint.to_string().as_bytes()).0,
            of: format!("the checkpoint of {size} entries, as it is signed"),
        })
    }

    /// Puts an audit into the log, unless the valuation has one; and its document in either case.
    pub(crate) fn publish_audit(&mut self, net: &DatanetId, valuation: u64, audit: Audit) -> Result<Audited> {
        let operator = self.operator().clone();
        let logged = self.datanet(net)?.valuations.get(&valuation).and_then(|v| v.audit.as_ref());
        let logged = logged.map(|audit| audit.seq);
        let mut batch = Vec::new();
        if let (None, Some(coverage)) = (logged, &audit.coverage) {
            let rank = audit.agreement.iter().find(|r| r.by == "value").and_then(|r| r.spearman);
            let ppm = |share: f64| micro_bits(share).map_err(NodeError::bug);
            let command = Command::Audit {
                datanet: net.clone(),
                valuation,
                // What cannot be ranked does not agree.
                rank_ppm: ppm(rank.unwrap_or(0.0))?.clamp(-1_000_000, 1_000_000),
                coverage_ppm: ppm(coverage.share)?.clamp(0, 1_000_000) as u32,
                contributors: audit.contributors.len() as u64,
                table: self.put_table(&table::of(&audit)?)?,
            };
            batch.push(self.sign(&operator, command)?);
        }
        let document = self.document_command(net, AUDIT, &audit)?;
        batch.push(self.sign(&operator, document)?);
        // Together: there is no audit in the log without its document.
        let answers = self.submit_all(batch)?.into_iter().collect::<Result<Vec<u64>>>()?;
        let entry = logged.or(answers.first().copied());
        let entry = entry.ok_or_else(|| NodeError::bug("an audit got no answer"))?;
        Ok(Audited { entry, audit })
    }
}

/// Values computed again against the published ones, in micro-bits as the log has them.
fn recomputed(run: &Run, again: &Valuation, model: u64, published: &[Found]) -> Result<Recomputed> {
    let again = run.found(model, again)?;
    let same =
        |(a, b): (&Found, &Found)| (a.contribution, a.index, a.model) == (b.contribution, b.index, b.model);
    let same_records = again.len() == published.len() && again.iter().zip(published).all(same);
    let differences = || {
        let pairs = again.iter().zip(published).filter(|(a, _)| a.model == model);
        pairs.map(|(a, b)| a.value_microbits.abs_diff(b.value_microbits))
    };
    let largest = differences().max().unwrap_or(0) as f64;
    let tolerance =
        RECOMPUTED * published.iter().map(|f| f.value_microbits.unsigned_abs()).max().unwrap_or(0) as f64;
    let tolerance = tolerance.max(ROUNDING_MICROBITS);
    Ok(Recomputed {
        records: differences().count() as u64,
        equal: differences().filter(|d| *d == 0).count() as u64,
        largest_bits: largest / 1e6,
        tolerance_bits: tolerance / 1e6,
        agrees: same_records && largest <= tolerance,
    })
}
