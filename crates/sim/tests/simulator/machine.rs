//! The machine that everything runs on: its dice, its clock, and what goes wrong at each of its inputs and outputs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// A seeded source of draws.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// A number below `bound`, or 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound.max(1)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T>(&mut self, items: impl IntoIterator<Item = T>) -> Option<T> {
        let mut items: Vec<T> = items.into_iter().collect();
        match items.len() {
            0 => None,
            n => Some(items.swap_remove(self.below(n as u64) as usize)),
        }
    }
}

/// What a node asks of its stores, in its order of effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    PutTable,
    Append,
    PublishTable,
    WriteTile,
    SetCheckpoint,
    WriteCheckpoint,
    Read,
}

impl Step {
    /// Those that change something.
    pub(crate) const WRITES: [Self; 6] = [
        Self::PutTable,
        Self::Append,
        Self::PublishTable,
        Self::WriteTile,
        Self::SetCheckpoint,
        Self::WriteCheckpoint,
    ];

    fn is_file(self) -> bool {
        matches!(self, Self::PutTable | Self::PublishTable | Self::WriteTile | Self::WriteCheckpoint)
    }
}

/// What goes wrong with one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    CrashBefore,
    CrashAfter,
    /// It fails.
    Error,
    /// It happens, and the answer is an error.
    ErrorAfter,
    /// Half of the file is there, and then the machine stops.
    TornCrash,
    /// Half of the file is there, and the answer is an error.
    TornError,
    /// Half of the file is there, and the answer says that all is well.
    Short,
    /// It takes hours.
    Slow,
}

impl Fault {
    /// Whether it can befall this step. Short writes only where the node promises to look at what it wrote.
    pub(crate) fn befalls(self, step: Step) -> bool {
        match self {
            Self::TornCrash | Self::TornError => step.is_file(),
            Self::Short => step == Step::WriteTile,
            Self::CrashAfter | Self::ErrorAfter => step != Step::Read,
            Self::CrashBefore | Self::Error | Self::Slow => true,
        }
    }

    pub(crate) const ALL: [Self; 8] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::Error,
        Self::ErrorAfter,
        Self::TornCrash,
        Self::TornError,
        Self::Short,
        Self::Slow,
    ];
}

/// How much of a step happens, and whether the answer says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) effect: Effect,
    pub(crate) answered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    Half,
    Whole,
}

/// Counts of what was met, by step and fault.
pub(crate) type Met = BTreeMap<(Step, Fault), u64>;

pub(crate) struct Inner {
    dice: Dice,
    /// Milliseconds since 1970.
    pub(crate) now: u64,
    /// The node is dead: nothing that it still tries happens.
    pub(crate) crashed: bool,
    /// Every write is refused.
    pub(crate) full: bool,
    /// Nothing goes wrong for a while.
    pub(crate) calm: bool,
    /// Whether something went wrong since this was last set to `false`.
    pub(crate) troubled: bool,
    pub(crate) met: Met,
    pub(crate) crashes: u64,
}

/// Shared by the stores of one world.
#[derive(Clone)]
pub(crate) struct Machine(Arc<Mutex<Inner>>);

/// One write in so many goes wrong.
const WRITES_ONE_IN: u64 = 20;
/// One read in so many does.
const READS_ONE_IN: u64 = 300;
const SLOW_MAX_MS: u64 = 6 * 3_600_000;

impl Machine {
    pub(crate) fn new(seed: u64, now: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            dice: Dice::new(seed, 1),
            now,
            crashed: false,
            full: false,
            calm: true,
            troubled: false,
            met: Met::new(),
            crashes: 0,
        })))
    }

    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes of the next step.
    pub(crate) fn turn(&self, step: Step) -> Turn {
        self.inner().turn(step)
    }
}

impl Inner {
    fn turn(&mut self, step: Step) -> Turn {
        let turn = |effect, answered| Turn { effect, answered };
        if self.crashed || (self.full && !self.calm && step != Step::Read) {
            self.troubled = true;
            return turn(Effect::None, false);
        }
        let Some(fault) = self.fault(step) else { return turn(Effect::Whole, true) };
        self.troubled = true;
        *self.met.entry((step, fault)).or_default() += 1;
        if matches!(fault, Fault::CrashBefore | Fault::CrashAfter | Fault::TornCrash) {
            self.crash();
        }
        match fault {
            Fault::CrashBefore | Fault::Error => turn(Effect::None, false),
            Fault::CrashAfter | Fault::ErrorAfter => turn(Effect::Whole, false),
            Fault::TornCrash | Fault::TornError => turn(Effect::Half, false),
            Fault::Short => turn(Effect::Half, true),
            Fault::Slow => {
                self.now += self.dice.below(SLOW_MAX_MS);
                turn(Effect::Whole, true)
            }
        }
    }

    fn fault(&mut self, step: Step) -> Option<Fault> {
        let rarity = if step == Step::Read { READS_ONE_IN } else { WRITES_ONE_IN };
        if self.calm || !self.dice.one_in(rarity) {
            return None;
        }
        self.dice.pick(Fault::ALL.into_iter().filter(|fault| fault.befalls(step)))
    }

    /// How often half of a file was left where a whole one should be.
    pub(crate) fn torn(&self) -> u64 {
        let torn = [Fault::TornCrash, Fault::TornError, Fault::Short];
        self.met.iter().filter(|((_, fault), _)| torn.contains(fault)).map(|(_, count)| count).sum()
    }

    pub(crate) fn crash(&mut self) {
        self.crashed = true;
        self.crashes += 1;
    }
}

/// A rule that does not hold: what the simulator is there to find.
#[derive(Debug)]
pub(crate) struct Broken(pub(crate) String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Fails with `what` unless `holds`.
pub(crate) fn require(holds: bool, what: impl FnOnce() -> String) -> Result<(), Broken> {
    if holds { Ok(()) } else { Err(Broken(what())) }
}
