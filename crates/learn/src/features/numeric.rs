//! Numbers to standard units.

use super::FeatureError;
use assay_kernels::Mat;
use serde::{Deserialize, Serialize};

/// Mean and deviation (population) of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Standard {
    pub(super) mean: f64,
    pub(super) deviation: f64,
}

impl Standard {
    /// Learns from finite numbers, summed in order; `None` when they do not differ (or differ by less than
    /// rounding, 1e-12 of the largest). Works on numbers scaled by the largest, so that nothing overflows.
    pub(super) fn fit(values: impl Iterator<Item = f64> + Clone) -> Option<Self> {
        let (count, largest) = values.clone().fold((0.0, 0.0), |(n, m), v| (n + 1.0, f64::max(m, v.abs())));
        let scaled = values.map(|v| v / largest);
        let mean = scaled.clone().sum::<f64>() / count;
        let deviation = (scaled.map(|v| (v - mean) * (v - mean)).sum::<f64>() / count).sqrt();
        let fitted = Self { mean: mean * largest, deviation: deviation * largest };
        (deviation > 1e-12 && fitted.is_sound()).then_some(fitted)
    }

    pub(super) fn is_sound(&self) -> bool {
        self.mean.is_finite() && self.deviation.is_finite() && self.deviation >= f64::MIN_POSITIVE * 2.0
    }

    /// Deviations from the mean. Halves first: the difference of two finite halves is finite.
    pub(super) fn apply(&self, value: f64) -> f64 {
        (value / 2.0 - self.mean / 2.0) / (self.deviation / 2.0)
    }
}

/// Standardises numeric columns. Columns that are constant in training are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Standardizer {
    names: Vec<String>,
    /// One entry a name; `None` for a column that was constant.
    columns: Vec<Option<Standard>>,
    /// Values are cut to this many deviations.
    bound: f64,
}

impl Standardizer {
    pub(super) fn fit(names: &[String], values: &Mat<f64>, bound: f64) -> Self {
        let column = |c| Standard::fit((0..values.rows()).map(move |r| values.row(r)[c]));
        Self { names: names.to_vec(), columns: (0..names.len()).map(column).collect(), bound }
    }

    pub(super) fn check(&self) -> Result<(), FeatureError> {
        let sound = self.names.len() == self.columns.len()
            && self.columns.iter().flatten().all(Standard::is_sound)
            && super::is_bound(self.bound);
        sound.then_some(()).ok_or(FeatureError::Stored { what: "a numeric column is out of range" })
    }

    /// Names of all columns, constant ones too.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Names of the columns that are kept.
    pub(super) fn kept(&self) -> impl Iterator<Item = &String> {
        self.names.iter().zip(&self.columns).filter(|(_, c)| c.is_some()).map(|(name, _)| name)
    }

    /// The kept columns of a row in deviations from the mean, cut to the bound.
    pub(super) fn apply<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        let kept = row.iter().zip(&self.columns).filter_map(|(&v, c)| c.map(|c| c.apply(v)));
        kept.map(|z| z.clamp(-self.bound, self.bound))
    }
}
