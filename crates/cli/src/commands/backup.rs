//! `assay backup` and `assay restore`: a consistent copy of a home, and a home from it.

use std::path::PathBuf;

use assay_node::Transferred;
use assay_web::text::{count, plural, plural_of};

use super::session::At;
use super::{Said, passphrase};
use crate::output::Failure;

const BACKUP_EXAMPLES: &str = "\
Examples:
  assay backup ./backup
  assay backup ./backup-at-1000 --size 1000
  assay backup ./backup --home /srv/assay --json";

/// Copies everything that a node keeps into a folder, while it works.
///
/// Run again on the same folder it adds what is new and erases what was erased. The copy holds keys and private records:
/// guard it like the home.
#[derive(clap::Args)]
#[command(after_help = BACKUP_EXAMPLES)]
pub(crate) struct BackupArgs {
    /// Folder of the backup: absent, empty, or an older backup of this home
    dir: PathBuf,
    /// Only the first N entries of the log [default: all]
    #[arg(long, value_name = "N")]
    size: Option<u64>,
    #[command(flatten)]
    pub(super) at: At,
}

const RESTORE_EXAMPLES: &str = "\
Examples:
  assay restore ./backup ./node
  assay restore ./backup ./node --published /srv/www/log
  assay restore ./backup ./node --published s3://assay-public/main";

/// Makes a home from a backup.
///
/// If more was published than the backup holds, or nobody knows, the home only shows what it holds: a node that went on from
/// there would write a second history beside the one that strangers have seen.
#[derive(clap::Args)]
#[command(after_help = RESTORE_EXAMPLES)]
pub(crate) struct RestoreArgs {
    /// The backup
    backup: PathBuf,
    /// Folder to make; must not exist or be empty
    dir: PathBuf,
    /// Where the log is published: a folder, or s3://BUCKET/PREFIX [default: where the node of the backup published]
    #[arg(long, value_name = "PLACE")]
    published: Option<String>,
    /// Print one JSON document to stdout instead of words
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn backup(args: &BackupArgs) -> Result<Said, Failure> {
    let made = assay_node::backup(&args.at.home()?, &args.dir, args.size)?;
    let dir = args.dir.display();
    let words = format!(
        "{dir} is a backup.\n{}\nGuard it like the home: it holds keys and private records.\n",
        held(&made)
    );
    Said::new(made, words)
}

pub(super) fn restore(args: &RestoreArgs) -> Result<Said, Failure> {
    let restored = assay_node::restore(
        &args.backup,
        &args.dir,
        args.published.as_deref(),
        passphrase::of(&args.backup)?,
    )?;
    let published = match (restored.published, restored.frozen) {
        (Some(size), false) => format!("The published log has {}: this node can go on.", entries(size)),
        (Some(size), true) => format!(
            "The published log has {}, more than the backup: this home only shows what it holds.",
            entries(size)
        ),
        (None, _) => "Nobody knows what was published: this home only shows what it holds.\n  hint: name the place with --published, into a new folder".to_owned(),
    };
    let words = format!("{} is a home.\n{}\n{published}\n", args.dir.display(), held(&restored.transferred));
    Said::new(restored, words)
}

/// What was transferred, in words.
pub(super) fn held(done: &Transferred) -> String {
    format!(
        "{}, of which {} signed, root {}\n{}, {}, {}; both sides read and found equal",
        entries(done.entries),
        count(done.signed),
        done.root,
        plural(done.records, "private record"),
        plural(done.secrets, "secret"),
        plural(done.tables, "table"),
    )
}

fn entries(count: u64) -> String {
    plural_of(count, "entry", "entries")
}
