//! `assay receipt`: is it in the log, and is it what was offered?

use std::fs;
use std::path::{Path, PathBuf};

use assay_ledger::event::{Cause, Event};
use assay_ledger::limits::CONTRIBUTION_RECORDS_MAX;
use assay_node::task::Record;
use assay_node::{LOG_KEY, Receipt, ReceiptHolds, ReceiptKind, Trust, Wanted};
use assay_web::text::plural;
use clap::Subcommand;
use serde_json::{Value, json};

use super::session::At;
use super::text::{open, time};
use super::verify::{cosigners, log_key, trust};
use super::{Said, records};
use crate::output::Failure;

const EXAMPLES: &str = "\
Examples:
  assay receipt verify bob-receipt.json --key log.vkey
  assay receipt verify bob-receipt.json --records mine.csv.gz --home ./node
  assay receipt verify intents-answer-88.json --answer card_arrival --key log.vkey
  assay receipt verify bob-payout.json --policy policy.txt --kind payout --net intents --epoch 1
  assay receipt make 91 --of bob --out bob-payout.json

A receipt says of which kind, datanet, epoch and command it is; give what you expect, and any other is refused.";

/// Makes and checks receipts.
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
    Verify(Box<VerifyArgs>),
    /// Makes a receipt of an entry: a verdict of the gates, a settlement's row for somebody, or any other.
    #[command(after_help = EXAMPLES)]
    Make {
        /// The entry, as `assay log` numbers it
        #[arg(value_name = "SEQ")]
        entry: u64,
        /// Of a settlement: whose row
        #[arg(long, value_name = "NAME|ACCOUNT")]
        of: Option<String>,
        /// Where to write it; never over another file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        at: At,
    },
}

#[derive(clap::Args)]
struct VerifyArgs {
    /// The receipt
    file: PathBuf,
    /// Key of the log, or a file with it [default: that of the home]
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
    /// Policy (c2sp.org/tlog-policy) whose quorum of witnesses must have cosigned
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// What it must be of: contribution, verdict, inference, payout or entry
    #[arg(long, value_parser = kind)]
    kind: Option<ReceiptKind>,
    /// Datanet that it must be of
    #[arg(long, value_name = "NET")]
    net: Option<String>,
    /// Epoch that it must be of
    #[arg(long, value_name = "N")]
    epoch: Option<u32>,
    /// Whose payout it must be
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Question that it must be an answer to, by its entry: an answer that was metered with others
    #[arg(long, value_name = "SEQ")]
    query: Option<u64>,
    /// Nonce of the command that it must be of
    #[arg(long, value_name = "HEX")]
    nonce: Option<String>,
    /// The records that were offered: checks that they are those of the receipt
    #[arg(long, value_name = "FILE")]
    records: Option<PathBuf>,
    /// The answer that was given: checks that it is that of the receipt
    #[arg(long, value_name = "TEXT", conflicts_with = "records")]
    answer: Option<String>,
    #[command(flatten)]
    at: At,
}

fn kind(text: &str) -> Result<ReceiptKind, String> {
    let found = serde_json::from_value(Value::String(text.to_owned()));
    found.map_err(|_| "give contribution, verdict, inference, payout or entry".to_owned())
}

impl VerifyArgs {
    fn wanted(&self) -> Result<Wanted, Failure> {
        Ok(Wanted {
            kind: self.kind,
            datanet: self.net.as_deref().map(str::parse).transpose().map_err(Failure::refused)?,
            epoch: self.epoch,
            account: self.account.as_deref().map(str::parse).transpose().map_err(Failure::refused)?,
            query: self.query,
            nonce: self.nonce.as_deref().map(str::parse).transpose().map_err(Failure::refused)?,
        })
    }

    fn trust(&self) -> Result<Trust, Failure> {
        let key = match &self.key {
            Some(text) => Some(log_key(text)?),
            None if self.policy.is_some() || self.at.home.is_none() => None,
            None => Some(log_key(&self.at.home()?.public().join(LOG_KEY).display().to_string())?),
        };
        trust(self.policy.as_ref(), key)
    }
}

pub(super) fn run(args: &Args) -> Result<(bool, Said), Failure> {
    match &args.action {
        Action::Verify(args) => Ok((args.at.json, verify(args)?)),
        Action::Make { entry, of, out, at } => Ok((at.json, make(at, *entry, of.as_deref(), out)?)),
    }
}

fn make(at: &At, entry: u64, of: Option<&str>, out: &Path) -> Result<Said, Failure> {
    let session = at.open()?;
    let receipt = match of {
        Some(who) => session.node.payout_receipt(entry, &session.known(who)?)?,
        None => session.node.receipt(entry, Vec::new())?,
    };
    receipt.save(out)?;
    let words = format!("The receipt of entry {entry} is in {}.\n", out.display());
    Said::new(json!({ "receipt": out, "about": receipt.about }), words)
}

fn verify(args: &VerifyArgs) -> Result<Said, Failure> {
    let VerifyArgs { file, records, answer, .. } = args;
    let bytes = fs::read(file).map_err(|e| Failure::refused(format!("{}: {e}", file.display())))?;
    let receipt = Receipt::parse(&bytes)?;
    let ReceiptHolds { event, head } = receipt.verify(&args.trust()?, &args.wanted()?)?;
    let mut words = in_words(&receipt, &event);
    words.push_str(&cosigners(&head.witnesses));
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
        "origin": receipt.origin, "about": receipt.about, "entry": event.seq, "t": event.t, "event": event,
        "size": head.checkpoint.size, "witnesses": head.witnesses,
        "records_checked": records.is_some(), "answer_checked": answer.is_some(),
    });
    Said::new(document, words)
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
    let mut out = format!(
        "The receipt holds: entry {} of {}, {what}, {} UTC.\n",
        event.seq,
        receipt.origin,
        time(event.t)
    );
    if let (Some(query), Some(metered)) = (receipt.about.query, &receipt.metered) {
        let place = metered.index + 1;
        out.push_str(&format!(
            "It is of answer {place} of those that the entry meters, to question {query}.\n"
        ));
    }
    let row = event.outcome.settled.iter().find(|row| Some(&row.account) == receipt.about.account.as_ref());
    if let Some(row) = row {
        let (released, waiting) = (open(row.released.units()), open(row.waiting.units()));
        let epoch = receipt.about.epoch.unwrap_or_default();
        out.push_str(&format!(
            "For {} epoch {epoch} released {released} OPEN; {waiting} OPEN wait for evidence.\n",
            row.account
        ));
    }
    out
}
