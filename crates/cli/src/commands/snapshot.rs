//! `assay snapshot`: the records that have passed, frozen.

use assay_web::text::plural;
use serde_json::json;

use super::Said;
use super::session::At;
use crate::output::Failure;
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  assay snapshot --net intents";

/// Freezes the records that have passed, in order of arrival.
///
/// What still waits for the gates is judged first; what a reviewer has not decided stays out.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Datanet [default: the only one]
    #[arg(long, value_name = "NET")]
    net: Option<String>,
    #[command(flatten)]
    pub(super) at: At,
}

pub(super) fn run(args: &Args) -> Result<Said, Failure> {
    let mut progress = Progress::new(args.at.json);
    let mut session = args.at.open()?;
    let net = session.net(args.net.as_deref())?;
    progress.stage("gate", "what still waits", |_| session.node.gate(&net))?;
    let entry = progress.stage("snapshot", "the records that passed", |_| session.node.snapshot(&net))?;
    let datanet = session.node.datanet(&net)?;
    let frozen =
        datanet.snapshots.get(&entry).ok_or_else(|| Failure::failed("the snapshot is not in the state"))?;
    let waiting = datanet.held().count();
    let mut words = format!(
        "{} of {} are frozen (entry {entry}).\nroot  {}\n",
        plural(frozen.records, "record"),
        plural(frozen.counts.len() as u64, "contributor"),
        frozen.root
    );
    if waiting > 0 {
        words.push_str(&format!("{} still held for review.\n", plural(waiting as u64, "record")));
    }
    words.push_str(&format!("Next: assay train --net {net}\n"));
    let document = json!({
        "entry": entry, "datanet": net, "records": frozen.records, "contributors": frozen.counts.len(),
        "root": frozen.root, "held": waiting,
    });
    Said::new(document, words)
}
