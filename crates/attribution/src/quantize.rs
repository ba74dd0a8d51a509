//! The one door from floats to integers.
//!
//! Values enter the log as micro-bits, shares as parts per million. Rounding is half to even, so that it has no
//! drift; shares are exact in sum.

/// Why a number has no integer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum QuantizeError {
    /// NaN or infinite.
    #[error("number {0} of the list is not finite")]
    NotFinite(usize),
    /// Does not fit.
    #[error("number {0} of the list is too large: at most 9.2e12 bits can be written as micro-bits")]
    TooLarge(usize),
    /// Shares of a whole that is not there.
    #[error("no weight is above zero: nothing can be shared out")]
    NoWeight,
    /// A weight of a share is negative.
    #[error("weight {0} of the list is negative")]
    Negative(usize),
}

/// A whole in parts per million.
pub const WHOLE_PPM: u32 = 1_000_000;

/// Bits as micro-bits, rounded half to even.
///
/// # Errors
/// When the number is not finite or too large; the index in the error is 0.
pub fn micro_bits(bits: f64) -> Result<i64, QuantizeError> {
    if !bits.is_finite() {
        return Err(QuantizeError::NotFinite(0));
    }
    let micro = (bits * 1e6).round_ties_even();
    // 2^63 is a float; i64::MAX is not.
    if micro.abs() >= 9_223_372_036_854_775_808.0 {
        return Err(QuantizeError::TooLarge(0));
    }
    Ok(micro as i64)
}

/// Many values as micro-bits.
///
/// # Errors
/// As [`micro_bits`], with the index of the value.
pub fn all_micro_bits(bits: &[f64]) -> Result<Vec<i64>, QuantizeError> {
    let one = |(i, &x): (usize, &f64)| {
        micro_bits(x).map_err(|e| match e {
            QuantizeError::TooLarge(_) => QuantizeError::TooLarge(i),
            _ => QuantizeError::NotFinite(i),
        })
    };
    bits.iter().enumerate().map(one).collect()
}

/// Shares in proportion to weights, in parts per million that sum to exactly [`WHOLE_PPM`]: floors, then one more
/// for the largest remainders, ties to the lower index.
///
/// # Errors
/// When a weight is negative or not finite, or none is above zero.
pub fn shares_ppm(weights: &[f64]) -> Result<Vec<u32>, QuantizeError> {
    for (i, w) in weights.iter().enumerate() {
        if !w.is_finite() {
            return Err(QuantizeError::NotFinite(i));
        }
        if *w < 0.0 {
            return Err(QuantizeError::Negative(i));
        }
    }
    let top = weights.iter().copied().fold(0.0, f64::max);
    if top <= 0.0 {
        return Err(QuantizeError::NoWeight);
    }
    // Relative to the largest, so that no sum overflows.
    let total: f64 = weights.iter().map(|w| w / top).sum();
    let exact: Vec<f64> = weights.iter().map(|w| w / top / total * f64::from(WHOLE_PPM)).collect();
    let mut shares: Vec<u32> = exact.iter().map(|x| x.floor() as u32).collect();
    let given: u64 = shares.iter().map(|&s| u64::from(s)).sum();
    let mut order: Vec<usize> = (0..weights.len()).filter(|&i| weights[i] > 0.0).collect();
    order.sort_by(|&a, &b| {
        (exact[b] - exact[b].floor()).total_cmp(&(exact[a] - exact[a].floor())).then(a.cmp(&b))
    });
    // Rounding of the division may leave the floors one above the whole in sum: then the smallest remainders pay.
    let mut left = i64::from(WHOLE_PPM) - given as i64;
    let mut turn = 0;
    while left != 0 {
        let i =
            if left > 0 { order[turn % order.len()] } else { order[order.len() - 1 - turn % order.len()] };
        if left > 0 {
            shares[i] += 1;
            left -= 1;
        } else if shares[i] > 0 {
            shares[i] -= 1;
            left += 1;
        }
        turn += 1;
    }
    Ok(shares)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rounds_half_to_even_and_refuses_what_does_not_fit() {
        assert_eq!(micro_bits(0.000_000_5).unwrap(), 0);
        assert_eq!(micro_bits(0.000_001_5).unwrap(), 2);
        assert_eq!(micro_bits(-0.000_002_5).unwrap(), -2);
        assert_eq!(micro_bits(0.339_999_9).unwrap(), 340_000);
        assert_eq!(micro_bits(f64::NAN), Err(QuantizeError::NotFinite(0)));
        assert_eq!(micro_bits(1e13), Err(QuantizeError::TooLarge(0)));
        assert_eq!(all_micro_bits(&[1.0, f64::INFINITY]), Err(QuantizeError::NotFinite(1)));
        assert_eq!(all_micro_bits(&[1.0, -2.5]).unwrap(), vec![1_000_000, -2_500_000]);
    }

    #[test]
    fn shares_go_to_the_largest_remainders_and_ties_to_the_first() {
        assert_eq!(shares_ppm(&[1.0, 1.0, 1.0]).unwrap(), vec![333_334, 333_333, 333_333]);
        assert_eq!(shares_ppm(&[0.0, 2.0, 0.0]).unwrap(), vec![0, 1_000_000, 0]);
        assert_eq!(shares_ppm(&[0.0, 0.0]), Err(QuantizeError::NoWeight));
        assert_eq!(shares_ppm(&[1.0, -1.0]), Err(QuantizeError::Negative(1)));
        assert_eq!(shares_ppm(&[]), Err(QuantizeError::NoWeight));
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_whole_and_stay_near_proportion(
            weights in proptest::collection::vec(prop_oneof![Just(0.0), 0.0..1e300_f64, 0.0..1.0_f64], 1..200)
        ) {
            prop_assume!(weights.iter().any(|w| *w > 0.0));
            let shares = shares_ppm(&weights).unwrap();
            prop_assert_eq!(shares.iter().map(|&s| u64::from(s)).sum::<u64>(), 1_000_000);
            let top = weights.iter().copied().fold(0.0, f64::max);
            let total: f64 = weights.iter().map(|w| w / top).sum();
            for (w, s) in weights.iter().zip(shares) {
                prop_assert!((w / top / total * 1e6 - f64::from(s)).abs() < 1.001);
                prop_assert!(*w > 0.0 || s == 0);
            }
        }
    }
}
