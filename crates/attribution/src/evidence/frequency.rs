//! What each contributor usually sends: a sender of rare classes only is not wrong for sending rare classes.

use super::calibrate::Predictions;

/// Concentrations tried for contributors' label frequencies around the common ones.
const CONCENTRATIONS: [f64; 7] = [2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 300.0];

/// Turns predictions to the label frequencies of each contributor (p times the contributor's share of the class over
/// the mean prediction, normalised; Saerens, Latinne and Decaestecker 2002); returns the probability that the
/// contributor's other records alone give to each label sent. Shares are drawn towards the common ones as far as
/// contributors are alike (Dirichlet-multinomial).
pub(super) fn adapt(
    predictions: &mut Predictions,
    labels: &[u32],
    fold_of: &[u32],
    members: &[Vec<usize>],
) -> Vec<f64> {
    let classes = predictions.records.cols();
    let mut common = vec![0.5; classes];
    labels.iter().for_each(|&y| common[y as usize] += 1.0);
    let total: f64 = common.iter().sum();
    common.iter_mut().for_each(|c| *c /= total);
    let counts: Vec<Vec<f64>> = members
        .iter()
        .map(|rows| {
            let mut n = vec![0.0; classes];
            rows.iter().for_each(|&i| n[labels[i] as usize] += 1.0);
            n
        })
        .collect();
    let likelihood = |s: f64, n: &[f64]| -> f64 {
        let each = |(n, c): (&f64, &f64)| (0..*n as usize).map(|j| (s * c + j as f64).ln()).sum::<f64>();
        let all = n.iter().sum::<f64>() as usize;
        n.iter().zip(&common).map(each).sum::<f64>() - (0..all).map(|j| (s + j as f64).ln()).sum::<f64>()
    };
    let of = |n: &Vec<f64>| CONCENTRATIONS.map(|s| likelihood(s, n));
    let tables: Vec<[f64; CONCENTRATIONS.len()]> = counts.iter().map(of).collect();
    let posteriors = concentrations(&tables);
    let mut guess = vec![0.0; labels.len()];
    let shares = predictions.shares.clone();
    for ((rows, counts), posterior) in members.iter().zip(&counts).zip(&posteriors) {
        for &i in rows {
            let y = labels[i] as usize;
            let others = rows.len() as f64 - 1.0;
            let frequency = |z: usize| -> f64 {
                let count = counts[z] - f64::from(u8::from(z == y));
                let with = |(p, s): (&f64, f64)| p * (count + s * common[z]) / (others + s);
                posterior.iter().zip(CONCENTRATIONS).map(with).sum()
            };
            guess[i] = frequency(y);
            let shares = shares.row(fold_of[i] as usize);
            let row = predictions.records.row_mut(i);
            row.iter_mut().enumerate().for_each(|(z, p)| *p *= frequency(z) / shares[z]);
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|p| *p /= sum);
        }
    }
    guess
}

/// Posterior over the concentrations of each contributor, their prior learned from all (as that of wrong shares).
fn concentrations(tables: &[[f64; CONCENTRATIONS.len()]]) -> Vec<[f64; CONCENTRATIONS.len()]> {
    let mut prior = [1.0 / CONCENTRATIONS.len() as f64; CONCENTRATIONS.len()];
    let mut out = Vec::new();
    for _ in 0..20 {
        out = tables
            .iter()
            .map(|table| {
                let top = table.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let mut row = [0.0; CONCENTRATIONS.len()];
                for (k, r) in row.iter_mut().enumerate() {
                    *r = prior[k] * (table[k] - top).exp();
                }
                let sum: f64 = row.iter().sum();
                row.map(|r| r / sum)
            })
            .collect();
        let total = out.len() as f64 + 1.0;
        for (k, p) in prior.iter_mut().enumerate() {
            let sum: f64 = out.iter().map(|row: &[f64; CONCENTRATIONS.len()]| row[k]).sum();
            *p = (sum + 1.0 / CONCENTRATIONS.len() as f64) / total;
        }
    }
    out
}
