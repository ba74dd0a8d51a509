//! Amounts, times and texts as people read and write them in a terminal.

use assay_api::Micro;
use assay_ledger::amount::Amount;
use assay_web::text::count;
use serde_json::Value;

use crate::output::Failure;

/// Said by every command that takes an amount.
pub(super) const AMOUNTS: &str = "\
Amounts are in OPEN with up to six decimals (12.5), or in base units with a u (12500000u); 1 OPEN is 1000000u.";
/// Characters shown of a text that somebody wrote.
pub(super) const TEXT_CHARS: usize = 160;

/// Reads an amount as [`AMOUNTS`] says.
pub(super) fn amount(text: &str) -> Result<Amount, String> {
    let wrong = || "give OPEN with up to six decimals (12.5), or base units with a u (12500000u)".to_owned();
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let units = match text.strip_suffix('u') {
        Some(units) if digits(units) => units.parse().ok(),
        Some(_) => None,
        None => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
            let plain =
                digits(whole) && digits(fraction) && !whole.is_empty() && (1..=6).contains(&fraction.len());
            plain.then(|| format!("{whole}{fraction:0<6}").parse().ok()).flatten()
        }
    };
    let amount = Amount::new(units.ok_or_else(wrong)?).ok_or("that is more money than a ledger holds")?;
    if amount.is_zero() { Err("the amount must be above zero".to_owned()) } else { Ok(amount) }
}

/// Base units as OPEN; exact.
pub(super) fn open(units: impl TryInto<i128>) -> String {
    format!("{:.6}", Micro(units.try_into().unwrap_or(i128::MAX)))
}

/// An amount in OPEN and in base units.
pub(super) fn money(amount: Amount) -> String {
    let units = amount.units();
    let thousands = u64::try_from(units).map_or_else(|_| units.to_string(), count);
    format!("{} OPEN ({thousands}u)", Micro(units.try_into().unwrap_or(i128::MAX)))
}

/// Milliseconds since 1970 as `2026-01-05 05:02:47`, UTC.
pub(super) fn time(ms: u64) -> String {
    let (days, second) = (ms / 86_400_000, ms / 1000 % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Year, month and day of a day since 1970, in the Gregorian calendar (Hinnant, `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, late) = (day - (153 * month + 2) / 5 + 1, month >= 10);
    (era * 400 + year + u64::from(late), if late { month - 9 } else { month + 3 }, day)
}

/// A document for machines that is also safe in a terminal: control characters and those that reorder text, which
/// occur in strings only, are written as escapes.
pub(super) fn json(document: &Value) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(document).map_err(Failure::failed)?;
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        match c {
            '\n' => out.push(c),
            '\u{061C}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{2069}'
            | '\u{FEFF}' => {
                out.push_str(&format!("\\u{:04x}", c as u32));
            }
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('\n');
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn amounts_have_one_reading() {
        let units = |text| amount(text).map(Amount::units);
        assert_eq!(units("12.5"), Ok(12_500_000));
        assert_eq!(units("12"), Ok(12_000_000));
        assert_eq!(units("0.000001"), Ok(1));
        assert_eq!(units("7u"), Ok(7));
        assert_eq!(units("9223372036854.775807"), Ok((1 << 63) - 1));
        for bad in
            ["", ".5", "5.", "1.0000000", "-1", "+1", "1e6", "0", "0u", "u", "1,5", "9223372036854.775808"]
        {
            assert!(amount(bad).is_err(), "{bad}");
        }
        assert_eq!(money(amount("1234.5").unwrap()), "1,234.50 OPEN (1,234,500,000u)");
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(time(0), "1970-01-01 00:00:00");
        assert_eq!(time(951_782_400_000), "2000-02-29 00:00:00");
        assert_eq!(time(1_767_589_367_999), "2026-01-05 05:02:47");
    }

    #[test]
    fn documents_cannot_move_the_cursor_or_reorder_a_line() {
        let text = json(&serde_json::json!({ "a": "x\u{9b}2J\u{202e}y\n" })).unwrap();
        assert!(!text.contains(['\u{9b}', '\u{202e}']));
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["a"], "x\u{9b}2J\u{202e}y\n");
    }
}
