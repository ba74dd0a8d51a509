//! The directions of feature space along which records differ most.

use crate::simd;
use crate::{Design, Mat};

/// Steps of subspace iteration: directions that matter twice as much as another are apart by 2^16 then.
const STEPS: usize = 8;

/// An orthonormal basis (features x `count`) of about the space of the largest eigenvalues of X'X, by subspace iteration
/// (Golub and Van Loan, Matrix Computations, 8.2.4) from a fixed start; all of feature space when `count` is as large.
pub fn leading(design: &Design<f32>, count: usize) -> Mat<f32> {
    let features = design.cols();
    let count = count.min(features);
    let mut basis = Mat::zeros(features, count);
    if count == features {
        (0..features).for_each(|j| basis.row_mut(j)[j] = 1.0);
        return basis;
    }
    let mut draw = 0_u64;
    basis.data_mut().iter_mut().for_each(|x| *x = uniform(&mut draw));
    let mut along = Mat::zeros(design.rows(), count);
    for _ in 0..STEPS {
        basis = orthonormal(&basis);
        design.times(&basis, &mut along, |_, _| {});
        design.transpose_times(&along, &mut basis, |_, _| {});
    }
    orthonormal(&basis)
}

/// Gram-Schmidt on the columns, twice; a column that depends on those before it becomes zero.
fn orthonormal(columns: &Mat<f32>) -> Mat<f32> {
    let mut rows = transposed(columns);
    let length = rows.cols();
    for k in 0..rows.rows() {
        let (done, rest) = rows.data_mut().split_at_mut(k * length);
        let row = &mut rest[..length];
        let before = norm(row);
        for _ in 0..2 {
            for other in done.chunks_exact(length) {
                simd::axpy(-simd::dot(other, row), other, row);
            }
        }
        let after = norm(row);
        let scale = if after > 1e-5 * before { after.recip() } else { 0.0 };
        row.iter_mut().for_each(|x| *x = (f64::from(*x) * scale) as f32);
    }
    transposed(&rows)
}

fn norm(x: &[f32]) -> f64 {
    x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

fn transposed(a: &Mat<f32>) -> Mat<f32> {
    let mut out = Mat::zeros(a.cols(), a.rows());
    for i in 0..a.rows() {
        a.row(i).iter().enumerate().for_each(|(j, &x)| out.row_mut(j)[i] = x);
    }
    out
}

/// The next of a fixed sequence of numbers in -1..1 (SplitMix64; Steele, Lea and Flood 2014).
fn uniform(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f32 / 8_388_608.0 - 1.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Rows spread along the axes by falling amounts: the first axes lead.
    #[test]
    fn the_widest_directions_are_found() {
        let mut draw = 9;
        let mut x = Mat::zeros(300, 12);
        for i in 0..300 {
            for (j, x) in x.row_mut(i).iter_mut().enumerate() {
                *x = uniform(&mut draw) * 0.5_f32.powi(j as i32);
            }
        }
        let found = leading(&Design::dense(&x), 4);
        for a in 0..4 {
            for b in 0..4 {
                let dot: f32 = (0..12).map(|j| found.row(j)[a] * found.row(j)[b]).sum();
                assert!((dot - f32::from(u8::from(a == b))).abs() < 1e-5, "{a} {b} {dot}");
            }
        }
        let inside = |j: usize| found.row(j).iter().map(|x| x * x).sum::<f32>();
        assert!((0..4).all(|j| inside(j) > 0.99) && (4..12).all(|j| inside(j) < 0.01));
        assert_eq!(leading(&Design::dense(&x), 50).data(), leading(&Design::dense(&x), 12).data());
        // Fewer dimensions than directions: what there is, and zeros.
        let flat = Design::dense(&Mat::from_vec(2, 4, vec![1.0, 2.0, 0.0, 0.0, 2.0, 4.0, 0.0, 0.0]).unwrap());
        assert!(leading(&flat, 3).data().iter().all(|x| x.is_finite()));
    }
}
