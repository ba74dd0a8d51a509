//! Shingles: runs of words, by which a passage is known wherever it stands (Broder 1997).

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use crate::words::mix;

/// Words of a shingle.
const WORDS: usize = 5;
/// Bits of a filter for each shingle in it, at least.
const FILTER_BITS: usize = 8;

/// The distinct shingles of a text whose words have these hashes, ascending.
pub(crate) fn shingles(words: &[u64]) -> Box<[u64]> {
    let shingle = |run: &[u64]| run.iter().fold(WORDS as u64, |hash, &word| mix(hash ^ word));
    let mut all: Vec<u64> = words.windows(WORDS).map(shingle).collect();
    all.sort_unstable();
    all.dedup();
    all.into()
}

/// Shingles that one item has and no other.
#[derive(Default)]
pub(crate) struct OwnShingles {
    items: FxHashMap<u64, u32>,
    /// A bit for every value of the first bits of a shingle; most shingles of most texts are turned down by it, without a look at the items.
    filter: Vec<u64>,
    /// How many bits of a shingle are left out there.
    skipped: u32,
    /// How many each item has.
    counts: Vec<u32>,
}

impl OwnShingles {
    /// Of so many items, whose shingles come with their number; a shingle comes once an item. Beside it the pairs that share one,
    /// each both ways and once for every shingle, ascending; what more than two share is in none.
    pub(crate) fn new(mut all: Vec<(u64, u32)>, items: usize) -> (Self, Vec<(u32, u32)>) {
        all.par_sort_unstable();
        let (mut own, mut pairs) = (FxHashMap::default(), Vec::new());
        let mut counts = vec![0; items];
        for of_shingle in all.chunk_by(|a, b| a.0 == b.0) {
            match of_shingle {
                [(shingle, item)] => {
                    own.insert(*shingle, *item);
                    counts[*item as usize] += 1;
                }
                [(_, a), (_, b)] => pairs.extend([(*a, *b), (*b, *a)]),
                _ => {}
            }
        }
        pairs.sort_unstable();
        let bits = (own.len() * FILTER_BITS).next_power_of_two().max(64);
        let skipped = 64 - bits.trailing_zeros();
        let mut filter = vec![0; bits / 64];
        for shingle in own.keys() {
            let bit = shingle >> skipped;
            filter[(bit / 64) as usize] |= 1 << (bit % 64);
        }
        (OwnShingles { items: own, filter, skipped, counts }, pairs)
    }

    /// How many of its own an item has.
    pub(crate) fn count(&self, item: u32) -> u32 {
        self.counts[item as usize]
    }

    /// The items that have one of these, once for each; ascending.
    pub(crate) fn items(&self, shingles: &[u64]) -> Vec<u32> {
        let passes = |shingle: &&u64| {
            let bit = *shingle >> self.skipped;
            self.filter.get((bit / 64) as usize).is_some_and(|word| word >> (bit % 64) & 1 == 1)
        };
        let found = shingles.iter().filter(passes).filter_map(|shingle| self.items.get(shingle));
        let mut items: Vec<u32> = found.copied().collect();
        items.sort_unstable();
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn runs_of_five_words() {
        assert!(shingles(&[1, 2, 3, 4]).is_empty());
        assert_eq!(shingles(&[1, 2, 3, 4, 5, 6]).len(), 2);
        assert_eq!(shingles(&[7; 20]).len(), 1);
    }

    proptest! {
        #[test]
        fn an_item_has_what_no_other_has(
            texts in prop::collection::vec(prop::collection::btree_set(0u64..60, 0..12), 0..12),
            asked in prop::collection::btree_set(0u64..80, 0..40),
        ) {
            let hash = |&value: &u64| mix(value + 1);
            let all: Vec<(u64, u32)> =
                (0..).zip(&texts).flat_map(|(item, text)| text.iter().map(move |value| (hash(value), item))).collect();
            let mut owners: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
            all.iter().for_each(|&(shingle, item)| owners.entry(shingle).or_default().push(item));
            let (own, pairs) = OwnShingles::new(all, texts.len());
            for item in 0..texts.len() as u32 {
                let count = owners.values().filter(|items| **items == [item]).count();
                prop_assert_eq!(own.count(item) as usize, count);
            }
            let mut both: Vec<(u32, u32)> =
                owners.values().filter(|items| items.len() == 2).flat_map(|two| [(two[0], two[1]), (two[1], two[0])]).collect();
            both.sort_unstable();
            prop_assert_eq!(pairs, both);
            let asked: Vec<u64> = asked.iter().map(hash).collect();
            let mut items: Vec<u32> =
                asked.iter().filter_map(|shingle| owners.get(shingle)).filter(|items| items.len() == 1).flatten().copied().collect();
            items.sort_unstable();
            prop_assert_eq!(own.items(&asked), items);
        }
    }
}
