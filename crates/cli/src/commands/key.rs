//! `assay key`: keys of a home by name, and which of them the log knows. Secrets stay in their files.

use std::path::{Path, PathBuf};

use assay_ledger::ids::{AccountId, PublicKey};
use assay_node::{Home, LOG, OPERATOR, Rekeyed, state_of};
use assay_web::text::plural;
use clap::Subcommand;
use ed25519_dalek::SigningKey;
use serde_json::json;

use super::session::{At, Session, names, new_key};
use super::{Said, passphrase};
use crate::output::{Failure, warn_if_exposed};

const EXAMPLES: &str = "\
Examples:
  assay key new alice
  assay key list
  assay key rotate alice
  ASSAY_PASSPHRASE_FILE=secret.txt assay key encrypt
  assay key recovery alice /media/stick/alice.recovery
  assay key recover alice /media/stick/alice.recovery";

/// Makes, lists, seals, replaces and recovers the keys of a home.
///
/// A key acts for one account of the log, which is named after its first key and keeps that name. Commands take the
/// key's name with --as. What a key signed stays valid when it is replaced; it signs nothing after that.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Makes a key; says which account it opens.
    New {
        /// 1 to 64 letters, digits, - and _
        name: String,
        #[command(flatten)]
        at: At,
    },
    /// Lists names and accounts of all keys.
    List {
        #[command(flatten)]
        at: At,
    },
    /// Seals all keys of the home under a passphrase.
    ///
    /// It is asked for, or taken from ASSAY_PASSPHRASE_FILE (a file) or ASSAY_PASSPHRASE; so is it by every command that opens
    /// the node from then on. Keys that are made later are sealed too. Whoever forgets it has lost the keys.
    Encrypt {
        #[command(flatten)]
        at: At,
    },
    /// Writes all keys of the home as they are, without a passphrase.
    Decrypt {
        #[command(flatten)]
        at: At,
    },
    /// Replaces a key by a new one; the account stays.
    Rotate {
        /// Name of the key
        name: String,
        #[command(flatten)]
        at: At,
    },
    /// Names a recovery key, which can take the account back when its key was stolen.
    ///
    /// FILE is made if it is not there; keep it away from this machine. Once an account has a recovery key, only that
    /// key can name the next one, so that a thief cannot.
    Recovery {
        /// Name of the account's key
        name: String,
        /// File of the recovery key
        file: PathBuf,
        /// File of the recovery key that the account has so far, if it has one
        #[arg(long, value_name = "FILE")]
        with: Option<PathBuf>,
        #[command(flatten)]
        at: At,
    },
    /// Takes an account back with its recovery key: a new key replaces whatever key it has.
    Recover {
        /// Name of the account's key here; or a new name, where it is lost
        name: String,
        /// File of the recovery key
        file: PathBuf,
        #[command(flatten)]
        at: At,
    },
}

pub(super) fn run(args: &Args) -> Result<(bool, Said), Failure> {
    match &args.action {
        Action::New { name, at } => Ok((at.json, new(name, at)?)),
        Action::List { at } => Ok((at.json, list(&at.public_home()?)?)),
        Action::Encrypt { at } => Ok((at.json, encrypt(at)?)),
        Action::Decrypt { at } => Ok((at.json, decrypt(at)?)),
        Action::Rotate { name, at } => Ok((at.json, rotate(name, &mut at.open()?)?)),
        Action::Recovery { name, file, with, at } => {
            Ok((at.json, recovery(name, file, with.as_deref(), &mut at.open()?)?))
        }
        Action::Recover { name, file, at } => Ok((at.json, recover(name, file, &mut at.open()?)?)),
    }
}

fn new(name: &str, at: &At) -> Result<Said, Failure> {
    let account = AccountId::of(&PublicKey::from(&new_key(&at.home()?, name)?));
    Said::new(json!({ "name": name, "account": account }), format!("{name} opens the account {account}.\n"))
}

/// Public halves say it all, so that no passphrase is needed.
fn list(home: &Home) -> Result<Said, Failure> {
    let state = state_of(home)?;
    let mut keys: Vec<_> = names(home, &state)?.into_iter().map(|(account, name)| (name, account)).collect();
    keys.sort();
    let (mut words, mut rows) = (String::new(), Vec::new());
    for (name, account) in keys {
        let key = home.public_key(&name)?;
        let replaced = state.accounts().get(&account).is_some_and(|now| *now != key);
        let recovery = state.recovery(&account);
        let role = match (replaced, name == OPERATOR) {
            (true, _) => "signs no more: the account has another key now",
            (false, true) => "acts for this node",
            (false, false) => "",
        };
        words += &(format!("{name:<24} {account}  {role}").trim_end().to_owned() + "\n");
        rows.push(json!({
            "name": name, "account": account, "key": key, "replaced": replaced, "recovery": recovery,
        }));
    }
    words += &format!("{LOG:<24} {:<21}  signs checkpoints\n", "-");
    Said::new(json!({ "keys": rows }), words)
}

fn encrypt(at: &At) -> Result<Said, Failure> {
    let passphrase = passphrase::new()?;
    // Some may be sealed already, by a run that was killed.
    let mut home = Home::open(at.dir()?)?.under(Some(passphrase.clone()));
    let count = home.rewrite_keys(Some(passphrase))?;
    Said::new(json!({ "sealed": count }), format!("{} sealed.\n", plural(count as u64, "key")))
}

fn decrypt(at: &At) -> Result<Said, Failure> {
    let count = at.home()?.rewrite_keys(None)?;
    Said::new(
        json!({ "plain": count }),
        format!("{} written without a passphrase.\n", plural(count as u64, "key")),
    )
}

fn rotate(name: &str, session: &mut Session) -> Result<Said, Failure> {
    let done = session.node.rotate_key(name)?;
    rekeyed(name, &done, "has a new key; the one before signs nothing more")
}

fn recovery(name: &str, file: &Path, with: Option<&Path>, session: &mut Session) -> Result<Said, Failure> {
    let by = match with {
        Some(path) => secret(path, session)?,
        None => session.key(name)?,
    };
    let account = session.node.account_of(&by);
    if session.known(name)? != account {
        return Err(Failure::refused(format!("the key in --with is not one of {name}")));
    }
    if with.is_none() && session.node.state().recovery(&account).is_some() {
        return Err(Failure::refused(format!("{name} has a recovery key already"))
            .hint("only that one can name the next: give its file with --with"));
    }
    let recovery = match file.exists() {
        true => secret(file, session)?,
        false => session.node.home().create_key_at(file)?,
    };
    let done = session.node.set_recovery(&by, &recovery)?;
    rekeyed(name, &done, &format!("can be taken back with {}; keep that file elsewhere", file.display()))
}

fn recover(name: &str, file: &Path, session: &mut Session) -> Result<Said, Failure> {
    let recovery = secret(file, session)?;
    if let Some(other) = session.names.get(&session.node.account_of(&recovery)).filter(|other| *other != name)
    {
        return Err(Failure::refused(format!("the key of that account is called {other} here")));
    }
    let done = session.node.recover_key(name, &recovery)?;
    rekeyed(name, &done, "has a new key; whoever had the one before signs nothing more")
}

/// The key in a file that a person names.
fn secret(file: &Path, session: &Session) -> Result<SigningKey, Failure> {
    warn_if_exposed(file);
    Ok(session.node.home().key_at(file)?)
}

fn rekeyed(name: &str, done: &Rekeyed, what: &str) -> Result<Said, Failure> {
    let words = format!("{name} ({}) {what}: entry {}.\n", done.account, done.entry);
    Said::new(json!({ "name": name, "account": done.account, "key": done.key, "entry": done.entry }), words)
}
