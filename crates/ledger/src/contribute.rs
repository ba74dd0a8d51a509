//! contribute
