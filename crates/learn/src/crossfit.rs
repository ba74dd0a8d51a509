//! Models that judge a record without having seen it, nor anything else of whoever sent it.
//!
//! Senders are dealt to folds, and the model of a fold is fitted to the records of all other folds (cross-fitting;
//! Chernozhukov and others 2018, section 3, there by record). What a sender's records say can so not make the sender's
//! next one look right.

use rayon::prelude::*;

use crate::data::{Features, Target};
use crate::model::Model;
use crate::train::{FitOptions, TrainError, fit};

/// One model a fold of `0..folds`, fitted to the records of all other folds. `fold_of` names the fold of each record, by
/// its sender. `None` where all others have fewer than `least` records. The options' weights and start are not used.
///
/// # Errors
/// When `fold_of` has another length than the records, or a model cannot be fitted.
pub fn cross_fit(
    features: &Features,
    target: &Target,
    fold_of: &[u32],
    folds: u32,
    least: usize,
    options: &FitOptions<'_>,
) -> Result<Vec<Option<Model>>, TrainError> {
    if fold_of.len() != features.rows() {
        return Err(TrainError::Length { rows: features.rows(), others: fold_of.len(), what: "folds" });
    }
    let without = |fold: u32| {
        let rows: Vec<usize> = (0..fold_of.len()).filter(|&row| fold_of[row] != fold).collect();
        if rows.len() < least.max(1) {
            return Ok(None);
        }
        let options = FitOptions { weights: None, warm: None, ..options.clone() };
        Ok(Some(fit(&features.select(&rows), &target.select(&rows), &options)?.model))
    };
    (0..folds).into_par_iter().map(without).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use assay_kernels::Mat;

    use super::*;

    /// Points on a line, the class by their side, with a constant.
    fn examples(rows: usize) -> (Features, Target) {
        let x = |row: usize| ((row * 37 % rows) as f32 / rows as f32) - 0.5;
        let cells = (0..rows).flat_map(|row| [x(row), 1.0]).collect();
        let labels = (0..rows).map(|row| u32::from(x(row) > 0.0)).collect();
        (Features::Dense(Mat::from_vec(rows, 2, cells).unwrap()), Target::Classes { labels, count: 2 })
    }

    #[test]
    fn each_model_is_that_of_the_others() {
        let (features, target) = examples(60);
        let fold_of: Vec<u32> = (0..60).map(|row| row / 7 % 3).collect();
        let options = FitOptions::default();
        let models = cross_fit(&features, &target, &fold_of, 3, 40, &options).unwrap();
        for (fold, model) in (0..).zip(&models) {
            let others: Vec<usize> = (0..60).filter(|&row| fold_of[row] != fold).collect();
            let alone = fit(&features.select(&others), &target.select(&others), &options).unwrap().model;
            assert_eq!(model.as_ref(), (others.len() >= 40).then_some(&alone));
        }
        assert_eq!(models.iter().filter(|model| model.is_none()).count(), 2, "too few others");
    }

    /// Whatever a sender says of its own records, they are judged the same.
    #[test]
    fn nobody_moves_the_model_that_judges_them() {
        let (features, target) = examples(60);
        let fold_of: Vec<u32> = (0..60).map(|row| row % 2).collect();
        let Target::Classes { mut labels, count } = target.clone() else { unreachable!() };
        labels.iter_mut().step_by(2).for_each(|label| *label = 1 - *label);
        let lies = Target::Classes { labels, count };
        let options = FitOptions::default();
        let honest = cross_fit(&features, &target, &fold_of, 2, 1, &options).unwrap();
        let lied = cross_fit(&features, &lies, &fold_of, 2, 1, &options).unwrap();
        assert_eq!(honest[0], lied[0]);
        assert_ne!(honest[1], lied[1]);
    }

    #[test]
    fn what_cannot_be_dealt_is_refused() {
        let (features, target) = examples(4);
        let options = FitOptions::default();
        let short = cross_fit(&features, &target, &[0, 1], 2, 1, &options);
        assert_eq!(short.unwrap_err(), TrainError::Length { rows: 4, others: 2, what: "folds" });
        let one = cross_fit(&features, &target, &[0; 4], 2, 1, &options).unwrap();
        assert!(one[0].is_none() && one[1].is_some(), "who is alone is judged by nobody");
    }
}
