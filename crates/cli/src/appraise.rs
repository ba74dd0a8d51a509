//! `assay appraise`: files in, what each record and contributor is worth out.
//!
//! The stages are those of a node, without its books: contribute (read), gate, train, value, publish. All between
//! reading and publishing computes on typed tables and touches nothing.

pub(crate) mod args;
pub(crate) mod audit;
pub(crate) mod contribute;
pub(crate) mod curate;
mod estimate;
mod explain;
pub(crate) mod gate;
pub(crate) mod publish;
mod score;
mod summary;
pub(crate) mod train;
pub(crate) mod value;

use std::path::PathBuf;

use assay_api::v1::appraisal::{Appraisal, Task};
use assay_node::records::ColumnRoles;

use crate::output::{Failure, print};
use crate::progress::Progress;
use contribute::Community;
use publish::{Folder, Results};

/// What is to be done, as resolved from the flags.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) train: PathBuf,
    pub(crate) valid: PathBuf,
    pub(crate) test: Option<PathBuf>,
    pub(crate) out: PathBuf,
    pub(crate) force: bool,
    pub(crate) roles: ColumnRoles,
    pub(crate) task: Option<Task>,
    pub(crate) gates: bool,
    /// Whether evidence may take records out of training.
    pub(crate) curate: bool,
    pub(crate) retrain: bool,
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    /// Name of the method that values.
    pub(crate) method: &'static str,
    /// Names of methods to hold against the path.
    pub(crate) compare: Vec<&'static str>,
    pub(crate) threads: Option<usize>,
    pub(crate) json: bool,
}

/// Runs the command.
pub(crate) fn run(settings: &Settings) -> Result<(), Failure> {
    if let Some(threads) = settings.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(Failure::failed)?;
    }
    let folder = Folder::claim(&settings.out, settings.force, &publish::FILES)?;
    let mut progress = Progress::new(settings.json);
    let community = progress.stage("contribute", "read the files", |_| contribute::read(settings))?;
    let (appraisal, table) = appraise(&community, settings, &mut progress)?;
    let json = progress.stage("publish", "write the report", |_| folder.write(&appraisal, &table))?;
    print(&if settings.json { json } else { summary::of(&appraisal, folder.path()) })
}

/// From what was read to the documents, without touching anything.
fn appraise(
    community: &Community,
    settings: &Settings,
    progress: &mut Progress,
) -> Result<(Appraisal, Vec<u8>), Failure> {
    let seed = settings.seed;
    let gated = progress.stage("gate", "look for copies", |_| gate::gate(community, settings.gates))?;
    let ready =
        progress.stage("train", "choose features and prior", |_| train::prepare(community, &gated, seed))?;
    let mut values = progress.stage("value", "value every record", |stage| {
        value::values(community, &gated, &ready, settings, stage)
    })?;
    progress.stage("curate", "pool the evidence, value what it leaves", |stage| {
        curate::curate(&mut values, community, &gated, &ready, settings, stage)
    })?;
    let scores = progress.stage("score", "train and score the alternatives", |_| {
        score::scores(&gated, &ready, &values, seed)
    })?;
    let audit = if settings.retrain {
        progress.stage("audit", "train again without each contributor", |stage| {
            value::audit(community, &gated, &ready, &values, seed, stage)
        })?
    } else {
        value::Audit::none(community.contributors.len())
    };
    let results = Results { community, gated: &gated, ready: &ready, values: &values };
    Ok((results.appraisal(scores, audit, settings, progress.timings()), results.table()?))
}
