//! The one module with `unsafe`: vector units chosen at run time, and the inner loops written once over them.
//!
//! Each loop is an `inline(always)` body over [`Lanes`], instantiated under `#[target_feature]` for AVX-512, for
//! AVX2 with FMA, and plainly. Every output number is a sum in one fixed order, whatever the thread count.
#![allow(unsafe_code)]
#![allow(clippy::needless_range_loop)] // Loops over registers.

mod batch;
mod half;
mod lanes;
mod products;
mod rows;

pub(crate) use batch::{along, lane_dots, misses, sigmoid, softmax, softmax_along, spreads};
pub(crate) use half::half_times;
pub(crate) use lanes::Vectors;
pub(crate) use products::{Dense, Sparse, dense_product, lane_dot, sparse_product};
pub(crate) use rows::{axpy, column_dots, curvature_rows, descend, dot_into, softmax_rows, xpby};

use crate::real::Real;

/// Vector units of this processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Avx512,
    Avx2,
    Plain,
}

/// The widest unit that this processor has. The standard library caches the question.
#[inline]
pub(crate) fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
        {
            return Level::Avx512;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Level::Avx2;
        }
    }
    Level::Plain
}

/// Dot product of two slices.
pub(crate) fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    let mut out = T::ZERO;
    dot_into(x, y, &mut out);
    out
}

/// Defines `$name` as a choice between instances of `$body`, an `inline(always)` function of the same arguments
/// that is generic over the number type and the vector unit.
macro_rules! by_level {
    ($(#[$doc:meta])* $name:ident = $body:ident ($($arg:ident : $ty:ty),* $(,)?)) => {
        $(#[$doc])*
        pub(crate) fn $name<T: Real>($($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx2,fma")]
            fn avx512<T: Real>($($arg: $ty),*) {
                $body::<T, <T as Vectors>::Avx512>($($arg),*);
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2<T: Real>($($arg: $ty),*) {
                $body::<T, <T as Vectors>::Avx2>($($arg),*);
            }
            match level() {
                // SAFETY: the processor has the features that the instance was compiled for.
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => unsafe { avx512::<T>($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => unsafe { avx2::<T>($($arg),*) },
                _ => $body::<T, <T as Vectors>::Plain>($($arg),*),
            }
        }
    };
}
use by_level;
