//! Gauss-Legendre quadrature.

/// The `n` nodes and weights that integrate polynomials of degree below 2n over [0, 1] exactly, ascending.
///
/// Newton's method on the Legendre polynomial from the usual cosine guess; exact to a few units in the last place.
pub fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let mut out = vec![(0.0, 0.0); n];
    for i in 0..n {
        let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut slope = 0.0;
        for _ in 0..100 {
            let (value, derivative) = legendre(n, x);
            slope = derivative;
            let step = value / derivative;
            x -= step;
            if step.abs() <= 1e-15 {
                break;
            }
        }
        out[n - 1 - i] = (0.5 * (1.0 + x), 1.0 / ((1.0 - x * x) * slope * slope));
    }
    out
}

/// The Legendre polynomial of degree n >= 1 and its derivative at x, |x| < 1.
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut previous, mut current) = (1.0, x);
    for k in 2..=n {
        let k = k as f64;
        (previous, current) = (current, ((2.0 * k - 1.0) * x * current - (k - 1.0) * previous) / k);
    }
    (current, n as f64 * (x * current - previous) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_published_nodes() {
        // Abramowitz and Stegun, table 25.4, on [-1, 1].
        let five = gauss_legendre(5);
        let nodes = [
            -0.906_179_845_938_664,
            -0.538_469_310_105_683,
            0.0,
            0.538_469_310_105_683,
            0.906_179_845_938_664,
        ];
        let weights = [
            0.236_926_885_056_189,
            0.478_628_670_499_366,
            0.568_888_888_888_889,
            0.478_628_670_499_366,
            0.236_926_885_056_189,
        ];
        for (k, &(x, w)) in five.iter().enumerate() {
            assert!((2.0 * x - 1.0 - nodes[k]).abs() < 1e-14);
            assert!((2.0 * w - weights[k]).abs() < 1e-14);
        }
        let sixteen = gauss_legendre(16);
        assert!((2.0 * sixteen[15].0 - 1.0 - 0.989_400_934_991_650).abs() < 1e-14);
        assert!((2.0 * sixteen[15].1 - 0.027_152_459_411_754).abs() < 1e-14);
    }

    #[test]
    fn integrates_polynomials_exactly() {
        for n in 1..=64 {
            let rule = gauss_legendre(n);
            assert!(rule.windows(2).all(|w| w[0].0 < w[1].0));
            for degree in 0..2 * n {
                let got: f64 = rule.iter().map(|(x, w)| w * x.powi(degree as i32)).sum();
                let want = 1.0 / (degree as f64 + 1.0);
                assert!((got - want).abs() < 1e-13, "n {n} degree {degree}: {got} {want}");
            }
        }
    }
}
