//! Symmetric matrices in 16-bit numbers: half the memory of f32, for products that memory bounds.

use crate::Mat;
use crate::simd;

/// Rows and columns of a tile.
pub(crate) const TILE: usize = 16;

/// A symmetric matrix whose entries are the upper halves of f32 numbers (8 bits of mantissa, each off by 0.2% of itself at
/// most), stored as square tiles of its lower triangle.
#[derive(Clone, Debug)]
pub struct HalfSymmetric {
    size: usize,
    tiles: Vec<u16>,
}

impl HalfSymmetric {
    /// Rounds `a`, of which only the lower triangle is read.
    pub fn new(a: &Mat<f32>) -> Self {
        let (size, blocks) = (a.rows(), a.rows().div_ceil(TILE));
        let entry = |i: usize, j: usize| if i < size && j < size { a.row(i.max(j))[i.min(j)] } else { 0.0 };
        let mut tiles = Vec::with_capacity(blocks * (blocks + 1) / 2 * TILE * TILE);
        for (i, j) in (0..blocks).flat_map(|i| (0..=i).map(move |j| (i, j))) {
            let places = (0..TILE).flat_map(|r| (0..TILE).map(move |c| (i * TILE + r, j * TILE + c)));
            tiles.extend(places.map(|(r, c)| upper(entry(r, c))));
        }
        Self { size, tiles }
    }

    /// Number of rows.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The product with `x`.
    ///
    /// # Panics
    /// When `x` has another length than the matrix has rows.
    pub fn times(&self, x: &[f32]) -> Vec<f32> {
        assert_eq!(x.len(), self.size, "a vector of another size");
        let mut padded = x.to_vec();
        padded.resize(self.size.next_multiple_of(TILE), 0.0);
        let mut out = vec![0.0; padded.len()];
        simd::half_times(&self.tiles, &padded, &mut out);
        out.truncate(self.size);
        out
    }
}

/// The upper half of the bits, rounded to the nearest, ties to even.
fn upper(x: f32) -> u16 {
    let bits = x.to_bits();
    (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_that_of_the_rounded_matrix() {
        for n in [1, 15, 16, 17, 70] {
            let mut a = Mat::zeros(n, n);
            for i in 0..n {
                for j in 0..=i {
                    a.row_mut(i)[j] = ((i * 31 + j * 17) % 23) as f32 - 11.3;
                }
            }
            let x: Vec<f32> = (0..n).map(|i| ((i * 7) % 5) as f32 - 1.9).collect();
            let got = HalfSymmetric::new(&a).times(&x);
            for (i, got) in got.iter().enumerate() {
                let term = |j: usize| {
                    let a = a.row(i.max(j))[i.min(j)];
                    (f64::from(a * x[j]), f64::from((a * x[j]).abs()))
                };
                let (sum, size) = (0..n).map(term).fold((0.0, 0.0), |s, t| (s.0 + t.0, s.1 + t.1));
                assert!((f64::from(*got) - sum).abs() <= size / 512.0 + 1e-5, "{n} {i}");
            }
        }
    }
}
