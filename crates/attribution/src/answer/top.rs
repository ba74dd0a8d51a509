//! The records that moved an answer most.

/// The records named for an answer, and how much of it they cover.
#[derive(Clone, Debug, PartialEq)]
pub struct Top {
    /// Their indexes, largest first; of equals, the first.
    pub records: Vec<usize>,
    /// Sum of the bits of all records that count.
    pub mass_bits: f64,
    /// Part of it that the named have; 0 when there is none.
    pub covered: f64,
}

/// The `count` records of most bits, among those that count: whose bits are above zero and of which `earns` is true.
pub fn top(bits: &[f64], earns: impl Fn(usize) -> bool, count: usize) -> Top {
    let mut records: Vec<usize> = (0..bits.len()).filter(|&i| bits[i] > 0.0 && earns(i)).collect();
    let mass_bits: f64 = records.iter().map(|&i| bits[i]).sum();
    let larger = |&a: &usize, &b: &usize| bits[b].total_cmp(&bits[a]).then(a.cmp(&b));
    if count < records.len() {
        records.select_nth_unstable_by(count, larger);
        records.truncate(count);
    }
    records.sort_unstable_by(larger);
    let named: f64 = records.iter().map(|&i| bits[i]).sum();
    let covered = if mass_bits > 0.0 { named / mass_bits } else { 0.0 };
    Top { records, mass_bits, covered }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_of_those_that_earn() {
        let bits = [0.5, -1.0, 0.25, 0.5, 2.0, 0.0];
        let found = top(&bits, |i| i != 4, 2);
        assert_eq!((found.records, found.mass_bits, found.covered), (vec![0, 3], 1.25, 0.8));
        assert_eq!(top(&bits, |_| true, 9).records, [4, 0, 3, 2]);
        assert_eq!(top(&bits, |_| false, 2), Top { records: vec![], mass_bits: 0.0, covered: 0.0 });
        assert_eq!(top(&bits, |_| true, 0).covered, 0.0);
    }
}
