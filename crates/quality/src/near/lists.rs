//! Lists of numbers under 32-bit keys: one table of (key, number) in order, with gaps.
//!
//! An entry belongs in the bucket that its key has among all keys, a cache line; where that is taken, entries move up into the
//! next, so that the whole table is always in order (ordered linear probing; Amble and Knuth 1974). A search ends at the first
//! greater entry, a list lies in one cache line or two, and growing is two sweeps.
//!
//! Where memory is bounded, a full table goes into a [`Run`] and begins anew. It takes those runs with it that are not much longer,
//! so that runs are few and no entry is written often (O'Neil and others 1996, the log-structured merge tree). Of a list, first
//! comes what is in the oldest run, and last what is in the table.

use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::run::Run;
use super::scratch::{MakeStore, TextStoreError};

/// No entry: greater than all.
pub(crate) const FREE: u64 = u64::MAX;
/// No number.
const NONE: u32 = u32::MAX;
/// Entries of a bucket: those of a cache line.
const BUCKET: usize = 8;
const FEWEST_BUCKETS: usize = 1 << 7;
/// The share of the places that may be taken.
const FULL: (usize, usize) = (2, 3);
/// Most bytes that an entry takes: where the table has just grown by a half.
const ENTRY_BYTES: usize = 18;
/// How many times as long a run is that is left alone.
const MUCH_LONGER: usize = 8;

pub(crate) struct Lists {
    /// Key in the high half, number in the low; room for all buckets and as much as entries move up behind the last.
    entries: Vec<u64>,
    buckets: usize,
    /// Where the first bucket begins: at a cache line.
    first: usize,
    used: usize,
    longest: usize,
    /// Most entries in the table, and where they go then.
    bound: Option<(usize, MakeStore)>,
    /// The oldest first.
    runs: Vec<Run>,
    /// The keys that were last looked for, and how much of their lists is in runs: who looks for a text and does not find it adds it.
    seen: Mutex<Vec<(u32, usize)>>,
    failure: OnceLock<TextStoreError>,
}

pub(crate) fn entry(key: u32, number: u32) -> u64 {
    u64::from(key) << 32 | u64::from(number)
}

pub(crate) fn key_of(entry: u64) -> u32 {
    (entry >> 32) as u32
}

impl Lists {
    /// Lists of at most `longest` numbers, in so many bytes of memory at most, if there is a bound.
    pub(crate) fn new(longest: usize, bound: Option<(usize, MakeStore)>) -> Self {
        let mut lists = Lists {
            entries: Vec::new(),
            buckets: FEWEST_BUCKETS,
            first: 0,
            used: 0,
            longest,
            bound: bound.map(|(bytes, make)| (bytes / ENTRY_BYTES, make)),
            runs: Vec::new(),
            seen: Mutex::default(),
            failure: OnceLock::new(),
        };
        lists.spread();
        lists
    }

    /// The first failure of the store.
    pub(crate) fn failure(&self) -> Option<&TextStoreError> {
        self.failure.get()
    }

    fn note(&self, outcome: Result<(), TextStoreError>) {
        outcome.unwrap_or_else(|failure| _ = self.failure.set(failure));
    }

    /// Where the bucket of a key begins.
    fn place(&self, key: u32) -> usize {
        self.first + ((u64::from(key) * self.buckets as u64) >> 32) as usize * BUCKET
    }

    /// Appends a number, greater than all before, to the first `most` lists of these keys that are not full.
    pub(crate) fn insert(&mut self, number: u32, keys: &[u32], most: usize) {
        if self.bound.as_ref().is_some_and(|(most, _)| self.used > 0 && self.used + keys.len() > *most) {
            self.flush();
        }
        if (self.used + keys.len()) * FULL.1 > self.buckets * BUCKET * FULL.0 {
            self.grow(keys.len());
        }
        let mut open = 0;
        let seen = std::mem::take(self.seen.get_mut().unwrap_or_else(PoisonError::into_inner));
        for (place, &key) in keys.iter().enumerate() {
            let list = self.list(key);
            let flushed = match seen.get(place) {
                Some(&(of, length)) if of == key => length,
                _ => self.flushed(key).len(),
            };
            if flushed + list.len() < self.longest {
                self.put(list.end, entry(key, number));
                open += 1;
            }
            if open == most {
                return;
            }
        }
    }

    /// Takes a number from the list of each key.
    pub(crate) fn remove(&mut self, number: u32, keys: &[u32]) {
        self.see(Vec::new());
        for &key in keys {
            let erased = self.runs.iter_mut().try_for_each(|run| run.remove(key, number));
            self.note(erased);
            let gone = entry(key, number);
            let Some(mut at) = self.list(key).find(|&at| self.entries[at] == gone) else { continue };
            // What moved up for it moves down again.
            while self.entries[at + 1] != FREE && self.place(key_of(self.entries[at + 1])) <= at {
                self.entries[at] = self.entries[at + 1];
                at += 1;
            }
            self.entries[at] = FREE;
            self.used -= 1;
        }
    }

    /// Every number that is in the lists of some of the keys, down to that with the `most`th list that is not full, with the sum over
    /// these lists of what a list of that length weighs; only sums of at least `least`. By number.
    pub(crate) fn shared(
        &self,
        keys: &[u32],
        most: usize,
        weigh: fn(usize) -> u32,
        least: u32,
    ) -> Vec<(u32, u32)> {
        let mut all: Vec<(u32, u32)> = Vec::with_capacity(most.min(keys.len()) * 8);
        let (mut open, mut rest) = (0, keys);
        let mut seen = Vec::new();
        while open < most && !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(most - open));
            rest = later;
            // All places are asked for before the first is waited for, with the cache line behind.
            let two_lines = |at: usize| self.entries[at] ^ self.entries[at + BUCKET];
            std::hint::black_box(now.iter().fold(0, |sum, &key| sum ^ two_lines(self.place(key))));
            for &key in now {
                let (flushed, list) = (self.flushed(key), self.list(key));
                let length = flushed.len() + list.len();
                if !self.runs.is_empty() {
                    seen.push((key, flushed.len()));
                }
                let weight = weigh(length);
                open += usize::from(length < self.longest);
                all.extend(flushed.iter().map(|&number| (number, weight)));
                let weighed = |&found: &u64| (found as u32, weight);
                match self.entries[list.start..].first_chunk::<BUCKET>() {
                    // As many as there may be and cut to length: no branch that is hard to foretell.
                    Some(some) if list.len() <= BUCKET => {
                        let length = all.len() + list.len();
                        all.extend(some.iter().map(weighed));
                        all.truncate(length);
                    }
                    _ => all.extend(self.entries[list].iter().map(weighed)),
                }
            }
        }
        if !self.runs.is_empty() {
            self.see(seen);
        }
        summed(&all, least)
    }

    fn see(&self, keys: Vec<(u32, usize)>) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// What of the list of a key is in runs.
    fn flushed(&self, key: u32) -> Vec<u32> {
        let mut found = Vec::new();
        self.note(self.runs.iter().try_for_each(|run| run.list(key, &mut found)));
        found
    }

    /// Moves all entries of the table, and of the last runs that are not [`MUCH_LONGER`] than what moves, into a run.
    fn flush(&mut self) {
        let Some((_, make)) = &self.bound else { return };
        let (mut kept, mut moved) = (self.runs.len(), self.used);
        while kept > 0 && self.runs[kept - 1].len() < MUCH_LONGER * moved {
            kept -= 1;
            moved += self.runs[kept].len();
        }
        let table = self.entries.iter().copied().filter(|&entry| entry != FREE);
        match Run::merged(make, &self.runs[kept..], table) {
            Ok(run) => {
                self.runs.truncate(kept);
                self.runs.push(run);
            }
            Err(failure) => self.note(Err(failure)),
        }
        self.entries.fill(FREE);
        self.used = 0;
        self.see(Vec::new());
    }

    /// Where the list of a key is, or would be.
    fn list(&self, key: u32) -> Range<usize> {
        let (least, end) = (entry(key, 0), entry(key, NONE));
        let at = self.place(key);
        if let Some(bucket) = self.entries[at..].first_chunk::<BUCKET>() {
            let below = |bound: u64| bucket.partition_point(|&entry| entry < bound);
            let (begin, end) = (below(least), below(end));
            if end < BUCKET {
                return at + begin..at + end;
            }
        }
        let past = |begin: usize, bound: u64| {
            begin + self.entries[begin..].iter().take_while(|&&entry| entry < bound).count()
        };
        let begin = past(at, least);
        begin..past(begin, end)
    }

    /// Puts an entry at its place, `at`; those behind it move up.
    fn put(&mut self, mut at: usize, entry: u64) {
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

    /// Makes room by a half.
    fn grow(&mut self, more: usize) {
        while (self.used + more) * FULL.1 > self.buckets * BUCKET * FULL.0 {
            self.buckets += self.buckets / 2;
        }
        self.spread();
    }

    /// Puts the entries where they belong, in place: all go to the end in order, and from there, one by one, to their places, which
    /// are never behind where they are.
    fn spread(&mut self) {
        let before = self.entries.len();
        // Room enough for all, even if the last of them all belong to the last bucket, wherever a cache line begins.
        let room = before.max((self.buckets + 2) * BUCKET + self.moved_up());
        self.entries.reserve_exact(room - before);
        self.entries.resize(room, FREE);
        self.first = self.entries.as_ptr().align_offset(BUCKET * size_of::<u64>()).min(BUCKET);
        let mut begin = room;
        for at in (0..before).rev() {
            let entry = std::mem::replace(&mut self.entries[at], FREE);
            if entry != FREE {
                begin -= 1;
                self.entries[begin] = entry;
            }
        }
        let mut next = 0;
        for at in begin..room {
            let entry = std::mem::replace(&mut self.entries[at], FREE);
            next = next.max(self.place(key_of(entry)));
            self.entries[next] = entry;
            next += 1;
        }
    }

    /// How far past the last bucket the entries reach once they are spread.
    fn moved_up(&self) -> usize {
        let spread = |next: usize, &entry: &u64| next.max(self.place(key_of(entry))) + 1;
        let end = self.entries.iter().filter(|&&entry| entry != FREE).fold(0, spread);
        end.saturating_sub(self.first + self.buckets * BUCKET)
    }
}

/// The sum of the weights of each number, where it is at least `least`; by number.
fn summed(all: &[(u32, u32)], least: u32) -> Vec<(u32, u32)> {
    // Few numbers come in several lists: those whose bucket has too little in all are left out before any is looked for.
    const BUCKETS: usize = 1 << 10;
    let bucket = |number: u32| (number.wrapping_mul(0x9E37_79B1) >> 22) as usize % BUCKETS;
    let mut buckets = [0_u8; BUCKETS];
    for &(number, weight) in all {
        let sum = &mut buckets[bucket(number)];
        *sum = sum.saturating_add(weight.min(255) as u8);
    }
    let enough = least.min(255) as u8;
    let mut left: Vec<(u32, u32)> =
        all.iter().filter(|&&(number, _)| buckets[bucket(number)] >= enough).copied().collect();
    left.sort_unstable_by_key(|&(number, _)| number);
    left.dedup_by(|next, sum| {
        let same = next.0 == sum.0;
        sum.1 += u32::from(same) * next.1;
        same
    });
    left.retain(|&(_, sum)| sum >= least);
    left
}

#[cfg(test)]
mod tests {
    use super::super::scratch::Place;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;

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

    /// Stores that are memory.
    fn in_memory() -> MakeStore {
        Arc::new(|| Ok(Box::new(Place::default())))
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
            bytes in prop::sample::select(vec![None, Some(0), Some(700), Some(3000)]),
        ) {
            let bound = bytes.map(|bytes| (bytes, in_memory()));
            let mut lists = Lists::new(LONGEST, bound);
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
                prop_assert_eq!(lists.shared(keys, most, weigh, least), shared_reference(&plain, keys, most, least));
            }
        }
    }

    #[test]
    fn grows_and_keeps_every_list() {
        let mut lists = Lists::new(4, None);
        let key = |number: u32, k: u32| (number * 3 + k).wrapping_mul(0x9E37_79B1);
        for number in 0..20_000 {
            lists.insert(number, &[key(number, 0), key(number, 1), key(number, 2)], 3);
        }
        for number in 0..20_000 {
            assert_eq!(lists.shared(&[key(number, 0), key(number, 2)], 2, |_| 1, 2), [(number, 2)]);
        }
    }
}
