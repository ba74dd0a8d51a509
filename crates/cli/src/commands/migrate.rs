//! `assay migrate`: a node moves to other places.

use std::path::PathBuf;

use assay_node::Places;

use super::backup::held;
use super::{Said, passphrase};
use crate::output::Failure;

const EXAMPLES: &str = "\
Examples:
  assay migrate --from ./node --to postgres://assay@db/assay
  assay migrate --from ./node --to postgres://assay@db/assay --tables s3://private/main --public s3://public/main
  assay migrate --from ./node --to ./embedded";

/// Moves a node to other places, once and for good.
///
/// Stop every node of the log first. Log, vault and tables are copied and compared, the public files are made again from
/// them, and only then the settings are switched. A run that was killed goes on when the same command is given again.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Home of the node
    #[arg(long, value_name = "HOME")]
    from: PathBuf,
    /// A new home, or postgres://... for the log and the vault of this home
    #[arg(long, value_name = "HOME|URL")]
    to: String,
    /// Log and vault of a new home: a folder, or postgres://... [default: the home]
    #[arg(long, value_name = "PLACE")]
    store: Option<String>,
    /// All tables: a folder, or s3://BUCKET/PREFIX [default: the home]
    #[arg(long, value_name = "PLACE")]
    tables: Option<String>,
    /// Public files: a folder, or s3://BUCKET/PREFIX [default: the home]
    #[arg(long, value_name = "PLACE")]
    public: Option<String>,
    /// Print one JSON document to stdout instead of words
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &Args) -> Result<Said, Failure> {
    let (dir, store) = match (args.to.contains("://"), &args.store) {
        (true, None) => (args.from.clone(), Some(args.to.clone())),
        (true, Some(_)) => {
            return Err(Failure::refused("--to names the store already").hint("leave --store out"));
        }
        (false, store) => (PathBuf::from(&args.to), store.clone()),
    };
    let places = Places { store, tables: args.tables.clone(), public: args.public.clone() };
    let migrated = assay_node::migrate(&args.from, &dir, places, passphrase::of(&args.from)?)?;
    let words = format!(
        "{} is the home now.\n{}\nstate  {}\n",
        dir.display(),
        held(&migrated.transferred),
        migrated.state
    );
    Said::new(migrated, words)
}
