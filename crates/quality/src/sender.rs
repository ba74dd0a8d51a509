//! What a sender's records say together: the share of them that are not the sender's own work.
//!
//! One question that resembles a sealed one is chance; a sender whose every third record does is not. Each record brings,
//! for each [`Channel`], a likelihood ratio: how much more probable what was seen is of a record that is not the sender's own than of honest
//! work. A record is not its sender's own with an unknown probability, the sender's share. The posterior of that share
//! is kept on a grid: exact, streaming, the same bits on any machine (it multiplies, adds and divides), and dependent on
//! nothing but the order of the records.

use rustc_hash::FxHashMap;

/// Shares that a sender may have.
const SHARES: [f64; 7] = [0.0, 0.03, 0.1, 0.25, 0.5, 0.75, 0.95];
/// Of ten unknown senders, nine are taken for honest.
const PRIOR: [f64; 7] = [0.90, 0.03, 0.02, 0.02, 0.01, 0.01, 0.01];
/// No history is so long that a share is ruled out: who was honest a thousand times can still be caught.
const LEAST: f64 = 1e-3;

/// Expected share in any channel from which a sender is not in good standing.
const DOUBTED: f64 = 0.1;

/// Kinds of records that are not their sender's own work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Material of the sealed benchmark.
    Benchmark,
    /// Other people's records.
    Copy,
    /// The sender's own earlier records.
    Repeat,
    /// Text that says nothing.
    Filler,
    /// Text about something else.
    Topic,
}

/// Likelihood ratios of a record by channel; 1 is no evidence.
pub(crate) type Ratios = [f64; 5];

/// The posterior of one sender's share in one channel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share([f64; 7]);

impl Default for Share {
    fn default() -> Self {
        Share(PRIOR)
    }
}

impl Share {
    /// Takes in a record.
    fn observe(&mut self, ratio: f64) {
        let mut sum = 0.0;
        for (weight, share) in self.0.iter_mut().zip(SHARES) {
            *weight *= 1.0 - share + share * ratio;
            sum += *weight;
        }
        self.0.iter_mut().for_each(|weight| *weight = (*weight / sum).max(LEAST));
    }

    /// The probability that a record of this ratio, already taken in, is not the sender's own.
    pub(crate) fn probability(&self, ratio: f64) -> f64 {
        let part = |(weight, share): (&f64, f64)| weight * share * ratio / (1.0 - share + share * ratio);
        self.0.iter().zip(SHARES).map(part).sum::<f64>() / self.0.iter().sum::<f64>()
    }

    /// The probability that the first record of an unknown sender is not the sender's own.
    pub(crate) fn unknown(ratio: f64) -> f64 {
        let mut share = Share::default();
        share.observe(ratio);
        share.probability(ratio)
    }

    /// The expected share.
    pub(crate) fn mean(&self) -> f64 {
        let part = |(weight, share): (&f64, f64)| weight * share;
        self.0.iter().zip(SHARES).map(part).sum::<f64>() / self.0.iter().sum::<f64>()
    }
}

/// One sender's record so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sender {
    pub(crate) shares: [Share; 5],
    pub(crate) records: u32,
}

impl Sender {
    /// Takes in a record.
    pub(crate) fn observe(&mut self, ratios: &Ratios) {
        self.records += 1;
        self.shares.iter_mut().zip(ratios).for_each(|(share, &ratio)| share.observe(ratio));
    }

    /// The greatest expected share in any channel but that of repeats.
    pub(crate) fn greatest_share(&self) -> f64 {
        let others = self.shares.iter().enumerate().filter(|(at, _)| *at != Channel::Repeat as usize);
        others.map(|(_, share)| share.mean()).fold(0.0, f64::max)
    }

    /// Whether next to nothing says that the sender's records are not the sender's own; of an unknown sender nothing does.
    pub(crate) fn is_in_good_standing(&self) -> bool {
        self.greatest_share() < DOUBTED
    }

    /// The probability that a record already taken in is not the sender's own in this channel.
    pub(crate) fn probability(&self, channel: Channel, ratios: &Ratios) -> f64 {
        self.shares[channel as usize].probability(ratios[channel as usize])
    }
}

/// All senders, numbered by first appearance.
#[derive(Default)]
pub(crate) struct Senders {
    names: FxHashMap<Box<str>, u32>,
    list: Vec<Sender>,
}

impl Senders {
    /// The number of a sender, new or known.
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.names.get(name) {
            return number;
        }
        let number = self.list.len() as u32;
        self.names.insert(name.into(), number);
        self.list.push(Sender::default());
        number
    }

    pub(crate) fn get(&self, number: u32) -> &Sender {
        &self.list[number as usize]
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> &mut Sender {
        &mut self.list[number as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(ratios: impl IntoIterator<Item = f64>) -> Share {
        let mut share = Share::default();
        ratios.into_iter().for_each(|ratio| share.observe(ratio));
        share
    }

    #[test]
    fn the_posterior_is_that_of_bayes_rule() {
        let ratios = [3.0, 0.2, 40.0, 0.7];
        let joint = |(prior, share): (f64, f64)| {
            prior * ratios.iter().map(|r| 1.0 - share + share * r).product::<f64>()
        };
        let whole: f64 = PRIOR.into_iter().zip(SHARES).map(joint).sum();
        let mean: f64 = PRIOR.into_iter().zip(SHARES).map(|(p, s)| s * joint((p, s))).sum::<f64>() / whole;
        // Shares at the floor weigh a little more than by the rule.
        assert!((after(ratios).mean() - mean).abs() < 0.01, "{} {mean}", after(ratios).mean());
    }

    #[test]
    fn a_history_lowers_or_raises_the_bar() {
        let weak = 5.0;
        let unknown = after([weak]).probability(weak);
        let honest = after([0.3; 50].into_iter().chain([weak])).probability(weak);
        let copier = after([40.0; 10].into_iter().chain([weak])).probability(weak);
        assert!(honest < 0.03 && unknown < 0.2 && copier > 0.95, "{honest} {unknown} {copier}");
        let sleeper = after([0.3; 1000].into_iter().chain([1000.0])).probability(1000.0);
        assert!(sleeper > 0.5, "{sleeper}");
    }

    #[test]
    fn nothing_is_ever_ruled_out_or_broken() {
        for ratio in [0.0, 1e-300, 1e300] {
            let share = after(std::iter::repeat_n(ratio, 10_000));
            assert!((0.0..=1.0).contains(&share.mean()) && (0.0..=1.0).contains(&share.probability(3.0)));
        }
    }
}
