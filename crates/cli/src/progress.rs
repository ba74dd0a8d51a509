//! Progress of long work on stderr: a bar for people, a line a stage for logs, nothing for `--json` in a pipe.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use assay_api::v1::appraisal::{StageTime, Timings};
use indicatif::{ProgressBar, ProgressStyle};

/// Times stages and shows them.
pub(crate) struct Progress {
    started: Instant,
    stages: Vec<StageTime>,
    show: Show,
}

#[derive(Clone, Copy, PartialEq)]
enum Show {
    Bar,
    Lines,
    Nothing,
}

/// The stage at hand; can be told from any thread how far it is.
pub(crate) struct Stage {
    bar: ProgressBar,
}

impl Progress {
    /// `quiet` keeps logs free of progress; a terminal always shows it.
    pub(crate) fn new(quiet: bool) -> Self {
        let show = match (std::io::stderr().is_terminal(), quiet) {
            (true, _) => Show::Bar,
            (false, false) => Show::Lines,
            (false, true) => Show::Nothing,
        };
        Self { started: Instant::now(), stages: Vec::new(), show }
    }

    /// Runs a stage; `what` says in words what it does.
    pub(crate) fn stage<T>(&mut self, name: &str, what: &str, work: impl FnOnce(&Stage) -> T) -> T {
        let start = Instant::now();
        let bar = if self.show == Show::Bar { bar(name, what) } else { ProgressBar::hidden() };
        let stage = Stage { bar };
        let out = work(&stage);
        stage.bar.finish_and_clear();
        let wall = start.elapsed();
        if self.show != Show::Nothing {
            eprintln!("{name:>10}  {:>6.1} s  {what}", wall.as_secs_f64());
        }
        self.stages.push(StageTime { stage: name.to_owned(), wall_ms: millis(wall) });
        out
    }

    /// What the stages took so far.
    pub(crate) fn timings(&self) -> Timings {
        Timings {
            total_ms: millis(self.started.elapsed()),
            stages: self.stages.clone(),
            estimators: Vec::new(),
        }
    }
}

impl Stage {
    /// Says that `done` of `total` steps are done.
    pub(crate) fn at(&self, done: usize, total: usize) {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
    }
}

fn bar(name: &str, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_prefix(name.to_owned()).with_message(what.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{prefix:>10}  {elapsed:>6}  {bar:24} {pos}/{len}  {msg}")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
