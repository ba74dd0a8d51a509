//! A symmetric matrix of 16-bit numbers times a vector. All safe code, as in `rows`.

use super::lanes::{Unit, Vectors};
use super::{Level, by_level, level};
use crate::half::TILE;
use crate::real::Real;

/// Rows whose sums are in registers.
const ROWS: usize = TILE / 2;

by_level! {
    /// Adds the product of the matrix in `tiles` with `x` to `y`; both are whole tiles long.
    half_times = half_times_body(tiles: &[u16], x: &[T], y: &mut [T])
}

#[inline(always)]
fn half_times_body<T: Real, U: Unit<Elem = T>>(tiles: &[u16], x: &[T], y: &mut [T]) {
    for i in 0..x.len() / TILE {
        let row = &tiles[i * (i + 1) / 2 * TILE * TILE..][..(i + 1) * TILE * TILE];
        let (left, diagonal) = row.split_at(i * TILE * TILE);
        for first in [0, ROWS] {
            let mut own = [T::ZERO; ROWS];
            own.copy_from_slice(&x[i * TILE + first..][..ROWS]);
            let mut sums = [[T::ZERO; TILE]; ROWS];
            let blocks = x.chunks_exact(TILE).zip(y.chunks_exact_mut(TILE));
            for (tile, (x, y)) in left.chunks_exact(TILE * TILE).zip(blocks) {
                let mut across = [T::ZERO; TILE];
                across.copy_from_slice(y);
                for ((row, sum), &own) in tile[first * TILE..].chunks_exact(TILE).zip(&mut sums).zip(&own) {
                    for k in 0..TILE {
                        let a = wide::<T>(row[k]);
                        sum[k] += a * x[k];
                        across[k] += a * own;
                    }
                }
                y.copy_from_slice(&across);
            }
            let here = &x[i * TILE..][..TILE];
            for (r, sum) in sums.iter_mut().enumerate() {
                let row = &diagonal[(first + r) * TILE..][..TILE];
                for k in 0..TILE {
                    sum[k] += wide::<T>(row[k]) * here[k];
                }
                y[i * TILE + first + r] += sum.iter().copied().sum();
            }
        }
    }
}

/// The number of which `upper` is the upper half.
#[inline(always)]
fn wide<T: Real>(upper: u16) -> T {
    T::of(f64::from(f32::from_bits(u32::from(upper) << 16)))
}
