//! `assay publish`: a static copy of the public files, for any file server.

use assay_node::{Copied, copy, key_at};
use assay_web::text::{count, plural_of};

use super::Said;
use super::session::At;
use super::verify::log_key;
use crate::output::Failure;

const EXAMPLES: &str = "\
Examples:
  assay publish /srv/www/log --home ./node
  assay publish ./copy --from ./public --key log.vkey
  assay publish s3://bucket/log

Exit codes: 0 the copy is whole, 2 the source or the copy is not what it should be, 1 anything else.";

/// Writes or grows a static copy: tiles, tables, and the checkpoint last.
///
/// Any file server or bucket then serves all that `assay verify` needs. Only what is new is read and written, each byte checked
/// against the signed root before; a run that was broken off is taken up where it stopped. A copy that this log does
/// not extend is left as it is.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where the copy is: a folder, made if it is not there, or s3://BUCKET/PREFIX in builds that have it
    #[arg(value_name = "FOLDER|URL")]
    to: String,
    /// Public files to copy, in a folder or s3://BUCKET/PREFIX [default: those of the home]
    #[arg(long, value_name = "FOLDER|URL")]
    from: Option<String>,
    /// Key of the log, or a file with it [default: that of the source]
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
    #[command(flatten)]
    pub(super) at: At,
}

pub(super) fn run(args: &Args) -> Result<Said, Failure> {
    let from = match &args.from {
        Some(from) => from.clone(),
        None => args.at.home()?.public_address(),
    };
    let key = match &args.key {
        Some(key) => log_key(key)?,
        None => key_at(&from)?,
    };
    let copied = copy(&from, &args.to, &key)?;
    let Copied { from: had, size, tiles, tables } = copied;
    let words = format!(
        "{} has {} of {}, {} of them new: {} tiles and {} tables were written.\n",
        args.to,
        plural_of(size, "entry", "entries"),
        key.name(),
        count(size - had),
        count(tiles),
        count(tables),
    );
    Said::new(copied, words)
}
