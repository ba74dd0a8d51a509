//! TRAK: random projections of gradients.

use assay_kernels::cholesky::{Cholesky, weighted_grams};
use assay_kernels::{Design, Mat, Real};
use assay_learn::crossval::shuffled;
use assay_learn::data::Target;
use assay_learn::train::{Point, Precision, design};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use super::linear::{Groups, Linear, minimum, record_products, same_kind};
use super::{Cached, Method, Setting, Unit, Values};
use crate::path::ValueError;
use crate::{Examples, OnProgress, Progress, ValueFold};

/// Attribution by a linear model of projected gradients (TRAK; Park et al., ICML 2023, arXiv 2303.14186): with f the
/// output function, phi = P' grad f and Phi the matrix of all records, record i is worth
/// `phi(z)' (Phi' Phi + lambda I)^-1 phi_i Q_i` to example z. Scores and Q are averaged over checkpoints apart. Unit
/// Score; samples are folds of the benchmark.
///
/// - Classes: f = ln(p / (1 - p)) of the right class, the margin, whose gradient in the scores is 1 for that class and
///   minus the probability among the others for each other one; Q = 1 - p.
/// - Numbers: f is the mean, Q = (y - f) / noise, and the sum over examples weighs each by its own Q, which makes it
///   the log-likelihood.
///
/// The first checkpoint is the model, each further one a model of a random half of the records with a projection of
/// its own. Gradients of no more than `dimension` parameters are not projected. O(n p k + n k^2) a checkpoint.
///
/// Made for models whose curvature is out of reach. It targets the margin, not the loss: the mean over a benchmark
/// hardly follows what is measured in bits (research on an MLP: rank correlation near 0), so it must not price anyone.
#[derive(Clone, Copy, Debug)]
pub struct Projection {
    /// Numbers that a gradient is projected to; at least 1.
    pub dimension: usize,
    /// Models to average over; at least 1.
    pub checkpoints: usize,
    /// Entries of the projection.
    pub entries: Entries,
    /// Number type.
    pub precision: Precision,
}

/// What a random projection is made of, each with variance 1 / dimension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Entries {
    /// Plus or minus one.
    #[default]
    Rademacher,
    /// Normal.
    Gaussian,
}

impl Default for Projection {
    fn default() -> Self {
        Self { dimension: 512, checkpoints: 1, entries: Entries::default(), precision: Precision::Auto }
    }
}

impl Method for Projection {
    fn name(&self) -> &'static str {
        "projection"
    }

    fn cache<'a>(
        &self,
        train: Examples<'a>,
        setting: &Setting<'a>,
        on_progress: OnProgress<'_>,
    ) -> Result<Box<dyn Cached + 'a>, ValueError> {
        let outputs = assay_learn::model::Family::of(train.target, 1.0).outputs();
        Ok(if self.precision.is_double(train.features, outputs) {
            Box::new(Checkpoints::<f64>::new(*self, train, setting, on_progress)?)
        } else {
            Box::new(Checkpoints::<f32>::new(*self, train, setting, on_progress)?)
        })
    }
}

struct Checkpoints<'a, T> {
    linear: Linear<'a, T>,
    models: Vec<Checkpoint<T>>,
    /// Mean over the checkpoints of the slope of each record's loss in its output function.
    slopes: Vec<f64>,
}

struct Checkpoint<T> {
    theta: Mat<T>,
    projector: Projector,
    /// Phi (Phi' Phi + lambda I)^-1, records x dimension.
    kernel: Mat<T>,
}

impl<'a, T: Real> Checkpoints<'a, T> {
    fn new(
        options: Projection,
        train: Examples<'a>,
        setting: &Setting<'a>,
        on_progress: OnProgress<'_>,
    ) -> Result<Self, ValueError> {
        let linear = Linear::<T>::new(train, setting);
        let problem = linear.problem()?;
        let (rows, total) = (train.target.len(), options.checkpoints.max(1));
        let outputs = problem.family().outputs();
        let parameters = train.features.cols() * outputs;
        let mut slopes = vec![0.0; rows];
        let mut models = Vec::with_capacity(total);
        for number in 0..total {
            let projector = Projector {
                seed: setting.seed,
                stream: number as u64,
                outputs,
                dimension: (options.dimension.max(1) < parameters).then_some(options.dimension.max(1)),
                parameters,
                entries: options.entries,
            };
            let fitted = match number {
                0 => minimum(&problem, 1.0),
                _ => {
                    let mut weights = vec![0.0; rows];
                    let half = shuffled(rows, setting.seed.wrapping_add(number as u64), rows.div_ceil(2));
                    half.iter().for_each(|&i| weights[i] = problem.weights()[i]);
                    problem.at(minimum(&problem.with_weights(weights), 1.0).theta)
                }
            };
            let (gradients, slope) = output_function(&fitted, train.target, setting);
            slopes.iter_mut().zip(slope).for_each(|(s, x)| *s += x / total as f64);
            let phi = projector.project(&linear.design, &gradients);
            models.push(Checkpoint { kernel: kernel(&phi, setting.lambda), theta: fitted.theta, projector });
            on_progress(Progress { stage: "checkpoints", done: number + 1, total });
        }
        Ok(Self { models, slopes, linear })
    }

    /// Scores against the mean over each group: records x groups.
    fn on_groups(&self, benchmark: ValueFold<'_>, groups: &Groups) -> Result<Mat<f64>, ValueError> {
        let examples = benchmark.examples();
        same_kind(self.linear.train, examples)?;
        let bench_design = design::<T>(examples.features);
        let bench = self.linear.benchmark(&bench_design, examples)?;
        let count = groups.sizes.len();
        let mut out = Mat::zeros(self.slopes.len(), count);
        for model in &self.models {
            let there = bench.at(model.theta.clone());
            let (mut gradients, slopes) = output_function(&there, examples.target, &self.linear.setting);
            if let Target::Numbers(_) = examples.target {
                gradients.data_mut().iter_mut().zip(slopes).for_each(|(g, slope)| *g = T::of(slope));
            }
            let phi = model.projector.project(&bench_design, &gradients);
            let mut means = Mat::zeros(phi.cols(), count);
            for (i, &g) in groups.of.iter().enumerate() {
                let share = T::of(1.0 / groups.sizes[g] as f64);
                phi.row(i).iter().enumerate().for_each(|(k, &x)| means.row_mut(k)[g] += x * share);
            }
            let share = 1.0 / self.models.len() as f64;
            let rows = out.data_mut().par_chunks_mut(count).zip(model.kernel.data().par_chunks(means.rows()));
            rows.for_each(|(out, kernel)| {
                let mut sum = vec![T::ZERO; count];
                for (k, &x) in kernel.iter().enumerate() {
                    sum.iter_mut().zip(means.row(k)).for_each(|(s, &m)| *s += x * m);
                }
                out.iter_mut().zip(sum).for_each(|(o, s)| *o += s.f64() * share);
            });
        }
        for (i, slope) in self.slopes.iter().enumerate() {
            out.row_mut(i).iter_mut().for_each(|x| *x *= slope);
        }
        Ok(out)
    }
}

impl<T: Real> Cached for Checkpoints<'_, T> {
    fn attribute(&self, benchmark: ValueFold<'_>, _: OnProgress<'_>) -> Result<Values, ValueError> {
        let folds = Groups::folds(benchmark, self.linear.setting.seed);
        Ok(folds.values(Unit::Score, &self.on_groups(benchmark, &folds)?))
    }

    fn matrix(&self, benchmark: ValueFold<'_>, _: OnProgress<'_>) -> Result<Option<Mat<f64>>, ValueError> {
        self.on_groups(benchmark, &Groups::singles(benchmark)).map(Some)
    }
}

/// Gradient of the output function of each record in its scores (records x lanes), and minus the slope of its loss in
/// the output function, times its weight for records.
fn output_function<T: Real>(point: &Point<T>, target: &Target, setting: &Setting<'_>) -> (Mat<T>, Vec<f64>) {
    let mut gradients = point.fitted.clone();
    let slopes = match target {
        Target::Classes { labels, count } => {
            let each = |(i, &y): (usize, &u32)| {
                let row = &mut gradients.row_mut(i)[..*count];
                let y = y as usize;
                // Summed, not taken from one: exact where p is all but one.
                row[y] = T::ZERO;
                let others: T = row.iter().copied().sum();
                let scale = if others > T::ZERO { T::ONE / others } else { T::ZERO };
                row.iter_mut().for_each(|p| *p = -(*p * scale));
                row[y] = T::ONE;
                others.f64()
            };
            labels.iter().enumerate().map(each).collect()
        }
        Target::Numbers(numbers) => {
            let miss = |(y, m): (&f64, &T)| (y - m.f64()) / setting.noise_variance;
            let slopes = numbers.iter().zip(point.fitted.data()).map(miss).collect();
            gradients.data_mut().fill(T::ONE);
            slopes
        }
    };
    (gradients, slopes)
}

/// Phi (Phi' Phi + ridge I)^-1.
fn kernel<T: Real>(phi: &Mat<T>, ridge: f64) -> Mat<T> {
    let (n, k) = (phi.rows(), phi.cols());
    let across = transposed(phi);
    let ones = Mat::from_vec(n, 1, vec![T::ONE; n]).unwrap_or_else(|| Mat::zeros(n, 1));
    let mut gram = Mat::from_vec(k, k, weighted_grams(&across, &ones)).unwrap_or_else(|| Mat::zeros(k, k));
    for j in 0..k {
        gram.row_mut(j)[j] += T::of(ridge);
    }
    let mut solved = across;
    // The ridge is above zero: only numbers that are not finite have no factor, and they stay what they are.
    if let Some(factor) = Cholesky::new(gram) {
        factor.solve(&mut solved);
    }
    transposed(&solved)
}

fn transposed<T: Real>(m: &Mat<T>) -> Mat<T> {
    let mut out = Mat::zeros(m.cols(), m.rows());
    for i in 0..m.rows() {
        for (j, &x) in m.row(i).iter().enumerate() {
            out.row_mut(j)[i] = x;
        }
    }
    out
}

/// A random matrix of parameters x dimension that is never stored.
#[derive(Clone, Copy, Debug)]
struct Projector {
    seed: u64,
    stream: u64,
    outputs: usize,
    parameters: usize,
    /// `None` is the identity.
    dimension: Option<usize>,
    entries: Entries,
}

/// Columns of a projection made at a time.
const COLUMNS: usize = 64;

impl Projector {
    /// The projected gradients, records x dimension.
    fn project<T: Real>(self, design: &Design<T>, gradients: &Mat<T>) -> Mat<T> {
        let dimension = self.dimension.unwrap_or(self.parameters);
        let mut out = Mat::zeros(design.rows(), dimension);
        let mut scores = Mat::zeros(0, 0);
        for first in (0..dimension).step_by(COLUMNS) {
            let range = first..(first + COLUMNS).min(dimension);
            let panel = self.columns::<T>(range.clone());
            record_products(design, gradients, &panel, range.len(), &mut scores, |i, row| {
                out.row_mut(i)[range.clone()].copy_from_slice(row);
            });
        }
        out
    }

    /// Columns `range`, as features x (outputs * columns), all of output 0 first.
    fn columns<T: Real>(self, range: std::ops::Range<usize>) -> Mat<T> {
        let count = range.len();
        let mut out = Mat::zeros(self.parameters / self.outputs, self.outputs * count);
        let Some(dimension) = self.dimension else {
            for (k, parameter) in range.enumerate() {
                out.row_mut(parameter / self.outputs)[parameter % self.outputs * count + k] = T::ONE;
            }
            return out;
        };
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(self.stream << 32 | range.start as u64);
        let scale = (1.0 / dimension as f64).sqrt();
        for pair in out.data_mut().chunks_mut(2) {
            let bits = random.next_u64();
            let numbers = match self.entries {
                Entries::Rademacher => [0, 1].map(|k| if bits >> k & 1 == 0 { scale } else { -scale }),
                Entries::Gaussian => normals(bits).map(|x| x * scale),
            };
            pair.iter_mut().zip(numbers).for_each(|(o, x)| *o = T::of(x));
        }
        out
    }
}

/// Two independent normal numbers from 64 random bits (Box and Muller, Annals of Math. Stat. 29, 1958).
fn normals(bits: u64) -> [f64; 2] {
    let unit = |bits: u64| (bits as f64 + 0.5) / 4_294_967_296.0;
    let radius = (-2.0 * unit(bits >> 32).ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * unit(bits & 0xffff_ffff)).sin_cos();
    [radius * cos, radius * sin]
}
