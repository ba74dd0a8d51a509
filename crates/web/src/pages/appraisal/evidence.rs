//! Who is suspected of what, and what people should look at first.

use assay_api::v1::appraisal::{Appraisal, Contributor, Curation, Suspicion, Verdict};

use super::super::parts::name;
use crate::text::{count, cut, fixed, percent, plural};

/// Rows of a table at most.
const ROWS: usize = 40;
/// Wanted records at most.
const WANTED: usize = 15;

/// The section, where evidence was asked for.
pub(super) struct Evidence {
    pub(super) summary: String,
    pub(super) suspects: Vec<Suspect>,
    pub(super) left_out: usize,
    pub(super) wanted: Vec<WantedRow>,
}

/// A contributor against whom something speaks.
pub(super) struct Suspect {
    pub(super) name: String,
    pub(super) share: String,
    pub(super) interval: String,
    pub(super) label_bits: String,
    pub(super) withheld: String,
    pub(super) verdict: &'static str,
    pub(super) why: String,
}

/// A record that people should look at.
pub(super) struct WantedRow {
    pub(super) id: String,
    pub(super) contributor: String,
    pub(super) label: String,
    pub(super) wrong: String,
}

impl Evidence {
    pub(super) fn of(a: &Appraisal) -> Option<Self> {
        let curation = a.curation.as_ref()?;
        let mut suspects: Vec<(&Contributor, &Suspicion)> =
            a.contributors.iter().filter_map(|c| Some((c, c.suspicion.as_ref()?))).collect();
        suspects.retain(|(_, s)| !s.reasons.is_empty() || s.withheld > 0);
        suspects
            .sort_by(|a, b| b.1.wrong_share.total_cmp(&a.1.wrong_share).then_with(|| a.0.id.cmp(&b.0.id)));
        Some(Self {
            summary: summary(curation),
            left_out: suspects.len().saturating_sub(ROWS),
            suspects: suspects.into_iter().take(ROWS).map(|(c, s)| suspect(c, s)).collect(),
            wanted: curation
                .review
                .iter()
                .take(WANTED)
                .map(|w| WantedRow {
                    id: name(&w.id),
                    contributor: name(&w.contributor),
                    label: cut(&w.label, 60),
                    wrong: percent(w.p_wrong, 0),
                })
                .collect(),
        })
    }
}

fn summary(c: &Curation) -> String {
    if c.withheld == 0 && c.more_bits == 0.0 {
        return "Leaving records out made no model that is better for sure, so all were kept.".to_owned();
    }
    format!(
        "{} kept out of training, {}: by the benchmark the model gains {} bits a row (95% interval {} to {}). The benchmark chose, so \
         the fair figure is that of the test rows above.",
        plural(c.withheld, "record"),
        cut(&c.choice, 120),
        fixed(c.more_bits, 3),
        fixed(c.low_bits, 3),
        fixed(c.high_bits, 3),
    )
}

fn suspect(c: &Contributor, s: &Suspicion) -> Suspect {
    Suspect {
        name: name(&c.id),
        share: percent(s.wrong_share, 0),
        interval: format!("{} to {}", percent(s.wrong_low, 0), percent(s.wrong_high, 0)),
        label_bits: fixed(s.label_bits, 2),
        withheld: format!("{} of {}", count(s.withheld), count(c.records)),
        verdict: match s.verdict {
            Verdict::Keep => "keep",
            Verdict::Hold => "hold",
        },
        why: s.reasons.iter().map(|code| sentence(code)).collect::<Vec<_>>().join(" "),
    }
}

/// A reason in words.
fn sentence(code: &str) -> String {
    match code {
        "most_wrong" => "Most labels are wrong.".to_owned(),
        "some_wrong" => "Some labels are wrong.".to_owned(),
        "labels_tell_nothing" => "The labels say no more of the records than chance.".to_owned(),
        "value_below_zero" => "The value is below zero.".to_owned(),
        "needed" => "Kept: the model is worse without.".to_owned(),
        other => format!("{}.", cut(other, 40)),
    }
}
