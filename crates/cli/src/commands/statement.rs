//! `assay statement`: what an account was paid, and for what.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use assay_ledger::amount::Place;
use assay_ledger::event::Standing;
use assay_ledger::ids::{AccountId, DatanetId};
use assay_ledger::statement::{Item, Line, Statement};
use assay_node::{MeteredShare, RecordValue};
use assay_web::text::{Scale, percent, plural, plural_of, signed};
use serde_json::json;

use super::Said;
use super::account::place_in_words;
use super::serve::said;
use super::session::{At, Session};
use super::text::{open, time};
use crate::output::Failure;

const EXAMPLES: &str = "\
Examples:
  assay statement alice
  assay statement alice --net intents --epoch 2
  assay statement a0123456789abcdef0123 --json";
/// Records shown at each end.
const RECORDS_SHOWN: usize = 5;
/// Answers shown of those that were metered together.
const ANSWERS_SHOWN: usize = 5;
/// Entries that meter answers, of which so many are shown, the newest ones.
const ENTRIES_SHOWN: usize = 3;
/// Lines shown; the rest is summed up by what it was for.
const LINES_SHOWN: usize = 40;

/// Says what an account was paid, and for what.
///
/// Opening, lines and closing of every place of the account add up. Values of single records are shown for epochs
/// that are settled.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Whose: name of a key, or account id
    #[arg(value_name = "NAME|ACCOUNT")]
    who: String,
    /// Datanet of the epoch [default: the only one]
    #[arg(long, value_name = "NET", requires = "epoch")]
    net: Option<String>,
    /// Only this epoch [default: everything]
    #[arg(long, value_name = "N")]
    epoch: Option<u32>,
    #[command(flatten)]
    pub(super) at: At,
}

/// Records of an account with their values, as a settlement made them public.
#[derive(serde::Serialize)]
struct Valued {
    datanet: DatanetId,
    epoch: u32,
    records: Vec<RecordValue>,
}

/// The answers behind one line.
#[derive(serde::Serialize)]
struct Metered {
    entry: u64,
    answers: Vec<MeteredShare>,
}

pub(super) fn run(args: &Args) -> Result<Said, Failure> {
    let mut session = args.at.open()?;
    let account = session.account(&args.who)?;
    let period = match args.epoch {
        Some(epoch) => Some((session.net(args.net.as_deref())?, epoch)),
        None => None,
    };
    if let Some((net, epoch)) = &period
        && !session.node.datanet(net)?.epochs.contains_key(epoch)
    {
        let open = session.node.datanet(net)?.epoch;
        return Err(
            Failure::refused(format!("{net} has no epoch {epoch}")).hint(format!("epoch {open} is open"))
        );
    }
    let statement = session.node.statement(&account, period.clone())?;
    let valued = valued(&session, &account, period)?;
    let metered = metered(&session, &statement)?;
    let words = in_words(&session, &statement, &metered, &valued)?;
    Said::new(json!({ "statement": statement, "metered": metered, "records": valued }), words)
}

/// What single answers came to, of those that were metered together.
fn metered(session: &Session, statement: &Statement) -> Result<Vec<Metered>, Failure> {
    let lines = statement.lines.iter().filter(|line| line.item == Item::AnswerShare);
    let found = lines.map(|line| {
        let answers = session.node.metered(line.seq, &statement.account)?;
        Ok(Metered { entry: line.seq, answers })
    });
    let found = found.collect::<Result<Vec<Metered>, Failure>>()?;
    Ok(found.into_iter().filter(|metered| !metered.answers.is_empty()).collect())
}

/// Values by the settlement of the period, or by the last one of every datanet.
fn valued(
    session: &Session,
    account: &AccountId,
    period: Option<(DatanetId, u32)>,
) -> Result<Vec<Valued>, Failure> {
    let periods: Vec<(DatanetId, u32)> = match period {
        Some(period) => vec![period],
        None => {
            let nets = session.node.state().datanets().iter();
            let last = |(id, net): (&DatanetId, &assay_ledger::datanet::Datanet)| {
                let settled = net.epochs.iter().filter(|(_, epoch)| epoch.settled.is_some());
                settled.map(|(number, _)| (id.clone(), *number)).next_back()
            };
            nets.filter_map(last).collect()
        }
    };
    let mut out = Vec::new();
    for (datanet, epoch) in periods {
        let records = session.node.settled_values(&datanet, epoch, account)?;
        if !records.is_empty() {
            out.push(Valued { datanet, epoch, records });
        }
    }
    Ok(out)
}

fn in_words(
    session: &Session,
    statement: &Statement,
    metered: &[Metered],
    valued: &[Valued],
) -> Result<String, Failure> {
    let mut out = format!("Statement of {}", session.name_and_id(&statement.account));
    match &statement.period {
        Some((net, epoch)) => out.push_str(&format!(", epoch {epoch} of {net}")),
        None => out.push_str(&format!(", over all {} entries of the log", statement.size)),
    }
    out.push_str(", in OPEN.\n\n");
    places(&mut out, statement);
    lines(&mut out, statement);
    let earlier = metered.len().saturating_sub(ENTRIES_SHOWN);
    metered[earlier..].iter().for_each(|metered| answers(&mut out, metered));
    if earlier > 0 {
        let earlier = plural_of(earlier as u64, "earlier entry", "earlier entries");
        let _ = writeln!(out, "\n{earlier} of metered answers are left out; --json has all");
    }
    holds(&mut out, statement);
    settled(&mut out, statement);
    for one in valued {
        records(session, &mut out, one)?;
    }
    Ok(out)
}

fn places(out: &mut String, statement: &Statement) {
    if statement.places.is_empty() {
        out.push_str("No money has moved.\n");
        return;
    }
    let _ = writeln!(out, "{:<36} {:>14} {:>14} {:>14} {:>14}", "where", "opening", "in", "out", "closing");
    for (place, t) in &statement.places {
        let row = [t.opening.units(), t.received.units(), t.given.units(), t.closing.units()];
        let row: Vec<String> = row.iter().map(|u| format!("{:>14}", open(*u))).collect();
        let _ = writeln!(out, "{:<36} {}", place_in_words(place), row.join(" "));
    }
    out.push('\n');
}

fn lines(out: &mut String, statement: &Statement) {
    if statement.lines.len() > LINES_SHOWN {
        let mut sums: BTreeMap<Item, (u64, u128)> = BTreeMap::new();
        for line in &statement.lines {
            let sum = sums.entry(line.item).or_default();
            *sum = (sum.0 + 1, sum.1 + line.posting.amount.units());
        }
        let _ = writeln!(
            out,
            "{:<18} {:>8} {:>16}   ({} lines; --json has each)",
            "for",
            "times",
            "amount",
            statement.lines.len()
        );
        for (item, (times, units)) in sums {
            let _ = writeln!(out, "{:<18} {times:>8} {:>16}", item_in_words(item), open(units));
        }
    } else {
        for line in &statement.lines {
            let net = line.datanet.as_ref().map_or_else(String::new, |net| format!("  {net}"));
            let (what, amount) = (item_in_words(line.item), open(line.posting.amount.units()));
            let amount = format!("{}{amount}", sign(statement, line));
            let _ = writeln!(out, "{:>8}  {}  {what:<19} {amount:>16}{net}", line.seq, time(line.t));
        }
    }
}

fn answers(out: &mut String, Metered { entry, answers }: &Metered) {
    let mut order: Vec<&MeteredShare> = answers.iter().collect();
    order.sort_by_key(|share| (std::cmp::Reverse(share.amount), share.query));
    let many = plural(order.len() as u64, "answer");
    let _ = writeln!(
        out,
        "\nIn entry {entry}, {many} that records of this account shaped, of what contributors got:"
    );
    for MeteredShare { query, ppm, amount } in order.iter().take(ANSWERS_SHOWN) {
        let percent = percent(f64::from(*ppm) / 1e6, 1);
        let _ = writeln!(out, "  question {query:<8} {percent:>6} {:>14}", open(amount.units()));
    }
    if let more @ 1.. = order.len().saturating_sub(ANSWERS_SHOWN) {
        let _ = writeln!(out, "  ... {more} more; --json has all");
    }
}

fn holds(out: &mut String, statement: &Statement) {
    for (query, hold) in &statement.holds {
        let until = match hold.expires {
            Some(expires) => format!("can be taken back from {}", time(expires)),
            None => "until it is answered or released".to_owned(),
        };
        let (amount, net) = (open(hold.amount.units()), &hold.datanet);
        let _ = writeln!(out, "\nHeld for question {query} to {net}: {amount}, {until}.");
    }
}

/// `+` for what arrives from elsewhere, a minus for what leaves, nothing between places of the account.
fn sign(statement: &Statement, line: &Line) -> &'static str {
    let own = |place: &Place| statement.places.contains_key(place);
    match (own(&line.posting.from), own(&line.posting.to)) {
        (false, true) => "+",
        (true, false) => "\u{2212}",
        _ => "",
    }
}

fn settled(out: &mut String, statement: &Statement) {
    let bits = |micro: i64| signed(micro as f64 / 1e6, 6);
    for line in &statement.settled {
        let row = &line.row;
        let found = match row.standing {
            Standing::Paid => "proven to help: paid",
            Standing::Unproven => "not proven either way: waits",
            Standing::Harmful => "proven to harm: loses its bond",
        };
        let _ = writeln!(
            out,
            "\nEpoch {} of {}: value {} bits (95%: {} to {}), {found}; released {}, lost {}, waiting {}.",
            line.epoch,
            line.datanet,
            bits(row.value_microbits),
            bits(row.low_microbits),
            bits(row.high_microbits),
            open(row.released.units()),
            open(row.lost.units()),
            open(row.waiting.units())
        );
    }
}

fn records(session: &Session, out: &mut String, valued: &Valued) -> Result<(), Failure> {
    let mut order: Vec<&RecordValue> = valued.records.iter().collect();
    order.sort_by_key(|r| (std::cmp::Reverse(r.value_microbits), r.contribution, r.index));
    let bits = |micro: i64| micro as f64 / 1e6;
    let scale = Scale::over(order.iter().map(|r| bits(r.value_microbits)));
    let _ = writeln!(
        out,
        "\n{} in epoch {} of {}; value in {}, with its standard error:",
        plural(order.len() as u64, "valued record"),
        valued.epoch,
        valued.datanet,
        scale.unit
    );
    for (i, record) in order.iter().enumerate() {
        let more = order.len().saturating_sub(2 * RECORDS_SHOWN);
        if more > 1 && i == RECORDS_SHOWN {
            let _ = writeln!(out, "  ... {more} more; --json has all");
        }
        if more > 1 && (RECORDS_SHOWN..order.len() - RECORDS_SHOWN).contains(&i) {
            continue;
        }
        let content = session.node.record(&valued.datanet, record.contribution, record.index)?;
        let name = format!("{}/{}", record.contribution, record.index);
        let (value, se) = (scale.show(bits(record.value_microbits)), scale.show(bits(record.se_microbits)));
        let what = said(session, &valued.datanet, &content)?;
        let _ = writeln!(out, "  {name:<10} {value:>9} \u{b1} {se:<8} {what}");
    }
    Ok(())
}

fn item_in_words(item: Item) -> &'static str {
    match item {
        Item::Deposit => "deposit",
        Item::Withdrawal => "withdrawal",
        Item::Bond => "bond put up",
        Item::Price => "question asked",
        Item::Refund => "question unanswered",
        Item::AnswerShare => "shares of answers",
        Item::Fee => "fee",
        Item::Funding => "rewards put up",
        Item::PoolShare => "share of the pool",
        Item::Reward => "reward for value",
        Item::Released => "released, proven",
        Item::BondBack => "bond back",
        Item::Lost => "lost",
        Item::ReviewPay => "pay for reviews",
    }
}
