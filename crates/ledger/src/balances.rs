//! Where all the money is.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::amount::{Amount, Place, Posting};
use crate::ids::{AccountId, DatanetId};

/// Every balance above zero, and the total of them, which is what came in from outside less what went out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Balances {
    inside: Inside,
    total: Amount,
}

/// Balances by kind of place, so that a place is found by its names alone; written as one map of places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Inside {
    users: Accounts,
    /// Only those that hold something.
    purses: BTreeMap<DatanetId, Purse>,
}

/// The money of a datanet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Purse {
    accrued: Accounts,
    bonds: Accounts,
    held: Amount,
    pool: Amount,
    reviews: Amount,
    reward: Amount,
}

/// None is zero.
type Accounts = BTreeMap<AccountId, Amount>;

impl Balances {
    /// The balance of a place; below zero for `External` only.
    pub fn of(&self, place: &Place) -> i128 {
        match place {
            Place::External => -signed(self.total),
            inside => signed(self.at(inside)),
        }
    }

    /// The money in a place inside; nothing for `External`.
    pub fn at(&self, place: &Place) -> Amount {
        self.inside.at(place).unwrap_or_default()
    }

    /// All the money inside: a deposit may not lift it above the largest amount, so that no balance can be larger.
    pub fn total(&self) -> Amount {
        self.total
    }

    /// Every place inside that holds money, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Place, Amount)> {
        self.inside.iter()
    }

    /// Moves money. `false`, and nothing moves, when it is not there or would pass the bound of all money.
    #[must_use]
    pub(crate) fn transfer(&mut self, posting: &Posting) -> bool {
        let Posting { from, to, amount } = posting;
        let given = match from {
            Place::External => self.grow(*amount),
            inside => self.inside.change(inside, |there| there.checked_sub(*amount)),
        };
        given
            && match to {
                // What is inside is part of the total: the total has as much.
                Place::External => {
                    self.total = self.total.saturating_sub(*amount);
                    true
                }
                // A balance is below the bound of all money, since the total is.
                inside => self.inside.change(inside, |there| Some(there.saturating_add(*amount))),
            }
    }

    fn grow(&mut self, amount: Amount) -> bool {
        let total = self.total.checked_add(amount);
        self.total = total.unwrap_or(self.total);
        total.is_some()
    }
}

impl Inside {
    fn at(&self, place: &Place) -> Option<Amount> {
        let purse = |datanet| self.purses.get(datanet);
        match place {
            Place::External => None,
            Place::User(account) => self.users.get(account).copied(),
            Place::Accrued(datanet, account) => purse(datanet)?.accrued.get(account).copied(),
            Place::Bond(datanet, account) => purse(datanet)?.bonds.get(account).copied(),
            Place::Held(datanet) => Some(purse(datanet)?.held),
            Place::Pool(datanet) => Some(purse(datanet)?.pool),
            Place::Reviews(datanet) => Some(purse(datanet)?.reviews),
            Place::Reward(datanet) => Some(purse(datanet)?.reward),
        }
    }

    /// Sets a balance to what `to` makes of it. `false`, and nothing changes, when that is `None`.
    fn change(&mut self, place: &Place, to: impl FnOnce(Amount) -> Option<Amount>) -> bool {
        match place {
            Place::External => false,
            Place::User(account) => change_of(&mut self.users, account, to),
            Place::Accrued(datanet, account) => {
                self.change_in(datanet, |purse| change_of(&mut purse.accrued, account, to))
            }
            Place::Bond(datanet, account) => {
                self.change_in(datanet, |purse| change_of(&mut purse.bonds, account, to))
            }
            Place::Held(datanet) => self.change_in(datanet, |purse| change(&mut purse.held, to)),
            Place::Pool(datanet) => self.change_in(datanet, |purse| change(&mut purse.pool, to)),
            Place::Reviews(datanet) => self.change_in(datanet, |purse| change(&mut purse.reviews, to)),
            Place::Reward(datanet) => self.change_in(datanet, |purse| change(&mut purse.reward, to)),
        }
    }

    fn change_in(&mut self, datanet: &DatanetId, change: impl FnOnce(&mut Purse) -> bool) -> bool {
        let Some(purse) = self.purses.get_mut(datanet) else {
            let mut purse = Purse::default();
            let changed = change(&mut purse);
            if !purse.is_empty() {
                self.purses.insert(datanet.clone(), purse);
            }
            return changed;
        };
        let changed = change(purse);
        if purse.is_empty() {
            self.purses.remove(datanet);
        }
        changed
    }

    fn len(&self) -> usize {
        self.iter_pots().count()
            + self.users.len()
            + self.purses.values().map(|purse| purse.accrued.len() + purse.bonds.len()).sum::<usize>()
    }

    fn iter(&self) -> impl Iterator<Item = (Place, Amount)> {
        let users = self.users.iter().map(|(account, amount)| (Place::User(account.clone()), *amount));
        users
            .chain(self.iter_accounts(|purse| &purse.accrued, Place::Accrued))
            .chain(self.iter_accounts(|purse| &purse.bonds, Place::Bond))
            .chain(self.iter_pots())
    }

    fn iter_accounts(
        &self,
        of: fn(&Purse) -> &Accounts,
        place: fn(DatanetId, AccountId) -> Place,
    ) -> impl Iterator<Item = (Place, Amount)> {
        self.purses.iter().flat_map(move |(datanet, purse)| {
            of(purse).iter().map(move |(account, &amount)| (place(datanet.clone(), account.clone()), amount))
        })
    }

    /// What datanets hold in common.
    fn iter_pots(&self) -> impl Iterator<Item = (Place, Amount)> {
        type Pot = (fn(&Purse) -> Amount, fn(DatanetId) -> Place);
        const POTS: [Pot; 4] = [
            (|purse| purse.held, Place::Held),
            (|purse| purse.pool, Place::Pool),
            (|purse| purse.reviews, Place::Reviews),
            (|purse| purse.reward, Place::Reward),
        ];
        let pots = POTS.into_iter().flat_map(|(of, place)| {
            self.purses.iter().map(move |(datanet, purse)| (place(datanet.clone()), of(purse)))
        });
        pots.filter(|(_, amount)| !amount.is_zero())
    }
}

impl Purse {
    fn is_empty(&self) -> bool {
        let pots = [self.held, self.pool, self.reviews, self.reward];
        pots.iter().all(|pot| pot.is_zero()) && self.accrued.is_empty() && self.bonds.is_empty()
    }
}

fn change(balance: &mut Amount, to: impl FnOnce(Amount) -> Option<Amount>) -> bool {
    let after = to(*balance);
    *balance = after.unwrap_or(*balance);
    after.is_some()
}

fn change_of(
    accounts: &mut Accounts,
    account: &AccountId,
    to: impl FnOnce(Amount) -> Option<Amount>,
) -> bool {
    match accounts.entry(account.clone()) {
        Entry::Occupied(mut balance) => {
            let changed = change(balance.get_mut(), to);
            if balance.get().is_zero() {
                balance.remove();
            }
            changed
        }
        Entry::Vacant(place) => {
            let mut balance = Amount::ZERO;
            let changed = change(&mut balance, to);
            if !balance.is_zero() {
                place.insert(balance);
            }
            changed
        }
    }
}

/// An amount is below 2^63.
fn signed(amount: Amount) -> i128 {
    amount.units() as i128
}

impl Serialize for Inside {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        self.iter().try_for_each(|(place, amount)| map.serialize_entry(&place, &amount))?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Inside {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Places)
    }
}

struct Places;

impl<'de> Visitor<'de> for Places {
    type Value = Inside;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of places")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Inside, A::Error> {
        let mut inside = Inside::default();
        while let Some((place, amount)) = map.next_entry::<Place, Amount>()? {
            if !inside.change(&place, |_| Some(amount)) {
                return Err(A::Error::custom("money outside is not a balance"));
            }
        }
        Ok(inside)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::PublicKey;

    /// The same by one map of places, as it is written.
    #[derive(Debug, Default, PartialEq, Serialize)]
    struct Plain {
        inside: BTreeMap<Place, Amount>,
        total: Amount,
    }

    impl Plain {
        fn transfer(&mut self, Posting { from, to, amount }: &Posting) -> bool {
            let there = |place| self.inside.get(place).copied().unwrap_or_default();
            let after = match from {
                Place::External => self.total.checked_add(*amount),
                inside => there(inside).checked_sub(*amount),
            };
            let Some(after) = after else { return false };
            match from {
                Place::External => self.total = after,
                inside => drop(self.inside.insert(inside.clone(), after)),
            }
            let there = self.inside.get(to).copied().unwrap_or_default();
            match to {
                Place::External => self.total = self.total.saturating_sub(*amount),
                inside => drop(self.inside.insert(inside.clone(), there.saturating_add(*amount))),
            }
            self.inside.retain(|_, amount| !amount.is_zero());
            true
        }
    }

    fn places() -> impl Strategy<Value = Place> {
        let account = (0..4_u8).prop_map(|i| AccountId::of(&PublicKey([i; 32])));
        let datanet = prop::sample::select(vec!["a", "a-b", "b"]);
        (0..9, datanet, account).prop_map(|(kind, datanet, account)| {
            let datanet: DatanetId = datanet.parse().unwrap();
            match kind {
                0 | 1 => Place::External,
                2 => Place::User(account),
                3 => Place::Accrued(datanet, account),
                4 => Place::Bond(datanet, account),
                5 => Place::Held(datanet),
                6 => Place::Pool(datanet),
                7 => Place::Reviews(datanet),
                _ => Place::Reward(datanet),
            }
        })
    }

    proptest! {
        #[test]
        fn it_is_one_map_of_places_and_is_written_as_one(
            moves in prop::collection::vec((places(), places(), 0..4_u64), 0..120),
        ) {
            let (mut balances, mut plain) = (Balances::default(), Plain::default());
            for (from, to, units) in moves {
                let posting = Posting { from, to, amount: Amount::of(units).unwrap() };
                prop_assert_eq!(balances.transfer(&posting), plain.transfer(&posting));
                prop_assert!(balances.iter().eq(plain.inside.iter().map(|(place, &amount)| (place.clone(), amount))));
                prop_assert!(plain.inside.iter().all(|(place, &amount)| balances.at(place) == amount));
                prop_assert_eq!((balances.at(&posting.to), balances.total()), {
                    (plain.inside.get(&posting.to).copied().unwrap_or_default(), plain.total)
                });
            }
            prop_assert_eq!(serde_json::to_string(&balances).unwrap(), serde_json::to_string(&plain).unwrap());
            let image = rmp_serde::to_vec_named(&balances).unwrap();
            prop_assert_eq!(&image, &rmp_serde::to_vec_named(&plain).unwrap());
            prop_assert_eq!(rmp_serde::from_slice::<Balances>(&image).unwrap(), balances);
        }
    }
}
