//! Text that says nothing, and text about something else, by the measure of the sealed benchmark.
//!
//! The benchmark shows what a text of this datanet is like: how many of its words are the datanet's, and how rare they are. A record's
//! *weight* is the sum of the inverse document frequencies of its distinct words as far as the benchmark knows them; a text that says little
//! weighs little. Its *strangeness* is the mean over all its distinct words, where an unknown word counts as the rarest. Either is
//! compared with the items of the benchmark themselves, each against all the others, which gives a conformal p-value: of
//! honest records one in twenty is below 0.05, whatever the datanet, its language or the length of its texts. The p-value is
//! turned into evidence by `k p^(k - 1)`, whose mean over honest records is at most 1 (Vovk and Wang 2021).

use rustc_hash::FxHashMap;

use crate::words::spans;

/// Items of the benchmark without which nothing is said.
const ITEMS_MIN: usize = 200;
/// Classes of length, each of which has its own measure of strangeness.
const CLASSES: usize = 4;
/// Texts of less weight than this many halvings of the benchmark's are too small to have a topic.
const SMALL: usize = 4;

/// `0.1 p^-0.9` at p = 1, 1/2, 1/4 and so on.
const FILLER: [f64; 12] = [0.1, 0.187, 0.348, 0.65, 1.21, 2.26, 4.22, 7.88, 14.7, 27.4, 51.2, 95.5];
/// `0.3 p^-0.7`, likewise.
const TOPIC: [f64; 12] = [0.3, 0.487, 0.792, 1.29, 2.09, 3.39, 5.51, 8.96, 14.6, 23.6, 38.4, 62.4];

/// The words of the benchmark, and what its items are like.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topic {
    /// Word to the number of items that hold it.
    items: FxHashMap<u64, u32>,
    count: u32,
    /// Weights of the items, ascending.
    weights: Vec<f64>,
    /// Least distinct words of the second class of length and on.
    lengths: [usize; CLASSES - 1],
    /// Strangeness of the items by class, ascending.
    strange: [Vec<f64>; CLASSES],
}

/// What a text is like.
#[derive(Clone, Copy)]
struct Manner {
    words: usize,
    weight: f64,
    strangeness: f64,
}

impl Topic {
    /// Learns from the items in normal form. With few of them it knows nothing.
    pub(crate) fn learn(texts: &[&str]) -> Self {
        if texts.len() < ITEMS_MIN {
            return Topic::default();
        }
        let mut topic = Topic { count: texts.len() as u32, ..Topic::default() };
        let lists: Vec<Vec<u64>> = texts.iter().map(|text| distinct(text)).collect();
        lists.iter().flatten().for_each(|&word| *topic.items.entry(word).or_default() += 1);
        let manners: Vec<Manner> = lists.iter().map(|list| topic.manner(list, 1)).collect();
        let mut words: Vec<usize> = manners.iter().map(|manner| manner.words).collect();
        words.sort_unstable();
        topic.lengths = std::array::from_fn(|class| words[(class + 1) * words.len() / CLASSES]);
        for manner in manners {
            topic.weights.push(manner.weight);
            topic.strange[topic.class(manner.words)].push(manner.strangeness);
        }
        topic.weights.sort_unstable_by(f64::total_cmp);
        topic.strange.iter_mut().for_each(|list| list.sort_unstable_by(f64::total_cmp));
        topic
    }

    /// The likelihood ratios of filler and of another topic, of a text in normal form.
    pub(crate) fn ratios(&self, normal: &str) -> (f64, f64) {
        if self.count == 0 {
            return (1.0, 1.0);
        }
        let manner = self.manner(&distinct(normal), 0);
        let lighter = self.weights.partition_point(|&weight| weight <= manner.weight);
        let small = halvings(lighter, self.weights.len());
        let peers = &self.strange[self.class(manner.words)];
        let stranger = peers.len() - peers.partition_point(|&other| other < manner.strangeness);
        let strange = halvings(stranger, peers.len());
        (FILLER[small], if small >= SMALL { 1.0 } else { TOPIC[strange] })
    }

    /// `own` is 1 for an item of the benchmark, which is not compared with itself.
    fn manner(&self, list: &[u64], own: u32) -> Manner {
        let (mut weight, mut unknown) = (0.0, 0);
        for word in list {
            match self.items.get(word).map_or(0, |items| items - own) {
                0 => unknown += 1,
                items => weight += rarity(self.count, f64::from(items) + 0.5),
            }
        }
        let strangeness = (weight + f64::from(unknown) * rarity(self.count, 1.0)) / list.len().max(1) as f64;
        Manner { words: list.len(), weight, strangeness }
    }

    fn class(&self, words: usize) -> usize {
        self.lengths.partition_point(|&least| least <= words)
    }
}

fn rarity(count: u32, items: f64) -> f64 {
    ((f64::from(count) + 1.0) / items).ln()
}

/// How often 1 can be halved before it is below the p-value of a text that `beyond` of `count` items are at least as far out as.
fn halvings(beyond: usize, count: usize) -> usize {
    let mut halvings = 0;
    while halvings + 1 < FILLER.len() && (beyond + 1) << (halvings + 1) <= count + 1 {
        halvings += 1;
    }
    halvings
}

/// The distinct words of a text in normal form, as hashes, ascending.
fn distinct(normal: &str) -> Vec<u64> {
    let mut list: Vec<u64> = spans(normal).iter().map(|word| word.hash).collect();
    list.sort_unstable();
    list.dedup();
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::mix;

    /// A text of `length` words of a language of `size` words, rare ones rarer.
    fn text(seed: u64, length: usize, size: u64, stem: &str) -> String {
        let word = |i: usize| {
            let unit = (mix(seed * 1_000 + i as u64) >> 11) as f64 / (1u64 << 53) as f64;
            format!("{stem}{}", (size as f64 * unit * unit * unit) as u64)
        };
        (0..length).map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn honest_texts_rarely_stand_out_and_others_do() {
        let items: Vec<String> = (0..2_000).map(|i| text(i, 6 + i as usize % 12, 3_000, "w")).collect();
        let topic = Topic::learn(&items.iter().map(String::as_str).collect::<Vec<_>>());
        let honest: Vec<(f64, f64)> =
            (0..2_000).map(|i| topic.ratios(&text(9_000 + i, 6 + i as usize % 12, 3_000, "w"))).collect();
        let mean = |of: fn(&(f64, f64)) -> f64| honest.iter().map(of).sum::<f64>() / honest.len() as f64;
        assert!(mean(|r| r.0) < 1.1 && mean(|r| r.1) < 1.1, "{} {}", mean(|r| r.0), mean(|r| r.1));
        for i in 0..50 {
            assert!(
                topic.ratios(&text(50_000 + i, 12, 3_000, "other")).1 > 30.0 || topic.ratios("").0 > 30.0
            );
            assert!(topic.ratios(&text(50_000 + i, 1, 3, "w")).0 > 30.0);
        }
    }

    #[test]
    fn without_a_benchmark_nothing_is_said() {
        assert_eq!(Topic::learn(&["a few words"; 20]).ratios("anything"), (1.0, 1.0));
    }

    #[test]
    fn p_values_are_counted() {
        assert_eq!(
            (halvings(9, 9), halvings(0, 3), halvings(0, 1_000_000), halvings(499, 999)),
            (0, 2, 11, 1)
        );
    }
}
