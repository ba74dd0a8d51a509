//! `assay verify`: a stranger's check of everything, from public files only.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use assay_node::{Verified, verify};
use assay_tlog::VerifierKey;
use assay_web::text::{count, plural_of};

use super::Said;
use super::text::open;
use crate::output::Failure;
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  assay verify ./node
  assay verify ./public --key data.example.org/main+1a2b3c4d+AQ...
  assay verify ./public --key log.vkey --json

Exit codes: 0 everything holds, 2 something does not (the first file that does not is named), 1 anything else.";

/// Checks everything from public files only, as a stranger would.
///
/// Reads tiles, checkpoint and tables; hashes every entry into the signed root, checks every signature, decides every
/// command again and compares each outcome to the last base unit.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A public folder, or the home of a node
    #[arg(value_name = "FOLDER|HOME")]
    dir: PathBuf,
    /// Key that must have signed the checkpoint, or a file with it [default: the one beside the files]
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
    /// Print one JSON document to stdout instead of words
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &Args) -> Result<Said, Failure> {
    let key = args.key.as_deref().map(log_key).transpose()?;
    let home = args.dir.join("assay.toml").is_file();
    let dir = if home { args.dir.join("public") } else { args.dir.clone() };
    if !dir.is_dir() {
        return Err(Failure::refused(format!("{} is no folder", dir.display()))
            .hint("name the public folder of a log, or the home of a node"));
    }
    let mut progress = Progress::new(args.json);
    let verified = progress.stage("verify", "everything again, from public files", |stage| {
        verify(&dir, key.as_ref(), &|done, total| stage.at(done as usize, total as usize))
    })?;
    let words = in_words(&verified, &dir);
    Said::new(verified, words)
}

/// A verifier key, written out or in a file.
pub(super) fn log_key(text: &str) -> Result<VerifierKey, Failure> {
    let found = match fs::read_to_string(Path::new(text)) {
        Ok(content) => content,
        Err(_) => text.to_owned(),
    };
    found.trim().parse().map_err(|e| {
        Failure::refused(format!("--key: {e}"))
            .hint("`assay log head` prints it; it is also the file log.vkey of a log")
    })
}

fn in_words(verified: &Verified, dir: &Path) -> String {
    let mut out = format!(
        "{} holds: {} of {}.\n\n",
        dir.display(),
        plural_of(verified.size, "entry", "entries"),
        verified.origin
    );
    let _ = writeln!(out, "Checked:");
    for check in &verified.checks {
        let _ = writeln!(out, "{:>10}  {}", count(check.count), check.what);
    }
    let _ = writeln!(out, "\nMoney at the end, OPEN (it sums to zero):");
    for (place, units) in &verified.balances {
        let _ = writeln!(out, "  {place:<10} {:>20}", open(units.parse::<i128>().unwrap_or_default()));
    }
    let _ = writeln!(out, "\nCannot be known from these files:");
    for unknown in &verified.cannot_know {
        let _ = writeln!(out, "  - {unknown}");
    }
    if verified.key_from_folder {
        let _ = writeln!(
            out,
            "  - whether {} is the right key: it came with the files; get it elsewhere and give --key",
            verified.key
        );
    }
    let _ = writeln!(out, "\nroot   {}\nstate  {}", verified.root, verified.state);
    out
}
