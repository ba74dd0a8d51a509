//! Money: integer base units, and the only way to divide them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, BadId, DatanetId};
use crate::limits::AMOUNT_MAX;

/// A non-negative amount in base units (micro-OPEN by default), at most [`AMOUNT_MAX`]. Digits on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Amount(u128);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `units` base units; `None` above [`AMOUNT_MAX`].
    pub fn new(units: u128) -> Option<Self> {
        (units <= AMOUNT_MAX).then_some(Self(units))
    }

    /// Base units.
    pub fn units(self) -> u128 {
        self.0
    }

    /// True for nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Both together; `None` above [`AMOUNT_MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).and_then(Self::new)
    }

    /// Both together, at most the largest amount.
    pub fn saturating_add(self, other: Self) -> Self {
        Self((self.0 + other.0).min(AMOUNT_MAX))
    }

    /// What is left after `other` went; `None` below zero.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// What is left after `other` went, nothing when that is more.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Amount {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        const EXPECTED: &str = "an amount (digits without leading zero, below 2^63)";
        Self::new(digits(text, EXPECTED)?).ok_or_else(|| BadId::new(text, EXPECTED))
    }
}

impl TryFrom<String> for Amount {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> String {
        amount.to_string()
    }
}

/// A running total of amounts. It may pass [`AMOUNT_MAX`], since the same money is counted each time that it moves;
/// 2^64 of the largest amounts fit. Digits on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sum(u128);

impl Sum {
    /// Base units.
    pub fn units(self) -> u128 {
        self.0
    }

    /// Adds an amount.
    pub fn add(&mut self, amount: Amount) {
        self.0 = self.0.saturating_add(amount.0);
    }

    /// As an amount, or the largest amount when it is more than that.
    pub fn capped(self) -> Amount {
        Amount(self.0.min(AMOUNT_MAX))
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl TryFrom<String> for Sum {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        digits(&text, "a total (digits without leading zero, below 2^128)").map(Self)
    }
}

impl From<Sum> for String {
    fn from(sum: Sum) -> String {
        sum.to_string()
    }
}

/// Reads digits in the one form that the wire has.
fn digits(text: &str, expected: &'static str) -> Result<u128, BadId> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    let parsed = canonical.then(|| text.parse().ok()).flatten();
    parsed.ok_or_else(|| BadId::new(text, expected))
}

/// Where money can be. Only `External` may be below zero: it is the world outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Place {
    /// `external`: what was paid in, less what was paid out, with the sign turned.
    External,
    /// `user/A`: free to spend or to withdraw.
    User(AccountId),
    /// `accrued/D/A`: earned in datanet D, not yet proven.
    Accrued(DatanetId, AccountId),
    /// `bond/D/A`: put up for records, lost if they harm.
    Bond(DatanetId, AccountId),
    /// `held/D`: reserved for queries that are not answered yet.
    Held(DatanetId),
    /// `pool/D`: to be split by value at settlement.
    Pool(DatanetId),
    /// `reviews/D`: to be split by decisions at settlement.
    Reviews(DatanetId),
    /// `reward/D`: put up by sponsors, to be paid for value at settlement.
    Reward(DatanetId),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::External => f.write_str("external"),
            Self::User(a) => write!(f, "user/{a}"),
            Self::Accrued(d, a) => write!(f, "accrued/{d}/{a}"),
            Self::Bond(d, a) => write!(f, "bond/{d}/{a}"),
            Self::Held(d) => write!(f, "held/{d}"),
            Self::Pool(d) => write!(f, "pool/{d}"),
            Self::Reviews(d) => write!(f, "reviews/{d}"),
            Self::Reward(d) => write!(f, "reward/{d}"),
        }
    }
}

impl FromStr for Place {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let parts: Vec<&str> = text.split('/').collect();
        Ok(match parts.as_slice() {
            ["external"] => Self::External,
            ["user", a] => Self::User(a.parse()?),
            ["accrued", d, a] => Self::Accrued(d.parse()?, a.parse()?),
            ["bond", d, a] => Self::Bond(d.parse()?, a.parse()?),
            ["held", d] => Self::Held(d.parse()?),
            ["pool", d] => Self::Pool(d.parse()?),
            ["reviews", d] => Self::Reviews(d.parse()?),
            ["reward", d] => Self::Reward(d.parse()?),
            _ => return Err(BadId::new(text, "a place of money, such as `user/A`")),
        })
    }
}

impl TryFrom<String> for Place {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<Place> for String {
    fn from(place: Place) -> String {
        place.to_string()
    }
}

/// Money that moves from one place to another. Both legs are one object, so postings always sum to zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Posting {
    /// Where it comes from.
    pub from: Place,
    /// Where it goes.
    pub to: Place,
    /// How much; never zero in the log.
    pub amount: Amount,
}
