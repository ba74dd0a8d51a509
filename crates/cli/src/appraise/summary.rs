//! What a person reads in the terminal after an appraisal.

use std::fmt::Write;
use std::path::Path;

use assay_api::v1::appraisal::{Appraisal, Contributor, Score, Standing, Suspicion, Task};
use assay_web::text::{Scale, count, cut, percent, plural, ppm, span};

/// Contributors shown at each end.
const SHOWN: usize = 5;
const NAME_CHARS: usize = 24;

/// The summary of an appraisal written to `folder`.
pub(crate) fn of(a: &Appraisal, folder: &Path) -> String {
    let mut out = String::new();
    let by = &a.contributors;
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{} from {}, {} passed the gates.",
        plural(a.gates.records_in, "record"),
        plural(by.len() as u64, "contributor"),
        count(a.gates.passed)
    );
    let _ = writeln!(
        out,
        "Together they are worth {:.3} bits a prediction on {}; {}.\n",
        a.utility.gain_bits,
        plural(a.inputs.valid.rows, "held-out record"),
        match &a.closure {
            Some(closure) => format!("the values add up to {:.3}", closure.sum_bits),
            None => format!("values by {} do not claim to add up to it", a.method.name),
        }
    );
    table(&mut out, a);
    scores(&mut out, a);
    let harmful: Vec<&str> =
        by.iter().filter(|c| c.standing == Standing::Harmful).map(|c| c.id.as_str()).collect();
    if !harmful.is_empty() {
        let shown: Vec<String> = harmful.iter().take(SHOWN).map(|id| cut(id, NAME_CHARS)).collect();
        let more = if harmful.len() > SHOWN {
            format!(" and {} more", harmful.len() - SHOWN)
        } else {
            String::new()
        };
        let _ = writeln!(out, "Harmful beyond doubt: {}{more}.", shown.join(", "));
    }
    suspects(&mut out, a);
    for gate in &a.gates.by_reason {
        let _ = writeln!(out, "Set aside: {:>7}  {}", count(gate.count), gate.sentence);
    }
    if let Some(check) = &a.agreement.leave_one_out
        && let Some(pearson) = check.pearson
    {
        let _ = writeln!(
            out,
            "Checked by training again without {}, one at a time: the loss correlates {pearson:.3} with the value{}.",
            plural(check.n, "contributor"),
            check.predicted_pearson.map_or(String::new(), |r| format!(", {r:.3} with the loss predicted"))
        );
    }
    estimators(&mut out, a);
    for warning in &a.warnings {
        let examples = if warning.examples.is_empty() {
            String::new()
        } else {
            format!(" ({})", warning.examples.join(", "))
        };
        let _ = writeln!(
            out,
            "Warning ({}): {}{examples} {}",
            count(warning.count),
            warning.message,
            warning.advice
        );
    }
    let _ = writeln!(out, "\nReport: {}", folder.join("report.html").display());
    out
}

/// The best and the worst contributors; all when they are few.
fn table(out: &mut String, a: &Appraisal) {
    let by = &a.contributors;
    let scale = Scale::of_unit(a.method.unit, by.iter().flat_map(|c| [c.low_bits, c.high_bits]));
    let title = format!("value, {}", scale.unit);
    let _ = writeln!(
        out,
        "{:<NAME_CHARS$} {:>9} {:>17} {:>21} {:>7}  standing",
        "contributor", "records", title, "95% interval", "share"
    );
    let all = by.len() <= 2 * SHOWN + 1;
    for (at, c) in by.iter().enumerate() {
        if !all && at == SHOWN {
            let _ = writeln!(out, "  ... {} more", by.len() - 2 * SHOWN);
        }
        if !all && (SHOWN..by.len() - SHOWN).contains(&at) {
            continue;
        }
        let standing = match c.standing {
            Standing::Paid => "paid",
            Standing::Unproven => "unproven",
            Standing::Harmful => "harmful",
        };
        let _ = writeln!(
            out,
            "{:<NAME_CHARS$} {:>9} {:>17} {:>21} {:>7}  {standing}",
            cut(&c.id, NAME_CHARS),
            count(c.records),
            scale.show(c.value_bits),
            scale.interval(c.low_bits, c.high_bits),
            ppm(c.share_ppm)
        );
    }
    out.push('\n');
}

/// Whose records are wrong, and what became of them.
fn suspects(out: &mut String, a: &Appraisal) {
    let Some(curation) = &a.curation else { return };
    let mut suspects: Vec<_> =
        a.contributors.iter().filter_map(|c| Some((c, c.suspicion.as_ref()?))).collect();
    suspects.retain(|(_, s)| s.reasons.iter().any(|reason| reason != "needed"));
    suspects.sort_by(|a, b| b.1.wrong_share.total_cmp(&a.1.wrong_share).then_with(|| a.0.id.cmp(&b.0.id)));
    let show = |(c, s): &(&Contributor, &Suspicion)| {
        format!("{} {}", cut(&c.id, NAME_CHARS), percent(s.wrong_share, 0))
    };
    let named: Vec<String> = suspects.iter().take(SHOWN).map(show).collect();
    if !named.is_empty() {
        let more = suspects.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(out, "Wrong records, estimated: {}{more}.", named.join(", "));
    }
    if curation.withheld > 0 {
        let _ = writeln!(out, "Kept out of training: {}.", plural(curation.withheld, "record"));
    }
}

/// How the methods agree, when several were asked for.
fn estimators(out: &mut String, a: &Appraisal) {
    if a.estimators.is_empty() {
        return;
    }
    let _ = writeln!(
        out,
        "\n{:<20} {:>17} {:>21} {:>15} {:>10}",
        "rank agreement of", "records and path", "contributors and path", "and real effect", "CPU time"
    );
    let show = |r: Option<f64>| r.map_or_else(String::new, |r| format!("{r:.3}"));
    for (e, time) in a.estimators.iter().zip(&a.timings.estimators) {
        let _ = writeln!(
            out,
            "{:<20} {:>17} {:>21} {:>15} {:>10}",
            e.method.name,
            show(e.records_spearman),
            show(e.contributors_spearman),
            show(e.effect_spearman),
            span(time.cpu_ms)
        );
    }
}

fn scores(out: &mut String, a: &Appraisal) {
    let (set, name) = match &a.scores.test {
        Some(test) => (test, "test"),
        None => (&a.scores.valid, "valid"),
    };
    let quality = if a.model.task == Task::Classification { "accuracy" } else { "R2" };
    let _ = writeln!(
        out,
        "{:<34} {:>9} {:>9} {:>9}",
        format!("model, scored on {name}"),
        "records",
        "bits",
        quality
    );
    let mut line = |what: &str, score: &Score| {
        let quality = match a.model.task {
            Task::Classification => score.accuracy.map(|x| percent(x, 1)),
            Task::Regression => score.r2.map(|x| format!("{x:.3}")),
        };
        let _ = writeln!(
            out,
            "{what:<34} {:>9} {:>9.3} {:>9}",
            count(score.records),
            score.bits,
            quality.unwrap_or_default()
        );
    };
    line("everything submitted", &set.submitted);
    line("everything that passed the gates", &set.gated);
    if let Some(curated) = &set.curated {
        line("curated", curated);
    }
    out.push('\n');
}
