//! Flags: one definition each, resolved once.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::appraise::args::AppraiseArgs;
use crate::commands::NodeCommand;
use crate::demo;
use crate::redteam::args::RedteamArgs;

/// What each record of a dataset is worth, in bits, and books of it that anyone can recompute.
#[derive(Parser)]
#[command(name = "assay", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Appraise(Box<AppraiseArgs>),
    /// Walks a community of known behaviour through the whole path, on bundled handwritten digits.
    Demo(DemoArgs),
    Redteam(Box<RedteamArgs>),
    #[command(flatten)]
    Node(Box<NodeCommand>),
}

const DEMO_EXAMPLES: &str = "\
Examples:
  assay demo
  assay demo --home /tmp/demo --seed 7
  assay verify assay-demo/public";

/// Walks a community of known behaviour through the whole path, on bundled handwritten digits.
///
/// Twenty names (honest ones, one actor behind five of them, noisy ones, copiers, a benchmark leaker ...) send
/// images to a new datanet. They are gated, reviewed, frozen, trained on and valued; a consumer pays for answers;
/// the epoch is settled and published; and a stranger verifies it all. The truth about the names only labels the
/// table at the end.
#[derive(Args)]
#[command(after_help = DEMO_EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Where to put the node's home; an earlier demonstration there is replaced
    #[arg(long, value_name = "DIR", default_value = "assay-demo")]
    home: PathBuf,
    /// Seed of the community
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Paid questions
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=4000))]
    queries: u16,
    /// Print one JSON document instead of the table
    #[arg(long)]
    json: bool,
}

impl DemoArgs {
    /// Flags to settings.
    pub(crate) fn resolve(self) -> demo::Settings {
        demo::Settings {
            home: self.home,
            seed: self.seed,
            queries: usize::from(self.queries),
            json: self.json,
        }
    }
}
