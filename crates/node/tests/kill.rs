//! Kill -9 at random points of a run, restart, continue: nothing acknowledged is lost, nothing happens twice.
//!
//! The test runs itself as a child that works on a home step by step, and says what it finished. The parent kills
//! it, opens the home as anyone would after a crash, and holds the log against everything that was ever said.
//! `ASSAY_SEED` repeats a run (but for the moments of the kills), `ASSAY_KILLS` sets how many there are; after 50 a new home
//! begins, of the next seed. The same on a disk that loses power instead, `ASSAY_POWER_LOSSES` times.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod power;
mod small;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command as Process, Stdio};
use std::time::Duration;

use assay_ledger::amount::{Amount, Place};
use assay_ledger::codec;
use assay_ledger::command::{Command, Signed};
use assay_ledger::event::{Cause, Event};
use assay_ledger::ids::{AccountId, DatanetId, Nonce, PublicKey};
use assay_node::{CHECKPOINT, Kind, Node, verify};
use assay_store::EventReader;
use assay_tlog::{Checkpoint, Frontier, Hash, leaf_hash, open_checkpoint};
use ed25519_dalek::SigningKey;
use power::Disk;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng as _;
use serde::{Deserialize, Serialize};
use small::{below, draw};

/// Accounts that steps act for.
const ACTORS: u64 = 5;
/// Kills of one home: every check reads its whole log.
const KILLS_MAX: u64 = 50;
/// Steps that the child may finish before it is killed.
const STEPS_MAX: u64 = 10;
/// The kill comes within this time of the last awaited step: longer than most steps take.
const DELAY_MAX: Duration = Duration::from_millis(25);

/// What the child says when a step is done.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Said {
    step: u64,
    /// Place of the step's command, where it has one.
    seq: Option<u64>,
    /// Checkpoint after the step.
    size: u64,
    root: String,
    /// Answers given, by their question.
    answers: BTreeMap<u64, String>,
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_happens_twice() {
    let seed = number("ASSAY_SEED").unwrap_or_else(|| std::process::id().into());
    if let Some(home) = std::env::var_os("ASSAY_KILL_HOME") {
        work(Path::new(&home), seed, number("ASSAY_KILL_STEP").unwrap());
    }
    let kills = number("ASSAY_KILLS").unwrap_or(50);
    println!("ASSAY_SEED={seed} ASSAY_KILLS={kills}");
    trials(seed, kills, |dir, seed, kills| trial(dir, seed, kills, None));
}

/// Killing a process leaves what it wrote in the cache of the system; power that goes does not.
#[test]
fn nothing_acknowledged_is_lost_when_power_goes() {
    if !power::inside("nothing_acknowledged_is_lost_when_power_goes") {
        return;
    }
    let seed = number("ASSAY_SEED").unwrap_or_else(|| std::process::id().into());
    let losses = number("ASSAY_POWER_LOSSES").unwrap_or(10);
    println!("ASSAY_SEED={seed} ASSAY_POWER_LOSSES={losses}");
    if let Err(why) = Disk::new(tempfile::tempdir().unwrap().path()) {
        return println!("skipped: {why}");
    }
    trials(seed, losses, |dir, seed, losses| {
        let disk = Disk::new(dir).unwrap();
        trial(&disk.path.clone(), seed, losses, Some(disk))
    });
}

fn trials(seed: u64, kills: u64, trial: impl Fn(&Path, u64, u64) -> Trial) {
    let (mut steps, mut between) = (0, 0);
    for first in (0..kills).step_by(KILLS_MAX as usize) {
        let dir = tempfile::tempdir().unwrap();
        let done = trial(dir.path(), seed.wrapping_add(first / KILLS_MAX), KILLS_MAX.min(kills - first));
        (steps, between) = (steps + done.next, between + done.between);
    }
    println!("{steps} steps; {between} of {kills} times the end came between the commit and its publication");
}

/// Kills one home in `dir` again and again, or takes the power away from its disk.
fn trial(dir: &Path, seed: u64, kills: u64, disk: Option<Disk>) -> Trial {
    let (path, net) = small::world(dir, seed);
    let (heads, said) = (BTreeMap::new(), Vec::new());
    let mut trial = Trial { seed, net, path, disk, next: 0, heads, said, between: 0 };
    let mut rng = draw(seed, u64::MAX);
    for kill in 1..=kills {
        trial.run_and_kill(&mut rng);
        trial.see_public();
        // Now and then the next child meets what the crash left, and may be killed while it mends it.
        if kill == kills || below(&mut rng, 3) > 0 {
            trial.check(kill);
        }
    }
    trial
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

// The child.

/// Does step after step, for ever.
fn work(home: &Path, seed: u64, first: u64) -> ! {
    let mut node = small::open(home).unwrap();
    say(&Said { step: first, ..Said::default() });
    let net: DatanetId = "small".parse().unwrap();
    for step in first.. {
        let mut said = match perform(&mut node, &net, seed, step) {
            Ok(said) => said,
            Err(error) if matches!(error.kind, Kind::Refused | Kind::NotFound) => Said::default(),
            Err(error) => panic!("step {step}: {:?} {error}", error.kind),
        };
        let head = node.checkpoint();
        (said.step, said.size, said.root) = (step, head.size, head.root.to_string());
        say(&said);
    }
    unreachable!()
}

fn say(said: &Said) {
    // One write of one line: it is said as a whole or not at all.
    let line = format!("\nsaid {}\n", serde_json::to_string(said).unwrap());
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).unwrap();
}

fn perform(node: &mut Node, net: &DatanetId, seed: u64, step: u64) -> assay_node::Result<Said> {
    if let Some(signed) = fixed(node, seed, step) {
        return Ok(Said { seq: Some(node.submit(signed)?), ..Said::default() });
    }
    let mut rng = draw(seed, step);
    let (choice, actor) = (below(&mut rng, 100), actor(seed, below(&mut rng, ACTORS)));
    let mut said = Said::default();
    match choice {
        50..65 => said.seq = Some(node.contribute(&actor, net, &offered(seed, step))?[0].seq),
        65..75 => drop(node.gate(net)?),
        75..82 => {
            let operator = node.operator().clone();
            for held in node.held(net, 2)? {
                let at = (held.contribution, held.index);
                said.seq = Some(node.review(&operator, net, at, below(&mut rng, 2) == 0, "looked")?);
            }
        }
        82..90 => {
            // Two and what waits already have an entry each, twenty go into a table.
            let count = if below(&mut rng, 4) == 0 { 20 } else { 2 };
            let asked = node.ask(&actor, net, &small::records(seed, step, count))?;
            said.seq = asked.into_iter().next_back().transpose()?;
        }
        90..95 => {
            said.answers = node.answer(net)?.into_iter().map(|a| (a.query, a.answer)).collect();
        }
        95..97 => said.seq = Some(node.settle(net)?),
        _ => said.seq = Some(small::model(node, net)?),
    }
    Ok(said)
}

/// What a contribution of this step offers: two new records and a near copy of one.
fn offered(seed: u64, step: u64) -> Vec<assay_node::task::Record> {
    let mut records = small::records(seed, step, 2);
    records.push(small::near_copy(&records[0]));
    records
}

fn actor(seed: u64, number: u64) -> SigningKey {
    let mut bytes = [0; 32];
    draw(!seed, number).fill_bytes(&mut bytes);
    SigningKey::from_bytes(&bytes)
}

/// The command of a step that is the same however often it is sent: half of all steps.
fn fixed(node: &Node, seed: u64, step: u64) -> Option<Signed> {
    let mut rng = draw(seed, step);
    let (choice, number) = (below(&mut rng, 100), below(&mut rng, ACTORS));
    let actor = actor(seed, number);
    let amount = Amount::new(1 + u128::from(below(&mut rng, 5_000))).unwrap();
    let reference = format!("wire-{step}").parse().unwrap();
    let (key, command) = match choice {
        0..10 => {
            let new = self::actor(seed, ACTORS + step);
            let key = PublicKey::from(&new);
            (new, Command::OpenAccount { key })
        }
        10..40 => {
            let account = AccountId::of(&PublicKey::from(&actor));
            (node.operator().clone(), Command::Deposit { account, amount, reference })
        }
        40..50 => (actor, Command::Withdraw { amount, reference }),
        _ => return None,
    };
    Some(node.sign_with(&key, nonce(seed, step), command).unwrap())
}

fn nonce(seed: u64, step: u64) -> Nonce {
    Nonce((u128::from(seed) << 64 | u128::from(step)).to_be_bytes())
}

// The parent.

struct Trial {
    seed: u64,
    net: DatanetId,
    path: PathBuf,
    /// What the home lies on, where power goes.
    disk: Option<Disk>,
    /// The first step that nobody has heard of.
    next: u64,
    /// Every head of the log that anyone has seen: size and root.
    heads: BTreeMap<u64, String>,
    /// Every finished step.
    said: Vec<Said>,
    /// Kills that left entries durable and not published.
    between: u64,
}

impl Trial {
    /// Starts the child, listens to some steps, and kills it within the next.
    fn run_and_kill(&mut self, rng: &mut ChaCha8Rng) {
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args(["--exact", "nothing_acknowledged_is_lost_and_nothing_happens_twice", "--nocapture"])
            .env("ASSAY_KILL_HOME", &self.path)
            .env("ASSAY_KILL_STEP", self.next.to_string())
            .env("ASSAY_SEED", self.seed.to_string())
            .stdout(Stdio::piped())
            .stderr(self.disk.as_ref().map_or(Stdio::inherit(), |disk| disk.errors().into()))
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let patience = Duration::from_nanos(rng.next_u64() % DELAY_MAX.as_nanos() as u64);
        // One of five dies before it says anything: while it opens the node.
        if below(rng, 5) > 0 {
            for _ in 0..=below(rng, STEPS_MAX) {
                let said = next_said(&mut lines);
                self.hear(said.unwrap_or_else(|| {
                    let why = self.disk.as_ref().map(Disk::last_errors).unwrap_or_default();
                    panic!("the child failed: {:?} {why}", child.wait())
                }));
            }
        }
        std::thread::sleep(patience);
        if let Some(disk) = &self.disk {
            let shown = self.shown();
            disk.lose_power();
            self.see_head(shown.size, shown.root.to_string());
            // It may notice, and end by itself; what it says now is as good as ever.
            std::thread::sleep(patience);
            let _ = child.kill();
            child.wait().unwrap();
        } else {
            kill(&mut child);
        }
        // What it said with its last breath counts too.
        while let Some(said) = next_said(&mut lines) {
            self.hear(said);
        }
        if let Some(disk) = &self.disk {
            disk.come_back();
        }
    }

    /// The head that is public now.
    fn shown(&self) -> Checkpoint {
        let public = self.path.join("public");
        let key = std::fs::read_to_string(public.join("log.vkey")).unwrap().trim().parse().unwrap();
        let note = std::fs::read(public.join(CHECKPOINT)).unwrap();
        open_checkpoint(&note, &key, small::ORIGIN).unwrap()
    }

    fn hear(&mut self, said: Said) {
        // The first line only says that the node is open.
        if said.size == 0 {
            return;
        }
        assert_eq!(said.step, self.next, "the steps are heard in order");
        self.next += 1;
        self.see_head(said.size, said.root.clone());
        self.said.push(said);
    }

    fn see_head(&mut self, size: u64, root: String) {
        let seen = self.heads.entry(size).or_insert_with(|| root.clone());
        assert_eq!(*seen, root, "two heads of size {size} were signed");
    }

    /// What a stranger can see at the moment of the crash.
    fn see_public(&mut self) {
        let head = self.shown();
        self.see_head(head.size, head.root.to_string());
        let durable = EventReader::open(&self.path.join("private/log")).unwrap().size().unwrap();
        assert!(head.size <= durable, "{} entries are published and {durable} are durable", head.size);
        self.between += u64::from(head.size < durable);
    }

    /// Opens the home after a crash and holds it against everything that was said.
    fn check(&mut self, kill: u64) {
        let mut node = small::open(&self.path).unwrap_or_else(|e| panic!("after kill {kill}: {e}"));
        let log = Log::read(&node);
        for (size, root) in &self.heads {
            assert!(*size <= log.events.len() as u64, "kill {kill}: the log was longer, {size} entries");
            assert_eq!(
                log.roots[*size as usize].to_string(),
                *root,
                "kill {kill}: another first {size} entries"
            );
        }
        log.check_once();
        log.check_money(&node, &self.net);
        log.check_content(&node, &self.net);
        self.check_said(&mut node, &log);

        let verified = verify(&self.path.join("public"), Some(node.log_key()), &|_, _| {});
        let verified = verified.unwrap_or_else(|e| panic!("after kill {kill}: {e}"));
        assert_eq!(
            (verified.size, &verified.root),
            (node.state().size(), &node.checkpoint().root.to_string())
        );
        assert_eq!(verified.state, node.state().digest().unwrap().to_string(), "replay gives the live state");
        assert_eq!(verified.balances.values().map(|b| b.parse::<i128>().unwrap()).sum::<i128>(), 0);
        self.see_head(verified.size, verified.root);
    }

    fn check_said(&self, node: &mut Node, log: &Log) {
        for said in &self.said {
            for (query, answer) in &said.answers {
                assert_eq!(&node.answered(*query).unwrap().unwrap().answer, answer);
            }
            let Some(seq) = said.seq else { continue };
            let event = &log.events[seq as usize];
            let Cause::Command(found) = &event.cause else { panic!("{event:?}") };
            match (fixed(node, self.seed, said.step), &found.intent.command) {
                (Some(signed), _) => {
                    assert_eq!(**found, signed, "step {} is not at {seq}", said.step);
                    assert_eq!(node.submit(signed).unwrap(), seq, "a repeated command gets its first answer");
                }
                (None, Command::Contribute { .. }) => {
                    for (index, record) in (0..).zip(offered(self.seed, said.step)) {
                        assert_eq!(node.record(&self.net, seq, index).unwrap(), record);
                    }
                }
                _ => {}
            }
        }
        assert_eq!(node.state().size(), log.events.len() as u64, "nothing was added by asking again");
    }
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(9),
        "it ended by itself: {status}"
    );
}

/// The next thing that the child says; the test harness says things in between.
fn next_said(lines: &mut BufReader<ChildStdout>) -> Option<Said> {
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        if let Some(said) = line.strip_prefix("said ").filter(|said| said.ends_with('\n')) {
            return Some(serde_json::from_str(said).unwrap());
        }
        line.clear();
    }
    None
}

/// The whole log, read from the store.
struct Log {
    events: Vec<Event>,
    /// Root of the first n entries.
    roots: Vec<Hash>,
}

impl Log {
    fn read(node: &Node) -> Self {
        let mut frontier = Frontier::new();
        let (mut events, mut roots) = (Vec::new(), vec![frontier.root()]);
        for entry in node.entries().scan(0) {
            let (seq, bytes) = entry.unwrap();
            frontier.append(leaf_hash(&bytes));
            roots.push(frontier.root());
            events.push(codec::decode(&bytes).unwrap());
            assert_eq!(events[seq as usize].seq, seq);
        }
        Self { events, roots }
    }

    fn commands(&self) -> impl Iterator<Item = (u64, &Signed)> {
        self.events.iter().filter_map(|event| match &event.cause {
            Cause::Command(signed) => Some((event.seq, &**signed)),
            Cause::Earlier(_) => None,
        })
    }

    /// No nonce, no payment outside, no contribution and no answer is in the log twice.
    fn check_once(&self) {
        let (mut seen, mut open) = (BTreeSet::new(), BTreeSet::new());
        for (seq, signed) in self.commands() {
            let intent = &signed.intent;
            let mut once = |what: String| assert!(seen.insert(what.clone()), "entry {seq} repeats {what}");
            once(format!("nonce {:?} of {}", intent.nonce, intent.actor));
            match &intent.command {
                Command::Deposit { reference, .. } | Command::Withdraw { reference, .. } => {
                    once(format!("reference {reference}"));
                }
                Command::Contribute { root, .. } => once(format!("contribution {root}")),
                Command::Gate { contribution, .. } => once(format!("gate {contribution}")),
                Command::Ask { .. } => drop(open.insert(seq)),
                Command::Answer { query, .. } | Command::Release { query, .. } => {
                    assert!(open.remove(query), "entry {seq} closes question {query}, which is not open");
                }
                Command::Meter { through, answers, .. } => {
                    let later = open.split_off(&(through + 1));
                    assert_eq!(std::mem::replace(&mut open, later).len() as u64, *answers);
                }
                Command::Value { model, .. } => once(format!("valuation {model}")),
                Command::Settle { epoch, .. } => once(format!("settlement {epoch}")),
                _ => {}
            }
        }
    }

    /// Whatever the log has commitments of can be opened: no record without content, no paid answer without text.
    fn check_content(&self, node: &Node, net: &DatanetId) {
        let mut open = BTreeSet::new();
        let answered = |query: u64| node.answered(query).unwrap().map(|answer| answer.entry);
        for (seq, signed) in self.commands() {
            match &signed.intent.command {
                Command::Ask { .. } => drop(open.insert(seq)),
                Command::Release { query, .. } => drop(open.remove(query)),
                Command::Meter { through, .. } => {
                    let later = open.split_off(&(through + 1));
                    let closed = std::mem::replace(&mut open, later);
                    closed.iter().for_each(|&query| assert_eq!(answered(query), Some(seq)));
                }
                Command::Contribute { records, .. } => assert!(node.record(net, seq, records - 1).is_ok()),
                Command::Answer { query, .. } => {
                    open.remove(query);
                    assert_eq!(answered(*query), Some(seq));
                }
                _ => {}
            }
        }
    }

    /// What came in less what went out is here, and the price of every open question is held.
    fn check_money(&self, node: &Node, net: &DatanetId) {
        let (mut inside, mut held) = (0_i128, 0_i128);
        for (_, signed) in self.commands() {
            match &signed.intent.command {
                Command::Deposit { amount, .. } => inside += amount.units() as i128,
                Command::Withdraw { amount, .. } => inside -= amount.units() as i128,
                Command::Ask { .. } => held += small::PRICE as i128,
                Command::Answer { .. } | Command::Release { .. } => held -= small::PRICE as i128,
                Command::Meter { answers, .. } => held -= (small::PRICE * u128::from(*answers)) as i128,
                _ => {}
            }
        }
        assert_eq!(node.state().balance(&Place::External), -inside);
        assert_eq!(node.state().balance(&Place::Held(net.clone())), held);
    }
}
