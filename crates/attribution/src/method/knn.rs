//! Exact Shapley values of the nearest-neighbour classifier and regressor.

mod order;

use assay_kernels::{Design, Mat, Real};
use assay_learn::data::{Features, Target};
use assay_learn::train::{Precision, TrainError, design};
use order::Order;
use rayon::prelude::*;

use super::linear::same_kind;
use super::{Cached, Method, Setting, Unit, Values};
use crate::path::ValueError;
use crate::{Examples, OnProgress, Progress, ValueFold};

/// Shapley values of the utility "the `neighbours` nearest of the records at hand answer the example", exact (Jia et
/// al., PVLDB 12, 2019, arXiv 1908.08619). Samples are benchmark examples.
///
/// - Classes: the utility is the share of the k nearest that have the right class (absent neighbours count as wrong);
///   unit Accuracy.
/// - Numbers: minus the squared error of the sum of the nearest over k; unit Score.
///
/// An example takes O(n d) for the distances and, sorted by digits, O(n) more unless most of them are almost equal.
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
    /// Of each rank, from 1: min(k, rank) / (k rank).
    weights: Vec<f64>,
    k: usize,
}

/// Memory that is used again.
struct Scratch<T> {
    products: Mat<T>,
    distances: Mat<T>,
    order: Order,
    ranked: Vec<f64>,
    values: Vec<f64>,
}

/// Examples whose distances are one product.
const TOGETHER: usize = 32;

/// Products under way at once: bounds memory, whatever the number of threads.
const WAVE: usize = 32;

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
        let weights = (1..=design.rows()).map(|rank| k.min(rank) as f64 / (k * rank) as f64).collect();
        Self { train, design, half_norms, weights, k }
    }

    fn scratch(&self) -> Scratch<T> {
        let (ranked, values) = (Vec::new(), vec![0.0; self.design.rows()]);
        let [products, distances] = [(); 2].map(|()| Mat::zeros(0, 0));
        Scratch { products, distances, order: Order::default(), ranked, values }
    }

    /// Half of the squared distance, less what all records of an example have in common: examples x records.
    fn measure(&self, features: &Features, examples: std::ops::Range<usize>, scratch: &mut Scratch<T>) {
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
        let Scratch { products, distances, .. } = scratch;
        if products.cols() != m {
            (*products, *distances) = (Mat::zeros(n, m), Mat::zeros(m, n));
        }
        self.design.times(&panel, products, |_, _| {});
        for from in (0..n).step_by(CORNER) {
            let to = (from + CORNER).min(n);
            for q in 0..m {
                let products = products.data()[from * m + q..].iter().step_by(m);
                let terms = products.zip(&self.half_norms[from..to]);
                distances.row_mut(q)[from..to].iter_mut().zip(terms).for_each(|(o, (&p, &h))| *o = h - p);
            }
        }
    }

    /// Calls `each(example, values of all records)` in the order of the examples of a chunk.
    fn chunk(
        &self,
        benchmark: Examples<'_>,
        range: std::ops::Range<usize>,
        scratch: &mut Scratch<T>,
        mut each: impl FnMut(usize, &[f64]),
    ) {
        self.measure(benchmark.features, range.clone(), scratch);
        let Scratch { distances, order, ranked, values, .. } = scratch;
        for (q, i) in range.enumerate() {
            let sorted = order.sort(distances.row(q));
            match (benchmark.target, self.train.target) {
                (Target::Classes { labels: bench, .. }, Target::Classes { labels, .. }) => {
                    classify(sorted, &self.weights, |record| labels[record] == bench[i], values);
                }
                (Target::Numbers(bench), Target::Numbers(numbers)) => {
                    let sorted: Vec<usize> = sorted.collect();
                    ranked.clear();
                    ranked.extend(sorted.iter().map(|&record| numbers[record]));
                    regress(ranked, bench[i], self.k);
                    sorted.iter().zip(&*ranked).for_each(|(&record, value)| values[record] = *value);
                }
                _ => {} // Refused by `same_kind`.
            }
            each(i, values);
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
            let part = |scratch: &mut Scratch<T>, range: &std::ops::Range<usize>| {
                let mut part = (vec![0.0; n], vec![0.0; n]);
                self.chunk(examples, range.clone(), scratch, |_, values| {
                    for ((s, q), v) in part.0.iter_mut().zip(&mut part.1).zip(values) {
                        *s += v;
                        *q += v * v;
                    }
                });
                part
            };
            for part in wave.par_iter().map_init(|| self.scratch(), part).collect::<Vec<_>>() {
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
        let mut scratch = self.scratch();
        for range in Self::chunks(examples.target.len()) {
            self.chunk(examples, range, &mut scratch, |example, values| {
                for (i, v) in values.iter().enumerate() {
                    out.row_mut(i)[example] = *v;
                }
            });
        }
        Ok(Some(out))
    }
}

/// Values against an example from the records by distance: the recursion of the paper, which starts at the farthest.
fn classify(
    sorted: impl DoubleEndedIterator<Item = usize>,
    weights: &[f64],
    is_right: impl Fn(usize) -> bool,
    values: &mut [f64],
) {
    let (mut value, mut farther) = (0.0, 0);
    for (record, weight) in sorted.rev().zip(weights.iter().rev()) {
        let right = i32::from(is_right(record));
        value += f64::from(right - farther) * weight;
        farther = right;
        values[record] = value;
    }
}

/// Values of the records by distance, from their numbers, against an example whose answer is `answer`.
///
/// Two records next to each other in rank differ where fewer than k of a coalition are nearer: then one more of them
/// swaps for the other. Averaged over coalitions (every size as likely as every other), the rest of the sum holds a
/// nearer record l < i with weight `min(k, i) (min(k, i) - 1) / (i (i - 1))` and a farther one l > i + 1 with
/// `t (t + 1) / ((l - 1) (l - 2))`, t = min(k - 1, l - 2). The farthest record's value starts the recursion.
fn regress(ranked: &mut [f64], answer: f64, k: usize) {
    let n = ranked.len();
    let share = |rank: usize| k.min(rank) as f64 / rank as f64;
    // Of the sum of the nearer ones, beside the record at this rank.
    let nearer_share =
        |rank: usize| if rank > 1 { share(rank) * (k.min(rank) - 1) as f64 / (rank - 1) as f64 } else { 0.0 };
    let k_ = k as f64;
    let mut nearer_sum: f64 = ranked[..n - 1].iter().sum();
    let mut farther_sum = 0.0;
    // The numbers at the two ranks above the one at hand, whose places hold values by now.
    let (mut next, mut second) = (ranked[n - 1], 0.0);
    let own = share(n) * (next / k_ - 2.0 * answer) + nearer_share(n) * nearer_sum / k_;
    let mut value = -next / k_ * own;
    ranked[n - 1] = value;
    for i in (1..n).rev() {
        if i + 2 <= n {
            let (l, t) = (i + 2, (k - 1).min(i));
            farther_sum += (t * (t + 1)) as f64 / ((l - 1) * (l - 2)) as f64 * second;
        }
        let y = ranked[i - 1];
        nearer_sum -= y;
        let own = share(i) * ((y + next) / k_ - 2.0 * answer);
        value += (next - y) / k_ * (own + (nearer_share(i) * nearer_sum + farther_sum) / k_);
        ranked[i - 1] = value;
        (next, second) = (y, next);
    }
}
