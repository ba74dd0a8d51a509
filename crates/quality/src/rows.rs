//! Near duplicates among numeric rows.
//!
//! Each column has a scale: its standard deviation, or a sixth of its range where that is more (so that a column that is
//! nearly always zero does not turn a trifle into a distance). The distance of two rows is the root mean square of
//! their differences in that unit, each column's share cut at 1: a few wild columns cannot hide a copy. It is 0 for
//! equal rows and 1 for rows that differ by a scale or more everywhere.
//!
//! Candidates come from random projections cut into cells, several tables of them (p-stable hashing: Datar, Immorlica,
//! Indyk, Mirrokni 2004, with random signs for the Gaussian), and each is verified by its true distance.
//! The scale comes from the sealed benchmark, which is fixed before the first record; without one, from the first
//! [`WARM_UP`] rows in order of arrival, while rows are compared with all others. Either way it does not depend on how the
//! stream is cut into batches.

use rustc_hash::FxHashMap;

use crate::sketch::mix;

/// Rows after which a scale learned from the stream is frozen and rows are hashed.
const WARM_UP: usize = 256;
/// Rows before which nothing is judged: a scale of a handful of rows means nothing.
const JUDGED_MIN: usize = 16;
const TABLES: usize = 16;
const CELLS: usize = 10;
const PROJECTIONS: usize = TABLES * CELLS;
/// Width of a cell in units of the radius: pairs at the radius share a table's cell with probability 0.24, so one of
/// the 16 tables with 0.988; at half the radius with 0.9999.
const CELL_RADII: f64 = 6.0;
/// Rows that one bucket keeps, the first comers.
const BUCKET_MAX: usize = 64;

/// The unit of every column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowScale {
    count: usize,
    mean: Vec<f64>,
    squares: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
}

impl RowScale {
    /// The scale of some rows; rows of another width than the first are left out.
    pub fn learn<'a>(rows: impl IntoIterator<Item = &'a [f64]>) -> Self {
        let mut scale = RowScale::default();
        rows.into_iter().for_each(|row| scale.observe(row));
        scale
    }

    /// How many columns it covers.
    pub fn columns(&self) -> usize {
        self.mean.len()
    }

    /// Running mean and variance by Welford's update.
    fn observe(&mut self, row: &[f64]) {
        if self.count == 0 {
            (self.mean, self.squares) = (vec![0.0; row.len()], vec![0.0; row.len()]);
            (self.low, self.high) = (row.to_vec(), row.to_vec());
        }
        if row.len() != self.columns() || !row.iter().all(|x| x.is_finite()) {
            return;
        }
        self.count += 1;
        for (column, &x) in row.iter().enumerate() {
            let before = x - self.mean[column];
            self.mean[column] += before / self.count as f64;
            self.squares[column] += before * (x - self.mean[column]);
            self.low[column] = self.low[column].min(x);
            self.high[column] = self.high[column].max(x);
        }
    }

    /// The unit of a column; 0 where it never changed.
    fn unit(&self, column: usize) -> f64 {
        let deviation = (self.squares[column] / self.count as f64).sqrt();
        let unit = deviation.max((self.high[column] - self.low[column]) / 6.0);
        if unit.is_finite() { unit } else { 0.0 }
    }

    /// The distance of two rows, in [0, 1]; 1 where a row has another width than the scale.
    pub fn distance(&self, a: &[f64], b: &[f64]) -> f64 {
        if a.len() != self.columns() || b.len() != self.columns() {
            return 1.0;
        }
        let (mut sum, mut columns) = (0.0, 0usize);
        for (column, (x, y)) in a.iter().zip(b).enumerate() {
            let (unit, gap) = (self.unit(column), (x - y).abs());
            if unit > 0.0 || gap > 0.0 {
                // A column that never changed and now does differs by more than its scale: 0 / 0 cannot occur here.
                let share = (gap / unit).min(1.0);
                sum += share * share;
                columns += 1;
            }
        }
        (sum / columns.max(1) as f64).sqrt()
    }
}

/// Rows seen so far, numbered from 0 in order of insertion.
pub struct RowIndex {
    rows: Vec<Box<[f64]>>,
    scale: RowScale,
    radius: f64,
    columns_min: usize,
    /// `None` until the scale is frozen.
    tables: Option<Tables>,
}

impl RowIndex {
    /// An index that finds rows within `radius` (of [`RowScale::distance`]), for rows of at least `columns_min`
    /// columns. Without a scale it learns one from the first rows inserted.
    pub fn new(scale: Option<RowScale>, radius: f64, columns_min: usize) -> Self {
        let given = scale.filter(|scale| scale.count >= JUDGED_MIN);
        let tables = given.as_ref().map(|scale| Tables::new(scale, radius));
        RowIndex { rows: Vec::new(), scale: given.unwrap_or_default(), radius, columns_min, tables }
    }

    /// Adds a row and returns its number.
    pub fn insert(&mut self, row: &[f64]) -> u32 {
        let id = self.rows.len() as u32;
        self.rows.push(row.into());
        match &mut self.tables {
            Some(tables) => tables.insert(id, row),
            None => {
                self.scale.observe(row);
                if self.rows.len() == WARM_UP {
                    self.freeze();
                }
            }
        }
        id
    }

    fn freeze(&mut self) {
        let mut tables = Tables::new(&self.scale, self.radius);
        for (id, row) in self.rows.iter().enumerate() {
            tables.insert(id as u32, row);
        }
        self.tables = Some(tables);
    }

    /// The distance of a row to an older one.
    pub fn distance(&self, id: u32, row: &[f64]) -> f64 {
        if self.judges(row) { self.scale.distance(row, &self.rows[id as usize]) } else { 1.0 }
    }

    fn judges(&self, row: &[f64]) -> bool {
        row.len() >= self.columns_min && self.scale.count >= JUDGED_MIN
    }

    /// The best of the older rows that `judge` does not turn down, with its distance: by judgement, then by distance,
    /// then the first comer.
    pub fn nearest<S: Ord>(&self, row: &[f64], mut judge: impl FnMut(u32, f64) -> Option<S>) -> Option<(u32, f64, S)> {
        if !self.judges(row) {
            return None;
        }
        let candidates = match &self.tables {
            Some(tables) => tables.candidates(row),
            None => (0..self.rows.len() as u32).collect(),
        };
        let mut best: Option<(u32, f64, S)> = None;
        for id in candidates {
            let distance = self.scale.distance(row, &self.rows[id as usize]);
            if distance > self.radius {
                continue;
            }
            let Some(judgement) = judge(id, distance) else { continue };
            if best.as_ref().is_none_or(|(_, least, held)| judgement.cmp(held).then(least.total_cmp(&distance)).is_gt()) {
                best = Some((id, distance, judgement));
            }
        }
        best
    }
}

struct Tables {
    /// Per column its mean, its unit and the signs of its projections.
    columns: Vec<(f64, f64, [u64; PROJECTIONS.div_ceil(64)])>,
    width: f64,
    buckets: FxHashMap<u64, Vec<u32>>,
}

impl Tables {
    fn new(scale: &RowScale, radius: f64) -> Self {
        let column = |column: usize| {
            let word = |part: usize| mix(mix(column as u64 + 1).wrapping_add(part as u64));
            (scale.mean[column], scale.unit(column), std::array::from_fn(word))
        };
        let columns: Vec<_> = (0..scale.columns()).map(column).collect();
        let informative = columns.iter().filter(|(_, unit, _)| *unit > 0.0).count();
        Tables { columns, width: CELL_RADII * radius * (informative.max(1) as f64).sqrt(), buckets: FxHashMap::default() }
    }

    fn insert(&mut self, id: u32, row: &[f64]) {
        for key in self.keys(row) {
            let bucket = self.buckets.entry(key).or_default();
            if bucket.len() < BUCKET_MAX {
                bucket.push(id);
            }
        }
    }

    fn candidates(&self, row: &[f64]) -> Vec<u32> {
        let buckets = self.keys(row).filter_map(|key| self.buckets.get(&key));
        let mut ids: Vec<u32> = buckets.flatten().copied().collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// One key per table; none for a row of another width.
    fn keys(&self, row: &[f64]) -> impl Iterator<Item = u64> + use<> {
        let cells = (row.len() == self.columns.len()).then(|| self.cells(row));
        cells.into_iter().flat_map(|cells| {
            let key = move |table: usize| {
                let cells = &cells[table * CELLS..(table + 1) * CELLS];
                cells.iter().fold(table as u64 + 1, |key, &cell| mix(key ^ cell as u64))
            };
            (0..TABLES).map(key)
        })
    }

    fn cells(&self, row: &[f64]) -> [i64; PROJECTIONS] {
        let mut sums = [0.0; PROJECTIONS];
        for (&x, (mean, unit, signs)) in row.iter().zip(&self.columns) {
            if *unit == 0.0 {
                continue;
            }
            let standard = ((x - mean) / unit).clamp(-4.0, 4.0);
            for (projection, sum) in sums.iter_mut().enumerate() {
                let sign = (signs[projection / 64] >> (projection % 64)) & 1;
                *sum += if sign == 1 { standard } else { -standard };
            }
        }
        std::array::from_fn(|projection| {
            let offset = (mix(projection as u64 + 0x5EED) >> 11) as f64 / (1u64 << 53) as f64;
            (sums[projection] / self.width + offset).floor() as i64
        })
    }
}
