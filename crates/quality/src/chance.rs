//! How much a resemblance speaks for copying, on this datanet.
//!
//! Two texts have a *score*: how much their alignment looks like a copy and its original. What a score is worth depends on the
//! datanet: people who ask a bank the same things meet by chance far more often than authors of articles. The sealed benchmark
//! knows: its items are honest and from the same source as honest records, so how often one item resembles another by chance is
//! how often an honest record will. The likelihood ratio of a score is its frequency among copies over that, and never falls as the score
//! rises (pooling adjacent violators: Ayer and others 1955).
//!
//! The more texts there are, the more often two meet by chance; how much more often differs. Were texts drawn independently, the best of
//! g times as many would be below a score with the g-th power of the probability; but texts that are alike because they belong
//! together do not become more as others are added. So what records of senders in good standing meet is counted ([`Seen`]), and
//! chance is what was seen, never below that among the items nor above that of independent texts: who floods a
//! datanet moves it between these two and no further.
//!
//! The score is a logistic regression and [`COPIES`] a histogram, both of edited copies (words dropped, moved, replaced, mistyped,
//! added) and of honest nearest neighbours in six communities of Banking77, HWU64, SciCite and MedQuAD.

use crate::likeness::Likeness;

/// Intervals of the score, of width 1; the first is for no match at all.
const BINS: usize = 15;
const LOWEST: f64 = -6.0;
/// Texts from this many words are long.
const LONG: u32 = 24;
/// How often a copy has a score in each interval.
const COPIES: [f64; BINS] =
    [0.060, 0.005, 0.005, 0.006, 0.010, 0.020, 0.043, 0.080, 0.093, 0.126, 0.126, 0.134, 0.085, 0.087, 0.120];
/// How often an honest text does, where the benchmark does not say.
const HONEST: [f64; BINS] =
    [0.44, 0.13, 0.07, 0.078, 0.08, 0.078, 0.059, 0.042, 0.019, 0.004, 0.002, 0.0007, 0.0003, 0.0002, 0.0001];
/// Items of the benchmark that [`HONEST`] counts for.
const HONEST_WEIGHT: f64 = 40.0;
/// Texts below which there is too little to copy for no match to prove much.
const FEW: f64 = 30.0;
/// Chance is never taken for less than that of a comparison with so many texts.
const LEAST: f64 = 500.0;
/// How often a copy holds its original as a passage, and in how many honest items of how many there is one where the benchmark does
/// not say.
const PASSAGE_COPIES: f64 = 0.3;
const PASSAGE: (f64, f64) = (0.1, 20.0);
/// Records that the law of independent texts counts for, beside those that were seen.
const LAW_WEIGHT: f64 = 40.0;
/// Records seen from which older ones count half.
const SEEN_MAX: u32 = 20_000;
/// Bounds of a ratio: one record proves neither honesty nor theft.
const RATIO: (f64, f64) = (0.05, 1000.0);

/// How much an alignment looks like a copy and its original: in units of log odds, with equal numbers of either.
pub(crate) fn score(likeness: &Likeness) -> f64 {
    let newer = f64::from(likeness.newer.max(1));
    let apart = 1.0 - f64::from(likeness.similarity());
    let novel = f64::from(likeness.novel()) / newer;
    let far = f64::from(likeness.moves.saturating_sub(likeness.swaps)) / newer;
    let slips = f64::from(likeness.slips.min(2));
    let swaps = f64::from(likeness.swaps.min(2));
    if likeness.least() < LONG {
        2.3 - 11.2 * apart - 4.8 * novel + 2.1 * slips + 2.1 * swaps - 2.2 * far
    } else {
        0.6 - 8.9 * apart - 14.6 * novel + 2.3 * slips + 2.1 * swaps + 3.1 * far
    }
}

/// How often honest texts resemble another by chance.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chance {
    honest: [f64; BINS],
    /// How often one has another as a passage, or holds all of it.
    passage: Passage,
    /// Texts among which they were compared.
    texts: f64,
}

/// How often an honest text has another as a passage.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Passage {
    /// Most of the one is a passage of the other.
    pub(crate) most: f64,
    /// The one holds much of the other.
    pub(crate) much: f64,
    /// The one holds all of the other.
    pub(crate) all: f64,
}

impl Chance {
    /// Of each item of a sample the best score with another item (`None` without a match), among `texts` of them, and how many of
    /// these hold passages.
    pub(crate) fn learn(best: &[Option<f64>], passages: Passage, texts: usize) -> Self {
        let mut honest = HONEST.map(|share| share * HONEST_WEIGHT);
        best.iter().for_each(|&score| honest[bin(score)] += 1.0);
        let whole: f64 = honest.iter().sum();
        let rate = |count: f64| (count + PASSAGE.0) / (texts as f64 + PASSAGE.1);
        let passage =
            Passage { most: rate(passages.most), much: rate(passages.much), all: rate(passages.all) };
        Chance { honest: honest.map(|count| count / whole), passage, texts: texts.max(1) as f64 }
    }

    /// The likelihood ratios of all scores, for a text that is compared with `texts` others.
    pub(crate) fn ratios(&self, texts: usize, seen: &Seen) -> Scale {
        let mut before = 0.0;
        let honest = self.below(texts, seen).map(|below| below - std::mem::replace(&mut before, below));
        // Where there is next to nothing to copy, not having copied proves nothing.
        let least = 1.0 - texts as f64 / FEW;
        Scale(rising(&COPIES, &honest).map(|ratio| ratio.max(least)))
    }

    /// How often the best score of an honest text among so many is in an interval or below it.
    fn below(&self, texts: usize, seen: &Seen) -> [f64; BINS] {
        let quarters = (4.0 * (texts as f64).max(LEAST) / self.texts).ceil() as u32;
        let all = f64::from(seen.all()) + LAW_WEIGHT;
        let (mut items, mut records) = (0.0, 0);
        std::array::from_fn(|bin| {
            items += self.honest[bin];
            records += seen.0[bin];
            let items = f64::min(items, 1.0);
            let independent = quarter_powers(items, quarters);
            let share = (f64::from(records) + LAW_WEIGHT * independent) / all;
            share.clamp(independent, items.max(independent))
        })
    }

    /// The likelihood ratio of a text most of which is a passage of one of `texts` others.
    pub(crate) fn most(&self, texts: usize) -> f64 {
        let growth = (texts as f64 / self.texts).max(1.0);
        (PASSAGE_COPIES / (self.passage.most * growth)).clamp(1.0, RATIO.1)
    }

    /// The likelihood ratio of a text that holds much, or all, of an item of the benchmark.
    pub(crate) fn holds(&self, all: bool) -> f64 {
        let rate = if all { self.passage.all } else { self.passage.much };
        (PASSAGE_COPIES / rate).clamp(1.0, RATIO.1)
    }
}

/// The best scores of the latest records of senders in good standing, with records of others: how many are in each interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen([u32; BINS]);

impl Seen {
    /// Takes in a record; `None` where nothing matched.
    pub(crate) fn count(&mut self, score: Option<f64>) {
        self.0[bin(score)] += 1;
        if self.all() >= SEEN_MAX {
            self.0.iter_mut().for_each(|count| *count /= 2);
        }
    }

    fn all(&self) -> u32 {
        self.0.iter().sum()
    }
}

/// The likelihood ratio of every interval of the score.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale([f64; BINS]);

impl Scale {
    /// The ratio of the best score of a text; `None` where nothing matched.
    pub(crate) fn ratio(&self, score: Option<f64>) -> f64 {
        self.0[bin(score)]
    }
}

/// The ratio of the same content: the more words, the less it is chance.
pub(crate) fn same_content(words: usize) -> f64 {
    [1.0, 1.0, 10.0, 100.0].get(words).copied().unwrap_or(RATIO.1)
}

fn bin(score: Option<f64>) -> usize {
    let Some(score) = score else { return 0 };
    1 + (score - LOWEST).clamp(0.0, (BINS - 2) as f64) as usize
}

/// The power of `x` with a quarter of `exponent`, by steps that are the same on every machine.
fn quarter_powers(x: f64, mut exponent: u32) -> f64 {
    let (mut power, mut square) = (1.0, x.sqrt().sqrt());
    while exponent > 0 {
        if exponent % 2 == 1 {
            power *= square;
        }
        square *= square;
        exponent /= 2;
    }
    power
}

/// Ratios of two histograms that never fall.
fn rising(above: &[f64; BINS], below: &[f64; BINS]) -> [f64; BINS] {
    let mut pools: Vec<(f64, f64, usize)> = Vec::with_capacity(BINS);
    for (&a, &b) in above.iter().zip(below) {
        pools.push((a, b.max(f64::MIN_POSITIVE), 1));
        while let [.., left, right] = pools.as_mut_slice()
            && left.0 * right.1 >= right.0 * left.1
        {
            *left = (left.0 + right.0, left.1 + right.1, left.2 + right.2);
            pools.pop();
        }
    }
    let mut ratios = [0.0; BINS];
    let spread = pools.iter().flat_map(|&(a, b, count)| std::iter::repeat_n(a / b, count));
    ratios.iter_mut().zip(spread).for_each(|(out, ratio)| *out = ratio.clamp(RATIO.0, RATIO.1));
    ratios
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NONE_SEEN: &Seen = &Seen([0; BINS]);

    #[test]
    fn ratios_rise_and_fall_with_chance() {
        let rare = Chance::learn(&vec![None; 2_000], Passage::default(), 2_000).ratios(2_000, NONE_SEEN);
        let often =
            Chance::learn(&vec![Some(2.5); 2_000], Passage::default(), 2_000).ratios(2_000, NONE_SEEN);
        assert!(
            rare.0.windows(2).all(|two| two[0] <= two[1]) && often.0.windows(2).all(|two| two[0] <= two[1])
        );
        assert!(rare.ratio(Some(2.5)) > 100.0 * often.ratio(Some(2.5)));
        assert!(rare.ratio(None) < 0.1 && rare.ratio(Some(99.0)) == RATIO.1);
        let few = Chance::learn(&[], Passage::default(), 1_000);
        assert!(few.ratios(10, NONE_SEEN).ratio(Some(3.5)) > few.ratios(10_000, NONE_SEEN).ratio(Some(3.5)));
        assert!((quarter_powers(0.3, 9) - 0.3_f64.powf(2.25)).abs() < 1e-12);
        assert!(few.ratios(usize::MAX, NONE_SEEN).0.iter().all(|ratio| ratio.is_finite()));
    }

    #[test]
    fn what_was_seen_goes_before_what_was_expected() {
        let items: Vec<Option<f64>> = (0..2_000).map(|at| (at % 200 == 0).then_some(4.5)).collect();
        let chance = Chance::learn(&items, Passage::default(), 2_000);
        let (copy, texts) = (Some(4.5), 1_000_000);
        let of = |score: Option<f64>, records: usize| {
            let mut seen = Seen::default();
            (0..records).for_each(|_| seen.count(score));
            chance.ratios(texts, &seen).ratio(copy)
        };
        assert!(of(None, 0) < 2.0 && of(None, 100_000) > 20.0, "{} {}", of(None, 0), of(None, 100_000));
        assert!(of(copy, 100_000) < 2.0);
    }

    proptest! {
        #[test]
        fn chance_is_between_that_of_the_items_and_that_of_independent_texts(
            items in prop::collection::vec(prop::option::of(-9.0..9.0), 0..60),
            seen in prop::collection::vec(prop::option::of(-9.0..9.0), 0..200),
            growth in 1..4_000_usize,
        ) {
            let size = items.len().max(LEAST as usize);
            let chance = Chance::learn(&items, Passage::default(), size);
            let mut counted = Seen::default();
            seen.iter().for_each(|&score| counted.count(score));
            let below = chance.below(size * growth, &counted);
            let (least, most) = (chance.below(size * growth, NONE_SEEN), chance.below(size, NONE_SEEN));
            prop_assert!(below.windows(2).all(|two| two[0] <= two[1]) && (below[BINS - 1] - 1.0).abs() < 1e-9);
            for bin in 0..BINS {
                prop_assert!(least[bin] <= below[bin] + 1e-12 && below[bin] <= most[bin] + 1e-12);
            }
        }
    }

    #[test]
    fn a_copy_scores_above_a_rewording() {
        let original = "why are the things i bought earlier today still showing as pending";
        let of = |newer: &str| score(&Likeness::between(newer, original));
        assert!(of("why are the things i bougth earlier today showing as pending") > 3.0);
        assert!(of("why is my card payment still pending since this morning") < -3.0);
    }
}
