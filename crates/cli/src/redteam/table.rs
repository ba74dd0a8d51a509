//! What a person reads in the terminal after the attacks.

use std::fmt::Write;
use std::path::Path;

use assay_api::Micro;
use assay_api::v1::redteam::{Arm, Caught, RedTeam, Verdict};
use assay_web::text::{count, fixed, percent, plural, signed};

/// The table of attacks, what caught them, and where the page is.
pub(super) fn of(d: &RedTeam, page: &Path) -> String {
    let mut out = String::new();
    let (c, r) = (&d.community, &d.rules);
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "\n{} of {} from {}; the attacker owns {}.\nPool {} OPEN, bond {} a record.\nWithout him the model gains {} bits{} on {}.\n",
        plural(c.records, "record"),
        d.inputs.train.name,
        plural(c.contributors, "contributor"),
        c.owned,
        money(r.pool_micro),
        money(r.bond_per_record_micro),
        fixed(c.bits, 3),
        c.accuracy.map_or(String::new(), |a| format!(" and is right in {}", percent(a, 1))),
        plural(c.rows, "row"),
    );
    let _ = writeln!(
        out,
        "{:<15} {:>6} {:>6} {:>5} {:>8} {:>8} {:>8} {:>8} {:>9} {:>7} {:>7}  verdict",
        "attack",
        "sent",
        "passed",
        "names",
        "spent",
        "released",
        "waiting",
        "lost",
        "profit",
        "bits",
        "correct"
    );
    for arm in std::iter::once(&d.honest).chain(&d.attacks) {
        line(&mut out, d, arm);
    }
    for skipped in &d.not_applicable {
        let _ = writeln!(out, "{:<15} not applicable", skipped.name);
    }
    out.push_str("\nWhat caught them\n");
    for arm in &d.attacks {
        let _ = writeln!(out, "{:<15} {}", arm.name, caught(arm));
    }
    let _ = writeln!(out, "\nReport: {}", page.display());
    out
}

fn line(out: &mut String, d: &RedTeam, arm: &Arm) {
    let accuracy =
        arm.accuracy.zip(d.community.accuracy).map_or(String::new(), |(a, b)| signed(100.0 * (a - b), 1));
    let _ = writeln!(
        out,
        "{:<15} {:>6} {:>6} {:>5} {:>8} {:>8} {:>8} {:>8} {:>9} {:>7} {:>7}  {}",
        arm.name,
        count(arm.records),
        count(arm.passed),
        arm.identities,
        money(arm.spent_micro),
        money(arm.released_micro),
        money(arm.waiting_micro),
        money(arm.lost_micro),
        money(arm.profit_micro),
        signed(arm.bits - d.community.bits, 3),
        accuracy,
        verdict(arm)
    );
}

fn verdict(arm: &Arm) -> String {
    let ratio = arm.ratio.map_or(String::new(), |r| format!(" {}", fixed(r, 2)));
    match arm.verdict {
        _ if arm.name == "honest" => "honest".to_owned(),
        Verdict::Loses => "loses".to_owned(),
        Verdict::EarnsLess => "earns less".to_owned(),
        Verdict::EarnsAsHonest => "as honest".to_owned(),
        Verdict::Gains => format!("GAINS{ratio}"),
    }
}

/// What stopped an attack, in a line.
fn caught(arm: &Arm) -> String {
    let part = |c: &Caught| match c.code.as_str() {
        "standing" => format!("{} {}", count(c.count), c.by),
        code => format!("{} {} ({code})", count(c.count), c.by),
    };
    let parts: Vec<String> = arm.caught.iter().take(2).map(part).collect();
    let mut out = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
    if let Some(change) = arm.victims_change {
        let _ = write!(out, "; pay of those copied {}%", signed(100.0 * change, 1));
    }
    if let Some(t) = &arm.trigger {
        let _ = write!(out, "; the mark works in {} (else {})", percent(t.success, 1), percent(t.without, 1));
    }
    out
}

fn money(micro: Micro) -> String {
    fixed(micro.units(), 3)
}
