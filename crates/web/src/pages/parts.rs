//! What both pages show: standings, contents of records, scores, gates.

use crate::charts::{Domain, Svg, image8, interval_dot, row_axis, value_bar};
use crate::text::{self, Scale, count, cut, fixed, percent};
use assay_api::v1::appraisal::{Agreement, Closure, Content, Gates, Score, Split, Standing};

/// Characters of a contributor's or record's name that are shown.
pub(super) const NAME_CHARS: usize = 32;
/// Characters of a record's text that are shown.
pub(super) const TEXT_CHARS: usize = 180;
/// Rows of a chart before its middle is left out.
const CHART_ROWS: usize = 20;
/// Rows of a full table; the JSON has all.
const TABLE_ROWS: usize = 2_000;

/// A standing as shape and word, so that colour is never alone.
pub(super) struct Mark {
    pub(super) class: &'static str,
    pub(super) glyph: &'static str,
    pub(super) word: &'static str,
}

impl From<Standing> for Mark {
    fn from(standing: Standing) -> Self {
        let (glyph, word) = match standing {
            Standing::Paid => ("\u{25CF}", "paid"),
            Standing::Unproven => ("\u{25CB}", "unproven"),
            Standing::Harmful => ("\u{25BC}", "harmful"),
        };
        Self { class: crate::charts::class_of(standing), glyph, word }
    }
}

/// A name as it is shown. An account, `a` and 20 hexadecimal digits, is known by its first ones; the table of every
/// number has it whole.
pub(super) fn name(id: &str) -> String {
    let digits = id.strip_prefix('a').filter(|d| d.len() == 20 && d.bytes().all(|b| b.is_ascii_hexdigit()));
    full_name(if digits.is_some() { &id[..9] } else { id })
}

/// A name, whole unless it is very long.
pub(super) fn full_name(id: &str) -> String {
    let shown = cut(id.trim(), NAME_CHARS);
    if shown.is_empty() { "(no name)".to_owned() } else { shown }
}

/// A number with its name and a note, in the strip under a page's verdict.
pub(super) struct Fact {
    pub(super) number: String,
    pub(super) name: String,
    pub(super) note: String,
}

impl Fact {
    pub(super) fn new(number: impl Into<String>, name: impl Into<String>, note: impl Into<String>) -> Self {
        Self { number: number.into(), name: name.into(), note: note.into() }
    }
}

/// What a record says: an image, or words.
pub(super) struct Sample {
    pub(super) image: Option<Svg>,
    pub(super) words: String,
}

impl Sample {
    /// `what` names the record for those who cannot see its image.
    pub(super) fn of(content: &Content, what: &str) -> Self {
        let image = image8(&content.numbers, &cut(what, TEXT_CHARS));
        let mut words = content.text.as_deref().map(|t| cut(t, TEXT_CHARS)).unwrap_or_default();
        if image.is_none() && !content.numbers.is_empty() {
            if !words.is_empty() {
                words.push_str(" \u{00B7} ");
            }
            words.push_str(&numbers(&content.numbers));
        }
        if words.is_empty() && image.is_none() {
            words.push_str("(empty)");
        }
        Self { image, words }
    }
}

fn numbers(all: &[f64]) -> String {
    const SHOWN: usize = 8;
    let first: Vec<String> = all.iter().take(SHOWN).map(|v| fixed(*v, 2)).collect();
    let rest = all.len().saturating_sub(SHOWN);
    let more =
        if rest > 0 { format!(", and {}", text::plural(rest as u64, "more number")) } else { String::new() };
    format!("{}{more}", first.join(", "))
}

/// One contributor's value, for the chart of values.
pub(super) struct ValueRow {
    pub(super) name: String,
    pub(super) note: String,
    pub(super) mark: Mark,
    pub(super) bar: Svg,
    pub(super) value: String,
    pub(super) interval: String,
    pub(super) last: String,
}

/// What a chart of values needs of a contributor.
pub(super) struct Valued<'a> {
    pub(super) id: &'a str,
    /// Under the name; already cut.
    pub(super) note: String,
    pub(super) value_bits: f64,
    pub(super) low_bits: f64,
    pub(super) high_bits: f64,
    pub(super) standing: Standing,
    pub(super) last: String,
}

/// Bars of value with intervals: all contributors, or the first and last of many.
pub(super) struct ValueChart {
    pub(super) top: Vec<ValueRow>,
    pub(super) hidden: usize,
    pub(super) bottom: Vec<ValueRow>,
    pub(super) axis: Svg,
    pub(super) unit: &'static str,
    pub(super) last_heading: String,
}

impl ValueChart {
    /// `valued` comes in the order of the chart, best first.
    pub(super) fn of(valued: Vec<Valued<'_>>, scale: Scale, last_heading: String) -> Self {
        let many = valued.len() > CHART_ROWS;
        let hidden = if many { valued.len() - CHART_ROWS } else { 0 };
        let first = if many { CHART_ROWS / 2 } else { valued.len() };
        let shown = || valued.iter().take(first).chain(valued.iter().skip(first + hidden));
        let ends = shown().flat_map(|v| [v.value_bits, v.low_bits, v.high_bits]);
        let domain = Domain::over(ends.chain([0.0]).map(|v| scale.of(v)));
        let mut rows = shown().map(|v| ValueRow {
            name: name(v.id),
            note: v.note.clone(),
            mark: v.standing.into(),
            bar: value_bar(
                &domain,
                scale.of(v.value_bits),
                Some((scale.of(v.low_bits), scale.of(v.high_bits))),
                v.standing,
            ),
            value: scale.show(v.value_bits),
            interval: scale.interval(v.low_bits, v.high_bits),
            last: v.last.clone(),
        });
        let top = rows.by_ref().take(first).collect();
        let bottom = rows.collect();
        Self { top, hidden, bottom, axis: row_axis(&domain, 1.0, ""), unit: scale.unit, last_heading }
    }
}

/// The rows of a full table, and how many of them stand only in the JSON.
pub(super) fn table_rows<T, R>(all: &[T], row: impl Fn(&T) -> R) -> (Vec<R>, usize) {
    let left_out = all.len().saturating_sub(TABLE_ROWS);
    let first = all.len().min(if left_out > 0 { TABLE_ROWS / 2 } else { TABLE_ROWS });
    (all[..first].iter().chain(&all[first + left_out..]).map(row).collect(), left_out)
}

/// One model's scores as a row.
pub(super) struct ScoreRow {
    pub(super) name: &'static str,
    pub(super) strong: bool,
    pub(super) records: String,
    pub(super) chart: Option<Svg>,
    pub(super) main: String,
    pub(super) interval: String,
    pub(super) bits: String,
    pub(super) bits_interval: String,
    pub(super) extra: String,
}

/// Scores of some models on the same rows.
pub(super) struct ScoreTable {
    pub(super) caption: String,
    pub(super) main_heading: &'static str,
    pub(super) extra_heading: &'static str,
    pub(super) rows: Vec<ScoreRow>,
    pub(super) axis: Svg,
}

impl ScoreTable {
    /// The first model is the base: it is not drawn, since it would squeeze the others.
    pub(super) fn of(caption: String, models: &[(&'static str, Option<&Score>)]) -> Self {
        let scores: Vec<_> = models.iter().filter_map(|(name, score)| score.map(|s| (*name, s))).collect();
        let classification = scores.iter().any(|(_, s)| s.accuracy.is_some());
        let drawn = |s: &Score| match classification {
            true => s.accuracy.map(|a| (a, s.accuracy_low.zip(s.accuracy_high))),
            false => Some((s.bits, s.bits_low.zip(s.bits_high))),
        };
        let trained = || scores.iter().filter(|(_, s)| s.records > 0).filter_map(|(_, s)| drawn(s));
        let ends = trained().flat_map(|(v, i)| [v, i.map_or(v, |i| i.0), i.map_or(v, |i| i.1)]);
        let domain = Domain::over(ends);
        let last = scores.len().saturating_sub(1);
        let rows = scores.iter().enumerate().map(|(i, (name, s))| {
            let shown = drawn(s).filter(|_| s.records > 0);
            ScoreRow {
                name,
                strong: i == last,
                records: count(s.records),
                chart: shown.map(|(v, interval)| interval_dot(&domain, v, interval)),
                main: if classification {
                    opt(s.accuracy, |a| percent(a, 1))
                } else {
                    opt(s.rmse, |e| fixed(e, 3))
                },
                interval: interval(s.accuracy_low, s.accuracy_high, |a| percent(a, 1)),
                bits: fixed(s.bits, 3),
                bits_interval: interval(s.bits_low, s.bits_high, |b| fixed(b, 3)),
                extra: if classification {
                    opt(s.macro_f1, |f| percent(f, 1))
                } else {
                    opt(s.r2, |r| fixed(r, 3))
                },
            }
        });
        let (main_heading, extra_heading) =
            if classification { ("Accuracy", "Macro F1") } else { ("RMSE", "R\u{00B2}") };
        let axis = if classification { row_axis(&domain, 100.0, "%") } else { row_axis(&domain, 1.0, "") };
        Self { caption, main_heading, extra_heading, rows: rows.collect(), axis }
    }
}

fn opt(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| text::MISSING.to_owned(), show)
}

/// An interval in words, empty if it was not measured.
pub(super) fn interval(low: Option<f64>, high: Option<f64>, show: impl Fn(f64) -> String) -> String {
    low.zip(high).map_or_else(String::new, |(low, high)| format!("{} to {}", show(low), show(high)))
}

/// Records stopped for one reason.
pub(super) struct GateRow {
    pub(super) sentence: String,
    pub(super) code: String,
    pub(super) count: String,
    pub(super) share: String,
    pub(super) bar: Svg,
}

/// What the gates did.
pub(super) struct GateTable {
    pub(super) summary: String,
    pub(super) rows: Vec<GateRow>,
}

impl From<&Gates> for GateTable {
    fn from(gates: &Gates) -> Self {
        let stopped = gates.records_in.saturating_sub(gates.passed);
        let share = |n: u64| {
            if gates.records_in == 0 { 0.0 } else { n as f64 / gates.records_in as f64 }
        };
        let summary = match (gates.on, stopped) {
            (false, _) => {
                "The gates were switched off: every record went to the model as it came.".to_owned()
            }
            (true, 0) => format!("The gates stopped none of {}.", text::plural(gates.records_in, "record")),
            (true, n) => format!(
                "The gates stopped {} of {} ({}). A stopped record is worth nothing, and its sender can read why.",
                count(n),
                text::plural(gates.records_in, "record"),
                percent(share(n), 1)
            ),
        };
        let domain = Domain::over(gates.by_reason.iter().map(|r| r.count as f64).chain([0.0]));
        let rows = gates.by_reason.iter().map(|r| GateRow {
            sentence: cut(&r.sentence, TEXT_CHARS),
            code: cut(&r.code, NAME_CHARS),
            count: count(r.count),
            share: percent(share(r.count), 1),
            bar: value_bar(&domain, r.count as f64, None, Standing::Unproven),
        });
        Self { summary, rows: rows.collect() }
    }
}

/// How well the values add up, in one sentence.
pub(super) fn closure_sentence(closure: &Closure) -> String {
    let within = closure.relative.is_some_and(|r| r <= closure.tolerance);
    let verdict = if within { "within" } else { "NOT within" };
    format!(
        "The values add up to {} bits, {} bits from the gain that was measured directly: {}, {verdict} the bound of {}. \
         The path was cut at {} places.",
        fixed(closure.sum_bits, 4),
        fixed(closure.gap_bits, 6),
        closure.relative.map_or_else(|| "no gain to compare with".to_owned(), text::small_percent),
        text::small_percent(closure.tolerance),
        count(closure.nodes),
    )
}

/// The check against retraining, in one sentence, if it was made.
pub(super) fn agreement_sentence(agreement: &Agreement) -> Option<String> {
    let check = agreement.leave_one_out.as_ref()?;
    let on = match check.on {
        Split::Valid => "the benchmark rows",
        Split::Test => "test rows that no value was measured on",
    };
    let show = |r: Option<f64>| opt(r, |r| fixed(r, 2));
    Some(format!(
        "{} left out one at a time, the model really retrained each time and scored on {on}: \
         correlation with the values {} (Pearson), {} (Spearman, by rank); with the loss \
         predicted from the benchmark alone {} and {}. The two differ where contributors say the same: a value is what was added on the way from \
         no record to all, an effect is what is missed at the end.",
        if check.n == 1 {
            "1 contributor was".to_owned()
        } else {
            format!("{} contributors were", count(check.n))
        },
        show(check.pearson),
        show(check.spearman),
        show(check.predicted_pearson),
        show(check.predicted_spearman),
    ))
}
