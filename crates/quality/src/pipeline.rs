//! All gates in a row, with the memory of everything that came before.

use std::collections::BTreeSet;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::chance::{Seen, same_content, score};
use crate::config::{ConfigError, Degree, GateConfig};
use crate::cost::{Clock, Costs, Stage, Watch};
use crate::near::{MakeStore, NearIndex, TextStoreError};
use crate::neighbours::NeighbourIndex;
use crate::normalise::ContentKey;
use crate::numbered::Numbered;
use crate::overlap::{BenchmarkIndex, Overlap, row_ratio, soften};
use crate::passages::Passages;
use crate::record::{RecordRef, RecordView};
use crate::rows::RowIndex;
use crate::sender::{Channel, Ratios, Sender, Senders};
use crate::sketch::Sketch;
use crate::text::TextGate;
use crate::verdict::{Evidence, Finding, Reason, Verdict};
use crate::weigh::{Grounds, Match, NO_EVIDENCE};
use crate::words::words;

/// A text that is alike to more originals than this, without a sign of copying any, fills in a template.
const ALIKE_MAX: usize = 2;

/// The gates of one datanet: configuration, sealed benchmark, and an index of every original so far.
///
/// Batches are a convenience: the findings depend on the order of the records and on nothing else, not on where the
/// stream is cut and not on the number of threads.
pub struct Gates {
    config: GateConfig,
    text: TextGate,
    benchmark: BenchmarkIndex,
    originals: Vec<Original>,
    keys: FxHashMap<ContentKey, u32>,
    /// Content that was rejected for what it is like, by position: sent again under another name, it is no better.
    refused: FxHashMap<ContentKey, RecordRef>,
    /// Ids that a sender has used, where the datanet asks for ids.
    ids: FxHashMap<(Option<u32>, Box<str>), RecordRef>,
    numbered: Numbered,
    texts: NearIndex,
    /// The same texts by the same numbers, where neighbours are looked for.
    neighbours: Option<NeighbourIndex>,
    passages: Passages,
    /// Text number to original.
    text_owners: Vec<u32>,
    rows: RowIndex,
    /// Row number to original.
    row_owners: Vec<u32>,
    senders: Senders,
    /// What records of senders in good standing were like.
    seen: Seen,
    /// Everything that was offered, seeds included.
    history: Vec<Entry>,
    /// Positions of the records of each sender, by its number.
    sent: Vec<Vec<u32>>,
    clock: Option<Clock>,
    costs: Costs,
}

/// A record that later ones are compared with.
struct Original {
    at: RecordRef,
    sender: Option<u32>,
    label: Option<Box<str>>,
    row: Option<u32>,
    has_text: bool,
}

/// A record that was judged.
struct Entry {
    sender: Option<u32>,
    grounds: Grounds,
    finding: Finding,
}

/// What can be known of a record without the records before it; computed in parallel.
enum Prepared {
    Broken(Finding),
    Content(Content),
}

/// A record's content, and what it says by itself.
struct Content {
    key: ContentKey,
    sketch: Option<Sketch>,
    text: Option<Finding>,
    benchmark: Overlap,
    /// Likelihood ratios of filler and of another topic.
    manner: (f64, f64),
}

/// What a record is like, of those before it.
#[derive(Default)]
struct Likenesses {
    /// By the rules over content alone.
    nearest: Option<Match>,
    /// Of others and of the sender's own, with how much it looks like a copy.
    best: [Option<(f64, Match)>; 2],
    /// Likelihood ratios: of others, of the sender's own.
    ratios: [f64; 2],
}

impl Gates {
    /// Gates over an empty datanet, with the items of every fold of the sealed benchmark.
    pub fn new(config: GateConfig, sealed: &[RecordView<'_>]) -> Result<Self, ConfigError> {
        config.validate()?;
        let benchmark = BenchmarkIndex::new(sealed.iter().copied(), &config);
        let rows =
            RowIndex::new(benchmark.scale().cloned(), config.rows.hold_distance, config.rows.columns_min);
        let texts: Vec<&str> = sealed.iter().filter_map(|record| record.text).collect();
        let text = TextGate::new(&config.text, &texts);
        let neighbours = (config.neighbours.hold_cosine > 0.0).then(|| counted(sealed));
        Ok(Gates {
            config,
            text,
            benchmark,
            originals: Vec::new(),
            keys: FxHashMap::default(),
            refused: FxHashMap::default(),
            ids: FxHashMap::default(),
            numbered: Numbered::default(),
            texts: NearIndex::new(),
            neighbours,
            passages: Passages::default(),
            text_owners: Vec::new(),
            rows,
            row_owners: Vec::new(),
            senders: Senders::default(),
            seen: Seen::default(),
            history: Vec::new(),
            sent: Vec::new(),
            clock: None,
            costs: Costs::default(),
        })
    }

    /// The same gates, empty, whose index of near duplicates takes at most so many bytes of memory ([`NearIndex::bounded`]).
    pub fn with_index_within(mut self, memory: usize, make: MakeStore) -> Self {
        self.texts = NearIndex::bounded(memory, make);
        self
    }

    /// The first failure of a store of the index. Findings since may lack matches: make the gates again.
    pub fn failure(&self) -> Option<&TextStoreError> {
        self.texts.failure()
    }

    /// Measures from now on what each stage costs. A stage begins and ends on one thread, so the clock may be of a thread.
    pub fn measure(&mut self, clock: Clock) {
        self.clock = Some(clock);
    }

    /// Adds what the caller spent on a stage: the model behind [`RecordView::label_p`] is not ours.
    pub fn spent(&mut self, stage: Stage, nanoseconds: u64) {
        self.costs.nanoseconds[stage as usize] += nanoseconds;
    }

    /// What the records judged by [`check_batch`](Self::check_batch) have cost since [`measure`](Self::measure).
    pub fn costs(&self) -> Costs {
        self.costs
    }

    /// The configuration in force.
    pub fn config(&self) -> &GateConfig {
        &self.config
    }

    /// How many records were offered so far: the position of the next one.
    pub fn offered(&self) -> u64 {
        self.history.len() as u64
    }

    /// Restores the originals of an earlier run (its records that passed or were held, in order) without judging
    /// them again. What follows is judged as it would have been then, but for what senders are known for; positions count from
    /// the first seed.
    pub fn seed(&mut self, originals: &[RecordView<'_>]) {
        let prepared: Vec<_> = originals.par_iter().map(content).collect();
        for (record, (key, sketch)) in originals.iter().zip(prepared) {
            let sender = self.sender(record);
            self.remember(sender, record, key, sketch.as_ref());
            self.keep(sender, Grounds::settled(Finding::PASS, NO_EVIDENCE), Finding::PASS);
        }
    }

    /// Restores an earlier run in full: its records in order, with the verdicts that they were given, which stand.
    /// What follows is judged as it would have been then.
    pub fn replay(&mut self, records: &[RecordView<'_>], verdicts: &[Verdict]) {
        let (prepared, _) = self.prepare_all(records, None);
        for ((record, prepared), &verdict) in records.iter().zip(prepared).zip(verdicts) {
            self.judge(record, prepared, Some(verdict));
        }
    }

    /// Judges records in order of arrival; one finding each, in the same order.
    pub fn check_batch(&mut self, records: &[RecordView<'_>]) -> Vec<Finding> {
        let clock = self.clock;
        let (prepared, costs) = self.prepare_all(records, clock);
        self.costs.add(&costs);
        let mut watch = Watch::start(clock);
        let findings = records
            .iter()
            .zip(prepared)
            .map(|(record, prepared)| self.judge(record, prepared, None))
            .collect();
        watch.lap(Stage::Copies);
        self.costs.add(watch.costs());
        self.costs.records += records.len() as u64;
        findings
    }

    fn prepare_all(&self, records: &[RecordView<'_>], clock: Option<Clock>) -> (Vec<Prepared>, Costs) {
        let timed = |record: &RecordView<'_>| {
            let mut watch = Watch::start(clock);
            (self.prepare(record, &mut watch), *watch.costs())
        };
        let (prepared, costs): (Vec<Prepared>, Vec<Costs>) = records.par_iter().map(timed).unzip();
        let mut sum = Costs::default();
        costs.iter().for_each(|costs| sum.add(costs));
        (prepared, sum)
    }

    /// Earlier records, from position `first` on, whose verdict would be stricter now that more is known of their senders,
    /// with that verdict. Nothing changes by asking.
    pub fn reconsider(&self, first: RecordRef) -> Vec<(RecordRef, Finding)> {
        let stricter = |(at, entry): (u64, &Entry)| {
            let sender = self.senders.get(entry.sender?);
            let finding = entry.grounds.decide(Some(sender), &self.config);
            let severity = |finding: &Finding| match finding.verdict {
                Verdict::Pass => 0,
                Verdict::Hold(_) => 1,
                Verdict::Reject(_) => 2,
            };
            (severity(&finding) > severity(&entry.finding)).then_some((RecordRef(at), finding))
        };
        let entries = self.history.get(first.0 as usize..).unwrap_or_default();
        (first.0..).zip(entries).filter_map(stricter).collect()
    }

    /// People found that records are their senders' own work after all: they speak for their senders from now on, as if they had
    /// never been doubted. Positions that were never offered change nothing.
    pub fn clear(&mut self, cleared: &[RecordRef]) {
        let mut senders = BTreeSet::new();
        for at in cleared {
            let Some(entry) = self.history.get_mut(at.0 as usize) else { continue };
            entry.grounds = Grounds::settled(Finding::PASS, NO_EVIDENCE);
            entry.finding = Finding::PASS;
            senders.extend(entry.sender);
        }
        for number in senders {
            let sender = self.senders.get_mut(number);
            *sender = Sender::default();
            let own = self.sent[number as usize].iter().map(|&at| &self.history[at as usize]);
            own.for_each(|entry| sender.observe(&entry.grounds.ratios));
        }
    }

    fn prepare(&self, record: &RecordView<'_>, watch: &mut Watch) -> Prepared {
        let broken = |reason| Prepared::Broken(Finding::bare(Verdict::Reject(reason)));
        let schema =
            self.config.schema.check(record).and_then(|()| self.config.provenance.check(&record.claims));
        watch.lap(Stage::Schema);
        if let Err(reason) = schema {
            return broken(reason);
        }
        let text = record.text.and_then(|text| self.text.check(text)).map(Finding::from);
        watch.lap(Stage::Text);
        if let Some(rejected) = text.filter(|finding| finding.verdict.is_reject()) {
            return Prepared::Broken(rejected);
        }
        let (key, sketch) = content(record);
        watch.lap(Stage::Form);
        if let Some(sketch) = &sketch
            && let Err(reason) = self.config.schema.check_normal(sketch.normal(), !record.numbers.is_empty())
        {
            return broken(reason);
        }
        let benchmark = self.benchmark.check(key, sketch.as_ref(), record, &self.config);
        watch.lap(Stage::Benchmark);
        let alone = sketch.as_ref().filter(|_| record.numbers.is_empty() && record.sender.is_some());
        let manner = alone.map_or((1.0, 1.0), |sketch| self.benchmark.topic().ratios(sketch.normal()));
        watch.lap(Stage::Manner);
        Prepared::Content(Content { key, sketch, text, benchmark, manner })
    }

    fn judge(&mut self, record: &RecordView<'_>, prepared: Prepared, given: Option<Verdict>) -> Finding {
        let sender = self.sender(record);
        let (grounds, content) = match prepared {
            Prepared::Broken(finding) => (Grounds::settled(finding, NO_EVIDENCE), None),
            Prepared::Content(content) => match self.repeated_id(sender, record, content.key) {
                Some(finding) => (Grounds::settled(finding, NO_EVIDENCE), None),
                None => (self.gather(sender, record, &content), Some(content)),
            },
        };
        let known = sender.map(|number| {
            let sender = self.senders.get_mut(number);
            sender.observe(&grounds.ratios);
            &*sender
        });
        let mut finding = grounds.decide(known, &self.config);
        if let Some(verdict) = given {
            finding.verdict = verdict;
        }
        match content {
            Some(content) if finding.verdict.is_reject() => {
                let at = RecordRef(self.offered());
                self.refused.entry(content.key).or_insert(at);
            }
            Some(content) => self.remember(sender, record, content.key, content.sketch.as_ref()),
            None => {}
        }
        self.keep(sender, grounds, finding);
        finding
    }

    fn keep(&mut self, sender: Option<u32>, grounds: Grounds, finding: Finding) {
        if let Some(number) = sender {
            let number = number as usize;
            self.sent.resize_with(self.sent.len().max(number + 1), Vec::new);
            self.sent[number].push(self.history.len() as u32);
        }
        self.history.push(Entry { sender, grounds, finding });
    }

    fn sender(&mut self, record: &RecordView<'_>) -> Option<u32> {
        let name = record.sender.filter(|_| self.config.sender.enabled)?;
        Some(self.senders.number(name))
    }

    fn gather(&mut self, sender: Option<u32>, record: &RecordView<'_>, content: &Content) -> Grounds {
        let Content { key, ref sketch, text, benchmark, manner: (filler, topic) } = *content;
        let ratios = |copy: f64, repeat: f64| -> Ratios {
            let mut ratios = NO_EVIDENCE;
            for (channel, ratio) in [
                (Channel::Benchmark, benchmark.ratio),
                (Channel::Copy, copy),
                (Channel::Repeat, repeat),
                (Channel::Filler, filler),
                (Channel::Topic, topic),
            ] {
                ratios[channel as usize] = ratio;
            }
            ratios
        };
        if benchmark.exact {
            return Grounds::settled(
                Finding::bare(Verdict::Reject(Reason::BenchmarkOverlap)),
                ratios(1.0, 1.0),
            );
        }
        if let Some(&owner) = self.keys.get(&key) {
            let own = self.originals[owner as usize].sender == sender;
            let ratio =
                same_content(sketch.as_ref().map_or(usize::MAX, |sketch| words(sketch.normal()).count()));
            let ratios = if own { ratios(1.0, ratio) } else { ratios(ratio, 1.0) };
            return Grounds::settled(self.same(owner, record), ratios);
        }
        if let Some(finding) = sender.and_then(|_| self.refused_before(key)) {
            return Grounds::settled(finding, ratios(1.0, 1.0));
        }
        let likenesses = match sketch {
            Some(sketch) => self.like_texts(sketch, record, sender),
            None => self.like_rows(record, sender),
        };
        let alone = sender.zip(sketch.as_ref()).filter(|_| record.numbers.is_empty());
        let at = RecordRef(self.offered());
        Grounds {
            settled: None,
            text,
            benchmark: (benchmark.degree, benchmark.conflict),
            nearest: likenesses.nearest,
            copied: likenesses.best[0].map(|(_, found)| found),
            repeated: likenesses.best[1].map(|(_, found)| found),
            neighbour: alone.and_then(|(sender, sketch)| self.neighbour(sender, sketch)),
            label: self.doubt(record),
            numbered: alone.and_then(|(sender, sketch)| self.numbered.count(sender, sketch.normal(), at)),
            ratios: ratios(likenesses.ratios[0], likenesses.ratios[1]),
        }
    }

    /// New content under an id that its sender has used. It may come again under another id.
    fn repeated_id(&self, sender: Option<u32>, record: &RecordView<'_>, key: ContentKey) -> Option<Finding> {
        let &at = self.ids.get(&self.id(sender, record)?).filter(|_| !self.keys.contains_key(&key))?;
        Some(Finding { original: Some(at), ..Finding::bare(Verdict::Reject(Reason::RepeatedId)) })
    }

    /// What a record is known by among its sender's, where the datanet asks for ids.
    fn id(&self, sender: Option<u32>, record: &RecordView<'_>) -> Option<(Option<u32>, Box<str>)> {
        Some((sender, record.claims.id.filter(|_| self.config.provenance.id)?.into()))
    }

    /// A hold on the whole record where its label is implausible.
    fn doubt(&self, record: &RecordView<'_>) -> Option<Finding> {
        let p = record.label_p.filter(|&p| p <= self.config.plausibility.hold_p)?;
        let end = record.text.map_or(0, str::len) as u32;
        let evidence = Some(Evidence { start: 0, end, score: (1.0 - p) as f32 });
        Some(Finding { evidence, ..Finding::bare(Verdict::Hold(Reason::ImplausibleLabel)) })
    }

    /// A hold where another sender's text says much the same.
    fn neighbour(&self, sender: u32, sketch: &Sketch) -> Option<Finding> {
        let is_anothers = |text: u32| {
            let original = &self.originals[self.text_owners[text as usize] as usize];
            original.sender.is_some_and(|other| other != sender) && original.row.is_none()
        };
        let (text, cosine) = self.neighbours.as_ref()?.nearest(sketch, is_anothers)?;
        let at = self.originals[self.text_owners[text as usize] as usize].at;
        let hold = Verdict::Hold(Reason::SemanticNeighbour);
        (cosine >= self.config.neighbours.hold_cosine).then(|| Finding::copy(hold, at, cosine as f32))
    }

    /// The same content as an earlier record.
    fn same(&self, owner: u32, record: &RecordView<'_>) -> Finding {
        let original = &self.originals[owner as usize];
        let conflict = self.config.schema.label.conflict(record.label, original.label.as_deref());
        let reason = if conflict { Reason::ConflictingDuplicate } else { Reason::ExactDuplicate };
        Finding::copy(Verdict::Reject(reason), original.at, 1.0)
    }

    fn refused_before(&self, key: ContentKey) -> Option<Finding> {
        let finding = self.history[self.refused.get(&key)?.0 as usize].finding;
        finding.verdict.is_reject().then_some(finding)
    }

    /// The originals that a text is like; where records also carry rows, these must be near as well.
    fn like_texts(&mut self, sketch: &Sketch, record: &RecordView<'_>, sender: Option<u32>) -> Likenesses {
        let label = &self.config.schema.label;
        let mut likenesses = Likenesses::default();
        let mut alike = 0;
        let found = self.texts.nearest(sketch, |text, likeness| {
            let owner = self.text_owners[text as usize];
            let original = &self.originals[owner as usize];
            let rows = match original.row {
                Some(row) => self.config.rows.judge(self.rows.distance(row, record.numbers))?,
                None if record.numbers.is_empty() => Degree::Certain,
                None => return None,
            };
            let degree = self.config.near.judge(likeness).map(|degree| degree.min(rows));
            let found = self.found(owner, likeness.similarity(), degree, record);
            likenesses.consider(original.sender == sender, score(likeness), found);
            alike += usize::from(degree.is_some());
            Some(soften(degree?, label, record.label, original.label.as_deref()))
        });
        let by_rule = found.filter(|found| found.judgement != Degree::Alike || alike <= ALIKE_MAX);
        likenesses.nearest = by_rule.map(|found| {
            let owner = self.text_owners[found.id as usize];
            self.found(owner, found.likeness.similarity(), Some(found.judgement), record)
        });
        likenesses.prefer_own();
        let texts = self.text_owners.len();
        let ratios = self.benchmark.chance().ratios(texts, &self.seen);
        likenesses.ratios = likenesses.best.map(|best| ratios.ratio(best.map(|(score, _)| score)));
        if sender.is_some_and(|number| self.senders.get(number).is_in_good_standing()) {
            self.seen.count(likenesses.best[0].map(|(score, _)| score));
        }
        if let Some((owner, part)) = self.passage(sketch, record) {
            let passage = self.found(owner, part, Some(Degree::Possible), record);
            likenesses.nearest = likenesses.nearest.or(Some(passage));
            let at = usize::from(self.originals[owner as usize].sender == sender);
            let ratio = self.benchmark.chance().most(texts);
            if ratio > likenesses.ratios[at] {
                likenesses.ratios[at] = ratio;
                likenesses.best[at] = Some((0.0, passage));
            }
        }
        likenesses
    }

    fn found(&self, owner: u32, similarity: f32, degree: Option<Degree>, record: &RecordView<'_>) -> Match {
        let original = &self.originals[owner as usize];
        let conflict = self.config.schema.label.conflict(record.label, original.label.as_deref());
        Match { at: original.at, similarity, degree, conflict }
    }

    /// The original that most of a text is a passage of; records with rows differ by more than their text.
    fn passage(&self, sketch: &Sketch, record: &RecordView<'_>) -> Option<(u32, f32)> {
        if !self.config.near.enabled || !record.numbers.is_empty() {
            return None;
        }
        let (text, part) = self.passages.holds(sketch.shingles())?;
        Some((self.text_owners[text as usize], part))
    }

    /// The originals that a row is like.
    fn like_rows(&self, record: &RecordView<'_>, sender: Option<u32>) -> Likenesses {
        let mut likenesses = Likenesses { ratios: [row_ratio(None); 2], ..Likenesses::default() };
        if !self.config.rows.enabled {
            return likenesses;
        }
        let found = self.rows.nearest(record.numbers, |row, distance| {
            let owner = self.row_owners[row as usize];
            let original = &self.originals[owner as usize];
            let degree = self.config.rows.judge(distance).filter(|_| !original.has_text)?;
            let found = self.found(owner, (1.0 - distance) as f32, Some(degree), record);
            likenesses.consider(original.sender == sender, -distance, found);
            Some(soften(degree, &self.config.schema.label, record.label, original.label.as_deref()))
        });
        likenesses.nearest = found.map(|(row, distance, degree)| {
            self.found(self.row_owners[row as usize], (1.0 - distance) as f32, Some(degree), record)
        });
        likenesses.ratios = likenesses.best.map(|best| row_ratio(best.and_then(|(_, found)| found.degree)));
        likenesses
    }

    /// Makes a record an original. The first owner of a content stays its owner.
    fn remember(
        &mut self,
        sender: Option<u32>,
        record: &RecordView<'_>,
        key: ContentKey,
        sketch: Option<&Sketch>,
    ) {
        let owner = self.originals.len() as u32;
        if let Some(id) = self.id(sender, record) {
            self.ids.entry(id).or_insert(RecordRef(self.history.len() as u64));
        }
        if self.keys.contains_key(&key) {
            return;
        }
        self.keys.insert(key, owner);
        if let Some(sketch) = sketch {
            self.texts.insert(sketch);
            if let Some(index) = &mut self.neighbours {
                index.insert(sketch);
            }
            self.passages.insert(sketch.shingles());
            self.text_owners.push(owner);
        }
        let row = (!record.numbers.is_empty()).then(|| {
            self.row_owners.push(owner);
            self.rows.insert(record.numbers)
        });
        self.originals.push(Original {
            at: RecordRef(self.offered()),
            sender,
            label: record.label.map(Box::from),
            row,
            has_text: sketch.is_some(),
        });
    }
}

impl Likenesses {
    /// Keeps a match if it is nearer than any before, the first comer among equals. Not the one that looks most like a copy: beside a
    /// mangled copy of a common text, every honest variant of that text looks tampered with.
    fn consider(&mut self, own: bool, score: f64, found: Match) {
        let best = &mut self.best[usize::from(own)];
        let key = (found.similarity, score);
        if best.is_none_or(|(score, held)| key > (held.similarity, score)) {
            *best = Some((score, found));
        }
    }

    /// Who is copied resembles the copies: what is as much like one's own as like another's is not another's.
    fn prefer_own(&mut self) {
        if let [Some((_, others)), Some((_, own))] = self.best
            && own.similarity >= others.similarity
        {
            self.best[0] = None;
        }
    }
}

/// An index without texts that knows the words of the benchmark.
fn counted(items: &[RecordView<'_>]) -> NeighbourIndex {
    let mut index = NeighbourIndex::default();
    items.iter().filter_map(RecordView::normal_form).for_each(|item| index.count(&Sketch::new(item)));
    index
}

fn content(record: &RecordView<'_>) -> (ContentKey, Option<Sketch>) {
    let normal = record.normal_form();
    let key = ContentKey::new(normal.as_deref(), record.numbers);
    (key, normal.map(Sketch::new))
}
