//! The commands of a node: one file a stage. Each turns its flags into one document, and words for it.

mod account;
mod audit;
mod backup;
mod contribute;
mod datanet;
mod gate;
mod init;
mod key;
mod log;
mod migrate;
mod passphrase;
mod publish;
mod receipt;
mod records;
mod report;
mod review;
mod serve;
pub(crate) mod session;
mod settle;
mod snapshot;
mod statement;
mod text;
mod train;
mod value;
mod verdicts;
mod verify;
mod withdraw;
mod witness;

use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;

use crate::output::{Failure, print};

/// Commands that keep or read the books of a node. Their help is that of their flags, each in the file of its stage.
#[derive(Subcommand)]
pub(crate) enum NodeCommand {
    Init(init::Args),
    Key(key::Args),
    Datanet(datanet::Args),
    Gate(gate::Args),
    Contribute(contribute::Args),
    Review(review::Args),
    Snapshot(snapshot::Args),
    Train(train::Args),
    Value(value::Args),
    Audit(audit::Args),
    Ask(serve::Args),
    Settle(settle::Args),
    Statement(statement::Args),
    Report(report::Args),
    Deposit(account::DepositArgs),
    Withdraw(withdraw::Args),
    Balance(account::BalanceArgs),
    Publish(publish::Args),
    Verify(verify::Args),
    Receipt(receipt::Args),
    Log(log::Args),
    Witness(witness::Args),
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    Migrate(migrate::Args),
}

impl NodeCommand {
    /// Runs the command and prints its outcome.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let (json, said) = match self {
            Self::Init(args) => (args.json, init::run(&args)?),
            Self::Key(args) => key::run(&args)?,
            Self::Datanet(args) => datanet::run(&args)?,
            Self::Gate(args) => (args.at.json, gate::run(&args)?),
            Self::Contribute(args) => (args.at.json, contribute::run(&args)?),
            Self::Review(args) => review::run(&args)?,
            Self::Snapshot(args) => (args.at.json, snapshot::run(&args)?),
            Self::Train(args) => (args.at.json, train::run(&args)?),
            Self::Value(args) => (args.at.json, value::run(&args)?),
            Self::Audit(args) => (args.at.json, audit::run(&args)?),
            Self::Ask(args) => (args.at.json, serve::run(&args)?),
            Self::Settle(args) => (args.at.json, settle::run(&args)?),
            Self::Statement(args) => (args.at.json, statement::run(&args)?),
            Self::Report(args) => (args.at.json, report::run(&args)?),
            Self::Deposit(args) => (args.at.json, account::deposit(&args)?),
            Self::Withdraw(args) => (args.at.json, withdraw::run(&args)?),
            Self::Balance(args) => (args.at.json, account::balance(&args)?),
            Self::Publish(args) => (args.at.json, publish::run(&args)?),
            Self::Verify(args) => (args.json, verify::run(&args)?),
            Self::Receipt(args) => receipt::run(&args)?,
            Self::Log(args) => log::run(&args)?,
            Self::Witness(args) => witness::run(&args)?,
            Self::Backup(args) => (args.at.json, backup::backup(&args)?),
            Self::Restore(args) => (args.json, backup::restore(&args)?),
            Self::Migrate(args) => (args.json, migrate::run(&args)?),
        };
        match json {
            true => print(&text::json(&said.document)?),
            false => print(&said.words),
        }
    }
}

/// What a command has to say: as a document, and in words.
struct Said {
    document: Value,
    words: String,
}

impl Said {
    fn new(document: impl Serialize, words: String) -> Result<Self, Failure> {
        Ok(Self { document: serde_json::to_value(document).map_err(Failure::failed)?, words })
    }
}
