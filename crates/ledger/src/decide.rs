//! May this happen? Pure, and writes nothing.
