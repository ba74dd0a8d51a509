//! Vectors of a few numbers: the intrinsics behind one small trait.

use std::marker::PhantomData;

use crate::real::Real;

/// A vector of `N` numbers.
///
/// # Safety
/// `load` and `store` need `N` valid numbers behind the pointer; every function needs the processor features of
/// the implementing type.
pub trait Lanes: Copy {
    /// Number type.
    type Elem: Copy;
    /// Numbers in a vector.
    const N: usize;
    /// All lanes equal to `x`.
    unsafe fn splat(x: Self::Elem) -> Self;
    /// Reads `N` numbers; no alignment needed.
    unsafe fn load(from: *const Self::Elem) -> Self;
    /// Writes `N` numbers; no alignment needed.
    unsafe fn store(self, to: *mut Self::Elem);
    /// `self + a * b`.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    /// `self + a`.
    unsafe fn plus(self, a: Self) -> Self;
}

/// The vectors of one processor level: full ones, and narrow ones for panels of fewer columns.
pub trait Unit {
    /// Number type.
    type Elem: Copy;
    /// The widest vector.
    type Full: Lanes<Elem = Self::Elem>;
    /// Eight numbers.
    type By8: Lanes<Elem = Self::Elem>;
    /// Four numbers.
    type By4: Lanes<Elem = Self::Elem>;
    /// Two numbers.
    type By2: Lanes<Elem = Self::Elem>;
    /// One number.
    type By1: Lanes<Elem = Self::Elem>;
}

/// The units of a number type, by processor.
pub trait Vectors: Sized {
    /// AVX-512.
    type Avx512: Unit<Elem = Self>;
    /// AVX2 with FMA.
    type Avx2: Unit<Elem = Self>;
    /// No vector unit assumed.
    type Plain: Unit<Elem = Self>;
}

/// A vector as an array; also the remainder of a row that does not fill a hardware vector.
#[derive(Clone, Copy)]
pub struct Array<T, const N: usize, const FMA: bool>([T; N]);

macro_rules! array_lanes {
    ($t:ty) => {
        impl<const N: usize, const FMA: bool> Lanes for Array<$t, N, FMA> {
            type Elem = $t;
            const N: usize = N;
            #[inline(always)]
            unsafe fn splat(x: $t) -> Self {
                Self([x; N])
            }
            #[inline(always)]
            unsafe fn load(from: *const $t) -> Self {
                // SAFETY: the caller has N numbers there.
                Self(unsafe { from.cast::<[$t; N]>().read_unaligned() })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $t) {
                // SAFETY: the caller has room for N numbers there.
                unsafe { to.cast::<[$t; N]>().write_unaligned(self.0) }
            }
            #[inline(always)]
            unsafe fn add_product(mut self, a: Self, b: Self) -> Self {
                for i in 0..N {
                    // Without the unit, `mul_add` would be a slow library call.
                    self.0[i] =
                        if FMA { a.0[i].mul_add(b.0[i], self.0[i]) } else { self.0[i] + a.0[i] * b.0[i] };
                }
                self
            }
            #[inline(always)]
            unsafe fn plus(mut self, a: Self) -> Self {
                for i in 0..N {
                    self.0[i] += a.0[i];
                }
                self
            }
        }
    };
}
array_lanes!(f32);
array_lanes!(f64);

macro_rules! unit {
    ($unit:ty, $t:ty, $full:ty, $by8:ty, $by4:ty, $by2:ty, $fma:literal) => {
        impl Unit for $unit {
            type Elem = $t;
            type Full = $full;
            type By8 = $by8;
            type By4 = $by4;
            type By2 = $by2;
            type By1 = Array<$t, 1, $fma>;
        }
    };
}

#[cfg(target_arch = "x86_64")]
macro_rules! hardware_lanes {
    ($v:ty, $t:ty, $n:literal, $splat:ident, $load:ident, $store:ident, $fma:ident, $add:ident) => {
        impl Lanes for $v {
            type Elem = $t;
            const N: usize = $n;
            #[inline(always)]
            unsafe fn splat(x: $t) -> Self {
                // SAFETY: the caller runs on a processor with this unit.
                unsafe { $splat(x) }
            }
            #[inline(always)]
            unsafe fn load(from: *const $t) -> Self {
                // SAFETY: as above, and the caller has N numbers there.
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $t) {
                // SAFETY: as above, and the caller has room for N numbers there.
                unsafe { $store(to, self) }
            }
            #[inline(always)]
            unsafe fn add_product(self, a: Self, b: Self) -> Self {
                // SAFETY: the caller runs on a processor with this unit.
                unsafe { $fma(a, b, self) }
            }
            #[inline(always)]
            unsafe fn plus(self, a: Self) -> Self {
                // SAFETY: the caller runs on a processor with this unit.
                unsafe { $add(self, a) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Array, Lanes, PhantomData, Unit};
    use std::arch::x86_64::*;

    hardware_lanes!(
        __m512,
        f32,
        16,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps
    );
    hardware_lanes!(
        __m512d,
        f64,
        8,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_fmadd_pd,
        _mm512_add_pd
    );
    hardware_lanes!(
        __m256,
        f32,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps
    );
    hardware_lanes!(
        __m256d,
        f64,
        4,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_fmadd_pd,
        _mm256_add_pd
    );

    hardware_lanes!(__m128, f32, 4, _mm_set1_ps, _mm_loadu_ps, _mm_storeu_ps, _mm_fmadd_ps, _mm_add_ps);
    hardware_lanes!(__m128d, f64, 2, _mm_set1_pd, _mm_loadu_pd, _mm_storeu_pd, _mm_fmadd_pd, _mm_add_pd);

    /// 512-bit vectors.
    pub struct Avx512<T>(PhantomData<T>);
    /// 256-bit vectors.
    pub struct Avx2<T>(PhantomData<T>);
    unit!(Avx512<f32>, f32, __m512, __m256, __m128, Array<f32, 2, true>, true);
    unit!(Avx512<f64>, f64, __m512d, __m512d, __m256d, __m128d, true);
    unit!(Avx2<f32>, f32, __m256, __m256, __m128, Array<f32, 2, true>, true);
    unit!(Avx2<f64>, f64, __m256d, Array<f64, 8, true>, __m256d, __m128d, true);
}
#[cfg(target_arch = "x86_64")]
use x86::{Avx2, Avx512};

/// No vector unit assumed.
pub struct Plain<T>(PhantomData<T>);
unit!(Plain<f32>, f32, Array<f32, 4, false>, Array<f32, 8, false>, Array<f32, 4, false>, Array<f32, 2, false>, false);
unit!(Plain<f64>, f64, Array<f64, 4, false>, Array<f64, 8, false>, Array<f64, 4, false>, Array<f64, 2, false>, false);
#[cfg(not(target_arch = "x86_64"))]
use {Plain as Avx2, Plain as Avx512};

impl Vectors for f32 {
    type Avx512 = Avx512<f32>;
    type Avx2 = Avx2<f32>;
    type Plain = Plain<f32>;
}
impl Vectors for f64 {
    type Avx512 = Avx512<f64>;
    type Avx2 = Avx2<f64>;
    type Plain = Plain<f64>;
}

/// Zero in every lane.
#[inline(always)]
pub(super) unsafe fn zero<T: Real, V: Lanes<Elem = T>>() -> V {
    // SAFETY: passed on to the caller.
    unsafe { V::splat(T::ZERO) }
}
