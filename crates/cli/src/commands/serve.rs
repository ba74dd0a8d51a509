//! `assay ask`: a paid question, its answer, and the records that shaped it.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use assay_ledger::amount::{Amount, Place};
use assay_ledger::charter::TaskRules;
use assay_ledger::ids::{AccountId, DatanetId};
use assay_node::Answered;
use assay_node::task::{Reading, Record};
use assay_web::text::{cut, percent, ppm, signed};
use serde_json::{Value, json};

use super::session::{At, Session};
use super::text::{TEXT_CHARS, money};
use super::{Said, records};
use crate::output::Failure;

const EXAMPLES: &str = r#"Examples:
  assay ask --net intents --as carol --text "my card has not arrived"
  assay ask --net digits --as carol --record '{"x": 0.5, "y": 2}'
  assay ask --net intents --as carol --file questions.jsonl --json"#;

/// Records shown for the one answer, and for each of several.
const SHOWN: [usize; 2] = [10, 3];

/// Asks a paid question; shows the answer and the records that shaped it.
///
/// The charter's price is held, the question is answered, and the price goes to those whose records shaped the
/// answer, to reviewers, trainer and platform, as the charter splits it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    question: Question,
    /// Who pays: name of a key
    #[arg(long = "as", value_name = "NAME")]
    actor: String,
    /// Datanet [default: the only one]
    #[arg(long, value_name = "NET")]
    net: Option<String>,
    #[command(flatten)]
    pub(super) at: At,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Question {
    /// A text, for datanets that read text alone
    #[arg(long)]
    text: Option<String>,
    /// A record as a JSON object, without its label
    #[arg(long, value_name = "JSON")]
    record: Option<String>,
    /// A file of records: a question each
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<Said, Failure> {
    let mut session = args.at.open()?;
    let net = session.net(args.net.as_deref())?;
    let charter = session.node.datanet(&net)?.charter.clone();
    let questions = args.question.records(&charter.task)?;
    for (i, question) in questions.iter().enumerate() {
        readable(&charter.task, question, i)?;
    }
    let key = session.key(&args.actor)?;
    let account = session.node.account(&key)?;
    afford(&session, args, &account, charter.query.price, questions.len())?;
    let asked = session.node.ask(&key, &net, &questions)?;
    let asked = asked.into_iter().collect::<Result<Vec<u64>, _>>()?;
    // Also answers what was paid for before and not answered, as after a crash.
    session.node.answer(&net)?;
    let mut words = String::new();
    let shown = if asked.len() == 1 { SHOWN[0] } else { SHOWN[1] };
    let mut rows: Vec<Value> = Vec::with_capacity(asked.len());
    for query in asked {
        let answer = session.node.answered(query)?;
        let answer = answer.ok_or_else(|| {
            Failure::refused(format!("question {query} was not answered; its price was given back"))
        })?;
        let receipt = save(&session, &net, &answer)?;
        words.push_str(&in_words(&session, &net, &answer, shown)?);
        let _ = writeln!(words, "receipt  {}\n", receipt.display());
        rows.push(json!({ "answered": answer, "receipt": receipt }));
    }
    let free = session.node.state().balances().at(&Place::User(account));
    let _ = writeln!(
        words,
        "paid     {} each; {} has {} left",
        money(charter.query.price),
        args.actor,
        money(free)
    );
    Said::new(json!({ "datanet": net, "price": charter.query.price, "free": free, "answers": rows }), words)
}

impl Question {
    fn records(&self, task: &TaskRules) -> Result<Vec<Record>, Failure> {
        if let Some(path) = &self.file {
            return Ok(records::read(path)?.records);
        }
        if let Some(record) = &self.record {
            let record = serde_json::from_str(record).map_err(|e| {
                Failure::refused(format!("--record is no JSON object: {e}"))
                    .hint(r#"write it in single quotes: --record '{"column": 1}'"#)
            })?;
            return Ok(vec![record]);
        }
        let text = self.text.clone().unwrap_or_default();
        match &task.text {
            Some(column) => Ok(vec![Record::from_iter([(column.clone(), text.into())])]),
            None => Err(Failure::refused("this datanet reads numbers, not text").hint(format!(
                "give --record with the columns {}",
                cut(&task.features.join(", "), TEXT_CHARS)
            ))),
        }
    }
}

/// Refuses a question that the task cannot read, before it is paid for.
fn readable(task: &TaskRules, question: &Record, at: usize) -> Result<(), Failure> {
    let reading = Reading::of(task, question);
    let text = task.text.as_ref().filter(|_| reading.text.as_ref().is_none_or(|t| t.trim().is_empty()));
    let number =
        task.features.iter().zip(&reading.numbers).find(|(_, n)| !n.is_finite()).map(|(name, _)| name);
    match text.or(number) {
        Some(column) => {
            Err(Failure::refused(format!("question {}: {column:?} is missing or unreadable", at + 1)).hint(
                "a question has the columns of the charter's [task], without the label; nothing was charged",
            ))
        }
        None => Ok(()),
    }
}

/// All questions or none: refuses when the money does not suffice for all.
fn afford(
    session: &Session,
    args: &Args,
    account: &AccountId,
    price: Amount,
    count: usize,
) -> Result<(), Failure> {
    let free = session.node.state().balances().at(&Place::User(account.clone()));
    let cost = price.units().saturating_mul(count as u128);
    if free.units() >= cost {
        return Ok(());
    }
    let name = &args.actor;
    let cost = Amount::new(cost).ok_or_else(|| Failure::refused("that is more money than a ledger holds"))?;
    Err(Failure::refused(format!(
        "{name} has {}, and {} needed",
        money(free),
        match count {
            1 => format!("{} is", money(cost)),
            _ => format!("{} for {count} questions are", money(cost)),
        }
    ))
    .hint(format!("pay in with `assay deposit {name} AMOUNT --reference REF`; nothing was charged")))
}

fn save(session: &Session, net: &DatanetId, answer: &Answered) -> Result<PathBuf, Failure> {
    let folder = session.node.home().receipts();
    fs::create_dir_all(&folder).map_err(|e| Failure::failed(format!("{}: {e}", folder.display())))?;
    let path = folder.join(format!("{net}-answer-{}.json", answer.query));
    session.node.answer_receipt(net, answer)?.save(&path)?;
    Ok(path)
}

fn in_words(session: &Session, net: &DatanetId, answer: &Answered, shown: usize) -> Result<String, Failure> {
    let sure = answer.probability.map_or_else(String::new, |p| format!("  ({} sure)", percent(p, 1)));
    let mut out = format!("answer   {}{sure}\n", cut(&answer.answer, TEXT_CHARS));
    let _ = writeln!(out, "moved    {} bits by the records of {net}", signed(answer.bits, 3));
    let covered = ppm(answer.covered_ppm.into());
    let _ = writeln!(
        out,
        "shaped   most by these records, in bits; those paid by name cover {covered} of what speaks for it"
    );
    for shaper in answer.records.iter().take(shown) {
        let record = session.node.record(net, shaper.contribution, shaper.index)?;
        let name = format!("{}/{}", shaper.contribution, shaper.index);
        let from = cut(session.name(&shaper.account), 24);
        let _ = writeln!(
            out,
            "  {:>8} {name:<10} {from:<24} {}",
            signed(shaper.bits, 3),
            said(session, net, &record)?
        );
    }
    if let Some(missed) = &answer.missed {
        let named: Vec<String> =
            missed.records.iter().map(|s| format!("{}/{}", s.contribution, s.index)).collect();
        let _ = writeln!(
            out,
            "missed   most without {}: trained again, the model gives the answer {} bits less",
            named.join(", "),
            signed(missed.lost_bits, 3).trim_start_matches('+')
        );
    }
    Ok(out)
}

/// A record in a line: its label, and its text where it has one.
pub(super) fn said(session: &Session, net: &DatanetId, record: &Record) -> Result<String, Failure> {
    let reading = Reading::of(&session.node.datanet(net)?.charter.task, record);
    let label = reading.label.map_or_else(String::new, |l| format!("[{}] ", cut(&l, 30)));
    Ok(label + &cut(&reading.text.unwrap_or_default(), 60))
}
