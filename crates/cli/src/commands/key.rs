//! `assay key`: keys of a home by name. Secrets stay in their files.

use assay_node::{LOG, OPERATOR};
use clap::Subcommand;
use serde_json::json;

use super::Said;
use super::session::{At, account_of, accounts, new_key};
use crate::output::Failure;

const EXAMPLES: &str = "\
Examples:
  assay key new alice
  assay key list";

/// Makes and lists the keys of a home.
///
/// A key acts for one account of the log, which is named after it. Commands take the key's name with --as.
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
}

pub(super) fn run(args: &Args) -> Result<(bool, Said), Failure> {
    match &args.action {
        Action::New { name, at } => Ok((at.json, new(name, at)?)),
        Action::List { at } => Ok((at.json, list(at)?)),
    }
}

fn new(name: &str, at: &At) -> Result<Said, Failure> {
    let account = account_of(&new_key(&at.home()?, name)?);
    Said::new(json!({ "name": name, "account": account }), format!("{name} opens the account {account}.\n"))
}

fn list(at: &At) -> Result<Said, Failure> {
    let home = at.home()?;
    let mut keys: Vec<_> = accounts(&home)?.into_iter().map(|(account, name)| (name, account)).collect();
    keys.sort();
    let role = |name: &str| if name == OPERATOR { "acts for this node" } else { "" };
    let mut words: String = keys
        .iter()
        .map(|(name, account)| format!("{name:<24} {account}  {}", role(name)).trim_end().to_owned() + "\n")
        .collect();
    words.push_str(&format!("{LOG:<24} {:<21}  signs checkpoints\n", "-"));
    let rows: Vec<_> =
        keys.iter().map(|(name, account)| json!({ "name": name, "account": account })).collect();
    Said::new(json!({ "keys": rows }), words)
}
