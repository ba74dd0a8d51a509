//! Creating a datanet: its charter and its sealed benchmark.

use assay_ledger::charter::Charter;
use assay_ledger::command::{Benchmark, Command};
use assay_ledger::commit::{self, Content, Salt};
use assay_ledger::ids::{DatanetId, Digest};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::contribute::canonical;
use crate::error::{NodeError, Result};
use crate::home::random;
use crate::node::Node;
use crate::task::{Reading, Record};

/// Rows of a fold of the sealed benchmark at most.
const FOLD_ROWS_MAX: usize = 100_000;

/// The sealed benchmark as the node keeps it: never public before it is retired.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// Rows that measure value.
    pub(crate) value: Vec<SealedRow>,
    /// Rows that report scores and are never used for pay.
    pub(crate) report: Vec<SealedRow>,
}

/// A row of the benchmark and the salt of its commitment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SealedRow {
    /// The row.
    pub(crate) record: Record,
    /// Hexadecimal.
    pub(crate) salt: String,
}

impl Node {
    /// Creates a datanet by its charter's text and seals its benchmark. `owner` becomes its owner.
    pub fn create_datanet(
        &mut self,
        owner: &SigningKey,
        charter: &str,
        value: Vec<Record>,
        report: Vec<Record>,
    ) -> Result<DatanetId> {
        let parsed = Charter::parse(charter)
            .map_err(|e| NodeError::invalid(e).hint("see docs/CHARTER.md for a charter with every field"))?;
        let net = parsed.datanet.clone();
        crate::gate::config(&parsed)?.validate().map_err(NodeError::invalid)?;
        check_fold(&parsed, &value, "value")?;
        check_fold(&parsed, &report, "report")?;
        self.account(owner)?;
        let (value, value_root) = self.seal(&net, value)?;
        let (report, report_root) = self.seal(&net, report)?;
        let benchmark = Benchmark {
            value_root,
            value_rows: value.len() as u32,
            report_root,
            report_rows: report.len() as u32,
        };
        let command = Command::CreateDatanet { datanet: net.clone(), charter: charter.to_owned(), benchmark };
        // Asked first, so that a refused creation cannot overwrite the benchmark of the datanet that is there.
        if self.state().datanet(&net).is_some() {
            return Err(
                NodeError::refused(format!("there is a datanet {net} already")).hint("choose another name")
            );
        }
        let sealed = serde_json::to_vec(&Sealed { value, report })?;
        self.vault.put_private(&benchmark_name(&net), &sealed)?;
        self.act(owner, command)?;
        Ok(net)
    }

    fn seal(&self, net: &DatanetId, rows: Vec<Record>) -> Result<(Vec<SealedRow>, Digest)> {
        let mut sealed = Vec::with_capacity(rows.len());
        let mut commitments = Vec::with_capacity(rows.len());
        for record in rows {
            let salt = Salt(random()?);
            let content = canonical(&record)?;
            commitments.push(Content::Benchmark.commit(&salt, self.home().origin(), net, &content));
            sealed.push(SealedRow { record, salt: hex::encode(salt.0) });
        }
        Ok((sealed, commit::root(&commitments)))
    }

    /// The sealed benchmark of a datanet.
    pub(crate) fn sealed(&self, net: &DatanetId) -> Result<Sealed> {
        let bytes = self.vault.reader().get_private(&benchmark_name(net))?;
        let bytes = bytes.ok_or_else(|| {
            NodeError::unavailable(format!("the sealed benchmark of {net} is not in the vault"))
                .hint("restore the private folder of this home")
        })?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}

fn benchmark_name(net: &DatanetId) -> String {
    format!("benchmark/{net}")
}

/// A benchmark must be readable by its own charter, or every score would be noise.
fn check_fold(charter: &Charter, rows: &[Record], fold: &str) -> Result<()> {
    if rows.len() < charter.value.folds as usize || rows.len() > FOLD_ROWS_MAX {
        return Err(NodeError::refused(format!(
            "the {fold} fold of the benchmark has {} rows; it needs {} to {FOLD_ROWS_MAX}",
            rows.len(),
            charter.value.folds
        )));
    }
    for (i, row) in rows.iter().enumerate() {
        let reading = Reading::of(&charter.task, row);
        let bad = |what: String| Err(NodeError::invalid(format!("row {} of the {fold} fold: {what}", i + 1)));
        if let Some(at) = reading.numbers.iter().position(|n| !n.is_finite()) {
            return bad(format!("{} is missing or no number", charter.task.features[at]));
        }
        if let (Some(column), None) = (&charter.task.text, &reading.text) {
            return bad(format!("{column} is missing or no text"));
        }
        match &reading.label {
            None => return bad(format!("{} is missing", charter.task.label)),
            Some(label) if charter.task.kind == "classification" && !charter.task.classes.contains(label) => {
                return bad(format!("{label:?} is not a class of the charter"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}
