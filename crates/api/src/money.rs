//! Amounts of money on the wire.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Micro-units in one unit of an asset.
const MICRO: u128 = 1_000_000;

/// An amount in micro-units (millionths) of an asset.
///
/// On the wire it is a string of digits (`"1500000"`, with a leading `-` if negative), since JSON numbers lose
/// digits above 2^53 in most readers. Its [`Display`](fmt::Display) is for people: `1.50`, `12,345.678901`; a
/// precision asks for at least so many decimals (`{:.6}` aligns a column). No digit is ever rounded away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micro(pub i128);

impl Micro {
    /// Whole units as a float, for charts only.
    #[must_use]
    pub fn units(self) -> f64 {
        self.0 as f64 / MICRO as f64
    }
}

impl From<u64> for Micro {
    fn from(micro: u64) -> Self {
        Self(i128::from(micro))
    }
}

impl TryFrom<u128> for Micro {
    type Error = std::num::TryFromIntError;

    fn try_from(micro: u128) -> Result<Self, Self::Error> {
        i128::try_from(micro).map(Self)
    }
}

impl std::str::FromStr for Micro {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let canonical = !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && (digits == "0" || !digits.starts_with('0'))
            && text != "-0";
        let amount = canonical.then(|| text.parse().ok()).flatten();
        amount.map(Self).ok_or("an amount is a string of digits such as \"1500000\", within 128 bits")
    }
}

/// Digits with their thousands apart: `10572` becomes `10,572`.
#[must_use]
pub fn group_thousands(digits: &str) -> String {
    let count = digits.chars().count();
    let mut out = String::with_capacity(digits.len() + count / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (count - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

impl fmt::Display for Micro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0.unsigned_abs() / MICRO, self.0.unsigned_abs() % MICRO);
        let sign = if self.0 < 0 { "\u{2212}" } else { "" };
        let whole = group_thousands(&whole.to_string());
        let fraction = format!("{rest:06}");
        // Two digits at least, as people write money; more only where they say something.
        let shown = fraction.trim_end_matches('0').len().max(f.precision().unwrap_or(2).clamp(2, 6));
        write!(f, "{sign}{whole}.{}", &fraction[..shown])
    }
}

impl Serialize for Micro {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Micro {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Micro;

    #[test]
    fn amounts_read_as_people_write_them() {
        let shown = |micro: i128| Micro(micro).to_string();
        assert_eq!(shown(0), "0.00");
        assert_eq!(shown(1_500_000), "1.50");
        assert_eq!(shown(1), "0.000001");
        assert_eq!(shown(-12_345_678_901), "\u{2212}12,345.678901");
        assert_eq!(shown(999_999_999_990), "999,999.99999");
        assert_eq!(
            format!("{:.6} {:.0} {:.2}", Micro(1_500_000), Micro(2_000_000), Micro(1)),
            "1.500000 2.00 0.000001"
        );
        assert_eq!(shown(i128::MIN).chars().filter(char::is_ascii_digit).count(), 39);
    }

    #[test]
    fn the_wire_form_is_canonical() {
        for good in ["0", "7", "-7", "1500000", "170141183460469231731687303715884105727"] {
            let micro: Micro = serde_json::from_str(&format!("\"{good}\"")).unwrap();
            assert_eq!(serde_json::to_string(&micro).unwrap(), format!("\"{good}\""));
        }
        for bad in ["", "-", "-0", "007", "1.5", "+1", " 1", "1e6", "170141183460469231731687303715884105728"]
        {
            assert!(serde_json::from_str::<Micro>(&format!("\"{bad}\"")).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<Micro>("1500000").is_err());
    }
}
