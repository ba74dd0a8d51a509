//! Novelty: how much of a record earlier records have said already, and what it weighs for that.
//!
//! A value cannot see who came first: a mixture of two earlier records, a copy with a third of its words changed and a
//! record between empty sentences are paid like work. So the **coverage** of a record is the part of its squared
//! length, in the features that the model reads (the constant left out), that the best few EARLIER records of its class
//! explain together: least squares on [`ATOMS`] of them, chosen one after the other (orthogonal least squares; Chen,
//! Billings and Luo 1989). 1 is nothing new. Who sent which record is not read.
//!
//! Honest records resemble each other too, in some tasks much. What is natural is learned from the value fold of the
//! benchmark, whose rows nobody copied: their own coverage by all records. Up to the upper end of that ([`natural`])
//! coverage costs nothing; from there weight falls in a straight line to nothing at 1 ([`crate::weights::discount`]).

use assay_kernels::{Csr, Mat};
use assay_learn::data::{Features, Target};
use rayon::prelude::*;

use crate::weights;
use crate::{Examples, ValueFold};

/// Earlier records that explain a record together, at most.
pub const ATOMS: usize = 3;
/// Earlier records that the few are chosen from: those nearest by angle.
const NEAREST: usize = 32;
/// Earlier records of a class that are looked at, the newest: bounds the work on very large classes.
const WINDOW: usize = 20_000;
/// How far above the upper quartile of natural coverage weight begins to fall, in distances of that from the median: for
/// earlier records, and for the sealed rows, of which few records know anything.
const REACH_EARLIER: f64 = 0.75;
const REACH_SEALED: f64 = 1.5;
/// What is left of a candidate's squared length after projection, below which it adds nothing but rounding.
const DEPENDENT: f64 = 1e-6;

/// Takes weight from who says what earlier records, or the sealed rows, have said. `order` is that of [`coverage`].
///
/// # Panics
/// When there is not one weight and one place a record, or the fold has other features.
pub fn discount(out: &mut [f64], train: Examples<'_>, order: &[u64], fold: ValueFold<'_>) {
    let free = natural(coverage_by(fold.examples(), train), REACH_EARLIER);
    weights::discount(out, &coverage(train, order), free);
    // Nearly all records are nobody's leak: what is natural is their own likeness to the rows.
    let leaked = coverage_by(train, fold.examples());
    weights::discount(out, &leaked, natural(leaked.clone(), REACH_SEALED));
}

/// The coverage that costs nothing, from that of rows of which few were copied: their upper quartile and `reach` times its
/// distance from the median. By these a good part of the rows may have been copied before it moves much.
fn natural(mut covered: Vec<f64>, reach: f64) -> f64 {
    if covered.is_empty() {
        return 1.0;
    }
    covered.sort_unstable_by(f64::total_cmp);
    let at = |part: f64| covered[((covered.len() - 1) as f64 * part) as usize];
    (at(0.75) + reach * (at(0.75) - at(0.5))).min(1.0)
}

/// The coverage of each record by earlier ones of its class. `order` is the place of each record in the log; records of
/// equal place come in the order given. Numbers to predict are one class.
///
/// # Panics
/// When there is not one place and one answer a record.
pub fn coverage(train: Examples<'_>, order: &[u64]) -> Vec<f64> {
    assert_eq!(order.len(), train.features.rows(), "one place in the log a record");
    let mut out = vec![0.0; order.len()];
    for mut members in by_class(train) {
        members.sort_by_key(|&i| (order[i], i));
        let class = Class::new(train.features, &members);
        let covered =
            (0..members.len()).into_par_iter().map(|k| class.explain(train.features, members[k], k));
        let covered: Vec<f64> = covered.collect();
        members.iter().zip(covered).for_each(|(&i, c)| out[i] = c);
    }
    out
}

/// The coverage of rows by all of `pool`.
///
/// # Panics
/// When features differ in number or in kind.
pub fn coverage_by(rows: Examples<'_>, pool: Examples<'_>) -> Vec<f64> {
    let mut out = vec![0.0; rows.features.rows()];
    let pools = by_class(pool);
    for (asked, members) in by_class(rows).into_iter().zip(&pools) {
        let class = Class::new(pool.features, members);
        let covered = asked.par_iter().map(|&i| class.explain(rows.features, i, members.len()));
        let covered: Vec<f64> = covered.collect();
        asked.iter().zip(covered).for_each(|(&i, c)| out[i] = c);
    }
    out
}

/// The rows of each class, ascending.
fn by_class(examples: Examples<'_>) -> Vec<Vec<usize>> {
    match examples.target {
        Target::Numbers(numbers) => vec![(0..numbers.len()).collect()],
        Target::Classes { labels, count } => {
            let mut out = vec![Vec::new(); *count];
            for (i, &label) in labels.iter().enumerate() {
                if let Some(rows) = out.get_mut(label as usize) {
                    rows.push(i);
                }
            }
            out
        }
    }
}

/// Records of one class, ready to be compared with.
struct Class<'a> {
    features: &'a Features,
    members: &'a [usize],
    lengths: Vec<f64>,
    index: Option<Index>,
}

/// Sparse members by column: places and values of those that have it, ascending.
struct Index {
    starts: Vec<usize>,
    entries: Vec<(u32, f32)>,
}

impl<'a> Class<'a> {
    fn new(features: &'a Features, members: &'a [usize]) -> Self {
        let lengths = members.iter().map(|&i| dot(features, i, features, i).sqrt()).collect();
        let index = match features {
            Features::Dense(_) => None,
            Features::Sparse(m) => Some(Index::new(m, members)),
        };
        Self { features, members, lengths, index }
    }

    /// The part of row `i` of `rows` that the first `before` members explain.
    fn explain(&self, rows: &Features, i: usize, before: usize) -> f64 {
        let whole = dot(rows, i, rows, i);
        let near = self.nearest(rows, i, before);
        if whole <= 0.0 || near.is_empty() {
            return 0.0;
        }
        let mut along: Vec<f64> = near.iter().map(|n| n.1).collect();
        let mut left = vec![1.0; near.len()];
        // What of each candidate lies along each direction that was chosen.
        let mut directions: Vec<Vec<f64>> = Vec::with_capacity(ATOMS);
        let mut explained = 0.0;
        for _ in 0..ATOMS {
            let gain = |m: &usize| if left[*m] > DEPENDENT { along[*m] * along[*m] / left[*m] } else { 0.0 };
            let Some(best) = (0..near.len()).max_by(|a, b| gain(a).total_cmp(&gain(b)).then(b.cmp(a))) else {
                break;
            };
            if gain(&best) <= 0.0 {
                break;
            }
            explained += gain(&best);
            let (length, onto) = (left[best].sqrt(), along[best] / left[best].sqrt());
            let place = |m: usize| self.members[near[m].0];
            let direction: Vec<f64> = (0..near.len())
                .map(|m| {
                    let lengths = self.lengths[near[m].0] * self.lengths[near[best].0];
                    let cosine = dot(self.features, place(m), self.features, place(best)) / lengths;
                    let known: f64 = directions.iter().map(|d| d[m] * d[best]).sum();
                    (cosine - known) / length
                })
                .collect();
            for (m, &d) in direction.iter().enumerate() {
                along[m] -= onto * d;
                left[m] -= d * d;
            }
            left[best] = 0.0;
            directions.push(direction);
        }
        (explained / whole).clamp(0.0, 1.0)
    }

    /// The members nearest by angle among the first `before`: their places, and the product with them at length 1.
    fn nearest(&self, rows: &Features, i: usize, before: usize) -> Vec<(usize, f64)> {
        let first = before.saturating_sub(WINDOW);
        let products = match (&self.index, rows) {
            (Some(index), Features::Sparse(m)) => index.products(m, i, before),
            _ => (0..before)
                .map(|k| if k < first { 0.0 } else { dot(rows, i, self.features, self.members[k]) })
                .collect(),
        };
        let unit = |(k, product): (usize, f64)| {
            (k >= first && product > 0.0 && self.lengths[k] > 0.0).then(|| (k, product / self.lengths[k]))
        };
        let mut near: Vec<(usize, f64)> = products.into_iter().enumerate().filter_map(unit).collect();
        let nearer = |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if near.len() > NEAREST {
            near.select_nth_unstable_by(NEAREST, nearer);
            near.truncate(NEAREST);
        }
        near.sort_unstable_by(nearer);
        near
    }
}

impl Index {
    fn new(features: &Csr, members: &[usize]) -> Self {
        let mut starts = vec![0; features.cols()];
        for &i in members {
            terms(features, i).for_each(|(column, _)| starts[column as usize + 1] += 1);
        }
        for column in 1..starts.len() {
            starts[column] += starts[column - 1];
        }
        let mut entries = vec![(0, 0.0); starts.last().copied().unwrap_or(0)];
        let mut next = starts.clone();
        for (place, &i) in members.iter().enumerate() {
            for (column, value) in terms(features, i) {
                let at = &mut next[column as usize];
                entries[*at] = (place as u32, value);
                *at += 1;
            }
        }
        Self { starts, entries }
    }

    /// The products of a row with each of the first `before` members.
    fn products(&self, rows: &Csr, i: usize, before: usize) -> Vec<f64> {
        let mut out = vec![0.0; before];
        for (column, value) in terms(rows, i) {
            let column = column as usize;
            for &(place, other) in &self.entries[self.starts[column]..self.starts[column + 1]] {
                match out.get_mut(place as usize) {
                    Some(product) => *product += f64::from(value) * f64::from(other),
                    None => break,
                }
            }
        }
        out
    }
}

/// The stored numbers of a sparse row without the constant, which is the last column.
fn terms(features: &Csr, i: usize) -> impl Iterator<Item = (u32, f32)> {
    let (columns, values) = features.row(i);
    let constant = features.cols().saturating_sub(1) as u32;
    columns.iter().copied().zip(values.iter().copied()).filter(move |(column, _)| *column < constant)
}

/// The product of two rows, the constant left out; rows of different kinds have none in common.
fn dot(a: &Features, i: usize, b: &Features, j: usize) -> f64 {
    match (a, b) {
        (Features::Dense(a), Features::Dense(b)) => dense_dot(a, i, b, j),
        (Features::Sparse(a), Features::Sparse(b)) => {
            let (mut left, mut right) = (terms(a, i).peekable(), terms(b, j).peekable());
            let mut sum = 0.0;
            while let (Some(&(p, x)), Some(&(q, y))) = (left.peek(), right.peek()) {
                if p == q {
                    sum += f64::from(x) * f64::from(y);
                }
                if p <= q {
                    left.next();
                }
                if q <= p {
                    right.next();
                }
            }
            sum
        }
        _ => 0.0,
    }
}

/// In eight sums side by side, for the vector units.
fn dense_dot(a: &Mat<f32>, i: usize, b: &Mat<f32>, j: usize) -> f64 {
    const LANES: usize = 8;
    let width = a.cols().min(b.cols()).saturating_sub(1);
    let (x, y) = (&a.row(i)[..width], &b.row(j)[..width]);
    let (wide_x, rest_x) = x.split_at(width - width % LANES);
    let (wide_y, rest_y) = y.split_at(width - width % LANES);
    let mut sums = [0.0_f32; LANES];
    for (x, y) in wide_x.chunks_exact(LANES).zip(wide_y.chunks_exact(LANES)) {
        sums.iter_mut().zip(x.iter().zip(y)).for_each(|(sum, (x, y))| *sum += x * y);
    }
    let rest: f32 = rest_x.iter().zip(rest_y).map(|(x, y)| x * y).sum();
    f64::from(rest) + sums.iter().map(|&s| f64::from(s)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// Rows of numbers, the constant last, as a dense and as a sparse matrix.
    fn both(rows: &[Vec<f32>]) -> [Features; 2] {
        let full: Vec<Vec<f32>> = rows.iter().map(|r| r.iter().copied().chain([1.0]).collect()).collect();
        let cols = full[0].len();
        let dense = Mat::from_vec(full.len(), cols, full.concat()).unwrap();
        let entries = |r: &Vec<f32>| (0..).zip(r.iter().copied()).filter(|e| e.1 != 0.0).collect();
        let sparse = Csr::from_rows(cols, &full.iter().map(entries).collect::<Vec<_>>()).unwrap();
        [Features::Dense(dense), Features::Sparse(sparse)]
    }

    fn one_class(rows: usize) -> Target {
        Target::Classes { labels: vec![0; rows], count: 1 }
    }

    fn near(found: &[f64], want: &[f64]) -> bool {
        found.len() == want.len() && found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5)
    }

    #[test]
    fn copies_and_mixtures_say_nothing_new() {
        let rows = [
            vec![1.0, 0.0, 0.0, 0.0],
            vec![0.0, 2.0, 0.0, 0.0],
            vec![0.5, 1.0, 0.0, 0.0],
            vec![3.0, 0.0, 0.0, 0.0],
            vec![1.0, 0.0, 1.0, 0.0],
            vec![0.0; 4],
        ];
        for features in both(&rows) {
            let target = one_class(rows.len());
            let train = Examples { features: &features, target: &target };
            let order: Vec<u64> = (0..6).collect();
            let found = coverage(train, &order);
            assert!(near(&found, &[0.0, 0.0, 1.0, 1.0, 0.5, 0.0]), "{found:?}");
            // The other way round the last is first.
            let found = coverage(train, &[5, 4, 3, 2, 1, 0]);
            assert!(near(&found, &[1.0, 0.8, 0.2, 0.5, 0.0, 0.0]), "{found:?}");
            let all = coverage_by(train, train);
            assert!(near(&all, &[1.0, 1.0, 1.0, 1.0, 1.0, 0.0]), "{all:?}");
        }
    }

    #[test]
    fn other_classes_say_something_else() {
        let features = &both(&[vec![1.0, 0.0], vec![1.0, 0.0], vec![1.0, 0.0]])[0];
        let target = Target::Classes { labels: vec![0, 1, 0], count: 2 };
        let found = coverage(Examples { features, target: &target }, &[0, 1, 2]);
        assert!(near(&found, &[0.0, 0.0, 1.0]), "{found:?}");
    }

    /// The same by the residual of a projection on all earlier records, where there are no more of them than atoms.
    fn projected(rows: &[Vec<f32>]) -> f64 {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let mut basis: Vec<Vec<f64>> = Vec::new();
        let mut last = (1.0, 0.0);
        for row in rows {
            let whole: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
            let mut left = whole.clone();
            for _ in 0..2 {
                for direction in &basis {
                    let along = dot(&left, direction);
                    left.iter_mut().zip(direction).for_each(|(l, d)| *l -= along * d);
                }
            }
            last = (dot(&whole, &whole), dot(&left, &left));
            if last.1 > 1e-6 * last.0 {
                basis.push(left.iter().map(|l| l / last.1.sqrt()).collect());
            }
        }
        if last.0 > 0.0 { 1.0 - last.1 / last.0 } else { 0.0 }
    }

    proptest! {
        #[test]
        fn few_records_are_explained_as_by_projection(
            rows in proptest::collection::vec(proptest::collection::vec(0.1_f32..1.0, 5), 1..=4),
        ) {
            let order: Vec<u64> = (0..rows.len() as u64).collect();
            let target = one_class(rows.len());
            let want = projected(&rows);
            for features in both(&rows) {
                let found = coverage(Examples { features: &features, target: &target }, &order);
                prop_assert!((found[rows.len() - 1] - want).abs() < 1e-4, "{found:?} {want}");
            }
        }

        #[test]
        fn more_earlier_records_never_make_a_copy_new(
            rows in proptest::collection::vec(proptest::collection::vec(-1.0_f32..1.0, 6), 2..40),
            copied in 0_usize..40,
        ) {
            let mut rows = rows;
            rows.push(rows[copied % rows.len()].clone());
            let order: Vec<u64> = (0..rows.len() as u64).collect();
            let target = one_class(rows.len());
            for features in both(&rows) {
                let found = coverage(Examples { features: &features, target: &target }, &order);
                prop_assert!(found.iter().all(|c| (0.0..=1.0).contains(c)));
                prop_assert!(found[rows.len() - 1] > 1.0 - 1e-5);
            }
        }
    }
}
