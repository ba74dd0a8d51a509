//! `assay verify`: a stranger's check of everything, from public files only.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use assay_node::{Trust, Verified, read_policy, verify, verify_at};
use assay_tlog::VerifierKey;
use assay_web::text::{count, plural_of};
use serde_json::json;

use super::Said;
use super::text::{open, time};
use crate::output::Failure;
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  assay verify ./node
  assay verify ./public --key data.example.org/main+1a2b3c4d+AQ...
  assay verify ./public --key log.vkey --json
  assay verify ./public --policy policy.txt
  assay verify http://data.example.org/log --key log.vkey --resume log.bookmark

Exit codes: 0 everything holds, 2 something does not (the first file that does not is named), 1 anything else.";

/// Checks everything from public files only, as a stranger would.
///
/// Reads tiles, checkpoint and tables; hashes every entry into the signed root, checks every signature, decides every
/// command again and compares each outcome to the last base unit. A URL is read as it is checked; with --resume, what
/// was verified before is not read again, after a line that broke or when the log has grown.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A public folder, the home of a node, or where public files are served: http://..., s3://...
    #[arg(value_name = "FOLDER|HOME|URL")]
    place: String,
    /// Key that must have signed the checkpoint, or a file with it [default: the one beside the files]
    #[arg(long, value_name = "VKEY")]
    key: Option<String>,
    /// Policy (c2sp.org/tlog-policy) whose quorum of witnesses must have cosigned the checkpoint
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Where to keep how far it came, to go on from there; for a URL
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Print one JSON document to stdout instead of words
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &Args) -> Result<Said, Failure> {
    let key = args.key.as_deref().map(log_key).transpose()?;
    let far = args.place.contains("://") && !args.place.starts_with("file://");
    let place = if far { args.place.clone() } else { folder(args)?.display().to_string() };
    let trust = args.policy.as_ref().map(|policy| trust(Some(policy), key.clone())).transpose()?;
    let cosigned = trust.map(|trust| trust.open_at(&place)).transpose()?;
    let mut progress = Progress::new(args.json);
    let verified = progress.stage("verify", "everything again, from public files", |stage| {
        let at = |done, total| stage.at(done as usize, total as usize);
        match far {
            true => verify_at(&place, key.as_ref(), args.resume.as_deref(), &at),
            false => verify(Path::new(&place), key.as_ref(), &at),
        }
    })?;
    let mut words = in_words(&verified, &place);
    let mut document = serde_json::to_value(&verified).map_err(Failure::failed)?;
    if let Some(cosigned) = cosigned {
        // The same file was read twice: a server could have swapped it in between.
        let head = &cosigned.checkpoint;
        if (head.size, head.root.to_string()) != (verified.size, verified.root) {
            return Err(Failure::refused("the checkpoint changed while it was verified").hint("try again"));
        }
        words.push_str(&cosigners(&cosigned.witnesses));
        document["witnesses"] = json!(cosigned.witnesses);
    }
    Said::new(document, words)
}

/// The public folder that is meant.
fn folder(args: &Args) -> Result<PathBuf, Failure> {
    let named = PathBuf::from(args.place.strip_prefix("file://").unwrap_or(&args.place));
    let home = named.join("assay.toml").is_file();
    let dir = if home { named.join("public") } else { named };
    if !dir.is_dir() {
        return Err(Failure::refused(format!("{} is no folder", dir.display()))
            .hint("name the public folder of a log, the home of a node, or a URL"));
    }
    match args.resume {
        Some(_) => Err(Failure::refused("--resume is for a URL")
            .hint("a folder is verified whole: each of its files must be accounted for")),
        None => Ok(dir),
    }
}

/// Who cosigned, and when.
pub(super) fn cosigners(witnesses: &[(String, u64)]) -> String {
    let line = |(name, seconds): &(String, u64)| {
        format!("witness  {name}, {} UTC\n", time(seconds.saturating_mul(1000)))
    };
    witnesses.iter().map(line).collect()
}

/// A policy, the key of a log, or both.
pub(super) fn trust(policy: Option<&PathBuf>, key: Option<VerifierKey>) -> Result<Trust, Failure> {
    match (policy, key) {
        (Some(policy), key) => Ok(Trust::policy(read_policy(policy)?, key)?),
        (None, Some(key)) => Ok(Trust::key(key)),
        (None, None) => Err(Failure::refused("no key of the log is given")
            .hint("give --key VKEY (the log's file log.vkey), --policy FILE, or the log's home with --home")),
    }
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

fn in_words(verified: &Verified, place: &str) -> String {
    let mut out = format!(
        "{} holds: {} of {}.\n\n",
        place,
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
