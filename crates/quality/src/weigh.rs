//! From evidence to a verdict.

use crate::config::{Degree, GateConfig};
use crate::record::RecordRef;
use crate::sender::{Channel, Ratios, Sender, Share};
use crate::verdict::{Finding, Reason, Verdict};

/// No evidence in any channel.
pub(crate) const NO_EVIDENCE: Ratios = [1.0; 5];

/// An earlier record that this one is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Match {
    pub(crate) at: RecordRef,
    pub(crate) similarity: f32,
    /// The verdict of the rules over the content alone.
    pub(crate) degree: Option<Degree>,
    /// Whether it has another label.
    pub(crate) conflict: bool,
}

/// All that was seen of a record.
#[derive(Clone, Debug)]
pub(crate) struct Grounds {
    /// A verdict that no history changes.
    pub(crate) settled: Option<Finding>,
    /// What the text shows by itself.
    pub(crate) text: Option<Finding>,
    /// The verdict of the rules over the overlap with the benchmark alone, and whether that has another label.
    pub(crate) benchmark: (Option<Degree>, bool),
    /// What it is like, by the rules over the content alone.
    pub(crate) nearest: Option<Match>,
    /// What of others it is most like a copy of.
    pub(crate) copied: Option<Match>,
    /// What of the sender's own it is most like a copy of.
    pub(crate) repeated: Option<Match>,
    /// The first of too many of the sender's own that differ by a number.
    pub(crate) numbered: Option<RecordRef>,
    /// What follows from a neighbour among the records of others.
    pub(crate) neighbour: Option<Finding>,
    /// What follows from an implausible label.
    pub(crate) label: Option<Finding>,
    /// Likelihood ratios by channel.
    pub(crate) ratios: Ratios,
}

impl Grounds {
    /// A verdict that stands by itself.
    pub(crate) fn settled(finding: Finding, ratios: Ratios) -> Self {
        Grounds {
            settled: Some(finding),
            text: None,
            benchmark: (None, false),
            nearest: None,
            copied: None,
            repeated: None,
            numbered: None,
            neighbour: None,
            label: None,
            ratios,
        }
    }

    /// The verdict, in the light of what the sender sent; without a sender, over the content alone.
    pub(crate) fn decide(&self, sender: Option<&Sender>, config: &GateConfig) -> Finding {
        if let Some(finding) = self.settled {
            return finding;
        }
        let (rule, hold_only) = (&config.sender, config.near.hold_only);
        let Some(sender) = sender else { return self.by_content(hold_only) };
        let judge = |channel: Channel, degree: Option<Degree>, conflict: bool| {
            let probability = match channel {
                // Who works on one thing repeats words, and that says nothing about the next record.
                Channel::Repeat => Share::unknown(self.ratios[channel as usize]),
                _ => sender.probability(channel, &self.ratios),
            };
            let ratio = self.ratios[channel as usize];
            let clear = degree == Some(Degree::Certain) || ratio >= rule.reject_ratio;
            let certain = probability >= rule.reject_probability && clear && !conflict;
            // However a sender is known, no record is held as a copy that its own content speaks against.
            let held = probability >= rule.hold_probability && ratio >= 1.0;
            held.then_some(if certain { Degree::Certain } else { Degree::Possible })
        };
        let of = |found: &Option<Match>| found.map_or((None, false), |found| (found.degree, found.conflict));
        let (copied, repeated) = (of(&self.copied), of(&self.repeated));
        let benchmark = judge(Channel::Benchmark, self.benchmark.0, self.benchmark.1);
        let copies = [
            (judge(Channel::Copy, copied.0, copied.1), self.copied),
            (judge(Channel::Repeat, repeated.0, repeated.1), self.repeated),
        ];
        let copy = copies
            .into_iter()
            .filter_map(|(degree, found)| Some((degree?, found?)))
            .max_by_key(|(degree, _)| *degree);
        let numbered = self.numbered.map(|first| Finding {
            original: Some(first),
            ..Finding::bare(Verdict::Hold(Reason::NumberedCopies))
        });
        verdict(benchmark, copy, hold_only).or(self.text).or(numbered).unwrap_or_else(|| {
            let probable = |channel| sender.probability(channel, &self.ratios) >= rule.hold_probability;
            let mean = sender.greatest_share();
            let review = sender.records >= rule.review_records && mean >= rule.review_share;
            let holds = [
                (probable(Channel::Filler), Reason::LowEffort),
                (probable(Channel::Topic), Reason::OffTopic),
            ];
            let hold = holds.into_iter().find(|(holds, _)| *holds);
            let hold = hold.map(|(_, reason)| Finding::bare(Verdict::Hold(reason)));
            let hold = hold.or(self.neighbour).or(self.label);
            let review = review.then_some(Finding::bare(Verdict::Hold(Reason::SenderReview)));
            hold.or(review).unwrap_or(Finding::PASS)
        })
    }

    fn by_content(&self, hold_only: bool) -> Finding {
        let copy = self.nearest.and_then(|found| Some((found.degree?, found)));
        verdict(self.benchmark.0, copy, hold_only).or(self.text).or(self.label).unwrap_or(Finding::PASS)
    }
}

/// The benchmark goes before copies, rejections before holds.
fn verdict(benchmark: Option<Degree>, copy: Option<(Degree, Match)>, hold_only: bool) -> Option<Finding> {
    if benchmark == Some(Degree::Certain) {
        return Some(Finding::bare(Verdict::Reject(Reason::BenchmarkNearOverlap)));
    }
    let copy = copy.map(|(degree, found)| {
        let verdict = match (degree, found.conflict) {
            (_, true) => Verdict::Hold(Reason::ConflictingNearDuplicate),
            (Degree::Possible | Degree::Alike, _) => Verdict::Hold(Reason::PossibleNearDuplicate),
            (Degree::Certain, _) if hold_only => Verdict::Hold(Reason::PossibleNearDuplicate),
            (Degree::Certain, _) => Verdict::Reject(Reason::NearDuplicate),
        };
        Finding::copy(verdict, found.at, found.similarity)
    });
    match copy {
        Some(finding) if finding.verdict.is_reject() => Some(finding),
        _ if benchmark.is_some() => Some(Finding::bare(Verdict::Hold(Reason::PossibleBenchmarkOverlap))),
        held => held,
    }
}
