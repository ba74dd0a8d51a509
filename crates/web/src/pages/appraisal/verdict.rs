//! The appraisal in plain words: what a reader knows after the first ten seconds.

use super::{Fact, cut, name};
use crate::text::{count, fixed, percent, plural, small_percent};
use assay_api::v1::appraisal::{Appraisal, Contributor, Score, Standing, Task};

/// Gains under this many bits count as none.
const NOTHING_BITS: f64 = 1e-9;
/// Senders compared with all others in the note on volume.
const LARGEST: usize = 5;

/// Which rows measured what.
pub(super) fn subtitle(a: &Appraisal) -> String {
    let valid = format!("{} of {}", plural(a.inputs.valid.rows, "row"), cut(&a.inputs.valid.name, 60));
    let test = a
        .inputs
        .test
        .as_ref()
        .map(|t| format!("; scores also on {} of {}", plural(t.rows, "row"), cut(&t.name, 60)));
    format!("Value measured on {valid}{}", test.unwrap_or_default())
}

/// The verdict, in one or two sentences.
pub(super) fn lede(a: &Appraisal) -> String {
    let sent = format!("{} sent {}", plural(senders(a), "contributor"), plural(a.gates.records_in, "record"));
    if a.gates.passed == 0 {
        return format!("{sent}. None passed the gates, so nothing could be valued.");
    }
    let gain = a.utility.gain_bits;
    let unit = if a.model.task == Task::Classification { "answer" } else { "prediction" };
    if gain > NOTHING_BITS {
        format!("{sent}. Together the records add {} bits to every {unit} of the model.", fixed(gain, 2))
    } else if gain < -NOTHING_BITS {
        format!("{sent}. Together the records make every {unit} of the model {} bits worse.", fixed(-gain, 2))
    } else {
        format!("{sent}. Together the records add nothing that the benchmark can see.")
    }
}

/// What follows the verdict: what the gain means, who is harmful, what leaving them out does.
pub(super) fn story(a: &Appraisal) -> Vec<String> {
    if a.gates.passed == 0 {
        return vec![];
    }
    let mut out = vec![meaning(a), standings(a)];
    out.extend(curation(a));
    out
}

fn senders(a: &Appraisal) -> u64 {
    a.contributors.len() as u64
}

fn meaning(a: &Appraisal) -> String {
    let times = a.utility.gain_bits.exp2();
    let what = match a.model.task {
        Task::Classification => "the right label gets",
        Task::Regression => "the true number gets a density",
    };
    let decimals = if times < 9.95 { 1 } else { 0 };
    format!(
        "One bit doubles the probability of the right answer, so {what} {} times what it had before the model saw any record \
         (geometric mean over the benchmark).",
        fixed(times, decimals)
    )
}

fn with_standing(a: &Appraisal, standing: Standing) -> u64 {
    a.contributors.iter().filter(|c| c.standing == standing).count() as u64
}

fn standings(a: &Appraisal) -> String {
    let of = |s| match with_standing(a, s) {
        0 => "none".to_owned(),
        n => count(n),
    };
    format!(
        "Of the contributors, {} {} proven to help, {} could not be told from nothing, and {} {} proven to harm.",
        of(Standing::Paid),
        be(with_standing(a, Standing::Paid)),
        of(Standing::Unproven),
        of(Standing::Harmful),
        be(with_standing(a, Standing::Harmful)),
    )
}

fn be(n: u64) -> &'static str {
    if n == 1 { "is" } else { "are" }
}

/// The scores that a reader should see first: test rows if there are any.
fn shown(a: &Appraisal) -> (&assay_api::v1::appraisal::ScoreSet, &'static str) {
    a.scores.test.as_ref().map_or((&a.scores.valid, "the benchmark"), |test| (test, "test rows"))
}

fn score(s: &Score) -> String {
    match (s.accuracy, s.rmse) {
        (Some(accuracy), _) => percent(accuracy, 1),
        (None, Some(rmse)) => format!("RMSE {}", fixed(rmse, 3)),
        (None, None) => format!("{} bits", fixed(s.bits, 3)),
    }
}

fn curation(a: &Appraisal) -> Option<String> {
    let (set, rows) = shown(a);
    let curated = set.curated.as_ref()?;
    Some(format!(
        "Trained on what the evidence leaves, the model scores {} on {rows}; trained on everything submitted, {}.",
        score(curated),
        score(&set.submitted)
    ))
}

/// The strip of numbers under the verdict.
pub(super) fn facts(a: &Appraisal) -> Vec<Fact> {
    let (set, rows) = shown(a);
    let best = set.curated.as_ref().unwrap_or(&set.gated);
    let kind = if best.accuracy.is_some() { "Accuracy" } else { "Score" };
    let stopped = a.gates.records_in.saturating_sub(a.gates.passed);
    let closure = a
        .closure
        .as_ref()
        .and_then(|closure| closure.relative)
        .map_or_else(|| "n/a".to_owned(), small_percent);
    let mut facts = vec![
        Fact::new(format!("{} bits", fixed(a.utility.gain_bits, 2)), "Gain", "added by all records together"),
        Fact::new(
            score(best),
            kind,
            format!("on {rows}; {} for everything submitted", score(&set.submitted)),
        ),
        Fact::new(
            format!(
                "{} / {} / {}",
                with_standing(a, Standing::Paid),
                with_standing(a, Standing::Unproven),
                with_standing(a, Standing::Harmful)
            ),
            "Standing",
            "contributors paid / unproven / harmful",
        ),
        Fact::new(
            count(stopped),
            "Stopped",
            format!("of {} by the gates", plural(a.gates.records_in, "record")),
        ),
        Fact::new(closure, "Closure error", "between the sum of values and the measured gain"),
    ];
    if let Some(pearson) = a.agreement.leave_one_out.as_ref().and_then(|check| check.pearson) {
        facts.push(Fact::new(fixed(pearson, 2), "Agreement", "correlation of value with real retraining"));
    }
    facts
}

/// What stands where the path has its closure.
pub(super) fn no_closure(a: &Appraisal) -> String {
    format!(
        "The values are by {}, not by the path: they do not claim to add up to the gain, and they are not the rule of pay.",
        cut(&a.method.name, 60)
    )
}

/// What the largest senders bring, in one sentence; empty for few contributors.
pub(super) fn volume(order: &[&Contributor]) -> String {
    let value: f64 = order.iter().map(|c| c.value_bits).sum();
    let records: f64 = order.iter().map(|c| c.records as f64).sum();
    if order.len() < 2 * LARGEST || value <= 0.0 || records <= 0.0 {
        return String::new();
    }
    let mut largest = order.to_vec();
    largest.sort_by(|x, y| y.records.cmp(&x.records).then_with(|| x.id.cmp(&y.id)));
    largest.truncate(LARGEST);
    let sent: f64 = largest.iter().map(|c| c.records as f64).sum();
    let added: f64 = largest.iter().map(|c| c.value_bits).sum();
    format!(
        "The {LARGEST} largest senders sent {} of the records and add {} of the value. The largest, {}, sent {}.",
        percent(sent / records, 0),
        percent(added / value, 0),
        name(&largest[0].id),
        count(largest[0].records),
    )
}
