//! Money: integer base units, and the only way to divide them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, BadId, DatanetId, as_text};
use crate::limits::AMOUNT_MAX;

/// A non-negative amount in base units (micro-OPEN by default), at most [`AMOUNT_MAX`]. Digits on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(u64);

const MOST: u64 = AMOUNT_MAX as u64;

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `units` base units; `None` above [`AMOUNT_MAX`].
    pub fn new(units: u128) -> Option<Self> {
        u64::try_from(units).ok().and_then(Self::of)
    }

    /// [`Amount::new`] of fewer units.
    pub(crate) fn of(units: u64) -> Option<Self> {
        (units <= MOST).then_some(Self(units))
    }

    /// Base units.
    pub fn units(self) -> u128 {
        self.0.into()
    }

    /// [`Amount::units`] in 64 bits.
    pub(crate) fn small(self) -> u64 {
        self.0
    }

    /// Its text.
    pub(crate) fn digits(self, buffer: &mut itoa::Buffer) -> &str {
        buffer.format(self.0)
    }

    /// True for nothing.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Both together; `None` above [`AMOUNT_MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).filter(|&sum| sum <= MOST).map(Self)
    }

    /// Both together, at most the largest amount.
    pub fn saturating_add(self, other: Self) -> Self {
        // Two of the largest fit 64 bits.
        Self((self.0 + other.0).min(MOST))
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

/// A running total of amounts. It may pass [`AMOUNT_MAX`], since the same money is counted each time that it moves;
/// 2^64 of the largest amounts fit. Digits on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sum(u128);

impl Sum {
    /// Base units.
    pub fn units(self) -> u128 {
        self.0
    }

    /// Adds an amount.
    pub fn add(&mut self, amount: Amount) {
        self.0 = self.0.saturating_add(amount.units());
    }

    /// As an amount, or the largest amount when it is more than that.
    pub fn capped(self) -> Amount {
        u64::try_from(self.0).map_or(Amount(MOST), |units| Amount(units.min(MOST)))
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Sum {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        digits(text, "a total (digits without leading zero, below 2^128)").map(Self)
    }
}

/// Reads digits in the one form that the wire has.
fn digits(text: &str, expected: &'static str) -> Result<u128, BadId> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    let parsed = canonical.then(|| text.parse().ok()).flatten();
    parsed.ok_or_else(|| BadId::new(text, expected))
}

/// Where money can be. Only `External` may be below zero: it is the world outside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

impl Place {
    /// Its kind, and what the kind is of: the parts of its text, in order.
    pub(crate) fn parts(&self) -> (&'static str, Option<&DatanetId>, Option<&AccountId>) {
        match self {
            Self::External => ("external", None, None),
            Self::User(a) => ("user", None, Some(a)),
            Self::Accrued(d, a) => ("accrued", Some(d), Some(a)),
            Self::Bond(d, a) => ("bond", Some(d), Some(a)),
            Self::Held(d) => ("held", Some(d), None),
            Self::Pool(d) => ("pool", Some(d), None),
            Self::Reviews(d) => ("reviews", Some(d), None),
            Self::Reward(d) => ("reward", Some(d), None),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, datanet, account) = self.parts();
        f.write_str(kind)?;
        for part in [datanet.map(DatanetId::as_str), account.map(AccountId::as_str)].into_iter().flatten() {
            f.write_str("/")?;
            f.write_str(part)?;
        }
        Ok(())
    }
}

impl FromStr for Place {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let unknown = || BadId::new(text, "a place of money, such as `user/A`");
        let (kind, of) = text.split_once('/').unwrap_or((text, ""));
        let pair = || of.split_once('/').ok_or_else(unknown);
        Ok(match kind {
            "external" if text == kind => Self::External,
            "user" => Self::User(of.parse()?),
            "accrued" => pair().and_then(|(d, a)| Ok(Self::Accrued(d.parse()?, a.parse()?)))?,
            "bond" => pair().and_then(|(d, a)| Ok(Self::Bond(d.parse()?, a.parse()?)))?,
            "held" => Self::Held(of.parse()?),
            "pool" => Self::Pool(of.parse()?),
            "reviews" => Self::Reviews(of.parse()?),
            "reward" => Self::Reward(of.parse()?),
            _ => return Err(unknown()),
        })
    }
}

as_text!(Amount, Sum, Place);

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
