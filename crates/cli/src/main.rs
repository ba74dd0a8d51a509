//! The binary `assay`: what each record of a dataset is worth, and books that anyone can recompute.
//!
//! Flags are parsed ([`args`]), resolved once into the settings of a command, and never seen again.

mod appraise;
mod args;
mod commands;
mod demo;
mod output;
mod progress;
mod redteam;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    let outcome = match cli.command {
        args::Command::Demo(args) => demo::run(&args.resolve()),
        args::Command::Appraise(args) => args.resolve().and_then(|settings| appraise::run(&settings)),
        args::Command::Redteam(args) => args.resolve().and_then(|settings| redteam::run(&settings)),
        args::Command::Node(command) => command.run(),
    };
    output::finish(outcome)
}
