//! Models trained side by side: in f64 most of the way in f32, where that halves the work, and then exactly.

mod block;

use std::ops::Range;

use assay_kernels::Real;

use super::{Next, Retrained, Retrainer, exact};
use block::{Bend, Block};

/// Steps of one training at most; what is not done by then is left to truncated Newton.
const STEPS: usize = 60;

/// The same in f32, and how far they go: the gradient relative to that of the base model, some way above its rounding.
const ROUGH_STEPS: usize = 15;
const ROUGH: f64 = 2e-6;

/// The state of all models of a block of chains.
pub(super) struct Lanes<'r, 'a, T> {
    of: &'r Retrainer<'a, T>,
    block: Block<'r, T>,
    /// The same models in f32, where they go there first.
    rough: Option<Block<'r, f32>>,
    level: usize,
}

impl<'r, 'a, T: Real> Lanes<'r, 'a, T> {
    pub(super) fn new(of: &'r Retrainer<'a, T>) -> Self {
        let lambda = of.problem.lambda();
        let rough = of.rough.as_ref().map(|(design, form)| Block::new(design, form, lambda));
        Self { of, block: Block::new(of.problem.design(), &of.form, lambda), rough, level: 0 }
    }

    pub(super) fn run(
        mut self,
        chains: Range<usize>,
        next: &Next<'_>,
        on_done: &(dyn Fn(usize) + Sync),
    ) -> Vec<Vec<Retrained>> {
        let mut done = vec![Vec::new(); chains.len()];
        loop {
            let weights: Vec<Option<Vec<f64>>> = chains
                .clone()
                .zip(&done)
                .map(|(chain, done)| {
                    let mut weights = self.of.problem.weights().to_vec();
                    next(chain, done, &mut weights).then_some(weights)
                })
                .collect();
            let open = weights.iter().flatten().count();
            if open == 0 {
                return done;
            }
            let is_first = done.iter().all(Vec::is_empty);
            self.weigh(&weights);
            if is_first {
                self.start(&weights);
            }
            self.empty(&weights);
            let norms = self.train();
            for (b, weights) in weights.into_iter().enumerate() {
                if let Some(weights) = weights {
                    done[b].push(self.finish(b, weights, norms[b]));
                }
            }
            on_done(open);
        }
    }

    /// Takes the weights of every model; those without are done.
    fn weigh(&mut self, weights: &[Option<Vec<f64>>]) {
        let block = &mut self.block;
        block.open.fill(false);
        block.weights.data_mut().fill(T::ZERO);
        let mut levels = Vec::with_capacity(weights.len());
        for (b, weights) in weights.iter().enumerate() {
            let Some(weights) = weights else { continue };
            block.open[b] = true;
            levels.push(self.of.level_of(weights));
            Block::put(&mut block.weights, (b, block.lanes), weights.iter().map(|&w| T::of(w)));
        }
        levels.sort_unstable();
        self.level = levels.get(levels.len() / 2).copied().unwrap_or(0);
    }

    /// Puts every model at the level nearest to its weights.
    fn start(&mut self, weights: &[Option<Vec<f64>>]) {
        for (b, weights) in weights.iter().enumerate() {
            let level = weights.as_ref().map_or(self.level, |w| self.of.level_of(w));
            let theta = self.of.form.narrow(&self.of.levels[level].point.theta);
            Block::put(&mut self.block.theta, (b, self.block.lanes), theta);
        }
        self.block.score();
    }

    /// Without records a model is the base model, to the last bit: between its classes nothing may tip the balance.
    fn empty(&mut self, weights: &[Option<Vec<f64>>]) {
        for (b, weights) in weights.iter().enumerate() {
            if weights.as_ref().is_some_and(|w| w.iter().all(|&w| w == 0.0)) {
                for panel in [&mut self.block.theta, &mut self.block.scores] {
                    Block::put(panel, (b, self.block.lanes), std::iter::repeat(T::ZERO));
                }
            }
        }
    }

    /// Trains all open models; the norm of the gradient left over of each.
    fn train(&mut self) -> Vec<f64> {
        let (of, block) = (self.of, &mut self.block);
        let goal = |before: f64| (of.tolerance.gradient * of.reference).max(of.tolerance.of_start * before);
        let shared = of.levels[self.level].inverse.as_ref();
        let Some(bend) = of.own.as_ref().map(Bend::Own).or_else(|| shared.map(Bend::Shared)) else {
            return vec![f64::NAN; block.lanes];
        };
        let mut before = None;
        if let (Some(rough), Some(shared)) = (&mut self.rough, shared) {
            rough.weights = block.weights.convert();
            rough.theta = block.theta.convert();
            rough.open.clone_from(&block.open);
            rough.score();
            let near = |_, before| goal(before).max(ROUGH * of.reference);
            before = Some(rough.train(Bend::Shared(shared), ROUGH_STEPS, near).before);
            block.theta = rough.theta.convert();
            block.score();
        }
        block.train(bend, STEPS, |b, norm| goal(before.as_ref().map_or(norm, |before| before[b]))).after
    }

    /// What became of model `b`; one that is still open, or lost, is trained by itself.
    fn finish(&mut self, b: usize, weights: Vec<f64>, norm: f64) -> Retrained {
        let (of, lanes) = (self.of, self.of.problem.lanes());
        if !self.block.open[b] && norm.is_finite() {
            let gradient = of.form.gradient(&self.block.gradient, b, lanes);
            let scores =
                of.scores(&of.form.weights(&self.block.theta, b, lanes), &gradient, &weights, self.level);
            return Retrained { scores, gradient_norm: norm, converged: true };
        }
        let level = of.level_of(&weights);
        let from = of.levels[level].point.theta.clone();
        let gradient = of.tolerance.gradient.max(exact::<T>().gradient);
        let tolerance = crate::train::Tolerance { gradient, ..of.tolerance };
        let (retrained, theta) = of.minimise(weights, level, from, tolerance);
        Block::put(&mut self.block.theta, (b, self.block.lanes), of.form.narrow(&theta));
        self.block.score();
        retrained
    }
}
