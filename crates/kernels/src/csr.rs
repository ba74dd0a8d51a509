//! Sparse matrices, compressed by row.

/// A sparse matrix in compressed-sparse-row form: row `i` holds `values[indptr[i]..indptr[i + 1]]` in the
/// columns `indices[..]` of the same range, ascending and without repeats.
#[derive(Clone, Debug, PartialEq)]
pub struct Csr {
    cols: usize,
    indptr: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl Csr {
    /// Builds from rows of `(column, value)` pairs, each ascending by column. `None` when a row is out of
    /// order, repeats a column, or names a column that is not below `cols`.
    pub fn from_rows(cols: usize, rows: &[Vec<(u32, f32)>]) -> Option<Self> {
        let mut indptr = Vec::with_capacity(rows.len() + 1);
        indptr.push(0);
        let total = rows.iter().map(Vec::len).sum();
        let (mut indices, mut values) = (Vec::with_capacity(total), Vec::with_capacity(total));
        for row in rows {
            let ascending = row.windows(2).all(|w| w[0].0 < w[1].0);
            if !ascending || row.last().is_some_and(|&(c, _)| c as usize >= cols) {
                return None;
            }
            indices.extend(row.iter().map(|&(c, _)| c));
            values.extend(row.iter().map(|&(_, v)| v));
            indptr.push(indices.len());
        }
        Some(Self { cols, indptr, indices, values })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.indptr.len() - 1
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Number of stored values.
    pub fn nnz(&self) -> usize {
        self.values.len()
    }

    /// Row `i` as its columns and values.
    pub fn row(&self, i: usize) -> (&[u32], &[f32]) {
        let range = self.indptr[i]..self.indptr[i + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// The rows named by `index`, in that order.
    pub fn select(&self, index: &[usize]) -> Self {
        let mut out = Self { cols: self.cols, indptr: vec![0], indices: Vec::new(), values: Vec::new() };
        for &i in index {
            let (c, v) = self.row(i);
            out.indices.extend_from_slice(c);
            out.values.extend_from_slice(v);
            out.indptr.push(out.indices.len());
        }
        out
    }
}
