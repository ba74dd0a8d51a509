//! What each gate costs, on a clock that the caller brings.

/// Time that has passed, in nanoseconds from any start.
pub type Clock = fn() -> u64;

/// Parts of the pipeline whose cost is told apart, in the order in which a record meets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Parts, sizes, labels and numbers.
    Schema,
    /// What one text shows by itself.
    Text,
    /// Normal form, digest and sketch: what all later stages compare.
    Form,
    /// Comparison with the sealed benchmark.
    Benchmark,
    /// Filler and other topics.
    Manner,
    /// Comparison with earlier records, and what the sender is known for.
    Copies,
    /// How plausible labels are, the fitting of the model included: what the caller says that it spent.
    Label,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Stage; 7] = [
        Stage::Schema,
        Stage::Text,
        Stage::Form,
        Stage::Benchmark,
        Stage::Manner,
        Stage::Copies,
        Stage::Label,
    ];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Schema => "schema",
            Stage::Text => "text",
            Stage::Form => "normal form",
            Stage::Benchmark => "benchmark",
            Stage::Manner => "manner",
            Stage::Copies => "copies",
            Stage::Label => "label",
        }
    }
}

/// Nanoseconds spent in each stage, by [`Stage::ALL`], and on how many records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// Records that were judged.
    pub records: u64,
    /// Nanoseconds by stage, over all records.
    pub nanoseconds: [u64; Stage::ALL.len()],
}

impl Costs {
    /// Both together.
    pub(crate) fn add(&mut self, other: &Costs) {
        self.records += other.records;
        self.nanoseconds.iter_mut().zip(other.nanoseconds).for_each(|(sum, more)| *sum += more);
    }
}

/// Splits the time of one record among the stages. Without a clock it does nothing.
pub(crate) struct Watch {
    clock: Option<Clock>,
    last: u64,
    costs: Costs,
}

impl Watch {
    pub(crate) fn start(clock: Option<Clock>) -> Self {
        Watch { clock, last: clock.map_or(0, |now| now()), costs: Costs::default() }
    }

    /// What has passed since the last stage was this one's.
    pub(crate) fn lap(&mut self, stage: Stage) {
        if let Some(clock) = self.clock {
            let now = clock();
            self.costs.nanoseconds[stage as usize] += now.saturating_sub(self.last);
            self.last = now;
        }
    }

    pub(crate) fn costs(&self) -> &Costs {
        &self.costs
    }
}
