//! Small charts that stand in the rows of a table and share one axis.

use super::{Svg, class_of, tick_decimals, ticks};
use crate::text::fixed;
use assay_api::v1::appraisal::Standing;

/// Beyond this, numbers are drawn at the edge: their differences would overflow.
const LARGEST: f64 = 1e100;
/// Room at both ends in percent, for marks and for letters of the axis.
const MARGIN: f64 = 3.0;

/// The range that the rows of one table share.
#[derive(Debug, Clone, PartialEq)]
pub struct Domain {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Domain {
    /// The smallest range that holds these values; NaN and infinities are left out.
    #[must_use]
    pub fn over(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = values
            .into_iter()
            .filter(|v| v.is_finite())
            .map(|v| v.clamp(-LARGEST, LARGEST))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let (low, high) = match high - low {
            width if width > 0.0 => (low, high),
            0.0 => (low - 0.5, high + 0.5),
            _ => (0.0, 1.0),
        };
        Self { low, high, ticks: ticks(low, high, 4) }
    }

    /// Place of a value in percent of the width.
    pub(super) fn place(&self, value: f64) -> f64 {
        let part = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        MARGIN + if part.is_finite() { part } else { 0.0 } * (100.0 - 2.0 * MARGIN)
    }

    fn open(&self, class: &str) -> Svg {
        let mut svg = Svg::default();
        svg.add(format_args!("<svg class=\"row {class}\" aria-hidden=\"true\">"));
        for tick in &self.ticks {
            let (x, class) = (self.place(*tick), if *tick == 0.0 { "zero" } else { "grid" });
            svg.add(format_args!(
                "<line class=\"{class}\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"0\" y2=\"100%\"/>"
            ));
        }
        svg
    }

    fn whisker(&self, svg: &mut Svg, interval: Option<(f64, f64)>) {
        let Some((low, high)) = interval.filter(|(low, high)| low.is_finite() && high.is_finite()) else {
            return;
        };
        let (x1, x2) = (self.place(low), self.place(high));
        svg.add(format_args!(
            "<line class=\"whisker\" x1=\"{x1:.2}%\" x2=\"{x2:.2}%\" y1=\"50%\" y2=\"50%\"/>\
             <line class=\"whisker\" x1=\"{x1:.2}%\" x2=\"{x1:.2}%\" y1=\"35%\" y2=\"65%\"/>\
             <line class=\"whisker\" x1=\"{x2:.2}%\" x2=\"{x2:.2}%\" y1=\"35%\" y2=\"65%\"/>"
        ));
    }
}

/// A bar from zero to the value, with its interval, if it has one, as a whisker. The domain should hold zero.
#[must_use]
pub fn value_bar(domain: &Domain, value: f64, interval: Option<(f64, f64)>, standing: Standing) -> Svg {
    let mut svg = domain.open(class_of(standing));
    let (zero, end) = (domain.place(0.0), domain.place(value));
    let (x, width) = (zero.min(end), (zero - end).abs());
    svg.add(format_args!(
        "<rect class=\"bar\" x=\"{x:.2}%\" width=\"{width:.2}%\" y=\"22%\" height=\"56%\"/>"
    ));
    domain.whisker(&mut svg, interval);
    svg.add(format_args!("</svg>"));
    svg
}

/// A dot with its interval as a whisker.
#[must_use]
pub fn interval_dot(domain: &Domain, value: f64, interval: Option<(f64, f64)>) -> Svg {
    let mut svg = domain.open("dot");
    domain.whisker(&mut svg, interval);
    svg.add(format_args!("<circle cx=\"{:.2}%\" cy=\"50%\" r=\"4.5\"/></svg>", domain.place(value)));
    svg
}

/// A bar to what was reached and an upright stroke at what was promised, both from zero.
#[must_use]
pub fn bullet(domain: &Domain, reached: f64, promised: f64) -> Svg {
    let mut svg = domain.open("bullet");
    let (zero, end, mark) = (domain.place(0.0), domain.place(reached), domain.place(promised));
    let width = (end - zero).max(0.0);
    svg.add(format_args!(
        "<rect class=\"bar\" x=\"{zero:.2}%\" width=\"{width:.2}%\" y=\"28%\" height=\"44%\"/>\
         <line class=\"promise\" x1=\"{mark:.2}%\" x2=\"{mark:.2}%\" y1=\"10%\" y2=\"90%\"/></svg>"
    ));
    svg
}

/// The axis under the rows of a domain: its ticks in numbers, times `factor`, with `suffix`.
#[must_use]
pub fn row_axis(domain: &Domain, factor: f64, suffix: &str) -> Svg {
    let mut svg = Svg::default();
    svg.add(format_args!("<svg class=\"row axis\" aria-hidden=\"true\">"));
    let shown: Vec<f64> = domain.ticks.iter().map(|t| t * factor).collect();
    let decimals = tick_decimals(&shown);
    for (tick, number) in domain.ticks.iter().zip(&shown) {
        let x = domain.place(*tick);
        let anchor = if x < 12.0 {
            "start"
        } else if x > 88.0 {
            "end"
        } else {
            "middle"
        };
        let number = fixed(*number, decimals);
        svg.add(format_args!(
            "<text x=\"{x:.2}%\" y=\"14\" text-anchor=\"{anchor}\">{number}{suffix}</text>"
        ));
    }
    svg.add(format_args!("</svg>"));
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_stay_inside_whatever_the_numbers() {
        let wild = [f64::NAN, f64::INFINITY, -1e308, 1e308, 0.0, -0.0, 1e-300];
        for a in wild {
            for b in wild {
                let domain = Domain::over([a, b]);
                for v in wild {
                    let place = domain.place(v);
                    assert!((0.0..=100.0).contains(&place), "{a} {b} {v}: {place}");
                }
            }
        }
    }

    #[test]
    fn bars_start_at_zero() {
        let domain = Domain::over([0.0, 100.0, -100.0]);
        let svg = value_bar(&domain, -50.0, Some((-60.0, -40.0)), Standing::Harmful).to_string();
        assert!(
            svg.contains("class=\"row harmful\"") && svg.contains("x=\"26.50%\" width=\"23.50%\""),
            "{svg}"
        );
    }
}
