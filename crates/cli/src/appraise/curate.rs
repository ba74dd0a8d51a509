//! Stage curate: whose records are wrong by all evidence together, and what to train on.

use assay_api::v1::appraisal::{Curation, Suspicion, Trial, Verdict as Decided, Wanted};
use assay_attribution::evidence::{self, Choice, Decision, Evidence, EvidenceOptions, gather};
use assay_attribution::{Valuation, ValueFold};

use super::Settings;
use super::contribute::Community;
use super::gate::Gated;
use super::train::{Ready, arrivals};
use super::value::{Values, senders};
use crate::output::Failure;
use crate::progress::Stage;

/// Records that people are asked to look at, at most.
const WANTED: usize = 50;

/// Gathers the evidence on the records that passed, where that is asked for and the path gave `values`, and values what it
/// leaves in training.
pub(crate) fn curate(
    values: &mut Values,
    community: &Community,
    gated: &Gated,
    ready: &Ready,
    settings: &Settings,
    stage: &Stage,
) -> Result<(), Failure> {
    if !settings.curate || !values.follows_path() {
        return Ok(());
    }
    let evidence = evidence(community, gated, ready, &values.valuation, stage)?;
    if chose(&evidence) {
        values.revalue(community, gated, ready, settings, &evidence, stage)?;
    }
    values.evidence = Some(evidence);
    Ok(())
}

fn evidence(
    community: &Community,
    gated: &Gated,
    ready: &Ready,
    valuation: &Valuation,
    stage: &Stage,
) -> Result<Evidence, Failure> {
    let senders = senders(community, gated);
    let (clusters, arrivals) = (gated.clusters(), arrivals(community, gated));
    let who = evidence::Community {
        contributors: &senders,
        count: community.contributors.len(),
        clusters: Some(&clusters),
        arrivals: Some(&arrivals),
    };
    let options = EvidenceOptions {
        lambda: ready.prior.lambda,
        noise_variance: ready.prior.noise_variance,
        ..EvidenceOptions::default()
    };
    let progress = |p: assay_attribution::Progress| stage.at(p.done, p.total);
    let fold = ValueFold::new(ready.valid.examples());
    gather(ready.gated.examples(), fold, valuation, &who, &options, &progress).map_err(Failure::failed)
}

/// True when something is left out, or weighs less.
pub(crate) fn chose(evidence: &Evidence) -> bool {
    evidence.curation.choice != Choice::All
}

/// What was decided about training, for the document.
pub(crate) fn document(
    evidence: &Evidence,
    charged_bits: f64,
    community: &Community,
    gated: &Gated,
) -> Curation {
    let curation = &evidence.curation;
    let trial = |t: &evidence::Trial| Trial {
        choice: name(t.choice),
        records: t.weight,
        gain_bits: t.gain_bits,
        more_bits: t.more_bits,
        se_bits: t.se_bits,
    };
    let wanted = |review: &evidence::Review| {
        let row = gated.kept[review.record as usize];
        Wanted {
            id: community.train.ids[row].clone(),
            contributor: community.contributors[community.sent_by[row] as usize].clone(),
            label: community.train.labels[row].clone(),
            p_wrong: evidence.wrong[review.record as usize],
            bits: review.bits,
        }
    };
    Curation {
        choice: name(curation.choice),
        withheld: curation.weights.iter().filter(|w| **w == 0.0).count() as u64,
        lambda: curation.lambda,
        more_bits: curation.more_bits,
        low_bits: curation.low_bits,
        high_bits: curation.high_bits,
        charged_bits,
        trials: curation.trials.iter().map(trial).collect(),
        review: evidence.review.iter().take(WANTED).map(wanted).collect(),
    }
}

/// What the evidence says of contributor `c`; nothing of one that no record is left of.
pub(crate) fn suspicion(evidence: &Evidence, c: usize, senders: &[u32]) -> Option<Suspicion> {
    let found = evidence.contributors.get(c).filter(|found| found.records > 0)?;
    let own = |(i, _): &(usize, &f64)| senders[*i] as usize == c;
    let withheld = evidence.curation.weights.iter().enumerate().filter(own).filter(|(_, w)| **w == 0.0);
    Some(Suspicion {
        wrong_share: found.wrong_share,
        wrong_low: found.wrong_low,
        wrong_high: found.wrong_high,
        label_bits: found.label_bits,
        withheld: withheld.count() as u64,
        verdict: match found.decision {
            Decision::Keep => Decided::Keep,
            Decision::Hold => Decided::Hold,
        },
        reasons: found.reasons.iter().map(|reason| reason.code().to_owned()).collect(),
    })
}

fn name(choice: Choice) -> String {
    choice.to_string()
}
