//! `assay deposit`, `balance`: money that comes in, and is there.

use assay_ledger::amount::{Amount, Place};
use assay_ledger::command::Command;
use assay_ledger::ids::{AccountId, Code};
use serde_json::{Value, json};

use super::Said;
use super::session::{At, Session};
use super::text::{AMOUNTS, amount, money, open};
use crate::output::Failure;

const DEPOSIT_EXAMPLES: &str = "\
Examples:
  assay deposit carol 12.5 --reference invoice-17
  assay deposit a0123456789abcdef0123 500000u --reference wire-2026-01-05";

/// Records a payment that came in from outside.
///
/// Acts as the operator of this node. A reference counts once, so that no payment is credited twice.
#[derive(clap::Args)]
#[command(after_help = DEPOSIT_EXAMPLES, after_long_help = format!("{AMOUNTS}\n\n{DEPOSIT_EXAMPLES}"))]
pub(crate) struct DepositArgs {
    /// Whose: name of a key, or account id
    #[arg(value_name = "NAME|ACCOUNT")]
    who: String,
    /// How much, in OPEN (12.5) or base units (12500000u)
    #[arg(value_parser = amount)]
    amount: Amount,
    /// Name of the payment outside; each counts once
    #[arg(long, value_name = "REF")]
    reference: Code,
    #[command(flatten)]
    pub(super) at: At,
}

const BALANCE_EXAMPLES: &str = "\
Examples:
  assay balance
  assay balance alice --json";

/// Shows what accounts hold: free money, what is earned and not proven, bonds.
#[derive(clap::Args)]
#[command(after_help = BALANCE_EXAMPLES)]
pub(crate) struct BalanceArgs {
    /// Name of a key, or account id [default: all keys of this home]
    #[arg(value_name = "NAME|ACCOUNT")]
    who: Option<String>,
    #[command(flatten)]
    pub(super) at: At,
}

pub(super) fn deposit(args: &DepositArgs) -> Result<Said, Failure> {
    let mut session = args.at.open()?;
    let account = session.account(&args.who)?;
    let operator = session.node.operator().clone();
    let reference = args.reference.clone();
    let command = Command::Deposit { account: account.clone(), amount: args.amount, reference };
    let entry = session.node.act(&operator, command)?;
    moved(&session, entry, &account, "was credited to", args.amount)
}

pub(super) fn moved(
    session: &Session,
    entry: u64,
    account: &AccountId,
    how: &str,
    amount: Amount,
) -> Result<Said, Failure> {
    let free = session.node.state().balances().at(&Place::User(account.clone()));
    let words = format!(
        "{} {how} {}: entry {entry}.\nfree now  {}\n",
        money(amount),
        session.name_and_id(account),
        money(free)
    );
    Said::new(json!({ "entry": entry, "account": account, "amount": amount, "free": free }), words)
}

pub(super) fn balance(args: &BalanceArgs) -> Result<Said, Failure> {
    let mut session = args.at.open()?;
    let accounts = match &args.who {
        Some(who) => vec![session.account(who)?],
        None => {
            let mut all: Vec<AccountId> = session.names.keys().cloned().collect();
            all.sort_by(|a, b| session.name(a).cmp(session.name(b)));
            all
        }
    };
    let mut words = format!("{:<24} {:>18}  {}\n", "account", "OPEN", "where");
    let mut rows: Vec<Value> = Vec::new();
    for account in &accounts {
        let held = held(&session, account);
        for (place, amount) in &held {
            let name = session.name(account);
            words.push_str(&format!("{name:<24} {:>18}  {}\n", open(amount.units()), place_in_words(place)));
        }
        let places: Value =
            held.iter().map(|(p, a)| (p.to_string(), json!(a))).collect::<serde_json::Map<_, _>>().into();
        rows.push(json!({ "account": account, "name": session.names.get(account), "places": places }));
    }
    Said::new(json!({ "accounts": rows }), words)
}

/// What an account holds and where; its free money in any case.
fn held(session: &Session, account: &AccountId) -> Vec<(Place, Amount)> {
    let balances = session.node.state().balances();
    let user = Place::User(account.clone());
    let mut held = vec![(user.clone(), balances.at(&user))];
    for net in session.node.state().datanets().keys() {
        let places =
            [Place::Accrued(net.clone(), account.clone()), Place::Bond(net.clone(), account.clone())];
        held.extend(places.into_iter().map(|p| (p.clone(), balances.at(&p))).filter(|(_, a)| !a.is_zero()));
    }
    held
}

/// What a place means to the one whose money is there.
pub(super) fn place_in_words(place: &Place) -> String {
    match place {
        Place::External => "outside".to_owned(),
        Place::User(_) => "free".to_owned(),
        Place::Accrued(net, _) => format!("earned in {net}, not proven yet"),
        Place::Bond(net, _) => format!("bond in {net}"),
        Place::Held(net) => format!("held for questions to {net}"),
        Place::Pool(net) => format!("pool of {net}"),
        Place::Reviews(net) => format!("reviewers' pay in {net}"),
        Place::Reward(net) => format!("rewards for value in {net}"),
    }
}
