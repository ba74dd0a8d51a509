//! Lists of numbers under 32-bit keys: one table of (key, number) with open addressing.
//!
//! The place of a key is its high bits and the next free places after it, so that the table is nearly in order of
//! keys, growing is one sweep over it, and a list lies in one cache line or two. What a list has beyond its first
//! [`INLINE`] numbers lies elsewhere: the long lists of a few common keys would fill the places of their neighbours.

use rustc_hash::FxHashMap;

/// (key, number) in one word; a removed entry keeps its key.
const FREE: u64 = u64::MAX;
/// The number of a removed entry; no text has it.
const REMOVED: u32 = u32::MAX;
const SMALLEST: usize = 1 << 10;
/// Numbers of a list that the table itself holds.
const INLINE: usize = 4;

pub(crate) struct Lists {
    entries: Box<[u64]>,
    /// The rest of long lists.
    rest: FxHashMap<u32, Vec<u32>>,
    used: usize,
    longest: usize,
}

impl Lists {
    /// Lists of at most `longest` numbers.
    pub(crate) fn new(longest: usize) -> Self {
        Lists { entries: vec![FREE; SMALLEST].into(), rest: FxHashMap::default(), used: 0, longest }
    }

    /// Appends a number to the list of each key; a full list stays as it is.
    pub(crate) fn insert(&mut self, number: u32, keys: &[u32]) {
        self.reserve(keys.len());
        for &key in keys {
            let (mut at, mut length) = (self.place(key), 0);
            while self.entries[at] != FREE {
                length += usize::from((self.entries[at] >> 32) as u32 == key);
                at = (at + 1) & (self.entries.len() - 1);
            }
            if length >= INLINE {
                let rest = self.rest.entry(key).or_default();
                if rest.len() + INLINE < self.longest {
                    rest.push(number);
                }
            } else {
                self.entries[at] = u64::from(key) << 32 | u64::from(number);
                self.used += 1;
            }
        }
    }

    /// Takes a number from the list of each key.
    pub(crate) fn remove(&mut self, number: u32, keys: &[u32]) {
        for &key in keys {
            let wanted = u64::from(key) << 32 | u64::from(number);
            let mut at = self.place(key);
            while self.entries[at] != FREE {
                if self.entries[at] == wanted {
                    self.entries[at] = u64::from(key) << 32 | u64::from(REMOVED);
                }
                at = (at + 1) & (self.entries.len() - 1);
            }
            if let Some(rest) = self.rest.get_mut(&key) {
                rest.retain(|&other| other != number);
            }
        }
    }

    /// Every number that is in the lists of some of the keys, with the sum over these lists of what a list of that
    /// length weighs; only sums of at least `least`. In no particular order.
    pub(crate) fn shared(&self, keys: &[u32], weigh: fn(usize) -> u32, least: u32) -> Vec<(u32, u32)> {
        let mut all: Vec<(u32, u32)> = Vec::with_capacity(keys.len() * 4);
        // All places are asked for before the first is waited for.
        std::hint::black_box(keys.iter().fold(0, |sum, &key| sum ^ self.entries[self.place(key)]));
        for &key in keys {
            let (before, mut places) = (all.len(), 0);
            let mut at = self.place(key);
            while self.entries[at] != FREE {
                let entry = self.entries[at];
                if (entry >> 32) as u32 == key {
                    places += 1;
                    if entry as u32 != REMOVED {
                        all.push((entry as u32, 0));
                    }
                }
                at = (at + 1) & (self.entries.len() - 1);
            }
            if places >= INLINE
                && let Some(rest) = self.rest.get(&key)
            {
                all.extend(rest.iter().map(|&number| (number, 0)));
            }
            let weight = weigh(all.len() - before);
            all[before..].iter_mut().for_each(|entry| entry.1 = weight);
        }
        summed(&all, least)
    }

    fn place(&self, key: u32) -> usize {
        ((u64::from(key) * self.entries.len() as u64) >> 32) as usize
    }

    fn reserve(&mut self, more: usize) {
        if (self.used + more) * 4 <= self.entries.len() * 3 {
            return;
        }
        let mut size = self.entries.len() * 2;
        while (self.used + more) * 4 > size * 3 {
            size *= 2;
        }
        let old = std::mem::replace(&mut self.entries, vec![FREE; size].into());
        self.used = 0;
        for &entry in old.iter().filter(|&&entry| entry != FREE && entry as u32 != REMOVED) {
            let mut at = self.place((entry >> 32) as u32);
            while self.entries[at] != FREE {
                at = (at + 1) & (size - 1);
            }
            self.entries[at] = entry;
            self.used += 1;
        }
    }
}

/// The sum of the weights of each number, where it is at least `least`.
fn summed(all: &[(u32, u32)], least: u32) -> Vec<(u32, u32)> {
    let mut sums = vec![(REMOVED, 0); (all.len() * 2).next_power_of_two()];
    let mask = sums.len() - 1;
    let mut found = Vec::new();
    for &(number, weight) in all {
        let mut at = number.wrapping_mul(0x9E37_79B1) as usize >> 7 & mask;
        while sums[at].0 != number && sums[at].0 != REMOVED {
            at = (at + 1) & mask;
        }
        sums[at] = (number, sums[at].1 + weight);
    }
    found.extend(sums.into_iter().filter(|&(number, sum)| number != REMOVED && sum >= least));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Lists as plain lists.
    fn shared_reference(lists: &BTreeMap<u32, Vec<u32>>, keys: &[u32], least: u32) -> Vec<(u32, u32)> {
        let mut sums: BTreeMap<u32, u32> = BTreeMap::new();
        for list in keys.iter().filter_map(|key| lists.get(key)) {
            list.iter().for_each(|&number| *sums.entry(number).or_default() += weigh(list.len()));
        }
        sums.into_iter().filter(|&(_, sum)| sum >= least).collect()
    }

    fn weigh(length: usize) -> u32 {
        9 - length.min(8) as u32
    }

    proptest! {
        #[test]
        fn agree_with_plain_lists(
            texts in prop::collection::vec(prop::collection::btree_set(0u32..40, 0..12), 1..60),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            spread in prop::sample::select(vec![1u32, 0x0200_0001, 0xFFFF_FFFF / 40]),
            least in 1u32..20,
        ) {
            let longest = 7;
            let mut lists = Lists::new(longest);
            let mut plain: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            let keys: Vec<Vec<u32>> = texts.iter().map(|keys| keys.iter().map(|key| key * spread).collect()).collect();
            for (number, keys) in keys.iter().enumerate() {
                lists.insert(number as u32, keys);
                for &key in keys {
                    let list = plain.entry(key).or_default();
                    if list.len() < longest {
                        list.push(number as u32);
                    }
                }
            }
            for index in removed {
                let number = index.index(keys.len());
                lists.remove(number as u32, &keys[number]);
                plain.values_mut().for_each(|list| list.retain(|&other| other != number as u32));
            }
            for keys in &keys {
                let mut found = lists.shared(keys, weigh, least);
                found.sort_unstable();
                prop_assert_eq!(found, shared_reference(&plain, keys, least));
            }
        }
    }

    #[test]
    fn grows_and_keeps_every_list() {
        let mut lists = Lists::new(4);
        let key = |number: u32, k: u32| (number * 3 + k).wrapping_mul(0x9E37_79B1);
        for number in 0..20_000 {
            lists.insert(number, &[key(number, 0), key(number, 1), key(number, 2)]);
        }
        for number in 0..20_000 {
            assert_eq!(lists.shared(&[key(number, 0), key(number, 2)], |_| 1, 2), [(number, 2)]);
        }
    }
}
