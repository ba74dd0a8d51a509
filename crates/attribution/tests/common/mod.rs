//! Small data sets for tests.
#![allow(dead_code, clippy::unwrap_used)]
#![allow(clippy::disallowed_macros, clippy::disallowed_methods, clippy::disallowed_types)] // Reads the shared data.

use assay_kernels::{Csr, Mat};
use assay_learn::data::{Features, Target};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Features and answers.
pub(crate) struct Set {
    pub(crate) features: Features,
    pub(crate) target: Target,
}

impl Set {
    pub(crate) fn examples(&self) -> assay_attribution::Examples<'_> {
        assay_attribution::Examples { features: &self.features, target: &self.target }
    }

    pub(crate) fn value_fold(&self) -> assay_attribution::ValueFold<'_> {
        assay_attribution::ValueFold::new(self.examples())
    }
}

/// Uniform in [-1, 1].
pub(crate) fn uniform(random: &mut ChaCha8Rng) -> f64 {
    random.next_u32() as f64 / f64::from(u32::MAX) * 2.0 - 1.0
}

/// Classes whose features have different means, a fifth of the labels random; a constant column last.
pub(crate) fn classes(n: usize, d: usize, count: usize, seed: u64) -> Set {
    // Class means depend on the class alone, so that sets of different seeds go together.
    let mut means_random = ChaCha8Rng::seed_from_u64(7);
    let means: Vec<f64> = (0..count * d).map(|_| uniform(&mut means_random)).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut data, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let y = random.next_u32() as usize % count;
        for j in 0..d {
            data.push((means[y * d + j] + uniform(&mut random)) as f32);
        }
        data.push(1.0);
        let noisy = random.next_u32() % 5 == 0;
        labels.push(if noisy { random.next_u32() % count as u32 } else { y as u32 });
    }
    Set {
        features: Features::Dense(Mat::from_vec(n, d + 1, data).unwrap()),
        target: Target::Classes { labels, count },
    }
}

/// A linear relation with noise of variance 0.25; a constant column last.
pub(crate) fn numbers(n: usize, d: usize, seed: u64) -> Set {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut data, mut y) = (Vec::new(), Vec::new());
    for _ in 0..n {
        let row: Vec<f64> = (0..d).map(|_| uniform(&mut random)).collect();
        let signal: f64 = row.iter().enumerate().map(|(j, x)| x / (1.0 + j as f64)).sum();
        y.push(signal + 0.5 * 3_f64.sqrt() * uniform(&mut random));
        data.extend(row.iter().map(|&x| x as f32));
        data.push(1.0);
    }
    Set { features: Features::Dense(Mat::from_vec(n, d + 1, data).unwrap()), target: Target::Numbers(y) }
}

/// The same features, stored sparsely.
pub(crate) fn sparse(features: &Features) -> Features {
    let Features::Dense(m) = features else { panic!("dense expected") };
    let row = |i: usize| m.row(i).iter().enumerate().filter(|(_, x)| **x != 0.0).map(|(j, &x)| (j as u32, x));
    let rows: Vec<Vec<(u32, f32)>> = (0..m.rows()).map(|i| row(i).collect()).collect();
    Features::Sparse(Csr::from_rows(m.cols(), &rows).unwrap())
}

/// The first and second part of a data set of numbers with a label in the last column, gzipped CSV with a header.
/// `None` when the shared data are not there.
pub(crate) fn digits() -> Option<(Set, Set)> {
    let root = std::env::var("ASSAY_DATA")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data").to_owned());
    let read = |name: &str| {
        let file = std::fs::File::open(format!("{root}/digits/{name}.csv.gz")).ok()?;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(file), &mut text).ok()?;
        let (mut data, mut labels) = (Vec::new(), Vec::new());
        for line in text.lines().skip(1) {
            let numbers: Vec<f32> = line.split(',').map(|x| x.trim().parse().unwrap()).collect();
            let (label, pixels) = numbers.split_last().unwrap();
            data.extend(pixels.iter().map(|x| x / 16.0));
            data.push(1.0);
            labels.push(*label as u32);
        }
        let rows = labels.len();
        let features = Features::Dense(Mat::from_vec(rows, data.len() / rows, data).unwrap());
        Some(Set { features, target: Target::Classes { labels, count: 10 } })
    };
    let sets = read("train").zip(read("test"));
    if sets.is_none() {
        println!("skipped: no digits under {root}");
    }
    sets
}
