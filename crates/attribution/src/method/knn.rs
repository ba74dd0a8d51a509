//! Exact Shapley values of the nearest-neighbour classifier and regressor.

use std::hint::select_unpredictable;

use assay_kernels::{Design, Mat, Real};
use assay_learn::data::{Features, Target};
use assay_learn::train::{Precision, TrainError, design};
use rayon::prelude::*;

use super::linear::same_kind;
use super::{Cached, Method, Setting, Unit, Values};
use crate::path::ValueError;
use crate::{Examples, OnProgress, Progress, ValueFold};

/// Shapley values of the utility "the `neighbours` nearest of the records at hand answer the example", exact (Jia et
/// al., PVLDB 12, 2019, arXiv 1908.08619). Samples are benchmark examples.
///
/// - Classes: the utility is the share of the k nearest that have the right class (absent neighbours count as wrong);
///   unit Accuracy. O(n log(n / C)) for an example: only records of its own class are sorted, the others counted.
/// - Numbers: minus the squared error of the sum of the nearest over k; unit Score. O(n log n).
///
/// Nearness is Euclidean on the model's features; of records at equal distance the earlier is nearer. Distances are
/// f64 while the features are few, else f32, where rounding decides between almost equal ones. Weights of records are
/// not read: copies gain. It values neighbourhood, not what a linear model learns: good at finding wrong labels, no
/// rule of pay.
#[derive(Clone, Copy, Debug)]
pub struct KnnShapley {
    /// Neighbours that answer; at least 1.
    pub neighbours: usize,
    /// Number type of distances.
    pub precision: Precision,
}

impl Default for KnnShapley {
    fn default() -> Self {
        Self { neighbours: 5, precision: Precision::Auto }
    }
}

impl Method for KnnShapley {
    fn name(&self) -> &'static str {
        "knn-shapley"
    }

    fn cache<'a>(
        &self,
        train: Examples<'a>,
        _: &Setting<'a>,
        _: OnProgress<'_>,
    ) -> Result<Box<dyn Cached + 'a>, ValueError> {
        check(train.features, train.target).map_err(ValueError::Train)?;
        let k = self.neighbours.max(1);
        Ok(if self.precision.is_double(train.features, 1) {
            Box::new(Neighbours::<f64>::new(train, k))
        } else {
            Box::new(Neighbours::<f32>::new(train, k))
        })
    }
}

fn check(features: &Features, target: &Target) -> Result<(), TrainError> {
    let (rows, others) = (features.rows(), target.len());
    if rows == 0 {
        return Err(TrainError::Empty);
    }
    if rows != others {
        return Err(TrainError::Length { rows, others, what: "answers" });
    }
    if let Target::Classes { labels, count } = target
        && let Some(row) = labels.iter().position(|&y| y as usize >= *count)
    {
        return Err(TrainError::Class { row, label: labels[row], classes: *count });
    }
    Ok(())
}

struct Neighbours<'a, T> {
    train: Examples<'a>,
    design: Design<T>,
    /// Half the squared norm of each record.
    half_norms: Vec<T>,
    /// Records of each class, ascending.
    members: Vec<Vec<u32>>,
    k: usize,
}

/// Examples whose distances are one product.
const TOGETHER: usize = 64;

/// Products under way at once: bounds memory, whatever the number of threads.
const WAVE: usize = 16;

/// Records and examples of a corner turn that stays in the nearest cache.
const CORNER: usize = 32;

impl<'a, T: Real> Neighbours<'a, T> {
    fn new(train: Examples<'a>, k: usize) -> Self {
        let design = design::<T>(train.features);
        let square = |x: &[f32]| T::of(0.5 * x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>());
        let half_norms = (0..design.rows()).map(|i| match train.features {
            Features::Dense(m) => square(m.row(i)),
            Features::Sparse(m) => square(m.row(i).1),
        });
        let half_norms = half_norms.collect();
        let mut members = Vec::new();
        if let Target::Classes { labels, count } = train.target {
            members.resize(*count, Vec::new());
            labels.iter().zip(0..).for_each(|(&y, i)| members[y as usize].push(i));
        }
        Self { train, design, half_norms, members, k }
    }

    /// Half of the squared distance, less what all records of an example have in common: examples x records.
    fn distances(&self, features: &Features, examples: std::ops::Range<usize>) -> Mat<T> {
        let (n, m) = (self.design.rows(), examples.len());
        let mut panel = Mat::zeros(features.cols(), m);
        for (q, i) in examples.enumerate() {
            let mut put = |j: usize, x: f32| panel.row_mut(j)[q] = T::of(f64::from(x));
            match features {
                Features::Dense(f) => f.row(i).iter().enumerate().for_each(|(j, &x)| put(j, x)),
                Features::Sparse(f) => {
                    let (columns, values) = f.row(i);
                    columns.iter().zip(values).for_each(|(&j, &x)| put(j as usize, x));
                }
            }
        }
        let mut products = Mat::zeros(n, m);
        self.design.times(&panel, &mut products, |_, _| {});
        let mut out = Mat::zeros(m, n);
        for from in (0..n).step_by(CORNER) {
            let to = (from + CORNER).min(n);
            for q in 0..m {
                let products = products.data()[from * m + q..].iter().step_by(m);
                let terms = products.zip(&self.half_norms[from..to]);
                out.row_mut(q)[from..to].iter_mut().zip(terms).for_each(|(o, (&p, &h))| *o = h - p);
            }
        }
        out
    }

    /// Calls `each(example, values of all records)` in the order of the examples of a chunk.
    fn chunk(
        &self,
        benchmark: Examples<'_>,
        range: std::ops::Range<usize>,
        mut each: impl FnMut(usize, &[f64]),
    ) {
        let n = self.design.rows();
        let distances = self.distances(benchmark.features, range.clone());
        let mut values = vec![0.0; n];
        let mut order = Vec::new();
        for (q, i) in range.enumerate() {
            let distances = distances.row(q);
            match (benchmark.target, self.train.target) {
                (Target::Classes { labels, .. }, _) => {
                    let members = &self.members[labels[i] as usize];
                    classify(distances, members, self.k, &mut order, &mut values);
                }
                (Target::Numbers(bench), Target::Numbers(train)) => {
                    regress(distances, train, bench[i], self.k, &mut order, &mut values);
                }
                (Target::Numbers(_), Target::Classes { .. }) => {} // Refused by `same_kind`.
            }
            each(i, &values);
        }
    }

    fn checked<'b>(&self, benchmark: ValueFold<'b>) -> Result<Examples<'b>, ValueError> {
        let examples = benchmark.examples();
        same_kind(self.train, examples)?;
        check(examples.features, examples.target).map_err(ValueError::Benchmark)?;
        Ok(examples)
    }

    fn chunks(size: usize) -> Vec<std::ops::Range<usize>> {
        (0..size).step_by(TOGETHER).map(|from| from..(from + TOGETHER).min(size)).collect()
    }
}

impl<T: Real> Cached for Neighbours<'_, T> {
    fn attribute(&self, benchmark: ValueFold<'_>, on_progress: OnProgress<'_>) -> Result<Values, ValueError> {
        let examples = self.checked(benchmark)?;
        let (n, size) = (self.design.rows(), examples.target.len());
        let unit = match examples.target {
            Target::Classes { .. } => Unit::Accuracy,
            Target::Numbers(_) => Unit::Score,
        };
        let (mut sum, mut squares) = (vec![0.0; n], vec![0.0; n]);
        for wave in Self::chunks(size).chunks(WAVE) {
            let part = |range: &std::ops::Range<usize>| {
                let mut part = (vec![0.0; n], vec![0.0; n]);
                self.chunk(examples, range.clone(), |_, values| {
                    for ((s, q), v) in part.0.iter_mut().zip(&mut part.1).zip(values) {
                        *s += v;
                        *q += v * v;
                    }
                });
                part
            };
            for part in wave.par_iter().map(part).collect::<Vec<_>>() {
                sum.iter_mut().zip(&part.0).for_each(|(s, x)| *s += x);
                squares.iter_mut().zip(&part.1).for_each(|(s, x)| *s += x);
            }
            let done = wave.last().map_or(0, |range| range.end);
            on_progress(Progress { stage: "neighbours", done, total: size });
        }
        let mut values = Values::empty(unit, n);
        for i in 0..n {
            values.mean[i] = sum[i] / size as f64;
            values.squares[i] = (squares[i] - sum[i] * values.mean[i]).max(0.0);
            values.count[i] = size as u64;
        }
        Ok(values)
    }

    fn matrix(&self, benchmark: ValueFold<'_>, _: OnProgress<'_>) -> Result<Option<Mat<f64>>, ValueError> {
        let examples = self.checked(benchmark)?;
        let mut out = Mat::zeros(self.design.rows(), examples.target.len());
        for range in Self::chunks(examples.target.len()) {
            self.chunk(examples, range, |example, values| {
                for (i, v) in values.iter().enumerate() {
                    out.row_mut(i)[example] = *v;
                }
            });
        }
        Ok(Some(out))
    }
}

/// Searches that run side by side, so that none waits for its own last step.
const SIDE: usize = 8;

/// Weight of rank i, from 1: min(k, i) / (k i).
fn weight(k: usize, rank: usize) -> f64 {
    k.min(rank) as f64 / (k * rank) as f64
}

/// Values against an example of the class of `members`.
///
/// The recursion of the paper, summed: the record at rank i is worth `m_i w_i - sum over j > i of m_j (w_(j-1) - w_j)`,
/// m being 1 for records of the right class. So the ranks of the right ones are all that matters, and the others only
/// need to know how many right ones are nearer.
fn classify<T: Real>(
    distances: &[T],
    members: &[u32],
    k: usize,
    right: &mut Vec<(T, u32)>,
    values: &mut [f64],
) {
    right.clear();
    right.extend(members.iter().map(|&i| (distances[i as usize], i)));
    right.sort_unstable_by(|a, b| nearer(*a, *b));
    // The number of right ones that are nearer, by halving, without branches.
    let padded = (right.len() + 1).next_power_of_two();
    let far = T::of(f64::INFINITY);
    let bounds: Vec<T> = right.iter().map(|r| r.0).chain(std::iter::repeat(far)).take(padded).collect();
    let mut before = vec![0_u32; padded + 1];
    let mut place = vec![0_u32; distances.len()];
    for (block, (distances, places)) in distances.chunks(SIDE).zip(place.chunks_mut(SIDE)).enumerate() {
        let mut all = [far; SIDE];
        all[..distances.len()].copy_from_slice(distances);
        let (mut at, mut half) = ([0; SIDE], padded / 2);
        while half > 0 {
            for (at, distance) in at.iter_mut().zip(all) {
                let middle = *at + half;
                *at = select_unpredictable(bounds[middle - 1] < distance, middle, *at);
            }
            half /= 2;
        }
        for (k, (place, &distance)) in places.iter_mut().zip(distances).enumerate() {
            let (mut at, i) = (at[k], block * SIDE + k);
            while at < right.len() && bounds[at] == distance && (right[at].1 as usize) < i {
                at += 1;
            }
            *place = at as u32;
            before[at] += 1;
        }
    }
    // Each right one counted itself, just before itself: rank = those up to its own place.
    let mut worth = vec![0.0; padded + 1];
    let mut rank: usize = before.iter().map(|&b| b as usize).sum();
    rank -= before[right.len()..].iter().map(|&b| b as usize).sum::<usize>();
    let mut later = 0.0;
    for at in (0..right.len()).rev() {
        let own = weight(k, rank);
        values[right[at].1 as usize] = own - later;
        later += if rank > 1 { weight(k, rank - 1) - own } else { 0.0 };
        worth[at] = -later;
        rank -= before[at] as usize;
    }
    let mut next = 0;
    for (i, (value, &place)) in values.iter_mut().zip(&place).enumerate() {
        if members.get(next).is_some_and(|&m| m as usize == i) {
            next += 1;
        } else {
            *value = worth[place as usize];
        }
    }
}

fn nearer<T: Real>(a: (T, u32), b: (T, u32)) -> std::cmp::Ordering {
    a.0.f64().total_cmp(&b.0.f64()).then(a.1.cmp(&b.1))
}

/// Values against an example whose answer is the number `answer`.
///
/// Two records next to each other in rank differ where fewer than k of a coalition are nearer: then one more of them
/// swaps for the other. Averaged over coalitions (every size as likely as every other), the rest of the sum holds a
/// nearer record l < i with weight `min(k, i) (min(k, i) - 1) / (i (i - 1))` and a farther one l > i + 1 with
/// `t (t + 1) / ((l - 1) (l - 2))`, t = min(k - 1, l - 2). The farthest record's value starts the recursion.
fn regress<T: Real>(
    distances: &[T],
    numbers: &[f64],
    answer: f64,
    k: usize,
    order: &mut Vec<(T, u32)>,
    values: &mut [f64],
) {
    order.clear();
    order.extend(distances.iter().copied().zip(0..));
    order.sort_unstable_by(|a, b| nearer(*a, *b));
    let y = |rank: usize| numbers[order[rank - 1].1 as usize];
    let n = order.len();
    let share = |rank: usize| k.min(rank) as f64 / rank as f64;
    // Of the sum of the nearer ones, beside the record at this rank.
    let nearer_share =
        |rank: usize| if rank > 1 { share(rank) * (k.min(rank) - 1) as f64 / (rank - 1) as f64 } else { 0.0 };
    let k_ = k as f64;
    let mut nearer_sum: f64 = (1..n).map(y).sum();
    let mut farther_sum = 0.0;
    let own = share(n) * (y(n) / k_ - 2.0 * answer) + nearer_share(n) * nearer_sum / k_;
    let mut value = -y(n) / k_ * own;
    values[order[n - 1].1 as usize] = value;
    for i in (1..n).rev() {
        if i + 2 <= n {
            let (l, t) = (i + 2, (k - 1).min(i));
            farther_sum += (t * (t + 1)) as f64 / ((l - 1) * (l - 2)) as f64 * y(l);
        }
        nearer_sum -= y(i);
        let own = share(i) * ((y(i) + y(i + 1)) / k_ - 2.0 * answer);
        value += (y(i + 1) - y(i)) / k_ * (own + (nearer_share(i) * nearer_sum + farther_sum) / k_);
        values[order[i - 1].1 as usize] = value;
    }
}
