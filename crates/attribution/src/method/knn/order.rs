//! Records by distance.

use assay_kernels::Real;

/// Sorts the records of one example after the other, in memory that it keeps.
#[derive(Default)]
pub(super) struct Order {
    /// Rough key in the high half, record in the low.
    items: Vec<u64>,
    spare: Vec<u64>,
}

/// Values of a digit of the rough keys, which have two.
const DIGIT: usize = 256;

impl Order {
    /// Records from the nearest to the farthest, of equals the earlier first: by digits of the distance, linearly
    /// reduced to 16 bits, then those that share a key by the distance itself.
    pub(super) fn sort<T: Real>(&mut self, distances: &[T]) -> impl DoubleEndedIterator<Item = usize> + '_ {
        let n = distances.len();
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for d in distances.iter().map(|d| d.f64()) {
            low = if d < low { d } else { low };
            high = if d > high { d } else { high };
        }
        let scale = (DIGIT * DIGIT - 1) as f64 / (high - low);
        let mut starts = [[0_u32; DIGIT]; 2];
        self.items.clear();
        self.items.extend(distances.iter().zip(0_u64..).map(|(d, i)| {
            let key = ((d.f64() - low) * scale) as i32 as u16;
            starts[0][usize::from(key as u8)] += 1;
            starts[1][usize::from(key >> 8)] += 1;
            u64::from(key) << 32 | i
        }));
        self.spare.resize(n, 0);
        for (shift, starts) in [32, 40].into_iter().zip(&mut starts) {
            let mut start = 0;
            starts.iter_mut().for_each(|count| start += std::mem::replace(count, start));
            for &item in &self.items {
                let start = &mut starts[(item >> shift) as usize % DIGIT];
                self.spare[*start as usize] = item;
                *start += 1;
            }
            std::mem::swap(&mut self.items, &mut self.spare);
        }
        let exact = |item: &u64| (distances[record(item)].f64(), record(item));
        for run in self.items.chunk_by_mut(|a, b| a >> 32 == b >> 32).filter(|run| run.len() > 1) {
            run.sort_unstable_by(|a, b| {
                let (a, b) = (exact(a), exact(b));
                a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
            });
        }
        self.items.iter().map(record)
    }
}

fn record(item: &u64) -> usize {
    *item as u32 as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the numbers: equal ones, one far from all others, none that differ.
        #[test]
        fn records_come_by_distance_and_number(
            distances in prop::collection::vec(prop_oneof![-1.0..1.0_f64, Just(0.5), Just(1e300), -1e-9..1e-9], 0..300),
        ) {
            let mut want: Vec<usize> = (0..distances.len()).collect();
            want.sort_by(|&a, &b| distances[a].total_cmp(&distances[b]));
            prop_assert!(Order::default().sort(&distances).eq(want));
        }
    }
}
