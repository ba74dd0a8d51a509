//! Numbers and words as people read them. Every function is total: NaN and infinities become `n/a`.

use assay_api::money::group_thousands;
use assay_api::v1::appraisal::Unit;

/// What stands where a number is missing.
pub const MISSING: &str = "n/a";

/// A whole number with its thousands apart: `10,572`.
#[must_use]
pub fn count(n: u64) -> String {
    group_thousands(&n.to_string())
}

/// A count and its noun: `1 record`, `2 records`.
#[must_use]
pub fn plural(n: u64, noun: &str) -> String {
    plural_of(n, noun, &format!("{noun}s"))
}

/// A count and its noun, with the plural that grammar wants: `1 query`, `2 queries`.
#[must_use]
pub fn plural_of(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// A number with so many decimals, thousands apart and a true minus sign; never `-0.00`.
#[must_use]
pub fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return MISSING.to_owned();
    }
    let digits = if value.abs() < 1e15 {
        format!("{:.decimals$}", value.abs())
    } else {
        format!("{:.2e}", value.abs())
    };
    let negative = value < 0.0 && digits.bytes().any(|b| (b'1'..=b'9').contains(&b));
    let (whole, rest) = digits.split_at(digits.find(['.', 'e']).unwrap_or(digits.len()));
    format!("{}{}{rest}", if negative { "\u{2212}" } else { "" }, group_thousands(whole))
}

/// As [`fixed`], with a plus sign above zero.
#[must_use]
pub fn signed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    let positive = value > 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b));
    if positive { format!("+{text}") } else { text }
}

/// A ratio as a percentage: `0.8668` is `86.7%` with one decimal.
#[must_use]
pub fn percent(ratio: f64, decimals: usize) -> String {
    if ratio.is_finite() { format!("{}%", fixed(ratio * 100.0, decimals)) } else { MISSING.to_owned() }
}

/// Parts per million as a percentage with one decimal.
#[must_use]
pub fn ppm(parts: u64) -> String {
    percent(parts as f64 / 1e6, 1)
}

/// A small ratio as a percentage with two significant digits: `0.0079%`.
#[must_use]
pub fn small_percent(ratio: f64) -> String {
    let magnitude = (ratio.abs() * 100.0).log10().floor();
    if ratio != 0.0 && magnitude < -5.0 {
        return "under 0.00001%".to_owned();
    }
    percent(ratio, (1.0 - magnitude).clamp(0.0, 6.0) as usize)
}

/// A span of time: `450 ms`, `12.3 s`, `4 min 10 s`.
#[must_use]
pub fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{} s", fixed(ms as f64 / 1e3, 1)),
        _ => format!("{} min {} s", count(ms / 60_000), ms % 60_000 / 1_000),
    }
}

/// At most so many characters of what somebody wrote, on one line, with an ellipsis if it was cut.
///
/// Control characters and those that reorder text (bidirectional controls) become U+FFFD, so that a text cannot
/// change how its neighbours read. Escaping for HTML is the template's work.
#[must_use]
pub fn cut(text: &str, max_chars: usize) -> String {
    let mut chars = text.chars().map(visible);
    let mut out: String = chars.by_ref().take(max_chars).collect();
    if chars.next().is_some() {
        out.truncate(out.trim_end().len());
        out.push('\u{2026}');
    }
    out
}

fn visible(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
            '\u{FFFD}'
        }
        c if c.is_control() => '\u{FFFD}',
        c => c,
    }
}

/// The unit that a column of bits is shown in, chosen by the largest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Name in the plural: `bits`, `millibits`, `microbits`.
    pub unit: &'static str,
    factor: f64,
    decimals: usize,
}

impl Scale {
    /// The scale for these values: small numbers of bits are shown in thousandths or millionths.
    #[must_use]
    pub fn over(values: impl IntoIterator<Item = f64>) -> Self {
        Self::of_unit(Unit::Bits, values)
    }

    /// As [`Scale::over`], for values of any method.
    #[must_use]
    pub fn of_unit(unit: Unit, values: impl IntoIterator<Item = f64>) -> Self {
        let names = match unit {
            Unit::Bits => ["bits", "millibits", "microbits"],
            Unit::Accuracy => ["of accuracy", "thousandths of accuracy", "millionths of accuracy"],
            Unit::Score => ["points", "thousandths", "millionths"],
        };
        let largest = values.into_iter().filter(|v| v.is_finite()).fold(0.0, |m: f64, v| m.max(v.abs()));
        // Below these bounds most of a column would be zeros after the point.
        let (unit, factor) = match largest {
            m if m >= 1.0 || m == 0.0 => (names[0], 1.0),
            m if m >= 2e-4 => (names[1], 1e3),
            _ => (names[2], 1e6),
        };
        let decimals = match largest * factor {
            // Whole bits are large: the contributors below the first are told apart by thousandths.
            _ if factor == 1.0 => 3,
            m if m >= 10.0 => 1,
            m if m >= 1.0 => 2,
            _ => 3,
        };
        Self { unit, factor, decimals }
    }

    /// A value in this unit, as a number.
    #[must_use]
    pub fn of(&self, bits: f64) -> f64 {
        bits * self.factor
    }

    /// A value in this unit, in words.
    #[must_use]
    pub fn show(&self, bits: f64) -> String {
        fixed(self.of(bits), self.decimals)
    }

    /// An interval in this unit, in words.
    #[must_use]
    pub fn interval(&self, low: f64, high: f64) -> String {
        format!("{} to {}", self.show(low), self.show(high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(10_572), "10,572");
        assert_eq!(plural(1, "record"), "1 record");
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(-1234.5, 1), "\u{2212}1,234.5");
        assert_eq!(fixed(f64::NAN, 1), MISSING);
        assert_eq!(fixed(1.5e300, 1), "1.50e300");
        assert_eq!(signed(0.04, 1), "0.0");
        assert_eq!(signed(0.06, 1), "+0.1");
        assert_eq!(percent(0.8668, 1), "86.7%");
        assert_eq!(small_percent(0.000_078_9), "0.0079%");
        assert_eq!(span(450), "450 ms");
        assert_eq!(span(250_000), "4 min 10 s");
    }

    #[test]
    fn cutting_counts_characters_and_disarms_controls() {
        assert_eq!(cut("h\u{e9}llo w\u{f6}rld", 7), "h\u{e9}llo w\u{2026}");
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("a \u{202E}evil\u{0}\nb", 99), "a \u{FFFD}evil\u{FFFD} b");
        assert_eq!(cut("\u{1F600}\u{1F600}\u{1F600}", 2), "\u{1F600}\u{1F600}\u{2026}");
    }

    #[test]
    fn scales_fit_their_largest_value() {
        assert_eq!(Scale::over([5.11, -0.2]).show(5.11), "5.110");
        let milli = Scale::over([0.1189, f64::NAN]);
        assert_eq!((milli.unit, milli.show(-0.1189).as_str()), ("millibits", "\u{2212}118.9"));
        assert_eq!(Scale::over([0.000_82]).interval(0.0, 0.000_82), "0.000 to 0.820");
        assert_eq!(Scale::over([]).unit, "bits");
    }
}
