//! The page of an [`Appraisal`]: who adds what, how sure that is, and what was odd.

mod evidence;
mod verdict;

use self::evidence::Evidence;
use super::parts::{
    Fact, GateTable, Mark, NAME_CHARS, Sample, ScoreTable, TEXT_CHARS, ValueChart, Valued,
    agreement_sentence, closure_sentence, name, table_rows,
};
use super::{POLICY, RenderError};

use crate::charts::{Axis, Point, Scatter, Svg};
use crate::text::{MISSING, Scale, count, cut, fixed, percent, plural, plural_of, ppm, span};
use askama::Template;
use assay_api::v1::appraisal::{
    Appraisal, Contributor, DuplicateGroup, DuplicateKind, Estimator, Input, RecordValue, ScoreSet, Task,
    Warning,
};

/// Records shown at each end.
const RECORDS: usize = 8;
/// Groups of duplicates shown.
const GROUPS: usize = 6;
/// Copies named in a group.
const COPIES: usize = 4;
/// Warnings shown, and examples of each.
const WARNINGS: usize = 30;
const EXAMPLES: usize = 5;
/// Marks in a chart.
const MARKS: usize = 3_000;

/// Renders the page.
///
/// # Errors
/// [`RenderError`] if the template fails, which no document should bring about.
pub fn render(appraisal: &Appraisal) -> Result<String, RenderError> {
    Ok(Page::of(appraisal).render()?)
}

#[derive(Template)]
#[template(path = "appraisal.html")]
struct Page {
    policy: &'static str,
    title: String,
    subtitle: String,
    lede: String,
    story: Vec<String>,
    facts: Vec<Fact>,
    values: ValueChart,
    all: Vec<FullRow>,
    all_left_out: usize,
    per_record_unit: &'static str,
    volume: Option<Svg>,
    volume_note: String,
    scores: Vec<ScoreTable>,
    effects: Option<Svg>,
    effects_unit: &'static str,
    agreement: Option<String>,
    records_unit: &'static str,
    best: Vec<RecordRow>,
    worst: Vec<RecordRow>,
    gates: GateTable,
    groups: Vec<GroupRow>,
    groups_left_out: usize,
    warnings: Vec<WarningRow>,
    warnings_left_out: usize,
    closure: String,
    evidence: Option<Evidence>,
    estimators: Vec<EstimatorRow>,
    method: Vec<(&'static str, String)>,
    options: Vec<(String, String)>,
    files: Vec<FileRow>,
}

struct FullRow {
    name: String,
    mark: Mark,
    records: String,
    stopped: String,
    duplicates: String,
    value: String,
    interval: String,
    per_record: String,
    share: String,
    effect: String,
    accuracy_without: String,
}

struct RecordRow {
    sample: Sample,
    label: String,
    contributor: String,
    id: String,
    value: String,
    error: String,
    reason: String,
}

struct GroupRow {
    kind: &'static str,
    sample: Sample,
    original: String,
    contributor: String,
    count: String,
    copies: String,
}

struct WarningRow {
    message: String,
    count: String,
    code: String,
    examples: String,
    advice: String,
}

struct EstimatorRow {
    name: String,
    records: String,
    contributors: String,
    effect: String,
    cpu: String,
}

struct FileRow {
    role: &'static str,
    name: String,
    rows: String,
    sha256: String,
}

impl Page {
    fn of(a: &Appraisal) -> Self {
        let mut order: Vec<&Contributor> = a.contributors.iter().collect();
        order.sort_by(|x, y| y.value_bits.total_cmp(&x.value_bits).then_with(|| x.id.cmp(&y.id)));
        let unit = a.method.unit;
        let values = order.iter().flat_map(|c| [c.value_bits, c.low_bits, c.high_bits]);
        let scale = Scale::of_unit(unit, values);
        let per_record = Scale::of_unit(unit, order.iter().map(|c| c.bits_per_record));
        let effect = Scale::over(order.iter().filter_map(|c| c.without.as_ref()).map(|w| w.effect_bits));
        let shown = a.records_best.iter().chain(&a.records_worst);
        let records = Scale::of_unit(unit, shown.map(|r| r.value_bits));
        let (all, all_left_out) = table_rows(&order, |c| full_row(c, scale, per_record, effect));
        let valued = order.iter().map(|c| valued(c, per_record)).collect();
        Self {
            policy: POLICY,
            title: cut(&a.inputs.train.name, TEXT_CHARS),
            subtitle: verdict::subtitle(a),
            lede: verdict::lede(a),
            story: verdict::story(a),
            facts: verdict::facts(a),
            values: ValueChart::of(valued, scale, format!("Per record, {}", per_record.unit)),
            all,
            all_left_out,
            per_record_unit: per_record.unit,
            volume: (order.len() > 1).then(|| volume_chart(&order, scale)),
            volume_note: verdict::volume(&order),
            scores: score_tables(a),
            effects: effect_chart(&order, scale, effect),
            effects_unit: effect.unit,
            agreement: agreement_sentence(&a.agreement),
            records_unit: records.unit,
            best: a.records_best.iter().take(RECORDS).map(|r| record_row(r, records)).collect(),
            worst: a.records_worst.iter().take(RECORDS).map(|r| record_row(r, records)).collect(),
            gates: (&a.gates).into(),
            groups: a.duplicates.iter().take(GROUPS).map(group_row).collect(),
            groups_left_out: a.duplicates.len().saturating_sub(GROUPS),
            warnings: a.warnings.iter().take(WARNINGS).map(warning_row).collect(),
            warnings_left_out: a.warnings.len().saturating_sub(WARNINGS),
            closure: a.closure.as_ref().map_or_else(|| verdict::no_closure(a), closure_sentence),
            evidence: Evidence::of(a),
            estimators: a.estimators.iter().enumerate().map(|(at, e)| estimator_row(a, at, e)).collect(),
            method: method(a),
            options: a.recipe.options.iter().map(|(k, v)| (cut(k, 60), cut(v, TEXT_CHARS))).collect(),
            files: files(a),
        }
    }
}

fn valued(c: &Contributor, per_record: Scale) -> Valued<'_> {
    Valued {
        id: &c.id,
        note: plural(c.records, "record"),
        value_bits: c.value_bits,
        low_bits: c.low_bits,
        high_bits: c.high_bits,
        standing: c.standing,
        last: per_record.show(c.bits_per_record),
    }
}

fn full_row(c: &Contributor, scale: Scale, per_record: Scale, effect: Scale) -> FullRow {
    let accuracy = c.without.as_ref().and_then(|w| w.test_accuracy);
    FullRow {
        name: name(&c.id),
        mark: c.standing.into(),
        records: count(c.records),
        stopped: count(c.rejected),
        duplicates: count(c.duplicates),
        value: scale.show(c.value_bits),
        interval: scale.interval(c.low_bits, c.high_bits),
        per_record: per_record.show(c.bits_per_record),
        share: ppm(c.share_ppm),
        effect: c.without.as_ref().map_or_else(String::new, |w| effect.show(w.effect_bits)),
        accuracy_without: accuracy.map_or_else(String::new, |a| percent(a, 1)),
    }
}

fn volume_chart(order: &[&Contributor], scale: Scale) -> Svg {
    let shown = &order[..order.len().min(MARKS)];
    let points = shown.iter().map(|c| Point {
        x: c.records as f64,
        y: scale.of(c.value_bits),
        interval: Some((scale.of(c.low_bits), scale.of(c.high_bits))),
        standing: c.standing,
        title: format!(
            "{}: {}, {} {}",
            name(&c.id),
            plural(c.records, "record"),
            scale.show(c.value_bits),
            scale.unit
        ),
    });
    let records: f64 = order.iter().map(|c| c.records as f64).sum();
    let value: f64 = order.iter().map(|c| scale.of(c.value_bits)).sum();
    let chart = Scatter {
        title: "Value of each contributor against the number of records it sent".to_owned(),
        x: Axis::log(shown.iter().map(|c| c.records as f64)),
        y: Axis::linear(shown.iter().flat_map(|c| [scale.of(c.low_bits), scale.of(c.high_bits)])),
        points: points.collect(),
        guide: (records > 0.0).then_some(value / records),
    };
    chart.draw()
}

/// Value against the measured effect of leaving out, where that was measured for two contributors at least.
fn effect_chart(order: &[&Contributor], scale: Scale, effect: Scale) -> Option<Svg> {
    let retrained = order.iter().filter_map(|c| c.without.as_ref().map(|w| (c, w.effect_bits))).take(MARKS);
    let points: Vec<Point> = retrained
        .map(|(c, bits)| Point {
            x: scale.of(c.value_bits),
            y: effect.of(bits),
            interval: None,
            standing: c.standing,
            title: format!(
                "{}: value {}, effect {}",
                name(&c.id),
                scale.show(c.value_bits),
                effect.show(bits)
            ),
        })
        .collect();
    if points.len() < 2 {
        return None;
    }
    let chart = Scatter {
        title: "Measured effect of leaving each contributor out against its value".to_owned(),
        x: Axis::linear(points.iter().map(|p| p.x)),
        y: Axis::linear(points.iter().map(|p| p.y)),
        points,
        guide: None,
    };
    Some(chart.draw())
}

fn score_tables(a: &Appraisal) -> Vec<ScoreTable> {
    let table = |set: &ScoreSet, caption: String| {
        let models = [
            ("Before any record", set.base.as_ref()),
            ("Everything submitted", Some(&set.submitted)),
            ("After the gates", Some(&set.gated)),
            ("What the evidence leaves", set.curated.as_ref()),
        ];
        ScoreTable::of(caption, &models)
    };
    let test = a.scores.test.as_ref().map(|set| {
        let rows = plural(set.gated.rows, "test row");
        table(set, format!("On {rows}, never used for values or choices"))
    });
    let rows = plural(a.scores.valid.gated.rows, "benchmark row");
    let valid = table(&a.scores.valid, format!("On {rows}, the ones that measured the values"));
    test.into_iter().chain([valid]).collect()
}

fn record_row(r: &RecordValue, scale: Scale) -> RecordRow {
    let label = cut(&r.label, 60);
    RecordRow {
        sample: Sample::of(&r.content, &format!("record labelled {label}")),
        label,
        contributor: name(&r.contributor),
        id: name(&r.id),
        value: scale.show(r.value_bits),
        error: scale.show(r.se_bits),
        reason: cut(&r.reason, TEXT_CHARS),
    }
}

fn group_row(g: &DuplicateGroup) -> GroupRow {
    let named = g.copies.iter().take(COPIES).map(|c| format!("{} by {}", name(&c.id), name(&c.contributor)));
    let mut copies = named.collect::<Vec<_>>().join("; ");
    let unnamed = g.count.saturating_sub(g.copies.len().min(COPIES) as u64);
    if unnamed > 0 {
        copies.push_str(&format!("{} {} more", if copies.is_empty() { "" } else { "; and" }, count(unnamed)));
    }
    GroupRow {
        kind: match g.kind {
            DuplicateKind::Exact => "the same",
            DuplicateKind::Near => "nearly the same",
        },
        sample: Sample::of(&g.content, "the original"),
        original: name(&g.original.id),
        contributor: name(&g.original.contributor),
        count: plural_of(g.count, "copy", "copies"),
        copies,
    }
}

fn warning_row(w: &Warning) -> WarningRow {
    let examples: Vec<String> = w.examples.iter().take(EXAMPLES).map(|e| cut(e, 100)).collect();
    WarningRow {
        message: cut(&w.message, 400),
        count: count(w.count),
        code: cut(&w.code, NAME_CHARS),
        examples: examples.join(", "),
        advice: cut(&w.advice, 400),
    }
}

fn estimator_row(a: &Appraisal, at: usize, e: &Estimator) -> EstimatorRow {
    let pair = |spearman: Option<f64>, pearson: Option<f64>| {
        let show = |r: Option<f64>| r.map_or_else(|| MISSING.to_owned(), |r| fixed(r, 3));
        format!("{} / {}", show(spearman), show(pearson))
    };
    EstimatorRow {
        name: cut(&e.method.name, NAME_CHARS),
        records: pair(e.records_spearman, e.records_pearson),
        contributors: pair(e.contributors_spearman, e.contributors_pearson),
        effect: pair(e.effect_spearman, e.effect_pearson),
        cpu: a.timings.estimators.get(at).map_or_else(|| MISSING.to_owned(), |t| span(t.cpu_ms)),
    }
}

fn method(a: &Appraisal) -> Vec<(&'static str, String)> {
    let m = &a.model;
    let mut rows = vec![
        ("Model", cut(&m.family, TEXT_CHARS)),
        (
            "What it sees",
            format!("{} ({})", cut(&m.features.description, TEXT_CHARS), plural(m.features.count, "feature")),
        ),
        ("Trained on", plural(m.records_used, "record")),
        (
            "Prior strength",
            format!("\u{03BB} = {}, by {}", fixed(m.lambda, 4), cut(&m.lambda_by, TEXT_CHARS)),
        ),
        ("Standard errors", format!("from {} of the benchmark", plural(m.folds, "fold"))),
        ("Seed", a.recipe.seed.to_string()),
        ("Assay", cut(&a.recipe.version, 40)),
        ("Time", format!("{} on {}", span(a.timings.total_ms), plural(a.recipe.threads, "thread"))),
    ];
    if m.task == Task::Classification {
        rows.insert(1, ("Classes", count(m.classes.len() as u64)));
    }
    let stages = a.timings.stages.iter().map(|s| format!("{} {}", cut(&s.stage, 40), span(s.wall_ms)));
    let stages = stages.collect::<Vec<_>>().join(", ");
    if !stages.is_empty() {
        rows.push(("Stages", stages));
    }
    rows
}

fn files(a: &Appraisal) -> Vec<FileRow> {
    let row = |role, file: &Input| FileRow {
        role,
        name: cut(&file.name, TEXT_CHARS),
        rows: count(file.rows),
        sha256: cut(&file.sha256, 64),
    };
    let test = a.inputs.test.as_ref().map(|f| row("test", f));
    [row("records", &a.inputs.train), row("benchmark", &a.inputs.valid)].into_iter().chain(test).collect()
}
