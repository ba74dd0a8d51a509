//! `assay contribute`: a file of records in, verdicts and a receipt out.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use assay_ledger::charter::Charter;
use assay_ledger::ids::DatanetId;
use assay_node::records::Place;
use assay_node::task::Record;
use assay_node::{Contributed, VerdictRow, declare, mask, unmasked};
use assay_web::text::{count, cut, plural};
use serde_json::{Value, json};

use super::Said;
use super::records::{self, Rows};
use super::session::{At, Session};
use super::verdicts::Verdicts;
use crate::output::Failure;
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  assay contribute mine.jsonl --net intents --as alice
  assay contribute mine.csv.gz --as bob --receipt bob-receipt.json
  assay contribute letters.jsonl --as bob --mask
  assay contribute mine.jsonl --as alice --licence CC-BY-4.0 --consent";
/// Offers a file of records; says at once what passed the gates and what did not, and why.
///
/// FILE is JSON Lines or CSV (also .gz and .zst) or Parquet, with the columns that the charter names. Content stays
/// in this home; the log gets salted commitments to it. The receipt proves, offline, that the records are in the
/// log, and opens their commitments: keep it, and keep it to yourself.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The records
    file: PathBuf,
    /// Datanet [default: the only one]
    #[arg(long, value_name = "NET")]
    net: Option<String>,
    /// Who offers them: name of a key, made if there is none
    #[arg(long = "as", value_name = "NAME")]
    actor: String,
    /// Replace e-mail addresses, numbers of cards, accounts, telephones and identities, public network addresses and
    /// secrets in texts by what they are, before anything is signed
    #[arg(long)]
    mask: bool,
    #[command(flatten)]
    declared: Declared,
    /// Where to write the receipt; large files make several, name-2, name-3, ... [default: in the home]
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    #[command(flatten)]
    pub(super) at: At,
}

/// What is said of records that do not say it themselves.
#[derive(clap::Args)]
pub(super) struct Declared {
    /// Say of records that name no licence that they are given under this one, such as CC-BY-4.0: yours to give
    #[arg(long, value_name = "LICENCE")]
    licence: Option<String>,
    /// Say of records that do not say so that those whom they concern consent
    #[arg(long)]
    consent: bool,
}

impl Declared {
    /// Fills the fields in that `charter` reads.
    pub(super) fn fill(&self, charter: &Charter, rows: &mut Rows) -> Result<(), Failure> {
        declare(charter, self.licence.as_deref(), self.consent, &mut rows.records)?;
        let from = &charter.provenance;
        let said = [(self.licence.is_some(), &from.licence), (self.consent, &from.consent)];
        rows.columns.extend(said.into_iter().filter(|(said, _)| *said).map(|(_, column)| column.clone()));
        Ok(())
    }
}

pub(super) fn run(args: &Args) -> Result<Said, Failure> {
    let mut progress = Progress::new(args.at.json);
    let mut rows = records::read(&args.file)?;
    let mut session = args.at.open()?;
    let net = session.net(args.net.as_deref())?;
    let charter = &session.node.datanet(&net)?.charter;
    args.declared.fill(charter, &mut rows)?;
    check_columns(charter, &args.file, &rows.columns)?;
    if let Some(path) = args.receipt.as_ref().filter(|path| path.exists()) {
        return Err(Failure::refused(format!("{} exists already", path.display())).hint("name another file"));
    }
    let masked = masked(args, charter, &mut rows.records)?;
    let key = session.key_or_new(&args.actor)?;
    let sent = progress
        .stage("contribute", "commit, sign, log", |_| session.node.contribute(&key, &net, &rows.records));
    let sent = sent.map_err(|e| session.explain(e))?;
    let receipts = save(&session, &net, &sent, args.receipt.as_deref())?;
    progress.stage("gate", "schema, copies, overlap with the benchmark", |_| session.node.gate(&net))?;
    let verdicts = verdicts(&session, &net, &sent, &rows.places)?;
    let mut words = in_words(args, &net, &rows.places, &verdicts, &receipts);
    if args.mask {
        let _ = writeln!(words, "Personal data were taken out of {}.", plural(masked as u64, "record"));
    }
    let parts = sent.iter().zip(&receipts);
    let parts: Vec<Value> = parts
        .map(|(part, path)| json!({ "entry": part.seq, "records": part.openings.len(), "receipt": path }))
        .collect();
    let document = json!({
        "datanet": net,
        "account": session.node.account_of(&key),
        "records": rows.records.len(),
        "masked": masked,
        "contributions": parts,
        "verdicts": verdicts,
    });
    Said::new(document, words)
}

/// Masks the records where that was asked for; how many changed. Refuses what the charter wants masked.
fn masked(args: &Args, charter: &Charter, records: &mut [Record]) -> Result<usize, Failure> {
    if args.mask {
        return Ok(mask(&charter.task, records));
    }
    match unmasked(charter, records) {
        0 => Ok(0),
        n => Err(Failure::refused(format!(
            "{} of {} show personal data or secrets, which {} takes masked only",
            count(n as u64),
            plural(records.len() as u64, "record"),
            charter.datanet
        ))
        .hint("add --mask, or take them out of the file (`assay gate` shows where); nothing was offered")),
    }
}

/// A file without a column that the charter reads would only fill the log with rejections.
pub(super) fn check_columns(charter: &Charter, file: &Path, columns: &[String]) -> Result<(), Failure> {
    let Charter { task, provenance, datanet: net, .. } = charter;
    let named = task.text.iter().chain(&task.features).chain([&task.label]);
    let mut read = named.chain(provenance.columns());
    match read.find(|name| !columns.contains(name)) {
        Some(missing) => {
            Err(Failure::refused(format!("{} has no column {missing:?}, which {net} reads", file.display()))
                .hint(format!(
                    "rename it in the file, which has {}; nothing was offered",
                    cut(&columns.join(", "), 200)
                )))
        }
        None => Ok(()),
    }
}

/// Writes a receipt for each part, before the gates: the records are in the log by now whatever comes.
fn save(
    session: &Session,
    net: &DatanetId,
    sent: &[Contributed],
    chosen: Option<&Path>,
) -> Result<Vec<PathBuf>, Failure> {
    let folder = session.node.home().receipts();
    fs::create_dir_all(&folder).map_err(|e| Failure::failed(format!("{}: {e}", folder.display())))?;
    let path = |(i, part): (usize, &Contributed)| match chosen {
        Some(first) => numbered(first, i + 1),
        None => folder.join(format!("{net}-{}.json", part.seq)),
    };
    let paths: Vec<PathBuf> = sent.iter().enumerate().map(path).collect();
    for (part, path) in sent.iter().zip(&paths) {
        session.node.receipt(part.seq, part.openings.clone())?.save(path)?;
    }
    Ok(paths)
}

/// `name.json`, `name-2.json`, `name-3.json`, ...
fn numbered(first: &Path, number: usize) -> PathBuf {
    if number == 1 {
        return first.to_owned();
    }
    let part = |p: Option<&std::ffi::OsStr>| p.unwrap_or_default().to_string_lossy().into_owned();
    let extension = first.extension().map_or_else(String::new, |e| format!(".{}", e.to_string_lossy()));
    first.with_file_name(format!("{}-{number}{extension}", part(first.file_stem())))
}

fn verdicts(
    session: &Session,
    net: &DatanetId,
    sent: &[Contributed],
    places: &[Place],
) -> Result<Verdicts, Failure> {
    let mut all: Vec<VerdictRow> = Vec::with_capacity(places.len());
    for part in sent {
        all.extend(session.node.verdicts(net, part.seq)?);
    }
    Ok(Verdicts::of(
        all.into_iter().zip(places).map(|(row, place)| (row.verdict, row.reason, place.number())),
    ))
}

fn in_words(
    args: &Args,
    net: &DatanetId,
    places: &[Place],
    verdicts: &Verdicts,
    receipts: &[PathBuf],
) -> String {
    let mut out = format!(
        "{} offered to {net} by {}: {} passed, {} held, {} rejected.\n",
        plural(places.len() as u64, "record"),
        args.actor,
        count(verdicts.passed),
        count(verdicts.held),
        count(verdicts.rejected)
    );
    verdicts.write(&mut out, places);
    out.push('\n');
    for path in receipts {
        let _ = writeln!(out, "receipt  {}", path.display());
    }
    out.push_str("Keep it to yourself: it proves what you offered, and opens the commitments.\n");
    if verdicts.held > 0 {
        let _ = writeln!(out, "Held records wait for a reviewer: `assay review next --net {net}`.");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_of_a_large_file_are_numbered() {
        assert_eq!(numbered(Path::new("a/r.json"), 1), Path::new("a/r.json"));
        assert_eq!(numbered(Path::new("a/r.json"), 2), Path::new("a/r-2.json"));
        assert_eq!(numbered(Path::new("r"), 3), Path::new("r-3"));
    }
}
