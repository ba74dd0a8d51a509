//! What the gates have cost in this home. Time differs from machine to machine, so it is kept beside the log and
//! published with reports, and nothing is decided by it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use assay_api::v1::report::GateCost;
use assay_ledger::ids::DatanetId;
use assay_quality::{Costs, Stage};
use rustix::time::{ClockId, clock_gettime};

use crate::error::{NodeError, Result};
use crate::home::Home;

/// Costs by datanet.
const FILE: &str = "gate-costs.json";

#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Kept {
    records: u64,
    /// By name of the stage.
    nanoseconds: BTreeMap<String, u64>,
}

/// CPU time of this thread, nanoseconds.
pub(crate) fn thread_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// CPU time of this process, nanoseconds: models are fitted on all threads.
pub(crate) fn process_time() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Adds what was spent between two readings.
pub(crate) fn keep(home: &Home, net: &DatanetId, before: &Costs, after: &Costs) -> Result<()> {
    let mut all = read(home)?;
    let kept = all.entry(net.to_string()).or_default();
    kept.records += after.records - before.records;
    for stage in Stage::ALL {
        let spent = after.nanoseconds[stage as usize] - before.nanoseconds[stage as usize];
        *kept.nanoseconds.entry(stage.name().to_owned()).or_default() += spent;
    }
    let (path, new) = (path(home), path(home).with_extension("new"));
    fs::write(&new, serde_json::to_vec(&all)?).map_err(|e| NodeError::file(&new, &e))?;
    fs::rename(&new, &path).map_err(|e| NodeError::file(&path, &e))
}

/// Microseconds a record by gate, and together; nothing where no record was judged here.
pub(crate) fn per_record(home: &Home, net: &DatanetId) -> Result<(Option<f64>, Vec<GateCost>)> {
    let Some(kept) = read(home)?.remove(net.as_str()).filter(|kept| kept.records > 0) else {
        return Ok((None, Vec::new()));
    };
    let us = |nanoseconds: u64| nanoseconds as f64 / 1e3 / kept.records as f64;
    let of = |stage: &Stage| {
        let spent = *kept.nanoseconds.get(stage.name())?;
        Some(GateCost { gate: stage.name().to_owned(), us: us(spent) })
    };
    Ok((Some(us(kept.nanoseconds.values().sum())), Stage::ALL.iter().filter_map(of).collect()))
}

fn path(home: &Home) -> PathBuf {
    home.private().join(FILE)
}

fn read(home: &Home) -> Result<BTreeMap<String, Kept>> {
    let path = path(home);
    match fs::read(&path) {
        // Nobody waits until it is on the disk: after a loss of power it may be empty, and the times begin anew.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(e) => Err(NodeError::file(&path, &e)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_that_a_loss_of_power_took_begin_anew() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::init(&dir.path().join("home"), None).unwrap();
        let (net, costs) = ("net".parse().unwrap(), |records| Costs { records, ..Costs::default() });
        keep(&home, &net, &costs(0), &costs(3)).unwrap();
        assert!(per_record(&home, &net).unwrap().0.is_some());
        fs::write(path(&home), "").unwrap();
        assert!(per_record(&home, &net).unwrap().0.is_none());
        keep(&home, &net, &costs(3), &costs(5)).unwrap();
        assert_eq!(read(&home).unwrap()["net"].records, 2);
    }
}
