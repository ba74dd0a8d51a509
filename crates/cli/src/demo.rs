//! `assay demo`: a community whose behaviour is known walks the whole path, and is paid by what it adds.
//!
//! The truth about the members labels the table at the end and the report. The pipeline never sees it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use assay_api::Micro;
use assay_api::v1::report::{NetContributor, NetReport};
use assay_ledger::amount::Amount;
use assay_ledger::command::Command;
use assay_ledger::ids::{AccountId, Code, DatanetId, PublicKey};
use assay_node::task::Record;
use assay_node::{Answered, Home, Node, REPORT, ReportOptions, Verified, verify};
use assay_sim::{Behaviour, Community, Digit};
use serde_json::json;

use crate::output::{Failure, print};
use crate::progress::Progress;

/// Marks a folder that a demonstration made, and that the next one may replace.
const MARKER: &str = ".assay-demo";
/// What the consumer pays in, base units.
const DEPOSIT: u128 = 20_000_000;
/// Answers shown in the report with their records.
const SAMPLES: usize = 6;

/// What the demonstration is asked for.
pub(crate) struct Settings {
    pub(crate) home: PathBuf,
    pub(crate) seed: u64,
    pub(crate) queries: usize,
    pub(crate) json: bool,
}

/// The demonstration as it goes.
struct Demo {
    node: Node,
    net: DatanetId,
    community: Community,
    accounts: BTreeMap<AccountId, Behaviour>,
}

/// What one behaviour earned.
#[derive(Default, serde::Serialize)]
struct Earned {
    behaviour: String,
    names: u64,
    records: u64,
    passed: u64,
    value_bits: f64,
    paid: u64,
    unproven: u64,
    harmful: u64,
    released_micro: i128,
    lost_micro: i128,
}

pub(crate) fn run(settings: &Settings) -> Result<(), Failure> {
    let mut progress = Progress::new(settings.json);
    let mut demo =
        progress.stage("found", "a log, a datanet, a sealed benchmark", |_| Demo::found(settings))?;
    progress.stage("contribute", "every member signs and sends its records", |s| demo.contribute(s))?;
    progress.stage("gate", "schema, copies, near copies, overlap with the benchmark", |_| demo.gate())?;
    progress.stage("review", "the owner looks at what the gates held", |_| demo.review())?;
    progress.stage("snapshot", "the records that passed, frozen", |_| demo.node.snapshot(&demo.net))?;
    progress.stage("train", "a model, beside a random pool of the same size", |_| demo.train())?;
    progress.stage("value", "bits per record; retraining without each member", |s| {
        let net = demo.net.clone();
        demo.node.value(&net, &|p| s.at(p.done, p.total)).map_err(Failure::from)
    })?;
    let what = format!("{} paid questions, each answer split over the records", settings.queries);
    let answers = progress.stage("serve", &what, |_| demo.serve(settings.queries))?;
    progress.stage("settle", "what is proven is released", |_| demo.node.settle(&demo.net))?;
    let (report, page) = progress.stage("publish", "the report", |_| demo.publish(&answers))?;
    let public = demo.node.home().public();
    let verified = progress.stage("verify", "a stranger recomputes it all from public files", |s| {
        verify(&public, Some(demo.node.log_key()), &|done, total| s.at(done as usize, total as usize))
    })?;
    let earned = demo.earned(&report);
    match settings.json {
        true => print(&as_json(&report, &earned, &verified, &page)?),
        false => print(&summary(&report, &earned, &verified, &page, &public)),
    }
}

impl Demo {
    fn found(settings: &Settings) -> Result<Self, Failure> {
        clear(&settings.home)?;
        let home = Home::init(&settings.home, Some("demo.assay.localhost"))?;
        fs::write(settings.home.join(MARKER), "").map_err(Failure::failed)?;
        let mut node = Node::found(home)?;
        let community = Community::of_digits(settings.seed).map_err(Failure::failed)?;
        let owner = node.home().create_key("owner")?;
        let (value, report) = (records(&community.value_fold), records(&community.report_fold));
        let net = node.create_datanet(&owner, &Community::charter(), value, report)?;
        Ok(Self { node, net, community, accounts: BTreeMap::new() })
    }

    fn contribute(&mut self, stage: &crate::progress::Stage) -> Result<(), Failure> {
        for (i, member) in self.community.members.iter().enumerate() {
            let key = self.node.home().create_key(&member.name)?;
            self.node.contribute(&key, &self.net, &records(&member.records))?;
            self.accounts.insert(AccountId::of(&PublicKey::from(&key)), member.behaviour);
            stage.at(i + 1, self.community.members.len());
        }
        Ok(())
    }

    fn gate(&mut self) -> Result<usize, Failure> {
        Ok(self.node.gate(&self.net)?)
    }

    /// The owner decides what the gates held by what the gates saw, not by the truth: a record that resembles an
    /// earlier one is a copy, and the first comer keeps it.
    fn review(&mut self) -> Result<usize, Failure> {
        let owner = self.node.home().key("owner")?;
        let held = self.node.held(&self.net, usize::MAX)?;
        for waiting in &held {
            let copy = waiting.original.is_some();
            let reason = if copy { "copy" } else { "own_work" };
            self.node.review(&owner, &self.net, (waiting.contribution, waiting.index), !copy, reason)?;
        }
        Ok(held.len())
    }

    fn train(&mut self) -> Result<u64, Failure> {
        Ok(self.node.train(&self.net)?)
    }

    fn serve(&mut self, count: usize) -> Result<Vec<Answered>, Failure> {
        let consumer = self.node.home().create_key("consumer")?;
        let account = self.node.account(&consumer)?;
        let operator = self.node.operator().clone();
        let amount =
            Amount::new(DEPOSIT.max(count as u128 * 50_000)).ok_or_else(|| Failure::refused("too much"))?;
        let reference: Code = "demo-deposit".parse().map_err(Failure::failed)?;
        self.node.act(&operator, Command::Deposit { account, amount, reference })?;
        let questions: Vec<Record> =
            self.community.questions.iter().cycle().take(count).map(Digit::question).collect();
        for asked in self.node.ask(&consumer, &self.net, &questions)? {
            asked?;
        }
        Ok(self.node.answer(&self.net)?)
    }

    /// Publishes the report under its hash and writes the page; the report and the page's path.
    fn publish(&mut self, answers: &[Answered]) -> Result<(NetReport, PathBuf), Failure> {
        let samples: Vec<u64> = answers.iter().take(SAMPLES).map(|a| a.query).collect();
        let public = self.node.report(&self.net, &ReportOptions::default())?;
        self.node.publish_document(&self.net, REPORT, &public)?;
        let labels = self.accounts.iter().map(|(account, b)| (account.clone(), b.to_string())).collect();
        let options = ReportOptions { labels, garbage: Some(self.garbage()?), samples: &samples };
        let report = self.node.report(&self.net, &options)?;
        let page = assay_web::render_report(&report).map_err(Failure::failed)?;
        let path = self.node.home().reports().join("digits.html");
        assay_store::files::write_atomic(&path, page.as_bytes()).map_err(Failure::failed)?;
        Ok((report, path))
    }

    /// Records that are garbage by the truth: offered, and in the snapshot.
    fn garbage(&self) -> Result<(u64, u64), Failure> {
        let net = self.node.datanet(&self.net)?;
        let bad = net.contributors.iter().filter(|(account, _)| {
            let behaviour = self.accounts.get(account);
            behaviour.is_some_and(|b| !b.is_honest() && *b != Behaviour::Noisy)
        });
        Ok(bad.fold((0, 0), |(offered, passed), (_, c)| (offered + c.records, passed + c.passed)))
    }

    fn earned(&self, report: &NetReport) -> Vec<Earned> {
        let of =
            |c: &NetContributor| c.id.parse().ok().and_then(|id: AccountId| self.accounts.get(&id)).copied();
        let row = |behaviour: Behaviour| {
            let mut row = Earned { behaviour: behaviour.to_string(), ..Earned::default() };
            report.contributors.iter().filter(|c| of(c) == Some(behaviour)).for_each(|c| row.add(c));
            row
        };
        Behaviour::ALL.into_iter().map(row).collect()
    }
}

impl Earned {
    fn add(&mut self, c: &NetContributor) {
        use assay_api::v1::appraisal::Standing;
        self.names += 1;
        self.records += c.records;
        self.passed += c.passed;
        self.value_bits += c.value_bits;
        self.released_micro += c.released_micro.0;
        self.lost_micro += c.bond_lost_micro.0;
        match c.standing {
            Standing::Paid => self.paid += 1,
            Standing::Unproven => self.unproven += 1,
            Standing::Harmful => self.harmful += 1,
        }
    }

    fn standing(&self) -> String {
        let parts = [(self.paid, "paid"), (self.unproven, "unproven"), (self.harmful, "harmful")];
        let said: Vec<String> =
            parts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        said.join(", ")
    }
}

/// Makes room for a new home; touches nothing that another demonstration did not make.
fn clear(home: &Path) -> Result<(), Failure> {
    if home.join(MARKER).exists() {
        return fs::remove_dir_all(home).map_err(|e| Failure::failed(format!("{}: {e}", home.display())));
    }
    match fs::read_dir(home).is_ok_and(|mut entries| entries.next().is_some()) {
        true => {
            Err(Failure::refused(format!("{} is not empty and not an earlier demonstration", home.display()))
                .hint("name another folder with --home"))
        }
        false => Ok(()),
    }
}

fn records(digits: &[Digit]) -> Vec<Record> {
    digits.iter().map(Digit::record).collect()
}

fn as_json(
    report: &NetReport,
    earned: &[Earned],
    verified: &Verified,
    page: &Path,
) -> Result<String, Failure> {
    let document = json!({ "report": report, "earned": earned, "verified": verified, "page": page });
    let text = serde_json::to_string_pretty(&document).map_err(Failure::failed)?;
    Ok(format!("{text}\n"))
}

fn summary(report: &NetReport, earned: &[Earned], verified: &Verified, page: &Path, public: &Path) -> String {
    let mut out = String::from("\n");
    let _ = writeln!(
        out,
        "{:<26} {:>5} {:>8} {:>7} {:>13}  {:<20} {:>11}",
        "behaviour", "names", "records", "passed", "mbit/record", "standing", "paid (OPEN)"
    );
    for row in earned {
        let each = match row.passed {
            0 => "-".to_owned(),
            passed => format!("{:+.2}", 1000.0 * row.value_bits / passed as f64),
        };
        let _ = writeln!(
            out,
            "{:<26} {:>5} {:>8} {:>7} {:>13}  {:<20} {:>11}",
            row.behaviour,
            row.names,
            row.records,
            row.passed,
            each,
            row.standing(),
            format!("{:.6}", Micro(row.released_micro)),
        );
    }
    let _ = writeln!(out, "\n{}", headline(report, verified));
    let _ = writeln!(out, "report   {}", page.display());
    let _ = writeln!(out, "verify   assay verify {}", public.display());
    out
}

fn headline(report: &NetReport, verified: &Verified) -> String {
    let mut out = String::new();
    if let (Some(card), Some(utility)) = (&report.card, &report.utility) {
        let accuracy = |s: &assay_api::v1::appraisal::Score| 100.0 * s.accuracy.unwrap_or_default();
        let pool = card
            .random_pool
            .as_ref()
            .map_or(String::new(), |p| format!(", a random pool of the same size {:.1}%", accuracy(p)));
        let _ = writeln!(
            out,
            "model    {:.1}% right on rows never used for pay{pool}; the records add {:.3} bits",
            accuracy(&card.snapshot),
            utility.gain_bits
        );
    }
    if let Some(closure) = report.closure.as_ref().and_then(|c| c.relative) {
        let audit = report.agreement.leave_one_out.as_ref();
        let audit = audit.and_then(|a| a.pearson.zip(a.predicted_pearson)).map_or(String::new(), |(value, predicted)| {
            format!("; the loss of retraining without each: r = {value:.2} with value, {predicted:.2} with prediction")
        });
        let _ = writeln!(out, "values   sum to the gain within {:.4}%{audit}", 100.0 * closure);
    }
    let _ = write!(
        out,
        "verified {} entries, every settlement recomputed to the micro-unit, from public files only",
        verified.size
    );
    out
}
