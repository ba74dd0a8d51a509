//! `assay withdraw`: money that goes out, a price or records that are taken back.

use assay_ledger::amount::{Amount, Place};
use assay_ledger::command::Command;
use assay_ledger::ids::{AccountId, Code, DatanetId};
use assay_node::Retracted;
use assay_web::text::plural;
use serde_json::json;

use super::Said;
use super::account::moved;
use super::session::{At, Session};
use super::text::{AMOUNTS, amount, money};
use crate::output::Failure;

const EXAMPLES: &str = "\
Examples:
  assay withdraw 3.25 --as alice --reference payout-9
  assay withdraw --records 17 --net intents --as alice
  assay withdraw --all-records --as alice --json
  assay withdraw --question 52 --as carol";

/// Pays money out, or takes records or the price of a question back.
///
/// The price of a question that was not answered can be taken back when its hold has expired; `assay statement` says when.
///
/// Records are taken back by the contribution, as its receipt and `assay log` name it: by their author, or by the
/// operator for somebody who asks. Their text and salts are erased from this home. Every proof stays valid, what was
/// paid stays paid, and no later model is trained on them.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{AMOUNTS}\n\n{EXAMPLES}"))]
pub(crate) struct Args {
    /// How much, in OPEN (12.5) or base units (12500000u)
    #[arg(value_parser = amount, required_unless_present_any = ["records", "all_records", "question"], requires = "reference")]
    amount: Option<Amount>,
    /// Who withdraws: name of a key
    #[arg(long = "as", value_name = "NAME")]
    actor: String,
    /// Name of the payment outside; each counts once
    #[arg(long, value_name = "REF")]
    reference: Option<Code>,
    /// Contributions whose records are taken back, by their entry
    #[arg(long, value_name = "ENTRY", value_delimiter = ',', conflicts_with_all = ["amount", "reference"])]
    records: Vec<u64>,
    /// All contributions of NAME to the datanet are taken back
    #[arg(long, conflicts_with_all = ["amount", "reference", "records"])]
    all_records: bool,
    /// A question that was not answered in time, by its entry: its price is taken back
    #[arg(long, value_name = "ENTRY", conflicts_with_all = ["amount", "reference", "records", "all_records"])]
    question: Option<u64>,
    /// Why they are taken back: one word
    #[arg(long, value_name = "CODE", default_value = "withdrawn")]
    reason: Code,
    /// Datanet of the records or the question [default: the only one]
    #[arg(long, value_name = "NET")]
    net: Option<String>,
    #[command(flatten)]
    pub(super) at: At,
}

pub(super) fn run(args: &Args) -> Result<Said, Failure> {
    match (args.amount, &args.reference, args.question) {
        (Some(amount), Some(reference), _) => pay_out(args, amount, reference),
        (_, _, Some(query)) => release(args, query),
        _ => take_back(args),
    }
}

fn release(args: &Args, query: u64) -> Result<Said, Failure> {
    let mut session = args.at.open()?;
    let datanet = session.net(args.net.as_deref())?;
    let key = session.key(&args.actor)?;
    let open = session.node.datanet(&datanet)?.queries.get(&query).cloned();
    let open =
        open.ok_or_else(|| Failure::refused(format!("there is no open question {query} in {datanet}")))?;
    let command = Command::Release { datanet, query, reason: args.reason.clone() };
    let entry = session.node.act(&key, command).map_err(|e| session.explain(e))?;
    moved(&session, entry, &open.consumer, "went back to", open.price)
}

fn pay_out(args: &Args, amount: Amount, reference: &Code) -> Result<Said, Failure> {
    let mut session = args.at.open()?;
    let key = session.key(&args.actor)?;
    let account = session.node.account(&key)?;
    let free = session.node.state().balances().at(&Place::User(account.clone()));
    if free < amount {
        return Err(Failure::refused(format!(
            "{} has {} free, and asks for {}",
            args.actor,
            money(free),
            money(amount)
        ))
        .hint(
            "what is earned and not proven yet, and bonds, cannot be withdrawn; `assay balance` shows them",
        ));
    }
    let command = Command::Withdraw { amount, reference: reference.clone() };
    let entry = session.node.act(&key, command)?;
    moved(&session, entry, &account, "was paid out to", amount)
}

fn take_back(args: &Args) -> Result<Said, Failure> {
    let mut session = args.at.open()?;
    let net = session.net(args.net.as_deref())?;
    let key = session.key(&args.actor)?;
    let contributions = match args.all_records {
        true => all_of(&session, &net, &session.node.account_of(&key))?,
        false => args.records.clone(),
    };
    let mut taken = Vec::with_capacity(contributions.len());
    for contribution in contributions {
        let one = session.node.retract(&key, &net, contribution, args.reason.clone());
        taken.push(one.map_err(|e| session.explain(e))?);
    }
    let words = in_words(&session, &net, &taken)?;
    Said::new(json!({ "datanet": net, "withdrawn": taken }), words)
}

fn all_of(session: &Session, net: &DatanetId, author: &AccountId) -> Result<Vec<u64>, Failure> {
    let datanet = session.node.datanet(net)?;
    let theirs = datanet.contributions.iter().filter(|(_, offered)| offered.author == *author);
    let left: Vec<u64> =
        theirs.map(|(&seq, _)| seq).filter(|seq| !datanet.withdrawn.contains_key(seq)).collect();
    match left.is_empty() {
        true => Err(Failure::refused(format!("{} has no records in {net}", session.name(author)))),
        false => Ok(left),
    }
}

fn in_words(session: &Session, net: &DatanetId, taken: &[Retracted]) -> Result<String, Failure> {
    let mut out = String::new();
    for one in taken {
        out += &format!(
            "{} of contribution {} by {} withdrawn: entry {}.\n",
            plural(one.records, "record"),
            one.contribution,
            session.name_and_id(&one.author),
            one.entry
        );
    }
    let Some(last) = taken.last() else { return Ok(out) };
    let balances = session.node.state().balances();
    let accrued = balances.at(&Place::Accrued(net.clone(), last.author.clone()));
    let passed: u64 = taken.iter().map(|one| one.passed).sum();
    let stopped: Vec<String> = taken.iter().filter_map(|one| one.stopped).map(|m| m.to_string()).collect();
    let models = match (stopped.is_empty(), last.serving) {
        (true, Some(_)) => "no model that answers was trained on them".to_owned(),
        (true, None) => "nothing answers at present; the next will do without them".to_owned(),
        (false, Some(model)) => {
            format!("model {} was trained on them and is gone; model {model} answers now", stopped.join(", "))
        }
        (false, None) => format!(
            "model {} was trained on them and is gone; nothing answers until the next: assay snapshot, train, value",
            stopped.join(", ")
        ),
    };
    out += &format!(
        "\nerased     text and salts, receipts' openings, weights and pages made of them; copies elsewhere are not reached\n\
         proofs     all stand: the log still shows that something was offered, and nothing of what it said\n\
         past pay   stays; {} earned in {net} and not proven yet waits for its settlement\n\
         future pay nothing for these records: {} less in the next snapshot\n\
         models     {models}\n",
        money(accrued),
        plural(passed, "record"),
    );
    Ok(out)
}
