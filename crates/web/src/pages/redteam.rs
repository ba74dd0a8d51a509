//! The page of a [`RedTeam`]: what attacks earn beside honest work, and what caught them.

use super::parts::{Fact, NAME_CHARS, TEXT_CHARS};
use super::{POLICY, RenderError};
use crate::charts::{Domain, Svg, row_axis, value_bar};
use crate::text::{MISSING, count, cut, fixed, percent, plural, signed, span};
use askama::Template;
use assay_api::Micro;
use assay_api::v1::appraisal::Standing;
use assay_api::v1::redteam::{Arm, Caught, RedTeam, Verdict};

/// Reasons shown of an attack.
const REASONS: usize = 8;

/// Renders the page.
///
/// # Errors
/// [`RenderError`] if the template fails, which no document should bring about.
pub fn render(document: &RedTeam) -> Result<String, RenderError> {
    Ok(Page::of(document).render()?)
}

#[derive(Template)]
#[template(path = "redteam.html")]
struct Page {
    policy: &'static str,
    title: String,
    lede: String,
    story: Vec<String>,
    facts: Vec<Fact>,
    rows: Vec<ProfitRow>,
    axis: Svg,
    numbers: Vec<NumberRow>,
    skipped: String,
    caught: Vec<CaughtRow>,
    method: Vec<(&'static str, String)>,
}

struct ProfitRow {
    name: String,
    class: &'static str,
    glyph: &'static str,
    word: &'static str,
    sentence: String,
    bar: Svg,
    profit: String,
    waiting: String,
    ratio: String,
}

struct NumberRow {
    name: String,
    records: String,
    passed: String,
    identities: String,
    bond: String,
    spent: String,
    released: String,
    waiting: String,
    lost: String,
    bits: String,
    accuracy: String,
    victims: String,
}

struct CaughtRow {
    name: String,
    words: String,
}

impl Page {
    fn of(d: &RedTeam) -> Self {
        let arms = || std::iter::once(&d.honest).chain(&d.attacks);
        let domain = Domain::over(arms().map(|arm| arm.profit_micro.units()).chain([0.0]));
        let skipped: Vec<String> = d.not_applicable.iter().map(|s| cut(&s.name, NAME_CHARS)).collect();
        Self {
            policy: POLICY,
            title: cut(&d.inputs.train.name, TEXT_CHARS),
            lede: lede(d),
            story: story(d),
            facts: facts(d),
            rows: arms().map(|arm| profit_row(arm, &domain, arm.name == d.honest.name)).collect(),
            axis: row_axis(&domain, 1.0, ""),
            numbers: arms().map(|arm| number_row(arm, d)).collect(),
            skipped: skipped.join(", "),
            caught: d.attacks.iter().map(caught_row).collect(),
            method: method(d),
        }
    }
}

fn of(d: &RedTeam, verdict: Verdict) -> Vec<&Arm> {
    d.attacks.iter().filter(|arm| arm.verdict == verdict).collect()
}

fn lede(d: &RedTeam) -> String {
    let (gains, all) = (of(d, Verdict::Gains).len() as u64, d.attacks.len() as u64);
    match gains {
        0 => format!("None of {} earns more than honest work.", plural(all, "attack")),
        1 => format!("One of {} earns more than honest work.", plural(all, "attack")),
        _ => format!("{} of {} earn more than honest work.", count(gains), plural(all, "attack")),
    }
}

fn story(d: &RedTeam) -> Vec<String> {
    let list =
        |arms: Vec<&Arm>| arms.iter().map(|arm| cut(&arm.name, NAME_CHARS)).collect::<Vec<_>>().join(", ");
    let told = [
        (Verdict::Gains, "More than honest work"),
        (Verdict::EarnsAsHonest, "As much as honest work, within 5%"),
        (Verdict::Loses, "At a loss"),
    ];
    let told = told.into_iter().map(|(verdict, what)| (what, of(d, verdict)));
    told.filter(|(_, arms)| !arms.is_empty()).map(|(what, arms)| format!("{what}: {}.", list(arms))).collect()
}

fn facts(d: &RedTeam) -> Vec<Fact> {
    let harm = d.attacks.iter().map(|arm| arm.bits - d.community.bits).fold(0.0, f64::min);
    vec![
        Fact::new(count(d.attacks.len() as u64), "Attacks", "one at a time"),
        Fact::new(count(d.community.owned), "Effort", "honest records that the attacker owns"),
        Fact::new(
            count(d.community.records),
            "Records of others",
            plural(d.community.contributors, "contributor"),
        ),
        Fact::new(money(d.honest.profit_micro), "Honest work earns", "with the same records"),
        Fact::new(fixed(harm, 3), "Largest harm", "bits, on rows never used for pay"),
    ]
}

fn profit_row(arm: &Arm, domain: &Domain, honest: bool) -> ProfitRow {
    let (colour, glyph, word) = match arm.verdict {
        _ if honest => (Standing::Paid, "\u{25CF}", "honest"),
        Verdict::Gains => (Standing::Harmful, "\u{25B2}", "gains"),
        Verdict::EarnsAsHonest => (Standing::Unproven, "\u{25CB}", "as honest"),
        Verdict::EarnsLess => (Standing::Unproven, "\u{25CB}", "earns less"),
        Verdict::Loses => (Standing::Unproven, "\u{25BC}", "loses"),
    };
    ProfitRow {
        name: cut(&arm.name, NAME_CHARS),
        class: crate::charts::class_of(colour),
        glyph,
        word,
        sentence: cut(&arm.sentence, TEXT_CHARS),
        bar: value_bar(domain, arm.profit_micro.units(), None, colour),
        profit: money(arm.profit_micro),
        waiting: money(arm.waiting_micro),
        ratio: arm.ratio.map_or_else(|| MISSING.to_owned(), |r| percent(r, 0)),
    }
}

fn number_row(arm: &Arm, d: &RedTeam) -> NumberRow {
    let change = arm.accuracy.zip(d.community.accuracy).map(|(with, without)| 100.0 * (with - without));
    NumberRow {
        name: cut(&arm.name, NAME_CHARS),
        records: count(arm.records),
        passed: count(arm.passed),
        identities: count(arm.identities),
        bond: money(arm.bond_micro),
        spent: money(arm.spent_micro),
        released: money(arm.released_micro),
        waiting: money(arm.waiting_micro),
        lost: money(arm.lost_micro),
        bits: signed(arm.bits - d.community.bits, 3),
        accuracy: change.map_or_else(String::new, |c| format!("{}%", signed(c, 1))),
        victims: arm.victims_change.map_or_else(String::new, |c| format!("{}%", signed(100.0 * c, 1))),
    }
}

fn caught_row(arm: &Arm) -> CaughtRow {
    let part = |c: &Caught| {
        let (by, code) = (cut(&c.by, NAME_CHARS), cut(&c.code, NAME_CHARS));
        if code == "standing" {
            format!("{} {by}", count(c.count))
        } else {
            format!("{} {by}: {code}", count(c.count))
        }
    };
    let parts: Vec<String> = arm.caught.iter().take(REASONS).map(part).collect();
    let mut words = if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") };
    if let Some(t) = &arm.trigger {
        let (with, without) = (percent(t.success, 1), percent(t.without, 1));
        words.push_str(&format!(
            ". The mark brings the wanted answer in {with} of rows, {without} without the attack"
        ));
    }
    CaughtRow { name: cut(&arm.name, NAME_CHARS), words }
}

fn method(d: &RedTeam) -> Vec<(&'static str, String)> {
    let option =
        |name: &str| d.recipe.options.get(name).map_or_else(|| MISSING.to_owned(), |v| cut(v, TEXT_CHARS));
    vec![
        ("Benchmark that measures value", plural(d.inputs.valid.rows, "row")),
        ("Rows that harm is measured on", plural(d.community.rows, "row")),
        ("Model without the attacker", format!("{} bits over the base", fixed(d.community.bits, 3))),
        ("Pool", money(d.rules.pool_micro)),
        ("Bond of a record", money(d.rules.bond_per_record_micro)),
        ("Price of a question", money(d.rules.price_micro)),
        ("Contributors\u{2019} part of it", crate::text::ppm(d.rules.contributors_ppm)),
        ("Attacker\u{2019}s part of the records, ppm", option("share")),
        ("Seed", d.recipe.seed.to_string()),
        ("Assay", cut(&d.recipe.version, 40)),
        ("Time", format!("{} on {}", span(d.timings.total_ms), plural(d.recipe.threads, "thread"))),
    ]
}

fn money(micro: Micro) -> String {
    fixed(micro.units(), 3)
}
