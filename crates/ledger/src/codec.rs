//! The one form of an event in bytes: canonical JSON (RFC 8785) on one line.
