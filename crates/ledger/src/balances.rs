//! Where all the money is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::amount::{Amount, Place, Posting};

/// Every balance above zero, and the total of them, which is what came in from outside less what went out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Balances {
    inside: BTreeMap<Place, Amount>,
    total: Amount,
}

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
        self.inside.get(place).copied().unwrap_or_default()
    }

    /// All the money inside: a deposit may not lift it above the largest amount, so that no balance can be larger.
    pub fn total(&self) -> Amount {
        self.total
    }

    /// Every place inside that holds money, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, Amount)> {
        self.inside.iter().map(|(place, &amount)| (place, amount))
    }

    /// Moves money. `false`, and nothing moves, when it is not there or would pass the bound of all money.
    #[must_use]
    pub(crate) fn transfer(&mut self, posting: &Posting) -> bool {
        let Posting { from, to, amount } = posting;
        let given = match from {
            Place::External => self.grow(*amount),
            inside => self.take(inside, *amount),
        };
        if given {
            match to {
                // What is inside is part of the total: the total has as much.
                Place::External => self.total = self.total.saturating_sub(*amount),
                inside => self.give(inside, *amount),
            }
        }
        given
    }

    fn grow(&mut self, amount: Amount) -> bool {
        let total = self.total.checked_add(amount);
        self.total = total.unwrap_or(self.total);
        total.is_some()
    }

    fn take(&mut self, place: &Place, amount: Amount) -> bool {
        let Some(there) = self.inside.get_mut(place) else { return amount.is_zero() };
        let Some(left) = there.checked_sub(amount) else { return false };
        *there = left;
        if left.is_zero() {
            self.inside.remove(place);
        }
        true
    }

    /// A balance is below the bound of all money, since the total is.
    fn give(&mut self, place: &Place, amount: Amount) {
        if amount.is_zero() {
            return;
        }
        match self.inside.get_mut(place) {
            Some(there) => *there = there.saturating_add(amount),
            None => {
                self.inside.insert(place.clone(), amount);
            }
        }
    }
}

/// An amount is below 2^63.
fn signed(amount: Amount) -> i128 {
    amount.units() as i128
}
