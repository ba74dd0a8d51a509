//! What it costs to pay contributors for many answers, and to settle the epoch: metered, as an entry an answer, and as
//! postings and balances in SQLite. CPU time on one thread; signatures are left out, since a verifier checks them apart.

use std::collections::BTreeMap;

use assay_ledger::amount::{Amount, Place};
use assay_ledger::command::{Benchmark, Command, Credit, Intent, Score, Share, Signed, ValueRow};
use assay_ledger::decide::decide_verified;
use assay_ledger::event::Event;
use assay_ledger::ids::{AccountId, DatanetId, Digest, Nonce, PublicKey, Signature, TableRef};
use assay_ledger::limits::{CREDITS_PER_EVENT, METERED_ANSWERS_MAX, PPM, ROWS_PER_EVENT};
use assay_ledger::meter::{Metered, credits, root};
use assay_ledger::split::split;
use assay_ledger::state::State;
use assay_store::columns::{self, ColumnTable, Values};
use assay_tlog::SignerKey;
use rusqlite::{Connection, params};
use serde_json::json;

use crate::Result;
use crate::data::cpu_seconds;

const ORIGIN: &str = "example.org/bench";

#[derive(Clone, clap::Args)]
pub(crate) struct Args {
    /// Answers to pay for
    #[arg(long, default_value_t = 1_000_000)]
    answers: usize,
    /// Contributors among whom
    #[arg(long, default_value_t = 10_000)]
    contributors: usize,
    /// Of whom an answer names so many
    #[arg(long, default_value_t = 20)]
    shares: usize,
    /// What an answer costs, base units; equal remainders are the slow case
    #[arg(long, default_value_t = 1_000_003)]
    price: u64,
    /// Answers that the others pay for
    #[arg(long, default_value_t = 50_000)]
    others: usize,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut world = World::new(args)?;
    let queries: Vec<u64> = (0..args.answers).map(|_| world.ask()).collect::<Result<_>>()?;
    let answers = world.answers(args, &queries);
    let others = &answers[..args.others.min(answers.len())];

    let alone = world.clone().entry_each(others)?;
    let (sqlite, paid) = in_sqlite(args, others)?;
    agree(&world, others, &paid)?;
    let metered = world.meter(&answers)?;
    let settled = world.settle()?;

    let each = |seconds: f64, count: usize| seconds / count as f64 * 1e6;
    println!(
        "| {} answers of {} shares, {} contributors | CPU s | us an answer |",
        args.answers, args.shares, args.contributors
    );
    println!("|---|---|---|");
    for (what, seconds) in [
        ("divided, added up by contributor", metered.divided),
        ("decided and applied", metered.decided),
        ("settled", settled),
        ("**all of it**", metered.divided + metered.decided + settled),
        ("leaves hashed, root", metered.rooted),
        ("table written", metered.written),
        ("table read", metered.read),
    ] {
        println!("| {what} | {seconds:.2} | {:.2} |", each(seconds, args.answers));
    }
    println!(
        "| an entry an answer, {} of them | {alone:.2} | {:.2} |",
        others.len(),
        each(alone, others.len())
    );
    println!(
        "| SQLite, in memory, {} of them | {sqlite:.2} | {:.2} |",
        others.len(),
        each(sqlite, others.len())
    );
    let ours = each(metered.divided + metered.decided + settled, args.answers);
    let ratio = |seconds: f64| each(seconds, others.len()) / ours;
    let document = json!({
        "answers": args.answers, "contributors": args.contributors, "shares": args.shares,
        "divided_s": metered.divided, "decided_s": metered.decided, "settled_s": settled,
        "rooted_s": metered.rooted, "written_s": metered.written, "read_s": metered.read,
        "table_bytes": metered.bytes, "entries": metered.entries,
        "entry_each_us": each(alone, others.len()), "sqlite_us": each(sqlite, others.len()),
        "entry_each_ratio": ratio(alone), "sqlite_ratio": ratio(sqlite),
    });
    println!("{document}");
    Ok(())
}

/// CPU seconds.
#[derive(Default)]
struct Metering {
    divided: f64,
    rooted: f64,
    written: f64,
    read: f64,
    decided: f64,
    bytes: usize,
    entries: u64,
}

fn timed<T>(spent: &mut f64, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let from = cpu_seconds();
    let done = work();
    *spent += cpu_seconds() - from;
    done
}

#[derive(Clone)]
struct World {
    state: State,
    nonces: u128,
    model: u64,
    accounts: Vec<AccountId>,
}

impl World {
    /// A datanet whose contributors all have a record of value.
    fn new(args: &Args) -> Result<Self> {
        let accounts = (0..args.contributors as u64).map(account).collect();
        let mut world = Self { state: State::new(ORIGIN), nonces: 0, model: 0, accounts };
        let operator = account(u64::MAX);
        let log_key = SignerKey::from_seed(ORIGIN, &[99; 32])?.verifier().to_string();
        world.act(&operator, Command::Found { key: key(u64::MAX), log_key })?;
        let root = Digest([2; 32]);
        let benchmark = Benchmark { value_root: root, value_rows: 9, report_root: root, report_rows: 9 };
        let charter = charter(args.price);
        world.act(&operator, Command::CreateDatanet { datanet: net(), charter, benchmark })?;
        let amount = Amount::new(1 << 62).unwrap_or_default();
        let deposit = Command::Deposit { account: operator.clone(), amount, reference: "wire".parse()? };
        world.act(&operator, deposit)?;
        for (i, one) in world.accounts.clone().iter().enumerate() {
            world.act(one, Command::OpenAccount { key: key(i as u64) })?;
            let offer = Command::Contribute { datanet: net(), records: 1, root, table: table(1) };
            let contribution = world.act(one, offer)?;
            let gate = Command::Gate {
                datanet: net(),
                contribution,
                passed: 1,
                held: Vec::new(),
                rejected: 0,
                reasons: BTreeMap::new(),
                table: table(1),
            };
            world.act(&operator, gate)?;
        }
        world.accounts.sort();
        world.model = world.valued(&operator)?;
        Ok(world)
    }

    fn valued(&mut self, operator: &AccountId) -> Result<u64> {
        let (records, root) = (self.accounts.len() as u64, Digest([2; 32]));
        let freeze = Command::Snapshot { datanet: net(), records, root, table: table(records) };
        let snapshot = self.act(operator, freeze)?;
        let score = Score { accuracy_ppm: 1, gain_microbits: 1, low_microbits: 0, high_microbits: 2 };
        let scores = [("snapshot".parse()?, score)].into();
        let train = Command::Train { datanet: net(), snapshot, weights: root, recipe: root, scores };
        let model = self.act(operator, train)?;
        let row = |account: &AccountId| ValueRow {
            account: account.clone(),
            records: 1,
            value_microbits: 100,
            se_microbits: 10,
            low_microbits: 80,
            high_microbits: 120,
        };
        let rows: Vec<ValueRow> = self.accounts.iter().map(row).collect();
        let parts = rows.chunks(ROWS_PER_EVENT).len() as u32;
        for (part, rows) in (0..).zip(rows.chunks(ROWS_PER_EVENT)) {
            self.act(operator, Command::ValueRows { datanet: net(), model, part, rows: rows.to_vec() })?;
        }
        let value = Command::Value {
            datanet: net(),
            model,
            parts,
            base_microbits: 0,
            full_microbits: 100 * records as i64,
            sum_microbits: 100 * records as i64,
            withheld_microbits: 0,
            nodes: 4,
            recipe: root,
            table: table(records),
        };
        self.act(operator, value)?;
        Ok(model)
    }

    fn signed(&mut self, actor: &AccountId, command: Command) -> Signed {
        self.nonces += 1;
        let (actor, nonce) = (actor.clone(), Nonce(self.nonces.to_be_bytes()));
        let intent = Intent { origin: ORIGIN.to_owned(), actor, nonce, command };
        Signed { intent, signature: Signature([0; 64]) }
    }

    fn submit(&mut self, signed: &Signed) -> Result<u64> {
        let events: Vec<Event> = decide_verified(&self.state, 1, signed)?;
        events.iter().for_each(|event| self.state.apply(event));
        Ok(events[0].seq)
    }

    fn act(&mut self, actor: &AccountId, command: Command) -> Result<u64> {
        let signed = self.signed(actor, command);
        self.submit(&signed)
    }

    fn ask(&mut self) -> Result<u64> {
        let (query, price_max) = (Digest([3; 32]), Amount::new(1 << 62).unwrap_or_default());
        let ask = Command::Ask { datanet: net(), query, price_max, hold_hours: None };
        self.act(&account(u64::MAX), ask)
    }

    /// Answers that name contributors at random.
    fn answers(&self, args: &Args, queries: &[u64]) -> Vec<Metered> {
        let mut draw = 1_u64;
        let mut next = |bound: usize| {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (draw >> 33) as usize % bound
        };
        let mut answer = |&query: &u64| {
            let mut named: Vec<usize> = Vec::with_capacity(args.shares);
            while named.len() < args.shares {
                let i = next(self.accounts.len());
                if !named.contains(&i) {
                    named.push(i);
                }
            }
            named.sort_unstable();
            let most = u64::from(PPM) as usize / args.shares;
            let shares = named
                .into_iter()
                .map(|i| Share { account: self.accounts[i].clone(), ppm: 1 + next(most) as u32 });
            Metered { query, answer: Digest([1; 32]), moved_microbits: 5, shares: shares.collect() }
        };
        queries.iter().map(&mut answer).collect()
    }

    /// The same as entries of their own; CPU seconds.
    fn entry_each(mut self, answers: &[Metered]) -> Result<f64> {
        let operator = account(u64::MAX);
        let commands: Vec<Signed> = answers
            .iter()
            .map(|Metered { query, answer, moved_microbits, shares }| {
                let (query, answer, moved_microbits) = (*query, *answer, *moved_microbits);
                let (datanet, model, shares) = (net(), self.model, shares.clone());
                let command = Command::Answer { datanet, query, model, answer, moved_microbits, shares };
                self.signed(&operator, command)
            })
            .collect();
        let mut spent = 0.0;
        timed(&mut spent, || commands.iter().try_for_each(|signed| self.submit(signed).map(drop)))?;
        Ok(spent)
    }

    fn meter(&mut self, answers: &[Metered]) -> Result<Metering> {
        let (mut spent, before, operator) = (Metering::default(), self.state.size(), account(u64::MAX));
        for answers in answers.chunks(METERED_ANSWERS_MAX as usize) {
            let datanet = self.state.datanet(&net()).ok_or("there is no datanet")?;
            let sums = timed(&mut spent.divided, || Ok(credits(datanet, self.model, answers)?))?;
            let root = timed(&mut spent.rooted, || Ok(root(answers)?))?;
            let bytes = timed(&mut spent.written, || written(answers))?;
            timed(&mut spent.read, || read(&bytes, answers))?;
            spent.bytes += bytes.len();
            let rows = sums.chunks(CREDITS_PER_EVENT);
            let parts = rows.len() as u32;
            let rows = (0..).zip(rows);
            let rows =
                rows.map(|(part, rows)| Command::MeterRows { datanet: net(), part, rows: rows.to_vec() });
            let through = answers.last().map_or(0, |answer| answer.query);
            let (answers, model) = (answers.len() as u64, self.model);
            let table = table(answers);
            let close = Command::Meter { datanet: net(), model, through, answers, parts, root, table };
            let commands: Vec<Command> = rows.chain([close]).collect();
            let commands: Vec<Signed> =
                commands.into_iter().map(|command| self.signed(&operator, command)).collect();
            timed(&mut spent.decided, || {
                commands.iter().try_for_each(|signed| self.submit(signed).map(drop))
            })?;
        }
        spent.entries = self.state.size() - before;
        Ok(spent)
    }

    /// Closes the epoch; what was earned is released, to the unit.
    fn settle(&mut self) -> Result<f64> {
        let at = |world: &Self, place: fn(AccountId) -> Place| -> u128 {
            let places = world.accounts.iter().cloned().map(place);
            places.map(|place| world.state.balances().at(&place).units()).sum()
        };
        let accrued = at(self, |account| Place::Accrued(net(), account));
        let pooled = self.state.balances().at(&Place::Pool(net())).units();
        let signed = self.signed(&account(u64::MAX), Command::Settle { datanet: net(), epoch: 1 });
        let mut spent = 0.0;
        timed(&mut spent, || self.submit(&signed).map(drop))?;
        match at(self, Place::User) == accrued + pooled {
            true => Ok(spent),
            false => Err("what was released is not what was earned".into()),
        }
    }
}

/// The table as a node writes it.
fn written(answers: &[Metered]) -> Result<Vec<u8>> {
    let shares = answers.iter().map(|answer| Ok(answer.shares_text()?)).collect::<Result<Vec<String>>>()?;
    let table = ColumnTable::new("answers", 1)
        .with_column("query", answers.iter().map(|a| a.query as i64).collect::<Vec<_>>())?
        .with_column("answer", answers.iter().map(|a| a.answer.to_string()).collect::<Vec<_>>())?
        .with_column("moved_microbits", answers.iter().map(|a| a.moved_microbits).collect::<Vec<_>>())?
        .with_column("shares", shares)?;
    Ok(columns::write(&table)?)
}

/// Reads the shares again, as a stranger does.
fn read(bytes: &[u8], answers: &[Metered]) -> Result<()> {
    let table = columns::read(bytes)?;
    let Some(Values::Utf8(cells)) = table.column("shares") else { return Err("no shares".into()) };
    for (cell, answer) in cells.iter().zip(answers) {
        if Metered::shares_of(cell.as_deref().unwrap_or_default())? != answer.shares {
            return Err("other shares were read than written".into());
        }
    }
    Ok(())
}

/// What a team would write: a posting for each share, and the balances, in transactions of a thousand answers. In memory,
/// so that no disk is in it. CPU seconds, and what each contributor has.
fn in_sqlite(args: &Args, answers: &[Metered]) -> Result<(f64, BTreeMap<String, i64>)> {
    let mut db = Connection::open_in_memory()?;
    db.execute_batch(
        "CREATE TABLE postings (query INTEGER, account TEXT, units INTEGER) STRICT;
         CREATE TABLE balances (account TEXT PRIMARY KEY, units INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
    )?;
    let mut spent = 0.0;
    timed(&mut spent, || {
        for answers in answers.chunks(1_000) {
            let transaction = db.transaction()?;
            let mut post = transaction.prepare_cached("INSERT INTO postings VALUES (?1, ?2, ?3)")?;
            let mut add = transaction.prepare_cached(
                "INSERT INTO balances VALUES (?1, ?2) ON CONFLICT DO UPDATE SET units = units + excluded.units",
            )?;
            for answer in answers {
                for (share, units) in answer.shares.iter().zip(parts(args.price, answer)?) {
                    post.execute(params![answer.query as i64, share.account.as_str(), units])?;
                    add.execute(params![share.account.as_str(), units])?;
                }
            }
            drop((post, add));
            transaction.commit()?;
        }
        Ok(())
    })?;
    let mut rows = db.prepare("SELECT account, units FROM balances WHERE units > 0")?;
    let paid = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((spent, paid.collect::<rusqlite::Result<_>>()?))
}

/// The contributors' part of the price, seven tenths, by shares; ties as in the ledger.
fn parts(price: u64, answer: &Metered) -> Result<Vec<i64>> {
    let total = |weights: &[u64], total: u64, names: &dyn Fn(usize) -> String| -> Result<Vec<u64>> {
        let total = Amount::new(total.into()).ok_or("too large")?;
        let parts = split(total, weights, |i| tie(answer.query, &names(i))).ok_or("no weight")?;
        Ok(parts.iter().map(|part| part.units() as u64).collect())
    };
    let roles = ["contributors", "reviewers", "trainer", "platform"];
    let roles = total(&[700_000, 100_000, 100_000, 100_000], price, &|i| roles[i].to_owned())?;
    let named: u64 = answer.shares.iter().map(|share| u64::from(share.ppm)).sum();
    let weights = answer.shares.iter().map(|share| share.ppm.into()).chain([u64::from(PPM) - named]);
    let weights: Vec<u64> = weights.collect();
    let name = |i: usize| answer.shares.get(i).map_or("pool".to_owned(), |share| share.account.to_string());
    Ok(total(&weights, roles[0], &name)?.into_iter().map(|units| units as i64).collect())
}

fn tie(number: u64, name: &str) -> [u8; 32] {
    Digest::of(&[b"assay/split/v1\n", &number.to_be_bytes()[..], name.as_bytes()].concat()).0
}

/// What we credit is what SQLite added up.
fn agree(world: &World, answers: &[Metered], paid: &BTreeMap<String, i64>) -> Result<()> {
    let datanet = world.state.datanet(&net()).ok_or("there is no datanet")?;
    let ours = credits(datanet, world.model, answers)?;
    let ours =
        ours.into_iter().map(|Credit { account, amount }| (account.to_string(), amount.units() as i64));
    match ours.collect::<BTreeMap<_, _>>() == *paid {
        true => Ok(()),
        false => Err("SQLite has other balances".into()),
    }
}

fn charter(price: u64) -> String {
    format!(
        r#"schema = "assay.charter/1"
datanet = "many"
title = "Many answers"
[task]
kind = "classification"
features = ["a", "b"]
label = "label"
classes = ["0", "1"]
[split]
contributors = 700000
reviewers = 100000
trainer = 100000
platform = 100000
[query]
price = "{price}"
"#
    )
}

fn table(rows: u64) -> TableRef {
    TableRef { sha256: Digest([2; 32]), rows, bytes: 9 }
}

fn net() -> DatanetId {
    "many".parse().unwrap_or_else(|e| panic!("{e}"))
}

fn key(seed: u64) -> PublicKey {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    PublicKey(bytes)
}

fn account(seed: u64) -> AccountId {
    AccountId::of(&key(seed))
}
