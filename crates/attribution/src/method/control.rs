//! A control variate with a fitted coefficient.

use super::{Unit, Values};

/// Samples, each with a control whose mean is known to be zero. One coefficient serves all players, the one that makes
/// the sum of their variances least; each half of the samples takes that of the other half, so that the means stay
/// unbiased (cross-fitting), and a control that knows nothing gets about zero.
pub(super) struct Controlled {
    halves: [Half; 2],
    pushed: usize,
}

struct Half {
    sample: Values,
    control: Values,
    /// Sum of the products of the deviations of sample and control.
    cross: Vec<f64>,
}

impl Controlled {
    pub(super) fn new(unit: Unit, players: usize) -> Self {
        let empty = || Values::empty(unit, players);
        let half = || Half { sample: empty(), control: empty(), cross: vec![0.0; players] };
        Self { halves: [half(), half()], pushed: 0 }
    }

    /// One more sample of every player, and its control.
    pub(super) fn push(&mut self, sample: &[f64], control: &[f64]) {
        let half = &mut self.halves[self.pushed % 2];
        for (i, (&y, &x)) in sample.iter().zip(control).enumerate() {
            let away = x - half.control.mean[i];
            half.control.push(i, x);
            half.sample.push(i, y);
            half.cross[i] += away * (y - half.sample.mean[i]);
        }
        self.pushed += 1;
    }

    /// The coefficient that suits each half.
    pub(super) fn coefficients(&self) -> [f64; 2] {
        [0, 1].map(|k| self.halves[k].coefficient())
    }

    /// Values with the coefficients that suit these halves, or others of the same samples.
    pub(super) fn values(&self, [first, second]: [f64; 2]) -> Values {
        let mut out = self.halves[0].plus(second);
        out.merge(&self.halves[1].plus(first));
        out
    }
}

impl Half {
    fn coefficient(&self) -> f64 {
        let spread: f64 = self.control.squares.iter().sum();
        if spread > 0.0 { -self.cross.iter().sum::<f64>() / spread } else { 0.0 }
    }

    /// The samples with so much of their controls added.
    fn plus(&self, share: f64) -> Values {
        let mut out = self.sample.clone();
        for i in 0..self.cross.len() {
            out.mean[i] += share * self.control.mean[i];
            let squares = 2.0 * share * self.cross[i] + share * share * self.control.squares[i];
            out.squares[i] = (out.squares[i] + squares).max(0.0);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn samples_that_are_their_controls_have_no_variance(
            controls in prop::collection::vec(-1.0..1.0_f64, 8..40), scale in -3.0..3.0_f64,
        ) {
            let mut own = Controlled::new(Unit::Bits, 1);
            let mut none = Controlled::new(Unit::Bits, 1);
            controls.iter().for_each(|&x| {
                own.push(&[2.0 + scale * x], &[x]);
                none.push(&[x], &[0.0]);
            });
            prop_assume!(own.halves.iter().all(|h| h.control.squares[0] > 1e-6));
            let (own, none) = (own.values(own.coefficients()), none.values(none.coefficients()));
            prop_assert!((own.mean[0] - 2.0).abs() < 1e-6 && own.variance(0) < 1e-9);
            prop_assert_eq!(own.count[0], controls.len() as u64);
            let mut plain = Values::empty(Unit::Bits, 1);
            controls.iter().for_each(|&x| plain.push(0, x));
            prop_assert!((none.mean[0] - plain.mean[0]).abs() < 1e-12);
            prop_assert!((none.variance(0) - plain.variance(0)).abs() < 1e-12);
        }
    }
}
