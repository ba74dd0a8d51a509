//! `assay value`: what every record and contributor adds, in bits.

use std::fmt::Write as _;

use assay_api::v1::appraisal::Standing;
use assay_api::v1::report::{NetContributor, NetReport};
use assay_node::ReportOptions;
use assay_web::text::{Scale, count, cut, plural, small_percent};
use serde_json::json;

use super::Said;
use super::session::{At, Session};
use crate::output::Failure;
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  assay value --net intents
  assay value --net intents --top 50 --json > values.json";

/// Measures what every record of the newest model is worth.
///
/// Values are bits per row of the sealed benchmark, by the Aumann-Shapley path; they sum to what the records add
/// together. Records that an earlier run valued keep their values: a run shares out what the new ones add to the model
/// of those. Values are audited by training again without each contributor. Those of contributors are in the log from
/// now on; those of single records become public with the settlement that uses them, if the charter says so.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Datanet [default: the only one]
    #[arg(long, value_name = "NET")]
    net: Option<String>,
    /// Contributors to print; --json has all
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    #[command(flatten)]
    pub(super) at: At,
}

pub(super) fn run(args: &Args) -> Result<Said, Failure> {
    let mut progress = Progress::new(args.at.json);
    let mut session = args.at.open()?;
    let net = session.net(args.net.as_deref())?;
    let entry =
        progress.stage("value", "bits per record; training again without each contributor", |stage| {
            session.node.value(&net, &|p| stage.at(p.done, p.total))
        })?;
    let report = session.node.report(&net, &ReportOptions::default())?;
    let words = format!(
        "The records of {net} are valued (entry {entry}).\n\n{}\nNext: assay ask --net {net} --as NAME, and assay settle --net {net}\n",
        in_words(&session, &report, args.top)
    );
    let document = json!({
        "entry": entry,
        "datanet": net,
        "utility": report.utility,
        "closure": report.closure,
        "runs": report.runs,
        "agreement": report.agreement,
        "contributors": report.contributors,
    });
    Said::new(document, words)
}

fn in_words(session: &Session, report: &NetReport, top: usize) -> String {
    let mut out = table(session, &report.contributors, top);
    if let (Some(run), Some(closure)) = (report.runs.last(), &report.closure) {
        let gap =
            closure.relative.map_or_else(String::new, |r| format!(", off by {}", small_percent(r.abs())));
        let of = match report.runs.len() {
            1 => String::new(),
            number => format!(", the {} new in run {number}", plural(run.new_records, "record")),
        };
        let _ = writeln!(
            out,
            "\nTogether{of} {:.3} bits a prediction; the values add up to {:.3}{gap}.",
            run.full_bits - run.base_bits,
            closure.sum_bits
        );
    }
    if let Some(audit) = &report.agreement.leave_one_out
        && let Some(pearson) = audit.pearson
    {
        let _ =
            writeln!(out, "Checked by training again without each contributor: correlation {pearson:.3}.");
    }
    out
}

fn table(session: &Session, by: &[NetContributor], top: usize) -> String {
    let scale = Scale::over(by.iter().flat_map(|c| [c.low_bits, c.high_bits]));
    let title = format!("value, {}", scale.unit);
    let mut out =
        format!("{:<24} {:>8} {title:>17} {:>21}  standing\n", "contributor", "passed", "95% interval");
    for c in by.iter().take(top) {
        let name = c.id.parse().map_or_else(|_| c.id.clone(), |id| session.name(&id).to_owned());
        let standing = match c.standing {
            Standing::Paid => "paid",
            Standing::Unproven => "unproven",
            Standing::Harmful => "harmful",
        };
        let (value, range) = (scale.show(c.value_bits), scale.interval(c.low_bits, c.high_bits));
        let _ = writeln!(
            out,
            "{:<24} {:>8} {value:>17} {range:>21}  {standing}",
            cut(&name, 24),
            count(c.passed)
        );
    }
    if by.len() > top {
        let _ = writeln!(out, "  ... {} more", by.len() - top);
    }
    out
}
