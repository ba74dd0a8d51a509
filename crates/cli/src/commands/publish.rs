//! `assay publish`: a static copy of the public files, for any file server.

use std::path::PathBuf;

use assay_node::{Copied, LOG_KEY, copy};
use assay_web::text::{count, plural_of};

use super::Said;
use super::session::At;
use super::verify::log_key;
use crate::output::Failure;

const EXAMPLES: &str = "\
Examples:
  assay publish /srv/www/log --home ./node
  assay publish ./copy --from ./public --key log.vkey

Exit codes: 0 the copy is whole, 2 the source or the copy is not what it should be, 1 anything else.";

/// Writes or grows a static copy: tiles, tables, and the checkpoint last.
///
/// Any file server then serves all that `assay verify` needs. Only what is new is read and written, each byte checked
/// against the signed root before; a run that was broken off is taken up where it stopped. A copy that this log does
/// not extend is left as it is.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Folder of the copy, made if it is not there
    #[arg(value_name = "FOLDER")]
    to: PathBuf,
    /// Public folder to copy [default: that of the home]
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// Key of the log, or a file with it [default: that of the source]
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
    #[command(flatten)]
    pub(super) at: At,
}

pub(super) fn run(args: &Args) -> Result<Said, Failure> {
    let from = match &args.from {
        Some(from) => from.clone(),
        None => args.at.home()?.public(),
    };
    let key = match &args.key {
        Some(key) => log_key(key)?,
        None => log_key(&from.join(LOG_KEY).display().to_string())?,
    };
    let copied = copy(&from, &args.to, &key)?;
    let Copied { from: had, size, tiles, tables } = copied;
    let words = format!(
        "{} has {} of {}, {} of them new: {} tiles and {} tables were written.\n",
        args.to.display(),
        plural_of(size, "entry", "entries"),
        key.name(),
        count(size - had),
        count(tiles),
        count(tables),
    );
    Said::new(copied, words)
}
