//! Times of records: enough of ISO 8601 to put records in order.

use std::cmp::Ordering;

/// A moment to order records by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Time {
    /// Nanoseconds since 1970-01-01T00:00:00Z; a time without a zone is taken as UTC.
    Calendar(i128),
    /// A number in the file's own unit.
    Number(f64),
}

impl Time {
    /// Order in time; both must be of one kind, which [`super::Roles::select`] sees to.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Calendar(a), Self::Calendar(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Number(_), Self::Calendar(_)) => Ordering::Less,
            (Self::Calendar(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

/// Reads `YYYY-MM-DD`, then optionally `T` or a space, `hh:mm[:ss[.fraction]]` and `Z` or `+hh:mm`.
pub fn parse_iso8601(text: &str) -> Option<i128> {
    let text = text.trim_ascii();
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.split('-');
    let (year, month, day) =
        (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let midnight = days_from_civil(year, month, day) * 86_400;
    let Some(rest) = rest.strip_prefix(['T', 't', ' ']) else {
        return rest.is_empty().then_some(i128::from(midnight) * 1_000_000_000);
    };
    let zone = rest.find(['Z', 'z', '+', '-', ' ']).unwrap_or(rest.len());
    let (clock, zone) = (&rest[..zone], rest[zone..].trim_ascii());
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |s| digits(s, 2))?;
    if parts.next().is_some() || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let nanos = if fraction.is_empty() {
        0
    } else {
        digits(fraction.get(..9).unwrap_or(fraction), fraction.len().min(9))?
    };
    let nanos = nanos * 10_i64.pow(9 - fraction.len().min(9) as u32);
    let seconds = midnight + hour * 3600 + minute * 60 + second - offset(zone)?;
    Some(i128::from(seconds) * 1_000_000_000 + i128::from(nanos))
}

/// Seconds east of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let hhmm: String = zone.strip_prefix(['+', '-'])?.chars().filter(|&c| c != ':').collect();
    let (hours, minutes) = match hhmm.len() {
        2 => (digits(&hhmm, 2)?, 0),
        4 => (digits(hhmm.get(..2)?, 2)?, digits(hhmm.get(2..)?, 2)?),
        _ => return None,
    };
    Some(sign * (hours * 3600 + minutes * 60))
}

fn digits(text: &str, len: usize) -> Option<i64> {
    (text.len() == len && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Expected values from GNU date (`date -u -d TEXT +%s`).
    #[test]
    fn agrees_with_date() {
        for (text, seconds) in [
            ("1970-01-01", 0),
            ("2026-01-05T05:02:47Z", 1_767_589_367),
            ("2026-01-05 05:02:47", 1_767_589_367),
            ("2026-01-05T05:02:47+02:00", 1_767_582_167),
            ("2024-02-29T23:59:59-0530", 1_709_270_999),
            ("1900-03-01", -2_203_891_200),
            ("2000-02-29", 951_782_400),
            ("1999-12-31T24:00", 946_684_800),
        ] {
            assert_eq!(parse_iso8601(text), Some(seconds * 1_000_000_000), "{text}");
        }
        assert_eq!(parse_iso8601("1970-01-01T00:00:00.25Z"), Some(250_000_000));
        assert_eq!(parse_iso8601("1970-01-01T00:00:00.1234567891"), Some(123_456_789));
    }

    #[test]
    fn refuses_what_is_not_a_time() {
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2025-02-29",
            "2026-01-05T",
            "2026-01-05T5:02",
            "2026-01-05X",
            "2026-01-05T05:02:47+1",
            "2026-01-0é",
            "2026-01-05T05:02:47.x",
            "2026-01-05T05:61",
        ] {
            assert_eq!(parse_iso8601(text), None, "{text}");
        }
    }
}
