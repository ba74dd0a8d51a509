//! `assay gate`: what the gates would say of a file; nothing is offered.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use assay_ledger::charter::Charter;
use assay_ledger::ids::AccountId;
use assay_node::records::Place;
use assay_node::task::Record;
use assay_node::{NodeError, Original, Rehearsed, claimed, rehearse};
use assay_web::text::{count, cut, plural};
use serde_json::{Value, json};

use super::contribute::{Declared, check_columns};
use super::records::Rows;
use super::session::At;
use super::verdicts::Verdicts;
use super::{Said, records};
use crate::output::Failure;
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  assay gate mine.jsonl --net intents                 before `assay contribute mine.jsonl`
  assay gate mine.csv --charter charter.toml --valid valid.jsonl --test test.jsonl
  assay gate mine.jsonl --net intents --out verdicts.jsonl

docs/GATES.md lists every gate.";
/// Records shown with the words that a verdict rests on.
const SHOWN: usize = 5;
/// Characters of a text shown.
const TEXT_CHARS: usize = 60;

/// Says what the gates would say of every record of a file, and why; offers and writes nothing.
///
/// Against a datanet of this home with all that it holds, or by a charter alone. Of the sealed benchmark nothing is shown
/// but that a record resembles it. In a datanet, a dry run is for those who keep its home: with answers to any number of
/// questions, anybody else could search for the benchmark.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The records
    file: PathBuf,
    /// Datanet [default: the only one]
    #[arg(long, value_name = "NET", conflicts_with = "charter")]
    net: Option<String>,
    /// Who would offer them: name of a key or account, whose record so far counts
    #[arg(long = "as", value_name = "NAME", conflicts_with = "charter")]
    actor: Option<String>,
    /// A charter, TOML, instead of a datanet
    #[arg(long, value_name = "FILE")]
    charter: Option<PathBuf>,
    /// Rows that would measure value
    #[arg(long, value_name = "FILE", requires = "charter")]
    valid: Option<PathBuf>,
    /// Rows that would report scores
    #[arg(long, value_name = "FILE", requires = "charter")]
    test: Option<PathBuf>,
    /// Where to write one verdict a line, JSON; must not exist
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    declared: Declared,
    #[command(flatten)]
    pub(super) at: At,
}

pub(super) fn run(args: &Args) -> Result<Said, Failure> {
    let mut progress = Progress::new(args.at.json);
    let mut rows = records::read(&args.file)?;
    if let Some(path) = args.out.as_ref().filter(|path| path.exists()) {
        return Err(Failure::refused(format!("{} exists already", path.display())).hint("name another file"));
    }
    let (against, judged) = match &args.charter {
        Some(path) => by_charter(args, path, &mut rows, &mut progress)?,
        None => by_datanet(args, &mut rows, &mut progress)?,
    };
    let each: Vec<Value> =
        judged.verdicts.iter().zip(&rows.places).map(|(v, place)| verdict(v, *place, &rows.places)).collect();
    if let Some(path) = &args.out {
        let lines: String = each.iter().map(|v| format!("{v}\n")).collect();
        fs::write(path, lines).map_err(|e| Failure::failed(format!("{}: {e}", path.display())))?;
    }
    let codes = judged.verdicts.iter().zip(&rows.places).map(|(v, place)| {
        let verdict = v.finding.verdict;
        (verdict.code().to_owned(), verdict.reason().map(|r| r.code().to_owned()), place.number())
    });
    let verdicts = Verdicts::of(codes);
    let words = in_words(args, &against, &rows, &judged, &verdicts);
    let document = json!({
        "against": against,
        "records": rows.records.len(),
        "us_per_record": judged.us_per_record,
        "verdicts": verdicts,
        "each": each,
    });
    Said::new(document, words)
}

/// What the gates said, and what a record cost.
struct Judged {
    verdicts: Vec<Rehearsed>,
    us_per_record: f64,
    charter: Charter,
}

impl Judged {
    fn timed(
        charter: &Charter,
        run: impl FnOnce() -> Result<Vec<Rehearsed>, NodeError>,
    ) -> Result<Self, Failure> {
        let start = Instant::now();
        let verdicts = run()?;
        let us_per_record = start.elapsed().as_secs_f64() * 1e6 / verdicts.len().max(1) as f64;
        Ok(Self { verdicts, us_per_record, charter: charter.clone() })
    }

    fn text_of<'r>(&self, record: &'r Record) -> Option<&'r str> {
        record.get(self.charter.task.text.as_ref()?)?.as_str()
    }

    /// The field that a verdict rests on, with what the record says there.
    fn claim_of(&self, verdict: &Rehearsed, record: &Record) -> Option<String> {
        let column = claimed(&self.charter, verdict.finding.verdict.reason()?)?;
        Some(match record.get(column) {
            Some(value) => format!("{column}: {}", cut(&value.to_string(), TEXT_CHARS)),
            None => format!("no {column}"),
        })
    }
}

fn by_charter(
    args: &Args,
    path: &PathBuf,
    rows: &mut Rows,
    progress: &mut Progress,
) -> Result<(String, Judged), Failure> {
    let refused = |e: &dyn std::fmt::Display| Failure::refused(format!("{}: {e}", path.display()));
    let text = fs::read_to_string(path).map_err(|e| refused(&e))?;
    let charter =
        Charter::parse(&text).map_err(|e| refused(&e).hint("docs/CHARTER.md explains every field"))?;
    args.declared.fill(&charter, rows)?;
    check_columns(&charter, &args.file, &rows.columns)?;
    let mut sealed: Vec<Record> = Vec::new();
    for fold in args.valid.iter().chain(&args.test) {
        sealed.extend(records::read(fold)?.records);
    }
    let judged = progress.stage("gate", "schema, texts, copies, overlap with the benchmark", |_| {
        Judged::timed(&charter, || rehearse(&charter, &sealed, &rows.records))
    })?;
    Ok((format!("the charter of {}", charter.datanet), judged))
}

fn by_datanet(args: &Args, rows: &mut Rows, progress: &mut Progress) -> Result<(String, Judged), Failure> {
    let session = args.at.open().map_err(|e| match args.at.home {
        None => e.hint("name the home of a datanet with --home, or a charter with --charter and its folds with --valid, --test"),
        Some(_) => e,
    })?;
    let net = session.net(args.net.as_deref())?;
    let charter = &session.node.datanet(&net)?.charter;
    args.declared.fill(charter, rows)?;
    check_columns(charter, &args.file, &rows.columns)?;
    let sender: Option<AccountId> = args.actor.as_ref().map(|who| session.known(who)).transpose()?;
    let judged = progress.stage("gate", "schema, texts, copies, overlap with the benchmark", |_| {
        Judged::timed(charter, || session.node.rehearse(&net, &rows.records, sender.as_ref()))
    })?;
    Ok((net.to_string(), judged))
}

/// One verdict as a document.
fn verdict(rehearsed: &Rehearsed, place: Place, places: &[Place]) -> Value {
    let finding = &rehearsed.finding;
    let reason = finding.verdict.reason();
    let original = match rehearsed.original {
        Some(Original::Offered(contribution, index)) => {
            json!({ "contribution": contribution, "index": index })
        }
        Some(Original::Here(row)) => json!({ "at": places.get(row).map(|place| place.number()) }),
        None => Value::Null,
    };
    json!({
        "at": place.number(),
        "verdict": finding.verdict.code(),
        "reason": reason.map(|r| r.code()),
        "sentence": reason.map(|r| r.sentence()),
        "advice": reason.map(|r| r.advice()),
        "original": original,
        "similarity": finding.similarity,
        "span": finding.evidence.map(|e| [e.start, e.end]),
        "score": finding.evidence.map(|e| e.score),
    })
}

fn in_words(args: &Args, against: &str, rows: &Rows, judged: &Judged, verdicts: &Verdicts) -> String {
    let mut out = format!(
        "{} held against {against}: {} would pass, {} be held, {} be rejected. {:.0} us a record. Nothing was offered.\n",
        plural(rows.records.len() as u64, "record"),
        count(verdicts.passed),
        count(verdicts.held),
        count(verdicts.rejected),
        judged.us_per_record,
    );
    verdicts.write(&mut out, &rows.places);
    let shown: Vec<String> = judged
        .verdicts
        .iter()
        .zip(rows.places.iter().zip(&rows.records))
        .filter_map(|(v, (place, record))| {
            evidence(v, *place, (judged.text_of(record), judged.claim_of(v, record)), &rows.places)
        })
        .take(SHOWN)
        .collect();
    if !shown.is_empty() {
        out.push_str("\nThe first of them, with what the verdict rests on:\n");
        shown.iter().for_each(|line| out.push_str(line));
    }
    if let Some(path) = &args.out {
        let _ = writeln!(out, "\nEvery verdict: {}", path.display());
    }
    out
}

/// What a verdict rests on, in a line: the words, the record that came before, or what the record says of itself.
fn evidence(
    rehearsed: &Rehearsed,
    place: Place,
    (text, claim): (Option<&str>, Option<String>),
    places: &[Place],
) -> Option<String> {
    let finding = &rehearsed.finding;
    let code = finding.verdict.reason()?.code();
    let what = match (finding.evidence, rehearsed.original) {
        (Some(evidence), _) => {
            let span = evidence.start as usize..evidence.end as usize;
            let found = text?.get(span)?;
            format!("\u{201c}{}\u{201d}", cut(&found.escape_debug().to_string(), TEXT_CHARS))
        }
        (None, Some(Original::Here(row))) => format!("like {}", places.get(row)?),
        (None, Some(Original::Offered(contribution, index))) => {
            format!("like record {index} of entry {contribution}")
        }
        (None, None) => claim?,
    };
    Some(format!("  {place}: {code}, {what}\n"))
}
