//! A second opinion about money: a map of names to numbers, moved by the accepted commands alone, by the rules as the
//! documents state them. Shares no arithmetic with the ledger.

use std::collections::BTreeMap;

use assay_ledger::charter::Split;
use assay_ledger::command::{Command, Intent, ValueRow};
use assay_ledger::state::State;
use sha2::{Digest as _, Sha256};

type Rows = BTreeMap<String, ValueRow>;

#[derive(Default)]
pub struct Naive {
    pub money: BTreeMap<String, i128>,
    liability: BTreeMap<String, BTreeMap<String, u128>>,
    decisions: BTreeMap<String, BTreeMap<String, u128>>,
    prices: BTreeMap<u64, (String, String, u128)>,
    credits: BTreeMap<String, BTreeMap<String, u128>>,
    trainers: BTreeMap<u64, String>,
    staged: BTreeMap<u64, Rows>,
    /// Low, value and high of everybody in a datanet, over all runs.
    values: BTreeMap<String, BTreeMap<String, [i128; 3]>>,
    /// The model of the last valuation of a datanet, and the agreement that its audit found.
    audits: BTreeMap<String, Option<i64>>,
    rewarded: BTreeMap<(String, String), u128>,
    /// Place, author and stake of every contribution to a datanet.
    offered: BTreeMap<String, Vec<(u64, String, u128)>>,
    snapshots: BTreeMap<u64, u64>,
    /// The newest snapshot that a valuation of a datanet covers.
    covered: BTreeMap<String, u64>,
    operator: String,
}

/// Hamilton's method, one unit at a time to the largest remainder that has none yet.
pub fn hamilton(total: u128, number: u64, claims: &[(String, u128)]) -> Vec<u128> {
    let whole: u128 = claims.iter().map(|(_, weight)| weight).sum();
    let mut parts: Vec<u128> = claims.iter().map(|(_, weight)| total * weight / whole).collect();
    let mut served = vec![false; claims.len()];
    while parts.iter().sum::<u128>() < total {
        let hash = |i: usize| {
            Sha256::digest([b"assay/split/v1\n", &number.to_be_bytes()[..], claims[i].0.as_bytes()].concat())
        };
        let better = |&a: &usize, &b: &usize| {
            let remainder = |i: usize| total * claims[i].1 % whole;
            remainder(a).cmp(&remainder(b)).then_with(|| hash(b).cmp(&hash(a)))
        };
        let next = (0..claims.len()).filter(|&i| !served[i]).max_by(better).unwrap();
        served[next] = true;
        parts[next] += 1;
    }
    parts
}

impl Naive {
    fn at(&self, place: &str) -> u128 {
        self.money.get(place).copied().unwrap_or(0).try_into().unwrap()
    }

    fn go(&mut self, from: &str, to: &str, units: u128) {
        *self.money.entry(from.to_owned()).or_default() -= units as i128;
        *self.money.entry(to.to_owned()).or_default() += units as i128;
    }

    /// `state` is used for charters only.
    pub fn accept(&mut self, seq: u64, intent: &Intent, state: &State) {
        let actor = intent.actor.to_string();
        let net = intent.command.datanet().map(ToString::to_string).unwrap_or_default();
        let charter =
            intent.command.datanet().and_then(|id| state.datanet(id)).map(|net| net.charter.clone());
        let user = format!("user/{actor}");
        match &intent.command {
            Command::Found { .. } => self.operator = actor,
            Command::Deposit { account, amount, .. } => {
                self.go("external", &format!("user/{account}"), amount.units());
            }
            Command::Withdraw { amount, .. } => self.go(&user, "external", amount.units()),
            Command::Contribute { records, .. } => {
                let bond = charter.unwrap().bond;
                let stake = bond.per_record.units() * u128::from(*records);
                if bond.upfront {
                    self.go(&user, &format!("bond/{net}/{actor}"), stake);
                }
                self.offered.entry(net.clone()).or_default().push((seq, actor.clone(), stake));
                *self.liability.entry(net).or_default().entry(actor).or_default() += stake;
            }
            Command::Retract { contribution, .. } => {
                let offered = self.offered.get_mut(&net).unwrap();
                let at = offered.iter().position(|(seq, ..)| seq == contribution).unwrap();
                let (_, author, stake) = offered.remove(at);
                if *contribution > self.covered.get(&net).copied().unwrap_or(0) {
                    let place = format!("bond/{net}/{author}");
                    let bond = self.at(&place);
                    let liability = self.liability.entry(net).or_default().entry(author.clone()).or_default();
                    *liability = liability.saturating_sub(stake);
                    let back = bond.saturating_sub(*liability).min(stake);
                    self.go(&place, &format!("user/{author}"), back);
                }
            }
            Command::Review { .. } => *self.decisions.entry(net).or_default().entry(actor).or_default() += 1,
            Command::Train { snapshot, .. } => {
                self.snapshots.insert(seq, *snapshot);
                self.trainers.insert(seq, actor);
            }
            Command::ValueRows { model, part, rows, .. } => {
                let staged = self.staged.entry(*model).or_default();
                if *part == 0 {
                    staged.clear();
                }
                staged.extend(rows.iter().map(|row| (row.account.to_string(), row.clone())));
            }
            Command::Value { model, .. } => {
                let sums = self.values.entry(net.clone()).or_default();
                for (account, row) in self.staged.remove(model).unwrap() {
                    let bounds = [row.low_microbits, row.value_microbits, row.high_microbits];
                    let sum = sums.entry(account).or_default();
                    sum.iter_mut().zip(bounds).for_each(|(sum, bound)| *sum += i128::from(bound));
                }
                let covered = self.covered.entry(net.clone()).or_default();
                *covered = self.snapshots[model].max(*covered);
                self.audits.insert(net, None);
            }
            Command::Audit { valuation, rank_ppm, .. } => {
                let valuations = &state.datanet(&net.parse().unwrap()).unwrap().valuations;
                let newest = valuations.keys().next_back() == Some(valuation);
                self.audits.entry(net).and_modify(|audit| *audit = audit.or(newest.then_some(*rank_ppm)));
            }
            Command::Fund { amount, .. } => self.go(&user, &format!("reward/{net}"), amount.units()),
            Command::Ask { .. } => {
                let price = charter.unwrap().query.price.units();
                self.go(&user, &format!("held/{net}"), price);
                self.prices.insert(seq, (net, user, price));
            }
            Command::Release { query, .. } => {
                let (_, consumer, price) = self.prices.remove(query).unwrap();
                self.go(&format!("held/{net}"), &consumer, price);
            }
            Command::Answer { query, model, shares, .. } => {
                let (_, _, price) = self.prices.remove(query).unwrap();
                let part = self.pay_roles(&net, *query, *model, price, &charter.unwrap().split);
                let held = format!("held/{net}");
                let mut claims: Vec<(String, u128)> =
                    shares.iter().map(|share| (share.account.to_string(), share.ppm.into())).collect();
                claims.push(("pool".to_owned(), 1_000_000 - claims.iter().map(|(_, ppm)| ppm).sum::<u128>()));
                for ((name, _), part) in claims.iter().zip(hamilton(part, *query, &claims)) {
                    let to = match name.as_str() {
                        "pool" => format!("pool/{net}"),
                        account => format!("accrued/{net}/{account}"),
                    };
                    self.go(&held, &to, part);
                }
            }
            Command::MeterRows { part, rows, .. } => {
                let credits = self.credits.entry(net).or_default();
                if *part == 0 {
                    credits.clear();
                }
                credits.extend(rows.iter().map(|row| (row.account.to_string(), row.amount.units())));
            }
            Command::Meter { model, through, parts: sent, .. } => {
                let (held, split) = (format!("held/{net}"), charter.unwrap().split);
                let mut due = 0;
                for (query, (of, user, price)) in std::mem::take(&mut self.prices) {
                    match of == net && query <= *through {
                        true => due += self.pay_roles(&net, query, *model, price, &split),
                        false => drop(self.prices.insert(query, (of, user, price))),
                    }
                }
                let credits = self.credits.remove(&net).filter(|_| *sent > 0);
                for (account, units) in credits.unwrap_or_default() {
                    self.go(&held, &format!("accrued/{net}/{account}"), units);
                    due -= units;
                }
                self.go(&held, &format!("pool/{net}"), due);
            }
            Command::Settle { epoch, .. } => {
                let charter = charter.unwrap();
                let least = charter.audit.min_rank_ppm;
                let trusted = least == 0 || self.audits[&net].is_some_and(|rank| rank >= least.into());
                let per_bit = charter.reward.map_or(0, |reward| reward.per_bit.units());
                if trusted {
                    self.settle(&net, u64::from(*epoch), per_bit);
                }
                self.pay_reviewers(&net, u64::from(*epoch));
            }
            _ => {}
        }
    }

    /// Pays everybody but contributors for an answer; their part.
    fn pay_roles(&mut self, net: &str, query: u64, model: u64, price: u128, split: &Split) -> u128 {
        let roles = [
            ("contributors", split.contributors),
            ("reviewers", split.reviewers),
            ("trainer", split.trainer),
            ("platform", split.platform),
        ];
        let roles = roles.map(|(name, ppm)| (name.to_owned(), u128::from(ppm)));
        let parts = hamilton(price, query, &roles);
        let held = format!("held/{net}");
        self.go(&held, &format!("reviews/{net}"), parts[1]);
        self.go(&held, &format!("user/{}", self.trainers[&model].clone()), parts[2]);
        self.go(&held, &format!("user/{}", self.operator.clone()), parts[3]);
        parts[0]
    }

    fn settle(&mut self, net: &str, epoch: u64, per_bit: u128) {
        let (pool, budget) = (format!("pool/{net}"), format!("reward/{net}"));
        let values = self.values[net].clone();
        let mut liability = self.liability.remove(net).unwrap_or_default();
        let places = |account: &str| (format!("accrued/{net}/{account}"), format!("bond/{net}/{account}"));
        for (account, stake) in &mut liability {
            if values.get(account).is_some_and(|[_, _, high]| *high < 0) {
                let (accrued, bond) = places(account);
                for place in [accrued, bond] {
                    let lost = self.at(&place).min(*stake);
                    self.go(&place, &pool, lost);
                    *stake -= lost;
                }
            }
        }
        let helpful = values.iter().filter(|(_, [_, value, _])| *value > 0);
        let claims: Vec<(String, u128)> =
            helpful.map(|(account, [_, value, _])| (account.clone(), *value as u128)).collect();
        if !claims.is_empty() {
            for ((account, _), part) in claims.iter().zip(hamilton(self.at(&pool), epoch, &claims)) {
                self.go(&pool, &places(account).0, part);
            }
        }
        let before = |account: &String| (net.to_owned(), account.clone());
        let owed = claims.iter().map(|(account, value)| {
            let credited = self.rewarded.get(&before(account)).copied().unwrap_or(0);
            (account.clone(), (per_bit * value / 1_000_000).saturating_sub(credited))
        });
        let owed: Vec<(String, u128)> = owed.collect();
        let parts = match owed.iter().map(|(_, units)| units).sum::<u128>() <= self.at(&budget) {
            true => owed.iter().map(|(_, units)| *units).collect(),
            false => hamilton(self.at(&budget), epoch, &owed),
        };
        for ((account, _), part) in owed.iter().zip(parts) {
            self.go(&budget, &places(account).0, part);
            *self.rewarded.entry(before(account)).or_default() += part;
        }
        for (account, stake) in &mut liability {
            if values.get(account).is_some_and(|[low, ..]| *low > 0) {
                let (accrued, bond) = places(account);
                self.go(&accrued, &format!("user/{account}"), self.at(&accrued));
                let newer =
                    self.offered[net].iter().filter(|(seq, by, _)| *seq > self.covered[net] && by == account);
                *stake = newer.map(|(_, _, stake)| stake).sum::<u128>().min(*stake);
                let back = self.at(&bond).saturating_sub(*stake);
                self.go(&bond, &format!("user/{account}"), back);
            }
        }
        self.liability.insert(net.to_owned(), liability);
    }

    fn pay_reviewers(&mut self, net: &str, epoch: u64) {
        let decisions: Vec<_> = self.decisions.remove(net).unwrap_or_default().into_iter().collect();
        if !decisions.is_empty() {
            let pot = format!("reviews/{net}");
            for ((reviewer, _), part) in decisions.iter().zip(hamilton(self.at(&pot), epoch, &decisions)) {
                self.go(&pot, &format!("user/{reviewer}"), part);
            }
        }
    }
}
