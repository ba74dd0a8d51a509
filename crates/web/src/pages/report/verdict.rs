//! The report in plain words.

use super::{Fact, cut};
use crate::text::{count, fixed, percent, plural, plural_of, ppm, signed};
use assay_api::v1::appraisal::{Score, Standing};
use assay_api::v1::report::{NetReport, PairedDifference, SplitShare};

/// The verdict: who sent what, and what the model made of it can do.
pub(super) fn lede(r: &NetReport) -> String {
    let senders = plural(r.contributors.len() as u64, "contributor");
    let sent = format!("{senders} sent {}", plural(r.gates.records_in, "record"));
    match r.card.as_ref().map(|card| &card.snapshot) {
        None => format!("{sent}. No model has been trained yet."),
        Some(Score { accuracy: Some(accuracy), .. }) => {
            format!("{sent}. The model made of them answers {} correctly.", percent(*accuracy, 1))
        }
        Some(score) => {
            format!("{sent}. The model made of them is {} bits a row better than none.", fixed(score.bits, 2))
        }
    }
}

/// What follows the verdict: against which baseline, where the money went, who lost a bond.
pub(super) fn story(r: &NetReport, asset: &str) -> Vec<String> {
    let mut out = vec![];
    out.extend(against_random(r).map(compared));
    out.extend(paid(r, asset));
    out.push(standings(r));
    out
}

fn against_random(r: &NetReport) -> Option<&PairedDifference> {
    r.card.as_ref()?.differences.iter().find(|d| d.against == "random_pool")
}

/// A difference in accuracy, or in bits where there is no accuracy, and whether it is proven.
fn compared(d: &PairedDifference) -> String {
    let points = |v: f64| signed(v * 100.0, 1);
    let (difference, low, size, range) = match (d.accuracy, d.accuracy_low.zip(d.accuracy_high)) {
        (Some(a), Some((low, high))) => {
            (a, low.max(-high), format!("{} points", fixed(a.abs() * 100.0, 1)), [points(low), points(high)])
        }
        _ => (
            d.bits,
            d.bits_low.max(-d.bits_high),
            format!("{} bits a row", fixed(d.bits.abs(), 3)),
            [signed(d.bits_low, 3), signed(d.bits_high, 3)],
        ),
    };
    format!(
        "That is {size} {} than as many records drawn at random from everything sent (95% interval {} to {}{}).",
        if difference < 0.0 { "worse" } else { "better" },
        range[0],
        range[1],
        if low > 0.0 { "" } else { ", so the difference is not proven" },
    )
}

fn contributors_share(r: &NetReport) -> Option<&SplitShare> {
    r.split.iter().find(|s| s.role == "contributors")
}

fn paid(r: &NetReport, asset: &str) -> Option<String> {
    if r.queries.count == 0 {
        return None;
    }
    let share = contributors_share(r).map(|s| {
        format!(" {} of it reached contributors; {} was promised.", ppm(s.realised_ppm), ppm(s.promised_ppm))
    });
    let queries = plural_of(r.queries.count, "query", "queries");
    Some(format!(
        "Consumers paid {} {} for {queries}.{}",
        r.money.fees_micro,
        cut(asset, 16),
        share.unwrap_or_default()
    ))
}

fn with_standing(r: &NetReport, standing: Standing) -> u64 {
    r.contributors.iter().filter(|c| c.standing == standing).count() as u64
}

fn standings(r: &NetReport) -> String {
    let of = |s| count(with_standing(r, s));
    format!(
        "Proven to help and paid: {}. Not proven yet, pay withheld: {}. Proven to harm: {}.",
        of(Standing::Paid),
        of(Standing::Unproven),
        of(Standing::Harmful)
    )
}

/// The strip of numbers under the verdict.
pub(super) fn facts(r: &NetReport, asset: &str) -> Vec<Fact> {
    let mut facts = vec![];
    if let Some(accuracy) = r.card.as_ref().and_then(|c| c.snapshot.accuracy) {
        facts.push(Fact::new(percent(accuracy, 1), "Accuracy", "on test rows never used for pay"));
    }
    if let Some(utility) = &r.utility {
        facts.push(Fact::new(
            format!("{} bits", fixed(utility.gain_bits, 2)),
            "Gain",
            "added to each answer by all records",
        ));
    }
    facts.push(Fact::new(
        format!(
            "{} / {} / {}",
            with_standing(r, Standing::Paid),
            with_standing(r, Standing::Unproven),
            with_standing(r, Standing::Harmful)
        ),
        "Standing",
        "contributors paid / unproven / harmful",
    ));
    let stopped = r.gates.records_in.saturating_sub(r.gates.passed);
    facts.push(Fact::new(
        count(stopped),
        "Stopped",
        format!("of {} by the gates", plural(r.gates.records_in, "record")),
    ));
    facts.push(Fact::new(
        r.money.fees_micro.to_string(),
        format!("{asset} charged"),
        "for queries, all told",
    ));
    if let Some(s) = contributors_share(r) {
        facts.push(Fact::new(
            ppm(s.realised_ppm),
            "To contributors",
            format!("of settled fees; {} promised", ppm(s.promised_ppm)),
        ));
    }
    facts
}
