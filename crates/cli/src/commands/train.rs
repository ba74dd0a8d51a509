//! `assay train`: a model of the newest snapshot, and its card.

use std::fmt::Write as _;

use assay_api::v1::appraisal::Score;
use assay_api::v1::report::{ModelCard, PairedDifference};
use assay_node::ReportOptions;
use assay_web::text::{MISSING, count, fixed, percent, signed};
use serde_json::json;

use super::Said;
use super::session::At;
use crate::output::Failure;
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  assay train --net intents";

/// Trains a model of the newest snapshot and prints its card.
///
/// Scores are on the rows that are never used for pay, beside the model that saw nothing and one of as many records
/// drawn at random from everything that was offered.
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
    let entry = progress
        .stage("train", "features, prior, model, baselines, intervals", |_| session.node.train(&net))?;
    let card = session.node.report(&net, &ReportOptions::default())?.card;
    let card = card.ok_or_else(|| Failure::failed("the model has no card"))?;
    let words = format!(
        "A model of {net} is trained (entry {entry}): {}.\n\n{}\nNext: assay value --net {net}\n",
        card.family,
        in_words(&card)
    );
    Said::new(json!({ "entry": entry, "datanet": net, "card": card }), words)
}

fn in_words(card: &ModelCard) -> String {
    let numeric = card.snapshot.accuracy.is_none();
    let quality = if numeric { "R2" } else { "accuracy" };
    let mut out =
        format!("{:<28} {:>8} {:>8} {:>18} {quality:>9}\n", "model", "records", "bits", "95% interval");
    let mut line = |name: &str, score: &Score| {
        let quality = match numeric {
            true => score.r2.map_or_else(|| MISSING.to_owned(), |r| fixed(r, 3)),
            false => score.accuracy.map_or_else(|| MISSING.to_owned(), |a| percent(a, 1)),
        };
        let range =
            score.bits_low.zip(score.bits_high).map_or_else(String::new, |(low, high)| interval(low, high));
        let (records, bits) = (count(score.records), fixed(score.bits, 3));
        let _ = writeln!(out, "{name:<28} {records:>8} {bits:>8} {range:>18} {quality:>9}");
    };
    line("base: saw nothing", &card.base);
    if let Some(pool) = &card.random_pool {
        line("random pool, same size", pool);
    }
    line("snapshot", &card.snapshot);
    out.push('\n');
    for difference in &card.differences {
        out.push_str(&compared(difference));
    }
    if let Some(answers) = &card.answers {
        let _ = write!(
            out,
            "answers: {} bits less without the {} records that they miss most",
            fixed(answers.lost_bits, 2),
            answers.named
        );
        if let Some(lds) = answers.lds {
            let _ = write!(out, "; effects predicted at rank correlation {}", fixed(lds, 3));
        }
        out.push('\n');
    }
    out
}

fn compared(difference: &PairedDifference) -> String {
    let against = match difference.against.as_str() {
        "base" => "the base",
        "random_pool" => "the random pool",
        other => other,
    };
    let sure = if difference.bits_low > 0.0 || difference.bits_high < 0.0 { "" } else { "; not proven" };
    format!(
        "against {against}: {} bits ({}{sure})\n",
        signed(difference.bits, 3),
        interval(difference.bits_low, difference.bits_high)
    )
}

fn interval(low: f64, high: f64) -> String {
    format!("{} to {}", fixed(low, 3), fixed(high, 3))
}
