//! The bars that the default thresholds must hold on real communities; skipped where the data is not at hand.
//! `examples/gate_quality.rs` prints the whole tables.
#![allow(clippy::unwrap_used, clippy::disallowed_macros)]

mod support;

use assay_quality::{Finding, GateConfig, Gates, RecordView};
use support::{Community, csv_rows};

struct Bars {
    precision: f64,
    clean_near_rejected: f64,
    near_stopped: f64,
    edited_stopped: f64,
    garbage_stopped: f64,
    clean_held: f64,
}

fn check(name: &str, bars: &Bars) {
    let Some(community) = Community::load(name) else { return };
    let (_, findings) = community.run(&GateConfig::default());
    let tally = community.tally(&findings);
    for kind in ["duplicate", "leak"] {
        assert_eq!(tally.rejected(kind), 1.0, "{kind}");
    }
    let clean = &tally.kinds["clean"];
    let wronged = clean.reasons.get("near_duplicate").copied().unwrap_or(0) as f64 / clean.total as f64;
    assert!(tally.precision() >= bars.precision, "precision {}", tally.precision());
    assert!(wronged <= bars.clean_near_rejected, "clean rejected as near duplicates {wronged}");
    assert!(tally.stopped("near_duplicate") >= bars.near_stopped, "near {}", tally.stopped("near_duplicate"));
    assert!(tally.stopped("leak_edited") >= bars.edited_stopped, "edited {}", tally.stopped("leak_edited"));
    for kind in ["filler", "off_topic"] {
        assert!(tally.stopped(kind) >= bars.garbage_stopped, "{kind} {}", tally.stopped(kind));
    }
    assert!(clean.held as f64 / clean.total as f64 <= bars.clean_held, "held {}", clean.held);
    for (index, finding) in findings.iter().enumerate() {
        let (kind, copied) = &community.truth[index];
        if kind == "duplicate"
            && let Some(at) = finding.original
        {
            let owner = &community.offered[at.0 as usize];
            assert!(
                at.0 < index as u64 && copied.is_some(),
                "{} owned by {}",
                community.offered[index].id,
                owner.id
            );
        }
    }
}

#[test]
fn banking77() {
    check(
        "community_banking77",
        &Bars {
            precision: 0.998,
            clean_near_rejected: 0.001,
            near_stopped: 0.97,
            edited_stopped: 0.98,
            garbage_stopped: 0.97,
            clean_held: 0.025,
        },
    );
}

#[test]
fn medquad() {
    check(
        "community_medquad",
        &Bars {
            precision: 0.998,
            clean_near_rejected: 0.001,
            near_stopped: 0.98,
            edited_stopped: 0.98,
            garbage_stopped: 0.98,
            clean_held: 0.03,
        },
    );
}

#[test]
fn honest_rows_pass_and_noisy_copies_do_not() {
    for name in ["digits", "breast_cancer"] {
        let Some((rows, labels)) = csv_rows(name) else { return };
        let views: Vec<_> =
            rows.iter().zip(&labels).map(|(row, label)| RecordView::row(row, label)).collect();
        let (sealed, offered) = views.split_at(views.len() / 4);
        let mut gates = Gates::new(GateConfig::default(), sealed).unwrap();
        let wronged = gates.check_batch(offered).iter().filter(|finding| finding.verdict.is_reject()).count();
        assert!(wronged as f64 <= 0.002 * offered.len() as f64, "{name}: {wronged} honest rows rejected");
        let copies = support::noisy(&rows[views.len() / 4..], 0.02);
        let copies: Vec<_> = copies
            .iter()
            .zip(&labels[views.len() / 4..])
            .map(|(row, label)| RecordView::row(row, label))
            .collect();
        let mut gates = Gates::new(GateConfig::default(), sealed).unwrap();
        gates.seed(offered);
        let found: Vec<Finding> = gates.check_batch(&copies);
        let stopped = found.iter().filter(|finding| finding.verdict.is_reject()).count();
        assert!(
            stopped as f64 >= 0.99 * found.len() as f64,
            "{name}: {stopped} of {} copies found",
            found.len()
        );
    }
}
