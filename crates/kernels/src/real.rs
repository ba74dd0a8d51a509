//! The two number types of the kernels.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};
use std::sync::Arc;

use crate::design::{Design, Single};
use crate::simd::Vectors;

/// `f32` (storage of large problems) or `f64` (small problems, where exactness costs nothing).
pub trait Real:
    Copy
    + Default
    + Debug
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + Sum
    + Vectors
    + 'static
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// The nearest value to `x`.
    fn of(x: f64) -> Self;
    /// The same value as `f64`.
    fn f64(self) -> f64;
    /// e to the power of a value that is not above zero; exact to about two units in the last place.
    fn exp_nonpositive(self) -> Self;
    /// A design of this type in f32.
    fn single(design: &Design<Self>) -> Single<'_>;
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    fn single(design: &Design<Self>) -> Single<'_> {
        Single::Copy(Arc::new(design.convert()))
    }
    #[inline(always)]
    fn of(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn f64(self) -> f64 {
        self
    }

    /// As that of f32: a Taylor polynomial of degree 13 in r (error 4e-18).
    #[inline(always)]
    fn exp_nonpositive(self) -> Self {
        const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
        const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
        const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
        /// 1 / k!, from k = 13 down to 0.
        const TERMS: [f64; 14] = {
            let mut terms = [1.0; 14];
            let mut k = 1;
            let mut factorial = 1.0;
            while k < 14 {
                factorial *= k as f64;
                terms[13 - k] = 1.0 / factorial;
                k += 1;
            }
            terms
        };
        let x = if self < -708.0 { -708.0 } else { self };
        let shifted = x * std::f64::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let r = x - n * LN2_HIGH - n * LN2_LOW;
        let mut poly = TERMS[0];
        for term in &TERMS[1..] {
            poly = *term + r * poly;
        }
        poly * f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52))
    }
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    fn single(design: &Design<Self>) -> Single<'_> {
        Single::Same(design)
    }
    #[inline(always)]
    fn of(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn f64(self) -> f64 {
        f64::from(self)
    }

    /// Free of branches and calls, so that a loop of it becomes vector code: x = n ln 2 + r, |r| <= ln 2 / 2, a
    /// Taylor polynomial of degree 6 in r (error 1e-7), and n added to the exponent bits.
    #[inline(always)]
    fn exp_nonpositive(self) -> Self {
        const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it leaves the nearest integer in the low bits.
        const LN2_HIGH: f32 = 0.693_359_4;
        const LN2_LOW: f32 = -2.121_944_4e-4;
        let x = if self < -87.0 { -87.0 } else { self };
        let shifted = x * std::f32::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let r = x - n * LN2_HIGH - n * LN2_LOW;
        let tail = 1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0)));
        let poly = 1.0 + r * (1.0 + r * (0.5 + r * tail));
        poly * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn double_precision_exponential_is_exact_to_two_ulp() {
        for k in 0..100_000 {
            let x = -f64::from(k) * 708.0 / 100_000.0;
            let (got, want) = (x.exp_nonpositive(), x.exp());
            assert!((got - want).abs() <= 4.5e-16 * want, "exp({x}) = {got}, want {want}");
        }
        assert_eq!(0.0_f64.exp_nonpositive(), 1.0);
        assert!((-1e30_f64).exp_nonpositive() < 1e-307);
    }

    #[test]
    fn single_precision_exponential_is_exact_to_two_ulp() {
        for k in 0..100_000 {
            let x = -f64::from(k) * 87.0 / 100_000.0;
            let x32 = x as f32;
            let got = f64::from(x32.exp_nonpositive());
            let want = f64::from(x32).exp();
            assert!((got - want).abs() <= 3e-7 * want, "exp({x32}) = {got}, want {want}");
        }
        assert_eq!(0.0_f32.exp_nonpositive(), 1.0);
        assert!((-1e30_f32).exp_nonpositive() < 1e-37);
    }
}
