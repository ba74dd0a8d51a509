//! Features, model families, training and evaluation.
//!
//! The path through this crate: raw columns ([`data`]) become a design matrix and a target ([`features`]),
//! a model is fitted to them ([`train`]), and scored on rows that it never saw ([`evaluate`]).

#![forbid(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros)]

pub mod crossfit;
pub mod crossval;
pub mod data;
pub mod evaluate;
pub mod features;
pub mod model;
pub mod retrain;
pub mod train;
