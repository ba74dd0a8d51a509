//! Lists of numbers under 32-bit keys: one table of (key, number) in order, with gaps.
//!
//! An entry belongs at the place that its key has among all keys; where that is taken, entries move up, so that the whole
//! table is always in order (ordered linear probing; Amble and Knuth 1974). A search ends at the first greater
//! entry, a list lies in one cache line or two, and growing is one sweep.

/// No entry: greater than all.
const FREE: u64 = u64::MAX;
/// No number.
const NONE: u32 = u32::MAX;
const SMALLEST: usize = 1 << 10;
/// The share of the places that may be taken.
const FULL: (usize, usize) = (2, 3);

pub(crate) struct Lists {
    /// Key in the high half, number in the low; room for `size` keys and as much as the last of them move up.
    entries: Vec<u64>,
    size: usize,
    used: usize,
    longest: usize,
}

fn entry(key: u32, number: u32) -> u64 {
    u64::from(key) << 32 | u64::from(number)
}

fn key_of(entry: u64) -> u32 {
    (entry >> 32) as u32
}

fn place(key: u32, size: usize) -> usize {
    ((u64::from(key) * size as u64) >> 32) as usize
}

impl Lists {
    /// Lists of at most `longest` numbers.
    pub(crate) fn new(longest: usize) -> Self {
        Lists { entries: vec![FREE; SMALLEST + 1], size: SMALLEST, used: 0, longest }
    }

    /// Appends a number, greater than all before, to the first `most` lists of these keys that are not full.
    pub(crate) fn insert(&mut self, number: u32, keys: &[u32], most: usize) {
        if (self.used + keys.len()) * FULL.1 > self.size * FULL.0 {
            self.grow(keys.len());
        }
        let mut open = 0;
        for &key in keys {
            let begin = self.find(key);
            if self.list(begin, key).count() < self.longest {
                self.put(begin, entry(key, number));
                open += 1;
            }
            if open == most {
                return;
            }
        }
    }

    /// Takes a number from the list of each key.
    pub(crate) fn remove(&mut self, number: u32, keys: &[u32]) {
        for &key in keys {
            let mut at = self.find(key);
            while self.entries[at] < entry(key, number) {
                at += 1;
            }
            if self.entries[at] != entry(key, number) {
                continue;
            }
            // What moved up for it moves down again.
            while self.entries[at + 1] != FREE && place(key_of(self.entries[at + 1]), self.size) <= at {
                self.entries[at] = self.entries[at + 1];
                at += 1;
            }
            self.entries[at] = FREE;
            self.used -= 1;
        }
    }

    /// Every number that is in the lists of some of the keys, down to that with the `most`th list that is not full, with the sum over
    /// these lists of what a list of that length weighs; only sums of at least `least`. In no particular order.
    pub(crate) fn shared(
        &self,
        keys: &[u32],
        most: usize,
        weigh: fn(usize) -> u32,
        least: u32,
    ) -> Vec<(u32, u32)> {
        let mut all: Vec<(u32, u32)> = Vec::with_capacity(most.min(keys.len()) * 4);
        let (mut open, mut rest) = (0, keys);
        while open < most && !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(most - open));
            rest = later;
            // All places are asked for before the first is waited for.
            std::hint::black_box(now.iter().fold(0, |sum, &key| sum ^ self.entries[place(key, self.size)]));
            for &key in now {
                let begin = self.find(key);
                let length = self.list(begin, key).count();
                let weight = weigh(length);
                all.extend(self.entries[begin..begin + length].iter().map(|&found| (found as u32, weight)));
                open += usize::from(length < self.longest);
            }
        }
        summed(&all, least)
    }

    /// Where the list of a key begins, or would.
    fn find(&self, key: u32) -> usize {
        let mut at = place(key, self.size);
        while self.entries[at] < entry(key, 0) {
            at += 1;
        }
        at
    }

    /// The list of a key, which begins at `begin`.
    fn list(&self, begin: usize, key: u32) -> impl Iterator<Item = u32> {
        let inside = move |&&found: &&u64| key_of(found) == key && found != FREE;
        self.entries[begin..].iter().take_while(inside).map(|&found| found as u32)
    }

    /// Puts an entry where it belongs, not before `at`; those behind it move up.
    fn put(&mut self, mut at: usize, entry: u64) {
        while self.entries[at] < entry {
            at += 1;
        }
        let mut moving = entry;
        while moving != FREE {
            std::mem::swap(&mut self.entries[at], &mut moving);
            at += 1;
            if at == self.entries.len() {
                self.entries.push(FREE);
            }
        }
        self.used += 1;
    }

    /// Makes room by a quarter, in place: all entries go to the end in order, and from there, one by one, to where they
    /// belong, which is never behind where they are.
    fn grow(&mut self, more: usize) {
        while (self.used + more) * FULL.1 > self.size * FULL.0 {
            self.size += self.size / 4;
        }
        let mut kept = 0;
        for at in 0..self.entries.len() {
            let entry = std::mem::replace(&mut self.entries[at], FREE);
            if entry != FREE {
                self.entries[kept] = entry;
                kept += 1;
            }
        }
        // Room enough for all, even if the last of them all belong to the last place.
        let room = self.entries.len().max(self.size + 1 + self.moved_up(kept));
        self.entries.reserve_exact(room - self.entries.len());
        self.entries.resize(room, FREE);
        self.entries.copy_within(..kept, room - kept);
        self.entries[..kept.min(room - kept)].fill(FREE);
        let mut next = 0;
        for at in room - kept..room {
            let entry = std::mem::replace(&mut self.entries[at], FREE);
            next = next.max(place(key_of(entry), self.size));
            self.entries[next] = entry;
            next += 1;
        }
    }

    /// How far past the last place the first `kept` entries reach once they are spread.
    fn moved_up(&self, kept: usize) -> usize {
        let spread = |next: usize, &entry: &u64| next.max(place(key_of(entry), self.size)) + 1;
        self.entries[..kept].iter().fold(0, spread).saturating_sub(self.size)
    }
}

/// The sum of the weights of each number, where it is at least `least`.
fn summed(all: &[(u32, u32)], least: u32) -> Vec<(u32, u32)> {
    let mut sums = vec![(NONE, 0); (all.len() * 2).next_power_of_two()];
    let mask = sums.len() - 1;
    let mut found = Vec::new();
    for &(number, weight) in all {
        let mut at = (number.wrapping_mul(0x9E37_79B1) >> 7) as usize & mask;
        while sums[at].0 != number && sums[at].0 != NONE {
            at = (at + 1) & mask;
        }
        sums[at] = (number, sums[at].1 + weight);
    }
    found.extend(sums.into_iter().filter(|&(number, sum)| number != NONE && sum >= least));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const LONGEST: usize = 7;

    /// Lists as plain lists.
    fn shared_reference(
        lists: &BTreeMap<u32, Vec<u32>>,
        keys: &[u32],
        most: usize,
        least: u32,
    ) -> Vec<(u32, u32)> {
        let mut sums: BTreeMap<u32, u32> = BTreeMap::new();
        let mut open = 0;
        for key in keys {
            if open == most {
                break;
            }
            let list = lists.get(key).map_or(&[][..], Vec::as_slice);
            list.iter().for_each(|&number| *sums.entry(number).or_default() += weigh(list.len()));
            open += usize::from(list.len() < LONGEST);
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
            most in 1_usize..14,
        ) {
            let mut lists = Lists::new(LONGEST);
            let mut plain: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            let keys: Vec<Vec<u32>> = texts.iter().map(|keys| keys.iter().map(|key| key * spread).collect()).collect();
            for (number, keys) in keys.iter().enumerate() {
                lists.insert(number as u32, keys, most);
                let open = |key: &&u32| plain.get(key).is_none_or(|list| list.len() < LONGEST);
                let open: Vec<u32> = keys.iter().filter(open).take(most).copied().collect();
                open.into_iter().for_each(|key| plain.entry(key).or_default().push(number as u32));
            }
            for index in removed {
                let number = index.index(keys.len());
                lists.remove(number as u32, &keys[number]);
                plain.values_mut().for_each(|list| list.retain(|&other| other != number as u32));
            }
            for keys in &keys {
                let mut found = lists.shared(keys, most, weigh, least);
                found.sort_unstable();
                prop_assert_eq!(found, shared_reference(&plain, keys, most, least));
            }
        }
    }

    #[test]
    fn grows_and_keeps_every_list() {
        let mut lists = Lists::new(4);
        let key = |number: u32, k: u32| (number * 3 + k).wrapping_mul(0x9E37_79B1);
        for number in 0..20_000 {
            lists.insert(number, &[key(number, 0), key(number, 1), key(number, 2)], 3);
        }
        for number in 0..20_000 {
            assert_eq!(lists.shared(&[key(number, 0), key(number, 2)], 2, |_| 1, 2), [(number, 2)]);
        }
    }
}
