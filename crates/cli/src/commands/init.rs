//! `assay init`: the home of a node and the first entry of its log.

use std::fs;
use std::path::PathBuf;

use assay_node::{Home, Node};
use serde_json::json;

use super::{Said, passphrase};
use crate::output::Failure;

const EXAMPLES: &str = "\
Examples:
  assay init ./node
  assay init /srv/assay --origin data.example.org/main";

/// Makes the home of a node and founds its log.
///
/// DIR gets keys (readable by you only, and sealed where ASSAY_PASSPHRASE or ASSAY_PASSPHRASE_FILE says under what), the
/// event store, and public/ with the files that strangers verify.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder to make; must not exist or be empty
    dir: PathBuf,
    /// Name of the log in every checkpoint and signature, such as example.org/my-log [default: one that no other log has]
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// Print one JSON document to stdout instead of words
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &Args) -> Result<Said, Failure> {
    let home = Home::init_under(&args.dir, args.origin.as_deref(), passphrase::given()?)?;
    let node = Node::found(home)?;
    let dir =
        fs::canonicalize(&args.dir).map_err(|e| Failure::failed(format!("{}: {e}", args.dir.display())))?;
    let (public, operator) = (dir.join("public"), node.account_of(node.operator()));
    let words = format!(
        "The log {origin} is founded in {dir}.\n\
         operator  {operator}\n\
         log key   {key}\n\
         public    {public}\n\n\
         Keep {dir}/keys and {dir}/private to yourself; publish {public}.\n\
         Next: export ASSAY_HOME={dir}, then `assay datanet create CHARTER.toml --valid FILE --test FILE`.\n",
        origin = node.home().origin(),
        key = node.log_key(),
        public = public.display(),
        dir = dir.display(),
    );
    let document = json!({
        "home": dir,
        "origin": node.home().origin(),
        "operator": operator,
        "log_key": node.log_key().to_string(),
        "public": public,
        "entries": node.state().size(),
    });
    Said::new(document, words)
}
