//! `assay audit`: values computed again, and held against models that were really trained without each contributor.

use std::fmt::Write as _;
use std::path::PathBuf;

use assay_api::v1::audit::Audit;
use assay_attribution::method::NAMES;
use assay_node::audit::AuditOptions;
use assay_web::text::{MISSING, Scale, count, cut, fixed, percent, plural, plural_of};
use serde_json::json;

use super::Said;
use super::session::At;
use crate::appraise::audit::{AUDIT_PAGE, AuditSettings, run as audit_files};
use crate::output::Failure;
use crate::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  assay audit --net intents
  assay audit train.jsonl --valid valid.jsonl --test test.jsonl --of appraisal --out audit
  assay audit --clusters --orders 50 --against influence

docs/AUDIT.md says what each number means, and what no audit can show.";

/// Computes values again, leaves each contributor out, and says how far pay and reality agree.
///
/// Without files: of the newest valuation of a datanet. The log takes one audit a valuation; a charter may hold pay back
/// until it agrees well enough. With files: of the appraisal in --of, repeated by its own recipe.
///
/// All contributors are left out where that takes a minute or so, else a sample that anybody can draw again: by the
/// SHA-256 of the checkpoint that holds the valuation, or of records.parquet.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The records that were appraised; without it, a datanet is audited
    #[arg(requires_all = ["valid", "test", "of", "out"])]
    train: Option<PathBuf>,
    /// The rows that measured their values
    #[arg(long, value_name = "FILE", requires = "train", help_heading = "Files")]
    valid: Option<PathBuf>,
    /// Rows that no value has seen: effects are measured on these
    #[arg(long, value_name = "FILE", requires = "train", help_heading = "Files")]
    test: Option<PathBuf>,
    /// The folder that `assay appraise --out` wrote
    #[arg(long, value_name = "DIR", requires = "train", help_heading = "Files")]
    of: Option<PathBuf>,
    /// Where to write audit.json and audit.html; must not exist, be empty, or hold an earlier audit
    #[arg(long, value_name = "DIR", requires = "train", help_heading = "Files")]
    out: Option<PathBuf>,
    /// Write into DIR whatever else it holds
    #[arg(long, requires = "train", help_heading = "Files")]
    force: bool,

    /// Datanet [default: the only one]
    #[arg(long, value_name = "NET", conflicts_with = "train")]
    net: Option<String>,

    /// Leave out the records of each class, too
    #[arg(long, help_heading = "More checks")]
    clusters: bool,
    /// Shapley values of contributors by retraining so many orders of joining, on as many drawn records as that allows
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=10_000), help_heading = "More checks")]
    orders: u16,
    /// Hold another method of value against the path; may be repeated
    #[arg(long, value_name = "METHOD", value_parser = NAMES, help_heading = "More checks")]
    against: Vec<String>,
    #[command(flatten)]
    pub(super) at: At,
}

impl Args {
    fn options(&self) -> AuditOptions {
        AuditOptions { clusters: self.clusters, orders: self.orders.into(), against: self.against.clone() }
    }

    /// The files to audit; `None` when a datanet is.
    fn files(&self) -> Option<AuditSettings> {
        Some(AuditSettings {
            train: self.train.clone()?,
            valid: self.valid.clone()?,
            test: self.test.clone()?,
            of: self.of.clone()?,
            out: self.out.clone()?,
            force: self.force,
            options: self.options(),
            quiet: self.at.json,
        })
    }
}

pub(super) fn run(args: &Args) -> Result<Said, Failure> {
    if let Some(settings) = args.files() {
        let audit = audit_files(&settings)?;
        let mut words = in_words(&audit, |id| id.to_owned());
        let _ = writeln!(words, "\nPage: {}", settings.out.join(AUDIT_PAGE).display());
        return Said::new(audit, words);
    }
    let mut progress = Progress::new(args.at.json);
    let mut session = args.at.open()?;
    let net = session.net(args.net.as_deref())?;
    let audited = progress.stage("audit", "value again; train again without each contributor", |stage| {
        session.node.audit(&net, &args.options(), &|p| stage.at(p.done, p.total))
    })?;
    let name =
        |id: &str| id.parse().map_or_else(|_| id.to_owned(), |account| session.name(&account).to_owned());
    let mut words = format!("The values of {net} are audited (entry {}).\n\n", audited.entry);
    words.push_str(&in_words(&audited.audit, name));
    if session.node.datanet(&net)?.holds_back() {
        words.push_str(
            "The charter asks for more agreement than that: pay that goes by value is held back.\n",
        );
    }
    let _ = writeln!(words, "\nNext: assay settle --net {net}, and assay report --net {net}");
    Said::new(json!({"entry": audited.entry, "datanet": net, "audit": audited.audit}), words)
}

/// Contributors shown.
const SHOWN: usize = 20;
const NAME_CHARS: usize = 24;

fn in_words(a: &Audit, name: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let show = |r: Option<f64>| r.map_or_else(|| MISSING.to_owned(), |r| fixed(r, 3));
    // Writing to a string cannot fail.
    if let Some(r) = &a.recomputed {
        let agrees = if r.agrees { "agree" } else { "DO NOT AGREE" };
        let _ = writeln!(
            out,
            "Values computed again {agrees}: {} of {} the same to the last bit, largest difference {:.1e} bits.",
            count(r.equal),
            plural(r.records, "record"),
            r.largest_bits
        );
    }
    let of = if a.drawn.left_out == a.drawn.contributors { "all" } else { "a drawn sample" };
    let _ = writeln!(
        out,
        "Trained again without {}, one at a time ({of} of {}); scored on {}.\n",
        plural(a.drawn.left_out, "contributor"),
        count(a.drawn.contributors),
        plural_of(a.folds.report_rows, "row that no value has seen", "rows that no value has seen")
    );
    table(&mut out, a, name);
    let _ = writeln!(out, "{:<34} {:>9} {:>9}", "agreement with the measured effect", "Spearman", "Pearson");
    for r in &a.agreement {
        let by = match r.by.as_str() {
            "first_order" => "first order, from the value fold",
            "retrained" => "retrained, scored on the value fold",
            other => other,
        };
        let _ = writeln!(out, "{by:<34} {:>9} {:>9}", show(r.spearman), show(r.pearson));
    }
    if let Some(c) = &a.ceiling {
        let _ = writeln!(
            out,
            "Perfect knowledge of the true effects would reach {:.3} ({:.3} to {:.3}), a second measurement {:.3}.",
            c.spearman, c.low, c.high, c.repeated
        );
    }
    if let Some(c) = &a.coverage {
        let _ = writeln!(
            out,
            "{} of {} effects lie in their predicted 95% interval ({}; {} to {}).",
            count(c.covered),
            count(c.of),
            percent(c.share, 1),
            percent(c.low, 1),
            percent(c.high, 1)
        );
    }
    if let Some(c) = &a.clusters {
        let _ = writeln!(
            out,
            "Left out by {}: rank agreement of values {}, of effects on the value fold {}; {} of {} in their interval.",
            cut(&c.by, NAME_CHARS),
            show(c.spearman),
            show(c.retrained_spearman),
            count(c.coverage.covered),
            count(c.coverage.of)
        );
    }
    if let Some(s) = &a.shapley {
        let _ = writeln!(
            out,
            "Shapley values of {} over {} by retraining: rank agreement with the path {}, reliability {}.",
            plural(s.contributors, "contributor"),
            plural(s.records, "record"),
            show(s.spearman),
            show(s.reliability)
        );
    }
    for e in &a.estimators {
        let _ = writeln!(
            out,
            "{}: rank agreement with the path {} (records), {} (contributors); with the measured effect {}.",
            e.method,
            show(e.records_spearman),
            show(e.contributors_spearman),
            show(e.effect_spearman)
        );
    }
    out
}

fn table(out: &mut String, a: &Audit, name: impl Fn(&str) -> String) {
    let scale = Scale::over(a.contributors.iter().flat_map(|c| [c.low_bits, c.high_bits, c.effect_bits]));
    let value = Scale::over(a.contributors.iter().map(|c| c.value_bits));
    let (worth, effect) = (format!("value, {}", value.unit), format!("effect, {}", scale.unit));
    let _ = writeln!(
        out,
        "{:<NAME_CHARS$} {:>8} {worth:>17} {effect:>19} {:>8} {:>21}",
        "contributor", "records", "error", "predicted, 95%"
    );
    for c in a.contributors.iter().take(SHOWN) {
        let _ = writeln!(
            out,
            "{:<NAME_CHARS$} {:>8} {:>17} {:>19} {:>8} {:>21}{}",
            cut(&name(&c.id), NAME_CHARS),
            count(c.records),
            value.show(c.value_bits),
            scale.show(c.effect_bits),
            scale.show(c.effect_se_bits),
            scale.interval(c.low_bits, c.high_bits),
            if c.covered { "" } else { "  outside" }
        );
    }
    if a.contributors.len() > SHOWN {
        let _ = writeln!(out, "  ... {} more", a.contributors.len() - SHOWN);
    }
    out.push('\n');
}
