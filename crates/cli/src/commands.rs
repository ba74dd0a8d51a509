//! The commands of a node: one file a stage. Each turns its flags into one document, and words for it.

mod account;
mod contribute;
mod datanet;
mod init;
mod key;
mod log;
mod receipt;
mod records;
mod report;
mod review;
mod serve;
mod session;
mod settle;
mod snapshot;
mod statement;
mod text;
mod train;
mod value;
mod verify;

use clap::Subcommand;
use serde::Serialize;
use serde_json::Value;

use crate::output::{Failure, print};

/// Commands that keep or read the books of a node.
#[derive(Subcommand)]
pub(crate) enum NodeCommand {
    /// Makes the home of a node and founds its log.
    Init(init::Args),
    /// Makes and lists the keys of a home.
    Key(key::Args),
    /// Creates and shows datanets.
    Datanet(datanet::Args),
    /// Offers a file of records; says at once what passed the gates and what did not, and why.
    Contribute(contribute::Args),
    /// Decides the records that the gates held.
    Review(review::Args),
    /// Freezes the records that have passed.
    Snapshot(snapshot::Args),
    /// Trains a model of the newest snapshot and prints its card.
    Train(train::Args),
    /// Measures what every record of the newest model is worth.
    Value(value::Args),
    /// Asks a paid question; shows the answer and the records that shaped it.
    Ask(serve::Args),
    /// Closes the open epoch: releases what is proven, takes what is lost.
    Settle(settle::Args),
    /// Says what an account was paid, and for what.
    Statement(statement::Args),
    /// Writes the report of a datanet, as a document and as a page.
    Report(report::Args),
    /// Records a payment that came in from outside.
    Deposit(account::DepositArgs),
    /// Pays money out.
    Withdraw(account::WithdrawArgs),
    /// Shows what accounts hold.
    Balance(account::BalanceArgs),
    /// Checks everything from public files only, as a stranger would.
    Verify(verify::Args),
    /// Checks receipts.
    Receipt(receipt::Args),
    /// Shows the entries of the log.
    Log(log::Args),
}

impl NodeCommand {
    /// Runs the command and prints its outcome.
    pub(crate) fn run(self) -> Result<(), Failure> {
        let (json, said) = match self {
            Self::Init(args) => (args.json, init::run(&args)?),
            Self::Key(args) => key::run(&args)?,
            Self::Datanet(args) => datanet::run(&args)?,
            Self::Contribute(args) => (args.at.json, contribute::run(&args)?),
            Self::Review(args) => review::run(&args)?,
            Self::Snapshot(args) => (args.at.json, snapshot::run(&args)?),
            Self::Train(args) => (args.at.json, train::run(&args)?),
            Self::Value(args) => (args.at.json, value::run(&args)?),
            Self::Ask(args) => (args.at.json, serve::run(&args)?),
            Self::Settle(args) => (args.at.json, settle::run(&args)?),
            Self::Statement(args) => (args.at.json, statement::run(&args)?),
            Self::Report(args) => (args.at.json, report::run(&args)?),
            Self::Deposit(args) => (args.at.json, account::deposit(&args)?),
            Self::Withdraw(args) => (args.at.json, account::withdraw(&args)?),
            Self::Balance(args) => (args.at.json, account::balance(&args)?),
            Self::Verify(args) => (args.json, verify::run(&args)?),
            Self::Receipt(args) => receipt::run(&args)?,
            Self::Log(args) => log::run(&args)?,
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
