//! What somebody asks of the node next, wise or not.

use std::collections::BTreeMap;

use assay_ledger::amount::Amount;
use assay_ledger::command::{Benchmark, Command, Credit, Role, Score, Share, ValueRow};
use assay_ledger::datanet::Datanet;
use assay_ledger::ids::{AccountId, Code, DatanetId, Digest, PublicKey, TableRef};
use assay_ledger::key::{Claim, Purpose};
use assay_ledger::state::State;
use ed25519_dalek::SigningKey;

use crate::machine::Dice;
use crate::withdrawn::Batch;

pub(crate) const ORIGIN: &str = "example.org/simulated";
/// Who founded the log; 1 to `ACTORS` are anyone.
pub(crate) const OPERATOR: u8 = 0;
pub(crate) const ACTORS: u8 = 6;
const NETS: [&str; 2] = ["digits", "words"];
const PARQUET: &str = "parquet";

/// A command, who sends it, and the files that must be there before.
pub(crate) struct Wish {
    pub(crate) actor: u8,
    pub(crate) command: Command,
    pub(crate) files: Vec<(Vec<u8>, &'static str)>,
    /// Records that must be kept before.
    pub(crate) batch: Option<Batch>,
}

pub(crate) fn key(actor: u8) -> SigningKey {
    SigningKey::from_bytes(&[actor + 1; 32])
}

/// The key that the command of this number may name, as another one for its account.
pub(crate) fn fresh_key(serial: u64) -> SigningKey {
    let mut seed = [0xfe; 32];
    seed[..8].copy_from_slice(&serial.to_be_bytes());
    SigningKey::from_bytes(&seed)
}

/// Another key for an account, to sign with or to recover it with.
fn rekey(dice: &mut Dice, actor: u8, new: &SigningKey) -> Command {
    let (key, account) = (PublicKey::from(new), account(actor));
    let proof = |purpose| Claim { origin: ORIGIN, account: &account, purpose }.sign(new).unwrap();
    match dice.below(3) {
        0 => Command::RotateKey { key, proof: proof(Purpose::Sign) },
        1 => Command::SetRecovery { key, proof: proof(Purpose::Recover) },
        _ => Command::RecoverKey { key, proof: proof(Purpose::Sign) },
    }
}

pub(crate) fn account(actor: u8) -> AccountId {
    AccountId::of(&PublicKey::from(&key(actor)))
}

fn actor_of(id: &AccountId) -> u8 {
    (0..=ACTORS).find(|&actor| account(actor) == *id).unwrap()
}

fn amount(units: u64) -> Amount {
    Amount::new(units.into()).unwrap()
}

/// Draws a wish; `serial` makes what must be unique unique.
pub(crate) fn wish(dice: &mut Dice, state: &State, serial: u64) -> Option<Wish> {
    let reference: Code = format!("ref-{serial}").parse().unwrap();
    let actor = 1 + dice.below(ACTORS.into()) as u8;
    if !state.accounts().contains_key(&account(actor)) {
        return plain(actor, Command::OpenAccount { key: PublicKey::from(&key(actor)) });
    }
    if dice.one_in(15) {
        let actor = dice.below(u64::from(ACTORS) + 1) as u8;
        return plain(actor, rekey(dice, actor, &fresh_key(serial)));
    }
    match dice.below(10) {
        0 | 1 => {
            let amount = amount(1 + dice.below(9_000));
            plain(OPERATOR, Command::Deposit { account: account(actor), amount, reference })
        }
        2 => plain(actor, Command::Withdraw { amount: amount(1 + dice.below(2_000)), reference }),
        _ => {
            let id: DatanetId = dice.pick(NETS)?.parse().unwrap();
            match state.datanet(&id) {
                None => plain(actor, create(id, dice)),
                Some(net) => Stage { dice, net, id, actor, serial, t: state.t() }.wish(),
            }
        }
    }
}

fn plain(actor: u8, command: Command) -> Option<Wish> {
    Some(Wish { actor, command, files: Vec::new(), batch: None })
}

fn create(datanet: DatanetId, dice: &mut Dice) -> Command {
    let (price, bond, publish) = (1 + dice.below(500), dice.below(20), ["contributors", "records"]);
    let charter = format!(
        r#"schema = "assay.charter/1"
datanet = "{datanet}"
title = "Simulated"
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
[bond]
per_record = "{bond}"
[value]
publish = "{}"
[reward]
per_bit = "{}"
"#,
        publish[dice.below(2) as usize],
        1 + dice.below(1_000_000),
    );
    let (value_root, report_root) = (Digest::of(b"value"), Digest::of(b"report"));
    let benchmark = Benchmark { value_root, value_rows: 10, report_root, report_rows: 10 };
    Command::CreateDatanet { datanet, charter, benchmark }
}

/// A datanet in which something is to happen.
struct Stage<'a> {
    dice: &'a mut Dice,
    net: &'a Datanet,
    id: DatanetId,
    actor: u8,
    serial: u64,
    /// Time of the last entry.
    t: u64,
}

impl Stage<'_> {
    fn wish(self) -> Option<Wish> {
        let datanet = self.id.clone();
        if self.dice.one_in(20) {
            return self.retract();
        }
        // A model that can answer does not last, and metering takes two commands.
        if self.net.serving().is_some() && self.dice.one_in(3) {
            return if self.net.queries.is_empty() { self.ask() } else { self.meter() };
        }
        match self.dice.below(24) {
            0..=3 => self.contribute(),
            4..=6 => self.gate(),
            7 => {
                let (contribution, index) = self.dice.pick(self.net.held())?;
                let reviewer = self.dice.pick(self.net.reviewers.iter().chain([&self.net.owner]))?;
                let (pass, reason) = (self.dice.one_in(2), "looked".parse().unwrap());
                plain(actor_of(reviewer), Command::Review { datanet, contribution, index, pass, reason })
            }
            8 => {
                let role = self.dice.pick([Role::Reviewer, Role::Trainer])?;
                let account = account(self.actor);
                plain(actor_of(&self.net.owner), Command::Appoint { datanet, account, role })
            }
            9 => {
                let records = self.net.passed();
                let (root, file) = (Digest::of(b"snapshot"), self.file());
                let table = table(&file, records);
                self.filed(OPERATOR, Command::Snapshot { datanet, records, root, table }, PARQUET)
            }
            10 => self.train(),
            11 | 12 => self.value(),
            13 | 14 => self.ask(),
            15..=17 => self.answer(),
            18 => {
                let (&query, open) = self.dice.pick(&self.net.queries)?;
                let actor = self.dice.pick([OPERATOR, actor_of(&open.consumer)])?;
                plain(actor, Command::Release { datanet, query, reason: "late".parse().unwrap() })
            }
            19 | 20 => {
                let amount = amount(1 + self.dice.below(400));
                plain(self.actor, Command::Fund { datanet, amount })
            }
            21 | 22 => plain(OPERATOR, Command::Settle { datanet, epoch: self.net.epoch }),
            _ => {
                let table = table(&self.file(), 1);
                self.filed(
                    OPERATOR,
                    Command::Publish { datanet, name: "report".parse().unwrap(), table },
                    "json",
                )
            }
        }
    }

    fn ask(self) -> Option<Wish> {
        let (datanet, price_max) = (self.id.clone(), amount(u64::MAX / 4));
        let query = Digest::of(&self.serial.to_be_bytes());
        let hold_hours = self.dice.pick([None, Some(168), Some(1_000)])?;
        plain(self.actor, Command::Ask { datanet, query, price_max, hold_hours })
    }

    /// The bytes of a file that no other command names.
    fn file(&self) -> Vec<u8> {
        format!("file of command {}", self.serial).into_bytes()
    }

    fn filed(&self, actor: u8, command: Command, extension: &'static str) -> Option<Wish> {
        Some(Wish { actor, command, files: vec![(self.file(), extension)], batch: None })
    }

    fn contribute(self) -> Option<Wish> {
        let records = 1 + self.dice.below(8) as u32;
        let (batch, table) =
            (Batch::new(&self.id, self.serial, records), table(&self.file(), records.into()));
        let command = Command::Contribute { datanet: self.id.clone(), records, root: batch.root, table };
        let wish = self.filed(self.actor, command, PARQUET)?;
        Some(Wish { batch: Some(batch), ..wish })
    }

    /// Its author, the operator, or anyone wants a contribution to be gone, which may be gone already.
    fn retract(self) -> Option<Wish> {
        let (&contribution, offered) = self.dice.pick(&self.net.contributions)?;
        let author = actor_of(&offered.author);
        let actor = self.dice.pick([author, author, OPERATOR, self.actor])?;
        let (datanet, reason) = (self.id, "asked".parse().unwrap());
        plain(actor, Command::Retract { datanet, contribution, reason })
    }

    /// Some records are held, some rejected, the others pass.
    fn gate(self) -> Option<Wish> {
        let contribution = self.dice.pick(self.net.ungated.iter().copied())?;
        let records = self.net.contributions[&contribution].records;
        let held: Vec<u32> = (0..records).filter(|_| self.dice.one_in(6)).collect();
        let rest = records - held.len() as u32;
        let rejected = self.dice.below(u64::from(rest) / 2 + 1) as u32;
        let counts = [("near_duplicate", held.len() as u32), ("exact_duplicate", rejected)];
        let reasons = counts.into_iter().filter(|(_, count)| *count > 0);
        let command = Command::Gate {
            datanet: self.id.clone(),
            contribution,
            passed: rest - rejected,
            held,
            rejected,
            reasons: reasons.map(|(name, count)| (name.parse().unwrap(), count)).collect(),
            table: table(&self.file(), records.into()),
        };
        self.filed(OPERATOR, command, PARQUET)
    }

    fn train(self) -> Option<Wish> {
        let snapshot = *self.net.snapshots.keys().next_back()?;
        let score = |gain: i64| Score {
            accuracy_ppm: 900_000,
            gain_microbits: gain,
            low_microbits: gain - 10,
            high_microbits: gain + 10,
        };
        let scores = [("base", 0), ("snapshot", 2_000_000)];
        let command = Command::Train {
            datanet: self.id.clone(),
            snapshot,
            weights: Digest::of(b"weights"),
            recipe: Digest::of(&self.file()),
            scores: scores.map(|(name, gain)| (name.parse().unwrap(), score(gain))).into(),
        };
        self.filed(OPERATOR, command, "json")
    }

    /// The next step towards a valuation: the rows, then their sum.
    fn value(self) -> Option<Wish> {
        let (&model, trained) = self.net.models.iter().rfind(|(_, model)| model.valuation.is_none())?;
        let datanet = self.id.clone();
        let Some(staged) = self.net.staged.get(&model) else {
            let counts = &self.net.snapshots[&trained.snapshot].counts;
            let row = |(account, &records): (&AccountId, &u64)| {
                let fresh = self.net.contributors[account].valued < records;
                let value = if fresh { self.dice.below(2_000) as i64 - 700 } else { 0 };
                ValueRow {
                    account: account.clone(),
                    records,
                    value_microbits: value,
                    se_microbits: i64::from(fresh) * 10,
                    low_microbits: value - i64::from(fresh) * 20,
                    high_microbits: value + i64::from(fresh) * 20,
                }
            };
            let rows = counts.iter().map(row).collect();
            return plain(OPERATOR, Command::ValueRows { datanet, model, part: 0, rows });
        };
        let sum = staged.rows.values().map(|row| row.value_microbits).sum();
        let file = self.file();
        let command = Command::Value {
            datanet,
            model,
            parts: staged.parts,
            base_microbits: 0,
            full_microbits: sum,
            sum_microbits: sum,
            withheld_microbits: 0,
            nodes: 16,
            recipe: Digest::of(&file),
            table: table(&file, self.net.snapshots[&trained.snapshot].records),
        };
        // The recipe, and the values of the records, which the settlement may show.
        let files = vec![(file.clone(), "json"), (file, PARQUET)];
        Some(Wish { actor: OPERATOR, command, files, batch: None })
    }

    /// Credits for the contributors, or what closes those that were sent.
    fn meter(self) -> Option<Wish> {
        let datanet = self.id.clone();
        if let Some((&query, _)) = self.net.queries.iter().find(|(_, query)| query.is_expired(self.t)) {
            return plain(OPERATOR, Command::Release { datanet, query, reason: "expired".parse().unwrap() });
        }
        let through = *self.dice.pick(self.net.queries.keys())?;
        let model = self.net.serving()?;
        let trained = &self.net.models[&model];
        let Some(staged) = self.net.metering.as_ref().filter(|_| !self.dice.one_in(8)) else {
            let counts = &self.net.snapshots[&trained.snapshot].counts;
            let price = self.net.charter.query.price.units() as u64;
            let most = price * 7 / 10 / counts.len().max(1) as u64;
            let credit = |account: &AccountId| {
                let amount = amount(1 + self.dice.below(most));
                Credit { account: account.clone(), amount }
            };
            let rows = counts.keys().map(credit).collect();
            return plain(OPERATOR, Command::MeterRows { datanet, part: 0, rows });
        };
        let answers = self.net.queries.range(..=through).count() as u64;
        let (parts, root, table) = (staged.parts, Digest::of(b"answers"), table(&self.file(), answers));
        let command = Command::Meter { datanet, model, through, answers, parts, root, table };
        self.filed(OPERATOR, command, PARQUET)
    }

    fn answer(self) -> Option<Wish> {
        let query = *self.dice.pick(self.net.queries.keys())?;
        let (&model, trained) =
            self.dice.pick(self.net.models.iter().filter(|(_, m)| m.valuation.is_some()))?;
        let counts: &BTreeMap<AccountId, u64> = &self.net.snapshots[&trained.snapshot].counts;
        let ppm = 1_000_000 / counts.len().max(1) as u32;
        let shares = counts.keys().map(|account| Share { account: account.clone(), ppm }).collect();
        plain(
            OPERATOR,
            Command::Answer {
                datanet: self.id.clone(),
                query,
                model,
                answer: Digest::of(b"answer"),
                moved_microbits: 1_500_000,
                shares,
            },
        )
    }
}

fn table(file: &[u8], rows: u64) -> TableRef {
    TableRef { sha256: Digest::of(file), rows, bytes: file.len() as u64 }
}
