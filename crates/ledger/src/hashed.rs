//! Things that are only ever added and looked up one by one, of which there are as many as commands: a list in the order in
//! which they came, and a hash table of places in it. A tree of so many costs a miss of the cache for every level.
//!
//! Hashes are keyed with numbers that this process drew, so that nobody can choose names that all fall on one place: whatever
//! two names are, the hashes of both are as two numbers drawn at random (Dietzfelbinger 1996, "Universal hashing and k-wise
//! independent random variables via integer arithmetic without primes"); then they are mixed, one to one. Nothing else depends on them: what is written is in
//! the order of the names.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::marker::PhantomData;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::Code;
use crate::limits::NAME_BYTES_MAX;

/// Something that is known by a name of its own.
pub(crate) trait Named {
    fn name(&self) -> &[u8];
}

impl Named for Code {
    fn name(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// A set of things by name.
#[derive(Clone)]
pub(crate) struct Hashed<T> {
    things: Vec<T>,
    /// What is at each slot: nothing, or a few bits of the hash, so that a name that is not there is nearly always found not
    /// to be by these bytes alone, of which many lie together.
    tags: Vec<u8>,
    /// The places of the things there.
    slots: Vec<u32>,
    key: Key,
}

const SLOTS_MIN: usize = 8;
/// Numbers of a key: two, and one for every four bytes of a name.
const KEY: usize = 2 + NAME_BYTES_MAX.div_ceil(4);

#[derive(Clone)]
struct Key([u64; KEY]);

impl Key {
    fn drawn() -> Self {
        let random = RandomState::new();
        Self(std::array::from_fn(|i| random.hash_one(i)))
    }

    /// The upper half of the sum of all four bytes and the length, each times its number, and a last number.
    #[inline]
    fn hash(&self, name: &[u8]) -> u32 {
        let Self([last, of_length, of_bytes @ ..]) = self;
        let (fours, rest) = name.as_chunks();
        let mut padded = [0; 4];
        padded[..rest.len()].copy_from_slice(rest);
        let mut sum = last.wrapping_add(of_length.wrapping_mul(name.len() as u64));
        for (four, number) in fours.iter().chain([&padded]).zip(of_bytes) {
            sum = sum.wrapping_add(number.wrapping_mul(u32::from_le_bytes(*four).into()));
        }
        // Names that follow one another are a row of numbers until they are mixed, and a table without gaps is slow.
        let hash = (sum >> 32) as u32;
        let hash = (hash ^ (hash >> 16)).wrapping_mul(0x7feb_352d);
        let hash = (hash ^ (hash >> 15)).wrapping_mul(0x846c_a68b);
        hash ^ (hash >> 16)
    }
}

impl<T: Named> Hashed<T> {
    /// A set of these; of two with one name the later.
    pub(crate) fn of(things: Vec<T>) -> Self {
        let mut hashed = Self::default();
        if things.is_sorted_by(|a, b| a.name() < b.name()) {
            let slots = (4 * things.len() / 3 + 1).next_power_of_two().max(SLOTS_MIN);
            hashed.things = things;
            hashed.spread(slots);
        } else {
            things.into_iter().for_each(|thing| hashed.insert(thing));
        }
        hashed
    }

    pub(crate) fn len(&self) -> usize {
        self.things.len()
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&T> {
        match self.find(name, self.key.hash(name)) {
            Ok(place) => self.things.get(place),
            Err(_) => None,
        }
    }

    /// Adds a thing, in place of the one that had its name.
    pub(crate) fn insert(&mut self, thing: T) {
        if 4 * (self.things.len() + 1) > 3 * self.slots.len() {
            self.spread((2 * self.slots.len()).max(SLOTS_MIN));
        }
        let hash = self.key.hash(thing.name());
        match self.find(thing.name(), hash) {
            Ok(place) => self.things[place] = thing,
            Err(at) => {
                self.fill(at, hash, self.things.len());
                self.things.push(thing);
            }
        }
    }

    /// All things, ascending by name.
    pub(crate) fn sorted(&self) -> Vec<&T> {
        // Most names differ in what is compared here, next to each other in memory.
        let mut order: Vec<([u64; 3], usize)> = Vec::with_capacity(self.things.len());
        order.extend(self.things.iter().enumerate().map(|(place, thing)| (start(thing.name()), place)));
        order.sort_unstable_by(|(a, i), (b, j)| {
            a.cmp(b).then_with(|| self.things[*i].name().cmp(self.things[*j].name()))
        });
        order.into_iter().map(|(_, place)| &self.things[place]).collect()
    }

    /// The place of the thing of that name, or else the slot for it. With no slots there is neither.
    fn find(&self, name: &[u8], hash: u32) -> Result<usize, usize> {
        let (mut at, tag) = (first_slot(hash, self.tags.len()), tag(hash));
        while let Some(&there) = self.tags.get(at).filter(|there| **there != EMPTY) {
            let place = self.slots[at] as usize;
            if there == tag && self.things[place].name() == name {
                return Ok(place);
            }
            at = (at + 1) & (self.tags.len() - 1);
        }
        Err(at)
    }

    fn fill(&mut self, at: usize, hash: u32, place: usize) {
        assert!(place < u32::MAX as usize, "four thousand million things need more memory than there is");
        self.tags[at] = tag(hash);
        self.slots[at] = place as u32;
    }

    /// Spreads all things over so many slots.
    fn spread(&mut self, slots: usize) {
        (self.tags, self.slots) = (vec![EMPTY; slots], vec![0; slots]);
        for place in 0..self.things.len() {
            let hash = self.key.hash(self.things[place].name());
            self.fill(self.free(hash), hash, place);
        }
    }

    /// The slot for something new.
    fn free(&self, hash: u32) -> usize {
        let mut at = first_slot(hash, self.tags.len());
        while self.tags[at] != EMPTY {
            at = (at + 1) & (self.tags.len() - 1);
        }
        at
    }
}

const EMPTY: u8 = 0;

/// Where a hash is looked for first.
fn first_slot(hash: u32, slots: usize) -> usize {
    ((u64::from(hash) * slots as u64) >> 32) as usize
}

/// The lowest bits, which say the least about the slot.
fn tag(hash: u32) -> u8 {
    hash as u8 | 0x80
}

/// The first bytes of a name, as numbers of the same order.
fn start(name: &[u8]) -> [u64; 3] {
    let mut bytes = [0; 24];
    bytes.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
    let words = bytes.as_chunks().0;
    [0, 1, 2].map(|i| words.get(i).map_or(0, |word| u64::from_be_bytes(*word)))
}

impl<T> Default for Hashed<T> {
    fn default() -> Self {
        Self { things: Vec::new(), tags: Vec::new(), slots: Vec::new(), key: Key::drawn() }
    }
}

/// Equal when the same things are in them, however they came there.
impl<T: Named + PartialEq> PartialEq for Hashed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.things.iter().all(|thing| other.get(thing.name()) == Some(thing))
    }
}

impl<T: Named + Eq> Eq for Hashed<T> {}

impl<T: fmt::Debug> fmt::Debug for Hashed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.things).finish()
    }
}

/// As an ordered set is written.
impl<T: Named + Serialize> Serialize for Hashed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.sorted())
    }
}

impl<'de, T: Named + Deserialize<'de>> Deserialize<'de> for Hashed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Things(PhantomData))
    }
}

struct Things<T>(PhantomData<T>);

impl<'de, T: Named + Deserialize<'de>> Visitor<'de> for Things<T> {
    type Value = Hashed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Hashed<T>, A::Error> {
        let mut things = Vec::new();
        while let Some(thing) = list.next_element()? {
            things.push(thing);
        }
        Ok(Hashed::of(things))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Thing(Vec<u8>, u16);

    impl Named for Thing {
        fn name(&self) -> &[u8] {
            &self.0
        }
    }

    /// Some names that start the same, are starts of each other, or end in zeros.
    fn names() -> impl Strategy<Value = Vec<u8>> {
        (prop::sample::select(vec![0, 1, 23, 24, 25, 26, 70]), 0..3_u8, prop::collection::vec(0..3_u8, 0..4))
            .prop_map(|(length, of, end)| [vec![of; length], end].concat())
    }

    proptest! {
        #[test]
        fn it_is_a_map_in_the_order_of_names(pairs in prop::collection::vec((names(), any::<u16>()), 0..200)) {
            let (mut hashed, mut map) = (Hashed::default(), BTreeMap::new());
            for (name, value) in &pairs {
                prop_assert_eq!(hashed.get(name).map(|thing: &Thing| thing.1), map.get(name).copied());
                hashed.insert(Thing(name.clone(), *value));
                map.insert(name.clone(), *value);
                prop_assert_eq!(hashed.len(), map.len());
            }
            for (name, _) in &pairs {
                prop_assert_eq!(hashed.get(name).map(|thing: &Thing| thing.1), map.get(name).copied());
            }
            let sorted: Vec<_> = hashed.sorted().into_iter().map(|thing| (&thing.0, &thing.1)).collect();
            prop_assert!(sorted.into_iter().eq(map.iter()));
            let things = |map: &BTreeMap<Vec<u8>, u16>| -> Vec<Thing> {
                map.iter().map(|(name, value)| Thing(name.clone(), *value)).collect()
            };
            prop_assert_eq!(&Hashed::of(things(&map)), &hashed);
            prop_assert_eq!(&Hashed::of(pairs.into_iter().map(|(name, value)| Thing(name, value)).collect()), &hashed);
            prop_assert_eq!(&hashed.clone(), &hashed);
            if let Some((name, value)) = map.pop_first() {
                let mut other = Hashed::of(things(&map));
                prop_assert_ne!(&other, &hashed);
                other.insert(Thing(name, value ^ 1));
                prop_assert_ne!(&other, &hashed);
            }
        }

        #[test]
        fn it_is_written_and_read_as_a_set(codes in prop::collection::btree_set("[a-c_.-]{1,30}", 0..60)) {
            let codes: Vec<Code> = codes.iter().map(|code| code.parse().unwrap()).collect();
            let hashed = Hashed::of(codes.iter().rev().cloned().collect());
            let set: std::collections::BTreeSet<Code> = codes.into_iter().collect();
            let written = serde_json::to_string(&hashed).unwrap();
            prop_assert_eq!(&written, &serde_json::to_string(&set).unwrap());
            prop_assert_eq!(&serde_json::from_str::<Hashed<Code>>(&written).unwrap(), &hashed);
            let image = rmp_serde::to_vec_named(&hashed).unwrap();
            prop_assert_eq!(&image, &rmp_serde::to_vec_named(&set).unwrap());
            prop_assert_eq!(&rmp_serde::from_slice::<Hashed<Code>>(&image).unwrap(), &hashed);
        }
    }
}
