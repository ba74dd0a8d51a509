//! `assay log`: entries, a line each; its head; two views of it.

use std::fmt::Write as _;

use assay_ledger::codec;
use assay_ledger::command::Command;
use assay_ledger::event::{Cause, Event};
use assay_node::{Compared, compare};
use assay_web::text::{count, cut, fixed, plural, plural_of, signed};
use clap::Subcommand;
use serde_json::{Value, json};

use super::Said;
use super::session::{At, Session};
use super::text::{json as written, open, time};
use super::verify::log_key;
use crate::output::{Failure, print};

const EXAMPLES: &str = "\
Examples:
  assay log
  assay log --from 0 --count 100
  assay log --json --from 0 --count 1
  assay log head
  assay log compare ./node/public ./copy
  assay log compare http://data.example.org/log https://mirror.example.net/log
  assay log compare theirs.checkpoint ./public --key log.vkey --json";

/// Shows the entries of the log.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    /// First entry [default: the last N]
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    count: u64,
    #[command(flatten)]
    at: At,
}

#[derive(Subcommand)]
enum Action {
    /// Shows the newest signed checkpoint.
    Head {
        #[command(flatten)]
        at: At,
    },
    /// Compares two views of one log: one extends the other, or two histories were signed.
    ///
    /// Exit codes: 0 one extends the other, 2 a split view, proven by what is printed, or an input that cannot be used.
    #[command(after_help = EXAMPLES)]
    Compare {
        /// Public files by their address (a folder, http://..., s3://...), or a file with a checkpoint
        #[arg(value_name = "FOLDER|URL|FILE")]
        a: String,
        /// Another; the larger of the two must have tiles
        #[arg(value_name = "FOLDER|URL|FILE")]
        b: String,
        /// Key that signed both, or a file with it [default: the one beside the files]
        #[arg(long, value_name = "VKEY")]
        key: Option<String>,
        /// Print one JSON document to stdout instead of words: in a split view, the evidence
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(args: &Args) -> Result<(bool, Said), Failure> {
    match &args.action {
        Some(Action::Head { at }) => Ok((at.json, head(&at.open()?)?)),
        Some(Action::Compare { a, b, key, json }) => Ok((*json, compared(a, b, key.as_deref(), *json)?)),
        None => Ok((args.at.json, entries(&args.at.open()?, args.from, args.count)?)),
    }
}

fn compared(a: &str, b: &str, key: Option<&str>, as_json: bool) -> Result<Said, Failure> {
    let key = key.map(log_key).transpose()?;
    let compared = compare(a, b, key.as_ref())?;
    let Compared { old, new, consistent, .. } = &compared;
    let heads = format!("{}:\n{}\n{}:\n{}", old.place, old.checkpoint, new.place, new.checkpoint);
    if *consistent {
        let how = match old.size == new.size {
            true => "shows the same as",
            false => "is extended by",
        };
        return Said::new(&compared, format!("{} {how} {}.\n\n{heads}", old.place, new.place));
    }
    let said = Said::new(&compared, format!("Two histories of one log, both signed:\n\n{heads}"))?;
    print(&if as_json { written(&said.document)? } else { said.words })?;
    Err(Failure::refused(format!("a split view: {} is no beginning of {}", old.place, new.place))
        .hint("keep both: the two signed heads prove it to everybody who has the key"))
}

fn head(session: &Session) -> Result<Said, Failure> {
    let note = String::from_utf8_lossy(session.node.signed_checkpoint()?).into_owned();
    let head = session.node.checkpoint();
    let key = session.node.log_key().to_string();
    let words = format!("{note}\nkey  {key}\n");
    let document = json!({
        "origin": head.origin, "size": head.size, "root": head.root.to_string(), "key": key, "checkpoint": note,
    });
    Said::new(document, words)
}

fn entries(session: &Session, from: Option<u64>, most: u64) -> Result<Said, Failure> {
    let size = session.node.state().size();
    let from = from.unwrap_or(size.saturating_sub(most));
    if from >= size {
        return Err(Failure::refused(format!("there is no entry {from}"))
            .hint(format!("the log has {}, from 0", plural_of(size, "entry", "entries"))));
    }
    let mut words = String::new();
    let mut rows: Vec<Value> = Vec::new();
    for entry in session.node.entries().scan(from).take(usize::try_from(most).unwrap_or(usize::MAX)) {
        let (_, bytes) = entry.map_err(Failure::failed)?;
        rows.push(serde_json::from_slice(&bytes).map_err(Failure::failed)?);
        let event = codec::decode(&bytes).map_err(Failure::failed)?;
        words.push_str(&line(session, &event));
    }
    Said::new(json!({ "size": size, "from": from, "entries": rows }), words)
}

fn line(session: &Session, event: &Event) -> String {
    let mut out = format!("{:>7}  {}  ", event.seq, time(event.t));
    match &event.cause {
        Cause::Command(signed) => {
            let command = &signed.intent.command;
            let actor = cut(session.name(&signed.intent.actor), 24);
            let net = command.datanet().map_or("", |net| net.as_str());
            let what = in_words(session, command);
            let _ = write!(out, "{actor:<24} {:<14} {net:<16} {what}", command.kind());
        }
        Cause::Earlier(seq) => {
            let _ = write!(
                out,
                "{:<24} {:<14} entry {seq}: {}",
                "",
                "continues",
                plural(event.outcome.settled.len() as u64, "contributor")
            );
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// What a command says besides its kind, actor and datanet.
fn in_words(session: &Session, command: &Command) -> String {
    let bits = |micro: &i64| format!("{} bits", signed(*micro as f64 / 1e6, 3));
    match command {
        Command::Found { .. } | Command::OpenAccount { .. } => String::new(),
        Command::RotateKey { key, .. }
        | Command::SetRecovery { key, .. }
        | Command::RecoverKey { key, .. } => key.to_string(),
        Command::Deposit { account, amount, reference } => {
            format!("{} OPEN to {} ({reference})", open(amount.units()), session.name(account))
        }
        Command::Withdraw { amount, reference } => format!("{} OPEN ({reference})", open(amount.units())),
        Command::CreateDatanet { benchmark, .. } => {
            format!("benchmark of {} and {} rows", benchmark.value_rows, benchmark.report_rows)
        }
        Command::Appoint { account, role, .. } => {
            format!("{} as {role:?}", session.name(account)).to_lowercase()
        }
        Command::Contribute { records, .. } => plural((*records).into(), "record"),
        Command::Gate { contribution, passed, held, rejected, .. } => {
            format!("of {contribution}: {passed} passed, {} held, {rejected} rejected", held.len())
        }
        Command::Review { contribution, index, pass, reason, .. } => {
            let did = if *pass { "passes" } else { "rejected" };
            format!("{contribution}/{index} {did}: {reason}")
        }
        Command::Retract { contribution, reason, .. } => format!("contribution {contribution}: {reason}"),
        Command::Snapshot { records, .. } => plural(*records, "record"),
        Command::Train { snapshot, .. } => format!("of snapshot {snapshot}"),
        Command::ValueRows { model, rows, .. } => format!("of model {model}: {} contributors", rows.len()),
        Command::Value { model, sum_microbits, .. } => format!("of model {model}: {}", bits(sum_microbits)),
        Command::Ask { price_max, .. } => format!("for at most {} OPEN", open(price_max.units())),
        Command::Answer { query, moved_microbits, shares, .. } => {
            format!("to {query}: {}, {} paid by name", bits(moved_microbits), count(shares.len() as u64))
        }
        Command::MeterRows { part, rows, .. } => {
            format!("part {part}: {}", plural(rows.len() as u64, "contributor"))
        }
        Command::Meter { answers, through, .. } => {
            format!("{} up to {through}", plural(*answers, "answer"))
        }
        Command::Release { query, reason, .. } => format!("{query}: {reason}"),
        Command::Settle { epoch, .. } => format!("epoch {epoch}"),
        Command::Audit { valuation, rank_ppm, contributors, .. } => {
            let rank = fixed(*rank_ppm as f64 / 1e6, 2);
            format!("of {valuation}: rank agreement {rank} over {}", plural(*contributors, "contributor"))
        }
        Command::Fund { amount, .. } => format!("{} OPEN", open(amount.units())),
        Command::Publish { name, .. } => name.to_string(),
    }
}
