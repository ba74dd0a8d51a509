//! Records of weight 0 set apart: they cost the path nothing.

use assay_kernels::Mat;
use assay_learn::data::{Features, Target};

use crate::{Examples, PathOptions, Valuation};

/// Records parted into those that have weight and those that have none.
pub(crate) struct Parted {
    /// Places of the present, then of the absent, among all records.
    order: Vec<usize>,
    present: (Features, Target),
    absent: (Features, Target),
    weights: Vec<f64>,
    held: Option<Vec<bool>>,
}

impl Parted {
    /// `None` when there is nothing to part, or when the options do not fit the records (which then are refused as
    /// they are).
    pub(crate) fn new(train: Examples<'_>, options: &PathOptions<'_>) -> Option<Self> {
        let (weights, held) = (options.weights?, options.held_at_one);
        let rows = train.features.rows();
        let fits = [Some(weights.len()), held.map(<[bool]>::len), Some(train.target.len())];
        if fits.into_iter().flatten().any(|length| length != rows) {
            return None;
        }
        let (order, absent): (Vec<usize>, Vec<usize>) = (0..rows).partition(|&i| weights[i] != 0.0);
        if order.is_empty() || absent.is_empty() {
            return None;
        }
        let part = |rows: &[usize]| (train.features.select(rows), train.target.select(rows));
        Some(Self {
            present: part(&order),
            absent: part(&absent),
            weights: order.iter().map(|&i| weights[i]).collect(),
            held: held.map(|held| order.iter().map(|&i| held[i]).collect()),
            order: [order, absent].concat(),
        })
    }

    pub(crate) fn present(&self) -> Examples<'_> {
        Examples { features: &self.present.0, target: &self.present.1 }
    }

    pub(crate) fn absent(&self) -> Examples<'_> {
        Examples { features: &self.absent.0, target: &self.absent.1 }
    }

    /// The options of the present.
    pub(crate) fn options<'a>(&'a self, options: &PathOptions<'a>) -> PathOptions<'a> {
        PathOptions { weights: Some(&self.weights), held_at_one: self.held.as_deref(), ..options.clone() }
    }

    /// The valuation of the present, with marginals of the absent behind, as one of all records in their own order.
    pub(crate) fn whole(&self, present: Valuation) -> Valuation {
        let rows = self.order.len();
        let scatter = |of: &[f64]| {
            let mut out = vec![0.0; rows];
            self.order.iter().zip(of).for_each(|(&i, &x)| out[i] = x);
            out
        };
        let mut fold_bits = Mat::zeros(rows, present.fold_bits.cols());
        for (k, &i) in self.order.iter().take(present.fold_bits.rows()).enumerate() {
            fold_bits.row_mut(i).copy_from_slice(present.fold_bits.row(k));
        }
        Valuation {
            value_bits: scatter(&present.value_bits),
            weights: scatter(&present.weights),
            marginal_bits: scatter(&present.marginal_bits),
            fold_bits,
            ..present
        }
    }
}
