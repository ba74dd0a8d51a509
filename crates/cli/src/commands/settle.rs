//! `assay settle`: an epoch is closed.

use std::fmt::Write as _;

use assay_ledger::codec;
use assay_ledger::datanet::Epoch;
use assay_ledger::event::{Cause, SettledRow, Standing};
use assay_ledger::ids::DatanetId;
use assay_web::text::{count, cut, plural, ppm};
use serde_json::json;

use super::Said;
use super::session::{At, Session};
use super::text::open;
use crate::output::Failure;

const EXAMPLES: &str = "\
Examples:
  assay settle --net intents";

const HELD_BACK: &str = "\
Nothing that goes by value has moved: the charter asks for an audit of the values, and there is none yet or it found too
little agreement. Fees, rewards and bonds wait.

";

/// Closes the open epoch: releases what is proven, takes what is lost.
///
/// What a contributor has earned is released when the lower bound of the value of their records, over all training
/// runs, is above zero; whose upper bound is below zero loses the bond; the rest waits for more evidence. Where the
/// charter rewards value, sponsors' money goes by it. Reviewers are paid by decisions.
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
    let mut session = args.at.open()?;
    let net = session.net(args.net.as_deref())?;
    let number = session.node.datanet(&net)?.epoch;
    let entry = session.node.settle(&net)?;
    let rows = settled(&session, entry)?;
    let epoch = session.node.datanet(&net)?.epochs.get(&number).cloned().unwrap_or_default();
    let mut words = format!("Epoch {number} of {net} is settled (entry {entry}).\n\n");
    if epoch.held_back {
        words.push_str(HELD_BACK);
    }
    words.push_str(&roles(&session, &net, &epoch)?);
    words.push_str(&table(&session, &rows));
    let _ = writeln!(
        words,
        "\nEach can see what they were paid and why: assay statement NAME --net {net} --epoch {number}"
    );
    let document =
        json!({ "entry": entry, "datanet": net, "epoch": number, "totals": epoch, "settled": rows });
    Said::new(document, words)
}

/// The rows of the settlement at `entry`, over all the entries that it took.
fn settled(session: &Session, entry: u64) -> Result<Vec<SettledRow>, Failure> {
    let mut rows = Vec::new();
    for read in session.node.entries().scan(entry) {
        let (seq, bytes) = read.map_err(Failure::failed)?;
        let event = codec::decode(&bytes).map_err(Failure::failed)?;
        if seq > entry && !matches!(event.cause, Cause::Earlier(cause) if cause == entry) {
            break;
        }
        rows.extend(event.outcome.settled);
    }
    Ok(rows)
}

fn roles(session: &Session, net: &DatanetId, epoch: &Epoch) -> Result<String, Failure> {
    let split = &session.node.datanet(net)?.charter.split;
    let mut out = format!(
        "{} answered for {} OPEN; {} given back unanswered; {} OPEN taken from harmful contributors; {} OPEN of rewards for value.\n\n",
        plural(epoch.answered, "question"),
        open(epoch.fees.units()),
        count(epoch.released),
        open(epoch.lost.units()),
        open(epoch.rewarded.units()),
    );
    let _ =
        writeln!(out, "{:<14} {:>9} {:>16} {:>16}", "role", "promised", "credited, OPEN", "spendable, OPEN");
    let (credited, paid) = (&epoch.credited, &epoch.paid);
    for (role, promised, credited, paid) in [
        ("contributors", split.contributors, credited.contributors, paid.contributors),
        ("reviewers", split.reviewers, credited.reviewers, paid.reviewers),
        ("trainer", split.trainer, credited.trainer, paid.trainer),
        ("platform", split.platform, credited.platform, paid.platform),
    ] {
        let (credited, paid) = (open(credited.units()), open(paid.units()));
        let _ = writeln!(out, "{role:<14} {:>9} {credited:>16} {paid:>16}", ppm(promised.into()));
    }
    out.push('\n');
    Ok(out)
}

fn table(session: &Session, rows: &[SettledRow]) -> String {
    let mut out = format!(
        "{:<24} {:<9} {:>13} {:>13} {:>13} {:>13} {:>13} {:>13}\n",
        "contributor", "standing", "accrued", "from pool", "reward", "lost", "released", "waiting"
    );
    for row in rows {
        let standing = match row.standing {
            Standing::Paid => "paid",
            Standing::Unproven => "unproven",
            Standing::Harmful => "harmful",
        };
        let amounts = [row.accrued, row.pool, row.reward, row.lost, row.released, row.waiting];
        let amounts: Vec<String> = amounts.iter().map(|a| format!("{:>13}", open(a.units()))).collect();
        let _ =
            writeln!(out, "{:<24} {standing:<9} {}", cut(session.name(&row.account), 24), amounts.join(" "));
    }
    out
}
