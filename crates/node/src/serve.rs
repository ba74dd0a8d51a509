//! Serve: a paid question, its answer, and the records that shaped it.

use std::collections::BTreeMap;
use std::sync::Arc;

use assay_attribution::answer::{self, Quick, TRAININGS, most_missed, top};
use assay_attribution::quantize::micro_bits;
use assay_attribution::{Examples, PathState};
use assay_kernels::Mat;
use assay_learn::data::{Features, Target};
use assay_ledger::command::{Command, Share, Signed};
use assay_ledger::commit::{Content, Salt};
use assay_ledger::ids::{AccountId, DatanetId, Digest, Nonce};
use assay_ledger::limits::{ANSWER_SHARES_MAX, PPM};
use assay_ledger::meter::Metered;
use assay_ledger::work::{Work, work};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

use crate::cache::Serving;
use crate::contribute::canonical;
use crate::error::{NodeError, Result};
use crate::fit::Answers;
use crate::home::random;
use crate::meter::{Metering, ProvenAnswer};
use crate::node::{BATCH_MAX, Node};
use crate::task::{Reading, Record, columns, labels};

/// Records that earn from an answer by name; what they leave goes by value.
const NAMED: usize = ANSWER_SHARES_MAX;
/// Named records that are kept with the answer.
const SHOWN: usize = 10;
/// Numbers of all models trained to find what answers miss, stored features times outputs each: beyond, nobody is asked.
const MISSED_NUMBERS: usize = 400_000_000;
/// Questions answered together.
const ANSWERS_TOGETHER: usize = 256;
/// Questions logged together at most: what a crash can make one answer again.
const LOGGED_TOGETHER: usize = 4_096;
/// From so many on a table of the answers takes less than an entry for each.
const METERED_FROM: usize = 16;

/// An answer with what shaped it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answered {
    /// Place of the question in the log.
    pub query: u64,
    /// Place of the answer in the log.
    pub entry: u64,
    /// Place of the model in the log.
    pub model: u64,
    /// What was asked.
    pub question: Record,
    /// What was answered.
    pub answer: String,
    /// Probability of it, for classes.
    pub probability: Option<f64>,
    /// Bits by which the datanet moved it.
    pub bits: f64,
    /// Records that shaped it most, largest first.
    pub records: Vec<Shaper>,
    /// Parts per million of the positive mass that the records paid by name cover.
    pub covered_ppm: u32,
    /// What it would miss most; none where training again takes too long.
    #[serde(default)]
    pub missed: Option<Missed>,
    /// Base units paid.
    pub fee: String,
    /// Opens the commitment of the question.
    pub salt: String,
    /// Opens the commitment of the answer.
    pub answer_salt: String,
}

/// A record that shaped an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shaper {
    /// Its contribution.
    pub contribution: u64,
    /// Its place in it.
    pub index: u32,
    /// Who offered it.
    pub account: AccountId,
    /// Bits.
    pub bits: f64,
}

/// Records without which an answer would be least likely: found by training again, and paid for nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Missed {
    /// The records, with the bits by which each moved the answer.
    pub records: Vec<Shaper>,
    /// Bits of its log-probability that it loses without all of them.
    pub lost_bits: f64,
}

#[derive(Serialize, Deserialize)]
struct Question {
    salt: String,
    record: Record,
}

/// An answer in the vault; given if the log holds the command of that nonce.
#[derive(Serialize, Deserialize)]
struct Kept {
    nonce: Nonce,
    answer: Answered,
    /// Its place in the table of a metering, if it is in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proven: Option<ProvenAnswer>,
}

/// An answer that is not logged yet, and what the log will say of it.
struct Given {
    answered: Answered,
    metered: Metered,
}

/// An answer given at once, before it is settled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prompt {
    /// Place of the question in the log.
    pub query: u64,
    /// Place of the model in the log.
    pub model: u64,
    /// What is answered.
    pub answer: String,
    /// Probability of it, for classes.
    pub probability: Option<f64>,
    /// Bits by which the datanet moved it.
    pub bits: f64,
    /// Records that shaped it most, largest first; nearly unless `exact`, see [`Quick`].
    pub records: Vec<Shaper>,
    /// Parts per million of the positive mass that the records to be paid by name cover, nearly.
    pub covered_ppm: u32,
    /// By how many bits the records of this answer miss what they should sum to.
    pub closure_bits: f64,
    /// Whether they were found exactly, because the quick way is not near enough for this model or this answer.
    pub exact: bool,
}

impl Node {
    /// Answers an open question at once, in milliseconds when it is not the first of a model, and writes nothing: what
    /// is paid for it is found exactly by [`Node::answer`], for many questions together.
    pub fn prompt(&mut self, net: &DatanetId, query: u64) -> Result<Prompt> {
        let serving = self.serving(net)?;
        let task = self.datanet(net)?.charter.task.clone();
        let question = self.question(net, query)?;
        let reading = Reading::of(&task, &question.record);
        if !is_readable(&reading) {
            return Err(NodeError::refused(format!("the task of {net} cannot read question {query}")));
        }
        let features = serving.fitted.features(&columns(&task, &[&reading]))?;
        let said = Said::of(&serving, &features);
        let quick = self.quick(net, &serving)?;
        let mut moved = quick.attribute(&features, &said.target).map_err(NodeError::bug)?;
        let exact = !quick.is_near(&moved, 0);
        if exact {
            moved = serving.path.attribute(&features, &said.target, &|_| {}).map_err(NodeError::bug)?;
        }
        let named = Named::of(&serving, moved.bits.row(0));
        Ok(Prompt {
            query,
            model: serving.model,
            answer: said.text[0].clone(),
            probability: said.probability[0],
            bits: moved.gain_bits[0],
            records: named.records,
            covered_ppm: named.covered_ppm,
            closure_bits: moved.closure_bits[0],
            exact,
        })
    }

    /// The quick way to the records of an answer; made with the first question that is answered at once, and kept.
    fn quick(&mut self, net: &DatanetId, serving: &Arc<Serving>) -> Result<Arc<Quick>> {
        if let Some((_, quick)) = self.cache.quick.get(net).filter(|(model, _)| *model == serving.model) {
            return Ok(Arc::clone(quick));
        }
        let readings: Vec<&Reading> = serving.members.iter().map(|m| &m.reading).collect();
        let task = &self.datanet(net)?.charter.task;
        let (features, target) = serving.fitted.examples(&columns(task, &readings), &labels(&readings))?;
        let train = Examples { features: &features, target: &target };
        let quick = Arc::new(serving.path.quick(train, &|_| {}).map_err(NodeError::bug)?);
        self.cache.quick.insert(net.clone(), (serving.model, Arc::clone(&quick)));
        Ok(quick)
    }

    /// Asks as the holder of `key`: the price is held, and the question waits for its answer. Its place in the log.
    pub fn ask(
        &mut self,
        key: &SigningKey,
        net: &DatanetId,
        questions: &[Record],
    ) -> Result<Vec<Result<u64>>> {
        let rules = self.datanet(net)?.charter.query.clone();
        if self.datanet(net)?.serving().is_none() {
            return Err(NodeError::refused(format!("{net} has no valued model that could answer"))
                .hint("snapshot, train and value first"));
        }
        self.account(key)?;
        let (mut batch, mut kept) =
            (Vec::with_capacity(questions.len()), Vec::with_capacity(questions.len()));
        for record in questions {
            let salt: [u8; 32] = random()?;
            let content = canonical(record)?;
            let query = Content::Query.commit(&Salt(salt), self.home().origin(), net, &content);
            let question = Question { salt: hex::encode(salt), record: record.clone() };
            kept.push((question_name(&query), serde_json::to_vec(&question)?));
            let (price_max, hold_hours) = (rules.price, Some(rules.hold_hours));
            let command = Command::Ask { datanet: net.clone(), query, price_max, hold_hours };
            batch.push(self.sign(key, command)?);
        }
        self.vault.put_all_private(&kept)?;
        let mut answers = Vec::with_capacity(batch.len());
        for part in batch.chunks(BATCH_MAX) {
            answers.extend(self.submit_all(part.to_vec())?);
        }
        Ok(answers)
    }

    /// Answers every question that is paid and open; the answers in order of the questions. Those whose hold has expired get
    /// their price back.
    pub fn answer(&mut self, net: &DatanetId) -> Result<Vec<Answered>> {
        self.release_expired(net)?;
        let open = work(self.state()).into_iter().filter_map(|due| match due {
            Work::Answer { datanet, query, .. } if datanet == *net => Some(query),
            _ => None,
        });
        let open: Vec<u64> = open.collect();
        let mut answered = Vec::with_capacity(open.len());
        let mut waiting: Vec<Given> = Vec::new();
        for part in open.chunks(ANSWERS_TOGETHER) {
            let given = self.given(net, part)?;
            let model = given.first().map(|given| given.answered.model);
            // Another node may have closed a valuation meanwhile, and then another model answers.
            let same =
                waiting.first().is_none_or(|waiting| model.is_none_or(|m| m == waiting.answered.model));
            if !same || waiting.len() + given.len() > LOGGED_TOGETHER {
                answered.extend(self.log_answers(net, std::mem::take(&mut waiting))?);
            }
            waiting.extend(given);
        }
        answered.extend(self.log_answers(net, waiting)?);
        Ok(answered)
    }

    /// Answers some questions; those that the task cannot read get their price back.
    fn given(&mut self, net: &DatanetId, queries: &[u64]) -> Result<Vec<Given>> {
        let serving = self.serving(net)?;
        let charter = self.datanet(net)?.charter.clone();
        let questions = queries.iter().map(|q| self.question(net, *q)).collect::<Result<Vec<_>>>()?;
        let readings: Vec<Reading> =
            questions.iter().map(|q| Reading::of(&charter.task, &q.record)).collect();
        let readable: Vec<usize> = (0..readings.len()).filter(|&i| is_readable(&readings[i])).collect();
        let others = (0..queries.len()).filter(|i| !readable.contains(i)).map(|i| queries[i]);
        self.release(net, &others.collect::<Vec<_>>(), "unreadable_question")?;
        if readable.is_empty() {
            return Ok(Vec::new());
        }
        let asked: Vec<&Reading> = readable.iter().map(|&i| &readings[i]).collect();
        let features = serving.fitted.features(&columns(&charter.task, &asked))?;
        let said = Said::of(&serving, &features);
        let moved = serving.path.attribute(&features, &said.target, &|_| {}).map_err(NodeError::bug)?;
        let mut missed = self.missed(net, &serving, (&features, &said.target), &moved.bits)?.into_iter();
        let mut given = Vec::with_capacity(readable.len());
        for (row, &i) in readable.iter().enumerate() {
            let named = Named::of(&serving, moved.bits.row(row));
            let salt = Salt(random()?);
            let answer = Content::Answer.commit(&salt, self.home().origin(), net, said.text[row].as_bytes());
            let metered = Metered {
                query: queries[i],
                answer,
                moved_microbits: micro_bits(moved.gain_bits[row]).map_err(NodeError::bug)?,
                shares: named.shares,
            };
            let answered = Answered {
                query: queries[i],
                entry: 0,
                model: serving.model,
                question: questions[i].record.clone(),
                answer: said.text[row].clone(),
                probability: said.probability[row],
                bits: moved.gain_bits[row],
                records: named.records,
                covered_ppm: named.covered_ppm,
                missed: missed.next(),
                fee: charter.query.price.to_string(),
                salt: questions[i].salt.clone(),
                answer_salt: hex::encode(salt.0),
            };
            given.push(Given { answered, metered });
        }
        Ok(given)
    }

    /// Logs answers of one model, in an entry each or in a table.
    fn log_answers(&mut self, net: &DatanetId, mut given: Vec<Given>) -> Result<Vec<Answered>> {
        let Some(last) = given.last().map(|given| given.answered.query) else { return Ok(Vec::new()) };
        // What happened while they were answered: holds that have expired, and what other nodes have logged.
        self.follow()?;
        self.release_expired(net)?;
        let open: Vec<u64> = self.datanet(net)?.queries.range(..=last).map(|(&query, _)| query).collect();
        given.retain(|given| open.binary_search(&given.answered.query).is_ok());
        let Some(model) = given.first().map(|given| given.answered.model) else { return Ok(Vec::new()) };
        let (mut answered, metered): (Vec<Answered>, Vec<Metered>) =
            given.into_iter().map(|given| (given.answered, given.metered)).unzip();
        let operator = self.operator().clone();
        // A table answers all questions that are open up to its last; the log takes it as a whole or not at all.
        let whole = metered.last().is_some_and(|last| open[metered.len() - 1] == last.query);
        let (commands, proven) = match whole && metered.len() >= METERED_FROM {
            false => (metered.into_iter().map(|metered| alone(net, model, metered)).collect(), Vec::new()),
            true => {
                let Metering { commands, proven } = self.metering(net, model, &metered)?;
                (commands, proven)
            }
        };
        let batch = commands.into_iter().map(|command| self.sign(&operator, command));
        let batch = batch.collect::<Result<Vec<Signed>>>()?;
        // Kept before it is paid for: a crash in between must not take the money and lose the answer.
        let mut secrets = Vec::with_capacity(answered.len());
        for (i, answer) in answered.iter().enumerate() {
            let proven = proven.get(i).cloned();
            let signed = if proven.is_some() { batch.last() } else { batch.get(i) };
            let nonce = signed.map(|signed| signed.intent.nonce);
            let nonce = nonce.ok_or_else(|| NodeError::bug("an answer has no command"))?;
            let kept = Kept { nonce, answer: answer.clone(), proven };
            secrets.push((answer_name(answer.query, Some(&nonce)), serde_json::to_vec(&kept)?));
        }
        self.vault.put_all_private(&secrets)?;
        let entries = self.submit_all(batch)?.into_iter().collect::<Result<Vec<u64>>>()?;
        for (i, answer) in answered.iter_mut().enumerate() {
            let entry = if proven.is_empty() { entries.get(i) } else { entries.last() };
            answer.entry = entry.copied().unwrap_or_default();
        }
        Ok(answered)
    }

    /// What each answer would miss most; nothing where training again takes too long.
    fn missed(
        &self,
        net: &DatanetId,
        serving: &Serving,
        asked: (&Features, &Target),
        moved: &Mat<f64>,
    ) -> Result<Vec<Missed>> {
        let readings: Vec<&Reading> = serving.members.iter().map(|m| &m.reading).collect();
        let datanet = self.datanet(net)?;
        let task = &datanet.charter.task;
        let (features, target) = serving.fitted.examples(&columns(task, &readings), &labels(&readings))?;
        let stored = match &features {
            Features::Dense(x) => x.data().len(),
            Features::Sparse(x) => x.nnz(),
        };
        let outputs = serving.fitted.model.family().outputs();
        if stored.saturating_mul(outputs * TRAININGS * moved.rows()) > MISSED_NUMBERS {
            return Ok(Vec::new());
        }
        let first: Vec<Vec<usize>> =
            (0..moved.rows()).map(|q| top(moved.row(q), |_| true, SHOWN).records).collect();
        let train = Examples { features: &features, target: &target };
        let options = serving.fitted.answer_options(datanet.charter.value.nodes as usize);
        let found = most_missed(train, asked, &first, &options).map_err(NodeError::bug)?;
        let named = |(q, missed): (usize, answer::Missed)| Missed {
            records: missed.records.iter().map(|&i| Shaper::of(serving, i, moved.row(q)[i])).collect(),
            lost_bits: missed.lost_bits,
        };
        Ok(found.into_iter().enumerate().map(named).collect())
    }

    /// Prices whose holds have expired go back.
    fn release_expired(&mut self, net: &DatanetId) -> Result<()> {
        let now = self.now();
        let expired = self.datanet(net)?.queries.iter().filter(|(_, query)| query.is_expired(now));
        let expired: Vec<u64> = expired.map(|(&query, _)| query).collect();
        self.release(net, &expired, "expired")
    }

    /// Questions that are not answered get their price back.
    fn release(&mut self, net: &DatanetId, queries: &[u64], reason: &str) -> Result<()> {
        let operator = self.operator().clone();
        for &query in queries {
            let reason = reason.parse().map_err(NodeError::bug)?;
            self.act(&operator, Command::Release { datanet: net.clone(), query, reason })?;
        }
        Ok(())
    }

    fn question(&self, net: &DatanetId, query: u64) -> Result<Question> {
        let open = self.datanet(net)?.queries.get(&query);
        let open = open.ok_or_else(|| NodeError::not_found(format!("no open question {query} in {net}")))?;
        let bytes = self.vault.reader().get_private(&question_name(&open.query))?;
        let bytes =
            bytes.ok_or_else(|| NodeError::unavailable(format!("question {query} is not in the vault")))?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// The answer to the question at `query`, as it was given and paid for.
    pub fn answered(&self, query: u64) -> Result<Option<Answered>> {
        Ok(self.answer_of(query)?.map(|(answered, _)| answered))
    }

    /// The same, and its place in the table of a metering if it is in one. Several nodes may have answered, each under
    /// the nonce of its own command: the log has accepted one of them.
    pub(crate) fn answer_of(&self, query: u64) -> Result<Option<(Answered, Option<ProvenAnswer>)>> {
        let Some(operator) = self.state().operator() else { return Ok(None) };
        let vault = self.vault.reader();
        let mut names = vault.private_names_below(&answer_name(query, None))?;
        // Homes of before have one answer to a question, under its place alone.
        names.push(answer_name(query, None));
        for name in names {
            let Some(bytes) = vault.get_private(&name)? else { continue };
            let Kept { nonce, answer, proven } = serde_json::from_slice(&bytes)?;
            if let Some(accepted) = self.state().accepted(operator, &nonce) {
                return Ok(Some((Answered { entry: accepted.seq, ..answer }, proven)));
            }
        }
        Ok(None)
    }

    /// The model that answers, with the path through its records; made once and kept.
    pub(crate) fn serving(&mut self, net: &DatanetId) -> Result<Arc<Serving>> {
        let datanet = self.datanet(net)?;
        let (Some(model), Some(valuation)) = (datanet.serving(), datanet.valuations.values().next_back())
        else {
            return Err(NodeError::refused(format!("{net} has no valued model that could answer")));
        };
        if let Some(serving) = self.cache.serving.get(net).filter(|s| s.model == model) {
            return Ok(Arc::clone(serving));
        }
        let trained = &datanet.models[&model];
        let fitted = self.fitted(&trained.weights)?;
        let members = self.frozen(net, trained.snapshot)?;
        let values =
            self.record_values(&valuation.table)?.iter().map(|found| found.value_microbits).collect();
        let readings: Vec<&Reading> = members.iter().map(|m| &m.reading).collect();
        let (features, target) =
            fitted.examples(&columns(&datanet.charter.task, &readings), &labels(&readings))?;
        let options = fitted.answer_options(datanet.charter.value.nodes as usize);
        let train = Examples { features: &features, target: &target };
        let path = PathState::cache(train, &options, &|_| {}).map_err(NodeError::bug)?;
        let serving = Arc::new(Serving { model, fitted, members, values, path });
        self.cache.serving.insert(net.clone(), Arc::clone(&serving));
        Ok(serving)
    }
}

impl Shaper {
    fn of(serving: &Serving, record: usize, bits: f64) -> Self {
        let member = &serving.members[record];
        let (contribution, index, account) = (member.contribution, member.index, member.author.clone());
        Self { contribution, index, account, bits }
    }
}

/// What the model says to some questions.
struct Said {
    target: Target,
    text: Vec<String>,
    probability: Vec<Option<f64>>,
}

impl Said {
    fn of(serving: &Serving, features: &Features) -> Self {
        let model = &serving.fitted.model;
        match &serving.fitted.answers {
            Answers::Classes(classes) => {
                let labels = model.classes(features);
                let log_probabilities: Mat<f64> = model.log_probabilities_nats(features);
                let probability =
                    |(row, &class): (usize, &u32)| Some(log_probabilities.row(row)[class as usize].exp());
                Self {
                    text: labels.iter().map(|&c| classes.classes()[c as usize].clone()).collect(),
                    probability: labels.iter().enumerate().map(probability).collect(),
                    target: Target::Classes { labels, count: classes.count() },
                }
            }
            Answers::Numbers(numbers) => {
                let means = model.scores(features).data().to_vec();
                Self {
                    text: means.iter().map(|&m| numbers.decode(m).to_string()).collect(),
                    probability: vec![None; means.len()],
                    target: Target::Numbers(means),
                }
            }
        }
    }
}

/// The records that are paid by name for one answer.
struct Named {
    records: Vec<Shaper>,
    shares: Vec<Share>,
    covered_ppm: u32,
}

impl Named {
    /// Only records of positive measured value earn, so pay cannot be farmed by content that merely matches.
    fn of(serving: &Serving, bits: &[f64]) -> Self {
        let named = top(bits, |i| serving.values[i] > 0, NAMED);
        let (order, mass) = (named.records, named.mass_bits);
        let mut by_account: BTreeMap<&AccountId, f64> = BTreeMap::new();
        for &i in &order {
            *by_account.entry(&serving.members[i].author).or_default() += bits[i];
        }
        let ppm = |part: f64| (part / mass * f64::from(PPM)).floor() as u32;
        let share = |(account, part): (&AccountId, f64)| Share { account: account.clone(), ppm: ppm(part) };
        let shares: Vec<Share> = by_account.into_iter().map(share).filter(|s| s.ppm > 0).collect();
        Self {
            records: order.iter().take(SHOWN).map(|&i| Shaper::of(serving, i, bits[i])).collect(),
            covered_ppm: shares.iter().map(|s| s.ppm).sum(),
            shares,
        }
    }
}

/// The command of an answer that has an entry of its own.
fn alone(net: &DatanetId, model: u64, metered: Metered) -> Command {
    let Metered { query, answer, moved_microbits, shares } = metered;
    Command::Answer { datanet: net.clone(), query, model, answer, moved_microbits, shares }
}

fn is_readable(reading: &Reading) -> bool {
    reading.numbers.iter().all(|n| n.is_finite()) && (reading.text.is_some() || !reading.numbers.is_empty())
}

fn question_name(query: &Digest) -> String {
    format!("question/{query}")
}

/// The name of an answer that a command of this nonce logs; without it, what all answers to the question begin with.
fn answer_name(query: u64, nonce: Option<&Nonce>) -> String {
    match nonce {
        Some(nonce) => format!("answer/{query}/{nonce}"),
        None => format!("answer/{query}"),
    }
}
