//! Version 1 of the documents.

pub mod appraisal;
pub mod audit;
pub mod redteam;
pub mod report;
