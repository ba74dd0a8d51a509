//! Dense matrices, row-major.

use crate::real::Real;

/// A dense matrix of `rows` x `cols` values, stored row after row.
///
/// Matrices made here start at a cache line, so that vector loads of whole rows do not straddle two.
#[derive(Debug)]
pub struct Mat<T> {
    rows: usize,
    cols: usize,
    /// `start` places that are not used, then the values.
    store: Vec<T>,
    start: usize,
}

/// Bytes of a cache line.
const LINE: usize = 64;

impl<T: Clone> Clone for Mat<T> {
    fn clone(&self) -> Self {
        let data = &self.store[self.start..];
        let (mut store, start) = aligned(data.len(), data.first());
        store.extend_from_slice(data);
        Self { rows: self.rows, cols: self.cols, store, start }
    }
}

impl<T: PartialEq> PartialEq for Mat<T> {
    fn eq(&self, other: &Self) -> bool {
        let data = (&self.store[self.start..], &other.store[other.start..]);
        (self.rows, self.cols) == (other.rows, other.cols) && data.0 == data.1
    }
}

/// A list with room for `length` values from the next cache line on, filled up to there with `filler`; and where
/// that is.
fn aligned<T: Clone>(length: usize, filler: Option<&T>) -> (Vec<T>, usize) {
    let mut store: Vec<T> = Vec::with_capacity(length + LINE);
    let offset = store.as_ptr().align_offset(LINE);
    match filler {
        Some(filler) if offset <= LINE => store.resize(offset, filler.clone()),
        _ => {}
    }
    let start = store.len();
    (store, start)
}

impl<T: Copy + Default> Mat<T> {
    /// A matrix of `rows` x `cols` zeros.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        let (mut store, start) = aligned(rows * cols, Some(&T::default()));
        store.resize(start + rows * cols, T::default());
        Self { rows, cols, store, start }
    }

    /// Takes row-major `data`; `None` when its length is not `rows * cols`.
    pub fn from_vec(rows: usize, cols: usize, data: Vec<T>) -> Option<Self> {
        (data.len() == rows * cols).then_some(Self { rows, cols, store: data, start: 0 })
    }

    /// The same numbers in another type.
    pub fn convert<U: Real>(&self) -> Mat<U>
    where
        T: Real,
    {
        let mut out = Mat::zeros(self.rows, self.cols);
        out.data_mut().iter_mut().zip(self.data()).for_each(|(o, x)| *o = U::of(x.f64()));
        out
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Row `i`, a slice of `cols` values.
    pub fn row(&self, i: usize) -> &[T] {
        &self.data()[i * self.cols..(i + 1) * self.cols]
    }

    /// Row `i`, to write.
    pub fn row_mut(&mut self, i: usize) -> &mut [T] {
        let cols = self.cols;
        &mut self.data_mut()[i * cols..(i + 1) * cols]
    }

    /// All values, row after row.
    pub fn data(&self) -> &[T] {
        &self.store[self.start..]
    }

    /// All values, row after row, to write.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.store[self.start..]
    }

    /// The rows named by `index`, in that order.
    pub fn select(&self, index: &[usize]) -> Self {
        let (mut store, start) = aligned(index.len() * self.cols, Some(&T::default()));
        for &i in index {
            store.extend_from_slice(self.row(i));
        }
        Self { rows: index.len(), cols: self.cols, store, start }
    }
}
