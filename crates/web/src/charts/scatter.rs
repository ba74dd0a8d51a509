//! One mark per contributor over two axes.

use super::{Escaped, Svg, class_of, tick_decimals, ticks};
use crate::text::{count, fixed};
use assay_api::v1::appraisal::Standing;

/// Room beside the marks in percent: left (for the numbers of the upright axis), right, top, bottom.
const LEFT: f64 = 10.0;
const RIGHT: f64 = 4.0;
const TOP: f64 = 5.0;
const BOTTOM: f64 = 10.0;
/// Points of a guide line.
const GUIDE_STEPS: usize = 40;

/// A mark.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Across.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Interval of `y`, drawn as a thin upright line.
    pub interval: Option<(f64, f64)>,
    /// Shape and colour.
    pub standing: Standing,
    /// What a pointer or a screen reader is told.
    pub title: String,
}

/// A range with its ticks, linear or logarithmic.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    low: f64,
    high: f64,
    log: bool,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// A linear axis over these values and zero.
    #[must_use]
    pub fn linear(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = range(values.into_iter().chain([0.0]));
        let places = ticks(low, high, 5);
        let decimals = tick_decimals(&places);
        let ticks = places.into_iter().map(|t| (t, fixed(t, decimals))).collect();
        Self { low, high, log: false, ticks }
    }

    /// A logarithmic axis over these counts; what is below 1 stands at 1.
    #[must_use]
    pub fn log(values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = range(values.into_iter().map(|v| v.max(1.0).log10()));
        let (low, high) = (low - 0.05, high + 0.05);
        let within = |tick: &u64| (low..=high).contains(&(*tick as f64).log10());
        let all = |steps: &'static [u64]| {
            (0..16).flat_map(|p| steps.iter().map(move |s| s * 10u64.pow(p))).filter(within)
        };
        // Under two powers of ten, these alone would leave an axis without numbers.
        let chosen: Vec<u64> =
            if all(&[1]).count() > 2 { all(&[1]).collect() } else { all(&[1, 2, 5]).collect() };
        let ticks = chosen.into_iter().map(|t| ((t as f64).log10(), count(t))).collect();
        Self { low, high, log: true, ticks }
    }

    /// Place of a value between 0 and 1.
    fn part(&self, value: f64) -> f64 {
        self.part_drawn(if self.log { value.max(1.0).log10() } else { value })
    }

    /// The same for a value in the axis' own measure.
    fn part_drawn(&self, value: f64) -> f64 {
        let part = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        if part.is_finite() { part } else { 0.0 }
    }

    /// Values at equal distances on paper.
    fn steps(&self) -> impl Iterator<Item = f64> + '_ {
        (0..=GUIDE_STEPS).map(|i| {
            let at = self.low + (self.high - self.low) * i as f64 / GUIDE_STEPS as f64;
            if self.log { 10f64.powf(at) } else { at }
        })
    }
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|v| v.is_finite())
        .map(|v| v.clamp(-1e100, 1e100))
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    match high - low {
        width if width > 0.0 => (low, high),
        0.0 => (low - 0.5, high + 0.5),
        _ => (0.0, 1.0),
    }
}

/// A scatter chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Scatter {
    /// What it shows, for those who cannot see it.
    pub title: String,
    /// Across.
    pub x: Axis,
    /// Up.
    pub y: Axis,
    /// The marks, later ones on top.
    pub points: Vec<Point>,
    /// Slope of a dashed line through zero, if one is drawn.
    pub guide: Option<f64>,
}

impl Scatter {
    /// Draws it.
    #[must_use]
    pub fn draw(&self) -> Svg {
        let mut svg = Svg::default();
        svg.add(format_args!("<svg class=\"plot\" role=\"img\"><title>{}</title>", Escaped(&self.title)));
        self.draw_grid(&mut svg);
        if let Some(slope) = self.guide {
            self.draw_guide(&mut svg, slope);
        }
        for point in self.points.iter().filter(|p| p.x.is_finite() && p.y.is_finite()) {
            self.draw_point(&mut svg, point);
        }
        svg.add(format_args!("</svg>"));
        svg
    }

    fn draw_grid(&self, svg: &mut Svg) {
        for (tick, label) in &self.y.ticks {
            let (y, class) = (up(self.y.part_drawn(*tick)), if *tick == 0.0 { "zero" } else { "grid" });
            svg.add(format_args!(
                "<line class=\"{class}\" x1=\"0\" x2=\"100%\" y1=\"{y:.2}%\" y2=\"{y:.2}%\"/>\
                 <text x=\"0\" y=\"{y:.2}%\" dy=\"-4\">{label}</text>"
            ));
        }
        for (tick, label) in &self.x.ticks {
            let x = across(self.x.part_drawn(*tick));
            let anchor = if x > 94.0 { "end" } else { "middle" };
            svg.add(format_args!(
                "<line class=\"grid\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"{:.2}%\" y2=\"{:.2}%\"/>\
                 <text x=\"{x:.2}%\" y=\"100%\" dy=\"-3\" text-anchor=\"{anchor}\">{label}</text>",
                up(0.0),
                up(0.0) + 1.5,
            ));
        }
    }

    /// Straight on linear axes and a curve on a logarithmic one, cut where it leaves the chart.
    fn draw_guide(&self, svg: &mut Svg, slope: f64) {
        let inside = |v: &(f64, f64)| (self.y.low..=self.y.high).contains(&v.1);
        svg.add(format_args!(
            "<svg viewBox=\"0 0 100 100\" preserveAspectRatio=\"none\" width=\"100%\" height=\"100%\">\
             <polyline class=\"guide\" points=\""
        ));
        for (x, y) in self.x.steps().map(|x| (x, slope * x)).filter(inside) {
            svg.add(format_args!("{:.2},{:.2} ", across(self.x.part(x)), up(self.y.part(y))));
        }
        svg.add(format_args!("\"/></svg>"));
    }

    fn draw_point(&self, svg: &mut Svg, point: &Point) {
        let (x, y) = (across(self.x.part(point.x)), up(self.y.part(point.y)));
        svg.add(format_args!(
            "<g class=\"{}\"><title>{}</title>",
            class_of(point.standing),
            Escaped(&point.title)
        ));
        if let Some((low, high)) = point.interval {
            let (y1, y2) = (up(self.y.part(high)), up(self.y.part(low)));
            svg.add(format_args!(
                "<line class=\"whisker\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"{y1:.2}%\" y2=\"{y2:.2}%\"/>"
            ));
        }
        match point.standing {
            Standing::Harmful => svg.add(format_args!(
                "<svg class=\"mark\" x=\"{x:.2}%\" y=\"{y:.2}%\"><path d=\"M-5.5-4h11L0 5.5z\"/></svg></g>"
            )),
            _ => svg.add(format_args!("<circle cx=\"{x:.2}%\" cy=\"{y:.2}%\" r=\"4.5\"/></g>")),
        }
    }
}

fn across(part: f64) -> f64 {
    LEFT + part * (100.0 - LEFT - RIGHT)
}

fn up(part: f64) -> f64 {
    100.0 - BOTTOM - part * (100.0 - TOP - BOTTOM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithmic_axes_always_carry_numbers() {
        let labels = |values: &[f64]| {
            let axis = Axis::log(values.iter().copied());
            axis.ticks.into_iter().map(|t| t.1).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(&[1.0, 2_000.0]), "1 10 100 1,000");
        assert_eq!(labels(&[40.0, 600.0]), "50 100 200 500");
        assert_eq!(labels(&[0.0]), "1 2");
        assert_eq!(labels(&[]), "1 2 5 10");
    }

    #[test]
    fn marks_that_are_not_numbers_are_left_out() {
        let point = |y| Point { x: 1.0, y, interval: None, standing: Standing::Paid, title: "<p>".into() };
        let points = vec![point(f64::NAN), point(2.0)];
        let chart = Scatter {
            title: "t".into(),
            x: Axis::log([1.0]),
            y: Axis::linear([2.0]),
            points,
            guide: Some(1.0),
        };
        let svg = chart.draw().to_string();
        assert_eq!(svg.matches("<circle").count(), 1);
        assert!(!svg.contains("NaN") && !svg.contains("<p>"), "{svg}");
    }
}
