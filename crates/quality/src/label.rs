//! Labels that a model finds implausible, calibrated by rows whose labels are right.
//!
//! The model is not ours: the caller fits it to records of others than the sender, and hands over log probabilities. A label
//! is doubted by its margin, the log odds of the likeliest other label against it. How doubtful a margin is depends on the
//! model: so the same model looks at rows of known labels, and how many of them it doubts as much is the p-value of the
//! label (conformal prediction; Vovk, Gammerman and Shafer 2005). If the record is as its sender says, and drawn as those
//! rows were, its p-value is below some share no more often than that share, however weak the model is: a weak model doubts
//! right labels too, and no margin stands out.
//!
//! A model that knows little of a class doubts all of it. So a margin must also stand out among the rows of its own label.

use std::collections::BTreeMap;

/// Fewest rows that calibrate anything.
const ROWS_MIN: usize = 100;
/// Fewest rows of a label that calibrate it; others are not judged.
const ROWS_OF_LABEL_MIN: usize = 9;
/// Greatest share of the rows of the same label that are doubted as much where a label is implausible.
const SHARE_OF_LABEL_MAX: f64 = 0.1;

/// Margins of one model over rows whose labels are right.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plausibility {
    /// Of all rows, ascending.
    all: Vec<f64>,
    /// Of the rows of each label, ascending.
    of_label: BTreeMap<usize, Vec<f64>>,
}

impl Plausibility {
    /// Of rows of log probabilities, one entry a label, with the label that is right. Rows without a margin (a label that
    /// is not among them, or numbers that are none) are left out.
    pub fn new<'a>(rows: impl IntoIterator<Item = (&'a [f64], usize)>) -> Self {
        let mut found = Self::default();
        for (probabilities, label) in rows {
            if let Some(margin) = margin(probabilities, label) {
                found.all.push(margin);
                found.of_label.entry(label).or_default().push(margin);
            }
        }
        found.all.sort_by(f64::total_cmp);
        found.of_label.values_mut().for_each(|margins| margins.sort_by(f64::total_cmp));
        found
    }

    /// The p-value of a label: the share of right labels that are doubted as much. 1 where nothing can be said: too few
    /// rows of this label or in all, or a margin that is usual for the label.
    pub fn p_value(&self, probabilities: &[f64], label: usize) -> f64 {
        let known = self.of_label.get(&label).filter(|rows| rows.len() >= ROWS_OF_LABEL_MIN);
        let (Some(of_label), Some(margin)) = (known, margin(probabilities, label)) else { return 1.0 };
        if self.all.len() < ROWS_MIN || share(of_label, margin) > SHARE_OF_LABEL_MAX {
            return 1.0;
        }
        share(&self.all, margin)
    }
}

/// Log odds of the likeliest other label against the one given.
fn margin(probabilities: &[f64], label: usize) -> Option<f64> {
    let own = *probabilities.get(label)?;
    let others = probabilities.iter().enumerate().filter(|(other, _)| *other != label);
    let best = others.map(|(_, &p)| p).max_by(f64::total_cmp)?;
    Some(best - own).filter(|margin| !margin.is_nan())
}

/// The share of margins that are as great, the one asked about among them.
fn share(ascending: &[f64], margin: f64) -> f64 {
    let below = ascending.partition_point(|&other| other < margin);
    (ascending.len() - below + 1) as f64 / (ascending.len() + 1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plausibility(margins: &[f64]) -> Plausibility {
        let rows: Vec<[f64; 2]> = margins.iter().map(|&margin| [0.0, margin]).collect();
        Plausibility::new(rows.iter().map(|row| (&row[..], 0)))
    }

    #[test]
    fn a_p_value_counts_the_rows_that_are_doubted_as_much() {
        let margins: Vec<f64> = (0..199).map(f64::from).collect();
        let calibrated = plausibility(&margins);
        for (margin, p) in [(198.5, 1.0), (198.0, 2.0), (189.0, 11.0), (180.0, 20.0)] {
            assert_eq!(calibrated.p_value(&[0.0, margin], 0), p / 200.0, "{margin}");
        }
        assert_eq!(calibrated.p_value(&[0.0, 179.0], 0), 1.0, "usual for the label");
        for (row, label) in
            [(&[0.0, 500.0][..], 1), (&[0.0, 500.0], 7), (&[0.0], 0), (&[], 0), (&[f64::NAN, 1.0], 0)]
        {
            assert_eq!(calibrated.p_value(row, label), 1.0);
        }
        assert_eq!(plausibility(&margins[..99]).p_value(&[0.0, 500.0], 0), 1.0, "too few rows");
    }

    proptest! {
        /// The promise: of rows drawn alike, no greater share than asked for has a p-value as small.
        #[test]
        fn right_labels_are_rarely_doubted(margins in prop::collection::vec(-5i32..50, 120..300), share in 0.01f64..0.2) {
            let margins: Vec<f64> = margins.into_iter().map(f64::from).collect();
            let mut doubted = 0;
            for at in 0..margins.len() {
                let mut others = margins.clone();
                let margin = others.swap_remove(at);
                doubted += usize::from(plausibility(&others).p_value(&[0.0, margin], 0) <= share);
            }
            prop_assert!(doubted as f64 <= share * margins.len() as f64);
        }

        #[test]
        fn any_numbers_have_a_p_value(rows in prop::collection::vec((prop::collection::vec(prop::num::f64::ANY, 0..4), 0usize..5), 0..150)) {
            let calibrated = Plausibility::new(rows.iter().map(|(row, label)| (&row[..], *label)));
            for (row, label) in &rows {
                let p = calibrated.p_value(row, *label);
                prop_assert!(p > 0.0 && p <= 1.0);
            }
        }
    }
}
