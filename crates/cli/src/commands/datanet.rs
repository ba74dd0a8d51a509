//! `assay datanet`: a community dataset with a charter.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use assay_ledger::amount::{Amount, Place};
use assay_ledger::charter::Charter;
use assay_ledger::command::Command;
use assay_ledger::datanet::Datanet;
use assay_ledger::ids::DatanetId;
use assay_ledger::work::{Work, work};
use assay_node::OPERATOR;
use assay_web::text::{count, cut, fixed, plural, ppm};
use clap::Subcommand;
use serde_json::{Value, json};

use super::session::{At, Session};
use super::text::{amount, money};
use super::{Said, records};
use crate::output::Failure;

const EXAMPLES: &str = "\
Examples:
  assay datanet create charter.toml --valid valid.jsonl --test test.jsonl --as alice
  assay datanet show intents
  assay datanet fund 250 --net intents --as sponsor
  assay datanet list

docs/CHARTER.md explains every field of a charter.";
/// Classes named before they are only counted.
const CLASSES_SHOWN: usize = 8;

/// Creates and shows datanets.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Creates a datanet by its charter and seals its benchmark.
    ///
    /// The rows of VALID measure value, those of TEST report scores and are never used for pay. Both stay in this
    /// home; the log gets salted commitments to them. Keep them from contributors: who knows them can sell them.
    Create {
        /// The charter, TOML; see docs/CHARTER.md
        charter: PathBuf,
        /// Records that measure value
        #[arg(long, value_name = "FILE")]
        valid: PathBuf,
        /// Records that report scores
        #[arg(long, value_name = "FILE")]
        test: PathBuf,
        /// Who owns it: name of a key, made if there is none
        #[arg(long = "as", value_name = "NAME", default_value = OPERATOR)]
        owner: String,
        #[command(flatten)]
        at: At,
    },
    /// Shows the rules of a datanet and where it stands.
    Show {
        /// Its name [default: the only one]
        net: Option<String>,
        #[command(flatten)]
        at: At,
    },
    /// Puts up money that rewards value, by the charter's `[reward]`.
    ///
    /// At settlement it goes to contributors by what their records add; what nobody is owed stays for later runs.
    Fund {
        /// How much, in OPEN (12.5) or base units (12500000u)
        #[arg(value_parser = amount)]
        amount: Amount,
        /// Datanet [default: the only one]
        #[arg(long, value_name = "NET")]
        net: Option<String>,
        /// Who pays: name of a key
        #[arg(long = "as", value_name = "NAME")]
        sponsor: String,
        #[command(flatten)]
        at: At,
    },
    /// Lists all datanets.
    List {
        #[command(flatten)]
        at: At,
    },
}

pub(super) fn run(args: &Args) -> Result<(bool, Said), Failure> {
    match &args.action {
        Action::Create { charter, valid, test, owner, at } => {
            let text = fs::read_to_string(charter)
                .map_err(|e| Failure::refused(format!("{}: {e}", charter.display())))?;
            // Before anything is made: a refused charter must not leave a key behind.
            Charter::parse(&text).map_err(|e| {
                Failure::refused(format!("{}: {e}", charter.display()))
                    .hint("docs/CHARTER.md explains every field")
            })?;
            let (value, report) = (records::read(valid)?.records, records::read(test)?.records);
            let mut session = at.open()?;
            let key = session.key_or_new(owner)?;
            let net = session.node.create_datanet(&key, &text, value, report)?;
            Ok((at.json, shown(&session, &net, "is created")?))
        }
        Action::Show { net, at } => {
            let session = at.open()?;
            Ok((at.json, shown(&session, &session.net(net.as_deref())?, "")?))
        }
        Action::Fund { amount, net, sponsor, at } => {
            let mut session = at.open()?;
            let net = session.net(net.as_deref())?;
            Ok((at.json, fund(&mut session, &net, sponsor, *amount)?))
        }
        Action::List { at } => Ok((at.json, list(&at.open()?)?)),
    }
}

fn fund(session: &mut Session, net: &DatanetId, sponsor: &str, amount: Amount) -> Result<Said, Failure> {
    let key = session.key(sponsor)?;
    let entry = session.node.act(&key, Command::Fund { datanet: net.clone(), amount })?;
    let budget = session.node.state().balances().at(&Place::Reward(net.clone()));
    let words =
        format!("{} put up for {net}: entry {entry}.\nrewards now  {}\n", money(amount), money(budget));
    Said::new(json!({ "entry": entry, "datanet": net, "amount": amount, "budget": budget }), words)
}

fn list(session: &Session) -> Result<Said, Failure> {
    let nets = session.node.state().datanets();
    let mut words =
        format!("{:<24} {:>12} {:>10} {:>7}  title\n", "datanet", "contributors", "passed", "epoch");
    for (id, net) in nets {
        let (people, passed) = (count(net.contributors.len() as u64), count(net.passed()));
        let title = cut(&net.charter.title, 60);
        let _ = writeln!(words, "{:<24} {people:>12} {passed:>10} {:>7}  {title}", id.as_str(), net.epoch);
    }
    let rows: Vec<Value> = nets.iter().map(|(id, net)| document(session, id, net)).collect();
    Said::new(json!({ "datanets": rows }), words)
}

fn shown(session: &Session, id: &DatanetId, news: &str) -> Result<Said, Failure> {
    let net = session.node.datanet(id)?;
    Said::new(document(session, id, net), in_words(session, id, net, news))
}

fn in_words(session: &Session, id: &DatanetId, net: &Datanet, news: &str) -> String {
    let charter = &net.charter;
    let (task, split) = (&charter.task, &charter.split);
    let head = if news.is_empty() { id.to_string() } else { format!("{id} {news}") };
    let mut out = format!("{head}: {}\n", cut(&charter.title, 200));
    let mut line = |name: &str, what: String| {
        let _ = writeln!(out, "{name:<12} {what}");
    };
    line("owner", session.name_and_id(&net.owner));
    line("task", format!("{} of {:?} from {}", task.kind, task.label, inputs(net)));
    if !task.classes.is_empty() {
        let shown: Vec<String> = task.classes.iter().take(CLASSES_SHOWN).map(|c| cut(c, 30)).collect();
        let more = task.classes.len().saturating_sub(CLASSES_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        line("classes", format!("{}{more}", shown.join(", ")));
    }
    line(
        "benchmark",
        format!(
            "{} measure value, {} report scores (sealed)",
            plural(net.benchmark.value_rows.into(), "row"),
            count(net.benchmark.report_rows.into())
        ),
    );
    let part = |p: u32| ppm(p.into());
    line(
        "split",
        format!(
            "contributors {}, reviewers {}, trainer {}, platform {}",
            part(split.contributors),
            part(split.reviewers),
            part(split.trainer),
            part(split.platform)
        ),
    );
    line("price", money(charter.query.price));
    let when = if charter.bond.upfront { "put up with the contribution" } else { "taken from earnings only" };
    line("bond", format!("{} a record, {when}", money(charter.bond.per_record)));
    if let Some(reward) = &charter.reward {
        let budget = session.node.state().balances().at(&Place::Reward(id.clone()));
        line("reward", format!("{} for a bit; {} put up", money(reward.per_bit), money(budget)));
    }
    if charter.audit.min_rank_ppm > 0 {
        let waits = if net.holds_back() { "; pay waits for it" } else { "" };
        let least = f64::from(charter.audit.min_rank_ppm) / 1e6;
        line("audit", format!("rank agreement of at least {}{waits}", fixed(least, 2)));
    }
    let held = net.held().count() as u64;
    let withdrawn: u64 = net.contributors.values().map(|contributor| contributor.withdrawn).sum();
    let gone = if withdrawn > 0 { format!(", {} withdrawn", count(withdrawn)) } else { String::new() };
    line(
        "records",
        format!(
            "{} passed, {} held, {} waiting for the gates{gone}, from {}",
            count(net.passed()),
            count(held),
            count(net.ungated.len() as u64),
            plural(net.contributors.len() as u64, "contributor")
        ),
    );
    line("model", model(net));
    line("epoch", format!("{} is open; {} asked in it", net.epoch, plural(asked(net), "question")));
    line("next", next(session, id, net));
    out
}

fn inputs(net: &Datanet) -> String {
    let task = &net.charter.task;
    let text = task.text.as_ref().map(|t| format!("the text {t:?}"));
    let numbers = (!task.features.is_empty()).then(|| plural(task.features.len() as u64, "number"));
    [text, numbers].into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

fn model(net: &Datanet) -> String {
    match (net.models.keys().next_back(), net.serving()) {
        (None, _) => "none yet".to_owned(),
        (Some(newest), Some(serving)) if *newest == serving => {
            format!("entry {newest}, valued, answers questions")
        }
        (Some(newest), Some(serving)) => {
            let why = if is_broken(net, *newest) { "its records were withdrawn" } else { "not valued" };
            format!("entry {newest}, {why}; entry {serving} answers questions")
        }
        (Some(newest), None) if is_broken(net, *newest) => {
            format!("entry {newest}, some of its records were withdrawn: nothing answers until the next")
        }
        (Some(newest), None) => format!("entry {newest}, not valued yet"),
    }
}

/// Whether records that a model was trained on were taken back since.
fn is_broken(net: &Datanet, model: u64) -> bool {
    net.models.get(&model).is_some_and(|model| net.broken(model.snapshot).is_some())
}

fn asked(net: &Datanet) -> u64 {
    net.epochs.get(&net.epoch).map_or(0, |epoch| epoch.asked)
}

/// The command that the path of a record calls for next.
fn next(session: &Session, id: &DatanetId, net: &Datanet) -> String {
    let due: Vec<Work> = work(session.node.state());
    let is_due = |is: fn(&Work, &DatanetId) -> bool| due.iter().any(|w| is(w, id));
    let newest = net.snapshots.iter().next_back();
    let broken = newest.is_some_and(|(&seq, _)| net.broken(seq).is_some());
    let newest = newest.map_or(0, |(_, snapshot)| snapshot.records);
    let held = net.held().count();
    if is_due(|w, id| matches!(w, Work::Value { datanet, .. } if datanet == id)) {
        format!("assay value --net {id}")
    } else if is_due(|w, id| matches!(w, Work::Train { datanet, .. } if datanet == id)) {
        format!("assay train --net {id}")
    } else if net.contributions.is_empty() {
        format!("assay contribute FILE --net {id} --as NAME")
    } else if held > 0 {
        format!("assay review next --net {id}")
    } else if net.passed() > newest || broken || !net.ungated.is_empty() {
        format!("assay snapshot --net {id}")
    } else if asked(net) > 0 {
        format!("assay settle --net {id}")
    } else {
        format!("assay ask --net {id} --as NAME, or more records")
    }
}

fn document(session: &Session, id: &DatanetId, net: &Datanet) -> Value {
    json!({
        "datanet": id,
        "owner": net.owner,
        "charter": net.charter,
        "charter_sha256": net.charter_digest,
        "benchmark": net.benchmark,
        "reviewers": net.reviewers,
        "trainer": net.trainer,
        "contributors": net.contributors,
        "passed": net.passed(),
        "held": net.held().count(),
        "ungated": net.ungated,
        "snapshot": net.snapshots.keys().next_back(),
        "model": net.models.keys().next_back(),
        "serving": net.serving(),
        "epoch": net.epoch,
        "epochs": net.epochs,
        "valuations": net.valuations,
        "budget": session.node.state().balances().at(&Place::Reward(id.clone())),
        "holds_back": net.holds_back(),
        "next": next(session, id, net),
    })
}
