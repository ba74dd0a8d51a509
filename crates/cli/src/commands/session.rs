//! An open node, and the names that people use for what is in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assay_ledger::ids::{AccountId, DatanetId};
use assay_ledger::state::State;
use assay_node::{Home, LOG, Node, NodeError};
use ed25519_dalek::SigningKey;

use super::passphrase;
use crate::output::{Failure, warn_if_exposed};

/// Flags that every command of a node has.
#[derive(clap::Args)]
pub(super) struct At {
    /// Home of the node
    #[arg(long, env = "ASSAY_HOME", value_name = "DIR", hide_env_values = true)]
    pub(super) home: Option<PathBuf>,
    /// Print one JSON document to stdout instead of words
    #[arg(long)]
    pub(super) json: bool,
}

impl At {
    /// The folder of the home.
    pub(super) fn dir(&self) -> Result<&PathBuf, Failure> {
        named(self.home.as_ref())
    }

    /// That home for whoever needs the public halves of its keys only: nobody is asked for a passphrase.
    pub(super) fn public_home(&self) -> Result<Home, Failure> {
        public_home(self.dir()?)
    }

    /// The home that the flags or the environment name.
    pub(super) fn home(&self) -> Result<Home, Failure> {
        home(self.home.as_ref())
    }

    /// Opens the node.
    pub(super) fn open(&self) -> Result<Session, Failure> {
        Session::open(self.home.as_ref())
    }
}

fn named(dir: Option<&PathBuf>) -> Result<&PathBuf, Failure> {
    dir.ok_or_else(|| {
        Failure::refused("no home is named")
            .hint("give --home DIR or set ASSAY_HOME; `assay init DIR` makes a home")
    })
}

fn home(dir: Option<&PathBuf>) -> Result<Home, Failure> {
    let dir = named(dir)?;
    Ok(public_home(dir)?.under(passphrase::of(dir)?))
}

fn public_home(dir: &Path) -> Result<Home, Failure> {
    let home = Home::open(dir)?;
    home.key_files()?.iter().for_each(|file| warn_if_exposed(file));
    Ok(home)
}

/// Accounts of the keys of a home. The key that signs checkpoints opens none.
pub(super) fn names(home: &Home, state: &State) -> Result<BTreeMap<AccountId, String>, Failure> {
    let names = home.key_names()?.into_iter().filter(|name| name != LOG);
    names.map(|name| Ok((state.account_of(&home.public_key(&name)?), name))).collect()
}

/// An open node and the names of the keys beside it.
pub(crate) struct Session {
    pub(crate) node: Node,
    pub(super) names: BTreeMap<AccountId, String>,
}

impl Session {
    /// Opens the node of a home.
    pub(crate) fn open(dir: Option<&PathBuf>) -> Result<Self, Failure> {
        let node = Node::open(home(dir)?)?;
        let names = names(node.home(), node.state())?;
        Ok(Self { node, names })
    }

    /// The key to act with.
    pub(super) fn key(&self, name: &str) -> Result<SigningKey, Failure> {
        match self.names.values().any(|known| known == name) {
            true => Ok(self.node.home().key(name)?),
            false => Err(unknown_key(name)),
        }
    }

    /// The key to act with, made now if there is none.
    pub(super) fn key_or_new(&mut self, name: &str) -> Result<SigningKey, Failure> {
        if !self.names.values().any(|known| known == name) {
            let key = new_key(self.node.home(), name)?;
            self.names.insert(self.node.account_of(&key), name.to_owned());
        }
        self.key(name)
    }

    /// The account of a key's name, opened if it is not, or of an account id.
    pub(super) fn account(&mut self, who: &str) -> Result<AccountId, Failure> {
        if self.names.values().any(|known| known == who) {
            let key = self.key(who)?;
            return Ok(self.node.account(&key)?);
        }
        let account: AccountId = who.parse().map_err(|_| unknown_key(who))?;
        match self.node.state().accounts().contains_key(&account) {
            true => Ok(account),
            false => Err(Failure::refused(format!("no account {account} is open in this log"))),
        }
    }

    /// The account of a key's name, open or not, or of an account id.
    pub(super) fn known(&self, who: &str) -> Result<AccountId, Failure> {
        match self.names.iter().find(|(_, name)| *name == who) {
            Some((account, _)) => Ok(account.clone()),
            None => who.parse().map_err(|_| unknown_key(who)),
        }
    }

    /// The datanet of that name, or the only one.
    pub(crate) fn net(&self, name: Option<&str>) -> Result<DatanetId, Failure> {
        if let Some(name) = name {
            let net: DatanetId = name.parse().map_err(Failure::refused)?;
            self.node.datanet(&net)?;
            return Ok(net);
        }
        let mut nets = self.node.state().datanets().keys();
        match (nets.next(), nets.next()) {
            (Some(only), None) => Ok(only.clone()),
            (None, _) => Err(Failure::refused("there is no datanet yet")
                .hint("create one with `assay datanet create CHARTER.toml --valid FILE --test FILE`")),
            (Some(_), Some(_)) => {
                let all: Vec<&str> = self.node.state().datanets().keys().map(DatanetId::as_str).collect();
                Err(Failure::refused("there are several datanets")
                    .hint(format!("name one with --net: {}", all.join(", "))))
            }
        }
    }

    /// A refusal as a person here reads it: accounts by the names of their keys.
    pub(super) fn explain(&self, mut error: NodeError) -> Failure {
        for (account, name) in &self.names {
            error.what = error.what.replace(account.as_str(), name);
        }
        error.into()
    }

    /// The name of an account's key here, else its id.
    pub(crate) fn name<'a>(&'a self, account: &'a AccountId) -> &'a str {
        self.names.get(account).map_or(account.as_str(), String::as_str)
    }

    /// Name and id of an account.
    pub(super) fn name_and_id(&self, account: &AccountId) -> String {
        match self.names.get(account) {
            Some(name) => format!("{name} ({account})"),
            None => account.to_string(),
        }
    }
}

/// Makes a key; a name that reads as an account would hide that account.
pub(super) fn new_key(home: &Home, name: &str) -> Result<SigningKey, Failure> {
    match name == LOG || name.parse::<AccountId>().is_ok() {
        true => Err(Failure::refused(format!("{name} cannot name a key of yours"))
            .hint("choose a name that is neither `log` nor an account id")),
        false => Ok(home.create_key(name)?),
    }
}

fn unknown_key(name: &str) -> Failure {
    let what = match name == LOG {
        true => "the key log signs checkpoints and opens no account".to_owned(),
        false => format!("there is no key {name:?} in this home"),
    };
    Failure::refused(what).hint("`assay key list` shows the keys, `assay key new NAME` makes one")
}
