//! `assay review`: people decide what the gates held.

use std::fmt::Write as _;

use assay_ledger::command::Role;
use assay_ledger::ids::DatanetId;
use assay_node::Held;
use assay_node::task::Record;
use assay_quality::Reason;
use assay_web::text::{cut, fixed, plural};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::Said;
use super::session::{At, Session};
use super::text::TEXT_CHARS;
use crate::output::Failure;

/// Reasons of a reviewer, besides those of the gates.
const REASONS: &[(&str, &str)] = &[
    ("own_work", "It is the contributor's own, whatever it resembles."),
    ("distinct", "It resembles an earlier record and says something else."),
    ("copy", "It is a copy, reworded at most."),
    ("wrong_label", "The label is wrong."),
    ("off_topic", "It does not belong into this datanet."),
    ("garbage", "It says nothing."),
    ("not_allowed", "It may not be published or used: private, unlawful, or not the contributor's to give."),
];

const EXAMPLES: &str = "\
Examples:
  assay review next --net intents --count 3
  assay review decide 17/4 pass --reason own_work --as alice
  assay review decide 17/5 reject --reason copy --as alice
  assay review appoint bob --net intents --as alice";

/// Decides the records that the gates held.
///
/// The owner of a datanet decides, and who the owner appoints; nobody their own records.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Shows the next held records, beside what they resemble; those first that are expected to move most.
    Next {
        /// Datanet [default: the only one]
        #[arg(long, value_name = "NET")]
        net: Option<String>,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
        count: u16,
        #[command(flatten)]
        at: At,
    },
    /// Decides one held record.
    #[command(after_help = reasons())]
    Decide {
        /// The record, as `review next` names it
        #[arg(value_name = "CONTRIBUTION/INDEX", value_parser = record_name)]
        record: (u64, u32),
        /// Whether it may enter the next snapshot
        verdict: Verdict,
        /// Why, as a code; see below
        #[arg(long, value_name = "CODE")]
        reason: String,
        /// Who decides: name of a key
        #[arg(long = "as", value_name = "NAME")]
        actor: String,
        /// Datanet [default: the only one]
        #[arg(long, value_name = "NET")]
        net: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// Lets somebody else decide too.
    Appoint {
        /// Whom: name of a key, or account id
        #[arg(value_name = "NAME|ACCOUNT")]
        who: String,
        /// The owner of the datanet: name of a key
        #[arg(long = "as", value_name = "OWNER")]
        actor: String,
        /// Datanet [default: the only one]
        #[arg(long, value_name = "NET")]
        net: Option<String>,
        #[command(flatten)]
        at: At,
    },
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Verdict {
    Pass,
    Reject,
}

pub(super) fn run(args: &Args) -> Result<(bool, Said), Failure> {
    match &args.action {
        Action::Next { net, count, at } => {
            let session = at.open()?;
            let net = session.net(net.as_deref())?;
            Ok((at.json, next(&session, &net, usize::from(*count))?))
        }
        Action::Decide { record, verdict, reason, actor, net, at } => {
            let mut session = at.open()?;
            let net = session.net(net.as_deref())?;
            Ok((at.json, decide(&mut session, &net, *record, *verdict, reason, actor)?))
        }
        Action::Appoint { who, actor, net, at } => {
            let mut session = at.open()?;
            let net = session.net(net.as_deref())?;
            let key = session.key(actor)?;
            let account = session.account(who)?;
            let entry = session.node.appoint(&key, &net, account.clone(), Role::Reviewer);
            let entry = entry.map_err(|e| session.explain(e))?;
            let words = format!(
                "{} may decide held records of {net}: entry {entry}.\n",
                session.name_and_id(&account)
            );
            Ok((at.json, Said::new(json!({ "entry": entry, "datanet": net, "reviewer": account }), words)?))
        }
    }
}

fn next(session: &Session, net: &DatanetId, most: usize) -> Result<Said, Failure> {
    let waiting = session.node.datanet(net)?.held().count();
    let held = session.node.held(net, most)?;
    let mut words = match waiting {
        0 => format!("No record of {net} waits for a reviewer.\n"),
        _ => format!(
            "{} of {net} wait{} for a reviewer.\n",
            plural(waiting as u64, "record"),
            if waiting == 1 { "s" } else { "" }
        ),
    };
    let mut rows: Vec<Value> = Vec::with_capacity(held.len());
    for one in &held {
        let original = match one.original {
            Some((contribution, index)) => Some(session.node.record(net, contribution, index)?),
            None => None,
        };
        words.push_str(&in_words(session, one, original.as_ref()));
        rows.push(json!({ "held": one, "original": original }));
    }
    if !held.is_empty() {
        words.push_str(
            "\nDecide with `assay review decide CONTRIBUTION/INDEX pass|reject --reason CODE --as NAME`.\n",
        );
    }
    Said::new(json!({ "datanet": net, "waiting": waiting, "next": rows }), words)
}

fn in_words(session: &Session, held: &Held, original: Option<&Record>) -> String {
    let why = Reason::from_code(&held.reason).map_or("", Reason::sentence);
    let mut out = format!("\n{}/{}  {} ({})\n", held.contribution, held.index, why, held.reason);
    let _ = writeln!(out, "  from   {}", session.name_and_id(&held.author));
    if let Some(bits) = held.bits {
        let _ = writeln!(out, "  moves  {} bits, it is expected", fixed(bits, 6));
    }
    fields(&mut out, "it", &held.record);
    if let (Some(original), Some((contribution, index))) = (original, held.original) {
        let _ = writeln!(out, "  resembles {contribution}/{index}");
        fields(&mut out, "that", original);
    }
    out
}

/// The fields of a record, which may be hostile: cut, and without characters that act on a terminal.
fn fields(out: &mut String, whose: &str, record: &Record) {
    for (name, value) in record {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = writeln!(out, "  {whose:<5}  {}: {}", cut(name, 30), cut(&value, 4 * TEXT_CHARS));
    }
}

fn decide(
    session: &mut Session,
    net: &DatanetId,
    record: (u64, u32),
    verdict: Verdict,
    reason: &str,
    actor: &str,
) -> Result<Said, Failure> {
    let known = REASONS.iter().any(|(code, _)| *code == reason) || Reason::from_code(reason).is_some();
    if !known {
        let codes: Vec<&str> = REASONS.iter().map(|(code, _)| *code).collect();
        return Err(Failure::refused(format!("{reason:?} is no reason of a review"))
            .hint(format!("give one of {}, or a gate's code", codes.join(", "))));
    }
    let key = session.key(actor)?;
    session.node.account(&key)?;
    let pass = verdict == Verdict::Pass;
    let entry = session.node.review(&key, net, record, pass, reason).map_err(|e| session.explain(e))?;
    let left = session.node.datanet(net)?.held().count();
    let (contribution, index) = record;
    let did = if pass { "passes" } else { "is rejected" };
    let words = format!(
        "Record {contribution}/{index} of {net} {did}: {reason} (entry {entry}). {} left.\n",
        plural(left as u64, "held record")
    );
    let document = json!({
        "entry": entry, "datanet": net, "contribution": contribution, "index": index,
        "pass": pass, "reason": reason, "waiting": left,
    });
    Said::new(document, words)
}

fn record_name(text: &str) -> Result<(u64, u32), String> {
    let parts = text.split_once('/').and_then(|(c, i)| Some((c.parse().ok()?, i.parse().ok()?)));
    parts.ok_or_else(|| "a record is named CONTRIBUTION/INDEX, such as 17/4".to_owned())
}

fn reasons() -> String {
    let mut out = "Reasons:\n".to_owned();
    for (code, sentence) in REASONS {
        let _ = writeln!(out, "  {code:<12} {sentence}");
    }
    out + "  or the code of the gate that held it"
}
