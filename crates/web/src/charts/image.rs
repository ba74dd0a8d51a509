//! Records that are small grey images.

use super::Svg;

/// Side of the images that are drawn.
const SIDE: usize = 8;
/// The darkest grey.
const DARKEST: f64 = 16.0;

/// Draws 64 numbers between 0 and 16 as an 8 by 8 image, rows first, 16 being ink; `None` for any other numbers.
///
/// `alt` says in words what it shows.
#[must_use]
pub fn image8(numbers: &[f64], alt: &str) -> Option<Svg> {
    let drawable = numbers.len() == SIDE * SIDE && numbers.iter().all(|v| (0.0..=DARKEST).contains(v));
    if !drawable {
        return None;
    }
    let mut svg = Svg::default();
    svg.add(format_args!(
        "<svg class=\"tile\" viewBox=\"0 0 {SIDE} {SIDE}\" role=\"img\"><title>{}</title>",
        super::Escaped(alt)
    ));
    for (i, value) in numbers.iter().enumerate().filter(|(_, v)| **v > 0.0) {
        let (x, y, ink) = (i % SIDE, i / SIDE, value / DARKEST);
        svg.add(format_args!("<path opacity=\"{ink:.2}\" d=\"M{x} {y}h1v1h-1z\"/>"));
    }
    svg.add(format_args!("</svg>"));
    Some(svg)
}

#[cfg(test)]
mod tests {
    use super::image8;

    #[test]
    fn draws_only_images() {
        let mut numbers = vec![0.0; 64];
        numbers[9] = 16.0;
        let svg = image8(&numbers, "a <dot>").map(|s| s.to_string()).unwrap_or_default();
        assert!(
            svg.contains("a &lt;dot&gt;") && svg.contains("opacity=\"1.00\" d=\"M1 1h1v1h-1z\""),
            "{svg}"
        );
        numbers[0] = 17.0;
        assert_eq!(image8(&numbers, ""), None);
        numbers[0] = f64::NAN;
        assert_eq!(image8(&numbers, ""), None);
        assert_eq!(image8(&numbers[1..], ""), None);
    }
}
