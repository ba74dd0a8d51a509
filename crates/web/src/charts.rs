//! Charts as inline SVG.
//!
//! Places are percentages of the width, so that a chart fills what it is given while its letters and marks keep
//! their size on a phone and in print. Colours come from the page's style by class; standing is told by shape too.

mod image;
mod rows;
mod scatter;

pub use image::image8;
pub use rows::{Domain, bullet, interval_dot, row_axis, value_bar};
pub use scatter::{Axis, Point, Scatter};

use assay_api::v1::appraisal::Standing;
use std::fmt::{self, Display, Write};

/// Markup made by this module; the one thing that templates do not escape.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Svg(String);

impl Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Svg {}

impl Svg {
    /// Adds markup; writing to a string cannot fail.
    fn add(&mut self, markup: fmt::Arguments<'_>) {
        let _infallible = self.0.write_fmt(markup);
    }
}

/// Class of a standing in the page's style.
#[must_use]
pub fn class_of(standing: Standing) -> &'static str {
    match standing {
        Standing::Paid => "paid",
        Standing::Unproven => "unproven",
        Standing::Harmful => "harmful",
    }
}

/// Text for an SVG text node, escaped.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&#34;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Round steps over a range: at most `wanted + 1` multiples of 1, 2 or 5 times a power of ten, in order.
fn ticks(low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let rough = (high - low) / wanted.max(1) as f64;
    if !(rough.is_finite() && rough > 0.0) {
        return vec![];
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].iter().map(|m| m * power).find(|s| *s >= rough * 0.999).unwrap_or(power);
    let first = (low / step).ceil();
    let last = (high / step).floor();
    // Counting steps instead of adding them keeps zero exactly zero.
    (0..=wanted * 3).map(|i| first + i as f64).take_while(|n| *n <= last).map(|n| n * step).collect()
}

/// Decimals that tell neighbouring ticks apart.
fn tick_decimals(ticks: &[f64]) -> usize {
    let step = ticks.windows(2).map(|w| w[1] - w[0]).fold(f64::INFINITY, f64::min);
    if step.is_finite() && step > 0.0 { (-step.log10().floor()).clamp(0.0, 6.0) as usize } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(-48.0, 262.0, 4), [0.0, 100.0, 200.0]);
        assert_eq!(ticks(0.0, 1.0, 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert!(ticks(1.0, 1.0, 4).is_empty() && ticks(f64::NAN, 1.0, 4).is_empty());
        assert_eq!(tick_decimals(&[0.0, 0.2]), 1);
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(Escaped("<a href=\"x\">'&").to_string(), "&lt;a href=&#34;x&#34;&gt;&#39;&amp;");
    }
}
