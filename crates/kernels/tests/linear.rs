//! Products and solvers against the plainest loops.
#![allow(clippy::unwrap_used)]

use assay_kernels::cg::{self, Operator, Stop};
use assay_kernels::cholesky::{Cholesky, LaneInverse, weighted_grams};
use assay_kernels::{Csr, Design, Mat, Real, panel};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

fn random<T: Real>(rows: usize, cols: usize, seed: u64) -> Mat<T> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let one = |_| T::of(f64::from(random.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0);
    Mat::from_vec(rows, cols, (0..rows * cols).map(one).collect()).unwrap()
}

/// Two thirds of the entries zero, the first column full.
fn sparse(rows: usize, cols: usize, seed: u64) -> (Csr, Mat<f32>) {
    let mut full = random::<f32>(rows, cols, seed);
    for i in 0..rows {
        for (j, x) in full.row_mut(i).iter_mut().enumerate() {
            *x = if (i * 7 + j * 3) % 3 == 0 || j == 0 { *x } else { 0.0 };
        }
    }
    let row =
        |i: usize| full.row(i).iter().enumerate().filter(|(_, x)| **x != 0.0).map(|(j, &x)| (j as u32, x));
    let rows: Vec<Vec<(u32, f32)>> = (0..rows).map(|i| row(i).collect()).collect();
    (Csr::from_rows(cols, &rows).unwrap(), full)
}

/// `sum over k of f(i, k) * g(k, c)`.
fn naive(
    n: usize,
    inner: usize,
    w: usize,
    f: &dyn Fn(usize, usize) -> f64,
    g: &dyn Fn(usize, usize) -> f64,
) -> Vec<f64> {
    let entry = |i: usize, c: usize| (0..inner).map(|k| f(i, k) * g(k, c)).sum::<f64>();
    (0..n).flat_map(|i| (0..w).map(move |c| (i, c))).map(|(i, c)| entry(i, c)).collect()
}

fn near<T: Real>(got: &Mat<T>, want: &[f64], tolerance: f64) {
    for (k, (a, b)) in got.data().iter().zip(want).enumerate() {
        assert!((a.f64() - b).abs() <= tolerance, "entry {k}: {a:?} against {b}");
    }
}

fn products<T: Real>(n: usize, d: usize, width: usize, tolerance: f64) {
    let (csr, full) = sparse(n, d, 1);
    let x = |i: usize, j: usize| f64::from(full.row(i)[j]);
    for design in [Design::<T>::sparse(&csr), Design::<T>::dense(&full)] {
        let (v, r) = (random::<T>(d, width, 2), random::<T>(n, width, 3));
        let (vf, rf) = (|j: usize, c: usize| v.row(j)[c].f64(), |i: usize, c: usize| r.row(i)[c].f64());
        let mut out = Mat::zeros(n, width);
        design.times(&v, &mut out, |_, rows| rows.iter_mut().for_each(|x| *x = *x + *x));
        let want: Vec<f64> = naive(n, d, width, &x, &vf).iter().map(|x| 2.0 * x).collect();
        near(&out, &want, tolerance);
        let mut out = Mat::zeros(d, width);
        design.transpose_times(&r, &mut out, |_, _| {});
        near(&out, &naive(d, n, width, &|j, i| x(i, j), &rf), tolerance);
        design.squared_transpose_times(&r, &mut out);
        near(&out, &naive(d, n, width, &|j, i| x(i, j) * x(i, j), &rf), tolerance);
    }
}

#[test]
fn products_of_every_width_agree_with_loops() {
    for width in (1..=20).chain([31, 32, 33, 48, 63, 64, 77, 80, 96, 130]) {
        products::<f64>(37, 13, width, 1e-12);
        products::<f32>(37, 13, width, 1e-5);
    }
    products::<f64>(1300, 5, 3, 1e-11);
    products::<f32>(1300, 5, 16, 3e-4);
    products::<f64>(1, 1, 1, 1e-14);
}

#[test]
fn products_with_one_vector_agree_with_loops() {
    for (n, d) in [(1, 1), (7, 0), (40, 33), (65, 530)] {
        let full = random::<f32>(n, d, 3);
        let x: Vec<f64> = random::<f64>(1, d, 4).data().to_vec();
        let wanted: Vec<f64> =
            (0..n).map(|i| full.row(i).iter().zip(&x).map(|(a, x)| f64::from(*a) * x).sum()).collect();
        let found = Design::<f64>::dense(&full).along(&x);
        assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-9), "{n} {d}");
    }
    let (rows, full) = sparse(50, 20, 5);
    let x = random::<f32>(1, 20, 6);
    let dense: Vec<f32> = Design::<f32>::dense(&full).along(x.data());
    let found = Design::<f32>::sparse(&rows).along(x.data());
    assert!(found.iter().zip(&dense).all(|(a, b)| (a - b).abs() < 1e-4));
}

#[test]
fn products_share_their_bits_between_thread_counts() {
    let (csr, full) = sparse(3_000, 60, 4);
    let v = random::<f32>(60, 48, 5);
    let r = random::<f32>(3_000, 48, 6);
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            [Design::<f32>::sparse(&csr), Design::<f32>::dense(&full)].map(|x| {
                let (mut a, mut b) = (Mat::zeros(3_000, 48), Mat::zeros(60, 48));
                x.times(&v, &mut a, |_, _| {});
                x.transpose_times(&r, &mut b, |_, _| {});
                (a.clone(), b, panel::group_dots(&a, &a, 16))
            })
        })
    };
    assert!(run(1) == run(3));
}

/// A positive definite matrix as an operator; preconditioned by its diagonal.
struct Full(Mat<f64>);

impl Operator<f64> for Full {
    fn apply(&mut self, x: &Mat<f64>, out: &mut Mat<f64>) {
        let n = self.0.rows();
        let want = naive(n, n, x.cols(), &|i, j| self.0.row(i)[j], &|j, c| x.row(j)[c]);
        out.data_mut().copy_from_slice(&want);
    }

    fn precondition(&mut self, r: &Mat<f64>, out: &mut Mat<f64>) {
        for i in 0..r.rows() {
            for (o, x) in out.row_mut(i).iter_mut().zip(r.row(i)) {
                *o = x / self.0.row(i)[i];
            }
        }
    }
}

fn positive(n: usize, seed: u64) -> Mat<f64> {
    let b = random::<f64>(n, n, seed);
    let mut a = Mat::from_vec(n, n, naive(n, n, n, &|i, k| b.row(i)[k], &|k, j| b.row(j)[k])).unwrap();
    (0..n).for_each(|i| a.row_mut(i)[i] += 0.5);
    a
}

fn residual(a: &Mat<f64>, x: &Mat<f64>, b: &Mat<f64>) -> f64 {
    let n = a.rows();
    let ax = naive(n, n, x.cols(), &|i, j| a.row(i)[j], &|j, c| x.row(j)[c]);
    ax.iter().zip(b.data()).map(|(p, q)| (p - q).abs()).fold(0.0, f64::max)
}

#[test]
fn cholesky_solves_across_block_borders() {
    for n in [1, 2, 5, 63, 64, 65, 130, 200] {
        let (a, b) = (positive(n, 7), random::<f64>(n, 9, 8));
        let mut x = b.clone();
        Cholesky::new(a.clone()).unwrap().solve(&mut x);
        assert!(residual(&a, &x, &b) < 1e-8, "{n}: {}", residual(&a, &x, &b));
    }
    let mut indefinite = positive(70, 7);
    indefinite.row_mut(66)[66] = -1.0;
    assert!(Cholesky::new(indefinite).is_none());
    let mut nan = positive(3, 7);
    nan.row_mut(0)[0] = f64::NAN;
    assert!(Cholesky::new(nan).is_none());
}

#[test]
fn conjugate_gradients_stop_each_group_by_itself() {
    let a = positive(40, 9);
    let mut b = random::<f64>(40, 12, 10);
    // The third group of four columns asks for nothing; the second is far smaller than the first.
    for i in 0..40 {
        b.row_mut(i)[8..].fill(0.0);
        b.row_mut(i)[4..8].iter_mut().for_each(|x| *x *= 1e-9);
    }
    let mut x = Mat::zeros(40, 12);
    let stop = Stop { tolerance: 1e-10, iterations: 500 };
    let solved = cg::solve(&mut Full(a.clone()), &b, &mut x, 4, true, stop);
    assert!(solved.residual.iter().all(|r| *r <= 1e-10), "{solved:?}");
    assert!(residual(&a, &x, &b) < 1e-7);
    let small =
        |m: &Mat<f64>| Mat::from_vec(40, 4, (0..40).flat_map(|i| m.row(i)[4..8].to_vec()).collect()).unwrap();
    assert!(residual(&a, &small(&x), &small(&b)) < 1e-16);
    assert!((0..40).all(|i| x.row(i)[8..].iter().all(|v| *v == 0.0)));
    // From the solution itself nothing is left to do.
    let again = cg::solve(&mut Full(a), &b, &mut x, 4, false, Stop { tolerance: 1e-8, iterations: 500 });
    assert_eq!(again.iterations, 1);
}

#[test]
fn lane_inverses_are_inverses() {
    for lanes in [1, 2, 4, 8, 16, 32] {
        let (d, m) = (9, 40);
        let columns = random::<f64>(d, m, 11);
        let mut weights = random::<f64>(m, lanes, 12);
        weights.data_mut().iter_mut().for_each(|w| *w = w.abs());
        let mut blocks = weighted_grams(&columns, &weights);
        for j in 0..d {
            (0..lanes).for_each(|c| blocks[(j * d + j) * lanes + c] += 0.1);
        }
        let inverse = LaneInverse::new(d, lanes, blocks.clone()).unwrap();
        let groups = 3;
        let b = random::<f64>(d, groups * lanes, 13);
        let mut x = Mat::zeros(d, groups * lanes);
        inverse.apply(&b, &mut x);
        for c in 0..lanes {
            let gram = |j: usize, l: usize| {
                let sum: f64 =
                    (0..m).map(|i| weights.row(i)[c] * columns.row(j)[i] * columns.row(l)[i]).sum();
                sum + if j == l { 0.1 } else { 0.0 }
            };
            for g in 0..groups {
                let at = g * lanes + c;
                for j in 0..d {
                    assert!((gram(j, 2.min(j)) - blocks[(j * d + 2.min(j)) * lanes + c]).abs() < 1e-12);
                    let back: f64 = (0..d).map(|l| gram(j, l) * x.row(l)[at]).sum();
                    assert!((back - b.row(j)[at]).abs() < 1e-9);
                }
            }
        }
    }
    assert!(LaneInverse::new(1, 2, vec![1.0_f64, 0.0]).is_none());
}

proptest! {
    #[test]
    fn softmax_and_its_curvature_are_what_they_say(
        classes in 2..40_usize, seed in 0..1000_u64, spread in 0.1..60.0_f64, groups in 1..3_usize
    ) {
        let lanes = panel::lanes_for(classes);
        let rows = 5;
        let mut scores = random::<f64>(rows, lanes, seed);
        scores.data_mut().iter_mut().for_each(|z| *z *= spread);
        let z = scores.clone();
        let labels: Vec<u32> = (0..rows).map(|i| (i * 7 % classes) as u32).collect();
        let mut loss = vec![0.0; rows];
        panel::softmax_rows(scores.data_mut(), lanes, classes, &labels, &mut loss);
        for i in 0..rows {
            let p = scores.row(i);
            prop_assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            prop_assert!(p[classes..].iter().all(|x| *x == 0.0));
            let norm: f64 = z.row(i)[..classes].iter().map(|x| x.exp()).sum();
            prop_assert!((loss[i] - (norm.ln() - z.row(i)[labels[i] as usize])).abs() < 1e-9);
        }
        let width = lanes * groups;
        let a = random::<f64>(rows, width, seed + 1);
        let mut out = a.clone();
        panel::curvature_rows(out.data_mut(), width, scores.data(), lanes, &[0.5; 5]);
        for i in 0..rows {
            for g in 0..groups {
                let (p, a) = (scores.row(i), &a.row(i)[g * lanes..][..lanes]);
                let mean: f64 = p.iter().zip(a).map(|(p, a)| p * a).sum();
                for c in 0..lanes {
                    prop_assert!((out.row(i)[g * lanes + c] - 0.5 * p[c] * (a[c] - mean)).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn vector_steps_are_what_they_say(lanes in 1..70_usize, groups in 1..4_usize, rows in 1..600_usize) {
        let lanes = panel::lanes_for(lanes);
        let groups = groups.min(panel::groups_for(lanes));
        let width = lanes * groups;
        let (x, y) = (random::<f64>(rows, width, 1), random::<f64>(rows, width, 2));
        let dots = panel::group_dots(&x, &y, lanes);
        let scale: Vec<f64> = (0..groups).map(|g| g as f64 - 0.5).collect();
        let (mut a, mut b) = (x.clone(), y.clone());
        panel::descend(&scale, lanes, &y, &x, &mut a, &mut b);
        let mut p = y.clone();
        panel::xpby(&scale, lanes, &x, &mut p);
        let mut sums = vec![0.0; groups];
        for k in 0..rows * width {
            let g = k % width / lanes;
            let (xk, yk) = (x.data()[k], y.data()[k]);
            sums[g] += xk * yk;
            prop_assert!((a.data()[k] - (xk + scale[g] * yk)).abs() < 1e-12);
            prop_assert!((b.data()[k] - (yk - scale[g] * xk)).abs() < 1e-12);
            prop_assert!((p.data()[k] - (xk + scale[g] * yk)).abs() < 1e-12);
        }
        for (a, b) in sums.iter().zip(&dots) {
            prop_assert!((a - b).abs() < 1e-9);
        }
    }
}
