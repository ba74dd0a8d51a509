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
        let after = |place: &Place, given: bool| match (place, given) {
            (Place::External, true) => self.total.checked_add(*amount),
            (Place::External, false) => self.total.checked_sub(*amount),
            (inside, true) => self.at(inside).checked_sub(*amount),
            (inside, false) => self.at(inside).checked_add(*amount),
        };
        let (Some(left), Some(arrived)) = (after(from, true), after(to, false)) else {
            return false;
        };
        if from != to {
            self.set(from, left);
            self.set(to, arrived);
        }
        true
    }

    fn set(&mut self, place: &Place, amount: Amount) {
        match place {
            Place::External => self.total = amount,
            inside if amount.is_zero() => {
                self.inside.remove(inside);
            }
            inside => match self.inside.get_mut(inside) {
                Some(there) => *there = amount,
                None => {
                    self.inside.insert(inside.clone(), amount);
                }
            },
        }
    }
}

/// An amount is below 2^63.
fn signed(amount: Amount) -> i128 {
    amount.units() as i128
}
