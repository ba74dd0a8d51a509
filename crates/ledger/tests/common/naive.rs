//! A second opinion about money: a map of names to numbers, moved by the accepted commands alone, by the rules as the
//! documents state them. Shares no arithmetic with the ledger.

use std::collections::BTreeMap;

use assay_ledger::command::{Command, Intent, ValueRow};
use assay_ledger::state::State;
use sha2::{Digest as _, Sha256};

type Rows = BTreeMap<String, ValueRow>;

#[derive(Default)]
pub struct Naive {
    pub money: BTreeMap<String, i128>,
    liability: BTreeMap<String, BTreeMap<String, u128>>,
    decisions: BTreeMap<String, BTreeMap<String, u128>>,
    prices: BTreeMap<u64, (String, u128)>,
    trainers: BTreeMap<u64, String>,
    staged: BTreeMap<u64, Rows>,
    values: BTreeMap<String, Rows>,
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
                *self.liability.entry(net).or_default().entry(actor).or_default() += stake;
            }
            Command::Review { .. } => *self.decisions.entry(net).or_default().entry(actor).or_default() += 1,
            Command::Train { .. } => {
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
                self.values.insert(net, self.staged.remove(model).unwrap());
            }
            Command::Ask { .. } => {
                let price = charter.unwrap().query.price.units();
                self.go(&user, &format!("held/{net}"), price);
                self.prices.insert(seq, (user, price));
            }
            Command::Release { query, .. } => {
                let (consumer, price) = self.prices.remove(query).unwrap();
                self.go(&format!("held/{net}"), &consumer, price);
            }
            Command::Answer { query, model, shares, .. } => {
                let (_, price) = self.prices.remove(query).unwrap();
                let split = charter.unwrap().split;
                let roles = [
                    ("contributors", split.contributors),
                    ("reviewers", split.reviewers),
                    ("trainer", split.trainer),
                    ("platform", split.platform),
                ];
                let roles = roles.map(|(name, ppm)| (name.to_owned(), u128::from(ppm)));
                let parts = hamilton(price, *query, &roles);
                let held = format!("held/{net}");
                self.go(&held, &format!("reviews/{net}"), parts[1]);
                self.go(&held, &format!("user/{}", self.trainers[model].clone()), parts[2]);
                self.go(&held, &format!("user/{}", self.operator.clone()), parts[3]);
                let mut claims: Vec<(String, u128)> =
                    shares.iter().map(|share| (share.account.to_string(), share.ppm.into())).collect();
                claims.push(("pool".to_owned(), 1_000_000 - claims.iter().map(|(_, ppm)| ppm).sum::<u128>()));
                for ((name, _), part) in claims.iter().zip(hamilton(parts[0], *query, &claims)) {
                    let to = match name.as_str() {
                        "pool" => format!("pool/{net}"),
                        account => format!("accrued/{net}/{account}"),
                    };
                    self.go(&held, &to, part);
                }
            }
            Command::Settle { epoch, .. } => self.settle(&net, u64::from(*epoch)),
            _ => {}
        }
    }

    fn settle(&mut self, net: &str, epoch: u64) {
        let pool = format!("pool/{net}");
        let values = self.values[net].clone();
        let mut liability = self.liability.remove(net).unwrap_or_default();
        let places = |account: &str| (format!("accrued/{net}/{account}"), format!("bond/{net}/{account}"));
        for (account, stake) in &mut liability {
            if values.get(account).is_some_and(|row| row.high_microbits < 0) {
                let (accrued, bond) = places(account);
                for place in [accrued, bond] {
                    let lost = self.at(&place).min(*stake);
                    self.go(&place, &pool, lost);
                    *stake -= lost;
                }
            }
        }
        let helpful = values.values().filter(|row| row.high_microbits >= 0 && row.value_microbits > 0);
        let claims: Vec<(String, u128)> =
            helpful.map(|row| (row.account.to_string(), row.value_microbits as u128)).collect();
        if !claims.is_empty() {
            for ((account, _), part) in claims.iter().zip(hamilton(self.at(&pool), epoch, &claims)) {
                self.go(&pool, &places(account).0, part);
            }
        }
        for (account, stake) in &mut liability {
            if values.get(account).is_some_and(|row| row.low_microbits > 0) {
                let (accrued, bond) = places(account);
                for place in [accrued, bond] {
                    self.go(&place, &format!("user/{account}"), self.at(&place));
                }
                *stake = 0;
            }
        }
        self.liability.insert(net.to_owned(), liability);
        let decisions: Vec<_> = self.decisions.remove(net).unwrap_or_default().into_iter().collect();
        if !decisions.is_empty() {
            let pot = format!("reviews/{net}");
            for ((reviewer, _), part) in decisions.iter().zip(hamilton(self.at(&pot), epoch, &decisions)) {
                self.go(&pot, &format!("user/{reviewer}"), part);
            }
        }
    }
}
