//! What the state says is due.
