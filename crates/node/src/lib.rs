//! Where pure meets world: record files, sequencer, worker, serving, publishing, verification.

pub mod records;
