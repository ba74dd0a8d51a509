//! A design matrix ready for products with it and with its transpose.

use std::ops::Deref;
use std::sync::Arc;

use rayon::prelude::*;

use crate::real::Real;
use crate::simd::{self, Dense, Sparse};
use crate::{Csr, Mat};

/// A matrix X of records by features, kept together with its transpose, so that both X V and X' R are gathers that
/// write each output row once: fast, and with the same bits whatever the number of threads.
#[derive(Clone, Debug)]
pub struct Design<T> {
    forward: Operand<T>,
    transposed: Operand<T>,
    sparse: bool,
}

/// One orientation, cut into blocks of rows of about equal work.
#[derive(Clone, Debug)]
struct Operand<T> {
    rows: usize,
    cols: usize,
    store: Store<T>,
    /// Row boundaries of the blocks, from 0 to `rows`.
    blocks: Vec<usize>,
}

#[derive(Clone, Debug)]
enum Store<T> {
    Dense(Vec<T>),
    Sparse { starts: Vec<usize>, indices: Vec<u32>, values: Vec<T> },
}

/// A design in f32, whatever the number type of the one that it is of: for what need not be exact.
#[derive(Clone, Debug)]
pub enum Single<'a> {
    /// It is in f32 itself.
    Same(&'a Design<f32>),
    /// A copy.
    Copy(Arc<Design<f32>>),
}

impl Deref for Single<'_> {
    type Target = Design<f32>;

    fn deref(&self) -> &Design<f32> {
        match self {
            Self::Same(design) => design,
            Self::Copy(design) => design,
        }
    }
}

/// Blocks that an operand is cut into at most: enough to balance the load, few enough to cost nothing.
const BLOCKS: usize = 64;

/// Rows of a dense operand that are multiplied together: a block has whole tiles.
const TILE: usize = 8;

/// Multiplications in a product below which a second thread costs more than it brings.
const WORTH_THREADS: usize = 2_000_000;

impl<T: Real> Design<T> {
    /// From a dense matrix.
    pub fn dense(x: &Mat<f32>) -> Self {
        let (n, d) = (x.rows(), x.cols());
        let mut across = vec![T::ZERO; n * d];
        for i in 0..n {
            for (j, &v) in x.row(i).iter().enumerate() {
                across[j * n + i] = T::of(f64::from(v));
            }
        }
        let along = x.data().iter().map(|&v| T::of(f64::from(v))).collect();
        Self {
            forward: Operand::new(n, d, Store::Dense(along)),
            transposed: Operand::new(d, n, Store::Dense(across)),
            sparse: false,
        }
    }

    /// From a sparse matrix.
    pub fn sparse(x: &Csr) -> Self {
        let (n, d) = (x.rows(), x.cols());
        let mut starts = Vec::with_capacity(n + 1);
        starts.push(0);
        let (mut indices, mut values) = (Vec::with_capacity(x.nnz()), Vec::with_capacity(x.nnz()));
        let mut counts = vec![0_usize; d + 1];
        for i in 0..n {
            let (cols, vals) = x.row(i);
            indices.extend_from_slice(cols);
            values.extend(vals.iter().map(|&v| T::of(f64::from(v))));
            starts.push(indices.len());
            for &c in cols {
                counts[c as usize + 1] += 1;
            }
        }
        for j in 0..d {
            counts[j + 1] += counts[j];
        }
        let (mut rows_of, mut across) = (vec![0_u32; indices.len()], vec![T::ZERO; indices.len()]);
        let mut next = counts.clone();
        for i in 0..n {
            for k in starts[i]..starts[i + 1] {
                let slot = &mut next[indices[k] as usize];
                rows_of[*slot] = i as u32;
                across[*slot] = values[k];
                *slot += 1;
            }
        }
        Self {
            forward: Operand::new(n, d, Store::Sparse { starts, indices, values }),
            transposed: Operand::new(
                d,
                n,
                Store::Sparse { starts: counts, indices: rows_of, values: across },
            ),
            sparse: true,
        }
    }

    /// The same matrix in another number type.
    pub fn convert<U: Real>(&self) -> Design<U> {
        Design { forward: self.forward.convert(), transposed: self.transposed.convert(), sparse: self.sparse }
    }

    /// Number of records.
    pub fn rows(&self) -> usize {
        self.forward.rows
    }

    /// Number of features.
    pub fn cols(&self) -> usize {
        self.forward.cols
    }

    /// True when only nonzero entries are stored.
    pub fn is_sparse(&self) -> bool {
        self.sparse
    }

    /// Number of stored entries.
    pub fn stored(&self) -> usize {
        self.forward.stored()
    }

    /// `out = X * panel`. `finish(first row, rows of out)` sees each block of rows once, right after it was
    /// computed and while it is in the cache.
    ///
    /// # Panics
    /// When the sizes do not agree: `panel` has `cols` rows, `out` has `rows` rows, both the same width.
    pub fn times(&self, panel: &Mat<T>, out: &mut Mat<T>, finish: impl Fn(usize, &mut [T]) + Sync) {
        self.forward.product(panel, out, false, &finish);
    }

    /// The product with one vector: faster than [`Design::times`] where rows are long, and summed in another order.
    ///
    /// # Panics
    /// When `x` has not one number a feature.
    pub fn along(&self, x: &[T]) -> Vec<T> {
        assert_eq!(x.len(), self.cols(), "a vector of another size");
        match &self.forward.store {
            Store::Dense(_) if x.is_empty() => vec![T::ZERO; self.rows()],
            Store::Dense(data) => data.chunks_exact(x.len()).map(|row| simd::dot(row, x)).collect(),
            Store::Sparse { starts, indices, values } => {
                let row = |r: &[usize]| {
                    let entries = indices[r[0]..r[1]].iter().zip(&values[r[0]..r[1]]);
                    entries.map(|(&j, &value)| value * x[j as usize]).sum()
                };
                starts.windows(2).map(row).collect()
            }
        }
    }

    /// `out = X' * panel`, with `finish` as in [`Design::times`].
    ///
    /// # Panics
    /// When the sizes do not agree: `panel` has `rows` rows, `out` has `cols` rows, both the same width.
    pub fn transpose_times(&self, panel: &Mat<T>, out: &mut Mat<T>, finish: impl Fn(usize, &mut [T]) + Sync) {
        self.transposed.product(panel, out, false, &finish);
    }

    /// `out = (X o X)' * panel`, the entries of X squared: the diagonal of X' D X for many diagonals D at once.
    ///
    /// # Panics
    /// As [`Design::transpose_times`].
    pub fn squared_transpose_times(&self, panel: &Mat<T>, out: &mut Mat<T>) {
        self.transposed.product(panel, out, true, &|_, _| {});
    }

    /// Feature `j` of every record, when the matrix is dense.
    pub fn dense_column(&self, j: usize) -> Option<&[T]> {
        match &self.transposed.store {
            Store::Dense(data) => Some(&data[j * self.rows()..(j + 1) * self.rows()]),
            Store::Sparse { .. } => None,
        }
    }
}

impl<T: Real> Operand<T> {
    fn new(rows: usize, cols: usize, store: Store<T>) -> Self {
        let mut operand = Self { rows, cols, store, blocks: vec![0] };
        let share = operand.stored().div_ceil(BLOCKS).max(1);
        let tile = if matches!(operand.store, Store::Dense(_)) { TILE } else { 1 };
        let mut filled = 0;
        for i in 0..rows {
            filled += operand.row_len(i);
            if (filled >= share && (i + 1) % tile == 0) || i + 1 == rows {
                operand.blocks.push(i + 1);
                filled = 0;
            }
        }
        operand
    }

    fn convert<U: Real>(&self) -> Operand<U> {
        let all = |values: &[T]| values.iter().map(|x| U::of(x.f64())).collect();
        let store = match &self.store {
            Store::Dense(values) => Store::Dense(all(values)),
            Store::Sparse { starts, indices, values } => {
                Store::Sparse { starts: starts.clone(), indices: indices.clone(), values: all(values) }
            }
        };
        Operand { rows: self.rows, cols: self.cols, store, blocks: self.blocks.clone() }
    }

    fn stored(&self) -> usize {
        match &self.store {
            Store::Dense(data) => data.len(),
            Store::Sparse { values, .. } => values.len(),
        }
    }

    fn row_len(&self, i: usize) -> usize {
        match &self.store {
            Store::Dense(_) => self.cols,
            Store::Sparse { starts, .. } => starts[i + 1] - starts[i],
        }
    }

    fn product(
        &self,
        panel: &Mat<T>,
        out: &mut Mat<T>,
        squared: bool,
        finish: &(dyn Fn(usize, &mut [T]) + Sync),
    ) {
        let width = panel.cols();
        assert_eq!(
            (panel.rows(), out.rows(), out.cols()),
            (self.cols, self.rows, width),
            "sizes of a product"
        );
        let mut rest = out.data_mut();
        let mut parts = Vec::with_capacity(self.blocks.len());
        for block in self.blocks.windows(2) {
            let (part, tail) = rest.split_at_mut((block[1] - block[0]) * width);
            parts.push((block[0]..block[1], part));
            rest = tail;
        }
        let compute = |(rows, part): (std::ops::Range<usize>, &mut [T])| {
            self.rows_product(rows.clone(), panel, squared, part);
            finish(rows.start, part);
        };
        if self.stored() * width < WORTH_THREADS {
            parts.into_iter().for_each(compute);
        } else {
            parts.into_par_iter().for_each(compute);
        }
    }

    fn rows_product(&self, rows: std::ops::Range<usize>, panel: &Mat<T>, squared: bool, out: &mut [T]) {
        let width = panel.cols();
        match &self.store {
            Store::Sparse { starts, indices, values } => {
                let a = Sparse { starts: &starts[rows.start..=rows.end], indices, values };
                simd::sparse_product(a, panel.data(), width, squared, out);
            }
            Store::Dense(data) => {
                let data = &data[rows.start * self.cols..rows.end * self.cols];
                if squared {
                    let squares: Vec<T> = data.iter().map(|&x| x * x).collect();
                    simd::dense_product(Dense { data: &squares, cols: self.cols }, panel.data(), width, out);
                } else {
                    simd::dense_product(Dense { data, cols: self.cols }, panel.data(), width, out);
                }
            }
        }
    }
}
