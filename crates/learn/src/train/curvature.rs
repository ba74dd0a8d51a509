//! The curvature of the objective at a point, and systems with it.

use std::sync::Arc;

use assay_kernels::cg::{self, Operator, Stop};
use assay_kernels::{Design, Mat, Real, panel};

use super::precondition::Preconditioner;
use super::problem::{Point, Problem};
use crate::model::Family;

/// The curvature at a point. Panels may hold any number of groups of the problem's lanes.
#[derive(Debug)]
pub struct Curvature<'p, T> {
    hessian: Hessian<'p, T>,
    preconditioner: Arc<Preconditioner<T>>,
}

/// `lambda I + t * sum w Hessian loss`.
#[derive(Debug)]
pub struct Hessian<'p, T> {
    design: &'p Design<T>,
    family: Family,
    lambda: f64,
    lanes: usize,
    fitted: Fitted<'p, T>,
    scale: Vec<T>,
    scratch: Mat<T>,
}

/// What the records look like at the point.
#[derive(Debug)]
enum Fitted<'p, T> {
    Lent(&'p Mat<T>),
    Own(Mat<T>),
}

impl<T> Fitted<'_, T> {
    fn get(&self) -> &Mat<T> {
        match self {
            Self::Lent(fitted) => fitted,
            Self::Own(fitted) => fitted,
        }
    }
}

impl<T: Real> Problem<'_, T> {
    /// The curvature `lambda I + t * sum w Hessian loss` at a point, as an operator with its preconditioner.
    pub fn curvature<'p>(&'p self, t: f64, point: &'p Point<T>) -> Curvature<'p, T> {
        let hessian = self.hessian(t, point);
        let preconditioner = Arc::new(hessian.preconditioner());
        Curvature { hessian, preconditioner }
    }

    fn hessian<'p>(&'p self, t: f64, point: &'p Point<T>) -> Hessian<'p, T> {
        Hessian {
            design: self.design(),
            family: self.family(),
            lambda: self.lambda(),
            lanes: self.lanes(),
            fitted: Fitted::Lent(&point.fitted),
            scale: self.curvature_scale(t),
            scratch: Mat::zeros(0, 0),
        }
    }

    /// The inverse of the curvature at a point. A preconditioner from nearby saves making one.
    pub fn inverse<'p>(&'p self, t: f64, point: &'p Point<T>, near: Option<Nearby>) -> Inverse<'p, T> {
        // Where rows are gathered one by one, narrower numbers are hardly faster.
        if self.design().is_sparse() {
            return Inverse::Whole(self.curvature(t, point));
        }
        let hessian = Hessian {
            design: self.single(),
            family: self.family(),
            lambda: self.lambda(),
            lanes: self.lanes(),
            fitted: Fitted::Own(point.fitted.convert()),
            scale: self.curvature_scale(t),
            scratch: Mat::zeros(0, 0),
        };
        let (preconditioner, spent) = match near {
            Some(Nearby { of, spent }) => (of, spent),
            None => (Arc::new(hessian.preconditioner()), 0),
        };
        let rough = Curvature { hessian, preconditioner };
        Inverse::Refined { exact: self.hessian(t, point), rough, spent }
    }
}

/// A preconditioner that was made at one point, for others near it.
#[derive(Clone, Debug)]
pub struct Nearby {
    of: Arc<Preconditioner<f32>>,
    /// Products that systems have taken with it.
    spent: usize,
}

/// The inverse of the curvature at a point: solves systems by conjugate gradients.
///
/// Dense records are multiplied in f32, and what that leaves is computed in the number type of the problem and solved for
/// again (iterative refinement; Wilkinson 1963, Carson and Higham 2018). Where a round does not leave less than the
/// last, conjugate gradients go on in the number type of the problem.
#[derive(Debug)]
pub enum Inverse<'p, T> {
    /// In the number type of the problem throughout.
    Whole(Curvature<'p, T>),
    /// In f32, refined.
    Refined {
        /// What is left is computed with this.
        exact: Hessian<'p, T>,
        /// Systems are solved with this.
        rough: Curvature<'p, f32>,
        /// Products that systems have taken with the preconditioner.
        spent: usize,
    },
}

/// What one round of refinement leaves at least: what f32 can be trusted with.
const ROUND: f64 = 1e-4;

/// Rounds at most.
const ROUNDS: usize = 12;

/// A preconditioner is made anew once the systems solved with it have cost so many times what making it costs.
const WORN: usize = 8;

impl<T: Real> Inverse<'_, T> {
    /// The preconditioner, for other points; `None` where it is worn out, or a new one costs next to nothing.
    pub fn nearby(&self) -> Option<Nearby> {
        let Self::Refined { rough: Curvature { preconditioner: of, .. }, spent, .. } = self else {
            return None;
        };
        (*spent < WORN * of.cost()).then(|| Nearby { of: Arc::clone(of), spent: *spent })
    }

    /// Solves for one right-hand side; `x` holds the first guess, `cold` says that it is zero. Returns the products that
    /// it took.
    pub fn solve(&mut self, b: &Mat<T>, x: &mut Mat<T>, cold: bool, stop: Stop) -> usize {
        self.solve_groups(b, x, b.cols(), cold, stop)
    }

    /// The same for several right-hand sides side by side. Returns the products that each took.
    pub fn solve_groups(
        &mut self,
        b: &Mat<T>,
        x: &mut Mat<T>,
        lanes: usize,
        cold: bool,
        stop: Stop,
    ) -> usize {
        let groups = b.cols() / lanes;
        match self {
            Self::Whole(curvature) => cg::solve(curvature, b, x, lanes, cold, stop).iterations,
            Self::Refined { exact, rough, spent } => {
                let products = if groups == 1 {
                    refine(exact, rough, b, x, cold, stop)
                } else if stop.tolerance >= ROUND {
                    roughly(rough, b, x, lanes, cold, stop)
                } else {
                    cg::solve(&mut Mixed::new(exact, rough), b, x, lanes, cold, stop).iterations
                };
                *spent += products * groups;
                products
            }
        }
    }

    /// Solves for a direction, no more exactly than f32 can be trusted with unless `exactly`; returns the products that
    /// it took.
    pub fn direction(&mut self, b: &Mat<T>, x: &mut Mat<T>, exactly: bool, stop: Stop) -> usize {
        match self {
            Self::Refined { rough, spent, .. } if !exactly => {
                let stop = Stop { tolerance: stop.tolerance.max(ROUND), ..stop };
                let products = roughly(rough, b, x, b.cols(), true, stop);
                *spent += products;
                products
            }
            Self::Refined { exact, rough, .. } => {
                cg::solve(&mut Mixed::new(exact, rough), b, x, b.cols(), true, stop).iterations
            }
            Self::Whole(curvature) => cg::solve(curvature, b, x, b.cols(), true, stop).iterations,
        }
    }
}

/// Solves in f32, all numbers scaled so that it has room for them.
fn roughly<T: Real>(
    rough: &mut Curvature<'_, f32>,
    b: &Mat<T>,
    x: &mut Mat<T>,
    lanes: usize,
    cold: bool,
    stop: Stop,
) -> usize {
    let length = length(b);
    if length == 0.0 {
        x.data_mut().fill(T::ZERO);
        return 0;
    }
    let mut solution = scaled::<T, f32>(x, 1.0 / length);
    let solved = cg::solve(rough, &scaled(b, 1.0 / length), &mut solution, lanes, cold, stop);
    *x = scaled(&solution, length);
    solved.iterations
}

/// Solves in rounds: each takes off what f32 can of what the last has left.
fn refine<T: Real>(
    exact: &mut Hessian<'_, T>,
    rough: &mut Curvature<'_, f32>,
    b: &Mat<T>,
    x: &mut Mat<T>,
    cold: bool,
    stop: Stop,
) -> usize {
    let mut products = 0;
    let mut last = f64::INFINITY;
    let enough = stop.tolerance * rough.norm(b);
    let mut left = b.clone();
    for round in 0..ROUNDS {
        if round > 0 || !cold {
            exact.apply(x, &mut left);
            products += 1;
            left.data_mut().iter_mut().zip(b.data()).for_each(|(l, &b)| *l = b - *l);
        }
        let norm = rough.norm(&left);
        if norm <= enough || products >= stop.iterations {
            return products;
        }
        if norm > 0.5 * last {
            break;
        }
        last = norm;
        let goal = Stop { tolerance: (enough / norm).max(ROUND), iterations: stop.iterations - products };
        let mut step = Mat::zeros(left.rows(), left.cols());
        products += roughly(rough, &left, &mut step, left.cols(), true, goal);
        x.data_mut().iter_mut().zip(step.data()).for_each(|(x, &s)| *x += s);
        if enough >= ROUND * norm {
            return products;
        }
    }
    let stop = Stop { iterations: stop.iterations - products, ..stop };
    products + cg::solve(&mut Mixed::new(exact, rough), b, x, b.cols(), false, stop).iterations
}

fn length<T: Real>(of: &Mat<T>) -> f64 {
    of.data().iter().map(|x| x.f64() * x.f64()).sum::<f64>().sqrt()
}

fn scaled<T: Real, U: Real>(of: &Mat<T>, by: f64) -> Mat<U> {
    let mut out = Mat::zeros(of.rows(), of.cols());
    out.data_mut().iter_mut().zip(of.data()).for_each(|(o, x)| *o = U::of(x.f64() * by));
    out
}

impl Curvature<'_, f32> {
    /// Norm in that of the preconditioner.
    fn norm<T: Real>(&self, of: &Mat<T>) -> f64 {
        let length = length(of);
        if length == 0.0 {
            return 0.0;
        }
        let unit = scaled(of, 1.0 / length);
        let mut image = Mat::zeros(of.rows(), of.cols());
        self.preconditioner.apply(&unit, &mut image);
        length * panel::group_dots(&unit, &image, of.cols())[0].max(0.0).sqrt()
    }
}

/// The curvature in the number type of the problem, with a preconditioner in f32.
struct Mixed<'a, 'p, T> {
    hessian: &'a mut Hessian<'p, T>,
    preconditioner: &'a Preconditioner<f32>,
}

impl<'a, 'p, T> Mixed<'a, 'p, T> {
    fn new(exact: &'a mut Hessian<'p, T>, rough: &'a Curvature<'_, f32>) -> Self {
        Self { hessian: exact, preconditioner: &rough.preconditioner }
    }
}

impl<T: Real> Operator<T> for Mixed<'_, '_, T> {
    fn apply(&mut self, x: &Mat<T>, out: &mut Mat<T>) {
        self.hessian.apply(x, out);
    }

    fn precondition(&mut self, r: &Mat<T>, out: &mut Mat<T>) {
        let length = length(r);
        if length == 0.0 {
            return out.data_mut().fill(T::ZERO);
        }
        let mut image = Mat::zeros(r.rows(), r.cols());
        self.preconditioner.apply(&scaled(r, 1.0 / length), &mut image);
        *out = scaled(&image, length);
    }
}

impl<T: Real> Hessian<'_, T> {
    fn preconditioner(&self) -> Preconditioner<T> {
        Preconditioner::new(self.design, self.family, self.lambda, self.fitted.get(), &self.scale)
    }

    fn apply(&mut self, x: &Mat<T>, out: &mut Mat<T>) {
        let width = x.cols();
        if self.scratch.cols() != width {
            self.scratch = Mat::zeros(self.design.rows(), width);
        }
        let (lanes, fitted, scale, family) = (self.lanes, self.fitted.get().data(), &self.scale, self.family);
        self.design.times(x, &mut self.scratch, |first, rows| match family {
            Family::Softmax { .. } => {
                panel::curvature_rows(rows, width, &fitted[first * lanes..], lanes, &scale[first..]);
            }
            Family::Gaussian { .. } => {
                for (row, &scale) in rows.chunks_exact_mut(width).zip(&scale[first..]) {
                    row.iter_mut().for_each(|a| *a = *a * scale);
                }
            }
        });
        let (lambda, x) = (T::of(self.lambda), x.data());
        self.design.transpose_times(&self.scratch, out, |first, rows| {
            rows.iter_mut().zip(&x[first * width..]).for_each(|(o, &x)| *o += lambda * x);
        });
    }
}

impl<T: Real> Operator<T> for Curvature<'_, T> {
    fn apply(&mut self, x: &Mat<T>, out: &mut Mat<T>) {
        self.hessian.apply(x, out);
    }

    fn precondition(&mut self, r: &Mat<T>, out: &mut Mat<T>) {
        self.preconditioner.apply(r, out);
    }
}
