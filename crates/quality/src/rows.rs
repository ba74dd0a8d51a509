//! Near duplicates among numeric rows.
//!
//! Each column has a unit: its standard deviation, or a sixth of its range where that is more. Columns whose ranges are
//! alike (pixels, spectra, embeddings, standardised features) are taken to be measured in one unit and share the
//! root mean square of theirs, so that noise on a pixel that is nearly always dark counts no more than on any other.
//! The distance of two rows is the root mean square of their differences in these units, each column's share cut at 1:
//! a few wild columns cannot hide a copy. It is 0 for equal rows and 1 for rows that differ by a unit or more everywhere.
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

/// Ranges count as alike when the greatest is at most this many times the median one.
const ALIKE: f64 = 8.0;

/// The unit of every column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowScale {
    count: usize,
    mean: Vec<f64>,
    squares: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    units: Vec<f64>,
}

impl RowScale {
    /// The scale of some rows; rows of another width than the first, or with numbers that are not finite, are left out.
    pub fn learn<'a>(rows: impl IntoIterator<Item = &'a [f64]>) -> Self {
        let mut scale = RowScale::default();
        rows.into_iter().for_each(|row| scale.observe(row));
        scale.update_units();
        scale
    }

    /// How many columns it covers.
    pub fn columns(&self) -> usize {
        self.mean.len()
    }

    /// Running mean and variance by Welford's update.
    fn observe(&mut self, row: &[f64]) {
        if !row.iter().all(|x| x.is_finite()) {
            return;
        }
        if self.count == 0 {
            (self.mean, self.squares) = (vec![0.0; row.len()], vec![0.0; row.len()]);
            (self.low, self.high) = (row.to_vec(), row.to_vec());
        }
        if row.len() != self.columns() {
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

    /// Units from the moments; a column that never changed borrows the greatest unit of the others.
    fn update_units(&mut self) {
        let own = |column: usize| {
            let deviation = (self.squares[column] / self.count as f64).sqrt();
            let unit = deviation.max((self.high[column] - self.low[column]) / 6.0);
            if unit.is_finite() { unit } else { f64::MAX }
        };
        let mut units: Vec<f64> = (0..self.columns()).map(own).collect();
        let mut ranges: Vec<f64> =
            (0..self.columns()).map(|column| self.high[column] - self.low[column]).collect();
        ranges.retain(|&range| range > 0.0);
        ranges.sort_unstable_by(f64::total_cmp);
        let Some(&greatest) = ranges.last() else { return };
        if greatest <= ALIKE * ranges[ranges.len() / 2] {
            let squares: f64 = units.iter().map(|unit| unit * unit).sum();
            units.fill((squares / ranges.len() as f64).sqrt());
        } else {
            let most = units.iter().copied().fold(0.0, f64::max);
            units.iter_mut().filter(|unit| **unit == 0.0).for_each(|unit| *unit = most);
        }
        self.units = units;
    }

    /// The distance of two rows, in [0, 1]; 1 where a row has another width than the scale, or there is no scale yet.
    pub fn distance(&self, a: &[f64], b: &[f64]) -> f64 {
        if self.units.is_empty() || a.len() != self.columns() || b.len() != self.columns() {
            return 1.0;
        }
        let share = |((x, y), unit): ((&f64, &f64), &f64)| ((x - y).abs() / unit).min(1.0);
        let sum: f64 = a.iter().zip(b).zip(&self.units).map(share).map(|share| share * share).sum();
        (sum / self.columns() as f64).sqrt()
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
                self.scale.update_units();
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

    /// The distance of a row to an older one beside a like text, which makes rows of few columns tell as well; before there
    /// is a scale only the same row is near.
    pub fn distance(&self, id: u32, row: &[f64]) -> f64 {
        let older = &self.rows[id as usize];
        match self.scale.count >= JUDGED_MIN {
            true => self.scale.distance(row, older),
            false => f64::from(u8::from(row != &older[..])),
        }
    }

    fn judges(&self, row: &[f64]) -> bool {
        row.len() >= self.columns_min && self.scale.count >= JUDGED_MIN
    }

    /// The best of the older rows that `judge` does not turn down, with its distance: by judgement, then by distance,
    /// then the first comer.
    pub fn nearest<S: Ord>(
        &self,
        row: &[f64],
        mut judge: impl FnMut(u32, f64) -> Option<S>,
    ) -> Option<(u32, f64, S)> {
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
            if best
                .as_ref()
                .is_none_or(|(_, least, held)| judgement.cmp(held).then(least.total_cmp(&distance)).is_gt())
            {
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
        let column = |(column, (&mean, &unit)): (usize, (&f64, &f64))| {
            let word = |part: usize| mix(mix(column as u64 + 1).wrapping_add(part as u64));
            (mean, unit, std::array::from_fn(word))
        };
        let columns: Vec<_> = scale.mean.iter().zip(&scale.units).enumerate().map(column).collect();
        let width = CELL_RADII * radius * (columns.len().max(1) as f64).sqrt();
        Tables { columns, width, buckets: FxHashMap::default() }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of clustered uniform numbers, and copies moved by `noise` of the range.
    fn rows(count: usize, columns: usize, noise: f64) -> Vec<Vec<f64>> {
        let uniform = |i: usize, j: usize| (mix((i * 1_000 + j) as u64) >> 11) as f64 / (1u64 << 53) as f64;
        let base =
            |i: usize| (0..columns).map(|j| uniform(i % 8, j) + uniform(i + 8, j)).collect::<Vec<f64>>();
        let copy = |i: usize| {
            base(i).iter().enumerate().map(|(j, x)| x + noise * (uniform(i + 9_999, j) - 0.5)).collect()
        };
        (0..count).map(base).chain((0..count / 4).map(copy)).collect()
    }

    #[test]
    fn hashing_finds_what_brute_force_finds() {
        let rows = rows(800, 24, 0.2);
        let scale = RowScale::learn(rows.iter().map(Vec::as_slice));
        let mut index = RowIndex::new(Some(scale.clone()), 0.2, 8);
        let (mut exhaustive, mut agreed) = (0, 0);
        for (i, row) in rows.iter().enumerate() {
            let distances = rows[..i].iter().map(|older| scale.distance(row, older)).enumerate();
            let nearest =
                distances.min_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, distance)| *distance <= 0.2);
            let found = index.nearest(row, |_, _| Some(())).map(|(id, distance, ())| (id as usize, distance));
            exhaustive += usize::from(nearest.is_some());
            agreed += usize::from(nearest.is_some() && nearest == found);
            assert!(nearest.is_some() || found.is_none());
            index.insert(row);
        }
        assert!(exhaustive >= 200, "{exhaustive} pairs");
        assert!(agreed as f64 >= 0.985 * exhaustive as f64, "{agreed} of {exhaustive}");
    }

    #[test]
    fn a_scale_learned_from_the_stream_finds_copies_before_and_after_it_is_frozen() {
        let rows = rows(400, 16, 0.05);
        let mut index = RowIndex::new(None, 0.2, 8);
        let mut copies = 0;
        for row in rows[..400].iter().chain(&rows[400..]) {
            copies += usize::from(index.nearest(row, |_, _| Some(())).is_some());
            index.insert(row);
        }
        assert_eq!(copies, 100);
        let mut early = RowIndex::new(None, 0.2, 8);
        rows[..JUDGED_MIN].iter().for_each(|row| {
            early.insert(row);
        });
        assert!(early.nearest(&rows[400], |_, _| Some(())).is_some());
    }

    #[test]
    fn columns_of_like_range_share_a_unit_and_others_keep_their_own() {
        let pixels: Vec<Vec<f64>> =
            (0..50).map(|i| vec![f64::from(i % 16), 0.0, f64::from(i % 3), f64::from(i % 13)]).collect();
        let scale = RowScale::learn(pixels.iter().map(Vec::as_slice));
        assert!(scale.units.windows(2).all(|two| two[0] == two[1]));
        let table: Vec<Vec<f64>> = (0..50)
            .map(|i| vec![f64::from(i), 1000.0 * f64::from(i % 7), 0.001 * f64::from(i % 5)])
            .collect();
        let scale = RowScale::learn(table.iter().map(Vec::as_slice));
        assert!(scale.units[1] > 10.0 * scale.units[0] && scale.units[0] > 10.0 * scale.units[2]);
        assert_eq!(scale.distance(&table[0], &table[0]), 0.0);
        assert_eq!(scale.distance(&table[0], &[1e9, 1e9, 1e9]), 1.0);
        assert_eq!(scale.distance(&table[0], &[1.0]), 1.0);
    }

    #[test]
    fn no_numbers_make_it_panic() {
        let extreme = [f64::MAX, f64::MIN, 0.0, f64::MIN_POSITIVE, -1.0, 1.0, 2.0, 3.0];
        for given in [None, Some(RowScale::learn(std::iter::repeat_n(extreme.as_slice(), 20)))] {
            let mut index = RowIndex::new(given, 0.2, 8);
            for turn in 0..300 {
                let mut row = extreme;
                row.rotate_left(turn % 8);
                index.nearest(&row, |_, distance| Some(distance.is_nan()).filter(|nan| !nan));
                index.insert(&row[..8 - turn % 2]);
            }
        }
    }
}
