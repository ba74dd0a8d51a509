//! Train: a model of a snapshot, and its card on rows that are never used for pay.

use std::collections::BTreeMap;

use assay_api::v1::appraisal::Score as CardScore;
use assay_api::v1::report::{AnswerCheck, ModelCard, PairedDifference};
use assay_attribution::Examples;
use assay_attribution::answer::{CheckLimits, check};
use assay_attribution::quantize::micro_bits;
use assay_learn::data::{Features, Target};
use assay_learn::evaluate::{Bootstrap, Detail, bootstrap_difference, bootstrap_mean};
use assay_learn::features::{LabelEncoder, NumberLabel};
use assay_learn::model::Model;
use assay_ledger::charter::Charter;
use assay_ledger::command::{Command, Score};
use assay_ledger::ids::{Code, DatanetId, Digest, TableRef};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};
use serde::Serialize;
use serde_json::json;

use crate::error::{NodeError, Result};
use crate::fit::{Answers, Fitted};
use crate::node::Node;
use crate::snapshot::Member;
use crate::task::{Reading, Record, columns, labels};

/// Name under which the newest model card is published.
pub const CARD: &str = "model_card";

/// Weights are kept among the tables by their hash, and no command makes them public.
const WEIGHTS: &str = "weights";

impl Node {
    /// Trains a model of the newest snapshot, scores it beside its baselines, and publishes its card; the place of
    /// the model in the log.
    pub fn train(&mut self, net: &DatanetId) -> Result<u64> {
        let datanet = self.datanet(net)?;
        let Some((&snapshot, frozen)) = datanet.snapshots.iter().next_back() else {
            return Err(NodeError::refused(format!("{net} has no snapshot to train on"))
                .hint("freeze the records that passed with `assay snapshot`"));
        };
        let (charter, snapshot_root) = (datanet.charter.clone(), frozen.root);
        let members = self.frozen(net, snapshot)?;
        let readings: Vec<&Reading> = members.iter().map(|m| &m.reading).collect();
        let answers = answers(&charter, &labels(&readings))?;
        let seed = charter.value.seed;
        let fitted = Fitted::fit(&columns(&charter.task, &readings), &labels(&readings), answers, seed)?;
        let (fitted, curation) = self.curate(net, &charter, fitted, &members)?;
        let pool = self.random_pool(net, members.len(), seed)?;
        let mut card = self.score(net, &charter, &fitted, members.len(), pool.as_deref(), &snapshot_root)?;
        card.curation = curation;
        card.answers = self.check_answers(net, &charter, &fitted, &readings)?;

        let weights = serde_json::to_vec(&fitted)?;
        let weights_digest = Digest(self.tables.put(weights, WEIGHTS)?.sha256);
        let recipe = json!({
            "schema": "assay.recipe.train/1",
            "code": env!("CARGO_PKG_VERSION"),
            "snapshot_root": snapshot_root.to_string(),
            "records": members.len(),
            "withheld": fitted.withheld,
            "family": card.family,
            "lambda": fitted.prior.lambda,
            "noise_variance": fitted.prior.noise_variance,
            "cross_validation": fitted.prior,
            "seed": seed,
        });
        let recipe = self.put_document(&recipe)?.sha256;
        let command = Command::Train {
            datanet: net.clone(),
            snapshot,
            weights: weights_digest,
            recipe,
            scores: scores(&card)?,
        };
        let operator = self.operator().clone();
        let card = self.document_command(net, CARD, &card)?;
        // Together: there is no model without its card.
        let batch = vec![self.sign(&operator, command)?, self.sign(&operator, card)?];
        let answers = self.submit_all(batch)?.into_iter().collect::<Result<Vec<u64>>>()?;
        answers.first().copied().ok_or_else(|| NodeError::bug("a model got no answer"))
    }

    /// The records of a snapshot, in order, checked against its root.
    pub(crate) fn frozen(&self, net: &DatanetId, snapshot: u64) -> Result<Vec<Member>> {
        let frozen = self.datanet(net)?.snapshots.get(&snapshot);
        let frozen =
            frozen.ok_or_else(|| NodeError::not_found(format!("no snapshot {snapshot} in {net}")))?;
        let members = self.members(net, snapshot)?;
        let commitments: Vec<Digest> = members.iter().map(|m| m.commitment).collect();
        match assay_ledger::commit::root(&commitments) == frozen.root {
            true => Ok(members),
            false => {
                Err(NodeError::bug(format!("the vault does not hold the records of snapshot {snapshot}")))
            }
        }
    }

    /// As many readable records as the snapshot has, drawn from everything that was submitted: what a pool without
    /// gates would be. `None` when not that many are readable.
    fn random_pool(&self, net: &DatanetId, count: usize, seed: u64) -> Result<Option<Vec<Reading>>> {
        let datanet = self.datanet(net)?;
        let charter = &datanet.charter;
        let mut pool = Vec::new();
        for &contribution in datanet.contributions.keys().filter(|seq| !datanet.withdrawn.contains_key(seq)) {
            for private in self.records_of(net, contribution)? {
                let record: Record = serde_json::from_slice(&private.content)?;
                let reading = Reading::of(&charter.task, &record);
                if readable(charter, &reading) {
                    pool.push(reading);
                }
            }
        }
        if pool.len() < count {
            return Ok(None);
        }
        let mut draw = ChaCha8Rng::seed_from_u64(seed);
        for i in 0..count {
            let j = i + (draw.next_u64() % (pool.len() - i) as u64) as usize;
            pool.swap(i, j);
        }
        pool.truncate(count);
        Ok(Some(pool))
    }

    fn score(
        &self,
        net: &DatanetId,
        charter: &Charter,
        fitted: &Fitted,
        records: usize,
        pool: Option<&[Reading]>,
        snapshot_root: &Digest,
    ) -> Result<ModelCard> {
        let rows: Vec<Reading> =
            self.sealed(net)?.report.iter().map(|r| Reading::of(&charter.task, &r.record)).collect();
        let rows: Vec<&Reading> = rows.iter().collect();
        let (features, target) = fitted.examples(&columns(&charter.task, &rows), &labels(&rows))?;
        let bench = Bench { features, target, seed: charter.value.seed };
        let base = Model::base(fitted.model.family(), bench.features.cols());
        let pooled = match pool {
            Some(readings) => {
                let readings: Vec<&Reading> = readings.iter().collect();
                Some(fitted.refit(&columns(&charter.task, &readings), &labels(&readings), bench.seed)?)
            }
            None => None,
        };
        let mut differences = vec![bench.difference("base", &fitted.model, &base)?];
        if let Some(pooled) = &pooled {
            differences.push(bench.difference("random_pool", &fitted.model, pooled)?);
        }
        Ok(ModelCard {
            snapshot_root: snapshot_root.to_string(),
            family: family(charter).to_owned(),
            curation: None,
            base: bench.score(&base, 0)?,
            random_pool: pooled.as_ref().map(|m| bench.score(m, records)).transpose()?,
            snapshot: bench.score(&fitted.model, records)?,
            differences,
            answers: None,
        })
    }

    /// How well the answers of a model to rows that report scores are explained. Their labels are not looked at.
    fn check_answers(
        &self,
        net: &DatanetId,
        charter: &Charter,
        fitted: &Fitted,
        readings: &[&Reading],
    ) -> Result<Option<AnswerCheck>> {
        let (features, target) = fitted.examples(&columns(&charter.task, readings), &labels(readings))?;
        let asked: Vec<Reading> =
            self.sealed(net)?.report.iter().map(|r| Reading::of(&charter.task, &r.record)).collect();
        let queries = fitted.features(&columns(&charter.task, &asked.iter().collect::<Vec<_>>()))?;
        let options = fitted.answer_options(charter.value.nodes as usize);
        let train = Examples { features: &features, target: &target };
        let found = check(train, &queries, &options, CheckLimits::default(), charter.value.seed);
        Ok(found.map_err(NodeError::invalid)?.map(|found| AnswerCheck {
            questions: found.questions as u64,
            halves: found.halves as u64,
            lds: found.lds.map(|lds| lds.mean),
            lds_se: found.lds.map(|lds| lds.se).filter(|se| se.is_finite()),
            named: found.named as u64,
            lost_bits: found.lost_bits,
            lost_se_bits: Some(found.lost_se_bits).filter(|se| se.is_finite()),
        }))
    }

    /// The weights of a model, by the digest in the log.
    pub(crate) fn fitted(&self, weights: &Digest) -> Result<Fitted> {
        let found = self.tables.find(&weights.0, WEIGHTS)?.ok_or_else(|| {
            NodeError::unavailable(format!("the weights {weights} are not among the tables"))
                .hint("restore the private folder of this home")
        })?;
        Ok(serde_json::from_slice(&self.tables.get(&found)?)?)
    }

    /// Deletes the weights of a model, if they are there.
    pub(crate) fn erase_weights(&self, weights: &Digest) -> Result<()> {
        Ok(self.tables.remove(&weights.0, WEIGHTS)?)
    }

    /// Stores a public JSON document; its name for the log.
    pub(crate) fn put_document(&self, document: &impl Serialize) -> Result<TableRef> {
        let stored = self.tables.put(serde_json::to_vec(document)?, "json")?;
        Ok(TableRef { sha256: Digest(stored.sha256), rows: 1, bytes: stored.bytes })
    }

    /// Stores a public JSON document and puts its hash into the log under `name`.
    pub fn publish_document(
        &mut self,
        net: &DatanetId,
        name: &str,
        document: &impl Serialize,
    ) -> Result<u64> {
        let command = self.document_command(net, name, document)?;
        let operator = self.operator().clone();
        self.act(&operator, command)
    }

    pub(crate) fn document_command(
        &self,
        net: &DatanetId,
        name: &str,
        document: &impl Serialize,
    ) -> Result<Command> {
        let table = self.put_document(document)?;
        let name: Code = name.parse().map_err(NodeError::bug)?;
        Ok(Command::Publish { datanet: net.clone(), name, table })
    }
}

/// Rows that report scores.
struct Bench {
    features: Features,
    target: Target,
    seed: u64,
}

impl Bench {
    fn bootstrap(&self) -> Bootstrap {
        Bootstrap { seed: self.seed, ..Bootstrap::default() }
    }

    fn hits(&self, model: &Model) -> Option<Vec<f64>> {
        let Target::Classes { labels, .. } = &self.target else { return None };
        let classes = model.classes(&self.features);
        Some(classes.iter().zip(labels).map(|(a, b)| f64::from(a == b)).collect())
    }

    fn score(&self, model: &Model, records: usize) -> Result<CardScore> {
        let bits = bootstrap_mean(&model.gain_bits(&self.features, &self.target), self.bootstrap());
        let bits = bits.map_err(NodeError::invalid)?;
        let hits = self.hits(model).map(|h| bootstrap_mean(&h, self.bootstrap())).transpose();
        let hits = hits.map_err(NodeError::invalid)?;
        let scores = crate::fit::scores(model, &self.features, &self.target)?;
        let (macro_f1, rmse, r2) = match scores.detail {
            Detail::Classification { macro_f1, .. } => (Some(macro_f1), None, None),
            Detail::Regression { rmse, r2 } => (None, Some(rmse), r2),
        };
        Ok(CardScore {
            records: records as u64,
            rows: self.target.len() as u64,
            bits: bits.mean,
            bits_low: Some(bits.low),
            bits_high: Some(bits.high),
            accuracy: hits.map(|h| h.mean),
            accuracy_low: hits.map(|h| h.low),
            accuracy_high: hits.map(|h| h.high),
            macro_f1,
            rmse,
            r2,
        })
    }

    fn difference(&self, against: &str, model: &Model, other: &Model) -> Result<PairedDifference> {
        let gain = |m: &Model| m.gain_bits(&self.features, &self.target);
        let settings = self.bootstrap();
        let bits = bootstrap_difference(&gain(model), &gain(other), settings).map_err(NodeError::invalid)?;
        let hits = self.hits(model).zip(self.hits(other));
        let hits = hits.map(|(a, b)| bootstrap_difference(&a, &b, settings)).transpose();
        let hits = hits.map_err(NodeError::invalid)?;
        Ok(PairedDifference {
            against: against.to_owned(),
            bits: bits.mean,
            bits_low: bits.low,
            bits_high: bits.high,
            accuracy: hits.map(|h| h.mean),
            accuracy_low: hits.map(|h| h.low),
            accuracy_high: hits.map(|h| h.high),
            resamples: settings.resamples.into(),
        })
    }
}

/// Scores as the log has them: integers only.
fn scores(card: &ModelCard) -> Result<BTreeMap<Code, Score>> {
    let named =
        [("base", Some(&card.base)), ("pool", card.random_pool.as_ref()), ("snapshot", Some(&card.snapshot))];
    let mut scores = BTreeMap::new();
    for (name, score) in named {
        let Some(score) = score else { continue };
        let micro = |x: f64| micro_bits(x).map_err(NodeError::bug);
        let gain_microbits = micro(score.bits)?;
        let entry = Score {
            accuracy_ppm: micro(score.accuracy.or(score.r2).unwrap_or_default())?,
            gain_microbits,
            low_microbits: micro(score.bits_low.unwrap_or(score.bits))?.min(gain_microbits),
            high_microbits: micro(score.bits_high.unwrap_or(score.bits))?.max(gain_microbits),
        };
        scores.insert(name.parse().map_err(NodeError::bug)?, entry);
    }
    Ok(scores)
}

/// How the labels of a charter become targets. Classes are the charter's, whether or not a record has them.
fn answers(charter: &Charter, labels: &[String]) -> Result<Answers> {
    let made = match charter.task.kind.as_str() {
        "regression" => NumberLabel::fit(labels).map(Answers::Numbers),
        _ => LabelEncoder::fit(&charter.task.classes).map(Answers::Classes),
    };
    made.map_err(NodeError::invalid)
}

pub(crate) fn readable(charter: &Charter, reading: &Reading) -> bool {
    let label = reading.label.as_ref().is_some_and(|label| match charter.task.kind.as_str() {
        "regression" => label.parse::<f64>().is_ok_and(f64::is_finite),
        _ => charter.task.classes.contains(label),
    });
    label
        && reading.numbers.iter().all(|n| n.is_finite())
        && (charter.task.text.is_none() || reading.text.is_some())
}

/// The model family in words.
pub(crate) fn family(charter: &Charter) -> &'static str {
    match charter.task.kind.as_str() {
        "regression" => "ridge regression",
        _ => "multinomial logistic regression",
    }
}
