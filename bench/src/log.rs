//! Durable events per second by batch, whole: signature checked, decided, hashed, stored, tiles written and read back,
//! checkpoint signed and published. Beside it, in the same run and folder, what one would otherwise take.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use assay_ledger::amount::Amount;
use assay_ledger::command::{Command, Signed};
use assay_ledger::ids::{AccountId, Nonce, PublicKey};
use assay_node::{Home, Node, queue, verify};
use assay_store::EventStore;
use ed25519_dalek::SigningKey;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::Result;

const ORIGIN: &str = "example.org/bench";
const ACCOUNTS: usize = 1_000;
/// Bytes of an event of the others; ours are commands as they are.
const OTHER_BYTES: usize = 256;

#[derive(Clone, clap::Args)]
pub(crate) struct Args {
    /// Where to write; the disk in question
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Batches to measure
    #[arg(long, value_delimiter = ',', default_value = "1,100,1000,8000")]
    batches: Vec<usize>,
    /// Seconds of commits per measurement
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// A Postgres database to measure plain INSERTs in, in a schema that is dropped afterwards
    #[arg(long)]
    postgres: Option<String>,
    /// Leave the others out, to profile
    #[arg(long)]
    alone: bool,
    /// Entries of the log that is opened again, verified and proven
    #[arg(long, default_value_t = 200_000)]
    entries: usize,
}

/// Events, seconds on the wall, CPU seconds, time of each commit.
#[derive(Default)]
struct Measured {
    events: usize,
    commits: Vec<Duration>,
    cpu: Duration,
}

impl Measured {
    fn wall(&self) -> f64 {
        self.commits.iter().map(Duration::as_secs_f64).sum()
    }

    fn row(&self, what: &str, batch: usize) -> Value {
        let mut commits = self.commits.clone();
        commits.sort();
        let at = |share: f64| commits[((commits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        let (rate, cpu) =
            (self.events as f64 / self.wall(), self.cpu.as_secs_f64() / self.events as f64 * 1e6);
        println!(
            "{what:<28} {batch:>6} {rate:>10.0}/s {cpu:>8.2} us CPU  p50 {:>7.2} ms  p99 {:>7.2} ms",
            at(0.5),
            at(0.99)
        );
        json!({"what": what, "batch": batch, "per_second": rate, "cpu_us": cpu, "p50_ms": at(0.5), "p99_ms": at(0.99)})
    }
}

pub(crate) fn run(args: &Args) -> Result<()> {
    // Nothing is deleted before the end: ext4 without a journal passes over every inode that was freed in the last minutes, one by one,
    // whenever it makes a file.
    let all = tempfile::tempdir_in(&args.dir)?;
    let args = &Args { dir: all.path().to_owned(), ..args.clone() };
    let mut rows = Vec::new();
    for &batch in &args.batches {
        let ours = node(args, batch)?;
        let inserts = args.postgres.as_ref().map(|url| move |_: &Path, b, s| postgres_ledger(url, b, s));
        let mut others: Vec<(&str, &dyn Fn(&Path, usize, f64) -> Result<Measured>)> = vec![
            ("bare SQLite log", &sqlite_log),
            ("bare SQLite ledger", &sqlite_ledger),
            ("redb", &redb),
            ("file and fdatasync", &file),
        ];
        if let Some(inserts) = &inserts {
            others.push(("Postgres ledger, INSERTs", inserts));
        }
        rows.push(ours.row("assay, whole", batch));
        for (what, measure) in others.iter().filter(|_| !args.alone) {
            let theirs = measure(&tempfile::tempdir_in(&args.dir)?.keep(), batch, args.seconds)?;
            rows.push(theirs.row(what, batch));
            let ratio = (ours.events as f64 / ours.wall()) / (theirs.events as f64 / theirs.wall());
            println!("{:>28} {ratio:.2} of it", "assay reaches");
        }
    }
    rows.push(waiting(args)?);
    rows.push(callers(args)?);
    rows.push(again(args)?);
    println!("{}", serde_json::to_string(&rows)?);
    Ok(())
}

/// A node and signed deposits for it, made before the clock runs.
struct Bench {
    home: PathBuf,
    operator: SigningKey,
    accounts: Vec<AccountId>,
    next: u64,
}

impl Bench {
    fn new(args: &Args) -> Result<(Self, Node)> {
        let dir = tempfile::tempdir_in(&args.dir)?.keep();
        let home = dir.join("home");
        let mut node = Node::found(Home::init(&home, Some(ORIGIN)).map_err(told)?).map_err(told)?;
        let keys: Vec<SigningKey> = (0..ACCOUNTS as u64).map(key).collect();
        let open = |key| node.sign(key, Command::OpenAccount { key: PublicKey::from(key) });
        let opened = keys.iter().map(open).collect::<std::result::Result<_, _>>().map_err(told)?;
        for answer in node.submit_all(opened).map_err(told)? {
            answer.map_err(told)?;
        }
        let accounts = keys.iter().map(|key| AccountId::of(&PublicKey::from(key))).collect();
        Ok((Self { home, operator: node.operator().clone(), accounts, next: 0 }, node))
    }

    fn signed(&mut self, node: &Node, count: usize) -> Result<Vec<Signed>> {
        let mut made = Vec::with_capacity(count);
        for _ in 0..count {
            self.next += 1;
            let mut nonce = [0; 16];
            nonce[..8].copy_from_slice(&self.next.to_be_bytes());
            let account = self.accounts[self.next as usize % self.accounts.len()].clone();
            let reference = format!("wire-{}", self.next).parse()?;
            let amount = Amount::new(5).ok_or("an amount")?;
            let command = Command::Deposit { account, amount, reference };
            made.push(node.sign_with(&self.operator, Nonce(nonce), command).map_err(told)?);
        }
        Ok(made)
    }

    /// One of every account in turn.
    fn withdrawals(&self, node: &Node, count: usize) -> Result<Vec<Signed>> {
        let keys: Vec<SigningKey> = (0..ACCOUNTS as u64).map(key).collect();
        let withdrawal = |at: usize| {
            let mut nonce = [1; 16];
            nonce[..8].copy_from_slice(&(at as u64).to_be_bytes());
            let (amount, reference) = (Amount::new(1).ok_or("an amount")?, format!("out-{at}").parse()?);
            let command = Command::Withdraw { amount, reference };
            node.sign_with(&keys[at % ACCOUNTS], Nonce(nonce), command).map_err(told)
        };
        (0..count).map(withdrawal).collect()
    }
}

fn node(args: &Args, batch: usize) -> Result<Measured> {
    let (mut bench, mut node) = Bench::new(args)?;
    let mut measured = Measured::default();
    while measured.wall() < args.seconds {
        let signed = bench.signed(&node, batch)?;
        measured.commit(batch, || {
            for answer in node.submit_all(signed).map_err(told)? {
                answer.map_err(told)?;
            }
            Ok(())
        })?;
    }
    Ok(measured)
}

impl Measured {
    fn commit(&mut self, events: usize, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let (cpu, wall) = (process_cpu(), Instant::now());
        work()?;
        self.commits.push(wall.elapsed());
        self.cpu += process_cpu() - cpu;
        self.events += events;
        Ok(())
    }
}

/// As many commands as [`WAITING`] on their way at any time, by a thousand accounts: signatures are checked while the batch before
/// is made durable.
fn waiting(args: &Args) -> Result<Value> {
    const WAITING: usize = 2_000;
    let (mut bench, mut node) = Bench::new(args)?;
    // Five units at a time, for forty withdrawals each.
    for _ in 0..8 {
        let deposits = bench.signed(&node, ACCOUNTS)?;
        node.submit_all(deposits).map_err(told)?;
    }
    let commands = bench.withdrawals(&node, 40 * ACCOUNTS)?;
    let (queue, sequencer) = queue::start(node).map_err(told)?;
    let mut measured = Measured::default();
    measured.commit(commands.len(), || {
        let mut pending: VecDeque<queue::Pending> = VecDeque::with_capacity(WAITING);
        for signed in commands {
            if pending.len() == WAITING
                && let Some(first) = pending.pop_front()
            {
                first.wait().map_err(told)?;
            }
            pending.push_back(queue.send(signed).map_err(told)?);
        }
        pending.into_iter().try_for_each(|last| last.wait().map(drop).map_err(told))
    })?;
    drop(queue);
    sequencer.finish().map_err(told)?;
    Ok(measured.row("assay, 2,000 waiting", 1))
}

/// 64 callers, each of whom waits for its answer.
fn callers(args: &Args) -> Result<Value> {
    const CALLERS: usize = 64;
    let (mut bench, node) = Bench::new(args)?;
    let each = 200;
    let plans: Vec<Vec<Signed>> = (0..CALLERS).map(|_| bench.signed(&node, each)).collect::<Result<_>>()?;
    let (queue, sequencer) = queue::start(node).map_err(told)?;
    let (cpu, wall) = (process_cpu(), Instant::now());
    let commits = std::thread::scope(|scope| {
        let work = |plan: Vec<Signed>| {
            let queue = queue.clone();
            scope.spawn(move || {
                let ask = |signed| {
                    let start = Instant::now();
                    queue.submit(signed).map(|_| start.elapsed())
                };
                plan.into_iter().map(ask).collect::<std::result::Result<Vec<_>, _>>()
            })
        };
        let threads: Vec<_> = plans.into_iter().map(work).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()?.ok()).flatten().collect::<Vec<_>>()
    });
    let (wall, cpu) = (wall.elapsed(), process_cpu() - cpu);
    drop(queue);
    sequencer.finish().map_err(told)?;
    let measured = Measured { events: commits.len(), commits, cpu };
    println!(
        "{CALLERS} callers: {:.0} events a second together",
        measured.events as f64 / wall.as_secs_f64()
    );
    Ok(measured.row("assay, 64 callers, each", 1))
}

/// A long log: proven, opened again with and without an image of the state, verified as a stranger would.
fn again(args: &Args) -> Result<Value> {
    let (mut bench, mut node) = Bench::new(args)?;
    while (node.state().size() as usize) < args.entries {
        let signed = bench.signed(&node, 4_000)?;
        for answer in node.submit_all(signed).map_err(told)? {
            answer.map_err(told)?;
        }
    }
    let size = node.state().size();
    let per = |what: &str, count: u64, (wall, cpu): (Duration, Duration)| {
        let rate = count as f64 / cpu.as_secs_f64();
        println!(
            "{what:<40} {:.2} s, {:.2} CPU s: {rate:.0} a CPU second",
            wall.as_secs_f64(),
            cpu.as_secs_f64()
        );
        json!({"what": what, "count": count, "wall_s": wall.as_secs_f64(), "cpu_s": cpu.as_secs_f64()})
    };
    let proofs = 2_000;
    let mut rows = vec![per(
        "receipts made",
        proofs,
        timed(|| {
            (0..proofs).try_for_each(|i| node.receipt(i * size / proofs, Vec::new()).map(drop).map_err(told))
        })?,
    )];
    let key = node.log_key().clone();
    drop(node);
    let open = || Node::open(Home::open(&bench.home).map_err(told)?).map(drop).map_err(told);
    rows.push(per("opened with an image of the state", size, timed(open)?));
    EventStore::open(&bench.home.join("private/log"))?.drop_images()?;
    rows.push(per("opened from the log alone", size, timed(open)?));
    let public = bench.home.join("public");
    rows.push(per(
        "verified by a stranger",
        size,
        timed(|| verify(&public, Some(&key), &|_, _| {}).map(drop).map_err(told))?,
    ));
    let bytes: u64 = size * 500;
    let data = vec![7_u8; 1 << 20];
    let hashed = timed(|| {
        (0..bytes >> 20).for_each(|_| {
            std::hint::black_box(assay_tlog::leaf_hash(&data));
        });
        Ok(())
    })?;
    rows.push(per("SHA-256 of as many bytes", size, hashed));
    Ok(json!(rows))
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<(Duration, Duration)> {
    let (cpu, wall) = (process_cpu(), Instant::now());
    work()?;
    Ok((wall.elapsed(), process_cpu() - cpu))
}

fn durable(dir: &Path, tables: &str) -> Result<Connection> {
    let db = Connection::open(dir.join("bare.db"))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch(tables)?;
    Ok(db)
}

fn sqlite_log(dir: &Path, batch: usize, seconds: f64) -> Result<Measured> {
    let mut db = durable(dir, "CREATE TABLE entry (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT")?;
    let (mut measured, bytes, mut seq) = (Measured::default(), [7_u8; OTHER_BYTES], 0_i64);
    while measured.wall() < seconds {
        measured.commit(batch, || {
            let tx = db.transaction()?;
            let mut add = tx.prepare_cached("INSERT INTO entry VALUES (?1, ?2)")?;
            for _ in 0..batch {
                add.execute(params![seq, bytes])?;
                seq += 1;
            }
            drop(add);
            Ok(tx.commit()?)
        })?;
    }
    Ok(measured)
}

const LEDGER: &str = "
    CREATE TABLE entry (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
    CREATE TABLE key (key BLOB PRIMARY KEY, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE posting (seq INTEGER NOT NULL, account INTEGER NOT NULL, amount INTEGER NOT NULL) STRICT;
    CREATE TABLE balance (account INTEGER PRIMARY KEY, amount INTEGER NOT NULL) STRICT;
";

fn sqlite_ledger(dir: &Path, batch: usize, seconds: f64) -> Result<Measured> {
    let mut db = durable(dir, LEDGER)?;
    for account in 0..=ACCOUNTS as i64 {
        db.execute("INSERT INTO balance VALUES (?1, 0)", [account])?;
    }
    let (mut measured, bytes, mut seq) = (Measured::default(), [7_u8; OTHER_BYTES], 0_i64);
    while measured.wall() < seconds {
        measured.commit(batch, || {
            let tx = db.transaction()?;
            let mut entry = tx.prepare_cached("INSERT INTO entry VALUES (?1, ?2)")?;
            let mut key = tx.prepare_cached("INSERT INTO key VALUES (?1, ?2)")?;
            let mut posting = tx.prepare_cached("INSERT INTO posting VALUES (?1, ?2, ?3)")?;
            let mut balance =
                tx.prepare_cached("UPDATE balance SET amount = amount + ?2 WHERE account = ?1")?;
            for _ in 0..batch {
                entry.execute(params![seq, bytes])?;
                key.execute(params![(seq as u128).to_be_bytes(), seq])?;
                for (account, amount) in [(0, -5_i64), (1 + seq % ACCOUNTS as i64, 5)] {
                    posting.execute(params![seq, account, amount])?;
                    balance.execute(params![account, amount])?;
                }
                seq += 1;
            }
            drop((entry, key, posting, balance));
            Ok(tx.commit()?)
        })?;
    }
    Ok(measured)
}

fn postgres_ledger(url: &str, batch: usize, seconds: f64) -> Result<Measured> {
    let mut db = postgres::Client::connect(url, postgres::NoTls)?;
    db.batch_execute(
        "DROP SCHEMA IF EXISTS assay_bench CASCADE; CREATE SCHEMA assay_bench; SET search_path = assay_bench;
        CREATE TABLE entry (seq BIGINT PRIMARY KEY, bytes BYTEA NOT NULL);
        CREATE TABLE key (key BYTEA PRIMARY KEY, seq BIGINT NOT NULL);
        CREATE TABLE posting (seq BIGINT NOT NULL, account BIGINT NOT NULL, amount BIGINT NOT NULL);
        CREATE TABLE balance (account BIGINT PRIMARY KEY, amount BIGINT NOT NULL);",
    )?;
    for account in 0..=ACCOUNTS as i64 {
        db.execute("INSERT INTO balance VALUES ($1, 0)", &[&account])?;
    }
    let entry = db.prepare("INSERT INTO entry VALUES ($1, $2)")?;
    let key = db.prepare("INSERT INTO key VALUES ($1, $2)")?;
    let posting = db.prepare("INSERT INTO posting VALUES ($1, $2, $3)")?;
    let balance = db.prepare("UPDATE balance SET amount = amount + $2 WHERE account = $1")?;
    let (mut measured, bytes, mut seq) = (Measured::default(), vec![7_u8; OTHER_BYTES], 0_i64);
    while measured.wall() < seconds {
        measured.commit(batch, || {
            let mut tx = db.transaction()?;
            for _ in 0..batch {
                tx.execute(&entry, &[&seq, &bytes])?;
                tx.execute(&key, &[&(seq as u128).to_be_bytes().as_slice(), &seq])?;
                for (account, amount) in [(0, -5_i64), (1 + seq % ACCOUNTS as i64, 5)] {
                    tx.execute(&posting, &[&seq, &account, &amount])?;
                    tx.execute(&balance, &[&account, &amount])?;
                }
                seq += 1;
            }
            Ok(tx.commit()?)
        })?;
    }
    db.batch_execute("DROP SCHEMA assay_bench CASCADE")?;
    Ok(measured)
}

fn redb(dir: &Path, batch: usize, seconds: f64) -> Result<Measured> {
    const ENTRIES: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("entry");
    let db = redb::Database::create(dir.join("bare.redb"))?;
    let (mut measured, bytes, mut seq) = (Measured::default(), [7_u8; OTHER_BYTES], 0_u64);
    while measured.wall() < seconds {
        measured.commit(batch, || {
            let tx = db.begin_write()?;
            let mut table = tx.open_table(ENTRIES)?;
            for _ in 0..batch {
                table.insert(seq, bytes.as_slice())?;
                seq += 1;
            }
            drop(table);
            Ok(tx.commit()?)
        })?;
    }
    Ok(measured)
}

fn file(dir: &Path, batch: usize, seconds: f64) -> Result<Measured> {
    use std::io::Write as _;
    let mut file = std::fs::File::create(dir.join("bare.log"))?;
    let (mut measured, bytes) = (Measured::default(), vec![7_u8; OTHER_BYTES * batch]);
    while measured.wall() < seconds {
        measured.commit(batch, || {
            file.write_all(&bytes)?;
            Ok(file.sync_data()?)
        })?;
    }
    Ok(measured)
}

fn key(seed: u64) -> SigningKey {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    SigningKey::from_bytes(&bytes)
}

fn told(error: assay_node::NodeError) -> Box<dyn std::error::Error> {
    error.to_string().into()
}

/// CPU time of all threads of this process.
fn process_cpu() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
}
