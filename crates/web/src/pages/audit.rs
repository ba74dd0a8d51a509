//! The page of an [`Audit`], and its section in a report: values and pay against what leaving contributors out did.

use super::parts::{Fact, Mark, full_name, name, table_rows};
use super::{POLICY, RenderError};
use crate::charts::{Axis, Point, Scatter, Svg};
use crate::text::{MISSING, Scale, count, cut, fixed, percent, plural, plural_of, ppm};
use askama::Template;
use assay_api::v1::audit::{Audit, Audited, Clusters, Coverage, EstimatorCheck, Ranking, ShapleyCheck};

/// Marks in a chart.
const MARKS: usize = 3_000;
/// Rows of a table of groups, and sentences of a list.
const ROWS: usize = 100;
/// Half width of a 95% interval in standard errors, for drawing.
const REACH: f64 = 1.96;

/// Renders the page.
///
/// # Errors
/// [`RenderError`] if the template fails, which no document should bring about.
pub fn render(audit: &Audit) -> Result<String, RenderError> {
    let title = cut(&audit.subject.name, 80);
    Ok(Page { policy: POLICY, title, audit: AuditView::of(audit) }.render()?)
}

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    policy: &'static str,
    title: String,
    audit: AuditView,
}

/// What the section shows.
pub(super) struct AuditView {
    pub(super) verdict: String,
    pub(super) facts: Vec<Fact>,
    pub(super) pay: Option<Svg>,
    pub(super) predicted: Option<Svg>,
    pub(super) unit: &'static str,
    pub(super) value_unit: &'static str,
    pub(super) rankings: Vec<[String; 3]>,
    pub(super) ceiling: Option<String>,
    pub(super) sentences: Vec<String>,
    pub(super) rows: Vec<AuditedRow>,
    pub(super) left_out: usize,
    pub(super) clusters: Option<ClusterTable>,
    pub(super) estimators: Vec<[String; 4]>,
    pub(super) cannot_show: Vec<String>,
}

pub(super) struct AuditedRow {
    pub(super) name: String,
    pub(super) mark: Mark,
    pub(super) cells: [String; 8],
}

pub(super) struct ClusterTable {
    pub(super) by: String,
    pub(super) summary: String,
    pub(super) rows: Vec<[String; 5]>,
    pub(super) left_out: usize,
}

impl AuditView {
    pub(super) fn of(a: &Audit) -> Self {
        let of_effects = |c: &Audited| [c.low_bits, c.high_bits, c.effect_bits, c.effect_se_bits];
        let effect = Scale::over(a.contributors.iter().flat_map(of_effects));
        let value = Scale::over(a.contributors.iter().map(|c| c.value_bits));
        let (rows, left_out) = table_rows(&a.contributors, |c| audited(c, value, effect));
        let pay = |c: &Audited| (c.pay_ppm as f64 / 1e4, format!("{} of pay", ppm(c.pay_ppm)));
        let predicted = |c: &Audited| {
            (effect.of(c.predicted_bits), format!("predicted {}", effect.show(c.predicted_bits)))
        };
        Self {
            verdict: verdict(a),
            facts: facts(a),
            pay: chart(
                a,
                effect,
                "Pay against the measured effect of leaving each contributor out",
                None,
                pay,
            ),
            predicted: chart(a, effect, "Predicted against measured effects", Some(1.0), predicted),
            unit: effect.unit,
            value_unit: value.unit,
            rankings: a.agreement.iter().take(ROWS).map(ranking).collect(),
            ceiling: ceiling(a),
            sentences: sentences(a),
            rows,
            left_out,
            clusters: a.clusters.as_ref().map(clusters),
            estimators: a.estimators.iter().take(ROWS).map(estimator).collect(),
            cannot_show: a.cannot_show.iter().take(ROWS).map(|s| cut(s, 400)).collect(),
        }
    }
}

fn show(r: Option<f64>) -> String {
    r.map_or_else(|| MISSING.to_owned(), |r| fixed(r, 2))
}

fn by<'a>(a: &'a Audit, what: &str) -> Option<&'a Ranking> {
    a.agreement.iter().find(|r| r.by == what)
}

/// The outcome in two sentences; poor agreement is called poor.
fn verdict(a: &Audit) -> String {
    let Some(found) = by(a, "value").and_then(|r| r.spearman) else {
        return "Too few contributors were left out to say how values and effects rank them.".to_owned();
    };
    let compared = match &a.ceiling {
        Some(c) if found >= c.low => {
            "as high as perfect knowledge of the true effects could be expected to reach"
        }
        Some(_) => "lower than perfect knowledge of the true effects would reach",
        None => "from too few contributors to judge",
    };
    let poor = match a.least_rank {
        Some(least) if found < least => format!(
            " That is poor: the charter asks for {} at least, and pay that goes by value is held back.",
            fixed(least, 2)
        ),
        _ => String::new(),
    };
    format!(
        "{} left out, one at a time, and the model trained again. Values rank them as the measured effects do to {} \
         (Spearman), {compared}.{poor}",
        plural_of(a.drawn.left_out, "contributor was", "contributors were"),
        fixed(found, 2)
    )
}

fn facts(a: &Audit) -> Vec<Fact> {
    let rank = by(a, "value").and_then(|r| r.spearman);
    let best = a.ceiling.as_ref().map(|c| c.spearman);
    let mut out = vec![
        Fact::new(show(rank), "rank agreement", "of values and measured effects"),
        Fact::new(show(best), "could be reached", "by knowing the true effects"),
    ];
    if let Some(Coverage { share, covered, of, .. }) = &a.coverage {
        out.push(Fact::new(
            percent(*share, 0),
            "as predicted",
            format!("{} of {} effects in their 95% interval", count(*covered), count(*of)),
        ));
    }
    out
}

fn chart(
    a: &Audit,
    effect: Scale,
    title: &str,
    guide: Option<f64>,
    across: impl Fn(&Audited) -> (f64, String),
) -> Option<Svg> {
    let point = |c: &Audited| {
        let (x, said) = across(c);
        let reach = REACH * c.effect_se_bits;
        let ends = (effect.of(c.effect_bits - reach), effect.of(c.effect_bits + reach));
        Point {
            x,
            y: effect.of(c.effect_bits),
            interval: Some(ends),
            standing: c.standing,
            title: format!(
                "{}: {said}, measured {} {}",
                name(&c.id),
                effect.show(c.effect_bits),
                effect.unit
            ),
        }
    };
    let points: Vec<Point> = a.contributors.iter().take(MARKS).map(point).collect();
    if points.len() < 2 {
        return None;
    }
    let ends = points.iter().flat_map(|p| p.interval.map_or([p.y, p.y], |(low, high)| [low, high]));
    let scatter = Scatter {
        title: title.to_owned(),
        x: Axis::linear(points.iter().map(|p| p.x)),
        y: Axis::linear(ends),
        points,
        guide,
    };
    Some(scatter.draw())
}

fn ranking(r: &Ranking) -> [String; 3] {
    let by = match r.by.as_str() {
        "value" => "Value".to_owned(),
        "pay" => "Share of pay".to_owned(),
        "first_order" => "Loss predicted without retraining".to_owned(),
        "retrained" => "Loss on the value fold, retrained".to_owned(),
        other => cut(other, 60),
    };
    [by, show(r.spearman), show(r.pearson)]
}

fn ceiling(a: &Audit) -> Option<String> {
    let c = a.ceiling.as_ref()?;
    Some(format!(
        "The rows are few and effects of removal small, so that nothing can reach 1: perfect knowledge of the true \
         effects would reach {} ({} to {} in 95 of 100 simulated measurements), and measuring a second time {}. {}",
        fixed(c.spearman, 2),
        fixed(c.low, 2),
        fixed(c.high, 2),
        fixed(c.repeated, 2),
        a.reliability.map_or_else(String::new, |r| format!(
            "Of the spread of the measured effects, {} is no error of measurement.",
            percent(r, 0)
        ))
    ))
}

fn sentences(a: &Audit) -> Vec<String> {
    let mut out = vec![];
    if let Some(r) = &a.recomputed {
        let verdict = if r.agrees { "They agree" } else { "They do NOT agree" };
        out.push(format!(
            "The values were computed again by their recipe. {verdict}: {} of {} are the same to the last bit, and the \
             largest difference is {} bits, where {} count as the same.",
            count(r.equal),
            plural(r.records, "record"),
            number(r.largest_bits),
            number(r.tolerance_bits)
        ));
    }
    let d = &a.drawn;
    let whom = match d.left_out == d.contributors {
        true => "Everybody with a record was left out, so nobody was chosen.".to_owned(),
        false => format!(
            "{} of {} contributors were drawn by a seed that was fixed after the values: the SHA-256 of {}, {}.",
            count(d.left_out),
            count(d.contributors),
            cut(&d.seed_of, 200),
            cut(&d.seed, 64)
        ),
    };
    out.push(whom);
    if let Some(c) = &a.coverage {
        out.push(format!(
            "Of the effects measured on {}, {} lie in the 95% interval predicted from {} ({}; {} to {} is what so few \
             contributors tell of the share).",
            plural(a.folds.report_rows, "reporting row"),
            format_args!("{} of {}", count(c.covered), count(c.of)),
            plural(a.folds.value_rows, "value row"),
            percent(c.share, 0),
            percent(c.low, 0),
            percent(c.high, 0)
        ));
    }
    out.extend(a.shapley.as_ref().map(shapley));
    out
}

fn number(bits: f64) -> String {
    if bits == 0.0 { "0".to_owned() } else { format!("{bits:.1e}") }
}

fn shapley(s: &ShapleyCheck) -> String {
    let how = match s.orders {
        0 => "every coalition of them was trained".to_owned(),
        n => format!("{} of joining were trained through", plural_of(n, "order", "orders")),
    };
    format!(
        "Shapley values of {} over {} by really retraining ({how}) rank them as the path does to {} (Spearman; Pearson \
         {}); {} of their spread is no error of sampling.",
        plural(s.contributors, "contributor"),
        plural(s.records, "drawn record"),
        show(s.spearman),
        show(s.pearson),
        s.reliability.map_or_else(|| MISSING.to_owned(), |r| percent(r, 0))
    )
}

fn audited(c: &Audited, value: Scale, effect: Scale) -> AuditedRow {
    AuditedRow {
        name: full_name(&c.id),
        mark: c.standing.into(),
        cells: [
            count(c.records),
            value.show(c.value_bits),
            ppm(c.pay_ppm),
            effect.show(c.first_order_bits),
            effect.show(c.predicted_bits),
            effect.interval(c.low_bits, c.high_bits),
            format!("{} \u{B1} {}", effect.show(c.effect_bits), effect.show(c.effect_se_bits)),
            if c.covered { "yes" } else { "no" }.to_owned(),
        ],
    }
}

fn clusters(c: &Clusters) -> ClusterTable {
    let value = Scale::over(c.groups.iter().map(|g| g.value_bits));
    let effect = Scale::over(c.groups.iter().flat_map(|g| [g.effect_bits, g.predicted_bits]));
    let with_error = |bits, se| format!("{} \u{B1} {} {}", effect.show(bits), effect.show(se), effect.unit);
    let row = |g: &assay_api::v1::audit::Cluster| {
        [
            full_name(&g.id),
            count(g.records),
            format!("{} {}", value.show(g.value_bits), value.unit),
            with_error(g.predicted_bits, g.predicted_se_bits),
            with_error(g.effect_bits, g.effect_se_bits),
        ]
    };
    ClusterTable {
        by: cut(&c.by, 40),
        summary: format!(
            "Rank agreement with the measured effects: values {}, effects on the value fold {}. {} of {} effects lie in \
             their predicted interval.",
            show(c.spearman),
            show(c.retrained_spearman),
            count(c.coverage.covered),
            count(c.coverage.of)
        ),
        rows: c.groups.iter().take(ROWS).map(row).collect(),
        left_out: c.groups.len().saturating_sub(ROWS),
    }
}

fn estimator(e: &EstimatorCheck) -> [String; 4] {
    [cut(&e.method, 40), show(e.records_spearman), show(e.contributors_spearman), show(e.effect_spearman)]
}
