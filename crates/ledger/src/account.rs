//! Founding a log, accounts, and money from and to the world outside.

use assay_tlog::VerifierKey;

use crate::amount::{Amount, Place};
use crate::decide::View;
use crate::event::Outcome;
use crate::ids::{AccountId, Code, PublicKey};
use crate::key::require_unused;
use crate::limits::{AMOUNT_MAX, LOG_KEY_BYTES_MAX, ORIGIN_BYTES_MAX};
use crate::refusal::{Refusal, require, require_field};

pub(crate) fn decide_found(view: &View<'_>, log_key: &str) -> Result<Outcome, Refusal> {
    require(view.state.operator.is_none(), || {
        Refusal::rule("this log is founded already; open an account instead")
    })?;
    let origin = &view.state.origin;
    let plain = origin.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    require_field((1..=ORIGIN_BYTES_MAX).contains(&origin.len()) && plain, "origin", || {
        format!("must be 1 to {ORIGIN_BYTES_MAX} visible ASCII characters, such as `example.org/assay`")
    })?;
    let known = log_key.len() <= LOG_KEY_BYTES_MAX && log_key.parse::<VerifierKey>().is_ok();
    require_field(known, "log_key", || {
        format!("must be a verifier key `name+hash+base64` of at most {LOG_KEY_BYTES_MAX} bytes")
    })?;
    Ok(Outcome::default())
}

pub(crate) fn decide_open(view: &View<'_>, key: &PublicKey) -> Result<Outcome, Refusal> {
    require(view.state.operator.is_some(), || {
        Refusal::rule("this log is not founded yet; its first entry must be `found`")
    })?;
    require(!view.state.accounts.contains_key(view.actor), || {
        Refusal::rule(format!("account {} is open already", view.actor))
    })?;
    require_unused(view, key)?;
    Ok(Outcome::default())
}

pub(crate) fn decide_deposit(
    view: &View<'_>,
    account: &AccountId,
    amount: Amount,
    reference: &Code,
) -> Result<Outcome, Refusal> {
    view.require_operator()?;
    view.require_account(account)?;
    require_payment(view, amount, reference)?;
    let total = view.state.balances.total();
    require(total.checked_add(amount).is_some(), || {
        Refusal::rule(format!(
            "all money together may not pass {AMOUNT_MAX} base units, and {total} are there"
        ))
    })?;
    Ok(Outcome::moving([(Place::External, Place::User(account.clone()), amount)]))
}

pub(crate) fn decide_withdraw(view: &View<'_>, amount: Amount, reference: &Code) -> Result<Outcome, Refusal> {
    require_payment(view, amount, reference)?;
    view.spend(Place::External, amount)
}

fn require_payment(view: &View<'_>, amount: Amount, reference: &Code) -> Result<(), Refusal> {
    require_field(!amount.is_zero(), "amount", || "must be above zero".to_owned())?;
    require(view.state.references.get(reference.as_bytes()).is_none(), || {
        Refusal::rule(format!("payment {reference} is in the log already; a reference counts once"))
    })
}
