//! Fitting a model to tolerance.
