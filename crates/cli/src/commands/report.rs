//! `assay report`: the public report of a datanet, as a document in the log's tables and as a page.

use std::fmt::Write as _;
use std::path::PathBuf;

use assay_node::{REPORT, ReportOptions};
use assay_web::text::{count, plural};

use super::Said;
use super::session::{At, Session};
use super::text::open;
use crate::output::Failure;

const EXAMPLES: &str = "\
Examples:
  assay report --net intents
  assay report --net intents --out report.html --samples 3";

/// Writes the report of a datanet: model against baselines, value and pay of every contributor, the realised split.
///
/// The document is stored with the public tables and its hash goes into the log. The page is for people: one file
/// that needs no network. With --samples, answers are shown together with the records that shaped them: content that
/// is otherwise private, so ask those who wrote it first. Samples are on the page only.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Datanet [default: the only one]
    #[arg(long, value_name = "NET")]
    net: Option<String>,
    /// Where to write the page [default: reports/NET.html in the home]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Answers to show with their records, the latest ones
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=50))]
    samples: u16,
    #[command(flatten)]
    pub(super) at: At,
}

pub(super) fn run(args: &Args) -> Result<Said, Failure> {
    let mut session = args.at.open()?;
    let net = session.net(args.net.as_deref())?;
    let document = session.node.report(&net, &ReportOptions::default())?;
    let entry = session.node.publish_document(&net, REPORT, &document)?;
    let samples = match args.samples {
        0 => Vec::new(),
        wanted => answered(&session, usize::from(wanted))?,
    };
    let shown =
        session.node.report(&net, &ReportOptions { samples: &samples, ..ReportOptions::default() })?;
    let page = assay_web::render_report(&shown).map_err(Failure::failed)?;
    let path = match &args.out {
        Some(path) => path.clone(),
        None => session.node.home().reports().join(format!("{net}.html")),
    };
    assay_store::files::write_atomic(&path, page.as_bytes()).map_err(Failure::failed)?;
    let mut words = format!(
        "{} sent {}; {} passed. Consumers paid {} OPEN for {}; contributors can spend {} OPEN of it.\n",
        plural(document.contributors.len() as u64, "contributor"),
        plural(document.gates.records_in, "record"),
        count(document.gates.passed),
        open(u128::try_from(document.money.fees_micro.0).unwrap_or_default()),
        plural(document.queries.count, "answer"),
        open(released(&document)),
    );
    let _ = writeln!(words, "The document is in the log as entry {entry}. The page: {}", path.display());
    Said::new(document, words)
}

fn released(document: &assay_api::v1::report::NetReport) -> u128 {
    let sum: i128 = document.contributors.iter().map(|c| c.released_micro.0).sum();
    u128::try_from(sum).unwrap_or_default()
}

/// The latest questions that have answers.
fn answered(session: &Session, wanted: usize) -> Result<Vec<u64>, Failure> {
    let mut found = Vec::new();
    for query in (0..session.node.state().size()).rev() {
        if found.len() == wanted {
            break;
        }
        if session.node.answered(query)?.is_some() {
            found.push(query);
        }
    }
    Ok(found)
}
