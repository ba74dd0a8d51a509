//! `assay receipt`: is it in the log, and is it what was offered?

use std::fs;
use std::path::PathBuf;

use assay_ledger::event::{Cause, Event};
use assay_ledger::limits::CONTRIBUTION_RECORDS_MAX;
use assay_node::task::Record;
use assay_node::{LOG_KEY, Receipt};
use assay_web::text::plural;
use clap::Subcommand;
use serde_json::json;

use super::session::At;
use super::text::time;
use super::verify::log_key;
use super::{Said, records};
use crate::output::Failure;

const EXAMPLES: &str = "\
Examples:
  assay receipt verify bob-receipt.json --key log.vkey
  assay receipt verify bob-receipt.json --records mine.csv.gz --home ./node
  assay receipt verify intents-answer-88.json --answer card_arrival --key log.vkey";

/// Checks receipts.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Checks, offline, that the entry of a receipt is in the log of a key.
    #[command(after_help = EXAMPLES)]
    Verify {
        /// The receipt
        file: PathBuf,
        /// Key of the log, or a file with it [default: that of the home]
        #[arg(long, value_name = "VKEY")]
        key: Option<String>,
        /// The records that were offered: checks that they are those of the receipt
        #[arg(long, value_name = "FILE")]
        records: Option<PathBuf>,
        /// The answer that was given: checks that it is that of the receipt
        #[arg(long, value_name = "TEXT", conflicts_with = "records")]
        answer: Option<String>,
        #[command(flatten)]
        at: At,
    },
}

pub(super) fn run(args: &Args) -> Result<(bool, Said), Failure> {
    let Action::Verify { file, key, records, answer, at } = &args.action;
    let bytes = fs::read(file).map_err(|e| Failure::refused(format!("{}: {e}", file.display())))?;
    let receipt = Receipt::parse(&bytes)?;
    let key = match key {
        Some(text) => log_key(text)?,
        None if at.home.is_some() => log_key(&at.home()?.public().join(LOG_KEY).display().to_string())?,
        None => {
            return Err(Failure::refused("no key of the log is given")
                .hint("give --key VKEY (the log's file log.vkey), or the log's home with --home"));
        }
    };
    let event = receipt.verify(&key)?;
    let mut words = in_words(&receipt, &event);
    if let Some(path) = records {
        let count = of_records(&receipt, &event, &records::read(path)?.records)?;
        words.push_str(&format!(
            "The {} of {} are the ones that were offered.\n",
            plural(count as u64, "record"),
            path.display()
        ));
    }
    if let Some(text) = answer {
        receipt.verify_answer(&event, text)?;
        words.push_str("The answer is the one that was given.\n");
    }
    let document = json!({
        "origin": receipt.origin, "entry": event.seq, "t": event.t, "key": key.to_string(), "event": event,
        "records_checked": records.is_some(), "answer_checked": answer.is_some(),
    });
    Ok((at.json, Said::new(document, words)?))
}

/// A large file has a receipt for each part: finds the part that this one is of. How many records it has.
fn of_records(receipt: &Receipt, event: &Event, all: &[Record]) -> Result<usize, Failure> {
    let mut first = None;
    for part in all.chunks(CONTRIBUTION_RECORDS_MAX as usize) {
        match receipt.verify_records(event, part) {
            Ok(()) => return Ok(part.len()),
            Err(error) => first = first.or(Some(error)),
        }
    }
    match first {
        Some(error) => Err(error.into()),
        None => Err(Failure::refused("there are no records in that file")),
    }
}

fn in_words(receipt: &Receipt, event: &Event) -> String {
    let what = match &event.cause {
        Cause::Command(signed) => format!("{} by {}", signed.intent.command.kind(), signed.intent.actor),
        Cause::Earlier(seq) => format!("what followed from entry {seq}"),
    };
    format!("The receipt holds: entry {} of {}, {what}, {} UTC.\n", event.seq, receipt.origin, time(event.t))
}
