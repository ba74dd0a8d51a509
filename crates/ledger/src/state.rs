//! The fold of the log.
