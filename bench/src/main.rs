//! Measuring tools, one subcommand each. What they write, scripts under `bench/` compare with references.

mod answers;
mod data;
mod evidence;
mod log;
mod methods;
mod npy;
mod path;
mod retrain;
mod scaling;
mod settle;

use clap::Parser;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Parser)]
enum Command {
    /// Attribution of answers: agreement with retraining, and time.
    Answers(answers::Args),
    /// Curation of a community whose truth is known.
    Evidence(evidence::Args),
    /// Durable events a second, beside bare databases.
    Log(log::Args),
    /// Values by the path, with inputs and CPU time.
    Path(path::Args),
    /// Values by any method.
    Methods(methods::Args),
    /// Retrainings per second.
    Retrain(retrain::Args),
    /// Paying contributors for many answers, beside SQLite.
    Settle(settle::Args),
    /// What values of made-up records cost, by their number.
    Scaling(scaling::Args),
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::Answers(args) => answers::run(&args),
        Command::Evidence(args) => evidence::run(&args),
        Command::Log(args) => log::run(&args),
        Command::Path(args) => path::run(&args),
        Command::Methods(args) => methods::run(&args),
        Command::Retrain(args) => retrain::run(&args),
        Command::Scaling(args) => scaling::run(&args),
        Command::Settle(args) => settle::run(&args),
    }
}
