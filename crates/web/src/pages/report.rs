//! The page of a [`NetReport`]: the model against baselines, who earned what, and how to check it.

mod verdict;

use super::audit::AuditView;
use super::parts::{
    Fact, GateTable, Mark, Sample, ScoreTable, TEXT_CHARS, ValueChart, Valued, agreement_sentence,
    closure_sentence, full_name, interval, name, table_rows,
};
use super::{POLICY, RenderError};
use crate::charts::{Axis, Domain, Point, Scatter, Svg, bullet, row_axis};
use crate::text::{MISSING, Scale, count, cut, fixed, percent, plural, plural_of, ppm, signed};
use askama::Template;
use assay_api::Micro;
use assay_api::v1::appraisal::Standing;
use assay_api::v1::report::{
    Answer, AnswerCheck, AnswerRecord, EpochSummary, ModelCard, NetContributor, NetReport, PairedDifference,
    Run, RunAudit, Verification,
};
use std::collections::BTreeMap;

/// Sample answers shown, and records of each.
const ANSWERS: usize = 8;
const RECORDS: usize = 6;
/// Marks in a chart.
const MARKS: usize = 3_000;
/// Items of a list of sentences.
const SENTENCES: usize = 40;

/// Renders the page.
///
/// # Errors
/// [`RenderError`] if the template fails, which no document should bring about.
pub fn render(report: &NetReport) -> Result<String, RenderError> {
    Ok(Page::of(report).render()?)
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    policy: &'static str,
    title: String,
    subtitle: String,
    lede: String,
    story: Vec<String>,
    facts: Vec<Fact>,
    asset: String,
    card: Option<CardView>,
    behaviours: Vec<BehaviourRow>,
    values: ValueChart,
    per_record_unit: &'static str,
    all: Vec<FullRow>,
    all_left_out: usize,
    paid: Option<Svg>,
    split: Vec<SplitRow>,
    split_axis: Svg,
    money: Vec<(&'static str, String)>,
    runs: Vec<RunRow>,
    runs_left_out: usize,
    held_back: Option<String>,
    epochs: Vec<EpochRow>,
    epochs_left_out: usize,
    gates: GateTable,
    garbage: Vec<String>,
    queries: String,
    answers: Vec<AnswerView>,
    closure: Option<String>,
    agreement: Option<String>,
    audit: Option<AuditView>,
    command: String,
    checks: Vec<String>,
    cannot_know: Vec<String>,
    log_size: String,
    log_root: String,
    origin: String,
}

struct CardView {
    family: String,
    snapshot_root: String,
    scores: ScoreTable,
    differences: Vec<String>,
}

struct BehaviourRow {
    label: String,
    contributors: String,
    records: String,
    passed: String,
    value: String,
    per_record: String,
    released: String,
    withheld: String,
    bond_lost: String,
}

struct FullRow {
    name: String,
    label: String,
    mark: Mark,
    records: String,
    passed: String,
    value: String,
    interval: String,
    earned: String,
    rewarded: String,
    released: String,
    withheld: String,
    bond_lost: String,
}

struct SplitRow {
    role: String,
    chart: Svg,
    promised: String,
    realised: String,
    paid: String,
}

struct RunRow {
    run: String,
    records: String,
    new_records: String,
    gain: String,
    withheld: String,
    audit: String,
    coverage: String,
}

struct EpochRow {
    epoch: String,
    queries: String,
    fees: String,
    released: String,
    withheld: String,
    payout_root: String,
}

struct AnswerView {
    query: Sample,
    answer: String,
    probability: String,
    bits: String,
    records: Vec<ShapingRecord>,
    covered: String,
    fee: String,
    receipt: String,
}

struct ShapingRecord {
    sample: Sample,
    label: String,
    contributor: String,
    bits: String,
}

impl Page {
    fn of(r: &NetReport) -> Self {
        let mut order: Vec<&NetContributor> = r.contributors.iter().collect();
        order.sort_by(|x, y| y.value_bits.total_cmp(&x.value_bits).then_with(|| x.id.cmp(&y.id)));
        let scale = Scale::over(order.iter().flat_map(|c| [c.value_bits, c.low_bits, c.high_bits]));
        let per_record = Scale::over(order.iter().filter_map(|c| c.bits_per_record));
        let money = Money::over(r);
        let asset = cut(&r.datanet.asset, 16);
        let (all, all_left_out) = table_rows(&order, |c| full_row(c, scale, &money));
        let numbered: Vec<(usize, &Run)> = (1..).zip(&r.runs).collect();
        let (runs, runs_left_out) = table_rows(&numbered, |(number, run)| run_row(*number, run));
        let (epochs, epochs_left_out) = table_rows(&r.epochs, |e| epoch_row(e, &money));
        let shares = Domain::over(
            r.split
                .iter()
                .flat_map(|s| [s.promised_ppm, s.realised_ppm])
                .map(|p| p as f64 / 1e4)
                .chain([0.0]),
        );
        let split = r.split.iter().map(|s| SplitRow {
            role: cut(&s.role, 40),
            chart: bullet(&shares, s.realised_ppm as f64 / 1e4, s.promised_ppm as f64 / 1e4),
            promised: ppm(s.promised_ppm),
            realised: ppm(s.realised_ppm),
            paid: money.show(s.paid_micro),
        });
        Self {
            policy: POLICY,
            title: cut(&r.datanet.name, 80),
            subtitle: cut(&r.datanet.purpose, 300),
            lede: verdict::lede(r),
            story: verdict::story(r, &asset),
            facts: verdict::facts(r, &asset),
            card: r.card.as_ref().map(card),
            behaviours: behaviours(&order, scale, per_record, &money),
            values: ValueChart::of(
                order.iter().map(|c| valued(c, &money)).collect(),
                scale,
                format!("Released, {asset}"),
            ),
            per_record_unit: per_record.unit,
            all,
            all_left_out,
            paid: (order.len() > 1).then(|| paid_chart(&order, scale, &asset)),
            split: split.collect(),
            split_axis: row_axis(&shares, 1.0, "%"),
            money: totals(r, &money),
            runs,
            runs_left_out,
            held_back: held_back(r),
            epochs,
            epochs_left_out,
            gates: (&r.gates).into(),
            garbage: garbage(&r.verification),
            queries: queries(r),
            answers: r.queries.samples.iter().take(ANSWERS).map(|a| answer(a, &money)).collect(),
            closure: r.closure.as_ref().map(closure_sentence),
            agreement: agreement_sentence(&r.agreement),
            audit: r.audit.as_ref().map(AuditView::of),
            command: cut(&r.verify.command, 300),
            checks: sentences(&r.verify.checks),
            cannot_know: sentences(&r.cannot_know),
            log_size: count(r.log.size),
            log_root: cut(&r.log.root, 64),
            origin: cut(&r.datanet.origin, 120),
            asset,
        }
    }
}

/// How amounts are shown: with cents if every amount of the report has whole cents, else to the micro-unit.
struct Money {
    decimals: usize,
}

impl Money {
    fn over(r: &NetReport) -> Self {
        let of_contributor =
            |c: &NetContributor| [c.earned_micro, c.released_micro, c.withheld_micro, c.bond_lost_micro];
        let m = &r.money;
        let totals = [
            m.deposited_micro,
            m.fees_micro,
            m.paid_micro,
            m.funded_micro,
            m.rewarded_micro,
            m.unpaid_micro,
            m.carried_micro,
            m.bonds_held_micro,
        ];
        let mut amounts = r
            .contributors
            .iter()
            .flat_map(of_contributor)
            .chain(totals)
            .chain(r.split.iter().map(|s| s.paid_micro));
        Self { decimals: if amounts.all(|a| a.0 % 10_000 == 0) { 2 } else { 6 } }
    }

    fn show(&self, amount: Micro) -> String {
        // Most amounts of most columns are zero; bare, they leave the others readable.
        if amount.0 == 0 { "0".to_owned() } else { format!("{amount:.*}", self.decimals) }
    }
}

fn sentences(all: &[String]) -> Vec<String> {
    all.iter().take(SENTENCES).map(|s| cut(s, 400)).collect()
}

fn card(c: &ModelCard) -> CardView {
    let models = [
        ("Before any record", Some(&c.base)),
        ("As many records at random from everything sent", c.random_pool.as_ref()),
        ("This datanet\u{2019}s snapshot", Some(&c.snapshot)),
    ];
    let caption = format!("On {}, never used for pay", plural(c.snapshot.rows, "test row"));
    CardView {
        family: cut(&c.family, TEXT_CHARS),
        snapshot_root: cut(&c.snapshot_root, 64),
        scores: ScoreTable::of(caption, &models),
        differences: c.differences.iter().map(difference).chain(c.answers.iter().map(answers)).collect(),
    }
}

/// How well answers are explained, in a sentence.
fn answers(a: &AnswerCheck) -> String {
    let halves = a.lds.map(|lds| {
        let se = a.lds_se.map(|se| format!(" \u{b1} {se:.3}")).unwrap_or_default();
        format!(
            " The predicted effect of records on them agrees with {} at rank correlation {lds:.3}{se}.",
            plural_of(a.halves, "training on a random half", "trainings on random halves")
        )
    });
    let se = a.lost_se_bits.map(|se| format!(" \u{b1} {se:.2}")).unwrap_or_default();
    format!(
        "Trained again without the {} that an answer misses most, the model gives it {:.2}{se} bits less ({} asked).{}",
        plural(a.named, "record"),
        a.lost_bits,
        plural(a.questions, "test row"),
        halves.unwrap_or_default()
    )
}

/// The name of a baseline in words.
fn baseline(against: &str) -> String {
    match against {
        "base" => "the model before any record".to_owned(),
        "random_pool" => "as many random records".to_owned(),
        other => cut(other, 60),
    }
}

fn difference(d: &PairedDifference) -> String {
    let points = |a: f64| signed(a * 100.0, 1);
    let accuracy = d.accuracy.map(|a| {
        let range = interval(d.accuracy_low, d.accuracy_high, points);
        format!(" and {} points of accuracy ({range})", points(a))
    });
    format!(
        "Against {}: {} bits a row ({} to {}){}; paired bootstrap, {}.",
        baseline(&d.against),
        signed(d.bits, 3),
        signed(d.bits_low, 3),
        signed(d.bits_high, 3),
        accuracy.unwrap_or_default(),
        plural(d.resamples, "resample"),
    )
}

fn valued<'a>(c: &'a NetContributor, money: &Money) -> Valued<'a> {
    let records = plural(c.records, "record");
    Valued {
        id: &c.id,
        note: c.label.as_ref().map_or(records.clone(), |label| format!("{}, {records}", name(label))),
        value_bits: c.value_bits,
        low_bits: c.low_bits,
        high_bits: c.high_bits,
        standing: c.standing,
        last: money.show(c.released_micro),
    }
}

fn full_row(c: &NetContributor, scale: Scale, money: &Money) -> FullRow {
    FullRow {
        name: full_name(&c.id),
        label: c.label.as_deref().map(|l| cut(l, 40)).unwrap_or_default(),
        mark: c.standing.into(),
        records: count(c.records),
        passed: count(c.passed),
        value: scale.show(c.value_bits),
        interval: scale.interval(c.low_bits, c.high_bits),
        earned: money.show(c.earned_micro),
        rewarded: money.show(c.rewarded_micro),
        released: money.show(c.released_micro),
        withheld: money.show(c.withheld_micro),
        bond_lost: money.show(c.bond_lost_micro),
    }
}

/// Contributors of one known behaviour together, best paid per record first; empty where no truth is known.
fn behaviours(
    order: &[&NetContributor],
    scale: Scale,
    per_record: Scale,
    money: &Money,
) -> Vec<BehaviourRow> {
    let mut groups: BTreeMap<&str, Vec<&NetContributor>> = BTreeMap::new();
    for c in order {
        if let Some(label) = &c.label {
            groups.entry(label).or_default().push(c);
        }
    }
    let mut rows: Vec<(f64, BehaviourRow)> = vec![];
    for (label, members) in groups {
        let sum = |of: fn(&NetContributor) -> u64| members.iter().map(|c| of(c)).fold(0, u64::saturating_add);
        let amount = |of: fn(&NetContributor) -> Micro| {
            money.show(Micro(members.iter().map(|c| of(c).0).fold(0, i128::saturating_add)))
        };
        let value: f64 = members.iter().map(|c| c.value_bits).sum();
        let each = value / sum(|c| c.records) as f64;
        let row = BehaviourRow {
            label: cut(label, 60),
            contributors: count(members.len() as u64),
            records: count(sum(|c| c.records)),
            passed: count(sum(|c| c.passed)),
            value: scale.show(value),
            per_record: per_record.show(each),
            released: amount(|c| c.released_micro),
            withheld: amount(|c| c.withheld_micro),
            bond_lost: amount(|c| c.bond_lost_micro),
        };
        rows.push((each, row));
    }
    rows.sort_by(|x, y| y.0.total_cmp(&x.0));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn paid_chart(order: &[&NetContributor], scale: Scale, asset: &str) -> Svg {
    let shown = &order[..order.len().min(MARKS)];
    let points: Vec<Point> = shown
        .iter()
        .map(|c| Point {
            x: scale.of(c.value_bits),
            y: c.released_micro.units(),
            interval: None,
            standing: c.standing,
            title: format!(
                "{}: {} {}, {} {asset} released",
                name(&c.id),
                scale.show(c.value_bits),
                scale.unit,
                c.released_micro
            ),
        })
        .collect();
    let of_paid = || order.iter().filter(|c| c.standing == Standing::Paid);
    let value: f64 = of_paid().map(|c| scale.of(c.value_bits)).sum();
    let pay: f64 = of_paid().map(|c| c.released_micro.units()).sum();
    let chart = Scatter {
        title: "Pay released to each contributor against its value".to_owned(),
        x: Axis::linear(points.iter().map(|p| p.x)),
        y: Axis::linear(points.iter().map(|p| p.y)),
        points,
        guide: (value > 0.0).then_some(pay / value),
    };
    chart.draw()
}

fn totals(r: &NetReport, money: &Money) -> Vec<(&'static str, String)> {
    let m = &r.money;
    let gini = r.pay.gini.map_or_else(|| MISSING.to_owned(), |g| fixed(g, 2));
    vec![
        ("Deposited by consumers", money.show(m.deposited_micro)),
        ("Charged for queries", money.show(m.fees_micro)),
        ("Paid out to all roles", money.show(m.paid_micro)),
        ("Put up by sponsors to reward value", money.show(m.funded_micro)),
        ("Credited out of that", money.show(m.rewarded_micro)),
        ("Withheld until proven", money.show(m.unpaid_micro)),
        ("Carried to the next epoch", money.show(m.carried_micro)),
        ("Bonds held", money.show(m.bonds_held_micro)),
        ("Bonds taken", money.show(m.bonds_lost_micro)),
        ("Median pay of a contributor", money.show(r.pay.median_micro)),
        ("Gini coefficient of pay (0 equal, 1 all to one)", gini),
    ]
}

fn run_row(number: usize, run: &Run) -> RunRow {
    let of_audit = |of: fn(&RunAudit) -> String| run.audit.as_ref().map_or_else(|| MISSING.to_owned(), of);
    RunRow {
        run: number.to_string(),
        records: count(run.records),
        new_records: count(run.new_records),
        gain: signed(run.full_bits - run.base_bits, 3),
        withheld: signed(run.withheld_bits, 3),
        audit: of_audit(|a| fixed(a.rank, 2)),
        coverage: of_audit(|a| percent(a.coverage, 1)),
    }
}

/// What the charter asks of an audit, and whether pay waits for it.
fn held_back(r: &NetReport) -> Option<String> {
    let least = r.least_rank?;
    let found = r.runs.last().and_then(|run| run.audit.as_ref());
    let waits = match found {
        None => " The newest run has no audit yet, so pay waits.".to_owned(),
        Some(audit) if audit.rank < least => {
            format!(" That of the newest run found {}, so pay waits.", fixed(audit.rank, 2))
        }
        Some(_) => String::new(),
    };
    Some(format!(
        "Pay by value is released only when an audit finds a rank agreement of at least {}.{waits}",
        fixed(least, 2)
    ))
}

fn epoch_row(e: &EpochSummary, money: &Money) -> EpochRow {
    EpochRow {
        epoch: e.epoch.to_string(),
        queries: count(e.queries),
        fees: money.show(e.fees_micro),
        released: money.show(e.released_micro),
        withheld: money.show(e.withheld_micro),
        payout_root: cut(&e.payout_root, 64),
    }
}

fn garbage(v: &Verification) -> Vec<String> {
    let mut out = vec![];
    if let (Some(admitted), Some(offered)) = (v.garbage_admitted, v.garbage_offered.filter(|n| *n > 0)) {
        out.push(format!(
            "Of {} known to be garbage, {} passed the gates ({}); value and bonds deal with those.",
            plural(offered, "record"),
            count(admitted),
            percent(admitted as f64 / offered as f64, 1)
        ));
    }
    let machine = v
        .machine_us_per_record
        .map(|us| format!(" Machines spent {} \u{B5}s on each record offered.", fixed(us, 1)));
    let by_gate: Vec<String> =
        v.machine_us_by_gate.iter().map(|g| format!("{} {}", cut(&g.gate, 40), fixed(g.us, 1))).collect();
    let by_gate =
        if by_gate.is_empty() { String::new() } else { format!(" By gate: {}.", by_gate.join(", ")) };
    out.push(format!(
        "People looked at {}.{}{by_gate}",
        plural(v.reviewed, "record"),
        machine.unwrap_or_default()
    ));
    out
}

fn queries(r: &NetReport) -> String {
    let shown = r.queries.samples.len().min(ANSWERS);
    match (r.queries.count, shown) {
        (0, _) => "Nobody has asked yet.".to_owned(),
        (n, 0) => format!("{} paid; none may be shown.", plural_of(n, "query", "queries")),
        (1, _) => "The one paid query, and the records that moved its answer most.".to_owned(),
        (n, shown) => {
            format!("{shown} of {} paid queries, each with the records that moved its answer most.", count(n))
        }
    }
}

fn answer(a: &Answer, money: &Money) -> AnswerView {
    let scale = Scale::over(a.records.iter().map(|r| r.bits));
    AnswerView {
        query: Sample::of(&a.query, "the query"),
        answer: cut(&a.answer, TEXT_CHARS),
        probability: a.probability.map_or_else(String::new, |p| percent(p, 1)),
        bits: signed(a.bits, 2),
        records: a.records.iter().take(RECORDS).map(|r| shaping(r, scale)).collect(),
        covered: ppm(a.covered_ppm),
        fee: money.show(a.fee_micro),
        receipt: count(a.receipt_index),
    }
}

fn shaping(r: &AnswerRecord, scale: Scale) -> ShapingRecord {
    let label = cut(&r.label, 40);
    ShapingRecord {
        sample: Sample::of(&r.content, &format!("record labelled {label}")),
        label,
        contributor: name(&r.contributor),
        bits: format!("{} {}", scale.show(r.bits), scale.unit),
    }
}
