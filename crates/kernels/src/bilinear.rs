//! A bilinear form of two descriptions of every record.

use rayon::prelude::*;

use crate::Mat;
use crate::simd::{self, Dense};

/// Records handled at a time.
const BLOCK: usize = 64;

/// Multiplications below which a second thread costs more than it brings.
const WORTH_THREADS: usize = 1 << 26;

/// `< panel' left_i + along_i direction, right_i >` of every record i. `left` is records x a, `panel` a x b, `right` records
/// x b; fastest when b is a multiple of 16.
///
/// # Panics
/// When the sizes do not agree.
pub fn bilinear(
    left: &Mat<f32>,
    panel: &Mat<f32>,
    (along, direction): (&[f32], &[f32]),
    right: &Mat<f32>,
) -> Vec<f32> {
    let (records, width) = (right.rows(), right.cols());
    assert_eq!((left.rows(), panel.rows()), (records, left.cols()), "descriptions of other records");
    assert_eq!((panel.cols(), direction.len(), along.len()), (width, width, records), "sizes of a form");
    let mut out = vec![0.0; records];
    let block = |(k, out): (usize, &mut [f32])| {
        let first = k * BLOCK;
        let rows = first * left.cols()..(first + out.len()) * left.cols();
        let mut scratch = vec![0.0; out.len() * width];
        simd::dense_product(
            Dense { data: &left.data()[rows], cols: left.cols() },
            panel.data(),
            width,
            &mut scratch,
        );
        for (r, (out, scratch)) in out.iter_mut().zip(scratch.chunks_exact_mut(width)).enumerate() {
            simd::axpy(along[first + r], direction, scratch);
            *out = simd::dot(scratch, right.row(first + r));
        }
    };
    if width == 0 {
        return out;
    }
    if records * left.cols() * width < WORTH_THREADS {
        out.chunks_mut(BLOCK).enumerate().for_each(block);
    } else {
        out.par_chunks_mut(BLOCK).enumerate().for_each(block);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_is_the_sum_of_all_products() {
        let made = |rows: usize, cols: usize, by: usize| {
            let data = (0..rows * cols).map(|k| ((k * by + 3) % 17) as f32 - 8.0).collect();
            Mat::from_vec(rows, cols, data).unwrap()
        };
        for (records, a, b) in [(0, 3, 4), (1, 1, 1), (70, 5, 16), (130, 0, 9)] {
            let (left, panel, right) = (made(records, a, 5), made(a, b, 7), made(records, b, 3));
            let along: Vec<f32> = (0..records).map(|i| (i % 3) as f32).collect();
            let direction: Vec<f32> = (0..b).map(|c| c as f32 - 1.0).collect();
            for (i, found) in bilinear(&left, &panel, (&along, &direction), &right).iter().enumerate() {
                let inner = |c: usize| (0..a).map(|j| left.row(i)[j] * panel.row(j)[c]).sum::<f32>();
                let sum: f32 = (0..b).map(|c| (inner(c) + along[i] * direction[c]) * right.row(i)[c]).sum();
                assert!((sum - found).abs() < 1e-2, "{i} {sum} {found}");
            }
        }
    }
}
