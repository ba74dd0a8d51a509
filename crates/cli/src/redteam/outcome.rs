//! What comes of an arm, for the document.

use std::collections::{BTreeMap, BTreeSet};

use assay_api::Micro;
use assay_api::v1::redteam::{Arm, Caught, Crowd, Rules, TriggerEffect, Verdict};
use assay_ledger::event::{SettledRow, Standing};
use assay_quality::Verdict as Gate;
use assay_sim::attack::{Attack, Origin, Published, Record, Sent, Trigger};

use super::arm::{ArmResult, Quality, run_arm};
use super::bought::Bought;
use super::cast::Cast;
use super::pay::{Earned, settle};
use crate::appraise::Settings;
use crate::appraise::contribute::Community;
use crate::output::Failure;
use crate::progress::Stage;

/// Earnings this near to those of honest work are the same.
const AS_HONEST: f64 = 0.05;
/// Records of less weight than this count as caught; nearly all lose a little.
const DISCOUNTED: f64 = 0.5;

/// What all arms share.
pub(super) struct Range<'a> {
    pub(super) cast: &'a Cast,
    pub(super) rules: Rules,
    pub(super) settings: &'a Settings,
    pub(super) records_published: bool,
}

/// The arm without the attacker.
pub(super) struct Absent {
    result: ArmResult,
    quality: Quality,
    contributors: usize,
    /// Pay of everybody, released and waiting, by name.
    pay: BTreeMap<String, i128>,
}

impl Absent {
    pub(super) fn measure(range: &Range<'_>, stage: &Stage) -> Result<Self, Failure> {
        let community = range.cast.with(&[]);
        let result = run_arm(&community, range.settings, stage)?;
        let rows = settle(&community, &result, &range.rules, &Bought::nothing(community.contributors.len()))?;
        Ok(Self {
            quality: result.quality(&community)?,
            result,
            contributors: community.contributors.len(),
            pay: by_name(&community, &rows, &range.rules),
        })
    }

    /// The community for the document.
    pub(super) fn crowd(&self, cast: &Cast) -> Crowd {
        Crowd {
            records: cast.others() as u64,
            contributors: self.contributors as u64,
            owned: cast.world().own.len() as u64,
            rows: self.quality.rows as u64,
            bits: self.quality.bits,
            accuracy: self.quality.accuracy,
        }
    }
}

/// What the attacker does beside sending records.
#[derive(Default)]
struct Beside {
    questions: Vec<Record>,
    trigger: Option<Trigger>,
}

impl Range<'_> {
    /// The arm of an attack; `None` where it has no meaning.
    pub(super) fn attack(
        &self,
        attack: Attack,
        seed: u64,
        absent: &Absent,
        stage: &Stage,
    ) -> Result<Option<Arm>, Failure> {
        let world = self.cast.world();
        let Some(mut sent) = world.raid(attack, seed) else { return Ok(None) };
        let mut beside = Beside::default();
        match attack {
            Attack::Probing => {
                let community = self.cast.with(&sent);
                let probed = run_arm(&community, self.settings, stage)?;
                let values = match self.records_published {
                    true => probed.record_values(),
                    false => probed.mean_values(&community),
                };
                let (others, probes) = values.split_at(self.cast.others());
                sent = world.after_probes(Published { probes, others }, seed);
            }
            Attack::SelfBuying => beside.questions = world.questions(seed),
            Attack::Trigger => beside.trigger = world.trigger(),
            _ => {}
        }
        self.arm((attack.name(), attack.sentence()), &sent, &beside, absent, stage).map(Some)
    }

    /// The arm of some records.
    pub(super) fn outcome(
        &self,
        name: &str,
        sentence: &str,
        sent: &[Sent],
        absent: &Absent,
        stage: &Stage,
    ) -> Result<Arm, Failure> {
        self.arm((name, sentence), sent, &Beside::default(), absent, stage)
    }

    fn arm(
        &self,
        (name, sentence): (&str, &str),
        sent: &[Sent],
        beside: &Beside,
        absent: &Absent,
        stage: &Stage,
    ) -> Result<Arm, Failure> {
        let community = self.cast.with(sent);
        let result = run_arm(&community, self.settings, stage)?;
        let bought = match beside.questions.as_slice() {
            [] => Bought::nothing(community.contributors.len()),
            questions => Bought::ask(self.cast, &community, &result, &self.rules, questions)?,
        };
        let rows = settle(&community, &result, &self.rules, &bought)?;
        let quality = result.quality(&community)?;
        let bonds = bonds(&community, &self.rules);
        let mut earned = Earned::default();
        let mut value_bits = 0.0;
        for c in (0..rows.len()).filter(|&c| self.cast.is_attacker(&community.contributors[c])) {
            earned.add(&rows[c], bonds[c]);
            value_bits += result.values.groups[c].value_bits;
        }
        let first = self.cast.others();
        let stopped = |at: &usize| result.gated.findings[*at].verdict.is_reject();
        let spent = i128::try_from(bought.spent).unwrap_or(i128::MAX);
        let trigger = beside.trigger.as_ref().map(|trigger| {
            Ok::<_, Failure>(TriggerEffect {
                success: result.triggered(self.cast, trigger)?,
                without: absent.result.triggered(self.cast, trigger)?,
            })
        });
        Ok(Arm {
            name: name.to_owned(),
            sentence: sentence.to_owned(),
            records: sent.len() as u64,
            passed: (sent.len() - (first..first + sent.len()).filter(stopped).count()) as u64,
            identities: earned.names,
            standings: earned.standings,
            value_bits,
            bond_micro: Micro(self.rules.bond_per_record_micro.0.saturating_mul(sent.len() as i128)),
            spent_micro: Micro(spent),
            released_micro: Micro(earned.released),
            waiting_micro: Micro(earned.waiting),
            lost_micro: Micro(earned.lost),
            profit_micro: Micro(earned.released - earned.lost - spent),
            ratio: None,
            verdict: Verdict::EarnsLess,
            victims_change: self.victims(sent, &by_name(&community, &rows, &self.rules), absent),
            bits: quality.bits,
            accuracy: quality.accuracy,
            trigger: trigger.transpose()?,
            caught: caught(&community, &result, &rows, first..first + sent.len()),
        })
    }

    /// Change of the pay of those whose records were copied.
    fn victims(&self, sent: &[Sent], pay: &BTreeMap<String, i128>, absent: &Absent) -> Option<f64> {
        let copied = sent.iter().filter_map(|s| if let Origin::Other(i) = s.origin { Some(i) } else { None });
        let victims: BTreeSet<&str> = copied.map(|i| self.cast.sender(i)).collect();
        let sum =
            |pay: &BTreeMap<String, i128>| victims.iter().filter_map(|name| pay.get(*name)).sum::<i128>();
        let before = sum(&absent.pay);
        (before > 0).then(|| sum(pay) as f64 / before as f64 - 1.0)
    }
}

/// Says what an arm comes to beside honest work, which earned `honest`; `None` for honest work itself.
pub(super) fn judge(arm: &mut Arm, honest: Option<Micro>) {
    let (profit, honest) = (arm.profit_micro.0, honest.unwrap_or(arm.profit_micro).0);
    arm.ratio = (honest > 0).then(|| profit as f64 / honest as f64);
    arm.verdict = match arm.ratio {
        _ if profit < 0 => Verdict::Loses,
        None if profit > 0 => Verdict::Gains,
        Some(ratio) if ratio > 1.0 + AS_HONEST => Verdict::Gains,
        Some(ratio) if ratio >= 1.0 - AS_HONEST => Verdict::EarnsAsHonest,
        Some(_) | None => Verdict::EarnsLess,
    };
}

/// What stopped the attacker's records, or keeps what they earned from him.
fn caught(
    community: &Community,
    result: &ArmResult,
    rows: &[SettledRow],
    sent: std::ops::Range<usize>,
) -> Vec<Caught> {
    let mut found: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for at in sent {
        let verdict = result.gated.findings[at].verdict;
        if let Gate::Reject(reason) | Gate::Hold(reason) = verdict {
            let by = if verdict.is_reject() { "rejected" } else { "held" };
            *found.entry((by, reason.code())).or_default() += 1;
        }
        if let Ok(place) = result.gated.kept.binary_search(&at)
            && result.values.valuation.weights[place] < DISCOUNTED
        {
            let said_before = result.ready.weights[place] < DISCOUNTED;
            let by = if said_before { "said_before" } else { "evidence" };
            *found.entry(("discounted", by)).or_default() += 1;
        }
        let standing = match rows[community.sent_by[at] as usize].standing {
            Standing::Paid => continue,
            Standing::Unproven => "unproven",
            Standing::Harmful => "harmful",
        };
        if !verdict.is_reject() {
            *found.entry((standing, "standing")).or_default() += 1;
        }
    }
    let row =
        |((by, code), count): ((&str, &str), u64)| Caught { code: code.to_owned(), by: by.to_owned(), count };
    let mut out: Vec<Caught> = found.into_iter().map(row).collect();
    out.sort_by_key(|c| std::cmp::Reverse(c.count));
    out
}

/// Bond that each contributor put up.
fn bonds(community: &Community, rules: &Rules) -> Vec<Micro> {
    let mut out = vec![Micro(0); community.contributors.len()];
    community.sent_by.iter().for_each(|&c| out[c as usize].0 += rules.bond_per_record_micro.0);
    out
}

fn by_name(community: &Community, rows: &[SettledRow], rules: &Rules) -> BTreeMap<String, i128> {
    let bonds = bonds(community, rules);
    let pay = |c: usize| {
        let mut earned = Earned::default();
        earned.add(&rows[c], bonds[c]);
        (community.contributors[c].clone(), earned.released + earned.waiting)
    };
    (0..rows.len()).map(pay).collect()
}
